//! How much memory the monitored processes and the system hold: the distribution of memory footprints over time.
//!
//! Footprints of all processes seen at one moment add up. They come from the record itself or from a side file of the
//! Python tool, opened as a record. Beside what is allocated, the working set can be shown: what is touched of it.

use crate::distribution::{Distribution, DistributionText, PercentileRange, SortBy, histogram_rows, percentile_rows};
use crate::picture::{Picture, Unit};
use crate::range::TimeRange;
use crate::series_chart::series_chart;
use crate::table::Table;
use crate::wss::{self, wss};
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::human::time_text;
use damo_model::{Bytes, Nanos, TimeSpan};
use polars::prelude::{Column, DataFrame, Expr, Int32Chunked, Int64Chunked, IntoLazy, NULL, col, lit, when};
use std::collections::HashSet;
use std::io::Write;

damo_model::words! {
    /// What is measured.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Metric {
        /// Virtual size: what is mapped.
        Vsz = "vsz",
        /// Resident set size.
        Rss = "rss",
        /// Proportional set size.
        Pss = "pss",
        /// What of it is swapped out.
        Swap = "swap",
        /// Charged to the cgroup.
        Cgroup = "cgroup",
        /// The system's total less its free memory.
        SysUsed = "sys_used",
        /// The working set, of all targets together: not a footprint, but what to compare one with.
        Wss = "wss",
    }
}

damo_model::with_defaults! {
    /// What to report.
    #[derive(Clone, Debug)]
    pub struct FootprintsOptions {
        /// The metrics, in the order in which they are shown. Those of the Python tool unless told otherwise.
        pub metrics: Vec<Metric> = vec![Metric::Vsz, Metric::Rss, Metric::SysUsed],
        /// The percentiles that are shown.
        pub range: PercentileRange,
        /// Ranked by size or by time.
        pub sort: SortBy,
        /// Moments of this time only; `guided` is the first reading, `guided_end` the last.
        pub time: Option<TimeRange>,
    }
}

/// The values of one metric.
#[derive(Clone, Debug)]
pub struct FootprintSeries {
    /// The metric that the values are of.
    pub metric: Metric,
    /// Moments and values, in time order. A moment at which nobody told the metric is not there.
    pub points: Vec<(Nanos, Bytes)>,
    /// The values, ranked.
    pub distribution: Distribution,
}

/// What the footprints of some records are.
#[derive(Clone, Debug)]
pub struct FootprintsReport {
    /// One for each metric asked for.
    pub series: Vec<FootprintSeries>,
    /// Whether readings that carry wall times only were laid beside snapshots by taking the first one to be at the
    /// record's start.
    pub aligned: bool,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// Readings of one round follow one another within this time.
const ROUND: Nanos = Nanos(50_000_000);

/// The number of each reading's round: a new one begins when the first reading of the last one is too long ago, or when a
/// process, or the system, is read again. That depends on all readings of the round before, so that it is no expression.
fn rounds(at: &Int64Chunked, pids: &Int32Chunked) -> Vec<u32> {
    let (mut round, mut first) = (0, None);
    let mut seen: HashSet<Option<i32>> = HashSet::new();
    let number = |(at, pid): (Option<i64>, Option<i32>)| {
        let near = first.zip(at).is_some_and(|(first, at): (i64, i64)| at.saturating_sub(first).abs() < ROUND.0);
        if !near || seen.contains(&pid) {
            (round, first) = (round + 1, at);
            seen.clear();
        }
        seen.insert(pid);
        round
    };
    at.iter().zip(pids.iter()).map(number).collect()
}

/// The system's used memory in a frame of readings, null where it was not read.
fn used_memory() -> Expr {
    col("total") - when(col("free").gt(col("total"))).then(col("total")).otherwise(col("free"))
}

/// Memory at each moment, of all processes together: `time_ns` on the record's clock, and a column for each metric but the
/// working set, null where nobody told it. And whether readings that carry wall times only were laid beside snapshots.
fn moments(record: &Record) -> Result<(DataFrame, bool), ReportError> {
    let readings = record.readings()?.lazy().with_column(col("record_ns").fill_null(col("wall_ns")).alias("time_ns"));
    let mut readings = readings.collect()?;
    let rounds = rounds(readings.column("time_ns")?.i64()?, readings.column("pid")?.i32()?);
    readings.with_column(Column::new("round".into(), rounds))?;
    let first = |column: &str| Ok::<_, ReportError>(readings.column(column)?.i64()?.iter().next().flatten());
    let is_untold = first("record_ns")?.is_none();
    let (shift, aligned) = match (first("time_ns")?.filter(|_| is_untold), record.time_span()) {
        (Some(first), Some(span)) => (span.start.0.saturating_sub(first), true),
        _ => (0, false),
    };
    // A sum of nothing is not known, and not zero.
    let sum = |metric: Metric| {
        let of = col(metric.as_str());
        when(of.clone().count().gt(lit(0u32))).then(of.sum()).otherwise(lit(NULL)).alias(metric.as_str())
    };
    let moments = readings.lazy().group_by_stable([col("round")]).agg([
        col("time_ns").first() + lit(shift),
        sum(Metric::Vsz),
        sum(Metric::Rss),
        sum(Metric::Pss),
        sum(Metric::Swap),
        // One cgroup may hold several of the processes: its charge is not a sum.
        col(Metric::Cgroup.as_str()).max(),
        used_memory().max().alias(Metric::SysUsed.as_str()),
    ]);
    Ok((moments.collect()?, aligned))
}

/// The moments and values of a metric, where it is known.
fn points(moments: &DataFrame, metric: Metric) -> Result<Vec<(Nanos, Bytes)>, ReportError> {
    let values = moments.column(metric.as_str())?.u64()?;
    let times = moments.column("time_ns")?.i64()?;
    let points = times.iter().zip(values.iter());
    Ok(points.filter_map(|(at, value)| Some((Nanos(at?), Bytes(value?)))).collect())
}

/// Footprints over the records' time.
///
/// # Errors
/// When a record cannot be read, the options have no meaning, or no record holds footprints.
pub fn footprints(records: &[Record], options: &FootprintsOptions) -> Result<FootprintsReport, ReportError> {
    let percentiles = options.range.percentiles()?;
    let (mut all, mut aligned) = (DataFrame::empty(), false);
    for record in records {
        let (moments, is_guess) = moments(record)?;
        aligned |= is_guess;
        all = if all.height() == 0 { moments } else { all.vstack(&moments)? };
    }
    if all.height() == 0 {
        let names: Vec<_> = records.iter().map(Record::name).collect();
        return Err(ReportError::invalid(format!(
            "no memory footprints in {}: record them with it, or name a .mem_footprint file",
            names.join(", ")
        )));
    }
    // Neither is empty.
    let times = all.column("time_ns")?.i64()?;
    let span = TimeSpan::new(Nanos(times.first().unwrap_or(0)), Nanos(times.last().unwrap_or(0)));
    let window = options.time.as_ref().map(|range| range.resolve(records, span)).transpose()?;
    let mut series = Vec::new();
    for metric in options.metrics.iter().copied() {
        let mut points = if metric == Metric::Wss { working_sets(records)? } else { points(&all, metric)? };
        points.retain(|(at, _)| window.is_none_or(|window| window.contains(*at)));
        let values = points.iter().map(|(_, value)| value.0).collect();
        let distribution = Distribution::new(values, &percentiles, options.sort);
        series.push(FootprintSeries { metric, points, distribution });
    }
    if window.is_some() && series.iter().all(|series| series.points.is_empty()) {
        let began = records.first().map(Record::began).unwrap_or_default();
        let [from, to] = [span.start, span.end].map(|at| time_text(at.saturating_sub(began)));
        return Err(ReportError::invalid(format!(
            "--time_range: no reading lies in it; the readings are from {from} to {to} since the recording began"
        )));
    }
    Ok(FootprintsReport { series, aligned, zero: Zero::of(records) })
}

/// The records' working sets by time, every snapshot of them.
fn working_sets(records: &[Record]) -> Result<Vec<(Nanos, Bytes)>, ReportError> {
    let options = wss::WssOptions { exclude_samples: Some(0), ..wss::WssOptions::default() };
    let series = wss(records, &options)?.series;
    let points: Vec<_> =
        series.iter().flat_map(|series| &series.points).map(|point| (point.start, Bytes(point.value))).collect();
    if points.is_empty() {
        return Err(ReportError::invalid(
            "there is no snapshot, hence no working set to compare with: name the record itself (its side files are \
             read with it)",
        ));
    }
    Ok(points)
}

impl Report for FootprintsReport {
    const NAME: &'static str = "footprints";
    type Layout = DistributionText;

    /// The distributions as text.
    fn write_text(&self, out: &mut dyn Write, text: &DistributionText) -> Result<(), ReportError> {
        for series in &self.series {
            match text.histogram {
                Some(_) => writeln!(out, "# <{}> <number of readings>", series.metric.as_str())?,
                None => writeln!(out, "# <percentile> <{}>", series.metric.as_str())?,
            }
            text.write_sizes(&series.distribution, out)?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let percentiles = percentile_rows(&self.series, |series| &series.distribution);
        let histogram = histogram_rows(&self.series, |series| &series.distribution);
        let points: Vec<_> = self.series.iter().flat_map(|s| s.points.iter().map(move |point| (s, point))).collect();
        let metrics = "`vsz`, `rss`, `pss`, `swap`, `cgroup`, `sys_used` or `wss`";
        let percentiles = Table::of("percentiles", &percentiles)
            .col("metric", metrics, |row| row.series.metric.as_str())
            .col("percentile", "0 to 100", |row| row.percentile)
            .col("bytes", "", |row| row.value);
        let points = Table::of("series", &points)
            .col("metric", "", |(series, _)| series.metric.as_str())
            .col("time_ns", "of the reading", |(_, (at, _))| at.0)
            .col("bytes", "", |(_, (_, value))| value.0);
        let histogram = Table::of("histogram", &histogram)
            .col("metric", "", |(series, _)| series.metric.as_str())
            .col("from", "bytes, included", |(_, bin)| bin.from)
            .col("to", "not included", |(_, bin)| bin.to)
            .col("count", "readings", |(_, bin)| bin.count);
        Ok(vec![percentiles.table()?, points.table()?, histogram.table()?])
    }

    fn picture(&self, text: &DistributionText) -> Result<Box<dyn Picture + '_>, ReportError> {
        let lines = self.series.iter().map(|series| {
            let points = series.points.iter().map(|(at, size)| (*at, size.0 as f64)).collect();
            (series.metric.as_str().to_owned(), points, &series.distribution)
        });
        let touched = self.series.iter().any(|series| series.metric == Metric::Wss);
        let title = if touched { "Memory allocated and touched" } else { "Memory footprint" };
        let mut chart =
            series_chart(title, ("memory", Unit::Bytes), "readings", (text.sort, self.zero), lines.collect());
        for (series, line) in self.series.iter().zip(&mut chart.series) {
            if series.metric == Metric::Wss {
                line.filled = true;
                line.name = "wss (touched)".to_owned();
            }
        }
        Ok(Box::new(chart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Footprint, Item, Meta, ProcessFootprint, Side, Stamp};

    fn rss_and_swap(readings: &[(i64, i32, u64)]) -> [Vec<Option<u64>>; 2] {
        let item = |(at, pid, rss): &(i64, i32, u64)| {
            let footprint = Footprint { rss: Some(Bytes(*rss)), ..Footprint::default() };
            Item::Side(Side::Process(ProcessFootprint {
                at: Stamp::Wall(Nanos(*at)),
                pid: *pid,
                target: None,
                footprint,
            }))
        };
        let items: Vec<Item> = std::iter::once(Item::Meta(Meta::default())).chain(readings.iter().map(item)).collect();
        let (moments, _) = moments(&Record::from_items(&items).unwrap()).unwrap();
        ["rss", "swap"].map(|metric| moments.column(metric).unwrap().u64().unwrap().to_vec())
    }

    #[test]
    fn processes_of_one_moment_add_up_and_what_nobody_told_is_absent() {
        const SECOND: i64 = 1_000_000_000;
        let [rss, swap] = rss_and_swap(&[(0, 1, 10), (0, 2, 5), (SECOND, 1, 20), (2 * SECOND, 2, 7)]);
        assert_eq!(rss, [Some(15), Some(20), Some(7)]);
        assert_eq!(swap, [None; 3]);
    }
}
