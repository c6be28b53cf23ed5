//! `damo repair`: saves every whole block of a damaged record, with a new index.

use crate::errors::{self, Outcome};
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `damo repair`.
#[derive(Args, Debug)]
#[command(after_help = "Exit code: 0 if nothing was lost, 3 if a part could not be read.")]
pub struct RepairArgs {
    /// The damaged record
    input: PathBuf,
    /// The new record
    output: PathBuf,
}

/// Copies what can be read.
///
/// # Errors
/// If the input is not a `.damo` record, or the output cannot be written.
pub fn run(args: &RepairArgs) -> Result<Outcome> {
    let report = damo_format::repair(&args.input, &args.output)
        .with_context(|| format!("repairing {}", args.input.display()))?;
    for damage in &report.damage {
        errors::warn(format_args!("lost: {damage}"));
    }
    for note in &report.notes {
        errors::note(note);
    }
    let lost =
        if report.lost_snapshots > 0 { format!(", {} snapshots lost", report.lost_snapshots) } else { String::new() };
    let (snapshots, regions) = (report.written.snapshots, report.written.regions);
    errors::done(format_args!("{}: {snapshots} snapshots, {regions} regions saved{lost}", args.output.display()));
    Ok(if report.damage.is_empty() { Outcome::Fine } else { Outcome::Partial })
}
