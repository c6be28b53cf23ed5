//! What is recorded beside snapshots, out of `/proc`, `/sys` and cgroups: mappings, footprints, CPU time, pressure,
//! who a process is, where memory lies.
//!
//! Parsers ([`parse`]) are plain functions over bytes, because what they read is partly in the hands of the monitored
//! processes (a command name may hold blanks, parentheses and newlines). They never panic; what they cannot make sense
//! of is absent, not 0.
//!
//! ```
//! use damo_kernel::{Root, procfs::Procfs};
//! let procfs = Procfs::new(&Root::host());
//! let me = procfs.process(std::process::id() as i32)?;
//! assert!(me.started.is_some());
//! # Ok::<(), damo_kernel::Error>(())
//! ```

mod nodes;
pub mod parse;
mod places;
mod smaps;

pub use nodes::CpuNodes;
pub use parse::Stat;
pub(crate) use parse::parse_id_list;
pub use smaps::MappingUse;

use crate::error::{Error, Result};
use crate::io::Root;
use crate::system;
use damo_model::{Bytes, ClockPair, CpuTime, Footprint, Mapping, Nanos, Pressure, Process, Stamp, SystemFootprint};
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;

/// The number of the initial pid namespace, which is fixed.
pub const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// The pid namespace that we are in, if it is not the initial one, which has all processes.
pub fn foreign_pid_namespace(root: &Root) -> Option<String> {
    root.io().link("proc/self/ns/pid").ok().filter(|link| link != INITIAL_PID_NAMESPACE)
}

/// Reads `/proc` below a root.
#[derive(Clone, Debug)]
pub struct Procfs {
    root: Root,
    page: u64,
    ticks: i64,
}

impl Procfs {
    /// `/proc`, `/sys` and so on below `root`.
    pub fn new(root: &Root) -> Self {
        Self { root: root.clone(), page: system::page_size() as u64, ticks: system::clock_ticks() }
    }

    /// Page size of this machine.
    pub fn page_size(&self) -> Bytes {
        Bytes(self.page)
    }

    /// Whether these are the files of the machine that we run on, and not of a test's.
    pub fn is_machine(&self) -> bool {
        self.root.io().is_machine()
    }

    /// The path of a process's program. `None` for kernel threads, and where it may not be read.
    pub fn program(&self, pid: i32) -> Option<String> {
        let path = self.root.io().link(&format!("proc/{pid}/exe")).ok()?;
        // So the kernel says of a file that was replaced since.
        Some(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
    }

    /// Whether there is such a process (a zombie counts as gone: DAMON cannot monitor it any more).
    pub fn alive(&self, pid: i32) -> bool {
        self.stat(pid).is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X' | 'x'))
    }

    /// `/proc/PID/stat`.
    ///
    /// # Errors
    /// If there is no such process, or the file makes no sense.
    pub fn stat(&self, pid: i32) -> Result<Stat> {
        let rel = format!("proc/{pid}/stat");
        let bytes = self.root.read_bytes(&rel)?;
        parse::stat(&bytes, self.ticks).ok_or_else(|| self.nonsense(&rel, "a process's stat line", &bytes))
    }

    /// Time since boot, on the clock of [`Stat::started`] and as coarse.
    ///
    /// # Errors
    /// If `/proc/uptime` cannot be read or makes no sense.
    pub fn uptime(&self) -> Result<Nanos> {
        let rel = "proc/uptime";
        let bytes = self.root.read_bytes(rel)?;
        parse::uptime(&bytes).ok_or_else(|| self.nonsense(rel, "seconds since boot", &bytes))
    }

    /// Who a process is: pid, start time, comm, command line. The start time tells it from a later one of equal pid.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn process(&self, pid: i32) -> Result<Process> {
        let stat = self.stat(pid)?;
        let cmdline = self.root.read_bytes(&format!("proc/{pid}/cmdline")).unwrap_or_default();
        Ok(Process { pid, started: Some(stat.started), comm: stat.comm, cmdline: parse::cmdline(&cmdline) })
    }

    /// `/proc/PID/maps`, sorted by address.
    ///
    /// # Errors
    /// If there is no such process, or its mappings may not be read.
    pub fn maps(&self, pid: i32) -> Result<Vec<Mapping>> {
        Ok(parse::maps(&self.root.read_bytes(&format!("proc/{pid}/maps"))?))
    }

    /// The bytes of `/proc/PID/maps`, to see cheaply whether they changed; [`parse::maps`] reads them.
    ///
    /// # Errors
    /// As [`Procfs::maps`].
    pub fn maps_bytes(&self, pid: i32) -> Result<Vec<u8>> {
        self.root.read_bytes(&format!("proc/{pid}/maps"))
    }

    /// Memory use of a process: statm, and with `rollup` the proportional share and swap of smaps_rollup, which takes
    /// the kernel a walk over the whole address space: seldom, please.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn footprint(&self, pid: i32, rollup: bool) -> Result<Footprint> {
        let rel = format!("proc/{pid}/statm");
        let bytes = self.root.read_bytes(&rel)?;
        let mut footprint =
            parse::statm(&bytes, self.page).ok_or_else(|| self.nonsense(&rel, "seven numbers", &bytes))?;
        if rollup && let Ok(bytes) = self.root.read_bytes(&format!("proc/{pid}/smaps_rollup")) {
            let values = parse::kb_lines(&bytes);
            footprint.pss = values.get("Pss").copied();
            footprint.swap = values.get("Swap").copied();
        }
        Ok(footprint)
    }

    /// What is swapped out of a process, without the walk of [`Procfs::footprint`]; shared memory does not count here.
    pub fn swap(&self, pid: i32) -> Option<Bytes> {
        let status = self.root.read_bytes(&format!("proc/{pid}/status")).ok()?;
        parse::kb_lines(&status).get("VmSwap").copied()
    }

    /// CPU time that a process or kernel thread has used since it started. `at` is the caller's: it knows the clock.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn cpu_time(&self, pid: i32, at: Stamp, kdamond: bool) -> Result<CpuTime> {
        let stat = self.stat(pid)?;
        Ok(CpuTime { at, pid, comm: stat.comm, kdamond, user: stat.user, system: stat.system })
    }

    /// CPU time that this process has used, without reading files. `at` is the caller's: it knows the clock.
    pub fn own_cpu_time(&self, at: Stamp, comm: &str) -> CpuTime {
        let (user, system) = system::own_cpu();
        let pid = std::process::id().cast_signed();
        CpuTime { at, pid, comm: comm.to_owned(), kdamond: false, user: Nanos(user), system: Nanos(system) }
    }

    /// A descriptor that becomes readable when the process ends, for [`crate::ring::Ring::wait`]. `None` on kernels
    /// before 5.3, without descriptors to spare, below a root that is not this machine's, or if the process is gone.
    pub fn exit_of(&self, pid: i32) -> Option<OwnedFd> {
        self.root.io().is_machine().then(|| system::pidfd(pid).ok()).flatten()
    }

    /// `/proc/meminfo`.
    ///
    /// # Errors
    /// If it cannot be read or tells no total.
    pub fn meminfo(&self, at: Stamp) -> Result<SystemFootprint> {
        let rel = "proc/meminfo";
        let bytes = self.root.read_bytes(rel)?;
        parse::meminfo(&bytes, at).ok_or_else(|| self.nonsense(rel, "lines such as `MemTotal: 1 kB`", &bytes))
    }

    /// Pressure of `memory`, `cpu` and `io`, those that this kernel tells (CONFIG_PSI).
    pub fn pressure(&self, at: Stamp) -> Vec<Pressure> {
        ["memory", "cpu", "io"]
            .into_iter()
            .filter_map(|resource| {
                let bytes = self.root.read_bytes(&format!("proc/pressure/{resource}")).ok()?;
                let (some, full) = parse::pressure(&bytes)?;
                Some(Pressure { at, resource: resource.to_owned(), some, full })
            })
            .collect()
    }

    /// A process's children, grandchildren and so on, itself left out, parents before their children.
    ///
    /// Where the kernel lists children (CONFIG_PROC_CHILDREN) only those are looked at; else all processes.
    pub fn descendants(&self, pid: i32) -> Vec<i32> {
        if self.root.exists(&format!("proc/{pid}/task/{pid}/children")) {
            let mut found = self.children(pid);
            let mut at = 0;
            while let Some(next) = found.get(at).copied() {
                at += 1;
                for child in self.children(next) {
                    if child != pid && !found.contains(&child) {
                        found.push(child);
                    }
                }
            }
            return found;
        }
        let mut by_parent: HashMap<i32, Vec<i32>> = HashMap::new();
        for child in self.pids() {
            if let Ok(stat) = self.stat(child) {
                by_parent.entry(stat.parent).or_default().push(child);
            }
        }
        let mut found = Vec::new();
        let mut queue = VecDeque::from([pid]);
        while let Some(parent) = queue.pop_front() {
            for child in by_parent.remove(&parent).unwrap_or_default() {
                found.push(child);
                queue.push_back(child);
            }
        }
        found
    }

    /// Children of all threads of a process, as far as the kernel lists them (CONFIG_PROC_CHILDREN).
    pub fn children(&self, pid: i32) -> Vec<i32> {
        let threads = self.root.io().list(&format!("proc/{pid}/task")).unwrap_or_default();
        let mut children = Vec::new();
        for tid in threads {
            if let Ok(bytes) = self.root.read_bytes(&format!("proc/{pid}/task/{tid}/children")) {
                children.extend(parse::numbers::<i32>(&bytes));
            }
        }
        children
    }

    /// The ids of a process's threads; none if it is gone.
    pub fn threads(&self, pid: i32) -> Vec<i32> {
        let names = self.root.io().list(&format!("proc/{pid}/task")).unwrap_or_default();
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// A thread's name; empty if it is gone.
    pub fn thread_name(&self, pid: i32, tid: i32) -> String {
        self.root.read_line(&format!("proc/{pid}/task/{tid}/comm")).unwrap_or_default()
    }

    /// All processes, in order of their pids.
    pub fn pids(&self) -> Vec<i32> {
        let names = self.root.io().list("proc").unwrap_or_default();
        let mut pids: Vec<i32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        pids
    }

    /// `/proc/sys/kernel/random/boot_id`; empty if unknown.
    pub fn boot_id(&self) -> String {
        self.root.read_line("proc/sys/kernel/random/boot_id").unwrap_or_default()
    }

    /// `uname -r`; empty if unknown.
    pub fn kernel_release(&self) -> String {
        self.root.read_line("proc/sys/kernel/osrelease").unwrap_or_default()
    }

    /// The host's name; empty if unknown.
    pub fn host_name(&self) -> String {
        self.root.read_line("proc/sys/kernel/hostname").unwrap_or_default()
    }

    fn nonsense(&self, rel: &str, expected: &'static str, bytes: &[u8]) -> Error {
        let found = crate::error::excerpt(&String::from_utf8_lossy(bytes));
        Error::Content { path: self.root.shown(rel), expected, found }
    }
}

/// Now on the clock of [`crate::ring::Ring`]: CLOCK_MONOTONIC.
pub fn now() -> Nanos {
    Nanos(i64::try_from(system::monotonic()).unwrap_or(i64::MAX))
}

/// The same moment on the ring's clock and on the wall clock, as closely as it can be told.
pub fn clock_pair() -> ClockPair {
    let wall = || Nanos(i64::try_from(system::clock(rustix::time::ClockId::Realtime)).unwrap_or(i64::MAX));
    // The pair whose readings are closest together: a preemption in between would tear it apart.
    let pair = || {
        let (before, wall, after) = (now(), wall(), now());
        (after.0 - before.0, ClockPair { record: Nanos(before.0 + (after.0 - before.0) / 2), wall })
    };
    let mut best = pair();
    for _ in 0..4 {
        let next = pair();
        if next.0 < best.0 {
            best = next;
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
