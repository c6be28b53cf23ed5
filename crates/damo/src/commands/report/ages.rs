//! `damo report ages`.

use super::input::ReportInputs;
use super::options::{ClockArgs, FilterArgs, FormArgs, seconds_or_minutes};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_frame::Record;
use damo_model::Nanos;
use damo_model::human::time_text;
use damo_report::ReportError;
use damo_report::ages::{self, Options};
use damo_report::selection::{nothing_left, selected};
use damo_report::several::Apart;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct AgesArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    /// Where one class of ages ends and the next begins, e.g. 0,5s,30s,10min,2h
    #[arg(long, value_name = "TIMES", help_heading = "Output")]
    edges: Option<String>,
    /// The snapshot in force at this time since the recording began, such as 30s, instead of the last one
    #[arg(long, value_name = "TIME", value_parser = seconds_or_minutes, help_heading = "Selection")]
    at: Option<Nanos>,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Sums memory up by age.
///
/// # Errors
/// If a record cannot be read, edges are no times, or the result cannot be written.
pub fn run(args: &AgesArgs) -> Result<Outcome> {
    let mut options = Options { filter: args.filter.filter(args.clock)?, ..Options::default() };
    if let Some(edges) = &args.edges {
        options.edges = ages::parse_edges(edges)?;
    }
    let opened = args.inputs.open(&args.files)?;
    opened.has_target(&options.filter.target)?;
    args.form.check()?;
    let found = progress::during(&opened.records, || {
        Apart::look(&opened.records, |records| {
            let filter = selected(records, &options.filter)?;
            let at = args.at.map(|at| moment(records, at, args.clock)).transpose()?;
            ages::ages(records, &Options { filter, at, ..options.clone() })
        })
    })?;
    let chart = || found.picture(|report| Box::new(report.bars()));
    if let Some(form) = args.plot.or_form(chart, &opened, &args.form)? {
        let tables = || found.tables(args.clock.abs_time, |report| report.tables());
        form.write("ages", |out| found.write_text(out, |report, out| report.write_text(out)), tables)?;
    }
    Ok(opened.outcome())
}

/// A time on the clock of a record, which covers it.
fn moment(records: &[Record], at: Nanos, clock: ClockArgs) -> Result<Nanos, ReportError> {
    let Some(record) = records.first() else { return Ok(at) };
    let on_clock = if clock.abs_time { at } else { at.saturating_add(record.began()) };
    match record.span() {
        Some((start, end)) if on_clock < start || end < on_clock => {
            Err(nothing_left(record, &format!("--at {} is not in the record", time_text(at))))
        }
        _ => Ok(on_clock),
    }
}
