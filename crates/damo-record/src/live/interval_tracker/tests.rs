//! A kdamond at a pace, and what somebody does to it.

use super::*;
use damo_model::{Addr, NrAccesses, Region, TargetKey};

fn ms(ms: i64) -> Nanos {
    Nanos::from_millis(ms)
}

fn intervals(sample: i64, aggregation: i64) -> Intervals {
    Intervals { sample: ms(sample), aggregation: ms(aggregation), update: Nanos::from_secs(1) }
}

fn change(intervals: Intervals) -> Change {
    Change { intervals, params: Vec::new(), tuning: false }
}

/// A kdamond at a pace, and what came out: the end of each snapshot and its aggregation interval.
struct Run {
    tracker: IntervalTracker,
    time: Nanos,
    out: Vec<(Nanos, Intervals)>,
    adopted: Option<Nanos>,
}

impl Run {
    /// Two seconds of 5 ms / 100 ms that take 130 ms.
    fn new() -> Self {
        let mut run =
            Run { tracker: IntervalTracker::new(intervals(5, 100)), time: ms(0), out: Vec::new(), adopted: None };
        run.go(15, 130, 20);
        run
    }

    /// So many aggregations of such a length, in each of which most accesses are `most`.
    fn go(&mut self, count: u32, length: i64, most: u32) {
        for _ in 0..count {
            self.time = self.time.saturating_add(ms(length));
            // Two targets.
            for target in 0..2 {
                let end = self.time.saturating_add(Nanos(target * 1000));
                let start = end.saturating_sub(ms(length));
                let mut snapshot = Snapshot::new(TargetKey(0), start, end, Some(self.tracker.intervals()));
                snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(most), None));
                self.tracker.observe(&snapshot);
                self.out.extend(self.tracker.keep(snapshot).map(|held| (held.end, held.intervals.unwrap())));
                self.settle(Some(end));
            }
        }
    }

    fn settle(&mut self, now: Option<Nanos>) {
        let adopted = self.tracker.decide(now);
        self.take(adopted);
    }

    fn take(&mut self, adopted: Option<Adopted>) {
        self.adopted = self.adopted.or(adopted.map(|adopted| adopted.since));
        let items = self.tracker.let_go().map(|item| match item {
            Item::Snapshot(snapshot) => (snapshot.end, snapshot.intervals.unwrap()),
            _ => unreachable!(),
        });
        self.out.extend(items);
    }

    /// Somebody writes a command that the kernel carries out in the next aggregation, of such a length.
    fn command(&mut self, staged: Intervals, length: i64, most: u32) -> Nanos {
        let opened = self.time.saturating_add(ms(1));
        self.tracker.hold(opened);
        self.go(1, length, most);
        self.tracker.written(self.time, change(staged));
        self.tracker.release();
        self.settle(None);
        opened
    }

    /// How many snapshots have these intervals; all must have come out, in order.
    fn count(&self, of: Intervals) -> usize {
        assert!(self.out.is_sorted_by_key(|(end, _)| *end));
        assert_eq!(self.out.last().unwrap().0, self.time.saturating_add(Nanos(1000)), "nothing is held back any more");
        self.out.iter().filter(|(_, intervals)| *intervals == of).count()
    }
}

#[test]
fn all_snapshots_after_a_commit_have_the_new_intervals() {
    for (new, length, most) in
        [(intervals(14, 280), 310, 20), (intervals(10, 100), 115, 10), (intervals(5, 50), 65, 10)]
    {
        let mut run = Run::new();
        let before = run.out.len();
        let opened = run.command(new, 130, most);
        run.go(7, length, most);
        assert_eq!(run.adopted, Some(opened), "{new:?}");
        assert_eq!(run.count(new), run.out.len() - before, "{new:?}");
        assert_eq!(run.tracker.intervals(), new);
    }
}

#[test]
fn what_is_staged_while_another_command_is_given_changes_nothing() {
    for staged in [intervals(14, 280), intervals(10, 100), intervals(5, 50)] {
        let mut run = Run::new();
        run.command(staged, 130, 20);
        run.go(8, 130, 20);
        assert_eq!((run.adopted, run.count(staged)), (None, 0), "{staged:?}");
        // And is still found when it is committed after all.
        run.command(staged, 130, staged.max_nr_accesses().0);
        run.go(8, if staged.aggregation == ms(100) { 115 } else { staged.aggregation.0 / 1_000_000 + 15 }, 10);
        assert!(run.adopted.is_some(), "{staged:?}");
    }
}

#[test]
fn a_kdamond_that_is_kept_waiting_now_and_then_is_not_taken_for_one_at_a_new_pace() {
    let mut run = Run::new();
    run.command(intervals(14, 280), 130, 20);
    for _ in 0..3 {
        run.go(4, 300, 20);
        run.go(1, 130, 20);
    }
    run.go(4, 130, 20);
    assert_eq!((run.adopted, run.count(intervals(14, 280))), (None, 0));
}

#[test]
fn somebody_who_only_looks_holds_nothing_back() {
    let mut run = Run::new();
    run.tracker.hold(run.time);
    run.tracker.release();
    run.settle(None);
    run.go(1, 130, 20);
    assert_eq!(run.count(intervals(5, 100)), run.out.len());
    // Not even if the command does not end.
    run.tracker.hold(run.time);
    run.go(100, 130, 20);
    assert_eq!(run.count(intervals(5, 100)), run.out.len());
}

#[test]
fn without_inotify_a_clear_change_of_intervals_is_found_and_staging_is_none() {
    let mut run = Run::new();
    run.tracker.staged(change(intervals(14, 280)));
    run.go(20, 130, 20);
    assert_eq!(run.adopted, None);
    run.go(10, 310, 20);
    assert!(run.adopted.is_some());
    assert!(run.count(intervals(14, 280)) >= 10);
}

#[test]
fn at_the_end_of_a_recording_nothing_is_left_back() {
    let mut run = Run::new();
    run.command(intervals(14, 280), 130, 20);
    run.go(1, 310, 20);
    let adopted = run.tracker.finish();
    run.take(adopted);
    assert!(run.adopted.is_some());
    assert_eq!(run.count(intervals(14, 280)), 4);
    let mut run = Run::new();
    run.tracker.hold(run.time);
    run.go(1, 130, 20);
    let adopted = run.tracker.finish();
    run.take(adopted);
    assert_eq!((run.adopted, run.count(intervals(5, 100))), (None, run.out.len()));
}
