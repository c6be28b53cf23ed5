//! Pictures of reports, as PNG and SVG.
//!
//! A [`Picture`] draws itself on a [`Canvas`]; which file comes of it, its size, theme and colours are a [`Style`]. The
//! font is bundled and nothing of the system is used, so that the same record gives the same picture everywhere.

pub(crate) mod axis;
pub(crate) mod bands;
mod bars;
pub mod canvas;
pub mod chart;
mod font;
mod panels;
mod plot;
mod raster;
mod sheets;
pub(crate) mod stack;
mod svg;
pub(crate) mod ticks;

pub use axis::Unit;
pub use bands::{Band, below_bands};
pub use bars::{Bar, Bars};
pub use canvas::Canvas;
pub use chart::{Chart, Line};
pub(crate) use panels::Panels;
pub use sheets::{Sheet, SheetColors, Sheets};
pub(crate) use stack::Stack;
pub use stack::{part, with_room};

use crate::colormap::{ColorMap, Rgb};
use damo_model::human::Show;
use plot::{FineBackend, Plot};
use raster::Supersampled;
use std::path::Path;
use svg::Svg;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The drawing library refused.
    #[error("the picture could not be drawn: {0}")]
    Draw(String),
    /// The image could not be packed.
    #[error("the picture could not be packed: {0}")]
    Pack(#[from] png::EncodingError),
    /// A size that nothing can be drawn on, or too much for memory.
    #[error("a picture of {width} × {height} pixels cannot be drawn: between {least} and {most} each way are possible")]
    Size {
        /// The width that was asked for.
        width: usize,
        /// The height that was asked for.
        height: usize,
        /// The smallest size of a side.
        least: usize,
        /// The largest size of a side.
        most: usize,
    },
}

/// What file a picture is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A picture of pixels.
    #[default]
    Png,
    /// Shapes and text.
    Svg,
}

impl Format {
    /// By a file name's extension; `None` for others.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Format::Png),
            "svg" => Some(Format::Svg),
            _ => None,
        }
    }
}

/// Light or dark ground.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark ink on white.
    #[default]
    Light,
    /// Light ink on nearly black.
    Dark,
}

impl Theme {
    /// Whether the ground is dark, and hot bright.
    pub(crate) fn is_dark(self) -> bool {
        self == Theme::Dark
    }

    /// The colour of a heat between 0 and 1.
    pub fn heat(self, map: ColorMap, part: f64) -> Rgb {
        map.color(self.is_dark(), part)
    }

    pub(crate) fn ground(self) -> Rgb {
        self.pick(0xffffff, 0x15181d)
    }

    pub(crate) fn ink(self) -> Rgb {
        self.pick(0x1c242c, 0xe9edf1)
    }

    pub(crate) fn muted(self) -> Rgb {
        self.pick(0x5d6975, 0x9ba7b3)
    }

    pub(crate) fn grid(self) -> Rgb {
        self.pick(0xdfe4e9, 0x313842)
    }

    /// Where there are no data.
    pub(crate) fn empty(self) -> Rgb {
        self.pick(0xeceff2, 0x262c34)
    }

    /// Lines over incomplete data.
    pub(crate) fn hatch(self) -> Rgb {
        self.pick(0x9aa5b0, 0x6f7b88)
    }

    /// Colours of series, told apart by colour-blind eyes (Okabe and Ito's).
    pub(crate) fn series(self, i: usize) -> Rgb {
        const COLORS: [u32; 6] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9];
        const ON_DARK: [u32; 6] = [0x56b4e9, 0xe69f00, 0x2bc59a, 0xdd9cc0, 0xf0e442, 0x8fd3ff];
        let colors = if self == Theme::Dark { ON_DARK } else { COLORS };
        Rgb::hex(colors[i % colors.len()])
    }

    /// Colours of what lies over heat: not among the heat's, nor too near to one another.
    pub(crate) fn overlay(self, i: usize) -> Rgb {
        const COLORS: [u32; 6] = [0x0072b2, 0x009e73, 0x56b4e9, 0x5d3fd3, 0x444444, 0x00c2c7];
        const ON_DARK: [u32; 6] = [0x56b4e9, 0x2bc59a, 0x9fe3ff, 0xb39ddb, 0xdddddd, 0x00c2c7];
        let colors = if self == Theme::Dark { ON_DARK } else { COLORS };
        Rgb::hex(colors[i % colors.len()])
    }

    fn pick(self, light: u32, dark: u32) -> Rgb {
        Rgb::hex(if self == Theme::Dark { dark } else { light })
    }
}

damo_model::with_defaults! {
    /// How a picture looks, and what it says of its origin.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Style {
        /// Width in pixels.
        pub width: usize = 1200,
        /// Height in pixels.
        pub height: usize = 720,
        /// Light or dark.
        pub theme: Theme = Theme::Light,
        /// Colours of heat.
        pub map: ColorMap = ColorMap::Inferno,
        /// Headline; made from the report if `None`.
        pub title: Option<String>,
        /// A line below the headline, such as the record's name.
        pub subtitle: Option<String>,
        /// The command that made the picture: goes into its metadata.
        pub command: Option<String>,
        /// A hash that tells which record this is of: goes into the metadata.
        pub record_hash: Option<String>,
    }
}

/// Smallest and largest width and height.
pub const SIZES: std::ops::RangeInclusive<usize> = 320..=8192;

/// Something that can be drawn.
pub trait Picture {
    /// Its headline, unless the style has one.
    fn title(&self) -> String;

    /// Draws everything below the headline, from `top` downwards.
    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, top: f64);

    /// How many pictures stand below one another in it.
    fn parts(&self) -> usize {
        1
    }
}

/// Margin around everything, in pixels.
pub(crate) const MARGIN: f64 = 20.0;
pub(crate) const TITLE_SIZE: f64 = 22.0;
pub(crate) const TEXT_SIZE: f64 = 14.0;
/// Size of what stands along axes.
pub(crate) const SMALL: f64 = 13.0;
/// Room below a chart for the labels and the name of its axis.
pub(crate) const BELOW: f64 = 52.0;

/// Where pictures begin below their headline.
pub(crate) fn top(style: &Style) -> f64 {
    MARGIN + TITLE_SIZE + if style.subtitle.is_some() { TEXT_SIZE + 6.0 } else { 0.0 } + 10.0
}

/// Makes the file of a picture. The same picture and style give the same bytes.
///
/// # Errors
/// When the size is out of bounds, or the drawing libraries fail.
pub fn draw(picture: &dyn Picture, format: Format, style: &Style) -> Result<Vec<u8>, PictureError> {
    if !SIZES.contains(&style.width) || !SIZES.contains(&style.height) {
        let (least, most) = (*SIZES.start(), *SIZES.end());
        return Err(PictureError::Size { width: style.width, height: style.height, least, most });
    }
    let title = style.title.clone().unwrap_or_else(|| picture.title());
    let mut texts =
        vec![("Title", title.clone()), ("Software", concat!("damo ", env!("CARGO_PKG_VERSION")).to_owned())];
    texts.extend(style.command.clone().map(|command| ("Comment", command)));
    texts.extend(style.record_hash.clone().map(|hash| ("Source", hash)));
    // Names of records and command lines are in them.
    texts.iter_mut().for_each(|(_, text)| *text = text.shown().to_string());
    let (width, height) = (style.width, style.height);
    Ok(match format {
        Format::Png => on(Supersampled::new(width, height), picture, style, &title)?.file(&texts)?,
        Format::Svg => on(Svg::new(width, height, &title, &texts), picture, style, &title)?.file(),
    })
}

/// Draws a picture with its headline on a backend.
fn on<B: FineBackend>(backend: B, picture: &dyn Picture, style: &Style, title: &str) -> Result<B, PictureError> {
    let mut plot = Plot::new(backend, style.theme.ground());
    page(&mut plot, picture, style, title);
    plot.finish()
}

fn page(canvas: &mut dyn Canvas, picture: &dyn Picture, style: &Style, title: &str) {
    use canvas::{Align, Font, fit};
    let room = style.width as f64 - 2.0 * MARGIN;
    let font = Font { size: TITLE_SIZE, color: style.theme.ink(), align: Align::Left };
    canvas.text((MARGIN, MARGIN + TITLE_SIZE * 0.75), &fit(title, TITLE_SIZE, room), font);
    if let Some(subtitle) = &style.subtitle {
        let font = Font { size: TEXT_SIZE, color: style.theme.muted(), align: Align::Left };
        canvas.text((MARGIN, MARGIN + TITLE_SIZE + TEXT_SIZE), &fit(subtitle, TEXT_SIZE, room), font);
    }
    picture.draw(canvas, style, top(style));
}
