//! What the recorder itself costs: recorded events, as a perf ring holds them, through the same code as a live session.
//!
//!     cargo run --release -p damo-record --example ring_throughput -- [RECORD [ROUNDS]]
//!
//! RECORD is any record, ours or foreign; its snapshots become the events they came from. Prints events per CPU second (all
//! threads of the process, reading, compressing and writing included), what that is at 1,000 regions ten times a
//! second, and the peak of resident memory.

use damo_format::StreamReader;
use damo_import::{Options, import_path};
use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::ring::{SampleLayout, sample_type};
use damo_kernel::tracefs::EventFormat;
use damo_model::{Intervals, Item, Nanos, Region, Stamp};
use damo_record::live::replay::Replay;
use damo_record::request::Output;
use std::error::Error;
use std::path::{Path, PathBuf};

const FORMAT: &str = include_str!("../../../testdata/kernel/formats/6.12-damon_aggregated.txt");
const THREAD: i32 = 4711;
/// Header, pid/tid, time, cpu, size of the raw record; then the raw record, padded as the kernel pads it.
const RAW_AT: usize = 8 + 8 + 8 + 8 + 4;
const RECORD: usize = RAW_AT + 52;
/// What a look into the ring finds when it is a quarter full.
const LOOK: usize = (256 << 10) / RECORD * RECORD;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let record = arguments.next().map_or(here.join("../../testdata/real/thousand-regions/damon.data"), PathBuf::from);
    let rounds: i64 = arguments.next().map_or(Ok(50), |text| text.to_string_lossy().parse())?;

    let mut items: Vec<Item> = Vec::new();
    if record.extension().is_some_and(|name| name == "damo") {
        let mut reader = StreamReader::new(std::fs::File::open(&record)?)?;
        while let Some(item) = reader.next_item()? {
            items.push(item);
        }
    } else {
        import_path(&record, &Options::default(), &mut items)?;
    }
    let format = EventFormat::parse(FORMAT)?;
    let mut ring = Vec::new();
    for item in &items {
        let Item::Snapshot(snapshot) = item else { continue };
        for region in &snapshot.regions {
            push(&mut ring, &format, snapshot.end, snapshot.regions.len() as u32, region);
        }
    }
    drop(items);
    let events = ring.len() / RECORD;
    let span = time(&ring[ring.len() - RECORD..]) - time(&ring) + 100_000_000;

    let layout = SampleLayout::new(sample_type::TID | sample_type::TIME | sample_type::CPU | sample_type::RAW)
        .ok_or("the layout has raw records")?;
    let file = std::env::temp_dir().join(format!("ring_throughput.{}.damo", std::process::id()));
    let output = Output { path: Some(file.clone()), ..Output::default() };
    let mut replay = Replay::new(&[format], layout, damo_model::KdamondThread(THREAD), Intervals::default(), &output)?;
    let procfs = Procfs::new(&Root::host());
    let cpu = || -> Result<Nanos, Box<dyn Error>> {
        let used = procfs.cpu_time(std::process::id() as i32, Stamp::Record(Nanos(0)), false)?;
        Ok(used.user.saturating_add(used.system))
    };
    let before = cpu()?;
    for _ in 0..rounds {
        for look in ring.chunks(LOOK) {
            replay.feed(look)?;
        }
        // The same again, later.
        for event in ring.chunks_mut(RECORD) {
            let later = time(event) + span;
            event[16..24].copy_from_slice(&later.to_ne_bytes());
        }
    }
    let written = replay.finish()?;
    let used = cpu()?.saturating_sub(before).as_secs_f64();
    std::fs::remove_file(file)?;

    let events = events as f64 * rounds as f64;
    let peak = std::fs::read_to_string("/proc/self/status")?;
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{events} events in {used:.2} CPU seconds: {:.0} events per CPU second", events / used);
    println!("1,000 regions ten times a second: {:.3} % of one CPU", 10_000.0 * used / events * 100.0);
    println!(
        "{} snapshots, {} regions, {} bytes: {:.2} bytes per region",
        written.snapshots,
        written.regions,
        written.bytes,
        written.bytes as f64 / written.regions as f64
    );
    println!("{peak} (of which {} MiB are the recorded events themselves)", ring.len() >> 20);
    Ok(())
}

fn time(event: &[u8]) -> i64 {
    event.get(16..24).and_then(|bytes| Some(i64::from_ne_bytes(bytes.try_into().ok()?))).unwrap_or_default()
}

/// A sample as the kernel writes it.
fn push(ring: &mut Vec<u8>, format: &EventFormat, at: Nanos, nr_regions: u32, region: &Region) {
    let mut record = [0u8; RECORD];
    let mut put = |offset: usize, bytes: &[u8]| record[offset..offset + bytes.len()].copy_from_slice(bytes);
    // PERF_RECORD_SAMPLE
    put(0, &9u32.to_ne_bytes());
    put(6, &(RECORD as u16).to_ne_bytes());
    put(8, &THREAD.to_ne_bytes());
    put(12, &THREAD.to_ne_bytes());
    put(16, &at.0.to_ne_bytes());
    put(RAW_AT - 4, &52u32.to_ne_bytes());
    put(RAW_AT, &(format.id as u16).to_ne_bytes());
    put(RAW_AT + 4, &THREAD.to_ne_bytes());
    put(RAW_AT + 16, &nr_regions.to_ne_bytes());
    put(RAW_AT + 24, &region.start.0.to_ne_bytes());
    put(RAW_AT + 32, &region.end.0.to_ne_bytes());
    put(RAW_AT + 40, &region.nr_accesses.0.to_ne_bytes());
    put(RAW_AT + 44, &region.age.unwrap_or_default().0.to_ne_bytes());
    ring.extend_from_slice(&record);
}
