//! Which mapping an address belonged to at a moment.

use damo_frame::{FrameError, Record};
use damo_model::{Mapping, Nanos, Side, TargetKey};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What memory without a name is called, as the kernel calls its own kinds of memory.
const UNNAMED: &str = "[anon]";

/// The name of a mapping in tables.
pub(crate) fn name_of(mapping: &Mapping) -> &str {
    if mapping.name.is_empty() { UNNAMED } else { &mapping.name }
}

/// A mapping: first byte, first byte behind it, name. A long record has many readings of the same few names.
type Span = (u64, u64, Arc<str>);

/// Each name once.
type Names = HashSet<Arc<str>>;

/// What was mapped where, and when, for each target of a record.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    /// For each target what was read of it, by time: from then on these mappings hold. Each list is sorted and disjoint.
    targets: BTreeMap<TargetKey, Vec<(Nanos, Vec<Span>)>>,
}

/// The mappings of one target at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout<'a> {
    spans: &'a [Span],
}

impl Layouts {
    /// Those of a record.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn of(record: &Record) -> Result<Self, FrameError> {
        let mut targets: BTreeMap<TargetKey, Vec<(Nanos, Vec<Span>)>> = BTreeMap::new();
        let only = record.targets().len() == 1;
        let mut names = Names::new();
        for side in record.side_data()? {
            let Side::Mappings(read) = side else { continue };
            let Some(at) = record.on_record_clock(read.at) else { continue };
            let spans = disjoint(&read.mappings, &mut names);
            for target in record.targets() {
                let is_it = match read.target {
                    Some(key) => key == target.key,
                    None => only || target.process.as_ref().is_some_and(|process| process.pid == read.pid),
                };
                if is_it {
                    targets.entry(target.key).or_default().push((at, spans.clone()));
                }
            }
        }
        targets.values_mut().for_each(|readings| readings.sort_by_key(|(at, _)| *at));
        Ok(Self { targets })
    }

    /// The mappings in force at a moment: the last that were read until then, and before the first reading the first.
    pub(crate) fn at(&self, target: TargetKey, at: Nanos) -> Layout<'_> {
        let readings = self.targets.get(&target).map_or(&[][..], Vec::as_slice);
        let next = readings.partition_point(|(read, _)| *read <= at);
        let reading = readings.get(next.saturating_sub(1));
        Layout { spans: reading.map_or(&[], |(_, spans)| spans) }
    }
}

impl<'a> Layout<'a> {
    /// The mapping that an address lies in.
    pub(crate) fn of_address(self, address: u64) -> Option<&'a str> {
        let next = self.spans.partition_point(|(start, _, _)| *start <= address);
        let (_, end, name) = self.spans.get(next.checked_sub(1)?)?;
        (address < *end).then_some(&**name)
    }

    /// The mapping that most bytes of a region lie in; the first of those with equally many.
    pub(crate) fn of_region(self, start: u64, end: u64) -> Option<&'a str> {
        let first = self.spans.partition_point(|(_, behind, _)| *behind <= start);
        let within = self.spans.iter().skip(first).take_while(|(from, _, _)| *from < end);
        let mut most = (0, None);
        for (from, behind, name) in within {
            let bytes = end.min(*behind).saturating_sub(start.max(*from));
            if bytes > most.0 {
                most = (bytes, Some(&**name));
            }
        }
        most.1
    }
}

/// Mappings by address, so that none overlap: a place that is mapped twice belongs to the first.
fn disjoint(mappings: &[Mapping], names: &mut Names) -> Vec<Span> {
    let mut sorted: Vec<&Mapping> = mappings.iter().collect();
    sorted.sort_by_key(|mapping| (mapping.start, mapping.end));
    let mut covered = 0;
    let mut spans = Vec::with_capacity(sorted.len());
    for mapping in sorted {
        let from = mapping.start.0.max(covered);
        if from < mapping.end.0 {
            let name = names.get(name_of(mapping)).cloned().unwrap_or_else(|| Arc::from(name_of(mapping)));
            names.insert(Arc::clone(&name));
            spans.push((from, mapping.end.0, name));
            covered = mapping.end.0;
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Addr;

    fn mapping(start: u64, end: u64, name: &str) -> Mapping {
        Mapping { start: Addr(start), end: Addr(end), name: name.to_owned(), ..Mapping::default() }
    }

    fn spans_of(mappings: &[Mapping]) -> Vec<Span> {
        disjoint(mappings, &mut Names::new())
    }

    #[test]
    fn an_address_belongs_to_the_mapping_around_it_and_to_the_first_of_two() {
        let spans = spans_of(&[mapping(10, 30, "a"), mapping(20, 40, "b"), mapping(50, 60, "")]);
        let layout = Layout { spans: &spans };
        let named = [9, 10, 25, 35, 40, 50, 60].map(|address| layout.of_address(address));
        assert_eq!(named, [None, Some("a"), Some("a"), Some("b"), None, Some("[anon]"), None]);
    }

    #[test]
    fn a_region_belongs_to_the_mapping_that_most_of_it_lies_in() {
        let spans = spans_of(&[mapping(10, 30, "a"), mapping(30, 100, "b")]);
        let layout = Layout { spans: &spans };
        assert_eq!(layout.of_region(0, 35), Some("a"));
        assert_eq!(layout.of_region(20, 60), Some("b"));
        assert_eq!(layout.of_region(100, 200), None);
    }

    #[test]
    fn mappings_hold_from_their_reading_on_and_the_first_ones_before_it() {
        let layouts = Layouts {
            targets: BTreeMap::from([(
                TargetKey(0),
                vec![
                    (Nanos(100), spans_of(&[mapping(0, 10, "old")])),
                    (Nanos(200), spans_of(&[mapping(0, 10, "new")])),
                ],
            )]),
        };
        let at = |time| layouts.at(TargetKey(0), Nanos(time)).of_address(5);
        assert_eq!([at(0), at(150), at(200), at(900)], [Some("old"), Some("old"), Some("new"), Some("new")]);
        assert_eq!(layouts.at(TargetKey(1), Nanos(0)).of_address(5), None);
    }
}
