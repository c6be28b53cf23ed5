//! A record as a file: nobody else may read it, it never goes through a symbolic link, it replaces nothing that is not
//! an older record of the same user, and its name appears when it is complete.
//!
//! While it is written it is called `NAME.part`. A recorder that dies leaves that: it reads like any record, and the
//! next recorder of the same name sets it aside as `NAME.interrupted` instead of writing over it. Two recorders at
//! once are kept apart by a lock on `NAME.part`.

use crate::error::WriteError;
use crate::reader::sniff;
use crate::repack::repack;
use crate::writer::{Summary, Writer, WriterOptions};
use damo_model::human::Show;
use damo_model::{Item, Sink, SinkError};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// A record file in the making.
pub struct RecordFile {
    writer: Writer<File>,
    path: PathBuf,
    part: PathBuf,
    overwrite: bool,
    owners: Owners,
    set_aside: Vec<PathBuf>,
}

/// Whom a finished record is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Whose files may be replaced: those of the user who writes, and of the one whom the record is for.
#[derive(Clone, Copy)]
struct Owners {
    writer: u32,
    heir: Option<Owner>,
}

impl Owners {
    fn include(&self, uid: u32) -> bool {
        uid == self.writer || self.heir.is_some_and(|heir| heir.uid == uid)
    }
}

/// What stands at a path.
enum There {
    Nothing,
    /// A `.damo` record, or an empty file: may be moved.
    Record,
    /// Another regular file of the same user.
    Other,
}

impl RecordFile {
    /// Creates `PATH.part`, readable by its owner only. What stands at `path` stays there until
    /// [`RecordFile::finish`]; that it may be replaced is checked now. With `overwrite`, it may be any regular file.
    ///
    /// # Errors
    /// If something stands there that must not be replaced (a symbolic link, a directory, another user's file, a file
    /// that is no record), if another recorder is at work on the same name, or if the system refuses.
    pub fn create(path: impl Into<PathBuf>, options: WriterOptions, overwrite: bool) -> Result<Self, WriteError> {
        Self::create_for(None, path, options, overwrite)
    }

    /// As [`RecordFile::create`], by root for somebody: the record becomes theirs when it is finished, if the file
    /// system can do that, and what it replaces may be theirs.
    ///
    /// # Errors
    /// As [`RecordFile::create`].
    pub fn create_for(
        heir: Option<Owner>,
        path: impl Into<PathBuf>,
        options: WriterOptions,
        overwrite: bool,
    ) -> Result<Self, WriteError> {
        let path = path.into();
        let part = with_suffix(&path, ".part");
        let mut set_aside = Vec::new();
        // Created first: whose it is tells who we are.
        let file = match create_new(&part) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                set_aside.push(set_leftover_aside(&path, &part)?);
                create_new(&part)
            }
            created => created,
        };
        let file = file.map_err(|e| file_error("create", &part, e))?;
        let created = Self::begin(file, heir, &path, &part, options, overwrite);
        if created.is_err() {
            // Nothing but the file header is in it, and it is ours: it was created anew above.
            let _ = fs::remove_file(&part);
        }
        let (writer, owners) = created?;
        Ok(RecordFile { writer, path, part, overwrite, owners, set_aside })
    }

    fn begin(
        file: File,
        heir: Option<Owner>,
        path: &Path,
        part: &Path,
        options: WriterOptions,
        overwrite: bool,
    ) -> Result<(Writer<File>, Owners), WriteError> {
        file.try_lock().map_err(|e| file_error("lock", part, e.into()))?;
        let writer = file.metadata().map_err(|e| file_error("examine", part, e))?.uid();
        let owners = Owners { writer, heir };
        check_replaceable(path, owners, overwrite)?;
        Ok((Writer::new(file, options)?, owners))
    }

    /// Where the record will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is until then.
    pub fn part_path(&self) -> &Path {
        &self.part
    }

    /// What interrupted recorders had left in the way, under its new name.
    pub fn set_aside(&self) -> &[PathBuf] {
        &self.set_aside
    }

    /// Whether what is written has no name any more: it was removed or moved, or its directory was. Then
    /// [`RecordFile::finish`] writes it again to where it was, if it can.
    pub fn is_gone(&self) -> bool {
        !is_at(self.writer.get_ref(), &self.part)
    }

    /// What was written so far.
    pub fn summary(&self) -> Summary {
        self.writer.summary()
    }

    /// Adds one item.
    ///
    /// # Errors
    /// As [`Writer::write`]. After an error of the system, such as a full disk, the file ends with its last whole block.
    pub fn write(&mut self, item: &Item) -> Result<(), WriteError> {
        let written = self.writer.write(item);
        self.cut_on_failure(written)
    }

    /// Writes what has been collected as a block, however small.
    ///
    /// # Errors
    /// As [`RecordFile::write`].
    pub fn flush_block(&mut self) -> Result<(), WriteError> {
        let flushed = self.writer.flush_block();
        self.cut_on_failure(flushed)
    }

    fn cut_on_failure(&self, result: Result<(), WriteError>) -> Result<(), WriteError> {
        if let Err(WriteError::Io(_)) = result {
            // Half a block at the end does no harm, so neither does it matter if this fails as well.
            let _ = self.writer.get_ref().set_len(self.writer.summary().bytes.0);
        }
        result
    }

    /// Completes the record, waits until the disk has it, and gives it its name. A previous record of that name
    /// becomes `NAME.old`.
    ///
    /// # Errors
    /// If the system refuses, or if meanwhile something else stands at the name. The record then stays `NAME.part`.
    pub fn finish(self) -> Result<Summary, WriteError> {
        self.end(false)
    }

    /// As [`RecordFile::finish`], for a record that was written as it happened: if its blocks are small, they are put
    /// together first, which makes the record smaller and changes nothing else. Where that fails (a disk too full for
    /// both), the record stays as it was written. Should the process die meanwhile, `NAME.part` is complete.
    ///
    /// # Errors
    /// As [`RecordFile::finish`].
    pub fn finish_repacked(self) -> Result<Summary, WriteError> {
        self.end(true)
    }

    fn end(self, packed: bool) -> Result<Summary, WriteError> {
        let RecordFile { writer, path, part, overwrite, owners, .. } = self;
        let (file, summary) = writer.finish()?;
        let file = if is_at(&file, &part) { file } else { again(&file, &path, &part)? };
        let better = if packed { repack(&part, &file, &summary) } else { None };
        // The old one is kept open, and with it the lock on it, until the new one has the name.
        let (file, summary) = match better {
            Some(better) => better,
            None => (file, summary),
        };
        complete(&file, &path, &part, overwrite, owners)?;
        Ok(summary)
    }

    /// After the system refused to take more (a full disk): gives what was written its name all the same, without an
    /// index and an end mark. All finished blocks of it read; what is missing is the block at hand.
    ///
    /// # Errors
    /// As [`RecordFile::finish`].
    pub fn finish_cut(self) -> Result<Summary, WriteError> {
        let RecordFile { writer, path, part, overwrite, owners, .. } = self;
        let summary = writer.summary();
        let file = writer.get_ref();
        // Nothing may stand behind the last whole block; if this fails it does no harm.
        let _ = file.set_len(summary.bytes.0);
        complete(file, &path, &part, overwrite, owners)?;
        Ok(summary)
    }
}

impl Sink for RecordFile {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.write(item).map_err(SinkError::new)
    }
}

/// Makes sure that the disk has the file, and renames it.
fn complete(file: &File, path: &Path, part: &Path, overwrite: bool, owners: Owners) -> Result<(), WriteError> {
    file.sync_all().map_err(|e| file_error("write", part, e))?;
    if let Some(heir) = owners.heir {
        // The file that was made here, whatever has its name now. Not every file system has owners; then it stays
        // the writer's.
        let _ = fchown(file, Some(heir.uid), Some(heir.gid));
    }
    name(path, part, overwrite, owners).map_err(|error| kept(file, path, part, error))?;
    if let Some(directory) = path.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        // So that the name survives a crash of the machine; not every file system can.
        let _ = File::open(directory).and_then(|d| d.sync_all());
    }
    Ok(())
}

/// Gives the finished file its name, and one that has it already another one.
fn name(path: &Path, part: &Path, overwrite: bool, owners: Owners) -> Result<(), WriteError> {
    if let There::Record = check_replaceable(path, owners, overwrite)? {
        let old = with_suffix(path, ".old");
        check_replaceable(&old, owners, false)?;
        fs::rename(path, &old).map_err(|e| file_error("rename", path, e))?;
    }
    publish(part, path, overwrite)
}

/// Says with the error where the record is, if it is there.
fn kept(file: &File, path: &Path, part: &Path, error: WriteError) -> WriteError {
    if !is_at(file, part) {
        return error;
    }
    let why = match error {
        WriteError::Occupied { path, what, .. } => format!("{} {what}", path.shown()),
        error => error.to_string(),
    };
    WriteError::NotNamed { part: part.into(), path: path.into(), why }
}

/// Whether the file is what stands at `part`; where the system does not tell, as if it were.
fn is_at(file: &File, part: &Path) -> bool {
    let Ok(ours) = file.metadata() else { return true };
    match fs::symlink_metadata(part) {
        Ok(there) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        Err(e) => !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

/// Writes a record that somebody removed or moved to `part` again: as long as it is open, it is there.
fn again(file: &File, path: &Path, part: &Path) -> Result<File, WriteError> {
    let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let copied = create_new(part).and_then(|mut output| {
        let copied = output.try_lock().map_err(io::Error::from);
        let copied = copied.and_then(|()| io::copy(&mut File::open(&open)?, &mut output));
        if copied.is_err() {
            // Ours: it was created anew.
            let _ = fs::remove_file(part);
        }
        copied.map(|_| output)
    });
    copied.map_err(|e| match fs::read_link(&open) {
        Ok(moved) if is_at(file, &moved) => {
            let why = format!("{} was moved while it was written", part.shown());
            WriteError::NotNamed { part: moved, path: path.into(), why }
        }
        _ => file_error("write the record, which was removed meanwhile, again to", part, e),
    })
}

/// Gives the finished file its name; without `overwrite`, never at the cost of what came there in the meantime.
fn publish(part: &Path, path: &Path, overwrite: bool) -> Result<(), WriteError> {
    if !overwrite {
        match fs::hard_link(part, path) {
            Ok(()) => return fs::remove_file(part).map_err(|e| file_error("remove", part, e)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let what = "appeared while the record was written";
                return Err(WriteError::Occupied { path: path.into(), what, replaceable: false });
            }
            // File systems without hard links.
            Err(_) => {}
        }
    }
    fs::rename(part, path).map_err(|e| file_error("rename", part, e))
}

pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    // O_CREAT with O_EXCL never follows a symbolic link.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

pub(crate) fn file_error(what: &'static str, path: &Path, source: io::Error) -> WriteError {
    WriteError::File { what, path: path.into(), source }
}

/// Says what stands at `path`, and refuses what must not be replaced.
fn check_replaceable(path: &Path, owners: Owners, overwrite: bool) -> Result<There, WriteError> {
    let occupied = |what| Err(WriteError::Occupied { path: path.into(), what, replaceable: false });
    let found = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
        found => found.map_err(|e| file_error("examine", path, e))?,
    };
    if found.is_symlink() {
        return occupied("is a symbolic link");
    }
    if found.is_dir() {
        return occupied("is a directory");
    }
    if !found.is_file() {
        return occupied("is a device or pipe");
    }
    if !owners.include(found.uid()) {
        return occupied("belongs to another user");
    }
    if found.len() == 0 || is_record(path)? {
        return Ok(There::Record);
    }
    if overwrite {
        return Ok(There::Other);
    }
    let what = "exists and is no .damo record";
    Err(WriteError::Occupied { path: path.into(), what, replaceable: true })
}

fn is_record(path: &Path) -> Result<bool, WriteError> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
    read.map_err(|e| file_error("read", path, e))?;
    Ok(sniff(&start))
}

/// Renames what an interrupted recorder left as `NAME.part`.
fn set_leftover_aside(path: &Path, part: &Path) -> Result<PathBuf, WriteError> {
    let occupied = |what| Err(WriteError::Occupied { path: part.into(), what, replaceable: false });
    let found = fs::symlink_metadata(part).map_err(|e| file_error("examine", part, e))?;
    if found.is_symlink() || !found.is_file() {
        return occupied("is in the way and no regular file");
    }
    let file = File::open(part).map_err(|e| file_error("read", part, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return occupied("is being written by another recorder"),
        Err(fs::TryLockError::Error(e)) => return Err(file_error("lock", part, e)),
    }
    if found.len() > 0 && !is_record(part)? {
        return occupied("is in the way and no .damo record");
    }
    for n in 0u32.. {
        let aside = match n {
            0 => with_suffix(path, ".interrupted"),
            n => with_suffix(path, &format!(".interrupted.{n}")),
        };
        match fs::symlink_metadata(&aside) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::rename(part, &aside).map_err(|e| file_error("rename", part, e))?;
                return Ok(aside);
            }
            found => found.map(|_| ()).map_err(|e| file_error("examine", &aside, e))?,
        }
    }
    occupied("is in the way, and so are all other names for it")
}
