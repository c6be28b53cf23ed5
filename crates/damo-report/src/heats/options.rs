//! What a heat map is asked for.

use super::scale::Scale;
use crate::range::{AddressRange, TimeRange};
use crate::survey::Identity;
use damo_frame::Chunk;
use damo_model::{AddrRange, ColumnId, Intervals, SnapshotHead};

/// Which areas to draw when no addresses are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrawRange {
    /// The one with the most accesses per byte.
    #[default]
    Hottest,
    /// All of them.
    All,
    /// All of them, without what was never mapped: for pictures.
    Mapped,
}

/// How cells lie in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cells {
    /// All of one size, rounded down to whole ns and bytes; what remains at the end is left out, as in the Python tool.
    #[default]
    Even,
    /// The whole range, sizes differing by one unit at most.
    Whole,
}

/// Number of cells in address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// So many for each range.
    Each(usize),
    /// So many in all: ranges get a share by the square root of their size, and each at least `least`, so that a small
    /// stack is seen beside a large heap. `between` are left out between two ranges.
    Shared {
        /// In all, the gaps between ranges included.
        total: usize,
        /// For each range at least.
        least: usize,
        /// Between two ranges.
        between: usize,
    },
    /// Shared as above, counted in lines of a terminal that have room for `each` columns.
    Lines {
        /// In all, the gaps between ranges included.
        total: usize,
        /// For each range at least.
        least: usize,
        /// Between two ranges.
        between: usize,
        /// Columns in a line.
        each: usize,
    },
}

impl Columns {
    /// The number for each of some ranges.
    pub(super) fn of(self, ranges: &[AddrRange]) -> Vec<usize> {
        let (total, least, between) = match self {
            Columns::Each(columns) => return vec![columns; ranges.len()],
            Columns::Shared { total, least, between } => (total, least, between),
            Columns::Lines { total, least, between, each } => {
                let lines = Columns::Shared { total, least, between }.of(ranges);
                return lines.into_iter().map(|lines| lines.saturating_mul(each)).collect();
            }
        };
        let count = ranges.len();
        let total = total.saturating_sub(between * count.saturating_sub(1)).max(count);
        let least = least.min(total / count.max(1)).max(1);
        let weights: Vec<f64> = ranges.iter().map(|range| (range.size().0 as f64).sqrt()).collect();
        let sum: f64 = weights.iter().sum::<f64>().max(1.0);
        let spare = total - least * count;
        let mut columns: Vec<usize> = weights.iter().map(|w| least + (w / sum * spare as f64) as usize).collect();
        // What rounding left over goes to the largest.
        let rest = total.saturating_sub(columns.iter().sum());
        if let Some(largest) = columns.iter_mut().max() {
            *largest += rest;
        }
        columns
    }
}

/// Which of a region's accesses count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// All of them.
    #[default]
    All,
    /// By the share of its bytes that passed the scheme's filters.
    FilterPassed,
    /// By the share of its samples that this attribute probe hit, so that the map tells how hot memory of a kind is.
    /// Snapshots without hits of the probe are not known.
    ProbeHits(u16),
}

impl Counted {
    /// The shares by which the accesses of a snapshot's regions count; `None`: whole.
    pub(super) fn shares<'a>(
        self,
        chunk: &'a Chunk,
        head: &SnapshotHead,
        intervals: Option<Intervals>,
    ) -> Option<Shares<'a>> {
        let of_snapshot = |column: &'a [u64]| column.get(head.regions.clone()).unwrap_or_default();
        match self {
            Counted::All => None,
            Counted::FilterPassed => {
                Some(Shares { parts: of_snapshot(chunk.extra(ColumnId::FILTER_PASSED)?), samples: None })
            }
            Counted::ProbeHits(probe) => {
                let hits = ColumnId::of_probe(probe).and_then(|id| chunk.extra(id)).unwrap_or_default();
                let samples = intervals.map_or(0, |intervals| intervals.max_nr_accesses().0);
                Some(Shares { parts: of_snapshot(hits), samples: Some(samples) })
            }
        }
    }
}

/// By which share the accesses of a snapshot's regions count, region by region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares<'a> {
    /// Bytes, or samples.
    parts: &'a [u64],
    /// The samples of an aggregation interval, if parts are samples.
    samples: Option<u32>,
}

impl Shares<'_> {
    /// That of the `i`-th region, which has so many bytes; `None` if it is not known.
    pub(super) fn share(self, i: usize, size: u64) -> Option<f64> {
        let whole = self.samples.map_or(size, u64::from);
        Some((*self.parts.get(i)? as f64 / whole.max(1) as f64).min(1.0))
    }
}

/// A cell that rests on fewer checks than this is marked: its access rate has a standard error of up to an eighth of the
/// possible.
pub const FEW_CHECKS: u32 = 16;

damo_model::with_defaults! {
    /// What a heat map is asked for; by default as `heatmap --output raw` of the Python tool.
    #[derive(Clone, Debug, PartialEq)]
    pub struct HeatsOptions {
        /// Whose: what is `None` is taken from the guide with most space that fits the rest.
        pub identity: Identity,
        /// Number of cells in time.
        pub rows: usize = 500,
        /// Number of cells in address space.
        pub columns: Columns = Columns::Each(500),
        /// Which time; `None`: all that anything is known of.
        pub time_range: Option<TimeRange>,
        /// From the first mark of this text to the next mark: instead of `time_range`.
        pub mark: Option<String>,
        /// Which addresses; empty: as `mapping` or else `draw_range` says.
        pub address_ranges: Vec<AddressRange>,
        /// Addresses of the mappings of this name.
        pub mapping: Option<String>,
        /// Which areas, when neither ranges nor a mapping are given.
        pub draw_range: DrawRange = DrawRange::Hottest,
        /// The most panels that [`DrawRange::Mapped`] is drawn in: the nearest areas share one beyond that.
        pub most_panels: usize = 12,
        /// How cells lie.
        pub cells: Cells = Cells::Even,
        /// What the hottest colour stands for; `None`: the hottest cell.
        pub scale: Option<Scale>,
        /// By which share each region's accesses count.
        pub counted: Counted = Counted::All,
        /// Gather where schemes were applied to the target, if the record tells.
        pub schemes: bool,
        /// Count the checks of cells if one snapshot makes fewer than this many; 0 never counts.
        pub min_checks: u32,
        /// Lay regions out by temperature instead of by address, coldest first, with these weights of access rate (percent)
        /// and age (µs).
        pub by_temperature: Option<(f64, f64)>,
        /// Colour pictures by the NUMA node that holds most of what a cell shows.
        pub by_node: bool,
    }
}

impl HeatsOptions {
    /// As the Python tool's map on the terminal: 40 rows of 80 characters.
    pub fn terminal() -> Self {
        Self { rows: 40, columns: Columns::Each(80), ..Self::default() }
    }

    /// For pictures: all that was ever mapped, no rounding of cells.
    pub fn picture(rows: usize, columns: Columns) -> Self {
        Self { rows, columns, ..Self::overview() }
    }

    /// All that was ever mapped, no rounding of cells, with schemes' applications and cells of few checks told apart.
    pub fn overview() -> Self {
        Self {
            draw_range: DrawRange::Mapped,
            cells: Cells::Whole,
            schemes: true,
            min_checks: FEW_CHECKS,
            ..Self::default()
        }
    }

    /// Whether only a part of the record's time is wanted.
    pub(super) fn is_windowed(&self) -> bool {
        self.time_range.is_some() || self.mark.is_some()
    }

    /// Whether making the map needs a look at everything that is in the wanted time.
    pub(super) fn surveys(&self) -> bool {
        !(self.is_windowed() && self.absolute_addresses().is_some())
    }

    /// Whether the ranges of addresses need no look at the record.
    pub(super) fn absolute_addresses(&self) -> Option<Vec<AddrRange>> {
        if self.address_ranges.is_empty() {
            return None;
        }
        self.address_ranges.iter().map(|range| range.resolve(None)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Addr;

    #[test]
    fn shared_columns_are_all_given_out_and_none_gets_too_few() {
        let range = |size| AddrRange::new(Addr(0), Addr(size));
        let ranges = [range(4096), range(1 << 30), range(1 << 20)];
        let columns = Columns::Shared { total: 82, least: 6, between: 1 }.of(&ranges);
        assert_eq!(columns.iter().sum::<usize>(), 80);
        assert!(columns[0] >= 6 && columns[1] > columns[2] && columns[2] > columns[0]);
        assert_eq!(Columns::Shared { total: 2, least: 6, between: 1 }.of(&ranges), [1, 1, 1]);
        assert!(Columns::Shared { total: 2, least: 6, between: 1 }.of(&[]).is_empty());
        let lines = Columns::Lines { total: 20, least: 2, between: 1, each: 2 }.of(&ranges);
        assert_eq!(lines.iter().sum::<usize>(), 36);
        assert!(lines.iter().all(|cells| cells.is_multiple_of(2)));
    }
}
