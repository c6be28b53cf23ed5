//! The command line as one tree: help, man pages and completions all come from here.
//!
//! Options keep the Python tool's spellings (with `_`); each is understood with `-` as well, and by a unique prefix, as
//! argparse did.

use crate::commands::{
    adjust, anonymize, check, convert, cut, demo, diff, doctor, explain, export, info, merge, monitor, query, repair,
    replay, report, schemes, shell, symbolize, validate,
};
use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use damo_model::human::{self, TimeUnit};
use std::ffi::OsString;

/// Record, report and steer DAMON, the Linux kernel's data access monitor.
///
/// DAMON measures how often each memory region is accessed, at a bounded overhead. `damo record` writes its measurements
/// to one compressed file; `damo report` shows that file as text, tables and pictures, on any machine.
#[derive(Debug, Parser)]
#[command(
    name = "damo",
    version,
    propagate_version = true,
    infer_subcommands = true,
    infer_long_args = true,
    max_term_width = 100,
    after_help = "First steps:\n  \
        damo demo                    record a small process and draw it; needs neither DAMON nor root\n  \
        damo doctor                  check whether this machine can record\n  \
        damo record $(pidof app)     record a running program (as root; Ctrl-C ends it)\n  \
        damo report heats            access rates over time and addresses"
)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Commands,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// Record data accesses of processes, of physical memory, or of a simulated workload
    Record(Box<damo_cli::args::RecordArgs>),
    /// Show what is hot while it is recorded, or what a record says as it goes on
    #[command(visible_alias = "top")]
    Monitor(Box<monitor::MonitorArgs>),
    /// Show a record as text, tables or pictures
    Report(report::ReportArgs),
    /// Tell how two runs of a program differ: working set, hot set, cold share, mapping by mapping
    Diff(Box<diff::DiffArgs>),
    /// Say in sentences what a record tells, or which memory limit its program needs
    Explain(explain::ExplainArgs),
    /// Ask records questions in SQL
    Query(Box<query::QueryArgs>),
    /// Make the accesses of a record again on real memory, to be monitored or to try schemes on
    Replay(replay::ReplayArgs),
    /// Show what is in a record: source, targets, time span, counts, size
    Info(info::InfoArgs),
    /// Save the readable part of a damaged record as a new record
    Repair(repair::RepairArgs),
    /// Convert records to other formats and back
    #[command(visible_alias = "convert_record_format")]
    Convert(convert::ConvertArgs),
    /// Add records to a data set of many hosts: Parquet for DuckDB, Spark and the like
    Export(export::ExportArgs),
    /// Aggregate snapshots to longer intervals, or keep only regions that pass filters
    Adjust(adjust::AdjustArgs),
    /// Keep a part of a record: a time range, a target, an address range or a mapping
    Cut(cut::CutArgs),
    /// Merge several records of one host into one
    Merge(merge::MergeArgs),
    /// Make a record safe to share: replace names, move addresses
    Anonymize(anonymize::AnonymizeArgs),
    /// Add names of functions to the CPU profile of a record
    Symbolize(symbolize::SymbolizeArgs),
    /// Check whether figures of a run keep limits, by themselves or against a baseline: a gate for CI
    Check(Box<check::CheckArgs>),
    /// Check records for damage and implausible snapshots; exit code 1 if there are any
    Validate(validate::ValidateArgs),
    /// Record a process that goes through its memory, and show it: a first look without DAMON and root
    Demo(demo::DemoArgs),
    #[command(flatten)]
    Steering(damo_cli::Steering),
    /// Try schemes on a record, search for a good scheme, or apply schemes in the foreground
    Schemes(Box<schemes::SchemesArgs>),
    /// Print the parameters that options result in, as JSON or as writes to sysfs; changes nothing
    Args(damo_cli::args::steer::PrintArgs),
    /// Check whether this machine can record, or whether a record is good enough for conclusions
    Doctor(doctor::Doctor),
    /// List the DAMON features of this kernel
    Features(damo_cli::args::FeaturesArgs),
    /// Add a mark with a text to a running recording
    Mark(damo_cli::args::MarkArgs),
    /// Print the completion script of a shell
    Completions(shell::CompletionsArgs),
    /// Write the manual pages
    Man(shell::ManArgs),
}

/// Parses arguments (the first is the program's name).
///
/// # Errors
/// Clap's own: a mistake, or a request for help or the version.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let command = command();
    let mut args = damo_cli::args::with_underscores(&command, args);
    negative_times(&mut args);
    let matches = damo_cli::args::matches(&command, &args).map_err(|error| with_suggestion(error, &command))?;
    Cli::from_arg_matches(&matches)
}

/// Puts a blank before negative times with units where moments are given: `-5s` looks like an option to clap.
fn negative_times(args: &mut [OsString]) {
    let mut due = 0;
    for arg in args {
        let Some(text) = arg.to_str() else { continue };
        let is = |shortest: &str, name: &str| text.starts_with(shortest) && name.starts_with(text);
        if is("--time_r", "--time_range") || is("--snapshot_t", "--snapshot_time") {
            due = 2;
        } else if due > 0 {
            due -= 1;
            let looks_negative =
                text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if looks_negative && human::parse_time(text, TimeUnit::Nanos).is_ok() {
                *arg = format!(" {text}").into();
            }
        }
    }
}

/// The whole tree.
pub fn command() -> Command {
    damo_cli::args::with_short_help(Cli::command())
}

/// Adds what was probably meant: `damo heats` is `damo report heats`.
fn with_suggestion(mut error: clap::Error, command: &Command) -> clap::Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let report = command.find_subcommand("report").and_then(|report| report.find_subcommand(word));
    let Some(report) = report.map(|report| report.get_name().to_owned()) else { return error };
    let tip = format!("this is a report: damo report {report}");
    error.remove(ContextKind::SuggestedSubcommand);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parses(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_tree_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn options_are_understood_with_hyphens_and_by_unique_prefix() {
        for line in [
            "damo report heats --stdout_skip_colorset_example",
            "damo report heats --stdout-skip-colorset-example",
            "damo report heatmap --stdout_skip",
        ] {
            assert!(parses(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn times_before_the_base_of_a_range_need_no_tricks() {
        for line in ["report heats --time_range -5s 0 guided_end", "cut --time-range -3m -1.5s guided_end -o last.damo"]
        {
            assert!(parses(&format!("damo {line}")).is_ok(), "{line}");
        }
        assert!(parses("damo cut --time_range -o x.damo").is_err());
    }
}
