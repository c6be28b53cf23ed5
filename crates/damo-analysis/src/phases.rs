//! Phases of a run: times in which the same memory is touched.
//!
//! Memory is cut into a few hundred cells, and each instant of the record becomes a row of touched bytes (`touched`); a phase
//! begins where rows begin to differ more than they do within a time (`segments`). Phases that touch the same memory again
//! are of one kind: A, B, ….

mod segments;
mod show;
mod touched;

use damo_frame::Record;
use damo_model::{HeatClass, Nanos, TargetKey, TimeSpan};
use damo_report::filter::{Bounds, Filter, for_each_rows};
use damo_report::picture::Band;
use damo_report::series::Used;
use damo_report::wss::MappingLayout;
use damo_report::{ReportError, Zero};
use segments::{Measure, labelled};
pub(crate) use show::hot_text;
use std::collections::HashMap;
use touched::Touched;

/// Recurrences are regular if their distances differ by no more than this share from the median.
const REGULAR: f64 = 0.2;

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct PhasesOptions {
    /// How many first instants are left out, because the first regions are a guess; `None` by the common rule
    /// ([`damo_report::series::left_out`]).
    pub exclude_samples: Option<u64>,
    /// Which part of the record.
    pub filter: Filter,
}

/// A time in which the same memory is touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its kind: phases of one kind touch the same memory. From 0, in the order of appearance.
    pub kind: usize,
    /// From its first instant to the next phase's, on the record's clock. The first phase begins with the record, though its
    /// figures leave out the time in which DAMON's regions settle.
    pub time: TimeSpan,
    /// Mean working set, in bytes.
    pub working_set: f64,
    /// Memory that was accessed in at least half of the samples, by mapping, as a mean over the phase in bytes, the largest
    /// first.
    pub hot: Vec<(String, f64)>,
}

impl Phase {
    /// Bytes of the hot set, as a mean.
    pub(crate) fn hot_bytes(&self) -> f64 {
        // The sum of nothing is -0.0.
        self.hot.iter().map(|(_, bytes)| bytes).sum::<f64>() + 0.0
    }
}

/// What phases of one kind have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// Positions of its phases.
    pub phases: Vec<usize>,
    /// All of their time together.
    pub length: Nanos,
    /// Mean working set, in bytes.
    pub working_set: f64,
    /// Mean hot set by mapping, in bytes, the largest first.
    pub hot: Vec<(String, f64)>,
    /// Median time from the beginning of one to that of the next; `None` if there is only one.
    pub period: Option<Nanos>,
    /// Whether all of these times are about the same.
    pub is_regular: bool,
}

/// The phases of a record.
#[derive(Clone, Debug)]
pub struct PhasesReport {
    /// In the order of time.
    pub phases: Vec<Phase>,
    /// The kinds, in the order of appearance.
    pub kinds: Vec<Kind>,
    /// Mean working set of the instants: when they begin and end, and bytes.
    pub course: Vec<(TimeSpan, f64)>,
    /// What it is based on: instants, of all targets together.
    pub used: Used,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// The letters of a kind: A to Z, then AA, AB, ….
pub fn label(kind: usize) -> String {
    let letter = char::from(b'A' + (kind % 26) as u8);
    if kind < 26 { letter.to_string() } else { label(kind / 26 - 1) + &letter.to_string() }
}

/// Parts of rows with their kinds, and their times.
struct Found {
    touched: Touched,
    parts: Vec<(std::ops::Range<usize>, usize)>,
    times: Vec<TimeSpan>,
}

fn find(record: &Record, options: &PhasesOptions) -> Result<Found, ReportError> {
    let filter = options.filter.plain_monitoring(record);
    let touched = touched::touched(record, &filter, options.exclude_samples)?;
    let measure = Measure::new(&touched);
    let parts = labelled(&measure, &segments::segments(&measure));
    let start = |part: usize| {
        let first = parts.get(part).and_then(|(rows, _)| touched.times.get(rows.start)).map(|time| time.start);
        if part == 0 { touched.whole.map(|whole| whole.start) } else { first }
    };
    let times = parts.iter().enumerate().filter_map(|(part, (rows, _))| {
        let end = touched.times.get(rows.end.checked_sub(1)?)?.end;
        let next = start(part + 1).or(touched.whole.map(|whole| whole.end));
        Some(TimeSpan::new(start(part)?, next.map_or(end, |next| next.max(end))))
    });
    let times = times.collect();
    Ok(Found { parts, times, touched })
}

/// The kinds and times of a record's phases, without what they touch: see [`phases`].
///
/// # Errors
/// When the record cannot be read or the filter cannot be applied to it.
pub fn phase_times(record: &Record, options: &PhasesOptions) -> Result<Vec<(TimeSpan, usize)>, ReportError> {
    let Found { parts, times, .. } = find(record, options)?;
    Ok(times.into_iter().zip(parts.into_iter().map(|(_, kind)| kind)).collect())
}

/// The phases of a record as bands of pictures, on the record's clock.
///
/// # Errors
/// As [`phases`].
pub fn bands(record: &Record) -> Result<Vec<Band>, ReportError> {
    let phases = phase_times(record, &PhasesOptions::default())?;
    Ok(phases.into_iter().map(|(time, kind)| Band { time, label: label(kind), color: kind }).collect())
}

/// The times of the phases with these numbers, from 1, to be put into a [`Filter`].
///
/// # Errors
/// If there is no phase of a number, with how many there are; or as [`phases`].
pub fn times_of(record: &Record, numbers: &[usize]) -> Result<Vec<Bounds<Nanos>>, ReportError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let phases = phase_times(record, &PhasesOptions::default())?;
    let bounds = numbers.iter().map(|number| {
        let phase = number.checked_sub(1).and_then(|at| phases.get(at));
        phase.map(|(time, _)| Bounds::new(time.start, time.end)).ok_or_else(|| {
            let there_are = match phases.len() {
                0 => "no phase, since there is no complete snapshot".to_owned(),
                1 => "one phase, number 1".to_owned(),
                several => format!("{several} phases, numbers 1 to {several}"),
            };
            let name = record.name();
            ReportError::invalid(format!(
                "--phase {number}: the record has {there_are}; `damo report phases {name}` lists them"
            ))
        })
    });
    bounds.collect()
}

/// The phases of the records' run; a second one holds what was read beside snapshots.
///
/// # Errors
/// When the record cannot be read or the filter cannot be applied to it.
pub fn phases(records: &[Record], options: &PhasesOptions) -> Result<PhasesReport, ReportError> {
    let mut report = PhasesReport {
        phases: Vec::new(),
        kinds: Vec::new(),
        course: Vec::new(),
        used: Used::default(),
        zero: Zero::of(records),
    };
    let Some(record) = records.first() else { return Ok(report) };
    let Found { touched, parts, times } = find(record, options)?;
    let mean = |rows: std::ops::Range<usize>| {
        let values = touched.working_set.get(rows).unwrap_or_default();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    report.phases = times
        .iter()
        .zip(&parts)
        .map(|(time, (rows, kind))| Phase {
            kind: *kind,
            time: *time,
            working_set: mean(rows.clone()),
            hot: Vec::new(),
        })
        .collect();
    // Figures leave out what was left out of the search.
    let starts: Vec<Nanos> =
        parts.iter().filter_map(|(rows, _)| touched.times.get(rows.start)).map(|time| time.start).collect();
    let hot = hot_sets(record, &options.filter.plain_monitoring(record), &starts)?;
    for (at, (phase, sums)) in report.phases.iter_mut().zip(hot).enumerate() {
        let rows = parts.get(at).map_or(0..0, |(rows, _)| rows.clone());
        let covered: f64 = touched.times.get(rows).unwrap_or_default().iter().map(|time| time.length().0 as f64).sum();
        let sums = sums.into_iter().map(|(name, sum)| (name, sum / covered.max(1.0)));
        phase.hot = sorted(sums.collect());
    }
    let kinds = parts.iter().map(|(_, kind)| kind + 1).max().unwrap_or(0);
    report.kinds = (0..kinds).map(|kind| kind_of(&report.phases, kind)).collect();
    report.course = touched.times.iter().copied().zip(touched.working_set.iter().copied()).collect();
    report.used = Used {
        snapshots: touched.instants.saturating_sub(touched.left_out),
        partial: touched.partial,
        left_out: touched.left_out,
    };
    Ok(report)
}

fn sorted(mut hot: Vec<(String, f64)>) -> Vec<(String, f64)> {
    hot.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    hot
}

/// What the phases of a kind have in common: means by their lengths.
fn kind_of(phases: &[Phase], kind: usize) -> Kind {
    let own: Vec<usize> =
        (0..phases.len()).filter(|at| phases.get(*at).is_some_and(|phase| phase.kind == kind)).collect();
    let of = || own.iter().filter_map(|at| phases.get(*at));
    let length = of().fold(0i64, |sum, phase| sum.saturating_add(phase.time.length().0));
    let share = |phase: &Phase| phase.time.length().0 as f64 / length.max(1) as f64;
    let mut hot: HashMap<&str, f64> = HashMap::new();
    for phase in of() {
        phase.hot.iter().for_each(|(name, bytes)| *hot.entry(name).or_default() += bytes * share(phase));
    }
    let starts: Vec<i64> = of().map(|phase| phase.time.start.0).collect();
    let mut distances: Vec<i64> = starts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    distances.sort_unstable();
    let period = distances.get(distances.len() / 2).copied();
    let is_near = |distance: &i64| {
        period.is_some_and(|period| (*distance as f64 - period as f64).abs() <= period as f64 * REGULAR)
    };
    Kind {
        length: Nanos(length),
        working_set: of().map(|phase| phase.working_set * share(phase)).sum(),
        hot: sorted(hot.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()),
        period: period.map(Nanos),
        is_regular: distances.len() > 1 && distances.iter().all(is_near),
        phases: own,
    }
}

/// Hot bytes times nanoseconds by mapping, of each phase; `starts` is when they begin.
fn hot_sets(record: &Record, filter: &Filter, starts: &[Nanos]) -> Result<Vec<HashMap<String, f64>>, ReportError> {
    let layouts = MappingLayout::of_targets(record)?;
    let mut sums: Vec<HashMap<(TargetKey, usize), f64>> = vec![HashMap::new(); starts.len()];
    for_each_rows(record, filter, |_, rows| {
        let phase = starts.partition_point(|start| *start <= rows.head.start).checked_sub(1);
        let (Some(sums), Some(layout)) = (phase.and_then(|at| sums.get_mut(at)), layouts.get(&rows.head.target)) else {
            return Ok(());
        };
        if !rows.is_complete() {
            return Ok(());
        }
        let length = rows.head.time_span().length().0 as f64;
        let most = rows.intervals.map_or(1, |intervals| intervals.max_nr_accesses().0);
        for ((start, end), count) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses) {
            if *count > 0 && HeatClass::of(*count, most, None) == HeatClass::Hot {
                layout.parts(*start, *end, |name, bytes| {
                    *sums.entry((rows.head.target, name)).or_default() += bytes as f64 * length;
                });
            }
        }
        Ok(())
    })?;
    let named = |sums: HashMap<(TargetKey, usize), f64>| {
        let mut by_name: HashMap<String, f64> = HashMap::new();
        for ((target, name), sum) in sums {
            let name = layouts.get(&target).and_then(|layout| layout.names.get(name));
            *by_name.entry(name.cloned().unwrap_or_default()).or_default() += sum;
        }
        by_name
    };
    Ok(sums.into_iter().map(named).collect())
}
