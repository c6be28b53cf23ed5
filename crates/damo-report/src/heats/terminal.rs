//! A heat map as characters.
//!
//! Two layouts. [`Glyphs::Digits`] is the Python tool's: each range by itself, a digit from 0 to 9 per cell, addresses
//! from left to right, times from top to bottom. [`Glyphs::HalfBlocks`] is that of the pictures, in `blocks`: time from
//! left to right, low addresses at the bottom.

use super::axis::{address, nanos};
use super::{Grid, HeatsReport};
use crate::colormap::ColorMap;
use crate::picture::Theme;
use damo_model::Bytes;
use damo_model::human::{Style, format_size, format_size_accurate, format_time};
use std::io::{self, Write};

damo_model::words! {
    /// The Python tool's sets of terminal colours.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum ColorSet {
        /// Grey digits, brighter is more.
        #[default]
        Gray = "gray",
        /// Backgrounds from black over red and yellow to blue, hottest last.
        Flame = "flame",
        /// Backgrounds from black over blue and green to red, hottest last.
        Emotion = "emotion",
    }
}

impl ColorSet {
    /// Background and foreground of a level, as numbers of the terminal's 256 colours.
    pub(crate) fn codes(self, level: usize) -> (u8, u8) {
        const FLAME: [u8; 10] = [232, 1, 1, 2, 3, 3, 20, 21, 26, 27];
        const EMOTION: [u8; 10] = [232, 234, 20, 21, 26, 2, 3, 1, 1, 1];
        const GRAYS: [u8; 10] = [237, 239, 241, 243, 245, 247, 249, 251, 253, 255];
        const INKS: [u8; 10] = [239, 235, 237, 239, 243, 245, 247, 249, 251, 255];
        let level = level.min(9);
        match self {
            ColorSet::Gray => (232, GRAYS[level]),
            ColorSet::Flame => (FLAME[level], INKS[level]),
            ColorSet::Emotion => (EMOTION[level], INKS[level]),
        }
    }
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// No colours: not a terminal, or NO_COLOR is set.
    Plain,
    /// The 256 colours that most terminals have.
    #[default]
    Ansi256,
    /// 24 bits (COLORTERM=truecolor).
    True,
}

/// What cells are drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// A digit per cell.
    #[default]
    Digits,
    /// Half blocks: two cells per character. Without colours, shades of one cell per character.
    HalfBlocks,
}

damo_model::with_defaults! {
    /// How to draw on a terminal.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TerminalStyle {
        /// What cells are drawn with.
        pub glyphs: Glyphs = Glyphs::Digits,
        /// What the terminal can show.
        pub depth: Depth = Depth::Ansi256,
        /// Colours of digits.
        pub colors: ColorSet = ColorSet::Gray,
        /// Colours of half blocks.
        pub map: ColorMap = ColorMap::Inferno,
        /// Whether hot is bright, as on dark ground, or dark, as on light ground.
        pub theme: Theme = Theme::Dark,
        /// Columns of the window: what is around half blocks fits them.
        pub width: usize = 80,
        /// Lines of the window, if what is below a map of half blocks is to be cut so that all of it fits.
        pub lines: Option<usize>,
        /// Whether to explain the digits.
        pub legend: bool = true,
    }
}

pub(super) const END: &str = "\x1b[0m";

impl HeatsReport {
    /// Draws the map.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write_terminal(&self, out: &mut dyn Write, style: &TerminalStyle) -> io::Result<()> {
        match style.glyphs {
            Glyphs::Digits => {
                self.panels.iter().try_for_each(|grid| self.write_digits(out, grid, style))?;
                self.coverage_text().map_or(Ok(()), |text| writeln!(out, "{text}"))
            }
            Glyphs::HalfBlocks => self.write_blocks(out, style),
        }
    }

    /// Says so if something is missing.
    pub(super) fn coverage_text(&self) -> Option<String> {
        let cover = &self.coverage;
        (!cover.is_full()).then(|| {
            format!(
                "# coverage: {:.1} % of {} snapshots complete, {} events lost{}",
                cover.ratio() * 100.0,
                cover.snapshots,
                cover.lost_events,
                if cover.damaged > 0 { ", parts of the file unreadable" } else { "" },
            )
        })
    }

    fn write_digits(&self, out: &mut dyn Write, grid: &Grid, style: &TerminalStyle) -> io::Result<()> {
        let colored = style.depth != Depth::Plain;
        let cell = |out: &mut dyn Write, level: usize, glyph: char| {
            if colored {
                let (back, ink) = style.colors.codes(level);
                write!(out, "\x1b[48;5;{back}m\x1b[38;5;{ink}m")?;
            }
            write!(out, "{glyph}")
        };
        let end = if colored { END } else { "" };
        // A wanted scale is the same for every range and record.
        let scale = self.scale.map(|top| (0.0, top));
        if let Some((low, high)) = grid.range().map(|range| scale.unwrap_or(range)) {
            for row in 0..grid.time.len() {
                for column in 0..grid.space.len() {
                    let heat = grid.heat_at(row, column);
                    if heat.is_nan() {
                        cell(out, 4, ' ')?;
                    } else {
                        let level = level(heat, low, high);
                        cell(out, level, char::from(b'0' + level as u8))?;
                    }
                }
                writeln!(out, "{end}")?;
            }
            if style.legend {
                write!(out, "# access_frequency: ")?;
                (0..10).try_for_each(|level| cell(out, level, char::from(b'0' + level as u8)))?;
                writeln!(out, "{end} ({low:.3}-{high:.3} {})", self.unit.as_str())?;
                if let Some(clipped) = self.clipped() {
                    writeln!(out, "# {clipped}")?;
                }
            }
        } else {
            writeln!(out, "# no snapshot covers this range")?;
        }
        let sizes = |bytes: i128| Bytes(address(bytes));
        let accurate = |bytes: i128| format_size_accurate(sizes(bytes), Style::Human);
        let (space, time) = (&grid.space, &grid.time);
        writeln!(
            out,
            "# x-axis: space [{}, {}) ({})",
            accurate(space.start()),
            accurate(space.end()),
            format_size(sizes(space.end() - space.start()), Style::Human)
        )?;
        writeln!(
            out,
            "# y-axis: time [{}, {}) ({})",
            format_time(nanos(time.start()), Style::Human),
            format_time(nanos(time.end()), Style::Human),
            format_time(nanos(time.end() - time.start()), Style::Human)
        )?;
        writeln!(
            out,
            "# resolution: {}x{} ({} and {} for each character)",
            space.len(),
            time.len(),
            format_size(sizes(space.size(0)), Style::Human),
            format_time(nanos(time.size(0)), Style::Human)
        )
    }
}

/// Ten levels of equal width between the lowest and the highest heat. (The Python tool's widths are a ninth of one hertz
/// more than the range, so that its level 9 cannot occur.)
fn level(heat: f64, low: f64, high: f64) -> usize {
    if high <= low {
        return if high > 0.0 { 9 } else { 0 };
    }
    (((heat - low) / (high - low) * 10.0) as usize).min(9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_reach_from_0_to_9() {
        assert_eq!(level(5.0, 5.0, 15.0), 0);
        assert_eq!(level(15.0, 5.0, 15.0), 9);
        assert_eq!(level(10.0, 5.0, 15.0), 5);
        assert_eq!(level(0.0, 0.0, 0.0), 0);
        assert_eq!(level(7.0, 7.0, 7.0), 9);
    }
}
