//! Many snapshots in columns: the form in which readers give them and analyses take them.

use crate::{AddrRange, ColumnId, Intervals, Nanos, NrAccesses, Region, Snapshot, SnapshotState, TargetKey, TimeSpan};

/// One snapshot of a [`Batch`]: everything but its regions, which are rows `regions` of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Position in the whole record, from 0, over all targets.
    pub index: u64,
    /// The target whose memory it shows.
    pub target: TargetKey,
    /// When the aggregation began.
    pub start: Nanos,
    /// When it ended.
    pub end: Nanos,
    /// Intervals in force, where known.
    pub intervals: Option<Intervals>,
    /// Complete or partial.
    pub state: SnapshotState,
    /// Whether `age` means something for these rows; if not, the column holds 0.
    pub has_age: bool,
    /// Rows of the batch's columns.
    pub regions: std::ops::Range<usize>,
}

/// A run of snapshots, regions in columns (all of one length), one row per region, snapshot after snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The snapshots, in record order.
    pub snapshots: Vec<SnapshotHead>,
    /// First byte of each region.
    pub start: Vec<u64>,
    /// One past the last byte of each region.
    pub end: Vec<u64>,
    /// Samples that found each region accessed.
    pub nr_accesses: Vec<u32>,
    /// Age of each region in aggregation intervals; 0 where `SnapshotHead::has_age` is false.
    pub age: Vec<u32>,
    /// Extra columns present in any of the snapshots: full length, 0 where a snapshot lacks the column.
    pub extras: Vec<(ColumnId, Vec<u64>)>,
}

impl SnapshotHead {
    /// The aggregation interval that it is of.
    pub fn time_span(&self) -> TimeSpan {
        TimeSpan::new(self.start, self.end)
    }
}

impl Batch {
    /// Number of region rows.
    pub fn nr_regions(&self) -> usize {
        self.start.len()
    }

    /// Appends one snapshot as rows. `index` is its position in the record.
    pub fn push(&mut self, index: u64, snapshot: &Snapshot) {
        let first = self.start.len();
        let has_age = snapshot.regions.iter().all(|r| r.age.is_some());
        // Column by column: each grows once.
        self.start.extend(snapshot.regions.iter().map(|region| region.start.0));
        self.end.extend(snapshot.regions.iter().map(|region| region.end.0));
        self.nr_accesses.extend(snapshot.regions.iter().map(|region| region.nr_accesses.0));
        self.age.extend(snapshot.regions.iter().map(|region| region.age.filter(|_| has_age).map_or(0, |age| age.0)));
        let rows = self.start.len();
        for extra in &snapshot.extras {
            let column = match self.extras.iter().position(|(id, _)| *id == extra.id) {
                Some(at) => &mut self.extras[at].1,
                None => {
                    self.extras.push((extra.id, vec![0; first]));
                    &mut self.extras.last_mut().expect("just pushed").1
                }
            };
            column.extend_from_slice(&extra.values);
        }
        for (_, column) in &mut self.extras {
            column.resize(rows, 0);
        }
        self.snapshots.push(SnapshotHead {
            index,
            target: snapshot.target,
            start: snapshot.start,
            end: snapshot.end,
            intervals: snapshot.intervals,
            state: snapshot.state,
            has_age,
            regions: first..rows,
        });
    }

    /// The `i`-th snapshot of the batch as rows again.
    ///
    /// # Panics
    /// If `i` is not below `snapshots.len()`.
    pub fn snapshot(&self, i: usize) -> Snapshot {
        let head = &self.snapshots[i];
        let regions = head.regions.clone().map(|row| Region {
            start: crate::Addr(self.start[row]),
            end: crate::Addr(self.end[row]),
            nr_accesses: NrAccesses(self.nr_accesses[row]),
            age: head.has_age.then(|| crate::Age(self.age[row])),
        });
        let extras = self
            .extras
            .iter()
            .map(|(id, values)| crate::ExtraColumn { id: *id, values: values[head.regions.clone()].to_vec() });
        Snapshot {
            target: head.target,
            start: head.start,
            end: head.end,
            intervals: head.intervals,
            state: head.state,
            regions: regions.collect(),
            extras: extras.collect(),
        }
    }

    /// The smallest range that covers all regions; `None` without regions.
    pub fn address_range(&self) -> Option<AddrRange> {
        let start = self.start.iter().min()?;
        let end = self.end.iter().max()?;
        Some(AddrRange::new(crate::Addr(*start), crate::Addr(*end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Addr, Age, ExtraColumn};

    #[test]
    fn a_snapshot_pushed_comes_back_the_same() {
        let mut snapshot = Snapshot::new(TargetKey(1), Nanos(0), Nanos(100), None);
        snapshot.regions.push(Region::new(Addr(0), Addr(10), NrAccesses(1), Some(Age(2))));
        let mut with_extra = snapshot.clone();
        with_extra.extras.push(ExtraColumn { id: ColumnId::FILTER_PASSED, values: vec![7] });
        let mut batch = Batch::default();
        batch.push(0, &snapshot);
        batch.push(1, &with_extra);
        assert_eq!(batch.snapshot(1), with_extra);
        // Columns are rectangular: a snapshot that lacked the extra column reads as 0.
        assert_eq!(batch.snapshot(0).extras[0].values, [0]);
        assert_eq!(batch.address_range(), Some(AddrRange::new(Addr(0), Addr(10))));
    }
}
