//! A figure over time in bounded memory: recent values as they came, older ones thinned out.

use damo_model::Nanos;

/// More values are not kept of one figure.
const MOST: usize = 512;

/// Values with the moments at which they were read, in time order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series<T = u64> {
    points: Vec<(Nanos, T)>,
}

impl<T: Copy> Series<T> {
    /// Adds a value. One that is older than the last one is left out.
    pub(crate) fn push(&mut self, at: Nanos, value: T) {
        if self.points.last().is_some_and(|(last, _)| *last >= at) {
            return;
        }
        self.points.push((at, value));
        if self.points.len() > MOST {
            let recent = self.points.len() - MOST / 4;
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number > recent || number % 2 == 1
            });
        }
    }

    /// The last value that was read until `at`.
    pub(crate) fn at(&self, at: Nanos) -> Option<T> {
        self.point(at).map(|(_, value)| value)
    }

    fn point(&self, at: Nanos) -> Option<(Nanos, T)> {
        let after = self.points.partition_point(|(moment, _)| *moment <= at);
        after.checked_sub(1).map(|i| self.points[i])
    }
}

impl Series {
    /// By how much the value grew for each nanosecond from about `from` to about `to`; `None` unless two different moments
    /// are known.
    pub(crate) fn growth(&self, from: Nanos, to: Nanos) -> Option<f64> {
        let (end, last) = self.point(to)?;
        let (begin, first) = self.point(from).or_else(|| self.points.first().copied())?;
        // Within a short time no value was read: the two before it then.
        let (begin, first) = if begin < end { (begin, first) } else { self.point(Nanos(end.0.saturating_sub(1)))? };
        Some(last.saturating_sub(first) as f64 / (end.0 - begin.0) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_first_and_the_last_values_stay() {
        let mut series = Series::default();
        for second in 0..100_000 {
            series.push(Nanos::from_secs(second), second as u64);
        }
        assert!(series.points.len() <= MOST);
        assert_eq!(series.at(Nanos::from_secs(99_999)), Some(99_999));
        assert_eq!(series.at(Nanos::from_secs(0)), Some(0));
        assert_eq!(series.at(Nanos(-1)), None);
    }

    #[test]
    fn growth_is_for_each_nanosecond() {
        let mut series = Series::default();
        assert_eq!(series.growth(Nanos(0), Nanos(10)), None);
        series.push(Nanos(100), 5);
        assert_eq!(series.growth(Nanos(0), Nanos(100)), None);
        series.push(Nanos(200), 55);
        assert_eq!(series.growth(Nanos(0), Nanos(250)), Some(0.5));
        assert_eq!(series.growth(Nanos(220), Nanos(250)), Some(0.5));
    }
}
