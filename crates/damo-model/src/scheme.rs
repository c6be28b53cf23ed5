//! Data access monitoring-based operation schemes (DAMOS): what to do with which regions, under which limits.
//!
//! This is what a user writes: rates in percent or samples, ages in time or aggregation intervals, sizes in human
//! units. It reads and writes the Python tool's JSON, with every key optional and missing bounds at their natural
//! ends; a key that does not exist is an error rather than a scheme that does something else than was meant.
//! [`AccessPattern::resolve`] turns it into the kernel's own units for the intervals in force.
//!
//! ```
//! use damo_model::scheme::{Action, Rate, Scheme, Span};
//! use damo_model::{Intervals, Nanos};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let json = r#"{"access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 m"}}, "action": "pageout"}"#;
//! let scheme: Scheme = serde_json::from_str(json)?;
//! assert_eq!(scheme.action, Action::Pageout);
//! assert_eq!(scheme.access_pattern.age.min, Span::Time(Nanos::from_secs(120)));
//! assert_eq!(scheme.access_pattern.resolve(&Intervals::default()).age.min.0, 1200);
//! # Ok(())
//! # }
//! ```

mod charge;
mod filters;
mod json;
mod quotas;

pub use crate::keyword::unknown_key;
pub use charge::{Charge, Costs, GOAL_REACHED, MAX_PRIORITY, feed_loop, goal_score, priority};
pub use filters::{FilterKind, SchemeFilter};
pub use quotas::{Goal, GoalTuner, Metric, Quotas, Watermarks, Weights};

use crate::human::{self, ParseError, Style, TimeUnit};
use crate::keyword::keywords;
use crate::{Age, Bytes, Intervals, Nanos, NrAccesses};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A scheme that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}{between}{what}", between = if field.is_empty() { "" } else { ": " })]
#[non_exhaustive]
pub struct SchemeError {
    /// Where in the scheme, by the JSON keys: `quotas.reset_interval_ms`; empty for the scheme as a whole.
    pub field: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl SchemeError {
    pub(crate) fn new(field: impl Into<String>, what: impl fmt::Display) -> Self {
        SchemeError { field: field.into(), what: what.to_string() }
    }
}

/// What is done to regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Bring in what is swapped out.
    Willneed,
    /// Mark as a good choice for reclaim.
    Cold,
    /// Reclaim.
    Pageout,
    /// Allow and prefer huge pages.
    Hugepage,
    /// Make huge pages now.
    Collapse,
    /// Avoid huge pages.
    Nohugepage,
    /// Move to the head of the LRU lists.
    LruPrio,
    /// Move to the tail of the LRU lists.
    LruDeprio,
    /// Migrate to another node, hottest first.
    MigrateHot,
    /// Migrate to another node, coldest first.
    MigrateCold,
    /// Nothing but statistics.
    #[default]
    Stat,
}

keywords!(Action, "action", {
    Willneed = "willneed",
    Cold = "cold",
    Pageout = "pageout",
    Hugepage = "hugepage",
    Collapse = "collapse",
    Nohugepage = "nohugepage",
    LruPrio = "lru_prio",
    LruDeprio = "lru_deprio",
    MigrateHot = "migrate_hot",
    MigrateCold = "migrate_cold",
    Stat = "stat",
});

/// An access rate as a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Of the largest possible rate, 0 to 100.
    Percent(f64),
    /// Samples of an aggregation interval.
    Samples(u64),
    /// No bound.
    Max,
}

impl Rate {
    /// `5`, `5 %`, `5 samples`, `min` or `max`; a bare number is percent.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Rate, ParseError> {
        if text.trim() == "max" {
            return Ok(Rate::Max);
        }
        if let Ok((number, "samples" | "sample")) = human::parse_number_with_unit(text) {
            return Ok(u64::try_from(number.trunc()).map_or(Rate::Max, Rate::Samples));
        }
        // Not by way of a ratio: 58 % must not become 57.999 % and lose a sample.
        let digits = text.trim().strip_suffix('%').filter(|digits| !matches!(digits.trim(), "min" | "max"));
        Ok(Rate::Percent(digits.map_or_else(|| human::parse_percent(text), human::parse_number)?.as_f64()))
    }

    /// In samples of an aggregation interval, without fraction.
    pub fn resolve(self, intervals: &Intervals) -> NrAccesses {
        match self {
            Rate::Percent(percent) => {
                let possible = intervals.aggregation.0 as f64 / intervals.sample.0.max(1) as f64;
                NrAccesses((percent * possible / 100.0) as u32)
            }
            Rate::Samples(samples) => NrAccesses(u32::try_from(samples).unwrap_or(u32::MAX)),
            Rate::Max => NrAccesses(u32::MAX),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Percent(percent) => write!(f, "{percent} %"),
            Rate::Samples(samples) => write!(f, "{samples} samples"),
            Rate::Max => f.write_str("max"),
        }
    }
}

/// An age as a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Time.
    Time(Nanos),
    /// Aggregation intervals.
    Intervals(u64),
    /// No bound.
    Max,
}

impl Span {
    /// `5 s`, `3 aggr_intervals`, `min` or `max`; a bare number is microseconds. Numbers from the largest that the kernel
    /// holds (2^64 - 1) on are `max`: the Python tool writes it so.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Span, ParseError> {
        if text.trim() == "max" {
            return Ok(Span::Max);
        }
        if let Ok((number, "aggr_intervals" | "aggr_interval")) = human::parse_number_with_unit(text) {
            return Ok(u64::try_from(number.trunc()).map_or(Span::Max, Span::Intervals));
        }
        if human::parse_number(text).is_ok_and(|number| number.trunc() >= i128::from(u64::MAX)) {
            return Ok(Span::Max);
        }
        human::parse_time(text, TimeUnit::Micros).map(Span::Time)
    }

    /// In aggregation intervals, without fraction.
    pub fn resolve(self, intervals: &Intervals) -> Age {
        let whole = match self {
            Span::Time(time) => u64::try_from(time.0 / intervals.aggregation.0.max(1)).unwrap_or(0),
            Span::Intervals(intervals) => intervals,
            Span::Max => u64::MAX,
        };
        Age(u32::try_from(whole).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Time(time) => f.write_str(&human::format_time_exact(*time, Style::Human)),
            Span::Intervals(intervals) => write!(f, "{intervals} aggr_intervals"),
            Span::Max => f.write_str("max"),
        }
    }
}

/// A closed range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinMax<T> {
    /// At least.
    pub min: T,
    /// At most.
    pub max: T,
}

impl<T: PartialOrd> MinMax<T> {
    /// Whether `value` lies within, ends included.
    pub fn contains(&self, value: T) -> bool {
        self.min <= value && value <= self.max
    }
}

/// Which regions a scheme is for, as written.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessPattern {
    /// Sizes.
    pub sz_bytes: MinMax<Bytes>,
    /// Access rates.
    pub nr_accesses: MinMax<Rate>,
    /// Ages.
    pub age: MinMax<Span>,
}

impl Default for AccessPattern {
    /// Any region.
    fn default() -> Self {
        AccessPattern {
            sz_bytes: MinMax { min: Bytes(0), max: Bytes(u64::MAX) },
            nr_accesses: MinMax { min: Rate::Percent(0.0), max: Rate::Max },
            age: MinMax { min: Span::Time(Nanos(0)), max: Span::Max },
        }
    }
}

impl AccessPattern {
    /// In the kernel's units under `intervals`.
    pub fn resolve(&self, intervals: &Intervals) -> ResolvedPattern {
        let MinMax { min, max } = self.nr_accesses;
        let nr_accesses = MinMax { min: min.resolve(intervals), max: max.resolve(intervals) };
        let age = MinMax { min: self.age.min.resolve(intervals), max: self.age.max.resolve(intervals) };
        ResolvedPattern { size: self.sz_bytes, nr_accesses, age }
    }
}

/// Which regions a scheme is for, in the kernel's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedPattern {
    /// Sizes.
    pub size: MinMax<Bytes>,
    /// Samples of an aggregation interval that found the region accessed.
    pub nr_accesses: MinMax<NrAccesses>,
    /// Ages in aggregation intervals.
    pub age: MinMax<Age>,
}

impl ResolvedPattern {
    /// Whether a region of this size, count and age is meant.
    pub fn matches(&self, size: Bytes, nr_accesses: NrAccesses, age: Age) -> bool {
        self.size.contains(size) && self.nr_accesses.contains(nr_accesses) && self.age.contains(age)
    }
}

/// A node to migrate to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dest {
    /// NUMA node.
    pub id: u32,
    /// Its part of the pages, relative to the others'.
    pub weight: u32,
}

/// A data access monitoring-based operation scheme.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scheme {
    /// What is done.
    pub action: Action,
    /// NUMA node to migrate to.
    pub target_nid: Option<i32>,
    /// Several nodes to migrate to, instead of one.
    pub dests: Vec<Dest>,
    /// Which regions.
    pub access_pattern: AccessPattern,
    /// How often it is applied; 0 is at each aggregation.
    pub apply_interval: Nanos,
    /// Limits.
    pub quotas: Quotas,
    /// When it is active.
    pub watermarks: Watermarks,
    /// Which memory it takes or leaves, the first filter that matches decides.
    pub filters: Vec<SchemeFilter>,
    /// Ends after so many snapshots; `None` is never.
    pub max_nr_snapshots: Option<u64>,
}

impl Scheme {
    /// A scheme for any region, without limits.
    pub fn new(action: Action) -> Self {
        Scheme { action, ..Scheme::default() }
    }

    /// Checks what can be checked without a kernel.
    ///
    /// # Errors
    /// The first contradiction: a range whose end lies before its start, a migration without a node, goals without a
    /// reset interval, watermarks out of order.
    pub fn check(&self) -> Result<(), SchemeError> {
        let intervals = Intervals::default();
        let pattern = self.access_pattern.resolve(&intervals);
        let order = |field: &str, ordered: bool, min: String, max: String| {
            let what = format!("at least {min} and at most {max} is nothing; swap them or widen the range");
            if ordered { Ok(()) } else { Err(SchemeError::new(format!("access_pattern.{field}"), what)) }
        };
        let size = pattern.size;
        order("sz_bytes", size.min <= size.max, size.min.0.to_string(), size.max.0.to_string())?;
        let written = &self.access_pattern.nr_accesses;
        let ordered = match (written.min, written.max) {
            (Rate::Percent(min), Rate::Percent(max)) => min <= max,
            (Rate::Samples(min), Rate::Samples(max)) => min <= max,
            // The same number of samples is another share under other intervals: known only when it starts.
            _ => true,
        };
        order("nr_accesses", ordered, written.min.to_string(), written.max.to_string())?;
        for (name, rate) in [("min", written.min), ("max", written.max)] {
            if let Rate::Percent(percent) = rate
                && !(percent.is_finite() && percent >= 0.0)
            {
                let what = format!("{percent} % is no rate; use 0 to 100 %");
                return Err(SchemeError::new(format!("access_pattern.nr_accesses.{name}"), what));
            }
        }
        let written = &self.access_pattern.age;
        let ordered = match (written.min, written.max) {
            (Span::Time(min), Span::Time(max)) => min <= max,
            (Span::Intervals(min), Span::Intervals(max)) => min <= max,
            _ => true,
        };
        order("age", ordered, written.min.to_string(), written.max.to_string())?;
        for (name, span) in [("min", written.min), ("max", written.max)] {
            if matches!(span, Span::Time(time) if time.0 < 0) {
                return Err(SchemeError::new(format!("access_pattern.age.{name}"), "is negative; use 0 or more"));
            }
        }
        if self.apply_interval.0 < 0 {
            return Err(SchemeError::new("apply_interval_us", "is negative; use 0 for once an aggregation"));
        }
        let migrates = matches!(self.action, Action::MigrateHot | Action::MigrateCold);
        if migrates && self.target_nid.is_none_or(|nid| nid < 0) && self.dests.is_empty() {
            return Err(SchemeError::new("target_nid", format!("{} needs a node; name one", self.action)));
        }
        if !self.dests.is_empty() && self.dests.iter().all(|dest| dest.weight == 0) {
            return Err(SchemeError::new("dests", "all weights are 0; give at least one node a weight"));
        }
        self.quotas.check()?;
        self.watermarks.check()?;
        self.filters.iter().enumerate().try_for_each(|(i, filter)| filter.check(i))
    }
}

#[cfg(test)]
mod tests;
