//! `--live`: a report on what is recorded for it now, by `damo record` in a process of its own.

use crate::commands::monitor::RECORDER_OUTPUT;
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_frame::{OpenOptions, Record};
use std::io::{self, Read};
use std::process::Command;

/// How long is recorded if nothing else is said.
const TIMEOUT: &str = "1s";

/// What to record for the report.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LiveArgs {
    /// Report on what is recorded now, for one second, instead of a record. The words are for `damo record`:
    /// --live="$(pidof app)", --live="paddr --timeout 5s". Without any it is what DAMON does now
    #[arg(
        long,
        value_name = "WORDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with_all = ["input", "files"],
        help_heading = "Input"
    )]
    live: Option<String>,
}

impl LiveArgs {
    /// Records what is asked for, if anything is.
    ///
    /// # Errors
    /// If nothing was recorded; the recorder has said why.
    pub(crate) fn record(&self, options: &OpenOptions) -> Result<Option<Record>> {
        let Some(words) = &self.live else { return Ok(None) };
        let (mut reader, writer) = io::pipe().context("making a pipe")?;
        let mut recorder = Command::new(std::env::current_exe().context("finding this program")?);
        // The record goes to a pipe that is the recorder's standard input: standard output is that of a program that it
        // starts, which must not get into the report.
        recorder.args(["record", "--quiet", "-o", RECORDER_OUTPUT]).stdin(writer).stdout(io::stderr());
        if !words.contains("--timeout") {
            recorder.args(["--timeout", TIMEOUT]);
        }
        let mut child = recorder.args(words.split_whitespace()).spawn().context("starting the recorder")?;
        // Our own end of the pipe for writing goes with it: else there would be no end of file.
        drop(recorder);
        let mut recorded = Vec::new();
        reader.read_to_end(&mut recorded).context("reading what is recorded")?;
        child.wait().context("waiting for the recorder")?;
        if recorded.is_empty() {
            bail!("--live: nothing was recorded");
        }
        Ok(Some(Record::from_stream(&recorded[..], "live", options)?))
    }
}
