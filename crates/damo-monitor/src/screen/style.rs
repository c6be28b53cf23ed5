//! What the terminal can show: colours of heat, and characters where there are none.

use ratatui::style::{Color, Modifier, Style};

/// A colour of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Red, green, blue.
    True(u8, u8, u8),
    /// A number of the terminal's 256 colours.
    Indexed(u8),
}

/// What the terminal can show.
#[derive(Clone, Debug, Default)]
pub struct ScreenStyle {
    /// From cold to hot, in equal steps; empty without colours.
    pub heat: Vec<Tone>,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
}

/// Shares of heat from a little to all, where there are no colours.
const SHADES: [char; 4] = ['░', '▒', '▓', '█'];
const ASCII: [char; 8] = [':', '-', '=', '+', '*', '#', '%', '@'];
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_BARS: [char; 8] = ['_', '.', ',', '-', '=', '+', '*', '#'];

impl ScreenStyle {
    /// Whether two cells, each with a colour, share one character.
    pub(crate) fn half_blocks(&self) -> bool {
        self.unicode && !self.heat.is_empty()
    }

    /// The colour of a heat of 0..=1; `None` without colours and where nothing is monitored.
    pub(crate) fn color(&self, heat: Option<f32>) -> Option<Color> {
        let steps = self.heat.len().checked_sub(1)?;
        let step = (heat?.clamp(0.0, 1.0) * steps as f32).round() as usize;
        Some(match self.heat[step] {
            Tone::True(r, g, b) => Color::Rgb(r, g, b),
            Tone::Indexed(number) => Color::Indexed(number),
        })
    }

    /// The character of a heat where there are no colours.
    pub(crate) fn shade(&self, heat: Option<f32>) -> char {
        let Some(heat) = heat else { return ' ' };
        let shades: &[char] = if self.unicode { &SHADES } else { &ASCII };
        if heat <= 0.0 {
            return if self.unicode { '·' } else { '.' };
        }
        shades[((heat * shades.len() as f32).ceil() as usize).clamp(1, shades.len()) - 1]
    }

    /// The character of a bar that is so many eighths high.
    pub(crate) fn bar(&self, eighths: usize) -> char {
        let bars = if self.unicode { &BARS } else { &ASCII_BARS };
        if eighths == 0 { ' ' } else { bars[eighths.min(8) - 1] }
    }

    pub(crate) fn mark(&self) -> &'static str {
        if self.unicode { "┊" } else { "|" }
    }

    pub(crate) fn title(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(crate) fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn faint(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}
