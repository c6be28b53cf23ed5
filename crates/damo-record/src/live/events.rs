//! From ring records to items: decode, tell kdamonds apart, group into snapshots, name the targets.
//!
//! One assembler per kdamond thread, because intervals differ between kdamonds and tuning changes them one by one. A
//! target is announced when it first appears, with the process that [`Events::processes`] says is at its place.

mod stream;

pub(crate) use stream::Watched;

use super::interval_tracker::{Adopted, Change, IntervalTracker};
use super::target_slots::TargetSlot;
use damo_kernel::ring::Record;
use damo_kernel::tracefs::{Decoder, Event};
use damo_model::{
    ColumnId, Intervals, Item, Lost, Nanos, Params, Process, Region, SchemeProgress, Side, Snapshot, Stamp, TargetKey,
};
use damo_model::{KdamondIndex, KdamondThread};
use damo_trace::assemble::{EventKey, RegionEvent, StreamId};
use std::collections::HashMap;
use stream::Stream;

/// A target that monitoring reports on, region after region, and where its regions go.
#[derive(Clone, Copy)]
struct Run {
    thread: KdamondThread,
    target_id: u64,
    stream: usize,
    series: StreamId,
}

/// Counters for the live line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventCounts {
    /// Snapshots given out.
    pub(crate) snapshots: u64,
    /// Regions in them.
    pub(crate) regions: u64,
    /// Events that the kernel could not hand over.
    pub(crate) lost: u64,
    /// Events that came too late to be placed.
    pub(crate) late: u64,
    /// End of the latest snapshot.
    pub(crate) latest: Option<Nanos>,
    /// Start of the first one.
    pub(crate) first: Option<Nanos>,
}

/// Turns records into items.
pub(crate) struct Events {
    decoder: Decoder,
    streams: Vec<Stream>,
    by_thread: HashMap<KdamondThread, usize>,
    /// The target of the last region: events come in runs.
    run: Option<Run>,
    /// How a thread is recorded that nobody announced; its number is the thread's own.
    strangers: Option<Watched>,
    next_key: u32,
    /// Values of extra columns of the region that is being taken.
    extras: Vec<(ColumnId, u64)>,
    seen: EventCounts,
    ready: Vec<Item>,
}

impl Events {
    /// `strangers`: as what to record kdamonds that are not announced by [`Events::watch`], if at all.
    pub(crate) fn new(decoder: Decoder, strangers: Option<Watched>) -> Self {
        Self {
            decoder,
            streams: Vec::new(),
            by_thread: HashMap::new(),
            run: None,
            strangers,
            next_key: 0,
            extras: Vec::new(),
            seen: EventCounts::default(),
            ready: Vec::new(),
        }
    }

    /// Records this kdamond's events, with these processes at its places.
    pub(crate) fn watch(&mut self, watched: Watched, places: Vec<TargetSlot>) {
        let at = self.streams.len();
        self.by_thread.insert(watched.thread, at);
        self.streams.push(Stream::new(watched, places));
        // A new thread may have an old one's number.
        self.run = None;
    }

    /// Goes on with a kdamond that runs as another thread from now on, with these intervals and places. Processes that were
    /// targets before stay the same targets.
    pub(crate) fn goes_on(
        &mut self,
        kdamond: KdamondIndex,
        thread: KdamondThread,
        intervals: Option<Intervals>,
        places: Vec<TargetSlot>,
    ) {
        let Some(at) = self.streams.iter().position(|stream| stream.watched.kdamond == Some(kdamond)) else { return };
        self.streams[at].assembler.finish();
        self.collect(at);
        self.settle_one(at, IntervalTracker::finish);
        // Nothing more comes of the thread that ended, and what is looked up by the kdamond is the new one's.
        let old = self.streams.swap_remove(at);
        self.by_thread.retain(|_, stream| *stream != at);
        let moved = self.streams.len();
        self.by_thread.values_mut().filter(|stream| **stream == moved).for_each(|stream| *stream = at);
        self.watch(Watched { thread, intervals, ..old.watched }, places);
        if let Some(new) = self.streams.last_mut() {
            new.by_process = old.by_process;
        }
    }

    /// Tells what is at the places of kdamond `kdamond` from now on.
    pub(crate) fn places(&mut self, kdamond: KdamondIndex, places: Vec<TargetSlot>) {
        self.run = None;
        for stream in self.streams.iter_mut().filter(|stream| stream.watched.kdamond == Some(kdamond)) {
            stream.committing.clear();
            stream.set_places(&places);
        }
    }

    /// The kernel is being told of these places: until [`Events::places`] says that it has been, it reports on the old ones
    /// or on the new ones. None, if it refused them.
    pub(crate) fn commits(&mut self, committing: Option<(KdamondIndex, Vec<TargetSlot>)>) {
        self.run = None;
        for stream in &mut self.streams {
            let its = committing.as_ref().filter(|(kdamond, _)| stream.watched.kdamond == Some(*kdamond));
            stream.committing = its.map(|(_, places)| places.clone()).unwrap_or_default();
        }
    }

    /// Tells that a process has another name from now on. A target keeps its key, and the last name is the one that the
    /// record has.
    pub(crate) fn renamed(&mut self, process: &Process) {
        let renamed = TargetSlot::Process(process.clone());
        for stream in &mut self.streams {
            for (place, _) in stream.places.iter_mut().filter(|(place, _)| place.is(&renamed)) {
                place.clone_from(&renamed);
            }
            if let Some((key, target_id)) = stream.by_process.get(&process.identity()) {
                let target = stream.describe_target(*key, None, *target_id, Some(process.clone()));
                self.ready.push(Item::Target(target));
            }
        }
    }

    /// Announces a place's target now, so that side data can refer to it before its first snapshot.
    pub(crate) fn announce(&mut self, kdamond: KdamondIndex, place: usize) -> Option<TargetKey> {
        let at = self.streams.iter().position(|stream| stream.watched.kdamond == Some(kdamond))?;
        let (_, generation) = self.streams[at].places.get(place)?;
        let key = self.streams[at].key(place as u64, *generation, None);
        Some(self.target(at, key, place as u64))
    }

    /// Intervals in force.
    pub(crate) fn in_force(&self, kdamond: KdamondIndex) -> Option<Intervals> {
        self.pace_of(kdamond).map(IntervalTracker::intervals)
    }

    /// Whether it is not clear yet if a change is in force.
    pub(crate) fn is_undecided(&self, kdamond: KdamondIndex) -> bool {
        self.pace_of(kdamond).is_some_and(IntervalTracker::is_undecided)
    }

    /// A kernel module's parameters tell these intervals.
    pub(crate) fn module_told(&mut self, module: &str, time: Nanos, intervals: Intervals) {
        for stream in self.streams.iter_mut().filter(|stream| stream.watched.data_source == module) {
            let params = stream.told(time, intervals);
            self.ready.extend(params.map(|params| Item::Side(Side::Params(params))));
        }
    }

    /// The files of a kdamond tell these intervals, which the kernel's tuning chose.
    pub(crate) fn chosen(&mut self, kdamond: KdamondIndex, time: Nanos, intervals: Intervals) {
        for stream in self.streams.iter_mut().filter(|stream| stream.watched.kdamond == Some(kdamond)) {
            let params = stream.told(time, intervals);
            self.ready.extend(params.map(|params| Item::Side(Side::Params(params))));
        }
    }

    /// Other intervals are staged, and the kdamond may be told to take them: see [`super::interval_tracker`].
    pub(crate) fn hold(&mut self, kdamond: KdamondIndex, since: Nanos) {
        self.each_tracker(kdamond, |tracker| tracker.hold(since));
    }

    /// It was not told so.
    pub(crate) fn release(&mut self, kdamond: KdamondIndex) {
        self.each_tracker(kdamond, IntervalTracker::release);
        self.settle_all(None);
    }

    /// It seems that it was.
    pub(crate) fn written(&mut self, kdamond: KdamondIndex, at: Nanos, change: &Change) {
        self.each_tracker(kdamond, |tracker| tracker.written(at, change.clone()));
        self.settle_all(None);
    }

    /// Other intervals are staged, and only what comes can tell whether they are in force.
    pub(crate) fn staged(&mut self, kdamond: KdamondIndex, change: &Change) {
        self.each_tracker(kdamond, |tracker| tracker.staged(change.clone()));
    }

    /// The intervals that are staged are those in force.
    pub(crate) fn nothing_staged(&mut self, kdamond: KdamondIndex) {
        self.each_tracker(kdamond, IntervalTracker::nothing_staged);
    }

    /// Parameters that are in force from now on, with intervals as before.
    pub(crate) fn tell(&mut self, params: Vec<Params>) {
        self.ready.extend(params.into_iter().map(|params| Item::Side(Side::Params(params))));
    }

    /// Lets nothing wait for longer than it may.
    pub(crate) fn settle(&mut self, now: Nanos) {
        self.settle_all(Some(now));
    }

    fn pace_of(&self, kdamond: KdamondIndex) -> Option<&IntervalTracker> {
        self.streams.iter().find(|stream| stream.watched.kdamond == Some(kdamond))?.tracker.as_ref()
    }

    fn each_tracker(&mut self, kdamond: KdamondIndex, tell: impl Fn(&mut IntervalTracker)) {
        let streams = self.streams.iter_mut().filter(|stream| stream.watched.kdamond == Some(kdamond));
        streams.filter_map(|stream| stream.tracker.as_mut()).for_each(tell);
    }

    fn settle_all(&mut self, now: Option<Nanos>) {
        for at in 0..self.streams.len() {
            self.settle_one(at, |tracker| tracker.decide(now));
        }
    }

    /// Gives out what waited for a decision.
    fn settle_one(&mut self, at: usize, decide: impl Fn(&mut IntervalTracker) -> Option<Adopted>) {
        let stream = &mut self.streams[at];
        let Some(tracker) = &mut stream.tracker else { return };
        if let Some(Adopted { since, intervals, params }) = decide(tracker) {
            stream.assembler.set_intervals(intervals, since);
            stream.watched.intervals = Some(intervals);
            self.ready.extend(params.into_iter().map(|params| Item::Side(Side::Params(params))));
        }
        self.ready.extend(tracker.let_go());
    }

    /// Counters so far.
    pub(crate) fn seen(&self) -> EventCounts {
        self.seen
    }

    /// Takes a record of the ring; what became ready waits in [`Events::ready`].
    #[inline(always)]
    pub(crate) fn take(&mut self, record: Record<'_>) {
        match record {
            // By reference: a decoded event is large next to what is done with it.
            Record::Sample(sample) => match &self.decoder.decode(sample.raw) {
                Ok(Some(decoded)) => self.event(sample.time, KdamondThread(decoded.pid), &decoded.event),
                Ok(None) => {}
                // A record that cannot be read is as good as lost: its snapshot must not pass for complete.
                Err(_) => self.lost(sample.time, 1),
            },
            Record::Lost { time, events } => self.lost(time, events),
            _ => {}
        }
    }

    /// Takes note of a loss.
    #[inline(never)]
    pub(crate) fn lost(&mut self, time: Nanos, events: u64) {
        if events == 0 {
            return;
        }
        self.seen.lost = self.seen.lost.saturating_add(events);
        for stream in &mut self.streams {
            stream.assembler.lost(events);
            stream.tracker.iter_mut().for_each(IntervalTracker::interrupted);
        }
        self.collect_all();
        let at = Stamp::Record(time);
        self.ready.push(Item::Side(Side::Lost(Lost { at, events, reason: "ring".to_string() })));
    }

    /// Ends what is open: nothing more comes.
    pub(crate) fn finish(&mut self) {
        for stream in &mut self.streams {
            stream.assembler.finish();
        }
        self.collect_all();
        for at in 0..self.streams.len() {
            self.settle_one(at, IntervalTracker::finish);
        }
    }

    /// Hands over what became ready.
    pub(crate) fn ready(&mut self) -> std::vec::Drain<'_, Item> {
        self.ready.drain(..)
    }

    #[inline(always)]
    fn event(&mut self, time: Nanos, thread: KdamondThread, event: &Event<'_>) {
        if let Event::Aggregated { target_id, nr_regions, region }
        | Event::RegionAggregated { target_id, nr_regions, region, probe_hits: [] } = *event
            && let Some(run) = self.run
            && run.target_id == target_id
            && run.thread == thread
            && let Some(stream) = self.streams.get_mut(run.stream)
            && stream.assembler.extend(run.series, time, nr_regions, region)
        {
            return;
        }
        self.any_event(time, thread, event);
    }

    #[inline(never)]
    fn any_event(&mut self, time: Nanos, thread: KdamondThread, event: &Event<'_>) {
        let Some(at) = self.stream(thread) else { return };
        match *event {
            Event::Aggregated { target_id, nr_regions, region } => {
                let series = self.region(at, time, target_id, nr_regions, region, None);
                self.run = series.map(|series| Run { thread, target_id, stream: at, series });
            }
            Event::RegionAggregated { target_id, nr_regions, region, probe_hits } => {
                self.extras.clear();
                self.extras.extend(ColumnId::of_probes().zip(probe_hits.iter().map(|hits| u64::from(*hits))));
                let series = self.region(at, time, target_id, nr_regions, region, None);
                self.extras.clear();
                self.run = series.map(|series| Run { thread, target_id, stream: at, series });
            }
            Event::BeforeApply { context_idx, scheme_idx, target_idx, nr_regions, region } => {
                self.region(at, time, target_idx, nr_regions, region, Some((context_idx, scheme_idx)));
            }
            Event::IntervalsTune { sample } => {
                let params = self.streams[at].tuned(time, sample);
                self.ready.extend(params.map(|params| Item::Side(Side::Params(params))));
            }
            Event::EffectiveQuota { context_idx, scheme_idx, size } => {
                self.scheme(at, time, (context_idx, scheme_idx), |last| last.effective_quota = Some(size));
            }
            Event::SchemeStat { context_idx, scheme_idx, counts } => {
                self.scheme(at, time, (context_idx, scheme_idx), |last| last.counts = Some(counts));
            }
            _ => {}
        }
    }

    fn stream(&mut self, thread: KdamondThread) -> Option<usize> {
        if let Some(at) = self.by_thread.get(&thread) {
            return Some(*at);
        }
        let stranger = self.strangers.clone()?;
        self.watch(Watched { thread, ..stranger }, Vec::new());
        self.by_thread.get(&thread).copied()
    }

    /// Gives where the target's regions go, unless they are left out.
    fn region(
        &mut self,
        at: usize,
        time: Nanos,
        target_id: u64,
        nr_regions: u32,
        region: Region,
        scheme: Option<(u32, u32)>,
    ) -> Option<StreamId> {
        let stream = &mut self.streams[at];
        let generation = stream.generation_at(target_id)?;
        let key = stream.key(target_id, generation, scheme);
        self.target(at, key, target_id);
        let event = RegionEvent { key, time, nr_regions, region, extras: &self.extras };
        // The ring hands out in order of time; what is older all the same cannot be placed any more.
        if self.streams[at].assembler.push(&event).is_err() {
            self.seen.late += 1;
        }
        self.collect(at);
        Some(self.streams[at].assembler.stream(key))
    }

    /// The record's key for a target of a stream; announces it at its first call.
    fn target(&mut self, at: usize, key: EventKey, target_id: u64) -> TargetKey {
        let stream = &mut self.streams[at];
        let local = stream.assembler.target(key).0 as usize;
        if let Some(Some(known)) = stream.keys.get(local) {
            return *known;
        }
        if stream.keys.len() <= local {
            stream.keys.resize(local + 1, None);
        }
        let place = usize::try_from(target_id).ok().and_then(|place| stream.places.get(place));
        let process = match place {
            Some((TargetSlot::Process(process), _)) => Some(process.clone()),
            _ => None,
        };
        let identity = process.as_ref().filter(|_| key.scheme.is_none()).map(Process::identity);
        if let Some(known) = identity.and_then(|identity| stream.by_process.get(&identity)) {
            let (known, _) = *known;
            stream.keys[local] = Some(known);
            return known;
        }
        let global = TargetKey(self.next_key);
        self.next_key += 1;
        stream.keys[local] = Some(global);
        if let Some(identity) = identity {
            stream.by_process.insert(identity, (global, target_id));
        }
        let scheme = key.context.zip(key.scheme);
        self.ready.push(Item::Target(stream.describe_target(global, scheme, target_id, process)));
        global
    }

    /// Tells a figure of a scheme, if it is another one than last.
    fn scheme(&mut self, at: usize, time: Nanos, (context, scheme): (u32, u32), change: impl Fn(&mut SchemeProgress)) {
        let stream = &mut self.streams[at];
        let (kdamond, unit) = (stream.watched.kdamond, stream.watched.addr_unit.unwrap_or(1));
        let at = Stamp::Record(time);
        let nothing = SchemeProgress { at, kdamond, context, scheme, effective_quota: None, counts: None };
        let last = stream.schemes.entry((context, scheme)).or_insert(nothing);
        let before = *last;
        change(last);
        if *last != before {
            let mut status = nothing;
            change(&mut status);
            self.ready.push(Item::Side(Side::Scheme(status.in_bytes(unit))));
        }
    }

    fn collect_all(&mut self) {
        for at in 0..self.streams.len() {
            self.collect(at);
        }
    }

    fn collect(&mut self, at: usize) {
        while let Some(mut snapshot) = self.streams[at].assembler.pop() {
            let local = snapshot.target.0 as usize;
            let Some(Some(global)) = self.streams[at].keys.get(local) else { continue };
            snapshot.target = *global;
            // Records have bytes.
            if let Some(unit) = self.streams[at].watched.addr_unit.filter(|unit| *unit > 1) {
                snapshot.regions.iter_mut().for_each(|region| *region = region.in_bytes(unit));
            }
            self.note(&snapshot);
            let stream = &mut self.streams[at];
            let is_scheme = stream.assembler.event_key(TargetKey(local as u32)).is_some_and(|key| key.scheme.is_some());
            let Some(tracker) = &mut stream.tracker else {
                self.ready.push(Item::Snapshot(snapshot));
                continue;
            };
            if !is_scheme {
                tracker.observe(&snapshot);
            }
            let end = snapshot.end;
            self.ready.extend(tracker.keep(snapshot).map(Item::Snapshot));
            if tracker.is_holding() || tracker.is_undecided() {
                self.settle_one(at, |tracker| tracker.decide(Some(end)));
            }
        }
    }

    fn note(&mut self, snapshot: &Snapshot) {
        self.seen.snapshots += 1;
        self.seen.regions += snapshot.regions.len() as u64;
        self.seen.first.get_or_insert(snapshot.start);
        self.seen.latest = self.seen.latest.max(Some(snapshot.end));
    }
}
