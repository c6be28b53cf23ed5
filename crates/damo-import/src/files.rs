//! Records as files and streams: the record itself and what lies beside it.
//!
//! What an input is gets told from as little of it as that takes, so that a large file or an endless stream that is no
//! record is refused at once. Only then is it read whole.

use crate::error::ImportError;
use crate::sniff::{MAX_UNDECIDED, Recogniser};
use crate::{Context, Format, Imported, Options, RawTrace, SideFiles, import_as, import_raw_trace};
use damo_model::Sink;
use damo_model::human::Show;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Tells what the file at `path` is, from as little of it as that takes.
///
/// # Errors
/// If it cannot be read, or is no record; with what it looks like instead, and the remedy.
pub fn recognise_path(path: &Path) -> Result<Format, ImportError> {
    let mut file = File::open(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
    Recogniser::default().read(&mut file, &path.shown().to_string(), usize::MAX)
}

/// Reads the foreign record at `path`, with the side files beside it. A directory may hold raw pages of a trace:
/// [`RawTrace::read_dir`].
///
/// # Errors
/// If the file cannot be read, and as [`crate::import`].
pub fn import_path(path: &Path, options: &Options, sink: &mut dyn Sink) -> Result<Imported, ImportError> {
    let name = &path.shown().to_string();
    if path.is_dir() {
        refuse_perf_dir(path)?;
        return import_raw_trace(&RawTrace::read_dir(path)?, name, options, sink);
    }
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(io)?.is_file() {
        // A pipe or a device: cannot be read twice.
        return import_stream(File::open(path).map_err(io)?, name, options, u64::MAX, sink);
    }
    let format = recognise_path(path)?;
    let bytes = fs::read(path).map_err(io)?;
    import_as(format, &bytes, &Context { name, options }, &SideFiles::beside(path), sink)
}

/// Reads a foreign record from a stream, to its end, but not more than `limit` bytes. `name` is for messages.
///
/// # Errors
/// If the stream cannot be read or is longer, and as [`crate::import`].
pub fn import_stream(
    mut stream: impl Read,
    name: &str,
    options: &Options,
    limit: u64,
    sink: &mut dyn Sink,
) -> Result<Imported, ImportError> {
    let mut recogniser = Recogniser::keeping();
    let format = recogniser.read(&mut stream, name, MAX_UNDECIDED)?;
    let mut bytes = recogniser.kept.unwrap_or_default();
    let more = limit.saturating_sub(bytes.len() as u64).saturating_add(1);
    let io = |source| ImportError::Io { path: name.into(), source };
    stream.take(more).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(ImportError::TooLarge { name: name.to_owned(), limit });
    }
    import_as(format, &bytes, &Context { name, options }, &SideFiles::default(), sink)
}

/// perf can be told to make a directory instead of a file. In that of `perf record --kcore` the file `data` is whole; in
/// that of `perf record --threads` it has no events.
fn refuse_perf_dir(dir: &Path) -> Result<(), ImportError> {
    let is_perf = |file: &str| {
        let mut magic = [0; 8];
        let read = File::open(dir.join(file)).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && matches!(&magic, b"PERFILE2" | b"2ELIFREP")
    };
    let Some(file) = ["data", "header"].into_iter().find(|file| is_perf(file)) else { return Ok(()) };
    let name = dir.shown().to_string();
    let is_split = dir.join("data.0").exists() || dir.join("data.1").exists();
    let (looks, remedy) = if is_split || file == "header" {
        let remedy = format!("turn it into text: perf script -i {name} > NEW.txt");
        ("a directory of `perf record --threads`, with a file of events per processor", remedy)
    } else {
        ("a directory of `perf record`", format!("give the file in it: {}", dir.join(file).shown()))
    };
    Err(ImportError::Unrecognised { name, looks: looks.to_owned(), remedy })
}
