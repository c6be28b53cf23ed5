//! What there is, as text for people (80 columns) and as JSON for scripts.

use crate::error::{Result, SteerError};
use crate::modules;
use crate::steer::{Status, Steered};
use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::sysfs::{ModuleKdamond, SchemeStatus};
use damo_model::human::{Show, Style, count_text, format_hex_range, format_nr, format_size, time_text};
use damo_model::kdamond::{Context, ContextTarget, Kdamond};
use damo_model::scheme::{FilterKind, Goal, Metric, Scheme, SchemeFilter};
use damo_model::{AddrRange, Bytes, Intervals, Nanos, Ops};
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};

/// Lines that name parameters of modules are broken here.
const WIDTH: usize = 80;
/// More ranges than this are counted instead of listed.
const MANY: usize = 4;

/// Writes a line and flushes it. Gives whether somebody still reads: a reader that has seen enough is no failure.
///
/// # Errors
/// If `out` takes no more for another reason.
pub fn print(out: &mut dyn Write, text: &str) -> Result<bool> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).map_err(|e| SteerError::io("writing to standard output", e)),
    }
}

/// The parameters in the Python tool's schema, with state, owner and statistics where that schema has them.
/// `docs/steering.md` tells every key.
pub fn json(status: &Status) -> Value {
    let kdamonds: Vec<Value> = status.kdamonds.iter().map(kdamond_json).collect();
    let modules: Vec<Value> = status.modules.iter().map(modules::to_json).collect();
    json!({ "kdamonds": kdamonds, "modules": modules })
}

fn kdamond_json(kdamond: &Steered) -> Value {
    let status = &kdamond.status;
    let mut value = status.params.to_json();
    value["state"] = json!(if status.on { "on" } else { "off" });
    value["pid"] = json!(status.pid);
    value["started_by_damo"] = json!(kdamond.ours);
    for (c, schemes) in status.schemes.iter().enumerate() {
        for (s, done) in schemes.iter().enumerate() {
            let scheme = &mut value["contexts"][c]["schemes"][s];
            let stats = done.stats;
            scheme["stats"] = json!({
                "nr_tried": stats.nr_tried,
                "sz_tried": stats.sz_tried.0,
                "nr_applied": stats.nr_applied,
                "sz_applied": stats.sz_applied.0,
                "sz_ops_filter_passed": stats.sz_ops_filter_passed.map(|size| size.0),
                "qt_exceeds": stats.qt_exceeds,
                "nr_snapshots": stats.nr_snapshots,
            });
            scheme["quotas"]["effective_sz_bytes"] = json!(done.effective_size.map(|size| size.0));
            let region = |tried: &damo_kernel::sysfs::TriedRegion| {
                let mut region = json!({
                    "start": tried.region.start.0,
                    "end": tried.region.end.0,
                    "nr_accesses": tried.region.nr_accesses.0,
                    "age": tried.region.age.map(|age| age.0),
                    "sz_filter_passed": tried.filter_passed.map(|size| size.0),
                });
                if !tried.probe_hits.is_empty() {
                    region["probe_hits"] = json!(tried.probe_hits);
                }
                region
            };
            scheme["tried_regions"] = json!({
                "total_bytes": done.tried_bytes.map(|size| size.0),
                "regions": done.tried.iter().map(region).collect::<Vec<_>>(),
            });
        }
    }
    value
}

/// For people, in lines of at most 80 columns.
pub fn text(status: &Status, root: &Root) -> String {
    let procfs = Procfs::new(root);
    let mut lines = Vec::new();
    if status.kdamonds.is_empty() {
        lines.push("no kdamond is set up".to_owned());
    }
    for kdamond in &status.kdamonds {
        let found = &kdamond.status;
        let state = match (found.on, found.pid) {
            (true, Some(pid)) => format!("on (thread {pid})"),
            (true, None) => "on".to_owned(),
            (false, _) => "off".to_owned(),
        };
        let whose = match (found.on, kdamond.ours) {
            (true, true) => ", started by `damo start`",
            (true, false) if kdamond.fresh => ", not started by damo",
            (true, false) => ", not started by damo; figures may be stale",
            (false, _) => "",
        };
        lines.push(format!("kdamond {}: {state}{whose}", found.index));
        for (c, context) in found.params.contexts.iter().enumerate() {
            lines.push(format!("  context {c}: {}", bounds(context)));
            lines.extend(intervals(context).into_iter().map(|line| format!("    {line}")));
            for (t, target) in context.targets.iter().enumerate() {
                lines.push(format!("    target {t}: {}", who(context, target, &procfs)));
                lines.extend(ranges(target).into_iter().map(|line| format!("      {line}")));
            }
            for (s, scheme) in context.schemes.iter().enumerate() {
                lines.push(format!("    scheme {s}: {}", action(scheme)));
                let done = found.schemes.get(c).and_then(|schemes| schemes.get(s));
                let said = parameters(scheme, &context.intervals);
                let told = done.map(statistics).unwrap_or_default();
                lines.extend(said.into_iter().chain(told).map(|(name, what)| format!("      {name:<9}{what}")));
            }
        }
    }
    status.modules.iter().for_each(|of| module(of, &mut lines));
    lines.push(String::new());
    // Names of processes and paths of control groups are chosen by others, who may not be trusted.
    lines.iter().map(|line| line.shown().to_string()).collect::<Vec<_>>().join("\n")
}

fn module(module: &ModuleKdamond, lines: &mut Vec<String>) {
    lines.push(format!("module {}: {}", module.module, modules::state(module)));
    if !module.enabled {
        return;
    }
    let mut line = String::new();
    for (name, value) in modules::short_params(module) {
        let word = format!(" {name}={value}");
        if 2 + line.len() + word.len() > WIDTH {
            lines.push(format!(" {line}"));
            line.clear();
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push(format!(" {line}"));
    }
    lines.extend(modules::idle(module).map(|idle| format!("  idle memory: {idle}")));
}

fn bounds(context: &Context) -> String {
    let ops = context.ops;
    let paused = if context.pause == Some(true) { ", paused" } else { "" };
    let unit = context.addr_unit.filter(|unit| *unit > 1);
    let unit = unit.map(|unit| format!(", addresses in units of {unit} bytes")).unwrap_or_default();
    format!("{ops}, {} to {} regions{unit}{paused}", count(context.nr_regions.min), count(context.nr_regions.max))
}

fn intervals(context: &Context) -> Vec<String> {
    let Intervals { sample, aggregation, update } = context.intervals;
    let mut lines = vec![format!(
        "intervals: sampling {}, aggregation {}, update {}",
        time(sample),
        time(aggregation),
        time(update)
    )];
    if let Some(goal) = context.intervals_goal {
        lines.push(format!(
            "tuned to {} % of accesses in {}, sampling {} to {}",
            goal.access_bp as f64 / 100.0,
            count_text(goal.aggregations, "aggregation"),
            time(goal.min_sample),
            time(goal.max_sample)
        ));
    }
    lines
}

fn who(context: &Context, target: &ContextTarget, procfs: &Procfs) -> String {
    match target.pid {
        Some(pid) => match procfs.process(pid) {
            Ok(process) => format!("process {pid} ({})", process.comm),
            Err(_) => format!("process {pid}, which is gone"),
        },
        None if context.ops == Ops::Paddr => "physical memory".to_owned(),
        None => format!("addresses of {}", context.ops),
    }
}

fn ranges(target: &ContextTarget) -> Vec<String> {
    if target.regions.len() > MANY {
        let total = target.regions.iter().fold(0_u64, |sum, range| sum.saturating_add(range.size().0));
        return vec![format!("{} ranges, {} in all", target.regions.len(), size(Bytes(total)))];
    }
    target.regions.iter().map(|range| addresses(*range)).collect()
}

fn action(scheme: &Scheme) -> String {
    let node = scheme.target_nid.map(|node| format!(" to node {node}")).unwrap_or_default();
    let dests: Vec<String> = scheme.dests.iter().map(|dest| format!("{} (weight {})", dest.id, dest.weight)).collect();
    let dests = if dests.is_empty() { String::new() } else { format!(" to nodes {}", dests.join(", ")) };
    format!("{}{node}{dests}", scheme.action)
}

/// Names of at most 8 letters, and what is to be said of each.
type Said = Vec<(&'static str, String)>;

fn parameters(scheme: &Scheme, intervals: &Intervals) -> Said {
    let pattern = scheme.access_pattern.resolve(intervals);
    let possible = intervals.aggregation.0 as f64 / intervals.sample.0.max(1) as f64;
    let rate = |samples: u32| {
        if samples == u32::MAX { "max".to_owned() } else { format!("{:.0} %", f64::from(samples) * 100.0 / possible) }
    };
    let samples = |samples: u32| if samples == u32::MAX { "max".to_owned() } else { samples.to_string() };
    let accesses = pattern.nr_accesses;
    let mut said = vec![
        ("size", format!("{} to {}", size(pattern.size.min), size(pattern.size.max))),
        (
            "rate",
            format!(
                "{} to {} ({} to {} samples)",
                rate(accesses.min.0),
                rate(accesses.max.0),
                samples(accesses.min.0),
                samples(accesses.max.0)
            ),
        ),
        ("age", format!("{} to {}", age(pattern.age.min.0, intervals), age(pattern.age.max.0, intervals))),
    ];
    if scheme.apply_interval.0 > 0 {
        said.push(("applied", format!("every {}", time(scheme.apply_interval))));
    }
    let quotas = &scheme.quotas;
    if quotas.is_limited() {
        let time_limit = (quotas.time.0 > 0).then(|| time(quotas.time));
        let size_limit = (quotas.size.0 > 0).then(|| size(quotas.size));
        let both: Vec<String> = time_limit.into_iter().chain(size_limit).collect();
        let limit = if both.is_empty() { "by goals".to_owned() } else { both.join(" and ") };
        said.push(("quota", format!("{limit} per {}", time(quotas.reset_interval))));
        let weights = [quotas.weights.size, quotas.weights.nr_accesses, quotas.weights.age];
        if weights.iter().any(|weight| *weight > 0) {
            said.push(("", format!("weights: size {}, rate {}, age {}", weights[0], weights[1], weights[2])));
        }
        if let Some(tuner) = quotas.goal_tuner.filter(|_| !quotas.goals.is_empty()) {
            said.push(("", format!("tuner: {tuner}")));
        }
        if let Some((numerator, denominator)) = quotas.fail_charge_num.zip(quotas.fail_charge_denom) {
            said.push(("", format!("{numerator} of {denominator} of what failed is charged")));
        }
    }
    said.extend(quotas.goals.iter().map(|of| ("goal", goal(of))));
    let marks = &scheme.watermarks;
    if marks.is_on() {
        let permil = |mark: u32| format!("{} %", f64::from(mark) / 10.0);
        let (low, mid, high) = (permil(marks.low), permil(marks.mid), permil(marks.high));
        said.push(("active", format!("while {} is {low} to {high}, from {mid} on", marks.metric)));
        said.push(("", format!("looked at every {}", time(marks.interval))));
    }
    said.extend(scheme.filters.iter().map(|of| ("filter", filter(of))));
    if let Some(most) = scheme.max_nr_snapshots {
        said.push(("ends", format!("after {}", count_text(most, "snapshot"))));
    }
    said
}

fn goal(goal: &Goal) -> String {
    let value = |value: u64| match goal.metric {
        Metric::SomeMemPsiUs => time(Nanos::from_micros(i64::try_from(value).unwrap_or(i64::MAX))),
        metric if metric.as_str().ends_with("_bp") => format!("{} %", value as f64 / 100.0),
        _ => count(value),
    };
    let node = goal.nid.map(|node| format!(" on node {node}")).unwrap_or_default();
    let path = goal.memcg_path.as_ref().map(|path| format!(" of {path}")).unwrap_or_default();
    // The kernel fills in the present value of nothing but what the user tells it.
    let current = goal.current_value.filter(|_| goal.metric == Metric::UserInput);
    let now = current.map(|current| format!(", now {}", value(current))).unwrap_or_default();
    format!("{} {}{node}{path}{now}", goal.metric, value(goal.target_value))
}

fn filter(filter: &SchemeFilter) -> String {
    let what = match &filter.kind {
        FilterKind::Memcg(path) => format!(" {path}"),
        FilterKind::Addr(range) => format!(" {}", addresses(*range)),
        FilterKind::Target(index) => format!(" {index}"),
        FilterKind::HugepageSize(sizes) => format!(" {} to {}", size(sizes.min), size(sizes.max)),
        _ => String::new(),
    };
    filter.rule() + &what
}

fn statistics(done: &SchemeStatus) -> Said {
    let stats = done.stats;
    let mut said = vec![
        ("tried", format!("{}, {}", count_text(stats.nr_tried, "region"), size(stats.sz_tried))),
        ("changed", format!("{}, {}", count_text(stats.nr_applied, "region"), size(stats.sz_applied))),
    ];
    if let Some(passed) = stats.sz_ops_filter_passed {
        said.push(("passed", format!("{} came through the filters", size(passed))));
    }
    if let Some(snapshots) = stats.nr_snapshots {
        said.push(("looked", format!("at {}", count_text(snapshots, "snapshot"))));
    }
    let effective = done.effective_size.filter(|effective| effective.0 > 0);
    if stats.qt_exceeds > 0 || effective.is_some() {
        let effective = effective.map(|effective| format!(", {} in effect", size(effective))).unwrap_or_default();
        said.push(("used up", format!("the quota {}{effective}", count_text(stats.qt_exceeds, "time"))));
    }
    for tried in &done.tried {
        let region = tried.region;
        let range = addresses(region.range());
        let age = region.age.map_or(0, |age| age.0);
        said.push(("region", range));
        said.push((
            "",
            format!("{}, {}", count_text(region.nr_accesses.0.into(), "sample"), count_text(age.into(), "aggregation")),
        ));
    }
    said
}

/// What a change of intervals did to schemes that were not named: they count in samples and aggregations.
pub fn changed_meaning(before: &[Kdamond], after: &[Kdamond]) -> Vec<String> {
    let contexts = |kdamonds: &[Kdamond]| -> Vec<Context> {
        kdamonds.iter().flat_map(|kdamond| kdamond.contexts.clone()).collect()
    };
    let mut notes = Vec::new();
    for (before, after) in contexts(before).iter().zip(&contexts(after)) {
        for (s, (old, new)) in before.schemes.iter().zip(&after.schemes).enumerate() {
            let said = |scheme: &Scheme, context: &Context, name: &str| {
                let all = parameters(scheme, &context.intervals);
                all.into_iter().find(|(known, _)| *known == name).map(|(_, what)| what).unwrap_or_default()
            };
            let same = [
                ("rate", old.access_pattern.nr_accesses == new.access_pattern.nr_accesses),
                ("age", old.access_pattern.age == new.access_pattern.age),
            ];
            for (name, _) in same.into_iter().filter(|(_, same)| *same) {
                let (was, is) = (said(old, before, name), said(new, after, name));
                if was != is {
                    notes.push(format!(
                        "scheme {s} counts in samples and aggregations, so that its {name} of {was} became {is}. To keep \
                         times and rates, name them again."
                    ));
                }
            }
        }
    }
    notes
}

fn age(aggregations: u32, intervals: &Intervals) -> String {
    if aggregations == u32::MAX {
        return "max".to_owned();
    }
    time(Nanos(intervals.aggregation.0.saturating_mul(i64::from(aggregations))))
}

fn addresses(range: AddrRange) -> String {
    format!("{} ({})", format_hex_range(range), size(range.size()))
}

fn count(count: u64) -> String {
    format_nr(count.into(), Style::Human)
}

fn time(time: Nanos) -> String {
    if time.0 == i64::MAX { "max".to_owned() } else { time_text(time) }
}

fn size(size: Bytes) -> String {
    if size.0 == u64::MAX { "max".to_owned() } else { format_size(size, Style::Human) }
}
