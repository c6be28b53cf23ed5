//! Snapshots of the last time in bounded memory: recent ones as they came, older ones thinned out.

use damo_model::{
    Addr, AddrRange, Bytes, HeatClass, Intervals, Nanos, NodeHeat, PlacedMemory, Region, Snapshot, TargetKey, TimeSpan,
};
use std::collections::{BTreeMap, VecDeque};

/// Memory that snapshots may take, unless told otherwise.
pub(crate) const MOST_BYTES: usize = 32 << 20;
/// More snapshots are not kept, however small they are.
const MOST_MOMENTS: usize = 20_000;
/// Neighbours are put together in a snapshot with more regions.
const MOST_REGIONS: usize = 16_384;

/// One region: half of what [`Region`] takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RegionRow {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) nr_accesses: u32,
    /// [`RegionRow::NO_AGE`] if unknown.
    age: u32,
}

impl RegionRow {
    const NO_AGE: u32 = u32::MAX;

    fn new(region: &Region) -> Self {
        let age = region.age.map_or(Self::NO_AGE, |age| age.0.min(Self::NO_AGE - 1));
        Self { start: region.start.0, end: region.end.0, nr_accesses: region.nr_accesses.0, age }
    }

    pub(crate) fn range(self) -> AddrRange {
        AddrRange::new(Addr(self.start), Addr(self.end))
    }

    pub(crate) fn age(self) -> Option<u32> {
        (self.age != Self::NO_AGE).then_some(self.age)
    }

    fn class(self, max_nr_accesses: u32, aggregation: Option<Nanos>) -> HeatClass {
        let age = self.age().zip(aggregation).map(|(age, each)| Nanos(each.0.saturating_mul(age.into())));
        HeatClass::of(self.nr_accesses, max_nr_accesses, age)
    }

    /// Both as one: the mean access rate by size, and the lower age.
    fn joined(self, other: Self) -> Self {
        let sizes = [self, other].map(|row| row.range().size().0 as f64);
        let sum = sizes[0] * f64::from(self.nr_accesses) + sizes[1] * f64::from(other.nr_accesses);
        let nr_accesses = (sum / (sizes[0] + sizes[1]).max(1.0)).round() as u32;
        Self { start: self.start, end: other.end, nr_accesses, age: self.age.min(other.age) }
    }
}

/// How much memory of a snapshot is of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Accessed at least once.
    pub(crate) working_set: u64,
    /// Accessed in at least half of the samples.
    pub(crate) hot: u64,
    /// Not accessed for five seconds or longer, as far as ages are known.
    pub(crate) cold: u64,
    /// All of it.
    pub(crate) monitored: u64,
}

/// One snapshot, or several of which one is kept.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) target: TargetKey,
    pub(crate) span: TimeSpan,
    /// The highest number of accesses that the intervals allow; where they are unknown the highest seen so far.
    pub(crate) max_nr_accesses: u32,
    pub(crate) aggregation: Option<Nanos>,
    pub(crate) sums: Sums,
    pub(crate) regions: Box<[RegionRow]>,
    /// The latest end of a snapshot when this one came.
    reached: Nanos,
}

/// How hot some addresses are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Heat {
    /// Bytes of all regions, accessed or not.
    pub(crate) bytes: u64,
    /// Bytes that were accessed.
    pub(crate) accessed: u64,
    /// Mean over the bytes of the share of samples that found an access, 0..=1.
    pub(crate) share: f64,
    /// Mean over the bytes of the age in aggregation intervals, where known.
    pub(crate) age: Option<f64>,
}

impl Moment {
    pub(crate) fn new(snapshot: &Snapshot, intervals: Option<Intervals>, seen: u32) -> Self {
        let mut regions: Vec<RegionRow> = snapshot.regions.iter().map(RegionRow::new).collect();
        let possible = intervals.map_or(0, |intervals| intervals.max_nr_accesses().0);
        let max_nr_accesses = if possible > 0 { possible } else { seen.max(1) };
        let aggregation = intervals.map(|intervals| intervals.aggregation);
        let sums = Sums::of(&regions, max_nr_accesses, aggregation);
        while regions.len() > MOST_REGIONS {
            let pairs = regions.chunks(2).map(|pair| pair[1..].iter().fold(pair[0], |a, b| a.joined(*b)));
            regions = pairs.collect();
        }
        let (target, span) = (snapshot.target, snapshot.time_span());
        Self { target, span, max_nr_accesses, aggregation, sums, regions: regions.into(), reached: span.end }
    }

    /// For how long memory has not been accessed, by percentiles of the bytes; negative while it is accessed. `None` if
    /// ages or intervals are not known.
    pub(crate) fn idle<const N: usize>(&self, percentiles: [u32; N]) -> Option<[Nanos; N]> {
        let each = self.aggregation?.0;
        let idle = |row: &RegionRow| {
            let time = each.saturating_mul(row.age()?.into());
            Some((if row.nr_accesses > 0 { -time } else { time }, row.range().size().0))
        };
        let mut times = self.regions.iter().map(idle).collect::<Option<Vec<(i64, u64)>>>()?;
        times.sort_unstable();
        let all: u128 = times.iter().map(|(_, bytes)| u128::from(*bytes)).sum();
        let mut below = 0;
        let mut times = times.into_iter().peekable();
        let mut found = Vec::new();
        for percentile in percentiles {
            while let Some((_, bytes)) = times.peek()
                && (below + u128::from(*bytes)) * 100 < all * u128::from(percentile)
            {
                below += u128::from(*bytes);
                times.next();
            }
            found.push(Nanos(times.peek()?.0));
        }
        found.try_into().ok()
    }

    /// The share of samples that found an access, 0..=1.
    pub(crate) fn share(&self, row: RegionRow) -> f64 {
        (f64::from(row.nr_accesses) / f64::from(self.max_nr_accesses)).min(1.0)
    }

    /// The regions that overlap a range.
    pub(crate) fn overlapping(&self, range: AddrRange) -> impl Iterator<Item = RegionRow> + '_ {
        let first = self.regions.partition_point(|row| row.end <= range.start.0);
        self.regions[first..].iter().copied().take_while(move |row| row.start < range.end.0)
    }

    /// How hot the ranges are together.
    pub(crate) fn heat(&self, ranges: &[AddrRange]) -> Heat {
        let (mut heat, mut shares, mut ages, mut aged) = (Heat::default(), 0.0, 0.0, 0.0);
        for range in ranges {
            for row in self.overlapping(*range) {
                let bytes = row.end.min(range.end.0).saturating_sub(row.start.max(range.start.0));
                heat.bytes += bytes;
                heat.accessed += if row.nr_accesses > 0 { bytes } else { 0 };
                shares += self.share(row) * bytes as f64;
                if let Some(age) = row.age() {
                    ages += f64::from(age) * bytes as f64;
                    aged += bytes as f64;
                }
            }
        }
        heat.share = if heat.bytes > 0 { shares / heat.bytes as f64 } else { 0.0 };
        heat.age = (aged > 0.0).then(|| ages / aged);
        heat
    }

    /// The heat by node, of memory that is placed like that.
    pub(crate) fn heat_by_node(&self, placed: &PlacedMemory) -> BTreeMap<u32, NodeHeat> {
        let region =
            |row: &RegionRow| (row.range(), row.class(self.max_nr_accesses, self.aggregation), self.share(*row));
        placed.heats(self.regions.iter().map(region))
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.regions.len() * size_of::<RegionRow>()
    }
}

impl Sums {
    fn of(regions: &[RegionRow], max_nr_accesses: u32, aggregation: Option<Nanos>) -> Sums {
        let mut sums = Sums::default();
        for row in regions {
            let size = row.range().size().0;
            sums.monitored = sums.monitored.saturating_add(size);
            if row.nr_accesses > 0 {
                sums.working_set = sums.working_set.saturating_add(size);
            }
            match row.class(max_nr_accesses, aggregation) {
                HeatClass::Hot => sums.hot = sums.hot.saturating_add(size),
                HeatClass::Warm => {}
                HeatClass::Cold => sums.cold = sums.cold.saturating_add(size),
            }
        }
        sums
    }
}

damo_model::with_defaults! {
    /// The snapshots of all targets, in the order in which they came.
    #[derive(Debug)]
    pub(crate) struct History {
        most_bytes: usize = MOST_BYTES,
        moments: VecDeque<Moment>,
        bytes: usize,
        reached: Option<Nanos>,
        /// The longest time that one of them stands for.
        longest: Nanos,
    }
}

impl History {
    /// One that takes no more than so many bytes for its snapshots.
    pub(crate) fn with_memory(most_bytes: usize) -> Self {
        Self { most_bytes, ..Self::default() }
    }

    pub(crate) fn push(&mut self, mut moment: Moment) {
        let reached = self.reached.map_or(moment.span.end, |reached| reached.max(moment.span.end));
        moment.reached = reached;
        self.reached = Some(reached);
        self.longest = self.longest.max(moment.span.length());
        self.bytes += moment.memory();
        self.moments.push_back(moment);
        while self.bytes > self.most_bytes || self.moments.len() > MOST_MOMENTS {
            self.thin();
        }
    }

    /// Leaves out every second snapshot of each target, but for the newest quarter. The one before stands for its time.
    fn thin(&mut self) {
        let recent = self.moments.len() - self.moments.len() / 4;
        let before_it = self.moments.len();
        let mut kept: VecDeque<Moment> = VecDeque::with_capacity(before_it);
        // By target: where its last one is, if the next one is to be left out.
        let mut last: BTreeMap<TargetKey, usize> = BTreeMap::new();
        for (number, moment) in std::mem::take(&mut self.moments).into_iter().enumerate() {
            match last.remove(&moment.target) {
                Some(before) if number < recent => {
                    let before = &mut kept[before].span;
                    // Not over a gap.
                    if moment.span.start.saturating_sub(before.end) <= moment.span.length() {
                        before.end = before.end.max(moment.span.end);
                    }
                }
                _ => {
                    last.insert(moment.target, kept.len());
                    kept.push_back(moment);
                }
            }
        }
        if kept.len() == before_it {
            // There are no two of one target.
            kept.pop_front();
        }
        self.bytes = kept.iter().map(Moment::memory).sum();
        self.longest = kept.iter().map(|moment| moment.span.length()).max().unwrap_or_default();
        self.moments = kept;
    }

    /// Those that overlap a span, in order.
    pub(crate) fn within(&self, span: TimeSpan) -> impl DoubleEndedIterator<Item = &Moment> {
        let early = span.start.saturating_sub(self.longest);
        let first = self.moments.partition_point(|moment| moment.reached < early);
        // Snapshots of one time come in any order of targets, but not much later than each other.
        let late = span.end.saturating_add(self.longest).saturating_add(Nanos::from_secs(1));
        let last = self.moments.partition_point(|moment| moment.reached <= late).max(first);
        self.moments.range(first..last).filter(move |moment| moment.span.overlaps(span))
    }

    /// The last one of a target that began before `at`.
    pub(crate) fn last_of(&self, target: TargetKey, at: Nanos) -> Option<&Moment> {
        let late = at.saturating_add(self.longest).saturating_add(Nanos::from_secs(1));
        let last = self.moments.partition_point(|moment| moment.reached <= late);
        self.moments.range(..last).rev().find(|moment| moment.target == target && moment.span.start < at)
    }

    /// When the oldest one began.
    pub(crate) fn begin(&self) -> Option<Nanos> {
        self.moments.front().map(|moment| moment.span.start)
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.moments.len(), self.bytes)
    }
}

/// A size as a quantity.
pub(crate) fn bytes(value: f64) -> Bytes {
    Bytes(value.max(0.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Age, NrAccesses};

    fn moment(target: u32, number: i64, regions: u64) -> Moment {
        let mut snapshot = Snapshot::new(
            TargetKey(target),
            Nanos::from_millis(number * 100),
            Nanos::from_millis(number * 100 + 100),
            None,
        );
        for i in 0..regions {
            let accesses = NrAccesses(if i == 0 { 20 } else { 0 });
            snapshot.regions.push(Region::new(Addr(i * 4096), Addr((i + 1) * 4096), accesses, Some(Age(60))));
        }
        Moment::new(&snapshot, Some(Intervals::default()), 0)
    }

    #[test]
    fn memory_is_bounded_and_all_of_the_time_is_covered() {
        let mut history = History::default();
        for number in 0..6_000 {
            history.push(moment(0, number, 1_000));
            history.push(moment(1, number, 10));
        }
        let (moments, bytes) = history.size();
        assert!(bytes <= MOST_BYTES && moments < 12_000, "{moments} {bytes}");
        assert_eq!(history.begin(), Some(Nanos(0)));
        // Every second of ten minutes is still covered by a snapshot of each target.
        for second in 0..600 {
            let at = Nanos::from_millis(second * 1000 + 50);
            let span = TimeSpan::new(at, at.saturating_add(Nanos(1)));
            let targets: Vec<u32> = history.within(span).map(|moment| moment.target.0).collect();
            assert!(targets.contains(&0) && targets.contains(&1), "second {second}: {targets:?}");
        }
    }

    #[test]
    fn a_snapshot_of_very_many_regions_is_made_smaller_but_its_sums_stay() {
        let many = moment(0, 0, 100_000);
        assert!(many.regions.len() <= MOST_REGIONS);
        assert_eq!(many.sums.working_set, 4096);
        assert_eq!(many.sums.hot, 4096);
        assert_eq!(many.sums.cold, 99_999 * 4096);
        assert_eq!(many.sums.monitored, 100_000 * 4096);
        assert_eq!(many.regions.last().map(|row| row.end), Some(100_000 * 4096));
    }

    #[test]
    fn heat_is_the_mean_over_the_bytes() {
        let moment = moment(0, 0, 4);
        let heat = moment.heat(&[AddrRange::new(Addr(0), Addr(8192))]);
        assert_eq!((heat.bytes, heat.accessed, heat.share, heat.age), (8192, 4096, 0.5, Some(60.0)));
        assert_eq!(moment.heat(&[AddrRange::new(Addr(1 << 40), Addr(1 << 41))]), Heat::default());
    }
}
