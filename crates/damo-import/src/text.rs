//! Trace texts: what `perf script`, `trace-cmd report` and tracefs print.
//!
//! A line is understood from its event's name, not by counting words: command names may hold blanks, and the columns
//! between name and time differ between tools and their options. Times are read as the decimals they are, in whole
//! nanoseconds; the Python tool goes through a float, which can make its times a nanosecond smaller.

mod clock;
mod line;
mod lines;
mod lost;
mod strange;

use crate::driver::{Event, OTHER_EVENTS, Receive, Stream};
use crate::error::{FilePosition, ImportError, MAX_QUOTE};
use crate::{Context, Format, Imported};
pub use clock::Tick;
use damo_model::human::excerpt;
use damo_model::{Age, Meta};
use line::{Found, Line, Tool};
use lines::Lines;
use lost::Loss;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
pub(crate) use strange::Strange;

/// The text of a trace.
#[derive(Debug)]
pub(crate) struct TextStream<'a> {
    bytes: &'a [u8],
    context: Context<'a>,
    seen: RefCell<SessionFacts>,
    /// Whether `seen` is complete, after the first run.
    done: Cell<bool>,
}

#[derive(Debug, Default)]
struct SessionFacts {
    comms: BTreeMap<i32, String>,
    release: Option<String>,
    unreadable: u64,
    first_unreadable: Option<(u64, String)>,
    others: u64,
    /// Whether a layout that leaves out what is 0 has ages.
    sparse_ages: bool,
    lost_chunks: u64,
    lost_share: bool,
    /// Events that the trace buffer had dropped when it was read, all of them older than what is left.
    overwritten: u64,
}

/// So many times tell what kind of clock they are of.
const TELLING_TIMES: usize = 1000;

/// How many threads' names to remember at most: a bound against texts that make them up.
const MAX_COMMS: usize = 4096;

impl<'a> TextStream<'a> {
    pub(crate) fn new(bytes: &'a [u8], context: &Context<'a>) -> Self {
        Self { bytes, context: *context, seen: RefCell::default(), done: Cell::new(false) }
    }

    /// Adds what a user should know.
    pub(crate) fn note(&self, imported: &mut Imported) {
        let seen = self.seen.borrow();
        if let Some((line, text)) = &seen.first_unreadable {
            imported.notes.push(format!(
                "lines of DAMON events that cannot be read, counted as lost: {}, the first of them line {line}: {text}",
                seen.unreadable
            ));
        }
        imported.note_count(OTHER_EVENTS, seen.others);
        if seen.lost_chunks > 0 {
            let chunks = seen.lost_chunks;
            let s = if chunks == 1 { "" } else { "s" };
            imported.notes.push(format!(
                "perf lost {chunks} chunk{s} of events while it recorded, of unknown size and at unknown times, so that \
                 snapshots may be missing; record with a larger ring: perf record -m 4M"
            ));
        }
        if seen.lost_share {
            imported.notes.push(
                "perf lost a part of the samples while it recorded, at unknown times, so that snapshots may be missing; \
                 record with a larger ring: perf record -m 4M"
                    .to_owned(),
            );
        }
        if seen.overwritten > 0 {
            imported.notes.push(format!(
                "the trace buffer was full, and had dropped its {} oldest events before it was read: this is the end of a \
                 longer recording",
                seen.overwritten
            ));
        }
    }

    /// What a comment line says of the whole.
    fn header(&self, raw: &[u8]) {
        let Some(text) = raw.strip_prefix(b"# ").and_then(|text| std::str::from_utf8(text).ok()) else { return };
        if let Some(release) = text.strip_prefix("os release : ") {
            self.seen.borrow_mut().release = Some(release.trim().to_owned());
        } else if let Some(counts) = text.strip_prefix("entries-in-buffer/entries-written: ") {
            let counts = counts.split_ascii_whitespace().next().and_then(|counts| counts.split_once('/'));
            let of = |text: &str| clock::digits(text).unwrap_or(0);
            self.seen.borrow_mut().overwritten = counts.map_or(0, |(there, all)| of(all).saturating_sub(of(there)));
        }
    }

    /// The error of a time that is no time.
    fn no_time(&self, number: u64) -> ImportError {
        let mut extras = Vec::new();
        let ticks = Lines::of(self.bytes).filter_map(|(_, raw)| match line::read(raw, None, &mut extras)?.found {
            Found::Ticks(count) => Some(count),
            _ => None,
        });
        let times: Vec<u64> = ticks.take(TELLING_TIMES).collect();
        let (what, remedy) = clock::kind_of(&times);
        let what = format!("the times are whole numbers and not seconds: {what}");
        self.context.bad(FilePosition::Line(number), what, remedy)
    }

    fn remember(&self, number: u64, line: &Line<'_>) {
        if self.done.get() {
            return;
        }
        let mut seen = self.seen.borrow_mut();
        match &line.found {
            Found::Other => seen.others += 1,
            Found::Sparse(event) => seen.sparse_ages |= event.region.age.is_some(),
            Found::Lost(Loss::Chunks(chunks)) => seen.lost_chunks = seen.lost_chunks.saturating_add(*chunks),
            Found::Lost(Loss::Share) => seen.lost_share = true,
            Found::Unreadable | Found::Strange(_) => {
                seen.unreadable += 1;
                if seen.first_unreadable.is_none() {
                    seen.first_unreadable = Some((number, excerpt(line.text, MAX_QUOTE)));
                }
            }
            _ => {}
        }
        if let (Some(thread), Some(comm)) = (line.thread, line.comm)
            && !seen.comms.contains_key(&thread)
            && seen.comms.len() < MAX_COMMS
        {
            seen.comms.insert(thread, comm.to_owned());
        }
    }
}

impl Stream for TextStream<'_> {
    fn run(&self, receive: &mut Receive<'_>) -> Result<(), ImportError> {
        let mut extras = Vec::new();
        let tick = self.context.options.clock_tick;
        // Known from the first run on.
        let sparse_ages = self.seen.borrow().sparse_ages;
        for (number, raw) in Lines::of(self.bytes) {
            if raw.starts_with(b"#") && !self.done.get() {
                self.header(raw);
            }
            let Some(line) = line::read(raw, tick, &mut extras) else { continue };
            let place = FilePosition::Line(number);
            self.remember(number, &line);
            match line.found {
                Found::Region { event, probed: false } => receive(Event::Region(event), place)?,
                Found::Region { event, probed: true } => receive(Event::Probed(event), place)?,
                Found::Sparse(mut event) => {
                    event.region.age = event.region.age.or(sparse_ages.then_some(Age(0)));
                    receive(Event::Region(event), place)?;
                }
                Found::Fake(key, time) => receive(Event::End(key, time), place)?,
                Found::Lost(Loss::Here(events)) => receive(Event::Lost(events, None, "ring"), place)?,
                Found::Lost(Loss::Chunks(_) | Loss::Share) => receive(Event::LostAnywhere("ring"), place)?,
                Found::Tuned(sample, at) => receive(Event::Tuned(line.thread, sample, at), place)?,
                Found::Unreadable | Found::Strange(_) => receive(Event::Lost(Some(1), None, "import"), place)?,
                Found::Ticks(_) => return Err(self.no_time(number)),
                Found::Other => {}
            }
        }
        self.done.set(true);
        Ok(())
    }

    fn describe(&self, meta: &mut Meta) {
        meta.kernel_release = self.seen.borrow().release.clone().unwrap_or_default();
    }

    fn comm(&self, thread: i32) -> Option<String> {
        self.seen.borrow().comms.get(&thread).cloned()
    }

    fn is_sorted(&self) -> bool {
        true
    }

    fn nothing(&self) -> Option<String> {
        let seen = self.seen.borrow();
        let (line, text) = seen.first_unreadable.as_ref()?;
        let name = self.context.name;
        Some(format!("none of its DAMON event lines can be read, the first being line {line} of {name}: {text}"))
    }
}

/// What a text is by its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sniffed {
    /// The text is a trace of this format.
    Is(Format),
    /// Trace text in a layout that is not read.
    Strange(Strange),
}

/// What `head` is, if it has a line with an event of DAMON.
pub(crate) fn sniff(head: &[u8]) -> Option<Sniffed> {
    let mut extras = Vec::new();
    let (mut strange, mut unsure) = (None, None);
    for (_, raw) in Lines::of(head) {
        if let Some(line) = line::read(raw, None, &mut extras) {
            let format = match line.tool {
                Tool::PerfScript => Format::PerfScript,
                Tool::PerfTrace => Format::PerfTrace,
                Tool::Ftrace => Format::TraceCmdText,
            };
            match line.found {
                Found::Lost(_) => {}
                Found::Strange(layout) => strange = strange.or(Some(Sniffed::Strange(layout))),
                // Perhaps the line that the head ends in.
                Found::Unreadable => unsure = unsure.or(Some(Sniffed::Is(format))),
                _ => return Some(Sniffed::Is(format)),
            }
        }
    }
    strange.or(unsure)
}
