//! Colours of a heat map by NUMA node: a colour for each node, the paler the colder.

use super::{Grid, address};
use crate::ReportError;
use crate::colormap::Rgb;
use crate::nodes::{PlacementTimes, no_placement};
use crate::picture::Theme;
use crate::picture::canvas::COLDEST;
use crate::survey::Identity;
use damo_frame::Record;
use damo_model::{Addr, AddrRange, Nanos};
use std::collections::HashMap;

/// So many nodes have a colour of their own; if there are more, the last one is that of all others.
const COLORS: usize = 6;
/// Colours of a node, from cold to hot. There is one more row of them, for memory that is on no node.
const SHADES: usize = (u8::MAX - COLDEST) as usize / (COLORS + 1);

/// The number of the colours of memory that is on no node, as far as is known.
pub(super) const ON_NO_NODE: u8 = COLORS as u8;

/// Which node holds most of what a cell shows.
#[derive(Clone, Debug)]
pub(crate) struct NodeColors {
    times: PlacementTimes,
    /// Those that have a colour of their own.
    nodes: Vec<u32>,
    /// Whether there are more.
    has_others: bool,
}

impl NodeColors {
    /// What some records tell of a target.
    ///
    /// # Errors
    /// If a record cannot be read, or none tells on which nodes the target's memory is.
    pub(super) fn of(records: &[Record], identity: Identity) -> Result<Self, ReportError> {
        let mut times = PlacementTimes::default();
        for record in records {
            for target in record.targets().iter().filter(|target| Identity::from(*target) == identity) {
                times.extend(PlacementTimes::of(record, target)?);
            }
        }
        let mut nodes = times.nodes();
        if let (true, Some(record)) = (nodes.is_empty(), records.first()) {
            return Err(no_placement(record));
        }
        let has_others = nodes.len() > COLORS;
        nodes.truncate(if has_others { COLORS - 1 } else { COLORS });
        nodes.sort_unstable();
        Ok(Self { times, nodes, has_others })
    }

    /// What each colour stands for, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        let others = self.has_others.then(|| "other nodes".to_owned());
        self.nodes.iter().map(|node| format!("node {node}")).chain(others).collect()
    }

    /// The number of the colour of each cell, time after time: the node that holds most of its addresses at the end of its
    /// time.
    pub(super) fn of_cells(&self, grid: &Grid) -> Vec<u8> {
        let mut known: HashMap<usize, Vec<u8>> = HashMap::new();
        let mut cells = Vec::with_capacity(grid.time.len() * grid.space.len());
        for row in 0..grid.time.len() {
            let end = i64::try_from(grid.time.bound(row + 1)).unwrap_or(i64::MAX);
            let Some((number, placed)) = self.times.at(Nanos(end)) else { continue };
            let colors = known.entry(number).or_insert_with(|| {
                let range = |column| {
                    let [from, to] = [column, column + 1].map(|bound| Addr(address(grid.space.bound(bound))));
                    AddrRange::new(from, to)
                };
                (0..grid.space.len()).map(|column| self.color(placed.main_node(range(column)))).collect()
            });
            cells.extend_from_slice(colors);
        }
        cells
    }

    fn color(&self, node: Option<u32>) -> u8 {
        let Some(node) = node else { return ON_NO_NODE };
        self.nodes.iter().position(|known| *known == node).unwrap_or(COLORS - 1) as u8
    }
}

/// The place in the palette of a heat between 0 and 1, in the colours of this number.
pub(super) fn index(color: u8, part: f64) -> u8 {
    COLDEST + color * SHADES as u8 + (part * (SHADES - 1) as f64).round() as u8
}

/// The colour of a place in the palette from [`COLDEST`] on.
pub(super) fn palette_color(theme: Theme, index: u8) -> Rgb {
    let place = usize::from(index - COLDEST);
    let (color, shade) = (place / SHADES, (place % SHADES) as f64 / (SHADES - 1) as f64);
    let whole = if color < COLORS { theme.series(color) } else { theme.ink() };
    // The coldest is told from the ground and from where there are no data.
    theme.ground().toward(whole, 0.14 + 0.86 * shade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_nodes_do_not_overlap_in_the_palette() {
        let ends: Vec<u8> = (0..=COLORS as u8).flat_map(|color| [index(color, 0.0), index(color, 1.0)]).collect();
        assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?}");
        assert_eq!(ends[0], COLDEST);
        assert_eq!(palette_color(Theme::Light, index(1, 1.0)), Theme::Light.series(1));
    }
}
