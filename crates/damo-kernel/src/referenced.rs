//! Snapshots where there is no DAMON: from which pages of a process were referenced, mapping by mapping.
//!
//! An aggregation interval begins with the referenced bits of all pages reset. One sampling interval later, and at its end,
//! the kernel is asked how much of each mapping has been referenced since (`/proc/PID/smaps`; no root for one's own
//! processes). The count at the end is exact, by pages: it is what was accessed at least once in the interval. The count
//! after one sampling interval says how often: an access rate is the share of those pages that one sampling interval saw,
//! as `nr_accesses` out of the samples of an aggregation.
//!
//! Which pages of a mapping they are is not known. In a snapshot the accessed part of each mapping stands at its beginning,
//! and behind it what is idle, youngest first: sizes, rates and ages are right, addresses only as far as the mapping.

use crate::procfs::MappingUse;
use damo_model::{Addr, Age, NrAccesses, Region};
use std::collections::BTreeMap;

/// So many ages a mapping's idle part is told apart into; the oldest are put together.
const IDLE_PARTS: usize = 6;
/// A rate or a size that changes by more than this share is another access pattern, whose age begins at 0.
const SAME_WITHIN: f64 = 0.1;

/// What is known of a process's mappings from aggregation to aggregation.
#[derive(Clone, Debug, Default)]
pub struct ReferencedProcess {
    /// By the address of the mapping's first byte.
    mappings: BTreeMap<u64, MappingHistory>,
}

/// A mapping as its last snapshot had it.
#[derive(Clone, Debug, Default)]
struct MappingHistory {
    accessed: Part,
    nr_accesses: u32,
    /// Youngest first.
    idle: Vec<Part>,
}

/// A part of a mapping: so many bytes that have been used alike for so many aggregation intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    bytes: u64,
    age: u32,
}

impl ReferencedProcess {
    /// The regions of an aggregation interval: `first` was read one sampling interval after the reset, `last` at the end,
    /// both sorted by address; `samples` is the number of sampling intervals in the aggregation interval. Mappings that are
    /// gone at the end are left out.
    pub fn regions(&mut self, first: &[MappingUse], last: &[MappingUse], samples: u32) -> Vec<Region> {
        let mut before = std::mem::take(&mut self.mappings);
        let mut regions = Vec::new();
        let mut end = 0;
        for now in last {
            let start = now.range.start.0;
            // Two reads of a text that changes meanwhile can show a mapping twice.
            if start < end {
                continue;
            }
            end = now.range.end.0;
            let early = first.binary_search_by_key(&start, |of| of.range.start.0).ok().and_then(|at| first.get(at));
            let early = early.map_or(0, |of| of.referenced.0);
            let mut history = before.remove(&start).unwrap_or_default();
            history.advance(now, early, samples.max(1));
            history.write(start, &mut regions);
            self.mappings.insert(start, history);
        }
        regions
    }
}

impl MappingHistory {
    /// Takes over what one aggregation interval showed.
    fn advance(&mut self, now: &MappingUse, early: u64, samples: u32) {
        let size = now.range.size().0;
        let accessed = now.referenced.0.min(size);
        let rate = early.min(accessed) as f64 / accessed.max(1) as f64;
        let nr_accesses = if accessed == 0 { 0 } else { ((rate * f64::from(samples)).round() as u32).max(1) };
        let alike = |a: f64, b: f64, whole: f64| (a - b).abs() <= whole * SAME_WITHIN;
        let same = self.accessed.bytes > 0
            && accessed > 0
            && alike(self.accessed.bytes as f64, accessed as f64, self.accessed.bytes as f64)
            && alike(self.nr_accesses.into(), nr_accesses.into(), samples.into());
        let age = if same { self.accessed.age.saturating_add(1) } else { 0 };
        self.accessed = Part { bytes: accessed, age };
        self.nr_accesses = nr_accesses;
        self.set_idle(size - accessed);
    }

    /// Makes the idle part as large as it is now. What is accessed again was idle for the shortest time, most likely; what is
    /// no longer accessed, or new and untouched, has been idle since now.
    fn set_idle(&mut self, bytes: u64) {
        self.idle.iter_mut().for_each(|part| part.age = part.age.saturating_add(1));
        let known: u64 = self.idle.iter().map(|part| part.bytes).sum();
        let mut less = known.saturating_sub(bytes);
        self.idle.retain_mut(|part| {
            let taken = part.bytes.min(less);
            part.bytes -= taken;
            less -= taken;
            part.bytes > 0
        });
        if bytes > known {
            self.idle.insert(0, Part { bytes: bytes - known, age: 0 });
        }
        while self.idle.len() > IDLE_PARTS
            && let (Some(a), Some(b)) = (self.idle.pop(), self.idle.pop())
        {
            // As DAMON merges regions: the mean of the ages by size.
            let sum = u128::from(a.bytes) * u128::from(a.age) + u128::from(b.bytes) * u128::from(b.age);
            let bytes = a.bytes + b.bytes;
            self.idle.push(Part { bytes, age: (sum / u128::from(bytes)) as u32 });
        }
    }

    fn write(&self, start: u64, regions: &mut Vec<Region>) {
        let mut at = start;
        let accessed = (self.accessed, self.nr_accesses);
        for (part, nr_accesses) in std::iter::once(accessed).chain(self.idle.iter().map(|part| (*part, 0))) {
            if part.bytes > 0 {
                let end = at + part.bytes;
                regions.push(Region::new(Addr(at), Addr(end), NrAccesses(nr_accesses), Some(Age(part.age))));
                at = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{AddrRange, Bytes};
    use proptest::prelude::*;

    const PAGE: u64 = 4096;
    const SAMPLES: u32 = 10;

    fn mapping(start: u64, pages: u64, referenced: u64) -> MappingUse {
        let range = AddrRange::new(Addr(start), Addr(start + pages * PAGE));
        MappingUse { range, resident: Bytes(pages * PAGE), referenced: Bytes(referenced * PAGE) }
    }

    /// Pages, accesses and age of each region.
    fn step(process: &mut ReferencedProcess, pages: u64, first: u64, last: u64) -> Vec<(u64, u32, u32)> {
        let regions = process.regions(&[mapping(0, pages, first)], &[mapping(0, pages, last)], SAMPLES);
        let mut end = 0;
        regions
            .iter()
            .map(|region| {
                assert_eq!(region.start.0, end, "regions of a mapping follow one another");
                end = region.end.0;
                (region.size().0 / PAGE, region.nr_accesses.0, region.age.unwrap().0)
            })
            .collect()
    }

    #[test]
    fn what_was_referenced_is_accessed_and_the_rest_grows_older() {
        let mut process = ReferencedProcess::default();
        assert_eq!(step(&mut process, 100, 20, 20), [(20, 10, 0), (80, 0, 0)]);
        assert_eq!(step(&mut process, 100, 20, 20), [(20, 10, 1), (80, 0, 1)]);
        // Half of it is no longer accessed.
        assert_eq!(step(&mut process, 100, 10, 10), [(10, 10, 0), (10, 0, 0), (80, 0, 2)]);
        // Some comes back: what was idle for the shortest time.
        assert_eq!(step(&mut process, 100, 25, 25), [(25, 10, 0), (75, 0, 3)]);
        assert_eq!(step(&mut process, 100, 0, 0), [(25, 0, 0), (75, 0, 4)]);
    }

    #[test]
    fn the_rate_is_the_share_that_one_sampling_interval_saw() {
        let mut process = ReferencedProcess::default();
        assert_eq!(step(&mut process, 100, 30, 60)[0], (60, 5, 0));
        assert_eq!(step(&mut process, 100, 0, 60)[0], (60, 1, 0), "accessed later in the interval: once at least");
        assert_eq!(step(&mut process, 100, 60, 60)[0], (60, 10, 0));
    }

    #[test]
    fn mappings_come_grow_and_go() {
        let mut process = ReferencedProcess::default();
        let one = |pages, referenced| mapping(1 << 20, pages, referenced);
        process.regions(&[one(10, 10)], &[one(10, 10)], SAMPLES);
        let grown = process.regions(&[one(10, 10)], &[one(20, 10)], SAMPLES);
        assert_eq!(grown.iter().map(|r| (r.size().0 / PAGE, r.age.unwrap().0)).collect::<Vec<_>>(), [(10, 1), (10, 0)]);
        assert!(process.regions(&[one(10, 10)], &[], SAMPLES).is_empty());
        // At the same address, but another one.
        assert_eq!(process.regions(&[], &[one(10, 0)], SAMPLES)[0].age, Some(Age(0)));
    }

    proptest! {
        #[test]
        fn sizes_add_up_to_the_mapping_and_to_what_was_referenced(
            steps in proptest::collection::vec((1u64..1000, 0u64..1200, 0u64..1200), 1..60)
        ) {
            let mut process = ReferencedProcess::default();
            for (pages, first, last) in steps {
                let last = last.min(pages);
                let found = step(&mut process, pages, first, last);
                prop_assert_eq!(found.iter().map(|(pages, ..)| pages).sum::<u64>(), pages);
                prop_assert_eq!(found.iter().filter(|(_, count, _)| *count > 0).map(|(pages, ..)| pages).sum::<u64>(), last);
                prop_assert!(found.len() <= IDLE_PARTS + 1 && found.iter().all(|(_, count, _)| *count <= SAMPLES));
            }
        }
    }
}
