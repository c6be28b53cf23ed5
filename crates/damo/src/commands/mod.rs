//! One file per command: takes its parsed arguments, calls the libraries, says what happened.

pub(crate) mod adjust;
pub(crate) mod anonymize;
pub(crate) mod check;
pub(crate) mod convert;
pub(crate) mod cut;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod info;
pub(crate) mod merge;
pub(crate) mod monitor;
pub(crate) mod query;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod schemes;
pub(crate) mod shell;
pub(crate) mod symbolize;
pub(crate) mod validate;

use crate::cli::Commands;
use crate::errors::Outcome;
use crate::output;
use anyhow::Result;
use damo_cli::steer;
use std::io::Write;
use std::process::ExitCode;

/// Runs a command.
///
/// # Errors
/// Whatever it could not do, with where and what to do next.
pub(crate) fn run(command: Commands) -> Result<Outcome> {
    match command {
        Commands::Record(args) => Ok(Outcome::Exit(damo_cli::record_then(&args, symbolize::after_recording)?)),
        Commands::Monitor(args) => monitor::run(&args),
        Commands::Report(args) => report::run(&args),
        Commands::Replay(args) => replay::run(&args),
        Commands::Explain(args) => explain::run(&args),
        Commands::Query(args) => query::run(*args),
        Commands::Info(args) => info::run(&args),
        Commands::Repair(args) => repair::run(&args),
        Commands::Check(args) => check::run(&args),
        Commands::Convert(args) => convert::run(&args),
        Commands::Export(args) => export::run(&args),
        Commands::Adjust(args) => adjust::run(&args),
        Commands::Cut(args) => cut::run(&args),
        Commands::Merge(args) => merge::run(&args),
        Commands::Anonymize(args) => anonymize::run(&args),
        Commands::Symbolize(args) => symbolize::run(&args),
        Commands::Validate(args) => validate::run(&args),
        Commands::Diff(args) => diff::run(&args),
        Commands::Demo(args) => demo::run(&args),
        Commands::Steering(command) if command.prints() => exits(|out| command.run(out)),
        Commands::Steering(command) => Ok(Outcome::Exit(command.run(&mut std::io::stdout())?)),
        Commands::Schemes(args) => schemes::run(&args),
        Commands::Args(args) => exits(|out| steer::print(&args, out)),
        Commands::Doctor(args) => doctor::run(&args),
        Commands::Features(args) => exits(|out| damo_cli::features(&args, out)),
        Commands::Mark(args) => damo_cli::mark(&args).map(|()| Outcome::Fine).map_err(Into::into),
        Commands::Completions(args) => shell::completions(&args),
        Commands::Man(args) => shell::man(&args),
    }
}

/// A command of the recorder's library that writes to stdout and has an exit code of its own.
fn exits(command: impl FnOnce(&mut dyn Write) -> Result<ExitCode, damo_cli::CliError>) -> Result<Outcome> {
    let mut code = ExitCode::SUCCESS;
    output::to_stdout(|out| {
        code = command(out)?;
        Ok(())
    })?;
    Ok(Outcome::Exit(code))
}
