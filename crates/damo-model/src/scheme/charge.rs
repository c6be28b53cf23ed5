//! How much a scheme may do: quotas per charge window, tuned by goals, with the most fitting regions first. As in the
//! kernel's design document and, in whole numbers, Linux 6.12. The simulator acts by it, and what-if reports reckon by it.

use super::{Action, GoalTuner, Quotas, Weights};
use crate::{Addr, Age, Bytes, Intervals, Nanos, NrAccesses};

/// Priorities run from 0 to this.
pub(crate) const MAX_PRIORITY: usize = 99;
/// Bytes per millisecond that are expected of an action before any was measured.
const FIRST_GUESS: u64 = 4096 * 1024;
/// A score of this much is a goal just reached.
pub const GOAL_REACHED: u64 = 10_000;
/// Never tune below this, so that a way up remains.
const MIN_INPUT: u64 = 10_000;

/// The kernel's feedback loop, a proportional controller: the next input, given that `last` led to `score`, of which
/// [`GOAL_REACHED`] would be right and more is too much. It changes by the share that is missed, up to doubling.
pub fn feed_loop(last: u64, score: u64) -> u64 {
    let missed = u128::from(score.abs_diff(GOAL_REACHED));
    let change = u64::try_from(u128::from(last) * missed / u128::from(GOAL_REACHED)).unwrap_or(u64::MAX);
    if score > GOAL_REACHED { last.saturating_sub(change).max(MIN_INPUT) } else { last.saturating_add(change) }
}

/// How far a goal of `target` is reached by `value`, of which [`GOAL_REACHED`] is just so.
pub(super) fn goal_score(value: u64, target: u64) -> u64 {
    let score = u128::from(value) * u128::from(GOAL_REACHED) / u128::from(target.max(1));
    u64::try_from(score).unwrap_or(u64::MAX)
}

crate::with_defaults! {
    /// What acting on memory is taken to cost in time, where no kernel measures it. There is no right figure for all
    /// machines; the defaults are of the order of a swap device in compressed memory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Costs {
        /// To look at a page; charged to the scheme's time quota.
        pub look: Nanos = Nanos(20),
        /// To page out, bring in, migrate or move a page; charged to the scheme's time quota.
        pub act: Nanos = Nanos(2_000),
        /// To bring back a page that was paged out, when it is accessed; the workload waits for it.
        pub refault: Nanos = Nanos(5_000),
    }
}

/// What a scheme has used of its quota.
#[derive(Clone, Debug, Default)]
pub struct Charge {
    /// When the present window began; `None` before the first one.
    since: Option<Nanos>,
    /// Charged in it.
    pub charged: Bytes,
    /// What may be charged in it.
    pub limit: Bytes,
    /// Input of the goals' feedback loop.
    tuned: u64,
    /// Time and bytes charged in all windows, for the throughput.
    total_time: Nanos,
    total: u64,
    /// Where to go on: the target (by its index) and the end of the last region that was charged when the quota was
    /// used up.
    pub resume: Option<(usize, Addr)>,
    /// Regions of a lower priority are left for later.
    pub min_priority: usize,
}

impl Charge {
    /// Begins a new window if the last one is over. `score` tells how far the goals are reached, of which
    /// [`GOAL_REACHED`] is just so. Gives whether the last window was used up.
    pub fn renew(&mut self, quotas: &Quotas, now: Nanos, score: impl FnOnce() -> u64) -> bool {
        let over = match self.since {
            None => true,
            Some(since) => now.saturating_sub(since) >= quotas.reset_interval,
        };
        if !over {
            return false;
        }
        let used_up = self.since.is_some() && self.is_used_up();
        self.total += self.charged.0;
        self.charged = Bytes(0);
        self.since = Some(now);
        self.limit = Bytes(self.effective(quotas, score));
        used_up
    }

    fn effective(&mut self, quotas: &Quotas, score: impl FnOnce() -> u64) -> u64 {
        let mut limit = u64::MAX;
        if !quotas.goals.is_empty() {
            let score = score();
            limit = if quotas.goal_tuner == Some(GoalTuner::Temporal) {
                if score >= GOAL_REACHED { 1 } else { u64::MAX }
            } else {
                self.tuned = feed_loop(self.tuned.max(MIN_INPUT), score);
                self.tuned / MIN_INPUT
            };
        }
        if quotas.time.0 > 0 {
            let per_ms = if self.total_time.0 > 0 {
                u64::try_from(u128::from(self.total) * 1_000_000 / self.total_time.0.unsigned_abs() as u128)
                    .unwrap_or(u64::MAX)
            } else {
                FIRST_GUESS
            };
            limit = limit.min(per_ms.saturating_mul(quotas.time.0.unsigned_abs() / 1_000_000).max(1));
        }
        if quotas.size.0 > 0 {
            limit = limit.min(quotas.size.0);
        }
        limit
    }

    /// Whether nothing more may be charged in this window.
    pub fn is_used_up(&self) -> bool {
        self.charged >= self.limit
    }

    /// What may still be charged in this window.
    pub fn left(&self) -> Bytes {
        Bytes(self.limit.0.saturating_sub(self.charged.0))
    }

    /// Charges an action on `bytes` that took `time`.
    pub fn charge(&mut self, bytes: Bytes, time: Nanos) {
        self.charged = self.charged.saturating_add(bytes);
        self.total_time = self.total_time.saturating_add(time);
    }

    /// Sets the priority below which regions are left for later, so that those above fill the quota. `regions` gives
    /// priority and size of each region that the scheme is for.
    pub fn prioritise(&mut self, regions: impl Iterator<Item = (usize, Bytes)>) {
        let mut bytes = [0u64; MAX_PRIORITY + 1];
        for (priority, size) in regions {
            if let Some(sum) = bytes.get_mut(priority) {
                *sum = sum.saturating_add(size.0);
            }
        }
        let mut sum = 0u64;
        self.min_priority = 0;
        for (priority, bytes) in bytes.iter().enumerate().rev() {
            sum = sum.saturating_add(*bytes);
            if sum >= self.limit.0 {
                self.min_priority = priority;
                return;
            }
        }
    }
}

/// How well a region of this rate and age fits `action`: hot ones first, cold ones first, or all alike. From
/// 0 to 99, as in the kernel.
pub fn priority(action: Action, nr_accesses: NrAccesses, age: Age, weights: &Weights, intervals: &Intervals) -> usize {
    let hotness = || hotness(nr_accesses, age, weights, intervals);
    match action {
        Action::Pageout | Action::LruDeprio | Action::MigrateCold => MAX_PRIORITY - hotness(),
        Action::LruPrio | Action::MigrateHot => hotness(),
        _ => MAX_PRIORITY,
    }
}

fn hotness(nr_accesses: NrAccesses, age: Age, weights: &Weights, intervals: &Intervals) -> usize {
    let rate = i64::from(nr_accesses.0) * 100 / i64::from(intervals.max_nr_accesses().0.max(1));
    // The older, the surer: hot regions score up with age and cold ones down, by the logarithm of the seconds.
    let seconds = u128::from(age.0) * u128::from(intervals.aggregation.0.unsigned_abs()) / 1_000_000_000;
    let log = i64::from(u128::BITS - seconds.leading_zeros()).min(32);
    let age = (if rate == 0 { 32 - log } else { 32 + log }) * 100 / 64;
    let (of_rate, of_age) = (i64::from(weights.nr_accesses), i64::from(weights.age));
    let sum = of_rate + of_age;
    if sum == 0 {
        return 0;
    }
    let hotness = (of_rate * rate + of_age * age) / sum * MAX_PRIORITY as i64 / 100;
    (hotness.max(0) as usize).min(MAX_PRIORITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Goal, Metric};

    const BOTH: Weights = Weights { size: 0, nr_accesses: 1, age: 1 };

    #[test]
    fn the_coldest_region_is_the_first_to_page_out_and_the_last_to_prioritise() {
        let intervals = Intervals::default();
        let regions = [(0, 10_000), (0, 100), (0, 0), (5, 0), (20, 0), (20, 10_000)];
        let scores =
            |action| regions.map(|(rate, age)| priority(action, NrAccesses(rate), Age(age), &BOTH, &intervals));
        assert!(scores(Action::Pageout).is_sorted_by(|a, b| a > b), "{:?}", scores(Action::Pageout));
        assert!(scores(Action::LruPrio).is_sorted_by(|a, b| a < b), "{:?}", scores(Action::LruPrio));
        assert_eq!(scores(Action::Hugepage), [MAX_PRIORITY; 6]);
        assert!(scores(Action::MigrateHot).iter().all(|s| *s <= MAX_PRIORITY));
    }

    #[test]
    fn weights_say_what_counts() {
        let intervals = Intervals::default();
        let rate_only = Weights { nr_accesses: 1, ..Weights::default() };
        let of = |rate, age| priority(Action::Pageout, NrAccesses(rate), Age(age), &rate_only, &intervals);
        assert_eq!(of(0, 0), of(0, 100_000));
        assert_eq!(of(0, 0), MAX_PRIORITY);
        assert_eq!(of(20, 0), 0);
        let age_only = Weights { age: 1, ..Weights::default() };
        let of = |rate, age| priority(Action::Pageout, NrAccesses(rate), Age(age), &age_only, &intervals);
        assert_eq!(of(1, 50), of(20, 50));
        assert!(of(0, 100_000) > of(0, 10));
    }

    #[test]
    fn the_loop_moves_by_the_share_that_is_missed() {
        assert_eq!(feed_loop(1_000_000, 10_000), 1_000_000);
        assert_eq!(feed_loop(1_000_000, 5_000), 1_500_000);
        assert_eq!(feed_loop(1_000_000, 15_000), 500_000);
        assert_eq!(feed_loop(1_000_000, u64::MAX), 10_000);
        assert_eq!(feed_loop(u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn the_lowest_score_admitted_is_where_the_quota_is_filled() {
        let mut charge = Charge { limit: Bytes(100), ..Charge::default() };
        charge.prioritise([(90, 60), (80, 30), (50, 30), (20, 1000)].into_iter().map(|(p, size)| (p, Bytes(size))));
        assert_eq!(charge.min_priority, 50);
        charge.prioritise([(90, 60), (80, 30)].into_iter().map(|(p, size)| (p, Bytes(size))));
        assert_eq!(charge.min_priority, 0);
    }

    #[test]
    fn a_window_is_renewed_after_its_interval_and_says_whether_it_was_used_up() {
        let quotas = Quotas { size: Bytes(1000), reset_interval: Nanos::from_secs(1), ..Quotas::default() };
        let mut charge = Charge::default();
        assert!(!charge.renew(&quotas, Nanos(0), || 0), "the first window has no one before it");
        charge.charge(Bytes(1000), Nanos(0));
        assert!(charge.is_used_up());
        assert!(!charge.renew(&quotas, Nanos::from_millis(999), || 0));
        assert!(charge.is_used_up());
        assert!(charge.renew(&quotas, Nanos::from_secs(1), || 0));
        assert_eq!((charge.charged, charge.limit), (Bytes(0), Bytes(1000)));
    }

    #[test]
    fn a_time_quota_becomes_bytes_by_the_throughput_measured() {
        let time = Nanos::from_millis(10);
        let quotas = Quotas { time, reset_interval: Nanos::from_secs(1), ..Quotas::default() };
        let mut charge = Charge::default();
        charge.renew(&quotas, Nanos(0), || 0);
        assert_eq!(charge.limit, Bytes(10 * FIRST_GUESS));
        // 4 MB in 20 ms: twice the time allowed.
        charge.charge(Bytes(4_000_000), Nanos::from_millis(20));
        charge.renew(&quotas, Nanos::from_secs(1), || 0);
        assert_eq!(charge.limit, Bytes(2_000_000));
        let both = Quotas { size: Bytes(500_000), ..quotas };
        charge.renew(&both, Nanos::from_secs(2), || 0);
        assert_eq!(charge.limit, Bytes(500_000));
    }

    #[test]
    fn goals_let_the_quota_grow_until_they_are_reached() {
        let goals = vec![Goal { metric: Metric::UserInput, target_value: 1, ..Goal::default() }];
        let quotas = Quotas { goals, reset_interval: Nanos::from_secs(1), ..Quotas::default() };
        let mut charge = Charge::default();
        for second in 0..20 {
            charge.renew(&quotas, Nanos::from_secs(second), || 0);
        }
        let missed = charge.limit;
        assert_eq!(missed, Bytes(1 << 20), "doubled each time");
        charge.renew(&quotas, Nanos::from_secs(20), || GOAL_REACHED);
        assert_eq!(charge.limit, missed);
        charge.renew(&quotas, Nanos::from_secs(21), || GOAL_REACHED * 3 / 2);
        assert_eq!(charge.limit, Bytes(missed.0 / 2));
        let temporal = Quotas { goal_tuner: Some(GoalTuner::Temporal), ..quotas };
        charge.renew(&temporal, Nanos::from_secs(22), || GOAL_REACHED - 1);
        assert_eq!(charge.limit, Bytes(u64::MAX));
        charge.renew(&temporal, Nanos::from_secs(23), || GOAL_REACHED);
        assert_eq!(charge.limit, Bytes(1));
    }
}
