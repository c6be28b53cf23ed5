//! DAMON's sysfs tree: what is there, and how to set it up, run it and put it back.
//!
//! - [`Sysfs`] reads: kdamonds, whether they run, their parameters, what their schemes did.
//! - [`Sysfs::stage`] writes parameters and gives a [`Staged`], which starts, tunes and stops exactly those kdamonds,
//!   and puts the tree back as it was found when it is dropped.
//! - [`MemorySysfs`] is an in-memory kernel for tests and dry runs.
//!
//! A kdamond that was not started through the [`Staged`] at hand is never stopped nor changed; whether it still is the
//! same one is told by its thread.
//!
//! ```
//! use damo_kernel::{Root, sysfs::{MemorySysfs, Sysfs}};
//! use damo_model::Ops;
//! use damo_model::kdamond::{Context, Kdamond};
//! # use std::sync::Arc;
//! let root = Root::with_io(Arc::new(MemorySysfs::new((6, 12)))); // Root::host() on a live machine
//! let sysfs = Sysfs::new(&root);
//! let kdamond = Kdamond { contexts: vec![Context::new(Ops::Paddr)], ..Kdamond::default() };
//! let mut staged = sysfs.stage(&[kdamond])?;
//! staged.start()?;
//! let threads = staged.threads();            // for Ring::narrow
//! staged.undo()?;                            // off, and everything as before
//! assert_eq!((threads.len(), sysfs.nr_kdamonds()?), (1, 0));
//! # Ok::<(), damo_kernel::Error>(())
//! ```

mod differs;
mod leftover;
mod memory;
mod modules;
mod read;
mod saved;
mod staged;
mod status;
mod write;

pub use leftover::Leftover;
pub use memory::MemorySysfs;
pub use modules::{IdleTimes, Module, ModuleKdamond};
pub use staged::{Prepared, Staged};
pub use status::{KdamondStatus, SchemeStatus, TriedRegion};

use crate::error::{Error, Result};
use crate::io::Root;
use damo_model::kdamond::Kdamond;
use damo_model::{Intervals, KdamondIndex, KdamondThread};
use std::io;
use std::time::{Duration, Instant};

/// The tree that user space configures DAMON through.
pub const KDAMONDS: &str = "sys/kernel/mm/damon/admin/kdamonds";

/// One directory of the tree, read and written below.
struct Dir<'r> {
    root: &'r Root,
    dir: String,
    /// The kernel has taken what the files say so far, and runs by it.
    is_running: bool,
}

impl<'r> Dir<'r> {
    fn new(root: &'r Root, dir: &str) -> Self {
        Self { root, dir: dir.to_owned(), is_running: false }
    }

    /// That of a kdamond that runs, where what is written is what it is to take.
    fn of_running(root: &'r Root, dir: &str) -> Self {
        Self { is_running: true, ..Dir::new(root, dir) }
    }

    fn below(&self, name: &str) -> Dir<'r> {
        Dir { dir: self.path(name), ..*self }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    fn has(&self, name: &str) -> bool {
        self.root.exists(&self.path(name))
    }
}

/// Whether a kdamond runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it is on.
    pub on: bool,
    /// Its thread, while it is on.
    pub pid: Option<KdamondThread>,
}

damo_model::words! {
    /// A command to a running kdamond. None of them changes what it does, except the two that commit.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Command {
        /// Take the staged parameters.
        Commit = "commit",
        /// Take the staged quota goals.
        CommitQuotaGoals = "commit_schemes_quota_goals",
        /// Write the schemes' counters to their files.
        UpdateStats = "update_schemes_stats",
        /// Write the schemes' tried regions to their directories.
        UpdateTriedRegions = "update_schemes_tried_regions",
        /// Write only the sum of the tried regions' sizes.
        UpdateTriedBytes = "update_schemes_tried_bytes",
        /// Remove the tried regions' directories.
        ClearTriedRegions = "clear_schemes_tried_regions",
        /// Write the quotas in effect.
        UpdateEffectiveQuotas = "update_schemes_effective_quotas",
        /// Write the intervals that tuning chose over the staged ones.
        UpdateTunedIntervals = "update_tuned_intervals",
    }
}

/// DAMON's sysfs tree below a root.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: Root,
}

impl Sysfs {
    /// Below `root`. Nothing is looked at yet.
    pub fn new(root: &Root) -> Self {
        Self { root: root.clone() }
    }

    /// Whether this kernel has it and lets us see it.
    pub fn present(&self) -> bool {
        self.root.exists(&format!("{KDAMONDS}/nr_kdamonds"))
    }

    /// How many kdamonds there are, on or off.
    ///
    /// # Errors
    /// [`Error::Read`], which tells what a kernel without DAMON needs.
    pub fn nr_kdamonds(&self) -> Result<usize> {
        let rel = format!("{KDAMONDS}/nr_kdamonds");
        self.root.read_number(&rel).map_err(|error| match error {
            Error::Read { path, source, .. } if source.kind() == io::ErrorKind::NotFound => Error::Read {
                path,
                source,
                remedy: "This kernel has no DAMON sysfs: it must be built with CONFIG_DAMON_SYSFS=y (5.18 or later), \
                         and /sys must be mounted"
                    .to_owned(),
            },
            other => other,
        })
    }

    /// The numbers of all kdamonds, on or off.
    ///
    /// # Errors
    /// As [`Sysfs::nr_kdamonds`].
    pub fn indices(&self) -> Result<impl Iterator<Item = KdamondIndex> + use<>> {
        Ok((0..self.nr_kdamonds()? as u32).map(KdamondIndex))
    }

    /// Whether a kdamond runs.
    ///
    /// # Errors
    /// If there is no such kdamond.
    pub fn state(&self, index: KdamondIndex) -> Result<State> {
        let on = match self.root.read_line(&file(index, "state"))?.as_str() {
            "on" => true,
            "off" => false,
            other => {
                return Err(Error::Content {
                    path: self.root.shown(&file(index, "state")),
                    expected: "on or off",
                    found: crate::error::excerpt(other),
                });
            }
        };
        let pid: i32 = self.root.read_number(&file(index, "pid"))?;
        Ok(State { on, pid: (on && pid > 0).then_some(KdamondThread(pid)) })
    }

    /// The kdamonds that are on: index and thread. Those of kernel modules are not among them, see [`Sysfs::modules`].
    ///
    /// # Errors
    /// If the tree cannot be read.
    pub fn running(&self) -> Result<Vec<(KdamondIndex, Option<KdamondThread>)>> {
        let mut running = Vec::new();
        for index in self.indices()? {
            let state = self.state(index)?;
            if state.on {
                running.push((index, state.pid));
            }
        }
        Ok(running)
    }

    /// Everything about a kdamond.
    ///
    /// # Errors
    /// If there is no such kdamond, or a file of it holds something unexpected.
    pub fn kdamond(&self, index: KdamondIndex) -> Result<KdamondStatus> {
        let state = self.state(index)?;
        let dir = format!("{KDAMONDS}/{index}");
        let reader = Dir::new(&self.root, &dir);
        Ok(KdamondStatus {
            index,
            on: state.on,
            pid: state.pid,
            params: reader.kdamond()?,
            schemes: reader.statuses()?,
        })
    }

    /// What is staged for a kdamond: nothing tells whether that was committed.
    ///
    /// # Errors
    /// As [`Sysfs::kdamond`].
    pub fn parameters(&self, index: KdamondIndex) -> Result<Kdamond> {
        Dir::new(&self.root, &format!("{KDAMONDS}/{index}")).kdamond()
    }

    /// The intervals among them, of the first context; they are three files.
    ///
    /// # Errors
    /// As [`Sysfs::kdamond`].
    pub fn intervals(&self, index: KdamondIndex) -> Result<Intervals> {
        Dir::new(&self.root, &format!("{KDAMONDS}/{index}/contexts/0/monitoring_attrs/intervals")).intervals()
    }

    /// The file through which a kdamond is told what to do, to be watched; `None` where there are no real files.
    pub fn state_file(&self, index: KdamondIndex) -> Option<std::path::PathBuf> {
        self.root.io().real(&file(index, "state"))
    }

    /// Everything about all kdamonds.
    ///
    /// # Errors
    /// As [`Sysfs::kdamond`].
    pub fn kdamonds(&self) -> Result<Vec<KdamondStatus>> {
        self.indices()?.map(|index| self.kdamond(index)).collect()
    }

    /// The regions that a scheme was last tried on, as of the last [`Command::UpdateTriedRegions`].
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn tried_regions(&self, kdamond: KdamondIndex, context: usize, scheme: usize) -> Result<Vec<TriedRegion>> {
        let dir = format!("{KDAMONDS}/{kdamond}/contexts/{context}/schemes/{scheme}");
        Dir::new(&self.root, &dir).tried_regions()
    }

    /// Sends a command to a running kdamond and waits until it is done, at most `timeout`. The kernel does it at the
    /// end of an aggregation, and while the kdamond waits for a watermark it does not do it at all: then this gives up,
    /// while the kernel keeps the command.
    ///
    /// # Errors
    /// [`Error::Write`] with the remedy, or [`Error::Timeout`].
    pub fn command(&self, index: KdamondIndex, command: Command, timeout: Duration) -> Result<()> {
        let begin = Instant::now();
        let mut pause = Duration::from_millis(5);
        loop {
            let left = timeout.saturating_sub(begin.elapsed());
            match self.send(index, command.as_str(), left) {
                // Another command is under way.
                Err(error) if error.errno() == Some(libc::EBUSY) && !left.is_zero() => {
                    std::thread::sleep(pause.min(left));
                    pause = (pause * 2).min(Duration::from_millis(200));
                }
                other => return other,
            }
        }
    }

    /// Everything about a kdamond, with what only commands bring: if it is on, its schemes' counters and quotas in effect
    /// and the intervals that tuning chose are updated first, and with `tried` the regions as well. Kernels that do not
    /// know one of these commands, and those that refresh files by themselves, are spared it.
    ///
    /// # Errors
    /// As [`Sysfs::kdamond`] and [`Sysfs::command`].
    pub fn refreshed(&self, index: KdamondIndex, tried: bool, timeout: Duration) -> Result<KdamondStatus> {
        let found = self.kdamond(index)?;
        if !found.on {
            return Ok(found);
        }
        let own = found.params.refresh.is_some_and(|refresh| refresh.0 > 0);
        let contexts = || found.params.contexts.iter();
        let schemes = contexts().any(|context| !context.schemes.is_empty());
        let wanted = [
            (Command::UpdateStats, schemes && !own),
            (Command::UpdateEffectiveQuotas, schemes && !own),
            (Command::UpdateTriedRegions, schemes && tried),
            (Command::UpdateTunedIntervals, !own && contexts().any(|context| context.intervals_goal.is_some())),
        ];
        for (command, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
            match self.command(index, command, timeout) {
                // An older kernel, or it went off in between: what is there is read all the same.
                Err(error) if error.errno() == Some(libc::EINVAL) => {}
                other => other?,
            }
        }
        self.kdamond(index)
    }

    /// Writes to a state file on a thread of its own, because that write may block for as long as the kernel likes.
    fn send(&self, index: KdamondIndex, word: &'static str, timeout: Duration) -> Result<()> {
        let (done, wait) = std::sync::mpsc::channel();
        let root = self.root.clone();
        let writer = std::thread::Builder::new().name("damo-command".to_owned());
        let spawned = writer.spawn(move || {
            // The receiver may have given up.
            let _ = done.send(write::write_file(&root, &file(index, "state"), word));
        });
        if let Err(source) = spawned {
            return Err(Error::Wait { source });
        }
        wait.recv_timeout(timeout)
            .unwrap_or_else(|_| Err(Error::Timeout { what: format!("`{word}` of kdamond {index}"), waited: timeout }))
    }

    /// Waits until a kdamond is on or off.
    fn await_state(&self, index: KdamondIndex, on: bool, timeout: Duration) -> Result<State> {
        let begin = Instant::now();
        loop {
            let state = self.state(index)?;
            if state.on == on && (!on || state.pid.is_some()) {
                return Ok(state);
            }
            if begin.elapsed() >= timeout {
                let what = format!("kdamond {index} going {}", if on { "on" } else { "off" });
                return Err(Error::Timeout { what, waited: timeout });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The tree's directory, for messages.
    pub fn shown(&self) -> std::path::PathBuf {
        self.root.shown(KDAMONDS)
    }
}

/// A file of a kdamond.
fn file(index: KdamondIndex, name: &str) -> String {
    format!("{KDAMONDS}/{index}/{name}")
}

#[cfg(test)]
mod tests;
