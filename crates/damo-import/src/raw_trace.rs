//! Pages of tracefs' `trace_pipe_raw`: the kernel's ring buffer, copied as it is by nothing more than `cat`. It is the
//! way to record on a machine where no tool can be installed.
//!
//! The pages do not tell how events are laid out, so that the events' `format` files must be copied as well. Each
//! processor's pages are a file; their events are merged by time.

use crate::driver::{self, Event, OTHER_EVENTS, Receive, Stream, probe_columns, region_of};
use crate::error::{FilePosition, ImportError, MAX_QUOTE};
use crate::side_data::SideFiles;
use crate::{Context, Format, Imported, Options, Tick};
use damo_model::human::{Show, excerpt};
use damo_model::{Clock, Meta, Nanos, Sink, TracepointFormat};
use damo_trace::assemble::RegionEvent;
use damo_trace::{Decoded, Decoder, Event as Said, EventFormat, RawPage};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Page size where `header_page` does not tell.
const PAGE: usize = 4096;
/// More than any machine has.
const MAX_CPUS: usize = 8192;

/// What was copied from a tracefs.
#[derive(Clone, Debug, Default)]
pub struct RawTrace {
    /// A processor's pages, one file after the other of `per_cpu/cpuN/trace_pipe_raw`.
    pub cpus: Vec<Vec<u8>>,
    /// Texts of `events/damon/*/format`.
    pub formats: Vec<String>,
    /// Text of `saved_cmdlines`; may be empty.
    pub saved_cmdlines: String,
    /// Text of `events/header_page`, which tells the size of a page; may be empty.
    pub header_page: String,
    /// Text of `trace_clock`, which tells what times count; may be empty, for nanoseconds.
    pub trace_clock: String,
}

impl RawTrace {
    /// Reads a directory: pages from `raw.cpuN`, `trace_pipe_raw.cpuN` or `[per_cpu/]cpuN/trace_pipe_raw`, layouts
    /// from `format`, `NAME/format` or `events/damon/NAME/format`, and `saved_cmdlines`, `header_page` and `trace_clock` if
    /// there are.
    ///
    /// # Errors
    /// If it cannot be read, or has no such pages or layouts.
    pub fn read_dir(dir: &Path) -> Result<Self, ImportError> {
        let mut trace = Self::default();
        let mut cpus = BTreeMap::new();
        for sub in ["", "per_cpu", "events", "events/damon"] {
            for entry in list(&dir.join(sub), sub.is_empty())? {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if let Some(cpu) = cpu_of(&name) {
                    let file = if path.is_dir() { path.join("trace_pipe_raw") } else { path.clone() };
                    if has_bytes(&file) && cpus.len() < MAX_CPUS {
                        cpus.insert(cpu, read(&file)?);
                    }
                    continue;
                }
                let format = if name == "format" { path.clone() } else { path.join("format") };
                if format.is_file() {
                    trace.formats.push(read_text(&format)?);
                }
                match name.as_str() {
                    "saved_cmdlines" => trace.saved_cmdlines = read_text(&path)?,
                    "header_page" => trace.header_page = read_text(&path)?,
                    "trace_clock" => trace.trace_clock = read_text(&path)?,
                    _ => {}
                }
            }
        }
        trace.cpus = cpus.into_values().collect();
        let missing = if trace.cpus.is_empty() {
            "pages of the trace (raw.cpuN, or cpuN/trace_pipe_raw)"
        } else if trace.formats.is_empty() {
            "the events' layouts (damon_aggregated/format, from events/damon of the same kernel)"
        } else {
            return Ok(trace);
        };
        Err(ImportError::Unrecognised {
            name: dir.shown().to_string(),
            looks: format!("a directory without {missing}"),
            remedy: "give a record, or a directory with pages of trace_pipe_raw and the events' format files"
                .to_owned(),
        })
    }

    /// The clock's name, if it does not count nanoseconds.
    fn strange_clock(&self) -> Option<&str> {
        let (_, rest) = self.trace_clock.split_once('[')?;
        let name = rest.split(']').next()?;
        let is_known = ["local", "global", "perf", "mono", "mono_raw", "boot", "tai"].contains(&name);
        (!is_known).then_some(name)
    }

    fn page_size(&self) -> usize {
        // `field: char data; offset:16; size:4080;`
        let number = |line: &str, key: &str| {
            let rest = line.split_once(key)?.1;
            rest.split(';').next()?.trim().parse::<usize>().ok()
        };
        let data = self.header_page.lines().find(|line| line.contains(" data;"));
        let size = data.and_then(|line| number(line, "offset:")?.checked_add(number(line, "size:")?));
        size.filter(|size| size.is_power_of_two() && (PAGE..=1 << 20).contains(size)).unwrap_or(PAGE)
    }
}

/// Imports raw pages. `name` is for messages.
///
/// # Errors
/// If the layouts are not understood, there is no event in the pages, or the sink refuses an item.
pub fn import_raw_trace(
    trace: &RawTrace,
    name: &str,
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<Imported, ImportError> {
    let context = Context { name, options };
    let bad =
        |what: String| context.bad(FilePosition::Whole, what, "copy the format files of the same kernel once more");
    let formats: Result<Vec<_>, _> = trace.formats.iter().map(|text| EventFormat::parse(text)).collect();
    let formats = formats.map_err(|error| bad(error.to_string()))?;
    let decoder = Decoder::new(&formats).map_err(|error| bad(error.to_string()))?;
    let tick = match (trace.strange_clock(), options.clock_tick) {
        (None, _) => None,
        (Some(_), Some(tick)) => Some(tick),
        (Some(clock), None) => {
            let what =
                format!("its times are of the clock `{}`, which does not count nanoseconds", excerpt(clock, MAX_QUOTE));
            let remedy = "tell how long a step of it is, as in --clock_tick 10ms or --clock_tick 2.4GHz, or record again \
                          with `echo local > /sys/kernel/tracing/trace_clock`";
            return Err(context.bad(FilePosition::Whole, what, remedy));
        }
    };
    let stream = Pages { trace, tick, formats, decoder, others: Cell::new(0), unreadable: Cell::new(0) };
    let mut imported = Imported::of(Format::TracePages);
    driver::drive(&stream, Format::TracePages, &context, &SideFiles::default(), sink, &mut imported)?;
    stream.note(&mut imported);
    Ok(imported)
}

struct Pages<'a> {
    trace: &'a RawTrace,
    tick: Option<Tick>,
    formats: Vec<EventFormat>,
    decoder: Decoder,
    others: Cell<u64>,
    unreadable: Cell<u64>,
}

/// One processor's events.
struct Cpu<'a> {
    pages: std::slice::ChunksExact<'a, u8>,
    page: Option<RawPage<'a>>,
    next: Option<Next<'a>>,
}

enum Next<'a> {
    Event(Nanos, &'a [u8]),
    /// The kernel dropped events before this page.
    Missed(Nanos),
}

impl<'a> Cpu<'a> {
    fn advance(&mut self) {
        loop {
            if let Some(event) = self.page.as_mut().and_then(Iterator::next) {
                let time = Nanos(i64::try_from(event.time).unwrap_or(i64::MAX));
                self.next = Some(Next::Event(time, event.raw));
                return;
            }
            let Some(bytes) = self.pages.next() else {
                self.next = None;
                return;
            };
            self.page = RawPage::new(bytes);
            if self.page.as_ref().is_some_and(RawPage::missed) {
                let time = bytes.first_chunk().map_or(0, |time| u64::from_ne_bytes(*time));
                self.next = Some(Next::Missed(Nanos(i64::try_from(time).unwrap_or(i64::MAX))));
                return;
            }
        }
    }

    fn time(&self) -> Option<Nanos> {
        match self.next {
            Some(Next::Event(time, _) | Next::Missed(time)) => Some(time),
            None => None,
        }
    }
}

impl Pages<'_> {
    fn note(&self, imported: &mut Imported) {
        imported.note_count("events that do not fit their layout, counted as lost", self.unreadable.get());
        imported.note_count(OTHER_EVENTS, self.others.get());
        let rest: usize = self.trace.cpus.iter().map(|pages| pages.len() % self.trace.page_size()).sum();
        if rest > 0 {
            imported.damaged = true;
            imported.notes.push(format!("damaged: bytes after the last whole page, left out: {rest}"));
        }
    }

    fn give(&self, decoded: Decoded<'_>, time: Nanos, receive: &mut Receive<'_>) -> Result<(), ImportError> {
        let extras: Vec<_>;
        let event = match (region_of(&decoded), decoded.event) {
            (Some((key, nr_regions, region, probes)), _) => {
                extras = probe_columns(probes.unwrap_or_default()).collect();
                let event = RegionEvent { key, time, nr_regions, region, extras: &extras };
                if probes.is_some() { Event::Probed(event) } else { Event::Region(event) }
            }
            (None, Said::IntervalsTune { sample }) => Event::Tuned(Some(decoded.pid), sample, time),
            _ => {
                self.others.set(self.others.get() + 1);
                return Ok(());
            }
        };
        receive(event, FilePosition::Whole)
    }
}

impl Stream for Pages<'_> {
    fn run(&self, receive: &mut Receive<'_>) -> Result<(), ImportError> {
        self.others.set(0);
        self.unreadable.set(0);
        let page = self.trace.page_size();
        let mut cpus: Vec<Cpu<'_>> = self
            .trace
            .cpus
            .iter()
            .map(|pages| Cpu { pages: pages.chunks_exact(page), page: None, next: None })
            .collect();
        cpus.iter_mut().for_each(Cpu::advance);
        // A linear search: kdamonds are on few processors at a time, and the others' files are short.
        while let Some(cpu) = cpus.iter_mut().filter(|cpu| cpu.next.is_some()).min_by_key(|cpu| cpu.time()) {
            let real = |time: Nanos| self.tick.map_or(time, |tick| tick.after(time.0.unsigned_abs()));
            let time = real(cpu.time().unwrap_or_default());
            match cpu.next {
                Some(Next::Event(_, raw)) => match self.decoder.decode(raw) {
                    Ok(Some(decoded)) => self.give(decoded, time, receive)?,
                    Ok(None) => {}
                    Err(_) => {
                        self.unreadable.set(self.unreadable.get() + 1);
                        receive(Event::Lost(Some(1), Some(time), "import"), FilePosition::Whole)?;
                    }
                },
                Some(Next::Missed(_)) => receive(Event::Lost(None, Some(time), "ring"), FilePosition::Whole)?,
                None => {}
            }
            cpu.advance();
        }
        Ok(())
    }

    fn describe(&self, meta: &mut Meta) {
        meta.formats = self.formats.iter().map(TracepointFormat::from).collect();
        meta.clock = Clock::TraceLocal;
    }

    fn comm(&self, thread: i32) -> Option<String> {
        let comm = |line: &str| {
            let (number, comm) = line.split_once(' ')?;
            (number.parse() == Ok(thread)).then(|| comm.to_owned())
        };
        self.trace.saved_cmdlines.lines().find_map(comm)
    }
}

/// The processor that a file or directory is named for.
fn cpu_of(name: &str) -> Option<u32> {
    let rest = ["raw.cpu", "trace_pipe_raw.cpu", "cpu"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    rest.parse().ok()
}

/// A copy, and not the pseudo file itself, which would be emptied by reading.
fn has_bytes(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0)
}

fn list(dir: &Path, must_exist: bool) -> Result<Vec<fs::DirEntry>, ImportError> {
    let io = |source| ImportError::Io { path: dir.to_owned(), source };
    match fs::read_dir(dir) {
        Ok(entries) => entries.collect::<Result<_, io::Error>>().map_err(io),
        Err(_) if !must_exist => Ok(Vec::new()),
        Err(error) => Err(io(error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    fs::read(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, ImportError> {
    read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
