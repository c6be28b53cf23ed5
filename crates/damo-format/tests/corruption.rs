//! Damage and lies: what is whole is read, what is not is named, nothing panics, nothing takes memory on trust.
#![allow(clippy::unwrap_used)]
mod common;

use common::frames::{Frame, HEADER, assemble, frame_bytes, frames};
use common::{Random, evolving, meta, options, record, small, snapshots, stream_snapshots, target, with_probes, write};
use damo_format::{ReadError, Reader, StreamReader, sniff};
use damo_model::profile::{
    CodeBase, CodeMapping, CodeMappings, FrameKind, Sample, Sampled, SampledThread, Samples, StackNode, Stacks,
};
use damo_model::{
    Addr, Bytes, Item, Lost, Mappings, Mark, Nanos, NodeMemory, NodeThreads, Placement, Process, Selection, Side,
    Stamp, Target, TargetKey,
};

/// Reads everything there is, in every way; what comes does not matter as long as nothing panics.
fn read_all(bytes: &[u8]) {
    let _ = stream_snapshots(bytes);
    let Ok(reader) = Reader::from_bytes(bytes) else { return };
    let _ = reader.side_data();
    let _ = reader.profile();
    for (i, info) in reader.index().iter().enumerate() {
        let _ = reader.extra_columns(i);
        if let Ok(batch) = reader.read_block(i, &Selection::all()) {
            assert_eq!(batch.nr_regions() as u64, info.regions);
            assert!((0..batch.nr_regions()).all(|row| batch.start[row] < batch.end[row]));
        }
    }
}

#[test]
fn a_file_cut_anywhere_gives_back_every_finished_block() {
    let (written, bytes) = small();
    let blocks = frames(&bytes);
    for cut in 0..bytes.len() {
        let part = &bytes[..cut];
        if cut < 8 {
            assert!(matches!(Reader::from_bytes(part), Err(ReadError::NotARecord(_))), "cut at {cut}");
            continue;
        }
        assert!(sniff(part));
        let whole = blocks.iter().filter(|b| b.kind == 3 && b.offset + HEADER + b.payload.len() <= cut).count();
        let expected = &written[..written.len().min(whole * 4)];
        let reader = Reader::from_bytes(part).unwrap();
        assert_eq!(snapshots(&reader), expected, "cut at {cut}");
        assert!(!reader.is_finished());
        let at_border = blocks.iter().any(|b| b.offset == cut);
        let with_meta = cut >= blocks[1].offset;
        assert_eq!(reader.damage().is_empty(), at_border && with_meta, "cut at {cut}: {:?}", reader.damage());
        assert_eq!(stream_snapshots(part).unwrap(), expected, "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_costs_one_block_at_most_and_is_reported() {
    let (written, bytes) = small();
    for at in 0..bytes.len() {
        for mask in [1u8, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= mask;
            let reader = Reader::from_bytes(bad.as_slice()).unwrap_or_else(|e| panic!("byte {at}: {e}"));
            assert!(!reader.damage().is_empty(), "byte {at}");
            let got = snapshots(&reader);
            assert!(got.len() + 4 >= written.len(), "byte {at}: {} of {}", got.len(), written.len());
            assert!(got.iter().all(|snapshot| written.contains(snapshot)), "byte {at}");
            assert_eq!(stream_snapshots(&bad).unwrap(), got, "byte {at}");
        }
    }
}

#[test]
fn a_piece_cut_out_of_the_middle_costs_the_blocks_it_touches() {
    let (written, bytes) = small();
    let mut random = Random(5);
    for _ in 0..300 {
        let from = 16 + random.below(bytes.len() as u64 - 16) as usize;
        let to = from + 1 + random.below((bytes.len() - from) as u64) as usize;
        let mut bad = bytes[..from].to_vec();
        bad.extend(&bytes[to..]);
        let untouched = frames(&bytes)
            .iter()
            .filter(|b| b.kind == 3 && (b.offset + HEADER + b.payload.len() <= from || b.offset >= to))
            .count();
        let reader = Reader::from_bytes(bad.as_slice()).unwrap();
        let got = snapshots(&reader);
        assert_eq!(reader.index().len(), untouched, "without {from}..{to}");
        assert!(got.iter().all(|snapshot| written.contains(snapshot)));
        assert_eq!(stream_snapshots(&bad).unwrap(), got);
    }
}

#[test]
fn lies_with_right_checksums_are_refused_or_give_valid_snapshots() {
    for level in [0, 3] {
        let mut items = vec![meta(), target(0)];
        items.extend(with_probes(evolving(0, 12, 5, 6)).into_iter().map(Item::Snapshot));
        items.push(Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(1)), text: "here".into() })));
        let (bytes, _) = write(&items, options(level));
        let whole = frames(&bytes);
        for (i, frame) in whole.iter().enumerate() {
            for at in 0..frame.payload.len() {
                for value in [0, 1, 0x7f, 0x80, 250, 251, 252, 253, 0xff, frame.payload[at] ^ 1] {
                    let mut lying = whole.clone();
                    lying[i].payload[at] = value;
                    read_all(&assemble(&bytes, &lying));
                }
            }
        }
    }
}

#[test]
fn random_changes_with_right_checksums_never_panic() {
    let bytes = record(&with_probes(evolving(0, 40, 30, 8)), options(0));
    let whole = frames(&bytes);
    let mut random = Random(7);
    for _ in 0..3000 {
        let mut lying = whole.clone();
        let frame = &mut lying[random.below(whole.len() as u64) as usize];
        for _ in 0..=random.below(4) {
            let at = random.below(frame.payload.len() as u64) as usize;
            match random.below(3) {
                0 => frame.payload[at] = random.next() as u8,
                1 => drop(frame.payload.remove(at)),
                _ => frame.payload.insert(at, random.next() as u8),
            }
        }
        frame.raw_len = frame.payload.len() as u32 + random.below(3) as u32;
        frame.codec = [0, 2, 2, 1][random.below(4) as usize];
        read_all(&assemble(&bytes, &lying));
    }
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_allocated() {
    let (_, bytes) = small();
    for stored in [u32::MAX, 34 << 20, 32 << 20, 1 << 20] {
        let mut lying = bytes[..16].to_vec();
        lying.extend(frame_bytes(&frames(&bytes)[0], stored));
        let reader = Reader::from_bytes(lying.as_slice()).unwrap();
        assert!(!reader.damage().is_empty());
        assert_eq!(stream_snapshots(&lying).unwrap(), []);
    }
}

/// A snapshot block that claims `regions` and has one column of `n` zeros for each of the given ids.
fn bomb(regions: u32, snapshots: u32, n: usize, ids: &[u8]) -> Frame {
    let wide = |v: u32| [&[252][..], &v.to_le_bytes()].concat();
    let mut payload = vec![0];
    payload.extend(wide(snapshots));
    payload.push(0);
    payload.extend(wide(regions));
    // Times, addresses, largest access count, touched, targets; then shift and flags.
    payload.extend([0, 0, 0, 0, 0, 0, 1, 0, 12, 0]);
    for id in ids {
        let packed = zstd::bulk::compress(&vec![0; n], 3).unwrap();
        payload.extend([*id, 1]);
        payload.extend(wide(n as u32));
        payload.extend(wide(packed.len() as u32));
        payload.extend(packed);
    }
    Frame { offset: 0, kind: 3, codec: 2, raw_len: 32 << 20, sequence: 2, payload }
}

#[test]
fn zip_bombs_are_refused() {
    let (_, bytes) = small();
    let start: Vec<Frame> = frames(&bytes).into_iter().take(2).collect();
    let bombs = [
        bomb(u32::MAX, 1, 1 << 10, &[1, 2, 5, 6]),
        bomb(1 << 20, u32::MAX, 1 << 10, &[1, 2, 5, 6]),
        bomb(1 << 20, 1 << 16, 31 << 20, &[1, 2, 5, 6]),
        bomb(1 << 20, 1 << 16, 1 << 27, &[1]),
        bomb(1, 1, 16 << 20, &[1, 2, 3, 4, 5, 6]),
    ];
    for (i, bomb) in bombs.into_iter().enumerate() {
        let mut lying = start.clone();
        lying.push(bomb);
        let file = assemble(&bytes, &lying);
        assert!(file.len() < 300_000);
        let reader = Reader::from_bytes(file.as_slice()).unwrap();
        let refused = reader.index().is_empty() || reader.read_block(0, &Selection::all()).is_err();
        assert!(refused, "bomb {i}");
        assert_eq!(stream_snapshots(&file).unwrap(), [], "bomb {i}");
    }
    // One whole payload that unpacks to 256 MiB while its header says little.
    let packed = zstd::bulk::compress(&vec![0; 1 << 28], 3).unwrap();
    let meta = Frame { offset: 0, kind: 1, codec: 1, raw_len: 100, sequence: 0, payload: packed };
    let reader = Reader::from_bytes(assemble(&bytes, &[meta])).unwrap();
    assert!(
        reader.damage().iter().any(|damage| damage.why.to_string().contains("does not unpack")),
        "{:?}",
        reader.damage()
    );
}

#[test]
fn side_data_and_targets_that_would_fill_the_memory_are_refused() {
    let (_, bytes) = small();
    let start: Vec<Frame> = frames(&bytes).into_iter().take(2).collect();
    let block = |kind: u16, raw: Vec<u8>, sequence: u32| {
        let payload = zstd::bulk::compress(&raw, 3).unwrap();
        Frame { offset: 0, kind, codec: 1, raw_len: raw.len() as u32, sequence, payload }
    };
    // Marks of five bytes; each takes twenty times as much in memory.
    let marks = block(4, [8, 3, 0, 0, 0].repeat(6 << 20), 2);
    let file = assemble(&bytes, &[&start[..], &[marks]].concat());
    assert!(file.len() < 10_000);
    let reader = Reader::from_bytes(file.as_slice()).unwrap();
    assert!(reader.damage()[0].why.to_string().contains("more pieces of side data"), "{:?}", reader.damage());
    assert_eq!(reader.side_data().unwrap(), []);
    let mut stream = StreamReader::new(file.as_slice()).unwrap();
    while let Some(item) = stream.next_item().unwrap() {
        assert!(!matches!(item, Item::Side(_)));
    }
    // A hundred blocks, each as full as a block may be.
    let full: Vec<Frame> = (2..102).map(|n| block(4, [8, 3, 0, 0, 0].repeat(1 << 16), n)).collect();
    let file = assemble(&bytes, &[&start[..], &full].concat());
    let reader = Reader::from_bytes(file.as_slice()).unwrap();
    assert!(reader.damage()[0].why.to_string().contains("more side data"), "{:?}", reader.damage());
    let taken = reader.side_data().unwrap();
    assert!((1 << 16..1 << 20).contains(&taken.len()), "what fits is read: {}", taken.len());
    // A stream passes as much on and no more, whether the length of the file is known or not.
    for length in [0, file.len() as u64] {
        let mut stream = StreamReader::new(file.as_slice()).unwrap().with_length(Bytes(length));
        let mut passed = 0;
        while let Some(item) = stream.next_item().unwrap() {
            passed += usize::from(matches!(item, Item::Side(_)));
        }
        assert_eq!(passed, taken.len());
        assert!(stream.damage()[0].why.to_string().contains("more side data"), "{:?}", stream.damage());
    }
    // Targets 70,000 to 140,000 and on, eleven bytes each.
    let mut raw = vec![252];
    raw.extend(70_000u32.to_le_bytes());
    for key in 70_000u32..140_000 {
        raw.push(252);
        raw.extend(key.to_le_bytes());
        raw.extend([0; 7]);
    }
    let reader = Reader::from_bytes(assemble(&bytes, &[&start[..], &[block(2, raw, 2)]].concat())).unwrap();
    assert_eq!(reader.targets().len(), 1 << 16);
    assert!(reader.damage()[0].why.to_string().contains("more targets"));
}

#[test]
fn texts_of_targets_that_would_fill_the_memory_are_refused_and_what_fits_is_read() {
    let (_, bytes) = small();
    let start: Vec<Frame> = frames(&bytes).into_iter().take(1).collect();
    // Each block has one target, with a command line of 30 MiB.
    let length = 30u32 << 20;
    let blocks = (0..60u8).map(|key| {
        let mut raw = vec![1, key, 0, 0, 0, 0, 1, 2, 0, 0, 252];
        raw.extend(length.to_le_bytes());
        raw.resize(raw.len() + length as usize, b'a');
        raw.extend([0, 0]);
        let payload = zstd::bulk::compress(&raw, 3).unwrap();
        Frame { offset: 0, kind: 2, codec: 1, raw_len: raw.len() as u32, sequence: u32::from(key) + 1, payload }
    });
    let file = assemble(&bytes, &start.into_iter().chain(blocks).collect::<Vec<_>>());
    assert!(file.len() < 300_000);
    let reader = Reader::from_bytes(file.as_slice()).unwrap();
    assert_eq!(reader.targets().len(), 2, "64 MiB are allowed");
    let damage = reader.damage();
    assert!(
        damage.iter().any(|damage| damage.why.to_string().contains("targets of the record take more")),
        "{damage:?}"
    );
    let mut stream = StreamReader::new(file.as_slice()).unwrap();
    let mut targets = 0;
    while let Some(item) = stream.next_item().unwrap() {
        targets += usize::from(matches!(item, Item::Target(_)));
    }
    assert_eq!(targets, 2);
}

#[test]
fn lists_of_mappings_that_take_far_more_memory_than_bytes_are_refused() {
    let (_, bytes) = small();
    let start: Vec<Frame> = frames(&bytes).into_iter().take(2).collect();
    // Each list has 100,000 mappings of five bytes, which take fourteen times as much in memory.
    let mut list = vec![0, 0, 2, 0, 252];
    list.extend(100_000u32.to_le_bytes());
    list.resize(list.len() + 500_000, 0);
    let mut raw = Vec::new();
    for _ in 0..60 {
        raw.extend([1, 252]);
        raw.extend((list.len() as u32).to_le_bytes());
        raw.extend(&list);
    }
    let payload = zstd::bulk::compress(&raw, 3).unwrap();
    let block = Frame { offset: 0, kind: 4, codec: 1, raw_len: raw.len() as u32, sequence: 2, payload };
    let file = assemble(&bytes, &[&start[..], &[block]].concat());
    let reader = Reader::from_bytes(file.as_slice()).unwrap();
    assert!(reader.damage()[0].why.to_string().contains("more mappings"), "{:?}", reader.damage());
    assert_eq!(reader.side_data().unwrap(), []);
    // One such list is none too many.
    raw.truncate(raw.len() / 60);
    let payload = zstd::bulk::compress(&raw, 3).unwrap();
    let block = Frame { offset: 0, kind: 4, codec: 1, raw_len: raw.len() as u32, sequence: 2, payload };
    let reader = Reader::from_bytes(assemble(&bytes, &[&start[..], &[block]].concat())).unwrap();
    assert_eq!(reader.side_data().unwrap().len(), 1, "{:?}", reader.damage());
}

#[test]
fn a_writer_leaves_out_command_lines_rather_than_exceed_what_readers_take() {
    let cmdline = "a".repeat(10 << 20);
    let target = |key: u32| {
        let process = Process { pid: 1, comm: "app".into(), cmdline: cmdline.clone(), ..Process::default() };
        Item::Target(Target { key: TargetKey(key), process: Some(process), ..Target::default() })
    };
    let items: Vec<Item> = std::iter::once(meta()).chain((0..9).map(target)).collect();
    let (bytes, _) = write(&items, options(3));
    let reader = Reader::from_bytes(bytes).unwrap();
    assert_eq!(reader.damage(), []);
    let lengths: Vec<usize> = reader.targets().iter().map(|t| t.process.as_ref().unwrap().cmdline.len()).collect();
    assert_eq!(lengths, [[10 << 20; 6].as_slice(), &[0; 3]].concat());
    assert!(reader.targets().iter().all(|target| target.process.as_ref().unwrap().comm == "app"));
}

#[test]
fn a_writer_splits_lists_of_targets_and_mappings_that_fit_no_block() {
    let cmdline = "a".repeat(900);
    let target = |key: u32| {
        let process = Process { pid: 1, comm: "app".into(), cmdline: cmdline.clone(), ..Process::default() };
        Item::Target(Target { key: TargetKey(key), process: Some(process), ..Target::default() })
    };
    let mappings = Mappings {
        at: Stamp::Record(Nanos(0)),
        pid: 1,
        target: None,
        mappings: vec![damo_model::Mapping::default(); 150_000],
    };
    let mut items: Vec<Item> = std::iter::once(meta()).chain((0..30_000).map(target)).collect();
    items.extend((0..8).map(|_| Item::Side(Side::Mappings(mappings.clone()))));
    let reader = Reader::from_bytes(write(&items, options(3)).0).unwrap();
    assert_eq!(reader.damage(), []);
    assert_eq!((reader.targets().len(), reader.side_data().unwrap().len()), (30_000, 8));
    let too_long = Mappings { mappings: vec![damo_model::Mapping::default(); (1 << 20) + 1], ..mappings };
    let mut writer = damo_format::Writer::new(Vec::new(), options(3)).unwrap();
    writer.write(&meta()).unwrap();
    let error = writer.write(&Item::Side(Side::Mappings(too_long))).unwrap_err().to_string();
    assert!(error.contains("1048576 mappings"), "{error}");
    let placement =
        Placement { at: Stamp::Record(Nanos(0)), pid: 1, target: None, memory: Vec::new(), threads: Vec::new() };
    let memory = vec![NodeMemory::default(); 1 << 20];
    let threads = vec![NodeThreads::default()];
    let most = Side::Placement(Placement { memory: memory.clone(), ..placement.clone() });
    writer.write(&Item::Side(most)).unwrap();
    let error = writer.write(&Item::Side(Side::Placement(Placement { memory, threads, ..placement }))).unwrap_err();
    assert!(error.to_string().contains("1048576 mappings"), "{error}");
}

/// One change that leaves the frame of the blocks right: of fields and lengths, bytes, whole blocks and their order.
fn mutate(blocks: &mut Vec<Frame>, random: &mut Random) {
    const NUMBERS: [u8; 10] = [0, 1, 250, 251, 252, 253, 254, 0x7f, 0x80, 0xff];
    let which = random.below(blocks.len() as u64) as usize;
    match random.below(10) {
        0 => drop(blocks.remove(which)),
        1 => blocks.insert(random.below(blocks.len() as u64) as usize, blocks[which].clone()),
        2 => blocks.swap(which, 0),
        3 => blocks[which].kind = random.below(9) as u16,
        4 => blocks[which].raw_len = random.next() as u32 >> random.below(32),
        5 => {
            let length = random.below(blocks[which].payload.len() as u64 + 1) as usize;
            blocks[which].payload.truncate(length);
        }
        _ if blocks[which].payload.is_empty() => {}
        6 => {
            // A piece of one block in another.
            let piece = blocks[which].payload.clone();
            let to = random.below(blocks.len() as u64) as usize;
            let at = random.below(blocks[to].payload.len() as u64 + 1) as usize;
            blocks[to].payload.splice(at..at, piece.into_iter().take(64));
        }
        _ => {
            let at = random.below(blocks[which].payload.len() as u64) as usize;
            blocks[which].payload[at] = match random.below(3) {
                0 => random.next() as u8,
                1 => NUMBERS[random.below(10) as usize],
                _ => blocks[which].payload[at] ^ (1 << random.below(8)),
            };
        }
    }
    if blocks.is_empty() {
        blocks.push(Frame { offset: 0, kind: 1, codec: 0, raw_len: 0, sequence: 0, payload: Vec::new() });
    }
}

#[test]
fn whole_records_of_lies_with_right_checksums_are_read_without_panic() {
    let process = Process { pid: 9, started: Some(Nanos(5)), comm: "app".into(), cmdline: "app -x".into() };
    let mut items = vec![meta(), Item::Target(Target { process: Some(process), ..Target::default() })];
    items.extend(evolving(0, 12, 5, 6).into_iter().map(Item::Snapshot));
    let at = Stamp::Record(Nanos(1));
    let mapping = damo_model::Mapping { name: "[heap]".into(), perms: "rw-p".into(), ..Default::default() };
    items.push(Item::Side(Side::Mark(Mark { at, text: "here".into() })));
    items.push(Item::Side(Side::Lost(Lost { at, events: 3, reason: "ring".into() })));
    items.push(Item::Side(Side::Mappings(Mappings { at, pid: 9, target: None, mappings: vec![mapping] })));
    let (memory, threads) = (vec![NodeMemory::default(); 2], vec![NodeThreads::default()]);
    items.push(Item::Side(Side::Placement(Placement { at, pid: 9, target: None, memory, threads })));
    let node = StackNode { parent: None, address: Addr(7), kind: FrameKind::User };
    let nodes = vec![node, StackNode { parent: Some(0), ..node }];
    items.push(Item::Side(Side::Stacks(Stacks { at, table: 1, first: 0, nodes })));
    let threads = vec![SampledThread::default()];
    let samples = vec![Sample { stack: 1, weight: 1, ..Sample::default() }; 3];
    let (sampled, unit, addresses) = (Sampled::Access, Nanos(300_000), vec![Addr(1); 3]);
    items.push(Item::Side(Side::Samples(Samples { at, sampled, table: 1, unit, threads, samples, addresses })));
    let mappings = vec![CodeMapping { name: "/bin/x".into(), build_id: vec![1; 20], ..CodeMapping::default() }];
    items.push(Item::Side(Side::Code(CodeMappings { at, pid: 9, base: CodeBase::CopyOf(1), mappings })));
    let (bytes, _) = write(&items, options(0));
    let whole = frames(&bytes);
    let mut random = Random(2026);
    for _ in 0..4000 {
        let mut lying = whole.clone();
        (0..=random.below(6)).for_each(|_| mutate(&mut lying, &mut random));
        if random.below(2) == 0 {
            lying.iter_mut().filter(|frame| frame.codec == 0).for_each(|f| f.raw_len = f.payload.len() as u32);
            (0..).zip(&mut lying).for_each(|(i, frame)| frame.sequence = i);
        }
        read_all(&assemble(&bytes, &lying));
    }
}

#[test]
fn false_headers_within_false_headers_take_no_more_than_a_few_passes() {
    let (written, bytes) = small();
    // Each of 20,000 headers claims a payload of a mebibyte, with a wrong checksum.
    let header = |sequence: u32| {
        let mut out = b"\xdabk\n\x03\0\x02\0".to_vec();
        out.extend((1u32 << 20).to_le_bytes());
        out.extend([0; 4]);
        out.extend(sequence.to_le_bytes());
        out.extend([1, 2, 3, 4]);
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    };
    let split = frames(&bytes)[3].offset;
    let mut nested = bytes[..split].to_vec();
    (0..20_000).for_each(|n| nested.extend(header(n)));
    nested.resize(nested.len() + (1 << 20), 0);
    nested.extend(&bytes[split..]);
    // Without a bound this is 20,000 checksums of a mebibyte, twice.
    let reader = Reader::from_bytes(nested.as_slice()).unwrap();
    let got = snapshots(&reader);
    assert_eq!(got, written);
    assert_eq!(stream_snapshots(&nested).unwrap(), written);
}
