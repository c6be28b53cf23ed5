//! `damo report times`.

use super::input::ReportInputs;
use super::options::{FilterArgs, FormArgs};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::picture::charts::times_bars;
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
    let filter = args.filter.filter()?;
    let mut paths = args.inputs.named.paths(&args.files)?;
    // The Python tool wants a profile named as well, and does not look at it.
    paths.retain(|path| is_record(path));
    let opened = args.inputs.named.known.open(&paths)?;
    opened.has_target(&filter.target)?;
    args.form.check()?;
    let report = progress::during(&opened.records, || times::times(&opened.records, &filter))?;
    if let Some(form) = args.plot.or_form(|| times_bars(&report), &opened, &args.form)? {
        form.write("times", |out| report.write_text(out), || report.tables())?;
    }
    Ok(opened.outcome())
}
