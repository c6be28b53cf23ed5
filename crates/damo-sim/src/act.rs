//! What schemes do to a process's memory: filters page by page, then the action.

use crate::options::PAGE;
use crate::pages::{Acted, Faults, PageAction, Word};
use crate::process::Process;
use crate::rng::{Rng, scale};
use damo_model::Bytes;
use damo_model::scheme::{Action, FilterKind, Scheme, SchemeFilter};
use std::ops::Range;

impl Process {
    /// Whether it is in the cgroup at `path`: each is in one of its own, called as its workload, below the root.
    pub(crate) fn is_in_cgroup(&self, path: &str) -> bool {
        path == "/" || path.strip_prefix('/') == Some(self.workload.name())
    }

    /// Does what `scheme` says to `pages` of `region`. With `decided`, filters of the core have let the
    /// whole pass already. Pages lately accessed are spared if `spare_young`.
    pub(crate) fn apply(
        &mut self,
        scheme: &Scheme,
        region: usize,
        pages: Range<u64>,
        decided: bool,
        spare_young: bool,
        rng: &mut Rng,
    ) -> Acted {
        let (from, to) = (pages.start, pages.end);
        let filters: Vec<&SchemeFilter> =
            if decided { Vec::new() } else { scheme.filters.iter().filter(|f| !f.kind.is_core()).collect() };
        let cgroup: Vec<bool> = filters
            .iter()
            .map(|filter| matches!(&filter.kind, FilterKind::Memcg(path) if self.is_in_cgroup(path)))
            .collect();
        // Which pages were accessed can be asked only while nothing changes: beforehand, for words that need it.
        let needs_young = spare_young || filters.iter().any(|f| f.kind == FilterKind::Young);
        let young = if needs_young { self.young_words(region, from, to, rng) } else { Vec::new() };
        let select = |word: Word| {
            let young = young.get((word.index - from / 64) as usize).copied().unwrap_or(0);
            let mut open = if spare_young { word.pages & !young } else { word.pages };
            let mut passed = 0;
            for (filter, in_cgroup) in filters.iter().zip(&cgroup) {
                let is = matching(&filter.kind, &word, young, *in_cgroup);
                let decided = open & if filter.matching { is } else { !is };
                if filter.allow {
                    passed |= decided;
                }
                open &= !decided;
            }
            if SchemeFilter::passes_by_default(filters.iter().copied()) { passed | open } else { passed }
        };
        let Some(pages) = self.pages_mut(region) else { return Acted::default() };
        match scheme.action {
            Action::Willneed => pages.act(PageAction::Fetch, from, to, select),
            Action::Pageout => pages.act(PageAction::Evict, from, to, select),
            Action::LruPrio => pages.act(PageAction::Activate, from, to, select),
            Action::LruDeprio | Action::Cold => pages.act(PageAction::Deactivate, from, to, select),
            Action::MigrateHot | Action::MigrateCold => {
                let node = destination(scheme, rng);
                pages.act(PageAction::Move(node), from, to, select)
            }
            Action::Hugepage => pages.set_huge(from, to, Some(true), true),
            Action::Nohugepage => pages.set_huge(from, to, Some(false), false),
            Action::Collapse => pages.set_huge(from, to, None, true),
            _ => pages.act(PageAction::None, from, to, select),
        }
    }

    /// Which pages of `[from, to)` were accessed in the present sampling interval, in words of 64 from `from / 64` on.
    fn young_words(&self, region: usize, from: u64, to: u64, rng: &mut Rng) -> Vec<u64> {
        let word = |index: u64| {
            (0..64).filter(|bit| self.accessed(region, index * 64 + bit, rng)).fold(0, |bits, bit| bits | 1 << bit)
        };
        (from / 64..to.div_ceil(64)).map(word).collect()
    }

    /// Page faults so far.
    pub(crate) fn faults(&self) -> Faults {
        self.faults
    }
}

/// The pages of `word` that are of the filter's kind. All of a workload's memory is anonymous and mapped.
fn matching(kind: &FilterKind, word: &Word, young: u64, in_cgroup: bool) -> u64 {
    let all = |whether: bool| if whether { u64::MAX } else { 0 };
    match kind {
        FilterKind::Anon => u64::MAX,
        FilterKind::Active => word.active,
        FilterKind::Young => young,
        FilterKind::Memcg(_) => all(in_cgroup),
        FilterKind::HugepageSize(sizes) => {
            let huge = all(sizes.contains(crate::options::HUGE_PAGE)) & word.huge;
            huge | (all(sizes.contains(Bytes(PAGE))) & !word.huge)
        }
        // Mapped all of it; addresses and targets are the core's.
        _ => 0,
    }
}

/// The node that a region is migrated to: the one, or one of several by weight.
fn destination(scheme: &Scheme, rng: &mut Rng) -> u8 {
    let node = |id: i64| u8::try_from(id).unwrap_or(u8::MAX);
    let total: u64 = scheme.dests.iter().map(|dest| u64::from(dest.weight)).sum();
    if total == 0 {
        return node(i64::from(scheme.target_nid.unwrap_or(0)));
    }
    let mut pick = scale(rng.next(), total);
    for dest in &scheme.dests {
        if pick < u64::from(dest.weight) {
            return node(i64::from(dest.id));
        }
        pick -= u64::from(dest.weight);
    }
    0
}
