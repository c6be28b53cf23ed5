//! Contiguous areas of an address space, and where they go.

use damo_model::{Addr, AddrRange, Bytes, RangeSet};

/// Between two areas at their new places, and before the first: enough that no two seem to belong together.
const GAP: u64 = 1 << 30;

/// All that was monitored or mapped in an address space.
#[derive(Debug, Default)]
pub(super) struct Areas(pub(super) RangeSet);

impl Areas {
    /// New places for all; `None` if there is no room.
    pub(super) fn moves(&self, page: Bytes) -> Option<Moves> {
        self.place(GAP, page.0).or_else(|| self.place(page.0, page.0)).map(Moves)
    }

    fn place(&self, gap: u64, page: u64) -> Option<Vec<(AddrRange, Addr)>> {
        let mut next = gap;
        let mut places = Vec::with_capacity(self.0.ranges().len());
        for area in self.0.ranges() {
            let start = next.checked_add(area.start.0 % page)?;
            places.push((*area, Addr(start)));
            let end = start.checked_add(area.size().0)?;
            next = end.checked_add(gap)?.checked_next_multiple_of(gap)?;
        }
        Some(places)
    }
}

/// Each area and where it begins now.
#[derive(Debug)]
pub(super) struct Moves(Vec<(AddrRange, Addr)>);

impl Moves {
    /// A range at its new place. All that the areas were made of has one; anything else becomes nothing.
    pub(super) fn range(&self, start: Addr, end: Addr) -> (Addr, Addr) {
        let at = self.0.partition_point(|(area, _)| area.end.0 <= start.0);
        match self.0.get(at) {
            Some((area, place)) if area.start <= start && start <= end && end <= area.end => {
                let moved = |addr: Addr| Addr(place.0 + (addr.0 - area.start.0));
                (moved(start), moved(end))
            }
            _ => (Addr(0), Addr(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr(start), Addr(end))
    }

    #[test]
    fn areas_keep_order_sizes_and_positions_within_pages() {
        let mut areas = Areas::default();
        areas.0.add(
            [range(0x5000_1234, 0x5000_3000), range(0x5000_3000, 0x5000_4000), range(0x7f00_0000, 0x7f00_1000)]
                .into_iter(),
        );
        areas.0.add([range(0x5000_4000, 0x5000_5000)].into_iter());
        assert_eq!(areas.0.ranges().len(), 2);
        let moves = areas.moves(Bytes(4096)).unwrap();
        assert_eq!(moves.range(Addr(0x5000_1234), Addr(0x5000_5000)), (Addr(GAP + 0x234), Addr(GAP + 0x4000)));
        assert_eq!(moves.range(Addr(0x7f00_0000), Addr(0x7f00_0800)), (Addr(3 * GAP), Addr(3 * GAP + 0x800)));
        assert_eq!(moves.range(Addr(0x6000_0000), Addr(0x6000_1000)), (Addr(0), Addr(0)));
    }

    #[test]
    fn gaps_between_areas_shrink_with_the_room_that_the_address_space_leaves() {
        let mut areas = Areas::default();
        areas.0.add([range(0, u64::MAX - (1 << 29)), range(u64::MAX - (1 << 20), u64::MAX - (1 << 19))].into_iter());
        let moves = areas.moves(Bytes(4096)).unwrap();
        assert_eq!(moves.range(Addr(0), Addr(1)), (Addr(4096), Addr(4097)));
        let mut all = Areas::default();
        all.0.add([range(0, u64::MAX)].into_iter());
        assert!(all.moves(Bytes(4096)).is_none());
    }
}
