//! Records opened from files and streams, and what passes over them give.

use damo_frame::{FrameError, OpenOptions, Record};
use damo_model::{
    Addr, AddrRange, Age, ColumnId, ExtraColumn, Item, Meta, Nanos, NrAccesses, Region, Selection, Snapshot, Target,
    TargetKey, TimeSpan,
};
use std::path::Path;

/// `count` snapshots of 100 ms, two targets in turn, regions that move.
fn items(count: u32) -> Vec<Item> {
    let mut items = vec![Item::Meta(Meta::default())];
    for key in 0..2 {
        items.push(Item::Target(Target { key: TargetKey(key), target_id: Some(key.into()), ..Target::default() }));
    }
    for i in 0..count {
        let start = Nanos::from_millis(i64::from(i / 2) * 100);
        let end = Nanos::from_millis(i64::from(i / 2 + 1) * 100);
        let mut snapshot = Snapshot::new(TargetKey(i % 2), start, end, None);
        for r in 0..10 {
            let from = u64::from(r) * 65536 + u64::from(i % 7) * 4096;
            snapshot.regions.push(Region::new(Addr(from), Addr(from + 8192), NrAccesses(r), Some(Age(i))));
        }
        items.push(Item::Snapshot(snapshot));
    }
    items
}

fn snapshots_of(record: &Record, selection: &Selection) -> Vec<Snapshot> {
    let mut all = Vec::new();
    record
        .for_each(selection, |chunk| {
            all.extend((0..chunk.heads().len()).map(|i| chunk.batch().snapshot(i)));
            Ok::<_, FrameError>(())
        })
        .expect("the record is readable");
    all
}

#[test]
fn every_snapshot_put_in_comes_out_in_order() {
    let items = items(3001);
    let record = Record::from_items(&items).unwrap();
    let want: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Snapshot(snapshot) => Some(snapshot.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(snapshots_of(&record, &Selection::all()), want);
    assert_eq!(record.totals().regions, 30_010);
    assert_eq!(record.time_span(), Some(TimeSpan::new(Nanos(0), Nanos::from_millis(150_100))));
    assert!(record.coverage().is_full());
}

#[test]
fn a_fold_sees_what_an_ordered_pass_sees() {
    let record = Record::from_items(&items(3001)).unwrap();
    let selection = Selection {
        time: Some(TimeSpan::new(Nanos::from_secs(20), Nanos::from_secs(30))),
        targets: vec![TargetKey(1)],
        addresses: vec![AddrRange::new(Addr(0), Addr(65536))],
    };
    let folded = record
        .fold(
            &selection,
            Vec::new,
            |all, chunk| {
                all.extend((0..chunk.heads().len()).map(|i| chunk.batch().snapshot(i)));
                Ok::<_, FrameError>(())
            },
            |mut a, b| {
                a.extend(b);
                a
            },
        )
        .unwrap();
    assert_eq!(folded.len(), 100);
    assert_eq!(folded, snapshots_of(&record, &selection));
    assert!(folded.iter().all(|snapshot| snapshot.target == TargetKey(1) && snapshot.regions.len() == 1));
}

#[test]
fn only_blocks_that_may_hold_the_wanted_time_are_decoded() {
    let record = Record::from_items(&items(6000)).unwrap();
    let selection = Selection { time: Some(TimeSpan::new(Nanos(0), Nanos::from_secs(1))), ..Selection::default() };
    assert_eq!(snapshots_of(&record, &selection).len(), 20);
    let (done, planned) = record.progress();
    assert_eq!(done, planned);
    assert!(planned < 60_000 / 4, "{planned} of 60000 regions decoded for a 300th of the time");
}

#[test]
fn frames_have_a_row_per_snapshot_and_per_region() {
    let mut items = items(40);
    if let Item::Snapshot(snapshot) = &mut items[20] {
        snapshot.extras.push(ExtraColumn { id: ColumnId::FILTER_PASSED, values: (0..10).collect() });
        snapshot.regions.iter_mut().for_each(|region| region.age = None);
    }
    let record = Record::from_items(&items).unwrap();
    let regions = record.regions(&Selection::all()).unwrap();
    assert_eq!(regions.height(), 400);
    assert_eq!(regions.column("age").unwrap().null_count(), 10);
    assert_eq!(regions.column("filter_passed").unwrap().u64().unwrap().iter().flatten().sum::<u64>(), 45);
    assert_eq!(snapshots_of(&record, &Selection::all()).len(), 40);
    assert_eq!(record.readings().unwrap().height(), 0);
}

#[test]
fn a_damo_file_is_the_same_record_from_disk_and_from_a_stream() {
    let items = items(500);
    let mut writer = damo_format::Writer::new(Vec::new(), damo_format::WriterOptions::default()).unwrap();
    items.iter().for_each(|item| writer.write(item).unwrap());
    let (bytes, _) = writer.finish().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.damo");
    std::fs::write(&path, &bytes).unwrap();
    let options = OpenOptions::default();
    let from_disk = Record::open(&path, &options).unwrap();
    let from_stream = Record::from_stream(bytes.as_slice(), "-", &options).unwrap();
    let all = Selection::all();
    assert_eq!(snapshots_of(&from_disk, &all), snapshots_of(&from_stream, &all));
    assert_eq!(from_disk.name(), path.display().to_string());
}

#[test]
fn what_cannot_be_read_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("letter.txt");
    std::fs::write(&text, "Dear reader,\nthis is no record.\n").unwrap();
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    for path in [&text, &empty, dir.path(), Path::new("/nonexistent/damon.damo")] {
        let error = Record::open(path, &OpenOptions::default()).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

fn real(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real").join(name)
}

#[test]
fn foreign_records_are_taken_wherever_a_record_is() {
    let options = OpenOptions::default();
    let json = Record::open(&real("stairs/damon.data"), &options).unwrap();
    let perf = Record::open(&real("stairs/perf.data"), &options).unwrap();
    assert_eq!(json.totals().regions, perf.totals().regions);
    assert!(json.readings().unwrap().height() > 0, "side files beside the record are taken in");
    let bytes = std::fs::read(real("stairs/damon.data")).unwrap();
    let stream = Record::from_stream(bytes.as_slice(), "-", &options).unwrap();
    let all = Selection::all();
    assert_eq!(snapshots_of(&stream, &all), snapshots_of(&json, &all));
}

#[test]
fn what_comes_before_a_cut_in_a_foreign_record_is_kept() {
    let bytes = std::fs::read(real("stairs/damon.data")).unwrap();
    let whole = Record::from_stream(bytes.as_slice(), "-", &OpenOptions::default()).unwrap();
    assert_eq!(whole.cut_short(), None);
    let half = Record::from_stream(&bytes[..bytes.len() / 2], "-", &OpenOptions::default()).unwrap();
    assert!(half.totals().snapshots > 0 && half.totals().snapshots < whole.totals().snapshots);
    assert!(half.cut_short().is_some() || !half.notes().is_empty());
}
