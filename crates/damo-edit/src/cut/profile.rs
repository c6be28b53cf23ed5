//! What samples in a part refer to although it was recorded before the part begins.

use damo_model::profile::Stacks;
use damo_model::{Item, Side, Sink, SinkError};
use std::collections::BTreeMap;

/// Kept until a sample needs it.
#[derive(Default)]
pub(super) struct EarlierProfile {
    /// Code mappings and what was sampled, in order.
    sides: Vec<Side>,
    /// Stacks by table.
    stacks: BTreeMap<u64, Vec<Stacks>>,
}

impl EarlierProfile {
    /// Keeps a piece of side data from before the part, if samples may refer to it.
    pub(super) fn add(&mut self, side: &Side) {
        match side {
            Side::Stacks(stacks) => self.stacks.entry(stacks.table).or_default().push(stacks.clone()),
            side if is_for_all_times(side) || matches!(side, Side::Code(_)) => self.sides.push(side.clone()),
            _ => {}
        }
    }

    /// Writes what samples with stacks of this table refer to, unless that was done.
    pub(super) fn put(&mut self, table: u64, out: &mut dyn Sink) -> Result<(), SinkError> {
        self.put_code(out)?;
        for stacks in self.stacks.remove(&table).unwrap_or_default() {
            out.put(&Item::Side(Side::Stacks(stacks)))?;
        }
        Ok(())
    }

    /// Writes what has to stand before a piece of the part: earlier mappings before later ones, and a table's nodes in order.
    pub(super) fn put_before(&mut self, side: &Side, out: &mut dyn Sink) -> Result<(), SinkError> {
        match side {
            Side::Stacks(stacks) => self.put(stacks.table, out),
            Side::Code(_) => self.put_code(out),
            _ => Ok(()),
        }
    }

    fn put_code(&mut self, out: &mut dyn Sink) -> Result<(), SinkError> {
        std::mem::take(&mut self.sides).into_iter().try_for_each(|side| out.put(&Item::Side(side)))
    }
}

/// Whether a piece of side data belongs to samples of any time: what was sampled, and the names of code.
pub(super) fn is_for_all_times(side: &Side) -> bool {
    matches!(side, Side::Profile(_) | Side::Symbols(_))
}

#[cfg(test)]
mod tests {
    use super::super::Part;
    use super::super::tests::cut;
    use super::*;
    use damo_model::profile::{
        CodeBase, CodeMappings, ProfileInfo, Sample, Sampled, SampledThread, Samples, StackNode, Symbols,
    };
    use damo_model::{Meta, Nanos, Process, Stamp, Target, TargetKey, TimeSpan};
    use std::collections::BTreeSet;

    fn at(time: i64) -> Stamp {
        Stamp::Record(Nanos(time))
    }

    fn stacks(time: i64, table: u64) -> Item {
        let nodes = vec![StackNode::default()];
        Item::Side(Side::Stacks(Stacks { at: at(time), table, first: 0, nodes }))
    }

    fn code(time: i64) -> Item {
        let (base, mappings) = (CodeBase::Nothing, Vec::new());
        Item::Side(Side::Code(CodeMappings { at: at(time), pid: 1, base, mappings }))
    }

    /// A sample of each of the processes at each of the times, after `time`.
    fn samples(time: i64, table: u64, rows: &[(u32, i32)]) -> Item {
        let pids: BTreeSet<i32> = rows.iter().map(|row| row.1).collect();
        let thread = |pid: i32| SampledThread { pid, tid: pid, comm: String::new() };
        let position = |pid| pids.iter().position(|known| *known == pid).unwrap() as u32;
        let sample = |row: &(u32, i32)| Sample { time: row.0, thread: position(row.1), stack: 0, weight: 1 };
        Item::Side(Side::Samples(Samples {
            at: at(time),
            sampled: Sampled::Cpu,
            table,
            unit: Nanos(1),
            threads: pids.iter().copied().map(thread).collect(),
            samples: rows.iter().map(sample).collect(),
            addresses: Vec::new(),
        }))
    }

    #[test]
    fn samples_of_the_time_are_kept_with_code_stacks_and_names_of_other_times() {
        let info = Item::Side(Side::Profile(ProfileInfo { at: at(0), ..ProfileInfo::default() }));
        let names = Item::Side(Side::Symbols(Symbols { at: at(900), ..Symbols::default() }));
        let meta = Item::Meta(Meta::default());
        let items = [
            meta.clone(),
            info.clone(),
            code(0),
            stacks(1, 7),
            samples(1, 7, &[(0, 1), (9, 1)]),
            stacks(90, 8),
            samples(90, 8, &[(5, 1), (10, 1), (60, 2)]),
            stacks(160, 8),
            samples(199, 8, &[(0, 1), (1, 1)]),
            samples(300, 8, &[(0, 1)]),
            names.clone(),
        ];
        let part = Part { time: Some(TimeSpan::new(Nanos(100), Nanos(200))), ..Part::default() };
        let first = samples(90, 8, &[(10, 1), (60, 2)]);
        let last = samples(199, 8, &[(0, 1)]);
        assert_eq!(cut(part, &items), [meta, info, code(0), stacks(90, 8), first, stacks(160, 8), last, names]);
    }

    #[test]
    fn samples_of_other_targets_are_left_out() {
        let target = |key: u32| {
            let process = Some(Process { pid: 100 + key as i32, ..Process::default() });
            Item::Target(Target { key: TargetKey(key), process, ..Target::default() })
        };
        let meta = Item::Meta(Meta::default());
        let all = samples(0, 7, &[(0, 100), (0, 101), (1, 5)]);
        let items = [meta.clone(), target(0), target(1), stacks(0, 7), all];
        let part = Part { targets: Some(BTreeSet::from([TargetKey(1)])), ..Part::default() };
        // 5 is no target: a child of one, or unknown.
        let kept = cut(part, &items);
        let Some(Item::Side(Side::Samples(kept))) = kept.last() else { panic!("samples: {kept:?}") };
        assert_eq!(kept.threads.iter().map(|thread| thread.pid).collect::<Vec<_>>(), [5, 101]);
    }

    #[test]
    fn nodes_and_code_of_the_part_stand_behind_the_earlier_ones_of_their_table() {
        let nodes = |time, first| {
            Item::Side(Side::Stacks(Stacks { at: at(time), table: 8, first, nodes: vec![StackNode::default()] }))
        };
        let (meta, late) = (Item::Meta(Meta::default()), samples(150, 8, &[(0, 1)]));
        let items = [meta, code(0), nodes(90, 0), code(110), nodes(110, 1), late];
        let part = Part { time: Some(TimeSpan::new(Nanos(100), Nanos(200))), ..Part::default() };
        let [meta, code, nodes, later_code, later_nodes, late] = items.clone();
        assert_eq!(cut(part, &items), [meta, code, later_code, nodes, later_nodes, late]);
    }
}
