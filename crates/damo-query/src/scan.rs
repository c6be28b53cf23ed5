//! A table as Polars sees it: it says which columns and rows it needs, and only those are decoded.

use crate::blocks::{BlockTable, for_each_batch};
use crate::prune::{Bounds, columns_of};
use crate::source::{Source, Sources};
use damo_frame::FrameError;
use damo_model::Selection;
use damo_report::ReportError;
use polars::error::{PolarsError, polars_err};
use polars::prelude::{AnonymousScan, AnonymousScanArgs, DataFrame, Expr, IntoLazy, PolarsResult, SchemaRef};
use std::any::Any;
use std::sync::Arc;

/// A table whose rows are made when Polars asks for them.
pub(crate) struct Scan<T> {
    /// What makes the rows.
    pub table: T,
    /// Of which records.
    pub sources: Arc<Sources>,
    /// Its columns, without rows.
    pub empty: DataFrame,
}

/// Takes rows; whether more are wanted.
pub(crate) type Take<'t> = dyn FnMut(DataFrame) -> Result<bool, ScanError> + 't;

/// What a question needs of a table.
pub(crate) struct Needed<'n> {
    /// Names of columns.
    pub(crate) names: &'n [String],
    /// Rows that are not within these are not needed.
    pub(crate) bounds: Option<Bounds>,
}

/// What makes the rows of a table.
pub(crate) trait Rows: Send + Sync + 'static {
    /// Gives `take` a record's rows, with the columns that are needed, until it wants no more. Rows that are not needed may be
    /// left out.
    ///
    /// # Errors
    /// When the record cannot be read, and those of `take`.
    fn for_each(&self, source: &Source, needed: &Needed<'_>, take: &mut Take<'_>) -> Result<(), ScanError>;
}

impl Rows for BlockTable {
    fn for_each(&self, source: &Source, needed: &Needed<'_>, take: &mut Take<'_>) -> Result<(), ScanError> {
        let selection = match &needed.bounds {
            Some(bounds) => bounds.selection(*self, source)?,
            None => Some(Selection::all()),
        };
        selection.map_or(Ok(()), |selection| for_each_batch(*self, source, &selection, needed.names, take))
    }
}

/// An error of reading on its way through Polars.
pub(crate) struct ScanError(PolarsError);

impl From<PolarsError> for ScanError {
    fn from(error: PolarsError) -> Self {
        Self(error)
    }
}

impl From<FrameError> for ScanError {
    fn from(error: FrameError) -> Self {
        Self(polars_err!(ComputeError: "{error}"))
    }
}

impl From<ReportError> for ScanError {
    fn from(error: ReportError) -> Self {
        Self(polars_err!(ComputeError: "{error}"))
    }
}

impl<T: Rows> Scan<T> {
    /// The columns that are decoded: those that are wanted, then those that only the condition needs.
    fn names(&self, wanted: &[String], condition: Option<&Expr>) -> Vec<String> {
        let mut names = wanted.to_vec();
        for name in condition.into_iter().flat_map(columns_of) {
            if !names.iter().any(|known| known == name) && self.empty.column(name).is_ok() {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// The rows that pass the condition, at most `most` of them. This runs on a thread of Polars', which must not wait for
    /// others of its kind: other threads only decode, and the condition is applied here.
    fn rows(&self, wanted: &[String], condition: Option<&Expr>, most: usize) -> Result<DataFrame, ScanError> {
        let names = self.names(wanted, condition);
        let needed = Needed { names: &names, bounds: condition.map(Bounds::of) };
        let mut found = self.empty.select(wanted.iter().map(String::as_str))?;
        for source in &self.sources.all {
            self.table.for_each(source, &needed, &mut |rows| {
                let rows = match condition {
                    Some(condition) => rows.lazy().filter(condition.clone()).collect()?,
                    None => rows,
                };
                found.vstack_mut_owned(rows.select(wanted.iter().map(String::as_str))?)?;
                Ok(found.height() < most)
            })?;
        }
        Ok(if found.height() > most { found.head(Some(most)) } else { found })
    }
}

impl<T: Rows> AnonymousScan for Scan<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn scan(&self, args: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let all = || self.empty.get_column_names().into_iter().map(ToString::to_string).collect();
        let wanted: Vec<String> = match &args.with_columns {
            Some(names) => names.iter().map(|name| name.to_string()).collect(),
            None => all(),
        };
        self.rows(&wanted, args.predicate.as_ref(), args.n_rows.unwrap_or(usize::MAX)).map_err(|ScanError(error)| error)
    }

    fn schema(&self, _: Option<usize>) -> PolarsResult<SchemaRef> {
        Ok(Arc::clone(self.empty.schema()))
    }

    fn allows_predicate_pushdown(&self) -> bool {
        true
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }
}
