//! Why a command failed: the command line, steering, or the recording.

use damo_model::ParamError;
use damo_model::human::Show;
use damo_record::RecordError;
use damo_steer::SteerError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line contradicts itself.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// DAMON could not be steered.
    #[error(transparent)]
    Steer(#[from] SteerError),
    /// The recording could not be made, or not to its end.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What is wrong with a command line, with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl From<ParamError> for UsageError {
    fn from(error: ParamError) -> Self {
        // Keys and values from a file are quoted in it.
        UsageError(error.to_string().shown().to_string())
    }
}

pub(crate) fn usage<T>(text: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(text.into()))
}
