//! The simulated kdamond's parameters, as those of a real one.

use crate::options::Options;
use damo_model::kdamond::{Context, ContextTarget, Kdamond};
use damo_model::{Intervals, Ops};

/// One kdamond with its context, whose targets are the processes or the physical memory.
pub(crate) fn kdamond(options: &Options, intervals: &Intervals, nr_processes: usize) -> Kdamond {
    let target = |pid| ContextTarget { pid, regions: options.ranges.clone(), ..ContextTarget::default() };
    let targets = match options.ops {
        Ops::Paddr => vec![target(None)],
        _ => (0..nr_processes).map(|i| target(Some(crate::tell::pid(i)))).collect(),
    };
    let context = Context {
        intervals: *intervals,
        intervals_goal: options.intervals_goal,
        nr_regions: options.nr_regions,
        targets,
        schemes: options.schemes.clone(),
        ..Context::new(options.ops)
    };
    Kdamond { refresh: None, contexts: vec![context] }
}
