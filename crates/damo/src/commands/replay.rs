//! `damo replay`: makes the accesses of a record again on real memory, to be monitored or to be tried under schemes.

use super::report::part::TargetArgs;
use crate::edits;
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use damo_cli::ValueError;
use damo_frame::{FrameError, Record};
use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_model::human::{Style, count_text, format_size, time_text};
use damo_model::{Addr, AddrRange, Bytes, Intervals, Nanos, Selection, Stamp, TargetKey};
use damo_report::extents::{MemoryExtent, memory_extents};
use damo_report::survey::{Identity, monitored};
use damo_testbed::replay::{Played, ReplayCounts, ReplayMemory, Replayer};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Each target has a thread of its own; more are a mistake.
const MOST_TARGETS: usize = 64;

/// Arguments of `damo replay`.
#[derive(Args, Debug)]
#[command(
    after_help = "Each stretch of addresses that was monitored becomes memory of the same size in this process, at an address \
                        of the system's choice. In each aggregation interval its pages are touched as often as samples found \
                        them accessed. Memory that was never accessed takes no room, unless --populate is given.\n\n\
                        Examples:\n  damo replay app.damo\n  \
                        damo record -o again.damo -- damo replay app.damo\n  \
                        damo schemes --damos_action pageout --damos_age 5s max -- damo replay --populate app.damo"
)]
pub(crate) struct ReplayArgs {
    /// The record [default: damon.damo, then damon.data]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    ids: TargetArgs,
    /// So many times as fast as it was recorded
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = speed)]
    speed: f64,
    /// Touch all memory that was monitored once before it begins, so that cold memory is resident as well
    #[arg(long)]
    populate: bool,
    /// Tell how far it is each so many seconds; 0 is never
    #[arg(long = "progress_notice_interval", value_name = "SECONDS", default_value_t = 3)]
    progress_notice_interval: u64,
    /// Replay although this machine has less memory available than it takes
    #[arg(long)]
    force: bool,
}

fn speed(text: &str) -> Result<f64, ValueError> {
    text.parse()
        .ok()
        .filter(|speed: &f64| speed.is_finite() && *speed > 0.0)
        .ok_or(ValueError::Unwanted("a number greater than 0 such as 0.5 or 10 is wanted"))
}

/// Plays the record to its end.
///
/// # Errors
/// If the record cannot be read, says nothing of accesses, or is of more memory than there is.
pub(crate) fn run(args: &ReplayArgs) -> Result<Outcome> {
    let opened = edits::open_one(&args.inputs, &args.files)?;
    let [record] = &opened.records[..] else { bail!("one record is replayed at a time: run a process for each") };
    let span = record.time_span().context("the record has no snapshot: there is nothing to replay")?;
    let wanted = targets(record, args)?;
    let extents = memory_extents(record, &wanted)?;
    check_memory(&extents, args)?;
    let total: u64 = extents.values().map(|extent| extent.snapshots).sum();
    // The time of the record begins when all memory is there.
    let memory = extents.iter().map(|(key, extent)| Ok((*key, memory_for(extent, args)?)));
    let memory: Vec<(TargetKey, ReplayMemory)> = memory.collect::<Result<_>>()?;
    let progress = Progress { done: AtomicU64::new(0), counts: Mutex::default() };
    let begun = Instant::now();
    thread::scope(|scope| {
        let players: Vec<_> = memory
            .into_iter()
            .map(|(key, memory)| {
                let (progress, replayer) = (&progress, Replayer::new(memory, begun, span.start, args.speed));
                scope.spawn(move || play(record, key, replayer, progress))
            })
            .collect();
        tell_progress(args.progress_notice_interval, begun, total, &progress, &|| {
            players.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        players.into_iter().try_for_each(|player| player.join().map_err(|_| anyhow!("a thread of the replay died"))?)
    })?;
    let counts = *progress.counts.lock().map_err(|_| anyhow!("a thread of the replay died"))?;
    let took = begun.elapsed();
    errors::done(format_args!(
        "all snapshots are replayed: {} in {:.3} seconds; {} pages touched",
        count_text(counts.snapshots, "snapshot"),
        took.as_secs_f64(),
        counts.touched
    ));
    if counts.late * 100 > counts.steps {
        errors::warn(format_args!(
            "{:.0} % of the accesses came late: this machine was too slow for them. A lower --speed, or one process of the record \
             (--pid), takes less",
            counts.late as f64 * 100.0 / counts.steps as f64
        ));
    }
    Ok(opened.outcome())
}

/// Plain monitoring that passes the filter.
fn targets(record: &Record, args: &ReplayArgs) -> Result<Vec<TargetKey>> {
    let filter = args.ids.filter();
    let identities = monitored(std::slice::from_ref(record), &filter);
    let keys: Vec<TargetKey> = record
        .targets()
        .iter()
        .filter(|target| filter.holds(target) && identities.contains(&Identity::from(*target)))
        .map(|target| target.key)
        .collect();
    match keys.len() {
        0 => bail!("no target of the record is the one that is wanted; `damo info` lists them"),
        1..=MOST_TARGETS => Ok(keys),
        n => bail!("the record has {n} targets, more than {MOST_TARGETS}: choose one with --pid or --tid"),
    }
}

/// Refuses what would push others out of memory.
fn check_memory(extents: &BTreeMap<TargetKey, MemoryExtent>, args: &ReplayArgs) -> Result<()> {
    let taken = |extent: &MemoryExtent| if args.populate { extent.monitored.size() } else { extent.accessed.size() };
    let needed = extents.values().map(taken).fold(Bytes(0), Bytes::saturating_add);
    let available =
        Procfs::new(&Root::host()).meminfo(Stamp::Record(Nanos(0))).ok().and_then(|memory| memory.available);
    let text = |bytes| format_size(bytes, Style::Human);
    match available {
        Some(available) if needed > available && !args.force => bail!(
            "the replay takes {} of memory, and this machine has {} available. `damo cut` makes a smaller record (--mapping, \
             --pid); --force replays it anyway",
            text(needed),
            text(available)
        ),
        _ => Ok(()),
    }
}

struct Progress {
    done: AtomicU64,
    counts: Mutex<ReplayCounts>,
}

/// Memory for all that was monitored.
fn memory_for(extent: &MemoryExtent, args: &ReplayArgs) -> Result<ReplayMemory> {
    let mut memory = ReplayMemory::allocate(extent.monitored.ranges())?;
    if args.populate {
        memory.populate();
    }
    Ok(memory)
}

/// Plays one target.
fn play(record: &Record, key: TargetKey, mut replayer: Replayer, progress: &Progress) -> Result<()> {
    let selection = Selection { targets: vec![key], ..Selection::default() };
    let known = record.meta().intervals;
    record.for_each(&selection, |chunk| {
        for snapshot in chunk.snapshots() {
            let rows = (0..snapshot.len()).filter(|row| snapshot.nr_accesses[*row] > 0);
            let range = |row: usize| AddrRange::new(Addr(snapshot.start[row]), Addr(snapshot.end[row]));
            let regions: Vec<(AddrRange, u32)> = rows.map(|row| (range(row), snapshot.nr_accesses[row])).collect();
            let most = || regions.iter().map(|(_, accesses)| *accesses).max().unwrap_or(0);
            let intervals: Option<Intervals> = snapshot.head.intervals.or(known);
            let samples = intervals.map(|intervals| intervals.max_nr_accesses().0).filter(|samples| *samples > 0);
            let samples = samples.unwrap_or_else(most);
            replayer.play(&Played { span: snapshot.head.time_span(), samples, regions: &regions });
            progress.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<(), FrameError>(())
    })?;
    if let Ok(mut counts) = progress.counts.lock() {
        *counts = counts.and(replayer.counts());
    }
    Ok(())
}

/// Says how far it is, until it has ended.
fn tell_progress(seconds: u64, begun: Instant, total: u64, progress: &Progress, ended: &dyn Fn() -> bool) {
    let mut told = begun;
    while !ended() {
        thread::sleep(Duration::from_millis(20));
        if seconds > 0 && told.elapsed() >= Duration::from_secs(seconds) {
            told = Instant::now();
            let time = time_text(Nanos::from_millis(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX)));
            errors::note(format_args!(
                "{}/{total} snapshots replayed in {time}",
                progress.done.load(Ordering::Relaxed)
            ));
        }
    }
}
