//! A line on stderr for work longer than a second. On a terminal only: logs and pipes never see it.

use damo_cli::status_line::StatusLine;
use damo_frame::Record;
use damo_model::human::time_text;
use damo_model::{Item, Nanos, Sink, SinkError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Does `work` on the records. If it takes long, and stderr is a terminal, a line tells how far it is; or, without
/// records, that it goes on.
pub(crate) fn during<T>(records: &[Record], work: impl FnOnce() -> T) -> T {
    let text = |elapsed| {
        let (read, planned) = records.iter().map(Record::progress).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        line("reading the record", read, planned, elapsed)
    };
    StatusLine::during(text, work)
}

/// How much of some work is done.
#[derive(Debug, Default)]
pub(crate) struct Count {
    done: AtomicU64,
}

impl Count {
    /// So much of all is done.
    pub(crate) fn set(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }

    /// Another snapshot, if the item is one.
    pub(crate) fn snapshot(&self, item: &Item) {
        if matches!(item, Item::Snapshot(_)) {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Does `work` that writes a file, and tells how much of `all` it counted as done; or, if `all` is 0, how many snapshots.
pub(crate) fn counted<T>(all: u64, work: impl FnOnce(&Count) -> T) -> T {
    let count = Count::default();
    let text = |elapsed| match count.done.load(Ordering::Relaxed) {
        done if all == 0 => format!("writing: {done} snapshots"),
        done => line("writing", done, all, elapsed),
    };
    StatusLine::during(text, || work(&count))
}

/// Counts snapshots on their way.
pub(crate) struct Passing<'a> {
    /// Where they are counted.
    pub count: &'a Count,
    /// Where they go.
    pub out: &'a mut dyn Sink,
}

impl Sink for Passing<'_> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.count.snapshot(item);
        self.out.put(item)
    }
}

/// How far it is, and how long the rest will take if it goes on like this.
fn line(what: &str, read: u64, planned: u64, elapsed: Duration) -> String {
    if planned == 0 {
        // Foreign formats do not tell how much is left.
        return what.to_owned();
    }
    let share = (read as f64 / planned as f64).min(1.0);
    let mut line = format!("{what}: {:3.0} %", share * 100.0);
    // Of the first percent nobody can tell.
    if share >= 0.01 {
        let left = Nanos((elapsed.as_secs_f64() * (1.0 / share - 1.0)).round() as i64 * 1_000_000_000);
        line += &format!(", about {} left", time_text(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_estimated_from_what_is_done() {
        let after = |read, planned| line("reading the record", read, planned, Duration::from_secs(10));
        assert_eq!(after(25, 100), "reading the record:  25 %, about 30 s left");
        assert_eq!(after(0, 100), "reading the record:   0 %");
        assert_eq!(after(0, 0), "reading the record");
    }
}
