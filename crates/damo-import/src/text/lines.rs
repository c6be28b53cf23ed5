//! The lines of a text as they were before mail programs, editors and other systems had it: without the carriage return
//! of other line ends, blanks at the end, marks of quotation (`> `) and a byte order mark. Everything that reads a trace
//! text reads it through here.

/// The lines of a text, with their numbers from 1.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: Option<&'a [u8]>,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a [u8]) -> Self {
        Self { rest: Some(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)), number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        self.number += 1;
        let line = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                &rest[..end]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some((self.number, plain(line)))
    }
}

/// The line without what was put around it.
fn plain(mut line: &[u8]) -> &[u8] {
    while let [start @ .., b'\r' | b' ' | b'\t'] = line {
        line = start;
    }
    // A quotation of a quotation has two marks.
    while let [b'>', rest @ ..] = line {
        line = rest.strip_prefix(b" ").unwrap_or(rest);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_blanks_quotation_marks_and_byte_order_mark_are_taken_off() {
        let lines = |text: &'static [u8]| Lines::of(text).map(|(_, line)| line).collect::<Vec<_>>();
        assert_eq!(lines(b"\xef\xbb\xbfa b\r\n> c \t\r\n> > d\n>>e\n\nf"), [&b"a b"[..], b"c", b"d", b"e", b"", b"f"]);
        assert_eq!(Lines::of(b"a\n\nb").last(), Some((3, &b"b"[..])));
    }
}
