//! `damo query`: questions in SQL about records.

use super::report::form::{AnyForm, FORMS, FormArgs, form};
use super::report::picture::{PictureArgs, PlotArgs};
use super::report::shared::show_one;
use crate::errors::Outcome;
use crate::inputs::Inputs;
use crate::{output, progress};
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_cli::args::named;
use damo_query::{Answer, Database, QueryError};
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `damo query`.
#[derive(Args, Debug)]
#[command(
    override_usage = "damo query [OPTIONS] SQL [RECORD]...\n       damo query --describe [TABLE]",
    after_help = "Tables: regions, snapshots, records, targets, mappings, footprints, system, cpu, pressure, params, schemes, events, samples.\n\
                  Times (_ns) count from when the recording began; sizes and addresses are bytes.\n\n\
                  Examples:\n  \
                  damo query 'SELECT MAX(accessed_bytes) FROM snapshots' app.damo\n  \
                  damo query 'SELECT mapping, SUM(size * nr_accesses) AS heat FROM regions GROUP BY mapping ORDER BY heat DESC' app.damo\n  \
                  damo query 'SELECT start_ns, accessed_bytes FROM snapshots' app.damo --plot start_ns accessed_bytes -o wss.png\n  \
                  damo query --describe regions"
)]
pub(crate) struct QueryArgs {
    /// The question: a SELECT
    #[arg(value_name = "SQL", required_unless_present = "describe")]
    sql: Option<String>,
    /// The records that are asked [default: damon.damo, then damon.data]
    #[arg(value_name = "RECORD")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// List the columns of a table, or of all, and the functions beside those of SQL; no record is read
    #[arg(long, value_name = "TABLE", num_args = 0..=1, conflicts_with = "sql")]
    describe: Option<Option<String>>,
    /// Draw column Y of the answer over column X: a line for each text beside them, or bars if X is text
    #[arg(long, value_names = ["X", "Y"], num_args = 2, help_heading = "Pictures")]
    plot: Vec<String>,
    #[command(flatten)]
    picture: PictureArgs,
    /// Write to this file; its ending chooses the form: .txt, .json, .csv, .md, .parquet, .png or .svg
    #[arg(short = 'o', long = "output", visible_alias = "out", value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Form of the answer: text, a table, or a picture (png, svg) [default: by the ending of FILE, else text]
    #[arg(long, value_name = "FORM", value_parser = named(FORMS, form), help_heading = "Output")]
    format: Option<AnyForm>,
    /// Replace FILE even if it is a record or of another kind
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// Asks.
///
/// # Errors
/// If the records cannot be read, the question cannot be answered, or the answer cannot be written.
pub(crate) fn run(args: QueryArgs) -> Result<Outcome> {
    if let Some(table) = &args.describe {
        output::to_stdout(|out| Ok(damo_query::describe(table.as_deref(), out)?))?;
        return Ok(Outcome::Fine);
    }
    let sql = args.sql.context("no question: give a SELECT in quotes, or --describe")?;
    let form = FormArgs {
        plot: PlotArgs::from(args.picture),
        out: args.out,
        format: args.format,
        table: None,
        force: args.force,
    };
    let is_picture = form.picture_output().is_some();
    if is_picture == args.plot.is_empty() {
        bail!(
            "a picture takes two options: --plot X Y for what is drawn, and -o FILE.png or FILE.svg, whose name ends in its form"
        );
    }
    let opened = Arc::new(args.inputs.open(&args.records)?);
    form.check()?;
    let database = Database::new(Arc::clone(&opened) as damo_query::SharedRecords);
    let answer = progress::during(&opened.records, || -> Result<Answer, QueryError> {
        let answer = database.ask(&sql)?;
        match &args.plot[..] {
            [x, y] => answer.plotted(x, y),
            _ => Ok(answer),
        }
    })?;
    show_one(&answer, &form, &opened)?;
    Ok(opened.outcome())
}
