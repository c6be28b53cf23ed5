//! Records as a data set that the engines of many hosts read: Parquet, partitioned as Hive does it.
//!
//! `DIR/table=T/date=YYYY-MM-DD/host=H/RECORD.parquet`, where RECORD is made of the checksums of the record's blocks: exporting a
//! record once more changes nothing. Each file appears when it is whole. [`VERSION`] is that of the columns, which [`tables`] lists;
//! docs/fleet.md tells what engines make of them.
#![forbid(unsafe_code)]

mod columns;
mod date;
mod error;
mod export;
mod parquet;
mod writer;

pub use columns::{ExportedColumn, ExportedTable, tables};
pub use date::parse_moment;
pub use error::ExportError;
pub use export::{ExportOptions, Exported, check_version, export, is_there};
pub use writer::ExportedFile;

/// The version of the data set's columns. Columns are added without a new one; a new one means that old queries may be wrong.
pub const VERSION: u32 = 1;
