//! Records as tables that can be asked.

use crate::aggregate::aggregated;
use crate::answer::Answer;
use crate::blocks::{BlockTable, extras_of, for_each_batch};
use crate::describe;
use crate::error::QueryError;
use crate::functions::{self, Registry};
use crate::partial;
use crate::samples::{self, Samples};
use crate::scan::Scan;
use crate::side::SideTable;
use crate::source::{SharedRecords, Sources};
use crate::sql;
use damo_frame::FrameError;
use damo_model::{ColumnId, Selection};
use damo_report::{ReportError, Table};
use polars::prelude::{AnonymousScan, DataFrame, IntoLazy, LazyFrame, PolarsError, ScanArgsAnonymous};
use polars::sql::SQLContext;
use sqlparser::ast::{Query, Statement, VisitMut, VisitorMut};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Records that can be asked.
pub struct Database {
    records: SharedRecords,
    sources: Arc<Sources>,
}

impl Database {
    /// Of these records.
    pub fn new(records: SharedRecords) -> Self {
        let sources = Arc::new(Sources::new(&records));
        Self { records, sources }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// If it is none, names what does not exist, or a record cannot be read.
    pub fn ask(&self, text: &str) -> Result<Answer, QueryError> {
        let mut statement = sql::parse(text)?;
        sql::name_columns(&mut statement);
        functions::expand(&mut statement)?;
        let tables = sql::tables(&statement, &describe::names())?;
        let extras = self.extras(&statement, &tables)?;
        let known = || self.columns(&tables, &extras);
        let answered = self.answer(&mut statement, &tables, &extras);
        Answer::new(answered.map_err(|error| self.explained(error, known))?)
    }

    /// A table of what is recorded beside regions and snapshots, whole.
    ///
    /// # Errors
    /// If there is no such table, or a record cannot be read.
    pub fn table(&self, name: &str) -> Result<Table, QueryError> {
        match SideTable::ALL.into_iter().find(|table| table.name() == name) {
            Some(table) => Ok(table.table(&self.sources)?),
            None if name == samples::NAME => Ok(samples::whole(&self.sources)?),
            None => Err(no_table(name, &[&SideTable::ALL.map(SideTable::name)[..], &[samples::NAME]].concat())),
        }
    }

    /// Gives `take` the rows of `regions` or `snapshots` in batches, in record order, with these columns. `take` says whether to
    /// go on.
    ///
    /// # Errors
    /// If there is no such table, a record cannot be read, or the first that `take` returns.
    pub fn batches<E: From<QueryError> + From<ReportError> + From<FrameError>>(
        &self,
        name: &str,
        columns: &[&str],
        mut take: impl FnMut(DataFrame) -> Result<bool, E>,
    ) -> Result<(), E> {
        let tables = [BlockTable::Regions, BlockTable::Snapshots];
        let table = tables.into_iter().find(|table| table.name() == name);
        let table = table.ok_or_else(|| no_table(name, &tables.map(BlockTable::name)))?;
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        for source in &self.sources.all {
            for_each_batch(table, source, &Selection::all(), &columns, &mut take)?;
        }
        Ok(())
    }

    fn answer(
        &self,
        statement: &mut Statement,
        tables: &BTreeSet<String>,
        extras: &[ColumnId],
    ) -> Result<DataFrame, QueryError> {
        let mut context = SQLContext::new().with_function_registry(self.registry());
        for table in SideTable::ALL.into_iter().filter(|table| tables.contains(table.name())) {
            context.register(table.name(), table.table(&self.sources)?.frame.lazy());
        }
        for table in [BlockTable::Regions, BlockTable::Snapshots] {
            if tables.contains(table.name()) {
                let empty = table.empty(extras)?.frame;
                let scan = Scan { table, sources: Arc::clone(&self.sources), empty: empty.clone() };
                context.register(table.name(), scanned(table.name(), Arc::new(scan), &empty)?);
            }
        }
        if tables.contains(samples::NAME) {
            let empty = samples::empty()?.frame;
            let scan = Scan { table: Samples, sources: Arc::clone(&self.sources), empty: empty.clone() };
            context.register(samples::NAME, scanned(samples::NAME, Arc::new(scan), &empty)?);
        }
        if tables.contains(partial::TABLE) && !sql::own_names(statement).contains(partial::TABLE) {
            self.aggregate_in_parts(statement, extras, &context)?;
        }
        Ok(context.execute(&statement.to_string())?.collect()?)
    }

    /// Answers those parts of the question that can be answered block by block, and lets the question read these answers.
    fn aggregate_in_parts(
        &self,
        statement: &mut Statement,
        extras: &[ColumnId],
        context: &SQLContext,
    ) -> Result<(), QueryError> {
        let empty = BlockTable::Regions.empty(extras)?.frame;
        let aggregate = |query: &mut Query, number: usize| -> Result<bool, QueryError> {
            let name = format!("__batches_{number}");
            let Some(part) = partial::split(query, &name, &empty) else { return Ok(false) };
            let registry = self.registry();
            match aggregated(&part, &self.sources, &empty, &registry) {
                Ok(frame) => context.register(&name, frame.lazy()),
                // Polars knows better why: it is asked the question as it is.
                Err(QueryError::Polars(_)) => return Ok(false),
                Err(other) => return Err(other),
            }
            *query = part.rest;
            Ok(true)
        };
        let mut visitor = EachQuery { number: 0, f: aggregate };
        match statement.visit(&mut visitor) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::new(Registry { sources: Arc::clone(&self.sources) })
    }

    /// The extra columns of regions, which only some records have. To know them, all blocks must be looked at: only if the
    /// question can mean one.
    fn extras(&self, statement: &Statement, tables: &BTreeSet<String>) -> Result<Vec<ColumnId>, QueryError> {
        let is_extra = |name: &String| {
            let name = name.to_ascii_lowercase();
            ["probe_hits", "filter_passed", "extra_"].iter().any(|word| name.contains(word))
        };
        let can_mean_one = sql::has_wildcard(statement) || sql::identifiers(statement).iter().any(is_extra);
        if !can_mean_one || !tables.contains(BlockTable::Regions.name()) {
            return Ok(Vec::new());
        }
        Ok(extras_of((*self.records).as_ref())?)
    }

    /// The columns of the tables that a question names, in words.
    fn columns(&self, tables: &BTreeSet<String>, extras: &[ColumnId]) -> String {
        let all = describe::tables().unwrap_or_default();
        let named = all.iter().filter(|table| tables.contains(table.name)).map(|table| {
            let is_there = |name: &str| table.name != BlockTable::Regions.name() || self.is_column(name, extras);
            let columns = table.columns.iter().map(|column| &*column.name).filter(|name| is_there(name));
            format!("{} has {}", table.name, columns.collect::<Vec<_>>().join(", "))
        });
        named.collect::<Vec<_>>().join("; ")
    }

    fn is_column(&self, name: &str, extras: &[ColumnId]) -> bool {
        BlockTable::Regions.empty(extras).is_ok_and(|table| table.frame.column(name).is_ok())
    }

    /// An error in words that name what there is instead.
    fn explained(&self, error: QueryError, known: impl FnOnce() -> String) -> QueryError {
        let QueryError::Polars(polars) = error else { return error };
        if let Some(wanted) = missing_column(&polars) {
            return QueryError::NoSuchColumn { wanted, known: known() };
        }
        match unsupported(&polars) {
            Some(what) => QueryError::Unsupported { what },
            None => QueryError::Polars(polars),
        }
    }
}

/// A table that is made when Polars asks for it; `empty` has its columns.
fn scanned(name: &'static str, scan: Arc<dyn AnonymousScan>, empty: &DataFrame) -> Result<LazyFrame, QueryError> {
    let options = ScanArgsAnonymous { schema: Some(Arc::clone(empty.schema())), name, ..ScanArgsAnonymous::default() };
    Ok(LazyFrame::anonymous_scan(scan, options)?)
}

fn no_table(wanted: &str, known: &[&str]) -> QueryError {
    QueryError::NoSuchTable { wanted: wanted.to_owned(), known: known.join(", ") }
}

/// The column that Polars did not find; `None` if it says something else. Its texts name other columns for other reasons.
fn missing_column(error: &PolarsError) -> Option<String> {
    let text = error.to_string();
    let after = |words: &str| text.split_once(words).map(|(_, rest)| rest);
    let rest = after("unable to find column \"").or_else(|| after("could not find \""));
    let named = || after("no column named '").filter(|rest| rest.contains("' found"));
    rest.or_else(named)?.split(['"', '\'']).next().map(str::to_owned)
}

/// What Polars' SQL does not know, where it shows the parsed text, which nobody can read: the first word of that.
fn unsupported(error: &PolarsError) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("expression ")?;
    let what: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    (rest.contains(" {") && rest.ends_with("is not currently supported")).then(|| what.to_ascii_uppercase())
}

/// Calls a function with each query within a statement, those inside before those around them.
struct EachQuery<F> {
    number: usize,
    f: F,
}

impl<F: FnMut(&mut Query, usize) -> Result<bool, QueryError>> VisitorMut for EachQuery<F> {
    type Break = QueryError;

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<QueryError> {
        match (self.f)(query, self.number) {
            Ok(done) => {
                self.number += usize::from(done);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}
