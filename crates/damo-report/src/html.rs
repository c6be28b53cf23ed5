//! One HTML file that holds a record's heat maps and everything measured beside them, to be looked at with a mouse.
//!
//! The page is `assets/report.html`: style and program, no network, no other file. Here its data are made: for each
//! target the heat map at one fine resolution (the page makes the coarser ones itself), packed as 16-bit numbers,
//! zlib and base64, and beside it the tracks on the same time axis. An hour's record stays below 2 MB, because the
//! number of cells is fixed whatever the record's length.

mod tracks;

use crate::ReportError;
use crate::colormap::ColorMap;
use crate::heats::{self, Columns, Grid, HeatsError, HeatsReport, Options as HeatsOptions, Unit};
use crate::survey::Identity;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use damo_frame::Record;
use damo_model::human::{Style, format_nr, format_size, format_time};
use damo_model::{Nanos, Target};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;
use std::io::{self, Write};
use tracks::Track;

/// The page, with a place for the data.
const PAGE: &str = include_str!("../assets/report.html");
/// Where the data go.
const PLACE: &str = "/*DATA*/";
/// A cell that no snapshot covers.
const NO_DATA: u16 = u16::MAX;
/// Cells in all maps together: what fits 2 MB when packed.
const CELLS: usize = 1 << 20;
/// Address cells of a map, all its panels together.
const ADDRESSES: usize = 384;

/// What to say on the page beside the data.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The command that makes the page; empty leaves the line out.
    pub command: String,
    /// A hash of the record, so that the page can be told to belong to it.
    pub hash: String,
    /// Colours of the map.
    pub colormap: ColorMap,
}

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HtmlError {
    /// A map could not be made.
    #[error(transparent)]
    Heats(#[from] HeatsError),
    /// A track could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The page could not be written.
    #[error("writing the page failed: {0}")]
    Write(#[from] io::Error),
    /// The record has nothing to show.
    #[error("{0}: no snapshots, so there is nothing to draw; `damo info {0}` tells what it holds")]
    Empty(String),
}

/// What the page's program reads. Times are nanoseconds from the record's start, sizes bytes.
#[derive(Serialize)]
struct Page {
    title: String,
    subtitle: String,
    facts: Vec<(&'static str, String)>,
    command: String,
    hash: String,
    colours: Vec<String>,
    duration: i64,
    /// `hz` or `samples`.
    unit: &'static str,
    /// The highest heat possible, where intervals are known, else the highest seen.
    max: f64,
    /// The highest heat seen.
    peak: f64,
    targets: Vec<TargetMap>,
    tracks: Vec<Track>,
    marks: Vec<MarkAt>,
}

#[derive(Serialize)]
struct TargetMap {
    name: String,
    panels: Vec<Panel>,
}

/// A contiguous area of addresses.
#[derive(Serialize)]
struct Panel {
    name: String,
    /// First address, `0x…`: too large for the page's numbers.
    start: String,
    size: u64,
    /// Cells in time and in addresses.
    cols: usize,
    rows: usize,
    /// What the largest cell value, 65534, stands for.
    peak: f64,
    /// Column after column: u16 little-endian, zlib, base64.
    cells: String,
    mappings: Vec<MappingAt>,
}

#[derive(Serialize)]
struct MappingAt {
    start: u64,
    end: u64,
    name: String,
}

#[derive(Serialize)]
struct MarkAt {
    t: i64,
    text: String,
}

/// Writes the page for one record.
///
/// # Errors
/// If the record cannot be read or holds no snapshots, or `out` takes no more.
pub fn write_html(record: &Record, options: &Options, out: &mut dyn Write) -> Result<(), HtmlError> {
    let page = page(record, options)?;
    let mut json = serde_json::to_string(&page).map_err(io::Error::from)?;
    // Within a script element only this ends it.
    json = json.replace("</", "<\\/");
    let (before, after) = PAGE.split_once(PLACE).unwrap_or((PAGE, ""));
    out.write_all(before.as_bytes())?;
    out.write_all(json.as_bytes())?;
    out.write_all(after.as_bytes())?;
    Ok(())
}

fn page(record: &Record, options: &Options) -> Result<Page, HtmlError> {
    let span = record.span().ok_or_else(|| HtmlError::Empty(record.name().to_owned()))?;
    let mut identities: Vec<(Identity, &Target)> = Vec::new();
    for target in record.targets() {
        let identity = Identity::from(target);
        if !identities.iter().any(|(known, _)| *known == identity) {
            identities.push((identity, target));
        }
    }
    let rows = (CELLS / ADDRESSES / identities.len().max(1)).clamp(64, 2048);
    let range = heats::TimeRange { start: span.0, end: span.1, base: heats::TimeBase::At(Nanos(0)) };
    let mut maps = Vec::new();
    for (identity, target) in identities {
        let columns = Columns::Shared { total: ADDRESSES, least: 24, between: 0 };
        let wanted = HeatsOptions { identity, time_range: Some(range.clone()), ..HeatsOptions::picture(rows, columns) };
        match heats::heats(std::slice::from_ref(record), &wanted) {
            Ok(report) => maps.push((target, report)),
            // A target that was never seen in a snapshot has no map.
            Err(HeatsError::NoSnapshots | HeatsError::NoSuchTarget { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some((_, first)) = maps.first() else { return Err(HtmlError::Empty(record.name().to_owned())) };
    let peak = maps.iter().filter_map(|(_, report)| report.range()).map(|(_, high)| high).fold(0.0, f64::max);
    let peak = if peak > 0.0 { peak } else { 1.0 };
    let marks = first.marks.iter().map(|(at, text)| MarkAt { t: at.saturating_sub(span.0).0, text: text.clone() });
    Ok(Page {
        title: record.name().rsplit('/').next().unwrap_or_default().to_owned(),
        subtitle: format!("data accesses over {}", format_time(span.1.saturating_sub(span.0), Style::Human)),
        facts: facts(record, first),
        command: options.command.clone(),
        hash: options.hash.clone(),
        colours: (0..64).map(|i| options.colormap.on_dark(f64::from(i) / 63.0).css()).collect(),
        duration: span.1.saturating_sub(span.0).0.max(1),
        unit: first.unit.name(),
        max: first.possible.unwrap_or(peak),
        peak,
        marks: marks.collect(),
        targets: maps.iter().map(|(target, report)| map(target, report)).collect::<Result<_, _>>()?,
        tracks: tracks::tracks(record, span.0)?,
    })
}

fn facts(record: &Record, report: &HeatsReport) -> Vec<(&'static str, String)> {
    let (meta, totals, coverage) = (record.meta(), record.totals(), record.coverage());
    let nr = |number: u64| format_nr(number.into(), Style::Human);
    let mut facts = vec![
        ("snapshots", nr(totals.snapshots)),
        ("regions", nr(totals.regions)),
        ("record size", format_size(totals.file, Style::Human)),
        ("kernel", meta.kernel_release.clone()),
        ("recorded by", meta.tool.clone()),
        ("host", meta.host.clone()),
    ];
    if let (Some(possible), Unit::Hz) = (report.possible, report.unit) {
        facts.push(("highest rate possible", format!("{possible} Hz")));
    }
    if let Some(intervals) = meta.intervals {
        let [sample, aggregation] = [intervals.sample, intervals.aggregation].map(|i| format_time(i, Style::Human));
        facts.push(("intervals", format!("sampling {sample}, aggregation {aggregation}")));
    }
    if !coverage.is_full() {
        let (share, lost) = (coverage.ratio() * 100.0, nr(coverage.lost_events));
        facts.push(("coverage", format!("{share:.1} % of snapshots complete, {lost} events lost")));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn map(target: &Target, report: &HeatsReport) -> Result<TargetMap, HtmlError> {
    let id = target.target_id.map_or(target.key.0.to_string(), |id| id.to_string());
    let name = match &target.process {
        Some(process) if !process.comm.is_empty() => format!("target {id}: {} (pid {})", process.comm, process.pid),
        Some(process) => format!("target {id}: pid {}", process.pid),
        None => format!("target {id}"),
    };
    let panels = report.panels.iter().map(|grid| panel(grid, report)).collect::<Result<_, _>>()?;
    Ok(TargetMap { name, panels })
}

fn panel(grid: &Grid, report: &HeatsReport) -> Result<Panel, HtmlError> {
    let peak = grid.range().map_or(1.0, |(_, high)| if high > 0.0 { high } else { 1.0 });
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    let (cols, rows) = (grid.time.len(), grid.space.len());
    for col in 0..cols {
        for row in 0..rows {
            let heat = grid.covered_heat_at(col, row);
            let value = if heat.is_nan() { NO_DATA } else { (heat / peak * 65534.0).round() as u16 };
            packer.write_all(&value.to_le_bytes())?;
        }
    }
    let start = u64::try_from(grid.space.start()).unwrap_or_default();
    let end = u64::try_from(grid.space.end()).unwrap_or(u64::MAX);
    let area = damo_model::AddrRange::new(damo_model::Addr(start), damo_model::Addr(end));
    let mappings = report.names.spans(area).into_iter().map(|(range, name)| MappingAt {
        start: range.start.0.saturating_sub(start),
        end: range.end.0.saturating_sub(start),
        name,
    });
    Ok(Panel {
        name: report.panel_name(grid),
        start: format!("{start:#x}"),
        size: end.saturating_sub(start),
        cols,
        rows,
        peak,
        cells: STANDARD.encode(packer.finish()?),
        mappings: mappings.collect(),
    })
}
