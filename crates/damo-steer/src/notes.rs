//! Who turned a kdamond on: a note under `/run/damo` for each live recording.
//!
//! A recorder that is killed cannot turn DAMON off. So before it turns anything on it writes down what it is about to
//! do, and holds a lock on that note; the lock goes away with the process, however it ends. A note without a lock is
//! therefore the trace of a killed recording: the next run tells, and offers to stop what was left on. `/run` is
//! emptied at boot, as DAMON is.
//!
//! A note is always whole: it is written aside, locked, and then renamed. Beside the notes is the lock of whoever changes
//! DAMON's settings just now, see `turn`.

use crate::error::RecordError;
use damo_kernel::steer::SettingsLock;
use damo_kernel::sysfs::{Leftover, Staged};
use damo_model::human::Show;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a recording writes down about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The recorder's process id.
    pub pid: u32,
    /// The record's name, absolute; `None` for standard output.
    #[serde(with = "any_path")]
    pub record: Option<PathBuf>,
    /// What it set up and turned on, and how DAMON was before.
    pub leftover: Leftover,
}

/// A path in JSON: as text where it is text, and else as its bytes.
mod any_path {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::PathBuf;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum PathForm {
        Text(PathBuf),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) if path.to_str().is_none() => path.as_os_str().as_bytes().serialize(to),
            path => path.serialize(to),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<PathForm>::deserialize(from)?.map(|form| match form {
            PathForm::Text(path) => path,
            PathForm::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }))
    }
}

/// A note that holds as long as this value lives (and the process does).
pub(crate) struct Ownership {
    path: PathBuf,
    /// All that it ever was, locked. Who looks may have opened an older one, which must not look as if we were gone.
    files: Vec<File>,
    note: Note,
    stays: bool,
}

/// The directory of notes.
pub(crate) fn directory(root: &Path) -> PathBuf {
    root.join("run/damo")
}

/// Waits until nobody else of us changes DAMON's settings. It is our turn until the value is dropped.
pub(crate) fn settings_lock(root: &Path, patience: Duration) -> Result<SettingsLock, RecordError> {
    Ok(SettingsLock::take(&directory(root), patience)?)
}

impl Ownership {
    /// Takes a note of `note` below `root`.
    pub(crate) fn take(root: &Path, note: Note) -> Result<Self, RecordError> {
        let dir = directory(root);
        let failed = |e| RecordError::io(format!("noting this recording in {}", dir.shown()), e);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        // An older process of this number may have left one; it is gone, as we have the number now.
        let path = dir.join(format!("record-{}", note.pid));
        let mut ownership = Self { path, files: Vec::new(), note, stays: false };
        ownership.write()?;
        Ok(ownership)
    }

    /// Replaces what it says about DAMON.
    pub(crate) fn owns(&mut self, leftover: Leftover) -> Result<(), RecordError> {
        self.note.leftover = leftover;
        self.write()
    }

    /// Notes that what it told of is on now.
    pub(crate) fn started(&mut self, staged: &Staged) -> Result<(), RecordError> {
        self.note.leftover.note_started(staged);
        self.write()
    }

    /// Lets the note stay behind: not everything could be put back, and the next run may try again.
    pub(crate) fn leave(mut self) {
        self.stays = true;
    }

    fn write(&mut self) -> Result<(), RecordError> {
        let part = part(&self.path);
        let put = || -> io::Result<File> {
            let text = serde_json::to_vec(&self.note)?;
            let _ = fs::remove_file(&part);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
            file.try_lock()?;
            file.write_all(&text)?;
            fs::rename(&part, &self.path)?;
            Ok(file)
        };
        let file = put().map_err(|e| RecordError::io(format!("writing {}", self.path.shown()), e))?;
        self.files.push(file);
        // One older than this is enough for who looks just now.
        if self.files.len() > 2 {
            self.files.remove(0);
        }
        Ok(())
    }
}

/// Where a note is written before it takes its place.
fn part(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(name.replacen("record-", "part-", 1))
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A note found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNote {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub note: Note,
    /// Whether its recording still runs.
    pub alive: bool,
}

impl FoundNote {
    /// Removes it. That it is gone already is as good.
    pub(crate) fn forget(&self) -> Result<(), RecordError> {
        // Of one that was killed while it wrote.
        let _ = fs::remove_file(part(&self.path));
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(RecordError::io(format!("removing {}", self.path.shown()), e))
            }
            _ => Ok(()),
        }
    }
}

/// The notes of other recordings below `root`, running or killed.
pub fn others(root: &Path) -> Vec<FoundNote> {
    let Ok(entries) = fs::read_dir(directory(root)) else { return Vec::new() };
    let mut found: Vec<FoundNote> = entries.filter_map(|entry| read(&entry.ok()?.path())).collect();
    found.sort_by_key(|found| found.note.pid);
    found
}

fn read(path: &Path) -> Option<FoundNote> {
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
    (note.pid != std::process::id()).then(|| FoundNote { path: path.to_path_buf(), note, alive })
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_kernel::Root;
    use damo_kernel::sysfs::{MemorySysfs, Sysfs};
    use damo_model::Ops;
    use damo_model::kdamond::{Context, Kdamond};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::sync::Arc;

    fn note(pid: u32) -> Note {
        Note { pid, record: Some("/a/b.damo".into()), leftover: leftover(1) }
    }

    /// Of a kernel that is a fake, with so many kdamonds.
    fn leftover(kdamonds: usize) -> Leftover {
        let sysfs = Sysfs::new(&Root::with_io(Arc::new(MemorySysfs::new((6, 12)))));
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
    fn a_record_may_have_any_name_that_a_file_may_have() {
        let root = tempfile::tempdir().unwrap();
        for record in [None, Some("/a/b.damo".into()), Some(PathBuf::from(OsStr::from_bytes(b"/a/\xff.damo")))] {
            let note = Note { record, ..note(4_000_007) };
            let _ownership = Ownership::take(root.path(), note.clone()).unwrap();
            assert_eq!(others(root.path())[0].note, note);
        }
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
        assert_eq!(seen, [FoundNote { path: copy, note: note(4_000_003), alive: false }]);
    }

    #[test]
    fn a_kill_while_the_note_is_written_leaves_the_one_before_it() {
        let root = tempfile::tempdir().unwrap();
        let mut ownership = Ownership::take(root.path(), note(4_000_004)).unwrap();
        // Whatever is written to is not what is read: the file there is never written to again.
        let before = fs::metadata(&ownership.path).unwrap().ino();
        ownership.owns(leftover(2)).unwrap();
        assert_ne!(fs::metadata(&ownership.path).unwrap().ino(), before);
        // As half a note does.
        fs::write(part(&ownership.path), "{").unwrap();
        assert_eq!(others(root.path()).len(), 1);
        ownership.owns(leftover(1)).unwrap();
        assert_eq!(others(root.path())[0].note, note(4_000_004));
    }

    #[test]
    fn one_who_opened_the_note_before_it_was_replaced_sees_that_its_recording_runs() {
        let root = tempfile::tempdir().unwrap();
        let mut ownership = Ownership::take(root.path(), note(4_000_005)).unwrap();
        let opened = File::open(&ownership.path).unwrap();
        ownership.owns(leftover(2)).unwrap();
        assert!(matches!(opened.try_lock_shared(), Err(TryLockError::WouldBlock)));
    }

    #[test]
    fn a_note_that_is_left_is_found_by_the_next_run() {
        let root = tempfile::tempdir().unwrap();
        Ownership::take(root.path(), note(4_000_006)).unwrap().leave();
        let found = others(root.path()).remove(0);
        assert!(!found.alive);
        found.forget().unwrap();
        found.forget().unwrap();
        assert_eq!(others(root.path()), []);
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
