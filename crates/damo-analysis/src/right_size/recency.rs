//! When which memory was last accessed, and how much was accessed since.

use damo_model::{Nanos, TargetKey};
use damo_report::filter::Rows;
use std::collections::HashMap;

/// So many pieces of memory are told apart in one target; beyond that, moments are made coarser.
const MOST_PIECES: usize = 8192;
/// Memory that is no longer monitored, and targets that are gone, are looked for every so many snapshots.
const CLEAN_EVERY: u32 = 64;

/// Memory that was last accessed in the same snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: u64,
    end: u64,
    last: u32,
}

#[derive(Debug, Default)]
struct TargetMemory {
    pieces: Vec<Piece>,
    end: Nanos,
    length: Nanos,
}

/// The order in which memory of all targets was last accessed.
#[derive(Debug, Default)]
pub(super) struct Recency {
    targets: HashMap<TargetKey, TargetMemory>,
    bytes: Sums,
    now: u32,
}

impl Recency {
    /// Takes in a snapshot. Tells of all memory that was accessed before and is again how many bytes it is, and how many
    /// bytes were accessed since then, its own included.
    pub fn take(&mut self, rows: &Rows<'_>, mut tell: impl FnMut(u64, u64)) {
        self.now = self.now.saturating_add(1);
        let now = self.now;
        let memory = self.targets.entry(rows.head.target).or_default();
        (memory.end, memory.length) = (rows.head.end, rows.head.time_span().length());
        let mut accessed: Vec<(u64, u64)> = Vec::new();
        let mut covered = 0;
        for ((start, end), count) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses) {
            let start = (*start).max(covered);
            if *count > 0 && start < *end {
                accessed.push((start, *end));
                covered = *end;
            }
        }
        let mut moved: HashMap<u32, u64> = HashMap::new();
        memory.pieces = overlay(std::mem::take(&mut memory.pieces), &accessed, now, |bytes, last| {
            *moved.entry(last).or_default() += bytes;
        });
        for (last, bytes) in &moved {
            tell(*bytes, self.bytes.since(*last));
        }
        for (last, bytes) in moved {
            self.bytes.add(last, -i128::from(bytes));
        }
        let all: u64 = accessed.iter().map(|(start, end)| end - start).sum();
        self.bytes.add(now, all.into());
        if memory.pieces.len() > MOST_PIECES {
            self.coarsen(rows.head.target);
        }
        if now.is_multiple_of(CLEAN_EVERY) {
            self.clean(rows);
        }
    }

    /// Takes neighbouring moments of a target's memory as one.
    fn coarsen(&mut self, target: TargetKey) {
        let Some(memory) = self.targets.get_mut(&target) else { return };
        let mut step = 2;
        while memory.pieces.len() > MOST_PIECES / 2 && step < self.now {
            let mut joined: Vec<Piece> = Vec::with_capacity(memory.pieces.len());
            for mut piece in std::mem::take(&mut memory.pieces) {
                let last = piece.last / step * step;
                let bytes = i128::from(piece.end - piece.start);
                self.bytes.add(piece.last, -bytes);
                self.bytes.add(last, bytes);
                piece.last = last;
                push(&mut joined, piece);
            }
            memory.pieces = joined;
            step *= 2;
        }
    }

    /// Forgets memory of this target that is not monitored any more, and targets that are gone.
    fn clean(&mut self, rows: &Rows<'_>) {
        let (bytes, now) = (&mut self.bytes, rows.head.end);
        self.targets.retain(|_, memory| {
            let is_there = now.saturating_sub(memory.end).0 <= memory.length.0.max(1).saturating_mul(8);
            for piece in memory.pieces.iter().filter(|_| !is_there) {
                bytes.add(piece.last, -i128::from(piece.end - piece.start));
            }
            is_there
        });
        let Some(memory) = self.targets.get_mut(&rows.head.target) else { return };
        memory.pieces.retain(|piece| {
            let at = rows.end.partition_point(|end| *end <= piece.start);
            let is_there = rows.start.get(at).is_some_and(|start| *start < piece.end);
            if !is_there {
                bytes.add(piece.last, -i128::from(piece.end - piece.start));
            }
            is_there
        });
    }
}

fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.last_mut() {
        _ if piece.start >= piece.end => {}
        Some(before) if before.end == piece.start && before.last == piece.last => before.end = piece.end,
        _ => pieces.push(piece),
    }
}

/// The pieces with what is accessed now; tells the bytes of what is accessed again, with when it last was. Both lists are
/// sorted and disjoint.
fn overlay(pieces: Vec<Piece>, accessed: &[(u64, u64)], now: u32, mut tell: impl FnMut(u64, u32)) -> Vec<Piece> {
    let mut all = Vec::with_capacity(pieces.len() + accessed.len());
    let mut rest = pieces.into_iter().peekable();
    for (start, end) in accessed.iter().copied() {
        while let Some(piece) = rest.next_if(|piece| piece.end <= start) {
            push(&mut all, piece);
        }
        while let Some(piece) = rest.peek_mut().filter(|piece| piece.start < end) {
            push(&mut all, Piece { end: piece.end.min(start), ..*piece });
            tell(piece.end.min(end) - piece.start.max(start), piece.last);
            if piece.end > end {
                piece.start = end;
                break;
            }
            rest.next();
        }
        push(&mut all, Piece { start, end, last: now });
    }
    rest.for_each(|piece| push(&mut all, piece));
    all
}

/// Bytes by when they were last accessed, and sums of them: a Fenwick tree that grows.
#[derive(Debug, Default)]
struct Sums {
    tree: Vec<i128>,
    total: i128,
}

impl Sums {
    fn add(&mut self, at: u32, bytes: i128) {
        let at = at as usize;
        if at >= self.tree.len() {
            // Nodes that are new cover what was added before.
            let (old, new) = (self.tree.len(), (at + 1).next_power_of_two().max(1024));
            self.tree.resize(new, 0);
            let mut node = old.max(1).next_power_of_two();
            while old > 0 && node < new {
                self.tree[node] = self.total;
                node *= 2;
            }
        }
        self.total += bytes;
        let mut node = at.max(1);
        while node < self.tree.len() {
            self.tree[node] += bytes;
            node += node & node.wrapping_neg();
        }
    }

    /// Bytes that were last accessed at that moment or later.
    fn since(&self, at: u32) -> u64 {
        let mut node = (at as usize).saturating_sub(1).min(self.tree.len().saturating_sub(1));
        let mut before = 0;
        while node > 0 {
            before += self.tree[node];
            node &= node - 1;
        }
        u64::try_from((self.total - before).max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_count_what_was_accessed_since_a_moment() {
        let mut sums = Sums::default();
        let mut plain = vec![0i128; 5000];
        for step in 1..5000u32 {
            let bytes = i128::from(step % 7 + 1);
            sums.add(step, bytes);
            plain[step as usize] += bytes;
            if step % 3 == 0 {
                sums.add(step / 2, -1);
                plain[step as usize / 2] -= 1;
            }
            if step % 97 == 0 {
                let at = step / 3;
                let wanted: i128 = plain[at as usize..].iter().sum();
                assert_eq!(sums.since(at), wanted as u64, "{step}");
            }
        }
    }

    #[test]
    fn what_is_accessed_again_is_told_with_when_it_last_was() {
        let piece = |start, end, last| Piece { start, end, last };
        let mut told = Vec::new();
        let pieces = vec![piece(0, 10, 1), piece(10, 20, 2), piece(30, 40, 1)];
        let now = overlay(pieces, &[(5, 8), (15, 35), (50, 60)], 3, |bytes, last| told.push((bytes, last)));
        assert_eq!(told, [(3, 1), (5, 2), (5, 1)]);
        let wanted = [
            piece(0, 5, 1),
            piece(5, 8, 3),
            piece(8, 10, 1),
            piece(10, 15, 2),
            piece(15, 35, 3),
            piece(35, 40, 1),
            piece(50, 60, 3),
        ];
        assert_eq!(now, wanted);
    }
}
