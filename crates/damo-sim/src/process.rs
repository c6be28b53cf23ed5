//! A running workload: where its patterns are at a moment of virtual time, and which pages they accessed since the
//! moment before.
//!
//! Single accesses are never enumerated. As masim does, a process picks a pattern by weight, makes a fixed number of
//! accesses with it, and picks again. Which pattern is picked when follows from the seed alone. Between two picks a
//! sequential pattern moves on by a known number of positions, so what it accessed during a sampling interval is one
//! arc of its region; whether a page lies on the arc is arithmetic. Random patterns access a known number of random
//! places, of which a given page is one with a known probability. A region that is passed whole within the interval,
//! the usual case of a hot one, is known to be accessed at every page.

use crate::layout::{AddressSpace, round_up};
use crate::options::{Options, PAGE};
use crate::pages::{Faults, Pages};
use crate::rng::{Rng, derive, mix, scale};
use crate::workload::{Pattern, Workload};
use damo_model::{Addr, Bytes, Nanos, NodeMemory};
use std::collections::BTreeMap;

/// A pattern of the running phase, and where it is.
#[derive(Clone, Debug)]
struct Track {
    region: usize,
    random: bool,
    stride: u64,
    /// Sequential positions in a pass.
    len: u64,
    weight: u64,
    /// Position within the region of the next access.
    position: u64,
    /// Accesses since the activity was last taken.
    fresh: u64,
    /// Positions touched since a page of the region last went out: from `len` on there is nothing left to fault in.
    warm: u64,
    /// [`Pages::evictions`] when `warm` was last reset.
    warm_since: u64,
}

/// Sequential accesses: `n` positions from `from` on, in a region of `len` positions `stride` bytes apart.
#[derive(Clone, Copy, Debug)]
struct Arc {
    stride: u64,
    len: u64,
    from: u64,
    n: u64,
}

impl Arc {
    /// Whether one of the accesses fell into the pages `[from, to)`.
    fn covers(&self, from: u64, to: u64) -> bool {
        let first = (from * PAGE).div_ceil(self.stride);
        let last = ((to * PAGE - 1) / self.stride).min(self.len - 1);
        if first > last {
            return false;
        }
        if self.n >= self.len {
            return true;
        }
        let end = self.from + self.n;
        let in_run = first < end && last >= self.from;
        in_run || (end > self.len && first < end - self.len)
    }

    /// Whether it covers each of the region's `pages`. The last position may lie before the last page.
    fn covers_all(&self, pages: u64) -> bool {
        self.stride <= PAGE && self.n >= self.len && (self.len - 1) * self.stride / PAGE + 1 == pages
    }
}

/// What happened to one region during a sampling interval.
#[derive(Clone, Debug, Default)]
struct Activity {
    arcs: Vec<Arc>,
    random: u64,
    every_page: bool,
}

impl Activity {
    fn is_idle(&self) -> bool {
        self.arcs.is_empty() && self.random == 0
    }
}

/// How sure it is that a region's pages were accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activeness {
    /// None of the pages was accessed.
    Idle,
    /// Some were: ask for the page.
    Some,
    /// Each of the pages was accessed.
    All,
}

/// A running workload.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) workload: Workload,
    pub(crate) space: AddressSpace,
    pages: Vec<Pages>,
    pub(crate) faults: Faults,
    activity: Vec<Activity>,
    per_ms: u64,
    per_pick: u64,
    seed: u64,
    /// Of page faults by random accesses; apart from the monitor's numbers so that looking at memory changes nothing.
    rng: Rng,
    phase: usize,
    /// Phases begun so far, over all rounds.
    phases_begun: u64,
    phase_start: Nanos,
    /// Accesses made in this phase.
    done: u64,
    tracks: Vec<Track>,
    total_weight: u64,
}

impl Process {
    /// The `index`-th process, about to start at time 0.
    pub(crate) fn new(workload: &Workload, options: &Options, index: usize) -> Process {
        let seed = derive(&[options.seed, 0x70726f63, index as u64]);
        let mut faults = Faults::default();
        let mut pages = Vec::with_capacity(workload.regions().len());
        let space = AddressSpace::new(workload, options.layout, index);
        for (number, (region, start)) in workload.regions().iter().zip(&space.regions).enumerate() {
            let mut region_pages = Pages::new(round_up(region.size.0) / PAGE, start.0 / PAGE);
            if options.spread {
                region_pages.begin_on(((index + number) % usize::from(options.nodes)) as u8);
            }
            if region.init_file.is_some() {
                faults += region_pages.touch(0, region_pages.nr());
            }
            pages.push(region_pages);
        }
        let mut process = Process {
            space,
            pages,
            faults,
            activity: vec![Activity::default(); workload.regions().len()],
            per_ms: options.accesses_per_ms,
            per_pick: options.accesses_per_pick,
            seed,
            rng: Rng::new(mix(seed)),
            phase: 0,
            phases_begun: 0,
            phase_start: Nanos(0),
            done: 0,
            tracks: Vec::new(),
            total_weight: 0,
            workload: workload.clone(),
        };
        process.begin_phase();
        process
    }

    /// Bytes in memory.
    pub(crate) fn rss(&self) -> Bytes {
        let pages: u64 = self.pages.iter().map(Pages::nr_present).sum();
        Bytes(self.space.base_rss.0 + pages * PAGE)
    }

    /// On which of so many nodes the memory of each mapping is, sorted by address, then by node. What the program itself needs
    /// is left out.
    pub(crate) fn memory_by_node(&self, nodes: u8) -> Vec<NodeMemory> {
        let mut memory: BTreeMap<(Addr, Addr, u32), u64> = BTreeMap::new();
        for (start, pages) in self.space.regions.iter().zip(&self.pages) {
            let Some(mapping) = self.space.mappings.iter().find(|of| of.start <= *start && *start < of.end) else {
                continue;
            };
            for node in 0..nodes {
                let pages = pages.nr_on_node(node);
                if pages > 0 {
                    *memory.entry((mapping.start, mapping.end, node.into())).or_default() += pages * PAGE;
                }
            }
        }
        let row = |((start, end, node), bytes)| NodeMemory { start, end, node, bytes: Bytes(bytes) };
        memory.into_iter().map(row).collect()
    }

    /// Bytes swapped out.
    pub(crate) fn swap(&self) -> Bytes {
        Bytes(self.pages.iter().map(Pages::nr_swapped).sum::<u64>() * PAGE)
    }

    /// Runs until `to`, forgetting what was accessed before. Gives the phases that began meanwhile to `began`.
    pub(crate) fn run_until(&mut self, to: Nanos, mut began: impl FnMut(Nanos, &str)) {
        for activity in &mut self.activity {
            activity.arcs.clear();
            activity.random = 0;
            activity.every_page = false;
        }
        while let Some(phase) = self.workload.phases.get(self.phase) {
            let phase_end = self.phase_start.saturating_add(phase.duration);
            let until = to.min(phase_end);
            let elapsed = until.saturating_sub(self.phase_start).0.max(0) as u128;
            let target = (elapsed * u128::from(self.per_ms) / 1_000_000) as u64;
            self.access_up_to(target);
            self.settle();
            if until < phase_end {
                break;
            }
            self.phase = (self.phase + 1) % self.workload.phases.len();
            self.phases_begun += 1;
            self.phase_start = phase_end;
            self.begin_phase();
            if let Some(phase) = self.workload.phases.get(self.phase) {
                began(phase_end, &phase.name);
            }
            if phase_end >= to {
                break;
            }
        }
    }

    fn begin_phase(&mut self) {
        let Workload { regions, phases, .. } = &self.workload;
        let patterns: &[Pattern] = phases.get(self.phase).map_or(&[], |p| &p.patterns);
        let track = |p: &Pattern| Track {
            region: p.region,
            random: p.random,
            stride: p.stride.0.max(1),
            len: regions.get(p.region).map_or(1, |r| r.size.0.div_ceil(p.stride.0.max(1))),
            weight: u64::from(p.weight),
            position: 0,
            fresh: 0,
            warm: 0,
            warm_since: 0,
        };
        self.tracks = patterns.iter().filter(|p| p.weight > 0).map(track).collect();
        self.total_weight = self.tracks.iter().map(|t| t.weight).sum();
        self.done = 0;
    }

    /// Lets the patterns make accesses until `target` are made in this phase.
    fn access_up_to(&mut self, target: u64) {
        if let [only] = &mut self.tracks[..] {
            only.fresh += target.saturating_sub(self.done);
            self.done = target;
            return;
        }
        if self.total_weight == 0 {
            self.done = target;
            return;
        }
        let stream = derive(&[self.seed, self.phases_begun]);
        while self.done < target {
            let pick = self.done / self.per_pick;
            let next = (pick + 1).saturating_mul(self.per_pick).min(target);
            let mut random = scale(mix(stream ^ pick.wrapping_mul(0x9e37_79b9_7f4a_7c15)), self.total_weight);
            for track in &mut self.tracks {
                if random < track.weight {
                    track.fresh += next - self.done;
                    break;
                }
                random -= track.weight;
            }
            self.done = next;
        }
    }

    /// Turns the patterns' fresh accesses into the regions' activity and into page faults.
    fn settle(&mut self) {
        for track in &mut self.tracks {
            let n = std::mem::take(&mut track.fresh);
            let (Some(activity), Some(pages)) = (self.activity.get_mut(track.region), self.pages.get_mut(track.region))
            else {
                continue;
            };
            if n == 0 {
                continue;
            }
            if track.random {
                activity.random += n;
                self.faults += pages.touch_random(n, &mut self.rng);
                continue;
            }
            let arc = Arc { stride: track.stride, len: track.len, from: track.position, n };
            track.position = ((u128::from(track.position) + u128::from(n)) % u128::from(track.len)) as u64;
            activity.every_page |= arc.covers_all(pages.nr());
            activity.arcs.push(arc);
            if track.warm_since != pages.evictions() {
                (track.warm, track.warm_since) = (0, pages.evictions());
            }
            if track.warm < track.len {
                track.warm = track.warm.saturating_add(n);
                self.faults += touch_arc(pages, &arc);
            }
        }
    }

    /// Pages of `region`.
    pub(crate) fn nr_pages(&self, region: usize) -> u64 {
        self.pages.get(region).map_or(0, Pages::nr)
    }

    /// How sure it is that pages of `region` were accessed.
    pub(crate) fn activeness(&self, region: usize) -> Activeness {
        match self.activity.get(region) {
            Some(activity) if activity.every_page => Activeness::All,
            Some(activity) if !activity.is_idle() => Activeness::Some,
            _ => Activeness::Idle,
        }
    }

    pub(crate) fn pages_mut(&mut self, region: usize) -> Option<&mut Pages> {
        self.pages.get_mut(region)
    }

    /// All regions' pages.
    pub(crate) fn pages(&self) -> &[Pages] {
        &self.pages
    }

    /// Whether `page` of `region` was accessed; of a huge page, whether any part of it was, as the hardware keeps one
    /// bit for all. `rng` decides for random patterns.
    pub(crate) fn accessed(&self, region: usize, page: u64, rng: &mut Rng) -> bool {
        let (Some(activity), Some(pages)) = (self.activity.get(region), self.pages.get(region)) else {
            return false;
        };
        let (from, to) = pages.huge_page(page).unwrap_or((page, page + 1));
        if activity.every_page || activity.arcs.iter().any(|arc| arc.covers(from, to)) {
            return true;
        }
        // Of n accesses to random pages, all miss one of them with probability (1 - 1/pages)^n.
        let expected = activity.random as f64 * (to - from) as f64 / pages.nr() as f64;
        activity.random > 0 && rng.chance(1.0 - (-expected).exp())
    }
}

/// Page faults of sequential accesses.
fn touch_arc(pages: &mut Pages, arc: &Arc) -> Faults {
    let mut faults = Faults::default();
    let end = arc.from + arc.n.min(arc.len);
    for (from, to) in [(arc.from, end.min(arc.len)), (0, end.saturating_sub(arc.len))] {
        if from >= to {
            continue;
        }
        if arc.stride <= PAGE {
            faults += pages.touch(from * arc.stride / PAGE, (to - 1) * arc.stride / PAGE + 1);
        } else {
            for position in from..to {
                let page = position * arc.stride / PAGE;
                faults += pages.touch(page, page + 1);
            }
        }
    }
    faults
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
