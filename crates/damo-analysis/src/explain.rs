//! What a record tells, in sentences: each with its figures, and with the command that shows where they come from. The same
//! record gives the same sentences.

mod code;
mod figures;
mod huge;
mod show;

pub use code::functions_in_words;

use crate::AnalysisError;
use crate::course::Course;
use crate::phases::{PhasesOptions, PhasesReport, label, phases};
use crate::right_size::right_size;
use crate::text::{bytes, share, shell_word};
use damo_frame::Record;
use damo_model::human::time_text;
use damo_report::ages::{AgesOptions, ages};
use damo_report::confidence::confidence;
use damo_report::filter::Filter;
use damo_report::series::SETTLING;
use figures::{growth, percentile, reclaim};

/// Kinds of phases whose hot set is told.
const MOST_KINDS: usize = 3;
/// Fewer blocks of 2 MiB that are touched sparsely are not worth a word.
const MANY_BLOCKS: u64 = 8;
/// This share of memory is nearly all of it.
const NEARLY: f64 = 0.99;
/// A limit at the working set is tried with a little more than that.
const HEADROOM: f64 = 1.02;
/// Findings on what not to trust that are told.
const MOST_FINDINGS: usize = 2;

/// A sentence or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// What it is about, in a word.
    pub topic: &'static str,
    /// A whole sentence with its numbers, without a command.
    pub text: String,
    /// The command that shows its figures, to be typed in a shell.
    pub command: String,
}

/// What a record tells.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The record's name.
    pub record: String,
    /// The most useful first.
    pub sentences: Vec<Sentence>,
}

/// What is collected on the way.
struct Telling<'r> {
    record: &'r Record,
    records: &'r [Record],
    name: String,
    filter: Filter,
    sentences: Vec<Sentence>,
}

impl Telling<'_> {
    fn say(&mut self, topic: &'static str, text: String, command: &str) {
        let command = format!("damo {}", command.replace("RECORD", &self.name));
        self.sentences.push(Sentence { topic, text, command });
    }
}

/// Tells in sentences what is in the records of one recording: the first has the snapshots.
///
/// # Errors
/// If a record cannot be read, or has no snapshot.
pub fn explain(records: &[Record]) -> Result<Explanation, AnalysisError> {
    let Some(record) = records.first().filter(|record| record.totals().snapshots > 0) else {
        let name = records.first().map_or("", Record::name);
        return Err(AnalysisError::invalid(format!(
            "{name}: the record holds no snapshot, so there is nothing to explain"
        )));
    };
    let (name, filter) = (shell_word(record.name()), Filter::default());
    let mut telling = Telling { record, records, name, filter, sentences: Vec::new() };
    let course = Course::of(record, &telling.filter, &[])?;
    if course.times.len() < 2 {
        telling.trust(true)?;
        return Ok(Explanation { record: record.name().to_owned(), sentences: telling.sentences });
    }
    telling.use_of_memory(&course);
    telling.idle()?;
    telling.growth(&course);
    let is_short = course.used.snapshots.saturating_sub(course.used.partial) <= SETTLING;
    // It is as long as the record, and so is what phases are found in.
    drop(course);
    let found = phases(records, &PhasesOptions::default())?;
    telling.phases(&found);
    telling.code(&found)?;
    telling.reclaim()?;
    telling.limit()?;
    telling.trust(is_short)?;
    telling.huge_pages()?;
    Ok(Explanation { record: record.name().to_owned(), sentences: telling.sentences })
}

impl Telling<'_> {
    fn use_of_memory(&mut self, course: &Course) {
        let [median, most] = [50, 95].map(|percent| percentile(&course.working_set, percent));
        let monitored = course.monitored.iter().sum::<f64>() / course.monitored.len().max(1) as f64;
        let part = if monitored > 0.0 { median / monitored } else { 0.0 };
        let resident: Vec<f64> = course.resident.iter().map(|(_, size)| *size).collect();
        let held = match percentile(&resident, 50) {
            0.0 => String::new(),
            held => format!("; {} are resident", bytes(held)),
        };
        let text = format!(
            "{} of {} monitored are touched in an aggregation interval at the median ({}), and {} at p95{held}.",
            bytes(median),
            bytes(monitored),
            share(part),
            bytes(most),
        );
        self.say("use", text, "report wss RECORD");
    }

    fn idle(&mut self) -> Result<(), AnalysisError> {
        // Old kernels tell no ages.
        let Ok(report) = ages(self.records, &AgesOptions { filter: self.filter.clone(), ..AgesOptions::default() })
        else {
            return Ok(());
        };
        let all: f64 = report.rows.iter().map(|row| row.bytes.0 as f64).sum();
        let edges = AgesOptions::default().edges;
        let idle = |edge: usize| -> f64 {
            let from = edges.get(edge).copied().unwrap_or_default();
            report.rows.iter().filter(|row| row.from >= from).map(|row| row.bytes.0 as f64).sum()
        };
        let length = self.record.time_span().map(|span| span.length()).unwrap_or_default();
        // The longest time for which at least half of the idle memory was idle.
        let longest = (1..edges.len()).rev().find(|edge| edges[*edge] <= length && idle(*edge) >= idle(1) / 2.0);
        let part = if all > 0.0 { idle(1) / all } else { 0.0 };
        let mut least = time_text(edges[1]);
        let for_long = match longest.filter(|longest| *longest > 1 && idle(1) > 0.0) {
            Some(longest) if idle(longest) >= NEARLY * idle(1) => {
                least = time_text(edges[longest]);
                String::new()
            }
            Some(longest) => format!(", {} of it for {} or longer", bytes(idle(longest)), time_text(edges[longest])),
            None => String::new(),
        };
        let idle = bytes(idle(1));
        let text =
            format!("At the end {idle} ({}) have not been accessed for {least} or longer{for_long}.", share(part));
        self.say("idle", text, "report ages RECORD");
        Ok(())
    }

    fn growth(&mut self, course: &Course) {
        let touched: Vec<_> =
            course.times.iter().map(|time| time.end).zip(course.working_set.iter().copied()).collect();
        let series = [
            (&course.resident, "Resident memory", "report footprints rss RECORD --sortby time"),
            (&touched, "The working set", "report wss RECORD --sortby time"),
        ];
        for (points, what, command) in series {
            if let Some(growth) = growth(points) {
                let text = format!(
                    "{what} grows all the time: from {} to {}, by {} per minute, up to the end of the record.",
                    bytes(growth.from),
                    bytes(growth.to),
                    bytes(growth.per_minute),
                );
                self.say("growth", text, command);
                return;
            }
        }
    }

    fn phases(&mut self, found: &PhasesReport) {
        let mut kinds: Vec<usize> = (0..found.kinds.len()).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(found.kinds[*kind].length));
        let text = match (found.phases.len(), found.kinds.len()) {
            (0, _) => return,
            (1, _) => "The same memory is touched all the time: the run has one phase.".to_owned(),
            (phases, count) => {
                let again = kinds.iter().filter(|kind| found.kinds[**kind].phases.len() > 1).take(MOST_KINDS);
                let again: Vec<String> =
                    again.map(|kind| format!("{} comes {}", label(*kind), found.kinds[*kind].recurrence())).collect();
                let again = if again.is_empty() { "none comes again".to_owned() } else { again.join("; ") };
                format!("The run has {phases} phases of {count} kinds: {again}.")
            }
        };
        self.say("phases", text, "report phases RECORD");
        let hot = |kind: &usize| match found.kinds[*kind].hot.is_empty() {
            true => "nothing".to_owned(),
            false => crate::phases::hot_text(&found.kinds[*kind].hot),
        };
        let (text, command) = match &kinds[..] {
            [only] => (format!("Hot: {}.", hot(only)), "report heats RECORD -o map.png"),
            several => {
                let each = several.iter().take(MOST_KINDS).map(|kind| format!("in {}: {}", label(*kind), hot(kind)));
                let each: Vec<String> = each.collect();
                let text = format!("Hot {}.", each.join("; "));
                (text, "report heats RECORD --phases -o phases.png")
            }
        };
        self.say("hot", text, command);
    }

    fn reclaim(&mut self) -> Result<(), AnalysisError> {
        let Some(best) = reclaim(self.record)? else { return Ok(()) };
        let age = time_text(best.age);
        let text = match best.saved_share {
            part if part < 0.01 => {
                format!(
                    "Reclaiming what is idle would save next to nothing: {} for {age} of idle time.",
                    bytes(best.saved)
                )
            }
            part => format!(
                "Reclaiming what is idle for {age} would save {} ({}); {} of what is paged out would come back within {}.",
                bytes(best.saved),
                share(part),
                share(best.back),
                time_text(best.within),
            ),
        };
        let age = age.replace(' ', "");
        let command =
            format!("schemes --what-if RECORD --damos_action pageout --damos_access_rate 0% 0% --damos_age {age} max");
        self.say("reclaim", text, &command);
        Ok(())
    }

    fn limit(&mut self) -> Result<(), AnalysisError> {
        let Ok(size) = right_size(self.record, &self.filter) else { return Ok(()) };
        let at = size.at(size.working_set * HEADROOM);
        let mut text = format!("A memory.high of {} (the p95 working set and 2 %) ", bytes(at.limit));
        text += &match at.refault {
            refault if refault < 1.0 => "costs nothing once memory is read.".to_owned(),
            refault => format!(
                "costs {} read back per second (waiting {} of the time); {} is enough for {} at most.",
                bytes(refault),
                share(at.waiting.min(1.0)),
                bytes(size.chosen.map_or(size.enough(), |chosen| chosen.limit)),
                share(crate::right_size::MOST_WAITING),
            ),
        };
        self.say("limit", text, "explain RECORD --right-size");
        Ok(())
    }

    fn huge_pages(&mut self) -> Result<(), AnalysisError> {
        let found = huge::huge_pages(self.record, &self.filter)?;
        let sparse = found.sparse >= MANY_BLOCKS;
        if found.dense == 0 && !sparse {
            return Ok(());
        }
        let dense = match found.dense {
            0 => "No 2 MiB block is hot as a whole".to_owned(),
            dense => format!("{} are hot in whole 2 MiB blocks: candidates for huge pages", bytes(dense as f64)),
        };
        let sparse = match (sparse, found.sparse) {
            (false, _) => String::new(),
            (true, blocks) => format!(
                "; {blocks} blocks are touched in less than a quarter ({} in all), where they would waste memory",
                bytes(found.sparse_touched as f64)
            ),
        };
        let command = "schemes --what-if RECORD --damos_action hugepage --damos_access_rate 50% 100%";
        self.say("huge pages", format!("{dense}{sparse}."), command);
        Ok(())
    }

    /// What not to trust; it comes first if the record supports no conclusions.
    fn trust(&mut self, is_short: bool) -> Result<(), AnalysisError> {
        let judged = confidence(self.record, &self.filter)?;
        let findings: Vec<String> = judged.findings().into_iter().take(MOST_FINDINGS).collect();
        let text = match findings.is_empty() {
            true => format!("Nothing speaks against these figures: {} complete snapshots.", judged.snapshots()),
            false => format!("Not to be trusted without care: {}.", findings.join("; ")),
        };
        self.say("trust", text, "doctor RECORD");
        if is_short {
            let last = self.sentences.pop();
            self.sentences.splice(0..0, last);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_records_are_words_of_a_shell() {
        let cases = [("a.damo", "a.damo"), ("-x", "./-x"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("-", "-")];
        for (name, word) in cases {
            assert_eq!(shell_word(name), word);
        }
    }
}
