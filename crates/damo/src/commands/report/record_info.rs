//! `damo report record_info`.

use super::input::ReportInputs;
use super::options::{FormArgs, RawNumber};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::guide;
use damo_report::picture::charts::guide_bars;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct RecordInfoArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    #[command(flatten)]
    raw_number: RawNumber,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
}

/// Prints time span and address ranges of each target.
///
/// # Errors
/// If a record cannot be read.
pub fn run(args: &RecordInfoArgs) -> Result<Outcome> {
    let opened = args.inputs.open(&args.files)?;
    args.form.check()?;
    let report = progress::during(&opened.records, || guide::guide(&opened.records))?;
    if let Some(form) = args.plot.or_form(|| guide_bars(&report), &opened, &args.form)? {
        form.write("record_info", |out| report.write_text(out, args.raw_number.style()), || report.tables())?;
    }
    Ok(opened.outcome())
}
