//! One snapshot with what the access report wants to know of it.

use crate::confidence::{doubt, variance};
use crate::filter::Rows;
use crate::temperature::{Weights, access_percent, age_usec};
use damo_frame::Chunk;
use damo_model::{Bytes, ColumnId, Intervals, Nanos, NrAccesses, SnapshotHead};

/// A region of a snapshot, with what is derived from it.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub start: u64,
    pub end: u64,
    pub nr_accesses: u32,
    pub age: Option<u32>,
    /// Bytes that passed the scheme's filters, where known.
    pub passed: Option<u64>,
    /// Each probe, and in how many samples it hit.
    pub probe_hits: Vec<(u16, u64)>,
}

impl Region {
    /// Its size, or what of it passed the filters.
    pub(super) fn bytes(&self, passed: bool) -> u64 {
        if passed { self.passed.unwrap_or(0) } else { self.size() }
    }

    pub(super) fn size(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub(super) fn percent(&self, intervals: Intervals) -> u64 {
        access_percent(self.nr_accesses, intervals)
    }

    pub(crate) fn age_usec(&self, intervals: Intervals) -> i128 {
        age_usec(self.age.unwrap_or(0), intervals)
    }

    pub(super) fn temperature(&self, weights: Weights, intervals: Intervals) -> i128 {
        weights.temperature(Bytes(self.size()), self.nr_accesses, self.age, intervals)
    }

    /// How long nothing was accessed: 0 if something was, else the age and the aggregation it was seen in.
    pub(crate) fn idle_usec(&self, intervals: Intervals) -> i128 {
        if self.percent(intervals) > 0 {
            return 0;
        }
        self.age_usec(intervals) + i128::from(intervals.aggregation.as_micros())
    }
}

damo_model::words! {
    /// What regions can be sorted by.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum SortKey {
        /// The first byte of the region.
        Address = "address",
        /// The access rate of the region.
        AccessRate = "access_rate",
        /// For how long the access rate has been about the same.
        Age = "age",
        /// The size of the region in bytes.
        Size = "size",
        /// The temperature, by the weights of the report.
        Temperature = "temperature",
    }
}

/// A snapshot whose intervals are known.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub start: Nanos,
    pub end: Nanos,
    pub intervals: Intervals,
    pub partial: Option<u32>,
    /// Sorted by address.
    pub regions: Vec<Region>,
}

impl Snapshot {
    /// The snapshot of some rows. `probes` and the filter-passed sizes come from the chunk's extra columns.
    pub(super) fn new(chunk: &Chunk, rows: &Rows<'_>, intervals: Intervals) -> Self {
        let passed = chunk.extra(ColumnId::FILTER_PASSED);
        let probes = chunk.extras().iter().filter_map(|(id, values)| Some((id.probe()?, values.as_slice())));
        let mut probes: Vec<(u16, &[u64])> = probes.collect();
        probes.sort_by_key(|(probe, _)| *probe);
        let regions = (0..rows.len()).filter_map(|i| {
            let row = rows.row(i);
            Some(Region {
                start: *rows.start.get(i)?,
                end: *rows.end.get(i)?,
                nr_accesses: *rows.nr_accesses.get(i)?,
                age: rows.age.and_then(|age| age.get(i)).copied(),
                passed: passed.and_then(|passed| passed.get(row)).copied(),
                probe_hits: probes.iter().filter_map(|(probe, hits)| Some((*probe, *hits.get(row)?))).collect(),
            })
        });
        let mut regions: Vec<Region> = regions.collect();
        if !regions.is_sorted_by_key(|region| region.start) {
            regions.sort_by_key(|region| region.start);
        }
        let SnapshotHead { start, end, state, .. } = *rows.head;
        let partial = match state {
            damo_model::SnapshotState::Complete => None,
            damo_model::SnapshotState::Partial { expected } => Some(expected),
        };
        Self { start, end, intervals, partial, regions }
    }

    /// Bytes of all regions, or of what of them passed the filters.
    pub(super) fn total(&self, passed: bool) -> u64 {
        self.regions.iter().fold(0, |sum, region| sum.saturating_add(region.bytes(passed)))
    }

    /// Bytes of the regions that were found accessed.
    pub(super) fn accessed(&self) -> u64 {
        let hot = self.regions.iter().filter(|region| region.nr_accesses > 0);
        hot.fold(0, |sum, region| sum.saturating_add(region.size()))
    }

    /// Bytes per second, were each access found an access to the whole region.
    pub(super) fn bandwidth(&self, passed: bool) -> f64 {
        let sum: u128 =
            self.regions.iter().map(|region| u128::from(region.bytes(passed)) * u128::from(region.nr_accesses)).sum();
        let seconds = self.intervals.aggregation.as_secs_f64();
        if seconds > 0.0 { sum as f64 / seconds } else { 0.0 }
    }

    /// Bytes that samples found accessed, and the most that they could have.
    pub(super) fn observed(&self) -> (f64, f64) {
        let sum: u128 =
            self.regions.iter().map(|region| u128::from(region.size()) * u128::from(region.nr_accesses)).sum();
        (sum as f64, self.total(false) as f64 * self.max_nr_accesses())
    }

    /// Bytes accessed per sampling interval, and their standard error.
    pub(crate) fn accessed_per_sample(&self) -> (f64, f64) {
        let n = f64::from(self.intervals.max_nr_accesses().0.max(1));
        let (mut sum, mut square) = (0.0, 0.0);
        for region in &self.regions {
            let (size, count) = (region.size() as f64, f64::from(region.nr_accesses).min(n));
            sum += size * count / n;
            square += size * size * variance(count, n);
        }
        (sum, square.sqrt())
    }

    /// The standard error of the bytes in regions that were found accessed.
    pub(crate) fn working_set_error(&self) -> f64 {
        let square = |region: &Region| {
            let size = region.size() as f64;
            size * size * doubt(self.intervals, region.nr_accesses, region.age, NrAccesses(1))
        };
        self.regions.iter().map(square).sum::<f64>().sqrt()
    }

    pub(super) fn max_nr_accesses(&self) -> f64 {
        let Intervals { sample, aggregation, .. } = self.intervals;
        if sample.0 > 0 { aggregation.0 as f64 / sample.0 as f64 } else { 0.0 }
    }

    /// Access rates found, in percent of the most that there could have been, all regions alike.
    pub(crate) fn positive_percent(&self) -> f64 {
        let sum: f64 = self.regions.iter().map(|region| f64::from(region.nr_accesses)).sum();
        let most = self.max_nr_accesses() * self.regions.len() as f64;
        if most > 0.0 { sum * 100.0 / most } else { 0.0 }
    }

    /// The regions in the order of the keys, the last of which counts most.
    pub(super) fn sorted(&self, by: &[SortKey], descending: &[SortKey], weights: Weights) -> Vec<&Region> {
        let mut regions: Vec<&Region> = self.regions.iter().collect();
        for key in by {
            let value = |region: &Region| match key {
                SortKey::Address => i128::from(region.start),
                SortKey::AccessRate => i128::from(region.nr_accesses),
                SortKey::Age => region.age_usec(self.intervals),
                SortKey::Size => i128::from(region.size()),
                SortKey::Temperature => region.temperature(weights, self.intervals),
            };
            if descending.contains(key) {
                regions.sort_by_cached_key(|region| std::cmp::Reverse(value(region)));
            } else {
                regions.sort_by_cached_key(|region| value(region));
            }
        }
        regions
    }
}
