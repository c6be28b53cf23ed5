//! The events of one kdamond.

use crate::live::interval_tracker::IntervalTracker;
use crate::live::target_slots::TargetSlot;
use damo_model::{
    Intervals, KdamondIndex, KdamondThread, Nanos, Params, Process, SchemeProgress, Stamp, Target, TargetKey,
};
use damo_trace::assemble::{Assembler, AssemblerOptions, EventKey};
use std::collections::HashMap;

/// A kdamond whose events are recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// The thread that emits its events.
    pub(crate) thread: KdamondThread,
    /// Its index in sysfs; `None` for a kernel module's.
    pub(crate) kdamond: Option<KdamondIndex>,
    /// Intervals in force.
    pub(crate) intervals: Option<Intervals>,
    /// Bytes that one step of its addresses stands for, where that is not one.
    pub(crate) addr_unit: Option<u64>,
    /// How the source got at the data, if not by monitoring as such: `damon_reclaim`.
    pub(crate) data_source: String,
}

/// One kdamond's events.
pub(super) struct Stream {
    pub(super) watched: Watched,
    pub(super) assembler: Assembler,
    /// Where the intervals are known.
    pub(super) tracker: Option<IntervalTracker>,
    /// By the assembler's own keys.
    pub(super) keys: Vec<Option<TargetKey>>,
    /// A process that moves to another place stays the same target: its key, and the kernel's index at first.
    pub(super) by_process: HashMap<(i32, Option<Nanos>), (TargetKey, u64)>,
    /// What is at each of the kernel's target indices, with a number that no other process had at that place: a place
    /// that was taken over by another process is another target.
    pub(super) places: Vec<(TargetSlot, u64)>,
    /// The last number given. 0 is of the processes at the beginning, and of places that nobody told of.
    pub(super) generation: u64,
    /// The places that the kernel is being told of, from one moment on that is not known; empty if it is not.
    pub(super) committing: Vec<TargetSlot>,
    /// Whether the kernel's tuning told the sampling interval.
    pub(super) is_tuned: bool,
    /// What was told last of schemes, by context and index.
    pub(super) schemes: HashMap<(u32, u32), SchemeProgress>,
}

impl Stream {
    /// One of which nothing came yet, with these processes at its places.
    pub(super) fn new(watched: Watched, places: Vec<TargetSlot>) -> Self {
        let options =
            AssemblerOptions { intervals: watched.intervals, losses_are_told: true, ..AssemblerOptions::default() };
        Self {
            tracker: watched.intervals.map(IntervalTracker::new),
            watched,
            assembler: Assembler::new(options),
            keys: Vec::new(),
            by_process: HashMap::new(),
            places: places.into_iter().map(|place| (place, 0)).collect(),
            generation: 0,
            committing: Vec::new(),
            is_tuned: false,
            schemes: HashMap::new(),
        }
    }

    /// Sets what is at the places from now on.
    pub(super) fn set_places(&mut self, places: &[TargetSlot]) {
        for (at, place) in places.iter().enumerate() {
            if let Some((present, _)) = self.places.get_mut(at) {
                if present.is(place) {
                    continue;
                }
                // The same process, now gone: its target stays what it was.
                if *place == TargetSlot::Gone {
                    *present = TargetSlot::Gone;
                    continue;
                }
            }
            self.generation += 1;
            self.places.splice(at..self.places.len().min(at + 1), [(place.clone(), self.generation)]);
        }
        self.places.truncate(places.len());
    }

    /// The number of what the kernel reports on at this place; `None` if nothing is measured there, or if it is not known
    /// of which of two processes.
    pub(super) fn generation_at(&mut self, target_id: u64) -> Option<u64> {
        let Ok(at) = usize::try_from(target_id) else { return Some(0) };
        if at >= self.places.len() && at < self.committing.len() {
            // The kernel reports on a place that only the new list has: it has taken that.
            let committed = std::mem::take(&mut self.committing);
            self.set_places(&committed);
        }
        match (self.places.get(at), self.committing.get(at)) {
            (Some((TargetSlot::Gone, _)), _) => None,
            (Some((present, _)), Some(next)) if !present.is(next) => None,
            (Some((_, generation)), _) => Some(*generation),
            (None, _) => Some(0),
        }
    }

    /// A target as the record has it.
    pub(super) fn describe_target(
        &self,
        key: TargetKey,
        scheme: Option<(u32, u32)>,
        target_id: u64,
        process: Option<Process>,
    ) -> Target {
        Target {
            key,
            kdamond: self.watched.kdamond,
            context: scheme.map(|(context, _)| context).or(self.watched.kdamond.map(|_| 0)),
            scheme: scheme.map(|(_, scheme)| scheme),
            target_id: Some(target_id),
            process,
            data_source: self.watched.data_source.clone(),
            scheme_filters: String::new(),
        }
    }

    /// Tuning set the sampling interval; gives what is to be told of it.
    pub(super) fn tuned(&mut self, time: Nanos, sample: Nanos) -> Option<Params> {
        self.is_tuned = true;
        self.assembler.tuned(Some(self.watched.thread.0), sample);
        let known = self.watched.intervals?;
        let samples = i64::from(known.max_nr_accesses().0.max(1));
        let intervals = Intervals { sample, aggregation: Nanos(sample.0.saturating_mul(samples)), ..known };
        self.tracker.iter_mut().for_each(|tracker| tracker.tuned(intervals));
        Some(self.params(time, intervals))
    }

    /// A kernel module or the files tell the intervals in force. They count unless tuning told them: what tells them is late
    /// then. Gives what is to be told of it.
    pub(super) fn told(&mut self, time: Nanos, intervals: Intervals) -> Option<Params> {
        if self.is_tuned || self.watched.intervals == Some(intervals) {
            return None;
        }
        self.watched.intervals = Some(intervals);
        self.assembler.set_intervals(intervals, time);
        self.tracker.get_or_insert_with(|| IntervalTracker::new(intervals)).tuned(intervals);
        Some(self.params(time, intervals))
    }

    fn params(&self, time: Nanos, intervals: Intervals) -> Params {
        Params {
            at: Stamp::Record(time),
            kdamond: self.watched.kdamond,
            context: self.watched.kdamond.map(|_| 0),
            intervals: Some(intervals),
            ..Params::default()
        }
    }

    /// Where the events of a target belong. A place that was taken over by another process has a number of its own.
    pub(super) fn key(&self, target_id: u64, generation: u64, scheme: Option<(u32, u32)>) -> EventKey {
        EventKey {
            kdamond: self.watched.kdamond,
            thread: Some(self.watched.thread.0),
            context: scheme.map(|(context, _)| context),
            scheme: scheme.map(|(_, scheme)| scheme),
            target_id: target_id | generation << 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(pid: i32) -> TargetSlot {
        TargetSlot::Process(Process { pid, ..Process::default() })
    }

    #[test]
    fn a_place_that_only_the_new_list_has_says_that_the_kernel_has_taken_the_list() {
        let mut stream = Stream::new(Watched::default(), vec![who(1), TargetSlot::Gone, who(3)]);
        stream.committing = vec![who(1), who(3), who(4), who(5)];
        // Which list it is, is not known of these yet.
        assert_eq!([0, 1, 2].map(|at| stream.generation_at(at)), [Some(0), None, None]);
        let new = stream.generation_at(3);
        assert!(new > Some(0));
        let all = [0, 1, 2, 3].map(|at| stream.generation_at(at));
        assert_eq!((all[0], all[3]), (Some(0), new));
        assert!(all[1] > Some(0) && all[2] > Some(0), "{all:?}");
    }

    #[test]
    fn a_place_that_comes_again_is_another_target() {
        let mut stream = Stream::new(Watched::default(), vec![who(1), who(2)]);
        stream.set_places(&[who(1)]);
        assert_eq!(stream.generation_at(1), Some(0), "nobody told of it");
        stream.set_places(&[who(1), who(3)]);
        let third = stream.generation_at(1);
        stream.set_places(&[who(1)]);
        stream.set_places(&[who(1), who(4)]);
        assert!(third > Some(0) && stream.generation_at(1) > third);
    }
}
