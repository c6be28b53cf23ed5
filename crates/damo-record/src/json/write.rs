//! Parameters to JSON, with the keys of the Python tool. Times are texts with their unit; counts, sizes and addresses are
//! JSON numbers, which that tool reads as well.

use damo_kernel::sysfs::{Context, ContextTarget, Filter, Goal, Kdamond, Scheme};
use damo_model::human::{Style, format_time_exact};
use damo_model::{Bytes, Nanos};
use serde_json::{Value, json};

/// {"kdamonds": [...]} as one line of text.
pub fn text(kdamonds: &[Kdamond]) -> String {
    to_json(kdamonds).to_string()
}

/// {"kdamonds": [...]}.
pub fn to_json(kdamonds: &[Kdamond]) -> Value {
    json!({ "kdamonds": kdamonds.iter().map(kdamond).collect::<Vec<_>>() })
}

fn kdamond(kdamond: &Kdamond) -> Value {
    let mut value = json!({ "contexts": kdamond.contexts.iter().map(context).collect::<Vec<_>>() });
    if let Some(refresh) = kdamond.refresh {
        value["refresh_ms"] = time(refresh);
    }
    value
}

fn context(context: &Context) -> Value {
    let intervals = context.intervals;
    let mut value = json!({
        "ops": context.ops.as_str(),
        "targets": context.targets.iter().map(target).collect::<Vec<_>>(),
        "intervals": {
            "sample_us": time(intervals.sample),
            "aggr_us": time(intervals.aggregation),
            "ops_update_us": time(intervals.update),
        },
        "nr_regions": { "min": context.nr_regions.min, "max": context.nr_regions.max },
        "schemes": context.schemes.iter().map(scheme).collect::<Vec<_>>(),
    });
    if let Some(goal) = context.intervals_goal {
        value["intervals"]["intervals_goal"] = json!({
            "access_bp": goal.access_bp,
            "aggrs": goal.aggregations,
            "min_sample_us": time(goal.min_sample),
            "max_sample_us": time(goal.max_sample),
        });
    }
    if let Some(unit) = context.addr_unit {
        value["addr_unit"] = json!(unit);
    }
    if let Some(pause) = context.pause {
        value["pause"] = json!(pause);
    }
    value
}

fn target(target: &ContextTarget) -> Value {
    let region = |range: &damo_model::AddrRange| json!({ "start": range.start.0, "end": range.end.0 });
    json!({
        "pid": target.pid,
        "obsolete": target.obsolete,
        "regions": target.regions.iter().map(region).collect::<Vec<_>>(),
    })
}

fn scheme(scheme: &Scheme) -> Value {
    let pattern = &scheme.pattern;
    let samples = |count: u32| if count == u32::MAX { json!("max") } else { json!(format!("{count} samples")) };
    let ages = |age: u32| if age == u32::MAX { json!("max") } else { json!(format!("{age} aggr_intervals")) };
    let quotas = &scheme.quotas;
    let watermarks = &scheme.watermarks;
    let mut value = json!({
        "action": scheme.action,
        "access_pattern": {
            "sz_bytes": { "min": size(pattern.size.min), "max": size(pattern.size.max) },
            "nr_accesses": { "min": samples(pattern.nr_accesses.min.0), "max": samples(pattern.nr_accesses.max.0) },
            "age": { "min": ages(pattern.age.min.0), "max": ages(pattern.age.max.0) },
        },
        "apply_interval_us": time(scheme.apply_interval),
        "quotas": {
            "time_ms": time(quotas.time),
            "sz_bytes": size(quotas.size),
            "reset_interval_ms": time(quotas.reset_interval),
            "goals": quotas.goals.iter().map(goal).collect::<Vec<_>>(),
            "weights": {
                "sz_permil": quotas.weight_size,
                "nr_accesses_permil": quotas.weight_nr_accesses,
                "age_permil": quotas.weight_age,
            },
        },
        "watermarks": {
            "metric": watermarks.metric,
            "interval_us": time(watermarks.interval),
            "high_permil": watermarks.high,
            "mid_permil": watermarks.mid,
            "low_permil": watermarks.low,
        },
        "filters": scheme.filters.iter().map(filter).collect::<Vec<_>>(),
    });
    if let Some((numerator, denominator)) = quotas.fail_charge {
        value["quotas"]["fail_charge_num"] = json!(numerator);
        value["quotas"]["fail_charge_denom"] = json!(denominator);
    }
    if !quotas.goal_tuner.is_empty() {
        value["quotas"]["goal_tuner"] = json!(quotas.goal_tuner);
    }
    if let Some(node) = scheme.target_nid {
        value["target_nid"] = json!(node);
    }
    if !scheme.dests.is_empty() {
        let dests = scheme.dests.iter().map(|dest| json!({ "id": dest.id, "weight": dest.weight }));
        value["dests"] = json!(dests.collect::<Vec<_>>());
    }
    if let Some(most) = scheme.max_nr_snapshots {
        value["max_nr_snapshots"] = json!(most);
    }
    value
}

fn goal(goal: &Goal) -> Value {
    let mut value = json!({
        "metric": goal.metric,
        "target_value": goal.target_value,
        "current_value": goal.current_value,
    });
    if let Some(node) = goal.nid {
        value["nid"] = json!(node);
    }
    if !goal.path.is_empty() {
        value["memcg_path"] = json!(goal.path);
    }
    value
}

fn filter(filter: &Filter) -> Value {
    let mut value = json!({ "filter_type": filter.kind, "matching": filter.matching, "allow": filter.allow });
    match filter.kind.as_str() {
        "memcg" => value["memcg_path"] = json!(filter.memcg_path),
        "addr" => {
            value["address_range"] = json!({ "start": filter.range.start.0, "end": filter.range.end.0 });
        }
        "target" => value["damon_target_idx"] = json!(filter.target),
        "hugepage_size" => value["hugepage_size"] = json!([size(filter.size.min), size(filter.size.max)]),
        _ => {}
    }
    value
}

fn time(time: Nanos) -> Value {
    if time.0 == i64::MAX { json!("max") } else { json!(format_time_exact(time, Style::Human)) }
}

/// Bytes; the largest number there is means that there is no bound.
fn size(bytes: Bytes) -> Value {
    if bytes.0 == u64::MAX { json!("max") } else { json!(bytes.0) }
}
