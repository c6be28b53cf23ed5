//! Whether a figure of some runs differs from that of others, and by how much at least and at most.
//!
//! A difference has an interval that holds the true one in 95 of 100 comparisons. It comes from the spread between runs where
//! there are several, and from the block bootstrap within runs (`resample`), which counts as if it had been found in
//! `PRIOR_FREEDOM` further runs: two or three runs alone tell little of their spread.
//!
//! Many figures are compared at once, and of 20 intervals one misses the truth. An answer of "changed" therefore asks for more
//! than its interval: the difference is beyond the margin, and zero is `FIRM` times as far off as the interval's end.

use crate::AnalysisError;
use crate::course::Course;
use crate::figure::{Figure, Quantity};
use damo_model::Nanos;
use damo_report::resample::{Spread, spread, spread_of_difference, t95};

/// For so many runs counts what the bootstrap within runs says of the spread between them.
const PRIOR_FREEDOM: f64 = 4.0;
/// What no bootstrap within a run can see: DAMON's regions settle a little differently in each run. A standard deviation, as a
/// share of the figure; six simulated workloads of 30 s to 60 s had at most 0.9 % over 16 seeds.
const BETWEEN_RUNS: f64 = 0.01;
/// The same for resident memory, which the kernel counts exactly: programs differ from run to run by a few pages.
const BETWEEN_RESIDENT: f64 = 0.005;
/// The same for shares of the memory, in percentage points; there it was at most 2.0.
const BETWEEN_SHARES: f64 = 2.0;
/// So many half widths of its 95 % interval a difference is from zero where it is called a change: 99.7 % for many degrees of
/// freedom.
const FIRM: f64 = 1.5;
/// How near to the margin a difference is still asked to be told from it, as a share of the margin.
const NEAREST: f64 = 0.25;

/// A figure of one side, with the ends of its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Estimate {
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
    /// The figure of the base's runs.
    pub(crate) base: Estimate,
    /// The figure of the new side's runs.
    pub(crate) new: Estimate,
    /// New less base.
    pub difference: f64,
    /// Half of the width of the difference's 95 % interval.
    pub within: f64,
    /// The share of the difference's variance that longer runs would make smaller, 0 to 1.
    pub shrinks: f64,
    /// How long a run of the shorter side is.
    pub length: Nanos,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    /// The difference is within the margin.
    NoChange,
    /// There is a difference.
    Changed,
    /// The records are too few or too short.
    CannotTell(Needs),
}

/// What would decide a comparison if its difference stayed as it is: one or the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Needs {
    /// So many more runs of each side.
    pub runs: u64,
    /// Or runs that are longer by so much; `None` where only more runs help.
    pub time: Option<Nanos>,
}

/// Up to where differences are of no interest, in the figure's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Margin {
    /// No difference up to this one is called a change.
    pub of_interest: f64,
    /// An interval within this is called no change. At least [`Margin::of_interest`]; more for parts of a working set, of
    /// which little can be told, and little matters.
    pub negligible: f64,
}

impl From<f64> for Margin {
    fn from(margin: f64) -> Self {
        Margin { of_interest: margin, negligible: margin }
    }
}

/// Where in a new run is what is at a place of a base run: pairs of shares of their lengths, both ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Alignment {
    /// The places that are known, without the two ends.
    pub knots: Vec<(f64, f64)>,
}

impl Alignment {
    /// Where in the base run is what is at a place in the new run.
    pub(crate) fn inverse(&self) -> Alignment {
        Alignment { knots: self.knots.iter().map(|(base, new)| (*new, *base)).collect() }
    }

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
    /// The figure of some runs, of which the courses are known.
    fn of_series<R: AsRef<Course>>(
        figure: &Figure,
        runs: &[R],
        series: &[Vec<f64>],
    ) -> Result<Estimate, AnalysisError> {
        let (mut values, mut within) = (Vec::new(), Vec::new());
        for (run, series) in runs.iter().zip(series) {
            values.push(figure.statistic.of(series).ok_or_else(|| nothing(figure, run.as_ref()))?);
            within.push(spread(series, figure.statistic));
        }
        let value = mean(&values);
        let (variance, freedom, _) = pooled(&[values.clone()], &within, floor(figure, value, runs));
        let error = (variance / values.len() as f64).sqrt();
        Ok(Estimate { value, within: error * t95(freedom), runs: values.len() })
    }

    /// The figure of these very runs, whatever others would do: uncertain by what DAMON measures of the same program a little
    /// differently each time, and by the spread of the runs where there are several.
    ///
    /// # Errors
    /// If one of them does not tell it.
    pub(crate) fn of_these<R: AsRef<Course>>(figure: &Figure, runs: &[R]) -> Result<Estimate, AnalysisError> {
        let series = series_of(figure, runs)?;
        let value =
            |(run, series): (&R, &Vec<f64>)| figure.statistic.of(series).ok_or_else(|| nothing(figure, run.as_ref()));
        let values = runs.iter().zip(&series).map(value).collect::<Result<Vec<f64>, _>>()?;
        let measured = Spread { error: 0.0, freedom: f64::INFINITY };
        let (variance, freedom, _) =
            pooled(std::slice::from_ref(&values), &[measured], floor(figure, mean(&values), runs));
        let error = (variance / values.len() as f64).sqrt();
        Ok(Estimate { value: mean(&values), within: error * t95(freedom), runs: values.len() })
    }
}

impl Comparison {
    /// Compares a figure of some runs with that of others. `align` tells where in a new run is what is in a base run.
    ///
    /// # Errors
    /// If a run does not tell the figure.
    pub(crate) fn of<R: AsRef<Course>>(
        figure: &Figure,
        base: &[R],
        new: &[R],
        align: impl Fn(&Course, &Course) -> Alignment,
    ) -> Result<Comparison, AnalysisError> {
        let series = [series_of(figure, base)?, series_of(figure, new)?];
        Comparison::of_even_series(figure, [base, new], &series, align)
    }

    /// The same, where the courses of the figure in the runs of both sides are known, with a value for each instant.
    pub(crate) fn of_series<R: AsRef<Course>>(
        figure: &Figure,
        sides: [&[R]; 2],
        series: &[Vec<Vec<f64>>; 2],
        align: impl Fn(&Course, &Course) -> Alignment,
    ) -> Result<Comparison, AnalysisError> {
        let even = |side: usize| -> Vec<Vec<f64>> {
            let runs = sides[side].iter().zip(&series[side]);
            runs.map(|(run, values)| run.as_ref().evened(values).into_owned()).collect()
        };
        Comparison::of_even_series(figure, sides, &[even(0), even(1)], align)
    }

    /// The same of series whose values are at equal distances of time.
    fn of_even_series<R: AsRef<Course>>(
        figure: &Figure,
        [base, new]: [&[R]; 2],
        [bases, news]: &[Vec<Vec<f64>>; 2],
        align: impl Fn(&Course, &Course) -> Alignment,
    ) -> Result<Comparison, AnalysisError> {
        let told_base = Estimate::of_series(figure, base, bases)?;
        let told_new = Estimate::of_series(figure, new, news)?;
        // Each new run beside one base run: what both do at the same time cancels. The spread of a difference is that of two.
        let pairs = news.iter().zip(new).zip(bases.iter().zip(base).cycle());
        let paired: Vec<Spread> = pairs
            .map(|((new, new_course), (base, base_course))| {
                let alignment = align(base_course.as_ref(), new_course.as_ref());
                let spread = spread_of_difference(base, new, figure.statistic, |share| alignment.place(share));
                Spread { error: spread.error / 2f64.sqrt(), ..spread }
            })
            .collect();
        let value = |series: &Vec<f64>| figure.statistic.of(series).unwrap_or_default();
        let values = [bases.iter().map(value).collect::<Vec<_>>(), news.iter().map(value).collect()];
        let largest = told_base.value.max(told_new.value);
        let floor = floor(figure, largest, base).max(floor(figure, largest, new));
        // Both sides are taken to spread alike: what is known of the one is known of the other.
        let (variance, freedom, shrinks) = pooled(&values, &paired, floor);
        let error = (variance / base.len() as f64 + variance / new.len() as f64).sqrt();
        Ok(Comparison {
            figure: figure.clone(),
            base: told_base,
            new: told_new,
            difference: told_new.value - told_base.value,
            within: error * t95(freedom),
            shrinks,
            length: base.iter().chain(new).map(|run| run.as_ref().length()).min().unwrap_or_default(),
        })
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

    /// What it says when differences up to `margin` are of no interest.
    pub(crate) fn answer(&self, margin: impl Into<Margin>) -> Answer {
        let margin = margin.into();
        let size = self.difference.abs();
        if size > margin.of_interest && size > self.within * FIRM {
            Answer::Changed
        } else if size + self.within <= margin.negligible {
            Answer::NoChange
        } else {
            Answer::CannotTell(self.needs(margin))
        }
    }

    /// What would make the interval so narrow that it decides. The variance is in inverse proportion to what there is.
    fn needs(&self, margin: Margin) -> Needs {
        let size = self.difference.abs();
        let wanted = if size > margin.of_interest {
            size / FIRM
        } else {
            (margin.negligible - size).max(margin.negligible * NEAREST)
        };
        self.needs_for(wanted)
    }

    /// What would make half of the interval as wide as `wanted`.
    pub(crate) fn needs_for(&self, wanted: f64) -> Needs {
        let times = (self.within / wanted.max(f64::MIN_POSITIVE)).powi(2).clamp(1.0, 1e6);
        let runs = self.base.runs.min(self.new.runs).max(1) as f64;
        // What is between runs stays, however long they are.
        let stays = 1.0 - self.shrinks;
        let longer = self.shrinks / (1.0 / times - stays);
        let time = (longer >= 1.0).then(|| Nanos((self.length.0 as f64 * (longer - 1.0)).min(9e18) as i64));
        Needs { runs: (runs * (times - 1.0)).ceil().max(1.0) as u64, time }
    }
}

fn nothing(figure: &Figure, course: &Course) -> AnalysisError {
    AnalysisError::invalid(format!("{}: {figure} rests on nothing: no complete snapshot is left", course.record))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The figure's values in each run, at equal distances of time.
fn series_of<R: AsRef<Course>>(figure: &Figure, runs: &[R]) -> Result<Vec<Vec<f64>>, AnalysisError> {
    let even = |run: &R| {
        let values = figure.values(run.as_ref())?;
        // Resident memory is read at times of its own.
        if figure.quantity == Quantity::Resident { Ok(values) } else { Ok(run.as_ref().evened(&values).into_owned()) }
    };
    runs.iter().map(even).collect()
}

/// The standard deviation between runs that is always reckoned with.
fn floor<R: AsRef<Course>>(figure: &Figure, value: f64, runs: &[R]) -> f64 {
    if !figure.is_size() {
        return BETWEEN_SHARES;
    }
    // Where regions end decides how much of a working set lies in which of its parts.
    let is_part = figure.mapping.is_some() || figure.quantity == Quantity::Hot;
    let whole =
        if is_part { mean(&runs.iter().map(|run| mean(&run.as_ref().working_set)).collect::<Vec<_>>()) } else { 0.0 };
    value.abs().max(whole) * if figure.quantity == Quantity::Resident { BETWEEN_RESIDENT } else { BETWEEN_RUNS }
}

/// The variance of a run's figure of sides that spread alike, on how many degrees of freedom it rests, and which share of it
/// longer runs would make smaller.
fn pooled(sides: &[Vec<f64>], within: &[Spread], floor: f64) -> (f64, f64, f64) {
    let squares = |values: &Vec<f64>| {
        let mean = mean(values);
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let between: f64 = sides.iter().map(squares).sum();
    let freedom: f64 = sides.iter().map(|values| values.len().saturating_sub(1) as f64).sum();
    let drawn = mean(&within.iter().map(|spread| spread.error.powi(2)).collect::<Vec<_>>());
    let prior = drawn + floor * floor;
    let shrinks = |variance: f64| if variance > 0.0 { (drawn / variance).min(1.0) } else { 0.0 };
    if freedom == 0.0 {
        // Welch and Satterthwaite: the floor is known, what was drawn is as uncertain as its blocks are few.
        let fewest = within.iter().map(|spread| spread.freedom).fold(f64::INFINITY, f64::min);
        return (prior, fewest / shrinks(prior).powi(2).max(1e-9), shrinks(prior));
    }
    let variance = (PRIOR_FREEDOM * prior + between) / (PRIOR_FREEDOM + freedom);
    (variance, PRIOR_FREEDOM + freedom, shrinks(variance))
}
