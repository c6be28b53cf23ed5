//! What a later file needs of the CPU profile in earlier ones: which code is where, what is sampled, and the table of stacks in use.

use damo_model::profile::{CodeBase, CodeMapping, CodeMappings, KERNEL_PID, ProfileInfo, Stacks};
use damo_model::{Item, Side, Sink, SinkError};
use std::collections::BTreeMap;

/// So many mappings are remembered, of all processes together; beyond it those of the process that was sampled or mapped code
/// longest ago give way, most often one that is gone. The kernel's stay.
const MOST_MAPPINGS: usize = 32 << 10;
/// So many processes, most of which may have told of nothing yet.
const MOST_PROCESSES: usize = 8 << 10;

/// Kept up to date from the stream itself.
#[derive(Default)]
pub(super) struct ProfilePrelude {
    infos: Vec<ProfileInfo>,
    code: BTreeMap<i32, Known>,
    /// Processes by their last use.
    order: BTreeMap<u64, i32>,
    uses: u64,
    mappings: usize,
    /// All nodes of the table in use. Its size is bounded by who samples.
    stacks: Option<Stacks>,
}

struct Known {
    code: CodeMappings,
    last_use: u64,
}

impl ProfilePrelude {
    /// Learns from side data that go into the present file.
    pub(super) fn note(&mut self, side: &Side) {
        match side {
            Side::Profile(info) => self.infos.push(info.clone()),
            Side::Code(code) => self.note_code(code),
            Side::Samples(samples) => samples.threads.iter().for_each(|thread| self.is_used(thread.pid)),
            Side::Stacks(stacks) => match &mut self.stacks {
                Some(known) if known.table == stacks.table => known.nodes.extend_from_slice(&stacks.nodes),
                _ => self.stacks = Some(stacks.clone()),
            },
            _ => {}
        }
    }

    fn note_code(&mut self, code: &CodeMappings) {
        let mappings_of = |pid: i32| self.code.get(&pid).map(|known| known.code.mappings.clone());
        let mut mappings: Vec<CodeMapping> = match code.base {
            CodeBase::Nothing => Vec::new(),
            CodeBase::Kept => mappings_of(code.pid).unwrap_or_default(),
            CodeBase::CopyOf(parent) => mappings_of(parent).unwrap_or_default(),
        };
        mappings.retain(|known| !code.mappings.iter().any(|new| new.start <= known.start && known.end <= new.end));
        mappings.extend_from_slice(&code.mappings);
        self.forget(code.pid);
        self.mappings += mappings.len();
        let code = CodeMappings { base: CodeBase::Nothing, mappings, ..code.clone() };
        let pid = code.pid;
        self.code.insert(pid, Known { code, last_use: 0 });
        self.is_used(pid);
        while (self.mappings > MOST_MAPPINGS || self.order.len() > MOST_PROCESSES) && self.order.len() > 1 {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.forget(oldest);
            }
        }
    }

    fn is_used(&mut self, pid: i32) {
        // The kernel's code is in use as long as anything runs.
        let Some(known) = self.code.get_mut(&pid).filter(|_| pid != KERNEL_PID) else { return };
        self.uses += 1;
        self.order.remove(&std::mem::replace(&mut known.last_use, self.uses));
        self.order.insert(self.uses, pid);
    }

    fn forget(&mut self, pid: i32) {
        if let Some(known) = self.code.remove(&pid) {
            self.order.remove(&known.last_use);
            self.mappings -= known.code.mappings.len();
        }
    }

    /// Writes what the samples of a new file refer to.
    pub(super) fn begin(&self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        for info in &self.infos {
            sink.put(&Item::Side(Side::Profile(info.clone())))?;
        }
        for known in self.code.values() {
            sink.put(&Item::Side(Side::Code(known.code.clone())))?;
        }
        match &self.stacks {
            Some(stacks) => sink.put(&Item::Side(Side::Stacks(stacks.clone()))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::profile::{Sampled, SampledThread, Samples, StackNode};
    use damo_model::{Addr, Nanos, Stamp};

    fn code(pid: i32, base: CodeBase, starts: &[u64]) -> Side {
        let mapping =
            |start: &u64| CodeMapping { start: Addr(*start), end: Addr(start + 10), ..CodeMapping::default() };
        let mappings = starts.iter().map(mapping).collect();
        Side::Code(CodeMappings { at: Stamp::Record(Nanos(0)), pid, base, mappings })
    }

    fn stacks(table: u64, first: u32, n: usize) -> Side {
        Side::Stacks(Stacks { at: Stamp::default(), table, first, nodes: vec![StackNode::default(); n] })
    }

    fn begin(prelude: &ProfilePrelude) -> Vec<Item> {
        let mut out = Vec::new();
        prelude.begin(&mut out).unwrap();
        out
    }

    #[test]
    fn a_later_file_begins_with_the_code_in_force_and_the_table_of_stacks_in_use() {
        let mut prelude = ProfilePrelude::default();
        assert_eq!(begin(&prelude), []);
        let told = [
            Side::Profile(ProfileInfo::default()),
            code(1, CodeBase::Nothing, &[10, 50]),
            code(2, CodeBase::CopyOf(1), &[]),
            code(1, CodeBase::Kept, &[50, 90]),
            code(3, CodeBase::Nothing, &[7]),
            code(3, CodeBase::Nothing, &[8]),
            stacks(1, 0, 3),
            stacks(2, 0, 1),
            stacks(2, 1, 2),
        ];
        told.iter().for_each(|side| prelude.note(side));
        let nothing = CodeBase::Nothing;
        let expected = [
            Side::Profile(ProfileInfo::default()),
            code(1, nothing, &[10, 50, 90]),
            code(2, nothing, &[10, 50]),
            code(3, nothing, &[8]),
            stacks(2, 0, 3),
        ];
        assert_eq!(begin(&prelude), expected.map(Item::Side));
        assert_eq!(prelude.mappings, 6);
    }

    #[test]
    fn processes_that_come_and_go_take_a_bounded_amount_of_memory() {
        let mut prelude = ProfilePrelude::default();
        let starts: Vec<u64> = (0..1000).map(|i| i * 10).collect();
        for pid in 0..100 {
            prelude.note(&code(pid, CodeBase::Nothing, &starts));
        }
        let kept: Vec<i32> = prelude.code.keys().copied().collect();
        assert_eq!((kept.len(), kept.first(), prelude.mappings), (32, Some(&68), 32_000));
    }

    #[test]
    fn the_kernel_and_the_processes_that_are_sampled_stay_however_many_come_and_go() {
        let mut prelude = ProfilePrelude::default();
        prelude.note(&code(KERNEL_PID, CodeBase::Nothing, &[1 << 20]));
        let starts: Vec<u64> = (0..1000).map(|i| i * 10).collect();
        for pid in 0..100 {
            prelude.note(&code(pid, CodeBase::Nothing, &starts));
            let threads = vec![SampledThread { pid: 0, tid: 5, comm: String::new() }];
            let (at, sampled, unit) = (Stamp::default(), Sampled::Cpu, Nanos(1));
            let (samples, addresses) = (Vec::new(), Vec::new());
            prelude.note(&Side::Samples(Samples { at, sampled, table: 1, unit, threads, samples, addresses }));
        }
        let kept: Vec<i32> = prelude.code.keys().copied().collect();
        assert_eq!((kept.len(), &kept[..3]), (33, &[KERNEL_PID, 0, 69][..]));
        // Processes that have told of nothing take memory as well.
        for pid in 1000..20_000 {
            prelude.note(&code(pid, CodeBase::Nothing, &[]));
        }
        assert_eq!((prelude.order.len(), prelude.code.len()), (MOST_PROCESSES, MOST_PROCESSES + 1));
    }
}
