//! `damo report wss_profile`: working set size against the length of the window.

use super::input::ReportInputs;
use super::options::{ClockArgs, FilterArgs, FormArgs, SettlingArgs};
use super::picture::PlotArgs;
use super::shared::show;
use crate::errors::Outcome;
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_model::NrAccesses;
use damo_report::ReportError;
use damo_report::profile::{self, ProfileOptions};
use damo_report::selection::selected;
use damo_report::several::Apart;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct ProfileArgs {
    /// The record to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    #[command(flatten)]
    settling: SettlingArgs,
    /// From how many accesses on a region belongs to the working set
    #[arg(short = 't', long = "acc_thres", value_name = "NUMBER", default_value_t = 1, help_heading = "Selection")]
    acc_thres: u32,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Measures windows of doubling length.
///
/// # Errors
/// If there is not exactly one record, it cannot be read, or the result cannot be written.
pub fn run(args: &ProfileArgs) -> Result<Outcome> {
    let options = ProfileOptions {
        acc_thres: NrAccesses(args.acc_thres),
        exclude_samples: args.settling.exclude_samples,
        filter: args.filter.filter(args.clock)?,
    };
    let opened = args.inputs.open(&args.files)?;
    opened.has_target(&options.filter.target)?;
    let [record] = &opened.records[..] else {
        bail!("a profile is of one record, and {} are given: run it for each", opened.records.len())
    };
    args.form.check()?;
    let found = progress::during(&opened.records, || {
        Apart::look(&opened.records, |records| {
            let filter = selected(records, &options.filter)?;
            let report = profile::profile(record, &ProfileOptions { filter, ..options.clone() })?;
            args.settling.judge(record.name(), [report.used])?;
            Ok::<_, ReportError>(report)
        })
    })?;
    show(&found, &(), &opened, (&args.plot, &args.form, args.clock))
}
