//! Which records a command reads, and opening them: those named, else `damon.damo`, else `damon.data`.

use crate::errors::{self, Outcome};
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_frame::{OpenOptions, Record};
use damo_report::filter::TargetFilter;
use std::path::{Path, PathBuf};

/// Looked for in this order when no input is named. The second is what the Python tool writes.
const DEFAULTS: [&str; 2] = ["damon.damo", "damon.data"];

/// The records to read.
#[derive(Args, Clone, Debug, Default)]
pub struct Inputs {
    /// Records to read: .damo, or what the Python tool, perf or trace-cmd wrote; `-` is standard input
    /// [default: damon.damo, then damon.data]
    #[arg(
        short,
        long = "input",
        visible_alias = "inputs",
        alias = "input_file",
        value_name = "FILE",
        num_args = 1..,
        help_heading = "Input"
    )]
    pub input: Vec<PathBuf>,
}

impl Inputs {
    /// The files to read: named ones (here or as positional arguments `more`), else the default that exists.
    ///
    /// # Errors
    /// If nothing is named and no default exists.
    pub fn paths(&self, more: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let named: Vec<PathBuf> = self.input.iter().chain(more).cloned().collect();
        if !named.is_empty() {
            return Ok(named);
        }
        for default in DEFAULTS {
            if Path::new(default).exists() {
                return Ok(vec![default.into()]);
            }
        }
        bail!(
            "no record to read: neither {} nor {} is in this directory. Name one with -i FILE, or make one: \
             `damo record PID`, or `damo demo` where there is no DAMON",
            DEFAULTS[0],
            DEFAULTS[1]
        )
    }
}

/// Open records.
pub struct Opened {
    /// In the order named.
    pub records: Vec<Record>,
}

/// Opens the records, and says what their importers have to say.
///
/// # Errors
/// If one is no record, or cannot be read.
pub fn open(paths: &[PathBuf]) -> Result<Opened> {
    open_with(paths, &OpenOptions::default())
}

/// The same, with what is known beyond the files.
///
/// # Errors
/// As [`open`].
pub fn open_with(paths: &[PathBuf], options: &OpenOptions) -> Result<Opened> {
    let mut records = Vec::with_capacity(paths.len());
    for path in paths {
        let record = progress::during(&[], || Record::open(path, options))?;
        for note in record.notes() {
            errors::note(format_args!("{}: {note}", record.name()));
        }
        records.push(record);
    }
    Ok(Opened { records })
}

impl Opened {
    /// The records' names, without their directories.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.records.iter().map(|r| r.name().rsplit('/').next().unwrap_or_default()).collect();
        names.join(", ")
    }

    /// Tells records apart: the same for the same bytes. Made from the checksums of their blocks, so it costs no reading.
    pub fn hash(&self) -> String {
        let hashes: Vec<String> =
            self.records.iter().map(|record| format!("{:016x}", record.reader().fingerprint())).collect();
        hashes.join(" ")
    }

    /// Sees that what names a target (`--pid`, `--tid` and the like) fits one.
    ///
    /// # Errors
    /// If none of the records has such a target.
    pub fn has_target(&self, filter: &TargetFilter) -> Result<()> {
        let named = TargetFilter { plain_only: false, ..filter.clone() };
        let mut targets = self.records.iter().flat_map(|record| record.targets());
        if named.is_all() || targets.any(|target| named.holds(target)) {
            return Ok(());
        }
        bail!("{}: no target fits the given ids; `damo info` lists the targets", self.names())
    }

    /// Says on stderr what is missing from the records, and gives the exit code that goes with it.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::Fine;
        for record in &self.records {
            let name = record.name();
            for damage in record.damage() {
                errors::warn(format_args!("{name}: {damage}"));
                outcome = Outcome::Partial;
            }
            if outcome == Outcome::Partial {
                errors::note(format_args!(
                    "{name}: the rest was read; `damo repair {name} NEW.damo` keeps what is readable"
                ));
            }
            if let Some(why) = record.cut_short() {
                errors::warn(format_args!("{name}: {why}; the rest was read"));
                outcome = Outcome::Partial;
            }
            let coverage = record.coverage();
            if coverage.lost_events > 0 || coverage.partial > 0 {
                errors::warn(format_args!(
                    "{name}: {} events were lost while recording, {} of {} snapshots are partial and left out of \
                     statistics",
                    coverage.lost_events, coverage.partial, coverage.snapshots
                ));
            }
        }
        outcome
    }
}
