//! What schemes and sampling are worth, on simulated memory: `cargo run --release -p damo-sim --example evaluate` prints
//! the tables of docs/evaluation.md. Everything is in virtual time and follows from the seed, so that the figures are the
//! same on every machine; only what the simulator itself took is not, and is not printed.

use damo_model::scheme::Scheme;
use damo_model::{AddrRange, Item, Nanos, Side, Sink, SinkError};
use damo_sim::{GroundTruth, Options, Outcome, SimError, Workload, builtin, simulate};
use std::ops::ControlFlow;

/// Mean resident size, from the second round on.
#[derive(Default)]
struct Resident {
    from: Nanos,
    sum: u64,
    n: u64,
}

impl Sink for Resident {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        if let Item::Side(Side::Process(process)) = item
            && process.at >= damo_model::Stamp::Record(self.from)
        {
            self.sum += process.footprint.rss.unwrap_or_default().0;
            self.n += 1;
        }
        Ok(())
    }
}

/// Ten minutes of the staircase under one scheme: mean resident MB, and what it did.
fn stairs(scheme: Option<&str>) -> Result<(f64, Outcome), Box<dyn std::error::Error>> {
    let schemes: Vec<Scheme> = scheme.map(serde_json::from_str).transpose()?.into_iter().collect();
    let options = Options { schemes, duration: Some(Nanos::from_secs(600)), ..Options::default() };
    let mut sink = Resident { from: Nanos::from_secs(60), ..Resident::default() };
    let outcome = simulate(&builtin::STAIRS.workloads(), &options, &mut sink, &mut |_| ControlFlow::Continue(()))?;
    Ok((sink.sum as f64 / sink.n as f64 / 1e6, outcome))
}

fn row(name: &str, plain: f64, mean: f64, outcome: &Outcome) {
    let stats = outcome.schemes.first().copied().unwrap_or_default();
    println!(
        "| {name} | {mean:.1} | {:.0} % | {:.0} | {:.2} | {:.2} |",
        100.0 * (1.0 - mean / plain),
        outcome.refaults as f64 / 600.0,
        outcome.stalled.0 as f64 / 600e6,
        stats.time.0 as f64 / 600e6,
    );
}

fn head(first: &str) {
    println!("| {first} | resident MB | saved | refaults/s | waiting ms/s | scheme ms/s |");
    println!("|---|---|---|---|---|---|");
}

fn pageout(age: &str, quotas: &str) -> String {
    format!(
        r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": "0 %"}}, "age": {{"min": "{age}"}}}},
            "quotas": {{{quotas}}}}}"#
    )
}

fn schemes() -> Result<(), Box<dyn std::error::Error>> {
    let (plain, outcome) = stairs(None)?;
    println!("## Idle for how long\n");
    head("paged out after");
    row("never", plain, plain, &outcome);
    for age in ["30 s", "10 s", "5 s", "2 s", "1 s", "500 ms"] {
        let (mean, outcome) = stairs(Some(&pageout(age, "")))?;
        row(age, plain, mean, &outcome);
    }
    println!("\n## Quotas trade saving for cost\n");
    head("at most, each second");
    for (name, size) in
        [("64 KiB", 1 << 16), ("256 KiB", 1 << 18), ("1 MiB", 1 << 20), ("4 MiB", 1 << 22), ("no limit", 0)]
    {
        let quotas = format!(
            r#""sz_bytes": {size}, "reset_interval_ms": "1 s", "weights": {{"nr_accesses_permil": 500, "age_permil": 500}}"#
        );
        let (mean, outcome) = stairs(Some(&pageout("2 s", &quotas)))?;
        row(name, plain, mean, &outcome);
    }
    println!("\n## Goals: how much waiting is allowed\n");
    head("waiting each second");
    for target in ["100 us", "1 ms", "5 ms", "20 ms"] {
        let quotas = format!(
            r#""reset_interval_ms": "1 s", "goals": [{{"metric": "some_mem_psi_us", "target_value": "{target}"}}]"#
        );
        let (mean, outcome) = stairs(Some(&pageout("2 s", &quotas)))?;
        row(target, plain, mean, &outcome);
    }
    println!("\n## Priorities under a quota: 1 MiB each second, whatever its age and rate\n");
    head("weights of rate and age");
    for (rate, age) in [(0, 0), (1000, 0), (500, 500)] {
        let json = format!(
            r#"{{"action": "pageout", "quotas": {{"sz_bytes": "1 MiB", "reset_interval_ms": "1 s",
                "weights": {{"nr_accesses_permil": {rate}, "age_permil": {age}}}}}}}"#
        );
        let (mean, outcome) = stairs(Some(&json))?;
        row(&format!("{rate} and {age}"), plain, mean, &outcome);
    }
    Ok(())
}

/// Found, real and common bytes over all snapshots: the measure of the crate's tests.
struct Score<'a> {
    truth: &'a GroundTruth,
    found: u64,
    real: u64,
    both: u64,
}

impl Sink for Score<'_> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        if let Item::Snapshot(snapshot) = item {
            let real = self.truth.accessed(snapshot.start, snapshot.end);
            let overlap = |range: AddrRange| -> u64 {
                real.iter().filter_map(|r| r.intersection(range)).map(|r| r.size().0).sum()
            };
            self.real += real.iter().map(|r| r.size().0).sum::<u64>();
            for region in snapshot.regions.iter().filter(|r| r.nr_accesses.0 > 0) {
                self.found += region.size().0;
                self.both += overlap(region.range());
            }
        }
        Ok(())
    }
}

/// A staircase of ten steps of `mib` MiB, each for six seconds.
fn staircase(mib: u64) -> Result<Workload, damo_sim::ConfigError> {
    let mut text = String::new();
    for i in 0..10 {
        text += &format!("s{i}, {}\n", mib << 20);
    }
    for i in 0..10 {
        text += &format!("\nstep {i}\n6000\ns{i}, 0, 4096, 1\n");
    }
    Workload::parse(&text, "staircase")
}

fn sampling() -> Result<(), Box<dyn std::error::Error>> {
    println!("\n## Checks for a look ten times a second: regions sampled against every page scanned\n");
    println!("| memory MiB | pages scanned/s | pages sampled/s | ratio | precision | recall |");
    println!("|---|---|---|---|---|---|");
    for mib in [1, 10, 100, 1000, 10_000] {
        let workload = staircase(mib)?;
        let options = Options { footprint_interval: Nanos(0), ..Options::default() };
        let truth = GroundTruth::new(&workload, &options, 0)?;
        let mut score = Score { truth: &truth, found: 0, real: 0, both: 0 };
        let run = |score: &mut Score<'_>| -> Result<Outcome, SimError> {
            simulate(std::slice::from_ref(&workload), &options, score, &mut |_| ControlFlow::Continue(()))
        };
        let outcome = run(&mut score)?;
        // A scanner looks at each page once per look.
        let scanned = (workload.size().0 / damo_sim::PAGE_SIZE.0 * 10) as f64;
        let sampled = outcome.samples as f64 / outcome.end.as_secs_f64();
        println!(
            "| {} | {scanned:.0} | {sampled:.0} | {:.1} | {:.3} | {:.3} |",
            mib * 10,
            scanned / sampled,
            score.both as f64 / score.found as f64,
            score.both as f64 / score.real as f64
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    schemes()?;
    sampling()
}
