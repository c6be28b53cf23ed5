//! Snapshots read now and then instead of a stream of events: for kernels or moments without the tracepoint.
//!
//! A scheme that does nothing (`stat`) is added to our own kdamonds; the regions that it was tried on are all regions
//! of the last aggregation. sysfs lists them without saying where one target ends and the next begins, so each target
//! gets a scheme of its own with a target filter; kernels without that filter (before 6.6) are given one scheme, and a
//! target ends where addresses go backwards.

use super::follow::{Ending, LOOK, give, give_all};
use super::managed_damon::ManagedDamon;
use super::process_tracker::ProcessTracker;
use super::side_data::SideDataSampler;
use super::target_controller::{NotStarted, meta, params_of, until_nobody_went};
use super::{open_output, start_pipeline};
use crate::error::RecordError;
use crate::marks::Marks;
use crate::pipeline::{Fate, Pipeline};
use crate::request::{Request, RequestSource, Snapshots};
use crate::summary;
use damo_kernel::procfs::now;
use damo_kernel::sysfs::{Command, TriedRegion};
use damo_model::human::{Style, format_size};
use damo_model::kdamond::Kdamond;
use damo_model::scheme::{Action, FilterKind, Scheme, SchemeFilter};
use damo_model::{
    Bytes, ColumnId, ExtraColumn, Intervals, Item, Mark, Nanos, Process, Side, Snapshot, Source, Stamp, Target,
    TargetKey,
};
use damo_steer::Machine;
use damo_steer::Notifier;
use damo_steer::command::{self, Started};
use damo_steer::plan::{Origin, Plan, TargetSpec};
use damo_steer::signals::Signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::process::ExitCode;
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
    intervals: Intervals,
}

/// Records snapshots.
pub(crate) fn run(
    request: &Request,
    wanted: Snapshots,
    machine: &Machine,
    signals: &Signals,
    notifier: &mut dyn Notifier,
) -> Result<ExitCode, RecordError> {
    if request.schemes_target_regions {
        return Err(RecordError::SnapshotsOfSchemes);
    }
    let mut command = None;
    let recorded = record(request, wanted, machine, signals, notifier, &mut command);
    command::pass_on(command, recorded, signals, notifier)
}

/// The same, but for the end of the command.
fn record(
    request: &Request,
    wanted: Snapshots,
    machine: &Machine,
    signals: &Signals,
    notifier: &mut dyn Notifier,
    command: &mut Option<Started>,
) -> Result<(), RecordError> {
    let output = open_output(request, notifier)?;
    let (mut own, session) = match begin(request, machine, command, notifier) {
        Ok(begun) => begun,
        Err(error) => {
            output.discard();
            return command::not_begun(command, error, notifier);
        }
    };
    let pipeline = match start_pipeline(output, request, signals) {
        Ok(pipeline) => pipeline,
        Err(error) => return command::not_begun(command, error, notifier),
    };
    if request.follow_children && !session.plan.processes.is_empty() {
        notifier.note("processes that start from now on are not monitored: --snapshot does not follow children");
    }
    let mut reading = Reading {
        request,
        wanted,
        machine,
        pipeline: &pipeline,
        signals,
        processes: ProcessTracker::new(
            machine.procfs.clone(),
            Origin::Roots { follow: false },
            session.plan.processes.clone(),
        ),
        marks: None,
        begun: Instant::now(),
        taken: 0,
        regions: 0,
    };
    let read = reading.read_all(&session, &mut own, notifier);
    // First of all, whatever the output does.
    let undone = own.undo();
    let fate = if read.is_ok() { Fate::Finished } else { Fate::FinishedIfAny };
    let ended = pipeline.end(fate, notifier);
    notifier.clear();
    if ended.error.as_ref().is_some_and(RecordError::is_closed_pipe) {
        notifier.say(super::READER_GONE);
    } else if let Ok(Some(ending)) = &read {
        notifier.say(&ending.sentence());
    }
    if !ended.written.files.is_empty() || ended.error.is_none() && !ended.was_discarded {
        notifier.say(&summary::summary(&ended.written, None));
    }
    // After a failure the error has the last word.
    if let Some(next) = summary::next_command(&ended.written).filter(|_| ended.error.is_none()) {
        notifier.say(&next);
    }
    if ended.error.is_none() && !ended.was_discarded && ended.written.snapshots == 0 {
        notifier.warn(&format!("{} With --snapshot: longer than DELAY.", super::NO_SNAPSHOT));
    }
    undone?;
    match ended.error {
        Some(error) if error.is_closed_pipe() => Ok(()),
        Some(error) => Err(error),
        None => read.map(|_| ()),
    }
}

struct Session {
    plan: Plan,
    windows: Vec<SchemeRegions>,
    targets: Vec<Target>,
    kdamonds: Vec<i32>,
}

fn begin(
    request: &Request,
    machine: &Machine,
    command: &mut Option<Started>,
    notifier: &mut dyn Notifier,
) -> Result<(ManagedDamon, Session), RecordError> {
    if let RequestSource::Targets(TargetSpec::Command { words, .. }) = &request.what {
        *command = Some(Started::spawn(words, false)?);
    }
    until_nobody_went(machine, notifier, |least_age| {
        let plan = super::plan(request, machine, command.as_ref().map(Started::pid), least_age)?;
        let processes = plan.processes.clone();
        start(request, machine, plan, least_age).map_err(NotStarted::with(&processes))
    })
}

/// Sets DAMON up with what shows its regions, and switches it on.
fn start(
    request: &Request,
    machine: &Machine,
    mut plan: Plan,
    least_age: Nanos,
) -> Result<(ManagedDamon, Session), RecordError> {
    let release = damo_kernel::features::parse_release(&machine.procfs.kernel_release());
    let filters = release.is_none_or(|release| release >= TARGET_FILTERS);
    let (mut windows, mut targets) = (Vec::new(), Vec::new());
    for (at, kdamond) in plan.kdamonds.iter_mut().enumerate() {
        windows.extend(add_schemes(at, kdamond, filters, &plan.processes, &mut targets));
    }
    let mut own = ManagedDamon::stage(request, machine, &plan, least_age)?;
    for target in &mut targets {
        let at = target.kdamond.unwrap_or_default() as usize;
        target.kdamond = own.indices().get(at).copied();
    }
    let kdamonds = own.start()?.into_iter().map(|(_, tid)| tid).collect();
    Ok((own, Session { plan, windows, targets, kdamonds }))
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
            kdamond: Some(at as u32),
            context: Some(0),
            target_id: Some(index as u64),
            process: target.pid.and_then(|pid| processes.iter().find(|process| process.pid == pid).cloned()),
            ..Target::default()
        });
    }
    let first = context.schemes.len();
    let intervals = context.intervals;
    if keys.len() > 1 && filters {
        let of_target = |index: usize| {
            // What does not match is kept out.
            let filter = SchemeFilter { kind: FilterKind::Target(index as u64), matching: false, allow: false };
            Scheme { filters: vec![filter], ..Scheme::new(Action::Stat) }
        };
        context.schemes.extend((0..keys.len()).map(of_target));
        let windows = keys.into_iter().enumerate();
        return windows
            .map(|(index, key)| SchemeRegions { at, scheme: first + index, targets: vec![key], intervals })
            .collect();
    }
    context.schemes.push(Scheme::new(Action::Stat));
    vec![SchemeRegions { at, scheme: first, targets: keys, intervals }]
}

/// All that reading works with.
struct Reading<'a> {
    request: &'a Request,
    wanted: Snapshots,
    machine: &'a Machine,
    pipeline: &'a Pipeline,
    signals: &'a Signals,
    processes: ProcessTracker,
    marks: Option<Marks>,
    begun: Instant,
    taken: u64,
    regions: u64,
}

impl Reading<'_> {
    /// Gives the reason why it ended before all were read that were wanted.
    fn read_all(
        &mut self,
        session: &Session,
        own: &mut ManagedDamon,
        notifier: &mut dyn Notifier,
    ) -> Result<Option<Ending>, RecordError> {
        let path = self.request.output.path.as_deref();
        self.marks = path.map(|path| Marks::listen(path, notifier)).transpose()?.flatten();
        let kdamonds = &session.plan.kdamonds;
        let meta = meta(self.request, self.machine, &[], kdamonds, Source::KernelSnapshots);
        give(self.pipeline, Item::Meta(meta))?;
        let at = Stamp::Record(now());
        for (index, kdamond) in own.indices().into_iter().zip(kdamonds) {
            for params in params_of(at, index, kdamond) {
                give(self.pipeline, Item::Side(Side::Params(params)))?;
            }
        }
        for target in &session.targets {
            give(self.pipeline, Item::Target(target.clone()))?;
        }
        let mut processes: Vec<(Process, Option<TargetKey>)> =
            session.targets.iter().filter_map(|target| Some((target.process.clone()?, Some(target.key)))).collect();
        let mut side_data = SideDataSampler::new(self.machine.procfs.clone());
        self.begun = Instant::now();
        loop {
            let due = self.begun + nth(self.wanted.delay, self.taken + 1);
            if let Some(ending) = self.wait(due, session, own, notifier)? {
                return Ok(Some(ending));
            }
            let Some(regions) = self.read_one(session, own)? else { continue };
            if Instant::now() >= side_data.due() {
                // To read took an aggregation, in which some may have ended.
                self.look(session)?;
                let mut items = Vec::new();
                processes.retain(|(process, _)| self.is_alive(process));
                side_data.sample(&processes, &session.kdamonds, &mut items);
                give_all(self.pipeline, items)?;
            }
            self.taken += 1;
            self.regions += regions;
            if self.wanted.count > 0 && self.taken >= self.wanted.count {
                return Ok(None);
            }
        }
    }

    /// Waits until the next is due, or gives a reason to end.
    fn wait(
        &mut self,
        due: Instant,
        session: &Session,
        own: &mut ManagedDamon,
        notifier: &mut dyn Notifier,
    ) -> Result<Option<Ending>, RecordError> {
        loop {
            self.signals.clear_wakeup();
            for text in self.marks.as_mut().map(Marks::take).unwrap_or_default() {
                give(self.pipeline, Item::Side(Side::Mark(Mark { at: Stamp::Record(now()), text })))?;
            }
            if let Some(name) = self.signals.stop() {
                return Ok(Some(Ending::Signal(name)));
            }
            let timeout = self.request.limits.timeout.map(|timeout| nth(timeout, 1));
            if timeout.is_some_and(|timeout| self.begun.elapsed() >= timeout) {
                return Ok(Some(Ending::Timeout));
            }
            self.look(session)?;
            if !session.plan.processes.is_empty() && self.processes.alive().next().is_none() {
                return Ok(Some(Ending::TargetsGone));
            }
            if !own.staged().is_running()? {
                return Ok(Some(Ending::DamonStopped));
            }
            if let Some(warning) = self.pipeline.take_warning() {
                notifier.warn(&warning);
            }
            notifier.draw(&|| self.progress());
            let mut patience = due.saturating_duration_since(Instant::now()).min(LOOK);
            if patience.is_zero() {
                return Ok(None);
            }
            if let Some(timeout) = timeout {
                patience = patience.min(timeout.saturating_sub(self.begun.elapsed()));
            }
            self.sleep(patience)?;
        }
    }

    /// Looks who is gone, and who has another name.
    fn look(&mut self, session: &Session) -> Result<(), RecordError> {
        for process in self.processes.look().renamed {
            let is_it = |known: &Process| is_same(known, &process);
            for target in session.targets.iter().filter(|target| target.process.as_ref().is_some_and(is_it)) {
                let target = Target { process: Some(process.clone()), ..target.clone() };
                give(self.pipeline, Item::Target(target))?;
            }
        }
        Ok(())
    }

    /// Whether the process was there at the last look.
    fn is_alive(&self, process: &Process) -> bool {
        self.processes.alive().any(|alive| is_same(alive, process))
    }

    /// Until a signal, a mark or the end of a process, but no longer than `patience`.
    fn sleep(&self, patience: Duration) -> Result<(), RecordError> {
        let others =
            self.signals.wakeup().into_iter().chain(self.marks.as_ref().map(Marks::fd)).chain(self.processes.exits());
        let mut others: Vec<PollFd<'_>> = others.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let (seconds, nanoseconds) = (patience.as_secs() as i64, patience.subsec_nanos().into());
        match poll(&mut others, Some(&Timespec { tv_sec: seconds, tv_nsec: nanoseconds })) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(RecordError::io("waiting for the next snapshot", error.into())),
        }
    }

    /// Reads the regions of all targets that are left: of one that has ended DAMON goes on to list the last ones. Gives
    /// how many there were, or nothing if DAMON ended in this moment, because its targets did.
    fn read_one(&self, session: &Session, own: &mut ManagedDamon) -> Result<Option<u64>, RecordError> {
        let windows = &session.windows;
        let longest = windows.iter().map(|window| window.intervals.aggregation.0).max().unwrap_or_default();
        let patience = Duration::from_nanos(u64::try_from(longest).unwrap_or(0)) * 3 + Duration::from_secs(5);
        match own.staged().command(Command::UpdateTriedRegions, patience) {
            Err(_) if !own.staged().is_running()? => return Ok(None),
            other => other?,
        }
        let end = now();
        let indices = own.indices();
        let ended = |target: &&Target| target.process.as_ref().is_some_and(|process| !self.is_alive(process));
        let ended: Vec<TargetKey> = session.targets.iter().filter(ended).map(|target| target.key).collect();
        let mut count = 0;
        for window in windows {
            if window.targets.iter().all(|key| ended.contains(key)) {
                continue;
            }
            let Some(index) = indices.get(window.at) else { continue };
            let tried = self.machine.sysfs.tried_regions(*index as usize, 0, window.scheme)?;
            let parts = window.targets.iter().zip(by_target(&tried, window.targets.len()));
            for (key, regions) in parts.filter(|(key, _)| !ended.contains(key)) {
                count += regions.len() as u64;
                give(self.pipeline, Item::Snapshot(snapshot(*key, end, window.intervals, regions)))?;
            }
        }
        Ok(Some(count))
    }

    fn progress(&self) -> String {
        let time = Nanos(i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
        let of =
            if self.wanted.count > 0 { format!(" of {}", summary::grouped(self.wanted.count)) } else { String::new() };
        format!(
            "{}: {}{of} snapshots read, {} regions, {}",
            summary::whole_seconds(time),
            summary::grouped(self.taken),
            summary::grouped(self.regions),
            format_size(Bytes(self.pipeline.progress().bytes), Style::Human),
        )
    }
}

/// Whether it is one process, whatever its name is now.
fn is_same(one: &Process, other: &Process) -> bool {
    (one.pid, one.started) == (other.pid, other.started)
}

fn nth(delay: Nanos, n: u64) -> Duration {
    Duration::from_nanos(u64::try_from(delay.0).unwrap_or(0).saturating_mul(n))
}

/// The regions of each of `count` targets: a target ends where addresses go backwards.
fn by_target(tried: &[TriedRegion], count: usize) -> Vec<&[TriedRegion]> {
    if count == 1 {
        return vec![tried];
    }
    tried.chunk_by(|a, b| a.region.end <= b.region.start).collect()
}

fn snapshot(key: TargetKey, end: Nanos, intervals: Intervals, tried: &[TriedRegion]) -> Snapshot {
    let mut snapshot = Snapshot::new(key, end.saturating_sub(intervals.aggregation), end, Some(intervals));
    snapshot.regions = tried.iter().map(|tried| tried.region).collect();
    let passed: Option<Vec<u64>> = tried.iter().map(|tried| tried.filter_passed.map(|Bytes(bytes)| bytes)).collect();
    if let Some(values) = passed.filter(|values| !values.is_empty()) {
        snapshot.extras.push(ExtraColumn { id: ColumnId::FILTER_PASSED, values });
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
        ranges.iter().map(|range| TriedRegion { region: region(range), filter_passed: None }).collect()
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
