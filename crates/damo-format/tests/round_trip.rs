//! What was written comes back.
#![allow(clippy::unwrap_used)]
mod common;

use common::{any_snapshot, evolving, meta, record, snapshots, target, with_probes, write};
use damo_format::{Detail, Reader, StreamReader, Writer, WriterOptions, sniff};
use damo_model::{
    Addr, AddrRange, Batch, Bytes, Clock, ClockPair, ColumnId, CpuTime, ExtraColumn, Footprint, Intervals,
    IntervalsGoal, Item, Lost, Mapping, Mappings, Mark, Meta, Nanos, NodeMemory, NodeThreads, NrRegions, Ops, Params,
    Placement, Pressure, Process, ProcessFootprint, SchemeCounts, SchemeProgress, Selection, Side, Snapshot, Source,
    Stamp, SystemFootprint, Target, TargetKey, TimeSpan, TracepointFormat,
};
use proptest::prelude::*;

fn small_blocks() -> WriterOptions {
    WriterOptions { max_snapshots_per_block: 7, ..WriterOptions::default() }
}

#[test]
fn snapshots_that_evolve_like_damons_come_back() {
    let written = evolving(0, 50, 40, 1);
    let bytes = record(&written, small_blocks());
    assert!(sniff(&bytes));
    let reader = Reader::from_bytes(bytes).unwrap();
    assert_eq!(snapshots(&reader), written);
    assert!(reader.damage().is_empty() && reader.notes().is_empty() && reader.is_finished());
    assert_eq!(reader.index().len(), 8);
    assert_eq!(reader.totals().snapshots, 50);
    assert_eq!(reader.totals().regions, written.iter().map(|s| s.regions.len() as u64).sum::<u64>());
}

#[test]
fn a_block_tells_its_extra_columns_without_being_unpacked() {
    let written = with_probes(evolving(0, 20, 10, 1));
    let reader = Reader::from_bytes(record(&written, small_blocks())).unwrap();
    assert_eq!(snapshots(&reader), written);
    let columns: Vec<Vec<ColumnId>> = (0..3).map(|block| reader.extra_columns(block).unwrap()).collect();
    let hits: Vec<ColumnId> = ColumnId::of_probes().take(2).collect();
    assert_eq!(columns, [hits.clone(), hits.clone(), hits]);
    let plain = Reader::from_bytes(record(&evolving(0, 20, 10, 1), small_blocks())).unwrap();
    assert!(plain.extra_columns(0).unwrap().is_empty());
}

#[test]
fn two_interleaved_targets_come_back_in_order() {
    let (a, b) = (evolving(0, 30, 20, 1), evolving(5, 30, 25, 2));
    let mixed: Vec<Snapshot> = a.into_iter().zip(b).flat_map(|(a, b)| [a, b]).collect();
    let reader = Reader::from_bytes(record(&mixed, small_blocks())).unwrap();
    assert_eq!(snapshots(&reader), mixed);
    assert_eq!(reader.targets().iter().map(|t| t.key.0).collect::<Vec<_>>(), [0, 5]);
    assert_eq!(reader.index()[0].targets, [TargetKey(0), TargetKey(5)]);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let written = evolving(0, 40, 30, 3);
    assert_eq!(record(&written, small_blocks()), record(&written, small_blocks()));
}

#[test]
fn everything_known_of_the_record_and_its_targets_comes_back() {
    let full = Meta {
        tool: "damo 1.2.3".into(),
        kernel_release: "6.12.0".into(),
        features: vec!["a".into(), "b".into()],
        formats: vec![TracepointFormat { event: "damon:damon_aggregated".into(), text: "name: …\n".repeat(30) }],
        source: Source::Simulator { seed: u64::MAX, workload: "stairs".into() },
        ops: Some(Ops::Fvaddr),
        intervals: Some(Intervals::default()),
        intervals_goal: Some(IntervalsGoal {
            access_bp: 400,
            aggregations: 3,
            min_sample: Nanos(-1),
            max_sample: Nanos(i64::MAX),
        }),
        nr_regions: Some(NrRegions { min: 10, max: 1000 }),
        page_size: Some(Bytes(4096)),
        clock: Clock::Virtual,
        clock_pair: Some(ClockPair { record: Nanos(-5), wall: Nanos(1_700_000_000_000_000_000) }),
        boot_id: "0f".into(),
        host: "here".into(),
        command: vec!["damo".into(), "record".into()],
        history: vec!["damo 1.2.3: cut".into()],
    };
    let known = Target {
        key: TargetKey(2),
        kdamond: Some(damo_model::KdamondIndex(1)),
        context: Some(0),
        scheme: Some(3),
        target_id: Some(u64::MAX),
        process: Some(Process { pid: 7, started: Some(Nanos(9)), comm: "a b".into(), cmdline: "a b c".into() }),
        data_source: "damon_stat".into(),
        scheme_filters: "[]".into(),
    };
    let first = Item::Target(Target { key: TargetKey(2), ..Target::default() });
    let items = [Item::Meta(full.clone()), first, Item::Target(known.clone())];
    let reader = Reader::from_bytes(write(&items, WriterOptions::default()).0).unwrap();
    assert_eq!(reader.meta(), &full);
    // The later, fuller one counts.
    assert_eq!(reader.targets(), [known]);
}

#[test]
fn an_operations_set_that_this_version_does_not_know_comes_back_as_its_word() {
    let newer = Ops::of_file("iomem");
    let params = |ops| {
        Item::Side(Side::Params(Params {
            at: Stamp::Record(Nanos(1)),
            kdamond: None,
            context: None,
            ops,
            intervals: None,
            intervals_goal: None,
            nr_regions: None,
            json: "{}".into(),
        }))
    };
    for history in [vec![], vec!["damo 1.2.3: cut".to_string()]] {
        for ops in [newer, Some(Ops::Paddr), None] {
            let meta = Meta { ops, history: history.clone(), ..Meta::default() };
            let items = [Item::Meta(meta.clone()), params(newer), params(ops)];
            let reader = Reader::from_bytes(write(&items, WriterOptions::default()).0).unwrap();
            assert_eq!(reader.meta(), &meta);
            let sides: Vec<Item> = reader.side_data().unwrap().into_iter().map(Item::Side).collect();
            assert_eq!(sides, items[1..]);
        }
    }
    for word in ["", "a b", "\u{1b}[2J", &"x".repeat(65)] {
        assert_eq!(Ops::of_file(word), None, "{word:?}");
    }
}

#[test]
fn a_record_streamed_from_its_reader_gives_the_items_as_they_were_written() {
    let mut items = vec![meta(), target(0)];
    items.extend(evolving(0, 30, 20, 5).into_iter().map(Item::Snapshot));
    items.push(Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(7)), text: "end".into() })));
    let reader = Reader::from_bytes(write(&items, small_blocks()).0).unwrap();
    let mut stream = reader.stream().unwrap();
    let mut streamed = Vec::new();
    while let Some(item) = stream.next_item().unwrap() {
        streamed.push(item);
    }
    assert!(stream.stream().is_finished());
    // The mark was written with the last block, before its snapshots.
    let mark = streamed.iter().position(|item| matches!(item, Item::Side(_))).unwrap();
    let mark = streamed.remove(mark);
    streamed.push(mark);
    assert_eq!(streamed, items);
}

/// Side data of every kind, with the largest values and without those that may be missing.
fn side_data_of_every_kind() -> Vec<Side> {
    let (at, wall) = (Stamp::Record(Nanos(-7)), Stamp::Wall(Nanos(1_700_000_000_000_000_000)));
    let mapping = Mapping {
        start: Addr(0x1000),
        end: Addr(u64::MAX),
        perms: "rw-p".into(),
        offset: Bytes(1 << 40),
        name: "/usr/lib/a b.so".into(),
    };
    let footprint = Footprint {
        vsz: Some(Bytes(1)),
        shared: Some(Bytes(0)),
        cgroup: Some(Bytes(u64::MAX)),
        ..Footprint::default()
    };
    vec![
        Side::Mappings(Mappings { at, pid: 4, target: Some(TargetKey(0)), mappings: vec![mapping.clone(), mapping] }),
        Side::Process(ProcessFootprint { at: wall, pid: -1, target: None, footprint }),
        Side::System(SystemFootprint {
            at,
            total: Bytes(9),
            free: Bytes(8),
            available: Some(Bytes(7)),
            buffers: None,
            cached: Some(Bytes(5)),
            swap_used: Some(Bytes(0)),
        }),
        Side::Cpu(CpuTime { at, pid: 9, comm: "kdamond.0".into(), kdamond: true, user: Nanos(0), system: Nanos(5) }),
        Side::Pressure(Pressure { at, resource: "memory".into(), some: Nanos(3), full: None }),
        Side::Params(Params {
            at,
            kdamond: Some(damo_model::KdamondIndex(0)),
            context: None,
            ops: Some(Ops::Paddr),
            intervals: Some(Intervals::default()),
            intervals_goal: None,
            nr_regions: Some(NrRegions::default()),
            json: "{}".into(),
        }),
        Side::Lost(Lost { at, events: 41, reason: "ring".into() }),
        Side::Mark(Mark { at: wall, text: "begin ünïcode".into() }),
        Side::Lost(Lost { at, events: 1, reason: "import".into() }),
        Side::Placement(Placement {
            at: wall,
            pid: 4,
            target: Some(TargetKey(0)),
            memory: vec![NodeMemory { start: Addr(0), end: Addr(u64::MAX), node: u32::MAX, bytes: Bytes(u64::MAX) }; 2],
            threads: vec![NodeThreads { node: 1, threads: 300 }],
        }),
        Side::Scheme(SchemeProgress {
            at,
            kdamond: Some(damo_model::KdamondIndex(1)),
            context: 0,
            scheme: 2,
            effective_quota: Some(Bytes(u64::MAX)),
            counts: None,
        }),
        Side::Scheme(SchemeProgress {
            at,
            kdamond: None,
            context: 1,
            scheme: 0,
            effective_quota: None,
            counts: Some(SchemeCounts {
                nr_tried: 1,
                sz_tried: Bytes(2),
                nr_applied: 3,
                sz_applied: Bytes(4),
                sz_ops_filter_passed: Some(Bytes(5)),
                qt_exceeds: 6,
                nr_snapshots: None,
            }),
        }),
    ]
}

#[test]
fn side_data_of_every_kind_comes_back_in_order() {
    let side_data = side_data_of_every_kind();
    let mut items = vec![meta(), target(0)];
    items.extend(side_data.iter().cloned().map(Item::Side));
    let (bytes, _) = write(&items, WriterOptions::default());
    let reader = Reader::from_bytes(bytes.as_slice()).unwrap();
    assert_eq!(reader.side_data().unwrap(), side_data);
    assert_eq!(reader.totals().lost_events, 42);
    let mut stream = StreamReader::new(bytes.as_slice()).unwrap();
    let mut streamed = Vec::new();
    while let Some(item) = stream.next_item().unwrap() {
        streamed.push(item);
    }
    assert_eq!(streamed, items);
}

#[test]
fn items_that_break_the_rules_are_refused_and_the_record_goes_on() {
    let mut writer = Writer::new(Vec::new(), WriterOptions::default()).unwrap();
    let good = evolving(0, 1, 5, 1).remove(0);
    let refuse = |writer: &mut Writer<Vec<u8>>, item: Item, words: &str| {
        let error = writer.write(&item).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refuse(&mut writer, target(0), "meta");
    writer.write(&meta()).unwrap();
    refuse(&mut writer, meta(), "second");
    refuse(&mut writer, Item::Snapshot(good.clone()), "not announced");
    writer.write(&target(0)).unwrap();
    let spoiled = |spoil: &dyn Fn(&mut Snapshot)| {
        let mut bad = good.clone();
        spoil(&mut bad);
        Item::Snapshot(bad)
    };
    refuse(&mut writer, spoiled(&|s| s.end = Nanos(s.start.0 - 1)), "before it starts");
    refuse(&mut writer, spoiled(&|s| s.regions.swap(0, 1)), "before the one before ends");
    refuse(&mut writer, spoiled(&|s| s.regions[2].end = s.regions[2].start), "region 2 of 5 is empty");
    refuse(&mut writer, spoiled(&|s| s.regions[2].end.0 += 1), "region 3 of 5 starts at");
    refuse(&mut writer, spoiled(&|s| s.regions[3].age = None), "having an age");
    let extra = |n| ExtraColumn { id: ColumnId::FILTER_PASSED, values: vec![0; n] };
    refuse(&mut writer, spoiled(&|s| s.extras.push(extra(4))), "4 values for 5 regions");
    refuse(&mut writer, spoiled(&|s| s.extras.extend([extra(5), extra(5)])), "twice");
    writer.write(&Item::Snapshot(good.clone())).unwrap();
    let reader = Reader::from_bytes(writer.finish().unwrap().0).unwrap();
    assert_eq!(snapshots(&reader), [good]);
}

#[test]
fn a_block_ends_when_it_is_old_or_full() {
    let written = evolving(0, 40, 20, 1);
    let blocks = |options| Reader::from_bytes(record(&written, options)).unwrap().index().len();
    assert_eq!(blocks(WriterOptions::default()), 1);
    // 40 snapshots of a little more than 100 ms each: 20 of them pass two seconds.
    assert_eq!(blocks(WriterOptions::live()), 2);
    let few = WriterOptions { max_regions_per_block: 1, ..WriterOptions::default() };
    assert_eq!(blocks(few), 40);
}

#[test]
fn a_selection_gives_what_filtering_everything_gives_and_skips_other_blocks() {
    let (a, b) = (evolving(0, 60, 30, 1), evolving(1, 60, 30, 2));
    let mixed: Vec<Snapshot> = a.into_iter().zip(b).flat_map(|(a, b)| [a, b]).collect();
    let reader = Reader::from_bytes(record(&mixed, small_blocks())).unwrap();
    let (from, to) = (mixed[40].start, mixed[60].end);
    let low = AddrRange::new(Addr(0x40_0000), Addr(0x50_0000));
    let nowhere = AddrRange::new(Addr(1), Addr(2));
    let selections = [
        Selection { time: Some(TimeSpan::new(from, to)), ..Selection::all() },
        Selection { targets: vec![TargetKey(1)], ..Selection::all() },
        Selection { addresses: vec![low], ..Selection::all() },
        Selection { addresses: vec![nowhere], ..Selection::all() },
        Selection { time: Some(TimeSpan::new(from, to)), addresses: vec![nowhere, low], targets: vec![TargetKey(0)] },
    ];
    for selection in selections {
        let mut expected = Vec::new();
        for snapshot in &mixed {
            if selection.wants_snapshot(snapshot.target, snapshot.time_span()) {
                let mut snapshot = snapshot.clone();
                snapshot.regions.retain(|region| selection.wants_addresses(region.range()));
                expected.push(snapshot);
            }
        }
        let mut got = Vec::new();
        for i in 0..reader.index().len() {
            let batch = reader.read_block(i, &selection).unwrap();
            assert!(reader.index()[i].wanted(&selection) || batch == Batch::default());
            for (at, head) in batch.snapshots.iter().enumerate() {
                assert_eq!(mixed[head.index as usize].start, head.start);
                got.push(batch.snapshot(at));
            }
        }
        assert_eq!(got, expected, "{selection:?}");
        assert!(!got.is_empty());
    }
    let window = Selection { time: Some(TimeSpan::new(from, to)), ..Selection::all() };
    let read = reader.index().iter().filter(|info| info.wanted(&window)).count();
    assert!(read < 6, "{read} blocks of {}", reader.index().len());
}

#[test]
fn blocks_can_be_read_from_several_threads() {
    let written = evolving(0, 100, 30, 9);
    let reader = Reader::from_bytes(record(&written, small_blocks())).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(snapshots(&reader), written));
        }
    });
}

#[test]
fn a_record_without_snapshots_is_a_record() {
    let reader = Reader::from_bytes(write(&[meta()], WriterOptions::default()).0).unwrap();
    assert_eq!((reader.index().len(), reader.targets().len(), reader.damage().len()), (0, 0, 0));
    assert_eq!(reader.address_range(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_valid_snapshots_come_back(
        written in proptest::collection::vec(any_snapshot(), 0..20),
        level in prop_oneof![Just(0), Just(3)],
        max_snapshots_per_block in 1usize..12,
    ) {
        let options = WriterOptions { level, max_snapshots_per_block, ..WriterOptions::default() };
        let mut items = vec![meta(), target(0), target(1), target(2)];
        items.extend(written.iter().cloned().map(Item::Snapshot));
        let (bytes, summary) = write(&items, options);
        prop_assert_eq!(summary.bytes, Bytes(bytes.len() as u64));
        let reader = Reader::from_bytes(bytes).unwrap();
        prop_assert!(reader.damage().is_empty());
        let mut expected = written;
        let mut got = snapshots(&reader);
        // A batch is rectangular: snapshots without an extra column get it as zeros, in the order of the block.
        for snapshot in got.iter_mut().chain(&mut expected) {
            snapshot.extras.retain(|extra| extra.values.iter().any(|v| *v != 0));
            snapshot.extras.sort_by_key(|extra| extra.id);
        }
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn what_is_decoded_in_part_is_that_part_of_the_whole(
        written in proptest::collection::vec(any_snapshot(), 0..20),
        max_snapshots_per_block in 1usize..12,
        (from, to) in (-50i64..3000, 0i64..3000),
        some_targets in any::<bool>(),
        some_time in any::<bool>(),
    ) {
        let options = WriterOptions { max_snapshots_per_block, ..WriterOptions::default() };
        let mut items = vec![meta(), target(0), target(1), target(2)];
        items.extend(written.iter().cloned().map(Item::Snapshot));
        let reader = Reader::from_bytes(write(&items, options).0).unwrap();
        let selection = Selection {
            time: some_time.then(|| TimeSpan::new(Nanos(from), Nanos(from + to))),
            targets: if some_targets { vec![TargetKey(0), TargetKey(2)] } else { Vec::new() },
            ..Selection::default()
        };
        for block in 0..reader.index().len() {
            let read = |detail| reader.read_block_detail(block, &selection, detail).unwrap();
            let whole = reader.read_block(block, &selection).unwrap();
            prop_assert_eq!(&read(Detail::All), &whole);
            let mut without_ages = whole.clone();
            without_ages.age.iter_mut().for_each(|age| *age = 0);
            without_ages.snapshots.iter_mut().for_each(|head| head.has_age = false);
            prop_assert_eq!(&read(Detail::WithoutAges), &without_ages);
            let heads = read(Detail::Heads);
            prop_assert!(heads.start.is_empty() && heads.extras.is_empty());
            prop_assert_eq!(heads.snapshots.len(), whole.snapshots.len());
            for (head, known) in heads.snapshots.iter().zip(&whole.snapshots) {
                prop_assert_eq!(head.regions.len(), known.regions.len());
                prop_assert_eq!(&damo_model::SnapshotHead { regions: known.regions.clone(), ..head.clone() }, known);
            }
        }
    }
}
