//! Whether conditions hold for a run: limits of figures, by themselves or against a baseline, for gates in CI.
//!
//! Three answers: a condition holds, it does not, or the records do not tell. A limit is broken only if the whole 95 % interval
//! of a figure lies beyond it, and kept only if the figure is within it and its interval narrow enough to notice a breach;
//! anything else is not judged, with what more recording would settle it. So noise neither breaks a build nor hides a growth.

mod condition;
mod forms;
mod judge;
mod junit;

pub use condition::{Bound, Change, Condition, Limit, Subject};
pub use judge::{Culprit, Judgement, Verdict};

use crate::AnalysisError;
use crate::course::Course;
use crate::phases::{PhasesOptions, label, phase_times};
use damo_frame::Record;
use damo_model::{Nanos, TimeSpan};
use damo_report::confidence::confidence;
use damo_report::filter::Filter;
use damo_report::schemes::{SchemesOptions, SchemesReport, schemes};

/// A run that is judged: its course, and what else conditions ask for.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its figures.
    pub course: Course,
    /// Why nothing can be concluded from it: one sentence each.
    pub weaknesses: Vec<String>,
    /// What its figures suffer from without being worthless: one sentence each.
    pub notes: Vec<String>,
    /// Its phases and what their kinds are called, since the recording began.
    pub phases: Vec<(TimeSpan, String)>,
    /// What schemes did, where that was recorded.
    pub schemes: Option<SchemesReport>,
}

/// What came of a check.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// One for each condition, in the order given.
    pub judgements: Vec<Judgement>,
    /// The runs that were judged.
    pub runs: Vec<Run>,
    /// What they were compared with.
    pub baseline: Vec<Run>,
}

impl Run {
    /// What a record tells of a run, as far as these conditions need it.
    ///
    /// # Errors
    /// If the record cannot be read, or holds no snapshot.
    pub fn of(record: &Record, filter: &Filter, conditions: &[Condition]) -> Result<Run, AnalysisError> {
        let mut ages: Vec<Nanos> = conditions.iter().filter_map(Condition::age).collect();
        ages.sort_unstable();
        ages.dedup();
        let course = Course::of(record, filter, &ages)?;
        let confidence = confidence(record, filter)?;
        // What `--coverage` allows is decided there.
        let lowest = conditions.iter().find_map(Condition::coverage);
        let (mut weaknesses, mut notes) = (Vec::new(), Vec::new());
        for finding in confidence.judged() {
            let is_grave = finding.is_grave && !(finding.is_coverage && lowest.is_some());
            if is_grave { weaknesses.push(finding.text) } else { notes.push(finding.text) }
        }
        let schemes = schemes(std::slice::from_ref(record), &SchemesOptions::default()).ok();
        let since = |at: Nanos| at.saturating_sub(course.began);
        let phases = phase_times(record, &PhasesOptions { filter: filter.clone(), ..PhasesOptions::default() })?
            .into_iter()
            .map(|(time, kind)| (TimeSpan::new(since(time.start), since(time.end)), label(kind)))
            .collect();
        Ok(Run { course, weaknesses, notes, phases, schemes })
    }
}

impl CheckReport {
    /// Judges runs by conditions. Without a baseline, conditions against one are not judged, or left out if
    /// `allow_missing_baseline` says that there is none yet.
    ///
    /// # Errors
    /// If conditions contradict each other.
    pub fn new(
        conditions: &[Condition],
        runs: Vec<Run>,
        baseline: Vec<Run>,
        allow_missing_baseline: bool,
    ) -> Result<CheckReport, AnalysisError> {
        condition::contradictions(conditions)?;
        let judge = judge::Judge::new(&runs, &baseline, allow_missing_baseline);
        let judgements = conditions.iter().map(|condition| judge.judge(condition)).collect();
        Ok(CheckReport { judgements, runs, baseline })
    }

    /// The answer for all conditions: one that fails decides, else one that cannot be judged.
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.judgements.iter().any(|judgement| judgement.verdict == verdict);
        if any(Verdict::Fails) {
            Verdict::Fails
        } else if any(Verdict::NotJudged) || self.judgements.is_empty() {
            Verdict::NotJudged
        } else {
            Verdict::Holds
        }
    }
}
