//! Who turned a kdamond on: a note under `/run/damo` for each live recording.
//!
//! A recorder that is killed cannot turn DAMON off. So before it turns anything on it writes down what it is about to
//! do, and holds a lock on that note; the lock goes away with the process, however it ends. A note without a lock is
//! therefore the trace of a killed recording: the next run tells, and offers to stop what was left on. `/run` is
//! emptied at boot, as DAMON is.

use crate::error::RecordError;
use damo_kernel::sysfs::Leftover;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a recording writes down about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The recorder's process id.
    pub pid: u32,
    /// The record's name, absolute; `None` for standard output.
    pub record: Option<PathBuf>,
    /// What it set up and turned on, and how DAMON was before.
    pub leftover: Leftover,
}

/// A note that holds as long as this value lives (and the process does).
pub(crate) struct Ownership {
    path: PathBuf,
    file: File,
    note: Note,
}

/// The directory of notes.
pub(crate) fn directory(root: &Path) -> PathBuf {
    root.join("run/damo")
}

impl Ownership {
    /// Takes a note of `note` below `root`.
    pub(crate) fn take(root: &Path, note: Note) -> Result<Self, RecordError> {
        let dir = directory(root);
        let failed = |e| RecordError::io(format!("noting this recording in {}", dir.display()), e);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        let path = dir.join(format!("record-{}", note.pid));
        // An older process of this number left it; it is gone, as we have the number now.
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.try_lock().map_err(|e| failed(e.into()))?;
        let mut ownership = Self { path, file, note };
        ownership.write()?;
        Ok(ownership)
    }

    /// Replaces what it says about DAMON.
    pub(crate) fn owns(&mut self, leftover: Leftover) -> Result<(), RecordError> {
        self.note.leftover = leftover;
        self.write()
    }

    fn write(&mut self) -> Result<(), RecordError> {
        let text = serde_json::to_vec(&self.note).unwrap_or_default();
        let put = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&text)
        };
        put(&mut self.file).map_err(|e| RecordError::io(format!("writing {}", self.path.display()), e))
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A note found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub note: Note,
    /// Whether its recording still runs.
    pub alive: bool,
}

/// The notes of other recordings below `root`, running or killed.
pub fn others(root: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(directory(root)) else { return Vec::new() };
    let mut found: Vec<Found> = entries.filter_map(|entry| read(&entry.ok()?.path())).collect();
    found.sort_by_key(|found| found.note.pid);
    found
}

fn read(path: &Path) -> Option<Found> {
    if !path.file_name()?.to_str()?.starts_with("record-") {
        return None;
    }
    // Longer than any note of ours: not ours.
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || meta.size() > 4 << 20 {
        return None;
    }
    let file = OpenOptions::new().read(true).open(path).ok()?;
    let alive = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let note: Note = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (note.pid != std::process::id()).then(|| Found { path: path.to_path_buf(), note, alive })
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_kernel::Root;
    use damo_kernel::sysfs::{Context, FakeDamon, Kdamond, Sysfs};
    use damo_model::Ops;
    use std::sync::Arc;

    fn note(pid: u32) -> Note {
        Note { pid, record: Some("/a/b.damo".into()), leftover: leftover(1) }
    }

    /// Of a kernel that is a fake, with so many kdamonds.
    fn leftover(kdamonds: usize) -> Leftover {
        let sysfs = Sysfs::new(&Root::with_io(Arc::new(FakeDamon::new((6, 12)))));
        let kdamond = Kdamond { refresh: None, contexts: vec![Context::new(Ops::Paddr)] };
        sysfs.stage(&vec![kdamond; kdamonds]).unwrap().leftover()
    }

    #[test]
    fn a_running_recording_is_seen_as_alive_and_leaves_no_note_behind() {
        let root = tempfile::tempdir().unwrap();
        let mut ownership = Ownership::take(root.path(), note(4_000_001)).unwrap();
        ownership.owns(leftover(2)).unwrap();
        let seen = others(root.path());
        assert!(seen[0].alive);
        assert_eq!(seen[0].note, Note { leftover: leftover(2), ..note(4_000_001) });
        drop(ownership);
        assert_eq!(others(root.path()), []);
    }

    #[test]
    fn the_note_of_a_killed_recording_tells_what_it_left_on() {
        let root = tempfile::tempdir().unwrap();
        let ownership = Ownership::take(root.path(), note(4_000_002)).unwrap();
        // As a kill does: the file stays, the lock goes.
        let copy = ownership.path.with_file_name("record-4000003");
        fs::write(&copy, serde_json::to_vec(&note(4_000_003)).unwrap()).unwrap();
        drop(ownership);
        let seen = others(root.path());
        assert_eq!(seen, [Found { path: copy, note: note(4_000_003), alive: false }]);
    }

    #[test]
    fn rubbish_in_the_directory_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let dir = directory(root.path());
        fs::create_dir_all(dir.join("record-1")).unwrap();
        fs::write(dir.join("record-2"), "{").unwrap();
        fs::write(dir.join("other"), "x").unwrap();
        assert_eq!(others(root.path()), []);
    }
}
