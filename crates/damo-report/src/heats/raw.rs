//! A heat map as numbers: a line per cell.

use super::HeatsReport;
use damo_model::human::Number;
use std::io;

/// What times and addresses are printed relative to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawStyle {
    /// Print times on the record's clock rather than since the map's start.
    pub abs_time: bool,
    /// Print addresses rather than offsets into the range.
    pub abs_addr: bool,
}

impl HeatsReport {
    /// Prints `time`, `address` and heat of every cell, tab-separated, by time and then by address; heat as Python prints
    /// floats, `NaN` where it is not known.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write_raw(&self, out: &mut dyn io::Write, style: RawStyle) -> io::Result<()> {
        for grid in &self.panels {
            let time_zero = if style.abs_time { 0 } else { grid.time.start() };
            let addr_zero = if style.abs_addr { 0 } else { grid.space.start() };
            for row in 0..grid.time.len() {
                let time = grid.time.bound(row) - time_zero;
                for column in 0..grid.space.len() {
                    write!(out, "{time}\t{}\t", grid.space.bound(column) - addr_zero)?;
                    match grid.heat_at(row, column) {
                        heat if heat.is_nan() => writeln!(out, "NaN")?,
                        heat => writeln!(out, "{}", Number::Float(heat))?,
                    }
                }
            }
        }
        Ok(())
    }
}
