//! Snapshots to columns: the writing half of the snapshot block's payload. See [`crate::predict`] for the rules.

use crate::predict::{AgeRule, Before, EXPLICIT_START, Regions, TENTHS_LIMIT, end_code, tenths, which_tenth};
use crate::varint::{put, put_signed, zigzag};
use damo_model::{Batch, ColumnId, Intervals, SnapshotHead, SnapshotState, TargetKey};
use std::collections::HashMap;

/// Column numbers. Numbers from `EXTRA` on are extra columns: `EXTRA` plus the column's id.
pub(crate) mod column {
    pub(crate) const HEADS: u32 = 1;
    pub(crate) const OPS: u32 = 2;
    pub(crate) const SIZES: u32 = 3;
    pub(crate) const GAPS: u32 = 4;
    pub(crate) const NR_ACCESSES: u32 = 5;
    pub(crate) const AGES: u32 = 6;
    pub(crate) const EXTRA: u32 = 0x1_0000;
}

/// Bits of a snapshot's flags in the heads column.
pub(crate) mod head_flag {
    pub(crate) const HAS_AGE: u64 = 1;
    pub(crate) const PARTIAL: u64 = 2;
    pub(crate) const NEW_INTERVALS: u64 = 4;
    pub(crate) const NEW_EXTRAS: u64 = 8;
    pub(crate) const ALL: u64 = 15;
}

/// The columns of one block, unpacked.
#[derive(Default)]
pub(crate) struct Columns {
    /// Addresses are in units of `1 << shift` bytes.
    pub shift: u8,
    /// Whether an access count of 0 matters for ages, see [`AgeRule::zero_matters`].
    pub zero_matters: bool,
    pub heads: Vec<u8>,
    pub ops: Vec<u8>,
    pub sizes: Vec<u8>,
    pub gaps: Vec<u8>,
    pub nr_accesses: Vec<u8>,
    pub ages: Vec<u8>,
    pub extras: Vec<(ColumnId, Vec<u8>)>,
    before: Vec<Before>,
    links: Links,
}

/// The largest unit that is tried: 64 KiB pages.
const MAX_SHIFT: u32 = 16;

impl Columns {
    /// Fills the columns from `batch`, of which snapshot `i` has the extra columns `present[i]`. `time` is the block's
    /// first start.
    pub(crate) fn fill(&mut self, batch: &Batch, present: &[Vec<ColumnId>], time: i64) {
        for column in
            [&mut self.heads, &mut self.ops, &mut self.sizes, &mut self.gaps, &mut self.nr_accesses, &mut self.ages]
        {
            column.clear();
        }
        self.extras.clear();
        self.before.clear();
        self.links.clear();
        for head in &batch.snapshots {
            self.links.push(head.target);
        }
        let used = batch.start.iter().chain(&batch.end).fold(0, |all, address| all | address);
        self.shift = used.trailing_zeros().min(MAX_SHIFT) as u8;
        if batch.nr_accesses.iter().fold(0, |all, nr| all | nr) < 0x80 {
            self.nr_accesses.extend(batch.nr_accesses.iter().map(|&nr| nr as u8));
        } else {
            batch.nr_accesses.iter().for_each(|&nr| put(&mut self.nr_accesses, u64::from(nr)));
        }
        self.fill_heads(batch, present, time);
        self.fill_ops(batch);
        self.fill_ages(batch);
        self.fill_extras(batch, present);
    }

    fn fill_heads(&mut self, batch: &Batch, present: &[Vec<ColumnId>], time: i64) {
        let out = &mut self.heads;
        let mut intervals: Option<Intervals> = None;
        let mut extras: &[ColumnId] = &[];
        for (i, head) in batch.snapshots.iter().enumerate() {
            let previous = self.links.previous(i).map(|p| &batch.snapshots[p]);
            let own = present.get(i).map_or(&[][..], Vec::as_slice);
            let mut flags = 0;
            if head.has_age {
                flags |= head_flag::HAS_AGE;
            }
            if let SnapshotState::Partial { .. } = head.state {
                flags |= head_flag::PARTIAL;
            }
            if head.intervals != intervals {
                flags |= head_flag::NEW_INTERVALS;
            }
            if own != extras {
                flags |= head_flag::NEW_EXTRAS;
            }
            put(out, flags);
            put(out, u64::from(head.target.0));
            let before = previous.map_or(0, |p| p.regions.len());
            put_signed(out, head.regions.len() as i64 - before as i64);
            put_signed(out, head.start.0.wrapping_sub(expected_start(&batch.snapshots, i, previous, time)));
            let duration = head.end.0.wrapping_sub(head.start.0);
            put_signed(out, duration.wrapping_sub(previous.map_or(0, |p| p.end.0.wrapping_sub(p.start.0))));
            if let SnapshotState::Partial { expected } = head.state {
                put(out, u64::from(expected));
            }
            if head.intervals != intervals {
                intervals = head.intervals;
                put(out, u64::from(intervals.is_some()));
                if let Some(now) = intervals {
                    for value in [now.sample, now.aggregation, now.update] {
                        put_signed(out, value.0);
                    }
                }
            }
            if own != extras {
                extras = own;
                put(out, extras.len() as u64);
                for id in extras {
                    put(out, u64::from(id.0));
                }
            }
        }
    }

    fn fill_ops(&mut self, batch: &Batch) {
        let shift = self.shift;
        // Whole units, so that tenths round as the kernel's page-aligned cuts do.
        let start: Vec<u64> = batch.start.iter().map(|a| a >> shift).collect();
        let end: Vec<u64> = batch.end.iter().map(|a| a >> shift).collect();
        for (i, head) in batch.snapshots.iter().enumerate() {
            let old = match self.links.previous(i).map(|p| &batch.snapshots[p]) {
                Some(p) => Regions {
                    start: &start[p.regions.clone()],
                    end: &end[p.regions.clone()],
                    nr_accesses: &batch.nr_accesses[p.regions.clone()],
                    age: &batch.age[p.regions.clone()],
                },
                None => Regions::EMPTY,
            };
            let rows = head.regions.clone();
            if old.start == &start[rows.clone()] && old.end == &end[rows.clone()] {
                self.ops.resize(self.ops.len() + rows.len(), 0);
                let same = old.nr_accesses.iter().zip(old.age);
                self.before.extend(same.map(|(&nr, &age)| Before { nr_accesses: nr, next_age: u64::from(age) + 1 }));
            } else {
                self.fill_snapshot(old, &start[rows.clone()], &end[rows]);
            }
        }
    }

    fn fill_snapshot(&mut self, old: Regions<'_>, start: &[u64], end: &[u64]) {
        let n = old.end.len();
        let (mut j, mut last_end, mut outer) = (0, 0, 0);
        for row in 0..start.len() {
            let (start, end, next_end) = (start[row], end[row], end.get(row + 1).copied().unwrap_or(0));
            while j < n && old.end[j] <= last_end {
                j += 1;
            }
            // Most regions stay as they were. What is found below comes to the same.
            if j < n && old.start[j] == start && old.end[j] == end && start >= last_end && end > start {
                self.ops.push(0);
                self.before.push(Before { nr_accesses: old.nr_accesses[j], next_age: u64::from(old.age[j]) + 1 });
                last_end = end;
                continue;
            }
            let expected = if j < n { old.start[j].max(last_end) } else { last_end };
            let mut op = 0;
            if start != expected {
                op = EXPLICIT_START;
                put(&mut self.gaps, start - last_end);
                while j < n && old.end[j] <= start {
                    j += 1;
                }
            }
            let code = find_end(old, j, start, end, next_end, &mut outer);
            if code == end_code::EXPLICIT {
                put(&mut self.sizes, end - start - 1);
            }
            self.ops.push(op | code);
            self.before.push(old.before(j, start, end));
            last_end = end;
        }
    }

    fn fill_ages(&mut self, batch: &Batch) {
        // Whichever rule tells more of the ages; they differ only where the access count came from or went to 0.
        let (mut kept, mut reset) = (0usize, 0usize);
        for head in batch.snapshots.iter().filter(|head| head.has_age) {
            let rows = head.regions.clone();
            let rule = AgeRule::of(&batch.nr_accesses[rows.clone()], false);
            let columns = batch.nr_accesses[rows.clone()].iter().zip(&batch.age[rows.clone()]).zip(&self.before[rows]);
            for ((&nr, &age), before) in columns {
                let differ =
                    (nr == 0) != (before.nr_accesses == 0) && nr.abs_diff(before.nr_accesses) <= rule.threshold;
                kept += usize::from(differ && u64::from(age) == before.next_age);
                reset += usize::from(differ && age == 0);
            }
        }
        self.zero_matters = reset > kept;
        for head in batch.snapshots.iter().filter(|head| head.has_age) {
            let rows = head.regions.clone();
            let rule = AgeRule::of(&batch.nr_accesses[rows.clone()], self.zero_matters);
            for row in rows {
                let before = self.before[row];
                let age = u64::from(batch.age[row]);
                let (first, second) = rule.guess(before, batch.nr_accesses[row]);
                if age == first {
                    self.ages.push(0);
                } else if age == second {
                    self.ages.push(1);
                } else {
                    put(&mut self.ages, 2 + zigzag(age as i64 - before.next_age as i64));
                }
            }
        }
    }

    fn fill_extras(&mut self, batch: &Batch, present: &[Vec<ColumnId>]) {
        for (id, values) in &batch.extras {
            let mut out = Vec::new();
            for (head, own) in batch.snapshots.iter().zip(present) {
                if own.contains(id) {
                    for &value in &values[head.regions.clone()] {
                        put(&mut out, value);
                    }
                }
            }
            self.extras.push((*id, out));
        }
    }
}

/// For each snapshot of a block, the one before it of the same target.
#[derive(Default)]
pub(crate) struct Links {
    previous: Vec<Option<usize>>,
    last: HashMap<TargetKey, usize>,
}

impl Links {
    pub(crate) fn clear(&mut self) {
        self.previous.clear();
        self.last.clear();
    }

    /// Adds the next snapshot; gives the one before it.
    pub(crate) fn push(&mut self, target: TargetKey) -> Option<usize> {
        let previous = self.last.insert(target, self.previous.len());
        self.previous.push(previous);
        previous
    }

    /// The snapshot before the `i`-th.
    pub(crate) fn previous(&self, i: usize) -> Option<usize> {
        self.previous.get(i).copied().flatten()
    }
}

/// When the `i`-th snapshot is expected to start: where the target's last one ended, else with the snapshot before.
pub(crate) fn expected_start(heads: &[SnapshotHead], i: usize, previous: Option<&SnapshotHead>, time: i64) -> i64 {
    match previous {
        Some(p) => p.end.0,
        None => i.checked_sub(1).map_or(time, |before| heads[before].start.0),
    }
}

fn find_end(old: Regions<'_>, j: usize, start: u64, end: u64, next_end: u64, outer: &mut u64) -> u8 {
    let n = old.end.len();
    let mut q = j;
    while q < n && old.end[q] < end {
        q += 1;
    }
    let later = q - j;
    if q < n && old.end[q] == end && later <= usize::from(end_code::KEEP_MAX) {
        return later as u8;
    }
    if *outer == end && end > start {
        return end_code::OUTER_TENTH;
    }
    if q >= n || later > 3 || old.start[q] >= end {
        return end_code::EXPLICIT;
    }
    let (base, size) = (old.start[q], old.end[q] - old.start[q]);
    if size >= TENTHS_LIMIT {
        return end_code::EXPLICIT;
    }
    let offset = end - base;
    if let Some(d) = which_tenth(size, offset) {
        let first = if later == 0 { end_code::TENTH } else { end_code::LATER_TENTH + 9 * (later as u8 - 1) };
        return first + d as u8 - 1;
    }
    if later > 0 {
        return end_code::EXPLICIT;
    }
    // Of several ways to say it, one whose first cut is the next region's end saves that region's code as well.
    let mut found = None;
    for d in 1..=9 {
        let cut = tenths(size, d);
        if let Some(e) = which_tenth(cut, offset) {
            let code = end_code::TENTH_OF_TENTH + 9 * (d as u8 - 1) + e as u8 - 1;
            if found.is_none() || base + cut == next_end {
                found = Some((code, base + cut));
            }
        }
    }
    match found {
        Some((code, cut)) => {
            *outer = cut;
            code
        }
        None => end_code::EXPLICIT,
    }
}
