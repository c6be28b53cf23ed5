//! A heat map as tables, for the forms that hold tables.

use super::HeatsReport;
use crate::ReportError;
use crate::table::Table;

impl HeatsReport {
    /// Tables: `cells` (panel, start_ns, end_ns, start, end in bytes, heat in Hz or samples or null, cover 0..=1, checks or
    /// null if they were not counted), `panels` (panel, name, start, end in bytes), `schemes` (scheme, action or null,
    /// panel, start_ns, end_ns, start, end, share 0..=1: cells that a scheme was applied to) and `events` (at_ns, kind,
    /// pid or null, text: marks and what happened to processes). The last columns of each are target and target_pid, or null.
    pub(super) fn all_tables(&self) -> Result<Vec<Table>, ReportError> {
        let (mut panel, mut from, mut to) = (Vec::new(), Vec::new(), Vec::new());
        let (mut low, mut high, mut heat, mut cover) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut checks = Vec::new();
        for (i, grid) in self.panels.iter().enumerate() {
            let cells = (0..grid.time.len()).flat_map(|row| (0..grid.space.len()).map(move |column| (row, column)));
            checks.extend((0..grid.heat.len()).map(|cell| grid.checks.get(cell).copied()));
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
                ("checks", checks.into()),
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
        let mut tables = vec![cells, panels, self.scheme_table()?, self.event_table()?];
        let target = self.identity.target_id.map(|id| id.to_string());
        let pid = self.process.as_ref().map(|process| i64::from(process.pid));
        for table in &mut tables {
            let rows = table.frame.height();
            table.push("target", vec![target.clone(); rows].into())?;
            table.push("target_pid", vec![pid; rows].into())?;
        }
        Ok(tables)
    }

    fn scheme_table(&self) -> Result<Table, ReportError> {
        let (mut scheme, mut action, mut panel, mut share) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut from, mut to, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for layer in &self.schemes {
            for (i, (grid, cells)) in self.panels.iter().zip(&layer.applied).enumerate() {
                let columns = grid.space.len().max(1);
                for (cell, applied) in cells.iter().enumerate().filter(|(_, applied)| **applied > 0.0) {
                    let (row, column) = (cell / columns, cell % columns);
                    scheme.push(layer.scheme);
                    action.push(layer.action.clone());
                    panel.push(i as u64);
                    from.push(nanos(grid.time.bound(row)));
                    to.push(nanos(grid.time.bound(row + 1)));
                    low.push(bytes(grid.space.bound(column)));
                    high.push(bytes(grid.space.bound(column + 1)));
                    share.push(*applied);
                }
            }
        }
        Table::new(
            "schemes",
            vec![
                ("scheme", scheme.into()),
                ("action", action.into()),
                ("panel", panel.into()),
                ("start_ns", from.into()),
                ("end_ns", to.into()),
                ("start", low.into()),
                ("end", high.into()),
                ("share", share.into()),
            ],
        )
    }

    fn event_table(&self) -> Result<Table, ReportError> {
        let marks = self.marks.iter().map(|(at, text)| (at.0, "mark", None, text.clone()));
        let events = self.events.iter().map(|e| (e.at.0, e.kind.name(), e.pid.map(i64::from), e.text.clone()));
        let mut rows: Vec<(i64, &str, Option<i64>, String)> = marks.chain(events).collect();
        rows.sort_by_key(|row| row.0);
        Table::new(
            "events",
            vec![
                ("at_ns", rows.iter().map(|row| row.0).collect::<Vec<_>>().into()),
                ("kind", rows.iter().map(|row| row.1.to_owned()).collect::<Vec<_>>().into()),
                ("pid", rows.iter().map(|row| row.2).collect::<Vec<_>>().into()),
                ("text", rows.into_iter().map(|row| row.3).collect::<Vec<_>>().into()),
            ],
        )
    }
}

fn nanos(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn bytes(value: i128) -> u64 {
    u64::try_from(value).unwrap_or(if value < 0 { 0 } else { u64::MAX })
}
