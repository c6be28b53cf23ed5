//! JSON: one object, a row of a table on each line.

use super::cell::{Cell, columns};
use crate::ReportError;
use crate::table::Table;
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

fn quoted(text: &str) -> Result<String, ReportError> {
    serde_json::to_string(text).map_err(|error| ReportError::Write(error.into()))
}
