//! `damo-record`: recording and steering alone, for production hosts; a program without data frames and pictures. The same
//! as `damo record`, `damo start` and so on, under this name or, if it is called so, under that of `damo`.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use damo_cli::args::steer::{ForegroundArgs, PrintArgs};
use damo_cli::args::{DoctorArgs, FeaturesArgs, MarkArgs, RecordArgs, matches, with_short_help, with_underscores};
use damo_cli::{CliError, Steering, UsageError, messages, steer};
use std::process::ExitCode;

/// musl's own malloc returns memory to the kernel and asks for it again all the time: a simulated recording takes twice the
/// CPU with it. This one reckons with pages of 4 KiB, which other architectures need not have.
#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Record how a program uses its memory, with DAMON, the Linux kernel's data access monitor; and steer DAMON.
///
/// Copy the record to any machine and look at it there: `damo report heats`.
#[derive(Parser)]
#[command(
    name = "damo-record",
    version,
    max_term_width = 100,
    infer_long_args = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Other>,
    #[command(flatten)]
    record: RecordArgs,
}

#[derive(Subcommand)]
enum Other {
    /// Record data accesses: the same as without a command.
    Record(Box<RecordArgs>),
    /// Add a mark with a text to a running recording.
    Mark(MarkArgs),
    #[command(flatten)]
    Steering(Steering),
    /// Apply schemes in the foreground, until the targets end or Ctrl-C.
    Schemes(ForegroundArgs),
    /// Print the parameters that options result in, as JSON or as writes to sysfs; changes nothing.
    Args(PrintArgs),
    /// Check whether this machine can record, and what to do if not.
    Doctor(DoctorArgs),
    /// List the DAMON features of this kernel.
    Features(FeaturesArgs),
}

fn main() -> ExitCode {
    let command = with_short_help(Cli::command());
    let args = with_underscores(&command, std::env::args_os());
    let cli = matches(&command, &args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => return messages::usage(&error),
    };
    run(&cli).unwrap_or_else(|error| {
        messages::error(error);
        ExitCode::from(2)
    })
}

fn run(cli: &Cli) -> Result<ExitCode, CliError> {
    let prints = match &cli.command {
        Some(Other::Steering(command)) => command.prints(),
        command => matches!(command, Some(Other::Args(_) | Other::Doctor(_) | Other::Features(_))),
    };
    if prints && damo_record::stdout_is_closed() {
        let why = "standard output is closed, so what is printed would be lost: open it".to_string();
        return Err(UsageError(why).into());
    }
    let out = &mut std::io::stdout();
    match &cli.command {
        Some(Other::Record(args)) => damo_cli::record(args),
        Some(Other::Mark(args)) => damo_cli::mark(args).map(|()| ExitCode::SUCCESS),
        Some(Other::Steering(command)) => command.run(out),
        Some(Other::Schemes(args)) => steer::schemes(args, out),
        Some(Other::Args(args)) => steer::print(args, out),
        Some(Other::Doctor(args)) => damo_cli::doctor(args, out),
        Some(Other::Features(args)) => damo_cli::features(args, out),
        None => damo_cli::record(&cli.record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }
}
