//! `damo report record_info`.

use super::form::FormArgs;
use super::options::RawNumber;
use super::part::WholeRecord;
use super::shared::{ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_model::human::Style;
use damo_report::guide::{GuideReport, guide};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct RecordInfoArgs {
    #[command(flatten)]
    raw_number: RawNumber,
}

impl ReportArgs for RecordInfoArgs {
    type Report<'r> = GuideReport;
    type Part = WholeRecord;
    type Form = FormArgs;

    fn find(request: &Request<'_, Self>) -> Result<Apart<GuideReport>> {
        request.each(|records, _| Ok(guide(records)?))
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<GuideReport>) -> Result<Style> {
        Ok(request.own().raw_number.style())
    }
}
