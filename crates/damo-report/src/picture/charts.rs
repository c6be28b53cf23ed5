//! The charts of the reports that count something per snapshot or per reading.
//!
//! Ranked by size they show percentiles, ranked by time what happened when, as the text forms do.

use super::ticks::time_text;
use super::{Bar, Bars, Chart, Picture, Series, Stack, Unit};
use crate::ages::AgesReport;
use crate::distribution::{Distribution, SortBy};
use crate::footprints::{FootprintsReport, Metric};
use crate::guide::GuideReport;
use crate::holistic::HolisticReport;
use crate::nr_regions::NrRegionsReport;
use crate::profile::ProfileReport;
use crate::series::Point;
use crate::times::TimesReport;
use crate::wss::{WssReport, WssSeries};
use crate::zero::Zero;
use damo_model::human::{self, Style, format_percent, format_size};
use damo_model::{Bytes, Nanos};

/// More lines cannot be told apart.
const MOST_LINES: usize = 6;
/// Points of a percentile curve: more than a picture has pixels.
const RANKS: usize = 2000;

/// Working set sizes, in time or as percentiles: one chart for all of them together, or for as many targets as can be told
/// apart; with mappings, a chart for each target.
pub fn wss_charts(report: &WssReport, sort: SortBy) -> Box<dyn Picture + '_> {
    let by_mapping = report.series.iter().any(|series| series.mapping.is_some());
    let mut groups: Vec<&[WssSeries]> = if by_mapping {
        report.series.chunk_by(|a, b| a.label == b.label).collect()
    } else {
        report.series.chunks(MOST_LINES).collect()
    };
    let draw = |group: &[WssSeries]| wss_chart(report, group, sort);
    match (groups.pop(), groups.is_empty()) {
        (Some(only), true) => Box::new(draw(only)),
        (last, _) => {
            groups.extend(last);
            let pictures = groups.into_iter().map(|group| {
                let chart = draw(group);
                (chart.title.clone(), Box::new(chart) as Box<dyn Picture>)
            });
            Box::new(Stack { title: "Working set size".to_owned(), pictures: pictures.collect() })
        }
    }
}

/// A chart of some series: of one target's mappings, of some targets, or of all targets together.
fn wss_chart(report: &WssReport, group: &[WssSeries], sort: SortBy) -> Chart {
    let mapped = group.iter().any(|series| series.mapping.is_some());
    // Series of mappings come largest first; what cannot be told apart any more is shown as one.
    let shown = if mapped && group.len() > MOST_LINES { MOST_LINES - 1 } else { group.len() };
    let (shown, others) = group.split_at(shown);
    let others = (!others.is_empty()).then(|| together(others, sort));
    let mut lines: Vec<Line<'_>> =
        shown.iter().map(|series| (wss_name(series), of_points(&series.points), &series.distribution)).collect();
    if let Some((name, points, distribution)) = &others {
        lines.push((name.clone(), of_points(points), distribution));
    }
    let whom = match group {
        [series, ..] if mapped => format!(" of target {}", series.label),
        [only] if only.target.is_none() && report.targets > 1 => format!(" of all {} targets", report.targets),
        [only] if only.target.is_some() => format!(" of target {}", only.label),
        _ => String::new(),
    };
    let title = format!("Working set size{whom}");
    chart(&title, ("working set", Unit::Bytes), "running time", (sort, report.zero), lines)
}

/// Series of one target, snapshot by snapshot, added up.
fn together(series: &[WssSeries], sort: SortBy) -> (String, Vec<Point>, Distribution) {
    let mut sums: Vec<Point> = series.first().map(|first| first.points.clone()).unwrap_or_default();
    for more in series.get(1..).unwrap_or_default() {
        for (sum, point) in sums.iter_mut().zip(&more.points) {
            sum.value = sum.value.saturating_add(point.value);
        }
    }
    let distribution = Distribution::new(sums.iter().map(|sum| sum.value).collect(), &[], sort);
    (format!("{} others", series.len()), sums, distribution)
}

/// What a line of working sets is called.
fn wss_name(series: &WssSeries) -> String {
    match (&series.mapping, series.target) {
        (Some(mapping), _) => mapping.clone(),
        (None, Some(_)) => format!("target {}", series.label),
        (None, None) => "all targets".to_owned(),
    }
}

/// How many snapshots have working sets of which size.
pub fn wss_histogram(report: &WssReport, ranges: usize) -> Bars {
    let several = report.series.len() > 1;
    let groups = report.series.iter().enumerate().map(|(color, series)| {
        let bar = |bin: crate::distribution::Bin| Bar {
            label: format!("{} – {}", size(bin.from), size(bin.to)),
            spans: vec![(0.0, bin.count as f64)],
            text: bin.count.to_string(),
            color,
        };
        let heading = if several { heading(series) } else { String::new() };
        (heading, series.distribution.histogram(ranges).into_iter().map(bar).collect())
    });
    Bars {
        title: "Working set size: histogram".to_owned(),
        x: ("snapshots".to_owned(), Unit::Count),
        groups: groups.collect(),
    }
}

/// A series among those of other targets.
fn heading(series: &WssSeries) -> String {
    match &series.mapping {
        Some(mapping) => format!("target {}: {mapping}", series.label),
        None => wss_name(series),
    }
}

fn size(bytes: u64) -> String {
    format_size(Bytes(bytes), Style::Human)
}

/// Working set size against length of window.
pub fn profile_chart(report: &ProfileReport) -> Chart {
    let line = |name: &str, pick: &dyn Fn(&Distribution) -> f64| Series {
        name: name.to_owned(),
        points: report.steps.iter().map(|s| ((s.length.0.max(1) as f64).log2(), pick(&s.distribution))).collect(),
        steps: false,
        filled: false,
    };
    let at = |percentile: u8| {
        move |d: &Distribution| {
            d.percentiles.iter().find(|(p, _)| *p == percentile).map_or(f64::NAN, |(_, value)| *value as f64)
        }
    };
    Chart {
        title: "Working set size by length of window".to_owned(),
        x: ("length of the window".to_owned(), Unit::LogTime),
        y: ("working set".to_owned(), Unit::Bytes),
        series: vec![
            line("largest", &at(100)),
            line("mean", &|d| d.mean),
            line("median", &at(50)),
            line("smallest", &at(0)),
        ],
        marks: Vec::new(),
        x_range: None,
        first_color: 0,
    }
}

/// How much memory has been idle for how long.
pub fn ages_bars(report: &AgesReport) -> Bars {
    let mut groups: Vec<(String, Vec<Bar>)> = Vec::new();
    for row in &report.rows {
        let heading = row.pid.map_or_else(|| format!("target {}", row.target), |pid| format!("pid {pid}"));
        if groups.last().is_none_or(|(last, _)| *last != heading) {
            groups.push((heading.clone(), Vec::new()));
        }
        let from = time_text(row.from.0.into());
        let bar = Bar {
            label: row
                .to
                .map_or_else(|| format!("{from} or more"), |to| format!("{from} – {}", time_text(to.0.into()))),
            spans: vec![(0.0, row.bytes.0 as f64)],
            text: format!("{} ({})", size(row.bytes.0), percent(row.percent)),
            color: groups.len() - 1,
        };
        if let Some((_, bars)) = groups.last_mut() {
            bars.push(bar);
        }
    }
    if let [(heading, _)] = &mut groups[..] {
        heading.clear();
    }
    Bars { title: "Time since the last access".to_owned(), x: ("memory".to_owned(), Unit::Bytes), groups }
}

fn percent(value: f64) -> String {
    format_percent((value * 10.0).round() / 10.0, Style::Human)
}

/// When a filter passes, target by target.
pub fn times_bars(report: &TimesReport) -> Bars {
    let mut bars: Vec<Bar> = Vec::new();
    for span in &report.spans {
        let label = format!("target {}", span.target);
        if bars.last().is_none_or(|bar| bar.label != label) {
            bars.push(Bar { label, color: bars.len(), ..Bar::default() });
        }
        if let Some(bar) = bars.last_mut() {
            let since = |at: Nanos| report.zero.since(at).0 as f64;
            bar.spans.push((since(span.start), since(span.end)));
        }
    }
    for bar in &mut bars {
        let sum: f64 = bar.spans.iter().map(|(from, to)| to - from).sum();
        bar.text = human::time_text(Nanos(sum as i64));
    }
    Bars {
        title: "Times in which a region passes the filters".to_owned(),
        x: (report.zero.axis().to_owned(), Unit::Time),
        groups: vec![(String::new(), bars)],
    }
}

/// How large each target's areas are.
pub fn guide_bars(report: &GuideReport) -> Bars {
    let groups = report.guides.iter().enumerate().map(|(color, guide)| {
        let id = guide.identity.target_id.map_or_else(|| "target".to_owned(), |id| format!("target {id}"));
        let scheme = guide.identity.scheme.map_or_else(String::new, |scheme| format!(", scheme {scheme}"));
        let [from, to] = [guide.time.0, guide.time.1].map(|at| human::time_text(report.zero.since(at)));
        let bar = |area: &damo_model::AddrRange| Bar {
            label: format!("{:#x} – {:#x}", area.start.0, area.end.0),
            spans: vec![(0.0, area.size().0 as f64)],
            text: format_size(area.size(), Style::Human),
            color,
        };
        (format!("{id}{scheme}: {from} to {to}"), guide.areas.iter().map(bar).collect())
    });
    Bars { title: "Monitored areas".to_owned(), x: ("size".to_owned(), Unit::Bytes), groups: groups.collect() }
}

/// Numbers of regions, in time or as percentiles.
pub fn nr_regions_chart(report: &NrRegionsReport, sort: SortBy) -> Chart {
    let lines = report
        .series
        .iter()
        .map(|series| (format!("target {}", series.label), of_points(&series.points), &series.distribution));
    chart("Number of regions", ("regions", Unit::Count), "running time", (sort, report.zero), lines.collect())
}

/// Memory footprints, in time or as percentiles.
pub fn footprints_chart(report: &FootprintsReport, sort: SortBy) -> Chart {
    let lines = report.series.iter().map(|series| {
        let points = series.points.iter().map(|(at, size)| (*at, size.0 as f64)).collect();
        (series.metric.name().to_owned(), points, &series.distribution)
    });
    let touched = report.series.iter().any(|series| series.metric == Metric::Wss);
    let title = if touched { "Memory allocated and touched" } else { "Memory footprint" };
    let mut chart = chart(title, ("memory", Unit::Bytes), "readings", (sort, report.zero), lines.collect());
    for (series, line) in report.series.iter().zip(&mut chart.series) {
        if series.metric == Metric::Wss {
            line.filled = true;
            line.name = "wss (touched)".to_owned();
        }
    }
    chart
}

type Line<'a> = (String, Vec<(Nanos, f64)>, &'a Distribution);

/// What was held and touched while a map's heat happened: to stand below the map, on the same time axis.
pub(super) fn memory_chart(report: &HolisticReport, time: (Nanos, Nanos)) -> Chart {
    let zero = report.zero;
    // The curves are of all targets together, whatever the maps above are of.
    let whom = if report.wss.targets > 1 { format!(" of all {} targets", report.wss.targets) } else { String::new() };
    let since = |at: Nanos| zero.since(at).0 as f64;
    let held = report.footprints_by_time.iter().flat_map(|report| &report.series);
    // The system's and the virtual sizes would make the others a flat line.
    let held = held.filter(|series| matches!(series.metric, Metric::Rss | Metric::Swap));
    let held = held.filter(|series| series.points.iter().any(|(_, size)| size.0 > 0));
    let mut series: Vec<Series> = held
        .map(|series| Series {
            name: format!("{} (held){whom}", series.metric.name()),
            points: series.points.iter().map(|(at, size)| (since(*at), size.0 as f64)).collect(),
            steps: true,
            filled: false,
        })
        .collect();
    series.extend(report.wss_by_time.series.iter().map(|touched| Series {
        name: format!("wss (touched){whom}"),
        points: of_points(&touched.points).into_iter().map(|(at, value)| (since(at), value)).collect(),
        steps: true,
        filled: true,
    }));
    Chart {
        title: String::new(),
        x: (zero.axis().to_owned(), Unit::Time),
        // A single line has no legend.
        y: (if series.len() == 1 { "working set" } else { "memory" }.to_owned(), Unit::Bytes),
        series,
        marks: Vec::new(),
        x_range: Some((since(time.0), since(time.1))),
        first_color: 0,
    }
}

/// A value holds for its snapshot: from its start to its end.
fn of_points(points: &[Point]) -> Vec<(Nanos, f64)> {
    let mut line = Vec::with_capacity(points.len() + 1);
    let mut end: Option<Nanos> = None;
    for point in points {
        // Snapshots that were left out interrupt the line.
        if let Some(end) = end.filter(|end| point.start.0.saturating_sub(end.0) > (point.end.0 - point.start.0) / 2) {
            line.push((end, f64::NAN));
        }
        line.push((point.start, point.value as f64));
        end = Some(point.end);
    }
    let last = points.last().map(|last| (last.end, last.value as f64));
    line.extend(last);
    line
}

/// A chart of lines; `of` says what percentiles are of.
fn chart(
    title: &str,
    (what, unit): (&str, Unit),
    of: &str,
    (sort, zero): (SortBy, Zero),
    lines: Vec<Line<'_>>,
) -> Chart {
    let filled = lines.len() == 1;
    let series = lines.into_iter().map(|(name, points, distribution)| {
        let points = match sort {
            SortBy::Time => points.into_iter().map(|(at, value)| (zero.since(at).0 as f64, value)).collect(),
            SortBy::Size => percentiles(distribution),
        };
        Series { name, points, steps: true, filled }
    });
    let (title, x) = match sort {
        SortBy::Time => (format!("{title} over time"), (zero.axis().to_owned(), Unit::Time)),
        SortBy::Size => (format!("{title}: distribution"), (format!("percent of the {of}"), Unit::Percent)),
    };
    Chart {
        title,
        x,
        y: (what.to_owned(), unit),
        series: series.collect(),
        marks: Vec::new(),
        x_range: None,
        first_color: 0,
    }
}

/// The ranked values at evenly spaced percentiles.
fn percentiles(distribution: &Distribution) -> Vec<(f64, f64)> {
    let values = &distribution.values;
    let count = values.len().min(RANKS);
    let at = |i: usize| values.get(i * values.len() / count.max(1)).map(|value| *value as f64);
    let mut points: Vec<(f64, f64)> =
        (0..count).filter_map(|i| Some((i as f64 / count as f64 * 100.0, at(i)?))).collect();
    points.extend(values.last().map(|last| (100.0, *last as f64)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::TargetKey;

    #[test]
    fn a_gap_between_snapshots_interrupts_the_line() {
        let point = |start, end, value| Point {
            target: TargetKey(0),
            start: Nanos(start),
            end: Nanos(end),
            value,
            partial: false,
            variance: 0.0,
        };
        let line = of_points(&[point(0, 100, 5), point(100, 200, 6), point(500, 600, 7)]);
        assert_eq!(line.len(), 5);
        assert!(line[2].0 == Nanos(200) && line[2].1.is_nan());
        assert_eq!(line[4], (Nanos(600), 7.0));
    }

    #[test]
    fn percentiles_end_at_the_largest_value() {
        let distribution = Distribution::new((0..10_000).collect(), &[], SortBy::Size);
        let points = percentiles(&distribution);
        assert_eq!(points.len(), RANKS + 1);
        assert_eq!((points[0], points[RANKS]), ((0.0, 0.0), (100.0, 9999.0)));
    }
}
