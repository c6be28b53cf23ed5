//! What every file of a rotated recording must begin with to be a record by itself: the meta data, the targets that
//! appear in it, and the parameters and mappings that were in force when it began.

use damo_model::{Item, Mappings, Meta, Params, Side, Sink, SinkError, Target, TargetKey};
use std::collections::{BTreeMap, HashSet};

/// How many targets to remember. A target that is gone is not needed any more, but nothing says that it is gone: the
/// one unused for longest gives way. Far above what one recording has at the same time.
const MOST_TARGETS: usize = 8192;

/// The state that a new file starts from, kept up to date from the stream itself.
#[derive(Default)]
pub(crate) struct Prelude {
    meta: Option<Meta>,
    targets: BTreeMap<TargetKey, Known>,
    params: BTreeMap<(Option<u32>, Option<u32>), Params>,
    mappings: BTreeMap<i32, Mappings>,
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
                self.mappings.insert(mappings.pid, mappings.clone());
            }
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
        Ok(())
    }

    /// Writes the target of `item`, with its mappings, if the present file does not know it yet.
    pub(crate) fn declare(&mut self, item: &Item, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let Item::Snapshot(snapshot) = item else { return Ok(()) };
        if self.declared.contains(&snapshot.target) {
            return Ok(());
        }
        let Some(known) = self.targets.get(&snapshot.target) else { return Ok(()) };
        sink.put(&Item::Target(known.target.clone()))?;
        self.declared.insert(snapshot.target);
        if let Some(mappings) = known.target.process.as_ref().and_then(|process| self.mappings.get(&process.pid)) {
            sink.put(&Item::Side(Side::Mappings(mappings.clone())))?;
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
            self.mappings.remove(&process.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Nanos, Process, Snapshot, Stamp};

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
        let mut file: Vec<Item> = Vec::new();
        prelude.begin(&mut file).unwrap();
        let snapshot = Item::Snapshot(Snapshot::new(TargetKey(1), Nanos(0), Nanos(1), None));
        prelude.declare(&snapshot, &mut file).unwrap();
        prelude.declare(&snapshot, &mut file).unwrap();
        assert!(matches!(
            file.as_slice(),
            [Item::Meta(_), Item::Target(Target { key: TargetKey(1), .. }), Item::Side(Side::Mappings(_))]
        ));
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
}
