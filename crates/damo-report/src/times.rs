//! When the memory looked as asked for: spans of time whose snapshots have a region that passes the filter.
//!
//! Spans are runs of snapshots, found in one pass. As an expression (gaps to the snapshot before, summed up over each target
//! to a number that is grouped by) the same took more than a hundred times as long.

use crate::filter::Filter;
use crate::picture::{Bar, Bars, Picture, Unit};
use crate::series::{Point, Used, by_target, measure};
use crate::table::Table;
use crate::target::target_labels;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::Nanos;
use damo_model::human::time_text;
use std::io::Write;

/// A span of time without a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The target's label.
    pub target: String,
    /// From when, on the record's clock.
    pub start: Nanos,
    /// Until when, not included.
    pub end: Nanos,
    /// Over how many snapshots.
    pub snapshots: u64,
}

/// The spans of time of some records.
#[derive(Clone, Debug)]
pub struct TimesReport {
    /// Spans, target after target, in time order.
    pub spans: Vec<Span>,
    /// What it is based on. Partial snapshots count: a region that passes is one, whatever else is missing.
    pub used: Used,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// Spans of time in which a region passes.
///
/// # Errors
/// When a record cannot be read or the filter cannot be applied to it.
pub fn times(records: &[Record], filter: &Filter) -> Result<TimesReport, ReportError> {
    let mut spans: Vec<Span> = Vec::new();
    let mut used = Used::default();
    for record in records {
        let labels = target_labels(record);
        for (target, points) in
            by_target(&measure(record, &filter.plain_monitoring(record), |outline| outline.regions)?)
        {
            let label = labels.get(&target).cloned().unwrap_or_default();
            let first = spans.len();
            for point in points {
                used.snapshots += 1;
                used.partial += u64::from(point.partial);
                if point.value == 0 {
                    continue;
                }
                match spans.get_mut(first..).and_then(<[Span]>::last_mut) {
                    Some(last) if joins(last.end, &point) => {
                        last.end = point.end;
                        last.snapshots += 1;
                    }
                    _ => {
                        spans.push(Span { target: label.clone(), start: point.start, end: point.end, snapshots: 1 });
                    }
                }
            }
        }
    }
    Ok(TimesReport { spans, used, zero: Zero::of(records) })
}

/// Whether a snapshot goes on where another ended. Those of text traces begin with their first event, some microseconds
/// after the end of the one before; a snapshot without a region that passes leaves a gap of its whole length.
fn joins(end: Nanos, next: &Point) -> bool {
    next.start.saturating_sub(end).0 <= next.end.saturating_sub(next.start).0 / 2
}

impl Report for TimesReport {
    const NAME: &'static str = "times";
    type Layout = ();

    /// A line for each span, in seconds.
    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        for span in &self.spans {
            writeln!(out, "{:.6}-{:.6}\n# (seconds)", span.start.as_secs_f64(), span.end.as_secs_f64())?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let spans = Table::of("spans", &self.spans)
            .col("target", "the target", |span| span.target.as_str())
            .col("start_ns", "", |span| span.start.0)
            .col("end_ns", "", |span| span.end.0)
            .col("snapshots", "in the span", |span| span.snapshots);
        Ok(vec![spans.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let mut bars: Vec<Bar> = Vec::new();
        for span in &self.spans {
            let label = format!("target {}", span.target);
            if bars.last().is_none_or(|bar| bar.label != label) {
                bars.push(Bar { label, color: bars.len(), ..Bar::default() });
            }
            if let Some(bar) = bars.last_mut() {
                let since = |at: Nanos| self.zero.since(at).0 as f64;
                bar.spans.push((since(span.start), since(span.end)));
            }
        }
        for bar in &mut bars {
            let sum: f64 = bar.spans.iter().map(|(from, to)| to - from).sum();
            bar.text = time_text(Nanos(sum as i64));
        }
        Ok(Box::new(Bars {
            title: "Times in which a region passes the filters".to_owned(),
            x: (self.zero.axis().to_owned(), Unit::Time),
            groups: vec![(String::new(), bars)],
        }))
    }
}
