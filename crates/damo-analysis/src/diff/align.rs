//! Which times of two runs belong together.

use super::AlignBy;
use crate::AnalysisError;
use crate::compare::Alignment;
use crate::course::Course;
use damo_model::human::Show;

/// How times were aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlignedBy {
    /// By so many marks that all runs have.
    Marks(usize),
    /// By share of the run.
    Share,
}

impl AlignedBy {
    /// Where in a new run is what is at a place of a base run.
    pub(super) fn alignment(self, base: &Course, new: &Course) -> Alignment {
        match self {
            AlignedBy::Marks(_) => by_marks(base, new),
            AlignedBy::Share => Alignment::default(),
        }
    }
}

/// Chooses what is possible for all pairs of runs.
///
/// # Errors
/// If marks are asked for and two runs have none in common.
pub(super) fn choose(wanted: AlignBy, base: &[Course], new: &[Course]) -> Result<AlignedBy, AnalysisError> {
    let pairs = base.iter().flat_map(|base| new.iter().map(move |new| (base, new)));
    let counts = pairs.map(|(base, new)| (by_marks(base, new).knots.len(), base, new));
    let fewest = counts.min_by_key(|(count, ..)| *count);
    match (wanted, fewest) {
        (AlignBy::Auto | AlignBy::Marks, Some((count @ 1.., ..))) => Ok(AlignedBy::Marks(count)),
        (AlignBy::Marks, Some((_, base, new))) => Err(AnalysisError::invalid(format!(
            "--align marks: {} and {} have no mark of the same text within the time that is compared; `damo mark` adds \
             marks while a program is recorded",
            base.record.shown(),
            new.record.shown()
        ))),
        _ => Ok(AlignedBy::Share),
    }
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
        let mut all: Vec<_> = course.marks.iter().map(place).filter(|(share, _)| (0.0..=1.0).contains(share)).collect();
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
    use damo_model::{Nanos, TimeSpan};

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
        assert_eq!(choose(AlignBy::Auto, &base, &[new]).unwrap(), AlignedBy::Marks(2));
        assert_eq!(choose(AlignBy::Auto, &base, &plain).unwrap(), AlignedBy::Share);
        assert!(choose(AlignBy::Marks, &base, &plain).is_err());
    }
}
