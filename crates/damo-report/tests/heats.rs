//! Heat maps against their definition, on simulated and hand-made records.

mod common;

use common::{MS, Rows, map, record, simulated};
use damo_frame::Record;
use damo_model::{
    Addr, AddrRange, Age, Intervals, Item, Meta, Nanos, NrAccesses, Region, Snapshot, SnapshotState, Target, TargetKey,
    TimeSpan,
};
use damo_report::Report;
use damo_report::ReportError;
use damo_report::heats::{Cells, Columns, Counted, DrawRange, Grid, HeatsOptions, heats};
use damo_report::range::{AddressBase, AddressRange, TimeBase, TimeRange};
use damo_report::survey::Identity;

/// The definition: every cell against every region of every snapshot.
fn by_definition(record: &Record, grid: &Grid) -> Vec<f64> {
    let mut heat = vec![0.0; grid.heat.len()];
    let mut seen = vec![false; grid.heat.len()];
    let mut first = true;
    let columns = grid.space.len();
    record
        .for_each(&damo_model::Selection::all(), |chunk| {
            for view in chunk.snapshots() {
                let aggregation = view.head.intervals.map(|intervals| intervals.aggregation);
                for i in 0..view.len() {
                    let back = aggregation.map_or(0, |a| a.0 * i64::from(view.age.map_or(0, |ages| ages[i])));
                    let start = view.head.start.0 - if first { back } else { 0 };
                    let value = f64::from(view.nr_accesses[i]) / aggregation.map_or(1.0, |a| a.as_secs_f64());
                    for row in 0..grid.time.len() {
                        let (from, to) = (grid.time.bound(row), grid.time.bound(row + 1));
                        let time = to.min(view.head.end.0.into()) - from.max(start.into());
                        for column in (0..columns).filter(|_| time > 0) {
                            let (low, high) = (grid.space.bound(column), grid.space.bound(column + 1));
                            let bytes = high.min(view.end[i].into()) - low.max(view.start[i].into());
                            if bytes > 0 {
                                let area = (to - from) as f64 * (high - low) as f64;
                                heat[row * columns + column] += value * time as f64 * bytes as f64 / area;
                                seen[row * columns + column] = true;
                            }
                        }
                    }
                }
                first = false;
            }
            Ok::<_, damo_frame::FrameError>(())
        })
        .expect("the record is readable");
    heat.into_iter().zip(seen).map(|(heat, seen)| if seen { heat } else { f64::NAN }).collect()
}

#[test]
fn a_map_of_a_probe_counts_accesses_by_the_share_of_samples_that_it_hit() {
    let mut snapshot = Snapshot::new(TargetKey(0), Nanos(0), Nanos(100 * MS), Some(Intervals::default()));
    let region = |n: u64, samples| Region::new(Addr(n << 12), Addr((n + 1) << 12), NrAccesses(samples), Some(Age(0)));
    snapshot.regions = vec![region(0, 20), region(1, 20), region(2, 10), region(3, 0)];
    let ids = damo_model::ColumnId::of_probes().take(2);
    let hits = [vec![20, 5, 20, 20], vec![0, 0, 0, u64::MAX]];
    snapshot.extras = ids.zip(hits).map(|(id, values)| damo_model::ExtraColumn { id, values }).collect();
    let meta = Meta { intervals: Some(Intervals::default()), ..Meta::default() };
    let items = [Item::Meta(meta), Item::Target(Target::default()), Item::Snapshot(snapshot)];
    let records = [Record::from_items(&items).expect("items are in order")];
    let map_of = |probe| {
        let counted = Counted::ProbeHits(probe);
        heats(&records, &HeatsOptions { rows: 1, columns: Columns::Each(4), counted, ..HeatsOptions::default() })
    };
    assert_eq!(map_of(0).expect("a map").panels[0].heat, [200.0, 50.0, 100.0, 0.0]);
    assert_eq!(map_of(1).expect("a map").panels[0].heat, [0.0; 4]);
    assert!(map_of(0).expect("a map").subject().ends_with(" where probe 0 hit"));
    let error = map_of(2).expect_err("no such probe").to_string();
    assert!(error.ends_with("has no hits of probe 2, but of 0, 1"), "{error}");
}

#[test]
fn every_cell_is_the_mean_that_the_definition_asks_for() {
    let record = simulated("stairs", 2);
    for cells in [Cells::Even, Cells::Whole] {
        for (rows, columns) in [(1, 1), (7, 13), (50, 40)] {
            let columns = Columns::Each(columns);
            let options = HeatsOptions { rows, columns, cells, draw_range: DrawRange::All, ..HeatsOptions::default() };
            let records = [record_again(&record)];
            let report = heats(&records, &options).expect("there is a map");
            assert!(!report.panels.is_empty());
            for grid in &report.panels {
                for (i, (got, want)) in grid.heat.iter().zip(by_definition(&record, grid)).enumerate() {
                    let near = (got - want).abs() <= 1e-9 * want.max(1.0);
                    assert!(near || (got.is_nan() && want.is_nan()), "cell {i}: {got} is not {want}");
                }
            }
        }
    }
}

/// The same record once more: `heats` takes them by slice.
fn record_again(record: &Record) -> Record {
    let mut items = vec![Item::Meta(record.meta().clone())];
    items.extend(record.targets().iter().cloned().map(Item::Target));
    record
        .for_each(&damo_model::Selection::all(), |chunk| {
            items.extend((0..chunk.heads().len()).map(|i| Item::Snapshot(chunk.batch().snapshot(i))));
            Ok::<_, damo_frame::FrameError>(())
        })
        .expect("the record is readable");
    Record::from_items(&items).expect("items are in order")
}

#[test]
fn no_cell_is_below_zero_or_above_what_is_possible_at_any_zoom() {
    let record = simulated("stairs", 4);
    for (from, to) in [(0, 4000), (1000, 1300), (1950, 2001), (-500, 400)] {
        let time_range = Some(TimeRange { start: Nanos(from * MS), end: Nanos(to * MS), base: TimeBase::At(Nanos(0)) });
        let options = HeatsOptions { time_range, draw_range: DrawRange::All, ..HeatsOptions::default() };
        let report = heats(&[record_again(&record)], &options).expect("there is a map");
        let possible = report.possible.expect("the simulator tells its intervals");
        for heat in report.panels.iter().flat_map(|grid| &grid.heat).filter(|heat| !heat.is_nan()) {
            assert!((0.0..=possible).contains(heat), "{heat}");
        }
    }
}

#[test]
fn ages_reach_back_before_the_first_snapshot_and_nowhere_else() {
    let intervals = Some(Intervals::default());
    let snapshots: [Rows<'_>; 2] =
        [(1000, 1100, &[(0, 4096, 20, 3), (4096, 8192, 0, 0)]), (1100, 1200, &[(0, 8192, 4, 9)])];
    let options = HeatsOptions { rows: 5, columns: Columns::Each(2), ..HeatsOptions::default() };
    let report = map(record(intervals, &snapshots), &options);
    assert_eq!(report.time, TimeSpan::new(Nanos(700 * MS), Nanos(1200 * MS)));
    let grid = &report.panels[0];
    let column = |column| (0..5).map(|row| grid.heat_at(row, column)).collect::<Vec<_>>();
    assert_eq!(column(0), [200.0, 200.0, 200.0, 200.0, 40.0]);
    assert!(column(1)[..3].iter().all(|heat| heat.is_nan()));
    assert_eq!(column(1)[3..], [0.0, 40.0]);
}

#[test]
fn without_intervals_heat_is_in_samples_and_ages_say_nothing() {
    let report = map(record(None, &[(0, 100, &[(0, 100, 3, 5)])]), &HeatsOptions::default());
    assert_eq!(report.time, TimeSpan::new(Nanos(0), Nanos(100 * MS)));
    assert_eq!(report.unit.as_str(), "samples");
    assert_eq!(report.range(), Some((3.0, 3.0)));
}

#[test]
fn two_recordings_are_never_one_map() {
    let with = record(Some(Intervals::default()), &[(0, 100, &[(0, 100, 3, 0)])]);
    let without = record(None, &[(100, 200, &[(0, 100, 3, 0)])]);
    let error = heats(&[with, without], &HeatsOptions::default()).expect_err("two records");
    assert!(matches!(error, ReportError::SeveralRecords { records: 2 }), "{error}");
}

#[test]
fn a_partial_snapshot_is_left_out_and_named() {
    let intervals = Some(Intervals::default());
    let whole = record(intervals, &[(0, 100, &[(0, 100, 20, 0)]), (100, 200, &[(0, 100, 20, 0)])]);
    let mut items = vec![Item::Meta(whole.meta().clone()), Item::Target(whole.targets()[0].clone())];
    let mut chunks = Vec::new();
    whole
        .for_each(&damo_model::Selection::all(), |chunk| {
            chunks.push(chunk.batch().clone());
            Ok::<_, damo_frame::FrameError>(())
        })
        .expect("readable");
    let mut snapshots: Vec<_> = (0..2).map(|i| chunks[0].snapshot(i)).collect();
    snapshots[1].state = SnapshotState::Partial { expected: 9 };
    items.extend(snapshots.into_iter().map(Item::Snapshot));
    let options = HeatsOptions { rows: 2, columns: Columns::Each(1), ..HeatsOptions::default() };
    let report = map(Record::from_items(&items).expect("in order"), &options);
    assert_eq!(report.panels[0].heat[0], 200.0);
    assert!(report.panels[0].heat[1].is_nan());
    assert_eq!(report.partial, [TimeSpan::new(Nanos(100 * MS), Nanos(200 * MS))]);
    assert!(!report.coverage.is_full());
}

#[test]
fn ranges_may_be_given_from_the_guide_or_the_record() {
    let snapshots: [Rows<'_>; 1] = [(1000, 1100, &[(4096, 8192, 20, 0), (100_000, 200_000, 1, 0)])];
    let base = AddressBase::Guided;
    let options = HeatsOptions {
        time_range: Some(TimeRange { start: Nanos(-50 * MS), end: Nanos(0), base: TimeBase::GuidedEnd }),
        address_ranges: vec![
            AddressRange { start: Addr(0), end: Addr(1000), base },
            AddressRange { start: Addr(10), end: Addr(20), base },
        ],
        ..HeatsOptions::default()
    };
    let report = map(record(Some(Intervals::default()), &snapshots), &options);
    assert_eq!(report.time, TimeSpan::new(Nanos(1050 * MS), Nanos(1100 * MS)));
    let starts: Vec<i128> = report.panels.iter().map(|grid| grid.space.start()).collect();
    assert_eq!(starts, [4096, 100_010]);
    assert_eq!(report.panels[1].space.end(), 100_020);
}

#[test]
fn a_sorted_map_puts_cold_left_and_hot_right() {
    let snapshots: [Rows<'_>; 1] = [(0, 100, &[(0, 100, 20, 0), (100, 200, 0, 5), (200, 300, 10, 0)])];
    let options = HeatsOptions {
        rows: 1,
        columns: Columns::Each(3),
        by_temperature: Some((1.0, 1.0)),
        address_ranges: vec![AddressRange { start: Addr(0), end: Addr(300), base: AddressBase::At(Addr(0)) }],
        time_range: Some(TimeRange { start: Nanos(0), end: Nanos(100 * MS), base: TimeBase::At(Nanos(0)) }),
        ..HeatsOptions::default()
    };
    let report = map(record(Some(Intervals::default()), &snapshots), &options);
    assert_eq!(report.panels[0].heat, [0.0, 100.0, 200.0]);
}

#[test]
fn what_does_not_exist_is_said_with_what_does() {
    let snapshots: [Rows<'_>; 1] = [(0, 100, &[(0, 100, 20, 0)])];
    let make = || record(Some(Intervals::default()), &snapshots);
    let identity = Identity { target_id: Some(3), ..Identity::default() };
    let error = heats(&[make()], &HeatsOptions { identity, ..HeatsOptions::default() }).expect_err("no target 3");
    assert!(error.to_string().contains("target ids 7"), "{error}");
    let mapping = Some("heap".to_owned());
    let error = heats(&[make()], &HeatsOptions { mapping, ..HeatsOptions::default() }).expect_err("no mappings");
    assert!(error.to_string().contains("heap"), "{error}");
    let empty = record(None, &[]);
    assert!(matches!(heats(&[empty], &HeatsOptions::default()), Err(ReportError::NoSnapshots)));
    let huge = HeatsOptions { rows: usize::MAX, ..HeatsOptions::default() };
    assert!(matches!(heats(&[make()], &huge), Err(ReportError::TooManyCells { .. })));
}

#[test]
fn a_wrong_first_guess_of_the_areas_is_put_right() {
    // A middle block that no sample sees has an area of its own.
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
    for i in 0..20_000_i64 {
        let mut snapshot =
            Snapshot::new(TargetKey(0), Nanos(i * 100 * MS), Nanos((i + 1) * 100 * MS), Some(Intervals::default()));
        snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(1), Some(Age(0))));
        if i == 9_000 {
            snapshot.regions.push(Region::new(Addr(1 << 30), Addr((1 << 30) + 4096), NrAccesses(20), Some(Age(0))));
        }
        items.push(Item::Snapshot(snapshot));
    }
    let record = Record::from_items(&items).expect("items are in order");
    let options = HeatsOptions { draw_range: DrawRange::All, ..HeatsOptions::default() };
    let report = map(record, &options);
    let starts: Vec<i128> = report.panels.iter().map(|grid| grid.space.start()).collect();
    assert_eq!(starts, [0, 1 << 30]);
    assert!(report.panels[1].range().is_some_and(|(_, high)| high > 0.0));
}

#[test]
fn the_guide_names_times_and_areas() {
    let snapshots: [Rows<'_>; 2] = [
        (1000, 1100, &[(4096, 8192, 20, 5), (8192, 16384, 0, 2), (1 << 20, 1 << 21, 0, 0)]),
        (1100, 1200, &[(4096, 16384, 20, 0), (1 << 20, 1 << 21, 0, 0)]),
    ];
    let records = [record(Some(Intervals::default()), &snapshots)];
    let guides = damo_report::guide::guide(&records).expect("readable");
    assert_eq!(guides.guides[0].areas[0], AddrRange::new(Addr(4096), Addr(16384)));
    let mut text = Vec::new();
    guides.write_text(&mut text, &damo_model::human::Style::Raw).expect("memory takes text");
    let want = "kdamond_idx: 0\ncontext_idx: 0\ntarget_id: 7\ntime: [500000000, 1200000000) (700000000)\nregion\t 0: [4096, 16384) (12288)\n\
                region\t 1: [1048576, 2097152) (1048576)\n";
    assert_eq!(String::from_utf8(text).expect("text"), want);
}

/// `testdata/golden/python/stairs-samples.heatmap-raw.txt` is what the Python tool (3.4.3) prints with `--output raw
/// --resol 20 30` for the real staircase as perf-script text, which tells no intervals, so that it counts no ages.
#[test]
fn without_ages_every_cell_equals_the_python_tools() {
    let testdata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let mut items = Vec::new();
    damo_import::import_path(&testdata.join("real/stairs/damon.data"), &Default::default(), &mut items)
        .expect("the recording is readable");
    for item in &mut items {
        match item {
            Item::Meta(meta) => meta.intervals = None,
            Item::Snapshot(snapshot) => snapshot.intervals = None,
            _ => {}
        }
    }
    let options = HeatsOptions { rows: 20, columns: Columns::Each(30), ..HeatsOptions::default() };
    let report = map(Record::from_items(&items).expect("items are in order"), &options);
    let mut ours = Vec::new();
    report.write_raw(&mut ours, Default::default()).expect("memory takes text");
    let ours = String::from_utf8(ours).expect("text");
    let theirs = std::fs::read_to_string(testdata.join("golden/python/stairs-samples.heatmap-raw.txt")).expect("kept");
    assert_eq!(ours.lines().count(), theirs.lines().count());
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        let columns =
            |line: &str| line.split('\t').map(|word| word.parse::<f64>().expect("a number")).collect::<Vec<_>>();
        let (a, b) = (columns(ours), columns(theirs));
        // Their clock is a float of microseconds here.
        assert!((a[0] - b[0]).abs() < 2000.0 && a[1] == b[1], "{ours} | {theirs}");
        assert!((a[2] - b[2]).abs() <= 1e-6 * b[2].max(1.0), "{ours} | {theirs}");
    }
}

#[test]
fn the_guide_of_a_real_recording_equals_the_python_tools() {
    use damo_model::human::Style;
    let testdata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let record = Record::open(&testdata.join("real/stairs/damon.data"), &Default::default()).expect("readable");
    let guides = damo_report::guide::guide(&[record]).expect("readable");
    for (name, style) in [("record_info.txt", Style::Human), ("guide.txt", Style::Raw)] {
        let mut text = Vec::new();
        guides.write_text(&mut text, &style).expect("memory takes text");
        let want = std::fs::read_to_string(testdata.join("golden/stairs").join(name)).expect("kept");
        assert_eq!(String::from_utf8(text).expect("text"), want, "{name}");
    }
    assert_eq!(guides.tables().expect("a table")[0].frame.height(), 3);
}

#[test]
fn a_map_zooms_to_a_mapping_and_to_a_mark() {
    use damo_model::{Mapping, Mappings, Mark, Side, Stamp};
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target { target_id: Some(7), ..Target::default() })];
    let mapping = |start, end, name: &str| Mapping {
        start: Addr(start),
        end: Addr(end),
        name: name.to_owned(),
        ..Mapping::default()
    };
    items.push(Item::Side(Side::Mappings(Mappings {
        at: Stamp::Record(Nanos(0)),
        pid: 1,
        target: Some(TargetKey(0)),
        mappings: vec![mapping(0, 4096, "/bin/x"), mapping(8192, 12288, "[heap]")],
    })));
    items.push(Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(200 * MS)), text: "load".to_owned() })));
    for i in 0..10 {
        let mut snapshot =
            Snapshot::new(TargetKey(0), Nanos(i * 100 * MS), Nanos((i + 1) * 100 * MS), Some(Intervals::default()));
        snapshot.regions.push(Region::new(Addr(0), Addr(16384), NrAccesses(i as u32), Some(Age(0))));
        items.push(Item::Snapshot(snapshot));
    }
    let options = HeatsOptions {
        rows: 1,
        columns: Columns::Each(1),
        mapping: Some("heap".to_owned()),
        time_range: Some(TimeRange { start: Nanos(0), end: Nanos(100 * MS), base: TimeBase::Mark("load".to_owned()) }),
        ..HeatsOptions::default()
    };
    let report = map(Record::from_items(&items).expect("items are in order"), &options);
    assert_eq!(report.time, TimeSpan::new(Nanos(200 * MS), Nanos(300 * MS)));
    let grid = &report.panels[0];
    assert_eq!((grid.space.start(), grid.space.end()), (8192, 12288));
    assert_eq!(grid.heat, [20.0]);
    assert_eq!(report.panel_name(grid), "[heap]");
    let tables = report.tables().expect("tables");
    assert_eq!((tables[0].frame.height(), tables[1].frame.height()), (1, 1));
    let mark = TimeBase::Mark("stop".to_owned());
    let time_range = options.time_range.clone().map(|range| TimeRange { base: mark, ..range });
    let record = Record::from_items(&items).expect("items are in order");
    let error = heats(&[record], &HeatsOptions { time_range, ..options }).expect_err("no such mark");
    assert!(error.to_string().contains("load"), "{error}");
}

mod anything {
    use super::*;
    use damo_report::heats::HeatMap;
    use damo_report::picture::{Format, Style, draw};
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![0_u64..10_000, any::<u64>(), Just(u64::MAX), Just(0)]
    }

    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![0_i64..10_000_000_000, any::<i64>(), Just(i64::MAX), Just(i64::MIN)]
    }

    fn snapshot() -> impl Strategy<Value = Snapshot> {
        let intervals = proptest::option::of((time(), time()));
        let regions = prop::collection::vec((number(), number(), any::<u32>(), any::<u32>()), 0..6);
        (time(), time(), intervals, regions, any::<bool>()).prop_map(|(start, end, intervals, mut rows, partial)| {
            let intervals = intervals.map(|(sample, aggregation)| Intervals {
                sample: Nanos(sample),
                aggregation: Nanos(aggregation),
                update: Nanos(0),
            });
            let mut snapshot = Snapshot::new(TargetKey(0), Nanos(start.min(end)), Nanos(start.max(end)), intervals);
            rows.sort_unstable();
            let mut last = 0;
            for (a, b, samples, age) in rows {
                let (from, to) = (a.min(b).max(last), a.max(b));
                if from < to {
                    snapshot.regions.push(Region::new(Addr(from), Addr(to), NrAccesses(samples), Some(Age(age))));
                    last = to;
                }
            }
            if partial {
                snapshot.state = SnapshotState::Partial { expected: 9 };
            }
            snapshot
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_record_however_odd_makes_a_map_that_is_wrong_or_none_at_all(
            snapshots in prop::collection::vec(snapshot(), 0..8),
            window in proptest::option::of((time(), time())),
            temperature in any::<bool>(),
        ) {
            let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
            let mut snapshots = snapshots;
            snapshots.sort_by_key(|snapshot| snapshot.end);
            items.extend(snapshots.into_iter().map(Item::Snapshot));
            // What the format refuses cannot reach a report.
            let Ok(record) = Record::from_items(&items) else { return Ok(()) };
            let style = Style { width: 400, height: 400, ..Style::default() };
            let time_range = window.map(|(start, end)| {
                TimeRange { start: Nanos(start), end: Nanos(end), base: TimeBase::At(Nanos(0)) }
            });
            let by_temperature = temperature.then_some((1.0, 1.0));
            let options = HeatsOptions { time_range, by_temperature, ..HeatMap::options(&style) };
            if let Ok(report) = heats(&[record], &options) {
                for heat in report.panels.iter().flat_map(|grid| &grid.heat) {
                    prop_assert!(heat.is_nan() || *heat >= 0.0, "{}", heat);
                }
                draw(&HeatMap { report: &report }, Format::Png, &style).expect("drawn");
                draw(&HeatMap { report: &report }, Format::Svg, &style).expect("drawn");
            }
        }
    }
}
