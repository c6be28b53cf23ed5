//! Access to the kernel's files, all of them under a root directory that the caller gives.
//!
//! The trait exists for a second implementation: [`crate::sysfs::MemorySysfs`], an in-memory DAMON that reacts to writes
//! as the kernel does. Tests run against it, and `--dry-run` shows what it was told.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a busy file is read again: for two seconds in all, many times what a command takes.
const BUSY_TRIES: u32 = 200;
/// Between two readings of a busy file.
const BUSY_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Pseudo files are small; nothing longer than this is read, so that no file can exhaust memory.
const MAX_FILE: u64 = 32 << 20;
/// Nearly all of them are shorter than this.
const USUAL_FILE: usize = 8 << 10;

/// Reads and writes pseudo files, named relative to a root: `proc/1/comm`.
pub trait Io: Send + Sync + fmt::Debug {
    /// The whole file.
    ///
    /// # Errors
    /// As the kernel gives them.
    fn read(&self, rel: &str) -> io::Result<Vec<u8>>;

    /// Writes `value` in one go, without a newline.
    ///
    /// # Errors
    /// As the kernel gives them.
    fn write(&self, rel: &str, value: &str) -> io::Result<()>;

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// As the kernel gives them.
    fn list(&self, rel: &str) -> io::Result<Vec<String>>;

    /// Whether there is a file or a directory of that name.
    fn exists(&self, rel: &str) -> bool;

    /// Whether it is a directory.
    fn is_dir(&self, rel: &str) -> bool;

    /// Where a symbolic link points to.
    ///
    /// # Errors
    /// If it is none.
    fn link(&self, rel: &str) -> io::Result<String> {
        let _ = rel;
        Err(io::Error::from(io::ErrorKind::NotFound))
    }

    /// Whether the file's mode lets its owner write it.
    fn writable(&self, rel: &str) -> bool;

    /// The path to name in messages.
    fn shown(&self, rel: &str) -> PathBuf;

    /// The path to open or to watch by other means than these; `None` where there are no real files.
    fn real(&self, rel: &str) -> Option<PathBuf> {
        let _ = rel;
        None
    }

    /// Whether these are the files of the machine that we run on, so that its system calls speak of the same processes.
    fn is_machine(&self) -> bool {
        false
    }
}

/// The files below a directory: `/` on a live machine, a temporary directory in tests.
#[derive(Clone, Debug)]
struct DirIo {
    root: PathBuf,
}

impl DirIo {
    /// Everything is looked up below `root`.
    fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.root.join(rel.trim_start_matches('/'))
    }
}

impl Io for DirIo {
    fn read(&self, rel: &str) -> io::Result<Vec<u8>> {
        // Room from the start: such a file does not tell its size, and each further read makes the kernel begin anew.
        let mut bytes = Vec::with_capacity(USUAL_FILE);
        fs::File::open(self.path(rel))?.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, rel: &str, value: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).truncate(true).open(self.path(rel))?;
        file.write_all(value.as_bytes())
    }

    fn list(&self, rel: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(rel))? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn exists(&self, rel: &str) -> bool {
        self.path(rel).exists()
    }

    fn is_dir(&self, rel: &str) -> bool {
        self.path(rel).is_dir()
    }

    fn link(&self, rel: &str) -> io::Result<String> {
        Ok(fs::read_link(self.path(rel))?.to_string_lossy().into_owned())
    }

    fn writable(&self, rel: &str) -> bool {
        fs::metadata(self.path(rel)).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o200 != 0)
    }

    fn shown(&self, rel: &str) -> PathBuf {
        self.path(rel)
    }

    fn real(&self, rel: &str) -> Option<PathBuf> {
        Some(self.path(rel))
    }

    fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }
}

/// Each file is read and each directory listed only once: for many questions about the same moment.
#[derive(Debug)]
struct Remembering {
    io: Arc<dyn Io>,
    read: Mutex<HashMap<String, Vec<u8>>>,
    listed: Mutex<HashMap<String, Vec<String>>>,
}

/// What `known` has of `rel`, or else what `ask` gives; errors are not kept.
fn once<T: Clone>(known: &Mutex<HashMap<String, T>>, rel: &str, ask: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(value) = known.get(rel) {
        return Ok(value.clone());
    }
    let value = ask()?;
    known.insert(rel.to_owned(), value.clone());
    Ok(value)
}

impl Io for Remembering {
    fn read(&self, rel: &str) -> io::Result<Vec<u8>> {
        once(&self.read, rel, || self.io.read(rel))
    }

    fn write(&self, rel: &str, value: &str) -> io::Result<()> {
        // A write may change any file here.
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.io.write(rel, value)
    }

    fn list(&self, rel: &str) -> io::Result<Vec<String>> {
        once(&self.listed, rel, || self.io.list(rel))
    }

    fn exists(&self, rel: &str) -> bool {
        self.io.exists(rel)
    }

    fn is_dir(&self, rel: &str) -> bool {
        self.io.is_dir(rel)
    }

    fn link(&self, rel: &str) -> io::Result<String> {
        self.io.link(rel)
    }

    fn writable(&self, rel: &str) -> bool {
        self.io.writable(rel)
    }

    fn shown(&self, rel: &str) -> PathBuf {
        self.io.shown(rel)
    }

    fn real(&self, rel: &str) -> Option<PathBuf> {
        self.io.real(rel)
    }

    fn is_machine(&self) -> bool {
        self.io.is_machine()
    }
}

/// A shared handle on an [`Io`], with errors that name the file.
#[derive(Clone, Debug)]
pub struct Root {
    io: Arc<dyn Io>,
}

impl Root {
    /// The files below a directory; `/` for the machine that we run on.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { io: Arc::new(DirIo::new(root)) }
    }

    /// Any other implementation, for tests and dry runs.
    pub fn with_io(io: Arc<dyn Io>) -> Self {
        Self { io }
    }

    /// The same files, of which each is read only once from now on, and each directory listed once.
    pub fn remembering(&self) -> Self {
        Self::with_io(Arc::new(Remembering { io: self.io.clone(), read: Mutex::default(), listed: Mutex::default() }))
    }

    /// The machine that we run on.
    pub fn host() -> Self {
        Self::new("/")
    }

    /// The underlying files.
    pub fn io(&self) -> &dyn Io {
        self.io.as_ref()
    }

    /// Whether there is such a file.
    pub fn exists(&self, rel: &str) -> bool {
        self.io.exists(rel)
    }

    /// The path to name in messages.
    pub fn shown(&self, rel: &str) -> PathBuf {
        self.io.shown(rel)
    }

    /// The whole file as bytes.
    ///
    /// # Errors
    /// [`Error::Read`], with what is usually behind it.
    pub(crate) fn read_bytes(&self, rel: &str) -> Result<Vec<u8>> {
        // DAMON's files answer EBUSY while the kernel carries out a command of another thread or program.
        let mut tries = BUSY_TRIES;
        loop {
            match self.io.read(rel) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && tries > 0 => {
                    tries -= 1;
                    std::thread::sleep(BUSY_PAUSE);
                }
                done => return done.map_err(|source| self.cannot_read(rel, source)),
            }
        }
    }

    /// An error of reading, with what is usually behind it.
    pub(crate) fn cannot_read(&self, rel: &str, source: io::Error) -> Error {
        let remedy = match source.kind() {
            io::ErrorKind::PermissionDenied => "This needs root: run it with sudo".to_owned(),
            _ => String::new(),
        };
        Error::Read { path: self.shown(rel), source, remedy }
    }

    /// The whole file as text, bytes that are not UTF-8 replaced.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn read_text(&self, rel: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read_bytes(rel)?).into_owned())
    }

    /// The file's text without blanks at its ends.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn read_line(&self, rel: &str) -> Result<String> {
        Ok(self.read_text(rel)?.trim().to_owned())
    }

    /// A number in a file of its own.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Content`] if it is not a number of that type.
    pub fn read_number<T: std::str::FromStr>(&self, rel: &str) -> Result<T> {
        let text = self.read_line(rel)?;
        text.parse().map_err(|_| Error::Content {
            path: self.shown(rel),
            expected: "a number",
            found: crate::error::excerpt(&text),
        })
    }
}

impl From<&Path> for Root {
    fn from(path: &Path) -> Self {
        Root::new(path)
    }
}
