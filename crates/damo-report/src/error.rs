//! What can go wrong in a report.

use crate::range::RangeError;
use damo_frame::{FrameError, Record};
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
    /// The wanted time is nowhere.
    #[error(transparent)]
    Range(RangeError),
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

/// The record tells numbers of accesses and of aggregations, and a report needs rates and times.
pub(crate) fn no_intervals(record: &Record) -> ReportError {
    ReportError::invalid(format!(
        "{} does not tell the monitoring intervals, without which there are no access rates and ages: name them, as in \
         --intervals 5ms 100ms, or look at the raw report",
        record.name()
    ))
}
