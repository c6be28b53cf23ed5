//! Horizontal bars under one another: how much of what, or from when to when.

use super::axis::{Scale, Unit, bounds, draw_below, labels};
use super::canvas::{Align, Font, Rect, fit};
use super::{BELOW, Canvas, MARGIN, Picture, SMALL, Style, TEXT_SIZE, font};

/// One line of bars.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// What it is of, at the left.
    pub label: String,
    /// From and to, on the common axis. Several for what comes and goes.
    pub spans: Vec<(f64, f64)>,
    /// The number in words, behind the last span.
    pub text: String,
    /// Which of the colours.
    pub color: usize,
}

/// Bars on a common axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// The headline of the picture.
    pub title: String,
    /// What runs from left to right.
    pub x: (String, Unit),
    /// Under one another, in groups: a heading (or none) and its bars.
    pub groups: Vec<(String, Vec<Bar>)>,
}

/// Bars are at most so high, and so far apart that their labels can be read.
const THICKEST: f64 = 48.0;
const THINNEST: f64 = 4.0;
const HEADING: f64 = 26.0;

impl Bars {
    fn range(&self) -> Option<(f64, f64)> {
        bounds(self.bars().flat_map(|bar| &bar.spans).flat_map(|(from, to)| [*from, *to]))
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|(_, bars)| bars)
    }

    fn widest(&self, pick: fn(&Bar) -> &str) -> f64 {
        self.bars().map(|bar| font::width(pick(bar), SMALL)).fold(0.0, f64::max)
    }
}

impl Picture for Bars {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, top: f64) {
        let (width, height) = canvas.size();
        let room = width - 2.0 * MARGIN;
        let left = (self.widest(|bar| &bar.label) + 12.0).min(room / 3.0);
        let right = (self.widest(|bar| &bar.text) + 10.0).min(room / 4.0);
        let muted = Font { size: SMALL, color: style.theme.muted(), align: Align::Right };
        let Some((low, high)) = self.range() else {
            let font = Font { size: TEXT_SIZE, align: Align::Center, ..muted };
            canvas.text((width / 2.0, (top + height) / 2.0), "nothing to draw", font);
            return;
        };
        // Amounts begin at 0, times where they begin.
        let low = if self.x.1 == Unit::Time { low } else { low.min(0.0) };
        let lowest = height - BELOW - MARGIN / 2.0;
        let count = self.bars().count().max(1) as f64;
        let headings = self.groups.iter().filter(|(heading, _)| !heading.is_empty()).count() as f64 * HEADING;
        let pitch = ((lowest - top - headings) / count).min(THICKEST * 1.5);
        // The axis is below the last bar.
        let bottom = top + headings + pitch * count;
        let x = Scale { low, high: high.max(low + 1.0), from: MARGIN + left, to: width - MARGIN - right };
        let below = (self.x.0.as_str(), (x.from + x.to) / 2.0, bottom);
        draw_below(canvas, style, labels(self.x.1, x, 100.0), below, |canvas, at| {
            canvas.line(&[(at, top), (at, bottom)], style.theme.grid(), 1.0);
        });
        canvas.line(&[(x.from, top), (x.from, bottom)], style.theme.muted(), 1.0);
        canvas.line(&[(x.from, bottom), (x.to, bottom)], style.theme.muted(), 1.0);
        let thick = (pitch * 0.68).max(THINNEST.min(pitch));
        let ink = Font { size: SMALL, color: style.theme.ink(), align: Align::Left };
        let every = (SMALL / pitch).ceil().max(1.0) as usize;
        let mut y = top;
        for (heading, bars) in &self.groups {
            if !heading.is_empty() {
                let back = font::width(heading, TEXT_SIZE).min(room) + 8.0;
                canvas.rect(Rect { x: MARGIN, y, w: back, h: HEADING - 2.0 }, style.theme.ground(), 1.0);
                canvas.text((MARGIN, y + 16.0), &fit(heading, TEXT_SIZE, room), Font { size: TEXT_SIZE, ..ink });
                y += HEADING;
            }
            for (i, bar) in bars.iter().enumerate() {
                let middle = y + pitch / 2.0 + SMALL * 0.32;
                let mut end = x.from;
                for (from, to) in &bar.spans {
                    let (a, b) = (x.at(*from), x.at(*to));
                    let rect = Rect { x: a, y: y + (pitch - thick) / 2.0, w: (b - a).max(1.0), h: thick };
                    if to > from {
                        canvas.rect(rect, style.theme.series(bar.color), 1.0);
                    }
                    end = end.max(b);
                }
                if i.is_multiple_of(every) {
                    canvas.text((x.from - 8.0, middle), &fit(&bar.label, SMALL, left - 10.0), muted);
                    canvas.text((end + 6.0, middle), &fit(&bar.text, SMALL, right - 6.0), ink);
                }
                y += pitch;
            }
        }
    }
}
