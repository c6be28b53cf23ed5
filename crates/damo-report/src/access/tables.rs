//! The access report as tables: what the style shows, and each snapshot in a row.

use super::AccessOptions;
use super::histogram::{self, Metric};
use super::percentile;
use super::snapshot::Snapshot;
use super::styles::Style;
use super::write::{for_each_snapshot, parts};
use crate::ReportError;
use crate::table::{Cells, Table};
use damo_frame::Record;

/// Whose and when: the first columns of every table.
#[derive(Default)]
struct Keys {
    target: Vec<String>,
    start: Vec<i64>,
    end: Vec<i64>,
}

impl Keys {
    fn push(&mut self, target: &str, snapshot: &Snapshot) {
        self.target.push(target.to_owned());
        self.start.push(snapshot.start.0);
        self.end.push(snapshot.end.0);
    }

    fn columns(self, more: Vec<(&'static str, Cells)>) -> Vec<(&'static str, Cells)> {
        let mut columns: Vec<(&'static str, Cells)> =
            vec![("target", self.target.into()), ("start_ns", self.start.into()), ("end_ns", self.end.into())];
        columns.extend(more);
        columns
    }
}

/// Calls `f` for each snapshot, with what its target is called.
fn each(
    records: &[Record],
    options: &AccessOptions,
    mut f: impl FnMut(&str, Snapshot) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    for part in &parts(records, options)? {
        let labels = crate::target::target_labels(part.record);
        let label = labels.get(&part.target.key).cloned().unwrap_or_default();
        for_each_snapshot(part, |snapshot| f(&label, snapshot))?;
    }
    Ok(())
}

/// What the style shows, and the snapshots.
pub(super) fn access_tables(records: &[Record], options: &AccessOptions) -> Result<Vec<Table>, ReportError> {
    let mut tables = Vec::new();
    match options.style {
        Style::TemperatureSzHist => tables.push(histogram(records, options, Metric::Temperature)?),
        Style::RecencySzHist => tables.push(histogram(records, options, Metric::Idle)?),
        Style::TemperaturePercentiles => tables.push(percentiles(records, options, Metric::Temperature)?),
        Style::RecencyPercentiles => tables.push(percentiles(records, options, Metric::Idle)?),
        Style::Detailed | Style::SimpleBoxes | Style::Hot | Style::Cold => {}
    }
    tables.push(snapshots(records, options)?);
    Ok(tables)
}

fn snapshots(records: &[Record], options: &AccessOptions) -> Result<Table, ReportError> {
    let mut keys = Keys::default();
    let (mut nr_regions, mut total, mut accessed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bandwidth, mut partial) = (Vec::new(), Vec::new());
    let (mut accessed_error, mut bandwidth_error) = (Vec::new(), Vec::new());
    each(records, options, |target, snapshot| {
        keys.push(target, &snapshot);
        nr_regions.push(snapshot.regions.len() as u64);
        total.push(snapshot.total());
        let hot = snapshot.regions.iter().filter(|region| region.nr_accesses > 0);
        accessed.push(hot.fold(0u64, |sum, region| sum.saturating_add(region.size())));
        bandwidth.push(snapshot.bandwidth(false));
        partial.push(snapshot.partial.is_some());
        accessed_error.push(snapshot.working_set_error());
        let seconds = snapshot.intervals.aggregation.as_secs_f64();
        let (_, error) = snapshot.accessed_per_sample();
        bandwidth_error.push(if seconds > 0.0 { error * snapshot.max_nr_accesses() / seconds } else { 0.0 });
        Ok(())
    })?;
    let more = vec![
        ("nr_regions", nr_regions.into()),
        ("total_bytes", total.into()),
        ("accessed_bytes", accessed.into()),
        ("bytes_per_second", bandwidth.into()),
        ("partial", partial.into()),
        ("accessed_error", accessed_error.into()),
        ("bandwidth_error", bandwidth_error.into()),
    ];
    Table::new("snapshots", keys.columns(more))
}

/// Temperatures and times fit 64 bits for all that anybody measures.
fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn metric_name(metric: Metric) -> String {
    match metric {
        Metric::Temperature => "temperature".to_owned(),
        Metric::Idle => "idle_us".to_owned(),
    }
}

fn values(snapshot: &Snapshot, options: &AccessOptions, metric: Metric) -> Vec<(i128, u64)> {
    snapshot.regions.iter().map(|region| (metric.of(region, snapshot, options.weights), region.size())).collect()
}

fn histogram(records: &[Record], options: &AccessOptions, metric: Metric) -> Result<Table, ReportError> {
    let mut keys = Keys::default();
    let (mut from, mut to, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    each(records, options, |target, snapshot| {
        for (low, high, size) in histogram::ranges(&options.histogram, &values(&snapshot, options, metric)) {
            keys.push(target, &snapshot);
            from.push(narrow(low));
            to.push(narrow(high));
            bytes.push(size);
        }
        Ok(())
    })?;
    let more = vec![
        ("metric", vec![metric_name(metric); bytes.len()].into()),
        ("from", from.into()),
        ("to", to.into()),
        ("bytes", bytes.into()),
    ];
    Table::new("histogram", keys.columns(more))
}

fn percentiles(records: &[Record], options: &AccessOptions, metric: Metric) -> Result<Table, ReportError> {
    let mut keys = Keys::default();
    let (mut percentile, mut value, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    each(records, options, |target, snapshot| {
        let regions = values(&snapshot, options, metric);
        let bounds = percentile::bounds(&options.percentiles, &snapshot, regions.clone());
        let found = percentile::values(&options.percentiles, regions);
        for ((wanted, at), (from, to)) in found.into_iter().zip(bounds) {
            keys.push(target, &snapshot);
            percentile.push(wanted);
            value.push(narrow(at));
            low.push(narrow(from));
            high.push(narrow(to));
        }
        Ok(())
    })?;
    let more = vec![
        ("metric", vec![metric_name(metric); value.len()].into()),
        ("percentile", percentile.into()),
        ("value", value.into()),
        ("low", low.into()),
        ("high", high.into()),
    ];
    Table::new("percentiles", keys.columns(more))
}

/// All regions, in the order of the text.
pub(super) fn regions(records: &[Record], options: &AccessOptions) -> Result<Table, ReportError> {
    let mut keys = Keys::default();
    let (mut start, mut end, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut hz, mut ages, mut temperatures) = (Vec::new(), Vec::new(), Vec::new());
    each(records, options, |target, snapshot| {
        let intervals = snapshot.intervals;
        for region in snapshot.sorted(&options.sort_by, &options.descending, options.weights) {
            keys.push(target, &snapshot);
            start.push(region.start);
            end.push(region.end);
            counts.push(region.nr_accesses);
            hz.push(intervals.rate(f64::from(region.nr_accesses)).0);
            ages.push(region.age.map(|age| intervals.aggregation.0.saturating_mul(age.into())));
            temperatures.push(narrow(region.temperature(options.weights, intervals)));
        }
        Ok(())
    })?;
    let more = vec![
        ("start", start.into()),
        ("end", end.into()),
        ("nr_accesses", counts.into()),
        ("access_hz", hz.into()),
        ("age_ns", ages.into()),
        ("temperature", temperatures.into()),
    ];
    Table::new("regions", keys.columns(more))
}

/// Each target's last snapshot: what pictures show.
pub(super) fn last_snapshots(
    records: &[Record],
    options: &AccessOptions,
) -> Result<Vec<(String, Snapshot)>, ReportError> {
    let mut last: Vec<(String, Snapshot)> = Vec::new();
    each(records, options, |target, snapshot| {
        match last.iter_mut().find(|(known, _)| known == target) {
            Some((_, known)) => *known = snapshot,
            None => last.push((target.to_owned(), snapshot)),
        }
        Ok(())
    })?;
    Ok(last)
}

/// Total and accessed bytes of each snapshot by target: start, end, total, accessed.
pub(super) type Course = Vec<(String, Vec<(i64, i64, u64, u64)>)>;

pub(super) fn course(records: &[Record], options: &AccessOptions) -> Result<Course, ReportError> {
    let mut course: Course = Vec::new();
    each(records, options, |target, snapshot| {
        let hot = snapshot.regions.iter().filter(|region| region.nr_accesses > 0);
        let accessed = hot.fold(0u64, |sum, region| sum.saturating_add(region.size()));
        let row = (snapshot.start.0, snapshot.end.0, snapshot.total(), accessed);
        match course.iter_mut().find(|(known, _)| known == target) {
            Some((_, rows)) => rows.push(row),
            None => course.push((target.to_owned(), vec![row])),
        }
        Ok(())
    })?;
    Ok(course)
}
