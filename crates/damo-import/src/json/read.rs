//! Records and their snapshots, read as they come: never more than one snapshot is held.

use super::faults::Faults;
use super::region::{Read, RegionSeed};
use super::scalar::{MODERATE, Scalar, Small, seed, small, time, unsigned};
use crate::Imported;
use crate::side_data::{self, SideFiles, shown};
use damo_model::human::Number;
use damo_model::{
    ColumnId, ExtraColumn, Intervals, IntervalsGoal, Item, KdamondIndex, Nanos, Sink, SinkError, Snapshot,
    SnapshotState, Target, TargetKey,
};
use damo_trace::assemble::{Lengths, believed, is_gap};
use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// More targets than any record has.
const MAX_RECORDS: usize = 1 << 20;
/// More regions than any kernel lets a target have: a bound on memory.
const MAX_REGIONS: usize = 1 << 22;

/// What a run is for.
pub(super) enum Pass<'s> {
    /// To find the targets.
    Survey,
    /// To hand the snapshots on.
    Give(&'s mut dyn Sink),
}

/// A record's own words.
#[derive(Debug, Default)]
pub(super) struct Record {
    kdamond: Option<u32>,
    context: Option<u32>,
    scheme: Option<u32>,
    target_id: Option<u64>,
    pub(super) intervals: Option<Intervals>,
    pub(super) goal: Option<IntervalsGoal>,
    scheme_filters: String,
    data_source: String,
    /// Times between the ends of snapshots.
    lengths: Lengths,
}

impl Record {
    pub(super) fn target(&self, key: TargetKey, side_data: &SideFiles) -> Target {
        let context = self.context.unwrap_or(0);
        Target {
            key,
            kdamond: self.kdamond.map(KdamondIndex),
            context: self.context,
            scheme: self.scheme,
            target_id: self.target_id,
            process: self.target_id.and_then(|target_id| side_data.process(context, target_id)),
            data_source: self.data_source.clone(),
            scheme_filters: self.scheme_filters.clone(),
        }
    }
}

/// Everything that a run gathers.
pub(super) struct State<'s> {
    pass: Pass<'s>,
    /// Intervals for records that do not tell any.
    default_intervals: Option<Intervals>,
    /// Gathered by the first run, used by the second.
    pub(super) records: Vec<Record>,
    at: usize,
    /// The end of the record's last snapshot.
    pub(super) last_end: Option<Nanos>,
    snapshot: Snapshot,
    /// The last whole snapshot: the next one may turn out to hold regions of it.
    waiting: Option<Snapshot>,
    probe_hits: Vec<u64>,
    /// Why the sink takes no more.
    pub(super) refused: Option<SinkError>,
    pub(super) snapshots: u64,
    pub(super) partial: u64,
    pub(super) regions: u64,
    faults: Faults,
    without_accesses: u64,
    with_stats: u64,
}

impl<'s> State<'s> {
    pub(super) fn new(pass: Pass<'s>, default_intervals: Option<Intervals>) -> Self {
        Self {
            pass,
            default_intervals,
            records: Vec::new(),
            at: 0,
            last_end: None,
            snapshot: blank(),
            waiting: None,
            probe_hits: Vec::new(),
            refused: None,
            snapshots: 0,
            partial: 0,
            regions: 0,
            faults: Faults::default(),
            without_accesses: 0,
            with_stats: 0,
        }
    }

    fn is_survey(&self) -> bool {
        matches!(self.pass, Pass::Survey)
    }

    /// The record that is being read.
    fn record(&self) -> Option<&Record> {
        self.records.get(self.at)
    }

    fn intervals(&self) -> Option<Intervals> {
        self.record().and_then(|record| record.intervals).or(self.default_intervals)
    }

    /// Adds what a user should know.
    pub(super) fn notes(&self, imported: &mut Imported) {
        self.faults.notes(imported);
        imported.note_count("regions without an access count, taken as not accessed", self.without_accesses);
        imported.note_count("snapshots with statistics of schemes (damos_stats), which were left out", self.with_stats);
    }

    fn give<E: Error>(&mut self, start: Option<Nanos>, end: Nanos, sample: Option<Nanos>) -> Result<(), E> {
        if let Some(last) = self.last_end.filter(|last| end < *last) {
            let (end, last) = (end.0, last.0);
            return Err(E::custom(format_args!("a snapshot ends at {end} ns, before the one before it ({last} ns)")));
        }
        if self.is_survey() {
            if let (Some(record), Some(last)) = (self.records.get_mut(self.at), self.last_end) {
                record.lengths.add(end.saturating_sub(last));
            }
            self.last_end = Some(end);
            self.snapshots += 1;
            return Ok(());
        }
        let intervals = self.intervals().map(|known| match sample.filter(|_| known.sample.0 > 0) {
            // Tuning keeps the number of samples per aggregation.
            Some(sample) if sample != known.sample => {
                let samples = (known.aggregation.0 / known.sample.0).max(1);
                Intervals { sample, aggregation: Nanos(sample.0.saturating_mul(samples)), update: known.update }
            }
            _ => known,
        });
        let inferred = || {
            let measured = self.record().and_then(|record| record.lengths.usual());
            let usual = believed(measured, intervals).or(intervals.map(|intervals| intervals.aggregation));
            let last = self.last_end.filter(|last| !is_gap(end.saturating_sub(*last), measured, intervals));
            last.unwrap_or_else(|| end.saturating_sub(usual.unwrap_or_default()))
        };
        let start = start.unwrap_or_else(inferred);
        if start > end {
            let (start, end) = (start.0, end.0);
            return Err(E::custom(format_args!("a snapshot ends ({end} ns) before it starts ({start} ns)")));
        }
        self.last_end = Some(end);
        let snapshot = &mut self.snapshot;
        (snapshot.start, snapshot.end, snapshot.intervals) = (start, end, intervals);
        snapshot.target = TargetKey(u32::try_from(self.at).unwrap_or(u32::MAX));
        self.faults.regroup(self.waiting.as_mut(), &mut self.snapshot);
        if self.snapshot.regions.is_empty() && self.waiting.is_some() && self.faults.emptied() {
            return Ok(());
        }
        let next = std::mem::replace(&mut self.snapshot, blank());
        match self.waiting.replace(next) {
            Some(ready) => self.hand_on(ready).map_err(E::custom),
            None => Ok(()),
        }
    }

    /// Hands on the snapshot that waits for the next one.
    pub(super) fn flush(&mut self) -> Result<(), &'static str> {
        self.waiting.take().map_or(Ok(()), |ready| self.hand_on(ready))
    }

    fn hand_on(&mut self, mut snapshot: Snapshot) -> Result<(), &'static str> {
        self.faults.arrange(&mut snapshot);
        self.snapshots += 1;
        self.regions += snapshot.regions.len() as u64;
        if snapshot.state != SnapshotState::Complete {
            self.partial += 1;
        }
        let item = Item::Snapshot(snapshot);
        if let Pass::Give(sink) = &mut self.pass
            && let Err(error) = sink.put(&item)
        {
            self.refused = Some(error);
            return Err("the receiver takes no more");
        }
        // Its buffers serve a later one.
        if let Item::Snapshot(used) = item {
            self.snapshot = used;
        }
        Ok(())
    }

    fn clear_snapshot(&mut self) {
        self.snapshot.regions.clear();
        self.snapshot.extras.clear();
    }

    fn extra(&mut self, id: ColumnId, value: u64) {
        let rows = self.snapshot.regions.len();
        let extras = &mut self.snapshot.extras;
        let at = extras.iter().position(|column| column.id == id).unwrap_or_else(|| {
            extras.push(ExtraColumn { id, values: Vec::new() });
            extras.len() - 1
        });
        // The region of the value is the last one.
        extras[at].values.resize(rows, 0);
        if let Some(last) = extras[at].values.last_mut() {
            *last = value;
        }
    }
}

fn blank() -> Snapshot {
    Snapshot::new(TargetKey(0), Nanos(0), Nanos(0), None)
}

/// The list of records.
pub(super) struct Top<'a, 's>(pub(super) &'a mut State<'s>);

seed!(Top<'_, '_>, deserialize_seq, ());

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records, each with target_id and snapshots")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.at = 0;
        while seq.next_element_seed(RecordSeed(self.0))?.is_some() {
            self.0.at += 1;
            if self.0.at >= MAX_RECORDS {
                return Err(A::Error::custom("more records than there can be"));
            }
        }
        Ok(())
    }
}

struct RecordSeed<'a, 's>(&'a mut State<'s>);

seed!(RecordSeed<'_, '_>, deserialize_map, ());

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum RecordKey {
    KdamondIdx,
    ContextIdx,
    Intervals,
    SchemeIdx,
    TargetId,
    SchemeFilters,
    Snapshots,
    DataSource,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for RecordSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record with target_id and snapshots")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let state = self.0;
        state.last_end = None;
        if !state.is_survey() {
            let mut has_snapshots = false;
            while let Some(key) = map.next_key()? {
                match key {
                    RecordKey::Snapshots => {
                        has_snapshots = true;
                        map.next_value_seed(Snapshots(state))?;
                    }
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            return if has_snapshots { Ok(()) } else { Err(A::Error::missing_field("snapshots")) };
        }
        // Kept from the start, so that a file that ends within a record still has its target.
        state.records.push(Record::default());
        let (mut has_target, mut has_snapshots) = (false, false);
        while let Some(key) = map.next_key()? {
            let index = |number: Option<Number>, what| number.map(|number| small(number, what)).transpose();
            let mut budget = MODERATE;
            if let RecordKey::Snapshots = key {
                has_snapshots = true;
                map.next_value_seed(Snapshots(state))?;
                continue;
            }
            let Some(record) = state.records.last_mut() else { continue };
            match key {
                RecordKey::KdamondIdx => record.kdamond = index(map.next_value_seed(Scalar::Plain)?, "kdamond_idx")?,
                RecordKey::ContextIdx => record.context = index(map.next_value_seed(Scalar::Plain)?, "context_idx")?,
                RecordKey::SchemeIdx => record.scheme = index(map.next_value_seed(Scalar::Plain)?, "scheme_idx")?,
                RecordKey::TargetId => {
                    has_target = true;
                    let id = map.next_value_seed(Scalar::Plain)?;
                    record.target_id = id.map(|id| unsigned(id, "target_id")).transpose()?;
                }
                RecordKey::Intervals => {
                    let value = map.next_value_seed(Small(&mut budget))?;
                    if !value.is_null() {
                        let wrong = || A::Error::custom(format_args!("these are no intervals: {}", shown(&value)));
                        record.intervals = Some(side_data::intervals(&value).ok_or_else(wrong)?);
                        record.goal = value.get("intervals_goal").and_then(side_data::goal);
                    }
                }
                RecordKey::SchemeFilters => {
                    let filters = map.next_value_seed(Small(&mut budget))?;
                    let is_empty = filters.is_null() || filters.as_array().is_some_and(Vec::is_empty);
                    record.scheme_filters = if is_empty { String::new() } else { filters.to_string() };
                }
                RecordKey::DataSource => {
                    let source = map.next_value_seed(Small(&mut budget))?;
                    record.data_source = source.as_str().filter(|source| *source != "unknown").unwrap_or("").to_owned();
                }
                RecordKey::Snapshots | RecordKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match (has_target, has_snapshots) {
            (true, true) => Ok(()),
            (false, _) => Err(A::Error::missing_field("target_id")),
            _ => Err(A::Error::missing_field("snapshots")),
        }
    }
}

struct Snapshots<'a, 's>(&'a mut State<'s>);

seed!(Snapshots<'_, '_>, deserialize_seq, ());

impl<'de> Visitor<'de> for Snapshots<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of snapshots")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(SnapshotSeed(self.0))?.is_some() {}
        self.0.flush().map_err(A::Error::custom)
    }
}

struct SnapshotSeed<'a, 's>(&'a mut State<'s>);

seed!(SnapshotSeed<'_, '_>, deserialize_map, ());

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum SnapshotKey {
    StartTime,
    EndTime,
    Regions,
    DamosStats,
    SampleIntervalUs,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for SnapshotSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot with end_time and regions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let state = self.0;
        state.clear_snapshot();
        let (mut start, mut end, mut sample, mut is_fake) = (None, None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                SnapshotKey::StartTime => start = map.next_value_seed(Scalar::Nanos)?,
                SnapshotKey::EndTime => end = map.next_value_seed(Scalar::Nanos)?,
                SnapshotKey::Regions if state.is_survey() => {
                    is_fake = Some(false);
                    map.next_value::<IgnoredAny>()?;
                }
                SnapshotKey::Regions => is_fake = Some(map.next_value_seed(Regions(state))?),
                SnapshotKey::DamosStats => {
                    let stats = map.next_value::<Option<IgnoredAny>>()?;
                    state.with_stats += u64::from(stats.is_some() && !state.is_survey());
                }
                SnapshotKey::SampleIntervalUs => sample = map.next_value_seed(Scalar::Micros)?,
                SnapshotKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let is_fake = is_fake.ok_or_else(|| A::Error::missing_field("regions"))?;
        let end = end.ok_or_else(|| A::Error::missing_field("end_time"))?;
        if is_fake {
            return Ok(());
        }
        let start = start.map(|start| time(start, "start_time")).transpose()?;
        let sample = sample.map(|sample| small(sample, "sample_interval_us")).transpose()?;
        state.give(start, time(end, "end_time")?, sample.map(|us| Nanos::from_micros(us.into())))
    }
}

/// Gives whether the only region is the mark of where one more snapshot would have ended.
struct Regions<'a, 's>(&'a mut State<'s>);

seed!(Regions<'_, '_>, deserialize_seq, bool);

impl<'de> Visitor<'de> for Regions<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of regions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let state = self.0;
        let intervals = state.intervals();
        let mut probe_hits = std::mem::take(&mut state.probe_hits);
        let mut fakes = 0;
        while let Some(read) = seq.next_element_seed(RegionSeed { intervals, probe_hits: &mut probe_hits })? {
            let Read::Region { region, filter_passed, has_accesses } = read else {
                fakes += 1;
                continue;
            };
            if state.snapshot.regions.len() == MAX_REGIONS {
                return Err(A::Error::custom("more regions in a snapshot than any kernel makes"));
            }
            state.snapshot.regions.push(region);
            state.without_accesses += u64::from(!has_accesses);
            if filter_passed > 0 {
                state.extra(ColumnId::FILTER_PASSED, filter_passed);
            }
            for (id, hits) in ColumnId::of_probes().zip(&probe_hits) {
                state.extra(id, *hits);
            }
        }
        state.probe_hits = probe_hits;
        let rows = state.snapshot.regions.len();
        for column in &mut state.snapshot.extras {
            column.values.resize(rows, 0);
        }
        Ok(fakes == 1 && rows == 0)
    }
}
