//! What a reader of the module should be able to rely on.

use super::*;
use damo_model::{Addr, Age, NrAccesses};
use proptest::prelude::*;

fn event(target_id: u64, ms: i64, nr_regions: u32, start: u64, end: u64) -> RegionEvent<'static> {
    let region = Region::new(Addr(start), Addr(end), NrAccesses(1), Some(Age(0)));
    let key = EventKey { target_id, ..EventKey::default() };
    RegionEvent { key, time: Nanos::from_millis(ms), nr_regions, region, extras: &[] }
}

fn drain(assembler: &mut Assembler) -> Vec<Snapshot> {
    std::iter::from_fn(|| assembler.pop()).collect()
}

/// All events pushed, and the end.
fn pushed(options: AssemblerOptions, events: &[RegionEvent<'_>]) -> Assembler {
    let mut assembler = Assembler::new(options);
    events.iter().for_each(|event| assembler.push(event).expect("in order"));
    assembler.finish();
    assembler
}

fn assemble(options: AssemblerOptions, events: &[RegionEvent<'_>]) -> Vec<Snapshot> {
    drain(&mut pushed(options, events))
}

/// What is known in advance: the usual intervals.
fn usual() -> AssemblerOptions {
    AssemblerOptions { intervals: Some(Intervals::default()), ..AssemblerOptions::default() }
}

fn shape(snapshot: &Snapshot) -> (u32, i64, usize, bool) {
    let complete = snapshot.state == SnapshotState::Complete;
    (snapshot.target.0, snapshot.end.0 / 1_000_000, snapshot.regions.len(), complete)
}

fn shapes(snapshots: &[Snapshot]) -> Vec<(u32, i64, usize, bool)> {
    snapshots.iter().map(shape).collect()
}

/// Of events about which nothing is known in advance.
fn shapes_of(events: &[RegionEvent<'_>]) -> Vec<(u32, i64, usize, bool)> {
    shapes(&assemble(AssemblerOptions::default(), events))
}

#[test]
fn interleaved_targets_keep_their_regions_apart() {
    let events = [event(0, 100, 2, 0, 10), event(1, 100, 2, 0, 20), event(0, 101, 2, 10, 30), event(1, 101, 2, 20, 40)];
    let snapshots = assemble(AssemblerOptions::default(), &events);
    assert_eq!(shapes(&snapshots), [(0, 100, 2, true), (1, 100, 2, true)]);
    assert_eq!(snapshots[1].regions[1].start, Addr(20));
}

#[test]
fn kdamonds_that_share_a_target_id_are_different_targets() {
    let on = |thread, event: RegionEvent<'static>| RegionEvent { key: EventKey { thread, ..event.key }, ..event };
    let events = [
        on(Some(7), event(0, 100, 2, 0, 10)),
        on(Some(8), event(0, 100, 1, 500, 600)),
        on(Some(7), event(0, 101, 2, 10, 30)),
    ];
    assert_eq!(shapes_of(&events), [(1, 100, 1, true), (0, 100, 2, true)]);
}

#[test]
fn an_event_lost_without_notice_does_not_merge_two_snapshots() {
    // The last region of the first snapshot is missing.
    let events = [event(0, 100, 2, 0, 10), event(0, 200, 2, 0, 10), event(0, 201, 2, 10, 20)];
    let snapshots = assemble(AssemblerOptions::default(), &events);
    assert_eq!(shapes(&snapshots), [(0, 100, 1, false), (0, 200, 2, true)]);
    assert_eq!(snapshots[0].state, SnapshotState::Partial { expected: 2 });
}

#[test]
fn a_changed_number_of_regions_begins_a_new_snapshot() {
    let events = [event(0, 100, 3, 0, 10), event(0, 200, 2, 20, 30), event(0, 201, 2, 30, 40)];
    assert_eq!(shapes_of(&events), [(0, 100, 1, false), (0, 200, 2, true)]);
}

#[test]
fn a_loss_smaller_than_what_lacks_leaves_the_snapshot_open_and_a_larger_one_ends_it() {
    for (lost, expected) in [(2, vec![(0, 100, 2, false)]), (3, vec![(0, 100, 1, false), (0, 101, 1, false)])] {
        let mut assembler = Assembler::new(AssemblerOptions::default());
        assembler.push(&event(0, 100, 4, 0, 10)).expect("in order");
        assembler.lost(lost);
        assembler.push(&event(0, 101, 4, 30, 40)).expect("in order");
        assembler.finish();
        assert_eq!(shapes(&drain(&mut assembler)), expected, "{lost} lost");
        assert_eq!(assembler.tally().lost, lost);
    }
}

#[test]
fn a_long_pause_before_a_distant_region_is_an_unnoticed_loss() {
    let mut events: Vec<_> =
        (1..4).flat_map(|i| [event(0, 100 * i, 2, 0, 10), event(0, 100 * i + 1, 2, 10, 20)]).collect();
    events.extend([event(0, 400, 2, 0, 10), event(0, 500, 2, 12, 20)]);
    assert_eq!(shapes_of(&events)[3..], [(0, 400, 1, false), (0, 500, 1, false)]);
    // The same pause before the region that comes next in the address space is a slow kdamond.
    let last = events.len() - 1;
    events[last] = event(0, 500, 2, 10, 20);
    assert_eq!(shapes_of(&events)[3..], [(0, 400, 2, true)]);
}

#[test]
fn where_the_source_tells_of_every_loss_a_pause_is_only_a_pause() {
    let mut events: Vec<_> =
        (1..4).flat_map(|i| [event(0, 100 * i, 2, 0, 10), event(0, 100 * i + 1, 2, 10, 20)]).collect();
    events.extend([event(0, 400, 2, 0, 10), event(0, 500, 2, 12, 20)]);
    let options = AssemblerOptions { losses_are_told: true, ..AssemblerOptions::default() };
    assert_eq!(shapes(&assemble(options, &events))[3..], [(0, 400, 2, true)]);
}

#[test]
fn a_snapshot_starts_where_the_one_before_ended() {
    let events = [event(0, 100, 1, 0, 10), event(0, 230, 1, 0, 10), event(0, 340, 1, 0, 10)];
    let starts = |options| {
        let snapshots = assemble(options, &events);
        snapshots.iter().map(|snapshot| snapshot.start.0 / 1_000_000).collect::<Vec<_>>()
    };
    assert_eq!(starts(AssemblerOptions::default()), [100, 100, 230]);
    let intervals = Some(Intervals { aggregation: Nanos::from_millis(90), ..Intervals::default() });
    assert_eq!(starts(AssemblerOptions { intervals, ..AssemblerOptions::default() }), [10, 100, 230]);
    // In a second run the record's own average is known: 120 ms.
    let learned = Some(pushed(AssemblerOptions::default(), &events).learned_lengths());
    assert_eq!(starts(AssemblerOptions { learned, ..AssemblerOptions::default() }), [-20, 100, 230]);
}

fn spans(snapshots: &[Snapshot]) -> Vec<(i64, i64)> {
    snapshots.iter().map(|snapshot| (snapshot.start.0 / 1_000_000, snapshot.end.0 / 1_000_000)).collect()
}

/// Two runs over the same events, as importers do.
fn assemble_twice(intervals: Option<Intervals>, events: &[RegionEvent<'_>]) -> Vec<Snapshot> {
    let options = AssemblerOptions { intervals, ..AssemblerOptions::default() };
    let learned = Some(pushed(options.clone(), events).learned_lengths());
    assemble(AssemblerOptions { learned, ..options }, events)
}

#[test]
fn neither_the_first_snapshot_nor_one_behind_a_gap_claims_the_gap() {
    let events = [100, 200, 300, 50_300, 50_400].map(|ms| event(0, ms, 1, 0, 10));
    for intervals in [None, Some(Intervals::default())] {
        let expected = [(0, 100), (100, 200), (200, 300), (50_200, 50_300), (50_300, 50_400)];
        assert_eq!(spans(&assemble_twice(intervals, &events)), expected);
    }
    let tally = pushed(AssemblerOptions::default(), &events).tally();
    assert_eq!((tally.gaps, tally.longest_gap), (1, Nanos::from_millis(49_900)));
}

#[test]
fn a_slow_kdamond_is_no_gap() {
    // Emulated machines take longer than the interval, and a busy one now and then much longer.
    let events = [145, 290, 440, 840, 970].map(|ms| event(0, ms, 1, 0, 10));
    let spans = spans(&assemble_twice(Some(Intervals::default()), &events));
    assert!(spans.windows(2).all(|pair| pair[0].1 == pair[1].0), "{spans:?}");
}

#[test]
fn a_live_stream_has_a_gap_only_where_no_change_of_intervals_explains_it() {
    let events = [100, 200, 4_000, 50_000_000].map(|ms| event(0, ms, 1, 0, 10));
    let options = AssemblerOptions { losses_are_told: true, ..usual() };
    let expected = [(0, 100), (100, 200), (3_900, 4_000), (49_999_900, 50_000_000)];
    assert_eq!(spans(&assemble(options.clone(), &events)), expected);
    let events = [100, 200, 3_000].map(|ms| event(0, ms, 1, 0, 10));
    assert_eq!(spans(&assemble(options, &events))[2], (200, 3_000));
}

#[test]
fn each_choice_of_tuning_has_a_usual_length_of_its_own() {
    let mut first = Assembler::new(AssemblerOptions::default());
    let run = |assembler: &mut Assembler| {
        for ms in [100, 200, 300] {
            assembler.push(&event(0, ms, 1, 0, 10)).expect("in order");
        }
        assembler.tuned(None, Nanos::from_millis(50));
        for ms in [1_300, 2_300, 3_300, 103_300] {
            assembler.push(&event(0, ms, 1, 0, 10)).expect("in order");
        }
        assembler.finish();
    };
    run(&mut first);
    let mut second =
        Assembler::new(AssemblerOptions { learned: Some(first.learned_lengths()), ..AssemblerOptions::default() });
    run(&mut second);
    let expected = [(0, 100), (100, 200), (200, 300), (300, 1_300), (1_300, 2_300), (2_300, 3_300), (102_300, 103_300)];
    assert_eq!(spans(&drain(&mut second)), expected);
}

#[test]
fn regions_in_another_order_make_the_same_snapshot() {
    let with = [(ColumnId::FILTER_PASSED, 7)];
    let events = [
        RegionEvent { extras: &with, ..event(0, 100, 3, 20, 30) },
        event(0, 100, 3, 0, 10),
        event(0, 100, 3, 10, 20),
        event(0, 200, 3, 0, 10),
    ];
    let snapshots = assemble(AssemblerOptions::default(), &events);
    assert_eq!(shapes(&snapshots), [(0, 100, 3, true), (0, 200, 1, false)]);
    assert_eq!(snapshots[0].regions.iter().map(|region| region.start.0).collect::<Vec<_>>(), [0, 10, 20]);
    assert_eq!(snapshots[0].extras[0].values, [0, 0, 7]);
}

#[test]
fn a_region_of_the_next_snapshot_is_not_taken_for_one_out_of_order() {
    // The first region of the first snapshot and the last of the second were lost.
    let events = [event(0, 100, 2, 10, 20), event(0, 200, 2, 0, 10), event(0, 300, 2, 0, 10), event(0, 300, 2, 10, 20)];
    assert_eq!(shapes_of(&events), [(0, 100, 1, false), (0, 200, 1, false), (0, 300, 2, true)]);
}

#[test]
fn a_snapshot_after_a_loss_does_not_claim_the_lost_time() {
    let mut assembler = Assembler::new(usual());
    assembler.push(&event(0, 100, 1, 0, 10)).expect("in order");
    assembler.lost(5);
    assembler.push(&event(0, 700, 1, 0, 10)).expect("in order");
    let snapshots = drain(&mut assembler);
    assert_eq!(snapshots[1].start, Nanos::from_millis(600));
}

#[test]
fn a_scheme_that_applies_to_few_regions_gives_complete_snapshots_of_its_own() {
    let scheme = |ms, nr, start| {
        let event = event(0, ms, nr, start, start + 10);
        RegionEvent { key: EventKey { context: Some(0), scheme: Some(1), ..event.key }, ..event }
    };
    let events = [
        scheme(99, 3, 0),
        event(0, 100, 2, 0, 10),
        event(0, 101, 2, 10, 20),
        scheme(199, 3, 10),
        scheme(199, 4, 20),
        event(0, 200, 1, 0, 10),
    ];
    let snapshots = assemble(AssemblerOptions::default(), &events);
    assert_eq!(shapes(&snapshots), [(0, 99, 1, true), (1, 100, 2, true), (0, 199, 2, true), (1, 200, 1, true)]);
    assert_eq!(snapshots[2].start, Nanos::from_millis(100));
}

#[test]
fn tuned_intervals_hold_for_the_snapshots_that_begin_later() {
    let mut assembler = Assembler::new(usual());
    assembler.push(&event(0, 100, 1, 0, 10)).expect("in order");
    assembler.tuned(None, Nanos::from_millis(10));
    assembler.push(&event(0, 300, 1, 0, 10)).expect("in order");
    let aggregations: Vec<_> = drain(&mut assembler)
        .iter()
        .map(|snapshot| snapshot.intervals.map(|intervals| intervals.aggregation.0 / 1_000_000))
        .collect();
    assert_eq!(aggregations, [Some(100), Some(200)]);
}

#[test]
fn empty_and_reversed_regions_are_counted_and_make_the_snapshot_partial() {
    let events = [event(0, 100, 2, 0, 10), event(0, 100, 2, 20, 20), event(0, 200, 1, 30, 20)];
    let mut assembler = pushed(AssemblerOptions::default(), &events);
    assert_eq!(shapes(&drain(&mut assembler)), [(0, 100, 1, false), (0, 200, 0, false)]);
    assert_eq!(assembler.tally().empty_regions, 2);
}

#[test]
fn an_event_older_than_the_last_snapshot_is_refused_and_the_rest_goes_on() {
    let mut assembler = Assembler::new(AssemblerOptions::default());
    assembler.push(&event(0, 100, 1, 0, 10)).expect("in order");
    let refused = assembler.push(&event(0, 99, 1, 0, 10));
    assert_eq!(refused, Err(Backwards { time: Nanos::from_millis(99), last: Nanos::from_millis(100) }));
    assembler.push(&event(0, 200, 1, 0, 10)).expect("in order");
    assert_eq!(drain(&mut assembler).len(), 2);
}

#[test]
fn an_event_given_twice_does_not_shift_all_later_snapshots() {
    let events = [event(0, 100, 2, 0, 10), event(0, 100, 2, 0, 10), event(0, 101, 2, 10, 20), event(0, 200, 2, 0, 10)];
    let mut assembler = pushed(AssemblerOptions::default(), &events);
    assert_eq!(shapes(&drain(&mut assembler)), [(0, 100, 2, true), (0, 200, 1, false)]);
    assert_eq!(assembler.tally().repeated, 1);
}

#[test]
fn extra_columns_are_as_long_as_the_snapshot() {
    let with = [(ColumnId::FILTER_PASSED, 7)];
    let events =
        [event(0, 100, 3, 0, 10), RegionEvent { extras: &with, ..event(0, 100, 3, 10, 20) }, event(0, 100, 3, 20, 30)];
    let snapshots = assemble(AssemblerOptions::default(), &events);
    assert_eq!(snapshots[0].extras[0].values, [0, 7, 0]);
}

#[test]
fn a_lying_number_of_regions_costs_no_memory() {
    let snapshots = assemble(AssemblerOptions::default(), &[event(0, 100, u32::MAX, 0, 10)]);
    assert_eq!(snapshots[0].state, SnapshotState::Partial { expected: u32::MAX });
    assert!(snapshots[0].regions.capacity() < 100);
}

proptest! {
    #[test]
    fn whatever_comes_every_region_is_in_one_snapshot_and_every_snapshot_is_sorted(
        steps in prop::collection::vec((0_u64..3, 0_i64..60, 0_u32..5, 0_u64..40, 0_u64..12, 0_u8..12, 0_u64..6), 0..200),
        known in any::<bool>(),
    ) {
        let intervals = known.then(Intervals::default);
        let mut assembler = Assembler::new(AssemblerOptions { intervals, ..AssemblerOptions::default() });
        let mut now = 0;
        let mut taken = 0_u64;
        for (target, pause, nr_regions, start, len, kind, lost) in steps {
            now += pause;
            let mut event = event(target, now, nr_regions, start, start + len);
            match kind {
                0 => assembler.lost(lost),
                1 => assembler.tuned(None, Nanos::from_millis(pause)),
                2 => assembler.end_without_regions(event.key, event.time),
                _ => {
                    event.key.scheme = (kind > 9).then_some(0);
                    taken += u64::from(assembler.push(&event).is_ok());
                }
            }
        }
        assembler.finish();
        let snapshots = drain(&mut assembler);
        let tally = assembler.tally();
        prop_assert_eq!(tally.events, taken);
        let regions: usize = snapshots.iter().map(|snapshot| snapshot.regions.len()).sum();
        prop_assert_eq!(regions as u64 + tally.empty_regions + tally.repeated, tally.events);
        prop_assert_eq!(tally.snapshots as usize, snapshots.len());
        let mut ends = HashMap::new();
        for snapshot in &snapshots {
            prop_assert!(snapshot.start <= snapshot.end);
            prop_assert!(snapshot.regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
            let last = ends.insert(snapshot.target, snapshot.end);
            prop_assert!(last.is_none_or(|last| last <= snapshot.end));
        }
    }

    #[test]
    fn the_short_way_for_plain_regions_gives_the_same_snapshots_as_the_long_one(
        steps in prop::collection::vec((0_u8..40, 0_u64..3, 0_u64..3, 1_u64..9), 0..300),
        losses_are_told in any::<bool>(),
        announced in 1_u32..9,
    ) {
        let options = AssemblerOptions { losses_are_told, ..usual() };
        let (mut long, mut short) = (Assembler::new(options.clone()), Assembler::new(options));
        let (mut now, mut at) = (100, [0_u64; 3]);
        for (kind, target, scheme, len) in steps {
            let mut next = event(target, now, announced, at[target as usize], at[target as usize] + len);
            match kind {
                0 => { long.lost(len); short.lost(len); continue }
                1 => next.region.start = Addr(0), // from the beginning
                2 => next.region.end = Addr(next.region.end.0 + 5), // and a gap behind it
                3 => next.region.end = next.region.start, // empty
                4 => next.nr_regions += 1,
                5 => next.region.start = Addr(next.region.start.0 + 1),
                6 => now += 200,
                7 => next.time = Nanos::from_millis(now - 1),
                8 => next.extras = &[(ColumnId::FILTER_PASSED, 7)],
                9 => next.key.scheme = Some(scheme as u32),
                10 => at[target as usize] = next.region.start.0,
                _ => {}
            }
            if kind != 10 {
                at[target as usize] = next.region.end.0;
            }
            let stream = short.stream(next.key);
            let plain = next.extras.is_empty() && short.extend(stream, next.time, next.nr_regions, next.region);
            prop_assert_eq!(long.push(&next), if plain { Ok(()) } else { short.push(&next) });
            prop_assert_eq!(&long.ready, &short.ready);
        }
        prop_assert_eq!(long.tally(), short.tally());
        long.finish();
        short.finish();
        prop_assert_eq!(drain(&mut long), drain(&mut short));
    }
}

#[test]
fn the_short_way_takes_all_but_the_first_and_the_last_region_of_a_snapshot() {
    let mut assembler = Assembler::new(AssemblerOptions::default());
    let mut extended = Vec::new();
    for n in 0..5 {
        let event = event(0, 100 + n, 5, n as u64 * 10, n as u64 * 10 + 10);
        let stream = assembler.stream(event.key);
        let plain = assembler.extend(stream, event.time, event.nr_regions, event.region);
        if !plain {
            assembler.push(&event).expect("in order");
        }
        extended.push(plain);
    }
    assert_eq!(extended, [false, true, true, true, false]);
    assert_eq!(shapes(&drain(&mut assembler)), [(0, 100, 5, true)]);
}
