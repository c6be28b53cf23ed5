//! `damo convert`: any record into a `.damo` record, or into the Python tool's formats for programs that read those.

use crate::errors::Outcome;
use crate::output;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use damo_format::{RecordFile, StreamReader, WriterOptions};
use damo_import::{JsonWriter, PerfScriptWriter, Written};
use damo_model::{Item, Sink, SinkError};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
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
    /// The new file; `-` is standard output
    #[arg(value_name = "OUT", required_unless_present = "output_file")]
    output: Option<PathBuf>,
    /// The new file's format [default: by OUT's ending: .damo, .json, .data (zlib JSON), .txt (perf script)]
    #[arg(long, visible_alias = "format", value_name = "FORMAT", value_enum)]
    to: Option<Target>,
    /// Overwrite OUT even if it is not a record
    #[arg(short, long)]
    force: bool,
    /// As the Python tool spells IN
    #[arg(long = "record_file", value_name = "FILE", hide = true)]
    record_file: Option<PathBuf>,
    /// As the Python tool spells OUT
    #[arg(long = "output_file", value_name = "FILE", hide = true)]
    output_file: Option<PathBuf>,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
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

/// Converts.
///
/// # Errors
/// If the input is no record, or the output cannot be written.
pub fn run(args: &ConvertArgs) -> Result<Outcome> {
    let input = args.input.as_ref().or(args.record_file.as_ref()).context("no record to convert")?;
    let path = args.output.as_ref().or(args.output_file.as_ref()).context("no file to write")?;
    let target = match args.to {
        Some(target) => target,
        None => by_ending(path)?,
    };
    let mut out = Destination::create(path, target, args.force)?;
    let read = read(input, &mut out).with_context(|| format!("converting {}", input.display()))?;
    if let Some(written) = out.finish().with_context(|| format!("writing {}", path.display()))?
        && written.left_out > 0
    {
        eprintln!(
            "damo: {}: {} things beside snapshots (mappings, footprints, losses and the like) have no place in this format",
            path.display(),
            written.left_out
        );
    }
    Ok(read)
}

/// What a file of this name holds.
fn by_ending(path: &Path) -> Result<Target> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("damo") => Ok(Target::Damo),
        Some("json") => Ok(Target::Json),
        Some("data") => Ok(Target::JsonCompressed),
        Some("txt" | "script") => Ok(Target::PerfScript),
        _ => bail!(
            "{}: the name does not say what to write: let it end in .damo, .json, .data or .txt, or give --to",
            path.display()
        ),
    }
}

/// Gives everything in `input` to `sink`.
fn read(input: &Path, sink: &mut dyn Sink) -> Result<Outcome> {
    let piped = input == Path::new("-");
    let mut file: Box<dyn Read> = if piped { Box::new(io::stdin()) } else { Box::new(File::open(input)?) };
    let mut head = Vec::new();
    file.by_ref().take(64 << 10).read_to_end(&mut head)?;
    if damo_format::sniff(&head) {
        return ours(io::Cursor::new(head).chain(file), sink);
    }
    let options = damo_import::Options::default();
    let imported = if piped {
        file.take(MAX_PIPED).read_to_end(&mut head)?;
        damo_import::import(&head, "-", &options, sink)?
    } else {
        damo_import::import_path(input, &options, sink)?
    };
    for note in &imported.notes {
        eprintln!("damo: {}: {note}", input.display());
    }
    Ok(if imported.damaged { Outcome::Partial } else { Outcome::Fine })
}

fn ours(file: impl Read, sink: &mut dyn Sink) -> Result<Outcome> {
    let mut stream = StreamReader::new(file)?;
    while let Some(item) = stream.next_item()? {
        sink.put(&item)?;
    }
    for damage in stream.damage() {
        eprintln!("damo: {damage}");
    }
    Ok(if stream.damage().is_empty() && stream.is_finished() { Outcome::Fine } else { Outcome::Partial })
}

type Out = BufWriter<Box<dyn Write>>;

/// The new file.
enum Destination {
    Record(Box<RecordFile>),
    RecordStream(Box<damo_format::Writer<Out>>),
    Json(Box<JsonWriter<Out>>),
    PerfScript(PerfScriptWriter<Out>),
}

impl Destination {
    fn create(path: &Path, target: Target, force: bool) -> Result<Self> {
        if target == Target::Damo {
            return Ok(if path == Path::new("-") {
                Self::RecordStream(Box::new(damo_format::Writer::new(open(path, force)?, WriterOptions::default())?))
            } else {
                Self::Record(Box::new(RecordFile::create(path, WriterOptions::default(), force)?))
            });
        }
        let out = open(path, force)?;
        Ok(match target {
            Target::PerfScript => Self::PerfScript(PerfScriptWriter::new(out)),
            _ => Self::Json(Box::new(JsonWriter::new(out, target == Target::JsonCompressed))),
        })
    }

    /// Ends the file. What was left out is told for the formats that cannot hold everything.
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
        match self {
            Self::Record(file) => file.put(item),
            Self::RecordStream(writer) => writer.put(item),
            Self::Json(writer) => writer.put(item),
            Self::PerfScript(writer) => writer.put(item),
        }
    }
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
