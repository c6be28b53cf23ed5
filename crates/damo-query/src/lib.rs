//! Questions in SQL about records.
//!
//! [`Database`] has a table for each thing that records hold ([`tables`] lists them with their columns) and answers a SELECT by
//! Polars' SQL. Only what a question needs is decoded: conditions on time, addresses and targets choose the blocks, and of these
//! only the columns that are named are made. Sums, counts, means and extremes of regions are taken block by block, so that their
//! memory does not grow with the record.
//!
//! ```
//! use damo_frame::Record;
//! use damo_model::{Addr, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
//! use damo_query::Database;
//! use std::sync::Arc;
//!
//! let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
//! for second in 0..60 {
//!     let mut snapshot = Snapshot::new(TargetKey(0), Nanos::from_secs(second), Nanos::from_secs(second + 1), None);
//!     snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(3), None));
//!     items.push(Item::Snapshot(snapshot));
//! }
//! let database = Database::new(Arc::new([Record::from_items(&items)?]));
//! let answer = database.ask("SELECT SUM(size) AS bytes FROM regions WHERE start_ns >= 30e9")?;
//! assert_eq!(answer.frame().column("bytes")?.u64()?.get(0), Some(30 * 4096));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod aggregate;
mod answer;
mod blocks;
mod database;
mod describe;
mod error;
mod functions;
mod mapping;
mod partial;
mod prune;
mod samples;
mod scan;
mod side;
mod source;
mod sql;

pub use answer::Answer;
pub use database::Database;
pub use describe::{describe, tables};
pub use error::QueryError;
pub use functions::FUNCTIONS;
pub use source::SharedRecords;
