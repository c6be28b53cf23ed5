//! Whether the kernel was given what was asked for.

use damo_model::kdamond::{Context, ContextTarget, Kdamond};

/// The first of what decides what is monitored that `there` has otherwise: what, here, there.
pub(super) fn first_difference(here: &Kdamond, there: &Kdamond) -> Option<(String, String, String)> {
    let counts = (here.contexts.len(), there.contexts.len());
    if counts.0 != counts.1 {
        return Some(("contexts".to_owned(), counts.0.to_string(), counts.1.to_string()));
    }
    let contexts = here.contexts.iter().zip(&there.contexts).enumerate();
    contexts.into_iter().find_map(|(at, (here, there))| {
        let differ = |what, show: &dyn Fn(&Context) -> String| {
            let (here, there) = (show(here), show(there));
            (here != there).then(|| (format!("{what} of context {at}"), here, there))
        };
        differ("operations", &|context| context.ops.to_string())
            .or_else(|| differ("targets", &targets))
            .or_else(|| differ("intervals", &intervals))
    })
}

fn intervals(context: &Context) -> String {
    let it = context.intervals;
    // In the kernel's unit: what is finer was not asked for in earnest.
    [it.sample, it.aggregation, it.update].map(|time| format!("{} us", time.0 / 1000)).join(", ")
}

fn targets(context: &Context) -> String {
    let one = |target: &ContextTarget| {
        let pid = target.pid.map_or_else(String::new, |pid| format!("process {pid} "));
        let ranges = target.regions.iter().map(|range| format!("{:#x}-{:#x}", range.start.0, range.end.0));
        (pid + &ranges.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
    };
    context.targets.iter().map(one).collect::<Vec<_>>().join(", ")
}
