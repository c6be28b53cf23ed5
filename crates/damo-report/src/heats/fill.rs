//! The pass over the records that fills the cells.

use super::grid::GridSums;
use super::mappings::MappingNames;
use super::options::Shares;
use super::plan::{Plan, window};
use super::schemes::{Applied, Layers};
use super::{Axis, Counted, HeatsOptions, HeatsReport, NodeColors, Unit};
use crate::ReportError;
use crate::error::no_intervals;
use crate::probes::{no_hits, probe_name, probes_of};
use crate::survey::{Extent, First, Identity, Survey, intervals_of};
use crate::zero::Zero;
use damo_frame::{Chunk, Coverage, FrameError, Record, SnapshotView};
use damo_model::{Intervals, Nanos, Ops, Selection, Side, TargetKey, TimeSpan};

/// Blocks of each record looked at for the first plan, beside the first and last ones.
const SAMPLED_BLOCKS: usize = 6;

/// What one thread gathers.
struct Sums {
    survey: Survey,
    grids: Vec<GridSums>,
    applied: Applied,
    /// The highest single contribution, in samples of the plan's aggregation interval.
    most: f64,
}

/// One pass: who, which cells, and on which axes.
struct Pass<'a> {
    record: &'a Record,
    number: usize,
    plan: &'a Plan,
    options: &'a HeatsOptions,
    targets: Vec<TargetKey>,
    layers: &'a Layers,
    time: &'a Axis,
    space: &'a [Axis],
    surveys: bool,
}

pub(super) fn run(records: &[Record], options: &HeatsOptions) -> Result<HeatsReport, ReportError> {
    crate::several::one_record(records)?;
    if let (Counted::ProbeHits(probe), Some(record)) = (options.counted, records.first()) {
        let there = probes_of(records)?;
        if !there.contains(&probe) {
            return Err(no_hits(record, probe, &there));
        }
        if record.meta().intervals.is_none() {
            return Err(no_intervals(record));
        }
    }
    let sampled = sample(records, &Selection::all())?;
    let mut plan = Plan::make(records, options, &sampled, &sampled)?;
    let windowed = options.is_windowed();
    if windowed {
        let time = Some(reaching(window(records, options, &sampled)?, plan.first));
        let there = sample(records, &Selection { time, ..Selection::default() })?;
        plan = Plan::make(records, options, &sampled, &there)?;
    }
    // Absolute ranges within a time window need nothing else of the record, whatever else it has.
    let surveys = !(windowed && options.absolute_addresses().is_some());
    let mut sums = fill(records, options, &plan, windowed, surveys)?;
    if surveys {
        let whole = if windowed { &sampled } else { &sums.survey };
        let right = Plan::make(records, options, whole, &sums.survey)?;
        if right != plan {
            plan = right;
            sums = fill(records, options, &plan, windowed, true)?;
        }
    }
    let found = std::mem::take(&mut sums.survey);
    let whole = if windowed { &sampled } else { &found };
    report(records, options, &plan, whole, &found, sums)
}

/// A survey of a few blocks of each record.
fn sample(records: &[Record], selection: &Selection) -> Result<Survey, FrameError> {
    let mut survey = Survey::default();
    for (number, record) in records.iter().enumerate() {
        for chunk in record.sample(selection, SAMPLED_BLOCKS)? {
            survey.add_chunk(record, number, &chunk);
        }
    }
    Ok(survey)
}

/// A window of time that includes the snapshot whose ages reach into it.
fn reaching(window: TimeSpan, first: Option<First>) -> TimeSpan {
    match first {
        Some(first) if window.start < first.start => {
            TimeSpan::new(window.start, window.end.max(first.start.saturating_add(Nanos(1))))
        }
        _ => window,
    }
}

fn fill(
    records: &[Record],
    options: &HeatsOptions,
    plan: &Plan,
    windowed: bool,
    surveys: bool,
) -> Result<Sums, ReportError> {
    let (time, space) = options.axes(plan);
    // Where one aggregation makes enough checks, no cell can rest on fewer.
    let count = plan.checks.is_some_and(|checks| checks < options.min_checks);
    let layers = if options.schemes { Layers::of(records, plan.identity) } else { Layers::default() };
    let make = || Sums {
        survey: Survey::default(),
        grids: space.iter().map(|space| GridSums::new(&time, space, count)).collect(),
        applied: Applied::new(&layers, &time, &space),
        most: 0.0,
    };
    let mut whole = make();
    for (number, record) in records.iter().enumerate() {
        let fits = record.targets().iter().filter(|target| Identity::from(*target) == plan.identity);
        let targets: Vec<TargetKey> = fits.map(|target| target.key).collect();
        if targets.is_empty() && !surveys {
            continue;
        }
        let first = plan.first.filter(|first| first.record == number);
        let selection = Selection {
            time: windowed.then(|| reaching(plan.time, first)),
            targets: if surveys { Vec::new() } else { [&targets[..], &layers.targets(number)].concat() },
            addresses: if surveys { Vec::new() } else { plan.ranges.clone() },
        };
        let layers = &layers;
        let pass = Pass { record, number, plan, options, targets, layers, time: &time, space: &space, surveys };
        let sums = record.fold(&selection, make, |sums, chunk| pass.add_chunk(sums, chunk), Sums::merge)?;
        whole = whole.merge(sums);
    }
    Ok(whole)
}

impl Sums {
    fn merge(mut self, later: Sums) -> Sums {
        self.survey = self.survey.merge(later.survey);
        self.grids.iter_mut().zip(&later.grids).for_each(|(a, b)| a.merge(b));
        self.applied.merge(&later.applied);
        self.most = self.most.max(later.most);
        self
    }
}

impl Pass<'_> {
    fn add_chunk(&self, sums: &mut Sums, chunk: &Chunk) -> Result<(), ReportError> {
        if self.surveys {
            sums.survey.add_chunk(self.record, self.number, chunk);
        }
        for view in chunk.snapshots() {
            if let Some(layer) = self.layers.layer(self.number, view.head.target) {
                let length = intervals_of(self.record, &view).map(|known| known.aggregation).or(self.plan.aggregation);
                sums.applied.add(layer, &view, length, self.time, self.space);
            }
            if !view.is_complete() || !self.targets.contains(&view.head.target) {
                continue;
            }
            let intervals = intervals_of(self.record, &view);
            if intervals.is_some() != self.plan.aggregation.is_some() {
                return Err(ReportError::invalid("Some records have intervals while some not.  Cannot proceed."));
            }
            let shares = self.options.counted.shares(chunk, view.head, intervals);
            self.add_snapshot(sums, &view, intervals, shares);
        }
        Ok(())
    }

    /// What a sample of this snapshot counts for, in samples of the plan's aggregation interval.
    fn scale(&self, intervals: Option<Intervals>) -> f64 {
        match (self.plan.aggregation, intervals) {
            (Some(common), Some(own)) => common.0 as f64 / own.aggregation.0 as f64,
            _ => 1.0,
        }
    }

    fn add_snapshot(
        &self,
        sums: &mut Sums,
        view: &SnapshotView<'_>,
        intervals: Option<Intervals>,
        shares: Option<Shares<'_>>,
    ) {
        let scale = self.scale(intervals);
        let highest = view.nr_accesses.iter().max().copied().unwrap_or(0);
        sums.most = sums.most.max(f64::from(highest) * scale);
        let is_first =
            self.plan.first.is_some_and(|first| first.record == self.number && first.index == view.head.index);
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

fn report(
    records: &[Record],
    options: &HeatsOptions,
    plan: &Plan,
    whole: &Survey,
    found: &Survey,
    sums: Sums,
) -> Result<HeatsReport, ReportError> {
    let (time, space) = options.axes(plan);
    let unit = match plan.aggregation {
        Some(aggregation) => 1.0 / aggregation.as_secs_f64(),
        None => 1.0,
    };
    let most = sums.most * unit;
    let schemes = sums.applied.finish(records, &time, &space)?;
    let panels = sums.grids.into_iter().zip(&space).map(|(sums, space)| sums.finish(&time, space, unit, most));
    let empty = Extent::default();
    let extent = whole.get(plan.identity).unwrap_or(&empty);
    let mut partial = found.get(plan.identity).unwrap_or(extent).partial.clone();
    partial.retain(|span| span.overlaps(plan.time));
    let mut marks = Vec::new();
    let mut coverage = Coverage::default();
    for record in records {
        let own = record.coverage();
        coverage.snapshots += own.snapshots;
        coverage.partial += own.partial;
        coverage.lost_events += own.lost_events;
        coverage.damaged += own.damaged;
        for side in record.side_data()? {
            if let Side::Mark(mark) = side
                && let Some(at) = record.on_record_clock(mark.at)
                && plan.time.contains(at)
            {
                marks.push((at, mark.text.clone()));
            }
        }
    }
    let ours = records.iter().flat_map(Record::targets).filter(|target| Identity::from(*target) == plan.identity);
    let process = ours.filter_map(|target| target.process.clone()).find(|process| process.pid > 0);
    let mut events = Vec::new();
    for record in records {
        events.extend(crate::events::events(record)?);
    }
    events.retain(|event| {
        let ours = process.as_ref().is_none_or(|process| event.pid == Some(process.pid));
        plan.time.contains(event.at) && (ours || event.kind.is_about_processes())
    });
    let target = records.iter().find_map(|record| {
        let ours = record.targets().iter().find(|target| Identity::from(*target) == plan.identity)?;
        Some((record, ours))
    });
    let probe = match (options.counted, target) {
        (Counted::ProbeHits(probe), Some((record, target))) => Some(probe_name(record, target, probe)?),
        _ => None,
    };
    let mut report = HeatsReport {
        bands: Vec::new(),
        probe,
        identity: plan.identity,
        process,
        time: plan.time,
        panels: panels.collect(),
        unit: if plan.aggregation.is_some() { Unit::Hz } else { Unit::Samples },
        possible: plan.aggregation.map(|_| extent.possible_hz),
        partial,
        names: MappingNames::of(records, plan.identity)?,
        marks,
        events,
        schemes,
        min_checks: options.min_checks,
        by_temperature: options.by_temperature.is_some(),
        physical: records.iter().all(|record| record.meta().ops == Some(Ops::Paddr)),
        nodes: if options.by_node { Some(NodeColors::of(records, plan.identity)?) } else { None },
        scale: None,
        coverage,
        zero: Zero::of(records),
    };
    options.scale.map_or(Ok(()), |scale| report.set_scale(scale))?;
    Ok(report)
}
