//! How hot a region is, as one number: the larger, the hotter; negative where nothing was accessed, the colder the
//! longer ago.
//!
//! `size * w0 + access rate in percent * w1 + age in microseconds * w2`, negated when the access rate is 0. The percent
//! are cut to an integer, as the Python tool does: its histograms and percentiles of temperatures are compared byte for
//! byte.

use damo_model::{Bytes, Intervals};

damo_model::with_defaults! {
    /// What size, access rate and age count for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Weights {
        /// Of the size in bytes.
        pub size: i64,
        /// Of the access rate in percent of the possible.
        pub access_rate: i64 = 100,
        /// Of the age in microseconds.
        pub age: i64 = 100,
    }
}

impl Weights {
    /// The temperature of a region. An unknown age counts as 0.
    pub fn temperature(&self, size: Bytes, nr_accesses: u32, age: Option<u32>, intervals: Intervals) -> i128 {
        let percent = access_percent(nr_accesses, intervals);
        let weight = i128::from(size.0) * i128::from(self.size)
            + i128::from(percent) * i128::from(self.access_rate)
            + age_usec(age.unwrap_or(0), intervals) * i128::from(self.age);
        if percent == 0 { -weight } else { weight }
    }
}

impl Weights {
    /// The temperature of a part of a region, whose size may have a fraction. An unknown age counts as 0.
    pub(crate) fn temperature_f64(&self, size: f64, nr_accesses: u32, age: Option<u32>, intervals: Intervals) -> f64 {
        let percent = access_percent(nr_accesses, intervals);
        let weight = size * self.size as f64
            + percent as f64 * self.access_rate as f64
            + age_usec(age.unwrap_or(0), intervals) as f64 * self.age as f64;
        if percent == 0 { -weight } else { weight }
    }
}

/// The access rate in whole percent of the possible, cut off.
pub(crate) fn access_percent(nr_accesses: u32, intervals: Intervals) -> u64 {
    if intervals.sample.0 <= 0 || intervals.aggregation.0 <= 0 {
        return 0;
    }
    let max = intervals.aggregation.0 as f64 / intervals.sample.0 as f64;
    (f64::from(nr_accesses) * 100.0 / max) as u64
}

/// The age in microseconds.
pub(crate) fn age_usec(age: u32, intervals: Intervals) -> i128 {
    i128::from(age) * i128::from(intervals.aggregation.0) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_accessed_is_the_colder_the_longer_ago() {
        let (weights, intervals) = (Weights::default(), Intervals::default());
        assert_eq!(weights.temperature(Bytes(4096), 0, Some(31), intervals), -310_000_000);
        assert_eq!(weights.temperature(Bytes(4096), 20, Some(1), intervals), 10_010_000);
        assert_eq!(weights.temperature(Bytes(4096), 20, None, intervals), 10_000);
    }
}
