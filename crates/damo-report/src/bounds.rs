//! Between which sizes the working set of a snapshot lies, whatever is within its regions (docs/truth.md derives it).
//!
//! The working set of an aggregation interval is what was accessed at least once within it. Each of the n checks of a region
//! looks at one page, picked anew, so that the count k estimates p = k/n: the share of the region's pages that are accessed in
//! a sampling interval. The count does not tell *which* pages these are, and that decides how many are accessed in the whole
//! aggregation interval:
//!
//! - always the same ones: then it is p of the region. No less is possible: this is the least.
//! - each time others: then it is n·p of the region, or all of it. No more is possible: this is the most.
//!
//! The most follows from an expectation, and a single count is not one: the mean over neighbouring snapshots stands for it
//! (`BLOCK`), cell by cell of the addresses, because regions change their borders. It is taken over those snapshots only in
//! which the cell was accessed seldom (less than `SPARSE` of the checks): a program that comes and goes is no sparse access.
//! Before that the mean is put right for what the kernel's merging of regions takes away (`merging`).
//!
//! What no check ever found accessed within a block counts as not accessed.

pub(crate) mod merging;

use crate::ReportError;
use crate::confidence::{self, working_set_variance};
use crate::filter::{Filter, Rows, fold_rows};
use crate::series::{Point, by_target, sum_at_instants};
use crate::wss::working_set;
use damo_frame::{Detail, Record};
use damo_model::{Bytes, Nanos, NrAccesses, Source, TargetKey};
use merging::{Merging, MergingTables};
use std::collections::{BTreeMap, HashMap};

/// Over so many aggregation intervals the rate of a cell is taken to be steady.
pub(crate) const BLOCK: i64 = 64;
/// A cell with fewer accesses than this share of the checks is accessed seldom.
pub(crate) const SPARSE: f64 = 0.25;
/// Into about so many cells the monitored addresses are cut.
const CELLS: u64 = 1024;
/// A page: no cell is smaller.
const PAGE_BITS: u32 = 12;
/// Borders of what was found accessed are not known more exactly than this.
const PAGE: f64 = 4096.0;

/// The bounds of each snapshot's working set, in the order of the record: points at the same places.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkingSetBounds {
    /// The working set is at least so large, in bytes. The variance is that of the checks of this snapshot.
    pub least: Vec<Point>,
    /// It is at most so large, in bytes. The variance is that of the mean of what was added to what was found: it is one number for
    /// each block, so that neighbouring snapshots do not tell how uncertain it is.
    pub most: Vec<Point>,
}

impl WorkingSetBounds {
    /// Those of each target.
    pub(crate) fn by_target(self) -> HashMap<TargetKey, Self> {
        let most = by_target(&self.most).into_iter().map(|(_, most)| most);
        by_target(&self.least).into_iter().zip(most).map(|((key, least), most)| (key, Self { least, most })).collect()
    }

    /// Those of all targets together at each instant.
    pub(crate) fn sum_at_instants(self) -> Self {
        Self { least: sum_at_instants(&self.least), most: sum_at_instants(&self.most) }
    }
}

/// Neighbouring snapshots of a target under the same intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct BlockKey {
    target: TargetKey,
    /// The aggregation interval, and the checks in it.
    aggregation: Nanos,
    checks: u32,
    /// Which block of time.
    number: i64,
}

/// A cell of addresses while it was accessed seldom.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Binary logarithm of its size, and its number among cells of this size.
    place: (u32, u64),
    /// Snapshots in which it was accessed seldom or not at all, those among them in which it was, and their counts added up.
    seldom: u32,
    found: u32,
    counts: u64,
}

/// What is known of the cells in a block.
#[derive(Clone, Debug, Default)]
struct Block {
    snapshots: u32,
    /// The largest count of any region: the kernel's threshold of merging depends on it.
    hottest: u32,
    /// In the order of their places.
    cells: Vec<Cell>,
}

impl Block {
    /// Adds cells with a snapshot's counts, in the order of their places.
    fn add(&mut self, counts: &[((u32, u64), u32)]) {
        self.plus(counts.iter().map(|(place, count)| Cell {
            place: *place,
            seldom: 1,
            found: u32::from(*count > 0),
            counts: u64::from(*count),
        }));
    }

    fn plus(&mut self, more: impl Iterator<Item = Cell>) {
        let mut missing = Vec::new();
        let mut at = 0;
        for cell in more {
            while self.cells.get(at).is_some_and(|known| known.place < cell.place) {
                at += 1;
            }
            match self.cells.get_mut(at).filter(|known| known.place == cell.place) {
                Some(known) => {
                    known.seldom += cell.seldom;
                    known.found += cell.found;
                    known.counts += cell.counts;
                }
                None => missing.push(cell),
            }
        }
        if !missing.is_empty() {
            self.cells.append(&mut missing);
            self.cells.sort_by_key(|cell| cell.place);
        }
    }

    /// By how many bytes a snapshot's working set may be larger than what its counts found, on average over the block.
    fn more_than_found(&self, merging: &Merging) -> f64 {
        let checks = f64::from(merging.checks());
        let sum: f64 = self
            .cells
            .iter()
            .map(|cell| {
                let mean = cell.counts as f64 / f64::from(cell.seldom.max(1));
                let most = (checks * merging.rate(mean)).min(1.0);
                (1u64 << cell.place.0) as f64 * (most * f64::from(cell.seldom) - f64::from(cell.found)).max(0.0)
            })
            .sum();
        sum / f64::from(self.snapshots.max(1))
    }
}

/// A snapshot: what its counts say, and what else is needed for its bounds.
#[derive(Clone, Copy, Debug)]
struct Sized {
    least: Point,
    /// Bytes by which borders may be off, and bytes in all regions.
    borders: u64,
    monitored: u64,
    block: BlockKey,
}

#[derive(Debug, Default)]
struct Sums {
    /// Working sets as they are counted, with the variance of the checks.
    counted: Vec<Point>,
    /// What else is known of the same snapshots.
    snapshots: Vec<Sized>,
    blocks: BTreeMap<BlockKey, Block>,
    /// Whether the intervals of a snapshot are not known.
    unknown: bool,
    scratch: Vec<((u32, u64), u32)>,
}

impl Sums {
    fn take(&mut self, rows: &Rows<'_>, is_merged: bool) {
        let (one_access, any_size) = (NrAccesses(1), Bytes(1));
        let variance = working_set_variance(rows, one_access, any_size);
        self.counted.push(Point::of(rows, (working_set(rows, one_access, any_size), variance)));
        let known = rows.intervals.filter(|intervals| intervals.max_nr_accesses().0 > 0 && intervals.aggregation.0 > 0);
        let Some(intervals) = known else {
            self.unknown = true;
            return;
        };
        let checks = intervals.max_nr_accesses().0;
        let key = BlockKey {
            target: rows.head.target,
            aggregation: intervals.aggregation,
            checks,
            number: rows.head.start.0.div_euclid(intervals.aggregation.0.saturating_mul(BLOCK)),
        };
        let monitored = rows.total().0;
        let bits = (monitored / CELLS).checked_ilog2().unwrap_or(0).max(PAGE_BITS);
        let sparse = ((f64::from(checks) * SPARSE) as u32).max(1);
        let (mut least, mut variance, mut hottest) = (0.0, 0.0, 0);
        let (mut borders, mut found_until) = (0.0, None);
        self.scratch.clear();
        for (i, ((start, end), count)) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate() {
            let count = (*count).min(checks);
            let size = end.saturating_sub(*start);
            least += size as f64 * f64::from(count) / f64::from(checks);
            let aggregations = f64::from(rows.age.and_then(|age| age.get(i)).copied().unwrap_or(0)) + 1.0;
            let (found_so_far, checks_so_far) = (f64::from(count) * aggregations, f64::from(checks) * aggregations);
            variance += size as f64 * size as f64 * confidence::variance(found_so_far, checks_so_far);
            if count > 0 && (found_until != Some(*start)) {
                borders += 2.0;
            }
            found_until = (count > 0).then_some(*end);
            hottest = hottest.max(count);
            if is_merged && count < sparse {
                // The cells whose middle lies in the region.
                let half = 1u64 << (bits - 1);
                let first = start.saturating_sub(half).div_ceil(1 << bits);
                let end = end.saturating_sub(half).div_ceil(1 << bits);
                self.scratch.extend((first..end).map(|number| ((bits, number), count)));
            }
        }
        let least = Point::of(rows, ((least - borders * PAGE).max(0.0).round() as u64, variance));
        if !least.partial {
            let block = self.blocks.entry(key).or_default();
            block.snapshots += 1;
            block.hottest = block.hottest.max(hottest);
            block.add(&self.scratch);
        }
        let borders = (borders * PAGE) as u64;
        self.snapshots.push(Sized { least, borders, monitored, block: key });
    }

    fn plus(mut self, mut other: Sums) -> Sums {
        self.counted.append(&mut other.counted);
        self.snapshots.append(&mut other.snapshots);
        self.unknown |= other.unknown;
        for (key, more) in other.blocks {
            let block = self.blocks.entry(key).or_default();
            block.snapshots += more.snapshots;
            block.hottest = block.hottest.max(more.hottest);
            block.plus(more.cells.into_iter());
        }
        self
    }
}

/// The working sets of a record's snapshots as they are counted, and their bounds, found in one pass. There are no bounds if
/// the intervals are not known.
///
/// # Errors
/// When the record cannot be read or the filter cannot be applied to it.
pub(crate) fn bounded_working_sets(
    record: &Record,
    filter: &Filter,
) -> Result<(Vec<Point>, Option<WorkingSetBounds>), ReportError> {
    // Pages that are counted by mapping are not sampled, and no regions are merged.
    let is_merged = record.meta().source != Source::Referenced;
    let take = |sums: &mut Sums, rows: &Rows<'_>| sums.take(rows, is_merged);
    let sums = fold_rows(record, filter, Detail::All, Sums::default, take, Sums::plus)?;
    if sums.unknown {
        return Ok((sums.counted, None));
    }
    let mut tables = MergingTables::default();
    let more: BTreeMap<BlockKey, f64> = sums
        .blocks
        .iter()
        .map(|(key, block)| (*key, block.more_than_found(tables.of(key.checks, block.hottest / 10))))
        .collect();
    let variances = variances_of_means(&more);
    let most = |(snapshot, counted): (&Sized, &Point)| {
        let more = more.get(&snapshot.block).copied().unwrap_or(0.0);
        let found = counted.value.saturating_add(snapshot.borders);
        let most = found.saturating_add(more.round() as u64).min(snapshot.monitored);
        let variance = variances.get(&counted.target).copied().unwrap_or(0.0);
        Point { value: most.max(snapshot.least.value), variance, ..*counted }
    };
    let bounds = WorkingSetBounds {
        most: sums.snapshots.iter().zip(&sums.counted).map(most).collect(),
        least: sums.snapshots.into_iter().map(|snapshot| snapshot.least).collect(),
    };
    Ok((sums.counted, Some(bounds)))
}

/// The square of the standard error of the mean of what was added in a target's blocks.
fn variances_of_means(more: &BTreeMap<BlockKey, f64>) -> HashMap<TargetKey, f64> {
    let mut of_targets: HashMap<TargetKey, Vec<f64>> = HashMap::new();
    for (key, more) in more {
        of_targets.entry(key.target).or_default().push(*more);
    }
    let variance = |values: Vec<f64>| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        if values.len() < 2 { 0.0 } else { squares / (count - 1.0) / count }
    };
    of_targets.into_iter().map(|(target, values)| (target, variance(values))).collect()
}
