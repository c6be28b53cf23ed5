//! What came of a check, for people, for pull requests, and for programs.

use super::condition::{Limit, Subject};
use super::judge::{Judgement, Verdict};
use super::{CheckReport, Run};
use crate::figure::{Figure, Quantity, Statistic};
use crate::text::{capital, shell_word, write_lines};
use damo_model::Nanos;
use damo_model::human::{Show, Style, format_size_f64, time_text};
use damo_report::picture::{Chart, Line, Unit};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Columns of the names of conditions in text.
const MOST_NAME: usize = 40;
/// What stands below a verdict in text is as far from the left as what stands behind it.
const INDENT: &str = "            ";

impl Verdict {
    /// The verdict in text, in one word or two.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Fails => "FAILS",
            Verdict::NotJudged => "not judged",
            Verdict::Skipped => "skipped",
        }
    }

    /// The word that stands for it in JSON.
    fn key(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Fails => "fails",
            Verdict::NotJudged => "not_judged",
            Verdict::Skipped => "skipped",
        }
    }
}

impl Judgement {
    /// Who is to blame and when, in a clause; `None` if it does not fail or nobody can be named.
    pub(crate) fn blame(&self) -> Option<String> {
        let sign = |bytes: f64| if bytes < 0.0 { "-" } else { "+" };
        let is_limit = self.comparison.is_none();
        let name = |(mapping, bytes): (&str, f64)| {
            let size = format_size_f64(bytes.abs(), Style::Human);
            if is_limit { format!("{mapping} has {size}") } else { format!("{mapping} {}{size}", sign(bytes)) }
        };
        let mappings: Vec<String> =
            self.culprits.iter().map(|culprit| name((&culprit.mapping, culprit.bytes))).collect();
        let phase = self.phase.as_ref().map(|(number, kind)| format!(" (phase {number}, {kind})")).unwrap_or_default();
        let when = self.when.map(|when| {
            let [from, to] = [when.start, when.end].map(time_text);
            format!("for the longest time from {from} to {to}{phase}")
        });
        let parts: Vec<String> =
            [mappings.join(", "), when.unwrap_or_default()].into_iter().filter(|p| !p.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl CheckReport {
    /// How many conditions hold and do not, in one sentence without a stop.
    pub(crate) fn headline(&self) -> String {
        let count = |verdict| self.judgements.iter().filter(|judgement| judgement.verdict == verdict).count();
        let (fails, unknown, skipped) = (count(Verdict::Fails), count(Verdict::NotJudged), count(Verdict::Skipped));
        let all = self.judgements.len();
        let do_not = |count: usize| if count == 1 { "does not" } else { "do not" };
        let mut said = match (fails, unknown) {
            (0, 0) if all == 1 => "the condition holds".to_owned(),
            (1, 0) if all == 1 => "the condition does not hold".to_owned(),
            (0, 1) if all == 1 => "the condition cannot be judged".to_owned(),
            (0, 0) => format!("all {all} conditions hold"),
            (0, _) => format!("{unknown} of {all} conditions cannot be judged"),
            (_, 0) => format!("{fails} of {all} conditions {} hold", do_not(fails)),
            _ => format!("{fails} of {all} conditions {} hold, {unknown} cannot be judged", do_not(fails)),
        };
        if skipped > 0 {
            let _ = write!(said, " ({skipped} without a baseline yet)");
        }
        said
    }

    /// Remarks on the records, each once.
    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        for run in self.runs.iter().chain(&self.baseline) {
            for note in &run.notes {
                let note = format!("{}: {note}", run.course.record);
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        notes
    }

    /// Writes the result as text: a headline, a line for each condition, notes, and what to look at.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}\n", capital(&self.headline()))?;
        let name = |judgement: &Judgement| judgement.condition.to_string().shown().to_string();
        let width = self.judgements.iter().map(|j| name(j).chars().count()).max().unwrap_or(0).min(MOST_NAME);
        for judgement in &self.judgements {
            let word = judgement.verdict.word();
            let first = format!("{word:<10}  {:<width$}  {}", name(judgement), judgement.why);
            write_lines(out, &first, INDENT)?;
            if let Some(blame) = judgement.blame() {
                write_lines(out, &format!("{INDENT}{blame}"), INDENT)?;
            }
        }
        writeln!(out)?;
        for (side, runs) in [("checked: ", &self.runs), ("baseline: ", &self.baseline)] {
            let names: Vec<&str> = runs.iter().map(|run| run.course.record.as_str()).collect();
            if !names.is_empty() {
                write_lines(out, &format!("{side}{}", names.join(", ")), "  ")?;
            }
        }
        for note in self.notes() {
            write_lines(out, &format!("note: {note}"), "  ")?;
        }
        if self.verdict() == Verdict::Fails {
            writeln!(out, "\nTo look closer:")?;
            for line in self.commands() {
                writeln!(out, "  {}", line.shown())?;
            }
        }
        Ok(())
    }

    /// Commands that show what is behind a verdict.
    fn commands(&self) -> Vec<String> {
        let quoted = |run: &Run| shell_word(&run.course.record);
        let Some(new) = self.runs.first().map(quoted) else { return Vec::new() };
        let diff = self.baseline.first().map(|base| format!("damo diff {} {new}", quoted(base)));
        diff.into_iter().chain([format!("damo report heats {new} -o heats.png")]).collect()
    }

    /// Writes the result as Markdown, for a pull request. `picture` is what an image links to: a file's name, or the image itself as a data URI.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn write_markdown(&self, picture: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "### damo check: {}\n", self.headline())?;
        writeln!(out, "| condition | verdict | found |\n|---|---|---|")?;
        for judgement in &self.judgements {
            let verdict = match judgement.verdict {
                Verdict::Fails => "**fails**",
                verdict => verdict.word(),
            };
            let blame = judgement.blame().map(|blame| format!("<br>{}", cell(&blame))).unwrap_or_default();
            let condition = judgement.condition.to_string();
            writeln!(
                out,
                "| `{}` | {verdict} | {}{blame} |",
                condition.shown().to_string().replace('|', "\\|"),
                cell(&judgement.why)
            )?;
        }
        if let Some(picture) = picture {
            writeln!(out, "\n![Working set over time]({picture})")?;
        }
        let notes = self.notes();
        if !notes.is_empty() {
            writeln!(out)?;
        }
        for note in notes {
            writeln!(out, "- {}", cell(&note))?;
        }
        if self.verdict() == Verdict::Fails {
            writeln!(out, "\nTo look closer:\n\n```sh")?;
            for line in self.commands() {
                writeln!(out, "{}", line.shown())?;
            }
            writeln!(out, "```")?;
        }
        Ok(())
    }

    /// Workflow commands of GitHub Actions, which become annotations.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn write_github(&self, out: &mut dyn Write) -> io::Result<()> {
        let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        for judgement in &self.judgements {
            let kind = match judgement.verdict {
                Verdict::Fails => "error",
                Verdict::NotJudged => "warning",
                Verdict::Holds | Verdict::Skipped => continue,
            };
            let title = data(&judgement.condition.to_string()).replace(':', "%3A").replace(',', "%2C");
            let blame = judgement.blame().map(|blame| format!("\n{blame}")).unwrap_or_default();
            let message = data(&format!("{}: {}{blame}", judgement.verdict.word(), judgement.why));
            writeln!(out, "::{kind} title=damo check%3A {title}::{message}")?;
        }
        writeln!(out, "::notice title=damo check::{}", data(&self.headline()))
    }

    /// The result as JSON; docs/check.md says what is in it.
    pub fn json(&self) -> Value {
        let estimate = |judgement: &Judgement| {
            judgement.found.map(|found| json!({"value": found.value, "within": found.within, "runs": found.runs}))
        };
        let conditions: Vec<Value> = self
            .judgements
            .iter()
            .map(|judgement| {
                let unit = match &judgement.condition.subject {
                    Subject::Figure(figure) if figure.is_size() => "bytes",
                    _ => "percent",
                };
                let difference = judgement.comparison.as_ref().map(|comparison| {
                    json!({
                        "base": comparison.base.value,
                        "difference": comparison.difference,
                        "low": comparison.low(),
                        "high": comparison.high(),
                    })
                });
                let culprits = judgement.culprits.iter().map(|c| json!({"mapping": c.mapping, "bytes": c.bytes}));
                json!({
                    "condition": judgement.condition.to_string(),
                    "verdict": judgement.verdict.key(),
                    "unit": unit,
                    "found": estimate(judgement),
                    "against_baseline": difference,
                    "why": judgement.why,
                    "mappings": culprits.collect::<Vec<_>>(),
                    "from_ns": judgement.when.map(|when| when.start.0),
                    "to_ns": judgement.when.map(|when| when.end.0),
                    "phase": judgement.phase.as_ref().map(|(number, _)| number),
                })
            })
            .collect();
        let names = |runs: &[Run]| runs.iter().map(|run| run.course.record.clone()).collect::<Vec<_>>();
        json!({
            "verdict": self.verdict().key(),
            "headline": self.headline(),
            "records": names(&self.runs),
            "baseline": names(&self.baseline),
            "conditions": conditions,
            "notes": self.notes(),
        })
    }

    /// The working set over time (or what the first condition that fails is about), of the runs and of the baseline.
    pub fn picture(&self) -> Chart {
        let failed = self.judgements.iter().filter(|judgement| judgement.verdict == Verdict::Fails);
        let mut figures = failed.chain(&self.judgements).filter_map(|judgement| match &judgement.condition.subject {
            Subject::Figure(figure) => Some((figure.clone(), judgement.condition.limit)),
            _ => None,
        });
        let usual = || (Figure::new(Quantity::WorkingSet, Statistic::Mean), Limit::Held);
        let (figure, limit) = figures.next().unwrap_or_else(usual);
        let several = self.runs.len() > 1 || self.baseline.len() > 1;
        let lines = |runs: &[Run], side: &str| -> Vec<Line> {
            let line = |(i, run): (usize, &Run)| {
                let values = figure.values(&run.course).ok()?;
                let since = |at: Nanos| at.saturating_sub(run.course.began).0 as f64;
                let points: Vec<(f64, f64)> = if values.len() == run.course.times.len() {
                    run.course.times.iter().map(|time| since(time.start)).zip(values).collect()
                } else {
                    run.course.resident.iter().map(|(at, bytes)| (since(*at), *bytes)).collect()
                };
                let name = if several { format!("{side} {}", i + 1) } else { side.to_owned() };
                Some(Line { name, points, steps: true, filled: false })
            };
            runs.iter().enumerate().filter_map(line).collect()
        };
        let mut series = lines(&self.baseline, "baseline");
        series.extend(lines(&self.runs, "this run"));
        if let Limit::Absolute(_, limit) = limit {
            let ends = series.iter().flat_map(|line| line.points.iter().map(|(at, _)| *at));
            let (from, to) = ends.fold((f64::MAX, f64::MIN), |(from, to), at| (from.min(at), to.max(at)));
            let points = if from < to { vec![(from, limit), (to, limit)] } else { Vec::new() };
            series.push(Line { name: "limit".to_owned(), points, steps: false, filled: false });
        }
        let (what, unit) = match figure.quantity {
            Quantity::WorkingSet => ("working set", Unit::Bytes),
            Quantity::Hot => ("hot memory", Unit::Bytes),
            Quantity::Resident => ("resident memory", Unit::Bytes),
            Quantity::ColdShare(_) => ("share of cold memory", Unit::Percent),
        };
        let of = figure.mapping.map(|mapping| format!(" of {mapping}")).unwrap_or_default();
        Chart::new(
            format!("damo check: {}", self.headline()),
            ("time since the recording began", Unit::Time),
            (&format!("{what}{of}"), unit),
            series,
        )
    }
}

/// A cell of a Markdown table: names are other people's.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.shown().to_string().chars() {
        if matches!(c, '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' | '@' | '#') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}
