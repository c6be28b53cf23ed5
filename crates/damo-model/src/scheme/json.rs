//! Schemes as text: field by field, as options name them, and as JSON in the Python tool's schema. Values may be numbers or
//! text with units; they are written so that they read back the same.
//!
//! Whatever that tool writes or once wrote is read (`null` is a key that is absent; `name` and `comments` are labels). A
//! key with a wish that cannot be met is an error, and so is a key that does not exist.

use super::{Dest, FilterKind, Goal, GoalTuner, Rate, Scheme, SchemeFilter, Span};
use crate::human::{self, TimeUnit};
use crate::json::{At, ParamError, Result, known, size, time};
use crate::keyword::unknown_key;
use serde::de::{self, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Display;

/// Keys with a single value, by their place in the JSON, and the options that say it; [`Scheme::set`] takes them. A later one
/// of a key's options overrides an earlier one. The words of an option are those of its keys, in order.
pub const FIELDS: [(&str, &[&str]); 24] = [
    ("action", &["damos_action"]),
    ("target_nid", &[]),
    ("access_pattern.sz_bytes.min", &["damos_sz_region"]),
    ("access_pattern.sz_bytes.max", &["damos_sz_region"]),
    ("access_pattern.nr_accesses.min", &["damos_access_rate"]),
    ("access_pattern.nr_accesses.max", &["damos_access_rate"]),
    ("access_pattern.age.min", &["damos_age"]),
    ("access_pattern.age.max", &["damos_age"]),
    ("apply_interval_us", &["damos_apply_interval"]),
    ("quotas.time_ms", &["damos_quotas", "damos_quota_time"]),
    ("quotas.sz_bytes", &["damos_quotas", "damos_quota_space"]),
    ("quotas.reset_interval_ms", &["damos_quotas", "damos_quota_interval"]),
    ("quotas.weights.sz_permil", &["damos_quotas", "damos_quota_weights"]),
    ("quotas.weights.nr_accesses_permil", &["damos_quotas", "damos_quota_weights"]),
    ("quotas.weights.age_permil", &["damos_quotas", "damos_quota_weights"]),
    ("quotas.goal_tuner", &["damos_quota_goal_tuner"]),
    ("quotas.fail_charge_num", &["damos_quota_fail_charge_ratio"]),
    ("quotas.fail_charge_denom", &["damos_quota_fail_charge_ratio"]),
    ("watermarks.metric", &["damos_wmarks"]),
    ("watermarks.interval_us", &["damos_wmarks"]),
    ("watermarks.high_permil", &["damos_wmarks"]),
    ("watermarks.mid_permil", &["damos_wmarks"]),
    ("watermarks.low_permil", &["damos_wmarks"]),
    ("max_nr_snapshots", &["damos_max_nr_snapshots"]),
];
/// Keys with a list.
const LISTS: [&str; 5] = ["dests", "filters", "core_filters", "ops_filters", "quotas.goals"];
/// Keys that are passed over: labels, what a kernel did, and the units of files from before they were written with numbers.
const IGNORED: [&str; 7] = [
    "name",
    "comments",
    "stats",
    "tried_regions",
    "quotas.effective_sz_bytes",
    "access_pattern.nr_accesses_unit",
    "access_pattern.age_unit",
];

fn parsed<T, E: Display>(field: &str, value: std::result::Result<T, E>) -> Result<T> {
    value.map_err(|error| ParamError::new(field, error))
}

fn in_range<T, E>(field: &str, text: &str, value: std::result::Result<T, E>) -> Result<T> {
    value.map_err(|_| ParamError::new(field, format!("{text} is out of range")))
}

/// A number of which 0 means that there is none: the Python tool writes 0 for "not set".
fn some(field: &str, text: &str) -> Result<Option<u64>> {
    let number = parsed(field, human::parse_number(text))?.trunc();
    Ok(Some(in_range(field, text, u64::try_from(number))?).filter(|number| *number > 0))
}

/// The path of a memory cgroup as the kernel has it: below the mount, with `/` ahead. The Python tool takes and writes
/// paths without it.
pub fn memcg_path(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

impl Scheme {
    /// Sets one field, named by the keys of the JSON as in `quotas.time_ms`, to what `text` says. [`Scheme::check`] tells
    /// whether the whole makes sense.
    ///
    /// # Errors
    /// If there is no such field, or the text is no such value.
    pub fn set(&mut self, field: &str, text: &str) -> Result<()> {
        let time = |unit| parsed(field, human::parse_time(text, unit));
        let size = || parsed(field, human::parse_bytes(text));
        let rate = || parsed(field, Rate::parse(text));
        let age = || parsed(field, Span::parse(text));
        let permil = || {
            let number = parsed(field, human::parse_permil(text))?.round();
            in_range(field, text, u32::try_from(number))
        };
        let (pattern, quotas, marks) = (&mut self.access_pattern, &mut self.quotas, &mut self.watermarks);
        match field {
            "action" => self.action = parsed(field, text.parse())?,
            "target_nid" => {
                let node = text.trim().parse().map_err(|_| format!("`{text}` is no number"));
                self.target_nid = Some(parsed(field, node)?).filter(|node| *node >= 0);
            }
            "access_pattern.sz_bytes.min" => pattern.sz_bytes.min = size()?,
            "access_pattern.sz_bytes.max" => pattern.sz_bytes.max = size()?,
            "access_pattern.nr_accesses.min" => pattern.nr_accesses.min = rate()?,
            "access_pattern.nr_accesses.max" => pattern.nr_accesses.max = rate()?,
            "access_pattern.age.min" => pattern.age.min = age()?,
            "access_pattern.age.max" => pattern.age.max = age()?,
            "apply_interval_us" => self.apply_interval = time(TimeUnit::Micros)?,
            "quotas.time_ms" => quotas.time = time(TimeUnit::Millis)?,
            "quotas.sz_bytes" => quotas.size = size()?,
            "quotas.reset_interval_ms" => quotas.reset_interval = time(TimeUnit::Millis)?,
            "quotas.weights.sz_permil" => quotas.weights.size = permil()?,
            "quotas.weights.nr_accesses_permil" => quotas.weights.nr_accesses = permil()?,
            "quotas.weights.age_permil" => quotas.weights.age = permil()?,
            "quotas.goal_tuner" => quotas.goal_tuner = Some(parsed(field, text.parse())?),
            "quotas.fail_charge_num" => quotas.fail_charge_num = some(field, text)?,
            "quotas.fail_charge_denom" => quotas.fail_charge_denom = some(field, text)?,
            "watermarks.metric" => marks.metric = parsed(field, text.parse())?,
            "watermarks.interval_us" => marks.interval = time(TimeUnit::Micros)?,
            "watermarks.high_permil" => marks.high = permil()?,
            "watermarks.mid_permil" => marks.mid = permil()?,
            "watermarks.low_permil" => marks.low = permil()?,
            "max_nr_snapshots" => self.max_nr_snapshots = some(field, text)?,
            _ => return Err(ParamError::new(field, "there is no such field")),
        }
        Ok(())
    }

    /// Reads a scheme and checks it. Bounds that are missing are at their natural ends.
    ///
    /// # Errors
    /// What is wrong, and where in the scheme.
    pub fn from_json(json: &Value) -> Result<Scheme> {
        let mut scheme = Scheme::default();
        scheme.read(&At::new(json, ""))?;
        scheme.check()?;
        Ok(scheme)
    }

    fn read(&mut self, at: &At<'_>) -> Result<()> {
        for (key, value) in at.entries()? {
            let path = value.path.as_str();
            let is_object =
                |(full, _): &(&str, &[&str])| full.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
            let given = !value.value.is_null();
            match path {
                _ if IGNORED.contains(&path) => {}
                _ if LISTS.contains(&path) => {
                    if given {
                        self.read_list(&value)?;
                    }
                }
                _ if FIELDS.iter().any(|(field, _)| *field == path) => {
                    if given {
                        self.set(path, &value.text()?)?;
                    }
                }
                _ if FIELDS.iter().any(is_object) => {
                    if given {
                        self.read(&value)?;
                    }
                }
                _ => return at.error(unknown_key(key, &known_below(&at.path))),
            }
        }
        Ok(())
    }

    fn read_list(&mut self, list: &At<'_>) -> Result<()> {
        for item in list.items()? {
            match list.path.as_str() {
                "dests" => {
                    item.only(&["id", "weight"])?;
                    let number = |key: &str| item.get(key)?.parse(|text| text.parse::<u32>());
                    self.dests.push(Dest { id: number("id")?, weight: number("weight")? });
                }
                "quotas.goals" => self.quotas.goals.push(goal(&item)?),
                // The kernel keeps them apart by who decides; here they are one list.
                _ => {
                    let at = At { path: format!("filters[{}]", self.filters.len()), ..item };
                    self.filters.push(filter(&at)?);
                }
            }
        }
        Ok(())
    }

    /// In the Python tool's schema.
    pub fn to_json(&self) -> Value {
        let dests = self.dests.iter().map(|dest| json!({ "id": dest.id, "weight": dest.weight }));
        let (pattern, quotas, marks) = (&self.access_pattern, &self.quotas, &self.watermarks);
        known(json!({
            "action": self.action.as_str(),
            "target_nid": self.target_nid,
            "dests": (!self.dests.is_empty()).then(|| dests.collect::<Value>()),
            "access_pattern": {
                "sz_bytes": { "min": size(pattern.sz_bytes.min), "max": size(pattern.sz_bytes.max) },
                "nr_accesses": {
                    "min": pattern.nr_accesses.min.to_string(),
                    "max": pattern.nr_accesses.max.to_string(),
                },
                "age": { "min": pattern.age.min.to_string(), "max": pattern.age.max.to_string() },
            },
            "apply_interval_us": time(self.apply_interval),
            "quotas": known(json!({
                "time_ms": time(quotas.time),
                "sz_bytes": size(quotas.size),
                "reset_interval_ms": time(quotas.reset_interval),
                "weights": {
                    "sz_permil": quotas.weights.size,
                    "nr_accesses_permil": quotas.weights.nr_accesses,
                    "age_permil": quotas.weights.age,
                },
                "goals": quotas.goals.iter().map(Goal::to_json).collect::<Vec<_>>(),
                "goal_tuner": quotas.goal_tuner.map(GoalTuner::as_str),
                "fail_charge_num": quotas.fail_charge_num,
                "fail_charge_denom": quotas.fail_charge_denom,
            })),
            "watermarks": {
                "metric": marks.metric.as_str(),
                "interval_us": time(marks.interval),
                "high_permil": marks.high,
                "mid_permil": marks.mid,
                "low_permil": marks.low,
            },
            "filters": self.filters.iter().map(SchemeFilter::to_json).collect::<Vec<_>>(),
            "max_nr_snapshots": self.max_nr_snapshots,
        }))
    }
}

/// The keys that an object at `path` may have.
fn known_below(path: &str) -> Vec<&'static str> {
    let below = |full: &&'static str| match path {
        "" => Some(*full),
        _ => full.strip_prefix(path)?.strip_prefix('.'),
    };
    let all = FIELDS.iter().map(|(field, _)| field).chain(&LISTS).chain(&IGNORED).filter_map(below);
    let mut keys: Vec<&str> = all.filter_map(|rest| rest.split('.').next()).collect();
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(*key));
    keys
}

fn goal(at: &At<'_>) -> Result<Goal> {
    // The values had a suffix once.
    let value = |key: &str| at.maybe(key).or_else(|| at.maybe(&format!("{key}_bp")));
    at.only(&["metric", "target_value", "current_value", "nid", "memcg_path", "target_value_bp", "current_value_bp"])?;
    let mut goal = Goal { metric: at.get("metric")?.parse(str::parse)?, ..Goal::default() };
    let metric = goal.metric;
    let number = |at: At<'_>| at.parse(|text| metric.parse_value(text));
    goal.target_value = number(value("target_value").map_or_else(|| at.get("target_value"), Ok)?)?;
    goal.current_value = value("current_value").map(number).transpose()?;
    goal.nid = at.maybe("nid").map(|at| at.signed()).transpose()?;
    let path = at.maybe("memcg_path").map(|at| at.text()).transpose()?;
    goal.memcg_path = path.filter(|path| !path.trim().is_empty()).map(|path| memcg_path(&path));
    Ok(goal)
}

impl Goal {
    fn to_json(&self) -> Value {
        known(json!({
            "metric": self.metric.as_str(),
            "target_value": self.target_value,
            "current_value": self.current_value,
            "nid": self.nid,
            "memcg_path": self.memcg_path,
        }))
    }
}

fn filter(at: &At<'_>) -> Result<SchemeFilter> {
    const KEYS: [&str; 11] = [
        "filter_type",
        "matching",
        "allow",
        "memcg_path",
        "address_range",
        "damon_target_idx",
        "hugepage_size",
        "probe_hits_wsum_range",
        "complement",
        // Names that `allow` had once.
        "filter_pass",
        "pass",
    ];
    const NO_PROBES: &str =
        "filters by hits of attribute probes are not supported, because probes are not; remove the filter";
    at.only(&KEYS)?;
    at.nothing("probe_hits_wsum_range", NO_PROBES)?;
    at.nothing("complement", "is not supported; for all memory but that of the filter's type write `matching: false`")?;
    let word = at.maybe("filter_type").map(|at| at.text()).transpose()?.unwrap_or_default();
    let field = |key: &str| format!("{}.{key}", at.path);
    if word.is_empty() {
        let what = "is missing; write anon, memcg, addr or another type";
        return Err(ParamError::new(field("filter_type"), what));
    }
    if word == "probe_hits_wsum" {
        return Err(ParamError::new(field("probe_hits_wsum_range"), NO_PROBES));
    }
    let values: Vec<String> = match word.as_str() {
        "memcg" => {
            let path = at.maybe("memcg_path").map(|at| at.text()).transpose()?;
            path.filter(|path| !path.trim().is_empty()).into_iter().collect()
        }
        "addr" => match at.maybe("address_range") {
            Some(range) => {
                range.only(&["start", "end"])?;
                let bound = |key: &str, natural: &str| range.maybe(key).map_or(Ok(natural.to_owned()), |at| at.text());
                vec![bound("start", "0")?, bound("end", "max")?]
            }
            None => return Err(ParamError::new(field("address_range"), "is missing; addr needs it")),
        },
        "target" => at.maybe("damon_target_idx").map(|at| at.text()).transpose()?.into_iter().collect(),
        "hugepage_size" => match at.maybe("hugepage_size") {
            Some(sizes) => sizes.items()?.iter().map(At::text).collect::<Result<_>>()?,
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let flag = |key: &str, default| at.maybe(key).map_or(Ok(default), |at| at.flag());
    let allow = ["allow", "filter_pass", "pass"].into_iter().find(|key| at.maybe(key).is_some());
    Ok(SchemeFilter {
        kind: FilterKind::parse(&word, &values).map_err(|error| error.within(at.path.clone()))?,
        matching: flag("matching", true)?,
        allow: flag(allow.unwrap_or("allow"), false)?,
    })
}

impl SchemeFilter {
    fn to_json(&self) -> Value {
        let mut value = json!({ "filter_type": self.kind.as_str(), "matching": self.matching, "allow": self.allow });
        match &self.kind {
            FilterKind::Memcg(path) => value["memcg_path"] = json!(path),
            FilterKind::Addr(range) => {
                value["address_range"] = json!({ "start": range.start.0, "end": range.end.0 });
            }
            FilterKind::Target(index) => value["damon_target_idx"] = json!(index),
            FilterKind::HugepageSize(sizes) => value["hugepage_size"] = json!([size(sizes.min), size(sizes.max)]),
            _ => {}
        }
        value
    }
}

/// Reads a list of schemes: the list, an object that has it under `schemes`, or a single scheme.
///
/// # Errors
/// What is wrong, and where in the text.
pub fn list_from_json(json: &Value) -> Result<Vec<Scheme>> {
    let list = match json.get("schemes").unwrap_or(json) {
        whole if whole.get("kdamonds").is_some() => {
            let why =
                "these are parameters of kdamonds: give them with --kdamonds, or only the list under their `schemes`";
            return Err(ParamError::new("", why));
        }
        Value::Array(list) => list.as_slice(),
        single @ Value::Object(_) => std::slice::from_ref(single),
        _ => return Err(ParamError::new("", "schemes are a list of objects, such as [{\"action\": \"stat\"}]")),
    };
    let read = |(at, value): (usize, &Value)| {
        Scheme::from_json(value).map_err(|error| ParamError::new(format!("scheme {at}"), error))
    };
    list.iter().enumerate().map(read).collect()
}

impl Serialize for SchemeFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Scheme::from_json(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
