//! Pictures below one another on one page, each with a headline of its own: of several records, or of several targets.

use super::canvas::{Font, Indexed, PALETTE, Point, Rect};
use super::{Canvas, Picture, SIZES, Style, page, top};
use crate::colormap::Rgb;

/// A picture is at least so high where several stand below one another, in pixels.
const LEAST: usize = 340;

/// Pictures from top to bottom, with their headlines.
pub(crate) struct Stack<'a> {
    /// Headline of all.
    pub title: String,
    /// Each with its headline.
    pub pictures: Vec<(String, Box<dyn Picture + 'a>)>,
}

/// The same style with room for so many pictures below one another: `height` is raised if they would get too low.
#[must_use]
pub fn with_room(style: &Style, pictures: usize) -> Style {
    if pictures < 2 {
        return style.clone();
    }
    let wanted = top(style) as usize + pictures * LEAST;
    Style { height: style.height.max(wanted.min(*SIZES.end())), ..style.clone() }
}

/// The style of one of so many pictures below one another on a page of this style.
#[must_use]
pub fn part(style: &Style, pictures: usize) -> Style {
    if pictures < 2 {
        return style.clone();
    }
    let height = ((style.height as f64 - top(style)) / pictures as f64).floor().max(1.0) as usize;
    Style { height, title: None, subtitle: None, ..style.clone() }
}

impl Picture for Stack<'_> {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, from: f64) {
        let part = part(style, self.pictures.len());
        let pictures = self.pictures.iter().map(|(title, picture)| (title.as_str(), picture.as_ref()));
        draw_strips(canvas, &part, from, pictures);
    }

    fn parts(&self) -> usize {
        self.pictures.iter().map(|(_, picture)| picture.parts()).sum()
    }
}

/// Draws pictures of the style `part` below one another, with their headlines.
pub(crate) fn draw_strips<'a>(
    canvas: &mut dyn Canvas,
    part: &Style,
    from: f64,
    pictures: impl Iterator<Item = (&'a str, &'a (dyn Picture + 'a))>,
) {
    // Images stand at whole pixels.
    let mut y = from.floor();
    for (title, picture) in pictures {
        let mut strip = Strip { canvas: &mut *canvas, y, height: part.height as f64 };
        page(&mut strip, picture, part, title);
        y += part.height as f64;
    }
}

/// A part of a canvas, from `y` downwards.
struct Strip<'a> {
    canvas: &'a mut dyn Canvas,
    y: f64,
    height: f64,
}

impl Strip<'_> {
    fn moved(&self, points: &[Point]) -> Vec<Point> {
        points.iter().map(|(x, y)| (*x, y + self.y)).collect()
    }
}

impl Canvas for Strip<'_> {
    fn size(&self) -> Point {
        (self.canvas.size().0, self.height)
    }

    fn rect(&mut self, rect: Rect, color: Rgb, opacity: f64) {
        self.canvas.rect(Rect { y: rect.y + self.y, ..rect }, color, opacity);
    }

    fn line(&mut self, points: &[Point], color: Rgb, width: f64) {
        let points = self.moved(points);
        self.canvas.line(&points, color, width);
    }

    fn area(&mut self, points: &[Point], color: Rgb, opacity: f64) {
        let points = self.moved(points);
        self.canvas.area(&points, color, opacity);
    }

    fn text(&mut self, (x, y): Point, text: &str, font: Font) {
        self.canvas.text((x, y + self.y), text, font);
    }

    fn image(&mut self, (x, y): Point, image: &Indexed, palette: &[Rgb; PALETTE]) {
        self.canvas.image((x, y + self.y), image, palette);
    }
}
