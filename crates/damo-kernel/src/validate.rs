//! Parameters that the kernel would refuse with a bare `EINVAL`, or take and misread, are refused here with a sentence
//! before the first write.

use crate::error::{Error, Result};
use crate::sysfs::{Context, Kdamond, Scheme};
use damo_model::human::format_hex_range;
use damo_model::{Nanos, Ops};

/// Checks all parameters.
///
/// # Errors
/// [`Error::Invalid`] for the first one that will not do.
pub fn kdamonds(kdamonds: &[Kdamond]) -> Result<()> {
    if kdamonds.is_empty() {
        return Err(invalid("kdamonds", "none", "there must be at least one"));
    }
    for (k, kdamond) in kdamonds.iter().enumerate() {
        if kdamond.contexts.is_empty() {
            return Err(invalid(&format!("kdamond {k}"), "no context", "a kdamond needs one to run"));
        }
        if kdamond.contexts.len() > 1 {
            let value = format!("{} contexts", kdamond.contexts.len());
            return Err(invalid(&format!("kdamond {k}"), &value, "kernels take one: make a kdamond of each"));
        }
        for (c, context) in kdamond.contexts.iter().enumerate() {
            check_context(&format!("kdamond {k}, context {c}"), context)?;
        }
    }
    Ok(())
}

/// Checks what only beginning needs: in a commit a target without ranges keeps those that it has.
///
/// # Errors
/// [`Error::Invalid`] for a target of physical addresses without any, of which nothing would ever be told.
pub(crate) fn beginning(kdamonds: &[Kdamond]) -> Result<()> {
    for (k, context) in
        kdamonds.iter().enumerate().flat_map(|(k, kdamond)| kdamond.contexts.iter().map(move |c| (k, c)))
    {
        let empty = context.targets.iter().position(|target| target.regions.is_empty() && !target.obsolete);
        if let Some(t) = empty.filter(|_| context.ops == Ops::Paddr) {
            let what = format!("kdamond {k}, target {t}");
            return Err(invalid(
                &what,
                "no range",
                "physical memory is monitored in the ranges given: give at least one",
            ));
        }
    }
    Ok(())
}

pub(crate) fn same_number(staged: usize, given: usize) -> Result<()> {
    if staged == given {
        return Ok(());
    }
    Err(invalid("number of kdamonds", &given.to_string(), &format!("{staged} run, and a commit cannot change that")))
}

fn invalid(what: &str, value: &str, why: &str) -> Error {
    Error::Invalid { what: what.to_owned(), value: value.to_owned(), why: why.to_owned() }
}

fn micros(time: Nanos) -> String {
    format!("{} us", time.as_micros())
}

fn check_context(at: &str, context: &Context) -> Result<()> {
    let intervals = &context.intervals;
    let named = [("sampling", intervals.sample), ("aggregation", intervals.aggregation), ("update", intervals.update)];
    for (name, interval) in named {
        if interval.as_micros() <= 0 {
            return Err(invalid(&format!("{at}, {name} interval"), &micros(interval), "it must be at least 1 us"));
        }
    }
    if intervals.aggregation < intervals.sample {
        let why = format!("it must not be shorter than the sampling interval ({})", micros(intervals.sample));
        return Err(invalid(&format!("{at}, aggregation interval"), &micros(intervals.aggregation), &why));
    }
    let bounds = context.nr_regions;
    if bounds.min < 3 {
        let why = "the kernel needs at least 3";
        return Err(invalid(&format!("{at}, minimum number of regions"), &bounds.min.to_string(), why));
    }
    if bounds.max < bounds.min {
        let why = format!("it must not be below the minimum ({})", bounds.min);
        return Err(invalid(&format!("{at}, maximum number of regions"), &bounds.max.to_string(), &why));
    }
    if let Some(goal) = context.intervals_goal {
        let what = format!("{at}, intervals goal");
        if goal.access_bp == 0 || goal.access_bp > 10_000 {
            return Err(invalid(&what, &goal.access_bp.to_string(), "the ratio must be 1 to 10000 basis points"));
        }
        if goal.min_sample > goal.max_sample {
            let why = format!("the least sampling interval is above the largest ({})", micros(goal.max_sample));
            return Err(invalid(&what, &micros(goal.min_sample), &why));
        }
    }
    check_targets(at, context)?;
    for (s, scheme) in context.schemes.iter().enumerate() {
        check_scheme(&format!("{at}, scheme {s}"), scheme, context)?;
    }
    Ok(())
}

fn check_targets(at: &str, context: &Context) -> Result<()> {
    if context.targets.is_empty() && context.ops != Ops::Paddr {
        return Err(invalid(&format!("{at}, targets"), "none", "virtual address spaces need a process each"));
    }
    for (t, target) in context.targets.iter().enumerate() {
        let at = format!("{at}, target {t}");
        match (context.ops, target.pid) {
            (Ops::Paddr, Some(pid)) => {
                return Err(invalid(&at, &pid.to_string(), "physical addresses belong to no process"));
            }
            (Ops::Vaddr | Ops::Fvaddr, None) => {
                return Err(invalid(&at, "no pid", "a virtual address space is given by a process"));
            }
            _ => {}
        }
        if context.ops == Ops::Fvaddr && target.regions.is_empty() {
            return Err(invalid(&at, "no range", "fvaddr monitors fixed ranges: give at least one"));
        }
        let mut last = None;
        for range in &target.regions {
            let text = format_hex_range(*range);
            if range.start >= range.end {
                return Err(invalid(&at, &text, "a range must end after it begins"));
            }
            if last.is_some_and(|last| range.start < last) {
                return Err(invalid(&at, &text, "ranges must ascend and not overlap"));
            }
            last = Some(range.end);
        }
    }
    Ok(())
}

fn check_scheme(at: &str, scheme: &Scheme, context: &Context) -> Result<()> {
    let pattern = &scheme.pattern;
    let bounds = [
        ("sizes", pattern.size.min.0, pattern.size.max.0),
        ("nr_accesses", pattern.nr_accesses.min.0.into(), pattern.nr_accesses.max.0.into()),
        ("ages", pattern.age.min.0.into(), pattern.age.max.0.into()),
    ];
    for (name, min, max) in bounds {
        if min > max {
            let what = format!("{at}, {name}");
            return Err(invalid(&what, &format!("{min}..{max}"), "the least is above the largest: nothing matches"));
        }
    }
    let quotas = &scheme.quotas;
    if (!quotas.goals.is_empty() || quotas.time.0 > 0 || quotas.size.0 > 0) && quotas.reset_interval.0 < 1_000_000 {
        let why = "a quota or a quota goal needs the interval after which it is reset, at least 1 ms";
        return Err(invalid(&format!("{at}, quota reset interval"), "0", why));
    }
    let marks = &scheme.watermarks;
    if marks.metric != "none" && !(marks.high >= marks.mid && marks.mid >= marks.low) {
        let value = format!("high {} mid {} low {}", marks.high, marks.mid, marks.low);
        return Err(invalid(&format!("{at}, watermarks"), &value, "they must descend: high, mid, low"));
    }
    for (f, filter) in scheme.filters.iter().enumerate() {
        let at = format!("{at}, filter {f}");
        match filter.kind.as_str() {
            "memcg" if !filter.memcg_path.starts_with('/') => {
                let why = "the path of a memory cgroup begins with / (below the cgroup mount)";
                return Err(invalid(&at, &filter.memcg_path, why));
            }
            "addr" if filter.range.start >= filter.range.end => {
                let value = format_hex_range(filter.range);
                return Err(invalid(&at, &value, "a range must end after it begins"));
            }
            "target" if filter.target >= context.targets.len() as u64 => {
                let why = format!("the context has {} targets", context.targets.len());
                return Err(invalid(&at, &filter.target.to_string(), &why));
            }
            _ => {}
        }
    }
    Ok(())
}
