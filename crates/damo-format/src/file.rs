//! A record as a file: nobody else may read it, it never goes through a symbolic link, it replaces nothing that is not
//! an older record of the same user, and its name appears when it is complete.
//!
//! What it may replace is decided in `guard`. While it is written it is called `NAME.part`. A recorder that dies leaves that: it reads like any record, and the
//! next recorder of the same name sets it aside as `NAME.interrupted` instead of writing over it. Two recorders at
//! once are kept apart by a lock on `NAME.part`.

use crate::error::WriteError;
use crate::guard::{self, Kind, Rules, There, is_record};
use crate::new_file::{appear, create_beside, remove_leftovers, sync_directory};
use crate::repack::repack;
use crate::stream::StreamReader;
use crate::writer::{Summary, Writer, WriterOptions};
use damo_model::human::Show;
use damo_model::{Item, Meta, Sink, SinkError, Source};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// A record file in the making.
pub struct RecordFile {
    writer: Writer<File>,
    place: Destination,
    set_aside: Vec<PathBuf>,
}

/// Where a record goes, and under which conditions.
struct Destination {
    path: PathBuf,
    part: PathBuf,
    rules: Rules,
    /// The user who writes.
    writer: u32,
}

/// Whom a finished record is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id of the file's owner.
    pub uid: u32,
    /// Group id of the file's owner.
    pub gid: u32,
}

impl RecordFile {
    /// Creates `PATH.part`, readable by its owner only. What stands at `path` stays there until
    /// [`RecordFile::finish`]; that it may be replaced is checked now. With `overwrite`, it may be any regular file.
    ///
    /// # Errors
    /// If something stands there that must not be replaced (a symbolic link, a directory, another user's file, a file
    /// that is no record), if another recorder is at work on the same name, or if the system refuses.
    pub fn create(path: impl Into<PathBuf>, options: WriterOptions, overwrite: bool) -> Result<Self, WriteError> {
        Self::create_with(path, options, Rules { force: overwrite, ..Rules::new(Kind::Record) })
    }

    /// As [`RecordFile::create`], with more to say: [`Rules::heir`] is whose the record becomes when it is finished, if
    /// the file system can do that; [`Rules::inputs`] are never written over; [`Rules::force`] is `overwrite`.
    ///
    /// # Errors
    /// As [`RecordFile::create`].
    pub fn create_with(path: impl Into<PathBuf>, options: WriterOptions, rules: Rules) -> Result<Self, WriteError> {
        let path = path.into();
        let part = with_suffix(&path, ".part");
        check_names(&path, &rules, None)?;
        let mut set_aside = Vec::new();
        let file = create_locked(&path, &part, &mut set_aside)?;
        let created = Self::begin(file, &path, &part, options, rules);
        if created.is_err() {
            // Nothing but the file header is in it, and it is ours: it was created anew above.
            let _ = fs::remove_file(&part);
        }
        let (writer, place) = created?;
        Ok(RecordFile { writer, place, set_aside })
    }

    fn begin(
        file: File,
        path: &Path,
        part: &Path,
        options: WriterOptions,
        rules: Rules,
    ) -> Result<(Writer<File>, Destination), WriteError> {
        // Whose it is tells who we are.
        let writer = file.metadata().map_err(|e| file_error("examine", part, e))?.uid();
        check_names(path, &rules, Some(writer))?;
        let place = Destination { path: path.into(), part: part.into(), rules, writer };
        Ok((Writer::new(file, options)?, place))
    }

    /// Sees whether a record of this name could be written, without creating anything.
    ///
    /// # Errors
    /// If something stands there, or at `PATH.old` where an earlier record would go, that must not be replaced.
    pub fn check(path: &Path, rules: &Rules) -> Result<(), WriteError> {
        check_names(path, rules, None).map(|_| ())
    }

    /// Where the record will be.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Where it is until then.
    pub fn part_path(&self) -> &Path {
        &self.place.part
    }

    /// What interrupted recorders had left in the way, under its new name.
    pub fn set_aside(&self) -> &[PathBuf] {
        &self.set_aside
    }

    /// Whether what is written has no name any more: it was removed or moved, or its directory was. Then
    /// [`RecordFile::finish`] writes it again to where it was, if it can.
    pub fn is_gone(&self) -> bool {
        !is_at(self.writer.get_ref(), &self.place.part)
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
    /// becomes `NAME.old`, unless it has no snapshot.
    ///
    /// # Errors
    /// If the system refuses to take the last of it (a full disk), what was written before has the name
    /// ([`WriteError::CutShort`]). If meanwhile something else stands at the name, the record stays `NAME.part`
    /// ([`WriteError::NotNamed`]). If it has no snapshot and an earlier record has the name, that one keeps it, and nothing
    /// else is left ([`WriteError::NothingNew`]).
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

    fn end(mut self, packed: bool) -> Result<Summary, WriteError> {
        // The blocks first, and then the end: so that it is known where the last whole block ends.
        let flushed = self.writer.flush_block();
        let whole = self.writer.written();
        let RecordFile { writer, place, .. } = self;
        let rest = writer.get_ref().try_clone().map_err(|e| file_error("examine", &place.part, e))?;
        let (file, summary) = match flushed.and_then(|()| writer.finish()) {
            Err(WriteError::Io(source)) => {
                place.complete_cut(&rest, &whole)?;
                return Err(WriteError::CutShort { path: place.path, source, written: whole });
            }
            finished => finished?,
        };
        drop(rest);
        let file = if is_at(&file, &place.part) { file } else { again(&file, &place.path, &place.part)? };
        let better = if packed { repack(&place.part, &file, &summary) } else { None };
        // The old one is kept open, and with it the lock on it, until the new one has the name.
        let (file, summary) = match better {
            Some(better) => better,
            None => (file, summary),
        };
        place.complete(&file, &summary)?;
        Ok(summary)
    }

    /// After the system refused to take more (a full disk): gives what was written its name all the same, without an
    /// index and an end mark. All finished blocks of it read; what is missing is the block at hand.
    ///
    /// # Errors
    /// As [`RecordFile::finish`].
    pub fn finish_cut(self) -> Result<Summary, WriteError> {
        let summary = self.writer.written();
        self.place.complete_cut(self.writer.get_ref(), &summary)?;
        Ok(summary)
    }

    /// Gives up: nothing is left behind, and what stands at the name stays there.
    pub fn discard(self) {
        let RecordFile { writer, place, .. } = self;
        place.remove(writer.get_ref());
    }
}

impl Sink for RecordFile {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.write(item).map_err(SinkError::new)
    }
}

impl Destination {
    /// Cuts the file behind its last whole block and gives it its name.
    fn complete_cut(&self, file: &File, written: &Summary) -> Result<(), WriteError> {
        // Nothing may stand behind the last whole block; if this fails it does no harm.
        let _ = file.set_len(written.bytes.0);
        self.complete(file, written)
    }

    /// Makes sure that the disk has the file, and gives it its name.
    fn complete(&self, file: &File, written: &Summary) -> Result<(), WriteError> {
        let synced = file.sync_all().map_err(|e| file_error("write", &self.part, e));
        if let Some(heir) = self.rules.heir {
            // The file that was made here, whatever has its name now. Not every file system has owners; then it stays
            // the writer's.
            let _ = fchown(file, Some(heir.uid), Some(heir.gid));
        }
        let named = synced.and_then(|()| self.name(file, written));
        named.map_err(|error| kept(file, &self.path, &self.part, error))?;
        sync_directory(&self.path);
        Ok(())
    }

    /// Gives the finished file its name, and the record that has it already another one.
    fn name(&self, file: &File, written: &Summary) -> Result<(), WriteError> {
        let path = &self.path;
        let there = check_names(path, &self.rules, Some(self.writer))?;
        if there == There::Record && is_worth_keeping(path) {
            if written.snapshots == 0 {
                self.remove(file);
                return Err(WriteError::NothingNew { path: path.clone() });
            }
            fs::rename(path, old_of(path)).map_err(|e| file_error("rename", path, e))?;
            return appear(&self.part, path);
        }
        match there {
            There::Nothing => appear(&self.part, path),
            _ => fs::rename(&self.part, path).map_err(|e| file_error("rename to", path, e)),
        }
    }

    /// Removes `NAME.part` if it is still this file.
    fn remove(&self, file: &File) {
        if is_at(file, &self.part) {
            // It holds nothing of worth; where it cannot be removed the next recording of the name does it.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Says with the error where the record is, if it is there.
fn kept(file: &File, path: &Path, part: &Path, error: WriteError) -> WriteError {
    if !is_at(file, part) || matches!(error, WriteError::NothingNew { .. }) {
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

/// Creates `part` with a lock on it: the lock first, and then the name, so that nobody finds it without. What an
/// interrupted recorder left there gets out of the way.
fn create_locked(path: &Path, part: &Path, set_aside: &mut Vec<PathBuf>) -> Result<File, WriteError> {
    remove_leftovers(part);
    let (file, beside) = create_beside(part)?;
    let locked = file.try_lock().map_err(|e| file_error("lock", part, e.into()));
    let named = locked.and_then(|()| {
        loop {
            match appear(&beside, part) {
                Err(WriteError::Occupied { .. }) => set_aside.extend(set_leftover_aside(path, part)?),
                named => return named,
            }
        }
    });
    if named.is_err() {
        // Ours: it was created anew.
        let _ = fs::remove_file(&beside);
    }
    named.map(|()| file)
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

fn old_of(path: &Path) -> PathBuf {
    with_suffix(path, ".old")
}

pub(crate) fn file_error(what: &'static str, path: &Path, source: io::Error) -> WriteError {
    WriteError::File { what, path: path.into(), source }
}

/// Says what stands at a record's name, and refuses what must not be replaced: there, and where a record would be moved
/// to.
fn check_names(path: &Path, rules: &Rules, writer: Option<u32>) -> Result<There, WriteError> {
    let there = check_record(path, rules, writer, rules.force)?;
    if there == There::Record {
        check_record(&old_of(path), rules, writer, false)?;
    }
    Ok(there)
}

/// The same for one name. A record is no obstacle; `overwrite` says whether another file is.
fn check_record(path: &Path, rules: &Rules, writer: Option<u32>, overwrite: bool) -> Result<There, WriteError> {
    let rules = Rules { force: true, ..rules.clone() };
    match guard::check(path, &rules, writer)? {
        There::Other if !overwrite => {
            let what = "exists and is no .damo record";
            Err(WriteError::Occupied { path: path.into(), what, replaceable: true })
        }
        there => Ok(there),
    }
}

/// Records up to this size are looked through for something that is worth keeping.
const SMALL_RECORD: u64 = 1 << 20;

/// Whether a record has a snapshot, or was made of other programs' files: memory use alone can be all that they tell. A
/// recording without a snapshot has nothing that anybody would miss. What cannot be read is worth keeping.
fn is_worth_keeping(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return true };
    if file.metadata().is_ok_and(|found| found.len() > SMALL_RECORD) {
        return true;
    }
    let Ok(mut items) = StreamReader::new(file) else { return true };
    loop {
        match items.next_item() {
            Ok(Some(Item::Meta(Meta { source: Source::Imported { .. }, .. }) | Item::Snapshot(_))) | Err(_) => {
                return true;
            }
            Ok(Some(_)) => {}
            Ok(None) => return !items.damage().is_empty(),
        }
    }
}

/// Renames what an interrupted recorder left as `NAME.part`, and tells its new name; removes it if nothing is in it.
fn set_leftover_aside(path: &Path, part: &Path) -> Result<Option<PathBuf>, WriteError> {
    let occupied = |what| Err(WriteError::Occupied { path: part.into(), what, replaceable: false });
    let found = match fs::symlink_metadata(part) {
        // Its recorder has just finished.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(|e| file_error("examine", part, e))?,
    };
    if found.is_symlink() || !found.is_file() {
        return occupied("is in the way and no regular file");
    }
    let file = match File::open(part) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|e| file_error("read", part, e))?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return occupied("is being written by another recorder"),
        Err(fs::TryLockError::Error(e)) => return Err(file_error("lock", part, e)),
    }
    if !is_at(&file, part) {
        // Another recorder was faster. While the lock is ours nobody else moves what it is on.
        return Ok(None);
    }
    if found.len() > 0 && !is_record(part)? {
        return occupied("is in the way and no .damo record");
    }
    if !is_worth_keeping(part) {
        return fs::remove_file(part).map(|()| None).map_err(|e| file_error("remove", part, e));
    }
    for n in 0u32.. {
        let aside = match n {
            0 => with_suffix(path, ".interrupted"),
            n => with_suffix(path, &format!(".interrupted.{n}")),
        };
        match fs::symlink_metadata(&aside) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::rename(part, &aside).map_err(|e| file_error("rename", part, e))?;
                return Ok(Some(aside));
            }
            found => found.map(|_| ()).map_err(|e| file_error("examine", &aside, e))?,
        }
    }
    occupied("is in the way, and so are all other names for it")
}
