//! Every region of every snapshot as text, in the layout of the Python tool's `report access --raw_form`.
//!
//! Streams: memory does not grow with the record. A record may hold millions of regions, so numbers are formatted
//! straight into a large buffer.

use crate::filter::{Bounds, Filter, Rows, for_each_rows_by_target};
use crate::picture::Picture;
use crate::probes::probes_of;
use crate::selection::nothing_left;
use crate::series::measure;
use crate::table::Table;
use crate::target::{target_id_text, target_labels};
use crate::{Report, ReportError};
use damo_frame::{Chunk, Record};
use damo_model::human::{Show, Style, Text, format_time, hex12_text, size_text, uint_text};
use damo_model::{ColumnId, Nanos, Target, TargetKey, TimeSpan};
use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

/// What to print.
#[derive(Clone, Debug, Default)]
pub struct RawOptions {
    /// Which part of the record.
    pub filter: Filter,
    /// Snapshots that start within these bounds, counted from the target's first snapshot.
    pub duration: Option<Bounds<Nanos>>,
}

/// The regions of some records, which are read when they are written.
#[derive(Clone, Debug)]
pub struct RawReport<'r> {
    records: &'r [Record],
    options: RawOptions,
    /// The probes whose hits the records have.
    probes: Vec<u16>,
}

const BUFFER: usize = 1 << 16;

/// A snapshot's place in the report.
struct Place<'a> {
    target: &'a Target,
    /// What the target is called in tables.
    label: &'a str,
    /// When the target's first snapshot began.
    base: Nanos,
    /// Whether this is the target's first snapshot.
    is_first: bool,
    /// The block that the snapshot is of.
    chunk: &'a Chunk,
}

impl Place<'_> {
    /// How often the probe hit in this row of the block.
    fn hits(&self, probe: u16, row: usize) -> u64 {
        let column = ColumnId::of_probe(probe).and_then(|id| self.chunk.extra(id));
        column.and_then(|hits| hits.get(row)).copied().unwrap_or(0)
    }
}

/// The regions of the records' snapshots.
///
/// # Errors
/// If no snapshot lies in the duration that is asked for, with what there is; or if a record cannot be read.
pub fn raw(records: &[Record], options: RawOptions) -> Result<RawReport<'_>, ReportError> {
    if let Some(bounds) = options.duration {
        for record in records {
            let mut first: HashMap<TargetKey, Nanos> = HashMap::new();
            let mut starts = measure(record, &options.filter, |_| 0)?.into_iter().map(|point| {
                let base = *first.entry(point.target).or_insert(point.start);
                point.start.saturating_sub(base)
            });
            if !starts.any(|since| bounds.holds(&since)) {
                return Err(nothing_left(record, "no snapshot begins in --duration"));
            }
        }
    }
    Ok(RawReport { records, options, probes: probes_of(records)? })
}

impl RawReport<'_> {
    /// Calls `f` with each snapshot, target after target; `f` does not get the regions of those outside of the duration.
    fn for_each(
        &self,
        mut f: impl FnMut(&Place<'_>, Option<&Rows<'_>>) -> Result<(), ReportError>,
    ) -> Result<(), ReportError> {
        for record in self.records {
            let labels = target_labels(record);
            let targets = self.options.filter.targets(record);
            let mut current: Option<(TargetKey, Nanos)> = None;
            for_each_rows_by_target(record, &self.options.filter, &targets, |key, chunk, rows| {
                let Some(target) = record.target(key) else { return Ok(()) };
                let label = labels.get(&key).map_or("", String::as_str);
                let known = current.filter(|(known, _)| *known == key);
                let (_, base) = known.unwrap_or((key, rows.head.start));
                current = Some((key, base));
                let since = rows.head.start.saturating_sub(base);
                let lasts = self.options.duration.is_none_or(|bounds| bounds.holds(&since));
                f(&Place { target, label, base, is_first: known.is_none(), chunk }, lasts.then_some(&rows))
            })?;
        }
        Ok(())
    }

    fn table(&self, rows: &[Row]) -> Result<Table, ReportError> {
        Table::of("regions", rows)
            .col("target", "the target", |row| &*row.label)
            .col("start_ns", "start of the snapshot", |row| row.time.start.0)
            .col("end_ns", "end of the snapshot", |row| row.time.end.0)
            .col("start", "first byte", |row| row.start)
            .col("end", "first byte behind it", |row| row.end)
            .col("nr_accesses", "samples", |row| row.nr_accesses)
            .col("age", "aggregations; `null` before Linux 5.16", |row| row.age)
            .col("partial", "whether regions of the snapshot are missing", |row| row.partial)
            .probe_hits(&self.probes, |row| &row.hits)
            .table()
    }
}

impl Report for RawReport<'_> {
    const NAME: &'static str = "raw";
    const PIECES: Option<&'static str> = Some("regions");
    type Layout = Style;

    fn write_text(&self, out: &mut dyn Write, style: &Style) -> Result<(), ReportError> {
        let style = *style;
        let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER + BUFFER / 4);
        self.for_each(|place, rows| {
            if place.is_first {
                push_target(&mut buffer, place.target, place.base, style);
            }
            let Some(rows) = rows else { return Ok(()) };
            push_head(&mut buffer, rows, place, !self.probes.is_empty(), style);
            for i in 0..rows.len() {
                push_region(&mut buffer, rows, i, style);
                for probe in &self.probes {
                    buffer.push(b' ');
                    uint_text(place.hits(*probe, rows.row(i))).push_right(&mut buffer, 0);
                }
                buffer.push(b'\n');
                if buffer.len() >= BUFFER {
                    out.write_all(&buffer)?;
                    buffer.clear();
                }
            }
            buffer.push(b'\n');
            Ok(())
        })?;
        Ok(out.write_all(&buffer)?)
    }

    /// None: the only table is written in pieces.
    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        Ok(Vec::new())
    }

    fn pieces(&self, push: &mut dyn FnMut(Table) -> Result<(), ReportError>) -> Result<(), ReportError> {
        let mut piece: Vec<Row> = Vec::new();
        let mut label: Rc<str> = Rc::default();
        self.for_each(|place, rows| {
            if place.is_first {
                label = place.label.into();
            }
            let Some(rows) = rows else { return Ok(()) };
            let (time, partial) = (rows.head.time_span(), !rows.is_complete());
            let regions = rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate();
            piece.extend(regions.map(|(i, ((start, end), nr_accesses))| Row {
                label: label.clone(),
                time,
                start: *start,
                end: *end,
                nr_accesses: *nr_accesses,
                age: rows.age.and_then(|ages| ages.get(i)).copied(),
                partial,
                hits: self.probes.iter().map(|probe| place.hits(*probe, rows.row(i))).collect(),
            }));
            if piece.len() >= PIECE {
                push(self.table(&piece)?)?;
                piece.clear();
            }
            Ok(())
        })?;
        push(self.table(&piece)?)
    }

    fn picture(&self, _: &Style) -> Result<Box<dyn Picture + '_>, ReportError> {
        Err(ReportError::invalid("a picture of regions is a heat map: `damo report heats`"))
    }
}

/// Rows of a piece of the table.
const PIECE: usize = 1 << 15;

/// A row of the table.
struct Row {
    label: Rc<str>,
    time: TimeSpan,
    start: u64,
    end: u64,
    nr_accesses: u32,
    age: Option<u32>,
    partial: bool,
    /// Of the report's probes, in their order.
    hits: Vec<u64>,
}

fn push_target(buffer: &mut Vec<u8>, target: &Target, base: Nanos, style: Style) {
    let source = if target.data_source.is_empty() { "unknown" } else { &target.data_source };
    buffer.extend_from_slice(
        format!("base_time_absolute: {}\ndata source: {}\n\n", format_time(base, style), source.shown()).as_bytes(),
    );
}

fn push_head(buffer: &mut Vec<u8>, rows: &Rows<'_>, place: &Place<'_>, has_probes: bool, style: Style) {
    let (head, base) = (rows.head, place.base);
    let time = |from: Nanos, to: Nanos| format_time(to.saturating_sub(from), style);
    let missing = match head.state {
        damo_model::SnapshotState::Complete => String::new(),
        damo_model::SnapshotState::Partial { expected } => {
            format!("# partial: {expected} regions were announced\n")
        }
    };
    buffer.extend_from_slice(
        format!(
            "{:<21}{:>16}\n{:<21}{:>16}\n{:<21}{:>16}\ntarget_id: {}\nnr_regions: {}\n{missing}\
             # {:>10} {:>12}  {:>12}  {:>11} {:>5}{}\n",
            "monitoring_start:",
            time(base, head.start),
            "monitoring_end:",
            time(base, head.end),
            "monitoring_duration:",
            time(head.start, head.end),
            target_id_text(place.target),
            rows.len(),
            "start_addr",
            "end_addr",
            "length",
            "nr_accesses",
            "age",
            if has_probes { " probe_hits" } else { "" },
        )
        .as_bytes(),
    );
}

fn push_region(buffer: &mut Vec<u8>, rows: &Rows<'_>, i: usize, style: Style) {
    let (Some(start), Some(end), Some(nr_accesses)) = (rows.start.get(i), rows.end.get(i), rows.nr_accesses.get(i))
    else {
        return;
    };
    let size = end.saturating_sub(*start);
    let size: Text = if style == Style::Raw { uint_text(size) } else { size_text(size) };
    hex12_text(*start).push(buffer);
    buffer.push(b'-');
    hex12_text(*end).push(buffer);
    buffer.extend_from_slice(b" (");
    size.push_right(buffer, 12);
    buffer.extend_from_slice(b") ");
    uint_text(u64::from(*nr_accesses)).push_right(buffer, 11);
    match rows.age.and_then(|age| age.get(i)) {
        Some(age) => {
            buffer.push(b' ');
            uint_text(u64::from(*age)).push_right(buffer, 5);
        }
        None => buffer.extend_from_slice(b"    -1"),
    }
}
