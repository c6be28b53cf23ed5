//! What killed recordings left on: found by their notes, told, and stopped if the user agrees.

use super::Machine;
use crate::error::RecordError;
use crate::line::Line;
use crate::owner::{self, Found};
use crate::problem::Problem;
use crate::request::{Request, What};
use std::io::{self, BufRead, IsTerminal, Write};

/// Looks for kdamonds that killed recordings left on, and settles what to do with them before this one begins. Whether
/// some were stopped.
pub(crate) fn settle(request: &Request, machine: &Machine, line: &mut Line) -> Result<bool, RecordError> {
    let mut stopped = false;
    for found in owner::others(&request.root).into_iter().filter(|found| !found.alive) {
        let left = left_on(machine, &found)?;
        if left.is_empty() {
            // Nothing runs any more; parameters that it staged are put back, and its note is done with.
            put_back(machine, &found)?;
            continue;
        }
        let record =
            found.note.record.as_ref().map_or("standard output".to_string(), |path| path.display().to_string());
        let kdamonds = names(&left);
        if request.what == What::Attach && !request.stop_stale {
            line.warn(&format!(
                "A recording that was killed (process {}, record {record}) left {kdamonds} on. It is recorded now, and \
                 left on; to stop it: damo record --stop_stale",
                found.note.pid
            ));
            continue;
        }
        if !request.stop_stale
            && !agreed(&format!(
                "A recording that was killed (process {}, record {record}) left {kdamonds} on. Stop it now?",
                found.note.pid
            ))
        {
            return Err(Problem::Stale { pid: found.note.pid, record, kdamonds }.into());
        }
        put_back(machine, &found)?;
        stopped = true;
        line.say(&format!("Stopped {kdamonds}, left on by a recording that was killed (record {record})."));
    }
    Ok(stopped)
}

/// The kdamonds of a note that still run as the same threads.
fn left_on(machine: &Machine, found: &Found) -> Result<Vec<(usize, i32)>, RecordError> {
    let running = machine.sysfs.running()?;
    let ours = |(index, pid): &(usize, Option<i32>)| {
        let pid = (*pid)?;
        let noted = found.note.leftover.started().contains(&(*index, pid));
        noted.then_some((*index, pid))
    };
    Ok(running.iter().filter_map(ours).collect())
}

fn put_back(machine: &Machine, found: &Found) -> Result<(), RecordError> {
    machine.sysfs.take_over(found.note.leftover.clone()).undo()?;
    std::fs::remove_file(&found.path).map_err(|e| RecordError::io(format!("removing {}", found.path.display()), e))
}

fn names(kdamonds: &[(usize, i32)]) -> String {
    let one = |(index, pid): &(usize, i32)| format!("kdamond {index} (thread {pid})");
    kdamonds.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// Asks on a terminal; elsewhere nobody can agree.
fn agreed(question: &str) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{question} [Y/n] ").and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes")
}
