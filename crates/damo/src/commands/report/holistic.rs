//! `damo report holistic`: one page with map, distributions, footprints and confidence.

use super::input::ReportInputs;
use super::options::{ClockArgs, FormArgs};
use super::picture::{PlotArgs, ScaleArgs};
use super::shared::show;
use crate::errors::Outcome;
use crate::output::{self, ColorWhen};
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_frame::Record;
use damo_record::args::named;
use damo_report::filter::TargetFilter;
use damo_report::heats::{self, Depth, Fit, Glyphs, TerminalStyle};
use damo_report::holistic::{self, HolisticError, HolisticOptions, Overview};
use damo_report::picture::{part, with_room};
use damo_report::several::{Apart, apart};
use damo_report::survey::monitored;
use std::path::PathBuf;

/// Lines of a map; of each of several maps.
const LINES: usize = 24;
const LINES_OF_SEVERAL: usize = 16;

/// Arguments.
#[derive(Args, Debug)]
pub struct HolisticArgs {
    /// The records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    /// The record to read, as the Python tool calls it
    #[arg(long = "access_pattern", value_name = "FILE", help_heading = "Input")]
    access_pattern: Option<PathBuf>,
    /// Footprints to read as well; those beside the record are read anyway
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    footprints: Option<PathBuf>,
    /// A profile; not looked at (`perf report -i FILE` shows it)
    #[arg(long, value_name = "FILE", hide = true)]
    profile: Option<PathBuf>,
    /// Larger maps, and distributions by time as well as by size
    #[arg(long, help_heading = "Output")]
    long: bool,
    /// Colours on the terminal; `auto` respects NO_COLOR and TERM
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = named(["auto", "always", "never"], ColorWhen::parse), help_heading = "Output")]
    color: ColorWhen,
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Makes the page.
///
/// # Errors
/// If a record cannot be read or has no snapshot, or the page cannot be written.
pub fn run(args: &HolisticArgs) -> Result<Outcome> {
    let mut files = args.files.clone();
    files.extend(args.access_pattern.clone());
    let mut paths = args.inputs.named.paths(&files)?;
    if args.footprints.is_some() && paths.len() > 1 {
        bail!("--footprints is for one record, and {} are named", paths.len());
    }
    paths.extend(args.footprints.clone());
    let opened = args.inputs.named.known.open(&paths)?;
    args.form.check()?;
    let place = args.plot.place(&args.form);
    let depth = if args.form.out().is_some() && args.color != ColorWhen::Always {
        Depth::Plain
    } else {
        output::depth(args.color)
    };
    // Footprints that are named go with the record, even if it has some of its own.
    let groups = if args.footprints.is_some() { vec![&opened.records[..]] } else { apart(&opened.records)? };
    let targets = |group: &[Record]| monitored(group, &TargetFilter::default()).len();
    let parts: usize = groups.iter().map(|group| Overview::parts_of(targets(group))).sum();
    let (width, _) = output::terminal_size();
    let heats = |targets: usize| {
        if place.is_some() {
            let style = with_room(&args.plot.picture().with_subtitle(), parts);
            return Overview::options(&part(&style, groups.len()), targets);
        }
        let lines = if targets > 1 { LINES_OF_SEVERAL } else { LINES } * if args.long { 2 } else { 1 };
        let Fit { rows, columns, most_panels } = Fit::new((width, lines), 0, depth);
        heats::HeatsOptions { rows, columns, most_panels, ..heats::HeatsOptions::overview() }
    };
    let found = progress::during(&opened.records, || {
        Apart::of(&groups, |records| {
            let heats = heats::HeatsOptions { scale: args.scale.scale(), ..heats(targets(records)) };
            let mut report = holistic::holistic(records, &HolisticOptions { heats, long: args.long })?;
            report.count_from(args.clock.zero(report.zero));
            Ok::<_, HolisticError>(report)
        })
    })?;
    let drawn = args.plot.picture();
    let (map, theme) = (drawn.colormap(), drawn.terminal_theme());
    let style = TerminalStyle { glyphs: Glyphs::HalfBlocks, depth, map, theme, width, ..TerminalStyle::default() };
    show(&found, &style, &opened, (&args.plot, &args.form, args.clock))
}
