//! One axis of a map: a range cut into cells.

use damo_model::{Addr, AddrRange, Nanos};

/// A range cut into cells by `bounds`, ascending: cell `i` is `[bounds[i], bounds[i + 1])`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    bounds: Vec<i128>,
    /// Cells per unit of the axis, about: for guessing the cell of a value.
    per_unit: AxisScale,
}

/// A float that compares by its bits, so that axes can be compared.
#[derive(Clone, Copy, Debug)]
struct AxisScale(f64);

impl PartialEq for AxisScale {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for AxisScale {}

/// A bound of an axis of time; what no record can hold is the nearest that it can.
pub(super) fn nanos(at: i128) -> Nanos {
    Nanos(i64::try_from(at).unwrap_or(if at < 0 { i64::MIN } else { i64::MAX }))
}

/// A bound or a length on an axis of addresses, likewise.
pub(crate) fn address(at: i128) -> u64 {
    u64::try_from(at).unwrap_or(if at < 0 { 0 } else { u64::MAX })
}

impl Axis {
    /// From its first to its last bound, as addresses.
    pub(crate) fn addresses(&self) -> AddrRange {
        AddrRange::new(Addr(address(self.start())), Addr(address(self.end())))
    }

    /// Cells of one size, as the Python tool cuts: the size is rounded down, what remains at the end is left out. A
    /// range shorter than `cells` units gets a cell per unit.
    pub fn even(start: i128, end: i128, cells: usize) -> Axis {
        let length = (end - start).max(0);
        let cells = (cells as i128).min(length).max(0);
        let unit = if cells > 0 { length / cells } else { 0 };
        Axis::new((0..=cells).map(|i| start + i * unit).collect())
    }

    /// Cells that cover the whole range, sizes differing by one unit at most: for pictures.
    pub fn whole(start: i128, end: i128, cells: usize) -> Axis {
        let length = (end - start).max(0);
        let cells = (cells as i128).min(length).max(0);
        let bound = |i: i128| if cells > 0 { start + length * i / cells } else { start };
        Axis::new((0..=cells).map(bound).collect())
    }

    /// The same axis with every two cells in one; `None` if their number is odd.
    pub(super) fn halved(&self) -> Option<Axis> {
        self.len().is_multiple_of(2).then(|| Axis::new(self.bounds.iter().step_by(2).copied().collect()))
    }

    fn new(bounds: Vec<i128>) -> Axis {
        let length = bounds.last().unwrap_or(&0) - bounds.first().unwrap_or(&0);
        let per_unit = AxisScale((bounds.len().saturating_sub(1)) as f64 / length.max(1) as f64);
        Axis { bounds, per_unit }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// Whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the first cell begins.
    pub fn start(&self) -> i128 {
        self.bound(0)
    }

    /// Where the last cell ends.
    pub fn end(&self) -> i128 {
        self.bound(self.len())
    }

    /// Where cell `i` begins; the end of the axis for any `i` past the last cell.
    pub fn bound(&self, i: usize) -> i128 {
        self.bounds.get(i).or(self.bounds.last()).copied().unwrap_or(0)
    }

    /// Size of cell `i`.
    pub fn size(&self, i: usize) -> i128 {
        self.bound(i + 1) - self.bound(i)
    }

    /// The part of `[from, to)` that the cells cover; `None` if there is none.
    pub fn clip(&self, from: i128, to: i128) -> Option<(i128, i128)> {
        let (from, to) = (from.max(self.start()), to.min(self.end()));
        (from < to).then_some((from, to))
    }

    /// The cell that holds `at`, which must lie within the axis; the nearest one otherwise.
    pub fn cell(&self, at: i128) -> usize {
        let last = self.len().saturating_sub(1);
        let mut i = (((at - self.start()) as f64 * self.per_unit.0) as usize).min(last);
        while i > 0 && self.bound(i) > at {
            i -= 1;
        }
        while i < last && self.bound(i + 1) <= at {
            i += 1;
        }
        i
    }

    /// The cells that `[from, to)` touches, as first and last; both must lie within the axis.
    pub fn cells(&self, from: i128, to: i128) -> (usize, usize) {
        let first = self.cell(from);
        if to <= self.bound(first + 1) {
            return (first, first);
        }
        (first, self.cell(to - 1))
    }

    /// The cells that `from..to` reaches into, each with how much of it.
    pub(super) fn parts(&self, from: i128, to: i128) -> impl Iterator<Item = (usize, i128)> + '_ {
        self.clip(from, to).into_iter().flat_map(move |(from, to)| {
            let (first, last) = self.cells(from, to);
            (first..=last).map(move |cell| (cell, to.min(self.bound(cell + 1)) - from.max(self.bound(cell))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn even_cells_leave_out_the_rest_and_whole_cells_do_not() {
        assert_eq!(Axis::even(10, 110, 30).end(), 100);
        assert_eq!(Axis::whole(10, 110, 30).end(), 110);
        assert_eq!(Axis::even(5, 8, 100).len(), 3);
        assert!(Axis::even(8, 8, 100).is_empty());
        assert!(Axis::whole(8, 3, 100).is_empty());
    }

    proptest! {
        #[test]
        fn every_value_is_in_the_cell_that_is_found(
            start in any::<u64>(), length in 1_u64..1 << 50, cells in 1_usize..500, at in 0.0..1.0_f64,
        ) {
            for axis in [
                Axis::whole(start.into(), i128::from(start) + i128::from(length), cells),
                Axis::even(start.into(), i128::from(start) + i128::from(length), cells),
            ] {
                let value = axis.start() + ((axis.end() - axis.start() - 1) as f64 * at) as i128;
                let cell = axis.cell(value);
                prop_assert!(axis.bound(cell) <= value && value < axis.bound(cell + 1));
            }
        }
    }
}
