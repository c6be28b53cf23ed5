//! The store of notes in `/run/damo`: which kdamonds were switched on, by whom, and how DAMON's tree was before.
//!
//! `damo start` leaves one note (`started`), which stays until `damo stop`. A recording keeps one of its own
//! (`record-PID`): a recorder that is killed cannot turn DAMON off, so before it turns anything on it writes down what it is
//! about to do, and holds a lock on that note; the lock goes away with the process, however it ends. A note of a recording
//! without a lock is therefore the trace of a killed one: the next run says so, and offers to stop what was left on. `/run`
//! is emptied at boot, as DAMON is.
//!
//! A note is always whole: it is written aside, locked, and then renamed. Beside the notes is the lock of the program that
//! changes DAMON's settings at present, see [`SettingsLock`].

mod settings_lock;

pub use settings_lock::SettingsLock;

use crate::error::{Result, SteerError};
use damo_kernel::sysfs::{Leftover, Staged};
use damo_model::human::Show;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No note is longer: a tree with thousands of regions takes some hundred KiB.
const MAX_NOTE_BYTES: u64 = 64 << 20;
/// The note of `damo start`.
const STARTED: &str = "started";
/// What the names of recordings' notes begin with; the process id follows.
const RECORDING: &str = "record-";

/// The directory of notes. It is made when something is written to it.
#[derive(Clone, Debug)]
pub struct NoteStore {
    directory: PathBuf,
}

impl NoteStore {
    /// Notes in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The directory that all programs use, below the directory `root`.
    pub fn below(root: &Path) -> Self {
        Self::new(root.join("run/damo"))
    }

    /// Waits until no other `damo` changes DAMON's settings, at most `timeout`; until the value is dropped no other one can.
    ///
    /// # Errors
    /// [`SteerError::Lock`] if there can be no such lock, [`damo_kernel::Error::Timeout`].
    pub fn lock(&self, timeout: Duration) -> Result<SettingsLock> {
        SettingsLock::take(&self.directory, timeout)
    }

    /// What `damo start` started, if it was not stopped since.
    pub(crate) fn started(&self) -> Result<Option<Leftover>> {
        let path = self.directory.join(STARTED);
        match read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?)) {
            Ok(leftover) => Ok(Some(leftover)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SteerError::Note { path, source }),
        }
    }

    pub(crate) fn write_started(&self, leftover: &Leftover) -> Result<()> {
        let path = self.directory.join(STARTED);
        self.write(&path, leftover).map(|_| ()).map_err(|source| SteerError::Note { path, source })
    }

    pub(crate) fn forget_started(&self) -> Result<()> {
        let path = self.directory.join(STARTED);
        remove(&path).map_err(|source| SteerError::Note { path, source })
    }

    /// Takes a note of a recording.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&self, note: Note) -> Result<Ownership> {
        // An older process of this number may have left one; it is gone, as we have the number now.
        let path = self.directory.join(format!("{RECORDING}{}", note.pid));
        let mut ownership = Ownership { store: self.clone(), path, files: Vec::new(), note, stays: false };
        ownership.write()?;
        Ok(ownership)
    }

    /// The notes of other recordings, running or killed, in the order of their process ids.
    pub fn recordings(&self) -> Vec<FoundNote> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let mut found: Vec<FoundNote> = entries.filter_map(|entry| FoundNote::read(&entry.ok()?.path())).collect();
        found.sort_by_key(|found| found.note.pid);
        found
    }

    /// Where the notes are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a note aside, locks it and gives it its name.
    fn write(&self, path: &Path, note: &impl Serialize) -> io::Result<File> {
        let text = serde_json::to_vec(note)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let part = part(path);
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.try_lock()?;
        file.write_all(&text)?;
        fs::rename(&part, path)?;
        Ok(file)
    }
}

/// The name under which a note is written before it gets its own.
fn part(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("part-{}", name.strip_prefix(RECORDING).unwrap_or(&name)))
}

/// Writes a note of this name, and gives its path and the file with the lock on it.
pub(crate) fn note_of_modules(store: &NoteStore, name: &str, note: &impl Serialize) -> Result<(PathBuf, File)> {
    let path = store.directory.join(name);
    match store.write(&path, note) {
        Ok(file) => Ok((path, file)),
        Err(source) => Err(SteerError::Note { path, source }),
    }
}

/// Reads a note.
pub(crate) fn read_note<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&read(path)?)?)
}

/// A whole note.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_NOTE_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// Removes a note, and what a process that was killed while it wrote one left. That it is gone already is as good.
fn remove(path: &Path) -> io::Result<()> {
    let _ = fs::remove_file(part(path));
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

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

impl Note {
    /// The record's name for messages.
    pub fn record_name(&self) -> String {
        self.record.as_ref().map_or("standard output".to_string(), |path| path.shown().to_string())
    }
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

/// The note of a running recording. It is removed when this value is dropped, and counts as one of a killed recording if the
/// process ends without that.
#[derive(Debug)]
pub struct Ownership {
    store: NoteStore,
    path: PathBuf,
    /// The locked files, of which the last one has the name. A reader may have opened the one before, which must not look as
    /// if the recording was gone.
    files: Vec<File>,
    note: Note,
    stays: bool,
}

impl Ownership {
    /// Replaces what it says about DAMON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn owns(&mut self, leftover: Leftover) -> Result<()> {
        self.note.leftover = leftover;
        self.write()
    }

    /// Notes that what it says is set up is on now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn started(&mut self, staged: &Staged) -> Result<()> {
        self.note.leftover.note_started(staged);
        self.write()
    }

    /// Lets the note stay behind: not everything could be put back, and the next run may try again.
    pub fn leave(mut self) {
        self.stays = true;
    }

    fn write(&mut self) -> Result<()> {
        let written = self.store.write(&self.path, &self.note);
        self.files.push(written.map_err(|e| SteerError::io(format!("writing {}", self.path.shown()), e))?);
        // One older file is enough for a reader that has opened it.
        if self.files.len() > 2 {
            self.files.remove(0);
        }
        Ok(())
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A note of another recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNote {
    /// The file that holds the note.
    pub path: PathBuf,
    /// What it says.
    pub note: Note,
    /// Whether its recording still runs.
    pub alive: bool,
}

impl FoundNote {
    /// `None` for what is no note of another recording.
    fn read(path: &Path) -> Option<Self> {
        if !path.file_name()?.to_str()?.starts_with(RECORDING) || !fs::symlink_metadata(path).ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let alive = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let note: Note = serde_json::from_slice(&read(path).ok()?).ok()?;
        (note.pid != std::process::id()).then(|| FoundNote { path: path.to_path_buf(), note, alive })
    }

    /// Removes it. That it is gone already is as good.
    pub(crate) fn forget(&self) -> Result<()> {
        remove(&self.path).map_err(|e| SteerError::io(format!("removing {}", self.path.shown()), e))
    }
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
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    fn store(root: &tempfile::TempDir) -> NoteStore {
        NoteStore::below(root.path())
    }

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
        let mut ownership = store(&root).record(note(4_000_001)).unwrap();
        ownership.owns(leftover(2)).unwrap();
        let seen = store(&root).recordings();
        assert!(seen[0].alive);
        assert_eq!(seen[0].note, Note { leftover: leftover(2), ..note(4_000_001) });
        drop(ownership);
        assert_eq!(store(&root).recordings(), []);
    }

    #[test]
    fn a_record_may_have_any_name_that_a_file_may_have() {
        let root = tempfile::tempdir().unwrap();
        for record in [None, Some("/a/b.damo".into()), Some(PathBuf::from(OsStr::from_bytes(b"/a/\xff.damo")))] {
            let note = Note { record, ..note(4_000_007) };
            let _ownership = store(&root).record(note.clone()).unwrap();
            assert_eq!(store(&root).recordings()[0].note, note);
        }
    }

    #[test]
    fn the_note_of_a_killed_recording_tells_what_it_left_on() {
        let root = tempfile::tempdir().unwrap();
        let ownership = store(&root).record(note(4_000_002)).unwrap();
        // As a kill does: the file stays, the lock goes.
        let copy = ownership.path.with_file_name("record-4000003");
        fs::write(&copy, serde_json::to_vec(&note(4_000_003)).unwrap()).unwrap();
        drop(ownership);
        let seen = store(&root).recordings();
        assert_eq!(seen, [FoundNote { path: copy, note: note(4_000_003), alive: false }]);
    }

    #[test]
    fn a_kill_while_the_note_is_written_leaves_the_one_before_it() {
        let root = tempfile::tempdir().unwrap();
        let mut ownership = store(&root).record(note(4_000_004)).unwrap();
        // Whatever is written to is not what is read: the file there is never written to again.
        let before = fs::metadata(&ownership.path).unwrap().ino();
        ownership.owns(leftover(2)).unwrap();
        assert_ne!(fs::metadata(&ownership.path).unwrap().ino(), before);
        // As half a note does.
        fs::write(part(&ownership.path), "{").unwrap();
        assert_eq!(store(&root).recordings().len(), 1);
        ownership.owns(leftover(1)).unwrap();
        assert_eq!(store(&root).recordings()[0].note, note(4_000_004));
    }

    #[test]
    fn one_who_opened_the_note_before_it_was_replaced_sees_that_its_recording_runs() {
        let root = tempfile::tempdir().unwrap();
        let mut ownership = store(&root).record(note(4_000_005)).unwrap();
        let opened = File::open(&ownership.path).unwrap();
        ownership.owns(leftover(2)).unwrap();
        assert!(matches!(opened.try_lock_shared(), Err(TryLockError::WouldBlock)));
    }

    #[test]
    fn a_note_that_is_left_is_found_by_the_next_run() {
        let root = tempfile::tempdir().unwrap();
        store(&root).record(note(4_000_006)).unwrap().leave();
        let found = store(&root).recordings().remove(0);
        assert!(!found.alive);
        found.forget().unwrap();
        found.forget().unwrap();
        assert_eq!(store(&root).recordings(), []);
    }

    #[test]
    fn rubbish_in_the_directory_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let dir = store(&root).directory;
        fs::create_dir_all(dir.join("record-1")).unwrap();
        fs::write(dir.join("record-2"), "{").unwrap();
        fs::write(dir.join("other"), "x").unwrap();
        assert_eq!(store(&root).recordings(), []);
    }
}
