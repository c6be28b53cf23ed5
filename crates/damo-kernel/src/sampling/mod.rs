//! Samples of the CPU time of threads, with their call chains, out of perf rings: which code ran.
//!
//! An event is opened for each thread on each CPU, with inheritance: the kernel samples what a thread creates as it samples
//! the thread itself, however short its life. All events of a CPU share a ring. Beside samples the rings tell of threads that
//! begin and end, of names, and of mappings that can be executed, so that nothing need be read while it runs.
//!
//! Call chains are followed by frame pointers, by the kernel. Code without them cuts a chain short.
//!
//! ```no_run
//! use damo_kernel::{Root, sampling::{SampleRing, Samples, choose}};
//! let root = Root::host();
//! let mut ring = SampleRing::open(&root, choose(&root, 99, false)?)?;
//! ring.add(std::process::id() as i32)?;
//! ring.drain(false).iter().for_each(|record| println!("{record:?}"));
//! # Ok::<(), damo_kernel::Error>(())
//! ```

pub mod build_id;
mod events;
mod records;

pub use events::{Choice, Chosen, FREQUENCIES, choose};
pub use records::{Mmap, Record, Sample, read};

use crate::error::{Error, Result};
use crate::io::Root;
use crate::ring::mmap::{Map, On, Sampling, enable, event_id, open_sampling, redirect};
use crate::ring::{online_cpus, ring_size};
use crate::system;
use damo_model::Nanos;
use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;

/// A ring holds samples of so many seconds of a CPU that is always busy.
const SECONDS: u64 = 3;
/// A sample takes about so many bytes: 50 frames and what is told beside them.
const SAMPLE_BYTES: u64 = 512;
const LEAST_RING: u64 = 64 << 10;
const LARGEST_RING: u64 = 16 << 20;
/// The kernel stamps records with a clock that may be this much behind the one that user space reads.
const CLOCK_SLACK: Nanos = Nanos(20_000);

/// What samples come from: the kernel, or something in its place in tests.
pub trait Samples {
    /// Samples a thread and all that it creates from now on. A thread that is gone is no error: `false`.
    ///
    /// # Errors
    /// [`Error::Sampling`] with the remedy.
    fn add(&mut self, tid: i32) -> Result<bool>;
    /// What came, in order of time; `all`: the last records as well, which others may still come before.
    fn drain(&mut self, all: bool) -> Vec<Record>;
    /// Whether a record of this event is a sample of an access, with the address of the data.
    fn is_access(&self, event: u64) -> bool;
    /// What is sampled.
    fn choice(&self) -> &Choice;
    /// Bytes of the rings that made no sense so far. Always 0 with an intact kernel.
    fn nonsense(&self) -> u64;
}

/// The rings of a recording: one on each CPU.
#[derive(Debug)]
pub struct SampleRing {
    root: Root,
    chosen: Chosen,
    cpus: Vec<Cpu>,
    accesses: HashSet<u64>,
    nonsense: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Cpu {
    number: u32,
    events: Vec<OwnedFd>,
    map: Option<Map>,
}

impl SampleRing {
    /// Prepares rings for threads that are to be added.
    ///
    /// # Errors
    /// If the CPUs are not known.
    pub fn open(root: &Root, chosen: Chosen) -> Result<Self> {
        let cpus = online_cpus(root)?.into_iter().map(|number| Cpu { number, events: Vec::new(), map: None }).collect();
        Ok(Self { root: root.clone(), chosen, cpus, accesses: HashSet::new(), nonsense: 0, bytes: Vec::new() })
    }

    /// Samples all processes instead of threads that are added.
    ///
    /// # Errors
    /// [`Error::Sampling`] with the remedy.
    pub fn add_all(&mut self) -> Result<()> {
        for at in 0..self.cpus.len() {
            let on = self.cpus.get(at).map(|cpu| On::Cpu(cpu.number));
            if let Some(on) = on {
                self.add_on(at, on).map_err(|source| self.error("all processes".to_owned(), source))?;
            }
        }
        Ok(())
    }

    /// Opens the events on the CPU at a position. Whether there is such a thread and CPU.
    fn add_on(&mut self, at: usize, on: On) -> io::Result<bool> {
        let Some(cpu) = self.cpus.get_mut(at) else { return Ok(false) };
        let frequency = self.chosen.cpu.frequency;
        for (sampling, is_access) in std::iter::once((&self.chosen.cpu, false))
            .chain(self.chosen.access.as_ref().map(|sampling| (sampling, true)))
        {
            let event = match open(sampling, on, frequency) {
                Ok(event) => event,
                // The thread has ended, or the CPU went offline.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => return Ok(false),
                Err(error) => return Err(error),
            };
            match cpu.events.first() {
                None => cpu.map = Some(map(&event, frequency)?),
                Some(owner) => redirect(&event, owner)?,
            }
            if is_access {
                self.accesses.insert(event_id(&event)?);
            }
            enable(&event)?;
            cpu.events.push(event);
        }
        Ok(true)
    }

    fn error(&self, on: String, source: io::Error) -> Error {
        let remedy = events::remedy(&self.root, &source);
        Error::Sampling { event: self.chosen.choice.event.clone(), on, source, remedy }
    }
}

impl Samples for SampleRing {
    fn add(&mut self, tid: i32) -> Result<bool> {
        let mut added = false;
        for at in 0..self.cpus.len() {
            let number = self.cpus.get(at).map_or(0, |cpu| cpu.number);
            added |= self
                .add_on(at, On::ThreadOnCpu(tid, number))
                .map_err(|source| self.error(format!("thread {tid}"), source))?;
        }
        Ok(added)
    }

    fn drain(&mut self, all: bool) -> Vec<Record> {
        // What was stamped before the first ring was looked at cannot be overtaken by what is in another.
        let now = Nanos(i64::try_from(system::monotonic()).unwrap_or(i64::MAX));
        let horizon = if all { Nanos(i64::MAX) } else { now.saturating_sub(CLOCK_SLACK) };
        let mut records = Vec::new();
        for cpu in &mut self.cpus {
            let Some(map) = &mut cpu.map else { continue };
            let (first, second) = map.unread();
            self.bytes.clear();
            self.bytes.extend_from_slice(first);
            self.bytes.extend_from_slice(second);
            let (used, nonsense) = read(&self.bytes, horizon, |record| records.push(record));
            map.free(used);
            self.nonsense += nonsense;
        }
        records.sort_by_key(Record::time);
        records
    }

    fn is_access(&self, event: u64) -> bool {
        self.accesses.contains(&event)
    }

    fn choice(&self) -> &Choice {
        &self.chosen.choice
    }

    fn nonsense(&self) -> u64 {
        self.nonsense
    }
}

/// Opens an event for a ring that is read by the clock: nobody need be woken.
fn open(sampling: &Sampling, on: On, frequency: u64) -> io::Result<OwnedFd> {
    open_sampling(sampling, on, u32::try_from(wanted_size(frequency)).unwrap_or(u32::MAX))
}

fn wanted_size(frequency: u64) -> u64 {
    (frequency * SECONDS * SAMPLE_BYTES).clamp(LEAST_RING, LARGEST_RING)
}

/// A ring as large as wanted, or as a user without privileges is given.
fn map(event: &OwnedFd, frequency: u64) -> io::Result<Map> {
    let mut size = ring_size(wanted_size(frequency));
    loop {
        match Map::new(event, size) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && size as u64 > LEAST_RING => size /= 2,
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::sync::mpsc::channel;

    /// `None`, with a word, where the machine does not let this user sample.
    fn ring(frequency: u32) -> Option<SampleRing> {
        let root = Root::host();
        match choose(&root, frequency, false).and_then(|chosen| SampleRing::open(&root, chosen)) {
            Ok(ring) => Some(ring),
            Err(error) => {
                eprintln!("not tested: {error}");
                None
            }
        }
    }

    #[inline(never)]
    fn burn(rounds: u64) -> u64 {
        (0..rounds).fold(1, |sum, i| black_box(sum).wrapping_mul(i | 1))
    }

    #[test]
    fn a_thread_and_the_threads_that_it_creates_are_sampled() {
        let Some(mut ring) = ring(1_000) else { return };
        let (begin, begun) = channel::<()>();
        let (tell, told) = channel();
        let parent = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).expect("heard");
            begun.recv().expect("said");
            let child = std::thread::spawn(|| {
                black_box(burn(100_000_000));
                rustix::thread::gettid().as_raw_nonzero().get()
            });
            child.join().expect("ends")
        });
        assert!(ring.add(told.recv().expect("told")).expect("one's own thread"));
        begin.send(()).expect("heard");
        let child = parent.join().expect("ends");
        let (mut samples, mut forked, mut last) = (0, false, Nanos(0));
        for record in ring.drain(true) {
            assert!(record.time() >= last, "in order");
            last = record.time();
            match record {
                Record::Sample(sample) => {
                    assert!(!sample.frames.is_empty());
                    samples += u32::from(sample.tid == child);
                }
                Record::Fork { tid, .. } => forked |= tid == child,
                _ => {}
            }
        }
        assert!(samples > 0 && forked, "{samples} samples, told of the thread: {forked}");
        assert_eq!(ring.nonsense(), 0);
    }

    #[test]
    fn a_thread_that_is_gone_is_no_error() {
        let Some(mut ring) = ring(99) else { return };
        assert!(!ring.add(i32::MAX - 1).expect("no thread has this id"));
    }
}
