//! The functions that SQL lacks: `hz`, `overlap` and `mapping`.
//!
//! The first two are short for expressions, which they are replaced by before Polars sees the query. `mapping` looks into the
//! record's mappings; Polars calls it as a function of its own registry.

use crate::error::QueryError;
use crate::source::Sources;
use damo_model::{Nanos, TargetKey};
use polars::error::{PolarsResult, polars_bail, polars_err};
use polars::prelude::{BaseColumnUdf, Column, DataType, Field, NamedFrom, Series, UserDefinedFunction};
use polars::sql::{FunctionOptions, FunctionRegistry};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Statement, Value,
    visit_expressions_mut,
};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What Polars calls the lookup of a mapping.
const MAPPING: &str = "mapping";

/// The functions of this crate, for people: how they are called, and what they give.
pub const FUNCTIONS: [(&str, &str); 3] = [
    (
        "hz(nr_accesses [, aggregation_ns])",
        "accesses per second; without a second argument by the interval of the same row",
    ),
    ("overlap(start, end, from, to)", "how many bytes of [start, end) lie in [from, to)"),
    (
        "mapping(address [, record, target, start_ns])",
        "the name of the mapping that the address lay in, of the target and at the time of the same row",
    ),
];

/// The plain arguments of a call; `None` if there are others.
pub(crate) fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression.clone()),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

/// The name of a called function in small letters.
pub(crate) fn name_of(function: &Function) -> String {
    function.name.to_string().to_ascii_lowercase()
}

/// Replaces calls of `hz` and `overlap` by what they stand for, and adds the columns that `mapping` needs.
///
/// # Errors
/// If one is called with arguments that it does not take.
pub(crate) fn expand(statement: &mut Statement) -> Result<(), QueryError> {
    let expanded = visit_expressions_mut(statement, |expression| match expand_one(expression) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    });
    match expanded {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn expand_one(expression: &mut Expr) -> Result<(), QueryError> {
    if let Some(bounds) = any_overlap(expression) {
        *expression = bounds;
        return Ok(());
    }
    if let Expr::Value(value) = &mut *expression
        && let Value::Number(number, _) = &mut value.value
    {
        *number = without_exponent(number);
    }
    let Expr::Function(function) = &mut *expression else { return Ok(()) };
    let name = name_of(function);
    if !["hz", "overlap", MAPPING].contains(&name.as_str()) {
        return Ok(());
    }
    let given = arguments(function).unwrap_or_default();
    match (name.as_str(), &given[..]) {
        ("hz", [count]) => {
            *expression = parsed(&format!("(({count}) * 1000000000.0 / ({}))", beside(count, "aggregation_ns")))?
        }
        ("hz", [count, interval]) => *expression = parsed(&format!("(({count}) * 1000000000.0 / ({interval}))"))?,
        ("hz", _) => {
            return Err(wrong("hz", "it takes a number of accesses, and an aggregation interval in nanoseconds"));
        }
        ("overlap", [start, end, from, to]) => {
            let [start, end, from, to] = [start, end, from, to].map(|bound| format!("({bound})"));
            let text = format!(
                "(CASE WHEN {start} < {to} AND {end} > {from} THEN (CASE WHEN {end} < {to} THEN {end} ELSE {to} END) - \
                 (CASE WHEN {start} > {from} THEN {start} ELSE {from} END) ELSE 0 END)"
            );
            *expression = parsed(&text)?;
        }
        ("overlap", _) => return Err(wrong("overlap", "it takes four addresses, as in overlap(start, end, from, to)")),
        (_, [_, _, _, _]) => {}
        (_, [address]) => {
            let columns = ["record", "target", "start_ns"].map(|column| beside(address, column));
            let text = format!("{MAPPING}({address}, {})", columns.join(", "));
            *expression = parsed(&text)?;
        }
        _ => {
            let problem = "it takes an address, or an address, a record's name, a target and a time in nanoseconds since the \
                           recording began";
            return Err(wrong("mapping", problem));
        }
    }
    Ok(())
}

/// A number as Polars reads it: `6e9` is 6000000000.0, a float.
fn without_exponent(number: &str) -> String {
    match number.parse::<f64>() {
        Ok(value) if number.contains(['e', 'E']) && value.fract() == 0.0 => format!("{value:.1}"),
        Ok(value) if number.contains(['e', 'E']) => value.to_string(),
        _ => number.to_owned(),
    }
}

/// `overlap(...) > 0` by its bounds, which tell Polars and the reader which regions can pass.
fn any_overlap(expression: &Expr) -> Option<Expr> {
    let Expr::BinaryOp { left, op: BinaryOperator::Gt, right } = expression else { return None };
    let (Expr::Function(function), Expr::Value(zero)) = (&**left, &**right) else { return None };
    if name_of(function) != "overlap" || !matches!(&zero.value, Value::Number(number, _) if number == "0") {
        return None;
    }
    let [start, end, from, to] = &arguments(function)?[..] else { return None };
    parsed(&format!("(({start}) < ({to}) AND ({end}) > ({from}))")).ok()
}

/// A column of the table that an expression's first column is of.
fn beside(expression: &Expr, column: &str) -> String {
    match expression {
        Expr::CompoundIdentifier(parts) if parts.len() > 1 => {
            let mut parts = parts.clone();
            parts.pop();
            parts.push(Ident::new(column));
            Expr::CompoundIdentifier(parts).to_string()
        }
        _ => column.to_owned(),
    }
}

fn wrong(name: &'static str, problem: &str) -> QueryError {
    QueryError::Arguments { name, problem: problem.to_owned() }
}

/// An expression of our own making.
pub(crate) fn parsed(text: &str) -> Result<Expr, QueryError> {
    let parser = sqlparser::parser::Parser::new(&sqlparser::dialect::GenericDialect);
    let parsed = parser.try_with_sql(text).and_then(|mut parser| parser.parse_expr());
    parsed.map_err(|error| QueryError::Syntax(error.to_string()))
}

/// What Polars asks for functions that it does not know.
pub(crate) struct Registry {
    /// The records that mappings are looked up in.
    pub sources: Arc<Sources>,
}

impl FunctionRegistry for Registry {
    fn register(&mut self, name: &str, _: UserDefinedFunction) -> PolarsResult<()> {
        polars_bail!(SQLInterface: "functions cannot be added here, and so not {name}")
    }

    fn get_udf(&self, name: &str) -> PolarsResult<Option<UserDefinedFunction>> {
        if !self.contains(name) {
            return Ok(None);
        }
        let sources = Arc::clone(&self.sources);
        let function = BaseColumnUdf::new(
            move |columns: &mut [Column]| mapping(&sources, columns),
            |_: &polars::prelude::Schema, fields: &[Field]| {
                let name = fields.first().map_or_else(|| MAPPING.into(), |field| field.name().clone());
                Ok(Field::new(name, DataType::String))
            },
        );
        let mut function = UserDefinedFunction::new(MAPPING.into(), function);
        function.options = FunctionOptions::elementwise();
        Ok(Some(function))
    }

    fn contains(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(MAPPING)
    }
}

/// The mapping of each address, of a record's target at a time.
fn mapping(sources: &Sources, columns: &[Column]) -> PolarsResult<Column> {
    let [address, record, target, start] = columns else {
        polars_bail!(SQLInterface: "mapping takes an address, a record's name, a target and a time")
    };
    // A literal is one value for all rows, of which there may be none.
    let rows = match columns.iter().any(Column::is_empty) {
        true => 0,
        false => columns.iter().map(Column::len).max().unwrap_or(0),
    };
    let address = address.cast(&DataType::UInt64)?;
    let target = target.cast(&DataType::UInt64)?;
    let start = start.cast(&DataType::Int64)?;
    let (addresses, records, targets, starts) = (address.u64()?, record.str()?, target.u64()?, start.i64()?);
    let mut names: Vec<Option<String>> = Vec::with_capacity(rows);
    // Rows of one record follow one another.
    let mut last: Option<(&str, _)> = None;
    for row in 0..rows {
        let at = |len: usize| if len == 1 { 0 } else { row };
        let name = records.get(at(records.len()));
        if last.is_none_or(|(known, _)| Some(known) != name) {
            last = name.and_then(|name| Some((name, sources.named(name)?)));
        }
        let Some((_, source)) = last.filter(|(known, _)| Some(*known) == name) else {
            names.push(None);
            continue;
        };
        let layouts = source.layouts().map_err(|error| polars_err!(ComputeError: "{error}"))?;
        let found = || {
            let key = TargetKey(u32::try_from(targets.get(at(targets.len()))?).ok()?);
            let time = source.began.saturating_add(Nanos(starts.get(at(starts.len()))?));
            layouts.at(key, time).of_address(addresses.get(at(addresses.len()))?).map(str::to_owned)
        };
        names.push(found());
    }
    Ok(Series::new(address.name().clone(), names).into())
}
