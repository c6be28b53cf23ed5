//! `damo export`: records into a data set that the engines of many hosts read.

use crate::edits;
use crate::errors::{self, Outcome};
use crate::inputs::{Known, Opened};
use crate::outputs::{self, Manner};
use crate::progress;
use anyhow::{Context, Result};
use clap::Args;
use damo_edit::anonymize::{Anonymize, Survey};
use damo_export::{ExportError, ExportOptions, Exported, check_version, export, is_there, parse_moment};
use damo_format::{Kind, Writer, WriterOptions};
use damo_frame::{OpenOptions, Record};
use damo_model::Nanos;
use damo_model::human::{Show, Style, format_size};
use damo_query::SharedRecords;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `damo export`.
#[derive(Args, Debug)]
#[command(
    after_help = "The data set is Parquet, partitioned as Hive does it: DIR/table=T/date=YYYY-MM-DD/host=H/RECORD.parquet. A \
                        record that is there already is passed over, however it is called now. Columns and queries for DuckDB \
                        and Spark are in docs/fleet.md.\n\n\
                        Examples:\n  damo export --dataset /srv/damo /var/lib/damo/host.*.damo\n  \
                        damo export --dataset share --anonymize --host host-1 --service cache app.damo"
)]
pub(crate) struct ExportArgs {
    /// The records; .damo, or what the Python tool, perf or trace-cmd wrote
    #[arg(value_name = "RECORD", required = true)]
    records: Vec<PathBuf>,
    /// The data set's directory; it is made, or added to
    #[arg(long, value_name = "DIR")]
    dataset: PathBuf,
    #[command(flatten)]
    known: Known,
    /// The host's name [default: what the record says, else `unknown`]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The service that the targets belong to [default: the name of each target's process]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// When the recording began, in place of what the record says: seconds since 1970, 2026-11-30, or 2026-11-30T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    began: Option<Nanos>,
    /// Leave out names and times of day and move addresses, as `damo anonymize` does; --host, --service and --began say what
    /// stands in their places
    #[arg(long)]
    anonymize: bool,
    /// Permission of new files, in octal
    #[arg(long, value_name = "OCTAL", value_parser = edits::permission, default_value = "600")]
    permission: u32,
}

/// Exports.
///
/// # Errors
/// If a record cannot be read, or the data set cannot be written.
pub(crate) fn run(args: &ExportArgs) -> Result<Outcome> {
    outputs::clean_up_on_signals();
    let (mut outcome, mut failed) = (Outcome::Fine, None);
    let mut is_of_our_version = false;
    // One at a time: a host's records of a day are many.
    for path in &args.records {
        let done = args.export_one(path, &mut is_of_our_version);
        match done {
            Ok(Outcome::Fine) => {}
            Ok(_) => outcome = Outcome::Partial,
            // The next one would fail as well.
            Err(error) if is_of_data_set(&error) => return Err(error),
            // The others are exported all the same.
            Err(error) => {
                if let Some(before) = failed.replace(error) {
                    errors::say(&before);
                }
            }
        }
    }
    failed.map_or(Ok(outcome), Err)
}

/// Whether it is the data set that takes no more, whatever the record.
fn is_of_data_set(error: &anyhow::Error) -> bool {
    let known = error.downcast_ref::<ExportError>();
    known.is_some_and(|error| {
        matches!(
            error,
            ExportError::Directory { .. } | ExportError::Version { .. } | ExportError::Io(_) | ExportError::Write(_)
        )
    })
}

impl ExportArgs {
    /// Exports one record. `is_of_our_version`: whether the data set is known to be.
    fn export_one(&self, path: &Path, is_of_our_version: &mut bool) -> Result<Outcome> {
        let opened = self.known.open(&[path.to_owned()])?;
        let manner = |kind| move || Manner { mode: self.permission, ..Manner::new(kind) }.rules();
        if !*is_of_our_version {
            check_version(&self.dataset, &manner(Kind::Json))?;
            *is_of_our_version = true;
        }
        let Some(record) = opened.records.first() else { return Ok(Outcome::Fine) };
        let options = self.options(record);
        let parquet = manner(Kind::Parquet);
        let (mut late, mut copies) = (Outcome::Fine, Vec::new());
        if self.anonymize && !is_there(&self.dataset, record, &options, &parquet) {
            let (copy, outcome) = anonymous(record).with_context(|| path.shown().to_string())?;
            copies.push(copy);
            late = outcome;
        }
        let opened = Arc::new(opened);
        // A record that is there already is not read, and so not copied.
        let records: SharedRecords =
            if copies.is_empty() { Arc::clone(&opened) as SharedRecords } else { Arc::new(Opened { records: copies }) };
        let done = progress::during((*records).as_ref(), || export(&self.dataset, &records, &options, &parquet))?;
        self.tell(path, &opened, &done);
        Ok(edits::outcome(&opened, late))
    }

    fn options(&self, record: &Record) -> ExportOptions {
        ExportOptions {
            host: self.host.clone().or_else(|| self.anonymize.then(|| "anonymous".to_owned())),
            service: self.service.clone(),
            began: self.began,
            // Addresses are moved each time to other places; the record is the same.
            identity: self.anonymize.then(|| record.reader().fingerprint()),
            anonymous: self.anonymize,
        }
    }

    /// What was written, and how large it is beside the record.
    fn tell(&self, path: &Path, opened: &Opened, done: &Exported) {
        if done.was_there() {
            errors::note(format_args!("{}: is in the data set already, as {}", path.shown(), done.identity));
            return;
        }
        let rows: u64 = done.files.iter().map(|file| file.rows).sum();
        let size = |bytes| format_size(damo_model::Bytes(bytes), Style::Human);
        let beside = opened.records.first().and_then(Record::file_size).filter(|size| size.0 > 0);
        let beside = beside.map_or_else(String::new, |record| {
            format!(", {:.1} times the record's {}", done.bytes() as f64 / record.0 as f64, size(record.0))
        });
        errors::done(format_args!(
            "{}: {rows} rows in {} files of {}{beside}",
            path.shown(),
            done.files.len(),
            size(done.bytes())
        ));
    }
}

/// The record without names and with its addresses moved, in memory; and whether all of it could be read.
fn anonymous(record: &Record) -> Result<(Record, Outcome)> {
    let mut survey = Survey::default();
    let outcome = edits::pass(record, &mut survey)?;
    let mut writer = Writer::new(Vec::new(), WriterOptions::default())?;
    let mut anonymize = Anonymize::new(survey, false, &mut writer)?;
    // Its damage is that of the first pass.
    edits::pass(record, &mut anonymize)?;
    drop(anonymize);
    let (bytes, _) = writer.finish()?;
    Ok((Record::from_stream(Cursor::new(bytes), record.name(), &OpenOptions::default())?, outcome))
}
