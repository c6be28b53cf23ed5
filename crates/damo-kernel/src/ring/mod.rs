//! DAMON's events out of the kernel, through perf rings and no other program.
//!
//! The order of things that loses nothing:
//!
//! 1. [`Ring::per_cpu`] before DAMON is switched on: its thread does not exist yet, so that there is a ring on each CPU.
//! 2. Switch DAMON on and read the thread's id.
//! 3. [`Ring::narrow`] to that thread: one ring in which everything is in order and nothing of foreign kdamonds. The
//!    first aggregation takes far longer than that; if an event came nevertheless, the per-CPU rings simply stay.
//! 4. [`Ring::wait`] and [`Ring::drain`] a few times a second; [`Ring::drain`] with [`Until::End`] after DAMON is off.
//!
//! To watch a kdamond that runs already, [`Ring::threads`] at once.
//!
//! ```no_run
//! # use damo_kernel::{Root, ring::{Record, Ring, RingOptions, Until}, tracefs::{Decoder, Tracefs}};
//! # use std::time::Duration;
//! # fn switch_on() -> damo_model::KdamondThread { damo_model::KdamondThread(1) }
//! let root = Root::host();
//! let formats = Tracefs::find(&root)?.recording_events(true, false)?;
//! let decoder = Decoder::new(&formats).expect("known layouts");
//! let mut ring = Ring::per_cpu(&root, &formats, &RingOptions::default())?;
//! let kdamond = switch_on();
//! ring.narrow(&[kdamond]);
//! loop {
//!     ring.wait(Duration::from_millis(250), &[])?;
//!     ring.drain(Until::Now, |record| match record {
//!         Record::Sample(sample) => println!("{:?}: {:?}", sample.time, decoder.decode(sample.raw)),
//!         Record::Lost { events, .. } => eprintln!("{events} events lost"),
//!         _ => {}
//!     });
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), damo_kernel::Error>(())
//! ```
//!
//! Bytes to records is a matter of its own, [`RecordRun`], so that recorded rings can be read where no kernel is.

pub(crate) mod mmap;
mod records;

pub use records::{Record, RecordRun, Sample, SampleLayout, merge, sample_type};

use crate::error::{Error, Result};
use crate::io::Root;
use crate::procfs::foreign_pid_namespace;
use crate::system;
use crate::tracefs::EventFormat;
use damo_model::{Bytes, KdamondThread};
use mmap::{Map, On};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

/// Memory for all per-CPU rings together, which are needed only until [`Ring::narrow`], unless more is asked for.
const ALL_CPUS: u64 = 8 << 20;
/// No ring is larger.
const MAX_RING: u64 = 1 << 30;
/// The kernel stamps events with a clock that may be this much behind the one that user space reads.
const CLOCK_SLACK_NS: u64 = 20_000;

damo_model::with_defaults! {
    /// How rings are made.
    #[derive(Clone, Copy, Debug)]
    pub struct RingOptions {
        /// Size of a thread's ring. An event takes about 88 bytes, so that 1 MiB holds 12 snapshots of 1000 regions.
        /// Rounded up to a power of two of whole pages.
        pub size: Bytes = Bytes(1 << 20),
        /// Size of each CPU's ring; if `None` its share of `size`, and not less than 128 KiB to 1 MiB by the number of CPUs,
        /// or all of `size` if that is less.
        pub cpu_size: Option<Bytes>,
    }
}

/// How far to drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// What is certain to be in order by now.
    Now,
    /// Everything: DAMON is off, nothing more comes.
    End,
}

/// What a drain did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Events handed out.
    pub samples: u64,
    /// Events that the kernel said it dropped, handed out as [`Record::Lost`] as well.
    pub lost: u64,
    /// Bytes that could not be understood. Always 0 with an intact kernel.
    pub nonsense: u64,
}

/// The rings of one recording.
#[derive(Debug)]
pub struct Ring {
    rings: Vec<One>,
    events: Vec<EventFormat>,
    options: RingOptions,
    layout: SampleLayout,
    /// Losses of rings that are closed by now, and those told by LOST records.
    told: u64,
    per_cpu: bool,
    /// Whether the ids that DAMON's files tell are those of threads here: in a pid namespace of its own an id is another
    /// thread, or none.
    knows_threads: bool,
}

/// One ring, with all events writing into it.
#[derive(Debug)]
struct One {
    events: Vec<OwnedFd>,
    map: Map,
    hung_up: bool,
}

impl One {
    fn open(formats: &[EventFormat], on: On, size: usize) -> Result<Self> {
        let watermark = u32::try_from(size / 4).unwrap_or(u32::MAX);
        let fail = |event: &str, source: io::Error| Error::Perf {
            event: format!("damon:{event}"),
            on: match on {
                On::Cpu(cpu) => format!("CPU {cpu}"),
                On::Thread(thread) | On::ThreadOnCpu(thread, _) => format!("thread {thread}"),
            },
            remedy: remedy(&source).to_owned(),
            source,
        };
        let mut events = Vec::with_capacity(formats.len());
        for format in formats {
            let event = mmap::open_tracepoint(format.id, on, SampleLayout::OURS, watermark)
                .map_err(|source| fail(&format.name, source))?;
            events.push(event);
        }
        let (Some(owner), Some(format)) = (events.first(), formats.first()) else {
            return Err(fail("damon_aggregated", io::Error::from(io::ErrorKind::InvalidInput)));
        };
        let map = Map::new(owner, size).map_err(|source| fail(&format.name, source))?;
        // Only now that there is a ring for each, so that no event goes nowhere.
        for (event, format) in events.iter().zip(formats).skip(1) {
            mmap::redirect(event, owner).map_err(|source| fail(&format.name, source))?;
        }
        for (event, format) in events.iter().zip(formats) {
            mmap::enable(event).map_err(|source| fail(&format.name, source))?;
        }
        Ok(Self { events, map, hung_up: false })
    }

    /// Losses as the kernel counts them, which include those at the very end that no LOST record tells of.
    fn lost(&self) -> Option<u64> {
        self.events.iter().map(mmap::lost).try_fold(0u64, |sum, lost| Some(sum.saturating_add(lost?)))
    }
}

impl Ring {
    /// A ring on each CPU that is online, for all kdamonds, those that start later included.
    ///
    /// # Errors
    /// [`Error::Perf`] with the remedy (not root, perf_event_paranoid, lockdown, memory).
    pub fn per_cpu(root: &Root, events: &[EventFormat], options: &RingOptions) -> Result<Self> {
        let cpus = online_cpus(root)?;
        let size = cpu_ring_size(options, cpus.len());
        let mut rings = Vec::with_capacity(cpus.len());
        for cpu in cpus {
            match One::open(events, On::Cpu(cpu), size) {
                Ok(one) => rings.push(one),
                // A CPU that went offline since.
                Err(error) if error.errno() == Some(libc::ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        let ring = Self::of(rings, events, options, true)?;
        Ok(Self { knows_threads: foreign_pid_namespace(root).is_none(), ..ring })
    }

    /// A ring for each of these kdamond threads, on whatever CPU they run. What DAMON's files tell as ids are ids only in
    /// the initial pid namespace: see [`foreign_pid_namespace`].
    ///
    /// # Errors
    /// [`Error::Perf`]; a thread that is gone gives ESRCH.
    pub fn threads(threads: &[KdamondThread], events: &[EventFormat], options: &RingOptions) -> Result<Self> {
        let rings = threads
            .iter()
            .map(|thread| One::open(events, On::Thread(thread.0), ring_size(options.size.0)))
            .collect::<Result<Vec<_>>>()?;
        Self::of(rings, events, options, false)
    }

    fn of(rings: Vec<One>, events: &[EventFormat], options: &RingOptions, per_cpu: bool) -> Result<Self> {
        let layout = SampleLayout::new(SampleLayout::OURS).ok_or_else(|| Error::Invalid {
            what: "perf sample type".to_owned(),
            value: SampleLayout::OURS.to_string(),
            why: "it must have raw records".to_owned(),
        })?;
        Ok(Self { rings, events: events.to_vec(), options: *options, layout, told: 0, per_cpu, knows_threads: true })
    }

    /// From a ring on each CPU to one per kdamond thread, if that loses nothing: `false` if events came already, or the
    /// kernel does not let us follow a thread, or this is a pid namespace of its own, which these ids are not of; then the
    /// rings stay as they are, which is as good but for taking more memory and seeing foreign kdamonds too.
    pub fn narrow(&mut self, threads: &[KdamondThread]) -> bool {
        if !self.per_cpu || !self.knows_threads || threads.is_empty() {
            return false;
        }
        let Ok(narrow) = Self::threads(threads, &self.events, &self.options) else { return false };
        // From here on each event of these threads is in both. If the old rings have none so far, the new ones have all.
        let empty = |one: &One| one.map.unread().0.is_empty() && one.lost().unwrap_or(0) == 0;
        if !self.rings.iter().all(empty) {
            return false;
        }
        self.rings = narrow.rings;
        self.per_cpu = false;
        true
    }

    /// Whether there is a ring per CPU (which also sees foreign kdamonds) rather than per thread.
    pub fn is_per_cpu(&self) -> bool {
        self.per_cpu
    }

    /// Waits until a ring is a quarter full, or one of `others` can be read, or `timeout` is over, or a signal came.
    /// Whether one of `others` can be read. Draining is right whatever woke us, for the watermark says nothing of a few
    /// events.
    ///
    /// # Errors
    /// [`Error::Wait`].
    pub fn wait(&mut self, timeout: Duration, others: &[BorrowedFd<'_>]) -> Result<bool> {
        // A thread that is gone would wake us for ever.
        let events = self.rings.iter().filter(|one| !one.hung_up).filter_map(|one| one.events.first());
        let mut fds: Vec<PollFd<'_>> = events.map(|event| PollFd::new(event, PollFlags::IN)).collect();
        let rings = fds.len();
        fds.extend(others.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let timeout = Timespec::try_from(timeout).ok();
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(false),
            Err(errno) => return Err(Error::Wait { source: errno.into() }),
        }
        let is_ready = fds[rings..].iter().any(|fd| !fd.revents().is_empty());
        let gone: Vec<bool> =
            fds[..rings].iter().map(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR)).collect();
        for (one, gone) in self.rings.iter_mut().filter(|one| !one.hung_up).zip(gone) {
            one.hung_up = gone;
        }
        Ok(is_ready)
    }

    /// Whether the kernel closed all rings, because the threads they follow are gone. Never for per-CPU rings.
    pub fn hung_up(&self) -> bool {
        self.rings.iter().all(|one| one.hung_up)
    }

    /// Hands out what came, in order of time, and gives the memory back to the kernel.
    ///
    /// With several rings, an event may be seen on one CPU before an earlier one of the same kdamond is seen on
    /// another. What was stamped before the first ring was looked at cannot be overtaken in this way, so that
    /// [`Until::Now`] leaves anything later in the rings for the next time.
    pub fn drain(&mut self, until: Until, mut take: impl FnMut(Record<'_>)) -> Drained {
        let horizon = match until {
            Until::Now if self.rings.len() > 1 => system::monotonic().saturating_sub(CLOCK_SLACK_NS),
            _ => u64::MAX,
        };
        let mut drained = Drained::default();
        let mut runs = Vec::with_capacity(self.rings.len());
        for one in &self.rings {
            let (first, second) = one.map.unread();
            runs.push(RecordRun::new(self.layout, first, second));
        }
        merge(&mut runs, horizon, |record| {
            match record {
                Record::Sample(_) => drained.samples += 1,
                Record::Lost { events, .. } => drained.lost = drained.lost.saturating_add(events),
            }
            take(record);
        });
        drained.nonsense = runs.iter().map(RecordRun::nonsense).sum();
        let consumed: Vec<usize> = runs.iter().map(RecordRun::consumed).collect();
        for (one, bytes) in self.rings.iter_mut().zip(consumed) {
            one.map.free(bytes);
        }
        self.told = self.told.saturating_add(drained.lost);
        drained
    }

    /// Events lost so far: by the kernel's own count where it has one (6.0 and later), which knows of losses that no
    /// record told of yet, else by the records.
    pub fn lost(&self) -> u64 {
        let counted: Option<u64> = self.rings.iter().map(One::lost).try_fold(0u64, |sum, lost| Some(sum + lost?));
        counted.unwrap_or(0).max(self.told)
    }

    /// Losses that the kernel counts but no [`Record::Lost`] has told of: take note of them after the last drain.
    pub fn lost_untold(&self) -> u64 {
        self.lost().saturating_sub(self.told)
    }
}

pub(crate) fn ring_size(bytes: u64) -> usize {
    let page = system::page_size();
    usize::try_from(bytes.min(MAX_RING)).unwrap_or(1 << 20).max(page).next_power_of_two()
}

/// Size of a CPU's ring, so that those of all CPUs together take about what one of a thread would: with hundreds of CPUs
/// that size for each would be gigabytes.
fn cpu_ring_size(options: &RingOptions, cpus: usize) -> usize {
    let cpus = cpus.max(1) as u64;
    if let Some(size) = options.cpu_size {
        return ring_size(size.0);
    }
    // Who asks for less gets less, also where the rings stay as they are.
    let least = ring_size((ALL_CPUS / cpus).clamp(128 << 10, 1 << 20)).min(ring_size(options.size.0));
    // Rounded down, as together they are not to exceed it.
    let share = options.size.0.min(MAX_RING) / cpus;
    least.max(ring_size(1 << share.max(1).ilog2()))
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES) => {
            "The kernel does not let this user trace: run it as root, or see /proc/sys/kernel/perf_event_paranoid"
        }
        Some(libc::EPERM) => {
            "Kernel lockdown, the seccomp profile of a container, missing capabilities or the limit of locked memory forbids \
             it: `damo doctor` shows what this machine lacks"
        }
        Some(libc::ENOENT | libc::ENODEV) => "The kernel has no such tracepoint or CPU; was a module unloaded?",
        Some(libc::EMFILE | libc::ENFILE) => "Too many open files: raise the limit with `ulimit -n 65536`",
        Some(libc::ESRCH) => "The thread is gone: DAMON ended",
        Some(libc::ENOMEM) => "No memory for the ring: ask for a smaller one",
        Some(libc::ENOSYS) => "The kernel is built without CONFIG_PERF_EVENTS",
        _ => "",
    }
}

/// CPUs that are online: `0-3,8`.
pub(crate) fn online_cpus(root: &Root) -> Result<Vec<u32>> {
    let rel = "sys/devices/system/cpu/online";
    let text = root.read_line(rel)?;
    crate::procfs::parse_id_list(&text).ok_or_else(|| Error::Content {
        path: root.shown(rel),
        expected: "a list of CPUs such as 0-3,8",
        found: crate::error::excerpt(&text),
    })
}

#[cfg(test)]
mod tests;
