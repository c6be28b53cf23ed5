//! The access report as tables: what the style shows, and each snapshot in a row.

use super::AccessOptions;
use super::histogram::{self, Metric};
use super::percentile;
use super::snapshot::{Region, Snapshot};
use super::styles::Style;
use super::write::{for_each_snapshot, parts};
use crate::ReportError;
use crate::probes::probes_of;
use crate::table::{Table, TableRows};
use damo_frame::Record;
use std::collections::HashMap;
use std::rc::Rc;

/// A row of a table: whose and when, and what else.
struct Row<T> {
    target: Rc<str>,
    time: (i64, i64),
    of: T,
}

/// A table that begins with whose and when.
fn table<'r, T>(name: &'static str, about: [&'static str; 3], rows: &'r [Row<T>]) -> TableRows<'r, Row<T>> {
    let [target, start, end] = about;
    Table::of(name, rows).col("target", target, |row| &*row.target).col("start_ns", start, |row| row.time.0).col(
        "end_ns",
        end,
        |row| row.time.1,
    )
}

/// Rows of each snapshot.
fn rows<T>(
    records: &[Record],
    options: &AccessOptions,
    mut of: impl FnMut(&Snapshot) -> Vec<T>,
) -> Result<Vec<Row<T>>, ReportError> {
    let mut rows = Vec::new();
    each(records, options, |target, snapshot| {
        let target: Rc<str> = target.into();
        let time = (snapshot.start.0, snapshot.end.0);
        rows.extend(of(&snapshot).into_iter().map(|of| Row { target: target.clone(), time, of }));
        Ok(())
    })?;
    Ok(rows)
}

/// Calls `f` for each snapshot, with what its target is called.
fn each(
    records: &[Record],
    options: &AccessOptions,
    mut f: impl FnMut(&str, Snapshot) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    for record in records {
        let labels = crate::target::target_labels(record);
        for_each_snapshot(&parts(std::slice::from_ref(record), options)?, |part, snapshot| {
            f(labels.get(&part.target.key).map_or("", String::as_str), snapshot)
        })?;
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
    struct Sums {
        nr_regions: u64,
        total: u64,
        accessed: u64,
        bandwidth: f64,
        partial: bool,
        accessed_error: f64,
        bandwidth_error: f64,
    }
    let rows = rows(records, options, |snapshot| {
        let seconds = snapshot.intervals.aggregation.as_secs_f64();
        let (_, error) = snapshot.accessed_per_sample();
        vec![Sums {
            nr_regions: snapshot.regions.len() as u64,
            total: snapshot.total(false),
            accessed: snapshot.accessed(),
            bandwidth: snapshot.bandwidth(false),
            partial: snapshot.partial.is_some(),
            accessed_error: snapshot.working_set_error(),
            bandwidth_error: if seconds > 0.0 { error * snapshot.max_nr_accesses() / seconds } else { 0.0 },
        }]
    })?;
    table("snapshots", ["the target", "", ""], &rows)
        .col("nr_regions", "", |row| row.of.nr_regions)
        .col("total_bytes", "of all regions", |row| row.of.total)
        .col("accessed_bytes", "of those with an access", |row| row.of.accessed)
        .col("bytes_per_second", "estimated memory bandwidth", |row| row.of.bandwidth)
        .col("partial", "whether regions are missing", |row| row.of.partial)
        .col("accessed_error", "standard error, bytes", |row| row.of.accessed_error)
        .col("bandwidth_error", "standard error, bytes per second", |row| row.of.bandwidth_error)
        .table()
}

/// Temperatures and times fit 64 bits for all that anybody measures.
fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Temperature => "temperature",
        Metric::Idle => "idle_us",
    }
}

fn histogram(records: &[Record], options: &AccessOptions, metric: Metric) -> Result<Table, ReportError> {
    let rows = rows(records, options, |snapshot| {
        histogram::ranges(&options.histogram, &metric.values(snapshot, options.weights, false))
    })?;
    table("histogram", ["with the histogram styles", "of the snapshot", "of the snapshot"], &rows)
        .col("metric", "`idle_us` or `temperature`", |_| metric_name(metric))
        .col("from", "of the metric, included", |row| narrow(row.of.0))
        .col("to", "not included", |row| narrow(row.of.1))
        .col("bytes", "memory within", |row| row.of.2)
        .table()
}

fn percentiles(records: &[Record], options: &AccessOptions, metric: Metric) -> Result<Table, ReportError> {
    let rows = rows(records, options, |snapshot| {
        let regions = metric.values(snapshot, options.weights, false);
        let bounds = percentile::bounds(&options.percentiles, snapshot, regions.clone());
        percentile::values(&options.percentiles, regions).into_iter().zip(bounds).collect()
    })?;
    table("percentiles", ["with the percentile styles", "of the snapshot", "of the snapshot"], &rows)
        .col("metric", "`idle_us` or `temperature`", |_| metric_name(metric))
        .col("percentile", "of the bytes, 0 to 100", |row| row.of.0.0)
        .col("value", "of the metric", |row| narrow(row.of.0.1))
        .col("low", "value where one standard error of the bytes less is below", |row| narrow(row.of.1.0))
        .col("high", "value where one standard error of the bytes more is below", |row| narrow(row.of.1.1))
        .table()
}

/// All regions, in the order of the text.
pub(super) fn regions(records: &[Record], options: &AccessOptions) -> Result<Table, ReportError> {
    let probes = probes_of(records)?;
    let rows = rows(records, options, |snapshot| {
        let intervals = snapshot.intervals;
        let hits_of = |region: &Region, probe| region.probe_hits.iter().find(|(of, _)| *of == probe).map_or(0, |h| h.1);
        let hits = |region: &Region| probes.iter().map(|probe| hits_of(region, *probe)).collect::<Vec<_>>();
        let sorted = snapshot.sorted(&options.sort_by, &options.descending, options.weights).into_iter();
        let age = |age: u32| intervals.aggregation.0.saturating_mul(age.into());
        let hz = |nr_accesses: u32| intervals.rate(f64::from(nr_accesses)).0;
        let temperature = |region: &Region| narrow(region.temperature(options.weights, intervals));
        let row =
            |r: &Region| (r.start, r.end, r.nr_accesses, hz(r.nr_accesses), r.age.map(age), temperature(r), hits(r));
        sorted.map(row).collect()
    })?;
    table("regions", ["only if named by `--table`", "of the snapshot", "of the snapshot"], &rows)
        .col("start", "first byte", |row| row.of.0)
        .col("end", "first byte behind it", |row| row.of.1)
        .col("nr_accesses", "samples", |row| row.of.2)
        .col("access_hz", "accesses per second", |row| row.of.3)
        .col("age_ns", "not accessed differently for so long", |row| row.of.4)
        .col("temperature", "by `--temperature_weights`", |row| row.of.5)
        .probe_hits(&probes, |row| &row.of.6)
        .table()
}

/// Each target's last snapshot: what pictures show.
pub(super) fn last_snapshots(
    records: &[Record],
    options: &AccessOptions,
) -> Result<Vec<(String, Snapshot)>, ReportError> {
    let mut last: Vec<(String, Snapshot)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    each(records, options, |target, snapshot| {
        match places.get(target).and_then(|at| last.get_mut(*at)) {
            Some((_, known)) => *known = snapshot,
            None => {
                places.insert(target.to_owned(), last.len());
                last.push((target.to_owned(), snapshot));
            }
        }
        Ok(())
    })?;
    Ok(last)
}

/// Total and accessed bytes of each snapshot by target: start, end, total, accessed.
pub(super) type Course = Vec<(String, Vec<(i64, i64, u64, u64)>)>;

pub(super) fn course(records: &[Record], options: &AccessOptions) -> Result<Course, ReportError> {
    let mut course: Course = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    each(records, options, |target, snapshot| {
        let row = (snapshot.start.0, snapshot.end.0, snapshot.total(false), snapshot.accessed());
        match places.get(target).and_then(|at| course.get_mut(*at)) {
            Some((_, rows)) => rows.push(row),
            None => {
                places.insert(target.to_owned(), course.len());
                course.push((target.to_owned(), vec![row]));
            }
        }
        Ok(())
    })?;
    Ok(course)
}
