//! What DAMON's sysfs tree holds, typed, in the kernel's own units: samples, aggregation intervals, bytes. Words that
//! newer kernels may add to (actions, metrics, filter types) stay words.

use damo_model::{
    AddrRange, Age, Bytes, Intervals, IntervalsGoal, Nanos, NrAccesses, NrRegions, Ops, Region, SchemeCounts,
};
use serde::{Deserialize, Serialize};

/// Parameters of one kdamond.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kdamond {
    /// How often the kernel refreshes the files that it writes; `None` where it cannot (before 6.17).
    pub refresh: Option<Nanos>,
    /// Its contexts; at most one on present kernels.
    pub contexts: Vec<Context>,
}

/// Parameters of one context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Which address space.
    pub ops: Ops,
    /// Bytes per address unit (physical addresses of 32-bit machines with LPAE); 1 or `None` mean bytes.
    pub addr_unit: Option<u64>,
    /// Whether it is paused; `None` where it cannot be.
    pub pause: Option<bool>,
    /// Intervals.
    pub intervals: Intervals,
    /// Auto-tuning goal; `None` where the kernel has no tuning (before 6.15) or it is off.
    pub intervals_goal: Option<IntervalsGoal>,
    /// Region bounds.
    pub nr_regions: NrRegions,
    /// Whom it monitors.
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
            targets: Vec::new(),
            schemes: Vec::new(),
        }
    }
}

/// A monitored process or address space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextTarget {
    /// The process; `None` for physical addresses.
    pub pid: Option<i32>,
    /// To be removed at the next commit (6.19 and later).
    pub obsolete: bool,
    /// Fixed or initial ranges, ascending and disjoint.
    pub regions: Vec<AddrRange>,
}

/// A closed range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MinMax<T> {
    /// At least.
    pub min: T,
    /// At most.
    pub max: T,
}

/// Which regions a scheme is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPattern {
    /// Sizes.
    pub size: MinMax<Bytes>,
    /// Samples that found it accessed, per aggregation.
    pub nr_accesses: MinMax<NrAccesses>,
    /// Ages in aggregation intervals.
    pub age: MinMax<Age>,
}

impl AccessPattern {
    /// Any region at all.
    pub const ANY: AccessPattern = AccessPattern {
        size: MinMax { min: Bytes(0), max: Bytes(u64::MAX) },
        nr_accesses: MinMax { min: NrAccesses(0), max: NrAccesses(u32::MAX) },
        age: MinMax { min: Age(0), max: Age(u32::MAX) },
    };
}

/// A data access monitoring-based operation scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheme {
    /// Which regions.
    pub pattern: AccessPattern,
    /// `pageout`, `stat`, …
    pub action: String,
    /// NUMA node to migrate to; `None` where the kernel does not know of it (before 6.11) or it is unset (-1).
    pub target_nid: Option<i32>,
    /// Several nodes to migrate to, with weights (6.17 and later).
    pub dests: Vec<Dest>,
    /// How often it is applied; 0 means each aggregation.
    pub apply_interval: Nanos,
    /// Limits.
    pub quotas: Quotas,
    /// When it is active at all.
    pub watermarks: Watermarks,
    /// Which pages of a region it leaves out.
    pub filters: Vec<Filter>,
    /// Deactivates itself after so many snapshots (7.0 and later); 0 or `None` mean never.
    pub max_nr_snapshots: Option<u64>,
}

impl Scheme {
    /// A scheme for any region, without limits.
    pub fn new(action: &str) -> Self {
        Self {
            pattern: AccessPattern::ANY,
            action: action.to_owned(),
            target_nid: None,
            dests: Vec::new(),
            apply_interval: Nanos(0),
            quotas: Quotas::default(),
            watermarks: Watermarks::default(),
            filters: Vec::new(),
            max_nr_snapshots: None,
        }
    }
}

/// A node to migrate to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dest {
    /// NUMA node.
    pub id: u32,
    /// Share relative to the others.
    pub weight: u32,
}

/// Limits of a scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// CPU time per reset interval, whole milliseconds; 0 means no limit.
    pub time: Nanos,
    /// Bytes per reset interval; 0 means no limit.
    pub size: Bytes,
    /// After which it starts anew, whole milliseconds; the longest time there is means never.
    pub reset_interval: Nanos,
    /// Weight of the size when regions are put in order, permille.
    pub weight_size: u32,
    /// Weight of the access rate, permille.
    pub weight_nr_accesses: u32,
    /// Weight of the age, permille.
    pub weight_age: u32,
    /// Goals that adapt the quota.
    pub goals: Vec<Goal>,
    /// How it is adapted (7.1 and later); empty means the kernel's default.
    pub goal_tuner: String,
    /// Share of what the action failed on that is charged all the same, as numerator and denominator (not in a release
    /// yet); `None` means the kernel's default.
    pub fail_charge: Option<(u64, u64)>,
}

/// What a quota aims at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// `user_input`, `some_mem_psi_us`, …
    pub metric: String,
    /// Wanted.
    pub target_value: u64,
    /// Present, for `user_input`.
    pub current_value: u64,
    /// NUMA node, for metrics of one.
    pub nid: Option<i32>,
    /// Memory cgroup, for metrics of one; empty if none.
    pub path: String,
}

impl Goal {
    /// Without what its metric has no use for: the kernel shows node 0 for every goal.
    pub(super) fn of_its_metric(mut self) -> Self {
        if !self.metric.starts_with("node_") {
            self.nid = None;
        }
        self
    }
}

/// When a scheme is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// `none` or `free_mem_rate`.
    pub metric: String,
    /// How often it is looked at.
    pub interval: Nanos,
    /// Inactive above, permille.
    pub high: u32,
    /// Active below, permille.
    pub mid: u32,
    /// Inactive below, permille.
    pub low: u32,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self { metric: "none".to_owned(), interval: Nanos(0), high: 0, mid: 0, low: 0 }
    }
}

/// Which pages a scheme takes or leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// `anon`, `memcg`, `addr`, `target`, …
    pub kind: String,
    /// Whether it is for pages of that kind, or for all others.
    pub matching: bool,
    /// Whether such pages are let pass rather than kept out (6.14 and later).
    pub allow: bool,
    /// Of `memcg`: path below the cgroup mount.
    pub memcg_path: String,
    /// Of `addr`.
    pub range: AddrRange,
    /// Of `target`: its index.
    pub target: u64,
    /// Of `hugepage_size`.
    pub size: MinMax<Bytes>,
}

impl Filter {
    /// Whether DAMON's core handles it (whole regions), not the operations set (pages).
    pub fn is_core(&self) -> bool {
        matches!(self.kind.as_str(), "addr" | "target")
    }
}

/// A kdamond as found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KdamondStatus {
    /// Its index.
    pub index: usize,
    /// Whether it runs.
    pub on: bool,
    /// Its thread, while it runs.
    pub pid: Option<i32>,
    /// Its parameters, as staged (what runs is what was last committed).
    pub params: Kdamond,
    /// Per context and scheme, what the kernel wrote at the last update command.
    pub schemes: Vec<Vec<SchemeStatus>>,
}

/// What a scheme did, as of the last update command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SchemeStatus {
    /// Counters; those that this kernel lacks are absent.
    pub stats: SchemeCounts,
    /// The quota in effect; `None` before 6.9.
    pub effective_size: Option<Bytes>,
    /// Size of the regions last tried; `None` before 6.6.
    pub tried_bytes: Option<Bytes>,
    /// Regions last tried, by address within each target; targets follow each other without a mark.
    pub tried: Vec<TriedRegion>,
}

/// A region that a scheme was tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TriedRegion {
    /// The region.
    pub region: Region,
    /// Bytes of it that passed the filters (6.14 and later).
    pub filter_passed: Option<Bytes>,
}
