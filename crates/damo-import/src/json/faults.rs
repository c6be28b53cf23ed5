//! What can be wrong with a snapshot's regions, and how it is put right.

use crate::Imported;
use crate::driver::EMPTY_REGIONS;
use damo_model::{Addr, ColumnId, ExtraColumn, Region, Snapshot, SnapshotState};

/// Counters of what was wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    empty: u64,
    overlapping: u64,
    repeated: u64,
    regrouped: u64,
    emptied: bool,
}

impl Faults {
    /// Adds what a user should know.
    pub(super) fn notes(&self, imported: &mut Imported) {
        imported.note_count(EMPTY_REGIONS, self.empty);
        imported.note_count(
            "regions that overlap another one, left out, their snapshots marked as partial",
            self.overlapping,
        );
        imported.note_count("regions that are in their snapshot twice, taken once", self.repeated);
        imported.note_count(
            "snapshots that began with the last regions of the one before, which got them back",
            self.regrouped,
        );
    }

    /// Whether the last [`Faults::regroup`] took all regions of a snapshot.
    pub(super) fn emptied(&self) -> bool {
        self.emptied
    }

    /// Gives the regions that `next` begins with back to the snapshot before it, if they belong there. After an event
    /// that was recorded twice, the Python tool, which only counts, ends every later snapshot so many regions early.
    pub(super) fn regroup(&mut self, last: Option<&mut Snapshot>, next: &mut Snapshot) {
        self.emptied = false;
        self.drop_repeated(next);
        let Some(last) = last.filter(|last| last.target == next.target) else { return };
        let Some(last_end) = last.regions.last().map(|region| region.end) else { return };
        // Where the addresses begin anew, which is all of a last snapshot that never got regions of its own.
        let cut = next.regions.windows(2).position(|pair| pair[1].start < pair[0].end).map(|at| at + 1);
        let cut = match cut {
            Some(cut) => cut,
            None if self.regrouped > 0 => next.regions.len(),
            None => return,
        };
        let (head, rest) = next.regions.split_at(cut);
        let belongs = head.first().is_some_and(|first| first.start >= last_end);
        if !belongs || !is_sorted(&last.regions) || !is_sorted(head) || !is_sorted(rest) {
            return;
        }
        self.regrouped += 1;
        self.emptied = rest.is_empty();
        let rows = last.regions.len();
        last.regions.extend(next.regions.drain(..cut));
        for column in &mut next.extras {
            let values: Vec<u64> = column.values.drain(..cut).collect();
            extend(&mut last.extras, column.id, rows, &values);
        }
        for column in &mut last.extras {
            column.values.resize(last.regions.len(), 0);
        }
    }

    /// Leaves out regions that are just the one before them again.
    fn drop_repeated(&mut self, snapshot: &mut Snapshot) {
        let regions = &snapshot.regions;
        if !regions.windows(2).any(|pair| pair[0] == pair[1]) {
            return;
        }
        let keep: Vec<usize> = (0..regions.len()).filter(|at| *at == 0 || regions[*at] != regions[*at - 1]).collect();
        self.repeated += (regions.len() - keep.len()) as u64;
        select(snapshot, &keep);
    }

    /// Sorts the regions and takes out what overlaps: the Python tool's `adjust` writes them in the order in which it
    /// found them.
    pub(super) fn arrange(&mut self, snapshot: &mut Snapshot) {
        snapshot.state = SnapshotState::Complete;
        if is_sorted(&snapshot.regions) {
            return;
        }
        let announced = snapshot.regions.len();
        let mut order: Vec<usize> = (0..announced).collect();
        order.sort_by_key(|at| snapshot.regions[*at].start);
        let mut end = Addr(0);
        order.retain(|at| {
            let region = &snapshot.regions[*at];
            let (is_empty, overlaps) = (region.start >= region.end, region.start < end);
            self.empty += u64::from(is_empty);
            self.overlapping += u64::from(!is_empty && overlaps);
            if !is_empty && !overlaps {
                end = region.end;
            }
            !is_empty && !overlaps
        });
        if order.len() < announced {
            snapshot.state = SnapshotState::Partial { expected: u32::try_from(announced).unwrap_or(u32::MAX) };
        }
        select(snapshot, &order);
    }
}

/// Sorted, disjoint and not empty.
fn is_sorted(regions: &[Region]) -> bool {
    regions.windows(2).all(|pair| pair[0].end <= pair[1].start)
        && regions.iter().all(|region| region.start < region.end)
}

/// Keeps these rows, in this order.
fn select(snapshot: &mut Snapshot, rows: &[usize]) {
    snapshot.regions = rows.iter().map(|at| snapshot.regions[*at]).collect();
    for column in &mut snapshot.extras {
        column.values = rows.iter().map(|at| column.values[*at]).collect();
    }
}

fn extend(extras: &mut Vec<ExtraColumn>, id: ColumnId, rows: usize, values: &[u64]) {
    let at = extras.iter().position(|column| column.id == id).unwrap_or_else(|| {
        extras.push(ExtraColumn { id, values: vec![0; rows] });
        extras.len() - 1
    });
    extras[at].values.extend_from_slice(values);
}
