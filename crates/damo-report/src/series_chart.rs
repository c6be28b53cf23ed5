//! Charts of what is counted per snapshot or per reading: in time, or ranked by size, as percentiles.

use crate::distribution::{Distribution, SortBy};
use crate::picture::{Chart, Line, Unit};
use crate::series::Point;
use crate::zero::Zero;
use damo_model::Nanos;

/// Points of a percentile curve: more than a picture has pixels.
const RANKS: usize = 2000;

/// A line: its name, values from moments on, and the same values ranked.
pub(crate) type NamedSeries<'a> = (String, Vec<(Nanos, f64)>, &'a Distribution);

/// A value holds for its snapshot: from its start to its end.
pub(crate) fn of_points(points: &[Point]) -> Vec<(Nanos, f64)> {
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

/// A chart of lines; `of` says what percentiles are of.
pub(crate) fn series_chart(
    title: &str,
    (what, unit): (&str, Unit),
    of: &str,
    (sort, zero): (SortBy, Zero),
    lines: Vec<NamedSeries<'_>>,
) -> Chart {
    let filled = lines.len() == 1;
    let series = lines.into_iter().map(|(name, points, distribution)| {
        let points = match sort {
            SortBy::Time => points.into_iter().map(|(at, value)| (zero.since(at).0 as f64, value)).collect(),
            SortBy::Size => percentiles(distribution),
        };
        Line { name, points, steps: true, filled }
    });
    let (title, x) = match sort {
        SortBy::Time => (format!("{title} over time"), (zero.axis().to_owned(), Unit::Time)),
        SortBy::Size => (format!("{title}: distribution"), (format!("percent of the {of}"), Unit::Percent)),
    };
    Chart::new(title, (&x.0, x.1), (what, unit), series.collect())
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
            variance: 0.0,
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
