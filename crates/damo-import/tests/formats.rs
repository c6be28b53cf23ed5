//! What the formats can say beyond what the real recordings do.

mod common;

use common::{import, try_import};
use damo_import::{Format, Imported, Options, sniff};
use damo_model::{
    Addr, Age, Bytes, Hz, Intervals, IntervalsGoal, Item, Nanos, NrAccesses, Region, Side, SnapshotState,
};

const HEAD: &str = "kdamond.0 231 [001]";

fn line(seconds: &str, fields: &str) -> String {
    format!("{HEAD} {seconds}: damon:damon_aggregated: {fields}\n")
}

#[test]
fn each_format_is_told_by_its_bytes_and_others_are_named() {
    let line = line("1.5", "target_id=0 nr_regions=1 4096-8192: 3 7");
    assert_eq!(sniff(line.as_bytes()), Some(Format::PerfScript));
    assert_eq!(sniff(line.replace("damon:damon", "damon").as_bytes()), Some(Format::TraceCmdText));
    assert_eq!(sniff(b" \n[{\"target_id\""), Some(Format::DamoJson));
    assert_eq!(sniff(&[0x78, 0x9c, 0x8b]), Some(Format::DamoJsonZlib));
    assert_eq!(sniff(b"damon_recfmt_ver\x01\0\0\0"), Some(Format::LegacyBinary));
    for (bytes, expected) in [
        (&b""[..], "empty"),
        (b"\x17\x08\x44tracing6", "trace-cmd report"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"hello\nworld\n", "text without any DAMON event"),
        (b"\x00\x01\x02\x03", "unknown binary data"),
    ] {
        assert_eq!(sniff(bytes), None);
        let error = try_import(bytes).0.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Events of others may come first, for longer than a sniff looks.
    let late = format!("{}{line}", "swapper 0 [000] 1.0: sched:sched_wakeup: x\n".repeat(3000));
    assert_eq!(import(late.as_bytes()).0.format, Format::PerfScript);
}

#[test]
fn a_single_snapshot_starts_an_aggregation_before_its_end_if_that_is_known() {
    let text = line("1.5", "target_id=0 nr_regions=1 4096-8192: 3 7");
    let start = |options: &Options| {
        let mut items: Vec<Item> = Vec::new();
        damo_import::import(text.as_bytes(), "x", options, &mut items).expect("a record");
        items.iter().find_map(|item| if let Item::Snapshot(s) = item { Some(s.start) } else { None }).expect("one")
    };
    assert_eq!(
        start(&Options { intervals: Some(Intervals::default()), ..Options::default() }),
        Nanos::from_millis(1400)
    );
    assert_eq!(start(&Options::default()), Nanos::from_millis(1500));
}

#[test]
fn the_mark_before_the_first_snapshot_gives_its_start_and_is_no_snapshot() {
    let text =
        line("1.5", "target_id=0 nr_regions=1 4096-8192: 3 7") + &line("1.6", "target_id=0 nr_regions=1 0-0: -1 -1");
    let (imported, sink) = import(text.as_bytes());
    assert_eq!((imported.snapshots, sink.snapshots()[0].start), (1, Nanos::from_millis(1400)));
}

#[test]
fn lost_lines_and_unreadable_lines_are_counted_with_the_first_of_them() {
    let text = format!(
        "{}CPU:1 [LOST 123 EVENTS]\n{}{}",
        line("1.5", "target_id=0 nr_regions=2 4096-8192: 3 7"),
        line("1.6", "target_id=0 nr_regions=2 4096-oops"),
        line("1.6", "target_id=0 nr_regions=2 8192-12288: 3 7"),
    );
    let (imported, sink) = import(text.as_bytes());
    assert_eq!((imported.lost_events, imported.partial_snapshots), (124, 2));
    assert!(imported.notes[0].contains("line 3: kdamond.0 231"), "{:?}", imported.notes);
    assert_eq!(sink.side_data().iter().filter(|side| matches!(side, Side::Lost(_))).count(), 2);
}

#[test]
fn times_that_go_backwards_in_a_text_are_an_error_with_the_line() {
    let text = line("1.5", "target_id=0 nr_regions=1 0-8: 3 7") + &line("1.4", "target_id=0 nr_regions=1 0-8: 3 7");
    let error = try_import(text.as_bytes()).0.expect_err("not sorted").to_string();
    assert!(error.starts_with("test, line 2: ") && error.contains("sort"), "{error}");
}

#[test]
fn tuned_intervals_hold_from_the_event_on() {
    let tune = format!("{HEAD} 1.55: damon:damon_monitor_intervals_tune: sample_us=10000\n");
    let region = |time| line(time, "target_id=0 nr_regions=1 4096-8192: 3 7");
    let text = region("1.5") + &tune + &region("1.7");
    let mut items: Vec<Item> = Vec::new();
    let options = Options { intervals: Some(Intervals::default()), ..Options::default() };
    damo_import::import(text.as_bytes(), "x", &options, &mut items).expect("a record");
    let rates: Vec<Hz> = items
        .iter()
        .filter_map(|item| if let Item::Snapshot(s) = item { s.intervals.map(|i| i.rate(20.0)) } else { None })
        .collect();
    assert_eq!(rates, [Hz(200.0), Hz(100.0)]);
    assert!(items.iter().any(|item| matches!(item, Item::Side(Side::Mark(mark)) if mark.text.contains("10000 us"))));
    // Without the intervals that it began with, rates are not made up.
    let (imported, sink) = import(text.as_bytes());
    assert!(sink.snapshots().iter().all(|snapshot| snapshot.intervals.is_none()));
    assert!(imported.notes.iter().any(|note| note.contains("auto-tuning")), "{:?}", imported.notes);
}

#[test]
fn regions_with_probe_findings_are_taken_once() {
    let plain = line("1.5", "target_id=0 nr_regions=1 4096-8192: 3 7");
    let probed = plain.replace("damon_aggregated", "damon_region_aggregated").replace("3 7", "3 7 probe_hits=02 0a");
    let (imported, sink) = import((plain.clone() + &probed).as_bytes());
    assert_eq!((imported.snapshots, imported.regions), (1, 1));
    assert!(sink.snapshots()[0].extras.is_empty());
    let (imported, sink) = import(probed.as_bytes());
    assert_eq!(imported.snapshots, 1);
    assert_eq!(sink.snapshots()[0].extras.iter().map(|extra| extra.values[0]).collect::<Vec<_>>(), [2, 10]);
}

#[test]
fn the_oldest_json_with_only_target_and_snapshots_is_read() {
    let json = br#"[{"target_id": 18446623438842320000, "snapshots": [
        {"start_time": 100, "end_time": 200, "regions": [
            {"start": "4 KiB", "end": "12K", "nr_accesses": {"samples": "3", "percent": null}, "age": null},
            {"start": 12288, "end": 16384.0, "nr_accesses": {"samples": 4}, "age": {"usec": null, "aggr_intervals": "1,234"}}
        ]}]}]"#;
    let (_, sink) = import(json);
    assert_eq!(sink.targets()[0].target_id, Some(18_446_623_438_842_320_000));
    let expected = [
        Region::new(Addr(4096), Addr(12288), NrAccesses(3), None),
        Region::new(Addr(12288), Addr(16384), NrAccesses(4), Some(Age(1234))),
    ];
    assert_eq!(sink.snapshots()[0].regions, expected);
}

#[test]
fn percents_and_microseconds_are_converted_by_the_intervals_in_both_forms() {
    for intervals in [
        r#"{"sample_us": "5000", "aggr_us": "100000", "ops_update_us": "1000000"}"#,
        r#"{"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s",
            "intervals_goal": {"access_bp": "4 %", "aggrs": "3", "min_sample_us": "5 ms", "max_sample_us": "10 s"}}"#,
    ] {
        let json = format!(
            r#"[{{"kdamond_idx": 1, "context_idx": "2", "scheme_idx": 3, "target_id": 4, "data_source": "damon_stat",
                "intervals": {intervals}, "scheme_filters": [{{"filter_type": "anon"}}],
                "snapshots": [{{"start_time": "1 s", "end_time": "1.1 s", "damos_stats": {{"nr_tried": 1}},
                "regions": [{{"start": 0, "end": 4096, "nr_accesses": {{"samples": null, "percent": "50 %"}},
                "age": {{"usec": "300 ms", "aggr_intervals": null}}, "sz_filter_passed": "1.5 KiB"}}]}}]}}]"#
        );
        let (imported, sink) = import(json.as_bytes());
        let target = sink.targets()[0];
        assert_eq!((target.kdamond.map(|index| index.0), target.context, target.scheme), (Some(1), Some(2), Some(3)));
        assert_eq!(target.data_source, "damon_stat");
        assert_eq!(target.scheme_filters, r#"[{"filter_type":"anon"}]"#);
        let snapshot = sink.snapshots()[0];
        assert_eq!(snapshot.intervals, Some(Intervals::default()));
        assert_eq!((snapshot.start, snapshot.end), (Nanos::from_secs(1), Nanos::from_millis(1100)));
        assert_eq!(snapshot.regions, [Region::new(Addr(0), Addr(4096), NrAccesses(10), Some(Age(3)))]);
        assert_eq!(snapshot.extras[0].values, [1536]);
        assert!(imported.notes.iter().any(|note| note.contains("damos_stats")), "{:?}", imported.notes);
        let goal = IntervalsGoal {
            access_bp: 400,
            aggregations: 3,
            min_sample: Nanos::from_millis(5),
            max_sample: Nanos::from_secs(10),
        };
        assert_eq!(sink.meta().intervals_goal, intervals.contains("goal").then_some(goal));
    }
}

fn json_of(regions: &str) -> String {
    format!("[{{\"target_id\": 0, \"snapshots\": [{{\"start_time\": 1, \"end_time\": 2, \"regions\": [{regions}]}}]}}]")
}

#[test]
fn regions_of_json_are_sorted_and_what_cannot_be_is_left_out_counted_and_marked() {
    let region =
        |start: u64, end: u64| format!("{{\"start\": {start}, \"end\": {end}, \"nr_accesses\": {{\"samples\": 1}}}}");
    let read = |regions: &[(u64, u64)]| -> (Imported, Vec<u64>, SnapshotState) {
        let list: Vec<_> = regions.iter().map(|(start, end)| region(*start, *end)).collect();
        let (imported, sink) = import(json_of(&list.join(",")).as_bytes());
        let snapshot = sink.snapshots()[0];
        (imported, snapshot.regions.iter().map(|region| region.start.0).collect(), snapshot.state)
    };
    let (_, starts, state) = read(&[(20, 30), (0, 10), (10, 20)]);
    assert_eq!((starts, state), (vec![0, 10, 20], SnapshotState::Complete));
    let (imported, starts, state) = read(&[(0, 10), (5, 20), (20, 20), (40, 30), (50, 60)]);
    assert_eq!((starts, state), (vec![0, 50], SnapshotState::Partial { expected: 5 }));
    assert!(imported.notes[0].ends_with("marked as partial: 2"), "{:?}", imported.notes);
    assert!(imported.notes[1].starts_with("regions that overlap"), "{:?}", imported.notes);
}

#[test]
fn json_that_says_something_impossible_is_refused_with_the_line() {
    for (json, expected) in [
        (json_of("{\"start\": -4096, \"end\": 8192}"), "start is negative"),
        (json_of("{\"start\": 0, \"end\": 8192, \"nr_accesses\": {\"samples\": -3}}"), "nr_accesses is negative"),
        (json_of("{\"start\": 0, \"end\": 8192, \"age\": {\"aggr_intervals\": \"99999999999\"}}"), "age is too large"),
        (json_of("{\"start\": \"nan\", \"end\": 8192}"), "nan"),
        (json_of("{\"end\": 8192}"), "missing field `start`"),
        (json_of("").replace("\"end_time\": 2", "\"end_time\": 0"), "ends (0 ns) before it starts (1 ns)"),
        ("[{\"snapshots\": []}]".to_owned(), "missing field `target_id`"),
        ("[{\"target_id\": 0}]".to_owned(), "missing field `snapshots`"),
        ("{\"kdamonds\": []}".to_owned(), "a list of records"),
        ("[]".to_owned(), "the list of records is empty"),
    ] {
        let error = try_import(json.as_bytes()).0.expect_err(&json).to_string();
        assert!(error.starts_with("test") && error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn all_three_versions_of_the_binary_record_are_read() {
    for version in 0..3_i32 {
        let mut bytes = Vec::new();
        if version > 0 {
            bytes.extend(b"damon_recfmt_ver");
            bytes.extend(version.to_le_bytes());
        }
        for (seconds, nanos) in [(10_i64, 0_i64), (10, 100_000_000), (10, 210_000_000)] {
            bytes.extend(seconds.to_le_bytes());
            bytes.extend(nanos.to_le_bytes());
            bytes.extend(2_u32.to_le_bytes());
            for target in [7_u32, 9] {
                bytes.extend(target.to_le_bytes());
                if version != 1 {
                    bytes.extend([0; 4]);
                }
                bytes.extend(1_u32.to_le_bytes());
                bytes.extend(4096_u64.to_le_bytes());
                bytes.extend(8192_u64.to_le_bytes());
                bytes.extend(target.to_le_bytes());
            }
        }
        let (imported, sink) = import(&bytes);
        assert_eq!((imported.format, imported.snapshots), (Format::LegacyBinary, 6), "version {version}");
        let snapshot = sink.snapshots()[1];
        assert_eq!((snapshot.start, snapshot.end), (Nanos::from_millis(9_895), Nanos::from_secs(10)));
        // No age: absent, not 0.
        assert_eq!(snapshot.regions, [Region::new(Addr(4096), Addr(8192), NrAccesses(9), None)]);
        assert_eq!(sink.targets().iter().map(|t| t.target_id).collect::<Vec<_>>(), [Some(7), Some(9)]);
        // A lying count of regions.
        let at = bytes.len() - 24;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let (imported, _) = import(&bytes);
        assert!(imported.damaged && imported.notes.iter().any(|n| n.contains("ends within")), "{imported:?}");
    }
    let error = try_import(b"damon_recfmt_ver\x09\0\0\0").0.expect_err("version 9").to_string();
    assert!(error.contains("byte 16: version 9"), "{error}");
}

#[test]
fn a_snapshot_with_bytes_of_regions_is_counted_in_full() {
    let text = line("1.5", "target_id=0 nr_regions=2 4096-8192: 3 7")
        + &line("1.5", "target_id=0 nr_regions=2 8192-8192: 3 7");
    let (imported, sink) = import(text.as_bytes());
    assert_eq!((imported.regions, imported.partial_snapshots), (1, 1));
    assert_eq!(sink.snapshots()[0].regions[0].size(), Bytes(4096));
    assert!(imported.notes[0].starts_with("regions that end where they start"), "{:?}", imported.notes);
}

fn raw_trace() -> (tempfile::TempDir, Vec<Vec<u8>>) {
    let kernel = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/kernel");
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("per_cpu")).expect("to disk");
    let mut cpus = Vec::new();
    for cpu in 0..2 {
        let pages = std::fs::read(kernel.join(format!("tracefs/raw.cpu{cpu}"))).expect("in testdata");
        std::fs::create_dir_all(dir.path().join(format!("per_cpu/cpu{cpu}"))).expect("to disk");
        std::fs::write(dir.path().join(format!("per_cpu/cpu{cpu}/trace_pipe_raw")), &pages).expect("to disk");
        cpus.push(pages);
    }
    std::fs::create_dir_all(dir.path().join("events/damon/damon_aggregated")).expect("to disk");
    let format = kernel.join("formats/6.12-damon_aggregated.txt");
    std::fs::copy(format, dir.path().join("events/damon/damon_aggregated/format")).expect("to disk");
    (dir, cpus)
}

#[test]
fn raw_pages_of_several_processors_are_merged_into_whole_snapshots() {
    let (dir, cpus) = raw_trace();
    let mut sink = common::Checked::default();
    let imported = damo_import::import_path(dir.path(), &Options::default(), &mut sink).expect("a trace");
    assert_eq!(imported.format, Format::TracePages);
    assert!(imported.snapshots > 10 && !imported.damaged, "{imported:?}");
    // kdamond moved between the processors: neither's pages alone have it all.
    let alone = |at: usize| {
        let mut trace = damo_import::RawTrace::read_dir(dir.path()).expect("a trace");
        trace.cpus = vec![cpus[at].clone()];
        let mut items: Vec<Item> = Vec::new();
        damo_import::import_raw_trace(&trace, "x", &Options::default(), &mut items).expect("a trace").regions
    };
    assert_eq!(alone(0) + alone(1), imported.regions);
    // Only what the pieces of the recording cut off at their ends may be partial.
    assert!(imported.partial_snapshots <= 4, "{imported:?}");
}

#[test]
fn a_directory_without_pages_or_without_layouts_says_what_is_missing() {
    let empty = tempfile::tempdir().expect("a directory");
    let error = |dir: &std::path::Path| {
        let mut items: Vec<Item> = Vec::new();
        damo_import::import_path(dir, &Options::default(), &mut items).expect_err("no trace").to_string()
    };
    assert!(error(empty.path()).contains("without pages of the trace"), "{}", error(empty.path()));
    let (dir, _) = raw_trace();
    std::fs::remove_dir_all(dir.path().join("events")).expect("to disk");
    assert!(error(dir.path()).contains("without the events' layouts"), "{}", error(dir.path()));
}

#[test]
fn a_footprint_file_by_itself_is_a_record_without_snapshots() {
    let text = r#"[{"time": 1.5, "footprints": [{"pid": 7, "footprint": {"size": 10, "resident": 3}},
        {"pid": null, "footprint": {"total": 100, "free": 40}}]}]"#;
    let mut items: Vec<damo_model::Item> = Vec::new();
    let imported = damo_import::import(text.as_bytes(), "x.mem_footprint", &Default::default(), &mut items).unwrap();
    assert_eq!((imported.format, imported.snapshots), (damo_import::Format::MemFootprint, 0));
    let damo_model::Item::Side(damo_model::Side::Process(process)) = &items[1] else { panic!("{:?}", items[1]) };
    assert_eq!((process.pid, process.footprint.rss), (7, Some(damo_model::Bytes(3 * 4096))));
    assert!(
        matches!(&items[2], damo_model::Item::Side(damo_model::Side::System(system)) if system.total.0 == 100 * 1024)
    );
}
