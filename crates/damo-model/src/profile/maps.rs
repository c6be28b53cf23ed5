//! Which code is where, at which moment.

use super::{CodeBase, CodeMapping, CodeMappings, KERNEL_PID};
use crate::{Addr, Nanos};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Code mappings of all processes over time.
///
/// Made of all [`CodeMappings`] of a record, each with its moment on the record's clock; then asked what was at an address.
#[derive(Clone, Debug, Default)]
pub struct CodeMaps {
    /// All mappings that there ever were; others refer to them by position.
    mappings: Vec<Arc<CodeMapping>>,
    positions: HashMap<Arc<CodeMapping>, u32>,
    /// Of each process what it has from each moment on, by time.
    processes: HashMap<i32, Vec<(Nanos, Arc<Space>)>>,
    /// How many mappings were copied, because others took their place or a process was copied.
    copied: usize,
}

/// More are not copied: a record that is not trusted could fill the memory. Later mappings then hold for
/// the time before as well, and those that a copied process adds are left out.
const MOST_COPIED: usize = 1 << 22;

/// The mappings of a process by start: the end, and the position of the mapping that is there.
type Space = BTreeMap<u64, (u64, u32)>;

impl CodeMaps {
    /// Takes all entries, with their moments; those of one moment in the order in which they are given.
    pub fn new<'a>(entries: impl IntoIterator<Item = (Nanos, &'a CodeMappings)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|(at, _)| *at);
        let mut maps = Self::default();
        for (at, entry) in entries {
            maps.add(at, entry);
        }
        maps
    }

    fn add(&mut self, at: Nanos, entry: &CodeMappings) {
        let last = |pid: i32| self.processes.get(&pid).and_then(|spaces| spaces.last());
        let space = match entry.base {
            CodeBase::Nothing => Arc::default(),
            CodeBase::Kept => last(entry.pid).map(|(_, space)| space.clone()).unwrap_or_default(),
            CodeBase::CopyOf(parent) => last(parent).map(|(_, space)| space.clone()).unwrap_or_default(),
        };
        let mappings: Vec<(u64, u64, u32)> = entry
            .mappings
            .iter()
            .filter(|mapping| mapping.start < mapping.end)
            .map(|mapping| (mapping.start.0, mapping.end.0, self.position(mapping)))
            .collect();
        // Where nothing was before, it does no harm that a mapping is there somewhat earlier, and saves a copy of the rest.
        let adds = entry.base == CodeBase::Kept && mappings.iter().all(|mapping| is_free(&space, *mapping));
        let spaces = self.processes.entry(entry.pid).or_default();
        let in_place = adds || self.copied > MOST_COPIED;
        match spaces.last_mut() {
            Some((last, old)) if *last == at || (in_place && entry.base == CodeBase::Kept) => *old = space,
            _ => spaces.push((at, space)),
        }
        if let Some((_, space)) = spaces.last_mut()
            && !mappings.is_empty()
        {
            if Arc::strong_count(space) > 1 {
                if self.copied > MOST_COPIED {
                    return;
                }
                self.copied += space.len();
            }
            let space = Arc::make_mut(space);
            mappings.iter().for_each(|mapping| cover(space, *mapping));
        }
    }

    fn position(&mut self, mapping: &CodeMapping) -> u32 {
        if let Some(position) = self.positions.get(mapping) {
            return *position;
        }
        let position = self.mappings.len() as u32;
        let mapping = Arc::new(mapping.clone());
        self.mappings.push(mapping.clone());
        self.positions.insert(mapping, position);
        position
    }

    /// What a process has at an address at a moment: the position of the mapping in [`CodeMaps::mappings`], which is the same
    /// for mappings that are equal. Before the first entry of a process what that entry says holds. Addresses of the kernel
    /// are asked for with [`KERNEL_PID`], or are found if the process has nothing there.
    pub fn find(&self, pid: i32, at: Nanos, address: Addr) -> Option<u32> {
        self.find_in(pid, at, address)
            .or_else(|| if pid == KERNEL_PID { None } else { self.find_in(KERNEL_PID, at, address) })
    }

    fn find_in(&self, pid: i32, at: Nanos, address: Addr) -> Option<u32> {
        let spaces = self.processes.get(&pid)?;
        let after = spaces.partition_point(|(from, _)| *from <= at);
        let (_, space) = spaces.get(after.saturating_sub(1))?;
        let (_, (end, position)) = space.range(..=address.0).next_back()?;
        (address.0 < *end).then_some(*position)
    }

    /// How often what a process (or the kernel) has had changed until a moment: what was found for a process at a moment is
    /// right for all moments of the same epoch.
    pub fn epoch(&self, pid: i32, at: Nanos) -> usize {
        let changes = |pid: i32| {
            let spaces = self.processes.get(&pid).map_or(&[][..], Vec::as_slice);
            // Before the first entry what that says holds.
            spaces.partition_point(|(from, _)| *from <= at).max(1)
        };
        changes(pid) + changes(KERNEL_PID)
    }

    /// All different mappings.
    pub fn mappings(&self) -> &[Arc<CodeMapping>] {
        &self.mappings
    }
}

/// Whether nothing else is where a mapping is to be: start, end, position.
fn is_free(space: &Space, (start, end, position): (u64, u64, u32)) -> bool {
    let mut touching = space.range(..end).rev().take_while(|(_, (other_end, _))| *other_end > start);
    touching.all(|(_, (_, other))| *other == position)
}

/// Puts a mapping (start, end, position) into a space, in the place of what was there.
fn cover(space: &mut Space, (start, end, position): (u64, u64, u32)) {
    if let Some((before, (before_end, before_position))) = space.range(..start).next_back().map(|(at, of)| (*at, *of))
        && before_end > start
    {
        space.insert(before, (start, before_position));
        if before_end > end {
            space.insert(end, (before_end, before_position));
        }
    }
    let covered: Vec<(u64, (u64, u32))> = space.range(start..end).map(|(at, of)| (*at, *of)).collect();
    for (at, (covered_end, covered_position)) in covered {
        space.remove(&at);
        if covered_end > end {
            space.insert(end, (covered_end, covered_position));
        }
    }
    space.insert(start, (end, position));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stamp;

    fn mapping(start: u64, end: u64, name: &str) -> CodeMapping {
        CodeMapping { start: Addr(start), end: Addr(end), name: name.to_owned(), ..CodeMapping::default() }
    }

    fn entry(pid: i32, base: CodeBase, mappings: Vec<CodeMapping>) -> CodeMappings {
        CodeMappings { at: Stamp::default(), pid, base, mappings }
    }

    fn name(maps: &CodeMaps, pid: i32, at: i64, address: u64) -> &str {
        maps.find(pid, Nanos(at), Addr(address)).map_or("", |position| &maps.mappings()[position as usize].name)
    }

    #[test]
    fn a_later_mapping_takes_the_place_of_an_earlier_one_from_its_moment_on() {
        let first = entry(1, CodeBase::Nothing, vec![mapping(10, 50, "a")]);
        let second = entry(1, CodeBase::Kept, vec![mapping(20, 30, "b")]);
        let maps = CodeMaps::new([(Nanos(5), &second), (Nanos(0), &first)]);
        let names = |at| [9, 10, 19, 20, 29, 30, 49, 50].map(|address| name(&maps, 1, at, address));
        assert_eq!(names(4), ["", "a", "a", "a", "a", "a", "a", ""]);
        assert_eq!(names(5), ["", "a", "a", "b", "b", "a", "a", ""]);
        assert_eq!(name(&maps, 1, -9, 10), "a", "what is known first holds before");
        let epochs = [-9, 0, 4, 5, 9].map(|at| maps.epoch(1, Nanos(at)));
        assert!(
            epochs[..3].windows(2).all(|pair| pair[0] == pair[1]) && epochs[2] < epochs[3] && epochs[3] == epochs[4]
        );
        assert_eq!(name(&maps, 2, 9, 10), "");
    }

    #[test]
    fn a_copy_of_a_process_has_what_that_had_until_another_program_is_executed() {
        let parent = entry(1, CodeBase::Nothing, vec![mapping(10, 50, "shell")]);
        let kernel = entry(KERNEL_PID, CodeBase::Nothing, vec![mapping(1 << 63, u64::MAX, "kernel")]);
        let child = entry(2, CodeBase::CopyOf(1), vec![]);
        let parent_later = entry(1, CodeBase::Kept, vec![mapping(10, 50, "other")]);
        let executed = entry(2, CodeBase::Nothing, vec![mapping(100, 110, "program")]);
        let entries = [(0, &parent), (0, &kernel), (3, &child), (4, &parent_later), (7, &executed)];
        let maps = CodeMaps::new(entries.map(|(at, entry)| (Nanos(at), entry)));
        assert_eq!([name(&maps, 2, 5, 20), name(&maps, 1, 5, 20)], ["shell", "other"]);
        assert_eq!([name(&maps, 2, 7, 20), name(&maps, 2, 7, 105)], ["", "program"]);
        assert_eq!(name(&maps, 2, 7, 1 << 63 | 5), "kernel");
    }

    #[test]
    fn a_mapping_covers_any_that_it_overlaps_and_leaves_the_rest_of_them() {
        let all = vec![mapping(0, 10, "a"), mapping(10, 20, "b"), mapping(30, 40, "c"), mapping(5, 35, "new")];
        let maps = CodeMaps::new([(Nanos(0), &entry(1, CodeBase::Nothing, all))]);
        let names = [0, 4, 5, 19, 34, 35, 39].map(|address| name(&maps, 1, 0, address));
        assert_eq!(names, ["a", "a", "new", "new", "new", "c", "c"]);
    }
}
