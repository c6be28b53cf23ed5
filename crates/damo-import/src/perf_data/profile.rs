//! Samples of code in perf.data: call stacks, which code was mapped where, names of threads. They become the side data of a CPU
//! profile, as if we had recorded it.

use super::PerfData;
use super::attr::{Attr, CodeSample};
use super::bytes::{Cursor, text, u32_at, u64_at};
use super::records::{self, Record};
use crate::Imported;
use crate::error::ImportError;
use damo_model::profile::{
    CodeBase, CodeKind, CodeMapping, CodeMappings, FrameKind, KERNEL_PID, ProfileInfo, Sample, Sampled, SampledThread,
    Samples, StackNode, Stacks,
};
use damo_model::{Addr, Bytes, Item, Nanos, Side, Sink, Stamp};
use std::collections::{BTreeMap, HashMap};

/// Entries of a chain from here on are no addresses: they say what the following ones are of.
const CONTEXT_MAX: u64 = -4095_i64 as u64;
const CONTEXT_KERNEL: u64 = -128_i64 as u64;
const CONTEXT_USER: u64 = -512_i64 as u64;
/// Bits of a record's header.
const CPU_MODE: u16 = 7;
const MODE_KERNEL: u16 = 1;
const MMAP_DATA: u16 = 1 << 13;
const COMM_EXEC: u16 = 1 << 13;
const MMAP_BUILD_ID: u16 = 1 << 14;
const PROT_EXEC: u32 = 4;

/// Samples of one entry.
const BATCH: usize = 1 << 16;
/// Nodes of one entry.
const NODES: usize = 1 << 16;
/// The unit of times: fine beside any period.
const UNIT: Nanos = Nanos(10_000);

/// A sample that waits to be put in order.
#[derive(Clone, Copy, Debug)]
struct Held {
    time: i64,
    thread: u32,
    stack: u32,
    weight: u64,
    address: u64,
}

/// Where a thread's name comes from.
enum ThreadName {
    Given(String),
    /// That of the thread which created it.
    Of(i32),
}

/// The names that threads have in the end.
fn thread_names(mut names: Vec<(i64, i32, ThreadName)>) -> HashMap<i32, String> {
    names.sort_by_key(|(at, ..)| *at);
    let mut comms: HashMap<i32, String> = HashMap::new();
    for (_, tid, name) in names {
        let name = match name {
            ThreadName::Given(name) => Some(name),
            ThreadName::Of(creator) => comms.get(&creator).cloned(),
        };
        match name {
            Some(name) => comms.insert(tid, name),
            // An earlier thread of this number may have had one.
            None => comms.remove(&tid),
        };
    }
    comms
}

/// What is collected in a run over the records.
#[derive(Default)]
struct Collected {
    code: Vec<(i64, CodeMappings)>,
    nodes: Vec<StackNode>,
    numbers: HashMap<StackNode, u32>,
    threads: BTreeMap<(i32, i32), u32>,
    /// When which thread got which name. Records of different CPUs are in no order.
    names: Vec<(i64, i32, ThreadName)>,
    samples: Vec<Held>,
    /// Samples of other events.
    others: u64,
    unreadable: u64,
    without_chain: u64,
}

impl PerfData<'_> {
    /// Hands on the samples of code, if there are any.
    ///
    /// # Errors
    /// If the file cannot be read to its end in any order, or the sink takes no more.
    pub(crate) fn put_profile(&self, sink: &mut dyn Sink, imported: &mut Imported) -> Result<(), ImportError> {
        let Some(at) = self.attrs.iter().position(Attr::samples_code) else { return Ok(()) };
        let Some(attr) = self.attrs.get(at) else { return Ok(()) };
        let mut collected = Collected::default();
        let damage = records::each(self.bytes, &self.header, &mut |record| {
            collected.take(self, at, record);
            Ok(())
        })?;
        if damage.is_some() && self.decoder.is_none() {
            imported.damaged = true;
            imported
                .notes
                .extend(damage.map(|(place, what)| format!("damaged{place}: {what}; what comes after is lost")));
        }
        collected.note(attr, imported);
        let sampled = if attr.samples_accesses() { Sampled::Access } else { Sampled::Cpu };
        let table = collected.samples.iter().fold(self.bytes.len() as u64, |hash, sample| {
            (hash ^ sample.time as u64).wrapping_mul(0x0000_0100_0000_01b3)
        });
        collected.put(attr, sampled, table, sink)
    }
}

impl Collected {
    fn take(&mut self, file: &PerfData<'_>, wanted: usize, record: &Record<'_>) {
        let body = record.bytes.get(8..).unwrap_or_default();
        let misc = record.bytes.get(4..6).map_or(0, |misc| u16::from_le_bytes([misc[0], misc[1]]));
        let time = || file.attrs.first().and_then(|attr| attr.time_at_end(body)).map_or(0, |time| time.0);
        match record.kind {
            records::SAMPLE => self.sample(file, wanted, body, misc),
            records::MMAP | records::MMAP2 => {
                if let Some((pid, mapping)) = mapping(record.kind, body, misc, file) {
                    let base = CodeBase::Kept;
                    let at = time();
                    self.code
                        .push((at, CodeMappings { at: Stamp::Record(Nanos(at)), pid, base, mappings: vec![mapping] }));
                }
            }
            records::FORK => {
                let pid = |at| u32_at(body, at).map(|pid| pid as i32);
                let (Some(child), Some(parent)) = (pid(0), pid(4)) else { return };
                if let Some((thread, creator)) = pid(8).zip(pid(12)) {
                    self.names.push((time(), thread, ThreadName::Of(creator)));
                }
                if child != parent {
                    self.begin(child, CodeBase::CopyOf(parent), u64_at(body, 16).map_or(0, |time| time as i64));
                }
            }
            records::COMM => {
                let Some((pid, tid)) = u32_at(body, 0).zip(u32_at(body, 4)) else { return };
                let name = text(body.get(8..).unwrap_or_default());
                self.names.push((time(), tid as i32, ThreadName::Given(name)));
                if misc & COMM_EXEC != 0 {
                    self.begin(pid as i32, CodeBase::Nothing, time());
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, pid: i32, base: CodeBase, at: i64) {
        self.code.push((at, CodeMappings { at: Stamp::Record(Nanos(at)), pid, base, mappings: Vec::new() }));
    }

    fn sample(&mut self, file: &PerfData<'_>, wanted: usize, body: &[u8], misc: u16) {
        let Some(attr) = file.attr_of(body) else { return };
        if attr != wanted {
            self.others += u64::from(file.attrs.get(attr).is_some_and(|attr| !attr.is_tracepoint));
            return;
        }
        let Some(sample) = file.attrs.get(attr).and_then(|attr| attr.code_sample(body)) else {
            self.unreadable += 1;
            return;
        };
        let stack = self.stack(&sample, misc);
        let next = self.threads.len() as u32;
        let thread = *self.threads.entry((sample.pid, sample.tid)).or_insert(next);
        let time = sample.time.map_or(0, |time| time.0);
        self.samples.push(Held { time, thread, stack, weight: sample.period, address: sample.address });
    }

    /// The number of a sample's innermost node.
    fn stack(&mut self, sample: &CodeSample<'_>, misc: u16) -> u32 {
        let mode = if misc & CPU_MODE == MODE_KERNEL { FrameKind::Kernel } else { FrameKind::User };
        let mut frames: Vec<(u64, FrameKind)> = Vec::new();
        let mut kind = mode;
        let mut chain = Cursor(sample.chain.unwrap_or_default());
        while let Some(entry) = chain.u64() {
            match entry {
                CONTEXT_KERNEL => kind = FrameKind::Kernel,
                CONTEXT_USER => kind = FrameKind::User,
                CONTEXT_MAX.. => {}
                address => frames.push((address, kind)),
            }
        }
        if frames.is_empty() {
            self.without_chain += 1;
            frames.push((sample.ip, mode));
        }
        let mut parent = None;
        for (address, kind) in frames.into_iter().rev() {
            let node = StackNode { parent, address: Addr(address), kind };
            let next = self.nodes.len() as u32;
            let number = *self.numbers.entry(node).or_insert(next);
            if number == next {
                self.nodes.push(node);
            }
            parent = Some(number);
        }
        parent.unwrap_or(Sample::NO_STACK)
    }

    fn note(&self, attr: &Attr, imported: &mut Imported) {
        imported.note_count("samples of code that do not fit their layout, left out", self.unreadable);
        imported.note_count(
            "samples of events other than the first, left out of the profile (record one event at a time)",
            self.others,
        );
        if !attr.has_chains() {
            imported.notes.push(
                "its samples have no call stacks: who called a function is not known; record with `perf record -g`"
                    .to_owned(),
            );
        } else if attr.has_raw_stacks() {
            imported.notes.push(
                "its user stacks are copies of memory (--call-graph dwarf), which are not unwound here: who called a function is \
                 not known; record with `perf record --call-graph fp`"
                    .to_owned(),
            );
        } else {
            imported.note_count(
                "samples without a call stack, of which only the innermost function is known",
                self.without_chain,
            );
        }
    }

    fn put(mut self, attr: &Attr, sampled: Sampled, table: u64, sink: &mut dyn Sink) -> Result<(), ImportError> {
        let mut give = |side: Side| sink.put(&Item::Side(side));
        self.samples.sort_by_key(|sample| (sample.time, sample.thread));
        let first = Stamp::Record(Nanos(self.samples.first().map_or(0, |sample| sample.time)));
        give(Side::Profile(ProfileInfo {
            at: first,
            sampled,
            event: attr.event_name().to_owned(),
            frequency: attr.frequency.and_then(|hz| u32::try_from(hz).ok()).unwrap_or(0),
            ..ProfileInfo::default()
        }))?;
        self.code.sort_by_key(|(at, _)| *at);
        for (_, code) in self.code {
            give(Side::Code(code))?;
        }
        for (part, nodes) in self.nodes.chunks(NODES).enumerate() {
            give(Side::Stacks(Stacks { at: first, table, first: (part * NODES) as u32, nodes: nodes.to_vec() }))?;
        }
        let mut threads: Vec<SampledThread> = vec![SampledThread::default(); self.threads.len()];
        let comms = thread_names(self.names);
        for ((pid, tid), number) in self.threads {
            let comm = comms.get(&tid).or_else(|| comms.get(&pid)).cloned().unwrap_or_default();
            if let Some(thread) = threads.get_mut(number as usize) {
                *thread = SampledThread { pid, tid, comm };
            }
        }
        // Weights are relative: periods of a clock are all the same.
        let least = self.samples.iter().map(|sample| sample.weight).filter(|weight| *weight > 0).min().unwrap_or(1);
        let scale = if self.samples.iter().all(|sample| sample.weight == least) { least } else { (least / 16).max(1) };
        for batch in self.samples.chunks(BATCH) {
            give(Side::Samples(samples(batch, sampled, table, &threads, scale)))?;
        }
        Ok(())
    }
}

/// Samples as an entry of side data.
fn samples(batch: &[Held], sampled: Sampled, table: u64, threads: &[SampledThread], scale: u64) -> Samples {
    let base = batch.first().map_or(0, |sample| sample.time);
    let mut numbers: BTreeMap<u32, u32> = batch.iter().map(|sample| (sample.thread, 0)).collect();
    (0..).zip(numbers.values_mut()).for_each(|(number, place)| *place = number);
    let sample = |held: &Held| Sample {
        time: u32::try_from(held.time.saturating_sub(base) / UNIT.0).unwrap_or(u32::MAX),
        thread: numbers.get(&held.thread).copied().unwrap_or(0),
        stack: held.stack,
        weight: u32::try_from((held.weight / scale).max(1)).unwrap_or(u32::MAX),
    };
    let mut order: Vec<(Sample, Addr)> = batch.iter().map(|held| (sample(held), Addr(held.address))).collect();
    order.sort_by_key(|(sample, _)| (sample.time, sample.thread));
    let (samples, addresses): (Vec<Sample>, Vec<Addr>) = order.into_iter().unzip();
    Samples {
        at: Stamp::Record(Nanos(base)),
        sampled,
        table,
        unit: UNIT,
        threads: numbers.keys().filter_map(|thread| threads.get(*thread as usize)).cloned().collect(),
        samples,
        addresses: if sampled == Sampled::Access { addresses } else { Vec::new() },
    }
}

/// The process and the mapping of a record of one that can be executed.
fn mapping(kind: u32, body: &[u8], misc: u16, file: &PerfData<'_>) -> Option<(i32, CodeMapping)> {
    let mut cursor = Cursor(body);
    let pid = cursor.u32()? as i32;
    let _thread = cursor.u32()?;
    let (start, len, offset) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
    let mut build_id = Vec::new();
    if kind == records::MMAP2 {
        let identity = cursor.take(24)?;
        if misc & MMAP_BUILD_ID != 0 {
            build_id = identity.get(4..4 + usize::from(*identity.first()?).min(20))?.to_vec();
        }
        let (protection, _flags) = (cursor.u32()?, cursor.u32()?);
        if protection & PROT_EXEC == 0 {
            return None;
        }
    } else if misc & MMAP_DATA != 0 {
        return None;
    }
    let mut name = text(cursor.0);
    let is_kernel = misc & CPU_MODE == MODE_KERNEL;
    let kind = match name.as_str() {
        _ if is_kernel && name.starts_with("[kernel") => CodeKind::Kernel,
        _ if is_kernel => CodeKind::KernelModule,
        name => CodeKind::of_mapping(name),
    };
    if build_id.is_empty() {
        build_id = file.features.build_ids.get(&name).cloned().unwrap_or_default();
    }
    if kind == CodeKind::Kernel {
        // perf adds the symbol that the text begins with.
        name = "[kernel.kallsyms]".to_owned();
    }
    let mapping = CodeMapping {
        start: Addr(start),
        end: Addr(start.checked_add(len)?),
        offset: Bytes(offset),
        kind,
        name,
        build_id,
    };
    Some((if is_kernel { KERNEL_PID } else { pid }, mapping))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_called_as_the_one_that_created_it_until_it_gets_a_name() {
        let given = |name: &str| ThreadName::Given(name.to_owned());
        // Of several CPUs, whose records are not in order of time.
        let names = vec![
            (30, 9, given("program")),
            (40, 10, ThreadName::Of(8)),
            (0, 7, given("main")),
            (0, 8, given("worker")),
            (20, 9, ThreadName::Of(7)),
            (10, 11, given("earlier")),
            (50, 11, ThreadName::Of(12)),
        ];
        let named = thread_names(names);
        let told: Vec<Option<&str>> = [7, 8, 9, 10, 11].map(|tid| named.get(&tid).map(String::as_str)).to_vec();
        assert_eq!(told, [Some("main"), Some("worker"), Some("program"), Some("worker"), None]);
    }
}
