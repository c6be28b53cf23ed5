//! Text and JSON of streams that are whole, cut, still written, or no records.

use damo_format::{Writer, WriterOptions};
use damo_model::Nanos;
use damo_monitor::{End, MonitorError, PlainOptions, Source, plain};
use damo_sim::{Options, builtin, simulate};
use std::io::{self, Cursor, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// A record of a built-in workload.
fn record(name: &str, seconds: i64) -> Vec<u8> {
    record_with(name, seconds, false)
}

/// The same, with its memory spread over two NUMA nodes if that is wanted.
fn record_with(name: &str, seconds: i64, spread: bool) -> Vec<u8> {
    let workload = builtin::find(name).expect("built in");
    let options = Options { duration: Some(Nanos::from_secs(seconds)), spread, ..workload.options() };
    let mut writer = Writer::new(Vec::new(), WriterOptions::live()).expect("a writer");
    simulate(&workload.workloads(), &options, &mut writer, &mut |_| ControlFlow::Continue(())).expect("a simulation");
    writer.finish().expect("a record").0
}

fn print(source: Source, options: &PlainOptions) -> Result<(String, End, u64), MonitorError> {
    let mut out = Vec::new();
    let (end, left_out) = plain(source, options, &mut out)?;
    Ok((String::from_utf8(out).expect("text"), end, left_out))
}

fn pipe(bytes: Vec<u8>) -> Source {
    Source::pipe("a pipe", Cursor::new(bytes), false)
}

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_text_is_as_it_was_and_as_the_page_shows_it() {
    let options = PlainOptions { interval: Nanos::from_secs(2), count: Some(3), ..PlainOptions::default() };
    let (text, ..) = print(pipe(record("pair", 20)), &options).expect("text");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pair.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &text).expect("write");
    }
    assert_eq!(text, std::fs::read_to_string(golden).expect("the golden file"));
    let page = std::fs::read_to_string(top("docs/monitor.md")).expect("docs/monitor.md");
    let first = text.split("\n\n").next().expect("a block");
    assert!(page.contains(first), "docs/monitor.md shows another block than\n{first}");
}

#[test]
fn json_has_an_object_for_each_interval_and_a_rest() {
    let options = PlainOptions { interval: Nanos::from_secs(4), json: true, ..PlainOptions::default() };
    let (text, end, _) = print(pipe(record("stairs", 10)), &options).expect("text");
    assert!(matches!(end, End::Finished), "{end:?}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let ends: Vec<f64> = lines.iter().map(|line| line["end"].as_f64().expect("a time")).collect();
    assert_eq!(ends, [4.0, 8.0, 10.0]);
    for line in &lines {
        let target = &line["targets"][0];
        let figure = |name: &str| target[name].as_u64().unwrap_or_else(|| panic!("{name}: {line}"));
        assert!(figure("working_set") <= figure("monitored"), "{line}");
        assert!(figure("hot") <= figure("working_set"), "{line}");
        assert!(figure("rss") > 0 && figure("snapshots") > 0 && figure("regions") > 0, "{line}");
        assert_eq!(line["lost_events"], 0);
    }
    assert_eq!(lines[0]["targets"][0]["snapshots"], 40);
}

#[test]
fn memory_by_node_is_told_where_it_is_known() {
    let options = PlainOptions { interval: Nanos::from_secs(5), ..PlainOptions::default() };
    let (text, ..) = print(pipe(record_with("stairs", 10, true)), &options).expect("text");
    for part in ["node 0: resident ", "node 1: resident ", "remote accesses ", "(estimated)"] {
        assert_eq!(text.matches(part).count(), 2, "{part}\n{text}");
    }
    let (text, ..) = print(pipe(record("stairs", 10)), &options).expect("text");
    assert!(!text.contains("node 0") && !text.contains("remote"), "{text}");
    let options = PlainOptions { json: true, ..options };
    let (text, ..) = print(pipe(record_with("stairs", 10, true)), &options).expect("text");
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("an object");
        let target = &line["targets"][0];
        let nodes = target["nodes"].as_array().expect("nodes");
        let sum = |name: &str| nodes.iter().map(|node| node[name].as_u64().expect(name)).sum::<u64>();
        assert_eq!(nodes.iter().map(|node| node["node"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1)]);
        assert!(sum("hot") <= target["hot"].as_u64().unwrap() + 1 && sum("hot") > 0, "{line}");
        assert!((0.0..=100.0).contains(&target["remote_percent"].as_f64().expect("a share")), "{line}");
    }
}

#[test]
fn a_count_ends_it() {
    let options = PlainOptions { count: Some(2), json: true, ..PlainOptions::default() };
    let (text, ..) = print(pipe(record("stairs", 10)), &options).expect("text");
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn a_stream_that_breaks_off_shows_what_came() {
    let whole = record("stairs", 10);
    let half = whole[..whole.len() / 2].to_vec();
    let (text, end, _) = print(pipe(half.clone()), &PlainOptions::default()).expect("text");
    assert!(text.contains("working set"), "{text}");
    assert!(matches!(end, End::BrokenOff { at } if at.0 == half.len() as u64), "{end:?}");
    // A file that nobody writes to any more is the same.
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cut.damo");
    std::fs::write(&path, &half).expect("write");
    let old = SystemTime::now() - Duration::from_secs(60);
    std::fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(old)).expect("old");
    let (again, end, _) = print(Source::file(&path).expect("a file"), &PlainOptions::default()).expect("text");
    assert_eq!(again, text);
    assert!(matches!(end, End::BrokenOff { .. }), "{end:?}");
}

#[test]
fn damage_in_the_middle_costs_a_block_only() {
    let mut bytes = record("stairs", 20);
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40].fill(0xff);
    let (text, end, _) = print(pipe(bytes), &PlainOptions::default()).expect("text");
    assert!(matches!(end, End::Finished), "{end:?}");
    assert!(text.contains("\n19.000 s") || text.contains("\n20.000 s"), "{text}");
}

#[test]
fn what_is_no_record_is_refused() {
    for bytes in [Vec::new(), b"#!/bin/sh\necho no record at all, but long enough for a header\n".to_vec()] {
        let refused = print(pipe(bytes), &PlainOptions::default()).expect_err("no record");
        assert!(matches!(refused, MonitorError::Read { .. }), "{refused}");
    }
}

#[test]
fn a_file_is_followed_while_somebody_writes_it() {
    let whole = record("stairs", 10);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("growing.damo.part");
    let mut file = std::fs::File::create(&path).expect("a file");
    file.lock().expect("a lock");
    let (first, second) = whole.split_at(whole.len() / 3);
    file.write_all(first).expect("write");
    let source = Source::file(&path).expect("a file");
    assert!(source.is_live());
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(400));
            file.write_all(second).expect("write");
        });
        let (text, end, _) = print(source, &PlainOptions::default()).expect("text");
        assert!(matches!(end, End::Finished), "{end:?}");
        assert!(text.contains("\n10.000 s"), "{text}");
    });
}

#[test]
fn an_output_that_stands_still_does_not_hold_up_a_live_stream() {
    /// Takes nothing for a while.
    struct Slow(bool, Vec<u8>);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.0, true) {
                thread::sleep(Duration::from_secs(2));
            }
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let source = Source::pipe("a pipe", Cursor::new(record("stairs", 60)), true);
    let options = PlainOptions { interval: Nanos::from_millis(100), json: true, ..PlainOptions::default() };
    let mut out = Slow(false, Vec::new());
    let (end, left_out) = plain(source, &options, &mut out).expect("text");
    assert!(matches!(end, End::Finished), "{end:?}");
    assert!(left_out > 0, "the stream was read meanwhile");
}

#[test]
fn speed_is_kept() {
    let begun = std::time::Instant::now();
    let source = pipe(record("stairs", 4)).at_speed(4.0);
    print(source, &PlainOptions::default()).expect("text");
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
}
