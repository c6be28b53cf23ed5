//! `damo report`: one file per report, each turning its options into the library's, and one list of them all.

mod access;
mod ages;
mod cpu_profile;
mod footprints;
pub(crate) mod form;
mod heats;
mod holistic;
mod html;
mod idle;
mod live;
mod nodes;
mod nr_regions;
pub(crate) mod options;
pub(crate) mod part;
mod phases;
pub(crate) mod picture;
mod probes;
mod profile;
pub(crate) mod ranges;
mod raw;
mod record_info;
mod schemes;
pub(crate) mod shared;
mod times;
mod wss;

use crate::errors::Outcome;
use anyhow::Result;
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use shared::{Asked, ReportCommand};

/// A report in the list of reports.
struct Entry {
    /// Its name, and what else it may be called.
    names: &'static [&'static str],
    about: &'static str,
    augment: fn(Command) -> Command,
    parse: fn(&mut ArgMatches) -> Result<Box<dyn ReportCommand>, clap::Error>,
}

const fn entry<C: ReportCommand + Args + 'static>(names: &'static [&'static str], about: &'static str) -> Entry {
    Entry {
        names,
        about,
        augment: |command| C::adapt(C::augment_args(command)),
        parse: |matches| Ok(Box::new(C::from_arg_matches_mut(matches)?)),
    }
}

/// All reports, in the order of the help.
const REPORTS: &[Entry] = &[
    entry::<Asked<raw::RawArgs>>(&["raw"], "All snapshots with their regions, as recorded"),
    entry::<Asked<access::AccessArgs>>(
        &["access"],
        "Snapshots as tables, boxes, histograms and percentiles of access rate, age and size",
    ),
    entry::<Asked<heats::HeatsArgs>>(
        &["heats", "heatmap"],
        "Heat map of access rates over time and addresses: on the terminal, as a picture, or as numbers",
    ),
    entry::<Asked<holistic::HolisticArgs>>(
        &["holistic"],
        "One page: heat map, working set, footprints, regions, idle times, and the quality of the record",
    ),
    entry::<html::HtmlArgs>(
        &["html"],
        "One interactive HTML file: heat map, working set, memory, CPU time and marks; needs no network",
    ),
    entry::<Asked<wss::WssArgs>>(&["wss"], "Distribution of the working set size"),
    entry::<Asked<footprints::FootprintsArgs>>(
        &["footprints"],
        "Distribution of footprints: virtual and resident size of the targets, memory used in the system",
    ),
    entry::<Asked<nr_regions::NrRegionsArgs>>(
        &["nr_regions", "nr-regions"],
        "Distribution of the number of regions per snapshot, which decides DAMON's accuracy and overhead",
    ),
    entry::<Asked<phases::PhasesArgs>>(
        &["phases"],
        "Phases of the run: times in which the same memory is touched, which of them come again, and what is hot in each",
    ),
    entry::<Asked<record_info::RecordInfoArgs>>(
        &["record_info", "record-info"],
        "Time span and address ranges of each target, for --time_range and --address_range",
    ),
    entry::<Asked<ages::AgesArgs>>(&["ages"], "Memory by age: how much of it has not been accessed for how long"),
    entry::<Asked<probes::ProbesArgs>>(
        &["probes"],
        "How much of the memory, and of what was accessed, is of the kind that attribute probes look for",
    ),
    entry::<Asked<nodes::NodesArgs>>(
        &["nodes"],
        "How much hot, warm and cold memory is on which NUMA node, and how much of the accesses is remote: estimates",
    ),
    entry::<idle::IdleArgs>(
        &["idle"],
        "For how long this machine's memory has been idle, from DAMON_STAT; needs no record",
    ),
    entry::<Asked<profile::ProfileArgs>>(
        &["wss_profile"],
        "Working set size for windows of different length (powers of two)",
    ),
    entry::<Asked<cpu_profile::CpuProfileArgs>>(
        &["profile"],
        "Functions by the CPU time that they took: in the whole recording, in a phase, while a mapping is hot",
    ),
    entry::<Asked<schemes::SchemesArgs>>(
        &["schemes"],
        "What schemes did over time, and whether their quotas are in control",
    ),
    entry::<Asked<times::TimesArgs>>(
        &["times"],
        "Time spans in which a region passes the filters, for example `--access_rate 50% 100%`",
    ),
];

/// Arguments of `damo report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    report: AnyReport,
}

/// One of the reports, with its options.
#[derive(Debug)]
struct AnyReport(Box<dyn ReportCommand>);

impl Subcommand for AnyReport {
    fn augment_subcommands(command: Command) -> Command {
        REPORTS.iter().fold(command, |command, report| {
            let (name, others) = report.names.split_first().unwrap_or((&"", &[]));
            let one = (report.augment)(Command::new(*name)).about(report.about).long_about(None);
            // The same name with a hyphen is understood, and not shown.
            let (hidden, shown): (Vec<&str>, Vec<&str>) = others.iter().copied().partition(|name| name.contains('-'));
            command.subcommand(one.visible_aliases(shown).aliases(hidden))
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        REPORTS.iter().any(|report| report.names.contains(&name))
    }
}

impl FromArgMatches for AnyReport {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(ErrorKind::MissingSubcommand);
        let (name, mut options) = matches.remove_subcommand().ok_or_else(missing)?;
        let report = REPORTS.iter().find(|report| report.names.first() == Some(&name.as_str()));
        (report.ok_or_else(missing)?.parse)(&mut options).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs a report.
///
/// # Errors
/// If a record cannot be read, an option makes no sense for it, or the result cannot be written.
pub(crate) fn run(args: &ReportArgs) -> Result<Outcome> {
    args.report.0.run()
}
