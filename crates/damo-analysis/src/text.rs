//! Figures and lines of text as all analyses show them.

use damo_model::human::{Show, size_text};
use damo_report::text_width::wrapped;
use std::io::Write;

/// Columns of a line.
const COLUMNS: usize = 80;
/// A blank at which no line ends.
const NO_BREAK: char = '\u{a0}';

/// The text with a capital first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The record's name as a word of a shell's command.
pub(crate) fn shell_word(name: &str) -> String {
    let name = if name.starts_with('-') && name != "-" { format!("./{name}") } else { name.to_owned() };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/+-=:@%,".contains(c);
    if name.chars().all(is_plain) { name } else { format!("'{}'", name.shown().to_string().replace('\'', r"'\''")) }
}

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

/// A text in lines of 80 columns, all but the first of which begin with `indent`. A number and its unit stay together, and
/// names of mappings, which others gave, are escaped.
pub(crate) fn lines(text: &str, indent: &str) -> Vec<String> {
    let text = text.shown().to_string();
    let mut whole = String::with_capacity(text.len());
    for (n, word) in text.split(' ').enumerate() {
        if n > 0 {
            let has_unit = whole.ends_with(|c: char| c.is_ascii_digit()) && is_unit(word);
            whole.push(if has_unit { NO_BREAK } else { ' ' });
        }
        whole.push_str(word);
    }
    wrapped(&whole, COLUMNS, indent).into_iter().map(|line| line.replace(NO_BREAK, " ")).collect()
}

fn is_unit(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphabetic() && c != '%');
    ["B", "KiB", "MiB", "GiB", "TiB", "%", "ms", "s", "min", "h"].contains(&word)
}

/// A shell's command in lines of 80 columns, as it can be copied.
pub(crate) fn command_lines(command: &str) -> Vec<String> {
    const MORE: &str = " \\";
    let mut lines = wrapped(&format!("    {command}"), COLUMNS - MORE.len(), "        ");
    let last = lines.len().saturating_sub(1);
    lines.iter_mut().take(last).for_each(|line| line.push_str(MORE));
    lines
}

/// Writes a text in lines of 80 columns.
pub(crate) fn write_lines(out: &mut dyn Write, text: &str, indent: &str) -> std::io::Result<()> {
    lines(text, indent).into_iter().try_for_each(|line| writeln!(out, "{line}"))
}
