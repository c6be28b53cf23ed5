//! Which thresholds a scheme should have: a grid of ages and access rates tried on a record, the ones that nothing beats,
//! and the best that meets the user's goals.
//!
//! Each point of the grid is reckoned as a what-if report would ([`crate::whatif`]), so the scheme that comes out promises
//! here what it promises there.

use crate::ReportError;
use crate::picture::{Chart, Series, Unit};
use crate::table::Table;
use crate::whatif::{self, Outcome, describe, what_if, write_rows};
use damo_frame::Record;
use damo_model::human::{self, Style, TimeUnit, format_size, format_time};
use damo_model::scheme::{Action, Rate, Scheme, Span};
use damo_model::{Bytes, Nanos};
use std::io::{self, Write};

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
            other => return Err(format!("'{other}' is no measure: {wanted}")),
        };
        if less != upper {
            let (name, sign) = (name.trim(), if upper { '<' } else { '>' });
            return Err(format!(
                "{name} is wanted {}: {wanted}",
                if sign == '<' { "below a bound" } else { "above one" }
            ));
        }
        let bound = if measure == Measure::Waiting {
            let each = bound.strip_suffix("/s").ok_or_else(|| format!("waiting is a time each second: {wanted}"))?;
            human::parse_time(each, TimeUnit::Millis).map_err(|e| format!("'{bound}': {e}"))?.as_secs_f64()
        } else {
            human::parse_percent(bound).map_err(|e| format!("'{bound}': {e}"))?.as_f64() / 100.0
        };
        if !bound.is_finite() || !(0.0..=1.0).contains(&bound) {
            return Err(format!("'{text}': the bound lies between nothing and everything, 0 to 100 %"));
        }
        Ok(Goal { measure, bound })
    }

    /// Whether `outcome` meets it. `length` is the record's.
    pub fn is_met(&self, outcome: &Outcome, length: Nanos) -> bool {
        match self.measure {
            Measure::Refault => outcome.back_share() < self.bound,
            Measure::Saving => outcome.mean.saved_share() > self.bound,
            Measure::Waiting => waiting(outcome, length) < self.bound,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.measure {
            Measure::Refault => write!(f, "refault < {} %", self.bound * 100.0),
            Measure::Saving => write!(f, "saving > {} %", self.bound * 100.0),
            Measure::Waiting => write!(f, "waiting < {} ms/s", self.bound * 1000.0),
        }
    }
}

/// Waiting as a share of all time.
fn waiting(outcome: &Outcome, length: Nanos) -> f64 {
    outcome.sums.waited.as_secs_f64() / length.as_secs_f64().max(1e-9)
}

/// How to search.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is done.
    pub action: Action,
    /// All of them are to be met.
    pub goals: Vec<Goal>,
    /// How to reckon.
    pub whatif: whatif::Options,
}

/// A point of the grid.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Least age.
    pub age: Nanos,
    /// Bound of the access rate, in percent: at most for cold memory, at least for hot.
    pub rate: f64,
    /// What would come of it.
    pub outcome: Outcome,
    /// Whether all goals are met.
    pub meets: bool,
    /// Whether no other one saves (or moves) as much with fewer bytes accessed again.
    pub best: bool,
}

/// The result.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// The record's name.
    pub record: String,
    /// From the first snapshot to the last.
    pub length: Nanos,
    /// What counts as accessed again soon.
    pub refault_within: Nanos,
    /// The goals.
    pub goals: Vec<Goal>,
    /// What is done.
    pub action: Action,
    /// The whole grid, by rate and age.
    pub tried: Vec<Tried>,
    /// The one to start: the most gained among those that meet the goals. `None` if none does.
    pub chosen: Option<usize>,
    /// What could not be modelled.
    pub notes: Vec<String>,
}

/// Whether the action is for memory that is accessed.
fn is_for_hot(action: Action) -> bool {
    matches!(action, Action::LruPrio | Action::MigrateHot | Action::Hugepage | Action::Collapse | Action::Willneed)
}

/// Of what is resident: who saves less had better let it be.
const LITTLE: f64 = 0.01;
const AGES_MS: [i64; 21] = [
    500, 1_000, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 90_000, 120_000, 180_000,
    300_000, 450_000, 600_000, 900_000, 1_200_000, 1_800_000,
];
const COLD_RATES: [f64; 4] = [0.0, 5.0, 10.0, 25.0];
const HOT_RATES: [f64; 5] = [5.0, 10.0, 25.0, 50.0, 80.0];

/// Searches ages and rates.
///
/// # Errors
/// When the record cannot be read, or the action leaves nothing that could be compared.
pub fn suggest(record: &Record, options: &Options) -> Result<Suggestion, ReportError> {
    let action = options.action;
    if matches!(action, Action::Stat | Action::Willneed | Action::Nohugepage) {
        let what = format!("no record shows what {action} would change: search pageout, lru_deprio, migrate_cold, …");
        return Err(ReportError::invalid(what));
    }
    let (from, to) = record.span().unwrap_or_default();
    let length = to.saturating_sub(from);
    // An age that fills more than half of the record has not been seen to do anything.
    let ages: Vec<Nanos> = AGES_MS.map(Nanos::from_millis).into_iter().filter(|age| age.0 <= length.0 / 2).collect();
    if ages.is_empty() {
        return Err(ReportError::invalid(format!(
            "{} is {} long: record at least a second, better some minutes, to try ages on",
            record.name(),
            format_time(length, Style::Human)
        )));
    }
    let rates: &[f64] = if is_for_hot(action) { &HOT_RATES } else { &COLD_RATES };
    let grid: Vec<(f64, Nanos)> = rates.iter().flat_map(|rate| ages.iter().map(|age| (*rate, *age))).collect();
    let schemes: Vec<Scheme> = grid.iter().map(|(rate, age)| scheme(action, *rate, *age)).collect();
    let report = what_if(record, &schemes, &options.whatif)?;
    let mut tried: Vec<Tried> = grid
        .into_iter()
        .zip(report.outcomes)
        .map(|((rate, age), outcome)| {
            let meets = outcome.sums.changed > 0.0 && options.goals.iter().all(|goal| goal.is_met(&outcome, length));
            Tried { age, rate, outcome, meets, best: false }
        })
        .collect();
    mark_best(&mut tried);
    // With a bound on the cost, as much as possible for it; else what was asked for at the least cost.
    let bounds_cost = options.goals.iter().any(|goal| goal.measure != Measure::Saving);
    let better = |a: &Tried, b: &Tried| {
        let (gain, cost) =
            (gain(&a.outcome).total_cmp(&gain(&b.outcome)), a.outcome.back_share().total_cmp(&b.outcome.back_share()));
        let order =
            if bounds_cost || options.goals.is_empty() { gain.then(cost.reverse()) } else { cost.reverse().then(gain) };
        // Of equals the least rate and the greatest age: it does the least.
        order.then(b.rate.total_cmp(&a.rate)).then(a.age.cmp(&b.age))
    };
    let chosen = (0..tried.len()).filter(|i| tried.get(*i).is_some_and(|t| t.meets)).max_by(|a, b| {
        match (tried.get(*a), tried.get(*b)) {
            (Some(a), Some(b)) => better(a, b),
            _ => std::cmp::Ordering::Equal,
        }
    });
    Ok(Suggestion {
        record: record.name().to_owned(),
        length,
        refault_within: options.whatif.refault_within,
        goals: options.goals.clone(),
        action,
        tried,
        chosen,
        notes: report.notes,
    })
}

fn scheme(action: Action, rate: f64, age: Nanos) -> Scheme {
    let mut scheme = Scheme::new(action);
    if is_for_hot(action) {
        scheme.access_pattern.nr_accesses.min = Rate::Percent(rate);
    } else {
        scheme.access_pattern.nr_accesses.max = Rate::Percent(rate);
    }
    scheme.access_pattern.age.min = Span::Time(age);
    if matches!(action, Action::MigrateCold | Action::MigrateHot) {
        scheme.target_nid = Some(i32::from(action == Action::MigrateCold));
    }
    scheme
}

/// What is gained: bytes saved, or where no action saves any, bytes at their place.
fn gain(outcome: &Outcome) -> f64 {
    if outcome.scheme.action == Action::Pageout { outcome.mean.saved() } else { outcome.mean.moved }
}

/// Marks those that no other one beats in both gain and cost.
fn mark_best(tried: &mut [Tried]) {
    let figures: Vec<(f64, f64)> = tried.iter().map(|t| (gain(&t.outcome), t.outcome.back_share())).collect();
    for (i, one) in tried.iter_mut().enumerate() {
        let Some((gain, cost)) = figures.get(i).copied() else { continue };
        let beaten = figures.iter().enumerate().any(|(j, (other_gain, other_cost))| {
            // Of equals, the first one stands.
            let equal = *other_gain == gain && *other_cost == cost;
            (*other_gain >= gain && *other_cost <= cost) && (!equal || j < i)
        });
        one.best = !beaten && one.outcome.sums.changed > 0.0;
    }
}

impl Suggestion {
    /// The best ones, by gain.
    fn frontier(&self) -> Vec<&Tried> {
        let mut best: Vec<&Tried> = self.tried.iter().filter(|t| t.best).collect();
        best.sort_by(|a, b| gain(&a.outcome).total_cmp(&gain(&b.outcome)));
        best
    }

    /// The one to start.
    pub fn choice(&self) -> Option<&Tried> {
        self.tried.get(self.chosen?)
    }

    /// Writes the frontier and the scheme to start.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let goals: Vec<String> = self.goals.iter().map(Goal::to_string).collect();
        let time = |time| format_time(time, Style::Human);
        writeln!(out, "# {}: {} schemes tried on {}", self.record, self.tried.len(), time(self.length))?;
        let goals = if goals.is_empty() { "none: as much as possible".to_owned() } else { goals.join(", ") };
        writeln!(out, "# goal: {goals}")?;
        let again = if is_for_hot(self.action) { "found idle" } else { "accessed again" };
        writeln!(out, "# refault: {again} within {}, of all bytes that were moved", time(self.refault_within))?;
        for note in &self.notes {
            writeln!(out, "# {note}")?;
        }
        writeln!(out, "\nfrontier: nothing tried has more of the one for less of the other")?;
        let rate = if is_for_hot(self.action) { "rate from" } else { "rate to" };
        // No other action saves what is resident.
        let saves = self.action == Action::Pageout;
        let gained: &[&str] = if saves { &["saved", "of resident"] } else { &["moved"] };
        let head = [&["age from", rate], gained, &["refault", "waiting", ""]].concat();
        let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        for one in self.frontier() {
            let Outcome { mean, .. } = &one.outcome;
            let size = |value: f64| format_size(Bytes(value.max(0.0) as u64), Style::Human);
            let is_choice = self.choice().is_some_and(|choice| (choice.age, choice.rate) == (one.age, one.rate));
            let mark = match (is_choice, one.meets) {
                (true, _) => "<- this one",
                (_, true) => "meets the goal",
                _ => "",
            };
            let mut row = vec![time(one.age), format!("{} %", one.rate)];
            if saves {
                row.extend([size(mean.saved()), format!("{:.1} %", mean.saved_share() * 100.0)]);
            } else {
                row.push(size(mean.moved));
            }
            row.extend([
                format!("{:.2} %", one.outcome.back_share() * 100.0),
                format!("{:.3} ms/s", waiting(&one.outcome, self.length) * 1e3),
                mark.to_owned(),
            ]);
            rows.push(row);
        }
        write_rows(&rows, 1, out)?;
        match self.choice() {
            Some(choice) => {
                writeln!(out, "\n{}, as JSON for `damo start --schemes`:", describe(&choice.outcome.scheme))?;
                writeln!(out, "[{}]", whatif::json(&choice.outcome.scheme))?;
                if saves && choice.outcome.mean.saved_share() < LITTLE {
                    writeln!(out, "\nIt saves next to nothing: hardly worth it, unless the goal is relaxed.")?;
                }
                Ok(())
            }
            None => {
                writeln!(out, "\nNothing tried meets the goal: relax it, or record for longer to try greater ages.")
            }
        }
    }

    /// Tables: `suggestion` (the whole grid); docs/tables.md has its columns.
    ///
    /// # Errors
    /// When Polars refuses a table.
    pub fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let all = || self.tried.iter();
        let share = |of: &dyn Fn(&Tried) -> f64| all().map(of).collect::<Vec<f64>>();
        Ok(vec![Table::new(
            "suggestion",
            vec![
                ("age_ns", all().map(|t| t.age.0).collect::<Vec<_>>().into()),
                ("rate_percent", share(&|t| t.rate).into()),
                ("saved", all().map(|t| t.outcome.mean.saved().round() as i64).collect::<Vec<_>>().into()),
                ("saved_share", share(&|t| t.outcome.mean.saved_share()).into()),
                ("moved", all().map(|t| t.outcome.mean.moved.round() as u64).collect::<Vec<_>>().into()),
                ("refault_share", share(&|t| t.outcome.back_share()).into()),
                ("waiting_share", share(&|t| waiting(&t.outcome, self.length)).into()),
                ("meets", all().map(|t| t.meets).collect::<Vec<_>>().into()),
                ("frontier", all().map(|t| t.best).collect::<Vec<_>>().into()),
                ("chosen", (0..self.tried.len()).map(|i| self.chosen == Some(i)).collect::<Vec<_>>().into()),
                ("json", all().map(|t| whatif::json(&t.outcome.scheme)).collect::<Vec<_>>().into()),
            ],
        )?])
    }

    /// What is gained against what comes back: all that was tried, those that nothing beats, and the one to start.
    pub fn chart(&self) -> Chart {
        let point = |t: &Tried| (gain(&t.outcome).max(0.0), t.outcome.back_share() * 100.0);
        let mut series = Vec::new();
        let mut rates: Vec<f64> = self.tried.iter().map(|t| t.rate).collect();
        rates.dedup();
        for rate in rates {
            let mut points: Vec<_> = self.tried.iter().filter(|t| t.rate == rate).map(point).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let bound = if is_for_hot(self.action) { "rate from" } else { "rate to" };
            series.push(Series { name: format!("{bound} {rate} %"), points, steps: false, filled: false });
        }
        // Last, to lie above the others.
        let points = self.frontier().into_iter().map(point).collect();
        series.push(Series { name: "frontier".to_owned(), points, steps: false, filled: false });
        let most = self.tried.iter().map(|t| point(t).0).fold(0.0, f64::max);
        let marks = self.choice().map(|choice| (point(choice).0, describe(&choice.outcome.scheme)));
        let gained = if self.action == Action::Pageout { "resident bytes saved, mean" } else { "bytes there, mean" };
        let back = format!("came back within {}", format_time(self.refault_within, Style::Human));
        Chart {
            title: format!("{}: what is gained, and what comes back", self.action),
            x: (gained.to_owned(), Unit::Bytes),
            y: (back, Unit::Percent),
            series,
            marks: marks.into_iter().collect(),
            first_color: 0,
            x_range: Some((0.0, most)),
        }
    }
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
            ("saving < 1%", "above one"),
            ("speed > 1%", "'speed' is no measure"),
            ("waiting < 1ms", "a time each second"),
            ("refault < much", "much"),
            ("refault < 200%", "0 to 100 %"),
        ] {
            let error = Goal::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
