//! The heat map: which rows are which addresses, which columns are which times, and how hot each cell is.

use crate::areas::{Area, from, name_of};
use crate::history::Moment;
use crate::state::State;
use damo_model::{Addr, AddrRange, Nanos, TargetKey, TimeSpan};
use std::collections::HashMap;
use std::sync::Arc;

/// Gaps that are larger than this part of all that is shown are cut out.
const GAP: u64 = 200;

/// Columns of equal length on the record's clock. They begin at multiples of it, so that they stay what they are while time
/// goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) step: i64,
    pub(crate) first: i64,
    pub(crate) count: usize,
}

impl Columns {
    /// The last one is the one just before `end`.
    pub(crate) fn new(window: Nanos, end: Nanos, count: usize) -> Self {
        let step = (window.0 / (count.max(1) as i64)).max(1);
        let last = end.0.saturating_sub(1).div_euclid(step);
        Self { step, first: last.saturating_sub(count as i64 - 1), count }
    }

    pub(crate) fn span(self, number: i64) -> TimeSpan {
        let at = |number: i64| Nanos(number.saturating_mul(self.step));
        TimeSpan::new(at(number), at(number.saturating_add(1)))
    }

    pub(crate) fn numbers(self) -> impl Iterator<Item = i64> {
        (0..self.count as i64).map(move |i| self.first.saturating_add(i))
    }

    /// All of them.
    pub(crate) fn all(self) -> TimeSpan {
        let last = self.first.saturating_add(self.count as i64 - 1);
        TimeSpan::new(self.span(self.first).start, self.span(last).end)
    }

    /// Which column a moment is in, from the left.
    pub(crate) fn of(self, at: Nanos) -> Option<usize> {
        let number = usize::try_from(at.0.div_euclid(self.step).checked_sub(self.first)?).ok()?;
        (number < self.count).then_some(number)
    }
}

/// The addresses of each row, from low to high.
pub(crate) fn rows(segments: &[AddrRange], count: usize) -> Vec<AddrRange> {
    let mut segments = segments.to_vec();
    // Each takes a row at least: the smallest gaps are shown rather than cut out if there are too many.
    while segments.len() > (count * 3 / 4).max(1) {
        let gap = |i: &usize| segments[i + 1].start.0.saturating_sub(segments[*i].end.0);
        let Some(narrowest) = (0..segments.len() - 1).min_by_key(gap) else { break };
        segments[narrowest].end = segments[narrowest + 1].end;
        segments.remove(narrowest + 1);
    }
    let total: u128 = segments.iter().map(|segment| u128::from(segment.size().0)).sum();
    if total == 0 || count == 0 {
        return Vec::new();
    }
    let mut shares: Vec<usize> = segments
        .iter()
        .map(|segment| ((u128::from(segment.size().0) * count as u128 / total) as usize).max(1))
        .collect();
    // What rounding left over or took too much is the largest one's.
    let sum: usize = shares.iter().sum();
    if let Some(largest) = shares.iter_mut().max() {
        *largest = (*largest + count).saturating_sub(sum).max(1);
    }
    let mut rows = Vec::with_capacity(count);
    for (segment, share) in segments.iter().zip(shares) {
        let size = u128::from(segment.size().0);
        let at = |i: usize| Addr(segment.start.0 + (size * i as u128 / share as u128) as u64);
        rows.extend((0..share).map(|i| AddrRange::new(at(i), at(i + 1))));
    }
    rows.truncate(count);
    rows
}

/// What of a target's addresses is shown: monitored and, where mappings are known, mapped. Large gaps are left out.
pub(crate) fn segments(state: &State, target: TargetKey, focus: Option<&[AddrRange]>, end: Nanos) -> Vec<AddrRange> {
    if let Some(focus) = focus {
        return joined(focus.to_vec());
    }
    let Some(last) = state.history.last_of(target, end) else { return Vec::new() };
    let monitored = joined(last.regions.iter().map(|row| row.range()).collect());
    let areas = state.targets.get(&target).map_or(&[][..], |target| &target.areas);
    let mapped: Vec<AddrRange> = monitored
        .iter()
        .flat_map(|range| {
            let within = from(areas, range.start.0).iter().take_while(move |area| area.range.start < range.end);
            within.filter_map(move |area| area.range.intersection(*range))
        })
        .collect();
    if mapped.is_empty() { monitored } else { joined(mapped) }
}

/// Neighbours with no large gap between them as one.
fn joined(mut ranges: Vec<AddrRange>) -> Vec<AddrRange> {
    ranges.retain(|range| range.size().0 > 0);
    ranges.sort();
    let total: u128 = ranges.iter().map(|range| u128::from(range.size().0)).sum();
    let gap = u64::try_from(total / u128::from(GAP)).unwrap_or(u64::MAX);
    let mut joined: Vec<AddrRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start.0 <= last.end.0.saturating_add(gap) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Names for rows: what is mapped there, only where it is another than in the row below; else the address.
pub(crate) fn names(rows: &[AddrRange], areas: &[Area]) -> Vec<String> {
    let mut before: Option<Arc<str>> = None;
    let mut end = None;
    let named = |row: &AddrRange| {
        let name = name_of(areas, *row).cloned();
        let text = match &name {
            Some(name) if before.as_ref() != Some(name) => name.to_string(),
            None if end != Some(row.start) => format!("{:x}", row.start.0),
            _ => String::new(),
        };
        (before, end) = (name, Some(row.end));
        text
    };
    rows.iter().map(named).collect()
}

/// Columns that were computed once: those in the past do not change.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    of: Option<(TargetKey, i64, Vec<AddrRange>)>,
    columns: HashMap<i64, Vec<Option<f32>>>,
}

impl Cache {
    /// The heat of each row in each column: the mean share of samples that found an access, over time and bytes.
    pub(crate) fn cells(
        &mut self,
        state: &State,
        target: TargetKey,
        columns: Columns,
        rows: &[AddrRange],
    ) -> Vec<Vec<Option<f32>>> {
        let is_same =
            self.of.as_ref().is_some_and(|(of, step, known)| (*of, *step) == (target, columns.step) && known == rows);
        if !is_same {
            self.columns.clear();
            self.of = Some((target, columns.step, rows.to_vec()));
        }
        let all = columns.all();
        self.columns.retain(|number, _| columns.span(*number).overlaps(all));
        let compute = |number: i64| {
            let span = columns.span(number);
            // One that may still get snapshots is not kept.
            let kept = span.end.saturating_add(Nanos::from_secs(5)) < state.now();
            (column(state, target, span, rows), kept)
        };
        let cell = |number: i64| match self.columns.get(&number) {
            Some(known) => known.clone(),
            None => {
                let (cells, kept) = compute(number);
                if kept {
                    self.columns.insert(number, cells.clone());
                }
                cells
            }
        };
        columns.numbers().map(cell).collect()
    }
}

fn column(state: &State, target: TargetKey, span: TimeSpan, rows: &[AddrRange]) -> Vec<Option<f32>> {
    let mut sums = vec![(0.0, 0.0); rows.len()];
    for moment in state.history.within(span).filter(|moment| moment.target == target) {
        add(moment, span, rows, &mut sums);
    }
    sums.iter().map(|(heat, weight)| (*weight > 0.0).then(|| (heat / weight) as f32)).collect()
}

fn add(moment: &Moment, span: TimeSpan, rows: &[AddrRange], sums: &mut [(f64, f64)]) {
    let common = TimeSpan::new(span.start.max(moment.span.start), span.end.min(moment.span.end));
    let time = common.length().0 as f64;
    for (row, (heat, weight)) in rows.iter().zip(sums) {
        for region in moment.overlapping(*row) {
            let bytes = region.end.min(row.end.0).saturating_sub(region.start.max(row.start.0)) as f64;
            *heat += moment.share(region) * bytes * time;
            *weight += bytes * time;
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
    fn rows_are_as_many_as_wanted_and_cover_all_segments() {
        for (count, segments) in
            [(10, vec![range(0, 100)]), (9, vec![range(0, 100), range(1000, 1001), range(5000, 5300)])]
        {
            let rows = rows(&segments, count);
            assert_eq!(rows.len(), count);
            assert_eq!(rows[0].start, segments[0].start);
            assert_eq!(rows[count - 1].end, segments[segments.len() - 1].end);
        }
        let many: Vec<AddrRange> = (0..100).map(|i| range(i * 1000, i * 1000 + 10)).collect();
        assert_eq!(rows(&many, 8).len(), 8);
        assert!(rows(&[], 8).is_empty());
    }

    #[test]
    fn large_gaps_are_cut_out_and_small_ones_are_not() {
        assert_eq!(joined(vec![range(0, 1000), range(1001, 2000), range(1 << 40, (1 << 40) + 1000)]).len(), 2);
    }

    #[test]
    fn columns_stay_where_they_are_while_time_goes_on() {
        let window = Nanos::from_secs(10);
        let before = Columns::new(window, Nanos::from_millis(20_050), 10);
        let after = Columns::new(window, Nanos::from_millis(20_950), 10);
        assert_eq!(before, after);
        assert_eq!(before.span(20).start, Nanos::from_secs(20));
        assert_eq!(before.of(Nanos::from_secs(20)), Some(9));
        assert_eq!(before.of(Nanos::from_secs(2)), None);
    }
}
