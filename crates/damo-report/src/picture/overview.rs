//! The page of the holistic report as a picture: the heat map, and below it on the same time axis what the memory was held
//! and touched.

use super::canvas::Rect;
use super::charts::memory_chart;
use super::heatmap::{HeatMap, edges};
use super::stack::{draw_strips, part};
use super::{Canvas, MARGIN, Picture, Style};
use crate::heats::Options;
use crate::holistic::HolisticReport;

/// Share of the height that the chart takes, and its bounds in pixels.
const CHART: f64 = 0.3;
const LOWEST: f64 = 110.0;
const HIGHEST: f64 = 260.0;
/// Room above the chart for its legend, and below it for its axis.
const ABOVE: f64 = 40.0;
const BELOW: f64 = 52.0;

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

    /// Options for so many maps that fill their part of a picture of this style.
    pub fn options(style: &Style, maps: usize) -> Options {
        HeatMap::options(&part(&upper(style), maps))
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
        let from = self.report.maps.iter().map(|map| map.time.0).min().unwrap_or(report.time.0);
        let to = self.report.maps.iter().map(|map| map.time.1).max().unwrap_or(report.time.1);
        memory_chart(self.report, (from, to)).draw_in(canvas, style, place);
    }

    fn parts(&self) -> usize {
        Overview::parts_of(self.report.maps.len())
    }
}
