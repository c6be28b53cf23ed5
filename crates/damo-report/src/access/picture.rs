//! The access report as pictures: what the style says of each target's last snapshot, or, for styles that list regions, how
//! much memory was monitored and accessed over time. (Where it was hot is the heat map's to show.)

use super::AccessOptions;
use super::histogram::{self, Metric};
use super::percentile;
use super::styles::Style;
use super::tables::{course, last_snapshots};
use crate::ReportError;
use crate::picture::{Bar, Bars, Chart, Line, Picture, Unit};
use crate::zero::Zero;
use damo_frame::Record;
use damo_model::human::{Style as Numbers, format_size, time_text};
use damo_model::{Bytes, Nanos};

/// The picture of the report in the style that the options name.
pub(super) fn access_picture(records: &[Record], options: &AccessOptions) -> Result<Box<dyn Picture>, ReportError> {
    Ok(match options.style {
        Style::TemperatureSzHist => Box::new(bars(records, options, Metric::Temperature)?),
        Style::RecencySzHist => Box::new(bars(records, options, Metric::Idle)?),
        Style::TemperaturePercentiles => Box::new(curves(records, options, Metric::Temperature)?),
        Style::RecencyPercentiles => Box::new(curves(records, options, Metric::Idle)?),
        Style::Detailed => Box::new(over_time(records, options)?),
        style @ (Style::SimpleBoxes | Style::Hot | Style::Cold) => {
            let name = Style::NAMES.iter().find(|(_, known)| *known == style).map_or("this", |(name, _)| name);
            return Err(ReportError::invalid(format!(
                "style {name} lists regions and has no picture: `damo report heats --plot FILE` shows where memory was hot, \
                 and style detailed how much was accessed over time"
            )));
        }
    })
}

fn metric_title(metric: Metric) -> &'static str {
    match metric {
        Metric::Temperature => "Temperature of memory",
        Metric::Idle => "Idle time of memory",
    }
}

fn bars(records: &[Record], options: &AccessOptions, metric: Metric) -> Result<Bars, ReportError> {
    let last = last_snapshots(records, options)?;
    let groups = last.iter().enumerate().map(|(color, (target, snapshot))| {
        let values = metric.values(snapshot, options.weights, false);
        let rows = histogram::ranges(&options.histogram, &values).into_iter().map(|(from, to, size)| Bar {
            label: format!("{} – {}", metric.format(from, Numbers::Human), metric.format(to, Numbers::Human)),
            spans: vec![(0.0, size as f64)],
            text: format_size(Bytes(size), Numbers::Human),
            color,
        });
        (format!("target {target} at {}", time_text(Zero::of(records).since(snapshot.end))), rows.collect())
    });
    Ok(Bars { title: metric_title(metric).to_owned(), x: ("memory".to_owned(), Unit::Bytes), groups: groups.collect() })
}

fn curves(records: &[Record], options: &AccessOptions, metric: Metric) -> Result<Chart, ReportError> {
    let all = percentile::Percentiles((0..=100).collect());
    let last = last_snapshots(records, options)?;
    let single = last.len() == 1;
    let series = last.into_iter().map(|(target, snapshot)| {
        let regions = metric.values(&snapshot, options.weights, false);
        let scale = if metric == Metric::Idle { 1000.0 } else { 1.0 };
        let points = percentile::values(&all, regions).into_iter();
        Line {
            name: format!("target {target} at {}", time_text(Zero::of(records).since(snapshot.end))),
            points: points.map(|(percentile, value)| (f64::from(percentile), value as f64 * scale)).collect(),
            steps: true,
            filled: metric == Metric::Idle && single,
        }
    });
    let unit = if metric == Metric::Idle { Unit::Time } else { Unit::Count };
    let what = if metric == Metric::Idle { "idle for at most" } else { "temperature at most" };
    Ok(Chart {
        x_range: Some((0.0, 100.0)),
        ..Chart::new(
            format!("{}: percentiles", metric_title(metric)),
            ("percent of the memory", Unit::Percent),
            (what, unit),
            series.collect(),
        )
    })
}

fn over_time(records: &[Record], options: &AccessOptions) -> Result<Chart, ReportError> {
    let course = course(records, options)?;
    let zero = Zero::of(records);
    let since = |at: i64| zero.since(Nanos(at)).0 as f64;
    let line = |name: String, filled: bool, rows: &[(i64, i64, u64, u64)], pick: fn(&(i64, i64, u64, u64)) -> u64| {
        let mut points: Vec<(f64, f64)> = rows.iter().map(|row| (since(row.0), pick(row) as f64)).collect();
        points.extend(rows.last().map(|row| (since(row.1), pick(row) as f64)));
        Line { name, points, steps: true, filled }
    };
    let series = course.iter().flat_map(|(target, rows)| {
        [
            line(format!("target {target}: monitored"), false, rows, |row| row.2),
            line(format!("target {target}: accessed"), true, rows, |row| row.3),
        ]
    });
    Ok(Chart::new(
        "Memory monitored and accessed",
        (zero.axis(), Unit::Time),
        ("memory", Unit::Bytes),
        series.collect(),
    ))
}
