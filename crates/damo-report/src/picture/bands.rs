//! Bands: spans of time with labels, in a strip above a chart or a map.

use super::canvas::{Align, Font, Rect, text_width};
use super::{Canvas, Style};
use damo_model::{Nanos, TimeSpan};

/// Height that a strip of bands takes, with the room below it, in pixels.
pub(crate) const BAND: f64 = 20.0;
const STRIP: f64 = 15.0;
const TEXT: f64 = 11.0;

/// A span of time with a label, such as a phase of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Where it begins and ends on the picture's axis of time.
    pub time: TimeSpan,
    /// What stands in it, where there is room.
    pub label: String,
    /// Its colour among those of series; bands of one colour belong together.
    pub color: usize,
}

/// The style of a map that leaves room for a strip of bands on a picture of this style.
#[must_use]
pub fn below_bands(style: &Style) -> Style {
    Style { height: style.height.saturating_sub(BAND as usize), ..style.clone() }
}

/// Draws bands in a strip at the top of `place`; `x` is where a time lies.
pub(crate) fn draw_bands(
    canvas: &mut dyn Canvas,
    style: &Style,
    place: Rect,
    bands: &[Band],
    x: impl Fn(Nanos) -> f64,
) {
    let middle = place.y + STRIP / 2.0 + TEXT * 0.36;
    for band in bands {
        let [from, to] = [band.time.start, band.time.end].map(|at| x(at).clamp(place.x, place.right()));
        if to <= from {
            continue;
        }
        canvas.rect(Rect { x: from, y: place.y, w: to - from, h: STRIP }, style.theme.series(band.color), 0.4);
        canvas.line(&[(from, place.y), (from, place.y + STRIP)], style.theme.ground(), 1.0);
        if text_width(&band.label, TEXT) + 2.0 <= to - from {
            let font = Font { size: TEXT, color: style.theme.ink(), align: Align::Center };
            canvas.text(((from + to) / 2.0, middle), &band.label, font);
        }
    }
}
