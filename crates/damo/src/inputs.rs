//! Which records a command reads, and opening them: those named, else `damon.damo`, else `damon.data`.

use crate::commands::report::options::milliseconds_or_microseconds;
use crate::errors::{self, Outcome};
use crate::{outputs, progress};
use anyhow::{Result, bail};
use clap::Args;
use damo_cli::ValueError;
use damo_frame::{OpenOptions, Record};
use damo_import::Tick;
use damo_model::human::{self, TimeUnit};
use damo_model::{Intervals, Nanos, Selection};
use damo_report::filter::TargetFilter;
use damo_report::selection::what_there_is;
use std::path::{Path, PathBuf};

/// Looked for in this order when no input is named. The second is what the Python tool writes.
const DEFAULTS: [&str; 2] = ["damon.damo", "damon.data"];

/// The records to read.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Inputs {
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
    /// What the records do not tell.
    #[command(flatten)]
    pub known: Known,
}

/// What is known beyond the records.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Known {
    /// Sampling and aggregation interval of records that do not tell them (perf.data, trace text), as in `5ms 100ms`.
    /// Where auto-tuning changed them, those that it began with
    #[arg(long, num_args = 2, value_names = ["SAMPLE", "AGGREGATION"], value_parser = milliseconds_or_microseconds, help_heading = "Input")]
    intervals: Vec<Nanos>,
    /// How long a step of the clock lasts, for traces taken with a clock that does not count seconds: `10ms` for `uptime`,
    /// the processor's cycles per second, as in `2.4GHz`, for `x86-tsc`
    #[arg(long = "clock_tick", value_name = "TIME|FREQUENCY", value_parser = clock_tick, help_heading = "Input")]
    clock_tick: Option<Tick>,
}

/// A time with its unit, or a frequency.
fn clock_tick(text: &str) -> Result<Tick, ValueError> {
    let wanted = || ValueError::Unwanted("a time such as 10ms, or a frequency such as 2.4GHz is wanted");
    let text = text.trim();
    if let Some(number) = text.strip_suffix("Hz").or_else(|| text.strip_suffix("hz")) {
        let (number, factor) = match number.trim_end().char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&number[..at], 1e3),
            Some((at, 'M' | 'm')) => (&number[..at], 1e6),
            Some((at, 'G' | 'g')) => (&number[..at], 1e9),
            _ => (number, 1.0),
        };
        let number: f64 = number.trim().parse().map_err(|_| wanted())?;
        let per_second = (number * factor).round();
        // Beyond any clock, and what a float holds exactly.
        let sane = (1.0..=1e15).contains(&per_second);
        return if sane { Tick::per_second(per_second as u64).ok_or_else(wanted) } else { Err(wanted()) };
    }
    if text.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(wanted());
    }
    let length = human::parse_time(text, TimeUnit::Nanos).map_err(|_| wanted())?;
    Tick::lasting(length).ok_or_else(wanted)
}

impl Known {
    /// Whether anything is.
    pub(crate) fn is_some(&self) -> bool {
        !self.intervals.is_empty() || self.clock_tick.is_some()
    }

    /// For the importer.
    ///
    /// # Errors
    /// If the intervals cannot be.
    pub(crate) fn options(&self) -> Result<damo_import::Options> {
        let intervals = match self.intervals[..] {
            [sample, aggregation] if sample.0 <= 0 || aggregation < sample => bail!(
                "--intervals: the sampling interval is above 0 and at most the aggregation interval, as in 5ms 100ms"
            ),
            [sample, aggregation] => Some(Intervals { sample, aggregation, ..Intervals::default() }),
            _ => None,
        };
        Ok(damo_import::Options { intervals, clock_tick: self.clock_tick, ..damo_import::Options::default() })
    }

    /// Opens records, and says what their importers have to say.
    ///
    /// # Errors
    /// If one is no record, or the intervals cannot be.
    pub(crate) fn open(&self, paths: &[PathBuf]) -> Result<Opened> {
        self.open_by(paths, self.options()?)
    }

    /// The same for reports of profiles: perf.data without an event of DAMON is a record without snapshots.
    ///
    /// # Errors
    /// As [`Known::open`].
    pub(crate) fn open_profiles(&self, paths: &[PathBuf]) -> Result<Opened> {
        self.open_by(paths, damo_import::Options { profiles: true, ..self.options()? })
    }

    fn open_by(&self, paths: &[PathBuf], import: damo_import::Options) -> Result<Opened> {
        let options = OpenOptions { import, ..OpenOptions::default() };
        let opened = open_with(paths, &options)?;
        if self.intervals.is_empty() {
            return Ok(opened);
        }
        for record in opened.records.iter().filter(|record| !record.is_imported() && record.totals().snapshots > 0) {
            // Where tuning changed them, each snapshot has its own.
            let blocks = record.sample(&Selection::all(), 0)?;
            if blocks.iter().flat_map(|block| block.heads()).any(|head| head.intervals.is_none()) {
                bail!(
                    "--intervals: {} is a .damo record that was made without intervals, and those cannot be added; convert \
                     the file that it was made from once more, with --intervals",
                    record.name()
                );
            }
        }
        Ok(opened)
    }
}

impl Inputs {
    /// Opens the named files, and `more`; without any, the default one.
    ///
    /// # Errors
    /// If there is none, or one is no record.
    pub(crate) fn open(&self, more: &[PathBuf]) -> Result<Opened> {
        self.known.open(&self.paths(more)?)
    }

    /// The files to read: named ones (here or as positional arguments `more`), else the default that exists.
    ///
    /// # Errors
    /// If nothing is named and no default exists.
    pub(crate) fn paths(&self, more: &[PathBuf]) -> Result<Vec<PathBuf>> {
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
             `damo record PID`, or `damo demo` where there is no DAMON; a report with --live records one for itself",
            DEFAULTS[0],
            DEFAULTS[1]
        )
    }
}

/// Records that were opened, and what the user was told of them.
pub(crate) struct Opened {
    /// In the order named.
    pub records: Vec<Record>,
}

/// Opens the records, and says what their importers have to say.
///
/// # Errors
/// If one is no record, or cannot be read.
pub(crate) fn open_with(paths: &[PathBuf], options: &OpenOptions) -> Result<Opened> {
    let mut records = Vec::with_capacity(paths.len());
    // All of them before anything is written.
    paths.iter().for_each(|path| outputs::reads(path));
    for path in paths {
        let record = progress::during(&[], || Record::open(path, options))?;
        for note in record.notes() {
            errors::note(format_args!("{}: {note}", record.name()));
        }
        records.push(record);
    }
    Ok(Opened { records })
}

impl AsRef<[Record]> for Opened {
    fn as_ref(&self) -> &[Record] {
        &self.records
    }
}

impl Opened {
    /// The records' names, without their directories.
    pub(crate) fn names(&self) -> String {
        let name = |record: &Record| {
            let name = match record.name().rsplit('/').next().unwrap_or_default() {
                "-" => "standard input",
                name => name,
            };
            // Where in a mapping such memory lies is not known, which a picture should not hide.
            let coarse = record.meta().source == damo_model::Source::Referenced;
            format!("{name}{}", if coarse { " (referenced pages, by mapping)" } else { "" })
        };
        self.records.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Tells records apart: the same for the same bytes. Made from the checksums of their blocks, so it costs no reading.
    pub(crate) fn hash(&self) -> String {
        let hashes: Vec<String> =
            self.records.iter().map(|record| format!("{:016x}", record.reader().fingerprint())).collect();
        hashes.join(" ")
    }

    /// Sees that what names a target (`--pid`, `--tid` and the like) fits one.
    ///
    /// # Errors
    /// If none of the records has such a target.
    pub(crate) fn has_target(&self, filter: &TargetFilter) -> Result<()> {
        let named = TargetFilter { plain_only: false, ..filter.clone() };
        let mut targets = self.records.iter().flat_map(|record| record.targets());
        if named.is_all() || targets.any(|target| named.holds(target)) {
            return Ok(());
        }
        let there: Vec<String> = self.records.iter().map(what_there_is).collect();
        bail!("{}: no target fits the given ids; {}", self.names(), there.join("; "))
    }

    /// Says on stderr what is missing from the records, and gives the exit code that goes with it.
    pub(crate) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::Fine;
        for record in &self.records {
            let name = record.name();
            let damaged = !record.damage().is_empty();
            for damage in record.damage() {
                errors::warn(format_args!("{name}: {damage}"));
                outcome = Outcome::Partial;
            }
            if damaged {
                errors::note(format_args!(
                    "{name}: the rest was read; `damo repair {name} NEW.damo` saves what is readable"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_a_clock_is_a_time_with_its_unit_or_a_frequency() {
        let (tick, of_hz) = (|text| clock_tick(text).ok(), Tick::per_second);
        assert_eq!(tick("10ms"), Tick::lasting(Nanos::from_millis(10)));
        assert_eq!(
            [tick("2.4GHz"), tick("250 Hz"), tick("1MHz")],
            [of_hz(2_400_000_000), of_hz(250), of_hz(1_000_000)]
        );
        assert_eq!([tick("10"), tick("0Hz"), tick("-1ms"), tick("fast"), tick("GHz"), tick("")], [None; 6]);
    }
}
