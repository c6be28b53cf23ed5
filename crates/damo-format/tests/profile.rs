//! CPU profiles in a record: they come back as they were, cost little, and stay out of the way of who does not want them.
#![allow(clippy::unwrap_used)]
mod common;

use common::frames::{assemble, frames};
use common::{evolving, meta, options, target, write};
use damo_format::{Reader, StreamReader, Writer, WriterOptions};
use damo_model::profile::{
    CodeBase, CodeKind, CodeMapping, CodeMappings, CodeModule, FrameKind, KERNEL_PID, LostSamples, ProfileInfo, Sample,
    Sampled, SampledThread, Samples, StackNode, Stacks, SymbolAddress, SymbolFrame, Symbols,
};
use damo_model::{Addr, Bytes, Item, Mark, Nanos, Side, Stamp};
use proptest::prelude::*;

const AT: Stamp = Stamp::Record(Nanos(7_000_000_000));
const TABLE: u64 = 0xfeed_face_cafe_beef;

fn node(parent: Option<u32>, address: u64, kind: FrameKind) -> StackNode {
    StackNode { parent, address: Addr(address), kind }
}

fn sample(time: u32, thread: u32, stack: u32) -> Sample {
    Sample { time, thread, stack, weight: 1 }
}

/// One entry of each kind, with what is unusual in it.
fn all() -> Vec<Side> {
    let mapping = CodeMapping {
        start: Addr(0x5555_0000_0000),
        end: Addr(0x5555_0010_0000),
        offset: Bytes(0x1000),
        kind: CodeKind::File,
        name: "/usr/bin/a b (deleted)".into(),
        build_id: (0..20).collect(),
    };
    let kernel = CodeMapping { kind: CodeKind::Kernel, end: Addr(u64::MAX), ..CodeMapping::default() };
    let threads = [(7, 7, "main"), (7, 8, ""), (9, 9, "ünï")];
    let threads = threads.map(|(pid, tid, comm)| SampledThread { pid, tid, comm: comm.into() }).to_vec();
    let samples = vec![sample(0, 2, 3), sample(5, 0, Sample::NO_STACK), sample(5, 2, 3), sample(90_000, 0, 0)];
    let weighed = samples.iter().map(|sample| Sample { weight: sample.time + 3, ..*sample }).collect();
    let cpu = Samples {
        at: AT,
        sampled: Sampled::Cpu,
        table: TABLE,
        unit: Nanos(300_000),
        threads: threads.clone(),
        samples,
        addresses: Vec::new(),
    };
    let addresses = [0, u64::MAX, 5, 1 << 47].map(Addr).to_vec();
    let frame = SymbolFrame { function: 0, file: Some(1), line: Some(70_000) };
    vec![
        Side::Profile(ProfileInfo {
            at: AT,
            sampled: Sampled::Cpu,
            event: "cpu-clock".into(),
            frequency: 99,
            no_kernel: "perf_event_paranoid is 2".into(),
            no_addresses: String::new(),
            max_frames: 127,
        }),
        Side::Code(CodeMappings { at: AT, pid: KERNEL_PID, base: CodeBase::Nothing, mappings: vec![kernel] }),
        Side::Code(CodeMappings { at: AT, pid: 7, base: CodeBase::Kept, mappings: vec![mapping; 2] }),
        Side::Code(CodeMappings { at: AT, pid: 9, base: CodeBase::CopyOf(7), mappings: Vec::new() }),
        Side::Stacks(Stacks {
            at: AT,
            table: TABLE,
            first: 0,
            nodes: vec![
                node(None, 0, FrameKind::Cut),
                node(Some(0), 0x5555_0000_1000, FrameKind::User),
                node(Some(1), 0xffff_ffff_8100_0000, FrameKind::Kernel),
                node(None, 3, FrameKind::User),
            ],
        }),
        Side::Stacks(Stacks {
            at: AT,
            table: TABLE,
            first: 4,
            nodes: vec![node(Some(1), 4, FrameKind::User), node(Some(4), 5, FrameKind::User)],
        }),
        Side::Samples(cpu.clone()),
        Side::Samples(Samples { sampled: Sampled::Access, samples: weighed, addresses, ..cpu }),
        Side::LostSamples(LostSamples { at: AT, samples: 300, reason: "ring".into() }),
        Side::Symbols(Symbols {
            at: AT,
            module: CodeModule { name: "/usr/bin/a b".into(), build_id: vec![1, 255], pid: Some(7) },
            texts: vec!["main".into(), "a.c".into()],
            addresses: vec![SymbolAddress { address: 0x1000, frames: vec![frame, SymbolFrame::default()] }],
        }),
    ]
}

fn with_profile() -> Vec<Item> {
    let mut items = vec![meta(), target(0), Item::Side(Side::Mark(Mark { at: AT, text: "here".into() }))];
    items.extend(all().into_iter().map(Item::Side));
    items.extend(evolving(0, 3, 5, 1).into_iter().map(Item::Snapshot));
    items
}

#[test]
fn a_profile_comes_back_as_it_was_and_apart_from_other_side_data() {
    let items = with_profile();
    let (bytes, _) = write(&items, WriterOptions::default());
    let reader = Reader::from_bytes(bytes.as_slice()).unwrap();
    assert_eq!(reader.damage(), []);
    assert_eq!(reader.profile().unwrap(), all());
    assert!(reader.has_profile());
    assert!(matches!(reader.side_data().unwrap().as_slice(), [Side::Mark(_)]));
    let mut stream = StreamReader::new(bytes.as_slice()).unwrap();
    let streamed: Vec<Item> = std::iter::from_fn(|| stream.next_item().unwrap()).collect();
    assert_eq!(streamed, items);
    let (none, _) = write(&[meta()], WriterOptions::default());
    assert!(!Reader::from_bytes(none).unwrap().has_profile());
}

#[test]
fn the_profile_is_in_a_block_that_older_readers_step_over() {
    let (bytes, _) = write(&with_profile(), options(0));
    let mut blocks = frames(&bytes);
    let kinds: Vec<u16> = blocks.iter().map(|block| block.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == 7).count(), 1);
    // To a reader of 1.1 kind 7 was what 99 is to this one.
    blocks.iter_mut().filter(|block| block.kind == 7).for_each(|block| block.kind = 99);
    let reader = Reader::from_bytes(assemble(&bytes, &blocks)).unwrap();
    assert_eq!((reader.damage(), reader.totals().snapshots), (&[][..], 3));
    assert!(!reader.has_profile() && reader.side_data().unwrap().len() == 1);
}

#[test]
fn what_a_profile_must_not_be_is_refused_and_the_record_goes_on() {
    let mut writer = Writer::new(Vec::new(), options(0)).unwrap();
    writer.write(&meta()).unwrap();
    let Side::Samples(good) = &all()[6] else { panic!("samples") };
    let mut refuse = |side: Side, words: &str| {
        let error = writer.write(&Item::Side(side)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let nodes = vec![node(Some(5), 1, FrameKind::User)];
    refuse(Side::Stacks(Stacks { at: AT, table: 1, first: 5, nodes }), "called by one that comes behind it");
    let samples = vec![sample(1, 0, 0), sample(0, 0, 0)];
    refuse(Side::Samples(Samples { samples, ..good.clone() }), "order of time");
    refuse(Side::Samples(Samples { samples: vec![sample(1, 3, 0)], ..good.clone() }), "not told of");
    refuse(Side::Samples(Samples { addresses: vec![Addr(1)], ..good.clone() }), "address for each sample");
    writer.write(&Item::Side(Side::Samples(good.clone()))).unwrap();
    let (bytes, _) = writer.finish().unwrap();
    assert_eq!(Reader::from_bytes(bytes).unwrap().profile().unwrap(), [Side::Samples(good.clone())]);
}

#[test]
fn lists_that_claim_more_than_their_bytes_are_damage() {
    let entries: [&[u8]; 4] = [
        // Stacks: 2^32 nodes in no bytes; a parent before the table.
        &[12, 12, 0, 0, 1, 0, 253, 0, 0, 0, 0, 1, 0, 0],
        &[12, 8, 0, 0, 1, 0, 1, 9, 0, 0],
        // Samples: a thread with 200 samples; counts for two threads where there is one.
        &[13, 12, 0, 0, 0, 1, 2, 1, 0, 0, 0, 1, 200, 0],
        &[13, 13, 0, 0, 0, 1, 2, 1, 0, 0, 0, 2, 0, 0, 0],
    ];
    let (bytes, _) = write(&with_profile(), options(0));
    for entry in entries {
        let mut blocks = frames(&bytes);
        let block = blocks.iter_mut().find(|block| block.kind == 7).unwrap();
        block.payload = entry.to_vec();
        block.raw_len = entry.len() as u32;
        let reader = Reader::from_bytes(assemble(&bytes, &blocks)).unwrap();
        assert_eq!((reader.damage().len(), reader.totals().snapshots), (1, 3), "{entry:?}");
        assert!(reader.profile().unwrap().is_empty());
    }
}

prop_compose! {
    fn any_samples()(
        threads in 1u32..5,
        raw in proptest::collection::vec((any::<u32>(), 0u32..5, any::<u32>(), prop_oneof![Just(1u32), any::<u32>()], any::<u64>()), 0..50),
        addressed in any::<bool>(),
        table in any::<u64>(),
    ) -> Samples {
        let mut samples: Vec<Sample> = raw
            .iter()
            .map(|(time, thread, stack, weight, _)| {
                Sample { time: *time, thread: thread % threads, stack: *stack, weight: *weight }
            })
            .collect();
        samples.sort_by_key(|sample| (sample.time, sample.thread));
        samples.dedup_by_key(|sample| (sample.time, sample.thread));
        let addresses = raw.iter().map(|row| Addr(row.4)).take(if addressed { samples.len() } else { 0 }).collect();
        let threads = (0..threads as i32).map(|tid| SampledThread { pid: 1, tid, comm: String::new() }).collect();
        Samples { at: AT, sampled: Sampled::Access, table, unit: Nanos(1), threads, samples, addresses }
    }
}

prop_compose! {
    fn any_stacks()(
        first in prop_oneof![Just(0u32), 0u32..1000],
        raw in proptest::collection::vec((any::<u32>(), any::<u64>(), 0usize..3), 0..50),
    ) -> Stacks {
        let kinds = [FrameKind::User, FrameKind::Kernel, FrameKind::Cut];
        let nodes = (first..).zip(&raw).map(|(number, (parent, address, kind))| {
            node(parent.checked_rem(number).filter(|_| parent % 3 > 0), *address, kinds[*kind])
        });
        Stacks { at: AT, table: 5, first, nodes: nodes.collect() }
    }
}

proptest! {
    #[test]
    fn any_stacks_and_samples_come_back(samples in any_samples(), stacks in any_stacks()) {
        let sides = [Side::Stacks(stacks), Side::Samples(samples)];
        let items: Vec<Item> = std::iter::once(meta()).chain(sides.iter().cloned().map(Item::Side)).collect();
        let reader = Reader::from_bytes(write(&items, options(0)).0).unwrap();
        prop_assert_eq!(reader.profile().unwrap(), sides);
    }

    #[test]
    fn a_profile_of_any_bytes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 11u8..17) {
        let (record, _) = write(&with_profile(), options(0));
        let mut blocks = frames(&record);
        let block = blocks.iter_mut().find(|block| block.kind == 7).unwrap();
        block.payload = [&[kind, bytes.len().min(250) as u8], &bytes[..bytes.len().min(250)]].concat();
        block.raw_len = block.payload.len() as u32;
        let reader = Reader::from_bytes(assemble(&record, &blocks)).unwrap();
        let _ = reader.profile();
        prop_assert_eq!(reader.totals().snapshots, 3);
    }
}
