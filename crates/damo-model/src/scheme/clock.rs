//! When a scheme acts: once an apply interval, while its watermarks let it, until it took as many snapshots as it may, and as
//! much as its quota leaves. The simulator acts by it, and what-if reports reckon by it.

use super::{Charge, Goal, Metric, Quotas, Scheme, Watermarks, goal_score};
use crate::{Intervals, Nanos};

/// The state of a scheme between two applications.
#[derive(Clone, Debug)]
pub struct SchemeClock {
    /// What was used of the quota.
    pub charge: Charge,
    /// `None` before anything is known of the time: then it is due at once.
    next_apply: Option<Nanos>,
    nr_snapshots: u64,
    is_active: bool,
    /// Time for which tasks had waited for memory when the quota's window began.
    stalled: Nanos,
}

impl SchemeClock {
    /// A scheme that is active and applied for the first time at `first`, or at once.
    pub fn new(first: Option<Nanos>) -> Self {
        SchemeClock {
            charge: Charge::default(),
            next_apply: first,
            nr_snapshots: 0,
            is_active: true,
            stalled: Nanos(0),
        }
    }

    /// Whether it is time to apply `scheme`, if its watermarks let it.
    pub fn is_due(&self, scheme: &Scheme, now: Nanos) -> bool {
        let ended = scheme.max_nr_snapshots.is_some_and(|max| max > 0 && self.nr_snapshots >= max);
        !ended && self.next_apply.is_none_or(|next| next <= now)
    }

    /// Whether the watermarks let it act, as of the last look.
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// Looks at the watermarks: `free` is the free part of the system's memory, in thousandths.
    pub fn look(&mut self, marks: &Watermarks, free: u32) {
        if marks.is_on() {
            let outside = free > marks.high || free < marks.low;
            self.is_active = !outside && (self.is_active || free < marks.mid);
        }
    }

    /// Times that it was tried on all regions.
    pub fn nr_snapshots(&self) -> u64 {
        self.nr_snapshots
    }

    /// It was applied, an interval after the time that was due.
    pub fn applied(&mut self, scheme: &Scheme, intervals: &Intervals, now: Nanos) {
        let due = self.next_apply.unwrap_or(now);
        self.applied_until(due.saturating_add(scheme.apply_interval(intervals)).max(now));
    }

    /// It was applied, and is not again before `next`.
    pub fn applied_until(&mut self, next: Nanos) {
        self.nr_snapshots += 1;
        self.next_apply = Some(next);
    }

    /// Begins a new window of the quota if the last one is over, tuned by its goals. `stalled` is the time for which some
    /// task waited for memory since the start, `value` tells the metrics of all other goals. Gives whether the last window
    /// was used up.
    pub fn renew(&mut self, quotas: &Quotas, now: Nanos, stalled: Nanos, value: impl Fn(&Goal) -> u64) -> bool {
        self.charge.renew(quotas, now, || {
            // The metric counts from the start, the goal by window.
            let waited = stalled.saturating_sub(std::mem::replace(&mut self.stalled, stalled));
            let score = |goal: &Goal| {
                let value = match goal.metric {
                    Metric::SomeMemPsiUs => u64::try_from(waited.as_micros()).unwrap_or(0),
                    _ => value(goal),
                };
                goal_score(value, goal.target_value)
            };
            quotas.goals.iter().map(score).max().unwrap_or(0)
        })
    }
}

impl Scheme {
    /// How often it is applied under `intervals`.
    pub fn apply_interval(&self, intervals: &Intervals) -> Nanos {
        if self.apply_interval.0 > 0 { self.apply_interval } else { intervals.aggregation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Action, GOAL_REACHED, WatermarkMetric};

    #[test]
    fn a_scheme_is_due_once_an_interval_until_it_took_all_its_snapshots() {
        let scheme = Scheme { max_nr_snapshots: Some(2), ..Scheme::new(Action::Stat) };
        let intervals = Intervals::default();
        let mut clock = SchemeClock::new(Some(intervals.aggregation));
        assert!(!clock.is_due(&scheme, Nanos::from_millis(99)));
        for at in [100, 200] {
            assert!(clock.is_due(&scheme, Nanos::from_millis(at)), "{at}");
            clock.applied(&scheme, &intervals, Nanos::from_millis(at));
            assert!(!clock.is_due(&scheme, Nanos::from_millis(at + 99)), "{at}");
        }
        assert!(!clock.is_due(&scheme, Nanos::from_secs(9)), "both snapshots were taken");
    }

    #[test]
    fn watermarks_let_a_scheme_act_again_only_below_the_middle_one() {
        let (metric, interval) = (WatermarkMetric::FreeMemRate, Nanos::from_secs(5));
        let marks = Watermarks { metric, interval, high: 500, mid: 400, low: 50 };
        let mut clock = SchemeClock::new(None);
        for (free, active) in [(450, true), (501, false), (450, false), (399, true), (450, true), (49, false)] {
            clock.look(&marks, free);
            assert_eq!(clock.is_active(), active, "{free}");
        }
    }

    #[test]
    fn several_goals_of_pressure_see_the_same_wait_of_the_window() {
        let goal = |target_value| Goal { metric: Metric::SomeMemPsiUs, target_value, ..Goal::default() };
        let quotas = Quotas { goals: vec![goal(2_000), goal(1_000)], reset_interval: Nanos(1), ..Quotas::default() };
        let mut clock = SchemeClock::new(None);
        clock.renew(&quotas, Nanos(0), Nanos(0), |_| 0);
        let before = clock.charge.limit;
        // The second goal is just reached: the limit stays.
        clock.renew(&quotas, Nanos(9), Nanos::from_millis(1), |_| 0);
        assert_eq!(clock.charge.limit, before, "score {GOAL_REACHED}");
    }
}
