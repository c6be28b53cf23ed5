//! The working set profile: how much memory is accessed within a window, for windows of a snapshot, two, four, eight, …
//!
//! A profile that is flat early tells that little memory serves the program for long; one that keeps growing, that it
//! keeps moving. All lengths come from one pass: the bytes accessed within a window are the union of what its two halves
//! accessed, so each length costs no more than joining the lists of the length below. (A "working set" of one length
//! says little: 100 ms of a server and an hour of it differ by orders of magnitude.)

use crate::distribution::{Distribution, SortBy};
use crate::filter::{Filter, for_each_rows};
use crate::picture::{Chart, Line, Picture, Unit};
use crate::series::{Point, Used, excluded, sum_at_instants, without_first};
use crate::table::Table;
use crate::window::{Piece, add, pieces};
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::human::{size_text, time_text};
use damo_model::{Nanos, NrAccesses, TargetKey};
use std::collections::HashMap;
use std::io::Write;

damo_model::with_defaults! {
    /// What to count.
    #[derive(Clone, Debug)]
    pub struct ProfileOptions {
        /// A region is accessed from so many accesses on.
        pub acc_thres: NrAccesses = NrAccesses(1),
        /// How many first snapshots are left out, because the first regions are a guess; `None` by the common rule
        /// ([`crate::series::left_out`]).
        pub exclude_samples: Option<u64>,
        /// Which part of the record.
        pub filter: Filter,
    }
}

/// The working sets of all windows of one length.
#[derive(Clone, Debug)]
pub struct ProfileStep {
    /// How many snapshots a window has.
    pub snapshots: u64,
    /// How long a window is, on average.
    pub length: Nanos,
    /// Their sizes in bytes, ranked.
    pub distribution: Distribution,
}

/// Working set sizes by length of the window.
#[derive(Clone, Debug)]
pub struct ProfileReport {
    /// Shortest windows first. The longest still have one full window.
    pub steps: Vec<ProfileStep>,
    /// What it is based on.
    pub used: Used,
}

const PERCENTILES: [u8; 5] = [0, 25, 50, 75, 100];

/// Half of a window that waits for its other half.
struct Half {
    start: Nanos,
    pieces: Vec<Piece>,
}

#[derive(Default)]
struct Levels {
    skipped: u64,
    halves: Vec<Option<Half>>,
}

/// Sizes of working sets for windows of doubling lengths, of all targets together.
///
/// # Errors
/// When the record cannot be read or the filter cannot be applied to it.
pub fn profile(record: &Record, options: &ProfileOptions) -> Result<ProfileReport, ReportError> {
    let nothing = |report: &ProfileReport| report.used.snapshots == 0;
    without_first(excluded(record, options.exclude_samples), |first| without(record, options, first), nothing)
}

/// The same, without so many snapshots of each target at the beginning.
fn without(record: &Record, options: &ProfileOptions, first: u64) -> Result<ProfileReport, ReportError> {
    let mut targets: HashMap<TargetKey, Levels> = HashMap::new();
    let mut points: Vec<Vec<Point>> = Vec::new();
    let mut used = Used::default();
    for_each_rows(record, &options.filter, |_, rows| {
        let head = rows.head;
        let levels = targets.entry(head.target).or_default();
        if levels.skipped < first {
            levels.skipped += 1;
            used.left_out += 1;
            return Ok(());
        }
        used.snapshots += 1;
        if !rows.is_complete() {
            // A window with a hole is no window: what waits is given up.
            used.partial += 1;
            levels.halves.clear();
            return Ok(());
        }
        let mut accessed = pieces(&rows);
        accessed.retain(|piece| piece.count >= u64::from(options.acc_thres.0));
        accessed.iter_mut().for_each(|piece| piece.count = 1);
        let mut window = Half { start: head.start, pieces: add(&accessed, &[]) };
        for level in 0.. {
            if points.len() <= level {
                points.push(Vec::new());
            }
            if levels.halves.len() <= level {
                levels.halves.push(None);
            }
            let (Some(points), Some(half)) = (points.get_mut(level), levels.halves.get_mut(level)) else { break };
            let value = window.pieces.iter().map(|piece| piece.end - piece.start).sum();
            points.push(Point { start: window.start, ..Point::of(&rows, (value, 0.0)) });
            match half.take() {
                None => {
                    *half = Some(window);
                    break;
                }
                Some(first) => {
                    let mut union = add(&first.pieces, &window.pieces);
                    union.iter_mut().for_each(|piece| piece.count = 1);
                    window = Half { start: first.start, pieces: add(&union, &[]) };
                }
            }
        }
        Ok(())
    })?;
    let steps = points.iter().enumerate().map(|(level, points)| {
        let points = sum_at_instants(points);
        let lengths: i128 = points.iter().map(|point| i128::from(point.end.0) - i128::from(point.start.0)).sum();
        let length = i64::try_from(lengths / points.len().max(1) as i128).unwrap_or(i64::MAX);
        ProfileStep {
            snapshots: 1 << level,
            length: Nanos(length),
            distribution: Distribution::of_points(&points, &PERCENTILES, SortBy::Size, false),
        }
    });
    Ok(ProfileReport { steps: steps.collect(), used })
}

impl Report for ProfileReport {
    const NAME: &'static str = "wss_profile";
    type Layout = ();

    /// The profile as text: a line for each length of window.
    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        writeln!(out, "# working set size by length of window")?;
        writeln!(
            out,
            "# {:>14} {:>8} {:>12} {:>12} {:>12} {:>12}",
            "window", "windows", "mean", "min", "median", "max"
        )?;
        if self.steps.is_empty() {
            return Ok(writeln!(out, "# no snapshot")?);
        }
        for step in &self.steps {
            let at = |percentile: u8| size_text(step.distribution.at(percentile).unwrap_or(0));
            writeln!(
                out,
                "  {:>14} {:>8} {:>12} {:>12} {:>12} {:>12}",
                time_text(step.length),
                step.distribution.values.len(),
                size_text(step.distribution.mean as u64),
                at(0),
                at(50),
                at(100),
            )?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let profile = Table::of("profile", &self.steps)
            .col("snapshots", "per window", |step| step.snapshots)
            .col("window_ns", "mean length of a window", |step| step.length.0)
            .col("windows", "how many there are", |step| step.distribution.values.len() as u64)
            .col("mean", "bytes", |step| step.distribution.mean)
            .col("p0", "percentile, bytes", |step| step.distribution.at(0))
            .col("p25", "percentile, bytes", |step| step.distribution.at(25))
            .col("p50", "percentile, bytes", |step| step.distribution.at(50))
            .col("p75", "percentile, bytes", |step| step.distribution.at(75))
            .col("p100", "percentile, bytes", |step| step.distribution.at(100));
        Ok(vec![profile.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let line = |name: &str, pick: &dyn Fn(&Distribution) -> f64| Line {
            name: name.to_owned(),
            points: self.steps.iter().map(|s| ((s.length.0.max(1) as f64).log2(), pick(&s.distribution))).collect(),
            steps: false,
            filled: false,
        };
        let at = |percentile: u8| move |d: &Distribution| d.at(percentile).map_or(f64::NAN, |value| value as f64);
        Ok(Box::new(Chart::new(
            "Working set size by length of window",
            ("length of the window", Unit::LogTime),
            ("working set", Unit::Bytes),
            vec![
                line("largest", &at(100)),
                line("mean", &|d| d.mean),
                line("median", &at(50)),
                line("smallest", &at(0)),
            ],
        )))
    }
}
