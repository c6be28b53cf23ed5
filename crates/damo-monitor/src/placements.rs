//! On which NUMA nodes a target's memory was, over time, in bounded memory.

use damo_model::{Nanos, PlacedMemory};

/// More placements of one target are not kept: of older ones every second is left out.
const MOST: usize = 64;
/// What the placements of all targets may take in memory.
const MOST_BYTES: usize = 8 << 20;

/// A target's placements, in time order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placements {
    times: Vec<(Nanos, PlacedMemory)>,
    pub(crate) bytes: usize,
}

impl Placements {
    /// Adds one; `others` is what those of other targets take. Where there is not room for all, only the last one is kept,
    /// and where there is not even room for that one, it is left out.
    pub(crate) fn push(&mut self, at: Nanos, placed: PlacedMemory, others: usize) {
        let size = placed.memory();
        if self.times.last().is_some_and(|(last, _)| *last > at) || others.saturating_add(size) > MOST_BYTES {
            return;
        }
        if others.saturating_add(self.bytes).saturating_add(size) > MOST_BYTES {
            self.times.clear();
        }
        if self.times.len() >= MOST {
            let mut number = 0;
            self.times.retain(|_| {
                number += 1;
                number > MOST / 2 || number % 2 == 1
            });
        }
        self.times.push((at, placed));
        self.bytes = self.times.iter().map(|(_, placed)| placed.memory()).sum();
    }

    /// The placement in force at a moment; before the first one, that one.
    pub(crate) fn at(&self, at: Nanos) -> Option<&PlacedMemory> {
        let after = self.times.partition_point(|(from, _)| *from <= at);
        self.times.get(after.saturating_sub(1)).map(|(_, placed)| placed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Addr, Bytes, NodeMemory, Placement, Stamp};

    fn placed(mappings: u64, node: u32) -> PlacedMemory {
        let row = |i: u64| NodeMemory { start: Addr(i * 8192), end: Addr(i * 8192 + 4096), node, bytes: Bytes(4096) };
        let memory = (0..mappings).map(row).collect();
        PlacedMemory::from(&Placement { at: Stamp::default(), pid: 1, target: None, memory, threads: Vec::new() })
    }

    #[test]
    fn memory_is_bounded_and_the_last_placement_stays() {
        let mut placements = Placements::default();
        for second in 0..1000 {
            placements.push(Nanos::from_secs(second), placed(1000, second as u32), 1 << 20);
            assert!(placements.times.len() <= MOST && placements.bytes <= MOST_BYTES);
        }
        assert_eq!(placements.at(Nanos::from_secs(5000)), Some(&placed(1000, 999)));
        placements.push(Nanos::from_secs(1000), placed(1, 0), MOST_BYTES);
        assert_eq!(placements.at(Nanos::from_secs(5000)), Some(&placed(1000, 999)), "there is no room");
    }
}
