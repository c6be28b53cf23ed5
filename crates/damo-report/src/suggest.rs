//! Which thresholds a scheme should have: a grid of ages and access rates tried on a record, the ones that nothing beats,
//! and the best that meets the user's goals.
//!
//! Each point of the grid is reckoned as a what-if report would ([`crate::whatif`]), so the scheme that comes out promises
//! here what it promises there.

mod goal;
mod show;

use goal::default_goals;
pub use goal::{Goal, Measure};

use crate::ReportError;
use crate::whatif::{self, Outcome, what_if};
use damo_frame::Record;
use damo_model::human::time_text;
use damo_model::scheme::{Action, Rate, Scheme, Span};
use damo_model::{Nanos, TimeSpan};

/// How to search.
#[derive(Clone, Debug)]
pub struct SuggestOptions {
    /// What is done.
    pub action: Action,
    /// All of them are to be met; if empty those that go with the action.
    pub goals: Vec<Goal>,
    /// How to reckon.
    pub whatif: whatif::WhatIfOptions,
}

/// A point of the grid.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The least age that memory must have.
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

/// The schemes that were tried, and the one to start.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// The record's name.
    pub record: String,
    /// From the first snapshot to the last.
    pub length: Nanos,
    /// What counts as accessed again soon.
    pub refault_within: Nanos,
    /// The goals that a scheme had to meet.
    pub goals: Vec<Goal>,
    /// Whether they are the default ones.
    pub by_default: bool,
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

/// A gain is nearly as great as another if it is less by no more than this share.
const NEARLY: f64 = 0.02;
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
pub fn suggest(record: &Record, options: &SuggestOptions) -> Result<Suggestion, ReportError> {
    let action = options.action;
    check(options)?;
    let by_default = options.goals.is_empty();
    let goals = if by_default { default_goals(action) } else { options.goals.clone() };
    let TimeSpan { start: from, end: to } = record.time_span().unwrap_or_default();
    let length = to.saturating_sub(from);
    // An age that fills more than half of the record has not been seen to do anything.
    let ages: Vec<Nanos> = AGES_MS.map(Nanos::from_millis).into_iter().filter(|age| age.0 <= length.0 / 2).collect();
    if ages.is_empty() {
        return Err(ReportError::invalid(format!(
            "{} is {} long: record at least a second, better some minutes, to try ages on",
            record.name(),
            time_text(length)
        )));
    }
    let rates: &[f64] = if is_for_hot(action) { &HOT_RATES } else { &COLD_RATES };
    let grid: Vec<(f64, Nanos)> = rates.iter().flat_map(|rate| ages.iter().map(|age| (*rate, *age))).collect();
    let schemes: Vec<Scheme> = grid.iter().map(|(rate, age)| scheme(action, *rate, *age)).collect();
    let report = what_if(record, &schemes, &whatif::WhatIfOptions { ranges: false, ..options.whatif.clone() })?;
    let mut tried: Vec<Tried> = grid
        .into_iter()
        .zip(report.outcomes)
        .map(|((rate, age), outcome)| {
            let meets = outcome.sums.changed > 0.0 && goals.iter().all(|goal| goal.is_met(&outcome, length));
            Tried { age, rate, outcome, meets, best: false }
        })
        .collect();
    mark_best(&mut tried);
    let chosen = choose(&tried, &goals);
    Ok(Suggestion {
        record: record.name().to_owned(),
        length,
        refault_within: options.whatif.refault_within,
        goals,
        by_default,
        action,
        tried,
        chosen,
        notes: report.notes,
    })
}

/// Refuses what no record can answer.
fn check(options: &SuggestOptions) -> Result<(), ReportError> {
    let action = options.action;
    let others = "search pageout, lru_deprio, lru_prio, migrate_cold, …";
    match action {
        Action::Stat | Action::Willneed | Action::Nohugepage => {
            return Err(ReportError::invalid(format!("no record shows what {action} would change: {others}")));
        }
        Action::Hugepage | Action::Collapse => {
            let what = "try single schemes with `damo schemes --what-if` and compare how much more becomes resident";
            return Err(ReportError::invalid(format!("no goal measures what {action} is good for: {what}")));
        }
        _ => {}
    }
    let is_for_pageout = |goal: &&Goal| goal.measure != Measure::Refault;
    match options.goals.iter().find(is_for_pageout) {
        Some(goal) if action != Action::Pageout => Err(ReportError::invalid(format!(
            "the goal `{goal}` is for pageout: with {action} all memory stays resident; give `refault < SHARE`"
        ))),
        _ => Ok(()),
    }
}

/// The one to start, of those that meet the goals. With a bound on the cost: of those that gain nearly as much as any, the one
/// that does least for it. With a wanted saving alone: the one that costs least.
fn choose(tried: &[Tried], goals: &[Goal]) -> Option<usize> {
    let bounds_cost = goals.iter().any(|goal| goal.measure != Measure::Saving);
    let met = || tried.iter().enumerate().filter(|(_, one)| one.meets);
    let most = met().map(|(_, one)| gain(&one.outcome)).fold(0.0, f64::max);
    // The lower the rate and the greater the age, the fewer regions are acted on, and the safer it is elsewhere.
    let careful = |a: &Tried, b: &Tried| b.rate.total_cmp(&a.rate).then(a.age.cmp(&b.age));
    let chosen = if bounds_cost {
        let is_near = |one: &Tried| gain(&one.outcome) >= most * (1.0 - NEARLY);
        met().filter(|(_, one)| is_near(one)).max_by(|(_, a), (_, b)| careful(a, b))
    } else {
        let cost = |one: &Tried| one.outcome.back_share();
        let order = |a: &Tried, b: &Tried| {
            cost(b).total_cmp(&cost(a)).then(gain(&a.outcome).total_cmp(&gain(&b.outcome))).then(careful(a, b))
        };
        met().max_by(|(_, a), (_, b)| order(a, b))
    };
    chosen.map(|(nth, _)| nth)
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
