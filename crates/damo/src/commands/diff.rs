//! `damo diff`: how two sides of runs of one program differ.

use super::report::form::FormArgs;
use super::report::options::{ClockArgs, choice};
use super::report::part::{FilterArgs, PartOptions};
use super::report::shared::show_one;
use super::validate::percent;
use crate::errors::{self, Outcome};
use crate::inputs::{Known, Opened};
use crate::output;
use crate::outputs;
use crate::progress;
use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use damo_analysis::AnalysisError;
use damo_analysis::diff::{AlignBy, Diff, DiffOptions, diff};
use damo_format::Kind;
use damo_model::human::Show;
use damo_report::Report;
use damo_report::picture::Format;
use std::path::{Path, PathBuf};

/// Arguments of `damo diff`.
#[derive(Args, Debug)]
#[command(
    override_usage = "damo diff [OPTIONS] BASE NEW\n       damo diff [OPTIONS] --base BASE... --new NEW...",
    after_help = "-o FILE.png, FILE.svg and FILE.html show maps of both sides and of their difference.\n\n\
                  One run on each side tells a change from the noise within a run; several runs of each side tell it from \
                  what differs between runs as well.\n\n\
                  Each answer is one of three: 'changed' (by more than the margin), 'no change' (by less), and 'cannot tell', \
                  with what would tell.\n\n\
                  Exit code: 0 whatever the answers are, 2 if the records cannot be compared, 3 if a part of one could not be \
                  read."
)]
pub(crate) struct DiffArgs {
    /// A record of the base, and one of the new side, of which the differences are told
    #[arg(value_names = ["BASE", "NEW"], num_args = 2)]
    files: Vec<PathBuf>,
    /// Records of the base: repeated runs of one program
    #[arg(long, value_name = "BASE", num_args = 1.., conflicts_with = "files", requires = "new", help_heading = "Input")]
    base: Vec<PathBuf>,
    /// Records of the new side
    #[arg(long, value_name = "NEW", num_args = 1.., conflicts_with = "files", requires = "base", help_heading = "Input")]
    new: Vec<PathBuf>,
    #[command(flatten)]
    known: Known,
    /// Compare records of different programs or different intervals all the same
    #[arg(long, help_heading = "Input")]
    anyway: bool,
    /// How times of two runs are aligned: by marks of the same text, by phases (times in which the same memory is touched),
    /// or by share of the run [default: the first of these that all runs have in common]
    #[arg(long, value_name = "HOW", value_parser = choice(AlignBy::NAMED), default_value = "auto", hide_default_value = true, help_heading = "Comparison")]
    align: AlignBy,
    /// Differences up to this one are of no interest: percent of a size, and percentage points of a share
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "5%", help_heading = "Comparison")]
    margin: f64,
    /// Compare mappings of this name only, such as `[heap]`, by mean, median, 95th percentile and largest working set
    #[arg(long, value_name = "NAME", help_heading = "Comparison")]
    mapping: Option<String>,
    /// Compare the time of this phase only, as `damo report phases` numbers them, or of phase N of the base with phase M of
    /// the new side (repeatable)
    #[arg(long = "phase", value_name = "N[=M]", value_parser = phases, help_heading = "Selection")]
    phases: Vec<(usize, usize)>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    part: FilterArgs,
}

/// The number of a phase, or that of either side.
fn phases(text: &str) -> Result<(usize, usize), String> {
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    let (base, new) = text.split_once('=').unwrap_or((text, text));
    number(base).zip(number(new)).ok_or_else(|| {
        "this is no number of a phase, from 1, nor two of them as in 2=3 (phase 2 of the base, phase 3 of the new side)"
            .to_owned()
    })
}

/// Compares the records.
///
/// # Errors
/// If they cannot be read or compared, or the result cannot be written.
pub(crate) fn run(args: &DiffArgs) -> Result<Outcome> {
    let (base, new) = match &args.files[..] {
        [base, new] => (vec![base.clone()], vec![new.clone()]),
        _ if args.base.is_empty() => {
            bail!("name two records, as in `damo diff before.damo after.damo`, or several with --base and --new")
        }
        _ => (args.base.clone(), args.new.clone()),
    };
    if let Some(option) = args.part.time_option().filter(|_| !args.phases.is_empty()) {
        bail!("--phase and {option} both name a time: leave one out");
    }
    let options = DiffOptions {
        phases: args.phases.clone(),
        filter: args.part.filter(ClockArgs::default())?,
        align: args.align,
        margin: args.margin,
        mapping: args.mapping.clone(),
        anyway: args.anyway,
    };
    let opened = args.known.open(&[base.clone(), new].concat())?;
    opened.has_target(&options.filter.target)?;
    let page = args.form.out().filter(|path| Kind::of_name(path) == Some(Kind::Html));
    match page {
        Some(_) if args.form.format.is_some() => bail!("-o names a page (.html), and --format asks for another form"),
        Some(path) => outputs::check(Some(path), args.form.manner(Kind::Html))?,
        None => args.form.check()?,
    }
    let (base, new) = opened.records.split_at(base.len());
    let found = progress::during(&opened.records, || {
        let mut found = diff(base, new, &options)?;
        if page.is_some() || args.form.picture_output().is_some() {
            found.look_for_maps(base, new)?;
        }
        Ok::<_, AnalysisError>(found)
    })?;
    match page {
        Some(path) => args.write_page(&found, &opened, path)?,
        None => show_one(&found, &args.form, &opened)?,
    }
    Ok(opened.outcome())
}

impl DiffArgs {
    fn write_page(&self, found: &Diff, opened: &Opened, path: &Path) -> Result<()> {
        let svg = self.form.plot.picture.bytes(&*found.picture(&())?, opened, Format::Svg)?;
        let picture = format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg));
        outputs::write(Some(path), self.form.manner(Kind::Html), |out| {
            Ok(found.write_page(&picture, &output::command_line(), out)?)
        })?;
        errors::done(format_args!("{} written", path.shown()));
        Ok(())
    }
}
