//! Call stacks, each once: a tree whose nodes are frames, told to the record as they become known.

use damo_model::profile::{FrameKind, StackNode, Stacks};
use damo_model::{Addr, Stamp};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// A table with so many nodes is given up for a new one: code that is made at run time has ever new addresses, and what a
/// recorder and the beginning of a rotated file keep in memory must not grow without end.
const MOST_NODES: usize = 1 << 15;

/// The table in use.
pub(super) struct StackTable {
    number: u64,
    nodes: HashMap<StackNode, u32>,
    /// Those that the record does not have yet.
    untold: Vec<StackNode>,
}

impl StackTable {
    pub(super) fn new() -> Self {
        // The keys of the map's hasher are random in each process; the time of day is not needed for a number that nobody
        // must guess, only not have twice.
        let number = RandomState::new().hash_one(std::process::id());
        Self { number, nodes: HashMap::new(), untold: Vec::new() }
    }

    /// The table's number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether a new table is due.
    pub(super) fn is_full(&self) -> bool {
        self.nodes.len() >= MOST_NODES
    }

    /// The node of a chain of frames, innermost first; `None` for an empty one. A chain that the kernel cut has no outermost frame.
    pub(super) fn node(&mut self, frames: &[(FrameKind, Addr)], is_cut: bool) -> Option<u32> {
        let cut = is_cut.then_some((FrameKind::Cut, Addr(0)));
        let mut parent = None;
        for (kind, address) in cut.into_iter().chain(frames.iter().rev().copied()) {
            let node = StackNode { parent, address, kind };
            let next = self.nodes.len() as u32;
            parent = Some(*self.nodes.entry(node).or_insert_with(|| {
                self.untold.push(node);
                next
            }));
        }
        parent
    }

    /// The nodes that became known since the last call, seen from this moment on.
    pub(super) fn take(&mut self, at: Stamp) -> Option<Stacks> {
        let nodes = std::mem::take(&mut self.untold);
        let first = (self.nodes.len() - nodes.len()) as u32;
        (!nodes.is_empty()).then_some(Stacks { at, table: self.number, first, nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(addresses: &[u64]) -> Vec<(FrameKind, Addr)> {
        addresses.iter().map(|address| (FrameKind::User, Addr(*address))).collect()
    }

    #[test]
    fn stacks_share_their_outer_frames_and_are_told_once() {
        let mut table = StackTable::new();
        let leaf = table.node(&frames(&[3, 2, 1]), false);
        assert_eq!((leaf, table.node(&frames(&[3, 2, 1]), false)), (Some(2), Some(2)));
        assert_eq!(table.node(&frames(&[4, 2, 1]), false), Some(3));
        let told = table.take(Stamp::default()).unwrap();
        let parents: Vec<Option<u32>> = told.nodes.iter().map(|node| node.parent).collect();
        assert_eq!((told.first, parents), (0, vec![None, Some(0), Some(1), Some(1)]));
        assert_eq!(table.take(Stamp::default()), None);
        assert_eq!(table.node(&frames(&[1]), true), Some(5));
        let told = table.take(Stamp::default()).unwrap();
        assert_eq!((told.first, told.nodes[0].kind, told.nodes[1].parent), (4, FrameKind::Cut, Some(4)));
        assert_eq!(table.node(&[], false), None);
        assert_ne!(StackTable::new().number(), table.number());
    }
}
