use super::*;
use crate::request::Rotation;
use damo_format::Reader;
use damo_model::{Addr, Bytes, Meta, Nanos, NrAccesses, Region, Selection, Snapshot, Target, TargetKey};
use std::cell::Cell;

thread_local! {
    /// What standard output is for the next tape of this thread.
    pub(crate) static PIPE: Cell<Option<File>> = const { Cell::new(None) };
}

fn item(n: i64) -> Item {
    let mut snapshot =
        Snapshot::new(TargetKey(0), Nanos::from_millis(n * 100), Nanos::from_millis((n + 1) * 100), None);
    // Hard to compress, so that sizes grow.
    let random = |i: i64| {
        let x = ((n * 1000 + i) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56
    };
    snapshot.regions = (0..50)
        .map(|i| {
            let start = i as u64 * 0x10_0000;
            Region::new(Addr(start), Addr(start + 0x1000 * (1 + random(i))), NrAccesses(random(i + 7) as u32), None)
        })
        .collect();
    Item::Snapshot(snapshot)
}

/// An output that has begun: the record is described and its target is known.
fn begun(output: &Output, options: WriterOptions) -> RecordOutput {
    let mut output = RecordOutput::open(output, options).unwrap();
    beginning().iter().for_each(|item| output.put(item).unwrap());
    output
}

fn beginning() -> [Item; 2] {
    let meta = Meta { tool: "test".into(), ..Meta::default() };
    [Item::Meta(meta), Item::Target(Target { key: TargetKey(0), ..Target::default() })]
}

/// All of a recording of 2.5 s.
fn recorded(output: &Output) -> Written {
    let mut output = begun(output, WriterOptions::default());
    (0..25).for_each(|n| output.put(&item(n)).unwrap());
    output.finish().unwrap()
}

fn output(path: PathBuf) -> Output {
    Output { path: Some(path), ..Output::default() }
}

/// A file each second.
fn each_second(dir: &Path, keep: Option<u32>) -> Output {
    let rotation = Rotation { time: Some(Nanos::from_secs(1)), keep, ..Rotation::default() };
    Output { rotation, ..output(dir.join("r.damo")) }
}

/// Ends of the snapshots of a record, in tenths of seconds.
fn ends(path: &Path) -> Vec<i64> {
    let reader = Reader::open(path).unwrap();
    assert_eq!(reader.meta().tool, "test");
    assert!(reader.damage().is_empty());
    let blocks = 0..reader.index().len();
    let ends = blocks.flat_map(|block| reader.read_block(block, &Selection::all()).unwrap().snapshots);
    ends.map(|head| head.end.0 / 100_000_000).collect()
}

#[test]
fn rotation_by_time_makes_whole_records_that_together_hold_everything() {
    let dir = tempfile::tempdir().unwrap();
    let written = recorded(&each_second(dir.path(), None));
    let all: Vec<Vec<i64>> = written.files.iter().map(|file| ends(file)).collect();
    assert_eq!(all.concat(), (1..=25).collect::<Vec<_>>());
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(written.snapshots, 25);
}

#[test]
fn rotation_by_size_keeps_only_the_newest_files_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation { size: Some(Bytes(16 << 10)), keep: Some(2), ..Rotation::default() };
    let options = WriterOptions { max_snapshots_per_block: 8, ..WriterOptions::default() };
    let mut output = begun(&Output { rotation, ..output(dir.path().join("r.damo")) }, options);
    (0..2000).for_each(|n| output.put(&item(n)).unwrap());
    let written = output.finish().unwrap();
    assert_eq!(written.files.len(), 2);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    assert_eq!(ends(&written.files[1]).last(), Some(&2000));
    assert!(std::fs::metadata(&written.files[0]).unwrap().len() < 32 << 10);
}

#[test]
fn recordings_of_one_name_go_on_behind_each_other_and_the_newest_of_all_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let record = |keep| recorded(&each_second(dir.path(), keep)).files;
    let there = || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    // None of these is a record that rotation made.
    std::fs::write(dir.path().join("r.0002.damo"), "no record").unwrap();
    for name in ["r.1.damo", "r.+003.damo", "r.0009.damo.old", "rr.0009.damo", "r.0009.txt"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let others = there();
    let with = |names: &[&str]| {
        let mut all = others.clone();
        all.extend(names.iter().map(|name| name.to_string()));
        all.sort();
        all
    };
    record(None);
    assert_eq!(there(), with(&["r.0003.damo", "r.0004.damo", "r.0005.damo"]));
    let written = record(Some(4));
    assert_eq!(written.len(), 3, "what an earlier one made is not told as written");
    assert_eq!(there(), with(&["r.0005.damo", "r.0006.damo", "r.0007.damo", "r.0008.damo"]));
    record(Some(2));
    assert_eq!(there(), with(&["r.0010.damo", "r.0011.damo"]));
}

#[test]
fn a_file_with_the_highest_number_does_not_end_rotation() {
    for planted in ["r.4294967295.damo", "r.999999999.damo"] {
        let dir = tempfile::tempdir().unwrap();
        let output = each_second(dir.path(), None);
        RecordFile::create(dir.path().join(planted), WriterOptions::default(), false).unwrap().finish().unwrap();
        let before = std::fs::read(dir.path().join(planted)).unwrap();
        let mut files = Vec::new();
        for _ in 0..2 {
            files.extend(recorded(&output).files);
        }
        assert_eq!(files.len(), 6);
        assert!(files.iter().all(|file| !ends(file).is_empty()), "{files:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 7, "each under a name of its own");
        assert!(std::fs::read(dir.path().join(planted)).unwrap() == before);
    }
}

#[test]
fn the_flight_recorder_notices_a_name_that_is_taken_at_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.damo"), "notes").unwrap();
    let output = Output { keep: Some(Nanos::from_secs(10)), ..output(dir.path().join("f.damo")) };
    let error = RecordOutput::open(&output, WriterOptions::default()).err().unwrap().to_string();
    assert!(error.contains("f.damo exists and is no .damo record"), "{error}");
}

#[test]
fn a_rotated_recording_that_did_not_begin_removes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let output = each_second(dir.path(), Some(1));
    for _ in 0..2 {
        recorded(&output);
        RecordOutput::open(&output, WriterOptions::default()).unwrap().discard();
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_flight_recorder_writes_the_last_minutes_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Some(Nanos::from_secs(10));
    let mut output = begun(&Output { keep, ..output(dir.path().join("f.damo")) }, WriterOptions::default());
    (0..500).for_each(|n| output.put(&item(n)).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing on disk until asked");
    let dump = output.dump().unwrap().unwrap();
    let (file, held) = (dir.path().join("f.0001.damo"), Nanos::from_secs(10));
    assert_eq!(dump, Dump { file, held, is_short: false });
    assert_eq!(ends(&dump.file), (400..=500).collect::<Vec<_>>());
    (500..520).for_each(|n| output.put(&item(n)).unwrap());
    let written = output.finish().unwrap();
    assert_eq!(ends(&dir.path().join("f.damo")), (420..=520).collect::<Vec<_>>());
    assert_eq!(written.files.len(), 2);
}

#[test]
fn the_flight_recorders_memory_is_bounded_whatever_time_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder =
        FlightRecorder::new(dir.path().join("f.damo"), Nanos::from_secs(3600 * 24), Rules::new(Kind::Record)).unwrap();
    beginning().iter().for_each(|item| recorder.put(item).unwrap());
    let mut most = 0;
    for n in 0..300_000 {
        recorder.put(&item(n)).unwrap();
        most = most.max(recorder.progress().bytes);
        if recorder.progress().bytes < most {
            // The oldest segment was dropped: the limit was met.
            assert!(most < 16 << 20, "{most}");
            let all = Nanos::from_millis(n * 100);
            let said = recorder.progress().short.unwrap();
            assert!(said < all && said > Nanos(all.0 / 2), "{said:?} of {all:?}");
            let dump = recorder.dump().unwrap();
            let ends = ends(&dump.file);
            assert_eq!(dump.held, Nanos::from_millis((ends[ends.len() - 1] - ends[0]) * 100));
            assert!(dump.is_short && dump.held >= said);
            return;
        }
        assert_eq!(recorder.progress().short, None, "nothing was dropped");
    }
    panic!("nothing was ever dropped, {most} bytes held");
}

/// One target after the other, as of a build server, each with one snapshot.
fn newcomers(output: &mut RecordOutput, keys: std::ops::Range<u32>) {
    for key in keys {
        output.put(&Item::Target(Target { key: TargetKey(key), ..Target::default() })).unwrap();
        let (start, end) = (Nanos::from_millis(key.into()), Nanos::from_millis(i64::from(key) + 1));
        output.put(&Item::Snapshot(Snapshot::new(TargetKey(key), start, end, None))).unwrap();
    }
}

#[test]
fn a_rotated_recording_begins_the_next_file_when_one_is_full_of_targets() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation { time: Some(Nanos::from_secs(3600)), ..Rotation::default() };
    let output = Output { rotation, ..output(dir.path().join("r.damo")) };
    let mut output = begun(&output, WriterOptions::default());
    newcomers(&mut output, 1..70_000);
    let written = output.finish().unwrap();
    assert_eq!((written.files.len(), written.snapshots), (2, 69_999));
}

#[test]
fn the_flight_recorder_holds_the_newest_targets_if_there_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Some(Nanos::from_secs(3600));
    let path = dir.path().join("f.damo");
    let mut output = begun(&Output { keep, ..output(path.clone()) }, WriterOptions::default());
    newcomers(&mut output, 1..140_000);
    assert!(output.dump().unwrap().unwrap().is_short);
    newcomers(&mut output, 140_000..150_000);
    output.finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    let keys = reader.targets().iter().map(|target| target.key.0);
    assert_eq!(keys.clone().max(), Some(149_999));
    assert!(keys.count() > 40_000);
}

#[test]
fn numbered_files_keep_their_folder_and_extension() {
    assert_eq!(numbered(Path::new("a/damon.damo"), 1), Path::new("a/damon.0001.damo"));
    assert_eq!(numbered(Path::new("x.y/rec"), 12), Path::new("x.y/rec.0012"));
}

/// A live session's tape: told every 1.5 s of the record's clock that time passes.
struct Ticking {
    output: RecordOutput,
    since: Option<Nanos>,
}

impl Sink for Ticking {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.output.put(item)?;
        if let Item::Snapshot(snapshot) = item {
            let since = *self.since.get_or_insert(snapshot.start);
            if snapshot.end.saturating_sub(since) >= Nanos::from_millis(1500) {
                self.output.tick().map_err(SinkError::new)?;
                self.since = None;
            }
        }
        Ok(())
    }
}

#[test]
fn a_finished_recording_takes_no_more_than_if_it_had_been_written_at_a_stroke() {
    let dir = tempfile::tempdir().unwrap();
    let stairs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real/stairs/damon.data");
    let (live, stroke) = (dir.path().join("live.damo"), dir.path().join("stroke.damo"));
    let record = |path: &Path| {
        let output = RecordOutput::open(&output(path.to_owned()), WriterOptions::live()).unwrap();
        let mut ticking = Ticking { output, since: None };
        damo_import::import_path(&stairs, &Default::default(), &mut ticking).unwrap();
        ticking.output
    };
    let RecordOutput::File(file) = record(&dir.path().join("small.damo")) else { panic!("a name makes a file") };
    let small = file.finish().unwrap().bytes.0;
    let written = record(&live).finish().unwrap();
    let mut at_once = RecordFile::create(&stroke, WriterOptions::default(), false).unwrap();
    damo_import::import_path(&stairs, &Default::default(), &mut at_once).unwrap();
    let at_once = at_once.finish().unwrap();
    let per_region = |bytes: u64| bytes as f64 / written.regions as f64;
    println!("B/region: {:.2} before, {:.2} after", per_region(small), per_region(written.bytes));
    assert!(small > written.bytes * 5 / 4, "{small} {written:?}");
    assert!(written.bytes <= at_once.bytes.0 * 101 / 100, "{written:?} {at_once:?}");
    let (live, stroke) = (Reader::open(&live).unwrap(), Reader::open(&stroke).unwrap());
    assert_eq!(live.totals(), stroke.totals());
    assert_eq!((live.meta(), live.targets()), (stroke.meta(), stroke.targets()));
    assert_eq!(live.side_data().unwrap(), stroke.side_data().unwrap());
    assert_eq!(snapshots(&live), snapshots(&stroke));
}

fn snapshots(reader: &Reader) -> Vec<Snapshot> {
    let batches = (0..reader.index().len()).map(|block| reader.read_block(block, &Selection::all()).unwrap());
    batches.flat_map(|batch| (0..batch.snapshots.len()).map(move |i| batch.snapshot(i)).collect::<Vec<_>>()).collect()
}
