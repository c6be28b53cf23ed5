//! Several files in turn: a new one when the present one is large or old enough, each a complete record by itself. A
//! recording goes on behind the files of those before it, as does a service that is started anew, and how many are kept
//! is meant of all of them.

use super::prelude::Prelude;
use super::{Progress, Written, create, numbered};
use crate::error::RecordError;
use crate::request::Rotation;
use damo_format::{MAX_TARGETS, RecordFile, Summary, WriteError, WriterOptions};
use damo_kernel::rights::Rights;
use damo_model::{Item, Nanos, Sink, SinkError, Snapshot};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
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
    /// Of earlier recordings of this name, those that are counted among the ones to keep. The oldest first, as below.
    earlier: VecDeque<PathBuf>,
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
        let there = numbers_there(&base);
        let number = there.last().map_or(1, |last| last.saturating_add(1));
        let file = create(&numbered(&base, number), options.clone(), overwrite)?;
        let earlier = match rotation.keep {
            Some(_) => earlier_records(&base, &there, file.part_path()),
            None => VecDeque::new(),
        };
        Ok(Self {
            base,
            rotation,
            options,
            overwrite,
            number,
            file,
            prelude: Prelude::default(),
            since: None,
            earlier,
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
        remove_the_oldest(&mut self.earlier, &mut self.finished, self.rotation.keep);
        self.written.files = self.finished.into();
        Ok(self.written)
    }

    /// Whether the present file has had enough, given that `item` comes next.
    fn is_full(&self, item: &Item) -> bool {
        if self.prelude.nr_declared() >= MAX_TARGETS && self.prelude.is_new(item) {
            return true;
        }
        let (Item::Snapshot(Snapshot { end, .. }), Some(since)) = (item, self.since) else { return false };
        let large = self.rotation.size.is_some_and(|size| self.file.summary().bytes >= size);
        let old = self.rotation.time.is_some_and(|time| end.saturating_sub(since) >= time);
        large || old
    }

    fn next_file(&mut self) -> Result<(), RecordError> {
        // The next file first: if it cannot be made, the present one is still there to be finished.
        let number = self.number.saturating_add(1);
        let next = create(&numbered(&self.base, number), self.options.clone(), self.overwrite)?;
        self.number = number;
        let full = std::mem::replace(&mut self.file, next);
        let name = full.path().to_path_buf();
        let summary = full.finish().map_err(|e| RecordError::record(&name, &e))?;
        self.written.add(&summary);
        self.finished.push_back(name);
        // The file now open counts as one of those to keep.
        let keep = self.rotation.keep.map(|keep| keep.saturating_sub(1));
        remove_the_oldest(&mut self.earlier, &mut self.finished, keep);
        self.since = None;
        self.prelude.begin(&mut self.file).map_err(|e| RecordError::record(self.file.path(), &e))
    }
}

impl Sink for Rotating {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        if self.is_full(item) {
            self.next_file().map_err(SinkError::new)?;
        }
        if let Item::Snapshot(snapshot) = item {
            self.since.get_or_insert(snapshot.end);
        }
        self.prelude.declare(item, &mut self.file)?;
        self.file.put(item)?;
        self.prelude.note(item);
        Ok(())
    }
}

fn remove_the_oldest(earlier: &mut VecDeque<PathBuf>, finished: &mut VecDeque<PathBuf>, keep: Option<u32>) {
    let Some(keep) = keep else { return };
    while earlier.len() + finished.len() > keep as usize {
        if let Some(oldest) = earlier.pop_front().or_else(|| finished.pop_front()) {
            // Someone else may have taken it away already, which is as good.
            let _ = std::fs::remove_file(oldest);
        }
    }
}

/// The numbers of the files that rotation would call so, whatever they are, in ascending order. Of a directory that does
/// not tell what is in it, none.
fn numbers_there(base: &Path) -> Vec<u32> {
    let dir = base.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries.filter_map(|entry| number_of(base, &entry.file_name())).collect();
    numbers.sort_unstable();
    numbers
}

/// The inverse of [`numbered`].
fn number_of(base: &Path, name: &OsStr) -> Option<u32> {
    let behind = name.as_encoded_bytes().strip_prefix(base.file_stem()?.as_encoded_bytes())?.strip_prefix(b".")?;
    let digits = match base.extension() {
        Some(extension) => behind.strip_suffix(extension.as_encoded_bytes())?.strip_suffix(b".")?,
        None => behind,
    };
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (numbered(base, number).file_name()? == name).then_some(number)
}

/// Those of `numbers` that may be removed later: records, and of the users whose records these are. Who writes is told by
/// the file `part`.
fn earlier_records(base: &Path, numbers: &[u32], part: &Path) -> VecDeque<PathBuf> {
    let writer = std::fs::symlink_metadata(part).ok().map(|meta| meta.uid());
    let heir = Rights::of_invoker().ok().flatten().map(|rights| rights.uid);
    let is_ours = |path: &PathBuf| {
        let Ok(meta) = std::fs::symlink_metadata(path) else { return false };
        meta.is_file() && [writer, heir].contains(&Some(meta.uid())) && is_record(path)
    };
    numbers.iter().map(|number| numbered(base, *number)).filter(is_ours).collect()
}

fn is_record(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut first));
    read.is_ok() && damo_format::sniff(&first)
}
