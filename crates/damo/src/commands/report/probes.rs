//! `damo report probes`.

use super::form::FormArgs;
use super::part::FilterArgs;
use super::shared::{ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_report::probes::{ProbesReport, probes};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct ProbesArgs {}

impl ReportArgs for ProbesArgs {
    type Report<'r> = ProbesReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    fn find(request: &Request<'_, Self>) -> Result<Apart<ProbesReport>> {
        request.each(|records, filter| Ok(probes(records, &filter)?))
    }
}
