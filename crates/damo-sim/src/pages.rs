//! Which pages of a region are in memory: a bit per page, so that hours over gigabytes stay cheap and exact. What only
//! some schemes need (LRU lists, huge pages, nodes) is kept only once one of them acts.

use crate::options::HUGE_PAGE;
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

/// Pages in a huge page.
const BLOCK: u64 = HUGE_PAGE.0 / 4096;
/// Huge pages are allowed here.
const ALLOWED: u8 = 1;
/// It is one.
const HUGE: u8 = 2;

/// What is done to single pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageAction {
    /// Nothing is done with them.
    None,
    /// Out of memory.
    Evict,
    /// Back into memory.
    Fetch,
    /// To the active list.
    Activate,
    /// To the inactive list.
    Deactivate,
    /// To another node.
    Move(u8),
}

/// Sixty-four pages, a bit each: what filters ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Number of its first page, over 64.
    pub(crate) index: u64,
    /// The pages that are asked for.
    pub(crate) pages: u64,
    /// Those on the active list.
    pub(crate) active: u64,
    /// Those in huge pages.
    pub(crate) huge: u64,
}

/// What an action did, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acted {
    /// That the filters let pass.
    pub(crate) passed: u64,
    /// That are different now.
    pub(crate) changed: u64,
}

impl std::ops::AddAssign for Acted {
    fn add_assign(&mut self, other: Acted) {
        self.passed += other.passed;
        self.changed += other.changed;
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
    /// On the active list; empty until the first scheme sorts LRU lists.
    active: Vec<u64>,
    /// [`ALLOWED`] and [`HUGE`] of each aligned huge page's place; empty until the first scheme is for huge pages.
    blocks: Vec<u8>,
    /// How far into such a place the region begins, in pages.
    skew: u64,
    /// Node of each page; empty while all are on node 0.
    nodes: Vec<u8>,
}

/// The bits of word `word` that lie in `[from, to)`.
fn mask(word: u64, from: u64, to: u64) -> u64 {
    let low = from.saturating_sub(word * 64).min(64);
    let high = to.saturating_sub(word * 64).min(64);
    let below = |n: u64| if n == 64 { u64::MAX } else { (1 << n) - 1 };
    below(high) & !below(low)
}

fn get(words: &[u64], word: u64) -> u64 {
    words.get(word as usize).copied().unwrap_or(0)
}

impl Pages {
    /// `nr` pages, none of them present, of which the first is the `first`-th of the address space.
    pub(crate) fn new(nr: u64, first: u64) -> Self {
        let words = vec![0; nr.div_ceil(64) as usize];
        Pages {
            nr,
            present: words.clone(),
            swapped: words,
            nr_present: 0,
            nr_swapped: 0,
            evictions: 0,
            active: Vec::new(),
            blocks: Vec::new(),
            skew: first % BLOCK,
            nodes: Vec::new(),
        }
    }

    /// Puts all pages on a node.
    pub(crate) fn begin_on(&mut self, node: u8) {
        self.nodes = if node == 0 { Vec::new() } else { vec![node; self.nr as usize] };
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

    /// Present pages on the active list.
    pub(crate) fn nr_active(&self) -> u64 {
        self.active.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Present pages in huge pages.
    pub(crate) fn nr_huge(&self) -> u64 {
        self.blocks.iter().filter(|block| **block & HUGE != 0).count() as u64 * BLOCK
    }

    /// Present pages on `node`.
    pub(crate) fn nr_on_node(&self, node: u8) -> u64 {
        if self.nodes.is_empty() {
            return if node == 0 { self.nr_present } else { 0 };
        }
        let present = |page: u64| get(&self.present, page / 64) >> (page % 64) & 1;
        self.nodes.iter().zip(0..).filter(|(at, _)| **at == node).map(|(_, page)| present(page)).sum()
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
            faults += self.fill_blocks(from, to, ALLOWED);
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
        } else {
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
        }
        faults += self.fill_blocks(0, self.nr, ALLOWED);
        faults
    }

    /// The pages of huge page place `block`, if the region holds it whole.
    fn block(&self, block: u64) -> Option<(u64, u64)> {
        let from = (block * BLOCK).checked_sub(self.skew)?;
        (from + BLOCK <= self.nr).then_some((from, from + BLOCK))
    }

    /// The place of the huge page that `page` is in, as pages.
    pub(crate) fn huge_page(&self, page: u64) -> Option<(u64, u64)> {
        let block = (page + self.skew) / BLOCK;
        let huge = self.blocks.get(block as usize).is_some_and(|flags| flags & HUGE != 0);
        if huge { self.block(block) } else { None }
    }

    /// Makes huge pages of those places that have all of `flags`, touch `[from, to)` and have something present.
    fn fill_blocks(&mut self, from: u64, to: u64, flags: u8) -> Faults {
        let mut faults = Faults::default();
        if self.blocks.is_empty() || from >= to {
            return faults;
        }
        for block in (from + self.skew) / BLOCK..(to + self.skew).div_ceil(BLOCK) {
            let (Some(&has), Some((first, end))) = (self.blocks.get(block as usize), self.block(block)) else {
                continue;
            };
            let words = || first / 64..end.div_ceil(64);
            if has & flags != flags
                || has & HUGE != 0
                || words().all(|w| get(&self.present, w) & mask(w, first, end) == 0)
            {
                continue;
            }
            for word in words() {
                faults += self.touch_bits(word as usize, mask(word, first, end));
            }
            if let Some(has) = self.blocks.get_mut(block as usize) {
                *has |= HUGE;
            }
        }
        faults
    }

    /// Allows (or no longer allows) huge pages in the places that `[from, to)` holds whole, and with `now` makes them
    /// wherever something is present, allowed or not.
    pub(crate) fn set_huge(&mut self, from: u64, to: u64, allow: Option<bool>, now: bool) -> Acted {
        let before = self.nr_huge();
        if self.blocks.is_empty() {
            self.blocks = vec![0; (self.nr + self.skew).div_ceil(BLOCK) as usize];
        }
        let mut acted = Acted::default();
        for block in (from + self.skew) / BLOCK..(to + self.skew).div_ceil(BLOCK) {
            let Some((first, end)) = self.block(block).filter(|(first, end)| from <= *first && *end <= to) else {
                continue;
            };
            if let (Some(has), Some(allow)) = (self.blocks.get_mut(block as usize), allow) {
                *has = if allow { *has | ALLOWED } else { *has & !ALLOWED };
            }
            acted.passed += BLOCK;
            if now {
                self.fill_blocks(first, end, 0);
            }
        }
        acted.changed = self.nr_huge() - before;
        acted
    }

    /// Acts on those pages of `[from, to)` that `select` lets pass. Asked for are present pages, or for
    /// [`PageAction::Fetch`] those that went out.
    pub(crate) fn act(&mut self, action: PageAction, from: u64, to: u64, mut select: impl FnMut(Word) -> u64) -> Acted {
        let to = to.min(self.nr);
        let mut acted = Acted::default();
        if from >= to {
            return acted;
        }
        for index in from / 64..to.div_ceil(64) {
            let from_words = if action == PageAction::Fetch { &self.swapped } else { &self.present };
            let pages = get(from_words, index) & mask(index, from, to);
            if pages == 0 {
                continue;
            }
            let word = Word { index, pages, active: get(&self.active, index), huge: self.huge_bits(index) };
            let selected = select(word) & pages;
            acted.passed += u64::from(selected.count_ones());
            if selected != 0 {
                acted.changed += self.act_on_word(action, index, selected);
            }
        }
        if action == PageAction::Evict && acted.changed > 0 {
            self.evictions += 1;
        }
        acted
    }

    fn huge_bits(&self, index: u64) -> u64 {
        if self.blocks.is_empty() {
            return 0;
        }
        (0..64).filter(|bit| self.huge_page(index * 64 + bit).is_some()).fold(0, |bits, bit| bits | 1 << bit)
    }

    fn act_on_word(&mut self, action: PageAction, index: u64, selected: u64) -> u64 {
        let at = index as usize;
        let nr = u64::from(selected.count_ones());
        match action {
            PageAction::None => 0,
            PageAction::Evict => {
                for bit in (0..64).filter(|bit| selected >> bit & 1 != 0) {
                    let page = index * 64 + bit;
                    // A huge page is split where a part of it goes.
                    if let Some(flags) = self.blocks.get_mut(((page + self.skew) / BLOCK) as usize) {
                        *flags &= !HUGE;
                    }
                    if let Some(node) = self.nodes.get_mut(page as usize) {
                        *node = 0;
                    }
                }
                if let (Some(present), Some(swapped)) = (self.present.get_mut(at), self.swapped.get_mut(at)) {
                    *present &= !selected;
                    *swapped |= selected;
                }
                if let Some(active) = self.active.get_mut(at) {
                    *active &= !selected;
                }
                self.nr_present -= nr;
                self.nr_swapped += nr;
                nr
            }
            PageAction::Fetch => self.touch_bits(at, selected).faults,
            PageAction::Activate | PageAction::Deactivate => {
                if self.active.is_empty() {
                    self.active = vec![0; self.present.len()];
                }
                let Some(active) = self.active.get_mut(at) else { return 0 };
                let before = *active;
                *active = if action == PageAction::Activate { before | selected } else { before & !selected };
                u64::from((*active ^ before).count_ones())
            }
            PageAction::Move(node) => {
                if self.nodes.is_empty() {
                    self.nodes = vec![0; self.nr as usize];
                }
                let mut moved = 0;
                for bit in (0..64).filter(|bit| selected >> bit & 1 != 0) {
                    if let Some(at) = self.nodes.get_mut((index * 64 + bit) as usize) {
                        moved += u64::from(*at != node);
                        *at = node;
                    }
                }
                moved
            }
        }
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
            let mut pages = Pages::new(nr, 0);
            let faults = pages.touch_random(n, &mut Rng::new(1)).faults;
            let expected = nr as f64 * (1.0 - (-(n as f64) / nr as f64).exp());
            assert!((faults as f64 - expected).abs() < 0.05 * expected, "{n} of {nr}: {faults}, expected {expected}");
            assert_eq!(pages.nr_present(), faults);
        }
    }

    fn all(word: Word) -> u64 {
        word.pages
    }

    #[test]
    fn pages_that_went_out_come_back_as_refaults() {
        let mut pages = Pages::new(1000, 0);
        pages.touch(0, 700);
        let acted = pages.act(PageAction::Evict, 100, 900, all);
        assert_eq!(acted, Acted { passed: 600, changed: 600 });
        assert_eq!((pages.nr_present(), pages.nr_swapped()), (100, 600));
        assert_eq!(pages.touch(690, 710), Faults { faults: 20, refaults: 10 });
        assert_eq!((pages.nr_present(), pages.nr_swapped()), (120, 590));
    }

    #[test]
    fn fetching_brings_back_only_what_went_out() {
        let mut pages = Pages::new(100, 0);
        pages.touch(0, 50);
        pages.act(PageAction::Evict, 0, 30, all);
        assert_eq!(pages.act(PageAction::Fetch, 10, 100, all).changed, 20);
        assert_eq!((pages.nr_present(), pages.nr_swapped()), (40, 10));
        assert_eq!(pages.touch(0, 50).refaults, 10);
    }

    #[test]
    fn an_allowed_huge_page_is_filled_by_its_first_touch_and_split_by_eviction() {
        // The region begins 12 pages before a place for huge pages, and holds two of them whole.
        let mut pages = Pages::new(12 + 2 * BLOCK + 5, BLOCK - 12);
        pages.set_huge(0, pages.nr(), Some(true), false);
        assert_eq!(pages.touch(0, 1).faults, 1, "before the first place");
        assert_eq!(pages.touch(20, 21).faults, BLOCK);
        assert_eq!((pages.nr_huge(), pages.huge_page(12), pages.huge_page(11)), (BLOCK, Some((12, 12 + BLOCK)), None));
        assert_eq!(pages.act(PageAction::Evict, 12, 13, all).changed, 1);
        assert_eq!((pages.nr_huge(), pages.nr_present()), (0, BLOCK));
    }

    #[test]
    fn making_huge_pages_at_once_fills_what_is_partly_present() {
        let mut pages = Pages::new(2 * BLOCK, 0);
        pages.touch(3, 4);
        let acted = pages.set_huge(0, 2 * BLOCK, Some(true), true);
        assert_eq!(acted, Acted { passed: 2 * BLOCK, changed: BLOCK });
        assert_eq!(pages.nr_present(), BLOCK);
        // No longer allowed: what is there stays, new ones are not made.
        pages.set_huge(0, 2 * BLOCK, Some(false), false);
        assert_eq!(pages.touch(BLOCK, BLOCK + 1).faults, 1);
    }

    #[test]
    fn lists_and_nodes_count_present_pages() {
        let mut pages = Pages::new(300, 0);
        pages.touch(0, 200);
        assert_eq!(pages.act(PageAction::Activate, 100, 300, all).changed, 100);
        assert_eq!(pages.act(PageAction::Deactivate, 150, 160, all).changed, 10);
        assert_eq!(pages.nr_active(), 90);
        assert_eq!(pages.act(PageAction::Move(1), 0, 120, all).changed, 120);
        assert_eq!(pages.act(PageAction::Move(1), 100, 130, all).changed, 10);
        pages.act(PageAction::Evict, 110, 140, all);
        assert_eq!((pages.nr_on_node(0), pages.nr_on_node(1), pages.nr_active()), (60, 110, 60));
    }

    #[test]
    fn only_selected_pages_are_acted_on() {
        let mut pages = Pages::new(128, 0);
        pages.touch(0, 128);
        let acted = pages.act(PageAction::Evict, 0, 128, |word| if word.index == 1 { 0xff } else { 0 });
        assert_eq!(acted, Acted { passed: 8, changed: 8 });
        assert_eq!(pages.touch(64, 72).refaults, 8);
    }

    proptest! {
        #[test]
        fn touching_ranges_counts_each_page_once(
            nr in 1u64..300,
            ranges in proptest::collection::vec((0u64..300, 0u64..300), 0..12),
        ) {
            let mut pages = Pages::new(nr, 0);
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
