//! CPU samples of the targets beside the snapshots: [`Profiler`] makes side data of what the kernel samples.
//!
//! It needs no thread of its own: the rings hold several seconds, and every recording looks at least once a second. What a
//! second brings is put together, so that a sample costs two or three bytes in the record.

mod batch;
mod code;
mod stacks;

use crate::error::RecordError;
use crate::live::source::allow_many_files;
use crate::request::{Request, RequestSource};
use crate::summary::grouped;
use batch::Batch;
use code::Code;
use damo_kernel::procfs::{Procfs, now};
use damo_kernel::sampling::{Record, Sample, SampleRing, Samples, choose};
use damo_kernel::{Error, Root};
use damo_model::profile::{LostSamples, ProfileInfo, Sampled};
use damo_model::{Item, Nanos, Side, Stamp};
use damo_steer::plan::TargetSpec;
use stacks::StackTable;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How often samples are taken out of the rings.
const DRAIN: Duration = Duration::from_millis(900);
/// How often they go into the record: what is put together packs better, and what a killed recorder loses stays below the two
/// seconds that it loses of snapshots.
const TELL: Duration = Duration::from_millis(1800);
/// While threads are added others come: after so many looks they are left alone.
const MOST_LOOKS: u32 = 20;
/// So many programs that were just executed are looked at between two looks for what only their files in /proc tell.
const MOST_READ: usize = 16;

/// Samples the targets of a recording.
pub(crate) struct Profiler {
    source: Box<dyn Samples>,
    procfs: Procfs,
    /// All processes are sampled, so that none need be added.
    all: bool,
    /// Threads that are sampled, because they were added or created by such ones.
    covered: HashSet<i32>,
    comms: HashMap<i32, String>,
    code: Code,
    table: StackTable,
    cpu: Batch,
    access: Batch,
    ready: Vec<Item>,
    executed: Vec<i32>,
    drained: Instant,
    told: Instant,
    lost: u64,
    seen: Seen,
}

/// What was sampled so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Samples of CPU time.
    samples: u64,
    /// Samples of accesses.
    accesses: u64,
    /// Stacks that the kernel cut at its limit.
    cut: u64,
    /// Records that were lost.
    lost: u64,
    /// Times that the kernel paused sampling.
    throttled: u64,
}

impl Profiler {
    /// Begins to sample what a request names, if it asks for it. Processes that are not known yet are admitted later.
    ///
    /// # Errors
    /// If it cannot be sampled here, with what to do about it.
    pub(crate) fn begin(request: &Request) -> Result<Option<Self>, RecordError> {
        let Some(frequency) = request.profile else { return Ok(None) };
        if matches!(request.what, RequestSource::Simulate(_)) {
            return Err(RecordError::NothingToProfile);
        }
        let root = Root::new(&request.root);
        let all = is_of_all(&request.what);
        let mut ring = SampleRing::open(&root, choose(&root, frequency, all)?)?;
        if all {
            ring.add_all()?;
        }
        let mut profiler = Self::new(&root, Box::new(ring), all);
        if let RequestSource::Targets(TargetSpec::Pids { pids, .. }) = &request.what {
            // Now, so that it is known before anything starts whether they may be sampled.
            for pid in pids {
                profiler.admit(*pid)?;
            }
        }
        Ok(Some(profiler))
    }

    fn new(root: &Root, source: Box<dyn Samples>, all: bool) -> Self {
        let choice = source.choice().clone();
        let at = now();
        let mut code = Code::new(root);
        let info = ProfileInfo {
            at: Stamp::Record(at),
            sampled: Sampled::Cpu,
            event: choice.event.clone(),
            frequency: choice.frequency,
            no_kernel: choice.no_kernel.clone(),
            no_addresses: choice.no_addresses.clone(),
            max_frames: choice.max_frames,
        };
        let mut ready = vec![Item::Side(Side::Profile(info.clone()))];
        if !choice.access_event.is_empty() {
            let event = choice.access_event.clone();
            ready.push(Item::Side(Side::Profile(ProfileInfo { sampled: Sampled::Access, event, ..info })));
        }
        if choice.no_kernel.is_empty() {
            code.kernel(at);
        }
        Self {
            procfs: Procfs::new(root),
            all,
            covered: HashSet::new(),
            comms: HashMap::new(),
            code,
            table: StackTable::new(),
            cpu: Batch::new(Sampled::Cpu, choice.frequency, choice.event == "cpu-clock"),
            access: Batch::new(Sampled::Access, choice.frequency, false),
            source,
            ready,
            executed: Vec::new(),
            drained: Instant::now(),
            told: Instant::now(),
            lost: 0,
            seen: Seen::default(),
        }
    }

    /// Samples a process: all its threads, and what they create from now on.
    ///
    /// # Errors
    /// If it may not be sampled. One that is gone is no error.
    pub(crate) fn admit(&mut self, pid: i32) -> Result<(), Error> {
        if self.all {
            return Ok(());
        }
        // Not earlier: a command that is started has the limit that its user gave it.
        allow_many_files();
        for _ in 0..MOST_LOOKS {
            let threads = self.procfs.threads(pid);
            // Who was created by a thread that is sampled is sampled already: the kernel told of it, just before or just
            // after it appeared in /proc.
            std::thread::sleep(Duration::from_micros(200));
            self.drain(false);
            let new: Vec<i32> = threads.into_iter().filter(|tid| !self.covered.contains(tid)).collect();
            if new.is_empty() {
                break;
            }
            for tid in new {
                self.covered.insert(tid);
                self.source.add(tid)?;
            }
            self.code.meet(pid, now());
        }
        Ok(())
    }

    /// What is ready for the record. Cheap if nothing is due.
    pub(crate) fn take(&mut self) -> Vec<Item> {
        if self.drained.elapsed() >= DRAIN {
            self.drain(false);
        }
        if self.told.elapsed() >= TELL {
            self.tell();
        }
        std::mem::take(&mut self.ready)
    }

    /// All that is left.
    pub(crate) fn finish(&mut self) -> Vec<Item> {
        self.drain(true);
        self.tell();
        std::mem::take(&mut self.ready)
    }

    /// What is to be known before: what is sampled, and why not more.
    pub(crate) fn notes(&self) -> Vec<String> {
        let choice = self.source.choice();
        let mut notes = Vec::new();
        if choice.event == "cpu-clock" {
            notes.push(
                "CPU time is sampled by the clock (cpu-clock): this machine has no hardware counters, or shows none"
                    .to_owned(),
            );
        }
        if !choice.no_kernel.is_empty() {
            notes.push(format!("frames of the kernel are not in the profile: {}", choice.no_kernel));
        }
        notes
    }

    /// How it went, for the end.
    pub(crate) fn summary(&self) -> String {
        let Seen { samples, accesses, cut, lost, throttled } = self.seen;
        let choice = self.source.choice();
        let mut text = format!("{} samples of CPU time ({}, {} Hz)", grouped(samples), choice.event, choice.frequency);
        if accesses > 0 {
            text += &format!(", {} of memory accesses ({})", grouped(accesses), choice.access_event);
        }
        if cut > 0 {
            text += &format!("; {} stacks were cut at {} frames", grouped(cut), choice.max_frames);
        }
        if throttled > 0 {
            text += &format!("; the kernel paused sampling {} times", grouped(throttled));
        }
        if self.source.nonsense() > 0 {
            text += &format!("; {} bytes of the kernel's rings made no sense", grouped(self.source.nonsense()));
        }
        text += &if lost > 0 { format!("; {} LOST", grouped(lost)) } else { "; none lost".to_owned() };
        text + "."
    }

    fn drain(&mut self, all: bool) {
        self.drained = Instant::now();
        for record in self.source.drain(all) {
            self.record(record);
        }
        for pid in std::mem::take(&mut self.executed).into_iter().take(MOST_READ) {
            self.code.meet_vdso(pid, now());
        }
    }

    fn record(&mut self, record: Record) {
        match record {
            Record::Sample(sample) => self.sample(sample),
            Record::Mmap(mmap) => self.code.mapped(mmap),
            Record::Comm { time, pid, tid, comm, exec } => {
                self.comms.insert(tid, comm);
                if exec {
                    self.code.executed(time, pid);
                    if !self.executed.contains(&pid) {
                        self.executed.push(pid);
                    }
                }
            }
            Record::Fork { time, pid, tid, parent, creator } => {
                self.covered.insert(tid);
                match self.comms.get(&creator).cloned() {
                    Some(comm) => self.comms.insert(tid, comm),
                    // An earlier thread of this number may have had one.
                    None => self.comms.remove(&tid),
                };
                if pid != parent {
                    self.code.forked(time, pid, parent);
                }
            }
            Record::Exit { pid, tid, .. } => {
                self.covered.remove(&tid);
                self.comms.remove(&tid);
                if pid == tid {
                    self.code.ended(pid);
                }
            }
            Record::Lost { records, .. } => {
                self.lost += records;
                self.seen.lost += records;
            }
            Record::Throttled { .. } => self.seen.throttled += 1,
            _ => {}
        }
    }

    fn sample(&mut self, sample: Sample) {
        if self.table.is_full() {
            self.tell();
            self.table = StackTable::new();
        }
        if self.all {
            self.code.meet(sample.pid, sample.time);
        }
        let is_cut = sample.frames.len() >= self.source.choice().max_frames as usize;
        let stack = self.table.node(&sample.frames, is_cut);
        let (procfs, comms) = (&self.procfs, &mut self.comms);
        let comm = comms.entry(sample.tid).or_insert_with(|| procfs.thread_name(sample.pid, sample.tid));
        self.seen.cut += u64::from(is_cut);
        if self.source.is_access(sample.event) {
            self.seen.accesses += 1;
            self.access.add(&sample, stack, comm);
        } else {
            self.seen.samples += 1;
            self.cpu.add(&sample, stack, comm);
        }
    }

    /// Makes items of what came together: what samples refer to stands before them.
    fn tell(&mut self) {
        self.told = Instant::now();
        let code = self.code.take().into_iter().map(Side::Code);
        self.ready.extend(code.map(Item::Side));
        let first = self.cpu.first().into_iter().chain(self.access.first()).min();
        let at = Stamp::Record(first.unwrap_or_else(now));
        self.ready.extend(self.table.take(at).map(Side::Stacks).map(Item::Side));
        for batch in [&mut self.cpu, &mut self.access] {
            self.ready.extend(batch.take(self.table.number()).map(Side::Samples).map(Item::Side));
        }
        let samples = std::mem::take(&mut self.lost);
        if samples > 0 {
            let lost = LostSamples { at: Stamp::Record(now()), samples, reason: "ring".to_owned() };
            self.ready.push(Item::Side(Side::LostSamples(lost)));
        }
    }
}

/// Whether not some processes are to be sampled but the whole machine: its memory is what is recorded, or it is not known
/// whose.
fn is_of_all(what: &RequestSource) -> bool {
    match what {
        RequestSource::Targets(targets) => has_memory_of_all(targets),
        _ => true,
    }
}

fn has_memory_of_all(targets: &TargetSpec) -> bool {
    match targets {
        TargetSpec::Paddr { .. } => true,
        TargetSpec::Kdamonds(kdamonds) => {
            let mut targets = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).map(|context| &context.targets);
            targets.any(|targets| targets.is_empty() || targets.iter().any(|target| target.pid.is_none()))
        }
        TargetSpec::Several(all) => all.iter().flat_map(|one| &one.targets).any(has_memory_of_all),
        _ => false,
    }
}

/// A moment as a number of units after another one.
fn units(at: Nanos, from: Nanos, unit: Nanos) -> u32 {
    let units = at.saturating_sub(from).0.max(0) / unit.0.max(1);
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
