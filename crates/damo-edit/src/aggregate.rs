//! Longer aggregation intervals after the fact: several snapshots of a target become one.
//!
//! The new snapshot's access counts are the sums of the old ones, for every byte; its aggregation interval is the sum of
//! the old ones (`n ×` the old where they are equal), so that rates stay rates. Ages are those at the end of the time,
//! in new intervals, rounded down: what kept its rate for less than a new interval has age 0. What is left at the end,
//! too short for a snapshot of full length, becomes a shorter one with intervals of its own: nothing is dropped.
//!
//! Columns beside counts and ages (bytes that passed filters, probes' hits) tell of one snapshot's regions and are left
//! out; [`Aggregated`] counts where that happened.

use crate::sum::{Piece, Sum};
use damo_model::{
    Addr, Age, Intervals, Item, Nanos, NrAccesses, Region, Sink, SinkError, Snapshot, SnapshotState, TargetKey,
};
use std::collections::BTreeMap;

/// A snapshot can have no more regions in a record. A sum that nears this becomes a snapshot before its time.
const MOST_PIECES: usize = 1 << 19;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateOptions {
    /// Snapshots are added up until they last this long.
    pub interval: Nanos,
    /// So many of each target's first snapshots are left out.
    pub skip: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aggregated {
    /// Snapshots left out at the targets' beginnings.
    pub skipped: u64,
    /// Number of new snapshots.
    pub snapshots: u64,
    /// Old ones that they are made of.
    pub added: u64,
    /// Those of them that are shorter than was asked for: the targets' last ones, and such with very many regions.
    pub short: u64,
    /// Old snapshots whose extra columns were left out.
    pub without_extras: u64,
}

/// Adds up snapshots on their way to another sink. Call [`Aggregate::finish`] at the end.
pub struct Aggregate<'a> {
    options: AggregateOptions,
    /// The whole record's, for snapshots that do not tell their own.
    intervals: Option<Intervals>,
    seen: BTreeMap<TargetKey, u64>,
    open: BTreeMap<TargetKey, PendingAggregate>,
    done: Aggregated,
    out: &'a mut dyn Sink,
}

/// Snapshots of one target that are being added up.
struct PendingAggregate {
    start: Nanos,
    end: Nanos,
    sum: Sum,
    snapshots: u64,
    /// Regions that are missing in partial snapshots.
    missing: Option<u32>,
    intervals: Total,
    ages: bool,
}

/// Intervals of several snapshots together.
#[derive(Clone, Copy)]
struct Total {
    /// The first snapshot's; `None` as soon as one does not tell.
    first: Option<Intervals>,
    aggregation: i64,
    /// Sum of the largest possible counts.
    possible: i64,
    same_sampling: bool,
}

impl Total {
    fn add(&mut self, intervals: Option<Intervals>) {
        let (Some(first), Some(next)) = (self.first, intervals) else {
            self.first = None;
            return;
        };
        self.aggregation = self.aggregation.saturating_add(next.aggregation.0);
        self.possible = self.possible.saturating_add(next.max_nr_accesses().0.into());
        self.same_sampling &= first.sample == next.sample;
    }

    /// Intervals that allow as many accesses in as much time. Where tuning changed the sampling interval within the
    /// time, the mean one.
    fn intervals(self) -> Option<Intervals> {
        let first = self.first?;
        let sample = if self.same_sampling { first.sample.0 } else { self.aggregation / self.possible.max(1) };
        Some(Intervals { sample: Nanos(sample), aggregation: Nanos(self.aggregation), update: first.update })
    }
}

impl PendingAggregate {
    fn new(snapshot: &Snapshot, intervals: Option<Intervals>) -> Self {
        let intervals = Total { first: intervals, aggregation: 0, possible: 0, same_sampling: true };
        let (start, end) = (snapshot.start, snapshot.end);
        Self { start, end, sum: Sum::default(), snapshots: 0, missing: None, intervals, ages: true }
    }

    fn add(&mut self, snapshot: &Snapshot, intervals: Option<Intervals>) {
        self.end = self.end.max(snapshot.end);
        self.snapshots += 1;
        self.intervals.add(intervals);
        if let SnapshotState::Partial { expected } = snapshot.state {
            let there = u32::try_from(snapshot.regions.len()).unwrap_or(u32::MAX);
            self.missing = Some(self.missing.unwrap_or(0).saturating_add(expected.saturating_sub(there)));
        }
        // Ages become times, as intervals may change. Without intervals they stay numbers of snapshots.
        let unit = intervals.map_or(1, |intervals| intervals.aggregation.0.max(0).cast_unsigned());
        self.ages &= snapshot.regions.iter().all(|region| region.age.is_some());
        self.sum.add(snapshot.regions.iter().map(|region| Piece {
            start: region.start.0,
            end: region.end.0,
            count: region.nr_accesses.0.into(),
            age: region.age.map(|age| u64::from(age.0).saturating_mul(unit)),
        }));
    }

    fn is_full(&self, interval: Nanos) -> bool {
        self.end.saturating_sub(self.start) >= interval || self.sum.least() >= MOST_PIECES
    }

    fn into_snapshot(self, target: TargetKey) -> Snapshot {
        let intervals = self.intervals.intervals();
        let unit = intervals.map_or(self.snapshots, |intervals| intervals.aggregation.0.max(0).cast_unsigned()).max(1);
        let mut snapshot = Snapshot::new(target, self.start, self.end, intervals);
        let age = |piece: &Piece| {
            let age = piece.age.filter(|_| self.ages)? / unit;
            Some(Age(u32::try_from(age).unwrap_or(u32::MAX)))
        };
        for piece in self.sum.pieces() {
            let (start, end) = (Addr(piece.start), Addr(piece.end));
            let count = NrAccesses(u32::try_from(piece.count).unwrap_or(u32::MAX));
            let age = age(&piece);
            match snapshot.regions.last_mut() {
                Some(last) if last.end == start && last.nr_accesses == count && last.age == age => last.end = end,
                _ => snapshot.regions.push(Region::new(start, end, count, age)),
            }
        }
        if let Some(missing) = self.missing {
            let there = u32::try_from(snapshot.regions.len()).unwrap_or(u32::MAX);
            snapshot.state = SnapshotState::Partial { expected: there.saturating_add(missing) };
        }
        snapshot
    }
}

impl<'a> Aggregate<'a> {
    /// Adds up on the way to `out`.
    pub fn new(options: AggregateOptions, out: &'a mut dyn Sink) -> Self {
        Self {
            options,
            intervals: None,
            seen: BTreeMap::new(),
            open: BTreeMap::new(),
            done: Aggregated::default(),
            out,
        }
    }

    /// Hands on what is left as shorter snapshots.
    ///
    /// # Errors
    /// If the sink takes no more.
    pub fn finish(mut self) -> Result<Aggregated, SinkError> {
        let mut left: Vec<(TargetKey, PendingAggregate)> = std::mem::take(&mut self.open).into_iter().collect();
        left.sort_by_key(|(_, window)| window.end);
        for (target, window) in left {
            self.close(target, window)?;
        }
        Ok(self.done)
    }

    fn add(&mut self, snapshot: &Snapshot) -> Result<(), SinkError> {
        let target = snapshot.target;
        let seen = self.seen.entry(target).or_default();
        *seen += 1;
        if *seen <= self.options.skip {
            self.done.skipped += 1;
            return Ok(());
        }
        self.done.added += 1;
        self.done.without_extras += u64::from(!snapshot.extras.is_empty());
        let intervals = snapshot.intervals.or(self.intervals);
        let mut window = self.open.remove(&target).unwrap_or_else(|| PendingAggregate::new(snapshot, intervals));
        window.add(snapshot, intervals);
        if window.is_full(self.options.interval) {
            return self.close(target, window);
        }
        self.open.insert(target, window);
        Ok(())
    }

    fn close(&mut self, target: TargetKey, window: PendingAggregate) -> Result<(), SinkError> {
        let snapshot = window.into_snapshot(target);
        self.done.snapshots += 1;
        self.done.short += u64::from(snapshot.time_span().length() < self.options.interval);
        self.out.put(&Item::Snapshot(snapshot))
    }
}

impl Sink for Aggregate<'_> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Meta(meta) => {
                // Each new snapshot tells its own: they need not all be of as many old ones.
                self.intervals = meta.intervals;
                let mut meta = meta.clone();
                meta.intervals = None;
                self.out.put(&Item::Meta(meta))
            }
            Item::Snapshot(snapshot) => self.add(snapshot),
            _ => self.out.put(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{ColumnId, ExtraColumn, Meta, Target};

    fn snapshot(n: i64, rows: &[(u64, u64, u32, u32)]) -> Snapshot {
        let at = |n: i64| Nanos::from_millis(n * 100);
        let mut snapshot = Snapshot::new(TargetKey(0), at(n), at(n + 1), Some(Intervals::default()));
        let region = |r: &(u64, u64, u32, u32)| Region::new(Addr(r.0), Addr(r.1), NrAccesses(r.2), Some(Age(r.3)));
        snapshot.regions = rows.iter().map(region).collect();
        snapshot
    }

    fn aggregate(snapshots: &[Snapshot], millis: i64, skip: u64) -> (Vec<Snapshot>, Aggregated) {
        let mut out: Vec<Item> = Vec::new();
        let mut sum = Aggregate::new(AggregateOptions { interval: Nanos::from_millis(millis), skip }, &mut out);
        sum.put(&Item::Meta(Meta { intervals: Some(Intervals::default()), ..Meta::default() })).unwrap();
        sum.put(&Item::Target(Target::default())).unwrap();
        snapshots.iter().for_each(|snapshot| sum.put(&Item::Snapshot(snapshot.clone())).unwrap());
        let done = sum.finish().unwrap();
        let snapshots = out.into_iter().filter_map(|item| match item {
            Item::Snapshot(snapshot) => Some(snapshot),
            _ => None,
        });
        (snapshots.collect(), done)
    }

    #[test]
    fn counts_add_up_intervals_multiply_and_ages_are_those_at_the_end() {
        let old = [
            snapshot(0, &[(0, 100, 20, 30), (100, 200, 0, 50)]),
            snapshot(1, &[(0, 40, 20, 31), (40, 100, 5, 0), (100, 200, 0, 51)]),
        ];
        let (new, done) = aggregate(&old, 200, 0);
        assert_eq!(done, Aggregated { snapshots: 1, added: 2, ..Aggregated::default() });
        let expected = Intervals { aggregation: Nanos::from_millis(200), ..Intervals::default() };
        assert_eq!((new[0].start, new[0].end, new[0].intervals), (old[0].start, old[1].end, Some(expected)));
        let rows: Vec<_> = new[0].regions.iter().map(|r| (r.start.0, r.end.0, r.nr_accesses.0, r.age)).collect();
        assert_eq!(rows, [(0, 40, 40, Some(Age(15))), (40, 100, 25, Some(Age(0))), (100, 200, 0, Some(Age(25)))]);
        assert_eq!(expected.max_nr_accesses(), NrAccesses(40));
    }

    #[test]
    fn what_is_left_at_the_end_is_a_shorter_snapshot_with_its_own_intervals() {
        let old: Vec<Snapshot> = (0..25).map(|n| snapshot(n, &[(0, 100, 1, 0)])).collect();
        let (new, done) = aggregate(&old, 1000, 3);
        assert_eq!(done, Aggregated { skipped: 3, snapshots: 3, added: 22, short: 1, without_extras: 0 });
        let counts: Vec<u32> = new.iter().map(|snapshot| snapshot.regions[0].nr_accesses.0).collect();
        assert_eq!(counts, [10, 10, 2]);
        assert_eq!(new[2].intervals.unwrap().aggregation, Nanos::from_millis(200));
    }

    #[test]
    fn a_sum_with_a_partial_part_is_partial_and_an_unknown_age_makes_ages_unknown() {
        let mut old = [snapshot(0, &[(0, 100, 1, 4)]), snapshot(1, &[(0, 100, 1, 4)])];
        old[0].state = SnapshotState::Partial { expected: 5 };
        old[1].regions[0].age = None;
        old[1].extras.push(ExtraColumn { id: ColumnId::FILTER_PASSED, values: vec![3] });
        let (new, done) = aggregate(&old, 200, 0);
        assert_eq!(new[0].state, SnapshotState::Partial { expected: 5 });
        assert_eq!(new[0].regions, [Region::new(Addr(0), Addr(100), NrAccesses(2), None)]);
        assert_eq!((done.without_extras, new[0].extras.len()), (1, 0));
    }

    #[test]
    fn a_sum_over_tuned_sampling_intervals_allows_as_many_accesses_as_its_parts() {
        let mut old = [snapshot(0, &[(0, 100, 20, 0)]), snapshot(1, &[(0, 100, 10, 0)])];
        old[1].intervals = Some(Intervals { sample: Nanos::from_millis(10), ..Intervals::default() });
        let (new, _) = aggregate(&old, 200, 0);
        assert_eq!(new[0].intervals.unwrap().max_nr_accesses(), NrAccesses(30));
        assert_eq!(new[0].regions[0].nr_accesses, NrAccesses(30));
    }
}
