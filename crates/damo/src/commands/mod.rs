//! One file per command: takes its parsed arguments, calls the libraries, says what happened.

pub mod convert;
pub mod demo;
pub mod info;
pub mod repair;
pub mod report;
pub mod shell;

use crate::cli::Commands;
use crate::errors::Outcome;
use anyhow::Result;

/// Runs a command.
///
/// # Errors
/// Whatever it could not do, with where and what to do next.
pub fn run(command: Commands) -> Result<Outcome> {
    match command {
        Commands::Record(args) => Ok(Outcome::Exit(damo_record::run(&args)?)),
        Commands::Report(args) => report::run(args),
        Commands::Info(args) => info::run(&args),
        Commands::Repair(args) => repair::run(&args),
        Commands::Convert(args) => convert::run(&args),
        Commands::Demo(args) => demo::run(&args),
        Commands::Completions(args) => shell::completions(&args),
        Commands::Man(args) => shell::man(&args),
    }
}
