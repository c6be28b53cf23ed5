//! A span of time.

use crate::Nanos;

/// The time `[start, end)` on a record's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeSpan {
    /// Its first moment.
    pub start: Nanos,
    /// The first moment after it.
    pub end: Nanos,
}

impl TimeSpan {
    /// From `start` to `end`, which may be the same moment.
    pub fn new(start: Nanos, end: Nanos) -> Self {
        TimeSpan { start, end }
    }

    /// How long it lasts; 0 if it ends before it begins.
    pub fn length(self) -> Nanos {
        self.end.saturating_sub(self.start).max(Nanos(0))
    }

    /// Whether `at` lies within it.
    pub fn contains(self, at: Nanos) -> bool {
        self.start <= at && at < self.end
    }

    /// Whether the two have a moment in common.
    pub fn overlaps(self, other: TimeSpan) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The shortest span that includes both.
    pub fn including(self, other: TimeSpan) -> TimeSpan {
        TimeSpan::new(self.start.min(other.start), self.end.max(other.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_begins_with_its_start_and_ends_before_its_end() {
        let span = TimeSpan::new(Nanos(100), Nanos(200));
        assert!(span.contains(Nanos(100)) && !span.contains(Nanos(200)));
        assert!(span.overlaps(TimeSpan::new(Nanos(50), Nanos(101))));
        assert!(!span.overlaps(TimeSpan::new(Nanos(0), Nanos(100))));
        assert!(!span.overlaps(TimeSpan::new(Nanos(200), Nanos(300))));
        assert_eq!(span.including(TimeSpan::new(Nanos(300), Nanos(400))).length(), Nanos(300));
    }
}
