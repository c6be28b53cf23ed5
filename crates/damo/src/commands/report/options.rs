//! Options that several reports share, and their values.

use crate::output::ColorWhen;
use anyhow::{Result, bail};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use damo_frame::Record;
use damo_model::human::{self, ParseError, Style, TimeUnit};
use damo_model::{Bytes, Nanos};
use damo_report::ReportError;
use damo_report::distribution::{PercentileRange, SortBy};
use damo_report::series::{SETTLING, Used, excluded};

/// A size, in bytes or with a unit.
pub(crate) fn size(text: &str) -> Result<Bytes, ParseError> {
    human::parse_bytes(text)
}

/// A time with a unit, of which seconds or minutes are likely.
pub(crate) fn seconds_or_minutes(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time_with_unit(text, ["s", "min"])
}

/// A time with a unit, of which milliseconds or microseconds are likely.
pub(crate) fn milliseconds_or_microseconds(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time_with_unit(text, ["ms", "us"])
}

/// A time; a bare number is microseconds, as in scripts for the Python tool.
pub(crate) fn microseconds(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time(text, TimeUnit::Micros)
}

/// A time; a bare number is seconds, as in scripts for the Python tool.
pub(crate) fn seconds(text: &str) -> Result<Nanos, ParseError> {
    human::parse_time(text, TimeUnit::Secs)
}

/// One of some words, each of which stands for a value; help and completion offer them.
pub(crate) fn choice<T: Copy + Send + Sync + 'static, const N: usize>(
    words: [(&'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    let value = move |name: String| words.iter().find(|(word, _)| *word == name).map(|(_, value)| *value);
    PossibleValuesParser::new(words.map(|(word, _)| word)).try_map(move |name| value(name).ok_or("no such word"))
}

/// When to use colours, by its words.
pub(crate) const COLOR_WHEN: [(&str, ColorWhen); 3] =
    [("auto", ColorWhen::Auto), ("always", ColorWhen::Always), ("never", ColorWhen::Never)];

/// `--raw_number` and its spellings.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct RawNumber {
    /// Plain numbers, without units
    #[arg(long = "raw_number", visible_alias = "raw_numbers", help_heading = "Output")]
    raw_number: bool,
}

impl RawNumber {
    /// The library's word for it.
    pub(crate) fn style(self) -> Style {
        if self.raw_number { Style::Raw } else { Style::Human }
    }
}

/// Which percentiles of a distribution, and how they are ranked.
#[derive(Args, Clone, Debug)]
pub(crate) struct DistributionArgs {
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
    #[arg(short, long, value_name = "size|time", default_value = "size", value_parser = choice([("size", SortBy::Size), ("time", SortBy::Time)]), help_heading = "Output")]
    sortby: SortBy,
}

impl DistributionArgs {
    /// The percentiles.
    ///
    /// # Errors
    /// If the step is 0.
    pub(crate) fn range(&self) -> Result<PercentileRange> {
        match self.range[..] {
            [_, _, 0] => bail!("--range {} {} 0 never ends: the step must not be 0", self.range[0], self.range[1]),
            [start, stop, step] => Ok(PercentileRange { start, stop, step }),
            _ => bail!("--range takes three numbers: START STOP STEP"),
        }
    }

    /// How they are ranked.
    pub(crate) fn sort(&self) -> SortBy {
        self.sortby
    }
}

/// Which clock times are of.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ClockArgs {
    /// Times on the record's own clock instead of since the recording began, in what is shown and in the options that take
    /// times
    #[arg(long = "abs_time", help_heading = "Output")]
    pub abs_time: bool,
}

/// How many snapshots are left out at the beginning.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct SettlingArgs {
    /// Snapshots to leave out at the start, while DAMON's regions settle [default: 20, or none where there are no more than
    /// that]
    #[arg(long = "exclude_samples", value_name = "NUMBER", help_heading = "Selection")]
    pub exclude_samples: Option<u64>,
}

impl SettlingArgs {
    /// Sees that something is left of a recording, and says so if nothing was left out.
    ///
    /// # Errors
    /// If no complete snapshot is left.
    pub(crate) fn judge(self, records: &[Record], used: impl IntoIterator<Item = Used>) -> Result<(), ReportError> {
        let record = records.first().map_or("", Record::name);
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
        // None is left out where there is nothing to settle.
        unsettled &= records.first().is_none_or(|record| excluded(record, None).is_none());
        if unsettled && self.exclude_samples.is_none() {
            crate::errors::note(format_args!(
                "{record}: there are {SETTLING} snapshots or fewer, so the first ones, in which DAMON's regions settle, are \
                 used as well; --exclude_samples NUMBER leaves some out"
            ));
        }
        Ok(())
    }
}
