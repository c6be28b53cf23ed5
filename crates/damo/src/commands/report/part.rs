//! Options that say which part of the records a report looks at.

use super::options::{ClockArgs, microseconds, size};
use super::ranges::{Ranges, TimeArgs, occurrences, repeated, time_bounds};
use anyhow::{Context, Result, bail};
use clap::{ArgMatches, Args, Command};
use damo_analysis::phases::times_of;
use damo_frame::Record;
use damo_model::human::{self, ParseError};
use damo_model::{Addr, AddrRange, Bytes, Nanos};
use damo_report::filter::{Bounds, Filter, TargetFilter};
use damo_report::range::{TimeBase, TimeRange};
use std::collections::HashMap;
use std::path::PathBuf;

/// Which part of the records a report looks at, as it is said on the command line.
pub(crate) trait PartOptions: Args + std::fmt::Debug {
    /// The filter.
    ///
    /// # Errors
    /// If bounds are the wrong way round, or address ranges overlap.
    fn filter(&self, clock: ClockArgs) -> Result<Filter>;

    /// The option that names a time, if it is given; `--phase` does the same, and excludes it.
    fn time_option(&self) -> Option<&'static str>;

    /// Whether a part of the time can be looked at.
    const HAS_TIMES: bool = true;

    /// Records that stand right behind one of the options.
    fn files(&self) -> &[PathBuf] {
        &[]
    }
}

/// `--phase`, for all reports that can look at a part of the time.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PhaseArgs {
    /// Only the time of this phase of the run, as `damo report phases` numbers them (repeatable)
    #[arg(long = "phase", value_name = "NUMBER", help_heading = "Selection")]
    pub numbers: Vec<usize>,
}

impl PhaseArgs {
    /// Sees that the time is not named otherwise as well.
    ///
    /// # Errors
    /// If it is, or the report is of whole records.
    pub(crate) fn check<P: PartOptions>(&self, part: &P) -> Result<()> {
        match part.time_option() {
            _ if self.numbers.is_empty() => Ok(()),
            _ if !P::HAS_TIMES => bail!("--phase: this report is of whole records; leave it out"),
            Some(option) => bail!("--phase and {option} both name a time: leave one out"),
            None => Ok(()),
        }
    }

    /// The time of the phases as one range, for what shows one range of time; `None` if none is asked for.
    ///
    /// # Errors
    /// If there is no such phase, or they do not follow on one another.
    pub(crate) fn range(&self, records: &[Record]) -> Result<Option<TimeRange>> {
        let Some(record) = records.first() else { return Ok(None) };
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.windows(2).any(|pair| matches!(pair, [a, b] if a + 1 < *b)) {
            bail!("--phase: this shows one range of time, and the phases named do not follow on one another: name one");
        }
        let times = times_of(record, &numbers)?;
        let range = times.first().zip(times.last());
        Ok(range.map(|(first, last)| TimeRange { start: first.min, end: last.max, base: TimeBase::At(Nanos(0)) }))
    }
}

/// All of the records.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct WholeRecord {}

impl PartOptions for WholeRecord {
    const HAS_TIMES: bool = false;

    fn filter(&self, _: ClockArgs) -> Result<Filter> {
        Ok(Filter::default())
    }

    fn time_option(&self) -> Option<&'static str> {
        None
    }
}

/// A time that the report looks up itself.
impl PartOptions for TimeArgs {
    fn filter(&self, clock: ClockArgs) -> Result<Filter> {
        self.range(clock)?;
        Ok(Filter::default())
    }

    fn time_option(&self) -> Option<&'static str> {
        self.is_given().then_some("--time_range")
    }
}

/// The targets, times and addresses of a map.
#[derive(Args, Clone, Debug)]
pub(crate) struct MapPart {
    /// The targets that a report looks at.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Ranges of time and addresses.
    #[command(flatten)]
    pub ranges: Ranges,
}

impl PartOptions for MapPart {
    fn filter(&self, _: ClockArgs) -> Result<Filter> {
        Ok(Filter { target: self.target.filter(), ..Filter::default() })
    }

    fn time_option(&self) -> Option<&'static str> {
        self.ranges.names_time().then_some("--time_range")
    }

    fn files(&self) -> &[PathBuf] {
        self.ranges.files()
    }
}

fn percent(text: &str) -> Result<f64, ParseError> {
    human::parse_percent(text).map(|number| number.as_f64())
}

/// Which part of the records.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FilterArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Regions of these sizes only
    #[arg(long = "sz_region", num_args = 2, value_names = ["MIN", "MAX"], value_parser = size, help_heading = "Selection")]
    sz_region: Vec<Bytes>,
    /// Regions with this share of the possible accesses only, in percent
    #[arg(long = "access_rate", num_args = 2, value_names = ["MIN", "MAX"], value_parser = percent, help_heading = "Selection")]
    access_rate: Vec<f64>,
    /// Regions of these ages only; a bare number is microseconds
    #[arg(long, num_args = 2, value_names = ["MIN", "MAX"], value_parser = microseconds, help_heading = "Selection")]
    age: Vec<Nanos>,
    #[command(flatten)]
    repeated: RepeatedFilters,
}

/// The targets that a report looks at.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TargetArgs {
    /// The target with this id, as the kernel calls it
    #[arg(long = "tid", visible_alias = "target_id", value_name = "ID", help_heading = "Selection")]
    pub tid: Option<u64>,
    /// Targets that are this process
    #[arg(long, value_name = "PID", help_heading = "Selection")]
    pub pid: Option<i32>,
    /// Targets of this kdamond
    #[arg(long = "kdamond_idx", value_name = "INDEX", help_heading = "Selection")]
    pub kdamond_idx: Option<u32>,
    /// Targets of this context
    #[arg(long = "context_idx", value_name = "INDEX", help_heading = "Selection")]
    pub context_idx: Option<u32>,
    /// What this scheme was applied to
    #[arg(long = "scheme_idx", value_name = "INDEX", help_heading = "Selection")]
    pub scheme_idx: Option<u32>,
}

impl TargetArgs {
    /// The library's word for it.
    pub(crate) fn filter(&self) -> TargetFilter {
        TargetFilter {
            kdamond: self.kdamond_idx,
            context: self.context_idx,
            scheme: self.scheme_idx,
            target_id: self.tid,
            pid: self.pid,
            ..TargetFilter::default()
        }
    }
}

impl PartOptions for FilterArgs {
    fn filter(&self, clock: ClockArgs) -> Result<Filter> {
        let mut filter = Filter {
            target: self.target.filter(),
            sz_region: bounds("sz_region", &self.sz_region)?,
            access_rate: bounds("access_rate", &self.access_rate)?,
            age: bounds("age", &self.age)?,
            ..Filter::default()
        };
        let addresses = self.repeated.bounds("address", size)?.into_iter();
        filter.set_addresses(addresses.map(|range| AddrRange::new(Addr(range.min.0), Addr(range.max.0))).collect())?;
        filter.sz_snapshot = self.repeated.bounds("sz_snapshot", size)?;
        for group in self.repeated.groups("snapshot_time") {
            let range = time_bounds(group)?;
            let clock = range.base == TimeBase::At(Nanos(0)) || clock.abs_time;
            let bounds = Bounds::new(range.start, range.end);
            if clock { filter.snapshot_time.push(bounds) } else { filter.since_began.push(bounds) }
        }
        filter.snapshot_idx = self.repeated.bounds("snapshot_idx", |text| {
            text.parse::<u64>().map_err(|_| format!("'{text}' is no position: a whole number from 0 is wanted"))
        })?;
        filter.temperature =
            self.repeated.bounds("temperature", |text| human::parse_number(text).map(|number| number.trunc()))?;
        Ok(filter)
    }

    fn time_option(&self) -> Option<&'static str> {
        (!self.repeated.groups("snapshot_time").is_empty()).then_some("--snapshot_time")
    }
}

fn bounds<T: PartialOrd + Copy + std::fmt::Debug>(option: &str, values: &[T]) -> Result<Option<Bounds<T>>> {
    match *values {
        [min, max] if min <= max => Ok(Some(Bounds::new(min, max))),
        [min, max] => bail!("--{option}: the minimum {min:?} is above the maximum {max:?}"),
        _ => Ok(None),
    }
}

fn pair<T: PartialOrd + Copy + std::fmt::Debug, E: std::fmt::Display>(
    option: &str,
    words: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Bounds<T>> {
    let values: Vec<T> = words
        .iter()
        .map(|word| parse(word).map_err(|error| anyhow::anyhow!("--{option} {}: {error}", words.join(" "))))
        .collect::<Result<_>>()?;
    bounds(option, &values)?.with_context(|| format!("--{option} takes two values: MIN MAX"))
}

/// Options that take two values and may be given several times: their names, what the values are, and their help.
const REPEATED: [(&str, [&str; 2], &str); 5] = [
    ("address", ["START", "END"], "Only this address range (repeatable)"),
    ("sz_snapshot", ["MIN", "MAX"], "Only snapshots with regions of this size in total (repeatable)"),
    (
        "snapshot_time",
        ["FROM", "TO"],
        "Only snapshots within this time since the recording began, as in `5s 1min`; bare numbers are nanoseconds on the record's clock (repeatable)",
    ),
    ("snapshot_idx", ["FIRST", "LAST"], "Only snapshots at these positions, from 0 (repeatable)"),
    ("temperature", ["MIN", "MAX"], "Only regions of this temperature (repeatable)"),
];

/// The pairs of [`REPEATED`], which clap's derive would flatten.
#[derive(Clone, Debug, Default)]
struct RepeatedFilters(HashMap<&'static str, Vec<Vec<String>>>);

impl RepeatedFilters {
    /// The pairs of one option, read by `parse`.
    fn bounds<T: PartialOrd + Copy + std::fmt::Debug, E: std::fmt::Display>(
        &self,
        option: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<Bounds<T>>> {
        self.groups(option).iter().map(|group| pair(option, group, &parse)).collect()
    }

    fn groups(&self, option: &str) -> &[Vec<String>] {
        self.0.get(option).map_or(&[], Vec::as_slice)
    }
}

damo_cli::own_args!(RepeatedFilters);

impl RepeatedFilters {
    fn options(command: Command) -> Command {
        REPEATED.iter().fold(command, |command, (name, values, help)| command.arg(repeated(name, values, help)))
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(REPEATED.iter().map(|(name, ..)| (*name, occurrences(matches, name))).collect()))
    }
}
