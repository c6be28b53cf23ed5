//! Recording sessions: from a source of snapshots to a `.damo` record. The slim part that goes on production hosts:
//! no data frames, no pictures, no command line.
//!
//! - [`request`]: what is asked for, checked
//! - [`run`]: makes the recording
//! - `session`: begin, follow, conclude, whatever is recorded: [`live`], from the running kernel's DAMON, or `simulate`
//! - [`marks`]: remarks from outside, as `damo mark` makes them
#![forbid(unsafe_code)]

mod error;
pub mod live;
pub mod marks;
mod pipeline;
mod profile;
mod record_output;
pub mod request;
mod session;
mod simulate;
mod summary;

pub use damo_kernel::streams::stdout_is_closed;
pub use error::RecordError;
pub use record_output::Written;

use damo_steer::Notifier;
use damo_steer::signals::Signals;
use request::{Request, RequestSource};
use std::process::ExitCode;

/// Makes the recording that `request` asks for, to its end, and tells `notifier` of it; standard output is the record's, if it
/// is asked for there.
///
/// # Errors
/// What is wrong with the request, this machine or the record's file, each with the remedy.
pub fn run(request: &Request, notifier: &mut dyn Notifier) -> Result<ExitCode, RecordError> {
    request.notes.iter().for_each(|note| notifier.note(note));
    let signals = Signals::listen()?;
    match &request.what {
        RequestSource::Simulate(simulation) => simulate::run(request, simulation, &signals, notifier),
        _ => live::record(request, &signals, notifier),
    }
}

/// Name and version, for the record's metadata.
fn tool() -> String {
    concat!("damo ", env!("CARGO_PKG_VERSION")).to_string()
}
