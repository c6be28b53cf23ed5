//! Ten levels of heat as coloured digits.

use crate::heats::ColorSet;
use std::fmt::Write;

const END: &str = "\u{1b}[0m";

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The digit of a level, 0..=9.
pub(super) fn digit(level: usize) -> &'static str {
    DIGITS[level.min(9)]
}

/// Appends `text` in the colours of a level.
pub(super) fn paint(out: &mut String, colors: ColorSet, level: usize, text: &str, color: bool) {
    if color {
        begin(out, colors, level);
        out.push_str(text);
        out.push_str(END);
    } else {
        out.push_str(text);
    }
}

fn begin(out: &mut String, colors: ColorSet, level: usize) {
    let (background, foreground) = colors.codes(level);
    // Writing to a string does not fail.
    let _ = write!(out, "\u{1b}[48;5;{background}m\u{1b}[38;5;{foreground}m");
}

/// All levels in a row.
pub(super) fn sample(colors: ColorSet, color: bool) -> String {
    let mut out = String::new();
    for (level, digit) in DIGITS.iter().enumerate() {
        if color {
            begin(&mut out, colors, level);
        }
        out.push_str(digit);
    }
    if color {
        out.push_str(END);
    }
    out
}
