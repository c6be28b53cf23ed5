//! What a recording shall do, checked and without any trace of how it was typed.

use damo_model::scheme::Scheme;
use damo_model::{AddrRange, Bytes, Nanos};
use damo_steer::plan::{Monitoring, TargetSpec};
use std::path::PathBuf;

/// What to record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RequestSource {
    /// Workloads that the embedded monitor simulates.
    Simulate(Simulation),
    /// These targets, monitored by kdamonds of our own.
    Targets(TargetSpec),
    /// Whatever runs already.
    Attach,
}

impl From<TargetSpec> for RequestSource {
    fn from(targets: TargetSpec) -> Self {
        RequestSource::Targets(targets)
    }
}

impl From<Simulation> for RequestSource {
    fn from(simulation: Simulation) -> Self {
        RequestSource::Simulate(simulation)
    }
}

/// Workloads to simulate, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// masim configuration files, or names of workloads that come with the program; one process each.
    pub configs: Vec<PathBuf>,
    /// Fixed address ranges; empty means all mappings, or all memory.
    pub ranges: Vec<AddrRange>,
    /// Seed of the pseudo-random numbers.
    pub seed: u64,
    /// NUMA nodes over which the memory of the workloads is spread; `None`: nothing is told of nodes.
    pub nodes: Option<u8>,
}

/// What snapshots of processes are made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceChoice {
    /// DAMON; where it cannot be had, referenced pages.
    #[default]
    Auto,
    /// DAMON and nothing else.
    Damon,
    /// Which pages were referenced, by mapping.
    Referenced,
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

/// Where metrics go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsFile {
    /// The file; its name ends in `.prom`.
    pub path: PathBuf,
    /// How often it is written, on the record's clock.
    pub interval: Nanos,
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
    /// A file with the figures of the last interval for Prometheus' node_exporter.
    pub metrics: Option<MetricsFile>,
}

/// Snapshots read now and then instead of a stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// Time between two snapshots.
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
    /// What to record.
    pub what: RequestSource,
    /// What snapshots are made from.
    pub source: SourceChoice,
    /// Monitoring parameters.
    pub monitoring: Monitoring,
    /// Where the record goes.
    pub output: Output,
    /// When to end by itself.
    pub limits: Limits,
    /// Schemes to run meanwhile.
    pub schemes: Option<Vec<Scheme>>,
    /// Record scheme applications instead of aggregations.
    pub schemes_target_regions: bool,
    /// Whether children of targets become targets.
    pub follow_children: bool,
    /// Memory for events that wait to be taken; `None` is the default.
    pub ring_size: Option<Bytes>,
    /// Samples of the CPU time of the targets, so many per second; `None`: none.
    pub profile: Option<u32>,
    /// Stop kdamonds that killed recordings left on, without asking.
    pub stop_stale: bool,
    /// Switch kernel modules that use DAMON off for the recording, without asking.
    pub pause_modules: bool,
    /// Whether only warnings and errors are said.
    pub quiet: bool,
    /// Whether the record may name the host.
    pub host_name: bool,
    /// Under which directory the kernel's files are: `/`, or a fake tree in tests.
    pub root: PathBuf,
    /// Remarks on accepted but needless options.
    pub notes: Vec<String>,
}

impl Request {
    /// The recording of `what` with the defaults of the command line, to the file `path` or to standard output.
    pub fn new(what: impl Into<RequestSource>, path: Option<PathBuf>) -> Self {
        Self {
            what: what.into(),
            source: SourceChoice::Auto,
            monitoring: Monitoring::default(),
            output: Output { path, ..Output::default() },
            limits: Limits::default(),
            schemes: None,
            schemes_target_regions: false,
            follow_children: true,
            ring_size: None,
            profile: None,
            stop_stale: false,
            pause_modules: false,
            quiet: false,
            host_name: true,
            root: PathBuf::from("/"),
            notes: Vec::new(),
        }
    }
}
