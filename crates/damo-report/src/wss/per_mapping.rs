//! The working set told apart by what was mapped where.
//!
//! DAMON's regions know nothing of mappings: a region that two mappings share counts for each by the bytes that lie in
//! it. Where something else was mapped later, the mapping that begins first counts, for the whole record.

use super::WssOptions;
use crate::ReportError;
use crate::confidence::membership_variance;
use crate::filter::{Filter, for_each_rows};
use crate::heats::{MappingNames, MappingsOfTargets};
use crate::series::Point;
use crate::survey::Identity;
use damo_frame::Record;
use damo_model::{AddrRange, Target, TargetKey};
use std::collections::{BTreeMap, HashMap};

/// What lies in no known mapping.
pub const UNMAPPED: &str = "[unmapped]";

/// Where a target's mappings are, disjoint, with positions in a list of names; the last name is that of what is mapped
/// nowhere.
#[derive(Clone, Debug)]
pub struct MappingLayout {
    /// Names of mappings, each once.
    pub names: Vec<String>,
    spans: Vec<(AddrRange, usize)>,
}

impl MappingLayout {
    /// Those of a record's targets.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn of_targets(record: &Record) -> Result<HashMap<TargetKey, Self>, ReportError> {
        let mappings = MappingsOfTargets::of(std::slice::from_ref(record))?;
        let layout = |target: &Target| (target.key, Self::new(&mappings.names(Identity::from(target))));
        Ok(record.targets().iter().map(layout).collect())
    }

    /// That of these mappings.
    fn new(names: &MappingNames) -> Self {
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut layout = MappingLayout { names: Vec::new(), spans: Vec::new() };
        for (range, name) in names.disjoint() {
            let at = *known.entry(name.clone()).or_insert(layout.names.len());
            if at == layout.names.len() {
                layout.names.push(name);
            }
            layout.spans.push((range, at));
        }
        layout.names.push(UNMAPPED.to_owned());
        layout
    }

    /// Tells how many bytes of `[start, end)` belong to which name.
    pub fn parts(&self, start: u64, end: u64, tell: impl FnMut(usize, u64)) {
        parts(&self.spans, self.names.len() - 1, (start, end), tell);
    }
}

/// Tells how many bytes of `[start, end)` are in which of some sorted and disjoint spans, by the numbers that these have; what is
/// in none of them has the number `rest`.
pub fn parts(spans: &[(AddrRange, usize)], rest: usize, (start, end): (u64, u64), mut tell: impl FnMut(usize, u64)) {
    let mut left = end.saturating_sub(start);
    let first = spans.partition_point(|(range, _)| range.end.0 <= start);
    for (range, number) in spans.iter().skip(first).take_while(|(range, _)| range.start.0 < end) {
        let bytes = range.end.0.min(end) - range.start.0.max(start);
        left -= bytes;
        tell(*number, bytes);
    }
    if left > 0 {
        tell(rest, left);
    }
}

/// The working sets of each target's mappings by name, the largest first; names that never were accessed are left out.
pub(super) fn series(
    record: &Record,
    filter: &Filter,
    options: &WssOptions,
) -> Result<Vec<(TargetKey, String, Vec<Point>)>, ReportError> {
    let layouts = MappingLayout::of_targets(record)?;
    if layouts.values().all(|layout| layout.spans.is_empty()) {
        return Err(ReportError::invalid(format!(
            "{} does not say what was mapped where; record a process (not `paddr`) with damo",
            record.name()
        )));
    }
    let mut found: HashMap<TargetKey, Vec<Vec<Point>>> = HashMap::new();
    for_each_rows(record, filter, |_, rows| {
        let Some(layout) = layouts.get(&rows.head.target) else { return Ok(()) };
        let points = found.entry(rows.head.target).or_insert_with(|| vec![Vec::new(); layout.names.len()]);
        let mut sums = vec![(0u64, 0.0); layout.names.len()];
        let regions = rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate();
        for (i, ((start, end), count)) in regions {
            let accessed = *count >= options.acc_thres.0;
            if end.saturating_sub(*start) < options.sz_thres.0 || !(accessed || options.errors) {
                continue;
            }
            let doubt = if options.errors { membership_variance(&rows, i, options.acc_thres) } else { 0.0 };
            layout.parts(*start, *end, |name, bytes| {
                if let Some((sum, variance)) = sums.get_mut(name) {
                    *sum += if accessed { bytes } else { 0 };
                    *variance += bytes as f64 * bytes as f64 * doubt;
                }
            });
        }
        for (points, sum) in points.iter_mut().zip(sums) {
            points.push(Point::of(&rows, sum));
        }
        Ok(())
    })?;
    let mut all = Vec::new();
    for target in record.targets() {
        let (Some(points), Some(layout)) = (found.remove(&target.key), layouts.get(&target.key)) else { continue };
        let named = layout.names.iter().cloned().zip(points);
        let mut named: Vec<_> = named.filter(|(_, points)| points.iter().any(|point| point.value > 0)).collect();
        let total = |points: &[Point]| points.iter().map(|point| u128::from(point.value)).sum::<u128>();
        named.sort_by_key(|(_, points)| std::cmp::Reverse(total(points)));
        all.extend(named.into_iter().map(|(name, points)| (target.key, name, points)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Addr;

    #[test]
    fn a_region_counts_for_each_mapping_by_the_bytes_in_it() {
        let range = |a, b| AddrRange::new(Addr(a), Addr(b));
        let names = vec!["a".to_owned(), "b".to_owned(), UNMAPPED.to_owned()];
        let layout = MappingLayout { names, spans: vec![(range(10, 20), 0), (range(20, 30), 1), (range(50, 60), 0)] };
        let mut sums = [0; 3];
        layout.parts(5, 55, |name, bytes| sums[name] += bytes);
        assert_eq!(sums, [15, 10, 25]);
        layout.parts(100, 110, |name, bytes| sums[name] += bytes);
        assert_eq!(sums, [15, 10, 35]);
    }
}
