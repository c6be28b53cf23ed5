//! The samples of CPU profiles as a table. It is made of the columns that a question names and of the samples whose time and
//! thread can pass its condition; texts of stacks are made once for each stack.

use crate::prune::Bounds;
use crate::scan::{Needed, Rows, ScanError, Take};
use crate::source::{Source, Sources};
use damo_frame::profile::{Frame, Located, Names, Profile, SampleView};
use damo_model::profile::Sampled;
use damo_report::{ReportError, Table};
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, IntoSeries, NamedFrom, PolarsResult, Series, StringChunked};
use std::collections::HashMap;

/// The table's name in SQL.
pub(crate) const NAME: &str = "samples";

/// Its columns, without rows.
///
/// # Errors
/// If two columns have one name.
pub(crate) fn empty() -> Result<Table, ReportError> {
    Table::of::<()>(NAME, &[])
        .col("record", "the record's name", |()| "")
        .col("at_ns", "when it was taken", |()| 0i64)
        .col("wall_ns", "the same since 1970, UTC", |()| Some(0i64))
        .col("sampled", "`cpu` for CPU time, `access` for accesses to memory", |()| "")
        .col("pid", "the process that ran", |()| 0i64)
        .col("tid", "its thread", |()| 0i64)
        .col("comm", "the thread's name; empty if unknown", |()| "")
        .col("weight", "how many events it stands for: 1 where each sample stands for equally many", |()| 0u64)
        .col("address", "of the data, of samples of accesses", |()| Some(0u64))
        .col(
            "function",
            "the innermost function; module and address where it has no name; null without a stack",
            |()| Some(""),
        )
        .col("module", "file that the function is in, `[kernel]` or `[jit]`; null where nothing is known to be", |()| {
            Some("")
        })
        .col("stack", "all functions, outermost first, with `;` between them; null without a stack", |()| Some(""))
        .table()
}

/// The whole table, of all records.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn whole(sources: &Sources) -> Result<Table, ReportError> {
    let mut table = empty()?;
    let wanted: Vec<String> = table.columns.iter().map(|column| column.name.to_string()).collect();
    for source in &sources.all {
        if let Some(rows) = rows(source, &wanted, &Bounds::default())? {
            table.frame.vstack_mut_owned(rows)?;
        }
    }
    Ok(table)
}

/// What a stack is in words.
#[derive(Clone, Debug, Default)]
struct Told {
    function: Option<String>,
    module: Option<String>,
    stack: Option<String>,
}

/// Stacks in words, each once; rows refer to them by position.
struct Stacks<'a> {
    names: &'a Names,
    /// Positions in `told` by the number that the profile has for a stack.
    numbers: HashMap<u32, IdxSize>,
    told: Vec<Told>,
}

impl Stacks<'_> {
    fn number(&mut self, located: &Located, sample: SampleView<'_>) -> IdxSize {
        if let Some(number) = self.numbers.get(&sample.stack) {
            return *number;
        }
        let number = self.told.len() as IdxSize;
        self.told.push(told(located, self.names, sample.frames));
        self.numbers.insert(sample.stack, number);
        number
    }

    /// A column of what rows tell of their stacks. Equal texts are in memory once.
    fn column(&self, name: &str, of: impl Fn(&Told) -> Option<&str>, rows: &[IdxSize]) -> PolarsResult<Column> {
        let texts = StringChunked::new(name.into(), self.told.iter().map(of).collect::<Vec<_>>());
        let rows = IdxCa::new("".into(), rows);
        Ok(texts.into_series().take(&rows)?.into())
    }
}

/// Frames, innermost first, in words.
fn told(located: &Located, names: &Names, frames: &[Frame]) -> Told {
    let mut told = Told::default();
    let mut functions: Vec<String> = Vec::new();
    for frame in frames {
        let Frame::Code(number) = frame else {
            functions.push("[cut]".to_owned());
            continue;
        };
        let Some(location) = located.locations.get(*number as usize).copied() else { continue };
        let of_location = names.of(located, location);
        let first = functions.len();
        functions.extend(of_location.iter().map(|name| plain(name.function)));
        if of_location.is_empty() {
            functions.push(plain(&located.place(location)));
        }
        if told.function.is_none() {
            told.function = functions.get(first).cloned();
            told.module = located.module(location).map(|module| module.short_name().to_owned());
        }
    }
    functions.reverse();
    told.stack = (!functions.is_empty()).then(|| functions.join(";"));
    told
}

/// A name without what separates functions.
fn plain(name: &str) -> String {
    name.replace(';', ":")
}

/// What rows have that no stack is needed for.
#[derive(Default)]
struct SampleColumns {
    at: Vec<i64>,
    wall: Vec<Option<i64>>,
    sampled: Vec<&'static str>,
    pid: Vec<i64>,
    tid: Vec<i64>,
    comm: Vec<String>,
    weight: Vec<u64>,
    address: Vec<Option<u64>>,
    stack: Vec<IdxSize>,
}

/// The samples of a record that are within the bounds, with these columns; `None` if it has no profile.
///
/// # Errors
/// When the record cannot be read.
fn rows(source: &Source, wanted: &[String], bounds: &Bounds) -> Result<Option<DataFrame>, ReportError> {
    let Some(profile) = source.record().map(Profile::of).transpose()?.flatten() else { return Ok(None) };
    let wants = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let needs_stacks = ["function", "module", "stack"].into_iter().any(wants);
    let (needs_comm, within) = (wants("comm"), |name: &str, value: i64| bounds.allow(name, value));
    let mut stacks = Stacks { names: &profile.names, numbers: HashMap::new(), told: Vec::new() };
    let mut rows = SampleColumns::default();
    profile.walk(|located, sample| -> Result<(), ReportError> {
        let (at, wall, tid) = (source.since(sample.at), source.wall(sample.at), sample.thread.tid.into());
        if !(within("at_ns", at) && within("tid", tid) && wall.is_none_or(|wall| within("wall_ns", wall))) {
            return Ok(());
        }
        rows.at.push(at);
        rows.wall.push(wall);
        rows.sampled.push(match sample.sampled {
            Sampled::Cpu => "cpu",
            Sampled::Access => "access",
        });
        rows.pid.push(sample.thread.pid.into());
        rows.tid.push(tid);
        if needs_comm {
            rows.comm.push(sample.thread.comm.clone());
        }
        rows.weight.push(sample.weight.into());
        rows.address.push(sample.address.map(|address| address.0));
        if needs_stacks {
            rows.stack.push(stacks.number(located, sample));
        }
        Ok(())
    })?;
    let column = |name: &String| -> Result<Column, ReportError> {
        let plain = |series: Series| Ok(series.with_name(name.as_str().into()).into());
        match name.as_str() {
            "record" => plain(Series::new("".into(), vec![source.name.as_str(); rows.at.len()])),
            "at_ns" => plain(Series::new("".into(), &rows.at)),
            "wall_ns" => plain(Series::new("".into(), &rows.wall)),
            "sampled" => plain(Series::new("".into(), &rows.sampled)),
            "pid" => plain(Series::new("".into(), &rows.pid)),
            "tid" => plain(Series::new("".into(), &rows.tid)),
            "comm" => plain(Series::new("".into(), &rows.comm)),
            "weight" => plain(Series::new("".into(), &rows.weight)),
            "address" => plain(Series::new("".into(), &rows.address)),
            "function" => Ok(stacks.column(name, |told| told.function.as_deref(), &rows.stack)?),
            "module" => Ok(stacks.column(name, |told| told.module.as_deref(), &rows.stack)?),
            "stack" => Ok(stacks.column(name, |told| told.stack.as_deref(), &rows.stack)?),
            _ => Err(ReportError::invalid(format!("table {NAME} has no column '{name}'"))),
        }
    };
    let columns = wanted.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(DataFrame::new(rows.at.len(), columns)?))
}

/// The table of samples, of which only what a question needs is made.
pub(crate) struct Samples;

impl Rows for Samples {
    fn for_each(&self, source: &Source, needed: &Needed<'_>, take: &mut Take<'_>) -> Result<(), ScanError> {
        let all = Bounds::default();
        match rows(source, needed.names, needed.bounds.as_ref().unwrap_or(&all))? {
            Some(rows) => take(rows).map(drop),
            None => Ok(()),
        }
    }
}
