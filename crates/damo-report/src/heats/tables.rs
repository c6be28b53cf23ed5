//! A heat map as tables, for the forms that hold tables.

use super::axis::{address, nanos};
use super::{Grid, HeatsReport};
use crate::ReportError;
use crate::table::{Table, TableRows};

/// A cell of a panel.
#[derive(Clone, Copy)]
struct Cell<'a> {
    /// The number of its panel.
    panel: u64,
    grid: &'a Grid,
    /// Its position among the panel's cells, row after row.
    at: usize,
}

impl Cell<'_> {
    /// When it begins, or the cell `after` later ones.
    fn time(self, after: usize) -> i64 {
        nanos(self.grid.time.bound(self.at / self.grid.space.len().max(1) + after)).0
    }

    /// Where it begins, or the cell `after` higher ones.
    fn address(self, after: usize) -> u64 {
        address(self.grid.space.bound(self.at % self.grid.space.len().max(1) + after))
    }
}

impl HeatsReport {
    /// The cells, the panels, where schemes were applied, and what happened.
    pub(super) fn all_tables(&self) -> Result<Vec<Table>, ReportError> {
        Ok(vec![self.cell_table()?, self.panel_table()?, self.scheme_table()?, self.event_table()?])
    }

    /// Each table says last which target the map is of.
    fn of_target<R>(&self, table: TableRows<'_, R>) -> Result<Table, ReportError> {
        table
            .col("target", "the target that the map is of", |_| self.identity.target_id.map(|id| id.to_string()))
            .col("target_pid", "its process", |_| self.process.as_ref().map(|process| i64::from(process.pid)))
            .table()
    }

    fn cell_table(&self) -> Result<Table, ReportError> {
        let panels = (0..).zip(&self.panels);
        let rows: Vec<Cell<'_>> =
            panels.flat_map(|(panel, grid)| (0..grid.heat.len()).map(move |at| Cell { panel, grid, at })).collect();
        self.of_target(
            Table::of("cells", &rows)
                .col("panel", "number of the panel", |cell| cell.panel)
                .col("start_ns", "", |cell| cell.time(0))
                .col("end_ns", "", |cell| cell.time(1))
                .col("start", "first byte", |cell| cell.address(0))
                .col("end", "first byte behind it", |cell| cell.address(1))
                .col("heat", "mean access rate in Hz; samples where intervals are not known", |cell| {
                    cell.grid.heat.get(cell.at).copied().filter(|heat| !heat.is_nan())
                })
                .col("cover", "share of the cell that anything is known of, 0 to 1", |cell| {
                    cell.grid.cover.get(cell.at).copied().unwrap_or_default()
                })
                .col("checks", "checks of DAMON's that the cell rests on", |cell| {
                    cell.grid.checks.get(cell.at).copied()
                }),
        )
    }

    fn panel_table(&self) -> Result<Table, ReportError> {
        let rows: Vec<(u64, &Grid)> = (0..).zip(&self.panels).collect();
        self.of_target(
            Table::of("panels", &rows)
                .col("panel", "number", |(number, _)| *number)
                .col("name", "the mapping, or the address", |(_, grid)| self.panel_name(grid))
                .col("start", "", |(_, grid)| address(grid.space.start()))
                .col("end", "", |(_, grid)| address(grid.space.end())),
        )
    }

    fn scheme_table(&self) -> Result<Table, ReportError> {
        let mut rows = Vec::new();
        for layer in &self.schemes {
            for ((panel, grid), cells) in (0..).zip(&self.panels).zip(&layer.applied) {
                let applied = cells.iter().enumerate().filter(|(_, share)| **share > 0.0);
                rows.extend(applied.map(|(at, share)| (layer, Cell { panel, grid, at }, *share)));
            }
        }
        self.of_target(
            Table::of("schemes", &rows)
                .col("scheme", "index", |(layer, ..)| layer.scheme)
                .col("action", "", |(layer, ..)| layer.action.as_deref())
                .col("panel", "", |(_, cell, _)| cell.panel)
                .col("start_ns", "a cell that the scheme was applied to", |(_, cell, _)| cell.time(0))
                .col("end_ns", "", |(_, cell, _)| cell.time(1))
                .col("start", "", |(_, cell, _)| cell.address(0))
                .col("end", "", |(_, cell, _)| cell.address(1))
                .col("share", "of the cell that it was applied to, 0 to 1", |(.., share)| *share),
        )
    }

    fn event_table(&self) -> Result<Table, ReportError> {
        let marks = self.marks.iter().map(|(at, text)| (at.0, "mark", None, text));
        let events = self.events.iter().map(|e| (e.at.0, e.kind.as_str(), e.pid.map(i64::from), &e.text));
        let mut rows: Vec<(i64, &str, Option<i64>, &String)> = marks.chain(events).collect();
        rows.sort_by_key(|row| row.0);
        self.of_target(
            Table::of("events", &rows)
                .col("at_ns", "", |row| row.0)
                .col("kind", "`mark`, or what happened to a process or to parameters", |row| row.1)
                .col("pid", "", |row| row.2)
                .col("text", "", |row| row.3.as_str()),
        )
    }
}
