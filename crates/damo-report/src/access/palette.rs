//! Ten levels of heat in the terminal's 256 colours, in the Python tool's three sets.

use std::fmt::Write;

/// A set of colours, from cold to hot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Palette {
    /// Brightness only.
    #[default]
    Gray,
    /// Dark, red, yellow, blue.
    Flame,
    /// Dark, blue, yellow, red.
    Emotion,
}

const FLAME_FOREGROUND: [u8; 10] = [239, 235, 237, 239, 243, 245, 247, 249, 251, 255];

impl Palette {
    fn codes(self, level: usize) -> (u8, u8) {
        let (background, foreground): ([u8; 10], [u8; 10]) = match self {
            Palette::Gray => ([232; 10], [237, 239, 241, 243, 245, 247, 249, 251, 253, 255]),
            Palette::Flame => ([232, 1, 1, 2, 3, 3, 20, 21, 26, 27], FLAME_FOREGROUND),
            Palette::Emotion => ([232, 234, 20, 21, 26, 2, 3, 1, 1, 1], FLAME_FOREGROUND),
        };
        let level = level.min(9);
        (background[level], foreground[level])
    }

    /// Appends `text` in the colours of a level.
    pub(super) fn paint(self, out: &mut String, level: usize, text: &str, color: bool) {
        if color {
            self.begin(out, level);
            out.push_str(text);
            out.push_str(END);
        } else {
            out.push_str(text);
        }
    }

    fn begin(self, out: &mut String, level: usize) {
        let (background, foreground) = self.codes(level);
        // Writing to a string does not fail.
        let _ = write!(out, "\u{1b}[48;5;{background}m\u{1b}[38;5;{foreground}m");
    }

    /// All levels in a row.
    pub(super) fn sample(self, color: bool) -> String {
        let mut out = String::new();
        for (level, digit) in DIGITS.iter().enumerate() {
            if color {
                self.begin(&mut out, level);
            }
            out.push_str(digit);
        }
        if color {
            out.push_str(END);
        }
        out
    }
}

const END: &str = "\u{1b}[0m";

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The digit of a level, 0..=9.
pub(super) fn digit(level: usize) -> &'static str {
    DIGITS[level.min(9)]
}
