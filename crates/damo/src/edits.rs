//! What the commands have in common that make a record of a record: where the new one goes, passing items on, saying
//! what was done.

use crate::destination::{Destination, FileType};
use crate::errors::{self, Outcome};
use crate::inputs::{Inputs, Opened};
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_cli::ValueError;
use damo_frame::Record;
use damo_model::{Item, Sink, SinkError};
use std::path::PathBuf;

/// Where the new record goes.
#[derive(Args, Clone, Debug)]
pub(crate) struct OutputArgs {
    /// The new record; `-` is standard output [default: named after what was done: damon.adjusted.damo,
    /// damon.cut.damo, damon.merged.damo, damon.anonymous.damo]
    #[arg(short, long = "output", alias = "out", value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Its format [default: by FILE's ending: .damo, .json, .data (zlib JSON), .txt (perf script)]
    #[arg(long = "output_type", alias = "to", value_name = "FORMAT", value_enum, help_heading = "Output")]
    output_type: Option<FileType>,
    /// Its permission, in octal
    #[arg(
        long = "output_permission",
        value_name = "OCTAL",
        value_parser = permission,
        default_value = "600",
        help_heading = "Output"
    )]
    output_permission: u32,
    /// Replace FILE if it is a record, or anything else that is not read here
    #[arg(short, long, help_heading = "Output")]
    force: bool,
}

/// Permission bits in octal.
pub(crate) fn permission(text: &str) -> Result<u32, ValueError> {
    let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o777);
    bits.ok_or(ValueError::Unwanted("give an octal number from 0 to 777"))
}

impl OutputArgs {
    /// Makes the new file of what `work` gives to its sink. If that fails, nothing is left behind.
    ///
    /// # Errors
    /// Whatever `work` returns; or if the file cannot be written.
    pub(crate) fn write<T>(&self, default: &str, work: impl FnOnce(&mut dyn Sink) -> Result<T>) -> Result<T> {
        let path = self.path(default);
        let file_type = FileType::of(&path, self.output_type)?;
        let mut out = Destination::create(&path, file_type, self.force, self.output_permission)?;
        // If that fails, nothing is left behind.
        let done = work(&mut out)?;
        out.finish()?;
        Ok(done)
    }

    /// The new file's name.
    pub(crate) fn path(&self, default: &str) -> PathBuf {
        self.output.clone().unwrap_or_else(|| default.into())
    }
}

/// The one record that a command changes.
///
/// # Errors
/// If several are named, or it cannot be read.
pub(crate) fn open_one(inputs: &Inputs, files: &[PathBuf]) -> Result<Opened> {
    let paths = inputs.paths(files)?;
    if paths.len() > 1 {
        bail!("one record is changed at a time, and {} are named; `damo merge` makes one of several", paths.len());
    }
    inputs.known.open(&paths)
}

/// Gives all items of a record to a sink. Whether parts could not be read beyond those that the record knows of.
///
/// # Errors
/// If it cannot be read, or the sink takes no more.
pub(crate) fn pass(record: &Record, sink: &mut dyn Sink) -> Result<Outcome> {
    let mut items = record.reader().stream()?;
    progress::counted(record.totals().snapshots, |count| {
        while let Some(item) = items.next_item()? {
            count.snapshot(&item);
            sink.put(&item)?;
        }
        anyhow::Ok(())
    })?;
    Ok(late_damage(record, items.stream().damage()))
}

/// Tells of damage that was not seen when the record was opened: of large ones only the index is read then.
pub(crate) fn late_damage(record: &Record, damage: &[damo_format::Damage]) -> Outcome {
    if !record.damage().is_empty() || damage.is_empty() {
        return Outcome::Fine;
    }
    for damage in damage {
        errors::warn(format_args!("{}: {damage}", record.name()));
    }
    Outcome::Partial
}

/// The worse of what was known when the records were opened and what came to light later.
pub(crate) fn outcome(opened: &Opened, late: Outcome) -> Outcome {
    match opened.outcome() {
        Outcome::Fine => late,
        known => known,
    }
}

/// Adds a line to the history of the record that passes through.
pub(crate) struct History<'a> {
    line: String,
    out: &'a mut dyn Sink,
}

impl<'a> History<'a> {
    /// `what` was done, in words without names or times of day: the same input must give the same record.
    pub(crate) fn new(what: &str, out: &'a mut dyn Sink) -> Self {
        Self { line: format!("damo {}: {what}", env!("CARGO_PKG_VERSION")), out }
    }
}

impl Sink for History<'_> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        let Item::Meta(meta) = item else { return self.out.put(item) };
        let mut meta = meta.clone();
        meta.history.push(self.line.clone());
        self.out.put(&Item::Meta(meta))
    }
}
