//! How often what was accessed when, in both sides' runs, on common rows (offsets in aligned areas) and columns (aligned times).

use super::areas::AlignedArea;
use super::{Diff, OWN_ROW};
use crate::AnalysisError;
use crate::course::{Course, UNMAPPED};
use damo_frame::Record;
use damo_model::{Addr, AddrRange, Bytes, TargetKey};
use damo_report::filter::{Filter, Rows, for_each_rows};

/// Rows of all areas together, at least so many of each, and at most so many areas.
const ROWS: usize = 160;
const LEAST_ROWS: usize = 6;
const MOST_AREAS: usize = 12;
/// A map has so many columns, over the length of a run.
pub(super) const COLUMNS: usize = 240;

/// Both sides' maps. Cells are shares of the samples, 0 to 1, or samples where the intervals are not known; what no snapshot
/// covers is not a number.
#[derive(Clone, Debug)]
pub(super) struct Maps {
    /// Names of the areas with how many rows they have, from top to bottom.
    pub groups: Vec<(String, usize)>,
    /// The base's cells and the new side's, the uppermost row first.
    pub cells: [Vec<f64>; 2],
    /// Whether cells are shares of the samples.
    pub are_shares: bool,
}

/// Where an area lies in a run, and on the map.
struct Span {
    target: Option<TargetKey>,
    range: AddrRange,
    /// The row below the area's lowest one, and how many it has.
    below: usize,
    rows: usize,
    /// Bytes in all of its rows.
    size: u64,
}

/// Sums of a map.
struct Cells {
    heat: Vec<f64>,
    weight: Vec<f64>,
    are_shares: bool,
}

impl Span {
    /// Tells which rows a range of addresses has which part of, in bytes.
    fn rows_of(&self, start: u64, end: u64, mut tell: impl FnMut(usize, f64)) {
        let (start, end) = (start.max(self.range.start.0), end.min(self.range.end.0));
        if start >= end {
            return;
        }
        let row = self.size.max(1) as f64 / self.rows as f64;
        let [from, to] = [start, end].map(|at| (at - self.range.start.0) as f64);
        let first = ((from / row) as usize).min(self.rows - 1);
        for number in first..self.rows {
            let (low, high) = (from.max(number as f64 * row), to.min((number + 1) as f64 * row));
            if high <= low {
                break;
            }
            tell(self.below - 1 - number, high - low);
        }
    }
}

impl Cells {
    /// Adds a snapshot, which takes these parts of columns.
    fn add(&mut self, rows: &Rows<'_>, columns: &[(usize, f64)], spans: &[Span]) {
        let most = rows.intervals.map(|intervals| f64::from(intervals.max_nr_accesses().0.max(1)));
        self.are_shares &= most.is_some();
        for ((start, end), count) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses) {
            let heat = (f64::from(*count) / most.unwrap_or(1.0)).min(most.map_or(f64::INFINITY, |_| 1.0));
            for span in spans.iter().filter(|span| span.target.is_none_or(|target| target == rows.head.target)) {
                span.rows_of(*start, *end, |row, bytes| {
                    for (column, part) in columns {
                        let at = row * COLUMNS + column;
                        self.heat[at] += heat * bytes * part;
                        self.weight[at] += bytes * part;
                    }
                });
            }
        }
    }

    fn means(self) -> Vec<f64> {
        let mean = |(heat, weight): (f64, f64)| if weight > 0.0 { heat / weight } else { f64::NAN };
        self.heat.into_iter().zip(self.weight).map(mean).collect()
    }
}

impl Diff {
    /// Looks through the records once more, for a picture.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn look_for_maps(&mut self, base: &[Record], new: &[Record]) -> Result<(), AnalysisError> {
        let areas = self.mapped_areas();
        let (groups, sizes) = self.groups(&areas, [base, new]);
        let rows = groups.iter().map(|(_, rows)| rows).sum::<usize>();
        let mut are_shares = true;
        let mut sides = Vec::new();
        for (side, (records, courses)) in [(base, &self.base), (new, &self.new)].into_iter().enumerate() {
            let size = rows * COLUMNS;
            let mut cells = Cells { heat: vec![0.0; size], weight: vec![0.0; size], are_shares: true };
            for (run, ((record, course), filter)) in records.iter().zip(courses).zip(&self.filters[side]).enumerate() {
                let spans = spans(course, &areas, (side, run), &groups, &sizes);
                self.add_run(&mut cells, record, course, filter, &spans)?;
            }
            are_shares &= cells.are_shares;
            sides.push(cells.means());
        }
        let mut sides = sides.into_iter();
        let mut next = || sides.next().unwrap_or_default();
        self.maps = Some(Maps { groups, cells: [next(), next()], are_shares });
        Ok(())
    }

    /// The areas that are drawn, the one with the highest addresses first.
    fn mapped_areas(&self) -> Vec<AlignedArea> {
        // Where one side does not tell what was mapped, there is nothing to lay upon one another.
        if self.without_mappings().is_some() {
            return Vec::new();
        }
        let least = OWN_ROW * self.whole();
        let large = |area: &&AlignedArea| area.name.name != UNMAPPED && area.largest() >= least;
        let mut areas: Vec<AlignedArea> = self.areas.iter().filter(large).cloned().collect();
        areas.sort_by(|a, b| b.largest().total_cmp(&a.largest()));
        areas.truncate(MOST_AREAS);
        areas.sort_by_key(|area| std::cmp::Reverse(area.at.iter().flatten().flatten().next().copied()));
        areas
    }

    /// The areas' names with their rows, and how many bytes those are: as many as the larger of both sides has. Physical memory
    /// is one area.
    fn groups(&self, areas: &[AlignedArea], records: [&[Record]; 2]) -> (Vec<(String, usize)>, Vec<AddrRange>) {
        let is_physical = |record: &Record| record.meta().ops == Some(damo_model::Ops::Paddr);
        if areas.is_empty() && records.iter().all(|side| side.iter().all(is_physical)) {
            let ranges = records.into_iter().flatten().filter_map(Record::address_range);
            let all = ranges.reduce(|a, b| AddrRange::new(a.start.min(b.start), a.end.max(b.end)));
            return (vec![("physical memory".to_owned(), ROWS)], all.into_iter().collect());
        }
        let size = |area: &AlignedArea| area.name.base.max(area.name.new).map_or(0, |size| size.0);
        let total: u64 = areas.iter().map(size).sum();
        let rows = |area: &AlignedArea| (size(area) as f64 / total.max(1) as f64 * ROWS as f64) as usize;
        let groups = areas.iter().map(|area| (area.name.to_string(), rows(area).max(LEAST_ROWS))).collect();
        (groups, areas.iter().map(|area| AddrRange::new(Addr(0), Addr(size(area)))).collect())
    }

    fn add_run(
        &self,
        cells: &mut Cells,
        record: &Record,
        course: &Course,
        filter: &Filter,
        spans: &[Span],
    ) -> Result<(), AnalysisError> {
        let (Some(first), Some(time)) = (self.base.first(), course.times.first()) else { return Ok(()) };
        if spans.is_empty() {
            return Ok(());
        }
        let (begin, length) = (time.start, course.length().0.max(1) as f64);
        // Where in the first run of the base is what is at a place of this run.
        let alignment = self.alignment(first, course).inverse();
        let column = |at: damo_model::Nanos| {
            alignment.place((at.saturating_sub(begin).0 as f64 / length).clamp(0.0, 1.0)) * COLUMNS as f64
        };
        let filter = filter.plain_monitoring(record);
        for_each_rows(record, &filter, |_, rows| {
            let span = rows.head.time_span();
            if span.start >= begin && rows.is_complete() {
                cells.add(&rows, &columns(column(span.start), column(span.end)), spans);
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Which columns lie between two places, and which part of each.
fn columns(from: f64, to: f64) -> Vec<(usize, f64)> {
    let last = COLUMNS - 1;
    let part = |column: usize| (column, to.min((column + 1) as f64) - from.max(column as f64));
    ((from as usize).min(last)..=(to as usize).min(last)).map(part).filter(|(_, part)| *part > 0.0).collect()
}

/// Where the areas lie in a run.
fn spans(
    course: &Course,
    areas: &[AlignedArea],
    (side, run): (usize, usize),
    groups: &[(String, usize)],
    sizes: &[AddrRange],
) -> Vec<Span> {
    if areas.is_empty() {
        let all = sizes.iter().zip(groups);
        let of = |(range, (_, rows)): (&AddrRange, &(String, usize))| {
            let (range, rows) = (*range, *rows);
            Span { target: None, range, below: rows, rows, size: range.size().0 }
        };
        return all.map(of).collect();
    }
    let mut below = 0;
    let mut spans = Vec::new();
    for ((area, (_, rows)), size) in areas.iter().zip(groups).zip(sizes) {
        below += rows;
        let found = area.at[side].get(run).copied().flatten().and_then(|at| course.areas.get(at));
        spans.extend(found.map(|own| {
            let Bytes(bytes) = own.size;
            let range = AddrRange::new(own.start, Addr(own.start.0.saturating_add(bytes)));
            Span { target: Some(own.target), range, below, rows: *rows, size: size.size().0 }
        }));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_takes_the_rows_that_it_lies_in_from_below() {
        let span = Span { target: None, range: AddrRange::new(Addr(1000), Addr(1300)), below: 14, rows: 4, size: 400 };
        let mut found = Vec::new();
        span.rows_of(1050, 2000, |row, bytes| found.push((row, bytes)));
        assert_eq!(found, [(13, 50.0), (12, 100.0), (11, 100.0)]);
        span.rows_of(0, 1000, |_, _| panic!("it lies below"));
    }

    #[test]
    fn a_time_takes_parts_of_the_columns_that_it_lies_in() {
        assert_eq!(columns(1.5, 3.25), [(1, 0.5), (2, 1.0), (3, 0.25)]);
        assert_eq!(columns(239.5, 240.0), [(239, 0.5)]);
    }
}
