//! From when times are counted in what people read: from one moment in all reports and pictures of a record.

use damo_frame::Record;
use damo_model::Nanos;

/// From when the times of a report are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// From when the recording began: the first snapshot's start, here on the record's clock. Times before it, of which
    /// ages tell, are negative.
    Began(Nanos),
    /// From the zero of the record's own clock.
    Clock,
}

impl Default for Zero {
    fn default() -> Self {
        Zero::Began(Nanos(0))
    }
}

impl Zero {
    /// That of the first record.
    pub fn of(records: &[Record]) -> Zero {
        records.first().map_or_else(Zero::default, |record| match record.shows_clock {
            true => Zero::Clock,
            false => Zero::Began(record.began()),
        })
    }

    /// A time on the record's clock as it is shown.
    pub fn since(self, at: Nanos) -> Nanos {
        match self {
            Zero::Began(began) => at.saturating_sub(began),
            Zero::Clock => at,
        }
    }

    /// The same for times as axes have them.
    pub(crate) fn since_wide(self, at: i128) -> i128 {
        match self {
            Zero::Began(began) => at - i128::from(began.0),
            Zero::Clock => at,
        }
    }

    /// What an axis of times says.
    pub fn axis(self) -> &'static str {
        match self {
            Zero::Began(_) => "time since the recording began",
            Zero::Clock => "time on the record's clock",
        }
    }
}
