//! Which cells to fill: options made concrete by what a record has.
//!
//! Filling cells needs to know the areas first, and knowing the areas takes a pass over the whole record. To read large
//! records once only, the plan is made from a few sampled blocks; the pass that fills the cells surveys the
//! record as well, and if the plan made from that differs, the pass is repeated with the right plan.

use super::beside::Beside;
use super::options::{Cells, DrawRange, HeatsOptions};
use crate::ReportError;
use crate::range::{find_mark, listed};
use crate::survey::{Extent, First, Identity, Survey};
use damo_frame::Record;
use damo_model::{Addr, AddrRange, Nanos, Side, TimeSpan};

/// The most cells that are filled in one go.
const MAX_CELLS: usize = 1 << 26;

/// Which cells to fill.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// The target whose snapshots fill the cells.
    pub identity: Identity,
    /// From and to, on the record's clock.
    pub time: TimeSpan,
    /// A panel each.
    pub ranges: Vec<AddrRange>,
    /// The snapshot whose ages reach back.
    pub first: Option<First>,
    /// Aggregation interval that sums are kept in; `None` if the record does not tell its intervals.
    pub aggregation: Option<Nanos>,
    /// Checks of each region in one aggregation interval, where known.
    pub checks: Option<u32>,
}

impl Plan {
    /// Makes a plan: `whole` tells of times, `areas` of addresses (the same survey, or one of the wanted time only).
    pub(super) fn make(
        beside: &Beside<'_>,
        options: &HeatsOptions,
        whole: &Survey,
        areas: &Survey,
    ) -> Result<Plan, ReportError> {
        let (identity, extent) = pick(options, whole)?;
        let time = time_range(beside.records, options, span(extent)?)?;
        let here = areas.get(identity).unwrap_or(extent);
        let ranges = ranges(beside, options, identity, here)?;
        let columns = options.columns.of(&ranges).into_iter().fold(0, usize::saturating_add);
        let cells = options.rows.saturating_mul(columns);
        if cells > MAX_CELLS {
            return Err(ReportError::TooManyCells { cells, limit: MAX_CELLS });
        }
        let aggregation = extent.intervals.map(|intervals| intervals.aggregation);
        let checks = extent.intervals.map(|intervals| intervals.max_nr_accesses().0);
        Ok(Plan { identity, time, ranges, first: extent.first, aggregation, checks })
    }
}

/// The very identity that is wanted, if it names a target, else the extent with most space of those that fit it; the
/// first of equals. What schemes were applied to is a part of what was monitored: it is picked only if asked for, or if
/// there is nothing else.
fn pick<'a>(options: &HeatsOptions, survey: &'a Survey) -> Result<(Identity, &'a Extent), ReportError> {
    let wanted = &options.identity;
    let fits = |known: &Identity| {
        (wanted.kdamond.is_none() || wanted.kdamond == known.kdamond)
            && (wanted.context.is_none() || wanted.context == known.context)
            && (wanted.scheme.is_none() || wanted.scheme == known.scheme)
            && (wanted.target_id.is_none() || wanted.target_id == known.target_id)
    };
    // A foreign record's target 0 without a context is not its target 0 as a scheme saw it.
    if let Some(extent) = survey.get(*wanted).filter(|_| wanted.target_id.is_some()) {
        return Ok((*wanted, extent));
    }
    let plain = survey.extents.iter().any(|(known, _)| fits(known) && known.scheme.is_none());
    let fitting = survey
        .extents
        .iter()
        .filter(|(known, _)| fits(known) && (wanted.scheme.is_some() || !plain || known.scheme.is_none()));
    let larger = |best: &'a (Identity, Extent), next: &'a (Identity, Extent)| {
        if next.1.total() > best.1.total() { next } else { best }
    };
    match fitting.reduce(larger) {
        Some((identity, extent)) => Ok((*identity, extent)),
        None if survey.extents.is_empty() => Err(ReportError::NoSnapshots),
        None => {
            let ids = survey.extents.iter().filter_map(|(known, _)| known.target_id);
            let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
            Err(ReportError::NoSuchTarget { known: ids.join(", ") })
        }
    }
}

fn time_range(records: &[Record], options: &HeatsOptions, known: TimeSpan) -> Result<TimeSpan, ReportError> {
    if let Some(text) = &options.mark {
        let start = find_mark(records, text)?;
        let end = next_mark(records, start)?.unwrap_or(known.end);
        return not_empty(TimeSpan::new(start, end));
    }
    let Some(range) = &options.time_range else {
        return Ok(known);
    };
    not_empty(range.resolve(records, known)?)
}

fn not_empty(time: TimeSpan) -> Result<TimeSpan, ReportError> {
    if time.start < time.end { Ok(time) } else { Err(empty_range("time")) }
}

fn empty_range(what: &str) -> ReportError {
    ReportError::invalid(format!("the {what} range is empty: its end must lie after its start"))
}

/// The time that is known. Of a target of one snapshot, whose length nothing tells, there is none.
const NO_LENGTH: &str = "the length of the target's only snapshot is not known (a trace tells when an aggregation ended, not \
                         when it began), so that there is nothing to draw over time; tell the intervals, as in \
                         --intervals 5ms 100ms";

fn span(extent: &Extent) -> Result<TimeSpan, ReportError> {
    let TimeSpan { start, end } = extent.known_span().ok_or(ReportError::NoSnapshots)?;
    if start < end { Ok(TimeSpan::new(start, end)) } else { Err(ReportError::invalid(NO_LENGTH)) }
}

/// The wanted time range where it does not depend on anything but the first and last snapshots.
pub(super) fn window(records: &[Record], options: &HeatsOptions, whole: &Survey) -> Result<TimeSpan, ReportError> {
    let (_, extent) = pick(options, whole)?;
    time_range(records, options, span(extent)?)
}

/// The first mark after a time.
fn next_mark(records: &[Record], after: Nanos) -> Result<Option<Nanos>, ReportError> {
    let mut next: Option<Nanos> = None;
    for record in records {
        let marks = record.side_data()?.iter().filter_map(|side| match side {
            Side::Mark(mark) => record.on_record_clock(mark.at),
            _ => None,
        });
        next = marks.filter(|at| *at > after).chain(next).min();
    }
    Ok(next)
}

fn ranges(
    beside: &Beside<'_>,
    options: &HeatsOptions,
    identity: Identity,
    extent: &Extent,
) -> Result<Vec<AddrRange>, ReportError> {
    let areas: Vec<AddrRange> = extent.areas.iter().map(|area| area.range).collect();
    let ranges: Vec<AddrRange> = if !options.address_ranges.is_empty() {
        let guided = |i: usize| areas.get(i).map(|area| area.start);
        let resolved = options.address_ranges.iter().enumerate().map(|(i, range)| range.resolve(guided(i)));
        resolved.collect::<Option<_>>().ok_or_else(|| {
            let areas = areas.len();
            ReportError::invalid(format!(
                "'guided' address ranges name the areas in order, and the record has {areas} only (see --guide)"
            ))
        })?
    } else if let Some(name) = &options.mapping {
        let names = beside.mappings(identity);
        let found = names.find(name);
        if found.is_empty() {
            return Err(ReportError::NoSuchMapping { wanted: name.clone(), known: listed(&names.names()) });
        }
        found
    } else {
        match options.draw_range {
            DrawRange::Hottest => extent.hottest().and_then(|i| areas.get(i)).copied().into_iter().collect(),
            DrawRange::All => areas,
            DrawRange::Mapped => {
                let names = beside.mappings(identity);
                at_most(options.most_panels, areas.iter().flat_map(|area| names.mapped_parts(*area)).collect())
            }
        }
    };
    if ranges.iter().any(|range| range.start >= range.end) {
        return Err(empty_range("address"));
    }
    Ok(ranges)
}

/// Joins neighbours over the smallest gaps until there are at most `count`.
fn at_most(count: usize, mut ranges: Vec<AddrRange>) -> Vec<AddrRange> {
    while ranges.len() > count.max(1) {
        let gap = |i: usize| {
            let ends = ranges.get(i).zip(ranges.get(i + 1));
            ends.map_or(u64::MAX, |(a, b)| b.start.0.saturating_sub(a.end.0))
        };
        let Some(at) = (0..ranges.len() - 1).min_by_key(|i| gap(*i)) else { break };
        let end: Addr = ranges.remove(at + 1).end;
        if let Some(range) = ranges.get_mut(at) {
            range.end = end;
        }
    }
    ranges
}

impl HeatsOptions {
    /// The cells of a plan: the time axis and an address axis per range.
    pub(super) fn axes(&self, plan: &Plan) -> (super::Axis, Vec<super::Axis>) {
        let axis = match self.cells {
            Cells::Even => super::Axis::even,
            Cells::Whole => super::Axis::whole,
        };
        let time = axis(plan.time.start.0.into(), plan.time.end.0.into(), self.rows);
        let columns = self.columns.of(&plan.ranges);
        let space = |(range, columns): (&AddrRange, usize)| axis(range.start.0.into(), range.end.0.into(), columns);
        (time, plan.ranges.iter().zip(columns).map(space).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_panels_are_joined_over_the_smallest_gaps() {
        let range = |start, end| AddrRange::new(Addr(start), Addr(end));
        let ranges = vec![range(0, 10), range(11, 20), range(100, 110), range(105, 120), range(500, 600)];
        assert_eq!(at_most(3, ranges), [range(0, 20), range(100, 120), range(500, 600)]);
    }
}
