//! The pipeline with outputs that fill, stall and disappear.

use super::*;
use crate::request::Output;
use damo_format::{Reader, StreamReader, WriterOptions};
use damo_model::{Addr, Meta, Nanos, NrAccesses, Snapshot, Target, TargetKey};
use damo_steer::notifier::Silent;

fn output(path: PathBuf) -> Output {
    Output { path: Some(path), ..Output::default() }
}

fn snapshot(n: i64, regions: u64) -> Item {
    let mut snapshot = Snapshot::new(TargetKey(0), Nanos(n * 100), Nanos((n + 1) * 100), None);
    let region = |i: u64| Region::new(Addr(i * 4096), Addr((i + 1) * 4096), NrAccesses(1), None);
    snapshot.regions = (0..regions).map(region).collect();
    Item::Snapshot(snapshot)
}

fn give(pipeline: &Pipeline, item: Item) -> Result<(), Stopped> {
    pipeline.give_all([item])
}

/// A pipeline that has begun: the record is described and its target is known.
fn begun(output: &Output, block_age: Option<Duration>, patience: Patience) -> Pipeline {
    let output = RecordOutput::open(output, WriterOptions::live()).unwrap();
    let pipeline = Pipeline::start(output, None, block_age, patience).unwrap();
    let target = Target { key: TargetKey(0), ..Target::default() };
    pipeline.give_all([Item::Meta(Meta::default()), Item::Target(target)]).unwrap();
    pipeline
}

/// To a file of a new directory.
fn begin(block_age: Option<Duration>) -> (tempfile::TempDir, PathBuf, Pipeline) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.damo");
    let pipeline = begun(&output(path.clone()), block_age, Patience::default());
    (dir, path, pipeline)
}

/// To standard output, which is a pipe.
fn piped(patience: Patience) -> (std::io::PipeReader, Pipeline) {
    let (reader, writer) = std::io::pipe().unwrap();
    crate::record_output::tests::PIPE.set(Some(std::os::fd::OwnedFd::from(writer).into()));
    (reader, begun(&Output::default(), None, patience))
}

#[test]
fn more_than_the_queue_holds_waits_and_nothing_is_dropped() {
    let (_dir, path, pipeline) = begin(None);
    // 600 times 64 KiB, many times what may wait.
    for n in 0..600 {
        give(&pipeline, snapshot(n, 2000)).unwrap();
        assert!(pipeline.shared.lock().waiting <= MOST_WAITING);
    }
    let ended = pipeline.finish(&mut Silent);
    assert!(ended.error.is_none());
    assert_eq!(Reader::open(&path).unwrap().totals().snapshots, 600);
}

#[test]
fn a_block_is_finished_by_the_clock_when_nothing_more_comes() {
    let (dir, _, pipeline) = begin(Some(Duration::from_millis(50)));
    give(&pipeline, snapshot(0, 3)).unwrap();
    // As a reader sees it that follows the growing file, or that comes after a kill.
    let part = dir.path().join("a.damo.part");
    let seen = || {
        let mut reader = StreamReader::new(std::fs::File::open(&part).unwrap()).unwrap();
        std::iter::from_fn(|| reader.next_item().unwrap()).any(|item| matches!(item, Item::Snapshot(_)))
    };
    let patience = Instant::now() + Duration::from_secs(60);
    while !seen() {
        assert!(Instant::now() < patience, "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(pipeline.finish(&mut Silent).error.is_none());
}

#[test]
fn that_the_record_was_removed_is_told_at_once_and_once_and_it_is_there_in_the_end() {
    let (dir, path, pipeline) = begin(Some(Duration::from_millis(20)));
    give(&pipeline, snapshot(0, 3)).unwrap();
    std::fs::remove_file(dir.path().join("a.damo.part")).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    let (mut given, mut told) = (1, Vec::new());
    while told.is_empty() || given < 10 {
        assert!(Instant::now() < patience, "it never came");
        std::thread::sleep(Duration::from_millis(40));
        give(&pipeline, snapshot(given, 3)).unwrap();
        given += 1;
        told.extend(pipeline.take_warning());
    }
    assert!(told.len() == 1 && told[0].contains("a.damo.part, which is being written, was removed"), "{told:?}");
    assert!(pipeline.finish(&mut Silent).error.is_none());
    assert_eq!(Reader::open(&path).unwrap().totals().snapshots, given as u64);
}

#[test]
fn an_item_that_breaks_the_formats_rules_is_counted_and_the_record_goes_on() {
    let (_dir, _, pipeline) = begin(None);
    give(&pipeline, snapshot(0, 1)).unwrap();
    give(&pipeline, Item::Snapshot(Snapshot::new(TargetKey(9), Nanos(0), Nanos(1), None))).unwrap();
    give(&pipeline, snapshot(1, 1)).unwrap();
    let ended = pipeline.finish(&mut Silent);
    assert!(ended.error.is_none());
    assert_eq!(ended.rejected.unwrap().0, 1);
    assert_eq!(ended.written.snapshots, 2);
}

/// Hard to compress, so that a pipe is soon full.
fn rough(n: i64) -> Item {
    let Item::Snapshot(mut snapshot) = snapshot(n, 4000) else { unreachable!() };
    let mut x = n as u64 + 1;
    for region in &mut snapshot.regions {
        x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        region.nr_accesses = NrAccesses((x >> 44) as u32);
    }
    Item::Snapshot(snapshot)
}

#[test]
fn after_a_signal_a_stalled_output_is_not_waited_for_and_a_second_one_gives_it_up() {
    let signals = Signals::default();
    let (reader, pipeline) = piped(Patience::new(&signals, None));
    let ended = std::thread::scope(|scope| {
        let shared = Arc::clone(&pipeline.shared);
        let finished = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (signals, theirs) = (&signals, Arc::clone(&finished));
        scope.spawn(move || {
            while !shared.lock().is_full {
                std::thread::sleep(Duration::from_millis(20));
            }
            signals.raise(15);
            while !theirs.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(200));
                signals.raise(15);
            }
        });
        // Many times what may wait.
        for n in 0..200 {
            give(&pipeline, rough(n)).unwrap();
        }
        assert!(pipeline.shared.lock().waiting > MOST_WAITING, "nothing is dropped");
        let ended = pipeline.finish(&mut Silent);
        finished.store(true, Ordering::Relaxed);
        ended
    });
    let error = ended.error.unwrap().to_string();
    assert!(error.contains("a second signal came") && error.contains("incomplete"), "{error}");
    drop(reader);
}

#[test]
fn an_output_that_takes_nothing_holds_nobody_up_when_the_time_is_over() {
    let (reader, pipeline) = piped(Patience::new(&Signals::default(), Some(Nanos::from_millis(300))));
    for n in 0..200 {
        give(&pipeline, rough(n)).unwrap();
    }
    let reader = std::thread::spawn(move || {
        StreamReader::new(reader).and_then(|mut reader| {
            let mut snapshots = 0;
            while let Some(item) = reader.next_item()? {
                snapshots += usize::from(matches!(item, Item::Snapshot(_)));
            }
            Ok(snapshots)
        })
    });
    assert!(pipeline.finish(&mut Silent).error.is_none());
    assert_eq!(reader.join().unwrap().unwrap(), 200, "what waited is written when it can be");
}

#[test]
fn a_record_with_all_the_targets_that_it_can_have_goes_on_without_newcomers() {
    let (_dir, path, pipeline) = begin(None);
    let most = damo_format::MAX_TARGETS as u32;
    let target = |key| Item::Target(Target { key: TargetKey(key), ..Target::default() });
    let of = |key| Item::Snapshot(Snapshot::new(TargetKey(key), Nanos(0), Nanos(1), None));
    pipeline.give_all((1..most + 2).map(target)).unwrap();
    pipeline.give_all([of(most), of(most + 1), of(most - 1), of(0)]).unwrap();
    let ended = pipeline.finish(&mut Silent);
    assert!(ended.error.is_none());
    assert!(ended.was_full);
    assert_eq!(ended.rejected, None, "nothing is wrong with what was left out");
    assert_eq!(ended.written.snapshots, 2);
    assert_eq!(Reader::open(&path).unwrap().targets().len(), most as usize);
}
