//! The pass over the records that fills the cells of some maps.

use super::beside::Beside;
use super::grid::GridSums;
use super::options::Shares;
use super::plan::Plan;
use super::schemes::{Applied, Layers};
use super::{Axis, HeatsOptions};
use crate::ReportError;
use crate::survey::{First, Survey, intervals_of};
use damo_frame::{Chunk, Record, SnapshotView};
use damo_model::{Intervals, Nanos, Selection, TargetKey, TimeSpan};
use std::collections::HashMap;

/// A map to be filled.
pub(super) struct Task<'a> {
    pub options: &'a HeatsOptions,
    pub plan: Plan,
    pub time: Axis,
    pub space: Vec<Axis>,
    layers: Layers,
    counts_checks: bool,
}

/// What one thread gathers for one map.
pub(super) struct MapSums {
    pub grids: Vec<GridSums>,
    pub applied: Applied,
    /// The highest single contribution, in samples of the plan's aggregation interval.
    pub most: f64,
    /// Whether some of the snapshots tell their intervals and some do not, so that heats have no common unit.
    pub is_mixed: bool,
}

/// What one thread gathers.
struct Sums {
    survey: Survey,
    maps: Vec<MapSums>,
}

/// One pass over one record.
struct Pass<'a> {
    record: &'a Record,
    number: usize,
    tasks: &'a [&'a Task<'a>],
    users: HashMap<TargetKey, Users>,
    surveys: bool,
}

/// Which maps want the snapshots of a target, by position.
#[derive(Default)]
struct Users {
    heat: Vec<usize>,
    /// As applications of a scheme, with the layer.
    applied: Vec<(usize, usize)>,
}

impl<'a> Task<'a> {
    pub(super) fn new(beside: &Beside<'_>, options: &'a HeatsOptions, plan: Plan) -> Self {
        let (time, space) = options.axes(&plan);
        // Where one aggregation makes enough checks, no cell can rest on fewer.
        let counts_checks = plan.checks.is_some_and(|checks| checks < options.min_checks);
        let layers = if options.schemes { Layers::of(beside, plan.identity) } else { Layers::default() };
        Self { options, plan, time, space, layers, counts_checks }
    }

    /// How many numbers a thread keeps for it.
    pub(super) fn cells(&self) -> usize {
        let columns = self.space.iter().map(Axis::len).fold(0, usize::saturating_add);
        self.time.len().saturating_mul(columns).saturating_mul(1 + self.layers.len())
    }

    /// The part of each record that has to be read for it; `None` where there is nothing.
    pub(super) fn selections(&self, beside: &Beside<'_>) -> Vec<Option<Selection>> {
        let surveys = self.options.surveys();
        let selection = |number: usize| {
            let own = beside.targets(self.plan.identity).iter().filter(|(record, _)| *record == number);
            let mut targets: Vec<TargetKey> = own.map(|(_, target)| target.key).collect();
            if targets.is_empty() && !surveys {
                return None;
            }
            let first = self.plan.first.filter(|first| first.record == number);
            targets.extend(self.layers.all().iter().filter(|view| view.0 == number).map(|view| view.1));
            Some(Selection {
                time: self.options.is_windowed().then(|| reaching(self.plan.time, first)),
                targets: if surveys { Vec::new() } else { targets },
                addresses: if surveys { Vec::new() } else { self.plan.ranges.clone() },
            })
        };
        (0..beside.records.len()).map(selection).collect()
    }

    fn empty_sums(&self) -> MapSums {
        let grid = |space| GridSums::new(&self.time, space, self.counts_checks);
        MapSums {
            grids: self.space.iter().map(grid).collect(),
            applied: Applied::new(&self.layers, &self.time, &self.space),
            most: 0.0,
            is_mixed: false,
        }
    }
}

/// A window of time that includes the snapshot whose ages reach into it.
pub(super) fn reaching(window: TimeSpan, first: Option<First>) -> TimeSpan {
    match first {
        Some(first) if window.start < first.start => {
            TimeSpan::new(window.start, window.end.max(first.start.saturating_add(Nanos(1))))
        }
        _ => window,
    }
}

/// Fills some maps of the same part of the records in one pass, and finds out what there is in that part if `surveys`.
pub(super) fn fill(
    beside: &Beside<'_>,
    tasks: &[&Task<'_>],
    selections: &[Option<Selection>],
    surveys: bool,
) -> Result<(Survey, Vec<MapSums>), ReportError> {
    let make = || Sums { survey: Survey::default(), maps: tasks.iter().map(|task| task.empty_sums()).collect() };
    let mut whole: Option<Sums> = None;
    for (number, record) in beside.records.iter().enumerate() {
        let Some(selection) = selections.get(number).and_then(Option::as_ref) else { continue };
        let pass = Pass { record, number, tasks, users: users(beside, tasks, number), surveys };
        let add = |sums: &mut Sums, chunk: &Chunk| {
            pass.add_chunk(sums, chunk);
            Ok::<(), ReportError>(())
        };
        let sums = record.fold(selection, make, add, Sums::merge)?;
        whole = Some(match whole {
            Some(before) => before.merge(sums),
            None => sums,
        });
    }
    let Sums { survey, maps } = whole.unwrap_or_else(make);
    Ok((survey, maps))
}

/// Who wants what of one record.
fn users(beside: &Beside<'_>, tasks: &[&Task<'_>], number: usize) -> HashMap<TargetKey, Users> {
    let mut users: HashMap<TargetKey, Users> = HashMap::new();
    for (at, task) in tasks.iter().enumerate() {
        for (_, target) in beside.targets(task.plan.identity).iter().filter(|(record, _)| *record == number) {
            users.entry(target.key).or_default().heat.push(at);
        }
        for (_, target, layer) in task.layers.all().iter().filter(|view| view.0 == number) {
            users.entry(*target).or_default().applied.push((at, *layer));
        }
    }
    users
}

impl Sums {
    fn merge(mut self, later: Sums) -> Sums {
        self.survey = self.survey.merge(later.survey);
        for (ours, theirs) in self.maps.iter_mut().zip(&later.maps) {
            ours.grids.iter_mut().zip(&theirs.grids).for_each(|(a, b)| a.merge(b));
            ours.applied.merge(&theirs.applied);
            ours.most = ours.most.max(theirs.most);
            ours.is_mixed |= theirs.is_mixed;
        }
        self
    }
}

impl Pass<'_> {
    fn add_chunk(&self, sums: &mut Sums, chunk: &Chunk) {
        if self.surveys {
            sums.survey.add_chunk(self.record, self.number, chunk);
        }
        for view in chunk.snapshots() {
            let Some(users) = self.users.get(&view.head.target) else { continue };
            let intervals = intervals_of(self.record, &view);
            for (at, layer) in &users.applied {
                let (Some(task), Some(map)) = (self.tasks.get(*at), sums.maps.get_mut(*at)) else { continue };
                let length = intervals.map(|known| known.aggregation).or(task.plan.aggregation);
                map.applied.add(*layer, &view, length, &task.time, &task.space);
            }
            for at in users.heat.iter().filter(|_| view.is_complete()) {
                let (Some(task), Some(map)) = (self.tasks.get(*at), sums.maps.get_mut(*at)) else { continue };
                if intervals.is_some() != task.plan.aggregation.is_some() {
                    map.is_mixed = true;
                    continue;
                }
                let shares = task.options.counted.shares(chunk, view.head, intervals);
                task.add_snapshot(map, self.number, &view, intervals, shares);
            }
        }
    }
}

impl Task<'_> {
    /// What a sample of this snapshot counts for, in samples of the plan's aggregation interval.
    fn scale(&self, intervals: Option<Intervals>) -> f64 {
        match (self.plan.aggregation, intervals) {
            (Some(common), Some(own)) => common.0 as f64 / own.aggregation.0 as f64,
            _ => 1.0,
        }
    }

    fn add_snapshot(
        &self,
        sums: &mut MapSums,
        record: usize,
        view: &SnapshotView<'_>,
        intervals: Option<Intervals>,
        shares: Option<Shares<'_>>,
    ) {
        let scale = self.scale(intervals);
        let highest = view.nr_accesses.iter().max().copied().unwrap_or(0);
        sums.most = sums.most.max(f64::from(highest) * scale);
        let is_first = self.plan.first.is_some_and(|first| first.record == record && first.index == view.head.index);
        let age_unit = match (is_first, intervals) {
            (true, Some(intervals)) => i128::from(intervals.aggregation.0),
            _ => 0,
        };
        let (start, end) = (i128::from(view.head.start.0), i128::from(view.head.end.0));
        for (space, grid) in self.space.iter().zip(&mut sums.grids) {
            let regions = match self.options.by_temperature {
                Some(weights) => by_temperature(space, view, intervals, weights, shares),
                None => by_address(space, view, shares),
            };
            for (row, time) in self.time.parts(start, end) {
                add_row(grid, space, row, time, scale, &regions);
                if let (true, Some(intervals)) = (grid.counts_checks(), intervals) {
                    let checks = intervals.max_nr_accesses().0;
                    regions.iter().for_each(|r| grid.add_checks(space, row, r.from, r.to, checks));
                }
            }
            // Before the first snapshot, a region had its rate for as long as its age says.
            if age_unit > 0 {
                for region in &regions {
                    for (row, time) in self.time.parts(start - age_unit * i128::from(region.age), start) {
                        add_row(grid, space, row, time, scale, std::slice::from_ref(region));
                    }
                }
            }
        }
    }
}

/// A region where it is drawn.
#[derive(Clone, Copy, Debug)]
struct Laid {
    from: i128,
    to: i128,
    nr_accesses: u32,
    age: u32,
    /// Share of its accesses that counts.
    share: f64,
}

/// Adds regions that hold for `time` ns of a row; neighbours are covered in one go.
fn add_row(grid: &mut GridSums, space: &Axis, row: usize, time: i128, scale: f64, regions: &[Laid]) {
    let mut run: Option<(i128, i128)> = None;
    for region in regions {
        if region.nr_accesses > 0 {
            let accesses = i128::from(region.nr_accesses) * time;
            let factor = scale * region.share;
            // Whole numbers stay exact as long as one aggregation interval is in force.
            let accesses = if factor == 1.0 { accesses } else { (accesses as f64 * factor).round() as i128 };
            grid.add_heat(space, row, region.from, region.to, accesses);
        }
        run = match run {
            Some((from, to)) if to == region.from => Some((from, region.to)),
            Some((from, to)) => {
                grid.add_cover(space, row, from, to, time);
                Some((region.from, region.to))
            }
            None => Some((region.from, region.to)),
        };
    }
    if let Some((from, to)) = run {
        grid.add_cover(space, row, from, to, time);
    }
}

/// The regions that overlap the axis, where they are.
fn by_address(space: &Axis, view: &SnapshotView<'_>, shares: Option<Shares<'_>>) -> Vec<Laid> {
    let first = view.end.partition_point(|end| i128::from(*end) <= space.start());
    let last = view.start.partition_point(|start| i128::from(*start) < space.end());
    (first..last)
        .filter_map(|i| {
            let (start, end) = (*view.start.get(i)?, *view.end.get(i)?);
            let share = shares.map_or(Some(1.0), |shares| shares.share(i, end.saturating_sub(start)))?;
            Some(Laid {
                from: start.into(),
                to: end.into(),
                nr_accesses: *view.nr_accesses.get(i)?,
                age: view.age.and_then(|ages| ages.get(i)).copied().unwrap_or(0),
                share,
            })
        })
        .collect()
}

/// The same regions without gaps, coldest first.
fn by_temperature(
    space: &Axis,
    view: &SnapshotView<'_>,
    intervals: Option<Intervals>,
    (rate_weight, age_weight): (f64, f64),
    shares: Option<Shares<'_>>,
) -> Vec<Laid> {
    let (possible, aggregation) = match intervals {
        Some(known) => (known.max_nr_accesses().0.max(1), known.aggregation.as_micros()),
        None => (view.nr_accesses.iter().max().copied().unwrap_or(0).max(1), 1),
    };
    let temperature = |region: &Laid| {
        let percent = (u64::from(region.nr_accesses) * 100 / u64::from(possible)) as f64;
        let heat = percent * rate_weight + (i128::from(region.age) * i128::from(aggregation)) as f64 * age_weight;
        if percent > 0.0 { heat } else { -heat }
    };
    let mut regions: Vec<Laid> = by_address(space, view, shares)
        .into_iter()
        .filter_map(|region| space.clip(region.from, region.to).map(|(from, to)| Laid { from, to, ..region }))
        .collect();
    regions.sort_by(|a, b| temperature(a).total_cmp(&temperature(b)));
    let mut at = space.start();
    for region in &mut regions {
        let size = region.to - region.from;
        (region.from, region.to) = (at, at + size);
        at += size;
    }
    regions
}
