//! The text of a question, parsed and checked before Polars sees it.

use crate::error::QueryError;
use sqlparser::ast::{Expr, Ident, ObjectName, Query, SelectItem, SetExpr, Statement, Visit, Visitor, visit_relations};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Token, Tokenizer};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Parses one question.
///
/// # Errors
/// If it is no SQL, or does something else than asking.
pub(crate) fn parse(text: &str) -> Result<Statement, QueryError> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let tokens = Tokenizer::new(&GenericDialect, text).tokenize();
    let tokens = quoted_ends(tokens.map_err(|error| QueryError::Syntax(error.to_string()))?);
    let mut parser = Parser::new(&GenericDialect).with_options(options).with_tokens(tokens);
    let mut statements = parser.parse_statements().map_err(|error| QueryError::Syntax(error.to_string()))?;
    match (statements.pop(), statements.pop()) {
        (Some(statement @ Statement::Query(_)), None) => Ok(statement),
        (Some(other), _) => Err(QueryError::NoQuestion(other.to_string())),
        (None, _) => Err(QueryError::NoQuestion("the query is empty".to_owned())),
    }
}

/// After these words an expression begins.
const BEFORE_EXPRESSIONS: [&str; 15] = [
    "AND", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "HAVING", "IN", "NOT", "ON", "OR", "SELECT", "THEN", "WHEN",
    "WHERE",
];

/// `end` in quotes where it is a column: it is a word of SQL as well, which can only stand behind an expression (`CASE ... END`).
fn quoted_ends(mut tokens: Vec<Token>) -> Vec<Token> {
    let mut begins = true;
    for token in &mut tokens {
        begins = match token {
            Token::Whitespace(_) => begins,
            Token::Word(word) => {
                if begins && word.quote_style.is_none() && word.value.eq_ignore_ascii_case("end") {
                    word.quote_style = Some('"');
                    word.keyword = Keyword::NoKeyword;
                    word.value = "end".to_owned();
                }
                word.quote_style.is_none() && BEFORE_EXPRESSIONS.contains(&word.value.to_ascii_uppercase().as_str())
            }
            Token::RParen
            | Token::RBracket
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_) => false,
            _ => true,
        };
    }
    tokens
}

/// The names that a statement gives to its own intermediate results.
struct Named(BTreeSet<String>);

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(tables.map(|table| table.alias.name.value.clone()));
        ControlFlow::Continue(())
    }
}

/// The name of a table without quotes; `None` for one of several parts.
pub(crate) fn table_name(name: &ObjectName) -> Option<String> {
    match &name.0[..] {
        [part] => part.as_ident().map(|ident| ident.value.clone()),
        _ => None,
    }
}

/// The names that a statement gives to intermediate results (`WITH name AS ...`).
pub(crate) fn own_names(statement: &Statement) -> BTreeSet<String> {
    let mut named = Named(BTreeSet::new());
    let _visited = statement.visit(&mut named);
    named.0
}

/// The tables that a statement reads, each once.
///
/// # Errors
/// If one is neither known nor a name of the statement's own.
pub(crate) fn tables(statement: &Statement, known: &[&str]) -> Result<BTreeSet<String>, QueryError> {
    let own = own_names(statement);
    let mut found = BTreeSet::new();
    let unknown = visit_relations(statement, |name| match table_name(name) {
        Some(name) if own.contains(&name) => ControlFlow::Continue(()),
        Some(name) if known.contains(&name.as_str()) => {
            found.insert(name);
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Break(name.to_string()),
    });
    match unknown {
        ControlFlow::Break(wanted) => Err(QueryError::NoSuchTable { wanted, known: known.join(", ") }),
        ControlFlow::Continue(()) => Ok(found),
    }
}

/// Gives each column of the answer the name that its text has, where the query gives it none.
pub(crate) fn name_columns(statement: &mut Statement) {
    if let Statement::Query(query) = statement
        && let SetExpr::Select(select) = &mut *query.body
    {
        for item in &mut select.projection {
            name_column(item);
        }
    }
}

/// The same for one.
pub(crate) fn name_column(item: &mut SelectItem) {
    if let SelectItem::UnnamedExpr(expression) = item
        && !matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
    {
        let alias = Ident::with_quote('"', expression.to_string().replace('"', "'"));
        *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
    }
}

/// All identifiers in a part of a statement, without those of tables: the names of all columns and more.
pub(crate) fn identifiers(part: &impl Visit) -> BTreeSet<String> {
    struct Identifiers(BTreeSet<String>);
    impl Visitor for Identifiers {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Identifier(ident) => drop(self.0.insert(ident.value.clone())),
                Expr::CompoundIdentifier(parts) => self.0.extend(parts.last().map(|ident| ident.value.clone())),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Identifiers(BTreeSet::new());
    let _visited = part.visit(&mut found);
    found.0
}

/// Whether some SELECT within a statement asks for all columns (`*`, `regions.*`, `COLUMNS(...)`).
pub(crate) fn has_wildcard(statement: &Statement) -> bool {
    struct Wildcard;
    impl Visitor for Wildcard {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if any_wildcard(&query.body) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("columns") => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    statement.visit(&mut Wildcard).is_break()
}

fn any_wildcard(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))),
        SetExpr::SetOperation { left, right, .. } => any_wildcard(left) || any_wildcard(right),
        // Queries within are visited by themselves.
        SetExpr::Query(_) | SetExpr::Values(_) => false,
        // `TABLE regions` and whatever else there is.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_a_column_wherever_an_expression_begins_and_ends_a_case_elsewhere() {
        let sql = "SELECT end, r.end, (end - start) FROM regions AS r WHERE end > 5 AND 7 < end ORDER BY end";
        let parsed = parse(sql).expect("SQL").to_string();
        assert_eq!(parsed.matches("\"end\"").count(), 6, "{parsed}");
        let sql = "SELECT CASE WHEN end > 5 THEN end ELSE size END AS x, SUM(CASE WHEN a THEN 1 END) FROM regions";
        let parsed = parse(sql).expect("SQL").to_string();
        assert_eq!(parsed.matches("\"end\"").count(), 2, "{parsed}");
    }
}
