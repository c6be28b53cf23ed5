//! What is written down about kdamonds of ours, for the next run in case this one is killed: which they are, how the
//! tree was before them, and how it is with them. So the next run can tell what is still ours from what became someone
//! else's, be it a kdamond or settings that are merely staged.

use super::saved::SavedTree;
use super::{KDAMONDS, Staged, Sysfs};
use crate::error::Result;
use crate::io::Root;
use crate::procfs::Procfs;
use damo_model::kdamond::RunningKdamond;
use damo_model::{KdamondIndex, KdamondThread, Nanos};
use serde::{Deserialize, Serialize};

/// One kdamond of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) index: KdamondIndex,
    /// Its thread since we switched it on; `None` while we have not.
    pub(super) thread: Option<KdamondThread>,
}

impl Slot {
    pub(super) fn dir(&self) -> String {
        format!("{KDAMONDS}/{}", self.index)
    }
}

/// The part of the tree that is ours to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Settings {
    /// Nothing ran: the whole tree.
    All(SavedTree),
    /// Something else ran: only kdamonds that were off, in the order of the slots.
    Some(Vec<SavedTree>),
}

impl Settings {
    /// The same part of the tree as it is now.
    fn again(&self, root: &Root, slots: &[Slot]) -> Result<Self> {
        match self {
            Settings::All(_) => Ok(Settings::All(SavedTree::take(root, KDAMONDS)?)),
            Settings::Some(_) => {
                let trees: Result<_> = slots.iter().map(|slot| SavedTree::take(root, &slot.dir())).collect();
                Ok(Settings::Some(trees?))
            }
        }
    }

    fn is_like(&self, other: &Settings) -> bool {
        match (self, other) {
            (Settings::All(a), Settings::All(b)) => a.is_like(b),
            (Settings::Some(a), Settings::Some(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(one, other)| one.is_like(other))
            }
            _ => false,
        }
    }

    /// The tree of one kdamond: the slot at a position in the list of slots, with its index.
    pub(super) fn of(&self, at: usize, index: KdamondIndex) -> Option<&SavedTree> {
        match self {
            Settings::All(tree) => tree.dir(&index.to_string()),
            Settings::Some(trees) => trees.get(at),
        }
    }
}

/// What a recorder that was killed left behind: keep it in a file while recording, and give it to
/// [`Sysfs::take_over`] on the next run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    pub(super) slots: Vec<Slot>,
    pub(super) before: Settings,
    /// The settings of ours. `None` if they could not be read.
    #[serde(default)]
    staged: Option<Settings>,
    /// If not all are on yet: they may be at any time after this, in time since boot.
    #[serde(default)]
    starting: Option<Nanos>,
    /// Whether the settings are only being written, so that some of them may be there.
    #[serde(default)]
    half: bool,
}

impl Leftover {
    /// Of kdamonds that are set up, with the settings that are in the tree now.
    pub(super) fn of(sysfs: &Sysfs, slots: &[Slot], before: &Settings) -> Self {
        let starting = slots.iter().any(|slot| slot.thread.is_none()).then(|| Procfs::new(&sysfs.root).uptime());
        let mut leftover = Self {
            slots: slots.to_vec(),
            before: before.clone(),
            staged: None,
            starting: starting.and_then(Result::ok),
            half: false,
        };
        leftover.note_settings(sysfs);
        leftover
    }

    /// Of kdamonds that are about to be set up.
    pub(super) fn to_be(slots: &[Slot], before: &Settings) -> Self {
        Self { slots: slots.to_vec(), before: before.clone(), staged: None, starting: None, half: true }
    }

    /// The kdamonds that were noted as started: index and thread. [`Sysfs::left_on`] tells which run.
    pub fn started(&self) -> Vec<RunningKdamond> {
        self.slots.iter().filter_map(|slot| Some(RunningKdamond { index: slot.index, thread: slot.thread? })).collect()
    }

    /// Notes the threads of all, now that they are on; their settings are those that were noted before.
    pub fn note_started(&mut self, staged: &Staged) {
        self.slots.clone_from(&staged.slots);
        self.starting = None;
    }

    /// Notes that a kdamond runs as another thread. Whether it was noted, that is, whether `from` was.
    pub fn moved(&mut self, from: RunningKdamond, to: KdamondThread) -> bool {
        let slot = self.slots.iter_mut().find(|slot| slot.index == from.index && slot.thread == Some(from.thread));
        slot.map(|slot| slot.thread = Some(to)).is_some()
    }

    /// Notes the settings that are in the tree now.
    pub fn note_settings(&mut self, sysfs: &Sysfs) {
        self.staged = self.before.again(&sysfs.root, &self.slots).ok();
    }

    /// Whether the tree still has the settings of ours.
    fn is_in(&self, root: &Root) -> bool {
        let present = self.before.again(root, &self.slots);
        self.staged.as_ref().zip(present.ok()).is_some_and(|(staged, present)| staged.is_like(&present))
    }

    /// Whether a thread that runs as the kdamond at a position is ours, though there was no time left to note it: it
    /// runs since we were about to switch that kdamond on, with what we staged.
    fn started_unnoted(&self, root: &Root, at: usize, thread: KdamondThread) -> bool {
        let slot = self.slots[at];
        let since = || Procfs::new(root).stat(thread.0).is_ok_and(|stat| Some(stat.started) >= self.starting);
        let staged = self.staged.as_ref().and_then(|staged| staged.of(at, slot.index));
        self.starting.is_some()
            && since()
            && staged.is_some_and(|staged| SavedTree::take(root, &slot.dir()).is_ok_and(|now| staged.is_like(&now)))
    }
}

impl Sysfs {
    /// The kdamonds of a note that run, as the same threads: index and thread. A run that was killed between switching
    /// one on and noting it is told by the time at which the thread began and by the settings.
    ///
    /// # Errors
    /// If the tree cannot be read.
    pub fn left_on(&self, leftover: &Leftover) -> Result<Vec<RunningKdamond>> {
        let is_of = |(index, thread): (KdamondIndex, Option<KdamondThread>)| {
            let at = leftover.slots.iter().position(|slot| slot.index == index)?;
            let thread = thread?;
            let is_ours = match leftover.slots[at].thread {
                Some(noted) => noted == thread,
                None => leftover.started_unnoted(&self.root, at, thread),
            };
            is_ours.then_some(RunningKdamond { index, thread })
        };
        Ok(self.running()?.into_iter().filter_map(is_of).collect())
    }

    /// Takes over what a killed run left behind, to undo it. Kdamonds whose threads are others by now are not ours.
    /// `None` if nothing of it is left: nothing of it runs, and the settings are not those that were noted, so that
    /// someone else's would be overwritten. Half of them, of a run that was killed while it wrote them, cannot be told
    /// from someone else's: they are put back unless something runs.
    ///
    /// # Errors
    /// If the tree cannot be read.
    pub fn take_over(&self, leftover: Leftover) -> Result<Option<Staged>> {
        let on = self.left_on(&leftover)?;
        let half = leftover.half && self.running()?.is_empty();
        if on.is_empty() && !half && !leftover.is_in(&self.root) {
            return Ok(None);
        }
        let thread = |slot: &Slot| on.iter().find(|on| on.index == slot.index).map(|on| on.thread);
        let slots = leftover.slots.iter().map(|slot| Slot { thread: thread(slot).or(slot.thread), ..*slot }).collect();
        Ok(Some(Staged::armed(self, slots, leftover.before)))
    }
}

#[cfg(test)]
mod tests;
