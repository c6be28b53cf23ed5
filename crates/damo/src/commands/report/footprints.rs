//! `damo report footprints`.

use super::options::{AnyForm, ClockArgs, DistributionArgs, FormArgs, RawNumber, TimeArgs};
use super::picture::PlotArgs;
use super::shared::show;
use crate::errors::{self, Outcome};
use crate::inputs::{self, Inputs};
use anyhow::Result;
use clap::Args;
use damo_report::ReportError;
use damo_report::distribution::{DistributionText, SortBy};
use damo_report::footprints::{self, FootprintsOptions, Metric};
use damo_report::several::Apart;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct FootprintsArgs {
    /// vsz, rss, pss, swap, cgroup, sys_used or wss; all is vsz, rss and sys_used. Files to read may be named as well
    #[arg(value_name = "METRIC|FILE")]
    words: Vec<String>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    distribution: DistributionArgs,
    /// The working set beside the footprints: what is touched of what is held. Together with `--sortby time --plot FILE`,
    /// one picture of both
    #[arg(long = "with_wss", help_heading = "Output")]
    with_wss: bool,
    /// How many readings are of which size, in so many ranges, instead of percentiles
    #[arg(long, value_name = "RANGES", num_args = 0..=1, default_missing_value = "10", value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Output")]
    histogram: Option<u64>,
    /// Every value instead of percentiles
    #[arg(long = "all_footprint", help_heading = "Output")]
    all_footprint: bool,
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
    time: TimeArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Computes and shows.
///
/// # Errors
/// If a record cannot be read or holds no footprints, or the result cannot be written.
pub fn run(args: &FootprintsArgs) -> Result<Outcome> {
    let mut metrics = Vec::new();
    let mut files = Vec::new();
    // `-i` takes several files, so that a metric may stand right behind them: names of metrics are metrics everywhere.
    let named = args.inputs.input.iter().map(|path| path.display().to_string());
    for word in args.words.iter().cloned().chain(named) {
        match Metric::ALL.into_iter().find(|metric| metric.name() == word) {
            Some(metric) => metrics.push(metric),
            None if word == "all" => metrics.extend(FootprintsOptions::default().metrics),
            None => files.push(PathBuf::from(word)),
        }
    }
    if metrics.is_empty() {
        metrics = FootprintsOptions::default().metrics;
    }
    metrics.retain(|metric| !args.with_wss || *metric != Metric::Wss);
    let options = FootprintsOptions {
        metrics: metrics.into_iter().chain(args.with_wss.then_some(Metric::Wss)).collect(),
        range: args.distribution.range()?,
        sort: args.distribution.sort(),
        time: args.time.range(args.clock)?,
    };
    let opened = inputs::open(&Inputs::default().paths(&files)?)?;
    args.form.check()?;
    let found = Apart::look(&opened.records, |records| {
        let mut report = footprints::footprints(records, &options)?;
        report.zero = args.clock.zero(report.zero);
        Ok::<_, ReportError>(report)
    })?;
    // Percentiles have no times.
    let timed =
        args.with_wss || options.time.is_some() || options.sort == SortBy::Time || args.form.format() != AnyForm::Text;
    if timed && found.parts.iter().any(|part| part.value.aligned) {
        errors::note(format_args!(
            "the readings have wall-clock times only, so the first one is shown at the start of the record"
        ));
    }
    let text = DistributionText {
        style: args.raw_number.style(),
        nr_cols_bar: args.nr_cols_bar,
        all: args.all_footprint,
        histogram: args.histogram.map(|ranges| ranges as usize),
        sort: options.sort,
    };
    show(&found, &text, &opened, (&args.plot, &args.form, args.clock))
}
