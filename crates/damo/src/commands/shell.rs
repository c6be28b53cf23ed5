//! Completions and manual pages, both generated from the one definition of the command line.

use crate::cli;
use crate::errors::Outcome;
use crate::output;
use crate::outputs::{self, Manner};
use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use damo_format::Kind;
use damo_model::human::Show;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `damo completions`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    damo completions bash > ~/.local/share/bash-completion/completions/damo\n  \
    damo completions zsh > ~/.zfunc/_damo      with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc\n  \
    damo completions fish > ~/.config/fish/completions/damo.fish\n\n\
    The directories must exist. For all users: /usr/share/bash-completion/completions/damo, as root.")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Arguments of `damo man`.
#[derive(Args, Debug)]
#[command(after_help = "Example: damo man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Directory for the pages (damo.1, damo-record.1, damo-report-heats.1, ...)
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Replace files of these names even if they are no manual pages
    #[arg(long)]
    force: bool,
}

/// Prints a completion script.
///
/// # Errors
/// If stdout cannot be written.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Outcome> {
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
pub(crate) fn man(args: &ManArgs) -> Result<Outcome> {
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.shown()))?;
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, directory, args.force)?;
    Ok(Outcome::Fine)
}

/// A page for a command and each below it.
fn pages(command: &Command, directory: &Path, force: bool) -> Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages(command, directory, force)?;
    }
    let page = Man::new(command.clone());
    let path = directory.join(page.get_filename());
    // Everybody may read a manual.
    let manner = Manner { mode: 0o644, force, ..Manner::new(Kind::Manual) };
    outputs::write(Some(&path), manner, |out| Ok(page.render(&mut &mut *out)?))
}
