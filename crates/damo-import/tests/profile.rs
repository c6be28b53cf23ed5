//! CPU profiles in perf.data: call stacks, code mappings, threads; files put together byte by byte.

mod common;

use common::{Checked, Perf, record};
use damo_import::{ImportError, Imported, Options};
use damo_model::profile::{CodeBase, CodeKind, CodeMaps, FrameKind, KERNEL_PID, Sampled, StackNode};
use damo_model::{Addr, Nanos, Side, Stamp};

const IP_TID_TIME_PERIOD: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 8;
const CALLCHAIN: u64 = 1 << 5;
const ADDR: u64 = 1 << 3;
const DATA_SRC: u64 = 1 << 15;
const STACK_USER: u64 = 1 << 13;
const CONTEXT_KERNEL: u64 = -128_i64 as u64;
const CONTEXT_USER: u64 = -512_i64 as u64;

/// The attribute of a software clock at 99 Hz.
fn clock(sample_type: u64) -> Vec<u8> {
    let mut attr = vec![0; 128];
    attr[0..4].copy_from_slice(&1_u32.to_le_bytes());
    attr[4..8].copy_from_slice(&128_u32.to_le_bytes());
    attr[16..24].copy_from_slice(&99_u64.to_le_bytes());
    attr[24..32].copy_from_slice(&sample_type.to_le_bytes());
    // By frequency; records other than samples tell who and when.
    attr[40..48].copy_from_slice(&(1_u64 << 10 | 1 << 18).to_le_bytes());
    attr
}

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn ids(pid: u32, tid: u32) -> u64 {
    u64::from(tid) << 32 | u64::from(pid)
}

/// The end of a record other than a sample: thread and time.
fn trailer(pid: u32, time: u64) -> Vec<u8> {
    words(&[ids(pid, pid), time])
}

fn padded(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize((name.len() + 1).next_multiple_of(8), 0);
    bytes
}

fn with_misc(mut record: Vec<u8>, misc: u16) -> Vec<u8> {
    record[4..6].copy_from_slice(&misc.to_le_bytes());
    record
}

fn mmap2(pid: u32, at: u64, len: u64, offset: u64, name: &str, build_id: &[u8], time: u64) -> Vec<u8> {
    let mut identity = vec![0_u8; 24];
    identity[0] = build_id.len() as u8;
    identity[4..4 + build_id.len()].copy_from_slice(build_id);
    let protection = words(&[5]);
    let body =
        [words(&[ids(pid, pid), at, len, offset]), identity, protection, padded(name), trailer(pid, time)].concat();
    with_misc(record(10, &body), if build_id.is_empty() { 2 } else { 2 | 1 << 14 })
}

fn sample(pid: u32, tid: u32, time: u64, chain: &[u64]) -> Vec<u8> {
    let ip = chain.iter().copied().find(|entry| *entry < CONTEXT_USER).unwrap_or(0);
    let body = [words(&[ip, ids(pid, tid), time, 10_101_010, chain.len() as u64]), words(chain)].concat();
    with_misc(record(9, &body), 2)
}

fn comm(pid: u32, tid: u32, name: &str, exec: bool) -> Vec<u8> {
    let body = [words(&[ids(pid, tid)]), padded(name), trailer(pid, if exec { 15 } else { 1 })].concat();
    with_misc(record(3, &body), if exec { 1 << 13 } else { 0 })
}

fn file(attr: Vec<u8>, records: Vec<Vec<u8>>) -> Vec<u8> {
    Perf { attrs: vec![attr], ids: vec![vec![]], records, tracing: Vec::new() }.file()
}

fn import(bytes: &[u8]) -> (Imported, Checked) {
    let mut sink = Checked::default();
    let options = Options { profiles: true, ..Options::default() };
    let imported = damo_import::import(bytes, "perf.data", &options, &mut sink).expect("a profile");
    (imported, sink)
}

fn a_profile() -> Vec<u8> {
    let kernel = CONTEXT_KERNEL - 0x1000;
    file(
        clock(IP_TID_TIME_PERIOD | CALLCHAIN),
        vec![
            comm(7, 7, "sh", false),
            mmap2(7, 0x1000, 0x1000, 0, "/bin/sh", &[], 10),
            comm(7, 7, "app", true),
            mmap2(7, 0x40_0000, 0x1000, 0x2000, "/usr/bin/app", &[1, 2, 3], 20),
            // Two processors' rings: not in the order of time.
            sample(7, 8, 4_000_000, &[CONTEXT_USER, 0x40_0010, 0x40_0020]),
            sample(7, 7, 3_000_000, &[CONTEXT_KERNEL, kernel, CONTEXT_USER, 0x40_0030, 0x40_0020]),
            comm(7, 8, "worker", false),
            record(
                7,
                &words(&[u64::from(7_u32) << 32 | 9, u64::from(7_u32) << 32 | 9, 3_500_000, ids(7, 7), 3_500_000]),
            ),
            sample(9, 9, 5_000_000, &[CONTEXT_USER, 0x40_0010, 0x40_0020]),
        ],
    )
}

#[test]
fn samples_of_code_become_a_profile_in_the_order_of_time() {
    let (imported, sink) = import(&a_profile());
    assert_eq!(imported.notes, [""; 0]);
    let sides = sink.side_data();
    let samples = sides.iter().find_map(|side| if let Side::Samples(samples) = side { Some(samples) } else { None });
    let samples = samples.expect("samples");
    assert_eq!(samples.at, Stamp::Record(Nanos(3_000_000)));
    let of = |thread: u32| &samples.threads[thread as usize];
    let seen: Vec<(i32, i32, &str, u32)> = samples
        .samples
        .iter()
        .map(|s| (of(s.thread).pid, of(s.thread).tid, of(s.thread).comm.as_str(), s.time))
        .collect();
    // A process is called as the one that forked it, until it executes something.
    assert_eq!(seen, [(7, 7, "app", 0), (7, 8, "worker", 100), (9, 9, "app", 200)]);
    assert!(samples.samples.iter().all(|sample| sample.weight == 1), "a clock's periods are all the same");
    assert_eq!(samples.samples[1].stack, samples.samples[2].stack, "a stack is there once");
    let info =
        sides.iter().find_map(|side| if let Side::Profile(info) = side { Some(info) } else { None }).expect("what");
    assert_eq!((info.event.as_str(), info.frequency, info.sampled), ("cpu-clock", 99, Sampled::Cpu));
}

#[test]
fn kernel_frames_stand_below_what_called_them() {
    let (_, sink) = import(&a_profile());
    let sides = sink.side_data();
    let stacks = sides
        .iter()
        .find_map(|side| if let Side::Stacks(stacks) = side { Some(stacks) } else { None })
        .expect("as the test needs it");
    let innermost = stacks.nodes.iter().position(|node| node.kind == FrameKind::Kernel).expect("a kernel frame");
    let mut chain = vec![stacks.nodes[innermost]];
    while let Some(parent) = chain.last().and_then(|node: &StackNode| node.parent) {
        chain.push(stacks.nodes[parent as usize]);
    }
    let frames: Vec<(FrameKind, u64)> = chain.iter().skip(1).map(|node| (node.kind, node.address.0)).collect();
    assert_eq!(frames, [(FrameKind::User, 0x40_0030), (FrameKind::User, 0x40_0020)]);
}

#[test]
fn mappings_follow_exec_and_fork() {
    let (_, sink) = import(&a_profile());
    let code =
        sink.side_data().into_iter().filter_map(|side| if let Side::Code(code) = side { Some(code) } else { None });
    let code: Vec<_> = code.collect();
    assert!(code.iter().any(|code| code.pid == 9 && code.base == CodeBase::CopyOf(7)));
    let at = |code: &damo_model::profile::CodeMappings| match code.at {
        Stamp::Record(at) | Stamp::Wall(at) => at,
    };
    let maps = CodeMaps::new(code.iter().map(|code| (at(code), *code)));
    for pid in [7, 9] {
        let found = maps.find(pid, Nanos(6_000_000), Addr(0x40_0010)).expect("mapped");
        let mapping = &maps.mappings()[found as usize];
        assert_eq!((mapping.name.as_str(), mapping.build_id.as_slice()), ("/usr/bin/app", &[1, 2, 3][..]));
        assert_eq!((mapping.kind, mapping.symbol_address(Addr(0x40_0010))), (CodeKind::File, 0x2010));
        assert_eq!(maps.find(pid, Nanos(6_000_000), Addr(0x1010)), None, "the shell's code is gone");
    }
    assert_eq!(maps.find(KERNEL_PID, Nanos(0), Addr(0x1010)), None);
}

#[test]
fn samples_without_stacks_keep_their_function_and_say_what_is_missing() {
    let body = words(&[0x40_0010, ids(7, 7), 3_000_000, 1]);
    let bytes = file(clock(IP_TID_TIME_PERIOD), vec![with_misc(record(9, &body), 2)]);
    let (imported, sink) = import(&bytes);
    assert!(imported.notes.iter().any(|note| note.contains("perf record -g")), "{:?}", imported.notes);
    let stacks = sink
        .side_data()
        .into_iter()
        .find_map(|side| if let Side::Stacks(s) = side { Some(s.nodes.clone()) } else { None });
    assert_eq!(
        stacks.expect("as the test needs it"),
        [StackNode { parent: None, address: Addr(0x40_0010), kind: FrameKind::User }]
    );
}

#[test]
fn stacks_as_raw_memory_are_said_to_be_of_no_use() {
    let body = words(&[0x40_0010, ids(7, 7), 3_000_000, 1, 2, CONTEXT_USER, 0x40_0010]);
    let bytes = file(clock(IP_TID_TIME_PERIOD | CALLCHAIN | STACK_USER), vec![with_misc(record(9, &body), 2)]);
    let (imported, _) = import(&bytes);
    assert!(imported.notes.iter().any(|note| note.contains("--call-graph fp")), "{:?}", imported.notes);
}

#[test]
fn samples_of_accesses_keep_the_addresses_of_their_data() {
    let body = words(&[0x40_0010, ids(7, 7), 3_000_000, 0x7f00_1234, 1, 1, 0x40_0010]);
    let bytes = file(clock(IP_TID_TIME_PERIOD | CALLCHAIN | ADDR | DATA_SRC), vec![with_misc(record(9, &body), 2)]);
    let (_, sink) = import(&bytes);
    let samples =
        sink.side_data().into_iter().find_map(|side| if let Side::Samples(s) = side { Some(s.clone()) } else { None });
    let samples = samples.expect("as the test needs it");
    assert_eq!((samples.sampled, samples.addresses), (Sampled::Access, vec![Addr(0x7f00_1234)]));
}

#[test]
fn reports_of_memory_still_refuse_what_has_no_event_of_damon() {
    let mut sink = Checked::default();
    let refused = damo_import::import(&a_profile(), "perf.data", &Options::default(), &mut sink);
    assert!(matches!(refused, Err(ImportError::Bad { .. })), "{refused:?}");
}

#[test]
fn cut_and_damaged_profiles_are_read_in_part_and_never_end_the_program() {
    let whole = a_profile();
    let options = Options { profiles: true, ..Options::default() };
    for at in 0..whole.len() {
        let _ = damo_import::import(&whole[..at], "perf.data", &options, &mut Checked::default());
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let _ = damo_import::import(&bytes, "perf.data", &options, &mut Checked::default());
    }
}
