//! What every file of a rotated recording must begin with to be a record by itself: the meta data, the targets that
//! appear in it, and the parameters, mappings and their placement that were in force when it began.

use super::prelude_profile::ProfilePrelude;
use damo_model::{
    Item, KdamondIndex, Mapping, Mappings, Meta, NodeMemory, Params, Placement, Side, Sink, SinkError, Target,
    TargetKey,
};
use std::collections::{BTreeMap, HashSet};

/// How many targets to remember. A target that is gone is not needed any more, but nothing says that it is gone: the
/// one unused for longest gives way. Far above what one recording has at the same time.
const MOST_TARGETS: usize = 8192;
/// What the lists of mappings may take in memory, roughly: those of a hundred large programs. Beyond it the list of the
/// target unused for longest, most often a process that is gone, gives way: a later file then has the target without it.
const MOST_MAPPING_BYTES: usize = 8 << 20;

/// The state that a new file starts from, kept up to date from the stream itself.
#[derive(Default)]
pub(crate) struct Prelude {
    meta: Option<Meta>,
    targets: BTreeMap<TargetKey, Known>,
    params: BTreeMap<(Option<KdamondIndex>, Option<u32>), Params>,
    mappings: BTreeMap<i32, Mappings>,
    /// On which NUMA nodes they are.
    placements: BTreeMap<i32, Placement>,
    mapping_bytes: usize,
    profile: ProfilePrelude,
    declared: HashSet<TargetKey>,
    uses: u64,
}

struct Known {
    target: Target,
    last_use: u64,
}

impl Prelude {
    /// Learns from an item that goes into the present file.
    pub(crate) fn note(&mut self, item: &Item) {
        match item {
            Item::Meta(meta) => self.meta = Some(meta.clone()),
            Item::Target(target) => {
                self.uses += 1;
                self.targets.insert(target.key, Known { target: target.clone(), last_use: self.uses });
                self.declared.insert(target.key);
                self.forget_the_oldest();
            }
            Item::Snapshot(snapshot) => {
                self.uses += 1;
                if let Some(known) = self.targets.get_mut(&snapshot.target) {
                    known.last_use = self.uses;
                }
            }
            Item::Side(Side::Params(params)) => {
                self.params.insert((params.kdamond, params.context), params.clone());
            }
            Item::Side(Side::Mappings(mappings)) => {
                let before = self.mappings.insert(mappings.pid, mappings.clone());
                self.mapping_bytes += size(mappings);
                self.mapping_bytes -= before.as_ref().map_or(0, size);
                self.forget_the_oldest_mappings();
            }
            Item::Side(Side::Placement(placement)) => {
                let before = self.placements.insert(placement.pid, placement.clone());
                self.mapping_bytes += placement_size(placement);
                self.mapping_bytes -= before.as_ref().map_or(0, placement_size);
                self.forget_the_oldest_mappings();
            }
            Item::Side(side) => self.profile.note(side),
            _ => {}
        }
    }

    /// Writes the beginning of a new file. Targets follow when a snapshot of theirs does, see [`Prelude::declare`].
    pub(crate) fn begin(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.declared.clear();
        if let Some(meta) = &self.meta {
            sink.put(&Item::Meta(meta.clone()))?;
        }
        for params in self.params.values() {
            sink.put(&Item::Side(Side::Params(params.clone())))?;
        }
        self.profile.begin(sink)
    }

    /// How many targets the present file knows.
    pub(crate) fn nr_declared(&self) -> usize {
        self.declared.len()
    }

    /// Whether `item` makes the present file know one more.
    pub(crate) fn is_new(&self, item: &Item) -> bool {
        match item {
            Item::Target(target) => !self.declared.contains(&target.key),
            Item::Snapshot(snapshot) => !self.declared.contains(&snapshot.target),
            _ => false,
        }
    }

    /// Writes `item`, behind its target if the present file does not know that yet, and keeps what later files need of it.
    pub(crate) fn put(&mut self, item: &Item, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.declare(item, sink)?;
        sink.put(item)?;
        self.note(item);
        Ok(())
    }

    /// Writes the target of `item`, with its mappings, if the present file does not know it yet.
    fn declare(&mut self, item: &Item, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let Item::Snapshot(snapshot) = item else { return Ok(()) };
        if self.declared.contains(&snapshot.target) {
            return Ok(());
        }
        let Some(known) = self.targets.get(&snapshot.target) else { return Ok(()) };
        sink.put(&Item::Target(known.target.clone()))?;
        self.declared.insert(snapshot.target);
        let Some(process) = &known.target.process else { return Ok(()) };
        if let Some(mappings) = self.mappings.get(&process.pid) {
            sink.put(&Item::Side(Side::Mappings(mappings.clone())))?;
        }
        if let Some(placement) = self.placements.get(&process.pid) {
            sink.put(&Item::Side(Side::Placement(placement.clone())))?;
        }
        Ok(())
    }

    fn forget_the_oldest(&mut self) {
        if self.targets.len() <= MOST_TARGETS {
            return;
        }
        let oldest = self.targets.iter().min_by_key(|(_, known)| known.last_use).map(|(key, _)| *key);
        if let Some(known) = oldest.and_then(|key| self.targets.remove(&key))
            && let Some(process) = known.target.process
        {
            self.forget_mappings(process.pid);
        }
    }

    fn forget_mappings(&mut self, pid: i32) {
        if let Some(mappings) = self.mappings.remove(&pid) {
            self.mapping_bytes -= size(&mappings);
        }
        if let Some(placement) = self.placements.remove(&pid) {
            self.mapping_bytes -= placement_size(&placement);
        }
    }

    fn forget_the_oldest_mappings(&mut self) {
        if self.mapping_bytes <= MOST_MAPPING_BYTES {
            return;
        }
        let mut last_uses: BTreeMap<i32, u64> = BTreeMap::new();
        for known in self.targets.values() {
            if let Some(process) = &known.target.process {
                let last_use = last_uses.entry(process.pid).or_default();
                *last_use = known.last_use.max(*last_use);
            }
        }
        let mut pids: Vec<i32> = self.mappings.keys().chain(self.placements.keys()).copied().collect();
        pids.sort_by_key(|pid| last_uses.get(pid));
        // Some more at once, so that it is not done for each list that comes.
        for pid in pids {
            if self.mapping_bytes <= MOST_MAPPING_BYTES / 8 * 7 {
                break;
            }
            self.forget_mappings(pid);
        }
    }
}

/// What a list of mappings takes in memory, roughly.
fn size(mappings: &Mappings) -> usize {
    let one = |mapping: &Mapping| size_of::<Mapping>() + mapping.perms.len() + mapping.name.len();
    size_of::<Mappings>() + mappings.mappings.iter().map(one).sum::<usize>()
}

fn placement_size(placement: &Placement) -> usize {
    size_of::<Placement>() + (placement.memory.len() + placement.threads.len()) * size_of::<NodeMemory>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Addr, Bytes, Nanos, Process, Snapshot, Stamp};

    #[test]
    fn a_new_file_gets_meta_parameters_and_only_the_targets_that_appear_in_it() {
        let mut prelude = Prelude::default();
        prelude.note(&Item::Meta(Meta { tool: "t".into(), ..Meta::default() }));
        for key in [0, 1] {
            let process = Some(Process { pid: 10 + key as i32, ..Process::default() });
            prelude.note(&Item::Target(Target { key: TargetKey(key), process, ..Target::default() }));
        }
        let at = Stamp::Record(Nanos(5));
        prelude.note(&Item::Side(Side::Mappings(Mappings { at, pid: 11, target: None, mappings: vec![] })));
        let placement = Placement { at, pid: 11, target: None, memory: vec![], threads: vec![] };
        prelude.note(&Item::Side(Side::Placement(placement)));
        let mut file: Vec<Item> = Vec::new();
        prelude.begin(&mut file).unwrap();
        let snapshot = Item::Snapshot(Snapshot::new(TargetKey(1), Nanos(0), Nanos(1), None));
        prelude.declare(&snapshot, &mut file).unwrap();
        prelude.declare(&snapshot, &mut file).unwrap();
        let [meta, target, mappings, placement] = file.as_slice() else { panic!("{file:?}") };
        assert!(matches!((meta, target), (Item::Meta(_), Item::Target(Target { key: TargetKey(1), .. }))));
        assert!(matches!((mappings, placement), (Item::Side(Side::Mappings(_)), Item::Side(Side::Placement(_)))));
    }

    #[test]
    fn a_recording_that_sees_a_million_targets_remembers_a_bounded_number() {
        let mut prelude = Prelude::default();
        for key in 0..20_000 {
            prelude.note(&Item::Target(Target { key: TargetKey(key), ..Target::default() }));
            prelude.note(&Item::Snapshot(Snapshot::new(TargetKey(0), Nanos(0), Nanos(1), None)));
        }
        assert!(prelude.targets.len() <= MOST_TARGETS);
        assert!(prelude.targets.contains_key(&TargetKey(0)), "the one in use stays");
    }

    #[test]
    fn the_mappings_of_processes_that_are_gone_take_a_bounded_part_of_memory() {
        let mut prelude = Prelude::default();
        let snapshot = |key| Item::Snapshot(Snapshot::new(TargetKey(key), Nanos(0), Nanos(1), None));
        for key in 0..8000 {
            let process = Some(Process { pid: 10 + key as i32, ..Process::default() });
            prelude.note(&Item::Target(Target { key: TargetKey(key), process, ..Target::default() }));
            let mapping = Mapping {
                start: Addr(0x1000),
                end: Addr(0x2000),
                perms: "r-xp".into(),
                offset: Bytes(0),
                name: "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30".into(),
            };
            let at = Stamp::Record(Nanos(5));
            let (pid, mappings) = (10 + key as i32, vec![mapping; 80]);
            prelude.note(&Item::Side(Side::Mappings(Mappings { at, pid, target: None, mappings })));
            let (memory, threads) = (vec![NodeMemory::default(); 80], Vec::new());
            prelude.note(&Item::Side(Side::Placement(Placement { at, pid, target: None, memory, threads })));
            prelude.note(&snapshot(key));
            prelude.note(&snapshot(0));
        }
        let held = prelude.mappings.values().map(size).chain(prelude.placements.values().map(placement_size));
        let held = held.sum::<usize>();
        assert!((1..=MOST_MAPPING_BYTES).contains(&held), "{held}");
        assert_eq!(held, prelude.mapping_bytes);
        let mut file: Vec<Item> = Vec::new();
        prelude.begin(&mut file).unwrap();
        prelude.declare(&snapshot(0), &mut file).unwrap();
        assert!(matches!(file.as_slice(), [Item::Target(_), Item::Side(_), Item::Side(_)]), "the one in use stays");
    }
}
