//! Schemes as JSON in the Python tool's schema. Values may be numbers or text with units; text is written so that it
//! reads back the same.

use super::{
    AccessPattern, Action, Dest, FilterKind, Goal, GoalTuner, Metric, MinMax, Quotas, Rate, Scheme, SchemeError,
    SchemeFilter, Span, Watermarks, Weights,
};
use crate::human::{self, Style, TimeUnit};
use crate::{Addr, AddrRange, Bytes, Nanos};
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
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
        serializer.serialize_str(&self.0)
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
#[serde(deny_unknown_fields)]
struct RawRange {
    min: Option<Word>,
    max: Option<Word>,
}

impl RawRange {
    fn new(min: impl fmt::Display, max: impl fmt::Display) -> Self {
        RawRange { min: Some(Word(min.to_string())), max: Some(Word(max.to_string())) }
    }

    fn read<T>(
        &self,
        field: &str,
        default: MinMax<T>,
        parse: impl Fn(&str) -> Result<T, human::ParseError>,
    ) -> Result<MinMax<T>> {
        let bound = |word: &Option<Word>, default: T, name: &str| match word {
            None => Ok(default),
            Some(Word(text)) => parse(text).map_err(|error| SchemeError::new(format!("{field}.{name}"), error)),
        };
        Ok(MinMax { min: bound(&self.min, default.min, "min")?, max: bound(&self.max, default.max, "max")? })
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPattern {
    sz_bytes: RawRange,
    nr_accesses: RawRange,
    age: RawRange,
    /// Of old files, from before units were written.
    #[serde(skip_serializing)]
    nr_accesses_unit: IgnoredAny,
    #[serde(skip_serializing)]
    age_unit: IgnoredAny,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawWeights {
    sz_permil: Option<Word>,
    nr_accesses_permil: Option<Word>,
    age_permil: Option<Word>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawQuotas {
    time_ms: Option<Word>,
    sz_bytes: Option<Word>,
    reset_interval_ms: Option<Word>,
    weights: RawWeights,
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
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawWatermarks {
    metric: Option<String>,
    interval_us: Option<Word>,
    high_permil: Option<Word>,
    mid_permil: Option<Word>,
    low_permil: Option<Word>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAddresses {
    start: Option<Word>,
    end: Option<Word>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFilter {
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
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawScheme {
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_nid: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dests: Vec<Dest>,
    access_pattern: RawPattern,
    apply_interval_us: Option<Word>,
    quotas: RawQuotas,
    watermarks: RawWatermarks,
    filters: Vec<RawFilter>,
    /// As the kernel keeps them apart; written as one list.
    #[serde(skip_serializing)]
    core_filters: Vec<RawFilter>,
    #[serde(skip_serializing)]
    ops_filters: Vec<RawFilter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_nr_snapshots: Option<Word>,
    /// What a kernel did: no part of the scheme.
    #[serde(skip_serializing)]
    stats: IgnoredAny,
    #[serde(skip_serializing)]
    tried_regions: IgnoredAny,
}

impl RawFilter {
    fn read(&self, index: usize) -> Result<SchemeFilter> {
        let field = |key: &str| format!("filters[{index}].{key}");
        let missing = |key: &str| SchemeError::new(field(key), format!("is missing; {} needs it", self.filter_type));
        let kind = match self.filter_type.as_str() {
            "anon" => FilterKind::Anon,
            "active" => FilterKind::Active,
            "young" => FilterKind::Young,
            "unmapped" => FilterKind::Unmapped,
            "memcg" => FilterKind::Memcg(self.memcg_path.clone().ok_or_else(|| missing("memcg_path"))?),
            "addr" => {
                let range = self.address_range.as_ref().ok_or_else(|| missing("address_range"))?;
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
        };
        match &filter.kind {
            FilterKind::Memcg(path) => raw.memcg_path = Some(path.clone()),
            FilterKind::Addr(range) => {
                let word = |addr: Addr| Some(Word(addr.0.to_string()));
                raw.address_range = Some(RawAddresses { start: word(range.start), end: word(range.end) });
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
        let weight = |word: &Option<Word>, key: &str| {
            count(word.as_ref(), &format!("quotas.weights.{key}"), human::parse_permil)
        };
        let goal = |(i, raw): (usize, &RawGoal)| {
            let value = |word: &Word, key: &str| {
                let parsed = raw.metric.parse_value(&word.0);
                parsed.map_err(|what| SchemeError::new(format!("quotas.goals[{i}].{key}"), what))
            };
            Ok(Goal {
                metric: raw.metric,
                target_value: value(&raw.target_value, "target_value")?,
                current_value: raw.current_value.as_ref().map(|word| value(word, "current_value")).transpose()?,
                nid: raw.nid,
                memcg_path: raw.memcg_path.clone(),
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
                })
                .collect(),
            goal_tuner: quotas.goal_tuner,
            fail_charge_num: quotas.fail_charge_num.map(|number| Word(number.to_string())),
            fail_charge_denom: quotas.fail_charge_denom.map(|number| Word(number.to_string())),
            effective_sz_bytes: IgnoredAny,
        }
    }
}

impl RawWatermarks {
    fn read(&self) -> Result<Watermarks> {
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
        }
    }
}

impl TryFrom<&RawScheme> for Scheme {
    type Error = SchemeError;

    fn try_from(raw: &RawScheme) -> Result<Scheme> {
        let any = AccessPattern::default();
        let pattern = &raw.access_pattern;
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
                sz_bytes: RawRange { min: Some(size_word(sz_bytes.min)), max: Some(size_word(sz_bytes.max)) },
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
