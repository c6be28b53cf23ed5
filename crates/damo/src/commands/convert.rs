//! `damo convert`: any record into a `.damo` record, or into the Python tool's formats for programs that read those.

use crate::destination::{Destination, FileType};
use crate::errors::{self, Outcome};
use crate::inputs::Known;
use anyhow::{Context, Result};
use clap::Args;
use damo_format::StreamReader;
use damo_model::Sink;
use damo_model::human::Show;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More of a foreign record is not taken from a pipe: it is kept in memory.
const MAX_PIPED: u64 = 4 << 30;

/// Arguments of `damo convert`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  damo convert perf.data app.damo\n  damo convert app.damo app.json\n  \
                        damo convert app.damo - --to perf_script | less")]
pub struct ConvertArgs {
    /// The record: .damo, or what the Python tool, perf or trace-cmd wrote
    #[arg(value_name = "IN", required_unless_present = "record_file")]
    input: Option<PathBuf>,
    /// The new file; `-` is standard output, a .damo record unless --to says otherwise
    #[arg(value_name = "OUT", required_unless_present = "output_file")]
    output: Option<PathBuf>,
    /// The new file's format [default: by OUT's ending: .damo, .json, .data (zlib JSON), .txt (perf script)]
    #[arg(long, visible_alias = "format", value_name = "FORMAT", value_enum)]
    to: Option<FileType>,
    /// Overwrite OUT even if it is not a record
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
pub fn run(args: &ConvertArgs) -> Result<Outcome> {
    let input = args.input.as_ref().or(args.record_file.as_ref()).context("no record to convert")?;
    let path = args.output.as_ref().or(args.output_file.as_ref()).context("no file to write")?;
    let options = args.known.options()?;
    let file_type = FileType::of(path, args.to)?;
    let mut out = Destination::create(path, file_type, args.force, std::slice::from_ref(input))?;
    match read(input, &options, &mut out) {
        Ok(read) => out.finish().map(|()| read),
        Err(error) => {
            out.discard();
            Err(error.context(format!("converting {}", input.shown())))
        }
    }
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
        return ours(io::Cursor::new(head).chain(file), sink);
    }
    // What is no regular file can be read only once.
    let imported = if piped || !(input.is_file() || input.is_dir()) {
        let name = input.display().to_string();
        damo_import::import_stream(io::Cursor::new(head).chain(file), &name, options, MAX_PIPED, sink)?
    } else {
        drop(file);
        damo_import::import_path(input, options, sink)?
    };
    for note in &imported.notes {
        errors::note(format_args!("{}: {note}", input.shown()));
    }
    Ok(if imported.damaged { Outcome::Partial } else { Outcome::Fine })
}

fn ours(file: impl Read, sink: &mut dyn Sink) -> Result<Outcome> {
    let mut stream = StreamReader::new(file)?;
    while let Some(item) = stream.next_item()? {
        sink.put(&item)?;
    }
    for damage in stream.damage() {
        errors::warn(damage);
    }
    Ok(if stream.damage().is_empty() && stream.is_finished() { Outcome::Fine } else { Outcome::Partial })
}
