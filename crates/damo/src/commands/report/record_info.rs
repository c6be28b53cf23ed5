//! `damo report record_info`.

use super::options::RawNumber;
use crate::errors::Outcome;
use crate::inputs::{self, Inputs};
use crate::output;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::guide;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct RecordInfoArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    raw_number: RawNumber,
}

/// Prints time span and address ranges of each target.
///
/// # Errors
/// If a record cannot be read.
pub fn run(args: &RecordInfoArgs) -> Result<Outcome> {
    let opened = inputs::open(&args.inputs.paths(&args.files)?)?;
    let report = progress::during(&opened.records, || guide::guide(&opened.records))?;
    output::to_stdout(|out| Ok(report.write_text(out, args.raw_number.style())?))?;
    Ok(opened.outcome())
}
