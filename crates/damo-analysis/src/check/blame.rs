//! Who is to blame for a figure beyond its limit: which mappings have too much, and when.

use super::Run;
use super::judge::{Culprit, Judgement};
use crate::course::{Course, UNMAPPED};
use crate::figure::{Figure, Quantity};
use damo_model::TimeSpan;
use std::collections::BTreeSet;

/// Mappings are named that have at least this share of what is too much.
const TELLING: f64 = 0.1;
/// So many mappings are named.
const MOST_CULPRITS: usize = 3;
/// A run is looked at in so many parts to find out when it has too much.
const PARTS: usize = 40;

/// Finds which mappings of the runs have too much, and when the first run has. It is too much beside `limit`, or beside the
/// baseline if there is none. `sign` is -1 if too little is meant.
pub(super) fn blame(
    runs: &[Run],
    baseline: &[Run],
    figure: &Figure,
    sign: f64,
    limit: Option<f64>,
    out: &mut Judgement,
) {
    let Some(course) = runs.first().map(|run| &run.course) else { return };
    if figure.mapping.is_none() && figure.quantity != Quantity::Resident {
        // Whatever is asked for, memory that is accessed more (or less) is what changed it.
        let sign = if matches!(figure.quantity, Quantity::ColdShare(_)) { -sign } else { sign };
        out.culprits = culprits(runs, baseline, figure, sign);
    }
    let Ok(values) = figure.values(course) else { return };
    let base = baseline.first().filter(|_| limit.is_none()).and_then(|base| figure.values(&base.course).ok());
    let allowed = |share: f64| match (&base, limit) {
        (Some(base), _) if !base.is_empty() => base[((share * base.len() as f64) as usize).min(base.len() - 1)],
        (_, limit) => limit.unwrap_or_default(),
    };
    out.when = when(course, &values, allowed, sign);
}

/// The mappings that have most of what the runs have more than the baseline, or of all that they have without one.
fn culprits(runs: &[Run], baseline: &[Run], figure: &Figure, sign: f64) -> Vec<Culprit> {
    let value = |runs: &[Run], mapping: &str| {
        let (quantity, mapping) = (Quantity::WorkingSet, Some(mapping.to_owned()));
        let figure = Figure { quantity, mapping, statistic: figure.statistic };
        let value = |run: &Run| figure.statistic.of(&run.course.evened(&figure.values(&run.course).ok()?));
        let values = runs.iter().filter_map(value);
        values.sum::<f64>() / runs.len().max(1) as f64
    };
    let areas = runs.iter().chain(baseline).flat_map(|run| &run.course.areas);
    let names: BTreeSet<&str> = areas.map(|area| area.name.as_str()).filter(|name| *name != UNMAPPED).collect();
    let part = |name: &str| Culprit { mapping: name.to_owned(), bytes: value(runs, name) - value(baseline, name) };
    let mut parts: Vec<Culprit> = names.into_iter().map(part).filter(|part| part.bytes * sign > 0.0).collect();
    parts.sort_by(|a, b| b.bytes.abs().total_cmp(&a.bytes.abs()));
    let all: f64 = parts.iter().map(|part| part.bytes.abs()).sum();
    parts.retain(|part| part.bytes.abs() >= all * TELLING);
    parts.truncate(MOST_CULPRITS);
    parts
}

/// The longest stretch of a run that has most of what is too much: parts of it that exceed half of the largest excess.
fn when(course: &Course, values: &[f64], allowed: impl Fn(f64) -> f64, sign: f64) -> Option<TimeSpan> {
    let count = values.len();
    // Resident memory has times of its own.
    if count == 0 || count != course.times.len() {
        return None;
    }
    let parts = PARTS.min(count);
    let bounds = |part: usize| (part * count / parts, ((part + 1) * count / parts).max(part * count / parts + 1));
    let excess = |part: usize| {
        let (from, to) = bounds(part);
        let each = values.get(from..to).unwrap_or_default().iter().enumerate();
        each.map(|(i, value)| (value - allowed((from + i) as f64 / count as f64)) * sign).sum::<f64>()
            / (to - from) as f64
    };
    let excess: Vec<f64> = (0..parts).map(excess).collect();
    let half = excess.iter().copied().fold(0.0, f64::max) / 2.0;
    if half <= 0.0 {
        return None;
    }
    let mut best: Option<(usize, usize)> = None;
    let mut part = 0;
    while part < parts {
        let from = part;
        while part < parts && excess[part] > half {
            part += 1;
        }
        if part > from && best.is_none_or(|(a, b)| part - from > b - a) {
            best = Some((from, part));
        }
        part += 1;
    }
    let (from, to) = best?;
    let at = |i: usize| course.times.get(i).copied();
    let (first, last) = (at(bounds(from).0)?, at((bounds(to - 1).1 - 1).min(count - 1))?);
    Some(TimeSpan::new(first.start.saturating_sub(course.began), last.end.saturating_sub(course.began)))
}
