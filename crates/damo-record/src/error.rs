//! Why a recording could not be made, or not to its end. Every message says what happened, where, and what to do next.

use crate::args::UsageError;
use crate::problem::Problem;
use crate::status_line::shell_word;
use damo_format::WriteError;
use damo_model::human::Show;
use std::io;
use std::path::PathBuf;

/// Why a recording could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The command line contradicts itself.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The machine is not ready for this recording.
    #[error(transparent)]
    NotReady(#[from] Problem),
    /// A workload description is wrong.
    #[error("{file}: {why}", file = .file.shown())]
    Workload {
        /// The file.
        file: PathBuf,
        /// What is wrong in it, with the line and the remedy.
        why: String,
    },
    /// Something stands where the record should go.
    #[error("{} {what}.\nTry: {}", file.shown(), makes_way(*.replaceable))]
    Occupied {
        /// Its name.
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
        /// What happened.
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
        /// Its id.
        pid: i32,
        /// Its command name.
        comm: String,
        /// How often it was tried.
        tries: u32,
        /// What the kernel said the last time.
        error: Box<RecordError>,
    },
    /// Talking to the kernel failed.
    #[error(transparent)]
    Talk(#[from] damo_kernel::Error),
    /// The kernel's data is not understood.
    #[error("{what}: {why}")]
    Kernel {
        /// What was tried.
        what: String,
        /// Why, and what to do.
        why: String,
    },
    /// Reading or writing something else failed.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl RecordError {
    /// An error of the system, with what was tried.
    pub(crate) fn io(what: impl Into<String>, error: io::Error) -> Self {
        RecordError::Io { what: what.into(), error }
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
