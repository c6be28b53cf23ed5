//! Monitors a process and prints what came, as the smallest whole use of this crate.
//!
//! `watch PID SECONDS [SAMPLE_US AGGR_US MIN_REGIONS MAX_REGIONS [CPU_RING_KIB [RING_KIB]]]`, as root, on a machine
//! whose DAMON may be used.

use damo_kernel::procfs::{self, Procfs};
use damo_kernel::ring::{Record, Ring, RingOptions, Until};
use damo_kernel::sysfs::Sysfs;
use damo_kernel::tracefs::{Decoder, Event, Tracefs};
use damo_kernel::{Result, Root};
use damo_model::kdamond::{Context, ContextTarget, Kdamond};
use damo_model::{Bytes, Intervals, KdamondThread, Nanos, NrRegions, Ops, SnapshotState, Stamp};
use damo_trace::assemble::{Assembler, AssemblerOptions, EventKey, RegionEvent};
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<i64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let &[pid, seconds, ref more @ ..] = arguments.as_slice() else {
        eprintln!("usage: watch PID SECONDS [SAMPLE_US AGGR_US MIN_REGIONS MAX_REGIONS [CPU_RING_KIB [RING_KIB]]]");
        std::process::exit(2);
    };
    if let Err(error) = watch(pid as i32, seconds as u64, more) {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

/// What came of the ring.
struct Seen {
    decoder: Decoder,
    ours: Vec<KdamondThread>,
    assembler: Assembler,
    lost: u64,
    /// Events that were not understood, or came too late.
    odd: u64,
    snapshots: u64,
    partial: u64,
    regions: usize,
    first: Option<Nanos>,
}

impl Seen {
    fn take(&mut self, record: Record<'_>) {
        let sample = match record {
            Record::Sample(sample) => sample,
            Record::Lost { events, .. } => {
                self.lost += events;
                return self.assembler.lost(events);
            }
            _ => return,
        };
        let Ok(Some(decoded)) = self.decoder.decode(sample.raw) else {
            self.odd += 1;
            return;
        };
        let Event::Aggregated { target_id, nr_regions, region } = decoded.event else { return };
        if self.ours.contains(&KdamondThread(decoded.pid)) {
            let key = EventKey { thread: Some(decoded.pid), target_id, ..EventKey::default() };
            let event = RegionEvent { key, time: sample.time, nr_regions, region, extras: &[] };
            self.odd += u64::from(self.assembler.push(&event).is_err());
        }
    }

    fn count(&mut self) {
        while let Some(snapshot) = self.assembler.pop() {
            self.snapshots += 1;
            self.regions += snapshot.regions.len();
            self.partial += u64::from(snapshot.state != SnapshotState::Complete);
            self.first.get_or_insert(snapshot.end);
        }
    }
}

fn watch(pid: i32, seconds: u64, more: &[i64]) -> Result<()> {
    let root = Root::host();
    let procfs = Procfs::new(&root);
    let kib = |at: usize| more.get(at).map(|kib| Bytes(*kib as u64 * 1024));
    let mut intervals = Intervals::default();
    let mut nr_regions = NrRegions::default();
    if let [sample, aggregation, min, max, ..] = *more {
        intervals.sample = Nanos::from_micros(sample);
        intervals.aggregation = Nanos::from_micros(aggregation);
        nr_regions = NrRegions { min: min as u64, max: max as u64 };
    }

    // Before DAMON runs, so that nothing is missed.
    let events = Tracefs::find(&root)?.recording_events(true, false)?;
    let decoder = Decoder::new(&events).expect("a layout that this version knows");
    let options = RingOptions { cpu_size: kib(4), ..RingOptions::default() };
    let options = RingOptions { size: kib(5).unwrap_or(options.size), ..options };
    let mut ring = Ring::per_cpu(&root, &events, &options)?;

    let target = ContextTarget { pid: Some(pid), ..ContextTarget::default() };
    let context = Context { intervals, nr_regions, targets: vec![target], ..Context::new(Ops::Vaddr) };
    let mut staged = Sysfs::new(&root).stage(&[Kdamond { contexts: vec![context], ..Kdamond::default() }])?;
    staged.start()?;
    let begin = procfs::now();
    // A ring size for CPUs was asked for to try those, so that they stay.
    let narrowed = options.cpu_size.is_none() && ring.narrow(&staged.threads());
    let setup = procfs.stat(std::process::id() as i32)?;
    println!("kdamond {:?} one_ring {narrowed}", staged.started());

    let assembler = Assembler::new(AssemblerOptions { intervals: Some(intervals), ..AssemblerOptions::default() });
    let mut seen = Seen {
        decoder,
        ours: staged.threads(),
        assembler,
        lost: 0,
        odd: 0,
        snapshots: 0,
        partial: 0,
        regions: 0,
        first: None,
    };
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut kdamond = None;
    while Instant::now() < until && staged.is_running()? {
        ring.wait(Duration::from_millis(250), &[])?;
        ring.drain(Until::Now, |record| seen.take(record));
        seen.count();
        if let Some(thread) = staged.threads().first() {
            kdamond = procfs.cpu_time(thread.0, Stamp::Record(procfs::now()), true).ok().or(kdamond);
        }
    }
    let running = procfs.stat(std::process::id() as i32)?;
    staged.stop()?;
    ring.drain(Until::End, |record| seen.take(record));
    seen.lost += ring.lost_untold();
    seen.assembler.finish();
    seen.count();
    staged.undo()?;

    let own = procfs.stat(std::process::id() as i32)?;
    let rss = procfs.footprint(std::process::id() as i32, false)?.rss;
    let Seen { lost, odd, snapshots, partial, regions, first, .. } = seen;
    let first = first.map(|first: Nanos| (first.0 - begin.0) / 1_000_000);
    println!("snapshots {snapshots} partial {partial} regions {regions} lost {lost} odd {odd} first_ms {first:?}");
    for (what, stat) in [("set up", setup), ("running", running), ("end", own)] {
        println!("cpu until {what}: user {} ms, system {} ms", stat.user.0 / 1_000_000, stat.system.0 / 1_000_000);
    }
    println!("rss {rss:?}");
    println!("kdamond {kdamond:?}");
    Ok(())
}
