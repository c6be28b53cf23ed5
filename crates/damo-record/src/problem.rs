//! Why this machine cannot record now: each situation with a message of its own that says what is missing and what to
//! do, and that the simulator works meanwhile.

use std::fmt::Write;
use std::path::PathBuf;

/// What every message ends with: there is always something that works.
const MEANWHILE: &str = "Meanwhile `damo record --simulate CONFIG` works without root and without DAMON; `damo doctor` \
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
    /// Something that recording needs is not there.
    #[error("{}", missing(.0))]
    Missing(Vec<Lack>),
    /// The process does not exist.
    #[error(
        "process {pid} does not exist (any more).\nTry: damo record $(pidof -s PROGRAM), or damo record -- PROGRAM to start it"
    )]
    TargetGone {
        /// Its id.
        pid: i32,
    },
    /// The process has no memory of its own.
    #[error("process {pid} ({comm}) is a kernel thread: it has no address space of its own.\nTry: damo record paddr")]
    KernelThread {
        /// Its id.
        pid: i32,
        /// Its command name.
        comm: String,
    },
    /// The id is one of another pid namespace.
    #[error("process {pid} does not exist here, but a container has a process of that id.\nTry: {}", outside(.here))]
    PidNamespace {
        /// The id asked for.
        pid: i32,
        /// The processes that have it in a pid namespace below ours: their ids here, and their command names.
        here: Vec<(i32, String)>,
    },
    /// The recorder itself.
    #[error("process {pid} is this recorder itself.\nTry: the process id that `pidof PROGRAM` prints")]
    Myself {
        /// Its id.
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
        "DAMON is busy: {who}. While a kdamond is on the kernel does not let another one be added.\n\
         Try: damo record without a target, to record what it does and leave it as it is; or stop it first"
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
        /// Its record.
        record: String,
        /// Which kdamonds.
        kdamonds: String,
    },
    /// An empty or missing control group.
    #[error("control group {path}: {why}.\nTry: a directory below /sys/fs/cgroup that holds running processes")]
    Cgroup {
        /// Its directory.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The commands for processes of containers, by their ids here.
fn outside(here: &[(i32, String)]) -> String {
    let commands: Vec<String> = here.iter().map(|(pid, comm)| format!("damo record {pid} ({comm})")).collect();
    commands.join(", or ")
}

fn missing(lacks: &[Lack]) -> String {
    let mut text = String::from("this machine is not ready for recording.");
    for Lack { needed, present, remedy } in lacks {
        // Writing to a string cannot fail.
        let _ = write!(text, "\nNeeded: {needed}\n   Now: {present}\n   Try: {remedy}");
    }
    text.push('\n');
    text.push_str(MEANWHILE);
    text
}
