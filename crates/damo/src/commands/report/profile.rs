//! `damo report wss_profile`: working set size against the length of the window.

use super::form::FormArgs;
use super::options::SettlingArgs;
use super::part::FilterArgs;
use super::shared::{ReportArgs, Request};
use anyhow::{Result, bail};
use clap::Args;
use damo_model::NrAccesses;
use damo_report::profile::{ProfileOptions, ProfileReport, profile};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct ProfileArgs {
    #[command(flatten)]
    settling: SettlingArgs,
    /// From how many accesses on a region belongs to the working set
    #[arg(short = 't', long = "acc_thres", value_name = "NUMBER", default_value_t = 1, help_heading = "Selection")]
    acc_thres: u32,
}

impl ReportArgs for ProfileArgs {
    type Report<'r> = ProfileReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    fn find(request: &Request<'_, Self>) -> Result<Apart<ProfileReport>> {
        let Self { settling, acc_thres } = request.own();
        let [record] = &request.opened.records[..] else {
            bail!("a profile is of one record, and {} are given: run it for each", request.opened.records.len())
        };
        request.each(|records, filter| {
            let (acc_thres, exclude_samples) = (NrAccesses(*acc_thres), settling.exclude_samples);
            let report = profile(record, &ProfileOptions { acc_thres, exclude_samples, filter })?;
            settling.judge(records, [report.used])?;
            Ok(report)
        })
    }
}
