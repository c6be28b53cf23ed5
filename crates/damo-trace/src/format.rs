//! Event layouts as the running kernel tells them. Fields moved between releases (5.15 has no `age`, newer kernels add
//! `probe_hits`), so that an offset is never taken for granted.

use damo_model::TracepointFormat;
use thiserror::Error;

/// Longer texts are not format files.
const MAX_TEXT: usize = 64 << 10;
/// An event has at most a few dozen fields.
const MAX_FIELDS: usize = 256;
/// Trace records are at most a page long.
const MAX_OFFSET: u32 = 64 << 10;

/// Why a format text is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Too long to be a format file.
    #[error("{0} bytes are too many for an event's format")]
    TooLong(usize),
    /// No `name:` or `ID:` line.
    #[error("no line `{0}` in the event's format")]
    NoLine(&'static str),
    /// A line that should describe a field does not.
    #[error("line {line} does not describe a field: `{text}`")]
    Field {
        /// Line number from 1.
        line: usize,
        /// The line as it is in the file.
        text: String,
    },
    /// An event of ours lacks a field, or has it in a shape that cannot be read.
    #[error("event {event} has no field `{field}` of 1, 2, 4 or 8 bytes")]
    NoField {
        /// Name of the event.
        event: String,
        /// Name of the field.
        field: &'static str,
    },
}

/// Where a field's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldLocation {
    /// In the record itself.
    Inline,
    /// At an offset from the record's start that the field holds (`__data_loc`).
    DataLoc,
    /// At an offset from the end of the field that the field holds (`__rel_loc`).
    RelLoc,
}

/// One field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name after `name:`.
    pub name: String,
    /// Its C type as printed.
    pub ctype: String,
    /// Offset in the raw record, bytes.
    pub offset: u32,
    /// Size in the raw record, bytes.
    pub size: u32,
    /// Whether it is signed.
    pub signed: bool,
    /// Where the value itself is.
    pub place: FieldLocation,
}

/// An event's layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFormat {
    /// Name without the group: `damon_aggregated`.
    pub name: String,
    /// Its number: `common_type` in records, `config` for perf.
    pub id: u32,
    /// All fields, the common ones included.
    pub fields: Vec<Field>,
    /// The text it was made from.
    pub text: String,
}

/// As a record keeps it.
impl From<&EventFormat> for TracepointFormat {
    fn from(format: &EventFormat) -> Self {
        Self { event: format!("damon:{}", format.name), text: format.text.clone() }
    }
}

impl EventFormat {
    /// Reads a `format` file's text.
    ///
    /// # Errors
    /// If it is not one.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        if text.len() > MAX_TEXT {
            return Err(FormatError::TooLong(text.len()));
        }
        let (mut name, mut id, mut fields) = (None, None, Vec::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix("name:") {
                name = Some(rest.trim().to_owned());
            } else if let Some(rest) = line.strip_prefix("ID:") {
                id = rest.trim().parse().ok();
            } else if line.starts_with("field:") {
                let field = parse_field(line)
                    .ok_or(FormatError::Field { line: at + 1, text: line.chars().take(80).collect() })?;
                if fields.len() == MAX_FIELDS {
                    return Err(FormatError::TooLong(text.len()));
                }
                fields.push(field);
            } else if line.starts_with("print fmt:") {
                break;
            }
        }
        Ok(Self {
            name: name.ok_or(FormatError::NoLine("name:"))?,
            id: id.ok_or(FormatError::NoLine("ID:"))?,
            fields,
            text: text.to_owned(),
        })
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// `field:unsigned long start; offset:24; size:8; signed:0;`, parted by tabs.
fn parse_field(line: &str) -> Option<Field> {
    let mut parts = line.split(';').map(str::trim);
    let declaration = parts.next()?.strip_prefix("field:")?.trim();
    let (mut offset, mut size, mut signed) = (None, None, false);
    for part in parts {
        match part.split_once(':') {
            Some(("offset", value)) => offset = value.trim().parse::<u32>().ok(),
            Some(("size", value)) => size = value.trim().parse::<u32>().ok(),
            Some(("signed", value)) => signed = value.trim() == "1",
            _ => {}
        }
    }
    let (offset, size) = (offset?, size?);
    if offset > MAX_OFFSET || size > MAX_OFFSET {
        return None;
    }
    let (ctype, name) = declaration.rsplit_once(char::is_whitespace)?;
    let place = if ctype.starts_with("__data_loc") {
        FieldLocation::DataLoc
    } else if ctype.starts_with("__rel_loc") {
        FieldLocation::RelLoc
    } else {
        FieldLocation::Inline
    };
    let name = name.split('[').next()?.trim_start_matches('*');
    if name.is_empty() {
        return None;
    }
    Some(Field { name: name.to_owned(), ctype: ctype.trim().to_owned(), offset, size, signed, place })
}
