//! Whether this machine can do what is asked for, before a recording touches anything; and which of its faults explains an
//! error.

use crate::command_line;
use crate::error::{Result, SteerError};
use crate::problem::{Lack, Problem};
use crate::readiness::{self, Check, Verdict};
use damo_kernel::Root;

/// What follows from something that is amiss by itself, and would only hide it: names of checks.
const FOLLOWS: [(&str, &[&str]); 5] = [
    ("config_damon", &["config_damon_sysfs", "damon_sysfs", "events"]),
    ("config_damon_sysfs", &["damon_sysfs"]),
    ("config_event_tracing", &["tracefs", "events"]),
    ("lockdown", &["tracefs", "events"]),
    ("damon_sysfs", &["damon_sysfs_writable"]),
];
/// What takes part in steering.
const FOR_STEERING: [&str; 8] = [
    "root",
    "kernel",
    "config_damon",
    "config_damon_sysfs",
    "damon_sysfs",
    "damon_sysfs_writable",
    "run_writable",
    "proc",
];

/// What a recording needs of the machine.
#[derive(Clone, Copy, Debug)]
pub struct RecordingNeeds {
    /// It records kdamonds that run already, so that nothing is written to DAMON's files.
    pub attaches: bool,
    /// It takes events, rather than to read snapshots now and then.
    pub with_events: bool,
    /// Its targets are processes.
    pub by_process_id: bool,
}

/// Refuses a recording with all that is missing, the most basic thing first.
///
/// # Errors
/// [`Problem::Missing`].
pub fn check(needs: RecordingNeeds, root: &Root) -> Result<()> {
    let RecordingNeeds { attaches, with_events, by_process_id } = needs;
    let needed = |check: &Check| match check.name {
        "damon_sysfs_writable" | "run_writable" => !attaches,
        "proc" => by_process_id,
        _ => with_events || !check.is_for_events_alone(),
    };
    if lacks(&readiness::checks_at_work(root), needed).is_empty() {
        return Ok(());
    }
    let checks = readiness::checks(root);
    let lacks = lacks(&checks, needed);
    let events_alone = !attaches && lacks.iter().all(|check| check.is_for_events_alone());
    let in_the_way = in_the_way(&checks);
    let without = (events_alone && in_the_way.is_empty()).then(with_snapshots);
    // Without events it would work, if nothing else were on.
    let also = if events_alone { in_the_way } else { Vec::new() };
    Err(missing("recording", &[lacks, also].concat(), &checks, without))
}

/// Why steering failed, if something of the machine explains it; or else the error itself.
pub fn explained(root: &Root, error: SteerError) -> SteerError {
    if error.kind().is_none() {
        return error;
    }
    let checks = readiness::checks(root);
    let lacks = lacks(&checks, |check| FOR_STEERING.contains(&check.name));
    if lacks.is_empty() { error } else { missing("steering DAMON", &lacks, &checks, None) }
}

/// Why the ring could not be opened although all looked well: what may forbid it, with the present values.
pub fn no_ring(attaches: bool, root: &Root, error: SteerError) -> SteerError {
    let SteerError::Kernel(damo_kernel::Error::Perf { event, on, source, .. }) = &error else { return error };
    if source.kind() != std::io::ErrorKind::PermissionDenied {
        return error;
    }
    let checks = readiness::checks(root);
    let told = |name: &str| checks.iter().find(|check| check.name == name).map(|check| check.present.clone());
    let told: Vec<String> =
        ["perf_event_paranoid", "lockdown", "root", "container"].into_iter().filter_map(told).collect();
    let capabilities = match readiness::missing_capabilities(root).as_slice() {
        [] => "a seccomp profile".to_owned(),
        missing => format!("{} and a seccomp profile", missing.join(" and ")),
    };
    let lack = Lack {
        needed: "permission to take DAMON's events through perf".to_owned(),
        present: format!("perf_event_open for {event} on {on}: {source}; {}", told.join("; ")),
        remedy: format!(
            "run it as root on the host; a container needs --privileged, or {capabilities} that allows perf_event_open"
        ),
    };
    let without = (!attaches && in_the_way(&checks).is_empty()).then(with_snapshots);
    Problem::Missing { purpose: "recording", lacks: vec![lack], without }.into()
}

/// Kdamonds and modules that are on: while they are, none can be started for snapshots either.
fn in_the_way(checks: &[Check]) -> Vec<&Check> {
    let is_it = |check: &&Check| matches!(check.name, "kdamonds" | "modules") && check.verdict == Verdict::Limited;
    checks.iter().filter(is_it).collect()
}

/// What is missing of what is `needed`, without what follows from other things that are missing.
fn lacks(checks: &[Check], needed: impl Fn(&Check) -> bool) -> Vec<&Check> {
    let bad: Vec<&Check> = checks.iter().filter(|check| check.verdict == Verdict::Bad && needed(check)).collect();
    let is_bad = |name: &str| bad.iter().any(|check| check.name == name);
    let follows = |check: &Check| FOLLOWS.iter().any(|(from, what)| is_bad(from) && what.contains(&check.name));
    bad.iter().copied().filter(|check| !follows(check)).collect()
}

fn missing(purpose: &'static str, lacks: &[&Check], checks: &[Check], without: Option<String>) -> SteerError {
    // That this is a container, or like one, explains the rest. That /proc is another's needs no explanation.
    let is_amiss = |name: &str| checks.iter().find(|check| check.name == name && check.verdict == Verdict::Limited);
    let explains = lacks.iter().any(|check| check.name != "proc");
    let container = is_amiss("container").or_else(|| is_amiss("pid_namespace").filter(|_| explains));
    let lacks = lacks.iter().copied().chain(container).map(lack).collect();
    Problem::Missing { purpose, lacks, without }.into()
}

fn lack(check: &Check) -> Lack {
    let typed = command_line();
    let remedy = if check.remedy.starts_with("sudo damo record") {
        format!("sudo {}", typed.join(" "))
    } else {
        check.remedy.replace(readiness::SNAPSHOTS, &with_snapshots())
    };
    Lack { needed: check.needed.to_string(), present: check.present.clone(), remedy }
}

/// The command that was typed, with snapshots read now and then in place of events.
fn with_snapshots() -> String {
    let mut words = command_line();
    let at = if words.get(1).is_some_and(|word| word == "record") { 2 } else { 1 };
    words.splice(at.min(words.len())..at.min(words.len()), ["--snapshot", "1s", "60"].map(str::to_owned));
    words.join(" ")
}
