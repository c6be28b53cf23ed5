//! What schemes would have done, as text, tables and pictures.

use super::candidate::Effect;
use super::describe::{describe, describe_apart};
use super::{Counts, Memory, Outcome, Point, WhatIf, bytes};
use crate::picture::{Chart, Line, Panels, Picture, Unit};
use crate::table::Table;
use crate::{Report, ReportError};
use damo_model::human::{Style, format_size, time_text};
use damo_model::scheme::{Action, Scheme};
use damo_model::{Nanos, TimeSpan};
use serde_json::Value;
use std::io::{self, Write};

/// Rows of the course in text.
const ROWS: usize = 10;
/// Of what was moved: if the record does not show of more than this whether it is accessed again, it is said.
pub(crate) const UNDECIDED: f64 = 0.01;

fn size(value: f64) -> String {
    format_size(bytes(value), Style::Human)
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// What the scheme does to memory, what is left or undone by that, in words.
fn words(effect: Effect) -> Option<(&'static str, &'static str)> {
    match effect {
        Effect::Out => Some(("paged out", "accessed again")),
        Effect::Cold => Some(("moved", "accessed again")),
        Effect::Hot => Some(("moved", "idle again")),
        Effect::Huge => Some(("made huge", "")),
        Effect::None => None,
    }
}

/// Where an action puts memory that stays resident.
fn place(scheme: &Scheme) -> String {
    match (scheme.action, scheme.target_nid) {
        (Action::MigrateCold | Action::MigrateHot, Some(node)) => format!("on node {node}"),
        (Action::MigrateCold | Action::MigrateHot, None) => "on the target node".to_owned(),
        (Action::LruPrio, _) => "on the active LRU list".to_owned(),
        _ => "on the inactive LRU list".to_owned(),
    }
}

/// `1 application`, `2 applications`.
fn plural(count: u64, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

fn write_outcome(outcome: &Outcome, report: &WhatIf, out: &mut dyn Write) -> io::Result<()> {
    let Outcome { sums, mean, .. } = outcome;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<16}{text}");
    let ((regions, matched), times) = (sums.matched_each(), plural(sums.applications, "application"));
    let (each, all) = (size(matched), size(sums.matched));
    line("matched", format!("{regions:.1} regions, {each} (mean of {times}; {all} in total)"))?;
    let limit = if outcome.scheme.quotas.is_limited() {
        format!("; quota used up {}", plural(sums.used_up, "time"))
    } else {
        String::new()
    };
    line(
        "applied",
        format!("{}, {} (total of {times}{limit})", plural(sums.applied_regions, "region"), size(sums.applied)),
    )?;
    for (filter, (knowledge, kept)) in outcome.scheme.filters.iter().zip(&outcome.kept) {
        let kept = match knowledge {
            super::Knowledge::Unknown => "unknown".to_owned(),
            super::Knowledge::Ignored => "nothing: the kernel does not use it with this action".to_owned(),
            super::Knowledge::Estimated => format!("about {}", size(*kept)),
            super::Knowledge::Exact => size(*kept),
        };
        line("filtered out", format!("{kept} ({})", filter.rule()))?;
    }
    let effect = Effect::of(outcome.scheme.action);
    let Some((moved, back)) = words(effect) else { return Ok(()) };
    line(moved, format!("{} in total", size(sums.changed)))?;
    if !back.is_empty() {
        let (soon, within) = (percent(outcome.back_share()), time_text(report.refault_within));
        let text = format!("{} in total, {} within {within}", size(sums.back), size(sums.back_soon));
        line(back, format!("{text} ({soon} of what was {moved})"))?;
        if let Some(range) = &outcome.range {
            let (least, most) = (size(range.back.0), size(range.back.1));
            line("", format!("between {least} and {most} in total"))?;
        }
        if outcome.undecided > UNDECIDED * sums.changed {
            let (open, most) = (size(outcome.undecided), percent(outcome.back_share_at_most()));
            line("", format!("{open} more was {moved} less than {within} before the end: up to {most}"))?;
        }
    }
    if effect == Effect::Out {
        line(
            "waiting",
            format!("{} (programs wait for pages to be read back, 5 us each)", per_second(sums.waited, report)),
        )?;
    }
    match effect {
        Effect::Out | Effect::Huge => {
            let change = mean.saved();
            let what = if change < 0.0 { "more" } else { "saved" };
            let share = percent(mean.saved_share().abs());
            let (without, with) = (size(mean.without), size(mean.with));
            let change = size(change.abs());
            line("resident", format!("{without} without the scheme, {with} with it: {change} ({share}) {what}"))?;
            match &outcome.range {
                Some(range) if effect == Effect::Out => {
                    line("", format!("between {} and {} saved", size(range.saved.0), size(range.saved.1)))
                }
                _ => Ok(()),
            }
        }
        _ => line("placed", format!("{} {} (mean)", size(mean.moved), place(&outcome.scheme))),
    }
}

/// A time each second, over the whole record.
fn per_second(nanos: f64, report: &WhatIf) -> String {
    let seconds = report.time.length().as_secs_f64().max(1e-9);
    format!("{:.3} ms/s", nanos.trunc() / 1e6 / seconds)
}

/// Points put together to at most `rows`.
fn condensed(course: &[Point], rows: usize) -> Vec<Point> {
    let merge = |points: &[Point]| {
        let (first, last) = (points.first()?, points.last()?);
        let mut counts = Counts::default();
        let known: Vec<Memory> = points.iter().filter_map(|point| point.memory).collect();
        let mean = |of: fn(&Memory) -> f64| known.iter().map(of).sum::<f64>() / known.len().max(1) as f64;
        for Point { counts: more, .. } in points {
            counts.add(more);
        }
        let memory = Memory { without: mean(|m| m.without), with: mean(|m| m.with), moved: mean(|m| m.moved) };
        Some(Point {
            time: TimeSpan::new(first.time.start, last.time.end),
            counts,
            memory: (!known.is_empty()).then_some(memory),
        })
    };
    course.chunks(course.len().div_ceil(rows.max(1)).max(1)).filter_map(merge).collect()
}

fn write_course(outcome: &Outcome, report: &WhatIf, out: &mut dyn Write) -> io::Result<()> {
    let effect = Effect::of(outcome.scheme.action);
    let (moved, back) = words(effect).unwrap_or_default();
    let has_filters = !outcome.scheme.filters.is_empty();
    let mut head = vec!["until", "matched", "applied"];
    if has_filters {
        head.push("filtered out");
    }
    if effect != Effect::None {
        head.push(moved);
    }
    if !back.is_empty() {
        head.push(back);
    }
    head.extend(match effect {
        Effect::Out | Effect::Huge => vec!["without", "with"],
        Effect::Cold | Effect::Hot => vec!["placed"],
        Effect::None => vec![],
    });
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for Point { time, counts, memory } in condensed(&outcome.course, ROWS) {
        let until = time_text(Nanos(time.end.saturating_sub(report.time.start).0 / 100_000_000 * 100_000_000));
        let mut row = vec![until, size(counts.matched_each().1), size(counts.applied)];
        if has_filters {
            row.push(size(counts.kept.iter().sum()));
        }
        if effect != Effect::None {
            row.push(size(counts.changed));
        }
        if !back.is_empty() {
            row.push(size(counts.back));
        }
        let of = |pick: fn(&Memory) -> f64| memory.as_ref().map_or_else(|| "-".to_owned(), |m| size(pick(m)));
        match effect {
            Effect::Out | Effect::Huge => row.extend([of(|m| m.without), of(|m| m.with)]),
            Effect::Cold | Effect::Hot => row.push(of(|m| m.moved)),
            Effect::None => {}
        }
        rows.push(row);
    }
    write_rows(&rows, 0, out)
}

fn write_comparison(report: &WhatIf, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\ncomparison (saved: mean resident size; moved, accessed again: totals)")?;
    let within = format!("within {}", time_text(report.refault_within));
    let head = ["scheme", "saved", "of resident", "moved", "accessed again", &within, "waiting", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (nth, outcome) in report.outcomes.iter().enumerate() {
        let Outcome { sums, mean, .. } = outcome;
        let (saved, effect, none) = (mean.saved(), Effect::of(outcome.scheme.action), || "-".to_owned());
        let sign = if saved < -0.5 { "-" } else { "" };
        rows.push(vec![
            nth.to_string(),
            format!("{sign}{}", size(saved.abs())),
            percent(mean.saved_share()),
            size(sums.changed),
            size(sums.back),
            if effect == Effect::Huge || effect == Effect::None { none() } else { percent(outcome.back_share()) },
            if effect == Effect::Out { per_second(sums.waited, report) } else { none() },
            describe(&outcome.scheme),
        ]);
    }
    write_rows(&rows, 1, out)
}

/// Columns aligned to the right, the last `left` of them to the left.
pub(crate) fn write_rows(rows: &[Vec<String>], left: usize, out: &mut dyn Write) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let cell = if c + left >= columns { cell.clone() } else { format!("{cell:>width$}") };
            line.push_str("  ");
            line.push_str(&cell);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A scheme as JSON in one line, without what is the default anyway.
pub(crate) fn json(scheme: &Scheme) -> String {
    // Schemes hold no map keys that are no text: this cannot fail.
    let of = |scheme: &Scheme| serde_json::to_value(scheme).unwrap_or_default();
    without_defaults(of(scheme), &of(&Scheme::new(scheme.action)), 0).to_string()
}

fn without_defaults(value: Value, default: &Value, depth: usize) -> Value {
    match (value, default) {
        (Value::Object(map), Value::Object(defaults)) => {
            let differs = |(key, value): (String, Value)| {
                let default = defaults.get(&key).unwrap_or(&Value::Null);
                let keep = *default != value || (depth == 0 && key == "action");
                keep.then(|| (key, without_defaults(value, default, depth + 1)))
            };
            Value::Object(map.into_iter().filter_map(differs).collect())
        }
        (value, _) => value,
    }
}

fn whole(value: f64) -> u64 {
    bytes(value).0
}

impl Report for WhatIf {
    const NAME: &'static str = "schemes";
    type Layout = ();

    /// Each scheme over time, then all compared. Schemes are numbered from 0, as in the kernel.
    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        let length = self.time.length();
        writeln!(
            out,
            "# {}: {} in {}{}",
            self.record,
            plural(self.snapshots.0, "snapshot"),
            time_text(length),
            if self.snapshots.1 > 0 { format!(", {} partial ones left out", self.snapshots.1) } else { String::new() }
        )?;
        writeln!(out, "# estimated from this record, which was made without the schemes; each scheme is tried alone")?;
        let from = self.means_from.saturating_sub(self.time.start);
        if from > Nanos(0) {
            writeln!(out, "# means of memory leave out the first {} of the record", time_text(from))?;
        } else {
            writeln!(out, "# means of memory are over the whole record")?;
        }
        for note in &self.notes {
            writeln!(out, "# {note}")?;
        }
        for (nth, outcome) in self.outcomes.iter().enumerate() {
            writeln!(out, "\nscheme {nth}: {}", describe(&outcome.scheme))?;
            write_outcome(outcome, self, out)?;
            writeln!(out, "  over time (matched: mean of an application; resident sizes: means; others: sums)")?;
            write_course(outcome, self, out)?;
        }
        if self.outcomes.len() > 1 {
            write_comparison(self, out)?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        Ok(vec![self.schemes_table()?, self.course_table()?, self.filters_table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(Box::new(compare_chart(self)))
    }
}

impl WhatIf {
    fn schemes_table(&self) -> Result<Table, ReportError> {
        let rows: Vec<(u64, &Outcome)> = (0..).zip(&self.outcomes).collect();
        let each_time = "bytes in all, the same memory each time";
        Table::of("schemes", &rows)
            .col("scheme", "from 0, as in the kernel", |(nth, _)| *nth)
            .col("what", "the scheme in words", |(_, o)| describe(&o.scheme))
            .col("resident_without", "bytes, mean from `mean_from_ns` on; the same for all schemes", |(_, o)| {
                whole(o.mean.without)
            })
            .col("resident_with", "bytes, likewise", |(_, o)| whole(o.mean.with))
            .col("saved", "bytes, likewise", |(_, o)| o.mean.saved().round() as i64)
            .col("saved_share", "of what is resident without", |(_, o)| o.mean.saved_share())
            .col("saved_least", "bytes: `saved` is at least this; docs/schemes.md says how often it holds", |(_, o)| {
                o.range.map(|range| range.saved.0.round() as i64)
            })
            .col("saved_most", "bytes: and at most this", |(_, o)| o.range.map(|range| range.saved.1.round() as i64))
            .col("moved", "bytes on other nodes or lists, likewise", |(_, o)| whole(o.mean.moved))
            .col("applications", "times that the scheme was applied", |(_, o)| o.sums.applications)
            .col("matched_regions", "in all", |(_, o)| o.sums.matched_regions)
            .col("matched", each_time, |(_, o)| whole(o.sums.matched))
            .col("matched_regions_mean", "mean of an application", |(_, o)| o.sums.matched_each().0)
            .col("matched_mean", "bytes, mean of an application: `matched` / `applications`", |(_, o)| {
                o.sums.matched_each().1
            })
            .col("applied_regions", "in all", |(_, o)| o.sums.applied_regions)
            .col("applied", each_time, |(_, o)| whole(o.sums.applied))
            .col("kept_out", "bytes in all, by filters", |(_, o)| whole(o.kept.iter().map(|(_, kept)| kept).sum()))
            .col("changed", "bytes in all that were not so before", |(_, o)| whole(o.sums.changed))
            .col("back", "bytes in all accessed again", |(_, o)| whole(o.sums.back))
            .col("back_least", "bytes: `back` is at least this", |(_, o)| o.range.map(|range| whole(range.back.0)))
            .col("back_most", "bytes: and at most this", |(_, o)| o.range.map(|range| whole(range.back.1)))
            .col("back_soon", "of them within `--refault_within`", |(_, o)| whole(o.sums.back_soon))
            .col(
                "back_undecided",
                "bytes changed less than `--refault_within` before the record ends and not accessed again in it",
                |(_, o)| whole(o.undecided),
            )
            .col("back_share", "`back_soon` of `changed`", |(_, o)| o.back_share())
            .col("back_share_at_most", "the same if all of `back_undecided` were accessed again", |(_, o)| {
                o.back_share_at_most()
            })
            .col("waited_ns", "for memory to come back", |(_, o)| o.sums.waited as i64)
            .col("quota_used_up", "times", |(_, o)| o.sums.used_up)
            .col("mean_from_ns", "the record's beginning, or `--settle` later", |_| self.means_from.0)
            .col("json", "to start it with", |(_, o)| json(&o.scheme))
            .table()
    }

    fn course_table(&self) -> Result<Table, ReportError> {
        let outcomes = (0..).zip(&self.outcomes);
        let rows: Vec<(u64, &Point)> =
            outcomes.flat_map(|(nth, o)| o.course.iter().map(move |point| (nth, point))).collect();
        let memory = |point: &Point, of: fn(&Memory) -> f64| point.memory.as_ref().map(|m| whole(of(m)));
        Table::of("course", &rows)
            .col("scheme", "from 0, as in the kernel", |(nth, _)| *nth)
            .col("start_ns", "a span of time", |(_, p)| p.time.start.0)
            .col("end_ns", "", |(_, p)| p.time.end.0)
            .col("applications", "within the span, as all sums below", |(_, p)| p.counts.applications)
            .col("matched_regions", "", |(_, p)| p.counts.matched_regions)
            .col("matched", "bytes", |(_, p)| whole(p.counts.matched))
            .col("applied_regions", "", |(_, p)| p.counts.applied_regions)
            .col("applied", "bytes", |(_, p)| whole(p.counts.applied))
            .col("kept_out", "bytes", |(_, p)| whole(p.counts.kept.iter().sum()))
            .col("changed", "bytes", |(_, p)| whole(p.counts.changed))
            .col("back", "bytes", |(_, p)| whole(p.counts.back))
            .col("back_soon", "bytes", |(_, p)| whole(p.counts.back_soon))
            .col("waited_ns", "", |(_, p)| p.counts.waited as i64)
            .col("resident_without", "bytes, mean of the span", |(_, p)| memory(p, |m| m.without))
            .col("resident_with", "bytes, mean of the span", |(_, p)| memory(p, |m| m.with))
            .col("moved", "bytes, mean of the span", |(_, p)| memory(p, |m| m.moved))
            .table()
    }

    fn filters_table(&self) -> Result<Table, ReportError> {
        let filters = |(nth, o): (u64, &Outcome)| {
            let filters = o.scheme.filters.iter().zip(&o.kept).zip(0u64..);
            filters.map(|((f, (knowledge, kept)), i)| (nth, i, f.kind.as_str(), *knowledge, *kept)).collect::<Vec<_>>()
        };
        let rows: Vec<_> = self.outcomes.iter().zip(0..).flat_map(|(o, nth)| filters((nth, o))).collect();
        Table::of("filters", &rows)
            .col("scheme", "from 0, as in the kernel", |(nth, ..)| *nth)
            .col("filter", "from 0, as in the kernel", |(_, number, ..)| *number)
            .col("type", "", |(_, _, kind, ..)| *kind)
            .col("kept_out", "bytes; `null` if `known` is `unknown`", |(.., knowledge, kept)| {
                (*knowledge != super::Knowledge::Unknown).then(|| whole(*kept))
            })
            .col("known", "`exact`, `estimated`, `unknown` or `ignored`", |(.., knowledge, _)| knowledge.as_str())
            .table()
    }
}

/// Most schemes that one picture tells apart.
const LINES: usize = 5;

/// Memory with and without the schemes over time, and below what of it was accessed again.
fn compare_chart(report: &WhatIf) -> Panels {
    let begin = report.time.start;
    let at = |time: Nanos| time.saturating_sub(begin).0 as f64;
    let single = report.outcomes.len() == 1;
    let shown: Vec<&Scheme> = report.outcomes.iter().take(LINES).map(|o| &o.scheme).collect();
    let (common, differing) = describe_apart(&shown);
    let name = |nth: usize| match differing.get(nth) {
        _ if single => "with the scheme".to_owned(),
        Some(what) if shown.len() < LINES && !what.is_empty() => format!("{nth}: {what}"),
        _ => format!("scheme {nth}"),
    };
    let line = |outcome: &Outcome, of: &dyn Fn(&Point) -> f64| {
        let mut points: Vec<(f64, f64)> = outcome.course.iter().map(|p| (at(p.time.start), of(p))).collect();
        points.extend(outcome.course.last().map(|p| (at(p.time.end), of(p))));
        points
    };
    let mut memory = Vec::new();
    let mut back = Vec::new();
    // Other than pageout and hugepage, actions leave as much memory resident as there is.
    let resident = report.outcomes.iter().any(|o| matches!(Effect::of(o.scheme.action), Effect::Out | Effect::Huge));
    if let (true, Some(first)) = (resident, report.outcomes.first()) {
        let points = line(first, &|p| p.memory.map_or(f64::NAN, |m| m.without));
        memory.push(Line { name: "without a scheme".to_owned(), points, steps: true, filled: false });
    }
    for (nth, outcome) in report.outcomes.iter().enumerate().take(LINES) {
        let held = line(outcome, &|p| p.memory.map_or(f64::NAN, |m| if resident { m.with } else { m.moved }));
        memory.push(Line { name: name(nth), points: held, steps: true, filled: single });
        let rate = |p: &Point| {
            let seconds = p.time.length().as_secs_f64();
            if seconds > 0.0 { p.counts.back / seconds } else { 0.0 }
        };
        back.push(Line { name: name(nth), points: line(outcome, &rate), steps: true, filled: single });
    }
    let title = match &report.outcomes[..] {
        [only] => format!("What if: {}", describe(&only.scheme)),
        all => {
            let number =
                if all.len() > LINES { format!("the first {LINES} of {}", all.len()) } else { all.len().to_string() };
            format!("What if: {number} schemes{}{common}", if common.is_empty() { "" } else { ", all " })
        }
    };
    let above = if resident { "resident size" } else { "memory placed" };
    let x = ("time since the record began", Unit::Time);
    let chart = |y: &str, series, first_color| Chart { first_color, ..Chart::new("", x, (y, Unit::Bytes), series) };
    let first_back = usize::from(resident);
    Panels {
        title,
        panels: vec![(2.0, chart(above, memory, 0)), (1.0, chart("accessed again per second", back, first_back))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_what_is_no_default_and_reads_back_as_the_same_scheme() {
        for (text, brief) in [
            (r#"{"action": "stat"}"#, r#"{"action":"stat"}"#),
            (
                r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "5 s"}}}"#,
                r#"{"action":"pageout","access_pattern":{"nr_accesses":{"max":"0 %"},"age":{"min":"5 s"}}}"#,
            ),
        ] {
            let scheme: Scheme = serde_json::from_str(text).unwrap();
            assert_eq!(json(&scheme), brief);
            assert_eq!(serde_json::from_str::<Scheme>(brief).unwrap(), scheme);
        }
        let text = r#"{"action": "migrate_cold", "target_nid": 1, "quotas": {"sz_bytes": "1 MiB", "reset_interval_ms": "1 s",
            "weights": {"age_permil": 5}, "goals": [{"metric": "user_input", "target_value": 5}]},
            "filters": [{"filter_type": "anon", "matching": true, "allow": false}]}"#;
        let scheme: Scheme = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::from_str::<Scheme>(&json(&scheme)).unwrap(), scheme, "{}", json(&scheme));
    }
}
