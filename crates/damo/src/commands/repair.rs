//! `damo repair`: saves every whole block of a damaged record, with a new index.

use crate::errors::{self, Outcome};
use crate::outputs::{self, Manner};
use crate::progress;
use anyhow::{Context, Result};
use clap::Args;
use damo_format::Kind;
use damo_model::human::Show;
use std::path::PathBuf;

/// Arguments of `damo repair`.
#[derive(Args, Debug)]
#[command(after_help = "Exit code: 0 if nothing was lost, 3 if a part could not be read.")]
pub(crate) struct RepairArgs {
    /// The damaged record
    input: PathBuf,
    /// The new record
    #[arg(required_unless_present = "out")]
    output: Option<PathBuf>,
    /// The same, as in other commands
    #[arg(short, long = "output", visible_alias = "out", value_name = "FILE", conflicts_with = "output")]
    out: Option<PathBuf>,
    /// Replace the new record's file if it is a record, or anything else that is not read here
    #[arg(short, long)]
    force: bool,
}

/// Copies what can be read.
///
/// # Errors
/// If the input is not a `.damo` record, or the output cannot be written.
pub(crate) fn run(args: &RepairArgs) -> Result<Outcome> {
    let output = args.output.as_ref().or(args.out.as_ref()).context("no file to write")?;
    outputs::reads(&args.input);
    // Its directory, limits and signals are looked after as for all files.
    outputs::clean_up_on_signals();
    let rules = Manner { force: args.force, ..Manner::new(Kind::Record) }.rules();
    let size = std::fs::metadata(&args.input).map_or(0, |found| found.len());
    let repaired = progress::counted(size, |count| {
        damo_format::repair_with(&args.input, output, rules, &mut |at| count.set(at.0))
    });
    let report = repaired.with_context(|| format!("repairing {}", args.input.shown()))?;
    for damage in &report.damage {
        errors::warn(format_args!("lost: {damage}"));
    }
    for note in &report.notes {
        errors::note(note);
    }
    let lost =
        if report.lost_snapshots > 0 { format!(", {} snapshots lost", report.lost_snapshots) } else { String::new() };
    let (snapshots, regions) = (report.written.snapshots, report.written.regions);
    errors::done(format_args!("{}: {snapshots} snapshots, {regions} regions saved{lost}", output.shown()));
    Ok(if report.damage.is_empty() { Outcome::Fine } else { Outcome::Partial })
}
