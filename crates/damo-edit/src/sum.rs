//! The sum of several snapshots of one target: which bytes were found accessed how often, and how old they are at the
//! end.
//!
//! The address space is cut at every border that any of the snapshots has, so the sum is exact for every byte. Regions
//! wait until there are as many as the sum has pieces, and are then added in one sweep over all borders: linear (but for
//! sorting) in the number of regions, with memory for the sum and as much again.

use std::collections::BTreeMap;

/// So many regions may wait at least.
const WAITING: usize = 1 << 14;

/// Part of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// How often it was found accessed, over all snapshots.
    pub(crate) count: u64,
    /// Its age in the last snapshot that has it, in units of the caller; `None` where that does not tell.
    pub(crate) age: Option<u64>,
}

/// A sum in the making.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    /// Sorted and disjoint.
    pieces: Vec<Piece>,
    /// What waits, with the number of its snapshot, from 1.
    waiting: Vec<(u32, Piece)>,
    snapshots: u32,
}

impl Sum {
    /// Adds the regions of one snapshot, which are disjoint; empty ones are left out.
    pub(crate) fn add(&mut self, regions: impl Iterator<Item = Piece>) {
        self.snapshots += 1;
        let number = self.snapshots;
        self.waiting.extend(regions.filter(|piece| piece.start < piece.end).map(|piece| (number, piece)));
        if self.waiting.len() >= WAITING.max(self.pieces.len()) {
            self.fold();
        }
    }

    /// At least so many pieces will come out.
    pub(crate) fn least(&self) -> usize {
        self.pieces.len()
    }

    /// The sum: sorted, disjoint, touching pieces that are alike joined.
    pub(crate) fn pieces(mut self) -> Vec<Piece> {
        self.fold();
        self.pieces
    }

    fn fold(&mut self) {
        // What was summed up before is older than any snapshot that waits.
        let parts: Vec<(u32, Piece)> =
            self.pieces.drain(..).map(|piece| (0, piece)).chain(self.waiting.drain(..)).collect();
        self.snapshots = 0;
        let starts = parts.iter().enumerate().map(|(i, (_, piece))| (piece.start, true, i));
        let ends = parts.iter().enumerate().map(|(i, (_, piece))| (piece.end, false, i));
        let mut borders: Vec<(u64, bool, usize)> = starts.chain(ends).collect();
        // At one address ends come first: a snapshot's next region begins where its last one ended.
        borders.sort_unstable();
        let mut covering: BTreeMap<u32, Piece> = BTreeMap::new();
        let (mut from, mut count) = (0, 0u64);
        for (at, begins, i) in borders {
            if from < at
                && let Some((_, latest)) = covering.last_key_value()
            {
                push(&mut self.pieces, Piece { start: from, end: at, count, age: latest.age });
            }
            from = at;
            let Some((number, piece)) = parts.get(i) else { continue };
            if begins {
                covering.insert(*number, *piece);
                count = count.saturating_add(piece.count);
            } else {
                covering.remove(number);
                count = count.saturating_sub(piece.count);
            }
        }
    }
}

fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.last_mut() {
        Some(last) if (last.end, last.count, last.age) == (piece.start, piece.count, piece.age) => last.end = piece.end,
        _ => pieces.push(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(start: u64, end: u64, count: u64, age: u64) -> Piece {
        Piece { start, end, count, age: Some(age) }
    }

    fn sum(snapshots: &[Vec<Piece>], fold_each: bool) -> Vec<Piece> {
        let mut sum = Sum::default();
        for snapshot in snapshots {
            sum.add(snapshot.iter().copied());
            if fold_each {
                sum.fold();
            }
        }
        sum.pieces()
    }

    #[test]
    fn memory_is_cut_at_every_border_and_the_latest_age_counts() {
        let snapshots =
            [vec![piece(0, 100, 1, 7), piece(200, 300, 2, 9)], vec![piece(0, 10, 5, 0), piece(10, 100, 1, 3)]];
        let expected = [piece(0, 10, 6, 0), piece(10, 100, 2, 3), piece(200, 300, 2, 9)];
        assert_eq!(sum(&snapshots, false), expected);
    }

    fn any_snapshot() -> impl Strategy<Value = Vec<Piece>> {
        prop::collection::vec((0u64..4, 1u64..6, 0u64..3, 0u64..4), 0..8).prop_map(|parts| {
            let mut at = 0;
            let mut pieces = Vec::new();
            for (gap, size, count, age) in parts {
                pieces.push(piece(at + gap, at + gap + size, count, age));
                at += gap + size;
            }
            pieces
        })
    }

    proptest! {
        #[test]
        fn every_byte_has_the_sum_of_its_counts_however_often_the_sum_is_folded(
            snapshots in prop::collection::vec(any_snapshot(), 0..6), fold_each in any::<bool>(),
        ) {
            let total = sum(&snapshots, fold_each);
            prop_assert!(total.windows(2).all(|pair| pair[0].end <= pair[1].start));
            for byte in 0..80 {
                let at = |pieces: &[Piece]| pieces.iter().find(|p| p.start <= byte && byte < p.end).copied();
                let here: Vec<Piece> = snapshots.iter().filter_map(|snapshot| at(snapshot)).collect();
                let expected = here.last().map(|last| (here.iter().map(|p| p.count).sum::<u64>(), last.age));
                prop_assert_eq!(at(&total).map(|p| (p.count, p.age)), expected);
            }
        }
    }
}
