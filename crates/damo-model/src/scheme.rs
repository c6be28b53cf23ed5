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
mod clock;
mod filters;
mod json;
mod quotas;
mod watermarks;

use charge::{Charge, goal_score};
pub use charge::{Costs, GOAL_REACHED, feed_loop, priority};
pub use clock::SchemeClock;
pub use filters::{FilterKind, SchemeFilter};
pub use json::{FIELDS, list_from_json, memcg_path};
pub use quotas::{Goal, GoalTuner, Metric, Quotas, Weights};
pub use watermarks::{WatermarkMetric, Watermarks};

use crate::human::{self, ParseError, Style, TimeUnit};
use crate::json::{ParamError, Result};
use crate::keyword::keywords;
use crate::{Age, Bytes, Intervals, Nanos, NrAccesses};
use std::fmt;

keywords! { "action",
    /// What is done to regions.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[non_exhaustive]
    pub enum Action or Newer {
        /// Bring in what is swapped out.
        Willneed = "willneed",
        /// Mark as a good choice for reclaim.
        Cold = "cold",
        /// Writes the region's pages out (`MADV_PAGEOUT`).
        Pageout = "pageout",
        /// Allow and prefer huge pages.
        Hugepage = "hugepage",
        /// Make huge pages now.
        Collapse = "collapse",
        /// Avoid huge pages.
        Nohugepage = "nohugepage",
        /// Move to the head of the LRU lists.
        LruPrio = "lru_prio",
        /// Move to the tail of the LRU lists.
        LruDeprio = "lru_deprio",
        /// Migrate to another node, hottest first.
        MigrateHot = "migrate_hot",
        /// Migrate to another node, coldest first.
        MigrateCold = "migrate_cold",
        /// Nothing but statistics.
        #[default]
        Stat = "stat",
    }
}

/// An access rate as a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Of the largest possible rate, 0 to 100.
    Percent(f64),
    /// Samples of an aggregation interval.
    Samples(u64),
    /// No upper bound.
    Max,
}

impl Rate {
    /// `5`, `5 %`, `5 samples`, `min` or `max`; a bare number is percent.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> std::result::Result<Rate, ParseError> {
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
    /// A time, whatever the intervals are.
    Time(Nanos),
    /// So many aggregation intervals.
    Intervals(u64),
    /// No upper bound.
    Max,
}

impl Span {
    /// `5 s`, `3 aggr_intervals`, `min` or `max`; a bare number is microseconds. Numbers from the largest that the kernel
    /// holds (2^64 - 1) on are `max`: the Python tool writes it so.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> std::result::Result<Span, ParseError> {
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
    /// The least that fits, inclusive.
    pub min: T,
    /// The most that fits, inclusive.
    pub max: T,
}

impl<T: PartialOrd> MinMax<T> {
    /// Whether `value` lies within, ends included.
    pub fn contains(&self, value: T) -> bool {
        self.min <= value && value <= self.max
    }
}

crate::with_defaults! {
    /// Which regions a scheme is for, as written. By default every region fits.
    #[derive(Clone, Debug, PartialEq)]
    pub struct AccessPattern {
        /// Sizes of the region in bytes.
        pub sz_bytes: MinMax<Bytes> = MinMax { min: Bytes(0), max: Bytes(u64::MAX) },
        /// Access rates of the region.
        pub nr_accesses: MinMax<Rate> = MinMax { min: Rate::Percent(0.0), max: Rate::Max },
        /// Ages of the region.
        pub age: MinMax<Span> = MinMax { min: Span::Time(Nanos(0)), max: Span::Max },
    }
}

impl AccessPattern {
    /// In the kernel's units under `intervals`: the same rate or age is other numbers under others.
    pub fn resolve(&self, intervals: &Intervals) -> ResolvedPattern {
        let MinMax { min, max } = self.nr_accesses;
        let nr_accesses = MinMax { min: min.resolve(intervals), max: max.resolve(intervals) };
        let age = MinMax { min: self.age.min.resolve(intervals), max: self.age.max.resolve(intervals) };
        ResolvedPattern { size: self.sz_bytes, nr_accesses, age }
    }
}

impl From<ResolvedPattern> for AccessPattern {
    /// The way back cannot tell a rate of 5 % from one of one sample in twenty: it gives samples and aggregations.
    fn from(pattern: ResolvedPattern) -> Self {
        let rate = |samples: NrAccesses| match samples.0 {
            u32::MAX => Rate::Max,
            samples => Rate::Samples(samples.into()),
        };
        let span = |age: Age| match age.0 {
            u32::MAX => Span::Max,
            age => Span::Intervals(age.into()),
        };
        let MinMax { min, max } = pattern.nr_accesses;
        AccessPattern {
            sz_bytes: pattern.size,
            nr_accesses: MinMax { min: rate(min), max: rate(max) },
            age: MinMax { min: span(pattern.age.min), max: span(pattern.age.max) },
        }
    }
}

/// Which regions a scheme is for, in the kernel's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedPattern {
    /// Sizes in bytes.
    pub size: MinMax<Bytes>,
    /// Samples of an aggregation interval that found the region accessed.
    pub nr_accesses: MinMax<NrAccesses>,
    /// Ages in aggregation intervals.
    pub age: MinMax<Age>,
}

impl ResolvedPattern {
    /// Whether any region can match.
    pub(crate) fn check(&self) -> Result<()> {
        let bounds = [
            ("sz_bytes", self.size.min.0, self.size.max.0),
            ("nr_accesses", self.nr_accesses.min.0.into(), self.nr_accesses.max.0.into()),
            ("age", self.age.min.0.into(), self.age.max.0.into()),
        ];
        match bounds.into_iter().find(|(_, min, max)| min > max) {
            Some((name, min, max)) => Err(nothing_matches(name, min, max)),
            None => Ok(()),
        }
    }

    /// Whether a region of this size, count and age is meant.
    pub fn matches(&self, size: Bytes, nr_accesses: NrAccesses, age: Age) -> bool {
        self.size.contains(size) && self.nr_accesses.contains(nr_accesses) && self.age.contains(age)
    }
}

fn nothing_matches(field: &str, min: impl fmt::Display, max: impl fmt::Display) -> ParamError {
    let what = format!("at least {min} and at most {max} is nothing; swap them or widen the range");
    ParamError::new(format!("access_pattern.{field}"), what)
}

/// A node to migrate to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dest {
    /// The number of the NUMA node.
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
    /// The regions that the action is for.
    pub access_pattern: AccessPattern,
    /// How often it is applied; 0 is at each aggregation.
    pub apply_interval: Nanos,
    /// How much time and memory it may take.
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

    /// With rates and ages as numbers of samples and aggregations under `intervals`.
    #[must_use]
    pub fn resolved(&self, intervals: &Intervals) -> Scheme {
        Scheme { access_pattern: self.access_pattern.resolve(intervals).into(), ..self.clone() }
    }

    /// Checks what can be checked without a context.
    ///
    /// # Errors
    /// The first contradiction: a range whose end lies before its start, a migration without a node, goals without a
    /// reset interval, watermarks out of order.
    pub fn check(&self) -> Result<()> {
        let size = self.access_pattern.sz_bytes;
        if size.min > size.max {
            return Err(nothing_matches("sz_bytes", size.min.0, size.max.0));
        }
        let written = &self.access_pattern.nr_accesses;
        let ordered = match (written.min, written.max) {
            (Rate::Percent(min), Rate::Percent(max)) => min <= max,
            (Rate::Samples(min), Rate::Samples(max)) => min <= max,
            // The same number of samples is another share under other intervals: known only when it starts.
            _ => true,
        };
        if !ordered {
            return Err(nothing_matches("nr_accesses", written.min, written.max));
        }
        for (name, rate) in [("min", written.min), ("max", written.max)] {
            if let Rate::Percent(percent) = rate
                && !(percent.is_finite() && percent >= 0.0)
            {
                let what = format!("{percent} % is no rate; use 0 to 100 %");
                return Err(ParamError::new(format!("access_pattern.nr_accesses.{name}"), what));
            }
        }
        let written = &self.access_pattern.age;
        let ordered = match (written.min, written.max) {
            (Span::Time(min), Span::Time(max)) => min <= max,
            (Span::Intervals(min), Span::Intervals(max)) => min <= max,
            _ => true,
        };
        if !ordered {
            return Err(nothing_matches("age", written.min, written.max));
        }
        for (name, span) in [("min", written.min), ("max", written.max)] {
            if matches!(span, Span::Time(time) if time.0 < 0) {
                return Err(ParamError::new(format!("access_pattern.age.{name}"), "is negative; use 0 or more"));
            }
        }
        if self.apply_interval.0 < 0 {
            return Err(ParamError::new("apply_interval_us", "is negative; use 0 for once an aggregation"));
        }
        let migrates = matches!(self.action, Action::MigrateHot | Action::MigrateCold);
        if migrates && self.target_nid.is_none_or(|nid| nid < 0) && self.dests.is_empty() {
            return Err(ParamError::new("target_nid", format!("{} needs a node; name one", self.action)));
        }
        if !self.dests.is_empty() && self.dests.iter().all(|dest| dest.weight == 0) {
            return Err(ParamError::new("dests", "all weights are 0; give at least one node a weight"));
        }
        self.quotas.check()?;
        self.watermarks.check()?;
        self.filters.iter().enumerate().try_for_each(|(i, filter)| filter.check(i))
    }
}

#[cfg(test)]
mod tests;
