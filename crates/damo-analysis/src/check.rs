//! Whether conditions hold for a run: limits of figures, by themselves or against a baseline, for gates in CI.
//!
//! Three answers: a condition holds, it does not, or the records do not tell. A limit is broken only if the whole 95 % interval
//! of a figure lies beyond it, and kept only if the figure is within it and its interval narrow enough to notice a breach;
//! anything else is not judged, with what more recording would settle it. So noise neither breaks a build nor hides a growth.

mod blame;
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
use damo_report::confidence::Judging;
use damo_report::filter::Filter;
use damo_report::schemes::{SchemesOptions, SchemesReport, schemes};

/// A run that is judged: its course, and what else conditions ask for.
#[derive(Clone, Debug)]
pub struct Run {
    /// What its snapshots measure, of which figures are made.
    pub course: Course,
    /// Why nothing can be concluded from it: one sentence each.
    pub weaknesses: Vec<String>,
    /// What its figures suffer from without being worthless: one sentence each.
    pub notes: Vec<String>,
    /// What schemes did, where that was recorded and a condition asks for it.
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
        // Both of one pass over the record.
        let mut confidence = Judging::new(record);
        let course = Course::read(record, filter, &ages, |rows| confidence.take(rows))?;
        // What `--coverage` allows is decided there.
        let lowest = conditions.iter().find_map(Condition::coverage);
        let (mut weaknesses, mut notes) = (Vec::new(), Vec::new());
        for finding in confidence.finish(record).judged() {
            let is_grave = finding.is_grave && !(finding.is_coverage && lowest.is_some());
            if is_grave { weaknesses.push(finding.text) } else { notes.push(finding.text) }
        }
        let wants_schemes = conditions.iter().any(|condition| condition.subject == Subject::Quota);
        let schemes = wants_schemes.then(|| schemes(std::slice::from_ref(record), &SchemesOptions::default()).ok());
        Ok(Run { course, weaknesses, notes, schemes: schemes.flatten() })
    }
}

impl AsRef<Course> for Run {
    fn as_ref(&self) -> &Course {
        &self.course
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
        let judge = judge::Judge { runs: &runs, baseline: &baseline, allow_missing_baseline };
        let judgements = conditions.iter().map(|condition| judge.judge(condition)).collect();
        Ok(CheckReport { judgements, runs, baseline })
    }

    /// Finds the phases in which figures are beyond their limits. `record` is the one of the first run, and `filter` what it was
    /// made with; it is read only if a condition fails at a time that is known.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn find_phases(&mut self, record: &Record, filter: &Filter) -> Result<(), AnalysisError> {
        let Some(began) = self.runs.first().map(|run| run.course.began) else { return Ok(()) };
        if self.judgements.iter().all(|judgement| judgement.when.is_none()) {
            return Ok(());
        }
        let phases = phase_times(record, &PhasesOptions { filter: filter.clone(), ..PhasesOptions::default() })?;
        let since = |at: Nanos| at.saturating_sub(began);
        for judgement in &mut self.judgements {
            let Some(when) = judgement.when.filter(|_| phases.len() > 1) else { continue };
            let shared =
                |time: &TimeSpan| since(time.end).min(when.end).saturating_sub(since(time.start).max(when.start)).0;
            let most = phases.iter().enumerate().max_by_key(|(_, (time, _))| shared(time));
            let half = most.filter(|(_, (time, _))| shared(time) * 2 > when.length().0);
            judgement.phase = half.map(|(number, (_, kind))| (number + 1, label(*kind)));
        }
        Ok(())
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
