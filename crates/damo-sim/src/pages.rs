//! Which pages of a region are in memory: a bit per page, so that hours over gigabytes stay cheap and exact.

use crate::rng::Rng;

/// What an access did to the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Pages that were not present and now are.
    pub(crate) faults: u64,
    /// Those among them that had been present before: they came back from swap.
    pub(crate) refaults: u64,
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Faults) {
        self.faults += other.faults;
        self.refaults += other.refaults;
    }
}

/// The pages of one region of a workload.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    nr: u64,
    present: Vec<u64>,
    /// Was present and went out; disjoint from `present`.
    swapped: Vec<u64>,
    nr_present: u64,
    nr_swapped: u64,
    evictions: u64,
}

/// The bits of word `word` that lie in `[from, to)`.
fn mask(word: u64, from: u64, to: u64) -> u64 {
    let low = from.saturating_sub(word * 64).min(64);
    let high = to.saturating_sub(word * 64).min(64);
    let below = |n: u64| if n == 64 { u64::MAX } else { (1 << n) - 1 };
    below(high) & !below(low)
}

impl Pages {
    /// `nr` pages, none of them present.
    pub(crate) fn new(nr: u64) -> Self {
        let words = vec![0; nr.div_ceil(64) as usize];
        Pages { nr, present: words.clone(), swapped: words, nr_present: 0, nr_swapped: 0, evictions: 0 }
    }

    pub(crate) fn nr(&self) -> u64 {
        self.nr
    }

    pub(crate) fn nr_present(&self) -> u64 {
        self.nr_present
    }

    pub(crate) fn nr_swapped(&self) -> u64 {
        self.nr_swapped
    }

    /// How often pages went out.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }

    fn touch_bits(&mut self, word: usize, bits: u64) -> Faults {
        let (Some(present), Some(swapped)) = (self.present.get_mut(word), self.swapped.get_mut(word)) else {
            return Faults::default();
        };
        let new = bits & !*present;
        let back = new & *swapped;
        *present |= new;
        *swapped &= !back;
        let faults = Faults { faults: u64::from(new.count_ones()), refaults: u64::from(back.count_ones()) };
        self.nr_present += faults.faults;
        self.nr_swapped -= faults.refaults;
        faults
    }

    /// Accesses the pages `[from, to)`.
    pub(crate) fn touch(&mut self, from: u64, to: u64) -> Faults {
        let to = to.min(self.nr);
        let mut faults = Faults::default();
        if self.nr_present < self.nr && from < to {
            for word in from / 64..to.div_ceil(64) {
                faults += self.touch_bits(word as usize, mask(word, from, to));
            }
        }
        faults
    }

    /// Accesses `n` random pages.
    pub(crate) fn touch_random(&mut self, n: u64, rng: &mut Rng) -> Faults {
        let mut faults = Faults::default();
        if self.nr_present == self.nr {
            return faults;
        }
        if n < self.nr / 4 {
            for _ in 0..n {
                let page = rng.below(self.nr);
                faults += self.touch_bits((page / 64) as usize, 1 << (page % 64));
            }
            return faults;
        }
        // So many that most pages are met: decide for each absent page instead.
        let met = 1.0 - (-(n as f64) / self.nr as f64).exp();
        for word in 0..self.present.len() {
            let mut absent = !self.present[word] & mask(word as u64, 0, self.nr);
            let mut bits = 0;
            while absent != 0 {
                let bit = absent & absent.wrapping_neg();
                absent ^= bit;
                if rng.chance(met) {
                    bits |= bit;
                }
            }
            faults += self.touch_bits(word, bits);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    #[test]
    fn random_accesses_find_the_expected_share_of_pages_either_way() {
        for (n, nr) in [(1000, 10_000), (10_000, 10_000), (30_000, 10_000)] {
            let mut pages = Pages::new(nr);
            let faults = pages.touch_random(n, &mut Rng::new(1)).faults;
            let expected = nr as f64 * (1.0 - (-(n as f64) / nr as f64).exp());
            assert!((faults as f64 - expected).abs() < 0.05 * expected, "{n} of {nr}: {faults}, expected {expected}");
            assert_eq!(pages.nr_present(), faults);
        }
    }

    proptest! {
        #[test]
        fn touching_ranges_counts_each_page_once(
            nr in 1u64..300,
            ranges in proptest::collection::vec((0u64..300, 0u64..300), 0..12),
        ) {
            let mut pages = Pages::new(nr);
            let mut expected = vec![false; nr as usize];
            for (from, to) in ranges {
                let mut new = 0;
                for page in from..to.min(nr) {
                    new += u64::from(!std::mem::replace(&mut expected[page as usize], true));
                }
                prop_assert_eq!(pages.touch(from, to), Faults { faults: new, refaults: 0 });
                prop_assert_eq!(pages.nr_present(), expected.iter().filter(|p| **p).count() as u64);
            }
        }
    }
}
