//! `damo report html`.

use super::input::ReportInputs;
use super::picture::{self, ScaleArgs};
use crate::errors::{self, Outcome};
use crate::output;
use crate::outputs::{self, Manner};
use crate::progress;
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_format::Kind;
use damo_model::human::Show;
use damo_report::html::{self, HtmlOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Arguments.
#[derive(Args, Debug)]
pub struct HtmlArgs {
    /// The record to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    /// Write the page here; `-` is standard output
    #[arg(
        short,
        long,
        visible_alias = "out",
        value_name = "FILE",
        default_value = "report.html",
        help_heading = "Output"
    )]
    output: PathBuf,
    /// Replace FILE even if it is no page
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Colours of heat: inferno, magma, viridis, cividis or gray
    #[arg(long, value_name = "NAME", value_parser = picture::colormap, default_value = "inferno", help_heading = "Output")]
    colormap: damo_report::colormap::ColorMap,
    /// Open the page in a browser when it is written (with `xdg-open`)
    #[arg(long, help_heading = "Output")]
    open: bool,
    #[command(flatten)]
    scale: ScaleArgs,
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
    let (command, hash, scale) = (output::command_line(), opened.hash(), args.scale.scale());
    let options = HtmlOptions { command, hash, colormap: args.colormap, scale };
    let to_stdout = outputs::is_stdout(&args.output);
    if args.open && to_stdout {
        bail!("--open opens a file, and the page goes to standard output: name a file with -o FILE");
    }
    let manner = Manner { force: args.force, ..Manner::new(Kind::Html) };
    outputs::write(Some(&args.output), manner, |out| {
        Ok(progress::during(&opened.records, || html::write_html(record, &options, out))?)
    })?;
    if !to_stdout {
        errors::done(format_args!("{} written", args.output.shown()));
    }
    if args.open {
        open_page(&args.output)?;
    }
    Ok(opened.outcome())
}

/// Opens a page in the user's browser, or says where it is if there is no display to open it on.
fn open_page(path: &Path) -> Result<()> {
    // Absolute: a name that begins with a dash is no option then.
    let path = path.canonicalize().with_context(|| format!("looking for {}", path.shown()))?;
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    if !has_display {
        errors::note(format_args!(
            "there is no display here to open the page on; open this file in a browser: {}",
            path.shown()
        ));
        return Ok(());
    }
    let silent = || Stdio::null();
    match Command::new("xdg-open").arg(&path).stdin(silent()).stdout(silent()).stderr(silent()).spawn() {
        // It hands the page to a browser that may stay; nobody waits for it.
        Ok(_) => Ok(()),
        Err(error) => {
            errors::warn(format_args!(
                "xdg-open cannot be started ({error}); open this file in a browser: {}",
                path.shown()
            ));
            Ok(())
        }
    }
}
