//! The page of the holistic report as a picture: the heat map, and below it on the same time axis what the memory was held
//! and touched.

use super::canvas::Rect;
use super::charts::memory_chart;
use super::heatmap::{HeatMap, edges};
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
    /// Options for maps that fill their part of a picture of this style.
    pub fn options(style: &Style) -> Options {
        HeatMap::options(&upper(style))
    }
}

impl Picture for Overview<'_> {
    fn title(&self) -> String {
        let Some(report) = self.report.maps.first() else { return "Memory".to_owned() };
        let title = HeatMap { report }.title();
        match self.report.maps.len() {
            1 => title,
            count => format!("{title}, the first of {count} targets"),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, top: f64) {
        let upper = upper(style);
        let Some(report) = self.report.maps.first() else { return };
        HeatMap { report }.draw(canvas, &upper, top);
        let (left, right) = edges(&upper);
        let y = upper.height as f64 + ABOVE;
        let h = (style.height as f64 - y - BELOW - MARGIN / 2.0).max(16.0);
        let place = Rect { x: left, y, w: right - left, h };
        memory_chart(self.report, report.time).draw_in(canvas, style, place);
    }
}
