//! A program whose CPU time is known: phases one after the other, each in a function of its own on memory of its own. It
//! writes down when each ran, where its function is, and how much CPU time it took; and a record's profile is judged by that.

use anyhow::{Context, Result, bail};
use damo_format::Reader;
use damo_kernel::Root;
use damo_kernel::procfs::{Procfs, now};
use damo_model::profile::{FrameKind, Sample, Sampled, StackNode};
use damo_model::{Addr, Nanos, Side, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// Memory of each phase and thread.
const SIZE: usize = 32 << 20;
/// Bytes between two looks at the clock.
const PIECE: usize = 1 << 20;
/// No function of a phase is longer.
const LONGEST: u64 = 1024;
/// Samples so near the beginning or end of a phase may be of either one.
const EDGE: Nanos = Nanos(20_000_000);

/// What a phase did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The process that ran it.
    pub pid: i32,
    /// Its name, which is that of its function.
    pub name: String,
    /// Address of the function.
    pub function: u64,
    /// When it began, on CLOCK_MONOTONIC, nanoseconds.
    pub start: i64,
    /// When it ended.
    pub end: i64,
    /// CPU time that the process took in it, nanoseconds.
    pub cpu: i64,
}

type Work = fn(&mut [u8], Instant);

/// Writes all of it, a byte of each cache line.
#[inline(never)]
fn phase_fill(memory: &mut [u8], end: Instant) {
    while Instant::now() < end {
        for piece in black_box(&mut *memory).chunks_mut(PIECE) {
            let mut at = 0;
            while at < piece.len() {
                piece[at] ^= 1;
                at += 64;
            }
            if Instant::now() >= end {
                return;
            }
        }
    }
}

/// Reads all of it, byte by byte.
#[inline(never)]
fn phase_scan(memory: &mut [u8], end: Instant) {
    let mut sum = 0u8;
    while Instant::now() < end {
        for piece in black_box(&*memory).chunks(PIECE) {
            let mut at = 0;
            while at < piece.len() {
                sum ^= piece[at];
                at += 1;
            }
            if Instant::now() >= end {
                break;
            }
        }
    }
    black_box(sum);
}

/// Reads and writes bytes here and there.
#[inline(never)]
fn phase_jump(memory: &mut [u8], end: Instant) {
    let mut next = 1usize;
    while Instant::now() < end {
        let memory = black_box(&mut *memory);
        let mut left = PIECE / 16;
        while left > 0 {
            // A generator that visits all places, whatever the number it begins with.
            next = (next & 0xffff_ffff) * 1_664_525 + 1_013_904_223;
            let at = next % memory.len();
            memory[at] ^= 1;
            left -= 1;
        }
    }
}

const PHASES: [(&str, Work); 3] = [("phase_fill", phase_fill), ("phase_scan", phase_scan), ("phase_jump", phase_jump)];

/// Runs all phases, each for so long and in so many threads; writes a line for each to `log`.
///
/// # Errors
/// If the log cannot be written.
pub fn run(each: Duration, threads: usize, log: &mut dyn Write) -> Result<()> {
    let procfs = Procfs::new(&Root::host());
    let cpu = || {
        let time = procfs.own_cpu_time(Stamp::default(), "");
        time.user.0 + time.system.0
    };
    for (name, work) in PHASES {
        let mut memory: Vec<Vec<u8>> = (0..threads.max(1)).map(|_| vec![1; SIZE]).collect();
        let (start, before) = (now(), cpu());
        let end = Instant::now() + each;
        std::thread::scope(|scope| {
            let mut own = memory.iter_mut();
            let mine = own.next();
            for memory in own {
                scope.spawn(move || work(memory, end));
            }
            if let Some(memory) = mine {
                work(memory, end);
            }
        });
        let cpu = cpu() - before;
        let function = work as usize as u64;
        let pid = std::process::id().cast_signed();
        let phase = Phase { pid, name: name.to_owned(), function, start: start.0, end: now().0, cpu };
        serde_json::to_writer(&mut *log, &phase)?;
        log.write_all(b"\n")?;
    }
    log.flush()?;
    Ok(())
}

/// What [`run`] wrote.
///
/// # Errors
/// If a line is none of its lines.
pub fn read(log: impl BufRead) -> Result<Vec<Phase>> {
    log.lines().map(|line| serde_json::from_str(&line?).context("not a line of a phase")).collect()
}

/// How well a profile tells what ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Samples of CPU time in phases.
    pub samples: u64,
    /// How many there should be: samples per second times CPU time.
    pub expected: f64,
    /// Of each phase the samples in it, and how many of them were in its function.
    pub phases: Vec<(String, u64, u64)>,
    /// Samples that were lost.
    pub lost: u64,
}

impl Judgement {
    /// The least share of a phase's samples that are in its function; 0 if a phase has none.
    pub fn least_share(&self) -> f64 {
        self.phases.iter().map(|(_, all, inside)| *inside as f64 / (*all).max(1) as f64).fold(1.0, f64::min)
    }
}

/// Judges the profile of a record by what the program wrote.
///
/// # Errors
/// If the record cannot be read or has no profile.
pub fn judge(reader: &Reader, phases: &[Phase]) -> Result<Judgement> {
    let mut judgement = Judgement { samples: 0, expected: 0.0, phases: Vec::new(), lost: 0 };
    judgement.phases = phases.iter().map(|phase| (phase.name.clone(), 0, 0)).collect();
    let mut frequency = None;
    let mut tables: HashMap<u64, HashMap<u32, StackNode>> = HashMap::new();
    for side in reader.profile()? {
        match side {
            Side::Profile(info) if info.sampled == Sampled::Cpu => frequency = Some(info.frequency),
            Side::LostSamples(lost) => judgement.lost += lost.samples,
            Side::Stacks(stacks) => {
                tables.entry(stacks.table).or_default().extend((stacks.first..).zip(stacks.nodes));
            }
            Side::Samples(samples) if samples.sampled == Sampled::Cpu => {
                let Stamp::Record(at) = samples.at else { continue };
                for sample in &samples.samples {
                    let thread = samples.threads.get(sample.thread as usize);
                    // Of the whole machine there are samples of others as well.
                    if thread.is_some_and(|thread| phases.iter().all(|phase| phase.pid != thread.pid)) {
                        continue;
                    }
                    judgement.add(phases, samples.time_of(sample, at), innermost(sample, tables.get(&samples.table)));
                }
            }
            _ => {}
        }
    }
    let Some(frequency) = frequency else { bail!("there is no profile in the record") };
    let cpu: i64 = phases.iter().map(|phase| phase.cpu).sum();
    judgement.expected = f64::from(frequency) * cpu as f64 / 1e9;
    Ok(judgement)
}

impl Judgement {
    fn add(&mut self, phases: &[Phase], at: Nanos, address: Option<Addr>) {
        let Some(place) = phases.iter().position(|phase| phase.start <= at.0 && at.0 < phase.end) else { return };
        self.samples += 1;
        let phase = &phases[place];
        if at.0 < phase.start + EDGE.0 || at.0 >= phase.end - EDGE.0 {
            return;
        }
        let next = phases.iter().map(|other| other.function).filter(|other| *other > phase.function).min();
        let end = (phase.function + LONGEST).min(next.unwrap_or(u64::MAX));
        let (_, all, inside) = &mut self.phases[place];
        *all += 1;
        *inside += u64::from(address.is_some_and(|address| phase.function <= address.0 && address.0 < end));
    }
}

/// The innermost frame in user mode: where the program was, also while the kernel worked for it.
fn innermost(sample: &Sample, nodes: Option<&HashMap<u32, StackNode>>) -> Option<Addr> {
    let nodes = nodes?;
    let mut node = nodes.get(&sample.stack)?;
    while node.kind == FrameKind::Kernel {
        node = nodes.get(&node.parent?)?;
    }
    (node.kind == FrameKind::User).then_some(node.address)
}
