//! Options of pictures, and writing them: PNG or SVG by the file's ending.

use super::options::choice;
use crate::errors;
use crate::inputs::Opened;
use crate::outputs::{self, Manner};
use anyhow::Result;
use clap::Args;
use damo_model::human::Show;
use damo_report::colormap::ColorMap;
use damo_report::heats::{HeatMap, HeatsOptions, Scale};
use damo_report::picture::{self, Format, Picture, Style, Theme, below_bands, part, with_room};
use std::path::{Path, PathBuf};

/// How pictures look.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PictureArgs {
    /// Size of the picture in pixels; several maps below one another make it higher
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, default_value = "1200x720", help_heading = "Pictures")]
    size: (usize, usize),
    /// Background: hot memory is dark on light, and bright on dark [default: light; on a terminal its own, else dark]
    #[arg(long, value_name = "THEME", value_parser = choice([("light", Theme::Light), ("dark", Theme::Dark)]), help_heading = "Pictures")]
    theme: Option<Theme>,
    /// Colours of access rates
    #[arg(long, value_name = "NAME", value_parser = choice(ColorMap::NAMED), default_value = "inferno", help_heading = "Pictures")]
    colormap: ColorMap,
}

/// `--scale`, for reports with heat in them.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ScaleArgs {
    /// What the hottest colour stands for, so that maps can be compared: 0..50% of the highest rate possible, or 0..200Hz.
    /// What is hotter has the last colour, and the legend says so [default: the hottest cell]
    #[arg(long, value_name = "0..MAX", help_heading = "Output")]
    scale: Option<Scale>,
}

impl ScaleArgs {
    /// The scale, if one was asked for.
    pub(crate) fn scale(self) -> Option<Scale> {
        self.scale
    }
}

/// `--plot`, for reports that are text by default.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlotArgs {
    /// Draw a picture instead: FILE.png or FILE.svg
    #[arg(long, value_name = "FILE", value_parser = picture_file, conflicts_with = "out", help_heading = "Pictures")]
    plot: Option<PathBuf>,
    /// How it looks.
    #[command(flatten)]
    pub picture: PictureArgs,
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let sides = text.split_once(['x', 'X']).map(|(w, h)| (w.trim().parse(), h.trim().parse()));
    match sides {
        Some((Ok(width), Ok(height))) => Ok((width, height)),
        _ => Err("give width and height in pixels, as in 1200x720".into()),
    }
}

/// A file whose name says which picture it is.
pub(crate) fn picture_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match Format::of(&path) {
        Some(_) => Ok(path),
        None => Err("pictures are files that end in .png or .svg".into()),
    }
}

/// What a picture is written as, and where to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PictureOutput<'a> {
    /// PNG or SVG.
    pub format: Format,
    /// The file; `None` for standard output.
    pub path: Option<&'a Path>,
    /// How the file is written.
    pub manner: Manner,
}

/// Options of a map that fills a picture of this style; `bands` leaves room for a strip of them.
fn map_options(style: &Style, bands: bool) -> HeatsOptions {
    HeatMap::options(&if bands { below_bands(style) } else { style.clone() })
}

impl PictureArgs {
    /// Colours of heat.
    pub(crate) fn colormap(self) -> ColorMap {
        self.colormap
    }

    /// Whether hot memory is bright or dark on the terminal.
    pub(crate) fn terminal_theme(self) -> Theme {
        self.theme.unwrap_or_else(crate::output::theme)
    }

    /// A map that fills the picture.
    pub(crate) fn heats_options(self, bands: bool) -> HeatsOptions {
        map_options(&self.with_subtitle(), bands)
    }

    /// The same options for one of so many maps below one another.
    pub(crate) fn heats_part(self, maps: usize, options: &HeatsOptions, bands: bool) -> HeatsOptions {
        let whole = self.heats_options(bands);
        if maps < 2 || (options.rows, options.columns) != (whole.rows, whole.columns) {
            return options.clone();
        }
        let style = self.with_subtitle();
        let HeatsOptions { rows, columns, .. } = map_options(&part(&with_room(&style, maps), maps), bands);
        HeatsOptions { rows, columns, ..options.clone() }
    }

    /// Size, theme and colours, with room for the line under the headline.
    pub(crate) fn with_subtitle(self) -> Style {
        Style { subtitle: Some(String::new()), ..self.style() }
    }

    fn style(self) -> Style {
        let (width, height) = self.size;
        Style { width, height, theme: self.theme.unwrap_or_default(), map: self.colormap, ..Style::default() }
    }

    /// Draws a picture.
    ///
    /// # Errors
    /// If the size is out of bounds, or the place takes no more.
    pub(crate) fn draw(self, picture: &dyn Picture, opened: &Opened, place: &PictureOutput<'_>) -> Result<()> {
        let bytes = self.bytes(picture, opened, place.format)?;
        outputs::write(place.path, place.manner, |out| Ok(out.write_all(&bytes)?))?;
        if let Some(path) = place.path {
            errors::done(format_args!("{} written", path.shown()));
        }
        Ok(())
    }

    /// A picture's file.
    ///
    /// # Errors
    /// If the size is out of bounds.
    pub(crate) fn bytes(self, picture: &dyn Picture, opened: &Opened, format: Format) -> Result<Vec<u8>> {
        let style = Style {
            subtitle: Some(opened.names()),
            command: Some(crate::output::command_line()),
            record_hash: Some(opened.hash()),
            ..self.style()
        };
        let style = with_room(&style, picture.parts());
        Ok(picture::draw(picture, format, &style)?)
    }
}

impl PlotArgs {
    /// The picture's file.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.plot.as_deref()
    }
}

impl From<PictureArgs> for PlotArgs {
    /// For reports that name the picture's file in another way.
    fn from(picture: PictureArgs) -> Self {
        Self { plot: None, picture }
    }
}
