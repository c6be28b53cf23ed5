//! DAMOS: finding the regions that schemes are for, and applying schemes to them under their limits. As in the kernel's
//! design document, in the order of Linux 6.12: watermarks, quotas and priorities per scheme; then, region by region,
//! each scheme that is due. What an action does to memory is the [`Memory`]'s business.

use crate::monitor::{Monitor, Piece};
use crate::options::PAGE;
use damo_model::scheme::{Action, FilterKind, Goal, ResolvedPattern, Scheme, SchemeClock, SchemeFilter, priority};
use damo_model::{Addr, AddrRange, Age, Bytes, Intervals, Nanos, NrAccesses, Region, SchemeCounts};

/// What schemes act on.
pub(crate) trait Memory {
    /// Does what `scheme` says to `range` of a target. With `decided`, no page filter is to be asked any more.
    fn apply(&mut self, scheme: &Scheme, target: usize, range: AddrRange, decided: bool) -> Applied;
    /// A goal's metric now, but for pressure.
    fn metric(&self, goal: &Goal) -> u64;
    /// How long processes waited for memory since the start.
    fn stalled(&self) -> Nanos;
    /// Free memory in thousandths.
    fn free_permil(&self) -> u32;
}

/// What an action did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// What the kernel would count as applied.
    pub(crate) applied: Bytes,
    /// What page filters let pass.
    pub(crate) passed: Bytes,
    /// What is different now.
    pub(crate) changed: Bytes,
    /// How long it took.
    pub(crate) time: Nanos,
}

/// What a scheme did, in the kernel's counters, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemeStats {
    /// The kernel's counters. For virtual addresses the whole region counts as applied when madvise succeeded, for
    /// physical ones what was acted on.
    pub counts: SchemeCounts,
    /// Bytes that are different because of it: paged out, brought in, moved, made huge. No kernel tells.
    pub sz_changed: Bytes,
    /// CPU time that it took.
    pub time: Nanos,
    /// The quota in force at the end; `None` without a limit.
    pub effective_quota: Option<Bytes>,
}

/// A region that a scheme was applied to, as it was just before.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) target: usize,
    pub(crate) scheme: usize,
    pub(crate) region: Region,
    pub(crate) passed: Bytes,
}

#[derive(Clone, Debug)]
struct Running {
    scheme: Scheme,
    pattern: ResolvedPattern,
    clock: SchemeClock,
    stats: SchemeStats,
}

/// The schemes of a context.
#[derive(Clone, Debug)]
pub(crate) struct Damos {
    running: Vec<Running>,
}

impl Damos {
    pub(crate) fn new(schemes: &[Scheme], intervals: &Intervals) -> Damos {
        let running = schemes.iter().map(|scheme| Running {
            pattern: scheme.access_pattern.resolve(intervals),
            clock: SchemeClock::new(Some(scheme.apply_interval(intervals))),
            stats: SchemeStats::default(),
            scheme: scheme.clone(),
        });
        Damos { running: running.collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes over tuned intervals.
    pub(crate) fn set_intervals(&mut self, intervals: &Intervals) {
        for running in &mut self.running {
            running.pattern = running.scheme.access_pattern.resolve(intervals);
        }
    }

    pub(crate) fn stats(&self) -> Vec<SchemeStats> {
        let stats = |running: &Running| SchemeStats {
            effective_quota: running.scheme.quotas.is_limited().then_some(running.clock.charge.limit),
            counts: SchemeCounts { nr_snapshots: Some(running.clock.nr_snapshots()), ..running.stats.counts },
            ..running.stats
        };
        self.running.iter().map(stats).collect()
    }

    /// Looks at the watermarks. If all schemes are inactive, monitoring sleeps: for how long.
    pub(crate) fn sleep(&mut self, memory: &impl Memory) -> Option<Nanos> {
        if !self.running.iter().any(|r| r.scheme.watermarks.is_on()) {
            return None;
        }
        let free = memory.free_permil();
        let mut sleep: Option<Nanos> = None;
        for running in &mut self.running {
            let marks = &running.scheme.watermarks;
            running.clock.look(marks, free);
            if running.clock.is_active() {
                sleep = Some(Nanos(0));
            } else {
                sleep = Some(sleep.map_or(marks.interval, |s| s.min(marks.interval)));
            }
        }
        sleep.filter(|sleep| sleep.0 > 0)
    }

    /// Applies the schemes that are due to the regions as they are, `samples` after the aggregation began. Regions
    /// that were acted on are reported to `tried`.
    pub(crate) fn apply(
        &mut self,
        now: Nanos,
        samples: u32,
        intervals: &Intervals,
        monitor: &mut Monitor,
        memory: &mut impl Memory,
        mut tried: impl FnMut(Tried),
    ) {
        let due: Vec<usize> =
            (0..self.running.len()).filter(|&i| self.running.get(i).is_some_and(|r| r.is_due(now))).collect();
        if due.is_empty() {
            return;
        }
        let window = ApplyMoment { samples, of: monitor.max_nr_accesses, intervals: *intervals };
        for &i in &due {
            if let Some(running) = self.running.get_mut(i) {
                running.prepare(now, monitor, memory, &window);
            }
        }
        for at in 0..monitor.targets.len() {
            let Some(target) = monitor.targets.get_mut(at) else { break };
            let pieces = std::mem::take(&mut target.pieces);
            let last = pieces.last().map_or(0, |p| p.end);
            let mut result = Vec::with_capacity(pieces.len());
            // Pieces cut off wait here, with the first of the due schemes that has not seen them.
            let mut rest: Vec<(Piece, usize)> = Vec::new();
            for piece in pieces {
                rest.push((piece, 0));
                while let Some((mut piece, first)) = rest.pop() {
                    for (nth, &i) in due.iter().enumerate().skip(first) {
                        let Some(running) = self.running.get_mut(i) else { continue };
                        let place = RegionPosition { target: at, last: piece.end == last, window: &window };
                        let (behind, applied) = running.try_on(&mut piece, &place, memory);
                        if let Some((region, passed)) = applied {
                            tried(Tried { target: at, scheme: i, region, passed });
                        }
                        if let Some(behind) = behind {
                            rest.push((behind, nth));
                        }
                    }
                    result.push(piece);
                }
            }
            if let Some(target) = monitor.targets.get_mut(at) {
                target.pieces = result;
            }
        }
        for &i in &due {
            if let Some(running) = self.running.get_mut(i) {
                running.clock.applied(&running.scheme, intervals, now);
            }
        }
    }
}

/// Where in the aggregation interval schemes are applied.
struct ApplyMoment {
    samples: u32,
    of: u32,
    intervals: Intervals,
}

impl ApplyMoment {
    /// The rate over the last aggregation's length, of which the earlier part is known as a mean only.
    fn rate(&self, piece: &Piece) -> NrAccesses {
        let left = self.of.saturating_sub(self.samples);
        let earlier = u64::from(piece.last_nr_accesses) * u64::from(left) / u64::from(self.of.max(1));
        NrAccesses(piece.nr_accesses.saturating_add(earlier as u32))
    }
}

struct RegionPosition<'a> {
    target: usize,
    /// Whether it is the target's last region.
    last: bool,
    window: &'a ApplyMoment,
}

impl Running {
    fn is_due(&self, now: Nanos) -> bool {
        self.clock.is_active() && self.clock.is_due(&self.scheme, now)
    }

    fn is_for(&self, piece: &Piece, window: &ApplyMoment) -> bool {
        self.pattern.matches(Bytes(piece.size()), window.rate(piece), Age(piece.age))
    }

    fn priority(&self, piece: &Piece, window: &ApplyMoment) -> usize {
        let Scheme { action, quotas, .. } = &self.scheme;
        priority(*action, window.rate(piece), Age(piece.age), &quotas.weights, &window.intervals)
    }

    /// Renews the quota and decides which scores fit it.
    fn prepare(&mut self, now: Nanos, monitor: &Monitor, memory: &impl Memory, window: &ApplyMoment) {
        if !self.scheme.quotas.is_limited() {
            return;
        }
        // Pressure is counted in whole microseconds.
        let stalled = Nanos::from_micros(memory.stalled().as_micros());
        let used_up = self.clock.renew(&self.scheme.quotas, now, stalled, |goal| memory.metric(goal));
        self.stats.counts.qt_exceeds += u64::from(used_up);
        let pieces = monitor.targets.iter().flat_map(|t| &t.pieces);
        let scored: Vec<(usize, Bytes)> =
            pieces.filter(|p| self.is_for(p, window)).map(|p| (self.priority(p, window), Bytes(p.size()))).collect();
        self.clock.charge.prioritise(scored.into_iter());
    }

    /// Tries the scheme on `piece`. What is cut off behind, and what was acted on.
    fn try_on(
        &mut self,
        piece: &mut Piece,
        place: &RegionPosition<'_>,
        memory: &mut impl Memory,
    ) -> (Option<Piece>, Option<(Region, Bytes)>) {
        let limited = self.scheme.quotas.is_limited();
        if limited && self.clock.charge.is_used_up() {
            return (None, None);
        }
        if let Some((target, from)) = self.clock.charge.resume {
            // Where the quota ended last time: what lies before had its turn.
            if target != place.target || piece.end <= from.0 {
                if target == place.target && place.last {
                    self.clock.charge.resume = None;
                }
                return (None, None);
            }
            self.clock.charge.resume = None;
            let skip = from.0.saturating_sub(piece.start) / PAGE * PAGE;
            if skip > 0 {
                return (cut(piece, skip), None);
            }
        }
        if !self.is_for(piece, place.window)
            || (limited && self.priority(piece, place.window) < self.clock.charge.min_priority)
        {
            return (None, None);
        }
        let mut behind = None;
        if limited {
            let left = self.clock.charge.left().0;
            if piece.size() > left {
                let size = left / PAGE * PAGE;
                if size == 0 {
                    self.stats.counts.nr_tried += 1;
                    return (None, None);
                }
                behind = cut(piece, size);
            }
        }
        let (more, decided, out) = self.core_filters(piece, place.target);
        if let Some(more) = more {
            // Two cuts in one region: the one further behind is found again when its turn comes.
            behind = Some(match behind {
                Some(last) => Piece { end: last.end, ..more },
                None => more,
            });
        }
        if out {
            return (behind, None);
        }
        let range = AddrRange::new(Addr(piece.start), Addr(piece.end));
        let applied = memory.apply(&self.scheme, place.target, range, decided);
        let before = piece.report();
        if limited {
            self.clock.charge.charge(Bytes(piece.size()), applied.time);
            if self.clock.charge.is_used_up() {
                self.clock.charge.resume = Some((place.target, Addr(piece.end)));
            }
        }
        if self.scheme.action != Action::Stat {
            piece.age = 0;
        }
        let stats = &mut self.stats;
        let counts = &mut stats.counts;
        counts.nr_tried += 1;
        counts.sz_tried.0 += piece.size();
        counts.nr_applied += u64::from(applied.applied.0 > 0);
        counts.sz_applied.0 += applied.applied.0;
        counts.sz_ops_filter_passed.get_or_insert_default().0 += applied.passed.0;
        stats.sz_changed.0 += applied.changed.0;
        stats.time = stats.time.saturating_add(applied.time);
        (behind, Some((before, applied.passed)))
    }

    /// Asks the filters that are for whole regions, cutting `piece` where one ends or begins. What was cut off,
    /// whether a filter let `piece` pass, and whether it is out.
    fn core_filters(&self, piece: &mut Piece, target: usize) -> (Option<Piece>, bool, bool) {
        let mut behind: Option<Piece> = None;
        let filters = || self.scheme.filters.iter().filter(|f| f.kind.is_core());
        for filter in filters() {
            let is = match &filter.kind {
                FilterKind::Target(index) => *index == target as u64,
                FilterKind::Addr(range) => {
                    let (start, end) = (range.start.0 / PAGE * PAGE, range.end.0.div_ceil(PAGE).saturating_mul(PAGE));
                    let at = [start, end].into_iter().find(|at| piece.start < *at && *at < piece.end);
                    if let Some(cut_off) = at.and_then(|at| cut(piece, at - piece.start)) {
                        let end = behind.map_or(cut_off.end, |b| b.end);
                        behind = Some(Piece { end, ..cut_off });
                    }
                    start <= piece.start && piece.end <= end
                }
                _ => continue,
            };
            if is == filter.matching {
                return (behind, filter.allow, !filter.allow);
            }
        }
        // With page filters to come, they have the last word.
        let pages_decide = self.scheme.filters.iter().any(|f| !f.kind.is_core());
        (behind, false, !pages_decide && !SchemeFilter::passes_by_default(filters()))
    }
}

/// Cuts `piece` after `size` bytes and gives what is behind.
fn cut(piece: &mut Piece, size: u64) -> Option<Piece> {
    if size == 0 || size >= piece.size() {
        return None;
    }
    let behind = Piece { start: piece.start + size, ..*piece };
    piece.end = behind.start;
    Some(behind)
}

#[cfg(test)]
#[path = "damos_tests.rs"]
mod tests;
