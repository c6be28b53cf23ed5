//! Tables as Python libraries take them: by Arrow's C stream interface in a PyCapsule.

use crate::failed;
use polars::prelude::{ArrowDataType, ArrowField, CompatLevel, DataFrame, PolarsResult, SchemaExt};
use polars_arrow::array::{Array, StructArray};
use polars_arrow::ffi::{ArrowArrayStream, export_iterator};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

/// A table, with named and typed columns.
#[pyclass(name = "Table", module = "damo", frozen)]
pub(crate) struct PyTable {
    name: String,
    frame: DataFrame,
}

impl PyTable {
    /// A table of this name.
    pub(crate) fn new(name: impl Into<String>, frame: DataFrame) -> Self {
        Self { name: name.into(), frame }
    }
}

#[pymethods]
impl PyTable {
    /// What it is called, such as `percentiles`.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The names of its columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.frame.get_column_names().into_iter().map(ToString::to_string).collect()
    }

    /// Rows and columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.frame.shape()
    }

    fn __len__(&self) -> usize {
        self.frame.height()
    }

    fn __repr__(&self) -> String {
        format!("<damo.Table {:?}: {} rows of {}>", self.name, self.frame.height(), self.columns().join(", "))
    }

    /// The rows as a stream of Arrow's, which shares the table's memory. A schema that is asked for is only a wish, which is not
    /// fulfilled, as the interface allows.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let stream = stream(&self.frame).map_err(failed)?;
        // The capsule's pointer is that of the stream, and a stream that nobody took is released with the capsule.
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}

/// The frame's chunks as Arrow's structures, one after the other.
fn stream(frame: &DataFrame) -> PolarsResult<ArrowArrayStream> {
    let mut frame = frame.clone();
    frame.align_chunks();
    // Texts as views, which is how Polars has them: anything else would be a copy.
    let level = CompatLevel::newest();
    let fields: Vec<ArrowField> = frame.schema().iter_fields().map(|field| field.to_arrow(level)).collect();
    let dtype = ArrowDataType::Struct(fields);
    let batches = frame.iter_chunks(level, false).map(|batch| {
        let rows = batch.len();
        let (_, columns) = batch.into_schema_and_arrays();
        let rows = StructArray::try_new(dtype.clone(), rows, columns, None)?;
        Ok(Box::new(rows) as Box<dyn Array>)
    });
    let batches: Vec<Box<dyn Array>> = batches.collect::<PolarsResult<_>>()?;
    Ok(export_iterator(Box::new(batches.into_iter().map(Ok)), ArrowField::new("".into(), dtype, false)))
}
