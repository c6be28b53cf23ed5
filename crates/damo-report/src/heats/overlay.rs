//! What lies over the heat on a terminal: where schemes were applied, where data are incomplete, and which cells rest on
//! too few checks. Characters say it, so that it can be read without colours as well.

use super::terminal::TIME_COLUMNS;
use super::{Axis, Grid, HeatsReport};
use std::io::{self, Write};

/// Nothing but partial snapshots.
const INCOMPLETE: char = '/';
/// Too few checks.
const DOUBTFUL: char = '?';
/// More schemes than one in a character.
const SEVERAL: char = '#';
/// Every so many characters tell that a scheme was applied.
const SPARSE: usize = 4;

/// The characters over a map of lines that are one or two rows of cells high.
pub(super) struct Overlay<'a> {
    report: &'a HeatsReport,
    rows_per_line: usize,
    incomplete: Vec<bool>,
    doubtful: bool,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(report: &'a HeatsReport, time: &Axis, rows_per_line: usize) -> Self {
        let (incomplete, doubtful) = (report.incomplete_rows(time), report.has_doubtful_cells());
        Self { report, rows_per_line, incomplete, doubtful }
    }

    fn rows(&self, line: usize) -> std::ops::Range<usize> {
        line * self.rows_per_line..(line + 1) * self.rows_per_line
    }

    /// The character over a place of the map (panel, line and column); `None` if heat alone is to be seen there.
    pub(super) fn glyph(&self, grid: &Grid, at: (usize, usize, usize), known: bool) -> Option<char> {
        let (panel, line, column) = at;
        // Sparse, so that the heat below can still be seen.
        let sparse = (column + 2 * line).is_multiple_of(SPARSE);
        let mut schemes = self.report.schemes.iter().filter(|layer| {
            let mut cells = self.rows(line).map(|row| row * grid.space.len() + column);
            sparse && cells.any(|cell| layer.is_applied(panel, cell))
        });
        match (schemes.next(), schemes.next()) {
            (Some(_), Some(_)) => return Some(SEVERAL),
            (Some(layer), None) => return char::from_digit(layer.scheme % 10, 10),
            _ => {}
        }
        if !known {
            let hatched = self.incomplete.get(self.rows(line)).unwrap_or_default().iter().any(|hatched| *hatched);
            return hatched.then_some(INCOMPLETE);
        }
        let few = |row: usize| grid.is_doubtful(row, column, self.report.min_checks);
        (self.doubtful && self.rows(line).any(few)).then_some(DOUBTFUL)
    }

    /// What the characters mean, on one line; nothing if none of them can occur.
    pub(super) fn write_legend(&self, report: &HeatsReport, out: &mut dyn Write) -> io::Result<()> {
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
        if parts.is_empty() {
            return Ok(());
        }
        writeln!(out, "{:TIME_COLUMNS$}{}", "", parts.join(" · "))
    }
}
