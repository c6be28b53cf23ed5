//! Why a question has no answer.

use damo_frame::FrameError;
use damo_report::ReportError;

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is no SQL.
    #[error("the query cannot be parsed: {0}")]
    Syntax(String),
    /// The text is SQL, but no question.
    #[error("only a question can be asked (SELECT, or WITH ... SELECT), and one at a time: {0}")]
    NoQuestion(String),
    /// A table that does not exist.
    #[error("there is no table '{}'; the tables are {known}", wanted.escape_debug())]
    NoSuchTable {
        /// What was asked for.
        wanted: String,
        /// The tables that exist.
        known: String,
    },
    /// A column that does not exist.
    #[error("there is no column '{wanted}'; {known}")]
    NoSuchColumn {
        /// What was asked for.
        wanted: String,
        /// The columns of each table that the query names.
        known: String,
    },
    /// SQL that Polars does not know.
    #[error("{what} is not known to Polars' SQL: ask in another way, for example by IN (SELECT ...) or a JOIN")]
    Unsupported {
        /// The kind of expression.
        what: String,
    },
    /// A function was called with arguments that it does not take.
    #[error("{name}: {problem}")]
    Arguments {
        /// Name of the function.
        name: &'static str,
        /// What is wrong, and what is right.
        problem: String,
    },
    /// The answer has a column of a type that no output form knows.
    #[error("column '{column}' of the answer is of type {kind}, which cannot be shown: CAST it to a number or text")]
    Unshowable {
        /// Name of the column.
        column: String,
        /// Its type in Polars, as text.
        kind: String,
    },
    /// Polars refused the query.
    #[error("the query was refused: {0}")]
    Polars(#[from] polars::error::PolarsError),
    /// A record could not be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A table could not be made, or the answer could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}
