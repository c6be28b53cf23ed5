//! How much a figure of a run would vary if the same run was made again: the block bootstrap.
//!
//! Snapshots resemble their neighbours, so that drawing them one by one would promise too much. Blocks of neighbours are drawn
//! instead, as long as the memory of the series (its integrated autocorrelation time) asks for. They are drawn within parts of
//! the run only (`PARTS`): that a program uses more memory in one part than in another is what it does, and no noise. Two runs
//! are drawn at the same places: what both do at the same time of their course then cancels, and only what differs counts.
//!
//! A program whose load comes at random does other things in each run. One run cannot tell that; several can (`compare`).
//!
//! Drawing is from a fixed seed: the same records give the same figures.

use crate::statistic::Statistic;

/// How often a figure is drawn.
const DRAWS: usize = 400;
/// A series is thinned out to so many values before drawing.
const MOST: usize = 4000;
/// A run has at most so many parts.
const PARTS: usize = 12;
/// So many degrees of freedom are taken to be there: what few blocks vary by is widened already (`draws`).
const LEAST_FREEDOM: f64 = 3.0;
/// A part has at least so many values.
const LEAST_OF_PART: usize = 40;

/// A standard error, and on how many independent pieces it rests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The standard error.
    pub error: f64,
    /// Degrees of freedom: blocks beyond the first one of each part.
    pub freedom: f64,
}

/// The standard error of a figure of one series.
pub fn spread(values: &[f64], statistic: Statistic) -> Spread {
    let values = thinned(values, MOST);
    let block = block_length(&values);
    let draw = |places: &[usize], drawn: &mut Vec<f64>| {
        drawn.clear();
        drawn.extend(places.iter().map(|at| values[*at]));
        statistic.of(drawn)
    };
    let mut drawn = Vec::new();
    let error = draws(values.len(), block, |places| draw(places, &mut drawn));
    Spread { error, freedom: freedom(values.len(), block) }
}

/// The standard error of the difference `new` less `base`. `place` tells where in the new run is what is at a place of the base
/// run, both as shares of their length, 0 to 1.
pub fn spread_of_difference(base: &[f64], new: &[f64], statistic: Statistic, place: impl Fn(f64) -> f64) -> Spread {
    let count = base.len().min(new.len()).min(MOST);
    let at = |values: &[f64], share: f64| {
        let at = (share.clamp(0.0, 1.0) * values.len() as f64) as usize;
        values[at.min(values.len() - 1)]
    };
    let pairs: Vec<(f64, f64)> = (0..count)
        .map(|i| {
            let share = (i as f64 + 0.5) / count as f64;
            (at(base, share), at(new, place(share)))
        })
        .collect();
    let differences: Vec<f64> = pairs.iter().map(|(base, new)| new - base).collect();
    let block = block_length(&differences);
    let (mut bases, mut news) = (Vec::new(), Vec::new());
    let error = draws(count, block, |places| {
        bases.clear();
        news.clear();
        for at in places {
            bases.push(pairs[*at].0);
            news.push(pairs[*at].1);
        }
        Some(statistic.of(&news)? - statistic.of(&bases)?)
    });
    Spread { error, freedom: freedom(count, block) }
}

/// How many parts a run of so many values has.
fn parts(count: usize) -> usize {
    (count / LEAST_OF_PART).clamp(1, PARTS)
}

/// The values of the part with this number: from, and to, not included.
fn part(count: usize, number: usize) -> (usize, usize) {
    (number * count / parts(count), (number + 1) * count / parts(count))
}

fn freedom(count: usize, block: usize) -> f64 {
    (count as f64 / block as f64 - parts(count) as f64).max(LEAST_FREEDOM)
}

/// The standard deviation of what `figure` gives for places drawn in blocks.
fn draws(count: usize, block: usize, mut figure: impl FnMut(&[usize]) -> Option<f64>) -> f64 {
    if count < 2 {
        return 0.0;
    }
    let mut random = Random(0x0da3_0c0d_e5ee_d001);
    let mut places = Vec::with_capacity(count + block);
    let mut values = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        places.clear();
        for number in 0..parts(count) {
            let (from, to) = part(count, number);
            while places.len() < to {
                let first = random.below(to - from);
                let room = to - places.len();
                places.extend((0..block.min(room)).map(|i| from + (first + i) % (to - from)));
            }
        }
        values.extend(figure(&places));
    }
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    // What is drawn in few blocks varies less than what it is drawn from.
    let blocks = (count as f64 / block as f64 / parts(count) as f64).max(1.5);
    (squares / (values.len().max(2) - 1) as f64 * blocks / (blocks - 1.0)).sqrt()
}

/// At most so many values, evenly spread.
fn thinned(values: &[f64], most: usize) -> Vec<f64> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).map(|i| values[i * values.len() / most]).collect()
}

/// How long blocks must be: twice the integrated autocorrelation time of what is left without the mean of each part; its sum
/// ends at the first correlation that is not positive. Never more than half of a part.
fn block_length(values: &[f64]) -> usize {
    let count = values.len();
    let mut centred = Vec::with_capacity(count);
    for number in 0..parts(count) {
        let (from, to) = part(count, number);
        let own = values.get(from..to).unwrap_or_default();
        let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
        centred.extend(own.iter().map(|value| value - mean));
    }
    let variance: f64 = centred.iter().map(|value| value * value).sum();
    if count < 4 || variance <= 0.0 {
        return 1;
    }
    let longest = (count / parts(count) / 2).max(1);
    let mut time = 1.0;
    for lag in 1..=longest {
        let product: f64 = centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum();
        let correlation = product / variance;
        if correlation <= 0.0 || 2.0 * time >= longest as f64 {
            break;
        }
        time += 2.0 * correlation;
    }
    ((2.0 * time).ceil() as usize).clamp(1, longest)
}

/// SplitMix64: enough for drawing, and the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }
}

/// How many standard errors wide half of a 95 % interval is, with so many degrees of freedom: Student's t.
pub fn t95(freedom: f64) -> f64 {
    const FEW: [f64; 5] = [12.706, 4.303, 3.182, 2.776, 2.571];
    if freedom > 1e3 {
        return 1.96;
    }
    let below = freedom.floor().max(1.0);
    let at = |freedom: f64| {
        let few = FEW.get(freedom as usize - 1).copied();
        few.unwrap_or_else(|| 1.96 + 2.37 / freedom + 2.8 / (freedom * freedom))
    };
    at(below) + (at(below + 1.0) - at(below)) * (freedom.max(1.0) - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series whose values keep `memory` of the one before.
    fn series(seed: u64, count: usize, memory: f64) -> Vec<f64> {
        let mut random = Random(seed);
        let mut value = 0.0;
        let noise =
            |random: &mut Random| (0..12).map(|_| random.below(1 << 20) as f64 / f64::from(1 << 20)).sum::<f64>() - 6.0;
        (0..count)
            .map(|_| {
                value = memory * value + noise(&mut random);
                value
            })
            .collect()
    }

    #[test]
    fn the_error_of_a_mean_is_that_of_many_runs_whether_values_resemble_their_neighbours_or_not() {
        // Of a part that is ten times as long as the memory, a fifth of the error goes with the part's mean.
        for (memory, count, least) in [(0.0, 600, 0.8), (0.5, 600, 0.8), (0.9, 3000, 0.7)] {
            let runs: Vec<Vec<f64>> = (0..200).map(|seed| series(seed, count, memory)).collect();
            let means: Vec<f64> = runs.iter().map(|run| Statistic::Mean.of(run).unwrap()).collect();
            let truth = (means.iter().map(|mean| mean * mean).sum::<f64>() / means.len() as f64).sqrt();
            let told: f64 = runs.iter().take(40).map(|run| spread(run, Statistic::Mean).error).sum::<f64>() / 40.0;
            assert!((least..1.25).contains(&(told / truth)), "memory {memory}: {told} of {truth}");
        }
    }

    #[test]
    fn what_two_runs_do_at_the_same_time_is_no_noise() {
        let staircase = |seed| -> Vec<f64> {
            let noise = series(seed, 600, 0.0);
            noise.iter().enumerate().map(|(i, noise)| (i / 70) as f64 * 100.0 + noise).collect()
        };
        let (base, new) = (staircase(1), staircase(2));
        let alone = spread(&base, Statistic::Mean).error;
        let both = spread_of_difference(&base, &new, Statistic::Mean, |share| share).error;
        assert!(both < 0.2 && alone > 1.0, "{both} {alone}");
    }

    #[test]
    fn what_one_run_does_in_one_part_only_is_no_noise() {
        let base = series(1, 600, 0.0);
        let bump = |(i, noise): (usize, f64)| if (300..450).contains(&i) { 100.0 + noise } else { noise };
        let new: Vec<f64> = series(2, 600, 0.0).into_iter().enumerate().map(bump).collect();
        for statistic in [Statistic::Mean, Statistic::Percentile(95)] {
            let both = spread_of_difference(&base, &new, statistic, |share| share);
            assert!(both.error < 0.5 && both.freedom > 20.0, "{both:?}");
        }
    }

    #[test]
    fn few_degrees_of_freedom_widen_the_interval() {
        assert!((t95(4.0) - 2.776).abs() < 1e-9);
        assert!((t95(10.0) - 2.228).abs() < 0.01);
        assert!((t95(1e6) - 1.96).abs() < 0.01);
        assert!(t95(2.5) < t95(2.0) && t95(2.5) > t95(3.0) && t95(0.2) == t95(1.0));
    }

    #[test]
    fn series_of_no_or_one_value_have_no_error() {
        assert_eq!(spread(&[], Statistic::Mean).error, 0.0);
        assert_eq!(spread(&[5.0], Statistic::Percentile(50)).error, 0.0);
        assert_eq!(spread_of_difference(&[], &[1.0], Statistic::Mean, |share| share).error, 0.0);
    }
}
