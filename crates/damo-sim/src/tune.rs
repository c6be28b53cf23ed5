//! Monitoring intervals tuned by the kernel's feedback loop, so that a wanted share of the possible access events is
//! observed (Linux 6.15).

use crate::monitor::MonitorTarget;
use damo_model::scheme::{GOAL_REACHED, feed_loop};
use damo_model::{Intervals, IntervalsGoal, Nanos};

/// The intervals after an aggregation that found what `targets` now hold.
pub(crate) fn tuned(
    intervals: Intervals,
    goal: &IntervalsGoal,
    targets: &[MonitorTarget],
    max_nr_accesses: u32,
) -> Intervals {
    let (mut possible, mut observed) = (0u128, 0u128);
    for piece in targets.iter().flat_map(|t| &t.pieces) {
        possible += u128::from(piece.size()) * u128::from(max_nr_accesses);
        observed += u128::from(piece.size()) * u128::from(piece.nr_accesses);
    }
    let wanted = (possible * u128::from(goal.access_bp) / 10_000).max(1);
    let score = u64::try_from(observed * u128::from(GOAL_REACHED) / wanted).unwrap_or(u64::MAX);
    let mut factor = feed_loop(100_000_000, score) / 10_000;
    if factor <= 10_000 {
        // At most halve: too short an interval sees nothing, and the way back up would be long.
        factor = 5_000 + factor / 2;
    }
    let sample = (i128::from(intervals.sample.0) * i128::from(factor) / 10_000 / 1000 * 1000) as i64;
    let sample = sample.clamp(goal.min_sample.0, goal.max_sample.0);
    let aggregation = Nanos(sample.saturating_mul(i64::from(max_nr_accesses)));
    Intervals { sample: Nanos(sample), aggregation, update: intervals.update }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Piece;

    fn target(cold: u64, hot: u64) -> Vec<MonitorTarget> {
        let piece = |start, end, nr_accesses| Piece { start, end, nr_accesses, last_nr_accesses: 0, age: 0 };
        vec![MonitorTarget { pieces: vec![piece(0, cold, 0), piece(cold, cold + hot, 20)] }]
    }

    fn goal() -> IntervalsGoal {
        let (min_sample, max_sample) = (Nanos::from_millis(5), Nanos::from_secs(10));
        IntervalsGoal { access_bp: 400, aggregations: 3, min_sample, max_sample }
    }

    fn sample_after(sample: i64, cold: u64, hot: u64) -> i64 {
        let sample = Nanos::from_millis(sample);
        let intervals = Intervals { sample, aggregation: Nanos(sample.0 * 20), update: Nanos::from_secs(1) };
        let tuned = tuned(intervals, &goal(), &target(cold, hot), 20);
        assert_eq!(tuned.aggregation.0, tuned.sample.0 * 20);
        tuned.sample.0 / 1_000_000
    }

    #[test]
    fn intervals_stay_where_the_goal_is_met() {
        assert_eq!(sample_after(100, 96 << 20, 4 << 20), 100);
    }

    #[test]
    fn intervals_grow_by_what_is_missing_and_at_most_double() {
        assert_eq!(sample_after(100, 98 << 20, 2 << 20), 150);
        assert_eq!(sample_after(100, 100 << 20, 0), 200);
        assert_eq!(sample_after(9_000, 100 << 20, 0), 10_000, "no further than allowed");
    }

    #[test]
    fn intervals_shrink_to_half_at_most() {
        assert_eq!(sample_after(100, 94 << 20, 6 << 20), 75);
        assert_eq!(sample_after(100, 0, 100 << 20), 50);
        assert_eq!(sample_after(6, 0, 100 << 20), 5, "no further than allowed");
    }
}
