//! Records out of bytes, whole, wrapped, merged, cut and disturbed; and out of real rings that perf saved.

use super::records::*;
use damo_model::Nanos;
use proptest::prelude::*;
use std::path::PathBuf;

const TYPE: u64 = SampleLayout::OURS;

fn layout() -> SampleLayout {
    SampleLayout::new(TYPE).expect("has raw records")
}

/// A sample as the kernel writes it for `SampleLayout::OURS`.
fn sample(time: u64, cpu: u32, raw: &[u8]) -> Vec<u8> {
    let padded = (4 + raw.len()).next_multiple_of(8) - 4;
    let size = 8 + 24 + 4 + padded;
    let mut bytes = header(9, size);
    bytes.extend(7u64.to_ne_bytes());
    bytes.extend(time.to_ne_bytes());
    bytes.extend(cpu.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend((padded as u32).to_ne_bytes());
    bytes.extend(raw);
    bytes.resize(size, 0);
    bytes
}

fn lost(time: u64, events: u64) -> Vec<u8> {
    let mut bytes = header(2, 8 + 16 + 24);
    for word in [1, events, 7, time, 0] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

fn header(kind: u32, size: usize) -> Vec<u8> {
    let mut bytes = kind.to_ne_bytes().to_vec();
    bytes.extend([0; 2]);
    bytes.extend((size as u16).to_ne_bytes());
    bytes
}

/// (time, first raw byte) of samples, (time, 1000 + n) of losses.
fn collect(runs: &mut [RecordRun<'_>], horizon: u64) -> Vec<(i64, u64)> {
    let mut seen = Vec::new();
    merge(runs, horizon, |record| match record {
        Record::Sample(sample) => seen.push((sample.time.0, u64::from(sample.raw[0]))),
        Record::Lost { time, events } => seen.push((time.0, 1000 + events)),
    });
    seen
}

#[test]
fn a_sample_gives_its_time_its_cpu_and_its_raw_record() {
    let bytes = sample(123, 5, &[1, 2, 3]);
    let mut run = RecordRun::new(layout(), &bytes, &[]);
    let mut seen = 0;
    run.advance(&mut |record| {
        seen += 1;
        let Record::Sample(sample) = record else { panic!("{record:?}") };
        assert_eq!((sample.time, sample.cpu, &sample.raw[..3]), (Nanos(123), Some(5), &[1, 2, 3][..]));
    });
    assert_eq!((seen, run.consumed(), run.next_time()), (1, bytes.len(), None));
}

#[test]
fn losses_come_with_their_time_and_unknown_records_are_passed_over() {
    let unknown = [header(77, 16), vec![0; 8]].concat();
    let bytes = [sample(1, 0, &[1]), unknown, lost(2, 41), sample(3, 0, &[3])].concat();
    let mut runs = [RecordRun::new(layout(), &bytes, &[])];
    assert_eq!(collect(&mut runs, u64::MAX), [(1, 1), (2, 1041), (3, 3)]);
    assert_eq!(runs[0].nonsense(), 0);
}

#[test]
fn a_record_across_the_end_of_the_ring_is_put_together_wherever_the_seam_is() {
    let bytes = [sample(1, 0, &[1; 50]), sample(2, 0, &[2; 60]), lost(3, 1)].concat();
    for seam in (0..=bytes.len()).step_by(8) {
        let mut runs = [RecordRun::new(layout(), &bytes[..seam], &bytes[seam..])];
        assert_eq!(collect(&mut runs, u64::MAX), [(1, 1), (2, 2), (3, 1001)], "seam at {seam}");
        assert_eq!((runs[0].consumed(), runs[0].nonsense()), (bytes.len(), 0));
    }
}

#[test]
fn several_cpus_are_merged_by_time_and_what_is_beyond_the_horizon_stays() {
    let first = [sample(1, 0, &[1]), sample(4, 0, &[4]), sample(9, 0, &[9])].concat();
    let second = [sample(2, 1, &[2]), sample(3, 1, &[3]), sample(8, 1, &[8])].concat();
    let mut runs = [&first, &second].map(|bytes| RecordRun::new(layout(), bytes, &[]));
    assert_eq!(collect(&mut runs, 8), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(runs.each_ref().map(RecordRun::next_time), [Some(9), Some(8)]);
    assert_eq!(collect(&mut runs, u64::MAX), [(8, 8), (9, 9)]);
}

#[test]
fn a_record_that_lies_about_its_size_ends_the_run_and_is_counted() {
    for size in [0, 4, 4096] {
        let bytes = [sample(1, 0, &[1]), header(9, size), vec![0; 40]].concat();
        let mut runs = [RecordRun::new(layout(), &bytes, &[])];
        assert_eq!(collect(&mut runs, u64::MAX), [(1, 1)]);
        assert_eq!((runs[0].consumed(), runs[0].nonsense()), (bytes.len(), 48));
    }
}

#[test]
fn a_sample_type_without_raw_records_or_with_parts_of_any_length_is_refused() {
    assert_eq!(SampleLayout::new(sample_type::TIME), None);
    assert_eq!(SampleLayout::new(sample_type::RAW | 1 << 5), None);
}

/// The ring bytes that perf saved, and the `sample_type` that they were made with.
fn perf_data(name: &str) -> Option<(u64, Vec<u8>)> {
    let dir = std::env::var_os("DAMO_REAL_DATA").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let Ok(file) = std::fs::read(dir.join(name)) else {
        eprintln!("no real recordings in {}: not tested", dir.display());
        return None;
    };
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("8 bytes"));
    assert_eq!(&file[..8], b"PERFILE2");
    let (attrs, data, size) = (word(24) as usize, word(40) as usize, word(48) as usize);
    Some((word(attrs + 24), file[data..data + size].to_vec()))
}

#[test]
fn what_perf_saved_of_a_real_ring_is_read_to_the_last_byte_with_all_its_losses() {
    let Some((sample_type, bytes)) = perf_data("lossy/perf.data") else { return };
    let layout = SampleLayout::new(sample_type).expect("made by perf record");
    let (mut records, mut events) = (0, 0);
    let mut run = RecordRun::new(layout, &bytes, &[]);
    while run.next_time().is_some() {
        run.advance(&mut |record| {
            if let Record::Lost { events: lost, .. } = record {
                records += 1;
                events += lost;
            }
        });
    }
    assert_eq!((records, events), (411, 350_992));
    assert_eq!((run.consumed(), run.nonsense()), (bytes.len(), 0));
}

#[test]
fn the_size_of_a_ring_is_a_power_of_two_of_pages() {
    let page = crate::system::page_size();
    assert_eq!(super::ring_size(0), page);
    assert_eq!(super::ring_size(3 * page as u64), 4 * page);
}

#[test]
fn in_a_pid_namespace_no_ring_follows_an_id_that_is_another_threads() {
    for (namespace, is_initial) in [("pid:[4026531836]", true), ("pid:[4026532141]", false)] {
        let dir = tempfile::tempdir().expect("temp dir");
        let link = dir.path().join("proc/self/ns/pid");
        let online = dir.path().join("sys/devices/system/cpu/online");
        for path in [&link, &online] {
            std::fs::create_dir_all(path.parent().expect("has one")).expect("writable");
        }
        std::os::unix::fs::symlink(namespace, link).expect("writable");
        // Without a CPU nothing of this machine is opened.
        std::fs::write(online, "\n").expect("writable");
        let root = crate::Root::new(dir.path());
        let mut ring = super::Ring::per_cpu(&root, &[], &super::RingOptions::default()).expect("no CPU");
        assert_eq!(ring.knows_threads, is_initial);
        assert!(!ring.narrow(&[damo_model::KdamondThread(1)]) && ring.is_per_cpu());
    }
}

#[test]
fn all_cpus_share_the_requested_size_and_none_has_less_than_the_default() {
    const MIB: u64 = 1 << 20;
    let of = |size: u64, cpus| {
        let options = super::RingOptions { size: damo_model::Bytes(size), ..super::RingOptions::default() };
        super::cpu_ring_size(&options, cpus) as u64
    };
    let cases = [
        (MIB, 2, MIB),
        (4096, 2, 4096),
        (256 * MIB, 2, 128 * MIB),
        (8 * MIB, 3, 2 * MIB),
        (8 * MIB, 256, MIB / 8),
        (256 * MIB, 256, MIB),
        (u64::MAX, 64, 16 * MIB),
        (0, 0, 4096),
    ];
    for (size, cpus, each) in cases {
        assert_eq!(of(size, cpus), each, "{size} on {cpus} CPUs");
    }
    let each = super::RingOptions { cpu_size: Some(damo_model::Bytes(4 * MIB)), ..super::RingOptions::default() };
    assert_eq!(super::cpu_ring_size(&each, 256) as u64, 4 * MIB, "what is asked for each is for each");
}

proptest! {
    #[test]
    fn any_bytes_in_two_pieces_end_without_a_panic(
        first in proptest::collection::vec(any::<u8>(), 0..200),
        second in proptest::collection::vec(any::<u8>(), 0..200),
        sample_type in any::<u64>(),
    ) {
        let known: u64 = 0x107cf;
        if let Some(layout) = SampleLayout::new(sample_type & known | sample_type::RAW) {
            let mut runs = [RecordRun::new(layout, &first, &second)];
            merge(&mut runs, u64::MAX, |_| {});
            prop_assert_eq!(runs[0].consumed(), first.len() + second.len());
        }
    }

    #[test]
    fn a_disturbed_ring_never_gives_more_records_than_it_has_and_is_always_used_up(
        times in proptest::collection::vec(0u64..1000, 1..20), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes: Vec<u8> = times.iter().flat_map(|time| sample(*time, 0, &[3; 20])).collect();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut runs = [RecordRun::new(layout(), &bytes, &[])];
        let mut seen = 0;
        merge(&mut runs, u64::MAX, |_| seen += 1);
        prop_assert!(seen <= times.len() * 8);
        prop_assert_eq!(runs[0].consumed(), bytes.len());
    }

    #[test]
    fn merging_any_split_of_ordered_events_gives_them_back_in_order(owners in proptest::collection::vec(0usize..4, 1..60)) {
        let mut cpus = vec![Vec::new(); 4];
        for (time, owner) in owners.iter().enumerate() {
            cpus[*owner].extend(sample(time as u64, *owner as u32, &[0; 8]));
        }
        let mut runs: Vec<_> = cpus.iter().map(|bytes| RecordRun::new(layout(), bytes, &[])).collect();
        let mut seen = Vec::new();
        merge(&mut runs, u64::MAX, |record| {
            if let Record::Sample(sample) = record {
                seen.push((sample.time.0 as usize, sample.cpu.expect("recorded") as usize));
            }
        });
        let all: Vec<_> = owners.into_iter().enumerate().collect();
        prop_assert_eq!(seen, all);
    }
}
