//! A part of a record: of its time, its targets, its addresses.
//!
//! A snapshot belongs to the time in which it begins, so that two cuts at one moment share nothing and lack nothing.
//! Side data belong to the time of their stamp; but mappings, their placement and parameters that were in force when the part
//! began come along, with their own stamps, so that names still work. Regions that stick out of the wanted addresses are
//! clipped; mappings are kept whole. Of a CPU profile the samples of the time are kept, and what they refer to: code mappings
//! and stacks of earlier times as well, names of whatever time (`profile`).

mod profile;

use crate::clock::{on_record_clock, stamp_of};
use damo_model::profile::Samples;
use damo_model::{
    AddrRange, ClockPair, ColumnId, ExtraColumn, Item, KdamondIndex, Mappings, Params, Placement, Region, Side, Sink,
    SinkError, Snapshot, Target, TargetKey, TimeSpan,
};
use profile::EarlierProfile;
use std::collections::{BTreeMap, BTreeSet};

/// The part of a record that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// From the first moment, included, to the last, excluded, on the record's clock. `None`: all.
    pub time: Option<TimeSpan>,
    /// These targets. `None`: all.
    pub targets: Option<BTreeSet<TargetKey>>,
    /// Of each target these addresses, sorted and disjoint; of a target that is not named, none. `None`: all of all.
    pub addresses: Option<BTreeMap<TargetKey, Vec<AddrRange>>>,
}

impl Part {
    fn wants_target(&self, key: TargetKey) -> bool {
        self.targets.as_ref().is_none_or(|targets| targets.contains(&key))
    }
}

/// What was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Number of snapshots.
    pub snapshots: u64,
    /// Regions in them.
    pub regions: u64,
    /// Pieces of side data whose time is not known on the record's clock: kept, wherever they belong.
    pub sides_of_unknown_time: u64,
}

/// Cuts on the way to another sink.
pub struct Cut<'a> {
    part: Part,
    clock_pair: Option<ClockPair>,
    targets: BTreeMap<TargetKey, Target>,
    declared: BTreeSet<TargetKey>,
    /// In force when the part begins; handed on when something needs them.
    params: BTreeMap<(Option<KdamondIndex>, Option<u32>), Params>,
    /// Mappings, and where they are placed, by process and target.
    of_processes: BTreeMap<(i32, Option<TargetKey>, bool), Side>,
    profile: EarlierProfile,
    kept: Kept,
    out: &'a mut dyn Sink,
}

impl<'a> Cut<'a> {
    /// Cuts on the way to `out`.
    pub fn new(part: Part, out: &'a mut dyn Sink) -> Self {
        Self {
            part,
            clock_pair: None,
            targets: BTreeMap::new(),
            declared: BTreeSet::new(),
            params: BTreeMap::new(),
            of_processes: BTreeMap::new(),
            profile: EarlierProfile::default(),
            kept: Kept::default(),
            out,
        }
    }

    /// What was kept so far.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    fn add_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SinkError> {
        let key = snapshot.target;
        let within = self.part.time.is_none_or(|wanted| wanted.contains(snapshot.start));
        if !within || !self.part.wants_target(key) {
            return Ok(());
        }
        self.put_params()?;
        self.declare(key)?;
        self.put_mappings(key)?;
        let clipped = match &self.part.addresses {
            None => snapshot.clone(),
            Some(ranges) => clip(snapshot, ranges.get(&key).map_or(&[], Vec::as_slice)),
        };
        self.kept.snapshots += 1;
        self.kept.regions += clipped.regions.len() as u64;
        self.out.put(&Item::Snapshot(clipped))
    }

    fn add_side(&mut self, side: &Side) -> Result<(), SinkError> {
        if !self.wants_side(side) {
            return Ok(());
        }
        if let Side::Samples(samples) = side {
            return self.add_samples(samples);
        }
        let at = stamp_of(side).and_then(|stamp| on_record_clock(stamp, self.clock_pair));
        if let (Some(wanted), Some(at)) = (self.part.time, at) {
            if at < wanted.start {
                match side {
                    Side::Params(params) => {
                        self.params.insert((params.kdamond, params.context), params.clone());
                    }
                    Side::Mappings(mappings) => {
                        self.of_processes.insert((mappings.pid, mappings.target, false), side.clone());
                    }
                    Side::Placement(placement) => {
                        self.of_processes.insert((placement.pid, placement.target, true), side.clone());
                    }
                    _ => self.profile.add(side),
                }
                return Ok(());
            }
            if at >= wanted.end && !profile::is_for_all_times(side) {
                return Ok(());
            }
        }
        if at.is_none() && self.part.time.is_some() {
            self.kept.sides_of_unknown_time += 1;
        }
        self.put_params()?;
        match side {
            Side::Mappings(Mappings { target: Some(key), .. })
            | Side::Placement(Placement { target: Some(key), .. }) => {
                self.declare(*key)?;
            }
            Side::Process(footprint) => footprint.target.map_or(Ok(()), |key| self.declare(key))?,
            _ => self.profile.put_before(side, self.out)?,
        }
        self.out.put(&Item::Side(side.clone()))
    }

    /// The samples that lie in the part, behind what they refer to.
    fn add_samples(&mut self, samples: &Samples) -> Result<(), SinkError> {
        let mut samples = samples.clone();
        let at = on_record_clock(samples.at, self.clock_pair);
        let (unit, part) = (samples.unit, &self.part);
        let is_wanted = |pid: i32| part.targets.is_none() || self.wants_process(pid, None);
        let wanted: Vec<bool> = samples.threads.iter().map(|thread| is_wanted(thread.pid)).collect();
        samples.retain(|sample, _, address| {
            let in_time = match (part.time, at) {
                (Some(wanted), Some(at)) => wanted.contains(sample.moment(at, unit)),
                _ => true,
            };
            let is_wanted = wanted.get(sample.thread as usize).copied().unwrap_or(true);
            let in_addresses = match (&part.addresses, address) {
                (Some(wanted), Some(address)) => {
                    wanted.values().flatten().any(|range| range.start <= address && address < range.end)
                }
                _ => true,
            };
            in_time && is_wanted && in_addresses
        });
        if samples.samples.is_empty() {
            return Ok(());
        }
        self.put_params()?;
        self.profile.put(samples.table, self.out)?;
        self.out.put(&Item::Side(Side::Samples(samples)))
    }

    /// Side data of processes and kdamonds that are not wanted are not, either.
    fn wants_side(&self, side: &Side) -> bool {
        if self.part.targets.is_none() {
            return true;
        }
        match side {
            Side::Mappings(side) => self.wants_process(side.pid, side.target),
            Side::Process(side) => self.wants_process(side.pid, side.target),
            Side::Placement(side) => self.wants_process(side.pid, side.target),
            Side::Cpu(side) => side.kdamond || self.wants_process(side.pid, None),
            Side::Params(side) => self.wants_kdamond(side.kdamond),
            Side::Scheme(side) => self.wants_kdamond(side.kdamond),
            _ => true,
        }
    }

    fn wants_kdamond(&self, kdamond: Option<KdamondIndex>) -> bool {
        self.wanted_targets().any(|target| kdamond.is_none() || target.kdamond.is_none() || target.kdamond == kdamond)
    }

    fn wanted_targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.values().filter(|target| self.part.wants_target(target.key))
    }

    fn wants_process(&self, pid: i32, target: Option<TargetKey>) -> bool {
        let is = |target: &&Target| target.process.as_ref().is_some_and(|process| process.pid == pid);
        match target {
            Some(key) if self.part.wants_target(key) => true,
            // Another view of the same process may be wanted.
            _ => self.wanted_targets().any(|target| is(&target)) || !self.targets.values().any(|target| is(&target)),
        }
    }

    fn put_params(&mut self) -> Result<(), SinkError> {
        for (_, params) in std::mem::take(&mut self.params) {
            self.out.put(&Item::Side(Side::Params(params)))?;
        }
        Ok(())
    }

    /// The mappings of a target that were in force when the part began, and their placement.
    fn put_mappings(&mut self, key: TargetKey) -> Result<(), SinkError> {
        if self.of_processes.is_empty() {
            return Ok(());
        }
        let pid = |target: &Target| target.process.as_ref().map(|process| process.pid);
        let own = self.targets.get(&key).and_then(pid);
        let known: BTreeSet<i32> = self.targets.values().filter_map(pid).collect();
        let ours = |at: &(i32, Option<TargetKey>, bool)| match at.1 {
            Some(target) => target == key || own == Some(at.0),
            None => own == Some(at.0) || !known.contains(&at.0),
        };
        let due: Vec<_> = self.of_processes.keys().copied().filter(ours).collect();
        for at in due {
            if let Some(side) = self.of_processes.remove(&at) {
                self.out.put(&Item::Side(side))?;
            }
        }
        Ok(())
    }

    /// Targets that do not appear in the part are not in it.
    fn declare(&mut self, key: TargetKey) -> Result<(), SinkError> {
        if !self.declared.contains(&key)
            && let Some(target) = self.targets.get(&key)
        {
            self.declared.insert(key);
            self.out.put(&Item::Target(target.clone()))?;
        }
        Ok(())
    }
}

impl Sink for Cut<'_> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Meta(meta) => {
                self.clock_pair = meta.clock_pair;
                self.out.put(item)
            }
            Item::Target(target) => {
                self.targets.insert(target.key, target.clone());
                // More became known of one that is in the part.
                if self.declared.contains(&target.key) { self.out.put(item) } else { Ok(()) }
            }
            Item::Snapshot(snapshot) => self.add_snapshot(snapshot),
            Item::Side(side) => self.add_side(side),
            _ => self.out.put(item),
        }
    }
}

/// The parts of a snapshot's regions that lie in `ranges`.
fn clip(snapshot: &Snapshot, ranges: &[AddrRange]) -> Snapshot {
    let mut clipped = Snapshot { regions: Vec::new(), extras: Vec::new(), ..snapshot.clone() };
    let mut extras: Vec<ExtraColumn> =
        snapshot.extras.iter().map(|extra| ExtraColumn { id: extra.id, values: Vec::new() }).collect();
    for (row, region) in snapshot.regions.iter().enumerate() {
        let first = ranges.partition_point(|range| range.end <= region.start);
        let touching = ranges.get(first..).unwrap_or_default();
        for part in touching.iter().map_while(|range| range.intersection(region.range())) {
            clipped.regions.push(Region { start: part.start, end: part.end, ..*region });
            for (extra, whole) in extras.iter_mut().zip(&snapshot.extras) {
                let value = whole.values.get(row).copied().unwrap_or(0);
                // No more bytes of a part can have passed than it has.
                let most = if extra.id == ColumnId::FILTER_PASSED { part.size().0 } else { u64::MAX };
                extra.values.push(value.min(most));
            }
        }
    }
    clipped.extras = extras;
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Addr, Age, Mark, Meta, Nanos, NrAccesses, Process, Stamp};

    fn target(key: u32) -> Item {
        let process = Some(Process { pid: 100 + key as i32, ..Process::default() });
        Item::Target(Target { key: TargetKey(key), process, ..Target::default() })
    }

    fn snapshot(key: u32, n: i64) -> Item {
        let mut snapshot = Snapshot::new(TargetKey(key), Nanos(n * 100), Nanos(n * 100 + 100), None);
        let region = |i: u64| Region::new(Addr(i * 10), Addr(i * 10 + 10), NrAccesses(i as u32), Some(Age(1)));
        snapshot.regions = (0..4).map(region).collect();
        Item::Snapshot(snapshot)
    }

    fn mappings(at: i64, pid: i32) -> Item {
        Item::Side(Side::Mappings(Mappings { at: Stamp::Record(Nanos(at)), pid, target: None, mappings: Vec::new() }))
    }

    fn placement(at: i64, pid: i32) -> Item {
        let (at, memory, threads) = (Stamp::Record(Nanos(at)), Vec::new(), Vec::new());
        Item::Side(Side::Placement(Placement { at, pid, target: None, memory, threads }))
    }

    fn mark(at: i64) -> Item {
        Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(at)), text: String::new() }))
    }

    pub(super) fn cut(part: Part, items: &[Item]) -> Vec<Item> {
        let mut out: Vec<Item> = Vec::new();
        let mut cut = Cut::new(part, &mut out);
        items.iter().for_each(|item| cut.put(item).unwrap());
        out
    }

    #[test]
    fn a_part_begins_with_the_mappings_in_force_and_has_only_its_targets() {
        let mut items = vec![Item::Meta(Meta::default()), target(0), target(1)];
        items.extend([mappings(0, 100), mappings(0, 101), mappings(150, 100), mark(199), mark(200)]);
        items.extend((0..5).map(|n| snapshot(0, n)));
        items.push(snapshot(1, 0));
        items.insert(3, placement(10, 100));
        items.insert(3, placement(20, 101));
        let out = cut(Part { time: Some(TimeSpan::new(Nanos(200), Nanos(400))), ..Part::default() }, &items);
        let meta = Item::Meta(Meta::default());
        let in_force = [mappings(150, 100), placement(10, 100)];
        let expected = [[meta, mark(200), target(0)].as_slice(), &in_force, &[snapshot(0, 2), snapshot(0, 3)]].concat();
        assert_eq!(out, expected);
    }

    #[test]
    fn side_data_of_other_processes_is_left_out_with_their_targets() {
        let items = [
            Item::Meta(Meta::default()),
            target(0),
            target(1),
            mappings(0, 100),
            mappings(0, 101),
            placement(0, 100),
            mark(5),
        ];
        let part = Part { targets: Some(BTreeSet::from([TargetKey(1)])), ..Part::default() };
        assert_eq!(cut(part, &items), [Item::Meta(Meta::default()), mappings(0, 101), mark(5)]);
    }

    #[test]
    fn regions_are_clipped_to_the_wanted_addresses() {
        let items = [Item::Meta(Meta::default()), target(0), snapshot(0, 0)];
        let range = |start, end| AddrRange::new(Addr(start), Addr(end));
        let ranges = BTreeMap::from([(TargetKey(0), vec![range(5, 8), range(9, 12), range(38, 99)])]);
        let out = cut(Part { addresses: Some(ranges), ..Part::default() }, &items);
        let Some(Item::Snapshot(snapshot)) = out.last() else { panic!("a snapshot") };
        let rows: Vec<_> = snapshot.regions.iter().map(|r| (r.start.0, r.end.0, r.nr_accesses.0)).collect();
        assert_eq!(rows, [(5, 8, 0), (9, 10, 0), (10, 12, 1), (38, 40, 3)]);
    }
}
