//! scripts/read_damo.py, written from FORMAT.md alone, reads what this crate writes.
#![allow(clippy::unwrap_used)]
mod common;

use common::{any_snapshot, evolving, meta, target, write};
use damo_format::WriterOptions;
use damo_model::{
    Addr, Bytes, Footprint, Item, Lost, Mapping, Mappings, Mark, Meta, Nanos, NodeMemory, NodeThreads, Placement,
    ProcessFootprint, SchemeCounts, SchemeProgress, Side, Snapshot, SnapshotState, Stamp,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/read_damo.py");

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success())
}

fn as_json(index: usize, snapshot: &Snapshot) -> Value {
    let regions = snapshot.regions.iter();
    let extras = snapshot.extras.iter().map(|extra| (extra.id.0.to_string(), json!(extra.values)));
    json!({
        "index": index,
        "target": snapshot.target.0,
        "start": snapshot.start.0,
        "end": snapshot.end.0,
        "intervals": snapshot.intervals.map(|i| json!({
            "sample": i.sample.0, "aggregation": i.aggregation.0, "update": i.update.0,
        })),
        "expected": match snapshot.state {
            SnapshotState::Partial { expected } => Some(expected),
            SnapshotState::Complete => None,
        },
        "regions": regions
            .map(|r| json!([r.start.0, r.end.0, r.nr_accesses.0, r.age.map(|age| age.0)]))
            .collect::<Vec<_>>(),
        "extras": extras.collect::<serde_json::Map<String, Value>>(),
    })
}

/// What the script says of the record, value by value.
fn read(bytes: &[u8]) -> Vec<Value> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let out = Command::new("python3").arg(SCRIPT).arg(file.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn agree(snapshots: &[Snapshot], options: WriterOptions) {
    let at = Stamp::Record(Nanos(5));
    let mapping =
        Mapping { start: Addr(1), end: Addr(1 << 40), perms: "r--p".into(), name: "x y".into(), ..Mapping::default() };
    let footprint = Footprint { rss: Some(Bytes(70_000)), ..Footprint::default() };
    let history = vec!["one".to_owned(), "two".to_owned()];
    let Item::Meta(original) = meta() else { panic!("meta() is a meta item") };
    let mut items = vec![Item::Meta(Meta { history, ..original }), target(0), target(1), target(2)];
    items.push(Item::Side(Side::Mappings(Mappings { at, pid: 9, target: None, mappings: vec![mapping] })));
    items.push(Item::Side(Side::Process(ProcessFootprint { at, pid: -9, target: None, footprint })));
    items.push(Item::Side(Side::Lost(Lost { at: Stamp::Wall(Nanos(-3)), events: 300, reason: "ring".into() })));
    items.push(Item::Side(Side::Mark(Mark { at, text: "ü".into() })));
    let counts = SchemeCounts { nr_tried: 300, sz_ops_filter_passed: Some(Bytes(4)), ..SchemeCounts::default() };
    let (effective_quota, counts) = (Some(Bytes(1 << 40)), Some(counts));
    let progress = SchemeProgress { at, kdamond: None, context: 0, scheme: 2, effective_quota, counts };
    items.push(Item::Side(Side::Scheme(progress)));
    let memory = vec![NodeMemory { start: Addr(1), end: Addr(1 << 40), node: 1, bytes: Bytes(70_000) }];
    let threads = vec![NodeThreads { node: 0, threads: 3 }];
    items.push(Item::Side(Side::Placement(Placement {
        at,
        pid: 9,
        target: Some(damo_model::TargetKey(1)),
        memory,
        threads,
    })));
    items.extend(snapshots.iter().cloned().map(Item::Snapshot));
    let read = read(&write(&items, options).0);
    let of = |key: &str| read.iter().filter_map(|v| v.get(key)).cloned().collect::<Vec<Value>>();
    assert_eq!(of("meta")[0]["tool"], "test 1");
    assert_eq!(of("meta")[0]["history"], json!(["one", "two"]));
    assert_eq!(of("meta")[0]["intervals"]["aggregation"], 100_000_000);
    assert_eq!(of("target").iter().map(|t| t["target_id"].clone()).collect::<Vec<_>>(), [0, 1, 2]);
    let none = Value::Null;
    let expected = json!([
        {"mappings": {"at": {"record": 5}, "pid": 9, "target": none, "mappings": [
            {"start": 1, "end": 1u64 << 40, "perms": "r--p", "offset": 0, "name": "x y"}]}},
        {"process": {"at": {"record": 5}, "pid": -9, "target": none, "footprint": {
            "vsz": none, "rss": 70_000, "shared": none, "text": none,
            "data": none, "pss": none, "swap": none, "cgroup": none}}},
        {"lost": {"at": {"wall": -3}, "events": 300, "reason": "ring"}},
        {"mark": {"at": {"record": 5}, "text": "ü"}},
        {"scheme": {"at": {"record": 5}, "kdamond": none, "context": 0, "scheme": 2, "effective_quota": 1u64 << 40,
            "counts": {"nr_tried": 300, "sz_tried": 0, "nr_applied": 0, "sz_applied": 0,
                "sz_ops_filter_passed": 4, "qt_exceeds": 0, "nr_snapshots": none}}},
        {"placement": {"at": {"record": 5}, "pid": 9, "target": 1,
            "memory": [{"start": 1, "end": 1u64 << 40, "node": 1, "bytes": 70_000}],
            "threads": [{"node": 0, "threads": 3}]}},
    ]);
    assert_eq!(Value::from(of("side")), expected);
    let expected: Vec<Value> = snapshots.iter().enumerate().map(|(i, s)| as_json(i, s)).collect();
    assert_eq!(of("snapshot"), expected);
}

#[test]
fn the_python_reader_reads_the_same_as_was_written() {
    if !runs("python3") {
        eprintln!("python3 is not there: scripts/read_damo.py is not tested");
        return;
    }
    let plain = WriterOptions { level: 0, max_snapshots_per_block: 16, ..WriterOptions::default() };
    agree(&evolving(1, 40, 30, 11), plain.clone());
    let mut runner = TestRunner::deterministic();
    let any = proptest::collection::vec(any_snapshot(), 60).new_tree(&mut runner).unwrap().current();
    agree(&any, plain);
    if runs("zstd") {
        agree(&evolving(0, 10, 30, 12), WriterOptions::default());
    } else {
        eprintln!("the command zstd is not there: only uncompressed records were read by scripts/read_damo.py");
    }
}
