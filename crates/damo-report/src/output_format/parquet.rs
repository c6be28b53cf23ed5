//! Apache Parquet, for other programs: types and nulls are kept.

use crate::ReportError;
use crate::table::Table;
use polars_io::prelude::ParquetWriter;
use std::io::Write;

pub(super) fn write(table: &mut Table, out: &mut dyn Write) -> Result<(), ReportError> {
    ParquetWriter::new(out).finish(&mut table.frame)?;
    Ok(())
}
