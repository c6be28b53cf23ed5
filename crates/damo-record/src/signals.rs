//! Signals: the polite ones end a recording in order, SIGUSR1 asks the flight recorder for what it holds, and SIGXFSZ,
//! which a limit on file sizes sends, is left to the error that the write gets as well.
//!
//! All of them are caught, none is ignored: a program that we start has the system's default for each again.

use crate::error::RecordError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Those that ask to stop, with their names.
const STOPS: [(i32, &str); 4] = [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP"), (SIGQUIT, "SIGQUIT")];

/// What signals have asked for so far.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    stop: Arc<AtomicUsize>,
    /// One that asks to stop came since this was looked at last.
    again: Arc<AtomicBool>,
    dump: Arc<AtomicBool>,
    /// Can be read when a signal came: who waits for other things must not sleep over one.
    bell: Option<Arc<UnixStream>>,
}

impl Signals {
    /// Begins to listen. From here on the signals no longer kill the process.
    pub(crate) fn listen() -> Result<Self, RecordError> {
        let failed = |e| RecordError::io("listening for signals", e);
        let (bell, rope) = UnixStream::pair().map_err(failed)?;
        bell.set_nonblocking(true).map_err(failed)?;
        let signals = Signals { bell: Some(Arc::new(bell)), ..Signals::default() };
        for (signal, _) in STOPS {
            flag::register_usize(signal, Arc::clone(&signals.stop), signal as usize)
                .map_err(|e| RecordError::io(format!("listening for signal {signal}"), e))?;
            flag::register(signal, Arc::clone(&signals.again)).map_err(failed)?;
        }
        flag::register(SIGUSR1, Arc::clone(&signals.dump)).map_err(|e| RecordError::io("listening for SIGUSR1", e))?;
        // Nobody looks at the flag. Not caught, the signal would end the process with DAMON on and the record unnamed.
        flag::register(SIGXFSZ, Arc::default()).map_err(|e| RecordError::io("listening for SIGXFSZ", e))?;
        // After the flags, so that who is woken finds them set.
        for signal in STOPS.into_iter().map(|(signal, _)| signal).chain([SIGUSR1]) {
            pipe::register(signal, rope.try_clone().map_err(failed)?).map_err(failed)?;
        }
        Ok(signals)
    }

    /// Can be read when a signal came, until [`Signals::hush`].
    pub(crate) fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.bell.as_ref().map(|bell| bell.as_fd())
    }

    /// Before the flags are looked at: what comes later rings again.
    pub(crate) fn hush(&self) {
        let mut rings = [0; 64];
        while self.bell.as_deref().is_some_and(|mut bell| bell.read(&mut rings).is_ok_and(|n| n == rings.len())) {}
    }

    /// The signal that asked to stop, by name.
    pub(crate) fn stop(&self) -> Option<&'static str> {
        let signal = self.stop.load(Ordering::Relaxed) as i32;
        STOPS.into_iter().find(|(number, _)| *number == signal).map(|(_, name)| name)
    }

    /// Whether one that asks to stop came since the last call.
    pub(crate) fn take_again(&self) -> bool {
        self.again.swap(false, Ordering::Relaxed)
    }

    /// As if the signal came.
    #[cfg(test)]
    pub(crate) fn raise(&self, signal: i32) {
        self.stop.store(signal as usize, Ordering::Relaxed);
        self.again.store(true, Ordering::Relaxed);
    }

    /// Whether a dump was asked for since the last call.
    pub(crate) fn take_dump(&self) -> bool {
        self.dump.swap(false, Ordering::Relaxed)
    }
}
