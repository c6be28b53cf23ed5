//! Goals: what a scheme has to meet to be suggested.

use crate::whatif::Outcome;
use damo_model::scheme::Action;
use damo_model::{Nanos, human};

/// What a goal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// Bytes accessed again soon, as a share of the bytes paged out (or moved).
    Refault,
    /// Mean resident bytes saved, as a share of what is resident without the scheme.
    Saving,
    /// Time that programs would wait for memory, as a share of all time.
    Waiting,
}

impl Measure {
    /// Its value for a scheme, a share; `length` is the record's.
    pub(super) fn of(self, outcome: &Outcome, length: Nanos) -> f64 {
        match self {
            Measure::Refault => outcome.back_share(),
            Measure::Saving => outcome.mean.saved_share(),
            Measure::Waiting => waiting(outcome, length),
        }
    }
}

/// A condition that a scheme has to meet: `refault < 1%`, `saving > 30%`, `waiting < 1ms/s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// What is bounded.
    pub measure: Measure,
    /// The bound, a share: 0.01 is 1 %.
    pub bound: f64,
}

impl Goal {
    /// Reads `refault < SHARE`, `saving > SHARE` or `waiting < TIME/s`; a share is in percent (`1%`, or `1`).
    ///
    /// # Errors
    /// A sentence with what is wanted instead.
    pub fn parse(text: &str) -> Result<Goal, String> {
        let wanted = "write `refault < 1%`, `saving > 30%` or `waiting < 1ms/s`";
        let at = text.find(['<', '>']).ok_or_else(|| format!("'{text}' has neither < nor >: {wanted}"))?;
        let (name, rest) = text.split_at(at);
        let (less, bound) = (rest.starts_with('<'), rest.trim_start_matches(['<', '>', '=']).trim());
        let (measure, upper) = match name.trim() {
            "refault" | "refaults" => (Measure::Refault, true),
            "saving" | "saved" => (Measure::Saving, false),
            "waiting" => (Measure::Waiting, true),
            other => return Err(format!("'{other}' cannot be a goal: {wanted}")),
        };
        if less != upper {
            let (name, sign) = (name.trim(), if upper { '<' } else { '>' });
            return Err(format!(
                "{name} must be {}: {wanted}",
                if sign == '<' { "below a bound" } else { "above a bound" }
            ));
        }
        let bound = if measure == Measure::Waiting {
            let each = bound.strip_suffix("/s").ok_or_else(|| format!("waiting is a time each second: {wanted}"))?;
            human::parse_time_with_unit(each, ["ms", "us"]).map_err(|e| format!("'{bound}': {e}"))?.as_secs_f64()
        } else {
            human::parse_percent(bound).map_err(|e| format!("'{bound}': {e}"))?.as_f64() / 100.0
        };
        if !bound.is_finite() || !(0.0..=1.0).contains(&bound) {
            return Err(format!("'{text}': the bound must be between 0 and 100 %"));
        }
        Ok(Goal { measure, bound })
    }

    /// Whether `outcome` meets it. `length` is the record's.
    pub(crate) fn is_met(&self, outcome: &Outcome, length: Nanos) -> bool {
        let value = self.measure.of(outcome, length);
        if self.measure == Measure::Saving { value > self.bound } else { value < self.bound }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.measure {
            Measure::Refault => write!(f, "refault < {} %", short(self.bound * 100.0)),
            Measure::Saving => write!(f, "saving > {} %", short(self.bound * 100.0)),
            Measure::Waiting => write!(f, "waiting < {} ms/s", short(self.bound * 1000.0)),
        }
    }
}

/// A figure without the noise of its binary representation: 1.1 rather than 1.1000000000000001.
fn short(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The goals where none are given: most of what is paged out (or moved) stays idle, and programs hardly wait.
///
/// A tenth accessed again means that nine tenths of the work was of use. One millisecond each second is a memory pressure
/// of 0.1 %, which production hosts are commonly held to when their idle memory is paged out.
pub(crate) fn default_goals(action: Action) -> Vec<Goal> {
    let refault = Goal { measure: Measure::Refault, bound: 0.1 };
    let waiting = Goal { measure: Measure::Waiting, bound: 0.001 };
    if action == Action::Pageout { vec![refault, waiting] } else { vec![refault] }
}

/// Waiting as a share of all time.
pub(super) fn waiting(outcome: &Outcome, length: Nanos) -> f64 {
    outcome.sums.waited.trunc() / 1e9 / length.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_read_as_they_are_said() {
        let of = |text| Goal::parse(text);
        assert_eq!(of("refault < 1%"), Ok(Goal { measure: Measure::Refault, bound: 0.01 }));
        assert_eq!(of("refault<0.5 %"), Ok(Goal { measure: Measure::Refault, bound: 0.005 }));
        assert_eq!(of("saving > 30%"), Ok(Goal { measure: Measure::Saving, bound: 0.3 }));
        assert_eq!(of("waiting < 1ms/s"), Ok(Goal { measure: Measure::Waiting, bound: 0.001 }));
    }

    #[test]
    fn goals_that_are_none_are_refused_with_the_remedy() {
        for (text, says) in [
            ("refault", "neither < nor >"),
            ("refault > 1%", "below a bound"),
            ("saving < 1%", "above a bound"),
            ("speed > 1%", "'speed' cannot be a goal"),
            ("waiting < 1ms", "a time each second"),
            ("refault < much", "much"),
            ("refault < 200%", "between 0 and 100 %"),
        ] {
            let error = Goal::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
