//! The kernel's event records, and how they become snapshots: what live rings, perf.data, raw trace pages and texts of
//! traces share.
//!
//! - [`EventFormat`]: how an event is laid out, as its `format` text in tracefs tells
//! - [`Decoder`]: what one record of an event says
//! - [`RawPage`]: the events of a page of a raw trace
//! - [`assemble`]: from the events of single regions to snapshots
#![forbid(unsafe_code)]

pub mod assemble;
mod decode;
mod format;
mod raw_page;

pub use decode::{DecodeError, Decoded, Decoder, Event};
pub use format::{EventFormat, Field, FieldLocation, FormatError};
pub use raw_page::{RawEvent, RawPage};
