//! Parameters that somebody changes while their kdamond is recorded: `damo tune`, or by hand.
//!
//! DAMON's files tell what was staged, not what the kdamond took over, so that reading them now and then is not enough.
//! What the kdamond is told goes through its `state` file, so that file is watched (inotify, which tells of the writes of
//! programs). Opened while other intervals are staged than are in force, it may soon be a `commit`; written with
//! success, it was one, or another command, which [`super::interval_tracker`] tells apart. Then all parameters are read and told, if they
//! changed. Nothing is read in between, and nothing is ever written.
//!
//! Where the kernel tunes intervals, the files keep those that it began with until somebody asks for the chosen ones, so that
//! they are taken for a change only if they are others than last.
//!
//! DAMON_STAT has no such files. Its parameter tells its aggregation interval, which is read about once a second.
//!
//! Where the file cannot be watched, the intervals are read once a second, and their change alone is noticed. A change that
//! was staged before the recording began and never committed is taken for what is in force: nothing tells.

use super::Machine;
use super::description::params_of;
use super::events::Events;
use super::interval_tracker::Change;
use damo_kernel::procfs::now;
use damo_kernel::sysfs::{Module, Sysfs};
use damo_model::kdamond::{ContextTarget, Kdamond};
use damo_model::{Intervals, KdamondIndex, Nanos, Stamp};
use rustix::fs::inotify;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What happened to a `state` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateFileEvent {
    Opened,
    Written,
    Closed,
    /// More than could be told of.
    Overflow,
}

/// The parameters of the kdamonds recorded.
pub(crate) struct ParamWatcher {
    sysfs: Sysfs,
    watch: Option<InotifyWatch>,
    kdamonds: Vec<Known>,
    /// What DAMON_STAT told last, where it is on.
    stat: Option<Option<Intervals>>,
}

struct Known {
    index: KdamondIndex,
    /// Told last, without what is not compared.
    committed: Kdamond,
    /// Intervals as they were in the files last, and whether the kernel tunes them.
    staged: Option<(Intervals, bool)>,
    /// Of the first context, as in force; and if they are others than those told last, these.
    targets: Vec<ContextTarget>,
    retargeted: Option<Vec<ContextTarget>>,
    /// May have been taken over; to be told when that is clear.
    asked: Option<(Kdamond, Intervals)>,
    file: StateFile,
}

/// A `state` file, followed from open to close.
///
/// Opening it for writing nearly always empties it first, which is told of like writing it, before or after the opening,
/// and two such tellings that nobody has read yet become one. So the first one after the opening is a write only if it
/// comes clearly later, or if all was over when it was read.
#[derive(Clone, Copy, Debug, Default)]
struct StateFile {
    /// How many have it open.
    open: u32,
    opened: Nanos,
    /// Emptied before it was opened.
    emptied: bool,
    /// When it was emptied or written.
    touched: Option<Nanos>,
}

/// Emptying comes at once.
const AT_ONCE: Nanos = Nanos(2_000_000);

impl StateFile {
    /// Whether a write to it succeeded, as far as is known by `at`.
    fn was_written(&mut self, event: StateFileEvent, at: Nanos) -> bool {
        match event {
            StateFileEvent::Opened => {
                if self.open == 0 {
                    (self.opened, self.touched) = (at, None);
                }
                self.open += 1;
                false
            }
            StateFileEvent::Written if self.open == 0 => {
                self.emptied = true;
                false
            }
            StateFileEvent::Written => {
                let again = self.touched.replace(at).is_some();
                again || self.emptied || at.saturating_sub(self.opened) > AT_ONCE
            }
            StateFileEvent::Closed => {
                self.open = self.open.saturating_sub(1);
                let over = self.open == 0;
                let at_once = self.touched == Some(at) && self.opened == at && !self.emptied;
                self.emptied &= !over;
                over && at_once
            }
            StateFileEvent::Overflow => {
                *self = Self::default();
                true
            }
        }
    }
}

impl ParamWatcher {
    /// Follows these kdamonds, whose parameters are those in their files.
    pub(crate) fn new(machine: &Machine, kdamonds: &[KdamondIndex]) -> Self {
        let sysfs = machine.sysfs.clone();
        let known = |index: &KdamondIndex| {
            let committed = sysfs.parameters(*index).ok()?;
            let staged = intervals_of(&committed);
            let (targets, retargeted) = (targets_of(&committed), None);
            let (committed, asked, file) = (comparable(&committed), None, StateFile::default());
            Some(Known { index: *index, committed, staged, targets, retargeted, asked, file })
        };
        let kdamonds: Vec<Known> = kdamonds.iter().filter_map(known).collect();
        let files: Option<Vec<_>> = kdamonds.iter().map(|known| sysfs.state_file(known.index)).collect();
        let watch = files.and_then(|files| InotifyWatch::on(&files));
        let stat = stat_intervals(&sysfs);
        Self { sysfs, watch, kdamonds, stat }
    }

    /// Can be read when there is something for [`ParamWatcher::handle_events`].
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(|watch| watch.fd.as_fd())
    }

    /// Takes note of what was done to the files.
    pub(crate) fn handle_events(&mut self, events: &mut Events) {
        let Some(watch) = &mut self.watch else { return };
        let time = now();
        for (at, event) in watch.take() {
            let affected = if event == StateFileEvent::Overflow { 0..self.kdamonds.len() } else { at..at + 1 };
            for known in self.kdamonds.get_mut(affected).unwrap_or_default() {
                known.handle_event(event, time, &self.sysfs, events);
            }
        }
    }

    /// The first contexts' targets that were taken over since the last call, by index of the kdamond.
    pub(crate) fn take_targets(&mut self) -> Vec<(KdamondIndex, Vec<ContextTarget>)> {
        self.kdamonds.iter_mut().filter_map(|known| Some((known.index, known.retargeted.take()?))).collect()
    }

    /// Whether there are any.
    pub(crate) fn has_targets(&self) -> bool {
        self.kdamonds.iter().any(|known| known.retargeted.is_some())
    }

    /// To be called about once a second.
    pub(crate) fn look(&mut self, events: &mut Events) {
        if self.watch.is_some() {
            self.handle_events(events);
        } else {
            for known in &mut self.kdamonds {
                known.look(&self.sysfs, events);
            }
        }
        // Only what is new: the parameter is behind what tuning told.
        if let Some(last) = self.stat
            && let Some(found) = stat_intervals(&self.sysfs)
            && found != last
        {
            self.stat = Some(found);
            found.into_iter().for_each(|found| events.module_told(Module::Stat.as_str(), now(), found));
        }
        events.settle(now());
    }
}

/// The intervals that DAMON_STAT tells; `None` where it is not on.
fn stat_intervals(sysfs: &Sysfs) -> Option<Option<Intervals>> {
    sysfs.module(Module::Stat).ok().filter(|stat| stat.enabled).map(|stat| stat.intervals())
}

impl Known {
    fn handle_event(&mut self, event: StateFileEvent, at: Nanos, sysfs: &Sysfs, events: &mut Events) {
        let is_written = self.file.was_written(event, at);
        if is_written {
            self.written(at, sysfs, events);
        } else if event == StateFileEvent::Opened
            && let Ok(staged) = sysfs.intervals(self.index)
            && self.may_be_new(staged, events)
        {
            events.hold(self.index, at);
        }
        if self.file.open == 0 {
            events.release(self.index);
        }
    }

    /// A command was carried out. If parameters differ, it probably was `commit`.
    fn written(&mut self, at: Nanos, sysfs: &Sysfs, events: &mut Events) {
        let Ok(found) = sysfs.parameters(self.index) else { return };
        self.note_targets(targets_of(&found));
        self.settle(events);
        let Some((intervals, tuning)) = intervals_of(&found) else { return };
        let mut params = params_of(Stamp::Record(at), self.index, &found);
        let is_new = self.may_be_new(intervals, events);
        self.staged = Some((intervals, tuning));
        if is_new {
            self.asked = Some((comparable(&found), intervals));
            events.written(self.index, at, &Change { intervals, params, tuning });
        } else if comparable(&found) != self.committed {
            self.committed = comparable(&found);
            params.iter_mut().for_each(|params| params.intervals = events.in_force(self.index));
            events.tell(params);
        }
    }

    fn note_targets(&mut self, found: Vec<ContextTarget>) {
        if found != self.targets {
            self.targets.clone_from(&found);
            self.retargeted = Some(found);
        }
    }

    /// Without a watch: only the intervals can be told by what follows. Targets are taken for those in force.
    fn look(&mut self, sysfs: &Sysfs, events: &mut Events) {
        if let Ok(found) = sysfs.parameters(self.index) {
            self.note_targets(targets_of(&found));
        }
        self.settle(events);
        let Ok(staged) = sysfs.intervals(self.index) else { return };
        if !self.may_be_new(staged, events) {
            events.nothing_staged(self.index);
            return;
        }
        if let Ok(found) = sysfs.parameters(self.index)
            && let Some((intervals, tuning)) = intervals_of(&found)
        {
            let params = params_of(Stamp::Record(now()), self.index, &found);
            self.asked = Some((comparable(&found), intervals));
            events.staged(self.index, &Change { intervals, params, tuning });
        }
    }

    /// Whether these may be other intervals than those in force.
    fn may_be_new(&self, staged: Intervals, events: &Events) -> bool {
        let as_before = self.staged.is_some_and(|(last, tuning)| tuning && last == staged);
        Some(staged) != events.in_force(self.index) && !as_before
    }

    /// Whether what was asked for last was told by now.
    fn settle(&mut self, events: &Events) {
        if events.is_undecided(self.index) {
            return;
        }
        if let Some((asked, intervals)) = self.asked.take()
            && Some(intervals) == events.in_force(self.index)
        {
            self.committed = asked;
        }
    }
}

fn intervals_of(kdamond: &Kdamond) -> Option<(Intervals, bool)> {
    let context = kdamond.contexts.first()?;
    Some((context.intervals, context.intervals_goal.is_some()))
}

fn targets_of(kdamond: &Kdamond) -> Vec<ContextTarget> {
    kdamond.contexts.first().map(|context| context.targets.clone()).unwrap_or_default()
}

/// Without the intervals, which are compared with those in force, and the targets, which the record tells otherwise.
fn comparable(kdamond: &Kdamond) -> Kdamond {
    let mut kdamond = kdamond.clone();
    for context in &mut kdamond.contexts {
        context.intervals = Intervals::default();
        context.targets.clear();
    }
    kdamond
}

/// An inotify watch on some files.
struct InotifyWatch {
    fd: OwnedFd,
    /// By position of the file.
    descriptors: Vec<i32>,
}

impl InotifyWatch {
    /// `None` if one of them cannot be watched.
    fn on(files: &[std::path::PathBuf]) -> Option<Self> {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let fd = inotify::init(flags).ok()?;
        let wanted = inotify::WatchFlags::OPEN
            | inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::CLOSE_NOWRITE;
        let descriptors = files.iter().map(|file| inotify::add_watch(&fd, file, wanted).ok()).collect::<Option<_>>()?;
        Some(Self { fd, descriptors })
    }

    /// What happened since the last call, in order, each with the position of its file.
    fn take(&mut self) -> Vec<(usize, StateFileEvent)> {
        let mut buffer = [MaybeUninit::uninit(); 2048];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        let mut all = Vec::new();
        while let Ok(event) = reader.next() {
            let flags = event.events();
            let what = if flags.contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                StateFileEvent::Overflow
            } else if flags.contains(inotify::ReadFlags::OPEN) {
                StateFileEvent::Opened
            } else if flags.contains(inotify::ReadFlags::MODIFY) {
                StateFileEvent::Written
            } else if flags.intersects(inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::CLOSE_NOWRITE) {
                StateFileEvent::Closed
            } else {
                continue;
            };
            let at = self.descriptors.iter().position(|known| *known == event.wd());
            if what == StateFileEvent::Overflow || at.is_some() {
                all.push((at.unwrap_or_default(), what));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::events::Watched;
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use damo_kernel::tracefs::EventFormat;
    use damo_model::kdamond::Context;
    use damo_model::{IntervalsGoal, KdamondThread, Ops};
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::sync::Arc;

    fn at(ms: i64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn with_tuned_intervals_those_in_the_files_do_not_count_until_they_change() {
        let fake = Arc::new(MemorySysfs::new((6, 17)));
        let machine = Machine::new(Root::with_io(fake.clone()), damo_steer::notes::NoteStore::new("/nowhere"));
        let goal = IntervalsGoal { access_bp: 400, aggregations: 3, min_sample: at(5), max_sample: at(10_000) };
        let target = ContextTarget { pid: Some(77), ..ContextTarget::default() };
        let context = Context { targets: vec![target], intervals_goal: Some(goal), ..Context::new(Ops::Vaddr) };
        let mut staged = machine.sysfs.stage(&[Kdamond { contexts: vec![context], ..Kdamond::default() }]).unwrap();
        staged.start().unwrap();
        let format = include_str!("../../../../testdata/kernel/formats/6.12-damon_aggregated.txt");
        let decoder = super::super::description::decoder(&[EventFormat::parse(format).unwrap()]).unwrap();
        let mut events = Events::new(decoder, None);
        // As tuning chose them.
        let tuned = Intervals { sample: at(40), aggregation: at(800), ..Intervals::default() };
        events.watch(
            Watched {
                thread: KdamondThread(1),
                kdamond: Some(KdamondIndex(0)),
                intervals: Some(tuned),
                ..Watched::default()
            },
            Vec::new(),
        );
        let mut changes = ParamWatcher::new(&machine, &[KdamondIndex(0)]);
        let known = &mut changes.kdamonds[0];
        known.written(at(1), &machine.sysfs, &mut events);
        assert_eq!((events.in_force(KdamondIndex(0)), events.ready().count()), (Some(tuned), 0));
        // Somebody else begins anew.
        let dir = "sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/monitoring_attrs/intervals";
        machine.root.io().write(&format!("{dir}/aggr_us"), "200000").unwrap();
        known.written(at(2), &machine.sysfs, &mut events);
        assert_eq!(events.in_force(KdamondIndex(0)), Some(Intervals { aggregation: at(200), ..Intervals::default() }));
        assert_eq!(events.ready().count(), 1, "which is told");
    }

    /// Whether a write is seen in what is told at these times.
    fn is_written(told: &[(i64, StateFileEvent)]) -> bool {
        let mut file = StateFile::default();
        told.iter().fold(false, |seen, (ms, event)| file.was_written(*event, at(*ms)) || seen)
    }

    #[test]
    fn a_write_is_told_from_the_emptying_before_it() {
        use StateFileEvent::*;
        // As a 6.12 kernel tells of `echo commit`, read at once: it takes a while.
        assert!(is_written(&[(0, Opened), (0, Written), (104, Written), (104, Closed)]));
        // The same of an `echo` that the kernel refuses.
        assert!(!is_written(&[(0, Opened), (0, Written), (11, Closed)]));
        // Kernels that empty the file first.
        assert!(is_written(&[(0, Written), (0, Opened), (1, Written), (3, Closed)]));
        assert!(is_written(&[(0, Written), (0, Opened), (0, Written), (0, Closed)]));
        assert!(!is_written(&[(0, Written), (0, Opened), (3, Closed)]));
        assert!(!is_written(&[(0, Written), (0, Opened), (0, Closed)]));
        // Read too late to tell the two apart.
        assert!(is_written(&[(0, Opened), (0, Written), (0, Closed)]));
        // Without emptying.
        assert!(is_written(&[(0, Opened), (50, Written), (50, Closed)]));
        // Somebody only looks.
        assert!(!is_written(&[(0, Opened), (0, Closed)]));
        assert!(!is_written(&[(0, Opened), (0, Written), (5, Opened), (5, Closed), (11, Closed)]));
    }

    #[test]
    fn a_watch_tells_of_programs_that_open_write_and_close_and_to_whom() {
        let dir = tempfile::tempdir().unwrap();
        let files = [dir.path().join("0"), dir.path().join("1")];
        files.iter().for_each(|file| std::fs::write(file, "on").unwrap());
        let mut watch = InotifyWatch::on(&files).unwrap();
        assert_eq!(watch.take(), []);
        let mut file = OpenOptions::new().write(true).open(&files[1]).unwrap();
        file.write_all(b"commit").unwrap();
        drop(file);
        drop(File::open(&files[0]).unwrap());
        let told = [
            (1, StateFileEvent::Opened),
            (1, StateFileEvent::Written),
            (1, StateFileEvent::Closed),
            (0, StateFileEvent::Opened),
            (0, StateFileEvent::Closed),
        ];
        assert_eq!(watch.take(), told);
        assert!(InotifyWatch::on(&[dir.path().join("2")]).is_none());
    }
}
