//! `damo report raw`.

use super::options::{AnyForm, FilterArgs, FormArgs, RawNumber, seconds};
use crate::errors::Outcome;
use crate::inputs::{self, Inputs};
use anyhow::{Result, bail};
use clap::Args;
use damo_model::Nanos;
use damo_model::human::Style;
use damo_report::filter::{Bounds, Filter};
use damo_report::raw::{self, Options};
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct RawArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    raw_number: RawNumber,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only this part, counted from the record's start; a bare number is seconds
    #[arg(long, num_args = 2, value_names = ["START", "END"], value_parser = seconds, help_heading = "Selection")]
    duration: Vec<Nanos>,
}

/// Streams the snapshots.
///
/// # Errors
/// If a record cannot be read, or stdout takes no more.
pub fn run(args: &RawArgs) -> Result<Outcome> {
    let duration = match args.duration[..] {
        [start, end] => Some(Bounds::new(start, end)),
        _ => None,
    };
    print(&args.inputs.paths(&args.files)?, args.raw_number.style(), args.filter.filter()?, duration, &args.form)
}

/// The same for other spellings of the report.
///
/// # Errors
/// As [`run`].
pub fn print(
    paths: &[PathBuf],
    style: Style,
    filter: Filter,
    duration: Option<Bounds<Nanos>>,
    form: &FormArgs,
) -> Result<Outcome> {
    if matches!(form.format(), AnyForm::Picture(_)) {
        bail!("raw is a list, and the heat map is its picture: damo report heats --plot FILE");
    }
    if let Some(table) = form.table().filter(|table| *table != "regions") {
        bail!("report raw has no table '{table}'; it has regions");
    }
    let options = Options { style, filter, duration };
    let opened = inputs::open(paths)?;
    opened.has_target(&options.filter.target)?;
    form.write_with(|out| {
        if let AnyForm::Tables(form) = form.format() {
            raw::write_table(&opened.records, &options, form, out)?;
            return Ok(());
        }
        for record in &opened.records {
            raw::write_raw(record, &options, out)?;
        }
        Ok(())
    })?;
    Ok(opened.outcome())
}
