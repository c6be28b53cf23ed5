//! The comparison as text of 80 columns.

use super::words::{seconds, short_time};
use super::{AreaName, Diff, Row};
use crate::compare::Answer;
use crate::course::Course;
use crate::figure::Quantity;
use damo_model::human::{Show, Style, count_text, format_size};
use damo_report::picture::Picture;
use damo_report::text_width::{cut, padded, width, wrapped};
use damo_report::{Report, ReportError, Table};
use std::io::{self, Write};

/// Columns of a line.
const COLUMNS: usize = 80;
/// Columns of what a row is of, and of a figure of one side.
const NAME: usize = 22;
const VALUE: usize = 12;
/// Columns of a difference with its interval.
const DIFFERENCE: usize = 19;
/// So many mappings or phases have a row, or are listed as those of one side.
const MOST_ROWS: usize = 12;

impl Answer {
    /// The answer in two words.
    pub fn words(&self) -> &'static str {
        match self {
            Answer::NoChange => "no change",
            Answer::Changed => "changed",
            Answer::CannotTell(_) => "cannot tell",
        }
    }
}

impl Row {
    /// What it is of, for people.
    fn name(&self, most: usize) -> String {
        let figure = &self.comparison.figure;
        let (what, statistic) = match (&self.area, figure.quantity) {
            (Some(area), _) => (area.to_string(), figure.statistic.to_string()),
            (None, Quantity::ColdShare(age)) => return cut(&format!("idle for {}", short_time(age)), most),
            (None, quantity) => (quantity.words(), figure.statistic.to_string()),
        };
        format!("{} {statistic}", cut(&what, most - statistic.len() - 1))
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_named(out, &self.name(NAME - 1))
    }

    fn write_named(&self, out: &mut dyn Write, name: &str) -> io::Result<()> {
        let of = &self.comparison;
        let [base, new] = [of.base.value, of.new.value].map(|value| of.figure.show(value));
        let (name, difference) = (padded(name, NAME), self.difference());
        writeln!(
            out,
            "{name}{base:>VALUE$} {new:>VALUE$} {difference:>DIFFERENCE$}  {}",
            self.answer.map_or("-", |answer| answer.words())
        )
    }
}

impl Diff {
    fn write_run(&self, out: &mut dyn Write, side: &str, run: &Course) -> io::Result<()> {
        let what = format!("{}, {}", seconds(run.length()), count_text(run.times.len() as u64, "snapshot"));
        let name = cut(&run.record.shown().to_string(), COLUMNS - 6 - width(&what) - 2);
        writeln!(out, "{side:<6}{name}  {what}")
    }

    fn write_rows(&self, out: &mut dyn Write, title: &str, rows: &[&Row]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        write_heading(out, title)?;
        rows.iter().try_for_each(|row| row.write(out))
    }

    /// All but the sentences.
    pub(super) fn write_figures(&self, out: &mut dyn Write) -> io::Result<()> {
        for (side, runs) in [("base", &self.base), ("new", &self.new)] {
            for run in runs {
                self.write_run(out, side, run)?;
            }
        }
        if let Some(words) = self.phase_words() {
            write_wrapped(out, &words)?;
        }
        writeln!(out, "aligned in time {}; margin {} %", self.alignment_words(), self.margin)?;
        let (whole, areas): (Vec<&Row>, Vec<&Row>) = self.rows.iter().partition(|row| row.area.is_none());
        self.write_rows(out, "whole", &whole)?;
        self.write_phases(out)?;
        let shown = if whole.is_empty() { areas.len() } else { areas.len().min(MOST_ROWS) };
        self.write_rows(out, "working set of", &areas[..shown])?;
        if areas.len() > shown {
            writeln!(
                out,
                "and {}: --mapping NAME, --format json",
                count_text((areas.len() - shown) as u64, "more row")
            )?;
        }
        if !(self.one_sided.is_empty() && self.notes.is_empty()) {
            writeln!(out)?;
        }
        self.write_one_sided(out)?;
        for note in &self.notes {
            write_wrapped(out, &format!("Note: {note}."))?;
        }
        Ok(())
    }

    /// The phases, each with its length on both sides.
    fn write_phases(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.phases.is_empty() {
            return Ok(());
        }
        write_heading(out, "working set by phase")?;
        for phase in self.phases.iter().take(MOST_ROWS) {
            let [base, new] = phase.lengths.map(seconds);
            let length = if base == new { base } else { format!("{base} to {new}") };
            let name = format!("{}, {length}", phase.name);
            match &phase.working_set {
                Some(row) => row.write_named(out, &name)?,
                None => writeln!(out, "{name}, too short to tell")?,
            }
        }
        match self.phases.len().saturating_sub(MOST_ROWS) {
            0 => Ok(()),
            more => writeln!(out, "and {}: --format json", count_text(more as u64, "more phase")),
        }
    }

    fn write_one_sided(&self, out: &mut dyn Write) -> io::Result<()> {
        for (side, is_there) in [("base", AreaName::is_of_base as fn(&AreaName) -> bool), ("new side", is_of_new)] {
            let all: Vec<&AreaName> = self.one_sided.iter().filter(|area| is_there(area)).collect();
            let mut names: Vec<String> = all.iter().take(MOST_ROWS).map(|area| area.with_size()).collect();
            let more = all.len() - names.len();
            names.extend((more > 0).then(|| format!("{more} more")));
            if !names.is_empty() {
                write_wrapped(out, &format!("Mapped in the {side} only: {}.", names.join(", ")))?;
            }
        }
        Ok(())
    }
}

/// The heading of a table, below an empty line.
fn write_heading(out: &mut dyn Write, title: &str) -> io::Result<()> {
    let (base, new, difference) = ("base", "new", "difference");
    writeln!(out, "\n{}{base:>VALUE$} {new:>VALUE$} {difference:>DIFFERENCE$}  answer", padded(title, NAME))
}

fn is_of_new(area: &AreaName) -> bool {
    area.base.is_none()
}

impl AreaName {
    fn is_of_base(&self) -> bool {
        self.base.is_some()
    }

    fn with_size(&self) -> String {
        let size = self.base.or(self.new).map(|size| format_size(size, Style::Human));
        format!("{self} ({})", size.unwrap_or_default())
    }
}

fn write_wrapped(out: &mut dyn Write, text: &str) -> io::Result<()> {
    wrapped(text, COLUMNS, "  ").iter().try_for_each(|line| writeln!(out, "{line}"))
}

impl Report for Diff {
    const NAME: &'static str = "diff";
    type Layout = ();

    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        for sentence in self.sentences() {
            write_wrapped(out, &sentence)?;
        }
        writeln!(out)?;
        Ok(self.write_figures(out)?)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        self.all_tables()
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(Box::new(self.sheets()))
    }
}
