//! Which intervals are in force, when somebody changes them during the recording.
//!
//! DAMON's files show what was *staged*; the kdamond takes it over only at a `commit`, and nothing tells whether there
//! was one. So a change counts only with a witness:
//!
//! - The `state` file was written with success while the staged intervals differed from those in force (see
//!   [`super::param_watcher`]). That was a `commit`, or another command (`update_schemes_stats`) over something that lies
//!   there staged. The time between snapshots decides between the two. No aggregation is shorter than its samples take, so
//!   that three shorter ones in a row rule longer intervals out, and two shorter than the old ones take prove new ones.
//!   Whether an aggregation is longer for another reason (a busy machine) cannot be told of one: five in a row must be
//!   nearer to the new pace. Where both paces are nearly the same (only the sampling interval changed), more accesses than
//!   the new intervals allow, twice, speak against the change, and three aggregations without that are for it.
//! - Where writes to `state` cannot be watched, the pace alone: five aggregations in a row at the new one, and only if it
//!   is clearly another one. Then the snapshots until it was noticed keep the old intervals.
//!
//! From the moment at which `state` was opened until this is decided, snapshots are held back, so that each gets the right
//! intervals: when the kernel takes new ones over, it recounts what was seen so far, so that all that it reports after
//! a commit is in the new intervals' terms, even of an aggregation that began before.
//!
//! The time that an aggregation takes is more than its interval: each sample adds the time of the work itself. That part is
//! taken from the aggregations before the change.

use damo_model::{Intervals, Item, Nanos, Params, Snapshot};
use std::collections::VecDeque;

/// Paces must differ by this factor to be told apart.
const TELLING: f64 = 1.25;
/// The same, where nothing but the pace speaks for a change.
const TELLING_ALONE: f64 = 1.5;
/// How near to the expected pace an aggregation must be then.
const NEAR: f64 = 1.15;
/// An aggregation is measured a little shorter than its samples take, if only the end of the one before was late.
const SHORT: f64 = 0.95;
/// Aggregations in a row that decide.
const NEW_ENOUGH: u32 = 5;
const SHORT_ENOUGH: u32 = 2;
const OLD_ENOUGH: u32 = 3;
const ALONE_ENOUGH: u32 = 5;
/// What speaks against the new intervals, so often.
const HIGH_ENOUGH: u32 = 2;
/// The pace before a change is the mean of such a time...
const WINDOW: Nanos = Nanos(2_000_000_000);
/// ...and of the oldest of so many: a change is noticed late.
const WINDOWS: usize = 3;
/// Snapshots are held back so long, and some aggregations; a command of others may take as long as it likes.
const HOLD: Nanos = Nanos(10_000_000_000);
const HOLD_AGGREGATIONS: i64 = 8;
/// And so many regions, some megabytes.
const HOLD_REGIONS: usize = 100_000;

/// Parameters that may be in force, and how that is to be found out.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) intervals: Intervals,
    /// To be told when they are.
    pub(crate) params: Vec<Params>,
    /// Whether there is nothing to be decided by: the files follow what the kernel's tuning chose.
    pub(crate) tuning: bool,
}

/// The intervals of one kdamond.
#[derive(Debug, Default)]
pub(crate) struct IntervalTracker {
    now: Intervals,
    last: Option<Nanos>,
    windows: VecDeque<AggregationSpan>,
    /// Since when snapshots are held back; from then on those of a change that is confirmed have the new intervals.
    since: Option<Nanos>,
    held: Vec<Snapshot>,
    held_regions: usize,
    change: Option<(Change, Witness)>,
    seen: Evidence,
}

/// Aggregations of some time.
#[derive(Clone, Copy, Debug)]
struct AggregationSpan {
    begin: Nanos,
    end: Nanos,
    count: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Witness {
    State,
    None,
}

/// What speaks for and against a change.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    new: u32,
    old: u32,
    short: u32,
    any: u32,
    high: u32,
    first_new: Option<Nanos>,
}

/// What was decided.
#[derive(Debug)]
pub(crate) struct Adopted {
    /// Snapshots that end after this have the new intervals.
    pub(crate) since: Nanos,
    pub(crate) intervals: Intervals,
    pub(crate) params: Vec<Params>,
}

impl IntervalTracker {
    pub(crate) fn new(now: Intervals) -> Self {
        Self { now, ..Self::default() }
    }

    /// Intervals in force.
    pub(crate) fn intervals(&self) -> Intervals {
        self.now
    }

    /// Whether a change waits to be decided.
    pub(crate) fn is_undecided(&self) -> bool {
        self.change.is_some()
    }

    /// Whether snapshots are held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.since.is_some()
    }

    /// The kernel itself says so.
    pub(crate) fn tuned(&mut self, intervals: Intervals) {
        self.now = intervals;
        self.windows.clear();
    }

    /// The time until the next snapshot tells nothing.
    pub(crate) fn interrupted(&mut self) {
        self.last = None;
    }

    /// Something may be committed from now on.
    pub(crate) fn hold(&mut self, since: Nanos) {
        if self.since.is_none() {
            self.since = Some(since);
            self.seen = Evidence::default();
        }
    }

    /// It was not.
    pub(crate) fn release(&mut self) {
        if !matches!(self.change, Some((_, Witness::State))) {
            self.since = None;
        }
    }

    /// Something was committed, it seems.
    pub(crate) fn written(&mut self, at: Nanos, change: Change) {
        self.hold(at);
        // The aggregation in which the kernel took the command was still at the old pace.
        self.seen.old = 0;
        self.change = Some((change, Witness::State));
    }

    /// These intervals are staged, and whether anything is written to `state` cannot be seen.
    pub(crate) fn staged(&mut self, change: Change) {
        let known = self.change.as_ref().is_some_and(|(known, _)| known.intervals == change.intervals);
        if !known {
            self.seen = Evidence::default();
            self.change = Some((change, Witness::None));
        }
    }

    /// What is staged is what is in force.
    pub(crate) fn nothing_staged(&mut self) {
        if matches!(self.change, Some((_, Witness::None))) {
            self.change = None;
        }
    }

    /// Takes a snapshot of plain monitoring for what it tells of the pace.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        let shortest = match &self.change {
            Some((change, _)) => self.now.aggregation.min(change.intervals.aggregation),
            None => self.now.aggregation,
        };
        let Some(last) = self.last else {
            self.last = Some(snapshot.end);
            return;
        };
        let duration = snapshot.end.saturating_sub(last);
        // All targets of a kdamond report at nearly the same time.
        if duration.0 < shortest.0 / 4 {
            return;
        }
        self.last = Some(snapshot.end);
        if self.since.is_none() && self.change.is_none() {
            self.note(last, snapshot.end);
        } else {
            self.weigh(snapshot, duration);
        }
    }

    fn note(&mut self, begin: Nanos, end: Nanos) {
        match self.windows.back_mut() {
            Some(window) if end.saturating_sub(window.begin) <= WINDOW => {
                window.end = end;
                window.count += 1;
            }
            _ => {
                self.windows.push_back(AggregationSpan { begin, end, count: 1 });
                if self.windows.len() > WINDOWS {
                    self.windows.pop_front();
                }
            }
        }
    }

    /// How long an aggregation takes under the intervals in force and would take under `new`.
    fn expected(&self, new: Intervals) -> Option<(f64, f64)> {
        let window = self.windows.front()?;
        let old = window.end.saturating_sub(window.begin).0 as f64 / window.count as f64;
        let samples = f64::from(self.now.max_nr_accesses().0.max(1));
        let work = (old / samples - self.now.sample.0 as f64).max(0.0);
        Some((old, f64::from(new.max_nr_accesses().0.max(1)) * (new.sample.0 as f64 + work)))
    }

    fn weigh(&mut self, snapshot: &Snapshot, duration: Nanos) {
        let Some((change, witness)) = &self.change else { return };
        let seen = &mut self.seen;
        seen.any += 1;
        let most = snapshot.regions.iter().map(|region| region.nr_accesses).max().unwrap_or_default();
        if most > change.intervals.max_nr_accesses() {
            seen.high += 1;
        }
        let (intervals, witness) = (change.intervals, *witness);
        let Some((old, new)) = self.expected(intervals).filter(|paces| tell_apart(*paces, witness)) else {
            return;
        };
        let duration = duration.0.max(1) as f64;
        let too_short_for = |intervals: Intervals| {
            let samples = f64::from(intervals.max_nr_accesses().0.max(1));
            duration < samples * intervals.sample.0 as f64 * SHORT
        };
        let is_short = too_short_for(self.now);
        let is_new = match witness {
            _ if too_short_for(intervals) => false,
            Witness::State => is_short || apart(duration, new) < apart(duration, old),
            Witness::None => apart(duration, new) < NEAR,
        };
        let seen = &mut self.seen;
        seen.short = if is_short && is_new { seen.short + 1 } else { 0 };
        if is_new {
            (seen.new, seen.old) = (seen.new + 1, 0);
            seen.first_new.get_or_insert(snapshot.end.saturating_sub(Nanos(1)));
        } else {
            (seen.new, seen.old, seen.first_new) = (0, seen.old + 1, None);
        }
    }

    /// Holds a snapshot back, if one may have other intervals than it says; else gives it back.
    pub(crate) fn keep(&mut self, snapshot: Snapshot) -> Option<Snapshot> {
        if self.since.is_none() {
            return Some(snapshot);
        }
        self.held_regions += snapshot.regions.len();
        self.held.push(snapshot);
        None
    }

    /// Decides, if it can be decided, and by force if that takes too long, where the time is known.
    pub(crate) fn decide(&mut self, now: Option<Nanos>) -> Option<Adopted> {
        let overdue = now.is_some_and(|now| self.is_overdue(now));
        let Some((change, witness)) = &self.change else {
            if overdue {
                self.since = None;
            }
            return None;
        };
        let paces = self.expected(change.intervals).filter(|paces| tell_apart(*paces, *witness));
        let seen = self.seen;
        let yes = match (witness, paces) {
            (Witness::State, _) if change.tuning => Some(true),
            (Witness::State, Some(_)) if seen.new >= NEW_ENOUGH || seen.short >= SHORT_ENOUGH => Some(true),
            (Witness::State, Some(_)) if seen.old >= OLD_ENOUGH => Some(false),
            (Witness::State, Some(_)) => overdue.then_some(seen.new >= seen.old),
            (Witness::State, None) if seen.high >= HIGH_ENOUGH => Some(false),
            (Witness::State, None) => (overdue || seen.any >= OLD_ENOUGH).then_some(true),
            (Witness::None, _) => (seen.new >= ALONE_ENOUGH && seen.high == 0).then_some(true),
        };
        match yes? {
            true => self.adopt(),
            false => {
                self.change = None;
                self.since = None;
                None
            }
        }
    }

    fn is_overdue(&self, now: Nanos) -> bool {
        let slowest = match &self.change {
            Some((change, _)) => self.now.aggregation.max(change.intervals.aggregation),
            None => self.now.aggregation,
        };
        let patience = HOLD.saturating_add(Nanos(slowest.0.saturating_mul(HOLD_AGGREGATIONS)));
        let late = self.since.is_some_and(|since| now.saturating_sub(since) > patience);
        late || self.held_regions > HOLD_REGIONS
    }

    /// Nothing more comes: what is not decided is decided by what there is.
    pub(crate) fn finish(&mut self) -> Option<Adopted> {
        let seen = self.seen;
        if matches!(self.change, Some((_, Witness::State))) && seen.new >= seen.old && seen.high < HIGH_ENOUGH {
            return self.adopt();
        }
        (self.change, self.since) = (None, None);
        None
    }

    fn adopt(&mut self) -> Option<Adopted> {
        let (Change { intervals, mut params, .. }, _) = self.change.take()?;
        let since = self.since.take().or(self.seen.first_new)?;
        for snapshot in &mut self.held {
            if snapshot.end > since {
                snapshot.intervals = Some(intervals);
            }
        }
        for params in &mut params {
            params.at = damo_model::Stamp::Record(since);
        }
        self.now = intervals;
        self.windows.clear();
        Some(Adopted { since, intervals, params })
    }

    /// What is held back no longer.
    pub(crate) fn let_go(&mut self) -> impl Iterator<Item = Item> + use<'_> {
        let all = if self.since.is_none() { self.held.len() } else { 0 };
        if all > 0 {
            self.held_regions = 0;
        }
        self.held.drain(..all).map(Item::Snapshot)
    }
}

/// By which factor two durations differ.
fn apart(a: f64, b: f64) -> f64 {
    (a / b).max(b / a)
}

fn tell_apart((old, new): (f64, f64), witness: Witness) -> bool {
    apart(old, new) >= if witness == Witness::State { TELLING } else { TELLING_ALONE }
}

#[cfg(test)]
mod tests;
