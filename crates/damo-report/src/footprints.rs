//! How much memory the monitored processes and the system hold: the distribution of memory footprints over time.
//!
//! Footprints of all processes seen at one moment add up. They come from the record itself or from a side file of the
//! Python tool, opened as a record. Beside what is allocated, the working set can be shown: what is touched of it.

use crate::distribution::{Distribution, DistributionText, PercentileRange, SortBy, histogram_rows, percentile_rows};
use crate::picture::{Chart, Picture, Unit};
use crate::range::TimeRange;
use crate::series_chart::series_chart;
use crate::table::Table;
use crate::wss::{self, wss};
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::human::time_text;
use damo_model::{Bytes, Footprint, Nanos, Side, Stamp, SystemFootprint, TimeSpan};
use std::collections::HashMap;
use std::io::Write;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Virtual size.
    Vsz,
    /// Resident set size.
    Rss,
    /// Proportional set size.
    Pss,
    /// Swapped out.
    Swap,
    /// Charged to the cgroup.
    Cgroup,
    /// The system's total less its free memory.
    SysUsed,
    /// The working set, of all targets together: not a footprint, but what to compare one with.
    Wss,
}

impl Metric {
    /// All, in the order of reports.
    pub const ALL: [Metric; 7] =
        [Metric::Vsz, Metric::Rss, Metric::Pss, Metric::Swap, Metric::Cgroup, Metric::SysUsed, Metric::Wss];

    /// Its name in options and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Vsz => "vsz",
            Metric::Rss => "rss",
            Metric::Pss => "pss",
            Metric::Swap => "swap",
            Metric::Cgroup => "cgroup",
            Metric::SysUsed => "sys_used",
            Metric::Wss => "wss",
        }
    }

    fn of_process(self, footprint: &Footprint) -> Option<Bytes> {
        match self {
            Metric::Vsz => footprint.vsz,
            Metric::Rss => footprint.rss,
            Metric::Pss => footprint.pss,
            Metric::Swap => footprint.swap,
            Metric::Cgroup => footprint.cgroup,
            Metric::SysUsed | Metric::Wss => None,
        }
    }
}

/// What to report.
#[derive(Clone, Debug)]
pub struct FootprintsOptions {
    /// Which metrics.
    pub metrics: Vec<Metric>,
    /// Which percentiles.
    pub range: PercentileRange,
    /// Ranked by size or by time.
    pub sort: SortBy,
    /// Moments of this time only; `guided` is the first reading, `guided_end` the last.
    pub time: Option<TimeRange>,
}

impl Default for FootprintsOptions {
    /// As the Python tool: vsz, rss and sys_used.
    fn default() -> Self {
        let metrics = vec![Metric::Vsz, Metric::Rss, Metric::SysUsed];
        Self { metrics, range: PercentileRange::default(), sort: SortBy::Size, time: None }
    }
}

/// The values of one metric.
#[derive(Clone, Debug)]
pub struct FootprintSeries {
    /// Which metric.
    pub metric: Metric,
    /// Moments and values, in time order. A moment at which nobody told the metric is not there.
    pub points: Vec<(Nanos, Bytes)>,
    /// Ranked.
    pub distribution: Distribution,
}

/// The result.
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

/// What was seen at one moment.
#[derive(Debug)]
struct Moment {
    /// As the record has it.
    at: Stamp,
    /// On the record's clock, where the record tells how it relates to the wall clock.
    time: Nanos,
    processes: HashMap<i32, Footprint>,
    system: Option<SystemFootprint>,
}

/// Samples of one round follow one another within this time.
const ROUND: Nanos = Nanos(50_000_000);

fn nanos(stamp: Stamp) -> Nanos {
    match stamp {
        Stamp::Record(at) | Stamp::Wall(at) => at,
    }
}

/// Puts together what was sampled in one round: each process once, and the system once.
fn moments(side_data: &[Side]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for side in side_data {
        let at = match side {
            Side::Process(process) => process.at,
            Side::System(system) => system.at,
            _ => continue,
        };
        let same_round = moments.last().is_some_and(|last| {
            let near = nanos(at).saturating_sub(nanos(last.at)).0.abs() < ROUND.0;
            near && match side {
                Side::Process(process) => !last.processes.contains_key(&process.pid),
                _ => last.system.is_none(),
            }
        });
        if !same_round {
            moments.push(Moment { at, time: nanos(at), processes: HashMap::new(), system: None });
        }
        let Some(moment) = moments.last_mut() else { continue };
        match side {
            Side::Process(process) => drop(moment.processes.insert(process.pid, process.footprint)),
            Side::System(system) => moment.system = Some(*system),
            _ => {}
        }
    }
    moments
}

fn value(moment: &Moment, metric: Metric) -> Option<Bytes> {
    if metric == Metric::SysUsed {
        return moment.system.map(|system| Bytes(system.total.0.saturating_sub(system.free.0)));
    }
    let values = moment.processes.values().filter_map(|footprint| metric.of_process(footprint));
    // One cgroup may hold several of the processes: its charge is not a sum.
    match metric {
        Metric::Cgroup => values.max(),
        _ => values.reduce(Bytes::saturating_add),
    }
}

/// Footprints over the records' time.
///
/// # Errors
/// When a record cannot be read, the options have no meaning, or no record holds footprints.
pub fn footprints(records: &[Record], options: &FootprintsOptions) -> Result<FootprintsReport, ReportError> {
    let percentiles = options.range.percentiles()?;
    let with_wss = options.metrics.contains(&Metric::Wss);
    let mut aligned = false;
    let mut all = Vec::new();
    for record in records {
        let mut own = moments(record.side_data()?);
        for moment in &mut own {
            moment.time = record.on_record_clock(moment.at).unwrap_or(moment.time);
        }
        let first = own.first().filter(|first| record.on_record_clock(first.at).is_none()).map(|first| first.time);
        if let (Some(first), Some(TimeSpan { start, .. })) = (first, record.time_span()) {
            aligned = true;
            own.iter_mut().for_each(|moment| moment.time = moment.time.saturating_sub(first).saturating_add(start));
        }
        all.extend(own);
    }
    if all.is_empty() {
        let names: Vec<_> = records.iter().map(Record::name).collect();
        return Err(ReportError::invalid(format!(
            "no memory footprints in {}: record them with it, or name a .mem_footprint file",
            names.join(", ")
        )));
    }
    let touched = if with_wss { working_sets(records)? } else { Vec::new() };
    let span = all.first().zip(all.last()).map_or_else(Default::default, |(a, b)| TimeSpan::new(a.time, b.time));
    let window = options.time.as_ref().map(|range| range.resolve(records, span)).transpose()?;
    let wanted = |at: Nanos| window.is_none_or(|window| window.contains(at));
    let series = options.metrics.iter().map(|metric| {
        let values: Vec<(Nanos, Bytes)> = match metric {
            Metric::Wss => touched.clone(),
            _ => all.iter().filter_map(|moment| Some((moment.time, value(moment, *metric)?))).collect(),
        };
        let points: Vec<_> = values.into_iter().filter(|(at, _)| wanted(*at)).collect();
        let values = points.iter().map(|(_, value)| value.0).collect();
        FootprintSeries { metric: *metric, distribution: Distribution::new(values, &percentiles, options.sort), points }
    });
    let series: Vec<FootprintSeries> = series.collect();
    if window.is_some() && series.iter().all(|series| series.points.is_empty()) {
        let zero = Zero::of(records);
        let [from, to] = [span.start, span.end].map(|at| time_text(zero.since(at)));
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

impl FootprintsReport {
    /// Memory footprints, in time or as percentiles.
    fn chart(&self, sort: SortBy) -> Chart {
        let lines = self.series.iter().map(|series| {
            let points = series.points.iter().map(|(at, size)| (*at, size.0 as f64)).collect();
            (series.metric.name().to_owned(), points, &series.distribution)
        });
        let touched = self.series.iter().any(|series| series.metric == Metric::Wss);
        let title = if touched { "Memory allocated and touched" } else { "Memory footprint" };
        let mut chart = series_chart(title, ("memory", Unit::Bytes), "readings", (sort, self.zero), lines.collect());
        for (series, line) in self.series.iter().zip(&mut chart.series) {
            if series.metric == Metric::Wss {
                line.filled = true;
                line.name = "wss (touched)".to_owned();
            }
        }
        chart
    }
}

impl Report for FootprintsReport {
    const NAME: &'static str = "footprints";
    type Layout = DistributionText;

    fn count_from(&mut self, zero: Zero) {
        self.zero = zero;
    }

    /// The distributions as text.
    fn write_text(&self, out: &mut dyn Write, text: &DistributionText) -> Result<(), ReportError> {
        for series in &self.series {
            match text.histogram {
                Some(_) => writeln!(out, "# <{}> <number of readings>", series.metric.name())?,
                None => writeln!(out, "# <percentile> <{}>", series.metric.name())?,
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
            .col("metric", metrics, |row| row.series.metric.name())
            .col("percentile", "0 to 100", |row| row.percentile)
            .col("bytes", "", |row| row.value);
        let points = Table::of("series", &points)
            .col("metric", "", |(series, _)| series.metric.name())
            .col("time_ns", "of the reading", |(_, (at, _))| at.0)
            .col("bytes", "", |(_, (_, value))| value.0);
        let histogram = Table::of("histogram", &histogram)
            .col("metric", "", |(series, _)| series.metric.name())
            .col("from", "bytes, included", |(_, bin)| bin.from)
            .col("to", "not included", |(_, bin)| bin.to)
            .col("count", "readings", |(_, bin)| bin.count);
        Ok(vec![percentiles.table()?, points.table()?, histogram.table()?])
    }

    fn picture(&self, text: &DistributionText) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(Box::new(self.chart(text.sort)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::ProcessFootprint;

    fn process(at: i64, pid: i32, rss: u64) -> Side {
        let footprint = Footprint { rss: Some(Bytes(rss)), ..Footprint::default() };
        Side::Process(ProcessFootprint { at: Stamp::Wall(Nanos(at)), pid, target: None, footprint })
    }

    #[test]
    fn processes_of_one_moment_add_up() {
        const SECOND: i64 = 1_000_000_000;
        let side_data = [process(0, 1, 10), process(0, 2, 5), process(SECOND, 1, 20), process(2 * SECOND, 2, 7)];
        let values: Vec<_> = moments(&side_data).iter().map(|moment| value(moment, Metric::Rss)).collect();
        assert_eq!(values, [Some(Bytes(15)), Some(Bytes(20)), Some(Bytes(7))]);
    }

    #[test]
    fn what_nobody_told_is_absent_and_not_zero() {
        let moments = moments(&[process(0, 1, 10)]);
        assert_eq!(value(&moments[0], Metric::Swap), None);
        assert_eq!(value(&moments[0], Metric::SysUsed), None);
    }
}
