//! `damo tune`: what is named changes, the rest stays. Options of schemes without an action change the schemes that run,
//! with one they are the schemes from then on; `--replace` replaces everything but the targets.

use super::{Wanted, on_machine};
use crate::args::steer::TuneArgs;
use crate::error::{CliError, UsageError, usage};
use crate::messages;
use damo_model::kdamond::{Context, Kdamond};
use damo_steer::plan::{self, TargetSpec};
use damo_steer::{Machine, show};
use std::process::ExitCode;

/// Changes parameters of what runs.
///
/// # Errors
/// As [`super::start`]; then the parameters are as before.
pub(crate) fn tune(args: &TuneArgs) -> Result<ExitCode, CliError> {
    let notes = on_machine(&args.root, |machine| tune_on(machine, args))?;
    notes.iter().for_each(messages::note);
    Ok(ExitCode::SUCCESS)
}

/// Gives remarks on what the change means.
pub(super) fn tune_on(machine: &Machine, args: &TuneArgs) -> Result<Vec<String>, CliError> {
    let setup = &args.setup;
    let of_running = !args.replace && setup.damos.are_changes();
    let wanted = Wanted::of(setup, of_running)?;
    let whole = args.replace || matches!(wanted.targets, TargetSpec::Kdamonds(_) | TargetSpec::Several(_));
    // Whatever is wrong with what was typed is found out before anything is touched.
    let typed = if whole || wanted.has_targets { Some(wanted.kdamonds(machine)?) } else { None };
    if typed.is_none() && !setup.gave_parameters() {
        return Ok(usage("nothing to change: name intervals, numbers of regions, targets or schemes")?);
    }
    let mut notes = Vec::new();
    machine.steer().tune(args.adopt, |kdamonds| {
        let before = kdamonds.clone();
        match typed {
            Some(mut typed) if whole => {
                if !wanted.has_targets {
                    keep_targets(&mut typed, kdamonds);
                }
                *kdamonds = typed;
            }
            typed => {
                setup.monitor.change(kdamonds)?;
                if let Some(typed) = typed {
                    change_targets(kdamonds, typed)?;
                }
                if let Some(schemes) = &wanted.schemes {
                    plan::apply_schemes(schemes, kdamonds)?;
                }
            }
        }
        setup.mark(kdamonds)?;
        if of_running {
            for context in contexts(kdamonds) {
                setup.damos.change(&mut context.schemes)?;
            }
            plan::check_page_filters(kdamonds)?;
        }
        notes = show::changed_meaning(&before, kdamonds);
        Ok::<(), CliError>(())
    })?;
    Ok(notes)
}

fn contexts(kdamonds: &mut [Kdamond]) -> impl Iterator<Item = &mut Context> {
    kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts)
}

/// # Errors
/// If it is not told which of several kdamonds the targets are for.
fn change_targets(present: &mut [Kdamond], new: Vec<Kdamond>) -> Result<(), UsageError> {
    if present.len() != new.len() {
        return Err(UsageError(format!(
            "{} kdamonds run, and it is not told which of them is to have the new targets: give all parameters with \
             --kdamonds (`damo status --json` has the present ones)",
            present.len()
        )));
    }
    let new = new.into_iter().flat_map(|kdamond| kdamond.contexts);
    for (context, new) in contexts(present).zip(new) {
        context.ops = new.ops;
        context.targets = new.targets;
    }
    Ok(())
}

/// Replacing all parameters leaves the targets as they are.
fn keep_targets(new: &mut Vec<Kdamond>, present: &[Kdamond]) {
    if let [one] = &new[..] {
        // What was typed is for all of them.
        *new = vec![one.clone(); present.len()];
    }
    let present = present.iter().flat_map(|kdamond| &kdamond.contexts);
    for (new, present) in contexts(new).zip(present) {
        new.ops = present.ops;
        new.targets.clone_from(&present.targets);
    }
}
