//! Heat maps: how often which addresses were accessed when.
//!
//! A cell of the map is the exact mean, weighted by time and space, of the access rate over the cell. Snapshots
//! partition time: a region counts for its own aggregation interval only, so that no cell can exceed what is possible.
//! Ages tell of times before the first snapshot, where no snapshot does, and only there are they used. Cells that
//! nothing covers are unknown, not zero.

mod axis;
mod beside;
mod blocks;
mod fill;
mod grid;
mod many;
mod mappings;
mod nodes;
mod options;
mod overlay;
mod picture;
mod plan;
mod raw;
mod scale;
mod schemes;
mod tables;
mod terminal;

pub use axis::Axis;
pub(crate) use axis::address;
pub use blocks::Fit;
pub use grid::Grid;
pub use mappings::{MappingNames, MappingsOfTargets};
pub(crate) use nodes::NodeColors;
pub use options::{Cells, Columns, Counted, DrawRange, FEW_CHECKS, HeatsOptions};
pub use picture::HeatMap;
pub(crate) use picture::edges;
pub use raw::RawStyle;
pub use scale::{Scale, ScaleError};
pub use schemes::SchemeLayer;
pub use terminal::{ColorSet, Depth, Glyphs, TerminalStyle};

use crate::events::Event;
use crate::picture::{Band, Picture};
use crate::survey::Identity;
use crate::table::Table;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::{Coverage, Record};
use damo_model::human::{Show, Style, format_size, time_text};
use damo_model::{Bytes, Nanos, Process, TimeSpan};
use std::io::Write;

/// What memory without owners is called.
const PHYSICAL: &str = "physical memory";

damo_model::words! {
    /// What the heat of a cell counts.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Unit {
        /// Accesses per second.
        Hz = "hz",
        /// Samples of an aggregation interval, where intervals are not known.
        Samples = "samples",
    }
}

/// A heat map: a panel per range of addresses.
#[derive(Clone, Debug)]
pub struct HeatsReport {
    /// The target that the map is of.
    pub identity: Identity,
    /// The process behind it, where known.
    pub process: Option<Process>,
    /// From and to, as asked for.
    pub time: TimeSpan,
    /// The panels by address, or in the order of the given ranges.
    pub panels: Vec<Grid>,
    /// What heat counts.
    pub unit: Unit,
    /// The highest rate that the intervals allow, in Hz; `None` where intervals are not known.
    pub possible: Option<f64>,
    /// Time spans of which the record has partial snapshots only: left out of the heat.
    pub partial: Vec<TimeSpan>,
    /// What was mapped where.
    pub names: MappingNames,
    /// Marks within the time of the map.
    pub marks: Vec<(Nanos, String)>,
    /// What else happened within it: processes that came or went, mappings and parameters that changed.
    pub events: Vec<Event>,
    /// Spans of time that are shown in a strip above pictures, such as phases; whoever wants some sets them, and leaves
    /// room for them by [`crate::picture::below_bands`].
    pub bands: Vec<Band>,
    /// Where schemes were applied to the target, by scheme.
    pub schemes: Vec<SchemeLayer>,
    /// Cells that rest on fewer checks are to be marked.
    pub min_checks: u32,
    /// Whether regions lie by temperature rather than by address.
    pub by_temperature: bool,
    /// Whether addresses are those of physical memory.
    pub physical: bool,
    /// The attribute probe that accesses are counted by, with what it looks for; `None` if all are counted.
    pub probe: Option<String>,
    /// Which node holds most of what a cell shows, if that decides its colour in pictures.
    pub(crate) nodes: Option<NodeColors>,
    /// What the hottest colour stands for, if not the highest heat seen: see [`HeatsReport::set_scale`].
    pub scale: Option<f64>,
    /// How much of what happened is in the records.
    pub coverage: Coverage,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// Makes a heat map of some records.
///
/// # Errors
/// When a record cannot be read, or the options do not fit it.
pub fn heats(records: &[Record], options: &HeatsOptions) -> Result<HeatsReport, ReportError> {
    let mut made = None;
    many::run(records, std::slice::from_ref(options), &mut |_, map| {
        made = Some(map);
        Ok(())
    })?;
    made.unwrap_or(Err(ReportError::NoSnapshots))
}

/// Makes several heat maps of the same records, each as [`heats`] makes it, and gives it to `take` with its position in
/// `wanted` as soon as it is done, in any order. The records are not read again for each map: time grows with the records,
/// not with their targets.
///
/// # Errors
/// When a record cannot be read, or `take` returns an error. What is wrong with a map alone is given to `take`.
pub fn heats_of_all(
    records: &[Record],
    wanted: &[HeatsOptions],
    mut take: impl FnMut(usize, Result<HeatsReport, ReportError>) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    many::run(records, wanted, &mut take)
}

/// How a heat map is written as text.
#[derive(Clone, Debug)]
pub enum HeatsLayout {
    /// For people: on a terminal.
    Terminal(TerminalStyle),
    /// For programs: a line for each cell.
    Numbers(RawStyle),
}

impl Default for HeatsLayout {
    fn default() -> Self {
        HeatsLayout::Numbers(RawStyle::default())
    }
}

impl Report for HeatsReport {
    const NAME: &'static str = "heats";
    type Layout = HeatsLayout;

    fn write_text(&self, out: &mut dyn Write, layout: &HeatsLayout) -> Result<(), ReportError> {
        Ok(match layout {
            HeatsLayout::Terminal(style) => self.write_terminal(out, style),
            HeatsLayout::Numbers(style) => self.write_raw(out, *style),
        }?)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        self.all_tables()
    }

    fn picture(&self, _: &HeatsLayout) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(Box::new(HeatMap { report: self }))
    }
}

impl HeatsReport {
    /// What the map is of: the process, physical memory, or a target of which nothing else is known.
    pub fn subject(&self) -> String {
        let known = self.process.as_ref().filter(|process| !process.comm.is_empty());
        let whose = match (known, self.physical, self.identity.target_id) {
            (Some(process), ..) => format!("{} (pid {})", process.comm, process.pid),
            (None, true, _) => PHYSICAL.to_owned(),
            (None, false, Some(id)) => format!("target {id}"),
            (None, false, None) => "one target".to_owned(),
        };
        match &self.probe {
            Some(probe) => format!("{whose} where {probe} hit"),
            None => whose,
        }
    }

    /// What a panel is called: the mapping in it, or else where it is.
    pub fn panel_name(&self, grid: &Grid) -> String {
        let range = grid.space.addresses();
        match (self.names.title(range), self.physical) {
            (Some(title), _) => title,
            (None, true) => PHYSICAL.to_owned(),
            (None, false) => format!("{:#x}", range.start.0),
        }
    }

    /// A time on the record's clock as axes count it.
    pub(crate) fn since(&self, at: i128) -> i128 {
        self.zero.since_wide(at)
    }

    /// What axes of time count.
    pub(crate) fn time_axis_name(&self) -> String {
        self.zero.axis().to_owned()
    }

    /// Lowest and highest heat over all panels; `None` if nothing is covered.
    pub fn range(&self) -> Option<(f64, f64)> {
        let ranges = self.panels.iter().filter_map(Grid::range);
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Whether the map shows anything, be it a time of which only incomplete snapshots exist.
    pub fn shows_anything(&self) -> bool {
        self.range().is_some() || !self.partial.is_empty()
    }

    /// Whose map it is, of how much memory and time: the line above it where there are several.
    pub fn who(&self) -> String {
        let id = self.identity.target_id.map_or_else(|| "None".to_owned(), |id| id.to_string());
        let scheme = self.identity.scheme.map_or_else(String::new, |scheme| format!(", scheme {scheme}"));
        let process = match &self.process {
            Some(process) => format!(" ({}, pid {})", process.comm.shown(), process.pid),
            None => String::new(),
        };
        let bytes: i128 = self.panels.iter().map(|grid| grid.space.end() - grid.space.start()).sum();
        let size = format_size(Bytes(address(bytes)), Style::Human);
        let ranges = if self.panels.len() == 1 { "range" } else { "ranges" };
        let time = time_text(self.time.length());
        format!("# target {id}{scheme}{process}: {size} in {} {ranges} over {time}", self.panels.len())
    }

    /// Whether each row of cells lies in a time with incomplete data.
    pub(crate) fn incomplete_rows(&self, time: &Axis) -> Vec<bool> {
        let overlaps = |row: usize| {
            let (from, to) = (time.bound(row), time.bound(row + 1));
            let first = self.partial.partition_point(|time| i128::from(time.end.0) <= from);
            self.partial.get(first).is_some_and(|time| i128::from(time.start.0) < to)
        };
        (0..time.len()).map(overlaps).collect()
    }

    /// Whether some cell rests on too few checks.
    pub fn has_doubtful_cells(&self) -> bool {
        let few = |grid: &Grid| grid.checks.iter().any(|checks| (1..u64::from(self.min_checks)).contains(checks));
        self.panels.iter().any(few)
    }
}
