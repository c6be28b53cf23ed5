//! `damo report heats`: a map on the terminal, a picture, or numbers.

mod window;

use super::form::{AnyForm, FormArgs, FormOptions, form};
use super::options::{COLOR_WHEN, choice};
use super::part::{MapPart, PhaseArgs};
use super::picture::{PictureArgs, ScaleArgs};
use super::ranges::BareTimes;
use super::shared::{Asked, ReportArgs, Request};
use crate::errors;
use crate::output::{self, ColorWhen};
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_analysis::phases::bands;
use damo_frame::Record;
use damo_model::human::{Show, Style};
use damo_report::ReportError;
use damo_report::filter::TargetFilter;
use damo_report::guide::guide;
use damo_report::heats::{
    ColorSet, Columns, Counted, DrawRange, FEW_CHECKS, Glyphs, HeatsLayout, HeatsOptions, HeatsReport, RawStyle, heats,
};
use damo_report::selection::nothing_left;
use damo_report::several::{Apart, apart};
use damo_report::survey::{Identity, monitored};
use std::path::PathBuf;
use window::Window;

#[derive(Args, Debug)]
pub(super) struct HeatsArgs {
    /// Cells: so many in time, so many in address space [default: what fits the terminal; 500 500 for numbers, 100 100 for
    /// tables]
    #[arg(long, num_args = 2, value_names = ["TIMES", "ADDRESSES"], help_heading = "Output")]
    resol: Vec<usize>,
    /// With raw, addresses instead of offsets from the start of the range
    #[arg(long = "abs_addr", help_heading = "Output")]
    abs_addr: bool,
    /// Print the time span and address ranges of each target instead: what to zoom into
    #[arg(long, help_heading = "Output")]
    guide: bool,
    /// The same with units
    #[arg(long = "guide_human", help_heading = "Output")]
    guide_human: bool,
    /// How the terminal map looks: `blocks`, as large as the window, time from left to right and low addresses at the
    /// bottom as in pictures; or `digits`, 40 x 80 with time from top to bottom as the Python tool has it
    /// [default: blocks on a terminal, else digits]
    #[arg(long, value_name = "blocks|digits", value_parser = choice([("blocks", Glyphs::HalfBlocks), ("digits", Glyphs::Digits)]), help_heading = "Output")]
    style: Option<Glyphs>,
    /// Colours of the digits: gray, flame or emotion
    #[arg(
        long = "stdout_colorset",
        aliases = ["stdout_heatmap_color", "ascii_color", "plot_ascii"],
        value_name = "SET",
        value_parser = choice(ColorSet::NAMED),
        default_value = "gray",
        help_heading = "Output"
    )]
    colorset: ColorSet,
    /// Show the phases of the run as a strip above the map, in pictures
    #[arg(long, help_heading = "Output", conflicts_with = "sort_temperature")]
    phases: bool,
    /// Leave out the line that explains the digits
    #[arg(long = "stdout_skip_colorset_example", alias = "stdout_heatmap_skip_color_example", help_heading = "Output")]
    skip_example: bool,
    /// Colours on the terminal; `auto` respects NO_COLOR and TERM
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = choice(COLOR_WHEN), help_heading = "Output")]
    color: ColorWhen,
    #[command(flatten)]
    scale: ScaleArgs,
    /// Without address ranges: draw the hottest area per byte, or all
    #[arg(long = "draw_range", value_name = "hottest|all", value_parser = choice([("hottest", DrawRange::Hottest), ("all", DrawRange::All)]), help_heading = "Selection")]
    draw_range: Option<DrawRange>,
    /// Draw the mappings of this name only, e.g. '[heap]' or libc.so.6
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    mapping: Option<String>,
    /// Draw the time from the mark of this text to the next mark only
    #[arg(long, value_name = "TEXT", help_heading = "Selection", conflicts_with = "time_range")]
    mark: Option<String>,
    /// Show where schemes were applied, if the record tells (`damo record --schemes_target_regions`)
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = choice([("on", true), ("off", false)]), action = clap::ArgAction::Set, help_heading = "Output")]
    schemes: bool,
    /// Mark cells that rest on fewer checks of DAMON's than this: the standard error of an access rate is up to half of
    /// the possible over the square root of its checks. 0 marks none
    #[arg(long = "min_checks", value_name = "NUMBER", default_value_t = FEW_CHECKS, help_heading = "Output")]
    min_checks: u32,
    /// Count accesses by the share of each region that passed the scheme's filters
    #[arg(long = "df_passed", help_heading = "Selection")]
    df_passed: bool,
    /// Count accesses by the share of each region's samples that this attribute probe hit: how hot memory of its kind is
    #[arg(long, value_name = "NUMBER", help_heading = "Selection", conflicts_with = "df_passed")]
    probe: Option<u16>,
    /// What colours of a picture tell: heat alone, or also the NUMA node that holds most of the memory, where the record tells
    /// on which nodes memory is
    #[arg(long = "color_by", value_name = "heat|node", default_value = "heat", value_parser = choice([("heat", false), ("node", true)]), action = clap::ArgAction::Set, help_heading = "Output", conflicts_with = "sort_temperature")]
    color_by: bool,
    /// Lay out regions by temperature instead of by address
    #[arg(long = "sort_temperature", help_heading = "Selection")]
    sort_temperature: bool,
    /// What makes the temperature: weights of access rate and age
    #[arg(
        long = "temperature_weights",
        num_args = 2,
        value_names = ["RATE", "AGE"],
        default_values_t = [1.0, 1.0],
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    temperature_weights: Vec<f64>,
}

/// Where the map goes, and in which form.
#[derive(Args, Debug)]
pub(super) struct HeatsForm {
    /// Where to: `stdout` draws on the terminal, `raw` prints numbers (time, address, heat), FILE is written in the form of
    /// its ending: .png or .svg a picture, .csv, .json, .md or .parquet the cells, .txt the map as text
    #[arg(
        short = 'o',
        long,
        visible_aliases = ["heatmap", "plot"],
        value_name = "stdout|raw|FILE",
        default_value = "stdout",
        help_heading = "Output"
    )]
    output: String,
    /// text, json, csv, markdown or parquet; or a picture: png or svg [default: as FILE ends, else text]
    #[arg(long, value_name = "FORM", value_parser = form, help_heading = "Output")]
    format: Option<AnyForm>,
    /// With csv and parquet, which of the report's tables; --format json shows them all
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    table: Option<String>,
    /// The file for what `--output stdout` and `--output raw` print
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replace FILE even if it is a record or of another kind
    #[arg(long, help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    picture: PictureArgs,
}

impl ReportArgs for HeatsArgs {
    type Report<'r> = HeatsReport;
    type Part = MapPart;
    type Form = HeatsForm;

    fn check(asked: &Asked<Self>, form: &FormArgs) -> Result<()> {
        options(asked, form).map(drop)
    }

    /// `--guide`: what there is to zoom into.
    fn instead(request: &Request<'_, Self>) -> Result<bool> {
        let style = match request.own() {
            Self { guide_human: true, .. } => Style::Human,
            Self { guide: true, .. } => Style::Raw,
            _ => return Ok(false),
        };
        let records = &request.opened.records;
        let found = progress::during(records, || Apart::look(records, guide))?;
        output::to_stdout(|out| Ok(found.write_text(out, &style)?))?;
        Ok(true)
    }

    fn find(request: &Request<'_, Self>) -> Result<Apart<HeatsReport>> {
        let (own, options) = (request.own(), options(request.asked, &request.form)?);
        match Destination::of(request.asked, &request.form) {
            Destination::Terminal => Window::of(request)?.maps(request, &options),
            Destination::Numbers => one_map(request, &options),
            Destination::Tables => maps(request, &|_| options.clone()),
            Destination::Picture => {
                let picture = request.form.plot.picture;
                let mut maps = maps(request, &|parts| picture.heats_part(parts, &options, own.phases))?;
                if own.phases {
                    add_phases(request, &mut maps)?;
                }
                Ok(maps)
            }
        }
    }

    fn layout(request: &Request<'_, Self>, found: &Apart<HeatsReport>) -> Result<HeatsLayout> {
        let (abs_time, abs_addr) = (request.asked.clock.abs_time, request.own().abs_addr);
        Ok(match Destination::of(request.asked, &request.form) {
            Destination::Terminal => HeatsLayout::Terminal(Window::of(request)?.style(found.parts.len())),
            _ => HeatsLayout::Numbers(RawStyle { abs_time, abs_addr }),
        })
    }
}

/// More maps are too many for one page.
const MOST_MAPS: usize = 12;

/// A map of each target that the filter lets pass, of each record; `options` are those for so many maps. Targets of which
/// nothing lies in the wanted time and addresses have none.
///
/// # Errors
/// If a record cannot be read, or nothing is left to be shown.
pub(super) fn maps<A: ReportArgs>(
    request: &Request<'_, A>,
    options: &dyn Fn(usize) -> HeatsOptions,
) -> Result<Apart<HeatsReport>> {
    let wanted = wanted_maps(&request.opened.records, &request.filter.target)?;
    if wanted > MOST_MAPS {
        errors::note(format_args!("{MOST_MAPS} of {wanted} targets are shown; --pid and --tid choose others"));
    }
    first_maps(request, wanted.min(MOST_MAPS), options)
}

/// How many maps there would be if all were shown: one for each target of each record.
fn wanted_maps(records: &[Record], filter: &TargetFilter) -> Result<usize> {
    Ok(apart(records)?.into_iter().map(|records| monitored(records, filter).len().max(1)).sum())
}

/// The first `most` of the maps.
fn first_maps<A: ReportArgs>(
    request: &Request<'_, A>,
    most: usize,
    options: &dyn Fn(usize) -> HeatsOptions,
) -> Result<Apart<HeatsReport>> {
    let (records, filter) = (&request.opened.records, &request.filter.target);
    let mut parts = most;
    loop {
        let phases = &request.asked.phases;
        let found = progress::during(records, || some_maps(records, filter, parts, (&options(parts), phases)))?;
        // Rows and columns were for as many maps as there could have been.
        if found.parts.len() >= parts {
            return Ok(found);
        }
        parts = found.parts.len();
    }
}

fn some_maps(
    records: &[Record],
    filter: &TargetFilter,
    most: usize,
    (options, phases): (&HeatsOptions, &PhaseArgs),
) -> Result<Apart<HeatsReport>> {
    let mut left = most;
    Apart::look_often(records, |records| {
        let time_range = phases.range(records)?.or(options.time_range.clone());
        let options = HeatsOptions { time_range, ..options.clone() };
        let mut identities = monitored(records, filter);
        if identities.is_empty() {
            identities.push(options.identity);
        }
        let mut found = Vec::new();
        let mut missing = None;
        for identity in identities {
            if left == 0 {
                break;
            }
            match heats(records, &HeatsOptions { identity, ..options.clone() }) {
                Ok(report) if report.shows_anything() => {
                    found.push(report);
                    left -= 1;
                }
                Ok(_) => {}
                Err(error @ (ReportError::NoSuchMapping { .. } | ReportError::NoSuchTarget { .. })) => {
                    missing = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        match (found.is_empty(), missing) {
            (true, Some(error)) => Err(error.into()),
            (true, None) if left > 0 => Err(nothing_shown(records)),
            _ => Ok(found),
        }
    })
}

/// Adds the phases of each record to its maps.
fn add_phases(request: &Request<'_, HeatsArgs>, maps: &mut Apart<HeatsReport>) -> Result<()> {
    let groups = apart(&request.opened.records)?;
    for part in &mut maps.parts {
        if let Some(record) = groups.get(part.number).and_then(|records| records.first()) {
            part.value.bands = bands(record)?;
        }
    }
    Ok(())
}

/// The error for a map without any cell that something is known of.
fn nothing_shown(records: &[Record]) -> anyhow::Error {
    match records.first() {
        Some(record) if record.totals().snapshots > 0 => {
            nothing_left(record, "no snapshot covers the given time and addresses").into()
        }
        _ => ReportError::NoSnapshots.into(),
    }
}

/// Of each record the map of one target, as the Python tool's layouts have it, and says which one that is.
fn one_map(request: &Request<'_, HeatsArgs>, options: &HeatsOptions) -> Result<Apart<HeatsReport>> {
    let records = &request.opened.records;
    let maps = progress::during(records, || {
        Apart::look(records, |records| {
            let mut options = options.clone();
            options.time_range = request.asked.phases.range(records)?.or(options.time_range);
            if let Some(pid) = request.asked.part.target.pid {
                options.identity = identity_of(records, pid)?;
            }
            let report = heats(records, &options)?;
            if report.shows_anything() { Ok(report) } else { Err(nothing_shown(records)) }
        })
    })?;
    maps.parts.iter().for_each(|part| tell_others(records, &part.value));
    Ok(maps)
}

/// Says that a map is of one target only, if there are others.
fn tell_others(records: &[Record], report: &HeatsReport) {
    let known = records.iter().map(|record| monitored(std::slice::from_ref(record), &TargetFilter::default()).len());
    let known = known.max().unwrap_or(0);
    let shown = match (&report.process, report.identity.target_id) {
        (Some(process), _) => format!("{} (pid {})", process.comm.shown(), process.pid),
        (None, Some(id)) => format!("target {id}"),
        (None, None) => "one target".to_owned(),
    };
    if known > 1 {
        errors::note(format_args!("this is {shown}, one of {known} targets; --pid and --tid choose another"));
    }
}

/// The kernel's numbers of the target that is a process.
fn identity_of(records: &[Record], pid: i32) -> Result<Identity> {
    let targets = || records.iter().flat_map(|record| record.targets());
    let pid_of = |target: &damo_model::Target| target.process.as_ref().map(|process| process.pid);
    if let Some(target) = targets().find(|target| pid_of(target) == Some(pid)) {
        return Ok(Identity::from(target));
    }
    let known: Vec<String> = targets().filter_map(pid_of).map(|pid| pid.to_string()).collect();
    let known = if known.is_empty() { "no target's process".to_owned() } else { known.join(", ") };
    bail!("--pid {pid}: no target is this process; the record knows {known}")
}

/// Where the map goes.
#[derive(Clone, Copy)]
enum Destination {
    Terminal,
    Numbers,
    Tables,
    Picture,
}

impl Destination {
    fn of(asked: &Asked<HeatsArgs>, form: &FormArgs) -> Self {
        match form.format() {
            AnyForm::Picture(_) => Self::Picture,
            AnyForm::Tables(_) => Self::Tables,
            AnyForm::Text if asked.form.output == "raw" => Self::Numbers,
            AnyForm::Text | AnyForm::Stacks(_) => Self::Terminal,
        }
    }
}

impl FormOptions for HeatsForm {
    /// Form and file, whichever of the options names them.
    fn form(&self) -> Result<FormArgs> {
        let named = match self.output.as_str() {
            "stdout" | "raw" | "-" => None,
            file => Some(PathBuf::from(file)),
        };
        if let (Some(file), Some(out)) = (&named, &self.out) {
            bail!("--output {} and --out {} name two files: leave one out", file.shown(), out.shown());
        }
        let named_form = named.as_deref().and_then(AnyForm::of_name);
        if let Some(file) = named.as_ref().filter(|_| named_form.is_none() && self.format.is_none()) {
            bail!(
                "{}: a heat map goes to `stdout`, `raw`, or a file that ends in .png, .svg, .csv, .json, .md, .parquet or .txt",
                file.shown()
            );
        }
        Ok(FormArgs {
            plot: self.picture.into(),
            out: named.or_else(|| self.out.clone()),
            format: self.format,
            table: self.table.clone(),
            force: self.force,
        })
    }
}

/// The library's options.
fn options(asked: &Asked<HeatsArgs>, form: &FormArgs) -> Result<HeatsOptions> {
    let (own, part) = (&asked.own, &asked.part);
    let destination = Destination::of(asked, form);
    let mut options = match destination {
        Destination::Terminal => HeatsOptions::terminal(),
        Destination::Numbers => HeatsOptions::default(),
        Destination::Tables => HeatsOptions { rows: 100, columns: Columns::Each(100), ..HeatsOptions::overview() },
        Destination::Picture => form.plot.picture.heats_options(own.phases),
    };
    if let [rows, columns] = own.resol[..] {
        if rows == 0 || columns == 0 {
            bail!("--resol {rows} {columns}: a map needs at least one cell each way");
        }
        (options.rows, options.columns) = (rows, Columns::Each(columns));
    }
    options.identity = Identity {
        kdamond: part.target.kdamond_idx,
        context: part.target.context_idx,
        scheme: part.target.scheme_idx,
        target_id: part.target.tid,
    };
    options.time_range = part.ranges.time(BareTimes::Clock, asked.clock)?;
    options.address_ranges = part.ranges.address_ranges()?;
    options.mapping.clone_from(&own.mapping);
    options.draw_range = own.draw_range.unwrap_or(options.draw_range);
    options.counted = match own.probe {
        Some(probe) => Counted::ProbeHits(probe),
        None if own.df_passed => Counted::FilterPassed,
        None => Counted::All,
    };
    options.by_node = own.color_by;
    if own.color_by && !matches!(destination, Destination::Picture) {
        bail!("--color_by node is for pictures: name a file for one, as in `-o map.png`");
    }
    if own.phases && !matches!(destination, Destination::Picture) {
        bail!("--phases is for pictures: name a file for one, as in `-o map.png`; `damo report phases` lists them");
    }
    options.scale = own.scale.scale();
    options.mark.clone_from(&own.mark);
    options.schemes = own.schemes;
    options.min_checks = match destination {
        Destination::Numbers => 0,
        // Tables tell the checks of every cell.
        Destination::Tables => u32::MAX,
        _ => own.min_checks,
    };
    if let ([rate, age], true) = (&own.temperature_weights[..], own.sort_temperature) {
        options.by_temperature = Some((*rate, *age));
    }
    Ok(options)
}
