//! JSON to parameters. Errors name the place: `kdamonds[0].contexts[0].intervals.sample_us`.

use crate::args::UsageError;
use damo_kernel::sysfs::{
    AccessPattern, Context, ContextTarget, Dest, Filter, Goal, Kdamond, MinMax, Quotas, Scheme, Watermarks,
};
use damo_model::human::{self, TimeUnit};
use damo_model::{AddrRange, Age, Bytes, Intervals, IntervalsGoal, Nanos, NrAccesses, NrRegions, Ops};
use serde_json::Value;

type Result<T> = std::result::Result<T, UsageError>;

/// A value and where it stands.
#[derive(Clone)]
struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    fn error<T>(&self, why: impl std::fmt::Display) -> Result<T> {
        Err(UsageError(format!("{}: {why}", self.path)))
    }

    fn maybe(&self, key: &str) -> Option<At<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(At { value, path: format!("{}.{key}", self.path) })
    }

    fn get(&self, key: &str) -> Result<At<'a>> {
        match self.maybe(key) {
            Some(found) => Ok(found),
            None => self.error(format!("`{key}` is missing")),
        }
    }

    fn items(&self) -> Result<Vec<At<'a>>> {
        match self.value.as_array() {
            Some(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(i, value)| At { value, path: format!("{}[{i}]", self.path) })
                .collect()),
            None => self.error("a list is needed here"),
        }
    }

    /// A number or a text, as text: the grammar of numbers with units is one of texts.
    fn text(&self) -> Result<String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => self.error("a number or a text is needed here"),
        }
    }

    fn parse<T>(&self, parse: impl Fn(&str) -> std::result::Result<T, String>) -> Result<T> {
        let text = self.text()?;
        parse(&text).or_else(|why| self.error(why))
    }

    fn size(&self) -> Result<Bytes> {
        self.parse(|text| human::parse_bytes(text).map_err(|e| e.to_string()))
    }

    fn time(&self, unit: TimeUnit) -> Result<Nanos> {
        self.parse(|text| human::parse_time(text, unit).map_err(|e| e.to_string()))
    }

    fn count(&self) -> Result<u64> {
        self.parse(crate::values::count)
    }

    fn small(&self) -> Result<u32> {
        self.count().map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn flag(&self) -> Result<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            _ => self.parse(|text| human::parse_bool(text).map_err(|e| e.to_string())),
        }
    }

    fn signed(&self) -> Result<i32> {
        self.parse(|text| text.trim().parse().map_err(|_| format!("`{text}` is not a whole number")))
    }

    fn pair<T>(&self, read: impl Fn(&At<'a>) -> Result<T>) -> Result<MinMax<T>> {
        Ok(MinMax { min: read(&self.get("min")?)?, max: read(&self.get("max")?)? })
    }
}

/// Reads {"kdamonds": [...]}, or the bare list.
///
/// # Errors
/// What is wrong, and where in the text.
pub fn kdamonds(json: &Value) -> Result<Vec<Kdamond>> {
    let list = match json {
        Value::Array(_) => At { value: json, path: "kdamonds".to_string() },
        _ => At { value: json, path: "parameters".to_string() }.get("kdamonds")?,
    };
    let found: Vec<Kdamond> = list.items()?.iter().map(kdamond).collect::<Result<_>>()?;
    if found.is_empty() {
        return list.error("there is no kdamond in it");
    }
    Ok(found)
}

/// Reads a list of schemes; percentages and times are of these intervals.
///
/// # Errors
/// What is wrong, and where in the text.
pub fn schemes(json: &Value, intervals: &Intervals) -> Result<Vec<Scheme>> {
    let list = At { value: json.get("schemes").unwrap_or(json), path: "schemes".to_string() };
    list.items()?.iter().map(|at| scheme(at, intervals)).collect()
}

fn kdamond(at: &At<'_>) -> Result<Kdamond> {
    let refresh = at.maybe("refresh_ms").map(|at| at.time(TimeUnit::Millis)).transpose()?;
    let contexts = at.get("contexts")?.items()?.iter().map(context).collect::<Result<_>>()?;
    Ok(Kdamond { refresh: refresh.filter(|refresh| refresh.0 > 0), contexts })
}

fn context(at: &At<'_>) -> Result<Context> {
    let ops: Ops = at.get("ops")?.parse(crate::values::ops)?;
    let mut context = Context::new(ops);
    if let Some(intervals) = at.maybe("intervals") {
        context.intervals = self::intervals(&intervals)?;
        context.intervals_goal =
            intervals.maybe("intervals_goal").map(|at| goal_of_intervals(&at)).transpose()?.flatten();
    }
    if let Some(bounds) = at.maybe("nr_regions") {
        context.nr_regions = NrRegions { min: bounds.get("min")?.count()?, max: bounds.get("max")?.count()? };
    }
    context.addr_unit = at.maybe("addr_unit").map(|at| at.count()).transpose()?;
    context.pause = at.maybe("pause").map(|at| at.flag()).transpose()?;
    context.targets = at.get("targets")?.items()?.iter().map(target).collect::<Result<_>>()?;
    if let Some(list) = at.maybe("schemes") {
        context.schemes = list.items()?.iter().map(|at| scheme(at, &context.intervals)).collect::<Result<_>>()?;
    }
    Ok(context)
}

fn intervals(at: &At<'_>) -> Result<Intervals> {
    Ok(Intervals {
        sample: at.get("sample_us")?.time(TimeUnit::Micros)?,
        aggregation: at.get("aggr_us")?.time(TimeUnit::Micros)?,
        update: at.get("ops_update_us")?.time(TimeUnit::Micros)?,
    })
}

/// A goal of 0 aggregations, as the Python tool writes it for "off", is none.
fn goal_of_intervals(at: &At<'_>) -> Result<Option<IntervalsGoal>> {
    let goal = IntervalsGoal {
        access_bp: at.get("access_bp")?.parse(crate::values::basis_points)?,
        aggregations: at.get("aggrs")?.count()?,
        min_sample: at.get("min_sample_us")?.time(TimeUnit::Micros)?,
        max_sample: at.get("max_sample_us")?.time(TimeUnit::Micros)?,
    };
    Ok((goal.aggregations > 0).then_some(goal))
}

fn target(at: &At<'_>) -> Result<ContextTarget> {
    let regions = match at.maybe("regions") {
        Some(regions) => regions.items()?.iter().map(range).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    Ok(ContextTarget {
        pid: at.maybe("pid").map(|at| at.signed()).transpose()?,
        obsolete: at.maybe("obsolete").map(|at| at.flag()).transpose()?.unwrap_or(false),
        regions,
    })
}

fn range(at: &At<'_>) -> Result<AddrRange> {
    let address = |key: &str| at.get(key)?.parse(|text| human::parse_addr(text).map_err(|e| e.to_string()));
    let range = AddrRange::new(address("start")?, address("end")?);
    if range.size().0 == 0 {
        return at.error("the end must be above the start");
    }
    Ok(range)
}

fn scheme(at: &At<'_>, intervals: &Intervals) -> Result<Scheme> {
    let action = at.maybe("action").map(|at| at.text()).transpose()?;
    let mut scheme = Scheme::new(action.as_deref().unwrap_or("stat"));
    if let Some(pattern) = at.maybe("access_pattern") {
        scheme.pattern = AccessPattern {
            size: pattern.get("sz_bytes")?.pair(At::size)?,
            nr_accesses: pattern.get("nr_accesses")?.pair(|at| accesses(at, intervals))?,
            age: pattern.get("age")?.pair(|at| age(at, intervals))?,
        };
    }
    scheme.target_nid = at.maybe("target_nid").map(|at| at.signed()).transpose()?;
    if let Some(dests) = at.maybe("dests") {
        let dest = |at: &At<'_>| Ok(Dest { id: at.get("id")?.small()?, weight: at.get("weight")?.small()? });
        scheme.dests = dests.items()?.iter().map(dest).collect::<Result<_>>()?;
    }
    if let Some(interval) = at.maybe("apply_interval_us") {
        scheme.apply_interval = interval.time(TimeUnit::Micros)?;
    }
    if let Some(quotas) = at.maybe("quotas") {
        scheme.quotas = self::quotas(&quotas)?;
    }
    if let Some(watermarks) = at.maybe("watermarks") {
        scheme.watermarks = self::watermarks(&watermarks)?;
    }
    for key in ["filters", "core_filters", "ops_filters"] {
        if let Some(filters) = at.maybe(key) {
            let filters: Vec<Filter> = filters.items()?.iter().map(filter).collect::<Result<_>>()?;
            scheme.filters.extend(filters);
        }
    }
    scheme.max_nr_snapshots = at.maybe("max_nr_snapshots").map(|at| at.count()).transpose()?;
    Ok(scheme)
}

/// `10 samples`, `50 %`, or a bare number of percent.
fn accesses(at: &At<'_>, intervals: &Intervals) -> Result<NrAccesses> {
    let text = at.text()?;
    if text.trim() == "max" {
        return Ok(NrAccesses(u32::MAX));
    }
    let cap = |number: f64| NrAccesses(number.clamp(0.0, f64::from(u32::MAX)) as u32);
    if let Some(samples) = text.trim().strip_suffix("samples") {
        return human::parse_number(samples).map(|number| cap(number.as_f64())).or_else(|e| at.error(e));
    }
    let percent = human::parse_percent(&text).or_else(|e| at.error(e))?.as_f64();
    let most = intervals.aggregation.0 as f64 / (intervals.sample.0.max(1)) as f64;
    Ok(cap((percent * most / 100.0).trunc()))
}

/// `3 aggr_intervals`, or a time, a bare number being microseconds.
fn age(at: &At<'_>, intervals: &Intervals) -> Result<Age> {
    let text = at.text()?;
    if text.trim() == "max" {
        return Ok(Age(u32::MAX));
    }
    let cap = |number: f64| Age(number.clamp(0.0, f64::from(u32::MAX)) as u32);
    if let Some(number) = text.trim().strip_suffix("aggr_intervals") {
        return human::parse_number(number).map(|number| cap(number.as_f64())).or_else(|e| at.error(e));
    }
    let time = at.time(TimeUnit::Micros)?;
    Ok(cap((time.0 as f64 / (intervals.aggregation.0.max(1)) as f64).trunc()))
}

fn quotas(at: &At<'_>) -> Result<Quotas> {
    let mut quotas = Quotas {
        time: at.get("time_ms")?.time(TimeUnit::Millis)?,
        size: at.get("sz_bytes")?.size()?,
        reset_interval: at.get("reset_interval_ms")?.time(TimeUnit::Millis)?,
        ..Quotas::default()
    };
    if let Some(weights) = at.maybe("weights") {
        let permil = |key: &str| -> Result<u32> {
            let number = weights.get(key)?.parse(|text| human::parse_permil(text).map_err(|e| e.to_string()))?;
            Ok(number.as_f64().clamp(0.0, f64::from(u32::MAX)) as u32)
        };
        quotas.weight_size = permil("sz_permil")?;
        quotas.weight_nr_accesses = permil("nr_accesses_permil")?;
        quotas.weight_age = permil("age_permil")?;
    }
    if let Some(goals) = at.maybe("goals") {
        quotas.goals = goals.items()?.iter().map(goal).collect::<Result<_>>()?;
    }
    quotas.goal_tuner = at.maybe("goal_tuner").map(|at| at.text()).transpose()?.unwrap_or_default();
    Ok(quotas)
}

fn goal(at: &At<'_>) -> Result<Goal> {
    let metric = at.maybe("metric").map(|at| at.text()).transpose()?.unwrap_or_else(|| "user_input".to_string());
    // What the value is depends on the metric: a time for pressure, else basis points or a plain number.
    let value = |at: &At<'_>| -> Result<u64> {
        if metric == "some_mem_psi_us" {
            return Ok(u64::try_from(at.time(TimeUnit::Micros)?.as_micros()).unwrap_or(0));
        }
        let number = at.parse(|text| human::parse_bp(text).map_err(|e| e.to_string()))?.as_f64();
        Ok(number.clamp(0.0, u64::MAX as f64) as u64)
    };
    let target = at.maybe("target_value").or_else(|| at.maybe("target_value_bp"));
    let current = at.maybe("current_value").or_else(|| at.maybe("current_value_bp"));
    Ok(Goal {
        target_value: match &target {
            Some(target) => value(target)?,
            None => return at.error("`target_value` is missing"),
        },
        current_value: current.as_ref().map(value).transpose()?.unwrap_or(0),
        nid: at.maybe("nid").map(|at| at.signed()).transpose()?,
        path: at.maybe("memcg_path").map(|at| at.text()).transpose()?.unwrap_or_default(),
        metric,
    })
}

fn watermarks(at: &At<'_>) -> Result<Watermarks> {
    let permil = |key: &str| -> Result<u32> {
        let number = at.get(key)?.parse(|text| human::parse_permil(text).map_err(|e| e.to_string()))?;
        Ok(number.as_f64().clamp(0.0, 1000.0) as u32)
    };
    Ok(Watermarks {
        metric: at.get("metric")?.text()?,
        interval: at.get("interval_us")?.time(TimeUnit::Micros)?,
        high: permil("high_permil")?,
        mid: permil("mid_permil")?,
        low: permil("low_permil")?,
    })
}

fn filter(at: &At<'_>) -> Result<Filter> {
    let allow = at.maybe("allow").or_else(|| at.maybe("filter_pass"));
    let mut filter = Filter {
        kind: at.get("filter_type")?.text()?,
        matching: at.get("matching")?.flag()?,
        allow: allow.map(|at| at.flag()).transpose()?.unwrap_or(false),
        ..Filter::default()
    };
    // Without what it is about a filter would be about something else.
    match filter.kind.as_str() {
        "memcg" => filter.memcg_path = at.get("memcg_path")?.text()?,
        "addr" => filter.range = range(&at.get("address_range")?)?,
        "target" => filter.target = at.get("damon_target_idx")?.count()?,
        _ => {}
    }
    if let Some(sizes) = at.maybe("hugepage_size") {
        let sizes = sizes.items()?.iter().map(At::size).collect::<Result<Vec<_>>>()?;
        let [min, max] = sizes[..] else { return at.error("`hugepage_size` needs two sizes") };
        filter.size = MinMax { min, max };
    }
    Ok(filter)
}
