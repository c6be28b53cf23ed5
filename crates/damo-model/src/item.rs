//! The stream from sources to sinks: `kernel | simulator | foreign file → Item → record writer | JSON writer | …`.

use crate::{Meta, Side, Snapshot, Target};
use std::error::Error;
use std::fmt;

/// One thing that a source has to say.
///
/// Order: [`Item::Meta`] once and first; a [`Item::Target`] before the first snapshot that names its key (again when
/// more became known of it); snapshots of one target in time order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a record has one meta, and snapshots are taken by reference")]
pub enum Item {
    /// What is known of the record as a whole.
    Meta(Meta),
    /// A target, before its first snapshot.
    Target(Target),
    /// One aggregation interval of one target.
    Snapshot(Snapshot),
    /// What is recorded beside snapshots.
    Side(Side),
}

/// Takes what a source has to say. A source may reuse an item's buffers between calls.
pub trait Sink {
    /// Takes one item.
    ///
    /// # Errors
    /// When the sink can take no more (disk full, invalid order). The source must stop.
    fn put(&mut self, item: &Item) -> Result<(), SinkError>;
}

/// Why a sink can take no more: the sink's own error, whatever its type.
#[derive(Debug)]
pub struct SinkError(pub Box<dyn Error + Send + Sync>);

impl SinkError {
    /// Wraps the sink's own error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        SinkError(error.into())
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The wrapped error itself: who asks whether a pipe was closed must find it.
        Some(self.0.as_ref())
    }
}

/// Collects everything: for tests and small streams.
impl Sink for Vec<Item> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.push(item.clone());
        Ok(())
    }
}
