//! What is known of a stream: recent snapshots, and of everything beside them the last word or a thinned-out series. All of
//! it is bounded.

use crate::areas::{Area, areas};
use crate::history::{History, Moment};
use crate::placements::Placements;
use crate::series::Series;
use damo_model::human::Show;
use damo_model::{
    Bytes, Intervals, Item, KdamondIndex, Meta, Nanos, Ops, SchemeCounts, SchemeProgress, Side, Snapshot,
    SnapshotState, Stamp, Target, TargetKey,
};
use std::collections::BTreeMap;

/// More targets are not kept: those that ended first go.
const MOST_TARGETS: usize = 512;
/// More processes whose CPU time is known are not kept.
const MOST_CPU_TIMES: usize = 1_024;
/// More marks are not kept.
const MOST_MARKS: usize = 256;
/// More schemes are not kept.
const MOST_SCHEMES: usize = 256;
/// Longer texts are cut.
const LONGEST_TEXT: usize = 200;

/// A target and what is known of it now.
#[derive(Clone, Debug)]
pub(crate) struct TargetState {
    pub(crate) target: Target,
    pub(crate) rss: Series,
    pub(crate) areas: Vec<Area>,
    pub(crate) placements: Placements,
    /// When its first snapshot began and its last one ended.
    pub(crate) first: Option<Nanos>,
    pub(crate) last: Nanos,
    /// The highest number of accesses that was seen.
    seen: u32,
}

/// CPU time of a process or thread.
#[derive(Clone, Debug)]
pub(crate) struct CpuState {
    pub(crate) comm: String,
    pub(crate) kdamond: bool,
    pub(crate) used: Series,
}

/// Which scheme: kdamond, context and number.
pub(crate) type SchemeKey = (Option<KdamondIndex>, u32, u32);

/// How a scheme is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemeState {
    pub(crate) effective_quota: Series<Bytes>,
    pub(crate) counts: Series<SchemeCounts>,
}

/// What is known of a stream so far.
#[derive(Debug, Default)]
pub struct State {
    pub(crate) meta: Meta,
    pub(crate) targets: BTreeMap<TargetKey, TargetState>,
    pub(crate) history: History,
    pub(crate) cpu: BTreeMap<i32, CpuState>,
    pub(crate) schemes: BTreeMap<SchemeKey, SchemeState>,
    pub(crate) marks: Vec<(Nanos, String)>,
    /// Events lost so far.
    pub(crate) lost: Series,
    lost_events: u64,
    /// Actions of schemes, by number, as far as parameters tell.
    pub(crate) actions: Vec<String>,
    intervals: Option<Intervals>,
    pub(crate) begin: Option<Nanos>,
    now: Nanos,
    pub(crate) snapshots: u64,
    pub(crate) partial: u64,
    /// Parts of the stream that could not be read.
    pub(crate) damaged: usize,
}

impl State {
    /// A state whose snapshots take no more than so many bytes.
    pub(crate) fn with_memory(most_bytes: usize) -> Self {
        Self { history: History::with_memory(most_bytes), ..Self::default() }
    }

    /// The end of the latest snapshot, on the record's clock; 0 before the first one.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// When the first snapshot began.
    pub fn begin(&self) -> Option<Nanos> {
        self.begin
    }

    /// Takes what the stream says next.
    pub fn take(&mut self, item: &Item) {
        match item {
            Item::Meta(meta) => {
                self.intervals = meta.intervals;
                self.meta = meta.clone();
            }
            Item::Target(target) => self.take_target(target),
            Item::Snapshot(snapshot) => self.take_snapshot(snapshot),
            Item::Side(side) => self.take_side(side),
            _ => {}
        }
    }

    /// When an item is of, on the record's clock, if it is of a moment.
    pub(crate) fn time_of(&self, item: &Item) -> Option<Nanos> {
        match item {
            Item::Snapshot(snapshot) => Some(snapshot.end),
            Item::Side(side) => self.record_time(stamp_of(side)?),
            _ => None,
        }
    }

    fn take_target(&mut self, target: &Target) {
        if let Some(known) = self.targets.get_mut(&target.key) {
            known.target = cut(target);
            return;
        }
        if self.targets.len() >= MOST_TARGETS
            && let Some(oldest) = self.targets.iter().min_by_key(|(_, target)| target.last).map(|(key, _)| *key)
        {
            self.targets.remove(&oldest);
        }
        let state = TargetState {
            target: cut(target),
            rss: Series::default(),
            areas: Vec::new(),
            placements: Placements::default(),
            first: None,
            last: self.now,
            seen: 1,
        };
        self.targets.insert(target.key, state);
    }

    fn take_snapshot(&mut self, snapshot: &Snapshot) {
        self.snapshots += 1;
        self.partial += u64::from(matches!(snapshot.state, SnapshotState::Partial { .. }));
        if !self.targets.contains_key(&snapshot.target) {
            self.take_target(&Target { key: snapshot.target, ..Target::default() });
        }
        let Some(target) = self.targets.get_mut(&snapshot.target) else { return };
        let seen = snapshot.regions.iter().map(|region| region.nr_accesses.0).max().unwrap_or(0);
        target.seen = target.seen.max(seen);
        target.first.get_or_insert(snapshot.start);
        target.last = target.last.max(snapshot.end);
        self.begin.get_or_insert(snapshot.start);
        self.now = if self.snapshots == 1 { snapshot.end } else { self.now.max(snapshot.end) };
        // Of a partial snapshot the rest is not known: it would look as if the working set had shrunk.
        if snapshot.state == SnapshotState::Complete && snapshot.start < snapshot.end {
            self.history.push(Moment::new(snapshot, snapshot.intervals.or(self.intervals), target.seen));
        }
    }

    fn take_side(&mut self, side: &Side) {
        let Some(at) = stamp_of(side).and_then(|stamp| self.record_time(stamp)) else { return };
        match side {
            Side::Mappings(mappings) => {
                if let Some(target) = self.target_mut(mappings.target, mappings.pid) {
                    target.areas = areas(&mappings.mappings);
                }
            }
            Side::Placement(placement) => {
                let all: usize = self.targets.values().map(|target| target.placements.bytes).sum();
                if let Some(target) = self.target_mut(placement.target, placement.pid) {
                    let others = all - target.placements.bytes;
                    target.placements.push(at, placement.into(), others);
                }
            }
            Side::Process(process) => {
                let Some(rss) = process.footprint.rss else { return };
                if let Some(target) = self.target_mut(process.target, process.pid) {
                    target.rss.push(at, rss.0);
                }
            }
            Side::Cpu(cpu) => {
                if self.cpu.len() >= MOST_CPU_TIMES && !self.cpu.contains_key(&cpu.pid) {
                    self.cpu.pop_first();
                }
                let entry = self.cpu.entry(cpu.pid).or_insert_with(|| CpuState {
                    comm: text(&cpu.comm),
                    kdamond: cpu.kdamond,
                    used: Series::default(),
                });
                entry.used.push(at, u64::try_from(cpu.user.saturating_add(cpu.system).0).unwrap_or(0));
            }
            Side::Params(params) => {
                self.intervals = params.intervals.or(self.intervals);
                if let Some(actions) = actions_of(&params.json) {
                    self.actions = actions;
                }
            }
            Side::Lost(lost) => {
                self.lost_events = self.lost_events.saturating_add(lost.events);
                self.lost.push(at, self.lost_events);
            }
            Side::Mark(mark) => self.mark(at, &mark.text),
            Side::Scheme(progress) => self.take_scheme(at, progress),
            _ => {}
        }
    }

    /// Names a moment.
    pub fn mark(&mut self, at: Nanos, name: &str) {
        if self.marks.len() == MOST_MARKS {
            self.marks.remove(0);
        }
        self.marks.push((at, text(name)));
    }

    fn take_scheme(&mut self, at: Nanos, progress: &SchemeProgress) {
        let key = (progress.kdamond, progress.context, progress.scheme);
        if self.schemes.len() >= MOST_SCHEMES && !self.schemes.contains_key(&key) {
            return;
        }
        let scheme = self.schemes.entry(key).or_default();
        if let Some(quota) = progress.effective_quota {
            scheme.effective_quota.push(at, quota);
        }
        if let Some(counts) = progress.counts {
            scheme.counts.push(at, counts);
        }
    }

    fn target_mut(&mut self, key: Option<TargetKey>, pid: i32) -> Option<&mut TargetState> {
        let is = |target: &TargetState| target.target.process.as_ref().is_some_and(|process| process.pid == pid);
        let key = key.or_else(|| self.targets.iter().rev().find(|(_, target)| is(target)).map(|(key, _)| *key))?;
        self.targets.get_mut(&key)
    }

    fn record_time(&self, stamp: Stamp) -> Option<Nanos> {
        match stamp {
            Stamp::Record(at) => Some(at),
            Stamp::Wall(wall) => {
                let pair = self.meta.clock_pair?;
                Some(wall.saturating_sub(pair.wall).saturating_add(pair.record))
            }
        }
    }

    /// What to call a target: the process's command, what the memory is, or its key.
    pub(crate) fn name(&self, target: &Target) -> String {
        let name = match &target.process {
            Some(process) if !process.comm.is_empty() => process.comm.clone(),
            Some(process) => format!("pid {}", process.pid),
            None if self.meta.ops == Some(Ops::Paddr) => "physical memory".to_owned(),
            None => format!("target {}", target.target_id.unwrap_or(target.key.0.into())),
        };
        match target.scheme {
            Some(scheme) => format!("{name}, scheme {scheme}"),
            None => name,
        }
    }
}

/// A target as it is shown and kept.
fn cut(target: &Target) -> Target {
    let mut target = target.clone();
    if let Some(process) = &mut target.process {
        process.comm = text(&process.comm);
        process.cmdline = text(&process.cmdline);
    }
    target.scheme_filters.clear();
    target.data_source = text(&target.data_source);
    target
}

/// A text from outside as it may be shown, not too long.
fn text(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST_TEXT).collect();
    cut.shown().to_string()
}

fn stamp_of(side: &Side) -> Option<Stamp> {
    Some(match side {
        Side::Mappings(of) => of.at,
        Side::Process(of) => of.at,
        Side::System(of) => of.at,
        Side::Cpu(of) => of.at,
        Side::Pressure(of) => of.at,
        Side::Params(of) => of.at,
        Side::Lost(of) => of.at,
        Side::Mark(of) => of.at,
        Side::Scheme(of) => of.at,
        Side::Placement(of) => of.at,
        _ => return None,
    })
}

/// The actions of the schemes of parameters in the Python tool's schema.
fn actions_of(json: &str) -> Option<Vec<String>> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    // One kdamond, or a list of them.
    let kdamond = value.get("kdamonds").unwrap_or(&value);
    let kdamond = kdamond.get(0).unwrap_or(kdamond);
    let schemes = kdamond.get("contexts")?.get(0)?.get("schemes")?.as_array()?;
    let action = |scheme: &serde_json::Value| scheme.get("action").and_then(|action| action.as_str()).map(text);
    Some(schemes.iter().take(MOST_SCHEMES).map(|scheme| action(scheme).unwrap_or_default()).collect())
}
