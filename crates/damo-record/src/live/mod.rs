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
mod events;
mod follow;
mod interval_tracker;
mod managed_damon;
mod param_watcher;
mod process_tracker;
pub mod replay;
mod side_data;
mod snapshots;
mod source;
mod target_controller;

use crate::error::RecordError;
use crate::pipeline::{Fate, LIVE_BLOCK_AGE, Patience, Pipeline};
use crate::record_output::RecordOutput;
use crate::request::{Request, RequestSource};
use crate::summary;
use damo_format::WriterOptions;
use damo_model::Nanos;
use damo_steer::Notifier;
use damo_steer::explain::{self, RecordingNeeds};
use damo_steer::plan::{Children, Plan, TargetSpec, apply_schemes};
use damo_steer::signals::Signals;
use damo_steer::stale::{self, StalePolicy};
use damo_steer::{Machine, SteerError};
use std::process::ExitCode;

/// Records what `request` asks for from the running kernel.
///
/// # Errors
/// If the machine is not ready, a target cannot be monitored, or the record cannot be written.
pub(crate) fn run(request: &Request, notifier: &mut dyn Notifier) -> Result<ExitCode, RecordError> {
    let signals = Signals::listen()?;
    let open = source::Perf { size: request.ring_size };
    session(request, &Machine::at(&request.root), &open, &signals, notifier)
}

fn session(
    request: &Request,
    machine: &Machine,
    open: &dyn source::Open,
    signals: &Signals,
    notifier: &mut dyn Notifier,
) -> Result<ExitCode, RecordError> {
    let attaches = request.what == RequestSource::Attach;
    let needs = RecordingNeeds {
        attaches,
        with_events: attaches || request.limits.snapshots.is_none(),
        by_process_id: matches!(&request.what, RequestSource::Targets(targets) if !matches!(targets, TargetSpec::Paddr { .. })),
    };
    explain::check(needs, &machine.root)?;
    let policy = match request.stop_stale {
        true => StalePolicy::Stop,
        false if attaches => StalePolicy::Keep,
        false => StalePolicy::Ask,
    };
    let stopped = stale::settle(machine, policy, signals, notifier)?;
    if attaches {
        if stopped && machine.sysfs.running()?.is_empty() {
            // `--stop_stale` alone: that was all there was to do.
            return Ok(ExitCode::SUCCESS);
        }
        return attach::run(request, machine, open, signals, notifier)
            .map_err(|error| no_ring(attaches, machine, error));
    }
    if let Some(wanted) = request.limits.snapshots {
        return snapshots::run(request, wanted, machine, signals, notifier);
    }
    target_controller::run(request, machine, open, signals, notifier).map_err(|error| no_ring(attaches, machine, error))
}

/// What may forbid the ring that could not be opened although all looked well.
fn no_ring(attaches: bool, machine: &Machine, error: RecordError) -> RecordError {
    match error {
        RecordError::Steer(error) => explain::no_ring(attaches, &machine.root, error).into(),
        error => error,
    }
}

/// Plans for the targets of a request. `command` is the pid of the command that was started, if one was asked for. Children
/// and members of control groups that began less than `least_age` ago are left out.
fn plan(request: &Request, machine: &Machine, command: Option<i32>, least_age: Nanos) -> Result<Plan, SteerError> {
    let children = Children { follow: request.follow_children, least_age };
    let RequestSource::Targets(targets) = &request.what else { return Err(SteerError::NoCommand) };
    let mut plan = damo_steer::plan::of(targets, &request.monitoring, children, machine, command)?;
    if let Some(schemes) = &request.schemes {
        apply_schemes(schemes, &mut plan.kdamonds)?;
    }
    Ok(plan)
}

/// Opens the output of a live recording and prints what the user should know of it.
fn open_output(request: &Request, notifier: &mut dyn Notifier) -> Result<RecordOutput, RecordError> {
    let output = RecordOutput::open(&request.output, WriterOptions::live())?;
    output.notes().iter().for_each(|note| notifier.note(note));
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
    let follow::Following { pipeline, notifier, marks, .. } = following;
    let fate = if ending.is_ok() { Fate::Finished } else { Fate::FinishedIfAny };
    let ended = pipeline.end(fate, notifier);
    drop(marks);
    notifier.clear();
    let reader_gone = ended.error.as_ref().is_some_and(RecordError::is_closed_pipe);
    if reader_gone {
        notifier.say(READER_GONE);
    } else if let Ok(ending) = &ending {
        notifier.say(&ending.sentence());
    }
    if seen.lost > 0 {
        let share = seen.lost as f64 * 100.0 / (seen.lost + seen.regions) as f64;
        notifier.warn(&format!(
            "lost {} events ({share:.1} % of all) because the machine was too busy. Snapshots with lost events are marked as \
             partial. To lose fewer events, use --ring_size 8M, a longer aggregation interval (-a) or fewer regions (-m).",
            summary::grouped(seen.lost)
        ));
    }
    if seen.late > 0 {
        notifier.warn(&format!(
            "{} events came so late that they belong to no snapshot, and are not in the record.",
            summary::grouped(seen.late)
        ));
    }
    let span = seen.latest.zip(seen.first).map(|(latest, first)| latest.saturating_sub(first));
    if !ended.written.files.is_empty() || ended.error.is_none() && !ended.was_discarded {
        notifier.say(&summary::summary(&ended.written, ended.written.held.or(span)));
        // After a failure the error has the last word.
        if let Some(next) = summary::next_command(&ended.written).filter(|_| ended.error.is_none()) {
            notifier.say(&next);
        }
        if ended.error.is_none() && ended.written.snapshots == 0 {
            notifier.warn(NO_SNAPSHOT);
        }
    }
    if let Some((count, why)) = ended.rejected {
        notifier.warn(&format!(
            "{count} items could not be written; the first one: {why}. This is a fault of damo: please report it."
        ));
    }
    if ended.was_full {
        notifier.warn(&format!(
            "the record has its maximum of {} targets; later targets are not in it. With --rotate_time 10m, a new file is begun \
             every 10 minutes.",
            summary::grouped(damo_format::MAX_TARGETS as u64)
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
