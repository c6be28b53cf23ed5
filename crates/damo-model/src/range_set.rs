//! The union of many ranges, most of which are known already.

use crate::units::{AddrRange, Bytes};

/// The union of all ranges that were added: sorted, disjoint, not touching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(Vec<AddrRange>);

impl RangeSet {
    /// Takes in ranges, mostly sorted and mostly known already; empty ones are nothing.
    pub fn add(&mut self, ranges: impl Iterator<Item = AddrRange>) {
        let mut runs: Vec<AddrRange> = Vec::new();
        for range in ranges.filter(|range| range.start < range.end) {
            match runs.last_mut() {
                Some(run) if run.start <= range.start && range.start <= run.end => run.end = run.end.max(range.end),
                _ => runs.push(range),
            }
        }
        if runs.iter().all(|run| self.holds(run)) {
            return;
        }
        runs.append(&mut self.0);
        self.0 = AddrRange::joined(runs);
    }

    fn holds(&self, run: &AddrRange) -> bool {
        let at = self.0.partition_point(|range| range.end < run.end);
        self.0.get(at).is_some_and(|range| range.start <= run.start)
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[AddrRange] {
        &self.0
    }

    /// The size of all of them together.
    pub fn size(&self) -> Bytes {
        self.0.iter().fold(Bytes(0), |sum, range| sum.saturating_add(range.size()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Addr;

    fn ranges(pairs: &[(u64, u64)]) -> Vec<AddrRange> {
        pairs.iter().map(|(start, end)| AddrRange::new(Addr(*start), Addr(*end))).collect()
    }

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        let mut set = RangeSet::default();
        set.add(ranges(&[(10, 20), (40, 50), (20, 25), (45, 60), (0, 5), (12, 14), (30, 30)]).into_iter());
        assert_eq!(set.ranges(), ranges(&[(0, 5), (10, 25), (40, 60)]));
        set.add(ranges(&[(4, 41)]).into_iter());
        assert_eq!(set.ranges(), ranges(&[(0, 60)]));
        set.add(ranges(&[(3, 17), (17, 60)]).into_iter());
        assert_eq!((set.ranges(), set.size()), (&ranges(&[(0, 60)])[..], Bytes(60)));
    }
}
