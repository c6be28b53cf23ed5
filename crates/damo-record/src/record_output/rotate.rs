//! Several files in turn: a new one when the present one is large or old enough, each a complete record by itself. A
//! recording goes on behind the files of those before it, as does a service that is started anew, and how many are kept
//! is meant of all of them.

use super::prelude::Prelude;
use super::{Progress, Written, create, numbered};
use crate::error::RecordError;
use crate::request::Rotation;
use damo_format::{MAX_TARGETS, RecordFile, Rules, WriterOptions};
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
    rules: Rules,
    number: u32,
    pub(super) file: RecordFile,
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
        rules: Rules,
    ) -> Result<Self, RecordError> {
        let there = numbers_there(&base);
        let number = free_number(&base, there.last().map_or(1, |last| last + 1));
        let file = create(&numbered(&base, number), options.clone(), rules.clone())?;
        let earlier = match rotation.keep {
            Some(_) => earlier_records(&base, &there, file.part_path()),
            None => VecDeque::new(),
        };
        Ok(Self {
            base,
            rotation,
            options,
            rules,
            number,
            file,
            prelude: Prelude::default(),
            since: None,
            earlier,
            finished: VecDeque::new(),
            written: Written::default(),
        })
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

    /// Ends the present file: `cut` behind its last whole block after the system refused to take more.
    pub(crate) fn end(mut self, cut: bool) -> (Written, Result<(), RecordError>) {
        let finish = if cut { RecordFile::finish_cut } else { RecordFile::finish };
        let result = self.written.finish(self.file, finish);
        self.finished.extend(self.written.files.drain(..));
        if result.is_ok() {
            remove_the_oldest(&mut self.earlier, &mut self.finished, self.rotation.keep);
        }
        self.written.files = self.finished.into();
        (self.written, result)
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
        let number = free_number(&self.base, self.number.saturating_add(1));
        let next = create(&numbered(&self.base, number), self.options.clone(), self.rules.clone())?;
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
        self.prelude.put(item, &mut self.file)
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

/// Higher numbers are none of rotation's: with a file each second, they would come after thirty years.
const MOST: u32 = 999_999_999;

/// The first number from `number` on that nothing has.
fn free_number(base: &Path, number: u32) -> u32 {
    let is_free = |number: &u32| std::fs::symlink_metadata(numbered(base, *number)).is_err();
    (number..u32::MAX).find(is_free).unwrap_or(number)
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
    let number = std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number <= MOST)?;
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
