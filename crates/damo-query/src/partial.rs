//! Sums over regions that are not kept: aggregates block by block.
//!
//! A record has many millions of regions, and Polars would keep all of those that a `GROUP BY` goes over. Where a part of a query
//! reads `regions` alone and asks for sums, counts, means and extremes only, it is split: the sums of each batch of blocks, and
//! the sums of those sums. The query then reads these instead of the regions.

use crate::functions;
use crate::sql;
use polars::prelude::DataFrame;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, ObjectName, OrderByKind, Query, Select,
    SelectItem, SetExpr, TableFactor, Value, VisitMut, VisitorMut,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The table that is aggregated block by block.
pub(crate) const TABLE: &str = "regions";

/// Functions of one row: whatever is not among them may look at several.
const OF_ONE_ROW: [&str; 27] = [
    "abs",
    "ceil",
    "ceiling",
    "coalesce",
    "concat",
    "div",
    "ends_with",
    "exp",
    "floor",
    "greatest",
    "if",
    "ifnull",
    "least",
    "left",
    "length",
    "ln",
    "log10",
    "log2",
    "lower",
    "mapping",
    "mod",
    "nullif",
    "pow",
    "round",
    "sqrt",
    "starts_with",
    "upper",
];

/// How the sums of batches become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Merge {
    Sum,
    Min,
    Max,
}

impl Merge {
    fn name(self) -> &'static str {
        match self {
            Merge::Sum => "SUM",
            Merge::Min => "MIN",
            Merge::Max => "MAX",
        }
    }
}

/// A part of a query that is aggregated block by block.
#[derive(Clone, Debug)]
pub(crate) struct Partial {
    /// The query of one batch of regions, whose table is [`TABLE`].
    pub of_batch: String,
    /// The columns of regions that it needs, and maybe other words.
    pub words: BTreeSet<String>,
    /// The condition of WHERE, which is applied to each batch.
    pub condition: Option<Expr>,
    merges: Vec<Merge>,
    keys: usize,
    /// The part of the query itself, reading the merged results of all batches from a table of the name that it was given.
    pub rest: Query,
}

impl Partial {
    /// The query that makes fewer rows of the results of several batches, whose table is `name`.
    pub(crate) fn merging(&self, name: &str) -> String {
        let keys: Vec<String> = (0..self.keys).map(key_name).collect();
        let merged = self.merges.iter().enumerate().map(|(at, merge)| {
            let column = aggregate_name(at);
            format!("{}({column}) AS {column}", merge.name())
        });
        let columns: Vec<String> = keys.iter().cloned().chain(merged).collect();
        let grouped = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        format!("SELECT {} FROM {name}{grouped}", columns.join(", "))
    }
}

fn key_name(at: usize) -> String {
    format!("__key_{at}")
}

fn aggregate_name(at: usize) -> String {
    format!("__aggregate_{at}")
}

/// Splits a query whose body reads regions alone; `name` is what the table of its batches will be called. `None` where it is
/// not known to give the same. `regions` has the columns of the table.
pub(crate) fn split(query: &Query, name: &str, regions: &DataFrame) -> Option<Partial> {
    if query.with.is_some() || query.fetch.is_some() || !query.pipe_operators.is_empty() {
        return None;
    }
    let mut rest = query.clone();
    let SetExpr::Select(select) = &mut *rest.body else { return None };
    let alias = reads_regions_alone(select)?;
    let mut order = match &mut rest.order_by {
        Some(order) if order.interpolate.is_some() => return None,
        Some(order) => match &mut order.kind {
            OrderByKind::Expressions(expressions) => expressions.iter_mut().map(|order| &mut order.expr).collect(),
            OrderByKind::All(_) => Vec::new(),
        },
        None => Vec::new(),
    };
    let _ = select.visit(&mut Unqualify(&alias));
    for expression in &mut order {
        let _ = expression.visit(&mut Unqualify(&alias));
    }
    let condition = select.selection.take();
    if let Some(condition) = &condition {
        is_of_one_row(condition).then_some(())?;
    }
    let mut splitter =
        Splitter { keys: keys(select, regions)?, aliases: aliases(select), aggregates: Vec::new(), is_order: false };
    for item in &mut select.projection {
        split_item(item, &mut splitter)?;
    }
    if let Some(having) = &mut select.having {
        continues(having.visit(&mut splitter))?;
    }
    splitter.is_order = true;
    for expression in order {
        continues(expression.visit(&mut splitter))?;
    }
    if splitter.aggregates.is_empty() && splitter.keys.is_empty() {
        return None;
    }
    // What is read now has one row for each group.
    select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    select.selection = select.having.take();
    let from = select.from.first_mut()?;
    if let TableFactor::Table { name: table, alias, .. } = &mut from.relation {
        *table = ObjectName::from(vec![Ident::new(name)]);
        *alias = None;
    }
    let of_batch = of_batch(&splitter, condition.as_ref());
    let mut words: BTreeSet<String> = condition.iter().flat_map(sql::identifiers).collect();
    words.extend(splitter.keys.iter().flat_map(sql::identifiers));
    words.extend(splitter.aggregates.iter().flat_map(|(_, argument)| argument.iter().flat_map(sql::identifiers)));
    let merges = splitter.aggregates.iter().map(|(kind, _)| kind.merge()).collect();
    Some(Partial { of_batch, words, condition, merges, keys: splitter.keys.len(), rest })
}

/// The query of one batch.
fn of_batch(splitter: &Splitter, condition: Option<&Expr>) -> String {
    let keys = splitter.keys.iter().enumerate().map(|(at, key)| format!("{key} AS {}", key_name(at)));
    let aggregates = splitter.aggregates.iter().enumerate().map(|(at, (kind, argument))| {
        let argument = argument.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
        format!("{} AS {}", kind.of_batch(&argument), aggregate_name(at))
    });
    let columns: Vec<String> = keys.chain(aggregates).collect();
    let condition = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
    let keys: Vec<String> = splitter.keys.iter().map(ToString::to_string).collect();
    let grouped = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
    format!("SELECT {} FROM {TABLE}{condition}{grouped}", columns.join(", "))
}

/// The name by which a SELECT calls the regions, if it reads nothing else and does nothing but group.
fn reads_regions_alone(select: &Select) -> Option<String> {
    let [from] = &select.from[..] else { return None };
    let TableFactor::Table { name, alias, args: None, sample: None, .. } = &from.relation else { return None };
    let is_plain = from.joins.is_empty()
        && sql::table_name(name).as_deref() == Some(TABLE)
        && select.distinct.is_none()
        && select.top.is_none()
        && select.qualify.is_none()
        && select.named_window.is_empty()
        && select.prewhere.is_none()
        && select.exclude.is_none()
        && select.lateral_views.is_empty()
        && select.sort_by.is_empty();
    is_plain.then(|| alias.as_ref().map_or_else(|| TABLE.to_owned(), |alias| alias.name.value.clone()))
}

/// What the rows are grouped by.
fn keys(select: &Select, regions: &DataFrame) -> Option<Vec<Expr>> {
    let GroupByExpr::Expressions(expressions, modifiers) = &select.group_by else { return None };
    if !modifiers.is_empty() {
        return None;
    }
    let of = |expression: &Expr| {
        let key = match expression {
            // GROUP BY 1 is the first column of the answer.
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => {
                    let at: usize = number.parse().ok()?;
                    item_expression(select.projection.get(at.checked_sub(1)?)?)?.clone()
                }
                _ => return None,
            },
            Expr::Identifier(ident) => {
                let named = |item: &&SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value == ident.value);
                match select.projection.iter().find(named).and_then(item_expression) {
                    // Which of the two is meant, Polars decides.
                    Some(aliased) if aliased != expression && regions.column(&ident.value).is_ok() => return None,
                    Some(aliased) => aliased.clone(),
                    None => expression.clone(),
                }
            }
            other => other.clone(),
        };
        is_of_one_row(&key).then_some(key)
    };
    expressions.iter().map(of).collect()
}

fn item_expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

fn aliases(select: &Select) -> BTreeSet<String> {
    let alias = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident.value.clone()),
        _ => None,
    };
    select.projection.iter().filter_map(alias).collect()
}

/// Splits a column of the answer, which keeps its name.
fn split_item(item: &mut SelectItem, splitter: &mut Splitter) -> Option<()> {
    if let SelectItem::UnnamedExpr(expr @ Expr::Identifier(_)) = item {
        let Expr::Identifier(alias) = expr.clone() else { return None };
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
    sql::name_column(item);
    let SelectItem::ExprWithAlias { expr, .. } = item else { return None };
    continues(expr.visit(splitter))
}

fn continues(flow: ControlFlow<()>) -> Option<()> {
    matches!(flow, ControlFlow::Continue(())).then_some(())
}

/// Whether an expression looks at one row only, and at no other table.
fn is_of_one_row(expression: &Expr) -> bool {
    struct OneRow;
    impl VisitorMut for OneRow {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
            let is_fine = match expression {
                Expr::Function(function) => {
                    OF_ONE_ROW.contains(&functions::name_of(function).as_str()) && function.over.is_none()
                }
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => false,
                _ => true,
            };
            if is_fine { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }
    continues(expression.clone().visit(&mut OneRow)).is_some()
}

/// Takes the name of the table from the names of its columns.
struct Unqualify<'a>(&'a str);

impl VisitorMut for Unqualify<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expression
            && let [table, column] = &parts[..]
            && table.value == self.0
        {
            *expression = Expr::Identifier(column.clone());
        }
        ControlFlow::Continue(())
    }
}

/// An aggregate of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// How many rows, or how many that are not null.
    Count,
    Sum,
    /// The sum for a mean, which must not overflow.
    FloatSum,
    Min,
    Max,
}

impl Kind {
    fn of_batch(self, argument: &str) -> String {
        match self {
            Kind::Count => format!("CAST(COUNT({argument}) AS BIGINT)"),
            Kind::Sum => format!("SUM({argument})"),
            Kind::FloatSum => format!("SUM(CAST({argument} AS DOUBLE))"),
            Kind::Min => format!("MIN({argument})"),
            Kind::Max => format!("MAX({argument})"),
        }
    }

    fn merge(self) -> Merge {
        match self {
            Kind::Count | Kind::Sum | Kind::FloatSum => Merge::Sum,
            Kind::Min => Merge::Min,
            Kind::Max => Merge::Max,
        }
    }
}

/// Replaces aggregates and keys by the names of the columns that have them.
struct Splitter {
    keys: Vec<Expr>,
    aliases: BTreeSet<String>,
    aggregates: Vec<(Kind, Option<Expr>)>,
    /// Whether names of the answer's columns can stand for them.
    is_order: bool,
}

impl Splitter {
    fn aggregate(&mut self, kind: Kind, argument: Option<&Expr>) -> String {
        let wanted = (kind, argument.cloned());
        let at = self.aggregates.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            self.aggregates.push(wanted);
            self.aggregates.len() - 1
        });
        aggregate_name(at)
    }

    /// What an aggregate is of those of the batches; `None` if it cannot be made of them.
    fn merged(&mut self, function: &sqlparser::ast::Function) -> Option<Expr> {
        let is_plain = function.filter.is_none()
            && function.over.is_none()
            && function.within_group.is_empty()
            && function.null_treatment.is_none();
        let FunctionArguments::List(list) = &function.args else { return None };
        let ([argument], None, []) = (&list.args[..], &list.duplicate_treatment, &list.clauses[..]) else {
            return None;
        };
        let argument = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) if is_of_one_row(argument) => Some(argument),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => None,
            _ => return None,
        };
        if !is_plain {
            return None;
        }
        let text = match (functions::name_of(function).as_str(), argument) {
            ("count", argument) => self.aggregate(Kind::Count, argument),
            ("sum", Some(_)) => self.aggregate(Kind::Sum, argument),
            ("min", Some(_)) => self.aggregate(Kind::Min, argument),
            ("max", Some(_)) => self.aggregate(Kind::Max, argument),
            // A mean cannot be made of means: it is made of a sum and a number.
            ("avg" | "mean", Some(_)) => {
                let (sum, count) = (self.aggregate(Kind::FloatSum, argument), self.aggregate(Kind::Count, argument));
                format!("({sum} / NULLIF({count}, 0))")
            }
            _ => return None,
        };
        functions::parsed(&text).ok()
    }
}

impl VisitorMut for Splitter {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Some(at) = self.keys.iter().position(|key| key == expression) {
            *expression = Expr::Identifier(Ident::new(key_name(at)));
            return ControlFlow::Continue(());
        }
        let is_fine = match expression {
            Expr::Identifier(ident) => {
                ident.value.starts_with("__") || self.is_order && self.aliases.contains(&ident.value)
            }
            Expr::CompoundIdentifier(_) | Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => false,
            Expr::Function(function) => match self.merged(function) {
                Some(merged) => {
                    *expression = merged;
                    true
                }
                None => OF_ONE_ROW.contains(&functions::name_of(function).as_str()) && function.over.is_none(),
            },
            _ => true,
        };
        if is_fine { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}
