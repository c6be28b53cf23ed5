//! What can go wrong in an analysis.

use damo_frame::FrameError;
use damo_report::ReportError;
use std::io;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// A record could not be read, or measured.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// What was asked has no meaning, or not for these records. A whole sentence with the remedy.
    #[error("{0}")]
    Invalid(String),
}

impl AnalysisError {
    /// An error of what was asked; `what` says what is wrong and what to do instead.
    pub fn invalid(what: impl Into<String>) -> Self {
        AnalysisError::Invalid(what.into())
    }
}

impl From<FrameError> for AnalysisError {
    fn from(error: FrameError) -> Self {
        AnalysisError::Report(error.into())
    }
}

impl From<io::Error> for AnalysisError {
    fn from(error: io::Error) -> Self {
        AnalysisError::Report(error.into())
    }
}
