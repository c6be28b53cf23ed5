//! Completions and manual pages, both generated from the one definition of the command line.

use crate::cli;
use crate::errors::Outcome;
use crate::output;
use anyhow::{Context, Result};
use clap::Args;
use clap_complete::Shell;
use damo_model::human::Show;
use std::fs;
use std::path::PathBuf;

/// Arguments of `damo completions`.
#[derive(Args, Debug)]
#[command(after_help = "Example: damo completions bash > /etc/bash_completion.d/damo")]
pub struct CompletionsArgs {
    /// For this shell
    shell: Shell,
}

/// Arguments of `damo man`.
#[derive(Args, Debug)]
#[command(after_help = "Example: damo man /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Directory for the pages (damo.1, damo-record.1, damo-report-heats.1, ...)
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Prints a completion script.
///
/// # Errors
/// If stdout cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<Outcome> {
    output::to_stdout(|out| {
        clap_complete::generate(args.shell, &mut cli::command(), "damo", &mut &mut *out);
        Ok(())
    })?;
    Ok(Outcome::Fine)
}

/// Writes a page per command.
///
/// # Errors
/// If the directory cannot be written.
pub fn man(args: &ManArgs) -> Result<Outcome> {
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.shown()))?;
    clap_mangen::generate_to(cli::command(), directory)
        .with_context(|| format!("writing manual pages to {}", directory.shown()))?;
    Ok(Outcome::Fine)
}
