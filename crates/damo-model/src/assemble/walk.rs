//! The state of one target: the snapshot that is being put together, and what is known of the ones before.

use super::{EventKey, ExtraColumn, Intervals, Nanos, Region, RegionEvent, Snapshot, SnapshotState, TargetKey};

/// More regions than any kernel lets a target have: a bound on memory against streams that lie.
const MAX_REGIONS: usize = 1 << 24;

/// How much the announced number of regions may grow within one walk of a scheme: a region cut where the quota begins
/// and one cut where it ends.
const SCHEME_GROWTH: u32 = 2;

/// How soon after the event that it repeats a repeated one comes: next to nothing, next to any aggregation.
const REPEATED_WITHIN: Nanos = Nanos(1_000_000);

#[derive(Debug)]
pub(super) struct Walk {
    pub(super) key: EventKey,
    pub(super) target: TargetKey,
    /// The walk of the same target's plain monitoring, if this one is a scheme's.
    pub(super) monitoring: Option<usize>,
    /// The walks of schemes on the same target, if this one is plain monitoring.
    pub(super) schemes: Vec<usize>,
    /// How long a snapshot lasts, from a first run.
    pub(super) typical: Option<Nanos>,
    open: Option<Open>,
    /// End of the last snapshot given out.
    last_end: Option<Nanos>,
    /// Whether events may be missing since `last_end`.
    loss_since_end: bool,
    /// Sum, number and smallest of the durations of snapshots that no loss came before.
    clean: (Nanos, i64, Option<Nanos>),
}

#[derive(Debug)]
struct Open {
    snapshot: Snapshot,
    announced: u32,
    /// Events taken, with those of empty regions.
    events: u32,
    last_time: Nanos,
    /// Events lost since `last_time`, of whichever target.
    lost: u64,
    any_lost: bool,
}

impl Walk {
    pub(super) fn new(key: EventKey, target: TargetKey) -> Self {
        Self {
            key,
            target,
            monitoring: None,
            schemes: Vec::new(),
            typical: None,
            open: None,
            last_end: None,
            loss_since_end: false,
            clean: (Nanos(0), 0, None),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.is_none()
    }

    /// End of the newest snapshot, open or given out.
    pub(super) fn last_end(&self) -> Option<Nanos> {
        self.open_end().or(self.last_end)
    }

    pub(super) fn open_end(&self) -> Option<Nanos> {
        self.open.as_ref().map(|open| open.snapshot.end)
    }

    /// Average duration of the snapshots that no loss came before.
    pub(super) fn mean_duration(&self) -> Option<Nanos> {
        let (sum, count, _) = self.clean;
        // Rounded up, so that the start that it gives is rounded down.
        (count > 0).then(|| Nanos(sum.0.saturating_add(count - 1) / count))
    }

    pub(super) fn lost(&mut self, events: u64) {
        self.loss_since_end = true;
        if let Some(open) = &mut self.open {
            open.lost = open.lost.saturating_add(events);
            open.any_lost = true;
        }
    }

    /// Whether `event` belongs to a later snapshot than the open one.
    pub(super) fn ends_before(&self, event: &RegionEvent<'_>, losses_are_told: bool) -> bool {
        let Some(open) = &self.open else { return false };
        let is_scheme = self.key.scheme.is_some();
        let announced_differs = if is_scheme {
            event.nr_regions < open.announced || event.nr_regions - open.announced > SCHEME_GROWTH
        } else {
            event.nr_regions != open.announced
        };
        // If no more were lost than the snapshot lacks apart from this one, this one is still part of it.
        let lacking = u64::from(open.announced.saturating_sub(open.events));
        if announced_differs || (open.lost > 0 && open.lost >= lacking) {
            return true;
        }
        let Some(last) = open.snapshot.regions.last() else { return false };
        if event.region.start < last.end || open.snapshot.regions.len() >= MAX_REGIONS {
            return true;
        }
        let pause = event.time.saturating_sub(open.last_time);
        !losses_are_told
            && event.region.start > last.end
            && self.usual_duration(open.snapshot.intervals).is_some_and(|usual| pause >= usual)
    }

    /// Whether `event` is the last one once more, as some recordings have it now and then.
    pub(super) fn repeats(&self, event: &RegionEvent<'_>) -> bool {
        let Some(open) = &self.open else { return false };
        open.announced == event.nr_regions
            && open.snapshot.regions.last() == Some(&event.region)
            && event.time.saturating_sub(open.last_time) < REPEATED_WITHIN
    }

    /// Opens a snapshot that ends at `end`. `monitored` is the end of the last snapshot of the target's monitoring.
    pub(super) fn begin(&mut self, end: Nanos, intervals: Option<Intervals>, monitored: Option<Nanos>) {
        let known = intervals.map(|intervals| intervals.aggregation).filter(|aggregation| aggregation.0 > 0);
        let usual = self.typical.or(known).or(self.mean_duration());
        let start = match self.last_end.max(monitored.filter(|at| *at <= end)) {
            // What was lost in between is not part of this snapshot.
            Some(last) if self.loss_since_end => match usual {
                Some(usual) if end.saturating_sub(last).0 > usual.0.saturating_mul(3) / 2 => end.saturating_sub(usual),
                _ => last,
            },
            Some(last) => last,
            None => usual.map_or(end, |usual| end.saturating_sub(usual)),
        };
        self.open = Some(Open {
            snapshot: Snapshot::new(self.target, start, end, intervals),
            announced: 0,
            events: 0,
            last_time: end,
            lost: 0,
            any_lost: false,
        });
        self.note_duration_until(end);
    }

    pub(super) fn set_intervals(&mut self, intervals: Intervals, since: Nanos) {
        if let Some(open) = &mut self.open
            && open.snapshot.end > since
        {
            open.snapshot.intervals = Some(intervals);
        }
    }

    /// Adds the time since the last end to the known durations, unless something was lost in it.
    pub(super) fn note_duration_until(&mut self, end: Nanos) {
        let Some(last) = self.last_end.filter(|last| !self.loss_since_end && *last < end) else { return };
        let duration = end.saturating_sub(last);
        let (sum, count, smallest) = self.clean;
        self.clean = (
            sum.saturating_add(duration),
            count + 1,
            Some(smallest.map_or(duration, |smallest| smallest.min(duration))),
        );
    }

    /// Adds an event to the open snapshot.
    pub(super) fn take(&mut self, event: &RegionEvent<'_>) {
        let Some(open) = &mut self.open else { return };
        open.announced = open.announced.max(event.nr_regions);
        open.events = open.events.saturating_add(1);
        open.last_time = event.time;
        open.lost = 0;
        if event.region.start >= event.region.end {
            return;
        }
        let rows = open.snapshot.regions.len();
        open.snapshot.regions.push(event.region);
        let extras = &mut open.snapshot.extras;
        for (id, value) in event.extras {
            let at = match extras.iter().position(|column| column.id == *id) {
                Some(at) => at,
                None => {
                    extras.push(ExtraColumn { id: *id, values: vec![0; rows] });
                    extras.len() - 1
                }
            };
            let values = &mut extras[at].values;
            // Of an event that names a column twice, the first value counts.
            if values.len() == rows {
                values.push(*value);
            }
        }
        for column in extras {
            column.values.resize(rows + 1, 0);
        }
    }

    /// Adds a region of which there is nothing to be asked: it touches the one before it, nothing is missing between
    /// them, and it is not the last.
    #[inline]
    pub(super) fn extend(&mut self, time: Nanos, nr_regions: u32, region: Region) -> bool {
        let Some(open) = &mut self.open else { return false };
        let regions = &mut open.snapshot.regions;
        let Some(last) = regions.last() else { return false };
        let plain = region.start == last.end
            && region.start < region.end
            && time >= open.last_time
            && nr_regions == open.announced
            && open.lost == 0
            && open.events.saturating_add(1) < nr_regions
            && open.snapshot.extras.is_empty()
            && regions.len() < MAX_REGIONS;
        if plain {
            open.events += 1;
            open.last_time = time;
            regions.push(region);
        }
        plain
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.events >= open.announced)
    }

    /// Ends the open snapshot and hands it out.
    pub(super) fn close(&mut self) -> Option<Snapshot> {
        let open = self.open.take()?;
        let mut snapshot = open.snapshot;
        let all = snapshot.regions.len() as u64 >= u64::from(open.announced);
        let all_of_scheme =
            self.key.scheme.is_some() && !open.any_lost && snapshot.regions.len() == open.events as usize;
        if !all && !all_of_scheme {
            snapshot.state = SnapshotState::Partial { expected: open.announced };
        }
        self.last_end = Some(snapshot.end);
        self.loss_since_end = open.lost > 0 || (!all && !all_of_scheme);
        Some(snapshot)
    }

    /// The length of a pause that no walk over one target's regions has.
    fn usual_duration(&self, intervals: Option<Intervals>) -> Option<Nanos> {
        let known = intervals.map(|intervals| intervals.aggregation).filter(|aggregation| aggregation.0 > 0);
        known.or(self.clean.2).or(self.typical)
    }
}
