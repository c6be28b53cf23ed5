//! What the targets that import foreign records share: a sink that looks at every snapshot.

use damo_import::Options;
use damo_model::{Item, Nanos, Sink, SinkError, TargetKey};
use std::collections::HashMap;

/// Takes everything, and panics on what no snapshot may be.
#[derive(Debug, Default)]
pub struct Checked {
    ends: HashMap<TargetKey, Nanos>,
}

impl Sink for Checked {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        if let Item::Snapshot(snapshot) = item {
            assert!(snapshot.start <= snapshot.end);
            assert!(self.ends.insert(snapshot.target, snapshot.end).is_none_or(|last| last <= snapshot.end));
            assert!(snapshot.regions.iter().all(|region| region.start < region.end));
            assert!(snapshot.regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
            assert!(snapshot.extras.iter().all(|extra| extra.values.len() == snapshot.regions.len()));
        }
        Ok(())
    }
}

/// Imports the bytes, whatever they are.
pub fn import(bytes: &[u8]) {
    let _ = damo_import::import(bytes, "fuzz", &Options::default(), &mut Checked::default());
}
