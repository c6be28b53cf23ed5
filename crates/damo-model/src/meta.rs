//! What is known of a record as a whole.

use crate::keyword::keywords;
use crate::{Bytes, Intervals, IntervalsGoal, Nanos, NrRegions};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which clock the record's times are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Clock {
    /// Not told by the source.
    #[default]
    Unknown,
    /// `CLOCK_MONOTONIC`: does not run while the machine is suspended.
    Monotonic,
    /// The trace buffer's default clock ("local": CLOCK_MONOTONIC-like, per CPU), which perf uses as well.
    TraceLocal,
    /// CLOCK_REALTIME: nanoseconds since 1970.
    Wall,
    /// The simulator's virtual time from 0.
    Virtual,
}

/// The same moment on two clocks: converts record times to wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClockPair {
    /// On the record's clock.
    pub record: Nanos,
    /// The same moment in nanoseconds since 1970, UTC.
    pub wall: Nanos,
}

keywords! { "operations set",
    /// DAMON's operations set: which address space is monitored. What the addresses of one of a newer kernel mean is not
    /// known here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Ops or Newer {
        /// Virtual address spaces, regions follow the mappings.
        Vaddr = "vaddr",
        /// Fixed ranges of virtual address spaces.
        Fvaddr = "fvaddr",
        /// The physical address space.
        Paddr = "paddr",
    }
}

impl Ops {
    /// An operations set that a file of somebody else names, also one that this version does not know; `None` if the text
    /// cannot be the word of a kernel.
    pub fn of_file(word: &str) -> Option<Ops> {
        let is_word = (1..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic());
        is_word.then(|| Ops::of_kernel(word))
    }

    /// Whether each target is a process.
    pub fn has_processes(self) -> bool {
        matches!(self, Ops::Vaddr | Ops::Fvaddr)
    }
}

impl Serialize for Ops {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Ops {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ops::of_file(&word).ok_or_else(|| D::Error::custom("this is no operations set"))
    }
}

/// Where the snapshots came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The record does not say.
    #[default]
    Unknown,
    /// The kernel's tracepoint.
    Kernel,
    /// The kernel's tried regions files, read now and then.
    KernelSnapshots,
    /// The embedded monitor.
    Simulator {
        /// Seed of its pseudo-random numbers.
        seed: u64,
        /// The workload's name, usually the configuration file's.
        workload: String,
    },
    /// Referenced pages of processes, mapping by mapping, where there is no DAMON.
    Referenced,
    /// A foreign record.
    Imported {
        /// Name of the foreign format, as in `damo convert --help`.
        format: String,
    },
}

/// The text of a tracepoint's `format` file, as the kernel that recorded had it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TracepointFormat {
    /// `damon:damon_aggregated` and the like.
    pub event: String,
    /// The file's text.
    pub text: String,
}

/// What is known of a record as a whole, written first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Name and version of the recorder.
    pub tool: String,
    /// `uname -r`; empty if unknown.
    pub kernel_release: String,
    /// DAMON features seen, by the names `damo features` prints.
    pub features: Vec<String>,
    /// Layouts of the events recorded.
    pub formats: Vec<TracepointFormat>,
    /// Where the snapshots came from.
    pub source: Source,
    /// Operations set, if one holds for the whole record.
    pub ops: Option<Ops>,
    /// Intervals at the start, if one set holds for the whole record.
    pub intervals: Option<Intervals>,
    /// Tuning goal, if tuning is on.
    pub intervals_goal: Option<IntervalsGoal>,
    /// Least and greatest number of regions.
    pub nr_regions: Option<NrRegions>,
    /// Page size of the recorded machine; `None` if unknown.
    pub page_size: Option<Bytes>,
    /// Which clock times are on.
    pub clock: Clock,
    /// The same moment on the record's clock and the wall clock.
    pub clock_pair: Option<ClockPair>,
    /// /proc/sys/kernel/random/boot_id; empty if unknown.
    pub boot_id: String,
    /// Host name; empty if left out.
    pub host: String,
    /// The recording command line.
    pub command: Vec<String>,
    /// What was done to the record since it was recorded, oldest first, a sentence each; empty for an original.
    pub history: Vec<String>,
}
