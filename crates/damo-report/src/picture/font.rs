//! The one font of all pictures, bundled, so that they look the same everywhere and no system package is needed.

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use std::sync::LazyLock;

/// The name the font is registered under and has in SVG, where others follow for readers that do not have it.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
const BYTES: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");
/// Whether the bundled font could be parsed: it can, or a test fails.
static REGISTERED: LazyLock<bool> = LazyLock::new(|| register_font(FAMILY, FontStyle::Normal, BYTES).is_ok());

/// The font in a size (from the top of the tallest to the bottom of the lowest letter, in pixels).
pub(super) fn font(size: f64) -> FontDesc<'static> {
    LazyLock::force(&REGISTERED);
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal)
}

/// Width of a text in pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    // Layout is in whole pixels: measure large.
    const SCALE: f64 = 16.0;
    font(size * SCALE).box_size(text).map_or(0.0, |(width, _)| f64::from(width) / SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_font_is_usable() {
        assert!(*REGISTERED);
        let (narrow, wide) = (width("i", 14.0), width("WWWW", 14.0));
        assert!(narrow > 1.0 && wide > 5.0 * narrow, "{narrow} {wide}");
    }
}
