//! Why monitoring could not go on.

use damo_format::ReadError;
use std::io;

/// Why monitoring could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The input is no record, or could not be read.
    #[error("cannot monitor {what}: {source}")]
    Read {
        /// The input's name.
        what: String,
        /// What the reader said.
        source: ReadError,
    },
    /// The output took nothing more.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The terminal refused something.
    #[error("cannot use the terminal: {0}; --plain needs none")]
    Terminal(#[source] io::Error),
    /// The thread that reads the stream ended by a mistake of this program.
    #[error("the thread that reads {0} ended unexpectedly")]
    Panicked(String),
}
