//! Side data as bytes: each piece with the number of its kind and its length in front, so that a reader steps over kinds of
//! later versions.

use crate::error::Fault;
use crate::layout::{MAX_SIDE_MAPPINGS, MAX_SIDES};
use crate::wire::{Wire, decode, encode, put_list, put_ops_word, take_ops_word, wire};
use crate::wire_profile;
use damo_model::{
    Bytes, CpuTime, Footprint, Lost, Mapping, Mappings, Mark, NodeMemory, NodeThreads, Params, Placement, Pressure,
    ProcessFootprint, SchemeCounts, SchemeProgress, Side, Stamp, SystemFootprint,
};

/// The number that each kind has in a record.
macro_rules! kinds {
    ($($number:literal => $kind:ident),+) => {
        /// Appends the piece itself; gives the number of its kind.
        fn put_piece(side: &Side, out: &mut Vec<u8>) -> Result<u32, Fault> {
            match side {
                $(Side::$kind(piece) => piece.put(out).map(|()| $number),)+
                _ => Err(Fault::Rule("this kind of side data has no place in the format")),
            }
        }

        fn take_piece(number: u32, bytes: &mut &[u8]) -> Result<Option<Side>, Fault> {
            Ok(Some(match number {
                $($number => Side::$kind(Wire::take(bytes)?),)+
                _ => return Ok(None),
            }))
        }
    };
}

kinds!(1 => Mappings, 2 => Process, 3 => System, 4 => Cpu, 5 => Pressure, 6 => Params, 7 => Lost, 8 => Mark, 9 => Scheme,
    10 => Placement, 11 => Code, 12 => Stacks, 13 => Samples, 14 => Profile, 15 => LostSamples, 16 => Symbols);

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
    NodeMemory { start, end, node, bytes }
    NodeThreads { node, threads }
    Placement { at, pid, target, memory, threads }
}

/// Appends one entry: its number, its length, itself. `scratch` is overwritten.
pub(crate) fn put(side: &Side, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Fault> {
    scratch.clear();
    let number = put_piece(side, scratch)?;
    if let Side::Params(params) = side {
        put_ops_word(params.ops, scratch)?;
    }
    encode((number, scratch.len() as u32), out)?;
    out.extend_from_slice(scratch);
    Ok(())
}

/// How many mappings an entry of side data has; what a node has of one, and a node's threads, count as one each.
pub(crate) fn nr_mappings(side: &Side) -> usize {
    match side {
        Side::Mappings(all) => all.mappings.len(),
        Side::Placement(all) => all.memory.len() + all.threads.len(),
        _ => wire_profile::nr_mappings(side),
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
    let mut side = take_piece(number, &mut entry)?;
    if let Some(Side::Params(params)) = &mut side {
        params.ops = take_ops_word(params.ops, &mut entry)?;
    }
    Ok(side)
}
