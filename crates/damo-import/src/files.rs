//! Records as files: the record itself and what lies beside it.

use crate::error::ImportError;
use crate::{Imported, Options, RawTrace, SideFiles, import_raw_trace, import_with_sides};
use damo_model::Sink;
use std::path::Path;

/// Reads the foreign record at `path`, with the side files beside it. A directory may hold raw pages of a trace:
/// [`RawTrace::read_dir`].
///
/// # Errors
/// If the file cannot be read, and as [`crate::import`].
pub fn import_path(path: &Path, options: &Options, sink: &mut dyn Sink) -> Result<Imported, ImportError> {
    if path.is_dir() {
        return import_raw_trace(&RawTrace::read_dir(path)?, &path.display().to_string(), options, sink);
    }
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(io)?;
    import_with_sides(&bytes, &path.display().to_string(), options, &SideFiles::beside(path), sink)
}
