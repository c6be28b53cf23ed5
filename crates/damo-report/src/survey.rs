//! What a record covers: which times and which addresses, of whom.
//!
//! Everything that draws a map needs to know first where there is anything to draw. DAMON's regions cover only what is
//! mapped, give or take, so that two or three contiguous areas lie terabytes apart. A [`Survey`] collects, in one pass
//! and in time linear in the number of regions, the time span, the union of all regions as [`Area`]s, and how hot each
//! area was. The Python tool intersects the holes of each snapshot pairwise, which is quadratic and keeps a hole that a
//! later region fills; the union is what that computation is after.

use crate::filter::TargetFilter;
use damo_frame::{Chunk, Record, SnapshotView};
use damo_model::{Addr, AddrRange, Bytes, Intervals, Nanos, SnapshotState, Target, TargetKey, TimeSpan};
use std::collections::{HashMap, HashSet};

/// Who was monitored, as the kernel numbers them. Targets of several records with the same numbers are taken as one,
/// as the Python tool does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// kdamond index; `None` where the source does not tell.
    pub kdamond: Option<u32>,
    /// Index of the context, from 0.
    pub context: Option<u32>,
    /// Scheme index; `None` for plain monitoring.
    pub scheme: Option<u32>,
    /// The kernel's `target_id`.
    pub target_id: Option<u64>,
}

impl Identity {
    /// Whether this is a scheme's view of `plain`. Events of plain monitoring do not tell their context, those of schemes
    /// do.
    pub(crate) fn is_scheme_of(self, plain: Identity) -> bool {
        let agree = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.scheme.is_some()
            && plain.scheme.is_none()
            && self.target_id == plain.target_id
            && agree(self.kdamond, plain.kdamond)
            && agree(self.context, plain.context)
    }
}

impl From<&Target> for Identity {
    fn from(target: &Target) -> Self {
        Self {
            kdamond: target.kdamond.map(|index| index.0),
            context: target.context,
            scheme: target.scheme,
            target_id: target.target_id,
        }
    }
}

/// Who was monitored and seen in a snapshot, of those that pass the filter, in order of appearance: without schemes' views
/// where there is something else, unless a scheme is asked for. The one list of what maps and pictures are of.
pub fn monitored(records: &[Record], filter: &TargetFilter) -> Vec<Identity> {
    let mut found: Vec<Identity> = Vec::new();
    let mut known: HashSet<Identity> = HashSet::new();
    for record in records {
        let blocks = record.reader().index().iter();
        let seen: HashSet<TargetKey> = blocks.flat_map(|block| block.targets.iter().copied()).collect();
        for target in record.targets().iter().filter(|target| filter.holds(target) && seen.contains(&target.key)) {
            let identity = Identity::from(target);
            if known.insert(identity) {
                found.push(identity);
            }
        }
    }
    if filter.scheme.is_none() && found.iter().any(|identity| identity.scheme.is_none()) {
        found.retain(|identity| identity.scheme.is_none());
    }
    found
}

/// A contiguous stretch of monitored addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// The addresses that it covers.
    pub range: AddrRange,
    /// Sum of size × `nr_accesses` of its regions over all snapshots, in byte samples.
    pub heat: u128,
}

impl Area {
    /// Byte samples per byte: how often an average byte of the area was seen accessed.
    pub(crate) fn density(&self) -> f64 {
        self.heat as f64 / self.range.size().0.max(1) as f64
    }
}

/// The first complete snapshot of a target: the only one whose ages tell of a time that no snapshot covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// Which of the surveyed records it is in.
    pub record: usize,
    /// Its position in that record.
    pub index: u64,
    /// Its start on the record's clock.
    pub start: Nanos,
    /// How far back its oldest region reaches before `start`.
    pub reach: Nanos,
}

/// What there is of one identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extent {
    /// Start of the first and end of the last snapshot; `None` before the first snapshot.
    pub span: Option<TimeSpan>,
    /// Where the ages of the first complete snapshot reach back to.
    pub first: Option<First>,
    /// The union of all regions: sorted, disjoint, not touching.
    pub areas: Vec<Area>,
    /// Time spans of which only partial snapshots exist: sorted, joined where they touch.
    pub partial: Vec<TimeSpan>,
    /// Intervals of the first snapshot that tells them.
    pub intervals: Option<Intervals>,
    /// The highest access rate that any snapshot's intervals allow, in Hz; 0 if no snapshot tells its intervals.
    pub possible_hz: f64,
    /// Whether some snapshot does not tell its intervals.
    pub without_intervals: bool,
    /// Number of snapshots, partial ones included.
    pub snapshots: u64,
}

/// What there is in some records, per identity, in order of appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// One per identity that has snapshots.
    pub extents: Vec<(Identity, Extent)>,
    /// Where each is in `extents`: records may have thousands.
    positions: HashMap<Identity, usize>,
}

/// Intervals of a snapshot, or else of the whole record.
pub fn intervals_of(record: &Record, view: &SnapshotView<'_>) -> Option<Intervals> {
    view.head.intervals.or(record.meta().intervals).filter(|intervals| intervals.aggregation.0 > 0)
}

impl Survey {
    /// Takes in a chunk of the `number`-th record.
    pub(crate) fn add_chunk(&mut self, record: &Record, number: usize, chunk: &Chunk) {
        let mut last: Option<(TargetKey, usize)> = None;
        for view in chunk.snapshots() {
            let at = match last {
                Some((key, at)) if key == view.head.target => at,
                _ => self.position(record.target(view.head.target).map(Identity::from).unwrap_or_default()),
            };
            last = Some((view.head.target, at));
            if let Some((_, extent)) = self.extents.get_mut(at) {
                extent.add(number, &view, intervals_of(record, &view));
            }
        }
    }

    fn position(&mut self, identity: Identity) -> usize {
        let next = self.extents.len();
        let at = *self.positions.entry(identity).or_insert(next);
        if at == next {
            self.extents.push((identity, Extent::default()));
        }
        at
    }

    /// Takes in what a survey of later snapshots found.
    pub fn merge(mut self, later: Survey) -> Survey {
        for (identity, extent) in later.extents {
            let at = self.position(identity);
            if let Some((_, known)) = self.extents.get_mut(at) {
                known.merge(extent);
            }
        }
        self
    }

    /// The extent of an identity.
    pub fn get(&self, identity: Identity) -> Option<&Extent> {
        self.extents.get(*self.positions.get(&identity)?).map(|(_, extent)| extent)
    }
}

impl Extent {
    /// From where anything is known (ages reach back before the first snapshot) to the end of the last snapshot.
    pub(crate) fn known_span(&self) -> Option<TimeSpan> {
        let TimeSpan { start, end } = self.span?;
        let reached = self.first.map_or(start, |first| first.start.saturating_sub(first.reach));
        Some(TimeSpan::new(start.min(reached), end))
    }

    /// Size of all areas together.
    pub fn total(&self) -> Bytes {
        self.areas.iter().fold(Bytes(0), |sum, area| sum.saturating_add(area.range.size()))
    }

    /// Position of the area with the most accesses per byte; the first of equals.
    pub fn hottest(&self) -> Option<usize> {
        let hotter = |best: usize, i: usize| {
            let density = |i: usize| self.areas.get(i).map_or(0.0, Area::density);
            if density(i) > density(best) { i } else { best }
        };
        (0..self.areas.len()).reduce(hotter)
    }

    fn add(&mut self, record: usize, view: &SnapshotView<'_>, intervals: Option<Intervals>) {
        let time = view.head.time_span();
        self.snapshots += 1;
        self.widen(time);
        match intervals {
            Some(known) => {
                self.intervals = self.intervals.or(intervals);
                self.possible_hz = self.possible_hz.max(known.rate(f64::from(known.max_nr_accesses().0)).0);
            }
            None => self.without_intervals = true,
        }
        if let SnapshotState::Partial { .. } = view.head.state {
            self.add_partial(time);
        } else if self.first.is_none() {
            let oldest = view.age.and_then(|ages| ages.iter().max()).copied().unwrap_or(0);
            let aggregation = intervals.map_or(0, |known| known.aggregation.0);
            let reach = Nanos(i64::from(oldest).saturating_mul(aggregation));
            self.first = Some(First { record, index: view.head.index, start: time.start, reach });
        }
        self.add_regions(view);
    }

    fn widen(&mut self, time: TimeSpan) {
        self.span = Some(self.span.map_or(time, |span| span.including(time)));
    }

    fn add_partial(&mut self, time: TimeSpan) {
        match self.partial.last_mut() {
            Some(last) if last.end >= time.start => last.end = last.end.max(time.end),
            _ => self.partial.push(time),
        }
    }

    /// Joins touching regions into runs.
    fn add_regions(&mut self, view: &SnapshotView<'_>) {
        let mut runs: Vec<Area> = Vec::new();
        for ((start, end), samples) in view.start.iter().zip(view.end).zip(view.nr_accesses) {
            if end <= start {
                continue;
            }
            let heat = u128::from(end - start) * u128::from(*samples);
            match runs.last_mut() {
                Some(open) if (open.range.start.0..=open.range.end.0).contains(start) => {
                    open.range.end.0 = open.range.end.0.max(*end);
                    open.heat += heat;
                }
                _ => runs.push(Area { range: AddrRange::new(Addr(*start), Addr(*end)), heat }),
            }
        }
        self.add_runs(runs);
    }

    /// Takes in stretches of addresses: looked up one by one when all are known, which is the rule, and merged in one go
    /// otherwise.
    fn add_runs(&mut self, mut runs: Vec<Area>) {
        let around = |areas: &[Area], run: &Area| {
            let at = areas.partition_point(|area| area.range.end < run.range.end);
            areas.get(at).is_some_and(|area| area.range.start <= run.range.start).then_some(at)
        };
        if runs.iter().all(|run| around(&self.areas, run).is_some()) {
            for run in runs {
                if let Some(area) = around(&self.areas, &run).and_then(|at| self.areas.get_mut(at)) {
                    area.heat += run.heat;
                }
            }
            return;
        }
        runs.append(&mut self.areas);
        // Two sorted lists behind one another: the sort sees that and merges them.
        runs.sort_by_key(|area| area.range.start);
        for area in runs {
            match self.areas.last_mut() {
                Some(last) if last.range.end >= area.range.start => {
                    last.range.end = last.range.end.max(area.range.end);
                    last.heat += area.heat;
                }
                _ => self.areas.push(area),
            }
        }
    }

    fn merge(&mut self, later: Extent) {
        self.snapshots += later.snapshots;
        if let Some(time) = later.span {
            self.widen(time);
        }
        self.first = self.first.or(later.first);
        self.intervals = self.intervals.or(later.intervals);
        self.possible_hz = self.possible_hz.max(later.possible_hz);
        self.without_intervals |= later.without_intervals;
        for time in later.partial {
            self.add_partial(time);
        }
        self.add_runs(later.areas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Age, Batch, Item, Meta, NrAccesses, Region, Snapshot};

    type Row = (u64, u64, u32);

    fn chunk(snapshots: &[&[Row]]) -> Chunk {
        let mut batch = Batch::default();
        for (i, rows) in snapshots.iter().enumerate() {
            let start = i as i64 * 100;
            let mut snapshot = Snapshot::new(TargetKey(0), Nanos(start), Nanos(start + 100), None);
            let region = |row: &Row| Region::new(Addr(row.0), Addr(row.1), NrAccesses(row.2), Some(Age(0)));
            snapshot.regions = rows.iter().map(region).collect();
            batch.push(i as u64, &snapshot);
        }
        batch.into()
    }

    fn survey(snapshots: &[&[Row]]) -> Extent {
        let record = Record::from_items(&[Item::Meta(Meta::default())]).unwrap();
        let mut survey = Survey::default();
        survey.add_chunk(&record, 0, &chunk(snapshots));
        survey.extents.remove(0).1
    }

    fn ranges(extent: &Extent) -> Vec<(u64, u64, u128)> {
        extent.areas.iter().map(|area| (area.range.start.0, area.range.end.0, area.heat)).collect()
    }

    #[test]
    fn areas_are_the_union_of_all_regions_with_their_heat() {
        let extent = survey(&[&[(0, 10, 1), (10, 20, 2), (50, 60, 3)], &[(0, 25, 0), (48, 60, 1)]]);
        assert_eq!(ranges(&extent), [(0, 25, 30), (48, 60, 42)]);
        assert_eq!(extent.hottest(), Some(1));
        assert_eq!(extent.total(), Bytes(37));
    }

    #[test]
    fn a_hole_that_any_snapshot_fills_is_no_hole() {
        let extent = survey(&[&[(0, 10, 0), (20, 30, 0)], &[(0, 30, 1)], &[(0, 10, 0), (20, 30, 0)]]);
        assert_eq!(ranges(&extent), [(0, 30, 30)]);
    }

    #[test]
    fn a_survey_in_parts_finds_what_a_survey_of_the_whole_finds() {
        let snapshots: [&[Row]; 4] =
            [&[(0, 10, 1), (90, 95, 1)], &[(0, 8, 1), (40, 50, 2)], &[(10, 40, 1)], &[(95, 99, 1), (200, 201, 9)]];
        let record = Record::from_items(&[Item::Meta(Meta::default())]).unwrap();
        let mut whole = Survey::default();
        whole.add_chunk(&record, 0, &chunk(&snapshots));
        for cut in 0..=snapshots.len() {
            let (mut a, mut b) = (Survey::default(), Survey::default());
            a.add_chunk(&record, 0, &chunk(&snapshots[..cut]));
            b.add_chunk(&record, 0, &chunk(&snapshots[cut..]));
            let merged = a.merge(b);
            assert_eq!(ranges(&merged.extents[0].1), ranges(&whole.extents[0].1), "cut at {cut}");
        }
    }
}
