//! The simulated machine: processes, where targets see their memory, and what schemes can do to it.

use crate::damos::{Applied, Memory};
use crate::error::SimError;
use crate::layout::{round_up, three_ranges};
use crate::monitor::Stretch;
use crate::options::{MAX_MEMORY, Options, PAGE};
use crate::pages::{Acted, Faults, Pages};
use crate::process::{Activeness, Process};
use crate::rng::{Rng, derive};
use crate::workload::Workload;
use damo_model::scheme::{Action, FilterKind, Goal, Metric, Scheme};
use damo_model::{Addr, AddrRange, Bytes, Nanos, Ops};

/// Where the simulated machine's memory begins, in physical addresses, and how its pieces are aligned.
const RAM_START: u64 = 1 << 32;
const RAM_ALIGN: u64 = 1 << 21;

/// Where the processes' memory is, all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Resident, what programs themselves need included.
    pub rss: Bytes,
    /// Memory that is swapped out.
    pub swapped: Bytes,
    /// Of the resident: on the active list. Lists change by schemes only.
    pub active: Bytes,
    /// Of the resident: in huge pages.
    pub huge: Bytes,
    /// Resident, by node.
    pub nodes: Vec<Bytes>,
}

/// A piece of a workload's memory in a target's address space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MappedPiece {
    start: u64,
    end: u64,
    process: usize,
    /// Index of the region; `None` is memory that is always busy.
    region: Option<usize>,
}

/// What a target sees.
#[derive(Debug)]
pub(crate) struct View {
    /// Pieces that are mapped, sorted and disjoint.
    places: Vec<MappedPiece>,
    /// Those of which something was accessed in the present sampling interval.
    pub(crate) stretches: Vec<Stretch>,
}

impl View {
    pub(crate) fn new(mut places: Vec<MappedPiece>) -> View {
        places.sort_by_key(|p| p.start);
        View { stretches: Vec::with_capacity(places.len()), places }
    }

    fn refresh(&mut self, processes: &[Process]) {
        self.stretches.clear();
        for (id, place) in self.places.iter().enumerate() {
            let activeness = match (place.region, processes.get(place.process)) {
                (Some(region), Some(process)) => process.activeness(region),
                _ => Activeness::All,
            };
            if activeness != Activeness::Idle {
                let every_page = activeness == Activeness::All;
                self.stretches.push(Stretch { start: place.start, end: place.end, every_page, id });
            }
        }
    }
}

/// The simulated machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processes: Vec<Process>,
    /// One per target.
    pub(crate) views: Vec<View>,
    /// All of its memory.
    pub(crate) memory: Bytes,
    options: Options,
    rng: Rng,
}

impl Machine {
    /// A machine that runs `workloads`, and the ranges that each target is monitored over.
    pub(crate) fn new(workloads: &[Workload], options: &Options) -> Result<(Machine, Vec<Vec<AddrRange>>), SimError> {
        options.check()?;
        if workloads.is_empty() {
            return Err(SimError::NoWorkload);
        }
        let needed = workloads.iter().fold(Bytes(0), |sum, w| sum.saturating_add(w.size()));
        if needed > MAX_MEMORY {
            let remedy = "make the regions smaller: sizes are in bytes";
            return Err(SimError::Memory { needed: needed.0, limit: MAX_MEMORY.0, remedy });
        }
        let processes: Vec<Process> =
            workloads.iter().enumerate().map(|(i, workload)| Process::new(workload, options, i)).collect();
        let (physical, used) = physical_places(&processes);
        let memory = options.system_memory.unwrap_or(Bytes((used * 2).next_power_of_two().max(4 << 30)));
        if memory.0 < used {
            let remedy = "give the machine more memory";
            return Err(SimError::Memory { needed: used, limit: memory.0, remedy });
        }
        let all_memory = vec![AddrRange::new(Addr(RAM_START), Addr(RAM_START + memory.0))];
        let (views, ranges): (Vec<View>, Vec<Vec<AddrRange>>) = match options.ops {
            Ops::Paddr => {
                let ranges = if options.ranges.is_empty() { all_memory } else { options.ranges.clone() };
                (vec![View::new(physical)], vec![ranges])
            }
            _ => (0..processes.len())
                .zip(&processes)
                .map(|(i, process)| (View::new(virtual_places(process, i)), ranges_of(process, options)))
                .unzip(),
        };
        let rng = Rng::new(derive(&[options.seed, 0x6d656d]));
        Ok((Machine { processes, views, memory, options: options.clone(), rng }, ranges))
    }

    /// Looks what was accessed in the sampling interval that is over.
    pub(crate) fn refresh(&mut self) {
        self.views.iter_mut().for_each(|view| view.refresh(&self.processes));
    }

    /// Resident bytes of all processes.
    pub(crate) fn rss(&self) -> Bytes {
        Bytes(self.processes.iter().map(|p| p.rss().0).sum())
    }

    /// Where memory is now.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        MemoryUse {
            rss: self.rss(),
            swapped: Bytes(self.pages(Pages::nr_swapped) * PAGE),
            active: Bytes(self.pages(Pages::nr_active) * PAGE),
            huge: Bytes(self.pages(Pages::nr_huge) * PAGE),
            nodes: (0..self.options.nodes).map(|node| Bytes(self.on_node(Some(i32::from(node))))).collect(),
        }
    }

    /// Page faults so far.
    pub(crate) fn faults(&self) -> Faults {
        let mut sum = Faults::default();
        self.processes.iter().for_each(|p| sum += p.faults());
        sum
    }

    /// Time that processes waited for memory so far.
    pub(crate) fn stalled(&self) -> Nanos {
        let refaults = i64::try_from(self.faults().refaults).unwrap_or(i64::MAX);
        Nanos(refaults.saturating_mul(self.options.costs.refault.0))
    }

    /// Whether page `addr` of a target's place `id` was accessed in the present sampling interval.
    pub(crate) fn accessed(&self, target: usize, id: usize, addr: Addr, rng: &mut Rng) -> bool {
        let place = self.views.get(target).and_then(|view| view.places.get(id));
        let region = place.and_then(|p| Some((self.processes.get(p.process)?, p.region?, p.start)));
        region.is_some_and(|(process, region, start)| process.accessed(region, (addr.0 - start) / PAGE, rng))
    }

    /// Pages in memory that `count` counts, of all processes.
    fn pages(&self, count: impl Fn(&Pages) -> u64) -> u64 {
        self.processes.iter().flat_map(Process::pages).map(count).sum()
    }

    fn on_node(&self, nid: Option<i32>) -> u64 {
        let node = nid.and_then(|nid| u8::try_from(nid).ok()).unwrap_or(0);
        // What programs themselves need does not move.
        let base = if node == 0 { self.processes.iter().map(|p| p.space.base_rss.0).sum() } else { 0 };
        base + self.pages(|pages| pages.nr_on_node(node)) * PAGE
    }
}

impl Memory for Machine {
    fn apply(&mut self, scheme: &Scheme, target: usize, range: AddrRange, decided: bool) -> Applied {
        let physical = self.options.ops == Ops::Paddr;
        // Reclaim from physical addresses spares what was just accessed, unless the user decides that.
        let spare_young =
            physical && scheme.action == Action::Pageout && !scheme.filters.iter().any(|f| f.kind == FilterKind::Young);
        // madvise() knows no filters: on virtual addresses the kernel asks them before migrations and for statistics only.
        let asks_pages = physical || matches!(scheme.action, Action::MigrateHot | Action::MigrateCold | Action::Stat);
        let decided = decided || !asks_pages;
        let mut acted = Acted::default();
        let mut looked = 0;
        let Some(view) = self.views.get(target) else { return Applied::default() };
        let first = view.places.partition_point(|place| place.end <= range.start.0);
        for place in view.places.iter().skip(first).take_while(|place| place.start < range.end.0) {
            let (Some(region), Some(process)) = (place.region, self.processes.get_mut(place.process)) else {
                continue;
            };
            let from = (range.start.0.max(place.start) - place.start) / PAGE;
            let to = (range.end.0.min(place.end) - place.start).div_ceil(PAGE);
            looked += to - from;
            acted += process.apply(scheme, region, from..to, decided, spare_young, &mut self.rng);
        }
        let costs = &self.options.costs;
        let time = |pages: u64, each: Nanos| i64::try_from(pages).unwrap_or(i64::MAX).saturating_mul(each.0);
        let (passed, changed) = (Bytes(acted.passed * PAGE), Bytes(acted.changed * PAGE));
        let applied = match scheme.action {
            Action::Stat => Bytes(0),
            Action::LruPrio | Action::LruDeprio => passed,
            Action::MigrateHot | Action::MigrateCold => changed,
            _ if physical => changed,
            // madvise: all or, where a hole is met, an error.
            _ if self.is_mapped(target, range) => range.size(),
            _ => Bytes(0),
        };
        let time = Nanos(time(looked, costs.look).saturating_add(time(acted.changed, costs.act)));
        Applied { applied, passed, changed, time }
    }

    fn stalled(&self) -> Nanos {
        self.stalled()
    }

    fn metric(&self, goal: &Goal) -> u64 {
        let node_size = (self.memory.0 / u64::from(self.options.nodes.max(1))).max(1);
        let bp = |part: u64, whole: u64| (u128::from(part) * 10_000 / u128::from(whole.max(1))) as u64;
        let of_cgroup = || {
            let path = goal.memcg_path.as_deref().unwrap_or("/");
            self.processes.iter().filter(|p| p.is_in_cgroup(path)).map(|p| p.rss().0).sum::<u64>()
        };
        match goal.metric {
            Metric::UserInput => goal.current_value.unwrap_or(0),
            Metric::NodeMemUsedBp => bp(self.on_node(goal.nid), node_size),
            Metric::NodeMemFreeBp => bp(node_size.saturating_sub(self.on_node(goal.nid)), node_size),
            Metric::NodeMemcgUsedBp => bp(of_cgroup(), node_size),
            Metric::NodeMemcgFreeBp => bp(node_size.saturating_sub(of_cgroup()), node_size),
            Metric::ActiveMemBp => bp(self.pages(Pages::nr_active), self.pages(Pages::nr_present)),
            Metric::InactiveMemBp => {
                let present = self.pages(Pages::nr_present);
                bp(present - self.pages(Pages::nr_active), present)
            }
            // Refused by the options' check.
            _ => 0,
        }
    }

    fn free_permil(&self) -> u32 {
        let free = self.memory.0.saturating_sub(self.rss().0);
        (u128::from(free) * 1000 / u128::from(self.memory.0.max(1))) as u32
    }
}

impl Machine {
    /// Whether `range` of a process's address space has no holes.
    fn is_mapped(&self, target: usize, range: AddrRange) -> bool {
        let mut at = range.start;
        for mapping in self.processes.get(target).map_or(&[][..], |p| &p.space.mappings) {
            if mapping.start <= at && at < mapping.end {
                at = mapping.end;
            }
        }
        at >= range.end
    }
}

fn ranges_of(process: &Process, options: &Options) -> Vec<AddrRange> {
    match options.ops {
        Ops::Fvaddr => options.ranges.clone(),
        _ => three_ranges(&process.space.mappings),
    }
}

fn virtual_places(process: &Process, index: usize) -> Vec<MappedPiece> {
    let busy = process.space.busy.iter().map(|range| MappedPiece {
        start: range.start.0,
        end: range.end.0,
        process: index,
        region: None,
    });
    let regions = process.space.regions.iter().enumerate().map(|(region, start)| MappedPiece {
        start: start.0,
        end: start.0 + process.nr_pages(region) * PAGE,
        process: index,
        region: Some(region),
    });
    busy.chain(regions).collect()
}

/// Where the processes' memory lies physically (one piece after the other, as on a machine that just started), and how
/// much of it is used.
fn physical_places(processes: &[Process]) -> (Vec<MappedPiece>, u64) {
    let mut places = Vec::new();
    let mut at = RAM_START;
    for (index, process) in processes.iter().enumerate() {
        // What the program itself needs: its busy pages first.
        let busy: u64 = process.space.busy.iter().map(|r| r.size().0).sum();
        places.push(MappedPiece { start: at, end: at + busy, process: index, region: None });
        at += round_up(process.space.base_rss.0.max(busy)).next_multiple_of(RAM_ALIGN);
        for region in 0..process.workload.regions().len() {
            let size = process.nr_pages(region) * PAGE;
            places.push(MappedPiece { start: at, end: at + size, process: index, region: Some(region) });
            at += size.next_multiple_of(RAM_ALIGN);
        }
    }
    (places, at - RAM_START)
}
