//! Charts of numbers: over time, or as percentiles.

use super::axis::{LABEL_EVERY, Scale, Unit, bounds, draw_below, label, labels, step};
use super::bands::{BAND, Band, draw_bands};
use super::canvas::{Align, Font, Point, Rect, fit};
use super::{BELOW, Canvas, MARGIN, Picture, SMALL, Style, TEXT_SIZE, font};
use crate::colormap::Rgb;

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// Points by ascending x; a y that is not a number interrupts the line.
    pub points: Vec<(f64, f64)>,
    /// Whether values hold until the next point (measurements, percentiles) rather than change evenly.
    pub steps: bool,
    /// Whether the ground below is tinted.
    pub filled: bool,
}

/// Some series on common axes. The vertical axis begins at 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// The headline of the picture.
    pub title: String,
    /// What runs from left to right.
    pub x: (String, Unit),
    /// What runs upwards.
    pub y: (String, Unit),
    /// The lines, in the order of the legend.
    pub series: Vec<Line>,
    /// Remarks on the horizontal axis.
    pub marks: Vec<(f64, String)>,
    /// Spans of the horizontal axis with their labels, in a strip above the lines.
    pub bands: Vec<Band>,
    /// Which colour the first line has, so that one thing has one colour in charts that belong together.
    pub first_color: usize,
    /// Where the horizontal axis begins and ends; `None`: with the points.
    pub x_range: Option<(f64, f64)>,
}

const LEFT: f64 = 84.0;
/// More points than this many per pixel are drawn as the lowest and highest of each pixel.
const PER_PIXEL: usize = 2;

impl Chart {
    /// Lines on axes, each with its name and what it counts: what runs from left to right, then what runs upwards.
    pub fn new(title: impl Into<String>, x: (&str, Unit), y: (&str, Unit), series: Vec<Line>) -> Self {
        let [x, y] = [x, y].map(|(name, unit)| (name.to_owned(), unit));
        Self { title: title.into(), x, y, series, marks: Vec::new(), bands: Vec::new(), first_color: 0, x_range: None }
    }

    fn range(&self, pick: fn(&(f64, f64)) -> f64) -> Option<(f64, f64)> {
        bounds(self.series.iter().flat_map(|series| series.points.iter().map(pick)))
    }

    fn draw_axes(&self, canvas: &mut dyn Canvas, style: &Style, x: Scale, y: Scale) {
        let theme = style.theme;
        let muted = Font { size: SMALL, color: theme.muted(), align: Align::Right };
        let y_step = step(self.y.1, y.high - y.low, (((y.from - y.to) / 48.0) as usize).max(2));
        for i in 0..=64 {
            let value = f64::from(i) * y_step;
            if value > y.high * 1.000_001 {
                break;
            }
            canvas.line(&[(x.from, y.at(value)), (x.to, y.at(value))], theme.grid(), 1.0);
            canvas.text((x.from - 8.0, y.at(value) + SMALL * 0.32), &label(self.y.1, value), muted);
        }
        let below = (self.x.0.as_str(), (x.from + x.to) / 2.0, y.from);
        draw_below(canvas, style, labels(self.x.1, x, LABEL_EVERY), below, |canvas, at| {
            canvas.line(&[(at, y.from), (at, y.from + 5.0)], theme.muted(), 1.0);
        });
        canvas.line(&[(x.from, y.from), (x.to, y.from)], theme.muted(), 1.0);
        let ink = Font { color: theme.ink(), align: Align::Left, ..muted };
        let above = if self.bands.is_empty() { 12.0 } else { 12.0 + BAND };
        canvas.text((MARGIN, y.to - above), &self.y.0, ink);
    }

    fn draw_series(&self, canvas: &mut dyn Canvas, style: &Style, x: Scale, y: Scale) {
        // The first line is whole and drawn first, and those above it have gaps, the later the longer: what lies below
        // shows through them, so that lines that coincide can be told apart.
        for (i, series) in self.by_layer() {
            let color = style.theme.series(self.first_color + i);
            let pixels = (x.to - x.from).max(1.0) as usize;
            for run in series.points.split(|(_, value)| !value.is_finite()).filter(|run| !run.is_empty()) {
                let on_page: Vec<(f64, f64)> = run.iter().map(|(a, b)| (x.at(*a), y.at(*b))).collect();
                let points = if on_page.len() > pixels * PER_PIXEL {
                    thinned(&on_page)
                } else if series.steps {
                    stepped(&on_page)
                } else {
                    on_page
                };
                if series.filled {
                    let mut shape = points.clone();
                    shape.extend(points.last().map(|last| (last.0, y.from)));
                    shape.extend(points.first().map(|first| (first.0, y.from)));
                    canvas.area(&shape, color, 0.16);
                }
                dashed(canvas, &points, color, self.dash(i));
            }
        }
    }

    fn draw_legend(&self, canvas: &mut dyn Canvas, style: &Style, right: f64, top: f64) {
        let font = Font { size: TEXT_SIZE, color: style.theme.ink(), align: Align::Left };
        let mut at = right;
        for (i, series) in self.series.iter().enumerate().rev().filter(|_| self.series.len() > 1) {
            at -= font::width(&series.name, TEXT_SIZE) + 12.0;
            canvas.text((at, top - 10.0), &fit(&series.name, TEXT_SIZE, 300.0), font);
            at -= SAMPLE + 6.0;
            let color = style.theme.series(self.first_color + i);
            dashed(canvas, &[(at, top - 14.0), (at + SAMPLE, top - 14.0)], color, self.dash(i));
        }
    }
}

/// Pixels from the beginning of a dash to the beginning of the next one.
const PERIOD: f64 = 24.0;
/// Lines beyond this many have the dashes of the first ones again, in other colours.
const DASHES: usize = 6;
/// Pixels of line in the legend: two dashes of the shortest can be seen, and the gap of the longest.
const SAMPLE: f64 = PERIOD + PERIOD / DASHES as f64;
/// How wide lines are, in pixels.
const WIDTH: f64 = 2.0;

impl Chart {
    /// The series and their numbers as they are drawn: those with tinted ground lie below the others.
    fn by_layer(&self) -> impl Iterator<Item = (usize, &Line)> {
        let of = |filled: bool| self.series.iter().enumerate().filter(move |(_, series)| series.filled == filled);
        of(true).chain(of(false))
    }

    /// Pixels of line in each period of a series: the whole of it for the lowest one, and evenly less for each above it.
    fn dash(&self, i: usize) -> f64 {
        let kinds = self.series.len().clamp(1, DASHES);
        let layer = self.by_layer().position(|(series, _)| series == i).unwrap_or(i);
        PERIOD * (kinds - layer % kinds) as f64 / kinds as f64
    }
}

/// A line in pieces of `dash` pixels, one in each period.
fn dashed(canvas: &mut dyn Canvas, points: &[Point], color: Rgb, dash: f64) {
    let gap = PERIOD - dash;
    if gap <= 0.0 {
        canvas.line(points, color, WIDTH);
        return;
    }
    let mut left = dash;
    let mut on = true;
    let mut piece: Vec<Point> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let [from, to] = pair else { continue };
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let part = done / length;
            let at = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            if on {
                piece.push(at);
                canvas.line(&piece, color, WIDTH);
            }
            piece = vec![at];
            on = !on;
            left = if on { dash } else { gap };
        }
        left -= length - done;
        piece.push(*to);
    }
    if on {
        canvas.line(&piece, color, WIDTH);
    }
}

/// Corners of values that hold until the next one.
fn stepped(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut corners = Vec::with_capacity(points.len() * 2);
    let mut last: Option<f64> = None;
    for (x, y) in points {
        corners.extend(last.map(|before| (*x, before)));
        corners.push((*x, *y));
        last = Some(*y);
    }
    corners
}

/// The lowest and highest point of each pixel.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points
        .chunk_by(|a, b| a.0.floor() == b.0.floor())
        .flat_map(|pixel| {
            let low = pixel.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
            let high = pixel.iter().copied().reduce(|a, b| if b.1 < a.1 { b } else { a });
            let x = pixel.first().map_or(0.0, |first| first.0);
            [low, high].into_iter().flatten().map(move |(_, y)| (x, y))
        })
        .collect()
}

impl Chart {
    /// Draws the chart so that its axes frame `place`; labels are around it.
    pub(crate) fn draw_in(&self, canvas: &mut dyn Canvas, style: &Style, mut place: Rect) {
        let Some((low, high)) = self.x_range.or_else(|| self.range(|point| point.0)) else {
            let font = Font { size: TEXT_SIZE, color: style.theme.muted(), align: Align::Center };
            canvas.text((place.x + place.w / 2.0, place.y + place.h / 2.0), "no complete snapshot to draw", font);
            return;
        };
        let most = self.range(|point| point.1).map_or(0.0, |(_, most)| most.max(0.0));
        let x = Scale { low, high, from: place.x, to: place.right() };
        let top = place.y;
        if !self.bands.is_empty() {
            draw_bands(canvas, style, place, &self.bands, |at| x.at(at.0 as f64));
            place = Rect { y: place.y + BAND, h: (place.h - BAND).max(16.0), ..place };
        }
        let top_value = if self.y.1 == Unit::Percent { (most * 1.05).min(100.0) } else { most * 1.05 };
        let y =
            Scale { low: 0.0, high: if top_value > 0.0 { top_value } else { 1.0 }, from: place.bottom(), to: place.y };
        self.draw_axes(canvas, style, x, y);
        self.draw_series(canvas, style, x, y);
        self.draw_legend(canvas, style, place.right(), top);
        for (at, text) in &self.marks {
            let at = x.at(*at);
            canvas.line(&[(at, place.y), (at, place.bottom())], style.theme.series(1), 1.0);
            let is_wide = at + 4.0 + font::width(text, SMALL) > place.right();
            let (align, beside) = if is_wide { (Align::Right, at - 4.0) } else { (Align::Left, at + 4.0) };
            canvas.text((beside, place.y + 14.0), text, Font { size: SMALL, color: style.theme.ink(), align });
        }
    }
}

impl Picture for Chart {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, top: f64) {
        let bottom = canvas.size().1;
        self.draw_between(canvas, style, top, bottom);
    }
}

impl Chart {
    /// Draws it as wide as the page, between `top` and `bottom`.
    pub(super) fn draw_between(&self, canvas: &mut dyn Canvas, style: &Style, top: f64, bottom: f64) {
        let place = Rect {
            x: MARGIN + LEFT,
            y: top + 34.0,
            w: (canvas.size().0 - 2.0 * MARGIN - LEFT - 10.0).max(16.0),
            h: (bottom - top - 34.0 - BELOW - MARGIN / 2.0).max(16.0),
        };
        self.draw_in(canvas, style, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_points_keep_their_extremes() {
        let points: Vec<(f64, f64)> =
            (0..1000).map(|i| (f64::from(i) / 100.0, if i == 555 { 9.0 } else { 1.0 })).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= 20);
        assert!(thin.contains(&(5.0, 9.0)) && thin.contains(&(5.0, 1.0)));
    }

    #[test]
    fn steps_have_corners() {
        assert_eq!(stepped(&[(0.0, 1.0), (2.0, 3.0)]), [(0.0, 1.0), (2.0, 1.0), (2.0, 3.0)]);
    }
}
