//! `damo report html`.

use super::input::ReportInputs;
use super::picture;
use crate::errors::{self, Outcome};
use crate::output;
use crate::progress;
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_report::html::{self, Options};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct HtmlArgs {
    /// The record to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    /// Write the page here; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html", help_heading = "Output")]
    output: PathBuf,
    /// Colours of heat: inferno, magma, viridis, cividis or gray
    #[arg(long, value_name = "NAME", value_parser = picture::colormap, default_value = "inferno", help_heading = "Output")]
    colormap: damo_report::colormap::ColorMap,
}

/// Writes the page.
///
/// # Errors
/// If there is not exactly one record, it cannot be read or has no snapshots, or the page cannot be written.
pub fn run(args: &HtmlArgs) -> Result<Outcome> {
    let opened = args.inputs.open(&args.files)?;
    let [record] = &opened.records[..] else {
        bail!("a page shows one record, and {} are given: make a page for each", opened.records.len())
    };
    let options = Options { command: output::command_line(), hash: opened.hash(), colormap: args.colormap };
    if args.output.as_os_str() == "-" {
        output::to_stdout(|out| Ok(html::write_html(record, &options, out)?))?;
        return Ok(opened.outcome());
    }
    let path = args.output.display();
    let mut out = output::buffered(File::create(&args.output).with_context(|| format!("creating {path}"))?);
    progress::during(&opened.records, || html::write_html(record, &options, &mut out))?;
    out.flush().with_context(|| format!("writing {path}"))?;
    errors::done(format_args!("{path} written"));
    Ok(opened.outcome())
}
