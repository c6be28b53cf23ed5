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
mod description;
mod events;
mod follow;
mod interval_tracker;
mod managed;
mod managed_damon;
mod param_watcher;
mod placement;
mod process_tracker;
mod referenced;
pub mod replay;
mod side_data;
mod snapshots;
pub(crate) mod source;
mod starting;
mod status_sampler;
mod target_controller;
mod target_slots;

use crate::error::RecordError;
use crate::request::{Request, RequestSource, SourceChoice};
use crate::session::{Ending, Findings, Recording, Session, run};
use attach::AttachedRecording;
use damo_steer::explain::{self, RecordingNeeds};
use damo_steer::paused_modules::{PausePolicy, PausedFor, PausedModules};
use damo_steer::plan::TargetSpec;
use damo_steer::signals::Signals;
use damo_steer::stale::{self, StalePolicy};
use damo_steer::{Machine, Notifier};
use managed::ManagedRecording;
use referenced::ReferencedRecording;
use snapshots::SnapshotRecording;
use std::process::ExitCode;

/// Records what `request` asks for from the running kernel.
///
/// # Errors
/// If the machine is not ready, a target cannot be monitored, or the record cannot be written.
pub(crate) fn record(
    request: &Request,
    signals: &Signals,
    notifier: &mut dyn Notifier,
) -> Result<ExitCode, RecordError> {
    let open = source::Perf { size: request.ring_size };
    session(request, &Machine::at(&request.root), &open, signals, notifier)
}

fn session(
    request: &Request,
    machine: &Machine,
    open: &dyn source::Open,
    signals: &Signals,
    notifier: &mut dyn Notifier,
) -> Result<ExitCode, RecordError> {
    let targets = match &request.what {
        RequestSource::Targets(targets) => Some(targets),
        _ => None,
    };
    let attaches = targets.is_none();
    let needs = RecordingNeeds {
        attaches,
        with_events: attaches || request.limits.snapshots.is_none(),
        by_process_id: targets.is_some_and(|targets| !matches!(targets, TargetSpec::Paddr { .. })),
    };
    let with_referenced = |targets, notifier: &mut dyn Notifier| {
        run(request, signals, notifier, |command, _| ReferencedRecording::begin(request, targets, machine, command))
    };
    match (request.source, targets) {
        (SourceChoice::Referenced, None) => {
            return Err(RecordError::NeedsDamon { what: "a recording of what runs already, without a target," });
        }
        (SourceChoice::Referenced, Some(targets)) => return with_referenced(targets, notifier),
        _ => {}
    }
    if let Err(error) = explain::check(needs, &machine.root) {
        let instead = request.source == SourceChoice::Auto && referenced::is_instead(&error);
        let is_possible = |targets: &&TargetSpec| instead && referenced::is_possible(request, targets, machine);
        let Some(targets) = targets.filter(is_possible) else {
            return Err(error.into());
        };
        notifier.warn(&referenced::instead(&error));
        return with_referenced(targets, notifier);
    }
    let policy = match request.stop_stale {
        true => StalePolicy::Stop,
        false if attaches => StalePolicy::Keep,
        false => StalePolicy::Ask,
    };
    let stopped = stale::settle(machine, policy, signals, notifier)?;
    if !attaches {
        machine.resume_abandoned_modules(notifier);
    }
    let pause = |notifier: &mut dyn Notifier| {
        let policy = if request.pause_modules { PausePolicy::Pause } else { PausePolicy::Ask };
        PausedModules::pause(machine, policy, PausedFor::ThisProcess, signals, notifier)
    };
    let recorded = match (targets, request.limits.snapshots) {
        // `--stop_stale` alone: that was all there was to do.
        (None, _) if stopped && machine.sysfs.running()?.is_empty() => return Ok(ExitCode::SUCCESS),
        (None, Some(_)) => return Err(RecordError::SnapshotsOfOthers),
        (None, None) => {
            run(request, signals, notifier, |_, notifier| AttachedRecording::begin(request, machine, open, notifier))
        }
        (Some(_), Some(_)) if request.schemes_target_regions => return Err(RecordError::SnapshotsOfSchemes),
        (Some(targets), Some(wanted)) => run(request, signals, notifier, |command, notifier| {
            let modules = pause(notifier)?;
            let (recording, items) = SnapshotRecording::begin(request, targets, wanted, machine, command, notifier)?;
            Ok((WithoutModules { recording, modules }, items))
        }),
        (Some(targets), None) => run(request, signals, notifier, |command, notifier| {
            let modules = pause(notifier)?;
            let (recording, items) = ManagedRecording::begin(request, targets, machine, open, command, notifier)?;
            Ok((WithoutModules { recording, modules }, items))
        }),
    };
    recorded.map_err(|error| match error {
        // What may forbid the ring that could not be opened although all looked well.
        RecordError::Steer(error) => explain::no_ring(attaches, &machine.root, error).into(),
        error => error,
    })
}

/// A recording for which kernel modules may have been switched off.
struct WithoutModules<R> {
    recording: R,
    modules: Option<PausedModules>,
}

impl<R: Recording> Recording for WithoutModules<R> {
    const IS_LIVE: bool = R::IS_LIVE;

    fn follow(&mut self, session: &mut Session<'_>) -> Result<Ending, RecordError> {
        self.recording.follow(session)
    }

    fn end(self, session: &mut Session<'_>) -> Findings {
        let findings = self.recording.end(session);
        let resumed = self.modules.map_or(Ok(()), PausedModules::resume);
        Findings { undone: findings.undone.and(resumed.map_err(RecordError::from)), ..findings }
    }
}

/// Said of an empty record.
const NO_SNAPSHOT: &str =
    "No snapshot came. A recording must last longer than one aggregation interval, and its target must live that long.";

#[cfg(test)]
mod tests;
