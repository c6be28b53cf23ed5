//! What reports have in common.

use crate::picture::Picture;
use crate::table::Table;
use crate::{ReportError, Zero};
use std::io::{self, Write};

/// What was found in a recording, to be shown in any form.
pub trait Report {
    /// Its name on the command line and in files of tables.
    const NAME: &'static str;
    /// How text and picture are laid out.
    type Layout;

    /// The moment that shown times count from, for reports that show times.
    fn zero(&mut self) -> Option<&mut Zero> {
        None
    }

    /// The text.
    ///
    /// # Errors
    /// When `out` takes no more.
    fn write_text(&self, out: &mut dyn Write, layout: &Self::Layout) -> io::Result<()>;

    /// The tables; each report's say which columns there are.
    ///
    /// # Errors
    /// When Polars refuses a table.
    fn tables(&self) -> Result<Vec<Table>, ReportError>;

    /// The picture.
    fn picture(&self, layout: &Self::Layout) -> Box<dyn Picture + '_>;
}
