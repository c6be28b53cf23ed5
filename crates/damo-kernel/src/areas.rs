//! Memory for a workload: some areas, each a mapping of its own, so that what is seen of each mapping is seen of each area.

use memmap2::{Advice, MmapMut, MmapOptions};
use std::io;

/// Areas of one size, one behind the other by address, with a page between them that nobody touches. The kernel makes one
/// mapping of neighbours that are alike; these pages differ in that they are left out of core dumps.
#[derive(Debug)]
pub struct Areas {
    memory: MmapMut,
    size: usize,
    /// From the beginning of an area to that of the next.
    stride: usize,
}

impl Areas {
    /// `count` areas of `size` bytes, rounded up to whole pages. They are zeroed, and no page is touched yet.
    ///
    /// # Errors
    /// If the kernel has no such memory.
    pub fn new(count: usize, size: usize) -> io::Result<Self> {
        let page = crate::system::page_size();
        let too_large = || io::Error::from_raw_os_error(libc::ENOMEM);
        let size = size.max(1).checked_next_multiple_of(page).ok_or_else(too_large)?;
        let stride = size.checked_add(page).ok_or_else(too_large)?;
        let len = stride.checked_mul(count.max(1)).filter(|len| isize::try_from(*len).is_ok()).ok_or_else(too_large)?;
        let memory = MmapOptions::new().len(len).no_reserve_swap().map_anon()?;
        for end in (size..len).step_by(stride) {
            memory.advise_range(Advice::DontDump, end, page)?;
        }
        Ok(Self { memory, size, stride })
    }

    /// The areas by ascending address.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let size = self.size;
        self.memory.chunks_exact_mut(self.stride).map(move |area| &mut area[..size])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_area_can_be_written_and_is_a_mapping_of_its_own() {
        let mut areas = Areas::new(3, 10_000).unwrap();
        let mut starts = Vec::new();
        for (number, area) in (1..).zip(areas.iter_mut()) {
            assert!(area.iter().all(|byte| *byte == 0) && area.len() >= 10_000);
            area.fill(number);
            starts.push(area.as_ptr() as usize);
        }
        assert!(starts.is_sorted() && areas.iter_mut().map(|area| area[0]).eq([1, 2, 3]));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        for start in starts {
            assert!(maps.lines().any(|line| line.starts_with(&format!("{start:x}-"))), "{start:x} in\n{maps}");
        }
        assert!(Areas::new(2, usize::MAX / 2).is_err());
    }
}
