//! Several files in turn: a new one when the present one is large or old enough, each a complete record by itself.

use super::prelude::Prelude;
use super::{Progress, Written, create, numbered};
use crate::error::RecordError;
use crate::request::Rotation;
use damo_format::{RecordFile, Summary, WriteError, WriterOptions};
use damo_model::{Item, Nanos, Sink, SinkError};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// A recording in several files.
pub(crate) struct Rotating {
    base: PathBuf,
    rotation: Rotation,
    options: WriterOptions,
    overwrite: bool,
    number: u32,
    file: RecordFile,
    prelude: Prelude,
    /// End of the present file's first snapshot.
    since: Option<Nanos>,
    finished: VecDeque<PathBuf>,
    written: Written,
}

impl Rotating {
    pub(crate) fn create(
        base: PathBuf,
        rotation: Rotation,
        options: WriterOptions,
        overwrite: bool,
    ) -> Result<Self, RecordError> {
        let file = create(&numbered(&base, 1), options.clone(), overwrite)?;
        Ok(Self {
            base,
            rotation,
            options,
            overwrite,
            number: 1,
            file,
            prelude: Prelude::default(),
            since: None,
            finished: VecDeque::new(),
            written: Written::default(),
        })
    }

    pub(crate) fn tick(&mut self) -> Result<(), RecordError> {
        self.file.flush_block().map_err(|e| RecordError::record(self.file.path(), &e))
    }

    pub(crate) fn progress(&self) -> Progress {
        let now = self.file.summary();
        Progress {
            snapshots: self.written.snapshots + now.snapshots,
            regions: self.written.regions + now.regions,
            bytes: self.written.bytes + now.bytes.0,
            short: None,
        }
    }

    pub(crate) fn name(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn set_aside(&self) -> &[PathBuf] {
        self.file.set_aside()
    }

    pub(crate) fn part_path(&self) -> &Path {
        self.file.part_path()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.file.is_gone()
    }

    pub(crate) fn finish(self) -> Result<Written, RecordError> {
        self.end(RecordFile::finish)
    }

    /// After the system refused to take more.
    pub(crate) fn rescue(self) -> Result<Written, RecordError> {
        self.end(RecordFile::finish_cut)
    }

    fn end(mut self, finish: impl FnOnce(RecordFile) -> Result<Summary, WriteError>) -> Result<Written, RecordError> {
        let name = self.file.path().to_path_buf();
        let summary = finish(self.file).map_err(|e| RecordError::record(&name, &e))?;
        self.written.add(&summary);
        self.finished.push_back(name);
        remove_the_oldest(&mut self.finished, self.rotation.keep);
        self.written.files = self.finished.into();
        Ok(self.written)
    }

    /// Whether the present file has had enough, given that a snapshot that ends at `end` comes next.
    fn is_full(&self, end: Nanos) -> bool {
        let Some(since) = self.since else { return false };
        let large = self.rotation.size.is_some_and(|size| self.file.summary().bytes >= size);
        let old = self.rotation.time.is_some_and(|time| end.saturating_sub(since) >= time);
        large || old
    }

    fn next_file(&mut self) -> Result<(), RecordError> {
        // The next file first: if it cannot be made, the present one is still there to be finished.
        let next = create(&numbered(&self.base, self.number + 1), self.options.clone(), self.overwrite)?;
        self.number += 1;
        let full = std::mem::replace(&mut self.file, next);
        let name = full.path().to_path_buf();
        let summary = full.finish().map_err(|e| RecordError::record(&name, &e))?;
        self.written.add(&summary);
        self.finished.push_back(name);
        // The file now open counts as one of those to keep.
        remove_the_oldest(&mut self.finished, self.rotation.keep.map(|keep| keep.saturating_sub(1)));
        self.since = None;
        self.prelude.begin(&mut self.file).map_err(|e| RecordError::record(self.file.path(), &e))
    }
}

impl Sink for Rotating {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        if let Item::Snapshot(snapshot) = item {
            if self.is_full(snapshot.end) {
                self.next_file().map_err(SinkError::new)?;
            }
            self.since.get_or_insert(snapshot.end);
        }
        self.prelude.declare(item, &mut self.file)?;
        self.file.put(item)?;
        self.prelude.note(item);
        Ok(())
    }
}

/// Only files that this recording made are ever in `files`.
fn remove_the_oldest(files: &mut VecDeque<PathBuf>, keep: Option<u32>) {
    let Some(keep) = keep else { return };
    while files.len() > keep as usize {
        if let Some(oldest) = files.pop_front() {
            // Someone else may have taken it away already, which is as good.
            let _ = std::fs::remove_file(oldest);
        }
    }
}
