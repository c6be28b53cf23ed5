//! Snapshots read now and then instead of a stream of events: for kernels or moments without the tracepoint.
//!
//! A scheme that does nothing (`stat`) is added to our own kdamonds; the regions that it was tried on are all regions
//! of the last aggregation. sysfs lists them without saying where one target ends and the next begins, so each target
//! gets a scheme of its own with a target filter; kernels without that filter (before 6.6) are given one scheme, and a
//! target ends where addresses go backwards.

use super::description::{first_items, meta};
use super::follow::LOOK;
use super::managed_damon::ManagedDamon;
use super::process_tracker::ProcessTracker;
use super::side_data::SideDataSampler;
use super::starting::{NotStarted, plan, until_nobody_went};
use crate::error::RecordError;
use crate::request::{Request, Snapshots};
use crate::session::{Ending, Findings, Recording, Session, duration};
use crate::summary::grouped;
use damo_kernel::procfs::now;
use damo_kernel::sysfs::{Command, TriedRegion};
use damo_model::kdamond::Kdamond;
use damo_model::scheme::{Action, FilterKind, Scheme, SchemeFilter};
use damo_model::{
    Bytes, ColumnId, ExtraColumn, Intervals, Item, KdamondIndex, KdamondThread, Nanos, Process, Snapshot, Source,
    Target, TargetKey,
};
use damo_steer::command::Started;
use damo_steer::plan::{Origin, Plan, TargetSpec};
use damo_steer::{Machine, Notifier};
use std::time::{Duration, Instant};

/// The release that brought target filters.
const TARGET_FILTERS: (u32, u32) = (6, 6);

/// Where the regions of some targets are to be read.
struct SchemeRegions {
    /// Position in our list of kdamonds.
    at: usize,
    /// Scheme index in context 0.
    scheme: usize,
    /// The targets that the scheme sees, in order.
    targets: Vec<TargetKey>,
    /// In force when regions were read last.
    intervals: Intervals,
    /// Whether the kernel tunes them.
    is_tuned: bool,
    /// Bytes that one step of the kdamond's addresses stands for.
    addr_unit: u64,
}

/// Said of an empty record.
const NO_SNAPSHOT: &str = "No snapshot came. A recording must last longer than one aggregation interval, and its target must \
                           live that long. With --snapshot: longer than DELAY.";

/// A recording of snapshots that are read now and then.
pub(crate) struct SnapshotRecording<'a> {
    wanted: Snapshots,
    machine: &'a Machine,
    damon: ManagedDamon,
    regions: Vec<SchemeRegions>,
    targets: Vec<Target>,
    /// Threads of the kdamonds, whose cost is recorded.
    threads: Vec<KdamondThread>,
    processes: ProcessTracker,
    side_data: SideDataSampler,
    /// Whether the targets are processes, so that the recording ends with them.
    has_processes: bool,
    nr_snapshots: u64,
    nr_regions: u64,
}

impl<'a> SnapshotRecording<'a> {
    /// Sets DAMON up with what shows its regions, and switches it on.
    pub(crate) fn begin(
        request: &Request,
        targets: &TargetSpec,
        wanted: Snapshots,
        machine: &'a Machine,
        command: &mut Option<Started>,
        notifier: &mut dyn Notifier,
    ) -> Result<(Self, Vec<Item>), RecordError> {
        if let TargetSpec::Command { words, .. } = targets {
            *command = Some(Started::spawn(words, false)?);
        }
        let (plan, damon, regions, targets, threads) = until_nobody_went(machine, notifier, |least_age| {
            let plan = plan(request, targets, machine, command.as_ref().map(Started::pid), least_age)?;
            let processes = plan.processes.clone();
            start(request, machine, plan, least_age).map_err(NotStarted::with(&processes))
        })?;
        if request.follow_children && !plan.processes.is_empty() {
            notifier.note("processes that start from now on are not monitored: --snapshot does not follow children");
        }
        let meta = meta(request, machine, &[], &plan.kdamonds, Source::KernelSnapshots);
        let mut items = first_items(meta, damon.indices(), &plan.kdamonds);
        items.extend(targets.iter().cloned().map(Item::Target));
        let has_processes = !plan.processes.is_empty();
        let processes = ProcessTracker::new(machine.procfs.clone(), Origin::Roots { follow: false }, plan.processes);
        let side_data = SideDataSampler::new(machine.procfs.clone());
        let recording = Self {
            wanted,
            machine,
            damon,
            regions,
            targets,
            threads,
            processes,
            side_data,
            has_processes,
            nr_snapshots: 0,
            nr_regions: 0,
        };
        Ok((recording, items))
    }
}

type StartedSnapshots = (Plan, ManagedDamon, Vec<SchemeRegions>, Vec<Target>, Vec<KdamondThread>);

fn start(
    request: &Request,
    machine: &Machine,
    mut plan: Plan,
    least_age: Nanos,
) -> Result<StartedSnapshots, RecordError> {
    let release = damo_kernel::features::parse_release(&machine.procfs.kernel_release());
    let filters = release.is_none_or(|release| release >= TARGET_FILTERS);
    let (mut regions, mut targets) = (Vec::new(), Vec::new());
    for (at, kdamond) in plan.kdamonds.iter_mut().enumerate() {
        regions.extend(add_schemes(at, kdamond, filters, &plan.processes, &mut targets));
    }
    let mut damon = ManagedDamon::stage(request, machine, &plan, least_age)?;
    for target in &mut targets {
        let at = target.kdamond.unwrap_or_default().0 as usize;
        target.kdamond = damon.indices().get(at).copied();
    }
    let threads = damon.start()?.into_iter().map(|on| on.thread).collect();
    Ok((plan, damon, regions, targets, threads))
}

/// Adds what shows us the regions of a kdamond's first context, and its targets to `targets` (with the position in our
/// list for the kdamond index).
fn add_schemes(
    at: usize,
    kdamond: &mut Kdamond,
    filters: bool,
    processes: &[Process],
    targets: &mut Vec<Target>,
) -> Vec<SchemeRegions> {
    let Some(context) = kdamond.contexts.first_mut() else { return Vec::new() };
    let mut keys = Vec::new();
    for (index, target) in context.targets.iter().enumerate() {
        let key = TargetKey(targets.len() as u32);
        keys.push(key);
        targets.push(Target {
            key,
            kdamond: Some(KdamondIndex(at as u32)),
            context: Some(0),
            target_id: Some(index as u64),
            process: target.pid.and_then(|pid| processes.iter().find(|process| process.pid == pid).cloned()),
            ..Target::default()
        });
    }
    let first = context.schemes.len();
    let (intervals, is_tuned) = (context.intervals, context.intervals_goal.is_some());
    let addr_unit = context.addr_unit.unwrap_or(1);
    if keys.len() > 1 && filters {
        let of_target = |index: usize| {
            // What does not match is kept out.
            let filter = SchemeFilter { kind: FilterKind::Target(index as u64), matching: false, allow: false };
            Scheme { filters: vec![filter], ..Scheme::new(Action::Stat) }
        };
        context.schemes.extend((0..keys.len()).map(of_target));
        let windows = keys.into_iter().enumerate();
        return windows
            .map(|(index, key)| (first + index, vec![key]))
            .map(|(scheme, targets)| SchemeRegions { at, scheme, targets, intervals, is_tuned, addr_unit })
            .collect();
    }
    context.schemes.push(Scheme::new(Action::Stat));
    vec![SchemeRegions { at, scheme: first, targets: keys, intervals, is_tuned, addr_unit }]
}

impl Recording for SnapshotRecording<'_> {
    fn follow(&mut self, session: &mut Session<'_>) -> Result<Ending, RecordError> {
        let mut processes: Vec<(Process, Option<TargetKey>)> =
            self.targets.iter().filter_map(|target| Some((target.process.clone()?, Some(target.key)))).collect();
        let begun = Instant::now();
        loop {
            let due = begun + duration(self.wanted.delay).saturating_mul(self.nr_snapshots as u32 + 1);
            if let Some(ending) = self.wait(session, due)? {
                return Ok(ending);
            }
            let Some(regions) = self.read_one(session)? else { continue };
            if Instant::now() >= self.side_data.due() {
                // To read took an aggregation, in which some may have ended.
                self.look(session)?;
                let mut items = Vec::new();
                processes.retain(|(process, _)| self.is_alive(process));
                self.side_data.sample(&processes, &self.threads, &mut items);
                session.give_all(items)?;
            }
            self.nr_snapshots += 1;
            self.nr_regions += regions;
            if self.wanted.count > 0 && self.nr_snapshots >= self.wanted.count {
                return Ok(Ending::Complete);
            }
        }
    }

    fn end(self, _: &mut Session<'_>) -> Findings {
        Findings { no_snapshot: NO_SNAPSHOT, ..Findings::new(self.damon.undo(), Ok(())) }
    }
}

impl SnapshotRecording<'_> {
    /// Waits until the next snapshot is due, or gives a reason to end.
    fn wait(&mut self, session: &mut Session<'_>, due: Instant) -> Result<Option<Ending>, RecordError> {
        loop {
            if let Some(ending) = session.look()? {
                return Ok(Some(ending));
            }
            self.look(session)?;
            if self.has_processes && self.processes.alive().next().is_none() {
                return Ok(Some(Ending::TargetsGone));
            }
            if !self.damon.staged().is_running()? {
                return Ok(Some(Ending::DamonStopped));
            }
            self.draw(session);
            let patience = due.saturating_duration_since(Instant::now()).min(LOOK);
            if patience.is_zero() {
                return Ok(None);
            }
            session.sleep(self.processes.exits(), patience)?;
        }
    }

    /// Looks who is gone, and who has another name.
    fn look(&mut self, session: &mut Session<'_>) -> Result<(), RecordError> {
        for process in self.processes.look().renamed {
            let is_it = |known: &Process| known.identity() == process.identity();
            for target in self.targets.iter().filter(|target| target.process.as_ref().is_some_and(is_it)) {
                let target = Target { process: Some(process.clone()), ..target.clone() };
                session.give_all([Item::Target(target)])?;
            }
        }
        Ok(())
    }

    /// Whether the process was there at the last look.
    fn is_alive(&self, process: &Process) -> bool {
        self.processes.alive().any(|alive| alive.identity() == process.identity())
    }

    /// Reads the regions of all targets that are left: of one that has ended DAMON goes on to list the last ones. Gives
    /// how many there were, or nothing if DAMON ended in this moment, because its targets did.
    fn read_one(&mut self, session: &mut Session<'_>) -> Result<Option<u64>, RecordError> {
        let longest = self.regions.iter().map(|read| read.intervals.aggregation.0).max().unwrap_or_default();
        let patience = duration(Nanos(longest)) * 3 + Duration::from_secs(5);
        let tuned = self.regions.iter().any(|read| read.is_tuned).then_some(Command::UpdateTunedIntervals);
        for command in tuned.into_iter().chain([Command::UpdateTriedRegions]) {
            match self.damon.staged().command(command, patience) {
                Err(_) if !self.damon.staged().is_running()? => return Ok(None),
                other => other?,
            }
        }
        let end = now();
        let indices = self.damon.indices();
        for read in self.regions.iter_mut().filter(|read| read.is_tuned) {
            let Some(index) = indices.get(read.at) else { continue };
            read.intervals = self.machine.sysfs.intervals(*index)?;
        }
        let ended = |target: &&Target| target.process.as_ref().is_some_and(|process| !self.is_alive(process));
        let ended: Vec<TargetKey> = self.targets.iter().filter(ended).map(|target| target.key).collect();
        let mut count = 0;
        for read in &self.regions {
            if read.targets.iter().all(|key| ended.contains(key)) {
                continue;
            }
            let Some(index) = indices.get(read.at) else { continue };
            let tried = self.machine.sysfs.tried_regions(*index, 0, read.scheme)?;
            let parts = read.targets.iter().zip(by_target(&tried, read.targets.len()));
            for (key, regions) in parts.filter(|(key, _)| !ended.contains(key)) {
                count += regions.len() as u64;
                session.give_all([Item::Snapshot(snapshot(*key, end, read, regions))])?;
            }
        }
        Ok(Some(count))
    }

    fn draw(&self, session: &mut Session<'_>) {
        session.draw(&|| {
            let of = if self.wanted.count > 0 { format!(" of {}", grouped(self.wanted.count)) } else { String::new() };
            let (snapshots, regions) = (grouped(self.nr_snapshots), grouped(self.nr_regions));
            (format!("{snapshots}{of} snapshots read, {regions} regions"), String::new())
        });
    }
}

/// The regions of each of `count` targets: a target ends where addresses go backwards.
fn by_target(tried: &[TriedRegion], count: usize) -> Vec<&[TriedRegion]> {
    if count == 1 {
        return vec![tried];
    }
    tried.chunk_by(|a, b| a.region.end <= b.region.start).collect()
}

fn snapshot(key: TargetKey, end: Nanos, read: &SchemeRegions, tried: &[TriedRegion]) -> Snapshot {
    let (intervals, unit) = (read.intervals, read.addr_unit);
    let mut snapshot = Snapshot::new(key, end.saturating_sub(intervals.aggregation), end, Some(intervals));
    snapshot.regions = tried.iter().map(|tried| tried.region.in_bytes(unit)).collect();
    let passed = tried.iter().map(|tried| tried.filter_passed.map(|Bytes(size)| size.saturating_mul(unit)));
    let passed: Option<Vec<u64>> = passed.collect();
    if let Some(values) = passed.filter(|values| !values.is_empty()) {
        snapshot.extras.push(ExtraColumn { id: ColumnId::FILTER_PASSED, values });
    }
    let probes = tried.iter().map(|tried| tried.probe_hits.len()).max().unwrap_or(0);
    for (probe, id) in (0..probes).zip(ColumnId::of_probes()) {
        let values = tried.iter().map(|tried| tried.probe_hits.get(probe).copied().unwrap_or(0)).collect();
        snapshot.extras.push(ExtraColumn { id, values });
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::kdamond::{Context, ContextTarget};
    use damo_model::{Addr, NrAccesses, Ops, Region};

    fn tried(ranges: &[(u64, u64)]) -> Vec<TriedRegion> {
        let region = |(start, end): &(u64, u64)| Region::new(Addr(*start), Addr(*end), NrAccesses(0), None);
        ranges
            .iter()
            .map(|range| TriedRegion { region: region(range), filter_passed: None, probe_hits: Vec::new() })
            .collect()
    }

    #[test]
    fn targets_are_told_apart_where_addresses_go_backwards() {
        let all = tried(&[(0, 10), (10, 20), (5, 9), (30, 40)]);
        let parts = by_target(&all, 2);
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(by_target(&all[..2], 1)[0].len(), 2);
    }

    #[test]
    fn several_targets_get_a_scheme_each_where_the_kernel_can_filter_by_target() {
        let kdamond = || {
            let mut context = Context::new(Ops::Vaddr);
            context.targets = vec![ContextTarget { pid: Some(1), ..ContextTarget::default() }; 2];
            context.schemes.push(Scheme::new(Action::Pageout));
            Kdamond { refresh: None, contexts: vec![context] }
        };
        let (mut new, mut old) = (kdamond(), kdamond());
        let mut targets = Vec::new();
        let windows = add_schemes(0, &mut new, true, &[], &mut targets);
        assert_eq!(windows.iter().map(|window| window.scheme).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(new.contexts[0].schemes[2].filters[0].kind, FilterKind::Target(1));
        assert_eq!(targets.len(), 2);
        let windows = add_schemes(0, &mut old, false, &[], &mut Vec::new());
        assert_eq!((windows[0].scheme, windows[0].targets.len()), (1, 2));
    }
}
