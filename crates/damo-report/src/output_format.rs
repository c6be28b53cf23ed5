//! The forms in which tables leave the program: one file for each.
//!
//! JSON and Markdown hold all tables of a report; CSV and Parquet hold one, the report's main table unless another is
//! named. Column names, types and units are the report's; a value that is not known is `null` (JSON, Parquet) or empty
//! (CSV, Markdown).

mod cell;
mod csv;
mod json;
mod markdown;
mod parquet;
mod stream;

pub use stream::Stream;

use crate::ReportError;
use crate::table::Table;
use std::io::Write;

damo_model::words! {
    /// A form in which tables leave the program.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Form {
        /// `{"report": NAME, "tables": {TABLE: [{COLUMN: VALUE, …}, …], …}}`.
        Json = "json",
        /// Comma-separated, with a header line (RFC 4180).
        Csv = "csv",
        /// Tables as GitHub shows them.
        Markdown = "markdown",
        /// Apache Parquet, for other programs.
        Parquet = "parquet",
    }
}

impl Form {
    /// Writes a report's tables. `only` names the one table wanted; without it, forms for one table take the first.
    ///
    /// # Errors
    /// If there is no such table, or `out` takes no more.
    pub fn write(
        self,
        report: &str,
        mut tables: Vec<Table>,
        only: Option<&str>,
        out: &mut dyn Write,
    ) -> Result<(), ReportError> {
        if let Some(only) = only {
            let names = tables.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
            tables.retain(|table| table.name == only);
            if tables.is_empty() {
                return Err(no_table(report, only, &names));
            }
        }
        match self {
            Form::Json => json::write(report, &tables, out),
            Form::Markdown => markdown::write(&tables, out),
            Form::Csv => tables.first().map_or(Ok(()), |table| csv::write(table, true, out)),
            Form::Parquet => tables.first_mut().map_or(Ok(()), |table| parquet::write(table, out)),
        }
    }
}

/// The error for a table that does not exist.
pub(crate) fn no_table(report: &str, wanted: &str, known: &str) -> ReportError {
    ReportError::invalid(format!("report {report} has no table '{wanted}'; it has {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<Table> {
        let rows = [("a", 1u64, Some(0.5), true), ("b, \"c\"\n|d", u64::MAX, None, false)];
        let main = Table::of("main", &rows).col("name", "", |row| row.0).col("bytes", "", |row| row.1);
        let main = main.col("share", "", |row| row.2).col("full", "", |row| row.3);
        let other = Table::of("other", &[(-5i64, 7u32)]).col("time_ns", "", |row| row.0).col("count", "", |row| row.1);
        vec![main.table().unwrap(), other.table().unwrap()]
    }

    fn text(form: Form, only: Option<&str>) -> String {
        let mut out = Vec::new();
        form.write("demo", tables(), only, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_holds_every_table_and_reads_back() {
        let value: serde_json::Value = serde_json::from_str(&text(Form::Json, None)).unwrap();
        assert_eq!(value["report"], "demo");
        assert_eq!(value["tables"]["main"][1]["name"], "b, \"c\"\n|d");
        assert_eq!(value["tables"]["main"][1]["bytes"], u64::MAX);
        assert!(value["tables"]["main"][1]["share"].is_null());
        assert_eq!(value["tables"]["other"][0]["time_ns"], -5);
    }

    #[test]
    fn csv_holds_one_table_with_quotes_where_needed() {
        let expected = "name,bytes,share,full\na,1,0.5,true\n\"b, \"\"c\"\"\n|d\",18446744073709551615,,false\n";
        assert_eq!(text(Form::Csv, None), expected);
        assert_eq!(text(Form::Csv, Some("other")), "time_ns,count\n-5,7\n");
    }

    #[test]
    fn markdown_keeps_bars_and_line_breaks_inside_their_cells() {
        let text = text(Form::Markdown, None);
        assert!(text.starts_with("### main\n\n| name "), "{text}");
        assert!(text.contains(r#"b, "c"\\n\|d"#), "{text}");
        assert!(text.contains("----: |"), "{text}");
    }

    #[test]
    fn parquet_reads_back_the_same() {
        use polars_io::prelude::{ParquetReader, SerReader};
        let mut out = Vec::new();
        Form::Parquet.write("demo", tables(), None, &mut out).unwrap();
        let frame = ParquetReader::new(std::io::Cursor::new(out)).finish().unwrap();
        assert!(frame.equals_missing(&tables()[0].frame));
    }

    #[test]
    fn a_table_that_is_not_there_is_an_error_that_names_those_that_are() {
        let error = Form::Csv.write("demo", tables(), Some("nope"), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "report demo has no table 'nope'; it has main, other");
    }
}
