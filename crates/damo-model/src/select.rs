//! Which part of a record is wanted. Readers skip blocks that cannot hold any of it.

use crate::{AddrRange, Nanos, TargetKey};

/// The wanted part of a record. Empty lists and `None` mean "all".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Snapshots that overlap `[from, to)` on the record's clock.
    pub time: Option<(Nanos, Nanos)>,
    /// Regions that overlap any of the ranges. Snapshots left without regions are kept, empty.
    pub addresses: Vec<AddrRange>,
    /// Snapshots of these targets.
    pub targets: Vec<TargetKey>,
}

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether a snapshot over `[start, end)` of `target` is wanted.
    pub fn wants_snapshot(&self, target: TargetKey, start: Nanos, end: Nanos) -> bool {
        self.wants_target(target) && self.wants_time(start, end)
    }

    /// Whether anything in `[start, end]` may be wanted.
    pub fn wants_time(&self, start: Nanos, end: Nanos) -> bool {
        self.time.is_none_or(|(from, to)| start < to && from < end)
    }

    /// Whether snapshots of `target` are wanted.
    pub fn wants_target(&self, target: TargetKey) -> bool {
        self.targets.is_empty() || self.targets.contains(&target)
    }

    /// Whether any region within `span` may be wanted.
    pub fn wants_addresses(&self, span: AddrRange) -> bool {
        self.addresses.is_empty() || self.addresses.iter().any(|range| range.overlaps(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Addr;

    #[test]
    fn an_empty_selection_wants_everything() {
        let all = Selection::all();
        assert!(all.wants_snapshot(TargetKey(3), Nanos(0), Nanos(1)));
        assert!(all.wants_addresses(AddrRange::new(Addr(0), Addr(1))));
    }

    #[test]
    fn a_time_window_is_half_open() {
        let selection = Selection { time: Some((Nanos(100), Nanos(200))), ..Selection::default() };
        assert!(!selection.wants_time(Nanos(0), Nanos(100)));
        assert!(selection.wants_time(Nanos(50), Nanos(101)));
        assert!(!selection.wants_time(Nanos(200), Nanos(300)));
    }
}
