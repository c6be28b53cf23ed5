//! Why DAMON could not be steered. Every message says what happened, where, and what to do next.

use crate::problem::Problem;
use damo_model::KdamondIndex;
use std::io;
use std::path::PathBuf;

/// Result of this crate.
pub(crate) type Result<T> = std::result::Result<T, SteerError>;

/// Why DAMON could not be steered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SteerError {
    /// The machine is not ready for what was asked for, or a target cannot be monitored.
    #[error(transparent)]
    NotReady(#[from] Problem),
    /// The kernel refused something, or its files are not as expected.
    #[error(transparent)]
    Kernel(#[from] damo_kernel::Error),
    /// A parameter makes no sense.
    #[error("{}", damo_model::human::Show::shown(&.0.to_string()))]
    Parameter(#[from] damo_model::ParamError),
    /// There is no scheme to apply.
    #[error("no scheme: give --damos_action, or --schemes with a list of schemes")]
    NoScheme,
    /// There is no program to start.
    #[error("no command after `--`: give a program to start")]
    NoCommand,
    /// Reading or writing something else failed.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Something is to be changed that runs, but nothing runs.
    #[error("no kdamond is on; `damo start` switches one on")]
    NothingOn,
    /// Something is to be changed that was not started by us.
    #[error(
        "{} on, but not started by `damo start` (or restarted since): add --adopt to change or stop it all the same",
        kdamonds(.indices)
    )]
    NotStartedHere {
        /// The kdamonds that run.
        indices: Vec<KdamondIndex>,
    },
    /// What was started before still runs.
    #[error(
        "{} on already since the last `damo start`: change it with `damo tune`, or end it with `damo stop` first",
        kdamonds(.indices)
    )]
    Started {
        /// The kdamonds that run.
        indices: Vec<KdamondIndex>,
    },
    /// The note of what was started cannot be kept.
    #[error(
        "the note of what was started, {path}: {source}. If it is damaged, remove it, and stop DAMON with `damo stop --adopt`"
    )]
    Note {
        /// The file in the store of notes.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The lock that keeps two of us from changing DAMON's settings at once cannot be taken.
    #[error(
        "the lock under which DAMON's settings are changed, {path}, cannot be taken: {source}. See that there is room at \
         /run and that it is mounted for writing; `damo doctor` tells"
    )]
    Lock {
        /// The file in the store of notes.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Undoing after an error failed as well.
    #[error("{first}; moreover, putting DAMON back as it was failed: {then}")]
    Rollback {
        /// The error that made undoing necessary.
        first: Box<SteerError>,
        /// The error while undoing.
        then: Box<SteerError>,
    },
}

impl SteerError {
    /// An error of the system, with what was tried.
    pub fn io(what: impl Into<String>, error: io::Error) -> Self {
        SteerError::Io { what: what.into(), error }
    }

    /// This error, or both if undoing failed as well.
    pub(crate) fn and_then_undone(self, undone: Result<()>) -> Self {
        match undone {
            Ok(()) => self,
            Err(then) => SteerError::Rollback { first: Box::new(self), then: Box::new(then) },
        }
    }

    /// What kind of refusal of the system is behind it, if DAMON's files or the notes refused something.
    pub(crate) fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            SteerError::Kernel(error) => error.kind(),
            SteerError::Note { source, .. } | SteerError::Lock { source, .. } => Some(source.kind()),
            SteerError::Rollback { first, .. } => first.kind(),
            _ => None,
        }
    }
}

/// An error behind which may be a problem of this machine or of a target.
pub trait HasProblem {
    /// The problem, if it is one.
    fn problem(&self) -> Option<&Problem>;
}

impl HasProblem for SteerError {
    fn problem(&self) -> Option<&Problem> {
        match self {
            SteerError::NotReady(problem) => Some(problem),
            _ => None,
        }
    }
}

/// `kdamond 0 is`, `kdamonds 0 and 1 are`.
fn kdamonds(indices: &[KdamondIndex]) -> String {
    match indices {
        [one] => format!("kdamond {one} is"),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(KdamondIndex::to_string).collect();
            format!("kdamonds {} and {last} are", most.join(", "))
        }
        [] => "no kdamond is".to_owned(),
    }
}
