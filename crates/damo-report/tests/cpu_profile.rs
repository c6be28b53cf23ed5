//! CPU profiles beside memory: a program of two threads of work whose functions, mappings and times are known.

use damo_frame::Record;
use damo_model::profile::CodeBase;
use damo_model::profile::{
    CodeKind, CodeMapping, CodeMappings, CodeModule, FrameKind, ProfileInfo, Sample, Sampled, SampledThread, Samples,
    StackNode, Stacks, SymbolAddress, SymbolFrame, Symbols,
};
use damo_model::{
    Addr, AddrRange, Bytes, Intervals, Item, Mapping, Mappings, Meta, Nanos, NrAccesses, Process, Region, Side,
    Snapshot, Stamp, Target, TargetKey,
};
use damo_report::cpu_profile::{
    Choice, CpuProfileOptions, CpuProfileReport, Hot, Join, course, cpu_profile, difference, samples_of, write_firefox,
    write_folded,
};
use damo_report::filter::{Bounds, Filter};
use damo_report::{Report, ReportError};
use std::collections::BTreeMap;

const PID: i32 = 42;
const TABLE: u64 = 9;
const A: (u64, u64) = (0x10_0000, 0x20_0000);
const B: (u64, u64) = (0x80_0000, 0x90_0000);

/// Of a process, two seconds in which mapping A is hot, then two in which B is.
fn memory() -> Vec<Item> {
    let process = Process { pid: PID, comm: "app".to_owned(), ..Process::default() };
    let target = Target { process: Some(process), ..Target::default() };
    let intervals =
        Intervals { sample: Nanos::from_millis(5), aggregation: Nanos::from_millis(100), ..Intervals::default() };
    let mut items = vec![Item::Meta(Meta { intervals: Some(intervals), ..Meta::default() }), Item::Target(target)];
    let mapping = |(start, end), name: &str| Mapping {
        start: Addr(start),
        end: Addr(end),
        name: name.to_owned(),
        ..Mapping::default()
    };
    items.push(Item::Side(Side::Mappings(Mappings {
        at: Stamp::Record(Nanos(0)),
        pid: PID,
        target: Some(TargetKey(0)),
        mappings: vec![mapping(A, "[heap]"), mapping(B, "/data/b")],
    })));
    for n in 0..40 {
        let mut snapshot = Snapshot::new(
            TargetKey(0),
            Nanos::from_millis(n * 100),
            Nanos::from_millis(n * 100 + 100),
            Some(intervals),
        );
        let hot = |is_hot| NrAccesses(if is_hot { 20 } else { 0 });
        snapshot.regions.push(Region::new(Addr(A.0), Addr(A.1), hot(n < 20), None));
        snapshot.regions.push(Region::new(Addr(B.0), Addr(B.1), hot(n >= 20), None));
        items.push(Item::Snapshot(snapshot));
    }
    items
}

/// Two seconds in which `fill` works on mapping A, then two in which `transpose`, called by `work`, works on B; a sample each
/// 10 ms, and one in fifty is of the kernel.
fn items(with_names: bool, with_addresses: bool) -> Vec<Item> {
    let at = |ms: i64| Stamp::Record(Nanos::from_millis(ms));
    let mut items = memory();
    items.push(Item::Side(Side::Code(CodeMappings {
        at: at(0),
        pid: PID,
        base: CodeBase::Nothing,
        mappings: vec![CodeMapping {
            start: Addr(0x40_0000),
            end: Addr(0x41_0000),
            offset: Bytes(0x1000),
            kind: CodeKind::File,
            name: "/usr/bin/app".to_owned(),
            build_id: vec![1, 2],
        }],
    })));
    let node = |parent, address, kind| StackNode { parent, address: Addr(address), kind };
    let nodes = vec![
        // main; fill called by main; work called by main; transpose called by work; the kernel in fill
        node(None, 0x40_0011, FrameKind::User),
        node(Some(0), 0x40_0100, FrameKind::User),
        node(Some(0), 0x40_0201, FrameKind::User),
        node(Some(2), 0x40_0300, FrameKind::User),
        node(Some(1), 0xffff_ffff_8100_0000, FrameKind::Kernel),
    ];
    items.push(Item::Side(Side::Stacks(Stacks { at: at(0), table: TABLE, first: 0, nodes })));
    items.extend((0..2).map(|half| {
        let stack = |n: u32| match (n % 50, half) {
            (0, 0) => 4,
            (_, 0) => 1,
            _ => 3,
        };
        let samples = (0..200).map(|n| Sample { time: n, thread: 0, stack: stack(n), weight: 1 });
        let info = SampledThread { pid: PID, tid: PID, comm: "app".to_owned() };
        let samples: Vec<Sample> = samples.collect();
        let addresses = samples.iter().map(|_| Addr(if half == 0 { A.0 } else { B.0 } + 8)).collect();
        Item::Side(Side::Samples(Samples {
            at: at(half * 2000),
            sampled: if with_addresses { Sampled::Access } else { Sampled::Cpu },
            table: TABLE,
            unit: Nanos::from_millis(10),
            threads: vec![info],
            samples,
            addresses: if with_addresses { addresses } else { Vec::new() },
        }))
    }));
    items.push(Item::Side(Side::Profile(ProfileInfo {
        at: at(0),
        sampled: if with_addresses { Sampled::Access } else { Sampled::Cpu },
        event: "cpu-clock".to_owned(),
        frequency: 100,
        ..ProfileInfo::default()
    })));
    if with_names {
        items.push(Item::Side(names()));
    }
    items
}

/// Names of the program's addresses as they are looked up: return addresses less 1. `inner` was inlined into `transpose`.
fn names() -> Side {
    let frame = |function| SymbolFrame { function, file: Some(4), line: Some(10 + function) };
    let address =
        |address: u64, frames: Vec<SymbolFrame>| SymbolAddress { address: address - 0x40_0000 + 0x1000, frames };
    Side::Symbols(Symbols {
        at: Stamp::Record(Nanos(0)),
        module: CodeModule { name: "/usr/bin/app".to_owned(), build_id: vec![1, 2], pid: None },
        texts: ["main", "fill", "work", "transpose", "src/app.rs", "inner"].map(str::to_owned).to_vec(),
        addresses: vec![
            address(0x40_0010, vec![frame(0)]),
            address(0x40_0100, vec![frame(1)]),
            address(0x40_0200, vec![frame(2)]),
            address(0x40_0300, vec![frame(5), frame(3)]),
        ],
    })
}

fn record() -> Record {
    Record::from_items(&items(true, false)).expect("as the test needs it")
}

fn report(choice: Choice) -> Result<CpuProfileReport, ReportError> {
    cpu_profile(&[record()], &CpuProfileOptions { choice, inlined: false })
}

fn first(report: &CpuProfileReport) -> (&str, f64) {
    (report.functions[0].name.as_str(), report.functions[0].self_share)
}

fn at_times(from: i64, to: i64) -> Choice {
    let time = Bounds::new(Nanos::from_millis(from), Nanos::from_millis(to));
    Choice { filter: Filter { snapshot_time: vec![time], ..Filter::default() }, ..Choice::default() }
}

#[test]
fn functions_are_counted_by_their_own_code_and_with_what_they_called() {
    let report = report(Choice::default()).expect("as the test needs it");
    let of = |name: &str| report.functions.iter().find(|function| function.name == name).expect("as the test needs it");
    assert_eq!((of("transpose").self_samples, of("transpose").total_samples), (200, 200));
    assert_eq!((of("fill").self_samples, of("fill").total_samples), (196, 200));
    assert_eq!((of("main").self_samples, of("main").total_samples), (0, 400));
    assert_eq!(of("transpose").caller.as_ref().map(|caller| caller.name.as_str()), Some("work"));
    assert_eq!(of("transpose").line, "src/app.rs:13");
    assert!((of("transpose").self_share - 0.5).abs() < 1e-9);
    assert_eq!((report.basis.samples, report.basis.cut, report.basis.unnamed), (400, 0, 4));
    assert!((report.basis.cpus().expect("as the test needs it") - 1.0).abs() < 0.01, "{:?}", report.basis);
}

/// The same, and another file of the same name in another folder, whose `fill` runs in 50 samples at the end.
fn record_with_a_namesake() -> Record {
    let mut items = items(true, false);
    let (name, build_id) = ("/opt/other/app".to_owned(), vec![3]);
    let at = Stamp::Record(Nanos(0));
    let mapping = CodeMapping {
        start: Addr(0x50_0000),
        end: Addr(0x51_0000),
        offset: Bytes(0),
        kind: CodeKind::File,
        name: name.clone(),
        build_id: build_id.clone(),
    };
    let mappings = vec![mapping];
    items.push(Item::Side(Side::Code(CodeMappings { at, pid: PID, base: CodeBase::Kept, mappings })));
    let nodes = vec![StackNode { parent: Some(0), address: Addr(0x50_0100), kind: FrameKind::User }];
    items.push(Item::Side(Side::Stacks(Stacks { at, table: TABLE, first: 5, nodes })));
    items.push(Item::Side(Side::Samples(Samples {
        at: Stamp::Record(Nanos::from_millis(3_000)),
        sampled: Sampled::Cpu,
        table: TABLE,
        unit: Nanos::from_millis(10),
        threads: vec![SampledThread { pid: PID, tid: PID, comm: "app".to_owned() }],
        samples: (0..50).map(|time| Sample { time, thread: 0, stack: 5, weight: 1 }).collect(),
        addresses: Vec::new(),
    })));
    items.push(Item::Side(Side::Symbols(Symbols {
        at,
        module: CodeModule { name, build_id, pid: None },
        texts: vec!["fill".to_owned()],
        addresses: vec![SymbolAddress { address: 0x100, frames: vec![SymbolFrame::default()] }],
    })));
    Record::from_items(&items).expect("as the test needs it")
}

#[test]
fn functions_that_nothing_tells_apart_are_one_and_no_sample_is_left_out() {
    let options = CpuProfileOptions::default();
    let after = cpu_profile(&[record_with_a_namesake()], &options).expect("as the test needs it");
    let of_fill: Vec<u64> = after
        .functions
        .iter()
        .filter(|function| function.name == "fill")
        .map(|function| function.self_samples)
        .collect();
    assert_eq!(of_fill, [246]);
    let before = report(Choice::default()).expect("as the test needs it");
    let found = difference(&before, &after, ["before".to_owned(), "after".to_owned()]);
    for side in [0, 1] {
        let all: f64 = found.changes.iter().map(|change| change.own[side]).sum();
        assert!((all - 1.0).abs() < 1e-9, "{found:?}");
    }
    let course = course(&[record_with_a_namesake()], 3, 4).expect("as the test needs it").expect("a course");
    let all: f64 = course.functions.iter().flat_map(|(_, values)| values).sum();
    let own = |name: &str| {
        let found = course.functions.iter().find(|(function, _)| function == name).expect("a function");
        found.1.iter().map(|cpus| (cpus * 100.0).round()).collect::<Vec<_>>()
    };
    assert!((all / 4.0 - 4.5 / 4.0).abs() < 0.01, "{course:?}");
    assert_eq!((own("transpose")[0], own("fill")[3]), (0.0, 50.0), "{course:?}");
}

#[test]
fn samples_of_accesses_alone_are_not_called_cpu_time() {
    let record = [Record::from_items(&items(true, true)).expect("as the test needs it")];
    let report = cpu_profile(&record, &CpuProfileOptions::default()).expect("as the test needs it");
    assert_eq!((report.basis.sampled, report.basis.join, report.basis.cpus()), (Sampled::Access, Join::Time, None));
    let said = report.basis.sentences().concat();
    assert!(said.contains("not of CPU time") && !said.contains("CPUs were busy"), "{said}");
    assert!(course(&record, 3, 4).expect("as the test needs it").is_none());
}

#[test]
fn memory_is_hot_only_where_the_filter_of_addresses_lets_it_pass() {
    let hot = |range: (u64, u64)| {
        let filter = Filter { addresses: vec![AddrRange::new(Addr(range.0), Addr(range.1))], ..Filter::default() };
        report(Choice { filter, while_hot: Some(Hot::Mapping("[heap]".to_owned())), ..Choice::default() })
    };
    assert_eq!(first(&hot((A.0, A.0 + 4096)).expect("as the test needs it")).0, "fill");
    assert!(hot(B).is_err());
}

#[test]
fn inlined_functions_are_told_apart_if_that_is_asked_for() {
    let report = cpu_profile(&[record()], &CpuProfileOptions { inlined: true, ..CpuProfileOptions::default() })
        .expect("as the test needs it");
    assert_eq!(first(&report).0, "inner");
    assert_eq!(report.functions[0].caller.as_ref().expect("as the test needs it").name, "transpose");
}

#[test]
fn each_time_names_its_function() {
    let [early, late] = [
        report(at_times(0, 2000)).expect("as the test needs it"),
        report(at_times(2000, 4000)).expect("as the test needs it"),
    ];
    assert!(matches!(first(&early), ("fill", share) if share >= 0.95), "{:?}", first(&early));
    assert_eq!(first(&late), ("transpose", 1.0));
    assert_eq!((early.basis.samples, late.basis.samples), (200, 200));
    assert_eq!(late.basis.time, Nanos::from_millis(2000));
}

#[test]
fn each_mapping_names_the_function_that_ran_while_it_was_hot() {
    let hot = |hot| Choice { while_hot: Some(hot), ..Choice::default() };
    let heap = report(hot(Hot::Mapping("[heap]".to_owned()))).expect("as the test needs it");
    assert!(matches!(first(&heap), ("fill", share) if share >= 0.95), "{:?}", first(&heap));
    let addresses =
        report(hot(Hot::Addresses(AddrRange::new(Addr(B.0), Addr(B.0 + 4096))))).expect("as the test needs it");
    assert_eq!((first(&addresses), addresses.basis.join), (("transpose", 1.0), Join::Time));
    let mapping = report(Choice { mapping: Some("b".to_owned()), ..Choice::default() }).expect("as the test needs it");
    assert_eq!((first(&mapping), mapping.basis.join), (("transpose", 1.0), Join::Time));
}

#[test]
fn samples_with_addresses_are_joined_by_address_whatever_is_hot_when() {
    let record = Record::from_items(&items(true, true)).expect("as the test needs it");
    let choice = Choice { mapping: Some("[heap]".to_owned()), ..Choice::default() };
    let report = cpu_profile(&[record], &CpuProfileOptions { choice, inlined: false }).expect("as the test needs it");
    assert_eq!((first(&report).0, report.basis.join, report.basis.samples), ("fill", Join::Address, 200));
    assert!(report.basis.sentences().concat().contains("by address"));
}

#[test]
fn text_says_that_functions_and_memory_are_joined_by_time() {
    let mut text = Vec::new();
    report(Choice::default())
        .expect("as the test needs it")
        .write_text(&mut text, &Default::default())
        .expect("as the test needs it");
    let text = String::from_utf8(text).expect("as the test needs it");
    assert!(text.contains("not which instruction touched the memory"), "{text}");
    assert!(text.contains("transpose") && text.contains("50.0 %"), "{text}");
}

#[test]
fn a_record_without_names_says_how_to_get_them() {
    let record = Record::from_items(&items(false, false)).expect("as the test needs it");
    let report = cpu_profile(&[record], &CpuProfileOptions::default()).expect("as the test needs it");
    assert!(report.basis.remarks().concat().contains("damo symbolize"));
    assert!(report.functions[0].name.starts_with("app+0x1"), "{:?}", report.functions[0]);
}

#[test]
fn mistakes_say_what_there_is() {
    let error = report(Choice { while_hot: Some(Hot::Mapping("nosuch".to_owned())), ..Choice::default() }).unwrap_err();
    assert!(error.to_string().contains("[heap]"), "{error}");
    let error = report(at_times(90_000, 91_000)).unwrap_err();
    assert!(error.to_string().contains("400 samples"), "{error}");
    let plain: Vec<Item> =
        items(false, false).into_iter().filter(|item| !matches!(item, Item::Side(side) if side.is_profile())).collect();
    let error =
        cpu_profile(&[Record::from_items(&plain).expect("as the test needs it")], &CpuProfileOptions::default())
            .unwrap_err();
    assert!(error.to_string().contains("--profile"), "{error}");
}

#[test]
fn a_difference_tells_what_took_more_and_whether_that_may_be_chance() {
    let [early, late] = [
        report(at_times(0, 2000)).expect("as the test needs it"),
        report(at_times(2000, 4000)).expect("as the test needs it"),
    ];
    let found = difference(&early, &late, ["early".to_owned(), "late".to_owned()]);
    let of = |name: &str| found.changes.iter().find(|change| change.name == name).expect("as the test needs it");
    assert_eq!((of("transpose").own, of("transpose").is_sure()), ([0.0, 1.0], true));
    assert!(of("fill").by() < -0.95 && of("fill").is_sure());
    let same = difference(&early, &early, ["a".to_owned(), "b".to_owned()]);
    assert!(same.changes.iter().all(|change| change.by() == 0.0 && !change.is_sure()));
}

#[test]
fn names_that_would_turn_a_line_around_are_plain_in_folded_stacks() {
    let mut items = items(true, false);
    for item in &mut items {
        if let Item::Side(Side::Samples(samples)) = item {
            samples.threads.iter_mut().for_each(|thread| thread.comm = "a;p\u{202e}p\u{7}".to_owned());
        }
    }
    let record = Record::from_items(&items).expect("as the test needs it");
    let (profile, chosen) = samples_of(&[record], &Choice::default()).expect("as the test needs it");
    let mut text = Vec::new();
    write_folded(&profile, &chosen, &mut text).expect("as the test needs it");
    let text = String::from_utf8(text).expect("as the test needs it");
    assert!(text.lines().all(|line| line.starts_with("a:pp;main")), "{text}");
}

#[test]
fn folded_stacks_have_all_samples_outermost_first() {
    let (profile, chosen) = samples_of(&[record()], &Choice::default()).expect("as the test needs it");
    let mut text = Vec::new();
    write_folded(&profile, &chosen, &mut text).expect("as the test needs it");
    let text = String::from_utf8(text).expect("as the test needs it");
    let lines: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(stack, n)| (stack, n.parse().expect("as the test needs it")))
        .collect();
    assert_eq!(lines.get("app;main;work;transpose;inner"), Some(&200), "{text}");
    assert_eq!(lines.get("app;main;fill"), Some(&196));
    assert_eq!(lines.values().sum::<u64>(), 400);
}

/// The parts of the processed profile format that the Firefox Profiler reads: every index lies in its table, and walking a
/// sample's stack gives the names from the innermost frame on.
#[test]
fn the_json_of_the_firefox_profiler_is_consistent_and_has_the_stacks() {
    let record = record();
    let (profile, chosen) =
        samples_of(std::slice::from_ref(&record), &Choice::default()).expect("as the test needs it");
    let mut json = Vec::new();
    write_firefox(&record, &profile, &chosen, &mut json).expect("as the test needs it");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("as the test needs it");
    assert!(json["meta"]["preprocessedProfileVersion"].is_number(), "{}", json["meta"]);
    assert_eq!(json["meta"]["symbolicated"], true);
    let thread = &json["threads"][0];
    let list = |value: &serde_json::Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let strings = match list(thread, "stringArray") {
        own if own.is_empty() => list(&json["shared"], "stringArray"),
        own => own,
    };
    let (stacks, frames, functions) = (&thread["stackTable"], &thread["frameTable"], &thread["funcTable"]);
    let (frame_of, prefix_of) = (list(stacks, "frame"), list(stacks, "prefix"));
    let (function_of, name_of) = (list(frames, "func"), list(functions, "name"));
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for sample in list(&thread["samples"], "stack") {
        let mut names = Vec::new();
        let mut stack = sample.as_u64();
        while let Some(at) = stack {
            let function = function_of[frame_of[at as usize].as_u64().expect("as the test needs it") as usize]
                .as_u64()
                .expect("as the test needs it");
            names.push(
                strings[name_of[function as usize].as_u64().expect("as the test needs it") as usize]
                    .as_str()
                    .expect("as the test needs it")
                    .to_owned(),
            );
            stack = prefix_of[at as usize].as_u64();
        }
        *counts.entry(names.join("<")).or_default() += 1;
    }
    assert_eq!(counts.get("inner<transpose<work<main"), Some(&200), "{counts:?}");
    assert_eq!(counts.values().sum::<u64>(), 400);
}
