//! A table of blocks as Polars sees it: it says which columns and rows it needs, and only those are decoded.

use crate::blocks::{BlockTable, for_each_batch};
use crate::prune::{Bounds, columns_of};
use crate::source::Sources;
use damo_frame::FrameError;
use damo_model::Selection;
use damo_report::ReportError;
use polars::error::{PolarsError, polars_err};
use polars::prelude::{AnonymousScan, AnonymousScanArgs, DataFrame, Expr, IntoLazy, PolarsResult, SchemaRef};
use std::any::Any;
use std::sync::Arc;

/// A table of blocks that is decoded when Polars asks for it.
pub(crate) struct BlockScan {
    /// Which of the tables of blocks is scanned.
    pub table: BlockTable,
    /// Of which records.
    pub sources: Arc<Sources>,
    /// Its columns, without rows.
    pub empty: DataFrame,
}

/// An error of reading on its way through Polars.
pub(crate) struct ScanError(pub PolarsError);

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

impl BlockScan {
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
        let bounds = condition.map(Bounds::of).unwrap_or_default();
        let mut found = self.empty.select(wanted.iter().map(String::as_str))?;
        for source in &self.sources.all {
            let selection = match condition {
                Some(_) => bounds.selection(self.table, source)?,
                None => Some(Selection::all()),
            };
            let Some(selection) = selection else { continue };
            for_each_batch(self.table, source, &selection, &names, |rows| -> Result<bool, ScanError> {
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

impl AnonymousScan for BlockScan {
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
