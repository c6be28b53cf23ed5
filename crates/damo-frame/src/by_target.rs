//! A record's snapshots target after target, although they lie in it by time.
//!
//! What the first target says goes on as it is read; what the others say is kept until it is their turn, as far as it fits into
//! memory. So a record of thousands of small targets is read once, and one of a few large ones once for each of them.

use crate::{Chunk, FrameError, Record};
use damo_model::{Batch, Selection, TargetKey};
use std::collections::HashMap;

/// Bytes of regions that are kept for later targets.
const KEPT: usize = 96 << 20;

/// What is kept of a target for when it is its turn.
#[derive(Default)]
struct Later {
    chunks: Vec<Chunk>,
    bytes: usize,
}

impl Record {
    /// Gives `f` the wanted snapshots of each of `targets` in turn, those of one in record order. Chunks hold snapshots of
    /// one target only; `targets` are distinct.
    ///
    /// # Errors
    /// The first that reading or `f` reports.
    pub fn for_each_by_target<E: From<FrameError>>(
        &self,
        selection: &Selection,
        targets: &[TargetKey],
        f: impl FnMut(TargetKey, &Chunk) -> Result<(), E>,
    ) -> Result<(), E> {
        self.by_target(selection, targets, KEPT, f)
    }

    fn by_target<E: From<FrameError>>(
        &self,
        selection: &Selection,
        targets: &[TargetKey],
        most: usize,
        mut f: impl FnMut(TargetKey, &Chunk) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = targets;
        while let Some((first, others)) = rest.split_first() {
            let all = rest.len() == self.targets().len();
            let wanted = Selection { targets: if all { Vec::new() } else { rest.to_vec() }, ..selection.clone() };
            let places: HashMap<TargetKey, usize> = others.iter().enumerate().map(|(i, key)| (*key, i)).collect();
            let mut later: Vec<Later> = others.iter().map(|_| Later::default()).collect();
            let mut bytes = 0;
            self.for_each_owned(&wanted, |chunk| {
                for (key, part) in chunk.by_target() {
                    if key == *first {
                        f(key, &part)?;
                    } else if let Some(later) = places.get(&key).and_then(|at| later.get_mut(*at)) {
                        let more = part.bytes();
                        bytes += more;
                        later.bytes += more;
                        later.chunks.push(part);
                    }
                }
                // Those that come last are read again when the others are done.
                while bytes > most
                    && let Some(last) = later.pop()
                {
                    bytes -= last.bytes;
                }
                Ok::<(), E>(())
            })?;
            let done = 1 + later.len();
            for (key, later) in others.iter().zip(later) {
                later.chunks.iter().try_for_each(|chunk| f(*key, chunk))?;
            }
            rest = rest.get(done..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Chunk {
    /// A chunk for each target that has snapshots in this one, in the order of their first.
    fn by_target(self) -> Vec<(TargetKey, Chunk)> {
        let mut heads = self.heads().iter().map(|head| head.target);
        let Some(first) = heads.next() else { return Vec::new() };
        if heads.all(|target| target == first) {
            return vec![(first, self)];
        }
        let whole = self.batch();
        let mut parts: Vec<(TargetKey, Batch)> = Vec::new();
        let mut places: HashMap<TargetKey, usize> = HashMap::new();
        for head in &whole.snapshots {
            let place = *places.entry(head.target).or_insert(parts.len());
            if place == parts.len() {
                let extras = whole.extras.iter().map(|(id, _)| (*id, Vec::new())).collect();
                parts.push((head.target, Batch { extras, ..Batch::default() }));
            }
            let Some((_, part)) = parts.get_mut(place) else { continue };
            let (rows, from) = (head.regions.clone(), part.start.len());
            part.start.extend(whole.start.get(rows.clone()).unwrap_or_default());
            part.end.extend(whole.end.get(rows.clone()).unwrap_or_default());
            part.nr_accesses.extend(whole.nr_accesses.get(rows.clone()).unwrap_or_default());
            part.age.extend(whole.age.get(rows.clone()).unwrap_or_default());
            for ((_, column), (_, values)) in part.extras.iter_mut().zip(&whole.extras) {
                column.extend(values.get(rows.clone()).unwrap_or_default());
            }
            part.snapshots.push(damo_model::SnapshotHead { regions: from..part.start.len(), ..head.clone() });
        }
        parts.into_iter().map(|(key, batch)| (key, batch.into())).collect()
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        size_of_val(self.heads()) + self.nr_regions() * (24 + 8 * self.extras().len()) + 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Addr, Age, Item, Nanos, NrAccesses, Region, Snapshot, Target};
    use proptest::prelude::*;

    fn record(order: &[u32]) -> Record {
        let mut items: Vec<Item> = vec![Item::Meta(damo_model::Meta::default())];
        items.extend((0..4).map(|key| Item::Target(Target { key: TargetKey(key), ..Target::default() })));
        for (i, target) in order.iter().enumerate() {
            let start = Nanos::from_secs(i as i64);
            let mut snapshot =
                Snapshot::new(TargetKey(*target), start, start.saturating_add(Nanos::from_secs(1)), None);
            let region = |n: u64| Region::new(Addr(n * 10), Addr(n * 10 + 5), NrAccesses(*target), Some(Age(i as u32)));
            snapshot.regions = (0..u64::from(*target) + i as u64 % 3).map(region).collect();
            items.push(Item::Snapshot(snapshot));
        }
        Record::from_items(&items).unwrap()
    }

    proptest! {
        /// Whatever fits into memory: nothing, something, everything.
        #[test]
        fn targets_come_in_turn_each_with_what_it_has_alone(
            order in prop::collection::vec(0_u32..4, 0..60),
            most in prop_oneof![Just(0), 300_usize..4000, Just(usize::MAX)],
            wanted in Just(vec![2, 0, 3, 1].into_iter().map(TargetKey).collect::<Vec<_>>()).prop_shuffle(),
            count in 1_usize..5,
        ) {
            let record = record(&order);
            let wanted = &wanted[..count];
            let mut found = Vec::new();
            let take = |found: &mut Vec<Snapshot>, chunk: &Chunk| {
                found.extend((0..chunk.heads().len()).map(|i| chunk.batch().snapshot(i)));
                Ok::<(), FrameError>(())
            };
            record
                .by_target(&Selection::all(), wanted, most, |key, chunk| {
                    assert!(chunk.heads().iter().all(|head| head.target == key));
                    take(&mut found, chunk)
                })
                .unwrap();
            let mut alone = Vec::new();
            for key in wanted {
                let selection = Selection { targets: vec![*key], ..Selection::default() };
                record.for_each(&selection, |chunk| take(&mut alone, chunk)).unwrap();
            }
            prop_assert_eq!(found, alone);
        }
    }
}
