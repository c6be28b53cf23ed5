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

/// Makes a `.damo` record of bytes that are nearly one: puts the file's header and the blocks' magic, sequence, lengths
/// and checksums right, and leaves kinds, codecs and payloads as they are. Without this, hardly a change gets past the
/// checksums.
pub fn mend(bytes: &mut Vec<u8>) {
    const FILE: usize = 16;
    const BLOCK: usize = 28;
    if bytes.len() < FILE + BLOCK {
        return;
    }
    bytes[..12].copy_from_slice(b"\x89DAMO\r\n\x1a\x01\0\0\0");
    let crc = crc32fast::hash(&bytes[..12]);
    bytes[12..FILE].copy_from_slice(&crc.to_le_bytes());
    let (mut at, mut sequence) = (FILE, 0u32);
    while bytes.len() >= at + BLOCK {
        let (header, rest) = bytes[at..].split_at_mut(BLOCK);
        let claimed = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let length = claimed.min(rest.len());
        let payload = &rest[..length];
        header[..4].copy_from_slice(b"\xdabk\n");
        header[7] = 0;
        header[8..12].copy_from_slice(&(length as u32).to_le_bytes());
        if header[6] == 0 {
            header[12..16].copy_from_slice(&(length as u32).to_le_bytes());
        }
        header[16..20].copy_from_slice(&sequence.to_le_bytes());
        header[20..24].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        let crc = crc32fast::hash(&header[..24]);
        header[24..].copy_from_slice(&crc.to_le_bytes());
        at += BLOCK + length;
        sequence += 1;
    }
}
