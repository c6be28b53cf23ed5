//! Where a stream comes from, and whether more of it may come.

use damo_model::Nanos;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that nobody holds locked and that was not written to for so long is not written to any more.
const QUIET: Duration = Duration::from_secs(5);

/// A `.damo` stream that is followed.
pub struct Source {
    pub(crate) name: String,
    pub(crate) input: Box<dyn Read + Send>,
    /// The file again, if it is one: tells whether somebody still writes to it.
    pub(crate) file: Option<File>,
    pub(crate) speed: Option<f64>,
    pub(crate) live: bool,
}

impl Source {
    /// A pipe. Its end is the end, whether or not the record is whole.
    ///
    /// `live` says that it comes as it happens: then nothing may hold up reading it.
    pub fn pipe(name: impl Into<String>, input: impl Read + Send + 'static, live: bool) -> Self {
        Self { name: name.into(), input: Box::new(input), file: None, speed: None, live }
    }

    /// A file, which may still be written: it is followed until the record's end, or until nobody writes to it any more.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let live = is_written(&file);
        let (name, again) = (path.display().to_string(), file.try_clone()?);
        Ok(Self { name, input: Box::new(file), file: Some(again), speed: None, live })
    }

    /// Takes the stream at so many times the speed at which it was recorded, instead of as fast as it can be read.
    #[must_use]
    pub fn at_speed(mut self, speed: f64) -> Self {
        self.speed = (speed.is_finite() && speed > 0.0).then_some(speed);
        self
    }

    /// Whether it comes as it happens.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// At the end of what is there: whether more may come.
    pub(crate) fn may_grow(file: Option<&File>) -> bool {
        file.is_some_and(|file| {
            let written = file.metadata().and_then(|data| data.modified()).ok();
            let age = written.and_then(|at| SystemTime::now().duration_since(at).ok());
            is_written(file) || age.is_none_or(|age| age < QUIET)
        })
    }

    /// How long to wait until an item of the moment `at` is due, if `begin` was due `since` ago.
    pub(crate) fn wait(speed: f64, begin: Nanos, at: Nanos, since: Duration) -> Duration {
        let due = (at.saturating_sub(begin).0.max(0) as f64 / 1e9 / speed).min(1e9);
        Duration::from_secs_f64(due).saturating_sub(since)
    }
}

/// Whether a recorder holds its lock on the file.
fn is_written(file: &File) -> bool {
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => true,
        Ok(()) => {
            // A recorder that begins must not find it locked.
            let _ = file.unlock();
            false
        }
        Err(TryLockError::Error(_)) => false,
    }
}
