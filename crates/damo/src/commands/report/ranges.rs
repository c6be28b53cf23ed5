//! Ranges of time and of addresses on the command line.

use super::options::{ClockArgs, seconds_or_minutes};
use anyhow::{Context, Result, bail};
use clap::{ArgMatches, Args, Command};
use damo_model::human::{self, ParseError, TimeUnit};
use damo_model::{Addr, Nanos};
use damo_report::range::{AddressBase, AddressRange, TimeBase, TimeRange};
use std::path::{Path, PathBuf};

/// `--time_range`, for reports that are not maps.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TimeArgs {
    /// Only this time since the recording began, as in `5s 1min`; with BASE, since that: a time, `guided` (the first
    /// reading), `guided_end` (the last one), or the text of a mark
    #[arg(long = "time_range", num_args = 2..=3, value_names = ["START", "END", "BASE"], allow_negative_numbers = true, help_heading = "Selection")]
    time_range: Vec<String>,
}

impl TimeArgs {
    /// Whether a time is named.
    pub(crate) fn is_given(&self) -> bool {
        !self.time_range.is_empty()
    }

    /// The library's word for it.
    ///
    /// # Errors
    /// If one is no time, or the end is not after the start.
    pub(crate) fn range(&self, clock: ClockArgs) -> Result<Option<TimeRange>> {
        if self.time_range.is_empty() {
            Ok(None)
        } else {
            time_range(&self.time_range, BareTimes::Refused, clock).map(Some)
        }
    }
}

/// What bare numbers mean where a moment is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BareTimes {
    /// Nanoseconds on the record's clock: as the Python tool's options have them, and as `--guide` prints them.
    Clock,
    /// They are refused: nobody knows their unit.
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
pub(crate) fn time_range(words: &[String], bare: BareTimes, clock: ClockArgs) -> Result<TimeRange> {
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
fn three(words: &[String]) -> (&str, &str, Option<&str>) {
    let word = |i: usize| words.get(i).map_or("", String::as_str);
    (word(0), word(1), words.get(2).map(String::as_str))
}

/// FROM and TO of `--snapshot_time`, which may be the same moment.
pub(crate) fn time_bounds(words: &[String]) -> Result<TimeRange> {
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

/// Groups of the values of an option, one for each time that it was given.
pub(crate) fn occurrences(matches: &ArgMatches, id: &str) -> Vec<Vec<String>> {
    let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
    let groups = matches.get_raw_occurrences(id);
    groups.into_iter().flatten().map(|group| group.map(text).collect()).collect()
}

/// An option with several values that may be given several times.
pub(crate) fn repeated(id: &'static str, names: &[&'static str], help: &'static str) -> clap::Arg {
    clap::Arg::new(id)
        .long(id)
        .value_names(names.to_vec())
        .num_args(names.len())
        .action(clap::ArgAction::Append)
        .allow_negative_numbers(true)
        .help_heading("Selection")
        .help(help)
}

/// Ranges of time and addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    time: Option<Vec<String>>,
    /// A group of words for each time that the option was given.
    pub addresses: Vec<Vec<String>>,
    /// Records that stand right behind a range, where a BASE could: `--time_range 5s 9s app.damo`.
    files: Vec<PathBuf>,
}

impl Ranges {
    /// Records that stood right behind a range.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Whether a time is named.
    pub(crate) fn names_time(&self) -> bool {
        self.time.is_some()
    }

    /// The wanted time; `bare` says what bare numbers are.
    ///
    /// # Errors
    /// If a time is none, or the range ends before it starts.
    pub(crate) fn time(&self, bare: BareTimes, clock: ClockArgs) -> Result<Option<TimeRange>> {
        self.time.as_deref().map(|words| time_range(words, bare, clock)).transpose()
    }

    /// The wanted addresses.
    ///
    /// # Errors
    /// If an address is none, or a range ends before it starts.
    pub(crate) fn address_ranges(&self) -> Result<Vec<AddressRange>> {
        self.addresses.iter().map(|words| address_range(words)).collect()
    }
}

fn address_range(words: &[String]) -> Result<AddressRange> {
    let said = || format!("--address_range {}", words.join(" "));
    let (start, end, base) = three(words);
    let base = match base {
        None => AddressBase::At(Addr(0)),
        Some("guided") => AddressBase::Guided,
        Some(text) => AddressBase::At(human::parse_addr(text).with_context(said)?),
    };
    let start = human::parse_addr(start).with_context(said)?;
    let end = human::parse_addr(end).with_context(said)?;
    if end <= start {
        bail!("{}: the range ends before it starts", said());
    }
    Ok(AddressRange { start, end, base })
}

damo_cli::own_args!(Ranges);

impl Ranges {
    fn options(command: Command) -> Command {
        command
            .arg(
                repeated(
                    "time_range",
                    &["START", "END", "BASE"],
                    "Only this time since the recording began, as in `5s 1min`; with BASE, since that: a time, `guided` (where \
                     --guide begins), `guided_end`, or the text of a mark. In heat maps, bare numbers are nanoseconds on the \
                     record's clock, as --guide prints them",
                )
                .num_args(2..=3)
                .action(clap::ArgAction::Set),
            )
            .arg(
                repeated(
                    "address_range",
                    &["START", "END", "BASE"],
                    "Only these addresses (repeatable). After BASE, if given: an address, or `guided`, the start of the guide's area",
                )
                .num_args(2..=3),
            )
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut time = occurrences(matches, "time_range").pop();
        let mut addresses = occurrences(matches, "address_range");
        let mut files = Vec::new();
        for words in time.iter_mut().chain(&mut addresses) {
            files.extend(words.pop_if(|word| Path::new(word).is_file()).map(PathBuf::from));
        }
        Ok(Self { time, addresses, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_occurrence_of_address_range_stays_a_group() {
        let command = Ranges::options(Command::new("damo"));
        let line = "damo --address_range 0 1G --address_range 2G 3G guided";
        let ranges = command.try_get_matches_from(line.split(' ')).and_then(|found| Ranges::read(&found));
        assert_eq!(ranges.unwrap().addresses, [vec!["0", "1G"], vec!["2G", "3G", "guided"]]);
    }
}
