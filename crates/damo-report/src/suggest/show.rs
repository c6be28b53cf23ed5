//! A suggestion as text, table and picture.

use super::goal::waiting;
use super::{Goal, Measure, Suggestion, Tried, gain, is_for_hot};
use crate::picture::{Chart, Line, Picture, Unit};
use crate::table::Table;
use crate::whatif::{self, Outcome, describe, percent, write_rows};
use crate::{Report, ReportError};
use damo_model::human::{Style, format_size, time_text};
use damo_model::scheme::Action;
use damo_model::{Bytes, Nanos};
use std::io::{self, Write};

/// Of what is resident: who saves less had better let it be.
const LITTLE: f64 = 0.01;

fn time(time: Nanos) -> String {
    time_text(time)
}

/// A share of all time as milliseconds each second.
fn per_second(share: f64) -> String {
    format!("{:.3} ms/s", share * 1e3)
}

/// What is done to memory, in a word.
fn moved(action: Action) -> &'static str {
    if action == Action::Pageout { "paged out" } else { "moved" }
}

impl Suggestion {
    /// Those that no other one beats, and the one chosen, by gain.
    fn trade_offs(&self) -> Vec<&Tried> {
        let is_shown = |(nth, one): &(usize, &Tried)| one.best || self.chosen == Some(*nth);
        let mut best: Vec<&Tried> = self.tried.iter().enumerate().filter(is_shown).map(|(_, one)| one).collect();
        best.sort_by(|a, b| gain(&a.outcome).total_cmp(&gain(&b.outcome)));
        best
    }

    /// The one to start.
    pub fn choice(&self) -> Option<&Tried> {
        self.tried.get(self.chosen?)
    }

    /// What is bad about memory that was moved.
    fn again(&self) -> &'static str {
        if is_for_hot(self.action) { "found idle" } else { "accessed again" }
    }

    fn write_trade_offs(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\nbest trade-offs found:")?;
        let rate = if is_for_hot(self.action) { "rate from" } else { "rate to" };
        // No other action saves what is resident.
        let saves = self.action == Action::Pageout;
        let gained: &[&str] = if saves { &["saved", "of resident"] } else { &["placed"] };
        let costs: &[&str] = if saves { &["refault", "waiting"] } else { &["refault"] };
        let head = [&["age from", rate], gained, costs, &[""]].concat();
        let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        for one in self.trade_offs() {
            let Outcome { mean, .. } = &one.outcome;
            let size = |value: f64| format_size(Bytes(value.max(0.0) as u64), Style::Human);
            let is_choice = self.choice().is_some_and(|choice| (choice.age, choice.rate) == (one.age, one.rate));
            let mark = match (is_choice, one.meets) {
                (true, _) => "<- chosen",
                (_, true) => "meets the goal",
                _ => "",
            };
            let mut row = vec![time(one.age), format!("{} %", one.rate)];
            if saves {
                row.extend([size(mean.saved()), percent(mean.saved_share())]);
            } else {
                row.push(size(mean.moved));
            }
            row.push(percent(one.outcome.back_share()));
            if saves {
                row.push(per_second(waiting(&one.outcome, self.length)));
            }
            row.push(mark.to_owned());
            rows.push(row);
        }
        write_rows(&rows, 1, out)
    }

    fn write_choice(&self, choice: &Tried, out: &mut dyn Write) -> io::Result<()> {
        let Outcome { scheme, sums, mean, .. } = &choice.outcome;
        writeln!(out, "\nchosen: {}", describe(scheme))?;
        writeln!(out, "as JSON for `damo start --schemes`:")?;
        writeln!(out, "[{}]", whatif::json(scheme))?;
        let undecided = choice.outcome.undecided / sums.changed.max(1.0);
        if undecided > whatif::UNDECIDED {
            let (within, moved, again) = (time(self.refault_within), moved(self.action), self.again());
            let (share, most) = (percent(undecided), percent(choice.outcome.back_share_at_most()));
            let least = percent(choice.outcome.back_share());
            writeln!(
                out,
                "\n{share} of the bytes {moved} were followed for less than {within}, to the record's end. If all of"
            )?;
            writeln!(out, "them were {again} later, the refault would be {most}, not {least}. A longer record, or a")?;
            writeln!(out, "shorter --refault_within, leaves less open.")?;
        }
        if self.action == Action::Pageout && mean.saved_share() < LITTLE {
            writeln!(out, "\nIt saves less than {}: hardly worth it, unless the goal is relaxed.", percent(LITTLE))?;
        }
        Ok(())
    }

    /// Why nothing was chosen: how near each goal was come to.
    fn write_no_choice(&self, out: &mut dyn Write) -> io::Result<()> {
        let acted: Vec<&Tried> = self.tried.iter().filter(|one| one.outcome.sums.changed > 0.0).collect();
        if acted.is_empty() {
            return writeln!(out, "\nNo scheme was chosen: no memory in this record fits any of those tried.");
        }
        writeln!(out, "\nNo scheme was chosen: none of those tried meets the goal. The nearest:")?;
        for goal in &self.goals {
            let value = |one: &Tried| goal.measure.of(&one.outcome, self.length);
            let order = |a: &&&Tried, b: &&&Tried| match goal.measure {
                Measure::Saving => value(b).total_cmp(&value(a)),
                _ => value(a).total_cmp(&value(b)),
            };
            let Some(best) = acted.iter().min_by(order) else { continue };
            let reached = match goal.measure {
                Measure::Waiting => format!("lowest waiting: {}", per_second(value(best))),
                Measure::Refault => format!("lowest refault: {}", percent(value(best))),
                Measure::Saving => format!("highest saving: {}", percent(value(best))),
            };
            writeln!(out, "  {reached}, by {}", describe(&best.outcome.scheme))?;
        }
        let longest = self.tried.iter().map(|one| one.age).max().unwrap_or_default();
        writeln!(
            out,
            "Relax the goal with --goal, or record for longer: ages above {} were not tried, because",
            time(longest)
        )?;
        writeln!(out, "they need a record of at least twice their length.")
    }

    /// What is gained against what comes back: all that was tried, those that nothing beats, and the one to start.
    fn chart(&self) -> Chart {
        let point = |t: &Tried| (gain(&t.outcome).max(0.0), t.outcome.back_share() * 100.0);
        let mut series = Vec::new();
        let mut rates: Vec<f64> = self.tried.iter().map(|t| t.rate).collect();
        rates.dedup();
        for rate in rates {
            let mut points: Vec<_> = self.tried.iter().filter(|t| t.rate == rate).map(point).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let bound = if is_for_hot(self.action) { "rate from" } else { "rate to" };
            series.push(Line { name: format!("{bound} {rate} %"), points, steps: false, filled: false });
        }
        // Last, to lie above the others.
        let points = self.trade_offs().into_iter().map(point).collect();
        series.push(Line { name: "best trade-offs".to_owned(), points, steps: false, filled: false });
        let most = self.tried.iter().map(|t| point(t).0).fold(0.0, f64::max);
        let marks = self.choice().map(|choice| (point(choice).0, describe(&choice.outcome.scheme)));
        let gained = if self.action == Action::Pageout { "resident bytes saved, mean" } else { "bytes placed, mean" };
        let back = format!("refault: {} within {}", self.again(), time(self.refault_within));
        Chart {
            marks: marks.into_iter().collect(),
            x_range: Some((0.0, most)),
            ..Chart::new(
                format!("{}: gain against refault", self.action),
                (gained, Unit::Bytes),
                (&back, Unit::Percent),
                series,
            )
        }
    }
}

impl Report for Suggestion {
    const NAME: &'static str = "suggest";
    type Layout = ();

    /// Writes the best trade-offs, and the scheme to start or why there is none.
    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        let goals: Vec<String> = self.goals.iter().map(Goal::to_string).collect();
        writeln!(out, "# {}: {} schemes tried on {}", self.record, self.tried.len(), time(self.length))?;
        let default = if self.by_default { " (the default; --goal sets another)" } else { "" };
        writeln!(out, "# goal: {}{default}", goals.join(" and "))?;
        let (again, within, moved) = (self.again(), time(self.refault_within), moved(self.action));
        writeln!(out, "# refault: bytes {again} within {within}, as a share of all bytes that were {moved}")?;
        for note in &self.notes {
            writeln!(out, "# {note}")?;
        }
        self.write_trade_offs(out)?;
        Ok(match self.choice() {
            Some(choice) => self.write_choice(choice, out),
            None => self.write_no_choice(out),
        }?)
    }

    /// The whole grid.
    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let rows: Vec<(usize, &Tried)> = self.tried.iter().enumerate().collect();
        let suggestion = Table::of("suggestion", &rows)
            .col("age_ns", "least age", |(_, t)| t.age.0)
            .col("rate_percent", "bound of the access rate", |(_, t)| t.rate)
            .col("saved", "bytes, mean", |(_, t)| t.outcome.mean.saved().round() as i64)
            .col("saved_share", "", |(_, t)| t.outcome.mean.saved_share())
            .col("moved", "bytes, mean", |(_, t)| t.outcome.mean.moved.round() as u64)
            .col("refault_share", "of the bytes acted on", |(_, t)| t.outcome.back_share())
            .col(
                "refault_share_at_most",
                "the same if all that the record does not show were accessed again",
                |(_, t)| t.outcome.back_share_at_most(),
            )
            .col("waiting_share", "of the time", |(_, t)| waiting(&t.outcome, self.length))
            .col("meets", "all goals", |(_, t)| t.meets)
            .col("best_trade_off", "no other one saves (or places) as much with a lower refault", |(_, t)| t.best)
            .col("chosen", "the one to start", |(nth, _)| self.chosen == Some(*nth))
            .col("json", "to start it with", |(_, t)| whatif::json(&t.outcome.scheme));
        Ok(vec![suggestion.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(Box::new(self.chart()))
    }
}
