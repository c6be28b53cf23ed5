//! The knobs that bound DAMON's overhead and accuracy.

use crate::{Hz, Nanos, NrAccesses};
use serde::{Deserialize, Serialize};

crate::with_defaults! {
    /// Sampling, aggregation and update intervals; by default those of the kernel's documents.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct Intervals {
        /// Between two access checks of a region.
        pub sample: Nanos = Nanos::from_millis(5),
        /// Over which checks are summed up: one snapshot.
        pub aggregation: Nanos = Nanos::from_millis(100),
        /// Between two looks at the target's mappings.
        pub update: Nanos = Nanos::from_secs(1),
    }
}

impl Intervals {
    /// The largest possible `nr_accesses`: aggregation / sampling, at least 1; 0 if the sampling interval is not positive.
    pub fn max_nr_accesses(&self) -> NrAccesses {
        if self.sample.0 <= 0 {
            return NrAccesses(0);
        }
        let max = (self.aggregation.0 / self.sample.0).max(1);
        NrAccesses(u32::try_from(max).unwrap_or(u32::MAX))
    }

    /// The access rate that `nr_accesses` of one aggregation means; 0 Hz if the aggregation interval is not positive.
    pub fn rate(&self, nr_accesses: f64) -> Hz {
        if self.aggregation.0 <= 0 {
            return Hz(0.0);
        }
        Hz(nr_accesses / self.aggregation.as_secs_f64())
    }
}

/// What interval auto-tuning aims at (6.15 and later); by default it is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IntervalsGoal {
    /// Wanted ratio of observed to possible access events, in basis points.
    pub access_bp: u64,
    /// Over how many aggregations; 0 turns tuning off.
    pub aggregations: u64,
    /// Smallest sampling interval to choose.
    pub min_sample: Nanos,
    /// Largest sampling interval to choose.
    pub max_sample: Nanos,
}

crate::with_defaults! {
    /// Bounds on the number of regions; by default those of the kernel's documents.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct NrRegions {
        /// At least so many; at least 3 in the kernel.
        pub min: u64 = 10,
        /// At most so many.
        pub max: u64 = 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_intervals_allow_twenty_accesses_or_two_hundred_hertz() {
        let intervals = Intervals::default();
        assert_eq!(intervals.max_nr_accesses(), NrAccesses(20));
        assert_eq!(intervals.rate(20.0), Hz(200.0));
    }
}
