//! Side data of CPU profiles as bytes. What there is much of, nodes of stacks and samples, is written in columns of small
//! numbers, which pack well.

use crate::error::Fault;
use crate::layout::MAX_SIDE_MAPPINGS;
use crate::wire::{Wire, wire};
use damo_model::profile::{
    CodeBase, CodeKind, CodeMapping, CodeMappings, CodeModule, FrameKind, LostSamples, ProfileInfo, Sample, Sampled,
    SampledThread, Samples, StackNode, Stacks, SymbolAddress, SymbolFrame, Symbols,
};
use damo_model::{Addr, Side};

/// Samples and nodes of stacks take so much less memory than a mapping.
const PER_MAPPING: usize = 4;
/// So no block has more of them. Checked before there is memory for them.
const MOST: u64 = (MAX_SIDE_MAPPINGS * PER_MAPPING) as u64;
const TOO_MANY: &str = "an entry has more samples or frames than any block may";

/// How many mappings an entry counts as.
pub(crate) fn nr_mappings(side: &Side) -> usize {
    match side {
        Side::Code(code) => code.mappings.len(),
        Side::Stacks(stacks) => stacks.nodes.len().div_ceil(PER_MAPPING),
        Side::Samples(samples) => samples.threads.len() + samples.samples.len().div_ceil(PER_MAPPING),
        Side::Symbols(symbols) => {
            let frames: usize = symbols.addresses.iter().map(|address| address.frames.len()).sum();
            symbols.texts.len() + symbols.addresses.len() + frames.div_ceil(PER_MAPPING)
        }
        _ => 0,
    }
}

wire! {
    CodeMapping { start, end, offset, kind, name, build_id }
    CodeMappings { at, pid, base, mappings }
    SampledThread { pid, tid, comm }
    ProfileInfo { at, sampled, event, frequency, no_kernel, no_addresses, max_frames }
    LostSamples { at, samples, reason }
    CodeModule { name, build_id, pid }
    SymbolFrame { function, file, line }
    SymbolAddress { address, frames }
    Symbols { at, module, texts, addresses }
}

/// Writes the kinds of something as the numbers from 0 on; what a later version adds is read as the one that is named.
macro_rules! numbered {
    ($($type:ident [$($value:ident),+], later $later:ident;)*) => {
        $(impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
                let number = [$($type::$value),+].iter().position(|known| known == self).unwrap_or(0);
                (number as u8).put(out)
            }

            fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
                let number = usize::from(u8::take(bytes)?);
                Ok([$($type::$value),+].get(number).copied().unwrap_or($type::$later))
            }
        })*
    };
}

numbered! {
    CodeKind [File, Anonymous, Vdso, Kernel, KernelModule], later Anonymous;
    FrameKind [User, Kernel, Cut], later Cut;
    Sampled [Cpu, Access], later Access;
}

impl Wire for CodeBase {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            CodeBase::Kept => 0u8.put(out),
            CodeBase::Nothing => 1u8.put(out),
            CodeBase::CopyOf(pid) => {
                2u8.put(out)?;
                pid.put(out)
            }
        }
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        match u8::take(bytes)? {
            0 => Ok(CodeBase::Kept),
            1 => Ok(CodeBase::Nothing),
            2 => Wire::take(bytes).map(CodeBase::CopyOf),
            _ => Err("code mappings add to something that this version does not know".into()),
        }
    }
}

impl Wire for Stacks {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Stacks { at, table, first, nodes } = self;
        at.put(out)?;
        table.put(out)?;
        first.put(out)?;
        (nodes.len() as u64).put(out)?;
        for (number, node) in (u64::from(*first)..).zip(nodes) {
            let distance = match node.parent {
                None => 0,
                Some(parent) if u64::from(parent) < number => number - u64::from(parent),
                Some(_) => return Err("a frame of a stack is called by one that comes behind it".into()),
            };
            distance.put(out)?;
        }
        nodes.iter().try_for_each(|node| node.kind.put(out))?;
        let mut last = 0u64;
        for node in nodes {
            (node.address.0.wrapping_sub(last) as i64).put(out)?;
            last = node.address.0;
        }
        Ok(())
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        let (at, table, first) = (Wire::take(bytes)?, Wire::take(bytes)?, u32::take(bytes)?);
        let count = counted(bytes, 3)?;
        if first as usize + count > u32::MAX as usize {
            return Err("a table of stacks has more nodes than it may have".into());
        }
        let mut nodes = vec![StackNode::default(); count];
        for (number, node) in (first..).zip(&mut nodes) {
            node.parent = match u32::take(bytes)? {
                0 => None,
                distance => Some(number.checked_sub(distance).ok_or("a frame is called by one before the first")?),
            };
        }
        for node in &mut nodes {
            node.kind = Wire::take(bytes)?;
        }
        let mut last = 0u64;
        for node in &mut nodes {
            last = last.wrapping_add(i64::take(bytes)? as u64);
            node.address = Addr(last);
        }
        Ok(Stacks { at, table, first, nodes })
    }
}

/// The number of a list's members, of which each takes at least so many bytes.
fn counted(bytes: &mut &[u8], least: usize) -> Result<usize, Fault> {
    let count = u64::take(bytes)?;
    if count > (bytes.len() / least) as u64 {
        return Err("a list is longer than its bytes".into());
    }
    if count > MOST {
        return Err(TOO_MANY.into());
    }
    Ok(count as usize)
}

/// Samples thread by thread: the time between two samples of a thread is nearly the same always, and need not be told of
/// which thread each is.
impl Wire for Samples {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Samples { at, sampled, table, unit, threads, samples, addresses } = self;
        at.put(out)?;
        sampled.put(out)?;
        table.put(out)?;
        unit.put(out)?;
        threads.put(out)?;
        if !samples.is_sorted_by_key(|sample| (sample.time, sample.thread)) {
            return Err("samples are not in the order of time and thread".into());
        }
        if !addresses.is_empty() && addresses.len() != samples.len() {
            return Err("there is not an address for each sample".into());
        }
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.sort_by_key(|i| samples[*i].thread);
        let by_thread: Vec<&[usize]> = order.chunk_by(|a, b| samples[*a].thread == samples[*b].thread).collect();
        let mut counts = vec![0u64; threads.len()];
        for run in &by_thread {
            let thread = run.first().map_or(0, |i| samples[*i].thread as usize);
            *counts.get_mut(thread).ok_or("a sample is of a thread that is not told of")? = run.len() as u64;
        }
        counts.put(out)?;
        for run in &by_thread {
            let mut last = 0;
            for i in *run {
                (samples[*i].time - last).put(out)?;
                last = samples[*i].time;
            }
        }
        for i in &order {
            samples[*i].stack.wrapping_add(1).put(out)?;
        }
        let weights: Vec<u32> = order.iter().map(|i| samples[*i].weight).collect();
        let weights = if weights.iter().all(|weight| *weight == 1) { Vec::new() } else { weights };
        weights.put(out)?;
        u8::from(!addresses.is_empty()).put(out)?;
        let mut last = 0u64;
        for i in order.iter().filter(|_| !addresses.is_empty()) {
            (addresses[*i].0.wrapping_sub(last) as i64).put(out)?;
            last = addresses[*i].0;
        }
        Ok(())
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        let (at, sampled, table, unit) =
            (Wire::take(bytes)?, Wire::take(bytes)?, Wire::take(bytes)?, Wire::take(bytes)?);
        let threads = Vec::<SampledThread>::take(bytes)?;
        let mut rows = take_times(bytes, threads.len())?;
        for (sample, _) in &mut rows {
            sample.stack = u32::take(bytes)?.wrapping_sub(1);
        }
        let weights = counted(bytes, 1)?;
        if weights != 0 && weights != rows.len() {
            return Err("there is not a weight for each sample".into());
        }
        for (sample, _) in &mut rows {
            sample.weight = if weights == 0 { 1 } else { u32::take(bytes)? };
        }
        let has_addresses = u8::take(bytes)? != 0;
        let mut last = 0u64;
        for (_, address) in rows.iter_mut().filter(|_| has_addresses) {
            last = last.wrapping_add(i64::take(bytes)? as u64);
            *address = Addr(last);
        }
        rows.sort_by_key(|(sample, _)| (sample.time, sample.thread));
        let addresses = if has_addresses { rows.iter().map(|(_, address)| *address).collect() } else { Vec::new() };
        let samples = rows.into_iter().map(|(sample, _)| sample).collect();
        Ok(Samples { at, sampled, table, unit, threads, samples, addresses })
    }
}

/// Samples of which only the thread and the time are known yet.
fn take_times(bytes: &mut &[u8], threads: usize) -> Result<Vec<(Sample, Addr)>, Fault> {
    let counts = Vec::<u64>::take(bytes)?;
    if counts.len() != threads {
        return Err("there is not a number of samples for each thread".into());
    }
    let mut rows = Vec::new();
    for (thread, count) in (0u32..).zip(counts) {
        // Each takes a byte for its time and one for its stack.
        if count > (bytes.len() / 2) as u64 {
            return Err("a thread has more samples than there are bytes".into());
        }
        if rows.len() as u64 + count > MOST {
            return Err(TOO_MANY.into());
        }
        let mut time = 0u32;
        for _ in 0..count {
            time = time.checked_add(u32::take(bytes)?).ok_or("a sample's time is too large")?;
            rows.push((Sample { time, thread, ..Sample::default() }, Addr(0)));
        }
    }
    Ok(rows)
}
