//! The stream from sources to sinks: `kernel | simulator | foreign file → Item → record writer | JSON writer | …`.

use crate::{Meta, Side, Snapshot, Target};
use std::error::Error;

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
///
/// That one itself is the source: who asks whether a pipe was closed must find it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(#[source] pub Box<dyn Error + Send + Sync>);

impl SinkError {
    /// Wraps the sink's own error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        SinkError(error.into())
    }
}

/// Collects everything: for tests and small streams.
impl Sink for Vec<Item> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.push(item.clone());
        Ok(())
    }
}
