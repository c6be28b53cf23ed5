//! One block of a record, decoded: what every analysis works on.
//!
//! A chunk keeps its regions in columns. Analyses that only add things up read the columns as slices, snapshot by
//! snapshot ([`Chunk::snapshots`]); those that filter, join or export take them as a Polars frame, which shares no
//! code with the slices but the same columns ([`Chunk::into_regions`] moves them, nothing is copied).

use crate::FrameError;
use damo_model::{AddrRange, Batch, Bytes, ColumnId, SnapshotHead};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// A run of snapshots with their regions in columns.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    batch: Batch,
}

/// One snapshot of a chunk: its head and its part of the columns, one element per region.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotView<'a> {
    /// Everything but the regions.
    pub head: &'a SnapshotHead,
    /// First byte of each region.
    pub start: &'a [u64],
    /// One past the last byte of each region.
    pub end: &'a [u64],
    /// Samples of the aggregation interval that found each region accessed.
    pub nr_accesses: &'a [u32],
    /// Age of each region in aggregation intervals; `None` where the source does not tell.
    pub age: Option<&'a [u32]>,
}

impl SnapshotView<'_> {
    /// Number of regions.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether the snapshot has no region (in the selection).
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// Whether every region that the source announced is there.
    pub fn is_complete(&self) -> bool {
        self.head.state == damo_model::SnapshotState::Complete
    }

    /// Bytes in regions that at least one sample found accessed: this snapshot's working set.
    pub fn working_set(&self) -> Bytes {
        let sizes = self.start.iter().zip(self.end).zip(self.nr_accesses);
        Bytes(sizes.filter(|(_, n)| **n > 0).fold(0, |sum: u64, ((s, e), _)| sum.saturating_add(e.saturating_sub(*s))))
    }
}

impl Chunk {
    /// The snapshots' heads, in record order. `SnapshotHead::regions` are rows of this chunk.
    pub fn heads(&self) -> &[SnapshotHead] {
        &self.batch.snapshots
    }

    /// First byte of each region, snapshot after snapshot.
    pub fn start(&self) -> &[u64] {
        &self.batch.start
    }

    /// One past the last byte of each region.
    pub fn end(&self) -> &[u64] {
        &self.batch.end
    }

    /// Samples that found each region accessed.
    pub fn nr_accesses(&self) -> &[u32] {
        &self.batch.nr_accesses
    }

    /// Age of each region in aggregation intervals; 0 where the snapshot's `has_age` is false.
    pub fn age(&self) -> &[u32] {
        &self.batch.age
    }

    /// An extra column, if any snapshot of the chunk has it; 0 for snapshots that lack it.
    pub fn extra(&self, id: ColumnId) -> Option<&[u64]> {
        self.batch.extras.iter().find(|(column, _)| *column == id).map(|(_, values)| values.as_slice())
    }

    /// The extra columns that the chunk has.
    pub fn extras(&self) -> &[(ColumnId, Vec<u64>)] {
        &self.batch.extras
    }

    /// The columns as they came from the reader.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Number of region rows.
    pub fn nr_regions(&self) -> usize {
        self.batch.start.len()
    }

    /// The smallest range that covers all regions; `None` without regions.
    pub fn address_range(&self) -> Option<AddrRange> {
        self.batch.address_range()
    }

    /// The snapshots one by one, in record order.
    pub fn snapshots(&self) -> impl Iterator<Item = SnapshotView<'_>> {
        self.batch.snapshots.iter().filter_map(|head| self.view(head))
    }

    fn view<'a>(&'a self, head: &'a SnapshotHead) -> Option<SnapshotView<'a>> {
        let rows = head.regions.clone();
        let age = self.batch.age.get(rows.clone())?;
        Some(SnapshotView {
            head,
            start: self.batch.start.get(rows.clone())?,
            end: self.batch.end.get(rows.clone())?,
            nr_accesses: self.batch.nr_accesses.get(rows)?,
            age: head.has_age.then_some(age),
        })
    }

    /// The same chunk with exactly these extra columns, 0 where it had none.
    pub(crate) fn with_extras(mut self, ids: &[ColumnId]) -> Chunk {
        let rows = self.nr_regions();
        let mut had = std::mem::take(&mut self.batch.extras);
        for id in ids {
            let values = had.iter_mut().find(|(column, _)| column == id).map(|(_, values)| std::mem::take(values));
            self.batch.extras.push((*id, values.unwrap_or_else(|| vec![0; rows])));
        }
        self
    }

    /// The regions as a frame: `snapshot` (u64: position in the record), `target` (u32), `start`, `end` (u64, bytes),
    /// `nr_accesses` (u32, samples), `age` (u32, aggregation intervals; null where unknown), and a u64 column for each
    /// extra (`extra_name`).
    ///
    /// # Errors
    /// When Polars refuses the columns (they differ in length: a fault of the reader).
    pub fn into_regions(self) -> Result<DataFrame, FrameError> {
        let rows = self.batch.start.len();
        let mut snapshot = Vec::with_capacity(rows);
        let mut target = Vec::with_capacity(rows);
        let all_have_age = self.batch.snapshots.iter().all(|head| head.has_age);
        for head in &self.batch.snapshots {
            snapshot.resize(snapshot.len() + head.regions.len(), head.index);
            target.resize(target.len() + head.regions.len(), head.target.0);
        }
        let age = if all_have_age {
            Series::new("age".into(), self.batch.age)
        } else {
            let heads = self.batch.snapshots.iter();
            let known = heads.flat_map(|head| std::iter::repeat_n(head.has_age, head.regions.len()));
            let ages = self.batch.age.iter().zip(known).map(|(age, known)| known.then_some(*age));
            Series::new("age".into(), ages.collect::<Vec<_>>())
        };
        let mut columns = vec![
            column("snapshot", snapshot),
            column("target", target),
            column("start", self.batch.start),
            column("end", self.batch.end),
            column("nr_accesses", self.batch.nr_accesses),
            age.into(),
        ];
        for (id, values) in self.batch.extras {
            columns.push(column(&extra_name(id), values));
        }
        Ok(DataFrame::new(rows, columns)?)
    }
}

impl From<Batch> for Chunk {
    fn from(batch: Batch) -> Self {
        Self { batch }
    }
}

/// The name an extra column has in frames: `filter_passed`, `probe_hits_0` …, else `extra_` and its number.
pub fn extra_name(id: ColumnId) -> String {
    match (id, id.probe()) {
        (ColumnId::FILTER_PASSED, _) => "filter_passed".to_owned(),
        (_, Some(probe)) => format!("probe_hits_{probe}"),
        (ColumnId(n), None) => format!("extra_{n}"),
    }
}

/// A frame column out of a vector, without copying it.
pub(crate) fn column<T>(name: &str, values: Vec<T>) -> Column
where
    Series: NamedFrom<Vec<T>, [T]>,
{
    Series::new(name.into(), values).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Addr, Age, Nanos, NrAccesses, Region, Snapshot, TargetKey};

    fn two_snapshots() -> Chunk {
        let mut batch = Batch::default();
        let mut snapshot = Snapshot::new(TargetKey(2), Nanos(0), Nanos(100), None);
        snapshot.regions.push(Region::new(Addr(0), Addr(10), NrAccesses(0), Some(Age(3))));
        snapshot.regions.push(Region::new(Addr(10), Addr(30), NrAccesses(4), Some(Age(5))));
        batch.push(7, &snapshot);
        snapshot.regions.truncate(1);
        snapshot.regions[0].age = None;
        batch.push(8, &snapshot);
        batch.into()
    }

    #[test]
    fn a_view_shows_the_rows_of_its_snapshot_only() {
        let chunk = two_snapshots();
        let views: Vec<_> = chunk.snapshots().collect();
        assert_eq!(views[0].end, [10, 30]);
        assert_eq!(views[0].working_set(), Bytes(20));
        assert_eq!(views[1].end, [10]);
        assert_eq!(views[1].age, None);
    }

    #[test]
    fn an_unknown_age_is_null_in_the_frame() {
        let frame = two_snapshots().into_regions().unwrap();
        assert_eq!(frame.shape(), (3, 6));
        assert_eq!(frame.column("age").unwrap().null_count(), 1);
        let snapshot = frame.column("snapshot").unwrap().u64().unwrap().to_vec();
        assert_eq!(snapshot, [Some(7), Some(7), Some(8)]);
    }
}
