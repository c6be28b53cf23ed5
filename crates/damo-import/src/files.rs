//! Records as files: the record itself and what lies beside it.

use crate::error::ImportError;
use crate::{Imported, Options, SideFiles, import_with_sides};
use damo_model::Sink;
use std::path::Path;

/// Reads the foreign record at `path`, with the side files beside it.
///
/// # Errors
/// If the file cannot be read, and as [`crate::import`].
pub fn import_path(path: &Path, options: &Options, sink: &mut dyn Sink) -> Result<Imported, ImportError> {
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(io)?;
    import_with_sides(&bytes, &path.display().to_string(), options, &SideFiles::beside(path), sink)
}
