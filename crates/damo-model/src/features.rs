//! What DAMON can do since which release, by the names that records, `damo features` and scripts have for it, and where the
//! kernel shows it.

use Shows::*;

/// The event that tells which sampling interval auto-tuning chose.
pub const TUNE_EVENT: &str = "damon_monitor_intervals_tune";

/// Where a feature shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// As a file in the tree itself, always.
    Tree(&'static str),
    /// Below any kdamond.
    Kdamond(&'static str),
    /// Below any context.
    Context(&'static str),
    /// Below any target.
    Target(&'static str),
    /// Below any scheme.
    Scheme(&'static str),
    /// Below any filter of a scheme.
    Filter(&'static str),
    /// Below any goal of a scheme's quotas.
    Goal(&'static str),
    /// As an event.
    Event(&'static str),
}

/// All that this version knows of: name, what it is for, the release that brought it, and where it shows.
pub const FEATURES: [(&str, &str, &str, Shows); 34] = [
    ("sysfs", "control through sysfs", "5.18", Tree("nr_kdamonds")),
    ("sysfs/avail_operations", "list of operations sets", "5.19", Context("avail_operations")),
    ("sysfs/tried_regions", "regions that schemes were tried on", "6.2", Scheme("tried_regions")),
    ("sysfs/filters", "scheme filters", "6.3", Scheme("filters")),
    ("sysfs/tried_bytes", "size of tried regions", "6.6", Scheme("tried_regions/total_bytes")),
    ("sysfs/filter_addr", "address filters", "6.6", Filter("addr_start")),
    ("sysfs/filter_target", "target filters", "6.6", Filter("damon_target_idx")),
    ("sysfs/apply_interval", "apply interval of schemes", "6.7", Scheme("apply_interval_us")),
    ("sysfs/quota_goals", "quota goals", "6.8", Scheme("quotas/goals")),
    ("sysfs/effective_bytes", "quota in effect", "6.9", Scheme("quotas/effective_bytes")),
    ("sysfs/goal_metric", "metrics of quota goals", "6.9", Goal("target_metric")),
    ("sysfs/target_nid", "migration to a NUMA node", "6.11", Scheme("target_nid")),
    ("sysfs/ops_filter_passed", "count of bytes that passed filters", "6.14", Scheme("stats/sz_ops_filter_passed")),
    ("sysfs/filter_allow", "filters that allow", "6.14", Filter("allow")),
    ("sysfs/intervals_goal", "auto-tuning of intervals", "6.15", Context("monitoring_attrs/intervals/intervals_goal")),
    ("sysfs/core_ops_filters", "separate core and operations filters", "6.15", Scheme("core_filters")),
    ("sysfs/filter_hugepage_size", "huge page size filters", "6.15", Filter("min")),
    ("sysfs/goal_nid", "quota goals on a NUMA node", "6.16", Goal("nid")),
    ("sysfs/dests", "migration to several nodes", "6.17", Scheme("dests")),
    ("sysfs/refresh_ms", "files refreshed by the kernel", "6.17", Kdamond("refresh_ms")),
    ("sysfs/addr_unit", "address unit", "6.18", Context("addr_unit")),
    ("sysfs/obsolete_target", "removal of single targets", "6.19", Target("obsolete_target")),
    ("sysfs/goal_path", "quota goals on a memory cgroup", "6.19", Goal("path")),
    ("sysfs/max_nr_snapshots", "schemes that end by themselves", "7.0", Scheme("stats/max_nr_snapshots")),
    ("sysfs/goal_tuner", "choice of goal tuners", "7.1", Scheme("quotas/goal_tuner")),
    ("sysfs/fail_charge", "charge for failed actions", "7.2", Scheme("quotas/fail_charge_num")),
    ("sysfs/pause", "pausing a context", "7.2", Context("pause")),
    ("sysfs/probes", "attribute probes", "7.2", Context("monitoring_attrs/probes")),
    ("trace/damon_aggregated", "snapshots through tracing", "5.15", Event("damon_aggregated")),
    (
        "trace/damon_region_aggregated",
        "snapshots with probe hits through tracing",
        "7.2",
        Event("damon_region_aggregated"),
    ),
    ("trace/damos_before_apply", "scheme applications through tracing", "6.7", Event("damos_before_apply")),
    ("trace/damon_monitor_intervals_tune", "chosen intervals", "6.17", Event(TUNE_EVENT)),
    ("trace/damos_esz", "quota in effect through tracing", "6.17", Event("damos_esz")),
    (
        "trace/damos_stat_after_apply_interval",
        "scheme statistics through tracing",
        "7.0",
        Event("damos_stat_after_apply_interval"),
    ),
];
