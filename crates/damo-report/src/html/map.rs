//! The heat maps of the page: for each target its panels' cells, and where schemes were applied.
//!
//! A cell has two numbers: the mean heat of its covered part, and how much of it is covered. With both, the page can
//! take exact means over any number of cells.

use super::tracks::{Track, TrackMaker};
use super::{Group, Groups, after};
use crate::ReportError;
use crate::heats::{self, Columns, Grid, HeatsOptions, HeatsReport};
use crate::range::{AddressBase, AddressRange, TimeBase, TimeRange};
use crate::survey::Identity;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use damo_frame::Record;
use damo_model::{Addr, Nanos, Side, TimeSpan};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;
use std::io::{self, Write};

/// What the largest number of a cell stands for: the panel's peak, or all of the cell.
const FULL: f64 = 65535.0;
/// Cells in addresses of a map, all its panels together.
const ADDRESSES: usize = 512;
/// The same where there are many targets.
const FEW_ADDRESSES: usize = 128;

/// A target's map and what goes with it.
#[derive(Serialize)]
pub(super) struct TargetMap {
    name: String,
    panels: Vec<Panel>,
    /// Names of the schemes that were applied to it; panels have cells for each.
    schemes: Vec<String>,
    /// Spans of time of which only incomplete snapshots exist.
    partial: Vec<(i64, i64)>,
    /// Key figures: name and value.
    figures: Vec<(&'static str, String)>,
    tracks: Vec<Track>,
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
    /// What the largest cell value stands for.
    peak: f64,
    /// Mean heat of the covered part of each cell, column after column: u16 little-endian, zlib, base64.
    cells: String,
    /// Share of each cell that is covered, packed likewise.
    cover: String,
    /// For each scheme, the share of each cell that it was applied to, packed likewise; empty for nothing.
    applied: Vec<String>,
    mappings: Vec<MappingAt>,
}

#[derive(Serialize)]
struct MappingAt {
    start: u64,
    end: u64,
    name: String,
}

impl TargetMap {
    /// The highest heat of a cell.
    pub(super) fn peak(&self) -> Option<f64> {
        self.panels.iter().map(|panel| panel.peak).reduce(f64::max)
    }
}

/// How maps are cut into cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    times: usize,
    addresses: usize,
}

impl Cut {
    /// That of `cells` cells for some targets together.
    pub(super) fn of(cells: usize, targets: usize) -> Self {
        let per_target = cells / targets.max(1);
        let addresses = if per_target >= ADDRESSES * 512 { ADDRESSES } else { FEW_ADDRESSES };
        // A power of two, so that the page's coarser levels are halves of one another.
        let times = 1 << (per_target / addresses).clamp(64, 2048).ilog2();
        Self { times, addresses }
    }

    fn options(self, identity: Identity, span: TimeSpan) -> HeatsOptions {
        let columns = Columns::Shared { total: self.addresses, least: 24, between: 0 };
        let time_range = Some(TimeRange { start: span.start, end: span.end, base: TimeBase::At(Nanos(0)) });
        // Pages do not mark cells of few checks.
        HeatsOptions { identity, time_range, min_checks: 0, ..HeatsOptions::picture(self.times, columns) }
    }
}

/// The heat maps of a page's targets, by position of the group, as long as the page is made.
pub(super) struct Maps {
    cut: Cut,
    reports: Vec<(usize, HeatsReport)>,
}

impl Maps {
    /// Fills the cells of all targets.
    pub(super) fn new(record: &Record, groups: &Groups<'_>, span: TimeSpan, cut: Cut) -> Result<Self, ReportError> {
        let wanted: Vec<HeatsOptions> = groups.shown.iter().map(|group| cut.options(group.identity, span)).collect();
        let mut reports = Vec::new();
        heats::heats_of_all(std::slice::from_ref(record), &wanted, |number, report| {
            reports.extend(seen(report)?.map(|report| (number, report)));
            Ok(())
        })?;
        reports.sort_by_key(|(number, _)| *number);
        Ok(Self { cut, reports })
    }

    /// The same cut otherwise: made of the cells that there are if they are only longer, else of the record again.
    pub(super) fn cut_again(
        mut self,
        record: &Record,
        groups: &Groups<'_>,
        span: TimeSpan,
        cut: Cut,
    ) -> Result<Self, ReportError> {
        if cut == self.cut {
            return Ok(self);
        }
        if cut.addresses != self.cut.addresses || cut.times * 2 != self.cut.times {
            return Self::new(record, groups, span, cut);
        }
        for (_, report) in &mut self.reports {
            let halved: Option<Vec<Grid>> = report.panels.iter().map(Grid::with_half_the_times).collect();
            let Some(halved) = halved else { return Self::new(record, groups, span, cut) };
            report.panels = halved;
        }
        Ok(Self { cut, reports: self.reports })
    }

    /// What is the same for all maps.
    pub(super) fn first(&self) -> Option<&HeatsReport> {
        self.reports.first().map(|(_, report)| report)
    }

    /// The maps with what goes with them. What schemes were applied to is part of the map of the monitored target, where
    /// there is one.
    pub(super) fn targets(
        &self,
        record: &Record,
        groups: &Groups<'_>,
        tracks: &TrackMaker<'_>,
        span: TimeSpan,
    ) -> Result<Vec<TargetMap>, ReportError> {
        let mut maps = Vec::new();
        for (number, report) in &self.reports {
            let Some(group) = groups.shown.get(*number) else { continue };
            let panels = report.panels.iter().map(|grid| panel(grid, report)).collect::<Result<Vec<_>, _>>()?;
            let peak = panels.iter().map(|panel| panel.peak).fold(0.0, f64::max);
            let (tracks, figures) = tracks.of_target(group, (peak, report.unit))?;
            let since = |time: &TimeSpan| (after(span.start, time.start), after(span.start, time.end));
            let partial = report.partial.iter().map(since).collect();
            let mut map = TargetMap { name: group.name(), panels, schemes: Vec::new(), partial, figures, tracks };
            add_schemes(record, groups, &self.cut.options(group.identity, span), &mut map, report)?;
            maps.push(map);
        }
        Ok(maps)
    }
}

/// Adds where schemes were applied to the target of a map.
fn add_schemes(
    record: &Record,
    groups: &Groups<'_>,
    options: &HeatsOptions,
    map: &mut TargetMap,
    report: &HeatsReport,
) -> Result<(), ReportError> {
    for scheme in groups.schemes.iter().filter(|scheme| scheme.identity.is_scheme_of(options.identity)) {
        let address_ranges = report.panels.iter().map(|grid| {
            let range = grid.space.addresses();
            AddressRange { start: range.start, end: range.end, base: AddressBase::At(Addr(0)) }
        });
        let options =
            HeatsOptions { identity: scheme.identity, address_ranges: address_ranges.collect(), ..options.clone() };
        let Some(applied) = seen(heats::heats(std::slice::from_ref(record), &options))? else { continue };
        map.schemes.push(scheme_name(scheme, record.side_data()?));
        for (panel, grid) in map.panels.iter_mut().zip(&applied.panels) {
            panel.applied.push(pack(grid, |column, row| cover_at(grid, column, row))?);
        }
    }
    Ok(())
}

/// A target that was never seen in a snapshot has no map.
fn seen(report: Result<HeatsReport, ReportError>) -> Result<Option<HeatsReport>, ReportError> {
    match report {
        Ok(report) => Ok(Some(report)),
        Err(ReportError::NoSnapshots | ReportError::NoSuchTarget { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `scheme 0 (pageout)`, if the record's parameters tell the action.
fn scheme_name(group: &Group<'_>, side_data: &[Side]) -> String {
    let number = group.identity.scheme.unwrap_or_default();
    let path = format!("/contexts/{}/schemes/{number}/action", group.identity.context.unwrap_or_default());
    let action = side_data.iter().find_map(|side| match side {
        Side::Params(params)
            if params.kdamond.is_none() || params.kdamond.map(|index| index.0) == group.identity.kdamond =>
        {
            let json: serde_json::Value = serde_json::from_str(&params.json).ok()?;
            Some(json.pointer(&path)?.as_str()?.to_owned())
        }
        _ => None,
    });
    match action {
        Some(action) => format!("scheme {number} ({action})"),
        None => format!("scheme {number}"),
    }
}

fn cover_at(grid: &Grid, column: usize, row: usize) -> f64 {
    grid.cover.get(column * grid.space.len() + row).copied().unwrap_or(0.0)
}

fn panel(grid: &Grid, report: &HeatsReport) -> Result<Panel, ReportError> {
    let range = grid.space.addresses();
    let times = 0..grid.time.len();
    let heats = times.flat_map(|column| (0..grid.space.len()).map(move |row| grid.covered_heat_at(column, row)));
    let peak = heats.filter(|heat| !heat.is_nan()).fold(0.0, f64::max);
    let peak = if peak > 0.0 { peak } else { 1.0 };
    let mappings = report.names.spans(range).into_iter().map(|(mapping, name)| MappingAt {
        start: mapping.start.0.saturating_sub(range.start.0),
        end: mapping.end.0.saturating_sub(range.start.0),
        name,
    });
    Ok(Panel {
        name: report.panel_name(grid),
        start: format!("{:#x}", range.start.0),
        size: range.size().0,
        cols: grid.time.len(),
        rows: grid.space.len(),
        peak,
        cells: pack(grid, |column, row| grid.covered_heat_at(column, row) / peak)?,
        cover: pack(grid, |column, row| cover_at(grid, column, row))?,
        applied: Vec::new(),
        mappings: mappings.collect(),
    })
}

/// Shares of something, one per cell. What is above nothing stays above nothing.
fn pack(grid: &Grid, share: impl Fn(usize, usize) -> f64) -> io::Result<String> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    for column in 0..grid.time.len() {
        for row in 0..grid.space.len() {
            let share = share(column, row);
            let value = if share > 0.0 { (share * FULL).round().clamp(1.0, FULL) as u16 } else { 0 };
            packer.write_all(&value.to_le_bytes())?;
        }
    }
    Ok(STANDARD.encode(packer.finish()?))
}
