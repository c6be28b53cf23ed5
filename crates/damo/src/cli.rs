//! The command line as one tree: help, man pages and completions all come from here.
//!
//! Options keep the Python tool's spellings (with `_`); each is understood with `-` as well, and by a unique prefix, as
//! argparse did.

use crate::commands::{convert, demo, doctor, info, repair, report, schemes, shell};
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Record, report and steer DAMON, the Linux kernel's data access monitor.
///
/// DAMON tells which memory regions were how frequently accessed, when, at an overhead that you bound. `damo record`
/// captures what it says into one compressed file; `damo report` turns that into text and pictures, on any machine.
#[derive(Debug, Parser)]
#[command(
    name = "damo",
    version,
    propagate_version = true,
    infer_subcommands = true,
    infer_long_args = true,
    max_term_width = 100,
    after_help = "First steps:\n  \
        damo demo                    a recorded staircase and its pictures; needs no DAMON, no root\n  \
        damo doctor                  what this machine has and lacks for monitoring\n  \
        damo record $(pidof app)     record a running program (as root; Ctrl-C ends it)\n  \
        damo report heats            when was which memory how hot"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Commands,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Commands {
    /// Record data accesses: of processes, of physical memory, or of a simulated workload
    Record(damo_record::args::RecordArgs),
    /// Show what was recorded, as text or pictures
    Report(report::ReportArgs),
    /// Show what is in a record: source, targets, time span, counts, size
    Info(info::InfoArgs),
    /// Save what can be read of a damaged record into a new one
    Repair(repair::RepairArgs),
    /// Turn records into other formats and back
    #[command(visible_alias = "convert_record_format")]
    Convert(convert::ConvertArgs),
    /// Record a simulated staircase workload and show it: a first look without DAMON or root
    Demo(demo::DemoArgs),
    /// Switch DAMON on, with schemes if you like, and leave it on
    Start(damo_record::steer::args::StartArgs),
    /// Change parameters of DAMON while it runs
    Tune(damo_record::steer::args::TuneArgs),
    /// Switch off what `start` started, and put DAMON's settings back
    Stop(damo_record::steer::args::StopArgs),
    /// What DAMON does: kdamonds, parameters, what schemes did
    Status(damo_record::steer::args::StatusArgs),
    /// What schemes would have done on a record, and which one to start
    Schemes(Box<schemes::SchemesArgs>),
    /// What this machine has and lacks for monitoring, or whether a record supports conclusions
    Doctor(doctor::Doctor),
    /// The DAMON features of this kernel
    Features(damo_record::args::FeaturesArgs),
    /// Put a remark on the time axis of a running recording
    Mark(damo_record::args::MarkArgs),
    /// Print the completion script of a shell
    Completions(shell::CompletionsArgs),
    /// Write the manual pages
    Man(shell::ManArgs),
}

/// Parses arguments (the first is the program's name).
///
/// # Errors
/// Clap's own: a mistake, or a request for help or the version.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Commands, clap::Error> {
    let command = command();
    let mut spellings = BTreeSet::new();
    collect_underscored(&command, &mut spellings);
    let matches = command.try_get_matches_from(with_underscores(args, &spellings))?;
    Ok(Cli::from_arg_matches(&matches)?.command)
}

/// The whole tree.
pub fn command() -> Command {
    Cli::command()
}

/// Long options that are spelt with `_`, anywhere in the tree.
fn collect_underscored(command: &Command, into: &mut BTreeSet<String>) {
    for arg in command.get_arguments() {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let longs = arg.get_long().into_iter().chain(aliases).filter(|long| long.contains('_'));
        into.extend(longs.map(str::to_owned));
    }
    command.get_subcommands().for_each(|sub| collect_underscored(sub, into));
}

/// Turns `--time-range` into `--time_range`, for options that are spelt so; what follows `--` is not ours.
fn with_underscores(
    args: impl IntoIterator<Item = OsString>,
    spellings: &BTreeSet<String>,
) -> impl Iterator<Item = OsString> {
    let mut ours = true;
    args.into_iter().map(move |arg| {
        let Some(text) = arg.to_str().filter(|text| ours && text.starts_with("--")) else { return arg };
        if text == "--" {
            ours = false;
            return arg;
        }
        let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
        let underscored = name[2..].replace('-', "_");
        // A unique prefix will do, as for the other spelling.
        if spellings.iter().any(|spelling| spelling.starts_with(&underscored)) {
            return format!("--{underscored}{value}").into();
        }
        arg
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parses(line: &str) -> Result<Commands, clap::Error> {
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
    fn each_occurrence_of_address_range_stays_a_group() {
        let Ok(Commands::Report(args)) = parses("damo report heats --address_range 0 1G --address_range 2G 3G guided")
        else {
            panic!("not parsed");
        };
        let report::Report::Heats(heats) = args.report else { panic!("not heats") };
        assert_eq!(heats.ranges.addresses, [vec!["0", "1G"], vec!["2G", "3G", "guided"]]);
    }
}
