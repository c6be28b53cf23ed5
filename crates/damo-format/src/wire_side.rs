//! Side data as bincode sees it: one mirror per kind, numbered, each with its length in front, so that a reader steps
//! over kinds of later versions. See [`crate::wire`] for why mirrors.

use crate::error::Fault;
use crate::layout::{MAX_SIDE_MAPPINGS, MAX_SIDES};
use crate::wire::{WireGoal, WireIntervals, WireNrRegions, decode, encode, ops_number, ops_of};
use bincode::{Decode, Encode};
use damo_model::{
    Addr, Bytes, CpuTime, Footprint, KdamondIndex, Lost, Mapping, Mappings, Mark, Nanos, Params, Pressure,
    ProcessFootprint, SchemeCounts, SchemeProgress, Side, Stamp, SystemFootprint, TargetKey,
};

mod number {
    pub(super) const MAPPINGS: u32 = 1;
    pub(super) const PROCESS: u32 = 2;
    pub(super) const SYSTEM: u32 = 3;
    pub(super) const CPU: u32 = 4;
    pub(super) const PRESSURE: u32 = 5;
    pub(super) const PARAMS: u32 = 6;
    pub(super) const LOST: u32 = 7;
    pub(super) const MARK: u32 = 8;
    pub(super) const SCHEME: u32 = 9;
}

#[derive(Encode, Decode, Clone, Copy)]
enum WireStamp {
    Record(i64),
    Wall(i64),
}

impl From<Stamp> for WireStamp {
    fn from(stamp: Stamp) -> Self {
        match stamp {
            Stamp::Record(at) => WireStamp::Record(at.0),
            Stamp::Wall(at) => WireStamp::Wall(at.0),
        }
    }
}

impl From<WireStamp> for Stamp {
    fn from(w: WireStamp) -> Self {
        match w {
            WireStamp::Record(at) => Stamp::Record(Nanos(at)),
            WireStamp::Wall(at) => Stamp::Wall(Nanos(at)),
        }
    }
}

#[derive(Encode, Decode)]
struct WireMapping {
    start: u64,
    end: u64,
    perms: String,
    offset: u64,
    name: String,
}

#[derive(Encode, Decode)]
struct WireMappings {
    at: WireStamp,
    pid: i32,
    target: Option<u32>,
    mappings: Vec<WireMapping>,
}

#[derive(Encode, Decode)]
struct WireProcess {
    at: WireStamp,
    pid: i32,
    target: Option<u32>,
    /// vsz, rss, shared, text, data, pss, swap, cgroup.
    figures: Vec<Option<u64>>,
}

#[derive(Encode, Decode)]
struct WireSystem {
    at: WireStamp,
    total: u64,
    free: u64,
    available: Option<u64>,
    buffers: Option<u64>,
    cached: Option<u64>,
    swap_used: Option<u64>,
}

#[derive(Encode, Decode)]
struct WireCpu {
    at: WireStamp,
    pid: i32,
    comm: String,
    kdamond: bool,
    user: i64,
    system: i64,
}

#[derive(Encode, Decode)]
struct WirePressure {
    at: WireStamp,
    resource: String,
    some: i64,
    full: Option<i64>,
}

#[derive(Encode, Decode)]
struct WireParams {
    at: WireStamp,
    kdamond: Option<u32>,
    context: Option<u32>,
    ops: u8,
    intervals: Option<WireIntervals>,
    intervals_goal: Option<WireGoal>,
    nr_regions: Option<WireNrRegions>,
    json: String,
}

#[derive(Encode, Decode)]
struct WireLost {
    at: WireStamp,
    events: u64,
    reason: String,
}

#[derive(Encode, Decode)]
struct WireMark {
    at: WireStamp,
    text: String,
}

#[derive(Encode, Decode)]
struct WireCounts {
    nr_tried: u64,
    sz_tried: u64,
    nr_applied: u64,
    sz_applied: u64,
    sz_ops_filter_passed: Option<u64>,
    qt_exceeds: u64,
    nr_snapshots: Option<u64>,
}

#[derive(Encode, Decode)]
struct WireScheme {
    at: WireStamp,
    kdamond: Option<u32>,
    context: u32,
    scheme: u32,
    effective_quota: Option<u64>,
    counts: Option<WireCounts>,
}

/// Appends one entry: its number, its length, itself. `scratch` is overwritten.
pub(crate) fn put(side: &Side, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Fault> {
    scratch.clear();
    let number = match side.clone() {
        Side::Mappings(Mappings { at, pid, target, mappings }) => {
            let mappings = mappings.into_iter().map(|Mapping { start, end, perms, offset, name }| WireMapping {
                start: start.0,
                end: end.0,
                perms,
                offset: offset.0,
                name,
            });
            let target = target.map(|t| t.0);
            encode(WireMappings { at: at.into(), pid, target, mappings: mappings.collect() }, scratch)?;
            number::MAPPINGS
        }
        Side::Process(ProcessFootprint { at, pid, target, footprint }) => {
            let Footprint { vsz, rss, shared, text, data, pss, swap, cgroup } = footprint;
            let figures = [vsz, rss, shared, text, data, pss, swap, cgroup].map(|f| f.map(|b| b.0)).to_vec();
            encode(WireProcess { at: at.into(), pid, target: target.map(|t| t.0), figures }, scratch)?;
            number::PROCESS
        }
        Side::System(SystemFootprint { at, total, free, available, buffers, cached, swap_used }) => {
            let [available, buffers, cached, swap_used] =
                [available, buffers, cached, swap_used].map(|f| f.map(|b| b.0));
            let wire =
                WireSystem { at: at.into(), total: total.0, free: free.0, available, buffers, cached, swap_used };
            encode(wire, scratch)?;
            number::SYSTEM
        }
        Side::Cpu(CpuTime { at, pid, comm, kdamond, user, system }) => {
            encode(WireCpu { at: at.into(), pid, comm, kdamond, user: user.0, system: system.0 }, scratch)?;
            number::CPU
        }
        Side::Pressure(Pressure { at, resource, some, full }) => {
            encode(WirePressure { at: at.into(), resource, some: some.0, full: full.map(|f| f.0) }, scratch)?;
            number::PRESSURE
        }
        Side::Params(Params { at, kdamond, context, ops, intervals, intervals_goal, nr_regions, json }) => {
            let wire = WireParams {
                at: at.into(),
                kdamond: kdamond.map(|index| index.0),
                context,
                ops: ops.map_or(0, ops_number),
                intervals: intervals.map(Into::into),
                intervals_goal: intervals_goal.map(Into::into),
                nr_regions: nr_regions.map(Into::into),
                json,
            };
            encode(wire, scratch)?;
            number::PARAMS
        }
        Side::Lost(Lost { at, events, reason }) => {
            encode(WireLost { at: at.into(), events, reason }, scratch)?;
            number::LOST
        }
        Side::Mark(Mark { at, text }) => {
            encode(WireMark { at: at.into(), text }, scratch)?;
            number::MARK
        }
        Side::Scheme(SchemeProgress { at, kdamond, context, scheme, effective_quota, counts }) => {
            let counts = counts.map(|counts| WireCounts {
                nr_tried: counts.nr_tried,
                sz_tried: counts.sz_tried.0,
                nr_applied: counts.nr_applied,
                sz_applied: counts.sz_applied.0,
                sz_ops_filter_passed: counts.sz_ops_filter_passed.map(|b| b.0),
                qt_exceeds: counts.qt_exceeds,
                nr_snapshots: counts.nr_snapshots,
            });
            let effective_quota = effective_quota.map(|b| b.0);
            encode(
                WireScheme {
                    at: at.into(),
                    kdamond: kdamond.map(|index| index.0),
                    context,
                    scheme,
                    effective_quota,
                    counts,
                },
                scratch,
            )?;
            number::SCHEME
        }
        // The enum is open; a kind without a number here cannot be written.
        _ => return Err(Fault::Rule("this kind of side data has no place in the format")),
    };
    encode((number, scratch.len() as u32), out)?;
    out.extend_from_slice(scratch);
    Ok(())
}

/// How many mappings an entry of side data has.
pub(crate) fn nr_mappings(side: &Side) -> usize {
    match side {
        Side::Mappings(all) => all.mappings.len(),
        _ => 0,
    }
}

/// About how much memory entries take that are `bytes` long altogether, so many and with so many mappings.
pub(crate) fn memory(bytes: usize, entries: usize, mappings: usize) -> u64 {
    const ENTRY: u64 = 256;
    const MAPPING: u64 = 96;
    bytes as u64 + entries as u64 * ENTRY + mappings as u64 * MAPPING
}

/// Reads all entries; gives those it knows to `take` and the numbers of others to `unknown`. More than [`MAX_SIDES`], or
/// more than [`MAX_SIDE_MAPPINGS`] mappings in them, are refused. Gives the memory that they take.
pub(crate) fn take_all(all: &[u8], mut take: impl FnMut(Side), mut unknown: impl FnMut(u32)) -> Result<u64, Fault> {
    let mut bytes = all;
    let (mut entries, mut mappings) = (0, 0);
    while !bytes.is_empty() {
        entries += 1;
        if entries > MAX_SIDES {
            return Err("the block has more pieces of side data than any block may".into());
        }
        let ((number, length), used) = decode::<(u32, u32)>(bytes)?;
        let rest = &bytes[used..];
        let (entry, rest) = rest.split_at_checked(length as usize).ok_or("an entry is longer than its block")?;
        match entry_of(number, entry)? {
            Some(side) => {
                mappings += nr_mappings(&side);
                if mappings > MAX_SIDE_MAPPINGS {
                    return Err("the block has more mappings than any block may".into());
                }
                take(side);
            }
            None => unknown(number),
        }
        bytes = rest;
    }
    Ok(memory(all.len(), entries, mappings))
}

fn entry_of(number: u32, bytes: &[u8]) -> Result<Option<Side>, Fault> {
    Ok(Some(match number {
        number::MAPPINGS => {
            let w = decode::<WireMappings>(bytes)?.0;
            let mappings = w.mappings.into_iter().map(|m| Mapping {
                start: Addr(m.start),
                end: Addr(m.end),
                perms: m.perms,
                offset: Bytes(m.offset),
                name: m.name,
            });
            let target = w.target.map(TargetKey);
            Side::Mappings(Mappings { at: w.at.into(), pid: w.pid, target, mappings: mappings.collect() })
        }
        number::PROCESS => {
            let w = decode::<WireProcess>(bytes)?.0;
            let figure = |i: usize| w.figures.get(i).copied().flatten().map(Bytes);
            let footprint = Footprint {
                vsz: figure(0),
                rss: figure(1),
                shared: figure(2),
                text: figure(3),
                data: figure(4),
                pss: figure(5),
                swap: figure(6),
                cgroup: figure(7),
            };
            Side::Process(ProcessFootprint { at: w.at.into(), pid: w.pid, target: w.target.map(TargetKey), footprint })
        }
        number::SYSTEM => {
            let w = decode::<WireSystem>(bytes)?.0;
            Side::System(SystemFootprint {
                at: w.at.into(),
                total: Bytes(w.total),
                free: Bytes(w.free),
                available: w.available.map(Bytes),
                buffers: w.buffers.map(Bytes),
                cached: w.cached.map(Bytes),
                swap_used: w.swap_used.map(Bytes),
            })
        }
        number::CPU => {
            let w = decode::<WireCpu>(bytes)?.0;
            Side::Cpu(CpuTime {
                at: w.at.into(),
                pid: w.pid,
                comm: w.comm,
                kdamond: w.kdamond,
                user: Nanos(w.user),
                system: Nanos(w.system),
            })
        }
        number::PRESSURE => {
            let w = decode::<WirePressure>(bytes)?.0;
            Side::Pressure(Pressure {
                at: w.at.into(),
                resource: w.resource,
                some: Nanos(w.some),
                full: w.full.map(Nanos),
            })
        }
        number::PARAMS => {
            let w = decode::<WireParams>(bytes)?.0;
            Side::Params(Params {
                at: w.at.into(),
                kdamond: w.kdamond.map(KdamondIndex),
                context: w.context,
                ops: ops_of(w.ops),
                intervals: w.intervals.map(Into::into),
                intervals_goal: w.intervals_goal.map(Into::into),
                nr_regions: w.nr_regions.map(Into::into),
                json: w.json,
            })
        }
        number::LOST => {
            let w = decode::<WireLost>(bytes)?.0;
            Side::Lost(Lost { at: w.at.into(), events: w.events, reason: w.reason })
        }
        number::MARK => {
            let w = decode::<WireMark>(bytes)?.0;
            Side::Mark(Mark { at: w.at.into(), text: w.text })
        }
        number::SCHEME => {
            let w = decode::<WireScheme>(bytes)?.0;
            Side::Scheme(SchemeProgress {
                at: w.at.into(),
                kdamond: w.kdamond.map(KdamondIndex),
                context: w.context,
                scheme: w.scheme,
                effective_quota: w.effective_quota.map(Bytes),
                counts: w.counts.map(|counts| SchemeCounts {
                    nr_tried: counts.nr_tried,
                    sz_tried: Bytes(counts.sz_tried),
                    nr_applied: counts.nr_applied,
                    sz_applied: Bytes(counts.sz_applied),
                    sz_ops_filter_passed: counts.sz_ops_filter_passed.map(Bytes),
                    qt_exceeds: counts.qt_exceeds,
                    nr_snapshots: counts.nr_snapshots,
                }),
            })
        }
        _ => return Ok(None),
    }))
}
