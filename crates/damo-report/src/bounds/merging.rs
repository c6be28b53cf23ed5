//! What the kernel's merging of regions takes away from counts, and how to give it back.
//!
//! At the end of each aggregation interval, neighbouring regions whose counts differ by no more than a threshold (a tenth of
//! the largest count) become one, whose count is the mean, weighted by size and *cut off* to an integer. Right after that the
//! regions are split again, into two or three parts. So where counts are small, what is reported is lower than what was found:
//! of a region of three parts with the counts 1, 0 and 0, nothing is left. How much is lost on average depends on the rate, the
//! number of checks and the threshold alone. It is found here by doing the same many times with a fixed seed.

use super::SPARSE;
use crate::resample::Random;
use std::collections::BTreeMap;

/// Rates for which the reported count is found out.
const RATES: usize = 48;
/// The lowest of them.
const LOWEST: f64 = 0.001;
/// How often a region is split, counted and merged for each of them.
const TRIALS: usize = 3000;
/// With more checks than this, an integer cut off is too little to matter.
const MOST_CHECKS: u32 = 2000;
/// Into how many parts regions are split that did not become more in number: the kernel's larger choice.
const PARTS: usize = 3;

/// From counts, as they are reported on average, to rates.
#[derive(Clone, Debug)]
pub(crate) struct Merging {
    checks: u32,
    /// The count that is reported on average, and the rate, both rising.
    steps: Vec<(f64, f64)>,
}

/// The same for all that is asked for, each found once.
#[derive(Clone, Debug, Default)]
pub(crate) struct MergingTables(BTreeMap<(u32, u32), Merging>);

impl MergingTables {
    /// For so many checks in an aggregation interval, a threshold of merging, and memory that is accessed seldom ([`SPARSE`]).
    pub(crate) fn of(&mut self, checks: u32, threshold: u32) -> &Merging {
        let most = (f64::from(checks) * SPARSE) as u32;
        self.0.entry((checks, threshold)).or_insert_with(|| Merging::new(checks, threshold, most))
    }
}

impl Merging {
    /// For so many checks in an aggregation interval, a threshold of merging, and rates of up to `most` accesses.
    fn new(checks: u32, threshold: u32, most: u32) -> Self {
        let mut steps = Vec::new();
        if threshold > 0 && checks <= MOST_CHECKS {
            let mut random = Random(u64::from(checks) << 32 | u64::from(threshold));
            let highest = (f64::from(most.max(1)) * 1.5 / f64::from(checks)).clamp(LOWEST * 2.0, 1.0);
            let mut count = 0.0f64;
            steps.push((0.0, 0.0));
            for i in 0..RATES {
                let rate = LOWEST * (highest / LOWEST).powf(i as f64 / (RATES - 1) as f64);
                // Drawn, and so not quite rising.
                count = count.max(reported(rate, checks, threshold, &mut random));
                steps.push((count, rate));
            }
        }
        Merging { checks, steps }
    }

    pub(crate) fn checks(&self) -> u32 {
        self.checks
    }

    /// The share of the checks that find an access where this count is reported on average.
    pub(crate) fn rate(&self, count: f64) -> f64 {
        let as_it_is = count / f64::from(self.checks.max(1));
        let at = self.steps.partition_point(|(reported, _)| *reported < count);
        match (at.checked_sub(1).and_then(|before| self.steps.get(before)), self.steps.get(at)) {
            (Some((low, from)), Some((high, to))) if high > low => {
                (from + (to - from) * (count - low) / (high - low)).max(as_it_is)
            }
            _ => as_it_is,
        }
    }
}

/// Which count is reported on average of memory whose pages are accessed with this probability in a sampling interval.
fn reported(rate: f64, checks: u32, threshold: u32, random: &mut Random) -> f64 {
    let below = distribution(rate, checks);
    let mut sum = 0.0;
    for _ in 0..TRIALS {
        let mut parts = [(0.0, 0u32); PARTS];
        let mut rest = 1.0;
        for (i, part) in parts.iter_mut().enumerate().rev() {
            // A cut is at a random tenth of what is left in front.
            let front = if i == 0 { 0.0 } else { rest * (1 + random.below(9)) as f64 / 10.0 };
            let drawn = random.below(1 << 30) as f64 / f64::from(1 << 30);
            *part = (rest - front, below.partition_point(|share| *share <= drawn) as u32);
            rest = front;
        }
        sum += merged(&parts, threshold);
    }
    sum / TRIALS as f64
}

/// The mean count of a region's parts after merging, each with its share of the size.
fn merged(parts: &[(f64, u32)], threshold: u32) -> f64 {
    let mut sum = 0.0;
    let mut left: Option<(f64, u32)> = None;
    for (size, count) in parts.iter().copied() {
        left = Some(match left {
            Some((before, known)) if known.abs_diff(count) <= threshold => {
                let mean = (before * f64::from(known) + size * f64::from(count)) / (before + size);
                // What is an integer but for rounding is one.
                (before + size, (mean + 1e-9) as u32)
            }
            Some((before, known)) => {
                sum += before * f64::from(known);
                (size, count)
            }
            None => (size, count),
        });
    }
    sum + left.map_or(0.0, |(size, count)| size * f64::from(count))
}

/// The probabilities that at most 0, 1, 2, … of the checks find an access.
fn distribution(rate: f64, checks: u32) -> Vec<f64> {
    let rate = rate.clamp(1e-12, 1.0 - 1e-12);
    let mut term = f64::from(checks) * (1.0 - rate).ln();
    let mut sum = 0.0;
    (0..=checks)
        .map(|k| {
            sum += term.exp();
            term += (f64::from(checks - k) / f64::from(k + 1)).ln() + (rate / (1.0 - rate)).ln();
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_takes_nothing_from_counts_that_are_all_the_same() {
        let parts = [(0.2, 20), (0.5, 20), (0.3, 20)];
        assert!((merged(&parts, 2) - 20.0).abs() < 1e-9);
        assert!((merged(&[(0.1, 0), (0.4, 0), (0.5, 0)], 2)).abs() < 1e-9);
    }

    #[test]
    fn merging_cuts_means_off_and_leaves_what_differs_by_more_than_the_threshold() {
        assert!(merged(&[(0.5, 1), (0.5, 0)], 2).abs() < 1e-9, "half an access is none");
        assert!((merged(&[(0.5, 3), (0.5, 0)], 2) - 1.5).abs() < 1e-9, "two regions, each with its count");
        // 2 and 1 give 1, and 1 and 3 give 2.
        assert!((merged(&[(0.25, 2), (0.25, 1), (0.5, 3)], 2) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_rate_is_found_again_from_the_count_that_is_reported_of_it() {
        let merging = Merging::new(20, 2, 5);
        let mut random = Random(7);
        for rate in [0.01, 0.03, 0.0625, 0.1, 0.2] {
            let count = reported(rate, 20, 2, &mut random);
            assert!(count < rate * 20.0, "{rate}: {count} are reported of {}", rate * 20.0);
            let found = merging.rate(count);
            assert!((found / rate - 1.0).abs() < 0.15, "{rate}: {found}");
        }
    }

    #[test]
    fn without_a_threshold_counts_are_taken_as_they_are() {
        let merging = Merging::new(20, 0, 5);
        assert!((merging.rate(1.0) - 0.05).abs() < 1e-12);
        assert!(merging.rate(0.0).abs() < 1e-12);
        assert!((Merging::new(5000, 100, 1250).rate(10.0) - 0.002).abs() < 1e-12);
    }

    #[test]
    fn the_distribution_of_counts_is_binomial() {
        let below = distribution(0.5, 4);
        let expected = [1.0 / 16.0, 5.0 / 16.0, 11.0 / 16.0, 15.0 / 16.0, 1.0];
        assert!(below.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9), "{below:?}");
    }
}
