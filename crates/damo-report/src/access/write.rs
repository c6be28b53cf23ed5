//! The access report: two passes over each record, one to learn what the layout depends on, one that writes.

use super::boxes::{BoxBounds, BoxOptions};
use super::keywords::{Key, TargetSeries, Values};
use super::snapshot::{Snapshot, SortKey};
use super::styles::{Facts, Style, template};
use super::template::{Area, Template};
use super::{AccessOptions, scheme_filters};
use crate::ReportError;
use crate::error::no_intervals;
use crate::filter::{Filter, for_each_rows, for_each_rows_by_target};
use crate::series::{Point, by_target, measure};
use damo_frame::{FrameError, Record};
use damo_model::{Intervals, Nanos, Selection, Target, TargetKey};
use std::collections::HashMap;
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
        let found = by_target(&measure(record, &options.filter, |outline| outline.intervals.is_some().into())?);
        let points: HashMap<TargetKey, Vec<Point>> = found.into_iter().collect();
        let known = record.meta().intervals;
        let first = if known.is_some() { HashMap::new() } else { first_intervals(record, &options.filter)? };
        for target in record.targets() {
            let Some(points) = points.get(&target.key) else { continue };
            let (Some(first_point), Some(last)) = (points.first(), points.last()) else { continue };
            if points.iter().any(|point| point.value == 0) {
                return Err(no_intervals(record));
            }
            let intervals = known.or(first.get(&target.key).copied()).unwrap_or_default();
            let (filter, start, end) = (options.filter.clone(), first_point.start, last.end);
            parts.push(Part { record, target, filter, start, end, snapshots: points.len(), intervals });
        }
    }
    Ok(parts)
}

/// Of each target the intervals of its first snapshot that tells them.
fn first_intervals(record: &Record, filter: &Filter) -> Result<HashMap<TargetKey, Intervals>, ReportError> {
    let mut found = HashMap::new();
    for_each_rows(record, filter, |_, rows| {
        if let Some(intervals) = rows.intervals {
            found.entry(rows.head.target).or_insert(intervals);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Gives `f` the snapshots of each part in turn.
pub(super) fn for_each_snapshot<'p, 'a>(
    parts: &'p [Part<'a>],
    mut f: impl FnMut(&'p Part<'a>, Snapshot) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    for of_record in parts.chunk_by(|a, b| std::ptr::eq(a.record, b.record)) {
        let Some(first) = of_record.first() else { continue };
        let by_key: HashMap<TargetKey, &Part<'_>> = of_record.iter().map(|part| (part.target.key, part)).collect();
        let targets: Vec<TargetKey> = of_record.iter().map(|part| part.target.key).collect();
        for_each_rows_by_target(first.record, &first.filter, &targets, |key, chunk, rows| {
            match (by_key.get(&key), rows.intervals) {
                (Some(part), Some(intervals)) => f(part, Snapshot::new(chunk, &rows, intervals)),
                _ => Ok(()),
            }
        })?;
    }
    Ok(())
}

/// Whether the regions of the first part have hits of probes. Nothing is read behind its first region.
fn has_probes(part: &Part<'_>) -> Result<bool, ReportError> {
    let of_part =
        Selection { targets: vec![part.target.key], ..part.filter.selection(part.record).unwrap_or_default() };
    let mut probes = false;
    let end = part.record.for_each(&of_part, |chunk| {
        if chunk.nr_regions() == 0 {
            return Ok(());
        }
        probes = chunk.extras().iter().any(|(id, _)| id.probe().is_some());
        Err(Stop::Found)
    });
    match end {
        Err(Stop::Failed(error)) => Err(error.into()),
        Ok(()) | Err(Stop::Found) => Ok(probes),
    }
}

/// Why a pass over a record ends early.
enum Stop {
    Found,
    Failed(FrameError),
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Self {
        Stop::Failed(error)
    }
}

fn facts(parts: &[Part<'_>], options: &AccessOptions) -> Result<Facts, ReportError> {
    let goal = |part: &Part<'_>| part.record.meta().intervals_goal.is_some_and(|goal| goal.aggregations > 0);
    let probes = parts.first().map(has_probes).transpose()?.unwrap_or_default();
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
        Template::new(area, &text)
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
    let boxes = if simple { BoxOptions::simple() } else { BoxOptions::tall() };
    let keys = [Key::Box, Key::BoxDescription];
    let bounds = if templates.iter().any(|template| keys.iter().any(|key| template.uses(*key))) {
        box_bounds(&parts)?
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
    let mut writer =
        PartWriter { templates: &templates, sort_by: &sort_by, descending: &descending, out, text: String::new() };
    let mut current: Option<(&Part<'_>, Values<'_>)> = None;
    for_each_snapshot(&parts, |part, snapshot| {
        let known = current.take_if(|(known, _)| !std::ptr::eq(*known, part));
        known.map_or(Ok(()), |(_, before)| writer.end(&before))?;
        let is_first = current.is_none();
        let (_, values) = current.get_or_insert_with(|| (part, values(part, options, (boxes, bounds))));
        if is_first {
            writer.begin(values);
        }
        writer.add(values, &snapshot, is_first)
    })?;
    current.map_or(Ok(()), |(_, last)| writer.end(&last))
}

fn values<'a>(part: &Part<'a>, options: &'a AccessOptions, (boxes, bounds): (BoxOptions, BoxBounds)) -> Values<'a> {
    let series = TargetSeries {
        target: part.target,
        start: part.start,
        end: part.end,
        intervals: part.intervals,
        goal: part.record.meta().intervals_goal,
        filters: scheme_filters::describe(&part.target.scheme_filters),
    };
    Values { options, boxes, bounds, series }
}

fn box_bounds(parts: &[Part<'_>]) -> Result<BoxBounds, ReportError> {
    let mut bounds = BoxBounds::default();
    for_each_snapshot(parts, |_, snapshot| {
        bounds.take(&snapshot);
        Ok(())
    })?;
    Ok(bounds)
}

/// Writes the snapshots of one part after another.
struct PartWriter<'a> {
    templates: &'a [Template; 5],
    sort_by: &'a [SortKey],
    descending: &'a [SortKey],
    out: &'a mut dyn Write,
    text: String,
}

impl PartWriter<'_> {
    fn begin(&mut self, values: &Values<'_>) {
        let [record_head, ..] = self.templates;
        line(&mut self.text, record_head, &|key, out| values.of_series(key, out));
    }

    fn add(&mut self, values: &Values<'_>, snapshot: &Snapshot, is_first: bool) -> Result<(), ReportError> {
        let [_, snapshot_head, region, snapshot_tail, _] = self.templates;
        let (options, text) = (values.options, &mut self.text);
        if !is_first && !options.total_sz_only {
            text.push('\n');
        }
        line(text, snapshot_head, &|key, out| values.of_snapshot(key, snapshot, out));
        if let (Some(expected), false) = (snapshot.partial, options.total_sz_only) {
            text.push_str(&format!("# partial: {expected} regions were announced\n"));
        }
        if !region.is_empty() {
            for (i, one) in snapshot.sorted(self.sort_by, self.descending, options.weights).into_iter().enumerate() {
                line(text, region, &|key, out| values.of_region(key, snapshot, i, one, out));
            }
        }
        line(text, snapshot_tail, &|key, out| values.of_snapshot(key, snapshot, out));
        self.write()
    }

    fn end(&mut self, values: &Values<'_>) -> Result<(), ReportError> {
        let [.., record_tail] = self.templates;
        line(&mut self.text, record_tail, &|key, out| values.of_series(key, out));
        self.write()
    }

    fn write(&mut self) -> Result<(), ReportError> {
        self.out.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}

/// A template's line, if it has one.
fn line(text: &mut String, template: &Template, value: &dyn Fn(Key, &mut String)) {
    if !template.is_empty() {
        template.fill(text, value);
        text.push('\n');
    }
}
