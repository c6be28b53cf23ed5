//! How to simulate: what a user of the kernel's DAMON would set, and what a machine would bring with it.

use crate::error::SimError;
use damo_model::scheme::{Action, Costs, Metric, Scheme};
use damo_model::{AddrRange, Bytes, Intervals, IntervalsGoal, Nanos, NrRegions, Ops};

/// Page size of the simulated machine, and DAMON's minimum region size.
pub const PAGE_SIZE: Bytes = Bytes(4096);
/// Size of a huge page of the simulated machine.
pub const HUGE_PAGE: Bytes = Bytes(2 << 20);
pub(crate) const PAGE: u64 = PAGE_SIZE.0;

/// Accesses per millisecond of a workload unless said otherwise. masim prints between 40,000 and 75,000 for its own
/// configurations on common machines.
pub(crate) const ACCESSES_PER_MS: u64 = 75_000;
/// Accesses that masim makes by one pattern before it picks the next one.
pub(crate) const ACCESSES_PER_PICK: u64 = 131_072;
/// More memory than this is not simulated: each page costs the simulator up to a byte.
pub(crate) const MAX_MEMORY: Bytes = Bytes(1 << 42);
/// More regions than this are not simulated.
pub const MAX_REGIONS: u64 = 1 << 24;

/// Where a process's regions lie in its address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// As Linux and malloc place them: small ones on the heap, the others in the mmap area, top down, each directly
    /// below the one before. DAMON finds text and heap, the regions, and the stack as its three initial ranges.
    #[default]
    Linux,
    /// As a program places them that maps memory at addresses of its own choice: the first third of the bytes behind
    /// the heap, the second in the mmap area, the last below the stack. Each of DAMON's three initial ranges then
    /// holds a third of the workload.
    ThreeAreas,
}

damo_model::with_defaults! {
    /// How to simulate. The default is what the kernel's documents call default, with seed 0.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Options {
        /// Sampling, aggregation and update intervals.
        pub intervals: Intervals,
        /// Interval auto-tuning, if on.
        pub intervals_goal: Option<IntervalsGoal>,
        /// Bounds on the number of regions, over all targets together.
        pub nr_regions: NrRegions,
        /// Seed of all pseudo-random numbers: the same seed, workloads and options give the same record.
        pub seed: u64,
        /// Operations set: virtual address spaces (a target per workload), fixed ranges of them, or the physical one.
        pub ops: Ops = Ops::Vaddr,
        /// What to monitor with [`Ops::Fvaddr`] (needed; the same ranges for each target) or [`Ops::Paddr`] (all memory if
        /// empty). Sorted and disjoint.
        pub ranges: Vec<AddrRange>,
        /// For how long to monitor; `None` is until the longest workload ends. A workload that ends before starts over.
        pub duration: Option<Nanos>,
        /// Where regions lie.
        pub layout: Layout,
        /// Speed of the workloads in accesses per millisecond.
        pub accesses_per_ms: u64 = ACCESSES_PER_MS,
        /// Accesses by one pattern before the next is picked.
        pub accesses_per_pick: u64 = ACCESSES_PER_PICK,
        /// The machine's memory; `None` is the smallest power of two that holds the workloads twice, at least 4 GiB.
        pub system_memory: Option<Bytes>,
        /// What is done to memory on what is found; a scheme is applied after the ones before it.
        pub schemes: Vec<Scheme>,
        /// What acting on memory costs.
        pub costs: Costs,
        /// Whether the regions that schemes are applied to are told as snapshots of targets of their own.
        pub scheme_snapshots: bool,
        /// NUMA nodes that share the machine's memory evenly.
        pub nodes: u8 = 2,
        /// Whether the regions of workloads begin on one node after the other, and the record tells on which nodes they are.
        /// Otherwise all begin on node 0.
        pub spread: bool,
        /// How often footprints are written; 0 is never.
        pub footprint_interval: Nanos = Nanos::from_secs(1),
        /// The recorder's name and version, for the record's meta data.
        pub tool: String = concat!("damo-sim ", env!("CARGO_PKG_VERSION")).to_owned(),
        /// The recording command line, for the record's meta data.
        pub command: Vec<String>,
    }
}

impl Options {
    /// Checks what the kernel would check when these parameters are written, and what the simulator needs.
    ///
    /// # Errors
    /// The first option that cannot be, and what it could be.
    pub fn check(&self) -> Result<(), SimError> {
        let bad = |option: &'static str, what: String, remedy: &str| {
            Err(SimError::Option { option, what, remedy: remedy.to_owned() })
        };
        let Intervals { sample, aggregation, update } = self.intervals;
        self.intervals.check()?;
        if aggregation.0 / sample.0 > i64::from(u32::MAX) {
            return bad("aggregation interval", "over 4 billion samples".into(), "use a longer sampling interval");
        }
        if update < sample {
            let what = format!("{} us is shorter than the sampling interval", update.as_micros());
            return bad("update interval", what, "use at least the sampling interval; 1 s is usual");
        }
        self.nr_regions.check()?;
        let max = self.nr_regions.max;
        if max > MAX_REGIONS {
            return bad("maximum number of regions", format!("{max} is too large"), "use at most 16777216");
        }
        if let Some(goal) = self.intervals_goal {
            goal.check()?;
            if goal.min_sample.0 < 1000 {
                let what = format!("sampling from {} ns on", goal.min_sample.0);
                return bad("intervals goal", what, "give a smallest interval of 1 us or more");
            }
        }
        if self.duration.is_some_and(|d| d.0 <= 0) {
            return bad("duration", "is not positive".into(), "monitor for at least one aggregation interval");
        }
        if self.accesses_per_ms == 0 || self.accesses_per_ms > 1_000_000_000 {
            return bad("accesses per millisecond", self.accesses_per_ms.to_string(), "use 1 to 1000000000");
        }
        if self.accesses_per_pick == 0 {
            return bad("accesses per pick", "0".into(), "use at least 1; masim's own is 131072");
        }
        if self.footprint_interval.0 < 0 {
            return bad("footprint interval", "is negative".into(), "use 0 for no footprints");
        }
        if self.nodes == 0 {
            return bad("NUMA nodes", "0".into(), "a machine has at least 1");
        }
        let Costs { look, act, refault } = self.costs;
        if look.0 < 0 || act.0 < 0 || refault.0 < 0 {
            return bad("costs", "negative".into(), "use 0 for what costs nothing");
        }
        self.check_ranges()?;
        self.schemes.iter().enumerate().try_for_each(|(i, scheme)| self.check_scheme(i, scheme))
    }

    /// What the kernel would refuse, or take and never apply.
    fn check_scheme(&self, index: usize, scheme: &Scheme) -> Result<(), SimError> {
        let bad = |what: String, remedy: &str| Err(SimError::Scheme { index, what, remedy: remedy.to_owned() });
        if let Err(error) = scheme.check() {
            return Err(SimError::Scheme { index, what: error.field, remedy: error.what });
        }
        let physical = self.ops == Ops::Paddr;
        let known = match scheme.action {
            Action::Pageout | Action::MigrateHot | Action::MigrateCold | Action::Stat => true,
            Action::LruPrio | Action::LruDeprio => physical,
            _ => !physical,
        };
        if !known {
            let (ours, other) = if physical { ("paddr", "vaddr") } else { ("vaddr", "paddr") };
            let what = format!("{ours} cannot {}", scheme.action);
            return bad(what, &format!("use {other}, or another action"));
        }
        let node_exists = |node: i64| (0..i64::from(self.nodes)).contains(&node);
        let dests = scheme.dests.iter().map(|dest| i64::from(dest.id));
        let goals = scheme.quotas.goals.iter().filter_map(|goal| goal.nid.map(i64::from));
        let nid = scheme.target_nid.filter(|nid| *nid >= 0).map(i64::from);
        if let Some(node) = dests.chain(goals).chain(nid).find(|node| !node_exists(*node)) {
            return bad(format!("there is no node {node}"), &format!("use a node below {}", self.nodes));
        }
        if scheme.quotas.goals.iter().any(|goal| goal.metric == Metric::NodeEligibleMemBp) {
            return bad("node_eligible_mem_bp is not defined for simulated memory".into(), "use node_mem_used_bp");
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), SimError> {
        let bad = |what: String, remedy: &str| {
            Err(SimError::Option { option: "monitored ranges", what, remedy: remedy.to_owned() })
        };
        match self.ops {
            Ops::Vaddr if !self.ranges.is_empty() => {
                return bad("given for vaddr, which finds them itself".into(), "use fvaddr, or give none");
            }
            Ops::Fvaddr if self.ranges.is_empty() => {
                return bad("none given for fvaddr".into(), "give at least one range, or use vaddr");
            }
            Ops::Vaddr | Ops::Fvaddr | Ops::Paddr => {}
            ops => return bad(format!("{ops} is not simulated"), "use vaddr, fvaddr or paddr"),
        }
        let mut last = 0;
        for range in &self.ranges {
            let (start, end) = (range.start.0, range.end.0);
            if end <= start {
                return bad(format!("{start}-{end} is empty"), "write the start first, and the end behind it");
            }
            if start < last {
                return bad(format!("{start}-{end} begins before its predecessor ends"), "sort them by address");
            }
            if end > 1 << 52 {
                return bad(format!("{start}-{end} lies outside the address space"), "stay below 2^52");
            }
            last = end;
        }
        Ok(())
    }
}
