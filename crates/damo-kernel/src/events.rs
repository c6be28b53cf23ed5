//! From ring records to snapshots: decodes each record, finds out whose it is, and feeds
//! [`damo_model::assemble::Assembler`]. Pure: give it records of a live ring or of a recorded one.

use crate::ring::Record;
use crate::tracefs::{DecodeError, Decoder, Event};
use damo_model::assemble::{Assembler, EventKey, RegionEvent};
use damo_model::{ColumnId, Nanos, Snapshot};

/// What came beside regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Events were dropped.
    Lost {
        /// When it was noticed.
        time: Nanos,
        /// How many.
        events: u64,
    },
    /// Auto-tuning chose a sampling interval for the kdamond of this index.
    Tuned {
        /// When.
        time: Nanos,
        /// kdamond index; `None` if its thread is not known.
        kdamond: Option<u32>,
        /// The sampling interval from now on.
        sample: Nanos,
    },
}

/// Counters of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedTally {
    /// Region events taken.
    pub regions: u64,
    /// Events of threads that are not followed.
    pub foreign: u64,
    /// Records that could not be decoded, or came out of order.
    pub bad: u64,
}

/// Records in, snapshots out.
#[derive(Debug)]
pub struct Feed {
    decoder: Decoder,
    assembler: Assembler,
    /// Thread and kdamond index.
    threads: Vec<(i32, u32)>,
    strangers: bool,
    schemes: bool,
    tally: FeedTally,
    first_error: Option<DecodeError>,
}

impl Feed {
    /// A feed that takes no thread's events yet: see [`Feed::follow`].
    pub fn new(decoder: Decoder, assembler: Assembler) -> Self {
        Self {
            decoder,
            assembler,
            threads: Vec::new(),
            strangers: false,
            schemes: true,
            tally: FeedTally::default(),
            first_error: None,
        }
    }

    /// Takes the events of the kdamond with this index, which runs as this thread.
    pub fn follow(&mut self, thread: i32, kdamond: u32) {
        self.threads.retain(|(known, _)| *known != thread);
        self.threads.push((thread, kdamond));
    }

    /// Takes events of threads that were not told as well, as targets without kdamond index (module kdamonds).
    pub fn take_strangers(&mut self, take: bool) {
        self.strangers = take;
    }

    /// Whether scheme applications (`damos_before_apply`) become snapshots of targets of their own. They do by default.
    pub fn take_schemes(&mut self, take: bool) {
        self.schemes = take;
    }

    /// Takes a record; what is not about a region is handed to `notice`. Afterwards [`Feed::pop`] gives what is ready.
    pub fn record(&mut self, record: Record<'_>, notice: &mut dyn FnMut(Notice)) {
        match record {
            Record::Sample(sample) => self.raw(sample.time, sample.raw, notice),
            Record::Lost { time, events } => {
                self.assembler.lost(events);
                notice(Notice::Lost { time, events });
            }
        }
    }

    /// Takes one raw trace record, as [`Feed::record`] does.
    pub fn raw(&mut self, time: Nanos, raw: &[u8], notice: &mut dyn FnMut(Notice)) {
        let decoded = match self.decoder.decode(raw) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => return,
            Err(error) => {
                self.tally.bad += 1;
                self.first_error.get_or_insert(error);
                // A record that cannot be read is as good as lost: its snapshot must not pass for complete.
                self.assembler.lost(1);
                return notice(Notice::Lost { time, events: 1 });
            }
        };
        let thread = decoded.pid;
        let kdamond = self.threads.iter().find(|(known, _)| *known == thread).map(|(_, index)| *index);
        if kdamond.is_none() && !self.strangers {
            self.tally.foreign += 1;
            return;
        }
        let key = |context, scheme, target_id| EventKey { kdamond, thread: Some(thread), context, scheme, target_id };
        match decoded.event {
            Event::Aggregated { target_id, nr_regions, region } => {
                let key = key(None, None, target_id);
                self.push(RegionEvent { key, time, nr_regions, region, extras: &[] });
            }
            Event::BeforeApply { context_idx, scheme_idx, target_idx, nr_regions, region } if self.schemes => {
                let key = key(Some(context_idx), Some(scheme_idx), target_idx);
                self.push(RegionEvent { key, time, nr_regions, region, extras: &[] });
            }
            Event::RegionAggregated { target_id, nr_regions, region, probe_hits } => {
                // Beside `damon_aggregated`: a series of its own would double every snapshot, so that it is taken only
                // by a decoder that was made without the other one.
                let mut extras = [(ColumnId::PROBE_HITS, 0); MAX_PROBES];
                let hits = probe_hits.iter().take(MAX_PROBES).enumerate();
                let mut count = 0;
                for (at, hit) in hits {
                    extras[at] = (ColumnId(ColumnId::PROBE_HITS.0 + at as u16), u64::from(*hit));
                    count = at + 1;
                }
                let key = key(None, None, target_id);
                self.push(RegionEvent { key, time, nr_regions, region, extras: &extras[..count] });
            }
            Event::IntervalsTune { sample } => {
                self.assembler.tuned(Some(thread), sample);
                notice(Notice::Tuned { time, kdamond, sample });
            }
            _ => {}
        }
    }

    fn push(&mut self, event: RegionEvent<'_>) {
        match self.assembler.push(&event) {
            Ok(()) => self.tally.regions += 1,
            Err(_) => self.tally.bad += 1,
        }
    }

    /// The next finished snapshot.
    pub fn pop(&mut self) -> Option<Snapshot> {
        self.assembler.pop()
    }

    /// Nothing more comes: open snapshots are given out by [`Feed::pop`] then.
    pub fn finish(&mut self) {
        self.assembler.finish();
    }

    /// Counters.
    pub fn tally(&self) -> FeedTally {
        self.tally
    }

    /// The first record that could not be decoded, if any: a kernel that lays out events in an unknown way.
    pub fn first_error(&self) -> Option<DecodeError> {
        self.first_error
    }

    /// The assembler, which knows which target is which: [`Assembler::event_key`].
    pub fn assembler(&mut self) -> &mut Assembler {
        &mut self.assembler
    }
}

/// The kernel has at most four probes; more would not be an error.
const MAX_PROBES: usize = 16;
