//! perf.data, as `perf record -e damon:damon_aggregated` leaves it, to a file or a pipe.
//!
//! Read by what the file says of itself: each event's layout is in its tracing data, each sample's layout in the
//! attributes. Samples of several processors are put in order with perf's own marks, compressed records are unpacked,
//! and what the ring dropped is counted. Times are the nanoseconds that the kernel wrote, which `perf script` rounds to
//! microseconds.

mod attr;
mod bytes;
mod header;
mod order;
mod records;
mod sample;
mod tracing;

use crate::driver::{OTHER_EVENTS, Receive, Stream};
use crate::error::{FilePosition, ImportError};
use crate::{Context, Imported};
use attr::Attr;
use damo_model::{Meta, TracepointFormat};
use damo_trace::{Decoder, EventFormat};
use header::{Features, Header};
use std::cell::RefCell;
use std::collections::BTreeMap;
use tracing::TracingData;

const NO_EVENT: &str = "it holds no DAMON event";
const RECORD_IT: &str = "record with `perf record -e damon:damon_aggregated -a`, or with `damo record`";

/// A perf.data file of which everything but its records is understood.
#[derive(Debug)]
pub(crate) struct PerfData<'a> {
    bytes: &'a [u8],
    header: Header,
    attrs: Vec<Attr>,
    features: Features,
    tracing: TracingData,
    formats: Vec<EventFormat>,
    decoder: Decoder,
    seen: RefCell<SessionFacts>,
}

/// What a run over the records found beside events.
#[derive(Debug, Default)]
struct SessionFacts {
    comms: BTreeMap<i32, String>,
    damage: Option<(FilePosition, String)>,
    unreadable: u64,
    lost: u64,
    others: u64,
}

impl<'a> PerfData<'a> {
    pub(crate) fn new(bytes: &'a [u8], context: &Context<'_>) -> Result<Self, ImportError> {
        let bad = |place, what: &str, remedy: &str| context.bad(place, what.to_owned(), remedy);
        let header = Header::read(bytes).map_err(|(place, what, remedy)| bad(place, what, remedy))?;
        let mut attrs = header.attrs(bytes);
        let mut features = header.features(bytes);
        let mut tracing = features.tracing.as_ref().map(|data| TracingData::read(&bytes[data.clone()]));
        if header.is_pipe {
            let mut data = None;
            records::each(bytes, &header, &mut |record| {
                match record.kind {
                    records::HEADER_ATTR => attrs.extend(Attr::of_record(record.bytes)),
                    records::HEADER_TRACING_DATA if data.is_none() => data = Some(record.trailer.clone()),
                    records::HEADER_FEATURE => features.add_record(record.bytes),
                    _ => {}
                }
                Ok(())
            })?;
            tracing = data.map(|data| TracingData::read(&bytes[data]));
        }
        let Some(tracing) = tracing else {
            // A recording that was finished has the formats of its tracepoints; one without tracepoints has none.
            if !header.is_cut && !attrs.is_empty() && attrs.iter().all(|attr| !attr.is_tracepoint) {
                return Err(bad(FilePosition::Whole, NO_EVENT, RECORD_IT));
            }
            return Err(bad(
                FilePosition::Whole,
                "there are no event formats in it, as when perf was killed before it could write them, or the file was \
                 cut",
                "record again and end perf with Ctrl-C, or copy the file again",
            ));
        };
        let formats: Vec<EventFormat> =
            tracing.formats.iter().filter_map(|text| EventFormat::parse(text).ok()).filter(is_of_damon).collect();
        if formats.is_empty() {
            return Err(bad(FilePosition::Whole, NO_EVENT, RECORD_IT));
        }
        let decoder = Decoder::new(&formats).map_err(|error| {
            context.bad(
                FilePosition::Whole,
                format!("its event formats: {error}"),
                "the kernel is newer than this program",
            )
        })?;
        Ok(Self { bytes, header, attrs, features, tracing, formats, decoder, seen: RefCell::default() })
    }

    /// Adds what a user should know.
    pub(crate) fn note(&self, imported: &mut Imported) {
        let seen = self.seen.borrow();
        if let Some((place, what)) = &seen.damage {
            imported.damaged = true;
            imported.notes.push(format!("damaged{place}: {what}; what comes after is lost"));
        }
        imported.note_count("samples that do not fit their layout, counted as lost", seen.unreadable);
        if seen.lost > 0 {
            imported.notes.push(format!(
                "events that perf lost because its ring was full: {}; record with a larger one: perf record -m 4M",
                seen.lost
            ));
        }
        imported.note_count(OTHER_EVENTS, seen.others);
    }
}

fn is_of_damon(format: &EventFormat) -> bool {
    format.name.starts_with("damon_") || format.name.starts_with("damos_")
}

impl Stream for PerfData<'_> {
    fn run(&self, receive: &mut Receive<'_>) -> Result<(), ImportError> {
        *self.seen.borrow_mut() = SessionFacts::default();
        sample::Run::new(self, receive).run()
    }

    fn describe(&self, meta: &mut Meta) {
        meta.kernel_release = self.features.release.clone();
        meta.host = self.features.host.clone();
        meta.command = self.features.command.clone();
        if !self.features.version.is_empty() {
            meta.tool = format!("perf {}", self.features.version);
        }
        meta.formats = self.formats.iter().map(TracepointFormat::from).collect();
        meta.page_size = self.tracing.page_size;
        meta.clock = self.attrs.first().map(|attr| attr.clock).unwrap_or_default();
        meta.clock_pair = self.features.clock_pair;
    }

    fn comm(&self, thread: i32) -> Option<String> {
        self.seen.borrow().comms.get(&thread).or_else(|| self.tracing.comms.get(&thread)).cloned()
    }
}
