//! What can go wrong on the way from a file to frames.

use damo_model::human::Show;
use std::io;
use std::path::PathBuf;

/// Why a record could not be opened, read or put into frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The file could not be opened or read.
    #[error("{}: {source}", path.shown())]
    Io {
        /// Which file; `-` is standard input.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A `.damo` record could not be read.
    #[error("{name}: {source}")]
    Read {
        /// Name of the record.
        name: String,
        /// What the reader said.
        source: damo_format::ReadError,
    },
    /// The input is no record of a known kind, or one that cannot be read.
    #[error(transparent)]
    Import(#[from] damo_import::ImportError),
    /// The imported record could not be packed.
    #[error("{name}: could not be converted: {source}")]
    Pack {
        /// Name of the record.
        name: String,
        /// What the writer said.
        source: damo_format::WriteError,
    },
    /// The input is larger than memory may be spent on.
    #[error("{name}: larger than {limit} bytes, which is as much as is read from a foreign record")]
    TooLarge {
        /// Name of the input.
        name: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Polars refused columns or an operation.
    #[error("data frame: {0}")]
    Polars(#[from] polars::error::PolarsError),
    /// The data contradict themselves.
    #[error("{0}")]
    Invalid(String),
}

impl FrameError {
    /// An error of data that contradict themselves; `what` is a whole sentence.
    pub fn invalid(what: impl Into<String>) -> Self {
        FrameError::Invalid(what.into())
    }
}
