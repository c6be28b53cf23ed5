//! Percentiles of a series of numbers, and their text form with bars: what the working set, footprint and region-count
//! reports share.

use crate::ReportError;
use crate::table::{Cells, Table};
use damo_model::human::{Style, format_size_f64, size_text, uint_text};
use std::io::{self, Write};

/// Which percentiles, as Python's `range(start, stop, step)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentileRange {
    /// First.
    pub start: i64,
    /// Where to stop, not included.
    pub stop: i64,
    /// From one to the next; negative counts down.
    pub step: i64,
}

impl Default for PercentileRange {
    /// 0, 25, 50, 75, 100.
    fn default() -> Self {
        Self { start: 0, stop: 101, step: 25 }
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

/// Numbers, ranked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// In ranking order.
    pub values: Vec<u64>,
    /// Their mean; 0 without values.
    pub mean: f64,
    /// The wanted percentiles and their values; empty without values.
    pub percentiles: Vec<(u8, u64)>,
}

impl Distribution {
    /// Ranks `values`, which come in time order.
    pub fn new(mut values: Vec<u64>, wanted: &[u8], sort: SortBy) -> Self {
        if sort == SortBy::Size {
            values.sort_unstable();
        }
        let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
        let mean = if values.is_empty() { 0.0 } else { sum as f64 / values.len() as f64 };
        let percentiles = wanted.iter().filter_map(|percentile| Some((*percentile, ranked(&values, *percentile)?)));
        Self { mean, percentiles: percentiles.collect(), values }
    }
}

/// The value at a percentile of a ranked series.
fn ranked(values: &[u64], percentile: u8) -> Option<u64> {
    let index = (f64::from(percentile) / 100.0 * values.len() as f64) as usize;
    values.get(index.min(values.len().checked_sub(1)?)).copied()
}

/// How distributions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DistributionText {
    /// For people or for programs.
    pub style: Style,
    /// Width of the bars; 0 for none.
    pub nr_cols_bar: usize,
    /// Every value instead of percentiles.
    pub all: bool,
}

impl Default for DistributionText {
    fn default() -> Self {
        Self { style: Style::Human, nr_cols_bar: 59, all: false }
    }
}

impl DistributionText {
    /// Writes the mean and the rows of a distribution of sizes in bytes.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_sizes(self, distribution: &Distribution, out: &mut dyn Write) -> io::Result<()> {
        if distribution.values.is_empty() {
            return writeln!(out, "# no snapshot");
        }
        writeln!(out, "# avr:\t{}", format_size_f64(distribution.mean, self.style))?;
        let size = |value| if self.style == Style::Raw { uint_text(value) } else { size_text(value) };
        if self.all {
            for (i, value) in distribution.values.iter().enumerate() {
                writeln!(out, "{i} {}", size(*value))?;
            }
            return Ok(());
        }
        let max = distribution.percentiles.iter().map(|(_, value)| *value).max().unwrap_or(0);
        for (percentile, value) in &distribution.percentiles {
            write!(out, "{percentile:>3} {:>15}", size(*value))?;
            if self.nr_cols_bar > 0 {
                write!(out, " |{}|", bar(*value, max, self.nr_cols_bar))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// A bar of stars, as long as `value` is of `max`, in `cols` columns.
fn bar(value: u64, max: u64, cols: usize) -> String {
    let per_star = if max == 0 { 1.0 } else { max as f64 / cols as f64 };
    let stars = ((value as f64 / per_star) as usize).min(cols);
    format!("{}{}", "*".repeat(stars), " ".repeat(cols - stars))
}

/// The percentiles of several distributions as a table: the labels, `percentile` (u32) and `value_name` (u64).
pub(crate) fn percentile_table<'a>(
    label: &str,
    value_name: &str,
    series: impl Iterator<Item = (String, &'a Distribution)>,
) -> Result<Table, ReportError> {
    let (mut labels, mut percentiles, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (name, distribution) in series {
        for (percentile, value) in &distribution.percentiles {
            labels.push(name.clone());
            percentiles.push(u32::from(*percentile));
            values.push(*value);
        }
    }
    Table::new(
        "percentiles",
        vec![(label, Cells::from(labels)), ("percentile", percentiles.into()), (value_name, values.into())],
    )
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
    fn bars_fill_their_columns() {
        assert_eq!(bar(0, 0, 3), "   ");
        assert_eq!(bar(5, 10, 4), "**  ");
        assert_eq!(bar(10, 10, 4), "****");
    }
}
