//! One number per snapshot: what distributions over time are made of.
//!
//! A number per snapshot is small where its regions are many, so that a record of any length is walked once, on all
//! cores, and everything else (sorting, percentiles, sums over targets) happens on the numbers.

use crate::ReportError;
use crate::bounds::WorkingSetBounds;
use crate::distribution::Distribution;
use crate::filter::{Filter, RegionFilter, Rows, fold_rows};
use damo_frame::{Chunk, Detail, Record};
use damo_model::{Intervals, Nanos, SnapshotHead, SnapshotState, Source, TargetKey};
use std::collections::HashMap;

/// One number of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The target that it is of.
    pub target: TargetKey,
    /// When the snapshot began.
    pub start: Nanos,
    /// When it ended.
    pub end: Nanos,
    /// The number: bytes, or a count.
    pub value: u64,
    /// Whether regions are missing, so that the number is not to be trusted.
    pub partial: bool,
    /// Square of the number's standard error; 0 where nobody asked for it.
    pub variance: f64,
}

impl Point {
    /// The number of a snapshot, with the square of its standard error.
    pub fn of(rows: &Rows<'_>, number: (u64, f64)) -> Self {
        Self::of_head(rows.head, number)
    }

    fn of_head(head: &SnapshotHead, (value, variance): (u64, f64)) -> Self {
        let partial = head.state != SnapshotState::Complete;
        Point { target: head.target, start: head.start, end: head.end, value, partial, variance }
    }
}

/// The numbers of one target, or of all together.
#[derive(Clone, Debug)]
pub struct Series {
    /// The record's name.
    pub record: String,
    /// What to call it: the kernel's target id, told apart where several targets share one; `0` for all together.
    pub label: String,
    /// Which target; `None` for all together.
    pub target: Option<TargetKey>,
    /// What was mapped there, if told apart by that.
    pub mapping: Option<String>,
    /// In time order.
    pub points: Vec<Point>,
    /// Between which values each of them lies, if known.
    pub(crate) bounds: Option<WorkingSetBounds>,
    /// The numbers, ranked.
    pub distribution: Distribution,
    /// What it is based on.
    pub used: Used,
}

/// The points of several series, each with its series.
pub(crate) fn point_rows(series: &[Series]) -> Vec<(&Series, &Point)> {
    series.iter().flat_map(|series| series.points.iter().map(move |point| (series, point))).collect()
}

/// How many of the snapshots looked at could be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Those left out because regions are missing.
    pub partial: u64,
    /// Those at the beginning that were not looked at, because DAMON's regions had not settled.
    pub left_out: u64,
}

/// How many snapshots are left out at the beginning unless told otherwise: DAMON's first regions are a guess.
pub const SETTLING: u64 = 20;

/// How many of `snapshots` are left out at the beginning, in every report that leaves some out: as many as `wanted`, else the
/// first [`SETTLING`], but none where there are no more than that.
pub fn left_out(wanted: Option<u64>, snapshots: u64) -> u64 {
    match wanted {
        Some(wanted) => wanted.min(snapshots),
        None if snapshots > SETTLING => SETTLING,
        None => 0,
    }
}

/// How many snapshots of a record are left out: as many as `wanted`, else by the common rule ([`left_out`]), but none of those
/// that have nothing to settle: pages that are counted by mapping are exact from the first one on.
pub fn excluded(record: &Record, wanted: Option<u64>) -> Option<u64> {
    wanted.or((record.meta().source == Source::Referenced).then_some(0))
}

impl Used {
    /// What both sets of snapshots are together.
    pub fn plus(self, other: Used) -> Used {
        Used {
            snapshots: self.snapshots + other.snapshots,
            partial: self.partial + other.partial,
            left_out: self.left_out + other.left_out,
        }
    }
}

/// What is known of a snapshot that passes without its regions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outline {
    /// How many of its regions pass.
    pub regions: u64,
    /// The intervals in force: the snapshot's, or the record's.
    pub intervals: Option<Intervals>,
}

/// Measures each snapshot that passes, in record order. Regions are decoded only if the filter looks at them.
///
/// # Errors
/// When the record cannot be read or the filter cannot be applied to it.
pub(crate) fn measure(
    record: &Record,
    filter: &Filter,
    value: impl Fn(Outline) -> u64 + Sync,
) -> Result<Vec<Point>, ReportError> {
    let Some(selection) = filter.selection(record).filter(|_| !filter.needs_regions()) else {
        let value = |rows: &Rows<'_>| value(Outline { regions: rows.len() as u64, intervals: rows.intervals });
        return measure_with_error(record, filter, Detail::All, |rows| (value(rows), 0.0));
    };
    let known = record.meta().intervals;
    let begin = || (Vec::new(), RegionFilter::new(filter, known));
    let step = |(points, filter): &mut (Vec<Point>, RegionFilter<'_>), chunk: &Chunk| {
        for head in chunk.heads().iter().filter(|head| filter.head_passes(head)) {
            let outline = Outline { regions: head.regions.len() as u64, intervals: head.intervals.or(known) };
            points.push(Point::of_head(head, (value(outline), 0.0)));
        }
        Ok::<(), ReportError>(())
    };
    let plus = |(mut points, filter): (Vec<Point>, _), (more, _): (Vec<Point>, _)| {
        points.extend(more);
        (points, filter)
    };
    Ok(record.fold_detail(&selection, Detail::Heads, begin, step, plus)?.0)
}

/// The same for a number of regions, decoded as far as `detail` says, that comes with the square of its standard error.
///
/// # Errors
/// As [`measure`].
pub(crate) fn measure_with_error(
    record: &Record,
    filter: &Filter,
    detail: Detail,
    value: impl Fn(&Rows<'_>) -> (u64, f64) + Sync,
) -> Result<Vec<Point>, ReportError> {
    let take = |points: &mut Vec<Point>, rows: &Rows<'_>| points.push(Point::of(rows, value(rows)));
    fold_rows(record, filter, detail, Vec::new, take, |mut points, more| {
        points.extend(more);
        points
    })
}

/// The points of each target, in the order in which the targets first appear.
pub fn by_target(points: &[Point]) -> Vec<(TargetKey, Vec<Point>)> {
    let mut at: HashMap<TargetKey, usize> = HashMap::new();
    let mut series: Vec<(TargetKey, Vec<Point>)> = Vec::new();
    for point in points {
        let i = *at.entry(point.target).or_insert(series.len());
        if i == series.len() {
            series.push((point.target, Vec::new()));
        }
        if let Some((_, points)) = series.get_mut(i) {
            points.push(*point);
        }
    }
    series
}

/// Snapshots of all targets at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Start of the first of them.
    pub start: Nanos,
    /// End of the last of them.
    pub end: Nanos,
    /// Whether one lacks regions.
    pub partial: bool,
    /// Their positions among the points; the first one has the earliest end.
    pub members: Vec<usize>,
}

/// Which points are of the same instant, in time order.
///
/// Targets of one kdamond are reported one after the other, so "the same instant" is a group of snapshots whose ends lie
/// closer together than half of their length, one per target. A target without a snapshot in the group (it has other
/// intervals) counts with the snapshot that covers the instant, and one that has not begun or has ended with nothing. An
/// instant is partial if one of its parts is.
pub fn instants(points: &[Point]) -> Vec<Instant> {
    let mut at: HashMap<TargetKey, usize> = HashMap::new();
    let mut series: Vec<Vec<usize>> = Vec::new();
    for (i, point) in points.iter().enumerate() {
        let s = *at.entry(point.target).or_insert(series.len());
        if s == series.len() {
            series.push(Vec::new());
        }
        series[s].push(i);
    }
    let mut order: Vec<(usize, usize)> = Vec::with_capacity(points.len());
    for (s, own) in series.iter_mut().enumerate() {
        own.sort_by_key(|i| points[*i].end);
        order.extend((0..own.len()).map(|p| (s, p)));
    }
    order.sort_by_key(|(s, p)| (points[series[*s][*p]].end, *s));

    let mut instants = Vec::new();
    // For each target: the group it was last part of, and its first snapshot that may cover the next instant.
    let mut last_group = vec![usize::MAX; series.len()];
    let mut next = vec![0; series.len()];
    let mut rest = order.as_slice();
    while let Some((s, p)) = rest.first() {
        let first = points[series[*s][*p]];
        let group = instants.len();
        let mut instant = Instant { start: first.start, end: first.end, partial: false, members: Vec::new() };
        let mut shortest = first.end.saturating_sub(first.start);
        for (s, p) in rest {
            let member = points[series[*s][*p]];
            let length = member.end.saturating_sub(member.start);
            let gap = member.end.saturating_sub(first.end);
            if last_group[*s] == group || (!instant.members.is_empty() && gap.0 > shortest.min(length).0 / 2) {
                break;
            }
            last_group[*s] = group;
            next[*s] = p + 1;
            shortest = shortest.min(length);
            instant.start = instant.start.min(member.start);
            instant.end = member.end;
            instant.partial |= member.partial;
            instant.members.push(series[*s][*p]);
        }
        rest = &rest[instant.members.len()..];
        for (s, own) in series.iter().enumerate() {
            if last_group[s] == group {
                continue;
            }
            while own.get(next[s]).is_some_and(|i| points[*i].end < instant.end) {
                next[s] += 1;
            }
            if let Some(covering) = own.get(next[s]).filter(|i| points[**i].start < instant.end) {
                instant.partial |= points[*covering].partial;
                instant.members.push(*covering);
            }
        }
        instants.push(instant);
    }
    instants
}

/// Sums over the targets at the same instants, in time order: see [`instants`].
pub(crate) fn sum_at_instants(points: &[Point]) -> Vec<Point> {
    let sum = |instant: Instant| {
        let mut sum = Point { value: 0, variance: 0.0, ..points[instant.members[0]] };
        (sum.start, sum.end, sum.partial) = (instant.start, instant.end, instant.partial);
        for member in &instant.members {
            sum.value = sum.value.saturating_add(points[*member].value);
            sum.variance += points[*member].variance;
        }
        sum
    };
    instants(points).into_iter().map(sum).collect()
}

/// What `find` finds without so many snapshots of each target at the beginning (see [`left_out`]); how many snapshots there
/// are is known only when none is left.
pub(crate) fn without_first<T>(
    exclude: Option<u64>,
    find: impl Fn(u64) -> Result<T, ReportError>,
    is_nothing: impl Fn(&T) -> bool,
) -> Result<T, ReportError> {
    let found = find(exclude.unwrap_or(SETTLING))?;
    if exclude.is_none() && is_nothing(&found) { find(0) } else { Ok(found) }
}

/// Leaves out the first points (see [`left_out`]) and the partial ones, and counts.
pub(crate) fn usable(points: &[Point], exclude: Option<u64>) -> (Vec<Point>, Used) {
    let skip = left_out(exclude, points.len() as u64);
    let kept = points.get(usize::try_from(skip).unwrap_or(usize::MAX)..).unwrap_or_default();
    let complete: Vec<Point> = kept.iter().filter(|point| !point.partial).copied().collect();
    let partial = (kept.len() - complete.len()) as u64;
    let used = Used { snapshots: kept.len() as u64, partial, left_out: skip };
    (complete, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(target: u32, start: i64, end: i64, value: u64) -> Point {
        Point { target: TargetKey(target), start: Nanos(start), end: Nanos(end), value, partial: false, variance: 0.0 }
    }

    #[test]
    fn targets_reported_one_after_the_other_add_up_at_the_same_instant() {
        let mut points = Vec::new();
        for i in 0..3 {
            points.push(point(0, i * 100, i * 100 + 100, 10 + i as u64));
            points.push(point(1, i * 100 + 3, i * 100 + 103, 100 * (i as u64 + 1)));
        }
        let values: Vec<_> = sum_at_instants(&points).iter().map(|sum| sum.value).collect();
        assert_eq!(values, [110, 211, 312]);
    }

    #[test]
    fn a_slower_target_counts_at_each_instant_within_its_snapshot() {
        let mut points: Vec<_> = (0..4).map(|i| point(0, i * 100, i * 100 + 100, 1)).collect();
        points.push(point(1, 0, 400, 1000));
        let values: Vec<_> = sum_at_instants(&points).iter().map(|sum| sum.value).collect();
        assert_eq!(values, [1001, 1001, 1001, 1001]);
    }

    #[test]
    fn a_target_that_has_not_begun_or_has_ended_counts_nothing() {
        let points = [point(0, 0, 100, 1), point(1, 100, 200, 10), point(1, 200, 300, 20)];
        let values: Vec<_> = sum_at_instants(&points).iter().map(|sum| sum.value).collect();
        assert_eq!(values, [1, 10, 20]);
    }

    #[test]
    fn a_sum_with_a_partial_part_is_partial_and_left_out() {
        let mut points = vec![point(0, 0, 100, 1), point(1, 1, 101, 10), point(0, 100, 200, 2), point(1, 101, 201, 20)];
        points[1].partial = true;
        let sums = sum_at_instants(&points);
        let (kept, used) = usable(&sums, Some(0));
        assert_eq!(kept.iter().map(|sum| sum.value).collect::<Vec<_>>(), [22]);
        assert_eq!(used, Used { snapshots: 2, partial: 1, left_out: 0 });
    }

    #[test]
    fn the_first_twenty_are_left_out_where_there_are_more() {
        let cases =
            [(None, 21, 20), (None, 20, 0), (None, 0, 0), (Some(5), 20, 5), (Some(20), 12, 12), (Some(0), 99, 0)];
        for (wanted, snapshots, out) in cases {
            assert_eq!(left_out(wanted, snapshots), out, "{wanted:?} of {snapshots}");
        }
    }

    #[test]
    fn the_sum_of_one_target_is_the_target() {
        let points: Vec<_> = (0..5).map(|i| point(0, i * 100, i * 100 + 100, i as u64)).collect();
        assert_eq!(sum_at_instants(&points), points);
    }
}
