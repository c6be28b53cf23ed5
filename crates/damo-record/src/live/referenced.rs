//! Recording without DAMON: which pages of the targets were referenced, read from `/proc`. Coarser (a region for what was
//! accessed of each mapping, and some for what was not), but exact by pages, on any kernel, and without root for one's own
//! processes.
//!
//! The cost is bounded: to reset and to read the referenced bits, the kernel walks all resident pages. If that takes more
//! than two hundredths of a CPU, the intervals become longer, and the record says so.

use super::description::meta;
use super::process_tracker::ProcessTracker;
use super::side_data::SideDataSampler;
use super::starting::plan;
use crate::error::RecordError;
use crate::request::Request;
use crate::session::{Ending, Findings, Recording, Session, duration};
use crate::summary::grouped;
use damo_kernel::procfs::{MappingUse, now};
use damo_kernel::referenced::ReferencedProcess;
use damo_model::human::time_text;
use damo_model::{Intervals, Item, Nanos, Ops, Params, Process, Side, Snapshot, Source, Stamp, Target, TargetKey};
use damo_steer::command::Started;
use damo_steer::plan::TargetSpec;
use damo_steer::problem::Problem;
use damo_steer::processes::CHILD_MIN_AGE;
use damo_steer::{HasProblem, Machine, Notifier, SteerError, readiness};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Where no intervals are asked for.
const USUAL: Intervals =
    Intervals { sample: Nanos(100_000_000), aggregation: Nanos(1_000_000_000), update: Nanos(1_000_000_000) };
/// The part of a CPU that may be taken: one of so many.
const PART_OF_CPU: i64 = 100;
/// Longer intervals are whole multiples of this.
const STEP: i64 = 100_000_000;
/// No aggregation interval is longer, however large the targets are.
const LONGEST: Nanos = Nanos(60_000_000_000);

/// Said of an empty record.
const NO_SNAPSHOT: &str = "No snapshot came. A recording must last longer than one aggregation interval (-a), and its target must live that long.";

/// A recording of referenced pages.
pub(crate) struct ReferencedRecording<'a> {
    machine: &'a Machine,
    processes: ProcessTracker,
    targets: Vec<ReferencedTarget>,
    side_data: SideDataSampler,
    /// What was asked for.
    wanted: Intervals,
    /// In force: longer, if the targets are large.
    intervals: Intervals,
    nr_snapshots: u64,
    nr_regions: u64,
    next_key: u32,
}

/// A process that is monitored.
struct ReferencedTarget {
    target: Target,
    process: Process,
    history: ReferencedProcess,
    /// Read one sampling interval after the reset; `None` if that failed.
    first: Option<Vec<MappingUse>>,
    /// It was said that the process cannot be read.
    told: bool,
}

impl<'a> ReferencedRecording<'a> {
    /// Finds the processes, and sees that they can be read.
    pub(crate) fn begin(
        request: &Request,
        targets: &TargetSpec,
        machine: &'a Machine,
        command: &mut Option<Started>,
    ) -> Result<(Self, Vec<Item>), RecordError> {
        check(request, targets)?;
        if let TargetSpec::Command { words, .. } = targets {
            *command = Some(Started::spawn(words, true)?);
        }
        let pid = command.as_ref().map(Started::pid);
        let plan = plan(request, targets, machine, pid, CHILD_MIN_AGE)?;
        for process in &plan.processes {
            machine.procfs.mapping_use(process.pid).map_err(SteerError::from)?;
        }
        let asked = request.monitoring.intervals;
        let wanted = if asked == Intervals::default() { USUAL } else { asked };
        let meta = damo_model::Meta {
            ops: Some(Ops::Vaddr),
            intervals: Some(wanted),
            intervals_goal: None,
            nr_regions: None,
            features: Vec::new(),
            ..meta(request, machine, &[], &[], Source::Referenced)
        };
        let processes = ProcessTracker::new(machine.procfs.clone(), plan.origin, Vec::new()).of_command(pid);
        let mut recording = Self {
            machine,
            processes,
            targets: Vec::new(),
            side_data: SideDataSampler::new(machine.procfs.clone()),
            wanted,
            intervals: wanted,
            nr_snapshots: 0,
            nr_regions: 0,
            next_key: 0,
        };
        let mut items = vec![Item::Meta(meta), recording.params()];
        recording.processes.admit(plan.processes.clone());
        recording.admit(plan.processes, &mut items);
        Ok((recording, items))
    }

    /// The intervals in force as side data.
    fn params(&self) -> Item {
        Item::Side(Side::Params(Params {
            at: Stamp::Record(now()),
            ops: Some(Ops::Vaddr),
            intervals: Some(self.intervals),
            ..Params::default()
        }))
    }

    fn admit(&mut self, processes: Vec<Process>, items: &mut Vec<Item>) {
        for process in processes {
            let key = TargetKey(self.next_key);
            let target = Target {
                key,
                target_id: Some(self.next_key.into()),
                process: Some(process.clone()),
                ..Target::default()
            };
            self.next_key += 1;
            items.push(Item::Target(target.clone()));
            self.targets.push(ReferencedTarget {
                target,
                process,
                history: ReferencedProcess::default(),
                first: None,
                told: false,
            });
        }
    }

    /// Looks who came, who is gone, and who has another name.
    fn look(&mut self, session: &mut Session<'_>) -> Result<(), RecordError> {
        let changes = self.processes.look();
        let mut items = Vec::new();
        self.targets.retain(|known| !changes.gone.iter().any(|gone| gone.identity() == known.process.identity()));
        for process in &changes.renamed {
            for known in self.targets.iter_mut().filter(|known| known.process.identity() == process.identity()) {
                known.target.process = Some(process.clone());
                items.push(Item::Target(known.target.clone()));
            }
        }
        self.admit(changes.born, &mut items);
        session.give_all(items)
    }

    /// Waits until `due`, or gives a reason to end.
    fn wait(&mut self, session: &mut Session<'_>, due: Instant) -> Result<Option<Ending>, RecordError> {
        loop {
            if let Some(ending) = session.look()? {
                return Ok(Some(ending));
            }
            if self.processes.someone_is_gone(true) {
                self.look(session)?;
            }
            if self.targets.is_empty() {
                return Ok(Some(Ending::TargetsGone));
            }
            self.draw(session);
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            session.sleep(self.processes.exits(), left.min(super::follow::LOOK))?;
        }
    }

    /// Lets all pages count as not referenced.
    fn reset(&mut self, notifier: &mut dyn Notifier) {
        for known in &mut self.targets {
            known.first = None;
            if let Err(error) = self.machine.procfs.clear_referenced(known.process.pid) {
                known.tell(&error, notifier);
            }
        }
    }

    fn read_first(&mut self, notifier: &mut dyn Notifier) {
        for known in &mut self.targets {
            match self.machine.procfs.mapping_use(known.process.pid) {
                Ok(found) => known.first = Some(found),
                Err(error) => known.tell(&error, notifier),
            }
        }
    }

    /// Reads what was referenced in the aggregation interval that began at `start`, and makes snapshots of it.
    fn read_last(&mut self, start: Nanos, session: &mut Session<'_>) -> Result<(), RecordError> {
        let samples = u32::try_from(self.intervals.aggregation.0 / self.intervals.sample.0.max(1)).unwrap_or(u32::MAX);
        let mut items = Vec::new();
        for known in &mut self.targets {
            let Some(first) = known.first.take() else { continue };
            match self.machine.procfs.mapping_use(known.process.pid) {
                // One that is just ending has no memory any more.
                Ok(last) if last.is_empty() => {}
                Ok(last) => {
                    let mut snapshot = Snapshot::new(known.target.key, start, now(), Some(self.intervals));
                    snapshot.regions = known.history.regions(&first, &last, samples);
                    self.nr_snapshots += 1;
                    self.nr_regions += snapshot.regions.len() as u64;
                    items.push(Item::Snapshot(snapshot));
                }
                Err(error) => known.tell(&error, session.notifier),
            }
        }
        session.give_all(items)
    }

    /// Makes the intervals as long as the cost of the last one asks for.
    fn bound(&mut self, cost: Duration, session: &mut Session<'_>) -> Result<(), RecordError> {
        let cost = i64::try_from(cost.as_nanos()).unwrap_or(i64::MAX);
        let aggregation = bounded(self.wanted.aggregation, self.intervals.aggregation, cost);
        if aggregation == self.intervals.aggregation {
            return Ok(());
        }
        let samples = (self.wanted.aggregation.0 / self.wanted.sample.0.max(1)).max(1);
        self.intervals = Intervals { sample: Nanos(aggregation.0 / samples), aggregation, update: aggregation };
        session.notifier.note(&format!(
            "reading the pages of the targets took {} of CPU time: snapshots are {} apart from now on, so that it takes about 1 % \
             of a CPU",
            time_text(Nanos(cost)),
            time_text(aggregation)
        ));
        session.give_all([self.params()])
    }

    fn draw(&self, session: &mut Session<'_>) {
        session.draw(&|| {
            let processes = grouped(self.targets.len() as u64);
            let (snapshots, regions) = (grouped(self.nr_snapshots), grouped(self.nr_regions));
            let counts = format!("{snapshots} snapshots, {regions} regions");
            (format!("referenced pages of {processes} processes, {counts}"), String::new())
        });
    }
}

impl ReferencedTarget {
    /// Says once why a process cannot be read, unless it is gone.
    fn tell(&mut self, error: &damo_kernel::Error, notifier: &mut dyn Notifier) {
        if error.kind() == Some(std::io::ErrorKind::PermissionDenied) && !std::mem::replace(&mut self.told, true) {
            notifier.warn(&format!("{error}. It is not in the record."));
        }
    }
}

impl Recording for ReferencedRecording<'_> {
    fn follow(&mut self, session: &mut Session<'_>) -> Result<Ending, RecordError> {
        loop {
            self.look(session)?;
            if Instant::now() >= self.side_data.due() {
                let targets = self.targets.iter().map(|known| (known.process.clone(), Some(known.target.key)));
                let mut items = Vec::new();
                self.side_data.sample(&targets.collect::<Vec<_>>(), &[], &mut items);
                session.give_all(items)?;
            }
            let (begun, start, before) = (Instant::now(), now(), cpu_time());
            self.reset(session.notifier);
            let mut cost = cpu_time().saturating_sub(before);
            if let Some(ending) = self.wait(session, begun + duration(self.intervals.sample))? {
                return Ok(ending);
            }
            let before = cpu_time();
            self.read_first(session.notifier);
            cost += cpu_time().saturating_sub(before);
            if let Some(ending) = self.wait(session, begun + duration(self.intervals.aggregation))? {
                return Ok(ending);
            }
            let before = cpu_time();
            self.read_last(start, session)?;
            cost += cpu_time().saturating_sub(before);
            self.bound(cost, session)?;
        }
    }

    fn end(self, _: &mut Session<'_>) -> Findings {
        Findings { no_snapshot: NO_SNAPSHOT, ..Findings::new(Ok(()), Ok(())) }
    }
}

/// Whether this recording could be made, and the processes that are named can be read.
pub(super) fn is_possible(request: &Request, targets: &TargetSpec, machine: &Machine) -> bool {
    let readable = |pid: &i32| machine.procfs.mapping_use(*pid).is_ok_and(|found| !found.is_empty());
    check(request, targets).is_ok()
        && readiness::is_own_proc(&machine.root)
        && match targets {
            TargetSpec::Pids { pids, .. } => pids.iter().all(readable),
            TargetSpec::Cgroup(path) => {
                let tree = machine.procfs.cgroup_tree(&path.to_string_lossy());
                let pids = tree.and_then(|path| machine.procfs.cgroup_processes(&path)).unwrap_or_default();
                pids.iter().any(readable)
            }
            TargetSpec::Matching(filter) => filter.choose(&machine.procfs, &[]).iter().any(readable),
            // A program of our own can be read. The least that it needs is a /proc.
            _ => readable(&std::process::id().cast_signed()),
        }
}

/// Whether referenced pages take DAMON's place: it cannot be had here, not even by snapshots that are read now and then.
pub(super) fn is_instead(error: &SteerError) -> bool {
    matches!(error.problem(), Some(Problem::Missing { without: None, .. }))
}

/// Says why there is no DAMON, and what is recorded instead.
pub(super) fn instead(error: &SteerError) -> String {
    let why = match error.problem() {
        Some(Problem::Missing { lacks, .. }) => lacks.first().map(|lack| lack.present.clone()),
        _ => None,
    };
    format!(
        "DAMON cannot be used here ({}). Which pages are referenced is recorded instead: exact in bytes, but where in a \
         mapping they are is not known. `--source damon` says what DAMON needs.",
        why.unwrap_or_else(|| error.to_string())
    )
}

/// Refuses what only DAMON can do.
fn check(request: &Request, targets: &TargetSpec) -> Result<(), RecordError> {
    let what = match targets {
        TargetSpec::Paddr { .. } => "physical memory",
        TargetSpec::Kdamonds(_) => "full parameters of kdamonds (--kdamonds)",
        _ if !targets.ranges().is_empty() => "fixed address ranges (--regions)",
        _ if request.schemes.is_some() => "schemes",
        _ if request.monitoring.goal.is_some() => "tuned intervals",
        _ if request.limits.snapshots.is_some() => "--snapshot",
        _ => return Ok(()),
    };
    Err(RecordError::NeedsDamon { what })
}

/// The aggregation interval that fits this cost: as long as wanted, and so long that the cost is 1 % of it. It stays as it is
/// while the cost is not more than twice that much, and not less than half.
fn bounded(wanted: Nanos, present: Nanos, cost: i64) -> Nanos {
    let fits = cost.saturating_mul(PART_OF_CPU);
    let fits = Nanos(fits.saturating_add(STEP - 1) / STEP * STEP).clamp(wanted, LONGEST.max(wanted));
    let is_near = fits.0 <= present.0.saturating_mul(2) && present.0 <= fits.0.saturating_mul(2);
    if is_near { present } else { fits }
}

/// CPU time that this thread has taken.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_become_as_long_as_the_cost_asks_for_and_shorter_again_when_it_is_much_less() {
        let ms = Nanos::from_millis;
        let cost = |cost: i64| cost * 1_000_000;
        assert_eq!(bounded(ms(1000), ms(1000), cost(10)), ms(1000));
        assert_eq!(bounded(ms(1000), ms(1000), cost(19)), ms(1000), "no change for a little");
        assert_eq!(bounded(ms(1000), ms(1000), cost(25)), ms(2500));
        assert_eq!(bounded(ms(1000), ms(2500), cost(13)), ms(2500));
        assert_eq!(bounded(ms(1000), ms(2500), cost(12)), ms(1200));
        assert_eq!(bounded(ms(1000), ms(2500), cost(1)), ms(1000));
        assert_eq!(bounded(ms(1000), ms(1000), cost(2000)), LONGEST);
        assert_eq!(bounded(Nanos::from_secs(90), Nanos::from_secs(90), cost(2000)), Nanos::from_secs(90));
    }
}
