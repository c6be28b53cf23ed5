//! A line on stderr for work longer than a second. On a terminal only: logs and pipes never see it.

use damo_frame::Record;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Work shorter than this needs no progress line.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two updates of the line.
const PERIOD: Duration = Duration::from_millis(200);

/// Does `work` on the records. If it takes long, and stderr is a terminal, a line tells how far it is; or, without
/// records, that it goes on.
pub fn during<T>(records: &[Record], work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (done, waiting) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut wait = PATIENCE;
            while waiting.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = PERIOD;
                let (read, planned) = records.iter().map(Record::progress).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
                // Nobody reads a line that cannot be written.
                let _ = if planned > 0 {
                    write!(io::stderr(), "\rreading the record: {:3.0} %\x1b[K", read as f64 * 100.0 / planned as f64)
                } else {
                    // Foreign formats do not tell how much is left.
                    write!(io::stderr(), "\rreading the record\x1b[K")
                };
            }
            if wait == PERIOD {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        });
        let result = work();
        drop(done);
        result
    })
}
