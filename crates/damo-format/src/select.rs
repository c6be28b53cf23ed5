//! Cuts a decoded block down to what a selection wants. Blocks depend on whole snapshots while they are decoded, so
//! this comes after.

use damo_model::{Addr, AddrRange, Batch, Selection};

/// How much of the wanted snapshots is decoded. Less is read the faster; what is left out is not checked either, but for the
/// checksum of the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    #[default]
    All,
    /// Everything but ages: snapshots come as those of a source that does not tell them.
    WithoutAges,
    /// The heads alone, with how many regions each has: their rows are not there. What is wanted by address is decoded as
    /// with [`Detail::WithoutAges`].
    Heads,
}

/// Drops unwanted snapshots of which there are only heads.
pub(crate) fn trim_heads(batch: &mut Batch, selection: &Selection) {
    batch.snapshots.retain(|head| selection.wants_snapshot(head.target, head.time_span()));
}

/// Drops unwanted snapshots, and of the others the unwanted regions.
pub(crate) fn trim(batch: &mut Batch, selection: &Selection) {
    let wants = |head: &damo_model::SnapshotHead| selection.wants_snapshot(head.target, head.time_span());
    if selection.addresses.is_empty() && batch.snapshots.iter().all(wants) {
        return;
    }
    let Batch { snapshots, start, end, nr_accesses, age, extras } = batch;
    let mut kept = 0;
    snapshots.retain_mut(|head| {
        if !wants(head) {
            return false;
        }
        let first = kept;
        for row in head.regions.clone() {
            if selection.wants_addresses(AddrRange::new(Addr(start[row]), Addr(end[row]))) {
                start[kept] = start[row];
                end[kept] = end[row];
                nr_accesses[kept] = nr_accesses[row];
                age[kept] = age[row];
                extras.iter_mut().for_each(|(_, column)| column[kept] = column[row]);
                kept += 1;
            }
        }
        head.regions = first..kept;
        true
    });
    start.truncate(kept);
    end.truncate(kept);
    nr_accesses.truncate(kept);
    age.truncate(kept);
    extras.iter_mut().for_each(|(_, column)| column.truncate(kept));
}
