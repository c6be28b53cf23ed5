//! Records as columns: from a file of any known kind to chunks and Polars frames, pruned by time and target
//! before anything is decoded.
//!
//! - [`Record::open`]: `.damo` files, foreign records, standard input
//! - [`Record::fold`]: over every region on all cores, memory bounded by a block per thread
//! - [`Record::for_each`]: the same in order, for output that streams
//! - [`Record::regions`], [`Record::readings`]: whole frames
//! - [`profile`]: samples of CPU profiles with the code of their stacks
//!
//! ```
//! use damo_frame::{FrameError, Record};
//! use damo_model::{Addr, Item, Meta, Nanos, NrAccesses, Region, Selection, Snapshot, Target, TargetKey};
//!
//! let mut snapshot = Snapshot::new(TargetKey(0), Nanos(0), Nanos::from_millis(100), None);
//! snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(3), None));
//! let items = [Item::Meta(Meta::default()), Item::Target(Target::default()), Item::Snapshot(snapshot)];
//! let record = Record::from_items(&items)?;
//! let bytes = record.fold(
//!     &Selection::all(),
//!     || 0,
//!     |sum, chunk| {
//!         *sum += chunk.snapshots().map(|snapshot| snapshot.working_set().0).sum::<u64>();
//!         Ok::<_, FrameError>(())
//!     },
//!     |a, b| a + b,
//! )?;
//! assert_eq!(bytes, 4096);
//! # Ok::<(), FrameError>(())
//! ```
#![forbid(unsafe_code)]

mod by_target;
mod chunk;
mod error;
mod fold;
mod frames;
mod open;
pub mod profile;
mod record;

pub use chunk::{Chunk, SnapshotView, extra_name};
pub use damo_format::Detail;
pub use damo_format::{Damage, Totals};
pub use damo_import::Options as ImportOptions;
pub use error::FrameError;
pub use open::OpenOptions;
pub use record::{Coverage, Record};
