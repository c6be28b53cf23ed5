//! Pictures as SVG: text that stays text, lines that stay sharp, and heat maps as embedded images, because a rectangle per
//! cell would make files of many megabytes.

use super::font;
use super::plot::FineBackend;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use damo_model::human::Show;
use plotters::backend::SVGBackend;
use plotters::style::{Color, RGBColor, TextStyle};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use std::io;

/// The bundled font's height from the top of the tallest to the bottom of the lowest letter, in em.
const LINE_PER_EM: f64 = 1.164;
/// By what plotters divides a font size for the attribute `font-size`, which is in em.
const PLOTTERS_LINE_PER_EM: f64 = 1.24;
/// How far below a text's point plotters puts the baseline in SVG, in em.
const PLOTTERS_BASELINE: f64 = 0.76;

/// plotters' SVG backend, with images and metadata.
pub(super) struct Svg {
    /// Its size, in the backend's units.
    size: (u32, u32),
    file: String,
}

type Drawn = Result<(), DrawingErrorKind<io::Error>>;

impl Svg {
    /// An empty picture; `texts` are keywords and what they say.
    pub(super) fn new(width: usize, height: usize, title: &str, texts: &[(&str, String)]) -> Self {
        let units = Self::UNITS as usize;
        let (w, h) = (width * units, height * units);
        let mut file = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {w} {h}\" \
             stroke-linejoin=\"round\">\n<title>{}</title>\n<metadata>\n",
            escaped(title)
        );
        for (keyword, text) in texts {
            file += &format!("{}: {}\n", escaped(keyword), escaped(text));
        }
        file += "</metadata>\n";
        Self { size: (w as u32, h as u32), file }
    }

    /// The finished file.
    pub(super) fn file(self) -> Vec<u8> {
        (self.file + "</svg>\n").into_bytes()
    }

    /// Adds an element that plotters' backend writes. Of the whole file that it makes, only what is within is kept:
    /// images can thus stand among its elements, which it cannot write itself as they should be.
    fn element(&mut self, draw: impl FnOnce(&mut SVGBackend<'_>) -> Drawn) -> Drawn {
        let mut whole = String::new();
        let mut backend = SVGBackend::with_string(&mut whole, self.size);
        draw(&mut backend)?;
        backend.present()?;
        drop(backend);
        let within = whole.split_once(">\n").and_then(|(_, within)| within.strip_suffix("</svg>\n"));
        self.file += within.unwrap_or(&whole);
        Ok(())
    }
}

/// Text that cannot be taken for markup.
fn escaped(text: &str) -> String {
    let entities = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&apos;")];
    entities.into_iter().fold(in_xml(text), |text, (sign, entity)| text.replace(sign, entity))
}

/// Characters that have no place in XML are shown as escapes or, where they are no characters at all, left out.
fn in_xml(text: &str) -> String {
    text.shown().to_string().replace(['\u{fffe}', '\u{ffff}'], "")
}

impl FineBackend for Svg {
    /// Positions are written to a tenth of a pixel.
    const UNITS: i32 = 10;
}

impl DrawingBackend for Svg {
    type ErrorType = io::Error;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn {
        self.element(|backend| backend.draw_pixel(at, color))
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        self.element(|backend| backend.draw_rect(from, to, style, fill))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        self.element(|backend| backend.draw_path(path, style))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        self.element(|backend| backend.fill_polygon(path, style))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let em = style.size() / LINE_PER_EM;
        let y = y + (style.size() / 2.0 - em * PLOTTERS_BASELINE).round() as i32;
        let BackendColor { rgb: (r, g, b), alpha } = style.color();
        let color = RGBColor(r, g, b).mix(alpha);
        let font = font::font(em.round() * PLOTTERS_LINE_PER_EM);
        let style = TextStyle::from(font).color(&color).pos(style.anchor());
        self.element(|backend| backend.draw_text(&in_xml(text), &style, (x, y)))
    }

    fn blit_bitmap(&mut self, (x, y): BackendCoord, (width, height): (u32, u32), rgb: &[u8]) -> Drawn {
        let png =
            packed(width, height, rgb).map_err(|error| DrawingErrorKind::DrawingError(io::Error::other(error)))?;
        let (w, h) = (width * Self::UNITS as u32, height * Self::UNITS as u32);
        self.file += &format!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>\n",
            STANDARD.encode(png)
        );
        Ok(())
    }
}

/// A PNG file, with a palette if there are few enough colours, which makes it half as large.
fn packed(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut palette: Vec<&[u8]> = rgb.chunks_exact(3).collect();
    palette.sort_unstable();
    palette.dedup();
    let index = |color| palette.binary_search(&color).unwrap_or_default() as u8;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_color(png::ColorType::Rgb);
    if palette.len() <= 256 {
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(palette.concat());
        let indices: Vec<u8> = rgb.chunks_exact(3).map(index).collect();
        encoder.write_header()?.write_image_data(&indices)?;
    } else {
        encoder.write_header()?.write_image_data(rgb)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colormap::Rgb;
    use crate::picture::canvas::{Align, Canvas, Font};
    use crate::picture::plot::Plot;

    #[test]
    fn names_from_records_cannot_break_the_markup() {
        let svg = Svg::new(10, 10, "a<b", &[("Comment", "x --> \"y\"".into())]);
        let mut plot = Plot::new(svg, Rgb(0, 0, 0));
        let font = Font { size: 12.0, color: Rgb(1, 2, 3), align: Align::Left };
        plot.text((0.0, 0.0), "</text><script>\u{1b}\u{fffe}&", font);
        let text = String::from_utf8(plot.finish().unwrap().file()).unwrap();
        assert!(!text.contains("<script>") && !text.contains('\u{1b}') && !text.contains('\u{fffe}'));
        assert!(text.contains("&lt;/text&gt;&lt;script&gt;\\x1b&amp;") && text.contains("a&lt;b"));
        assert_eq!((text.matches("<svg").count(), text.matches("</svg>").count()), (1, 1));
    }
}
