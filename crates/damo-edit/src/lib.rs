//! Changes to records as wholes: parts of them, sums over longer times, several joined, names taken out, checks.
//!
//! Every change stands between a source and a sink: it takes [`Item`](damo_model::Item)s in order and hands items on,
//! holding no more than an open window or the state in force, whatever the record's length. What a change must know of
//! the whole record beforehand (its areas, the moment it begins) is found in a first pass by the caller or by a survey
//! here. This crate knows nothing of files or frames.
//!
//! - [`Aggregate`]: several snapshots become one, access counts summed up exactly
//! - [`Cut`]: a part by time, target and address
//! - [`merge`](mod@merge): records of one host on one time axis
//! - [`anonymize`](mod@anonymize): addresses moved, names and times taken out
//! - [`check`](mod@check): whether a record is what a monitoring should give
#![forbid(unsafe_code)]

mod aggregate;
pub mod anonymize;
pub mod check;
mod clock;
mod cut;
mod error;
pub mod merge;
mod sum;

pub use aggregate::{Aggregate, AggregateOptions, Aggregated};
pub use clock::on_record_clock;
pub use cut::{Cut, Kept, Part};
pub use error::EditError;
