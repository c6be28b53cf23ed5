//! The kernel's own event records: how an event is laid out, as its `format` text tells, and what a record of it says.
//! Live rings, perf.data and raw trace pages all hold the same records, so that this is shared by all of them.

mod decode;
mod format;
mod raw_page;

pub use decode::{DecodeError, Decoded, Decoder, Event};
pub use format::{EventFormat, Field, FieldLocation, FormatError};
pub use raw_page::{RawEvent, RawPage};
