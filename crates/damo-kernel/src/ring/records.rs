//! The bytes of a perf ring to records, without a kernel: what the ring hands out, and equally what was recorded of
//! one. No allocation per record; a record that makes no sense ends its stretch of bytes and is counted, because
//! nothing behind it can be trusted.

use damo_model::Nanos;

/// Bits of `sample_type`, as in `linux/perf_event.h`.
pub mod sample_type {
    /// The record has the instruction pointer.
    pub const IP: u64 = 1 << 0;
    /// Process and thread id.
    pub const TID: u64 = 1 << 1;
    /// The record has a time stamp.
    pub const TIME: u64 = 1 << 2;
    /// The record has an address.
    pub const ADDR: u64 = 1 << 3;
    /// The record has the id of its event.
    pub const ID: u64 = 1 << 6;
    /// The record has the number of its CPU.
    pub const CPU: u64 = 1 << 7;
    /// The record has a chain of addresses: who called the sampled instruction.
    pub const CALLCHAIN: u64 = 1 << 5;
    /// The record has its period.
    pub const PERIOD: u64 = 1 << 8;
    /// The record has the id of its stream.
    pub const STREAM_ID: u64 = 1 << 9;
    /// The tracepoint's record.
    pub const RAW: u64 = 1 << 10;
    /// Event id at a fixed place.
    pub const IDENTIFIER: u64 = 1 << 16;
}
use sample_type as st;

const LOST: u32 = 2;
const SAMPLE: u32 = 9;
/// Size of `struct perf_event_header` in bytes.
const HEADER: usize = 8;
/// What may stand before and in place of what we need, 8 bytes each, in the order of the kernel's documents.
const BEFORE_RAW: [u64; 9] =
    [st::IDENTIFIER, st::IP, st::TID, st::TIME, st::ADDR, st::ID, st::STREAM_ID, st::CPU, st::PERIOD];
/// The trailer that other records carry with `sample_id_all`.
const TRAILER: [u64; 6] = [st::TID, st::TIME, st::ID, st::STREAM_ID, st::CPU, st::IDENTIFIER];

/// One record of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// An event with its data.
    Sample(Sample<'a>),
    /// The kernel dropped this many events because the ring was full.
    Lost {
        /// When it was noticed.
        time: Nanos,
        /// How many events were lost.
        events: u64,
    },
}

/// A tracepoint's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// When, on the ring's clock.
    pub time: Nanos,
    /// The CPU, if recorded.
    pub cpu: Option<u32>,
    /// The raw trace record, for [`crate::tracefs::Decoder`]. May have a few bytes of padding at its end.
    pub raw: &'a [u8],
}

/// Where things are in a sample, from the `sample_type` that the ring was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleLayout {
    time: Option<usize>,
    cpu: Option<usize>,
    raw: usize,
    /// From the end of a record that is not a sample.
    trailer_time: Option<usize>,
}

impl SampleLayout {
    /// For a `sample_type`; `None` if it lacks the raw record or has parts of variable length before it.
    pub fn new(sample_type: u64) -> Option<Self> {
        let known: u64 = BEFORE_RAW.iter().sum::<u64>() | st::RAW;
        if sample_type & st::RAW == 0 || sample_type & !known != 0 {
            return None;
        }
        let offset_of = |bit: u64| {
            let before = BEFORE_RAW.iter().take_while(|b| **b != bit).filter(|b| sample_type & **b != 0).count();
            (sample_type & bit != 0).then_some(HEADER + before * 8)
        };
        let after_time = TRAILER.iter().skip_while(|b| **b != st::TIME).filter(|b| sample_type & **b != 0).count();
        Some(Self {
            time: offset_of(st::TIME),
            cpu: offset_of(st::CPU),
            raw: HEADER + BEFORE_RAW.iter().filter(|b| sample_type & **b != 0).count() * 8,
            trailer_time: (sample_type & st::TIME != 0).then_some(after_time * 8),
        })
    }

    /// What [`crate::ring::Ring`] opens with.
    pub(crate) const OURS: u64 = st::TID | st::TIME | st::CPU | st::RAW;

    /// One whole record. `None` for records of no interest; an error if it makes no sense.
    #[inline]
    fn record<'a>(&self, bytes: &'a [u8], kind: u32, time: u64) -> Result<Option<Record<'a>>, Nonsense> {
        let time = nanos(time);
        match kind {
            SAMPLE => {
                let size = u32_at(bytes, self.raw).ok_or(Nonsense)? as usize;
                let raw = bytes.get(self.raw + 4..).and_then(|rest| rest.get(..size)).ok_or(Nonsense)?;
                Ok(Some(Record::Sample(Sample { time, cpu: self.cpu.and_then(|at| u32_at(bytes, at)), raw })))
            }
            // id, lost
            LOST => Ok(Some(Record::Lost { time, events: u64_at(bytes, HEADER + 8).ok_or(Nonsense)? })),
            // LOST_SAMPLES is left out: for tracepoints the kernel never writes it, and perf puts it at the end of its
            // files as a second count of the same losses.
            _ => Ok(None),
        }
    }

    /// The record's time stamp, if it has one.
    fn time_of(&self, bytes: &[u8], kind: u32) -> Option<u64> {
        let at = if kind == SAMPLE { self.time? } else { bytes.len().checked_sub(self.trailer_time?)? };
        u64_at(bytes, at)
    }
}

#[derive(Clone, Copy, Debug)]
struct Nonsense;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn nanos(time: u64) -> Nanos {
    Nanos(i64::try_from(time).unwrap_or(i64::MAX))
}

/// A run of records: the unread bytes of a ring, in two pieces where they wrap around its end.
///
/// ```
/// use damo_kernel::ring::{Record, RecordRun, SampleLayout, merge, sample_type};
/// use damo_model::Nanos;
/// let layout = SampleLayout::new(sample_type::TIME | sample_type::RAW).expect("has raw records");
/// // header (type 9, size 32), time 5, raw size 4 and the raw bytes
/// let mut bytes = vec![9, 0, 0, 0, 0, 0, 32, 0, 5, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0];
/// bytes.extend([7; 12]);
/// let mut runs = [RecordRun::new(layout, &bytes, &[])];
/// let mut times = Vec::new();
/// merge(&mut runs, u64::MAX, |record| {
///     if let Record::Sample(sample) = record {
///         times.push(sample.time);
///     }
/// });
/// assert_eq!(times, [Nanos(5)]);
/// ```
#[derive(Debug)]
pub struct RecordRun<'a> {
    layout: SampleLayout,
    first: &'a [u8],
    second: &'a [u8],
    pos: usize,
    /// Of the record at `pos`: kind, size, time.
    next: Option<(u32, usize, u64)>,
    time: u64,
    wrapped: Vec<u8>,
    nonsense: u64,
}

impl<'a> RecordRun<'a> {
    /// Records in `first` and then `second`; a record may lie across the seam.
    pub fn new(layout: SampleLayout, first: &'a [u8], second: &'a [u8]) -> Self {
        let mut run = Self { layout, first, second, pos: 0, next: None, time: 0, wrapped: Vec::new(), nonsense: 0 };
        run.look();
        run
    }

    /// The time of the next record; `None` at the end. Records without time count as those before them.
    pub(crate) fn next_time(&self) -> Option<u64> {
        self.next.map(|(_, _, time)| time)
    }

    /// How many bytes were taken so far: what may be given back to the kernel.
    pub(crate) fn consumed(&self) -> usize {
        self.pos
    }

    /// Bytes that were skipped because no record could be made of them.
    pub fn nonsense(&self) -> u64 {
        self.nonsense
    }

    /// Hands all records that come before `limit` to `take`; all there are if it is [`u64::MAX`].
    fn advance_to(&mut self, limit: u64, take: &mut impl FnMut(Record<'_>)) {
        while self.next_time().is_some_and(|time| time < limit || limit == u64::MAX) {
            self.advance(take);
            self.samples_to(limit, take);
        }
    }

    /// The usual case of [`RecordRun::advance_to`] in a tight loop: samples that lie in one piece. Ends at whatever else
    /// there is.
    fn samples_to(&mut self, limit: u64, take: &mut impl FnMut(Record<'_>)) {
        let Some(time_at) = self.layout.time else { return };
        let (piece, begin) =
            if self.pos < self.first.len() { (self.first, 0) } else { (self.second, self.first.len()) };
        let Some(mut rest) = piece.get(self.pos - begin..) else { return };
        let before = rest.len();
        while let Some(size) = sample_size(rest) {
            let Some((bytes, behind)) = rest.split_at_checked(size) else { break };
            let Some(time) = u64_at(bytes, time_at).filter(|time| *time < limit || limit == u64::MAX) else { break };
            let Ok(Some(record)) = self.layout.record(bytes, SAMPLE, time) else { break };
            take(record);
            self.time = time;
            rest = behind;
        }
        if rest.len() < before {
            self.pos += before - rest.len();
            self.look();
        }
    }

    /// Hands the next record, if it is of interest, to `take`, and goes on to the one after it.
    pub(super) fn advance(&mut self, take: &mut impl FnMut(Record<'_>)) {
        let Some((kind, size, time)) = self.next else { return };
        // `look` made sure that it is whole, contiguous here or in `wrapped`.
        let bytes = match piece(self.first, self.second, self.pos, size) {
            Some(bytes) => bytes,
            None => &self.wrapped,
        };
        match self.layout.record(bytes, kind, time) {
            Ok(Some(record)) => take(record),
            Ok(None) => {}
            Err(Nonsense) => self.nonsense += size as u64,
        }
        self.pos += size;
        self.look();
    }

    /// Finds out about the record at `pos`.
    fn look(&mut self) {
        self.next = None;
        let total = self.first.len() + self.second.len();
        let left = total - self.pos;
        if left == 0 {
            return;
        }
        let header = self.header();
        let Some((kind, size)) = header.filter(|(_, size)| *size >= HEADER && *size <= left) else {
            // Where the next record would begin is unknown.
            self.nonsense += left as u64;
            self.pos = total;
            return;
        };
        let bytes = match piece(self.first, self.second, self.pos, size) {
            Some(bytes) => bytes,
            None => {
                self.wrapped.clear();
                let (head, rest) = (&self.first[self.pos.min(self.first.len())..], self.second);
                self.wrapped.extend(head.iter().chain(rest).take(size));
                &self.wrapped
            }
        };
        self.time = self.layout.time_of(bytes, kind).unwrap_or(self.time);
        self.next = Some((kind, size, self.time));
    }

    fn header(&self) -> Option<(u32, usize)> {
        // Records are whole words long, so that a header never lies across the seam of a real ring; a run of arbitrary
        // bytes may have it there, and then it is not a header.
        let header = piece(self.first, self.second, self.pos, HEADER)?;
        let size = u16::from_ne_bytes([header[6], header[7]]);
        Some((u32_at(header, 0)?, usize::from(size)))
    }
}

/// `len` bytes at `pos` of the two pieces together, unless they lie across the seam.
fn piece<'b>(first: &'b [u8], second: &'b [u8], pos: usize, len: usize) -> Option<&'b [u8]> {
    if pos < first.len() { first.get(pos..pos + len) } else { second.get(pos - first.len()..pos - first.len() + len) }
}

/// The size of the record at the beginning of these bytes, if it is a sample.
#[inline]
fn sample_size(bytes: &[u8]) -> Option<usize> {
    let [k0, k1, k2, k3, _, _, s0, s1] = *bytes.first_chunk::<HEADER>()?;
    (u32::from_ne_bytes([k0, k1, k2, k3]) == SAMPLE).then_some(usize::from(u16::from_ne_bytes([s0, s1])))
}

/// Hands out the records of several runs in order of time, up to (not including) `horizon`; all there are if it is
/// [`u64::MAX`].
///
/// Runs must be ordered by themselves, as rings are. Whatever has the horizon's time or a later one stays.
pub fn merge(runs: &mut [RecordRun<'_>], horizon: u64, mut take: impl FnMut(Record<'_>)) {
    let take = &mut take;
    loop {
        // A kdamond rarely changes the CPU, so that mostly one run has everything: find it and the time up to which it
        // may go on alone.
        let (mut best, mut limit) = (None, horizon);
        for (at, run) in runs.iter().enumerate() {
            let Some(time) = run.next_time().filter(|time| *time < horizon || horizon == u64::MAX) else { continue };
            match best {
                Some((_, earliest)) if time >= earliest => limit = limit.min(time),
                Some((_, earliest)) => {
                    limit = limit.min(earliest);
                    best = Some((at, time));
                }
                None => best = Some((at, time)),
            }
        }
        let Some((at, _)) = best else { return };
        let run = &mut runs[at];
        // The first one is due whatever the limit: with equal times one of them has to begin.
        run.advance(take);
        run.advance_to(limit, take);
    }
}
