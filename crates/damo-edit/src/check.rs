//! Whether a record is what a monitoring should give: times, numbers of regions and counts within bounds, regions in
//! order. For gates in scripts.
//!
//! What a busy machine may do now and then (an aggregation that took longer, a snapshot with lost events) is tolerated in a
//! share of the snapshots; what can never be (an empty region, more accesses than samples) is not.

use damo_model::{AddrRange, Intervals, Item, Nanos, NrRegions, Sink, SinkError, Snapshot, SnapshotState, TargetKey};
use std::collections::BTreeMap;

/// So many faults are kept word by word; the others are counted.
const MOST_TOLD: usize = 20;

/// Of those that are tolerated now and then so many for each target: one looks like the other.
const MOST_SOFT_TOLD: usize = 10;

damo_model::with_defaults! {
    /// What a snapshot must be like. All bounds are inclusive.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Limits {
        /// How long it lasts. `None`: a quarter less or more than the aggregation interval in force.
        pub aggregation: Option<(Nanos, Nanos)>,
        /// Its number of regions. `None`: from 3 to a fifth more than the record's upper bound.
        pub nr_regions: Option<(u64, u64)>,
        /// Its access counts. `None`: up to a fifth more than the intervals in force allow.
        pub nr_accesses: Option<(u32, u32)>,
        /// Its regions lie within one of these; empty: anywhere.
        pub boundaries: Vec<AddrRange>,
        /// In so many percent of a target's snapshots time and number of regions may be out of bounds.
        pub allowed_percent: f64 = 2.0,
    }
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Position of the snapshot in the record, from 0; `None`: the record or target as a whole.
    pub snapshot: Option<u64>,
    /// The target of the snapshot that it is about; `None` for the record as a whole.
    pub target: Option<TargetKey>,
    /// What is wrong, as in "time 129108 us, not within …".
    pub what: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// In order of their kind and appearance; not more than twenty, and one for each target that is out of bounds.
    pub faults: Vec<Fault>,
    /// All of them, told or not.
    pub count: u64,
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Faults that the allowed share covers.
    pub tolerated: u64,
}

impl Verdict {
    fn add(&mut self, fault: Fault) {
        self.count += 1;
        if self.faults.len() < MOST_TOLD {
            self.faults.push(fault);
        }
    }
}

/// Takes a record and judges it.
#[derive(Debug)]
pub struct Check {
    limits: Limits,
    intervals: Option<Intervals>,
    nr_regions: Option<NrRegions>,
    targets: BTreeMap<TargetKey, TargetProgress>,
    verdict: Verdict,
}

/// One target's snapshots.
#[derive(Debug, Default)]
struct TargetProgress {
    snapshots: u64,
    last_end: Option<Nanos>,
    /// What is tolerated if it is not too much.
    soft: Vec<Fault>,
    /// Snapshots that have such.
    soft_snapshots: u64,
}

impl Check {
    /// Judges by these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, intervals: None, nr_regions: None, targets: BTreeMap::new(), verdict: Verdict::default() }
    }

    /// The judgement, after the whole record.
    pub fn finish(mut self) -> Verdict {
        if self.verdict.snapshots == 0 {
            self.verdict.add(Fault { snapshot: None, target: None, what: "the record has no snapshots".into() });
        }
        for (key, series) in std::mem::take(&mut self.targets) {
            let share = series.soft_snapshots as f64 * 100.0 / series.snapshots.max(1) as f64;
            if share <= self.limits.allowed_percent {
                self.verdict.tolerated += series.soft_snapshots;
                continue;
            }
            let told = series.soft.len() as u64;
            series.soft.into_iter().for_each(|fault| self.verdict.add(fault));
            self.verdict.count += series.soft_snapshots.saturating_sub(told);
            let (n, all, allowed) = (series.soft_snapshots, series.snapshots, self.limits.allowed_percent);
            let what =
                format!("{n} of {all} snapshots ({share:.1} %) are out of bounds, more than the allowed {allowed} %");
            self.verdict.count += 1;
            self.verdict.faults.push(Fault { snapshot: None, target: Some(key), what });
        }
        self.verdict
    }

    fn look(&mut self, snapshot: &Snapshot) {
        let position = self.verdict.snapshots;
        self.verdict.snapshots += 1;
        let fault = |what: String| Fault { snapshot: Some(position), target: Some(snapshot.target), what };
        let intervals = snapshot.intervals.or(self.intervals);
        let series = self.targets.entry(snapshot.target).or_default();
        series.snapshots += 1;
        if let Some(what) = self.limits.hard(snapshot, intervals, series.last_end) {
            self.verdict.add(fault(what));
        }
        series.last_end = Some(snapshot.end);
        if let Some(what) = self.limits.soft(snapshot, intervals, self.nr_regions) {
            series.soft_snapshots += 1;
            if series.soft.len() < MOST_SOFT_TOLD {
                series.soft.push(fault(what));
            }
        }
    }
}

impl Limits {
    /// The first fault that is never tolerated.
    fn hard(&self, snapshot: &Snapshot, intervals: Option<Intervals>, last_end: Option<Nanos>) -> Option<String> {
        if snapshot.end < snapshot.start {
            return Some(format!("it ends at {} ns, before it starts at {} ns", snapshot.end.0, snapshot.start.0));
        }
        if let Some(last) = last_end.filter(|last| snapshot.start < *last) {
            return Some(format!(
                "it starts at {} ns, before the target's last one ends at {} ns",
                snapshot.start.0, last.0
            ));
        }
        // 24 of 20 is what the Python tool allows.
        let most = intervals.map_or(20, |intervals| intervals.max_nr_accesses().0);
        let (min, max) = self.nr_accesses.unwrap_or((0, most.saturating_add(most.div_ceil(5))));
        let mut last = 0;
        for (i, region) in snapshot.regions.iter().enumerate() {
            let (start, end, count) = (region.start.0, region.end.0, region.nr_accesses.0);
            if end <= start {
                return Some(format!("region {i} [{start}, {end}) is empty"));
            }
            if start < last {
                return Some(format!("region {i} [{start}, {end}) begins before the one before it ends at {last}"));
            }
            if !(min..=max).contains(&count) {
                return Some(format!("region {i} [{start}, {end}) has nr_accesses {count}, not within {min} to {max}"));
            }
            let inside = |range: &AddrRange| range.start <= region.start && region.end <= range.end;
            if !self.boundaries.is_empty() && !self.boundaries.iter().any(inside) {
                return Some(format!("region {i} [{start}, {end}) is out of the boundaries"));
            }
            last = end;
        }
        None
    }

    /// The first fault that is tolerated now and then.
    fn soft(&self, snapshot: &Snapshot, intervals: Option<Intervals>, bounds: Option<NrRegions>) -> Option<String> {
        let regions = snapshot.regions.len() as u64;
        if let SnapshotState::Partial { expected } = snapshot.state {
            return Some(format!("it is partial: {regions} of {expected} regions"));
        }
        let interval = intervals.unwrap_or_default().aggregation.0;
        let quarter = interval / 4;
        let (min, max) =
            self.aggregation.unwrap_or((Nanos(interval - quarter), Nanos(interval.saturating_add(quarter))));
        let lasts = snapshot.time_span().length();
        if lasts < min || max < lasts {
            let [lasts, min, max] = [lasts, min, max].map(Nanos::as_micros);
            return Some(format!("aggregation interval {lasts} us, not within {min} to {max} us"));
        }
        let most = bounds.map_or(1000, |bounds| bounds.max);
        let (min, max) = self.nr_regions.unwrap_or((3, most.saturating_add(most.div_ceil(5))));
        (!(min..=max).contains(&regions)).then(|| format!("nr_regions {regions}, not within {min} to {max}"))
    }
}

impl Sink for Check {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Meta(meta) => (self.intervals, self.nr_regions) = (meta.intervals, meta.nr_regions),
            Item::Snapshot(snapshot) => self.look(snapshot),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Addr, NrAccesses, Region};

    fn snapshot(n: i64, millis: i64) -> Snapshot {
        let start = Nanos::from_millis(n * 100);
        let end = start.saturating_add(Nanos::from_millis(millis));
        let mut snapshot = Snapshot::new(TargetKey(0), start, end, Some(Intervals::default()));
        let region = |i: u64| Region::new(Addr(i * 4096), Addr(i * 4096 + 4096), NrAccesses(i as u32), None);
        snapshot.regions = (0..5).map(region).collect();
        snapshot
    }

    fn judge(limits: Limits, snapshots: &[Snapshot]) -> Verdict {
        let mut check = Check::new(limits);
        snapshots.iter().for_each(|snapshot| check.put(&Item::Snapshot(snapshot.clone())).unwrap());
        check.finish()
    }

    #[test]
    fn a_sound_record_has_no_faults_and_an_empty_one_has() {
        let snapshots: Vec<Snapshot> = (0..10).map(|n| snapshot(n, 100)).collect();
        assert_eq!(judge(Limits::default(), &snapshots), Verdict { snapshots: 10, ..Verdict::default() });
        assert_eq!(judge(Limits::default(), &[]).faults[0].what, "the record has no snapshots");
    }

    #[test]
    fn slow_aggregations_are_tolerated_in_the_allowed_share_of_snapshots_only() {
        let mut snapshots: Vec<Snapshot> = (0..10).map(|n| snapshot(n * 2, 100)).collect();
        snapshots[4] = snapshot(8, 130);
        let ten = Limits { allowed_percent: 10.0, ..Limits::default() };
        assert_eq!(judge(ten, &snapshots), Verdict { snapshots: 10, tolerated: 1, ..Verdict::default() });
        let verdict = judge(Limits::default(), &snapshots);
        assert_eq!((verdict.count, verdict.faults[0].snapshot), (2, Some(4)));
        assert_eq!(verdict.faults[0].what, "aggregation interval 130000 us, not within 75000 to 125000 us");
        assert!(verdict.faults[1].what.starts_with("1 of 10 snapshots (10.0 %)"), "{:?}", verdict.faults[1]);
    }

    #[test]
    fn what_can_never_be_is_never_tolerated() {
        let all = Limits { allowed_percent: 100.0, ..Limits::default() };
        let faulty = |change: fn(&mut Snapshot)| {
            let mut snapshots = vec![snapshot(0, 100), snapshot(1, 100)];
            change(&mut snapshots[1]);
            let verdict = judge(all.clone(), &snapshots);
            assert_eq!((verdict.count, verdict.faults[0].snapshot), (1, Some(1)));
            verdict.faults[0].what.clone()
        };
        assert!(faulty(|s| s.regions[2].end = Addr(0)).contains("region 2 [8192, 0) is empty"));
        assert!(faulty(|s| s.regions[2].start = Addr(1)).contains("begins before the one before it ends at 8192"));
        assert!(faulty(|s| s.regions[1].nr_accesses = NrAccesses(25)).contains("nr_accesses 25, not within 0 to 24"));
        assert!(faulty(|s| s.start = Nanos(5)).contains("before the target's last one ends"));
        assert!(faulty(|s| s.end = Nanos(5)).contains("before it starts"));
        let boundaries = vec![AddrRange::new(Addr(0), Addr(4096 * 4))];
        let verdict = judge(Limits { boundaries, ..Limits::default() }, &[snapshot(0, 100)]);
        assert!(verdict.faults[0].what.contains("region 4 [16384, 20480) is out of the boundaries"));
    }

    #[test]
    fn of_a_thoroughly_bad_record_some_faults_are_told_and_all_counted() {
        let snapshots: Vec<Snapshot> = (0..1000).map(|n| snapshot(n, 10)).collect();
        let verdict = judge(Limits::default(), &snapshots);
        assert_eq!((verdict.count, verdict.faults.len()), (1001, 11));
        assert!(verdict.faults[10].what.contains("1000 of 1000 snapshots"), "{:?}", verdict.faults[10]);
    }
}
