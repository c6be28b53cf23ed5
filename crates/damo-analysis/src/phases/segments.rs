//! Change points in rows of touched bytes.
//!
//! Candidates are the rows around which the means of a few rows differ most. The parts between them are merged, neighbours that
//! differ least first, as long as two neighbours differ by less than a share of what is touched ([`SAME`]), by less than
//! what differs within each of them by chance and by drift, or as long as single rows cannot be told apart by the two
//! means. So neither a rate that varies, nor memory that grows or is walked through steadily, nor a blip of a few
//! rows makes a phase. What is left is moved to the row from which on rows are more like what follows. This takes time in
//! proportion to rows × cells, apart from the search for the next pair to merge.
//!
//! DAMON lags behind a program: when other memory is touched, its regions are too large at first, and shrink to what is in use
//! over some aggregations. So the first rows of a part are not compared, and a short part that holds what follows and more is
//! no phase.

use super::touched::Touched;
use std::ops::Range;

/// A phase has at least so many rows.
const SHORTEST: usize = 6;
/// So many rows on either side of a change are compared.
const WINDOW: usize = 64;
/// Rows at the beginning of a part that are not compared: at most so many, and at most a third of the part.
const LAG: usize = 8;
/// Two sets of which less than this share differs are the same.
const SAME: f64 = 0.15;
/// They also are if they differ by less than so many times what chance makes of every other row, and drift of the first and
/// the second half, on either side.
const WHITE: f64 = 1.06;
const DRIFT: f64 = 2.5;
/// Single rows on either side are right by this share when there is nothing to tell them apart by, and by how much more when
/// there clearly is.
const TOLD: (f64, f64) = (0.6, 0.3);
/// Candidates differ by this share at least.
const CANDIDATE: f64 = 0.1;
/// A part that is shorter than this may be DAMON's lag if what is only in it was not touched before either, and one that is
/// shorter than [`SHORT_LAG`] in any case.
const LONGEST_LAG: usize = 20;
const SHORT_LAG: usize = 10;
/// Of what is touched behind it, a part that is lag may lack this share: the edges of regions vary.
const LACKING: f64 = 0.25;
/// Of the touched bytes at the record's busiest, this share counts as touched at least, and so many bytes: less says nothing,
/// since DAMON takes long to find single pages.
const IDLE: f64 = 0.02;
const LEAST_BYTES: f64 = (1 << 20) as f64;
/// Parts that are not neighbours touch the same memory if they differ by less than so many times what differs within them.
const RECURRING: f64 = 1.5;

/// A mean of rows.
pub(super) type Mean = Vec<f64>;

/// Compares means of rows of one record.
pub(super) struct Measure<'t> {
    touched: &'t Touched,
    /// Bytes below which differences do not count.
    floor: f64,
}

impl<'t> Measure<'t> {
    /// For these rows.
    pub fn new(touched: &'t Touched) -> Self {
        let mut totals: Vec<f64> =
            (0..touched.len()).map(|at| touched.row(at).iter().map(|v| f64::from(*v)).sum()).collect();
        totals.sort_by(f64::total_cmp);
        let busy = totals.get(totals.len() * 19 / 20).copied().unwrap_or(0.0);
        Self { touched, floor: (busy * IDLE).max(LEAST_BYTES) }
    }

    /// Bytes touched in each cell, as a mean.
    pub fn mean(&self, rows: Range<usize>) -> Mean {
        self.mean_of(rows)
    }

    fn mean_of(&self, rows: impl ExactSizeIterator<Item = usize>) -> Mean {
        let mut mean = vec![0.0; self.touched.cells];
        let each = 1.0 / rows.len().max(1) as f64;
        for at in rows {
            mean.iter_mut().zip(self.touched.row(at)).for_each(|(sum, value)| *sum += f64::from(*value) * each);
        }
        mean
    }

    /// The share of the touched bytes that differs: 0 if the same is touched, 1 if nothing is touched in both.
    pub fn difference(&self, a: &[f64], b: &[f64]) -> f64 {
        let (mut differ, mut either) = (0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            differ += (a - b).abs();
            either += a.max(*b);
        }
        if either > 0.0 { differ / either.max(self.floor) } else { 0.0 }
    }

    /// How much the first half of some rows differs from the second.
    fn halves(&self, rows: Range<usize>) -> f64 {
        let middle = rows.start + rows.len() / 2;
        self.difference(&self.mean(rows.start..middle), &self.mean(middle..rows.end))
    }

    /// How much every other row differs from the rest, and by how much more the first half differs from the second.
    fn noise(&self, rows: Range<usize>) -> (f64, f64) {
        if rows.len() < 2 {
            return (0.0, 0.0);
        }
        let every_other = |first: usize| self.mean_of(rows.clone().skip(first).step_by(2));
        let white = self.difference(&every_other(0), &every_other(1));
        let halves = self.halves(rows);
        (white, (halves - white).max(0.0))
    }

    /// By how much the difference of two neighbours exceeds what makes them two: negative if they are one.
    fn excess(&self, a: &Range<usize>, b: &Range<usize>) -> f64 {
        if a.len() < SHORTEST || b.len() < SHORTEST {
            return -2.0 + self.difference(&self.mean(a.clone()), &self.mean(b.clone()));
        }
        let (a, b) = (self.without_change(settled(a)), settled(b));
        let near_a = a.end.saturating_sub(WINDOW).max(a.start)..a.end;
        let near_b = b.start..(b.start + WINDOW).min(b.end);
        let ((white_a, drift_a), (white_b, drift_b)) = (self.noise(near_a.clone()), self.noise(near_b.clone()));
        let noise = WHITE * white_a.hypot(white_b) + DRIFT * drift_a.max(drift_b);
        let difference = self.difference(&self.mean(near_a.clone()), &self.mean(near_b.clone()));
        let told_apart = self.told_apart(&near_a, &near_b);
        difference * ((told_apart - TOLD.0) / TOLD.1).clamp(0.0, 1.0) - noise.max(SAME)
    }

    /// The rows of a part without the last one. A snapshot of pages that the kernel counted has all that was accessed on either side
    /// of a change in it, as a sampled one has not: it is like neither.
    fn without_change(&self, part: Range<usize>) -> Range<usize> {
        let has_change = self.touched.are_exact && part.len() > SHORTEST / 2;
        part.start..part.end - usize::from(has_change)
    }

    /// The share of rows that are more like other rows of their own side than like those of the other side; the lesser one of both sides.
    fn told_apart(&self, a: &Range<usize>, b: &Range<usize>) -> f64 {
        let every_other = |rows: &Range<usize>, first: usize| self.mean_of(rows.clone().skip(first).step_by(2));
        let (mut right_a, mut right_b) = (0, 0);
        for first in [0, 1] {
            let (mean_a, mean_b) = (every_other(a, 1 - first), every_other(b, 1 - first));
            right_a +=
                a.clone().skip(first).step_by(2).filter(|row| self.leaning(*row, &mean_a, &mean_b) < 0.0).count();
            right_b +=
                b.clone().skip(first).step_by(2).filter(|row| self.leaning(*row, &mean_a, &mean_b) > 0.0).count();
        }
        (right_a as f64 / a.len().max(1) as f64).min(right_b as f64 / b.len().max(1) as f64)
    }

    /// How much more a row is like `b` than like `a`: negative if it is more like `a`. Squares, because of a row of chance
    /// accesses the mean is nearest by squares; each over its expected size, as the variance of a count is.
    fn leaning(&self, row: usize, a: &[f64], b: &[f64]) -> f64 {
        let terms = self.touched.row(row).iter().zip(a).zip(b).map(|((value, a), b)| {
            let value = f64::from(*value);
            let scale = a + b;
            if scale > 0.0 { ((value - a) * (value - a) - (value - b) * (value - b)) / scale } else { 0.0 }
        });
        terms.sum()
    }

    /// Local maxima of the difference of short windows.
    fn candidates(&self) -> Vec<usize> {
        let n = self.touched.len();
        let window = SHORTEST - 1;
        let differences: Vec<f64> = (0..=n)
            .map(|at| {
                if at < window || at + window > n {
                    return 0.0;
                }
                self.difference(&self.mean(at - window..at), &self.mean(at..at + window))
            })
            .collect();
        let peak = |at: &usize| {
            let around = at.saturating_sub(2)..(at + 3).min(differences.len());
            let here = differences[*at];
            here >= CANDIDATE
                && around.clone().all(|other| differences[other] < here || (differences[other] == here && other >= *at))
        };
        (1..n).filter(peak).collect()
    }

    /// Whether a short part is DAMON's lag and no phase: what follows is touched in it already, and all else that is touched
    /// in it neither before nor after, as it is when regions that are too large have some memory in use in them. If the same is
    /// touched before and after, nothing changed that DAMON could lag behind.
    fn is_lag(&self, before: &Range<usize>, part: &Range<usize>, after: &Range<usize>) -> bool {
        // What the kernel counts it knows at once.
        if part.len() >= LONGEST_LAG || self.touched.are_exact {
            return false;
        }
        let near_before = before.end.saturating_sub(WINDOW).max(before.start)..before.end;
        let near_after = after.start..(after.start + WINDOW).min(after.end);
        let (before, here, after) = (self.mean(near_before), self.mean(part.clone()), self.mean(near_after));
        if self.difference(&before, &after) < SAME {
            return false;
        }
        let (mut wanted, mut lacking, mut left_over) = (0.0, 0.0, 0.0);
        for ((before, here), after) in before.iter().zip(&here).zip(&after) {
            wanted += after;
            lacking += (after - here).max(0.0);
            left_over += (before.min(*here) - after).max(0.0);
        }
        let is_new = part.len() < SHORT_LAG || left_over < SAME * wanted;
        wanted > 0.0 && lacking < LACKING * wanted && is_new
    }

    /// The row from which on rows are more like `after` than like `before`.
    fn refined(&self, a: &Range<usize>, b: &Range<usize>) -> usize {
        let near_a = a.end.saturating_sub(WINDOW).max(a.start)..a.end;
        let near_b = b.start..(b.start + WINDOW).min(b.end);
        let (before, after) = (self.mean(near_a), self.mean(near_b));
        let first = a.end.saturating_sub(SHORTEST).max(a.start + 1);
        let last = (b.start + SHORTEST).min(b.end - 1);
        let (mut sum, mut best, mut at) = (0.0, 0.0, first);
        for row in first..last {
            let nearer = self.leaning(row, &before, &after);
            // The sum falls as long as rows are like those before.
            sum += nearer;
            if sum < best {
                (best, at) = (sum, row + 1);
            }
        }
        at
    }
}

/// The rows of a part without those at its beginning in which DAMON may lag behind.
fn settled(part: &Range<usize>) -> Range<usize> {
    part.start + (part.len() / 3).min(LAG)..part.end
}

/// The rows of each phase, in the order of time.
pub(super) fn segments(measure: &Measure<'_>) -> Vec<Range<usize>> {
    let n = measure.touched.len();
    if n == 0 {
        return Vec::new();
    }
    let mut cuts = vec![0];
    cuts.extend(measure.candidates());
    cuts.push(n);
    let mut parts: Vec<Range<usize>> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
    merge(measure, &mut parts);
    for at in 1..parts.len() {
        let cut = measure.refined(&parts[at - 1], &parts[at]);
        parts[at - 1].end = cut;
        parts[at].start = cut;
    }
    merge(measure, &mut parts);
    let mut at = 1;
    while at + 1 < parts.len() {
        if measure.is_lag(&parts[at - 1], &parts[at], &parts[at + 1]) {
            parts[at].end = parts[at + 1].end;
            parts.remove(at + 1);
        } else {
            at += 1;
        }
    }
    parts
}

fn merge(measure: &Measure<'_>, parts: &mut Vec<Range<usize>>) {
    let mut excess: Vec<f64> = parts.windows(2).map(|pair| measure.excess(&pair[0], &pair[1])).collect();
    while let Some((at, least)) = excess.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) {
        if least >= 0.0 {
            break;
        }
        parts[at].end = parts[at + 1].end;
        parts.remove(at + 1);
        excess.remove(at);
        if at > 0 {
            excess[at - 1] = measure.excess(&parts[at - 1], &parts[at]);
        }
        if at + 1 < parts.len() {
            excess[at] = measure.excess(&parts[at], &parts[at + 1]);
        }
    }
}

/// The label of each part: parts that touch the same memory have the same, numbered from 0 in the order of appearance.
pub(super) fn labelled(measure: &Measure<'_>, parts: &[Range<usize>]) -> Vec<(Range<usize>, usize)> {
    let mut joined: Vec<(Range<usize>, usize)> = Vec::new();
    for (part, label) in parts.iter().zip(labels(measure, parts)) {
        match joined.last_mut() {
            Some((last, known)) if *known == label => last.end = part.end,
            _ => joined.push((part.clone(), label)),
        }
    }
    joined
}

fn labels(measure: &Measure<'_>, parts: &[Range<usize>]) -> Vec<usize> {
    let mut known: Vec<(Mean, f64, f64)> = Vec::new();
    let mut labels = Vec::new();
    for part in parts {
        let rows = settled(part);
        let weight = rows.len() as f64;
        let (mean, noise) = (measure.mean(rows.clone()), measure.halves(rows));
        let nearest = known
            .iter()
            .enumerate()
            .map(|(label, (other, other_noise, _))| (label, measure.difference(&mean, other), noise.max(*other_noise)))
            .filter(|(_, difference, noise)| *difference < SAME.max(RECURRING * noise))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        match nearest {
            Some((label, ..)) => {
                let (sum, sum_noise, sum_weight) = &mut known[label];
                let share = weight / (*sum_weight + weight);
                sum.iter_mut().zip(&mean).for_each(|(sum, value)| *sum += (value - *sum) * share);
                *sum_noise = sum_noise.max(noise);
                *sum_weight += weight;
                labels.push(label);
            }
            None => {
                labels.push(known.len());
                known.push((mean, noise, weight));
            }
        }
    }
    labels
}
