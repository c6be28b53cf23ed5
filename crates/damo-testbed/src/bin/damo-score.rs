//! Prints what is in a record as `name=value` lines, and how well it found what a workload did. For test scripts.

use anyhow::{Context, Result};
use clap::Parser;
use damo_format::Reader;
use damo_testbed::facts::Facts;
use damo_testbed::phases;
use damo_testbed::truth::Truth;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

/// Count what is in a record, and compare it with a workload's log.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// The record that is to be scored
    record: PathBuf,
    /// What `damo-workload --truth` wrote: adds precision and recall of that process's phases
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Share of samples from which memory counts as hot
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    hot: f64,
    /// What `damo-workload --phases` wrote: adds how well the record's profile tells of them
    #[arg(long, value_name = "FILE")]
    phases: Option<PathBuf>,
}

fn main() -> ExitCode {
    match work(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("damo-score: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn work(args: &Args) -> Result<()> {
    let reader = Reader::open(&args.record).with_context(|| format!("cannot read {}", args.record.display()))?;
    let mut facts = Facts::of(&reader)?;
    let mut scores = Vec::new();
    if let Some(path) = &args.truth {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let truth = Truth::read(BufReader::new(file))?;
        scores = facts.score(&reader, &truth, args.hot)?;
    }
    print!("{facts}");
    if let Some(path) = &args.phases {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let found = phases::judge(&reader, &phases::read(BufReader::new(file))?)?;
        println!("profile_samples={}", found.samples);
        println!("profile_expected={:.0}", found.expected);
        println!("profile_lost={}", found.lost);
        println!("profile_least_share={:.3}", found.least_share());
        for (name, all, inside) in &found.phases {
            println!("# {name}: {inside} of {all} samples in its function");
        }
    }
    for score in scores {
        println!(
            "# {}: {} snapshots, {} bytes accessed, {} hot, precision {:.3}, recall {:.3}",
            score.name,
            score.snapshots,
            score.accessed.0,
            score.hot.0,
            score.precision(),
            score.recall()
        );
    }
    Ok(())
}
