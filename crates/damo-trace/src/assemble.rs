//! From region events to snapshots.
//!
//! The kernel tells what DAMON saw one region at a time: each event names the target, how many regions the target has,
//! and one of them. Where one snapshot ends and the next begins is not told, so it is found here, for live rings and
//! foreign files alike, with a state of its own for each target: targets and kdamonds may interleave, events may be
//! lost, and schemes report only the regions that they apply to. No clock, no files, and no more memory than one open
//! snapshot per target.
//!
//! A snapshot of a target ends when
//! - all the regions that its events announced have come, or
//! - a region starts below the end of the one before it (DAMON walks a target in address order), unless it still fits
//!   into the same snapshot, as of a text whose lines were put in another order, or
//! - the announced number of regions changes, or
//! - more events were lost than the snapshot still lacks, or
//! - there is a pause of a whole aggregation before a region that does not touch the one before it: a loss that nobody
//!   told of (unless [`AssemblerOptions::losses_are_told`]).
//!
//! Such a snapshot is complete if all announced regions are in it, and partial otherwise. For a scheme's events a part
//! of the regions is the rule, not a loss; see [`EventKey::scheme`].

use damo_model::{ColumnId, ExtraColumn, Intervals, KdamondIndex, Nanos, Region, Snapshot, SnapshotState, TargetKey};
use std::collections::{HashMap, VecDeque};

mod lengths;
mod walk;

#[cfg(test)]
mod tests;

pub use lengths::{Lengths, believed, is_gap};
use walk::Walk;

/// Where an event belongs. Events with equal keys make one stream of snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// kdamond index, where the source tells.
    pub kdamond: Option<KdamondIndex>,
    /// The thread that emitted the event, where the source tells: two kdamonds both have a target 0.
    pub thread: Option<i32>,
    /// Context index, where the event tells.
    pub context: Option<u32>,
    /// The scheme, for `damos_before_apply`. The kernel emits one such event for each region the scheme is about to be
    /// applied to, so fewer regions than announced are normal, and the announced number grows by one or two within one
    /// walk when quotas or filters cut a region.
    pub scheme: Option<u32>,
    /// The event's `target_id` (or `target_idx`).
    pub target_id: u64,
}

/// One event about one region.
#[derive(Clone, Copy, Debug)]
pub struct RegionEvent<'a> {
    /// Where it belongs.
    pub key: EventKey,
    /// When it was emitted.
    pub time: Nanos,
    /// How many regions the target has, as the event says. Untrusted.
    pub nr_regions: u32,
    /// The region with its access count and age.
    pub region: Region,
    /// Values of extra columns.
    pub extras: &'a [(ColumnId, u64)],
}

/// What an earlier run over the same events found, to know starts that only later events tell.
#[derive(Clone, Debug, Default)]
pub struct LearnedLengths(HashMap<EventKey, LengthsBySampling>);

/// How long a snapshot of a target usually lasts, by the sampling interval that tuning had chosen.
type LengthsBySampling = HashMap<Option<Nanos>, Nanos>;

/// What is known beforehand.
#[derive(Clone, Debug, Default)]
pub struct AssemblerOptions {
    /// Intervals in force at the start, if known. They give the first snapshot's start at once, as live streams need.
    pub intervals: Option<Intervals>,
    /// What a first run over the same events found: [`Assembler::learned_lengths`].
    pub learned: Option<LearnedLengths>,
    /// The first key to give to a target, so that several assemblers can feed one record.
    pub first_key: TargetKey,
    /// Whether the source tells of every loss, as a live ring does. Then a pause between two regions is a kdamond that
    /// was kept waiting, and nothing else.
    pub losses_are_told: bool,
}

/// Counters of what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Region events taken.
    pub events: u64,
    /// Events whose region was empty or reversed (`end <= start`). They are left out and make their snapshot partial.
    pub empty_regions: u64,
    /// Events that repeated the one before them: same region, same values, at once. They are left out.
    pub repeated: u64,
    /// Snapshots given out.
    pub snapshots: u64,
    /// Those of them that are partial.
    pub partial: u64,
    /// Events reported as lost.
    pub lost: u64,
    /// Gaps between snapshots of a target: DAMON was off, or the machine was suspended. Losses are not among them.
    pub gaps: u64,
    /// The longest of them.
    pub longest_gap: Nanos,
}

/// An event older than the end of its target's last snapshot; it was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event at {time_ns} ns comes after one at {last_ns} ns of the same target", time_ns = time.0, last_ns = last.0)]
pub struct Backwards {
    /// The event's time.
    pub time: Nanos,
    /// The end of the target's last snapshot.
    pub last: Nanos,
}

/// Where an assembler puts the events of one [`EventKey`]: [`Assembler::stream`] gives it, for as long as the assembler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(usize);

/// Groups region events, given in time order, into snapshots.
///
/// ```
/// use damo_trace::assemble::{Assembler, EventKey, AssemblerOptions, RegionEvent};
/// use damo_model::{Addr, Intervals, Nanos, NrAccesses, Region};
/// let mut assembler = Assembler::new(AssemblerOptions { intervals: Some(Intervals::default()), ..AssemblerOptions::default() });
/// let region = Region::new(Addr(0), Addr(4096), NrAccesses(3), None);
/// let event = RegionEvent { key: EventKey::default(), time: Nanos::from_millis(300), nr_regions: 1, region, extras: &[] };
/// assembler.push(&event)?;
/// let snapshot = assembler.pop().expect("its only region has come");
/// assert_eq!((snapshot.start, snapshot.end), (Nanos::from_millis(200), Nanos::from_millis(300)));
/// # Ok::<(), damo_trace::assemble::Backwards>(())
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    options: AssemblerOptions,
    keys: HashMap<EventKey, usize>,
    walks: Vec<Walk>,
    last: Option<(EventKey, usize)>,
    tuned: HashMap<Option<i32>, Nanos>,
    ready: VecDeque<Snapshot>,
    tally: Tally,
}

impl Assembler {
    /// An assembler without any target yet.
    pub fn new(options: AssemblerOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// The key of the target that `key`'s snapshots carry: a new one (counted up from [`AssemblerOptions::first_key`]) if
    /// `key` was not seen before.
    pub fn target(&mut self, key: EventKey) -> TargetKey {
        let at = self.walk_of(key);
        self.walks[at].target
    }

    /// Where the events of a target belong; `None` for a key that this assembler did not give.
    pub fn event_key(&self, target: TargetKey) -> Option<EventKey> {
        let at = target.0.checked_sub(self.options.first_key.0)?;
        self.walks.get(usize::try_from(at).ok()?).map(|walk| walk.key)
    }

    /// Where the events of `key` go, for [`Assembler::extend`].
    pub fn stream(&mut self, key: EventKey) -> StreamId {
        StreamId(self.walk_of(key))
    }

    /// Takes the plain next region of the open snapshot of `stream`, which is what nearly all events are, and of which
    /// nothing becomes ready. `false` for whatever else it is: it is not taken then, and [`Assembler::push`] knows what
    /// to do.
    #[inline]
    pub fn extend(&mut self, stream: StreamId, time: Nanos, nr_regions: u32, region: Region) -> bool {
        let taken = self.walks.get_mut(stream.0).is_some_and(|walk| walk.extend(time, nr_regions, region));
        self.tally.events += u64::from(taken);
        taken
    }

    /// Takes an event. Afterwards [`Assembler::pop`] gives what became ready.
    ///
    /// # Errors
    /// If it is older than its target's last snapshot; the event is not taken, and the assembler can go on.
    pub fn push(&mut self, event: &RegionEvent<'_>) -> Result<(), Backwards> {
        let at = self.walk_of(event.key);
        let walk = &mut self.walks[at];
        if let Some(last) = walk.last_end().filter(|last| event.time < *last) {
            return Err(Backwards { time: event.time, last });
        }
        self.tally.events += 1;
        if walk.repeats(event) {
            self.tally.repeated += 1;
            return Ok(());
        }
        if walk.ends_before(event, self.options.losses_are_told) {
            self.close(at);
        }
        if self.walks[at].is_idle() {
            self.begin(at, event.time);
        }
        let walk = &mut self.walks[at];
        if event.region.start >= event.region.end {
            self.tally.empty_regions += 1;
        }
        walk.take(event);
        if walk.is_full() {
            self.close(at);
        }
        Ok(())
    }

    /// Takes note that events were lost, of whichever targets, before the next event. `u64::MAX` if it is not known how
    /// many.
    pub fn lost(&mut self, events: u64) {
        self.tally.lost = self.tally.lost.saturating_add(events);
        for walk in &mut self.walks {
            walk.lost(events);
        }
    }

    /// Takes note that auto-tuning set the sampling interval of a thread's kdamond (`damon_monitor_intervals_tune`):
    /// snapshots that begin from now on have it, and the aggregation interval in proportion, as the kernel keeps the
    /// number of samples per aggregation. Without known intervals it only tells that snapshots last another time from now
    /// on.
    pub fn tuned(&mut self, thread: Option<i32>, sample: Nanos) {
        self.tuned.insert(thread, sample);
    }

    /// Takes note that other intervals are in force: snapshots that end after `since` and are not given out yet have them.
    pub fn set_intervals(&mut self, intervals: Intervals, since: Nanos) {
        self.options.intervals = Some(intervals);
        self.tuned.clear();
        for walk in &mut self.walks {
            walk.set_intervals(intervals, since);
        }
        for snapshot in self.ready.iter_mut().filter(|snapshot| snapshot.end > since) {
            snapshot.intervals = Some(intervals);
        }
    }

    /// Takes note of a moment at which a snapshot of `key` would have ended: it tells the duration of the one before.
    pub fn end_without_regions(&mut self, key: EventKey, time: Nanos) {
        let at = self.walk_of(key);
        if !self.walks[at].is_idle() {
            self.close(at);
        }
        let tuned = self.tuned.get(&key.thread).copied();
        self.walks[at].note_duration_until(time, tuned);
    }

    /// The next finished snapshot, oldest first.
    pub fn pop(&mut self) -> Option<Snapshot> {
        self.ready.pop_front()
    }

    /// Ends all open snapshots: nothing more comes. [`Assembler::pop`] gives them, in order of their ends.
    pub fn finish(&mut self) {
        let mut open: Vec<usize> = (0..self.walks.len()).filter(|at| !self.walks[*at].is_idle()).collect();
        open.sort_by_key(|at| self.walks[*at].open_end());
        for at in open {
            self.close(at);
        }
    }

    /// Counters so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What a second run over the same events can know beforehand.
    pub fn learned_lengths(&self) -> LearnedLengths {
        let lengths_of = |walk: &Walk| {
            let mut usual = walk.usual_lengths();
            // A scheme may match now and then only: the target's own snapshots tell how long an aggregation is.
            if let Some(at) = walk.monitoring {
                usual.extend(self.walks[at].usual_lengths());
            }
            (walk.key, usual)
        };
        LearnedLengths(self.walks.iter().map(lengths_of).collect())
    }

    fn walk_of(&mut self, key: EventKey) -> usize {
        if let Some((_, at)) = self.last.filter(|(last, _)| *last == key) {
            return at;
        }
        let at = match self.keys.get(&key) {
            Some(at) => *at,
            None => self.add_walk(key),
        };
        self.last = Some((key, at));
        at
    }

    fn add_walk(&mut self, key: EventKey) -> usize {
        let at = self.walks.len();
        let target = TargetKey(self.options.first_key.0.saturating_add(u32::try_from(at).unwrap_or(u32::MAX)));
        let mut walk = Walk::new(key, target);
        walk.typical =
            self.options.learned.as_ref().and_then(|learned| learned.0.get(&key).cloned()).unwrap_or_default();
        // Both kinds of events of one target know each other.
        let monitoring = EventKey { context: None, scheme: None, ..key };
        if key.scheme.is_some() {
            walk.monitoring = self.keys.get(&monitoring).copied();
            if let Some(of) = walk.monitoring {
                self.walks[of].schemes.push(at);
            }
        } else if key.context.is_none() {
            for scheme in 0..at {
                let other = &mut self.walks[scheme];
                if other.key.scheme.is_some() && (EventKey { context: None, scheme: None, ..other.key }) == key {
                    other.monitoring = Some(at);
                    walk.schemes.push(scheme);
                }
            }
        }
        self.walks.push(walk);
        self.keys.insert(key, at);
        at
    }

    /// Opens a snapshot that ends at `end`.
    fn begin(&mut self, at: usize, end: Nanos) {
        // The kernel applies schemes before it reports the aggregation: what they did belongs to this one.
        for scheme in std::mem::take(&mut self.walks[at].schemes) {
            if !self.walks[scheme].is_idle() {
                self.close(scheme);
            }
            self.walks[at].schemes.push(scheme);
        }
        let thread = self.walks[at].key.thread;
        let (intervals, tuned) = (self.intervals(thread), self.tuned.get(&thread).copied());
        let monitored = self.walks[at].monitoring.and_then(|of| self.walks[of].last_end());
        let gap = self.walks[at].begin(end, intervals, tuned, monitored, self.options.losses_are_told);
        if let Some(gap) = gap.filter(|_| self.walks[at].key.scheme.is_none()) {
            self.tally.gaps += 1;
            self.tally.longest_gap = self.tally.longest_gap.max(gap);
        }
    }

    fn intervals(&self, thread: Option<i32>) -> Option<Intervals> {
        let known = self.options.intervals?;
        let Some(sample) = self.tuned.get(&thread).filter(|_| known.sample.0 > 0) else {
            return Some(known);
        };
        let samples = (known.aggregation.0 / known.sample.0).max(1);
        Some(Intervals { sample: *sample, aggregation: Nanos(sample.0.saturating_mul(samples)), update: known.update })
    }

    fn close(&mut self, at: usize) {
        let Some(snapshot) = self.walks[at].close() else { return };
        self.tally.snapshots += 1;
        if matches!(snapshot.state, SnapshotState::Partial { .. }) {
            self.tally.partial += 1;
        }
        self.ready.push_back(snapshot);
    }
}
