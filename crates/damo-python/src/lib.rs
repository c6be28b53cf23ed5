//! The Python module `damo`: records are opened, and reported on as by the command line. Tables go to other libraries by
//! Arrow's C stream interface, without a copy.
//!
//! What users see is described in `python/damo/__init__.pyi`.

mod record;
mod report;
mod table;
mod tables;

use damo_model::Nanos;
use pyo3::exceptions::PyException;
use pyo3::{PyErr, create_exception};
use std::fmt::Display;

create_exception!(damo, DamoError, PyException, "What went wrong with a record, in a sentence.");

/// An error of any of our crates, for Python.
fn failed(error: impl Display) -> PyErr {
    DamoError::new_err(error.to_string())
}

/// Seconds, as Python's users have them.
fn nanos(seconds: f64) -> Nanos {
    Nanos((seconds * 1e9).round() as i64)
}

/// What `damo/__init__.py` gives on.
#[pyo3::pymodule(name = "_damo")]
mod module {
    #[pymodule_export]
    use super::DamoError;
    #[pymodule_export]
    use super::record::{PyRecord, open};
    #[pymodule_export]
    use super::report::PyReport;
    #[pymodule_export]
    use super::table::PyTable;

    /// The version of the project.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "what Python calls it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
