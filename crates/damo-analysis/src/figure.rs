//! Figures of a run that can be compared and limited, and their names: `wss-p95`, `[heap]:wss-mean`, `cold-share@2min`,
//! `rss-max`.

use crate::AnalysisError;
use crate::course::Course;
use damo_model::Nanos;
use damo_model::human::{self, Style, format_size_f64, time_text};
use std::fmt;
use std::str::FromStr;

pub use damo_report::statistic::Statistic;

/// What is measured at each instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantity {
    /// Bytes that were accessed.
    WorkingSet,
    /// Bytes that were accessed in at least half of the samples.
    Hot,
    /// Share of the monitored bytes that were not accessed for at least so long, in percent. It is known from that time after
    /// the beginning of the recording on.
    ColdShare(Nanos),
    /// Bytes of all processes that are in memory, as the kernel counts them.
    Resident,
}

/// A figure of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Figure {
    /// What is measured.
    pub quantity: Quantity,
    /// In mappings of this name only.
    pub mapping: Option<String>,
    /// Which number stands for all instants.
    pub statistic: Statistic,
}

impl Figure {
    /// The figure of all mappings.
    pub fn new(quantity: Quantity, statistic: Statistic) -> Self {
        Figure { quantity, mapping: None, statistic }
    }

    /// Whether its unit is bytes; else it is percent.
    pub fn is_size(&self) -> bool {
        !matches!(self.quantity, Quantity::ColdShare(_))
    }

    /// The course of what is measured. Resident memory has times of its own, and a cold share begins later; all else has a
    /// value for each instant.
    ///
    /// # Errors
    /// If the record does not tell it, or has no mapping of that name.
    pub fn values(&self, course: &Course) -> Result<Vec<f64>, AnalysisError> {
        if let Some(mapping) = &self.mapping {
            return mapping_values(course, mapping, self.quantity);
        }
        match self.quantity {
            Quantity::WorkingSet => Ok(course.working_set.clone()),
            Quantity::Hot if course.intervals.is_none() => Err(AnalysisError::invalid(format!(
                "{} does not tell its intervals, so that nobody knows which count is hot: give them by --intervals",
                course.record
            ))),
            Quantity::Hot => Ok(course.hot.clone()),
            Quantity::Resident if course.resident.is_empty() => Err(AnalysisError::invalid(format!(
                "{} does not tell how much memory is resident: record with footprints (damo record does so by default)",
                course.record
            ))),
            Quantity::Resident => Ok(course.resident.iter().map(|(_, bytes)| *bytes).collect()),
            Quantity::ColdShare(age) => {
                let idle = course.idle.iter().find(|(known, _)| *known == age).map(|(_, values)| values);
                let idle = idle.ok_or_else(|| {
                    AnalysisError::invalid(format!(
                        "{} does not tell for how long memory has been idle (ages and intervals): record on a kernel \
                         from 5.16 on",
                        course.record
                    ))
                })?;
                let share = |(idle, all): (&f64, &f64)| if *all > 0.0 { idle * 100.0 / all } else { 0.0 };
                // Before, nothing can have been idle for so long: a longer run would have a larger share for that alone.
                let known_from = course.began.saturating_add(age);
                let early = course.times.iter().take_while(|time| time.start < known_from).count();
                Ok(idle.iter().zip(&course.monitored).skip(early).map(share).collect())
            }
        }
    }

    /// A value of this figure for people.
    pub fn show(&self, value: f64) -> String {
        if self.is_size() { format_size_f64(value, Style::Human) } else { format!("{value:.1} %") }
    }

    /// A difference of two values for people, with its sign.
    pub(crate) fn show_difference(&self, difference: f64) -> String {
        let sign = if difference < 0.0 { "-" } else { "+" };
        let size = difference.abs();
        if self.is_size() {
            format!("{sign}{}", format_size_f64(size, Style::Human))
        } else {
            format!("{sign}{size:.1} pp")
        }
    }
}

/// Whether a mapping is the one that a user calls `wanted`: `heap` is [heap], and `cache` is [anon:cache].
pub(crate) fn is_called(name: &str, wanted: &str) -> bool {
    let bare = |name: &str| name.trim_start_matches('[').trim_end_matches(']').to_owned();
    name == wanted || bare(name) == bare(wanted) || bare(name).trim_start_matches("anon:") == wanted
}

fn mapping_values(course: &Course, mapping: &str, quantity: Quantity) -> Result<Vec<f64>, AnalysisError> {
    if quantity != Quantity::WorkingSet {
        return Err(AnalysisError::invalid(format!(
            "of a mapping there is the working set only, as in '{mapping}:wss-p50'"
        )));
    }
    let mut sum = vec![0.0; course.times.len()];
    let mut found = false;
    for area in course.areas.iter().filter(|area| is_called(&area.name, mapping)) {
        found = true;
        for (sum, value) in sum.iter_mut().zip(&area.working_set) {
            *sum += value;
        }
    }
    if found {
        return Ok(sum);
    }
    let mut names: Vec<&str> = course.areas.iter().map(|area| area.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let known = if names.is_empty() { "no mapping at all".to_owned() } else { names.join(", ") };
    Err(AnalysisError::invalid(format!(
        "no mapping of {} is called '{}'; it has {}",
        course.record,
        human::Show::shown(mapping),
        human::Show::shown(known.as_str())
    )))
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mapping) = &self.mapping {
            write!(f, "{mapping}:")?;
        }
        match self.quantity {
            Quantity::WorkingSet => write!(f, "wss-{}", self.statistic),
            Quantity::Hot => write!(f, "hot-{}", self.statistic),
            Quantity::Resident => write!(f, "rss-{}", self.statistic),
            Quantity::ColdShare(age) => {
                f.write_str("cold-share")?;
                if self.statistic != Statistic::Mean {
                    write!(f, "-{}", self.statistic)?;
                }
                // One word, so that it can be typed again.
                write!(f, "@{}", time_text(age).to_string().replace(' ', ""))
            }
        }
    }
}

impl FromStr for Figure {
    type Err = AnalysisError;

    fn from_str(text: &str) -> Result<Self, AnalysisError> {
        let (mapping, name) = match text.rsplit_once(':') {
            Some((mapping, name)) if !mapping.is_empty() => (Some(mapping.to_owned()), name),
            _ => (None, text),
        };
        let unknown = || {
            AnalysisError::invalid(format!(
                "'{}' is no figure: there are wss, hot and rss, each with -mean, -max or -p0 to -p100, and \
                 cold-share@TIME, as in wss-p95, '[heap]:wss-mean' or cold-share@2min",
                human::Show::shown(text)
            ))
        };
        let (name, age) = match name.split_once('@') {
            Some((name, age)) => (name, Some(human::parse_time_with_unit(age, ["s", "min"]).map_err(|_| unknown())?)),
            None => (name, None),
        };
        let statistic = |text: &str| match text {
            "mean" => Some(Statistic::Mean),
            "max" => Some(Statistic::Percentile(100)),
            text => text.strip_prefix('p')?.parse().ok().filter(|p| *p <= 100).map(Statistic::Percentile),
        };
        let (quantity, statistic) = match (name.strip_prefix("cold-share"), age) {
            (Some(""), Some(age)) => (Quantity::ColdShare(age), Some(Statistic::Mean)),
            (Some(rest), Some(age)) => (Quantity::ColdShare(age), rest.strip_prefix('-').and_then(statistic)),
            (None, None) => {
                let (name, rest) = name.split_once('-').ok_or_else(unknown)?;
                let quantity = match name {
                    "wss" => Quantity::WorkingSet,
                    "hot" => Quantity::Hot,
                    "rss" => Quantity::Resident,
                    _ => return Err(unknown()),
                };
                (quantity, statistic(rest))
            }
            _ => return Err(unknown()),
        };
        Ok(Figure { quantity, mapping, statistic: statistic.ok_or_else(unknown)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figures_name_is_read_as_it_is_shown() {
        for name in
            ["wss-p95", "wss-mean", "rss-max", "hot-p50", "cold-share@2m", "cold-share-p5@30s", "[heap]:wss-p50"]
        {
            let figure: Figure = name.parse().unwrap();
            assert_eq!(figure.to_string().parse::<Figure>().unwrap(), figure, "{name}");
        }
        for name in
            ["", "wss", "wss-p101", "wss-mean@2m", "cold-share", "cold-share@2 apples", "rss", ":wss-p5", "x-p5"]
        {
            assert!(name.parse::<Figure>().is_err(), "{name}");
        }
    }

    #[test]
    fn statistics_are_those_of_the_reports() {
        let values = [3.0, 1.0, 2.0, 4.0];
        let of = |percent| Statistic::Percentile(percent).of(&values).unwrap();
        assert_eq!((of(0), of(50), of(100)), (1.0, 3.0, 4.0));
        assert_eq!(Statistic::Mean.of(&values), Some(2.5));
        assert_eq!(Statistic::Mean.of(&[]), None);
    }
}
