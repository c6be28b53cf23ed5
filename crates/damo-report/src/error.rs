//! What can go wrong in a report.

use damo_frame::FrameError;
use std::io;

/// Why a report could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The record could not be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The output could not be written. A reader that went away shows as [`io::ErrorKind::BrokenPipe`].
    #[error("writing the report failed: {0}")]
    Write(#[from] io::Error),
    /// An option, or a combination of options and record, that has no meaning. A whole sentence with the remedy.
    #[error("{0}")]
    Invalid(String),
    /// Polars refused a table.
    #[error("data frame: {0}")]
    Polars(#[from] polars::error::PolarsError),
}

impl ReportError {
    /// An error of options; `what` says what is wrong and what to do instead.
    pub fn invalid(what: impl Into<String>) -> Self {
        ReportError::Invalid(what.into())
    }
}
