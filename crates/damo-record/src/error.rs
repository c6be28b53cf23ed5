//! Why a recording could not be made, or not to its end. Every message says what happened, where, and what to do next.

use crate::summary::shell_word;
use damo_format::WriteError;
use damo_model::human::Show;
use damo_steer::problem::Problem;
use damo_steer::{HasProblem, SteerError};
use std::io;
use std::path::PathBuf;

/// Why a recording could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// DAMON could not be set up, or this machine is not ready for it.
    #[error(transparent)]
    Steer(#[from] SteerError),
    /// Snapshots were asked for of kdamonds that run already.
    #[error("--snapshot needs a kdamond of its own, because it adds a scheme: give a target, or leave --snapshot out")]
    SnapshotsOfOthers,
    /// Snapshots were asked for of what schemes are applied to.
    #[error("--snapshot reads all regions; leave --schemes_target_regions out")]
    SnapshotsOfSchemes,
    /// The record would go to a terminal.
    #[error("a record is not for terminals: name a file with -o FILE, or send it on: -o - | PROGRAM")]
    ToTerminal,
    /// The record would go to standard output, and that is closed.
    #[error(
        "standard output is closed, so the record would be lost: name a file with -o FILE, or send it on: -o - | PROGRAM"
    )]
    ToClosedOutput,
    /// Several files would go to a pipe or device.
    #[error("rotation and --keep write several files: give a file's name with -o, not a pipe's or device's")]
    SeveralToPipe,
    /// Only DAMON can do it.
    #[error(
        "{what} can only be had with DAMON, not with referenced pages (--source referenced): leave it out, or record as root on \
         a kernel with DAMON; `damo doctor` tells what that needs"
    )]
    NeedsDamon {
        /// What was asked for.
        what: &'static str,
    },
    /// Samples of CPU time were asked for of what takes none.
    #[error("--profile samples the CPU time of processes, and a simulation has none: leave it out")]
    NothingToProfile,
    /// A mark without text.
    #[error("an empty mark says nothing: give it a text")]
    EmptyMark,
    /// A mark is for one of several recordings, and it is not known for which.
    #[error("several recordings are being made; name one with --record: {}", names(.0))]
    SeveralRecordings(Vec<PathBuf>),
    /// A workload description is wrong.
    #[error("{file}: {why}", file = .file.shown())]
    Workload {
        /// The masim configuration.
        file: PathBuf,
        /// What is wrong in it, with the line and the remedy.
        why: String,
    },
    /// Something stands where the record should go.
    #[error("{} {what}.\nTry: {}", file.shown(), makes_way(*.replaceable))]
    Occupied {
        /// The name that is taken.
        file: PathBuf,
        /// What it is.
        what: &'static str,
        /// Whether it would give way if overwriting was asked for.
        replaceable: bool,
    },
    /// The record was written, but something stands where it should go.
    #[error(
        "{why}. What was recorded is not lost: it is in {part}.\nTry: mv {} OTHER.damo", shell_word(.part),
        part = .part.shown()
    )]
    NotNamed {
        /// The name that it has until it has its own.
        part: PathBuf,
        /// Why it could not be given its name.
        why: String,
    },
    /// The simulation cannot run so.
    #[error("the simulation stopped: {0}")]
    Simulation(String),
    /// The record could not be opened or written.
    #[error("{file}: {why}", file = .file.shown())]
    Record {
        /// The record, or `standard output`.
        file: PathBuf,
        /// What happened, and what became of the record.
        why: String,
        /// Whether the system refused, a full disk for example: then nothing more can be written.
        system: bool,
        /// Whether the reader at the other end of the pipe is gone.
        pipe_closed: bool,
    },
    /// DAMON could not be started, each time because a process ended meanwhile.
    #[error(
        "process {pid} ({comm}) ended while DAMON was being set up, and one process or another did so at each of {tries} \
         tries; DAMON takes none of the targets then ({error}).\nTry: the same command again, or --exclude_child_tasks, which \
         monitors the named processes without their children",
        comm = .comm.escape_debug()
    )]
    ProcessWent {
        /// Its process id.
        pid: i32,
        /// Its command name.
        comm: String,
        /// How often it was tried.
        tries: u32,
        /// What the kernel said the last time.
        error: Box<RecordError>,
    },
    /// The kernel's data is not understood.
    #[error("{what}: {why}")]
    Kernel {
        /// What was tried.
        what: String,
        /// Why, and what to do.
        why: String,
    },
}

impl RecordError {
    /// An error of the system, with what was tried.
    pub(crate) fn io(what: impl Into<String>, error: io::Error) -> Self {
        SteerError::io(what, error).into()
    }

    /// Why a record cannot be written, where no call to the system failed.
    pub(crate) fn of_ours(file: impl Into<PathBuf>, why: &str) -> Self {
        RecordError::Record { file: file.into(), why: why.to_owned(), system: false, pipe_closed: false }
    }

    /// A record's error, its cause looked up in the chain of sources.
    pub(crate) fn record(file: impl Into<PathBuf>, error: &(dyn std::error::Error + 'static)) -> Self {
        if let Some(WriteError::Occupied { path, what, replaceable }) = error.downcast_ref() {
            return RecordError::Occupied { file: path.clone(), what, replaceable: *replaceable };
        }
        if let Some(WriteError::NotNamed { part, why, .. }) = error.downcast_ref() {
            return RecordError::NotNamed { part: part.clone(), why: why.clone() };
        }
        if let Some(WriteError::CutShort { path, source, .. }) = error.downcast_ref() {
            let why = format!("cannot write on: {source}; {STAYS}");
            return RecordError::Record { file: path.clone(), why, system: true, pipe_closed: false };
        }
        let mut system = false;
        let mut pipe_closed = false;
        let mut cause = Some(error);
        while let Some(e) = cause {
            if let Some(io) = e.downcast_ref::<io::Error>() {
                system = true;
                pipe_closed |= io.kind() == io::ErrorKind::BrokenPipe;
            }
            cause = e.source();
        }
        RecordError::Record { file: file.into(), why: error.to_string(), system, pipe_closed }
    }

    /// The same, with what became of the record: that its beginning has its name, or why it has not.
    pub(crate) fn with_fate(mut self, fate: &Result<(), RecordError>) -> Self {
        if let RecordError::Record { why, .. } = &mut self {
            match fate {
                Ok(()) => *why = format!("{why}; {STAYS}"),
                Err(error) => *why = format!("{why}; and {error}"),
            }
        }
        self
    }

    /// Whether the system refused to take more of the record.
    pub(crate) fn is_of_the_system(&self) -> bool {
        matches!(self, RecordError::Record { system: true, .. })
    }

    /// Whether the reader of our standard output is gone: the end of a recording, not a failure.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, RecordError::Record { pipe_closed: true, .. })
    }
}

impl From<damo_kernel::Error> for RecordError {
    fn from(error: damo_kernel::Error) -> Self {
        RecordError::Steer(error.into())
    }
}

impl From<Problem> for RecordError {
    fn from(problem: Problem) -> Self {
        RecordError::Steer(problem.into())
    }
}

impl HasProblem for RecordError {
    fn problem(&self) -> Option<&Problem> {
        match self {
            RecordError::Steer(error) => error.problem(),
            _ => None,
        }
    }
}

/// Record names for a message.
fn names(records: &[PathBuf]) -> String {
    records.iter().map(|record| record.shown().to_string()).collect::<Vec<_>>().join(", ")
}

/// Said of a record whose end could not be written.
const STAYS: &str = "what was written so far stays readable";

/// What to do about a name that is taken.
fn makes_way(replaceable: bool) -> &'static str {
    if replaceable {
        "another name (-o FILE), or -f to overwrite it"
    } else {
        "another name (-o FILE), or move it away"
    }
}
