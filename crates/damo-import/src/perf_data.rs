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
mod profile;
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
use std::collections::{BTreeMap, HashMap};
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
    decoder: Option<Decoder>,
    /// Positions of attributes by the ids of their samples.
    by_id: HashMap<u64, usize>,
    /// All samples have the same layout.
    is_uniform: bool,
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
        let is_profile = context.options.profiles && attrs.iter().any(Attr::samples_code);
        let tracing = tracing.or_else(|| is_profile.then(TracingData::default));
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
        if formats.is_empty() && !is_profile {
            return Err(bad(FilePosition::Whole, NO_EVENT, RECORD_IT));
        }
        let decoder = match formats.is_empty() {
            true => None,
            false => Some(Decoder::new(&formats).map_err(|error| {
                context.bad(
                    FilePosition::Whole,
                    format!("its event formats: {error}"),
                    "the kernel is newer than this program",
                )
            })?),
        };
        let ids = |(at, attr): (usize, &Attr)| attr.ids.iter().map(move |id| (*id, at)).collect::<Vec<_>>();
        let by_id = attrs.iter().enumerate().flat_map(ids).collect();
        let is_uniform = attrs.first().is_some_and(|first| attrs.iter().all(|attr| attr.has_same_layout(first)));
        let seen = RefCell::default();
        Ok(Self { bytes, header, attrs, features, tracing, formats, decoder, by_id, is_uniform, seen })
    }

    /// Whether it has events of DAMON.
    pub(crate) fn has_damon(&self) -> bool {
        self.decoder.is_some()
    }

    /// The position of the attribute that tells a sample's layout.
    fn attr_of(&self, body: &[u8]) -> Option<usize> {
        let first = self.attrs.first()?;
        let by_id = || self.by_id.get(&bytes::u64_at(body, 0)?).copied();
        let identified = if first.has_identifier() { by_id() } else { None };
        // Without identifiers perf gives all events of a recording one layout.
        identified.or(self.is_uniform.then_some(0))
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
