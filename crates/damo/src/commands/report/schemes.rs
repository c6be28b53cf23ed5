//! `damo report schemes`.

use super::form::FormArgs;
use super::options::{RawNumber, seconds_or_minutes};
use super::ranges::TimeArgs;
use super::shared::{ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_model::Nanos;
use damo_model::human::Style;
use damo_report::schemes::{SchemesOptions, SchemesReport, schemes};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct SchemesArgs {
    /// The time of a row; without it about a twentieth of the record, in whole reset intervals of the quota
    #[arg(long, value_name = "TIME", value_parser = seconds_or_minutes, help_heading = "Output")]
    interval: Option<Nanos>,
    #[command(flatten)]
    raw_number: RawNumber,
}

impl ReportArgs for SchemesArgs {
    type Report<'r> = SchemesReport;
    type Part = TimeArgs;
    type Form = FormArgs;

    fn find(request: &Request<'_, Self>) -> Result<Apart<SchemesReport>> {
        let time = request.asked.part.range(request.asked.clock)?;
        let options = SchemesOptions { interval: request.own().interval, time };
        Apart::look(&request.opened.records, |records| {
            let time = request.asked.phases.range(records)?.or(options.time.clone());
            Ok(schemes(records, &SchemesOptions { time, ..options.clone() })?)
        })
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<SchemesReport>) -> Result<Style> {
        Ok(request.own().raw_number.style())
    }
}
