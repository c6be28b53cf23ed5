//! Takes the aggregates of all batches of a table's blocks, on all cores.

use crate::blocks::{BATCH, Batch, BlockTable};
use crate::error::QueryError;
use crate::functions::Registry;
use crate::partial::{Partial, TABLE};
use crate::prune::Bounds;
use crate::source::Sources;
use damo_frame::Chunk;
use polars::prelude::{DataFrame, IntoLazy};
use polars::sql::SQLContext;
use sqlparser::ast::{BinaryOperator, Expr};
use std::sync::Arc;

/// From this many rows on, the aggregates of batches are put together before the end.
const MERGE_FROM: usize = 4 * BATCH;
/// What the table of aggregates is called while they are put together.
const MERGED: &str = "__merged";

/// The aggregates of all batches of all records.
///
/// # Errors
/// When a record cannot be read, or Polars refuses the query of a batch.
pub(crate) fn aggregated(
    part: &Partial,
    sources: &Sources,
    empty: &DataFrame,
    registry: &Arc<Registry>,
) -> Result<DataFrame, QueryError> {
    let names: Vec<String> = empty
        .get_column_names()
        .into_iter()
        .map(ToString::to_string)
        .filter(|name| part.words.contains(name))
        .collect();
    // What counts rows needs a column as well.
    let names = if names.is_empty() { vec!["snapshot".to_owned()] } else { names };
    let bounds = part.condition.as_ref().map(bounds).unwrap_or_default();
    let ask = |frame: DataFrame, table: &str, query: &str| -> Result<DataFrame, QueryError> {
        let registry: Arc<Registry> = Arc::clone(registry);
        let mut context = SQLContext::new().with_function_registry(registry);
        context.register(table, frame.lazy());
        Ok(context.execute(query)?.collect()?)
    };
    let merge_query = part.merging(MERGED);
    let merge = |frame: DataFrame| ask(frame, MERGED, &merge_query);
    // Of no rows at all, too, there is an answer with its columns.
    let mut all =
        Aggregates { done: Some(ask(empty.clone(), TABLE, &part.of_batch)?), merged: 0, batch: Batch::default() };
    for source in &sources.all {
        let Some(record) = source.record() else { continue };
        let Some(selection) = bounds.selection(BlockTable::Regions, source)? else { continue };
        let step = |sums: &mut Aggregates, chunk: &Chunk| -> Result<(), QueryError> {
            sums.batch.push(BlockTable::Regions.rows(source, chunk, &names)?);
            let Some(rows) = sums.batch.full() else { return Ok(()) };
            sums.add(ask(rows, TABLE, &part.of_batch)?, &merge)
        };
        let join = |mut first: Vec<Aggregates>, mut second: Vec<Aggregates>| {
            first.append(&mut second);
            first
        };
        let of_threads = record.fold(
            &selection,
            || vec![Aggregates::default()],
            |sums, chunk| sums.iter_mut().try_for_each(|sums| step(sums, chunk)),
            join,
        )?;
        for mut sums in of_threads {
            if let Some(rows) = sums.batch.rest() {
                sums.add(ask(rows, TABLE, &part.of_batch)?, &merge)?;
            }
            if let Some(done) = sums.done {
                all.add(done, &merge)?;
            }
        }
    }
    all.done.map_or_else(|| Ok(DataFrame::empty()), merge)
}

/// What the conjuncts of a condition say; those that Polars does not understand by themselves say nothing.
fn bounds(condition: &Expr) -> Bounds {
    match condition {
        Expr::Nested(inner) => bounds(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => bounds(left).and(bounds(right)),
        other => polars::sql::sql_expr(other.to_string()).map_or_else(|_| Bounds::default(), |one| Bounds::of(&one)),
    }
}

/// The aggregates of some batches, and rows that wait to be one.
#[derive(Default)]
struct Aggregates {
    done: Option<DataFrame>,
    /// The number of rows when they were put together last.
    merged: usize,
    batch: Batch,
}

impl Aggregates {
    fn add(
        &mut self,
        more: DataFrame,
        merge: &impl Fn(DataFrame) -> Result<DataFrame, QueryError>,
    ) -> Result<(), QueryError> {
        match &mut self.done {
            Some(done) => drop(done.vstack_mut_owned(more)?),
            None => self.done = Some(more),
        }
        let many = |done: &DataFrame| done.height() > MERGE_FROM && done.height() > 2 * self.merged;
        if let Some(done) = self.done.take_if(|done| many(done)) {
            let done = merge(done)?;
            self.merged = done.height();
            self.done = Some(done);
        }
        Ok(())
    }
}
