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
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data set was written by another version of this program.
    #[error("{}: the data set has columns of version {found}, and this program writes version {ours}: export into a new directory", path.shown())]
    Version {
        /// The file that tells.
        path: PathBuf,
        /// Its version.
        found: String,
        /// Ours.
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
        /// The column.
        column: String,
    },
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
