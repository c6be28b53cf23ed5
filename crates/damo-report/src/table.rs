//! A report's result as tables: what every output form but text is made from.
//!
//! A column is defined where it is made: its name, what it is, and its type, which follows from the values. docs/tables.md is
//! generated from that. Columns keep their names, types and units; new ones are added at the end.

use crate::ReportError;
use crate::zero::Zero;
use damo_model::Nanos;
use polars::prelude::{ChunkApply, Column, DataFrame, IntoSeries, NamedFrom, Series};
use std::borrow::Cow;

/// Columns of moments. All other columns of nanoseconds are durations.
pub const MOMENTS: [&str; 5] = ["start_ns", "end_ns", "at_ns", "time_ns", "mean_from_ns"];

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name, with its unit if that is not bytes.
    pub name: Cow<'static, str>,
    /// What it holds, in words; empty where the name says all.
    pub about: &'static str,
    /// Whether a value may be unknown.
    pub may_be_null: bool,
}

/// A named table. The first table of a report is its main one.
#[derive(Clone, Debug)]
pub struct Table {
    /// Stable name, such as `percentiles`.
    pub name: &'static str,
    /// The rows, in columns.
    pub frame: DataFrame,
    /// What the columns are, in their order.
    pub columns: Vec<ColumnInfo>,
}

/// A value of a cell.
pub trait CellValue: Sized {
    /// Whether it may be unknown.
    const MAY_BE_NULL: bool;

    /// Values below one another.
    fn series(values: Vec<Self>) -> Series;
}

macro_rules! cell_values {
    ($($type:ty: $null:literal),*) => {
        $(impl CellValue for $type {
            const MAY_BE_NULL: bool = $null;

            fn series(values: Vec<Self>) -> Series {
                Series::new("".into(), values)
            }
        })*
    };
}

cell_values!(u64: false, u32: false, i64: false, f64: false, bool: false, String: false, &str: false);
cell_values!(Option<u64>: true, Option<u32>: true, Option<i64>: true, Option<f64>: true, Option<String>: true);
cell_values!(Option<&str>: true);

/// A table in the making: its rows, and the columns that were taken of them.
#[derive(Debug)]
pub struct TableRows<'r, R> {
    rows: &'r [R],
    columns: Vec<Column>,
    table: Table,
}

impl<'r, R> TableRows<'r, R> {
    /// Adds a column: its name, what it is, and its value of each row.
    pub fn col<V: CellValue>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        about: &'static str,
        value: impl Fn(&'r R) -> V,
    ) -> Self {
        let name = name.into();
        let values = V::series(self.rows.iter().map(value).collect());
        self.columns.push(values.with_name((&*name).into()).into());
        self.table.columns.push(ColumnInfo { name, about, may_be_null: V::MAY_BE_NULL });
        self
    }

    /// Adds a column for each of these probes; `hits` gives the hits of them in a row, in their order.
    pub(crate) fn probe_hits(self, probes: &[u16], hits: impl Fn(&'r R) -> &'r [u64]) -> Self {
        probes.iter().enumerate().fold(self, |table, (at, probe)| {
            let about = "samples in which this probe hit; only if the record has hits of probes";
            table.col(format!("probe_hits_{probe}"), about, |row| hits(row).get(at).copied().unwrap_or(0))
        })
    }

    /// The table.
    ///
    /// # Errors
    /// If two columns have one name.
    pub fn table(mut self) -> Result<Table, ReportError> {
        self.table.frame = DataFrame::new(self.rows.len(), self.columns)?;
        Ok(self.table)
    }
}

impl Table {
    /// Begins a table with a row for each of `rows`.
    pub fn of<'r, R>(name: &'static str, rows: &'r [R]) -> TableRows<'r, R> {
        TableRows { rows, columns: Vec::new(), table: Table { name, frame: DataFrame::empty(), columns: Vec::new() } }
    }

    /// The same with its moments counted from `zero`; they are made on the record's clock.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn since(mut self, zero: Zero) -> Result<Self, ReportError> {
        for name in MOMENTS {
            let Ok(column) = self.frame.column(name) else { continue };
            let moments = column.i64()?.apply_values(|at| zero.since(Nanos(at)).0);
            self.frame.with_column(moments.into_series().into())?;
        }
        Ok(self)
    }

    /// The same with a last column that names the record.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn of_record(mut self, record: &str) -> Result<Self, ReportError> {
        let names = vec![record; self.frame.height()];
        self.frame.with_column(Column::new("record".into(), names))?;
        self.columns.push(ColumnInfo { name: "record".into(), about: "the record's name", may_be_null: false });
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
}
