//! Kdamonds of our own: set up, noted, started, kept up with the processes, stopped, and undone.

use super::target_controller::TargetController;
use super::target_slots::{TargetSlot, append, arrange, place_in, processes_in};
use crate::error::RecordError;
use crate::request::{Request, RequestSource};
use damo_kernel::procfs::Procfs;
use damo_kernel::sysfs::Staged;
use damo_model::human::Show;
use damo_model::kdamond::{ContextTarget, Kdamond, RunningKdamond};
use damo_model::{AddrRange, Intervals, KdamondIndex, KdamondThread, Nanos, Process};
use damo_steer::notes::{Note, NoteStore, Ownership, SettingsLock};
use damo_steer::plan::{self, Plan};
use damo_steer::problem::Problem;
use damo_steer::{Machine, Notifier, processes};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// Kdamonds that we started.
pub(crate) struct ManagedDamon {
    staged: Staged,
    ownership: Ownership,
    /// Per kdamond of ours: its index and what is at the places of its first context.
    kdamonds: Vec<(KdamondIndex, Vec<TargetSlot>)>,
    /// Fixed ranges of each process, if any.
    ranges: Vec<AddrRange>,
    waiting: Vec<Process>,
    pending: Option<PendingCommit>,
    refusals: u32,
    /// DAMON is not told of children younger than this.
    min_target_age: Nanos,
    /// It was told that the note could not be brought up to date.
    note_is_old: bool,
    /// The processes that the last commit gave DAMON as targets, and when it was done.
    committed_targets: Option<(Instant, Vec<Process>)>,
    has_processes: bool,
    notes: NoteStore,
    procfs: Procfs,
    /// While DAMON is being set up or put back. Behind the rest, so that it is dropped last.
    settings_lock: Option<SettingsLock>,
}

/// DAMON is being told who is there, by another thread: the kernel takes up to an aggregation interval for it, and
/// meanwhile the ring fills and signals come.
struct PendingCommit {
    /// Who is being told of for the first time.
    newcomers: Vec<Process>,
    /// All who are being told of.
    all: Vec<Process>,
    /// The places once it is done.
    next: Vec<TargetSlot>,
    end: Receiver<Result<(), damo_kernel::Error>>,
    /// What it ended with, when that is known.
    ended: Option<Result<(), damo_kernel::Error>>,
    /// Closed by the other thread after it has told the end.
    wakeup: UnixStream,
}

/// After so many refusals in a row the user is told; a process that is gone again is the usual reason for one.
const REFUSALS_TO_TELL: u32 = 5;
/// For another one of us to be done with DAMON: longer than a command waits for the end of a usual aggregation.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// The same when ours is to be switched off, which must not wait for long.
const FINAL_LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// A kdamond that cannot take what it was told ends at once; a busy machine notices it later.
const ENDS_SOON: Duration = Duration::from_secs(3);
/// For a commit to notice that its kdamond is off: the kernel looks ten times a second.
const GIVE_UP: Duration = Duration::from_secs(5);

impl ManagedDamon {
    /// Sets DAMON up without switching it on, and notes that it is ours. DAMON will not be told of children younger than
    /// `least_age`.
    pub(crate) fn stage(
        request: &Request,
        machine: &Machine,
        plan: &Plan,
        least_age: Nanos,
    ) -> Result<Self, RecordError> {
        let settings_lock = machine.notes.lock(LOCK_TIMEOUT)?;
        let prepared = machine.sysfs.prepare(&plan.kdamonds).map_err(|e| busy(&machine.notes, e))?;
        let record = request.output.path.as_deref().map(|path| std::path::absolute(path).unwrap_or(path.to_path_buf()));
        // Noted before each step: if we are killed, the next run knows what to put back.
        let note = Note { pid: std::process::id(), record, leftover: prepared.leftover() };
        let mut ownership = machine.notes.record(note)?;
        let staged = prepared.stage().map_err(|e| busy(&machine.notes, e))?;
        ownership.owns(staged.leftover())?;
        let indices = staged.indices();
        let places = |kdamond: &Kdamond| {
            let targets = kdamond.contexts.first().map(|context| context.targets.as_slice()).unwrap_or_default();
            targets.iter().map(|target| place(target, &plan.processes)).collect()
        };
        let kdamonds: Vec<(KdamondIndex, Vec<TargetSlot>)> =
            indices.into_iter().zip(plan.kdamonds.iter().map(places)).collect();
        let ranges = match &request.what {
            RequestSource::Targets(targets) => targets.ranges().to_vec(),
            _ => Vec::new(),
        };
        Ok(Self {
            staged,
            ownership,
            kdamonds,
            ranges,
            waiting: Vec::new(),
            pending: None,
            refusals: 0,
            min_target_age: least_age,
            note_is_old: false,
            committed_targets: None,
            has_processes: !plan.processes.is_empty(),
            notes: machine.notes.clone(),
            procfs: machine.procfs.clone(),
            settings_lock: Some(settings_lock),
        })
    }

    /// Switches it on. Gives the threads.
    pub(crate) fn start(&mut self) -> Result<Vec<RunningKdamond>, RecordError> {
        self.staged.start().map_err(|e| busy(&self.notes, e))?;
        self.ownership.started(&self.staged)?;
        self.settings_lock = None;
        Ok(self.staged.started())
    }

    /// Switches it off; the parameters stay until [`ManagedDamon::undo`].
    pub(crate) fn stop(&mut self) -> Result<(), RecordError> {
        // Until everything is put back: who finds DAMON off must not take our parameters for those to go back to. But
        // whatever another one does, DAMON goes off.
        if self.settings_lock.is_none() {
            self.settings_lock = self.notes.lock(FINAL_LOCK_TIMEOUT).ok();
        }
        let stopped = self.staged.stop();
        if let Some(pending) = self.pending.take()
            && pending.ended.is_none()
        {
            // What comes of it does not matter any more, only that it does not write to what is put back.
            let _ = pending.end.recv_timeout(GIVE_UP);
        }
        Ok(stopped?)
    }

    /// Puts DAMON back as it was found, switched off before if it is still on.
    pub(crate) fn undo(mut self) -> Result<(), RecordError> {
        let stopped = self.stop();
        let ManagedDamon { staged, ownership, settings_lock, .. } = self;
        let undone = staged.undo();
        if undone.is_err() || stopped.is_err() {
            // The next run finds the note and tries again.
            ownership.leave();
        }
        drop(settings_lock);
        stopped.and(undone.map_err(RecordError::from))
    }

    /// Indices of our kdamonds in sysfs, in the order of the plan.
    pub(crate) fn indices(&self) -> Vec<KdamondIndex> {
        self.kdamonds.iter().map(|(index, _)| *index).collect()
    }

    /// Whether DAMON has ended, not because somebody switched it off, while there are processes to go on with: the last
    /// target was gone before DAMON was told of its children; or one was gone of those that DAMON was just told of, which
    /// ends it on some kernels (6.12).
    pub(crate) fn may_go_on(&self) -> bool {
        if !self.has_processes || self.kdamonds.len() != 1 || self.processes().next().is_none() {
            return false;
        }
        let nobody_left = self.places_of_processes().next().is_none();
        let ended_it = |(at, targets): &(Instant, Vec<Process>)| {
            at.elapsed() < ENDS_SOON && targets.iter().any(|process| !processes::is_same(&self.procfs, process))
        };
        nobody_left || self.committed_targets.as_ref().is_some_and(ended_it)
    }

    /// All who are alive, as far as is known: told of or not.
    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.places_of_processes().chain(&self.waiting)
    }

    fn places_of_processes(&self) -> impl Iterator<Item = &Process> {
        self.kdamonds.iter().flat_map(|(_, places)| processes_in(places))
    }

    /// Sets DAMON up again, after it ended, for all who are alive now, `born` among them. To be switched on by
    /// [`ManagedDamon::start_again`]. Gives the intervals; `None` if nobody is alive.
    pub(crate) fn restage(&mut self, born: Vec<Process>) -> Result<Option<Intervals>, RecordError> {
        self.min_target_age = processes::longer_min_age(self.min_target_age);
        self.waiting.extend(born);
        self.waiting.retain(|process| processes::is_same(&self.procfs, process));
        let mut processes: Vec<Process> =
            self.places_of_processes().filter(|process| processes::is_same(&self.procfs, process)).cloned().collect();
        processes.extend(self.old_enough());
        if processes.is_empty() {
            processes.clone_from(&self.waiting);
        }
        if processes.is_empty() {
            return Ok(None);
        }
        self.waiting.retain(|process| !processes.contains(process));
        let next: Vec<TargetSlot> = processes.into_iter().map(TargetSlot::Process).collect();
        self.settings_lock = Some(self.notes.lock(LOCK_TIMEOUT)?);
        let staged = self.staged.restage(0, 0, &self.targets(&next)).map_err(|e| busy(&self.notes, e));
        if let Some((_, places)) = self.kdamonds.first_mut() {
            *places = next;
        }
        let staged = staged?;
        self.ownership.owns(self.staged.leftover())?;
        Ok(staged.contexts.first().map(|context| context.intervals))
    }

    /// Switches on what was set up again. Gives the index and the thread.
    pub(crate) fn start_again(&mut self) -> Result<Option<RunningKdamond>, RecordError> {
        let started = self.staged.start_again(0);
        self.settings_lock = None;
        let thread = started?;
        self.ownership.started(&self.staged)?;
        let index = self.kdamonds.first().map(|(index, _)| *index);
        Ok(index.zip(thread).map(|(index, thread)| RunningKdamond { index, thread }))
    }

    /// The threads as which our kdamonds run.
    pub(crate) fn threads(&self) -> Vec<KdamondThread> {
        self.staged.threads()
    }

    pub(crate) fn staged(&mut self) -> &mut Staged {
        &mut self.staged
    }

    fn targets(&self, places: &[TargetSlot]) -> Vec<ContextTarget> {
        let target = |place: &TargetSlot| match place {
            TargetSlot::Process(process) => plan::target(process.pid, &self.ranges),
            TargetSlot::NotAProcess => ContextTarget::default(),
            // The kernel looks for the process of each target, and one that is gone it refuses: ours will do.
            TargetSlot::Gone => {
                ContextTarget { obsolete: true, ..plan::target(std::process::id().cast_signed(), &self.ranges) }
            }
        };
        places.iter().map(target).collect()
    }

    /// The waiting processes that DAMON should be given as targets: most processes end soon after they begin, and those are not worth
    /// it.
    fn old_enough(&self) -> Vec<Process> {
        let is_old_enough = processes::older_than(&self.procfs, self.min_target_age);
        self.waiting.iter().filter(|process| is_old_enough(process)).cloned().collect()
    }

    /// Begins a commit of the present targets: `next` of our first kdamond, with `newcomers` in it, all of which were
    /// alive just now.
    fn begin_commit(&mut self, newcomers: Vec<Process>, next: Vec<TargetSlot>) -> Result<(), RecordError> {
        let work = self.staged.telling_targets(0, 0, self.targets(&next));
        let (wakeup, waker) = UnixStream::pair().map_err(|e| RecordError::io("pending DAMON of new processes", e))?;
        let (done, end) = channel();
        let thread = std::thread::Builder::new().name("damo-targets".to_owned());
        let spawned = thread.spawn(move || {
            // Nobody waits for it any more when the recording is over.
            let _ = done.send(work());
            drop(waker);
        });
        spawned.map_err(|e| RecordError::io("pending DAMON of new processes", e))?;
        let all = processes_in(&next).cloned().collect();
        // What is obsolete is in no list any more once the kernel has removed it.
        let next = next.into_iter().filter(|place| *place != TargetSlot::Gone).collect();
        self.pending = Some(PendingCommit { newcomers, all, next, end, ended: None, wakeup });
        Ok(())
    }

    /// What came of pending the kernel, if it has ended: whether it took the newcomers, so that places changed.
    fn finish_commit(&mut self, notifier: &mut dyn Notifier) -> Result<Option<bool>, RecordError> {
        let Some(PendingCommit { newcomers, all, next, ended: Some(ended), .. }) =
            self.pending.take_if(|it| it.ended.is_some())
        else {
            return Ok(None);
        };
        // What found DAMON ended already is not what ended it.
        if !matches!(ended, Err(damo_kernel::Error::NotOurs { .. })) {
            self.committed_targets = Some((Instant::now(), all));
        }
        match ended {
            Ok(()) => {
                self.refusals = 0;
                self.waiting.retain(|process| !newcomers.contains(process));
                if let Some((_, places)) = self.kdamonds.first_mut() {
                    *places = next;
                }
                // So that what it is set to now is known to be ours. Without it all that is lost is that after a kill
                // and the end of all targets the parameters stay: no reason to end.
                if let Err(error) = self.ownership.owns(self.staged.leftover())
                    && !std::mem::replace(&mut self.note_is_old, true)
                {
                    notifier.warn(&format!(
                        "{error}. The recording goes on, but if it is killed, DAMON's parameters may not be restored."
                    ));
                }
                Ok(Some(true))
            }
            Err(damo_kernel::Error::NotOurs { .. }) => Ok(Some(false)),
            Err(error) => {
                self.refusals += 1;
                if self.refusals == REFUSALS_TO_TELL {
                    let names: Vec<String> =
                        newcomers.iter().map(|process| format!("{} ({})", process.pid, process.comm.shown())).collect();
                    notifier
                        .warn(&format!("new processes could not be added as targets: {}: {error}", names.join(", ")));
                }
                Ok(Some(false))
            }
        }
    }
}

/// Says whose kdamond is in the way, if it is one of another recording.
fn busy(notes: &NoteStore, error: damo_kernel::Error) -> RecordError {
    let damo_kernel::Error::Busy { index, pid, .. } = error else { return error.into() };
    let busy = RunningKdamond { index, thread: pid };
    let others = notes.recordings();
    let recording = others.iter().find(|found| found.note.leftover.started().contains(&busy));
    let Some(found) = recording else { return error.into() };
    let who = format!("{busy} is of a recording (process {}, to {})", found.note.pid, found.note.record_name());
    Problem::Busy { who }.into()
}

fn place(target: &ContextTarget, processes: &[Process]) -> TargetSlot {
    let process = target.pid.and_then(|pid| processes.iter().find(|process| process.pid == pid));
    process.map_or(TargetSlot::NotAProcess, |process| TargetSlot::Process(process.clone()))
}

impl TargetController for ManagedDamon {
    fn without(&mut self, gone: &[Process]) -> Vec<(KdamondIndex, Vec<TargetSlot>)> {
        let next = self.pending.iter_mut().flat_map(|pending| &mut pending.next);
        for place in self.kdamonds.iter_mut().flat_map(|(_, places)| places).chain(next) {
            if let TargetSlot::Process(process) = place
                && gone.contains(process)
            {
                *place = TargetSlot::Gone;
            }
        }
        self.waiting.retain(|process| !gone.contains(process));
        self.places()
    }

    fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.pending.is_some()
    }

    fn admit(&mut self, born: &[Process], notifier: &mut dyn Notifier) -> Result<bool, RecordError> {
        self.waiting.extend_from_slice(born);
        self.has_news();
        let committed = self.finish_commit(notifier)?;
        let changed = committed == Some(true);
        // One at a time, and not at once again what was refused just now.
        let newcomers = self.old_enough();
        if newcomers.is_empty() || self.pending.is_some() || committed == Some(false) {
            return Ok(changed);
        }
        if let Some((_, present)) = self.kdamonds.first() {
            let removes = self.staged.can_remove_targets(0, 0);
            let next = if removes { append(present, &newcomers) } else { arrange(present, &newcomers) };
            self.begin_commit(newcomers, next)?;
        }
        Ok(changed)
    }

    fn committing(&self) -> Option<(KdamondIndex, Vec<TargetSlot>)> {
        let (kdamond, _) = self.kdamonds.first()?;
        self.pending.as_ref().map(|pending| (*kdamond, pending.next.clone()))
    }

    fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        self.pending.as_ref().map(|pending| pending.wakeup.as_fd())
    }

    fn has_news(&mut self) -> bool {
        let Some(pending) = &mut self.pending else { return false };
        if pending.ended.is_none() {
            pending.ended = match pending.end.try_recv() {
                Ok(ended) => Some(ended),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => {
                    let source = io::Error::other("the thread that gives DAMON the new processes ended unexpectedly");
                    Some(Err(damo_kernel::Error::Wait { source }))
                }
            };
        }
        pending.ended.is_some()
    }

    fn places(&self) -> Vec<(KdamondIndex, Vec<TargetSlot>)> {
        self.kdamonds.clone()
    }

    fn place_of(&self, pid: i32) -> Option<(KdamondIndex, usize)> {
        place_in(&self.kdamonds, pid)
    }

    fn ends_with_targets(&self) -> bool {
        self.has_processes
    }

    fn is_running(&self) -> Result<bool, RecordError> {
        // While a commit waits some kernels tell nothing; it ends soon after the kdamond.
        Ok(self.pending.is_some() || self.staged.is_running()?)
    }
}
