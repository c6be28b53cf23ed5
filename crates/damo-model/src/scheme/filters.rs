//! Which memory a scheme takes or leaves.

use super::MinMax;
use crate::human;
use crate::json::{ParamError, Result};
use crate::{Addr, AddrRange, Bytes, NewerKeyword, UnknownKeyword};
use std::fmt;

/// What a filter looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterKind {
    /// Anonymous pages: heap, stack, and other memory without a file.
    Anon,
    /// Pages on the active LRU list.
    Active,
    /// Pages accessed since the last check.
    Young,
    /// Pages that no process maps.
    Unmapped,
    /// Pages of a memory cgroup: its path below the mount.
    Memcg(String),
    /// Memory within a range of addresses.
    Addr(AddrRange),
    /// A monitoring target, by its index.
    Target(u64),
    /// Pages of huge pages of such sizes.
    HugepageSize(MinMax<Bytes>),
    /// Of a newer kernel, whose values are not known.
    Newer(NewerKeyword),
}

impl FilterKind {
    /// The JSON keys of the values of a kind, by the kernel's word for it.
    ///
    /// # Errors
    /// If there is no such kind.
    pub fn value_keys(word: &str) -> std::result::Result<&'static [&'static str], UnknownKeyword> {
        const KNOWN: [&str; 8] = ["anon", "active", "young", "unmapped", "memcg", "addr", "target", "hugepage_size"];
        Ok(match word {
            "anon" | "active" | "young" | "unmapped" => &[],
            "memcg" => &["memcg_path"],
            "addr" => &["address_range.start", "address_range.end"],
            "target" => &["damon_target_idx"],
            "hugepage_size" => &["hugepage_size", "hugepage_size"],
            _ => return Err(UnknownKeyword::new(word, "type of a filter", &KNOWN)),
        })
    }

    /// The kind `word` with its values in the order of [`FilterKind::value_keys`]; those beyond are not looked at.
    ///
    /// # Errors
    /// If there is no such kind, or a value is missing or makes no sense.
    pub fn parse(word: &str, values: &[&str]) -> Result<FilterKind> {
        let keys = Self::value_keys(word).map_err(|error| ParamError::new("filter_type", error))?;
        if let Some(missing) = keys.get(values.len()) {
            return Err(ParamError::new(*missing, format!("is missing; {word} needs it")));
        }
        let size = |i: usize| human::parse_bytes(values[i]).map_err(|error| ParamError::new(keys[i], error));
        Ok(match word {
            "anon" => FilterKind::Anon,
            "active" => FilterKind::Active,
            "young" => FilterKind::Young,
            "unmapped" => FilterKind::Unmapped,
            "memcg" => FilterKind::Memcg(super::memcg_path(values[0])),
            "addr" => FilterKind::Addr(AddrRange::new(Addr(size(0)?.0), Addr(size(1)?.0))),
            "target" => {
                let index = human::parse_number(values[0]).map_err(|error| ParamError::new(keys[0], error))?;
                let index = u64::try_from(index.trunc());
                FilterKind::Target(
                    index.map_err(|_| ParamError::new(keys[0], format!("{} is out of range", values[0])))?,
                )
            }
            _ => FilterKind::HugepageSize(MinMax { min: size(0)?, max: size(1)? }),
        })
    }

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
            FilterKind::Newer(word) => word.as_str(),
        }
    }

    /// A kind that only newer kernels know, from a kernel's file.
    pub fn newer(word: &str) -> Self {
        FilterKind::Newer(NewerKeyword::new(word))
    }

    /// The memory cgroup that it looks for.
    pub fn memcg(&self) -> Option<&str> {
        if let FilterKind::Memcg(path) = self { Some(path) } else { None }
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
    /// In words, without the values of its kind: `reject anon`, `allow none memcg`.
    pub fn rule(&self) -> String {
        let (allow, matching) = (if self.allow { "allow" } else { "reject" }, if self.matching { "" } else { "none " });
        format!("{allow} {matching}{}", self.kind)
    }

    /// Whether memory that no filter of `filters` is for passes: if the last one keeps out, the rest is meant.
    pub fn passes_by_default<'a>(filters: impl DoubleEndedIterator<Item = &'a SchemeFilter>) -> bool {
        filters.last().is_none_or(|last| !last.allow)
    }

    pub(super) fn check(&self, index: usize) -> Result<()> {
        let bad = |key: &str, what: &str| Err(ParamError::new(format!("filters[{index}].{key}"), what));
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
