//! A heat map as tables, for the forms that hold tables.

use super::HeatsReport;
use crate::ReportError;
use crate::table::Table;

impl HeatsReport {
    /// Tables: `cells` (panel, start_ns, end_ns, start, end in bytes, heat in Hz or samples or null, cover 0..=1) and
    /// `panels` (panel, name, start, end in bytes).
    ///
    /// # Errors
    /// When Polars refuses a table.
    pub fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let (mut panel, mut from, mut to) = (Vec::new(), Vec::new(), Vec::new());
        let (mut low, mut high, mut heat, mut cover) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (i, grid) in self.panels.iter().enumerate() {
            let cells = (0..grid.time.len()).flat_map(|row| (0..grid.space.len()).map(move |column| (row, column)));
            for ((row, column), (value, share)) in cells.zip(grid.heat.iter().zip(&grid.cover)) {
                panel.push(i as u64);
                from.push(nanos(grid.time.bound(row)));
                to.push(nanos(grid.time.bound(row + 1)));
                low.push(bytes(grid.space.bound(column)));
                high.push(bytes(grid.space.bound(column + 1)));
                heat.push((!value.is_nan()).then_some(*value));
                cover.push(*share);
            }
        }
        let cells = Table::new(
            "cells",
            vec![
                ("panel", panel.into()),
                ("start_ns", from.into()),
                ("end_ns", to.into()),
                ("start", low.into()),
                ("end", high.into()),
                ("heat", heat.into()),
                ("cover", cover.into()),
            ],
        )?;
        let panels = Table::new(
            "panels",
            vec![
                ("panel", (0..self.panels.len() as u64).collect::<Vec<_>>().into()),
                ("name", self.panels.iter().map(|grid| self.panel_name(grid)).collect::<Vec<_>>().into()),
                ("start", self.panels.iter().map(|grid| bytes(grid.space.start())).collect::<Vec<_>>().into()),
                ("end", self.panels.iter().map(|grid| bytes(grid.space.end())).collect::<Vec<_>>().into()),
            ],
        )?;
        Ok(vec![cells, panels])
    }
}

fn nanos(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn bytes(value: i128) -> u64 {
    u64::try_from(value).unwrap_or(if value < 0 { 0 } else { u64::MAX })
}
