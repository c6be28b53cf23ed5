//! `damo report nr_regions`.

use super::input::ReportInputs;
use super::options::{ClockArgs, DistributionArgs, FilterArgs, FormArgs, SettlingArgs};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::ReportError;
use damo_report::nr_regions::{self, Options};
use damo_report::selection::selected;
use damo_report::several::Apart;
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
    #[command(flatten)]
    settling: SettlingArgs,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Counts and shows.
///
/// # Errors
/// If a record cannot be read, an option makes no sense, or the result cannot be written.
pub fn run(args: &NrRegionsArgs) -> Result<Outcome> {
    let options = Options {
        range: args.distribution.range()?,
        exclude_samples: args.settling.exclude_samples,
        sort: args.distribution.sort(),
        filter: args.filter.filter(args.clock)?,
    };
    let opened = args.inputs.open(&args.files)?;
    opened.has_target(&options.filter.target)?;
    args.form.check()?;
    let found = progress::during(&opened.records, || {
        Apart::look(&opened.records, |records| {
            let filter = selected(records, &options.filter)?;
            let mut report = nr_regions::nr_regions(records, &Options { filter, ..options.clone() })?;
            report.zero = args.clock.zero(report.zero);
            args.settling.judge(records.first().map_or("", |record| record.name()), report.each_used())?;
            Ok::<_, ReportError>(report)
        })
    })?;
    let chart = || found.picture(|report| Box::new(report.chart(options.sort)));
    if let Some(form) = args.plot.or_form(chart, &opened, &args.form)? {
        let tables = || found.tables(args.clock.abs_time, |report| report.tables());
        form.write("nr_regions", |out| found.write_text(out, |report, out| report.write_text(out)), tables)?;
    }
    Ok(opened.outcome())
}
