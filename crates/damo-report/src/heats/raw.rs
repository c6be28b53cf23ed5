//! A heat map as numbers: a line per cell.

use super::HeatsReport;
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
        let mut heat = String::new();
        for grid in &self.panels {
            let time_zero = if style.abs_time { 0 } else { grid.time.start() };
            let addr_zero = if style.abs_addr { 0 } else { grid.space.start() };
            for row in 0..grid.time.len() {
                let time = grid.time.bound(row) - time_zero;
                for column in 0..grid.space.len() {
                    heat.clear();
                    python_float(grid.heat_at(row, column), &mut heat);
                    writeln!(out, "{time}\t{}\t{heat}", grid.space.bound(column) - addr_zero)?;
                }
            }
        }
        Ok(())
    }
}

/// Appends a float as Python's `repr` has it: shortest digits that read back the same, an exponent of at least two
/// digits outside 1e-4..1e16, `NaN` for not-a-number as the Python tool prints it.
fn python_float(value: f64, text: &mut String) {
    use std::fmt::Write;
    let size = value.abs();
    let written = if value.is_nan() {
        write!(text, "NaN")
    } else if value == 0.0 || (1e-4..1e16).contains(&size) || value.is_infinite() {
        write!(text, "{value:?}")
    } else {
        let all = format!("{value:e}");
        let (digits, exponent) = all.split_once('e').unwrap_or((&all, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        write!(text, "{digits}e{sign}{exponent:0>2}")
    };
    // Writing to a string cannot fail.
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_as_python_prints_them() {
        let cases = [
            (0.0, "0.0"),
            (100.0, "100.0"),
            (10.536435213207337, "10.536435213207337"),
            (0.0001, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e16, "1e+16"),
            (1.25e100, "1.25e+100"),
            (9007199254740993.0, "9007199254740992.0"),
            (f64::NAN, "NaN"),
        ];
        for (value, want) in cases {
            let mut text = String::new();
            python_float(value, &mut text);
            assert_eq!(text, want);
        }
    }
}
