//! Which memory a scheme takes or leaves.

use super::{MinMax, SchemeError};
use crate::{AddrRange, Bytes};
use std::fmt;

/// What a filter looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterKind {
    /// Anonymous pages.
    Anon,
    /// Pages on the active LRU list.
    Active,
    /// Pages accessed since the last check.
    Young,
    /// Pages that no process maps.
    Unmapped,
    /// Pages of a memory cgroup: its path below the mount.
    Memcg(String),
    /// Addresses.
    Addr(AddrRange),
    /// A monitoring target, by its index.
    Target(u64),
    /// Pages of huge pages of such sizes.
    HugepageSize(MinMax<Bytes>),
}

impl FilterKind {
    /// The kernel's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            FilterKind::Anon => "anon",
            FilterKind::Active => "active",
            FilterKind::Young => "young",
            FilterKind::Unmapped => "unmapped",
            FilterKind::Memcg(_) => "memcg",
            FilterKind::Addr(_) => "addr",
            FilterKind::Target(_) => "target",
            FilterKind::HugepageSize(_) => "hugepage_size",
        }
    }

    /// Whether DAMON's core decides by it, for whole regions; otherwise it is decided page by page.
    pub fn is_core(&self) -> bool {
        matches!(self, FilterKind::Addr(_) | FilterKind::Target(_))
    }
}

impl fmt::Display for FilterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Lets memory pass or keeps it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeFilter {
    /// What it looks at.
    pub kind: FilterKind,
    /// Whether it is for memory of that kind, or for all other.
    pub matching: bool,
    /// Whether such memory is let pass, or kept out.
    pub allow: bool,
}

impl SchemeFilter {
    /// Whether memory that no filter of `filters` is for passes: if the last one keeps out, the rest is meant.
    pub fn passes_by_default<'a>(filters: impl DoubleEndedIterator<Item = &'a SchemeFilter>) -> bool {
        filters.last().is_none_or(|last| !last.allow)
    }

    pub(super) fn check(&self, index: usize) -> Result<(), SchemeError> {
        let bad = |key: &str, what: &str| Err(SchemeError::new(format!("filters[{index}].{key}"), what));
        match &self.kind {
            FilterKind::Memcg(path) if !path.starts_with('/') => {
                bad("memcg_path", "is no path below the cgroup mount; it begins with /")
            }
            FilterKind::Addr(range) if range.end <= range.start => {
                bad("address_range", "is empty; write start and end")
            }
            FilterKind::HugepageSize(range) if range.max < range.min => bad("hugepage_size", "is empty; swap its ends"),
            _ => Ok(()),
        }
    }
}
