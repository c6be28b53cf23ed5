//! Targets that are watched together, and the schemes that are tried on them.
//!
//! Each candidate is reckoned by itself: how memory is divided for it follows from its own action and filters, never from
//! the other candidates, and so do its figures. Candidates that want memory divided in the same way share the work. What is
//! resident without any scheme comes from a division that no scheme has a part in.

use super::candidate::{Candidate, Effect, HUGE_PAGE, Now, Returns, System};
use super::page_filter::PageFilter;
use super::readings::Readings;
use super::region_state::{Columns, MIN_CELL, RegionState};
use super::tally::{Held, Tally};
use super::{Counts, Times, WhatIfOptions};
use crate::ReportError;
use crate::bounds::merging::Merging;
use crate::filter::Filter;
use damo_frame::Record;
use damo_model::scheme::Scheme;
use damo_model::{Addr, Intervals, Nanos, Target, TargetKey};

/// Targets of one kdamond's context: schemes are applied to all of them in one go, under one quota.
pub(super) struct Context<'a> {
    targets: Vec<&'a Target>,
    resident: Vec<Readings>,
    present: Vec<bool>,
    pending: Option<(Nanos, Intervals)>,
    last: Option<Nanos>,
    system: System,
    begin: Nanos,
    /// Intervals of the last moment.
    intervals: Intervals,
    /// The first one is of no scheme: it tells what is resident without any.
    divisions: Vec<Division>,
    candidates: Vec<Followed>,
}

/// One way to divide the targets' memory.
struct Division {
    /// The least size of a cell, in bytes.
    min_cell: u64,
    /// Where filters decide otherwise from here on: sorted addresses for each target.
    cuts: Vec<Vec<Addr>>,
    /// One for each target.
    scenes: Vec<RegionState>,
}

/// A candidate and what is counted of it.
pub(super) struct Followed {
    pub(super) candidate: Candidate,
    pub(super) tally: Tally,
    /// The same one if the least or all of what was moved came back: the ends of ranges.
    extremes: Vec<(Candidate, Tally)>,
    division: usize,
    /// Bytes moved so lately that the record does not show whether they are accessed again.
    pub(super) undecided: f64,
}

impl Followed {
    /// What is counted of it and of the ends of its ranges: first the estimate.
    pub(super) fn tallies(&self) -> impl Iterator<Item = &Tally> {
        std::iter::once(&self.tally).chain(self.extremes.iter().map(|(_, tally)| tally))
    }
}

/// Groups the record's targets by context and prepares each scheme for each of them.
pub(super) fn contexts<'a>(
    record: &'a Record,
    schemes: &[Scheme],
    options: &WhatIfOptions,
    filter: &Filter,
    times: &Times,
) -> Result<Vec<Context<'a>>, ReportError> {
    let mut groups: Vec<Vec<&Target>> = Vec::new();
    for target in record.targets().iter().filter(|target| filter.target.holds(target)) {
        let same = |group: &&mut Vec<&Target>| {
            group.first().is_some_and(|first| (first.kdamond, first.context) == (target.kdamond, target.context))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(target),
            None => groups.push(vec![target]),
        }
    }
    groups.into_iter().map(|targets| Context::new(record, targets, schemes, options, times)).collect()
}

impl<'a> Context<'a> {
    fn new(
        record: &Record,
        targets: Vec<&'a Target>,
        schemes: &[Scheme],
        options: &WhatIfOptions,
        times: &Times,
    ) -> Result<Context<'a>, ReportError> {
        let (total, free) = Readings::system(record)?;
        // A span shorter than an aggregation would hold no snapshot.
        let aggregation = record.meta().intervals.unwrap_or_default().aggregation.0.max(1);
        let snapshots = times.end.saturating_sub(times.begin).0 / aggregation;
        let spans = options.spans.min(usize::try_from(snapshots).unwrap_or(1)).max(1);
        let mut divisions = vec![Division::new(MIN_CELL, vec![Vec::new(); targets.len()])];
        let mut candidates = Vec::with_capacity(schemes.len());
        for scheme in schemes {
            let page_filter = PageFilter::new(scheme, record, &targets)?;
            let mut cuts: Vec<Vec<Addr>> = (0..targets.len()).map(|t| page_filter.cuts(t).collect()).collect();
            for cuts in &mut cuts {
                cuts.sort_unstable();
                cuts.dedup();
            }
            // A huge page must not lie across cells.
            let is_huge = Effect::of(scheme.action) == Effect::Huge;
            let min_cell = if is_huge { HUGE_PAGE } else { MIN_CELL };
            let same = |division: &Division| division.min_cell == min_cell && division.cuts == cuts;
            let division = divisions.iter().position(same).unwrap_or(divisions.len());
            if division == divisions.len() {
                divisions.push(Division::new(min_cell, cuts));
            }
            let candidate = Candidate::new(scheme, page_filter, targets.len(), options.costs);
            let tally = Tally::new(times.begin, times.end, spans, times.means_from);
            let ends = if options.ranges { &[Returns::Fewest, Returns::All][..] } else { &[] };
            candidates.push(Followed {
                extremes: ends.iter().map(|end| (candidate.with_returns(*end), tally.clone())).collect(),
                candidate,
                tally,
                division,
                undecided: 0.0,
            });
        }
        Ok(Context {
            resident: targets.iter().map(|target| Readings::resident(record, target)).collect::<Result<_, _>>()?,
            present: vec![false; targets.len()],
            pending: None,
            last: None,
            system: System { total, free },
            begin: times.begin,
            intervals: Intervals::default(),
            divisions,
            targets,
            candidates,
        })
    }

    /// Which of its targets has this key.
    pub(super) fn position(&self, key: TargetKey) -> Option<usize> {
        self.targets.iter().position(|target| target.key == key)
    }

    /// Whether the record tells the resident size of all its targets.
    pub(super) fn tells_resident(&self) -> bool {
        self.resident.iter().all(|readings| !readings.is_empty())
    }

    /// The `nth` scheme, and what was counted of it.
    pub(super) fn candidate(&self, nth: usize) -> Option<&Followed> {
        self.candidates.get(nth)
    }

    /// Takes a snapshot of the `t`-th target. All targets' snapshots of one aggregation make one moment. `merging` belongs to
    /// the intervals, where ranges are asked for.
    pub(super) fn take(
        &mut self,
        t: usize,
        end: Nanos,
        columns: &Columns<'_>,
        (intervals, merging): (Intervals, Option<&Merging>),
        options: &WhatIfOptions,
    ) {
        let begun = self.pending.is_some_and(|(at, _)| end.saturating_sub(at).0 > intervals.aggregation.0 / 2);
        if begun || self.present.get(t).copied().unwrap_or(false) {
            self.flush(options);
        }
        self.pending = Some((self.pending.map_or(end, |(at, _)| at.max(end)), intervals));
        if let (Some(resident), Some(present)) = (self.resident.get_mut(t), self.present.get_mut(t)) {
            let rss = resident.at(end).map(|bytes| bytes.0);
            for state in self.divisions.iter_mut().filter_map(|division| division.scenes.get_mut(t)) {
                state.advance(columns, &intervals, rss, merging);
            }
            *present = true;
        }
    }

    fn now(&mut self, at: Nanos, options: &WhatIfOptions) -> Now {
        Now {
            at,
            seconds: at.saturating_sub(self.begin).as_secs_f64() as f32,
            intervals: self.intervals,
            within: options.refault_within.as_secs_f64() as f32,
            total: self.system.total.at(at),
            free: self.system.free.at(at),
        }
    }

    /// Ends the record: what each candidate moved so lately that the record does not show whether it is accessed again.
    pub(super) fn finish(&mut self, options: &WhatIfOptions) {
        self.flush(options);
        let Some(last) = self.last else { return };
        let now = self.now(last, options);
        for followed in &mut self.candidates {
            let Some(division) = self.divisions.get(followed.division) else { continue };
            let of = |(t, state): (usize, &RegionState)| followed.candidate.recently_moved(t, state, &now);
            // Nothing takes huge pages apart again.
            if followed.candidate.effect() != Effect::Huge {
                followed.undecided = division.scenes.iter().enumerate().map(of).sum();
            }
        }
    }

    /// Lets all candidates live through the moment that is complete.
    fn flush(&mut self, options: &WhatIfOptions) {
        let Some((at, intervals)) = self.pending.take() else { return };
        let gap = self.last.map_or(intervals.aggregation, |last| at.saturating_sub(last));
        // Of a longer gap nobody knows what happened.
        let time = if gap.0 > 3 * intervals.aggregation.0 { intervals.aggregation } else { gap };
        self.last = Some(at);
        self.intervals = intervals;
        let now = self.now(at, options);
        let nothing = RegionState::default();
        let present = &self.present;
        let divisions: Vec<Vec<&RegionState>> =
            self.divisions.iter().map(|division| division.present(present, &nothing)).collect();
        let mut resident = 0.0;
        for (state, readings) in divisions.iter().flatten().zip(&mut self.resident).filter(|(state, _)| state.len() > 0)
        {
            resident += readings.at(at).map_or_else(|| state.resident_bytes(), |bytes| bytes.0 as f64);
        }
        for followed in &mut self.candidates {
            let scenes = divisions.get(followed.division).map_or(&[][..], Vec::as_slice);
            live_through(&mut followed.candidate, &mut followed.tally, scenes, &now, (time.0 as f64, resident));
            for (candidate, tally) in &mut followed.extremes {
                live_through(candidate, tally, scenes, &now, (time.0 as f64, resident));
            }
        }
        self.present.fill(false);
    }
}

/// Lets a candidate live through a moment of so many nanoseconds in which so many bytes are resident without it.
fn live_through(
    candidate: &mut Candidate,
    tally: &mut Tally,
    scenes: &[&RegionState],
    now: &Now,
    (time, resident): (f64, f64),
) {
    let mut moment = Counts { kept: vec![0.0; candidate.nr_filters()], ..Counts::default() };
    let (mut moved, mut bloat) = (0.0, 0.0);
    for (t, state) in scenes.iter().enumerate().filter(|(_, state)| state.len() > 0) {
        candidate.follow(t, state, now, &mut moment);
        let state = candidate.state(t, state);
        moved += state.0;
        bloat += state.1;
    }
    candidate.apply(scenes, now, moved, &mut moment);
    tally.add(now.at, &moment, Held { time, resident, moved, bloat });
}

impl Division {
    fn new(min_cell: u64, cuts: Vec<Vec<Addr>>) -> Division {
        let scenes = cuts.iter().map(|cuts| RegionState::new(min_cell, cuts.clone())).collect();
        Division { min_cell, cuts, scenes }
    }

    /// The scenes of all targets, `nothing` for those that are not present now.
    fn present<'a>(&'a self, present: &[bool], nothing: &'a RegionState) -> Vec<&'a RegionState> {
        self.scenes.iter().zip(present).map(|(state, here)| if *here { state } else { nothing }).collect()
    }
}
