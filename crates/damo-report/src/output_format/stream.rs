//! A table that is written piece by piece, for tables that do not fit in memory.

use super::{Form, csv, json, markdown};
use crate::ReportError;
use crate::table::Table;
use polars_io::parquet::write::{BatchedWriter, ParquetWriter};
use std::io::{BufWriter, Write};

/// A report's only table in the making.
pub struct Stream<'o> {
    form: Form,
    report: &'static str,
    out: Option<BufWriter<&'o mut dyn Write>>,
    parquet: Option<BatchedWriter<BufWriter<&'o mut dyn Write>>>,
    pieces: u64,
    rows: u64,
}

impl<'o> Stream<'o> {
    /// A table of `report`, to be written to `out`.
    pub fn new(form: Form, report: &'static str, out: &'o mut dyn Write) -> Self {
        Self { form, report, out: Some(BufWriter::with_capacity(1 << 16, out)), parquet: None, pieces: 0, rows: 0 }
    }

    /// Writes more rows; all pieces have the same columns.
    ///
    /// # Errors
    /// If the place takes no more.
    pub fn push(&mut self, piece: &Table) -> Result<(), ReportError> {
        let first = self.pieces == 0;
        self.pieces += 1;
        match (self.form, &mut self.out) {
            (Form::Parquet, out) => {
                if let Some(out) = out.take() {
                    self.parquet = Some(ParquetWriter::new(out).batched(piece.frame.schema())?);
                }
                if let Some(writer) = &mut self.parquet
                    && piece.frame.height() > 0
                {
                    writer.write_batch(&piece.frame)?;
                }
            }
            (Form::Csv, Some(out)) => csv::write(piece, first, out)?,
            (Form::Markdown, Some(out)) => markdown::one(piece, first, out)?,
            (Form::Json, Some(out)) => {
                if first {
                    json::head(self.report, piece.name, out)?;
                }
                json::rows(piece, self.rows == 0, out)?;
            }
            (_, None) => {}
        }
        self.rows += piece.frame.height() as u64;
        Ok(())
    }

    /// Writes what comes after the rows.
    ///
    /// # Errors
    /// If the place takes no more.
    pub fn finish(mut self) -> Result<(), ReportError> {
        if let Some(writer) = &mut self.parquet {
            writer.finish()?;
        }
        if let Some(mut out) = self.out.take() {
            if self.form == Form::Json && self.pieces > 0 {
                json::tail(&mut out)?;
            }
            out.flush()?;
        }
        Ok(())
    }
}
