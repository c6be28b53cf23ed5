//! What a record tells of one target's memory, carried from snapshot to snapshot for all candidates together.
//!
//! The state of memory is kept per region of the present snapshot, as shares of its bytes. When the next snapshot cuts
//! memory otherwise, each new region takes the mean of what it overlaps: so DAMON itself carries ages over merges, bytes
//! are neither lost nor made, and a record of any length needs one snapshot's memory.

use crate::bounds::merging::Merging;
use crate::bounds::{BLOCK, SPARSE};
use damo_model::{Addr, Intervals};

/// Into how many cells a target is cut, about.
const CELLS: u64 = 1024;
/// The least size of a cell in bytes, where no action asks for a greater one.
pub(super) const MIN_CELL: u64 = 16 << 10;

/// Regions of the present snapshot, the record's view of them, and where their memory was in the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct RegionState {
    pub(super) start: Vec<u64>,
    pub(super) end: Vec<u64>,
    pub(super) nr_accesses: Vec<u32>,
    /// As recorded; reckoned as the kernel would where the record has none.
    pub(super) age: Vec<u32>,
    /// Size of the recorded region that each was cut from.
    pub(super) whole: Vec<u64>,
    /// Number of that region.
    pub(super) of: Vec<u32>,
    /// Share of each that was certainly touched so far.
    pub(super) seen: Vec<f32>,
    /// Share of each that is resident without any scheme.
    pub(super) resident: Vec<f32>,
    /// Share of each that was touched in this snapshot.
    pub(super) touched: Vec<f32>,
    /// Share of each that was touched in this snapshot at most: if its pages took turns. Empty unless it is asked for.
    pub(super) touched_at_most: Vec<f32>,
    /// The mean of `touched` over about [`BLOCK`] snapshots, while few accesses are found; filled as `touched_at_most`.
    rate: Vec<f32>,
    /// Where to cut regions, sorted.
    cuts: Vec<Addr>,
    /// The least size of the cells into which regions are cut as well, in bytes: schemes act on parts of regions, under a
    /// quota or as time goes on, and it matters which.
    min_cell: u64,
    /// The size of the cells, once the target's size is known.
    cell: u64,
    /// For each region the overlaps with regions before, from `first[i]` to `first[i + 1]`: their number and share.
    overlaps: Vec<(u32, f32)>,
    first: Vec<u32>,
    before: Before,
}

/// The snapshot before.
#[derive(Clone, Debug, Default)]
struct Before {
    start: Vec<u64>,
    end: Vec<u64>,
    nr_accesses: Vec<u32>,
    age: Vec<u32>,
    seen: Vec<f32>,
    rate: Vec<f32>,
}

/// A snapshot's columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'a> {
    pub(super) start: &'a [u64],
    pub(super) end: &'a [u64],
    pub(super) nr_accesses: &'a [u32],
    pub(super) age: Option<&'a [u32]>,
}

impl RegionState {
    /// Nothing yet; regions will be cut at `cuts`, which are sorted, and into cells of at least `min_cell` bytes.
    pub(super) fn new(min_cell: u64, cuts: Vec<Addr>) -> RegionState {
        RegionState { min_cell, cuts, ..RegionState::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.start.len()
    }

    pub(super) fn size(&self, i: usize) -> u64 {
        self.end[i].saturating_sub(self.start[i])
    }

    /// Takes over the next snapshot. `rss` is what the target has resident, where that is known; `merging` belongs to the
    /// intervals, where `touched_at_most` is asked for.
    pub(super) fn advance(
        &mut self,
        columns: &Columns<'_>,
        intervals: &Intervals,
        rss: Option<u64>,
        merging: Option<&Merging>,
    ) {
        let before = &mut self.before;
        std::mem::swap(&mut before.start, &mut self.start);
        std::mem::swap(&mut before.end, &mut self.end);
        std::mem::swap(&mut before.nr_accesses, &mut self.nr_accesses);
        std::mem::swap(&mut before.age, &mut self.age);
        std::mem::swap(&mut before.seen, &mut self.seen);
        std::mem::swap(&mut before.rate, &mut self.rate);
        self.take(columns);
        self.overlap();
        if columns.age.is_none() {
            self.reckon_ages(intervals);
        }
        let most = intervals.max_nr_accesses().0.max(1) as f32;
        self.touched.clear();
        self.touched.extend(self.nr_accesses.iter().map(|n| (*n as f32 / most).min(1.0)));
        let (overlaps, first, seen) = (&self.overlaps, &self.first, &self.before.seen);
        self.seen.clear();
        self.seen.extend(first.windows(2).zip(&self.touched).map(|(ends, touched)| {
            let old = overlaps.get(ends[0] as usize..ends[1] as usize).unwrap_or_default();
            old.iter().map(|(j, share)| seen[*j as usize] * share).sum::<f32>().max(*touched)
        }));
        self.set_resident(rss);
        if let Some(merging) = merging {
            self.set_touched_at_most(merging);
        }
    }

    /// One check that finds an access may stand for all pages, each accessed by turns; and where none does, some pages are still
    /// accessed if some were within the last snapshots.
    fn set_touched_at_most(&mut self, merging: &Merging) {
        let checks = f64::from(merging.checks());
        let sparse = SPARSE as f32;
        self.rate.clear();
        self.touched_at_most.clear();
        for (ends, touched) in self.first.windows(2).zip(&self.touched) {
            let old = self.overlaps.get(ends[0] as usize..ends[1] as usize).unwrap_or_default();
            let mean = |of: &dyn Fn(usize) -> f32| old.iter().map(|(j, share)| of(*j as usize) * share).sum::<f32>();
            // Few accesses in a row that begins or ends are not sparse accesses.
            let was_dense = mean(&|j| self.before.nr_accesses[j] as f32 / checks as f32) > sparse;
            let before = mean(&|j| self.before.rate[j]);
            let rate = if was_dense || *touched > sparse { 0.0 } else { before + (touched - before) / BLOCK as f32 };
            self.rate.push(rate);
            let by_turns = if rate > 0.0 { (checks * merging.rate(f64::from(rate) * checks)) as f32 } else { 0.0 };
            self.touched_at_most.push(if *touched > 0.0 { 1.0 } else { by_turns.min(1.0) });
        }
    }

    fn take(&mut self, columns: &Columns<'_>) {
        for column in [&mut self.start, &mut self.end, &mut self.whole] {
            column.clear();
        }
        self.nr_accesses.clear();
        self.age.clear();
        self.of.clear();
        if self.min_cell > 0 {
            let size: u64 = columns.start.iter().zip(columns.end).map(|(start, end)| end.saturating_sub(*start)).sum();
            let wanted = (size / CELLS).max(self.min_cell).next_power_of_two();
            // A target that grows must not be cut into ever more cells; cells of a power of two lie within greater ones.
            if self.cell < wanted / 2 {
                self.cell = wanted;
            }
        }
        let next_cell = |from: u64| match self.cell {
            0 => u64::MAX,
            cell => (from / cell + 1).saturating_mul(cell),
        };
        let mut cut = 0;
        for (i, ((start, end), nr_accesses)) in
            columns.start.iter().zip(columns.end).zip(columns.nr_accesses).enumerate()
        {
            let age = columns.age.and_then(|age| age.get(i).copied()).unwrap_or(0);
            let mut from = *start;
            while self.cuts.get(cut).is_some_and(|at| at.0 <= from) {
                cut += 1;
            }
            loop {
                let at_cut = self.cuts.get(cut).map_or(u64::MAX, |at| at.0);
                let to = at_cut.min(next_cell(from)).min(*end);
                self.start.push(from);
                self.end.push(to);
                self.nr_accesses.push(*nr_accesses);
                self.age.push(age);
                self.whole.push(end.saturating_sub(*start));
                self.of.push(i as u32);
                if to >= *end {
                    break;
                }
                from = to;
                cut += usize::from(to == at_cut);
            }
        }
    }

    /// Finds which regions before each region overlaps. Both are sorted.
    fn overlap(&mut self) {
        self.overlaps.clear();
        self.first.clear();
        self.first.push(0);
        let mut j = 0;
        let before = &self.before;
        for (start, end) in self.start.iter().zip(&self.end) {
            while before.end.get(j).is_some_and(|old| old <= start) {
                j += 1;
            }
            let size = end.saturating_sub(*start).max(1) as f32;
            let mut at = j;
            while let (Some(old_start), Some(old_end)) = (before.start.get(at), before.end.get(at)) {
                if old_start >= end {
                    break;
                }
                let bytes = end.min(old_end).saturating_sub(*start.max(old_start));
                if bytes > 0 {
                    self.overlaps.push((at as u32, bytes as f32 / size));
                }
                at += 1;
            }
            self.first.push(self.overlaps.len() as u32);
        }
    }

    /// Carries what is kept per region over to the present regions.
    pub(super) fn carry(&self, mut carry: impl FnMut(&[(u32, f32)])) {
        for ends in self.first.windows(2) {
            carry(self.overlaps.get(ends[0] as usize..ends[1] as usize).unwrap_or_default());
        }
    }

    /// Ages as the kernel counts them, for records of kernels that do not tell.
    fn reckon_ages(&mut self, intervals: &Intervals) {
        let threshold = intervals.max_nr_accesses().0 as f32 / 10.0;
        for (i, ends) in self.first.windows(2).enumerate() {
            let old = self.overlaps.get(ends[0] as usize..ends[1] as usize).unwrap_or_default();
            let mean = |of: &[u32]| old.iter().map(|(j, share)| of[*j as usize] as f32 * share).sum::<f32>();
            let (was, is) = (mean(&self.before.nr_accesses), self.nr_accesses[i] as f32);
            let changed = (was - is).abs() > threshold || (was < 0.5) != (is < 0.5);
            self.age[i] = if changed || old.is_empty() { 0 } else { mean(&self.before.age).round() as u32 + 1 };
        }
    }

    /// What is resident without a scheme: what was seen accessed. Where the resident size is known, it is given out in this
    /// order, evenly within a step that it does not suffice for: what is accessed now; what was seen accessed before; the
    /// rest of memory in which an access was ever found; memory in which none was. So memory that only shared a region with
    /// what was accessed, before regions adapted, does not count as resident in its place.
    fn set_resident(&mut self, rss: Option<u64>) {
        self.resident.clear();
        let Some(rss) = rss else {
            self.resident.extend_from_slice(&self.seen);
            return;
        };
        // What is resident up to the end of each step, if it suffices for it; later ones hold the earlier.
        let steps = |touched: f32, seen: f32| [0.0, touched, seen, if seen > 0.0 { 1.0 } else { 0.0 }, 1.0];
        let mut sums = [0.0; 5];
        for ((start, end), (touched, seen)) in self.start.iter().zip(&self.end).zip(self.touched.iter().zip(&self.seen))
        {
            let size = end.saturating_sub(*start) as f64;
            sums.iter_mut().zip(steps(*touched, *seen)).for_each(|(sum, share)| *sum += size * f64::from(share));
        }
        let rss = rss as f64;
        let last = sums.iter().position(|sum| *sum >= rss).unwrap_or(sums.len() - 1).max(1);
        let (from, to) = (sums[last - 1], sums[last]);
        let part = if to > from { ((rss - from) / (to - from)).min(1.0) as f32 } else { 0.0 };
        self.resident.extend(self.touched.iter().zip(&self.seen).map(|(touched, seen)| {
            let shares = steps(*touched, *seen);
            shares[last - 1] + part * (shares[last] - shares[last - 1])
        }));
    }

    /// Bytes that are resident without a scheme.
    pub(super) fn resident_bytes(&self) -> f64 {
        let sizes = self.start.iter().zip(&self.end).map(|(start, end)| end.saturating_sub(*start) as f64);
        sizes.zip(&self.resident).map(|(size, share)| size * f64::from(*share)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn columns<'a>(start: &'a [u64], end: &'a [u64], nr_accesses: &'a [u32]) -> Columns<'a> {
        Columns { start, end, nr_accesses, age: None }
    }

    #[test]
    fn what_was_touched_keeps_its_bytes_however_regions_are_cut() {
        let intervals = Intervals::default();
        let mut state = RegionState::default();
        state.advance(&columns(&[0, 10 * MB], &[10 * MB, 20 * MB], &[20, 0]), &intervals, None, None);
        assert_eq!(state.resident_bytes(), 10.0 * MB as f64);
        state.advance(&columns(&[0, 5 * MB], &[5 * MB, 20 * MB], &[0, 0]), &intervals, None, None);
        assert!((state.resident_bytes() - 10.0 * MB as f64).abs() < 10.0);
        assert!((state.seen[1] - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn resident_memory_that_was_not_seen_accessed_lies_evenly_in_the_rest() {
        let mut state = RegionState::default();
        let rows = columns(&[0, 10 * MB], &[10 * MB, 30 * MB], &[20, 0]);
        state.advance(&rows, &Intervals::default(), Some(15 * MB), None);
        assert_eq!(state.resident, [1.0, 0.25]);
        // And what was seen accessed is not more than is resident.
        state.advance(&rows, &Intervals::default(), Some(5 * MB), None);
        assert_eq!(state.resident, [0.5, 0.0]);
    }

    #[test]
    fn regions_are_cut_at_the_borders_of_filters() {
        let mut state = RegionState { cuts: vec![Addr(MB), Addr(4 * MB), Addr(5 * MB)], ..RegionState::default() };
        state.advance(&columns(&[0, 3 * MB], &[3 * MB, 6 * MB], &[1, 2]), &Intervals::default(), None, None);
        assert_eq!(state.start, [0, MB, 3 * MB, 4 * MB, 5 * MB]);
        assert_eq!(state.end, [MB, 3 * MB, 4 * MB, 5 * MB, 6 * MB]);
        assert_eq!(state.whole, [3 * MB; 5]);
    }

    #[test]
    fn cells_lie_on_fixed_addresses_however_regions_are_cut() {
        let mut state = RegionState::new(MIN_CELL, vec![Addr(9 * MB / 2)]);
        state.advance(&columns(&[0], &[CELLS * MB], &[0]), &Intervals::default(), None, None);
        assert_eq!(state.len(), CELLS as usize + 1);
        state.advance(&columns(&[MB / 2, 3 * MB], &[3 * MB, 5 * MB], &[1, 2]), &Intervals::default(), None, None);
        assert_eq!(state.start, [MB / 2, MB, 2 * MB, 3 * MB, 4 * MB, 9 * MB / 2]);
        assert_eq!(state.of, [0, 0, 0, 1, 1, 1]);
        assert_eq!(state.whole[0], 5 * MB / 2);
    }

    #[test]
    fn a_target_that_grows_is_cut_into_greater_cells_not_into_more() {
        let mut state = RegionState::new(MIN_CELL, Vec::new());
        state.advance(&columns(&[0], &[4096], &[1]), &Intervals::default(), None, None);
        assert_eq!(state.len(), 1);
        state.advance(&columns(&[0], &[u64::MAX], &[0]), &Intervals::default(), None, None);
        assert!(state.len() <= 2 * CELLS as usize, "{} cells", state.len());
        assert!((state.resident_bytes() / 4096.0 - 1.0 / 20.0).abs() < 1e-3, "{}", state.resident_bytes());
    }

    #[test]
    fn ages_are_reckoned_where_the_kernel_tells_none() {
        let mut state = RegionState::default();
        let mut ages = Vec::new();
        for nr_accesses in [0, 0, 0, 10, 11, 0] {
            state.advance(&columns(&[0], &[MB], &[nr_accesses]), &Intervals::default(), None, None);
            ages.push(state.age[0]);
        }
        assert_eq!(ages, [0, 1, 2, 0, 1, 0]);
    }
}
