//! `damo explain`: what a record tells, in sentences, or which memory limit its program needs.

use super::report::form::FormArgs;
use super::report::shared::show_one;
use crate::errors::Outcome;
use crate::inputs::{Known, Opened};
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_analysis::explain::explain;
use damo_analysis::right_size::right_size;
use damo_frame::Record;
use damo_report::filter::Filter;
use damo_report::several::apart;
use std::path::PathBuf;

/// Arguments of `damo explain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    damo explain app.damo                             at most a screen, with the command that shows more after each sentence\n  \
    damo explain app.damo --format markdown           all sentences as a table, for a pull request\n  \
    damo explain app.damo --right-size                what would be read back under which memory limit, and its knee")]
pub(crate) struct ExplainArgs {
    /// The record to explain; files of footprints beside it may be named as well
    #[arg(value_name = "RECORD", required = true)]
    records: Vec<PathBuf>,
    #[command(flatten)]
    known: Known,
    /// Refaults against memory limits instead, and which limit to set
    #[arg(long = "right-size", alias = "right_size")]
    right_size: bool,
    #[command(flatten)]
    form: FormArgs,
}

/// Explains a record.
///
/// # Errors
/// If it cannot be read, holds no snapshot, or the result cannot be written.
pub(crate) fn run(args: &ExplainArgs) -> Result<Outcome> {
    let opened = args.known.open(&args.records)?;
    args.form.check()?;
    let groups = apart(&opened.records)?;
    let [records] = &groups[..] else {
        bail!("one record is explained at a time, and {} are given", groups.len());
    };
    if args.right_size {
        show_right_size(records, args, &opened)?;
    } else {
        let explanation = progress::during(&opened.records, || explain(records))?;
        show_one(&explanation, &args.form, &opened)?;
    }
    Ok(opened.outcome())
}

fn show_right_size(records: &[Record], args: &ExplainArgs, opened: &Opened) -> Result<()> {
    let Some(record) = records.first() else { bail!("no record") };
    let found = progress::during(&opened.records, || right_size(record, &Filter::default()))?;
    show_one(&found, &args.form, opened)
}
