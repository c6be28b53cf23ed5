//! The two tables that are as large as the record: a row for each region, and one for each snapshot. They are made of one block
//! of the record at a time, and only of the columns that a query names.

use crate::source::{Source, TargetInfo};
use damo_frame::{Chunk, Record, SnapshotView, extra_name};
use damo_model::{ColumnId, Selection, SnapshotHead};
use damo_report::{ReportError, Table};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockTable {
    /// A row for each region of each snapshot.
    Regions,
    /// A row for each snapshot.
    Snapshots,
}

impl BlockTable {
    /// The table's name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Regions => "regions",
            Self::Snapshots => "snapshots",
        }
    }

    /// Its columns, without rows. `extras` are the extra columns that the records have.
    ///
    /// # Errors
    /// If two columns have one name.
    pub(crate) fn empty(self, extras: &[ColumnId]) -> Result<Table, ReportError> {
        let of_snapshot = Table::of::<()>(self.name(), &[])
            .col("record", "the record's name", |()| "")
            .col("snapshot", "position of the snapshot in the record, over all targets, from 0", |()| 0u64)
            .col("target", "as in `targets`", |()| 0u64)
            .col("scheme", "the scheme that was applied to these regions; null for plain monitoring", |()| Some(0u64))
            .col("pid", "of the target's process", |()| Some(0i64))
            .col("comm", "name of the target's process", |()| Some(""))
            .col("start_ns", "start of the snapshot", |()| 0i64)
            .col("end_ns", "end of the snapshot", |()| 0i64)
            .col("wall_ns", "start of the snapshot, since 1970, UTC", |()| Some(0i64))
            .col("sample_ns", "sampling interval in force", |()| Some(0i64))
            .col("aggregation_ns", "aggregation interval in force", |()| Some(0i64))
            .col("partial", "whether regions of the snapshot are missing", |()| false);
        if self == Self::Snapshots {
            return of_snapshot
                .col("nr_regions", "", |()| 0u64)
                .col("total_bytes", "of all regions", |()| 0u64)
                .col("accessed_bytes", "of the regions with an access: the working set", |()| 0u64)
                .col("max_nr_accesses", "the most samples that found a region accessed", |()| 0u64)
                .table();
        }
        let regions = of_snapshot
            .col("start", "first byte", |()| 0u64)
            .col("end", "first byte behind it", |()| 0u64)
            .col("size", "bytes", |()| 0u64)
            .col("nr_accesses", "samples that found it accessed", |()| 0u64)
            .col("hz", "accesses per second that were found: `hz(nr_accesses, aggregation_ns)`", |()| Some(0.0))
            .col("age", "aggregation intervals; null before Linux 5.16", |()| Some(0u64))
            .col("age_ns", "the same as a time, by the aggregation interval in force", |()| Some(0i64))
            .col("mapping", "name of the mapping that most of it lies in", |()| Some(""));
        let named = |id: &ColumnId| {
            let about = match id.probe() {
                Some(_) => "samples in which this probe hit; only if the record has hits of probes",
                None => "bytes that passed the scheme's filters; only if the record tells",
            };
            (extra_name(*id), about)
        };
        extras.iter().map(named).fold(regions, |table, (name, about)| table.col(name, about, |()| 0u64)).table()
    }

    /// The rows of a block, with these columns of the table in this order.
    ///
    /// # Errors
    /// When the record's mappings cannot be read, or Polars refuses the columns.
    pub(crate) fn rows(self, source: &Source, chunk: &Chunk, names: &[String]) -> Result<DataFrame, ReportError> {
        let block = Block { table: self, source, chunk };
        let columns: Vec<Column> = names.iter().map(|name| block.column(name)).collect::<Result<_, _>>()?;
        let height = match self {
            Self::Regions => chunk.nr_regions(),
            Self::Snapshots => chunk.heads().len(),
        };
        Ok(DataFrame::new(height, columns)?)
    }
}

/// The extra columns that some snapshot of some record has, in order.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn extras_of(records: &[Record]) -> Result<Vec<ColumnId>, ReportError> {
    let mut all: Vec<ColumnId> = Vec::new();
    for record in records {
        all.extend(record.extra_columns()?);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// A block of a record on its way into columns.
struct Block<'a> {
    table: BlockTable,
    source: &'a Source,
    chunk: &'a Chunk,
}

impl<'a> Block<'a> {
    /// What is the same for all regions of a snapshot.
    fn of_snapshot<'s, T: Clone>(&'s self, name: &str, value: impl Fn(&'s SnapshotHead) -> T) -> Column
    where
        Series: NamedFrom<Vec<T>, [T]>,
    {
        let heads = self.chunk.heads().iter();
        let values = match self.table {
            BlockTable::Snapshots => heads.map(value).collect(),
            BlockTable::Regions => {
                let mut values = Vec::with_capacity(self.chunk.nr_regions());
                for head in heads {
                    values.resize(values.len() + head.regions.len(), value(head));
                }
                values
            }
        };
        Series::new(name.into(), values).into()
    }

    /// What is made of a snapshot and its regions.
    fn of_view(&self, name: &str, value: impl Fn(SnapshotView<'_>) -> u64) -> Column {
        Series::new(name.into(), self.chunk.snapshots().map(value).collect::<Vec<_>>()).into()
    }

    /// What each region has of its own; the values are those of all regions, snapshot after snapshot.
    fn of_regions<T>(name: &str, values: impl Iterator<Item = T>) -> Column
    where
        Series: NamedFrom<Vec<T>, [T]>,
    {
        Series::new(name.into(), values.collect::<Vec<_>>()).into()
    }

    /// The target of a snapshot.
    fn target(&self, head: &SnapshotHead) -> Option<&TargetInfo> {
        self.source.target(head.target)
    }

    fn column(&self, name: &str) -> Result<Column, ReportError> {
        let source = self.source;
        Ok(match name {
            "record" => self.of_snapshot(name, |_| source.name.as_str()),
            "snapshot" => self.of_snapshot(name, |head| head.index),
            "target" => self.of_snapshot(name, |head| u64::from(head.target.0)),
            "scheme" => self.of_snapshot(name, |head| self.target(head).and_then(|target| target.scheme)),
            "pid" => self.of_snapshot(name, |head| self.target(head).and_then(|target| target.pid)),
            "comm" => self.of_snapshot(name, |head| self.target(head).and_then(|target| target.comm.as_deref())),
            "start_ns" => self.of_snapshot(name, |head| source.since(head.start)),
            "end_ns" => self.of_snapshot(name, |head| source.since(head.end)),
            "wall_ns" => self.of_snapshot(name, |head| source.wall(head.start)),
            "sample_ns" => self.of_snapshot(name, |head| head.intervals.map(|intervals| intervals.sample.0)),
            "aggregation_ns" => self.of_snapshot(name, aggregation),
            "partial" => self.of_snapshot(name, |head| head.state != damo_model::SnapshotState::Complete),
            _ => match self.table {
                BlockTable::Snapshots => self.of_whole_snapshot(name)?,
                BlockTable::Regions => self.of_region(name)?,
            },
        })
    }

    fn of_whole_snapshot(&self, name: &str) -> Result<Column, ReportError> {
        Ok(match name {
            "nr_regions" => self.of_view(name, |snapshot| snapshot.len() as u64),
            "total_bytes" => self.of_view(name, |snapshot| {
                let sizes = snapshot.start.iter().zip(snapshot.end).map(|(start, end)| end.saturating_sub(*start));
                sizes.fold(0, u64::saturating_add)
            }),
            "accessed_bytes" => self.of_view(name, |snapshot| snapshot.working_set().0),
            "max_nr_accesses" => {
                self.of_view(name, |snapshot| snapshot.nr_accesses.iter().max().copied().unwrap_or(0).into())
            }
            _ => return Err(ReportError::invalid(format!("table snapshots has no column '{name}'"))),
        })
    }

    fn of_region(&self, name: &str) -> Result<Column, ReportError> {
        let chunk = self.chunk;
        let regions = || chunk.start().iter().zip(chunk.end());
        let heads = || chunk.heads().iter().flat_map(|head| std::iter::repeat_n(head, head.regions.len()));
        Ok(match name {
            "start" => Self::of_regions(name, chunk.start().iter().copied()),
            "end" => Self::of_regions(name, chunk.end().iter().copied()),
            "size" => Self::of_regions(name, regions().map(|(start, end)| end.saturating_sub(*start))),
            "nr_accesses" => Self::of_regions(name, chunk.nr_accesses().iter().map(|count| u64::from(*count))),
            "hz" => {
                let counts = chunk.nr_accesses().iter().zip(heads());
                Self::of_regions(
                    name,
                    counts.map(|(count, head)| Some(f64::from(*count) * 1e9 / aggregation_f64(head)?)),
                )
            }
            "age" => {
                let ages = chunk.age().iter().zip(heads());
                Self::of_regions(name, ages.map(|(age, head)| head.has_age.then_some(u64::from(*age))))
            }
            "age_ns" => {
                let age = |(age, head): (&u32, &SnapshotHead)| {
                    let interval = aggregation(head).filter(|_| head.has_age)?;
                    Some(i64::from(*age).saturating_mul(interval))
                };
                Self::of_regions(name, chunk.age().iter().zip(heads()).map(age))
            }
            "mapping" => {
                let layouts = self.source.layouts()?;
                let mut names = Vec::with_capacity(chunk.nr_regions());
                for snapshot in chunk.snapshots() {
                    let layout = layouts.at(snapshot.head.target, snapshot.head.start);
                    let regions = snapshot.start.iter().zip(snapshot.end);
                    names.extend(regions.map(|(start, end)| layout.of_region(*start, *end)));
                }
                Self::of_regions(name, names.into_iter())
            }
            _ => match chunk.extras().iter().find(|(id, _)| extra_name(*id) == name) {
                Some((_, values)) => Self::of_regions(name, values.iter().copied()),
                // Another block of the record has it, or another record.
                None => Self::of_regions(name, std::iter::repeat_n(0u64, chunk.nr_regions())),
            },
        })
    }
}

/// The aggregation interval, in nanoseconds.
fn aggregation(head: &SnapshotHead) -> Option<i64> {
    head.intervals.map(|intervals| intervals.aggregation.0)
}

/// The same to divide by.
fn aggregation_f64(head: &SnapshotHead) -> Option<f64> {
    aggregation(head).filter(|interval| *interval > 0).map(|interval| interval as f64)
}

/// So many rows are put together before Polars sees them: it takes some time for each call, whatever the number of rows.
pub(crate) const BATCH: usize = 1 << 17;

/// Gives `take` the rows of a source's wanted part in batches, in order, with these columns. `take` says whether to go on.
///
/// # Errors
/// When the record cannot be read, or the first that `take` returns.
pub(crate) fn for_each_batch<E: From<ReportError> + From<damo_frame::FrameError>>(
    table: BlockTable,
    source: &Source,
    selection: &Selection,
    names: &[String],
    mut take: impl FnMut(DataFrame) -> Result<bool, E>,
) -> Result<(), E> {
    let Some(record) = source.record() else { return Ok(()) };
    let mut batch = Batch::default();
    let ended = record.for_each(selection, |chunk| {
        batch.push(table.rows(source, chunk, names).map_err(|error| Stop::Error(error.into()))?);
        let goes_on = batch.full().map_or(Ok(true), &mut take).map_err(Stop::Error)?;
        if goes_on { Ok(()) } else { Err(Stop::Enough) }
    });
    match ended {
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Enough) => Ok(()),
        Ok(()) => batch.rest().map_or(Ok(()), |rows| take(rows).map(|_| ())),
    }
}

/// Why the reading ended before the record did.
enum Stop<E> {
    /// No more rows are wanted.
    Enough,
    /// Reading or taking rows failed; nothing more is read.
    Error(E),
}

impl<E: From<damo_frame::FrameError>> From<damo_frame::FrameError> for Stop<E> {
    fn from(error: damo_frame::FrameError) -> Self {
        Stop::Error(error.into())
    }
}

/// Rows that wait until there are enough of them.
#[derive(Default)]
pub(crate) struct Batch {
    rows: Option<DataFrame>,
}

impl Batch {
    /// Adds rows of the same columns.
    pub(crate) fn push(&mut self, rows: DataFrame) {
        match &mut self.rows {
            // The columns are the same, so that this cannot fail.
            Some(waiting) => drop(waiting.vstack_mut_owned(rows)),
            None => self.rows = Some(rows),
        }
    }

    /// The rows, if there are enough.
    pub(crate) fn full(&mut self) -> Option<DataFrame> {
        self.rows.take_if(|rows| rows.height() >= BATCH)
    }

    /// Those that are left.
    pub(crate) fn rest(&mut self) -> Option<DataFrame> {
        self.rows.take()
    }
}
