//! Where things lie in a simulated process's address space, so that DAMON meets what it meets on Linux: text and
//! heap far below, the large allocations side by side in the mmap area, the stack far above, and two huge gaps
//! between them.
//!
//! Addresses differ from process to process as address space randomisation makes them differ, but depend on nothing
//! else: two seeds give records over the same addresses. Every region begins on a page. malloc's header of 16 bytes
//! is counted in the size of the mapping.

use crate::options::{Layout, PAGE};
use crate::rng::derive;
use crate::workload::Workload;
use damo_model::{Addr, AddrRange, Bytes, Mapping};

/// malloc's header, and the size from which glibc's malloc uses mmap.
const MALLOC_HEADER: u64 = 16;
const MMAP_THRESHOLD: u64 = 128 * 1024;
/// What a small static program brings with it.
const TEXT: u64 = 648 * 1024;
const RODATA: u64 = 172 * 1024;
const DATA: u64 = 40 * 1024;
const HEAP: u64 = 132 * 1024;
const VVAR: u64 = 4 * PAGE;
const VDSO: u64 = 2 * PAGE;
const STACK: u64 = 132 * 1024;
const BINARY: &str = "/usr/local/bin/masim";

/// The address space of one process.
#[derive(Clone, Debug)]
pub(crate) struct AddressSpace {
    /// Sorted by address.
    pub(crate) mappings: Vec<Mapping>,
    /// Where each region of the workload begins, in the workload's order.
    pub(crate) regions: Vec<Addr>,
    /// Pages that every running program uses all the time: its loop's text, its innermost stack frame.
    pub(crate) busy: Vec<AddrRange>,
    /// Sizes of what is mapped: all of it, text, data and stack.
    pub(crate) vsz: Bytes,
    /// Size of the program's code, part of `vsz`.
    pub(crate) text: Bytes,
    /// Size of the program's data, part of `vsz`.
    pub(crate) data: Bytes,
    /// Resident from the start: what the program itself needs.
    pub(crate) base_rss: Bytes,
}

/// `bytes` in whole pages, in bytes.
pub(crate) fn round_up(bytes: u64) -> u64 {
    bytes.saturating_add(PAGE - 1) / PAGE * PAGE
}

impl AddressSpace {
    /// Lays out the `index`-th process.
    pub(crate) fn new(workload: &Workload, layout: Layout, index: usize) -> AddressSpace {
        let slide = |what: u64, bits: u32| (derive(&[what, index as u64]) & ((1 << bits) - 1)) & !(PAGE - 1);
        let mut b = Builder { mappings: Vec::new(), regions: vec![Addr(0); workload.regions().len()] };
        let text = 0x5500_0000_0000 + slide(1, 38);
        let mut at = b.push(text, PAGE, "r--p", BINARY);
        let code = at;
        at = b.push(at, TEXT, "r-xp", BINARY);
        at = b.push(at, RODATA, "r--p", BINARY);
        at = b.push(at, DATA, "rw-p", BINARY);

        let heap = at + PAGE + slide(2, 24);
        let stack_top = 0x7ffc_0000_0000 + slide(3, 33);
        let mmap_top = match layout {
            Layout::Linux => 0x7f80_0000_0000 + slide(4, 37),
            Layout::ThreeAreas => 0x7000_0000_0000 + slide(4, 37),
        };
        let third = workload.size().0 / 3;
        let (mut heap_end, mut behind_heap) = (heap + HEAP, Vec::new());
        let (mut below_mmap, mut below_stack) = (mmap_top, stack_top - STACK);
        let mut before = 0;
        for (i, region) in workload.regions().iter().enumerate() {
            let size = round_up(region.size.0.saturating_add(MALLOC_HEADER));
            let area = if layout == Layout::Linux { 1 } else { (before / third.max(1)).min(2) };
            before += region.size.0;
            if area == 1 && size < MMAP_THRESHOLD {
                b.place(i, heap_end);
                heap_end += size;
            } else if area == 0 {
                behind_heap.push((i, size));
            } else {
                let below = if area == 1 { &mut below_mmap } else { &mut below_stack };
                *below -= size;
                b.place(i, *below);
                b.push(*below, size, "rw-p", &format!("[anon:{}]", region.name));
            }
        }
        b.push(heap, heap_end - heap, "rw-p", "[heap]");
        for (i, size) in behind_heap {
            b.place(i, heap_end);
            let name = workload.regions().get(i).map_or("", |r| r.name.as_str());
            heap_end = b.push(heap_end, size, "rw-p", &format!("[anon:{name}]"));
        }
        let vdso = b.push(mmap_top, VVAR, "r--p", "[vvar]");
        b.push(vdso, VDSO, "r-xp", "[vdso]");
        b.push(stack_top - STACK, STACK, "rw-p", "[stack]");
        b.finish(code, stack_top)
    }
}

struct Builder {
    mappings: Vec<Mapping>,
    regions: Vec<Addr>,
}

impl Builder {
    /// Adds a mapping and gives its end.
    fn push(&mut self, start: u64, size: u64, perms: &str, name: &str) -> u64 {
        let end = start + size;
        let offset = match self.mappings.last() {
            Some(last) if last.name == name && name.starts_with('/') => {
                Bytes(last.offset.0 + last.end.0 - last.start.0)
            }
            _ => Bytes(0),
        };
        let mapping =
            Mapping { start: Addr(start), end: Addr(end), perms: perms.to_owned(), offset, name: name.to_owned() };
        self.mappings.push(mapping);
        end
    }

    fn place(&mut self, region: usize, at: u64) {
        if let Some(place) = self.regions.get_mut(region) {
            *place = Addr(at);
        }
    }

    fn finish(mut self, code: u64, stack_top: u64) -> AddressSpace {
        self.mappings.sort_by_key(|m| m.start);
        let size = |m: &Mapping| m.end.0 - m.start.0;
        let total = |f: &dyn Fn(&Mapping) -> bool| Bytes(self.mappings.iter().filter(|m| f(m)).map(size).sum());
        // The loop spans two pages of text; the stack's used end is its top.
        let page = |at: u64, n: u64| AddrRange::new(Addr(at), Addr(at + n * PAGE));
        AddressSpace {
            vsz: total(&|_| true),
            text: total(&|m| m.perms == "r-xp" && m.name.starts_with('/')),
            data: total(&|m| m.perms == "rw-p"),
            base_rss: Bytes(TEXT + DATA + 8 * PAGE),
            busy: vec![page(code + 16 * PAGE, 2), page(stack_top - 2 * PAGE, 1)],
            mappings: self.mappings,
            regions: self.regions,
        }
    }
}

/// DAMON's initial ranges of a virtual address space: what remains of the span of all mappings once the two largest
/// gaps between them are taken out. Fewer than three if there are fewer gaps.
pub(crate) fn three_ranges(mappings: &[Mapping]) -> Vec<AddrRange> {
    let (Some(first), Some(last)) = (mappings.first(), mappings.last()) else {
        return Vec::new();
    };
    let mut gaps: Vec<(Addr, Addr)> =
        mappings.windows(2).map(|w| (w[0].end, w[1].start)).filter(|(end, start)| end < start).collect();
    gaps.sort_by_key(|(end, start)| std::cmp::Reverse(start.0 - end.0));
    gaps.truncate(2);
    gaps.sort();
    let mut ranges = Vec::with_capacity(3);
    let mut start = first.start;
    for (gap_start, gap_end) in gaps {
        ranges.push(AddrRange::new(start, gap_start));
        start = gap_end;
    }
    ranges.push(AddrRange::new(start, last.end));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(sizes: &[u64]) -> Workload {
        let regions: String = sizes.iter().enumerate().map(|(i, size)| format!("r{i}, {size}\n")).collect();
        Workload::parse(&format!("{regions}\np\n1\nr0, 0, 1, 1\n"), "t").unwrap()
    }

    #[test]
    fn large_regions_touch_each_other_top_down_and_small_ones_lie_on_the_heap() {
        let space = AddressSpace::new(&workload(&[10_000_000, 10_000_000, 500]), Layout::Linux, 0);
        let [a, b, small] = space.regions[..] else { panic!("three regions") };
        assert_eq!(b.0 + 10_002_432, a.0, "each 10 MB region takes 10,002,432 bytes with malloc's header, as on Linux");
        let heap = space.mappings.iter().find(|m| m.name == "[heap]").unwrap();
        assert!(heap.start <= small && small < heap.end);
        assert!(space.mappings.iter().any(|m| m.name == "[anon:r1]" && m.start == b));
    }

    #[test]
    fn mappings_are_sorted_and_disjoint_in_every_layout_and_for_many_processes() {
        for layout in [Layout::Linux, Layout::ThreeAreas] {
            for index in 0..50 {
                let sizes: Vec<u64> = (0..8).map(|i| 1 << (5 * i)).collect();
                let space = AddressSpace::new(&workload(&sizes), layout, index);
                assert!(space.mappings.windows(2).all(|w| w[0].end <= w[1].start), "{layout:?} {index}");
                assert!(space.mappings.iter().all(|m| m.start < m.end));
            }
        }
    }

    #[test]
    fn the_three_ranges_are_program_and_heap_then_regions_then_stack() {
        let space = AddressSpace::new(&workload(&[1 << 30]), Layout::Linux, 3);
        let ranges = three_ranges(&space.mappings);
        let [low, middle, high] = ranges[..] else { panic!("three ranges") };
        assert_eq!(low.start, space.mappings[0].start);
        assert!(middle.contains(space.regions[0]));
        assert_eq!(high.end, space.mappings.last().unwrap().end);
        assert!(low.size().0 < 64 << 20 && high.size().0 == STACK);
    }

    #[test]
    fn with_three_areas_each_range_holds_a_third() {
        let space = AddressSpace::new(&workload(&[1 << 30; 6]), Layout::ThreeAreas, 0);
        let ranges = three_ranges(&space.mappings);
        assert_eq!(ranges.len(), 3);
        for range in ranges {
            assert_eq!(space.regions.iter().filter(|r| range.contains(**r)).count(), 2);
        }
    }

    #[test]
    fn without_gaps_there_is_one_range() {
        let one = Mapping { start: Addr(0), end: Addr(4096), ..Mapping::default() };
        let two = Mapping { start: Addr(4096), end: Addr(8192), ..Mapping::default() };
        assert_eq!(three_ranges(&[one, two]), [AddrRange::new(Addr(0), Addr(8192))]);
        assert_eq!(three_ranges(&[]), []);
    }
}
