//! The flight recorder: the last minutes in memory, compressed, written to a file only when asked.
//!
//! Memory holds a row of short complete records (segments). Time moves on by dropping the oldest segment; a dump reads
//! the segments back and puts them into one record file. Nothing touches the disk until then. Where memory does not suffice
//! for the time asked for, less is held, and that is said.

use super::prelude::Prelude;
use super::{Dump, Progress, Written, create, numbered};
use crate::error::RecordError;
use damo_format::{MAX_TARGETS, RecordFile, Rules, StreamReader, Writer, WriterOptions};
use damo_model::{Item, Nanos, Sink, SinkError};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// The recorder's memory stays below 32 MiB whatever is asked for; this is the segments' part of it. At the usual
/// 1.3 bytes per region it is a quarter of an hour of 1,000 regions ten times a second.
pub(crate) const MOST_BYTES: usize = 12 << 20;
/// In how many segments the kept time is cut.
const PARTS: i64 = 8;
/// A segment is closed at this size whatever its time, so that dropping one never loses much.
const SEGMENT_BYTES: u64 = (MOST_BYTES / 8) as u64;

/// A segment is closed at so many targets, for the same reason: a file can have [`MAX_TARGETS`], so this is what the
/// segments may have together.
const SEGMENT_TARGETS: usize = MAX_TARGETS / 8;

struct Segment {
    bytes: Vec<u8>,
    /// How many it has.
    targets: usize,
    /// End of its first snapshot, if it has any.
    from: Option<Nanos>,
    to: Nanos,
}

/// The last minutes in memory.
pub(crate) struct FlightRecorder {
    path: PathBuf,
    keep: Nanos,
    rules: Rules,
    segments: VecDeque<Segment>,
    current: Writer<Vec<u8>>,
    /// End of the first and the last snapshot in `current`.
    span: Option<(Nanos, Nanos)>,
    prelude: Prelude,
    dumps: u32,
    written: Written,
    seen: Progress,
}

impl FlightRecorder {
    pub(crate) fn new(path: PathBuf, keep: Nanos, rules: Rules) -> Result<Self, RecordError> {
        // Nothing is written until asked, but a name that is taken must be known now.
        RecordFile::check(&path, &rules).map_err(|e| RecordError::record(&path, &e))?;
        let current = segment(&path)?;
        Ok(Self {
            path,
            keep,
            rules,
            segments: VecDeque::new(),
            current,
            span: None,
            prelude: Prelude::default(),
            dumps: 0,
            written: Written::default(),
            seen: Progress::default(),
        })
    }

    pub(crate) fn name(&self) -> &Path {
        &self.path
    }

    pub(crate) fn progress(&self) -> Progress {
        let held = self.segments.iter().map(|segment| segment.bytes.len() as u64).sum::<u64>();
        Progress { bytes: held + self.current.summary().bytes.0, ..self.seen }
    }

    /// Writes what is held to the next numbered file.
    pub(crate) fn dump(&mut self) -> Result<Dump, RecordError> {
        self.dumps += 1;
        let file = numbered(&self.path, self.dumps);
        let held = self.write_to(&file)?;
        Ok(Dump { file, held, is_short: self.seen.short.is_some() && held < self.keep })
    }

    /// Writes what is held to the file named on the command line.
    pub(crate) fn finish(mut self) -> Result<Written, RecordError> {
        let path = self.path.clone();
        self.written.held = Some(self.write_to(&path)?);
        Ok(self.written)
    }

    /// Gives how much time is in the file.
    fn write_to(&mut self, path: &Path) -> Result<Nanos, RecordError> {
        let last = self.span.map(|(_, last)| last).or(self.segments.back().map(|segment| segment.to));
        self.close_segment()?;
        if let Some(last) = last {
            self.forget(last);
        }
        let wanted = last.map(|last| last.saturating_sub(self.keep));
        let mut file = create(path, WriterOptions::default(), self.rules.clone())?;
        let failed = |e: &(dyn std::error::Error + 'static)| RecordError::record(path, e);
        let mut meta_written = false;
        let (mut begin, mut end) = (None, Nanos(0));
        for segment in &self.segments {
            let mut reader = StreamReader::new(segment.bytes.as_slice()).map_err(|e| failed(&e))?;
            while let Some(item) = reader.next_item().map_err(|e| failed(&e))? {
                match &item {
                    Item::Meta(_) if std::mem::replace(&mut meta_written, true) => continue,
                    Item::Snapshot(snapshot) if wanted.is_some_and(|from| snapshot.end < from) => continue,
                    Item::Snapshot(snapshot) => {
                        begin.get_or_insert(snapshot.end);
                        end = snapshot.end;
                    }
                    _ => {}
                }
                file.put(&item).map_err(|e| failed(&e))?;
            }
        }
        let summary = file.finish().map_err(|e| failed(&e))?;
        self.written.add(&summary);
        self.written.files.push(path.to_path_buf());
        Ok(begin.map_or(Nanos(0), |begin| end.saturating_sub(begin)))
    }

    fn close_segment(&mut self) -> Result<(), RecordError> {
        let next = segment(&self.path)?;
        let full = std::mem::replace(&mut self.current, next);
        let (bytes, _) = full.finish().map_err(|e| RecordError::record(&self.path, &e))?;
        let span = self.span.take();
        let to = span.map(|(_, to)| to).or(self.segments.back().map(|segment| segment.to));
        let from = span.map(|(from, _)| from);
        let targets = self.prelude.nr_declared();
        self.segments.push_back(Segment { bytes, targets, from, to: to.unwrap_or(Nanos(i64::MIN)) });
        self.prelude.begin(&mut self.current).map_err(|e| RecordError::record(&self.path, &e))
    }

    /// Whether the present segment has had enough, given that `item` comes next.
    fn is_full(&self, item: &Item) -> bool {
        if self.prelude.nr_declared() >= SEGMENT_TARGETS && self.prelude.is_new(item) {
            return true;
        }
        let Item::Snapshot(snapshot) = item else { return false };
        let first = self.span.map_or(snapshot.end, |(first, _)| first);
        let is_long = snapshot.end.saturating_sub(first).0 >= (self.keep.0 / PARTS).max(1);
        is_long || self.current.summary().bytes.0 >= SEGMENT_BYTES
    }

    fn forget(&mut self, now: Nanos) {
        let horizon = now.saturating_sub(self.keep);
        let mut held: usize = self.segments.iter().map(|segment| segment.bytes.len()).sum();
        let mut targets: usize = self.segments.iter().map(|segment| segment.targets).sum();
        while let Some(oldest) = self.segments.front()
            && (oldest.to < horizon || held > MOST_BYTES || targets > MAX_TARGETS)
        {
            held -= oldest.bytes.len();
            targets -= oldest.targets;
            let is_wanted = oldest.to >= horizon;
            self.segments.pop_front();
            if is_wanted && self.seen.short.is_none() {
                let first = self.segments.iter().find_map(|segment| segment.from);
                self.seen.short = first.map(|first| now.saturating_sub(first));
            }
        }
    }
}

impl Sink for FlightRecorder {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        if self.is_full(item) {
            self.close_segment().map_err(SinkError::new)?;
            if let Some(last) = self.segments.back().map(|segment| segment.to) {
                self.forget(last);
            }
        }
        if let Item::Snapshot(snapshot) = item {
            let (first, _) = self.span.unwrap_or((snapshot.end, snapshot.end));
            self.span = Some((first, snapshot.end));
            self.seen.snapshots += 1;
            self.seen.regions += snapshot.regions.len() as u64;
        }
        self.prelude.put(item, &mut self.current)
    }
}

fn segment(path: &Path) -> Result<Writer<Vec<u8>>, RecordError> {
    Writer::new(Vec::new(), WriterOptions::default()).map_err(|e| RecordError::record(path, &e))
}
