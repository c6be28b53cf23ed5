//! `damo monitor`: shows what a `.damo` stream says while it comes: a record that is being written, a finished one, or a
//! pipe from a recorder. Nothing here knows a kernel, and memory is bounded however long the stream is.
//!
//! - [`Source`]: the stream and at which speed it is taken
//! - [`Monitor`]: a thread that reads the stream, so that it is always read, and the [`State`] that it fills
//! - [`plain`]: a block of text, or a line of JSON, for each interval
//! - [`Metrics`]: the figures of the last interval in a file for Prometheus' node_exporter
//! - `screen` (feature of the same name): the terminal
#![forbid(unsafe_code)]
// What only the screen asks for.
#![cfg_attr(not(feature = "screen"), allow(dead_code))]

mod areas;
mod error;
mod history;
mod metrics;
mod monitor;
mod placements;
mod plain;
mod reading;
#[cfg(feature = "screen")]
mod saved;
#[cfg(feature = "screen")]
mod screen;
mod series;
mod source;
mod state;

pub use error::MonitorError;
pub use metrics::Metrics;
pub use monitor::{End, Monitor};
pub use plain::{PlainOptions, plain};
#[cfg(feature = "screen")]
pub use screen::{OnMark, ScreenOptions, ScreenStyle, Tone, screen};
pub use source::Source;
pub use state::State;
