//! Texts in the columns of a terminal: how many they take, and cutting them to fit.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, with its middle cut out for `…` if it takes more than `most` columns: names of files and processes differ at
/// their ends. Control characters are left out.
pub fn cut(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    if width(&text) <= most {
        return text;
    }
    let room = most.saturating_sub(1);
    let head = fitting(text.chars(), room.div_ceil(2));
    let tail = fitting(text.chars().rev(), room - width(&head));
    match most {
        0 => String::new(),
        _ => format!("{head}…{}", tail.chars().rev().collect::<String>()),
    }
}

/// As many characters as fit.
fn fitting(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

/// The text, cut and filled with blanks to exactly `columns`.
pub fn padded(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let blanks = columns.saturating_sub(width(&text));
    text + &" ".repeat(blanks)
}

/// The text in lines of at most `columns` columns, broken at blanks; `indent` begins each line after the first. A word that
/// is longer than a line has a line of its own.
pub fn wrapped(text: &str, columns: usize, indent: &str) -> Vec<String> {
    // Blanks at the beginning are an indent of the first line.
    let words = text.trim_start();
    let mut line = text.strip_suffix(words).unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    let mut is_begun = false;
    for word in words.split(' ') {
        if is_begun && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        } else if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cut_in_the_middle() {
        assert_eq!(cut("libc.so.6", 20), "libc.so.6");
        assert_eq!(cut("libwebkit2gtk-4.1.so.0.17.8", 15), "libwebk….0.17.8");
        assert_eq!(cut("内存映射文件名称", 9), "内存…名称");
        assert_eq!((cut("abc", 1).as_str(), cut("abc", 0).as_str()), ("…", ""));
        assert_eq!(padded("内存", 6), "内存  ");
    }

    proptest! {
        #[test]
        fn what_is_cut_fits_whatever_it_is(text in ".{0,40}", most in 0_usize..30) {
            prop_assert!(width(&cut(&text, most)) <= most);
            prop_assert_eq!(width(&padded(&text, most)), most);
        }
    }

    #[test]
    fn long_remarks_are_broken_at_blanks_and_nothing_is_lost() {
        assert_eq!(wrapped("- one two three", 9, "  "), ["- one two", "  three"]);
        assert_eq!(wrapped("  short", 9, "  "), ["  short"]);
        assert_eq!(wrapped("", 9, "  "), [""]);
        assert_eq!(wrapped("# incomprehensible to me", 10, "# "), ["#", "# incomprehensible", "# to me"]);
    }
}
