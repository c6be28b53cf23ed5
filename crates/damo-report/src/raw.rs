//! Every region of every snapshot as text, in the layout of the Python tool's `report access --raw_form`.
//!
//! Streams: memory does not grow with the record. A record may hold millions of regions, so numbers are formatted
//! straight into a large buffer.

use crate::ReportError;
use crate::filter::{Bounds, Filter, Rows, for_each_rows};
use crate::output_format::{Form, Stream};
use crate::selection::nothing_left;
use crate::series::{Used, measure};
use crate::table::Table;
use crate::target::{target_id_text, target_labels};
use crate::zero::Zero;
use damo_frame::Record;
use damo_model::human::{Show, Style, Text, format_time, hex12_text, size_text, uint_text};
use damo_model::{Nanos, Target, TargetKey};
use std::collections::HashMap;
use std::io::Write;

/// What to print.
#[derive(Clone, Debug, Default)]
pub struct RawOptions {
    /// For people or for programs.
    pub style: Style,
    /// Which part of the record.
    pub filter: Filter,
    /// Snapshots that start within these bounds, counted from the target's first snapshot.
    pub duration: Option<Bounds<Nanos>>,
    /// Times of tables on the record's clock instead of since the recording began. (The text has the Python tool's layout.)
    pub clock_time: bool,
}

const BUFFER: usize = 1 << 16;

/// Writes the record's regions, target after target.
///
/// # Errors
/// When the record cannot be read or `out` takes no more.
pub fn write_raw(record: &Record, options: &RawOptions, out: &mut dyn Write) -> Result<Used, ReportError> {
    let mut used = Used::default();
    for key in options.filter.targets(record) {
        let Some(target) = record.target(key) else { continue };
        used = used.plus(write_target(record, target, key, options, out)?);
    }
    Ok(used)
}

fn write_target(
    record: &Record,
    target: &Target,
    key: TargetKey,
    options: &RawOptions,
    out: &mut dyn Write,
) -> Result<Used, ReportError> {
    let mut filter = options.filter.clone();
    filter.target.key = Some(key);
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER + BUFFER / 4);
    let mut base = None;
    let mut used = Used::default();
    for_each_rows(record, &filter, |_, rows| {
        let head = rows.head;
        let base = *base.get_or_insert_with(|| {
            push_target(&mut buffer, target, head.start, options.style);
            head.start
        });
        if options.duration.is_some_and(|bounds| !bounds.holds(&head.start.saturating_sub(base))) {
            return Ok(());
        }
        used.snapshots += 1;
        used.partial += u64::from(!rows.is_complete());
        push_head(&mut buffer, &rows, target, base, options.style);
        for i in 0..rows.len() {
            push_region(&mut buffer, &rows, i, options.style);
            if buffer.len() >= BUFFER {
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
        buffer.push(b'\n');
        Ok(())
    })?;
    out.write_all(&buffer)?;
    Ok(used)
}

/// Sees that a snapshot lies in the duration that is asked for.
///
/// # Errors
/// If none does, with what there is; or if the record cannot be read.
pub fn something_lasts(record: &Record, options: &RawOptions) -> Result<(), ReportError> {
    let Some(bounds) = options.duration else { return Ok(()) };
    let mut first: HashMap<TargetKey, Nanos> = HashMap::new();
    for point in measure(record, &options.filter, |_| 0)? {
        let base = *first.entry(point.target).or_insert(point.start);
        if bounds.holds(&point.start.saturating_sub(base)) {
            return Ok(());
        }
    }
    Err(nothing_left(record, "no snapshot begins in --duration"))
}

/// Rows of a piece of the table.
const PIECE: usize = 1 << 15;

#[derive(Default)]
struct Piece {
    target: Vec<String>,
    from: Vec<i64>,
    to: Vec<i64>,
    start: Vec<u64>,
    end: Vec<u64>,
    nr_accesses: Vec<u32>,
    age: Vec<Option<u32>>,
    partial: Vec<bool>,
    record: Vec<String>,
}

impl Piece {
    fn push(&mut self, (record, label): (&str, &str), zero: Zero, rows: &Rows<'_>) {
        self.record.resize(self.record.len() + rows.len(), record.to_owned());
        self.target.resize(self.target.len() + rows.len(), label.to_owned());
        self.from.resize(self.from.len() + rows.len(), zero.since(rows.head.start).0);
        self.to.resize(self.to.len() + rows.len(), zero.since(rows.head.end).0);
        self.partial.resize(self.partial.len() + rows.len(), !rows.is_complete());
        self.start.extend_from_slice(rows.start);
        self.end.extend_from_slice(rows.end);
        self.nr_accesses.extend_from_slice(rows.nr_accesses);
        match rows.age {
            Some(ages) => self.age.extend(ages.iter().copied().map(Some)),
            None => self.age.resize(self.age.len() + rows.len(), None),
        }
    }

    fn table(self) -> Result<Table, ReportError> {
        Table::new(
            "regions",
            vec![
                ("target", self.target.into()),
                ("start_ns", self.from.into()),
                ("end_ns", self.to.into()),
                ("start", self.start.into()),
                ("end", self.end.into()),
                ("nr_accesses", self.nr_accesses.into()),
                ("age", self.age.into()),
                ("partial", self.partial.into()),
                ("record", self.record.into()),
            ],
        )
    }
}

/// Writes the records' regions as one table, `regions` (target, start_ns, end_ns, start, end, nr_accesses, age in
/// aggregations or null, partial, record), in the order of the text. Each of the records has its options. It streams as the text does.
///
/// # Errors
/// When a record cannot be read or `out` takes no more.
pub fn write_table(records: &[(&[Record], &RawOptions)], form: Form, out: &mut dyn Write) -> Result<Used, ReportError> {
    let mut stream = Stream::new(form, "raw", out);
    let mut used = Used::default();
    let mut piece = Piece::default();
    for (record, options) in records.iter().flat_map(|(records, options)| records.iter().map(move |r| (r, *options))) {
        let zero = if options.clock_time { Zero::Clock } else { Zero::of(std::slice::from_ref(record)) };
        let labels = target_labels(record);
        for key in options.filter.targets(record) {
            let label = labels.get(&key).map_or("", String::as_str);
            let mut filter = options.filter.clone();
            filter.target.key = Some(key);
            let mut base = None;
            for_each_rows(record, &filter, |_, rows| {
                let base = *base.get_or_insert(rows.head.start);
                if options.duration.is_some_and(|bounds| !bounds.holds(&rows.head.start.saturating_sub(base))) {
                    return Ok(());
                }
                used.snapshots += 1;
                used.partial += u64::from(!rows.is_complete());
                piece.push((record.name(), label), zero, &rows);
                if piece.start.len() >= PIECE {
                    stream.push(&std::mem::take(&mut piece).table()?)?;
                }
                Ok(())
            })?;
        }
    }
    stream.push(&piece.table()?)?;
    stream.finish()?;
    Ok(used)
}

fn push_target(buffer: &mut Vec<u8>, target: &Target, base: Nanos, style: Style) {
    let source = if target.data_source.is_empty() { "unknown" } else { &target.data_source };
    buffer.extend_from_slice(
        format!("base_time_absolute: {}\ndata source: {}\n\n", format_time(base, style), source.shown()).as_bytes(),
    );
}

fn push_head(buffer: &mut Vec<u8>, rows: &Rows<'_>, target: &Target, base: Nanos, style: Style) {
    let head = rows.head;
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
             # {:>10} {:>12}  {:>12}  {:>11} {:>5}\n",
            "monitoring_start:",
            time(base, head.start),
            "monitoring_end:",
            time(base, head.end),
            "monitoring_duration:",
            time(head.start, head.end),
            target_id_text(target),
            rows.len(),
            "start_addr",
            "end_addr",
            "length",
            "nr_accesses",
            "age",
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
    buffer.push(b'\n');
}
