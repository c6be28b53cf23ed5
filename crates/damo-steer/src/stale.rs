//! What killed recordings left: found by their notes, told, and stopped if the user agrees; settings that are still as
//! they left them are put back.

use crate::error::Result;
use crate::notes::FoundNote;
use crate::problem::Problem;
use crate::signals::Signals;
use crate::{Machine, Notifier};
use damo_model::kdamond::RunningKdamond;
use std::time::Duration;

/// Time for another `damo` to be done with DAMON: longer than a command waits for the end of a usual aggregation.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// What may be done with what killed recordings left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StalePolicy {
    /// Nothing: everything stays as it is, as for a recording that only attaches.
    Keep,
    /// It is stopped and put back if the user agrees.
    Ask,
    /// It is stopped and put back.
    Stop,
}

/// Looks for what killed recordings left, and settles what to do with it before a recording begins. Gives whether kdamonds
/// were stopped.
///
/// # Errors
/// [`Problem::Stale`] if the user does not agree that they are stopped, or what could not be put back.
pub fn settle(machine: &Machine, policy: StalePolicy, signals: &Signals, notifier: &mut dyn Notifier) -> Result<bool> {
    let mut stopped = false;
    let attaches = policy == StalePolicy::Keep;
    for found in machine.notes.recordings().into_iter().filter(|found| !found.alive) {
        let left = machine.sysfs.left_on(&found.note.leftover)?;
        let (pid, record) = (found.note.pid, found.note.record_name());
        if left.is_empty() {
            // Nothing of it runs any more; what it set up is put back, if it is still what it set up.
            if !attaches && !put_back(machine, &found)? {
                notifier.warn(&format!(
                    "a recording that was killed (process {pid}, record {record}) had set DAMON up. Its settings have been \
                     changed since, so they are not restored."
                ));
            }
            continue;
        }
        let kdamonds = names(&left);
        let what = format!("a recording that was killed (process {pid}, record {record}) left {kdamonds} on.");
        if attaches {
            notifier.warn(&format!(
                "{what} This recording attaches to it and leaves it on. To stop it: damo record --stop_stale"
            ));
            continue;
        }
        let question = || format!("{} Stop it now?", capitalized(&what));
        if policy == StalePolicy::Ask && !notifier.confirm(&question(), signals) {
            return Err(Problem::Stale { pid, record, kdamonds }.into());
        }
        put_back(machine, &found)?;
        stopped = true;
        notifier.say(&format!("Stopped {kdamonds}, left on by a recording that was killed (record {record})."));
    }
    Ok(stopped)
}

/// Stops what is left of a killed recording and puts the settings back; its note is done with then. Gives `false`, and
/// changes nothing else, if the settings are someone else's by now.
fn put_back(machine: &Machine, found: &FoundNote) -> Result<bool> {
    let _settings_lock = machine.notes.lock(LOCK_TIMEOUT)?;
    if !found.path.exists() {
        // Another run did it while we waited.
        return Ok(true);
    }
    let staged = machine.sysfs.take_over(found.note.leftover.clone())?;
    let ours = staged.is_some();
    if let Some(staged) = staged {
        staged.undo()?;
    }
    found.forget()?;
    Ok(ours)
}

/// A sentence that begins a line.
fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn names(kdamonds: &[RunningKdamond]) -> String {
    kdamonds.iter().map(RunningKdamond::to_string).collect::<Vec<_>>().join(" and ")
}
