//! Which records can be compared at all.

use super::words::seconds;
use crate::AnalysisError;
use crate::comparable::{other_intervals, other_programs};
use crate::course::Course;
use damo_model::Nanos;
use damo_model::human::{Show, count_text, time_text};

/// A run has at least so many complete snapshots, after those in which regions settle.
const FEWEST: usize = 10;
/// And lasts at least so long: what is seen in less time tells of one moment of a program.
const SHORTEST: Nanos = Nanos(1_000_000_000);
/// Runs of lengths that differ by more than this factor are remarked on.
const SAME_DURATION: f64 = 1.25;

/// Sees whether records can be compared; gives what a reader should know where they can.
///
/// # Errors
/// If one is too short, or they are of different programs or intervals and not to be compared `anyway`.
pub(super) fn comparable(base: &[Course], new: &[Course], anyway: bool) -> Result<Vec<String>, AnalysisError> {
    if base.is_empty() {
        return Err(AnalysisError::invalid("there is no record of the base"));
    }
    for course in base.iter().chain(new) {
        long_enough(course)?;
    }
    let differences = other_programs(base, new).into_iter().chain(other_intervals(base, new));
    let mut notes: Vec<String> = differences.map(|why| why.to_string()).collect();
    if let Some(why) = notes.first().filter(|_| !anyway) {
        return Err(AnalysisError::invalid(format!("{why}; --anyway compares them all the same")));
    }
    notes.extend(other_lengths(base, new));
    Ok(notes)
}

fn long_enough(course: &Course) -> Result<(), AnalysisError> {
    let is_settled = course.used.left_out > 0 || course.is_exact;
    if is_settled && course.times.len() >= FEWEST && course.length() >= SHORTEST {
        return Ok(());
    }
    let first = if course.is_exact {
        ""
    } else {
        " (the first ones of a recording, while DAMON's regions settle, do not count)"
    };
    Err(AnalysisError::invalid(format!(
        "{}: {} over {} are too few to compare{first}; record for longer: a minute of a steady program is a good start",
        course.record.shown(),
        count_text(course.times.len() as u64, "complete snapshot"),
        time_text(course.length())
    )))
}

fn other_lengths(base: &[Course], new: &[Course]) -> Option<String> {
    let mean = |runs: &[Course]| runs.iter().map(|run| run.length().0 as f64).sum::<f64>() / runs.len().max(1) as f64;
    let (base, new) = (mean(base), mean(new));
    (base.max(new) > base.min(new) * SAME_DURATION).then(|| {
        let [base, new] = [base, new].map(|nanos| seconds(Nanos(nanos as i64)));
        format!(
            "the runs last {base} and {new}, and the figures are of the whole of each: if the program does other things later \
             on, compare parts with --snapshot_time"
        )
    })
}
