//! The command line of everything that recording and steering do: what both programs, `damo` and the slim `damo-record`,
//! have in common. Here alone options are parsed and terminals are talked to.
//!
//! - [`args`]: options, with what they mean; `values` and `yaml` read numbers with units and files of parameters
//! - [`steer`]: `damo start`, `tune`, `stop`, `status`, `schemes` and `args`
//! - [`record`], [`mark`], [`doctor`], [`features`]: the other commands
//! - [`messages`]: how errors, warnings and notes are said
//! - [`status_line`]: the line that shows progress, and what a recording says on standard error
//! - [`terminal`]: what a terminal is asked
#![forbid(unsafe_code)]

pub mod args;
mod confirm;
mod error;
pub mod messages;
pub mod status_line;
pub mod steer;
mod steering;
pub mod terminal;
mod values;
mod yaml;

pub use damo_record::request::Request;
pub use damo_record::stdout_is_closed;
pub use error::{CliError, UsageError};
pub use steering::Steering;
pub use values::ValueError;

use args::{DoctorArgs, FeaturesArgs, FeaturesWanted, MarkArgs, RecordArgs};
use damo_steer::Machine;
use damo_steer::doctor::FeatureFilter;
use status_line::StatusLine;
use std::io::Write;
use std::process::ExitCode;

/// Makes the recording that `args` ask for, to its end. Talks on standard error; standard output is the record's, if it is
/// asked for there.
///
/// # Errors
/// What is wrong with the command line, this machine or the record's file, each with the remedy. The caller prints it and
/// exits with 2.
pub fn record(args: &RecordArgs) -> Result<ExitCode, CliError> {
    let request = args.request()?;
    Ok(damo_record::run(&request, &mut StatusLine::new(request.quiet))?)
}

/// The same; `then` is given what was recorded, when the record is finished.
///
/// # Errors
/// As [`record`].
pub fn record_then(args: &RecordArgs, then: impl FnOnce(&Request)) -> Result<ExitCode, CliError> {
    let request = args.request()?;
    let code = damo_record::run(&request, &mut StatusLine::new(request.quiet))?;
    then(&request);
    Ok(code)
}

/// Writes a mark into a running recording.
///
/// # Errors
/// If no recording listens, or several do and none was named.
pub fn mark(args: &MarkArgs) -> Result<(), CliError> {
    Ok(damo_record::marks::run(args.record.as_deref(), &args.text.join(" "), &args.root)?)
}

/// Writes to `out` whether this machine can record, and what is missing; exit code 1 if something is.
///
/// # Errors
/// If `out` cannot be written to.
pub fn doctor(args: &DoctorArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    Ok(damo_steer::doctor::doctor(&Machine::at(&args.root).root, args.json, out)?)
}

/// Writes to `out` which features of DAMON this kernel has.
///
/// # Errors
/// If `out` cannot be written to.
pub fn features(args: &FeaturesArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let (filter, json) = match args.which {
        FeaturesWanted::All => (FeatureFilter::All, args.json),
        FeaturesWanted::Supported => (FeatureFilter::Supported, args.json),
        FeaturesWanted::Unsupported => (FeatureFilter::Unsupported, args.json),
        FeaturesWanted::Json => (FeatureFilter::All, true),
    };
    Ok(damo_steer::doctor::list_features(&Machine::at(&args.root).root, filter, json, out)?)
}
