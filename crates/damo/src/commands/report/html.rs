//! `damo report html`.

use super::options::choice;
use super::picture::ScaleArgs;
use super::shared::ReportCommand;
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use crate::output;
use crate::outputs::{self, Manner};
use crate::progress;
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_analysis::explain::{explain, functions_in_words};
use damo_analysis::phases::bands;
use damo_format::Kind;
use damo_model::TimeSpan;
use damo_model::human::Show;
use damo_report::colormap::ColorMap;
use damo_report::html::{self, HtmlOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Args, Debug)]
pub(super) struct HtmlArgs {
    /// The record to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
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
    #[arg(long, value_name = "NAME", value_parser = choice(ColorMap::NAMED), default_value = "inferno", help_heading = "Output")]
    colormap: ColorMap,
    /// Open the page in a browser when it is written (with `xdg-open`)
    #[arg(long, help_heading = "Output")]
    open: bool,
    #[command(flatten)]
    scale: ScaleArgs,
}

impl ReportCommand for HtmlArgs {
    /// Writes the page: neither text nor tables nor a picture, so that it has a runner of its own.
    fn run(&self) -> Result<Outcome> {
        let opened = self.inputs.open(&self.files)?;
        let [record] = &opened.records[..] else {
            bail!("a page shows one record, and {} are given: make a page for each", opened.records.len())
        };
        let (command, hash, scale) = (output::command_line(), opened.hash(), self.scale.scale());
        let phases = progress::during(&opened.records, || bands(record))?;
        let times: Vec<TimeSpan> = phases.iter().map(|band| band.time).collect();
        let functions = functions_in_words(std::slice::from_ref(record), &times)?;
        let explanation = progress::during(&opened.records, || explain(std::slice::from_ref(record)))?;
        let sentences = explanation.sentences.into_iter().map(|said| (said.text, said.command)).collect();
        let options = HtmlOptions { command, hash, colormap: self.colormap, sentences, phases, functions, scale };
        let to_stdout = outputs::is_stdout(&self.output);
        if self.open && to_stdout {
            bail!("--open opens a file, and the page goes to standard output: name a file with -o FILE");
        }
        let manner = Manner { force: self.force, ..Manner::new(Kind::Html) };
        outputs::write(Some(&self.output), manner, |out| {
            Ok(progress::during(&opened.records, || html::write_html(record, &options, out))?)
        })?;
        if !to_stdout {
            errors::done(format_args!("{} written", self.output.shown()));
        }
        if self.open {
            open_page(&self.output)?;
        }
        Ok(opened.outcome())
    }
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
