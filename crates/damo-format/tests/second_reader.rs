//! scripts/read_damo.py, written from FORMAT.md alone, reads what this crate writes.
#![allow(clippy::unwrap_used)]
mod common;

use common::{any_snapshot, evolving, meta, target, write};
use damo_format::WriterOptions;
use damo_model::profile::{
    CodeBase, CodeKind, CodeMapping, CodeMappings, CodeModule, FrameKind, LostSamples, ProfileInfo, Sample, Sampled,
    SampledThread, Samples, StackNode, Stacks, SymbolAddress, SymbolFrame, Symbols,
};
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

/// One entry of each kind.
fn profile(at: Stamp) -> Vec<Side> {
    let mapping = CodeMapping {
        start: Addr(4096),
        end: Addr(8192),
        offset: Bytes(1),
        kind: CodeKind::Vdso,
        name: "[vdso]".into(),
        build_id: vec![1, 255],
    };
    let node = |parent, address, kind| StackNode { parent, address: Addr(address), kind };
    let nodes = vec![
        node(None, 4096, FrameKind::User),
        node(Some(300), u64::MAX, FrameKind::Kernel),
        node(Some(2), 0, FrameKind::Cut),
    ];
    let thread = |tid, comm: &str| SampledThread { pid: 9, tid, comm: comm.into() };
    let sample = |time, thread, stack, weight| Sample { time, thread, stack, weight };
    let samples = vec![sample(0, 1, 300, 5), sample(4, 0, Sample::NO_STACK, 1), sample(4, 1, 302, 1)];
    let frame = SymbolFrame { function: 0, file: Some(1), line: Some(300) };
    vec![
        Side::Code(CodeMappings { at, pid: 9, base: CodeBase::CopyOf(300), mappings: vec![mapping] }),
        Side::Stacks(Stacks { at, table: 7, first: 300, nodes }),
        Side::Samples(Samples {
            at,
            sampled: Sampled::Access,
            table: 7,
            unit: Nanos(300_000),
            threads: vec![thread(9, "a"), thread(10, "b")],
            samples,
            addresses: vec![Addr(70_000), Addr(4096), Addr(0)],
        }),
        Side::Profile(ProfileInfo {
            at,
            event: "cycles".into(),
            frequency: 99,
            no_addresses: "none".into(),
            max_frames: 127,
            ..ProfileInfo::default()
        }),
        Side::LostSamples(LostSamples { at, samples: 300, reason: "ring".into() }),
        Side::Symbols(Symbols {
            at,
            module: CodeModule { name: "/bin/x".into(), build_id: vec![1], pid: None },
            texts: vec!["f".into(), "f.c".into()],
            addresses: vec![SymbolAddress { address: 4096, frames: vec![frame, SymbolFrame::default()] }],
        }),
    ]
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
    items.extend(profile(at).into_iter().map(Item::Side));
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
        {"code": {"at": {"record": 5}, "pid": 9, "base": {"copy_of": 300}, "mappings": [{"start": 4096, "end": 8192,
            "offset": 1, "kind": 2, "name": "[vdso]", "build_id": "01ff"}]}},
        {"stacks": {"at": {"record": 5}, "table": 7, "first": 300, "nodes": [
            [none, 4096, 0], [300, u64::MAX, 1], [2, 0, 2]]}},
        {"samples": {"at": {"record": 5}, "sampled": 1, "table": 7, "unit": 300_000, "threads": [
            {"pid": 9, "tid": 9, "comm": "a"}, {"pid": 9, "tid": 10, "comm": "b"}], "samples": [
            [0, 1, 300, 5, 70_000], [4, 0, u32::MAX, 1, 4096], [4, 1, 302, 1, 0]]}},
        {"profile": {"at": {"record": 5}, "sampled": 0, "event": "cycles", "frequency": 99, "no_kernel": "",
            "no_addresses": "none", "max_frames": 127}},
        {"lost_samples": {"at": {"record": 5}, "samples": 300, "reason": "ring"}},
        {"symbols": {"at": {"record": 5}, "module": {"name": "/bin/x", "build_id": "01", "pid": none},
            "texts": ["f", "f.c"], "addresses": [{"address": 4096, "frames": [
                {"function": 0, "file": 1, "line": 300}, {"function": 0, "file": none, "line": none}]}]}},
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
