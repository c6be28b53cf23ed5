//! `damo report ages`.

use super::input::ReportInputs;
use super::options::{FilterArgs, FormArgs, nanoseconds};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_model::Nanos;
use damo_report::ages::{self, Options};
use damo_report::picture::charts::ages_bars;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct AgesArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    /// Where one class of ages ends and the next begins, e.g. 0,5s,30s,10m,2h
    #[arg(long, value_name = "TIMES", help_heading = "Output")]
    edges: Option<String>,
    /// The snapshot in force at this time on the record's clock instead of the last one
    #[arg(long, value_name = "TIME", value_parser = nanoseconds, help_heading = "Selection")]
    at: Option<Nanos>,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Sums memory up by age.
///
/// # Errors
/// If a record cannot be read, edges are no times, or the result cannot be written.
pub fn run(args: &AgesArgs) -> Result<Outcome> {
    let mut options = Options { at: args.at, filter: args.filter.filter()?, ..Options::default() };
    if let Some(edges) = &args.edges {
        options.edges = ages::parse_edges(edges)?;
    }
    let opened = args.inputs.open(&args.files)?;
    opened.has_target(&options.filter.target)?;
    args.form.check()?;
    let report = progress::during(&opened.records, || ages::ages(&opened.records, &options))?;
    if let Some(form) = args.plot.or_form(|| ages_bars(&report), &opened, &args.form)? {
        form.write("ages", |out| report.write_text(out), || report.tables())?;
    }
    Ok(opened.outcome())
}
