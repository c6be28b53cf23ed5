//! What a recorder would have told beside snapshots: who is monitored, how, where their memory lies, and how much of it
//! they use.

use crate::damos::SchemeStats;
use crate::error::SimError;
use crate::machine::Machine;
use crate::options::{Options, PAGE_SIZE};
use crate::params::kdamond;
use damo_model::{
    Bytes, Clock, Footprint, Intervals, Item, KdamondIndex, Mappings, Mark, Meta, Nanos, NodeMemory, NodeThreads, Ops,
    Params, Placement, Pressure, ProcessFootprint, SchemeProgress, Side, Sink, Source, Stamp, SystemFootprint, Target,
    TargetKey,
};

/// pid of the first process.
const FIRST_PID: i32 = 1001;

pub(crate) fn pid(process: usize) -> i32 {
    FIRST_PID.saturating_add(i32::try_from(process).unwrap_or(i32::MAX))
}

/// What there is to tell of.
pub(crate) struct Teller<'a> {
    pub(crate) options: &'a Options,
    pub(crate) machine: &'a Machine,
    pub(crate) now: Nanos,
    pub(crate) intervals: Intervals,
}

impl Teller<'_> {
    /// What is known before anything happens.
    pub(crate) fn introduce(&self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let options = self.options;
        let names: Vec<&str> = self.machine.processes.iter().map(|p| p.workload.name()).collect();
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
        // First the targets themselves, then, if wanted, each scheme's view of them.
        let schemes = if options.scheme_snapshots { options.schemes.len() } else { 0 };
        let views = self.machine.views.len();
        for key in 0..views * (schemes + 1) {
            let (target, scheme) = (key % views, (key / views).checked_sub(1));
            let filters = scheme.and_then(|scheme| options.schemes.get(scheme)).map(|scheme| &scheme.filters);
            let filters = filters.filter(|filters| !filters.is_empty());
            sink.put(&Item::Target(Target {
                key: TargetKey(key as u32),
                kdamond: Some(KdamondIndex(0)),
                context: Some(0),
                scheme: scheme.map(|scheme| scheme as u32),
                target_id: Some(target as u64),
                process: (options.ops != Ops::Paddr).then(|| self.identity(target)),
                data_source: String::new(),
                scheme_filters: filters.and_then(|f| serde_json::to_string(f).ok()).unwrap_or_default(),
            }))?;
        }
        self.params(sink)?;
        for (i, process) in self.machine.processes.iter().enumerate() {
            sink.put(&Item::Side(Side::Mappings(Mappings {
                at: Stamp::Record(Nanos(0)),
                pid: pid(i),
                target: self.target_of(i),
                mappings: process.space.mappings.clone(),
            })))?;
        }
        for (i, process) in self.machine.processes.iter().enumerate() {
            if let Some(phase) = process.workload.phases().first() {
                self.phase(sink, Nanos(0), i, &phase.name)?;
            }
        }
        self.footprints(sink)
    }

    fn identity(&self, index: usize) -> damo_model::Process {
        let name = self.machine.processes.get(index).map_or("", |p| p.workload.name());
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

    /// A phase of a process began. The mark names the process only where there are several.
    pub(crate) fn phase(&self, sink: &mut dyn Sink, at: Nanos, process: usize, phase: &str) -> Result<(), SimError> {
        let name = self.machine.processes.get(process).map_or("", |p| p.workload.name());
        let text = if self.machine.processes.len() > 1 { format!("{name}: {phase}") } else { phase.to_owned() };
        Ok(sink.put(&Item::Side(Side::Mark(Mark { at: Stamp::Record(at), text })))?)
    }

    /// What a scheme did so far.
    pub(crate) fn scheme(&self, sink: &mut dyn Sink, scheme: usize, stats: &SchemeStats) -> Result<(), SimError> {
        Ok(sink.put(&Item::Side(Side::Scheme(SchemeProgress {
            at: Stamp::Record(self.now),
            kdamond: Some(KdamondIndex(0)),
            context: 0,
            scheme: u32::try_from(scheme).unwrap_or(u32::MAX),
            // 0 before the first reset interval of the quota.
            effective_quota: stats.effective_quota.filter(|quota| quota.0 > 0),
            counts: Some(stats.counts),
        })))?)
    }

    /// On which nodes a process's memory is. Its one thread runs on the node that its first region began on.
    pub(crate) fn placement(
        &self,
        sink: &mut dyn Sink,
        process: usize,
        memory: Vec<NodeMemory>,
    ) -> Result<(), SimError> {
        let node = (process % usize::from(self.options.nodes)) as u32;
        Ok(sink.put(&Item::Side(Side::Placement(Placement {
            at: Stamp::Record(self.now),
            pid: pid(process),
            target: self.target_of(process),
            memory,
            threads: vec![NodeThreads { node, threads: 1 }],
        })))?)
    }

    /// Parameters in force from now on.
    pub(crate) fn params(&self, sink: &mut dyn Sink) -> Result<(), SimError> {
        let params = Params {
            at: Stamp::Record(self.now),
            kdamond: Some(KdamondIndex(0)),
            context: Some(0),
            ops: Some(self.options.ops),
            intervals: Some(self.intervals),
            intervals_goal: self.options.intervals_goal,
            nr_regions: Some(self.options.nr_regions),
            json: kdamond(self.options, &self.intervals, self.machine.processes.len()).to_json().to_string(),
        };
        Ok(sink.put(&Item::Side(Side::Params(params)))?)
    }

    /// Memory use now, and with schemes how long processes waited for memory.
    pub(crate) fn footprints(&self, sink: &mut dyn Sink) -> Result<(), SimError> {
        if self.options.footprint_interval.0 == 0 {
            return Ok(());
        }
        let at = Stamp::Record(self.now);
        let mut swapped = 0;
        for (i, process) in self.machine.processes.iter().enumerate() {
            let (rss, swap) = (process.rss(), process.swap());
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
        let total = self.machine.memory;
        let free = Bytes(total.0.saturating_sub(self.machine.rss().0));
        sink.put(&Item::Side(Side::System(SystemFootprint {
            at,
            total,
            free,
            available: Some(free),
            buffers: Some(Bytes(0)),
            cached: Some(Bytes(0)),
            swap_used: Some(Bytes(swapped)),
        })))?;
        if !self.options.schemes.is_empty() {
            let resource = "memory".to_owned();
            sink.put(&Item::Side(Side::Pressure(Pressure { at, resource, some: self.machine.stalled(), full: None })))?;
        }
        Ok(())
    }
}
