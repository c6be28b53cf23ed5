//! `damo report access`: snapshots as tables, boxes, histograms and percentiles.

use super::form::{AnyForm, FORMS, FormArgs, FormOptions, PagerArgs, form};
use super::options::{COLOR_WHEN, RawNumber, choice};
use super::part::FilterArgs;
use super::picture::PlotArgs;
use super::ranges::occurrences;
use super::raw;
use super::shared::{Asked, ReportArgs, Request};
use crate::output::ColorWhen;
use anyhow::{Context, Result, bail};
use clap::{ArgMatches, Args, Command};
use damo_model::human::Show;
use damo_report::access::{AccessOptions, AccessReport, Area, HistogramOptions, Percentiles, SortKey, Style};
use damo_report::heats::{ColorSet, Depth};
use damo_report::raw::{RawOptions, raw};
use damo_report::several::Apart;
use damo_report::temperature::Weights;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct AccessArgs {
    /// Every snapshot with its regions, as recorded: the same as `damo report raw`
    #[arg(long = "raw_form", help_heading = "Output")]
    raw_form: bool,
    /// How snapshots are shown: as tables, boxes, histograms or percentiles
    #[arg(long, value_name = "STYLE", value_parser = choice(Style::NAMES), default_value = "detailed", help_heading = "Output")]
    style: Style,
    #[command(flatten)]
    raw_number: RawNumber,
    /// Only the total size of each snapshot
    #[arg(long = "total_sz_only", help_heading = "Output")]
    total_sz_only: bool,
    /// Sort regions by address, access_rate, age, size or temperature; the last named counts most
    #[arg(long = "sort_regions_by", value_name = "KEY", num_args = 1.., value_parser = choice(SortKey::NAMED), help_heading = "Output")]
    sort_regions_by: Vec<SortKey>,
    /// The keys that descend, or `all`
    #[arg(long = "sort_regions_dsc", value_name = "KEY", num_args = 1.., help_heading = "Output")]
    sort_regions_dsc: Vec<String>,
    /// What makes the temperature: weights of size, access rate and age
    #[arg(
        long = "temperature_weights",
        num_args = 3,
        value_names = ["SIZE", "RATE", "AGE"],
        default_values_t = [0, 100, 100],
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    temperature_weights: Vec<i64>,
    /// Percentiles of the percentile styles: a stop, start and stop, or start, stop and step; more numbers are the
    /// percentiles themselves
    #[arg(long = "percentiles_range", value_name = "NUMBER", num_args = 1.., help_heading = "Output")]
    percentiles_range: Vec<i64>,
    /// Histogram ranges double instead of being equal
    #[arg(long = "hist_logscale", help_heading = "Output")]
    hist_logscale: bool,
    /// Each histogram range begins at the first one's start
    #[arg(long = "hist_cumulate", help_heading = "Output")]
    hist_cumulate: bool,
    /// Characters of a snapshot's heat map
    #[arg(long = "snapshot_heatmap_width", value_name = "COLUMNS", default_value_t = 80, help_heading = "Output")]
    snapshot_heatmap_width: usize,
    /// Draw gaps of the address space to scale in a snapshot's heat map
    #[arg(long = "snapshot_heatmap_static", help_heading = "Output")]
    snapshot_heatmap_static: bool,
    /// Its colours: gray, flame or emotion
    #[arg(long = "snapshot_heatmap_colorset", value_name = "SET", value_parser = choice(ColorSet::NAMED), default_value = "gray", help_heading = "Output")]
    snapshot_heatmap_colorset: ColorSet,
    /// A box beside each region
    #[arg(long = "region_box", help_heading = "Output")]
    region_box: bool,
    /// Colours on the terminal; `auto` respects NO_COLOR and TERM
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = choice(COLOR_WHEN), help_heading = "Output")]
    color: ColorWhen,
    /// Print standard errors: what each snapshot's figures, and percentiles, would vary by if DAMON checked the same memory
    /// again
    #[arg(long, help_heading = "Output")]
    error: bool,
    #[command(flatten)]
    pager: PagerArgs,
}

/// In which form the report is shown.
#[derive(Args, Debug)]
pub(super) struct AccessForm {
    #[command(flatten)]
    formats: Formats,
    /// Which of the report's tables: what the style shows, `snapshots`, or `regions` (as large as the record)
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    table: Option<String>,
    /// Write to this file; its ending chooses the form: .txt, .json, .csv, .md, .parquet, .png or .svg
    #[arg(short = 'o', long = "output", visible_alias = "out", value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replace FILE even if it is a record or of another kind
    #[arg(long, help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    plot: PlotArgs,
}

impl FormOptions for AccessForm {
    fn form(&self) -> Result<FormArgs> {
        Ok(FormArgs {
            plot: self.plot.clone(),
            out: self.out.clone(),
            format: self.formats.form()?,
            table: self.table.clone(),
            force: self.force,
        })
    }

    fn files(&self) -> &[PathBuf] {
        &self.formats.files
    }
}

impl ReportArgs for AccessArgs {
    type Report<'r> = AccessReport<'r>;
    type Part = FilterArgs;
    type Form = AccessForm;

    fn check(asked: &Asked<Self>, form: &FormArgs) -> Result<()> {
        asked.own.options(form)?;
        asked.form.formats.templates().map(drop)
    }

    /// `--raw_form`: the report raw.
    fn instead(request: &Request<'_, Self>) -> Result<bool> {
        if !request.own().raw_form {
            return Ok(false);
        }
        if !raw::draw(request, None)? {
            let found = request.each(|records, filter| Ok(raw(records, RawOptions { filter, duration: None })?))?;
            request.show(&found, &request.own().raw_number.style())?;
        }
        Ok(true)
    }

    fn find<'r>(request: &Request<'r, Self>) -> Result<Apart<AccessReport<'r>>> {
        let format = request.asked.form.formats.templates()?;
        let options = AccessOptions { format, ..request.own().options(&request.form)? };
        request.each(|records, mut filter| {
            filter.weights = options.weights;
            Ok(AccessReport { records, options: AccessOptions { filter, ..options.clone() } })
        })
    }

    fn pager(&self) -> PagerArgs {
        self.pager
    }
}

impl AccessArgs {
    fn options(&self, form: &FormArgs) -> Result<AccessOptions> {
        let descending = if self.sort_regions_dsc == ["all"] {
            SortKey::ALL.to_vec()
        } else {
            let key = |word: &String| SortKey::NAMED.iter().find(|(name, _)| name == word).map(|(_, key)| *key);
            let keys = self.sort_regions_dsc.iter().map(key).collect::<Option<_>>();
            keys.context("--sort_regions_dsc: address, access_rate, age, size or temperature, or all")?
        };
        let weights = match self.temperature_weights[..] {
            [size, access_rate, age] => Weights { size, access_rate, age },
            _ => bail!("--temperature_weights takes three numbers: SIZE RATE AGE"),
        };
        let percentiles = match &self.percentiles_range[..] {
            [] => Percentiles::default(),
            numbers => Percentiles::from_numbers(numbers)?,
        };
        Ok(AccessOptions {
            style: self.style,
            numbers: self.raw_number.style(),
            weights,
            sort_by: self.sort_regions_by.clone(),
            descending,
            total_sz_only: self.total_sz_only,
            percentiles,
            histogram: HistogramOptions { log: self.hist_logscale, cumulate: self.hist_cumulate, ranges: Vec::new() },
            heatmap_width: self.snapshot_heatmap_width,
            heatmap_colors: self.snapshot_heatmap_colorset,
            heatmap_static: self.snapshot_heatmap_static,
            region_box: self.region_box,
            errors: self.error,
            color: form.depth(self.color) != Depth::Plain,
            ..AccessOptions::default()
        })
    }
}

/// `--format json`, and `--format set|append AREA TEXT` as the Python tool has it: one option for both.
#[derive(Clone, Debug, Default)]
struct Formats {
    /// The words of each occurrence.
    groups: Vec<Vec<String>>,
    /// Records that stand right behind one word: `--format json app.damo`.
    files: Vec<PathBuf>,
}

impl Formats {
    /// The form, if one was named.
    fn form(&self) -> Result<Option<AnyForm>> {
        let mut names = self.groups.iter().filter(|words| words.len() == 1).filter_map(|words| words.first());
        match names.next_back().map(String::as_str) {
            None => Ok(None),
            Some(name) => form(name)
                .map(Some)
                .map_err(|error| anyhow::anyhow!("--format {name}: {error}, or set|append AREA TEXT")),
        }
    }

    /// Changes of templates.
    fn templates(&self) -> Result<Vec<(bool, Area, String)>> {
        let mut templates = Vec::new();
        for words in self.groups.iter().filter(|words| words.len() != 1) {
            match &words[..] {
                [how, area, text] if how == "set" || how == "append" => {
                    templates.push((how == "set", Area::by_name(area)?, text.clone()));
                }
                _ => bail!("--format {}: either one word, or set|append AREA TEXT", words.join(" ").shown()),
            }
        }
        Ok(templates)
    }
}

damo_cli::own_args!(Formats);

impl Formats {
    fn options(command: Command) -> Command {
        command.arg(
            clap::Arg::new("format")
                .long("format")
                .value_name("FORM | set|append AREA TEXT")
                .num_args(1..=3)
                .action(clap::ArgAction::Append)
                .help_heading("Output")
                .value_parser(damo_cli::args::offered([&FORMS[..], &["set", "append"]].concat()))
                .help(
                    "text, json, csv, markdown, parquet, png or svg; or change a template of the text: AREA is record_head, \
                     snapshot_head, region, snapshot_tail or record_tail, and TEXT has <keyword>s (repeatable)",
                ),
        )
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut groups = occurrences(matches, "format");
        let mut files = Vec::new();
        for words in groups.iter_mut().filter(|words| words.first().is_some_and(|word| form(word).is_ok())) {
            files.extend(words.split_off(1).into_iter().map(PathBuf::from));
        }
        Ok(Self { groups, files })
    }
}
