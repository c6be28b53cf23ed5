//! Real recordings, and what the Python tool made of the same.

mod common;

use common::{Checked, import, real, real_bytes};
use damo_import::{Format, JsonWriter, Options, PerfScriptWriter, import_path};
use damo_model::{Addr, Bytes, Clock, ColumnId, Item, Nanos, Ops, Side, Sink, SnapshotState, Source, TargetKey};
use flate2::read::{GzDecoder, ZlibDecoder};
use std::io::Read;
use std::path::{Path, PathBuf};

fn inflated(name: &str) -> Vec<u8> {
    let mut text = Vec::new();
    ZlibDecoder::new(&real_bytes(name)[..]).read_to_end(&mut text).expect("zlib");
    text
}

fn python_perf_script() -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(&real_bytes("stairs/perf_script.txt.gz")[..]).read_to_end(&mut text).expect("gzip");
    text
}

fn to_json(items: &[Item], compress: bool) -> Vec<u8> {
    let mut writer = JsonWriter::new(Vec::new(), compress);
    items.iter().for_each(|item| writer.put(item).expect("to memory"));
    writer.finish().expect("to memory").0
}

fn to_perf_script(items: &[Item]) -> Vec<u8> {
    let mut writer = PerfScriptWriter::new(Vec::new());
    items.iter().for_each(|item| writer.put(item).expect("to memory"));
    writer.finish().expect("to memory").0
}

#[test]
fn perf_data_holds_the_snapshots_that_the_python_tool_found_in_it() {
    let (perf, json) = (import(&real_bytes("stairs/perf.data")), import(&real_bytes("stairs/damon.data")));
    assert_eq!((perf.0.format, json.0.format), (Format::PerfData, Format::DamoJsonZlib));
    assert_eq!((perf.0.snapshots, perf.0.regions, perf.0.partial_snapshots), (435, 8701, 0));
    assert_eq!((json.0.snapshots, json.0.regions), (435, 8701));
    for (perf, json) in perf.1.snapshots().into_iter().zip(json.1.snapshots()) {
        assert_eq!(perf.regions, json.regions);
        // That one went through text, which perf cuts off to microseconds.
        assert!((0..=1000).contains(&(perf.end.0 - json.end.0)), "{} {}", perf.end.0, json.end.0);
        assert!((perf.start.0 - json.start.0).abs() <= 1000, "{} {}", perf.start.0, json.start.0);
    }
}

#[test]
fn perf_data_tells_where_it_was_recorded() {
    let (_, sink) = import(&real_bytes("stairs/perf.data"));
    let meta = sink.meta();
    assert_eq!(meta.kernel_release, "6.12.113+deb12-amd64");
    assert_eq!((meta.page_size, meta.clock), (Some(Bytes(4096)), Clock::TraceLocal));
    assert_eq!(meta.source, Source::Imported { format: "perf_data".to_owned() });
    let events: Vec<_> = meta.formats.iter().map(|format| format.event.as_str()).collect();
    assert_eq!(events, ["damon:damon_aggregated", "damon:damos_before_apply"]);
    assert_eq!(meta.command.first().map(String::as_str), Some("/usr/bin/perf"));
}

#[test]
fn json_is_written_as_the_python_tool_writes_it_byte_for_byte() {
    let (_, sink) = import(&real_bytes("stairs/damon.data"));
    assert!(to_json(&sink.items, false) == inflated("stairs/damon.data"), "plain text differs");
    let compressed = to_json(&sink.items, true);
    let (again, twice) = import(&compressed);
    assert_eq!(again.format, Format::DamoJsonZlib);
    assert_eq!(twice.items, sink.items);
}

#[test]
fn perf_script_is_written_as_the_python_tool_writes_it_byte_for_byte() {
    let (_, sink) = import(&real_bytes("stairs/damon.data"));
    assert!(to_perf_script(&sink.items) == python_perf_script(), "text differs");
}

#[test]
fn text_and_json_of_one_recording_hold_the_same_the_inferred_start_included() {
    let (imported, text) = import(&python_perf_script());
    assert_eq!(imported.format, Format::PerfScript);
    let (_, json) = import(&real_bytes("stairs/damon.data"));
    assert_eq!(text.snapshots()[0].start, Nanos(37_265_721_239));
    for (text, json) in text.snapshots().into_iter().zip(json.snapshots()) {
        assert_eq!(text.regions, json.regions);
        // The Python tool goes through a float and cuts off.
        assert!((0..=1).contains(&(text.end.0 - json.end.0)), "{} {}", text.end.0, json.end.0);
    }
}

#[test]
fn lost_events_are_counted_once_and_leave_partial_snapshots_never_merged_ones() {
    let (imported, sink) = import(&real_bytes("lossy/perf.data"));
    // The sum of the LOST records; the LOST_SAMPLES at a recording's end say the same once more.
    assert_eq!((imported.lost_events, imported.regions), (21_348, 4_771));
    let told = |side: &&&Side| matches!(side, Side::Lost(lost) if lost.reason == "ring");
    assert_eq!(sink.side_data().iter().filter(told).count(), 25);
    assert!(imported.partial_snapshots >= 20, "{imported:?}");
    for snapshot in sink.snapshots() {
        match snapshot.state {
            SnapshotState::Complete => assert!(snapshot.regions.len() > 900),
            SnapshotState::Partial { expected } => assert!((snapshot.regions.len() as u32) < expected),
        }
    }
}

#[test]
fn snapshots_that_the_python_tool_cut_in_the_wrong_place_are_put_right() {
    let (imported, sink) = import(&real_bytes("thousand-regions/damon.data"));
    assert_eq!((imported.snapshots, imported.regions, imported.partial_snapshots), (81, 81_000, 0));
    assert!(sink.snapshots().iter().all(|snapshot| snapshot.regions.len() == 1000));
    // Ages go up by one from snapshot to snapshot where nothing happens, also of the region that was in the wrong one.
    let last_ages: Vec<_> = sink.snapshots()[3..8]
        .iter()
        .map(|s| s.regions.last().and_then(|region| region.age).map(|age| age.0))
        .collect();
    assert_eq!(last_ages, [20, 21, 22, 23, 24].map(Some));
    assert!(imported.notes.iter().any(|note| note.ends_with("got them back: 77")), "{:?}", imported.notes);
}

#[test]
fn a_trace_text_that_ends_within_a_snapshot_says_so() {
    let (imported, sink) = import(&real_bytes("trace-text/trace.txt"));
    assert_eq!((imported.format, imported.snapshots, imported.partial_snapshots), (Format::TraceCmdText, 43, 1));
    let last = sink.snapshots()[42];
    assert_eq!(last.state, SnapshotState::Partial { expected: 14 });
    assert_eq!(sink.snapshots()[0].end, Nanos(10_394_634_000));
    assert_eq!(sink.snapshots()[1].regions[17].nr_accesses.0, 4);
}

#[test]
fn schemes_and_targets_are_kept_apart() {
    let (imported, sink) = import(&real_bytes("schemes/trace.txt"));
    assert_eq!(imported.partial_snapshots, 0, "{imported:?}");
    let identities: Vec<_> = sink.targets().iter().map(|t| (t.context, t.scheme, t.target_id)).collect();
    let expected =
        [(Some(0), Some(0), Some(0)), (Some(0), Some(0), Some(1)), (None, None, Some(0)), (None, None, Some(1))];
    assert_eq!(identities, expected);
    // What a scheme was applied to starts where the target's aggregation does.
    let of = |key| sink.snapshots().into_iter().filter(move |snapshot| snapshot.target == TargetKey(key));
    for (scheme, plain) in of(0).zip(of(2)) {
        assert!(scheme.start < plain.end && scheme.end <= plain.end);
        let inside = |region: &damo_model::Region| plain.regions.iter().any(|other| other.range() == region.range());
        assert!(scheme.regions.iter().all(inside), "regions that the target does not have");
    }
}

#[test]
fn side_files_give_intervals_processes_footprints_mappings_and_cpu_time() {
    let mut sink = Checked::default();
    import_path(&real("stairs/damon.data"), &Options::default(), &mut sink).expect("a record");
    let process = sink.targets()[0].process.clone().expect("the kdamonds file tells");
    assert_eq!((process.pid, process.comm.as_str()), (214, "masim"));
    assert!(process.started.is_some_and(|started| started.0 > 0));
    assert_eq!(sink.meta().ops, Some(Ops::Vaddr));
    let count = |is: fn(&Side) -> bool| sink.side_data().into_iter().filter(|side| is(side)).count();
    assert_eq!(count(|side| matches!(side, Side::Params(_))), 1);
    let process = |side: &&Side| matches!(side, Side::Process(p) if p.target == Some(TargetKey(0)));
    let first = sink.side_data().into_iter().find(process).cloned();
    let Some(Side::Process(first)) = first else { panic!("no footprint") };
    assert_eq!(first.footprint.rss, Some(Bytes(26_562 * 4096)));
    assert!(count(|side| matches!(side, Side::System(system) if system.total == Bytes(2_021_152 * 1024))) > 10);
    assert!(count(|side| matches!(side, Side::Cpu(cpu) if cpu.kdamond && cpu.comm == "kdamond.0")) > 10);
    let mappings = sink.side_data().into_iter().find_map(|side| match side {
        Side::Mappings(mappings) => Some(mappings.clone()),
        _ => None,
    });
    let mappings = mappings.expect("the vmas file tells").mappings;
    assert_eq!((mappings[0].start, mappings[0].name.as_str()), (Addr(4_194_304), "/usr/local/bin/masim"));
    assert!(mappings.iter().any(|mapping| mapping.name.is_empty()), "unnamed memory has no name");
}

#[test]
fn every_real_recording_goes_through_every_writer_and_back() {
    let files = ["stairs/perf.data", "lossy/perf.data", "schemes/trace.txt"];
    for file in files {
        let (_, sink) = import(&real_bytes(file));
        for bytes in [to_json(&sink.items, false), to_json(&sink.items, true), to_perf_script(&sink.items)] {
            let (imported, again) = import(&bytes);
            let sorted = |sink: &Checked| {
                let mut all: Vec<_> = sink.snapshots().into_iter().map(|s| (s.end.0, s.regions.clone())).collect();
                all.sort_by_key(|(end, regions)| (end / 10_000, regions.first().map(|region| region.start)));
                all
            };
            for (again, once) in sorted(&again).iter().zip(sorted(&sink)) {
                assert!(
                    (again.0 - once.0).abs() <= 500,
                    "{file} through {:?}: {} {}",
                    imported.format,
                    again.0,
                    once.0
                );
                assert!(again.1 == once.1, "{file} through {:?} at {} ns", imported.format, once.0);
            }
            assert_eq!(imported.regions, sink.snapshots().iter().map(|s| s.regions.len() as u64).sum::<u64>());
            assert_eq!(again.targets().len(), sink.targets().len(), "{file} through {:?}", imported.format);
        }
    }
}

#[test]
fn extra_columns_survive_json() {
    let (_, sink) = import(&real_bytes("schemes/trace.txt"));
    let mut items = sink.items.clone();
    for item in &mut items {
        if let Item::Snapshot(snapshot) = item {
            let values: Vec<u64> = (0..snapshot.regions.len() as u64).map(|row| row * 1024 * 1024).collect();
            snapshot.extras.push(damo_model::ExtraColumn { id: ColumnId::FILTER_PASSED, values: values.clone() });
            snapshot.extras.push(damo_model::ExtraColumn { id: damo_model::ColumnId::of_probe(0).unwrap(), values });
        }
    }
    let (_, again) = import(&to_json(&items, false));
    let longest = again.snapshots().into_iter().max_by_key(|snapshot| snapshot.regions.len()).expect("some").clone();
    assert_eq!(longest.extras[0].values[..3], [0, 1 << 20, 2 << 20]);
    assert_eq!(longest.extras[1].values[..3], [0, 1 << 20, 2 << 20]);
}

/// The recordings that are too large for the repository, where they are at hand.
#[test]
fn every_recording_at_hand_loads() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("DAMO_REAL_DATA").map_or(default, PathBuf::from);
    if !root.is_dir() {
        println!("no real recordings at {}: nothing to do", root.display());
        return;
    }
    let expected = [
        ("stairs/perf.data", 435, 8_701),
        ("stairs/damon.data", 435, 8_701),
        ("thousand-regions/damon.data", 81, 81_000),
        ("lossy/perf.data", 412, 60_596),
        ("trace-text/trace.txt", 138, 2_146),
        ("schemes/trace.txt", 186, 1_711),
    ];
    for (file, snapshots, regions) in expected {
        let path = root.join(file);
        if !path.exists() {
            println!("{file} is not at hand");
            continue;
        }
        let mut sink = Checked::default();
        let imported = import_path(&path, &Options::default(), &mut sink).expect("a record");
        assert_eq!((imported.snapshots, imported.regions), (snapshots, regions), "{file}: {imported:?}");
    }
}
