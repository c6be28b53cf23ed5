//! Signals: the polite ones end a recording in order, SIGUSR1 asks the flight recorder for what it holds.

use crate::error::RecordError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What signals have asked for so far.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    stop: Arc<AtomicUsize>,
    dump: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to listen. From here on the signals no longer kill the process.
    pub(crate) fn listen() -> Result<Self, RecordError> {
        let signals = Signals::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_usize(signal, Arc::clone(&signals.stop), signal as usize)
                .map_err(|e| RecordError::io(format!("listening for signal {signal}"), e))?;
        }
        flag::register(SIGUSR1, Arc::clone(&signals.dump)).map_err(|e| RecordError::io("listening for SIGUSR1", e))?;
        Ok(signals)
    }

    /// The signal that asked to stop, by name.
    pub(crate) fn stop(&self) -> Option<&'static str> {
        match self.stop.load(Ordering::Relaxed) as i32 {
            0 => None,
            SIGINT => Some("SIGINT"),
            SIGTERM => Some("SIGTERM"),
            _ => Some("SIGHUP"),
        }
    }

    /// Whether a dump was asked for since the last call.
    pub(crate) fn take_dump(&self) -> bool {
        self.dump.swap(false, Ordering::Relaxed)
    }
}
