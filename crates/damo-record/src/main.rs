//! `damo-record`: the recorder alone, for production hosts. The same as `damo record`, `damo mark`, `damo doctor` and
//! `damo features`.

use clap::{Parser, Subcommand};
use damo_record::args::{DoctorArgs, FeaturesArgs, MarkArgs, RecordArgs};
use damo_record::{RecordError, doctor, marks};
use std::process::ExitCode;

/// Record how a program uses its memory, with DAMON, the Linux kernel's data access monitor.
///
/// Copy the record to any machine and look at it there: `damo report heats`.
#[derive(Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Other>,
    #[command(flatten)]
    record: RecordArgs,
}

#[derive(Subcommand)]
enum Other {
    /// Put a remark into the recording that is being made.
    Mark(MarkArgs),
    /// Show whether this machine can record, and what to do if not.
    Doctor(DoctorArgs),
    /// Show what this kernel's DAMON can do.
    Features(FeaturesArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    run(&cli).unwrap_or_else(|error| {
        eprintln!("damo-record: {error}");
        ExitCode::from(2)
    })
}

fn run(cli: &Cli) -> Result<ExitCode, RecordError> {
    match &cli.command {
        Some(Other::Mark(args)) => marks::run(args).map(|()| ExitCode::SUCCESS),
        Some(Other::Doctor(args)) => doctor::doctor(args, &mut std::io::stdout()),
        Some(Other::Features(args)) => doctor::list_features(args, &mut std::io::stdout()),
        None => damo_record::run(&cli.record),
    }
}
