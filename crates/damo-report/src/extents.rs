//! What memory a whole record is of: how much real memory it takes to make its accesses again.

use damo_frame::{FrameError, Record};
use damo_model::{Addr, AddrRange, RangeSet, Selection, TargetKey};
use std::collections::BTreeMap;

/// A target's memory over a whole record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryExtent {
    /// Number of snapshots, partial ones included.
    pub snapshots: u64,
    /// All that was monitored at any time.
    pub monitored: RangeSet,
    /// Of it, what was accessed at any time.
    pub accessed: RangeSet,
}

/// The extents of these targets, as far as they have snapshots, in one pass over the record.
///
/// # Errors
/// If the record cannot be read.
pub fn memory_extents(record: &Record, wanted: &[TargetKey]) -> Result<BTreeMap<TargetKey, MemoryExtent>, FrameError> {
    let selection = Selection { targets: wanted.to_vec(), ..Selection::default() };
    let mut extents: BTreeMap<TargetKey, MemoryExtent> = BTreeMap::new();
    record.for_each(&selection, |chunk| {
        for snapshot in chunk.snapshots() {
            let extent = extents.entry(snapshot.head.target).or_default();
            extent.snapshots += 1;
            let range = |row: usize| AddrRange::new(Addr(snapshot.start[row]), Addr(snapshot.end[row]));
            extent.monitored.add((0..snapshot.len()).map(range));
            let accessed = (0..snapshot.len()).filter(|row| snapshot.nr_accesses[*row] > 0);
            extent.accessed.add(accessed.map(range));
        }
        Ok::<(), FrameError>(())
    })?;
    Ok(extents)
}
