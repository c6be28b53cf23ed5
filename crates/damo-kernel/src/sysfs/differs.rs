//! Whether the kernel was given what was asked for.

use super::params::{Context, ContextTarget, Kdamond};

impl Kdamond {
    /// The first of what decides what is monitored that another one has otherwise: what, here, there.
    pub(super) fn differs_from(&self, other: &Kdamond) -> Option<(String, String, String)> {
        let (here, there) = (self.contexts.len(), other.contexts.len());
        if here != there {
            return Some(("contexts".to_owned(), here.to_string(), there.to_string()));
        }
        let contexts = self.contexts.iter().zip(&other.contexts).enumerate();
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
