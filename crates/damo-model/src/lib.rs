//! The vocabulary of data access monitoring, in the terms of the kernel's DAMON documents.
//!
//! Everything that crosses a crate border in this project is one of the types here: a source (kernel,
//! simulator, foreign file) produces [`Item`]s, a [`Sink`] takes them, a reader gives [`Batch`]es of
//! snapshots in columns. This crate knows nothing of files, kernels, or data frames.
//!
//! - [`units`]: addresses, sizes, times, counts, each a type of its own
//! - [`region`]: regions and snapshots, one by one
//! - [`batch`]: many snapshots in columns
//! - [`target`]: who is monitored, identified beyond `target_id`
//! - [`intervals`]: sampling, aggregation and update intervals, tuning goals, region bounds
//! - [`meta`]: what is known of a record as a whole
//! - [`features`]: what DAMON can do since which release, and where that shows
//! - [`kdamond`]: what DAMON is told: kdamonds, contexts, targets, their checks and their JSON
//! - [`scheme`]: what DAMOS does to which regions, under which limits
//! - [`side`]: what is recorded beside snapshots: mappings, footprints, CPU time, losses, marks
//! - [`profile`]: which code ran: samples of call stacks, beside snapshots
//! - [`item`]: the stream from sources to sinks
//! - [`select`]: which part of a record is wanted
//! - [`human`]: numbers as people write and read them
//!
//! ```
//! use damo_model::{Addr, Age, NrAccesses, Region};
//! let region = Region::new(Addr(4096), Addr(12288), NrAccesses(3), Some(Age(7)));
//! assert_eq!(region.size().0, 8192);
//! ```
#![forbid(unsafe_code)]

pub mod batch;
pub mod calendar;
mod defaults;
pub mod features;
pub mod human;
pub mod intervals;
pub mod item;
mod json;
pub mod kdamond;
mod keyword;
pub mod meta;
mod placement;
pub mod profile;
mod range_set;
pub mod region;
pub mod scheme;
pub mod select;
pub mod side;
pub mod target;
mod time_span;
pub mod units;

pub use batch::{Batch, SnapshotHead};
pub use intervals::{Intervals, IntervalsGoal, NrRegions};
pub use item::{Item, Sink, SinkError};
pub use json::ParamError;
pub use keyword::{NewerKeyword, UnknownKeyword};
pub use meta::{Clock, ClockPair, Meta, Ops, Source, TracepointFormat};
pub use placement::{HeatClass, NodeHeat, NodeMemory, NodeThreads, PlacedMemory, Placement};
pub use range_set::RangeSet;
pub use region::{ColumnId, ExtraColumn, Region, Snapshot, SnapshotState};
pub use select::Selection;
pub use side::{
    CpuTime, Footprint, Lost, Mapping, Mappings, Mark, Params, Pressure, ProcessFootprint, SchemeCounts,
    SchemeProgress, Side, Stamp, SystemFootprint,
};
pub use target::{Process, Target, TargetKey};
pub use time_span::TimeSpan;
pub use units::{Addr, AddrRange, Age, Bytes, Hz, KdamondIndex, KdamondThread, Nanos, NrAccesses};
