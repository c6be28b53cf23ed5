//! Why this machine cannot record now: each situation with a message of its own that says what is missing and what to
//! do, and that the simulator works meanwhile.

use damo_model::human::Show;
use std::fmt::Write;
use std::path::PathBuf;

/// What messages on a machine end with: there is always something that works.
const MEANWHILE: &str = "Meanwhile `damo record --simulate stairs` works without root and without DAMON; `damo doctor` \
                         shows all that recording needs.";

/// One thing that is not as recording needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What is needed.
    pub needed: String,
    /// What is there instead, with the file, option or sysctl that tells.
    pub present: String,
    /// The command that mends it.
    pub remedy: String,
}

/// Why this machine cannot record now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Something that is needed is not there.
    #[error("this machine is not ready for {purpose}.{}\n{MEANWHILE}", missing(.lacks, .without.as_deref()))]
    Missing {
        /// What for: "recording".
        purpose: &'static str,
        /// What is not there.
        lacks: Vec<Lack>,
        /// The command that does without all of it, if there is one.
        without: Option<String>,
    },
    /// The process does not exist.
    #[error(
        "process {pid} does not exist (any more).\n\
         Try: damo record $(pidof -s PROGRAM), or damo record -- PROGRAM to start it\n{MEANWHILE}"
    )]
    TargetGone {
        /// Its process id.
        pid: i32,
    },
    /// The process does not exist where we are, which is not where all processes are.
    #[error(
        "process {pid} does not exist here: this is a container or another pid namespace ({namespace}), in which the \
         processes of the host are not visible.\n\
         Try: the same command on the host, or in a container that was started with --pid=host\n{MEANWHILE}"
    )]
    NotInNamespace {
        /// Its process id.
        pid: i32,
        /// The pid namespace that we are in.
        namespace: String,
    },
    /// The process has no memory of its own.
    #[error(
        "process {pid} ({}) is a kernel thread: it has no address space of its own to monitor.\n\
         Try: damo record paddr, which monitors physical memory{}",
        comm.shown(),
        in_container(.pid, .here)
    )]
    KernelThread {
        /// Its process id.
        pid: i32,
        /// Its command name.
        comm: String,
        /// The processes that have its id in a pid namespace below ours.
        here: Vec<(i32, String)>,
    },
    /// The id is one of another pid namespace.
    #[error(
        "process {pid} does not exist here, but a container (a pid namespace below this one) has a process of that id, \
         which has another id here.{}\n{MEANWHILE}",
        outside(.here)
    )]
    PidNamespace {
        /// The id asked for.
        pid: i32,
        /// The processes that have it in a pid namespace below ours: their ids here, and their command names.
        here: Vec<(i32, String)>,
    },
    /// The recorder itself.
    #[error("process {pid} is this recorder itself.\nTry: the process id that `pidof PROGRAM` prints")]
    Myself {
        /// Its process id.
        pid: i32,
    },
    /// Attaching to nothing.
    #[error(
        "no target was given, and no kdamond is running to attach to.\n\
         Try: damo record $(pidof PROGRAM), damo record paddr, or damo record -- PROGRAM\n{MEANWHILE}"
    )]
    NothingRuns,
    /// Someone else's kdamond is on.
    #[error(
        "DAMON is busy: {who}. The kernel does not allow another kdamond while one is on.\n\
         Try: damo record without a target, which records what the running kdamond does; or stop that one first"
    )]
    Busy {
        /// Which kdamond, and whose.
        who: String,
    },
    /// A killed recording left something on.
    #[error(
        "a recording that was killed (process {pid}, record {record}) left {kdamonds} on.\n\
         Try: the same command with --stop_stale, which stops it first; or damo record without a target, to record what \
         it does"
    )]
    Stale {
        /// The killed recorder.
        pid: u32,
        /// The name of its record.
        record: String,
        /// The kdamonds that are on, with their threads.
        kdamonds: String,
    },
    /// Nothing that runs passes the filter.
    #[error(
        "no process that runs passes {filter}.\n\
         Try: ps -e -o pid,rss,comm, which shows names and sizes; regular expressions find parts of a name, as in \
         --comm '^java$'"
    )]
    NoProcess {
        /// The filter, as it is typed.
        filter: String,
    },
    /// An empty or missing control group.
    #[error("control group {path}: {why}.\nTry: a directory below /sys/fs/cgroup that holds running processes")]
    Cgroup {
        /// The directory that was named.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The commands for processes of containers, by their ids here, to paste.
fn outside(here: &[(i32, String)]) -> String {
    here.iter().fold(String::new(), |mut text, (pid, comm)| {
        // Writing to a string cannot fail. What a process calls itself may be anything.
        let _ = write!(text, "\nTry: damo record {pid}    # {}", comm.shown());
        text
    })
}

fn in_container(pid: &i32, here: &[(i32, String)]) -> String {
    if here.is_empty() {
        return String::new();
    }
    format!("\nA container has a process of the id {pid}, too, which has another id here.{}", outside(here))
}

fn missing(lacks: &[Lack], without: Option<&str>) -> String {
    let mut text = String::new();
    for Lack { needed, present, remedy } in lacks {
        let _ = write!(text, "\nNeeded: {needed}\n   Now: {present}\n   Try: {remedy}");
    }
    if let Some(command) = without {
        let _ = write!(text, "\nWorks without it, with one snapshot per second: {command}");
    }
    text
}
