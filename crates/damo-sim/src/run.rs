//! The recording session in virtual time: workloads run, the monitor looks, and what a kernel and a machine would
//! have told goes to the sink.

use crate::error::SimError;
use crate::layout::{round_up, three_ranges};
use crate::monitor::{Monitor, Stretch};
use crate::options::{MAX_MEMORY, Options, PAGE, PAGE_SIZE};
use crate::process::{Activeness, Process};
use crate::rng::{Rng, derive};
use crate::tune::tuned;
use crate::workload::Workload;
use damo_model::{
    Addr, AddrRange, Bytes, Clock, Footprint, Intervals, Item, Mappings, Mark, Meta, Nanos, Ops, Params,
    ProcessFootprint, Side, Sink, Snapshot, Source, Stamp, SystemFootprint, Target, TargetKey,
};
use std::ops::ControlFlow;

/// Where the simulated machine's memory begins, in physical addresses, and how its pieces are aligned.
const RAM_START: u64 = 1 << 32;
const RAM_ALIGN: u64 = 1 << 21;
/// pid of the first process.
const FIRST_PID: i32 = 1001;

/// How far a simulation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Virtual time reached.
    pub at: Nanos,
    /// Virtual time at which it will end.
    pub end: Nanos,
    /// Snapshots written.
    pub snapshots: u64,
    /// Regions written.
    pub regions: u64,
}

/// What a simulation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Virtual time at which it ended.
    pub end: Nanos,
    /// Whether it ran to its end, and was not stopped by the caller.
    pub complete: bool,
    /// Snapshots written.
    pub snapshots: u64,
    /// Regions written.
    pub regions: u64,
    /// Pages looked at: DAMON's work.
    pub samples: u64,
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
    let session = Session::new(workloads, options)?;
    session.introduce(sink)?;
    session.run(sink, progress)
}

/// A piece of a workload's memory in a target's address space.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    end: u64,
    process: usize,
    /// Index of the region; `None` is memory that is always busy.
    region: Option<usize>,
}

/// What a target sees.
#[derive(Debug)]
struct View {
    /// Sorted, disjoint.
    places: Vec<Place>,
    /// Those of which something was accessed in the present sampling interval.
    stretches: Vec<Stretch>,
}

impl View {
    fn new(mut places: Vec<Place>) -> View {
        places.sort_by_key(|p| p.start);
        View { stretches: Vec::with_capacity(places.len()), places }
    }

    fn refresh(&mut self, processes: &[Process]) {
        self.stretches.clear();
        for (id, place) in self.places.iter().enumerate() {
            let activeness = match (place.region, processes.get(place.process)) {
                (Some(region), Some(process)) => process.activeness(region),
                _ => Activeness::All,
            };
            if activeness != Activeness::Idle {
                let every_page = activeness == Activeness::All;
                self.stretches.push(Stretch { start: place.start, end: place.end, every_page, id });
            }
        }
    }
}

struct Session<'a> {
    options: &'a Options,
    processes: Vec<Process>,
    views: Vec<View>,
    monitor: Monitor,
    intervals: Intervals,
    memory: Bytes,
    end: Nanos,
    now: Nanos,
    aggregation_start: Nanos,
    aggregations: u64,
    snapshot: Item,
    counts: Outcome,
}

impl<'a> Session<'a> {
    fn new(workloads: &[Workload], options: &'a Options) -> Result<Session<'a>, SimError> {
        options.check()?;
        if workloads.is_empty() {
            return Err(SimError::NoWorkload);
        }
        let needed = workloads.iter().fold(Bytes(0), |sum, w| sum.saturating_add(w.size()));
        if needed > MAX_MEMORY {
            let remedy = "make the regions smaller: sizes are in bytes";
            return Err(SimError::Memory { needed: needed.0, limit: MAX_MEMORY.0, remedy });
        }
        let processes: Vec<Process> =
            workloads.iter().enumerate().map(|(i, workload)| Process::new(workload, options, i)).collect();
        let (physical, used) = physical_places(&processes);
        let memory = options.system_memory.unwrap_or(Bytes((used * 2).next_power_of_two().max(4 << 30)));
        if memory.0 < used {
            let remedy = "give the machine more memory";
            return Err(SimError::Memory { needed: used, limit: memory.0, remedy });
        }
        let all_memory = vec![AddrRange::new(Addr(RAM_START), Addr(RAM_START + memory.0))];
        let (views, ranges): (Vec<View>, Vec<Vec<AddrRange>>) = match options.ops {
            Ops::Paddr => {
                let ranges = if options.ranges.is_empty() { all_memory } else { options.ranges.clone() };
                (vec![View::new(physical)], vec![ranges])
            }
            Ops::Vaddr | Ops::Fvaddr => (0..processes.len())
                .zip(&processes)
                .map(|(i, process)| (View::new(virtual_places(process, i)), ranges_of(process, options)))
                .unzip(),
        };
        let max_nr_accesses = options.intervals.max_nr_accesses().0;
        let rng = Rng::new(derive(&[options.seed, 0x6d6f6e]));
        let split_evenly = options.ops == Ops::Vaddr;
        let longest = workloads.iter().map(Workload::duration).max().unwrap_or_default();
        Ok(Session {
            monitor: Monitor::new(&ranges, split_evenly, options.nr_regions, max_nr_accesses, rng),
            intervals: options.intervals,
            memory,
            end: options.duration.unwrap_or(longest),
            now: Nanos(0),
            aggregation_start: Nanos(0),
            aggregations: 0,
            snapshot: Item::Snapshot(Snapshot::new(TargetKey(0), Nanos(0), Nanos(0), Some(options.intervals))),
            counts: Outcome { end: Nanos(0), complete: false, snapshots: 0, regions: 0, samples: 0 },
            options,
            processes,
            views,
        })
    }

    /// What is known before anything happens.
    fn introduce(&self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let options = self.options;
        let names: Vec<&str> = self.processes.iter().map(|p| p.workload.name()).collect();
        sink.put(&Item::Meta(Meta {
            tool: options.tool.clone(),
            source: Source::Simulator { seed: options.seed, workload: names.join(", ") },
            ops: Some(options.ops),
            intervals: options.intervals_goal.is_none().then_some(self.intervals),
            intervals_goal: options.intervals_goal,
            nr_regions: Some(options.nr_regions),
            page_size: Some(PAGE_SIZE),
            clock: Clock::Virtual,
            command: options.command.clone(),
            ..Meta::default()
        }))?;
        for (i, _) in self.views.iter().enumerate() {
            let process = (options.ops != Ops::Paddr).then(|| self.identity(i));
            sink.put(&Item::Target(Target {
                key: TargetKey(i as u32),
                kdamond: Some(0),
                context: Some(0),
                scheme: None,
                target_id: Some(i as u64),
                process,
                data_source: String::new(),
                scheme_filters: String::new(),
            }))?;
        }
        self.tell_params(sink)?;
        for (i, process) in self.processes.iter().enumerate() {
            sink.put(&Item::Side(Side::Mappings(Mappings {
                at: Stamp::Record(Nanos(0)),
                pid: pid(i),
                target: self.target_of(i),
                mappings: process.space.mappings.clone(),
            })))?;
        }
        for process in &self.processes {
            if let Some(phase) = process.workload.phases().first() {
                sink.put(&self.mark(Nanos(0), process, &phase.name))?;
            }
        }
        self.tell_footprints(sink)
    }

    fn identity(&self, index: usize) -> damo_model::Process {
        let name = self.processes.get(index).map_or("", |p| p.workload.name());
        damo_model::Process {
            pid: pid(index),
            started: Some(Nanos(0)),
            comm: "masim".into(),
            cmdline: format!("masim {name}"),
        }
    }

    fn target_of(&self, process: usize) -> Option<TargetKey> {
        (self.options.ops != Ops::Paddr).then_some(TargetKey(process as u32))
    }

    /// A mark names the process only where there are several.
    fn mark(&self, at: Nanos, process: &Process, phase: &str) -> Item {
        let text =
            if self.processes.len() > 1 { format!("{}: {phase}", process.workload.name()) } else { phase.to_owned() };
        Item::Side(Side::Mark(Mark { at: Stamp::Record(at), text }))
    }

    fn tell_params(&self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let params = Params {
            at: Stamp::Record(self.now),
            kdamond: Some(0),
            context: Some(0),
            ops: Some(self.options.ops),
            intervals: Some(self.intervals),
            intervals_goal: self.options.intervals_goal,
            nr_regions: Some(self.options.nr_regions),
            json: crate::params::kdamond_json(self.options, &self.intervals, self.processes.len()),
        };
        Ok(sink.put(&Item::Side(Side::Params(params)))?)
    }

    fn tell_footprints(&self, sink: &mut dyn Sink) -> Result<(), SimError> {
        if self.options.footprint_interval.0 == 0 {
            return Ok(());
        }
        let at = Stamp::Record(self.now);
        let mut used = 0;
        let mut swapped = 0;
        for (i, process) in self.processes.iter().enumerate() {
            let (rss, swap) = (process.rss(), process.swap());
            used += rss.0;
            swapped += swap.0;
            let footprint = Footprint {
                vsz: Some(process.space.vsz),
                rss: Some(rss),
                shared: Some(Bytes(0)),
                text: Some(process.space.text),
                data: Some(process.space.data),
                pss: Some(rss),
                swap: Some(swap),
                cgroup: None,
            };
            let target = self.target_of(i);
            sink.put(&Item::Side(Side::Process(ProcessFootprint { at, pid: pid(i), target, footprint })))?;
        }
        let free = Bytes(self.memory.0.saturating_sub(used));
        Ok(sink.put(&Item::Side(Side::System(SystemFootprint {
            at,
            total: self.memory,
            free,
            available: Some(free),
            buffers: Some(Bytes(0)),
            cached: Some(Bytes(0)),
            swap_used: Some(Bytes(swapped)),
        })))?)
    }

    fn run(
        mut self,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Outcome, SimError> {
        let mut left = self.intervals.max_nr_accesses().0;
        let mut next_update = self.intervals.update;
        let mut next_footprint = self.options.footprint_interval;
        let mut next_progress = Nanos::from_secs(1);
        while self.now.saturating_add(self.intervals.sample) <= self.end {
            self.now = self.now.saturating_add(self.intervals.sample);
            self.let_run_and_sample(sink)?;
            left = left.saturating_sub(1);
            if left == 0 {
                self.aggregate(sink)?;
                left = self.intervals.max_nr_accesses().0;
            }
            if self.now >= next_update {
                self.update_ranges();
                next_update = next_update.saturating_add(self.intervals.update);
            }
            if self.options.footprint_interval.0 > 0 && self.now >= next_footprint {
                self.tell_footprints(sink)?;
                // One for each interval passed; a long sampling interval may pass several at once.
                while next_footprint <= self.now {
                    next_footprint = next_footprint.saturating_add(self.options.footprint_interval);
                }
            }
            if self.now >= next_progress {
                next_progress = self.now.saturating_add(Nanos::from_secs(1));
                let Outcome { snapshots, regions, .. } = self.counts;
                if progress(Progress { at: self.now, end: self.end, snapshots, regions }).is_break() {
                    return Ok(Outcome { end: self.now, ..self.counts });
                }
            }
        }
        Ok(Outcome { end: self.now, complete: true, ..self.counts })
    }

    fn let_run_and_sample(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let mut began = Vec::new();
        for (i, process) in self.processes.iter_mut().enumerate() {
            process.run_until(self.now, |at, name| began.push((i, at, name.to_owned())));
        }
        for (i, at, name) in began {
            if let Some(process) = self.processes.get(i)
                && at < self.end
            {
                sink.put(&self.mark(at, process, &name))?;
            }
        }
        for (i, view) in self.views.iter_mut().enumerate() {
            view.refresh(&self.processes);
            let (places, processes) = (&view.places, &self.processes);
            self.monitor.sample(i, &view.stretches, |stretch, addr, rng| {
                let place = places.get(stretch.id);
                let region = place.and_then(|p| Some((processes.get(p.process)?, p.region?, p.start)));
                region.is_some_and(|(process, region, start)| process.accessed(region, (addr.0 - start) / PAGE, rng))
            });
        }
        self.counts.samples += self.monitor.nr_regions();
        Ok(())
    }

    /// The end of an aggregation interval.
    fn aggregate(&mut self, sink: &mut dyn Sink) -> Result<(), SimError> {
        self.monitor.merge();
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
        self.aggregations += 1;
        if let Some(goal) = self.options.intervals_goal
            && goal.aggregations > 0
            && self.aggregations.is_multiple_of(goal.aggregations)
        {
            let old = self.intervals;
            self.intervals = tuned(old, &goal, &self.monitor.targets, self.monitor.max_nr_accesses);
            if self.intervals != old {
                self.monitor.rescale_ages(old.aggregation, self.intervals.aggregation);
                self.tell_params(sink)?;
            }
        }
        self.monitor.reset_and_split();
        self.aggregation_start = self.now;
        Ok(())
    }

    fn update_ranges(&mut self) {
        if self.options.ops == Ops::Vaddr {
            for (i, process) in self.processes.iter().enumerate() {
                self.monitor.update_ranges(i, &three_ranges(&process.space.mappings));
            }
        }
    }
}

pub(crate) fn pid(process: usize) -> i32 {
    FIRST_PID.saturating_add(i32::try_from(process).unwrap_or(i32::MAX))
}

fn ranges_of(process: &Process, options: &Options) -> Vec<AddrRange> {
    match options.ops {
        Ops::Fvaddr => options.ranges.clone(),
        Ops::Vaddr | Ops::Paddr => three_ranges(&process.space.mappings),
    }
}

fn virtual_places(process: &Process, index: usize) -> Vec<Place> {
    let busy = process.space.busy.iter().map(|range| Place {
        start: range.start.0,
        end: range.end.0,
        process: index,
        region: None,
    });
    let regions = process.space.regions.iter().enumerate().map(|(region, start)| Place {
        start: start.0,
        end: start.0 + process.nr_pages(region) * PAGE,
        process: index,
        region: Some(region),
    });
    busy.chain(regions).collect()
}

/// Where the processes' memory lies physically (one piece after the other, as on a machine that just started), and how
/// much of it is used.
fn physical_places(processes: &[Process]) -> (Vec<Place>, u64) {
    let mut places = Vec::new();
    let mut at = RAM_START;
    for (index, process) in processes.iter().enumerate() {
        // What the program itself needs: its busy pages first.
        let busy: u64 = process.space.busy.iter().map(|r| r.size().0).sum();
        places.push(Place { start: at, end: at + busy, process: index, region: None });
        at += round_up(process.space.base_rss.0.max(busy)).next_multiple_of(RAM_ALIGN);
        for region in 0..process.workload.regions().len() {
            let size = process.nr_pages(region) * PAGE;
            places.push(Place { start: at, end: at + size, process: index, region: Some(region) });
            at += size.next_multiple_of(RAM_ALIGN);
        }
    }
    (places, at - RAM_START)
}
