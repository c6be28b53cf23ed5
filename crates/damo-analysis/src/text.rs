//! Figures and lines of text as all analyses show them.

use damo_model::human::{Show, size_text};
use std::io::Write;

/// Columns of a line.
const COLUMNS: usize = 80;

/// A size in words, in three digits.
pub(crate) fn bytes(size: f64) -> String {
    let text = size_text(size.max(0.0).round() as u64).to_string();
    let Some((number, unit)) = text.split_once(' ') else { return text };
    match number.replace(',', "").parse::<f64>() {
        Ok(value) if value.fract() == 0.0 || value >= 100.0 => format!("{value:.0} {unit}"),
        Ok(value) if value >= 10.0 => format!("{value:.1} {unit}"),
        Ok(value) => format!("{value:.2} {unit}"),
        Err(_) => text,
    }
}

/// A share of 0 to 1 in words.
pub(crate) fn share(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "under 0.01 %".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// A text in lines of 80 columns, all but the first of which begin with `indent`.
pub(crate) fn lines(text: &str, indent: &str) -> Vec<String> {
    wrapped(text, ("", indent, ""))
}

/// A shell's command in lines of 80 columns, as it can be copied.
pub(crate) fn command_lines(command: &str) -> Vec<String> {
    wrapped(command, ("    ", "        ", " \\"))
}

fn is_unit(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphabetic() && c != '%');
    ["B", "KiB", "MiB", "GiB", "TiB", "%", "ms", "s", "min", "h"].contains(&word)
}

fn wrapped(text: &str, (first, indent, more): (&str, &str, &str)) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut is_begun = false;
    // Mappings and processes have the names that others gave them.
    let text = text.shown().to_string();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        // A number and its unit stay together.
        let unit = words.next_if(|next| word.ends_with(|c: char| c.is_ascii_digit()) && is_unit(next));
        let word = unit.map_or_else(|| word.to_owned(), |unit| format!("{word} {unit}"));
        let width = line.chars().count() + 1 + word.chars().count() + more.len();
        if is_begun && width > COLUMNS {
            lines.push(std::mem::replace(&mut line, indent.to_owned()) + more);
        } else if is_begun {
            line.push(' ');
        }
        line.push_str(&word);
        is_begun = true;
    }
    lines.push(line);
    lines
}

/// Writes a text in lines of 80 columns.
pub(crate) fn write_lines(out: &mut dyn Write, text: &str, indent: &str) -> std::io::Result<()> {
    lines(text, indent).into_iter().try_for_each(|line| writeln!(out, "{line}"))
}
