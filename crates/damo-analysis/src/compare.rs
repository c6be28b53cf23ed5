//! Whether a figure of some runs differs from that of others, and by how much at least and at most.
//!
//! A difference has an interval that holds the true one in 95 of 100 comparisons. It comes from the spread between runs where
//! there are several, and from the block bootstrap within runs (`resample`), which counts as if it had been found in
//! [`PRIOR_FREEDOM`] further runs: two or three runs alone tell little of their spread.

use crate::AnalysisError;
use crate::course::Course;
use crate::figure::Figure;
use crate::resample::{Spread, spread, spread_of_difference, t95};
use damo_model::Nanos;

/// For so many runs counts what the bootstrap within runs says of the spread between them.
const PRIOR_FREEDOM: f64 = 4.0;
/// What no bootstrap within a run can see: DAMON's regions settle a little differently in each run. As a share of the figure;
/// measured on simulated workloads (docs/diff.md).
const BETWEEN_RUNS: f64 = 0.01;

/// A figure of one side, with the ends of its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The figure: the mean over runs.
    pub value: f64,
    /// Half of the width of the 95 % interval.
    pub within: f64,
    /// On how many runs it rests.
    pub runs: usize,
}

/// A figure of a new side beside that of a base.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared.
    pub figure: Figure,
    /// The base's.
    pub base: Estimate,
    /// The new side's.
    pub new: Estimate,
    /// New less base.
    pub difference: f64,
    /// Half of the width of the difference's 95 % interval.
    pub within: f64,
    /// How long a run of the shorter side is.
    pub length: Nanos,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// The difference is within the margin.
    NoChange,
    /// There is a difference.
    Changed,
    /// The records are too few or too short.
    CannotTell(Needs),
}

/// What would narrow an interval down to the margin: one or the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needs {
    /// So many more runs of each side.
    pub runs: u64,
    /// Or runs that are longer by so much.
    pub time: Nanos,
}

/// Where in a new run is what is at a place of a base run: pairs of shares of their lengths, both ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alignment {
    /// The places that are known, without the two ends.
    pub knots: Vec<(f64, f64)>,
}

impl Alignment {
    /// The place in the new run of a place in the base run.
    pub fn place(&self, share: f64) -> f64 {
        let mut last = (0.0, 0.0);
        for next in self.knots.iter().copied().chain([(1.0, 1.0)]) {
            if share <= next.0 {
                let part = if next.0 > last.0 { (share - last.0) / (next.0 - last.0) } else { 0.0 };
                return last.1 + part * (next.1 - last.1);
            }
            last = next;
        }
        1.0
    }
}

impl Estimate {
    /// The figure of some runs.
    ///
    /// # Errors
    /// If one of them does not tell it.
    pub fn of(figure: &Figure, runs: &[Course]) -> Result<Estimate, AnalysisError> {
        let (mut values, mut within) = (Vec::new(), Vec::new());
        for course in runs {
            let series = figure.values(course)?;
            values.push(figure.statistic.of(&series).ok_or_else(|| nothing(figure, course))?);
            within.push(spread(&series, figure.statistic));
        }
        let value = mean(&values);
        let (variance, freedom) = variance_between(&values, &within, floor(figure, value));
        let error = (variance / values.len() as f64).sqrt();
        Ok(Estimate { value, within: error * t95(freedom), runs: values.len() })
    }
}

impl Comparison {
    /// Compares a figure of some runs with that of others. `align` tells where in a new run is what is in a base run.
    ///
    /// # Errors
    /// If a run does not tell the figure.
    pub fn of(
        figure: &Figure,
        base: &[Course],
        new: &[Course],
        align: impl Fn(&Course, &Course) -> Alignment,
    ) -> Result<Comparison, AnalysisError> {
        let (told_base, told_new) = (Estimate::of(figure, base)?, Estimate::of(figure, new)?);
        let difference = told_new.value - told_base.value;
        let series = |runs: &[Course]| runs.iter().map(|course| figure.values(course)).collect::<Result<Vec<_>, _>>();
        let (bases, news) = (series(base)?, series(new)?);
        // Each new run beside one base run: what both do at the same time cancels. The spread of a difference is that of two.
        let pairs = news.iter().zip(new).zip(bases.iter().zip(base).cycle());
        let paired: Vec<Spread> = pairs
            .map(|((new, new_course), (base, base_course))| {
                let alignment = align(base_course, new_course);
                let spread = spread_of_difference(base, new, figure.statistic, |share| alignment.place(share));
                Spread { error: spread.error / 2f64.sqrt(), ..spread }
            })
            .collect();
        let value = |series: &Vec<f64>| figure.statistic.of(series).unwrap_or_default();
        let values = [bases.iter().map(value).collect::<Vec<_>>(), news.iter().map(value).collect()];
        let floor = floor(figure, told_base.value.max(told_new.value));
        // Both sides are taken to spread alike: what is known of the one is known of the other.
        let (variance, freedom) = pooled(&values, &paired, floor);
        let error = (variance / base.len() as f64 + variance / new.len() as f64).sqrt();
        let length = base.iter().chain(new).map(Course::length).min().unwrap_or_default();
        let within = error * t95(freedom);
        Ok(Comparison { figure: figure.clone(), base: told_base, new: told_new, difference, within, length })
    }

    /// The smallest difference that the interval holds.
    pub fn low(&self) -> f64 {
        self.difference - self.within
    }

    /// The largest difference that the interval holds.
    pub fn high(&self) -> f64 {
        self.difference + self.within
    }

    /// The difference in percent of the base; `None` for a base of nothing.
    pub fn percent(&self) -> Option<f64> {
        (self.base.value > 0.0).then(|| self.difference * 100.0 / self.base.value)
    }

    /// What it says when differences up to `margin` are of no interest, in the figure's unit.
    pub fn answer(&self, margin: f64) -> Answer {
        let inside = self.low() >= -margin && self.high() <= margin;
        if inside {
            Answer::NoChange
        } else if self.low() > 0.0 || self.high() < 0.0 {
            Answer::Changed
        } else {
            Answer::CannotTell(self.needs(margin))
        }
    }

    /// What would make the interval as narrow as the margin. Its width shrinks with the root of what there is.
    pub fn needs(&self, margin: f64) -> Needs {
        let times = (self.within / margin.max(f64::MIN_POSITIVE)).powi(2).clamp(1.0, 1e6);
        let runs = self.base.runs.min(self.new.runs).max(1) as f64;
        let time = self.length.0 as f64 * (times - 1.0);
        Needs { runs: (runs * (times - 1.0)).ceil().max(1.0) as u64, time: Nanos(time.min(9e18) as i64) }
    }
}

fn nothing(figure: &Figure, course: &Course) -> AnalysisError {
    AnalysisError::invalid(format!("{}: {figure} rests on nothing: no complete snapshot is left", course.record))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard deviation between runs that is always reckoned with.
fn floor(figure: &Figure, value: f64) -> f64 {
    // A share is of what is monitored, all of which it may be wrong by.
    if figure.is_size() { value.abs() * BETWEEN_RUNS } else { 100.0 * BETWEEN_RUNS }
}

/// The variance of a run's figure, and on how many degrees of freedom it rests.
fn variance_between(values: &[f64], within: &[Spread], floor: f64) -> (f64, f64) {
    pooled(&[values.to_vec()], within, floor)
}

/// The same of several sides that spread alike.
fn pooled(sides: &[Vec<f64>], within: &[Spread], floor: f64) -> (f64, f64) {
    let squares = |values: &Vec<f64>| {
        let mean = mean(values);
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let between: f64 = sides.iter().map(squares).sum();
    let freedom: f64 = sides.iter().map(|values| values.len().saturating_sub(1) as f64).sum();
    let prior = mean(&within.iter().map(|spread| spread.error.powi(2)).collect::<Vec<_>>()) + floor * floor;
    if freedom == 0.0 {
        let blocks = within.iter().map(|spread| spread.blocks).fold(f64::INFINITY, f64::min);
        return (prior, (blocks - 1.0).max(1.0));
    }
    ((PRIOR_FREEDOM * prior + between) / (PRIOR_FREEDOM + freedom), PRIOR_FREEDOM + freedom)
}
