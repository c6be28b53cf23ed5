//! Typed parameters to the tree's files, in an order that the kernel takes. A number of directories is written only if
//! it is another one: writing it makes all of them anew. Files that only newer kernels have are written where they
//! exist; where they do not, anything but their default is refused with the release that brought them.

use super::{Dir, Sysfs};
use crate::error::{Error, Result};
use crate::io::Root;
use damo_model::kdamond::{Context, ContextTarget, Kdamond, Probe};
use damo_model::scheme::{FilterKind, Goal, GoalTuner, Metric, Quotas, Scheme, SchemeFilter};
use damo_model::{Intervals, IntervalsGoal, Nanos};
use std::fmt::Display;
use std::io;

/// A file that not every kernel has: what it is for, and the release that brought it.
struct Since(&'static str, &'static str);

impl<'r> Dir<'r> {
    pub(super) fn set(&self, name: &str, value: impl Display) -> Result<()> {
        let path = self.path(name);
        write_file(self.root, &path, &value.to_string())
    }

    /// Where the file is missing, `default` is what the kernel does anyway.
    fn set_newer<T: Display + PartialEq>(&self, name: &str, value: T, default: T, feature: Since) -> Result<()> {
        if self.has(name) {
            return self.set(name, value);
        }
        if value == default { Ok(()) } else { Err(self.missing(name, feature)) }
    }

    fn missing(&self, name: &str, feature: Since) -> Error {
        Error::Missing { what: feature.0.to_owned(), path: self.root.shown(&self.path(name)), since: feature.1 }
    }

    /// Writes a number only if it is another one.
    pub(super) fn count(&self, name: &str, count: usize) -> Result<()> {
        let present: usize = self.root.read_number(&self.path(name))?;
        if present == count { Ok(()) } else { self.set(name, count) }
    }

    fn write_each<T>(
        &self,
        dir: &str,
        count: &str,
        items: &[T],
        write: impl Fn(&Dir<'r>, &T) -> Result<()>,
    ) -> Result<()> {
        let below = self.below(dir);
        below.count(count, items.len())?;
        for (at, item) in items.iter().enumerate() {
            write(&below.below(&at.to_string()), item)?;
        }
        Ok(())
    }

    pub(super) fn write_kdamond(&self, kdamond: &Kdamond) -> Result<()> {
        let refresh = kdamond.refresh.unwrap_or(Nanos(0));
        self.set_newer("refresh_ms", millis(refresh), 0, Since("refreshing files by itself", "6.17"))?;
        self.write_each("contexts", "nr_contexts", &kdamond.contexts, Dir::write_context)
    }

    fn write_context(&self, context: &Context) -> Result<()> {
        self.set("operations", context.ops)?;
        let attrs = self.below("monitoring_attrs");
        let intervals = attrs.below("intervals");
        intervals.set("sample_us", micros(context.intervals.sample))?;
        intervals.set("aggr_us", micros(context.intervals.aggregation))?;
        intervals.set("update_us", micros(context.intervals.update))?;
        intervals.write_goal(context.intervals_goal)?;
        attrs.set("nr_regions/min", context.nr_regions.min)?;
        attrs.set("nr_regions/max", context.nr_regions.max)?;
        // Always, where there are probes: one that was left makes 7.3 count no accesses if it has a weight.
        if attrs.has("probes") {
            attrs.write_each("probes", "nr_probes", &context.probes, Dir::write_probe)?;
        } else if !context.probes.is_empty() {
            return Err(attrs.missing("probes", Since("attribute probes", "7.2")));
        }
        let pause = yes(context.pause.unwrap_or(false));
        self.set_newer("pause", pause, "N", Since("pausing a context", "7.2"))?;
        self.set_newer("addr_unit", context.addr_unit.unwrap_or(1), 1, Since("an address unit", "6.18"))?;
        self.write_targets(&context.targets)?;
        self.write_each("schemes", "nr_schemes", &context.schemes, |dir, scheme| {
            dir.write_scheme(scheme, &context.intervals)
        })
    }

    fn write_probe(&self, probe: &Probe) -> Result<()> {
        self.set_newer("weight", probe.weight, 0, Since("weights of attribute probes", "7.3"))?;
        self.write_each("filters", "nr_filters", &probe.filters, |dir, filter| {
            dir.set("type", &filter.kind)?;
            if let FilterKind::Memcg(path) = &filter.kind {
                dir.set("path", path)?;
            }
            dir.set("allow", yes(filter.allow))?;
            dir.set("matching", yes(filter.matching))
        })
    }

    fn write_goal(&self, goal: Option<IntervalsGoal>) -> Result<()> {
        let dir = self.below("intervals_goal");
        if !dir.has("aggrs") {
            return match goal {
                Some(_) => Err(dir.missing("aggrs", Since("tuning of the intervals", "6.15"))),
                None => Ok(()),
            };
        }
        let goal = goal.unwrap_or_default();
        dir.set("access_bp", goal.access_bp)?;
        dir.set("aggrs", goal.aggregations)?;
        dir.set("min_sample_us", micros(goal.min_sample))?;
        dir.set("max_sample_us", micros(goal.max_sample))
    }

    pub(super) fn write_targets(&self, targets: &[ContextTarget]) -> Result<()> {
        self.write_each("targets", "nr_targets", targets, Dir::write_target)
    }

    fn write_target(&self, target: &ContextTarget) -> Result<()> {
        match target.pid {
            Some(pid) => self.set("pid_target", pid)?,
            // The directory may be one that had a process before.
            None if self.root.read_number::<i64>(&self.path("pid_target"))? != 0 => self.set("pid_target", 0)?,
            None => {}
        }
        let obsolete = if target.obsolete { "Y" } else { "N" };
        self.set_newer("obsolete_target", obsolete, "N", Since("removing single targets", "6.19"))?;
        self.write_each("regions", "nr_regions", &target.regions, |dir, region| {
            dir.set("start", region.start.0)?;
            dir.set("end", region.end.0)
        })
    }

    fn write_scheme(&self, scheme: &Scheme, intervals: &Intervals) -> Result<()> {
        let dir = self.below("access_pattern");
        let pattern = scheme.access_pattern.resolve(intervals);
        dir.set("sz/min", pattern.size.min.0)?;
        dir.set("sz/max", pattern.size.max.0)?;
        dir.set("nr_accesses/min", pattern.nr_accesses.min.0)?;
        dir.set("nr_accesses/max", pattern.nr_accesses.max.0)?;
        dir.set("age/min", pattern.age.min.0)?;
        dir.set("age/max", pattern.age.max.0)?;
        self.set("action", scheme.action)?;
        if self.has("dests") {
            self.write_each("dests", "nr_dests", &scheme.dests, |dir, dest| {
                dir.set("id", dest.id)?;
                dir.set("weight", dest.weight)
            })?;
        } else if !scheme.dests.is_empty() {
            return Err(self.missing("dests", Since("migrating to several nodes", "6.17")));
        }
        self.below("quotas").write_quotas(&scheme.quotas)?;
        let marks = self.below("watermarks");
        marks.set("metric", scheme.watermarks.metric)?;
        marks.set("interval_us", micros(scheme.watermarks.interval))?;
        marks.set("high", scheme.watermarks.high)?;
        marks.set("mid", scheme.watermarks.mid)?;
        marks.set("low", scheme.watermarks.low)?;
        self.set_newer("target_nid", scheme.target_nid.unwrap_or(-1), -1, Since("migration to a NUMA node", "6.11"))?;
        self.write_filters(&scheme.filters)?;
        let apply = micros(scheme.apply_interval);
        self.set_newer("apply_interval_us", apply, 0, Since("an apply interval of its own", "6.7"))?;
        let snapshots = scheme.max_nr_snapshots.unwrap_or(0);
        self.set_newer("stats/max_nr_snapshots", snapshots, 0, Since("a largest number of snapshots", "7.0"))
    }

    fn write_quotas(&self, quotas: &Quotas) -> Result<()> {
        let (mut size, mut reset_interval) = (quotas.size, millis(quotas.reset_interval));
        if self.is_running && !quotas.is_limited() && self.has_quota()? {
            // It counts from the next reset on.
            (size, reset_interval) =
                (Quotas::UNLIMITED, reset_interval.min(self.root.read_number(&self.path("reset_interval_ms"))?));
        }
        self.set("ms", millis(quotas.time))?;
        self.set("bytes", size.0)?;
        self.set("reset_interval_ms", reset_interval)?;
        self.set("weights/sz_permil", quotas.weights.size)?;
        self.set("weights/nr_accesses_permil", quotas.weights.nr_accesses)?;
        self.set("weights/age_permil", quotas.weights.age)?;
        if self.has("goals") {
            self.write_each("goals", "nr_goals", &quotas.goals, Dir::write_quota_goal)?;
        } else if !quotas.goals.is_empty() {
            return Err(self.missing("goals", Since("a quota goal", "6.8")));
        }
        // The directory may be one that had a scheme with other values before.
        let (numerator, denominator) = quotas.fail_charge_num.zip(quotas.fail_charge_denom).unwrap_or((0, 0));
        let feature = || Since("a charge for failed actions", "7.2");
        self.set_newer("fail_charge_num", numerator, 0, feature())?;
        self.set_newer("fail_charge_denom", denominator, 0, feature())?;
        // Before there was a choice it was always this one.
        let tuner = quotas.goal_tuner.unwrap_or(GoalTuner::Consist);
        self.set_newer("goal_tuner", tuner, GoalTuner::Consist, Since("a choice of goal tuners", "7.1"))
    }

    /// Whether the files say that there is one.
    fn has_quota(&self) -> Result<bool> {
        for file in ["ms", "bytes", "goals/nr_goals"] {
            if self.has(file) && self.root.read_number::<u64>(&self.path(file))? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn write_quota_goal(&self, goal: &Goal) -> Result<()> {
        self.set_newer("target_metric", goal.metric, Metric::UserInput, Since("metrics of quota goals", "6.9"))?;
        if let Some(nid) = goal.nid {
            self.set_newer("nid", nid, -1, Since("quota goals on a NUMA node", "6.16"))?;
        }
        if let Some(path) = goal.memcg_path.as_deref() {
            self.set_newer("path", path, "", Since("quota goals on a memory cgroup", "6.19"))?;
        }
        self.set("target_value", goal.target_value)?;
        self.set("current_value", goal.current_value.unwrap_or(0))
    }

    fn write_filters(&self, filters: &[SchemeFilter]) -> Result<()> {
        if self.has("core_filters") {
            // Filters left in the directory that the two replaced would be applied as well.
            if self.has("filters") {
                self.below("filters").count("nr_filters", 0)?;
            }
            let (core, ops): (Vec<_>, Vec<_>) = filters.iter().cloned().partition(|filter| filter.kind.is_core());
            self.write_each("core_filters", "nr_filters", &core, Dir::write_filter)?;
            return self.write_each("ops_filters", "nr_filters", &ops, Dir::write_filter);
        }
        if self.has("filters") {
            return self.write_each("filters", "nr_filters", filters, Dir::write_filter);
        }
        if filters.is_empty() { Ok(()) } else { Err(self.missing("filters", Since("a filter", "6.3"))) }
    }

    fn write_filter(&self, filter: &SchemeFilter) -> Result<()> {
        self.set("type", &filter.kind)?;
        let allow = |name: &str| self.set_newer(name, yes(filter.allow), "N", Since("a filter that allows", "6.14"));
        allow(if self.has("pass") && !self.has("allow") { "pass" } else { "allow" })?;
        match &filter.kind {
            FilterKind::Memcg(path) => self.set("memcg_path", path)?,
            FilterKind::Addr(range) => {
                self.set_newer("addr_start", range.start.0, 0, Since("an address filter", "6.6"))?;
                self.set_newer("addr_end", range.end.0, 0, Since("an address filter", "6.6"))?;
            }
            FilterKind::Target(index) => self.set("damon_target_idx", index)?,
            FilterKind::HugepageSize(sizes) => {
                self.set_newer("min", sizes.min.0, 0, Since("a huge page size filter", "6.15"))?;
                self.set_newer("max", sizes.max.0, 0, Since("a huge page size filter", "6.15"))?;
            }
            _ => {}
        }
        self.set("matching", yes(filter.matching))
    }
}

fn yes(yes: bool) -> &'static str {
    if yes { "Y" } else { "N" }
}

fn micros(time: Nanos) -> i64 {
    time.as_micros().max(0)
}

fn millis(time: Nanos) -> u64 {
    // The kernel cuts milliseconds down to 32 bits; all ones are what it takes for "never".
    if time.0 == i64::MAX { u64::MAX } else { u64::try_from(time.0 / 1_000_000).unwrap_or(0) }
}

/// Writes one file; an error says what is usually behind it.
pub(super) fn write_file(root: &Root, rel: &str, value: &str) -> Result<()> {
    root.io().write(rel, value).map_err(|source| {
        let remedy = in_the_way(root, rel, value, &source).unwrap_or_else(|| remedy(rel, value, &source));
        Error::Write { path: root.shown(rel), value: value.to_owned(), source, remedy }
    })
}

/// The kernel module that keeps a kdamond from going on, if one does, and how to switch it off.
fn in_the_way(root: &Root, rel: &str, value: &str, error: &io::Error) -> Option<String> {
    if !rel.ends_with("/state") || value != "on" || error.raw_os_error() != Some(libc::EBUSY) {
        return None;
    }
    let module = Sysfs::new(root).modules().into_iter().find(|module| module.enabled)?.module;
    let enabled = root.shown(&format!("sys/module/{module}/parameters/enabled"));
    Some(format!(
        "The kernel module {module} runs a kdamond, and while it does the kernel starts no other. Switch it off first: echo \
         N > {}; or let it be switched off and on again: --pause_modules; or record what it does: `damo record` without a \
         target",
        enabled.display()
    ))
}

/// What is behind an errno, by the file and the value.
fn remedy(rel: &str, value: &str, error: &io::Error) -> String {
    let name = rel.rsplit('/').next().unwrap_or_default();
    let text = match (name, value, error.raw_os_error()) {
        (_, _, Some(libc::EACCES)) => "DAMON is for root only: run it with sudo",
        (_, _, Some(libc::EROFS)) => "The tree is mounted read-only, as in a container: run it on the host itself",
        ("state", "on", Some(libc::EBUSY)) => {
            "This kdamond is on already, or another one of DAMON's users (damon_reclaim, damon_lru_sort, damon_stat) is: \
             see `damo status`"
        }
        ("state", "on", Some(libc::EINVAL)) => {
            "The kernel does not tell which parameter it refuses: the target process must live, the aggregation interval \
             must not be shorter than the sampling interval, at least 3 regions must be allowed and the largest number \
             must not be below the least, and ranges must ascend without overlap"
        }
        ("state", "on", Some(libc::ESRCH)) => "The target process is gone",
        ("state", "on", Some(libc::ENOMEM)) => "The kernel has no memory left for DAMON's regions",
        ("state", "off", Some(libc::EPERM)) => "It ended by itself already, as it does when its targets exit",
        ("state", "commit", Some(libc::EINVAL)) => {
            "It does not run any more, or a staged parameter is not valid (intervals, region bounds, ranges, a dead \
             process)"
        }
        ("state", _, Some(libc::EBUSY)) => "The kdamond is busy with another command; try again",
        ("state", _, Some(libc::EINVAL)) => "The kdamond does not run, or this kernel does not know the command",
        ("nr_kdamonds", _, Some(libc::EBUSY)) => {
            "While a kdamond is on, their number cannot be changed: stop it first (`damo stop`), or record what it does \
             by leaving the target out"
        }
        ("nr_contexts", _, Some(libc::EINVAL)) => "Present kernels take one context per kdamond: use several kdamonds",
        ("operations", _, Some(libc::EINVAL)) => {
            "This kernel is built without it: CONFIG_DAMON_VADDR is for vaddr and fvaddr, CONFIG_DAMON_PADDR for paddr; \
             see `avail_operations` in the same directory"
        }
        ("action", _, Some(libc::EINVAL)) => "This kernel does not know that action; see its DAMON documents",
        ("type" | "target_metric" | "metric", _, Some(libc::EINVAL)) => {
            "This kernel does not know that word; a newer one may"
        }
        ("pid_target", _, Some(libc::EINVAL)) => "There is no such process in this pid namespace",
        _ => "",
    };
    text.to_owned()
}
