//! `damo validate`: whether records are what a monitoring should give, as a gate for scripts.

use super::report::options::microseconds;
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use crate::output;
use anyhow::Result;
use clap::Args;
use damo_cli::ValueError;
use damo_edit::check::{Check, Fault, Limits};
use damo_frame::Record;
use damo_model::{AddrRange, Nanos, human};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Arguments of `damo validate`.
#[derive(Args, Debug)]
#[command(after_help = "Prints a line for each fault, and nothing about a sound record. Checked are every block's \
                        checksum, the order of snapshots and regions, and the bounds above.\n\n\
                        Exit code: 0 if all records are sound, 1 if one is not, 2 if one cannot be read at all.")]
pub(crate) struct ValidateArgs {
    /// The records [default: damon.damo, then damon.data]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Bounds of a snapshot's length; bare numbers are microseconds [default: a quarter less or more than the aggregation
    /// interval in force, or than 100 ms where that is not known]
    #[arg(long, num_args = 2, value_names = ["MIN", "MAX"], value_parser = microseconds, help_heading = "Bounds")]
    aggr: Vec<Nanos>,
    /// Bounds of the number of regions of a snapshot [default: 3, and a fifth more than the record's upper bound, else 1200]
    #[arg(long = "nr_regions", num_args = 2, value_names = ["MIN", "MAX"], help_heading = "Bounds")]
    nr_regions: Vec<u64>,
    /// Bounds of a region's nr_accesses (samples in which it was accessed) [default: 0, and a fifth more than the intervals allow, else 24]
    #[arg(long = "nr_accesses", num_args = 2, value_names = ["MIN", "MAX"], help_heading = "Bounds")]
    nr_accesses: Vec<u32>,
    /// Percentage of a target's snapshots whose length or number of regions may be out of bounds, or that may be incomplete
    #[arg(
        long = "allow_error",
        value_name = "PERCENT",
        value_parser = percent,
        default_value = "2",
        help_heading = "Bounds"
    )]
    allow_error: f64,
    /// Address ranges in one of which each region must be
    #[arg(long = "regions_boundary", value_name = "START-END", num_args = 1.., value_parser = boundary, help_heading = "Bounds")]
    regions_boundary: Vec<AddrRange>,
}

/// A share in percent, from 0 to 100.
///
/// # Errors
/// If it is none.
pub(crate) fn percent(text: &str) -> Result<f64, ValueError> {
    let number = human::parse_percent(text)?.as_f64();
    let is_share = (0.0..=100.0).contains(&number);
    if is_share { Ok(number) } else { Err(ValueError::Unwanted("give a number of percent from 0 to 100")) }
}

fn boundary(text: &str) -> Result<AddrRange, ValueError> {
    let (start, end) = text.split_once('-').ok_or(ValueError::Unwanted("give a range as START-END"))?;
    let range = AddrRange::new(human::parse_addr(start)?, human::parse_addr(end)?);
    if range.start < range.end { Ok(range) } else { Err(ValueError::Unwanted("it ends before it starts")) }
}

fn pair<T: Copy>(values: &[T]) -> Option<(T, T)> {
    match *values {
        [min, max] => Some((min, max)),
        _ => None,
    }
}

/// Judges each record.
///
/// # Errors
/// If one cannot be read at all, or stdout takes no more.
pub(crate) fn run(args: &ValidateArgs) -> Result<Outcome> {
    let limits = Limits {
        aggregation: pair(&args.aggr),
        nr_regions: pair(&args.nr_regions),
        nr_accesses: pair(&args.nr_accesses),
        boundaries: args.regions_boundary.clone(),
        allowed_percent: args.allow_error,
    };
    let paths = args.inputs.paths(&args.files)?;
    let (mut sound, mut unreadable) = (true, None);
    output::to_stdout(|out| {
        for path in &paths {
            match args.inputs.known.open(std::slice::from_ref(path)) {
                Ok(opened) => {
                    for record in &opened.records {
                        sound &= judge(record, path, &limits, out)?;
                    }
                }
                // The others are judged all the same.
                Err(error) => {
                    if let Some(before) = unreadable.replace(error) {
                        errors::say(&before);
                    }
                }
            }
        }
        Ok(())
    })?;
    match unreadable {
        Some(error) => Err(error),
        None if sound => Ok(Outcome::Fine),
        None => Ok(Outcome::GateFailed),
    }
}

/// Whether the record is sound; says what is not.
fn judge(record: &Record, path: &Path, limits: &Limits, out: &mut dyn Write) -> Result<bool> {
    let name = record.name();
    let mut check = Check::new(limits.clone());
    let mut items = record.reader().stream()?;
    while let Some(item) = items.next_item()? {
        damo_model::Sink::put(&mut check, &item)?;
    }
    let mut sound = true;
    let mut say = |what: &dyn std::fmt::Display| {
        sound = false;
        writeln!(out, "{name}: {what}")
    };
    let damage = if record.damage().is_empty() { items.stream().damage() } else { record.damage() };
    for damage in damage {
        say(damage)?;
    }
    if let Some(why) = record.cut_short() {
        say(&why)?;
    }
    if !record.reader().is_finished() {
        say(&"the record has no end: its recorder was killed, or is still running")?;
    }
    let verdict = check.finish();
    let told = verdict.faults.len() as u64;
    let own = is_ours(path);
    for fault in &verdict.faults {
        say(&sentence(fault, record, own))?;
    }
    if verdict.count > told {
        say(&format!("and {} more faults of these kinds", verdict.count - told))?;
    }
    Ok(sound)
}

/// Where, whose, what.
fn sentence(fault: &Fault, record: &Record, own: bool) -> String {
    let target = fault.target.map_or_else(String::new, |key| format!("target {}", key.0));
    let Some(position) = fault.snapshot else {
        return if target.is_empty() { fault.what.clone() } else { format!("{target}: {}", fault.what) };
    };
    // Positions are of snapshots that can be read; so are the blocks.
    let mut before = 0;
    let block = record.reader().index().iter().find(|block| {
        before += block.snapshots;
        position < before
    });
    let place = match block {
        Some(block) if own => format!(" (block at byte {})", block.offset.0),
        _ => String::new(),
    };
    format!("snapshot {position} of {target}{place}: {}", fault.what)
}

/// Whether the file is a record of our own format, so that positions of its blocks mean something.
fn is_ours(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
    read.is_ok() && damo_format::sniff(&head)
}
