//! What schemes would have done, had they run while a record was made: for choosing one before it touches a machine.
//!
//! Snapshot by snapshot, each candidate is applied to the recorded regions as the kernel would: pattern, apply interval,
//! watermarks, quota with priorities and goals, filters. What it moves out of memory is no longer resident until a later
//! snapshot sees it accessed again; that is a refault. The record does not change by this: it is the memory without the
//! scheme, and the candidates do not know of each other. docs/schemes.md says what such a reckoning cannot know.

mod candidate;
mod context;
mod describe;
mod page_filter;
mod readings;
mod region_state;
mod show;
mod tally;

pub use describe::describe;
pub use page_filter::Knowledge;
pub(crate) use show::{UNDECIDED, json, percent, write_rows};

use crate::ReportError;
use crate::bounds::merging::MergingTables;
use crate::filter::{Filter, TargetFilter};
use candidate::Effect;
use context::{Context, contexts};
use damo_frame::Record;
use damo_model::scheme::{Costs, FilterKind, Metric, Scheme};
use damo_model::{Bytes, Nanos, Ops, SnapshotState, TargetKey, TimeSpan};
use region_state::Columns;
use tally::Tally;

/// Ranges are wider than their ends by this share: regions of another run have other borders, and adapt at other times.
const RANGE_SHARE: f64 = 0.1;
/// Those of what is accessed again by this one.
const RANGE_OF_BACK: f64 = 0.25;
/// And both by this share of the resident size.
const RANGE_OF_RESIDENT: f64 = 0.02;

damo_model::with_defaults! {
    /// How to reckon.
    #[derive(Clone, Debug, PartialEq)]
    pub struct WhatIfOptions {
        /// Memory accessed again within this time after it was moved counts as such.
        pub refault_within: Nanos = Nanos::from_secs(60),
        /// Means of memory leave out so much of the record's beginning. It is the same for all schemes, so that their means
        /// are of the same time and can be compared; 0 is the whole record.
        pub settle: Nanos = Nanos(0),
        /// Into how many spans of time the course is divided.
        pub spans: usize = 600,
        /// What acting is taken to cost.
        pub costs: Costs,
        /// The targets that the schemes are tried on.
        pub target: TargetFilter,
        /// Whether to tell between which figures the true ones lie, which takes three times as long.
        pub ranges: bool = true,
    }
}

/// What each scheme would have done.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// The record's name.
    pub record: String,
    /// Snapshots used, and partial ones left out.
    pub snapshots: (u64, u64),
    /// From the first snapshot's start to the last one's end.
    pub time: TimeSpan,
    /// Means of memory are taken from here on: the record's beginning, or [`WhatIfOptions::settle`] later.
    pub means_from: Nanos,
    /// What counts as accessed again soon.
    pub refault_within: Nanos,
    /// Whether the record tells the resident size of every target; else what was seen accessed counts as resident.
    pub resident_recorded: bool,
    /// One for each scheme, in their order.
    pub outcomes: Vec<Outcome>,
    /// What could not be modelled, a sentence each.
    pub notes: Vec<String>,
}

/// What one scheme would have done.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scheme that was tried.
    pub scheme: Scheme,
    /// Sums over the whole record.
    pub sums: Counts,
    /// Mean memory from [`WhatIf::means_from`] on.
    pub mean: Memory,
    /// Bytes that were moved less than [`WhatIfOptions::refault_within`] before the record ends and not accessed again in it:
    /// the record does not show whether they would be.
    pub undecided: f64,
    /// What each filter kept out over the whole record, in their order.
    pub kept: Vec<(Knowledge, f64)>,
    /// What it did over time.
    pub course: Vec<Point>,
    /// Between which figures the true ones lie; `None` without [`WhatIfOptions::ranges`].
    pub range: Option<OutcomeRange>,
}

/// Between which figures those of a scheme lie, whichever pages of the regions found accessed are accessed: docs/schemes.md.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutcomeRange {
    /// Bytes saved, as a mean: see [`Memory::saved`]. From 0 on for physical memory.
    pub saved: (f64, f64),
    /// Bytes accessed again over the whole record: see [`Counts::back`].
    pub back: (f64, f64),
}

/// What was done in a span of time. Bytes are sums over applications: the same memory counts each time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Times that the scheme was applied to all regions.
    pub applications: u64,
    /// Regions that fitted its pattern.
    pub matched_regions: u64,
    /// Bytes of the regions that matched.
    pub matched: f64,
    /// Regions that it was applied to, under its quota and filters.
    pub applied_regions: u64,
    /// Their bytes, less what filters kept out.
    pub applied: f64,
    /// Bytes that were not yet where the scheme puts them: paged out, moved, made huge.
    pub changed: f64,
    /// Bytes of these accessed again (for what was moved as hot: found idle).
    pub back: f64,
    /// Bytes of these for which it was so within [`WhatIfOptions::refault_within`].
    pub back_soon: f64,
    /// Time that programs would wait for memory to come back, in nanoseconds.
    pub waited: f64,
    /// Windows in which the quota was used up.
    pub used_up: u64,
    /// Bytes that each filter kept out.
    pub kept: Vec<f64>,
}

impl Counts {
    /// Adds what was done at another moment, by the same scheme.
    fn add(&mut self, other: &Counts) {
        self.applications += other.applications;
        self.matched_regions += other.matched_regions;
        self.matched += other.matched;
        self.applied_regions += other.applied_regions;
        self.applied += other.applied;
        self.changed += other.changed;
        self.back += other.back;
        self.back_soon += other.back_soon;
        self.waited += other.waited;
        self.used_up += other.used_up;
        self.kept.resize(self.kept.len().max(other.kept.len()), 0.0);
        self.kept.iter_mut().zip(&other.kept).for_each(|(sum, kept)| *sum += kept);
    }

    /// Mean of one application: regions and bytes that fitted the pattern. Times [`Counts::applications`] they are the sums.
    pub fn matched_each(&self) -> (f64, f64) {
        let times = self.applications.max(1) as f64;
        (self.matched_regions as f64 / times, self.matched / times)
    }
}

/// Memory, in bytes, as a mean over time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Resident without the scheme.
    pub without: f64,
    /// Resident with it.
    pub with: f64,
    /// Where the scheme put it: out of memory, moved, in huge pages.
    pub moved: f64,
}

impl Memory {
    /// Resident bytes saved; negative if huge pages take more.
    pub fn saved(&self) -> f64 {
        self.without - self.with
    }

    /// The same as a share of what is resident without the scheme.
    pub fn saved_share(&self) -> f64 {
        if self.without > 0.0 { self.saved() / self.without } else { 0.0 }
    }
}

/// A span of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When it begins and ends.
    pub time: TimeSpan,
    /// What was done in it.
    pub counts: Counts,
    /// Mean memory; `None` without a snapshot.
    pub memory: Option<Memory>,
}

impl Outcome {
    /// Bytes that came back within the time that counts, as a share of those moved.
    pub fn back_share(&self) -> f64 {
        if self.sums.changed > 0.0 { self.sums.back_soon / self.sums.changed } else { 0.0 }
    }

    /// The same if all that is [`Outcome::undecided`] were accessed again in time: the most that the share can be.
    pub fn back_share_at_most(&self) -> f64 {
        if self.sums.changed > 0.0 { (self.sums.back_soon + self.undecided) / self.sums.changed } else { 0.0 }
    }
}

/// Reckons what each of `schemes` alone would have done while `record` was made.
///
/// # Errors
/// When the record cannot be read, or has no snapshot to reckon with.
pub fn what_if(record: &Record, schemes: &[Scheme], options: &WhatIfOptions) -> Result<WhatIf, ReportError> {
    let filter = Filter { target: TargetFilter { plain_only: true, ..options.target.clone() }, ..Filter::default() };
    let nothing = || {
        let what =
            "has no complete snapshots of plain monitoring to estimate from; record without --schemes_target_regions";
        ReportError::invalid(format!("{} {what}", record.name()))
    };
    let (Some(time), Some(_)) = (record.time_span(), filter.selection(record)) else { return Err(nothing()) };
    let length = time.length();
    let means_from = time.start.saturating_add(options.settle.min(Nanos(length.0 / 10 * 9)));
    // A pass for each thread is cheaper than handing each snapshot around, once there are many candidates.
    let threads = record.threads().min(schemes.len() / 4).max(1);
    let parts: Vec<Result<Part, ReportError>> = std::thread::scope(|scope| {
        let pass =
            |schemes| pass(record, schemes, options, &filter, &Times { begin: time.start, end: time.end, means_from });
        let handles: Vec<_> = schemes
            .chunks(schemes.len().div_ceil(threads).max(1))
            .map(|part| scope.spawn(move || pass(part)))
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut whole = WhatIf {
        record: record.name().to_owned(),
        snapshots: (0, 0),
        time,
        means_from,
        refault_within: options.refault_within,
        resident_recorded: true,
        outcomes: Vec::with_capacity(schemes.len()),
        notes: notes(schemes),
    };
    for part in parts {
        let part = part?;
        whole.snapshots = part.snapshots;
        whole.resident_recorded = part.resident_recorded;
        whole.outcomes.extend(part.outcomes);
    }
    if whole.snapshots.0 == 0 {
        return Err(nothing());
    }
    if is_physical(record) {
        whole.notes.push(PHYSICAL.to_owned());
    }
    if !whole.resident_recorded {
        let note = "the record has no resident sizes: memory counts from when it was first seen accessed";
        whole.notes.push(note.to_owned());
    }
    Ok(whole)
}

/// What holds for records of physical memory.
const PHYSICAL: &str = "idle addresses of physical memory can be free or the kernel's, of which nothing is saved: what is \
                        saved is at most what is told";

/// Whether what was monitored is physical memory.
fn is_physical(record: &Record) -> bool {
    record.meta().ops == Some(Ops::Paddr)
}

/// What of the record's time matters.
#[derive(Clone, Copy, Debug)]
struct Times {
    begin: Nanos,
    end: Nanos,
    means_from: Nanos,
}

/// What one pass over the record gives.
struct Part {
    snapshots: (u64, u64),
    resident_recorded: bool,
    outcomes: Vec<Outcome>,
}

fn pass(
    record: &Record,
    schemes: &[Scheme],
    options: &WhatIfOptions,
    filter: &Filter,
    times: &Times,
) -> Result<Part, ReportError> {
    let Some(selection) = filter.selection(record) else {
        return Ok(Part { snapshots: (0, 0), resident_recorded: false, outcomes: Vec::new() });
    };
    let mut contexts = contexts(record, schemes, options, filter, times)?;
    let place = |key: TargetKey, contexts: &[Context<'_>]| {
        let of = |context: &Context<'_>| context.position(key);
        contexts.iter().enumerate().find_map(|(c, context)| Some((c, of(context)?)))
    };
    let places: Vec<Option<(usize, usize)>> =
        record.targets().iter().map(|target| place(target.key, &contexts)).collect();
    let mut snapshots = (0, 0);
    let mut tables = MergingTables::default();
    record.for_each(&selection, |chunk| {
        for view in chunk.snapshots() {
            let Some((c, t)) = places.get(view.head.target.0 as usize).copied().flatten() else { continue };
            if matches!(view.head.state, SnapshotState::Partial { .. }) {
                snapshots.1 += 1;
                continue;
            }
            snapshots.0 += 1;
            let Some(context) = contexts.get_mut(c) else { continue };
            let intervals = view.head.intervals.or(record.meta().intervals).unwrap_or_default();
            let columns = Columns { start: view.start, end: view.end, nr_accesses: view.nr_accesses, age: view.age };
            let checks = intervals.max_nr_accesses().0.max(1);
            let merging = options.ranges.then(|| tables.of(checks, checks / 10));
            context.take(t, view.head.end, &columns, (intervals, merging), options);
        }
        Ok::<_, ReportError>(())
    })?;
    for context in &mut contexts {
        context.finish(options);
    }
    let resident_recorded = contexts.iter().all(Context::tells_resident);
    let is_physical = is_physical(record);
    let of = |(nth, scheme)| outcome(&contexts, nth, scheme, times, is_physical);
    let outcomes = schemes.iter().enumerate().filter_map(of);
    Ok(Part { snapshots, resident_recorded, outcomes: outcomes.collect() })
}

/// Puts together what the contexts counted of the `nth` candidate.
fn outcome(contexts: &[Context<'_>], nth: usize, scheme: &Scheme, times: &Times, is_physical: bool) -> Option<Outcome> {
    let followed = || contexts.iter().filter_map(|context| context.candidate(nth));
    let candidate = &followed().next()?.candidate;
    let undecided: f64 = followed().map(|followed| followed.undecided).sum();
    let mut tallies: Vec<Tally> = Vec::new();
    for of in followed() {
        for (i, tally) in of.tallies().enumerate() {
            match tallies.get_mut(i) {
                Some(sum) => sum.merge(tally),
                None => tallies.push(tally.clone()),
            }
        }
    }
    let (tally, extremes) = tallies.split_first()?;
    let leaves = candidate.effect() == Effect::Out;
    let mut sums = Counts::default();
    let mut course = Vec::with_capacity(tally.spans.len());
    let length = tally.length();
    for (i, span) in tally.spans.iter().enumerate() {
        let begin = times.begin.saturating_add(Nanos(length.0.saturating_mul(i as i64)));
        // A record of one snapshot may have no length; what was done in it counts all the same.
        if i > 0 && begin >= times.end {
            break;
        }
        sums.add(&span.sum);
        course.push(Point {
            time: TimeSpan::new(begin, begin.saturating_add(length).min(times.end)),
            counts: span.sum.clone(),
            memory: (span.time > 0.0).then(|| memory(span, leaves)),
        });
    }
    let mean = memory(&tally.settled, leaves);
    Some(Outcome {
        scheme: scheme.clone(),
        mean,
        undecided: undecided.min(sums.changed - sums.back_soon).max(0.0),
        kept: candidate.knowledge().into_iter().zip(sums.kept.iter().copied()).collect(),
        range: (!extremes.is_empty()).then(|| range(&mean, sums.back, extremes, leaves, is_physical)),
        course,
        sums,
    })
}

/// Memory in a span of time, with a scheme that moves out of memory (`leaves`) or elsewhere.
fn memory(span: &tally::Span, leaves: bool) -> Memory {
    let mean = |sum: f64| if span.time > 0.0 { sum / span.time } else { 0.0 };
    let (without, moved) = (mean(span.resident), mean(span.moved));
    let gone = if leaves { moved.min(without) } else { 0.0 };
    Memory { without, with: without - gone + mean(span.bloat), moved }
}

/// From the estimate and both extremes to what holds: docs/schemes.md has how often.
fn range(mean: &Memory, back: f64, extremes: &[Tally], leaves: bool, is_physical: bool) -> OutcomeRange {
    let ends = |estimate: f64, of: &dyn Fn(&Tally) -> f64| {
        extremes.iter().map(of).fold((estimate, estimate), |(least, most), value| (value.min(least), value.max(most)))
    };
    let saved = ends(mean.saved(), &|tally| memory(&tally.settled, leaves).saved());
    let back = ends(back, &|tally| tally.spans.iter().map(|span| span.sum.back).sum());
    let little = RANGE_OF_RESIDENT * mean.without;
    let wider = |(least, most): (f64, f64), share: f64| {
        (least - share * least.abs() - little, most + share * most.abs() + little)
    };
    let mut saved = if mean.moved > 0.0 || mean.saved() != 0.0 { wider(saved, RANGE_SHARE) } else { saved };
    if leaves {
        saved = (saved.0.max(0.0), saved.1.clamp(0.0, mean.without));
    }
    if is_physical {
        saved.0 = saved.0.min(0.0);
    }
    let back = wider(back, RANGE_OF_BACK);
    OutcomeRange { saved, back: (back.0.max(0.0), back.1) }
}

/// What of the schemes cannot be told from any record.
fn notes(schemes: &[Scheme]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut note = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    for scheme in schemes {
        for filter in &scheme.filters {
            if let FilterKind::Active | FilterKind::Memcg(_) | FilterKind::HugepageSize(_) = filter.kind {
                note(format!(
                    "records do not contain which pages a filter of type {} matches: the filter is ignored",
                    filter.kind.as_str()
                ));
            }
        }
        for goal in &scheme.quotas.goals {
            use Metric::{NodeMemFreeBp, NodeMemUsedBp, SomeMemPsiUs, UserInput};
            match goal.metric {
                UserInput => note("user_input stays at its current value".to_owned()),
                SomeMemPsiUs => note("pressure is estimated from refaults, 5 us each".to_owned()),
                NodeMemFreeBp | NodeMemUsedBp => note("all memory counts as that of one NUMA node".to_owned()),
                other => note(format!("records do not contain {other}: the goal counts as never reached")),
            }
        }
        if scheme.quotas.time.0 > 0 {
            note("time quotas are estimated with 2 us for each page acted on".to_owned());
        }
    }
    notes
}

/// A size for sums and means.
pub(crate) fn bytes(value: f64) -> Bytes {
    Bytes(value.round().max(0.0) as u64)
}
