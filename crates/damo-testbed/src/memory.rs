//! The workload's memory. Regions are ordinary zeroed vectors: an allocator serves large ones straight from the kernel,
//! each a mapping of its own, without touching a page. Every access goes through [`black_box`], so that the compiler
//! must really make it; no `unsafe` is needed.

use crate::error::TestbedError;
use damo_model::{Addr, AddrRange};
use damo_sim::{MemRegion, Pattern, RwMode};
use std::hint::black_box;

/// The regions of a running workload, in the order of its configuration.
#[derive(Debug)]
pub struct Memory {
    regions: Vec<Vec<u8>>,
    random: u64,
}

impl Memory {
    /// Allocates the regions; only those with a file are touched. `seed` starts the random addresses.
    ///
    /// # Errors
    /// A size no machine has, or a file that cannot be read.
    pub fn allocate(regions: &[MemRegion], seed: u64) -> Result<Memory, TestbedError> {
        let mut all = Vec::with_capacity(regions.len());
        for region in regions {
            let too_large = || TestbedError::TooLarge { name: region.name.clone(), size: region.size.0 };
            let size =
                usize::try_from(region.size.0).ok().filter(|&s| s <= isize::MAX as usize).ok_or_else(too_large)?;
            let mut bytes = vec![0; size];
            if let Some(file) = &region.init_file {
                fill(&mut bytes, &region.name, file)?;
            }
            all.push(bytes);
        }
        Ok(Memory { regions: all, random: seed | 1 })
    }

    /// Where a region lies in this process; `None` if there is no such region.
    pub fn range(&self, region: usize) -> Option<AddrRange> {
        let bytes = self.regions.get(region)?.as_ptr_range();
        Some(AddrRange::new(Addr(bytes.start as u64), Addr(bytes.end as u64)))
    }

    /// Makes `count` accesses as the pattern says, from `offset` on if it is sequential. Returns where the next access
    /// would go, so that a sequence can be continued.
    pub fn access(&mut self, pattern: &Pattern, count: u64, mut offset: usize) -> usize {
        let Some(region) = self.regions.get_mut(pattern.region).filter(|r| !r.is_empty()) else { return 0 };
        let stride = usize::try_from(pattern.stride.0).unwrap_or(usize::MAX);
        for _ in 0..count {
            if pattern.random {
                self.random = next_random(self.random);
                // The high half: the low bits of this generator are the weak ones.
                offset = ((self.random >> 16) % region.len() as u64) as usize;
            }
            match region.get_mut(offset) {
                Some(byte) => touch(byte, pattern.mode),
                None => offset = 0,
            }
            if !pattern.random {
                offset = offset.saturating_add(stride);
                if offset >= region.len() {
                    offset = 0;
                }
            }
        }
        offset
    }

    /// A number from 0 to below `bound`; 0 if `bound` is 0.
    pub fn pick(&mut self, bound: u64) -> u64 {
        self.random = next_random(self.random);
        (self.random >> 16).checked_rem(bound).unwrap_or(0)
    }
}

fn fill(bytes: &mut [u8], name: &str, file: &str) -> Result<(), TestbedError> {
    let content = std::fs::read(file).map_err(|source| TestbedError::InitFile {
        name: name.to_owned(),
        file: file.to_owned(),
        source,
    })?;
    if content.is_empty() {
        return Err(TestbedError::EmptyInitFile { name: name.to_owned(), file: file.to_owned() });
    }
    for (to, from) in bytes.iter_mut().zip(content.iter().cycle()) {
        *to = *from;
    }
    Ok(())
}

/// Marsaglia's xorshift: fast and good enough for addresses.
fn next_random(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

#[inline]
fn touch(byte: &mut u8, mode: RwMode) {
    let byte = black_box(byte);
    match mode {
        RwMode::WriteOnly => *byte = 1,
        RwMode::ReadOnly => {
            black_box(*byte);
        }
        RwMode::ReadWrite => *byte = byte.wrapping_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Bytes;

    fn region(size: u64, init_file: Option<String>) -> MemRegion {
        MemRegion { name: "a".to_owned(), size: Bytes(size), init_file }
    }

    fn pattern(random: bool, stride: u64, mode: RwMode) -> Pattern {
        Pattern { region: 0, random, stride: Bytes(stride), weight: 1, mode }
    }

    #[test]
    fn sequential_writes_touch_every_stride_and_wrap_at_the_end() {
        let mut memory = Memory::allocate(&[region(10, None)], 1).unwrap();
        let next = memory.access(&pattern(false, 4, RwMode::WriteOnly), 3, 0);
        assert_eq!(memory.regions[0], [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(next, 0);
    }

    #[test]
    fn a_sequence_continues_where_it_was_left() {
        let mut memory = Memory::allocate(&[region(8, None)], 1).unwrap();
        let next = memory.access(&pattern(false, 2, RwMode::ReadWrite), 2, 0);
        assert_eq!(next, 4);
        memory.access(&pattern(false, 2, RwMode::ReadWrite), 3, next);
        assert_eq!(memory.regions[0], [2, 0, 1, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn random_writes_reach_the_whole_region_and_nothing_else() {
        let mut memory = Memory::allocate(&[region(64, None), region(64, None)], 7).unwrap();
        memory.access(&pattern(true, 1, RwMode::WriteOnly), 4096, 0);
        assert!(memory.regions[0].iter().all(|&b| b == 1));
        assert!(memory.regions[1].iter().all(|&b| b == 0));
    }

    #[test]
    fn reading_changes_nothing() {
        let mut memory = Memory::allocate(&[region(64, None)], 7).unwrap();
        memory.access(&pattern(false, 1, RwMode::ReadOnly), 64, 0);
        assert!(memory.regions[0].iter().all(|&b| b == 0));
    }

    #[test]
    fn a_region_is_filled_with_its_file_again_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("init");
        std::fs::write(&file, "abc").unwrap();
        let memory = Memory::allocate(&[region(7, Some(file.display().to_string()))], 1).unwrap();
        assert_eq!(memory.regions[0], b"abcabca");
    }

    #[test]
    fn an_empty_or_absent_file_and_an_absurd_size_are_errors_that_name_the_region() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        let absent = dir.path().join("absent");
        for (size, file) in [(1, Some(&empty)), (1, Some(&absent)), (u64::MAX, None)] {
            let error = Memory::allocate(&[region(size, file.map(|f| f.display().to_string()))], 1).unwrap_err();
            assert!(error.to_string().starts_with("region a: "), "{error}");
        }
    }

    #[test]
    fn the_range_of_a_region_is_as_long_as_the_region() {
        let memory = Memory::allocate(&[region(1 << 20, None)], 1).unwrap();
        assert_eq!(memory.range(0).unwrap().size(), Bytes(1 << 20));
        assert_eq!(memory.range(1), None);
    }
}
