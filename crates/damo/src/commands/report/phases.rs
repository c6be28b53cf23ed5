//! `damo report phases`.

use super::form::FormArgs;
use super::options::SettlingArgs;
use super::part::FilterArgs;
use super::shared::{ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_analysis::phases::{PhasesOptions, PhasesReport, phases};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct PhasesArgs {
    #[command(flatten)]
    settling: SettlingArgs,
}

impl ReportArgs for PhasesArgs {
    type Report<'r> = PhasesReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    fn find(request: &Request<'_, Self>) -> Result<Apart<PhasesReport>> {
        let settling = request.own().settling;
        request.each(|records, filter| {
            let options = PhasesOptions { exclude_samples: settling.exclude_samples, filter };
            let report = phases(records, &options)?;
            settling.judge(records, [report.used])?;
            Ok(report)
        })
    }
}
