//! Pictures as PNG.
//!
//! Everything is drawn at twice the size and averaged down, which smooths lines and letters alike; heat map pixels are
//! drawn as squares of four and come out unchanged.

use super::canvas::{Align, Canvas, Font, Indexed, PALETTE, Point, Rect};
use super::{PictureError, font};
use crate::colormap::Rgb;
use damo_model::human::Show;
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, RGBColor, ShapeStyle, TextStyle};

/// Pixels drawn per pixel of the picture, in each direction.
const SCALE: usize = 2;

/// A PNG in the making.
pub struct Raster {
    width: usize,
    height: usize,
    buffer: Vec<u8>,
    /// The first thing that could not be drawn.
    failed: Option<String>,
}

impl Raster {
    /// An empty picture.
    pub fn new(width: usize, height: usize, background: Rgb) -> Self {
        let pixel = [background.0, background.1, background.2];
        let buffer = pixel.repeat(width * height * SCALE * SCALE);
        Self { width, height, buffer, failed: None }
    }

    fn draw<E: std::fmt::Display>(&mut self, draw: impl FnOnce(&mut BitMapBackend<'_>) -> Result<(), E>) {
        let size = ((self.width * SCALE) as u32, (self.height * SCALE) as u32);
        match BitMapBackend::with_buffer_and_format(&mut self.buffer, size) {
            Ok(mut backend) => {
                if let Err(error) = draw(&mut backend) {
                    self.failed.get_or_insert(error.to_string());
                }
            }
            Err(error) => {
                self.failed.get_or_insert(error.to_string());
            }
        }
    }

    /// The picture's pixels, three bytes each.
    fn pixels(&self) -> Vec<u8> {
        let stride = self.width * SCALE * 3;
        let mut pixels = Vec::with_capacity(self.width * self.height * 3);
        for rows in self.buffer.chunks_exact(stride * SCALE) {
            let (upper, lower) = rows.split_at(stride);
            for (a, b) in upper.chunks_exact(3 * SCALE).zip(lower.chunks_exact(3 * SCALE)) {
                if let ([r0, g0, b0, r1, g1, b1], [r2, g2, b2, r3, g3, b3]) = (a, b) {
                    let mean = |values: [u8; 4]| ((values.iter().map(|v| u32::from(*v)).sum::<u32>() + 2) / 4) as u8;
                    pixels.extend([mean([*r0, *r1, *r2, *r3]), mean([*g0, *g1, *g2, *g3]), mean([*b0, *b1, *b2, *b3])]);
                }
            }
        }
        pixels
    }

    /// The finished file; `texts` are keywords and what they say.
    ///
    /// # Errors
    /// When something could not be drawn or packed.
    pub fn finish(self, texts: &[(&str, String)]) -> Result<Vec<u8>, PictureError> {
        if let Some(what) = self.failed {
            return Err(PictureError::Draw(what));
        }
        let pixels = self.pixels();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // Rows mostly repeat the row above.
        encoder.set_filter(png::FilterType::Up);
        encoder.set_compression(png::Compression::Fast);
        for (keyword, text) in texts {
            encoder.add_itxt_chunk((*keyword).to_owned(), text.clone())?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(bytes)
    }
}

fn rgb(color: Rgb) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

fn scaled(at: Point) -> (i32, i32) {
    let scale = SCALE as f64;
    ((at.0 * scale).round() as i32, (at.1 * scale).round() as i32)
}

fn scaled_all(points: &[Point]) -> Vec<(i32, i32)> {
    points.iter().map(|point| scaled(*point)).collect()
}

impl Canvas for Raster {
    fn size(&self) -> Point {
        (self.width as f64, self.height as f64)
    }

    fn rect(&mut self, rect: Rect, color: Rgb, opacity: f64) {
        let (from, to) = (scaled((rect.x, rect.y)), scaled((rect.right(), rect.bottom())));
        if from.0 >= to.0 || from.1 >= to.1 {
            return;
        }
        // The backend's corners are both inside.
        let (from, to) = (from, (to.0 - 1, to.1 - 1));
        self.draw(|backend| backend.draw_rect(from, to, &rgb(color).mix(opacity), true));
    }

    fn line(&mut self, points: &[Point], color: Rgb, width: f64) {
        let style = ShapeStyle {
            color: rgb(color).to_rgba(),
            filled: false,
            stroke_width: (width * SCALE as f64).round().max(1.0) as u32,
        };
        // One piece at a time: joints of nearly opposite pieces would stick out otherwise.
        for (from, to) in points.iter().zip(points.iter().skip(1)) {
            let (from, to) = (scaled(*from), scaled(*to));
            if from.0 == to.0 || from.1 == to.1 {
                let half = style.stroke_width as i32 / 2;
                let (low, high) = ((from.0.min(to.0), from.1.min(to.1)), (from.0.max(to.0), from.1.max(to.1)));
                let upper = (low.0 - half, low.1 - half);
                let lower = (high.0 + half - 1, high.1 + half - 1);
                let lower = (lower.0.max(upper.0), lower.1.max(upper.1));
                self.draw(|backend| backend.draw_rect(upper, lower, &style.color, true));
            } else {
                self.draw(|backend| backend.draw_path([from, to], &style));
            }
        }
    }

    fn area(&mut self, points: &[Point], color: Rgb, opacity: f64) {
        let points = scaled_all(points);
        self.draw(|backend| backend.fill_polygon(points, &rgb(color).mix(opacity)));
    }

    fn text(&mut self, at: Point, text: &str, style: Font) {
        let text = &*text.shown().to_string();
        let width = font::width(text, style.size);
        let x = match style.align {
            Align::Left => at.0,
            Align::Center => at.0 - width / 2.0,
            Align::Right => at.0 - width,
        };
        // The backend puts the baseline half a font size below the point.
        let at = scaled((x, at.1 - style.size / 2.0));
        let color = rgb(style.color);
        let text_style = TextStyle::from(font::font(style.size * SCALE as f64)).color(&color);
        self.draw(|backend| backend.draw_text(text, &text_style, at));
    }

    fn image(&mut self, at: Point, image: &Indexed, palette: &[Rgb; PALETTE]) {
        let (x, y) = scaled(at);
        let stride = self.width * SCALE * 3;
        for (row, pixels) in image.pixels.chunks_exact(image.width.max(1)).enumerate() {
            let mut line = Vec::with_capacity(pixels.len() * 3 * SCALE);
            for index in pixels {
                let Rgb(r, g, b) = palette.get(usize::from(*index)).copied().unwrap_or(Rgb(0, 0, 0));
                (0..SCALE).for_each(|_| line.extend([r, g, b]));
            }
            for copy in 0..SCALE {
                let begin = (y.max(0) as usize + row * SCALE + copy) * stride + x.max(0) as usize * 3;
                if let Some(target) = self.buffer.get_mut(begin..begin + line.len()) {
                    target.copy_from_slice(&line);
                }
            }
        }
    }
}
