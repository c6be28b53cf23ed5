//! The writer thread and its bounded queue.
//!
//! Compressing and writing happen beside the thread that empties the kernel's ring, so that a slow disk does not cost
//! events at once. The queue is bounded by bytes: when it is full the producer waits, the ring fills, and what the
//! ring then drops is counted by the kernel. Nothing is dropped here. Of a live recording the thread sleeps until there
//! is a block's worth of time or much to do, for each time that it wakes costs more than what it does then; blocks are
//! finished by the clock, so that a kill at any moment loses less than two seconds.

use crate::error::RecordError;
use crate::tape::{Dump, Ended, Progress, Tape, Written};
use damo_format::WriteError;
use damo_model::{Item, Nanos, Region, Side, Sink, SinkError};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of items that may wait: about 100 snapshots of 1,000 regions.
const MOST_WAITING: usize = 4 << 20;
/// So many bytes are written without waiting for the clock.
const MUCH: usize = 256 << 10;
/// Of a live recording: a block is finished at most so long after its first item was given, whether or not more items
/// come. Items are given every half second, so that a block has three of these gifts and the next one begins with the
/// fourth; to wait longer than for the third would make no fewer blocks. A kill loses at most this, the half second before,
/// and the aggregation at hand: with the usual 100 ms that leaves 0.3 s of the two for a machine that is busy.
pub(crate) const LIVE_BLOCK_AGE: Duration = Duration::from_millis(1100);

/// In place of a time that was told already.
const TOLD: u64 = u64::MAX;

type Answer = mpsc::Sender<Result<Option<Dump>, RecordError>>;

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    waiting: usize,
    /// When the first item was given that is in no finished block.
    since: Option<Instant>,
    /// Someone waits for room.
    is_full: bool,
    /// Who wants to have a dump.
    dump: Option<Answer>,
    /// No more items will come.
    closed: bool,
    /// The writer takes no more.
    stopped: bool,
    /// A sentence that somebody should hear at once.
    warning: Option<String>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
    snapshots: AtomicU64,
    regions: AtomicU64,
    bytes: AtomicU64,
    /// [`Progress::short`] in nanoseconds until somebody was told of it; 0 for none.
    short: AtomicU64,
}

impl Shared {
    /// The state stays consistent at every unlock, so a poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Items go in here and come out on the tape.
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Ended>>,
    /// The thread is woken when so many bytes wait.
    enough: usize,
}

/// The writer takes no more; [`Pipeline::finish`] tells why.
#[derive(Debug, thiserror::Error)]
#[error("the record can take no more")]
pub(crate) struct Stopped;

impl Pipeline {
    /// Starts the writer thread. With `block_age` blocks are finished by the clock, too.
    pub(crate) fn start(tape: Tape, block_age: Option<Duration>) -> Result<Self, RecordError> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("damo-writer".to_string())
            .spawn(move || {
                let ended = write(tape, block_age, &theirs);
                theirs.lock().stopped = true;
                theirs.emptied.notify_all();
                ended
            })
            .map_err(|e| RecordError::io("starting the writer thread", e))?;
        Ok(Self { shared, thread: Some(thread), enough: enough(block_age) })
    }

    /// Hands items over; waits while the queue is full.
    pub(crate) fn give_all(&self, items: impl IntoIterator<Item = Item>) -> Result<(), Stopped> {
        let mut queue = self.shared.lock();
        for item in items {
            let cost = cost(&item);
            while queue.waiting > 0 && queue.waiting + cost > MOST_WAITING && !queue.stopped {
                queue.is_full = true;
                self.shared.filled.notify_one();
                queue = self.shared.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.waiting += cost;
            queue.since.get_or_insert_with(Instant::now);
            queue.items.push_back(item);
        }
        if queue.stopped {
            return Err(Stopped);
        }
        if queue.waiting >= self.enough {
            drop(queue);
            self.shared.filled.notify_one();
        }
        Ok(())
    }

    /// Lets the flight recorder write what it holds; `None` for other outputs.
    pub(crate) fn dump(&self) -> Result<Option<Dump>, RecordError> {
        let (answer, wait) = mpsc::channel();
        let mut queue = self.shared.lock();
        if queue.stopped {
            return Ok(None);
        }
        queue.dump = Some(answer);
        drop(queue);
        self.shared.filled.notify_one();
        // No answer: the writer has stopped, and `finish` tells why.
        wait.recv().unwrap_or(Ok(None))
    }

    /// That the flight recorder's memory does not suffice, and how much time it holds; once.
    pub(crate) fn take_short(&self) -> Option<Nanos> {
        let short = self.shared.short.load(Ordering::Relaxed);
        if short == 0 || short == TOLD {
            return None;
        }
        self.shared.short.store(TOLD, Ordering::Relaxed);
        i64::try_from(short).ok().map(Nanos)
    }

    /// What the writer has to tell while it goes on; once.
    pub(crate) fn take_warning(&self) -> Option<String> {
        self.shared.lock().warning.take()
    }

    /// How far the writing is.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            short: None,
            snapshots: self.shared.snapshots.load(Ordering::Relaxed),
            regions: self.shared.regions.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
        }
    }

    /// Writes what waits, then the record's end.
    pub(crate) fn finish(mut self) -> Ended {
        self.close();
        self.thread.take().map_or_else(broken, |thread| thread.join().unwrap_or_else(|_| broken()))
    }

    fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_one();
    }
}

impl Drop for Pipeline {
    /// A session that gives up half-way still leaves a complete record.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.close();
            let _ = thread.join();
        }
    }
}

impl Sink for Pipeline {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.give_all([item.clone()]).map_err(SinkError::new)
    }
}

/// For a writer thread that panicked, which it has no reason to.
fn broken() -> Ended {
    let why = "the writer thread ended by a fault of its own; what was written before can be read".to_string();
    let error = RecordError::Record { file: PathBuf::from("record"), why, system: false, pipe_closed: false };
    Ended { written: Written::default(), rejected: None, error: Some(error) }
}

/// What an item costs in memory, roughly.
fn cost(item: &Item) -> usize {
    let own = size_of::<Item>();
    match item {
        Item::Snapshot(snapshot) => {
            let extras: usize = snapshot.extras.iter().map(|extra| extra.values.len() * 8).sum();
            own + snapshot.regions.len() * size_of::<Region>() + extras
        }
        Item::Side(Side::Mappings(mappings)) => {
            own + mappings.mappings.iter().map(|mapping| 96 + mapping.name.len()).sum::<usize>()
        }
        Item::Side(Side::Params(params)) => own + params.json.len(),
        _ => own + 256,
    }
}

/// How many bytes are worth waking the thread for: without a clock any, since there is no other reason to wake.
fn enough(block_age: Option<Duration>) -> usize {
    if block_age.is_some() { MUCH } else { 1 }
}

/// The writer thread.
fn write(mut tape: Tape, block_age: Option<Duration>, shared: &Shared) -> Ended {
    let (mut rejected, mut why) = (0u64, None);
    let mut was_gone = false;
    let error = loop {
        let Turn { items, dump, is_old, is_last } = next(shared, block_age);
        let mut broken = None;
        for item in items {
            let cost = cost(&item);
            let written = tape.put(&item);
            let mut queue = shared.lock();
            queue.waiting -= cost;
            if std::mem::take(&mut queue.is_full) {
                shared.emptied.notify_one();
            }
            drop(queue);
            if let Err(e) = written {
                if !is_about_this_item(&e) {
                    broken = Some(RecordError::record(tape.name(), &e));
                    break;
                }
                rejected += 1;
                why.get_or_insert_with(|| e.to_string());
            }
        }
        if is_old && broken.is_none() {
            broken = tape.tick().err();
            let is_gone = tape.is_gone();
            if is_gone && !was_gone {
                shared.lock().warning = Some(format!(
                    "{0}.part, which is being written, was removed or moved. The recording goes on, and writes {0} anew at \
                     its end if the directory is there then.",
                    tape.name().display()
                ));
            }
            was_gone = is_gone;
        }
        if let Some(dump) = dump {
            // The asker may have given up meanwhile; the file is there all the same.
            let _ = dump.send(tape.dump());
        }
        let progress = tape.progress();
        shared.snapshots.store(progress.snapshots, Ordering::Relaxed);
        shared.regions.store(progress.regions, Ordering::Relaxed);
        shared.bytes.store(progress.bytes, Ordering::Relaxed);
        if let Some(short) = progress.short.and_then(|short| u64::try_from(short.0).ok()) {
            // Told once: who told it has set another value.
            let _ = shared.short.compare_exchange(0, short.max(1), Ordering::Relaxed, Ordering::Relaxed);
        }
        if broken.is_some() || is_last {
            break broken;
        }
    };
    let mut queue = shared.lock();
    queue.stopped = true;
    queue.dump = None;
    drop(queue);
    shared.emptied.notify_all();
    Ended { rejected: why.map(|why| (rejected, why)), ..tape.end(error) }
}

/// Whether the record can go on without the item: it breaks a rule of the format, nothing else is wrong.
fn is_about_this_item(error: &SinkError) -> bool {
    matches!(
        error.0.downcast_ref(),
        Some(WriteError::BadSnapshot { .. } | WriteError::UnknownTarget { .. } | WriteError::TooLarge { .. })
    )
}

/// What the thread has to do next.
struct Turn {
    items: VecDeque<Item>,
    dump: Option<Answer>,
    /// The block at hand is old enough to be finished.
    is_old: bool,
    /// Nothing comes after it.
    is_last: bool,
}

/// Waits until there is something to do.
fn next(shared: &Shared, block_age: Option<Duration>) -> Turn {
    let mut queue = shared.lock();
    loop {
        let age = queue.since.zip(block_age).map(|(since, most)| (since.elapsed(), most));
        let is_old = age.is_some_and(|(age, most)| age >= most);
        if is_old || queue.closed || queue.dump.is_some() || queue.waiting >= enough(block_age) {
            if is_old {
                queue.since = None;
            }
            let (items, dump) = (std::mem::take(&mut queue.items), queue.dump.take());
            return Turn { items, dump, is_old, is_last: queue.closed };
        }
        queue = match (age, block_age) {
            // Nobody wakes us for a few items: those that come in the meantime are not older than what we wait for.
            (Some((age, most)), _) => wait(shared, queue, most.saturating_sub(age)),
            (None, Some(most)) => wait(shared, queue, most),
            (None, None) => shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn wait<'q>(shared: &Shared, queue: MutexGuard<'q, Queue>, most: Duration) -> MutexGuard<'q, Queue> {
    shared.filled.wait_timeout(queue, most).unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Output;
    use damo_format::{Reader, StreamReader, WriterOptions};
    use damo_model::{Addr, Meta, Nanos, NrAccesses, Snapshot, Target, TargetKey};

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

    fn begin(path: &std::path::Path, block_age: Option<Duration>) -> Pipeline {
        let tape = Tape::open(&output(path.to_path_buf()), WriterOptions::live()).unwrap();
        let pipeline = Pipeline::start(tape, block_age).unwrap();
        give(&pipeline, Item::Meta(Meta::default())).unwrap();
        give(&pipeline, Item::Target(Target { key: TargetKey(0), ..Target::default() })).unwrap();
        pipeline
    }

    #[test]
    fn more_than_the_queue_holds_waits_and_nothing_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.damo");
        let pipeline = begin(&path, None);
        // 600 times 64 KiB, many times what may wait.
        for n in 0..600 {
            give(&pipeline, snapshot(n, 2000)).unwrap();
            assert!(pipeline.shared.lock().waiting <= MOST_WAITING);
        }
        let ended = pipeline.finish();
        assert!(ended.error.is_none());
        assert_eq!(Reader::open(&path).unwrap().totals().snapshots, 600);
    }

    #[test]
    fn a_block_is_finished_by_the_clock_when_nothing_more_comes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.damo");
        let pipeline = begin(&path, Some(Duration::from_millis(50)));
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
        assert!(pipeline.finish().error.is_none());
    }

    #[test]
    fn that_the_record_was_removed_is_told_at_once_and_once_and_it_is_there_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.damo");
        let pipeline = begin(&path, Some(Duration::from_millis(20)));
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
        assert!(pipeline.finish().error.is_none());
        assert_eq!(Reader::open(&path).unwrap().totals().snapshots, given as u64);
    }

    #[test]
    fn an_item_that_breaks_the_formats_rules_is_counted_and_the_record_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.damo");
        let pipeline = begin(&path, None);
        give(&pipeline, snapshot(0, 1)).unwrap();
        give(&pipeline, Item::Snapshot(Snapshot::new(TargetKey(9), Nanos(0), Nanos(1), None))).unwrap();
        give(&pipeline, snapshot(1, 1)).unwrap();
        let ended = pipeline.finish();
        assert!(ended.error.is_none());
        assert_eq!(ended.rejected.unwrap().0, 1);
        assert_eq!(ended.written.snapshots, 2);
    }
}
