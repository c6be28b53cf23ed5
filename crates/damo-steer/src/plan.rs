//! From the targets that were asked for to the parameters that DAMON is given: kdamonds with their contexts and targets, and
//! the processes behind them.

use crate::Machine;
use crate::error::Result;
use crate::problem::Problem;
use crate::process_filter::ProcessFilter;
use crate::processes::{CHILD_MIN_AGE, monitorable, older_than};
use damo_kernel::procfs::foreign_pid_namespace;
use damo_model::kdamond::{Context, ContextTarget, Kdamond, Probe};
use damo_model::scheme::Scheme;
use damo_model::{Addr, AddrRange, Intervals, IntervalsGoal, Nanos, NrRegions, Ops, Process};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Targets of kdamonds of our own.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetSpec {
    /// Processes; with ranges only those addresses of each.
    Pids {
        /// Process ids in the recorder's pid namespace.
        pids: Vec<i32>,
        /// Fixed address ranges; empty means all mappings.
        ranges: Vec<AddrRange>,
    },
    /// A program to start.
    Command {
        /// The program and its arguments.
        words: Vec<OsString>,
        /// Fixed address ranges; empty means all mappings.
        ranges: Vec<AddrRange>,
    },
    /// Physical memory, all or a part.
    Paddr {
        /// Physical ranges; empty means all System RAM (of the nodes).
        ranges: Vec<AddrRange>,
        /// NUMA nodes; empty means all.
        nodes: Vec<u32>,
    },
    /// All processes of a control group.
    Cgroup(PathBuf),
    /// All processes of the machine that have something in common.
    Matching(ProcessFilter),
    /// Parameters of whole kdamonds, targets included.
    Kdamonds(Vec<Kdamond>),
    /// Several kdamonds, each with its own targets and parameters.
    Several(Vec<KdamondSpec>),
}

/// One of several kdamonds as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct KdamondSpec {
    /// What its context monitors.
    pub targets: Vec<TargetSpec>,
    /// Monitoring parameters.
    pub monitoring: Monitoring,
    /// Schemes, with rates and ages as they were written.
    pub schemes: Vec<Scheme>,
}

impl TargetSpec {
    /// All physical memory.
    pub const PADDR: Self = Self::Paddr { ranges: Vec::new(), nodes: Vec::new() };

    /// The fixed ranges that each process is monitored in; empty means all mappings.
    pub fn ranges(&self) -> &[AddrRange] {
        match self {
            TargetSpec::Pids { ranges, .. } | TargetSpec::Command { ranges, .. } => ranges,
            _ => &[],
        }
    }
}

/// Monitoring parameters as they were asked for; by default those of the kernel's documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// Sampling, aggregation and update intervals.
    pub intervals: Intervals,
    /// Bounds on the number of regions.
    pub nr_regions: NrRegions,
    /// Interval tuning, if wanted.
    pub goal: Option<IntervalsGoal>,
    /// Operations set, if told.
    pub ops: Option<Ops>,
    /// Whether the bounds were given rather than left at their default.
    pub given_nr_regions: bool,
    /// Bytes per address unit, if told.
    pub addr_unit: Option<u64>,
    /// How often the kernel refreshes its files, if told.
    pub refresh: Option<Nanos>,
    /// Attribute probes.
    pub probes: Vec<Probe>,
}

/// Where processes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// These and, if wanted, their descendants.
    Roots {
        /// Whether descendants are wanted.
        follow: bool,
    },
    /// The processes of a control group.
    Cgroup(String),
    /// The processes that pass a filter.
    Matching(ProcessFilter),
}

/// What to start.
pub struct Plan {
    /// Parameters of each kdamond, for DAMON.
    pub kdamonds: Vec<Kdamond>,
    /// The target processes.
    pub processes: Vec<Process>,
    /// Where further target processes come from.
    pub origin: Origin,
}

/// Which processes are targets beside those that were named.
#[derive(Clone, Copy)]
pub struct Children {
    /// Whether children are.
    pub follow: bool,
    /// Children and members of control groups that are younger are left out.
    pub least_age: Nanos,
}

impl Children {
    /// No children; all members of control groups that are not just beginning.
    pub const NONE: Self = Self { follow: false, least_age: CHILD_MIN_AGE };
}

/// Plans for these targets, without schemes but those that come with all parameters. `command` is the pid of the program that
/// was started, if one was asked for.
///
/// # Errors
/// If a process or control group cannot be monitored.
pub fn of(
    what: &TargetSpec,
    monitoring: &Monitoring,
    children: Children,
    machine: &Machine,
    command: Option<i32>,
) -> Result<Plan> {
    let roots = Origin::Roots { follow: children.follow };
    Ok(match what {
        TargetSpec::Pids { pids, ranges } => plan_processes(machine, pids, ranges, monitoring, children)?,
        TargetSpec::Command { ranges, .. } => {
            let pids: Vec<i32> = command.into_iter().collect();
            plan_processes(machine, &pids, ranges, monitoring, children)?
        }
        TargetSpec::Cgroup(path) => {
            // In its own words: where no name will do, another directory is no remedy.
            machine.procfs.cgroup_tree(&path.to_string_lossy())?;
            cgroup(machine, path, monitoring, children.least_age)?
        }
        TargetSpec::Matching(filter) => {
            let pids = filter.choose(&machine.procfs, &[]);
            let origin = Origin::Matching(filter.clone());
            plan_of_found(machine, pids, monitoring, children.least_age, origin)
                .ok_or_else(|| Problem::NoProcess { filter: filter.to_string() })?
        }
        TargetSpec::Paddr { ranges, nodes } => {
            let ranges = physical(machine, ranges, nodes, monitoring.addr_unit.unwrap_or(1))?;
            let mut context = context(monitoring, Ops::Paddr);
            context.targets = vec![ContextTarget { regions: ranges, ..ContextTarget::default() }];
            Plan {
                kdamonds: vec![kdamond(monitoring, context)],
                processes: Vec::new(),
                origin: Origin::Roots { follow: false },
            }
        }
        TargetSpec::Kdamonds(kdamonds) => {
            check_page_filters(kdamonds)?;
            let processes = processes_of(machine, kdamonds)?;
            let origin = if kdamonds.len() == 1 { roots } else { Origin::Roots { follow: false } };
            Plan { kdamonds: kdamonds.clone(), processes, origin }
        }
        TargetSpec::Several(specs) => {
            // Whose children they are is known of one kdamond only.
            let follow = children.follow && specs.len() == 1;
            several(specs, Children { follow, ..children }, machine, command)?
        }
    })
}

fn several(specs: &[KdamondSpec], children: Children, machine: &Machine, command: Option<i32>) -> Result<Plan> {
    let mut whole =
        Plan { kdamonds: Vec::new(), processes: Vec::new(), origin: Origin::Roots { follow: children.follow } };
    for spec in specs {
        let mut joined: Option<Kdamond> = None;
        for target in &spec.targets {
            let part = of(target, &spec.monitoring, children, machine, command)?;
            let new = part.processes.into_iter().filter(|process| !whole.processes.contains(process));
            let new: Vec<Process> = new.collect();
            whole.processes.extend(new);
            for mut kdamond in part.kdamonds {
                match joined.as_mut().and_then(|joined| joined.contexts.first_mut()) {
                    Some(context) => {
                        let more = kdamond.contexts.iter_mut().flat_map(|context| std::mem::take(&mut context.targets));
                        let known = context.targets.clone();
                        // A process may be a child of another one, and was found as that before.
                        context.targets.extend(more.filter(|new| new.pid.is_none() || !known.contains(new)));
                    }
                    None => joined = Some(kdamond),
                }
            }
        }
        let mut kdamonds: Vec<Kdamond> = joined.into_iter().collect();
        apply_schemes(&spec.schemes, &mut kdamonds)?;
        whole.kdamonds.append(&mut kdamonds);
    }
    Ok(whole)
}

/// The parameters for these targets, without children of processes; with `schemes` in place of those that come with them.
///
/// # Errors
/// As [`of`] and [`apply_schemes`].
pub fn parameters(
    what: &TargetSpec,
    monitoring: &Monitoring,
    schemes: Option<&[Scheme]>,
    machine: &Machine,
    command: Option<i32>,
) -> Result<Vec<Kdamond>> {
    let mut kdamonds = of(what, monitoring, Children::NONE, machine, command)?.kdamonds;
    if let Some(schemes) = schemes {
        apply_schemes(schemes, &mut kdamonds)?;
    }
    Ok(kdamonds)
}

/// Gives every context these schemes, with rates and ages as numbers of samples and aggregations under its intervals.
///
/// # Errors
/// If the kernel would pass over a filter, and do what shall not be done.
pub fn apply_schemes(schemes: &[Scheme], kdamonds: &mut [Kdamond]) -> Result<()> {
    for context in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts) {
        context.schemes = schemes.iter().map(|scheme| scheme.resolved(&context.intervals)).collect();
    }
    check_page_filters(kdamonds)
}

/// # Errors
/// As [`apply_schemes`].
pub fn check_page_filters(kdamonds: &[Kdamond]) -> Result<()> {
    let mut contexts = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts);
    Ok(contexts.try_for_each(Context::check_page_filters)?)
}

fn context(monitoring: &Monitoring, ops: Ops) -> Context {
    Context {
        intervals: monitoring.intervals,
        intervals_goal: monitoring.goal,
        nr_regions: monitoring.nr_regions,
        addr_unit: monitoring.addr_unit,
        probes: monitoring.probes.clone(),
        ..Context::new(monitoring.ops.unwrap_or(ops))
    }
}

fn kdamond(monitoring: &Monitoring, context: Context) -> Kdamond {
    Kdamond { refresh: monitoring.refresh, contexts: vec![context] }
}

fn plan_processes(
    machine: &Machine,
    pids: &[i32],
    ranges: &[AddrRange],
    monitoring: &Monitoring,
    children: Children,
) -> Result<Plan> {
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
    Ok(Plan { kdamonds: vec![kdamond(monitoring, context)], processes, origin })
}

/// A process as a context's target.
pub fn target(pid: i32, ranges: &[AddrRange]) -> ContextTarget {
    ContextTarget { pid: Some(pid), regions: ranges.to_vec(), ..ContextTarget::default() }
}

fn cgroup(machine: &Machine, path: &Path, monitoring: &Monitoring, least_age: Nanos) -> Result<Plan> {
    let name = path.to_string_lossy().into_owned();
    let pids = machine
        .procfs
        .cgroup_processes(&name)
        .map_err(|e| Problem::Cgroup { path: path.to_path_buf(), why: e.to_string() })?;
    plan_of_found(machine, pids, monitoring, least_age, Origin::Cgroup(name)).ok_or_else(|| {
        let why = "no process in it can be monitored".to_string();
        Problem::Cgroup { path: path.to_path_buf(), why }.into()
    })
}

/// A plan for those of `pids` that can be monitored and are old enough; `None` if there is none.
fn plan_of_found(
    machine: &Machine,
    pids: Vec<i32>,
    monitoring: &Monitoring,
    least_age: Nanos,
    origin: Origin,
) -> Option<Plan> {
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
        return None;
    }
    let mut context = context(monitoring, Ops::Vaddr);
    context.targets = processes.iter().map(|process| target(process.pid, &[])).collect();
    Some(Plan { kdamonds: vec![kdamond(monitoring, context)], processes, origin })
}

/// Ranges that are given are in `unit`s already.
fn physical(machine: &Machine, ranges: &[AddrRange], nodes: &[u32], unit: u64) -> Result<Vec<AddrRange>> {
    if !ranges.is_empty() {
        return Ok(ranges.to_vec());
    }
    let mut found: Vec<AddrRange> = Vec::new();
    for node in nodes {
        found.extend(machine.procfs.node_ranges(*node)?);
    }
    // A block of memory may be in several nodes.
    let bytes = if nodes.is_empty() { machine.procfs.system_ram()? } else { AddrRange::joined(found) };
    let whole = |range: AddrRange| AddrRange::new(Addr(range.start.0.div_ceil(unit)), Addr(range.end.0 / unit));
    Ok(if unit > 1 { bytes.into_iter().map(whole).collect() } else { bytes })
}

/// The processes that parameters name.
fn processes_of(machine: &Machine, kdamonds: &[Kdamond]) -> Result<Vec<Process>> {
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
        _ => match foreign_pid_namespace(&machine.root) {
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
