//! An open record.

use crate::report::{PyReport, report};
use crate::table::PyTable;
use crate::{failed, nanos, tables};
use damo_frame::{OpenOptions, Record};
use damo_model::{Selection, TimeSpan};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// A record: what a monitor saw of one host.
#[pyclass(name = "Record", module = "damo", frozen)]
pub(crate) struct PyRecord {
    records: Arc<[Record]>,
}

/// Opens a record of any kind that `damo` reads, which is told by its content.
#[pyfunction]
pub(crate) fn open(py: Python<'_>, path: PathBuf) -> PyResult<PyRecord> {
    let record = py.detach(|| Record::open(&path, &OpenOptions::default())).map_err(failed)?;
    Ok(PyRecord { records: Arc::new([record]) })
}

impl PyRecord {
    fn record(&self) -> PyResult<&Record> {
        self.records.first().ok_or_else(|| failed("there is no record"))
    }
}

#[pymethods]
impl PyRecord {
    /// Its name: that of the file.
    #[getter]
    fn name(&self) -> PyResult<String> {
        Ok(self.record()?.name().to_owned())
    }

    /// From the first snapshot's start to the last one's end, in seconds; None without snapshots.
    #[getter]
    fn seconds(&self) -> PyResult<Option<f64>> {
        Ok(self.record()?.time_span().map(|span| (span.end.0 - span.start.0) as f64 / 1e9))
    }

    /// What was found wanting when it was opened: damage, guesses of an import.
    #[getter]
    fn notes(&self) -> PyResult<Vec<String>> {
        let record = self.record()?;
        let damage = record.damage().iter().map(ToString::to_string);
        Ok(record.notes().iter().cloned().chain(damage).collect())
    }

    /// The names of the tables.
    #[getter]
    fn tables(&self) -> [&'static str; tables::NAMES.len()] {
        tables::NAMES
    }

    /// A table. `time_range` is in seconds since the recording began: snapshots that overlap it, of regions and snapshots.
    #[pyo3(signature = (name, *, time_range=None))]
    fn table(&self, py: Python<'_>, name: &str, time_range: Option<(f64, f64)>) -> PyResult<PyTable> {
        let record = self.record()?;
        let began = record.began();
        let time = time_range.map(|(from, to)| {
            let at = |seconds| nanos(seconds).saturating_add(began);
            TimeSpan { start: at(from), end: at(to) }
        });
        let selection = Selection { time, ..Selection::all() };
        let frame = py.detach(|| tables::table(record, name, &selection)).map_err(failed)?;
        match frame {
            Some(frame) => Ok(PyTable::new(name, frame)),
            None => {
                let known = tables::NAMES.join(", ");
                Err(PyKeyError::new_err(format!("there is no table {name:?}; there are {known}")))
            }
        }
    }

    /// A report. `time_range` is in seconds since the recording began, both ends included.
    #[pyo3(signature = (name, *, time_range=None))]
    fn report(&self, py: Python<'_>, name: &str, time_range: Option<(f64, f64)>) -> PyResult<PyReport> {
        report(py, &self.records, name, time_range)
    }

    fn __repr__(&self) -> PyResult<String> {
        let record = self.record()?;
        let totals = record.totals();
        Ok(format!(
            "<damo.Record {:?}: {} snapshots of {} targets>",
            record.name(),
            totals.snapshots,
            record.targets().len()
        ))
    }
}
