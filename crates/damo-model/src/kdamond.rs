//! What DAMON is told: kdamonds with their contexts, targets and schemes. The kernel's files, the Python tool's JSON and the
//! command line all read into these types and are written from them.

mod check;
mod json;
mod probe;

pub use check::check;
pub use json::{from_json, to_json};
pub use probe::Probe;

pub use crate::json::{parse_basis_points, parse_count};

use crate::scheme::Scheme;
use crate::{AddrRange, Intervals, IntervalsGoal, KdamondIndex, KdamondThread, Nanos, NrRegions, Ops};
use std::fmt;

/// Parameters of one kdamond.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kdamond {
    /// How often the kernel refreshes the files that it writes; `None` where it cannot (before 6.17).
    pub refresh: Option<Nanos>,
    /// Its contexts; at most one on present kernels.
    pub contexts: Vec<Context>,
}

impl Kdamond {
    /// With all rates and ages of schemes as numbers of samples and aggregations, which is what the kernel has.
    #[must_use]
    pub fn resolved(&self) -> Kdamond {
        let mut resolved = self.clone();
        for context in &mut resolved.contexts {
            let intervals = context.intervals;
            context.schemes.iter_mut().for_each(|scheme| *scheme = scheme.resolved(&intervals));
        }
        resolved
    }
}

/// Parameters of one context.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// Which address space.
    pub ops: Ops,
    /// Bytes per address unit (physical addresses of 32-bit machines with LPAE); 1 or `None` mean bytes.
    pub addr_unit: Option<u64>,
    /// Whether it is paused; `None` where it cannot be.
    pub pause: Option<bool>,
    /// Sampling, aggregation and update intervals.
    pub intervals: Intervals,
    /// Auto-tuning goal; `None` where the kernel has no tuning (before 6.15) or it is off.
    pub intervals_goal: Option<IntervalsGoal>,
    /// Bounds on the number of regions.
    pub nr_regions: NrRegions,
    /// What samples are looked at for beside accesses (7.2 and later).
    pub probes: Vec<Probe>,
    /// Processes or address ranges that are monitored.
    pub targets: Vec<ContextTarget>,
    /// What is done on findings.
    pub schemes: Vec<Scheme>,
}

impl Context {
    /// A context with the kernel documents' defaults and no target.
    pub fn new(ops: Ops) -> Self {
        Self {
            ops,
            addr_unit: None,
            pause: None,
            intervals: Intervals::default(),
            intervals_goal: None,
            nr_regions: NrRegions::default(),
            probes: Vec::new(),
            targets: Vec::new(),
            schemes: Vec::new(),
        }
    }
}

/// A kdamond that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunningKdamond {
    /// Its number in sysfs.
    pub index: KdamondIndex,
    /// The thread as which it runs, which tells it from a later one at the same place.
    pub thread: KdamondThread,
}

impl fmt::Display for RunningKdamond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kdamond {} (thread {})", self.index, self.thread)
    }
}

/// A monitored process or address space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextTarget {
    /// The process; `None` for physical addresses.
    pub pid: Option<i32>,
    /// To be removed at the next commit (6.19 and later).
    pub obsolete: bool,
    /// Fixed or initial ranges, ascending and disjoint.
    pub regions: Vec<AddrRange>,
}

#[cfg(test)]
mod tests;
