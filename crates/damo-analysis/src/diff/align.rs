//! Which times of two runs belong together.

use super::AlignBy;
use crate::AnalysisError;
use crate::compare::Alignment;
use crate::course::Course;
use crate::phases::{PhasesOptions, label, phase_times};
use damo_frame::Record;
use damo_model::TimeSpan;
use damo_model::human::{Show, count_text};
use damo_report::filter::Filter;

/// How times were aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlignedBy {
    /// By so many marks that all runs have.
    Marks(usize),
    /// By so many phases that all runs have.
    Phases(usize),
    /// By share of the run.
    Share,
}

impl AlignedBy {
    /// Where in a new run is what is at a place of a base run.
    pub(super) fn alignment(self, base: &Course, new: &Course) -> Alignment {
        match self {
            AlignedBy::Marks(_) | AlignedBy::Phases(_) => by_marks(base, new),
            AlignedBy::Share => Alignment::default(),
        }
    }
}

/// Chooses what is possible for all pairs of runs. `parts` are their records, those of the base first, with what is compared of
/// each. Where it is phases, their beginnings become the courses' marks.
///
/// # Errors
/// If what is asked for is not possible.
pub(super) fn choose<'r>(
    wanted: AlignBy,
    parts: impl Iterator<Item = (&'r Record, &'r Filter)>,
    runs: [&mut Vec<Course>; 2],
) -> Result<AlignedBy, AnalysisError> {
    let [base, new] = runs;
    if matches!(wanted, AlignBy::Auto | AlignBy::Marks)
        && let Some(count) = common_marks(base, new, wanted == AlignBy::Marks)?
    {
        return Ok(AlignedBy::Marks(count));
    }
    if matches!(wanted, AlignBy::Auto | AlignBy::Phases)
        && let Some(count) = common_phases(wanted, parts, [base, new])?
    {
        return Ok(AlignedBy::Phases(count));
    }
    Ok(AlignedBy::Share)
}

/// How many marks all pairs of runs have in common, if any.
fn common_marks(base: &[Course], new: &[Course], are_asked: bool) -> Result<Option<usize>, AnalysisError> {
    let pairs = base.iter().flat_map(|base| new.iter().map(move |new| (base, new)));
    let counts = pairs.map(|(base, new)| (by_marks(base, new).knots.len(), base, new));
    match counts.min_by_key(|(count, ..)| *count) {
        Some((count @ 1.., ..)) => Ok(Some(count)),
        Some((_, base, new)) if are_asked => Err(AnalysisError::invalid(format!(
            "--align marks: {} and {} have no mark of the same text within the time that is compared; `damo mark` adds \
             marks while a program is recorded",
            base.record.shown(),
            new.record.shown()
        ))),
        _ => Ok(None),
    }
}

/// How many phases the runs have, if all have the same kinds in the same order.
fn common_phases<'r>(
    wanted: AlignBy,
    parts: impl Iterator<Item = (&'r Record, &'r Filter)>,
    runs: [&mut Vec<Course>; 2],
) -> Result<Option<usize>, AnalysisError> {
    let phases = |(record, filter): (&Record, &Filter)| {
        phase_times(record, &PhasesOptions { filter: filter.clone(), ..PhasesOptions::default() })
    };
    let found = parts.map(phases).collect::<Result<Vec<_>, _>>()?;
    let kinds = |phases: &[(TimeSpan, usize)]| phases.iter().map(|(_, kind)| *kind).collect::<Vec<_>>();
    let Some(first) = found.first().map(|phases| kinds(phases)) else { return Ok(None) };
    let other = found.iter().position(|phases| kinds(phases) != first);
    if wanted == AlignBy::Phases
        && let Some((other, course)) =
            other.and_then(|at| Some((at, runs.iter().flat_map(|side| side.iter()).nth(at)?)))
    {
        let counts = [first.len(), found[other].len()].map(|count| count_text(count as u64, "phase"));
        return Err(AnalysisError::invalid(format!(
            "--align phases: the runs have other phases than one another ({}, and {} in {}); `damo report phases` lists them",
            counts[0],
            counts[1],
            course.record.shown()
        )));
    }
    if other.is_some() || (first.len() < 2 && wanted == AlignBy::Auto) {
        return Ok(None);
    }
    for (course, phases) in runs.into_iter().flatten().zip(found) {
        let mark =
            |(number, (time, kind)): (usize, (TimeSpan, usize))| (time.start, format!("{number} {}", label(kind)));
        course.marks = (1..).zip(phases).map(mark).collect();
    }
    Ok(Some(first.len()))
}

/// Aligns marks of the same text, in the order of the base.
fn by_marks(base: &Course, new: &Course) -> Alignment {
    let places = |course: &Course| -> Vec<(f64, String)> {
        let Some(first) = course.times.first() else { return Vec::new() };
        let length = course.length().0.max(1) as f64;
        let place = |(at, text): &(_, String)| {
            let share = damo_model::Nanos::saturating_sub(*at, first.start).0 as f64 / length;
            (share, text.clone())
        };
        let mut all: Vec<_> =
            course.marks.iter().map(place).filter(|(share, _)| 0.0 < *share && *share < 1.0).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    };
    let (base, new) = (places(base), places(new));
    let mut from = 0;
    let mut knots = Vec::new();
    for (share, text) in &base {
        let found = new.iter().skip(from).position(|(_, other)| other == text);
        if let Some(at) = found.map(|at| from + at) {
            knots.push((*share, new[at].0));
            from = at + 1;
        }
    }
    Alignment { knots }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Nanos;

    fn run(seconds: i64, marks: &[(i64, &str)]) -> Course {
        let second = |at| TimeSpan::new(Nanos::from_secs(at), Nanos::from_secs(at + 1));
        let marks = marks.iter().map(|(at, text)| (Nanos::from_secs(*at), (*text).to_owned())).collect();
        Course { times: (0..seconds).map(second).collect(), marks, ..Course::default() }
    }

    #[test]
    fn marks_of_one_text_are_at_the_same_place() {
        let base = run(100, &[(10, "begin"), (50, "load"), (90, "end"), (200, "after")]);
        let new = run(200, &[(5, "noise"), (40, "load"), (150, "end")]);
        let alignment = by_marks(&base, &new);
        assert_eq!(alignment.knots, [(0.5, 0.2), (0.9, 0.75)]);
        assert!((alignment.place(0.25) - 0.1).abs() < 1e-9 && (alignment.place(1.0) - 1.0).abs() < 1e-9);
        let (base, plain) = ([base], [run(9, &[])]);
        assert_eq!(common_marks(&base, &[new], true).unwrap(), Some(2));
        assert_eq!(common_marks(&base, &plain, false).unwrap(), None);
        assert!(common_marks(&base, &plain, true).is_err());
    }
}
