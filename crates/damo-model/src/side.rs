//! What is recorded beside snapshots.

use crate::profile::{CodeMappings, LostSamples, ProfileInfo, Samples, Stacks, Symbols};
use crate::{Addr, Bytes, Intervals, IntervalsGoal, KdamondIndex, Nanos, NrRegions, Ops, Placement, TargetKey};
use serde::{Deserialize, Serialize};

/// When something was seen: on the record's clock, or (in foreign side files) on the wall clock only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stamp {
    /// On the record's clock.
    Record(Nanos),
    /// Nanoseconds since 1970, UTC.
    Wall(Nanos),
}

impl Default for Stamp {
    /// Where the record's clock begins.
    fn default() -> Self {
        Stamp::Record(Nanos(0))
    }
}

/// One line of /proc/PID/maps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mapping {
    /// Address of its first byte.
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
    /// The process that has these mappings.
    pub pid: i32,
    /// The target that the process is, where known.
    pub target: Option<TargetKey>,
    /// Sorted by address.
    pub mappings: Vec<Mapping>,
}

/// Memory use of a process or of a cgroup. Every figure is optional: what could not be read is absent, not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Footprint {
    /// Virtual size (`VmSize`).
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
    /// Swapped-out memory (`VmSwap`).
    pub swap: Option<Bytes>,
    /// The cgroup's memory.current.
    pub cgroup: Option<Bytes>,
}

/// A process's footprint at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessFootprint {
    /// When it was read.
    pub at: Stamp,
    /// The process that it is of.
    pub pid: i32,
    /// The target that the process is, where known.
    pub target: Option<TargetKey>,
    /// How much memory it uses.
    pub footprint: Footprint,
}

/// The system's memory at one moment (/proc/meminfo).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SystemFootprint {
    /// When it was read.
    pub at: Stamp,
    /// `MemTotal` of `/proc/meminfo`.
    pub total: Bytes,
    /// `MemFree` of `/proc/meminfo`.
    pub free: Bytes,
    /// `MemAvailable` of `/proc/meminfo`; old kernels have none.
    pub available: Option<Bytes>,
    /// `Buffers` of `/proc/meminfo`.
    pub buffers: Option<Bytes>,
    /// `Cached` of `/proc/meminfo`.
    pub cached: Option<Bytes>,
    /// SwapTotal - SwapFree.
    pub swap_used: Option<Bytes>,
}

/// CPU time used so far by a process or a kernel thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CpuTime {
    /// When it was read.
    pub at: Stamp,
    /// The process that it is of.
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
    /// When it was read.
    pub at: Stamp,
    /// `memory`, `cpu` or `io`.
    pub resource: String,
    /// Some tasks stalled, total.
    pub some: Nanos,
    /// All tasks stalled, total.
    pub full: Option<Nanos>,
}

/// Parameters in force from a moment on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Params {
    /// The moment from which they are in force.
    pub at: Stamp,
    /// kdamond index; `None` if the source does not tell.
    pub kdamond: Option<KdamondIndex>,
    /// Index of the context within the kdamond.
    pub context: Option<u32>,
    /// What is monitored, and how.
    pub ops: Option<Ops>,
    /// Sampling, aggregation and update interval.
    pub intervals: Option<Intervals>,
    /// Tuning goal, if on.
    pub intervals_goal: Option<IntervalsGoal>,
    /// Least and greatest number of regions.
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
    /// When the counters were read.
    pub at: Stamp,
    /// kdamond index; `None` if the source does not tell.
    pub kdamond: Option<KdamondIndex>,
    /// Index of the context within the kdamond.
    pub context: u32,
    /// Scheme index in the context.
    pub scheme: u32,
    /// How much the scheme may be applied to in each reset interval of its quota, from now on (6.17 and later).
    pub effective_quota: Option<Bytes>,
    /// What it did so far.
    pub counts: Option<SchemeCounts>,
}

impl SchemeProgress {
    /// The same of a kdamond whose addresses, and so its sizes, count units of so many bytes.
    #[must_use]
    pub fn in_bytes(self, unit: u64) -> Self {
        let bytes = |size: Bytes| Bytes(size.0.saturating_mul(unit));
        let counts = self.counts.map(|counts| SchemeCounts {
            sz_tried: bytes(counts.sz_tried),
            sz_applied: bytes(counts.sz_applied),
            sz_ops_filter_passed: counts.sz_ops_filter_passed.map(bytes),
            ..counts
        });
        Self { effective_quota: self.effective_quota.map(bytes), counts, ..self }
    }
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
    /// The moment that is named.
    pub at: Stamp,
    /// The name that somebody gave it.
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
    /// CPU time that a kdamond or the recorder took.
    Cpu(CpuTime),
    /// Pressure stall figures of the system.
    Pressure(Pressure),
    /// Parameters from now on.
    Params(Params),
    /// Events that the kernel could not hand over.
    Lost(Lost),
    /// A moment that somebody named.
    Mark(Mark),
    /// How a scheme is doing.
    Scheme(SchemeProgress),
    /// On which NUMA nodes a process's memory is.
    Placement(Placement),
    /// Of a profile: which code is where in a process.
    Code(CodeMappings),
    /// Of a profile: call stacks.
    Stacks(Stacks),
    /// Of a profile: samples.
    Samples(Samples),
    /// Of a profile: what was sampled, and how.
    Profile(ProfileInfo),
    /// Of a profile: samples that were dropped.
    LostSamples(LostSamples),
    /// Of a profile: names of addresses.
    Symbols(Symbols),
}

impl Side {
    /// Whether it is part of a CPU profile. A record keeps these apart, so that only who asks for them reads them.
    pub fn is_profile(&self) -> bool {
        match self {
            Side::Code(_)
            | Side::Stacks(_)
            | Side::Samples(_)
            | Side::Profile(_)
            | Side::LostSamples(_)
            | Side::Symbols(_) => true,
            Side::Mappings(_)
            | Side::Process(_)
            | Side::System(_)
            | Side::Cpu(_)
            | Side::Pressure(_)
            | Side::Params(_)
            | Side::Lost(_)
            | Side::Mark(_)
            | Side::Scheme(_)
            | Side::Placement(_) => false,
        }
    }
}
