//! What memory was touched when, reduced to a row of a few hundred numbers for each instant.
//!
//! The memory of all targets is cut into [`CELLS`] cells. Their edges lie where DAMON put edges of accessed regions, more of
//! them where DAMON put more: cells of equal size would show nothing of 100 MiB in use within reservations of terabytes. A row
//! has the touched bytes of each cell. A region counts as touched in full from a tenth of the possible accesses on, and by
//! half as much at half of that: one positive check may be of a page that is accessed once in a while. Pages that the kernel counted
//! are touched in full from one access on: of those that are accessed often it knows no more.

use damo_frame::{Chunk, Record};
use damo_model::{Nanos, Selection, SnapshotHead, Source, TargetKey, TimeSpan};
use damo_report::ReportError;
use damo_report::filter::{Filter, RegionFilter, Rows, for_each_rows};
use damo_report::series::{excluded, left_out};
use std::collections::BTreeMap;

/// Into how many cells memory is cut.
const CELLS: usize = 256;
/// So many rows are kept at most; neighbours are averaged where there are more.
const MOST_ROWS: usize = 1 << 16;
/// About so many edges of regions are looked at for those of cells.
const SAMPLE: u64 = 400_000;
/// From this share of the possible accesses on a region counts as touched in full.
const FULL_SHARE: u32 = 10;

/// Rows of touched bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// Numbers in a row.
    pub cells: usize,
    /// Whether regions are pages that the kernel counted, and not what DAMON sampled.
    pub are_exact: bool,
    /// All rows, one behind the other.
    values: Vec<f32>,
    /// The time of each row.
    pub times: Vec<TimeSpan>,
    /// Bytes in regions that were accessed at all, a mean for each row.
    pub working_set: Vec<f64>,
    /// From the first instant's start to the last one's end, those included that were left out.
    pub whole: Option<TimeSpan>,
    /// How many instants there are.
    pub instants: u64,
    /// Instants that were left out because regions are missing.
    pub partial: u64,
    /// Instants left out at the beginning, because DAMON's regions had not settled.
    pub left_out: u64,
}

impl Touched {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// The touched bytes of each cell in row `at`; empty if there is no such row.
    pub fn row(&self, at: usize) -> &[f32] {
        self.values.get(at * self.cells..(at + 1) * self.cells).unwrap_or_default()
    }

    /// Averages two neighbours each.
    fn halve(&mut self) {
        let rows = self.len() / 2;
        for at in 0..rows {
            for cell in 0..self.cells {
                let value = |row: usize| self.values.get(row * self.cells + cell).copied().unwrap_or(0.0);
                let mean = (value(2 * at) + value(2 * at + 1)) / 2.0;
                if let Some(place) = self.values.get_mut(at * self.cells + cell) {
                    *place = mean;
                }
            }
            let pair = self.times.get(2 * at).copied().zip(self.times.get(2 * at + 1).copied());
            if let (Some((first, second)), Some(place)) = (pair, self.times.get_mut(at)) {
                *place = first.including(second);
            }
        }
        self.working_set = self.working_set.chunks_exact(2).map(|pair| pair.iter().sum::<f64>() / 2.0).collect();
        self.values.truncate(rows * self.cells);
        self.times.truncate(rows);
    }

    fn leave_out_first(&mut self, exclude: Option<u64>, instants: u64) {
        self.left_out = left_out(exclude, instants);
        let rows = usize::try_from(self.left_out.saturating_sub(self.partial)).unwrap_or(usize::MAX).min(self.len());
        self.times.drain(..rows);
        self.working_set.drain(..rows);
        self.values.drain(..rows * self.cells);
    }
}

/// The cells that memory is cut into.
struct Cells {
    /// Where each cell begins, sorted; the last one has no end. Cells may hold the memory of several targets.
    starts: Vec<(TargetKey, u64)>,
    /// Whether regions are pages that the kernel counted, and not what DAMON sampled.
    are_exact: bool,
}

impl Cells {
    /// Cells with about equally many edges of accessed regions in each.
    fn new(mut edges: Vec<(TargetKey, u64)>, are_exact: bool) -> Self {
        edges.sort_unstable();
        let at = |cell: usize| edges.get(cell * edges.len() / CELLS).copied();
        let mut starts: Vec<_> = (0..CELLS).filter_map(at).collect();
        starts.dedup();
        Self { starts, are_exact }
    }

    fn len(&self) -> usize {
        self.starts.len()
    }

    /// Adds the touched bytes of a snapshot's regions to the cells that they are in, and gives the bytes of all regions that
    /// were accessed.
    fn add(&self, rows: &Rows<'_>, sums: &mut [f32]) -> f64 {
        let key = rows.head.target;
        let possible = rows.intervals.map_or(1, |intervals| intervals.max_nr_accesses().0);
        let full = if self.are_exact { 1.0 } else { f64::from((possible / FULL_SHARE).max(1)) };
        let mut accessed = 0.0;
        for ((start, end), count) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses) {
            if *count == 0 || end <= start {
                continue;
            }
            accessed += end.saturating_sub(*start) as f64;
            let share = (f64::from(*count) / full).min(1.0);
            let mut at = self.starts.partition_point(|edge| *edge <= (key, *start)).saturating_sub(1);
            let mut from = *start;
            while from < *end {
                let next = self.starts.get(at + 1).filter(|edge| edge.0 == key).map_or(*end, |edge| edge.1.min(*end));
                if let Some(sum) = sums.get_mut(at) {
                    *sum += (next.saturating_sub(from) as f64 * share) as f32;
                }
                (from, at) = (next.max(from + 1), at + 1);
            }
        }
        accessed
    }
}

/// Whether a region is one of those whose edges are looked at: one of `of`, picked by a hash so that none is left out always.
fn is_sampled(head: &SnapshotHead, region: usize, of: u64) -> bool {
    let number = head.index.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(region as u64);
    number.wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(31).wrapping_mul(0x94D0_49BB_1331_11EB).is_multiple_of(of)
}

/// Edges of accessed regions all over the record.
fn edges(record: &Record, filter: &Filter, selection: &Selection) -> Result<Vec<(TargetKey, u64)>, ReportError> {
    let of = (record.totals().regions * 2 / SAMPLE).max(1);
    let take = |edges: &mut Vec<(TargetKey, u64)>, chunk: &Chunk| {
        // Positions are those in the part of the record that a thread looks at, which does no harm to a sample.
        let mut region_filter = RegionFilter::new(filter, record.meta().intervals);
        for view in chunk.snapshots() {
            let Some(rows) = region_filter.pass(&view)? else { continue };
            let regions = rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate();
            for (_, ((start, end), _)) in regions.filter(|(i, (_, count))| **count > 0 && is_sampled(rows.head, *i, of))
            {
                edges.extend([(rows.head.target, *start), (rows.head.target, *end)]);
            }
        }
        Ok::<(), ReportError>(())
    };
    record.fold(selection, Vec::new, take, |mut edges, more| {
        edges.extend(more);
        edges
    })
}

/// The last snapshot of a target, as cells.
struct Last {
    row: Vec<f32>,
    working_set: f64,
    end: Nanos,
    length: Nanos,
}

/// Targets that are reported one after the other, put together to one instant.
struct Instants {
    touched: Touched,
    exclude: Option<u64>,
    /// How many instants make one row.
    in_row: u32,
    targets: BTreeMap<TargetKey, Last>,
    /// The targets of the open instant, its time, its shortest snapshot, and whether regions are missing.
    open: Vec<TargetKey>,
    time: TimeSpan,
    first_end: Nanos,
    shortest: Nanos,
    partial: bool,
    pending: Vec<f32>,
    pending_working_set: f64,
    pending_instants: u32,
    pending_time: Option<TimeSpan>,
}

impl Instants {
    fn take(&mut self, cells: &Cells, rows: &Rows<'_>) {
        let (key, time) = (rows.head.target, rows.head.time_span());
        let length = time.length();
        let gap = time.end.saturating_sub(self.first_end);
        if !self.open.is_empty() && (self.open.contains(&key) || gap.0 > self.shortest.min(length).0 / 2) {
            self.close();
        }
        if self.open.is_empty() {
            (self.time, self.first_end, self.shortest, self.partial) = (time, time.end, length, false);
        }
        self.open.push(key);
        self.time = self.time.including(time);
        self.shortest = self.shortest.min(length);
        self.partial |= !rows.is_complete();
        let width = self.touched.cells;
        let last = self.targets.entry(key).or_insert_with(|| Last {
            row: vec![0.0; width],
            working_set: 0.0,
            end: time.end,
            length,
        });
        (last.end, last.length) = (time.end, length);
        last.row.fill(0.0);
        last.working_set = cells.add(rows, &mut last.row);
    }

    /// Ends an instant: what each target touched at last, if that was not long ago.
    fn close(&mut self) {
        self.open.clear();
        self.touched.instants += 1;
        self.touched.whole = Some(self.touched.whole.map_or(self.time, |whole| whole.including(self.time)));
        let now = self.time.end;
        self.targets.retain(|_, last| now.saturating_sub(last.end).0 <= last.length.0);
        if self.partial {
            self.touched.partial += 1;
            return;
        }
        for last in self.targets.values() {
            self.pending.iter_mut().zip(&last.row).for_each(|(sum, value)| *sum += value);
            self.pending_working_set += last.working_set;
        }
        self.pending_instants += 1;
        self.pending_time = Some(self.pending_time.map_or(self.time, |time| time.including(self.time)));
        if self.pending_instants >= self.in_row {
            self.push();
        }
    }

    fn push(&mut self) {
        let Some(time) = self.pending_time.take() else { return };
        let each = self.pending_instants as f32;
        self.touched.values.extend(self.pending.iter().map(|sum| sum / each));
        self.touched.times.push(time);
        self.touched.working_set.push(std::mem::take(&mut self.pending_working_set) / f64::from(self.pending_instants));
        self.pending.fill(0.0);
        self.pending_instants = 0;
        if self.touched.len() == MOST_ROWS {
            if self.in_row == 1 {
                self.touched.leave_out_first(self.exclude, self.touched.instants);
            }
            self.touched.halve();
            self.in_row *= 2;
        }
    }

    fn finish(mut self) -> Touched {
        if !self.open.is_empty() {
            self.close();
        }
        self.push();
        if self.in_row == 1 {
            self.touched.leave_out_first(self.exclude, self.touched.instants);
        }
        self.touched
    }
}

/// The rows of what passes the filter, in the order of time, without those in which DAMON's regions had not settled (by
/// [`left_out`]) and those of partial snapshots.
///
/// # Errors
/// When the record cannot be read or the filter cannot be applied to it.
pub(super) fn touched(record: &Record, filter: &Filter, exclude: Option<u64>) -> Result<Touched, ReportError> {
    let Some(selection) = filter.selection(record) else { return Ok(Touched::default()) };
    let cells = Cells::new(edges(record, filter, &selection)?, record.meta().source == Source::Referenced);
    let touched = Touched { cells: cells.len().max(1), are_exact: cells.are_exact, ..Touched::default() };
    let mut instants = Instants {
        pending: vec![0.0; touched.cells],
        touched,
        exclude: excluded(record, exclude),
        in_row: 1,
        targets: BTreeMap::new(),
        open: Vec::new(),
        time: TimeSpan::default(),
        first_end: Nanos(0),
        shortest: Nanos(0),
        partial: false,
        pending_working_set: 0.0,
        pending_instants: 0,
        pending_time: None,
    };
    for_each_rows(record, filter, |_, rows| {
        instants.take(&cells, &rows);
        Ok(())
    })?;
    Ok(instants.finish())
}
