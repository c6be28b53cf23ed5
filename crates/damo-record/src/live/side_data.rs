//! What is recorded beside snapshots: about once a second mappings when they changed, footprints, CPU time of targets
//! and kdamonds; every few seconds the system's memory, pressure and our own CPU time, which move slowly or are totals.
//!
//! The cost is bounded: when a round takes long (thousands of processes, huge address spaces) the next one waits twenty
//! times as long, so that sampling never takes more than a twentieth of one CPU.

use super::placement::PlacementSampler;
use damo_kernel::procfs::{Procfs, now, parse};
use damo_model::{Footprint, Item, KdamondThread, Mappings, Nanos, Process, ProcessFootprint, Side, Stamp, TargetKey};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

const ROUND: Duration = Duration::from_secs(1);
/// Proportional sizes make the kernel walk the whole address space: every so many rounds.
const ROLLUP_ROUNDS: u64 = 10;
/// Resident memory that it walks in a round at most, at some 8 ms per GiB of small pages: meanwhile nobody empties the ring.
const ROLLUP_MEMORY: u64 = 4 << 30;
/// The system's figures: every so many rounds.
const SYSTEM_ROUNDS: u64 = 5;
const COST_FACTOR: u32 = 20;

/// Samples, and remembers what was sampled last.
pub(crate) struct SideDataSampler {
    procfs: Procfs,
    due: Instant,
    rounds: u64,
    /// By pid: a fingerprint of the mappings written last.
    mappings: HashMap<i32, u64>,
    /// By pid: the round of the last proportional size.
    rollups: HashMap<i32, u64>,
    /// By pid: the file that tells what its control group uses.
    cgroups: HashMap<i32, Option<String>>,
    /// Our own name.
    comm: String,
    kdamonds: Share,
    placement: PlacementSampler,
}

/// How much of one CPU some threads take.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    last: Option<(Nanos, Nanos)>,
    percent: Option<f64>,
}

impl SideDataSampler {
    pub(crate) fn new(procfs: Procfs) -> Self {
        let comm = procfs.stat(std::process::id().cast_signed()).map_or_else(|_| "damo".to_string(), |me| me.comm);
        Self {
            placement: PlacementSampler::new(procfs.clone()),
            procfs,
            comm,
            due: Instant::now(),
            rounds: 0,
            mappings: HashMap::new(),
            rollups: HashMap::new(),
            cgroups: HashMap::new(),
            kdamonds: Share::default(),
        }
    }

    /// When the next round is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Which part of one CPU the kdamonds took in the last round, in percent.
    pub(crate) fn kdamond_share(&self) -> Option<f64> {
        self.kdamonds.percent
    }

    /// Samples into `out`, whether due or not.
    pub(crate) fn sample(
        &mut self,
        processes: &[(Process, Option<TargetKey>)],
        kdamonds: &[KdamondThread],
        out: &mut Vec<Item>,
    ) {
        let begun = Instant::now();
        if self.rounds.is_multiple_of(ROLLUP_ROUNDS) {
            self.cgroups.clear();
        }
        let mut to_walk = ROLLUP_MEMORY;
        for (process, target) in processes {
            self.process(process.pid, *target, &mut to_walk, out);
        }
        self.mappings.retain(|pid, _| processes.iter().any(|(process, _)| process.pid == *pid));
        self.rollups.retain(|pid, _| self.mappings.contains_key(pid));
        self.placement.sample(processes, out);
        self.kdamonds(kdamonds, out);
        if self.rounds.is_multiple_of(SYSTEM_ROUNDS) {
            let at = Stamp::Record(now());
            out.extend(self.procfs.meminfo(at).ok().map(Side::System).map(Item::Side));
            out.extend(self.procfs.pressure(at).into_iter().map(Side::Pressure).map(Item::Side));
            out.push(Item::Side(Side::Cpu(self.procfs.own_cpu_time(at, &self.comm))));
        }
        self.rounds += 1;
        self.due = Instant::now() + ROUND.max(begun.elapsed() * COST_FACTOR);
    }

    fn process(&mut self, pid: i32, target: Option<TargetKey>, to_walk: &mut u64, out: &mut Vec<Item>) {
        let at = Stamp::Record(now());
        // A process may go at any moment; what can be read of it is recorded.
        if let Ok(bytes) = self.procfs.maps_bytes(pid)
            && !bytes.is_empty()
        {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let fingerprint = hasher.finish();
            if self.mappings.insert(pid, fingerprint) != Some(fingerprint) {
                let mappings = parse::maps(&bytes);
                out.push(Item::Side(Side::Mappings(Mappings { at, pid, target, mappings })));
            }
        }
        if let Ok(footprint) = self.procfs.footprint(pid, false) {
            let footprint = self.with_shares(pid, footprint, to_walk);
            let cgroup = self.cgroup_memory(pid);
            let footprint = Footprint { cgroup, ..footprint };
            out.push(Item::Side(Side::Process(ProcessFootprint { at, pid, target, footprint })));
        }
        if let Ok(cpu) = self.procfs.cpu_time(pid, at, false) {
            out.push(Item::Side(Side::Cpu(cpu)));
        }
    }

    /// With the proportional size and what is swapped out, if they are due and `to_walk` has room. The former is left out
    /// of a process that is larger than a round may walk.
    fn with_shares(&mut self, pid: i32, footprint: Footprint, to_walk: &mut u64) -> Footprint {
        let last = self.rollups.get(&pid);
        if last.is_some_and(|last| self.rounds.saturating_sub(*last) < ROLLUP_ROUNDS) {
            return footprint;
        }
        let resident = footprint.rss.unwrap_or_default().0;
        if resident > ROLLUP_MEMORY {
            self.rollups.insert(pid, self.rounds);
            return Footprint { swap: self.procfs.swap(pid), ..footprint };
        }
        let Some(rest) = to_walk.checked_sub(resident) else {
            // In the next round then.
            return footprint;
        };
        *to_walk = rest;
        self.rollups.insert(pid, self.rounds);
        self.procfs.footprint(pid, true).unwrap_or(footprint)
    }

    fn cgroup_memory(&mut self, pid: i32) -> Option<damo_model::Bytes> {
        let procfs = &self.procfs;
        let file_of = || procfs.cgroup_usage_file(&procfs.cgroup_of(pid)?).ok();
        let file = self.cgroups.entry(pid).or_insert_with(file_of).as_deref()?;
        procfs.cgroup_usage(file).ok()
    }

    /// DAMON's own cost.
    fn kdamonds(&mut self, kdamonds: &[KdamondThread], out: &mut Vec<Item>) {
        let time = now();
        let at = Stamp::Record(time);
        let mut used = Nanos(0);
        for thread in kdamonds {
            // In a pid namespace of its own the id is none, or another process's.
            if let Ok(cpu) = self.procfs.cpu_time(thread.0, at, true)
                && cpu.comm.starts_with("kdamond")
            {
                used = used.saturating_add(cpu.user).saturating_add(cpu.system);
                out.push(Item::Side(Side::Cpu(cpu)));
            }
        }
        self.kdamonds.note(time, used);
    }
}

impl Share {
    fn note(&mut self, time: Nanos, used: Nanos) {
        if let Some((last_time, last_used)) = self.last
            && time > last_time
            && used >= last_used
        {
            self.percent = Some((used.0 - last_used.0) as f64 * 100.0 / (time.0 - last_time.0) as f64);
        }
        self.last = Some((time, used));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use damo_model::Bytes;
    use std::sync::Arc;

    const GIB: u64 = 1 << 30;

    /// By pid: proportional size and what is swapped out, both in GiB, of a round.
    fn shares(out: &[Item]) -> Vec<(i32, Option<u64>, Option<u64>)> {
        let gib = |size: Option<Bytes>| size.map(|size| size.0 / GIB);
        let share = |item: &Item| match item {
            Item::Side(Side::Process(of)) => Some((of.pid, gib(of.footprint.pss), gib(of.footprint.swap))),
            _ => None,
        };
        out.iter().filter_map(share).collect()
    }

    #[test]
    fn a_round_walks_a_bounded_amount_of_memory_and_larger_processes_only_partly() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        let procfs = Procfs::new(&Root::with_io(fake.clone()));
        let processes: Vec<_> = [(1, 100), (2, 3), (3, 2), (4, 1)]
            .map(|(pid, gib)| {
                let pages = gib * GIB / procfs.page_size().0;
                fake.put(&format!("proc/{pid}/statm"), &format!("{pages} {pages} 50 1 0 200 0"));
                fake.put(&format!("proc/{pid}/maps"), "1000-3000 rw-p 00000000 00:00 0");
                let rollup = format!("Pss: {} kB\nSwap: {} kB\n", gib << 20, 7 << 20);
                fake.put(&format!("proc/{pid}/smaps_rollup"), &rollup);
                fake.put(&format!("proc/{pid}/status"), &format!("Name:\tapp\nVmSwap:\t{} kB\n", 7 << 20));
                (Process { pid, ..Process::default() }, None)
            })
            .into();
        let mut side_data = SideDataSampler::new(procfs);
        let mut round = || {
            let mut out = Vec::new();
            side_data.sample(&processes, &[], &mut out);
            shares(&out)
        };
        let no = |pid| (pid, None, None);
        assert_eq!(round(), [(1, None, Some(7)), (2, Some(3), Some(7)), no(3), (4, Some(1), Some(7))]);
        assert_eq!(round(), [no(1), no(2), (3, Some(2), Some(7)), no(4)]);
        for _ in 2..ROLLUP_ROUNDS {
            assert_eq!(round(), [1, 2, 3, 4].map(no));
        }
        assert_eq!(round(), [(1, None, Some(7)), (2, Some(3), Some(7)), no(3), (4, Some(1), Some(7))]);
    }

    #[test]
    fn an_id_that_is_not_a_kdamonds_here_gives_no_cpu_time() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        for (tid, comm) in [(5, "kdamond.0"), (6, "nginx")] {
            let stat = format!("{tid} ({comm}) S 2 0 0 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 100 0 0");
            fake.put(&format!("proc/{tid}/stat"), &stat);
        }
        let mut out = Vec::new();
        SideDataSampler::new(Procfs::new(&Root::with_io(fake))).kdamonds(&[5, 6].map(KdamondThread), &mut out);
        assert!(matches!(out.as_slice(), [Item::Side(Side::Cpu(cpu))] if cpu.pid == 5), "{out:?}");
    }
}
