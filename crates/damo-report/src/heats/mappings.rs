//! Names for addresses: what was mapped where while the record was made.

use super::beside::Beside;
use crate::survey::Identity;
use damo_frame::{FrameError, Record};
use damo_model::{Addr, AddrRange, Mappings};
use std::collections::{BTreeMap, BTreeSet};

/// Holes between mappings of one area are cut out of pictures from this share of what is mapped there.
const CUT_SHARE: u64 = 8;

/// The mappings of one target over the whole record, mappings of the same place and name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MappingNames {
    /// Sorted by start. Mappings that changed may overlap.
    mappings: Vec<(AddrRange, String)>,
}

/// The mappings of all targets of some records, put in order once: for whoever looks at many targets.
pub struct MappingsOfTargets<'r>(Beside<'r>);

impl<'r> MappingsOfTargets<'r> {
    /// Those of some records.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn of(records: &'r [Record]) -> Result<Self, FrameError> {
        Ok(Self(Beside::of(records)?))
    }

    /// The mappings of the processes that an identity stands for.
    pub fn names(&self, identity: Identity) -> MappingNames {
        self.0.mappings(identity)
    }
}

impl MappingNames {
    /// Collects the mappings of the processes that an identity stands for.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn of(records: &[Record], identity: Identity) -> Result<Self, FrameError> {
        Ok(Beside::of(records)?.mappings(identity))
    }

    /// Out of lists of mappings, in which a mapping of one place and name may be found several times.
    pub(super) fn out_of<'a>(lists: impl Iterator<Item = &'a Mappings>) -> Self {
        let places = lists.flat_map(|all| all.mappings.iter().map(|m| (m.start, m.end, m.name.as_str())));
        let found: BTreeSet<(Addr, Addr, &str)> = places.collect();
        let named = found.into_iter().map(|(start, end, name)| (AddrRange::new(start, end), name.to_owned()));
        Self { mappings: named.filter(|(range, _)| range.size().0 > 0).collect() }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// What is mapped within `range`, largest first: short names and sizes. Unnamed memory is `[anon]`.
    pub fn within(&self, range: AddrRange) -> Vec<(String, u64)> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        let mut covered = 0;
        for (mapping, name) in &self.mappings {
            // A place that was mapped twice counts for the first.
            let from = mapping.start.0.max(covered).max(range.start.0);
            let to = mapping.end.0.min(range.end.0);
            if from < to {
                *sizes.entry(short(name)).or_default() += to - from;
                covered = to;
            }
        }
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        sizes
    }

    /// A title for a range: the name of what takes most of it, and how much else there is; `None` if nothing is known.
    pub fn title(&self, range: AddrRange) -> Option<String> {
        let within = self.within(range);
        let (first, _) = within.first()?;
        match within.len() {
            1 => Some(first.clone()),
            2 => Some(format!("{first} + {}", within.get(1)?.0)),
            n => Some(format!("{first} + {} more", n - 1)),
        }
    }

    /// The mappings that overlap `range`, clipped to it, neighbours of one name joined: for labels along an axis.
    pub fn spans(&self, range: AddrRange) -> Vec<(AddrRange, String)> {
        let mut spans: Vec<(AddrRange, String)> = Vec::new();
        for (mapping, name) in &self.mappings {
            let Some(part) = mapping.intersection(range) else { continue };
            let name = short(name);
            match spans.last_mut() {
                Some((last, known)) if *known == name && last.end >= part.start => last.end = last.end.max(part.end),
                _ => spans.push((part, name)),
            }
        }
        spans
    }

    /// All mappings by short names, so that none overlap: a place that was mapped twice belongs to the first.
    pub fn disjoint(&self) -> Vec<(AddrRange, String)> {
        let mut covered = 0;
        let mut spans = Vec::with_capacity(self.mappings.len());
        for (range, name) in &self.mappings {
            let from = range.start.0.max(covered);
            if from < range.end.0 {
                spans.push((AddrRange::new(Addr(from), range.end), short(name)));
                covered = range.end.0;
            }
        }
        spans
    }

    /// The parts of an area that were ever mapped, without small holes: DAMON's areas have holes that only the two or
    /// three largest gaps of an address space are spared. The area itself if nothing is known of it.
    pub(crate) fn mapped_parts(&self, area: AddrRange) -> Vec<AddrRange> {
        let runs = AddrRange::joined(self.mappings.iter().filter_map(|(range, _)| range.intersection(area)).collect());
        let mapped: u64 = runs.iter().map(|run| run.size().0).sum();
        let mut parts: Vec<AddrRange> = Vec::new();
        for run in runs {
            match parts.last_mut() {
                Some(last) if run.start.0 - last.end.0 <= mapped / CUT_SHARE => last.end = run.end,
                _ => parts.push(run),
            }
        }
        if parts.is_empty() { vec![area] } else { parts }
    }

    /// The stretches that mappings of this name take: the whole name, its last path component, or with or without
    /// brackets.
    pub fn find(&self, wanted: &str) -> Vec<AddrRange> {
        let bare = |name: &str| name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let fits = |name: &str| name == wanted || short(name) == wanted || bare(&short(name)) == bare(wanted);
        AddrRange::joined(self.mappings.iter().filter(|(_, name)| fits(name)).map(|(range, _)| *range).collect())
    }

    /// The names there are, short, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.mappings.iter().map(|(_, name)| short(name)).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// A mapping's name without its folders; `[anon]` for none.
fn short(name: &str) -> String {
    match name {
        "" => "[anon]".to_owned(),
        name if name.starts_with('/') => name.rsplit('/').next().unwrap_or(name).to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(mappings: &[(u64, u64, &str)]) -> MappingNames {
        let range = |m: &(u64, u64, &str)| AddrRange::new(Addr(m.0), Addr(m.1));
        MappingNames { mappings: mappings.iter().map(|m| (range(m), m.2.to_owned())).collect() }
    }

    #[test]
    fn large_holes_are_cut_out_and_small_ones_are_not() {
        let names = names(&[(0, 100, "/bin/x"), (110, 200, ""), (900, 1000, "[heap]")]);
        let parts = names.mapped_parts(AddrRange::new(Addr(0), Addr(2000)));
        assert_eq!(parts, [AddrRange::new(Addr(0), Addr(200)), AddrRange::new(Addr(900), Addr(1000))]);
        assert_eq!(names.title(parts[0]).unwrap(), "x + [anon]");
        assert_eq!(names.title(parts[1]).unwrap(), "[heap]");
        let unknown = AddrRange::new(Addr(5000), Addr(6000));
        assert_eq!(names.mapped_parts(unknown), [unknown]);
    }

    #[test]
    fn a_mapping_is_found_by_its_name_with_or_without_brackets_or_folders() {
        let names = names(&[(0, 100, "/bin/x"), (100, 120, "/bin/x"), (900, 1000, "[heap]")]);
        assert_eq!(names.find("heap"), [AddrRange::new(Addr(900), Addr(1000))]);
        assert_eq!(names.find("x"), [AddrRange::new(Addr(0), Addr(120))]);
        assert!(names.find("y").is_empty());
    }
}
