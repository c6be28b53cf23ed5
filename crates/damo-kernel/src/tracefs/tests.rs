//! Layouts as kernels told them, and real pages of a kernel's ring buffer.

use super::*;
use damo_model::{Addr, Age, Nanos, NrAccesses, Region};
use damo_trace::assemble::{Assembler, EventKey, RegionEvent};
use proptest::prelude::*;
use std::path::PathBuf;

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/kernel").join(name)
}

fn format(name: &str) -> EventFormat {
    let text = std::fs::read_to_string(testdata(&format!("formats/{name}.txt"))).expect("in testdata");
    EventFormat::parse(&text).expect("a format")
}

/// A raw record with the given values at the places that the format tells.
fn record(format: &EventFormat, pid: i32, values: &[(&str, u64)]) -> Vec<u8> {
    let len = format.fields.iter().map(|field| field.offset + field.size).max().unwrap_or(8) as usize;
    let mut raw = vec![0; len];
    raw[..2].copy_from_slice(&(format.id as u16).to_ne_bytes());
    raw[4..8].copy_from_slice(&pid.to_ne_bytes());
    for (name, value) in values {
        let field = format.field(name).expect("in the format");
        let at = field.offset as usize;
        let bytes = value.to_ne_bytes();
        let size = field.size as usize;
        let bytes = if cfg!(target_endian = "little") { &bytes[..size] } else { &bytes[8 - size..] };
        raw[at..at + size].copy_from_slice(bytes);
    }
    raw
}

const VALUES: [(&str, u64); 5] =
    [("target_id", 1), ("nr_regions", 13), ("start", 0x7000), ("end", 0x9000), ("nr_accesses", 20)];

#[test]
fn the_layout_of_a_6_12_kernel_is_read_as_that_kernel_told_it() {
    let format = format("6.12-damon_aggregated");
    assert_eq!((format.name.as_str(), format.id), ("damon_aggregated", 734));
    let age = format.field("age").expect("6.12 has it");
    assert_eq!((age.offset, age.size, age.signed, age.place), (44, 4, false, FieldLocation::Inline));
    assert_eq!(format.fields.len(), 10);
}

#[test]
fn without_age_as_on_5_15_age_is_absent_and_not_zero() {
    let format = format("5.15-damon_aggregated");
    let decoder = Decoder::new(std::slice::from_ref(&format)).expect("age is optional");
    let raw = record(&format, 77, &VALUES);
    let decoded = decoder.decode(&raw).expect("long enough").expect("known");
    let region = Region::new(Addr(0x7000), Addr(0x9000), NrAccesses(20), None);
    assert_eq!(decoded, Decoded { pid: 77, event: Event::Aggregated { target_id: 1, nr_regions: 13, region } });
}

#[test]
fn fields_are_found_wherever_a_kernel_puts_them_and_unknown_ones_do_no_harm() {
    for name in ["6.12-damon_aggregated", "moved-damon_aggregated"] {
        let format = format(name);
        let decoder = Decoder::new(std::slice::from_ref(&format)).expect("all fields there");
        let raw = record(&format, -5, &[&VALUES[..], &[("age", 42)]].concat());
        let decoded = decoder.decode(&raw).expect("long enough").expect("known");
        let region = Region::new(Addr(0x7000), Addr(0x9000), NrAccesses(20), Some(Age(42)));
        assert_eq!(decoded, Decoded { pid: -5, event: Event::Aggregated { target_id: 1, nr_regions: 13, region } });
    }
}

#[test]
fn probe_hits_are_taken_from_the_place_that_the_record_tells() {
    let format = format("newer-damon_region_aggregated");
    let decoder = Decoder::new(std::slice::from_ref(&format)).expect("known");
    let location = (3 << 16) | 48;
    let mut raw = record(&format, 9, &[&VALUES[..], &[("age", 1), ("probe_hits", location)]].concat());
    raw.extend([13, 0, 7]);
    let decoded = decoder.decode(&raw).expect("long enough").expect("known");
    let Event::RegionAggregated { probe_hits, .. } = decoded.event else { panic!("{decoded:?}") };
    assert_eq!(probe_hits, [13, 0, 7]);
    raw.pop();
    assert!(decoder.decode(&raw).is_err(), "the array reaches beyond the record");
}

#[test]
fn the_other_events_of_newer_kernels_are_understood() {
    let formats: Vec<_> = [
        "6.12-damos_before_apply",
        "6.17-damon_monitor_intervals_tune",
        "6.17-damos_esz",
        "7.0-damos_stat_after_apply_interval",
    ]
    .map(format)
    .into_iter()
    // The texts are of different kernels, so that numbers may collide.
    .zip(900..)
    .map(|(format, id)| EventFormat { id, ..format })
    .collect();
    let decoder = Decoder::new(&formats).expect("known");
    let decode = |at: usize, values: &[(&str, u64)]| {
        let raw = record(&formats[at], 1, values);
        format!("{:?}", decoder.decode(&raw).expect("long enough").expect("known").event)
    };
    let apply = decode(0, &[("context_idx", 1), ("scheme_idx", 2), ("target_idx", 3), ("start", 4096), ("end", 8192)]);
    assert!(apply.starts_with("BeforeApply { context_idx: 1, scheme_idx: 2, target_idx: 3,"), "{apply}");
    assert_eq!(decode(1, &[("sample_us", 7000)]), "IntervalsTune { sample: Nanos(7000000) }");
    assert!(decode(2, &[("esz", 4096)]).contains("size: Bytes(4096)"));
    assert!(decode(3, &[("sz_applied", 77)]).contains("sz_applied: Bytes(77)"));
}

#[test]
fn an_event_without_a_field_that_is_needed_is_refused_by_name() {
    let mut format = format("6.12-damon_aggregated");
    format.fields.retain(|field| field.name != "nr_accesses");
    let error = Decoder::new(&[format]).expect_err("a snapshot without accesses is none");
    assert_eq!(error.to_string(), "event damon_aggregated has no field `nr_accesses` of 1, 2, 4 or 8 bytes");
}

#[test]
fn a_record_cut_anywhere_is_an_error_or_an_event_but_never_a_read_beyond_it() {
    let format = format("6.12-damon_aggregated");
    let decoder = Decoder::new(std::slice::from_ref(&format)).expect("known");
    let raw = record(&format, 1, &VALUES);
    for len in 0..raw.len() {
        assert!(decoder.decode(&raw[..len]).is_err(), "{len} bytes");
    }
    assert!(decoder.decode(&raw).is_ok());
}

#[test]
fn tracefs_is_found_where_it_is_mounted_and_its_absence_tells_the_command() {
    let dir = tempfile::tempdir().expect("temp dir");
    let root = crate::Root::new(dir.path());
    let error = Tracefs::find(&root).expect_err("nothing there").to_string();
    assert!(error.contains("mount -t tracefs tracefs /sys/kernel/tracing"), "{error}");
    let event = dir.path().join("odd/place/events/damon/damon_aggregated");
    std::fs::create_dir_all(&event).expect("writable");
    std::fs::copy(testdata("formats/6.12-damon_aggregated.txt"), event.join("format")).expect("writable");
    std::fs::create_dir_all(dir.path().join("proc")).expect("writable");
    std::fs::write(dir.path().join("proc/mounts"), "none /odd/place tracefs rw 0 0\n").expect("writable");
    let tracefs = Tracefs::find(&root).expect("mounted");
    assert_eq!(tracefs.damon_event_names(), ["damon_aggregated"]);
    assert_eq!(tracefs.recording_events(true, false).expect("there").len(), 1);
    let error = tracefs.event("damos_before_apply").expect_err("not there").to_string();
    assert!(error.contains("damos_before_apply/format") && error.contains("CONFIG_DAMON"), "{error}");
}

#[test]
fn of_the_two_events_that_say_regions_one_is_recorded() {
    let there = |names: &[&str]| {
        let dir = tempfile::tempdir().expect("temp dir");
        for name in names {
            let event = dir.path().join("sys/kernel/tracing/events/damon").join(name.split_once('-').expect("named").1);
            std::fs::create_dir_all(&event).expect("writable");
            std::fs::copy(testdata(&format!("formats/{name}.txt")), event.join("format")).expect("writable");
        }
        let tracefs = Tracefs::new(&crate::Root::new(dir.path()), "sys/kernel/tracing");
        let formats = tracefs.recording_events(true, false).map_err(|error| error.to_string())?;
        Ok::<_, String>(formats.into_iter().map(|format| format.name).collect::<Vec<_>>())
    };
    let (old, new) = ("6.12-damon_aggregated", "newer-damon_region_aggregated");
    assert_eq!(there(&[old]).expect("there"), ["damon_aggregated"]);
    assert_eq!(there(&[old, new]).expect("there"), ["damon_aggregated"]);
    assert_eq!(there(&[new]).expect("there"), ["damon_region_aggregated"]);
    assert!(there(&["6.17-damos_esz"]).expect_err("no regions").contains("damon_aggregated/format"));
}

/// All records of a recorded `trace_pipe_raw`.
fn real_records(cpu: u32) -> Vec<(u64, Vec<u8>)> {
    let bytes = std::fs::read(testdata(&format!("tracefs/raw.cpu{cpu}"))).expect("in testdata");
    let pages = bytes.chunks(4096).map(|page| RawPage::new(page).expect("a whole page"));
    pages.flat_map(|page| page.map(|event| (event.time, event.raw.to_vec())).collect::<Vec<_>>()).collect()
}

#[test]
fn pages_of_a_real_ring_buffer_give_whole_snapshots_once_the_cpus_are_merged() {
    let decoder = Decoder::new(&[format("6.12-damon_aggregated")]).expect("known");
    let mut records = [real_records(0), real_records(1)].concat();
    records.sort_by_key(|(time, _)| *time);
    let mut assembler = Assembler::default();
    for (time, raw) in &records {
        let decoded = decoder.decode(raw).expect("whole").expect("known");
        let Event::Aggregated { target_id, nr_regions, region } = decoded.event else { panic!("{decoded:?}") };
        let key = EventKey { thread: Some(decoded.pid), target_id, ..EventKey::default() };
        let time = Nanos(*time as i64);
        assembler.push(&RegionEvent { key, time, nr_regions, region, extras: &[] }).expect("in order of time");
    }
    let mut snapshots = 0;
    while let Some(snapshot) = assembler.pop() {
        snapshots += 1;
        assert_eq!(snapshot.state, damo_model::SnapshotState::Complete);
        assert!(snapshot.regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
    assert_eq!(records.len(), EVENTS);
    assert_eq!(snapshots, SNAPSHOTS);
}

/// Of the recording: counted once by hand with an independent script.
const EVENTS: usize = 658;
const SNAPSHOTS: usize = 40;

proptest! {
    #[test]
    fn any_text_is_a_format_or_an_error(text in "\\PC{0,400}") {
        let _ = EventFormat::parse(&text);
    }

    #[test]
    fn a_format_with_any_line_disturbed_never_makes_a_decoder_that_reads_beyond(
        at in 0usize..700, byte in any::<u8>(), raw in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut text = std::fs::read(testdata("formats/newer-damon_region_aggregated.txt")).expect("in testdata");
        let at = at % text.len();
        text[at] = byte;
        if let Ok(format) = EventFormat::parse(&String::from_utf8_lossy(&text)) {
            let id = (format.id as u16).to_ne_bytes();
            if let Ok(decoder) = Decoder::new(&[format]) {
                let raw = [&id[..], &raw].concat();
                let _ = decoder.decode(&raw);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_page_without_a_panic(page in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(page) = RawPage::new(&page) {
            prop_assert!(page.count() <= 300);
        }
    }
}
