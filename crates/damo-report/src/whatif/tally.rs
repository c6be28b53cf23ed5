//! What is counted of a candidate, by moments and by spans of time: bounded, whatever the record's length.

use damo_model::Nanos;

/// What happened at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    pub(super) applications: u64,
    pub(super) matched_regions: u64,
    pub(super) matched: f64,
    pub(super) applied_regions: u64,
    pub(super) applied: f64,
    pub(super) kept: Vec<f64>,
    pub(super) changed: f64,
    pub(super) back: f64,
    pub(super) back_soon: f64,
    /// Time that programs waited, in nanoseconds.
    pub(super) waited: f64,
    pub(super) used_up: u64,
}

/// A span of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    pub(super) sum: Moment,
    /// Nanoseconds that are covered by snapshots.
    pub(super) time: f64,
    /// Byte-nanoseconds: resident without the scheme, moved, and added by huge pages.
    pub(super) resident: f64,
    pub(super) moved: f64,
    pub(super) bloat: f64,
}

impl Moment {
    pub(super) fn add(&mut self, other: &Moment) {
        self.applications += other.applications;
        self.matched_regions += other.matched_regions;
        self.matched += other.matched;
        self.applied_regions += other.applied_regions;
        self.applied += other.applied;
        self.changed += other.changed;
        self.back += other.back;
        self.back_soon += other.back_soon;
        self.waited += other.waited;
        self.used_up += other.used_up;
        self.kept.resize(self.kept.len().max(other.kept.len()), 0.0);
        for (sum, kept) in self.kept.iter_mut().zip(&other.kept) {
            *sum += kept;
        }
    }
}

impl Span {
    fn add(&mut self, other: &Span) {
        self.sum.add(&other.sum);
        // Contexts watch at the same time: their bytes add up, the time does not.
        let time = self.time.max(other.time);
        let of = |a: f64, b: f64| {
            let mean = |sum: f64, over: f64| if over > 0.0 { sum / over } else { 0.0 };
            (mean(a, self.time) + mean(b, other.time)) * time
        };
        (self.resident, self.moved, self.bloat) =
            (of(self.resident, other.resident), of(self.moved, other.moved), of(self.bloat, other.bloat));
        self.time = time;
    }
}

/// Spans of equal length over a record.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    begin: Nanos,
    length: i64,
    pub(super) spans: Vec<Span>,
    /// The time in which means are taken, apart.
    pub(super) settled: Span,
    settles: Nanos,
}

/// Memory between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) time: f64,
    pub(super) resident: f64,
    pub(super) moved: f64,
    pub(super) bloat: f64,
}

impl Tally {
    /// `count` spans from `begin` to `end`; means are taken from `settles` on.
    pub(super) fn new(begin: Nanos, end: Nanos, count: usize, settles: Nanos) -> Tally {
        let count = count.max(1);
        let length = (end.saturating_sub(begin).0.max(1) as u64).div_ceil(count as u64) as i64;
        Tally { begin, length, spans: vec![Span::default(); count], settled: Span::default(), settles }
    }

    pub(super) fn length(&self) -> Nanos {
        Nanos(self.length)
    }

    /// Adds what happened at `at`, and what memory was held in the time before.
    pub(super) fn add(&mut self, at: Nanos, moment: &Moment, held: Held) {
        let nth = (at.saturating_sub(self.begin).0.max(1) - 1) / self.length.max(1);
        let settled = (at > self.settles).then_some(&mut self.settled);
        for span in self.spans.get_mut(nth as usize).into_iter().chain(settled) {
            span.sum.add(moment);
            span.time += held.time;
            span.resident += held.resident * held.time;
            span.moved += held.moved * held.time;
            span.bloat += held.bloat * held.time;
        }
    }

    /// Puts the counts of another context to these.
    pub(super) fn merge(&mut self, other: &Tally) {
        for (span, other) in self.spans.iter_mut().zip(&other.spans) {
            span.add(other);
        }
        self.settled.add(&other.settled);
    }
}
