//! Why a foreign record could not be read: what, where, and what to do about it.

use damo_model::SinkError;
use damo_model::human::Show;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Longer quotations of foreign texts are cut.
pub(crate) const MAX_QUOTE: usize = 60;

/// Why a foreign record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// No format known here.
    #[error("{name}: {looks}, not a record in a format known here; {remedy}")]
    Unrecognised {
        /// Name of the file.
        name: String,
        /// What it looks like.
        looks: String,
        /// What to do.
        remedy: String,
    },
    /// The file is of a known format, but wrong somewhere.
    #[error("{name}{place}: {what}; {remedy}")]
    Bad {
        /// Name of the file.
        name: String,
        /// Where in it.
        place: FilePosition,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The file cannot be read.
    #[error("{}: {source}", path.shown())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// The reason that the system gave.
        source: io::Error,
    },
    /// The file is larger than memory may be spent on.
    #[error("{name}: larger than {limit} bytes, which is as much as is read from a foreign record; give a part of it")]
    TooLarge {
        /// Name of the file.
        name: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The receiver of the snapshots can take no more.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// Where in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilePosition {
    /// The file as a whole.
    Whole,
    /// A line, from 1.
    Line(u64),
    /// A byte of the file, from 0.
    Byte(u64),
    /// A line and column of text that is compressed in the file, both from 1.
    Inflated(u64, u64),
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilePosition::Whole => Ok(()),
            FilePosition::Line(line) => write!(f, ", line {line}"),
            FilePosition::Byte(offset) => write!(f, ", byte {offset}"),
            FilePosition::Inflated(line, column) => write!(f, ", line {line} column {column} of the text in it"),
        }
    }
}
