//! How fast the simulator is: `cargo run --release -p damo-sim --example bench_sim [NAME]...`, each of the built-in
//! workloads `stairs-hour`, `bench-a`, `bench-h` by default. Prints virtual and real seconds, snapshots, regions, samples.

use damo_model::{Item, Nanos, Sink, SinkError};
use damo_sim::{builtin, simulate};
use std::ops::ControlFlow;
use std::time::Instant;

/// Counts instead of keeping.
#[derive(Default)]
struct Counter {
    items: u64,
    bytes_of_regions: u64,
}

impl Sink for Counter {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.items += 1;
        if let Item::Snapshot(snapshot) = item {
            self.bytes_of_regions += size_of_val(&snapshot.regions[..]) as u64;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = ["stairs-hour", "bench-a", "bench-h"].map(str::to_owned).into();
    }
    println!("workload\tvirtual s\treal s\tsnapshots\tregions\tregions/snapshot\tsamples\tM samples/s");
    for name in names {
        let (builtin, hour) = match name.strip_suffix("-hour") {
            Some(base) => (builtin::find(base), true),
            None => (builtin::find(&name), false),
        };
        let builtin = builtin.ok_or_else(|| format!("no built-in workload is called {name}"))?;
        let mut options = builtin.options();
        if hour {
            options.duration = Some(Nanos::from_secs(3600));
        }
        let mut sink = Counter::default();
        let began = Instant::now();
        let outcome = simulate(&builtin.workloads(), &options, &mut sink, &mut |_| ControlFlow::Continue(()))?;
        let took = began.elapsed().as_secs_f64();
        println!(
            "{name}\t{:.0}\t{took:.2}\t{}\t{}\t{:.1}\t{}\t{:.0}",
            outcome.end.as_secs_f64(),
            outcome.snapshots,
            outcome.regions,
            outcome.regions as f64 / outcome.snapshots as f64,
            outcome.samples,
            outcome.samples as f64 / took / 1e6
        );
    }
    Ok(())
}
