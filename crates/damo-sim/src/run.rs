//! The recording session in virtual time: workloads run, the monitor looks, and what a kernel and a machine would
//! have told goes to the sink.

use crate::damos::{Damos, SchemeStats, Tried};
use crate::error::SimError;
use crate::layout::three_ranges;
use crate::machine::{Machine, MemoryUse};
use crate::monitor::Monitor;
use crate::options::Options;
use crate::rng::{Rng, derive};
use crate::tell::Teller;
use crate::tune::tuned;
use crate::workload::Workload;
use damo_model::{ColumnId, ExtraColumn, Intervals, Item, Nanos, NodeMemory, Ops, Sink, Snapshot, TargetKey};
use std::ops::ControlFlow;

/// How far a simulation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Virtual time reached.
    pub at: Nanos,
    /// Virtual time at which it will end.
    pub end: Nanos,
    /// Number of snapshots that were written.
    pub snapshots: u64,
    /// Number of regions that were written.
    pub regions: u64,
}

/// What a simulation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Virtual time at which it ended.
    pub end: Nanos,
    /// Whether it ran to its end, and was not stopped by the caller.
    pub complete: bool,
    /// Number of snapshots that were written.
    pub snapshots: u64,
    /// Number of regions that were written.
    pub regions: u64,
    /// Pages looked at: DAMON's work.
    pub samples: u64,
    /// Pages faulted in, first touches included.
    pub faults: u64,
    /// Pages that came back from swap because they were accessed.
    pub refaults: u64,
    /// Time that processes waited for these.
    pub stalled: Nanos,
    /// Where memory is at the end.
    pub memory: MemoryUse,
    /// What each scheme did, in their order.
    pub schemes: Vec<SchemeStats>,
}

/// Monitors `workloads`, each a process of its own, and tells `sink` what a recorder of the kernel's DAMON would tell.
/// `progress` is asked about once in a virtual second; with [`ControlFlow::Break`] the record ends there, cleanly.
///
/// # Errors
/// An option that cannot be, no workload, too much memory, or an error of the sink.
///
/// ```
/// use damo_sim::{Options, Workload, simulate};
/// use std::ops::ControlFlow;
/// let workload = Workload::parse("a, 10000000\n\nbusy\n1000\na, 0, 4096, 1\n", "example")?;
/// let mut items: Vec<damo_model::Item> = Vec::new();
/// let outcome = simulate(&[workload], &Options::default(), &mut items, &mut |_| ControlFlow::Continue(()))?;
/// assert_eq!(outcome.snapshots, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn simulate(
    workloads: &[Workload],
    options: &Options,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Outcome, SimError> {
    let mut session = Session::new(workloads, options)?;
    session.teller().introduce(sink)?;
    session.tell_schemes(sink)?;
    session.tell_placements(sink)?;
    session.run(sink, progress)?;
    Ok(session.outcome())
}

struct Session<'a> {
    options: &'a Options,
    machine: Machine,
    monitor: Monitor,
    damos: Damos,
    intervals: Intervals,
    end: Nanos,
    now: Nanos,
    /// Samples since the aggregation began.
    samples: u32,
    aggregation_start: Nanos,
    aggregations: u64,
    snapshot: Item,
    /// Regions that schemes were applied to, and since when, by scheme.
    tried: Vec<Tried>,
    applied: Vec<Nanos>,
    /// What was told last of each scheme.
    told: Vec<SchemeStats>,
    /// Where each process's memory was when it was told last.
    placed: Vec<Vec<NodeMemory>>,
    counts: Outcome,
}

impl<'a> Session<'a> {
    fn new(workloads: &[Workload], options: &'a Options) -> Result<Session<'a>, SimError> {
        let (machine, ranges) = Machine::new(workloads, options)?;
        let max_nr_accesses = options.intervals.max_nr_accesses().0;
        let rng = Rng::new(derive(&[options.seed, 0x6d6f6e]));
        let split_evenly = options.ops == Ops::Vaddr;
        let longest = workloads.iter().map(Workload::duration).max().unwrap_or_default();
        Ok(Session {
            monitor: Monitor::new(&ranges, split_evenly, options.nr_regions, max_nr_accesses, rng),
            damos: Damos::new(&options.schemes, &options.intervals),
            intervals: options.intervals,
            end: options.duration.unwrap_or(longest),
            now: Nanos(0),
            samples: 0,
            aggregation_start: Nanos(0),
            aggregations: 0,
            snapshot: Item::Snapshot(Snapshot::new(TargetKey(0), Nanos(0), Nanos(0), Some(options.intervals))),
            tried: Vec::new(),
            applied: vec![Nanos(0); options.schemes.len()],
            told: Vec::new(),
            placed: Vec::new(),
            counts: Outcome::default(),
            machine,
            options,
        })
    }

    fn teller(&self) -> Teller<'_> {
        Teller { options: self.options, machine: &self.machine, now: self.now, intervals: self.intervals }
    }

    fn outcome(&self) -> Outcome {
        let faults = self.machine.faults();
        Outcome {
            end: self.now,
            faults: faults.faults,
            refaults: faults.refaults,
            stalled: self.machine.stalled(),
            memory: self.machine.memory_use(),
            schemes: self.damos.stats(),
            ..self.counts.clone()
        }
    }

    fn run(
        &mut self,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), SimError> {
        let mut next_update = self.intervals.update;
        let mut next_footprint = self.options.footprint_interval;
        let mut next_progress = Nanos::from_secs(1);
        loop {
            // With all schemes beyond their watermarks, the monitor sleeps while the workloads go on.
            let sleep = self.damos.sleep(&self.machine);
            let step = sleep.unwrap_or(self.intervals.sample);
            if self.now.saturating_add(step) > self.end {
                break;
            }
            self.now = self.now.saturating_add(step);
            self.let_run(sink)?;
            if sleep.is_none() {
                self.look(sink)?;
            }
            if self.now >= next_update {
                self.update_ranges();
                next_update = self.now.saturating_add(self.intervals.update);
            }
            if self.options.footprint_interval.0 > 0 && self.now >= next_footprint {
                self.teller().footprints(sink)?;
                self.tell_placements(sink)?;
                // A long sampling interval may pass several at once.
                while next_footprint <= self.now {
                    next_footprint = next_footprint.saturating_add(self.options.footprint_interval);
                }
            }
            if self.now >= next_progress {
                next_progress = self.now.saturating_add(Nanos::from_secs(1));
                let Outcome { snapshots, regions, .. } = self.counts;
                if progress(Progress { at: self.now, end: self.end, snapshots, regions }).is_break() {
                    return Ok(());
                }
            }
        }
        self.counts.complete = true;
        Ok(())
    }

    /// On which nodes the memory of processes is, of those where that has changed.
    fn tell_placements(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        if !self.options.spread {
            return Ok(());
        }
        self.placed.resize(self.machine.processes.len(), Vec::new());
        for (i, process) in self.machine.processes.iter().enumerate() {
            let placed = process.memory_by_node(self.options.nodes);
            if self.placed[i] != placed {
                self.teller().placement(sink, i, placed.clone())?;
                self.placed[i] = placed;
            }
        }
        Ok(())
    }

    fn let_run(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let mut began = Vec::new();
        for (i, process) in self.machine.processes.iter_mut().enumerate() {
            process.run_until(self.now, |at, name| began.push((i, at, name.to_owned())));
        }
        for (i, at, name) in began {
            if at < self.end {
                self.teller().phase(sink, at, i, &name)?;
            }
        }
        Ok(())
    }

    /// A sampling interval is over.
    fn look(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        self.machine.refresh();
        for (i, view) in self.machine.views.iter().enumerate() {
            let machine = &self.machine;
            self.monitor.sample(i, &view.stretches, |stretch, addr, rng| machine.accessed(i, stretch.id, addr, rng));
        }
        self.counts.samples += self.monitor.nr_regions();
        self.samples += 1;
        let over = self.samples >= self.monitor.max_nr_accesses;
        if over {
            self.monitor.merge();
        }
        if !self.damos.is_empty() {
            self.apply_schemes(sink)?;
        }
        if over {
            self.aggregate(sink)?;
        }
        Ok(())
    }

    fn apply_schemes(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let (keep, tried) = (self.options.scheme_snapshots, &mut self.tried);
        let note = |one: Tried| {
            if keep {
                tried.push(one);
            }
        };
        self.damos.apply(self.now, self.samples, &self.intervals, &mut self.monitor, &mut self.machine, note);
        if self.tried.is_empty() {
            return Ok(());
        }
        let mut tried = std::mem::take(&mut self.tried);
        tried.sort_by_key(|t| (t.scheme, t.target, t.region.start));
        for group in tried.chunk_by(|a, b| (a.scheme, a.target) == (b.scheme, b.target)) {
            let Some(Tried { scheme, target, .. }) = group.first() else { continue };
            let key = TargetKey((self.machine.views.len() * (scheme + 1) + target) as u32);
            let start = self.applied.get(*scheme).copied().unwrap_or_default();
            let mut snapshot = Snapshot::new(key, start, self.now, Some(self.intervals));
            snapshot.regions = group.iter().map(|t| t.region).collect();
            let values = group.iter().map(|t| t.passed.0).collect();
            snapshot.extras.push(ExtraColumn { id: ColumnId::FILTER_PASSED, values });
            sink.put(&Item::Snapshot(snapshot))?;
        }
        for Tried { scheme, .. } in &tried {
            if let Some(applied) = self.applied.get_mut(*scheme) {
                *applied = self.now;
            }
        }
        tried.clear();
        self.tried = tried;
        Ok(())
    }

    /// The end of an aggregation interval.
    fn aggregate(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        for (i, target) in self.monitor.targets.iter().enumerate() {
            if let Item::Snapshot(snapshot) = &mut self.snapshot {
                snapshot.target = TargetKey(i as u32);
                snapshot.start = self.aggregation_start;
                snapshot.end = self.now;
                snapshot.intervals = Some(self.intervals);
                snapshot.regions.clear();
                snapshot.regions.extend(target.pieces.iter().map(|piece| piece.report()));
            }
            sink.put(&self.snapshot)?;
            self.counts.snapshots += 1;
            self.counts.regions += target.pieces.len() as u64;
        }
        self.tell_schemes(sink)?;
        self.aggregations += 1;
        if let Some(goal) = self.options.intervals_goal
            && goal.aggregations > 0
            && self.aggregations.is_multiple_of(goal.aggregations)
        {
            let old = self.intervals;
            self.intervals = tuned(old, &goal, &self.monitor.targets, self.monitor.max_nr_accesses);
            if self.intervals != old {
                self.monitor.rescale_ages(old.aggregation, self.intervals.aggregation);
                self.damos.set_intervals(&self.intervals);
                self.teller().params(sink)?;
            }
        }
        self.monitor.reset_and_split();
        self.aggregation_start = self.now;
        self.samples = 0;
        Ok(())
    }

    /// Tells what schemes did so far, of those that did something since it was told last.
    fn tell_schemes(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let now = self.damos.stats();
        for (scheme, stats) in now.iter().enumerate() {
            if self.told.get(scheme) != Some(stats) {
                self.teller().scheme(sink, scheme, stats)?;
            }
        }
        self.told = now;
        Ok(())
    }

    fn update_ranges(&mut self) {
        if self.options.ops == Ops::Vaddr {
            for (i, process) in self.machine.processes.iter().enumerate() {
                self.monitor.update_ranges(i, &three_ranges(&process.space.mappings));
            }
        }
    }
}
