//! Attributes: what an event is, and what its samples hold in which order.

use super::bytes::{Cursor, u32_at, u64_at};
use damo_model::{Clock, Nanos};

const IP: u64 = 1 << 0;
const TID: u64 = 1 << 1;
const TIME: u64 = 1 << 2;
const ADDR: u64 = 1 << 3;
const READ: u64 = 1 << 4;
const CALLCHAIN: u64 = 1 << 5;
const ID: u64 = 1 << 6;
const CPU: u64 = 1 << 7;
const PERIOD: u64 = 1 << 8;
const STREAM_ID: u64 = 1 << 9;
const RAW: u64 = 1 << 10;
const STACK_USER: u64 = 1 << 13;
const DATA_SRC: u64 = 1 << 15;
const IDENTIFIER: u64 = 1 << 16;

const FREQUENCY: u64 = 1 << 10;

const SAMPLE_ID_ALL: u64 = 1 << 18;
const USE_CLOCKID: u64 = 1 << 25;

const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
/// The software event that perf adds to be told of mappings.
const DUMMY: u64 = 9;

/// One event of the recording.
#[derive(Debug)]
pub(super) struct Attr {
    pub(super) is_tracepoint: bool,
    sample_type: u64,
    read_format: u64,
    /// Whether records other than samples end with who and when.
    sample_id_all: bool,
    pub(super) clock: Clock,
    pub(super) ids: Vec<u64>,
    event: (u32, u64),
    /// Samples per second, if the event is sampled by frequency.
    pub(super) frequency: Option<u64>,
}

/// What is used of a sample of code.
#[derive(Clone, Copy, Debug)]
pub(super) struct CodeSample<'a> {
    pub(super) ip: u64,
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) time: Option<Nanos>,
    pub(super) address: u64,
    pub(super) period: u64,
    /// Eight bytes for each entry, innermost first; `None` if chains were not recorded.
    pub(super) chain: Option<&'a [u8]>,
}

/// What is used of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    pub(super) time: Option<Nanos>,
    /// From `common_type` on.
    pub(super) raw: &'a [u8],
}

impl Attr {
    /// From an attribute's bytes and its ids' bytes.
    pub(super) fn read(attr: &[u8], ids: &[u8]) -> Option<Self> {
        let flags = u64_at(attr, 40)?;
        let clock = match u32_at(attr, 92) {
            Some(0) if flags & USE_CLOCKID != 0 => Clock::Wall,
            Some(1) if flags & USE_CLOCKID != 0 => Clock::Monotonic,
            _ if flags & USE_CLOCKID != 0 => Clock::Unknown,
            _ => Clock::TraceLocal,
        };
        let mut ids = Cursor(ids);
        Some(Self {
            is_tracepoint: u32_at(attr, 0)? == TYPE_TRACEPOINT,
            sample_type: u64_at(attr, 24)?,
            read_format: u64_at(attr, 32)?,
            sample_id_all: flags & SAMPLE_ID_ALL != 0,
            clock,
            ids: std::iter::from_fn(|| ids.u64()).collect(),
            event: (u32_at(attr, 0)?, u64_at(attr, 8)?),
            frequency: (flags & FREQUENCY != 0).then(|| u64_at(attr, 16)).flatten(),
        })
    }

    /// From a pipe's record: the attribute, as long as it says itself, and its ids.
    pub(super) fn of_record(record: &[u8]) -> Option<Self> {
        let size = u32_at(record, 12)? as usize;
        let (attr, ids) = record.get(8..)?.split_at_checked(size)?;
        Self::read(attr, ids)
    }

    /// Whether samples begin with their event's id.
    pub(super) fn has_identifier(&self) -> bool {
        self.sample_type & IDENTIFIER != 0
    }

    pub(super) fn has_same_layout(&self, other: &Attr) -> bool {
        (self.sample_type, self.read_format) == (other.sample_type, other.read_format)
    }

    /// A sample's body, after the record's header. `None` if it has no raw data, or does not fit the layout.
    pub(super) fn sample<'a>(&self, body: &'a [u8]) -> Option<Sample<'a>> {
        if self.sample_type & RAW == 0 {
            return None;
        }
        let mut body = Cursor(body);
        let mut time = None;
        // In the order of the kernel's ABI, which is not that of the bits.
        for field in [IDENTIFIER, IP, TID, TIME, ADDR, ID, STREAM_ID, CPU, PERIOD] {
            if self.sample_type & field == 0 {
                continue;
            }
            let value = body.u64()?;
            if field == TIME {
                time = i64::try_from(value).ok().map(Nanos);
            }
        }
        if self.sample_type & READ != 0 {
            self.skip_read(&mut body)?;
        }
        if self.sample_type & CALLCHAIN != 0 {
            let frames = body.u64()?;
            body.skip(frames.checked_mul(8)?)?;
        }
        let len = body.u32()? as usize;
        Some(Sample { time, raw: body.take(len)? })
    }

    /// Whether its samples tell which code ran.
    pub(super) fn samples_code(&self) -> bool {
        let is_dummy = self.event == (TYPE_SOFTWARE, DUMMY);
        !self.is_tracepoint && !is_dummy && self.sample_type & (IP | TID) == IP | TID
    }

    /// The event in perf's words, as far as that is known from its number.
    pub(super) fn event_name(&self) -> &'static str {
        match self.event {
            (TYPE_HARDWARE, 0) => "cycles",
            (TYPE_HARDWARE, 1) => "instructions",
            (TYPE_HARDWARE, 3) => "cache-misses",
            (TYPE_SOFTWARE, 0) => "cpu-clock",
            (TYPE_SOFTWARE, 1) => "task-clock",
            (TYPE_SOFTWARE, 2) => "page-faults",
            _ if self.samples_accesses() => "mem",
            _ => "an event of the processor",
        }
    }

    /// Whether its samples are of accesses to memory, with the address and where the data came from.
    pub(super) fn samples_accesses(&self) -> bool {
        self.sample_type & (ADDR | DATA_SRC) == ADDR | DATA_SRC
    }

    /// Whether its samples have chains of calls.
    pub(super) fn has_chains(&self) -> bool {
        self.sample_type & CALLCHAIN != 0
    }

    /// Whether its samples have raw memory of stacks instead of user frames.
    pub(super) fn has_raw_stacks(&self) -> bool {
        self.sample_type & STACK_USER != 0
    }

    /// A sample's body, after the record's header, as one of code. `None` if it does not fit the layout.
    pub(super) fn code_sample<'a>(&self, body: &'a [u8]) -> Option<CodeSample<'a>> {
        let mut body = Cursor(body);
        let mut sample = CodeSample { ip: 0, pid: 0, tid: 0, time: None, address: 0, period: 1, chain: None };
        for field in [IDENTIFIER, IP, TID, TIME, ADDR, ID, STREAM_ID, CPU, PERIOD] {
            if self.sample_type & field == 0 {
                continue;
            }
            let value = body.u64()?;
            match field {
                IP => sample.ip = value,
                TID => (sample.pid, sample.tid) = (value as u32 as i32, (value >> 32) as u32 as i32),
                TIME => sample.time = i64::try_from(value).ok().map(Nanos),
                ADDR => sample.address = value,
                PERIOD => sample.period = value,
                _ => {}
            }
        }
        if self.sample_type & READ != 0 {
            self.skip_read(&mut body)?;
        }
        if self.sample_type & CALLCHAIN != 0 {
            let frames = usize::try_from(body.u64()?).ok()?;
            sample.chain = Some(body.take(frames.checked_mul(8)?)?);
        }
        Some(sample)
    }

    fn skip_read(&self, body: &mut Cursor<'_>) -> Option<()> {
        let has = |bit: u32| u64::from(self.read_format >> bit & 1 != 0);
        let (times, per_value) = (has(0) + has(1), 1 + has(2) + has(4));
        let values = if has(3) == 1 { body.u64()? } else { 1 };
        body.skip(values.checked_mul(per_value)?.checked_add(times)?.checked_mul(8)?)
    }

    /// When a record other than a sample was written: from the words at its end.
    pub(super) fn time_at_end(&self, body: &[u8]) -> Option<Nanos> {
        if !self.sample_id_all || self.sample_type & TIME == 0 {
            return None;
        }
        // In this order, 8 bytes each where present.
        let after = [ID, STREAM_ID, CPU, IDENTIFIER].iter().filter(|field| self.sample_type & **field != 0).count();
        let at = body.len().checked_sub((after + 1) * 8)?;
        // Synthesized records have 0.
        u64_at(body, at).and_then(|time| i64::try_from(time).ok()).filter(|time| *time > 0).map(Nanos)
    }
}
