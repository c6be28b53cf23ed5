//! How fast recorded ring bytes become snapshots, through the code that reads live rings: events per CPU second.
//!
//! `ring_speed FILE [SECONDS]`, where FILE is a perf.data of `damon:damon_aggregated` (its data section is what perf
//! found in the kernel's ring). No kernel support and no rights are needed.

use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::ring::{Record, RecordRun, SampleLayout, merge};
use damo_kernel::tracefs::{Decoder, Event, EventFormat};
use damo_trace::assemble::{Assembler, AssemblerOptions, EventKey, RegionEvent};

/// The layout on the 6.12 kernel that the recordings were made on; only the event's number differs.
const FORMAT: &str = include_str!("../../../testdata/kernel/formats/6.12-damon_aggregated.txt");

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(file) = arguments.next() else {
        eprintln!("usage: ring_speed FILE [SECONDS]");
        std::process::exit(2);
    };
    let seconds: f64 = arguments.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(2.0);
    let file = std::fs::read(file).expect("readable");
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("8 bytes")) as usize;
    let (attribute, data, size) = (word(24), word(40), word(48));
    let layout = SampleLayout::new(word(attribute + 24) as u64).expect("a perf.data of one tracepoint");
    let mut format = EventFormat::parse(FORMAT).expect("in testdata");
    format.id = word(attribute + 8) as u32;
    let ring = &file[data..data + size];
    let decoder = Decoder::new(&[format]).expect("known");

    type Pass<'p> = &'p dyn Fn() -> u64;
    let stages: [(&str, Pass<'_>); 3] = [
        ("records", &|| {
            let mut count = 0;
            let mut runs = [RecordRun::new(layout, ring, &[])];
            merge(&mut runs, u64::MAX, |record| count += u64::from(matches!(record, Record::Sample(_))));
            count
        }),
        ("records, decoded", &|| {
            let mut count = 0;
            let mut runs = [RecordRun::new(layout, ring, &[])];
            merge(&mut runs, u64::MAX, |record| {
                if let Record::Sample(sample) = record {
                    count += u64::from(decoder.decode(sample.raw).expect("whole").is_some());
                }
            });
            count
        }),
        ("records, decoded, assembled", &|| {
            let mut assembler = Assembler::new(AssemblerOptions::default());
            let mut runs = [RecordRun::new(layout, ring, &[])];
            merge(&mut runs, u64::MAX, |record| match record {
                Record::Sample(sample) => {
                    let Ok(Some(decoded)) = decoder.decode(sample.raw) else { return };
                    let Event::Aggregated { target_id, nr_regions, region } = decoded.event else { return };
                    let key = EventKey { thread: Some(decoded.pid), target_id, ..EventKey::default() };
                    let event = RegionEvent { key, time: sample.time, nr_regions, region, extras: &[] };
                    // perf saves the rings of several CPUs one after the other, so that a few come too late.
                    let _ = assembler.push(&event);
                    while assembler.pop().is_some() {}
                }
                Record::Lost { events, .. } => assembler.lost(events),
                _ => {}
            });
            assembler.finish();
            assembler.tally().events
        }),
    ];
    for (name, pass) in stages {
        let begin = cpu();
        let (mut events, mut passes) = (0, 0);
        while cpu() - begin < seconds {
            events += pass();
            passes += 1;
        }
        let rate = events as f64 / (cpu() - begin);
        println!(
            "{name}: {:.2} million events per CPU second ({} events, {passes} passes)",
            rate / 1e6,
            events / passes
        );
    }
}

/// CPU time of this process so far, seconds.
fn cpu() -> f64 {
    let stat = Procfs::new(&Root::host()).stat(std::process::id() as i32).expect("we live");
    (stat.user.0 + stat.system.0) as f64 / 1e9
}
