//! Comma-separated values, RFC 4180 but for the line ends, which are Unix ones.

use super::cell::{Cell, columns, float_text};
use crate::ReportError;
use crate::table::Table;
use std::io::{self, BufWriter, Write};

pub(super) fn write(table: &Table, head: bool, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let columns = columns(&table.frame)?;
    if head {
        for (i, (name, _)) in columns.iter().enumerate() {
            comma(&mut out, i)?;
            text(&mut out, name)?;
        }
        out.write_all(b"\n")?;
    }
    for row in 0..table.frame.height() {
        for (i, (_, cells)) in columns.iter().enumerate() {
            comma(&mut out, i)?;
            match cells.get(row) {
                Cell::Null => {}
                Cell::Bool(value) => write!(out, "{value}")?,
                Cell::UInt(value) => write!(out, "{value}")?,
                Cell::Int(value) => write!(out, "{value}")?,
                // Neither infinities nor not-a-number are numbers to everybody who reads CSV.
                Cell::Float(value) if !value.is_finite() => {}
                Cell::Float(value) => out.write_all(float_text(value).as_bytes())?,
                Cell::Text(value) => text(&mut out, value)?,
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

fn comma(out: &mut impl Write, column: usize) -> io::Result<()> {
    if column == 0 { Ok(()) } else { out.write_all(b",") }
}

fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    if text.contains(['"', ',', '\n', '\r']) {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
    }
}
