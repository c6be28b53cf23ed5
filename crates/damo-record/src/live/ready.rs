//! Whether this machine can record what is asked for, before anything is touched.

use super::Machine;
use crate::error::RecordError;
use crate::problem::{Lack, Problem};
use crate::request::Request;
use damo_kernel::readiness::{self, Check, Verdict};

/// What only the stream of events needs: `--snapshot` works without.
const FOR_EVENTS: [&str; 6] =
    ["tracefs", "events", "perf_event_paranoid", "lockdown", "config_perf_events", "config_event_tracing"];

/// Refuses with all that is missing, the most basic thing first.
pub(crate) fn check(request: &Request, machine: &Machine) -> Result<(), RecordError> {
    let with_events = request.limits.snapshots.is_none();
    let checks = readiness::checks(&machine.root);
    let needed = |check: &&Check| with_events || !FOR_EVENTS.contains(&check.name);
    let events_missing = |check: &Check| check.name == "events" && check.verdict == Verdict::Limited;
    let bad: Vec<&Check> = checks
        .iter()
        .filter(needed)
        .filter(|check| check.verdict == Verdict::Bad || (with_events && events_missing(check)))
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    // That this is a container explains the rest.
    let container = checks.iter().find(|check| check.name == "container" && check.verdict > Verdict::Good);
    Err(Problem::Missing(bad.into_iter().chain(container).map(lack).collect()).into())
}

fn lack(check: &Check) -> Lack {
    let sudo = format!("sudo {}", crate::command_line().join(" "));
    let remedy = if check.remedy.starts_with("sudo damo record") { sudo } else { check.remedy.clone() };
    Lack { needed: check.needed.to_string(), present: check.present.clone(), remedy }
}
