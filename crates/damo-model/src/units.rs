//! One type per quantity, so that an address is never taken for a size nor samples for hertz.
//!
//! The fields are public: these are names for numbers, not invariants. Arithmetic that can overflow on
//! recorded (hence untrusted) values saturates.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! quantities {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[repr(transparent)]
        pub struct $name(pub $inner);
    )*};
}

quantities! {
    /// An address in the monitored address space (virtual or physical), in bytes.
    Addr(u64);

    /// A size in bytes.
    Bytes(u64);

    /// A point on the record's clock, or a duration, in nanoseconds. Signed: an inferred start may lie before zero.
    Nanos(i64);

    /// How many of an aggregation interval's samples found the region accessed.
    NrAccesses(u32);

    /// For how many aggregation intervals the region has kept its access rate.
    Age(u32);

    /// The number of a kdamond: that of its directory in DAMON's sysfs tree.
    KdamondIndex(u32);

    /// The id of the thread that runs a kdamond.
    KdamondThread(i32);
}

impl fmt::Display for KdamondIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for KdamondThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Accesses per second: `nr_accesses / aggregation interval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Hz(pub f64);

/// A half-open range of addresses, `[start, end)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddrRange {
    /// Address of its first byte.
    pub start: Addr,
    /// One past the last byte.
    pub end: Addr,
}

impl AddrRange {
    /// `[start, end)`; an `end` before `start` is kept as given and counts as empty.
    pub fn new(start: Addr, end: Addr) -> Self {
        Self { start, end }
    }

    /// Size in bytes; 0 if the range is empty or reversed.
    pub fn size(self) -> Bytes {
        Bytes(self.end.0.saturating_sub(self.start.0))
    }

    /// Whether the two ranges share at least one byte.
    pub fn overlaps(self, other: AddrRange) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether `addr` lies inside.
    pub fn contains(self, addr: Addr) -> bool {
        self.start <= addr && addr < self.end
    }

    /// The shared part, if there is one.
    pub fn intersection(self, other: AddrRange) -> Option<AddrRange> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(AddrRange { start, end })
    }

    /// Ranges in order, those that touch or overlap as one.
    pub fn joined(mut ranges: Vec<AddrRange>) -> Vec<AddrRange> {
        ranges.sort_unstable();
        ranges.dedup_by(|range, last| {
            let joins = range.start <= last.end;
            last.end = if joins { last.end.max(range.end) } else { last.end };
            joins
        });
        ranges
    }
}

impl Bytes {
    /// Sum that stops at the largest representable size.
    pub fn saturating_add(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_add(other.0))
    }
}

impl Nanos {
    /// From microseconds, the unit of the kernel's interval files. Saturates.
    pub fn from_micros(us: i64) -> Nanos {
        Nanos(us.saturating_mul(1_000))
    }

    /// From milliseconds. Saturates.
    pub fn from_millis(ms: i64) -> Nanos {
        Nanos(ms.saturating_mul(1_000_000))
    }

    /// From whole seconds. Saturates.
    pub fn from_secs(s: i64) -> Nanos {
        Nanos(s.saturating_mul(1_000_000_000))
    }

    /// Whole microseconds, rounded towards zero.
    pub fn as_micros(self) -> i64 {
        self.0 / 1_000
    }

    /// Seconds as a float.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Sum that saturates.
    pub fn saturating_add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }

    /// Difference that saturates.
    pub fn saturating_sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversed_range_is_empty_and_overlaps_nothing_inside_it() {
        let reversed = AddrRange::new(Addr(20), Addr(10));
        assert_eq!(reversed.size(), Bytes(0));
        assert!(!reversed.overlaps(AddrRange::new(Addr(12), Addr(18))));
    }

    #[test]
    fn touching_ranges_do_not_overlap() {
        let a = AddrRange::new(Addr(0), Addr(10));
        let b = AddrRange::new(Addr(10), Addr(20));
        assert!(!a.overlaps(b));
        assert_eq!(a.intersection(b), None);
    }
}
