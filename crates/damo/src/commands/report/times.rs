//! `damo report times`.

use super::form::FormArgs;
use super::part::FilterArgs;
use super::shared::{Asked, ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_report::several::Apart;
use damo_report::times::{TimesReport, times};
use std::path::PathBuf;

/// It has no options of its own.
#[derive(Args, Debug)]
pub(super) struct TimesArgs {}

impl ReportArgs for TimesArgs {
    type Report<'r> = TimesReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    /// The Python tool wants a profile named as well, and does not look at it.
    fn paths(asked: &Asked<Self>) -> Result<Vec<PathBuf>> {
        let mut paths = asked.inputs.paths(&asked.files)?;
        paths.retain(|path| path.extension().is_none_or(|ending| ending != "profile"));
        Ok(paths)
    }

    fn find(request: &Request<'_, Self>) -> Result<Apart<TimesReport>> {
        request.each(|records, filter| Ok(times(records, &filter)?))
    }
}
