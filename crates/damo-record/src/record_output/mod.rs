//! Where a recording goes: one file, standard output, several files in turn, or memory of the last minutes.
//!
//! A [`RecordOutput`] is the far end of the pipeline and lives on the writer thread. It takes items like any sink, is told
//! now and then that time passes ([`RecordOutput::tick`]: finished blocks must not wait for the next item), and is finished or,
//! when the disk is full, rescued.

mod flight_recorder;
mod prelude;
mod prelude_profile;
mod rotate;

pub(crate) use flight_recorder::{FlightRecorder, MOST_BYTES};
pub(crate) use rotate::Rotating;

use crate::error::RecordError;
use crate::request::Output;
use damo_format::{Kind, NewFile, Owner, RecordFile, Rules, Summary, WriteError, Writer, WriterOptions};
use damo_kernel::rights::Rights;
use damo_kernel::streams::stdout_is_closed;
use damo_model::human::Show;
use damo_model::{Item, Nanos, Sink, SinkError};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
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

    /// Ends a file. It counts if it has its name, also if its end could not be written.
    fn finish(
        &mut self,
        file: RecordFile,
        finish: fn(RecordFile) -> Result<Summary, WriteError>,
    ) -> Result<(), RecordError> {
        let name = file.path().to_path_buf();
        let finished = finish(file);
        if let Ok(summary) | Err(WriteError::CutShort { written: summary, .. }) = &finished {
            self.add(summary);
            self.files.push(name.clone());
        }
        finished.map(|_| ()).map_err(|e| RecordError::record(name, &e))
    }
}

/// How the writing ended. What was written before an error counts, and is readable.
#[derive(Default)]
pub(crate) struct Ended {
    pub(crate) written: Written,
    /// Items that the format refused: how many, and why the first one.
    pub(crate) rejected: Option<(u64, String)>,
    /// Targets came when the record had as many as one can have: they and their snapshots were left out.
    pub(crate) was_full: bool,
    /// There was nothing to keep, and nothing is left.
    pub(crate) was_discarded: bool,
    pub(crate) error: Option<RecordError>,
}

/// How far the writing is: for the live line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Snapshots that were put into the record.
    pub snapshots: u64,
    /// Regions of these snapshots.
    pub regions: u64,
    /// Bytes written (or held, by the flight recorder).
    pub bytes: u64,
    /// Of the flight recorder, once its memory did not suffice for the time asked for: how much time it held then.
    pub short: Option<Nanos>,
}

/// The name of standard output.
const STANDARD_OUTPUT: &str = "standard output";

/// Where a recording goes.
pub(crate) enum RecordOutput {
    File(Box<RecordFile>),
    /// Standard output, or a pipe or device under this name.
    Stream(Box<Writer<File>>, PathBuf),
    Rotating(Box<Rotating>),
    FlightRecorder(Box<FlightRecorder>),
}

impl RecordOutput {
    /// Opens what `output` asks for. Nothing is written yet but the file exists, so that a wrong name is known before
    /// anything is started. `options` as for a plain file.
    pub(crate) fn open(output: &Output, options: WriterOptions) -> Result<RecordOutput, RecordError> {
        let Some(path) = &output.path else {
            let out = standard_output().map_err(|e| RecordError::record(STANDARD_OUTPUT, &e))?;
            if out.is_terminal() {
                return Err(RecordError::ToTerminal);
            }
            if stdout_is_closed() {
                return Err(RecordError::ToClosedOutput);
            }
            return stream(out, options, PathBuf::from(STANDARD_OUTPUT));
        };
        let direct =
            NewFile::open_direct(path, &Rules::new(Kind::Record)).map_err(|e| RecordError::record(path, &e))?;
        if let Some(out) = direct {
            if output.keep.is_some() || output.rotation.is_on() {
                return Err(RecordError::SeveralToPipe);
            }
            return stream(out, options, path.clone());
        }
        if let Some(keep) = output.keep {
            return Ok(RecordOutput::FlightRecorder(Box::new(FlightRecorder::new(path.clone(), keep, rules(output))?)));
        }
        if output.rotation.is_on() {
            let rotating = Rotating::create(path.clone(), output.rotation, options, rules(output))?;
            return Ok(RecordOutput::Rotating(Box::new(rotating)));
        }
        Ok(RecordOutput::File(Box::new(create(path, options, rules(output))?)))
    }

    /// Sentences on what was found when it was opened.
    pub(crate) fn notes(&self) -> Vec<String> {
        let note = |path: &PathBuf| {
            format!("An earlier recording of this name was cut short; what it has was kept as {}.", path.shown())
        };
        self.file().map_or(&[][..], RecordFile::set_aside).iter().map(note).collect()
    }

    /// The file that is written, if it is one with a name.
    fn file(&self) -> Option<&RecordFile> {
        match self {
            RecordOutput::File(file) => Some(file),
            RecordOutput::Rotating(rotating) => Some(&rotating.file),
            RecordOutput::Stream(..) | RecordOutput::FlightRecorder(_) => None,
        }
    }

    /// Finishes the block at hand, so that what came so far is readable whatever happens next.
    pub(crate) fn tick(&mut self) -> Result<(), RecordError> {
        let finished = match self {
            RecordOutput::File(file) => file.flush_block(),
            RecordOutput::Stream(writer, _) => writer.flush_block(),
            RecordOutput::Rotating(rotating) => rotating.file.flush_block(),
            RecordOutput::FlightRecorder(_) => Ok(()),
        };
        finished.map_err(|e| RecordError::record(self.name(), &e))
    }

    /// Whether somebody removed or moved the file that is written.
    pub(crate) fn is_gone(&self) -> bool {
        self.file().is_some_and(RecordFile::is_gone)
    }

    /// Writes what the flight recorder holds to a file of its own. Other outputs have nothing to dump.
    pub(crate) fn dump(&mut self) -> Result<Option<Dump>, RecordError> {
        match self {
            RecordOutput::FlightRecorder(recorder) => recorder.dump().map(Some),
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
            RecordOutput::File(file) => from(file.summary()),
            RecordOutput::Stream(writer, _) => from(writer.summary()),
            RecordOutput::Rotating(rotating) => rotating.progress(),
            RecordOutput::FlightRecorder(recorder) => recorder.progress(),
        }
    }

    /// The name to show.
    pub(crate) fn name(&self) -> PathBuf {
        match self {
            RecordOutput::File(file) => file.path().to_path_buf(),
            RecordOutput::Stream(_, name) => name.clone(),
            RecordOutput::Rotating(rotating) => rotating.file.path().to_path_buf(),
            RecordOutput::FlightRecorder(recorder) => recorder.name().to_path_buf(),
        }
    }

    /// Where what was written can be read before it is finished.
    pub(crate) fn place(&self) -> PathBuf {
        match self {
            RecordOutput::File(file) => file.part_path().to_path_buf(),
            _ => self.name(),
        }
    }

    /// Whether it may take nothing for any time without anything being wrong: a reader need not read.
    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self, RecordOutput::Stream(..))
    }

    /// Gives up: nothing is left behind, and an older record stays what it was.
    pub(crate) fn discard(self) {
        match self {
            RecordOutput::File(file) => file.discard(),
            RecordOutput::Rotating(rotating) => rotating.file.discard(),
            RecordOutput::Stream(..) | RecordOutput::FlightRecorder(_) => {}
        }
    }

    /// Finishes after all went well, or rescues what was written before `error`.
    pub(crate) fn end(self, error: Option<RecordError>) -> Ended {
        let is_cut = error.as_ref().is_some_and(RecordError::is_of_the_system);
        let keeps_something = !matches!(self, RecordOutput::Stream(..) | RecordOutput::FlightRecorder(_));
        let (written, late) = self.close(is_cut);
        let error = match error {
            Some(error) if is_cut && keeps_something => Some(error.with_fate(&late)),
            Some(error) => Some(error),
            None => late.err(),
        };
        Ended { written, error, ..Ended::default() }
    }

    /// Writes the end, and gives the file its name.
    #[cfg(test)]
    pub(crate) fn finish(self) -> Result<Written, RecordError> {
        let (written, result) = self.close(false);
        result.map(|()| written)
    }

    /// Gives the file its name: with its end, or `cut` behind the last whole block after the system refused to take more.
    /// What has its name then, also if the end could not be written.
    fn close(self, cut: bool) -> (Written, Result<(), RecordError>) {
        let name = self.name();
        let mut written = Written::default();
        let result = match self {
            RecordOutput::File(file) => {
                let finish = if cut { RecordFile::finish_cut } else { RecordFile::finish_repacked };
                written.finish(*file, finish)
            }
            RecordOutput::Rotating(rotating) => return rotating.end(cut),
            // The pipe's other end has what it took; memory cannot be written to a full disk.
            RecordOutput::Stream(..) | RecordOutput::FlightRecorder(_) if cut => Ok(()),
            RecordOutput::Stream(writer, _) => {
                let finished = writer.finish().map(|(_, summary)| written.add(&summary));
                finished.map_err(|e| RecordError::record(&name, &e))
            }
            RecordOutput::FlightRecorder(recorder) => {
                let finished = recorder.finish();
                return finished.map_or_else(|e| (Written::default(), Err(e)), |written| (written, Ok(())));
            }
        };
        (written, result)
    }
}

impl Sink for RecordOutput {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match self {
            RecordOutput::File(file) => file.put(item),
            RecordOutput::Stream(writer, _) => writer.put(item),
            RecordOutput::Rotating(rotating) => rotating.put(item),
            RecordOutput::FlightRecorder(recorder) => recorder.put(item),
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

/// An output that is written to as items come: standard output, a pipe or a device.
fn stream(out: File, options: WriterOptions, name: PathBuf) -> Result<RecordOutput, RecordError> {
    let writer = Writer::new(out, options).map_err(|e| RecordError::record(&name, &e))?;
    Ok(RecordOutput::Stream(Box::new(writer), name))
}

/// What may be written over; under sudo the record is for the user who called sudo.
/// What is checked of every file that the recording makes.
pub(crate) fn rules(output: &Output) -> Rules {
    // What makes no sense in sudo's variables is told where it matters, when a program is to be run.
    let invoker = Rights::of_invoker().ok().flatten();
    let heir = invoker.map(|rights| Owner { uid: rights.uid, gid: rights.gid });
    Rules { force: output.overwrite, inputs: output.inputs.clone(), heir, ..Rules::new(Kind::Record) }
}

fn create(path: &Path, options: WriterOptions, rules: Rules) -> Result<RecordFile, RecordError> {
    RecordFile::create_with(path, options, rules).map_err(|e| RecordError::record(path, &e))
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
