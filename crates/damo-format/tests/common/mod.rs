//! Makes items for tests: snapshots that evolve as DAMON's do, and random ones.
#![allow(dead_code)]

pub mod frames;

use damo_format::{ReadError, Reader, StreamReader, Summary, Writer, WriterOptions};
use damo_model::{
    Addr, Age, ColumnId, ExtraColumn, Intervals, Item, Meta, Nanos, NrAccesses, Ops, Region, Selection, Snapshot,
    SnapshotState, Target, TargetKey,
};
use proptest::prelude::*;

/// A small generator with a fixed seed: tests must not depend on luck.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// With an operations set that has no number of its own.
pub fn meta() -> Item {
    let (intervals, ops) = (Some(Intervals::default()), Ops::of_file("newer"));
    Item::Meta(Meta { tool: "test 1".into(), intervals, ops, ..Meta::default() })
}

pub fn target(key: u32) -> Item {
    Item::Target(Target { key: TargetKey(key), target_id: Some(key.into()), ..Target::default() })
}

/// `n` snapshots of one target, about `regions` regions each, that split, join and age like DAMON's.
pub fn evolving(target: u32, n: usize, regions: usize, seed: u64) -> Vec<Snapshot> {
    let mut random = Random(seed);
    let page = 4096;
    let mut current: Vec<Region> = (0..regions as u64)
        .map(|i| {
            let base = if i < regions as u64 / 2 { 0x40_0000 } else { 0x7f00_0000_0000 };
            let start = base + i * 100 * page;
            Region::new(Addr(start), Addr(start + 100 * page), NrAccesses((i % 3) as u32), Some(Age(5)))
        })
        .collect();
    let mut snapshots = Vec::new();
    let mut time = 1_000_000_000;
    for _ in 0..n {
        let end = time + 100_000_000 + random.below(100_000) as i64;
        let mut snapshot = Snapshot::new(TargetKey(target), Nanos(time), Nanos(end), Some(Intervals::default()));
        snapshot.regions.clone_from(&current);
        snapshots.push(snapshot);
        time = end;
        let mut next: Vec<Region> = Vec::new();
        for region in &current {
            let mut region = *region;
            let age = region.age.map_or(0, |age| age.0);
            let moved = random.below(10) == 0;
            region.age = Some(Age(if moved { 0 } else { age + 1 }));
            if moved {
                region.nr_accesses = NrAccesses(random.below(21) as u32);
            }
            let pages = region.size().0 / page;
            let cut = pages * (1 + random.below(9)) / 10;
            match next.last_mut() {
                Some(last) if last.end == region.start && random.below(8) == 0 => last.end = region.end,
                _ if random.below(8) == 0 && cut > 0 && cut < pages => {
                    let middle = Addr(region.start.0 + cut * page);
                    next.push(Region { end: middle, ..region });
                    next.push(Region { start: middle, ..region });
                }
                _ => next.push(region),
            }
        }
        current = next;
    }
    snapshots
}

/// With hits of two probes.
pub fn with_probes(mut snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
    for snapshot in &mut snapshots {
        let hits = |region: &Region| u64::from(region.nr_accesses.0) / 2;
        let values: Vec<u64> = snapshot.regions.iter().map(hits).collect();
        snapshot.extras.extend(ColumnId::of_probes().take(2).map(|id| ExtraColumn { id, values: values.clone() }));
    }
    snapshots
}

/// A record of the items, in memory.
pub fn write(items: &[Item], options: WriterOptions) -> (Vec<u8>, Summary) {
    let mut writer = Writer::new(Vec::new(), options).unwrap();
    for item in items {
        writer.write(item).unwrap();
    }
    writer.finish().unwrap()
}

/// Meta, targets, and the snapshots.
pub fn record(snapshots: &[Snapshot], options: WriterOptions) -> Vec<u8> {
    let mut keys: Vec<u32> = snapshots.iter().map(|s| s.target.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut items = vec![meta()];
    items.extend(keys.into_iter().map(target));
    items.extend(snapshots.iter().cloned().map(Item::Snapshot));
    write(&items, options).0
}

/// All snapshots of a record, by blocks.
pub fn snapshots(reader: &Reader) -> Vec<Snapshot> {
    let mut all = Vec::new();
    for i in 0..reader.index().len() {
        let batch = reader.read_block(i, &Selection::all()).unwrap();
        all.extend((0..batch.snapshots.len()).map(|i| batch.snapshot(i)));
    }
    all
}

/// Often none, else up to three: the filters', hits of probes, others.
fn extra_columns() -> impl Strategy<Value = Vec<u16>> {
    let some = proptest::collection::btree_set(prop_oneof![0u16..3, 256u16..260, Just(u16::MAX)], 1..4);
    prop_oneof![2 => Just(Vec::new()), 1 => some.prop_map(|ids| ids.into_iter().collect())]
}

prop_compose! {
    /// Any valid snapshot of one of three targets.
    pub fn any_snapshot()(
        target in 0u32..3,
        start in any::<i64>(),
        length in prop_oneof![Just(100_000_000i64), 0..i64::MAX],
        intervals in proptest::option::of((any::<i64>(), any::<i64>(), any::<i64>())),
        partial in proptest::option::weighted(0.2, any::<u32>()),
        aged in any::<bool>(),
        page in prop_oneof![Just(1u64), Just(4096)],
        raw in proptest::collection::vec((0u64..50, 1u64..200, 0u32..30, any::<u32>(), any::<u64>()), 0..40),
        wide in proptest::option::weighted(0.1, (any::<u64>(), any::<u64>(), any::<u32>())),
        extras in extra_columns(),
    ) -> Snapshot {
        let mut regions = Vec::new();
        let mut at = 0x10_0000;
        for &(gap, size, nr, age, _) in &raw {
            let begin = at + if gap < 40 { 0 } else { gap * page };
            at = begin + size * page;
            let age = aged.then_some(Age(if age % 3 == 0 { age } else { age % 50 }));
            regions.push(Region::new(Addr(begin), Addr(at), NrAccesses(nr), age));
        }
        if let Some((from, to, nr)) = wide {
            let (from, to) = (from.min(to).max(at), from.max(to));
            if from < to {
                regions.push(Region::new(Addr(from), Addr(to), NrAccesses(nr), aged.then_some(Age(nr))));
            }
        }
        let values: Vec<u64> = regions.iter().zip(raw.iter().map(|r| r.4).chain([7])).map(|(_, v)| v).collect();
        let extras = extras.into_iter().map(|id| {
            let values = values.iter().map(|value| value.rotate_left(u32::from(id) % 64)).collect();
            ExtraColumn { id: ColumnId(id), values }
        });
        // A batch cannot tell a snapshot without regions from one with ages.
        Snapshot {
            target: TargetKey(target),
            start: Nanos(start),
            end: Nanos(start.saturating_add(length)),
            intervals: intervals.map(|(a, b, c)| Intervals { sample: Nanos(a), aggregation: Nanos(b), update: Nanos(c) }),
            state: partial.map_or(SnapshotState::Complete, |expected| SnapshotState::Partial { expected }),
            regions,
            extras: extras.collect(),
        }
    }
}

/// Blocks of four snapshots.
pub fn options(level: i32) -> WriterOptions {
    WriterOptions { level, max_snapshots_per_block: 4, ..WriterOptions::default() }
}

/// A small record of several blocks, and what is in it.
pub fn small() -> (Vec<Snapshot>, Vec<u8>) {
    let written = with_probes(evolving(0, 18, 6, 4));
    let bytes = record(&written, options(3));
    (written, bytes)
}

/// The snapshots that a stream of these bytes gives.
pub fn stream_snapshots(bytes: &[u8]) -> Result<Vec<Snapshot>, ReadError> {
    let mut stream = StreamReader::new(bytes)?;
    let mut all = Vec::new();
    while let Some(item) = stream.next_item()? {
        if let Item::Snapshot(snapshot) = item {
            all.push(snapshot);
        }
    }
    Ok(all)
}
