//! What is no record, what later versions write, and records of which whole blocks are missing.
#![allow(clippy::unwrap_used)]
mod common;

use common::frames::{Frame, assemble, frames};
use common::{evolving, meta, options, small, snapshots, stream_snapshots, target, write};
use damo_format::{ReadError, Reader, StreamReader, sniff};
use damo_model::{Item, Lost, Nanos, Side, Stamp};

#[test]
fn what_is_no_record_is_refused_with_a_sentence() {
    for (bytes, words) in [
        (&b""[..], "empty"),
        (&b"perf script text, or anything else that is long enough to hold a header"[..], "does not begin"),
        (&[0u8; 100][..], "does not begin"),
    ] {
        assert!(!sniff(bytes));
        let error = Reader::from_bytes(bytes).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
        assert!(Reader::from_stream(bytes).is_err());
        assert!(stream_snapshots(bytes).is_err());
    }
    let directory = tempfile::tempdir().unwrap();
    let error = Reader::open(directory.path()).err().unwrap().to_string();
    assert!(error.contains("directory"), "{error}");
}

#[test]
fn a_later_major_version_is_refused_and_a_later_minor_one_is_read() {
    let (written, bytes) = small();
    let with_version = |major: u8, minor: u8| {
        let mut changed = bytes.clone();
        (changed[8], changed[9]) = (major, minor);
        let crc = crc32fast::hash(&changed[..12]);
        changed[12..16].copy_from_slice(&crc.to_le_bytes());
        changed
    };
    let error = Reader::from_bytes(with_version(2, 5)).err().unwrap().to_string();
    assert!(error.contains("2.5") && error.contains("newer damo"), "{error}");
    assert!(matches!(stream_snapshots(&with_version(9, 0)), Err(ReadError::NewerMajor { major: 9, minor: 0 })));
    let reader = Reader::from_bytes(with_version(1, 7)).unwrap();
    assert_eq!(snapshots(&reader), written);
    assert!(reader.notes()[0].contains("later version"));
    assert_eq!(reader.version(), (1, 7));
}

#[test]
fn blocks_columns_and_side_data_of_later_versions_are_stepped_over_and_noted() {
    let lost = Side::Lost(Lost { at: Stamp::Wall(Nanos(5)), events: 3, reason: "ring".into() });
    let written = evolving(0, 3, 5, 2);
    let mut items = vec![meta(), target(0), Item::Side(lost.clone())];
    items.extend(written.iter().cloned().map(Item::Snapshot));
    let (bytes, _) = write(&items, options(0));
    let mut later = frames(&bytes);
    for frame in &mut later {
        match frame.kind {
            // A meta item (its history is empty, which may be left out at the end only) and a target with a field more.
            1 => frame.payload.extend([0, 1, 2, 3]),
            2 => frame.payload.extend([1, 2, 3]),
            3 => frame.payload.extend([50, 0, 2, 2, 9, 9]),
            4 => frame.payload.extend([99, 4, 1, 2, 3, 4]),
            _ => continue,
        }
        frame.raw_len += if frame.kind == 3 { 2 } else { frame.payload.len() as u32 - frame.raw_len };
    }
    later.insert(2, Frame { offset: 0, kind: 99, codec: 77, raw_len: 5, sequence: 2, payload: vec![1, 2] });
    (0..).zip(&mut later).for_each(|(i, frame)| frame.sequence = i);
    let reader = Reader::from_bytes(assemble(&bytes, &later)).unwrap();
    assert_eq!(reader.damage(), []);
    assert_eq!(snapshots(&reader), written);
    assert_eq!(reader.side_data().unwrap(), [lost]);
    assert_eq!(reader.totals().lost_events, 3);
    let notes = reader.notes().join("; ");
    assert!(notes.contains("kind 99") && notes.contains("1 pieces of side data"), "{notes}");
    assert_eq!(stream_snapshots(&assemble(&bytes, &later)).unwrap(), written);
}

#[test]
fn a_missing_block_is_noticed_though_all_others_are_whole() {
    let (written, bytes) = small();
    let mut fewer = frames(&bytes);
    assert_eq!(fewer.remove(3).kind, 3);
    let file = assemble(&bytes, &fewer);
    let reader = Reader::from_bytes(file.as_slice()).unwrap();
    assert_eq!(snapshots(&reader).len(), written.len() - 4);
    assert!(reader.damage()[0].why.to_string().contains("missing"));
    // Positions stay those of the whole record.
    assert_eq!(reader.index()[1].first_snapshot, 8);
    let mut stream = StreamReader::new(file.as_slice()).unwrap();
    while stream.next_item().unwrap().is_some() {}
    assert_eq!(stream.lost_snapshots(), 4);
}

#[test]
fn snapshots_without_their_targets_block_get_a_bare_target() {
    let (written, bytes) = small();
    let mut fewer = frames(&bytes);
    assert_eq!(fewer.remove(1).kind, 2);
    let reader = Reader::from_bytes(assemble(&bytes, &fewer)).unwrap();
    assert_eq!(snapshots(&reader), written);
    assert_eq!(reader.targets().len(), 1);
}
