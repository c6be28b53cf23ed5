//! The figures of one span of time: what each target's memory was like, what it cost to find out, what schemes did.

use crate::history::{Moment, Sums, bytes};
use crate::series::Series;
use crate::state::State;
use damo_model::scheme::Quotas;
use damo_model::{AddrRange, Bytes, Nanos, NodeHeat, PlacedMemory, SchemeCounts, TargetKey, TimeSpan};
use std::collections::BTreeMap;

/// CPU time is told over at least so long, because it is read about once a second.
const CPU_WINDOW: Nanos = Nanos(2_500_000_000);

/// Percentiles of the bytes for which idle times are told.
pub(crate) const IDLE_PERCENTILES: [u32; 5] = [25, 50, 75, 90, 99];

/// The figures of one span of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The span, on the record's clock.
    pub span: TimeSpan,
    /// Those of which there is a snapshot, by key.
    pub targets: Vec<TargetReading>,
    /// What all kdamonds took, in percent of one CPU.
    pub kdamond_cpu: Option<f64>,
    /// What the recorder took, in percent of one CPU.
    pub recorder_cpu: Option<f64>,
    /// Events lost until the end of the span.
    pub lost_events: u64,
    /// Schemes as they were doing at the end of the span, by kdamond, context and number.
    pub schemes: Vec<SchemeReading>,
}

/// One target's memory: means over the snapshots that ended in the span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetReading {
    /// The target's key in the record.
    pub key: TargetKey,
    /// Its process's id, if it is one.
    pub pid: Option<i32>,
    /// What to call it; safe to print.
    pub name: String,
    /// Its snapshots are those of a scheme's regions only: they count in no sum.
    pub of_scheme: bool,
    /// Accessed at least once in a snapshot.
    pub working_set: Bytes,
    /// Accessed in at least half of the samples.
    pub hot: Bytes,
    /// Not accessed for five seconds or longer.
    pub cold: Bytes,
    /// All that is monitored.
    pub monitored: Bytes,
    /// For how long memory was not accessed at the end of the span: percentiles 25, 50, 75, 90 and 99; negative while it
    /// is accessed. `None` if the record does not tell ages.
    pub idle: Option<[Nanos; IDLE_PERCENTILES.len()]>,
    /// Resident memory at the end of the span.
    pub rss: Option<Bytes>,
    /// CPU time in percent of one CPU.
    pub cpu: Option<f64>,
    /// Regions of the last snapshot.
    pub regions: u64,
    /// How many snapshots the means are of.
    pub snapshots: u64,
    /// Its memory by NUMA node, estimated; empty if the record does not tell placement.
    pub nodes: Vec<NodeReading>,
    /// Accesses to memory of another node than the one whose CPUs run the threads, in percent, estimated.
    pub remote: Option<f64>,
}

/// What memory of a target is like that is on one NUMA node: estimates, but for the resident memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeReading {
    /// The node's number.
    pub node: u32,
    /// How much of the process's resident memory is on it, as the kernel told last.
    pub resident: Bytes,
    /// Accessed in at least half of the samples.
    pub hot: Bytes,
    /// Neither hot nor cold.
    pub warm: Bytes,
    /// Not accessed for five seconds or longer.
    pub cold: Bytes,
    /// Of the target's accesses those to this node, in percent; `None` without any.
    pub accesses: Option<f64>,
}

/// How a scheme is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SchemeReading {
    /// kdamond, context and number, as far as they are told.
    pub name: String,
    /// What it does, if the parameters tell.
    pub action: Option<String>,
    /// How much it may be applied to in each reset interval.
    pub effective_quota: Option<Bytes>,
    /// What it did so far.
    pub counts: Option<SchemeCounts>,
}

#[derive(Default)]
struct Mean {
    sums: [f64; 4],
    snapshots: u64,
    regions: u64,
    nodes: BTreeMap<u32, NodeHeat>,
    /// Of accesses of which it is known: those that are remote, and all.
    remote: (f64, f64),
}

impl Mean {
    fn add(&mut self, moment: &Moment) {
        let Sums { working_set, hot, cold, monitored } = moment.sums;
        for (sum, value) in self.sums.iter_mut().zip([working_set, hot, cold, monitored]) {
            *sum += value as f64;
        }
        self.snapshots += 1;
        self.regions = moment.regions.len() as u64;
    }

    fn add_nodes(&mut self, moment: &Moment, placed: &PlacedMemory) {
        let heats = moment.heat_by_node(placed);
        heats.iter().for_each(|(node, heat)| self.nodes.entry(*node).or_default().add(heat, 1.0));
        if let Some(share) = placed.remote_share(&heats) {
            let accesses: f64 = heats.values().map(|heat| heat.accesses).sum();
            self.remote = (self.remote.0 + share * accesses, self.remote.1 + accesses);
        }
    }

    fn nodes(&self) -> Vec<NodeReading> {
        let all: f64 = self.nodes.values().map(|heat| heat.accesses).sum();
        let mean = |sum: f64| bytes(sum / self.snapshots.max(1) as f64);
        let reading = |(node, heat): (&u32, &NodeHeat)| NodeReading {
            node: *node,
            resident: mean(heat.resident),
            hot: mean(heat.hot),
            warm: mean(heat.warm),
            cold: mean(heat.cold),
            accesses: (all > 0.0).then(|| heat.accesses / all * 100.0),
        };
        self.nodes.iter().map(reading).collect()
    }

    fn remote_percent(&self) -> Option<f64> {
        (self.remote.1 > 0.0).then(|| self.remote.0 / self.remote.1 * 100.0)
    }

    fn values(&self) -> [Bytes; 4] {
        self.sums.map(|sum| bytes(sum / self.snapshots.max(1) as f64))
    }
}

impl State {
    /// The figures of a span: of the snapshots that end after its start and not after its end.
    pub(crate) fn reading(&self, span: TimeSpan) -> Reading {
        let mut means: BTreeMap<TargetKey, Mean> = BTreeMap::new();
        for moment in self.moments(span) {
            let mean = means.entry(moment.target).or_default();
            mean.add(moment);
            let target = self.targets.get(&moment.target);
            if let Some(placed) = target.and_then(|target| target.placements.at(moment.span.end)) {
                mean.add_nodes(moment, placed);
            }
        }
        let targets = means.iter().filter_map(|(key, mean)| self.target_reading(*key, mean, span)).collect();
        let (kdamond_cpu, recorder_cpu) = self.own_cpu(span);
        let schemes = self.schemes.iter().map(|((kdamond, context, scheme), state)| SchemeReading {
            name: match kdamond {
                Some(kdamond) => format!("{}/{context}/{scheme}", kdamond.0),
                None => scheme.to_string(),
            },
            action: self.actions.get(*scheme as usize).filter(|action| !action.is_empty()).cloned(),
            effective_quota: state.effective_quota.at(span.end).filter(|quota| *quota < Quotas::UNLIMITED),
            counts: state.counts.at(span.end),
        });
        let schemes = schemes.collect();
        Reading { span, targets, kdamond_cpu, recorder_cpu, lost_events: self.lost.at(span.end).unwrap_or(0), schemes }
    }

    /// The snapshots that end after a span's start and not after its end.
    fn moments(&self, span: TimeSpan) -> impl Iterator<Item = &Moment> {
        self.history.within(span).filter(move |moment| moment.span.end > span.start && moment.span.end <= span.end)
    }

    /// A target's memory by node over a span, and the share of remote accesses in percent: of mappings in these ranges alone,
    /// or of all.
    pub(crate) fn node_readings(
        &self,
        target: TargetKey,
        ranges: Option<&[AddrRange]>,
        span: TimeSpan,
    ) -> (Vec<NodeReading>, Option<f64>) {
        let mut mean = Mean::default();
        let Some(state) = self.targets.get(&target) else { return (Vec::new(), None) };
        for moment in self.moments(span).filter(|moment| moment.target == target) {
            mean.snapshots += 1;
            if let Some(placed) = state.placements.at(moment.span.end) {
                match ranges {
                    Some(ranges) => mean.add_nodes(moment, &placed.within(ranges)),
                    None => mean.add_nodes(moment, placed),
                }
            }
        }
        (mean.nodes(), mean.remote_percent())
    }

    fn target_reading(&self, key: TargetKey, mean: &Mean, span: TimeSpan) -> Option<TargetReading> {
        let state = self.targets.get(&key)?;
        let pid = state.target.process.as_ref().map(|process| process.pid);
        let [working_set, hot, cold, monitored] = mean.values();
        let cpu = pid.and_then(|pid| self.cpu.get(&pid)).and_then(|cpu| cpu.used.growth(cpu_start(span), span.end));
        Some(TargetReading {
            key,
            pid,
            name: self.name(&state.target),
            of_scheme: state.target.scheme.is_some(),
            working_set,
            hot,
            cold,
            monitored,
            idle: self.history.last_of(key, span.end).and_then(|moment| moment.idle(IDLE_PERCENTILES)),
            rss: state.rss.at(span.end).map(Bytes),
            cpu: cpu.map(|share| share * 100.0),
            regions: mean.regions,
            snapshots: mean.snapshots,
            nodes: mean.nodes(),
            remote: mean.remote_percent(),
        })
    }

    /// What kdamonds and the recorder took, in percent of one CPU.
    fn own_cpu(&self, span: TimeSpan) -> (Option<f64>, Option<f64>) {
        self.sum_of_own_cpu(|used| Some(used.growth(cpu_start(span), span.end)? * 100.0))
    }

    /// The CPU time that kdamonds and the recorder have taken so far.
    pub(crate) fn own_cpu_time(&self) -> (Option<Nanos>, Option<Nanos>) {
        let (kdamonds, recorder) = self.sum_of_own_cpu(|used| Some(used.at(self.now())? as f64));
        let time = |sum: Option<f64>| sum.map(|sum| Nanos(sum as i64));
        (time(kdamonds), time(recorder))
    }

    /// Sums a figure of their CPU times over kdamonds, and over threads of the recorder.
    fn sum_of_own_cpu(&self, figure: impl Fn(&Series) -> Option<f64>) -> (Option<f64>, Option<f64>) {
        let pids: Vec<i32> =
            self.targets.values().filter_map(|target| Some(target.target.process.as_ref()?.pid)).collect();
        let (mut kdamonds, mut recorder) = (None, None);
        for (pid, cpu) in &self.cpu {
            let Some(figure) = figure(&cpu.used) else { continue };
            let sum = match cpu.kdamond {
                true => &mut kdamonds,
                // The recorder's own figures come under its name; it can be a target itself, and is one then.
                false if cpu.comm.starts_with("damo") && !pids.contains(pid) => &mut recorder,
                false => continue,
            };
            *sum = Some(sum.unwrap_or(0.0) + figure);
        }
        (kdamonds, recorder)
    }
}

fn cpu_start(span: TimeSpan) -> Nanos {
    span.start.min(span.end.saturating_sub(CPU_WINDOW))
}
