//! What there is, as text for people and as JSON for scripts.

use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::steer::Status;
use damo_kernel::sysfs::{Context, Filter, Scheme, SchemeStatus};
use damo_model::human::{Style, format_addr_range, format_nr, format_size, format_time};
use damo_model::{Bytes, Nanos, Ops};
use serde_json::{Value, json};
use std::fmt::Write;

/// The parameters in the Python tool's schema, with state, owner and statistics beside them.
pub(super) fn json(status: &Status) -> String {
    let kdamond = |kdamond: &damo_kernel::steer::Steered| {
        let mut all = crate::json::to_json(std::slice::from_ref(&kdamond.status.params));
        let mut value = all["kdamonds"][0].take();
        value["state"] = json!(if kdamond.status.on { "on" } else { "off" });
        value["pid"] = json!(kdamond.status.pid);
        value["started_by_damo"] = json!(kdamond.ours);
        for (c, schemes) in kdamond.status.schemes.iter().enumerate() {
            for (s, scheme) in schemes.iter().enumerate() {
                value["contexts"][c]["schemes"][s]["status"] = serde_json::to_value(scheme).unwrap_or(Value::Null);
            }
        }
        value
    };
    let kdamonds: Vec<Value> = status.kdamonds.iter().map(kdamond).collect();
    format!("{:#}", json!({ "kdamonds": kdamonds, "modules": status.modules }))
}

pub(super) fn text(status: &Status, root: &Root) -> String {
    let procfs = Procfs::new(root);
    let mut lines = String::new();
    // Writing to a string cannot fail.
    // Writing to a string cannot fail.
    let mut line = |text: String| _ = writeln!(lines, "{text}");
    if status.kdamonds.is_empty() {
        line("no kdamond is set up".to_owned());
    }
    for kdamond in &status.kdamonds {
        let state = match (kdamond.status.on, kdamond.status.pid) {
            (true, Some(pid)) => format!("on, thread {pid}"),
            (true, None) => "on".to_owned(),
            (false, _) => "off".to_owned(),
        };
        let whose = if kdamond.ours { ", started by `damo start`" } else { "" };
        line(format!("kdamond {}: {state}{whose}", kdamond.status.index));
        for (c, context) in kdamond.status.params.contexts.iter().enumerate() {
            line(format!("  context {c}: {}", monitoring(context)));
            for (t, target) in context.targets.iter().enumerate() {
                let who = match target.pid {
                    Some(pid) => match procfs.process(pid) {
                        Ok(process) => format!("process {pid} ({})", process.comm),
                        Err(_) => format!("process {pid}, which is gone"),
                    },
                    None => "physical memory".to_owned(),
                };
                let regions: Vec<String> =
                    target.regions.iter().map(|range| format_addr_range(*range, Style::Human)).collect();
                let within = if regions.is_empty() { String::new() } else { format!(", within {}", regions.join(" ")) };
                line(format!("    target {t}: {who}{within}"));
            }
            for (s, scheme) in context.schemes.iter().enumerate() {
                line(format!("    scheme {s}: {}", pattern(scheme)));
                for limit in limits(scheme) {
                    line(format!("      {limit}"));
                }
                if let Some(done) = kdamond.status.schemes.get(c).and_then(|schemes| schemes.get(s)) {
                    statistics(done, &mut line);
                }
            }
        }
    }
    for module in &status.modules {
        let state = match (module.enabled, module.pid) {
            (true, Some(pid)) => format!("enabled, thread {pid}"),
            (true, None) => "enabled".to_owned(),
            (false, _) => "not enabled".to_owned(),
        };
        line(format!("module {}: {state}", module.module));
    }
    lines
}

fn monitoring(context: &Context) -> String {
    let ops = match context.ops {
        Ops::Vaddr => "vaddr",
        Ops::Fvaddr => "fvaddr",
        Ops::Paddr => "paddr",
    };
    let intervals = context.intervals;
    let tuned = if context.intervals_goal.is_some() { ", tuned by the kernel" } else { "" };
    format!(
        "{ops}, sampling {}, aggregation {}, update {}{tuned}, {} to {} regions",
        time(intervals.sample),
        time(intervals.aggregation),
        time(intervals.update),
        context.nr_regions.min,
        context.nr_regions.max,
    )
}

fn pattern(scheme: &Scheme) -> String {
    let pattern = &scheme.pattern;
    let most = |value: u32| if value == u32::MAX { "max".to_owned() } else { value.to_string() };
    let node = scheme.target_nid.map(|node| format!(" to node {node}")).unwrap_or_default();
    format!(
        "{}{node} of {} to {}, accessed in {} to {} samples, for {} to {} aggregations",
        scheme.action,
        size(pattern.size.min),
        size(pattern.size.max),
        pattern.nr_accesses.min.0,
        most(pattern.nr_accesses.max.0),
        pattern.age.min.0,
        most(pattern.age.max.0),
    )
}

fn limits(scheme: &Scheme) -> Vec<String> {
    let mut limits = Vec::new();
    let quotas = &scheme.quotas;
    if quotas.time.0 > 0 || quotas.size.0 > 0 || !quotas.goals.is_empty() {
        let time_limit = if quotas.time.0 > 0 { time(quotas.time) } else { "any time".to_owned() };
        let size_limit = if quotas.size.0 > 0 { size(quotas.size) } else { "any size".to_owned() };
        limits.push(format!("quota: {time_limit} and {size_limit} per {}", time(quotas.reset_interval)));
    }
    for goal in &quotas.goals {
        limits.push(format!("goal: {} of {}, now {}", goal.metric, goal.target_value, goal.current_value));
    }
    let marks = &scheme.watermarks;
    if marks.metric != "none" {
        limits.push(format!("active by {}: high {} mid {} low {}", marks.metric, marks.high, marks.mid, marks.low));
    }
    limits.extend(scheme.filters.iter().map(filter));
    limits
}

fn filter(filter: &Filter) -> String {
    let verb = if filter.allow { "allow" } else { "reject" };
    let none = if filter.matching { "" } else { "none " };
    let what = match filter.kind.as_str() {
        "memcg" => format!(" {}", filter.memcg_path),
        "addr" => format!(" {}", format_addr_range(filter.range, Style::Human)),
        "target" => format!(" {}", filter.target),
        "hugepage_size" => format!(" {} to {}", size(filter.size.min), size(filter.size.max)),
        _ => String::new(),
    };
    format!("filter: {verb} {none}{}{what}", filter.kind)
}

fn statistics(done: &SchemeStatus, line: &mut impl FnMut(String)) {
    let stats = done.stats;
    let count = |count: u64| format_nr(count.into(), Style::Human);
    line(format!("      tried {} regions, {}", count(stats.nr_tried), size(stats.size_tried)));
    line(format!("      applied to {} regions, {}", count(stats.nr_applied), size(stats.size_applied)));
    if let Some(passed) = stats.size_filter_passed {
        line(format!("      passed filters: {}", size(passed)));
    }
    let effective = done.effective_size.filter(|effective| effective.0 > 0);
    let effective = effective.map(|effective| format!(", {} in effect", size(effective))).unwrap_or_default();
    line(format!("      quota exceeded {} times{effective}", count(stats.quota_exceeds)));
    for tried in &done.tried {
        let region = tried.region;
        let range = format_addr_range(region.range(), Style::Human);
        let age = region.age.map_or(0, |age| age.0);
        line(format!("      region {range}: {} samples, {age} aggregations", region.nr_accesses.0));
    }
}

fn time(time: Nanos) -> String {
    if time.0 == i64::MAX { "max".to_owned() } else { format_time(time, Style::Human) }
}

fn size(size: Bytes) -> String {
    if size.0 == u64::MAX { "max".to_owned() } else { format_size(size, Style::Human) }
}
