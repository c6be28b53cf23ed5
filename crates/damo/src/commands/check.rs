//! `damo check`: whether figures of a run keep limits, as a gate for CI.

mod conditions;

use super::report::options::choice;
use super::report::part::TargetArgs;
use super::report::picture::{PictureArgs, picture_file};
use crate::errors::{self, Outcome};
use crate::inputs::{Inputs, Known};
use crate::output;
use crate::outputs::{self, Manner};
use crate::progress;
use anyhow::{Context, Result, bail};
use base64::Engine;
use clap::Args;
use conditions::{ConditionArgs, ConditionFile};
use damo_analysis::check::{CheckReport, Condition, Run, Verdict};
use damo_format::Kind;
use damo_model::human::Show;
use damo_report::filter::Filter;
use damo_report::picture::{self, Format, Style};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `damo check`.
#[derive(Args, Debug)]
#[command(after_help = "\
A LIMIT is a size or share that is not exceeded (2GiB; 40% of a cold share), at least one (>=1GiB), or against the \
baseline: how far the figure may rise (+5%, +10MiB, +10pp) or fall (-10pp).\n\n\
A limit is broken if the figure's whole 95 % interval lies beyond it. Records that are too weak or too few to tell are no \
reason to fail, and no reason to pass: the condition is not judged then.\n\n\
Examples:\n  \
  damo check app.damo --wss-p95 2GiB --rss-max 3GiB\n  \
  damo check new.damo --baseline main.damo --wss-p95 +5% --cold-share -10pp@2min\n  \
  damo check new-*.damo --baseline main-*.damo --per-mapping '[heap]:wss-p50 +10%'\n  \
  damo check new.damo --conditions memory.toml -o check.md -o check.xml\n\n\
Exit code: 0 if all conditions hold, 1 if one does not, 2 if one cannot be judged or something is wrong.")]
pub(crate) struct CheckArgs {
    /// Records of the run to check; several are repeated runs of the same program [default: damon.damo, then damon.data]
    #[arg(value_name = "RECORD")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Records to compare with; several are repeated runs. All names up to the next option are the baseline's: name the records
    /// to check before it, or behind `--`
    #[arg(long, value_name = "RECORD", num_args = 1.., action = clap::ArgAction::Append, help_heading = "Conditions")]
    baseline: Vec<PathBuf>,
    /// Leave conditions against the baseline out if its files do not exist, as for the first run of all
    #[arg(long = "allow_missing_baseline", help_heading = "Conditions")]
    allow_missing_baseline: bool,
    /// Read conditions from this TOML file; those of the command line come on top
    #[arg(long, value_name = "FILE", help_heading = "Conditions")]
    conditions: Option<PathBuf>,
    #[command(flatten)]
    given: ConditionArgs,
    #[command(flatten)]
    target: TargetArgs,
    /// Form of what is printed
    #[arg(long, value_name = "FORM", value_parser = choice(FORMS), default_value = "text", help_heading = "Output")]
    format: Form,
    /// Write to this file as well; its ending chooses the form: .txt, .md, .json or .xml (JUnit). Repeatable
    #[arg(short = 'o', long = "output", visible_alias = "out", value_name = "FILE", help_heading = "Output")]
    out: Vec<PathBuf>,
    /// Put the picture into the Markdown itself, as a data URI, instead of a link to the file of --plot
    #[arg(long = "inline_picture", help_heading = "Pictures")]
    inline_picture: bool,
    /// Draw what was limited over time, beside the baseline: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE", value_parser = picture_file, help_heading = "Pictures")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    picture: PictureArgs,
    /// Replace files even if they are records or of another kind
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// In which form the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Markdown,
    Json,
    Junit,
    Github,
}

const FORMS: [(&str, Form); 5] = [
    ("text", Form::Text),
    ("markdown", Form::Markdown),
    ("json", Form::Json),
    ("junit", Form::Junit),
    ("github", Form::Github),
];

/// Size of a picture within a text.
const INLINE: (usize, usize) = (640, 320);

/// Judges the records.
///
/// # Errors
/// If a record cannot be read, conditions make no sense, or an output cannot be written.
pub(crate) fn run(args: &CheckArgs) -> Result<Outcome> {
    let file = args.conditions.as_deref().map(ConditionFile::read).transpose()?.unwrap_or_default();
    let conditions: Vec<Condition> = file.conditions.into_iter().chain(args.given.conditions()?).collect();
    if conditions.is_empty() {
        bail!("there is no condition: name one, as in --wss-p95 2GiB, or a file of them by --conditions FILE");
    }
    if args.baseline.len() > 1 && args.files.is_empty() && args.inputs.input.is_empty() {
        bail!(
            "all {} records are the baseline's, and none is left to check: name those to check before --baseline, as in \
             `damo check NEW --baseline BASE...`, or behind --",
            args.baseline.len()
        );
    }
    let named = if args.baseline.is_empty() { file.baseline } else { args.baseline.clone() };
    let paths = args.inputs.paths(&args.files)?;
    // Before outputs are looked at: nothing is written over what is read.
    paths.iter().chain(&named).for_each(|path| outputs::reads(path));
    let forms = args.outputs()?;
    let filter = Filter { target: args.target.filter(), ..Filter::default() };
    let opened = args.inputs.known.open(&paths)?;
    opened.has_target(&filter.target)?;
    let there: Vec<PathBuf> = named.iter().filter(|path| path.exists()).cloned().collect();
    for missing in named.iter().filter(|path| !path.exists()) {
        let missing = missing.shown();
        if !args.allow_missing_baseline {
            bail!("{missing}: there is no such baseline; --allow_missing_baseline lets a first run pass without one");
        }
        errors::note(format_args!("{missing}: there is no such baseline yet"));
    }
    let base = Known::default().open(&there)?;
    let measure = |records: &[damo_frame::Record]| -> Result<Vec<Run>> {
        let run = |record| Ok(Run::of(record, &filter, &conditions)?);
        progress::during(records, || records.iter().map(run).collect())
    };
    let (runs, baseline) = (measure(&opened.records)?, measure(&base.records)?);
    let mut report = CheckReport::new(&conditions, runs, baseline, args.allow_missing_baseline)?;
    if let Some(first) = opened.records.first() {
        report.find_phases(first, &filter)?;
    }
    let names = |more: &str| format!("{}{more}", opened.names());
    let against = if base.records.is_empty() { String::new() } else { format!(" against {}", base.names()) };
    args.write(&report, &forms, &names(&against))?;
    // What is missing of records is told; what comes of the check is the conditions' word.
    base.outcome();
    opened.outcome();
    Ok(match report.verdict() {
        Verdict::Holds | Verdict::Skipped => Outcome::Fine,
        Verdict::Fails => Outcome::GateFailed,
        Verdict::NotJudged => Outcome::Exit(ExitCode::from(2)),
    })
}

impl CheckArgs {
    /// The files that were asked for and their forms, before long work is done for them.
    fn outputs(&self) -> Result<Vec<(&Path, Form, Manner)>> {
        let mut forms = Vec::new();
        for path in &self.out {
            let form = match Kind::of_name(path) {
                Some(Kind::Text) => Form::Text,
                Some(Kind::Markdown) => Form::Markdown,
                Some(Kind::Json) => Form::Json,
                Some(Kind::Junit) => Form::Junit,
                _ => bail!(
                    "{}: the name must end in .txt, .md, .json or .xml (JUnit); pictures are for --plot",
                    path.shown()
                ),
            };
            let kind = Kind::of_name(path).unwrap_or(Kind::Text);
            let manner = Manner { force: self.force, ..Manner::new(kind) };
            outputs::check(Some(path), manner)?;
            forms.push((path.as_path(), form, manner));
        }
        if let Some(path) = self.plot.as_deref() {
            outputs::check(Some(path), self.picture_manner(path))?;
        }
        Ok(forms)
    }

    fn picture_manner(&self, path: &Path) -> Manner {
        let kind = if Format::of(path) == Some(Format::Svg) { Kind::Svg } else { Kind::Png };
        Manner { force: self.force, ..Manner::new(kind) }
    }

    /// Writes the result in all forms.
    fn write(&self, report: &CheckReport, files: &[(&Path, Form, Manner)], subtitle: &str) -> Result<()> {
        let style = |size: (usize, usize)| Style {
            subtitle: Some(subtitle.to_owned()),
            command: Some(output::command_line()),
            width: size.0,
            height: size.1,
            ..self.picture.with_subtitle()
        };
        let own = self.picture.with_subtitle();
        if let Some(path) = self.plot.as_deref() {
            let format = Format::of(path).unwrap_or_default();
            let bytes = picture::draw(&report.picture(), format, &style((own.width, own.height)))?;
            outputs::write(Some(path), self.picture_manner(path), |out| Ok(out.write_all(&bytes)?))?;
            errors::done(format_args!("{} written", path.shown()));
        }
        let wants_markdown = self.format == Form::Markdown || files.iter().any(|(_, form, _)| *form == Form::Markdown);
        let link = match self.plot.as_deref() {
            _ if self.inline_picture && wants_markdown => {
                let bytes = picture::draw(&report.picture(), Format::Png, &style(INLINE))?;
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                Some(format!("data:image/png;base64,{text}"))
            }
            Some(path) => {
                let name = path.file_name().context("a picture has a name")?.to_string_lossy().into_owned();
                Some(name.replace(' ', "%20").replace('(', "%28").replace(')', "%29"))
            }
            None => None,
        };
        let one = |form: Form, out: &mut dyn Write| -> Result<()> {
            match form {
                Form::Text => report.write_text(out)?,
                Form::Markdown => report.write_markdown(link.as_deref(), out)?,
                Form::Junit => report.write_junit(out)?,
                Form::Github => report.write_github(out)?,
                Form::Json => {
                    serde_json::to_writer_pretty(&mut *out, &report.json())?;
                    writeln!(out)?;
                }
            }
            Ok(())
        };
        for (path, form, manner) in files {
            outputs::write(Some(path), *manner, |out| one(*form, out))?;
            errors::done(format_args!("{} written", path.shown()));
        }
        output::to_stdout(|out| one(self.format, out))
    }
}
