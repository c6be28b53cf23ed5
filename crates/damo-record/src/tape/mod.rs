//! Where a recording goes: one file, standard output, several files in turn, or memory of the last minutes.
//!
//! A [`Tape`] is the far end of the pipeline and lives on the writer thread. It takes items like any sink, is told
//! now and then that time passes ([`Tape::tick`]: finished blocks must not wait for the next item), and is finished or,
//! when the disk is full, rescued.

mod flight;
mod prelude;
mod rotate;

pub(crate) use flight::{Flight, MOST_BYTES};
pub(crate) use rotate::Rotating;

use crate::args::UsageError;
use crate::error::RecordError;
use crate::request::Output;
use damo_format::{Owner, RecordFile, Summary, Writer, WriterOptions};
use damo_kernel::rights::Rights;
use damo_model::human::Show;
use damo_model::{Item, Nanos, Sink, SinkError};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What was written when all is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The files, in order; empty for standard output.
    pub files: Vec<PathBuf>,
    /// Snapshots of all files.
    pub snapshots: u64,
    /// Regions of all files.
    pub regions: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Of the flight recorder: how much time its last file holds.
    pub held: Option<Nanos>,
}

/// What the flight recorder wrote when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dump {
    pub(crate) file: PathBuf,
    pub(crate) held: Nanos,
    /// Whether memory did not suffice for the time asked for.
    pub(crate) is_short: bool,
}

impl Written {
    fn add(&mut self, summary: &Summary) {
        self.snapshots += summary.snapshots;
        self.regions += summary.regions;
        self.bytes += summary.bytes.0;
    }
}

/// How the writing ended. What was written before an error counts, and is readable.
pub(crate) struct Ended {
    pub(crate) written: Written,
    /// Items that the format refused: how many, and why the first one.
    pub(crate) rejected: Option<(u64, String)>,
    /// Targets came when the record had as many as one can have: they and their snapshots were left out.
    pub(crate) was_full: bool,
    pub(crate) error: Option<RecordError>,
}

/// How far the writing is: for the live line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Snapshots taken.
    pub snapshots: u64,
    /// Regions taken.
    pub regions: u64,
    /// Bytes written (or held, by the flight recorder).
    pub bytes: u64,
    /// Of the flight recorder, once its memory did not suffice for the time asked for: how much time it held then.
    pub short: Option<Nanos>,
}

/// Where a recording goes.
pub(crate) enum Tape {
    File(Box<RecordFile>),
    Stdout(Box<Writer<File>>),
    Rotating(Box<Rotating>),
    Flight(Box<Flight>),
}

impl Tape {
    /// Opens what `output` asks for. Nothing is written yet but the file exists, so that a wrong name is known before
    /// anything is started. `options` as for a plain file.
    pub(crate) fn open(output: &Output, options: WriterOptions) -> Result<Tape, RecordError> {
        let Some(path) = &output.path else {
            let out = standard_output().map_err(|e| RecordError::record("standard output", &e))?;
            if out.is_terminal() {
                let text = "a record is not for terminals: name a file with -o FILE, or send it on: -o - | PROGRAM";
                return Err(UsageError(text.to_string()).into());
            }
            if is_in_place_of_a_closed_one(&out) {
                let text = "standard output is closed, so the record would be lost: name a file with -o FILE, or send it on: \
                            -o - | PROGRAM";
                return Err(UsageError(text.to_string()).into());
            }
            let writer = Writer::new(out, options).map_err(|e| RecordError::record("standard output", &e))?;
            return Ok(Tape::Stdout(Box::new(writer)));
        };
        if let Some(keep) = output.keep {
            return Ok(Tape::Flight(Box::new(Flight::new(path.clone(), keep, output.overwrite)?)));
        }
        if output.rotation.is_on() {
            return Ok(Tape::Rotating(Box::new(Rotating::create(
                path.clone(),
                output.rotation,
                options,
                output.overwrite,
            )?)));
        }
        Ok(Tape::File(Box::new(create(path, options, output.overwrite)?)))
    }

    /// Sentences on what was found when it was opened.
    pub(crate) fn notes(&self) -> Vec<String> {
        let set_aside = match self {
            Tape::File(file) => file.set_aside(),
            Tape::Rotating(rotating) => rotating.set_aside(),
            Tape::Stdout(_) | Tape::Flight(_) => &[],
        };
        let note = |path: &PathBuf| {
            format!("An earlier recording of this name was cut short; what it has was kept as {}.", path.shown())
        };
        set_aside.iter().map(note).collect()
    }

    /// Finishes the block at hand, so that what came so far is readable whatever happens next.
    pub(crate) fn tick(&mut self) -> Result<(), RecordError> {
        match self {
            Tape::File(file) => file.flush_block().map_err(|e| RecordError::record(file.path(), &e)),
            Tape::Stdout(writer) => writer.flush_block().map_err(|e| RecordError::record("standard output", &e)),
            Tape::Rotating(rotating) => rotating.tick(),
            Tape::Flight(_) => Ok(()),
        }
    }

    /// Whether somebody removed or moved the file that is written.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Tape::File(file) => file.is_gone(),
            Tape::Rotating(rotating) => rotating.is_gone(),
            Tape::Stdout(_) | Tape::Flight(_) => false,
        }
    }

    /// Writes what the flight recorder holds to a file of its own. Other tapes have nothing to dump.
    pub(crate) fn dump(&mut self) -> Result<Option<Dump>, RecordError> {
        match self {
            Tape::Flight(flight) => flight.dump().map(Some),
            _ => Ok(None),
        }
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        let from = |summary: Summary| Progress {
            snapshots: summary.snapshots,
            regions: summary.regions,
            bytes: summary.bytes.0,
            short: None,
        };
        match self {
            Tape::File(file) => from(file.summary()),
            Tape::Stdout(writer) => from(writer.summary()),
            Tape::Rotating(rotating) => rotating.progress(),
            Tape::Flight(flight) => flight.progress(),
        }
    }

    /// The name to show.
    pub(crate) fn name(&self) -> PathBuf {
        match self {
            Tape::File(file) => file.path().to_path_buf(),
            Tape::Stdout(_) => PathBuf::from("standard output"),
            Tape::Rotating(rotating) => rotating.name().to_path_buf(),
            Tape::Flight(flight) => flight.name().to_path_buf(),
        }
    }

    /// Where what was written can be read before it is finished.
    pub(crate) fn place(&self) -> PathBuf {
        match self {
            Tape::File(file) => file.part_path().to_path_buf(),
            _ => self.name(),
        }
    }

    /// Whether it may take nothing for any time without anything being wrong: a reader need not read.
    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self, Tape::Stdout(_))
    }

    /// Gives up before anything was recorded: nothing is left behind, and an older record stays what it was.
    pub(crate) fn discard(self) {
        let part = match &self {
            Tape::File(file) => Some(file.part_path().to_path_buf()),
            Tape::Rotating(rotating) => Some(rotating.part_path().to_path_buf()),
            Tape::Stdout(_) | Tape::Flight(_) => None,
        };
        drop(self);
        if let Some(part) = part {
            // It holds nothing but a file header; where it cannot be removed the next recording sets it aside.
            let _ = std::fs::remove_file(part);
        }
    }

    /// Finishes after all went well, or rescues what was written before `error`.
    pub(crate) fn end(self, error: Option<RecordError>) -> Ended {
        let finished = match &error {
            Some(error) if error.is_of_the_system() => self.rescue(),
            _ => self.finish(),
        };
        match finished {
            Ok(written) => Ended { written, rejected: None, was_full: false, error },
            Err(late) => {
                let error = error.or(Some(late));
                Ended { written: Written::default(), rejected: None, was_full: false, error }
            }
        }
    }

    /// Gives what was written before the system refused its name: every finished block of it reads.
    fn rescue(self) -> Result<Written, RecordError> {
        let name = self.name();
        let mut written = Written::default();
        match self {
            Tape::File(file) => {
                written.add(&file.finish_cut().map_err(|e| RecordError::record(&name, &e))?);
                written.files.push(name);
            }
            Tape::Rotating(rotating) => written = rotating.rescue()?,
            // The pipe's other end has what it took; memory cannot be written to a full disk.
            Tape::Stdout(_) | Tape::Flight(_) => {}
        }
        Ok(written)
    }

    /// Writes the end, and gives the file its name.
    pub(crate) fn finish(self) -> Result<Written, RecordError> {
        let name = self.name();
        let mut written = Written::default();
        match self {
            Tape::File(file) => {
                written.add(&file.finish_repacked().map_err(|e| RecordError::record(&name, &e))?);
                written.files.push(name);
            }
            Tape::Stdout(writer) => {
                let (_, summary) = writer.finish().map_err(|e| RecordError::record(&name, &e))?;
                written.add(&summary);
            }
            Tape::Rotating(rotating) => written = rotating.finish()?,
            Tape::Flight(flight) => written = flight.finish()?,
        }
        Ok(written)
    }
}

impl Sink for Tape {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match self {
            Tape::File(file) => file.put(item),
            Tape::Stdout(writer) => writer.put(item),
            Tape::Rotating(rotating) => rotating.put(item),
            Tape::Flight(flight) => flight.put(item),
        }
    }
}

/// Without the lock of [`io::stdout`]: whoever leaves the writer thread to an output that takes nothing must not be held
/// up by it. The thread has a file of its own, and at the end of the process nobody waits for that.
fn standard_output() -> io::Result<File> {
    #[cfg(test)]
    if let Some(pipe) = tests::PIPE.take() {
        return Ok(pipe);
    }
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Whether an output leads nowhere because there was none: for a closed standard output the runtime opens the null device
/// before `main`, and that for reading as well, which `>/dev/null` does not. Some programs that give theirs no output do
/// the same.
fn is_in_place_of_a_closed_one(output: impl AsFd) -> bool {
    let null = std::fs::metadata("/dev/null").map(|null| null.rdev());
    let found = fstat(&output).ok().filter(|found| FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice);
    found.zip(null.ok()).is_some_and(|(found, null)| found.st_rdev == null)
        && fcntl_getfl(&output).is_ok_and(|flags| flags & OFlags::ACCMODE == OFlags::RDWR)
}

/// A record file; under sudo for the user who called sudo.
fn create(path: &Path, options: WriterOptions, overwrite: bool) -> Result<RecordFile, RecordError> {
    // What makes no sense in sudo's variables is told where it matters, when a program is to be run.
    let invoker = Rights::of_invoker().ok().flatten();
    let heir = invoker.map(|rights| Owner { uid: rights.uid, gid: rights.gid });
    RecordFile::create_for(heir, path, options, overwrite).map_err(|e| RecordError::record(path, &e))
}

/// `damon.damo` → `damon.0001.damo`; a name without extension gets the number at its end.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default();
    let mut name = stem.to_os_string();
    name.push(format!(".{number:04}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
pub(crate) mod tests;
