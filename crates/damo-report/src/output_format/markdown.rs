//! Markdown tables, aligned so that they read well as plain text too.

use super::cell::{Cell, columns, float_text};
use crate::ReportError;
use crate::table::Table;
use damo_model::human::Show;
use std::io::{BufWriter, Write};

pub(super) fn write(tables: &[Table], out: &mut dyn Write) -> Result<(), ReportError> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    for (i, table) in tables.iter().enumerate() {
        if tables.len() > 1 {
            writeln!(out, "{}### {}\n", if i == 0 { "" } else { "\n" }, table.name)?;
        }
        one(table, true, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

/// One table, with or without its head. Cells are as wide as the widest of these rows.
pub(super) fn one(table: &Table, head: bool, out: &mut dyn Write) -> Result<(), ReportError> {
    {
        let columns = columns(&table.frame)?;
        let rows: Vec<Vec<String>> = (0..table.frame.height())
            .map(|row| columns.iter().map(|(_, cells)| shown(cells.get(row))).collect())
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(columns.get(column).map(|(name, _)| name.chars().count())).max().unwrap_or(0).max(4)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        if head {
            for ((name, cells), width) in columns.iter().zip(&widths) {
                write!(out, "{}", padded(name, *width, cells.is_number()))?;
            }
            out.write_all(b"|\n")?;
            for ((_, cells), width) in columns.iter().zip(&widths) {
                let number = cells.is_number();
                write!(out, "| {}{} ", "-".repeat(width - usize::from(number)), if number { ":" } else { "" })?;
            }
            out.write_all(b"|\n")?;
        }
        for row in &rows {
            for ((cell, width), (_, cells)) in row.iter().zip(&widths).zip(&columns) {
                write!(out, "{}", padded(cell, *width, cells.is_number()))?;
            }
            out.write_all(b"|\n")?;
        }
    }
    Ok(())
}

fn padded(text: &str, width: usize, right: bool) -> String {
    if right { format!("| {text:>width$} ") } else { format!("| {text:<width$} ") }
}

fn shown(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Bool(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) if !value.is_finite() => String::new(),
        Cell::Float(value) => float_text(value),
        Cell::Text(value) => escaped(value),
    }
}

/// Text that Markdown shows as it is: punctuation that means something there stands behind a backslash, and what would
/// not be seen is escaped.
fn escaped(text: &str) -> String {
    // `[heap]` alone is no link, and reads better without backslashes.
    let may_link = text.contains("](") || text.contains("][");
    let mut safe = String::with_capacity(text.len());
    for c in text.shown().to_string().chars() {
        let means = matches!(c, '\\' | '`' | '*' | '<' | '>' | '|' | '~' | '&') || matches!(c, '[' | ']') && may_link;
        if means {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_cannot_break_a_table_or_make_links_and_markup() {
        assert_eq!(escaped("a|b\nc"), r"a\|b\\nc");
        assert_eq!(escaped("<img src=x> [x](javascript:y) `c`"), r"\<img src=x\> \[x\](javascript:y) \`c\`");
        assert_eq!(escaped("[heap] + 2 more /usr/lib/a_b.so"), "[heap] + 2 more /usr/lib/a_b.so");
    }
}
