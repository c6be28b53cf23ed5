//! On which NUMA nodes the memory of the targets is, recorded when it changed.
//!
//! The kernel walks the page tables of a whole process for it, which takes it some ten milliseconds per GiB of small
//! pages and longer for large machines. So a thread of its own does it, and the ring is emptied meanwhile; and the next
//! reading waits two hundred times as long as the last one took, so that it never takes more than half a percent of a CPU.

use damo_kernel::procfs::{CpuNodes, Procfs, now};
use damo_model::{Item, Placement, Process, Side, Stamp, TargetKey};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From one reading to the next at least.
const INTERVAL: Duration = Duration::from_secs(5);
/// How many times as long as a reading took the next one waits.
const COST_FACTOR: u32 = 200;

/// Reads placements, and remembers what was read last.
pub(crate) struct PlacementSampler {
    procfs: Procfs,
    /// `None` on a machine with one node: there is nothing to tell.
    nodes: Option<CpuNodes>,
    /// Whether readings may be waited for: below a root that is not the machine's they take no time.
    waits: bool,
    due: Instant,
    /// By pid: a fingerprint of the placement written last.
    last: HashMap<i32, u64>,
    reading: Option<JoinHandle<(Vec<Placement>, Duration)>>,
}

impl PlacementSampler {
    pub(crate) fn new(procfs: Procfs) -> Self {
        let (nodes, waits) = (procfs.cpu_nodes(), !procfs.is_machine());
        Self { procfs, nodes, waits, due: Instant::now(), last: HashMap::new(), reading: None }
    }

    /// Begins to read if it is due, and gives to `out` what was read and has changed.
    pub(crate) fn sample(&mut self, processes: &[(Process, Option<TargetKey>)], out: &mut Vec<Item>) {
        let Some(nodes) = &self.nodes else { return };
        if self.reading.is_none() && !processes.is_empty() && Instant::now() >= self.due {
            let (procfs, nodes) = (self.procfs.clone(), nodes.clone());
            let pids: Vec<_> = processes.iter().map(|(process, target)| (process.pid, *target)).collect();
            let read = move || read(&procfs, &nodes, &pids);
            self.reading = std::thread::Builder::new().name("placement".into()).spawn(read).ok();
        }
        let Some(reading) = self.reading.take_if(|reading| self.waits || reading.is_finished()) else { return };
        let (placements, took) = reading.join().unwrap_or_default();
        self.due = Instant::now() + INTERVAL.max(took.saturating_mul(COST_FACTOR));
        self.last.retain(|pid, _| processes.iter().any(|(process, _)| process.pid == *pid));
        for placement in placements {
            let mut hasher = DefaultHasher::new();
            (&placement.memory, &placement.threads, placement.target).hash(&mut hasher);
            let fingerprint = hasher.finish();
            if self.last.insert(placement.pid, fingerprint) != Some(fingerprint) {
                out.push(Item::Side(Side::Placement(placement)));
            }
        }
    }
}

fn read(procfs: &Procfs, nodes: &CpuNodes, pids: &[(i32, Option<TargetKey>)]) -> (Vec<Placement>, Duration) {
    let begun = Instant::now();
    // A process may go at any moment, and the kernel may have no such file (CONFIG_PROC_PAGE_MONITOR, CONFIG_NUMA).
    let placement = |(pid, target): &(i32, Option<TargetKey>)| {
        let memory = procfs.memory_by_node(*pid).ok()?;
        let threads = procfs.threads_by_node(*pid, nodes);
        Some(Placement { at: Stamp::Record(now()), pid: *pid, target: *target, memory, threads })
    };
    (pids.iter().filter_map(placement).collect(), begun.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use std::sync::Arc;

    #[test]
    fn placement_is_recorded_when_it_changed_and_only_where_there_are_nodes() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        fake.put("proc/7/maps", "1000-9000 rw-p 00000000 00:00 0\n");
        let place =
            |pages: &str| fake.put("proc/7/numa_maps", &format!("1000 default anon=3 {pages} kernelpagesize_kB=4\n"));
        place("N0=3");
        let procfs = || Procfs::new(&Root::with_io(fake.clone()));
        let processes = [7, 8].map(|pid| (Process { pid, ..Process::default() }, Some(TargetKey(1))));
        let rows = |sampler: &mut PlacementSampler, due: bool| {
            let mut out = Vec::new();
            sampler.due = if due { Instant::now() } else { sampler.due };
            sampler.sample(&processes, &mut out);
            let of = |item: &Item| match item {
                Item::Side(Side::Placement(of)) => Some(of.memory.iter().map(|row| (row.node, row.bytes.0)).collect()),
                _ => None,
            };
            out.iter().filter_map(of).collect::<Vec<Vec<_>>>()
        };
        let mut sampler = PlacementSampler::new(procfs());
        assert!(rows(&mut sampler, true).is_empty(), "one node");
        fake.put("sys/devices/system/node/node0/cpulist", "0");
        fake.put("sys/devices/system/node/node1/cpulist", "1");
        let mut sampler = PlacementSampler::new(procfs());
        assert_eq!(rows(&mut sampler, true), [[(0, 3 << 12)]]);
        place("N0=1 N1=2");
        assert!(rows(&mut sampler, false).is_empty(), "not yet due");
        assert_eq!(rows(&mut sampler, true), [[(0, 1 << 12), (1, 2 << 12)]]);
        assert!(rows(&mut sampler, true).is_empty(), "nothing changed");
    }
}
