//! Every region of every snapshot as text, in the layout of the Python tool's `report access --raw_form`.
//!
//! Streams: memory does not grow with the record. A record may hold millions of regions, so numbers are formatted
//! straight into a large buffer.

use crate::ReportError;
use crate::filter::{Bounds, Filter, Rows, for_each_rows};
use crate::series::Used;
use crate::target::target_id_text;
use damo_frame::Record;
use damo_model::human::{Style, Text, format_time, hex12_text, size_text, uint_text};
use damo_model::{Nanos, Target, TargetKey};
use std::io::Write;

/// What to print.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For people or for programs.
    pub style: Style,
    /// Which part of the record.
    pub filter: Filter,
    /// Snapshots that start within these bounds, counted from the target's first snapshot.
    pub duration: Option<Bounds<Nanos>>,
}

const BUFFER: usize = 1 << 16;

/// Writes the record's regions, target after target.
///
/// # Errors
/// When the record cannot be read or `out` takes no more.
pub fn write_raw(record: &Record, options: &Options, out: &mut dyn Write) -> Result<Used, ReportError> {
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
    options: &Options,
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

fn push_target(buffer: &mut Vec<u8>, target: &Target, base: Nanos, style: Style) {
    let source = if target.data_source.is_empty() { "unknown" } else { &target.data_source };
    buffer.extend_from_slice(
        format!("base_time_absolute: {}\ndata source: {source}\n\n", format_time(base, style)).as_bytes(),
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
