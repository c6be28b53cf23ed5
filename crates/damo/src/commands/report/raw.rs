//! `damo report raw`.

use super::options::{FilterArgs, RawNumber, seconds};
use crate::errors::Outcome;
use crate::inputs::{self, Inputs};
use crate::output;
use anyhow::Result;
use clap::Args;
use damo_model::Nanos;
use damo_report::filter::Bounds;
use damo_report::raw::{self, Options};
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct RawArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    raw_number: RawNumber,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only this part, counted from the record's start; a bare number is seconds
    #[arg(long, num_args = 2, value_names = ["START", "END"], value_parser = seconds, help_heading = "Selection")]
    duration: Vec<Nanos>,
}

/// Streams the snapshots.
///
/// # Errors
/// If a record cannot be read, or stdout takes no more.
pub fn run(args: &RawArgs) -> Result<Outcome> {
    let duration = match args.duration[..] {
        [start, end] => Some(Bounds::new(start, end)),
        _ => None,
    };
    let options = Options { style: args.raw_number.style(), filter: args.filter.filter()?, duration };
    let opened = inputs::open(&args.inputs.paths(&args.files)?)?;
    output::to_stdout(|out| {
        for record in &opened.records {
            raw::write_raw(record, &options, out)?;
        }
        Ok(())
    })?;
    Ok(opened.outcome())
}
