//! What reports have in common.

use crate::ReportError;
use crate::picture::Picture;
use crate::table::Table;
use std::io::Write;

/// What was found in a recording, to be shown in any form. Reports that are as large as the record hold the record instead of
/// what is found in it, and read it while they are written.
pub trait Report {
    /// Its name on the command line and in files of tables.
    const NAME: &'static str;
    /// The name of the report's only table, if that is as large as the record and comes in pieces: see [`Report::pieces`].
    const PIECES: Option<&'static str> = None;
    /// How text and picture are laid out.
    type Layout: Default;

    /// The text.
    ///
    /// # Errors
    /// When `out` takes no more, or the record cannot be read.
    fn write_text(&self, out: &mut dyn Write, layout: &Self::Layout) -> Result<(), ReportError>;

    /// The tables; docs/tables.md says which columns there are.
    ///
    /// # Errors
    /// When Polars refuses a table, or the record cannot be read.
    fn tables(&self) -> Result<Vec<Table>, ReportError>;

    /// A table that is made only if somebody names it, because it is as large as the record.
    ///
    /// # Errors
    /// As [`Report::tables`].
    fn large_table(&self, _name: &str) -> Result<Option<Table>, ReportError> {
        Ok(None)
    }

    /// Gives `push` the rows of the table [`Report::PIECES`], piece by piece.
    ///
    /// # Errors
    /// As [`Report::tables`], and whatever `push` returns.
    fn pieces(&self, _push: &mut dyn FnMut(Table) -> Result<(), ReportError>) -> Result<(), ReportError> {
        Ok(())
    }

    /// The picture.
    ///
    /// # Errors
    /// If there is none in this layout, or the record cannot be read.
    fn picture(&self, layout: &Self::Layout) -> Result<Box<dyn Picture + '_>, ReportError>;
}
