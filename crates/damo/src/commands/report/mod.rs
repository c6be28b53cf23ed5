//! `damo report`: one file per report, each turning its options into the library's.

pub mod access;
pub mod ages;
pub mod footprints;
pub mod heats;
pub mod holistic;
pub mod html;
pub mod input;
pub mod nr_regions;
pub mod options;
pub mod picture;
pub mod profile;
pub mod raw;
pub mod record_info;
pub mod shared;
pub mod times;
pub mod wss;

use crate::errors::Outcome;
use anyhow::Result;
use clap::{Args, Subcommand};
use shared::Asked;

/// Arguments of `damo report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Which one.
    #[command(subcommand)]
    pub report: Report,
}

/// The reports.
#[derive(Debug, Subcommand)]
pub enum Report {
    /// All snapshots with their regions, as recorded
    Raw(raw::RawArgs),
    /// Snapshots as tables, boxes, histograms and percentiles of access rate, age and size
    Access(Box<access::AccessArgs>),
    /// Heat map of access rates over time and addresses: on the terminal, as a picture, or as numbers
    #[command(visible_alias = "heatmap")]
    Heats(Box<heats::HeatsArgs>),
    /// One page: heat map, working set, footprints, regions, idle times, and the quality of the record
    Holistic(Box<holistic::HolisticArgs>),
    /// One interactive HTML file: heat map, working set, memory, CPU time and marks; needs no network
    Html(html::HtmlArgs),
    /// Distribution of the working set size
    Wss(Asked<wss::WssArgs>),
    /// Distribution of footprints: virtual and resident size of the targets, memory used in the system
    Footprints(footprints::FootprintsArgs),
    /// Distribution of the number of regions per snapshot, which decides DAMON's accuracy and overhead
    #[command(name = "nr_regions", alias = "nr-regions")]
    NrRegions(Asked<nr_regions::NrRegionsArgs>),
    /// Time span and address ranges of each target, for --time_range and --address_range
    #[command(name = "record_info", alias = "record-info")]
    RecordInfo(record_info::RecordInfoArgs),
    /// Memory by age: how much of it has not been accessed for how long
    Ages(Asked<ages::AgesArgs>),
    /// Working set size for windows of different length (powers of two)
    #[command(name = "wss_profile")]
    WssProfile(profile::ProfileArgs),
    /// Time spans in which a region passes the filters, for example `--access_rate 50% 100%`
    Times(Asked<times::TimesArgs>),
}

/// Runs a report.
///
/// # Errors
/// If a record cannot be read, an option makes no sense for it, or the result cannot be written.
pub fn run(args: ReportArgs) -> Result<Outcome> {
    match args.report {
        Report::Raw(args) => raw::run(&args),
        Report::Access(args) => access::run(&args),
        Report::Heats(args) => heats::run(&args),
        Report::Holistic(args) => holistic::run(&args),
        Report::Html(args) => html::run(&args),
        Report::Wss(args) => args.run(),
        Report::Footprints(args) => footprints::run(&args),
        Report::NrRegions(args) => args.run(),
        Report::RecordInfo(args) => record_info::run(&args),
        Report::Ages(args) => args.run(),
        Report::WssProfile(args) => profile::run(&args),
        Report::Times(args) => args.run(),
    }
}
