//! Changes to whole simulated records: what they must keep, and that parts go together again.
#![allow(clippy::unwrap_used)]

use damo_edit::anonymize::{Anonymize, Survey};
use damo_edit::merge::{Input, Plan, join};
use damo_edit::{Aggregate, AggregateOptions, Cut, EditError, Part};
use damo_model::{
    Addr, AddrRange, Item, Meta, Nanos, Region, Side, Sink, SinkError, Snapshot, Target, TargetKey, TimeSpan,
};
use damo_sim::builtin;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::OnceLock;

/// Two processes under one kdamond, for eight seconds.
fn record() -> &'static [Item] {
    static RECORD: OnceLock<Vec<Item>> = OnceLock::new();
    RECORD.get_or_init(|| {
        let pair = builtin::find("pair").unwrap();
        let options = damo_sim::Options { duration: Some(Nanos::from_secs(8)), seed: 3, ..pair.options() };
        let mut items: Vec<Item> = Vec::new();
        damo_sim::simulate(&pair.workloads(), &options, &mut items, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(snapshots(&items).len() > 100);
        items
    })
}

fn snapshots(items: &[Item]) -> Vec<&Snapshot> {
    items.iter().filter_map(|item| if let Item::Snapshot(snapshot) = item { Some(snapshot) } else { None }).collect()
}

fn side_data(items: &[Item]) -> Vec<&Side> {
    items.iter().filter_map(|item| if let Item::Side(side) = item { Some(side) } else { None }).collect()
}

fn meta(items: &[Item]) -> &Meta {
    let Some(Item::Meta(meta)) = items.first() else { panic!("a record begins with its meta item") };
    meta
}

fn targets(items: &[Item]) -> Vec<Target> {
    let targets = items.iter().filter_map(|item| if let Item::Target(target) = item { Some(target) } else { None });
    targets.map(|target| (target.key, target.clone())).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn cut(items: &[Item], part: Part) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::new();
    let mut cut = Cut::new(part, &mut out);
    items.iter().for_each(|item| cut.put(item).unwrap());
    out
}

#[derive(Debug)]
struct Failure;

impl From<EditError> for Failure {
    fn from(_: EditError) -> Self {
        Failure
    }
}

impl From<SinkError> for Failure {
    fn from(_: SinkError) -> Self {
        Failure
    }
}

fn merge(parts: &[Vec<Item>]) -> Vec<Item> {
    let known: Vec<Vec<Target>> = parts.iter().map(|part| targets(part)).collect();
    let inputs: Vec<Input<'_>> =
        parts.iter().zip(&known).map(|(part, targets)| Input { name: "part", meta: meta(part), targets }).collect();
    let plan = Plan::make(&inputs, false).unwrap();
    let mut streams: Vec<_> = parts.iter().map(|part| part.iter().cloned()).collect();
    let mut sources: Vec<_> = streams.iter_mut().map(|stream| move || Ok::<_, Failure>(stream.next())).collect();
    let mut sources: Vec<_> =
        sources.iter_mut().map(|source| source as &mut dyn FnMut() -> Result<Option<Item>, Failure>).collect();
    let mut out: Vec<Item> = Vec::new();
    join(&plan, &mut sources, &mut out).unwrap();
    out
}

fn assert_same_record(merged: &[Item], whole: &[Item]) {
    assert_eq!(meta(merged), meta(whole));
    assert_eq!(targets(merged), targets(whole));
    // Of one moment, targets may come in another order than they did.
    let by_target = |items| {
        let mut all: Vec<Snapshot> = snapshots(items).into_iter().cloned().collect();
        all.sort_by_key(|snapshot| snapshot.target);
        all
    };
    assert_eq!(by_target(merged), by_target(whole));
    assert!(snapshots(merged).is_sorted_by_key(|snapshot| snapshot.end));
    let count = |items| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        side_data(items).iter().for_each(|side| *counts.entry(format!("{side:?}")).or_default() += 1);
        counts
    };
    assert_eq!(count(merged), count(whole));
}

/// Sum of size × accesses.
fn byte_samples<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>) -> u128 {
    let regions = snapshots.into_iter().flat_map(|snapshot| &snapshot.regions);
    regions.map(|region| u128::from(region.size().0) * u128::from(region.nr_accesses.0)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn parts_of_time_go_together_to_the_whole_record(mut at in prop::collection::vec(0i64..8_000_000_000, 1..5)) {
        at.extend([i64::MIN, i64::MAX]);
        at.sort_unstable();
        let window = |pair: &[i64]| Part { time: Some(TimeSpan::new(Nanos(pair[0]), Nanos(pair[1]))), ..Part::default() };
        let parts: Vec<Vec<Item>> = at.windows(2).map(|pair| cut(record(), window(pair))).collect();
        let counts: usize = parts.iter().map(|part| snapshots(part).len()).sum();
        prop_assert_eq!(counts, snapshots(record()).len());
        assert_same_record(&merge(&parts), record());
    }

    #[test]
    fn a_cut_of_a_cut_is_the_cut_of_what_both_want(mut at in prop::collection::vec(0i64..8_000_000_000, 4)) {
        at.sort_unstable();
        let window = |from, to| Part { time: Some(TimeSpan::new(Nanos(from), Nanos(to))), ..Part::default() };
        let twice = cut(&cut(record(), window(at[0], at[2])), window(at[1], at[3]));
        let once = cut(record(), window(at[1], at[2]));
        prop_assert_eq!(snapshots(&twice), snapshots(&once));
        prop_assert_eq!(side_data(&twice), side_data(&once));
        prop_assert_eq!(targets(&twice), targets(&once));
    }

    #[test]
    fn parts_by_address_share_no_byte_and_lack_none(mut at in prop::collection::vec(any::<u64>(), 1..5), in_use in any::<bool>()) {
        if in_use {
            // Within a region of the record rather than anywhere.
            let regions: Vec<_> = snapshots(record()).iter().flat_map(|snapshot| &snapshot.regions).collect();
            for at in &mut at {
                let region = regions[*at as usize % regions.len()];
                *at = region.start.0 + *at % region.size().0;
            }
        }
        at.extend([0, u64::MAX]);
        at.sort_unstable();
        let keys: Vec<TargetKey> = targets(record()).iter().map(|target| target.key).collect();
        let part = |pair: &[u64]| {
            let range = vec![AddrRange::new(Addr(pair[0]), Addr(pair[1]))];
            Part { addresses: Some(keys.iter().map(|key| (*key, range.clone())).collect()), ..Part::default() }
        };
        let parts: Vec<Vec<Item>> = at.windows(2).map(|pair| cut(record(), part(pair))).collect();
        let bytes = |items: &[Item]| -> u128 {
            snapshots(items).iter().flat_map(|snapshot| &snapshot.regions).map(|region| u128::from(region.size().0)).sum()
        };
        prop_assert_eq!(parts.iter().map(|part| bytes(part)).sum::<u128>(), bytes(record()));
        let samples = |items: &[Item]| byte_samples(snapshots(items));
        prop_assert_eq!(parts.iter().map(|part| samples(part)).sum::<u128>(), samples(record()));
        for (part, pair) in parts.iter().zip(at.windows(2)) {
            let inside = |region: &Region| pair[0] <= region.start.0 && region.end.0 <= pair[1] && region.start < region.end;
            prop_assert!(snapshots(part).iter().flat_map(|snapshot| &snapshot.regions).all(inside));
        }
    }

    #[test]
    fn aggregation_keeps_every_access_and_every_moment(millis in 100i64..9000) {
        let mut out: Vec<Item> = Vec::new();
        let interval = Nanos::from_millis(millis);
        let mut sums = Aggregate::new(AggregateOptions { interval, skip: 0 }, &mut out);
        record().iter().for_each(|item| sums.put(item).unwrap());
        let done = sums.finish().unwrap();
        let (new, old) = (snapshots(&out), snapshots(record()));
        prop_assert_eq!(done.snapshots, new.len() as u64);
        prop_assert_eq!(byte_samples(new.iter().copied()), byte_samples(old.iter().copied()));
        let lasts = |all: &[&Snapshot]| all.iter().map(|s| s.end.0 - s.start.0).sum::<i64>();
        prop_assert_eq!(lasts(&new), lasts(&old));
        for snapshot in new {
            let most = snapshot.intervals.unwrap().max_nr_accesses();
            prop_assert!(snapshot.regions.iter().all(|region| region.nr_accesses <= most));
            prop_assert!(snapshot.regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
        prop_assert_eq!(side_data(&out), side_data(record()));
    }
}

#[test]
fn parts_by_target_go_together_to_the_whole_record() {
    let keys: BTreeSet<TargetKey> = targets(record()).iter().map(|target| target.key).collect();
    assert!(keys.len() > 1);
    let only = |key: &TargetKey| Part { targets: Some(BTreeSet::from([*key])), ..Part::default() };
    let parts: Vec<Vec<Item>> = keys.iter().map(|key| cut(record(), only(key))).collect();
    assert_same_record(&merge(&parts), record());
}

#[test]
fn an_anonymous_record_differs_in_addresses_by_one_distance_for_each_area() {
    let mut survey = Survey::default();
    record().iter().for_each(|item| survey.put(item).unwrap());
    let mut out: Vec<Item> = Vec::new();
    let mut change = Anonymize::new(survey, false, &mut out).unwrap();
    record().iter().for_each(|item| change.put(item).unwrap());
    let areas = change.done().areas;
    assert_eq!(out.len(), record().len());
    let mut distances: BTreeSet<(TargetKey, i128)> = BTreeSet::new();
    for (new, old) in snapshots(&out).into_iter().zip(snapshots(record())) {
        assert_eq!((new.end.0 - new.start.0, new.state), (old.end.0 - old.start.0, old.state));
        for (a, b) in new.regions.iter().zip(&old.regions) {
            assert_eq!(
                (a.size(), a.nr_accesses, a.age, a.start.0 % 4096),
                (b.size(), b.nr_accesses, b.age, b.start.0 % 4096)
            );
            distances.insert((old.target, i128::from(a.start.0) - i128::from(b.start.0)));
        }
        assert!(new.regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
    assert_eq!(distances.len() as u64, areas);
}
