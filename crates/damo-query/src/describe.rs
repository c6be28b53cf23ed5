//! Which tables and columns there are, in words.

use crate::blocks::BlockTable;
use crate::error::QueryError;
use crate::functions::FUNCTIONS;
use crate::samples;
use crate::side::SideTable;
use crate::source::Sources;
use damo_model::ColumnId;
use damo_report::{ReportError, Table};
use std::io::Write;

/// All tables, without rows, in the order of the document. The last columns of `regions` are examples: which of them there are
/// depends on the records.
///
/// # Errors
/// If a table has two columns of one name.
pub fn tables() -> Result<Vec<Table>, ReportError> {
    let extras: Vec<ColumnId> = [ColumnId::FILTER_PASSED].into_iter().chain(ColumnId::of_probe(0)).collect();
    let mut all = vec![BlockTable::Regions.empty(&extras)?, BlockTable::Snapshots.empty(&[])?];
    let none = Sources { all: Vec::new() };
    for table in SideTable::ALL {
        all.push(table.table(&none)?);
    }
    all.push(samples::empty()?);
    Ok(all)
}

/// The names of all tables.
pub(crate) fn names() -> Vec<&'static str> {
    let of_blocks = [BlockTable::Regions, BlockTable::Snapshots].map(BlockTable::name);
    of_blocks.into_iter().chain(SideTable::ALL.map(SideTable::name)).chain([samples::NAME]).collect()
}

/// Writes what a table holds, or all of them: each column's name, type and meaning.
///
/// # Errors
/// If there is no such table, or `out` takes no more.
pub fn describe(wanted: Option<&str>, out: &mut dyn Write) -> Result<(), QueryError> {
    let mut all = tables()?;
    if let Some(wanted) = wanted {
        all.retain(|table| table.name == wanted);
        if all.is_empty() {
            return Err(QueryError::NoSuchTable { wanted: wanted.to_owned(), known: names().join(", ") });
        }
    }
    let failed = |error: std::io::Error| QueryError::Report(error.into());
    for table in &all {
        writeln!(out, "{}", table.name).map_err(failed)?;
        let kinds: Vec<String> = table.frame.dtypes().iter().map(ToString::to_string).collect();
        let longest = table.columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
        for (column, kind) in table.columns.iter().zip(kinds) {
            let kind = if column.may_be_null { kind + ", null" } else { kind };
            let line = format!("  {:longest$}  {kind:<10}  {}", column.name, column.about);
            writeln!(out, "{}", line.trim_end()).map_err(failed)?;
        }
        writeln!(out).map_err(failed)?;
    }
    writeln!(out, "functions, beside those of Polars' SQL").map_err(failed)?;
    for (call, about) in FUNCTIONS {
        writeln!(out, "  {call}\n      {about}").map_err(failed)?;
    }
    Ok(())
}
