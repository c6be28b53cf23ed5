//! Records for sharing: what they say of memory stays, what they say of people, machines and programs goes.
//!
//! Addresses are moved: of each address space every contiguous area goes to a place that tells nothing, with order,
//! sizes and positions within pages kept, and the same place throughout the record. Times begin at 0. Processes are
//! numbered from 1. Names go; of mappings the kind stays (`names`). The record has to be gone through twice: a
//! [`Survey`] finds its areas and its beginning, then [`Anonymize`] changes it.

mod areas;
mod names;
mod profile;

use crate::clock::{on_record_clock, stamp_mut, stamp_of};
use crate::error::EditError;
use areas::{Areas, Moves};
use damo_model::features::FEATURES;
use damo_model::{
    AddrRange, Bytes, ClockPair, Item, KdamondIndex, Meta, Nanos, Ops, Side, Sink, SinkError, Source, Stamp, Target,
    TargetKey,
};
use names::Names;
use std::collections::{BTreeMap, BTreeSet};

/// What a record's history says of this.
pub const WHAT: &str = "anonymized";

/// Pages where the record does not tell.
const PAGE: Bytes = Bytes(4096);

/// An address space. Two processes have two; physical memory is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Space {
    Process(i32),
    Physical,
    /// Code of all processes and of the kernel: stacks are shared by processes, so that there is one for all.
    Code,
    /// Of a target of which no process is known: kdamond, context, target id.
    Target(Option<KdamondIndex>, Option<u32>, Option<u64>),
}

/// What must be known of the whole record before it can be changed.
#[derive(Debug, Default)]
pub struct Survey {
    ops: Option<Ops>,
    page: Option<Bytes>,
    pair: Option<ClockPair>,
    targets: BTreeMap<TargetKey, Target>,
    areas: BTreeMap<Space, Areas>,
    /// Names of the kernel's modules, whose code has addresses in memory and none in files.
    kernel_modules: BTreeSet<String>,
    start: Option<Nanos>,
    first_wall: Option<Nanos>,
}

impl Survey {
    fn space(&self, target: Option<TargetKey>, pid: Option<i32>) -> Space {
        let target = match target.and_then(|key| self.targets.get(&key)) {
            Some(target) => target,
            None => {
                let mut others = self.targets.values().filter(|target| target.scheme.is_none());
                // Foreign side files name pids that their records do not know: with one target it is clear who is meant.
                match (others.next(), others.next(), pid) {
                    (Some(only), None, _) if only.process.is_none() => only,
                    (_, _, Some(pid)) => return Space::Process(pid),
                    _ => return Space::Target(None, None, None),
                }
            }
        };
        match (&target.process, self.ops) {
            (Some(process), _) => Space::Process(process.pid),
            (None, Some(Ops::Paddr)) => Space::Physical,
            (None, _) => Space::Target(target.kdamond, target.context, target.target_id),
        }
    }
}

impl Sink for Survey {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Meta(meta) => (self.ops, self.page, self.pair) = (meta.ops, meta.page_size, meta.clock_pair),
            Item::Target(target) => {
                self.targets.insert(target.key, target.clone());
            }
            Item::Snapshot(snapshot) => {
                self.start = Some(self.start.map_or(snapshot.start, |start| start.min(snapshot.start)));
                let space = self.space(Some(snapshot.target), None);
                self.areas.entry(space).or_default().0.add(snapshot.regions.iter().map(damo_model::Region::range));
            }
            Item::Side(side) => {
                match side {
                    Side::Mappings(all) => {
                        let space = self.space(all.target, Some(all.pid));
                        let ranges = all.mappings.iter().map(|m| AddrRange::new(m.start, m.end));
                        self.areas.entry(space).or_default().0.add(ranges);
                    }
                    Side::Placement(all) => {
                        let space = self.space(all.target, Some(all.pid));
                        let ranges = all.memory.iter().map(|m| AddrRange::new(m.start, m.end));
                        self.areas.entry(space).or_default().0.add(ranges);
                    }
                    _ => self.survey_profile(side),
                }
                if let Some(Stamp::Wall(at)) = stamp_of(side) {
                    self.first_wall = Some(self.first_wall.map_or(at, |first| first.min(at)));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What was replaced and what stays, for people to look over before they share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anonymized {
    /// Areas that were moved, over all address spaces.
    pub areas: u64,
    /// Processes that lost their names.
    pub processes: u64,
    /// File names that became numbers.
    pub files: u64,
    /// Number of marks whose texts were replaced.
    pub marks: u64,
    /// Parameters of kdamonds whose JSON text was left out.
    pub params: u64,
}

/// Takes out what tells of people, machines and programs, on the way to another sink.
pub struct Anonymize<'a> {
    survey: Survey,
    moves: BTreeMap<Space, Moves>,
    names: Names,
    /// Ids of targets that change.
    target_ids: BTreeMap<u64, u64>,
    keep_marks: bool,
    done: Anonymized,
    out: &'a mut dyn Sink,
}

impl<'a> Anonymize<'a> {
    /// Changes the record that `survey` has seen whole, on the way to `out`. Marks' texts stay if `keep_marks`.
    ///
    /// # Errors
    /// [`EditError::NoRoom`] if its addresses fill the whole address space.
    pub fn new(mut survey: Survey, keep_marks: bool, out: &'a mut dyn Sink) -> Result<Self, EditError> {
        let page = survey.page.filter(|page| page.0 > 0).unwrap_or(PAGE);
        let mut done = Anonymized::default();
        let mut moves = BTreeMap::new();
        for (space, areas) in std::mem::take(&mut survey.areas) {
            done.areas += areas.0.ranges().len() as u64;
            moves.insert(space, areas.moves(page).ok_or(EditError::NoRoom)?);
        }
        let target_ids = names::target_ids(survey.targets.values().filter_map(|target| target.target_id));
        Ok(Self { survey, moves, names: Names::default(), target_ids, keep_marks, done, out })
    }

    /// What was done so far.
    pub fn done(&self) -> Anonymized {
        Anonymized { processes: self.names.processes(), files: self.names.files(), ..self.done }
    }

    fn on_new_clock(&self, stamp: Stamp) -> Stamp {
        let start = self.survey.start.unwrap_or_default();
        match (on_record_clock(stamp, self.survey.pair), stamp) {
            (Some(at), _) => Stamp::Record(at.saturating_sub(start)),
            // Nothing relates it to the snapshots, so it keeps its distance from others of its kind.
            (None, Stamp::Wall(at)) => Stamp::Wall(at.saturating_sub(self.survey.first_wall.unwrap_or(at))),
            (None, other) => other,
        }
    }

    fn target(&mut self, target: &Target) -> Target {
        let mut target = target.clone();
        if let Some(process) = &mut target.process {
            process.pid = self.names.pid(process.pid);
            process.started = None;
            process.comm.clear();
            process.cmdline.clear();
        }
        if !matches!(target.data_source.as_str(), "unknown" | "damon_stat") {
            target.data_source.clear();
        }
        target.scheme_filters = names::filters(&target.scheme_filters);
        target.target_id = target.target_id.map(|id| self.target_ids.get(&id).copied().unwrap_or(id));
        target
    }

    fn side(&mut self, side: &Side) -> Option<Side> {
        let mut side = side.clone();
        let stamp = stamp_mut(&mut side)?;
        *stamp = self.on_new_clock(*stamp);
        match &mut side {
            Side::Mappings(all) => {
                let space = self.survey.space(all.target, Some(all.pid));
                all.pid = self.names.pid(all.pid);
                for mapping in &mut all.mappings {
                    if let Some(moves) = self.moves.get(&space) {
                        (mapping.start, mapping.end) = moves.range(mapping.start, mapping.end);
                    }
                    mapping.name = self.names.mapping(&mapping.name);
                    if !names::is_perms(&mapping.perms) {
                        mapping.perms.clear();
                    }
                }
            }
            Side::Placement(all) => {
                let moves = self.moves.get(&self.survey.space(all.target, Some(all.pid)));
                all.pid = self.names.pid(all.pid);
                for (memory, moves) in all.memory.iter_mut().zip(moves.into_iter().cycle()) {
                    (memory.start, memory.end) = moves.range(memory.start, memory.end);
                }
            }
            Side::Process(footprint) => footprint.pid = self.names.pid(footprint.pid),
            Side::Cpu(time) => {
                time.pid = self.names.pid(time.pid);
                if !time.kdamond {
                    time.comm.clear();
                } else if !names::is_kdamond(&time.comm) {
                    time.comm = "kdamond".to_owned();
                }
            }
            Side::Pressure(pressure) => {
                if !matches!(pressure.resource.as_str(), "memory" | "cpu" | "io") {
                    pressure.resource = "other".to_owned();
                }
            }
            Side::Params(params) => {
                self.done.params += u64::from(!params.json.is_empty());
                params.json.clear();
            }
            Side::Lost(lost) => lost.reason = names::reason(&lost.reason),
            Side::Mark(mark) => {
                self.done.marks += 1;
                if !self.keep_marks {
                    mark.text = self.names.mark(&mark.text);
                }
            }
            Side::System(_) | Side::Scheme(_) => {}
            // A later kind may name anything.
            _ => return self.profile(&mut side).then_some(side),
        }
        Some(side)
    }
}

impl Sink for Anonymize<'_> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        let changed = match item {
            Item::Meta(meta) => Item::Meta(anonymous(meta)),
            Item::Target(target) => Item::Target(self.target(target)),
            Item::Snapshot(snapshot) => {
                let mut snapshot = snapshot.clone();
                let start = self.survey.start.unwrap_or_default();
                snapshot.start = snapshot.start.saturating_sub(start);
                snapshot.end = snapshot.end.saturating_sub(start);
                if let Some(moves) = self.moves.get(&self.survey.space(Some(snapshot.target), None)) {
                    for region in &mut snapshot.regions {
                        (region.start, region.end) = moves.range(region.start, region.end);
                    }
                }
                Item::Snapshot(snapshot)
            }
            Item::Side(side) => match self.side(side) {
                Some(side) => Item::Side(side),
                None => return Ok(()),
            },
            // A later kind of item may say anything.
            _ => return Ok(()),
        };
        self.out.put(&changed)
    }
}

/// What may be known of a record by everyone. Named field by field: a new field is left out until it is named here.
fn anonymous(meta: &Meta) -> Meta {
    let known = |name: &&String| FEATURES.iter().any(|(feature, ..)| feature == name);
    Meta {
        tool: names::tool(&meta.tool),
        kernel_release: names::release(&meta.kernel_release),
        features: meta.features.iter().filter(known).cloned().collect(),
        source: match meta.source.clone() {
            Source::Simulator { seed, .. } => Source::Simulator { seed, workload: "unnamed".to_owned() },
            Source::Imported { format } if !names::FORMATS.contains(&format.as_str()) => {
                Source::Imported { format: "other".to_owned() }
            }
            known @ (Source::Unknown
            | Source::Kernel
            | Source::KernelSnapshots
            | Source::Referenced
            | Source::Imported { .. }) => known,
        },
        ops: meta.ops,
        intervals: meta.intervals,
        intervals_goal: meta.intervals_goal,
        nr_regions: meta.nr_regions,
        page_size: meta.page_size,
        ..Meta::default()
    }
}

#[cfg(test)]
mod tests;
