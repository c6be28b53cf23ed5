//! `damo report wss`.

use super::input::ReportInputs;
use super::options::{
    AnyForm, ClockArgs, DistributionArgs, FilterArgs, FormArgs, RawNumber, SettlingArgs, microseconds, size,
};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_model::{Bytes, Nanos, NrAccesses};
use damo_report::ReportError;
use damo_report::distribution::DistributionText;
use damo_report::selection::selected;
use damo_report::several::Apart;
use damo_report::wss::{self, Options};
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct WssArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    #[command(flatten)]
    distribution: DistributionArgs,
    #[command(flatten)]
    settling: SettlingArgs,
    /// From how many accesses on a region belongs to the working set
    #[arg(short = 't', long = "acc_thres", value_name = "NUMBER", default_value_t = 1, help_heading = "Selection")]
    acc_thres: u32,
    /// From which size on a region belongs to the working set
    #[arg(long = "sz_thres", value_name = "SIZE", default_value = "1", value_parser = size, help_heading = "Selection")]
    sz_thres: Bytes,
    /// The working set of how long a time; a bare number is microseconds. By default each snapshot is one
    #[arg(long = "work_time", value_name = "TIME", default_value = "1", value_parser = microseconds, help_heading = "Selection")]
    work_time: Nanos,
    /// Every value instead of percentiles
    #[arg(long = "all_wss", help_heading = "Output")]
    all_wss: bool,
    /// How many snapshots have working sets of which size, in so many ranges, instead of percentiles
    #[arg(long, value_name = "RANGES", num_args = 0..=1, default_missing_value = "10", value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Output")]
    histogram: Option<u64>,
    /// Print standard errors: how much the figures would vary if DAMON checked the same memory again. Tables have them
    /// always
    #[arg(long, help_heading = "Output")]
    error: bool,
    /// A distribution for each target instead of one for all together
    #[arg(long = "per_target", help_heading = "Output", overrides_with = "collapse_targets")]
    per_target: bool,
    /// One distribution for all targets together (this is the default)
    #[arg(long = "collapse_targets", help_heading = "Output", hide = true)]
    collapse_targets: bool,
    /// A distribution for each mapping of each target (mappings of one name together), where the record tells mappings
    #[arg(long = "per_mapping", help_heading = "Output")]
    per_mapping: bool,
    /// Width of the bars, 0 for none
    #[arg(long = "nr_cols_bar", value_name = "COLUMNS", default_value_t = 59, help_heading = "Output")]
    nr_cols_bar: usize,
    #[command(flatten)]
    raw_number: RawNumber,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Computes and shows working set sizes.
///
/// # Errors
/// If a record cannot be read, an option makes no sense, or the result cannot be written.
pub fn run(args: &WssArgs) -> Result<Outcome> {
    let windowed = args.work_time > Options::default().work_time;
    let options = Options {
        range: args.distribution.range()?,
        exclude_samples: args.settling.exclude_samples,
        acc_thres: NrAccesses(args.acc_thres),
        sz_thres: args.sz_thres,
        work_time: args.work_time,
        sort: args.distribution.sort(),
        per_target: args.per_target,
        per_mapping: args.per_mapping,
        errors: args.error || (matches!(args.form.format(), AnyForm::Tables(_)) && !windowed),
        filter: args.filter.filter(args.clock)?,
    };
    let opened = args.inputs.open(&args.files)?;
    opened.has_target(&options.filter.target)?;
    args.form.check()?;
    let found = progress::during(&opened.records, || {
        Apart::look(&opened.records, |records| {
            let filter = selected(records, &options.filter)?;
            let mut report = wss::wss(records, &Options { filter, ..options.clone() })?;
            report.zero = args.clock.zero(report.zero);
            args.settling.judge(records.first().map_or("", |record| record.name()), report.each_used())?;
            Ok::<_, ReportError>(report)
        })
    })?;
    let histogram = args.histogram.map(|ranges| ranges as usize);
    let text = DistributionText {
        style: args.raw_number.style(),
        nr_cols_bar: args.nr_cols_bar,
        all: args.all_wss,
        histogram,
    };
    let chart = || {
        found.picture(|report| match histogram {
            Some(ranges) => Box::new(report.histogram_bars(ranges)),
            None => report.charts(options.sort),
        })
    };
    if let Some(form) = args.plot.or_form(chart, &opened, &args.form)? {
        let tables = || found.tables(args.clock.abs_time, |report| report.tables());
        form.write("wss", |out| found.write_text(out, |report, out| report.write_text(out, text)), tables)?;
    }
    Ok(opened.outcome())
}
