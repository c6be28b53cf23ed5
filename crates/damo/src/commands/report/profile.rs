//! `damo report wss_profile`: working set size against the length of the window.

use super::input::ReportInputs;
use super::options::{FilterArgs, FormArgs};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_model::NrAccesses;
use damo_report::picture::charts::profile_chart;
use damo_report::profile::{self, Options};
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct ProfileArgs {
    /// The record to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    /// Snapshots to leave out at the start, while DAMON's regions settle
    #[arg(long = "exclude_samples", value_name = "NUMBER", default_value_t = 20, help_heading = "Selection")]
    exclude_samples: u64,
    /// From how many accesses on a region belongs to the working set
    #[arg(short = 't', long = "acc_thres", value_name = "NUMBER", default_value_t = 1, help_heading = "Selection")]
    acc_thres: u32,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Measures windows of doubling length.
///
/// # Errors
/// If there is not exactly one record, it cannot be read, or the result cannot be written.
pub fn run(args: &ProfileArgs) -> Result<Outcome> {
    let options = Options {
        acc_thres: NrAccesses(args.acc_thres),
        exclude_samples: args.exclude_samples,
        filter: args.filter.filter()?,
    };
    let opened = args.inputs.open(&args.files)?;
    opened.has_target(&options.filter.target)?;
    let [record] = &opened.records[..] else {
        bail!("a profile is of one record, and {} are given: run it for each", opened.records.len())
    };
    args.form.check()?;
    let report = progress::during(&opened.records, || profile::profile(record, &options))?;
    if let Some(form) = args.plot.or_form(|| profile_chart(&report), &opened, &args.form)? {
        form.write("wss_profile", |out| report.write_text(out), || report.tables())?;
    }
    Ok(opened.outcome())
}
