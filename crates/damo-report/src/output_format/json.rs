//! JSON: one object, a row of a table on each line.

use super::cell::{Cell, columns};
use crate::ReportError;
use crate::table::Table;
use damo_model::human::plain_json;
use std::io::{BufWriter, Write};

pub(super) fn write(report: &str, tables: &[Table], out: &mut dyn Write) -> Result<(), ReportError> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    write!(out, "{{\n  \"report\": {},\n  \"tables\": {{", quoted(report)?)?;
    for (i, table) in tables.iter().enumerate() {
        write!(out, "{}\n    {}: [", if i == 0 { "" } else { "," }, quoted(table.name)?)?;
        rows(table, true, &mut out)?;
        out.write_all(if table.frame.height() == 0 { b"]" } else { b"\n    ]" })?;
    }
    out.write_all(b"\n  }\n}\n")?;
    out.flush()?;
    Ok(())
}

/// What comes before the rows of a report's only table.
pub(super) fn head(report: &str, table: &str, out: &mut dyn Write) -> Result<(), ReportError> {
    Ok(write!(out, "{{\n  \"report\": {},\n  \"tables\": {{\n    {}: [", quoted(report)?, quoted(table)?)?)
}

/// And what comes after them.
pub(super) fn tail(out: &mut dyn Write) -> Result<(), ReportError> {
    Ok(out.write_all(b"\n    ]\n  }\n}\n")?)
}

/// Rows; `first` if none were written before.
pub(super) fn rows(table: &Table, first: bool, out: &mut dyn Write) -> Result<(), ReportError> {
    let columns = columns(&table.frame)?;
    let mut names = Vec::new();
    for (name, _) in &columns {
        names.push(quoted(name)?);
    }
    for row in 0..table.frame.height() {
        out.write_all(if first && row == 0 { b"\n      {" } else { b",\n      {" })?;
        for (i, ((_, cells), name)) in columns.iter().zip(&names).enumerate() {
            write!(out, "{}{name}: ", if i == 0 { "" } else { ", " })?;
            match cells.get(row) {
                Cell::Null => out.write_all(b"null")?,
                Cell::Bool(value) => write!(out, "{value}")?,
                Cell::UInt(value) => write!(out, "{value}")?,
                Cell::Int(value) => write!(out, "{value}")?,
                // JSON has neither infinities nor not-a-number.
                Cell::Float(value) if !value.is_finite() => out.write_all(b"null")?,
                Cell::Float(value) => write!(out, "{value:?}")?,
                Cell::Text(value) => out.write_all(quoted(value)?.as_bytes())?,
            }
        }
        out.write_all(b"}")?;
    }
    Ok(())
}

/// A JSON string. What JSON may hold as it is, but a terminal obeys or hides, is escaped, too: the value is the same.
fn quoted(text: &str) -> Result<String, ReportError> {
    let json = serde_json::to_string(text).map_err(|error| ReportError::Write(error.into()))?;
    Ok(plain_json(&json).into_owned())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_reads_back_the_same() {
        let name = "a\u{1b}]0;x\u{7}\n\u{202e}\u{9b}\u{7f}\u{e0041}größe\"";
        let json = quoted(name).unwrap();
        assert!(json.chars().all(|c| !c.is_control()) && !json.contains(['\u{202e}', '\u{e0041}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }
}
