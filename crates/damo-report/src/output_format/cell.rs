//! Typed access to a frame's columns, so that each form writes cells without going through `AnyValue`.

use crate::ReportError;
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Float64Chunked, Int64Chunked, StringChunked, UInt32Chunked,
    UInt64Chunked,
};

/// The value of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    UInt(u64),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

/// The values of a column.
pub(super) enum Cells<'a> {
    U64(&'a UInt64Chunked),
    U32(&'a UInt32Chunked),
    I64(&'a Int64Chunked),
    F64(&'a Float64Chunked),
    Bool(&'a BooleanChunked),
    Text(&'a StringChunked),
    Empty,
}

impl<'a> Cells<'a> {
    pub(super) fn of(column: &'a Column) -> Result<Self, ReportError> {
        Ok(match column.dtype() {
            DataType::UInt64 => Cells::U64(column.u64()?),
            DataType::UInt32 => Cells::U32(column.u32()?),
            DataType::Int64 => Cells::I64(column.i64()?),
            DataType::Float64 => Cells::F64(column.f64()?),
            DataType::Boolean => Cells::Bool(column.bool()?),
            DataType::String => Cells::Text(column.str()?),
            DataType::Null => Cells::Empty,
            other => {
                let message = format!("column {} has type {other}, which no output form knows", column.name());
                return Err(ReportError::invalid(message));
            }
        })
    }

    pub(super) fn is_number(&self) -> bool {
        !matches!(self, Cells::Bool(_) | Cells::Text(_))
    }

    pub(super) fn get(&self, row: usize) -> Cell<'a> {
        match self {
            Cells::U64(values) => values.get(row).map_or(Cell::Null, Cell::UInt),
            Cells::U32(values) => values.get(row).map_or(Cell::Null, |value| Cell::UInt(value.into())),
            Cells::I64(values) => values.get(row).map_or(Cell::Null, Cell::Int),
            Cells::F64(values) => values.get(row).map_or(Cell::Null, Cell::Float),
            Cells::Bool(values) => values.get(row).map_or(Cell::Null, Cell::Bool),
            Cells::Text(values) => values.get(row).map_or(Cell::Null, Cell::Text),
            Cells::Empty => Cell::Null,
        }
    }
}

/// A finite float with its point: who guesses types from the first rows of a table must not take `0` for an integer.
pub(super) fn float_text(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

/// A frame's columns.
pub(super) fn columns(frame: &DataFrame) -> Result<Vec<(&str, Cells<'_>)>, ReportError> {
    frame.columns().iter().map(|column| Ok((column.name().as_str(), Cells::of(column)?))).collect()
}
