//! Where records are written to: a record file, standard output, or a file in one of the Python tool's formats.

use crate::{errors, output};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use damo_format::{RecordFile, WriterOptions};
use damo_import::{JsonWriter, PerfScriptWriter, Written};
use damo_model::{Item, Sink, SinkError};
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileType {
    /// Our record
    Damo,
    /// The Python tool's JSON
    Json,
    /// The same, compressed by zlib: its default
    #[value(name = "json_compressed", alias = "json-compressed")]
    JsonCompressed,
    /// Text as `perf script` prints it; intervals are lost
    #[value(name = "perf_script", alias = "perf-script")]
    PerfScript,
}

impl FileType {
    /// What was asked for, else what a file of this name holds.
    ///
    /// # Errors
    /// If the name does not say.
    pub fn of(path: &Path, wanted: Option<FileType>) -> Result<FileType> {
        if let Some(wanted) = wanted {
            return Ok(wanted);
        }
        if path == Path::new("-") {
            return Ok(FileType::Damo);
        }
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("damo") => Ok(FileType::Damo),
            Some("json") => Ok(FileType::Json),
            Some("data") => Ok(FileType::JsonCompressed),
            Some("txt" | "script") => Ok(FileType::PerfScript),
            _ => bail!(
                "{}: the name does not say what to write: let it end in .damo, .json, .data or .txt, or give the format \
                 (--to)",
                path.display()
            ),
        }
    }
}

type Out = BufWriter<Box<dyn Write>>;

/// A file in the making.
pub struct Destination {
    path: PathBuf,
    form: Form,
}

enum Form {
    Record(Box<RecordFile>),
    RecordStream(Box<damo_format::Writer<Out>>),
    Json(Box<JsonWriter<Out>>),
    PerfScript(PerfScriptWriter<Out>),
}

impl Destination {
    /// Begins a file that is made of `inputs`; `-` is standard output. What stands at `path` is kept, unless it is a
    /// record, which becomes `PATH.old`, or `force` is given.
    ///
    /// # Errors
    /// If something stands there, or the system refuses.
    pub fn create(path: &Path, file_type: FileType, force: bool, inputs: &[PathBuf]) -> Result<Self> {
        let bytes = matches!(file_type, FileType::Damo | FileType::JsonCompressed);
        if path == Path::new("-") && bytes && output::is_terminal() {
            bail!("a record is not for terminals: send it into a file or pipe, or ask for text: json or perf_script");
        }
        let form = match file_type {
            FileType::Damo if path == Path::new("-") => {
                Form::RecordStream(Box::new(damo_format::Writer::new(open(path, force)?, WriterOptions::default())?))
            }
            // Written under another name until it is complete: its inputs are safe.
            FileType::Damo => Form::Record(Box::new(RecordFile::create(path, WriterOptions::default(), force)?)),
            _ => {
                if let Some(input) = inputs.iter().find(|input| is_same_file(input, path)) {
                    bail!("{} is what is read: writing it would lose it; choose another name", input.display());
                }
                let out = open(path, force)?;
                match file_type {
                    FileType::PerfScript => Form::PerfScript(PerfScriptWriter::new(out)),
                    _ => Form::Json(Box::new(JsonWriter::new(out, file_type == FileType::JsonCompressed))),
                }
            }
        };
        Ok(Self { path: path.to_owned(), form })
    }

    /// Ends the file. Says on stderr what has no place in its format.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn finish(self) -> Result<()> {
        let written = self.form.finish().with_context(|| format!("writing {}", self.path.display()))?;
        let Some(written) = written else { return Ok(()) };
        let name = self.path.display();
        if written.left_out > 0 {
            errors::warn(format_args!(
                "{name}: {} things beside snapshots (mappings, footprints, losses and the like) have no place in this \
                 format",
                written.left_out
            ));
        }
        if written.other_aggregations > 0 {
            errors::warn(format_args!(
                "{name}: this format has one aggregation interval for all snapshots; access rates of {} of them, which \
                 have another, will be read wrongly (.damo keeps them)",
                written.other_aggregations
            ));
        }
        Ok(())
    }

    /// Gives up: nothing is left behind.
    pub fn discard(self) {
        let left = match &self.form {
            Form::Record(file) => file.part_path().to_owned(),
            Form::RecordStream(_) => return,
            _ if self.path == Path::new("-") => return,
            _ => self.path.clone(),
        };
        drop(self.form);
        // Made by us above; where it cannot be removed it is in nobody's way.
        let _ = fs::remove_file(left);
    }
}

impl Form {
    fn finish(self) -> Result<Option<Written>> {
        let (mut out, written) = match self {
            Self::Record(file) => {
                file.finish()?;
                return Ok(None);
            }
            Self::RecordStream(writer) => (writer.finish()?.0, None),
            Self::Json(writer) => writer.finish().map(|(out, written)| (out, Some(written)))?,
            Self::PerfScript(writer) => writer.finish().map(|(out, written)| (out, Some(written)))?,
        };
        out.flush()?;
        Ok(written)
    }
}

impl Sink for Destination {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match &mut self.form {
            Form::Record(file) => file.put(item),
            Form::RecordStream(writer) => writer.put(item),
            Form::Json(writer) => writer.put(item),
            Form::PerfScript(writer) => writer.put(item),
        }
    }
}

/// Whether two names are of one file that exists.
fn is_same_file(a: &Path, b: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|data| (data.dev(), data.ino()));
    matches!((identity(a), identity(b)), (Ok(a), Ok(b)) if a == b)
}

/// A new file that only its owner reads, as records are; an existing one is kept unless `force`.
fn open(path: &Path, force: bool) -> Result<Out> {
    if path == Path::new("-") {
        return Ok(output::buffered(Box::new(io::stdout())));
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let file = options.open(path).with_context(|| {
        format!("creating {}{}", path.display(), if path.exists() { ": it exists; --force overwrites it" } else { "" })
    })?;
    Ok(output::buffered(Box::new(file)))
}
