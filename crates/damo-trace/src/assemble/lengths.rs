//! How long a snapshot usually lasts, from the times between the ends of snapshots.
//!
//! Events tell when an aggregation ended, not when it began. Mostly it began where the one before ended, but not the
//! first one of a target, and not one behind a gap: the machine was suspended, DAMON was off, or its watermarks kept it
//! from working. Those began one usual length before their end. A mean over all times would count the gaps as well, so
//! that the usual length here is the mean of those times that are not much longer than the median.

use damo_model::{Intervals, Nanos};
use std::collections::BTreeMap;

/// A time that is so many times the usual length is a gap. Monitoring on a busy or emulated machine takes longer than its
/// interval, but hardly so much longer than it did around.
const GAP: i64 = 3;

/// Measured times that are so many times the aggregation interval in force are all gaps: such a figure is not believed.
pub(super) const BELIEVED: i64 = 32;

/// Times between the ends of snapshots of one target, in buckets of about an eighth of their length: memory does not grow
/// with their number.
#[derive(Clone, Debug, Default)]
pub struct Lengths {
    /// Sum and number of the times of each bucket.
    buckets: BTreeMap<u16, (i64, i64)>,
    smallest: Option<Nanos>,
}

impl Lengths {
    /// Takes note of a time between the ends of two snapshots that follow each other. Times of 0 and below tell nothing.
    pub fn add(&mut self, length: Nanos) {
        if length.0 <= 0 {
            return;
        }
        let (sum, count) = self.buckets.entry(bucket(length.0)).or_default();
        *sum = sum.saturating_add(length.0);
        *count += 1;
        self.smallest = Some(self.smallest.map_or(length, |smallest| smallest.min(length)));
    }

    /// The smallest time.
    pub(crate) fn smallest(&self) -> Option<Nanos> {
        self.smallest
    }

    /// The usual length: the mean of the times, without gaps. Rounded up, so that a start that follows from it is rounded
    /// down. `None` if there is no time.
    pub fn usual(&self) -> Option<Nanos> {
        let all: i64 = self.buckets.values().map(|(_, count)| count).sum();
        let mut before = 0;
        let mut median = None;
        for (sum, count) in self.buckets.values() {
            before += count;
            // Of an even number of times the lower one of the two in the middle: gaps are longer than what is not one.
            if before > (all - 1) / 2 {
                median = Some(sum / count);
                break;
            }
        }
        let longest = median?.saturating_mul(GAP);
        let (mut sum, mut count) = (0_i64, 0);
        for (_, (of_bucket, times)) in self.buckets.range(..=bucket(longest)) {
            sum = sum.saturating_add(*of_bucket);
            count += times;
        }
        (count > 0).then(|| Nanos(sum.saturating_add(count - 1) / count))
    }
}

/// Whether a time from the end of one snapshot to the end of the next is too long to be one snapshot. `measured` is the
/// usual length, `known` the intervals in force. Without either, nothing can be told.
pub fn is_gap(time: Nanos, measured: Option<Nanos>, known: Option<Intervals>) -> bool {
    let aggregation = aggregation(known);
    let longest = match (believed(measured, known), aggregation) {
        (Some(measured), aggregation) => measured.max(aggregation.unwrap_or(measured)).0.saturating_mul(GAP),
        (None, Some(aggregation)) => aggregation.0.saturating_mul(BELIEVED),
        (None, None) => return false,
    };
    time.0 > longest
}

/// A measured length, unless the intervals in force make it impossible.
pub fn believed(measured: Option<Nanos>, known: Option<Intervals>) -> Option<Nanos> {
    let longest = aggregation(known).map(|aggregation| aggregation.0.saturating_mul(BELIEVED));
    measured.filter(|measured| longest.is_none_or(|longest| measured.0 <= longest))
}

/// The aggregation interval, if it is one.
pub(super) fn aggregation(known: Option<Intervals>) -> Option<Nanos> {
    known.map(|intervals| intervals.aggregation).filter(|aggregation| aggregation.0 > 0)
}

/// Eight buckets for each power of two. `time` is above 0.
fn bucket(time: i64) -> u16 {
    let exponent = 63 - time.leading_zeros().min(63);
    let eighth = if exponent >= 3 { (time >> (exponent - 3)) & 7 } else { 0 };
    (exponent * 8) as u16 + eighth as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &[i64]) -> Option<i64> {
        let mut lengths = Lengths::default();
        times.iter().for_each(|time| lengths.add(Nanos::from_millis(*time)));
        lengths.usual().map(|usual| usual.as_micros())
    }

    #[test]
    fn the_usual_length_is_the_exact_mean_without_gaps() {
        assert_eq!(of(&[110, 130]), Some(120_000));
        assert_eq!(of(&[100, 100, 7_200_000, 100]), Some(100_000));
        assert_eq!(of(&[100, 7_200_000]), Some(100_000));
        assert_eq!(of(&[60_000, 100, 101, 60_000, 102]), Some(101_000));
        assert_eq!([of(&[]), of(&[0])], [None, None]);
    }

    #[test]
    fn a_gap_is_far_longer_than_what_was_measured_or_far_beyond_what_is_known() {
        let known = Some(Intervals::default());
        let ms = Nanos::from_millis;
        assert!(!is_gap(ms(300), Some(ms(100)), None) && is_gap(ms(301), Some(ms(100)), None));
        assert!(!is_gap(ms(300), Some(ms(10)), known), "no shorter than the interval in force");
        assert!(!is_gap(ms(3200), None, known) && is_gap(ms(3201), None, known));
        assert!(is_gap(ms(7_200_000), Some(ms(7_200_000)), known), "what was measured were gaps");
        assert!(!is_gap(ms(7_200_000), None, None));
    }
}
