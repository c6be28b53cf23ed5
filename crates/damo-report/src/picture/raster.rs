//! Pictures as PNG.
//!
//! Everything is drawn at twice the size and averaged down, which smooths lines and letters alike; pixels of images are
//! drawn as squares of four and come out unchanged.

use super::PictureError;
use super::plot::FineBackend;
use plotters::backend::BitMapBackend;
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};

/// Pixels drawn per pixel of the picture, in each direction.
const SCALE: usize = 2;
/// Bytes of a pixel.
const RGB: usize = 3;

/// plotters' bitmap backend at a multiple of the size.
pub(super) struct Supersampled {
    /// In pixels of the picture.
    width: usize,
    height: usize,
    buffer: Vec<u8>,
}

type BitMapError = <BitMapBackend<'static> as DrawingBackend>::ErrorType;
type Drawn = Result<(), DrawingErrorKind<BitMapError>>;

impl Supersampled {
    /// An empty picture.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, buffer: vec![0; width * height * SCALE * SCALE * RGB] }
    }

    fn bitmap(&mut self) -> Result<BitMapBackend<'_>, DrawingErrorKind<BitMapError>> {
        let size = self.get_size();
        BitMapBackend::with_buffer_and_format(&mut self.buffer, size).map_err(DrawingErrorKind::DrawingError)
    }

    /// The picture's pixels, three bytes each.
    fn pixels(&self) -> Vec<u8> {
        let stride = self.width * SCALE * RGB;
        let mut pixels = Vec::with_capacity(self.width * self.height * RGB);
        for rows in self.buffer.chunks_exact(stride * SCALE) {
            let (upper, lower) = rows.split_at(stride);
            for (a, b) in upper.chunks_exact(RGB * SCALE).zip(lower.chunks_exact(RGB * SCALE)) {
                if let ([r0, g0, b0, r1, g1, b1], [r2, g2, b2, r3, g3, b3]) = (a, b) {
                    let mean = |values: [u8; 4]| ((values.iter().map(|v| u32::from(*v)).sum::<u32>() + 2) / 4) as u8;
                    pixels.extend([mean([*r0, *r1, *r2, *r3]), mean([*g0, *g1, *g2, *g3]), mean([*b0, *b1, *b2, *b3])]);
                }
            }
        }
        pixels
    }

    /// The file; `texts` are keywords and what they say.
    ///
    /// # Errors
    /// When the image cannot be packed.
    pub(super) fn file(&self, texts: &[(&str, String)]) -> Result<Vec<u8>, PictureError> {
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
        writer.write_image_data(&self.pixels())?;
        writer.finish()?;
        Ok(bytes)
    }
}

impl FineBackend for Supersampled {
    const UNITS: i32 = SCALE as i32;
}

impl DrawingBackend for Supersampled {
    type ErrorType = BitMapError;

    fn get_size(&self) -> (u32, u32) {
        ((self.width * SCALE) as u32, (self.height * SCALE) as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn {
        self.bitmap()?.draw_pixel(at, color)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        self.bitmap()?.draw_rect(from, to, style, fill)
    }

    /// One piece at a time, because joints of nearly opposite pieces would stick out otherwise.
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let mut bitmap = self.bitmap()?;
        let half = style.stroke_width() as i32 / 2;
        let mut last = None;
        for to in path {
            let Some(from) = last.replace(to) else { continue };
            if from.0 == to.0 || from.1 == to.1 {
                let (low, high) = ((from.0.min(to.0), from.1.min(to.1)), (from.0.max(to.0), from.1.max(to.1)));
                // plotters fills a rectangle up to its lower right corner, without it.
                let (upper, lower) = ((low.0 - half, low.1 - half), (high.0 + half, high.1 + half));
                bitmap.draw_rect(upper, lower, style, true)?;
            } else {
                bitmap.draw_path([from, to], style)?;
            }
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        self.bitmap()?.fill_polygon(path, style)
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        self.bitmap()?.draw_text(text, style, at)
    }

    fn blit_bitmap(&mut self, (x, y): BackendCoord, (width, _): (u32, u32), rgb: &[u8]) -> Drawn {
        let stride = self.width * SCALE * RGB;
        let (x, y) = (x.max(0) as usize, y.max(0) as usize);
        for (row, pixels) in rgb.chunks_exact(width.max(1) as usize * RGB).enumerate() {
            let line: Vec<u8> = pixels.chunks_exact(RGB).flat_map(|pixel| pixel.repeat(SCALE)).collect();
            for copy in 0..SCALE {
                let begin = (y + row * SCALE + copy) * stride + x * RGB;
                if let Some(target) = self.buffer.get_mut(begin..begin + line.len()) {
                    target.copy_from_slice(&line);
                }
            }
        }
        Ok(())
    }
}
