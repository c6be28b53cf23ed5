//! Percentiles of a series of numbers, and their text form with bars: what the working set, footprint and region-count
//! reports share.
//!
//! Sorting and ranking are done here and not as Polars expressions: these took three times as long for a million values, and
//! ten times as long for the hundreds that a record of a minute has. Means are of sums that do not fit 64 bits.

use crate::ReportError;
use crate::resample::spread;
use crate::series::Point;
use crate::statistic::Statistic;
use damo_model::human::{Style, format_size_f64, size_text, uint_text};
use std::io::{self, Write};

damo_model::with_defaults! {
    /// Which percentiles, as Python's `range(start, stop, step)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PercentileRange {
        /// The first percentile.
        pub start: i64,
        /// Where to stop, not included.
        pub stop: i64 = 101,
        /// From one to the next; negative counts down.
        pub step: i64 = 25,
    }
}

impl PercentileRange {
    /// The percentiles.
    ///
    /// # Errors
    /// If the step is 0 or a percentile is not within 0..=100.
    pub fn percentiles(self) -> Result<Vec<u8>, ReportError> {
        if self.step == 0 {
            return Err(ReportError::invalid("a range of percentiles with step 0 never ends; give a step such as 25"));
        }
        let mut percentiles = Vec::new();
        let mut next = self.start;
        while (self.step > 0 && next < self.stop) || (self.step < 0 && next > self.stop) {
            let percentile = u8::try_from(next).ok().filter(|percentile| *percentile <= 100);
            percentiles.push(percentile.ok_or_else(|| {
                ReportError::invalid(format!(
                    "percentile {next} is not within 0 to 100; the end of a range is not part of it"
                ))
            })?);
            next = next.saturating_add(self.step);
        }
        Ok(percentiles)
    }
}

/// In which order the numbers are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// By value: percentiles proper.
    #[default]
    Size,
    /// By time: the value at each percent of the running time.
    Time,
}

/// Numbers in their ranking, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// In ranking order.
    pub values: Vec<u64>,
    /// Their mean; 0 without values.
    pub mean: f64,
    /// The wanted percentiles and their values; empty without values.
    pub percentiles: Vec<(u8, u64)>,
    /// Standard errors, if known.
    pub errors: Option<Errors>,
    /// Between which values the true ones lie, if known.
    pub ranges: Option<Ranges>,
}

/// Between which values the true ones lie, in at least 95 of 100 recordings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    /// The mean: at least, at most.
    pub mean: (f64, f64),
    /// Each of the percentiles.
    pub percentiles: Vec<(f64, f64)>,
}

impl Ranges {
    /// From the bounds of each snapshot, which come in time order: the bounds of a figure are the figures of the bounds, and what
    /// these would vary by in another recording is added.
    pub(crate) fn of_bounds(least: &[Point], most: &[Point], wanted: &[u8], sort: SortBy) -> Self {
        let values = |points: &[Point]| points.iter().map(|point| point.value as f64).collect::<Vec<f64>>();
        // Checks err in a single snapshot; in the mean over many they do not, beyond what the snapshots vary by.
        let lowest: Vec<f64> = least.iter().map(|point| point.value as f64 - SPREADS * point.variance.sqrt()).collect();
        let of_blocks = most.first().map_or(0.0, |point| point.variance);
        let (least, most) = (values(least), values(most));
        let low = |values: &[f64], statistic: Statistic| {
            (statistic.of(values).unwrap_or(0.0) - SPREADS * spread(values, statistic).error).max(0.0)
        };
        let high = |values: &[f64], statistic: Statistic| {
            let error = (spread(values, statistic).error.powi(2) + of_blocks).sqrt();
            statistic.of(values).unwrap_or(0.0) + SPREADS * error
        };
        let mean = (low(&least, Statistic::Mean), high(&most, Statistic::Mean));
        let percentiles = wanted.iter().map(|percentile| match sort {
            SortBy::Size => {
                let statistic = Statistic::Percentile(*percentile);
                (low(&lowest, statistic), high(&most, statistic))
            }
            // A moment of its own.
            SortBy::Time => {
                let at = |values: &[f64]| rank(values.len(), *percentile).and_then(|at| values.get(at).copied());
                (at(&lowest).unwrap_or(0.0).max(0.0), at(&most).unwrap_or(0.0))
            }
        });
        Ranges { mean, percentiles: percentiles.collect() }
    }
}

/// Standard errors of a distribution: how much its numbers would vary if the same memory were checked again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    /// Of the mean. Errors of snapshots are independent, so they average out.
    pub mean: f64,
    /// Of each percentile: of the snapshot that has this rank.
    pub percentiles: Vec<f64>,
}

/// So many standard errors are on each side of a range: 95 % of a normal distribution.
const SPREADS: f64 = 2.0;
/// Ranges of a histogram, unless asked for otherwise.
const RANGES: usize = 10;

/// How many values lie in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bin {
    /// The smallest value that it may hold.
    pub from: u64,
    /// To, not included.
    pub to: u64,
    /// How many values it holds.
    pub count: u64,
}

impl Distribution {
    /// Ranks the numbers of snapshots, which come in time order; with their standard errors if these are wanted.
    pub(crate) fn of_points(points: &[Point], wanted: &[u8], sort: SortBy, errors: bool) -> Self {
        let mut points = points.to_vec();
        if sort == SortBy::Size {
            points.sort_by_key(|point| point.value);
        }
        let error = |percentile: &u8| Some(points.get(rank(points.len(), *percentile)?)?.variance.sqrt());
        let errors = errors.then(|| Errors {
            mean: points.iter().map(|point| point.variance).sum::<f64>().sqrt() / points.len().max(1) as f64,
            percentiles: wanted.iter().filter_map(error).collect(),
        });
        let ranked = Self::new(points.iter().map(|point| point.value).collect(), wanted, SortBy::Time);
        Self { errors, ..ranked }
    }

    /// How many values lie in each of some equal ranges from the smallest to the largest; empty without values.
    pub(crate) fn histogram(&self, ranges: usize) -> Vec<Bin> {
        let (Some(min), Some(max)) = (self.values.iter().min(), self.values.iter().max()) else { return Vec::new() };
        let step = (max - min).saturating_add(1).div_ceil(ranges.max(1) as u64).max(1);
        let from = |i: usize| min.saturating_add(step.saturating_mul(i as u64));
        let mut bins: Vec<Bin> = (0..ranges.max(1)).map(|i| Bin { from: from(i), to: from(i + 1), count: 0 }).collect();
        for value in &self.values {
            let at = ((value - min) / step) as usize;
            if let Some(bin) = bins.get_mut(at.min(ranges.max(1) - 1)) {
                bin.count += 1;
            }
        }
        bins
    }

    /// The value of one of the percentiles that were wanted.
    pub(crate) fn at(&self, percentile: u8) -> Option<u64> {
        self.percentiles.iter().find(|(known, _)| *known == percentile).map(|(_, value)| *value)
    }

    /// Ranks `values`, which come in time order.
    pub fn new(mut values: Vec<u64>, wanted: &[u8], sort: SortBy) -> Self {
        if sort == SortBy::Size {
            values.sort_unstable();
        }
        let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
        let mean = if values.is_empty() { 0.0 } else { sum as f64 / values.len() as f64 };
        let percentiles = wanted.iter().filter_map(|percentile| Some((*percentile, ranked(&values, *percentile)?)));
        Self { mean, percentiles: percentiles.collect(), values, errors: None, ranges: None }
    }
}

/// The value at a percentile of a ranked series.
fn ranked(values: &[u64], percentile: u8) -> Option<u64> {
    values.get(rank(values.len(), percentile)?).copied()
}

/// The position of a percentile among so many ranked values.
fn rank(count: usize, percentile: u8) -> Option<usize> {
    let index = (f64::from(percentile) / 100.0 * count as f64) as usize;
    Some(index.min(count.checked_sub(1)?))
}

damo_model::with_defaults! {
    /// How distributions are written.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DistributionText {
        /// For people or for programs.
        pub style: Style = Style::Human,
        /// Width of the bars; 0 for none.
        pub nr_cols_bar: usize = 59,
        /// Every value instead of percentiles.
        pub all: bool,
        /// A histogram of so many ranges instead of percentiles.
        pub histogram: Option<usize>,
        /// How pictures rank the values.
        pub sort: SortBy = SortBy::Size,
    }
}

impl DistributionText {
    /// Writes the mean and the rows of a distribution of sizes in bytes.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub(crate) fn write_sizes(self, distribution: &Distribution, out: &mut dyn Write) -> io::Result<()> {
        if distribution.values.is_empty() {
            return writeln!(out, "# no snapshot");
        }
        let number = |number: f64| format_size_f64(number, self.style);
        write!(out, "# avr:\t{}", number(distribution.mean))?;
        match (&distribution.ranges, &distribution.errors) {
            (Some(Ranges { mean: (least, most), .. }), _) => {
                write!(out, " (at least {}, at most {})", number(*least), number(*most))?;
            }
            (None, Some(errors)) => write!(out, " ± {}", number(errors.mean))?,
            (None, None) => {}
        }
        writeln!(out)?;
        let size = |value| if self.style == Style::Raw { uint_text(value) } else { size_text(value) };
        if self.all {
            for (i, value) in distribution.values.iter().enumerate() {
                writeln!(out, "{i} {}", size(*value))?;
            }
            return Ok(());
        }
        if let Some(ranges) = self.histogram {
            let bins = distribution.histogram(ranges);
            let max = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
            for bin in bins {
                write!(out, "[{:>15}, {:>15}) {:>6}", size(bin.from), size(bin.to), bin.count)?;
                if self.nr_cols_bar > 0 {
                    write!(out, " |{}|", bar(bin.count, max, self.nr_cols_bar))?;
                }
                writeln!(out)?;
            }
            return Ok(());
        }
        let max = distribution.percentiles.iter().map(|(_, value)| *value).max().unwrap_or(0);
        for (i, (percentile, value)) in distribution.percentiles.iter().enumerate() {
            write!(out, "{percentile:>3} {:>15}", size(*value))?;
            if let Some((least, most)) = distribution.ranges.as_ref().and_then(|ranges| ranges.percentiles.get(i)) {
                write!(out, " {:>15} {:>15}", number(*least), number(*most))?;
            } else if let Some(of) = distribution.errors.as_ref().and_then(|errors| errors.percentiles.get(i)) {
                write!(out, " ± {:>13}", number(*of))?;
            }
            if self.nr_cols_bar > 0 {
                write!(out, " |{}|", bar(*value, max, self.nr_cols_bar))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// A bar of stars, as long as `value` is of `max`, in `cols` columns.
pub(crate) fn bar(value: u64, max: u64, cols: usize) -> String {
    let per_star = if max == 0 { 1.0 } else { max as f64 / cols as f64 };
    let stars = ((value as f64 / per_star) as usize).min(cols);
    format!("{}{}", "*".repeat(stars), " ".repeat(cols - stars))
}

/// A row of a table of percentiles.
pub(crate) struct PercentileRow<'s, S> {
    pub series: &'s S,
    pub percentile: u32,
    pub value: u64,
    /// Standard error, if anybody asked for it.
    pub error: Option<f64>,
    /// Between which values the true one lies, if known.
    pub range: Option<(f64, f64)>,
}

/// The percentiles of several series.
pub(crate) fn percentile_rows<S>(series: &[S], of: impl Fn(&S) -> &Distribution) -> Vec<PercentileRow<'_, S>> {
    let mut rows = Vec::new();
    for series in series {
        let Distribution { percentiles, errors, ranges, .. } = of(series);
        rows.extend(percentiles.iter().enumerate().map(|(i, (percentile, value))| PercentileRow {
            series,
            percentile: u32::from(*percentile),
            value: *value,
            error: errors.as_ref().and_then(|errors| errors.percentiles.get(i)).copied(),
            range: ranges.as_ref().and_then(|ranges| ranges.percentiles.get(i)).copied(),
        }));
    }
    rows
}

/// The histograms of several series.
pub(crate) fn histogram_rows<S>(series: &[S], of: impl Fn(&S) -> &Distribution) -> Vec<(&S, Bin)> {
    let bins = |series| of(series).histogram(RANGES).into_iter().map(move |bin| (series, bin)).collect::<Vec<_>>();
    series.iter().flat_map(bins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_as_in_python() {
        assert_eq!(PercentileRange::default().percentiles().unwrap(), [0, 25, 50, 75, 100]);
        assert_eq!(PercentileRange { start: 100, stop: -1, step: -50 }.percentiles().unwrap(), [100, 50, 0]);
        assert!(PercentileRange { start: 5, stop: 5, step: 1 }.percentiles().unwrap().is_empty());
        let message = PercentileRange { start: 0, stop: 102, step: 1 }.percentiles().unwrap_err().to_string();
        assert!(message.starts_with("percentile 101 is not within 0 to 100"));
        assert!(PercentileRange { start: 0, stop: 1, step: 0 }.percentiles().is_err());
    }

    #[test]
    fn the_hundredth_percentile_is_the_largest_value() {
        let distribution = Distribution::new(vec![3, 1, 2], &[0, 50, 100], SortBy::Size);
        assert_eq!(distribution.percentiles, [(0, 1), (50, 2), (100, 3)]);
        assert!((distribution.mean - 2.0).abs() < 1e-9);
        let by_time = Distribution::new(vec![3, 1, 2], &[0, 100], SortBy::Time);
        assert_eq!(by_time.percentiles, [(0, 3), (100, 2)]);
        assert_eq!(Distribution::new(Vec::new(), &[0], SortBy::Size), Distribution::default());
    }

    #[test]
    fn a_histogram_holds_every_value_once() {
        let distribution = Distribution::new(vec![0, 9, 10, 99, 50], &[], SortBy::Size);
        let bins = distribution.histogram(10);
        assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [2, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!((bins[0].from, bins[9].to), (0, 100));
        let extreme = Distribution::new(vec![0, u64::MAX], &[], SortBy::Size).histogram(3);
        assert_eq!(extreme.iter().map(|bin| bin.count).sum::<u64>(), 2);
        assert!(Distribution::default().histogram(10).is_empty());
    }

    #[test]
    fn errors_go_with_the_values_they_belong_to() {
        let (target, [start, end]) = (damo_model::TargetKey(0), [damo_model::Nanos(0); 2]);
        let point = |(value, variance)| Point { target, start, end, value, partial: false, variance };
        let points = [(3, 9.0), (1, 1.0), (2, 4.0)].map(point);
        let distribution = Distribution::of_points(&points, &[0, 100], SortBy::Size, true);
        let errors = distribution.errors.unwrap();
        assert_eq!(errors.percentiles, [1.0, 3.0]);
        assert!((errors.mean - 14f64.sqrt() / 3.0).abs() < 1e-12);
    }

    #[test]
    fn bars_fill_their_columns() {
        assert_eq!(bar(0, 0, 3), "   ");
        assert_eq!(bar(5, 10, 4), "**  ");
        assert_eq!(bar(10, 10, 4), "****");
    }
}
