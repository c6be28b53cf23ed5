//! Series of snapshots that have different lengths, because intervals were tuned or because reading pages took long, as series of
//! values at equal distances of time. Otherwise a part of the run that has many short snapshots would count more than one with
//! few long ones, and two equal runs whose intervals changed at different times would seem to differ.

use super::Course;
use std::borrow::Cow;

/// Lengths that differ by no more than this factor are the same: aggregations on a loaded machine run late.
const SAME_LENGTH: f64 = 1.5;
/// The shortest and the longest length are those that such a share of the snapshots do not reach or exceed: single ones may
/// be anything.
const EXTREMES: f64 = 0.05;
/// A series becomes longer by at most this factor.
const MOST_TIMES: usize = 4;

impl Course {
    /// Values of the last instants, one for each, at equal distances of time. Where all snapshots are about as long, these are
    /// the values as they are.
    pub(crate) fn evened<'v>(&self, values: &'v [f64]) -> Cow<'v, [f64]> {
        let Some(times) = self.times.len().checked_sub(values.len()).and_then(|first| self.times.get(first..)) else {
            return Cow::Borrowed(values);
        };
        let lengths: Vec<f64> = times.iter().map(|time| time.length().0.max(0) as f64).collect();
        let mut sorted = lengths.clone();
        sorted.sort_by(f64::total_cmp);
        let few = (EXTREMES * sorted.len() as f64) as usize;
        let Some((shortest, longest)) = sorted.get(few).copied().zip(sorted.iter().rev().nth(few).copied()) else {
            return Cow::Borrowed(values);
        };
        if longest <= shortest * SAME_LENGTH {
            return Cow::Borrowed(values);
        }
        let whole: f64 = lengths.iter().sum();
        let count = ((whole / shortest.max(1.0)) as usize).clamp(values.len(), values.len() * MOST_TIMES);
        let step = whole / count as f64;
        let mut evened = Vec::with_capacity(count);
        let mut end = 0.0;
        for (length, value) in lengths.iter().zip(values) {
            end += length;
            while evened.len() < count && (evened.len() as f64 + 0.5) * step <= end {
                evened.push(*value);
            }
        }
        Cow::Owned(evened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Nanos, TimeSpan};

    fn run(lengths: impl IntoIterator<Item = i64>) -> Course {
        let mut at = 0;
        let time = |length: i64| {
            at += length;
            TimeSpan::new(Nanos::from_millis(at - length), Nanos::from_millis(at))
        };
        Course { times: lengths.into_iter().map(time).collect(), ..Course::default() }
    }

    #[test]
    fn a_long_snapshot_counts_as_much_as_the_short_ones_that_fit_into_it() {
        // 10 s of 5 in half seconds, and 15 s of 1 in snapshots of one and a half.
        let course = run([500; 20].into_iter().chain([1500; 10]));
        let values = [[5.0; 20].as_slice(), &[1.0; 10]].concat();
        let evened = course.evened(&values);
        assert_eq!(evened.len(), 50);
        let mean = evened.iter().sum::<f64>() / 50.0;
        assert!((mean - (10.0 * 5.0 + 15.0) / 25.0).abs() < 1e-9, "{mean}");
        // What is known of the end only is evened by the lengths there, which are all the same.
        assert!(matches!(course.evened(&values[20..]), Cow::Borrowed(rest) if rest.len() == 10));
    }

    #[test]
    fn snapshots_of_about_one_length_are_taken_as_they_are() {
        let late = run((0..100).map(|n| 100 + n % 40).chain([5000, 1]));
        let values: Vec<f64> = (0..102).map(f64::from).collect();
        assert!(matches!(late.evened(&values), Cow::Borrowed(_)));
        assert!(late.evened(&[]).is_empty());
        // Resident memory has times of its own.
        assert_eq!(late.evened(&[1.0; 300]).len(), 300);
    }

    #[test]
    fn a_series_does_not_become_much_longer() {
        let course = run([1; 20].into_iter().chain([60_000; 20]));
        let values = [[5.0; 20], [1.0; 20]].concat();
        let evened = course.evened(&values);
        assert!(evened.len() == 160 && evened.iter().all(|value| *value == 1.0), "{}", evened.len());
    }
}
