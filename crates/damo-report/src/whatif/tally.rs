//! What is counted of a candidate, by moments and by spans of time: bounded, whatever the record's length.

use super::Counts;
use damo_model::Nanos;

/// A span of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    pub(super) sum: Counts,
    /// Nanoseconds that are covered by snapshots.
    pub(super) time: f64,
    /// Byte-nanoseconds: resident without the scheme, moved, and added by huge pages.
    pub(super) resident: f64,
    pub(super) moved: f64,
    pub(super) bloat: f64,
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
    pub(super) fn add(&mut self, at: Nanos, counts: &Counts, held: Held) {
        let nth = (at.saturating_sub(self.begin).0.max(1) - 1) / self.length.max(1);
        let settled = (at > self.settles).then_some(&mut self.settled);
        for span in self.spans.get_mut(nth as usize).into_iter().chain(settled) {
            span.sum.add(counts);
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
