//! What can go wrong in a report.

use damo_frame::{FrameError, Record};
use damo_model::human::Show;
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
    /// Nothing to draw.
    #[error("the record has no snapshot, hence no heat")]
    NoSnapshots,
    /// No target of the record has the wanted ids.
    #[error("no target fits the given kdamond, context, scheme and target ids; the record has target ids {known}")]
    NoSuchTarget {
        /// Target ids that exist.
        known: String,
    },
    /// The wanted mapping does not exist.
    #[error("no mapping is called '{}'; the record has: {}", wanted.shown(), known.shown())]
    NoSuchMapping {
        /// What was asked for.
        wanted: String,
        /// Mappings that exist.
        known: String,
    },
    /// More cells than memory may be spent on.
    #[error("{cells} cells are more than the {limit} that fit: ask for a lower --resol or fewer ranges")]
    TooManyCells {
        /// The number that was asked for.
        cells: usize,
        /// The most that memory is spent on.
        limit: usize,
    },
    /// A map of two recordings would show neither.
    #[error("{records} records cannot be one heat map: each has a clock and addresses of its own; draw each by itself")]
    SeveralRecords {
        /// The number of records.
        records: usize,
    },
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
