//! One record into a data set.

use crate::VERSION;
use crate::columns::{ExportedTable, tables};
use crate::date::date_of;
use crate::error::ExportError;
use crate::writer::{ExportedFile, Place, TableWriter, constant, in_types};
use damo_format::{NewFile, Rules};
use damo_frame::Record;
use damo_model::{Nanos, Target};
use damo_query::{Database, SharedRecords};
use polars::prelude::{ChunkApply, Column, DataFrame, IntoSeries, NamedFrom, Series};
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

/// What a record does not say of itself.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// The host's name, in place of the record's.
    pub host: Option<String>,
    /// The service that the targets belong to, in place of their processes' names.
    pub service: Option<String>,
    /// When the recording began, since 1970, in place of what the record says.
    pub began: Option<Nanos>,
    /// Identity of the record, where it was made of another one; the file names are made of it.
    pub identity: Option<u64>,
}

/// What came of a record.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// Identity of the record in the data set.
    pub identity: String,
    /// The files that were written; none if the record was there already.
    pub files: Vec<ExportedFile>,
}

impl Exported {
    /// Whether the record was there already.
    pub fn was_there(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes that were written.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The file that tells the version. Engines pass over names that begin with `_`.
const ABOUT: &str = "_damo.json";

/// Makes the directory of a data set, or sees that the one there has columns of this version.
///
/// # Errors
/// If it has others, or cannot be read or made.
pub fn check_version(dir: &Path, rules: &dyn Fn() -> Rules) -> Result<(), ExportError> {
    let path = dir.join(ABOUT);
    let failed = |source| ExportError::Directory { path: path.clone(), source };
    let ours = format!("{{\"damo_dataset\": {VERSION}}}\n");
    match fs::read_to_string(&path) {
        Ok(text) if text == ours => Ok(()),
        Ok(text) => {
            let found: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
            Err(ExportError::Version { path, found, ours: VERSION })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(dir).map_err(failed)?;
            let mut file = NewFile::create(&path, rules())?;
            file.write_all(ours.as_bytes()).map_err(failed)?;
            Ok(file.commit()?)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a record's tables into a data set, unless they are there. `records` holds the one record; `rules` say what may be
/// written over.
///
/// # Errors
/// If the record has no snapshot, cannot be read, or a file cannot be written.
pub fn export(
    dir: &Path,
    records: &SharedRecords,
    options: &ExportOptions,
    rules: &dyn Fn() -> Rules,
) -> Result<Exported, ExportError> {
    let Some(record) = (**records).as_ref().first() else { return Ok(Exported::default()) };
    if record.totals().snapshots == 0 {
        return Err(ExportError::Empty { name: record.name().to_owned() });
    }
    let identity = format!("{:016x}", options.identity.unwrap_or_else(|| record.reader().fingerprint()));
    let host = options.host.as_deref().unwrap_or(&record.meta().host);
    let place = Place { dir, host, identity: &identity, rules };
    let job = Job { record, database: Database::new(records.clone()), options, place: &place };
    let date = job.began().map_or_else(|| "unknown".to_owned(), date_of);
    // It is written last: where it is, the others are.
    if place.file("records", &date).exists() {
        return Ok(Exported { identity, files: Vec::new() });
    }
    let mut files = Vec::new();
    for table in tables() {
        let mut writer = TableWriter::new(table, &place);
        match table.name {
            "regions" | "snapshots" => job.of_blocks(table, &mut writer)?,
            _ => job.of_side_data(table, &mut writer)?,
        }
        files.extend(writer.finish()?);
    }
    Ok(Exported { identity, files })
}

/// One record on its way into files.
struct Job<'a> {
    record: &'a Record,
    database: Database,
    options: &'a ExportOptions,
    place: &'a Place<'a>,
}

impl Job<'_> {
    /// When the recording began, since 1970.
    fn began(&self) -> Option<Nanos> {
        let pair = self.record.meta().clock_pair;
        let told = pair.map(|pair| self.record.began().saturating_sub(pair.record).saturating_add(pair.wall));
        self.options.began.or(told)
    }

    /// A table that is as large as the record.
    fn of_blocks(&self, table: ExportedTable, writer: &mut TableWriter<'_>) -> Result<(), ExportError> {
        let ours = ["record", "service", "wall_ns", "length_ns"];
        let mut names: Vec<&str> =
            table.columns.iter().map(|column| column.name).filter(|name| !ours.contains(name)).collect();
        // Views of schemes show the same memory once more.
        names.extend(["end_ns", "scheme"]);
        self.database.batches(table.name, &names, |rows| -> Result<bool, ExportError> {
            let plain = rows.column("scheme")?.is_null();
            let rows = rows.filter(&plain)?;
            let (start, end) = (rows.column("start_ns")?.i64()?, rows.column("end_ns")?.i64()?);
            let length = (end - start).into_series().with_name("length_ns".into());
            let mut rows = rows.clone();
            rows.with_column(length.into())?;
            if rows.height() > 0 {
                writer.push(&self.finished(table, rows, "start_ns")?)?;
            }
            Ok(true)
        })
    }

    /// A small table.
    fn of_side_data(&self, table: ExportedTable, writer: &mut TableWriter<'_>) -> Result<(), ExportError> {
        let mut rows = self.database.table(table.name)?.frame;
        if table.name == "targets" {
            rows = rows.filter(&rows.column("scheme")?.is_null())?;
        }
        let time = if rows.column("at_ns").is_ok() { "at_ns" } else { "" };
        if rows.height() > 0 {
            writer.push(&self.finished(table, rows, time)?)?;
        }
        Ok(())
    }

    /// Rows with the columns that all tables have, in the types of data sets. `time` is the column of times since the recording
    /// began; without one, the rows are of the record's beginning.
    fn finished(&self, table: ExportedTable, mut rows: DataFrame, time: &str) -> Result<DataFrame, ExportError> {
        let height = rows.height();
        let began = self.began().map(|began| began.0);
        let wall: Column = match rows.column(time) {
            Ok(times) => match began {
                Some(began) => times
                    .i64()?
                    .apply_values(|at| at.saturating_add(began))
                    .into_series()
                    .with_name("wall_ns".into())
                    .into(),
                // Readings may have the time of day where the snapshots do not.
                None => match rows.column("wall_ns") {
                    Ok(known) => known.clone(),
                    Err(_) => Series::new("wall_ns".into(), vec![None::<i64>; height]).into(),
                },
            },
            Err(_) => Series::new("wall_ns".into(), vec![began; height]).into(),
        };
        rows.with_column(wall)?;
        rows.with_column(constant("record", Some(self.place.identity), height))?;
        if table.columns.iter().any(|column| column.name == "service") {
            let service = self.service(&rows)?;
            rows.with_column(service)?;
        }
        // The date of tables without a time is that of the record's beginning.
        let mut finished = in_types(table, &rows, self.record.name())?;
        if finished.column("wall_ns").is_err() {
            finished.with_column(rows.column("wall_ns")?.clone())?;
        }
        Ok(finished)
    }

    /// The service of each row's target.
    fn service(&self, rows: &DataFrame) -> Result<Column, ExportError> {
        let height = rows.height();
        if let Some(service) = &self.options.service {
            return Ok(constant("service", Some(service), height));
        }
        let name = |target: &Target| Some((u64::from(target.key.0), target.process.as_ref()?.comm.clone()));
        let names: HashMap<u64, String> = self.record.targets().iter().filter_map(name).collect();
        let targets = rows.column("target")?.u64()?;
        let of = |target: Option<u64>| target.and_then(|target| names.get(&target)).map(String::as_str);
        Ok(Series::new("service".into(), targets.iter().map(of).collect::<Vec<_>>()).into())
    }
}
