//! What follows from records: the phases of a run, how two runs differ, whether conditions hold, and what a record tells in
//! sentences. It computes on what `damo-report` measures, and shows its results as reports do.
#![forbid(unsafe_code)]

pub mod check;
mod comparable;
pub mod compare;
mod course;
pub mod diff;
mod error;
pub mod explain;
pub mod figure;
pub mod phases;
pub mod right_size;
mod text;

pub use error::AnalysisError;
