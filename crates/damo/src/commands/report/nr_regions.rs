//! `damo report nr_regions`.

use super::options::{DistributionArgs, SettlingArgs};
use super::shared::{Asked, ReportArgs};
use anyhow::Result;
use clap::Args;
use damo_frame::Record;
use damo_report::distribution::SortBy;
use damo_report::filter::Filter;
use damo_report::nr_regions::{NrRegionsOptions, NrRegionsReport, nr_regions};

/// Arguments.
#[derive(Args, Debug)]
pub struct NrRegionsArgs {
    #[command(flatten)]
    distribution: DistributionArgs,
    #[command(flatten)]
    settling: SettlingArgs,
}

impl ReportArgs for NrRegionsArgs {
    type Report = NrRegionsReport;

    fn check(&self) -> Result<()> {
        self.distribution.range().map(drop)
    }

    fn make(asked: &Asked<Self>, records: &[Record], filter: Filter) -> Result<NrRegionsReport> {
        let Self { distribution, settling } = &asked.own;
        let (range, sort, exclude_samples) = (distribution.range()?, distribution.sort(), settling.exclude_samples);
        let report = nr_regions(records, &NrRegionsOptions { range, exclude_samples, sort, filter })?;
        settling.judge(records.first().map_or("", |record| record.name()), report.each_used())?;
        Ok(report)
    }

    fn layout(&self) -> SortBy {
        self.distribution.sort()
    }
}
