//! DAMON that stays on when the program that started it is gone: start, tune, stop, status.
//!
//! What was started is noted in the [`NoteStore`] (`/run/damo` on a live machine): which kdamonds, as which threads, and how
//! the tree was found. Stopping puts it back like that. Kdamonds without a note, or with
//! another thread than noted, are someone else's and are touched only when the user says so (`adopt`).
//!
//! ```
//! use damo_kernel::{Root, sysfs::MemorySysfs};
//! use damo_steer::{SteerError, notes::NoteStore, steer::Steer};
//! use damo_model::kdamond::{Context, ContextTarget, Kdamond};
//! use damo_model::scheme::{Action, Scheme};
//! use damo_model::{Nanos, Ops};
//! # use std::sync::Arc;
//! # let dir = tempfile::tempdir()?;
//! # let (root, notes) = (Root::with_io(Arc::new(MemorySysfs::new((6, 12)))), dir.path());
//! let steer = Steer::new(&root, NoteStore::new(notes)); // Root::host() and "/run/damo" on a live machine
//! let target = ContextTarget { pid: Some(4242), ..ContextTarget::default() };
//! let schemes = vec![Scheme::new(Action::Pageout)];
//! let context = Context { targets: vec![target], schemes, ..Context::new(Ops::Vaddr) };
//! steer.start(&[Kdamond { contexts: vec![context], ..Kdamond::default() }])?;
//! // Another process, later:
//! steer.tune(false, |kdamonds| -> Result<(), SteerError> {
//!     kdamonds[0].contexts[0].intervals.sample = Nanos::from_millis(10);
//!     Ok(())
//! })?;
//! assert!(steer.status(true, false)?.kdamonds[0].ours);
//! steer.stop(false)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::error::{Result, SteerError};
use crate::notes::NoteStore;
use damo_kernel::Root;
use damo_kernel::sysfs::{KdamondStatus, Leftover, ModuleKdamond, Staged, Sysfs};
use damo_model::KdamondIndex;
use damo_model::kdamond::{Kdamond, RunningKdamond};
use std::time::Duration;

/// The kernel does what a state file is told once per aggregation.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for another `damo` to be done: longer than a command waits for the end of a usual aggregation.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that `damo status` shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The kdamonds of the sysfs tree.
    pub kdamonds: Vec<Steered>,
    /// The kdamonds of kernel modules.
    pub modules: Vec<ModuleKdamond>,
}

/// A kdamond and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Steered {
    /// Whether it was started by [`Steer::start`] and runs since.
    pub ours: bool,
    /// Whether the figures are of now, rather than as last told by the kernel.
    pub fresh: bool,
    /// State, parameters, statistics.
    pub status: KdamondStatus,
}

/// Starts, tunes and stops.
#[derive(Clone, Debug)]
pub struct Steer {
    sysfs: Sysfs,
    notes: NoteStore,
}

impl Steer {
    /// DAMON below `root`, with its notes in `notes`.
    pub fn new(root: &Root, notes: NoteStore) -> Self {
        Self { sysfs: Sysfs::new(root), notes }
    }

    /// Sets DAMON up and switches it on. Gives index and thread of each kdamond. They stay on until [`Steer::stop`], or until
    /// their targets are gone.
    ///
    /// # Errors
    /// As [`Sysfs::stage`] and [`Staged::start`], with everything as it was before; [`SteerError::Started`] if what an
    /// earlier call started still runs.
    pub fn start(&self, kdamonds: &[Kdamond]) -> Result<Vec<RunningKdamond>> {
        let _settings_lock = self.notes.lock(LOCK_TIMEOUT)?;
        if let Some(leftover) = self.notes.started()? {
            let still = self.ours(Some(&leftover))?;
            if !still.is_empty() {
                return Err(SteerError::Started { indices: still });
            }
            // It ended by itself: the tree is put back before it is changed anew, so that what was found is not lost.
            self.put_back(leftover)?;
        }
        // Noted before each step: if we are killed, the next run knows what to put back.
        let prepared = self.sysfs.prepare(kdamonds)?;
        self.notes.write_started(&prepared.leftover())?;
        let mut staged =
            prepared.stage().map_err(|first| SteerError::from(first).and_then_undone(self.notes.forget_started()))?;
        let mut leftover = staged.leftover();
        let started = self.notes.write_started(&leftover).and_then(|()| Ok(staged.start()?));
        leftover.note_started(&staged);
        if let Err(first) = started.and_then(|()| self.notes.write_started(&leftover)) {
            let undone = staged.undo().map_err(SteerError::from).and_then(|()| self.notes.forget_started());
            return Err(first.and_then_undone(undone));
        }
        let threads = staged.started();
        staged.keep();
        Ok(threads)
    }

    /// Changes parameters of what [`Steer::start`] started, or with `adopt` of everything that runs: `change` gets the
    /// present parameters, with the intervals that tuning chose, and leaves in them what is to be. If it fails, nothing
    /// is written.
    ///
    /// # Errors
    /// [`SteerError::NothingOn`], [`SteerError::NotStartedHere`], what `change` says; or as [`Staged::commit`], with the parameters
    /// as before. What had to be switched on again for that is as much ours as it was.
    pub fn tune<E: From<SteerError>>(
        &self,
        adopt: bool,
        change: impl FnOnce(&mut Vec<Kdamond>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let _settings_lock = self.notes.lock(LOCK_TIMEOUT)?;
        let mut staged = self.take(adopt)?;
        let tuned = staged.current().map_err(|error| E::from(error.into())).and_then(|mut kdamonds| {
            change(&mut kdamonds)?;
            let before = staged.started();
            let committed = staged.commit(&kdamonds);
            let followed = self.follow(&before, &staged.started());
            match committed {
                Ok(()) => Ok(followed?),
                Err(first) => Err(SteerError::from(first).and_then_undone(followed).into()),
            }
        });
        staged.keep();
        tuned
    }

    /// Switches off what [`Steer::start`] started, and puts the tree back as it found it; with `adopt` switches off
    /// everything that runs. Gives the indices.
    ///
    /// # Errors
    /// [`SteerError::NothingOn`], [`SteerError::NotStartedHere`], or what could not be undone.
    pub fn stop(&self, adopt: bool) -> Result<Vec<KdamondIndex>> {
        let _settings_lock = self.notes.lock(LOCK_TIMEOUT)?;
        let leftover = self.notes.started()?;
        let mut stopped = self.ours(leftover.as_ref())?;
        if let Some(leftover) = leftover {
            self.put_back(leftover)?;
        }
        // What ended by itself is put back now, but it was not running.
        if !stopped.is_empty() && !adopt {
            return Ok(stopped);
        }
        let others = self.running()?;
        if adopt && !others.is_empty() {
            self.sysfs.adopt(&others)?.undo()?;
            stopped.extend(others);
        } else if stopped.is_empty() {
            return Err(self.none(&others));
        }
        Ok(stopped)
    }

    /// What there is, with statistics and, with `tried`, the regions that schemes were last tried on. Statistics of what
    /// [`Steer::start`] started are of now, with `adopt` those of other kdamonds as well; without it these are only read,
    /// never written to.
    ///
    /// # Errors
    /// If the tree cannot be read.
    pub fn status(&self, tried: bool, adopt: bool) -> Result<Status> {
        let ours = self.ours(self.notes.started()?.as_ref())?;
        let kdamond = |index| {
            let ours = ours.contains(&index);
            // To ask for new figures is a write to the state file.
            let fresh = ours || adopt;
            let status =
                if fresh { self.sysfs.refreshed(index, tried, STATUS_TIMEOUT)? } else { self.sysfs.kdamond(index)? };
            Ok(Steered { ours, fresh, status })
        };
        let kdamonds = self.sysfs.indices()?.map(kdamond).collect::<Result<_>>()?;
        Ok(Status { kdamonds, modules: self.sysfs.modules() })
    }

    /// What is ours, or with `adopt` everything that runs.
    fn take(&self, adopt: bool) -> Result<Staged> {
        let running = self.running()?;
        if let Some(leftover) = self.notes.started()? {
            let ours = self.ours(Some(&leftover))?;
            if !ours.is_empty()
                && (!adopt || running.iter().all(|index| ours.contains(index)))
                && let Some(staged) = self.sysfs.take_over(leftover)?
            {
                return Ok(staged);
            }
        }
        if running.is_empty() || !adopt {
            return Err(self.none(&running));
        }
        Ok(self.sysfs.adopt(&running)?)
    }

    fn none(&self, running: &[KdamondIndex]) -> SteerError {
        if running.is_empty() {
            SteerError::NothingOn
        } else {
            SteerError::NotStartedHere { indices: running.to_vec() }
        }
    }

    fn running(&self) -> Result<Vec<KdamondIndex>> {
        Ok(self.sysfs.running()?.into_iter().map(|(index, _)| index).collect())
    }

    /// Indices of a note's kdamonds that still run as the same threads.
    fn ours(&self, note: Option<&Leftover>) -> Result<Vec<KdamondIndex>> {
        let still_on = note.map_or(Ok(Vec::new()), |leftover| self.sysfs.left_on(leftover))?;
        Ok(still_on.into_iter().map(|on| on.index).collect())
    }

    /// Undoes what a note tells of, and is done with it. Settings that are not those noted any more are someone else's.
    fn put_back(&self, leftover: Leftover) -> Result<()> {
        if let Some(staged) = self.sysfs.take_over(leftover)? {
            staged.undo()?;
        }
        self.notes.forget_started()
    }

    /// Keeps the note true after a change: other settings, and kdamonds of it that were switched on again as other
    /// threads.
    fn follow(&self, before: &[RunningKdamond], now: &[RunningKdamond]) -> Result<()> {
        let Some(mut leftover) = self.notes.started()? else { return Ok(()) };
        for from in before {
            if let Some(to) = now.iter().find(|now| now.index == from.index && now.thread != from.thread) {
                leftover.moved(*from, to.thread);
            }
        }
        leftover.note_settings(&self.sysfs);
        self.notes.write_started(&leftover)
    }
}

#[cfg(test)]
mod tests;
