//! The `.damo` record: one file that holds all a DAMON monitoring session has to say. FORMAT.md is the specification.
//!
//! This crate knows nothing of where snapshots come from nor of what becomes of them.
//!
//! - [`Writer`]: items in, blocks out, to anything that takes bytes; [`RecordFile`]: to a file, safely
//! - [`NewFile`]: any file that appears when it is whole; [`Rules`]: which files may be written over
//! - [`Reader`]: random access by block, from any thread; [`StreamReader`]: items in order, from a pipe or a
//!   growing file; [`SoundReader`]: the same, completed so that they can be written again
//! - [`repair`]: a sound record of what is readable in a damaged one
//!
//! Inside, from the bytes up: `layout` (file header, block frames), `varint`, `predict`/`pack`/`unpack` (snapshots as
//! columns), `wire`/`wire_side`/`wire_profile` (everything else, by bincode), `block` (payloads), `scan` (finding blocks).
//!
//! ```
//! use damo_format::{Reader, Writer, WriterOptions};
//! use damo_model::{Addr, Age, Item, Meta, Nanos, NrAccesses, Region, Selection, Snapshot, Target, TargetKey};
//!
//! let mut writer = Writer::new(Vec::new(), WriterOptions::default())?;
//! writer.write(&Item::Meta(Meta { tool: "example 1.0".into(), ..Meta::default() }))?;
//! writer.write(&Item::Target(Target { key: TargetKey(0), ..Target::default() }))?;
//! let mut snapshot = Snapshot::new(TargetKey(0), Nanos(0), Nanos::from_millis(100), None);
//! snapshot.regions.push(Region::new(Addr(0x1000), Addr(0x5000), NrAccesses(3), Some(Age(0))));
//! writer.write(&Item::Snapshot(snapshot))?;
//! let (bytes, summary) = writer.finish()?;
//! assert_eq!(summary.regions, 1);
//!
//! let reader = Reader::from_bytes(bytes)?;
//! assert_eq!(reader.meta().tool, "example 1.0");
//! let batch = reader.read_block(0, &Selection::all())?;
//! assert_eq!((batch.start[0], batch.end[0]), (0x1000, 0x5000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod block;
mod error;
mod file;
mod guard;
mod layout;
mod new_file;
mod other_blocks;
mod pack;
mod predict;
mod reader;
mod repack;
mod repair;
mod scan;
mod select;
mod sound;
mod source;
mod stream;
mod unpack;
mod varint;
mod wire;
mod wire_profile;
mod wire_side;
mod writer;

pub use block::BlockInfo;
pub use error::{Damage, Fault, ReadError, SnapshotFault, WriteError};
pub use file::{Owner, RecordFile};
pub use guard::{Kind, Rules};
pub use layout::MAX_TARGETS;
pub use new_file::{Ending, NewFile, remove_unfinished};
pub use reader::{Reader, Totals, sniff};
pub use repair::{RepairReport, repair, repair_with};
pub use select::Detail;
pub use sound::SoundReader;
pub use stream::StreamReader;
pub use writer::{Summary, Writer, WriterOptions};
