//! Options that several reports share: which part of the record, which percentiles, which form.

use crate::outputs::{self, Manner};
use anyhow::{Context, Result, bail};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use damo_format::Kind;
use damo_model::human::Show;
use damo_model::human::{self, ParseError, Style, TimeUnit};
use damo_model::{AddrRange, Bytes, Nanos};
use damo_record::args::named;
use damo_report::distribution::{PercentileRange, SortBy};
use damo_report::filter::{Bounds, Filter, TargetFilter};
use damo_report::heats::{TimeBase, TimeRange};
use damo_report::picture::Format;
use damo_report::series::{SETTLING, Used};
use damo_report::{Form, ReportError, Table, Zero};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A size, in bytes or with a unit.
pub fn size(text: &str) -> Result<Bytes, ParseError> {
    human::parse_bytes(text)
}

/// A time with a unit, of which seconds or minutes are likely.
pub fn seconds_or_minutes(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time_with_unit(text, ["s", "min"])
}

/// A time with a unit, of which milliseconds or microseconds are likely.
pub fn milliseconds_or_microseconds(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time_with_unit(text, ["ms", "us"])
}

/// A time; a bare number is microseconds, as in scripts for the Python tool.
pub fn microseconds(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time(text, TimeUnit::Micros)
}

/// A time; a bare number is seconds, as in scripts for the Python tool.
pub fn seconds(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time(text, TimeUnit::Secs)
}

fn percent(text: &str) -> Result<f64, ParseError> {
    human::parse_percent(text).map(|number| number.as_f64())
}

/// `--raw_number` and its spellings.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct RawNumber {
    /// Plain numbers, without units
    #[arg(long = "raw_number", visible_alias = "raw_numbers", help_heading = "Output")]
    raw_number: bool,
}

impl RawNumber {
    /// The library's word for it.
    pub fn style(self) -> Style {
        if self.raw_number { Style::Raw } else { Style::Human }
    }
}

/// `--no_pager`, for reports that may be long.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PagerArgs {
    /// Do not show the text through a pager ($PAGER, else less), as on a terminal otherwise
    #[arg(long = "no_pager", help_heading = "Output")]
    no_pager: bool,
}

/// In which form the result is written, and where to.
#[derive(Args, Clone, Debug, Default)]
pub struct FormArgs {
    /// Write to this file; its ending chooses the form: .txt, .json, .csv, .md, .parquet, .png or .svg
    #[arg(short = 'o', long = "output", visible_alias = "out", value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Form of the result: text, tables, or a picture (png, svg) [default: by the ending of FILE, else text]
    #[arg(long, value_name = "FORM", value_parser = named(FORMS, form), help_heading = "Output")]
    format: Option<AnyForm>,
    /// With csv and parquet, which of the report's tables; --format json shows them all
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    table: Option<String>,
    /// Replace FILE even if it is a record or of another kind
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// The forms by their names.
pub const FORMS: [&str; 7] = ["text", "json", "csv", "markdown", "parquet", "png", "svg"];

/// Any form that a report can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnyForm {
    /// For people.
    #[default]
    Text,
    /// Tables.
    Tables(Form),
    /// A picture.
    Picture(Format),
}

/// A form by its name.
///
/// # Errors
/// If there is none of that name.
pub fn form(name: &str) -> Result<AnyForm, String> {
    match name {
        "text" => Ok(AnyForm::Text),
        "png" => Ok(AnyForm::Picture(Format::Png)),
        "svg" => Ok(AnyForm::Picture(Format::Svg)),
        _ => Form::by_name(name)
            .map(AnyForm::Tables)
            .ok_or_else(|| format!("there is no such form; the forms are {}", FORMS.join(", "))),
    }
}

impl AnyForm {
    /// The form that a file's ending asks for.
    pub fn of_name(path: &Path) -> Option<Self> {
        match Kind::of_name(path)? {
            Kind::Text => Some(Self::Text),
            Kind::Json => Some(Self::Tables(Form::Json)),
            Kind::Csv => Some(Self::Tables(Form::Csv)),
            Kind::Markdown => Some(Self::Tables(Form::Markdown)),
            Kind::Parquet => Some(Self::Tables(Form::Parquet)),
            Kind::Png => Some(Self::Picture(Format::Png)),
            Kind::Svg => Some(Self::Picture(Format::Svg)),
            _ => None,
        }
    }

    /// What a file of this form is.
    pub fn kind(self) -> Kind {
        match self {
            Self::Text => Kind::Text,
            Self::Tables(Form::Json) => Kind::Json,
            Self::Tables(Form::Csv) => Kind::Csv,
            Self::Tables(Form::Markdown) => Kind::Markdown,
            Self::Tables(Form::Parquet) => Kind::Parquet,
            Self::Picture(Format::Png) => Kind::Png,
            Self::Picture(Format::Svg) => Kind::Svg,
            // The library may learn more forms; until they have a kind of their own they are text.
            Self::Tables(_) => Kind::Text,
        }
    }
}

impl FormArgs {
    /// Out of options that a report spells in its own way.
    pub fn new(format: Option<AnyForm>, table: Option<String>, out: Option<PathBuf>, force: bool) -> Self {
        Self { format, table, out, force }
    }

    /// The one table that was asked for.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// Which form: the one that was asked for, else as the file's name ends.
    pub fn format(&self) -> AnyForm {
        self.format.or_else(|| AnyForm::of_name(self.out()?)).unwrap_or_default()
    }

    /// The file to write to; `None` for standard output.
    pub fn out(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| !outputs::is_stdout(path))
    }

    /// How files of a kind are written.
    pub fn manner(&self, kind: Kind) -> Manner {
        Manner { force: self.force, ..Manner::new(kind) }
    }

    /// Sees that the result can be written, before it is computed. The records must be open.
    ///
    /// # Errors
    /// If something stands at the name that must not be replaced, or the name's ending is that of another form.
    pub fn check(&self) -> Result<()> {
        let manner = self.manner(self.format().kind());
        let Some(path) = self.out() else { return outputs::check(None, manner) };
        let named = Kind::of_name(path);
        if named == Some(Kind::Html) {
            bail!("{}: pages are made by `damo report html -o {0}`", path.shown());
        }
        let is_other = |named: Kind| named != self.format().kind() && (named.is_binary() || named == Kind::Svg);
        if let Some(named) = named.filter(|named| *named != Kind::Record && is_other(*named)) {
            bail!(
                "{}: --format asks for another form than its ending says ({named:?}); leave --format out",
                path.shown()
            );
        }
        outputs::check(Some(path), manner)
    }

    /// Writes a report in the form that was asked for.
    ///
    /// # Errors
    /// If it cannot be written, or there is no such table.
    pub fn write<E: std::error::Error + Send + Sync + 'static>(
        &self,
        report: &str,
        text: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
        tables: impl FnOnce() -> Result<Vec<Table>, E>,
    ) -> Result<()> {
        self.write_with(|out| match self.format() {
            AnyForm::Text => text(out).context("writing the report"),
            AnyForm::Tables(form) => Ok(form.write(report, tables()?, self.table.as_deref(), out)?),
            AnyForm::Picture(_) => bail!("report {report} has no picture"),
        })
    }

    /// As [`FormArgs::write_with`], for text that may be long: on a terminal through a pager.
    ///
    /// # Errors
    /// As [`FormArgs::write_with`].
    pub fn write_long(&self, pager: PagerArgs, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        if self.out.is_none() && self.format() == AnyForm::Text {
            return crate::output::to_pager(pager.no_pager, write);
        }
        self.write_with(write)
    }

    /// Gives `write` the place to write to: the file asked for, or stdout.
    ///
    /// # Errors
    /// Whatever `write` returns; or if the place takes no more.
    pub fn write_with(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        self.check()?;
        if self.out().is_some() {
            return outputs::write(self.out(), self.manner(self.format().kind()), write);
        }
        // Tables are data wherever they go but to a terminal.
        let is_text = match self.format() {
            AnyForm::Text => true,
            AnyForm::Tables(Form::Parquet) | AnyForm::Picture(_) => false,
            AnyForm::Tables(_) => crate::output::is_terminal(),
        };
        if is_text { crate::output::to_stdout(write) } else { crate::output::bytes_to_stdout(write) }
    }
}

/// Which percentiles of a distribution, and how they are ranked.
#[derive(Args, Clone, Debug)]
pub struct DistributionArgs {
    /// Percentiles to print: from START to STOP (not included) by STEP
    #[arg(
        short,
        long,
        num_args = 3,
        value_names = ["START", "STOP", "STEP"],
        default_values_t = [0, 101, 25],
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    range: Vec<i64>,
    /// Rank by value, or by time to see the course of things
    #[arg(short, long, value_name = "size|time", default_value = "size", value_parser = named(["size", "time"], sort_by), help_heading = "Output")]
    sortby: SortBy,
}

fn sort_by(text: &str) -> Result<SortBy, String> {
    match text {
        "size" => Ok(SortBy::Size),
        "time" => Ok(SortBy::Time),
        _ => Err("give size or time".into()),
    }
}

impl DistributionArgs {
    /// The percentiles.
    ///
    /// # Errors
    /// If the step is 0.
    pub fn range(&self) -> Result<PercentileRange> {
        match self.range[..] {
            [_, _, 0] => bail!("--range {} {} 0 never ends: the step must not be 0", self.range[0], self.range[1]),
            [start, stop, step] => Ok(PercentileRange { start, stop, step }),
            _ => bail!("--range takes three numbers: START STOP STEP"),
        }
    }

    /// How they are ranked.
    pub fn sort(&self) -> SortBy {
        self.sortby
    }
}

/// Which clock times are of.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ClockArgs {
    /// Times on the record's own clock instead of since the recording began, in what is shown and in the options that take
    /// times
    #[arg(long = "abs_time", help_heading = "Output")]
    pub abs_time: bool,
}

impl ClockArgs {
    /// From when a report counts its times.
    pub fn zero(self, zero: Zero) -> Zero {
        if self.abs_time { Zero::Clock } else { zero }
    }
}

/// How many snapshots are left out at the beginning.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SettlingArgs {
    /// Snapshots to leave out at the start, while DAMON's regions settle [default: 20, or none where there are no more than
    /// that]
    #[arg(long = "exclude_samples", value_name = "NUMBER", help_heading = "Selection")]
    pub exclude_samples: Option<u64>,
}

impl SettlingArgs {
    /// Sees that something is left of a record, and says so if nothing was left out.
    ///
    /// # Errors
    /// If no complete snapshot is left.
    pub fn judge(self, record: &str, used: impl IntoIterator<Item = Used>) -> Result<(), ReportError> {
        let mut all = Used::default();
        let mut unsettled = false;
        for used in used {
            all = all.plus(used);
            unsettled |= used.snapshots > 0 && used.left_out == 0;
        }
        if all.snapshots == 0 {
            let why = if all.left_out > 0 {
                "--exclude_samples leaves out all snapshots; give a smaller number"
            } else {
                "no snapshot is left to count"
            };
            return Err(ReportError::invalid(format!("{record}: {why}")));
        }
        if all.partial == all.snapshots {
            let first = match all.left_out {
                0 => String::new(),
                number => format!(
                    "the first {} are left out (--exclude_samples), and ",
                    human::count_text(number, "snapshot")
                ),
            };
            return Err(ReportError::invalid(format!(
                "{record}: {first}all {} that remain lack regions, because events were lost; `damo report raw` shows them",
                human::count_text(all.snapshots, "snapshot")
            )));
        }
        if unsettled && self.exclude_samples.is_none() {
            crate::errors::note(format_args!(
                "{record}: there are {SETTLING} snapshots or fewer, so the first ones, in which DAMON's regions settle, are \
                 used as well; --exclude_samples NUMBER leaves some out"
            ));
        }
        Ok(())
    }
}

/// `--time_range`, for reports that are not maps.
#[derive(Args, Clone, Debug, Default)]
pub struct TimeArgs {
    /// Only this time since the recording began, as in `5s 1min`; with BASE, since that: a time, `guided` (the first
    /// reading), `guided_end` (the last one), or the text of a mark
    #[arg(long = "time_range", num_args = 2..=3, value_names = ["START", "END", "BASE"], allow_negative_numbers = true, help_heading = "Selection")]
    time_range: Vec<String>,
}

impl TimeArgs {
    /// The library's word for it.
    ///
    /// # Errors
    /// If one is no time, or the end is not after the start.
    pub fn range(&self, clock: ClockArgs) -> Result<Option<TimeRange>> {
        if self.time_range.is_empty() {
            Ok(None)
        } else {
            time_range(&self.time_range, BareTimes::Refused, clock).map(Some)
        }
    }
}

/// What bare numbers mean where a moment is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareTimes {
    /// Nanoseconds on the record's clock: as the Python tool's options have them, and as `--guide` prints them.
    Clock,
    /// Nobody knows.
    Refused,
}

/// A time, and whether it is a bare number (other than 0).
fn moment(text: &str, bare: BareTimes) -> Result<(Nanos, bool), ParseError> {
    match seconds_or_minutes(text) {
        Ok(time) => Ok((time, false)),
        Err(ParseError::NoUnit { .. }) if bare == BareTimes::Clock => {
            human::parse_time(text, TimeUnit::Nanos).map(|time| (time, true))
        }
        Err(error) => Err(error),
    }
}

/// START END and maybe BASE of a time range. Without BASE, times with a unit count from when the recording began, bare ones
/// are on the record's clock.
///
/// # Errors
/// If START or END is no time, one has a unit and the other has not, or the end is not after the start.
pub fn time_range(words: &[String], bare: BareTimes, clock: ClockArgs) -> Result<TimeRange> {
    let said = || format!("--time_range {}", words.join(" "));
    let (start, end, base) = three(words);
    let (from, from_bare) = moment(start, bare).with_context(said)?;
    let (to, to_bare) = moment(end, bare).with_context(said)?;
    if from_bare != to_bare && from != Nanos(0) && to != Nanos(0) {
        bail!("{}: one time has a unit and the other has none; give both a unit", said());
    }
    let counted = |bare: bool| if bare || clock.abs_time { TimeBase::At(Nanos(0)) } else { TimeBase::Began };
    let mut range = TimeRange { start: from, end: to, base: counted(from_bare || to_bare) };
    match base {
        None => {}
        Some("guided") => range.base = TimeBase::Guided,
        Some("guided_end") => range.base = TimeBase::GuidedEnd,
        Some(text) => match moment(text, bare) {
            Ok((base, bare)) => {
                range.base = counted(bare);
                range.start = range.start.saturating_add(base);
                range.end = range.end.saturating_add(base);
            }
            // A mark's text is no time, whatever it begins with.
            Err(error @ ParseError::NoUnit { .. }) => return Err(error).with_context(said),
            Err(_) => range.base = TimeBase::Mark(text.to_owned()),
        },
    }
    if to <= from {
        bail!("{}: the range ends before it starts", said());
    }
    Ok(range)
}

/// START END and maybe BASE; clap saw to it that there are two or three words.
pub fn three(words: &[String]) -> (&str, &str, Option<&str>) {
    let word = |i: usize| words.get(i).map_or("", String::as_str);
    (word(0), word(1), words.get(2).map(String::as_str))
}

/// Which part of the records.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterArgs {
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

/// Which targets.
#[derive(Args, Clone, Debug, Default)]
pub struct TargetArgs {
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
    pub fn filter(&self) -> TargetFilter {
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

impl FilterArgs {
    /// The library's word for it.
    ///
    /// # Errors
    /// If bounds are the wrong way round, or address ranges overlap.
    pub fn filter(&self, clock: ClockArgs) -> Result<Filter> {
        let mut filter = Filter {
            target: self.target.filter(),
            sz_region: bounds("sz_region", &self.sz_region)?,
            access_rate: bounds("access_rate", &self.access_rate)?,
            age: bounds("age", &self.age)?,
            ..Filter::default()
        };
        for group in &self.repeated.address {
            let range = pair("address", group, size)?;
            filter.addresses.push(AddrRange::new(damo_model::Addr(range.min.0), damo_model::Addr(range.max.0)));
        }
        let addresses = std::mem::take(&mut filter.addresses);
        filter.set_addresses(addresses)?;
        for group in &self.repeated.sz_snapshot {
            filter.sz_snapshot.push(pair("sz_snapshot", group, size)?);
        }
        for group in &self.repeated.snapshot_time {
            let range = time_bounds(group)?;
            let clock = range.base == TimeBase::At(Nanos(0)) || clock.abs_time;
            let bounds = Bounds::new(range.start, range.end);
            if clock { filter.snapshot_time.push(bounds) } else { filter.since_began.push(bounds) }
        }
        for group in &self.repeated.snapshot_idx {
            filter.snapshot_idx.push(pair("snapshot_idx", group, |text| {
                text.parse::<u64>().map_err(|_| format!("'{text}' is no position: a whole number from 0 is wanted"))
            })?);
        }
        for group in &self.repeated.temperature {
            filter.temperature.push(pair("temperature", group, |text| human::parse_number(text).map(|n| n.trunc()))?);
        }
        Ok(filter)
    }
}

fn bounds<T: PartialOrd + Copy + std::fmt::Debug>(option: &str, values: &[T]) -> Result<Option<Bounds<T>>> {
    match *values {
        [min, max] if min <= max => Ok(Some(Bounds::new(min, max))),
        [min, max] => bail!("--{option}: the minimum {min:?} is above the maximum {max:?}"),
        _ => Ok(None),
    }
}

/// FROM and TO of `--snapshot_time`, which may be the same moment.
fn time_bounds(words: &[String]) -> Result<TimeRange> {
    let said = || format!("--snapshot_time {}", words.join(" "));
    let [from, to] = words else { bail!("{}: two times are wanted, FROM and TO", said()) };
    let (from, from_bare) = moment(from, BareTimes::Clock).with_context(said)?;
    let (to, to_bare) = moment(to, BareTimes::Clock).with_context(said)?;
    if from_bare != to_bare && from != Nanos(0) && to != Nanos(0) && to != Nanos(i64::MAX) {
        bail!("{}: one time has a unit and the other has none; give both a unit", said());
    }
    if to < from {
        bail!("{}: the range ends before it starts", said());
    }
    let base = if from_bare || to_bare { TimeBase::At(Nanos(0)) } else { TimeBase::Began };
    Ok(TimeRange { start: from, end: to, base })
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

/// Options that take two values and may be given several times. Clap's derive flattens such values; this keeps the pairs.
#[derive(Clone, Debug, Default)]
struct RepeatedFilters {
    address: Vec<Vec<String>>,
    sz_snapshot: Vec<Vec<String>>,
    snapshot_time: Vec<Vec<String>>,
    snapshot_idx: Vec<Vec<String>>,
    temperature: Vec<Vec<String>>,
}

/// Groups of the values of an option, one for each time that it was given.
pub fn occurrences(matches: &ArgMatches, id: &str) -> Vec<Vec<String>> {
    let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
    let groups = matches.get_raw_occurrences(id);
    groups.into_iter().flatten().map(|group| group.map(text).collect()).collect()
}

/// An option with several values that may be given several times.
pub fn repeated(id: &'static str, names: &[&'static str], help: &'static str) -> clap::Arg {
    clap::Arg::new(id)
        .long(id)
        .value_names(names.to_vec())
        .num_args(names.len())
        .action(clap::ArgAction::Append)
        .allow_negative_numbers(true)
        .help_heading("Selection")
        .help(help)
}

impl Args for RepeatedFilters {
    fn augment_args(command: Command) -> Command {
        command
            .arg(repeated("address", &["START", "END"], "Only this address range (repeatable)"))
            .arg(repeated(
                "sz_snapshot",
                &["MIN", "MAX"],
                "Only snapshots with regions of this size in total (repeatable)",
            ))
            .arg(repeated(
                "snapshot_time",
                &["FROM", "TO"],
                "Only snapshots within this time since the recording began, as in `5s 1min`; bare numbers are nanoseconds on the record's clock (repeatable)",
            ))
            .arg(repeated("snapshot_idx", &["FIRST", "LAST"], "Only snapshots at these positions, from 0 (repeatable)"))
            .arg(repeated("temperature", &["MIN", "MAX"], "Only regions of this temperature (repeatable)"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RepeatedFilters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            address: occurrences(matches, "address"),
            sz_snapshot: occurrences(matches, "sz_snapshot"),
            snapshot_time: occurrences(matches, "snapshot_time"),
            snapshot_idx: occurrences(matches, "snapshot_idx"),
            temperature: occurrences(matches, "temperature"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
