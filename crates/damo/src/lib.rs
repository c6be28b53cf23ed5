//! The command line: thin. Arguments to library options, library results to stdout, errors to exit codes.
//!
//! - [`cli`]: the tree of commands and options; help, manual pages and completions come from it
//! - `commands`: one file per command, and one per report
//! - `inputs`, `output`, `progress`: which records, where results go, the line for long work
//! - `outputs`: every file that is written, but records while they are recorded
//! - `edits`, `destination`: making a record of a record
//! - `errors`: exit codes, which are an API
#![forbid(unsafe_code)]

pub mod cli;
mod commands;
mod destination;
mod edits;
mod errors;
mod inputs;
mod output;
mod outputs;
mod progress;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that `args` ask for (the first is the program's name).
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match cli::parse(args) {
        Ok(cli) => errors::exit_code(commands::run(cli.command)),
        // Help and version are answers (stdout, 0); everything else is a mistake (stderr, 2).
        Err(error) => errors::usage(&error),
    }
}
