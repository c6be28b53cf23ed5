//! The state of one target: the snapshot that is being put together, and what is known of the ones before.

use super::lengths::{self, Lengths};
use super::{EventKey, ExtraColumn, Intervals, Nanos, Region, RegionEvent, Snapshot, SnapshotState, TargetKey};
use std::collections::{BTreeMap, HashMap};

/// More regions than any kernel lets a target have: a bound on memory against streams that lie.
const MAX_REGIONS: usize = 1 << 24;

/// How much the announced number of regions may grow within one walk of a scheme: a region cut where the quota begins
/// and one cut where it ends.
const SCHEME_GROWTH: u32 = 2;

/// How soon after the event that it repeats a repeated one comes: next to nothing, next to any aggregation.
const REPEATED_WITHIN: Nanos = Nanos(1_000_000);

/// After so many different sampling intervals that tuning chose, times under further ones are not measured: a bound on
/// memory.
const MAX_TUNINGS: usize = 1024;

#[derive(Debug)]
pub(super) struct Walk {
    pub(super) key: EventKey,
    pub(super) target: TargetKey,
    /// The walk of the same target's plain monitoring, if this one is a scheme's.
    pub(super) monitoring: Option<usize>,
    /// The walks of schemes on the same target, if this one is plain monitoring.
    pub(super) schemes: Vec<usize>,
    /// How long a snapshot lasts, from a first run: see [`Walk::usual`].
    pub(super) typical: HashMap<Option<Nanos>, Nanos>,
    open: Option<Open>,
    /// End of the last snapshot given out.
    last_end: Option<Nanos>,
    /// How many regions it had, as the next one is likely to have: unlike an announced number, not a lie.
    last_rows: usize,
    /// Whether events may be missing since `last_end`.
    loss_since_end: bool,
    /// Times between the ends of snapshots that no loss came before, by the sampling interval that tuning had chosen.
    lengths: HashMap<Option<Nanos>, Lengths>,
}

#[derive(Debug)]
struct Open {
    snapshot: Snapshot,
    /// Start and end of each region, if some came out of order.
    places: Option<BTreeMap<u64, u64>>,
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
            typical: HashMap::new(),
            open: None,
            last_end: None,
            last_rows: 0,
            loss_since_end: false,
            lengths: HashMap::new(),
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

    /// How long a snapshot lasts while tuning's choice of the sampling interval is `tuned`, by what was seen so far.
    pub(super) fn usual(&self, tuned: Option<Nanos>) -> Option<Nanos> {
        self.lengths.get(&tuned)?.usual()
    }

    /// The same for all choices of tuning that were seen.
    pub(super) fn usual_lengths(&self) -> HashMap<Option<Nanos>, Nanos> {
        self.lengths.iter().filter_map(|(tuned, lengths)| Some((*tuned, lengths.usual()?))).collect()
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
        let Some(end) = open.highest_end() else { return false };
        if open.snapshot.regions.len() >= MAX_REGIONS {
            return true;
        }
        if event.region.start.0 < end {
            return is_scheme || losses_are_told || !self.is_out_of_order(open, event);
        }
        let pause = event.time.saturating_sub(open.last_time);
        !losses_are_told
            && event.region.start.0 > end
            && self.shortest_pause(open.snapshot.intervals).is_some_and(|usual| pause >= usual)
    }

    /// Whether `event`, whose region lies before others of the open snapshot, still belongs to it: the lines of some texts
    /// were put in another order. It must come with the others and lie where none of them does.
    fn is_out_of_order(&self, open: &Open, event: &RegionEvent<'_>) -> bool {
        let together = match self.shortest_pause(open.snapshot.intervals) {
            Some(usual) => Nanos(usual.0 / 2),
            None => REPEATED_WITHIN,
        };
        let with_others = event.time.saturating_sub(open.snapshot.end) < together;
        with_others && !open.any_lost && event.region.start < event.region.end && open.is_free(event.region)
    }

    /// Whether `event` is the last one once more, as some recordings have it now and then.
    pub(super) fn repeats(&self, event: &RegionEvent<'_>) -> bool {
        let Some(open) = &self.open else { return false };
        open.announced == event.nr_regions
            && open.snapshot.regions.last() == Some(&event.region)
            && event.time.saturating_sub(open.last_time) < REPEATED_WITHIN
    }

    /// Opens a snapshot that ends at `end`. `tuned` is the sampling interval that tuning chose, `monitored` the end of the
    /// last snapshot of the target's monitoring. Returns how long nothing was reported before, if that is a gap: longer
    /// than the snapshot can have lasted, and no loss explains it.
    pub(super) fn begin(
        &mut self,
        end: Nanos,
        intervals: Option<Intervals>,
        tuned: Option<Nanos>,
        monitored: Option<Nanos>,
        losses_are_told: bool,
    ) -> Option<Nanos> {
        let measured = lengths::believed(self.typical.get(&tuned).copied(), intervals);
        let seen = self.usual(tuned);
        let usual = measured.or(lengths::aggregation(intervals)).or(seen);
        let last = self.last_end.max(monitored.filter(|at| *at <= end));
        let pause = last.map(|last| end.saturating_sub(last));
        // What lies in a gap, or was lost in between, is not part of this snapshot. Of a live stream the intervals may
        // have been changed by others, which is told later: only what no change explains is a gap.
        let lost = |pause: Nanos| usual.is_some_and(|usual| pause.0 > usual.0.saturating_mul(3) / 2);
        let seen = if losses_are_told { None } else { measured.or(seen) };
        let gap = pause.filter(|pause| !self.loss_since_end && lengths::is_gap(*pause, seen, intervals));
        let is_cut = gap.is_some() || pause.is_some_and(|pause| self.loss_since_end && lost(pause));
        let start = match last {
            Some(last) if !is_cut => last,
            _ => usual.map_or(end, |usual| end.saturating_sub(usual)),
        };
        let mut snapshot = Snapshot::new(self.target, start, end, intervals);
        snapshot.regions.reserve_exact(self.last_rows + self.last_rows / 8);
        let (announced, events, lost, any_lost) = (0, 0, 0, false);
        self.open = Some(Open { snapshot, places: None, announced, events, last_time: end, lost, any_lost });
        self.note_duration_until(end, tuned);
        gap.map(|gap| gap.saturating_sub(end.saturating_sub(start)))
    }

    pub(super) fn set_intervals(&mut self, intervals: Intervals, since: Nanos) {
        if let Some(open) = &mut self.open
            && open.snapshot.end > since
        {
            open.snapshot.intervals = Some(intervals);
        }
    }

    /// Adds the time since the last end to the known lengths, unless something was lost in it.
    pub(super) fn note_duration_until(&mut self, end: Nanos, tuned: Option<Nanos>) {
        let Some(last) = self.last_end.filter(|last| !self.loss_since_end && *last < end) else { return };
        if self.lengths.len() < MAX_TUNINGS || self.lengths.contains_key(&tuned) {
            self.lengths.entry(tuned).or_default().add(end.saturating_sub(last));
        }
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
        open.place(event.region);
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
            && open.places.is_none()
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
        if open.places.is_some() {
            sort(&mut snapshot);
        }
        let all = snapshot.regions.len() as u64 >= u64::from(open.announced);
        let all_of_scheme =
            self.key.scheme.is_some() && !open.any_lost && snapshot.regions.len() == open.events as usize;
        if !all && !all_of_scheme {
            snapshot.state = SnapshotState::Partial { expected: open.announced };
        }
        self.last_end = Some(snapshot.end);
        self.last_rows = snapshot.regions.len();
        self.loss_since_end = open.lost > 0 || (!all && !all_of_scheme);
        Some(snapshot)
    }

    /// The length of a pause that no walk over one target's regions has.
    fn shortest_pause(&self, intervals: Option<Intervals>) -> Option<Nanos> {
        let smallest = || self.lengths.values().filter_map(Lengths::smallest).min();
        lengths::aggregation(intervals).or_else(smallest).or_else(|| self.typical.values().copied().min())
    }
}

impl Open {
    /// Where the highest region ends.
    fn highest_end(&self) -> Option<u64> {
        match &self.places {
            Some(places) => places.last_key_value().map(|(_, end)| *end),
            None => self.snapshot.regions.last().map(|region| region.end.0),
        }
    }

    /// Whether no region so far has any byte of `region`.
    fn is_free(&self, region: Region) -> bool {
        let (start, end) = (region.start.0, region.end.0);
        match &self.places {
            Some(places) => places.range(..end).next_back().is_none_or(|(_, last)| *last <= start),
            None => {
                let regions = &self.snapshot.regions;
                let before = regions.partition_point(|other| other.start.0 < end);
                before.checked_sub(1).and_then(|at| regions.get(at)).is_none_or(|other| other.end.0 <= start)
            }
        }
    }

    /// Remembers where a region is that is about to be added, from the first one on that comes out of order.
    fn place(&mut self, region: Region) {
        if self.places.is_none() && self.highest_end().is_some_and(|end| region.start.0 < end) {
            self.places = Some(self.snapshot.regions.iter().map(|other| (other.start.0, other.end.0)).collect());
        }
        if let Some(places) = &mut self.places {
            places.insert(region.start.0, region.end.0);
        }
    }
}

/// Puts the regions, and their values in other columns, in order of their addresses.
fn sort(snapshot: &mut Snapshot) {
    let mut order: Vec<usize> = (0..snapshot.regions.len()).collect();
    order.sort_by_key(|row| snapshot.regions[*row].start);
    snapshot.regions = order.iter().map(|row| snapshot.regions[*row]).collect();
    for column in &mut snapshot.extras {
        column.values = order.iter().map(|row| column.values[*row]).collect();
    }
}
