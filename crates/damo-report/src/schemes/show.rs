//! What schemes did, as text, tables and picture.

use super::{SchemeInterval, SchemeSeries, SchemesReport, reset_interval};
use crate::picture::{Chart, Line, Picture, Unit};
use crate::table::Table;
use crate::whatif::write_rows;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_model::human::{Show, Style, format_nr, format_size, time_text};
use damo_model::scheme::{Action, Quotas};
use damo_model::{Bytes, Nanos};
use std::io::{self, Write};

/// Shown where nothing was told.
const NOT_TOLD: &str = "-";

/// Whether a quota in effect is no limit.
fn is_unlimited(quota: Bytes) -> bool {
    quota.0 == u64::MAX
}

impl SchemeSeries {
    fn action(&self) -> Option<String> {
        self.params.as_ref().map(|(action, _)| action.to_string().shown().to_string())
    }

    /// `scheme 0 (pageout)`, with context and kdamond if there are others.
    fn label(&self, is_only_context: bool) -> String {
        let action = self.action().map(|action| format!(" ({action})")).unwrap_or_default();
        let scheme = format!("scheme {}{action}", self.scheme);
        match self.kdamond {
            _ if is_only_context => scheme,
            Some(kdamond) => format!("kdamond {kdamond}, context {}, {scheme}", self.context),
            None => format!("context {}, {scheme}", self.context),
        }
    }

    /// What the bytes that it was applied to are.
    fn applied(&self) -> &'static str {
        match self.params.as_ref().map(|(action, _)| action) {
            Some(Action::MigrateHot | Action::MigrateCold) => "migrated",
            _ => "applied",
        }
    }

    fn write_text(&self, is_only_context: bool, zero: Zero, style: Style, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.label(is_only_context))?;
        if let Some((_, quotas)) = self.params.as_ref().filter(|(_, quotas)| quotas.is_limited()) {
            writeln!(out, "quota: {}", quota_text(quotas, style))?;
        }
        writeln!(out, "is the quota in control? {}", self.control().sentence())?;
        let head = ["from", "tried regions", "tried", self.applied(), "quota in effect", "exceeded"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.intervals.iter().map(|interval| row(time(zero, interval, style), interval, style)));
        if let (Some(counts), Some(last)) = (self.total(), self.intervals.last()) {
            let whole = SchemeInterval { counts: Some(counts), effective_quota: None, ..*last };
            rows.push(row("all".to_owned(), &whole, style));
        }
        write_rows(&rows, 0, out)
    }
}

fn time(zero: Zero, interval: &SchemeInterval, style: Style) -> String {
    let at = zero.since(interval.span.start);
    if style == Style::Raw { at.0.to_string() } else { time_text(at) }
}

fn row(first: String, interval: &SchemeInterval, style: Style) -> Vec<String> {
    let told = |of: Option<String>| of.unwrap_or_else(|| NOT_TOLD.to_owned());
    let counts = interval.counts;
    let size = |size: Bytes| if is_unlimited(size) { "no limit".to_owned() } else { format_size(size, style) };
    vec![
        first,
        told(counts.map(|counts| format_nr(counts.nr_tried.into(), style))),
        told(counts.map(|counts| size(counts.sz_tried))),
        told(counts.map(|counts| size(counts.sz_applied))),
        told(interval.effective_quota.map(size)),
        told(counts.map(|counts| format_nr(counts.qt_exceeds.into(), style))),
    ]
}

/// `10 ms and 100.000 MiB, aimed at a goal, each 1 s`.
fn quota_text(quotas: &Quotas, style: Style) -> String {
    let time = Some(quotas.time).filter(|time| time.0 > 0).map(time_text);
    let size = Some(quotas.size).filter(|size| size.0 > 0).map(|size| format_size(size, style));
    let goals = match quotas.goals.len() {
        0 => None,
        1 => Some("what its goal needs".to_owned()),
        _ => Some("what its goals need".to_owned()),
    };
    let limits: Vec<String> = [time, size, goals].into_iter().flatten().collect();
    match reset_interval(quotas) {
        Some(reset) => format!("{} each {}", limits.join(" and "), time_text(reset)),
        None => limits.join(" and "),
    }
}

impl SchemesReport {
    fn is_only_context(&self) -> bool {
        self.series.windows(2).all(|two| (two[0].kdamond, two[0].context) == (two[1].kdamond, two[1].context))
    }

    fn rows(&self) -> Vec<(&SchemeSeries, &SchemeInterval)> {
        self.series.iter().flat_map(|series| series.intervals.iter().map(move |interval| (series, interval))).collect()
    }

    /// Bytes per second that schemes were applied to, and that their quotas allow.
    fn chart(&self) -> Chart {
        let mut lines = Vec::new();
        for series in &self.series {
            let name = series.label(self.is_only_context());
            let rate = |interval: &SchemeInterval| {
                let time = interval.span.end.saturating_sub(interval.span.start).as_secs_f64();
                interval.counts.map_or(f64::NAN, |counts| counts.sz_applied.0 as f64 / time)
            };
            lines.push(self.line(format!("{name}: {}", series.applied()), series, rate));
            let Some(reset) = series.params.as_ref().and_then(|(_, quotas)| reset_interval(quotas)) else { continue };
            let quota = |interval: &SchemeInterval| {
                let quota = interval.effective_quota.filter(|quota| !is_unlimited(*quota));
                quota.map_or(f64::NAN, |quota| quota.0 as f64 / reset.as_secs_f64())
            };
            lines.push(self.line(format!("{name}: quota"), series, quota));
        }
        let axis = (self.zero.axis(), Unit::Time);
        Chart::new(
            "Memory that schemes were applied to, and their quotas",
            axis,
            ("bytes per second", Unit::Bytes),
            lines,
        )
    }

    fn line(&self, name: String, series: &SchemeSeries, value: impl Fn(&SchemeInterval) -> f64) -> Line {
        let at = |at: Nanos| self.zero.since(at).0 as f64;
        let mut points: Vec<(f64, f64)> =
            series.intervals.iter().map(|interval| (at(interval.span.start), value(interval))).collect();
        points.extend(series.intervals.last().map(|last| (at(last.span.end), value(last))));
        Line { name, points, steps: true, filled: false }
    }
}

impl Report for SchemesReport {
    const NAME: &'static str = "schemes";
    type Layout = Style;

    /// A block of lines for each scheme.
    fn write_text(&self, out: &mut dyn Write, style: &Style) -> Result<(), ReportError> {
        for (i, series) in self.series.iter().enumerate() {
            if i > 0 {
                writeln!(out)?;
            }
            series.write_text(self.is_only_context(), self.zero, *style, out)?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let rows = self.rows();
        let intervals = Table::of("intervals", &rows)
            .col("kdamond", "its index", |(series, _)| series.kdamond.map(|index| index.0))
            .col("context", "index within the kdamond", |(series, _)| series.context)
            .col("scheme", "index within the context", |(series, _)| series.scheme)
            .col("start_ns", "", |(_, of)| of.span.start.0)
            .col("end_ns", "", |(_, of)| of.span.end.0)
            .col("nr_tried", "regions; null before anything was told", |(_, of)| of.counts.map(|c| c.nr_tried))
            .col("sz_tried", "bytes", |(_, of)| of.counts.map(|c| c.sz_tried.0))
            .col("nr_applied", "regions", |(_, of)| of.counts.map(|c| c.nr_applied))
            .col("sz_applied", "bytes: migrated, paged out, …", |(_, of)| of.counts.map(|c| c.sz_applied.0))
            .col("sz_ops_filter_passed", "bytes", |(_, of)| Some(of.counts?.sz_ops_filter_passed?.0))
            .col("qt_exceeds", "how often the quota was used up", |(_, of)| of.counts.map(|c| c.qt_exceeds))
            .col("effective_quota", "bytes per reset interval, at the end", |(_, of)| of.effective_quota.map(|q| q.0));
        let reset = |series: &SchemeSeries| Some(reset_interval(&series.params.as_ref()?.1)?.0);
        let schemes = Table::of("schemes", &self.series)
            .col("kdamond", "", |series| series.kdamond.map(|index| index.0))
            .col("context", "", |series| series.context)
            .col("scheme", "", |series| series.scheme)
            .col("action", "", SchemeSeries::action)
            .col("reset_interval_ns", "of the quota", reset)
            .col("sz_tried", "bytes, in all", |series| series.total().map(|c| c.sz_tried.0))
            .col("sz_applied", "bytes, in all", |series| series.total().map(|c| c.sz_applied.0))
            .col("qt_exceeds", "in all", |series| series.total().map(|c| c.qt_exceeds))
            .col("quota_in_control", "`yes`, `at times`, `no`, `no quota` or `not known`", |s| s.control().word());
        Ok(vec![intervals.table()?, schemes.table()?])
    }

    fn picture(&self, _: &Style) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(Box::new(self.chart()))
    }
}
