//! Trace texts: what `perf script`, `trace-cmd report` and tracefs print.
//!
//! A line is understood from its event's name, not by counting words: command names may hold blanks, and the columns
//! between name and time differ between tools and their options. Times are read as the decimals they are, in whole
//! nanoseconds; the Python tool goes through a float, which can make its times a nanosecond smaller.

mod line;

use crate::driver::{Event, Receive, Stream};
use crate::error::{ImportError, Place, excerpt};
use crate::{Context, Format, Imported};
use damo_model::Meta;
use line::{Found, Line};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// The text of a trace.
#[derive(Debug)]
pub(crate) struct TextStream<'a> {
    bytes: &'a [u8],
    context: Context<'a>,
    seen: RefCell<Seen>,
    /// Whether `seen` is complete, after the first run.
    done: Cell<bool>,
}

#[derive(Debug, Default)]
struct Seen {
    comms: BTreeMap<i32, String>,
    release: Option<String>,
    unreadable: u64,
    first_unreadable: Option<(u64, String)>,
    others: u64,
}

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
        if seen.others > 0 {
            imported.notes.push(format!("events of schemes' quotas and statistics, left out: {}", seen.others));
        }
    }

    fn remember(&self, number: u64, line: &Line<'_>) {
        if self.done.get() {
            return;
        }
        let mut seen = self.seen.borrow_mut();
        match &line.found {
            Found::Other => seen.others += 1,
            Found::Unreadable => {
                seen.unreadable += 1;
                if seen.first_unreadable.is_none() {
                    seen.first_unreadable = Some((number, excerpt(line.text)));
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
        let mut number = 0;
        for raw in self.bytes.split(|byte| *byte == b'\n') {
            number += 1;
            if !self.done.get() && raw.starts_with(b"# os release : ") {
                self.seen.borrow_mut().release =
                    std::str::from_utf8(&raw[15..]).ok().map(|release| release.trim().to_owned());
            }
            let Some(line) = line::read(raw, &mut extras) else { continue };
            let place = Place::Line(number);
            self.remember(number, &line);
            match line.found {
                Found::Region { event, probed: false } => receive(Event::Region(event), place)?,
                Found::Region { event, probed: true } => receive(Event::Probed(event), place)?,
                Found::Fake(key, time) => receive(Event::End(key, time), place)?,
                Found::Lost(events) => receive(Event::Lost(events, None, "ring"), place)?,
                Found::Tuned(sample, at) => receive(Event::Tuned(line.thread, sample, at), place)?,
                Found::Unreadable => receive(Event::Lost(Some(1), None, "import"), place)?,
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

/// Whether `head` has a line with an event of DAMON, and of which tool.
pub(crate) fn sniff(head: &[u8]) -> Option<Format> {
    let mut extras = Vec::new();
    let mut unsure = None;
    for raw in head.split(|byte| *byte == b'\n') {
        if let Some(line) = line::read(raw, &mut extras) {
            let format = if line.by_perf { Format::PerfScript } else { Format::TraceCmdText };
            match line.found {
                Found::Lost(_) => {}
                // Perhaps the line that the head ends in.
                Found::Unreadable => unsure = unsure.or(Some(format)),
                _ => return Some(format),
            }
        }
    }
    unsure
}
