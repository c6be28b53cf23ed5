//! How much memory is used: the distribution of working set sizes over time.
//!
//! The working set of a snapshot is the memory in regions that were found accessed often enough. Over several targets,
//! working sets add up at the same instant, and percentiles are taken of the sums (see [`crate::series`]). With a work
//! time longer than a snapshot, the working set is what was accessed within that time (`window`). It can be told apart by
//! what was mapped where (`per_mapping`).

mod per_mapping;
mod picture;

pub use per_mapping::{MappingLayout, UNMAPPED, parts};

use crate::bounds::{WorkingSetBounds, bounded_working_sets};
use crate::confidence::working_set_variance;
use crate::distribution::{
    Distribution, DistributionText, PercentileRange, Ranges, SortBy, histogram_rows, percentile_rows,
};
use crate::filter::{Filter, Rows};
use crate::picture::Picture;
use crate::series::{Point, Series, by_target, excluded, measure_with_error, sum_at_instants, usable};
use crate::table::Table;
use crate::target::target_labels;
use crate::window;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::{Detail, Record};
use damo_model::human::Show;
use damo_model::{Bytes, Nanos, NrAccesses, TargetKey};
use std::collections::BTreeSet;
use std::io::Write;

damo_model::with_defaults! {
    /// What to count. The default is the Python tool's.
    #[derive(Clone, Debug)]
    pub struct WssOptions {
        /// The percentiles that are shown.
        pub range: PercentileRange,
        /// How many first snapshots are left out, because the first regions are a guess; `None` by the common rule
        /// ([`crate::series::left_out`]).
        pub exclude_samples: Option<u64>,
        /// A region belongs to the working set from so many accesses on.
        pub acc_thres: NrAccesses = NrAccesses(1),
        /// And from this size on.
        pub sz_thres: Bytes = Bytes(1),
        /// The working set of how long a time.
        pub work_time: Nanos = Nanos::from_micros(1),
        /// Ranked by size or by time.
        pub sort: SortBy = SortBy::Size,
        /// One distribution for each target instead of one for their sum.
        pub per_target: bool,
        /// One distribution for each name of mappings of each target.
        pub per_mapping: bool,
        /// Standard errors as well.
        pub errors: bool,
        /// Which part of the record.
        pub filter: Filter,
    }
}

impl WssOptions {
    /// Whether it is known between which sizes these working sets lie: they are what was accessed at all in an aggregation interval.
    fn has_bounds(&self) -> bool {
        let usual = WssOptions::default();
        let is_usual = self.acc_thres == usual.acc_thres && self.sz_thres == usual.sz_thres;
        self.errors && is_usual && self.work_time <= usual.work_time
    }
}

/// The working sets of some records.
#[derive(Clone, Debug)]
pub struct WssReport {
    /// One for each target, or one for each record.
    pub series: Vec<Series>,
    /// How many targets there are, together in one series or each in its own.
    pub targets: usize,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// Working sets of the records' snapshots.
///
/// # Errors
/// When a record cannot be read, or the options have no meaning.
pub fn wss(records: &[Record], options: &WssOptions) -> Result<WssReport, ReportError> {
    let percentiles = options.range.percentiles()?;
    let windowed = options.work_time > Nanos::from_micros(1);
    if windowed && (options.per_mapping || options.errors) {
        let what = if options.per_mapping { "mapping by mapping" } else { "with its error" };
        let message = format!("a working set {what} is of single snapshots: leave the work time out");
        return Err(ReportError::invalid(message));
    }
    let mut series = Vec::new();
    let mut targets: BTreeSet<(usize, TargetKey)> = BTreeSet::new();
    for (number, record) in records.iter().enumerate() {
        let filter = options.filter.plain_monitoring(record);
        let skip = if windowed { Some(0) } else { excluded(record, options.exclude_samples) };
        let mut push = |(label, target, mapping): (String, Option<TargetKey>, Option<String>),
                        points: &[Point],
                        bounds: Option<WorkingSetBounds>| {
            let (points, used) = usable(points, skip);
            let mut distribution = Distribution::of_points(&points, &percentiles, options.sort, options.errors);
            let bounds = bounds.map(|WorkingSetBounds { least, most }| {
                let (least, most) = (usable(&least, skip).0, usable(&most, skip).0);
                distribution.ranges = Some(Ranges::of_bounds(&least, &most, &percentiles, options.sort));
                WorkingSetBounds { least, most }
            });
            let record = record.name().to_owned();
            series.push(Series { record, label, target, mapping, points, bounds, distribution, used });
        };
        if options.per_mapping {
            let labels = target_labels(record);
            for (key, name, points) in per_mapping::series(record, &filter, options)? {
                targets.insert((number, key));
                push((labels.get(&key).cloned().unwrap_or_default(), Some(key), Some(name)), &points, None);
            }
            continue;
        }
        let (points, bounds) = if windowed {
            (window::working_sets(record, &filter, options)?, None)
        } else if options.has_bounds() {
            bounded_working_sets(record, &filter)?
        } else {
            let needs_ages = options.errors || filter.needs_ages();
            let detail = if needs_ages { Detail::All } else { Detail::WithoutAges };
            let points = measure_with_error(record, &filter, detail, |rows| {
                let variance =
                    if options.errors { working_set_variance(rows, options.acc_thres, options.sz_thres) } else { 0.0 };
                (working_set(rows, options.acc_thres, options.sz_thres), variance)
            })?;
            (points, None)
        };
        targets.extend(points.iter().map(|point| (number, point.target)));
        if options.per_target {
            let labels = target_labels(record);
            let mut bounds = bounds.map(WorkingSetBounds::by_target).unwrap_or_default();
            for (key, points) in by_target(&points) {
                let label = labels.get(&key).cloned().unwrap_or_default();
                push((label, Some(key), None), &points, bounds.remove(&key));
            }
        } else {
            push(
                ("0".to_owned(), None, None),
                &sum_at_instants(&points),
                bounds.map(WorkingSetBounds::sum_at_instants),
            );
        }
    }
    let targets = targets.len();
    Ok(WssReport { series, targets, zero: Zero::of(records) })
}

/// Bytes in regions with at least `acc_thres` accesses and `sz_thres` bytes.
pub(crate) fn working_set(rows: &Rows<'_>, acc_thres: NrAccesses, sz_thres: Bytes) -> u64 {
    let mut sum = 0u64;
    for ((start, end), nr_accesses) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses) {
        let size = end.saturating_sub(*start);
        let counts = (*nr_accesses >= acc_thres.0) & (size >= sz_thres.0);
        sum = sum.saturating_add(if counts { size } else { 0 });
    }
    sum
}

/// A point of a series, with its bounds where they are known.
type BoundedPoint<'s> = (&'s Series, &'s Point, Option<(u64, u64)>);

/// The points of several series, each with its series and its bounds.
fn bounded_rows(series: &[Series]) -> Vec<BoundedPoint<'_>> {
    let rows = |series| {
        let Series { points, bounds, .. }: &Series = series;
        points.iter().enumerate().map(move |(i, point)| {
            let bounds = bounds
                .as_ref()
                .and_then(|WorkingSetBounds { least, most }| Some((least.get(i)?.value, most.get(i)?.value)));
            (series, point, bounds)
        })
    };
    series.iter().flat_map(rows).collect()
}

impl Report for WssReport {
    const NAME: &'static str = "wss";
    type Layout = DistributionText;

    /// The distributions as text.
    fn write_text(&self, out: &mut dyn Write, text: &DistributionText) -> Result<(), ReportError> {
        let several = self.series.iter().any(|series| Some(&series.record) != self.series.first().map(|s| &s.record));
        let mut last = None;
        for series in &self.series {
            if several && last != Some(&series.record) {
                writeln!(out, "# record {}", series.record)?;
                last = Some(&series.record);
            }
            writeln!(out, "# target_id\t{}", series.label)?;
            if let Some(mapping) = &series.mapping {
                writeln!(out, "# mapping\t{}", mapping.shown())?;
            }
            match (text.histogram, &series.distribution.errors) {
                (Some(_), _) => writeln!(out, "# <wss> <number of snapshots>")?,
                (None, Some(_)) if series.distribution.ranges.is_some() => {
                    writeln!(out, "# <percentile> <wss> <at least> <at most>")?;
                }
                (None, Some(_)) => writeln!(out, "# <percentile> <wss> <standard error>")?,
                (None, None) => writeln!(out, "# <percentile> <wss>")?,
            }
            text.write_sizes(&series.distribution, out)?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let percentiles = percentile_rows(&self.series, |series| &series.distribution);
        let histogram = histogram_rows(&self.series, |series| &series.distribution);
        let points = bounded_rows(&self.series);
        let percentiles = Table::of("percentiles", &percentiles)
            .col("target", "`0` for all together", |row| row.series.label.as_str())
            .col("percentile", "0 to 100", |row| row.percentile)
            .col("wss", "bytes", |row| row.value)
            .col("error", "standard error of the checks alone, bytes; `null` with `--work_time`", |row| row.error)
            .col("least", "the true one is at least so large (docs/truth.md), bytes", |row| row.range.map(|range| range.0))
            .col("most", "and at most so large; both `null` with other than the default thresholds, `--work_time` and `--per_mapping`", |row| {
                row.range.map(|range| range.1)
            })
            .col("mapping", "with `--per_mapping`", |row| row.series.mapping.as_deref());
        let points = Table::of("series", &points)
            .col("target", "a row for each snapshot (or work time) used", |(series, ..)| series.label.as_str())
            .col("start_ns", "", |(_, point, _)| point.start.0)
            .col("end_ns", "", |(_, point, _)| point.end.0)
            .col("wss", "bytes", |(_, point, _)| point.value)
            .col("error", "standard error of the checks alone, bytes", |(series, point, _)| {
                series.distribution.errors.is_some().then(|| point.variance.sqrt())
            })
            .col("least", "bounds of this snapshot on average, bytes", |(_, _, bounds)| bounds.map(|bounds| bounds.0))
            .col("most", "bytes", |(_, _, bounds)| bounds.map(|bounds| bounds.1))
            .col("mapping", "", |(series, ..)| series.mapping.as_deref());
        let histogram = Table::of("histogram", &histogram)
            .col("target", "the target", |(series, _)| series.label.as_str())
            .col("from", "bytes, included", |(_, bin)| bin.from)
            .col("to", "not included", |(_, bin)| bin.to)
            .col("count", "snapshots", |(_, bin)| bin.count)
            .col("mapping", "", |(series, _)| series.mapping.as_deref());
        Ok(vec![percentiles.table()?, points.table()?, histogram.table()?])
    }

    /// Percentiles or the course of things, or with `histogram` how many snapshots have which sizes.
    fn picture(&self, text: &DistributionText) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(match text.histogram {
            Some(ranges) => Box::new(self.histogram_bars(ranges)),
            None => self.charts(text.sort),
        })
    }
}
