//! `damo report times`.

use super::input::ReportInputs;
use super::options::{ClockArgs, FilterArgs, FormArgs};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::ReportError;
use damo_report::selection::selected;
use damo_report::several::Apart;
use damo_report::times;
use std::path::{Path, PathBuf};

/// Arguments.
#[derive(Args, Debug)]
pub struct TimesArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Whether a path is more than the profile that scripts name for the Python tool.
fn is_record(path: &Path) -> bool {
    path.extension().is_none_or(|ending| ending != "profile")
}

/// Finds the spans and prints them.
///
/// # Errors
/// If a record cannot be read, or the result cannot be written.
pub fn run(args: &TimesArgs) -> Result<Outcome> {
    let filter = args.filter.filter(args.clock)?;
    let mut paths = args.inputs.named.paths(&args.files)?;
    // The Python tool wants a profile named as well, and does not look at it.
    paths.retain(|path| is_record(path));
    let opened = args.inputs.named.known.open(&paths)?;
    opened.has_target(&filter.target)?;
    args.form.check()?;
    let found = progress::during(&opened.records, || {
        Apart::look(&opened.records, |records| {
            let mut report = times::times(records, &selected(records, &filter)?)?;
            report.zero = args.clock.zero(report.zero);
            Ok::<_, ReportError>(report)
        })
    })?;
    let chart = || found.picture(|report| Box::new(report.bars()));
    if let Some(form) = args.plot.or_form(chart, &opened, &args.form)? {
        let tables = || found.tables(args.clock.abs_time, |report| report.tables());
        form.write("times", |out| found.write_text(out, |report, out| report.write_text(out)), tables)?;
    }
    Ok(opened.outcome())
}
