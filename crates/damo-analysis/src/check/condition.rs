//! Conditions and their texts: `wss-p95 2GiB`, `[heap]:wss-p50 +10%`, `cold-share@2min -10pp`, `coverage 99%`, `quota held`.

use crate::AnalysisError;
use crate::figure::{Figure, Quantity};
use damo_model::Nanos;
use damo_model::human::{self, Show, Style, format_size_f64};
use std::fmt;
use std::str::FromStr;

/// What a condition is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A figure of the run.
    Figure(Figure),
    /// The share of snapshots that are complete, in percent.
    Coverage,
    /// What schemes do, against their quotas.
    Quota,
}

/// On which side of a limit a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At most as large.
    AtMost,
    /// At least as large.
    AtLeast,
}

/// By how much a figure may differ from the baseline's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// By so many percent of the baseline's figure.
    Percent(f64),
    /// By so much, in the figure's unit: bytes or percentage points.
    Amount(f64),
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A number, in the figure's unit.
    Absolute(Bound, f64),
    /// The baseline's figure: it may rise by so much.
    Rise(Change),
    /// The baseline's figure: it may fall by so much.
    Fall(Change),
    /// The quota: no more is tried than it allows.
    Held,
}

/// A limit of a figure, as it is typed: `wss-p95 +5%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What it is about.
    pub subject: Subject,
    /// What it is held against.
    pub limit: Limit,
}

impl Condition {
    /// A condition from its two parts: what it is about, and the limit. The time of a share that is cold may stand behind the
    /// limit as well: `cold-share`, `-10pp@2min`.
    ///
    /// # Errors
    /// If one of them is none, or their units do not fit.
    pub fn new(subject: &str, limit: &str) -> Result<Condition, AnalysisError> {
        let (subject, limit) = (subject.trim(), limit.trim());
        let (name, limit) = match limit.rsplit_once('@') {
            Some((limit, age)) if !subject.contains('@') => (format!("{subject}@{age}"), limit),
            _ => (subject.to_owned(), limit),
        };
        let subject = match name.as_str() {
            "coverage" => Subject::Coverage,
            "quota" => Subject::Quota,
            name => Subject::Figure(name.parse()?),
        };
        let limit = subject.limit(limit)?;
        Ok(Condition { subject, limit })
    }

    /// For how long memory must be idle to count.
    pub(super) fn age(&self) -> Option<Nanos> {
        match &self.subject {
            Subject::Figure(Figure { quantity: Quantity::ColdShare(age), .. }) => Some(*age),
            _ => None,
        }
    }

    /// The lowest coverage that it allows, in percent.
    pub(super) fn coverage(&self) -> Option<f64> {
        match (&self.subject, self.limit) {
            (Subject::Coverage, Limit::Absolute(_, least)) => Some(least),
            _ => None,
        }
    }
}

impl Subject {
    /// Whether its unit is bytes; else it is percent.
    pub(super) fn is_size(&self) -> bool {
        matches!(self, Subject::Figure(figure) if figure.is_size())
    }

    fn limit(&self, text: &str) -> Result<Limit, AnalysisError> {
        if *self == Subject::Quota {
            return match text {
                "held" => Ok(Limit::Held),
                _ => Err(wrong(text, "of quotas there is one condition: quota held")),
            };
        }
        let limit = match text.split_at_checked(1) {
            Some(("+", rest)) => Limit::Rise(self.change(text, rest)?),
            Some(("-", rest)) => Limit::Fall(self.change(text, rest)?),
            _ => {
                let (bound, rest) = match (text.strip_prefix("<="), text.strip_prefix(">=")) {
                    (Some(rest), _) => (Bound::AtMost, rest),
                    (_, Some(rest)) => (Bound::AtLeast, rest),
                    // More of it is better.
                    _ if *self == Subject::Coverage => (Bound::AtLeast, text),
                    _ => (Bound::AtMost, text),
                };
                Limit::Absolute(bound, self.amount(text, rest.trim())?)
            }
        };
        if *self == Subject::Coverage && !matches!(limit, Limit::Absolute(Bound::AtLeast, _)) {
            return Err(wrong(text, "coverage is at least a share, as in coverage 99%"));
        }
        Ok(limit)
    }

    fn change(&self, whole: &str, text: &str) -> Result<Change, AnalysisError> {
        let percent = |text: &str| number(whole, text);
        match (self.is_size(), text.strip_suffix("pp"), text.strip_suffix('%')) {
            (true, None, Some(number)) => percent(number).map(Change::Percent),
            (true, None, None) => size(whole, text).map(Change::Amount),
            (true, Some(_), _) => {
                Err(wrong(whole, "pp is of shares; a size differs by percent or bytes: +5% or +10MiB"))
            }
            (false, Some(number), _) => percent(number).map(Change::Amount),
            (false, None, _) => Err(wrong(whole, "a share differs by percentage points: +10pp or -10pp")),
        }
    }

    fn amount(&self, whole: &str, text: &str) -> Result<f64, AnalysisError> {
        match (self.is_size(), text.strip_suffix('%')) {
            (true, None) => size(whole, text),
            (true, Some(_)) => Err(wrong(whole, "percent of what? +5% is five percent more than the baseline")),
            (false, Some(share)) => {
                let share = number(whole, share)?;
                if share <= 100.0 { Ok(share) } else { Err(wrong(whole, "a share is at most 100%")) }
            }
            (false, None) => Err(wrong(whole, "a share is in percent, as in 40%")),
        }
    }
}

fn wrong(text: &str, why: &str) -> AnalysisError {
    AnalysisError::invalid(format!("limit '{}': {why}", text.shown()))
}

fn number(whole: &str, text: &str) -> Result<f64, AnalysisError> {
    let number = human::parse_number(text.trim()).ok().map(human::Number::as_f64).filter(|number| *number >= 0.0);
    number.filter(|number| number.is_finite()).ok_or_else(|| wrong(whole, "a number is missing, as in +5% or -10pp"))
}

fn size(whole: &str, text: &str) -> Result<f64, AnalysisError> {
    let size = human::parse_bytes(text.trim());
    size.map(|size| size.0 as f64).map_err(|_| wrong(whole, "a size such as 2GiB, or a change such as +5% is wanted"))
}

/// Sees that some run can meet all conditions.
pub(super) fn contradictions(conditions: &[Condition]) -> Result<(), AnalysisError> {
    for (i, a) in conditions.iter().enumerate() {
        for b in &conditions[i + 1..] {
            if a.subject != b.subject {
                continue;
            }
            let same_kind = match (a.limit, b.limit) {
                (Limit::Absolute(a, _), Limit::Absolute(b, _)) => a == b,
                (a, b) => std::mem::discriminant(&a) == std::mem::discriminant(&b),
            };
            if same_kind {
                return Err(AnalysisError::invalid(format!(
                    "'{a}' and '{b}' are two limits of one kind: give one of them"
                )));
            }
            let least_and_most = match (a.limit, b.limit) {
                (Limit::Absolute(Bound::AtLeast, least), Limit::Absolute(Bound::AtMost, most))
                | (Limit::Absolute(Bound::AtMost, most), Limit::Absolute(Bound::AtLeast, least)) => Some((least, most)),
                _ => None,
            };
            if least_and_most.is_some_and(|(least, most)| least > most) {
                return Err(AnalysisError::invalid(format!(
                    "'{a}' and '{b}' contradict each other: no run can meet both"
                )));
            }
        }
    }
    Ok(())
}

impl FromStr for Condition {
    type Err = AnalysisError;

    /// Both parts in one text, a blank between them.
    fn from_str(text: &str) -> Result<Self, AnalysisError> {
        let (subject, limit) = text.trim().rsplit_once(char::is_whitespace).ok_or_else(|| {
            AnalysisError::invalid(format!(
                "'{}' is no condition: a figure and a limit are wanted, as in 'wss-p95 2GiB' or '[heap]:wss-p50 +10%'",
                text.shown()
            ))
        })?;
        // `wss-p95 <= 2GiB`
        match subject
            .trim_end()
            .strip_suffix("<=")
            .map(|rest| (rest, "<="))
            .or_else(|| subject.trim_end().strip_suffix(">=").map(|rest| (rest, ">=")))
        {
            Some((subject, bound)) => Condition::new(subject, &format!("{bound}{limit}")),
            None => Condition::new(subject, limit),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Figure(figure) => figure.fmt(f),
            Subject::Coverage => f.write_str("coverage"),
            Subject::Quota => f.write_str("quota"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = |value: f64, unit: &str| match self.subject.is_size() {
            true => format_size_f64(value, Style::Human),
            false => format!("{value} {unit}"),
        };
        let change = |change: Change| match change {
            Change::Percent(percent) => format!("{percent} %"),
            Change::Amount(value) => amount(value, "pp"),
        };
        write!(f, "{} ", self.subject)?;
        match self.limit {
            Limit::Absolute(Bound::AtMost, value) => write!(f, "<= {}", amount(value, "%")),
            Limit::Absolute(Bound::AtLeast, value) => write!(f, ">= {}", amount(value, "%")),
            Limit::Rise(by) => write!(f, "+{}", change(by)),
            Limit::Fall(by) => write!(f, "-{}", change(by)),
            Limit::Held => f.write_str("held"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_people_write_them() {
        let cases = [
            ("wss-p95 2GiB", "wss-p95 <= 2.000 GiB"),
            ("wss-p95 <= 2GiB", "wss-p95 <= 2.000 GiB"),
            ("wss-p95 >=3GiB", "wss-p95 >= 3.000 GiB"),
            ("wss-p95 +5%", "wss-p95 +5 %"),
            ("rss-max +10MiB", "rss-max +10.000 MiB"),
            ("cold-share -10pp@2min", "cold-share@2min -10 pp"),
            ("cold-share@2min -10pp", "cold-share@2min -10 pp"),
            ("cold-share@2min >=40%", "cold-share@2min >= 40 %"),
            ("[heap]:wss-p50 +10%", "[heap]:wss-p50 +10 %"),
            ("my file:wss-mean -3%", "my file:wss-mean -3 %"),
            ("coverage 99%", "coverage >= 99 %"),
            ("quota held", "quota held"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_limit_of_another_unit_is_refused_with_what_is_wanted() {
        let cases = [
            ("wss-p95 5%", "percent of what?"),
            ("wss-p95 +5pp", "pp is of shares"),
            ("cold-share@2min +5%", "percentage points"),
            ("cold-share@2min 2GiB", "in percent"),
            ("cold-share@2min 101%", "at most 100%"),
            ("coverage <=99%", "at least a share"),
            ("quota 5%", "quota held"),
            ("wss-p95 +", "a size such as"),
            ("wss-p95 -x%", "a number is missing"),
            ("wss-p95", "is no condition"),
            ("x-p95 2GiB", "is no figure"),
        ];
        for (text, part) in cases {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn conditions_that_contradict_each_other_are_refused() {
        let check =
            |texts: &[&str]| contradictions(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        assert!(check(&["wss-p95 2GiB", "wss-p95 >=1GiB", "wss-p50 2GiB", "wss-p95 +5%", "wss-p95 -5%"]).is_ok());
        assert!(check(&["wss-p95 1GiB", "wss-p95 >=2GiB"]).unwrap_err().to_string().contains("contradict"));
        assert!(check(&["wss-p95 1GiB", "wss-p95 2GiB"]).unwrap_err().to_string().contains("two limits of one kind"));
        assert!(check(&["wss-p95 +1%", "wss-p95 +1GiB"]).unwrap_err().to_string().contains("two limits"));
    }
}
