//! Pictures as SVG: text that stays text, lines that stay sharp, and heat maps as embedded images, because a rectangle per
//! cell would make files of many megabytes.

use super::canvas::{Align, Canvas, Font, Indexed, PALETTE, Point, Rect};
use super::{PictureError, font};
use crate::colormap::Rgb;
use damo_model::human::Show;
use std::fmt::Write;

/// The bundled font's height from the top of the tallest to the bottom of the lowest letter, in em.
const LINE_PER_EM: f64 = 1.164;

/// An SVG in the making.
pub struct Svg {
    width: usize,
    height: usize,
    body: String,
    failed: Option<PictureError>,
}

impl Svg {
    /// An empty picture.
    pub fn new(width: usize, height: usize, background: Rgb) -> Self {
        let mut svg = Self { width, height, body: String::new(), failed: None };
        svg.rect(Rect { x: 0.0, y: 0.0, w: width as f64, h: height as f64 }, background, 1.0);
        svg
    }

    /// The finished file; `texts` are keywords and what they say.
    ///
    /// # Errors
    /// When an image could not be packed.
    pub fn finish(self, title: &str, texts: &[(&str, String)]) -> Result<Vec<u8>, PictureError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (w, h) = (self.width, self.height);
        let mut all = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             font-family=\"{}, Verdana, sans-serif\">\n<title>{}</title>\n<metadata>\n",
            font::FAMILY,
            escaped(title)
        );
        for (keyword, text) in texts {
            all += &format!("{}: {}\n", escaped(keyword), escaped(text));
        }
        all += "</metadata>\n";
        all += &self.body;
        all += "</svg>\n";
        Ok(all.into_bytes())
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        if self.body.write_fmt(text).is_err() {
            self.failed.get_or_insert(PictureError::Draw("out of memory".to_owned()));
        }
        self.body.push('\n');
    }

    fn points(points: &[Point]) -> String {
        let each = points.iter().map(|(x, y)| format!("{},{}", short(*x), short(*y)));
        each.collect::<Vec<_>>().join(" ")
    }
}

/// A number with one decimal at most.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text that cannot be taken for markup. Characters that have no place in XML are shown as escapes or, where they are
/// no characters at all, left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.shown().to_string().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

fn opacity(value: f64) -> String {
    if value >= 1.0 { String::new() } else { format!(" fill-opacity=\"{value:.2}\"") }
}

impl Canvas for Svg {
    fn size(&self) -> Point {
        (self.width as f64, self.height as f64)
    }

    fn rect(&mut self, rect: Rect, color: Rgb, alpha: f64) {
        let [x, y, w, h] = [rect.x, rect.y, rect.w, rect.h].map(short);
        self.put(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{}\"{}/>",
            color.css(),
            opacity(alpha)
        ));
    }

    fn line(&mut self, points: &[Point], color: Rgb, width: f64) {
        let half = |value: f64| value.floor() + 0.5;
        // A one-pixel line along the axes covers whole pixels only half a pixel off the grid.
        let straight = width <= 1.0 && points.windows(2).all(|pair| pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1);
        let points = match straight {
            true => Self::points(&points.iter().map(|(x, y)| (half(*x), half(*y))).collect::<Vec<_>>()),
            false => Self::points(points),
        };
        self.put(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"/>",
            color.css(),
            short(width)
        ));
    }

    fn area(&mut self, points: &[Point], color: Rgb, alpha: f64) {
        let points = Self::points(points);
        self.put(format_args!("<polygon points=\"{points}\" fill=\"{}\"{}/>", color.css(), opacity(alpha)));
    }

    fn text(&mut self, at: Point, text: &str, style: Font) {
        let anchor = match style.align {
            Align::Left => "",
            Align::Center => " text-anchor=\"middle\"",
            Align::Right => " text-anchor=\"end\"",
        };
        self.put(format_args!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{anchor}>{}</text>",
            short(at.0),
            short(at.1),
            short(style.size / LINE_PER_EM),
            style.color.css(),
            escaped(text)
        ));
    }

    fn image(&mut self, at: Point, image: &Indexed, palette: &[Rgb; PALETTE]) {
        match indexed_png(image, palette) {
            Ok(bytes) => {
                let data = base64(&bytes);
                self.put(format_args!(
                    "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
                     style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>",
                    short(at.0),
                    short(at.1),
                    image.width,
                    image.height,
                ));
            }
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }
}

fn indexed_png(image: &Indexed, palette: &[Rgb; PALETTE]) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width as u32, image.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_palette(palette.iter().flat_map(|color| [color.0, color.1, color.2]).collect::<Vec<u8>>());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            let used = digit <= chunk.len();
            text.push(if used { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    }

    #[test]
    fn names_from_records_cannot_break_the_markup() {
        let mut svg = Svg::new(10, 10, Rgb(0, 0, 0));
        let font = Font { size: 12.0, color: Rgb(1, 2, 3), align: Align::Left };
        svg.text((0.0, 0.0), "</text><script>\u{1b}&", font);
        let text = String::from_utf8(svg.finish("a<b", &[("Comment", "x --> \"y\"".into())]).unwrap()).unwrap();
        assert!(!text.contains("<script>") && !text.contains('\u{1b}'));
        assert!(text.contains("&lt;/text&gt;&lt;script&gt;\\x1b&amp;") && text.contains("a&lt;b"));
    }
}
