//! Kdamonds as JSON in the Python tool's schema, {"kdamonds": [{"contexts": [...]}]}. Read with all of its spellings (human
//! units or raw numbers, percent or samples, old names), written so that it reads them: times are texts with their unit;
//! counts, sizes and addresses are JSON numbers.
//!
//! Keys that this version does not know, and wishes that it cannot meet, are an error rather than silently without effect.
//! Errors name the place: `kdamonds[0].contexts[0].intervals.sample_us`.

use super::{Context, ContextTarget, Kdamond, Probe};
use crate::human::{self, TimeUnit};
use crate::json::{At, ParamError, Result, known, parse_basis_points, time};
use crate::scheme::Scheme;
use crate::{AddrRange, Intervals, IntervalsGoal, NrRegions};
use serde_json::{Value, json};

/// Reads {"kdamonds": [...]}, or the bare list. [`super::check`] tells whether the values are possible.
///
/// # Errors
/// What is wrong, and where in the text.
pub fn from_json(json: &Value) -> Result<Vec<Kdamond>> {
    let list = match json {
        Value::Array(_) => At::new(json, "kdamonds"),
        _ => {
            let all = At::new(json, "parameters");
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
        "probes",
        // Of the Python tool; for kernels that are not released.
        "sample_control",
        "ops_attrs",
    ])?;
    at.nothing("ops_attrs", "attributes of operations sets are not supported; leave them out")?;
    if let Some(control) = at.maybe("sample_control") {
        sample_control(&control)?;
    }
    let mut context = Context::new(at.get("ops")?.parse(str::parse)?);
    if let Some(at) = at.maybe("intervals") {
        context.intervals = intervals(&at)?;
        context.intervals_goal = at.maybe("intervals_goal").map(|at| intervals_goal(&at)).transpose()?.flatten();
    }
    if let Some(bounds) = at.maybe("nr_regions") {
        bounds.only(&["min", "max"])?;
        context.nr_regions = NrRegions { min: bounds.get("min")?.count()?, max: bounds.get("max")?.count()? };
    }
    context.addr_unit = at.maybe("addr_unit").map(|at| at.parse(human::parse_bytes)).transpose()?.map(|unit| unit.0);
    context.pause = at.maybe("pause").map(|at| at.flag()).transpose()?;
    let probes = at.maybe("probes").map(|at| at.items()).transpose()?.unwrap_or_default();
    context.probes = probes.iter().map(Probe::from_json).collect::<Result<_>>()?;
    context.targets = at.get("targets")?.items()?.iter().map(target).collect::<Result<_>>()?;
    if let Some(list) = at.maybe("schemes") {
        // Errors of schemes name their field as if the scheme stood alone.
        let scheme = |at: &At<'_>| Scheme::from_json(at.value).map_err(|error| ParamError::new(at.path.clone(), error));
        context.schemes = list.items()?.iter().map(scheme).collect::<Result<_>>()?;
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
fn intervals_goal(at: &At<'_>) -> Result<Option<IntervalsGoal>> {
    at.only(&["access_bp", "aggrs", "min_sample_us", "max_sample_us"])?;
    let goal = IntervalsGoal {
        access_bp: at.get("access_bp")?.parse(parse_basis_points)?,
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
    let address = |key: &str| at.get(key)?.parse(human::parse_addr);
    let range = AddrRange::new(address("start")?, address("end")?);
    if range.size().0 == 0 {
        return at.error("the end must be above the start");
    }
    Ok(range)
}

/// The kdamonds in the Python tool's schema: `{"kdamonds": [...]}`.
pub fn to_json(kdamonds: &[Kdamond]) -> Value {
    json!({ "kdamonds": kdamonds.iter().map(Kdamond::to_json).collect::<Vec<_>>() })
}

impl Kdamond {
    /// As an object of the list.
    pub fn to_json(&self) -> Value {
        let contexts: Vec<Value> = self.contexts.iter().map(Context::to_json).collect();
        known(json!({ "contexts": contexts, "refresh_ms": self.refresh.map(time) }))
    }
}

impl Context {
    fn to_json(&self) -> Value {
        let goal = self.intervals_goal.map(|goal| {
            json!({
                "access_bp": goal.access_bp,
                "aggrs": goal.aggregations,
                "min_sample_us": time(goal.min_sample),
                "max_sample_us": time(goal.max_sample),
            })
        });
        known(json!({
            "ops": self.ops.as_str(),
            "targets": self.targets.iter().map(ContextTarget::to_json).collect::<Vec<_>>(),
            "intervals": known(json!({
                "sample_us": time(self.intervals.sample),
                "aggr_us": time(self.intervals.aggregation),
                "ops_update_us": time(self.intervals.update),
                "intervals_goal": goal,
            })),
            "nr_regions": { "min": self.nr_regions.min, "max": self.nr_regions.max },
            "schemes": self.schemes.iter().map(Scheme::to_json).collect::<Vec<_>>(),
            "probes": (!self.probes.is_empty()).then(|| self.probes.iter().map(Probe::to_json).collect::<Value>()),
            "addr_unit": self.addr_unit,
            "pause": self.pause,
        }))
    }
}

impl ContextTarget {
    fn to_json(&self) -> Value {
        let region = |range: &AddrRange| json!({ "start": range.start.0, "end": range.end.0 });
        json!({
            "pid": self.pid,
            "obsolete": self.obsolete,
            "regions": self.regions.iter().map(region).collect::<Vec<_>>(),
        })
    }
}
