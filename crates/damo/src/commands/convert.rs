//! `damo convert`: any record into a `.damo` record, or into the Python tool's formats for programs that read those.

use crate::destination::{Destination, FileType};
use crate::errors::{self, Outcome};
use crate::inputs::Known;
use crate::outputs;
use crate::progress::{self, Passing};
use anyhow::{Context, Result};
use clap::Args;
use damo_format::StreamReader;
use damo_model::human::Show;
use damo_model::{Bytes, Sink};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More of a foreign record is not taken from a pipe: it is kept in memory.
const MAX_PIPED: u64 = 4 << 30;

/// Arguments of `damo convert`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  damo convert perf.data app.damo\n  damo convert app.damo app.json\n  \
                        damo convert app.damo - --to perf_script | less")]
pub(crate) struct ConvertArgs {
    /// The record: .damo, or what the Python tool, perf or trace-cmd wrote
    #[arg(value_name = "IN", required_unless_present = "record_file")]
    input: Option<PathBuf>,
    /// The new file; `-` is standard output, a .damo record unless --to says otherwise
    #[arg(value_name = "OUT", required_unless_present_any = ["out", "output_file"])]
    output: Option<PathBuf>,
    /// The same as OUT, as in other commands
    #[arg(short, long = "output", visible_alias = "out", value_name = "FILE", conflicts_with = "output")]
    out: Option<PathBuf>,
    /// The new file's format [default: by OUT's ending: .damo, .json, .data (zlib JSON), .txt (perf script)]
    #[arg(long, visible_alias = "format", value_name = "FORMAT", value_enum)]
    to: Option<FileType>,
    /// Replace OUT if it is a record, or anything else that is not read here
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    known: Known,
    /// As the Python tool spells IN
    #[arg(long = "record_file", value_name = "FILE", hide = true)]
    record_file: Option<PathBuf>,
    /// As the Python tool spells OUT
    #[arg(long = "output_file", value_name = "FILE", hide = true)]
    output_file: Option<PathBuf>,
}

/// Converts.
///
/// # Errors
/// If the input is no record, or the output cannot be written.
pub(crate) fn run(args: &ConvertArgs) -> Result<Outcome> {
    let input = args.input.as_ref().or(args.record_file.as_ref()).context("no record to convert")?;
    let named = args.output.as_ref().or(args.out.as_ref()).or(args.output_file.as_ref());
    let path = named.context("no file to write")?;
    outputs::reads(input);
    let options = args.known.options()?;
    let file_type = FileType::of(path, args.to)?;
    let mut out = Destination::create(path, file_type, args.force, 0o600)?;
    // If that fails, nothing is left behind.
    let read = read(input, &options, &mut out).with_context(|| format!("converting {}", input.shown()))?;
    out.finish()?;
    Ok(read)
}

/// Gives everything in `input` to `sink`.
fn read(input: &Path, options: &damo_import::Options, sink: &mut dyn Sink) -> Result<Outcome> {
    let piped = input == Path::new("-");
    let mut file: Box<dyn Read> = if piped { Box::new(io::stdin()) } else { Box::new(File::open(input)?) };
    let mut head = Vec::new();
    // A directory may hold a trace, and cannot be read as a file.
    if piped || !input.is_dir() {
        file.by_ref().take(64 << 10).read_to_end(&mut head)?;
    }
    if damo_format::sniff(&head) {
        let size = if piped { 0 } else { std::fs::metadata(input)?.len() };
        return ours(io::Cursor::new(head).chain(file), &input.shown().to_string(), size, sink);
    }
    let imported = progress::counted(0, |count| -> Result<_> {
        let sink = &mut Passing { count, out: sink };
        // What is no regular file can be read only once.
        if piped || !(input.is_file() || input.is_dir()) {
            let name = input.display().to_string();
            return Ok(damo_import::import_stream(io::Cursor::new(head).chain(file), &name, options, MAX_PIPED, sink)?);
        }
        drop(file);
        Ok(damo_import::import_path(input, options, sink)?)
    })?;
    for note in &imported.notes {
        errors::note(format_args!("{}: {note}", input.shown()));
    }
    Ok(if imported.damaged { Outcome::Partial } else { Outcome::Fine })
}

/// A `.damo` record of `size` bytes, or of an unknown number.
fn ours(file: impl Read, name: &str, size: u64, sink: &mut dyn Sink) -> Result<Outcome> {
    let mut stream = StreamReader::new(file)?.with_length(Bytes(size));
    progress::counted(size, |count| -> Result<()> {
        while let Some(item) = stream.next_item()? {
            if size > 0 {
                count.set(stream.position().0);
            } else {
                count.snapshot(&item);
            }
            sink.put(&item)?;
        }
        Ok(())
    })?;
    for damage in stream.damage() {
        errors::warn(format_args!("{name}: {damage}"));
    }
    if stream.lost_snapshots() > 0 {
        errors::warn(format_args!("{name}: {} snapshots are missing", stream.lost_snapshots()));
    }
    if stream.pending().0 > 0 {
        let (bytes, at) = (stream.pending().0, stream.position().0);
        errors::warn(format_args!(
            "{name}: it ends within a block: the last {bytes} bytes, from offset {at} on, cannot be read"
        ));
    }
    if !stream.is_finished() {
        errors::warn(format_args!(
            "{name}: the record has no end: it is still being written, or its recording was cut short. All whole blocks \
             were converted; at most the last two seconds of a recording are in none"
        ));
    }
    Ok(if stream.damage().is_empty() && stream.is_finished() { Outcome::Fine } else { Outcome::Partial })
}
