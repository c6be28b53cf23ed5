//! Records of many targets: what is made for all of them in one pass is what is made for each alone.

mod common;

use common::MS;
use damo_frame::Record;
use damo_model::{
    Addr, Age, Intervals, Item, Meta, Nanos, NrAccesses, Region, Snapshot, SnapshotState, Target, TargetKey,
};
use damo_report::ReportError;
use damo_report::ages::{AgesOptions, ages};
use damo_report::heats::{Columns, HeatsOptions, heats, heats_of_all};
use damo_report::html::{HtmlOptions, write_html};
use damo_report::range::{AddressBase, AddressRange, TimeBase, TimeRange};
use damo_report::survey::{Identity, monitored};

const STEP: i64 = 100 * MS;

/// Targets of different sizes, which come and go, grow, lack regions, and are seen by schemes.
fn record(targets: u32, snapshots: i64) -> Record {
    let mut items = vec![Item::Meta(Meta::default())];
    items.extend((0..targets).map(|key| {
        // Every sixth is what a scheme saw of the one before.
        let (scheme, id) = if key % 6 == 5 { (Some(0), key - 1) } else { (None, key) };
        Item::Target(Target { key: TargetKey(key), target_id: Some(id.into()), scheme, ..Target::default() })
    }));
    for i in 0..snapshots {
        for key in 0..targets {
            let gone = match key % 4 {
                1 => i < snapshots / 3,
                2 => i > snapshots / 2,
                _ => false,
            };
            if gone {
                continue;
            }
            let start = Nanos(i * STEP + i64::from(key) * 1000);
            let intervals = Some(Intervals::default());
            let mut snapshot = Snapshot::new(TargetKey(key), start, start.saturating_add(Nanos(STEP)), intervals);
            let base = u64::from(key) << 24;
            let large = 1 + (i as u64 + u64::from(key)) % 9;
            let region = |n: u64| {
                let (from, to) = (base + n * 40_000, base + n * 40_000 + large * 3_001);
                let count = NrAccesses(((n + i as u64) % 21) as u32);
                Region::new(Addr(from), Addr(to), count, Some(Age((n as u32 + key) % 40)))
            };
            // Areas that only the middle of the record has: a guess from some blocks does not know them.
            let far = (i == snapshots / 2 + i64::from(key % 7)).then_some(200);
            snapshot.regions = (0..5).chain(far).map(region).collect();
            if (i + i64::from(key)) % 13 == 0 {
                snapshot.state = SnapshotState::Partial { expected: 9 };
            }
            items.push(Item::Snapshot(snapshot));
        }
    }
    Record::from_items(&items).expect("items are in order")
}

/// Each map made alone, and all of them at once, as text that shows every field.
fn alone_and_at_once(record: Record, wanted: &[HeatsOptions]) -> [Vec<Option<String>>; 2] {
    let records = [record];
    let shown = |map: Result<_, ReportError>| match map {
        Ok(map) => format!("{map:?}"),
        Err(error) => error.to_string(),
    };
    let alone = wanted.iter().map(|options| Some(shown(heats(&records, options)))).collect();
    let mut at_once = vec![None; wanted.len()];
    heats_of_all(&records, wanted, |number, map| {
        assert!(at_once[number].replace(shown(map)).is_none(), "map {number} came twice");
        Ok(())
    })
    .expect("the record is readable");
    [alone, at_once]
}

fn wanted(record: &Record, options: &HeatsOptions) -> Vec<HeatsOptions> {
    let all = monitored(std::slice::from_ref(record), &damo_report::filter::TargetFilter::default());
    all.into_iter().map(|identity| HeatsOptions { identity, ..options.clone() }).collect()
}

#[test]
fn maps_made_at_once_are_those_made_alone() {
    let record = record(18, 240);
    let small = HeatsOptions::picture(40, Columns::Shared { total: 60, least: 6, between: 0 });
    let window = |from: i64, to: i64| {
        Some(TimeRange { start: Nanos(from * STEP), end: Nanos(to * STEP), base: TimeBase::At(Nanos(0)) })
    };
    let mut options = wanted(&record, &small);
    options.extend(wanted(&record, &HeatsOptions { time_range: window(20, 200), ..small.clone() }));
    options.extend(wanted(&record, &HeatsOptions { time_range: window(100, 130), ..small.clone() }));
    let range = AddressRange { start: Addr(1 << 24), end: Addr((1 << 24) + 90_000), base: AddressBase::At(Addr(0)) };
    let addresses = HeatsOptions { time_range: window(20, 200), address_ranges: vec![range], ..small.clone() };
    options.extend(wanted(&record, &addresses));
    // Some that cannot be made.
    options.push(HeatsOptions { identity: Identity { target_id: Some(999), ..Identity::default() }, ..small.clone() });
    options.push(HeatsOptions { mapping: Some("nothing".to_owned()), ..small.clone() });
    options.push(HeatsOptions { time_range: window(90_000, 90_001), ..small });
    let [alone, at_once] = alone_and_at_once(record, &options);
    for (number, (alone, at_once)) in alone.iter().zip(&at_once).enumerate() {
        assert!(alone == at_once, "map {number} differs");
    }
    assert!(alone.iter().flatten().any(|map| map.contains("999") || map.contains("no target")));
}

#[test]
fn maps_that_do_not_fit_into_one_pass_are_made_in_several() {
    let record = record(7, 30);
    // A million cells are filled at once.
    let options = wanted(&record, &HeatsOptions::picture(500, Columns::Each(800)));
    assert!(options.len() > 5);
    let [alone, at_once] = alone_and_at_once(record, &options);
    assert!(alone == at_once);
}

#[test]
fn ages_of_many_targets_are_those_of_each_alone() {
    let records = [record(18, 240)];
    for at in [None, Some(Nanos(70 * STEP)), Some(Nanos(150 * STEP))] {
        let together = ages(&records, &AgesOptions { at, ..AgesOptions::default() }).expect("there are ages").rows;
        let mut alone = Vec::new();
        for target in records[0].targets().iter().filter(|target| target.scheme.is_none()) {
            let mut options = AgesOptions { at, ..AgesOptions::default() };
            options.filter.target.key = Some(target.key);
            alone.extend(ages(&records, &options).expect("there are ages").rows);
        }
        assert!(together.len() >= 5 * 10 && together == alone, "at {at:?}");
    }
}

#[test]
fn a_page_of_hundreds_of_targets_says_which_it_shows() {
    let page = |targets| {
        let mut page = Vec::new();
        write_html(&record(targets, 12), &HtmlOptions::default(), &mut page).expect("there is a page");
        String::from_utf8(page).expect("a page is text")
    };
    let (few, many) = (page(12), page(400));
    let maps = |page: &str| page.matches("\"figures\":").count();
    assert_eq!((maps(&few), maps(&many)), (10, 100));
    assert!(!few.contains("[\"targets\","));
    // A sixth of the 400 is what schemes saw of others.
    assert!(many.contains("[\"targets\",\"100 of 334, those that touched most memory"), "it does not say so");
    assert!(many.len() < 5_000_000);
}
