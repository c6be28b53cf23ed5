//! An answer, in every form that reports have.

use crate::error::QueryError;
use damo_report::picture::{Bar, Bars, Chart, Line, Picture, Unit};
use damo_report::table::ColumnInfo;
use damo_report::text_width::{padded, width};
use damo_report::{Report, ReportError, Table};
use polars::prelude::{AnyValue, Column, DataFrame, DataType};
use std::borrow::Cow;
use std::io::Write;

/// A picture has at most so many lines: it has no more colours that can be told apart.
const MOST_LINES: usize = 8;
/// And at most so many bars.
const MOST_BARS: usize = 60;

/// The rows that a query gave.
#[derive(Clone, Debug)]
pub struct Answer {
    table: Table,
    plot: Option<(String, String)>,
}

impl Answer {
    /// Of what Polars gave: its types become those that all output forms know.
    ///
    /// # Errors
    /// If a column is neither of numbers, nor of text, nor of truth values.
    pub(crate) fn new(frame: DataFrame) -> Result<Self, QueryError> {
        let height = frame.height();
        let columns: Vec<Column> = frame.columns().iter().map(shown).collect::<Result<_, _>>()?;
        let info = |column: &Column| ColumnInfo {
            name: Cow::Owned(column.name().to_string()),
            about: "",
            may_be_null: column.null_count() > 0,
        };
        let infos = columns.iter().map(info).collect();
        let frame = DataFrame::new(height, columns)?;
        Ok(Self { table: Table { name: "answer", frame, columns: infos }, plot: None })
    }

    /// The rows of the answer, with columns named as in the query.
    pub fn frame(&self) -> &DataFrame {
        &self.table.frame
    }

    /// The same with a picture of one column over another.
    ///
    /// # Errors
    /// If there is no such column, or what runs upwards is not a number.
    pub fn plotted(mut self, x: &str, y: &str) -> Result<Self, QueryError> {
        let names: Vec<&str> = self.table.frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
        for wanted in [x, y] {
            if !names.contains(&wanted) {
                let known = format!("the answer has {}", names.join(", "));
                return Err(QueryError::NoSuchColumn { wanted: wanted.to_owned(), known });
            }
        }
        let column = self.table.frame.column(y)?;
        if !is_number(column) {
            let kind = column.dtype().to_string();
            return Err(
                ReportError::invalid(format!("column '{y}' is of type {kind}: only numbers can run upwards")).into()
            );
        }
        self.plot = Some((x.to_owned(), y.to_owned()));
        Ok(self)
    }

    /// The columns that tell lines of a chart apart: those of text that run along no axis.
    fn names_of_lines(&self, x: &str, y: &str) -> Result<Vec<String>, ReportError> {
        let mut names = vec![String::new(); self.table.frame.height()];
        for column in self.table.frame.columns() {
            if column.dtype() != &DataType::String || [x, y].contains(&column.name().as_str()) {
                continue;
            }
            for (name, value) in names.iter_mut().zip(column.str()?.iter()) {
                let blank = if name.is_empty() { "" } else { " " };
                *name += &format!("{blank}{}", value.unwrap_or("-"));
            }
        }
        Ok(names)
    }

    fn chart(&self, x: &str, y: &str) -> Result<Chart, ReportError> {
        let (along, upwards) = (numbers(self.table.frame.column(x)?)?, numbers(self.table.frame.column(y)?)?);
        let mut lines: Vec<Line> = Vec::new();
        for (name, (at, value)) in self.names_of_lines(x, y)?.into_iter().zip(along.into_iter().zip(upwards)) {
            let Some(at) = at else { continue };
            let point = (at, value.unwrap_or(f64::NAN));
            if let Some(line) = lines.iter_mut().find(|line| line.name == name) {
                line.points.push(point);
                continue;
            }
            match lines.len() {
                MOST_LINES => {
                    let problem =
                        format!("the answer has more than {MOST_LINES} lines: ask for fewer with WHERE or LIMIT");
                    return Err(ReportError::invalid(problem));
                }
                _ => lines.push(Line { name, points: vec![point], steps: false, filled: false }),
            }
        }
        for line in &mut lines {
            line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        if let [line] = &mut lines[..] {
            line.filled = true;
        }
        Ok(Chart::new(format!("{y} by {x}"), (x, unit_of(x)), (y, unit_of(y)), lines))
    }

    fn bars(&self, x: &str, y: &str) -> Result<Bars, ReportError> {
        let labels = texts(self.table.frame.column(x)?);
        let column = self.table.frame.column(y)?;
        if labels.len() > MOST_BARS {
            let problem = format!("the answer has {} rows, and {MOST_BARS} bars fit: add a LIMIT", labels.len());
            return Err(ReportError::invalid(problem));
        }
        let values = numbers(column)?.into_iter().zip(texts(column));
        let bar = |(label, (value, text)): (String, (Option<f64>, String))| Bar {
            label,
            spans: vec![(0.0, value.unwrap_or(0.0))],
            text,
            color: 0,
        };
        let bars = labels.into_iter().zip(values).map(bar).collect();
        Ok(Bars { title: format!("{y} by {x}"), x: (y.to_owned(), unit_of(y)), groups: vec![(String::new(), bars)] })
    }
}

impl Report for Answer {
    const NAME: &'static str = "query";
    type Layout = ();

    fn write_text(&self, out: &mut dyn Write, (): &()) -> Result<(), ReportError> {
        write_aligned(&self.table.frame, out)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        Ok(vec![self.table.clone()])
    }

    fn picture(&self, (): &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let Some((x, y)) = &self.plot else {
            return Err(ReportError::invalid("say what to draw: --plot X Y names two columns of the answer"));
        };
        if is_number(self.table.frame.column(x)?) {
            return Ok(Box::new(self.chart(x, y)?));
        }
        Ok(Box::new(self.bars(x, y)?))
    }
}

/// Writes rows in columns: numbers end where their column ends, texts begin where it begins.
///
/// # Errors
/// When `out` takes no more.
pub(crate) fn write_aligned(frame: &DataFrame, out: &mut dyn Write) -> Result<(), ReportError> {
    let columns: Vec<(bool, Vec<String>)> = frame
        .columns()
        .iter()
        .map(|column| {
            let mut cells = vec![column.name().to_string()];
            cells.extend(texts(column));
            (is_number(column), cells)
        })
        .collect();
    let widths: Vec<usize> =
        columns.iter().map(|(_, cells)| cells.iter().map(|cell| width(cell)).max().unwrap_or(0)).collect();
    for row in 0..=frame.height() {
        let mut line = String::new();
        for ((right, cells), width_of) in columns.iter().zip(&widths) {
            let Some(cell) = cells.get(row) else { continue };
            if !line.is_empty() {
                line += "  ";
            }
            if *right {
                line += &" ".repeat(width_of.saturating_sub(width(cell)));
                line += cell;
            } else {
                line += &padded(cell, *width_of);
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A column of one of the types that output forms know.
fn shown(column: &Column) -> Result<Column, QueryError> {
    let wanted = match column.dtype() {
        DataType::UInt64 | DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::String => {
            return Ok(column.clone());
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => DataType::UInt64,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int128 | DataType::UInt128 => DataType::Int64,
        DataType::Float32 => DataType::Float64,
        DataType::Null => DataType::String,
        other => return Err(QueryError::Unshowable { column: column.name().to_string(), kind: other.to_string() }),
    };
    Ok(column.strict_cast(&wanted)?)
}

fn is_number(column: &Column) -> bool {
    matches!(column.dtype(), DataType::UInt64 | DataType::Int64 | DataType::Float64)
}

fn numbers(column: &Column) -> Result<Vec<Option<f64>>, ReportError> {
    Ok(column.cast(&DataType::Float64)?.f64()?.iter().collect())
}

/// Values as people read them: floats with as many digits as tell something.
fn texts(column: &Column) -> Vec<String> {
    let text = |value: AnyValue<'_>| match value {
        AnyValue::Null => "-".to_owned(),
        AnyValue::Float64(value) if value.is_finite() => float_text(value),
        AnyValue::String(text) => text.to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        other => other.to_string(),
    };
    (0..column.len()).map(|row| column.get(row).map_or_else(|_| String::new(), text)).collect()
}

/// At least six digits that count, and all those before the point; very small and very large numbers as powers of ten.
fn float_text(value: f64) -> String {
    let digits = if value == 0.0 { 1 } else { value.abs().log10().floor() as i32 + 1 };
    let without_zeros = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if !(-6..=17).contains(&digits) {
        let text = format!("{value:.5e}");
        return text.split_once('e').map_or(text.clone(), |(number, power)| {
            format!("{}e{power}", if number.contains('.') { without_zeros(number) } else { number.to_owned() })
        });
    }
    let decimals = usize::try_from(6 - digits).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { without_zeros(&text) } else { text }
}

/// What a column counts, as the words of its name say.
fn unit_of(name: &str) -> Unit {
    let lower = name.to_ascii_lowercase();
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let has = |wanted: &[&str]| words().any(|word| wanted.contains(&word));
    match words().next_back() {
        Some("ns") => Unit::Time,
        Some("hz") => Unit::Hz,
        // Something made of a time, such as `start_ns / 1e9`.
        _ if has(&["ns"]) => Unit::Count,
        _ if has(&["percent"]) => Unit::Percent,
        _ if has(&["bytes", "size", "rss", "wss", "start", "end", "address"]) => Unit::Bytes,
        _ => Unit::Count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_show_six_digits_and_never_fewer_than_before_the_point() {
        let shown = [0.0, 0.000_012_345_678, 0.5, 1_234.567_89, 98_765_432.1].map(float_text);
        assert_eq!(shown, ["0", "0.0000123457", "0.5", "1234.57", "98765432"]);
        assert_eq!(
            [1e-15, -1.234_567_8e-9, 1e300, 2.5e17].map(float_text),
            ["1e-15", "-1.23457e-9", "1e300", "2.5e17"]
        );
    }

    #[test]
    fn the_name_of_a_column_tells_its_unit() {
        assert_eq!(
            ["start_ns", "hz", "accessed_bytes", "n"].map(unit_of),
            [Unit::Time, Unit::Hz, Unit::Bytes, Unit::Count]
        );
        // Whole words only.
        assert_eq!(
            ["restarts", "senders", "sizes_of_teams", "SUM(size)", "MEAN(hz)"].map(unit_of),
            [Unit::Count, Unit::Count, Unit::Count, Unit::Bytes, Unit::Hz]
        );
    }
}
