//! Schemes as JSON in the Python tool's schema. Values may be numbers or text with units; text is written so that it
//! reads back the same.
//!
//! Whatever that tool writes or once wrote is read (`null` is a key that is absent; `name` and `comments` are labels). A
//! key with a wish that cannot be met is an error, and so is a key that does not exist.

use super::{
    AccessPattern, Action, Dest, FilterKind, Goal, GoalTuner, Metric, MinMax, Quotas, Rate, Scheme, SchemeError,
    SchemeFilter, Span, Watermarks, Weights, unknown_key,
};
use crate::human::{self, Style, TimeUnit};
use crate::{Addr, AddrRange, Bytes, Nanos};
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

type Result<T, E = SchemeError> = std::result::Result<T, E>;

/// A number or a text, as text.
#[derive(Clone, Debug)]
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a text such as \"5 s\"")
            }

            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Word, E> {
                Ok(Word(v.to_string()))
            }

            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Word, E> {
                Ok(Word(v.to_string()))
            }

            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Word, E> {
                Ok(Word(v.to_string()))
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<Word, E> {
                Ok(Word(v.to_owned()))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A bare number is a number. Only where it reads back with the same digits.
        match self.0.parse::<u64>() {
            Ok(number) if number.to_string() == self.0 => serializer.serialize_u64(number),
            _ => serializer.serialize_str(&self.0),
        }
    }
}

/// `null` is a value that is absent.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Keys that no field has. They are refused by [`no_more`], which knows where in the scheme they are.
type More = BTreeMap<String, IgnoredAny>;

fn no_more(more: &More, at: &str, known: &[&str]) -> Result<()> {
    match more.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(SchemeError::new(at, unknown_key(key, known))),
        None => Ok(()),
    }
}

/// Whether there is something: `null`, `false`, and empty texts, lists and objects are nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Wish(bool);

impl<'de> Deserialize<'de> for Wish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wishes;
        impl<'de> Visitor<'de> for Wishes {
            type Value = Wish;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Wish, E> {
                Ok(Wish(false))
            }

            fn visit_bool<E: de::Error>(self, v: bool) -> Result<Wish, E> {
                Ok(Wish(v))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Wish, E> {
                Ok(Wish(true))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Wish, E> {
                Ok(Wish(true))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Wish, E> {
                Ok(Wish(true))
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<Wish, E> {
                Ok(Wish(!v.trim().is_empty() && human::parse_bool(v) != Ok(false)))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Wish, A::Error> {
                let mut wish = Wish(false);
                // A list of nothing but `null` is nothing.
                while let Some(Wish(item)) = items.next_element()? {
                    wish.0 |= item;
                }
                Ok(wish)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Wish, A::Error> {
                let mut wish = Wish(false);
                while let Some((IgnoredAny, Wish(value))) = entries.next_entry()? {
                    wish.0 |= value;
                }
                Ok(wish)
            }
        }
        deserializer.deserialize_any(Wishes)
    }
}

/// A flag: JSON's own, or `Y`, `no` and the like.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Flag {
    Plain(bool),
    Text(String),
}

impl Flag {
    fn read(&self, field: &str) -> Result<bool> {
        match self {
            Flag::Plain(flag) => Ok(*flag),
            Flag::Text(text) => human::parse_bool(text).map_err(|error| SchemeError::new(field, error)),
        }
    }
}

fn time(word: Option<&Word>, unit: TimeUnit, default: Nanos, field: &str) -> Result<Nanos> {
    let Some(Word(text)) = word else { return Ok(default) };
    human::parse_time(text, unit).map_err(|error| SchemeError::new(field, error))
}

/// Whole numbers that are no time and no size.
fn count(word: Option<&Word>, field: &str, parse: fn(&str) -> Result<human::Number, human::ParseError>) -> Result<u32> {
    let Some(Word(text)) = word else { return Ok(0) };
    let number = parse(text).map_err(|error| SchemeError::new(field, error))?.round();
    u32::try_from(number).map_err(|_| SchemeError::new(field, format!("{text} is out of range")))
}

/// A number of which 0 means that there is none.
fn some(word: Option<&Word>, field: &str) -> Result<Option<u64>> {
    let Some(Word(text)) = word else { return Ok(None) };
    let number = human::parse_number(text).map_err(|error| SchemeError::new(field, error))?;
    let number = u64::try_from(number.trunc()).map_err(|_| SchemeError::new(field, format!("{text} is out of range")));
    Ok(number.map(Some)?.filter(|number| *number > 0))
}

fn size(word: Option<&Word>, default: Bytes, field: &str) -> Result<Bytes> {
    let Some(Word(text)) = word else { return Ok(default) };
    human::parse_bytes(text).map_err(|error| SchemeError::new(field, error))
}

fn time_word(time: Nanos) -> Word {
    if time.0 == i64::MAX {
        return Word("max".into());
    }
    Word(human::format_time_exact(time, Style::Human))
}

fn size_word(size: Bytes) -> Word {
    Word(if size.0 == u64::MAX { "max".into() } else { format!("{} B", size.0) })
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct RawRange {
    min: Option<Word>,
    max: Option<Word>,
    #[serde(flatten, skip_serializing)]
    more: More,
}

impl RawRange {
    fn new(min: impl fmt::Display, max: impl fmt::Display) -> Self {
        RawRange { min: Some(Word(min.to_string())), max: Some(Word(max.to_string())), more: More::new() }
    }

    fn read<T>(
        &self,
        field: &str,
        default: MinMax<T>,
        parse: impl Fn(&str) -> Result<T, human::ParseError>,
    ) -> Result<MinMax<T>> {
        no_more(&self.more, field, &["min", "max"])?;
        let bound = |word: &Option<Word>, default: T, name: &str| match word {
            None => Ok(default),
            Some(Word(text)) => parse(text).map_err(|error| SchemeError::new(format!("{field}.{name}"), error)),
        };
        Ok(MinMax { min: bound(&self.min, default.min, "min")?, max: bound(&self.max, default.max, "max")? })
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RawPattern {
    #[serde(deserialize_with = "or_default")]
    sz_bytes: RawRange,
    #[serde(deserialize_with = "or_default")]
    nr_accesses: RawRange,
    #[serde(deserialize_with = "or_default")]
    age: RawRange,
    /// Of old files, from before units were written.
    #[serde(skip_serializing)]
    nr_accesses_unit: IgnoredAny,
    #[serde(skip_serializing)]
    age_unit: IgnoredAny,
    #[serde(flatten, skip_serializing)]
    more: More,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RawWeights {
    sz_permil: Option<Word>,
    nr_accesses_permil: Option<Word>,
    age_permil: Option<Word>,
    #[serde(flatten, skip_serializing)]
    more: More,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RawGoal {
    metric: Metric,
    #[serde(alias = "target_value_bp")]
    target_value: Word,
    #[serde(default, alias = "current_value_bp")]
    current_value: Option<Word>,
    #[serde(default)]
    nid: Option<i32>,
    #[serde(default)]
    memcg_path: Option<String>,
    #[serde(flatten, skip_serializing)]
    more: More,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RawQuotas {
    time_ms: Option<Word>,
    sz_bytes: Option<Word>,
    reset_interval_ms: Option<Word>,
    #[serde(deserialize_with = "or_default")]
    weights: RawWeights,
    #[serde(deserialize_with = "or_default")]
    goals: Vec<RawGoal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal_tuner: Option<GoalTuner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_charge_num: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_charge_denom: Option<Word>,
    /// What a kernel said is in force: no part of the scheme.
    #[serde(skip_serializing)]
    effective_sz_bytes: IgnoredAny,
    #[serde(flatten, skip_serializing)]
    more: More,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RawWatermarks {
    metric: Option<String>,
    interval_us: Option<Word>,
    high_permil: Option<Word>,
    mid_permil: Option<Word>,
    low_permil: Option<Word>,
    #[serde(flatten, skip_serializing)]
    more: More,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct RawAddresses {
    start: Option<Word>,
    end: Option<Word>,
    #[serde(flatten, skip_serializing)]
    more: More,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct RawFilter {
    #[serde(default)]
    filter_type: String,
    #[serde(default)]
    matching: Option<Flag>,
    #[serde(default, alias = "filter_pass", alias = "pass")]
    allow: Option<Flag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memcg_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address_range: Option<RawAddresses>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    damon_target_idx: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hugepage_size: Option<(Word, Word)>,
    /// Of kernels with attribute probes, which are not supported; the Python tool writes it with every filter.
    #[serde(default, skip_serializing)]
    probe_hits_wsum_range: Wish,
    #[serde(default, skip_serializing)]
    complement: Wish,
    /// Among them the labels `name` and `comments`, which are passed over.
    #[serde(flatten, skip_serializing)]
    more: More,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RawScheme {
    #[serde(deserialize_with = "or_default")]
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_nid: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    dests: Vec<Dest>,
    #[serde(deserialize_with = "or_default")]
    access_pattern: RawPattern,
    apply_interval_us: Option<Word>,
    #[serde(deserialize_with = "or_default")]
    quotas: RawQuotas,
    #[serde(deserialize_with = "or_default")]
    watermarks: RawWatermarks,
    #[serde(deserialize_with = "or_default")]
    filters: Vec<RawFilter>,
    /// As the kernel keeps them apart; written as one list.
    #[serde(skip_serializing, deserialize_with = "or_default")]
    core_filters: Vec<RawFilter>,
    #[serde(skip_serializing, deserialize_with = "or_default")]
    ops_filters: Vec<RawFilter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_nr_snapshots: Option<Word>,
    /// What a kernel did: no part of the scheme.
    #[serde(skip_serializing)]
    stats: IgnoredAny,
    #[serde(skip_serializing)]
    tried_regions: IgnoredAny,
    /// Among them the labels `name` and `comments`, which are passed over.
    #[serde(flatten, skip_serializing)]
    more: More,
}

const FILTER_KEYS: &[&str] = &[
    "filter_type",
    "matching",
    "allow",
    "memcg_path",
    "address_range",
    "damon_target_idx",
    "hugepage_size",
    "name",
    "comments",
];

const QUOTA_KEYS: &[&str] = &[
    "time_ms",
    "sz_bytes",
    "reset_interval_ms",
    "weights",
    "goals",
    "goal_tuner",
    "fail_charge_num",
    "fail_charge_denom",
    "effective_sz_bytes",
];

const SCHEME_KEYS: &[&str] = &[
    "action",
    "target_nid",
    "dests",
    "access_pattern",
    "apply_interval_us",
    "quotas",
    "watermarks",
    "filters",
    "max_nr_snapshots",
    "stats",
    "tried_regions",
    "name",
    "comments",
];

/// The path of a memory cgroup as the kernel has it: below the mount, with `/` ahead. The Python tool takes and writes
/// paths without it.
fn memcg_path(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn missing_type(index: usize) -> SchemeError {
    SchemeError::new(format!("filters[{index}].filter_type"), "is missing; write anon, memcg, addr or another type")
}

impl RawFilter {
    fn read(&self, index: usize) -> Result<SchemeFilter> {
        let field = |key: &str| format!("filters[{index}].{key}");
        no_more(&self.more, &format!("filters[{index}]"), FILTER_KEYS)?;
        if self.filter_type == "probe_hits_wsum" || self.probe_hits_wsum_range.0 {
            let what =
                "filters by hits of attribute probes are not supported, because probes are not; remove the filter";
            return Err(SchemeError::new(field("probe_hits_wsum_range"), what));
        }
        if self.complement.0 {
            let what = "is not supported; for all memory but that of the filter's type write `matching: false`";
            return Err(SchemeError::new(field("complement"), what));
        }
        let missing = |key: &str| SchemeError::new(field(key), format!("is missing; {} needs it", self.filter_type));
        let kind = match self.filter_type.as_str() {
            "anon" => FilterKind::Anon,
            "active" => FilterKind::Active,
            "young" => FilterKind::Young,
            "unmapped" => FilterKind::Unmapped,
            "memcg" => {
                let path = self.memcg_path.as_deref().filter(|path| !path.trim().is_empty());
                FilterKind::Memcg(memcg_path(path.ok_or_else(|| missing("memcg_path"))?))
            }
            "addr" => {
                let range = self.address_range.as_ref().ok_or_else(|| missing("address_range"))?;
                no_more(&range.more, &field("address_range"), &["start", "end"])?;
                let at = |word: &Option<Word>, default: u64, name: &str| {
                    size(word.as_ref(), Bytes(default), &field(&format!("address_range.{name}"))).map(|b| Addr(b.0))
                };
                FilterKind::Addr(AddrRange::new(at(&range.start, 0, "start")?, at(&range.end, u64::MAX, "end")?))
            }
            "target" => {
                let Word(text) = self.damon_target_idx.as_ref().ok_or_else(|| missing("damon_target_idx"))?;
                let index = human::parse_number(text).map_err(|e| SchemeError::new(field("damon_target_idx"), e))?;
                let index = u64::try_from(index.trunc())
                    .map_err(|_| SchemeError::new(field("damon_target_idx"), format!("{text} is out of range")))?;
                FilterKind::Target(index)
            }
            "hugepage_size" => {
                let (min, max) = self.hugepage_size.as_ref().ok_or_else(|| missing("hugepage_size"))?;
                FilterKind::HugepageSize(MinMax {
                    min: size(Some(min), Bytes(0), &field("hugepage_size"))?,
                    max: size(Some(max), Bytes(0), &field("hugepage_size"))?,
                })
            }
            "" => return Err(missing_type(index)),
            other => {
                let what =
                    format!("`{other}` is none of anon, active, young, unmapped, memcg, addr, target, hugepage_size");
                return Err(SchemeError::new(field("filter_type"), what));
            }
        };
        let flag = |flag: &Option<Flag>, default: bool, key: &str| {
            flag.as_ref().map_or(Ok(default), |flag| flag.read(&field(key)))
        };
        let matching = flag(&self.matching, true, "matching")?;
        Ok(SchemeFilter { kind, matching, allow: flag(&self.allow, false, "allow")? })
    }

    fn write(filter: &SchemeFilter) -> RawFilter {
        let mut raw = RawFilter {
            filter_type: filter.kind.as_str().to_owned(),
            matching: Some(Flag::Plain(filter.matching)),
            allow: Some(Flag::Plain(filter.allow)),
            memcg_path: None,
            address_range: None,
            damon_target_idx: None,
            hugepage_size: None,
            ..RawFilter::default()
        };
        match &filter.kind {
            FilterKind::Memcg(path) => raw.memcg_path = Some(path.clone()),
            FilterKind::Addr(range) => {
                let word = |addr: Addr| Some(Word(addr.0.to_string()));
                let (start, end) = (word(range.start), word(range.end));
                raw.address_range = Some(RawAddresses { start, end, more: More::new() });
            }
            FilterKind::Target(index) => raw.damon_target_idx = Some(Word(index.to_string())),
            FilterKind::HugepageSize(range) => raw.hugepage_size = Some((size_word(range.min), size_word(range.max))),
            FilterKind::Anon | FilterKind::Active | FilterKind::Young | FilterKind::Unmapped => {}
        }
        raw
    }
}

impl RawQuotas {
    fn read(&self) -> Result<Quotas> {
        no_more(&self.more, "quotas", QUOTA_KEYS)?;
        no_more(&self.weights.more, "quotas.weights", &["sz_permil", "nr_accesses_permil", "age_permil"])?;
        let weight = |word: &Option<Word>, key: &str| {
            count(word.as_ref(), &format!("quotas.weights.{key}"), human::parse_permil)
        };
        let goal = |(i, raw): (usize, &RawGoal)| {
            const KEYS: &[&str] = &["metric", "target_value", "current_value", "nid", "memcg_path"];
            no_more(&raw.more, &format!("quotas.goals[{i}]"), KEYS)?;
            let value = |word: &Word, key: &str| {
                let parsed = raw.metric.parse_value(&word.0);
                parsed.map_err(|what| SchemeError::new(format!("quotas.goals[{i}].{key}"), what))
            };
            Ok(Goal {
                metric: raw.metric,
                target_value: value(&raw.target_value, "target_value")?,
                current_value: raw.current_value.as_ref().map(|word| value(word, "current_value")).transpose()?,
                nid: raw.nid,
                memcg_path: raw.memcg_path.as_deref().filter(|path| !path.trim().is_empty()).map(memcg_path),
            })
        };
        let reset_interval =
            time(self.reset_interval_ms.as_ref(), TimeUnit::Millis, Nanos(i64::MAX), "quotas.reset_interval_ms")?;
        Ok(Quotas {
            time: time(self.time_ms.as_ref(), TimeUnit::Millis, Nanos(0), "quotas.time_ms")?,
            size: size(self.sz_bytes.as_ref(), Bytes(0), "quotas.sz_bytes")?,
            reset_interval,
            weights: Weights {
                size: weight(&self.weights.sz_permil, "sz_permil")?,
                nr_accesses: weight(&self.weights.nr_accesses_permil, "nr_accesses_permil")?,
                age: weight(&self.weights.age_permil, "age_permil")?,
            },
            goals: self.goals.iter().enumerate().map(goal).collect::<Result<_>>()?,
            goal_tuner: self.goal_tuner,
            // The Python tool writes 0 of 0 for "not set".
            fail_charge_num: some(self.fail_charge_num.as_ref(), "quotas.fail_charge_num")?,
            fail_charge_denom: some(self.fail_charge_denom.as_ref(), "quotas.fail_charge_denom")?,
        })
    }

    fn write(quotas: &Quotas) -> RawQuotas {
        let word = |n: u32| Some(Word(n.to_string()));
        RawQuotas {
            time_ms: Some(time_word(quotas.time)),
            sz_bytes: Some(size_word(quotas.size)),
            reset_interval_ms: Some(time_word(quotas.reset_interval)),
            weights: RawWeights {
                sz_permil: word(quotas.weights.size),
                nr_accesses_permil: word(quotas.weights.nr_accesses),
                age_permil: word(quotas.weights.age),
                more: More::new(),
            },
            goals: quotas
                .goals
                .iter()
                .map(|goal| RawGoal {
                    metric: goal.metric,
                    target_value: Word(goal.target_value.to_string()),
                    current_value: goal.current_value.map(|value| Word(value.to_string())),
                    nid: goal.nid,
                    memcg_path: goal.memcg_path.clone(),
                    more: More::new(),
                })
                .collect(),
            goal_tuner: quotas.goal_tuner,
            fail_charge_num: quotas.fail_charge_num.map(|number| Word(number.to_string())),
            fail_charge_denom: quotas.fail_charge_denom.map(|number| Word(number.to_string())),
            ..RawQuotas::default()
        }
    }
}

impl RawWatermarks {
    fn read(&self) -> Result<Watermarks> {
        const KEYS: &[&str] = &["metric", "interval_us", "high_permil", "mid_permil", "low_permil"];
        no_more(&self.more, "watermarks", KEYS)?;
        let free_mem_rate = match self.metric.as_deref() {
            None | Some("none") => false,
            Some("free_mem_rate") => true,
            Some(other) => {
                let what = format!("`{other}` is neither none nor free_mem_rate");
                return Err(SchemeError::new("watermarks.metric", what));
            }
        };
        let mark =
            |word: &Option<Word>, key: &str| count(word.as_ref(), &format!("watermarks.{key}"), human::parse_permil);
        Ok(Watermarks {
            free_mem_rate,
            interval: time(self.interval_us.as_ref(), TimeUnit::Micros, Nanos(0), "watermarks.interval_us")?,
            high: mark(&self.high_permil, "high_permil")?,
            mid: mark(&self.mid_permil, "mid_permil")?,
            low: mark(&self.low_permil, "low_permil")?,
        })
    }

    fn write(marks: &Watermarks) -> RawWatermarks {
        let word = |n: u32| Some(Word(n.to_string()));
        RawWatermarks {
            metric: Some(if marks.free_mem_rate { "free_mem_rate" } else { "none" }.to_owned()),
            interval_us: Some(time_word(marks.interval)),
            high_permil: word(marks.high),
            mid_permil: word(marks.mid),
            low_permil: word(marks.low),
            more: More::new(),
        }
    }
}

impl TryFrom<&RawScheme> for Scheme {
    type Error = SchemeError;

    fn try_from(raw: &RawScheme) -> Result<Scheme> {
        no_more(&raw.more, "", SCHEME_KEYS)?;
        let any = AccessPattern::default();
        let pattern = &raw.access_pattern;
        no_more(&pattern.more, "access_pattern", &["sz_bytes", "nr_accesses", "age"])?;
        let scheme = Scheme {
            action: raw.action,
            target_nid: raw.target_nid,
            dests: raw.dests.clone(),
            access_pattern: AccessPattern {
                sz_bytes: pattern.sz_bytes.read("access_pattern.sz_bytes", any.sz_bytes, human::parse_bytes)?,
                nr_accesses: pattern.nr_accesses.read("access_pattern.nr_accesses", any.nr_accesses, Rate::parse)?,
                age: pattern.age.read("access_pattern.age", any.age, Span::parse)?,
            },
            apply_interval: time(raw.apply_interval_us.as_ref(), TimeUnit::Micros, Nanos(0), "apply_interval_us")?,
            quotas: raw.quotas.read()?,
            watermarks: raw.watermarks.read()?,
            filters: [&raw.filters, &raw.core_filters, &raw.ops_filters]
                .into_iter()
                .flatten()
                .enumerate()
                .map(|(i, filter)| filter.read(i))
                .collect::<Result<_>>()?,
            max_nr_snapshots: some(raw.max_nr_snapshots.as_ref(), "max_nr_snapshots")?,
        };
        scheme.check()?;
        Ok(scheme)
    }
}

impl Serialize for SchemeFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawFilter::write(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SchemeFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawFilter::deserialize(deserializer)?.read(0).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Scheme::try_from(&RawScheme::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AccessPattern { sz_bytes, nr_accesses, age } = &self.access_pattern;
        let raw = RawScheme {
            action: self.action,
            target_nid: self.target_nid,
            dests: self.dests.clone(),
            access_pattern: RawPattern {
                sz_bytes: RawRange {
                    min: Some(size_word(sz_bytes.min)),
                    max: Some(size_word(sz_bytes.max)),
                    more: More::new(),
                },
                nr_accesses: RawRange::new(nr_accesses.min, nr_accesses.max),
                age: RawRange::new(age.min, age.max),
                ..RawPattern::default()
            },
            apply_interval_us: Some(time_word(self.apply_interval)),
            quotas: RawQuotas::write(&self.quotas),
            watermarks: RawWatermarks::write(&self.watermarks),
            filters: self.filters.iter().map(RawFilter::write).collect(),
            max_nr_snapshots: self.max_nr_snapshots.map(|number| Word(number.to_string())),
            ..RawScheme::default()
        };
        raw.serialize(serializer)
    }
}
