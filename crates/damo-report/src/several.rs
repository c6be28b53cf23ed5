//! Several records in one command: each is looked at by itself, because two recordings have neither a clock nor a memory in
//! common. This is the one place that keeps them apart, in texts, tables and pictures.

use crate::output_format::{Form, Stream, no_table};
use crate::picture::{Picture, Stack};
use crate::table::Table;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::{FrameError, Record};
use damo_model::Side;
use damo_model::human::Show;
use std::io::Write;

/// What was found in one record.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// The record's name.
    pub record: String,
    /// Its number among the records.
    pub number: usize,
    /// From when its times are counted.
    pub zero: Zero,
    /// What was found.
    pub value: T,
}

/// What was found in some records, one after the other.
#[derive(Clone, Debug)]
pub struct Apart<T> {
    /// In the order of the records; a record may have several parts.
    pub parts: Vec<Part<T>>,
}

/// The records as they are looked at: each by itself. A file without snapshots, such as the footprints that the Python tool
/// writes beside a record, goes with the record before it, unless that has footprints of its own.
///
/// # Errors
/// If one cannot be read.
pub fn apart(records: &[Record]) -> Result<Vec<&[Record]>, FrameError> {
    paired(records, |record, _| Ok(!has_footprints(record)?))
}

/// Each record with the file without snapshots behind it, if there is one that `belongs` to it.
///
/// # Errors
/// Those of `belongs`.
pub fn paired<E>(
    records: &[Record],
    mut belongs: impl FnMut(&Record, &Record) -> Result<bool, E>,
) -> Result<Vec<&[Record]>, E> {
    let has_snapshots = |record: &Record| record.totals().snapshots > 0;
    let mut groups = Vec::new();
    let mut rest = records;
    while let [record, others @ ..] = rest {
        let with_next = match others {
            [next, ..] => has_snapshots(record) && !has_snapshots(next) && belongs(record, next)?,
            [] => false,
        };
        let (group, more) = rest.split_at(1 + usize::from(with_next));
        groups.push(group);
        rest = more;
    }
    Ok(groups)
}

fn has_footprints(record: &Record) -> Result<bool, FrameError> {
    Ok(record.side_data()?.iter().any(|side| matches!(side, Side::Process(_) | Side::System(_))))
}

impl<T> Apart<T> {
    /// Looks at each record.
    ///
    /// # Errors
    /// The first that `look` returns.
    pub fn look<'r, E: From<FrameError>>(
        records: &'r [Record],
        mut look: impl FnMut(&'r [Record]) -> Result<T, E>,
    ) -> Result<Self, E> {
        Self::look_often(records, |records| Ok(vec![look(records)?]))
    }

    /// Looks at each record; several things may be found in one.
    ///
    /// # Errors
    /// The first that `look` returns.
    pub fn look_often<'r, E: From<FrameError>>(
        records: &'r [Record],
        mut look: impl FnMut(&'r [Record]) -> Result<Vec<T>, E>,
    ) -> Result<Self, E> {
        Self::of_groups(&apart(records)?, &mut look)
    }

    /// Looks at each of some groups of files, which belong together as the caller says.
    ///
    /// # Errors
    /// The first that `look` returns.
    pub fn of<'r, E>(groups: &[&'r [Record]], mut look: impl FnMut(&'r [Record]) -> Result<T, E>) -> Result<Self, E> {
        Self::of_groups(groups, &mut |records| Ok(vec![look(records)?]))
    }

    fn of_groups<'r, E>(
        groups: &[&'r [Record]],
        look: &mut dyn FnMut(&'r [Record]) -> Result<Vec<T>, E>,
    ) -> Result<Self, E> {
        let mut parts = Vec::new();
        for (number, records) in groups.iter().copied().enumerate() {
            let zero = Zero::of(records);
            let name = records.first().map(Record::name).unwrap_or_default();
            let found = look(records)?.into_iter();
            parts.extend(found.map(|value| Part { record: name.to_owned(), number, zero, value }));
        }
        Ok(Self { parts })
    }

    /// Whether there is more than one record.
    pub(crate) fn are_several(&self) -> bool {
        self.parts.iter().any(|part| part.number > 0)
    }
}

impl<R: Report> Apart<R> {
    /// Writes the text of each part, those of several records below a heading with the record's name.
    ///
    /// # Errors
    /// If `out` takes no more, or a record cannot be read.
    pub fn write_text(&self, out: &mut dyn Write, layout: &R::Layout) -> Result<(), ReportError> {
        let mut last = None;
        for part in &self.parts {
            if self.are_several() && last != Some(part.number) {
                writeln!(out, "# record {}", part.record.shown())?;
            }
            last = Some(part.number);
            part.value.write_text(out, layout)?;
        }
        Ok(())
    }

    /// Writes the tables of all parts, one below the other, in a form; `only` names the one that is wanted. The last column is
    /// the record's name.
    ///
    /// # Errors
    /// If there is no such table, `out` takes no more, or a record cannot be read.
    pub fn write_tables(&self, form: Form, only: Option<&str>, out: &mut dyn Write) -> Result<(), ReportError> {
        let of_part = |part: &Part<R>, table: Table| table.since(part.zero)?.of_record(&part.record);
        if let Some(name) = R::PIECES {
            if let Some(only) = only.filter(|only| *only != name) {
                return Err(no_table(R::NAME, only, name));
            }
            let mut stream = Stream::new(form, R::NAME, out);
            for part in &self.parts {
                part.value.pieces(&mut |table| stream.push(&of_part(part, table)?))?;
            }
            return stream.finish();
        }
        let mut all: Vec<Table> = Vec::new();
        for part in &self.parts {
            let large = only.map(|only| part.value.large_table(only)).transpose()?.flatten();
            for table in part.value.tables()?.into_iter().chain(large) {
                let table = of_part(part, table)?;
                match all.iter_mut().find(|known| known.name == table.name) {
                    Some(known) => known.append(&table)?,
                    None => all.push(table),
                }
            }
        }
        form.write(R::NAME, all, only, out)
    }

    /// One picture of all parts, below one another if there are several.
    ///
    /// # Errors
    /// If a part has no picture in this layout, or a record cannot be read.
    pub fn picture(&self, layout: &R::Layout) -> Result<Box<dyn Picture + '_>, ReportError> {
        let mut pictures: Vec<(String, Box<dyn Picture + '_>)> = Vec::new();
        for part in &self.parts {
            let picture = part.value.picture(layout)?;
            let name = part.record.rsplit('/').next().unwrap_or_default();
            let title = picture.title();
            pictures.push((if self.are_several() { format!("{name}: {title}") } else { title }, picture));
        }
        Ok(match pictures.pop() {
            Some((_, only)) if pictures.is_empty() => only,
            last => {
                pictures.extend(last);
                let records = self.parts.last().map_or(0, |part| part.number + 1);
                let title = match (records, pictures.len()) {
                    (1, targets) => format!("{targets} targets"),
                    (records, _) => format!("{records} records"),
                };
                Box::new(Stack { title, pictures })
            }
        })
    }
}

/// Why a map of several records at once is refused.
pub(crate) fn one_record(records: &[Record]) -> Result<(), ReportError> {
    let with_snapshots = records.iter().filter(|record| record.totals().snapshots > 0).count();
    if with_snapshots > 1 { Err(ReportError::SeveralRecords { records: with_snapshots }) } else { Ok(()) }
}
