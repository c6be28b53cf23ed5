//! `damo schemes`: schemes in the foreground, what they would have done on a record, and which one to start.

use super::exits;
use super::report::form::{AnyForm, FormArgs};
use super::report::options::seconds_or_minutes;
use super::report::part::TargetArgs;
use super::report::shared::show_one;
use crate::errors::Outcome;
use crate::inputs::Known;
use crate::{outputs, progress};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use damo_cli::args::named;
use damo_cli::args::steer::ForegroundArgs;
use damo_cli::steer;
use damo_model::Nanos;
use damo_model::human::Show;
use damo_model::scheme::Action;
use damo_report::suggest::{self, Goal, suggest};
use damo_report::whatif::{self, what_if};
use std::path::PathBuf;

/// Arguments of `damo schemes`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:\n  \
    damo schemes --what-if damon.damo --schemes candidates.json\n  \
    damo schemes --what-if damon.damo --damos_action pageout --damos_access_rate 0% 0% --damos_age 5s max\n  \
    damo schemes suggest damon.damo --goal \"waiting < 1ms/s\"\n\n\
    With --what-if and `suggest` nothing is changed on this machine: schemes are tried on the record. Without, they act on \
    the targets until these end, or until Ctrl-C.")]
pub(crate) struct SchemesArgs {
    #[command(subcommand)]
    command: Option<SchemesCommand>,
    /// Show what each scheme would have done while this record was made; nothing is changed on this machine
    #[arg(long = "what-if", alias = "what_if", value_name = "RECORD")]
    what_if: Option<PathBuf>,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    foreground: ForegroundArgs,
    #[command(flatten)]
    reckoning: ReckoningArgs,
    #[command(flatten)]
    form: FormArgs,
}

/// What there is beside trying schemes.
#[derive(Debug, Subcommand)]
enum SchemesCommand {
    /// Search for the scheme that saves most memory within a goal, and print it as JSON for `damo start`
    Suggest(SuggestArgs),
}

/// Arguments of `damo schemes suggest`.
#[derive(Args, Debug)]
struct SuggestArgs {
    /// The record to search on
    #[arg(value_name = "RECORD")]
    record: PathBuf,
    #[command(flatten)]
    known: Known,
    /// What the scheme must meet; may be given several times, then it must meet all of them.
    ///
    /// "refault < 10%": of the bytes paged out (or moved), the share accessed again within --refault_within.
    /// "waiting < 1ms/s": the time that programs wait for pages to be read back, at 5 us a page, each second.
    /// "saving > 30%": the mean share of the resident size that is saved.
    ///
    /// Without this option the goals are "refault < 10%" and, for pageout, "waiting < 1ms/s". If no scheme meets them, none
    /// is chosen, the output says what comes nearest, and the exit code is 1.
    #[arg(long, value_name = "GOAL", value_parser = Goal::parse)]
    goal: Vec<Goal>,
    /// What the scheme does
    #[arg(long, value_name = "ACTION", value_parser = named(Action::WORDS, str::parse::<Action>), default_value = "pageout")]
    action: Action,
    #[command(flatten)]
    reckoning: ReckoningArgs,
    #[command(flatten)]
    form: FormArgs,
}

/// How it is computed.
#[derive(Args, Clone, Debug)]
struct ReckoningArgs {
    /// Memory accessed again within this time after the scheme moved it counts as refaulted, such as 30s
    #[arg(long = "refault_within", value_name = "TIME", default_value = "1min", value_parser = seconds_or_minutes, help_heading = "Estimation")]
    refault_within: Nanos,
    /// Leave this time at the record's beginning out of means of memory: for a scheme with a least age of 5 s, which can do
    /// nothing in the first 5 s, `--settle 5s` shows what it saves from then on. All schemes' means are of the same time
    /// [default: 0s, means of the whole record]
    #[arg(long, value_name = "TIME", value_parser = seconds_or_minutes, help_heading = "Estimation")]
    settle: Option<Nanos>,
    #[command(flatten)]
    target: TargetArgs,
}

impl ReckoningArgs {
    fn options(&self) -> whatif::WhatIfOptions {
        whatif::WhatIfOptions {
            refault_within: self.refault_within,
            settle: self.settle.unwrap_or_default(),
            target: self.target.filter(),
            ..whatif::WhatIfOptions::default()
        }
    }
}

/// Tries schemes, searches for one, or applies some in the foreground.
///
/// # Errors
/// If the record cannot be read, a scheme or goal makes no sense, or the result cannot be written.
pub(crate) fn run(args: &SchemesArgs) -> Result<Outcome> {
    if let Some(SchemesCommand::Suggest(args)) = &args.command {
        return run_suggest(args);
    }
    let Some(path) = &args.what_if else {
        if args.form.picture_output().is_some() || args.form.format() != AnyForm::Text {
            bail!("--plot and --format are for records: name one with --what-if RECORD");
        }
        if args.known.is_some() {
            bail!("--intervals and --clock_tick are for records: name one with --what-if RECORD");
        }
        return exits(|out| steer::schemes(&args.foreground, out));
    };
    if !args.foreground.setup.monitor.targets.is_empty() || !args.foreground.command.is_empty() {
        bail!("--what-if {} tries schemes on that record: leave out other targets", path.shown());
    }
    args.foreground.setup.damos.files().iter().for_each(|file| outputs::reads(file));
    let schemes = args.foreground.setup.damos.schemes()?.filter(|schemes| !schemes.is_empty());
    let schemes = schemes.context(
        "no scheme to try: give --schemes FILE, or --damos_action and more; `damo schemes suggest RECORD` finds one",
    )?;
    let opened = args.known.open(std::slice::from_ref(path))?;
    let Some(record) = opened.records.first() else { bail!("no record") };
    args.form.check()?;
    let report = progress::during(&opened.records, || what_if(record, &schemes, &args.reckoning.options()))?;
    show_one(&report, &args.form, &opened)?;
    Ok(opened.outcome())
}

fn run_suggest(args: &SuggestArgs) -> Result<Outcome> {
    let options =
        suggest::SuggestOptions { action: args.action, goals: args.goal.clone(), whatif: args.reckoning.options() };
    let opened = args.known.open(std::slice::from_ref(&args.record))?;
    let Some(record) = opened.records.first() else { bail!("no record") };
    args.form.check()?;
    let report = progress::during(&opened.records, || suggest(record, &options))?;
    show_one(&report, &args.form, &opened)?;
    let outcome = opened.outcome();
    Ok(if report.chosen.is_none() && outcome == Outcome::Fine { Outcome::GateFailed } else { outcome })
}
