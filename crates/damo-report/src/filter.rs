//! Which snapshots and regions a report looks at: one filter for all reports.
//!
//! In the order of the Python tool: region size, access rate and age; address ranges (regions that stick out are
//! clipped); snapshot size; snapshot time; snapshot position; temperature. All bounds are inclusive. Whatever can be
//! decided from a record's index (times, addresses, targets) becomes a [`Selection`], so that blocks without a chance
//! are not decoded. Snapshots left without regions stay, empty.

use crate::ReportError;
use crate::temperature::Weights;
use damo_frame::{Chunk, Detail, Record, SnapshotView};
use damo_model::{Addr, AddrRange, Bytes, Intervals, Nanos, Selection, SnapshotHead, Target, TargetKey, TimeSpan};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Deref;

/// Bounds that are included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<T> {
    /// The smallest value within.
    pub min: T,
    /// The largest value within.
    pub max: T,
}

impl<T: PartialOrd> Bounds<T> {
    /// From `min` to `max`, both included.
    pub fn new(min: T, max: T) -> Self {
        Self { min, max }
    }

    /// Whether `value` lies within.
    pub fn holds(&self, value: &T) -> bool {
        self.min <= *value && *value <= self.max
    }
}

/// Which of a record's targets: all fields that are set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetFilter {
    /// Index of the kdamond, from 0.
    pub kdamond: Option<u32>,
    /// Index of the context, from 0.
    pub context: Option<u32>,
    /// Index of the scheme, from 0.
    pub scheme: Option<u32>,
    /// The kernel's target id.
    pub target_id: Option<u64>,
    /// Process id of the target.
    pub pid: Option<i32>,
    /// The target's key in its record.
    pub key: Option<TargetKey>,
    /// Plain monitoring only: no scheme's view of a target.
    pub plain_only: bool,
}

impl TargetFilter {
    /// Whether it lets all targets pass.
    pub fn is_all(&self) -> bool {
        *self == TargetFilter::default()
    }

    /// Whether `target` passes.
    pub fn holds(&self, target: &Target) -> bool {
        let pid = target.process.as_ref().map(|process| process.pid);
        (self.kdamond.is_none() || self.kdamond == target.kdamond.map(|index| index.0))
            && (self.context.is_none() || self.context == target.context)
            && (self.scheme.is_none() || self.scheme == target.scheme)
            && (self.target_id.is_none() || self.target_id == target.target_id)
            && (self.pid.is_none() || self.pid == pid)
            && (self.key.is_none() || self.key == Some(target.key))
            && (!self.plain_only || target.scheme.is_none())
    }
}

/// What to look at. The default is everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The targets that pass.
    pub target: TargetFilter,
    /// Sizes of regions.
    pub sz_region: Option<Bounds<Bytes>>,
    /// Access rates of regions in percent of the possible; regions pass where intervals are unknown.
    pub access_rate: Option<Bounds<f64>>,
    /// Ages of regions as time; regions pass where intervals are unknown, and do not where only the age is.
    pub age: Option<Bounds<Nanos>>,
    /// Address ranges, sorted and disjoint (see [`Filter::set_addresses`]).
    pub addresses: Vec<AddrRange>,
    /// Total sizes of snapshots, any of them.
    pub sz_snapshot: Vec<Bounds<Bytes>>,
    /// Spans of time on the record's clock; a snapshot lies within one of them.
    pub snapshot_time: Vec<Bounds<Nanos>>,
    /// The same since the recording began: to be put on a record's clock by `Filter::on_clock_of` first.
    pub since_began: Vec<Bounds<Nanos>>,
    /// Positions in the target's series of snapshots, from 0, after the filters above.
    pub snapshot_idx: Vec<Bounds<u64>>,
    /// Temperatures of regions, any of them.
    pub temperature: Vec<Bounds<i128>>,
    /// What makes the temperature.
    pub weights: Weights,
}

impl Filter {
    /// Sets the address ranges.
    ///
    /// # Errors
    /// If one ends before it starts, or two overlap.
    pub fn set_addresses(&mut self, mut ranges: Vec<AddrRange>) -> Result<(), ReportError> {
        ranges.sort();
        for range in &ranges {
            if range.end < range.start {
                let (start, end) = (range.start.0, range.end.0);
                return Err(ReportError::invalid(format!("address range {start} to {end} ends before it starts")));
            }
        }
        for pair in ranges.windows(2) {
            if let [a, b] = pair
                && b.start < a.end
            {
                let (start, end) = (b.start.0, a.end.0);
                return Err(ReportError::invalid(format!(
                    "address ranges overlap: one starts at {start}, before the one before it ends at {end}; join them"
                )));
            }
        }
        self.addresses = ranges;
        Ok(())
    }

    /// With its times put on the record's clock.
    #[must_use]
    pub(crate) fn on_clock_of(&self, record: &Record) -> Filter {
        let mut filter = self.clone();
        let began = record.began();
        // The ends of what is possible stay there.
        let on_clock = |at: Nanos| if at == Nanos(i64::MAX) { at } else { at.saturating_add(began) };
        let spans = filter.since_began.drain(..).map(|span| Bounds::new(on_clock(span.min), on_clock(span.max)));
        filter.snapshot_time.extend(spans);
        filter
    }

    /// Leaves out schemes' views of targets that are monitored plainly as well, unless a scheme's are asked for: their
    /// memory would count twice.
    pub fn plain_monitoring(&self, record: &Record) -> Cow<'_, Filter> {
        let plain = |target: &Target| target.scheme.is_none();
        let mixed = record.targets().iter().any(plain) && !record.targets().iter().all(plain);
        if !mixed || self.target.scheme.is_some() {
            return Cow::Borrowed(self);
        }
        let mut filter = self.clone();
        filter.target.plain_only = true;
        Cow::Owned(filter)
    }

    /// Whether every region of every snapshot passes.
    pub fn is_all(&self) -> bool {
        let times = self.snapshot_time.is_empty() && self.since_began.is_empty();
        let snapshots = self.sz_snapshot.is_empty() && times && self.snapshot_idx.is_empty();
        self.regions_pass() && snapshots && self.target.is_all()
    }

    /// Whether every region passes of a snapshot that passes.
    pub(crate) fn regions_pass(&self) -> bool {
        let Filter { sz_region, access_rate, age, addresses, temperature, .. } = self;
        let bounds = sz_region.is_none() && access_rate.is_none() && age.is_none();
        bounds && addresses.is_empty() && temperature.is_empty()
    }

    /// Whether anything but snapshots' heads has to be looked at, or snapshots have to be counted in order.
    pub(crate) fn needs_regions(&self) -> bool {
        !self.regions_pass() || !self.sz_snapshot.is_empty() || !self.snapshot_idx.is_empty()
    }

    /// Whether ages decide what passes.
    pub(crate) fn needs_ages(&self) -> bool {
        self.age.is_some() || !self.temperature.is_empty()
    }

    /// The keys of the record's targets that pass.
    pub fn targets(&self, record: &Record) -> Vec<TargetKey> {
        record.targets().iter().filter(|target| self.target.holds(target)).map(|target| target.key).collect()
    }

    /// The part of the record that can hold something that passes; `None` if no target does.
    pub fn selection(&self, record: &Record) -> Option<Selection> {
        let targets = if self.target.is_all() { Vec::new() } else { self.targets(record) };
        if targets.is_empty() && !self.target.is_all() {
            return None;
        }
        let from = self.snapshot_time.iter().map(|time| time.min).min();
        let to = self.snapshot_time.iter().map(|time| time.max).max();
        // A selection is half-open: widened by one so that a snapshot of no length at a bound is not lost.
        let time =
            from.zip(to).map(|(from, to)| TimeSpan::new(from.saturating_sub(Nanos(1)), to.saturating_add(Nanos(1))));
        // Addresses prune nothing before the size filters, which look at whole regions: they are applied here.
        Some(Selection { time, addresses: Vec::new(), targets })
    }
}

/// A snapshot with those of its regions that passed.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    view: SnapshotView<'a>,
    /// The intervals in force: the snapshot's, or the record's.
    pub intervals: Option<Intervals>,
    /// Row of each region in the chunk's columns, when not all passed; else they are `head.regions`.
    rows: Option<&'a [usize]>,
}

impl<'a> Deref for Rows<'a> {
    type Target = SnapshotView<'a>;

    fn deref(&self) -> &SnapshotView<'a> {
        &self.view
    }
}

impl Rows<'_> {
    /// Where the `i`-th region is in the chunk's columns (for its extra columns).
    pub fn row(&self, i: usize) -> usize {
        match self.rows {
            Some(rows) => rows.get(i).copied().unwrap_or(usize::MAX),
            None => self.head.regions.start + i,
        }
    }

    /// Bytes in all regions.
    pub fn total(&self) -> Bytes {
        let sizes = self.start.iter().zip(self.end);
        Bytes(sizes.fold(0, |sum: u64, (start, end)| sum.saturating_add(end.saturating_sub(*start))))
    }
}

/// Applies a filter, snapshot after snapshot.
#[derive(Debug)]
pub struct RegionFilter<'f> {
    filter: &'f Filter,
    regions_pass: bool,
    record_intervals: Option<Intervals>,
    seen: HashMap<TargetKey, u64>,
    start: Vec<u64>,
    end: Vec<u64>,
    nr_accesses: Vec<u32>,
    age: Vec<u32>,
    rows: Vec<usize>,
}

impl<'f> RegionFilter<'f> {
    /// A sieve for the snapshots of one record.
    pub fn new(filter: &'f Filter, record_intervals: Option<Intervals>) -> Self {
        Self {
            filter,
            regions_pass: filter.regions_pass(),
            record_intervals,
            seen: HashMap::new(),
            start: Vec::new(),
            end: Vec::new(),
            nr_accesses: Vec::new(),
            age: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// The snapshot with the regions that pass; `None` if the snapshot does not.
    ///
    /// # Errors
    /// If the filter asks for temperatures and the intervals are unknown.
    pub fn pass<'a>(&'a mut self, view: &SnapshotView<'a>) -> Result<Option<Rows<'a>>, ReportError> {
        let intervals = view.head.intervals.or(self.record_intervals);
        let head = view.head;
        if self.regions_pass {
            let all = Rows { view: *view, intervals, rows: None };
            let passes = self.snapshot_passes(head, || all.total());
            return Ok(passes.then_some(all));
        }
        self.clear();
        let mut total = Bytes(0);
        for (i, (start, end)) in view.start.iter().zip(view.end).enumerate() {
            let (Some(nr_accesses), age) = (view.nr_accesses.get(i), view.age.and_then(|age| age.get(i)).copied())
            else {
                break;
            };
            if self.region_passes(*start, *end, *nr_accesses, age, intervals) {
                let row = head.regions.start + i;
                total = total.saturating_add(self.push_clipped((*start, *end), *nr_accesses, age, row, intervals));
            }
        }
        if !self.snapshot_passes(head, || total) {
            return Ok(None);
        }
        if !self.filter.temperature.is_empty() && intervals.is_none() {
            return Err(ReportError::invalid(
                "a filter by temperature needs to know the monitoring intervals, which this record does not contain",
            ));
        }
        let age = view.age.is_some().then_some(&self.age[..]);
        let view = SnapshotView { head, start: &self.start, end: &self.end, nr_accesses: &self.nr_accesses, age };
        Ok(Some(Rows { view, intervals, rows: Some(&self.rows) }))
    }

    fn clear(&mut self) {
        self.start.clear();
        self.end.clear();
        self.nr_accesses.clear();
        self.age.clear();
        self.rows.clear();
    }

    fn region_passes(&self, start: u64, end: u64, nr: u32, age: Option<u32>, intervals: Option<Intervals>) -> bool {
        let filter = self.filter;
        let size = Bytes(end.saturating_sub(start));
        if filter.sz_region.is_some_and(|bounds| !bounds.holds(&size)) {
            return false;
        }
        let Some(intervals) = intervals else {
            return true;
        };
        let possible = f64::from(intervals.max_nr_accesses().0.max(1));
        let percent = f64::from(nr) * 100.0 / possible;
        if filter.access_rate.is_some_and(|bounds| !bounds.holds(&percent)) {
            return false;
        }
        let age = age.map(|age| Nanos(intervals.aggregation.0.saturating_mul(age.into())));
        filter.age.is_none_or(|bounds| age.is_some_and(|age| bounds.holds(&age)))
    }

    /// Keeps the parts of a region that lie in the wanted addresses and have a wanted temperature. Gives the bytes of all parts
    /// in the addresses, because a snapshot's size counts before temperatures do.
    fn push_clipped(
        &mut self,
        (start, end): (u64, u64),
        nr_accesses: u32,
        age: Option<u32>,
        row: usize,
        intervals: Option<Intervals>,
    ) -> Bytes {
        let Filter { addresses, temperature, weights, .. } = self.filter;
        let region = AddrRange::new(Addr(start), Addr(end));
        let whole = addresses.is_empty().then_some(region);
        let mut total = Bytes(0);
        for part in addresses.iter().filter_map(|range| region.intersection(*range)).chain(whole) {
            total = total.saturating_add(part.size());
            let of = |intervals| weights.temperature(part.size(), nr_accesses, age, intervals);
            if temperature.is_empty()
                || intervals.map(of).is_some_and(|degrees| temperature.iter().any(|bounds| bounds.holds(&degrees)))
            {
                self.start.push(part.start.0);
                self.end.push(part.end.0);
                self.nr_accesses.push(nr_accesses);
                self.age.push(age.unwrap_or(0));
                self.rows.push(row);
            }
        }
        total
    }

    /// Whether a snapshot passes of which only the head is there, by a filter that needs no more
    /// ([`Filter::needs_regions`]).
    pub(crate) fn head_passes(&mut self, head: &SnapshotHead) -> bool {
        self.snapshot_passes(head, || Bytes(0))
    }

    fn snapshot_passes(&mut self, head: &SnapshotHead, total: impl FnOnce() -> Bytes) -> bool {
        let filter = self.filter;
        if !filter.sz_snapshot.is_empty() {
            let total = total();
            if !filter.sz_snapshot.iter().any(|bounds| bounds.holds(&total)) {
                return false;
            }
        }
        let within = |bounds: &Bounds<Nanos>| bounds.min <= head.start && head.end <= bounds.max;
        if !filter.snapshot_time.is_empty() && !filter.snapshot_time.iter().any(within) {
            return false;
        }
        if filter.snapshot_idx.is_empty() {
            return true;
        }
        let seen = self.seen.entry(head.target).or_default();
        let index = *seen;
        *seen += 1;
        filter.snapshot_idx.iter().any(|bounds| bounds.holds(&index))
    }
}

/// Folds over the snapshots that pass: on all cores, or in order where passing depends on what came before. What is later in
/// the record is on the right of `plus`. Of the regions as much is there as `detail` says, at least.
///
/// # Errors
/// If the record cannot be read or the filter cannot be applied to it.
pub(crate) fn fold_rows<T: Send>(
    record: &Record,
    filter: &Filter,
    detail: Detail,
    empty: impl Fn() -> T + Sync,
    take: impl Fn(&mut T, &Rows<'_>) + Sync,
    plus: impl Fn(T, T) -> T,
) -> Result<T, ReportError> {
    let Some(selection) = filter.selection(record).filter(|_| filter.snapshot_idx.is_empty()) else {
        let mut all = empty();
        for_each_rows(record, filter, |_, rows| {
            take(&mut all, &rows);
            Ok(())
        })?;
        return Ok(all);
    };
    let intervals = record.meta().intervals;
    let begin = || (empty(), RegionFilter::new(filter, intervals));
    let step = |(all, region_filter): &mut (T, RegionFilter<'_>), chunk: &Chunk| {
        for view in chunk.snapshots() {
            if let Some(rows) = region_filter.pass(&view)? {
                take(all, &rows);
            }
        }
        Ok::<(), ReportError>(())
    };
    Ok(record.fold_detail(&selection, detail, begin, step, |(a, region_filter), (b, _)| (plus(a, b), region_filter))?.0)
}

/// Gives `f` each snapshot that passes, in record order.
///
/// # Errors
/// The first of reading, filtering, or `f`.
pub fn for_each_rows(
    record: &Record,
    filter: &Filter,
    mut f: impl FnMut(&Chunk, Rows<'_>) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let Some(selection) = filter.selection(record) else {
        return Ok(());
    };
    let mut region_filter = RegionFilter::new(filter, record.meta().intervals);
    record.for_each(&selection, |chunk| {
        for view in chunk.snapshots() {
            if let Some(rows) = region_filter.pass(&view)? {
                f(chunk, rows)?;
            }
        }
        Ok(())
    })
}

/// Gives `f` each snapshot that passes of some targets, target after target and those of one in record order. Which targets
/// the filter asks for is not looked at.
///
/// # Errors
/// The first of reading, filtering, or `f`.
pub(crate) fn for_each_rows_by_target(
    record: &Record,
    filter: &Filter,
    targets: &[TargetKey],
    mut f: impl FnMut(TargetKey, &Chunk, Rows<'_>) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let of_any = Filter { target: TargetFilter::default(), ..filter.clone() };
    let selection = of_any.selection(record).unwrap_or_default();
    let mut region_filter = RegionFilter::new(filter, record.meta().intervals);
    record.for_each_by_target(&selection, targets, |key, chunk| {
        for view in chunk.snapshots() {
            if let Some(rows) = region_filter.pass(&view)? {
                f(key, chunk, rows)?;
            }
        }
        Ok(())
    })
}
