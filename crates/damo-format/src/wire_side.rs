//! Side data as bytes: each piece with the number of its kind and its length in front, so that a reader steps over kinds of
//! later versions.

use crate::error::Fault;
use crate::layout::{MAX_SIDE_MAPPINGS, MAX_SIDES};
use crate::wire::{Wire, decode, encode, put_list, put_ops_word, take_ops_word, wire};
use damo_model::{
    Bytes, CpuTime, Footprint, Lost, Mapping, Mappings, Mark, Params, Pressure, ProcessFootprint, SchemeCounts,
    SchemeProgress, Side, Stamp, SystemFootprint,
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

impl Wire for Stamp {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (clock, at) = match self {
            Stamp::Record(at) => (0u32, at),
            Stamp::Wall(at) => (1, at),
        };
        clock.put(out)?;
        at.put(out)
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        match u32::take(bytes)? {
            0 => Wire::take(bytes).map(Stamp::Record),
            1 => Wire::take(bytes).map(Stamp::Wall),
            _ => Err("a time is of a clock that this version does not know".into()),
        }
    }
}

/// A list, which a later version may make longer.
impl Wire for Footprint {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Footprint { vsz, rss, shared, text, data, pss, swap, cgroup } = self;
        put_list([vsz, rss, shared, text, data, pss, swap, cgroup].into_iter(), out)
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        let mut figures = Vec::<Option<Bytes>>::take(bytes)?;
        figures.resize(figures.len().max(8), None);
        let [vsz, rss, shared, text, data, pss, swap, cgroup] = std::array::from_fn(|i| figures[i]);
        Ok(Footprint { vsz, rss, shared, text, data, pss, swap, cgroup })
    }
}

wire! {
    Mapping { start, end, perms, offset, name }
    Mappings { at, pid, target, mappings }
    ProcessFootprint { at, pid, target, footprint }
    SystemFootprint { at, total, free, available, buffers, cached, swap_used }
    CpuTime { at, pid, comm, kdamond, user, system }
    Pressure { at, resource, some, full }
    Params { at, kdamond, context, ops, intervals, intervals_goal, nr_regions, json }
    Lost { at, events, reason }
    Mark { at, text }
    SchemeCounts { nr_tried, sz_tried, nr_applied, sz_applied, sz_ops_filter_passed, qt_exceeds, nr_snapshots }
    SchemeProgress { at, kdamond, context, scheme, effective_quota, counts }
}

/// Appends one entry: its number, its length, itself. `scratch` is overwritten.
pub(crate) fn put(side: &Side, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Fault> {
    scratch.clear();
    let (number, written) = match side {
        Side::Mappings(all) => (number::MAPPINGS, all.put(scratch)),
        Side::Process(row) => (number::PROCESS, row.put(scratch)),
        Side::System(row) => (number::SYSTEM, row.put(scratch)),
        Side::Cpu(row) => (number::CPU, row.put(scratch)),
        Side::Pressure(row) => (number::PRESSURE, row.put(scratch)),
        Side::Params(params) => {
            let written = params.put(scratch).and_then(|()| put_ops_word(params.ops, scratch));
            (number::PARAMS, written)
        }
        Side::Lost(lost) => (number::LOST, lost.put(scratch)),
        Side::Mark(mark) => (number::MARK, mark.put(scratch)),
        Side::Scheme(progress) => (number::SCHEME, progress.put(scratch)),
        _ => return Err(Fault::Rule("this kind of side data has no place in the format")),
    };
    written?;
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

fn entry_of(number: u32, mut entry: &[u8]) -> Result<Option<Side>, Fault> {
    let entry = &mut entry;
    Ok(Some(match number {
        number::MAPPINGS => Side::Mappings(Wire::take(entry)?),
        number::PROCESS => Side::Process(Wire::take(entry)?),
        number::SYSTEM => Side::System(Wire::take(entry)?),
        number::CPU => Side::Cpu(Wire::take(entry)?),
        number::PRESSURE => Side::Pressure(Wire::take(entry)?),
        number::PARAMS => {
            let params = Params::take(entry)?;
            Side::Params(Params { ops: take_ops_word(params.ops, entry)?, ..params })
        }
        number::LOST => Side::Lost(Wire::take(entry)?),
        number::MARK => Side::Mark(Wire::take(entry)?),
        number::SCHEME => Side::Scheme(Wire::take(entry)?),
        _ => return Ok(None),
    }))
}
