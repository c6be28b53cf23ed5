//! From whom to monitor to what DAMON is told: kdamonds with their contexts and targets, and the processes behind them.

use super::Machine;
use super::process_tracker::{CHILD_MIN_AGE, Origin, monitorable, older_than};
use crate::args::UsageError;
use crate::error::RecordError;
use crate::problem::Problem;
use crate::request::{Monitoring, Request, RequestSource};
use damo_kernel::procfs::joined;
use damo_kernel::readiness;
use damo_model::kdamond::{Context, ContextTarget, Kdamond};
use damo_model::scheme::Scheme;
use damo_model::{AddrRange, Nanos, Ops, Process};
use std::path::Path;

/// What to start.
pub(crate) struct Plan {
    pub(crate) kdamonds: Vec<Kdamond>,
    pub(crate) processes: Vec<Process>,
    pub(crate) origin: Origin,
}

/// Which processes are targets beside those that were named.
#[derive(Clone, Copy)]
pub(crate) struct Children {
    /// Whether children are.
    pub(crate) follow: bool,
    /// Children and members of control groups that are younger are left out.
    pub(crate) least_age: Nanos,
}

impl Children {
    /// No children; all members of control groups that are not just beginning.
    pub(crate) const NONE: Self = Self { follow: false, least_age: CHILD_MIN_AGE };
}

/// Plans for everything but attaching. `command` is the pid of the command that was started, if one was asked for. Children
/// and members of control groups that began less than `least_age` ago are left out.
pub(crate) fn plan(
    request: &Request,
    machine: &Machine,
    command: Option<i32>,
    least_age: Nanos,
) -> Result<Plan, RecordError> {
    let children = Children { follow: request.follow_children, least_age };
    let mut plan = of(&request.what, &request.monitoring, children, machine, command)?;
    if let Some(schemes) = &request.schemes {
        apply_schemes(schemes, &mut plan.kdamonds)?;
    }
    Ok(plan)
}

/// The same for these targets, without schemes (but those that come with all parameters).
pub(crate) fn of(
    what: &RequestSource,
    monitoring: &Monitoring,
    children: Children,
    machine: &Machine,
    command: Option<i32>,
) -> Result<Plan, RecordError> {
    let roots = Origin::Roots { follow: children.follow };
    Ok(match what {
        RequestSource::Pids { pids, ranges } => plan_processes(machine, pids, ranges, monitoring, children)?,
        RequestSource::Command { ranges, .. } => {
            let pids: Vec<i32> = command.into_iter().collect();
            plan_processes(machine, &pids, ranges, monitoring, children)?
        }
        RequestSource::Cgroup(path) => {
            // In its own words: where no name will do, another directory is no remedy.
            machine.procfs.cgroup_tree(&path.to_string_lossy())?;
            cgroup(machine, path, monitoring, children.least_age)?
        }
        RequestSource::Paddr { ranges, nodes } => {
            let ranges = physical(machine, ranges, nodes)?;
            let mut context = context(monitoring, Ops::Paddr);
            context.targets = vec![ContextTarget { regions: ranges, ..ContextTarget::default() }];
            Plan { kdamonds: vec![kdamond(context)], processes: Vec::new(), origin: Origin::Roots { follow: false } }
        }
        RequestSource::Kdamonds(kdamonds) => {
            check_page_filters(kdamonds)?;
            let processes = people_of(machine, kdamonds)?;
            let origin = if kdamonds.len() == 1 { roots } else { Origin::Roots { follow: false } };
            Plan { kdamonds: kdamonds.clone(), processes, origin }
        }
        RequestSource::Simulate { .. } | RequestSource::Attach => {
            Plan { kdamonds: Vec::new(), processes: Vec::new(), origin: Origin::Roots { follow: false } }
        }
    })
}

/// Gives every context these schemes, with rates and ages as numbers of samples and aggregations under its intervals.
///
/// # Errors
/// If the kernel would pass over a filter, and do what shall not be done.
pub(crate) fn apply_schemes(schemes: &[Scheme], kdamonds: &mut [Kdamond]) -> Result<(), UsageError> {
    for context in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts) {
        context.schemes = schemes.iter().map(|scheme| scheme.resolved(&context.intervals)).collect();
    }
    check_page_filters(kdamonds)
}

/// # Errors
/// As [`apply_schemes`].
pub(crate) fn check_page_filters(kdamonds: &[Kdamond]) -> Result<(), UsageError> {
    let mut contexts = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts);
    Ok(contexts.try_for_each(Context::check_page_filters)?)
}

fn context(monitoring: &Monitoring, ops: Ops) -> Context {
    Context {
        intervals: monitoring.intervals,
        intervals_goal: monitoring.goal,
        nr_regions: monitoring.nr_regions,
        ..Context::new(monitoring.ops.unwrap_or(ops))
    }
}

fn kdamond(context: Context) -> Kdamond {
    Kdamond { refresh: None, contexts: vec![context] }
}

fn plan_processes(
    machine: &Machine,
    pids: &[i32],
    ranges: &[AddrRange],
    monitoring: &Monitoring,
    children: Children,
) -> Result<Plan, RecordError> {
    let mut processes: Vec<Process> = Vec::new();
    for pid in pids {
        processes.push(monitorable(&machine.procfs, *pid).ok_or_else(|| why_not(machine, *pid))?);
    }
    if children.follow {
        let is_old = older_than(&machine.procfs, children.least_age);
        for pid in pids.iter().flat_map(|pid| machine.procfs.descendants(*pid)) {
            if !processes.iter().any(|known| known.pid == pid) {
                processes.extend(monitorable(&machine.procfs, pid).filter(&is_old));
            }
        }
    }
    let mut context = context(monitoring, if ranges.is_empty() { Ops::Vaddr } else { Ops::Fvaddr });
    context.targets = processes.iter().map(|process| target(process.pid, ranges)).collect();
    let origin = Origin::Roots { follow: children.follow };
    Ok(Plan { kdamonds: vec![kdamond(context)], processes, origin })
}

/// A process as a context's target.
pub(crate) fn target(pid: i32, ranges: &[AddrRange]) -> ContextTarget {
    ContextTarget { pid: Some(pid), regions: ranges.to_vec(), ..ContextTarget::default() }
}

fn cgroup(machine: &Machine, path: &Path, monitoring: &Monitoring, least_age: Nanos) -> Result<Plan, RecordError> {
    let name = path.to_string_lossy().into_owned();
    let pids = machine
        .procfs
        .cgroup_processes(&name)
        .map_err(|e| Problem::Cgroup { path: path.to_path_buf(), why: e.to_string() })?;
    let mut processes: Vec<Process> = pids.into_iter().filter_map(|pid| monitorable(&machine.procfs, pid)).collect();
    // Where all are younger, the oldest are taken.
    let ages =
        std::iter::successors(Some(least_age), |age| Some(Nanos(age.0 / 2))).take_while(|age| *age >= CHILD_MIN_AGE);
    let mut fit = ages.map(|age| older_than(&machine.procfs, age)).filter(|is_old| processes.iter().any(is_old));
    if let Some(is_old) = fit.next() {
        drop(fit);
        processes.retain(is_old);
    }
    if processes.is_empty() {
        let why = "no process in it can be monitored".to_string();
        return Err(Problem::Cgroup { path: path.to_path_buf(), why }.into());
    }
    let mut context = context(monitoring, Ops::Vaddr);
    context.targets = processes.iter().map(|process| target(process.pid, &[])).collect();
    Ok(Plan { kdamonds: vec![kdamond(context)], processes, origin: Origin::Cgroup(name) })
}

fn physical(machine: &Machine, ranges: &[AddrRange], nodes: &[u32]) -> Result<Vec<AddrRange>, RecordError> {
    if !ranges.is_empty() {
        return Ok(ranges.to_vec());
    }
    if nodes.is_empty() {
        return Ok(machine.procfs.system_ram()?);
    }
    let mut found: Vec<AddrRange> = Vec::new();
    for node in nodes {
        found.extend(machine.procfs.node_ranges(*node)?);
    }
    // A block of memory may be in several nodes.
    Ok(joined(found))
}

/// The processes that parameters name.
pub(crate) fn people_of(machine: &Machine, kdamonds: &[Kdamond]) -> Result<Vec<Process>, RecordError> {
    let mut processes: Vec<Process> = Vec::new();
    let targets = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).flat_map(|context| &context.targets);
    for pid in targets.filter_map(|target| target.pid) {
        if !processes.iter().any(|known| known.pid == pid) {
            processes.push(monitorable(&machine.procfs, pid).ok_or_else(|| why_not(machine, pid))?);
        }
    }
    Ok(processes)
}

/// Why a process cannot be monitored.
fn why_not(machine: &Machine, pid: i32) -> Problem {
    if pid == std::process::id().cast_signed() {
        return Problem::Myself { pid };
    }
    let here = namesakes(machine, pid);
    match machine.procfs.process(pid) {
        Ok(process) if machine.procfs.alive(pid) => Problem::KernelThread { pid, comm: process.comm, here },
        _ if !here.is_empty() => Problem::PidNamespace { pid, here },
        _ => match readiness::foreign_pid_namespace(&machine.root) {
            Some(namespace) => Problem::NotInNamespace { pid, namespace },
            None => Problem::TargetGone { pid },
        },
    }
}

/// Processes that have this id in a pid namespace below ours (a container's), with their ids here.
fn namesakes(machine: &Machine, pid: i32) -> Vec<(i32, String)> {
    let is_it = |candidate: &i32| {
        let status = machine.root.read_text(&format!("proc/{candidate}/status")).unwrap_or_default();
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        ids.split_whitespace().skip(1).any(|inner| inner.parse() == Ok(pid))
    };
    machine
        .procfs
        .pids()
        .into_iter()
        .filter(is_it)
        .filter_map(|outer| Some((outer, machine.procfs.process(outer).ok()?.comm)))
        .take(5)
        .collect()
}
