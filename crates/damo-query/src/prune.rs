//! Which part of a record a condition can hold for: the rest is not decoded.
//!
//! A condition gives an interval for each column that it bounds. Whatever is not understood bounds nothing, so that the part is
//! never too small; the condition itself is still applied to every row that was decoded.

use crate::blocks::BlockTable;
use crate::source::Source;
use damo_model::{Addr, AddrRange, Nanos, Selection, TargetKey, TimeSpan};
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Expr, IntoLazy, NamedFrom, Operator, PolarsResult, Series,
};
use std::collections::BTreeMap;

/// Columns that are the same in all rows of a target.
const OF_TARGET: [&str; 5] = ["record", "target", "scheme", "pid", "comm"];

/// A closed interval of whole numbers.
type Interval = (i128, i128);

/// Wider than any column, and far from overflow.
const ALL: Interval = (-(1 << 100), 1 << 100);

/// What a condition says of columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    columns: BTreeMap<String, Interval>,
    /// Conditions on columns that are the same in all rows of a target; all of them must hold.
    of_target: Vec<Expr>,
}

/// The names of the columns in an expression.
pub(crate) fn columns_of(expression: &Expr) -> impl Iterator<Item = &str> {
    expression.into_iter().filter_map(|part| match part {
        Expr::Column(name) => Some(name.as_str()),
        _ => None,
    })
}

impl Bounds {
    /// Those of a condition.
    pub(crate) fn of(condition: &Expr) -> Self {
        if columns_of(condition).all(|name| OF_TARGET.contains(&name)) {
            return Self { columns: BTreeMap::new(), of_target: vec![condition.clone()] };
        }
        let Expr::BinaryExpr { left, op, right } = bare(condition) else { return Self::default() };
        match op {
            Operator::And | Operator::LogicalAnd => Self::of(left).and(Self::of(right)),
            Operator::Or | Operator::LogicalOr => Self::of(left).or(&Self::of(right)),
            _ => comparison(left, *op, right).unwrap_or_default(),
        }
    }

    /// What is left if both conditions hold.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (name, (low, high)) in other.columns {
            let known = self.columns.entry(name).or_insert(ALL);
            *known = (known.0.max(low), known.1.min(high));
        }
        self.of_target.extend(other.of_target);
        self
    }

    /// One of them holds.
    fn or(self, other: &Self) -> Self {
        let both = |(name, (low, high)): (String, Interval)| {
            let (other_low, other_high) = *other.columns.get(&name)?;
            Some((name, (low.min(other_low), high.max(other_high))))
        };
        Self { columns: self.columns.into_iter().filter_map(both).collect(), of_target: Vec::new() }
    }

    /// Whether a condition can hold for rows with this value of a column.
    pub(crate) fn allow(&self, name: &str, value: i64) -> bool {
        let (low, high) = self.of_column(name);
        low <= i128::from(value) && i128::from(value) <= high
    }

    fn of_column(&self, name: &str) -> Interval {
        self.columns.get(name).copied().unwrap_or(ALL)
    }

    /// The part of a source that the condition can hold for; `None` if it can hold nowhere.
    ///
    /// # Errors
    /// When Polars cannot evaluate a condition on targets.
    pub(crate) fn selection(&self, table: BlockTable, source: &Source) -> PolarsResult<Option<Selection>> {
        let targets = match self.targets(source)? {
            Some(targets) if targets.is_empty() => return Ok(None),
            Some(targets) => targets,
            None => Vec::new(),
        };
        let Some(time) = self.time(source) else { return Ok(None) };
        let addresses = match table {
            BlockTable::Regions => match self.addresses() {
                Some(range) => range.into_iter().collect(),
                None => return Ok(None),
            },
            BlockTable::Snapshots => Vec::new(),
        };
        Ok(Some(Selection { time, addresses, targets }))
    }

    /// The targets that pass; `None` if nothing is said of targets.
    fn targets(&self, source: &Source) -> PolarsResult<Option<Vec<TargetKey>>> {
        if self.of_target.is_empty() {
            return Ok(None);
        }
        let all = source.targets();
        let column = |name: &str, series: Series| Column::from(series.with_name(name.into()));
        let keys: Vec<u64> = all.keys().map(|key| u64::from(key.0)).collect();
        let columns = vec![
            column("record", Series::new("".into(), vec![source.name.as_str(); all.len()])),
            column("target", Series::new("".into(), keys)),
            column("scheme", Series::new("".into(), all.values().map(|info| info.scheme).collect::<Vec<_>>())),
            column("pid", Series::new("".into(), all.values().map(|info| info.pid).collect::<Vec<_>>())),
            column("comm", Series::new("".into(), all.values().map(|info| info.comm.as_deref()).collect::<Vec<_>>())),
        ];
        let mut frame = DataFrame::new(all.len(), columns)?.lazy();
        for condition in &self.of_target {
            frame = frame.filter(condition.clone());
        }
        let passed = frame.collect()?;
        let keys = passed.column("target")?.u64()?.iter().flatten();
        Ok(Some(keys.filter_map(|key| u32::try_from(key).ok()).map(TargetKey).collect()))
    }

    /// The time on the record's clock; `None` if it is empty.
    fn time(&self, source: &Source) -> Option<Option<TimeSpan>> {
        let began = i128::from(source.began.0);
        let (mut low, mut high) = ALL;
        let mut bound = |(least, most): Interval, zero: i128| {
            low = low.max(least.saturating_add(zero));
            high = high.min(most.saturating_add(zero));
        };
        bound(self.of_column("start_ns"), began);
        let pair = source.record().and_then(|record| record.meta().clock_pair);
        if let Some(pair) = pair {
            bound(self.of_column("wall_ns"), i128::from(pair.record.0) - i128::from(pair.wall.0));
        }
        // A snapshot ends when it begins or later.
        let (least_end, most_end) = self.of_column("end_ns");
        high = high.min(most_end.saturating_add(began));
        low = low.max(ALL.0);
        let from = low.max(least_end.saturating_add(began).saturating_sub(1).min(ALL.1));
        // A snapshot that begins at `low` overlaps what begins just before it, however short the snapshot is.
        let from = if from == low { low.saturating_sub(1) } else { from };
        if low > high || from > high {
            return None;
        }
        let clamp = |at: i128| Nanos(i64::try_from(at).unwrap_or(if at < 0 { i64::MIN } else { i64::MAX }));
        let all = from <= i128::from(i64::MIN) && high >= i128::from(i64::MAX);
        Some((!all).then(|| TimeSpan::new(clamp(from), clamp(high.saturating_add(1)))))
    }

    /// The addresses; `None` if there are none.
    fn addresses(&self) -> Option<Option<AddrRange>> {
        let ((start_low, start_high), (end_low, end_high)) = (self.of_column("start"), self.of_column("end"));
        let from = start_low.max(end_low.saturating_sub(1)).max(0);
        let to = start_high.saturating_add(1).min(end_high).min(i128::from(u64::MAX));
        if from >= to {
            return None;
        }
        let all = from == 0 && to == i128::from(u64::MAX);
        let address = |at: i128| Addr(u64::try_from(at).unwrap_or(u64::MAX));
        Some((!all).then(|| AddrRange::new(address(from), address(to))))
    }
}

/// An expression without what does not change its values.
fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(inner, _) => bare(inner),
        other => other,
    }
}

/// `scale × column + offset`; without a column a constant. `slack` is how far the value can be off, for the rounding of floats, of
/// casts and of divisions.
#[derive(Clone, Debug)]
struct Linear {
    column: Option<String>,
    scale: f64,
    offset: f64,
    slack: f64,
    /// The constant, where it is a whole number.
    exact: Option<i128>,
}

fn constant(value: f64, exact: Option<i128>) -> Linear {
    Linear { column: None, scale: 0.0, offset: value, slack: 0.0, exact }
}

fn linear(expression: &Expr) -> Option<Linear> {
    match expression {
        Expr::Alias(inner, _) => linear(inner),
        // Only these keep the value but for a fraction: a truth value, a narrower float or a text would not.
        Expr::Cast { expr, dtype, .. } => {
            let kind = dtype.as_literal()?;
            let keeps = kind.is_integer() || *kind == DataType::Float64;
            let inner = linear(expr).filter(|_| keeps)?;
            let rounded = if inner.exact.is_some() { 0.0 } else { 1.0 };
            Some(Linear { slack: inner.slack + rounded, exact: inner.exact.filter(|_| kind.is_integer()), ..inner })
        }
        Expr::Column(name) => {
            Some(Linear { column: Some(name.to_string()), scale: 1.0, offset: 0.0, slack: 0.0, exact: None })
        }
        Expr::Literal(literal) => match literal.to_any_value()? {
            AnyValue::Float64(value) => Some(constant(value, None)),
            AnyValue::Float32(value) => Some(constant(value.into(), None)),
            value if value.is_integer() => {
                let whole: i128 = value.extract()?;
                Some(constant(whole as f64, Some(whole)))
            }
            _ => None,
        },
        Expr::BinaryExpr { left, op, right } => arithmetic(linear(left)?, *op, linear(right)?),
        _ => None,
    }
}

fn arithmetic(left: Linear, op: Operator, right: Linear) -> Option<Linear> {
    let (with_column, by) = match (&left.column, &right.column) {
        (Some(_), Some(_)) => return None,
        (None, Some(_)) => (&right, &left),
        _ => (&left, &right),
    };
    let column = with_column.column.clone();
    let whole = |value: fn(i128, i128) -> Option<i128>| value(left.exact?, right.exact?);
    let slack = left.slack + right.slack;
    let (scale, offset, slack, exact) = match op {
        Operator::Plus => (left.scale + right.scale, left.offset + right.offset, slack, whole(i128::checked_add)),
        Operator::Minus => (left.scale - right.scale, left.offset - right.offset, slack, whole(i128::checked_sub)),
        // A constant that is off would make a slope that is off, which no slack of the value covers.
        Operator::Multiply if by.slack == 0.0 => {
            let slack = with_column.slack * by.offset.abs();
            (with_column.scale * by.offset, with_column.offset * by.offset, slack, whole(i128::checked_mul))
        }
        Operator::RustDivide | Operator::TrueDivide | Operator::FloorDivide
            if right.column.is_none() && right.offset != 0.0 && right.slack == 0.0 =>
        {
            // A quotient of whole numbers may be rounded to one, as one of floats that is asked for so.
            let rounded = if right.exact.is_some() || op == Operator::FloorDivide { 1.0 } else { 0.0 };
            let (scale, offset) = (left.scale / right.offset, left.offset / right.offset);
            let slack = left.slack / right.offset.abs() + rounded;
            (column.is_some() || offset.fract() == 0.0).then_some((scale, offset, slack, None))?
        }
        _ => return None,
    };
    Some(Linear { column, scale, offset, slack, exact })
}

/// What a comparison of a column with a number says of the column.
fn comparison(left: &Expr, op: Operator, right: &Expr) -> Option<Bounds> {
    let (left, right) = (linear(left)?, linear(right)?);
    let (side, value, mut op) = match (&left.column, &right.column) {
        (Some(_), None) => (left, right, op),
        (None, Some(_)) => (right, left, mirrored(op)),
        _ => return None,
    };
    let name = side.column.clone()?;
    let (low, high) =
        if let (Some(exact), true) = (value.exact, side.scale == 1.0 && side.offset == 0.0 && side.slack == 0.0) {
            (exact, exact)
        } else {
            let at = (value.offset - side.offset) / side.scale;
            if !at.is_finite() || at.abs() > 1e30 {
                return None;
            }
            if side.scale < 0.0 {
                op = mirrored(op);
            }
            let slack = 1.0 + (side.slack + value.slack) / side.scale.abs() + at.abs() * 1e-12;
            if !slack.is_finite() || slack > 1e30 {
                return None;
            }
            ((at - slack).floor() as i128, (at + slack).ceil() as i128)
        };
    let interval = match op {
        Operator::Eq => (low, high),
        Operator::Lt | Operator::LtEq => (ALL.0, high),
        Operator::Gt | Operator::GtEq => (low, ALL.1),
        _ => return None,
    };
    Some(Bounds { columns: BTreeMap::from([(name, interval)]), of_target: Vec::new() })
}

/// The comparison with its sides exchanged.
fn mirrored(op: Operator) -> Operator {
    match op {
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        other => other,
    }
}
