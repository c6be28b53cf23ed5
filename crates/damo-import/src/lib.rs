//! Foreign records to snapshots, and back.
//!
//! Whatever a file's name, its bytes tell what it is: [`sniff`]. [`import`] and [`import_path`] turn it into the items
//! that everything else here works on, without running another program:
//!
//! - damo JSON, plain and zlib-compressed, of every age, with raw and human numbers ([`Format::DamoJson`],
//!   [`Format::DamoJsonZlib`])
//! - text of `perf script`, `perf trace`, `trace-cmd report` and tracefs' trace files ([`Format::PerfScript`],
//!   [`Format::PerfTrace`], [`Format::TraceCmdText`]), also as a mail program or another system left it
//! - perf.data ([`Format::PerfData`])
//! - the binary record of the first DAMON versions ([`Format::LegacyBinary`])
//! - copied pages of tracefs' `trace_pipe_raw` ([`Format::TracePages`])
//! - the side files `.kdamonds`, `.mem_footprint`, `.vmas` and `.proc_stats` beside a record
//!
//! [`JsonWriter`] and [`PerfScriptWriter`] write what the Python tool writes.
//!
//! ```
//! let text = "kdamond.0 231 [001] 37.391604: damon:damon_aggregated: target_id=0 nr_regions=1 4096-8192: 3 7\n";
//! let mut items = Vec::new();
//! let imported = damo_import::import(text.as_bytes(), "trace.txt", &Default::default(), &mut items)?;
//! assert_eq!((imported.format, imported.snapshots), (damo_import::Format::PerfScript, 1));
//! # Ok::<(), damo_import::ImportError>(())
//! ```
#![forbid(unsafe_code)]

mod driver;
mod error;
mod files;
mod json;
mod legacy;
mod perf_data;
mod perf_script;
mod raw_trace;
mod side_data;
mod sniff;
mod text;

pub use error::{FilePosition, ImportError};
pub use files::{import_path, import_stream, recognise_path};
pub use json::{JsonWriter, Written};
pub use perf_script::PerfScriptWriter;
pub use raw_trace::{RawTrace, import_raw_trace};
pub use side_data::{SideFiles, SideKind};
pub use sniff::{Format, sniff};
pub use text::Tick;

use damo_model::{Intervals, Sink};

/// What is known beyond the file, or wanted of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Intervals in force at the start, for formats that do not tell them. They go before those of side files. Where
    /// auto-tuning changes them and the file tells, they hold until then.
    pub intervals: Option<Intervals>,
    /// How long a step of the clock lasts, for times that are whole numbers (trace clocks `counter`, `x86-tsc`, `uptime`).
    pub clock_tick: Option<Tick>,
    /// perf.data without an event of DAMON, but with samples of code, is a record without snapshots.
    pub profiles: bool,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// What the file was.
    pub format: Format,
    /// What a user should know: sentences, without full stops.
    pub notes: Vec<String>,
    /// Events that the file says are lost, or that could not be read.
    pub lost_events: u64,
    /// Snapshots handed on.
    pub snapshots: u64,
    /// Those of them that are partial.
    pub partial_snapshots: u64,
    /// Regions handed on.
    pub regions: u64,
    /// Whether the file is damaged, so that only a part of it could be read; a note says where.
    pub damaged: bool,
}

impl Imported {
    /// Notes how often something happened, if it did.
    fn note_count(&mut self, what: &str, count: u64) {
        if count > 0 {
            self.notes.push(format!("{what}: {count}"));
        }
    }

    fn of(format: Format) -> Self {
        Self {
            format,
            notes: Vec::new(),
            lost_events: 0,
            snapshots: 0,
            partial_snapshots: 0,
            regions: 0,
            damaged: false,
        }
    }
}

/// Reads a foreign record of which `bytes` are the whole file. `name` is for messages.
///
/// # Errors
/// If the format is not known, the file is damaged beyond use, or the sink refuses an item. What was read before is in
/// the sink by then.
pub fn import(bytes: &[u8], name: &str, options: &Options, sink: &mut dyn Sink) -> Result<Imported, ImportError> {
    import_with_sides(bytes, name, options, &SideFiles::default(), sink)
}

/// As [`import`], with what the side files beside the record say.
///
/// # Errors
/// As [`import`].
pub fn import_with_sides(
    bytes: &[u8],
    name: &str,
    options: &Options,
    side_data: &SideFiles,
    sink: &mut dyn Sink,
) -> Result<Imported, ImportError> {
    let context = Context { name, options };
    let format = sniff::recognise(bytes, name)?;
    import_as(format, bytes, &context, side_data, sink)
}

/// Reads bytes of a known format.
fn import_as(
    format: Format,
    bytes: &[u8],
    context: &Context<'_>,
    side_data: &SideFiles,
    sink: &mut dyn Sink,
) -> Result<Imported, ImportError> {
    let mut imported = Imported::of(format);
    let out = &mut imported;
    match format {
        Format::DamoJson | Format::DamoJsonZlib => json::import(bytes, format, context, side_data, sink, out)?,
        Format::MemFootprint => side_data::import_footprints(bytes, context, sink, out)?,
        Format::PerfScript | Format::PerfTrace | Format::TraceCmdText => {
            let stream = text::TextStream::new(bytes, context);
            driver::drive(&stream, format, context, side_data, sink, out)?;
            stream.note(out);
        }
        Format::PerfData => {
            let stream = perf_data::PerfData::new(bytes, context)?;
            if stream.has_damon() {
                driver::drive(&stream, format, context, side_data, sink, out)?;
            } else {
                driver::begin(&stream, format, sink)?;
            }
            stream.put_profile(sink, out)?;
            stream.note(out);
        }
        // Never recognised by a file's bytes: it takes several files.
        Format::TracePages => {}
        Format::LegacyBinary => {
            let stream = legacy::Legacy::new(bytes, context)?;
            driver::drive(&stream, format, context, side_data, sink, out)?;
            stream.note(out);
        }
    }
    imported.notes.extend(side_data.notes().iter().cloned());
    Ok(imported)
}

/// What errors and readers need to know of the import as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    name: &'a str,
    options: &'a Options,
}

impl Context<'_> {
    fn bad(&self, place: FilePosition, what: String, remedy: &str) -> ImportError {
        ImportError::Bad { name: self.name.to_owned(), place, what, remedy: remedy.to_owned() }
    }
}
