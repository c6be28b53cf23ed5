//! What is recorded beside snapshots.

use crate::{Addr, Bytes, Intervals, IntervalsGoal, Nanos, NrRegions, Ops, TargetKey};
use serde::{Deserialize, Serialize};

/// When something was seen: on the record's clock, or (in foreign side files) on the wall clock only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stamp {
    /// On the record's clock.
    Record(Nanos),
    /// Since 1970.
    Wall(Nanos),
}

/// One line of /proc/PID/maps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mapping {
    /// First byte.
    pub start: Addr,
    /// One past the last byte.
    pub end: Addr,
    /// As printed: `rw-p`; empty if unknown.
    pub perms: String,
    /// Offset in the mapped file.
    pub offset: Bytes,
    /// File name, `[heap]`, `[anon:name]`; empty for unnamed anonymous memory.
    pub name: String,
}

/// A process's mappings at one moment; written again only when they changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mappings {
    /// When they were read.
    pub at: Stamp,
    /// Whose.
    pub pid: i32,
    /// The target that the process is, where known.
    pub target: Option<TargetKey>,
    /// Sorted by address.
    pub mappings: Vec<Mapping>,
}

/// Memory use of a process or of a cgroup. Every figure is optional: what could not be read is absent, not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Footprint {
    /// Virtual size.
    pub vsz: Option<Bytes>,
    /// Resident set size.
    pub rss: Option<Bytes>,
    /// Resident and shared (files, shmem).
    pub shared: Option<Bytes>,
    /// Text (statm "trs").
    pub text: Option<Bytes>,
    /// Data and stack (statm "drs").
    pub data: Option<Bytes>,
    /// Proportional set size.
    pub pss: Option<Bytes>,
    /// Swapped out.
    pub swap: Option<Bytes>,
    /// The cgroup's memory.current.
    pub cgroup: Option<Bytes>,
}

/// A process's footprint at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessFootprint {
    /// When.
    pub at: Stamp,
    /// Whose.
    pub pid: i32,
    /// The target that the process is, where known.
    pub target: Option<TargetKey>,
    /// How much.
    pub footprint: Footprint,
}

/// The system's memory at one moment (/proc/meminfo).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SystemFootprint {
    /// When.
    pub at: Stamp,
    /// MemTotal.
    pub total: Bytes,
    /// MemFree.
    pub free: Bytes,
    /// MemAvailable.
    pub available: Option<Bytes>,
    /// Buffers.
    pub buffers: Option<Bytes>,
    /// Cached.
    pub cached: Option<Bytes>,
    /// SwapTotal - SwapFree.
    pub swap_used: Option<Bytes>,
}

/// CPU time used so far by a process or a kernel thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CpuTime {
    /// When.
    pub at: Stamp,
    /// Whose.
    pub pid: i32,
    /// Its command name.
    pub comm: String,
    /// Whether it is a kdamond: DAMON's own cost.
    pub kdamond: bool,
    /// In user mode since it started.
    pub user: Nanos,
    /// In the kernel since it started.
    pub system: Nanos,
}

/// Pressure stall information: total stall time so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pressure {
    /// When.
    pub at: Stamp,
    /// `memory`, `cpu` or `io`.
    pub resource: String,
    /// Some tasks stalled, total.
    pub some: Nanos,
    /// All tasks stalled, total.
    pub full: Option<Nanos>,
}

/// Parameters in force from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Params {
    /// From when.
    pub at: Stamp,
    /// kdamond index; `None` if the source does not tell.
    pub kdamond: Option<u32>,
    /// Context index.
    pub context: Option<u32>,
    /// Operations set.
    pub ops: Option<Ops>,
    /// Intervals.
    pub intervals: Option<Intervals>,
    /// Tuning goal, if on.
    pub intervals_goal: Option<IntervalsGoal>,
    /// Region bounds.
    pub nr_regions: Option<NrRegions>,
    /// All parameters of the kdamond as JSON in the Python tool's schema; empty if not known.
    pub json: String,
}

/// What a scheme did so far. The kernel says so after each time that it applied the scheme (7.0 and later).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SchemeCounts {
    /// Regions that it was tried on.
    pub nr_tried: u64,
    /// Bytes that it was tried on.
    pub sz_tried: Bytes,
    /// Regions that it was applied to.
    pub nr_applied: u64,
    /// Bytes that it was applied to.
    pub sz_applied: Bytes,
    /// Bytes that passed the filters of the operations set.
    pub sz_ops_filter_passed: Option<Bytes>,
    /// Times that the quota was exceeded.
    pub qt_exceeds: u64,
    /// Snapshots that it was tried on.
    pub nr_snapshots: Option<u64>,
}

/// How a scheme is doing. The kernel tells either of the two figures at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SchemeProgress {
    /// When.
    pub at: Stamp,
    /// kdamond index; `None` if the source does not tell.
    pub kdamond: Option<u32>,
    /// Context index.
    pub context: u32,
    /// Scheme index in the context.
    pub scheme: u32,
    /// How much the scheme may be applied to in each reset interval of its quota, from now on (6.17 and later).
    pub effective_quota: Option<Bytes>,
    /// What it did so far.
    pub counts: Option<SchemeCounts>,
}

/// Events that the kernel or the recorder had to drop.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lost {
    /// When it was noticed.
    pub at: Stamp,
    /// How many events.
    pub events: u64,
    /// What dropped them: `ring` (perf ring full), `import` (unreadable in a foreign file), `file` (damaged record).
    pub reason: String,
}

/// A remark on the time axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Stamp,
    /// What.
    pub text: String,
}

/// Anything recorded beside snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Side {
    /// A process's mappings.
    Mappings(Mappings),
    /// A process's memory use.
    Process(ProcessFootprint),
    /// The system's memory use.
    System(SystemFootprint),
    /// CPU time.
    Cpu(CpuTime),
    /// Pressure.
    Pressure(Pressure),
    /// Parameters from now on.
    Params(Params),
    /// Dropped events.
    Lost(Lost),
    /// A remark.
    Mark(Mark),
    /// How a scheme is doing.
    Scheme(SchemeProgress),
}
