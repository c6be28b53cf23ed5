//! The writer thread: takes items from the queue, puts them into the output and finishes blocks.

use super::{Answer, Fate, Shared, cost, enough, wait};
use crate::error::RecordError;
use crate::record_output::{Ended, RecordOutput};
use damo_format::WriteError;
use damo_model::human::Show;
use damo_model::{Item, Sink, SinkError};
use damo_monitor::Metrics;
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the writer thread works with.
struct RecordWriter<'s> {
    output: RecordOutput,
    metrics: Option<Metrics>,
    /// Whether it was said that metrics cannot be written.
    metrics_failed: bool,
    shared: &'s Shared,
    /// How many items the format refused, and why the first one.
    rejected: (u64, Option<String>),
    /// Whether targets were left out because the record had as many as it can have.
    was_full: bool,
    /// Whether the file had been removed when it was looked at last.
    was_gone: bool,
}

/// Writes until the queue is closed or the output takes no more.
pub(super) fn write(
    output: RecordOutput,
    metrics: Option<Metrics>,
    block_age: Option<Duration>,
    shared: &Shared,
) -> Ended {
    let mut writer = RecordWriter {
        output,
        metrics,
        metrics_failed: false,
        shared,
        rejected: (0, None),
        was_full: false,
        was_gone: false,
    };
    let error = loop {
        let WriterWork { items, dump, is_old, is_last } = next(shared, block_age);
        let mut done = writer.put_all(items);
        if is_old && done.is_ok() {
            done = writer.finish_block();
        }
        if let Some(dump) = dump {
            // The asker may have given up meanwhile; the file is there all the same.
            let _ = dump.send(writer.output.dump());
        }
        writer.tell_progress();
        if done.is_err() || is_last {
            break done.err();
        }
    };
    writer.end(error)
}

impl RecordWriter<'_> {
    /// Puts items into the output. One that breaks a rule of the format is counted and left out.
    fn put_all(&mut self, items: VecDeque<Item>) -> Result<(), RecordError> {
        for item in items {
            let cost = cost(&item);
            let written = self.output.put(&item);
            let mut queue = self.shared.lock();
            queue.waiting -= cost;
            if std::mem::take(&mut queue.is_full) {
                self.shared.emptied.notify_one();
            }
            drop(queue);
            self.tell_metrics(|metrics| metrics.take(&item));
            let Err(error) = written else { continue };
            if !is_about_this_item(&error) {
                return Err(RecordError::record(self.output.name(), &error));
            }
            match error.0.downcast_ref() {
                Some(WriteError::TooManyTargets { .. }) => self.was_full = true,
                // Of a target that was left out, and announced before.
                Some(WriteError::UnknownTarget { .. }) if self.was_full => {}
                _ => {
                    self.rejected.0 += 1;
                    self.rejected.1.get_or_insert_with(|| error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Finishes the block at hand, and sees whether the file is still there.
    fn finish_block(&mut self) -> Result<(), RecordError> {
        let finished = self.output.tick();
        let is_gone = self.output.is_gone();
        if is_gone && !self.was_gone {
            self.shared.lock().warning = Some(format!(
                "{0}.part, which is being written, was removed or moved. The recording goes on, and writes {0} anew at \
                 its end if the directory is there then.",
                self.output.name().shown()
            ));
        }
        self.was_gone = is_gone;
        finished
    }

    /// Lets the metrics know. That they cannot be written is told once, and the record goes on.
    fn tell_metrics(&mut self, tell: impl FnOnce(&mut Metrics) -> Result<(), WriteError>) {
        let told = self.metrics.as_mut().map_or(Ok(()), tell);
        if let Err(error) = told
            && !std::mem::replace(&mut self.metrics_failed, true)
        {
            self.shared.lock().warning = Some(format!("{error}. The recording goes on without these metrics."));
        }
    }

    fn tell_progress(&self) {
        let progress = self.output.progress();
        self.shared.snapshots.store(progress.snapshots, Ordering::Relaxed);
        self.shared.regions.store(progress.regions, Ordering::Relaxed);
        self.shared.bytes.store(progress.bytes, Ordering::Relaxed);
        if let Some(short) = progress.short.and_then(|short| u64::try_from(short.0).ok()) {
            // It is told once: the thread that told it has set another value.
            let _ = self.shared.short.compare_exchange(0, short.max(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Finishes the record or removes it, as its fate is.
    fn end(mut self, error: Option<RecordError>) -> Ended {
        self.tell_metrics(Metrics::end);
        let mut queue = self.shared.lock();
        queue.stopped = true;
        queue.dump = None;
        let fate = queue.fate;
        drop(queue);
        self.shared.emptied.notify_all();
        let is_empty = self.output.progress().snapshots == 0;
        let is_discarded = match fate {
            Fate::Finished => false,
            Fate::FinishedIfAny => is_empty,
            // What a full disk leaves is kept: there may be no room to make it again.
            Fate::Discarded => is_empty || error.is_none(),
        };
        if is_discarded {
            self.output.discard();
            return Ended { was_discarded: true, error, ..Ended::default() };
        }
        let (count, why) = self.rejected;
        Ended { rejected: why.map(|why| (count, why)), was_full: self.was_full, ..self.output.end(error) }
    }
}

/// Whether the record can go on without the item: it breaks a rule of the format, nothing else is wrong.
fn is_about_this_item(error: &SinkError) -> bool {
    matches!(
        error.0.downcast_ref(),
        Some(
            WriteError::BadSnapshot { .. }
                | WriteError::UnknownTarget { .. }
                | WriteError::TooManyTargets { .. }
                | WriteError::TooLarge { .. }
        )
    )
}

/// What the thread has to do next.
struct WriterWork {
    items: VecDeque<Item>,
    dump: Option<Answer>,
    /// The block at hand is old enough to be finished.
    is_old: bool,
    /// Nothing comes after it.
    is_last: bool,
}

/// Waits until there is something to do.
fn next(shared: &Shared, block_age: Option<Duration>) -> WriterWork {
    let mut queue = shared.lock();
    loop {
        let age = queue.since.zip(block_age).map(|(since, most)| (since.elapsed(), most));
        let is_old = age.is_some_and(|(age, most)| age >= most);
        if is_old || queue.closed || queue.dump.is_some() || queue.waiting >= enough(block_age) {
            if is_old {
                queue.since = None;
            }
            let (items, dump) = (std::mem::take(&mut queue.items), queue.dump.take());
            return WriterWork { items, dump, is_old, is_last: queue.closed };
        }
        queue = match (age, block_age) {
            // Nobody wakes us for a few items: those that come in the meantime are not older than what we wait for.
            (Some((age, most)), _) => wait(&shared.filled, queue, most.saturating_sub(age)),
            (None, Some(most)) => wait(&shared.filled, queue, most),
            (None, None) => shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner),
        };
    }
}
