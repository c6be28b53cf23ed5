//! A live session: DAMON's events of a running kernel into a record.
//!
//! The order of things, so that nothing is lost and nothing is left behind: see that the machine is ready; open the
//! output (a wrong name must be known before anything starts); set DAMON up, without switching it on, and note that it
//! is ours; open the ring; switch DAMON on; follow it until the end; switch DAMON off and put it back as it was found;
//! take the rest out of the ring; finish the record. Whatever fails on the way, what was done before is undone.
//!
//! DAMON's settings are one for all, so a lock is held from setting up to switching on, and from switching off to
//! putting back.

mod attach;
pub(crate) mod command;
mod events;
mod follow;
mod interval_tracker;
mod managed_damon;
mod param_watcher;
pub(crate) mod plan;
mod process_tracker;
pub(crate) mod ready;
pub mod replay;
mod side_data;
mod snapshots;
mod source;
mod stale;
mod target_controller;

use crate::error::RecordError;
use crate::pipeline::{Fate, LIVE_BLOCK_AGE, Patience, Pipeline};
use crate::record_output::RecordOutput;
use crate::request::{Request, RequestSource};
use crate::signals::Signals;
use crate::status_line::{self, StatusLine};
use damo_format::WriterOptions;
use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::sysfs::Sysfs;
use std::process::ExitCode;

/// The machine that is recorded, below a root directory.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) root: Root,
    pub(crate) procfs: Procfs,
    pub(crate) sysfs: Sysfs,
}

impl Machine {
    pub(crate) fn new(root: Root) -> Self {
        Self { procfs: Procfs::new(&root), sysfs: Sysfs::new(&root), root }
    }
}

/// Records what `request` asks for from the running kernel.
///
/// # Errors
/// If the machine is not ready, a target cannot be monitored, or the record cannot be written.
pub fn run(request: &Request) -> Result<ExitCode, RecordError> {
    let machine = Machine::new(Root::new(&request.root));
    let mut line = StatusLine::new(request.quiet);
    for note in &request.notes {
        line.note(note);
    }
    let signals = Signals::listen()?;
    session(request, &machine, &source::Perf { size: request.ring_size }, &signals, &mut line)
}

fn session(
    request: &Request,
    machine: &Machine,
    open: &dyn source::Open,
    signals: &Signals,
    line: &mut StatusLine,
) -> Result<ExitCode, RecordError> {
    ready::check(request, machine)?;
    let stopped = stale::settle(request, machine, signals, line)?;
    if request.what == RequestSource::Attach {
        if stopped && machine.sysfs.running()?.is_empty() {
            // `--stop_stale` alone: that was all there was to do.
            return Ok(ExitCode::SUCCESS);
        }
        return attach::run(request, machine, open, signals, line)
            .map_err(|error| ready::no_ring(request, &machine.root, error));
    }
    if let Some(wanted) = request.limits.snapshots {
        return snapshots::run(request, wanted, machine, signals, line);
    }
    target_controller::run(request, machine, open, signals, line)
        .map_err(|error| ready::no_ring(request, &machine.root, error))
}

/// Opens the output of a live recording and prints what the user should know of it.
fn open_output(request: &Request, line: &mut StatusLine) -> Result<RecordOutput, RecordError> {
    let output = RecordOutput::open(&request.output, WriterOptions::live())?;
    output.notes().iter().for_each(|note| line.note(note));
    Ok(output)
}

/// Starts the writer of a live recording: its blocks are finished after [`LIVE_BLOCK_AGE`], and an output that stalls is
/// waited for until the request's timeout or a signal.
fn start_pipeline(output: RecordOutput, request: &Request, signals: &Signals) -> Result<Pipeline, RecordError> {
    Pipeline::start(output, Some(LIVE_BLOCK_AGE), Patience::new(signals, request.limits.timeout))
}

/// Said of an empty record.
const NO_SNAPSHOT: &str =
    "No snapshot came. A recording must last longer than one aggregation interval, and its target must live that long.";

/// Said when nobody takes the record any more: the end that `| head -c 1M` asks for.
pub(crate) const READER_GONE: &str = "The reader of standard output has gone.";

/// Finishes the record and says how it went.
fn conclude(
    following: follow::Following<'_>,
    ending: Result<follow::Ending, RecordError>,
    rest: Result<(), RecordError>,
) -> Result<(), RecordError> {
    let seen = following.events.seen();
    let follow::Following { pipeline, line, marks, .. } = following;
    let fate = if ending.is_ok() { Fate::Finished } else { Fate::FinishedIfAny };
    let ended = pipeline.end(fate, line);
    drop(marks);
    line.clear();
    let reader_gone = ended.error.as_ref().is_some_and(RecordError::is_closed_pipe);
    if reader_gone {
        line.say(READER_GONE);
    } else if let Ok(ending) = &ending {
        line.say(&ending.sentence());
    }
    if seen.lost > 0 {
        let share = seen.lost as f64 * 100.0 / (seen.lost + seen.regions) as f64;
        line.warn(&format!(
            "lost {} events ({share:.1} % of all) because the machine was too busy. Snapshots with lost events are marked as \
             partial. To lose fewer events, use --ring_size 8M, a longer aggregation interval (-a) or fewer regions (-m).",
            status_line::grouped(seen.lost)
        ));
    }
    if seen.late > 0 {
        line.warn(&format!(
            "{} events came so late that they belong to no snapshot, and are not in the record.",
            status_line::grouped(seen.late)
        ));
    }
    let span = seen.latest.zip(seen.first).map(|(latest, first)| latest.saturating_sub(first));
    if !ended.written.files.is_empty() || ended.error.is_none() && !ended.was_discarded {
        line.say(&status_line::summary(&ended.written, ended.written.held.or(span)));
        // After a failure the error has the last word.
        if let Some(next) = status_line::next_command(&ended.written).filter(|_| ended.error.is_none()) {
            line.say(&next);
        }
        if ended.error.is_none() && ended.written.snapshots == 0 {
            line.warn(NO_SNAPSHOT);
        }
    }
    if let Some((count, why)) = ended.rejected {
        line.warn(&format!(
            "{count} items could not be written; the first one: {why}. This is a fault of damo: please report it."
        ));
    }
    if ended.was_full {
        line.warn(&format!(
            "the record has its maximum of {} targets; later targets are not in it. With --rotate_time 10m, a new file is begun \
             every 10 minutes.",
            status_line::grouped(damo_format::MAX_TARGETS as u64)
        ));
    }
    match ended.error {
        Some(error) if error.is_closed_pipe() => Ok(()),
        Some(error) => Err(error),
        // The writer is fine, so what went wrong went wrong before it.
        None => ending.and(rest),
    }
}

#[cfg(test)]
mod tests;
