//! Marks from outside: lines written to a FIFO beside the record become remarks on its time axis.
//!
//! A FIFO, because any program can write to it without knowing us (`echo "gc starts" > damon.damo.mark`), because a
//! line up to 4 KiB arrives whole, and because opening one without a reader fails: so `damo mark` knows at once when no
//! recording listens, and a recording knows that a FIFO it finds was left by one that was killed.

use crate::error::RecordError;
use damo_kernel::rights::Rights;
use damo_model::human::Show;
use damo_steer::Notifier;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};

/// The longest mark: what a FIFO takes in one piece on every system, less the newline.
const LONGEST: usize = 511;

/// The FIFO's name for a record's name.
pub(crate) fn fifo_of(record: &Path) -> PathBuf {
    let mut name = record.as_os_str().to_os_string();
    name.push(".mark");
    PathBuf::from(name)
}

/// The recording's end of the FIFO. Removed when dropped.
pub(crate) struct Marks {
    path: PathBuf,
    fifo: File,
    unfinished: Vec<u8>,
}

impl Marks {
    /// Makes the FIFO beside `record`, for the present user alone (mode 0600); under sudo for the user who called sudo,
    /// whose programs have something to say. Where there can be no FIFO, as on many file systems of other systems, nobody
    /// can make marks: no reason not to record, but `line` says so.
    ///
    /// # Errors
    /// If something is in its way.
    pub(crate) fn listen(record: &Path, notifier: &mut dyn Notifier) -> Result<Option<Self>, RecordError> {
        // Beside a pipe or device nobody looks for one.
        if std::fs::symlink_metadata(record).is_ok_and(|found| !found.is_file()) {
            return Ok(None);
        }
        let path = fifo_of(record);
        remove_left_over(&path)?;
        let fifo = match make(&path) {
            Ok(fifo) => fifo,
            Err(error) => {
                let error = io::Error::from(error);
                notifier.warn(&format!(
                    "`damo mark` will not work for this recording, because the FIFO {} could not be created: {error}. Write the \
                     record to a file system that supports FIFOs (-o FILE) to use marks.",
                    path.shown()
                ));
                return Ok(None);
            }
        };
        if let Ok(Some(user)) = Rights::of_invoker() {
            // Only a FIFO of ours is given away: the directory may be one in which others can put something else in its
            // place. Where that fails, marks are root's to make.
            let is_ours = |meta: Metadata| meta.file_type().is_fifo() && meta.uid() == 0 && meta.nlink() == 1;
            if fifo.metadata().is_ok_and(is_ours) {
                let _ = fchown(&fifo, Some(user.uid), Some(user.gid));
            }
        }
        Ok(Some(Self { path, fifo, unfinished: Vec::new() }))
    }

    /// Where marks can be written to.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Can be read when a mark comes.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }

    /// The marks that came since the last call.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let mut marks = Vec::new();
        let mut buffer = [0u8; 4096];
        // A writer that never stops must not keep us here.
        for _ in 0..16 {
            match self.fifo.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => self.unfinished.extend_from_slice(&buffer[..n]),
            }
            while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unfinished.drain(..=end).collect();
                marks.extend(clean(&line));
            }
            if self.unfinished.len() > LONGEST {
                let line = std::mem::take(&mut self.unfinished);
                marks.extend(clean(&line));
            }
        }
        marks
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A line as a remark: one line of printable text of a bounded length; `None` if nothing is left.
fn clean(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_string())
}

fn make(path: &Path) -> rustix::io::Result<File> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Read and write: with a writer of its own the FIFO never reports an end between two marks.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fifo = open(path, flags, Mode::empty()).inspect_err(|_| {
        // Nobody would ever read it.
        let _ = std::fs::remove_file(path);
    });
    fifo.map(File::from)
}

fn remove_left_over(path: &Path) -> Result<(), RecordError> {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let busy = |why| RecordError::of_ours(path, why);
    if !meta.file_type().is_fifo() {
        return Err(busy("is in the way of the FIFO for marks: move it, or record to another name with --out"));
    }
    match open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(_) => Err(busy("another recording listens here: record to another name with --out")),
        Err(Errno::NXIO) => std::fs::remove_file(path)
            .map_err(|e| RecordError::io(format!("removing {}, left by an earlier recording", path.shown()), e)),
        Err(e) => Err(RecordError::io(format!("looking at {}", path.shown()), e.into())),
    }
}

/// `damo mark`: writes a mark into the recording that is meant: `record`, or the only one there is.
///
/// # Errors
/// If no recording listens, or several do and none was named.
pub fn run(record: Option<&Path>, text: &str, root: &Path) -> Result<(), RecordError> {
    let record = match record {
        Some(record) => record.to_path_buf(),
        None => the_one_meant(Path::new("damon.damo"), root)?,
    };
    mark(&record, text).map(|_| ())
}

/// The recording in this directory under its usual name, else the only one that runs on this machine.
fn the_one_meant(usual: &Path, root: &Path) -> Result<PathBuf, RecordError> {
    if fifo_of(usual).exists() {
        return Ok(usual.to_path_buf());
    }
    let mut records = listening(root);
    match (records.pop(), records.is_empty()) {
        (Some(record), true) => Ok(record),
        (Some(record), false) => {
            records.push(record);
            Err(RecordError::SeveralRecordings(records))
        }
        // The message says what to do.
        (None, _) => Ok(usual.to_path_buf()),
    }
}

/// The records whose FIFOs are open somewhere, as far as we may see. The notes on recordings do not tell all: one that looks
/// only at what runs already takes none.
fn listening(root: &Path) -> Vec<PathBuf> {
    let below = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let pid =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
    let record = |open: PathBuf| {
        let fifo = std::fs::read_link(&open).ok().filter(|fifo| fifo.extension() == Some("mark".as_ref()))?;
        let (there, listens) = (std::fs::symlink_metadata(&fifo).ok()?, std::fs::metadata(&open).ok()?);
        // In a container the same name may be something else.
        let is_it = there.file_type().is_fifo() && (there.dev(), there.ino()) == (listens.dev(), listens.ino());
        is_it.then(|| fifo.with_extension(""))
    };
    let processes = below(&root.join("proc")).filter(pid);
    let mut records: Vec<PathBuf> =
        processes.flat_map(|process| below(&process.join("fd"))).filter_map(record).collect();
    records.sort();
    records.dedup();
    records
}

/// Writes `text` into the record that is being made, as `damo mark` does.
///
/// `record` is the record's name as given to the recording. Returns the FIFO written to.
///
/// # Errors
/// If no recording listens there, with what to do.
pub fn mark(record: &Path, text: &str) -> Result<PathBuf, RecordError> {
    let path = fifo_of(record);
    let mut line: Vec<u8> = clean(text.as_bytes()).ok_or(RecordError::EmptyMark)?.into_bytes();
    line.truncate(LONGEST);
    line.push(b'\n');
    let what = || format!("marking {}", record.shown());
    let mut fifo = match open(&path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fifo) => File::from(fifo),
        Err(Errno::NXIO | Errno::NOENT) => {
            let why = "no recording to this file is running; start one, or name the record with --record FILE";
            return Err(RecordError::io(what(), io::Error::new(ErrorKind::NotFound, why)));
        }
        Err(e) => return Err(RecordError::io(what(), e.into())),
    };
    if !fifo.metadata().is_ok_and(|meta| meta.file_type().is_fifo()) {
        let why = format!("{} is not a FIFO of a recording", path.shown());
        return Err(RecordError::io(what(), io::Error::new(ErrorKind::InvalidInput, why)));
    }
    fifo.write_all(&line).map_err(|e| RecordError::io(what(), e))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_steer::notifier::Silent;

    fn listen(record: &Path) -> Result<Marks, RecordError> {
        Marks::listen(record, &mut Silent).map(|marks| marks.expect("a FIFO was made"))
    }

    #[test]
    fn a_mark_written_by_anybody_arrives_as_one_clean_line() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("a.damo");
        let mut marks = listen(&record).unwrap();
        mark(&record, "gc starts").unwrap();
        let mut echo = std::fs::OpenOptions::new().write(true).open(marks.path()).unwrap();
        echo.write_all(b"  \x1b[31mred\x1b[0m\n\n").unwrap();
        echo.write_all(b"half ").unwrap();
        assert_eq!(marks.take(), ["gc starts", "[31mred [0m"]);
        echo.write_all(b"a line\n").unwrap();
        assert_eq!(marks.take(), ["half a line"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_not_collected_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut marks = listen(&dir.path().join("a.damo")).unwrap();
        let mut echo = std::fs::OpenOptions::new().write(true).open(marks.path()).unwrap();
        echo.write_all(&[b'x'; 9000]).unwrap();
        assert!(marks.take().iter().all(|text| text.len() <= LONGEST));
        assert!(marks.unfinished.len() <= LONGEST);
    }

    #[test]
    fn without_a_recording_a_mark_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("a.damo");
        assert!(mark(&record, "x").unwrap_err().to_string().contains("no recording"));
        // A FIFO that a killed recording left behind: nobody reads it, and the next recording takes its place.
        let left = listen(&record).unwrap();
        let path = left.path().to_path_buf();
        drop(left);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(mark(&record, "x").unwrap_err().to_string().contains("no recording"));
        listen(&record).unwrap();
        assert!(!path.exists(), "removed at the end");
    }

    #[test]
    fn where_there_can_be_no_fifo_a_recording_does_without() {
        let dir = tempfile::tempdir().unwrap();
        // As vfat refuses any FIFO, every file system refuses one of a name so long.
        let record = dir.path().join("a".repeat(253));
        assert!(Marks::listen(&record, &mut Silent).unwrap().is_none());
    }

    #[test]
    fn two_recordings_to_one_file_are_told_apart_and_a_foreign_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("a.damo");
        let _first = listen(&record).unwrap();
        assert!(listen(&record).err().unwrap().to_string().contains("another recording"));
        let other = dir.path().join("b.damo");
        std::fs::write(fifo_of(&other), "mine").unwrap();
        assert!(listen(&other).is_err());
        assert_eq!(std::fs::read_to_string(fifo_of(&other)).unwrap(), "mine");
    }

    #[test]
    fn without_a_name_the_only_recording_is_meant_whether_or_not_it_took_a_note() {
        let (dir, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let usual = dir.path().join("damon.damo");
        let (first, second) = (dir.path().join("a.damo"), dir.path().join("b"));
        let opens = |pid: i32, fd: i32, path: &Path| {
            let dir = root.path().join(format!("proc/{pid}/fd"));
            std::fs::create_dir_all(&dir).unwrap();
            std::os::unix::fs::symlink(path, dir.join(fd.to_string())).unwrap();
        };
        assert_eq!(the_one_meant(&usual, root.path()).unwrap(), usual, "which the message names");
        let _first = Marks::listen(&first, &mut Silent).unwrap();
        // Its recorder, one who just writes a mark, and other files of such a name.
        opens(7, 5, &fifo_of(&first));
        opens(8, 3, &fifo_of(&first));
        std::fs::write(dir.path().join("c.mark"), "").unwrap();
        opens(8, 4, &dir.path().join("c.mark"));
        opens(8, 5, &dir.path().join("gone.mark"));
        assert_eq!(the_one_meant(&usual, root.path()).unwrap(), first);
        let _second = Marks::listen(&second, &mut Silent).unwrap();
        opens(9, 3, &fifo_of(&second));
        let said = the_one_meant(&usual, root.path()).unwrap_err().to_string();
        assert!(said.contains("several") && said.contains("a.damo, ") && said.contains("--record"), "{said}");
        let _usual = Marks::listen(&usual, &mut Silent).unwrap();
        assert_eq!(the_one_meant(&usual, root.path()).unwrap(), usual);
    }
}
