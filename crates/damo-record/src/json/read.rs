//! JSON to parameters. Errors name the place: `kdamonds[0].contexts[0].intervals.sample_us`.

use crate::args::UsageError;
use damo_kernel::sysfs::{Context, ContextTarget, Kdamond, Scheme};
use damo_model::human::{self, Show, TimeUnit};
use damo_model::scheme::{self as written, unknown_key};
use damo_model::{AddrRange, Intervals, IntervalsGoal, Nanos, NrRegions, Ops};
use serde::Deserialize;
use serde_json::Value;

type Result<T> = std::result::Result<T, UsageError>;

/// Texts for people, which the Python tool wrote at every level.
const LABELS: [&str; 2] = ["name", "comments"];

/// `null`, `false`, and what is empty or holds nothing else.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(map) => map.values().all(is_nothing),
    }
}

/// A value and where it stands.
#[derive(Clone)]
struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    fn error<T>(&self, why: impl std::fmt::Display) -> Result<T> {
        // Keys and values are quoted in both.
        Err(UsageError(format!("{}: {}", self.path.shown(), why.to_string().shown())))
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

    /// Refuses keys that nobody would look at; `name` and `comments` are labels.
    fn only(&self, known: &[&str]) -> Result<()> {
        let Some(object) = self.value.as_object() else { return self.error("an object is needed here") };
        match object.keys().find(|key| !known.contains(&key.as_str()) && !LABELS.contains(&key.as_str())) {
            Some(key) => self.error(unknown_key(key, known)),
            None => Ok(()),
        }
    }

    /// Refuses a wish that this version cannot meet, unless there is nothing in it.
    fn nothing(&self, key: &str, why: &str) -> Result<()> {
        match self.maybe(key) {
            Some(stop_request) if !is_nothing(stop_request.value) => stop_request.error(why),
            _ => Ok(()),
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

    fn time(&self, unit: TimeUnit) -> Result<Nanos> {
        self.parse(|text| human::parse_time(text, unit).map_err(|e| e.to_string()))
    }

    fn count(&self) -> Result<u64> {
        self.parse(crate::values::count)
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
}

/// Reads {"kdamonds": [...]}, or the bare list.
///
/// # Errors
/// What is wrong, and where in the text.
pub fn kdamonds(json: &Value) -> Result<Vec<Kdamond>> {
    let list = match json {
        Value::Array(_) => At { value: json, path: "kdamonds".to_string() },
        _ => {
            let all = At { value: json, path: "parameters".to_string() };
            all.only(&["kdamonds", "modules"])?;
            all.get("kdamonds")?
        }
    };
    let found: Vec<Kdamond> = list.items()?.iter().map(kdamond).collect::<Result<_>>()?;
    if found.is_empty() {
        return list.error("there is no kdamond in it");
    }
    Ok(found)
}

/// Reads a list of schemes: the list, an object that has it under `schemes`, or a single scheme.
///
/// # Errors
/// What is wrong, and where in the text.
pub fn schemes(json: &Value) -> Result<Vec<written::Scheme>> {
    let list = match json.get("schemes").unwrap_or(json) {
        whole if whole.get("kdamonds").is_some() => {
            let why =
                "these are parameters of kdamonds: give them with --kdamonds, or only the list under their `schemes`";
            return Err(UsageError(why.to_owned()));
        }
        Value::Array(list) => list.as_slice(),
        single @ Value::Object(_) => std::slice::from_ref(single),
        _ => return Err(UsageError("schemes are a list of objects, such as [{\"action\": \"stat\"}]".to_owned())),
    };
    let read = |(at, value): (usize, &Value)| {
        written::Scheme::deserialize(value)
            .map_err(|error| UsageError(format!("scheme {at}: {}", error.to_string().shown())))
    };
    list.iter().enumerate().map(read).collect()
}

/// Schemes in the kernel's units under each context's intervals, in every context.
///
/// # Errors
/// If the kernel would pass over a filter, and do what shall not be done.
pub fn apply_schemes(schemes: &[written::Scheme], kdamonds: &mut [Kdamond]) -> Result<()> {
    for context in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts) {
        context.schemes = schemes.iter().map(|scheme| Scheme::resolve(scheme, &context.intervals)).collect();
    }
    check_filters(kdamonds)
}

/// For virtual addresses pages are not looked at one by one, but for migrations on newer kernels: there is no way to
/// keep a page out.
///
/// # Errors
/// If the kernel would pass over a filter, and do what shall not be done.
pub fn check_filters(kdamonds: &[Kdamond]) -> Result<()> {
    let virtual_ones =
        kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).filter(|context| context.ops != Ops::Paddr);
    for (s, scheme) in virtual_ones.flat_map(|context| context.schemes.iter().enumerate()) {
        let harmless = matches!(scheme.action.as_str(), "stat" | "migrate_hot" | "migrate_cold");
        let passed_over = scheme.filters.iter().position(|filter| !harmless && !filter.is_core());
        if let Some((f, filter)) = passed_over.and_then(|f| Some((f, scheme.filters.get(f)?))) {
            return Err(UsageError(format!(
                "scheme {s}: filters[{f}]: with virtual addresses the kernel looks at no page by `{}`, and would {} \
                 whole regions: monitor paddr, or use filters of type addr or target",
                filter.kind, scheme.action
            )));
        }
    }
    Ok(())
}

/// What a kernel or `damo status` says beside parameters is passed over.
fn kdamond(at: &At<'_>) -> Result<Kdamond> {
    at.only(&["contexts", "refresh_ms", "state", "pid", "started_by_damo"])?;
    let refresh = at.maybe("refresh_ms").map(|at| at.time(TimeUnit::Millis)).transpose()?;
    let contexts = at.get("contexts")?.items()?.iter().map(context).collect::<Result<_>>()?;
    Ok(Kdamond { refresh: refresh.filter(|refresh| refresh.0 > 0), contexts })
}

fn context(at: &At<'_>) -> Result<Context> {
    at.only(&[
        "ops",
        "targets",
        "intervals",
        "nr_regions",
        "schemes",
        "addr_unit",
        "pause",
        // Of the Python tool; for kernels that are not released.
        "probes",
        "sample_control",
        "ops_attrs",
    ])?;
    at.nothing("probes", "attribute probes are not supported by damo, although Linux 7.3 has them; leave them out")?;
    at.nothing("ops_attrs", "attributes of operations sets are not supported; leave them out")?;
    if let Some(control) = at.maybe("sample_control") {
        sample_control(&control)?;
    }
    let ops: Ops = at.get("ops")?.parse(|word| word.parse().map_err(|e: damo_model::UnknownKeyword| e.to_string()))?;
    let mut context = Context::new(ops);
    if let Some(intervals) = at.maybe("intervals") {
        context.intervals = self::intervals(&intervals)?;
        context.intervals_goal =
            intervals.maybe("intervals_goal").map(|at| goal_of_intervals(&at)).transpose()?.flatten();
    }
    if let Some(bounds) = at.maybe("nr_regions") {
        bounds.only(&["min", "max"])?;
        context.nr_regions = NrRegions { min: bounds.get("min")?.count()?, max: bounds.get("max")?.count()? };
    }
    context.addr_unit = at.maybe("addr_unit").map(|at| at.parse(crate::values::size)).transpose()?.map(|unit| unit.0);
    context.pause = at.maybe("pause").map(|at| at.flag()).transpose()?;
    context.targets = at.get("targets")?.items()?.iter().map(target).collect::<Result<_>>()?;
    if let Some(list) = at.maybe("schemes") {
        context.schemes = list.items()?.iter().map(|at| scheme(at, &context.intervals)).collect::<Result<_>>()?;
    }
    Ok(context)
}

fn intervals(at: &At<'_>) -> Result<Intervals> {
    at.only(&["sample_us", "aggr_us", "ops_update_us", "intervals_goal"])?;
    Ok(Intervals {
        sample: at.get("sample_us")?.time(TimeUnit::Micros)?,
        aggregation: at.get("aggr_us")?.time(TimeUnit::Micros)?,
        update: at.get("ops_update_us")?.time(TimeUnit::Micros)?,
    })
}

/// What every released kernel does, and nothing else: samples are taken by the page table, of all accesses.
fn sample_control(at: &At<'_>) -> Result<()> {
    at.only(&["primitives_enabled", "sample_filters"])?;
    at.nothing(
        "sample_filters",
        "filters of samples are not supported, because no released kernel has them; leave them out",
    )?;
    let Some(primitives) = at.maybe("primitives_enabled") else { return Ok(()) };
    primitives.only(&["page_table", "page_fault"])?;
    let enabled = |key: &str, default| primitives.maybe(key).map_or(Ok(default), |at| at.flag());
    if !enabled("page_table", true)? || enabled("page_fault", false)? {
        return primitives
            .error("samples are taken by the page table only: `page_table` must be true, `page_fault` false");
    }
    Ok(())
}

/// A goal of 0 aggregations, as the Python tool writes it for "off", is none.
fn goal_of_intervals(at: &At<'_>) -> Result<Option<IntervalsGoal>> {
    at.only(&["access_bp", "aggrs", "min_sample_us", "max_sample_us"])?;
    let goal = IntervalsGoal {
        access_bp: at.get("access_bp")?.parse(crate::values::basis_points)?,
        aggregations: at.get("aggrs")?.count()?,
        min_sample: at.get("min_sample_us")?.time(TimeUnit::Micros)?,
        max_sample: at.get("max_sample_us")?.time(TimeUnit::Micros)?,
    };
    Ok((goal.aggregations > 0).then_some(goal))
}

fn target(at: &At<'_>) -> Result<ContextTarget> {
    at.only(&["pid", "obsolete", "regions"])?;
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
    at.only(&["start", "end"])?;
    let address = |key: &str| at.get(key)?.parse(|text| human::parse_addr(text).map_err(|e| e.to_string()));
    let range = AddrRange::new(address("start")?, address("end")?);
    if range.size().0 == 0 {
        return at.error("the end must be above the start");
    }
    Ok(range)
}

fn scheme(at: &At<'_>, intervals: &Intervals) -> Result<Scheme> {
    written::Scheme::deserialize(at.value)
        .map(|scheme| Scheme::resolve(&scheme, intervals))
        .or_else(|error| at.error(error))
}
