//! Measures the record format: bytes per region, regions per second in and out.
//!
//! `cargo run --release -p damo-format --example bench_format -- WHAT…`, each WHAT being a built-in workload of the
//! simulator (`bench-a`, `bench-h`, `stairs`, …; `bench-h:5` for five rounds of it) or a zlib-compressed JSON record of
//! the Python tool.
#[path = "../tests/common/real.rs"]
mod real;

use damo_format::{Reader, Writer, WriterOptions};
use damo_model::{Item, Selection, Sink};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.is_empty() {
        args = vec!["bench-a".into(), "stairs".into()];
    }
    for what in args {
        bench(&what)?;
    }
    Ok(())
}

fn bench(what: &str) -> Result<(), Error> {
    let started = Instant::now();
    let items = load(what)?;
    println!("{what}: items made in {:.2} s", started.elapsed().as_secs_f64());
    for (name, options) in [("default", WriterOptions::default()), ("live", WriterOptions::live())] {
        let (bytes, took) = best(|| write(&items, &options))?;
        let snapshots = Reader::from_bytes(only_snapshots(&items, &options)?)?;
        let regions = snapshots.totals().regions;
        println!(
            "  {name}: {} snapshots, {regions} regions, {} blocks: {} bytes, {:.3} B/region; with side data {} bytes",
            snapshots.totals().snapshots,
            snapshots.index().len(),
            snapshots.totals().file.0,
            snapshots.totals().file.0 as f64 / regions as f64,
            bytes.len(),
        );
        println!("    raw {:.3} B/region", snapshots.totals().raw.0 as f64 / regions as f64);
        let cpu = mean_on_cpu(|| write(&items, &options))?;
        println!("    write: {:.1} M regions/s; by CPU time {:.1}", rate(regions, took), rate(regions, cpu));
        let (reader, took) = best(|| Ok(Reader::from_bytes(bytes.as_slice())?))?;
        println!("    open: {:.2} ms", took.as_secs_f64() * 1e3);
        let cpu = mean_on_cpu(|| read(&reader))?;
        println!("    read: {:.1} M regions/s by CPU time of one thread", rate(regions, cpu));
        for threads in [1, 2] {
            let (_, took) = best(|| read_on(&reader, threads))?;
            println!(
                "    read, {threads} threads: {:.1} M regions/s ({:.3} s)",
                rate(regions, took),
                took.as_secs_f64()
            );
        }
    }
    Ok(())
}

fn rate(regions: u64, took: Duration) -> f64 {
    regions as f64 / took.as_secs_f64() / 1e6
}

/// Time that this thread has spent on a processor: what the figures would be if nothing else ran.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// Mean time that this thread spent on a processor in a run, over less than a second of runs.
fn mean_on_cpu<T>(mut run: impl FnMut() -> Result<T, Error>) -> Result<Duration, Error> {
    let (begun, started, mut runs) = (Instant::now(), on_cpu(), 0);
    while begun.elapsed() < Duration::from_millis(400) {
        run()?;
        runs += 1;
    }
    Ok(on_cpu().saturating_sub(started) / runs.max(1))
}

/// The fastest of several runs, for less than a second together.
fn best<T>(mut run: impl FnMut() -> Result<T, Error>) -> Result<(T, Duration), Error> {
    let begun = Instant::now();
    let mut best: Option<(T, Duration)> = None;
    loop {
        let started = Instant::now();
        let value = run()?;
        let took = started.elapsed();
        let faster = best.as_ref().is_none_or(|(_, least)| took < *least);
        let done = begun.elapsed() > Duration::from_millis(400);
        match best {
            Some(best) if !faster && done => return Ok(best),
            _ if faster && done => return Ok((value, took)),
            _ if faster => best = Some((value, took)),
            _ => {}
        }
    }
}

fn load(what: &str) -> Result<Vec<Item>, Error> {
    let (name, rounds) = what.split_once(':').unwrap_or((what, ""));
    if let Some(mut builtin) = damo_sim::builtin::find(name) {
        if !rounds.is_empty() {
            builtin.rounds = rounds.parse()?;
        }
        let mut items = Vec::new();
        damo_sim::simulate(&builtin.workloads(), &builtin.options(), &mut items, &mut |_| ControlFlow::Continue(()))?;
        return Ok(items);
    }
    Ok(real::load(Path::new(what)).ok_or("neither a built-in workload nor a readable JSON record")?)
}

fn write(items: &[Item], options: &WriterOptions) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new(Vec::new(), options.clone())?;
    for item in items {
        writer.put(item)?;
    }
    Ok(writer.finish()?.0)
}

fn only_snapshots(items: &[Item], options: &WriterOptions) -> Result<Vec<u8>, Error> {
    let items: Vec<Item> = items.iter().filter(|item| !matches!(item, Item::Side(_))).cloned().collect();
    write(&items, options)
}

fn read(reader: &Reader) -> Result<usize, Error> {
    let mut regions = 0;
    for i in 0..reader.index().len() {
        regions += reader.read_block(i, &Selection::all())?.nr_regions();
    }
    Ok(regions)
}

fn read_on(reader: &Reader, threads: usize) -> Result<usize, Error> {
    let (next, regions) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || -> Result<(), damo_format::ReadError> {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= reader.index().len() {
                return Ok(());
            }
            let batch = reader.read_block(i, &Selection::all())?;
            regions.fetch_add(batch.nr_regions(), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|w| w.join().map_err(|_| "a reading thread panicked")).collect::<Vec<_>>()
    })
    .into_iter()
    .try_for_each(|done| -> Result<(), Error> { Ok(done??) })?;
    Ok(regions.into_inner())
}
