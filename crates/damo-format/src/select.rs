//! Cuts a decoded block down to what a selection wants. Blocks depend on whole snapshots while they are decoded, so
//! this comes after.

use damo_model::{Addr, AddrRange, Batch, Selection};

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
