//! `damo report times`.

use super::shared::{Asked, ReportArgs};
use anyhow::Result;
use clap::Args;
use damo_frame::Record;
use damo_report::filter::Filter;
use damo_report::times::{TimesReport, times};
use std::path::Path;

/// Arguments: none of its own.
#[derive(Args, Debug)]
pub struct TimesArgs {}

impl ReportArgs for TimesArgs {
    type Report = TimesReport;

    /// The Python tool wants a profile named as well, and does not look at it.
    fn reads(path: &Path) -> bool {
        path.extension().is_none_or(|ending| ending != "profile")
    }

    fn make(_: &Asked<Self>, records: &[Record], filter: Filter) -> Result<TimesReport> {
        Ok(times(records, &filter)?)
    }

    fn layout(&self) {}
}
