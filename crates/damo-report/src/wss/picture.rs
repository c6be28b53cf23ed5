//! Working set sizes as pictures.

use super::WssReport;
use crate::distribution::{Bin, Distribution, SortBy};
use crate::picture::{Bar, Bars, Chart, Picture, Stack, Unit};
use crate::series::{Point, Series};
use crate::series_chart::{NamedSeries, of_points, series_chart};
use damo_model::Bytes;
use damo_model::human::{Style, format_size};

/// More lines cannot be told apart.
const MOST_LINES: usize = 6;

impl WssReport {
    /// Working set sizes, in time or as percentiles: one chart for all of them together, or for as many targets as can be told
    /// apart; with mappings, a chart for each target.
    pub(super) fn charts(&self, sort: SortBy) -> Box<dyn Picture + '_> {
        let by_mapping = self.series.iter().any(|series| series.mapping.is_some());
        let mut groups: Vec<&[Series]> = if by_mapping {
            self.series.chunk_by(|a, b| a.label == b.label).collect()
        } else {
            self.series.chunks(MOST_LINES).collect()
        };
        let draw = |group: &[Series]| self.chart(group, sort);
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
    fn chart(&self, group: &[Series], sort: SortBy) -> Chart {
        let mapped = group.iter().any(|series| series.mapping.is_some());
        // Series of mappings come largest first; what cannot be told apart any more is shown as one.
        let shown = if mapped && group.len() > MOST_LINES { MOST_LINES - 1 } else { group.len() };
        let (shown, others) = group.split_at(shown);
        let others = (!others.is_empty()).then(|| together(others, sort));
        let mut lines: Vec<NamedSeries<'_>> =
            shown.iter().map(|series| (name(series), of_points(&series.points), &series.distribution)).collect();
        if let Some((name, points, distribution)) = &others {
            lines.push((name.clone(), of_points(points), distribution));
        }
        let whom = match group {
            [series, ..] if mapped => format!(" of target {}", series.label),
            [only] if only.target.is_none() && self.targets > 1 => format!(" of all {} targets", self.targets),
            [only] if only.target.is_some() => format!(" of target {}", only.label),
            _ => String::new(),
        };
        let title = format!("Working set size{whom}");
        series_chart(&title, ("working set", Unit::Bytes), "running time", (sort, self.zero), lines)
    }

    /// How many snapshots have working sets of which size.
    pub(super) fn histogram_bars(&self, ranges: usize) -> Bars {
        let several = self.series.len() > 1;
        let groups = self.series.iter().enumerate().map(|(color, series)| {
            let bar = |bin: Bin| Bar {
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
}

/// Series of one target, snapshot by snapshot, added up.
fn together(series: &[Series], sort: SortBy) -> (String, Vec<Point>, Distribution) {
    let mut sums: Vec<Point> = series.first().map(|first| first.points.clone()).unwrap_or_default();
    for more in series.get(1..).unwrap_or_default() {
        for (sum, point) in sums.iter_mut().zip(&more.points) {
            sum.value = sum.value.saturating_add(point.value);
        }
    }
    let distribution = Distribution::of_points(&sums, &[], sort, false);
    (format!("{} others", series.len()), sums, distribution)
}

/// What a line of working sets is called.
fn name(series: &Series) -> String {
    match (&series.mapping, series.target) {
        (Some(mapping), _) => mapping.clone(),
        (None, Some(_)) => format!("target {}", series.label),
        (None, None) => "all targets".to_owned(),
    }
}

/// A series among those of other targets.
fn heading(series: &Series) -> String {
    match &series.mapping {
        Some(mapping) => format!("target {}: {mapping}", series.label),
        None => name(series),
    }
}

fn size(bytes: u64) -> String {
    format_size(Bytes(bytes), Style::Human)
}
