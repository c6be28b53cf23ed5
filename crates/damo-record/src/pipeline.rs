//! The writer thread and its bounded queue.
//!
//! Compressing and writing happen beside the thread that empties the kernel's ring, so that a slow disk does not cost
//! events at once. The queue is bounded by bytes: when it is full the producer waits, the ring fills, and what the
//! ring then drops is counted by the kernel. Nothing is dropped here. Of a live recording the thread sleeps until there
//! is a block's worth of time or much to do, for each time that it wakes costs more than what it does then; blocks are
//! finished by the clock, so that a kill at any moment loses less than two seconds.
//!
//! An output can take nothing for any time: a reader that stalls, a server that is gone. Whoever records must not be held
//! up by that when a signal asks for the end, for DAMON is on until then: from that moment on the queue has no bound, which
//! is for what the ring still holds, and only [`Pipeline::finish`] waits for the writer.

mod writer;

use crate::error::RecordError;
use crate::record_output::{Dump, Ended, Progress, RecordOutput};
use damo_model::human::Show;
use damo_model::{Item, Nanos, Region, Side, Sink, SinkError};
use damo_monitor::Metrics;
use damo_steer::Notifier;
use damo_steer::signals::Signals;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Bytes of items that may wait: about 100 snapshots of 1,000 regions.
const MOST_WAITING: usize = 4 << 20;
/// So many bytes are written without waiting for the clock.
const MUCH: usize = 256 << 10;
/// Of a live recording: a block is finished at most so long after its first item was given, whether or not more items
/// come. Items are given every half second, so that a block has the items of three times and the next block begins with
/// the fourth; to wait longer than for the third would make no fewer blocks. A kill loses at most this, the half second before,
/// and the aggregation at hand: with the usual 100 ms that leaves 0.3 s of the two for a machine that is busy.
pub(crate) const LIVE_BLOCK_AGE: Duration = Duration::from_millis(1100);

/// How often one who waits for the writer looks whether there is a reason not to.
const STEP: Duration = Duration::from_millis(100);
/// One who waits so long for the writer after a signal wants to be told what for.
const PATIENT: Duration = Duration::from_secs(1);
/// After a signal: a pipe that takes nothing for so long will not.
const GIVE_UP: Duration = Duration::from_secs(10);

/// In place of a time that was told already.
const TOLD: u64 = u64::MAX;

/// What becomes of a record when no more items come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is finished, and gets its name.
    #[default]
    Finished,
    /// The recording failed: it is finished if it has a snapshot, and else nothing is left of it.
    FinishedIfAny,
    /// Nothing is left of it: it can be made again at any time.
    Discarded,
}

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
    /// What becomes of the record then.
    fate: Fate,
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

/// The queue of items on their way to the output, and the thread that writes them.
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    /// From the writer thread. None when it was waited for.
    ended: Option<mpsc::Receiver<Ended>>,
    patience: Patience,
    /// Where what was written can be read, and whether that is a pipe.
    place: (PathBuf, bool),
    /// The thread is woken when so many bytes wait.
    enough: usize,
}

/// Until when the output may hold up whoever records.
#[derive(Clone, Default)]
pub(crate) struct Patience {
    signals: Signals,
    until: Option<Instant>,
}

impl Patience {
    /// Until a signal asks for the end, or this time is over from now on.
    pub(crate) fn new(signals: &Signals, time: Option<Nanos>) -> Self {
        let time = time.map(|time| Duration::from_nanos(u64::try_from(time.0).unwrap_or(0)));
        Self { signals: signals.clone(), until: time.and_then(|time| Instant::now().checked_add(time)) }
    }

    fn is_out(&self) -> bool {
        self.signals.stop().is_some() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// The writer takes no more; [`Pipeline::finish`] tells why.
#[derive(Debug, thiserror::Error)]
#[error("the record can take no more")]
pub(crate) struct Stopped;

impl Pipeline {
    /// Starts the writer thread, which keeps `metrics` up to date as well. With `block_age` blocks are finished by the clock, too.
    pub(crate) fn start(
        output: RecordOutput,
        metrics: Option<Metrics>,
        block_age: Option<Duration>,
        patience: Patience,
    ) -> Result<Self, RecordError> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let place = (output.place(), output.is_pipe());
        let (end, ended) = mpsc::channel();
        std::thread::Builder::new()
            .name("damo-writer".to_string())
            .spawn(move || {
                let ended = writer::write(output, metrics, block_age, &theirs);
                theirs.lock().stopped = true;
                theirs.emptied.notify_all();
                // Nobody waits for it any more after a failure.
                let _ = end.send(ended);
            })
            .map_err(|e| RecordError::io("starting the writer thread", e))?;
        Ok(Self { shared, ended: Some(ended), patience, place, enough: enough(block_age) })
    }

    /// Hands items over; waits while the queue is full, as long as patience lasts.
    pub(crate) fn give_all(&self, items: impl IntoIterator<Item = Item>) -> Result<(), Stopped> {
        let mut queue = self.shared.lock();
        for item in items {
            let cost = cost(&item);
            let is_full = |queue: &Queue| queue.waiting > 0 && queue.waiting + cost > MOST_WAITING && !queue.stopped;
            while is_full(&queue) && !self.patience.is_out() {
                queue.is_full = true;
                self.shared.filled.notify_one();
                queue = wait(&self.shared.emptied, queue, STEP);
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
        loop {
            match wait.recv_timeout(STEP) {
                Ok(answer) => return answer,
                // The writer has stopped, and `finish` tells why.
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
                Err(mpsc::RecvTimeoutError::Timeout) if !self.patience.is_out() => {}
                Err(mpsc::RecvTimeoutError::Timeout) => return Err(self.error("what it holds is still being written")),
            }
        }
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

    /// Writes what waits, then the record's end. That may take its time; but after a signal another one ends it, and so
    /// does a pipe that takes nothing more.
    pub(crate) fn finish(self, notifier: &mut dyn Notifier) -> Ended {
        self.end(Fate::Finished, notifier)
    }

    /// The same, with what becomes of the record.
    pub(crate) fn end(mut self, fate: Fate, notifier: &mut dyn Notifier) -> Ended {
        self.close(fate);
        let ended = self.wait_for_end(&mut |text| notifier.warn(text));
        if let Some(warning) = self.take_warning() {
            notifier.warn(&warning);
        }
        ended
    }

    fn wait_for_end(&mut self, say: &mut dyn FnMut(&str)) -> Ended {
        let Some(ended) = self.ended.take() else { return broken() };
        let (place, is_pipe) = &self.place;
        let signals = &self.patience.signals;
        let mut since = None;
        let mut said = false;
        let mut moved = (self.left(), Instant::now());
        loop {
            match ended.recv_timeout(STEP) {
                Ok(ended) => return ended,
                Err(mpsc::RecvTimeoutError::Disconnected) => return broken(),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            let Some(name) = signals.stop() else { continue };
            let (since, left) = (*since.get_or_insert_with(Instant::now), self.left());
            if moved.0 != left {
                moved = (left, Instant::now());
            }
            let stands = since.max(moved.1).elapsed();
            if !said && since.elapsed() >= PATIENT {
                // One and the same wish may come twice, as from `timeout`, which tells the process and its group.
                signals.take_again();
                said = true;
                say(&format!(
                    "Waiting until {} has taken the rest of the record; another signal gives that up.",
                    place.shown()
                ));
            } else if said && signals.take_again() {
                return self.given_up("a second signal came before all was written");
            } else if *is_pipe && stands >= GIVE_UP {
                return self.given_up(&format!("nothing was taken for {} s after {name}", GIVE_UP.as_secs()));
            }
        }
    }

    /// How much is left to be written, in numbers that change while it is.
    fn left(&self) -> (usize, u64) {
        (self.shared.lock().waiting, self.shared.bytes.load(Ordering::Relaxed))
    }

    /// The writer thread is left where it hangs; the end of the process ends it.
    fn given_up(&self, why: &str) -> Ended {
        let error = self.error(&format!("{why}: the record is incomplete. What was written before stays readable"));
        Ended { error: Some(error), ..Ended::default() }
    }

    fn error(&self, why: &str) -> RecordError {
        RecordError::of_ours(&self.place.0, why)
    }

    fn close(&self, fate: Fate) {
        let mut queue = self.shared.lock();
        (queue.closed, queue.fate) = (true, fate);
        drop(queue);
        self.shared.filled.notify_one();
    }
}

impl Drop for Pipeline {
    /// A session that gives up half-way still leaves a complete record, if it has recorded anything.
    fn drop(&mut self) {
        if self.ended.is_some() {
            self.close(Fate::FinishedIfAny);
            self.wait_for_end(&mut |_| {});
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
    let why = "the writer thread ended by a fault of its own; what was written before can be read";
    Ended { error: Some(RecordError::of_ours("record", why)), ..Ended::default() }
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
        Item::Side(Side::Placement(placement)) => own + (placement.memory.len() + placement.threads.len()) * 96,
        Item::Side(Side::Params(params)) => own + params.json.len(),
        Item::Side(Side::Code(code)) => {
            own + code.mappings.iter().map(|mapping| 128 + mapping.name.len()).sum::<usize>()
        }
        Item::Side(Side::Stacks(stacks)) => own + stacks.nodes.len() * 24,
        Item::Side(Side::Samples(samples)) => own + samples.threads.len() * 64 + samples.samples.len() * 24,
        _ => own + 256,
    }
}

/// How many bytes are worth waking the thread for: without a clock any, since there is no other reason to wake.
fn enough(block_age: Option<Duration>) -> usize {
    if block_age.is_some() { MUCH } else { 1 }
}

fn wait<'q>(change: &Condvar, queue: MutexGuard<'q, Queue>, most: Duration) -> MutexGuard<'q, Queue> {
    change.wait_timeout(queue, most).unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests;
