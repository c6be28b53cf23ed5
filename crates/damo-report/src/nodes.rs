//! How much hot, warm and cold memory is on which NUMA node, and how much of the accesses is to memory of another node than
//! the one whose CPUs run the threads.
//!
//! All of it is estimated: the kernel tells of each mapping how much of it is on which node, and DAMON of each region how
//! often it is accessed, but nobody tells both of a page. So a region is taken to be on the nodes of the mapping that holds
//! it, in the same proportions; and all threads are taken to access the same memory.

use crate::error::no_intervals;
use crate::filter::{Filter, for_each_rows};
use crate::picture::{Chart, Line, Panels, Picture, Unit};
use crate::table::Table;
use crate::target::target_labels;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::{FrameError, Record};
use damo_model::human::{Style, format_size, time_text};
use damo_model::{Addr, AddrRange, Bytes, HeatClass, Nanos, NodeHeat, Ops, PlacedMemory, Side, Target, TargetKey};
use std::collections::BTreeMap;
use std::io::Write;

/// A target's placements over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlacementTimes(Vec<(Nanos, PlacedMemory)>);

impl PlacementTimes {
    /// What a record tells of a target.
    pub(crate) fn of(record: &Record, target: &Target) -> Result<Self, FrameError> {
        let pid = target.process.as_ref().map(|process| process.pid);
        let mut times = Vec::new();
        for side in record.side_data()? {
            if let Side::Placement(placement) = side
                && (placement.target == Some(target.key) || (pid.is_some() && pid == Some(placement.pid)))
            {
                times.push((record.on_record_clock(placement.at).unwrap_or_default(), placement.into()));
            }
        }
        times.sort_by_key(|(at, _)| *at);
        Ok(Self(times))
    }

    /// The placement in force at a moment, and its number; before the first one, that one.
    pub(crate) fn at(&self, at: Nanos) -> Option<(usize, &PlacedMemory)> {
        let number = self.0.partition_point(|(from, _)| *from <= at).saturating_sub(1);
        self.0.get(number).map(|(_, placed)| (number, placed))
    }

    /// Adds those of a later record.
    pub(crate) fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// How much memory is on which node, over all placements, most first.
    pub(crate) fn nodes(&self) -> Vec<u32> {
        let mut bytes: BTreeMap<u32, f64> = BTreeMap::new();
        for (node, heat) in self.0.iter().flat_map(|(_, placed)| placed.heats([])) {
            *bytes.entry(node).or_default() += heat.resident;
        }
        let mut nodes: Vec<(u32, f64)> = bytes.into_iter().collect();
        nodes.sort_by(|a, b| b.1.total_cmp(&a.1));
        nodes.into_iter().map(|(node, _)| node).collect()
    }
}

/// Memory by node in one snapshot, or the mean of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodesMoment {
    /// When the first snapshot began.
    pub start: Nanos,
    /// When the last one ended.
    pub end: Nanos,
    /// By number, the nodes that hold memory of the target.
    pub nodes: BTreeMap<u32, NodeHeat>,
    /// Share of the accesses to another node's memory, 0..=1; `None` if nothing was accessed or the threads are not known.
    pub remote: Option<f64>,
}

impl NodesMoment {
    /// The mean of some.
    fn mean(moments: &[NodesMoment]) -> Self {
        let count = moments.len().max(1) as f64;
        let mut nodes: BTreeMap<u32, NodeHeat> = BTreeMap::new();
        for (node, heat) in moments.iter().flat_map(|moment| &moment.nodes) {
            nodes.entry(*node).or_default().add(heat, 1.0 / count);
        }
        // Moments with more accesses weigh more.
        let accesses = |moment: &NodesMoment| moment.nodes.values().map(|heat| heat.accesses).sum::<f64>();
        let known = moments.iter().filter_map(|moment| Some((moment.remote?, accesses(moment))));
        let (remote, all) = known.fold((0.0, 0.0), |sum, (remote, all)| (sum.0 + remote * all, sum.1 + all));
        Self {
            start: moments.first().map_or(Nanos(0), |moment| moment.start),
            end: moments.last().map_or(Nanos(0), |moment| moment.end),
            nodes,
            remote: (all > 0.0).then(|| remote / all),
        }
    }

    /// Share of the accesses that are to a node, in percent; `None` without any.
    fn accesses_percent(&self, heat: &NodeHeat) -> Option<f64> {
        let all: f64 = self.nodes.values().map(|heat| heat.accesses).sum();
        (all > 0.0).then(|| heat.accesses / all * 100.0)
    }

    fn remote_percent(&self) -> Option<f64> {
        self.remote.map(|share| share * 100.0)
    }
}

/// A target's memory by node.
#[derive(Clone, Debug)]
pub(crate) struct NodesSeries {
    /// What to call the target.
    pub label: String,
    /// Snapshot by snapshot, in time order.
    pub moments: Vec<NodesMoment>,
}

/// Memory by node, of some records.
#[derive(Clone, Debug)]
pub struct NodesReport {
    /// One for each target whose placement is known.
    pub(crate) series: Vec<NodesSeries>,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// Hot, warm and cold memory by node, and the share of remote accesses. Partial snapshots are left out.
///
/// # Errors
/// When a record cannot be read, or tells neither intervals nor on which nodes memory is.
pub fn nodes(records: &[Record], filter: &Filter) -> Result<NodesReport, ReportError> {
    let mut series = Vec::new();
    for record in records {
        let mut placements: BTreeMap<TargetKey, PlacementTimes> = BTreeMap::new();
        for target in record.targets() {
            let times = PlacementTimes::of(record, target)?;
            if !times.0.is_empty() {
                placements.insert(target.key, times);
            }
        }
        if placements.is_empty() {
            return Err(no_placement(record));
        }
        let mut found: BTreeMap<TargetKey, Vec<NodesMoment>> = BTreeMap::new();
        for_each_rows(record, &filter.plain_monitoring(record), |_, rows| {
            let Some((_, placed)) = placements.get(&rows.head.target).and_then(|times| times.at(rows.head.end)) else {
                return Ok(());
            };
            if !rows.is_complete() {
                return Ok(());
            }
            let Some(intervals) = rows.intervals else { return Err(no_intervals(record)) };
            let most = intervals.max_nr_accesses().0.max(1);
            let ages = rows.age;
            let regions =
                rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate().map(|(i, ((start, end), nr))| {
                    let age = ages.and_then(|ages| ages.get(i));
                    let age = age.map(|age| Nanos(intervals.aggregation.0.saturating_mul((*age).into())));
                    let share = (f64::from(*nr) / f64::from(most)).min(1.0);
                    (AddrRange::new(Addr(*start), Addr(*end)), HeatClass::of(*nr, most, age), share)
                });
            let nodes = placed.heats(regions);
            let remote = placed.remote_share(&nodes);
            let moment = NodesMoment { start: rows.head.start, end: rows.head.end, nodes, remote };
            found.entry(rows.head.target).or_default().push(moment);
            Ok(())
        })?;
        let labels = target_labels(record);
        for (key, mut moments) in found {
            moments.sort_by_key(|moment| moment.end);
            series.push(NodesSeries { label: labels.get(&key).cloned().unwrap_or_default(), moments });
        }
    }
    Ok(NodesReport { series, zero: Zero::of(records) })
}

/// The error for a record that does not tell on which nodes memory is.
pub(crate) fn no_placement(record: &Record) -> ReportError {
    let name = record.name();
    ReportError::invalid(match record.meta().ops {
        Some(Ops::Paddr) => format!(
            "{name} is of physical memory, and does not tell which of it is on which NUMA node: that is recorded of processes. \
             Record the processes themselves, or one node with --numa_node"
        ),
        _ => format!(
            "{name} does not tell on which NUMA nodes memory is: that is recorded since format 1.1, of processes, on machines \
             with several nodes. `damo record --simulate stairs --nodes 2` shows it on any machine"
        ),
    })
}

/// Spans of time of each target in the text.
const SPANS: usize = 20;

impl NodesSeries {
    /// At most so many spans, each of about as many snapshots.
    fn spans(&self, most: usize) -> Vec<NodesMoment> {
        let each = self.moments.len().div_ceil(most.max(1)).max(1);
        self.moments.chunks(each).map(NodesMoment::mean).collect()
    }

    /// All nodes that ever held memory of the target.
    fn nodes(&self) -> Vec<u32> {
        let mut nodes: Vec<u32> = self.moments.iter().flat_map(|moment| moment.nodes.keys().copied()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// A line of a chart: a figure of each snapshot.
    fn line(&self, name: String, zero: Zero, figure: impl Fn(&NodesMoment) -> f64) -> Line {
        let at = |time: Nanos| zero.since(time).0 as f64;
        let mut points: Vec<(f64, f64)> =
            self.moments.iter().map(|moment| (at(moment.start), figure(moment))).collect();
        points.extend(self.moments.last().map(|moment| (at(moment.end), figure(moment))));
        Line { name, points, steps: true, filled: false }
    }
}

fn percent_text(percent: Option<f64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1} %"))
}

/// A figure of a node.
type Figure = fn(&NodeHeat) -> f64;

impl Report for NodesReport {
    const NAME: &'static str = "nodes";
    type Layout = Style;

    fn write_text(&self, out: &mut dyn Write, style: &Style) -> Result<(), ReportError> {
        for (at, series) in self.series.iter().enumerate() {
            let gap = if at > 0 { "\n" } else { "" };
            writeln!(
                out,
                "{gap}# target {}: memory by NUMA node, estimated from the nodes of its mappings",
                series.label
            )?;
            writeln!(
                out,
                "# {:>12} {:>5} {:>14} {:>14} {:>14} {:>14} {:>9} {:>8}",
                "until", "node", "resident", "hot", "warm", "cold", "accesses", "remote"
            )?;
            for span in series.spans(SPANS) {
                let mut until = time_text(self.zero.since(span.end));
                let mut remote = percent_text(span.remote_percent());
                for (node, heat) in &span.nodes {
                    let size = |bytes: f64| format_size(Bytes(bytes.round() as u64), *style);
                    let line = format!(
                        "  {:>12} {node:>5} {:>14} {:>14} {:>14} {:>14} {:>9} {:>8}",
                        until,
                        size(heat.resident),
                        size(heat.hot),
                        size(heat.warm),
                        size(heat.cold),
                        percent_text(span.accesses_percent(heat)),
                        remote,
                    );
                    writeln!(out, "{}", line.trim_end())?;
                    // Of all nodes together: it stands in the first line only.
                    (until, remote) = (String::new(), String::new());
                }
            }
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let moments: Vec<(&NodesSeries, &NodesMoment)> =
            self.series.iter().flat_map(|series| series.moments.iter().map(move |moment| (series, moment))).collect();
        let rows: Vec<(&NodesSeries, &NodesMoment, u32, &NodeHeat)> = moments
            .iter()
            .flat_map(|(series, moment)| moment.nodes.iter().map(|(node, heat)| (*series, *moment, *node, heat)))
            .collect();
        let bytes = |bytes: f64| bytes.round() as u64;
        let memory = Table::of("nodes", &rows)
            .col("target", "the target", |(series, ..)| series.label.as_str())
            .col("start_ns", "start of the snapshot", |(_, moment, ..)| moment.start.0)
            .col("end_ns", "end of the snapshot", |(_, moment, ..)| moment.end.0)
            .col("node", "its number", |(.., node, _)| i64::from(*node))
            .col("resident_bytes", "of the target on the node, as the kernel told it last", |row| bytes(row.3.resident))
            .col("hot_bytes", "accessed in at least half of the samples, estimated", |row| bytes(row.3.hot))
            .col("warm_bytes", "neither hot nor cold, estimated", |row| bytes(row.3.warm))
            .col("cold_bytes", "not accessed for 5 seconds or longer, estimated", |row| bytes(row.3.cold))
            .col(
                "accesses_percent",
                "share of the accesses that are to the node, estimated; `null` if there are none",
                |row| row.1.accesses_percent(row.3),
            );
        let remote = Table::of("remote", &moments)
            .col("target", "the target", |(series, _)| series.label.as_str())
            .col("start_ns", "start of the snapshot", |(_, moment)| moment.start.0)
            .col("end_ns", "end of the snapshot", |(_, moment)| moment.end.0)
            .col(
                "remote_percent",
                "share of the accesses to memory of another node than the one whose CPUs run the threads, estimated; `null` if \
                 there are none or the threads are not known",
                |(_, moment)| moment.remote_percent(),
            );
        Ok(vec![memory.table()?, remote.table()?])
    }

    fn picture(&self, _: &Style) -> Result<Box<dyn Picture + '_>, ReportError> {
        let several = self.series.len() > 1;
        let named = |series: &NodesSeries, name: String| {
            if several { format!("target {}, {name}", series.label) } else { name }
        };
        let figures: [(&str, Figure); 3] =
            [("hot", |heat| heat.hot), ("warm", |heat| heat.warm), ("cold", |heat| heat.cold)];
        let x = (self.zero.axis(), Unit::Time);
        let mut panels: Vec<(f64, Chart)> = Vec::new();
        for (what, figure) in figures {
            let mut lines = Vec::new();
            for series in &self.series {
                for node in series.nodes() {
                    let value = |moment: &NodesMoment| moment.nodes.get(&node).map_or(0.0, figure);
                    lines.push(series.line(named(series, format!("node {node}")), self.zero, value));
                }
            }
            panels.push((1.0, Chart::new("", x, (what, Unit::Bytes), lines)));
        }
        let remote = |series: &NodesSeries| {
            let share = |moment: &NodesMoment| moment.remote_percent().unwrap_or(f64::NAN);
            series.line(named(series, "remote".to_owned()), self.zero, share)
        };
        let lines = self.series.iter().map(remote).collect();
        panels.push((1.0, Chart::new("", x, ("accesses to another node", Unit::Percent), lines)));
        Ok(Box::new(Panels { title: "Memory by NUMA node (estimated)".to_owned(), panels }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{
        Age, Intervals, Item, Meta, NodeMemory, NodeThreads, NrAccesses, Placement, Process, Region, Snapshot, Stamp,
    };

    fn record(ops: Ops, placements: &[(i64, u32)]) -> Record {
        let second = |at: i64| Nanos::from_secs(at);
        let process = Some(Process { pid: 7, ..Process::default() });
        let mut items = vec![
            Item::Meta(Meta { ops: Some(ops), ..Meta::default() }),
            Item::Target(Target { target_id: Some(0), process, ..Target::default() }),
        ];
        items.extend(placements.iter().map(|(at, node)| {
            let memory = vec![NodeMemory { start: Addr(0), end: Addr(4096), node: *node, bytes: Bytes(4096) }];
            let threads = vec![NodeThreads { node: 0, threads: 1 }];
            Item::Side(Side::Placement(Placement {
                at: Stamp::Record(second(*at)),
                pid: 7,
                target: None,
                memory,
                threads,
            }))
        }));
        for at in 0..4 {
            let mut snapshot = Snapshot::new(TargetKey(0), second(at), second(at + 1), Some(Intervals::default()));
            snapshot.regions.push(Region::new(Addr(0), Addr(1024), NrAccesses(20), Some(Age(9))));
            snapshot.regions.push(Region::new(Addr(1024), Addr(2048), NrAccesses(1), Some(Age(9))));
            snapshot.regions.push(Region::new(Addr(2048), Addr(8192), NrAccesses(0), Some(Age(900))));
            items.push(Item::Snapshot(snapshot));
        }
        Record::from_items(&items).unwrap()
    }

    #[test]
    fn memory_that_moves_is_hot_on_the_node_where_it_is() {
        // The first placement holds from the beginning on.
        let report = nodes(&[record(Ops::Vaddr, &[(1, 0), (3, 1)])], &Filter::default()).unwrap();
        let moments = &report.series[0].moments;
        let hot: Vec<_> =
            moments.iter().map(|m| [0, 1].map(|node| m.nodes.get(&node).map(|h| (h.hot, h.warm, h.cold)))).collect();
        let here = Some((1024.0, 1024.0, 2048.0));
        assert_eq!(hot, [[here, None], [here, None], [None, here], [None, here]]);
        let remote: Vec<_> = moments.iter().map(|moment| moment.remote).collect();
        assert_eq!(remote, [Some(0.0), Some(0.0), Some(1.0), Some(1.0)]);
        let mean = &report.series[0].spans(1)[0];
        assert_eq!((mean.nodes[&0].hot, mean.nodes[&1].hot, mean.remote), (512.0, 512.0, Some(0.5)));
        let mut text = Vec::new();
        report.write_text(&mut text, &Style::Human).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("estimated") && text.contains("100.0 %"), "{text}");
    }

    #[test]
    fn a_record_without_placement_says_what_is_missing() {
        let said = |ops| nodes(&[record(ops, &[])], &Filter::default()).unwrap_err().to_string();
        assert!(said(Ops::Vaddr).contains("--nodes 2"));
        assert!(said(Ops::Paddr).contains("physical memory"));
    }
}
