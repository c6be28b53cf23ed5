//! The processes being monitored: who they are, who joined, who is gone.
//!
//! A process is told from a later one with the same id by its start time. Children of targets (or newcomers of a
//! control group) join; what is gone stays known for as long as its target may still be talked about.

use damo_kernel::procfs::Procfs;
use damo_model::Process;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where processes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// These and, if wanted, their descendants.
    Roots { follow: bool },
    /// The processes of a control group.
    Cgroup(String),
}

/// A monitored process.
struct Person {
    process: Process,
    alive: bool,
    /// Can be read when it ends, where the kernel has such a thing and there are not too many.
    exit: Option<OwnedFd>,
}

/// What a look at the system showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Joined.
    pub(crate) born: Vec<Process>,
    /// Gone.
    pub(crate) gone: Vec<Process>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.born.is_empty() && self.gone.is_empty()
    }
}

/// The processes being monitored.
pub(crate) struct People {
    procfs: Procfs,
    origin: Origin,
    people: Vec<Person>,
}

/// How many processes a cheap look is at.
const CHEAP: usize = 4;
/// How many processes tell of their ends by themselves: each takes a file descriptor.
const MOST_WATCHED: usize = 64;
/// What is gone is forgotten when so many are: a build server starts millions of processes.
const MOST_GONE: usize = 1024;

impl People {
    pub(crate) fn new(procfs: Procfs, origin: Origin, first: Vec<Process>) -> Self {
        let mut people = Self { procfs, origin, people: Vec::with_capacity(first.len()) };
        people.join(first);
        people
    }

    fn join(&mut self, processes: Vec<Process>) {
        let mut free = MOST_WATCHED.saturating_sub(self.exits().count());
        for process in processes {
            let exit = (free > 0).then(|| self.procfs.exit_of(process.pid)).flatten();
            // Opened first and compared then: so it is this process's, not a later one's of the same id.
            let exit = exit.filter(|_| is_same(&self.procfs, &process));
            free -= usize::from(exit.is_some());
            self.people.push(Person { process, alive: true, exit });
        }
    }

    /// What can be read when one of them ends.
    pub(crate) fn exits(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.people.iter().filter_map(|person| Some(person.exit.as_ref()?.as_fd()))
    }

    /// Those alive at the last look, in the order in which they joined.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Process> {
        self.people.iter().filter(|person| person.alive).map(|person| &person.process)
    }

    /// Whether someone is gone: a cheap look, so that a recording ends soon after its target. `stirred`: whether one of
    /// [`People::exits`] may have been readable. Who has none is looked at, if among the first.
    pub(crate) fn someone_is_gone(&self, stirred: bool) -> bool {
        let alive = || self.people.iter().filter(|person| person.alive);
        let unwatched = alive().filter(|person| person.exit.is_none()).take(CHEAP);
        let watched = alive().filter(|person| stirred && person.exit.is_some());
        unwatched.chain(watched).any(|person| !is_same(&self.procfs, &person.process))
    }

    /// Looks again.
    pub(crate) fn look(&mut self) -> Changes {
        let mut changes = Changes::default();
        for person in self.people.iter_mut().filter(|person| person.alive) {
            if !is_same(&self.procfs, &person.process) {
                person.alive = false;
                person.exit = None;
                changes.gone.push(person.process.clone());
            }
        }
        let known: HashMap<i32, ()> = self.alive().map(|process| (process.pid, ())).collect();
        for pid in self.candidates() {
            if !known.contains_key(&pid)
                && !changes.born.iter().any(|process: &Process| process.pid == pid)
                && let Some(process) = monitorable(&self.procfs, pid)
            {
                changes.born.push(process);
            }
        }
        self.join(changes.born.clone());
        self.forget();
        changes
    }

    /// Processes that belong here by what the system says now.
    fn candidates(&self) -> Vec<i32> {
        match &self.origin {
            Origin::Roots { follow: false } => Vec::new(),
            Origin::Roots { follow: true } => {
                let mut found: Vec<i32> = Vec::new();
                for process in self.alive() {
                    // One whose parent is here was found with it already; an orphan was not.
                    if !found.contains(&process.pid) {
                        found.extend(self.procfs.descendants(process.pid));
                    }
                }
                found
            }
            Origin::Cgroup(path) => self.procfs.cgroup_processes(path).unwrap_or_default(),
        }
    }

    fn forget(&mut self) {
        let gone = self.people.iter().filter(|person| !person.alive).count();
        let mut surplus = gone.saturating_sub(MOST_GONE);
        self.people.retain(|person| {
            let drop = !person.alive && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
    }
}

/// Whether the process still runs, and is the same. A zombie counts as gone.
pub(crate) fn is_same(procfs: &Procfs, process: &Process) -> bool {
    procfs.stat(process.pid).is_ok_and(|stat| {
        !matches!(stat.state, 'Z' | 'X' | 'x') && process.started.is_none_or(|started| started == stat.started)
    })
}

/// The process, if DAMON can monitor it: alive, not ourselves, with an address space.
pub(crate) fn monitorable(procfs: &Procfs, pid: i32) -> Option<Process> {
    if pid == std::process::id().cast_signed() || !procfs.alive(pid) {
        return None;
    }
    let has_memory = procfs.footprint(pid, false).is_ok_and(|footprint| footprint.vsz.is_some_and(|vsz| vsz.0 > 0));
    if has_memory { procfs.process(pid).ok() } else { None }
}
