//! What a record cannot hold, and what does not fit in a block.

use crate::error::{SnapshotFault, WriteError};
use crate::layout::{MAX_EXTRA_CELLS, MAX_EXTRA_COLUMNS, MAX_RAW, MAX_REGIONS};
use damo_model::{Addr, Bytes, Snapshot, Target};

/// No target takes more bytes in a block.
pub(super) fn target_size(target: &Target) -> u64 {
    /// Numbers, lengths and marks of what is absent, each as long as it can be, and a block's count of targets.
    const FIXED: usize = 96;
    let process = target.process.as_ref().map_or(0, |process| process.comm.len() + process.cmdline.len());
    (FIXED + process + target.data_source.len() + target.scheme_filters.len()) as u64
}

/// Half of what fits in a block: side data comes on top of side data collected before.
pub(super) fn check_size(what: &'static str, size: usize) -> Result<(), WriteError> {
    let limit = MAX_RAW as usize / 2;
    if size > limit {
        return Err(WriteError::TooLarge { what, size: Bytes(size as u64), limit: Bytes(limit as u64) });
    }
    Ok(())
}

/// No block has longer columns: per region, op 1, access count 5, age 6, gap and size 10 each, extras 10 each; a head has
/// at most nine numbers beside its list of extra columns.
pub(super) fn worst_size(snapshots: usize, regions: usize, extras: usize) -> usize {
    regions * (32 + 10 * extras) + snapshots * (90 + 3 * extras)
}

/// The rules of a snapshot: sorted, disjoint, no empty region, ages for all or none, extra columns of full length.
pub(super) fn check_snapshot(snapshot: &Snapshot) -> Result<(), SnapshotFault> {
    if snapshot.end < snapshot.start {
        return Err(SnapshotFault::EndsBeforeStart { start: snapshot.start, end: snapshot.end });
    }
    let regions = &snapshot.regions;
    let columns = snapshot.extras.len();
    if regions.len() > MAX_REGIONS || columns > MAX_EXTRA_COLUMNS || columns * regions.len() > MAX_EXTRA_CELLS {
        return Err(SnapshotFault::TooLarge { regions: regions.len(), columns });
    }
    let mut last_end = 0;
    let has_age = regions.first().is_some_and(|region| region.age.is_some());
    for (index, region) in regions.iter().enumerate() {
        let (start, end) = (region.start.0, region.end.0);
        if end <= start {
            return Err(SnapshotFault::EmptyRegion {
                index,
                regions: regions.len(),
                range: (region.start, region.end),
            });
        }
        if start < last_end {
            return Err(SnapshotFault::Overlap {
                index,
                regions: regions.len(),
                start: region.start,
                last_end: Addr(last_end),
            });
        }
        if region.age.is_some() != has_age {
            return Err(SnapshotFault::Age { index, regions: regions.len() });
        }
        last_end = end;
    }
    for (i, extra) in snapshot.extras.iter().enumerate() {
        if extra.values.len() != regions.len() {
            return Err(SnapshotFault::ColumnLength {
                column: extra.id,
                values: extra.values.len(),
                regions: regions.len(),
            });
        }
        if snapshot.extras[..i].iter().any(|other| other.id == extra.id) {
            return Err(SnapshotFault::ColumnTwice { column: extra.id });
        }
    }
    Ok(())
}
