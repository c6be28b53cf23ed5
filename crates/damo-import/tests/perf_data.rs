//! perf.data in all the ways that perf writes it, put together from a real recording's pieces.

mod common;

use common::{Perf, import, kind, real_bytes, record, try_import};
use damo_import::Format;
use damo_model::{Side, Snapshot};

fn stairs() -> Perf {
    Perf::parse(&real_bytes("stairs/perf.data"))
}

fn snapshots(bytes: &[u8]) -> Vec<Snapshot> {
    let (imported, sink) = import(bytes);
    assert!(!imported.damaged, "{imported:?}");
    sink.snapshots().into_iter().cloned().collect()
}

/// Where a sample of these recordings has its time: after the header, the identifier, the address and the thread.
const TIME_AT: usize = 8 + 8 + 8 + 8;
/// Where its raw data begin, after processor, period and length.
const RAW_AT: usize = TIME_AT + 8 + 8 + 8 + 4;

fn time_of(sample: &[u8]) -> u64 {
    u64::from_le_bytes(sample[TIME_AT..TIME_AT + 8].try_into().expect("8 bytes"))
}

#[test]
fn a_file_put_together_anew_says_what_the_original_says() {
    let original = snapshots(&real_bytes("stairs/perf.data"));
    assert_eq!(snapshots(&stairs().file()), original);
}

#[test]
fn a_recording_through_a_pipe_says_the_same_as_a_file() {
    let small = stairs().small(2000);
    let piped = small.pipe();
    assert_eq!(damo_import::sniff(&piped), Some(Format::PerfData));
    assert_eq!(snapshots(&piped), snapshots(&small.file()));
}

#[test]
fn compressed_records_say_the_same_as_plain_ones() {
    let small = stairs().small(2000);
    let compressed = small.compressed();
    assert!(compressed.records.iter().all(|record| kind(record) == 81));
    assert_eq!(snapshots(&compressed.file()), snapshots(&small.file()));
    assert_eq!(snapshots(&compressed.pipe()), snapshots(&small.file()));
}

#[test]
fn samples_of_two_processors_are_put_in_order() {
    let mut small = stairs().small(3000);
    let expected = snapshots(&small.file());
    // As perf leaves them: the first processor's ring, then the second's, then a mark. kdamond moved in between.
    let samples: Vec<Vec<u8>> = small.records.iter().filter(|record| kind(record) == 9).cloned().collect();
    small.records = samples
        .chunks(300)
        .flat_map(|round| {
            let (first, second): (Vec<_>, Vec<_>) =
                round.iter().cloned().partition(|s| (time_of(s) / 400_000_000).is_multiple_of(2));
            second.into_iter().chain(first).chain([record(68, &[])])
        })
        .collect();
    assert_eq!(snapshots(&small.file()), expected);
}

#[test]
fn kdamonds_with_the_same_target_id_are_told_apart_by_their_threads() {
    let mut small = stairs().small(400);
    let expected = snapshots(&small.file());
    // A second kdamond says the same at the same time.
    small.records = small
        .records
        .iter()
        .flat_map(|record| {
            let mut other = record.clone();
            if kind(record) == 9 {
                other[RAW_AT + 4..RAW_AT + 8].copy_from_slice(&999_u32.to_le_bytes());
            }
            [record.clone(), other]
        })
        .collect();
    let (imported, sink) = import(&small.file());
    assert_eq!(sink.targets().len(), 2);
    assert!(sink.targets().iter().all(|target| target.target_id == Some(0)));
    assert_ne!(sink.targets()[0].kdamond, sink.targets()[1].kdamond);
    assert_eq!(imported.snapshots as usize, 2 * expected.len());
    for target in sink.targets() {
        let own: Vec<_> = sink.snapshots().into_iter().filter(|s| s.target == target.key).collect();
        assert!(own.iter().zip(&expected).all(|(own, expected)| own.regions == expected.regions));
    }
    assert!(imported.notes.iter().any(|note| note.contains("2 kdamonds")), "{:?}", imported.notes);
}

#[test]
fn the_sum_of_losses_at_the_end_adds_only_what_was_not_told_before() {
    for (in_sum, expected) in [(5, 7), (7, 7), (9, 9)] {
        let mut small = stairs().small(100);
        let lost = |events: u64| record(2, &[1_u64.to_le_bytes(), events.to_le_bytes()].concat());
        small.records.insert(50, lost(3));
        small.records.insert(70, lost(4));
        small.records.push(record(13, &u64::to_le_bytes(in_sum)));
        let (imported, sink) = import(&small.file());
        assert_eq!(imported.lost_events, expected);
        let told: u64 =
            sink.side_data().iter().map(|side| if let Side::Lost(lost) = side { lost.events } else { 0 }).sum();
        assert_eq!(told, expected);
    }
}

#[test]
fn a_layout_with_moved_fields_is_followed() {
    let mut small = stairs().small(200);
    let expected = snapshots(&small.file());
    // The same event with nr_accesses and age swapped, in the format's text and in the data.
    let text = String::from_utf8(small.tracing.clone()).unwrap_or_default();
    assert!(text.is_empty() || text.contains("nr_accesses"));
    let swap = |tracing: &mut Vec<u8>, from: &[u8], to: &[u8]| {
        let at = tracing.windows(from.len()).position(|window| window == from).expect("in the format");
        tracing[at..at + to.len()].copy_from_slice(to);
    };
    swap(&mut small.tracing, b"nr_accesses;\toffset:40;", b"nr_accesses;\toffset:44;");
    swap(&mut small.tracing, b"age;\toffset:44;", b"age;\toffset:40;");
    for sample in small.records.iter_mut().filter(|record| kind(record) == 9) {
        let raw = &mut sample[RAW_AT..];
        let (left, right) = raw[40..48].split_at_mut(4);
        left.swap_with_slice(right);
    }
    assert_eq!(snapshots(&small.file()), expected);
}

#[test]
fn a_recording_of_the_newer_event_of_regions_says_the_same() {
    let mut small = stairs().small(200);
    let expected = snapshots(&small.file());
    let newer = include_bytes!("../../../testdata/kernel/formats/newer-damon_region_aggregated.txt");
    // A format's text stands behind its length.
    let older = b"name: damon_aggregated";
    let text = small.tracing.windows(older.len()).position(|window| window == older).expect("in the formats");
    let len = u64::from_le_bytes(small.tracing[text - 8..text].try_into().expect("8 bytes")) as usize;
    let new = [&newer.len().to_le_bytes()[..], newer].concat();
    small.tracing.splice(text - 8..text + len, new);
    for sample in small.records.iter_mut().filter(|record| kind(record) == 9) {
        let raw = sample[RAW_AT..].to_vec();
        let new = &mut sample[RAW_AT..];
        new[..2].copy_from_slice(&801_u16.to_le_bytes());
        new[16..24].copy_from_slice(&raw[24..32]);
        new[24..32].copy_from_slice(&raw[32..40]);
        new[32..36].copy_from_slice(&raw[16..20]);
        new[36..44].copy_from_slice(&raw[40..48]);
        // No probe found anything: an array of no bytes at the end of the fields.
        new[44..48].copy_from_slice(&48_u32.to_le_bytes());
    }
    assert_eq!(snapshots(&small.file()), expected);
}

#[test]
fn what_cannot_be_read_says_why_and_what_to_do() {
    let mut swapped = real_bytes("stairs/perf.data");
    swapped[..8].reverse();
    let mut no_tracing = stairs().small(10).file();
    no_tracing[72] = 0;
    let mut not_damon = stairs().small(10);
    not_damon.tracing = not_damon.tracing[..700].to_vec();
    for (bytes, expected) in [
        (swapped, "other byte order"),
        (no_tracing, "no event formats"),
        (not_damon.file(), "it holds no DAMON event"),
        (b"PERFILE2".to_vec(), "cut within its header"),
        (stairs().small(0).file(), "no DAMON event with a region"),
    ] {
        let (result, _) = try_import(&bytes);
        let error = result.expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains("; "), "{error}");
    }
}

#[test]
fn a_pipe_that_was_cut_keeps_what_came_before_the_cut() {
    let piped = stairs().small(1000).pipe();
    let whole = snapshots(&piped);
    let (imported, sink) = import(&piped[..piped.len() - 5]);
    assert!(imported.damaged && imported.lost_events == 1, "{imported:?}");
    assert!(imported.notes[0].starts_with("damaged, byte "), "{:?}", imported.notes);
    let kept = sink.snapshots();
    assert!(kept.len() >= whole.len() - 1);
    assert!(kept.iter().zip(&whole).take(whole.len() - 1).all(|(kept, whole)| kept.regions == whole.regions));
}

#[test]
fn compressed_data_that_unpack_to_nothing_useful_are_cut_short() {
    // 64 MiB of zeros in a few KiB: the first zero length ends it.
    let mut small = stairs().small(10);
    let zeros = zstd::encode_all(&vec![0_u8; 64 << 20][..], 19).expect("to memory");
    assert!(zeros.len() < 60_000);
    small.records.push(record(81, &zeros));
    let (imported, _) = import(&small.file());
    assert!(imported.damaged && imported.notes.iter().any(|n| n.contains("impossible length")), "{imported:?}");
}
