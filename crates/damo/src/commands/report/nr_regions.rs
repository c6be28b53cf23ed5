//! `damo report nr_regions`.

use super::form::FormArgs;
use super::options::{DistributionArgs, SettlingArgs};
use super::part::FilterArgs;
use super::shared::{Asked, ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_report::distribution::SortBy;
use damo_report::nr_regions::{NrRegionsOptions, NrRegionsReport, nr_regions};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct NrRegionsArgs {
    #[command(flatten)]
    distribution: DistributionArgs,
    #[command(flatten)]
    settling: SettlingArgs,
}

impl ReportArgs for NrRegionsArgs {
    type Report<'r> = NrRegionsReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    fn check(asked: &Asked<Self>, _: &FormArgs) -> Result<()> {
        asked.own.distribution.range().map(drop)
    }

    fn find(request: &Request<'_, Self>) -> Result<Apart<NrRegionsReport>> {
        let Self { distribution, settling } = request.own();
        let (range, sort, exclude_samples) = (distribution.range()?, distribution.sort(), settling.exclude_samples);
        request.each(|records, filter| {
            let report = nr_regions(records, &NrRegionsOptions { range, exclude_samples, sort, filter })?;
            settling.judge(records, report.series.iter().map(|series| series.used))?;
            Ok(report)
        })
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<NrRegionsReport>) -> Result<SortBy> {
        Ok(request.own().distribution.sort())
    }
}
