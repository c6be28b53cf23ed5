//! Meta, targets and index entries as bincode sees them.
//!
//! These are mirrors of the vocabulary's types on purpose: what is written must not change when a field is added
//! there, and bincode (2.0.1, no longer maintained) must stay replaceable without changing a byte. A mirror is
//! taken apart field by field, so a new field does not compile until somebody decides how it is written:
//! always behind what is there, as readers ignore what follows the fields they know.
//!
//! bincode's "standard" configuration: little-endian, integers below 251 in one byte, larger ones as 251, 252 or 253
//! and then 2, 4 or 8 bytes; signed ones zigzag first; strings and lists with their length in front; options as 0 or 1
//! and the value; enums as their number and the fields.

use crate::error::Fault;
use crate::layout::MAX_RAW;
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};
use damo_model::{
    Bytes, Clock, ClockPair, Intervals, IntervalsGoal, KdamondIndex, Meta, Nanos, NrRegions, Ops, Process, Source,
    Target, TargetKey, TracepointFormat,
};

/// Nothing is decoded that claims more memory than a block may have.
pub(crate) const CONFIG: Configuration<LittleEndian, Varint, Limit<{ MAX_RAW as usize }>> =
    bincode::config::standard().with_limit::<{ MAX_RAW as usize }>();

/// As bytes, behind what `out` holds already.
pub(crate) fn encode<T: Encode>(value: T, out: &mut Vec<u8>) -> Result<(), Fault> {
    bincode::encode_into_std_write(value, out, CONFIG).map(|_| ()).map_err(|e| Fault::Library(e.to_string()))
}

/// From the front of `bytes`; also how many of them it took.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<(T, usize), Fault> {
    bincode::decode_from_slice(bytes, CONFIG).map_err(|e| Fault::Library(e.to_string()))
}

/// Intervals, in ns.
#[derive(Encode, Decode)]
pub struct WireIntervals {
    sample: i64,
    aggregation: i64,
    update: i64,
}

impl From<Intervals> for WireIntervals {
    fn from(Intervals { sample, aggregation, update }: Intervals) -> Self {
        WireIntervals { sample: sample.0, aggregation: aggregation.0, update: update.0 }
    }
}

impl From<WireIntervals> for Intervals {
    fn from(w: WireIntervals) -> Self {
        Intervals { sample: Nanos(w.sample), aggregation: Nanos(w.aggregation), update: Nanos(w.update) }
    }
}

/// A tuning goal.
#[derive(Encode, Decode)]
pub struct WireGoal {
    access_bp: u64,
    aggregations: u64,
    min_sample: i64,
    max_sample: i64,
}

impl From<IntervalsGoal> for WireGoal {
    fn from(IntervalsGoal { access_bp, aggregations, min_sample, max_sample }: IntervalsGoal) -> Self {
        WireGoal { access_bp, aggregations, min_sample: min_sample.0, max_sample: max_sample.0 }
    }
}

impl From<WireGoal> for IntervalsGoal {
    fn from(w: WireGoal) -> Self {
        IntervalsGoal {
            access_bp: w.access_bp,
            aggregations: w.aggregations,
            min_sample: Nanos(w.min_sample),
            max_sample: Nanos(w.max_sample),
        }
    }
}

/// Least and greatest number of regions.
#[derive(Encode, Decode)]
pub struct WireNrRegions {
    min: u64,
    max: u64,
}

impl From<NrRegions> for WireNrRegions {
    fn from(NrRegions { min, max }: NrRegions) -> Self {
        WireNrRegions { min, max }
    }
}

impl From<WireNrRegions> for NrRegions {
    fn from(w: WireNrRegions) -> Self {
        NrRegions { min: w.min, max: w.max }
    }
}

/// Operations sets by number.
pub(crate) fn ops_number(ops: Ops) -> u8 {
    match ops {
        Ops::Vaddr => 1,
        Ops::Fvaddr => 2,
        Ops::Paddr => 3,
    }
}

/// And back; a number of a later version reads as unknown.
pub(crate) fn ops_of(number: u8) -> Option<Ops> {
    match number {
        1 => Some(Ops::Vaddr),
        2 => Some(Ops::Fvaddr),
        3 => Some(Ops::Paddr),
        _ => None,
    }
}

#[derive(Encode, Decode)]
enum WireSource {
    Unknown,
    Kernel,
    KernelSnapshots,
    Simulator { seed: u64, workload: String },
    Imported { format: String },
    Referenced,
}

/// What a meta block holds, but for the history.
#[derive(Encode, Decode)]
struct WireMeta {
    tool: String,
    kernel_release: String,
    features: Vec<String>,
    formats: Vec<(String, String)>,
    source: WireSource,
    /// [`ops_number`], 0 for none.
    ops: u8,
    intervals: Option<WireIntervals>,
    intervals_goal: Option<WireGoal>,
    nr_regions: Option<WireNrRegions>,
    page_size: Option<u64>,
    /// 0 unknown, 1 monotonic, 2 trace local, 3 wall, 4 virtual.
    clock: u8,
    /// On the record's clock, on the wall clock.
    clock_pair: Option<(i64, i64)>,
    boot_id: String,
    host: String,
    command: Vec<String>,
}

impl From<&Meta> for WireMeta {
    fn from(meta: &Meta) -> Self {
        let Meta {
            tool,
            kernel_release,
            features,
            formats,
            source,
            ops,
            intervals,
            intervals_goal,
            nr_regions,
            page_size,
            clock,
            clock_pair,
            boot_id,
            host,
            command,
            // Behind the structure, see `encode_meta`.
            history: _,
        } = meta.clone();
        WireMeta {
            tool,
            kernel_release,
            features,
            formats: formats.into_iter().map(|TracepointFormat { event, text }| (event, text)).collect(),
            source: match source {
                Source::Unknown => WireSource::Unknown,
                Source::Kernel => WireSource::Kernel,
                Source::KernelSnapshots => WireSource::KernelSnapshots,
                Source::Simulator { seed, workload } => WireSource::Simulator { seed, workload },
                Source::Imported { format } => WireSource::Imported { format },
                Source::Referenced => WireSource::Referenced,
            },
            ops: ops.map_or(0, ops_number),
            intervals: intervals.map(Into::into),
            intervals_goal: intervals_goal.map(Into::into),
            nr_regions: nr_regions.map(Into::into),
            page_size: page_size.map(|size| size.0),
            clock: match clock {
                Clock::Unknown => 0,
                Clock::Monotonic => 1,
                Clock::TraceLocal => 2,
                Clock::Wall => 3,
                Clock::Virtual => 4,
            },
            clock_pair: clock_pair.map(|ClockPair { record, wall }| (record.0, wall.0)),
            boot_id,
            host,
            command,
        }
    }
}

impl From<WireMeta> for Meta {
    fn from(w: WireMeta) -> Self {
        Meta {
            tool: w.tool,
            kernel_release: w.kernel_release,
            features: w.features,
            formats: w.formats.into_iter().map(|(event, text)| TracepointFormat { event, text }).collect(),
            source: match w.source {
                WireSource::Unknown => Source::Unknown,
                WireSource::Kernel => Source::Kernel,
                WireSource::KernelSnapshots => Source::KernelSnapshots,
                WireSource::Simulator { seed, workload } => Source::Simulator { seed, workload },
                WireSource::Imported { format } => Source::Imported { format },
                WireSource::Referenced => Source::Referenced,
            },
            ops: ops_of(w.ops),
            intervals: w.intervals.map(Into::into),
            intervals_goal: w.intervals_goal.map(Into::into),
            nr_regions: w.nr_regions.map(Into::into),
            page_size: w.page_size.map(Bytes),
            clock: match w.clock {
                1 => Clock::Monotonic,
                2 => Clock::TraceLocal,
                3 => Clock::Wall,
                4 => Clock::Virtual,
                _ => Clock::Unknown,
            },
            clock_pair: w.clock_pair.map(|(record, wall)| ClockPair { record: Nanos(record), wall: Nanos(wall) }),
            boot_id: w.boot_id,
            host: w.host,
            command: w.command,
            history: Vec::new(),
        }
    }
}

/// A meta block's payload. The history comes last and only if there is one: records from before there were histories
/// end without it.
pub(crate) fn encode_meta(meta: &Meta, out: &mut Vec<u8>) -> Result<(), Fault> {
    encode(WireMeta::from(meta), out)?;
    if meta.history.is_empty() { Ok(()) } else { encode(&meta.history, out) }
}

/// Reads what [`encode_meta`] wrote.
pub(crate) fn decode_meta(bytes: &[u8]) -> Result<Meta, Fault> {
    let (wire, length) = decode::<WireMeta>(bytes)?;
    let mut meta = Meta::from(wire);
    let rest = bytes.get(length..).unwrap_or_default();
    if !rest.is_empty() {
        meta.history = decode(rest)?.0;
    }
    Ok(meta)
}

#[derive(Encode, Decode)]
struct WireProcess {
    pid: i32,
    started: Option<i64>,
    comm: String,
    cmdline: String,
}

/// One target of a targets block.
#[derive(Encode, Decode)]
pub struct WireTarget {
    key: u32,
    kdamond: Option<u32>,
    context: Option<u32>,
    scheme: Option<u32>,
    target_id: Option<u64>,
    process: Option<WireProcess>,
    data_source: String,
    scheme_filters: String,
}

impl From<&Target> for WireTarget {
    fn from(target: &Target) -> Self {
        let Target { key, kdamond, context, scheme, target_id, process, data_source, scheme_filters } = target.clone();
        let process = process.map(|Process { pid, started, comm, cmdline }| WireProcess {
            pid,
            started: started.map(|t| t.0),
            comm,
            cmdline,
        });
        WireTarget {
            key: key.0,
            kdamond: kdamond.map(|index| index.0),
            context,
            scheme,
            target_id,
            process,
            data_source,
            scheme_filters,
        }
    }
}

impl From<WireTarget> for Target {
    fn from(w: WireTarget) -> Self {
        Target {
            key: TargetKey(w.key),
            kdamond: w.kdamond.map(KdamondIndex),
            context: w.context,
            scheme: w.scheme,
            target_id: w.target_id,
            process: w.process.map(|p| Process {
                pid: p.pid,
                started: p.started.map(Nanos),
                comm: p.comm,
                cmdline: p.cmdline,
            }),
            data_source: w.data_source,
            scheme_filters: w.scheme_filters,
        }
    }
}
