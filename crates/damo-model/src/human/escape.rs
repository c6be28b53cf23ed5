//! Text that comes from outside, made safe to print.
//!
//! Names in records, foreign files, `/proc`, sysfs and arguments are chosen by others. Printed as they are, they could
//! move the cursor, change the title or the colours of a terminal, forge a line of a report, or turn its text around.
//! So every such text passes [`Show::shown`] where it is put into a line. Programs that print whole sentences or
//! reports send them through [`sentence`] or [`Screen`] as well, which catch what was forgotten, but cannot know
//! whether the end of a line is their own.
//!
//! Escaped are: control characters (C0, DEL, C1), the separators U+2028 and U+2029, and all characters that Unicode
//! calls invisible by default or formatting (bidirectional overrides and isolates, zero-width characters, variation
//! selectors, tags). Bytes that are not UTF-8 are shown as `\xff`. A backslash stays as it is: escapes are for people,
//! and [`Show`] cannot be undone.
//!
//! ```
//! use damo_model::human::Show;
//! assert_eq!("app\u{1b}]0;root\u{7}\n".shown().to_string(), r"app\x1b]0;root\x07\n");
//! assert_eq!("a\u{202e}b".shown().to_string(), r"a\u{202e}b");
//! # use std::os::unix::ffi::OsStrExt;
//! assert_eq!(std::ffi::OsStr::from_bytes(b"a\xffb").shown().to_string(), r"a\xffb");
//! ```

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, Write};

/// Text from outside as it may be printed within a line: see [`Show`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(&'a [u8]);

/// What can be printed safely within a line.
pub trait Show {
    /// The text, with everything escaped that is not plainly visible; line ends and tabs, too.
    fn shown(&self) -> Shown<'_>;
}

impl<T: AsRef<OsStr> + ?Sized> Show for T {
    fn shown(&self) -> Shown<'_> {
        Shown(self.as_ref().as_encoded_bytes())
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_some() || f.precision().is_some() {
            let mut text = String::new();
            escape(self.0, false, &mut text);
            return f.pad(&text);
        }
        match std::str::from_utf8(self.0) {
            Ok(text) if text.chars().all(is_plain) => f.write_str(text),
            _ => {
                let mut text = String::new();
                escape(self.0, false, &mut text);
                f.write_str(&text)
            }
        }
    }
}

/// Whether a character shows what it is, and only itself.
pub fn is_plain(c: char) -> bool {
    // Nearly all text is this.
    if (' '..='~').contains(&c) {
        return true;
    }
    !(c.is_control() || is_invisible(c))
}

/// Formatting characters (category Cf), the separators of lines and paragraphs, and what is drawn as nothing
/// (`Default_Ignorable_Code_Point`), as of Unicode 16.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x115f..=0x1160
        | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
        | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1343f
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Escapes `bytes` into `out`; line ends stay if `lines`.
fn escape(bytes: &[u8], lines: bool, out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_plain(c) || lines && c == '\n' {
                out.push(c);
            } else {
                push_escape(c, out);
            }
        }
        for byte in chunk.invalid() {
            push_byte(*byte, out);
        }
    }
}

fn push_escape(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\x7f' => push_byte(c as u8, out),
        // Writing to a string does not fail.
        _ => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
    }
}

fn push_byte(byte: u8, out: &mut String) {
    let _ = write!(out, "\\x{byte:02x}");
}

/// A whole message for a terminal or a log: everything but its line ends is escaped as by [`Show`].
pub fn sentence(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c == '\n' || is_plain(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    escape(text.as_bytes(), true, &mut safe);
    Cow::Owned(safe)
}

/// The beginning of a foreign text, of at most so many characters, as it can be shown in a message.
pub fn excerpt(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    let begin = text.get(..end.unwrap_or(text.len())).unwrap_or_default().shown().to_string();
    if end.is_some() { begin + "…" } else { begin }
}

/// JSON whose strings hold nothing that a terminal obeys or hides: such characters are escaped in JSON's own way, so the
/// value is the same.
pub fn plain_json(json: &str) -> Cow<'_, str> {
    if json.chars().all(|c| c == '\n' || is_plain(c)) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if c == '\n' || is_plain(c) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(safe)
}

/// Takes a report's text on its way to a terminal or a text file, and escapes what reports never print themselves:
/// everything that [`Show`] escapes, but line ends, tabs and, if wanted, the sequences that set colours (`ESC [ … m`).
///
/// This is the last net, for reports that print a text without [`Show`].
#[derive(Debug)]
pub struct Screen<W: Write> {
    out: W,
    colors: bool,
    /// Begin of a character or of a colour sequence, to be judged with what follows.
    held: Vec<u8>,
}

/// A sequence that sets colours is no longer than this.
const LONGEST_COLOR: usize = 64;

impl<W: Write> Screen<W> {
    /// In front of `out`.
    pub fn new(out: W, colors: bool) -> Self {
        Self { out, colors, held: Vec::new() }
    }

    /// Writes `bytes`, all of which are judged by now unless `more` may follow; keeps back what cannot be judged.
    fn pass(&mut self, bytes: &[u8], more: bool) -> io::Result<()> {
        let mut rest = bytes;
        let mut safe = String::new();
        while !rest.is_empty() {
            let plain = rest.iter().position(|b| !is_text(*b)).unwrap_or(rest.len());
            let (front, back) = rest.split_at(plain);
            self.out.write_all(front)?;
            rest = back;
            let Some(first) = rest.first() else { break };
            let taken = if *first == 0x1b && self.colors {
                match color(rest) {
                    Color::Whole(length) => {
                        self.out.write_all(rest.get(..length).unwrap_or_default())?;
                        rest = rest.get(length..).unwrap_or_default();
                        continue;
                    }
                    Color::Begun if more => break,
                    Color::Begun | Color::None => 1,
                }
            } else {
                // Up to what may be a colour again, and no further than the next plain stretch.
                rest.iter().skip(1).position(|b| is_text(*b) || *b == 0x1b).map_or(rest.len(), |n| n + 1)
            };
            let taken = match (taken == rest.len()) && more {
                true => taken - unfinished(rest),
                false => taken,
            };
            if taken == 0 {
                break;
            }
            let (front, back) = rest.split_at(taken);
            safe.clear();
            escape(front, true, &mut safe);
            self.out.write_all(safe.as_bytes())?;
            rest = back;
        }
        self.held = rest.to_vec();
        Ok(())
    }
}

/// What a report may print as it is.
fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t')
}

/// What an escape character begins.
enum Color {
    Whole(usize),
    Begun,
    None,
}

fn color(bytes: &[u8]) -> Color {
    for (i, byte) in bytes.iter().enumerate().take(LONGEST_COLOR) {
        match (i, byte) {
            (0, 0x1b) | (1, b'[') => {}
            (2.., b'0'..=b'9' | b';') => {}
            (2.., b'm') => return Color::Whole(i + 1),
            _ => return Color::None,
        }
    }
    if bytes.len() < LONGEST_COLOR { Color::Begun } else { Color::None }
}

/// Length of a character at the end that is not whole yet.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default();
    // A text that ends within a character is an error without a length.
    let is_cut = |part: &[u8]| {
        std::str::from_utf8(part).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (0..tail.len()).filter_map(|skip| tail.get(skip..)).find(|part| is_cut(part)).map_or(0, <[u8]>::len)
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            self.pass(bytes, true)?;
        } else {
            let mut all = std::mem::take(&mut self.held);
            all.extend_from_slice(bytes);
            self.pass(&all, true)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.pass(&held, false)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_or_hides_is_shown_as_it_is() {
        for c in ('\0'..=char::MAX).filter(|c| c.is_control() || is_invisible(*c)) {
            let shown = c.to_string().shown().to_string();
            assert!(shown.starts_with('\\') && shown.chars().all(|c| (' '..='~').contains(&c)), "{c:?}: {shown}");
        }
        for c in
            ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200f}', '\u{feff}', '\u{ad}', '\u{2028}', '\u{e0041}', '\u{9b}']
        {
            assert!(!is_plain(c), "{c:?}");
        }
        for text in ["/usr/lib/größe.so", "漢字", "a b~", "é́", "→", "C:\\x"] {
            assert_eq!(text.shown().to_string(), text);
        }
    }

    #[test]
    fn shown_text_is_padded_and_cut_by_what_is_seen() {
        assert_eq!(format!("{:>8}|{:<6}|{:.3}", "a\n".shown(), "b".shown(), "abcdef".shown()), r"     a\n|b     |abc");
        assert_eq!(std::path::Path::new("a\tb").shown().to_string(), r"a\tb");
    }

    #[test]
    fn a_sentence_keeps_its_lines_and_nothing_else() {
        assert_eq!(sentence("no such file\nTry: ls"), "no such file\nTry: ls");
        assert_eq!(sentence("a\r\u{1b}[2Jb\n\u{202e}"), "a\\r\\x1b[2Jb\n\\u{202e}");
    }

    fn through(colors: bool, pieces: &[&[u8]]) -> String {
        let mut screen = Screen::new(Vec::new(), colors);
        pieces.iter().for_each(|piece| screen.write_all(piece).unwrap());
        screen.flush().unwrap();
        String::from_utf8(screen.out).unwrap()
    }

    #[test]
    fn a_screen_gets_text_and_colours_however_they_are_cut_into_pieces() {
        let text = "\u{1b}[48;5;21mhot ▀\u{1b}[0m größe\n\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}x\r\u{9b}漢\n".as_bytes();
        let with = "\u{1b}[48;5;21mhot ▀\u{1b}[0m größe\n\\x1b]0;title\\x07\\x1b[2J\\u{202e}x\\r\\u{9b}漢\n";
        assert_eq!(through(true, &[text]), with);
        assert_eq!(through(false, &[text]), with.replace('\u{1b}', "\\x1b"));
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(through(true, &[a, b]), with, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(through(true, &bytes), with);
    }

    #[test]
    fn what_is_no_text_or_ends_early_is_shown_all_the_same() {
        assert_eq!(through(true, &[b"a\xff\xe2\x82", b"z\xe2\x82"]), r"a\xff\xe2\x82z\xe2\x82");
        assert_eq!(through(true, &[b"\x1b[31"]), r"\x1b[31");
        let endless = [b"\x1b[".as_slice(), &[b'1'; 100]].concat();
        assert!(through(true, &[&endless]).starts_with(r"\x1b[111"));
    }
}
