//! Memory for a workload: some areas, each a mapping of its own, so that what is seen of each mapping is seen of each area.

use std::io;
use std::ptr::NonNull;

/// Areas of one size, one behind the other by address, with a page between them that nobody may touch: the kernel makes
/// one mapping of neighbours.
#[derive(Debug)]
pub struct Areas {
    base: NonNull<u8>,
    count: usize,
    size: usize,
    /// From the beginning of an area to that of the next.
    stride: usize,
}

// SAFETY: the mapping is owned by this alone, as memory is by a `Vec`, and nothing of it belongs to a thread.
unsafe impl Send for Areas {}

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
        // SAFETY: a fresh mapping at an address of the kernel's choice; it overlaps nothing of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(too_large)?;
        let areas = Self { base, count: count.max(1), size, stride };
        for at in 0..areas.count {
            // SAFETY: the range lies within the mapping made above, to which nothing refers yet.
            let result = unsafe {
                let start = areas.base.as_ptr().add(at * stride);
                libc::mprotect(start.cast(), size, libc::PROT_READ | libc::PROT_WRITE)
            };
            if result < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(areas)
    }

    /// The areas by ascending address.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let (base, size, stride) = (self.base, self.size, self.stride);
        // SAFETY: each slice is one of the areas, which may be read and written, are zeroed, live as long as `self`, and do
        // not overlap; `&mut self` sees to it that there are no others.
        (0..self.count).map(move |at| unsafe { std::slice::from_raw_parts_mut(base.as_ptr().add(at * stride), size) })
    }
}

impl Drop for Areas {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping that `new` made; nothing borrows from it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.stride * self.count) };
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
