//! `damo doctor`: whether this machine is ready for monitoring; with a record, whether that supports conclusions.

use crate::errors::Outcome;
use crate::inputs::Known;
use crate::output;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_report::confidence;
use damo_report::filter::Filter;
use std::path::PathBuf;

/// Arguments of `damo doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Exit code: 0 if all is well, 1 if something stands in the way.")]
pub(crate) struct Doctor {
    /// Records to judge instead of this machine: can they support conclusions, and which intervals to try if not
    #[arg(value_name = "RECORD")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    machine: damo_cli::args::DoctorArgs,
}

/// Looks at the machine, or at records.
///
/// # Errors
/// If a record cannot be read, or stdout takes no more.
pub(crate) fn run(args: &Doctor) -> Result<Outcome> {
    if args.records.is_empty() {
        return super::exits(|out| damo_cli::doctor(&args.machine, out));
    }
    let opened = args.known.open(&args.records)?;
    let mut findings = 0;
    output::to_stdout(|out| {
        for record in &opened.records {
            let judged = progress::during(&opened.records, || confidence::confidence(record, &Filter::default()))?;
            findings += judged.findings().len();
            if opened.records.len() > 1 {
                writeln!(out, "{}:", record.name())?;
            }
            judged.write_text(out)?;
        }
        Ok(())
    })?;
    Ok(match opened.outcome() {
        Outcome::Fine if findings > 0 => Outcome::GateFailed,
        outcome => outcome,
    })
}
