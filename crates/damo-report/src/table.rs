//! A report's result as tables: what every output form but text is made from.
//!
//! Columns have the types and units that the report documents and keep their names; new columns are added at the end.

use crate::ReportError;
use crate::zero::Zero;
use damo_model::Nanos;
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// Columns of moments. All other columns of nanoseconds are durations.
pub const MOMENTS: [&str; 5] = ["start_ns", "end_ns", "at_ns", "time_ns", "mean_from_ns"];

/// A named table. The first table of a report is its main one.
#[derive(Clone, Debug)]
pub struct Table {
    /// Stable name, such as `percentiles`.
    pub name: &'static str,
    /// The rows.
    pub frame: DataFrame,
}

/// The values of one column.
#[derive(Debug)]
pub struct Cells(Series);

macro_rules! cells_from {
    ($($type:ty),*) => {
        $(impl From<Vec<$type>> for Cells {
            fn from(values: Vec<$type>) -> Self {
                Cells(Series::new("".into(), values))
            }
        })*
    };
}

cells_from!(u64, u32, i64, f64, bool, String, Option<u64>, Option<u32>, Option<i64>, Option<f64>, Option<String>);

impl Table {
    /// A table of columns of equal length.
    ///
    /// # Errors
    /// If they differ in length.
    pub fn new(name: &'static str, columns: Vec<(&str, Cells)>) -> Result<Self, ReportError> {
        let rows = columns.first().map_or(0, |(_, cells)| cells.0.len());
        let columns = columns.into_iter().map(|(name, cells)| Column::from(cells.0.with_name(name.into())));
        Ok(Self { name, frame: DataFrame::new(rows, columns.collect())? })
    }

    /// The same with its moments counted from `zero`; they are made on the record's clock.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn since(mut self, zero: Zero) -> Result<Self, ReportError> {
        for name in MOMENTS {
            let Ok(column) = self.frame.column(name) else { continue };
            let moments = column.i64()?.iter().map(|at| at.map(|at| zero.since(Nanos(at)).0)).collect::<Vec<_>>();
            self.push(name, moments.into())?;
        }
        Ok(self)
    }

    /// The same with a last column that names the record.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn of_record(mut self, record: &str) -> Result<Self, ReportError> {
        let names = vec![record.to_owned(); self.frame.height()];
        self.push("record", names.into())?;
        Ok(self)
    }

    /// Adds the rows of a table of the same columns.
    ///
    /// # Errors
    /// If the columns differ.
    pub fn append(&mut self, other: &Table) -> Result<(), ReportError> {
        self.frame.vstack_mut(&other.frame)?;
        Ok(())
    }

    /// Adds a column at the end.
    ///
    /// # Errors
    /// If it is longer or shorter than the others.
    pub fn push(&mut self, name: &str, cells: Cells) -> Result<(), ReportError> {
        self.frame.with_column(Column::from(cells.0.with_name(name.into())))?;
        Ok(())
    }
}
