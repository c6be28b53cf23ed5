//! `damo report wss`.

use super::form::{AnyForm, FormArgs};
use super::options::{DistributionArgs, RawNumber, SettlingArgs, microseconds, size};
use super::part::FilterArgs;
use super::shared::{Asked, ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_model::{Bytes, Nanos, NrAccesses};
use damo_report::distribution::DistributionText;
use damo_report::filter::Filter;
use damo_report::several::Apart;
use damo_report::wss::{WssOptions, WssReport, wss};

#[derive(Args, Debug)]
pub(super) struct WssArgs {
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
    /// Print between which sizes the true working sets lie: DAMON checks a page of each region, and does not tell how many of
    /// the region's pages are accessed. With --per_mapping, print standard errors of the checks alone. Tables have both always
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
}

impl ReportArgs for WssArgs {
    type Report<'r> = WssReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    fn check(asked: &Asked<Self>, _: &FormArgs) -> Result<()> {
        asked.own.distribution.range().map(drop)
    }

    fn find(request: &Request<'_, Self>) -> Result<Apart<WssReport>> {
        let own = request.own();
        let windowed = own.work_time > WssOptions::default().work_time;
        let options = WssOptions {
            range: own.distribution.range()?,
            exclude_samples: own.settling.exclude_samples,
            acc_thres: NrAccesses(own.acc_thres),
            sz_thres: own.sz_thres,
            work_time: own.work_time,
            sort: own.distribution.sort(),
            per_target: own.per_target,
            per_mapping: own.per_mapping,
            errors: own.error || (matches!(request.form.format(), AnyForm::Tables(_)) && !windowed),
            filter: Filter::default(),
        };
        request.each(|records, filter| {
            let report = wss(records, &WssOptions { filter, ..options.clone() })?;
            own.settling.judge(records, report.series.iter().map(|series| series.used))?;
            Ok(report)
        })
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<WssReport>) -> Result<DistributionText> {
        let own = request.own();
        Ok(DistributionText {
            style: own.raw_number.style(),
            nr_cols_bar: own.nr_cols_bar,
            all: own.all_wss,
            histogram: own.histogram.map(|ranges| ranges as usize),
            sort: own.distribution.sort(),
        })
    }
}
