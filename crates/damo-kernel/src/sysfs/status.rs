//! What DAMON's sysfs tree holds beside parameters: which kdamonds run, and what their schemes did.

use damo_model::kdamond::Kdamond;
use damo_model::{Bytes, KdamondIndex, KdamondThread, Region, SchemeCounts};

/// A kdamond as found.
#[derive(Clone, Debug, PartialEq)]
pub struct KdamondStatus {
    /// Its number in sysfs.
    pub index: KdamondIndex,
    /// Whether it runs.
    pub on: bool,
    /// Its thread, while it runs.
    pub pid: Option<KdamondThread>,
    /// Its parameters, as staged (what runs is what was last committed).
    pub params: Kdamond,
    /// Per context and scheme, what the kernel wrote at the last update command.
    pub schemes: Vec<Vec<SchemeStatus>>,
}

/// What a scheme did, as of the last update command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedRegion {
    /// Addresses, accesses and age.
    pub region: Region,
    /// Bytes of it that passed the filters (6.14 and later).
    pub filter_passed: Option<Bytes>,
    /// Samples that hit each of the context's attribute probes; empty without any.
    pub probe_hits: Vec<u64>,
}
