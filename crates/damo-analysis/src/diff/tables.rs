//! The comparison as tables.

use super::Diff;
use crate::compare::Answer;
use crate::course::Course;
use damo_report::{ReportError, Table};

impl Answer {
    /// The answer for programs.
    fn word(&self) -> &'static str {
        match self {
            Answer::NoChange => "no_change",
            Answer::Changed => "changed",
            Answer::CannotTell(_) => "cannot_tell",
        }
    }
}

impl Diff {
    pub(super) fn all_tables(&self) -> Result<Vec<Table>, ReportError> {
        Ok(vec![self.figures()?, self.summary()?, self.runs_table()?, self.phases_table()?, self.one_sided_table()?])
    }

    fn figures(&self) -> Result<Table, ReportError> {
        Table::of("figures", &self.rows)
            .col(
                "figure",
                "`wss` (working set), `hot`, `cold-share@AGE` or `rss`, and which number of its course",
                |row| {
                    let figure = crate::figure::Figure { mapping: None, ..row.comparison.figure.clone() };
                    figure.to_string()
                },
            )
            .col("process", "where a side has several", |row| {
                row.area.as_ref().map(|area| area.process.as_str()).filter(|process| !process.is_empty())
            })
            .col("mapping", "`null`: the whole", |row| row.area.as_ref().map(|area| area.name.as_str()))
            .col("order", "of mappings of one name, from 1", |row| {
                row.area.as_ref().map(|area| area.order as u64).filter(|order| *order > 0)
            })
            .col(
                "unit",
                "`bytes` or `percent`",
                |row| if row.comparison.figure.is_size() { "bytes" } else { "percent" },
            )
            .col("base", "mean over runs", |row| row.comparison.base.value)
            .col("new", "mean over runs", |row| row.comparison.new.value)
            .col("difference", "new less base", |row| row.comparison.difference)
            .col("low", "where the difference's 95 % interval begins; `null` for a maximum", |row| {
                row.answer.map(|_| row.comparison.low())
            })
            .col("high", "where it ends", |row| row.answer.map(|_| row.comparison.high()))
            .col("difference_percent", "of a size's base; `null` if that is 0", |row| {
                row.comparison.percent().filter(|_| row.comparison.figure.is_size())
            })
            .col("margin", "differences up to this one are of no interest", |row| row.margin.of_interest)
            .col("answer", "`no_change`, `changed` or `cannot_tell`; `null` for a maximum", |row| {
                row.answer.map(|a| a.word())
            })
            .col("needs_runs", "so many more runs of each side would tell", |row| row.needs().map(|n| n.runs))
            .col("needs_ns", "or runs that are longer by so much; `null` if only more runs help", |row| {
                row.needs().and_then(|needs| needs.time).map(|time| time.0)
            })
            .table()
    }

    fn summary(&self) -> Result<Table, ReportError> {
        let aligned = format!("aligned in time {}", self.alignment_words());
        let mut lines: Vec<(&str, String)> = Vec::new();
        lines.extend(self.sentences().into_iter().map(|sentence| ("answer", sentence)));
        lines.extend(self.phase_words().map(|words| ("part", words)));
        lines.push(("alignment", aligned));
        lines.extend(self.notes.iter().map(|note| ("note", note.clone())));
        Table::of("summary", &lines)
            .col("kind", "`answer`, `part` (which phases are compared), `alignment` or `note`", |(kind, _)| *kind)
            .col("text", "", |(_, text)| text.as_str())
            .table()
    }

    fn runs_table(&self) -> Result<Table, ReportError> {
        let base = self.base.iter().map(|run| ("base", run));
        let rows: Vec<(&str, &Course)> = base.chain(self.new.iter().map(|run| ("new", run))).collect();
        Table::of("runs", &rows)
            .col("side", "`base` or `new`", |(side, _)| *side)
            .col("record", "its name", |(_, run)| run.record.as_str())
            .col("length_ns", "of the time that is compared", |(_, run)| run.length().0)
            .col("snapshots", "complete ones that are compared", |(_, run)| run.times.len() as u64)
            .table()
    }

    fn phases_table(&self) -> Result<Table, ReportError> {
        Table::of("phases", &self.phases)
            .col(
                "phase",
                "its number and kind, where all runs have the same phases and times were aligned by them",
                |phase| phase.name.as_str(),
            )
            .col("base_length_ns", "mean over runs", |phase| phase.lengths[0].0)
            .col("new_length_ns", "mean over runs", |phase| phase.lengths[1].0)
            .col("base", "mean working set, bytes; `null` for a phase that is too short", |phase| {
                phase.working_set.as_ref().map(|row| row.comparison.base.value)
            })
            .col("new", "the same", |phase| phase.working_set.as_ref().map(|row| row.comparison.new.value))
            .col("low", "where the difference's 95 % interval begins", |phase| {
                phase.working_set.as_ref().map(|row| row.comparison.low())
            })
            .col("high", "where it ends", |phase| phase.working_set.as_ref().map(|row| row.comparison.high()))
            .col("answer", "as in `figures`", |phase| {
                phase.working_set.as_ref().and_then(|row| row.answer).map(|answer| answer.word())
            })
            .table()
    }

    fn one_sided_table(&self) -> Result<Table, ReportError> {
        Table::of("one_sided", &self.one_sided)
            .col("process", "where a side has several", |area| {
                Some(area.process.as_str()).filter(|name| !name.is_empty())
            })
            .col("mapping", "of one side only", |area| area.name.as_str())
            .col("order", "of mappings of one name, from 1", |area| Some(area.order as u64).filter(|order| *order > 0))
            .col("side", "`base` or `new`", |area| if area.base.is_some() { "base" } else { "new" })
            .col("size", "bytes", |area| area.base.or(area.new).unwrap_or_default().0)
            .table()
    }
}
