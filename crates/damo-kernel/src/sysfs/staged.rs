//! A set of kdamonds that is ours: staged, started, tuned, stopped, and at the end the tree as it was found.

mod prepare;

pub use prepare::Prepared;

use super::differs::first_difference;
use super::leftover::{Leftover, Settings, Slot};
use super::saved::SavedTree;
use super::write::write_file;
use super::{Command, Dir, KDAMONDS, Sysfs, file};
use crate::error::{Error, Result};
use crate::{needs, validate};
use damo_model::kdamond::{ContextTarget, Kdamond, RunningKdamond};
use damo_model::{KdamondIndex, KdamondThread};
use std::time::{Duration, Instant};

/// Going on and off takes milliseconds, and up to one sampling interval.
const SWITCH: Duration = Duration::from_secs(10);
/// Commands are done once per aggregation; the kernel allows aggregations of any length.
const COMMIT: Duration = Duration::from_secs(30);
/// How long a kdamond is watched after a commit, see [`settling`].
const SETTLE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Kdamonds that were set up here. Dropping it stops them and puts the tree back; [`Staged::undo`] does the same and
/// tells of errors, [`Staged::keep`] leaves them as they are.
#[derive(Debug)]
#[must_use = "dropping it puts DAMON back as it was found"]
pub struct Staged {
    sysfs: Sysfs,
    pub(super) slots: Vec<Slot>,
    before: Settings,
    /// What was asked for; none of what was taken over.
    wanted: Vec<Kdamond>,
    armed: bool,
}

/// A kdamond that refuses a commit ends at once, and one whose new targets are gone at its next sampling: two sampling
/// intervals are enough, but no less than what a busy machine needs to end a thread, and no more than a user waits for.
fn settling(kdamonds: &[Kdamond]) -> Duration {
    let samples = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).map(|context| context.intervals.sample.0);
    Duration::from_nanos(samples.max().unwrap_or(0).saturating_mul(2).unsigned_abs()).clamp(SETTLE.0, SETTLE.1)
}

fn no_place(at: usize, context: usize) -> Error {
    Error::Invalid {
        what: "kdamond and context".to_owned(),
        value: format!("{at} and {context}"),
        why: "there are not so many".to_owned(),
    }
}

/// How long a command may take: it is done at the end of an aggregation, which may have begun just now.
fn patience(kdamonds: &[Kdamond]) -> Duration {
    let aggregations = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).map(|it| it.intervals.aggregation.0);
    COMMIT + Duration::from_nanos(aggregations.max().unwrap_or(0).unsigned_abs().saturating_mul(2))
}

impl Staged {
    pub(super) fn armed(sysfs: &Sysfs, slots: Vec<Slot>, before: Settings) -> Self {
        Self { sysfs: sysfs.clone(), slots, before, wanted: Vec::new(), armed: true }
    }

    /// Indices of our kdamonds, in the order in which they were given.
    pub fn indices(&self) -> Vec<KdamondIndex> {
        self.slots.iter().map(|slot| slot.index).collect()
    }

    /// Threads of those that were started.
    pub fn threads(&self) -> Vec<KdamondThread> {
        self.slots.iter().filter_map(|slot| slot.thread).collect()
    }

    /// Index and thread of those that were started.
    pub fn started(&self) -> Vec<RunningKdamond> {
        self.slots.iter().filter_map(|slot| Some(RunningKdamond { index: slot.index, thread: slot.thread? })).collect()
    }

    /// What to keep in a file in case we are killed. Write it before [`Staged::start`], so that what is on is known to
    /// be ours, and again after that and after each change.
    pub fn leftover(&self) -> Leftover {
        Leftover::of(&self.sysfs, &self.slots, &self.before)
    }

    /// Switches all of them on.
    ///
    /// # Errors
    /// If one does not go on; those that did are stopped again and the tree is put back. [`Error::Busy`] if someone else
    /// switched it on in between. [`Error::Changed`] if it went on with other targets or intervals than those that were
    /// staged: then it is stopped, and the tree is left to whoever wrote them.
    pub fn start(&mut self) -> Result<()> {
        let started =
            (0..self.slots.len()).try_for_each(|at| self.switch_on(at).and_then(|()| self.check_unchanged(at)));
        if let Err(first @ Error::Changed { .. }) = started {
            self.armed = false;
            let stopped = self.stop();
            return Err(first.and_then_undone(stopped));
        }
        self.or_undo(started)
    }

    /// Whether the kernel was given what was asked for: someone else may have written to the same files at the same
    /// time, and then this would be a record of something else.
    fn check_unchanged(&self, at: usize) -> Result<()> {
        let Some(wanted) = self.wanted.get(at) else { return Ok(()) };
        let index = self.slots[at].index;
        let found = self.sysfs.kdamond(index)?.params;
        match first_difference(wanted, &found) {
            Some((what, written, found)) => Err(Error::Changed { index, what, written, found }),
            None => Ok(()),
        }
    }

    /// Whether any of them still runs. They end by themselves when their targets are gone.
    ///
    /// # Errors
    /// If the tree cannot be read.
    pub fn is_running(&self) -> Result<bool> {
        for slot in &self.slots {
            if slot.thread.is_some() && self.is_ours(slot)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives new parameters to the running kdamonds, as many as were staged, and sees that they stay on.
    ///
    /// # Errors
    /// If one of them is not ours any more, or refuses; then all have the parameters that they had before.
    /// [`Error::Ended`] if the kernel ended one instead: it is switched on again with those parameters, as another
    /// thread, if that is possible.
    pub fn commit(&mut self, kdamonds: &[Kdamond]) -> Result<()> {
        self.commit_watched(kdamonds, Some(settling(kdamonds)))
    }

    fn commit_watched(&mut self, kdamonds: &[Kdamond], settle: Option<Duration>) -> Result<()> {
        let patience = patience(kdamonds);
        damo_model::kdamond::check(kdamonds)?;
        validate::same_number(self.slots.len(), kdamonds.len())?;
        needs::check(&self.sysfs.root, kdamonds, &self.indices())?;
        for slot in &self.slots {
            self.check_ours(slot)?;
        }
        let root = self.sysfs.root.clone();
        let mut done: Vec<(usize, SavedTree)> = Vec::with_capacity(self.slots.len());
        for (at, kdamond) in kdamonds.iter().enumerate() {
            let dir = self.slots[at].dir();
            let saved = SavedTree::take(&root, &dir)?;
            let told =
                Dir::of_running(&root, &dir).write_kdamond(kdamond).and_then(|()| self.tell(at, patience, settle));
            if let Err(first) = told {
                // This one has what it had; those before it have to be told to go back.
                let mut undone = saved.restore(&root, &dir);
                let first = self.on_again(at, first);
                for (at, saved) in done {
                    let back =
                        saved.restore(&root, &self.slots[at].dir()).and_then(|()| self.tell(at, patience, settle));
                    undone = undone.and(back.map_err(|error| self.on_again(at, error)));
                }
                return Err(first.and_then_undone(undone));
            }
            done.push((at, saved));
        }
        self.forget_obsolete(kdamonds)
    }

    /// The kernel has removed targets that were obsolete. They go from the files as well: the next commit pairs the
    /// files' targets with the kernel's by their numbers.
    fn forget_obsolete(&self, kdamonds: &[Kdamond]) -> Result<()> {
        for (slot, kdamond) in self.slots.iter().zip(kdamonds) {
            for (c, context) in kdamond.contexts.iter().enumerate() {
                let left: Vec<ContextTarget> =
                    context.targets.iter().filter(|target| !target.obsolete).cloned().collect();
                if left.len() < context.targets.len() {
                    Dir::new(&self.sysfs.root, &format!("{}/contexts/{c}", slot.dir())).write_targets(&left)?;
                }
            }
        }
        Ok(())
    }

    /// Whether single targets of a kdamond can be removed while it runs, so that the others keep their regions.
    pub fn can_remove_targets(&self, at: usize, context: usize) -> bool {
        let file = |slot: &Slot| format!("{}/contexts/{context}/targets/0/obsolete_target", slot.dir());
        self.slots.get(at).is_some_and(|slot| self.sysfs.root.exists(&file(slot)))
    }

    /// Has the staged parameters taken. Some kernels (6.12) end the kdamond that cannot take them, and the write of
    /// `commit` may succeed all the same.
    fn tell(&self, at: usize, patience: Duration, settle: Option<Duration>) -> Result<()> {
        let index = self.slots[at].index;
        let told = self.sysfs.command(index, Command::Commit, patience);
        let Some(settle) = settle else { return told };
        // After an error nothing is to be waited for.
        let settle = if told.is_ok() { settle } else { Duration::ZERO };
        match self.sysfs.await_state(index, false, settle) {
            Ok(_) => Err(Error::Ended { index, again: Err(None) }),
            Err(Error::Timeout { .. }) => told,
            Err(error) => told.and(Err(error)),
        }
    }

    /// If it ended, switches it on with what is staged, and tells in the error what came of it.
    fn on_again(&mut self, at: usize, error: Error) -> Error {
        let Error::Ended { index, .. } = error else { return error };
        self.slots[at].thread = None;
        let on = write_file(&self.sysfs.root, &file(index, "state"), "on")
            .and_then(|()| self.sysfs.await_state(index, true, SWITCH));
        if let Ok(state) = &on {
            self.slots[at].thread = state.pid;
        }
        Error::Ended {
            index,
            again: on.map(|state| state.pid.unwrap_or(KdamondThread(-1))).map_err(|why| Some(Box::new(why))),
        }
    }

    /// [`Staged::set_targets`] for another thread: it takes up to an aggregation interval, and meanwhile this can stop
    /// them, which ends it early. See that it has ended before [`Staged::undo`].
    pub fn telling_targets(
        &self,
        at: usize,
        context: usize,
        targets: Vec<ContextTarget>,
    ) -> impl FnOnce() -> Result<()> + Send + use<> {
        // Not armed: this one's end changes nothing.
        let (sysfs, slots, before) = (self.sysfs.clone(), self.slots.clone(), self.before.clone());
        let mut same = Staged { sysfs, slots, before, wanted: Vec::new(), armed: false };
        move || same.set_targets(at, context, &targets)
    }

    /// Replaces the targets of a running kdamond's context (children of a monitored process came or went), and commits.
    /// The kernel looks at a new target's mappings at the next update interval: its snapshots begin then.
    ///
    /// If the kernel ends the kdamond instead, as 6.12 does when one of the processes is gone by then, it is not switched on
    /// again: whoever follows its thread would follow nothing from then on. [`Staged::is_running`] tells, and
    /// [`Staged::restage`] is the way back.
    ///
    /// # Errors
    /// As [`Staged::commit`], but for [`Error::Ended`].
    pub fn set_targets(&mut self, at: usize, context: usize, targets: &[ContextTarget]) -> Result<()> {
        let mut kdamonds = self.current()?;
        let place = kdamonds.get_mut(at).and_then(|kdamond| kdamond.contexts.get_mut(context));
        let Some(place) = place else { return Err(no_place(at, context)) };
        place.targets = targets.to_vec();
        self.commit_watched(&kdamonds, None)
    }

    /// Gives a kdamond of ours that ended by itself other targets, to be switched on again by [`Staged::start_again`]; all
    /// else stays as it is staged at present, which is returned.
    ///
    /// # Errors
    /// [`Error::Busy`] if it is on, whoever switched it on; [`Error::Invalid`] if there is no such context; or the write
    /// that failed.
    pub fn restage(&mut self, at: usize, context: usize, targets: &[ContextTarget]) -> Result<Kdamond> {
        let slot = *self.slots.get(at).ok_or_else(|| no_place(at, context))?;
        let state = self.sysfs.state(slot.index)?;
        if state.on {
            return Err(self.sysfs.is_busy(slot.index, state.pid));
        }
        let mut params = self.sysfs.kdamond(slot.index)?.params;
        let place = params.contexts.get_mut(context).ok_or_else(|| no_place(at, context))?;
        place.targets = targets.to_vec();
        damo_model::kdamond::check(std::slice::from_ref(&params))?;
        self.slots[at].thread = None;
        Dir::new(&self.sysfs.root, &slot.dir()).write_kdamond(&params)?;
        if let Some(wanted) = self.wanted.get_mut(at) {
            wanted.clone_from(&params);
        }
        Ok(params)
    }

    /// Switches on again what [`Staged::restage`] prepared. Gives the thread.
    ///
    /// # Errors
    /// As [`Staged::start`], but nothing is undone: it is off then, and can be staged anew.
    pub fn start_again(&mut self, at: usize) -> Result<Option<KdamondThread>> {
        self.switch_on(at)?;
        match self.check_unchanged(at) {
            Ok(()) => Ok(self.slots[at].thread),
            Err(first) => {
                let stopped = self.stop_one(self.slots[at]);
                self.slots[at].thread = None;
                Err(first.and_then_undone(stopped))
            }
        }
    }

    fn switch_on(&mut self, at: usize) -> Result<()> {
        let index = self.slots[at].index;
        write_file(&self.sysfs.root, &file(index, "state"), "on")
            .map_err(|error| self.sysfs.busy(error, |on| on == index))?;
        self.slots[at].thread = self.sysfs.await_state(index, true, SWITCH)?.pid;
        Ok(())
    }

    /// The parameters staged at present.
    ///
    /// # Errors
    /// If the tree cannot be read.
    pub fn params(&self) -> Result<Vec<Kdamond>> {
        self.slots.iter().map(|slot| Ok(self.sysfs.kdamond(slot.index)?.params)).collect()
    }

    /// The parameters in force: those staged, with the intervals that tuning chose. To commit anything but these would
    /// undo the tuning.
    ///
    /// # Errors
    /// As [`Sysfs::command`].
    pub fn current(&self) -> Result<Vec<Kdamond>> {
        let staged = self.params()?;
        if staged.iter().flat_map(|kdamond| &kdamond.contexts).all(|context| context.intervals_goal.is_none()) {
            return Ok(staged);
        }
        self.command(Command::UpdateTunedIntervals, patience(&staged))?;
        self.params()
    }

    /// Sends a command to all of them.
    ///
    /// # Errors
    /// As [`Sysfs::command`].
    pub fn command(&self, command: Command, timeout: Duration) -> Result<()> {
        for slot in &self.slots {
            self.check_ours(slot)?;
            self.sysfs.command(slot.index, command, timeout)?;
        }
        Ok(())
    }

    /// Switches all of them off that still run. The parameters stay.
    ///
    /// # Errors
    /// If one does not go off; the others do. While a command waits for the end of an aggregation some kernels take
    /// nothing else: they are asked again until then.
    pub fn stop(&mut self) -> Result<()> {
        let mut result = Ok(());
        for at in 0..self.slots.len() {
            let stopped = self.stop_one(self.slots[at]);
            match stopped {
                Ok(()) => self.slots[at].thread = None,
                Err(error) if result.is_ok() => result = Err(error),
                Err(_) => {}
            }
        }
        result
    }

    fn stop_one(&self, slot: Slot) -> Result<()> {
        let (begin, patience) = (Instant::now(), patience(&self.wanted));
        loop {
            match self.try_stop(slot) {
                Err(error) if error.errno() == Some(libc::EBUSY) && begin.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    fn try_stop(&self, slot: Slot) -> Result<()> {
        if slot.thread.is_none() || !self.is_ours(&slot)? {
            return Ok(());
        }
        match write_file(&self.sysfs.root, &file(slot.index, "state"), "off") {
            // It ended by itself in between.
            Err(error) if error.errno() == Some(libc::EPERM) && !self.sysfs.state(slot.index)?.on => return Ok(()),
            other => other?,
        }
        self.sysfs.await_state(slot.index, false, SWITCH).map(|_| ())
    }

    /// Stops what runs and puts the tree back as it was found.
    ///
    /// # Errors
    /// The first thing that could not be undone; everything else was.
    pub fn undo(mut self) -> Result<()> {
        self.put_back()
    }

    /// Leaves everything as it is now.
    pub fn keep(mut self) {
        self.armed = false;
    }

    fn put_back(&mut self) -> Result<()> {
        if !self.armed {
            return Ok(());
        }
        self.armed = false;
        let stopped = self.stop();
        let root = &self.sysfs.root;
        let restored = match &self.before {
            Settings::All(saved) if self.sysfs.running()?.is_empty() => saved.restore(root, KDAMONDS),
            // Someone used the tree since: what is off and ours is put back, their kdamonds stay.
            before => self.restore_slots(before),
        };
        stopped.and(restored)
    }

    fn restore_slots(&self, before: &Settings) -> Result<()> {
        for (at, slot) in self.slots.iter().enumerate() {
            let saved = before.of(at, slot.index);
            if let Some(saved) = saved.filter(|_| self.sysfs.state(slot.index).is_ok_and(|s| !s.on)) {
                saved.restore(&self.sysfs.root, &slot.dir())?;
            }
        }
        Ok(())
    }

    fn write(&self, kdamonds: &[Kdamond]) -> Result<()> {
        let root = &self.sysfs.root;
        if matches!(self.before, Settings::All(_)) {
            Dir::new(root, KDAMONDS).count("nr_kdamonds", kdamonds.len())?;
        }
        for (slot, kdamond) in self.slots.iter().zip(kdamonds) {
            Dir::new(root, &slot.dir()).write_kdamond(kdamond)?;
        }
        Ok(())
    }

    fn or_undo(&mut self, done: Result<()>) -> Result<()> {
        let Err(first) = done else { return Ok(()) };
        let undone = self.put_back();
        Err(first.and_then_undone(undone))
    }

    fn is_ours(&self, slot: &Slot) -> Result<bool> {
        match self.sysfs.state(slot.index) {
            Ok(state) => Ok(state.on && state.pid == slot.thread),
            // Someone set the number of kdamonds since: it cannot run any more.
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn check_ours(&self, slot: &Slot) -> Result<()> {
        if self.is_ours(slot)? {
            return Ok(());
        }
        Err(Error::NotOurs { index: slot.index, pid: self.sysfs.state(slot.index)?.pid })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Nobody is left to tell; `undo` is for those who want to know.
        let _ = self.put_back();
    }
}
