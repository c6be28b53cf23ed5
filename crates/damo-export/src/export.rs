//! One record into a data set.

use crate::VERSION;
use crate::columns::{ExportedTable, tables};
use crate::date::date_of;
use crate::error::ExportError;
use crate::writer::{ExportedFile, NO_DATE, Place, TableWriter, constant, in_types};
use damo_format::{NewFile, Rules};
use damo_frame::Record;
use damo_model::{Nanos, Target};
use damo_query::{Database, SharedRecords};
use polars::prelude::{ChunkApply, ChunkCompareIneq, Column, DataFrame, DataType, IntoSeries, NamedFrom, Series};
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
    /// Whether a copy without names and times of day is exported: when the record began is not told then.
    pub anonymous: bool,
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

/// Makes the directory of a data set, or sees that the one there has columns of this version. Several exports may do so at once.
///
/// # Errors
/// If it has others, or cannot be read or made.
pub fn check_version(dir: &Path, rules: &dyn Fn() -> Rules) -> Result<(), ExportError> {
    let path = dir.join(ABOUT);
    if has_our_version(&path)? {
        return Ok(());
    }
    let failed = |source| ExportError::Directory { path: path.clone(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    let make = || -> Result<(), ExportError> {
        let mut file = NewFile::create(&path, rules())?;
        file.write_all(our_version().as_bytes()).map_err(failed)?;
        Ok(file.commit()?)
    };
    match make() {
        // Another export was faster.
        Err(_) if has_our_version(&path)? => Ok(()),
        made => made,
    }
}

fn our_version() -> String {
    format!("{{\"damo_dataset\": {VERSION}}}\n")
}

/// Whether the file that tells the version is there.
///
/// # Errors
/// If it tells another one, or cannot be read.
fn has_our_version(path: &Path) -> Result<bool, ExportError> {
    match fs::read_to_string(path) {
        Ok(text) if text == our_version() => Ok(true),
        Ok(text) => {
            let found: String = text.chars().filter(char::is_ascii_digit).take(6).collect();
            Err(ExportError::Version { path: path.to_owned(), found, ours: VERSION })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ExportError::Directory { path: path.to_owned(), source }),
    }
}

/// Whether a record is in a data set. Of an anonymous copy, the record that it is of can be given as well.
pub fn is_there(dir: &Path, record: &Record, options: &ExportOptions, rules: &dyn Fn() -> Rules) -> bool {
    let identity = identity(record, options);
    let place = Place { dir, host: host(record, options), identity: &identity, rules };
    // It is written last: where it is, the others are.
    let date = began(record, options).map_or_else(|| NO_DATE.to_owned(), date_of);
    place.file("records", &date).exists()
}

/// What the record is called in the data set.
fn identity(record: &Record, options: &ExportOptions) -> String {
    format!("{:016x}", options.identity.unwrap_or_else(|| record.reader().fingerprint()))
}

fn host<'a>(record: &'a Record, options: &'a ExportOptions) -> &'a str {
    options.host.as_deref().unwrap_or(&record.meta().host)
}

/// When the recording began, since 1970.
fn began(record: &Record, options: &ExportOptions) -> Option<Nanos> {
    let pair = record.meta().clock_pair.filter(|_| !options.anonymous);
    let told = pair.map(|pair| record.began().saturating_sub(pair.record).saturating_add(pair.wall));
    options.began.or(told)
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
    let identity = identity(record, options);
    if is_there(dir, record, options, rules) {
        return Ok(Exported { identity, files: Vec::new() });
    }
    let place = Place { dir, host: host(record, options), identity: &identity, rules };
    let job = Job { record, database: Database::new(records.clone()), options, place: &place };
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
        if table.name == "mappings" {
            // What no process can have mapped itself, such as `[vsyscall]`: signed numbers cannot hold its address.
            rows = rows.filter(&rows.column("start")?.u64()?.lt_eq(i64::MAX.unsigned_abs()))?;
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
        let began = began(self.record, self.options).map(|began| began.0);
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
        // Samples know their process alone.
        let of_pids = rows.column("target").is_err();
        let name = |target: &Target| {
            let process = target.process.as_ref()?;
            Some((if of_pids { i64::from(process.pid) } else { target.key.0.into() }, process.comm.clone()))
        };
        let names: HashMap<i64, String> = self.record.targets().iter().filter_map(name).collect();
        let targets = rows.column(if of_pids { "pid" } else { "target" })?.cast(&DataType::Int64)?;
        let targets = targets.i64()?;
        let of = |target: Option<i64>| target.and_then(|target| names.get(&target)).map(String::as_str);
        Ok(Series::new("service".into(), targets.iter().map(of).collect::<Vec<_>>()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_format::{Kind, Rules};
    use damo_model::{Addr, Item, Mapping, Mappings, Meta, NrAccesses, Region, Side, Snapshot, Stamp, TargetKey};
    use polars_io::SerReader;
    use polars_io::parquet::read::ParquetReader;
    use std::fs::File;
    use std::path::PathBuf;
    use std::sync::Arc;

    /// A record of ten snapshots whose process has these mappings.
    fn record(mappings: Vec<Mapping>) -> Record {
        let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
        let (at, target) = (Stamp::Record(Nanos(0)), Some(TargetKey(0)));
        items.push(Item::Side(Side::Mappings(Mappings { at, pid: 1, target, mappings })));
        for second in 0..10 {
            let mut snapshot =
                Snapshot::new(TargetKey(0), Nanos::from_secs(second), Nanos::from_secs(second + 1), None);
            snapshot.regions.push(Region::new(Addr(4096), Addr(8192), NrAccesses(3), None));
            items.push(Item::Snapshot(snapshot));
        }
        Record::from_items(&items).expect("a record")
    }

    /// Exports; gives what was written with the rows of each file.
    fn exported(dir: &Path, record: Record, options: &ExportOptions) -> Vec<(PathBuf, DataFrame)> {
        let records: SharedRecords = Arc::new([record]);
        let done = export(dir, &records, options, &|| Rules::new(Kind::Parquet)).expect("exported");
        let rows = |path: &PathBuf| ParquetReader::new(File::open(path).expect("a file")).finish().expect("Parquet");
        done.files.iter().map(|file| (file.path.clone(), rows(&file.path))).collect()
    }

    fn of_table(files: &[(PathBuf, DataFrame)], table: &str) -> DataFrame {
        let part = format!("table={table}/");
        let found = files.iter().find(|(path, _)| path.to_string_lossy().contains(&part));
        found.unwrap_or_else(|| panic!("{table}: {files:?}")).1.clone()
    }

    #[test]
    fn a_mapping_that_signed_numbers_cannot_hold_is_left_out() {
        let of = |start, end, name: &str| Mapping {
            start: Addr(start),
            end: Addr(end),
            name: name.to_owned(),
            ..Mapping::default()
        };
        let vsyscall = of(0xffff_ffff_ff60_0000, 0xffff_ffff_ff60_1000, "[vsyscall]");
        let here = tempfile::tempdir().expect("temporary directory");
        let files = exported(here.path(), record(vec![of(4096, 8192, "[heap]"), vsyscall]), &ExportOptions::default());
        let mappings = of_table(&files, "mappings");
        let names = mappings.column("name").expect("a column").str().expect("text");
        assert_eq!(names.iter().collect::<Vec<_>>(), [Some("[heap]")]);
    }

    #[test]
    fn every_file_has_the_columns_of_its_table_and_no_others() {
        let here = tempfile::tempdir().expect("temporary directory");
        let options = ExportOptions { began: Some(Nanos::from_secs(1_796_040_000)), ..ExportOptions::default() };
        let files = exported(here.path(), record(vec![Mapping { end: Addr(4096), ..Mapping::default() }]), &options);
        for table in tables().iter().filter(|table| !["footprints", "samples"].contains(&table.name)) {
            let rows = of_table(&files, table.name);
            let names: Vec<String> = rows.get_column_names().iter().map(ToString::to_string).collect();
            assert_eq!(names, table.columns.iter().map(|column| column.name).collect::<Vec<_>>(), "{}", table.name);
            assert!(rows.height() > 0, "{}", table.name);
        }
        let regions = of_table(&files, "regions");
        let starts: Vec<Option<i64>> = regions.column("wall_ns").expect("a column").i64().expect("numbers").to_vec();
        let wanted = (0..10).map(|second| Some((1_796_040_000 + second) * 1_000_000_000)).collect::<Vec<_>>();
        assert_eq!(starts, wanted);
    }

    #[test]
    fn several_exports_may_begin_a_data_set_at_once() {
        for _ in 0..50 {
            let here = tempfile::tempdir().expect("temporary directory");
            let dir = here.path().join("set");
            let begin = || check_version(&dir, &|| Rules::new(Kind::Json));
            std::thread::scope(|scope| {
                let all: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
                for one in all {
                    one.join().expect("a thread").expect("a data set");
                }
            });
        }
    }

    #[test]
    fn an_anonymous_copy_is_found_by_the_record_that_it_is_of() {
        let here = tempfile::tempdir().expect("temporary directory");
        let record = record(Vec::new());
        let options = ExportOptions { identity: Some(7), anonymous: true, ..ExportOptions::default() };
        let rules = || Rules::new(Kind::Parquet);
        assert!(!is_there(here.path(), &record, &options, &rules));
        let records: SharedRecords = Arc::new([record]);
        export(here.path(), &records, &options, &rules).expect("exported");
        assert!((*records).as_ref().iter().all(|record| is_there(here.path(), record, &options, &rules)));
    }
}
