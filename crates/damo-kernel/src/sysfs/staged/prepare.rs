//! Before kdamonds are set up: which of the tree can be used, and what writing to it would do.

use super::{Leftover, SavedTree, Settings, Slot, Staged};
use crate::error::{Error, Result};
use crate::io::Root;
use crate::sysfs::{KDAMONDS, MemorySysfs, Sysfs, file};
use crate::{needs, validate};
use damo_model::kdamond::Kdamond;
use damo_model::{KdamondIndex, KdamondThread};
use std::path::PathBuf;
use std::sync::Arc;

/// Kdamonds that are about to be set up.
#[derive(Debug)]
pub struct Prepared {
    staged: Staged,
}

impl Prepared {
    /// What to keep in a file in case we are killed while setting up.
    pub fn leftover(&self) -> Leftover {
        Leftover::to_be(&self.staged.slots, &self.staged.before)
    }

    /// Sets them up.
    ///
    /// # Errors
    /// As [`Sysfs::stage`].
    pub fn stage(self) -> Result<Staged> {
        let mut staged = self.staged;
        staged.armed = true;
        let written = staged.write(&staged.wanted).map_err(|error| match &staged.before {
            // Of this one it is known that nothing ran before.
            Settings::All(_) => staged.sysfs.busy(error, |_| true),
            Settings::Some(_) => error,
        });
        staged.or_undo(written)?;
        Ok(staged)
    }
}

impl Sysfs {
    /// Writes parameters, without switching anything on.
    ///
    /// If nothing runs, the tree gets exactly these kdamonds; if something else runs, kdamonds that are off are used as
    /// far as there are enough of them, because their number cannot be changed then.
    ///
    /// # Errors
    /// [`Error::Invalid`] or [`Error::Missing`] before anything is written, [`Error::Busy`], or the write that failed;
    /// what was written until then is undone.
    pub fn stage(&self, kdamonds: &[Kdamond]) -> Result<Staged> {
        self.prepare(kdamonds)?.stage()
    }

    /// Finds kdamonds that can be used for these parameters, without writing anything yet, so that what is about to be
    /// done can be noted first.
    ///
    /// # Errors
    /// As [`Sysfs::stage`], before anything is written.
    pub fn prepare(&self, kdamonds: &[Kdamond]) -> Result<Prepared> {
        damo_model::kdamond::check(kdamonds)?;
        validate::beginning(kdamonds)?;
        let running = self.running()?;
        let (indices, before) = match running.first() {
            None => {
                let indices: Vec<KdamondIndex> = (0..kdamonds.len() as u32).map(KdamondIndex).collect();
                (indices, Settings::All(SavedTree::take(&self.root, KDAMONDS)?))
            }
            Some((index, pid)) => {
                let off = |index: &KdamondIndex| running.iter().all(|(on, _)| on != index);
                let indices: Vec<KdamondIndex> = self.indices()?.filter(off).take(kdamonds.len()).collect();
                if indices.len() < kdamonds.len() {
                    return Err(self.is_busy(*index, *pid));
                }
                let saved: Result<Vec<_>> =
                    indices.iter().map(|index| SavedTree::take(&self.root, &format!("{KDAMONDS}/{index}"))).collect();
                (indices, Settings::Some(saved?))
            }
        };
        needs::check(&self.root, kdamonds, &indices)?;
        let slots = indices.into_iter().map(|index| Slot { index, thread: None }).collect();
        let mut staged = Staged::armed(self, slots, before);
        staged.wanted = kdamonds.to_vec();
        staged.armed = false;
        Ok(Prepared { staged })
    }

    /// Takes kdamonds that someone else started for ours, because the user said so: they can be tuned and stopped then.
    /// Putting them back means off, with the parameters that are staged now. Call [`Staged::keep`] to leave them on.
    ///
    /// # Errors
    /// If one of them is not on.
    pub fn adopt(&self, indices: &[KdamondIndex]) -> Result<Staged> {
        let mut slots = Vec::with_capacity(indices.len());
        let mut before = Vec::with_capacity(indices.len());
        for index in indices {
            let state = self.state(*index)?;
            if !state.on {
                return Err(Error::Invalid {
                    what: format!("kdamond {index}"),
                    value: "off".to_owned(),
                    why: "only what runs can be taken over".to_owned(),
                });
            }
            slots.push(Slot { index: *index, thread: state.pid });
            before.push(SavedTree::take(&self.root, &format!("{KDAMONDS}/{index}"))?);
        }
        Ok(Staged::armed(self, slots, Settings::Some(before)))
    }

    /// What [`Sysfs::stage`] and [`Staged::start`] would write, path and value, without writing it. It is played
    /// through on a copy of the tree in memory, which has the files of this kernel's release.
    ///
    /// # Errors
    /// What staging and starting would fail with, as far as it can be told beforehand.
    pub fn dry_run(&self, kdamonds: &[Kdamond]) -> Result<Vec<(PathBuf, String)>> {
        self.rehearse(MemorySysfs::like(&self.root)?, kdamonds)
    }

    /// The same as if nothing was set up or running yet; for an unknown kernel, or one without DAMON, with all that
    /// this version knows of.
    ///
    /// # Errors
    /// As [`Sysfs::dry_run`].
    pub fn dry_run_afresh(&self, kdamonds: &[Kdamond]) -> Result<Vec<(PathBuf, String)>> {
        self.rehearse(MemorySysfs::as_booted(&self.root), kdamonds)
    }

    pub(super) fn is_busy(&self, index: KdamondIndex, pid: Option<KdamondThread>) -> Error {
        Error::Busy { index, pid: pid.unwrap_or(KdamondThread(-1)), state: self.root.shown(&file(index, "state")) }
    }

    /// What the kernel calls EBUSY only, if one of these kdamonds was switched on since we looked.
    pub(super) fn busy(&self, error: Error, which: impl Fn(KdamondIndex) -> bool) -> Error {
        if error.errno() != Some(libc::EBUSY) {
            return error;
        }
        let on = self.running().ok().and_then(|running| running.into_iter().find(|(index, _)| which(*index)));
        on.map_or(error, |(index, pid)| self.is_busy(index, pid))
    }

    fn rehearse(&self, fake: MemorySysfs, kdamonds: &[Kdamond]) -> Result<Vec<(PathBuf, String)>> {
        let fake = Arc::new(fake);
        let mut staged = Sysfs::new(&Root::with_io(fake.clone())).stage(kdamonds)?;
        staged.start()?;
        let log = fake.log();
        staged.keep();
        Ok(log.into_iter().map(|(rel, value)| (self.root.shown(&rel), value)).collect())
    }
}
