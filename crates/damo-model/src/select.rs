//! Which part of a record is wanted. Readers skip blocks that cannot hold any of it.

use crate::{AddrRange, TargetKey, TimeSpan};

/// The wanted part of a record. Empty lists and `None` mean "all".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Snapshots that overlap this span on the record's clock.
    pub time: Option<TimeSpan>,
    /// Regions that overlap any of the ranges. Snapshots left without regions are kept, empty.
    pub addresses: Vec<AddrRange>,
    /// Snapshots of these targets.
    pub targets: Vec<TargetKey>,
}

impl Selection {
    /// All of the record.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether a snapshot over `time` of `target` is wanted.
    pub fn wants_snapshot(&self, target: TargetKey, time: TimeSpan) -> bool {
        self.wants_target(target) && self.wants_time(time)
    }

    /// Whether anything in `time` is wanted.
    pub(crate) fn wants_time(&self, time: TimeSpan) -> bool {
        self.time.is_none_or(|wanted| wanted.overlaps(time))
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
    use crate::{Addr, Nanos};

    #[test]
    fn an_empty_selection_wants_everything() {
        let all = Selection::all();
        assert!(all.wants_snapshot(TargetKey(3), TimeSpan::new(Nanos(0), Nanos(1))));
        assert!(all.wants_addresses(AddrRange::new(Addr(0), Addr(1))));
    }
}
