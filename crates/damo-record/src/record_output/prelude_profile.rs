//! What a later file needs of the CPU profile in earlier ones: which code is where, what is sampled, and the table of stacks in use.

use damo_model::profile::{CodeBase, CodeMapping, CodeMappings, ProfileInfo, Stacks};
use damo_model::{Item, Side, Sink, SinkError};
use std::collections::{BTreeMap, VecDeque};

/// So many mappings are remembered, of all processes together; beyond it those of the process that was told of longest ago give
/// way, most often one that is gone.
const MOST_MAPPINGS: usize = 32 << 10;

/// Kept up to date from the stream itself.
#[derive(Default)]
pub(super) struct ProfilePrelude {
    infos: Vec<ProfileInfo>,
    code: BTreeMap<i32, CodeMappings>,
    /// Processes in the order in which they were first told of.
    order: VecDeque<i32>,
    mappings: usize,
    /// All nodes of the table in use. Its size is bounded by who samples.
    stacks: Option<Stacks>,
}

impl ProfilePrelude {
    /// Learns from side data that go into the present file.
    pub(super) fn note(&mut self, side: &Side) {
        match side {
            Side::Profile(info) => self.infos.push(info.clone()),
            Side::Code(code) => self.note_code(code),
            Side::Stacks(stacks) => match &mut self.stacks {
                Some(known) if known.table == stacks.table => known.nodes.extend_from_slice(&stacks.nodes),
                _ => self.stacks = Some(stacks.clone()),
            },
            _ => {}
        }
    }

    fn note_code(&mut self, code: &CodeMappings) {
        let before = match code.base {
            CodeBase::Nothing => Vec::new(),
            CodeBase::Kept => self.code.remove(&code.pid).map(|known| known.mappings).unwrap_or_default(),
            CodeBase::CopyOf(parent) => self.code.get(&parent).map(|known| known.mappings.clone()).unwrap_or_default(),
        };
        let is_covered =
            |known: &CodeMapping| code.mappings.iter().any(|new| new.start <= known.start && known.end <= new.end);
        let mut mappings: Vec<CodeMapping> = before;
        let had = if code.base == CodeBase::Kept { mappings.len() } else { 0 };
        mappings.retain(|known| !is_covered(known));
        mappings.extend_from_slice(&code.mappings);
        self.mappings = (self.mappings + mappings.len()).saturating_sub(had);
        let all = CodeMappings { base: CodeBase::Nothing, mappings, ..code.clone() };
        match self.code.insert(code.pid, all) {
            Some(replaced) => self.mappings = self.mappings.saturating_sub(replaced.mappings.len()),
            None if !self.order.contains(&code.pid) => self.order.push_back(code.pid),
            None => {}
        }
        while self.mappings > MOST_MAPPINGS && self.order.len() > 1 {
            if let Some(gone) = self.order.pop_front().and_then(|pid| self.code.remove(&pid)) {
                self.mappings = self.mappings.saturating_sub(gone.mappings.len());
            }
        }
    }

    /// Writes what the samples of a new file refer to.
    pub(super) fn begin(&self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        for info in &self.infos {
            sink.put(&Item::Side(Side::Profile(info.clone())))?;
        }
        for code in self.code.values() {
            sink.put(&Item::Side(Side::Code(code.clone())))?;
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
    use damo_model::profile::StackNode;
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
}
