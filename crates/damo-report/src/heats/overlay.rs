//! What lies over the heat on a terminal: where schemes were applied, where data are incomplete, and which cells rest on
//! too few checks. Characters say it, so that it can be read without colours as well.

use super::{Axis, Grid, HeatsReport};

/// Nothing but partial snapshots.
const INCOMPLETE: char = '/';
/// Too few checks.
const DOUBTFUL: char = '?';
/// More schemes than one in a character.
const SEVERAL: char = '#';
/// Every so many characters tell that a scheme was applied.
const SPARSE: usize = 4;

/// The characters over a map.
pub(super) struct Overlay<'a> {
    report: &'a HeatsReport,
    incomplete: Vec<bool>,
    doubtful: bool,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(report: &'a HeatsReport, time: &Axis) -> Self {
        let (incomplete, doubtful) = (report.incomplete_rows(time), report.has_doubtful_cells());
        Self { report, incomplete, doubtful }
    }

    /// The character over some cells, each a row and a column of a panel; `None` if heat alone is to be seen there. `at`
    /// is where the character stands, `known` whether any cell has heat.
    pub(super) fn glyph(
        &self,
        (panel, grid): (usize, &Grid),
        cells: impl Iterator<Item = (usize, usize)> + Clone,
        at: (usize, usize),
        known: bool,
    ) -> Option<char> {
        // Sparse, so that the heat below can still be seen.
        let sparse = (at.0 + 2 * at.1).is_multiple_of(SPARSE);
        let mut schemes = self.report.schemes.iter().filter(|layer| {
            let applied = |(row, column): (usize, usize)| layer.is_applied(panel, row * grid.space.len() + column);
            sparse && cells.clone().any(applied)
        });
        match (schemes.next(), schemes.next()) {
            (Some(_), Some(_)) => return Some(SEVERAL),
            (Some(layer), None) => return char::from_digit(layer.scheme % 10, 10),
            _ => {}
        }
        if !known {
            let hatched = |(row, _): (usize, usize)| self.incomplete.get(row).copied().unwrap_or(false);
            return cells.clone().any(hatched).then_some(INCOMPLETE);
        }
        let few = |(row, column): (usize, usize)| grid.is_doubtful(row, column, self.report.min_checks);
        (self.doubtful && cells.clone().any(few)).then_some(DOUBTFUL)
    }

    /// What the characters mean; nothing if none of them can occur.
    pub(super) fn legend(&self, report: &HeatsReport) -> Vec<String> {
        let mut parts: Vec<String> = report
            .schemes
            .iter()
            .map(|layer| format!("{} where {} was applied", layer.scheme % 10, layer.title()))
            .collect();
        if parts.len() > 1 {
            parts.push(format!("{SEVERAL} several schemes"));
        }
        if self.incomplete.contains(&true) {
            parts.push(format!("{INCOMPLETE} incomplete data"));
        }
        if self.doubtful {
            parts.push(format!("{DOUBTFUL} fewer than {} checks", report.min_checks));
        }
        parts
    }
}
