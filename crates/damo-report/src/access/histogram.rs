//! How much memory has which temperature or idle time.

use super::snapshot::{Region, Snapshot};
use crate::temperature::Weights;
use damo_model::Bytes;
use damo_model::human::{Style, TimeUnit, format_nr, format_size, format_time_in};

/// What memory is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Temperature, sizes not counted.
    Temperature,
    /// Microseconds since it was last accessed.
    Idle,
}

impl Metric {
    /// Of each region, with its bytes, or those of them that passed the filters.
    pub(super) fn values(self, snapshot: &Snapshot, weights: Weights, passed: bool) -> Vec<(i128, u64)> {
        let of = |region: &Region| match self {
            Metric::Temperature => region.temperature(Weights { size: 0, ..weights }, snapshot.intervals),
            Metric::Idle => region.idle_usec(snapshot.intervals),
        };
        snapshot.regions.iter().map(|region| (of(region), region.bytes(passed))).collect()
    }

    pub(super) fn format(self, value: i128, numbers: Style) -> String {
        match self {
            Metric::Temperature => format_nr(value, numbers),
            Metric::Idle => format_time_in(damo_model::human::Number::Int(value), TimeUnit::Micros, numbers),
        }
    }
}

/// How histograms are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramOptions {
    /// Ranges double instead of being equal.
    pub log: bool,
    /// Each range begins at the first one's start.
    pub cumulate: bool,
    /// Ranges as wanted (microseconds or temperatures), start included, end not; empty for ten over all values.
    pub ranges: Vec<(i128, i128)>,
}

const STEPS: i128 = 10;
const BAR: u128 = 20;

/// The ranges and how much memory is in each.
pub(super) fn ranges(options: &HistogramOptions, values: &[(i128, u64)]) -> Vec<(i128, i128, u64)> {
    let (Some(min), Some(max)) = (values.iter().map(|v| v.0).min(), values.iter().map(|v| v.0).max()) else {
        return Vec::new();
    };
    let mut ranges = options.ranges.clone();
    if ranges.is_empty() && options.log {
        let mut step = ((max - min) / 1024).max(1);
        let mut start = min;
        loop {
            ranges.push((start, start + step));
            start += step;
            step *= 2;
            if start >= max {
                break;
            }
        }
        // The last range may end at the largest value, which would then be in none.
        if let Some(last) = ranges.last_mut() {
            last.1 = last.1.max(max + 1);
        }
    } else if ranges.is_empty() {
        let step = ((max + 1 - min + STEPS - 1) / STEPS).max(1);
        ranges.extend((0..STEPS).map(|i| (min + i * step, min + (i + 1) * step)));
    }
    if options.cumulate {
        let first = ranges.first().map_or(min, |range| range.0);
        ranges.iter_mut().for_each(|range| range.0 = first);
    }
    let size = |from: i128, to: i128| {
        let within = values.iter().filter(|(value, _)| from <= *value && *value < to);
        within.fold(0u64, |sum, (_, size)| sum.saturating_add(*size))
    };
    ranges.into_iter().map(|(from, to)| (from, to, size(from, to))).collect()
}

/// The histogram as text.
pub(super) fn draw(
    options: &HistogramOptions,
    metric: Metric,
    snapshot: &Snapshot,
    weights: Weights,
    passed: bool,
    numbers: Style,
) -> String {
    let rows = ranges(options, &metric.values(snapshot, weights, passed));
    let (min, max) = (rows.iter().map(|row| row.2).min().unwrap_or(0), rows.iter().map(|row| row.2).max().unwrap_or(0));
    let per_dot = ((max - min) / BAR as u64).max(1);
    let cells: Vec<(String, String, usize)> = rows
        .iter()
        .map(|(from, to, size)| {
            let range = format!("[{}, {})", metric.format(*from, numbers), metric.format(*to, numbers));
            let dots = (size - min).div_ceil(per_dot).min(BAR as u64) as usize;
            (range, format_size(Bytes(*size), numbers), dots)
        })
        .collect();
    let wide = |f: fn(&(String, String, usize)) -> usize| cells.iter().map(f).max().unwrap_or(0);
    let (range_width, size_width) = (wide(|cell| cell.0.len()), wide(|cell| cell.1.len()));
    let lines = cells
        .iter()
        .map(|(range, size, dots)| format!("{range:<range_width$} {size:<size_width$} |{:<20}|", "*".repeat(*dots)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_equal_ranges_hold_every_value() {
        let values = [(0, 5), (99, 7), (50, 1)];
        let rows = ranges(&HistogramOptions::default(), &values);
        assert_eq!(rows.len(), 10);
        assert_eq!(rows[0], (0, 10, 5));
        assert_eq!(rows[9], (90, 100, 7));
    }

    #[test]
    fn doubling_ranges_hold_the_largest_value_even_at_their_end() {
        let values = [(0, 5), (3, 7)];
        let options = HistogramOptions { log: true, ..HistogramOptions::default() };
        let rows = ranges(&options, &values);
        assert_eq!(rows.iter().map(|row| row.2).sum::<u64>(), 12);
        assert_eq!(rows[0], (0, 1, 5));
    }

    #[test]
    fn nothing_has_no_ranges() {
        assert!(ranges(&HistogramOptions::default(), &[]).is_empty());
    }
}
