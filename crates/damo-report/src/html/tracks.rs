//! The tracks below the maps: working set, memory allocated, CPU time, pressure, all on the map's time axis.

use crate::ReportError;
use crate::footprints::{self, Metric};
use crate::wss;
use damo_frame::Record;
use damo_model::{Nanos, Side};
use serde::Serialize;
use std::collections::BTreeMap;

/// Points of a series at most: more cannot be seen.
const POINTS: usize = 1500;

/// Some series in one unit.
#[derive(Serialize)]
pub struct Track {
    name: &'static str,
    /// `bytes` or `share`.
    unit: &'static str,
    series: Vec<Series>,
}

/// Values over time.
#[derive(Serialize)]
struct Series {
    name: String,
    /// Nanoseconds from the record's start.
    t: Vec<i64>,
    v: Vec<Option<f64>>,
}

impl Series {
    /// Means over stretches of time where there are more values than can be seen.
    fn new(name: String, points: &[(i64, f64)]) -> Self {
        let stride = points.len().div_ceil(POINTS).max(1);
        let (t, v) = points
            .chunks(stride)
            .map(|chunk| {
                let sum: f64 = chunk.iter().map(|(_, value)| value).sum();
                (chunk.first().map_or(0, |(at, _)| *at), Some((sum / chunk.len() as f64 * 1e4).round() / 1e4))
            })
            .unzip();
        Self { name, t, v }
    }
}

/// What was measured beside the snapshots. Tracks without values are left out.
pub fn tracks(record: &Record, start: Nanos) -> Result<Vec<Track>, ReportError> {
    let mut tracks = vec![working_set(record, start)?];
    let sides = record.sides()?;
    if let Ok(report) = footprints::footprints(
        std::slice::from_ref(record),
        &footprints::Options { metrics: vec![Metric::Rss, Metric::Swap], ..Default::default() },
    ) {
        let series = report.series.iter().map(|series| {
            let points: Vec<(i64, f64)> = series
                .points
                .iter()
                .filter_map(|(at, bytes)| {
                    Some((record_time(record, sides, *at)?.saturating_sub(start).0, bytes.0 as f64))
                })
                .collect();
            Series::new(series.metric.name().to_owned(), &points)
        });
        tracks.push(Track { name: "memory allocated", unit: "bytes", series: series.collect() });
    }
    tracks.push(Track { name: "CPU", unit: "share", series: cpu(record, sides, start) });
    tracks.push(Track { name: "pressure (some tasks stalled)", unit: "share", series: pressure(record, sides, start) });
    for track in &mut tracks {
        track.series.retain(|series| !series.t.is_empty());
    }
    tracks.retain(|track| !track.series.is_empty());
    Ok(tracks)
}

/// Footprints come without saying on which clock: foreign ones are on the wall clock.
fn record_time(record: &Record, sides: &[Side], at: Nanos) -> Option<Nanos> {
    let wall = sides.iter().any(|side| match side {
        Side::Process(process) => matches!(process.at, damo_model::Stamp::Wall(_)),
        _ => false,
    });
    if wall { record.on_record_clock(damo_model::Stamp::Wall(at)) } else { Some(at) }
}

fn working_set(record: &Record, start: Nanos) -> Result<Track, ReportError> {
    let options = wss::Options { exclude_samples: 0, per_target: record.targets().len() <= 4, ..Default::default() };
    let report = wss::wss(std::slice::from_ref(record), &options)?;
    let many = report.series.len() > 1;
    let series = report.series.iter().map(|series| {
        let points: Vec<(i64, f64)> = series
            .points
            .iter()
            .filter(|point| !point.partial)
            .map(|point| (point.start.saturating_sub(start).0, point.value as f64))
            .collect();
        Series::new(if many { format!("target {}", series.label) } else { "working set".to_owned() }, &points)
    });
    Ok(Track { name: "working set", unit: "bytes", series: series.collect() })
}

/// Totals that only grow, over time.
type Totals = Vec<(Nanos, Nanos)>;

/// Shares of one CPU, from totals that only grow.
fn rates(samples: &[(Nanos, Nanos)], start: Nanos) -> Vec<(i64, f64)> {
    let pairs = samples.windows(2).filter_map(|pair| match pair {
        [(t0, used0), (t1, used1)] if t1 > t0 && used1 >= used0 => {
            Some((t0.saturating_sub(start).0, (used1.0 - used0.0) as f64 / (t1.0 - t0.0) as f64))
        }
        _ => None,
    });
    pairs.collect()
}

fn cpu(record: &Record, sides: &[Side], start: Nanos) -> Vec<Series> {
    let mut by_name: BTreeMap<(bool, i32), (String, Totals)> = BTreeMap::new();
    for side in sides {
        if let Side::Cpu(cpu) = side
            && let Some(at) = record.on_record_clock(cpu.at)
        {
            let name = format!("{} ({})", cpu.comm, cpu.pid);
            let entry = by_name.entry((cpu.kdamond, cpu.pid)).or_insert_with(|| (name, Vec::new()));
            entry.1.push((at, cpu.user.saturating_add(cpu.system)));
        }
    }
    by_name.into_values().map(|(name, samples)| Series::new(name, &rates(&samples, start))).collect()
}

fn pressure(record: &Record, sides: &[Side], start: Nanos) -> Vec<Series> {
    let mut by_resource: BTreeMap<String, Totals> = BTreeMap::new();
    for side in sides {
        if let Side::Pressure(pressure) = side
            && let Some(at) = record.on_record_clock(pressure.at)
        {
            by_resource.entry(pressure.resource.clone()).or_default().push((at, pressure.some));
        }
    }
    by_resource.into_iter().map(|(name, samples)| Series::new(name, &rates(&samples, start))).collect()
}
