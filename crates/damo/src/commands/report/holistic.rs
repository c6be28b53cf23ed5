//! `damo report holistic`: one page with map, distributions, footprints and confidence.

use super::form::FormArgs;
use super::options::{COLOR_WHEN, choice};
use super::part::WholeRecord;
use super::picture::ScaleArgs;
use super::shared::{Asked, ReportArgs, Request};
use crate::output::{self, ColorWhen};
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_analysis::phases::bands;
use damo_frame::Record;
use damo_report::filter::TargetFilter;
use damo_report::heats::{Fit, Glyphs, HeatsOptions, TerminalStyle};
use damo_report::holistic::{HolisticOptions, HolisticReport, Overview, holistic};
use damo_report::picture::{part, with_room};
use damo_report::several::{Apart, apart};
use damo_report::survey::monitored;
use std::path::PathBuf;

/// Lines of a map; of each of several maps.
const LINES: usize = 24;
const LINES_OF_SEVERAL: usize = 16;

#[derive(Args, Debug)]
pub(super) struct HolisticArgs {
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
    /// Show the phases of the run as a strip above the map, in pictures
    #[arg(long, help_heading = "Output")]
    phases: bool,
    /// Colours on the terminal; `auto` respects NO_COLOR and TERM
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = choice(COLOR_WHEN), help_heading = "Output")]
    color: ColorWhen,
    #[command(flatten)]
    scale: ScaleArgs,
}

impl ReportArgs for HolisticArgs {
    type Report<'r> = HolisticReport;
    type Part = WholeRecord;
    type Form = FormArgs;

    fn paths(asked: &Asked<Self>) -> Result<Vec<PathBuf>> {
        let Self { access_pattern, footprints, .. } = &asked.own;
        let mut paths = asked.inputs.paths(&asked.files.iter().chain(access_pattern).cloned().collect::<Vec<_>>())?;
        if footprints.is_some() && paths.len() > 1 {
            bail!("--footprints is for one record, and {} are named", paths.len());
        }
        paths.extend(footprints.clone());
        Ok(paths)
    }

    fn find(request: &Request<'_, Self>) -> Result<Apart<HolisticReport>> {
        let (own, form) = (request.own(), &request.form);
        let records = &request.opened.records;
        if own.phases && form.picture_output().is_none() {
            bail!("--phases is for pictures: name a file for one with --plot; `damo report phases` lists them");
        }
        // Footprints that are named go with the record, even if it has some of its own.
        let groups = if own.footprints.is_some() { vec![&records[..]] } else { apart(records)? };
        let targets = |group: &[Record]| monitored(group, &TargetFilter::default()).len();
        let parts: usize = groups.iter().map(|group| Overview::parts_of(targets(group))).sum();
        let heats = |targets: usize| {
            if form.picture_output().is_some() {
                let style = with_room(&form.plot.picture.with_subtitle(), parts);
                return Overview::options(&part(&style, groups.len()), targets, own.phases);
            }
            let lines = if targets > 1 { LINES_OF_SEVERAL } else { LINES } * if own.long { 2 } else { 1 };
            let (width, _) = output::terminal_size();
            let Fit { rows, columns, most_panels } = Fit::new((width, lines), 0, form.depth(own.color));
            HeatsOptions { rows, columns, most_panels, ..HeatsOptions::overview() }
        };
        progress::during(records, || {
            Apart::of(&groups, |records| {
                let heats = HeatsOptions { scale: own.scale.scale(), ..heats(targets(records)) };
                let mut report = holistic(records, &HolisticOptions { heats, long: own.long })?;
                if let Some(record) = records.first().filter(|_| own.phases) {
                    let bands = bands(record)?;
                    report.maps.iter_mut().for_each(|map| map.bands.clone_from(&bands));
                }
                Ok(report)
            })
        })
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<HolisticReport>) -> Result<TerminalStyle> {
        let drawn = request.form.plot.picture;
        let (width, _) = output::terminal_size();
        Ok(TerminalStyle {
            glyphs: Glyphs::HalfBlocks,
            depth: request.form.depth(request.own().color),
            map: drawn.colormap(),
            theme: drawn.terminal_theme(),
            width,
            ..TerminalStyle::default()
        })
    }
}
