//! Columns to snapshots: the reading half of the snapshot block's payload. Everything here may be a lie, so every
//! number is checked before it is used; in return a decoded snapshot is sorted and disjoint without further checks.

use crate::layout::{MAX_EXTRA_CELLS, MAX_EXTRA_COLUMNS};
use crate::pack::{Links, expected_start, head_flag};
use crate::predict::{AgeRule, Before, EXPLICIT_START, Regions, TENTHS_LIMIT, end_code, tenths};
use crate::select::Detail;
use crate::varint::{Input, unzigzag};
use damo_model::{Batch, ColumnId, Intervals, Nanos, SnapshotHead, SnapshotState, TargetKey};
use std::ops::Range;

/// The columns of one block as they were read.
#[derive(Default)]
pub(crate) struct RawColumns<'a> {
    pub shift: u8,
    pub zero_matters: bool,
    pub heads: &'a [u8],
    pub ops: &'a [u8],
    pub sizes: &'a [u8],
    pub gaps: &'a [u8],
    pub nr_accesses: &'a [u8],
    pub ages: &'a [u8],
    pub extras: Vec<(ColumnId, &'a [u8])>,
}

/// What the block's prelude announced.
#[derive(Clone, Copy)]
pub(crate) struct Announced {
    pub first_snapshot: u64,
    pub snapshots: usize,
    pub regions: usize,
    pub time: i64,
}

type Result<T> = std::result::Result<T, &'static str>;

const CUT: &str = "a column ends early or holds a number out of range";

/// Decodes into `batch`, which must be empty, and `present`: the extra columns that each snapshot has. With
/// [`Detail::Heads`] the rows of the snapshots are not there, and only the heads column is looked at.
pub(crate) fn unpack(
    raw: &RawColumns<'_>,
    said: Announced,
    detail: Detail,
    batch: &mut Batch,
    present: &mut Vec<Vec<ColumnId>>,
    links: &mut Links,
) -> Result<()> {
    let heads_only = detail == Detail::Heads;
    let ops_fit = heads_only || raw.ops.len() == said.regions;
    if !ops_fit || raw.heads.len() < said.snapshots || raw.shift > 63 {
        return Err("the columns do not have the lengths that the block announces");
    }
    unpack_heads(raw, said, heads_only, batch, present, links)?;
    if heads_only {
        present.iter_mut().for_each(Vec::clear);
        return Ok(());
    }
    if detail == Detail::WithoutAges {
        batch.snapshots.iter_mut().for_each(|head| head.has_age = false);
    }
    batch.nr_accesses.clear();
    batch.nr_accesses.reserve_exact(said.regions);
    let mut counts = Input::new(raw.nr_accesses);
    if raw.nr_accesses.len() == said.regions
        && let Some(bytes) = counts.next_short(said.regions)
    {
        batch.nr_accesses.extend(bytes.iter().map(|&b| u32::from(b)));
    } else {
        for _ in 0..said.regions {
            let value = counts.next().and_then(|v| u32::try_from(v).ok()).ok_or(CUT)?;
            batch.nr_accesses.push(value);
        }
        if !counts.is_empty() {
            return Err("the access count column is too long");
        }
    }
    unpack_regions(raw, batch, links)?;
    unpack_extras(raw, batch, present)
}

fn unpack_heads(
    raw: &RawColumns<'_>,
    said: Announced,
    heads_only: bool,
    batch: &mut Batch,
    present: &mut Vec<Vec<ColumnId>>,
    links: &mut Links,
) -> Result<()> {
    links.clear();
    batch.snapshots.clear();
    batch.snapshots.reserve_exact(said.snapshots);
    present.clear();
    let mut input = Input::new(raw.heads);
    let mut intervals = None;
    let mut extras: Vec<ColumnId> = Vec::new();
    let mut row = 0usize;
    for i in 0..said.snapshots {
        let flags = input.next().ok_or(CUT)?;
        if flags & !head_flag::ALL != 0 {
            return Err("a snapshot has flags that this version does not know");
        }
        let target = TargetKey(input.next().and_then(|v| u32::try_from(v).ok()).ok_or(CUT)?);
        let more = input.next_signed().ok_or(CUT)?;
        let start_off = input.next_signed().ok_or(CUT)?;
        let longer = input.next_signed().ok_or(CUT)?;
        let state = if flags & head_flag::PARTIAL != 0 {
            SnapshotState::Partial { expected: input.next().and_then(|v| u32::try_from(v).ok()).ok_or(CUT)? }
        } else {
            SnapshotState::Complete
        };
        if flags & head_flag::NEW_INTERVALS != 0 {
            intervals = next_intervals(&mut input)?;
        }
        if flags & head_flag::NEW_EXTRAS != 0 {
            extras = next_extras(&mut input)?;
            if !heads_only && extras.iter().any(|id| !raw.extras.iter().any(|(known, _)| known == id)) {
                return Err("a snapshot names an extra column that is not there");
            }
        }
        let before = links.push(target).map(|p| &batch.snapshots[p]);
        let regions = before.map_or(0, |p| p.regions.len()) as i64;
        let regions = regions.checked_add(more).and_then(|n| usize::try_from(n).ok()).ok_or(CUT)?;
        let start = expected_start(&batch.snapshots, i, before, said.time).wrapping_add(start_off);
        let end = start.wrapping_add(before.map_or(0, |p| p.end.0.wrapping_sub(p.start.0)).wrapping_add(longer));
        let next_row = row.checked_add(regions).filter(|&n| n <= said.regions);
        let next_row = next_row.ok_or("the snapshots have more regions than the block announces")?;
        if end < start {
            return Err("a snapshot ends before it starts");
        }
        batch.snapshots.push(SnapshotHead {
            index: said.first_snapshot.saturating_add(i as u64),
            target,
            start: Nanos(start),
            end: Nanos(end),
            intervals,
            state,
            has_age: flags & head_flag::HAS_AGE != 0,
            regions: row..next_row,
        });
        row = next_row;
        present.push(extras.clone());
    }
    if !input.is_empty() {
        return Err("the heads column is too long");
    }
    if row != said.regions {
        return Err("the snapshots have fewer regions than the block announces");
    }
    Ok(())
}

/// The intervals of the snapshots from here on.
fn next_intervals(input: &mut Input<'_>) -> Result<Option<Intervals>> {
    match input.next().ok_or(CUT)? {
        0 => Ok(None),
        1 => {
            let mut next = || input.next_signed().map(Nanos).ok_or(CUT);
            Ok(Some(Intervals { sample: next()?, aggregation: next()?, update: next()? }))
        }
        _ => Err(CUT),
    }
}

/// Which extra columns the snapshots from here on have.
fn next_extras(input: &mut Input<'_>) -> Result<Vec<ColumnId>> {
    let n = input.next().ok_or(CUT)?;
    if n > MAX_EXTRA_COLUMNS as u64 {
        return Err("a snapshot names more extra columns than a block may have");
    }
    (0..n).map(|_| input.next().and_then(|v| u16::try_from(v).ok()).map(ColumnId).ok_or(CUT)).collect()
}

/// Reads the columns in step.
struct Cursors<'a> {
    sizes: Input<'a>,
    gaps: Input<'a>,
    ages: Input<'a>,
}

fn unpack_regions(raw: &RawColumns<'_>, batch: &mut Batch, links: &Links) -> Result<()> {
    let regions = raw.ops.len();
    for column in [&mut batch.start, &mut batch.end] {
        column.clear();
        column.resize(regions, 0);
    }
    batch.age.clear();
    batch.age.resize(regions, 0);
    let mut cursors = Cursors { sizes: Input::new(raw.sizes), gaps: Input::new(raw.gaps), ages: Input::new(raw.ages) };
    for (i, head) in batch.snapshots.iter().enumerate() {
        let before = links.previous(i).map_or(0..0, |p| batch.snapshots[p].regions.clone());
        let rows = head.regions.clone();
        let (old_start, new_start) = batch.start.split_at_mut(rows.start);
        let (old_end, new_end) = batch.end.split_at_mut(rows.start);
        let (old_age, new_age) = batch.age.split_at_mut(rows.start);
        let old = Regions {
            start: &old_start[before.clone()],
            end: &old_end[before.clone()],
            nr_accesses: &batch.nr_accesses[before.clone()],
            age: &old_age[before],
        };
        let new = NewRegions {
            ops: &raw.ops[rows.clone()],
            start: &mut new_start[..rows.len()],
            end: &mut new_end[..rows.len()],
            nr_accesses: &batch.nr_accesses[rows.clone()],
            age: &mut new_age[..rows.len()],
        };
        let rule = head.has_age.then(|| AgeRule::of(new.nr_accesses, raw.zero_matters));
        if old.start.len() == rows.len() && new.ops.iter().fold(0, |all, op| all | op) == 0 {
            new.same_as(old, rule, &mut cursors)?;
        } else {
            new.decode(old, rule, &mut cursors)?;
        }
    }
    if !(cursors.sizes.is_empty() && cursors.gaps.is_empty() && cursors.ages.is_empty()) {
        return Err("a column is too long");
    }
    scale(&mut batch.start, raw.shift)?;
    scale(&mut batch.end, raw.shift)
}

/// From units to bytes.
fn scale(column: &mut [u64], shift: u8) -> Result<()> {
    let all = column.iter().fold(0, |all, address| all | *address);
    if all > u64::MAX >> shift {
        return Err("an address does not fit 64 bits");
    }
    column.iter_mut().for_each(|address| *address <<= shift);
    Ok(())
}

struct NewRegions<'a> {
    ops: &'a [u8],
    start: &'a mut [u64],
    end: &'a mut [u64],
    nr_accesses: &'a [u32],
    age: &'a mut [u32],
}

impl NewRegions<'_> {
    /// All boundaries as before: the most frequent case by far on idle memory.
    fn same_as(self, old: Regions<'_>, rule: Option<AgeRule>, cursors: &mut Cursors<'_>) -> Result<()> {
        self.start.copy_from_slice(old.start);
        self.end.copy_from_slice(old.end);
        let Some(rule) = rule else { return Ok(()) };
        for row in 0..self.age.len() {
            let before = Before { nr_accesses: old.nr_accesses[row], next_age: u64::from(old.age[row]) + 1 };
            self.age[row] = next_age(rule, before, self.nr_accesses[row], &mut cursors.ages)?;
        }
        Ok(())
    }

    fn decode(self, old: Regions<'_>, rule: Option<AgeRule>, cursors: &mut Cursors<'_>) -> Result<()> {
        let n = old.end.len();
        let (mut j, mut last_end, mut outer) = (0, 0u64, 0);
        for row in 0..self.ops.len() {
            let op = self.ops[row];
            while j < n && old.end[j] <= last_end {
                j += 1;
            }
            let mut start = if j < n { old.start[j].max(last_end) } else { last_end };
            if op & EXPLICIT_START != 0 {
                let gap = cursors.gaps.next().ok_or(CUT)?;
                start = last_end.checked_add(gap).ok_or(CUT)?;
                while j < n && old.end[j] <= start {
                    j += 1;
                }
            }
            let code = op & !EXPLICIT_START;
            let end = if code <= end_code::KEEP_MAX {
                old.end.get(j + usize::from(code)).copied()
            } else {
                end_of(code, old, j, start, &mut outer, &mut cursors.sizes)
            };
            let end = end.filter(|&end| end > start).ok_or("a region has no size or lies outside the address space")?;
            self.start[row] = start;
            self.end[row] = end;
            if let Some(rule) = rule {
                let before = old.before(j, start, end);
                self.age[row] = next_age(rule, before, self.nr_accesses[row], &mut cursors.ages)?;
            }
            last_end = end;
        }
        Ok(())
    }
}

#[inline]
fn next_age(rule: AgeRule, before: Before, nr_accesses: u32, ages: &mut Input<'_>) -> Result<u32> {
    let symbol = ages.next().ok_or(CUT)?;
    let (first, second) = rule.guess(before, nr_accesses);
    let age = match symbol {
        0 => first,
        1 => second,
        more => {
            let age = i64::try_from(before.next_age).ok().and_then(|base| base.checked_add(unzigzag(more - 2)));
            age.and_then(|age| u64::try_from(age).ok()).ok_or(CUT)?
        }
    };
    u32::try_from(age).map_err(|_| "an age is out of range")
}

/// Where a region ends, for the rarer codes.
fn end_of(code: u8, old: Regions<'_>, j: usize, start: u64, outer: &mut u64, sizes: &mut Input<'_>) -> Option<u64> {
    let region = |k: usize| {
        let (base, end) = (*old.start.get(j + k)?, *old.end.get(j + k)?);
        let size = end.checked_sub(base)?;
        (size < TENTHS_LIMIT).then_some((base, size))
    };
    match code {
        end_code::OUTER_TENTH => Some(*outer),
        end_code::EXPLICIT => start.checked_add(sizes.next()?)?.checked_add(1),
        end_code::RESERVED.. => None,
        end_code::LATER_TENTH.. => {
            let code = u64::from(code - end_code::LATER_TENTH);
            let (base, size) = region(1 + (code / 9) as usize)?;
            Some(base + tenths(size, code % 9 + 1))
        }
        end_code::TENTH_OF_TENTH.. => {
            let code = u64::from(code - end_code::TENTH_OF_TENTH);
            let (base, size) = region(0)?;
            let cut = tenths(size, code / 9 + 1);
            *outer = base + cut;
            Some(base + tenths(cut, code % 9 + 1))
        }
        _ => {
            let (base, size) = region(0)?;
            Some(base + tenths(size, u64::from(code - end_code::TENTH) + 1))
        }
    }
}

fn unpack_extras(raw: &RawColumns<'_>, batch: &mut Batch, present: &[Vec<ColumnId>]) -> Result<()> {
    batch.extras.clear();
    let regions = raw.ops.len();
    if raw.extras.len().saturating_mul(regions) > MAX_EXTRA_CELLS {
        return Err("the block claims more extra columns than a block may have");
    }
    for (id, bytes) in &raw.extras {
        let mut values = vec![0u64; regions];
        let mut input = Input::new(bytes);
        for (head, own) in batch.snapshots.iter().zip(present) {
            if own.contains(id) {
                let rows: Range<usize> = head.regions.clone();
                for value in &mut values[rows] {
                    *value = input.next().ok_or(CUT)?;
                }
            }
        }
        if !input.is_empty() {
            return Err("an extra column is too long");
        }
        batch.extras.push((*id, values));
    }
    Ok(())
}
