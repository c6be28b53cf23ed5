//! What a long command says while it runs and when it ends: one line on a terminal that shows its progress, and sentences.
//! All of it goes to standard error, because standard output may be the record. A terminal can stand still (Ctrl-S) and a
//! pipe can be read by nobody; that must not hold up a recording, nor its end, so what is not taken soon is not said.

use crate::confirm::confirmed;
use crate::messages::{self, Kind};
use crate::terminal;
use damo_model::human::Show;
use damo_steer::Notifier;
use damo_steer::signals::Signals;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A line that is drawn over itself. Silent when standard error is no terminal.
pub struct StatusLine {
    live: bool,
    quiet: bool,
    begun: Instant,
    drawn: Option<Instant>,
    out: Out,
}

/// Work shorter than this needs no progress line.
const MIN_WORK: Duration = Duration::from_secs(1);
/// Time between two updates of the line.
const REDRAW: Duration = Duration::from_millis(250);
/// So long a sentence waits for a terminal that takes nothing, unless an earlier one waited in vain.
const SENTENCE_TIMEOUT: Duration = Duration::from_millis(500);

impl StatusLine {
    /// With `quiet` only warnings are said.
    pub fn new(quiet: bool) -> Self {
        let live = !quiet && io::stderr().is_terminal();
        Self { live, quiet, begun: Instant::now(), drawn: None, out: Out::open() }
    }

    /// Does `work` while a thread shows what `text` says after so much time.
    pub fn during<T>(text: impl Fn(Duration) -> String + Send, work: impl FnOnce() -> T) -> T {
        let mut line = StatusLine::new(false);
        if !line.live {
            return work();
        }
        let (done, waiting) = channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                let begun = line.begun;
                while waiting.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                    line.draw(&|| text(begun.elapsed()));
                }
                line.clear();
            });
            let result = work();
            drop(done);
            result
        })
    }

    fn put(&mut self, kind: Kind, text: &str) {
        self.clear();
        self.out.write(&messages::line(kind, text, messages::is_colored()), SENTENCE_TIMEOUT);
    }
}

impl Notifier for StatusLine {
    fn draw(&mut self, text: &dyn Fn() -> String) {
        let due = self.drawn.map_or(self.begun.elapsed() >= MIN_WORK, |drawn| drawn.elapsed() >= REDRAW);
        if !self.live || !due {
            return;
        }
        let columns = terminal::size(io::stderr()).0.map_or(80, |columns| columns.max(20));
        let line: String = text().shown().to_string().chars().take(columns - 1).collect();
        // A terminal that is gone is no reason to stop recording.
        self.out.write(&format!("\r{line}\x1b[K"), Duration::ZERO);
        self.drawn = Some(Instant::now());
    }

    fn say(&mut self, text: &str) {
        if !self.quiet {
            self.put(Kind::Done, text);
        }
    }

    fn note(&mut self, text: &str) {
        if !self.quiet {
            self.put(Kind::Note, text);
        }
    }

    fn warn(&mut self, text: &str) {
        self.put(Kind::Warning, text);
    }

    fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.out.write("\r\x1b[K", Duration::ZERO);
        }
    }

    fn confirm(&mut self, question: &str, signals: &Signals) -> bool {
        confirmed(question, signals)
    }
}

/// Standard error that holds nobody up.
struct Out {
    /// The terminal or pipe, opened anew: whether writing waits is a property of what was opened, and what we were given
    /// belongs to others, too.
    own: Option<File>,
    /// A sentence waited in vain.
    stands: bool,
}

impl Out {
    fn open() -> Self {
        const PATH: &str = "/proc/self/fd/2";
        // A file takes everything, and opened anew it would begin at its start.
        let can_stand =
            std::fs::metadata(PATH).is_ok_and(|it| it.file_type().is_char_device() || it.file_type().is_fifo());
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let open = || OpenOptions::new().write(true).custom_flags(flags).open(PATH).ok();
        Self { own: can_stand.then(open).flatten(), stands: false }
    }

    /// Writes what is taken at once, and more as long as `patience` lasts.
    fn write(&mut self, text: &str, patience: Duration) {
        let Some(own) = &mut self.own else {
            // One that is gone is no reason to stop recording.
            let _ = io::stderr().write_all(text.as_bytes());
            return;
        };
        let begun = Instant::now();
        let waits = !patience.is_zero();
        let patience = if self.stands { Duration::ZERO } else { patience };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match own.write(rest) {
                Ok(taken) if taken > 0 => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => break,
            }
        }
        self.stands = !rest.is_empty() && (waits || self.stands);
    }
}
