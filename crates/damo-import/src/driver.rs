//! From a foreign record's events to items: what perf.data, trace texts and legacy records have in common.
//!
//! The events are gone through twice. The first run finds the targets and how long a snapshot lasts, so that the first
//! snapshot of each target gets a start although only later events tell it; the second hands the snapshots on. Memory
//! stays at one open snapshot per target however long the record is.

use crate::error::{FilePosition, ImportError};
use crate::side_data::SideFiles;
use crate::{Context, Format, Imported};
use damo_model::human::time_text;
use damo_model::{ColumnId, Intervals, Item, Lost, Mark, Meta, Nanos, Region, Side, Sink, Source, Stamp, Target};
use damo_trace::assemble::{Assembler, AssemblerOptions, EventKey, LearnedLengths, RegionEvent, Tally};
use damo_trace::{Decoded, Event as Said};
use std::collections::BTreeMap;

/// What is noted of regions without a size.
pub(crate) const EMPTY_REGIONS: &str =
    "regions that end where they start or before, left out, their snapshots marked as partial";
/// What is noted of events that are not of regions.
pub(crate) const OTHER_EVENTS: &str = "events of schemes' quotas and statistics, left out";

/// One thing that a foreign stream says, in time order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// A region of a snapshot.
    Region(RegionEvent<'a>),
    /// The same region told by `damon_region_aggregated`, which has data probes' findings, beside `damon_aggregated`.
    Probed(RegionEvent<'a>),
    /// A snapshot without regions would have ended here.
    End(EventKey, Nanos),
    /// Events are missing; `None` if it is not known how many.
    Lost(Option<u64>, Option<Nanos>, &'static str),
    /// Events are missing somewhere in the recording, not here, and it is not known how many.
    LostAnywhere(&'static str),
    /// Auto-tuning chose a sampling interval.
    Tuned(Option<i32>, Nanos, Nanos),
}

/// A function that takes each event and where in the file it stands.
pub(crate) type Receive<'r> = dyn FnMut(Event<'_>, FilePosition) -> Result<(), ImportError> + 'r;

/// A foreign stream of events that can be run twice.
pub(crate) trait Stream {
    /// Gives all events, in time order as far as the format allows it.
    fn run(&self, receive: &mut Receive<'_>) -> Result<(), ImportError>;

    /// What the file says of itself. Asked after the first run.
    fn describe(&self, _meta: &mut Meta) {}

    /// Command name of a thread, where the file tells. Asked after the first run.
    fn comm(&self, _thread: i32) -> Option<String> {
        None
    }

    /// Whether an event that comes too late is a fault of the file. Otherwise it counts as lost.
    fn is_sorted(&self) -> bool {
        false
    }

    /// Why there was no event in the first run, as far as it is known.
    fn nothing(&self) -> Option<String> {
        None
    }
}

/// Which of the two events that tell the same regions is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Plain,
    Probed,
}

/// Runs `stream` into `sink`.
pub(crate) fn drive(
    stream: &dyn Stream,
    format: Format,
    context: &Context<'_>,
    side_data: &SideFiles,
    sink: &mut dyn Sink,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let intervals = context.options.intervals.or(side_data.intervals());
    let first = first_pass(stream, intervals)?;
    if first.events == 0 {
        return Err(context.bad(
            FilePosition::Whole,
            stream.nothing().unwrap_or_else(|| "it holds no DAMON event with a region".to_owned()),
            "record the tracepoint damon:damon_aggregated, or check that DAMON was on",
        ));
    }
    let mut meta = Meta {
        source: Source::Imported { format: format.as_str().to_owned() },
        intervals: intervals.filter(|_| !first.tuned),
        ..Meta::default()
    };
    stream.describe(&mut meta);
    side_data.describe(&mut meta);
    sink.put(&Item::Meta(meta))?;
    let targets = targets(&first.keys, stream, side_data, imported);
    for target in &targets {
        sink.put(&Item::Target(target.clone()))?;
    }
    side_data.put(&targets, sink, imported)?;
    second_run(stream, intervals, first, context, sink, imported)
}

/// Begins the record of a stream without events of DAMON.
pub(crate) fn begin(stream: &dyn Stream, format: Format, sink: &mut dyn Sink) -> Result<(), ImportError> {
    let source = Source::Imported { format: format.as_str().to_owned() };
    let mut meta = Meta { source, ..Meta::default() };
    stream.describe(&mut meta);
    Ok(sink.put(&Item::Meta(meta))?)
}

struct First {
    learned: LearnedLengths,
    keys: Vec<EventKey>,
    using: Use,
    events: u64,
    tuned: bool,
}

fn first_pass(stream: &dyn Stream, intervals: Option<Intervals>) -> Result<First, ImportError> {
    let new = || Assembler::new(AssemblerOptions { intervals, ..AssemblerOptions::default() });
    let (mut plain, mut probed) = (new(), new());
    let mut tuned_at_all = false;
    stream.run(&mut |event, _| {
        match event {
            // Too late is judged in the second run.
            Event::Region(event) => drop(plain.push(&event)),
            Event::Probed(event) => drop(probed.push(&event)),
            Event::End(key, time) => plain.end_without_regions(key, time),
            Event::Lost(events, _, _) => {
                plain.lost(events.unwrap_or(u64::MAX));
                probed.lost(events.unwrap_or(u64::MAX));
            }
            Event::LostAnywhere(_) => {}
            Event::Tuned(thread, sample, _) => {
                tuned_at_all = true;
                plain.tuned(thread, sample);
                probed.tuned(thread, sample);
            }
        }
        while plain.pop().is_some() {}
        while probed.pop().is_some() {}
        Ok(())
    })?;
    let using = if probed.tally().events > plain.tally().events { Use::Probed } else { Use::Plain };
    let mut used = if using == Use::Probed { probed } else { plain };
    used.finish();
    let keys = (0..).map_while(|key| used.event_key(damo_model::TargetKey(key))).collect();
    Ok(First { learned: used.learned_lengths(), keys, using, events: used.tally().events, tuned: tuned_at_all })
}

fn targets(keys: &[EventKey], stream: &dyn Stream, side_data: &SideFiles, imported: &mut Imported) -> Vec<Target> {
    let mut threads: BTreeMap<i32, Option<u32>> = BTreeMap::new();
    for thread in keys.iter().filter_map(|key| key.thread) {
        let number = stream.comm(thread).and_then(|comm| comm.strip_prefix("kdamond.")?.parse().ok());
        threads.insert(thread, number);
    }
    // Only where threads must be told apart, and by their own numbers where they have different ones.
    if threads.len() > 1 {
        let mut numbers: Vec<Option<u32>> = threads.values().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() < threads.len() || numbers.contains(&None) {
            for (at, number) in threads.values_mut().enumerate() {
                *number = u32::try_from(at).ok();
            }
        }
        let named: Vec<String> = threads
            .iter()
            .map(|(thread, number)| format!("kdamond {} is thread {thread}", number.unwrap_or_default()))
            .collect();
        imported.notes.push(format!(
            "events of {} kdamonds, told apart by their threads: {}",
            threads.len(),
            named.join(", ")
        ));
    } else {
        threads.values_mut().for_each(|number| *number = None);
    }
    let target = |(at, key): (usize, &EventKey)| Target {
        key: damo_model::TargetKey(u32::try_from(at).unwrap_or(u32::MAX)),
        kdamond: key.kdamond.or_else(|| threads.get(&key.thread?).copied().flatten().map(damo_model::KdamondIndex)),
        context: key.context,
        scheme: key.scheme,
        target_id: Some(key.target_id),
        process: side_data.process(key.context.unwrap_or(0), key.target_id),
        data_source: String::new(),
        scheme_filters: String::new(),
    };
    keys.iter().enumerate().map(target).collect()
}

fn second_run(
    stream: &dyn Stream,
    intervals: Option<Intervals>,
    first: First,
    context: &Context<'_>,
    sink: &mut dyn Sink,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let First { learned, using, tuned, .. } = first;
    let options = AssemblerOptions { intervals, learned: Some(learned), ..AssemblerOptions::default() };
    let mut assembler = Assembler::new(options);
    let mut late = 0_u64;
    let mut now = Nanos::default();
    let mut anywhere = Vec::new();
    stream.run(&mut |event, place| {
        match event {
            Event::Region(_) if using != Use::Plain => {}
            Event::Probed(_) if using != Use::Probed => {}
            Event::Region(event) | Event::Probed(event) => {
                now = event.time;
                if let Err(backwards) = assembler.push(&event) {
                    if stream.is_sorted() {
                        let remedy = "the file is not sorted by time: sort its lines, or import its parts one by one";
                        return Err(context.bad(place, backwards.to_string(), remedy));
                    }
                    late += 1;
                    assembler.lost(1);
                    put_lost(Some(1), event.time, "import", sink, imported)?;
                }
            }
            Event::End(key, time) => assembler.end_without_regions(key, time),
            Event::Lost(events, at, reason) => {
                assembler.lost(events.unwrap_or(u64::MAX));
                put_lost(events, at.unwrap_or(now), reason, sink, imported)?;
            }
            Event::LostAnywhere(reason) => anywhere.push(reason),
            Event::Tuned(thread, sample, at) => {
                assembler.tuned(thread, sample);
                let text = format!("auto-tuning set the sampling interval to {} us", sample.as_micros());
                sink.put(&Item::Side(Side::Mark(Mark { at: Stamp::Record(at), text })))?;
            }
        }
        forward(&mut assembler, sink)
    })?;
    assembler.finish();
    forward(&mut assembler, sink)?;
    // Within the record's time, though the line that told may stand before it.
    anywhere.into_iter().try_for_each(|reason| put_lost(None, now, reason, sink, imported))?;
    note(&assembler.tally(), late, imported);
    if tuned && intervals.is_none() {
        imported.notes.push(TUNED_FROM_UNKNOWN.to_owned());
    }
    Ok(())
}

const TUNED_FROM_UNKNOWN: &str = "auto-tuning changed the intervals while this was recorded, but the intervals that it began with are not known, so \
     that there are no rates and ages in time; tell them, as in --intervals 5ms 100ms";

/// Counts what was assembled, and notes what was strange.
fn note(tally: &Tally, late: u64, imported: &mut Imported) {
    imported.snapshots += tally.snapshots;
    imported.partial_snapshots += tally.partial;
    imported.regions += tally.events - tally.empty_regions - tally.repeated;
    imported.note_count(EMPTY_REGIONS, tally.empty_regions);
    imported.note_count("events that are in it twice, taken once", tally.repeated);
    imported.note_count("events that came too late to be put in order, counted as lost", late);
    if tally.gaps > 0 {
        let s = if tally.gaps == 1 { "" } else { "s" };
        imported.notes.push(format!(
            "{} gap{s} between snapshots, the longest of {}, in which DAMON reported nothing: it was off, or the machine \
             was suspended",
            tally.gaps,
            time_text(tally.longest_gap)
        ));
    }
}

fn forward(assembler: &mut Assembler, sink: &mut dyn Sink) -> Result<(), ImportError> {
    while let Some(snapshot) = assembler.pop() {
        sink.put(&Item::Snapshot(snapshot))?;
    }
    Ok(())
}

fn put_lost(
    events: Option<u64>,
    at: Nanos,
    reason: &str,
    sink: &mut dyn Sink,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    // At least one, where the number is not known.
    let events = events.unwrap_or(1);
    imported.lost_events = imported.lost_events.saturating_add(events);
    let lost = Lost { at: Stamp::Record(at), events, reason: reason.to_owned() };
    sink.put(&Item::Side(Side::Lost(lost)))?;
    Ok(())
}

/// Whose region a decoded event tells of, how many there are, the region, and what probes found if they were asked.
pub(crate) fn region_of<'a>(decoded: &Decoded<'a>) -> Option<(EventKey, u32, Region, Option<&'a [u8]>)> {
    let key = EventKey { thread: Some(decoded.pid), ..EventKey::default() };
    match decoded.event {
        Said::Aggregated { target_id, nr_regions, region } => {
            Some((EventKey { target_id, ..key }, nr_regions, region, None))
        }
        Said::RegionAggregated { target_id, nr_regions, region, probe_hits } => {
            Some((EventKey { target_id, ..key }, nr_regions, region, Some(probe_hits)))
        }
        Said::BeforeApply { context_idx, scheme_idx, target_idx, nr_regions, region } => {
            let (context, scheme) = (Some(context_idx), Some(scheme_idx));
            Some((EventKey { context, scheme, target_id: target_idx, ..key }, nr_regions, region, None))
        }
        _ => None,
    }
}

/// Hits of probes as columns.
pub(crate) fn probe_columns(hits: &[u8]) -> impl Iterator<Item = (ColumnId, u64)> {
    ColumnId::of_probes().zip(hits.iter().map(|hits| u64::from(*hits)))
}
