//! Figures that sentences are made of.

use crate::AnalysisError;
use crate::figure::Statistic;
use damo_frame::Record;
use damo_model::Nanos;
use damo_model::scheme::{Action, Rate, Scheme, Span};
use damo_report::whatif::{WhatIfOptions, what_if};

/// Parts of time that growth is judged by.
const PARTS: usize = 6;
/// Growth of less than this share of the beginning is none.
const LEAST_GROWTH: f64 = 0.1;
/// A part adds at least this share of what parts add on average, else growth ends.
const STEADY: f64 = 0.4;
/// Of what is paged out, more than this share should not come back soon.
const MOST_BACK: f64 = 0.1;
/// Idle times that reclaim is tried with, in seconds.
const AGES: [i64; 7] = [1, 5, 10, 30, 60, 120, 300];

/// More regions make a record long.
const MANY_REGIONS: u64 = 5_000_000;

/// The median, or another percentile, by the rule of `report wss`; 0 if there is no value.
pub(super) fn percentile(values: &[f64], percent: u8) -> f64 {
    Statistic::Percentile(percent).of(values).unwrap_or_default()
}

/// Growth that goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    /// Bytes in the first part of the time.
    pub from: f64,
    /// Bytes in the last part of it.
    pub to: f64,
    /// Bytes that are added in a minute.
    pub per_minute: f64,
}

/// How a size grows, if it does so through all parts of the time, up to its end.
pub(super) fn growth(points: &[(Nanos, f64)]) -> Option<Growth> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let length = last.saturating_sub(first).0;
    if points.len() < 5 * PARTS || length <= 0 {
        return None;
    }
    let mut parts: [Vec<f64>; PARTS] = Default::default();
    for (at, size) in points {
        let part = (at.saturating_sub(first).0 as f64 / length as f64 * PARTS as f64) as usize;
        parts[part.min(PARTS - 1)].push(*size);
    }
    // What a program takes while it starts is no growth.
    let sizes: Vec<f64> = parts[1..].iter().map(|part| percentile(part, 50)).collect();
    let (from, to) = (*sizes.first()?, *sizes.last()?);
    let each = (to - from) / (sizes.len() - 1) as f64;
    let goes_on = sizes.windows(2).all(|pair| pair[1] - pair[0] >= STEADY * each);
    let minutes = Nanos(length).as_secs_f64() / 60.0 / PARTS as f64;
    (from > 0.0 && to - from >= LEAST_GROWTH * from && goes_on).then(|| Growth { from, to, per_minute: each / minutes })
}

/// What reclaiming idle memory would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reclaim {
    /// The idle time.
    pub age: Nanos,
    /// Resident bytes less, as a mean over the record.
    pub saved: f64,
    /// The same as a share.
    pub saved_share: f64,
    /// The share of what is paged out that is accessed again soon.
    pub back: f64,
    /// What is soon.
    pub within: Nanos,
}

/// The idle time that saves most among those at which little comes back, or else the one at which least does. `None` if the
/// record is too short to tell.
pub(super) fn reclaim(record: &Record) -> Result<Option<Reclaim>, AnalysisError> {
    let length = record.time_span().map(|span| span.length()).unwrap_or_default();
    // Each idle time costs about as much as all else: of a long record, every third one is tried.
    let every = if record.totals().regions > MANY_REGIONS { 3 } else { 1 };
    let ages = AGES.map(Nanos::from_secs).into_iter().skip(every - 1).step_by(every);
    let ages: Vec<Nanos> = ages.filter(|age| age.0 <= length.0 / 4).collect();
    if ages.is_empty() {
        return Ok(None);
    }
    let scheme = |age: &Nanos| {
        let mut scheme = Scheme::new(Action::Pageout);
        scheme.access_pattern.nr_accesses.max = Rate::Percent(0.0);
        scheme.access_pattern.age.min = Span::Time(*age);
        scheme
    };
    let schemes: Vec<Scheme> = ages.iter().map(scheme).collect();
    let Ok(report) = what_if(record, &schemes, &WhatIfOptions { ranges: false, ..WhatIfOptions::default() }) else {
        return Ok(None);
    };
    let within = report.refault_within;
    let tried: Vec<Reclaim> = ages
        .into_iter()
        .zip(&report.outcomes)
        .map(|(age, outcome)| Reclaim {
            age,
            saved: outcome.mean.saved().max(0.0),
            saved_share: outcome.mean.saved_share().max(0.0),
            back: outcome.back_share(),
            within,
        })
        .collect();
    let gentle = tried.iter().filter(|one| one.back <= MOST_BACK);
    let most = gentle.max_by(|a, b| a.saved.total_cmp(&b.saved).then(b.age.cmp(&a.age)));
    Ok(most.or_else(|| tried.iter().min_by(|a, b| a.back.total_cmp(&b.back))).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(size: impl Fn(f64) -> f64) -> Vec<(Nanos, f64)> {
        (0..600).map(|n| (Nanos::from_millis(n * 100), size(n as f64 / 10.0))).collect()
    }

    #[test]
    fn only_what_grows_to_the_end_grows_without_end() {
        let steady = growth(&course(|second| 1e8 + second * 1e6)).expect("it grows");
        assert!((steady.per_minute / 6e7 - 1.0).abs() < 0.02, "{steady:?}");
        for size in [
            |_: f64| 1e8,
            |second: f64| 1e8 + second.min(30.0) * 1e6,
            |second: f64| 1e8 + second * 1e4,
            |second: f64| 1e8 + (second % 20.0) * 1e6,
            |second: f64| 2e8 - second * 1e6,
        ] {
            assert_eq!(growth(&course(size)), None);
        }
        assert_eq!(growth(&[]), None);
    }
}
