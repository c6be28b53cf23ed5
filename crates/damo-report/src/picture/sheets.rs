//! Maps beside one another that have their rows and columns in common, each with colours of its own, above a chart of the same
//! columns: two runs, and what differs between them.

use super::canvas::{Align, Font, Indexed, PALETTE, Rect, fit, frame, text_width};
use super::{BELOW, Canvas, Chart, MARGIN, Picture, SMALL, Style, TEXT_SIZE, Theme, axis};
use crate::colormap::{Rgb, diverging};

/// Palette index of cells of which nothing is known, and of the first colour.
const UNKNOWN: u8 = 0;
const FIRST: u8 = 1;
/// Room for the names of the rows, between two maps, and between two groups of rows, in pixels.
const NAMES: f64 = 150.0;
const BETWEEN: f64 = 46.0;
const GROUP_GAP: usize = 3;
/// Height of a legend's colours, and of all of it with its labels.
const BAR: f64 = 10.0;
const LEGEND: f64 = 44.0;
/// The share of the height that the chart takes.
const CHART_SHARE: f64 = 0.32;
/// A group of rows has its name beside it if it is at least so high.
const LEAST_NAMED: usize = 11;

/// What the colours of a sheet stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetColors {
    /// From nothing (0) to most (1).
    Heat,
    /// From less (-1) over no difference (0) to more (1): blue and orange, which nearly all eyes tell apart.
    Difference,
}

/// A map.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// What it is of.
    pub name: String,
    /// What the colours stand for.
    pub colors: SheetColors,
    /// The cells of the uppermost row first; what is not a number is not known.
    pub cells: Vec<f64>,
    /// What stands below the legend at its beginning, middle and end.
    pub legend: [String; 3],
}

/// Maps with common rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheets {
    /// The headline.
    pub title: String,
    /// Names of groups of rows with how many rows they have, from top to bottom.
    pub groups: Vec<(String, usize)>,
    /// Cells in a row, which stand for 0 to 100 percent of what the chart's axis counts.
    pub columns: usize,
    /// The maps, from left to right.
    pub sheets: Vec<Sheet>,
    /// What is below them.
    pub chart: Chart,
}

impl SheetColors {
    fn palette(self, style: &Style) -> [Rgb; PALETTE] {
        let mut palette = [style.theme.empty(); PALETTE];
        for (i, color) in palette.iter_mut().enumerate().skip(usize::from(FIRST)) {
            let part = (i - usize::from(FIRST)) as f64 / f64::from(u8::MAX - FIRST);
            *color = match self {
                SheetColors::Heat => style.theme.heat(style.map, part),
                SheetColors::Difference => diverging(style.theme == Theme::Dark, part * 2.0 - 1.0),
            };
        }
        palette
    }

    fn index(self, value: f64) -> u8 {
        let part = match self {
            SheetColors::Heat => value,
            SheetColors::Difference => (value + 1.0) / 2.0,
        };
        if value.is_nan() {
            return UNKNOWN;
        }
        FIRST + (part.clamp(0.0, 1.0) * f64::from(u8::MAX - FIRST)).round() as u8
    }
}

/// Where a group of rows lies on the page: from its first pixel, so many pixels.
struct Place {
    from: usize,
    height: usize,
}

impl Sheets {
    /// Divides the height among the groups.
    fn places(&self, height: usize) -> Vec<Place> {
        let rows: usize = self.groups.iter().map(|(_, rows)| rows).sum();
        let gaps = self.groups.len().saturating_sub(1) * GROUP_GAP;
        let room = height.saturating_sub(gaps);
        let mut before = 0;
        let place = |(i, (_, rows_of)): (usize, &(String, usize))| {
            let from = before * room / rows.max(1);
            before += rows_of;
            let to = before * room / rows.max(1);
            Place { from: from + i * GROUP_GAP, height: (to - from).max(1) }
        };
        self.groups.iter().enumerate().map(place).collect()
    }

    fn draw_names(&self, canvas: &mut dyn Canvas, style: &Style, (top, height): (f64, usize)) {
        let font = Font { size: SMALL, color: style.theme.ink(), align: Align::Right };
        for (place, (name, _)) in self.places(height).iter().zip(&self.groups) {
            if place.height >= LEAST_NAMED {
                let y = top + place.from as f64 + place.height as f64 / 2.0 + SMALL * 0.34;
                canvas.text((MARGIN + NAMES - 8.0, y), &fit(name, SMALL, NAMES - 8.0), font);
            }
        }
    }

    fn draw_sheet(&self, canvas: &mut dyn Canvas, style: &Style, sheet: &Sheet, place: Rect) {
        let ink = Font { size: TEXT_SIZE, color: style.theme.ink(), align: Align::Left };
        canvas.text((place.x, place.y - 8.0), &fit(&sheet.name, TEXT_SIZE, place.w), ink);
        let (width, height) = (place.w as usize, place.h as usize);
        let palette = sheet.colors.palette(style);
        let mut first = 0;
        for (strip, (_, rows)) in self.places(height).iter().zip(&self.groups) {
            let row_of = |y: usize| first + y * rows / strip.height;
            let cell = |x: usize, y: usize| {
                let at = row_of(y) * self.columns + x * self.columns / width;
                sheet.colors.index(sheet.cells.get(at).copied().unwrap_or(f64::NAN))
            };
            let pixels = (0..strip.height).flat_map(|y| (0..width).map(move |x| cell(x, y))).collect();
            let y = place.y + strip.from as f64;
            canvas.image((place.x, y), &Indexed { width, height: strip.height, pixels }, &palette);
            frame(canvas, Rect { y, h: strip.height as f64, ..place }, style.theme.grid());
            first += rows;
        }
        let labels = [0.0, 50.0, 100.0].map(|percent| (place.x + place.w * percent / 100.0, format!("{percent} %")));
        let below = ("", place.x, place.bottom());
        axis::draw_below(canvas, style, labels.to_vec(), below, |canvas, at| {
            canvas.line(&[(at, place.bottom()), (at, place.bottom() + 4.0)], style.theme.muted(), 1.0);
        });
        self.draw_legend(canvas, style, sheet, Rect { y: place.bottom() + 32.0, h: BAR, ..place });
    }

    fn draw_legend(&self, canvas: &mut dyn Canvas, style: &Style, sheet: &Sheet, bar: Rect) {
        let (width, height) = (bar.w as usize, bar.h as usize);
        let colors = usize::from(u8::MAX - FIRST);
        let row = (0..width).map(|x| FIRST + (x * colors / width.max(2).saturating_sub(1)).min(colors) as u8);
        let pixels: Vec<u8> = (0..height).flat_map(|_| row.clone()).collect();
        canvas.image((bar.x, bar.y), &Indexed { width, height, pixels }, &sheet.colors.palette(style));
        frame(canvas, bar, style.theme.muted());
        let font = Font { size: SMALL, color: style.theme.muted(), align: Align::Left };
        let y = bar.bottom() + SMALL + 2.0;
        let [low, middle, high] = &sheet.legend;
        canvas.text((bar.x, y), low, font);
        canvas.text((bar.x + bar.w / 2.0 - text_width(middle, SMALL) / 2.0, y), middle, font);
        canvas.text((bar.right() - text_width(high, SMALL), y), high, font);
    }
}

impl Picture for Sheets {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, top: f64) {
        let (width, bottom) = canvas.size();
        let top = top.round();
        let rows: usize = self.groups.iter().map(|(_, rows)| rows).sum();
        if rows == 0 || self.sheets.is_empty() {
            self.chart.draw(canvas, style, top);
            return;
        }
        let chart = ((bottom - top) * CHART_SHARE).round();
        let maps = (bottom - top - chart - LEGEND - 32.0 - 26.0).max(32.0) as usize;
        let count = self.sheets.len() as f64;
        let each = ((width - 2.0 * MARGIN - NAMES - BETWEEN * (count - 1.0)) / count).max(16.0).floor();
        let y = top + 22.0;
        self.draw_names(canvas, style, (y, maps));
        for (i, sheet) in self.sheets.iter().enumerate() {
            let x = (MARGIN + NAMES + (each + BETWEEN) * i as f64).floor();
            self.draw_sheet(canvas, style, sheet, Rect { x, y, w: each, h: maps as f64 });
        }
        let from = bottom - chart + 26.0;
        let place = Rect {
            x: MARGIN + NAMES,
            y: from,
            w: (width - 2.0 * MARGIN - NAMES).max(16.0),
            h: (bottom - from - BELOW).max(16.0),
        };
        self.chart.draw_in(canvas, style, place);
    }
}
