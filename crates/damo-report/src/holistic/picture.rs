//! The page of the holistic report as a picture: the heat map, and below it on the same time axis what the memory was held
//! and touched.

use super::HolisticReport;
use crate::footprints::Metric;
use crate::heats::{HeatMap, HeatsOptions, edges};
use crate::picture::canvas::Rect;
use crate::picture::stack::draw_strips;
use crate::picture::{BELOW, Canvas, Chart, Line, MARGIN, Picture, Style, Unit, below_bands, part};
use crate::series_chart::of_points;
use damo_model::{Nanos, TimeSpan};

/// Share of the height that the chart takes, and its bounds in pixels.
const CHART: f64 = 0.3;
const LOWEST: f64 = 110.0;
const HIGHEST: f64 = 260.0;
/// Room above the chart for its legend.
const ABOVE: f64 = 40.0;

/// A page to be drawn: a report made with [`Overview::options`] for the same style.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// What to draw.
    pub report: &'a HolisticReport,
}

/// The same style, as high as the map is.
fn upper(style: &Style) -> Style {
    let chart = (style.height as f64 * CHART).clamp(LOWEST, HIGHEST);
    Style { height: style.height.saturating_sub((chart + MARGIN / 2.0) as usize), ..style.clone() }
}

impl Overview<'_> {
    /// How many pictures' height so many maps and the chart below them take.
    pub fn parts_of(maps: usize) -> usize {
        if maps > 1 { maps + 1 } else { 1 }
    }

    /// Options for so many maps that fill their part of a picture of this style; `bands` leaves room for a strip of them.
    pub fn options(style: &Style, maps: usize, bands: bool) -> HeatsOptions {
        let part = part(&upper(style), maps);
        HeatMap::options(&if bands { below_bands(&part) } else { part })
    }
}

impl Picture for Overview<'_> {
    fn title(&self) -> String {
        let Some(report) = self.report.maps.first() else { return "Memory".to_owned() };
        let title = HeatMap { report }.title();
        match self.report.maps.len() {
            1 => title,
            count => format!("Memory accesses of {count} targets"),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, top: f64) {
        let upper = upper(style);
        let Some(report) = self.report.maps.first() else { return };
        if self.report.maps.len() == 1 {
            HeatMap { report }.draw(canvas, &upper, top);
        } else {
            let part = part(&upper, self.report.maps.len());
            let maps: Vec<_> = self.report.maps.iter().map(|report| HeatMap { report }).collect();
            let titles: Vec<String> = maps.iter().map(Picture::title).collect();
            let pictures = titles.iter().zip(&maps).map(|(title, map)| (title.as_str(), map as &dyn Picture));
            draw_strips(canvas, &part, top, pictures);
        }
        let (left, right) = edges(&upper);
        let y = upper.height as f64 + ABOVE;
        let h = (style.height as f64 - y - BELOW - MARGIN / 2.0).max(16.0);
        let place = Rect { x: left, y, w: right - left, h };
        // Targets may begin and end at different times.
        let from = self.report.maps.iter().map(|map| map.time.start).min().unwrap_or(report.time.start);
        let to = self.report.maps.iter().map(|map| map.time.end).max().unwrap_or(report.time.end);
        self.report.memory_chart(TimeSpan::new(from, to)).draw_in(canvas, style, place);
    }

    fn parts(&self) -> usize {
        Overview::parts_of(self.report.maps.len())
    }
}

impl HolisticReport {
    /// What was held and touched while a map's heat happened: to stand below the map, on the same time axis.
    fn memory_chart(&self, time: TimeSpan) -> Chart {
        let zero = self.zero;
        // The curves are of all targets together, whatever the maps above are of.
        let whom = if self.wss.targets > 1 { format!(" of all {} targets", self.wss.targets) } else { String::new() };
        let since = |at: Nanos| zero.since(at).0 as f64;
        let held = self.footprints_by_time.iter().flat_map(|report| &report.series);
        // The system's and the virtual sizes would make the others a flat line.
        let held = held.filter(|series| matches!(series.metric, Metric::Rss | Metric::Swap));
        let held = held.filter(|series| series.points.iter().any(|(_, size)| size.0 > 0));
        let mut series: Vec<Line> = held
            .map(|series| Line {
                name: format!("{} (held){whom}", series.metric.as_str()),
                points: series.points.iter().map(|(at, size)| (since(*at), size.0 as f64)).collect(),
                steps: true,
                filled: false,
            })
            .collect();
        series.extend(self.wss_by_time.series.iter().map(|touched| Line {
            name: format!("wss (touched){whom}"),
            points: of_points(&touched.points).into_iter().map(|(at, value)| (since(at), value)).collect(),
            steps: true,
            filled: true,
        }));
        Chart {
            x_range: Some((since(time.start), since(time.end))),
            ..Chart::new(
                "",
                (zero.axis(), Unit::Time),
                (if series.len() == 1 { "working set" } else { "memory" }, Unit::Bytes),
                series,
            )
        }
    }
}
