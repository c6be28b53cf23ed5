//! Recording sessions: from a source of snapshots to a `.damo` record. The slim part that goes on production hosts:
//! no data frames, no pictures.
//!
//! - [`args`]: the command line, one definition for `damo record` and the `damo-record` binary
//! - [`request`]: what it asks for, checked
//! - [`run`]: makes the recording
//! - [`simulate`]: the session that needs no DAMON
//! - [`live`]: the session with the running kernel's DAMON
//! - [`doctor`]: whether this machine can record, and what its DAMON can do
//! - [`messages`]: how errors, warnings and notes are said
//! - [`marks`]: remarks from outside, as `damo mark` makes them
//! - [`owner`]: which kdamonds are whose, also after a kill
//! - [`steer`]: DAMON and its schemes beyond one command: start, tune, stop, status
//! - [`problem`]: why a machine is not ready, and what to do
#![forbid(unsafe_code)]

pub mod args;
pub mod doctor;
mod error;
pub mod live;
pub mod marks;
pub mod messages;
pub mod owner;
mod pipeline;
pub mod problem;
mod record_output;
pub mod request;
mod signals;
pub mod simulate;
mod status_line;
pub mod steer;
mod values;
mod yaml;

pub use error::RecordError;
pub use record_output::{Written, stdout_is_closed};

use args::RecordArgs;
use std::process::ExitCode;

/// Makes the recording that `args` ask for, to its end. Talks on standard error; standard output is the record's, if it
/// is asked for there.
///
/// # Errors
/// What is wrong with the command line, this machine or the record's file, each with the remedy. The caller prints it
/// and exits with 2.
pub fn run(args: &RecordArgs) -> Result<ExitCode, RecordError> {
    let request = args.request()?;
    match request.what {
        request::RequestSource::Simulate { .. } => simulate::run(&request),
        _ => live::run(&request),
    }
}

/// Name and version, for the record's meta data.
pub(crate) fn tool() -> String {
    concat!("damo ", env!("CARGO_PKG_VERSION")).to_string()
}

/// The command line as it was typed, for the record's meta data.
pub(crate) fn command_line() -> Vec<String> {
    let mut words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // Where the program lies says nothing of the record.
    if let Some(program) = words.first_mut()
        && let Some((_, name)) = program.rsplit_once('/')
    {
        *program = name.to_string();
    }
    words
}
