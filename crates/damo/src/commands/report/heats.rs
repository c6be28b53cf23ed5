//! `damo report heats`: a map on the terminal, a picture, or numbers.

use super::input::ReportInputs;
use super::options::{
    AnyForm, BareTimes, ClockArgs, FormArgs, TargetArgs, form, occurrences, repeated, three, time_range,
};
use super::picture::{PictureArgs, PictureOutput, ScaleArgs};
use crate::errors::{self, Outcome};
use crate::inputs::Opened;
use crate::output::{self, ColorWhen};
use crate::progress;
use anyhow::{Context, Result, bail};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use damo_frame::Record;
use damo_model::Addr;
use damo_model::human::{self, Show, Style};
use damo_record::args::named;
use damo_report::Report;
use damo_report::filter::TargetFilter;
use damo_report::guide;
use damo_report::heats::HeatMap;
use damo_report::heats::{
    self, AddressBase, AddressRange, Cells, ColorSet, Columns, Depth, DrawRange, FEW_CHECKS, Fit, Glyphs, HeatsError,
    HeatsOptions, HeatsReport, RawStyle, TerminalStyle, TimeRange,
};
use damo_report::picture::Picture;
use damo_report::selection::nothing_left;
use damo_report::several::{Apart, apart};
use damo_report::survey::{Identity, monitored};
use std::path::{Path, PathBuf};

/// Lines of the window that a map leaves free: the next prompt.
const PROMPT: usize = 1;

/// Arguments.
#[derive(Args, Debug)]
pub struct HeatsArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
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
    /// Cells: so many in time, so many in address space [default: what fits the terminal; 500 500 for numbers, 100 100 for
    /// tables]
    #[arg(long, num_args = 2, value_names = ["TIMES", "ADDRESSES"], help_heading = "Output")]
    resol: Vec<usize>,
    #[command(flatten)]
    clock: ClockArgs,
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
    #[arg(long, value_name = "blocks|digits", value_parser = named(["blocks", "digits"], glyphs), help_heading = "Output")]
    style: Option<Glyphs>,
    /// Colours of the digits: gray, flame or emotion
    #[arg(
        long = "stdout_colorset",
        aliases = ["stdout_heatmap_color", "ascii_color", "plot_ascii"],
        value_name = "SET",
        value_parser = named(["gray", "flame", "emotion"], color_set),
        default_value = "gray",
        help_heading = "Output"
    )]
    colorset: ColorSet,
    /// Leave out the line that explains the digits
    #[arg(long = "stdout_skip_colorset_example", alias = "stdout_heatmap_skip_color_example", help_heading = "Output")]
    skip_example: bool,
    /// Colours on the terminal; `auto` respects NO_COLOR and TERM
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = named(["auto", "always", "never"], ColorWhen::parse), help_heading = "Output")]
    color: ColorWhen,
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
    #[command(flatten)]
    scale: ScaleArgs,
    #[command(flatten)]
    target: TargetArgs,
    /// Ranges of time and addresses.
    #[command(flatten)]
    pub ranges: Ranges,
    /// Without address ranges: draw the hottest area per byte, or all
    #[arg(long = "draw_range", value_name = "hottest|all", value_parser = named(["hottest", "all"], draw_range), help_heading = "Selection")]
    draw_range: Option<DrawRange>,
    /// Draw the mappings of this name only, e.g. '[heap]' or libc.so.6
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    mapping: Option<String>,
    /// Draw the time from the mark of this text to the next mark only
    #[arg(long, value_name = "TEXT", help_heading = "Selection", conflicts_with = "time_range")]
    mark: Option<String>,
    /// Show where schemes were applied, if the record tells (`damo record --schemes_target_regions`)
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = named(["on", "off"], on_off), action = clap::ArgAction::Set, help_heading = "Output")]
    schemes: bool,
    /// Mark cells that rest on fewer checks of DAMON's than this: the standard error of an access rate is up to half of
    /// the possible over the square root of its checks. 0 marks none
    #[arg(long = "min_checks", value_name = "NUMBER", default_value_t = FEW_CHECKS, help_heading = "Output")]
    min_checks: u32,
    /// Count accesses by the share of each region that passed the scheme's filters
    #[arg(long = "df_passed", help_heading = "Selection")]
    df_passed: bool,
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

fn glyphs(text: &str) -> Result<Glyphs, String> {
    match text {
        "blocks" => Ok(Glyphs::HalfBlocks),
        "digits" => Ok(Glyphs::Digits),
        _ => Err("blocks or digits".into()),
    }
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".into()),
    }
}

fn color_set(text: &str) -> Result<ColorSet, String> {
    ColorSet::named(text).ok_or_else(|| "gray, flame or emotion".into())
}

fn draw_range(text: &str) -> Result<DrawRange, String> {
    match text {
        "hottest" => Ok(DrawRange::Hottest),
        "all" => Ok(DrawRange::All),
        _ => Err("hottest or all".into()),
    }
}

/// Draws, or prints.
///
/// # Errors
/// If a record cannot be read, a range makes no sense for it, or the result cannot be written.
pub fn run(args: &HeatsArgs) -> Result<Outcome> {
    // Mistakes in options are told before a long record is read.
    let form = &args.form()?;
    let destination = Destination::of(args, form);
    let options = args.options(&destination)?;
    let opened = args.inputs.open(&[&args.files[..], &args.ranges.files].concat())?;
    opened.has_target(&args.target.filter())?;
    if args.guide || args.guide_human {
        let style = if args.guide_human { Style::Human } else { Style::Raw };
        let found = progress::during(&opened.records, || Apart::look(&opened.records, guide::guide))?;
        output::to_stdout(|out| Ok(found.write_text(out, |report, out| report.write_text(out, &style))?))?;
        return Ok(opened.outcome());
    }
    match destination {
        Destination::Terminal => terminal(args, form, &options, &opened)?,
        Destination::Numbers => {
            let style = RawStyle { abs_time: args.clock.abs_time, abs_addr: args.abs_addr };
            let maps = args.one_map(&opened, &options)?;
            form.write_with(|out| Ok(maps.write_text(out, |map, out| map.write_raw(out, style))?))?;
        }
        Destination::Tables => {
            let maps = maps(&opened, &args.target.filter(), args.clock, &|_| options.clone())?;
            form.write("heats", |_| Ok(()), || maps.tables(args.clock.abs_time, HeatsReport::tables))?;
        }
        Destination::Picture(place) => {
            let fitting = |parts| args.picture.heats_part(parts, &options);
            let maps = maps(&opened, &args.target.filter(), args.clock, &fitting)?;
            args.picture.draw(&heat_maps(&maps), &opened, &place)?;
        }
    }
    Ok(opened.outcome())
}

/// The picture of heat maps.
pub(super) fn heat_maps(maps: &Apart<HeatsReport>) -> Box<dyn Picture + '_> {
    maps.picture(|report| Box::new(HeatMap { report }))
}

/// More maps are too many for one page.
const MOST_MAPS: usize = 12;

/// A map of each target that the filter lets pass, of each record; `options` are those for so many maps. Targets of which
/// nothing lies in the wanted time and addresses have none.
///
/// # Errors
/// If a record cannot be read, or nothing is left to be shown.
pub(super) fn maps(
    opened: &Opened,
    filter: &TargetFilter,
    clock: ClockArgs,
    options: &dyn Fn(usize) -> HeatsOptions,
) -> Result<Apart<HeatsReport>> {
    let wanted = wanted_maps(&opened.records, filter)?;
    if wanted > MOST_MAPS {
        errors::note(format_args!("{MOST_MAPS} of {wanted} targets are shown; --pid and --tid choose others"));
    }
    first_maps(opened, filter, clock, wanted.min(MOST_MAPS), options)
}

/// How many maps there would be if all were shown: one for each target of each record.
fn wanted_maps(records: &[Record], filter: &TargetFilter) -> Result<usize> {
    Ok(apart(records)?.into_iter().map(|records| monitored(records, filter).len().max(1)).sum())
}

/// The first `most` of the maps.
fn first_maps(
    opened: &Opened,
    filter: &TargetFilter,
    clock: ClockArgs,
    most: usize,
    options: &dyn Fn(usize) -> HeatsOptions,
) -> Result<Apart<HeatsReport>> {
    let records = &opened.records;
    let mut parts = most;
    loop {
        let found = progress::during(records, || some_maps(records, filter, clock, parts, &options(parts)))?;
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
    clock: ClockArgs,
    most: usize,
    options: &HeatsOptions,
) -> Result<Apart<HeatsReport>> {
    let mut left = most;
    Apart::look_often(records, |records| {
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
            match heats::heats(records, &HeatsOptions { identity, ..options.clone() }) {
                Ok(mut report) if report.shows_anything() => {
                    report.zero = clock.zero(report.zero);
                    found.push(report);
                    left -= 1;
                }
                Ok(_) => {}
                Err(error @ (HeatsError::NoSuchMapping { .. } | HeatsError::NoSuchTarget { .. })) => {
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

/// The error for a map without any cell that something is known of.
fn nothing_shown(records: &[Record]) -> anyhow::Error {
    match records.first() {
        Some(record) if record.totals().snapshots > 0 => {
            nothing_left(record, "no snapshot covers the given time and addresses").into()
        }
        _ => HeatsError::NoSnapshots.into(),
    }
}

impl HeatsArgs {
    /// Of each record the map of one target, as the Python tool's layouts have it, and says which one that is.
    fn one_map(&self, opened: &Opened, options: &HeatsOptions) -> Result<Apart<HeatsReport>> {
        let maps = progress::during(&opened.records, || {
            Apart::look(&opened.records, |records| {
                let mut options = options.clone();
                if let Some(pid) = self.target.pid {
                    options.identity = identity_of(records, pid)?;
                }
                let mut report = heats::heats(records, &options)?;
                report.zero = self.clock.zero(report.zero);
                if report.shows_anything() { Ok(report) } else { Err(nothing_shown(records)) }
            })
        })?;
        maps.parts.iter().for_each(|part| tell_others(opened, &part.value));
        Ok(maps)
    }
}

/// Says that a map is of one target only, if there are others.
fn tell_others(opened: &Opened, report: &HeatsReport) {
    let known =
        opened.records.iter().map(|record| monitored(std::slice::from_ref(record), &TargetFilter::default()).len());
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
enum Destination<'a> {
    Terminal,
    Numbers,
    Tables,
    Picture(PictureOutput<'a>),
}

impl<'a> Destination<'a> {
    fn of(args: &HeatsArgs, form: &'a FormArgs) -> Self {
        match form.format() {
            AnyForm::Picture(_) => PictureOutput::of_form(form).map_or(Self::Terminal, Self::Picture),
            AnyForm::Tables(_) => Self::Tables,
            AnyForm::Text if args.output == "raw" => Self::Numbers,
            AnyForm::Text => Self::Terminal,
        }
    }
}

impl HeatsArgs {
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
        Ok(FormArgs::new(self.format, self.table.clone(), named.or_else(|| self.out.clone()), self.force))
    }

    /// The library's options.
    fn options(&self, destination: &Destination) -> Result<HeatsOptions> {
        let mut options = match destination {
            Destination::Terminal => HeatsOptions::terminal(),
            Destination::Numbers => HeatsOptions::default(),
            Destination::Tables => HeatsOptions { rows: 100, columns: Columns::Each(100), ..HeatsOptions::overview() },
            Destination::Picture(_) => self.picture.heats_options(),
        };
        if let [rows, columns] = self.resol[..] {
            if rows == 0 || columns == 0 {
                bail!("--resol {rows} {columns}: a map needs at least one cell each way");
            }
            (options.rows, options.columns) = (rows, Columns::Each(columns));
        }
        options.identity = Identity {
            kdamond: self.target.kdamond_idx,
            context: self.target.context_idx,
            scheme: self.target.scheme_idx,
            target_id: self.target.tid,
        };
        options.time_range = self.ranges.time(BareTimes::Clock, self.clock)?;
        options.address_ranges = self.ranges.address_ranges()?;
        options.mapping.clone_from(&self.mapping);
        options.draw_range = self.draw_range.unwrap_or(options.draw_range);
        options.df_passed = self.df_passed;
        options.scale = self.scale.scale();
        options.mark.clone_from(&self.mark);
        options.schemes = self.schemes;
        options.min_checks = match destination {
            Destination::Numbers => 0,
            // Tables tell the checks of every cell.
            Destination::Tables => u32::MAX,
            _ => self.min_checks,
        };
        if let ([rate, age], true) = (&self.temperature_weights[..], self.sort_temperature) {
            options.by_temperature = Some((*rate, *age));
        }
        Ok(options)
    }
}

/// Draws on the terminal, as large and as colourful as it allows.
fn terminal(args: &HeatsArgs, form: &FormArgs, options: &HeatsOptions, opened: &Opened) -> Result<()> {
    let to_terminal = output::is_terminal() && form.out().is_none();
    let glyphs =
        args.style.unwrap_or(if to_terminal && args.resol.is_empty() { Glyphs::HalfBlocks } else { Glyphs::Digits });
    let (width, height) = output::terminal_size();
    let fits = glyphs == Glyphs::HalfBlocks && args.resol.is_empty();
    let mut style = TerminalStyle {
        glyphs,
        depth: if form.out().is_none() || args.color == ColorWhen::Always {
            output::depth(args.color)
        } else {
            Depth::Plain
        },
        colors: args.colorset,
        map: args.picture.colormap(),
        theme: args.picture.terminal_theme(),
        width,
        lines: None,
        legend: !args.skip_example,
    };
    let filter = args.target.filter();
    let wanted = wanted_maps(&opened.records, &filter)?;
    let records = apart(&opened.records)?.len();
    let most = if to_terminal && fits { fitting_maps(height, wanted, records) } else { wanted.min(MOST_MAPS) };
    let each = |maps: usize| lines_of_each(height, maps, (wanted, records));
    let fitting = |maps: usize| {
        let mut options = options.clone();
        if !args.resol.is_empty() {
            return options;
        }
        // A window of its own for each map, its prompt included.
        let fit = Fit::new((width, each(maps) + PROMPT), PROMPT + Fit::remarks(&opened.records), style.depth);
        (options.rows, options.columns, options.most_panels) = (fit.rows, fit.columns, fit.most_panels);
        options.cells = Cells::Whole;
        options.draw_range = args.draw_range.unwrap_or(DrawRange::Mapped);
        options
    };
    let maps = if glyphs == Glyphs::HalfBlocks {
        if most < wanted {
            if to_terminal && fits {
                // In one line of 80 columns: it takes a line of the window.
                let all = "--style blocks | less shows all";
                errors::note(format_args!("{most} of {wanted} maps fit; --tid, --pid choose, {all}"));
            } else {
                errors::note(format_args!("{most} of {wanted} targets are shown; --pid and --tid choose others"));
            }
        }
        first_maps(opened, &filter, args.clock, most, &fitting)?
    } else {
        args.one_map(opened, options)?
    };
    // What is below the maps is cut to the window, unless they are a page to scroll.
    style.lines = (fits && (to_terminal || maps.parts.len() == 1)).then(|| each(maps.parts.len()) + PROMPT);
    form.write_with(|out| Ok(maps.write_text(out, |report, out| report.write_terminal(out, &style))?))
}

/// Lines of a map on a terminal, at least: what surrounds it, its scale, and something of two areas.
const LEAST_LINES: usize = 10;

/// Lines for each of some maps of a window of `height` lines. What else is there: the prompt, a heading for each of
/// several records, and a note if not all of the wanted maps are shown.
fn lines_of_each(height: usize, maps: usize, (wanted, records): (usize, usize)) -> usize {
    let headings = if records > 1 { records.min(maps) } else { 0 };
    let note = usize::from(maps < wanted.min(MOST_MAPS) || wanted > MOST_MAPS);
    height.saturating_sub(PROMPT + headings + note) / maps.max(1)
}

/// How many maps a window of `height` lines has room for, of `wanted` ones of some records: one at least.
fn fitting_maps(height: usize, wanted: usize, records: usize) -> usize {
    let fits = |maps: &usize| lines_of_each(height, *maps, (wanted, records)) >= LEAST_LINES;
    (1..=wanted.min(MOST_MAPS)).rev().find(fits).unwrap_or(1)
}

/// Ranges of time and addresses.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    time: Option<Vec<String>>,
    /// A group of words for each time that the option was given.
    pub addresses: Vec<Vec<String>>,
    /// Records that stand right behind a range, where a BASE could: `--time_range 5s 9s app.damo`.
    files: Vec<PathBuf>,
}

impl Ranges {
    /// Records that stood right behind a range.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The wanted time; `bare` says what bare numbers are.
    ///
    /// # Errors
    /// If a time is none, or the range ends before it starts.
    pub fn time(&self, bare: BareTimes, clock: ClockArgs) -> Result<Option<TimeRange>> {
        self.time.as_deref().map(|words| time_range(words, bare, clock)).transpose()
    }

    /// The wanted addresses.
    ///
    /// # Errors
    /// If an address is none, or a range ends before it starts.
    pub fn address_ranges(&self) -> Result<Vec<AddressRange>> {
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

impl Args for Ranges {
    fn augment_args(command: Command) -> Command {
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

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Ranges {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut time = occurrences(matches, "time_range").pop();
        let mut addresses = occurrences(matches, "address_range");
        let mut files = Vec::new();
        for words in time.iter_mut().chain(&mut addresses) {
            files.extend(words.pop_if(|word| Path::new(word).is_file()).map(PathBuf::from));
        }
        Ok(Self { time, addresses, files })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
