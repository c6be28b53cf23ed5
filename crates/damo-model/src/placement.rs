//! On which NUMA nodes memory is, and how hot it is there: estimates, since neither the kernel nor DAMON tells both of a page.

use crate::{Addr, AddrRange, Bytes, Nanos, Stamp, TargetKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Memory is cold when it has not been accessed for so long.
pub(crate) const COLD_AFTER: Nanos = Nanos(5_000_000_000);
/// No kernel has more nodes; what a record says of others is left out.
const MOST_NODES: u32 = 1024;

/// What one NUMA node holds of one mapping, or of one range of physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeMemory {
    /// Address of the mapping's first byte.
    pub start: Addr,
    /// One past its last byte.
    pub end: Addr,
    /// The number of the NUMA node.
    pub node: u32,
    /// How much of the mapping's resident memory is on that node.
    pub bytes: Bytes,
}

/// How many threads of a process run on the CPUs of one NUMA node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeThreads {
    /// The number of the NUMA node.
    pub node: u32,
    /// Threads on its CPUs.
    pub threads: u32,
}

/// On which NUMA nodes a target's memory is at one moment; written again only when it changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placement {
    /// When it was read.
    pub at: Stamp,
    /// The process that has the memory.
    pub pid: i32,
    /// The target that the process is, where known.
    pub target: Option<TargetKey>,
    /// Sorted by address, then by node. Mappings without resident memory are not in it.
    pub memory: Vec<NodeMemory>,
    /// By node: the threads that were running, or all of them when none was. Empty if unknown.
    pub threads: Vec<NodeThreads>,
}

/// How hot a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeatClass {
    /// Accessed in at least half of the samples.
    Hot,
    /// Neither hot nor cold.
    Warm,
    /// Not accessed for five seconds or longer, or not accessed and nobody knows for how long.
    Cold,
}

impl HeatClass {
    /// Of a region with so many accesses out of `max_nr_accesses`, whose count is of that age, where that is known.
    pub fn of(nr_accesses: u32, max_nr_accesses: u32, age: Option<Nanos>) -> Self {
        if nr_accesses == 0 {
            return if age.is_none_or(|age| age >= COLD_AFTER) { Self::Cold } else { Self::Warm };
        }
        if u64::from(nr_accesses) * 2 >= u64::from(max_nr_accesses) { Self::Hot } else { Self::Warm }
    }
}

/// What memory of one node is like, estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeHeat {
    /// Resident memory on the node, in bytes, as the kernel told it.
    pub resident: f64,
    /// Bytes of hot regions.
    pub hot: f64,
    /// Bytes of warm regions.
    pub warm: f64,
    /// Bytes of cold regions.
    pub cold: f64,
    /// Bytes, each as often as the share of samples that found it accessed: what accesses to the node are in proportion to.
    pub accesses: f64,
}

impl NodeHeat {
    /// Adds so much of another one: for means.
    pub fn add(&mut self, more: &NodeHeat, weight: f64) {
        let NodeHeat { resident, hot, warm, cold, accesses } = more;
        self.resident += resident * weight;
        self.hot += hot * weight;
        self.warm += warm * weight;
        self.cold += cold * weight;
        self.accesses += accesses * weight;
    }
}

/// One mapping, and by node how much of it is there.
type PlacedMapping = (AddrRange, Vec<(u32, f64)>);

/// A placement, laid out to be asked on which nodes regions are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlacedMemory {
    /// Sorted and disjoint, each with some memory.
    mappings: Vec<PlacedMapping>,
    threads: Vec<NodeThreads>,
}

impl From<&Placement> for PlacedMemory {
    /// Mappings that overlap one before them are left out: no process has such.
    fn from(placement: &Placement) -> Self {
        let mut rows: Vec<&NodeMemory> = placement.memory.iter().collect();
        rows.retain(|row| row.start < row.end && row.bytes.0 > 0 && row.node < MOST_NODES);
        rows.sort_by_key(|row| (row.start, row.end, row.node));
        let mut mappings: Vec<PlacedMapping> = Vec::new();
        for row in rows {
            let range = AddrRange::new(row.start, row.end);
            match mappings.last_mut() {
                Some((last, nodes)) if *last == range => nodes.push((row.node, row.bytes.0 as f64)),
                Some((last, _)) if last.end > row.start => {}
                _ => mappings.push((range, vec![(row.node, row.bytes.0 as f64)])),
            }
        }
        Self { mappings, threads: placement.threads.clone() }
    }
}

impl PlacedMemory {
    /// About how many bytes this takes in memory.
    pub fn memory(&self) -> usize {
        self.mappings.iter().map(|(_, nodes)| size_of::<PlacedMapping>() + nodes.len() * 16).sum()
    }

    /// The mappings alone that share addresses with these ranges.
    pub fn within(&self, ranges: &[AddrRange]) -> Self {
        let is_wanted = |mapping: &AddrRange| ranges.iter().any(|range| mapping.intersection(*range).is_some());
        let mappings = self.mappings.iter().filter(|(mapping, _)| is_wanted(mapping)).cloned().collect();
        Self { mappings, threads: self.threads.clone() }
    }

    /// How many bytes of a range are on which node, as far as mappings with resident memory hold it: of each mapping, the
    /// range has memory on its nodes in the same proportions as the mapping itself.
    pub(crate) fn on_nodes(&self, range: AddrRange, mut give: impl FnMut(u32, f64)) {
        let first = self.mappings.partition_point(|(mapping, _)| mapping.end <= range.start);
        for (mapping, nodes) in self.mappings.get(first..).unwrap_or_default() {
            let Some(part) = mapping.intersection(range) else { break };
            let all: f64 = nodes.iter().map(|(_, bytes)| bytes).sum();
            nodes.iter().for_each(|(node, bytes)| give(*node, part.size().0 as f64 * bytes / all));
        }
    }

    /// The node that holds most of a range; the lowest of equals, none where nothing is resident.
    pub fn main_node(&self, range: AddrRange) -> Option<u32> {
        let mut nodes: BTreeMap<u32, f64> = BTreeMap::new();
        self.on_nodes(range, |node, bytes| *nodes.entry(node).or_default() += bytes);
        nodes.into_iter().reduce(|most, next| if next.1 > most.1 { next } else { most }).map(|(node, _)| node)
    }

    /// The heat of each node that has memory, of regions that each come with their class and with the share of samples that
    /// found accesses.
    pub fn heats(&self, regions: impl IntoIterator<Item = (AddrRange, HeatClass, f64)>) -> BTreeMap<u32, NodeHeat> {
        let mut heats: BTreeMap<u32, NodeHeat> = BTreeMap::new();
        for (node, bytes) in self.mappings.iter().flat_map(|(_, nodes)| nodes) {
            heats.entry(*node).or_default().resident += bytes;
        }
        for (range, class, share) in regions {
            self.on_nodes(range, |node, bytes| {
                let heat = heats.entry(node).or_default();
                heat.accesses += bytes * share;
                *match class {
                    HeatClass::Hot => &mut heat.hot,
                    HeatClass::Warm => &mut heat.warm,
                    HeatClass::Cold => &mut heat.cold,
                } += bytes;
            });
        }
        heats
    }

    /// Which share of the accesses is to memory of another node than the one whose CPUs run the thread, 0..=1, if all threads
    /// access the same memory. `None` without accesses, or where threads are not known.
    pub fn remote_share(&self, heats: &BTreeMap<u32, NodeHeat>) -> Option<f64> {
        let threads: f64 = self.threads.iter().map(|of| f64::from(of.threads)).sum();
        let accesses: f64 = heats.values().map(|heat| heat.accesses).sum();
        let near =
            |node: u32| self.threads.iter().filter(|of| of.node == node).map(|of| f64::from(of.threads)).sum::<f64>();
        let local: f64 = heats.iter().map(|(node, heat)| heat.accesses * near(*node) / threads).sum();
        (threads > 0.0 && accesses > 0.0).then(|| (1.0 - local / accesses).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(rows: &[(u64, u64, u32, u64)], threads: &[(u32, u32)]) -> PlacedMemory {
        let row = |(start, end, node, bytes): &(u64, u64, u32, u64)| NodeMemory {
            start: Addr(*start),
            end: Addr(*end),
            node: *node,
            bytes: Bytes(*bytes),
        };
        let memory = rows.iter().map(row).collect();
        let threads = threads.iter().map(|(node, threads)| NodeThreads { node: *node, threads: *threads }).collect();
        PlacedMemory::from(&Placement { at: Stamp::default(), pid: 1, target: None, memory, threads })
    }

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr(start), Addr(end))
    }

    #[test]
    fn regions_are_on_nodes_in_proportion_to_the_mapping_that_holds_them() {
        let placed = placed(&[(0, 100, 0, 30), (0, 100, 1, 10), (200, 300, 1, 50)], &[(0, 3), (1, 1)]);
        let regions = [
            (range(0, 40), HeatClass::Hot, 1.0),
            (range(50, 250), HeatClass::Cold, 0.0),
            (range(900, 950), HeatClass::Hot, 1.0),
        ];
        let heats = placed.heats(regions);
        let of = |node| heats.get(&node).copied().unwrap_or_default();
        assert_eq!(of(0), NodeHeat { resident: 30.0, hot: 30.0, warm: 0.0, cold: 37.5, accesses: 30.0 });
        assert_eq!(of(1), NodeHeat { resident: 60.0, hot: 10.0, warm: 0.0, cold: 62.5, accesses: 10.0 });
        // Three of four threads are near 30 of 40 accesses, and one is near the rest.
        assert_eq!(placed.remote_share(&heats), Some(1.0 - (30.0 * 0.75 + 10.0 * 0.25) / 40.0));
        assert_eq!(
            [range(0, 250), range(150, 400), range(150, 160)].map(|range| placed.main_node(range)),
            [Some(0), Some(1), None]
        );
    }

    #[test]
    fn what_no_process_has_is_left_out() {
        let placed = placed(
            &[(0, u64::MAX, 0, u64::MAX), (5, 9, 1, 1), (9, 3, 1, 1), (0, 0, 2, 2), (0, u64::MAX, 5000, 1)],
            &[(0, u32::MAX), (7, u32::MAX)],
        );
        let heats = placed.heats([(range(0, u64::MAX), HeatClass::of(1, 1, None), 1.0)]);
        assert_eq!(heats.keys().copied().collect::<Vec<_>>(), [0]);
        assert_eq!(placed.remote_share(&heats), Some(0.5));
        assert_eq!(PlacedMemory::default().remote_share(&heats), None);
    }

    #[test]
    fn memory_cools_down_after_a_while() {
        let class = |nr, age| HeatClass::of(nr, 20, age);
        assert_eq!([class(10, None), class(9, None)], [HeatClass::Hot, HeatClass::Warm]);
        assert_eq!(
            [class(0, None), class(0, Some(COLD_AFTER)), class(0, Some(Nanos(1)))],
            [HeatClass::Cold, HeatClass::Cold, HeatClass::Warm]
        );
    }
}
