//! `damo report footprints`.

use super::form::{AnyForm, FormArgs};
use super::options::{DistributionArgs, RawNumber};
use super::ranges::TimeArgs;
use super::shared::{Asked, ReportArgs, Request};
use crate::errors;
use crate::inputs::Inputs;
use anyhow::Result;
use clap::{Args, Command};
use damo_report::distribution::{DistributionText, SortBy};
use damo_report::footprints::{FootprintsOptions, FootprintsReport, Metric, footprints};
use damo_report::several::Apart;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct FootprintsArgs {
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
}

/// The metrics that are named, and the files. `-i` takes several files, so that a metric may stand right behind them: names
/// of metrics are metrics everywhere.
fn metrics_and_files(asked: &Asked<FootprintsArgs>) -> (Vec<Metric>, Vec<PathBuf>) {
    let (mut metrics, mut files) = (Vec::new(), Vec::new());
    for word in asked.files.iter().chain(&asked.inputs.input) {
        match Metric::ALL.into_iter().find(|metric| word.as_os_str() == metric.as_str()) {
            Some(metric) => metrics.push(metric),
            None if word.as_os_str() == "all" => metrics.extend(FootprintsOptions::default().metrics),
            None => files.push(word.clone()),
        }
    }
    if metrics.is_empty() {
        metrics = FootprintsOptions::default().metrics;
    }
    if asked.own.with_wss {
        metrics.retain(|metric| *metric != Metric::Wss);
        metrics.push(Metric::Wss);
    }
    (metrics, files)
}

impl ReportArgs for FootprintsArgs {
    type Report<'r> = FootprintsReport;
    type Part = TimeArgs;
    type Form = FormArgs;

    fn adapt(command: Command) -> Command {
        command.mut_arg("files", |words| {
            words.value_name("METRIC|FILE").help(
                "vsz, rss, pss, swap, cgroup, sys_used or wss; all is vsz, rss and sys_used. Files to read may be named as well",
            )
        })
    }

    fn paths(asked: &Asked<Self>) -> Result<Vec<PathBuf>> {
        Inputs::default().paths(&metrics_and_files(asked).1)
    }

    fn check(asked: &Asked<Self>, _: &FormArgs) -> Result<()> {
        asked.own.distribution.range().map(drop)
    }

    fn find(request: &Request<'_, Self>) -> Result<Apart<FootprintsReport>> {
        let Self { distribution, with_wss, .. } = request.own();
        let options = FootprintsOptions {
            metrics: metrics_and_files(request.asked).0,
            range: distribution.range()?,
            sort: distribution.sort(),
            time: request.asked.part.range(request.asked.clock)?,
        };
        let found = Apart::look(&request.opened.records, |records| -> Result<_> {
            let time = request.asked.phases.range(records)?.or(options.time.clone());
            Ok(footprints(records, &FootprintsOptions { time, ..options.clone() })?)
        })?;
        // Percentiles have no times.
        let timed = *with_wss
            || options.time.is_some()
            || !request.asked.phases.numbers.is_empty()
            || options.sort == SortBy::Time
            || request.form.format() != AnyForm::Text;
        if timed && found.parts.iter().any(|part| part.value.aligned) {
            errors::note(format_args!(
                "the readings have wall-clock times only, so the first one is shown at the start of the record"
            ));
        }
        Ok(found)
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<FootprintsReport>) -> Result<DistributionText> {
        let own = request.own();
        Ok(DistributionText {
            style: own.raw_number.style(),
            nr_cols_bar: own.nr_cols_bar,
            all: own.all_footprint,
            histogram: own.histogram.map(|ranges| ranges as usize),
            sort: own.distribution.sort(),
        })
    }
}
