//! From results to exit codes, which are an API: 0 fine, 1 a gate failed, 2 error, 3 only a part could be read. And how
//! errors, warnings and notes are said: nothing else writes sentences to standard error.

pub(crate) use damo_cli::messages::{done, error, note, usage, warn};

use std::io;
use std::process::ExitCode;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// All is well.
    Fine,
    /// What the user asked to be checked does not hold.
    GateFailed,
    /// A part of the input was damaged; what could be read was used, and the user was told.
    Partial,
    /// The recording passes on this code: the recorded command's, for instance.
    Exit(ExitCode),
}

/// The process's exit code. Prints the error, with its causes, on stderr.
pub(crate) fn exit_code(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::GateFailed) => ExitCode::from(1),
        Ok(Outcome::Partial) => ExitCode::from(3),
        Ok(Outcome::Exit(code)) => code,
        // `damo report raw | head` is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::from(2)
        }
    }
}

/// Prints an error, with its causes, on stderr.
pub(crate) fn say(failure: &anyhow::Error) {
    error(sentence(failure));
}

/// The error with its causes, each said once: library errors name their cause in their own words already.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// Whether the error, at its root, says that the reader of our output went away.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_said_once_whether_or_not_the_error_names_it_itself() {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let named = damo_frame::FrameError::Io { path: "a.damo".into(), source: gone() };
        assert_eq!(sentence(&anyhow::Error::new(named).context("reading")), "reading: a.damo: entity not found");
        assert_eq!(sentence(&anyhow::Error::new(gone()).context("b.damo")), "b.damo: entity not found");
    }

    #[test]
    fn a_closed_pipe_is_not_an_error_however_deep_it_lies() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing the report").unwrap_err();
        assert!(is_closed_pipe(&error));
        let sink = damo_model::SinkError::new(io::Error::from(io::ErrorKind::BrokenPipe));
        let import = damo_import::ImportError::Sink(sink);
        assert!(is_closed_pipe(&anyhow::Error::new(import).context("converting")));
        assert!(!is_closed_pipe(&anyhow::anyhow!("no record")));
    }
}
