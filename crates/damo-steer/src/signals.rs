//! Signals: the polite ones end a recording in order, SIGUSR1 asks the flight recorder for what it holds, and SIGXFSZ,
//! which a limit on file sizes sends, is left to the error that the write gets as well.
//!
//! One that whoever started us had ignored stays so (`nohup`), also for a program that we start; those that we catch have
//! the system's default there again. SIGINT and SIGQUIT are a case of their own: a script that puts us into the background
//! has them ignored so that the terminal's keys do not end us, but may well send us one with `kill`. So those are caught
//! all the same, and what the terminal sends is left alone if they were ignored.

use crate::error::{Result, SteerError};
use damo_kernel::signals;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Those that ask to stop, with their names.
const STOPS: [(i32, &str); 4] = [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP"), (SIGQUIT, "SIGQUIT")];

/// Those that a terminal's keys send, to this process and to the program that it started.
const KEYS: [i32; 2] = [SIGINT, SIGQUIT];
/// Beside the number of one that the kernel sent for a key.
const OF_A_KEY: usize = 1 << 8;

/// One that asks to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopRequest {
    /// The number of the signal.
    pub signal: i32,
    /// A key of the terminal sent it to all in the foreground.
    pub of_a_key: bool,
}

/// Which of ours whoever started us had ignored.
fn ignored() -> &'static [i32] {
    static AT_START: OnceLock<Vec<i32>> = OnceLock::new();
    let all = || STOPS.into_iter().map(|(signal, _)| signal).chain([SIGUSR1, SIGXFSZ]);
    AT_START.get_or_init(|| all().filter(|signal| signals::is_ignored(*signal)).collect())
}

/// Those that we catch and a program that we start must have ignored.
pub(crate) fn ignored_in_programs() -> Vec<i32> {
    ignored().iter().filter(|signal| KEYS.contains(signal)).copied().collect()
}

/// What signals have asked for so far.
#[derive(Clone, Default)]
pub struct Signals {
    stop: Arc<AtomicUsize>,
    /// One that asks to stop came since this was looked at last.
    again: Arc<AtomicUsize>,
    dump: Arc<AtomicBool>,
    /// Can be read when a signal came: who waits for other things must not sleep over one.
    wakeup: Option<Arc<UnixStream>>,
}

impl Signals {
    /// Begins to listen. From here on the signals no longer kill the process.
    pub fn listen() -> Result<Self> {
        let failed = |e| SteerError::io("listening for signals", e);
        let (wakeup, waker) = UnixStream::pair().map_err(failed)?;
        wakeup.set_nonblocking(true).map_err(failed)?;
        let signals = Signals { wakeup: Some(Arc::new(wakeup)), ..Signals::default() };
        let ignored = ignored();
        let listens = |signal: i32| KEYS.contains(&signal) || !ignored.contains(&signal);
        for signal in STOPS.into_iter().map(|(signal, _)| signal).filter(|signal| listens(*signal)) {
            let number = signal as usize;
            let by_kernel = match KEYS.contains(&signal) {
                true if ignored.contains(&signal) => 0,
                true => number | OF_A_KEY,
                false => number,
            };
            for flag in [&signals.stop, &signals.again] {
                signals::note(signal, flag, by_kernel, number)
                    .map_err(|e| SteerError::io(format!("listening for signal {signal}"), e))?;
            }
        }
        if listens(SIGUSR1) {
            flag::register(SIGUSR1, Arc::clone(&signals.dump)).map_err(failed)?;
        }
        if listens(SIGXFSZ) {
            // Nobody looks at the flag. Not caught, the signal would end the process with DAMON on and the record unnamed.
            flag::register(SIGXFSZ, Arc::default()).map_err(failed)?;
        }
        // After the flags, so that who is woken finds them set.
        let rings = STOPS.into_iter().map(|(signal, _)| signal).chain([SIGUSR1]);
        for signal in rings.filter(|signal| listens(*signal)) {
            pipe::register(signal, waker.try_clone().map_err(failed)?).map_err(failed)?;
        }
        Ok(signals)
    }

    /// Can be read when a signal came, until [`Signals::clear_wakeup`].
    pub fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        self.wakeup.as_ref().map(|wakeup| wakeup.as_fd())
    }

    /// Before the flags are looked at: what comes later rings again.
    pub fn clear_wakeup(&self) {
        let mut rings = [0; 64];
        while self.wakeup.as_deref().is_some_and(|mut wakeup| wakeup.read(&mut rings).is_ok_and(|n| n == rings.len())) {
        }
    }

    /// The signal that asked to stop, by name.
    pub fn stop(&self) -> Option<&'static str> {
        let stop_request = self.stop_request()?;
        STOPS.into_iter().find(|(number, _)| *number == stop_request.signal).map(|(_, name)| name)
    }

    /// The latest of those that asked to stop.
    pub(crate) fn stop_request(&self) -> Option<StopRequest> {
        let stop = self.stop.load(Ordering::Relaxed);
        (stop != 0).then_some(StopRequest { signal: (stop & !OF_A_KEY) as i32, of_a_key: stop & OF_A_KEY != 0 })
    }

    /// Whether one that asks to stop came since the last call.
    pub fn take_again(&self) -> bool {
        self.again.swap(0, Ordering::Relaxed) != 0
    }

    /// As if a process sent the signal: for tests.
    pub fn raise(&self, signal: i32) {
        self.stop.store(signal as usize, Ordering::Relaxed);
        self.again.store(signal as usize, Ordering::Relaxed);
    }

    /// Whether a dump was asked for since the last call.
    pub fn take_dump(&self) -> bool {
        self.dump.swap(false, Ordering::Relaxed)
    }
}
