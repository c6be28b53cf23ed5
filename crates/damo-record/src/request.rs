//! What a recording shall do, checked and without any trace of how it was typed.

use damo_model::kdamond::Kdamond;
use damo_model::scheme::Scheme;
use damo_model::{AddrRange, Bytes, Intervals, IntervalsGoal, Nanos, NrRegions, Ops};
use std::ffi::OsString;
use std::path::PathBuf;

/// Whom to monitor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RequestSource {
    /// Simulated workloads.
    Simulate {
        /// masim configuration files, or names of workloads that come with the program; one process each.
        configs: Vec<PathBuf>,
        /// Fixed address ranges; empty means all mappings, or all memory.
        ranges: Vec<AddrRange>,
        /// Seed of the pseudo-random numbers.
        seed: u64,
    },
    /// Processes; with ranges only those addresses of each.
    Pids {
        /// Process ids in the recorder's pid namespace.
        pids: Vec<i32>,
        /// Fixed address ranges; empty means all mappings.
        ranges: Vec<AddrRange>,
    },
    /// A program to start.
    Command {
        /// The program and its arguments.
        words: Vec<OsString>,
        /// Fixed address ranges; empty means all mappings.
        ranges: Vec<AddrRange>,
    },
    /// Physical memory.
    Paddr {
        /// Physical ranges; empty means all System RAM (of the nodes).
        ranges: Vec<AddrRange>,
        /// NUMA nodes; empty means all.
        nodes: Vec<u32>,
    },
    /// All processes of a control group.
    Cgroup(PathBuf),
    /// Full parameters.
    Kdamonds(Vec<Kdamond>),
    /// Whatever runs already.
    Attach,
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// Sampling, aggregation and update intervals.
    pub intervals: Intervals,
    /// Bounds on the number of regions.
    pub nr_regions: NrRegions,
    /// Interval tuning, if wanted.
    pub goal: Option<IntervalsGoal>,
    /// Operations set, if told.
    pub ops: Option<Ops>,
    /// Whether the bounds were given rather than left at their default.
    pub given_nr_regions: bool,
}

impl Default for Monitoring {
    /// The kernel documents' defaults.
    fn default() -> Self {
        Self {
            intervals: Intervals::default(),
            nr_regions: NrRegions::default(),
            goal: None,
            ops: None,
            given_nr_regions: false,
        }
    }
}

/// When to begin a new file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// At this file size.
    pub size: Option<Bytes>,
    /// At this age.
    pub time: Option<Nanos>,
    /// How many files to keep; `None` keeps all.
    pub keep: Option<u32>,
}

impl Rotation {
    /// Below this a file would hold little but its own framing.
    pub const SMALLEST: Bytes = Bytes(16 * 1024);

    /// Whether there is any reason to begin a new file.
    pub fn is_on(&self) -> bool {
        self.size.is_some() || self.time.is_some()
    }
}

/// Where the record goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The file; `None` is standard output.
    pub path: Option<PathBuf>,
    /// Overwrite what is not ours.
    pub overwrite: bool,
    /// Files that are read for the recording (workloads, schemes, parameters): never written over.
    pub inputs: Vec<PathBuf>,
    /// Several files in turn.
    pub rotation: Rotation,
    /// Flight recorder: hold this much in memory, write it when asked.
    pub keep: Option<Nanos>,
}

/// Snapshots read now and then instead of a stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// Between two.
    pub delay: Nanos,
    /// How many; 0 means until stopped.
    pub count: u64,
}

/// When to end by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// After this time.
    pub timeout: Option<Nanos>,
    /// After so many snapshots read.
    pub snapshots: Option<Snapshots>,
}

/// A recording to make.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom to monitor.
    pub what: RequestSource,
    /// How closely.
    pub monitoring: Monitoring,
    /// Where to.
    pub output: Output,
    /// How long.
    pub limits: Limits,
    /// Schemes to run meanwhile.
    pub schemes: Option<Vec<Scheme>>,
    /// Record scheme applications instead of aggregations.
    pub schemes_target_regions: bool,
    /// Whether children of targets become targets.
    pub follow_children: bool,
    /// Memory for events that wait to be taken; `None` is the default.
    pub ring_size: Option<Bytes>,
    /// Stop kdamonds that killed recordings left on, without asking.
    pub stop_stale: bool,
    /// No talk.
    pub quiet: bool,
    /// Whether the record may name the host.
    pub host_name: bool,
    /// Under which directory the kernel's files are: `/`, or a fake tree in tests.
    pub root: PathBuf,
    /// Remarks on accepted but needless options.
    pub notes: Vec<String>,
}
