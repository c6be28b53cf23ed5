//! `damo merge`: several records of one host as one, on one time axis.

use crate::edits::{self, History, OutputArgs};
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_edit::merge::{Input, Plan, join};
use damo_model::Item;
use damo_model::human::Show;
use std::path::PathBuf;

/// Where the merged record goes if no name is given.
const DEFAULT: &str = "damon.merged.damo";

/// Arguments of `damo merge`.
#[derive(Args, Debug)]
#[command(after_help = "Records of one boot of one host share their time axis; the parts of a rotated recording go \
                        together without loss or repetition. A process that several records have under the same \
                        kdamond becomes one target; what different kdamonds saw stays side by side.\n\n\
                        Examples:\n  damo merge damon.0*.damo -o damon.damo\n  damo merge web.damo db.damo -o host.damo")]
pub(crate) struct MergeArgs {
    /// The records
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Merge even if the records are not known to be of one boot of one host
    #[arg(long = "any_host")]
    any_host: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Merges.
///
/// # Errors
/// If a record cannot be read, they do not go together, or the merged one cannot be written.
pub(crate) fn run(args: &MergeArgs) -> Result<Outcome> {
    let paths = args.inputs.paths(&args.files)?;
    if paths.len() < 2 {
        bail!("name the records to merge, two or more");
    }
    if paths.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        bail!("only one of the records can come from standard input");
    }
    let opened = args.inputs.known.open(&paths)?;
    let inputs: Vec<Input<'_>> = opened
        .records
        .iter()
        .map(|record| Input { name: record.name(), meta: record.meta(), targets: record.targets() })
        .collect();
    let plan = Plan::make(&inputs, args.any_host)?;
    let mut late = Outcome::Fine;
    let snapshots = opened.records.iter().map(|record| record.totals().snapshots).sum();
    let merged = args.output.write(DEFAULT, |out| {
        let mut out = History::new(&format!("merged of {} records", inputs.len()), out);
        let mut streams = Vec::new();
        for record in &opened.records {
            streams.push(record.reader().stream()?);
        }
        let mut sources: Vec<_> = streams.iter_mut().map(|stream| || Ok(stream.next_item()?)).collect();
        let mut sources: Vec<&mut dyn FnMut() -> Result<Option<Item>>> =
            sources.iter_mut().map(|source| source as &mut dyn FnMut() -> Result<Option<Item>>).collect();
        let merged = progress::counted(snapshots, |count| {
            join::<anyhow::Error>(&plan, &mut sources, &mut progress::Passing { count, out: &mut out })
        })?;
        for (record, stream) in opened.records.iter().zip(&streams) {
            if edits::late_damage(record, stream.stream().damage()) == Outcome::Partial {
                late = Outcome::Partial;
            }
        }
        Ok(merged)
    })?;
    let path = args.output.path(DEFAULT);
    let (shared, targets) = (plan.shared_targets(), plan.targets.len());
    errors::done(format_args!(
        "{}: {} snapshots of {targets} targets, {shared} of them in several records",
        path.shown(),
        merged.snapshots
    ));
    if merged.repeated_snapshots > 0 {
        errors::done(format_args!("  {} snapshots that are in two records were kept once", merged.repeated_snapshots));
    }
    Ok(edits::outcome(&opened, late))
}
