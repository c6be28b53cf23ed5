//! `damo report nr_regions`.

use super::input::ReportInputs;
use super::options::{DistributionArgs, FilterArgs, FormArgs};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::nr_regions::{self, Options};
use damo_report::picture::charts::nr_regions_chart;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct NrRegionsArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    #[command(flatten)]
    distribution: DistributionArgs,
    /// Snapshots to leave out at the start, while DAMON's regions settle
    #[arg(long = "exclude_samples", value_name = "NUMBER", default_value_t = 20, help_heading = "Selection")]
    exclude_samples: u64,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Counts and shows.
///
/// # Errors
/// If a record cannot be read, an option makes no sense, or the result cannot be written.
pub fn run(args: &NrRegionsArgs) -> Result<Outcome> {
    let options = Options {
        range: args.distribution.range()?,
        exclude_samples: args.exclude_samples,
        sort: args.distribution.sort(),
        filter: args.filter.filter()?,
    };
    let opened = args.inputs.open(&args.files)?;
    opened.has_target(&options.filter.target)?;
    args.form.check()?;
    let report = progress::during(&opened.records, || nr_regions::nr_regions(&opened.records, &options))?;
    let chart = || nr_regions_chart(&report, options.sort);
    if let Some(form) = args.plot.or_form(chart, &opened, &args.form)? {
        form.write("nr_regions", |out| report.write_text(out), || report.tables())?;
    }
    Ok(opened.outcome())
}
