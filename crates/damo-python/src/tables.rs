//! What a record holds, as tables. Moments count from when the recording began, as in reports; sizes and addresses are bytes.

use damo_frame::{Chunk, FrameError, Record};
use damo_model::{Nanos, Selection, SnapshotHead, SnapshotState};
use polars::prelude::{Column, DataFrame, NamedFrom, PolarsError, Series};

/// Names of the tables that a record gives, in the order of `table`.
pub(crate) const NAMES: [&str; 4] = ["regions", "snapshots", "targets", "readings"];

/// A table; `None` if there is none of this name.
///
/// # Errors
/// When the record cannot be read, or Polars refuses the columns.
pub(crate) fn table(record: &Record, name: &str, selection: &Selection) -> Result<Option<DataFrame>, FrameError> {
    Ok(Some(match name {
        "regions" => by_chunk(record, selection, regions)?,
        "snapshots" => by_chunk(record, selection, snapshots)?,
        "targets" => targets(record)?,
        "readings" => readings(record)?,
        _ => return Ok(None),
    }))
}

/// Rows of each chunk, one below the other: as many pieces as the record has blocks, whose columns are not copied.
fn by_chunk(
    record: &Record,
    selection: &Selection,
    rows: impl Fn(&Chunk, Nanos) -> Result<DataFrame, PolarsError>,
) -> Result<DataFrame, FrameError> {
    let began = record.began();
    let mut whole = rows(&Chunk::default(), began)?;
    record.for_each(selection, |chunk| {
        whole.vstack_mut_owned(rows(chunk, began)?)?;
        Ok::<_, FrameError>(())
    })?;
    Ok(whole)
}

fn column<T>(name: &str, values: impl Iterator<Item = T>) -> Column
where
    Series: NamedFrom<Vec<T>, [T]>,
{
    Series::new(name.into(), values.collect::<Vec<_>>()).into()
}

fn since(at: Nanos, began: Nanos) -> i64 {
    at.saturating_sub(began).0
}

/// What regions and snapshots have in common: columns of the snapshots that these heads are of.
fn of_snapshots<'a, I: Iterator<Item = &'a SnapshotHead>>(heads: impl Fn() -> I, began: Nanos) -> Vec<Column> {
    vec![
        column("snapshot", heads().map(|head| head.index)),
        column("target", heads().map(|head| head.target.0)),
        column("start_ns", heads().map(|head| since(head.start, began))),
        column("end_ns", heads().map(|head| since(head.end, began))),
        column("sample_ns", heads().map(|head| head.intervals.map(|intervals| intervals.sample.0))),
        column("aggregation_ns", heads().map(|head| head.intervals.map(|intervals| intervals.aggregation.0))),
        column("partial", heads().map(|head| head.state != SnapshotState::Complete)),
    ]
}

fn regions(chunk: &Chunk, began: Nanos) -> Result<DataFrame, PolarsError> {
    let heads = || chunk.heads().iter().flat_map(|head| std::iter::repeat_n(head, head.regions.len()));
    let mut columns = of_snapshots(heads, began);
    let ages = || chunk.age().iter().zip(heads()).map(|(age, head)| head.has_age.then_some(*age));
    let age_ns =
        ages().zip(heads()).map(|(age, head)| Some(i64::from(age?).saturating_mul(head.intervals?.aggregation.0)));
    let sizes = chunk.start().iter().zip(chunk.end()).map(|(start, end)| end.saturating_sub(*start));
    columns.extend([
        column("start", chunk.start().iter().copied()),
        column("end", chunk.end().iter().copied()),
        column("size", sizes),
        column("nr_accesses", chunk.nr_accesses().iter().copied()),
        column("age", ages()),
        column("age_ns", age_ns),
    ]);
    DataFrame::new(chunk.start().len(), columns)
}

fn snapshots(chunk: &Chunk, began: Nanos) -> Result<DataFrame, PolarsError> {
    let mut columns = of_snapshots(|| chunk.heads().iter(), began);
    columns.extend([
        column("nr_regions", chunk.heads().iter().map(|head| head.regions.len() as u64)),
        column("accessed_bytes", chunk.snapshots().map(|snapshot| snapshot.working_set().0)),
    ]);
    DataFrame::new(chunk.heads().len(), columns)
}

fn targets(record: &Record) -> Result<DataFrame, FrameError> {
    let targets = || record.targets().iter();
    let process = || targets().map(|target| target.process.as_ref());
    let columns = vec![
        column("target", targets().map(|target| target.key.0)),
        column("kdamond", targets().map(|target| target.kdamond.map(|index| index.0))),
        column("context", targets().map(|target| target.context)),
        column("scheme", targets().map(|target| target.scheme)),
        column("target_id", targets().map(|target| target.target_id)),
        column("pid", process().map(|process| process.map(|process| process.pid))),
        column("comm", process().map(|process| process.map(|process| process.comm.as_str()))),
        column("cmdline", process().map(|process| process.map(|process| process.cmdline.as_str()))),
    ];
    Ok(DataFrame::new(record.targets().len(), columns)?)
}

/// [`Record::readings`] with moments as elsewhere: `at_ns` in place of `record_ns`.
fn readings(record: &Record) -> Result<DataFrame, FrameError> {
    let mut frame = record.readings()?;
    let began = record.began();
    let at: Vec<Option<i64>> =
        frame.column("record_ns")?.i64()?.iter().map(|at| Some(since(Nanos(at?), began))).collect();
    frame.replace_column(0, Series::new("at_ns".into(), at).into())?;
    Ok(frame)
}
