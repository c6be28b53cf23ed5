//! The processes being monitored: who they are, who joined, who is gone, who became another program.
//!
//! A process is told from a later one with the same id by its start time. Children of targets (or newcomers of a
//! control group) join; what is gone stays known for as long as its target may still be talked about.
//!
//! A parent that forks and ends between two looks leaves an orphan, which is nobody's child any more. Those of a command
//! that we started become our own children, because we ask the kernel for it. Those of others go to a process above
//! them, init most of the time; they are known by their session or process group, which a child has from its parent.

use damo_kernel::procfs::{Procfs, Stat};
use damo_model::{Nanos, Process};
use damo_steer::plan::Origin;
use damo_steer::processes::{is_same, monitorable, present_stat};
use rustix::process::{Pid, WaitOptions, waitpid};
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A monitored process.
struct TrackedProcess {
    process: Process,
    alive: bool,
    /// Its process group.
    group: i32,
    /// How often its name may still be told anew.
    renames: u32,
    /// Its whole name was read again after it joined: by then a child has become the program that it is for.
    settled: bool,
    /// Can be read when it ends, where the kernel has such a thing and there are not too many.
    exit: Option<OwnedFd>,
}

/// What a look at the system showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessChanges {
    /// Processes that joined since the last look.
    pub(crate) born: Vec<Process>,
    /// Processes that ended since the last look.
    pub(crate) gone: Vec<Process>,
    /// The same processes as before, now with another name: mostly since they are another program.
    pub(crate) renamed: Vec<Process>,
}

impl ProcessChanges {
    pub(crate) fn is_empty(&self) -> bool {
        self.born.is_empty() && self.gone.is_empty()
    }
}

/// The processes being monitored.
pub(crate) struct ProcessTracker {
    procfs: Procfs,
    origin: Origin,
    processes: Vec<TrackedProcess>,
    /// The command that we started: orphans come to us.
    command: Option<i32>,
    /// Processes above the first ones: orphans come to one of them.
    above: Vec<i32>,
    /// Children of those above at the last look.
    seen: HashSet<i32>,
    /// When the last look was, since boot.
    looked: Option<Nanos>,
    /// The names of those who have another one than when they joined, by pid and start time.
    names: HashMap<(i32, Option<Nanos>), (String, String)>,
}

/// How many processes a cheap look is at.
const CHEAP: usize = 4;
/// How many processes tell of their ends by themselves: each takes a file descriptor.
const MOST_WATCHED: usize = 64;
/// What is gone is forgotten when so many are: a build server starts millions of processes.
const MOST_GONE: usize = 1024;
/// Some programs show in their name what they do at present; that is not worth an entry each second.
const MOST_RENAMES: u32 = 16;
/// Start times are told in clock ticks.
const TICK: Nanos = Nanos(20_000_000);

impl ProcessTracker {
    pub(crate) fn new(procfs: Procfs, origin: Origin, first: Vec<Process>) -> Self {
        let above = above(&procfs, &first);
        let looked = procfs.uptime().ok();
        let processes = Vec::with_capacity(first.len());
        let mut processes = Self {
            procfs,
            origin,
            processes,
            command: None,
            above,
            seen: HashSet::new(),
            looked,
            names: HashMap::new(),
        };
        processes.join(first);
        processes
    }

    /// With the pid of the command that we started, whose orphans come to us.
    pub(crate) fn of_command(self, command: Option<i32>) -> Self {
        Self { command, ..self }
    }

    /// Takes in those of `processes` that are not here yet.
    pub(crate) fn admit(&mut self, processes: Vec<Process>) {
        let known: HashSet<(i32, Option<Nanos>)> = self.alive().map(Process::identity).collect();
        self.join(processes.into_iter().filter(|process| !known.contains(&process.identity())).collect());
    }

    fn join(&mut self, processes: Vec<Process>) {
        let mut free = MOST_WATCHED.saturating_sub(self.exits().count());
        for process in processes {
            let exit = (free > 0).then(|| self.procfs.exit_of(process.pid)).flatten();
            // Opened first and compared then: so it is this process's, not a later one's of the same id.
            let stat = present_stat(&self.procfs, &process);
            let exit = exit.filter(|_| stat.is_some());
            free -= usize::from(exit.is_some());
            let group = stat.map_or(0, |stat| stat.group);
            self.processes.push(TrackedProcess {
                process,
                alive: true,
                group,
                renames: MOST_RENAMES,
                settled: false,
                exit,
            });
        }
    }

    /// What can be read when one of them ends.
    pub(crate) fn exits(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.processes.iter().filter_map(|tracked| Some(tracked.exit.as_ref()?.as_fd()))
    }

    /// Those alive at the last look, in the order in which they joined.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|tracked| tracked.alive).map(|tracked| &tracked.process)
    }

    /// Whether someone is gone: a cheap look, so that a recording ends soon after its target. `stirred`: whether one of
    /// [`ProcessTracker::exits`] may have been readable. Who has none is looked at, if among the first.
    pub(crate) fn someone_is_gone(&self, stirred: bool) -> bool {
        let alive = || self.processes.iter().filter(|tracked| tracked.alive);
        let unwatched = alive().filter(|tracked| tracked.exit.is_none()).take(CHEAP);
        let watched = alive().filter(|tracked| stirred && tracked.exit.is_some());
        unwatched.chain(watched).any(|tracked| !is_same(&self.procfs, &tracked.process))
    }

    /// Looks which processes joined, ended or changed their names.
    pub(crate) fn look(&mut self) -> ProcessChanges {
        let mut changes = ProcessChanges::default();
        for tracked in self.processes.iter_mut().filter(|tracked| tracked.alive) {
            match present_stat(&self.procfs, &tracked.process) {
                Some(stat) => {
                    tracked.group = stat.group;
                    changes.renamed.extend(tracked.renamed(&self.procfs, &mut self.names, &stat));
                }
                None => {
                    tracked.alive = false;
                    tracked.exit = None;
                    self.names.remove(&tracked.process.identity());
                    changes.gone.push(tracked.process.clone());
                }
            }
        }
        let mut known: HashSet<i32> = self.alive().map(|process| process.pid).collect();
        let found = self.candidates();
        changes.born = self.newcomers(found, &mut known);
        self.join(changes.born.clone());
        let orphans = self.orphans(&known);
        // What they have started already is found below them.
        let families: Vec<i32> =
            orphans.into_iter().flat_map(|pid| std::iter::once(pid).chain(self.procfs.descendants(pid))).collect();
        let heirs = self.newcomers(families, &mut known);
        self.join(heirs.clone());
        changes.born.extend(heirs);
        self.looked = self.procfs.uptime().ok();
        self.forget();
        changes
    }

    /// Gives a process the name that it has now.
    pub(crate) fn name(&self, process: &mut Process) {
        if let Some(name) = self.names.get(&process.identity()) {
            (process.comm, process.cmdline) = name.clone();
        }
    }

    /// Those of `pids` that are not `known` and can be monitored; now they are known.
    fn newcomers(&self, pids: Vec<i32>, known: &mut HashSet<i32>) -> Vec<Process> {
        pids.into_iter().filter(|pid| known.insert(*pid)).filter_map(|pid| monitorable(&self.procfs, pid)).collect()
    }

    /// Processes that belong here by what the system says now.
    fn candidates(&self) -> Vec<i32> {
        match &self.origin {
            Origin::Roots { follow: false } => Vec::new(),
            Origin::Roots { follow: true } => {
                let mut found = if self.command.is_some() { self.of_ours() } else { Vec::new() };
                for process in self.alive() {
                    // One whose parent is here was found with it already; an orphan was not.
                    if !found.contains(&process.pid) {
                        found.extend(self.procfs.descendants(process.pid));
                    }
                }
                found
            }
            Origin::Cgroup(path) => self.procfs.cgroup_processes(path).unwrap_or_default(),
            Origin::Matching(filter) => {
                let known: Vec<i32> = self.alive().map(|process| process.pid).collect();
                filter.choose(&self.procfs, &known)
            }
        }
    }

    /// All below us: the command and its orphans, with what is below them. Orphans that ended are waited for, as nobody
    /// else does.
    fn of_ours(&self) -> Vec<i32> {
        let me = std::process::id().cast_signed();
        let found = self.procfs.descendants(me);
        for pid in found.iter().filter(|pid| Some(**pid) != self.command) {
            if self.procfs.stat(*pid).is_ok_and(|stat| stat.parent == me && stat.state == 'Z') {
                // Its end was all that it had to tell.
                let _ = waitpid(Pid::from_raw(*pid), WaitOptions::NOHANG);
            }
        }
        found
    }

    /// Children that processes here left behind when they ended. They are looked for where they must be now, among the
    /// children of the processes above, and only once each.
    fn orphans(&mut self, known: &HashSet<i32>) -> Vec<i32> {
        if self.origin != (Origin::Roots { follow: true }) || self.command.is_some() {
            return Vec::new();
        }
        let now: HashSet<i32> = self.above.iter().flat_map(|pid| self.procfs.children(*pid)).collect();
        let new = now.iter().filter(|pid| !self.seen.contains(pid) && !known.contains(pid));
        let mut found: Vec<i32> = new.copied().filter(|pid| self.is_orphan(*pid)).collect();
        found.sort_unstable();
        self.seen = now;
        found
    }

    fn is_orphan(&self, pid: i32) -> bool {
        let Ok(stat) = self.procfs.stat(pid) else { return false };
        // A session is handed down and never joined: all of it come from its leader.
        if self.is_ours(stat.session, &stat) {
            return true;
        }
        // A group can be joined within a session: a parent of that session may have put it there, next to a target.
        if stat.group <= 0 || self.procfs.stat(stat.parent).is_ok_and(|parent| parent.session == stat.session) {
            return false;
        }
        if self.is_ours(stat.group, &stat) {
            return true;
        }
        // In a group of someone else's only what began since the last look can have had a parent that was not seen.
        let is_new = self.looked.is_some_and(|looked| stat.started.saturating_add(TICK) >= looked);
        is_new
            && self.processes.iter().any(|tracked| tracked.group == stat.group && began_before(&tracked.process, &stat))
    }

    /// Whether a session or group, which `stat` has, is that of a process here as its leader.
    fn is_ours(&self, leader: i32, stat: &Stat) -> bool {
        let mut processes = self.processes.iter().filter(|tracked| tracked.process.pid == leader);
        processes.any(|tracked| {
            began_before(&tracked.process, stat)
                // The number may have gone to another process meanwhile.
                && (tracked.alive || self.procfs.stat(leader).is_err() || same_start(&self.procfs, &tracked.process))
        })
    }

    fn forget(&mut self) {
        let gone = self.processes.iter().filter(|tracked| !tracked.alive).count();
        let mut surplus = gone.saturating_sub(MOST_GONE);
        self.processes.retain(|tracked| {
            let drop = !tracked.alive && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
    }
}

impl TrackedProcess {
    /// The process with its present name, if that is another one than before. The start time stays when a process
    /// becomes another program, and so does its target.
    fn renamed(
        &mut self,
        procfs: &Procfs,
        names: &mut HashMap<(i32, Option<Nanos>), (String, String)>,
        stat: &Stat,
    ) -> Option<Process> {
        let identity = self.process.identity();
        let known =
            names.get(&identity).map_or((&self.process.comm, &self.process.cmdline), |(comm, line)| (comm, line));
        // The command line is another file to read: only when there is a reason.
        if (self.settled && *known.0 == stat.comm) || self.renames == 0 {
            return None;
        }
        let now = procfs.process(self.process.pid).ok().filter(|now| now.started == Some(stat.started))?;
        // One that is just ending has none.
        if now.cmdline.trim().is_empty() {
            return None;
        }
        self.settled = true;
        if (&now.comm, &now.cmdline) == known {
            return None;
        }
        self.renames -= 1;
        names.insert(identity, (now.comm.clone(), now.cmdline.clone()));
        Some(Process { comm: now.comm, cmdline: now.cmdline, ..self.process.clone() })
    }
}

/// The processes above these, init as the last.
fn above(procfs: &Procfs, processes: &[Process]) -> Vec<i32> {
    let mut above = Vec::new();
    for process in processes {
        let mut pid = process.pid;
        while let Ok(stat) = procfs.stat(pid)
            && stat.parent > 1
            && !above.contains(&stat.parent)
        {
            pid = stat.parent;
            above.push(pid);
        }
    }
    // A child of a process here is no orphan.
    above.retain(|pid| processes.iter().all(|process| process.pid != *pid));
    if processes.iter().all(|process| process.pid != 1) {
        above.push(1);
    }
    above
}

fn began_before(process: &Process, stat: &Stat) -> bool {
    process.started.is_none_or(|started| started <= stat.started)
}

fn same_start(procfs: &Procfs, process: &Process) -> bool {
    procfs.stat(process.pid).is_ok_and(|stat| process.started == Some(stat.started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use std::sync::Arc;

    /// Processes as pid, parent, group and session; a process's pid is the second in which it began.
    fn put(fake: &MemorySysfs, processes: &[(i32, i32, i32, i32)]) {
        for (pid, parent, group, session) in processes {
            let rest = format!("0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 {pid}00 9 9");
            fake.put(&format!("proc/{pid}/stat"), &format!("{pid} (app) S {parent} {group} {session} {rest}"));
            fake.put(&format!("proc/{pid}/statm"), "1000 100 50 1 0 200 0");
            fake.put(&format!("proc/{pid}/cmdline"), "app");
            let children = processes.iter().filter(|(_, its, ..)| its == pid);
            let children: Vec<String> = children.map(|(child, ..)| child.to_string()).collect();
            fake.put(&format!("proc/{pid}/task/{pid}/children"), &children.join(" "));
        }
    }

    fn ends(fake: &MemorySysfs, pid: i32) {
        fake.put(&format!("proc/{pid}/stat"), "");
    }

    fn following(fake: &Arc<MemorySysfs>, pids: &[i32]) -> ProcessTracker {
        let procfs = Procfs::new(&Root::with_io(fake.clone()));
        let first = pids.iter().map(|pid| procfs.process(*pid).unwrap()).collect();
        ProcessTracker::new(procfs, Origin::Roots { follow: true }, first)
    }

    fn born(processes: &mut ProcessTracker) -> Vec<i32> {
        processes.look().born.iter().map(|process| process.pid).collect()
    }

    #[test]
    fn the_child_of_a_target_that_ended_before_a_look_is_known_by_its_session_or_group() {
        for (group, session) in [(10, 10), (50, 10), (10, 5)] {
            let fake = Arc::new(MemorySysfs::new((6, 12)));
            put(&fake, &[(1, 0, 1, 1), (5, 1, 5, 5), (10, 5, 10, if session == 10 { 10 } else { 5 })]);
            let mut processes = following(&fake, &[10]);
            assert!(born(&mut processes).is_empty());
            put(&fake, &[(1, 0, 1, 1), (5, 1, 5, 5), (50, 1, group, session), (51, 50, group, session)]);
            ends(&fake, 10);
            assert_eq!(born(&mut processes), [50, 51], "group {group}, session {session}");
            assert!(born(&mut processes).is_empty(), "once");
        }
    }

    #[test]
    fn in_the_group_of_a_script_only_an_orphan_that_has_just_begun_can_be_a_targets() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        // A script, and a target, a neighbour and an orphan that it started, all in its group.
        let before = [(1, 0, 1, 1), (5, 1, 5, 5), (10, 5, 5, 5), (11, 5, 5, 5), (12, 1, 5, 5)];
        put(&fake, &before);
        fake.put("proc/uptime", "30.00 1.00");
        let mut processes = following(&fake, &[10]);
        assert!(born(&mut processes).is_empty());
        fake.put("proc/uptime", "60.00 1.00");
        // The neighbour was orphaned, the script started another program, and 50 and 51 have no parent any more.
        let after =
            [(1, 0, 1, 1), (5, 1, 5, 5), (11, 1, 5, 5), (52, 5, 5, 5), (12, 1, 5, 5), (50, 1, 5, 5), (51, 1, 51, 51)];
        put(&fake, &after);
        ends(&fake, 10);
        assert_eq!(born(&mut processes), [50]);
    }

    #[test]
    fn a_session_whose_number_went_to_somebody_else_is_not_a_targets() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        put(&fake, &[(1, 0, 1, 1), (10, 1, 10, 10)]);
        let mut processes = following(&fake, &[10]);
        put(&fake, &[(1, 0, 1, 1), (10, 1, 10, 10), (50, 1, 10, 10)]);
        // It began at another time.
        let stat = "10 (app) S 1 10 10 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 3000 9 9";
        fake.put("proc/10/stat", stat);
        assert!(born(&mut processes).is_empty());
    }

    #[test]
    fn a_process_that_becomes_another_program_is_the_same_with_another_name_told_once() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        put(&fake, &[(1, 0, 1, 1), (10, 1, 10, 10)]);
        let mut processes = following(&fake, &[10]);
        // What a child does at once after the fork; `app` may be a shell that another script is given to.
        fake.put("proc/10/cmdline", "app\0script");
        let renamed = processes.look().renamed;
        assert_eq!(renamed.iter().map(|process| process.cmdline.trim()).collect::<Vec<_>>(), ["app script"]);
        assert!(processes.look().is_empty());
        let stat = fake.files()["proc/10/stat"].replace("(app)", "(server)");
        fake.put("proc/10/stat", &stat);
        fake.put("proc/10/cmdline", "");
        assert!(processes.look().renamed.is_empty(), "it has no command line at this moment");
        fake.put("proc/10/cmdline", "server\0-d");
        let changes = processes.look();
        assert_eq!((changes.gone.len(), changes.born.len(), changes.renamed.len()), (0, 0, 1));
        let mut process = processes.alive().next().unwrap().clone();
        processes.name(&mut process);
        assert_eq!((process.comm.as_str(), process.cmdline.trim()), ("server", "server -d"));
        assert!(processes.look().renamed.is_empty(), "told once");
    }

    #[test]
    fn orphans_of_the_started_command_are_found_in_any_session_and_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("pid");
        let script = format!("setsid sleep 600 & echo $! >{}", note.display());
        let words = ["sh", "-c", &script].map(std::ffi::OsString::from);
        let mut command = damo_steer::command::Started::spawn(&words, true).unwrap();
        let procfs = Procfs::new(&Root::host());
        let first = procfs.process(command.pid()).unwrap();
        while !command.has_ended() {}
        let mut processes = ProcessTracker::new(procfs.clone(), Origin::Roots { follow: true }, vec![first])
            .of_command(Some(command.pid()));
        // Not by its name: at this moment it may still be becoming `setsid` or `sleep`.
        let pid: i32 = std::fs::read_to_string(note).unwrap().trim().parse().unwrap();
        let orphan = processes.look().born.into_iter().find(|process| process.pid == pid).expect("the orphan");
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
        let begun = std::time::Instant::now();
        while procfs.stat(orphan.pid).is_ok_and(|stat| Some(stat.started) == orphan.started) {
            assert!(begun.elapsed().as_secs() < 60, "it stays as a zombie");
            processes.look();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
