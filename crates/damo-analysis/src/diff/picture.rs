//! The comparison as a picture: both sides' maps on one scale, their difference, and the working sets over the run.

use super::Diff;
use super::maps::{COLUMNS, Maps};
use crate::course::Course;
use damo_model::human::count_text;
use damo_report::picture::{Chart, Line, Sheet, SheetColors, Sheets, Unit};

/// The colours of a difference reach at least so far, as a share of the highest heat: noise is not to fill the map.
const LEAST_DIFFERENCE: f64 = 0.1;

impl Diff {
    pub(super) fn sheets(&self) -> Sheets {
        let title = self.headline();
        let chart = self.chart();
        let Some(maps) = &self.maps else {
            return Sheets { title, groups: Vec::new(), columns: COLUMNS, sheets: Vec::new(), chart };
        };
        let known = maps.cells.iter().flatten().copied().filter(|heat| heat.is_finite());
        let top = known.fold(0.0, f64::max);
        let differences: Vec<f64> =
            maps.cells[0].iter().zip(&maps.cells[1]).map(|(base, new)| difference(*base, *new)).collect();
        let largest =
            differences.iter().filter(|it| it.is_finite()).fold(top * LEAST_DIFFERENCE, |a, b| a.max(b.abs()));
        let scaled = |cells: &[f64], by: f64| -> Vec<f64> {
            cells.iter().map(|heat| if by > 0.0 { heat / by } else { *heat }).collect()
        };
        let heat = |side: &str, runs: &[Course], cells: &[f64]| Sheet {
            name: format!(
                "{side}{}",
                if runs.len() > 1 {
                    format!(" (mean of {})", count_text(runs.len() as u64, "run"))
                } else {
                    String::new()
                }
            ),
            colors: SheetColors::Heat,
            cells: scaled(cells, top),
            legend: [
                "0".to_owned(),
                String::new(),
                amount(maps, top, "") + if maps.are_shares { " of samples" } else { " samples" },
            ],
        };
        let sheets = vec![
            heat("base", &self.base, &maps.cells[0]),
            heat("new", &self.new, &maps.cells[1]),
            Sheet {
                name: "new less base".to_owned(),
                colors: SheetColors::Difference,
                cells: scaled(&differences, largest),
                legend: [amount(maps, largest, "−"), "same".to_owned(), amount(maps, largest, "+")],
            },
        ];
        Sheets { title, groups: maps.groups.clone(), columns: COLUMNS, sheets, chart }
    }

    fn chart(&self) -> Chart {
        let line = |name: &str, runs: &[Course]| Line {
            name: name.to_owned(),
            points: self.course_of(runs),
            steps: true,
            filled: false,
        };
        let x = format!("part of the run, aligned {}", self.alignment_words());
        let lines = vec![line("base", &self.base), line("new", &self.new)];
        Chart {
            x_range: Some((0.0, 100.0)),
            ..Chart::new("", (&x, Unit::Percent), ("working set", Unit::Bytes), lines)
        }
    }

    /// The mean working set of some runs in each column, at its place in percent of the base's first run.
    fn course_of(&self, runs: &[Course]) -> Vec<(f64, f64)> {
        let mut sums = vec![(0.0, 0.0); COLUMNS];
        let Some(first) = self.base.first() else { return Vec::new() };
        for run in runs {
            let Some(begin) = run.times.first().map(|time| time.start) else { continue };
            let (alignment, length) = (self.alignment(first, run).inverse(), run.length().0.max(1) as f64);
            for (time, value) in run.times.iter().zip(&run.working_set) {
                let middle = time.start.0.midpoint(time.end.0).saturating_sub(begin.0) as f64 / length;
                let column = ((alignment.place(middle) * COLUMNS as f64) as usize).min(COLUMNS - 1);
                sums[column].0 += value;
                sums[column].1 += 1.0;
            }
        }
        let at = |column: usize| column as f64 * 100.0 / COLUMNS as f64;
        let known = sums.iter().enumerate().filter(|(_, (_, count))| *count > 0.0);
        let mut points: Vec<(f64, f64)> = known.map(|(column, (sum, count))| (at(column), sum / count)).collect();
        points.extend(points.last().map(|(_, last)| (100.0, *last)));
        points
    }
}

/// New less base; what is mapped on one side only was not accessed on the other.
fn difference(base: f64, new: f64) -> f64 {
    match (base.is_nan(), new.is_nan()) {
        (true, true) => f64::NAN,
        (true, false) => new,
        (false, true) => -base,
        (false, false) => new - base,
    }
}

/// A heat for the legend: a share in percent, or a number.
fn amount(maps: &Maps, heat: f64, sign: &str) -> String {
    if maps.are_shares { format!("{sign}{:.0} %", heat * 100.0) } else { format!("{sign}{heat:.1}") }
}
