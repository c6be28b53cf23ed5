//! The files of one table: one for each date, written row group by row group.

use crate::columns::{ExportedTable, Kind};
use crate::date::date_of;
use crate::error::ExportError;
use crate::parquet::ParquetFile;
use damo_format::{NewFile, Rules};
use damo_model::Nanos;
use polars::prelude::{Column, DataFrame, IdxCa, IntoSeries, NamedFrom};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a data set is, and which part of it is written.
pub(crate) struct Place<'a> {
    /// The data set's directory.
    pub dir: &'a Path,
    /// The host's partition.
    pub host: &'a str,
    /// The record's identity, which its files are called by.
    pub identity: &'a str,
    /// What may be written over.
    pub rules: &'a dyn Fn() -> Rules,
}

impl Place<'_> {
    /// The file of a table at a date.
    pub(crate) fn file(&self, table: &str, date: &str) -> PathBuf {
        let host = escaped(self.host);
        self.dir.join(format!("table={table}/date={date}/host={host}/{}.parquet", self.identity))
    }
}

/// A value of a partition as a directory's name, as Hive writes it: what could mean something to a file system is `%` and two
/// digits.
fn escaped(value: &str) -> String {
    if value.is_empty() {
        return "unknown".to_owned();
    }
    let mut name = String::new();
    for byte in value.bytes() {
        let as_it_is = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => true,
            // A name of points alone is another directory.
            b'.' => !name.is_empty(),
            _ => false,
        };
        if name.len() + if as_it_is { 1 } else { 3 } > MOST_OF_NAME {
            break;
        }
        match as_it_is {
            true => name.push(char::from(byte)),
            false => name += &format!("%{byte:02X}"),
        }
    }
    name
}

/// A directory's name has at most so many bytes: file systems take 255, and `host=` is before it.
const MOST_OF_NAME: usize = 200;

/// The date of rows whose time is not known.
pub(crate) const NO_DATE: &str = "unknown";
/// Nanoseconds of a day.
const NS_OF_DAY: i64 = 86_400_000_000_000;

/// A table in the making.
pub(crate) struct TableWriter<'a> {
    table: ExportedTable,
    place: &'a Place<'a>,
    files: BTreeMap<String, OneFile>,
}

/// A file in the making.
struct OneFile {
    writer: ParquetFile<Handle>,
    file: Handle,
    rows: u64,
}

/// The file that a writer of Parquet keeps to itself, to be given its name when the writer is done.
#[derive(Clone)]
struct Handle(Arc<Mutex<BufWriter<NewFile>>>);

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl OneFile {
    fn finish(self) -> Result<u64, ExportError> {
        let Self { writer, file, .. } = self;
        let bytes = writer.finish()?;
        if let Some(file) = Arc::into_inner(file.0) {
            let file = file.into_inner().unwrap_or_else(PoisonError::into_inner);
            let file = file.into_inner().map_err(|error| ExportError::Io(error.into_error()))?;
            file.commit()?;
        }
        Ok(bytes)
    }
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFile {
    /// Name of the table that the file is a part of.
    pub table: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// How many rows were written into it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

impl<'a> TableWriter<'a> {
    /// Begins the files of a table.
    pub(crate) fn new(table: ExportedTable, place: &'a Place<'a>) -> Self {
        Self { table, place, files: BTreeMap::new() }
    }

    /// Adds rows, each to the file of its date. They become row groups, so that each covers a short time.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn push(&mut self, rows: &DataFrame) -> Result<(), ExportError> {
        for (date, mut rows) in by_date(rows)? {
            // Of a table without times, the time was there for the date alone.
            rows = rows.select(self.table.columns.iter().map(|column| column.name))?;
            let file = match self.files.entry(date) {
                Entry::Occupied(file) => file.into_mut(),
                Entry::Vacant(place) => {
                    let file = begin(self.table, self.place, place.key())?;
                    place.insert(file)
                }
            };
            file.rows += rows.height() as u64;
            file.writer.write(rows)?;
        }
        Ok(())
    }

    /// Gives all files their names.
    ///
    /// # Errors
    /// If a place takes no more.
    pub(crate) fn finish(self) -> Result<Vec<ExportedFile>, ExportError> {
        let mut done = Vec::new();
        for (date, file) in self.files {
            let rows = file.rows;
            let bytes = file.finish()?;
            let path = self.place.file(self.table.name, &date);
            done.push(ExportedFile { table: self.table.name, path, rows, bytes });
        }
        Ok(done)
    }
}

/// Begins the file of a table at a date.
///
/// # Errors
/// If it cannot be made.
fn begin(table: ExportedTable, place: &Place<'_>, date: &str) -> Result<OneFile, ExportError> {
    let path = place.file(table.name, date);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| ExportError::Directory { path: parent.to_owned(), source })?;
    }
    let file = NewFile::create(path, (place.rules)())?;
    let file = Handle(Arc::new(Mutex::new(BufWriter::with_capacity(1 << 16, file))));
    Ok(OneFile { writer: ParquetFile::new(file.clone(), table)?, file, rows: 0 })
}

/// Rows by their dates, each part in the order of time.
fn by_date(rows: &DataFrame) -> Result<Vec<(String, DataFrame)>, ExportError> {
    let wall = rows.column("wall_ns").ok().map(|column| column.i64()).transpose()?;
    // By the number of the day since 1970; `None` where the time is not known.
    let mut days: BTreeMap<Option<i64>, Vec<(Option<i64>, u32)>> = BTreeMap::new();
    for row in 0..rows.height() {
        let at = wall.and_then(|wall| wall.get(row));
        let number = u32::try_from(row).unwrap_or(u32::MAX);
        days.entry(at.map(|at| at.div_euclid(NS_OF_DAY))).or_default().push((at, number));
    }
    let mut parts = Vec::with_capacity(days.len());
    for mut numbers in days.into_values() {
        let date = numbers.first().and_then(|(at, _)| *at).map_or_else(|| NO_DATE.to_owned(), |at| date_of(Nanos(at)));
        let is_whole = numbers.len() == rows.height() && numbers.is_sorted();
        if !is_whole {
            numbers.sort();
        }
        let part = match is_whole {
            true => rows.clone(),
            false => rows.take(&IdxCa::new("".into(), numbers.into_iter().map(|(_, row)| row).collect::<Vec<_>>()))?,
        };
        parts.push((date, part));
    }
    Ok(parts)
}

/// The columns of a table in their types, with null for those that are not there.
///
/// # Errors
/// If a number does not fit.
pub(crate) fn in_types(table: ExportedTable, rows: &DataFrame, record: &str) -> Result<DataFrame, ExportError> {
    let of = |wanted: &crate::columns::ExportedColumn| -> Result<Column, ExportError> {
        let kind = wanted.kind.data_type();
        let Ok(column) = rows.column(wanted.name) else {
            return Ok(polars::prelude::Series::full_null(wanted.name.into(), rows.height(), &kind).into());
        };
        let cast = column.strict_cast(&kind).map_err(|error| match wanted.kind {
            Kind::Number => ExportError::TooLarge { name: record.to_owned(), column: wanted.name.to_owned() },
            Kind::Text | Kind::Truth => ExportError::Polars(error),
        });
        Ok(cast?.with_name(wanted.name.into()))
    };
    let columns = table.columns.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    Ok(DataFrame::new(rows.height(), columns)?)
}

/// One value for all rows.
pub(crate) fn constant(name: &str, value: Option<&str>, rows: usize) -> Column {
    polars::prelude::StringChunked::new(name.into(), vec![value; rows]).into_series().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_cannot_leave_their_directory() {
        let names = ["web-17.example", "../../etc", "", ".", "a/b=c", "höst"].map(escaped);
        assert_eq!(names, ["web-17.example", "%2E.%2F..%2Fetc", "unknown", "%2E", "a%2Fb%3Dc", "h%C3%B6st"]);
        // What does not fit is left out byte by byte, and never half of one.
        assert_eq!(escaped(&"/".repeat(300)), "%2F".repeat(66));
    }
}
