//! What a snapshot's predecessor tells of it: shared by the packer and the unpacker, which must agree exactly.
//!
//! DAMON changes its regions little from one aggregation to the next: it joins neighbours that were accessed alike and
//! cuts regions at a random tenth of their size. So nearly every boundary of a snapshot is a boundary of the one
//! before or a tenth of one of its regions, and nearly every age is the age before plus one, or 0 where the access
//! count moved. Here are the rules in numbers; FORMAT.md has them in words. Addresses are in the block's units.

/// End codes of the op column (its low seven bits).
pub(crate) mod end_code {
    /// `0..=KEEP_MAX`: the end of the `code`-th region of the previous snapshot, counted from the current one.
    pub(crate) const KEEP_MAX: u8 = 7;
    /// The first cut of the pair that the last [`TENTH_OF_TENTH`] code named.
    pub(crate) const OUTER_TENTH: u8 = 8;
    /// The size follows in the size column, less one.
    pub(crate) const EXPLICIT: u8 = 9;
    /// `TENTH + d - 1`, d = 1..=9: at d tenths of the current region of the previous snapshot.
    pub(crate) const TENTH: u8 = 10;
    /// `TENTH_OF_TENTH + 9 * (d - 1) + e - 1`: at e tenths of d tenths of it.
    pub(crate) const TENTH_OF_TENTH: u8 = 19;
    /// `LATER_TENTH + 9 * (k - 1) + d - 1`, k = 1..=3: at d tenths of the k-th region after it.
    pub(crate) const LATER_TENTH: u8 = 100;
    /// A code that no writer uses yet.
    pub(crate) const RESERVED: u8 = 127;
}

/// High bit of an op: the start is not as predicted, the gap to the region before follows in the gap column.
pub(crate) const EXPLICIT_START: u8 = 0x80;

/// Tenths are taken of regions smaller than this only: no overflow.
pub(crate) const TENTHS_LIMIT: u64 = 1 << 60;

/// The regions of one snapshot, in columns.
#[derive(Clone, Copy)]
pub(crate) struct Regions<'a> {
    pub start: &'a [u64],
    pub end: &'a [u64],
    pub nr_accesses: &'a [u32],
    pub age: &'a [u32],
}

impl Regions<'_> {
    pub(crate) const EMPTY: Regions<'static> = Regions { start: &[], end: &[], nr_accesses: &[], age: &[] };
}

/// What the previous snapshot says of a region's access count and age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// The access count of the region.
    pub nr_accesses: u32,
    /// Age plus one; 0 if it knows nothing.
    pub next_age: u64,
}

impl Regions<'_> {
    /// What these regions, from the `j`-th on, say of `[start, end)`: means weighted by shared size, rounded
    /// down after each step, in address order, as the kernel joins regions.
    #[inline]
    pub(crate) fn before(&self, j: usize, start: u64, end: u64) -> Before {
        match self.end.get(j) {
            Some(&first_end) if first_end >= end && self.start[j] < end => {
                Before { nr_accesses: self.nr_accesses[j], next_age: u64::from(self.age[j]) + 1 }
            }
            Some(_) => self.before_several(j, start, end),
            None => Before::default(),
        }
    }

    fn before_several(&self, j: usize, start: u64, end: u64) -> Before {
        let mut weight = 0u64;
        let (mut nr, mut age) = (0u32, 0u32);
        for q in j..self.end.len() {
            if self.start[q] >= end {
                break;
            }
            let shared = self.end[q].min(end).saturating_sub(self.start[q].max(start));
            if shared == 0 {
                continue;
            }
            nr = mean(nr, weight, self.nr_accesses[q], shared);
            age = mean(age, weight, self.age[q], shared);
            weight += shared;
        }
        if weight == 0 { Before::default() } else { Before { nr_accesses: nr, next_age: u64::from(age) + 1 } }
    }
}

/// Mean of `a` and `b`, weighted, rounded down.
fn mean(a: u32, weight_a: u64, b: u32, weight_b: u64) -> u32 {
    if weight_a == 0 || a == b {
        return b;
    }
    // A mean of two u32 is one.
    if weight_a <= u64::from(u32::MAX / 2) && weight_b <= u64::from(u32::MAX / 2) {
        return ((u64::from(a) * weight_a + u64::from(b) * weight_b) / (weight_a + weight_b)) as u32;
    }
    let sum = u128::from(a) * u128::from(weight_a) + u128::from(b) * u128::from(weight_b);
    (sum / (u128::from(weight_a) + u128::from(weight_b))) as u32
}

/// When DAMON sets an age back to 0, as far as the reports show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgeRule {
    /// Largest change of the access count that keeps the age.
    pub threshold: u32,
    /// Whether a change from or to 0 never keeps it (newer kernels).
    pub zero_matters: bool,
}

impl AgeRule {
    /// For a snapshot with these access counts.
    pub(crate) fn of(nr_accesses: &[u32], zero_matters: bool) -> AgeRule {
        AgeRule { threshold: nr_accesses.iter().copied().max().unwrap_or(0) / 10, zero_matters }
    }

    /// The age expected of a region with `nr_accesses`, and the second guess.
    #[inline]
    pub(crate) fn guess(self, before: Before, nr_accesses: u32) -> (u64, u64) {
        let moved = nr_accesses.abs_diff(before.nr_accesses) > self.threshold
            || (self.zero_matters && (nr_accesses == 0) != (before.nr_accesses == 0));
        if moved { (0, before.next_age) } else { (before.next_age, 0) }
    }
}

/// `d` tenths of `size`, rounded down to the unit.
#[inline]
pub(crate) fn tenths(size: u64, d: u64) -> u64 {
    size * d / 10
}

/// The smallest d in 1..=9 with `tenths(size, d) == offset`.
#[inline]
pub(crate) fn which_tenth(size: u64, offset: u64) -> Option<u64> {
    if size == 0 || offset >= size {
        return None;
    }
    // Divisions of 32 bits take a fraction of the time, and there are up to nine of these for one region.
    let d = match (u32::try_from(offset * 10), u32::try_from(size)) {
        (Ok(tenfold), Ok(size)) => tenfold.div_ceil(size).into(),
        _ => (offset * 10).div_ceil(size),
    };
    (1..=9).contains(&d).then_some(d).filter(|&d| tenths(size, d) == offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_are_found_again() {
        for size in [2u64, 3, 7, 10, 11, 99, 1000, TENTHS_LIMIT - 1] {
            for d in 1..=9 {
                let offset = tenths(size, d);
                if offset == 0 {
                    continue;
                }
                let found = which_tenth(size, offset).unwrap();
                assert!(found <= d && tenths(size, found) == offset, "{d} tenths of {size}");
            }
            assert_eq!(which_tenth(size, size), None);
        }
        assert_eq!(which_tenth(1000, 101), None);
        assert_eq!(which_tenth(0, 0), None);
    }

    #[test]
    fn means_of_large_weights_and_small_ones_are_exact() {
        let wide = |a: u32, wa: u64, b: u32, wb: u64| {
            let sum = u128::from(a) * u128::from(wa) + u128::from(b) * u128::from(wb);
            (sum / u128::from(wa + wb)) as u32
        };
        for (wa, wb) in [(1, 2), (u64::from(u32::MAX / 2), 3), (1 << 31, 7), (1 << 40, 1 << 62), (5, 1 << 32)] {
            for (a, b) in [(0, 1), (7, 3), (u32::MAX, 0), (u32::MAX, u32::MAX - 1)] {
                assert_eq!(mean(a, wa, b, wb), wide(a, wa, b, wb), "{a} * {wa}, {b} * {wb}");
            }
        }
    }

    #[test]
    fn joined_regions_are_predicted_as_the_kernel_joins_them() {
        let regions =
            Regions { start: &[0, 10, 40], end: &[10, 30, 50], nr_accesses: &[10, 1, 7], age: &[4, 1, u32::MAX] };
        assert_eq!(regions.before(0, 0, 10), Before { nr_accesses: 10, next_age: 5 });
        // (10*10 + 1*20) / 30 = 4, (4*10 + 1*20) / 30 = 2
        assert_eq!(regions.before(0, 0, 30), Before { nr_accesses: 4, next_age: 3 });
        assert_eq!(regions.before(2, 45, 60), Before { nr_accesses: 7, next_age: 1 << 32 });
        assert_eq!(regions.before(2, 30, 35), Before::default());
        assert_eq!(regions.before(3, 60, 65), Before::default());
    }
}
