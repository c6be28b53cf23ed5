//! Records that no recorder writes, but a file may hold: extreme times and addresses, regions out of order, unknown
//! targets, side data of anyone. Changes must neither panic nor make of it what a record cannot hold.
#![allow(clippy::unwrap_used)]

use damo_edit::anonymize::{Anonymize, Survey};
use damo_edit::check::{Check, Limits};
use damo_edit::merge::{Input, Plan, join};
use damo_edit::{Aggregate, AggregateOptions, Cut, EditError, Part};
use damo_model::profile::{
    CodeBase, CodeMapping, CodeMappings, CodeModule, Sample, Sampled, SampledThread, Samples, StackNode, Stacks,
    SymbolAddress, SymbolFrame, Symbols,
};
use damo_model::{
    Addr, AddrRange, Age, Bytes, Clock, ClockPair, ColumnId, ExtraColumn, Intervals, Item, Mapping, Mappings, Mark,
    Meta, Nanos, NodeMemory, NrAccesses, Placement, Process, Region, Side, Sink, SinkError, Snapshot, SnapshotState,
    Stamp, Target, TargetKey, TimeSpan,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), -10i64..10, any::<i64>()]
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0u64..64, any::<u64>()]
}

fn intervals() -> impl Strategy<Value = Option<Intervals>> {
    prop::option::of((number(), number(), number()).prop_map(|(sample, aggregation, update)| Intervals {
        sample: Nanos(sample),
        aggregation: Nanos(aggregation),
        update: Nanos(update),
    }))
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (number(), any::<bool>())
        .prop_map(|(at, wall)| if wall { Stamp::Wall(Nanos(at)) } else { Stamp::Record(Nanos(at)) })
}

fn snapshot() -> impl Strategy<Value = Item> {
    let region = (address(), address(), any::<u32>(), prop::option::of(any::<u32>()))
        .prop_map(|(start, end, count, age)| Region::new(Addr(start), Addr(end), NrAccesses(count), age.map(Age)));
    let regions = prop::collection::vec(region, 0..6);
    let extras = prop::collection::vec(any::<u64>(), 0..6);
    (0u32..3, number(), number(), intervals(), regions, extras, prop::option::of(any::<u32>())).prop_map(
        |(key, start, end, intervals, regions, extras, expected)| {
            let mut snapshot = Snapshot::new(TargetKey(key), Nanos(start), Nanos(end), intervals);
            snapshot.regions = regions;
            snapshot.extras.push(ExtraColumn { id: ColumnId::FILTER_PASSED, values: extras });
            if let Some(expected) = expected {
                snapshot.state = SnapshotState::Partial { expected };
            }
            Item::Snapshot(snapshot)
        },
    )
}

fn side() -> impl Strategy<Value = Item> {
    let mapping = (address(), address()).prop_map(|(start, end)| Mapping {
        start: Addr(start),
        end: Addr(end),
        ..Mapping::default()
    });
    let mappings = (stamp(), any::<i32>(), prop::option::of(0u32..4), prop::collection::vec(mapping, 0..4)).prop_map(
        |(at, pid, target, mappings)| Side::Mappings(Mappings { at, pid, target: target.map(TargetKey), mappings }),
    );
    let memory = (address(), address(), any::<u32>(), address()).prop_map(|(start, end, node, bytes)| NodeMemory {
        start: Addr(start),
        end: Addr(end),
        node,
        bytes: Bytes(bytes),
    });
    let placement = (stamp(), any::<i32>(), prop::option::of(0u32..4), prop::collection::vec(memory, 0..4)).prop_map(
        |(at, pid, target, memory)| {
            Side::Placement(Placement { at, pid, target: target.map(TargetKey), memory, threads: Vec::new() })
        },
    );
    let mark = (stamp(), ".{0,3}").prop_map(|(at, text)| Side::Mark(Mark { at, text }));
    prop_oneof![mappings, placement, mark, profile()].prop_map(Item::Side)
}

/// Of a profile: frames and samples that refer to anything.
fn profile() -> impl Strategy<Value = Side> {
    let code =
        (stamp(), any::<i32>(), address(), address(), any::<bool>()).prop_map(|(at, pid, start, end, copied)| {
            let base = if copied { CodeBase::CopyOf(pid) } else { CodeBase::Kept };
            let mapping = CodeMapping { start: Addr(start), end: Addr(end), ..CodeMapping::default() };
            Side::Code(CodeMappings { at, pid, base, mappings: vec![mapping] })
        });
    let node = (prop::option::of(any::<u32>()), address()).prop_map(|(parent, at)| StackNode {
        parent,
        address: Addr(at),
        ..StackNode::default()
    });
    let stacks = (stamp(), 0u64..3, any::<u32>(), prop::collection::vec(node, 0..4))
        .prop_map(|(at, table, first, nodes)| Side::Stacks(Stacks { at, table, first, nodes }));
    let row = (any::<u32>(), 0u32..3, any::<u32>(), address());
    let samples = (stamp(), 0u64..3, number(), any::<i32>(), prop::collection::vec(row, 0..4), any::<bool>()).prop_map(
        |(at, table, unit, pid, rows, addressed)| {
            let samples = rows.iter().map(|(time, thread, stack, _)| Sample {
                time: *time,
                thread: *thread,
                stack: *stack,
                weight: 1,
            });
            let addresses = rows.iter().map(|row| Addr(row.3)).take(if addressed { rows.len() } else { 1 }).collect();
            let threads = vec![SampledThread { pid, ..SampledThread::default() }; 2];
            let (sampled, samples, unit) = (Sampled::Access, samples.collect(), Nanos(unit));
            Side::Samples(Samples { at, sampled, table, unit, threads, samples, addresses })
        },
    );
    let frame = (any::<u32>(), any::<u32>()).prop_map(|(function, file)| SymbolFrame {
        function,
        file: Some(file),
        line: None,
    });
    let symbols = (stamp(), address(), prop::collection::vec(frame, 0..3), any::<bool>()).prop_map(
        |(at, address, frames, memory)| {
            let module = CodeModule { name: "/x".into(), pid: memory.then_some(7), ..CodeModule::default() };
            let addresses = vec![SymbolAddress { address, frames }];
            Side::Symbols(Symbols { at, module, texts: vec!["f".into()], addresses })
        },
    );
    prop_oneof![code, stacks, samples, symbols]
}

fn target() -> impl Strategy<Value = Item> {
    let process = (any::<i32>(), prop::option::of(number())).prop_map(|(pid, started)| Process {
        pid,
        started: started.map(Nanos),
        ..Process::default()
    });
    (prop_oneof![0u32..3, Just(u32::MAX)], prop::option::of(process), prop::option::of(any::<u64>())).prop_map(
        |(key, process, target_id)| {
            Item::Target(Target { key: TargetKey(key), process, target_id, ..Target::default() })
        },
    )
}

fn record() -> impl Strategy<Value = Vec<Item>> {
    let pair = prop::option::of((number(), number()).prop_map(|(a, b)| ClockPair { record: Nanos(a), wall: Nanos(b) }));
    let meta = (intervals(), pair, any::<bool>()).prop_map(|(intervals, clock_pair, unknown)| {
        let clock = if unknown { Clock::Unknown } else { Clock::Monotonic };
        Item::Meta(Meta { intervals, clock_pair, clock, boot_id: "x".into(), ..Meta::default() })
    });
    (meta, prop::collection::vec(prop_oneof![2 => target(), 4 => snapshot(), 2 => side()], 0..20)).prop_map(
        |(meta, items)| {
            let mut all = vec![meta];
            all.extend(items);
            all
        },
    )
}

fn give(items: &[Item], sink: &mut dyn Sink) {
    items.iter().for_each(|item| sink.put(item).unwrap());
}

fn snapshots(items: &[Item]) -> impl Iterator<Item = &Snapshot> {
    items.iter().filter_map(|item| if let Item::Snapshot(snapshot) = item { Some(snapshot) } else { None })
}

#[derive(Debug)]
enum Failure {
    Edit(#[allow(dead_code, reason = "shown when a test fails")] EditError),
    Sink(#[allow(dead_code, reason = "shown when a test fails")] SinkError),
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        Failure::Edit(error)
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Failure::Sink(error)
    }
}

proptest! {
    #[test]
    fn sums_are_sorted_and_disjoint_whatever_was_added(items in record(), interval in number()) {
        let mut out: Vec<Item> = Vec::new();
        let mut sums = Aggregate::new(AggregateOptions { interval: Nanos(interval), skip: 0 }, &mut out);
        give(&items, &mut sums);
        let done = sums.finish().unwrap();
        prop_assert_eq!(done.snapshots, snapshots(&out).count() as u64);
        prop_assert_eq!(done.added, snapshots(&items).count() as u64);
        for snapshot in snapshots(&out) {
            prop_assert!(snapshot.regions.iter().all(|region| region.start < region.end));
            prop_assert!(snapshot.regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }

    #[test]
    fn a_part_lies_within_what_was_asked_for(items in record(), time in (number(), number()), range in (address(), address())) {
        let range = AddrRange::new(Addr(range.0.min(range.1)), Addr(range.0.max(range.1)));
        let part = Part {
            time: Some(TimeSpan::new(Nanos(time.0), Nanos(time.1))),
            addresses: Some((0..3).map(|key| (TargetKey(key), vec![range])).collect()),
            ..Part::default()
        };
        let mut out: Vec<Item> = Vec::new();
        give(&items, &mut Cut::new(part, &mut out));
        for snapshot in snapshots(&out) {
            prop_assert!(time.0 <= snapshot.start.0 && snapshot.start.0 < time.1);
            prop_assert!(snapshot.regions.iter().all(|r| range.start <= r.start && r.end <= range.end));
            prop_assert!(snapshot.extras.iter().all(|extra| extra.values.len() == snapshot.regions.len()));
        }
    }

    #[test]
    fn an_anonymous_record_has_as_much_in_it_and_begins_at_0(items in record()) {
        let mut survey = Survey::default();
        give(&items, &mut survey);
        let mut out: Vec<Item> = Vec::new();
        // Addresses may fill the whole address space.
        if let Ok(mut change) = Anonymize::new(survey, false, &mut out) {
            give(&items, &mut change);
            drop(change);
            prop_assert_eq!(out.len(), items.len());
            let start = snapshots(&out).map(|snapshot| snapshot.start).min();
            prop_assert_eq!(start.unwrap_or(Nanos(0)), Nanos(0));
        }
    }

    #[test]
    fn records_go_together_or_it_is_said_why_not(parts in prop::collection::vec(record(), 1..4), any_host in any::<bool>()) {
        let known: Vec<(Meta, Vec<Target>)> = parts
            .iter()
            .map(|part| {
                let mut targets = BTreeMap::new();
                let mut meta = Meta::default();
                for item in part {
                    match item {
                        Item::Meta(all) => meta = all.clone(),
                        Item::Target(target) => drop(targets.insert(target.key, target.clone())),
                        _ => {}
                    }
                }
                (meta, targets.into_values().collect())
            })
            .collect();
        let inputs: Vec<Input<'_>> =
            known.iter().map(|(meta, targets)| Input { name: "part", meta, targets }).collect();
        if let Ok(plan) = Plan::make(&inputs, any_host) {
            let mut streams: Vec<_> = parts.iter().map(|part| part.iter().cloned()).collect();
            let mut sources: Vec<_> = streams.iter_mut().map(|stream| move || Ok::<_, Failure>(stream.next())).collect();
            let mut sources: Vec<_> =
                sources.iter_mut().map(|source| source as &mut dyn FnMut() -> Result<Option<Item>, Failure>).collect();
            let mut out: Vec<Item> = Vec::new();
            match join(&plan, &mut sources, &mut out) {
                Ok(merged) => prop_assert_eq!(merged.snapshots, snapshots(&out).count() as u64),
                Err(Failure::Edit(EditError::Overlap { .. })) => {}
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn anything_can_be_judged(items in record()) {
        let mut check = Check::new(Limits::default());
        give(&items, &mut check);
        prop_assert_eq!(check.finish().snapshots, snapshots(&items).count() as u64);
    }
}
