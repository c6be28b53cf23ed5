//! Adding regions up into cells, exactly and without looking at every cell of every snapshot.
//!
//! A region that was seen accessed `n` times out of the samples of a snapshot lasting `t` contributes `n · t · z` to each
//! cell it overlaps by `z` bytes. Within a row of cells all cells but a region's first and last get the same, so those
//! are entered as a difference (+ where they begin, − where they end) and summed up once at the end: the cost per region
//! does not depend on how many cells it covers. The differences are integers, hence they cancel exactly; a sum of
//! floating-point differences would leave small negative heats behind.

use super::axis::Axis;
use crate::picture::axis::bounds;

/// What one panel has gathered so far.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Per cell: contributions of regions that cover it in part, in weight × bytes.
    partial: Vec<f64>,
    /// Per cell: change of the weight of regions that cover it whole, against the cell before.
    whole: Vec<i128>,
}

impl Sums {
    pub(super) fn new(cells: usize) -> Self {
        Sums { partial: vec![0.0; cells], whole: vec![0; cells] }
    }

    /// Adds `weight` over `[from, to)`, which must lie within the axis and not be empty. `row` is where the row begins.
    pub(super) fn add(&mut self, axis: &Axis, row: usize, from: i128, to: i128, weight: i128) {
        let (first, last) = axis.cells(from, to);
        let partial = |cell: usize, bytes: i128, sums: &mut Self| {
            if let Some(sum) = sums.partial.get_mut(row + cell) {
                *sum += weight as f64 * bytes as f64;
            }
        };
        if first == last {
            partial(first, to - from, self);
            return;
        }
        partial(first, axis.bound(first + 1) - from, self);
        partial(last, to - axis.bound(last), self);
        if first + 1 < last {
            for (cell, change) in [(first + 1, weight), (last, -weight)] {
                if let Some(sum) = self.whole.get_mut(row + cell) {
                    *sum += change;
                }
            }
        }
    }

    /// Sums of the cells of one row, in weight × bytes.
    pub(super) fn row<'a>(&'a self, axis: &'a Axis, row: usize) -> impl Iterator<Item = f64> + 'a {
        let cells = row..row + axis.len();
        let partial = self.partial.get(cells.clone()).unwrap_or_default();
        let whole = self.whole.get(cells).unwrap_or_default();
        let mut weight = 0_i128;
        partial.iter().zip(whole).enumerate().map(move |(cell, (partial, change))| {
            weight += change;
            partial + weight as f64 * axis.size(cell) as f64
        })
    }

    pub(super) fn merge(&mut self, other: &Sums) {
        self.partial.iter_mut().zip(&other.partial).for_each(|(a, b)| *a += b);
        self.whole.iter_mut().zip(&other.whole).for_each(|(a, b)| *a += b);
    }
}

/// How many checks each cell of a panel rests on, as changes against the cell before.
#[derive(Clone, Debug)]
struct Checks(Vec<i64>);

impl Checks {
    /// Says that a region of `[from, to)` was checked so often in a row that begins at `row`.
    fn add(&mut self, axis: &Axis, row: usize, from: i128, to: i128, checks: u32) {
        let (first, last) = axis.cells(from, to);
        for (cell, change) in [(first, i64::from(checks)), (last + 1, -i64::from(checks))] {
            if cell < axis.len()
                && let Some(sum) = self.0.get_mut(row + cell)
            {
                *sum += change;
            }
        }
    }

    fn finish(self, columns: usize) -> Vec<u64> {
        let mut cells = Vec::with_capacity(self.0.len());
        for row in self.0.chunks(columns.max(1)) {
            let mut checks = 0_i64;
            cells.extend(row.iter().map(|change| {
                checks += change;
                u64::try_from(checks).unwrap_or(0)
            }));
        }
        cells
    }
}

/// Heat and coverage of one panel while they are being added up: rows are times, columns are addresses.
#[derive(Clone, Debug)]
pub(super) struct GridSums {
    heat: Sums,
    cover: Sums,
    checks: Option<Checks>,
}

/// One panel, done: rows are times, columns are addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Times, ns on the record's clock.
    pub time: Axis,
    /// The axis of addresses, in bytes.
    pub space: Axis,
    /// Mean over the whole cell, row after row; NaN where nothing covers the cell.
    pub heat: Vec<f64>,
    /// Share of the cell that snapshots cover, 0..=1.
    pub cover: Vec<f64>,
    /// How many checks of DAMON's the cell rests on; empty if they were not counted.
    pub checks: Vec<u64>,
}

impl GridSums {
    /// Empty, for as many cells as the axes have.
    pub(super) fn new(time: &Axis, space: &Axis, count_checks: bool) -> Self {
        let cells = time.len() * space.len();
        let checks = count_checks.then(|| Checks(vec![0; cells]));
        GridSums { heat: Sums::new(cells), cover: Sums::new(cells), checks }
    }

    /// Whether checks are counted.
    pub(crate) fn counts_checks(&self) -> bool {
        self.checks.is_some()
    }

    /// Says that a region was checked so often for one row.
    pub(crate) fn add_checks(&mut self, space: &Axis, row: usize, from: i128, to: i128, checks: u32) {
        if let (Some(counts), Some((from, to))) = (&mut self.checks, space.clip(from, to)) {
            counts.add(space, row * space.len(), from, to, checks);
        }
    }

    /// Adds a region's accesses in one row. `accesses` is samples × ns of the row that its snapshot covers.
    pub(crate) fn add_heat(&mut self, space: &Axis, row: usize, from: i128, to: i128, accesses: i128) {
        if accesses > 0
            && let Some((from, to)) = space.clip(from, to)
        {
            self.heat.add(space, row * space.len(), from, to, accesses);
        }
    }

    /// Says that `[from, to)` is covered for `time` ns of one row.
    pub(crate) fn add_cover(&mut self, space: &Axis, row: usize, from: i128, to: i128, time: i128) {
        if let Some((from, to)) = space.clip(from, to) {
            self.cover.add(space, row * space.len(), from, to, time);
        }
    }

    /// Adds what another thread gathered on the same axes.
    pub(super) fn merge(&mut self, other: &GridSums) {
        self.heat.merge(&other.heat);
        self.cover.merge(&other.cover);
        if let (Some(ours), Some(theirs)) = (&mut self.checks, &other.checks) {
            ours.0.iter_mut().zip(&theirs.0).for_each(|(a, b)| *a += b);
        }
    }

    /// Means per cell; `unit` is what one sample counts for (1 / aggregation in seconds for Hz, 1 for samples), `most` the
    /// largest value that any contribution had.
    pub(super) fn finish(self, time: &Axis, space: &Axis, unit: f64, most: f64) -> Grid {
        let cells = time.len() * space.len();
        let (mut heat, mut cover) = (Vec::with_capacity(cells), Vec::with_capacity(cells));
        for row in 0..time.len() {
            let begin = row * space.len();
            let sums = self.heat.row(space, begin).zip(self.cover.row(space, begin));
            for (cell, (sum, covered)) in sums.enumerate() {
                // Snapshots of one identity overlap in time where records overlap: then this is the mean of them.
                let area = (time.size(row) as f64 * space.size(cell) as f64).max(covered);
                // Rounding may put a mean of equal values just above them.
                heat.push(if covered > 0.0 { (sum * unit / area).min(most) } else { f64::NAN });
                cover.push(covered / area);
            }
        }
        let checks = self.checks.map(|checks| checks.finish(space.len())).unwrap_or_default();
        Grid { time: time.clone(), space: space.clone(), heat, cover, checks }
    }
}

impl Grid {
    /// Mean over the whole cell; NaN where nothing covers it or there is no such cell.
    pub fn heat_at(&self, row: usize, column: usize) -> f64 {
        self.heat.get(row * self.space.len() + column).copied().unwrap_or(f64::NAN)
    }

    /// Mean over the covered part of the cell: for pictures, where a cell that is half outside of what was monitored must
    /// not look half as hot.
    pub fn covered_heat_at(&self, row: usize, column: usize) -> f64 {
        let cover = self.cover.get(row * self.space.len() + column).copied().unwrap_or(0.0);
        if cover > 0.0 { self.heat_at(row, column) / cover } else { f64::NAN }
    }

    /// The same map with every two rows in one; `None` if their number is odd, or checks were counted, which do not add up.
    pub(crate) fn with_half_the_times(&self) -> Option<Grid> {
        let columns = self.space.len();
        let time = self.time.halved().filter(|_| self.checks.is_empty())?;
        let cells = time.len() * columns;
        let (mut heat, mut cover) = (Vec::with_capacity(cells), Vec::with_capacity(cells));
        for row in 0..time.len() {
            let shares = [2 * row, 2 * row + 1].map(|half| (half, self.time.size(half) as f64 / time.size(row) as f64));
            for column in 0..columns {
                let of = |values: &[f64], half: usize| values.get(half * columns + column).copied().unwrap_or(0.0);
                let sum = |values: &[f64]| {
                    let known = shares.map(|(half, share)| (of(values, half), share));
                    known.iter().filter(|(value, _)| !value.is_nan()).map(|(value, share)| value * share).sum::<f64>()
                };
                let covered = sum(&self.cover);
                heat.push(if covered > 0.0 { sum(&self.heat) } else { f64::NAN });
                cover.push(covered);
            }
        }
        Some(Grid { time, space: self.space.clone(), heat, cover, checks: Vec::new() })
    }

    /// Whether the cell is known from fewer than `least` checks.
    pub fn is_doubtful(&self, row: usize, column: usize, least: u32) -> bool {
        let checks = self.checks.get(row * self.space.len() + column);
        checks.is_some_and(|checks| (1..u64::from(least)).contains(checks))
    }

    /// Lowest and highest heat of covered cells; `None` if nothing is covered.
    pub fn range(&self) -> Option<(f64, f64)> {
        bounds(self.heat.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, cell by cell.
    fn naive(time: &Axis, space: &Axis, regions: &[(usize, i128, i128, i128)]) -> Vec<f64> {
        let mut heat = vec![0.0; time.len() * space.len()];
        for &(row, from, to, accesses) in regions {
            for cell in 0..space.len() {
                let overlap = to.min(space.bound(cell + 1)) - from.max(space.bound(cell));
                heat[row * space.len() + cell] += overlap.max(0) as f64 * accesses as f64;
            }
        }
        for (i, sum) in heat.iter_mut().enumerate() {
            *sum /= time.size(i / space.len()) as f64 * space.size(i % space.len()) as f64;
        }
        heat
    }

    proptest! {
        #[test]
        fn differences_give_what_adding_cell_by_cell_gives(
            regions in prop::collection::vec((0_usize..3, 0_i128..10_000, 1_i128..4_000, 0_i128..1_000), 0..40),
            cells in 1_usize..60,
        ) {
            let (time, space) = (Axis::even(0, 300, 3), Axis::whole(1_000, 9_000, cells));
            let regions: Vec<_> = regions.into_iter().map(|(row, from, size, n)| (row, from, from + size, n)).collect();
            let mut sums = GridSums::new(&time, &space, true);
            for &(row, from, to, accesses) in &regions {
                sums.add_heat(&space, row, from, to, accesses);
                sums.add_cover(&space, row, from, to, 1);
                if from < to {
                    sums.add_checks(&space, row, from, to, 20);
                }
            }
            let grid = sums.finish(&time, &space, 1.0, f64::INFINITY);
            for (i, checks) in grid.checks.iter().enumerate() {
                let (from, to) = (space.bound(i % space.len()), space.bound(i % space.len() + 1));
                let touching = regions.iter().filter(|r| r.0 == i / space.len() && r.1.max(from) < r.2.min(to));
                prop_assert_eq!(*checks, touching.count() as u64 * 20);
            }
            for (got, want) in grid.heat.iter().zip(naive(&time, &space, &regions)) {
                if got.is_nan() {
                    prop_assert_eq!(want, 0.0);
                } else {
                    prop_assert!(*got >= 0.0 && (got - want).abs() <= 1e-9 * want.max(1.0), "{} {}", got, want);
                }
            }
        }
    }
}
