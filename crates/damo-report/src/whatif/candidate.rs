//! A scheme that did not run, followed over a record: what it would have been applied to, and what would have become of
//! that memory.
//!
//! Quotas, priorities and the order of regions are the kernel's. Of each region, the share that the scheme moved (out of
//! memory, to another list or node, into huge pages) is kept, and how much younger it would be: acting on a region makes
//! its age 0, while the record's age runs on.

use super::Counts;
use super::page_filter::{Knowledge, PageFilter};
use super::readings::Readings;
use super::region_state::RegionState;
use damo_model::scheme::{Action, Costs, Goal, Metric, ResolvedPattern, Scheme, SchemeClock, priority};
use damo_model::{Addr, AddrRange, Age, Bytes, Intervals, Nanos, NrAccesses};

const PAGE: u64 = 4096;
/// Bytes of a huge page.
pub(super) const HUGE_PAGE: u64 = 2 << 20;

/// What an action does to memory that it is applied to, in this reckoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Out of memory until it is accessed.
    Out,
    /// To a list or node for cold memory, until it is accessed.
    Cold,
    /// To a list or node for hot memory, until it is idle.
    Hot,
    /// Into huge pages.
    Huge,
    /// Nothing that a record could show.
    None,
}

impl Effect {
    pub(super) fn of(action: Action) -> Effect {
        match action {
            Action::Pageout => Effect::Out,
            Action::Cold | Action::LruDeprio | Action::MigrateCold => Effect::Cold,
            Action::LruPrio | Action::MigrateHot => Effect::Hot,
            Action::Hugepage | Action::Collapse => Effect::Huge,
            _ => Effect::None,
        }
    }
}

/// Which of the pages that were moved are those that are accessed later, where only a share of a region's checks finds an
/// access. No record tells it, so what comes back lies between the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    /// The pages accessed are always the same ones: when they are back, the others stay where they were moved.
    Fewest,
    /// That share of what was moved, each time.
    Share,
    /// The pages take turns, as in a burst that passes all of them once: all that was moved in a region found accessed.
    All,
}

impl Returns {
    /// The share of the `i`-th region that comes back, of which `moved` was moved.
    fn share(self, moved: f32, state: &RegionState, i: usize) -> f32 {
        let (touched, resident) = (state.touched[i], state.resident[i]);
        match self {
            Returns::Fewest => (moved + touched.min(resident) - resident).clamp(0.0, moved),
            Returns::Share => moved * touched,
            Returns::All => moved * state.touched_at_most.get(i).copied().unwrap_or(touched),
        }
    }
}

/// The state of one target's regions under the scheme.
#[derive(Clone, Debug, Default)]
struct Track {
    /// Share of each region that was moved and is not back.
    moved: Vec<f32>,
    /// When that was, in seconds since the beginning: the mean.
    when: Vec<f32>,
    /// By how much each region would be younger than recorded.
    lag: Vec<f32>,
    before: (Vec<f32>, Vec<f32>, Vec<f32>),
}

/// What the system's memory is, for goals and watermarks.
#[derive(Clone, Debug, Default)]
pub(super) struct System {
    pub(super) total: Readings,
    pub(super) free: Readings,
}

/// One moment at which schemes may be applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: Nanos,
    /// Seconds since the record began.
    pub(super) seconds: f32,
    pub(super) intervals: Intervals,
    /// Accesses again within this time count as such.
    pub(super) within: f32,
    pub(super) total: Option<Bytes>,
    pub(super) free: Option<Bytes>,
}

/// A scheme that is followed.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    scheme: Scheme,
    page_filter: PageFilter,
    effect: Effect,
    returns: Returns,
    costs: Costs,
    tracks: Vec<Track>,
    clock: SchemeClock,
    /// Nanoseconds of waiting for memory that was moved out, since the beginning.
    waited: f64,
    kept: Vec<f32>,
}

/// Where in a region an action begins and how much it takes, and what of that the filters let pass.
struct Portion {
    bytes: u64,
    pass: f32,
}

impl Candidate {
    pub(super) fn new(scheme: &Scheme, page_filter: PageFilter, nr_targets: usize, costs: Costs) -> Candidate {
        Candidate {
            kept: vec![0.0; scheme.filters.len()],
            effect: Effect::of(scheme.action),
            returns: Returns::Share,
            scheme: scheme.clone(),
            page_filter,
            costs,
            tracks: vec![Track::default(); nr_targets],
            clock: SchemeClock::new(None),
            waited: 0.0,
        }
    }

    /// The same one before it has begun, but with other memory coming back.
    pub(super) fn with_returns(&self, returns: Returns) -> Candidate {
        Candidate { returns, ..self.clone() }
    }

    /// What happened in the interval that ends now: memory moves to the new regions, and comes back where accessed.
    pub(super) fn follow(&mut self, target: usize, state: &RegionState, now: &Now, moment: &mut Counts) {
        let (effect, Some(track)) = (self.effect, self.tracks.get_mut(target)) else { return };
        track.carry(state);
        track.blend_ages(state);
        let (mut back, mut soon) = (0.0, 0.0);
        for i in 0..state.len() {
            let share = &mut track.moved[i];
            track.lag[i] = track.lag[i].min(state.age[i] as f32);
            if *share <= 0.0 {
                continue;
            }
            let touched = state.touched[i];
            *share = match effect {
                Effect::Huge => *share,
                _ => share.min(state.resident[i]),
            };
            let returns = match effect {
                Effect::Out | Effect::Cold => self.returns.share(*share, state, i),
                Effect::Hot if touched == 0.0 => *share,
                _ => 0.0,
            };
            if returns > 0.0 {
                let bytes = f64::from(returns) * state.size(i) as f64;
                back += bytes;
                if now.seconds - track.when[i] <= now.within {
                    soon += bytes;
                }
                *share -= returns;
            }
        }
        moment.back += back;
        moment.back_soon += soon;
        if effect == Effect::Out {
            let wait = back / PAGE as f64 * self.costs.refault.0 as f64;
            moment.waited += wait;
            self.waited += wait;
        }
    }

    /// Bytes moved at present, and those of them that were not resident before (within huge pages).
    pub(super) fn state(&self, target: usize, state: &RegionState) -> (f64, f64) {
        let Some(track) = self.tracks.get(target) else { return (0.0, 0.0) };
        let (mut moved, mut bloat) = (0.0, 0.0);
        for (i, share) in track.moved.iter().enumerate().take(state.len()) {
            if *share > 0.0 {
                let bytes = f64::from(*share) * state.size(i) as f64;
                moved += bytes;
                if self.effect == Effect::Huge {
                    bloat += bytes * f64::from(1.0 - state.resident[i]);
                }
            }
        }
        (moved, bloat)
    }

    /// Bytes that the scheme moved at most `now.within` ago and that were not accessed again since.
    pub(super) fn recently_moved(&self, target: usize, state: &RegionState, now: &Now) -> f64 {
        let Some(track) = self.tracks.get(target) else { return 0.0 };
        let recent = |(i, _): &(usize, &f32)| track.when.get(*i).is_some_and(|when| now.seconds - when < now.within);
        let shares = track.moved.iter().enumerate().take(state.len()).filter(recent);
        shares.map(|(i, share)| f64::from(*share) * state.size(i) as f64).sum()
    }

    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    pub(super) fn nr_filters(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn knowledge(&self) -> Vec<Knowledge> {
        self.page_filter.knowledge()
    }

    /// Applies the scheme, if it is due, to all targets of its context.
    pub(super) fn apply(&mut self, scenes: &[&RegionState], now: &Now, moved: f64, moment: &mut Counts) {
        if !self.clock.is_due(&self.scheme, now.at) || !self.is_active(now, moved) {
            return;
        }
        // Snapshots come a little late or early: what falls due before the next one's middle is due now.
        let interval = self.scheme.apply_interval(&now.intervals).0 - now.intervals.aggregation.0 / 2;
        self.clock.applied_until(now.at.saturating_add(Nanos(interval)));
        moment.applications += 1;
        let pattern = self.scheme.access_pattern.resolve(&now.intervals);
        let limited = self.scheme.quotas.is_limited();
        if limited {
            self.prepare(scenes, &pattern, now, moved, moment);
        }
        for (target, state) in scenes.iter().enumerate() {
            let (mut matched, mut applied) = (None, None);
            for i in 0..state.len() {
                let (size, nr_accesses, age) = self.region(target, state, i);
                if !pattern.matches(size, nr_accesses, age) {
                    continue;
                }
                // Of a region that is cut, all parts are one.
                moment.matched_regions += u64::from(matched.replace(state.of[i]) != Some(state.of[i]));
                moment.matched += state.size(i) as f64;
                let before = moment.applied;
                if limited {
                    self.try_limited(target, state, i, now, moment);
                } else {
                    self.try_whole(target, state, i, now, moment);
                }
                if moment.applied > before {
                    moment.applied_regions += u64::from(applied.replace(state.of[i]) != Some(state.of[i]));
                }
            }
        }
    }

    /// A region as the scheme would see it.
    fn region(&self, target: usize, state: &RegionState, i: usize) -> (Bytes, NrAccesses, Age) {
        let lag = self.tracks.get(target).and_then(|track| track.lag.get(i)).copied().unwrap_or(0.0);
        let age = (state.age[i] as f32 - lag).max(0.0);
        (Bytes(state.whole[i]), NrAccesses(state.nr_accesses[i]), Age(age as u32))
    }

    fn is_active(&mut self, now: &Now, moved: f64) -> bool {
        let marks = &self.scheme.watermarks;
        if marks.is_on()
            && let (Some(total), Some(free)) = (now.total, now.free)
        {
            let saved = if self.effect == Effect::Out { moved } else { 0.0 };
            let permil = ((free.0 as f64 + saved) * 1000.0 / total.0.max(1) as f64) as u32;
            self.clock.look(marks, permil);
        }
        self.clock.is_active()
    }

    /// Renews the quota and decides which priorities fit it.
    fn prepare(
        &mut self,
        scenes: &[&RegionState],
        pattern: &ResolvedPattern,
        now: &Now,
        moved: f64,
        moment: &mut Counts,
    ) {
        let saved = if self.effect == Effect::Out { moved } else { 0.0 };
        let waited = Nanos(self.waited as i64);
        let used_up = self.clock.renew(&self.scheme.quotas, now.at, waited, |goal| metric(goal, now, saved));
        moment.used_up += u64::from(used_up);
        let mut regions = Vec::new();
        for (target, state) in scenes.iter().enumerate() {
            for i in 0..state.len() {
                let (size, nr_accesses, age) = self.region(target, state, i);
                if pattern.matches(size, nr_accesses, age) {
                    regions.push((self.priority(nr_accesses, age, &now.intervals), Bytes(state.size(i))));
                }
            }
        }
        self.clock.charge.prioritise(regions.into_iter());
    }

    fn priority(&self, nr_accesses: NrAccesses, age: Age, intervals: &Intervals) -> usize {
        priority(self.scheme.action, nr_accesses, age, &self.scheme.quotas.weights, intervals)
    }

    fn try_whole(&mut self, target: usize, state: &RegionState, i: usize, now: &Now, moment: &mut Counts) {
        let bytes = state.size(i);
        if let Some(pass) = self.filter(target, state, i, bytes, moment) {
            self.act(target, state, i, &Portion { bytes, pass }, now, moment);
        }
    }

    /// Acts on as much of a region as the quota leaves, going on where it ended last time.
    fn try_limited(&mut self, target: usize, state: &RegionState, i: usize, now: &Now, moment: &mut Counts) {
        if self.clock.charge.is_used_up() {
            return;
        }
        let (start, end) = (state.start[i], state.end[i]);
        let mut from = start;
        if let Some((resume_target, addr)) = self.clock.charge.resume {
            if resume_target != target || end <= addr.0 {
                if resume_target == target && i + 1 == state.len() {
                    self.clock.charge.resume = None;
                }
                return;
            }
            self.clock.charge.resume = None;
            from = start.max(addr.0 / PAGE * PAGE);
        }
        let (_, nr_accesses, age) = self.region(target, state, i);
        if self.priority(nr_accesses, age, &now.intervals) < self.clock.charge.min_priority {
            return;
        }
        let bytes = end.saturating_sub(from).min(self.clock.charge.left().0 / PAGE * PAGE);
        if bytes == 0 {
            return;
        }
        let Some(pass) = self.filter(target, state, i, bytes, moment) else { return };
        let changed = self.act(target, state, i, &Portion { bytes, pass }, now, moment);
        let pages = |bytes: f64| bytes / PAGE as f64;
        let time = pages(bytes as f64) * self.costs.look.0 as f64 + pages(changed) * self.costs.act.0 as f64;
        self.clock.charge.charge(Bytes(bytes), Nanos(time as i64));
        if self.clock.charge.is_used_up() {
            self.clock.charge.resume = Some((target, Addr(from + bytes)));
        }
    }

    /// The share of `bytes` of a region that passes the filters; `None` if the core keeps it out.
    fn filter(&mut self, target: usize, state: &RegionState, i: usize, bytes: u64, moment: &mut Counts) -> Option<f32> {
        if self.page_filter.is_empty() {
            return Some(1.0);
        }
        let range = AddrRange::new(Addr(state.start[i]), Addr(state.end[i]));
        let (core, pass) = self.page_filter.pass(target, range, state.touched[i], &mut self.kept);
        for (sum, share) in moment.kept.iter_mut().zip(&self.kept) {
            *sum += f64::from(*share) * bytes as f64;
        }
        core.then_some(pass)
    }

    /// Acts. Gives the bytes that are different now.
    fn act(
        &mut self,
        target: usize,
        state: &RegionState,
        i: usize,
        portion: &Portion,
        now: &Now,
        moment: &mut Counts,
    ) -> f64 {
        let Some(track) = self.tracks.get_mut(target) else { return 0.0 };
        let size = state.size(i).max(1);
        let part = (portion.bytes as f64 / size as f64) as f32;
        moment.applied += portion.bytes as f64 * f64::from(portion.pass);
        let resident = state.resident[i];
        let most = match self.effect {
            Effect::None => 0.0,
            Effect::Huge if resident <= 0.0 => 0.0,
            Effect::Huge => {
                let (from, to) = (state.start[i].next_multiple_of(HUGE_PAGE), state.end[i] / HUGE_PAGE * HUGE_PAGE);
                to.saturating_sub(from) as f32 / size as f32
            }
            _ => resident,
        };
        // What was moved before is taken to lie in the part that is not acted on now, as far as it can.
        let wanted = most * portion.pass;
        let moves = (wanted - track.moved[i]).min(wanted * part).max(0.0);
        if moves > 0.0 {
            let sum = track.moved[i] + moves;
            track.when[i] = (track.moved[i] * track.when[i] + moves * now.seconds) / sum;
            track.moved[i] = sum;
        }
        if self.scheme.action != Action::Stat {
            let age = state.age[i] as f32;
            track.lag[i] = age - (1.0 - part) * (age - track.lag[i]);
        }
        let changed = f64::from(moves) * size as f64;
        moment.changed += changed;
        changed
    }
}

impl Track {
    /// Brings the state over to the present regions.
    fn carry(&mut self, state: &RegionState) {
        let (moved, when, lag) = &mut self.before;
        std::mem::swap(moved, &mut self.moved);
        std::mem::swap(when, &mut self.when);
        std::mem::swap(lag, &mut self.lag);
        for column in [&mut self.moved, &mut self.when, &mut self.lag] {
            column.clear();
        }
        state.carry(|old| {
            if let [(j, share)] = old
                && *share == 1.0
            {
                let j = *j as usize;
                self.moved.push(moved[j]);
                self.when.push(when[j]);
                self.lag.push(lag[j]);
                return;
            }
            let (mut sum, mut time, mut younger) = (0.0, 0.0, 0.0);
            for (j, share) in old {
                let j = *j as usize;
                sum += moved[j] * share;
                time += moved[j] * share * when[j];
                younger += lag[j] * share;
            }
            self.moved.push(sum);
            self.when.push(if sum > 0.0 { time / sum } else { 0.0 });
            self.lag.push(younger);
        });
    }
}

impl Track {
    /// Parts of one region have one age: DAMON puts together what has like access rates, and takes the mean.
    fn blend_ages(&mut self, state: &RegionState) {
        let mut from = 0;
        for parts in state.of.chunk_by(|a, b| a == b) {
            let to = from + parts.len();
            if let (true, Some(lags)) = (parts.len() > 1, self.lag.get_mut(from..to)) {
                let whole = state.whole[from].max(1) as f32;
                let mean = lags.iter().zip(from..to).map(|(lag, i)| *lag * state.size(i) as f32 / whole).sum::<f32>();
                lags.fill(mean);
            }
            from = to;
        }
    }
}

/// A goal's metric, as far as the record tells; what it does not tell is 0, so that the goal is never reached.
fn metric(goal: &Goal, now: &Now, saved: f64) -> u64 {
    let free = || Some((now.free?.0 as f64 + saved) * 10_000.0 / now.total?.0.max(1) as f64);
    match goal.metric {
        Metric::UserInput => goal.current_value.unwrap_or(0),
        Metric::NodeMemFreeBp => free().map_or(0, |bp| bp as u64),
        Metric::NodeMemUsedBp => free().map_or(0, |bp| (10_000.0 - bp).max(0.0) as u64),
        _ => 0,
    }
}
