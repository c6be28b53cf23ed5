//! Who is monitored. The kernel's `target_id` is an index that two kdamonds share; a [`Target`] is unambiguous.

use crate::{KdamondIndex, Nanos};
use serde::{Deserialize, Serialize};

/// A target's key within one record: its position in the record's list of targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetKey(pub u32);

/// A process, told apart from a later one with the same pid by its start time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Process id in the recorder's pid namespace.
    pub pid: i32,
    /// When it started, since boot; `None` if unknown.
    pub started: Option<Nanos>,
    /// Command name (at most 15 bytes on Linux), may hold blanks.
    pub comm: String,
    /// Arguments joined by blanks; empty if unknown.
    pub cmdline: String,
}

impl Process {
    /// What tells it apart from others, whatever it is called now.
    pub fn identity(&self) -> (i32, Option<Nanos>) {
        (self.pid, self.started)
    }
}

/// One monitored target, or one scheme's view of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Key in this record.
    pub key: TargetKey,
    /// kdamond index in sysfs; `None` where the source does not tell (foreign records).
    pub kdamond: Option<KdamondIndex>,
    /// Context index in the kdamond.
    pub context: Option<u32>,
    /// Scheme whose applications these snapshots are (`damos_before_apply`, tried regions); `None` for plain monitoring.
    pub scheme: Option<u32>,
    /// The kernel's own `target_id`: an index on present kernels, a pointer on old ones; `None` where the source does
    /// not tell.
    pub target_id: Option<u64>,
    /// The process, for virtual address targets.
    pub process: Option<Process>,
    /// How the source got at the data, in the Python tool's words ("unknown", "damon_stat"); empty means unknown.
    pub data_source: String,
    /// The scheme filters in force, as a JSON list; empty if none.
    pub scheme_filters: String,
}
