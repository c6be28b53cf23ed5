//! How much memory was resident and free, as the record tells beside its snapshots. A record may have thousands of targets:
//! readings of each are looked up in one pass, where a query of a frame for each would take a millisecond or more.

use crate::ReportError;
use damo_frame::Record;
use damo_model::{Bytes, Nanos, Side, Target};

/// A figure over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings {
    points: Vec<(Nanos, Bytes)>,
    next: usize,
}

impl Readings {
    fn new(mut points: Vec<(Nanos, Bytes)>) -> Readings {
        points.sort_by_key(|(at, _)| *at);
        Readings { points, next: 0 }
    }

    /// The last reading at `now` or before, else the first one. Asked for in the order of time.
    pub(super) fn at(&mut self, now: Nanos) -> Option<Bytes> {
        while self.points.get(self.next).is_some_and(|(at, _)| *at <= now) {
            self.next += 1;
        }
        self.points.get(self.next.saturating_sub(1)).map(|(_, bytes)| *bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Resident bytes of a target: its process's, or the system's used memory for physical addresses.
    pub(super) fn resident(record: &Record, target: &Target) -> Result<Readings, ReportError> {
        let pid = target.process.as_ref().map(|process| process.pid);
        let physical = pid.is_none() && super::is_physical(record);
        let mut points = Vec::new();
        for side in record.side_data()? {
            let reading = match side {
                Side::Process(row) if row.target == Some(target.key) || (pid.is_some() && pid == Some(row.pid)) => {
                    row.footprint.rss.map(|rss| (row.at, rss))
                }
                Side::System(row) if physical => Some((row.at, Bytes(row.total.0.saturating_sub(row.free.0)))),
                _ => None,
            };
            points.extend(reading.and_then(|(at, bytes)| Some((record.on_record_clock(at)?, bytes))));
        }
        Ok(Readings::new(points))
    }

    /// The system's total and free memory.
    pub(super) fn system(record: &Record) -> Result<(Readings, Readings), ReportError> {
        let (mut total, mut free) = (Vec::new(), Vec::new());
        for side in record.side_data()? {
            if let Side::System(row) = side
                && let Some(at) = record.on_record_clock(row.at)
            {
                total.push((at, row.total));
                free.push((at, row.free));
            }
        }
        Ok((Readings::new(total), Readings::new(free)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reading_holds_and_the_first_one_before_it() {
        let mut readings = Readings::new(vec![(Nanos(20), Bytes(2)), (Nanos(10), Bytes(1))]);
        let at: Vec<_> = [0, 10, 15, 20, 99].map(|t| readings.at(Nanos(t)).map(|b| b.0)).into();
        assert_eq!(at, [Some(1), Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!(Readings::default().at(Nanos(0)), None);
    }
}
