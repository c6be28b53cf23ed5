//! The access report: two passes over each record, one to learn what the layout depends on, one that writes.

use super::boxes::{BoxBounds, BoxOptions};
use super::keywords::{Key, TargetSeries, Values};
use super::snapshot::{Snapshot, SortKey};
use super::styles::{Facts, Style, template};
use super::template::{Area, Template};
use super::{AccessOptions, scheme_filters};
use crate::ReportError;
use crate::error::no_intervals;
use crate::filter::{Filter, for_each_rows};
use crate::series::{by_target, measure};
use damo_frame::Record;
use damo_model::{Intervals, Nanos, Target};
use std::io::Write;

/// One target's snapshots in one record: what the Python tool calls a record.
pub(super) struct Part<'a> {
    pub record: &'a Record,
    pub target: &'a Target,
    filter: Filter,
    start: Nanos,
    end: Nanos,
    snapshots: usize,
    intervals: Intervals,
}

pub(super) fn parts<'a>(records: &'a [Record], options: &AccessOptions) -> Result<Vec<Part<'a>>, ReportError> {
    let mut parts = Vec::new();
    for record in records {
        let points = by_target(&measure(record, &options.filter, |rows| rows.intervals.is_some().into())?);
        for target in record.targets() {
            let Some((_, points)) = points.iter().find(|(key, _)| *key == target.key) else { continue };
            let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
            if points.iter().any(|point| point.value == 0) {
                return Err(no_intervals(record));
            }
            let mut filter = options.filter.clone();
            filter.target.key = Some(target.key);
            let intervals = match record.meta().intervals {
                Some(intervals) => intervals,
                None => first_intervals(record, &filter)?.unwrap_or_default(),
            };
            let (start, end) = (first.start, last.end);
            parts.push(Part { record, target, filter, start, end, snapshots: points.len(), intervals });
        }
    }
    Ok(parts)
}

fn first_intervals(record: &Record, filter: &Filter) -> Result<Option<Intervals>, ReportError> {
    let mut found = None;
    for_each_rows(record, filter, |_, rows| {
        found = found.or(rows.intervals);
        Ok(())
    })?;
    Ok(found)
}

pub(super) fn for_each_snapshot(
    part: &Part<'_>,
    mut f: impl FnMut(Snapshot) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    for_each_rows(part.record, &part.filter, |chunk, rows| {
        let Some(intervals) = rows.intervals else { return Ok(()) };
        f(Snapshot::new(chunk, &rows, intervals))
    })
}

fn facts(parts: &[Part<'_>], options: &AccessOptions) -> Result<Facts, ReportError> {
    let goal = |part: &Part<'_>| part.record.meta().intervals_goal.is_some_and(|goal| goal.aggregations > 0);
    let mut probes = false;
    if let Some(first) = parts.first() {
        let selection = first.filter.selection(first.record).unwrap_or_default();
        let mut seen = false;
        first.record.for_each(&selection, |chunk| {
            if !seen && chunk.nr_regions() > 0 {
                seen = true;
                probes = chunk.extras().iter().any(|(id, _)| id.probe().is_some());
            }
            Ok::<(), ReportError>(())
        })?;
    }
    Ok(Facts {
        several_records: parts.len() > 1,
        several_snapshots: parts.iter().any(|part| part.snapshots > 1),
        scheme_filters: parts.iter().any(|part| scheme_filters::any(&part.target.scheme_filters)),
        ops_filters: parts.iter().any(|part| !scheme_filters::describe(&part.target.scheme_filters).is_empty()),
        goal: parts.iter().any(goal),
        damon_stat: parts.iter().any(|part| part.target.data_source == "damon_stat"),
        probes,
        total_sz_only: options.total_sz_only,
        errors: options.errors,
        region_box: options.region_box && options.style == Style::Detailed,
    })
}

fn templates(options: &AccessOptions, facts: Facts) -> [Template; 5] {
    Area::ALL.map(|area| {
        let mut text = template(options.style, area, facts);
        for (replace, of, change) in &options.format {
            if *of == area {
                if *replace {
                    text.clear();
                }
                text.push_str(change);
            }
        }
        Template::new(area, &text, &options.min_chars)
    })
}

/// Writes the snapshots of the records, target after target.
pub(super) fn write_access(
    records: &[Record],
    options: &AccessOptions,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let parts = parts(records, options)?;
    if parts.is_empty() {
        let names = records.iter().map(Record::name).collect::<Vec<_>>().join(", ");
        return Err(ReportError::invalid(format!("no snapshot in {names} passes the filters")));
    }
    let facts = facts(&parts, options)?;
    let templates = templates(options, facts);
    let simple = options.style.has_boxes();
    let boxes = options.boxes.unwrap_or_else(|| if simple { BoxOptions::simple() } else { BoxOptions::default() });
    let keys = [Key::Box, Key::BoxDescription];
    let bounds = if templates.iter().any(|template| keys.iter().any(|key| template.uses(*key))) {
        box_bounds(&parts, &boxes)?
    } else {
        BoxBounds::default()
    };
    let mut sort_by = options.sort_by.clone();
    let mut descending = options.descending.clone();
    if sort_by.is_empty() && matches!(options.style, Style::Hot | Style::Cold) {
        sort_by.push(SortKey::Temperature);
        if options.style == Style::Hot {
            descending.push(SortKey::Temperature);
        }
    }
    for part in &parts {
        let series = TargetSeries {
            target: part.target,
            start: part.start,
            end: part.end,
            intervals: part.intervals,
            goal: part.record.meta().intervals_goal,
            filters: scheme_filters::describe(&part.target.scheme_filters),
        };
        let values = Values { options, boxes, bounds, series };
        write_part(part, &values, &templates, (&sort_by, &descending), out)?;
    }
    Ok(())
}

fn box_bounds(parts: &[Part<'_>], boxes: &BoxOptions) -> Result<BoxBounds, ReportError> {
    let mut bounds = BoxBounds::default();
    for part in parts {
        for_each_snapshot(part, |snapshot| {
            bounds.take(boxes, &snapshot);
            Ok(())
        })?;
    }
    Ok(bounds)
}

fn write_part(
    part: &Part<'_>,
    values: &Values<'_>,
    [record_head, snapshot_head, region, snapshot_tail, record_tail]: &[Template; 5],
    (sort_by, descending): (&[SortKey], &[SortKey]),
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let options = values.options;
    let mut is_first = true;
    let mut text = String::new();
    let line = |text: &mut String, template: &Template, value: &dyn Fn(Key, &mut String)| {
        if !template.is_empty() {
            template.fill(text, value);
            text.push('\n');
        }
    };
    line(&mut text, record_head, &|key, out| values.of_series(key, out));
    for_each_snapshot(part, |snapshot| {
        if !std::mem::take(&mut is_first) && !options.total_sz_only {
            text.push('\n');
        }
        line(&mut text, snapshot_head, &|key, out| values.of_snapshot(key, &snapshot, out));
        if let (Some(expected), false) = (snapshot.partial, options.total_sz_only) {
            text.push_str(&format!("# partial: {expected} regions were announced\n"));
        }
        if !region.is_empty() {
            for (i, one) in snapshot.sorted(sort_by, descending, options.weights).into_iter().enumerate() {
                line(&mut text, region, &|key, out| values.of_region(key, &snapshot, i, one, out));
            }
        }
        line(&mut text, snapshot_tail, &|key, out| values.of_snapshot(key, &snapshot, out));
        out.write_all(text.as_bytes())?;
        text.clear();
        Ok(())
    })?;
    line(&mut text, record_tail, &|key, out| values.of_series(key, out));
    Ok(out.write_all(text.as_bytes())?)
}
