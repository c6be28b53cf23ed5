//! Templates: text with `<keyword>`s, cut into pieces once and filled in for each region.

use super::keywords::Key;
use crate::ReportError;
use damo_model::human::Show;

damo_model::words! {
    /// The five templates.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Area {
        /// Before a target's snapshots.
        RecordHead = "record_head",
        /// Before a snapshot's regions.
        SnapshotHead = "snapshot_head",
        /// The line of a region.
        Region = "region",
        /// After a snapshot's regions.
        SnapshotTail = "snapshot_tail",
        /// After a target's snapshots.
        RecordTail = "record_tail",
    }
}

impl Area {
    /// The area of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn by_name(name: &str) -> Result<Area, ReportError> {
        Area::ALL.into_iter().find(|area| area.as_str() == name).ok_or_else(|| {
            let names = Area::WORDS.join(", ");
            ReportError::invalid(format!(
                "'{}' is no part of the access report's format; there are {names}",
                name.shown()
            ))
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Key),
}

/// A template, ready to be filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// Cuts a text into pieces. What is in angle brackets but no keyword of the area stays as it is; the two characters
    /// `\n` become a line break.
    pub(super) fn new(area: Area, text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let keyword = if c == '<' { Key::at_start_of(area, rest) } else { None };
            if let Some((name, key)) = keyword {
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Value(key));
                rest = rest.get(name.len()..).unwrap_or_default();
            } else if let Some(after) = rest.strip_prefix("\\n") {
                literal.push('\n');
                rest = after;
            } else {
                literal.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Template(pieces)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn uses(&self, key: Key) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Value(k) if *k == key))
    }

    /// Appends the template to `out`, with `value` for each keyword, padded on the right.
    pub(super) fn fill(&self, out: &mut String, mut value: impl FnMut(Key, &mut String)) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(key) => {
                    let before = out.len();
                    value(*key, out);
                    let written = out.get(before..).map_or(0, |text| text.chars().count());
                    out.extend(std::iter::repeat_n(' ', key.min_chars().saturating_sub(written)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_filled_in_and_everything_else_stays() {
        let template = Template::new(Area::Region, "<index>: <nothing> < é<size>\\nend");
        let mut out = String::new();
        template.fill(&mut out, |key, out| out.push_str(if key == Key::Index { "7" } else { "8" }));
        assert_eq!(out, "7  : <nothing> < é8          \nend");
        assert!(template.uses(Key::Size));
    }

    #[test]
    fn a_keyword_of_another_area_is_text() {
        let template = Template::new(Area::RecordTail, "<index>");
        let mut out = String::new();
        template.fill(&mut out, |_, _| {});
        assert_eq!(out, "<index>");
    }
}
