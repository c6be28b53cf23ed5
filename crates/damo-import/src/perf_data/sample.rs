//! From records to events.

use super::bytes::{text, u32_at, u64_at};
use super::order::Order;
use super::records::{self, Record};
use super::{PerfData, SessionFacts};
use crate::driver::{Event, Receive, probe_columns, region_of};
use crate::error::{FilePosition, ImportError};
use damo_model::{ColumnId, Nanos, Region};
use damo_trace::Event as Said;
use damo_trace::assemble::{EventKey, RegionEvent};

/// More threads' names than this are not remembered.
const MAX_COMMS: usize = 1 << 16;

/// One run over the records.
pub(super) struct Run<'p, 'r, 's> {
    file: &'p PerfData<'p>,
    order: Order<Held>,
    extras: Vec<(ColumnId, u64)>,
    seen: SessionFacts,
    /// What `LOST_SAMPLES` records sum up at the end.
    lost_in_sum: u64,
    receive: &'r mut Receive<'s>,
}

/// An event that waits for its turn.
enum Held {
    Region { key: EventKey, nr_regions: u32, region: Region, probes: Option<Box<[u8]>>, at: u64 },
    Tuned { thread: i32, sample: Nanos, at: u64 },
    Lost { events: u64, at: u64 },
    Unreadable { at: u64 },
}

impl<'p, 'r, 's> Run<'p, 'r, 's> {
    pub(super) fn new(file: &'p PerfData<'p>, receive: &'r mut Receive<'s>) -> Self {
        Self { file, order: Order::new(), extras: Vec::new(), seen: SessionFacts::default(), lost_in_sum: 0, receive }
    }

    pub(super) fn run(mut self) -> Result<(), ImportError> {
        let file = self.file;
        let damage = records::each(file.bytes, &file.header, &mut |record| self.take(record))?;
        for (time, held) in self.order.rest().collect::<Vec<_>>() {
            self.give(time, held)?;
        }
        // perf sums up at the end what the ring dropped; usually all of it was told where it happened.
        let untold = self.lost_in_sum.saturating_sub(self.seen.lost);
        if untold > 0 {
            self.seen.lost += untold;
            (self.receive)(Event::Lost(Some(untold), None, "ring"), FilePosition::Whole)?;
        }
        if damage.is_some() {
            (self.receive)(Event::Lost(None, None, "file"), FilePosition::Whole)?;
        }
        self.seen.damage = damage;
        *file.seen.borrow_mut() = self.seen;
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), ImportError> {
        let body = record.bytes.get(8..).unwrap_or_default();
        match record.kind {
            records::SAMPLE => self.sample(body, record.at)?,
            records::FINISHED_ROUND => {
                for (time, held) in self.order.round().collect::<Vec<_>>() {
                    self.give(time, held)?;
                }
            }
            records::LOST => {
                let events = u64_at(body, 8).unwrap_or(1);
                self.seen.lost = self.seen.lost.saturating_add(events);
                let time = self.time_of(body);
                self.hold(time, Held::Lost { events, at: record.at })?;
            }
            records::LOST_SAMPLES => {
                let events = u64_at(body, 0).unwrap_or(1);
                self.lost_in_sum = self.lost_in_sum.saturating_add(events);
            }
            records::COMM => {
                let thread = u32_at(body, 4).and_then(|thread| i32::try_from(thread).ok());
                if let (Some(thread), true) = (thread, self.seen.comms.len() < MAX_COMMS) {
                    self.seen.comms.insert(thread, text(body.get(8..).unwrap_or_default()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, body: &[u8], at: u64) -> Result<(), ImportError> {
        let Some(attr) = self.file.attr_of(body).and_then(|at| self.file.attrs.get(at)) else {
            // Of an event that the header does not describe: its layout is not known, nor whether it is DAMON's.
            self.seen.unreadable += 1;
            return self.hold(None, Held::Unreadable { at });
        };
        if !attr.is_tracepoint {
            return Ok(());
        }
        let Some(sample) = attr.sample(body) else {
            self.seen.unreadable += 1;
            return self.hold(None, Held::Unreadable { at });
        };
        let Some(decoder) = &self.file.decoder else { return Ok(()) };
        let decoded = match decoder.decode(sample.raw) {
            // Another tracepoint in the same recording.
            Ok(None) => return Ok(()),
            Ok(Some(decoded)) => decoded,
            Err(_) => {
                self.seen.unreadable += 1;
                return self.hold(sample.time, Held::Unreadable { at });
            }
        };
        let thread = decoded.pid;
        let held = match (region_of(&decoded), decoded.event) {
            (Some((key, nr_regions, region, probes)), _) => {
                Held::Region { key, nr_regions, region, probes: probes.map(Into::into), at }
            }
            (None, Said::IntervalsTune { sample }) => Held::Tuned { thread, sample, at },
            _ => {
                self.seen.others += 1;
                return Ok(());
            }
        };
        self.hold(sample.time, held)
    }

    fn time_of(&self, body: &[u8]) -> Option<Nanos> {
        self.file.attrs.first()?.time_at_end(body)
    }

    /// What has no time of its own comes after what came before it.
    fn hold(&mut self, time: Option<Nanos>, held: Held) -> Result<(), ImportError> {
        let time = time.or(self.order.newest()).unwrap_or_default();
        self.order.push(time, held);
        if self.order.is_full() {
            for (time, held) in self.order.half().collect::<Vec<_>>() {
                self.give(time, held)?;
            }
        }
        Ok(())
    }

    fn give(&mut self, time: Nanos, held: Held) -> Result<(), ImportError> {
        let (event, at) = match held {
            Held::Region { key, nr_regions, region, probes, at } => {
                self.extras.clear();
                self.extras.extend(probe_columns(probes.as_deref().unwrap_or_default()));
                let event = RegionEvent { key, time, nr_regions, region, extras: &self.extras };
                (if probes.is_some() { Event::Probed(event) } else { Event::Region(event) }, at)
            }
            Held::Tuned { thread, sample, at } => (Event::Tuned(Some(thread), sample, time), at),
            Held::Lost { events, at } => (Event::Lost(Some(events), Some(time), "ring"), at),
            Held::Unreadable { at } => (Event::Lost(Some(1), Some(time), "import"), at),
        };
        (self.receive)(event, FilePosition::Byte(at))
    }
}
