//! What is mapped where: neighbours of one name together, in bounded memory.

use damo_model::human::Show;
use damo_model::{AddrRange, Mapping};
use std::collections::HashMap;
use std::sync::Arc;

/// More parts of an address space are not told apart.
const MOST_AREAS: usize = 8_192;
/// Longer names are cut.
const LONGEST_NAME: usize = 64;

/// Some addresses with the name of what is mapped there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) range: AddrRange,
    /// The file's name without its directory, `[heap]` and the like; `anon` for unnamed memory.
    pub(crate) name: Arc<str>,
}

/// The mappings of a process, sorted by address.
pub(crate) fn areas(mappings: &[Mapping]) -> Vec<Area> {
    let mut names: HashMap<&str, Arc<str>> = HashMap::new();
    let mut areas: Vec<Area> = Vec::new();
    for mapping in mappings {
        let name = names.entry(mapping.name.as_str()).or_insert_with(|| short_name(&mapping.name).into());
        if let Some(last) = areas.last_mut()
            && last.range.end == mapping.start
            && last.name == *name
        {
            last.range.end = mapping.end;
        } else if areas.len() < MOST_AREAS {
            areas.push(Area { range: AddrRange::new(mapping.start, mapping.end), name: Arc::clone(name) });
        }
    }
    areas
}

/// The area at an address, or the next one above it.
pub(crate) fn from(areas: &[Area], address: u64) -> &[Area] {
    &areas[areas.partition_point(|area| area.range.end.0 <= address)..]
}

/// The name of what takes most of a range, if anything is mapped there.
pub(crate) fn name_of(areas: &[Area], range: AddrRange) -> Option<&Arc<str>> {
    let within = from(areas, range.start.0).iter().take_while(|area| area.range.start < range.end);
    let overlap = |area: &&Area| area.range.intersection(range).map_or(0, |common| common.size().0);
    within.max_by_key(overlap).map(|area| &area.name)
}

fn short_name(name: &str) -> String {
    let base = if name.starts_with('/') { name.rsplit('/').next().unwrap_or(name) } else { name };
    match base {
        "" => "anon".to_owned(),
        _ => base.shown().to_string().chars().take(LONGEST_NAME).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Addr;

    fn mapping(start: u64, end: u64, name: &str) -> Mapping {
        Mapping { start: Addr(start), end: Addr(end), name: name.into(), ..Mapping::default() }
    }

    #[test]
    fn neighbours_of_one_name_are_one_area() {
        let areas = areas(&[mapping(0, 10, "/usr/bin/app"), mapping(10, 20, "/usr/bin/app"), mapping(30, 40, "")]);
        let shown: Vec<(u64, u64, &str)> =
            areas.iter().map(|area| (area.range.start.0, area.range.end.0, area.name.as_ref())).collect();
        assert_eq!(shown, [(0, 20, "app"), (30, 40, "anon")]);
        assert_eq!(name_of(&areas, AddrRange::new(Addr(15), Addr(38))).map(AsRef::as_ref), Some("anon"));
        assert_eq!(name_of(&areas, AddrRange::new(Addr(50), Addr(60))), None);
    }
}
