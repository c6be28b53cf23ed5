//! Any number of maps of the same records, each as it would be alone.
//!
//! Maps of the same part of the records are filled in one pass, as many at once as their cells fit into memory, so that
//! time grows with the records and not with their targets.

use super::beside::Beside;
use super::fill::{MapSums, Task, fill, reaching};
use super::plan::{Plan, window};
use super::{Counted, HeatsOptions, HeatsReport, NodeColors, Unit};
use crate::ReportError;
use crate::error::no_intervals;
use crate::events::{Event, events};
use crate::probes::{no_hits, probe_name, probes_of};
use crate::survey::{Extent, Survey};
use crate::zero::Zero;
use damo_frame::{Coverage, FrameError, Record};
use damo_model::{Nanos, Ops, Selection, Side, TimeSpan};

/// Blocks of each record looked at for the first plan, beside the first and last ones.
const SAMPLED_BLOCKS: usize = 6;
/// Cells that are filled in one pass, unless a single map has more. A cell takes about 50 bytes for each thread.
const CELLS_AT_ONCE: usize = 1 << 20;

/// What is the same for all maps of some records.
struct Common<'r> {
    beside: Beside<'r>,
    marks: Vec<(Nanos, String)>,
    events: Vec<Event>,
    physical: bool,
    zero: Zero,
}

/// Takes what became of a map: its position among those that were asked for, and the map.
pub(super) type Take<'t> = dyn FnMut(usize, Result<HeatsReport, ReportError>) -> Result<(), ReportError> + 't;

/// Maps to be made, each with the number that its target has.
type Batch<'a> = Vec<(usize, Task<'a>)>;
/// Maps that look at the same part of each record.
type Group<'a> = (Vec<Option<Selection>>, Batch<'a>);

/// What was found of a part of the records.
type Surveyed = (Vec<Option<Selection>>, Survey);

/// Makes the maps that are asked for, and gives each to `take` as soon as it is done, in any order.
///
/// # Errors
/// When a record cannot be read, or `take` returns an error.
pub(super) fn run(records: &[Record], wanted: &[HeatsOptions], take: &mut Take<'_>) -> Result<(), ReportError> {
    crate::several::one_record(records)?;
    let beside = Beside::of(records)?;
    let sampled = sample(records, &Selection::all())?;
    let mut windows: Vec<(TimeSpan, Survey)> = Vec::new();
    let mut round: Batch<'_> = Vec::new();
    for (number, options) in wanted.iter().enumerate() {
        match first_plan(&beside, options, &sampled, &mut windows) {
            Ok(plan) => round.push((number, Task::new(&beside, options, plan))),
            Err(error) => take(number, Err(error))?,
        }
    }
    if round.is_empty() {
        return Ok(());
    }
    let common = Common::of(beside)?;
    let mut makers = Makers { common: &common, sampled: &sampled, surveyed: Vec::new(), take };
    let again = makers.make(round, true)?;
    makers.make(again, false)?;
    Ok(())
}

/// A plan made from a few blocks.
fn first_plan(
    beside: &Beside<'_>,
    options: &HeatsOptions,
    sampled: &Survey,
    windows: &mut Vec<(TimeSpan, Survey)>,
) -> Result<Plan, ReportError> {
    let records = beside.records;
    if let (Counted::ProbeHits(probe), Some(record)) = (options.counted, records.first()) {
        let there = probes_of(records)?;
        if !there.contains(&probe) {
            return Err(no_hits(record, probe, &there));
        }
        if record.meta().intervals.is_none() {
            return Err(no_intervals(record));
        }
    }
    let plan = Plan::make(beside, options, sampled, sampled)?;
    if !options.is_windowed() {
        return Ok(plan);
    }
    let time = reaching(window(records, options, sampled)?, plan.first);
    let at = match windows.iter().position(|(known, _)| *known == time) {
        Some(at) => at,
        None => {
            windows.push((time, sample(records, &Selection { time: Some(time), ..Selection::default() })?));
            windows.len() - 1
        }
    };
    let there = windows.get(at).map_or(sampled, |(_, there)| there);
    Plan::make(beside, options, sampled, there)
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

struct Makers<'m, 't> {
    common: &'m Common<'m>,
    /// What a few blocks tell.
    sampled: &'m Survey,
    /// What was found where everything was read.
    surveyed: Vec<Surveyed>,
    take: &'m mut Take<'t>,
}

impl Makers<'_, '_> {
    /// Makes the maps of a round. With `plans_may_differ`, plans are made again from what is found, and those that differ
    /// are given back for another round.
    fn make<'a>(&mut self, round: Batch<'a>, plans_may_differ: bool) -> Result<Batch<'a>, ReportError> {
        let mut again = Vec::new();
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (number, task) in round {
            let selections = task.selections(&self.common.beside);
            match groups.iter_mut().find(|(known, _)| *known == selections) {
                Some((_, tasks)) => tasks.push((number, task)),
                None => groups.push((selections, vec![(number, task)])),
            }
        }
        for (selections, tasks) in groups {
            let mut left = tasks.into_iter().peekable();
            while let Some(first) = left.next() {
                let mut cells = first.1.cells();
                let mut batch = vec![first];
                while let Some(next) = left.next_if(|(_, next)| cells.saturating_add(next.cells()) <= CELLS_AT_ONCE) {
                    cells += next.1.cells();
                    batch.push(next);
                }
                again.extend(self.make_batch(&selections, batch, plans_may_differ)?);
            }
        }
        Ok(again)
    }

    /// The same for maps that are filled in one pass.
    fn make_batch<'a>(
        &mut self,
        selections: &[Option<Selection>],
        batch: Batch<'a>,
        plans_may_differ: bool,
    ) -> Result<Batch<'a>, ReportError> {
        // Absolute ranges within a time window need nothing else of the record, whatever else it has.
        let surveys = batch.iter().any(|(_, task)| task.options.surveys());
        let mut again = Vec::new();
        let mut batch = batch;
        let known = self.surveyed.iter().position(|(known, _)| known == selections);
        if let (true, true, Some(at)) = (surveys, plans_may_differ, known) {
            // What a pass before found tells which plans are wrong before they are filled.
            batch = self.check(batch, at, &mut again)?.0;
        }
        if batch.is_empty() {
            return Ok(again);
        }
        let tasks: Vec<&Task<'_>> = batch.iter().map(|(_, task)| task).collect();
        let (survey, sums) = fill(&self.common.beside, &tasks, selections, surveys && known.is_none())?;
        let mut sums = sums;
        if !surveys {
            return self.finish(batch, sums, None).map(|()| again);
        }
        let at = known.unwrap_or_else(|| {
            self.surveyed.push((selections.to_vec(), survey));
            self.surveyed.len() - 1
        });
        if plans_may_differ && known.is_none() {
            let (right, kept) = self.check(batch, at, &mut again)?;
            batch = right;
            let mut kept = kept.into_iter();
            sums.retain(|_| kept.next().unwrap_or(false));
        }
        self.finish(batch, sums, Some(at)).map(|()| again)
    }

    /// Those whose plan is right, and for each that was given whether it is; the others go to `again`, or are errors.
    fn check<'a>(
        &mut self,
        batch: Batch<'a>,
        at: usize,
        again: &mut Batch<'a>,
    ) -> Result<(Batch<'a>, Vec<bool>), ReportError> {
        let (mut right, mut kept) = (Vec::new(), Vec::new());
        for (number, task) in batch {
            let beside = &self.common.beside;
            let found = self.surveyed.get(at).map_or(self.sampled, |(_, found)| found);
            let whole = if task.options.is_windowed() { self.sampled } else { found };
            let plan = Plan::make(beside, task.options, whole, found);
            kept.push(plan.as_ref().is_ok_and(|plan| *plan == task.plan));
            match plan {
                Ok(plan) if plan == task.plan => right.push((number, task)),
                Ok(plan) => again.push((number, Task::new(beside, task.options, plan))),
                Err(error) => (self.take)(number, Err(error))?,
            }
        }
        Ok((right, kept))
    }

    fn finish(&mut self, batch: Batch<'_>, sums: Vec<MapSums>, found: Option<usize>) -> Result<(), ReportError> {
        let empty = Survey::default();
        for ((number, task), sums) in batch.into_iter().zip(sums) {
            let found = found.and_then(|at| self.surveyed.get(at)).map_or(&empty, |(_, found)| found);
            let whole = if task.options.is_windowed() { self.sampled } else { found };
            (self.take)(number, report(self.common, &task, whole, found, sums))?;
        }
        Ok(())
    }
}

impl<'r> Common<'r> {
    fn of(beside: Beside<'r>) -> Result<Self, ReportError> {
        let records = beside.records;
        let (mut marks, mut all_events) = (Vec::new(), Vec::new());
        for record in records {
            for side in record.side_data()? {
                if let Side::Mark(mark) = side
                    && let Some(at) = record.on_record_clock(mark.at)
                {
                    marks.push((at, mark.text.clone()));
                }
            }
            all_events.extend(events(record)?);
        }
        let physical = records.iter().all(|record| record.meta().ops == Some(Ops::Paddr));
        Ok(Self { marks, events: all_events, physical, zero: Zero::of(records), beside })
    }
}

/// How much of what happened is in some records. Damage may be found while they are read.
fn coverage(records: &[Record]) -> Coverage {
    let mut coverage = Coverage::default();
    for own in records.iter().map(Record::coverage) {
        coverage.snapshots += own.snapshots;
        coverage.partial += own.partial;
        coverage.lost_events += own.lost_events;
        coverage.damaged += own.damaged;
    }
    coverage
}

/// The map of a task, once its cells are filled: `whole` tells of the records, `found` of the part that was read.
fn report(
    common: &Common<'_>,
    task: &Task<'_>,
    whole: &Survey,
    found: &Survey,
    sums: MapSums,
) -> Result<HeatsReport, ReportError> {
    if sums.is_mixed {
        return Err(ReportError::invalid("Some records have intervals while some not.  Cannot proceed."));
    }
    let records = common.beside.records;
    let Task { options, plan, time, space, .. } = task;
    let unit = match plan.aggregation {
        Some(aggregation) => 1.0 / aggregation.as_secs_f64(),
        None => 1.0,
    };
    let most = sums.most * unit;
    let schemes = sums.applied.finish(records, time, space)?;
    let panels = sums.grids.into_iter().zip(space).map(|(sums, space)| sums.finish(time, space, unit, most));
    let empty = Extent::default();
    let extent = whole.get(plan.identity).unwrap_or(&empty);
    let mut partial = found.get(plan.identity).unwrap_or(extent).partial.clone();
    partial.retain(|span| span.overlaps(plan.time));
    let ours = common.beside.targets(plan.identity);
    let process = ours.iter().filter_map(|(_, target)| target.process.clone()).find(|process| process.pid > 0);
    let happened = |event: &&Event| {
        let ours = process.as_ref().is_none_or(|process| event.pid == Some(process.pid));
        plan.time.contains(event.at) && (ours || event.kind.is_about_processes())
    };
    let events = common.events.iter().filter(happened).cloned().collect();
    let target = ours.first().and_then(|(number, target)| Some((records.get(*number)?, *target)));
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
        names: common.beside.mappings(plan.identity),
        marks: common.marks.iter().filter(|(at, _)| plan.time.contains(*at)).cloned().collect(),
        events,
        schemes,
        min_checks: options.min_checks,
        by_temperature: options.by_temperature.is_some(),
        physical: common.physical,
        nodes: if options.by_node { Some(NodeColors::of(records, plan.identity)?) } else { None },
        scale: None,
        coverage: coverage(records),
        zero: common.zero,
    };
    options.scale.map_or(Ok(()), |scale| report.set_scale(scale))?;
    Ok(report)
}
