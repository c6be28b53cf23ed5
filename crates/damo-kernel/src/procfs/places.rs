//! Where memory and processes are: physical ranges, those of a NUMA node, a cgroup's processes.

use super::{Procfs, parse};
use crate::error::{Error, Result};
use damo_model::{Addr, AddrRange, Bytes};

impl Procfs {
    /// Physical ranges of main memory, as `/proc/iomem` has them.
    ///
    /// # Errors
    /// If it cannot be read, or hides its addresses from us.
    pub fn system_ram(&self) -> Result<Vec<AddrRange>> {
        let rel = "proc/iomem";
        let bytes = self.root.read_bytes(rel)?;
        let ranges = parse::system_ram(&bytes);
        if ranges.is_empty() {
            return Err(Error::Invalid {
                what: self.root.shown(rel).display().to_string(),
                value: crate::error::excerpt(&String::from_utf8_lossy(&bytes)),
                why: "it tells no range of System RAM; its addresses are shown to root only, and not under lockdown. \
                      Give the physical range with --regions"
                    .to_owned(),
            });
        }
        Ok(ranges)
    }

    /// NUMA nodes with memory, by number.
    ///
    /// # Errors
    /// If they cannot be told.
    pub(crate) fn numa_nodes(&self) -> Result<Vec<u32>> {
        let rel = "sys/devices/system/node/has_memory";
        let text = self.root.read_line(rel)?;
        parse::parse_id_list(&text).ok_or_else(|| self.nonsense(rel, "a list of nodes", text.as_bytes()))
    }

    /// Physical ranges of a NUMA node: its memory blocks, as far as they are System RAM. Two nodes may share a block.
    ///
    /// # Errors
    /// If there is no such node, or it has no memory, or the kernel does not tell memory blocks (CONFIG_MEMORY_HOTPLUG).
    pub fn node_ranges(&self, node: u32) -> Result<Vec<AddrRange>> {
        let dir = format!("sys/devices/system/node/node{node}");
        let names = self.root.io().list(&dir).map_err(|source| Error::Read {
            path: self.root.shown(&dir),
            source,
            remedy: format!("There is no NUMA node {node}; nodes with memory: {}", self.nodes_text()),
        })?;
        let rel = "sys/devices/system/memory/block_size_bytes";
        let text = self.root.read_line(rel)?;
        let size = u64::from_str_radix(text.trim_start_matches("0x"), 16)
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| self.nonsense(rel, "a size in hexadecimal", text.as_bytes()))?;
        let block = |number: u64| {
            let start = number.saturating_mul(size);
            AddrRange::new(Addr(start), Addr(start.saturating_add(size)))
        };
        let numbers = names.iter().filter_map(|name| name.strip_prefix("memory")?.parse().ok());
        let mut ranges = AddrRange::joined(numbers.map(block).collect());
        if let Ok(ram) = self.system_ram() {
            ranges = ranges.iter().flat_map(|range| ram.iter().filter_map(|ram| ram.intersection(*range))).collect();
        }
        if ranges.is_empty() {
            return Err(Error::Invalid {
                what: "NUMA node".to_owned(),
                value: node.to_string(),
                why: format!("it has no memory; nodes with memory: {}", self.nodes_text()),
            });
        }
        Ok(ranges)
    }

    pub(crate) fn nodes_text(&self) -> String {
        let nodes = self.numa_nodes().unwrap_or_default();
        if nodes.is_empty() {
            return "not known".to_owned();
        }
        nodes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Where the unified cgroup tree is mounted, relative to the root; `None` if it is not.
    pub(crate) fn cgroup_mount(&self) -> Option<String> {
        let mounts = self.root.read_text("proc/mounts").ok()?;
        mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let (dir, kind) = (words.nth(1)?, words.next()?);
            (kind == "cgroup2").then(|| dir.trim_matches('/').to_owned())
        })
    }

    /// The processes of a cgroup and of those below it. `path` as in `/proc/PID/cgroup` (`/system.slice/app.service`)
    /// or with the mount point in front.
    ///
    /// # Errors
    /// If there is no such cgroup.
    pub fn cgroup_processes(&self, path: &str) -> Result<Vec<i32>> {
        let dir = self.cgroup_dir(path)?;
        let mut pids = Vec::new();
        let mut todo = vec![dir];
        let mut first = true;
        while let Some(dir) = todo.pop() {
            match self.root.read_bytes(&format!("{dir}/cgroup.procs")) {
                Ok(bytes) => pids.extend(parse::numbers::<i32>(&bytes)),
                // A group below may go at any time.
                Err(error) if first => return Err(error),
                Err(_) => {}
            }
            first = false;
            for name in self.root.io().list(&dir).unwrap_or_default() {
                let below = format!("{dir}/{name}");
                if self.root.io().is_dir(&below) {
                    todo.push(below);
                }
            }
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// A cgroup's memory.current.
    ///
    /// # Errors
    /// If there is no such cgroup or it has no memory controller.
    pub fn cgroup_memory(&self, path: &str) -> Result<Bytes> {
        self.cgroup_usage(&self.cgroup_usage_file(path)?)
    }

    /// The file that [`Procfs::cgroup_usage`] reads, for those who read it again and again.
    ///
    /// # Errors
    /// If there is no such cgroup.
    pub fn cgroup_usage_file(&self, path: &str) -> Result<String> {
        Ok(format!("{}/memory.current", self.cgroup_dir(path)?))
    }

    /// As [`Procfs::cgroup_memory`], for a file of [`Procfs::cgroup_usage_file`].
    ///
    /// # Errors
    /// If the cgroup is gone or has no memory controller.
    pub fn cgroup_usage(&self, file: &str) -> Result<Bytes> {
        Ok(Bytes(self.root.read_number(file)?))
    }

    /// The cgroup that a process is in (unified hierarchy), as `/system.slice/app.service`.
    pub fn cgroup_of(&self, pid: i32) -> Option<String> {
        let text = self.root.read_text(&format!("proc/{pid}/cgroup")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
    }

    /// Where the unified hierarchy of control groups is mounted, to look for the cgroup `path` in.
    ///
    /// # Errors
    /// If it is not mounted, with what to do instead.
    pub fn cgroup_tree(&self, path: &str) -> Result<String> {
        self.cgroup_mount().ok_or_else(|| Error::Invalid {
            what: "cgroup".to_owned(),
            value: path.to_owned(),
            // Mounted over the trees of version 1 it would hide them from those who work with them.
            why: self.first_version(path).map_or_else(
                || "cgroup2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup".to_owned(),
                |dir| {
                    format!(
                        "this machine has control groups of version 1, and only those of version 2 can be given by name. \
                         Give the ids of its processes: damo record $(cat {dir}/cgroup.procs)"
                    )
                },
            ),
        })
    }

    /// Where a cgroup of version 1 is, if that is what is mounted: in the tree that `path` names, or that of memory.
    fn first_version(&self, path: &str) -> Option<String> {
        let mounts = self.root.read_text("proc/mounts").ok()?;
        let of_memory = |options: &str| options.split(',').any(|option| option == "memory");
        let mount = |line: &str| {
            let mut words = line.split(' ').skip(1);
            let (dir, kind, options) = (words.next()?, words.next()?, words.next()?);
            let below = path.strip_prefix(dir).filter(|below| below.is_empty() || below.starts_with('/'));
            (kind == "cgroup").then(|| {
                let inner = below.unwrap_or(path).trim_matches('/');
                ((below.is_some(), of_memory(options)), format!("{dir}/{inner}").trim_end_matches('/').to_owned())
            })
        };
        mounts.lines().filter_map(mount).max().map(|(_, dir)| dir)
    }

    fn cgroup_dir(&self, path: &str) -> Result<String> {
        let mount = self.cgroup_tree(path)?;
        let relative = path.trim_matches('/');
        let inner = relative.strip_prefix(&mount).unwrap_or(relative).trim_matches('/');
        let outside = inner.split('/').any(|part| part == "..");
        let dir = if inner.is_empty() { mount } else { format!("{mount}/{inner}") };
        if outside || !self.root.io().is_dir(&dir) {
            return Err(Error::Invalid {
                what: "cgroup".to_owned(),
                value: path.to_owned(),
                why: format!("there is no {}; `systemd-cgls` lists cgroups", self.root.shown(&dir).display()),
            });
        }
        Ok(dir)
    }
}
