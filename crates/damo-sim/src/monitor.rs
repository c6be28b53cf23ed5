//! DAMON's algorithm on one context: region-based sampling, and the adaptive merge and split that keep the number of
//! regions, hence the overhead, within bounds. As described in the kernel's DAMON design document, in the order and
//! with the integer arithmetic of Linux 6.12. It knows nothing of workloads: who calls says which parts of the
//! address space were accessed.

use crate::options::PAGE;
use crate::rng::Rng;
use damo_model::{Addr, AddrRange, Age, Bytes, Nanos, NrAccesses, NrRegions, Region};

/// A region as the algorithm keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) nr_accesses: u32,
    pub(crate) last_nr_accesses: u32,
    pub(crate) age: u32,
}

impl Piece {
    fn new(start: u64, end: u64) -> Piece {
        Piece { start, end, nr_accesses: 0, last_nr_accesses: 0, age: 0 }
    }

    pub(crate) fn size(&self) -> u64 {
        self.end - self.start
    }

    /// As it is reported.
    pub(crate) fn report(&self) -> Region {
        Region::new(Addr(self.start), Addr(self.end), NrAccesses(self.nr_accesses), Some(Age(self.age)))
    }
}

/// A part of the address space of which something was accessed. What no stretch covers was not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether each of its pages was; otherwise ask.
    pub(crate) every_page: bool,
    /// What the caller calls it when asked.
    pub(crate) id: usize,
}

/// A monitored address space.
#[derive(Clone, Debug, Default)]
pub(crate) struct MonitorTarget {
    pub(crate) pieces: Vec<Piece>,
}

/// One monitoring context.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) targets: Vec<MonitorTarget>,
    pub(crate) bounds: NrRegions,
    /// Largest possible `nr_accesses`.
    pub(crate) max_nr_accesses: u32,
    rng: Rng,
    /// Regions may not be merged beyond this size.
    size_limit: u64,
    last_nr_regions: u64,
    /// Largest `nr_accesses` at the last check.
    hottest: u32,
}

fn align_down(at: u64) -> u64 {
    at / PAGE * PAGE
}

fn align_up(at: u64) -> u64 {
    at.div_ceil(PAGE) * PAGE
}

impl Monitor {
    /// A context over address spaces given by their ranges. With `split_evenly`, the ranges are cut into pieces of
    /// about the size that the minimum number of regions asks for (as for virtual address spaces); otherwise each
    /// range is a region (as for ranges given by the user).
    pub(crate) fn new(
        spaces: &[Vec<AddrRange>],
        split_evenly: bool,
        bounds: NrRegions,
        max_nr_accesses: u32,
        rng: Rng,
    ) -> Monitor {
        let targets = spaces.iter().map(|ranges| initial(ranges, split_evenly.then_some(bounds.min))).collect();
        let mut monitor =
            Monitor { targets, bounds, max_nr_accesses, rng, size_limit: PAGE, last_nr_regions: 0, hottest: 0 };
        monitor.update_size_limit();
        monitor
    }

    /// Regions of all targets.
    pub(crate) fn nr_regions(&self) -> u64 {
        self.targets.iter().map(|t| t.pieces.len() as u64).sum()
    }

    /// Monitored bytes of all targets.
    pub(crate) fn size(&self) -> Bytes {
        Bytes(self.targets.iter().flat_map(|t| &t.pieces).map(Piece::size).sum())
    }

    fn update_size_limit(&mut self) {
        self.size_limit = (self.size().0 / self.bounds.min.max(1)).max(PAGE);
    }

    /// One sampling interval of one target: looks at a random page of each region. `stretches` (sorted, disjoint) are
    /// what was accessed in the interval, `accessed` answers for a page of a stretch where not all were.
    pub(crate) fn sample(
        &mut self,
        target: usize,
        stretches: &[Stretch],
        mut accessed: impl FnMut(&Stretch, Addr, &mut Rng) -> bool,
    ) {
        let Some(target) = self.targets.get_mut(target) else { return };
        let mut rest = stretches;
        for piece in &mut target.pieces {
            while let [first, tail @ ..] = rest
                && first.end <= piece.start
            {
                rest = tail;
            }
            let Some(first) = rest.first() else { break };
            if first.start >= piece.end {
                continue;
            }
            let found = if first.every_page && first.start <= piece.start && piece.end <= first.end {
                true
            } else {
                let at = piece.start + self.rng.below(piece.size());
                let hit = rest.iter().take_while(|s| s.start <= at).find(|s| at < s.end);
                hit.is_some_and(|s| s.every_page || accessed(s, Addr(at), &mut self.rng))
            };
            piece.nr_accesses += u32::from(found);
        }
    }

    /// The end of an aggregation interval, first half: ages regions and merges alike neighbours.
    pub(crate) fn merge(&mut self) {
        let counts = self.targets.iter().flat_map(|t| &t.pieces).map(|p| p.nr_accesses);
        self.hottest = counts.max().unwrap_or(0);
        let mut threshold = self.hottest / 10;
        loop {
            for target in &mut self.targets {
                merge(&mut target.pieces, threshold, self.size_limit);
            }
            if self.nr_regions() <= self.bounds.max || threshold >= self.max_nr_accesses {
                return;
            }
            threshold = (threshold * 2).max(1);
        }
    }

    /// The end of an aggregation interval, second half, after the report: starts counting anew and splits regions.
    pub(crate) fn reset_and_split(&mut self) {
        for piece in self.targets.iter_mut().flat_map(|t| &mut t.pieces) {
            piece.last_nr_accesses = piece.nr_accesses;
            piece.nr_accesses = 0;
        }
        let nr_regions = self.nr_regions();
        if nr_regions > self.bounds.max / 2 {
            return;
        }
        // Where splitting in two led nowhere, the middle may differ.
        let parts = if nr_regions == self.last_nr_regions && nr_regions < self.bounds.max / 3 { 3 } else { 2 };
        for target in &mut self.targets {
            split(&mut target.pieces, parts, &mut self.rng);
        }
        self.last_nr_regions = nr_regions;
    }

    /// Lets ages count in aggregation intervals of `new` length that were counted in `old` ones.
    pub(crate) fn rescale_ages(&mut self, old: Nanos, new: Nanos) {
        for piece in self.targets.iter_mut().flat_map(|t| &mut t.pieces) {
            let age = i128::from(piece.age) * i128::from(old.0) / i128::from(new.0.max(1));
            piece.age = u32::try_from(age).unwrap_or(u32::MAX);
        }
    }

    /// Follows a change of a target's address ranges (sorted, disjoint): regions outside vanish, those at the borders
    /// are resized, and a range without regions gets one.
    pub(crate) fn update_ranges(&mut self, target: usize, ranges: &[AddrRange]) {
        if let Some(target) = self.targets.get_mut(target) {
            fit(&mut target.pieces, ranges);
        }
        self.update_size_limit();
    }
}

fn initial(ranges: &[AddrRange], min_regions: Option<u64>) -> MonitorTarget {
    let total: u64 = ranges.iter().map(|r| r.size().0).sum();
    let piece_size = min_regions.map(|min| (total / min.max(1)).max(PAGE));
    let mut pieces = Vec::new();
    for range in ranges {
        let (start, end) = (align_down(range.start.0), align_up(range.end.0));
        let nr = piece_size.map_or(1, |size| ((end - start) / size).max(1));
        let size = align_down((end - start) / nr).max(PAGE);
        for i in 0..nr {
            let from = start + i * size;
            // The last one takes what the others left.
            pieces.push(Piece::new(from, if i + 1 == nr { end } else { from + size }));
        }
    }
    MonitorTarget { pieces }
}

fn merge(pieces: &mut Vec<Piece>, threshold: u32, size_limit: u64) {
    let mut kept = 0usize;
    for i in 0..pieces.len() {
        let mut piece = pieces[i];
        let changed = piece.nr_accesses.abs_diff(piece.last_nr_accesses) > threshold
            || (piece.nr_accesses == 0) != (piece.last_nr_accesses == 0);
        piece.age = if changed { 0 } else { piece.age.saturating_add(1) };
        if let Some(left) = kept.checked_sub(1).and_then(|at| pieces.get_mut(at))
            && left.end == piece.start
            && left.nr_accesses.abs_diff(piece.nr_accesses) <= threshold
            && left.size() + piece.size() <= size_limit
        {
            let (a, b) = (u128::from(left.size()), u128::from(piece.size()));
            let mean = |l: u32, r: u32| ((u128::from(l) * a + u128::from(r) * b) / (a + b)) as u32;
            left.nr_accesses = mean(left.nr_accesses, piece.nr_accesses);
            left.age = mean(left.age, piece.age);
            left.end = piece.end;
        } else {
            pieces[kept] = piece;
            kept += 1;
        }
    }
    pieces.truncate(kept);
}

fn split(pieces: &mut Vec<Piece>, parts: u32, rng: &mut Rng) {
    let mut result = Vec::with_capacity(pieces.len() * parts as usize);
    for piece in pieces.iter() {
        // Each cut is made in what the cut before left at the front, so parts come off from behind.
        let first = result.len();
        let mut front = *piece;
        for _ in 1..parts {
            if front.size() <= 2 * PAGE {
                break;
            }
            let tenths = 1 + rng.below(9);
            let at = align_down((u128::from(front.size()) * u128::from(tenths) / 10) as u64);
            if at == 0 || at >= front.size() {
                continue;
            }
            result.push(Piece { start: front.start + at, ..front });
            front.end = front.start + at;
        }
        result.push(front);
        result[first..].reverse();
    }
    *pieces = result;
}

fn fit(pieces: &mut Vec<Piece>, ranges: &[AddrRange]) {
    let mut result: Vec<Piece> = Vec::with_capacity(pieces.len() + ranges.len());
    for range in ranges {
        let (start, end) = (align_down(range.start.0), align_up(range.end.0));
        if start >= end {
            continue;
        }
        let inside = |p: &&Piece| p.start < end && start < p.end;
        let first = result.len();
        result.extend(pieces.iter().filter(inside).map(|p| Piece {
            start: p.start.max(start),
            end: p.end.min(end),
            ..*p
        }));
        match &mut result[first..] {
            [] => result.push(Piece::new(start, end)),
            [only] => (only.start, only.end) = (start, end),
            [head, .., tail] => (head.start, tail.end) = (start, end),
        }
    }
    // Holes within a range (it is one range now where there were two) become regions of their own.
    let mut filled: Vec<Piece> = Vec::with_capacity(result.len());
    let mut ranges = ranges.iter().map(|r| (align_down(r.start.0), align_up(r.end.0))).peekable();
    for piece in result {
        while ranges.next_if(|(_, end)| *end <= piece.start).is_some() {}
        if let (Some(last), Some((start, _))) = (filled.last(), ranges.peek())
            && last.end < piece.start
            && *start <= last.start
        {
            filled.push(Piece::new(last.end, piece.start));
        }
        filled.push(piece);
    }
    *pieces = filled;
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
