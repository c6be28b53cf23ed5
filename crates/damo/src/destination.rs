//! Where records are written to: a record file, standard output, or a file in one of the Python tool's formats.

use crate::outputs::{self, Manner, Out};
use crate::{errors, output};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use damo_format::{Kind, WriterOptions};
use damo_import::{JsonWriter, PerfScriptWriter, Written};
use damo_model::{Item, Sink, SinkError};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileType {
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
    pub(crate) fn of(path: &Path, wanted: Option<FileType>) -> Result<FileType> {
        if let Some(wanted) = wanted {
            return Ok(wanted);
        }
        if outputs::is_stdout(path) {
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

/// A file in the making.
pub(crate) struct Destination {
    path: PathBuf,
    form: Form,
}

enum Form {
    Record(Box<damo_format::Writer<BufWriter<Out>>>),
    Json(Box<JsonWriter<BufWriter<Out>>>),
    PerfScript(PerfScriptWriter<BufWriter<Out>>),
}

impl Destination {
    /// Begins a file; `-` is standard output. It gets its name when it is finished; until then, what stands at `path` stays
    /// there. If that is a record, it is replaced with `force` only. `mode` are the permission bits.
    ///
    /// # Errors
    /// If something stands there that must not be replaced, or the system refuses.
    pub(crate) fn create(path: &Path, file_type: FileType, force: bool, mode: u32) -> Result<Self> {
        let bytes = matches!(file_type, FileType::Damo | FileType::JsonCompressed);
        if outputs::is_stdout(path) && bytes && output::is_terminal() {
            bail!("a record is not for terminals: send it into a file or pipe, or ask for text: json or perf_script");
        }
        let kind = match file_type {
            FileType::Damo | FileType::JsonCompressed => Kind::Record,
            _ if outputs::is_stdout(path) => Kind::Text,
            _ => Kind::Record,
        };
        let out = Out::create(path, Manner { kind, force, mode })?;
        let form = match file_type {
            FileType::Damo => Form::Record(Box::new(damo_format::Writer::new(out, WriterOptions::default())?)),
            FileType::PerfScript => Form::PerfScript(PerfScriptWriter::new(out)),
            _ => Form::Json(Box::new(JsonWriter::new(out, file_type == FileType::JsonCompressed))),
        };
        Ok(Self { path: path.to_owned(), form })
    }

    /// Ends the file. Says on stderr what has no place in its format.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn finish(self) -> Result<()> {
        let written = self.form.finish().with_context(|| format!("writing {}", self.path.display()))?;
        let Some(written) = written else { return Ok(()) };
        let name = self.path.display();
        if written.left_out > 0 {
            errors::warn(format_args!(
                "{name}: {} items beside snapshots (mappings, footprints, lost events and others) were left out, because \
                 this format cannot store them",
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
}

impl Form {
    fn finish(self) -> Result<Option<Written>> {
        let (out, written) = match self {
            Self::Record(writer) => (writer.finish()?.0, None),
            Self::Json(writer) => writer.finish().map(|(out, written)| (out, Some(written)))?,
            Self::PerfScript(writer) => writer.finish().map(|(out, written)| (out, Some(written)))?,
        };
        Out::commit(out)?;
        Ok(written)
    }
}

impl Sink for Destination {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match &mut self.form {
            Form::Record(writer) => writer.put(item),
            Form::Json(writer) => writer.put(item),
            Form::PerfScript(writer) => writer.put(item),
        }
    }
}
