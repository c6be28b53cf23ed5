//! Setting DAMON up for processes that may end at any moment.

use crate::error::RecordError;
use crate::request::Request;
use damo_model::human::time_text;
use damo_model::{Nanos, Process};
use damo_steer::plan::{Children, Plan, TargetSpec, apply_schemes};
use damo_steer::processes::{CHILD_MIN_AGE, is_same, longer_min_age};
use damo_steer::{Machine, Notifier, SteerError};

/// How often DAMON is set up again for processes that are gone by the time that it is switched on.
pub(crate) const TRIES: u32 = 10;

/// Plans for the targets of a request. `command` is the pid of the command that was started, if one was asked for. Children
/// and members of control groups that began less than `least_age` ago are left out.
pub(crate) fn plan(
    request: &Request,
    targets: &TargetSpec,
    machine: &Machine,
    command: Option<i32>,
    least_age: Nanos,
) -> Result<Plan, SteerError> {
    let children = Children { follow: request.follow_children, least_age };
    let mut plan = damo_steer::plan::of(targets, &request.monitoring, children, machine, command)?;
    if let Some(schemes) = &request.schemes {
        apply_schemes(schemes, &mut plan.kdamonds)?;
    }
    Ok(plan)
}

/// Why DAMON could not be switched on, and for which processes it was set up.
pub(crate) struct NotStarted {
    error: RecordError,
    processes: Vec<Process>,
}

impl NotStarted {
    /// DAMON was set up for these.
    pub(crate) fn with(processes: &[Process]) -> impl Fn(RecordError) -> Self {
        move |error| Self { error, processes: processes.to_vec() }
    }
}

/// DAMON was not set up yet.
impl<E: Into<RecordError>> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self { error: error.into(), processes: Vec::new() }
    }
}

/// Does `attempt`, which plans for children of at least the age that it is given, sets DAMON up and switches it on. If that
/// failed and one of the processes has ended meanwhile, the kernel refused all of them because of that one: then it is
/// done again, each time with twice the age, so that children which come and go do not keep a recording from beginning.
pub(crate) fn until_nobody_went<T>(
    machine: &Machine,
    notifier: &mut dyn Notifier,
    mut attempt: impl FnMut(Nanos) -> Result<T, NotStarted>,
) -> Result<T, RecordError> {
    let (mut least_age, mut tries) = (CHILD_MIN_AGE, 1);
    let mut went = None;
    loop {
        let NotStarted { error, processes } = match attempt(least_age) {
            Ok(started) => {
                if let Some(Process { pid, comm, .. }) = went {
                    notifier.note(&format!(
                        "process {pid} ({}) ended while DAMON was being set up, so it was set up again. Children are \
                         monitored from an age of {} on.",
                        comm.escape_debug(),
                        time_text(least_age)
                    ));
                }
                return Ok(started);
            }
            Err(not_started) => not_started,
        };
        let Some(process) = processes.into_iter().find(|process| !is_same(&machine.procfs, process)) else {
            return Err(error);
        };
        if tries == TRIES {
            let Process { pid, comm, .. } = process;
            return Err(RecordError::ProcessWent { pid, comm, tries, error: Box::new(error) });
        }
        (least_age, tries) = (longer_min_age(least_age), tries + 1);
        went = Some(process);
    }
}
