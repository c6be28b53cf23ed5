//! Parquet, with the encodings that take the fewest bytes for what records hold.
//!
//! Polars' own writer of files puts every number into a dictionary. Moments and ages grow, so that their differences take less,
//! and addresses and sizes that come back snapshot after snapshot are found again by zstd only if they are written as they are.
//! Both encodings are those that engines have known for years.

use crate::columns::{ExportedColumn, ExportedTable, Kind};
use polars::error::{PolarsError, PolarsResult};
use polars::prelude::{CompatLevel, DataFrame, Schema, SchemaExt};
use polars_parquet::read::ParquetError;
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Compressor, DynIter, DynStreamingIterator, Encoding, FallibleStreamingIterator,
    FileWriter, StatisticsOptions, Version, WriteOptions, ZstdLevel, array_to_columns,
};
use std::io::Write;

/// The level of zstd: a higher one takes several times as long for a percent.
const LEVEL: i32 = 9;

/// A Parquet file in the making.
pub(crate) struct ParquetFile<W: Write> {
    writer: FileWriter<W>,
    encodings: Vec<Encoding>,
    options: WriteOptions,
}

impl<W: Write> ParquetFile<W> {
    /// A file of a table, which is written into `writer`.
    ///
    /// # Errors
    /// If Parquet has no such columns.
    pub(crate) fn new(writer: W, table: ExportedTable) -> PolarsResult<Self> {
        let field = |column: &ExportedColumn| (column.name.into(), column.kind.data_type());
        let schema: Schema = table.columns.iter().map(field).collect();
        let options = WriteOptions {
            statistics: StatisticsOptions { distinct_count: false, ..StatisticsOptions::default() },
            version: Version::V1,
            compression: CompressionOptions::Zstd(Some(ZstdLevel::try_new(LEVEL)?)),
            data_page_size: None,
        };
        let writer = FileWriter::try_new(writer, schema.to_arrow(CompatLevel::newest()), options)?;
        Ok(Self { writer, encodings: table.columns.iter().map(encoding).collect(), options })
    }

    /// Adds rows, which have the table's columns in their order, as a row group.
    ///
    /// # Errors
    /// If the file takes no more.
    pub(crate) fn write(&mut self, mut rows: DataFrame) -> PolarsResult<()> {
        // Each chunk would be a row group of its own.
        rows.rechunk_mut();
        for batch in rows.iter_chunks(CompatLevel::newest(), false).filter(|batch| !batch.is_empty()) {
            let mut columns = Vec::with_capacity(self.encodings.len());
            let kinds = self.writer.parquet_schema().fields();
            for ((array, kind), encoding) in batch.columns().iter().zip(kinds).zip(&self.encodings) {
                for pages in array_to_columns(array, kind.clone(), self.options, &[*encoding])? {
                    let pages = pages.map(|page| {
                        page.map_err(|error| ParquetError::FeatureNotSupported(format!("a page of Parquet: {error}")))
                    });
                    let pages = Compressor::new_from_vec(pages, self.options.compression, Vec::new());
                    columns.push(Ok(DynStreamingIterator::<CompressedPage, PolarsError>::new(
                        pages.map_err(PolarsError::from),
                    )));
                }
            }
            self.writer.write(batch.len() as u64, DynIter::new(columns.into_iter()))?;
        }
        Ok(())
    }

    /// Ends the file: its size in bytes. Without Polars' own description of the columns, which repeats Parquet's and is as large
    /// as a short record.
    ///
    /// # Errors
    /// If the file takes no more.
    pub(crate) fn finish(mut self) -> PolarsResult<u64> {
        self.writer.end(Some(Vec::new()))
    }
}

/// How a column's values are written. Measured on recordings of three services and on simulated ones: docs/fleet.md, "Size".
fn encoding(column: &ExportedColumn) -> Encoding {
    match (column.kind, column.name) {
        (Kind::Truth, _) | (Kind::Number, "start" | "size") => Encoding::Plain,
        (Kind::Number, "wall_ns" | "start_ns" | "at_ns" | "age") => Encoding::DeltaBinaryPacked,
        (Kind::Number | Kind::Text, _) => Encoding::RleDictionary,
    }
}
