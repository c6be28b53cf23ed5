//! A thread that reads a stream, whatever the output does, and the state that it fills.

use crate::error::MonitorError;
use crate::source::Source;
use crate::state::State;
use damo_format::{ReadError, StreamReader};
use damo_model::{Bytes, Item, Nanos};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two looks for more at the end of a file.
const LOOK: Duration = Duration::from_millis(100);
/// The longest sleep before it is seen that nobody wants more.
const NAP: Duration = Duration::from_millis(20);

/// How a stream ended.
#[derive(Debug)]
pub enum End {
    /// With the record's end.
    Finished,
    /// Without it: the recorder died, the connection broke, the file was cut.
    BrokenOff {
        /// How many bytes could be read.
        at: Bytes,
    },
    /// It could not be read any more, or is no record.
    Failed(ReadError),
    /// Nobody wanted more.
    Stopped,
}

/// A stream that is read by a thread of its own.
pub struct Monitor {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    name: String,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// How many wait for the state: the reading thread lets them go first.
    waiting: AtomicUsize,
    stop: AtomicBool,
    end: Mutex<Option<End>>,
}

impl Monitor {
    /// Begins to read. `observe` is called after each item that was taken, on the reading thread; false ends it.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(source: Source, observe: impl FnMut(&State) -> bool + Send + 'static) -> Result<Self, MonitorError> {
        let shared = Arc::new(Shared::default());
        let (name, for_thread) = (source.name.clone(), Arc::clone(&shared));
        let work = move || {
            let end = for_thread.follow(source, observe).unwrap_or_else(End::Failed);
            *for_thread.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        };
        let thread = thread::Builder::new().name("stream".into()).spawn(work).map_err(MonitorError::Thread)?;
        Ok(Self { shared, thread, name })
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known so far. Held briefly: meanwhile nothing is read.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        let state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
        state
    }

    /// A sentence on how the stream ended, if it has.
    #[cfg(feature = "screen")]
    pub(crate) fn end_text(&self) -> Option<String> {
        if !self.thread.is_finished() {
            return None;
        }
        Some(match self.shared.end.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(End::Finished) => "end of the record".into(),
            Some(End::BrokenOff { at }) => format!("the stream breaks off after {} bytes", at.0),
            Some(End::Failed(error)) => error.to_string(),
            Some(End::Stopped) => "stopped".into(),
            None => "reading ended unexpectedly".into(),
        })
    }

    /// Stops reading and tells how the stream ended. A thread that waits for input is left alone.
    ///
    /// # Errors
    /// If the input was no record or could not be read, or the thread panicked.
    pub fn finish(self) -> Result<End, MonitorError> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        while !self.thread.is_finished() {
            if begun.elapsed() > LOOK * 5 {
                return Ok(End::Stopped);
            }
            thread::sleep(NAP / 4);
        }
        if self.thread.join().is_err() {
            return Err(MonitorError::Panicked(self.name));
        }
        match self.shared.end.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(End::Failed(source)) => Err(MonitorError::Read { what: self.name, source }),
            Some(end) => Ok(end),
            None => Err(MonitorError::Panicked(self.name)),
        }
    }
}

impl Shared {
    fn follow(&self, source: Source, mut observe: impl FnMut(&State) -> bool) -> Result<End, ReadError> {
        let Source { input, file, speed, .. } = source;
        let mut stream = StreamReader::new(input)?;
        let mut begin: Option<(Nanos, Instant)> = None;
        loop {
            let Some(item) = stream.next_item()? else {
                if stream.is_finished() {
                    return Ok(End::Finished);
                }
                if !Source::may_grow(file.as_ref()) {
                    return Ok(End::BrokenOff { at: Bytes(stream.position().0 + stream.pending().0) });
                }
                if !self.sleep(LOOK) {
                    return Ok(End::Stopped);
                }
                continue;
            };
            if let Some(speed) = speed
                && !self.is_due(&item, speed, &mut begin)
            {
                return Ok(End::Stopped);
            }
            let mut state = self.lock_after_others();
            state.take(&item);
            state.damaged = stream.damage().len();
            if !observe(&state) || self.stop.load(Ordering::Relaxed) {
                return Ok(End::Stopped);
            }
        }
    }

    /// Waits until an item is due; false if nobody wants more meanwhile.
    fn is_due(&self, item: &Item, speed: f64, begin: &mut Option<(Nanos, Instant)>) -> bool {
        let Some(at) = self.lock_after_others().time_of(item) else { return true };
        let Some((first, since)) = *begin else {
            // What was read before the first snapshot, such as mappings, is due at once.
            if matches!(item, Item::Snapshot(_)) {
                *begin = Some((at, Instant::now()));
            }
            return true;
        };
        self.sleep(Source::wait(speed, first, at, since.elapsed()))
    }

    /// Whoever draws goes first: this thread would get the lock again and again.
    fn lock_after_others(&self) -> MutexGuard<'_, State> {
        while self.waiting.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_micros(200));
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps; false if nobody wants more meanwhile.
    fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(NAP));
        }
    }
}
