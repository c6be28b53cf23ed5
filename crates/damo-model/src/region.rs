//! Regions and snapshots, one by one: the form in which sources produce them.

use crate::{Addr, AddrRange, Age, Bytes, Intervals, Nanos, NrAccesses, TargetKey, TimeSpan};
use serde::{Deserialize, Serialize};

/// A contiguous part of a target's address space whose pages DAMON takes to be accessed alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its first byte's address.
    pub start: Addr,
    /// One past the last byte.
    pub end: Addr,
    /// Samples of this snapshot's aggregation interval that found it accessed.
    pub nr_accesses: NrAccesses,
    /// Aggregation intervals for which the rate was kept; `None` where the kernel does not tell (5.15). Absent is not 0.
    pub age: Option<Age>,
}

impl Region {
    /// A region `[start, end)`.
    pub fn new(start: Addr, end: Addr, nr_accesses: NrAccesses, age: Option<Age>) -> Self {
        Self { start, end, nr_accesses, age }
    }

    /// The addresses it covers.
    pub fn range(&self) -> AddrRange {
        AddrRange::new(self.start, self.end)
    }

    /// The same of a kdamond whose addresses count units of so many bytes.
    #[must_use]
    pub fn in_bytes(self, unit: u64) -> Self {
        let bytes = |addr: Addr| Addr(addr.0.saturating_mul(unit));
        Self { start: bytes(self.start), end: bytes(self.end), ..self }
    }

    /// Size in bytes, 0 if reversed.
    pub fn size(&self) -> Bytes {
        self.range().size()
    }
}

/// Whether all regions that the source announced are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotState {
    /// Every region of the target is in the snapshot.
    Complete,
    /// Regions are missing (lost events, or a recording cut short). Kept and counted, left out of statistics.
    Partial {
        /// How many regions the source said there were.
        expected: u32,
    },
}

/// What an extra per-region column means. Numbers are part of the record format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnId(pub u16);

impl ColumnId {
    /// Bytes of the region that passed the scheme's filters.
    pub const FILTER_PASSED: ColumnId = ColumnId(1);
    /// The first of the probe-hit columns.
    const PROBE_HITS: u16 = 0x100;

    /// The column of hits of a probe; `None` if there can be no such column.
    pub fn of_probe(probe: u16) -> Option<ColumnId> {
        Self::PROBE_HITS.checked_add(probe).map(ColumnId)
    }

    /// The columns of hits, probe after probe.
    pub fn of_probes() -> impl Iterator<Item = ColumnId> {
        (Self::PROBE_HITS..=u16::MAX).map(ColumnId)
    }

    /// The probe whose hits the column has; `None` if it is another column.
    pub fn probe(self) -> Option<u16> {
        self.0.checked_sub(Self::PROBE_HITS)
    }
}

/// One more value per region, for what only some kernels or sources tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraColumn {
    /// What the values mean.
    pub id: ColumnId,
    /// One value per region of the snapshot, in order.
    pub values: Vec<u64>,
}

/// One aggregation interval of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Whose snapshot: a key into the record's targets.
    pub target: TargetKey,
    /// When the aggregation began.
    pub start: Nanos,
    /// When it ended, on the record's clock.
    pub end: Nanos,
    /// The intervals in force, where known. Auto-tuning changes them within a record.
    pub intervals: Option<Intervals>,
    /// Complete, or partial.
    pub state: SnapshotState,
    /// Sorted by address, disjoint.
    pub regions: Vec<Region>,
    /// Extra columns, usually none.
    pub extras: Vec<ExtraColumn>,
}

impl Snapshot {
    /// A complete snapshot without regions yet.
    pub fn new(target: TargetKey, start: Nanos, end: Nanos, intervals: Option<Intervals>) -> Self {
        Self { target, start, end, intervals, state: SnapshotState::Complete, regions: Vec::new(), extras: Vec::new() }
    }

    /// The aggregation interval that it is of.
    pub fn time_span(&self) -> TimeSpan {
        TimeSpan::new(self.start, self.end)
    }
}
