//! The events of one kdamond.

use crate::live::interval_tracker::IntervalTracker;
use crate::live::target_slots::TargetSlot;
use damo_model::{
    Intervals, KdamondIndex, KdamondThread, Nanos, Params, Process, SchemeProgress, Stamp, Target, TargetKey,
};
use damo_trace::assemble::{Assembler, EventKey};
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
    /// What is at each of the kernel's target indices, and how often that changed: a place that was taken over by
    /// another process is another target.
    pub(super) places: Vec<(TargetSlot, u64)>,
    /// Whether the kernel's tuning told the sampling interval.
    pub(super) is_tuned: bool,
    /// What was told last of schemes, by context and index.
    pub(super) schemes: HashMap<(u32, u32), SchemeProgress>,
}

impl Stream {
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
