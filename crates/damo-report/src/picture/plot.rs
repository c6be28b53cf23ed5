//! The drawing code of all pictures: a [`Canvas`] on any backend of plotters.

use super::canvas::{Align, Canvas, Font, Indexed, PALETTE, Point, Rect};
use super::{PictureError, font};
use crate::colormap::Rgb;
use damo_model::human::Show;
use plotters::style::{Color, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{DrawingBackend, DrawingErrorKind};

/// A backend whose coordinates, which are whole numbers, are fractions of a pixel of the picture.
pub(super) trait FineBackend: DrawingBackend {
    /// Units of its coordinates in a pixel.
    const UNITS: i32;
}

/// A picture in the making on a backend.
pub(super) struct Plot<B> {
    backend: B,
    /// The first error, because shapes are drawn without asking for the result of each.
    failed: Option<String>,
}

impl<B: FineBackend> Plot<B> {
    /// A picture on an empty backend, filled with a background.
    pub(super) fn new(backend: B, background: Rgb) -> Self {
        let mut plot = Self { backend, failed: None };
        let (w, h) = plot.size();
        plot.rect(Rect { x: 0.0, y: 0.0, w, h }, background, 1.0);
        plot
    }

    /// The backend with everything on it.
    ///
    /// # Errors
    /// If something could not be drawn.
    pub(super) fn finish(mut self) -> Result<B, PictureError> {
        let presented = self.backend.present();
        self.note(presented);
        self.failed.map_or(Ok(self.backend), |error| Err(PictureError::Draw(error)))
    }

    fn note(&mut self, drawn: Result<(), DrawingErrorKind<B::ErrorType>>) {
        if let Err(error) = drawn {
            self.failed.get_or_insert(error.to_string());
        }
    }

    fn scaled(at: Point) -> (i32, i32) {
        let units = f64::from(B::UNITS);
        ((at.0 * units).round() as i32, (at.1 * units).round() as i32)
    }
}

fn rgb(color: Rgb) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

impl<B: FineBackend> Canvas for Plot<B> {
    fn size(&self) -> Point {
        let (width, height) = self.backend.get_size();
        let units = f64::from(B::UNITS);
        (f64::from(width) / units, f64::from(height) / units)
    }

    fn rect(&mut self, rect: Rect, color: Rgb, opacity: f64) {
        let (from, to) = (Self::scaled((rect.x, rect.y)), Self::scaled((rect.right(), rect.bottom())));
        if from.0 < to.0 && from.1 < to.1 {
            let drawn = self.backend.draw_rect(from, to, &rgb(color).mix(opacity), true);
            self.note(drawn);
        }
    }

    fn line(&mut self, points: &[Point], color: Rgb, width: f64) {
        let stroke_width = (width * f64::from(B::UNITS)).round().max(1.0) as u32;
        let style = ShapeStyle { color: rgb(color).to_rgba(), filled: false, stroke_width };
        // A one-pixel line along the axes covers whole pixels only half a pixel off the grid.
        let straight = width <= 1.0 && points.windows(2).all(|pair| pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1);
        let middle = |(x, y): Point| if straight { (x.floor() + 0.5, y.floor() + 0.5) } else { (x, y) };
        let drawn = self.backend.draw_path(points.iter().map(|point| Self::scaled(middle(*point))), &style);
        self.note(drawn);
    }

    fn area(&mut self, points: &[Point], color: Rgb, opacity: f64) {
        let points = points.iter().map(|point| Self::scaled(*point));
        let drawn = self.backend.fill_polygon(points, &rgb(color).mix(opacity));
        self.note(drawn);
    }

    fn text(&mut self, at: Point, text: &str, font: Font) {
        let anchor = match font.align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let color = rgb(font.color);
        let style =
            TextStyle::from(font::font(font.size * f64::from(B::UNITS))).color(&color).pos(Pos::new(anchor, VPos::Top));
        // plotters has the baseline half a font size below the point.
        let at = Self::scaled((at.0, at.1 - font.size / 2.0));
        let drawn = self.backend.draw_text(&text.shown().to_string(), &style, at);
        self.note(drawn);
    }

    fn image(&mut self, at: Point, image: &Indexed, palette: &[Rgb; PALETTE]) {
        let colors = image.pixels.iter().map(|index| palette[usize::from(*index)]);
        let bytes: Vec<u8> = colors.flat_map(|Rgb(r, g, b)| [r, g, b]).collect();
        let size = (image.width as u32, image.height as u32);
        let drawn = self.backend.blit_bitmap(Self::scaled(at), size, &bytes);
        self.note(drawn);
    }
}
