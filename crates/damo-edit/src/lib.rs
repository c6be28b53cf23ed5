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
//!
//! ```
//! use damo_edit::{Aggregate, AggregateOptions};
//! use damo_model::{Addr, Item, Meta, Nanos, NrAccesses, Region, Sink, Snapshot, Target, TargetKey};
//!
//! let mut items = Vec::new();
//! let options = AggregateOptions { interval: Nanos::from_millis(200), skip: 0 };
//! let mut longer = Aggregate::new(options, &mut items);
//! longer.put(&Item::Meta(Meta::default()))?;
//! longer.put(&Item::Target(Target::default()))?;
//! for (start, nr_accesses) in [(0, 3), (100, 4)] {
//!     let (start, end) = (Nanos::from_millis(start), Nanos::from_millis(start + 100));
//!     let mut snapshot = Snapshot::new(TargetKey(0), start, end, None);
//!     snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(nr_accesses), None));
//!     longer.put(&Item::Snapshot(snapshot))?;
//! }
//! assert_eq!(longer.finish()?.snapshots, 1);
//! let Some(Item::Snapshot(sum)) = items.last() else { unreachable!() };
//! assert_eq!(sum.regions[0].nr_accesses, NrAccesses(7));
//! # Ok::<(), damo_model::SinkError>(())
//! ```
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
