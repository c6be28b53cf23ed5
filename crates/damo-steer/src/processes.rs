//! Which processes DAMON can monitor, and which are old enough to be worth it.

use damo_kernel::procfs::{Procfs, Stat};
use damo_model::{Nanos, Process};

/// DAMON is not given a child that is younger. Many live for less, DAMON takes another second to see their memory, and a
/// process that is gone when DAMON is to take it makes kernels refuse all, or end DAMON (6.12).
pub const CHILD_MIN_AGE: Nanos = Nanos(1_000_000_000);
/// The most that a child must have lived before DAMON is given it, where younger ones went too soon.
const CHILD_MIN_AGE_LIMIT: Nanos = Nanos(60_000_000_000);
/// Whether the process still runs, and is the same. A zombie counts as gone.
pub fn is_same(procfs: &Procfs, process: &Process) -> bool {
    present_stat(procfs, process).is_some()
}

/// The process's stat line, if it still runs and is the same.
pub fn present_stat(procfs: &Procfs, process: &Process) -> Option<Stat> {
    procfs.stat(process.pid).ok().filter(|stat| {
        !matches!(stat.state, 'Z' | 'X' | 'x') && process.started.is_none_or(|started| started == stat.started)
    })
}

/// The least age of children after one went that had this age: children that live so short are not worth what they cost
/// the others.
pub fn longer_min_age(least_age: Nanos) -> Nanos {
    Nanos(least_age.0.saturating_mul(2)).min(CHILD_MIN_AGE_LIMIT)
}

/// Tells whether a process began so long ago.
pub fn older_than(procfs: &Procfs, age: Nanos) -> impl Fn(&Process) -> bool + use<> {
    let now = procfs.uptime().ok();
    move |process| now.zip(process.started).is_none_or(|(now, began)| now.saturating_sub(began) >= age)
}

/// The process, if DAMON can monitor it: alive, not ourselves, with an address space.
pub fn monitorable(procfs: &Procfs, pid: i32) -> Option<Process> {
    if pid == std::process::id().cast_signed() || !procfs.alive(pid) {
        return None;
    }
    let has_memory = procfs.footprint(pid, false).is_ok_and(|footprint| footprint.vsz.is_some_and(|vsz| vsz.0 > 0));
    if has_memory { procfs.process(pid).ok() } else { None }
}
