//! How much memory was resident and free, as the record tells beside its snapshots.

use crate::ReportError;
use crate::footprints::used_memory;
use damo_frame::Record;
use damo_model::{Bytes, Nanos, Ops, Target};
use polars::prelude::{Expr, IntoLazy, LazyFrame, SortMultipleOptions, col, lit, when};

/// A figure over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings {
    /// Times and values, by time.
    points: Vec<(Nanos, Bytes)>,
    next: usize,
}

impl Readings {
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

    /// Values of a frame of readings, where they and their times on the record's clock are known.
    fn of(readings: LazyFrame, bytes: Expr) -> Result<Readings, ReportError> {
        let known = readings.select([col("record_ns"), bytes.alias("bytes")]).drop_nulls(None);
        let known = known.sort(["record_ns"], SortMultipleOptions::default().with_maintain_order(true)).collect()?;
        let (times, bytes) = (known.column("record_ns")?.i64()?, known.column("bytes")?.u64()?);
        let points = times.iter().zip(bytes.iter()).filter_map(|(at, bytes)| Some((Nanos(at?), Bytes(bytes?))));
        Ok(Readings { points: points.collect(), next: 0 })
    }

    /// Resident bytes of a target: its process's, or the system's used memory for physical addresses.
    pub(super) fn resident(record: &Record, target: &Target) -> Result<Readings, ReportError> {
        let pid = target.process.as_ref().map(|process| process.pid);
        let of_system = col("pid").is_null();
        let mut ours = col("target").eq(lit(target.key.0)).fill_null(lit(false));
        if let Some(pid) = pid {
            ours = ours.or(col("pid").eq(lit(pid)).fill_null(lit(false)));
        } else if record.meta().ops == Some(Ops::Paddr) {
            ours = ours.or(of_system.clone());
        }
        let bytes = when(of_system).then(used_memory()).otherwise(col("rss"));
        Self::of(record.readings()?.lazy().filter(ours), bytes)
    }

    /// The system's total and free memory.
    pub(super) fn system(record: &Record) -> Result<(Readings, Readings), ReportError> {
        let readings = record.readings()?.lazy();
        Ok((Self::of(readings.clone(), col("total"))?, Self::of(readings, col("free"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reading_holds_and_the_first_one_before_it() {
        let mut readings = Readings { points: vec![(Nanos(10), Bytes(1)), (Nanos(20), Bytes(2))], next: 0 };
        let at: Vec<_> = [0, 10, 15, 20, 99].map(|t| readings.at(Nanos(t)).map(|b| b.0)).into();
        assert_eq!(at, [Some(1), Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!(Readings::default().at(Nanos(0)), None);
    }
}
