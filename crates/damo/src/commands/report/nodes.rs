//! `damo report nodes`.

use super::form::FormArgs;
use super::options::RawNumber;
use super::part::FilterArgs;
use super::shared::{ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_model::human::Style;
use damo_report::nodes::{NodesReport, nodes};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct NodesArgs {
    #[command(flatten)]
    raw_number: RawNumber,
}

impl ReportArgs for NodesArgs {
    type Report<'r> = NodesReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    fn find(request: &Request<'_, Self>) -> Result<Apart<NodesReport>> {
        request.each(|records, filter| Ok(nodes(records, &filter)?))
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<NodesReport>) -> Result<Style> {
        Ok(request.own().raw_number.style())
    }
}
