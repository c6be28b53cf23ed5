//! How much a scheme may do: quotas per charge window, tuned by goals, with the most fitting regions first. As in the
//! kernel's design document and, in whole numbers, Linux 6.12.

use crate::monitor::Piece;
use crate::options::PAGE;
use crate::tune::{GOAL, feed_loop};
use damo_model::scheme::{Action, GoalTuner, Quotas, Weights};
use damo_model::{Intervals, Nanos};

/// Scores run from 0 to this.
pub(crate) const MAX_SCORE: usize = 99;
/// Bytes per millisecond that are expected of an action before any was measured.
const FIRST_GUESS: u64 = PAGE * 1024;

/// What a scheme has used of its quota.
#[derive(Clone, Debug, Default)]
pub(crate) struct Charge {
    /// When the present window began; `None` before the first one.
    since: Option<Nanos>,
    /// Bytes charged in it.
    pub(crate) charged: u64,
    /// Bytes that may be charged in it.
    pub(crate) limit: u64,
    /// Input of the goals' feedback loop.
    tuned: u64,
    /// Time and bytes charged in all windows, for the throughput.
    total_time: Nanos,
    total: u64,
    /// Where to go on: (target, address) behind the last region that was charged when the quota was used up.
    pub(crate) resume: Option<(usize, u64)>,
    /// Regions of a lower score are left for later.
    pub(crate) min_score: usize,
}

impl Charge {
    /// Begins a new window if the last one is over. `score` tells how far the goals are reached, of which [`GOAL`] is
    /// just so. Gives whether the last window was used up.
    pub(crate) fn renew(&mut self, quotas: &Quotas, now: Nanos, score: impl FnOnce() -> u64) -> bool {
        let over = match self.since {
            None => true,
            Some(since) => now.saturating_sub(since) >= quotas.reset_interval,
        };
        if !over {
            return false;
        }
        let used_up = self.since.is_some() && self.charged >= self.limit;
        self.total += self.charged;
        self.charged = 0;
        self.since = Some(now);
        self.limit = self.effective(quotas, score);
        used_up
    }

    fn effective(&mut self, quotas: &Quotas, score: impl FnOnce() -> u64) -> u64 {
        let mut limit = u64::MAX;
        if !quotas.goals.is_empty() {
            let score = score();
            limit = if quotas.goal_tuner == Some(GoalTuner::Temporal) {
                if score >= GOAL { 1 } else { u64::MAX }
            } else {
                self.tuned = feed_loop(self.tuned.max(10_000), score);
                self.tuned / 10_000
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
    pub(crate) fn is_used_up(&self) -> bool {
        self.charged >= self.limit
    }

    /// Charges an action on `bytes` that took `time`.
    pub(crate) fn charge(&mut self, bytes: u64, time: Nanos) {
        self.charged = self.charged.saturating_add(bytes);
        self.total_time = self.total_time.saturating_add(time);
    }

    /// Sets the score below which regions are left for later, so that those above fill the quota. `scored` gives score
    /// and size of each region the scheme is for.
    pub(crate) fn prioritise(&mut self, scored: impl Iterator<Item = (usize, u64)>) {
        let mut bytes = [0u64; MAX_SCORE + 1];
        for (score, size) in scored {
            if let Some(sum) = bytes.get_mut(score) {
                *sum = sum.saturating_add(size);
            }
        }
        let mut sum = 0u64;
        self.min_score = 0;
        for (score, bytes) in bytes.iter().enumerate().rev() {
            sum = sum.saturating_add(*bytes);
            if sum >= self.limit {
                self.min_score = score;
                return;
            }
        }
    }
}

/// How well `piece` fits `action`: hot ones first, cold ones first, or all alike. 0 to [`MAX_SCORE`].
pub(crate) fn score(action: Action, piece: &Piece, weights: &Weights, intervals: &Intervals) -> usize {
    match action {
        Action::Pageout | Action::LruDeprio | Action::MigrateCold => MAX_SCORE - hotness(piece, weights, intervals),
        Action::LruPrio | Action::MigrateHot => hotness(piece, weights, intervals),
        _ => MAX_SCORE,
    }
}

fn hotness(piece: &Piece, weights: &Weights, intervals: &Intervals) -> usize {
    let rate = i64::from(piece.nr_accesses) * 100 / i64::from(intervals.max_nr_accesses().0.max(1));
    // The older, the surer: hot regions score up with age and cold ones down, by the logarithm of the seconds.
    let seconds = u128::from(piece.age) * u128::from(intervals.aggregation.0.unsigned_abs()) / 1_000_000_000;
    let log = i64::from(u128::BITS - seconds.leading_zeros()).min(32);
    let age = (if rate == 0 { 32 - log } else { 32 + log }) * 100 / 64;
    let (of_rate, of_age) = (i64::from(weights.nr_accesses), i64::from(weights.age));
    let sum = of_rate + of_age;
    if sum == 0 {
        return 0;
    }
    let hotness = (of_rate * rate + of_age * age) / sum * MAX_SCORE as i64 / 100;
    (hotness.max(0) as usize).min(MAX_SCORE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Bytes;
    use damo_model::scheme::{Goal, Metric};

    fn piece(nr_accesses: u32, age: u32) -> Piece {
        Piece { start: 0, end: PAGE, nr_accesses, last_nr_accesses: nr_accesses, age }
    }

    const BOTH: Weights = Weights { size: 0, nr_accesses: 1, age: 1 };

    #[test]
    fn the_coldest_and_longest_idle_region_is_the_first_to_page_out_and_the_last_to_prioritise() {
        let intervals = Intervals::default();
        let pieces = [piece(0, 10_000), piece(0, 100), piece(0, 0), piece(5, 0), piece(20, 0), piece(20, 10_000)];
        let scores = |action| pieces.map(|p| score(action, &p, &BOTH, &intervals));
        assert!(scores(Action::Pageout).is_sorted_by(|a, b| a > b), "{:?}", scores(Action::Pageout));
        assert!(scores(Action::LruPrio).is_sorted_by(|a, b| a < b), "{:?}", scores(Action::LruPrio));
        assert_eq!(scores(Action::Hugepage), [MAX_SCORE; 6]);
        assert!(scores(Action::MigrateHot).iter().all(|s| *s <= MAX_SCORE));
    }

    #[test]
    fn weights_say_what_counts() {
        let intervals = Intervals::default();
        let rate_only = Weights { nr_accesses: 1, ..Weights::default() };
        let of = |p| score(Action::Pageout, &p, &rate_only, &intervals);
        assert_eq!(of(piece(0, 0)), of(piece(0, 100_000)));
        assert_eq!(of(piece(0, 0)), MAX_SCORE);
        assert_eq!(of(piece(20, 0)), 0);
        let age_only = Weights { age: 1, ..Weights::default() };
        let of = |p| score(Action::Pageout, &p, &age_only, &intervals);
        assert_eq!(of(piece(1, 50)), of(piece(20, 50)));
        assert!(of(piece(0, 100_000)) > of(piece(0, 10)));
    }

    #[test]
    fn the_lowest_score_admitted_is_where_the_quota_is_filled() {
        let mut charge = Charge { limit: 100, ..Charge::default() };
        charge.prioritise([(90, 60), (80, 30), (50, 30), (20, 1000)].into_iter());
        assert_eq!(charge.min_score, 50);
        charge.prioritise([(90, 60), (80, 30)].into_iter());
        assert_eq!(charge.min_score, 0);
    }

    #[test]
    fn a_window_is_renewed_after_its_interval_and_says_whether_it_was_used_up() {
        let quotas = Quotas { size: Bytes(1000), reset_interval: Nanos::from_secs(1), ..Quotas::default() };
        let mut charge = Charge::default();
        assert!(!charge.renew(&quotas, Nanos(0), || 0), "the first window has no one before it");
        charge.charge(1000, Nanos(0));
        assert!(charge.is_used_up());
        assert!(!charge.renew(&quotas, Nanos::from_millis(999), || 0));
        assert!(charge.is_used_up());
        assert!(charge.renew(&quotas, Nanos::from_secs(1), || 0));
        assert_eq!((charge.charged, charge.limit), (0, 1000));
    }

    #[test]
    fn a_time_quota_becomes_bytes_by_the_throughput_measured() {
        let time = Nanos::from_millis(10);
        let quotas = Quotas { time, reset_interval: Nanos::from_secs(1), ..Quotas::default() };
        let mut charge = Charge::default();
        charge.renew(&quotas, Nanos(0), || 0);
        assert_eq!(charge.limit, 10 * FIRST_GUESS);
        // 4 MB in 20 ms: twice the time allowed.
        charge.charge(4_000_000, Nanos::from_millis(20));
        charge.renew(&quotas, Nanos::from_secs(1), || 0);
        assert_eq!(charge.limit, 2_000_000);
        let both = Quotas { size: Bytes(500_000), ..quotas };
        charge.renew(&both, Nanos::from_secs(2), || 0);
        assert_eq!(charge.limit, 500_000);
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
        assert_eq!(missed, 1 << 20, "doubled each time");
        charge.renew(&quotas, Nanos::from_secs(20), || GOAL);
        assert_eq!(charge.limit, missed);
        charge.renew(&quotas, Nanos::from_secs(21), || GOAL * 3 / 2);
        assert_eq!(charge.limit, missed / 2);
        let temporal = Quotas { goal_tuner: Some(GoalTuner::Temporal), ..quotas };
        charge.renew(&temporal, Nanos::from_secs(22), || GOAL - 1);
        assert_eq!(charge.limit, u64::MAX);
        charge.renew(&temporal, Nanos::from_secs(23), || GOAL);
        assert_eq!(charge.limit, 1);
    }
}
