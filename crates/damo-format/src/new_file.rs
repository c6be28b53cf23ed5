//! A file that appears under its name when it is whole. Until then it has another name in the same directory; whatever
//! stops the program leaves what stood under the name as it was.
//!
//! The other name is `.NAME.PID-N.damo-new`. It is removed when the writing fails, and by [`remove_unfinished`] when a
//! signal ends the program. What a killed program left is removed by the next one that writes the same name.

use crate::error::WriteError;
use crate::file::{create_new, file_error};
use crate::guard::{self, Rules, There};
use damo_model::human::Show;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the names of unfinished files end in.
const SUFFIX: &[u8] = b".damo-new";
/// A file name can have 255 bytes; so many of NAME leave room for the rest.
const LONGEST: usize = 200;
/// Devices that take anything and keep nothing.
const SINKS: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];
/// Descriptors of this process under names.
const DESCRIPTORS: [&str; 4] = ["/dev/fd/", "/proc/self/fd/", "/dev/stderr", "/dev/stdout"];

/// Names of unfinished files of this process. Held while one gets its name, so that a signal comes before or after.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, no file of this process gets its name.
pub struct Ending {
    _names: MutexGuard<'static, Vec<PathBuf>>,
}

/// Removes all unfinished files of this process: for the moment before a signal ends it. Keep what this returns until
/// then.
pub fn remove_unfinished() -> Ending {
    let mut names = unfinished();
    for name in names.drain(..) {
        // Made by this process; where it cannot be removed, the next one tries.
        let _ = fs::remove_file(name);
    }
    Ending { _names: names }
}

/// A file in the making, or a pipe or device that is written to as it is.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    /// Its name until it is whole; `None` for what is written to directly.
    beside: Option<PathBuf>,
    rules: Rules,
    writer: u32,
}

impl NewFile {
    /// Begins a file that will be called `path`. What stands there stays until [`NewFile::commit`]; that it may be
    /// replaced is checked now. `/dev/null`, pipes, terminals (for text) and descriptors (`/dev/fd/N`) are written to
    /// directly.
    ///
    /// # Errors
    /// If something stands there that must not be replaced ([`WriteError::Occupied`]), or if the system refuses, for
    /// example because the directory cannot be written.
    pub fn create(path: impl Into<PathBuf>, rules: Rules) -> Result<Self, WriteError> {
        let path = path.into();
        if let Some(file) = direct(&path, &rules)? {
            return Ok(NewFile { file, path, beside: None, rules, writer: 0 });
        }
        if path.file_name().is_none() {
            let what = "names no file";
            return Err(WriteError::Occupied { path, what, replaceable: false });
        }
        guard::check(&path, &rules, None)?;
        remove_leftovers(&path);
        let (file, beside) = {
            // Held over both, so that a signal finds the name of every file that there is.
            let mut names = unfinished();
            let (file, beside) = create_beside(&path)?;
            names.push(beside.clone());
            (file, beside)
        };
        // From here on the file is removed if anything fails.
        let mut new = NewFile { file, path, beside: Some(beside), rules, writer: 0 };
        // Where the file system has no locks, leftovers are told by their process alone.
        let _ = new.file.try_lock();
        new.writer = new.file.metadata().map_err(|e| file_error("examine", &new.path, e))?.uid();
        guard::check(&new.path, &new.rules, Some(new.writer))?;
        Ok(new)
    }

    /// Sees whether a file of this name could be written, without creating anything.
    ///
    /// # Errors
    /// If something stands there that must not be replaced.
    pub fn check(path: &Path, rules: &Rules) -> Result<(), WriteError> {
        let is_direct = is_descriptor(path) || fs::symlink_metadata(path).is_ok_and(|found| is_direct(&found));
        if is_direct { Ok(()) } else { guard::check(path, rules, None).map(|_| ()) }
    }

    /// Opens a pipe, a device that keeps nothing, a terminal or a descriptor to be written to as it is. `None` for all
    /// other names.
    ///
    /// # Errors
    /// If it is another device, or the system refuses.
    pub fn open_direct(path: &Path, rules: &Rules) -> Result<Option<File>, WriteError> {
        direct(path, rules)
    }

    /// The name that it is to have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Makes sure that the disk has it, and gives it its name.
    ///
    /// # Errors
    /// If the system refuses, or if meanwhile something stands at the name that must not be replaced. Nothing is left
    /// behind then.
    pub fn commit(mut self) -> Result<(), WriteError> {
        self.file.flush().map_err(|e| file_error("write", &self.path, e))?;
        let Some(beside) = self.beside.take() else { return Ok(()) };
        let named = self.name(&beside);
        if named.is_err() {
            self.beside = Some(beside);
        }
        named
    }

    /// Gives the file its name now, while it is empty, and goes on with it: for a log that is of use although its writer was
    /// killed.
    ///
    /// # Errors
    /// As [`NewFile::commit`].
    pub fn into_log(self) -> Result<File, WriteError> {
        let log = self.file.try_clone().map_err(|e| file_error("open", &self.path, e))?;
        self.commit()?;
        Ok(log)
    }

    fn name(&self, beside: &Path) -> Result<(), WriteError> {
        let failed = |what, e| file_error(what, &self.path, e);
        if self.rules.mode != 0o600 {
            let permissions = Permissions::from_mode(self.rules.mode);
            self.file.set_permissions(permissions).map_err(|e| failed("set the permission of", e))?;
        }
        self.file.sync_all().map_err(|e| failed("write", e))?;
        if let Some(heir) = self.rules.heir {
            // Not every file system has owners; then it stays the writer's.
            let _ = fchown(&self.file, Some(heir.uid), Some(heir.gid));
        }
        let mut names = unfinished();
        match guard::check(&self.path, &self.rules, Some(self.writer))? {
            There::Nothing => appear(beside, &self.path)?,
            There::Empty | There::Record | There::Other => {
                fs::rename(beside, &self.path).map_err(|e| failed("rename to", e))?
            }
        }
        names.retain(|name| name != beside);
        drop(names);
        sync_directory(&self.path);
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|e| self.named(e))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|e| self.named(e))
    }
}

impl NewFile {
    /// The error with the file's name, and what became of it.
    fn named(&self, error: io::Error) -> io::Error {
        if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted) {
            return error;
        }
        let path = self.path.shown();
        let fate = match &self.beside {
            None => "",
            Some(_) if self.path.exists() => "; the file of this name is as it was",
            Some(_) => "; no such file was made",
        };
        io::Error::new(error.kind(), format!("cannot write {path}: {error}{fate}"))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(beside) = self.beside.take() {
            let mut names = unfinished();
            // Made by us; where it cannot be removed, the next run tries.
            let _ = fs::remove_file(&beside);
            names.retain(|name| *name != beside);
        }
    }
}

/// Gives a file a name that nothing has. Fails if something has come there in the meantime.
pub(crate) fn appear(from: &Path, to: &Path) -> Result<(), WriteError> {
    let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from) {
        // Not every file system can rename so; most of those can link.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => link(from, to),
        renamed => renamed,
    };
    renamed.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => {
            let what = "appeared while it was written";
            WriteError::Occupied { path: to.into(), what, replaceable: false }
        }
        _ => file_error("rename to", to, e),
    })
}

/// The same by way of two names of one file; where the file system has no second names, by a plain renaming.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
        Err(_) => fs::rename(from, to),
    }
}

/// So that a new name survives a crash of the machine; not every file system can.
pub(crate) fn sync_directory(path: &Path) {
    let _ = File::open(guard::parent(path)).and_then(|directory| directory.sync_all());
}

/// `.NAME.` in front of what tells unfinished files of one name apart.
fn prefix(path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    [b".", name.get(..LONGEST).unwrap_or(name), b"."].concat()
}

/// A new file in the directory of `path`, under a name of its own.
pub(crate) fn create_beside(path: &Path) -> Result<(File, PathBuf), WriteError> {
    let process = std::process::id();
    let mut n = 0u32;
    loop {
        let name = [&prefix(path), format!("{process}-{n}").as_bytes(), SUFFIX].concat();
        let beside = guard::parent(path).join(std::ffi::OsString::from_vec(name));
        match create_new(&beside) {
            Ok(file) => return Ok((file, beside)),
            // Of another process of that number, in a container for example.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && n < 1000 => n += 1,
            Err(e) => return Err(not_created(path, e)),
        }
    }
}

/// Why no file can be made there: the directory is what matters, not the name that the user never sees.
fn not_created(path: &Path, error: io::Error) -> WriteError {
    let directory = guard::parent(path);
    let why = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no directory {}", directory.shown()),
        io::ErrorKind::PermissionDenied => format!("no permission to make files in {}", directory.shown()),
        io::ErrorKind::ReadOnlyFilesystem => format!("{} is on a read-only file system", directory.shown()),
        _ => return file_error("create", path, error),
    };
    file_error("create", path, io::Error::new(error.kind(), why))
}

/// Removes what killed programs left that wrote this name.
pub(crate) fn remove_leftovers(path: &Path) {
    let prefix = prefix(path);
    let Ok(entries) = fs::read_dir(guard::parent(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let middle = name.as_bytes().strip_prefix(&prefix[..]).and_then(|rest| rest.strip_suffix(SUFFIX));
        let process = middle.and_then(|middle| std::str::from_utf8(middle).ok()).and_then(process_of);
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            remove_leftover(&entry.path());
        }
    }
}

/// The process in `PID-N`.
fn process_of(text: &str) -> Option<u32> {
    let (process, n) = text.split_once('-')?;
    n.parse::<u32>().ok()?;
    process.parse().ok()
}

/// Removes one of them, unless another program is at it.
fn remove_leftover(path: &Path) {
    let is_regular = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    if is_regular && File::open(path).is_ok_and(|file| file.try_lock().is_ok()) {
        // Where it cannot be removed it is in nobody's way.
        let _ = fs::remove_file(path);
    }
}

/// Opens what is written to as it is: pipes, devices that keep nothing, terminals, descriptors. `None` for all else.
fn direct(path: &Path, rules: &Rules) -> Result<Option<File>, WriteError> {
    let occupied = |what| Err(WriteError::Occupied { path: path.into(), what, replaceable: false });
    let is_descriptor = is_descriptor(path);
    // The name of a descriptor is a link to what it is.
    let found = if is_descriptor { fs::metadata(path) } else { fs::symlink_metadata(path) };
    let Ok(found) = found else { return Ok(None) };
    if found.is_file() && is_descriptor {
        return occupied("leads to a regular file: give that file's own name");
    }
    if !is_direct(&found) {
        return Ok(None);
    }
    // A pipe that somebody else put there would carry it to them. In a descriptor's place it is the caller's doing.
    let user = fs::metadata("/proc/self").map(|process| process.uid());
    let is_foreign = |user: u32| found.uid() != 0 && !rules.include(Some(user), found.uid());
    if found.file_type().is_fifo() && !is_descriptor && user.is_ok_and(is_foreign) {
        return occupied("is a pipe of another user");
    }
    let file = OpenOptions::new().write(true).open(path).map_err(|e| file_error("open", path, e))?;
    let opened = file.metadata().map_err(|e| file_error("examine", path, e))?;
    if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
        return occupied("was exchanged while it was opened");
    }
    if opened.file_type().is_fifo() || is_sink(&opened) {
        return Ok(Some(file));
    }
    match (file.is_terminal(), rules.kind.is_binary()) {
        (true, false) => Ok(Some(file)),
        (true, true) => occupied("is a terminal, which shows text only"),
        (false, _) => occupied("is a device"),
    }
}

/// Whether a name is one of a descriptor of this process.
fn is_descriptor(path: &Path) -> bool {
    DESCRIPTORS.iter().any(|name| path.as_os_str().as_bytes().starts_with(name.as_bytes()))
}

/// Whether it may be something that is written to as it is.
fn is_direct(found: &Metadata) -> bool {
    found.file_type().is_fifo() || found.file_type().is_char_device()
}

fn is_sink(found: &Metadata) -> bool {
    let is_it = |name: &&str| fs::metadata(name).is_ok_and(|sink| sink.rdev() == found.rdev());
    found.file_type().is_char_device() && SINKS.iter().any(is_it)
}
