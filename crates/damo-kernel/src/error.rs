//! What can go wrong between us and the kernel. Each error names the file, the value, the errno and, where one is
//! known, the remedy: the kernel itself only ever says `EINVAL`.

use damo_model::human::Show;
use damo_model::{KdamondIndex, KdamondThread};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why talking to the kernel failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("reading {path} failed: {source}{}", hint(.remedy))]
    Read {
        /// The file, below the root that was given.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it; empty if nothing is known.
        remedy: String,
    },
    /// A file refused a value.
    #[error("writing `{}` to {path} failed: {source}{}", value.shown(), hint(.remedy))]
    Write {
        /// The file, below the root that was given.
        path: PathBuf,
        /// The value that was refused.
        value: String,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it; empty if nothing is known.
        remedy: String,
    },
    /// A file holds something unexpected.
    #[error("{path} should hold {expected}, but holds `{}`; please report it together with `uname -r`", found.shown())]
    Content {
        /// The file, below the root that was given.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
        /// The beginning of what is there.
        found: String,
    },
    /// This kernel lacks something that was asked for.
    #[error("{what} was asked for, but this kernel has no {path}: it came with Linux {since}")]
    Missing {
        /// The feature, as in "interval auto-tuning".
        what: String,
        /// The file that would offer it.
        path: PathBuf,
        /// The release that brought it.
        since: &'static str,
    },
    /// The kernel was built without one of DAMON's modules, or hides it.
    #[error("{module} cannot be used: {path}: {source}. The kernel must have been built with {option}")]
    NoModule {
        /// Name of the module.
        module: &'static str,
        /// The build option that brings it, and since when there is one.
        option: &'static str,
        /// The directory of its parameters.
        path: PathBuf,
        /// The reason that the system gave.
        source: io::Error,
    },
    /// This kernel does not know a word that was asked for.
    #[error("{what} is `{}`, which {path} of this kernel does not take: it came with Linux {since}", value.shown())]
    Unknown {
        /// The parameter, as in "kdamond 0, context 0, scheme 0, action".
        what: String,
        /// The word that the kernel does not know.
        value: String,
        /// The file that would take it.
        path: PathBuf,
        /// The release that brought it.
        since: &'static str,
    },
    /// A parameter is refused before anything is written, because the kernel would refuse it or misread it.
    #[error("{what} is `{}`: {why}", value.shown())]
    Invalid {
        /// Which parameter, as in "kdamond 0, context 0, aggregation interval".
        what: String,
        /// The value that was asked for.
        value: String,
        /// What it must be.
        why: String,
    },
    /// The same, as [`damo_model::kdamond::check`] finds it.
    #[error(transparent)]
    Parameter(#[from] damo_model::ParamError),
    /// No kdamond can be set up, because someone else's runs.
    #[error(
        "kdamond {index} (pid {pid}) is already on and was not started by us, and while one is on the kernel does not let the \
         number of kdamonds be changed. Record what it does by leaving the target out, or stop it first: `damo stop \
         --adopt`, or echo off > {state}"
    )]
    Busy {
        /// Its number in sysfs.
        index: KdamondIndex,
        /// Its thread; -1 if unknown.
        pid: KdamondThread,
        /// Its state file.
        state: PathBuf,
    },
    /// A kdamond went on with something else than what was set up.
    #[error(
        "kdamond {index} went on with other {what} than were set up here ({found} instead of {written}): someone else sets \
         DAMON up at the same time, without `damo`'s lock. It was switched off again; try again when they are done"
    )]
    Changed {
        /// Its number in sysfs.
        index: KdamondIndex,
        /// Of what, as in "targets of context 0".
        what: String,
        /// What was set up.
        written: String,
        /// What is there.
        found: String,
    },
    /// A kdamond is not (or no longer) the one that we started, so it is left alone.
    #[error("kdamond {index} is not the one that was started here (its thread is now {pid:?}); leaving it as it is")]
    NotOurs {
        /// Its number in sysfs.
        index: KdamondIndex,
        /// The thread that runs now.
        pid: Option<KdamondThread>,
    },
    /// The kernel ended a kdamond that was to take new parameters. It has the parameters from before.
    #[error(
        "kdamond {index} was told to take the new parameters (`commit`), and the kernel ended it instead, without a reason; \
         most often a target process is gone. Its parameters are those from before, {}",
        after_end(.again)
    )]
    Ended {
        /// Its number in sysfs.
        index: KdamondIndex,
        /// The thread as which it was switched on again with the parameters from before, or why it is off, if known.
        again: std::result::Result<KdamondThread, Option<Box<Error>>>,
    },
    /// The kernel did not do something in time.
    #[error("{what} did not happen within {waited:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// Undoing after an error failed as well.
    #[error("{first}; moreover, putting DAMON back as it was failed: {then}")]
    Rollback {
        /// The error that made undoing necessary.
        first: Box<Error>,
        /// The error while undoing.
        then: Box<Error>,
    },
    /// A tracepoint could not be opened through perf.
    #[error("opening a perf ring for {event} on {on} failed: {source}{}", hint(.remedy))]
    Perf {
        /// The event, as in `damon:damon_aggregated`.
        event: String,
        /// Which CPU or thread.
        on: String,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it.
        remedy: String,
    },
    /// CPU time cannot be sampled.
    #[error("sampling {event} of {on} failed: {source}{}", hint(.remedy))]
    Sampling {
        /// The event in perf's words.
        event: String,
        /// Which process or thread.
        on: String,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it.
        remedy: String,
    },
    /// An event's format text is not understood.
    #[error("{path}: {source}")]
    Format {
        /// The format file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::tracefs::FormatError,
    },
    /// Waiting for events failed.
    #[error("waiting for events failed: {source}")]
    Wait {
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// This error, or both if undoing failed as well.
    pub(crate) fn and_then_undone(self, undone: Result<()>) -> Error {
        match undone {
            Ok(()) => self,
            Err(then) => Error::Rollback { first: Box::new(self), then: Box::new(then) },
        }
    }

    /// The system's refusal behind it, if one is.
    fn refusal(&self) -> Option<&io::Error> {
        match self {
            Error::Read { source, .. }
            | Error::Write { source, .. }
            | Error::Perf { source, .. }
            | Error::Sampling { source, .. }
            | Error::Wait { source } => Some(source),
            Error::Rollback { first, .. } => first.refusal(),
            _ => None,
        }
    }

    /// What kind of refusal of the system is behind it, if one is.
    pub fn kind(&self) -> Option<io::ErrorKind> {
        self.refusal().map(io::Error::kind)
    }

    /// The errno behind it, if there is one.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.refusal()?.raw_os_error()
    }
}

/// What came of a kdamond that ended, and what to do.
fn after_end(again: &std::result::Result<KdamondThread, Option<Box<Error>>>) -> String {
    match again {
        Ok(thread) => format!(
            "and it is on again with them (thread {thread}; its regions and ages begin anew). See that all target processes \
             live, and try again"
        ),
        Err(why) => {
            let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!(
                "but it is off now and could not be switched on again{why}. `damo status` shows what is left; start it anew \
                 with `damo start`, after `damo stop` if others are on"
            )
        }
    }
}

/// A remedy as a further sentence, or nothing.
fn hint(remedy: &str) -> String {
    if remedy.is_empty() { String::new() } else { format!(". {remedy}") }
}

/// The first line of a file's content, cut to a length fit for a message.
pub(crate) fn excerpt(content: &str) -> String {
    let line = content.lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
