//! What pictures are drawn on: few primitives, so that a picture looks the same as PNG and as SVG.

use crate::colormap::Rgb;
use damo_model::human::Show;

/// Size of the heat map palette: `NO_DATA`, `HATCH`, colours of overlays, and colours from cold to hot.
pub const PALETTE: usize = 256;
/// Palette index of cells without data.
pub(crate) const NO_DATA: u8 = 0;
/// Palette index of the lines over times with incomplete data.
pub(crate) const HATCH: u8 = 1;
/// Palette index of the first overlay's colour; there are [`OVERLAYS`] of them.
pub(crate) const OVERLAY: u8 = 2;
/// How many overlays can be told apart.
pub(crate) const OVERLAYS: u8 = 6;
/// Palette index of the coldest colour; the hottest is 255.
pub(crate) const COLDEST: u8 = OVERLAY + OVERLAYS;

/// A point in pixels, from the upper left corner.
pub type Point = (f64, f64);

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// The left edge, in pixels.
    pub x: f64,
    /// The upper edge, in pixels from the top.
    pub y: f64,
    /// The width in pixels.
    pub w: f64,
    /// The height in pixels.
    pub h: f64,
}

impl Rect {
    /// Where it ends at the right.
    pub fn right(&self) -> f64 {
        self.x + self.w
    }

    /// Where it ends at the bottom.
    pub fn bottom(&self) -> f64 {
        self.y + self.h
    }
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The text begins there.
    Left,
    /// Is centred there.
    Center,
    /// The text ends there.
    Right,
}

/// How a text is set. Its point is on the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Font {
    /// Size in pixels, from the top of the tallest to the bottom of the lowest letter.
    pub size: f64,
    /// The colour of the text.
    pub color: Rgb,
    /// Where it stands.
    pub align: Align,
}

/// An image in palette colours, upper row first.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// Pixels in a row.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Indices into the palette, row after row.
    pub pixels: Vec<u8>,
}

/// What pictures are drawn on.
pub trait Canvas {
    /// Width and height in pixels.
    fn size(&self) -> Point;
    /// A filled rectangle; `opacity` 0..=1.
    fn rect(&mut self, rect: Rect, color: Rgb, opacity: f64);
    /// A line through points.
    fn line(&mut self, points: &[Point], color: Rgb, width: f64);
    /// A filled shape.
    fn area(&mut self, points: &[Point], color: Rgb, opacity: f64);
    /// A text on one line.
    fn text(&mut self, at: Point, text: &str, font: Font);
    /// An image, a pixel per pixel, its upper left corner at whole pixels.
    fn image(&mut self, at: Point, image: &Indexed, palette: &[Rgb; PALETTE]);
}

/// The frame of a rectangle.
pub fn frame(canvas: &mut dyn Canvas, rect: Rect, color: Rgb) {
    let (x, y, right, bottom) = (rect.x, rect.y, rect.right(), rect.bottom());
    canvas.line(&[(x, y), (right, y), (right, bottom), (x, bottom), (x, y)], color, 1.0);
}

/// Width of a text in pixels, in the font of all pictures.
pub fn text_width(text: &str, size: f64) -> f64 {
    super::font::width(text, size)
}

/// The text as it may be shown, cut to a width with an ellipsis if it is too long.
pub fn fit(text: &str, size: f64, width: f64) -> String {
    let text = text.shown().to_string();
    if super::font::width(&text, size) <= width {
        return text;
    }
    let mut cut: Vec<char> = text.chars().collect();
    while cut.pop().is_some() {
        let shorter: String = cut.iter().collect::<String>() + "…";
        if super::font::width(&shorter, size) <= width {
            return shorter;
        }
    }
    String::new()
}
