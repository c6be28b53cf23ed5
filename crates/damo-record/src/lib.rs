//! Recording sessions: from a source of snapshots to a `.damo` record. The slim part that goes on production hosts:
//! no data frames, no pictures, no command line.
//!
//! - [`request`]: what is asked for, checked
//! - [`run`]: makes the recording
//! - [`simulate`]: the session that needs no DAMON
//! - [`live`]: the session with the running kernel's DAMON
//! - [`marks`]: remarks from outside, as `damo mark` makes them
#![forbid(unsafe_code)]

mod error;
pub mod live;
pub mod marks;
mod pipeline;
mod record_output;
pub mod request;
pub mod simulate;
mod summary;

pub use error::RecordError;
pub use record_output::{Written, stdout_is_closed};

use damo_steer::Notifier;
use request::{Request, RequestSource};
use std::process::ExitCode;

/// Makes the recording that `request` asks for, to its end, and tells `notifier` of it; standard output is the record's, if it
/// is asked for there.
///
/// # Errors
/// What is wrong with the request, this machine or the record's file, each with the remedy.
pub fn run(request: &Request, notifier: &mut dyn Notifier) -> Result<ExitCode, RecordError> {
    request.notes.iter().for_each(|note| notifier.note(note));
    match request.what {
        RequestSource::Simulate { .. } => simulate::run(request, notifier),
        _ => live::run(request, notifier),
    }
}

/// Name and version, for the record's metadata.
fn tool() -> String {
    concat!("damo ", env!("CARGO_PKG_VERSION")).to_string()
}
