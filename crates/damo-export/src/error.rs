//! Why a record could not be exported.

use damo_format::WriteError;
use damo_frame::FrameError;
use damo_model::human::Show;
use damo_query::QueryError;
use damo_report::ReportError;
use std::io;
use std::path::PathBuf;

/// Why a record could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The directory cannot be made or read.
    #[error("{}: {source}", path.shown())]
    Directory {
        /// The directory that cannot be made or read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data set was written by another version of this program.
    #[error("{}: the data set has columns of version {found}, and this program writes version {ours}: export into a new directory", path.shown())]
    Version {
        /// The file that tells.
        path: PathBuf,
        /// The version that its version file names.
        found: String,
        /// The version that this program writes.
        ours: u32,
    },
    /// Nothing to export.
    #[error("{name}: the record has no snapshot, so there is nothing to export")]
    Empty {
        /// The record's name.
        name: String,
    },
    /// A number that does not fit.
    #[error("{name}: column {column} has values above 2^63, which the signed numbers of data sets cannot hold")]
    TooLarge {
        /// The record's name.
        name: String,
        /// Name of the column whose value does not fit.
        column: String,
    },
    /// A text that is no moment.
    #[error("'{0}' is no moment: give seconds since 1970, a date as 2026-11-30, or 2026-11-30T10:00:00Z (UTC)")]
    NoMoment(String),
    /// The system took no more bytes of a file.
    #[error("writing the data set failed: {0}")]
    Io(#[source] io::Error),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The record could not be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The record could not be put into tables.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The record could not be put into columns.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Polars refused a table.
    #[error("data frame: {0}")]
    Polars(#[from] polars::error::PolarsError),
}
