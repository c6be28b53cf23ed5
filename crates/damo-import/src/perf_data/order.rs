//! Puts events of several processors in order of time.
//!
//! perf empties each processor's ring in turn and writes a mark when it has been round. Whatever comes after the mark
//! was written after the newest event of the round before the last, so that everything up to that one can go.

use damo_model::Nanos;

/// So many events are held at most, should there be no marks.
const MAX_HELD: usize = 1 << 22;

/// Events with their times, held until nothing older can come.
#[derive(Debug)]
pub(super) struct Order<T> {
    held: Vec<(Nanos, T)>,
    newest: Option<Nanos>,
    /// The newest of the rounds before this one.
    newest_before: Option<Nanos>,
}

impl<T> Order<T> {
    pub(super) fn new() -> Self {
        Self { held: Vec::new(), newest: None, newest_before: None }
    }

    /// The newest time so far.
    pub(super) fn newest(&self) -> Option<Nanos> {
        self.newest
    }

    pub(super) fn push(&mut self, time: Nanos, event: T) {
        self.newest = self.newest.max(Some(time));
        self.held.push((time, event));
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= MAX_HELD
    }

    /// After a mark: what can go now, oldest first.
    pub(super) fn round(&mut self) -> impl Iterator<Item = (Nanos, T)> {
        self.sort();
        let ready = self.newest_before.map_or(0, |limit| self.held.partition_point(|(time, _)| *time <= limit));
        self.newest_before = self.newest;
        self.held.drain(..ready)
    }

    /// The older half, without a mark.
    pub(super) fn half(&mut self) -> impl Iterator<Item = (Nanos, T)> {
        self.sort();
        self.held.drain(..self.held.len() / 2)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = (Nanos, T)> {
        self.sort();
        self.held.drain(..)
    }

    /// Stable, and quick on what is almost sorted.
    fn sort(&mut self) {
        self.held.sort_by_key(|(time, _)| *time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_two_processors_come_out_in_order_and_no_later_than_needed() {
        let mut order = Order::new();
        for time in [10, 30, 20] {
            order.push(Nanos(time), ());
        }
        assert_eq!(order.round().count(), 0, "the next round may hold older ones");
        for time in [40, 25] {
            order.push(Nanos(time), ());
        }
        assert_eq!(order.round().map(|(time, ())| time.0).collect::<Vec<_>>(), [10, 20, 25, 30]);
        assert_eq!(order.rest().map(|(time, ())| time.0).collect::<Vec<_>>(), [40]);
    }
}
