//! `damo report record_info`.

use super::input::ReportInputs;
use super::options::{ClockArgs, FormArgs, RawNumber};
use super::picture::PlotArgs;
use super::shared::show;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::ReportError;
use damo_report::filter::Filter;
use damo_report::guide;
use damo_report::selection::selected;
use damo_report::several::Apart;
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
    #[command(flatten)]
    clock: ClockArgs,
}

/// Prints time span and address ranges of each target.
///
/// # Errors
/// If a record cannot be read.
pub fn run(args: &RecordInfoArgs) -> Result<Outcome> {
    let opened = args.inputs.open(&args.files)?;
    args.form.check()?;
    let found = progress::during(&opened.records, || {
        Apart::look(&opened.records, |records| {
            selected(records, &Filter::default())?;
            let mut report = guide::guide(records)?;
            report.zero = args.clock.zero(report.zero);
            Ok::<_, ReportError>(report)
        })
    })?;
    show(&found, &args.raw_number.style(), &opened, (&args.plot, &args.form, args.clock))
}
