//! The charts of the reports that count something per snapshot or per reading.
//!
//! Ranked by size they show percentiles, ranked by time what happened when, as the text forms do.

use super::{Chart, Series, Unit};
use crate::distribution::{Distribution, SortBy};
use crate::footprints::FootprintsReport;
use crate::nr_regions::NrRegionsReport;
use crate::series::Point;
use crate::wss::WssReport;
use damo_model::Nanos;
use damo_model::human::{Style, format_time};

/// Points of a percentile curve: more than a picture has pixels.
const RANKS: usize = 2000;

/// Working set sizes, in time or as percentiles.
pub fn wss_chart(report: &WssReport, sort: SortBy) -> Chart {
    let several = report.series.iter().any(|series| Some(&series.record) != report.series.first().map(|s| &s.record));
    let lines = report.series.iter().map(|series| {
        let name = match (several, series.target) {
            (true, None) => series.record.clone(),
            (true, Some(_)) => format!("{} target {}", series.record, series.label),
            (false, _) => format!("target {}", series.label),
        };
        (name, of_points(&series.points), &series.distribution)
    });
    chart("Working set size", "working set", Unit::Bytes, "running time", sort, lines.collect())
}

/// Numbers of regions, in time or as percentiles.
pub fn nr_regions_chart(report: &NrRegionsReport, sort: SortBy) -> Chart {
    let lines = report
        .series
        .iter()
        .map(|series| (format!("target {}", series.label), of_points(&series.points), &series.distribution));
    chart("Number of regions", "regions", Unit::Count, "running time", sort, lines.collect())
}

/// Memory footprints, in time or as percentiles.
pub fn footprints_chart(report: &FootprintsReport, sort: SortBy) -> Chart {
    let lines = report.series.iter().map(|series| {
        let points = series.points.iter().map(|(at, size)| (*at, size.0 as f64)).collect();
        (series.metric.name().to_owned(), points, &series.distribution)
    });
    chart("Memory footprint", "memory", Unit::Bytes, "readings", sort, lines.collect())
}

type Line<'a> = (String, Vec<(Nanos, f64)>, &'a Distribution);

/// A value holds for its snapshot: from its start to its end.
fn of_points(points: &[Point]) -> Vec<(Nanos, f64)> {
    let mut line = Vec::with_capacity(points.len() + 1);
    let mut end: Option<Nanos> = None;
    for point in points {
        // Snapshots that were left out interrupt the line.
        if let Some(end) = end.filter(|end| point.start.0.saturating_sub(end.0) > (point.end.0 - point.start.0) / 2) {
            line.push((end, f64::NAN));
        }
        line.push((point.start, point.value as f64));
        end = Some(point.end);
    }
    let last = points.last().map(|last| (last.end, last.value as f64));
    line.extend(last);
    line
}

fn chart(title: &str, what: &str, unit: Unit, of: &str, sort: SortBy, lines: Vec<Line<'_>>) -> Chart {
    let filled = lines.len() == 1;
    let first = lines.iter().filter_map(|(_, points, _)| points.first().map(|(at, _)| *at)).min().unwrap_or_default();
    let series = lines.into_iter().map(|(name, points, distribution)| {
        let points = match sort {
            SortBy::Time => points.into_iter().map(|(at, value)| (at.saturating_sub(first).0 as f64, value)).collect(),
            SortBy::Size => percentiles(distribution),
        };
        Series { name, points, steps: true, filled }
    });
    let (title, x) = match sort {
        SortBy::Time => {
            // Readings of foreign records are on the wall clock, of which the hours since 1970 tell nobody anything.
            let label = match of {
                "readings" => "time since the first reading".to_owned(),
                _ => format!("time since {} on the record's clock", format_time(first, Style::Human)),
            };
            (format!("{title} over time"), (label, Unit::Time))
        }
        SortBy::Size => (format!("{title}: distribution"), (format!("percent of the {of}"), Unit::Percent)),
    };
    Chart { title, x, y: (what.to_owned(), unit), series: series.collect(), marks: Vec::new(), first_color: 0 }
}

/// The ranked values at evenly spaced percentiles.
fn percentiles(distribution: &Distribution) -> Vec<(f64, f64)> {
    let values = &distribution.values;
    let count = values.len().min(RANKS);
    let at = |i: usize| values.get(i * values.len() / count.max(1)).map(|value| *value as f64);
    let mut points: Vec<(f64, f64)> =
        (0..count).filter_map(|i| Some((i as f64 / count as f64 * 100.0, at(i)?))).collect();
    points.extend(values.last().map(|last| (100.0, *last as f64)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::TargetKey;

    #[test]
    fn a_gap_between_snapshots_interrupts_the_line() {
        let point = |start, end, value| Point {
            target: TargetKey(0),
            start: Nanos(start),
            end: Nanos(end),
            value,
            partial: false,
        };
        let line = of_points(&[point(0, 100, 5), point(100, 200, 6), point(500, 600, 7)]);
        assert_eq!(line.len(), 5);
        assert!(line[2].0 == Nanos(200) && line[2].1.is_nan());
        assert_eq!(line[4], (Nanos(600), 7.0));
    }

    #[test]
    fn percentiles_end_at_the_largest_value() {
        let distribution = Distribution::new((0..10_000).collect(), &[], SortBy::Size);
        let points = percentiles(&distribution);
        assert_eq!(points.len(), RANKS + 1);
        assert_eq!((points[0], points[RANKS]), ((0.0, 0.0), (100.0, 9999.0)));
    }
}
