//! On which NUMA nodes the memory of a process is, and its threads.

use super::{Procfs, parse};
use crate::error::Result;
use damo_model::{Mapping, NodeMemory, NodeThreads};
use std::collections::{BTreeMap, HashMap};

/// What is kept of one process at most, as a record bounds it.
const MOST_ROWS: usize = 1 << 19;

/// To which NUMA node each CPU belongs.
#[derive(Clone, Debug, Default)]
pub struct CpuNodes(HashMap<u32, u32>);

impl Procfs {
    /// To which NUMA node each CPU belongs. `None` on a machine with one node, or that does not tell its nodes.
    pub fn cpu_nodes(&self) -> Option<CpuNodes> {
        let names = self.root.io().list("sys/devices/system/node").ok()?;
        let nodes: Vec<u32> = names.iter().filter_map(|name| name.strip_prefix("node")?.parse().ok()).collect();
        let mut of_cpu = HashMap::new();
        for node in &nodes {
            let cpus = self.root.read_line(&format!("sys/devices/system/node/node{node}/cpulist")).unwrap_or_default();
            of_cpu.extend(parse::parse_id_list(&cpus).unwrap_or_default().into_iter().map(|cpu| (cpu, *node)));
        }
        (nodes.len() > 1).then_some(CpuNodes(of_cpu))
    }

    /// How much of each mapping is on which node, out of `/proc/PID/numa_maps`, for which the kernel walks the page
    /// tables of the whole process: seldom, please. Sorted by address, then by node.
    ///
    /// # Errors
    /// If there is no such process, its mappings may not be read, or the kernel knows no nodes (CONFIG_NUMA).
    pub fn memory_by_node(&self, pid: i32) -> Result<Vec<NodeMemory>> {
        let numa_maps = self.root.read_bytes(&format!("proc/{pid}/numa_maps"))?;
        Ok(parse_numa_maps(&numa_maps, &self.maps(pid)?, self.page))
    }

    /// How many threads run on the CPUs of each node: those that are running now, or all when none is. Sorted by node.
    pub fn threads_by_node(&self, pid: i32, nodes: &CpuNodes) -> Vec<NodeThreads> {
        let (mut running, mut all) = (BTreeMap::new(), BTreeMap::new());
        for thread in self.root.io().list(&format!("proc/{pid}/task")).unwrap_or_default() {
            let stat = self.root.read_bytes(&format!("proc/{pid}/task/{thread}/stat")).unwrap_or_default();
            let Some(stat) = parse::stat(&stat, self.ticks) else { continue };
            let Some(node) = stat.cpu.and_then(|cpu| nodes.0.get(&cpu)) else { continue };
            *all.entry(*node).or_insert(0) += 1;
            if stat.state == 'R' {
                *running.entry(*node).or_insert(0) += 1;
            }
        }
        let threads = if running.is_empty() { all } else { running };
        threads.into_iter().map(|(node, threads)| NodeThreads { node, threads }).collect()
    }
}

/// `/proc/PID/numa_maps`, whose lines tell where a mapping starts; `mappings`, sorted, tell where it ends. Lines of no
/// mapping, and those that make no sense, are left out. `page` is the page size where a line tells none.
fn parse_numa_maps(bytes: &[u8], mappings: &[Mapping], page: u64) -> Vec<NodeMemory> {
    let mut memory = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_ascii_whitespace();
        let Some(start) = words.next().and_then(|word| u64::from_str_radix(word, 16).ok()) else { continue };
        let Ok(at) = mappings.binary_search_by_key(&start, |mapping| mapping.start.0) else { continue };
        let Some(mapping) = mappings.get(at) else { continue };
        // Blanks of file names are written as escapes, so each word is a field of its own.
        let field =
            |name: char, word: &str| word.strip_prefix(name)?.split_once('=').map(|(a, b)| (a.parse(), b.parse()));
        let nodes: Vec<(u32, u64)> = words
            .clone()
            .filter_map(|word| match field('N', word) {
                Some((Ok(node), Ok(pages))) => Some((node, pages)),
                _ => None,
            })
            .collect();
        let kib = words.find_map(|word| word.strip_prefix("kernelpagesize_kB=")?.parse::<u64>().ok());
        let page = kib.map_or(page, |kib| kib.saturating_mul(1024));
        for (node, pages) in nodes {
            let bytes = damo_model::Bytes(pages.saturating_mul(page));
            memory.push(NodeMemory { start: mapping.start, end: mapping.end, node, bytes });
        }
        if memory.len() >= MOST_ROWS {
            break;
        }
    }
    memory.truncate(MOST_ROWS);
    memory.sort_by_key(|one| (one.start, one.node));
    memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;
    use crate::sysfs::MemorySysfs;
    use damo_model::{Addr, Bytes};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn row(start: u64, end: u64, node: u32, kib: u64) -> NodeMemory {
        NodeMemory { start: Addr(start), end: Addr(end), node, bytes: Bytes(kib << 10) }
    }

    #[test]
    fn memory_and_threads_are_told_by_node() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        fake.put(
            "proc/7/maps",
            "1000-9000 r--p 0 00:00 0 /lib/x y\n200000-600000 rw-p 0 00:00 0\nf000000-f001000 rw-p 0 0 0\n",
        );
        fake.put(
            "proc/7/numa_maps",
            "00001000 default file=/lib/x\\040N9=9 mapped=3 N0=1 N1=2 kernelpagesize_kB=4\n\
             00200000 bind:1 anon=2 N1=2 kernelpagesize_kB=2048\n0f000000 default\nabcd000 default N0=5\nx N0=1\n",
        );
        for (node, cpus) in [(0, "0-1"), (1, "2-3"), (2, "")] {
            fake.put(&format!("sys/devices/system/node/node{node}/cpulist"), cpus);
        }
        for (thread, state, cpu) in [(7, 'S', 0), (8, 'R', 3), (9, 'R', 1), (10, 'R', 2)] {
            let stat = format!(
                "{thread} (a) b) {state} 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 100{} {cpu} 0 0",
                " 0".repeat(16)
            );
            fake.put(&format!("proc/7/task/{thread}/stat"), &stat);
        }
        let procfs = Procfs::new(&Root::with_io(fake.clone()));
        let memory = procfs.memory_by_node(7).unwrap();
        assert_eq!(memory, [row(0x1000, 0x9000, 0, 4), row(0x1000, 0x9000, 1, 8), row(0x20_0000, 0x60_0000, 1, 4096)]);
        let nodes = procfs.cpu_nodes().unwrap();
        let threads: Vec<_> = procfs.threads_by_node(7, &nodes).iter().map(|of| (of.node, of.threads)).collect();
        assert_eq!(threads, [(0, 1), (1, 2)], "the one that sleeps does not count");
        assert!(procfs.memory_by_node(8).is_err());
        let one = Arc::new(MemorySysfs::new((6, 12)));
        one.put("sys/devices/system/node/node0/cpulist", "0-3");
        assert!(Procfs::new(&Root::with_io(one)).cpu_nodes().is_none());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "([0-9a-f]{1,3} (N[0-9]{1,11}=[0-9]{1,21} |kernelpagesize_kB=[0-9]{1,21} |.{0,4} ){0,4}\n){0,4}") {
            let mapping = |start| Mapping { start: Addr(start), end: Addr(start + 1), ..Mapping::default() };
            let rows = parse_numa_maps(text.as_bytes(), &(0..0xfff).map(mapping).collect::<Vec<_>>(), 4096);
            prop_assert!(rows.is_sorted_by_key(|row| (row.start, row.node)));
        }
    }
}
