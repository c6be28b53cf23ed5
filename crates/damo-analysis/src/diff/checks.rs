//! Which records can be compared at all.

use super::words::seconds;
use crate::AnalysisError;
use crate::course::Course;
use damo_frame::Record;
use damo_model::Nanos;
use damo_model::human::{Show, count_text, time_text};
use std::collections::BTreeSet;

/// A run has at least so many complete snapshots, after those in which regions settle.
const FEWEST: usize = 10;
/// And lasts at least so long: what is seen in less time tells of one moment of a program.
const SHORTEST: Nanos = Nanos(1_000_000_000);
/// Snapshots of runs without known intervals are of one length up to this factor.
const SAME_LENGTH: f64 = 1.5;
/// Runs of lengths that differ by more than this factor are remarked on.
const SAME_DURATION: f64 = 1.25;

/// Sees whether records can be compared; gives what a reader should know where they can.
///
/// # Errors
/// If one is too short, or they are of different programs or intervals and not to be compared `anyway`.
pub(super) fn comparable(
    [base_records, new_records]: [&[Record]; 2],
    [base, new]: [&[Course]; 2],
    anyway: bool,
) -> Result<Vec<String>, AnalysisError> {
    let Some(first) = base.first() else { return Err(AnalysisError::invalid("there is no record of the base")) };
    let mut notes = Vec::new();
    for course in base.iter().chain(new) {
        long_enough(course)?;
    }
    let mut differs = |why: Option<String>| match why {
        Some(why) if !anyway => Err(AnalysisError::invalid(format!("{why}; --anyway compares them all the same"))),
        why => {
            notes.extend(why);
            Ok(())
        }
    };
    differs(other_programs([base_records, new_records], [base, new]))?;
    for course in base.iter().chain(new).skip(1) {
        differs(other_intervals(first, course))?;
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

fn other_programs(records: [&[Record]; 2], courses: [&[Course]; 2]) -> Option<String> {
    let physical = records.map(|side| side.iter().any(|record| record.meta().ops == Some(damo_model::Ops::Paddr)));
    if physical[0] != physical[1] {
        let (one, other) = if physical[0] { ("the base", "the new side") } else { ("the new side", "the base") };
        return Some(format!("{one} is of physical memory and {other} of processes: they have nothing in common"));
    }
    let names = courses.map(|side| {
        let all = side.iter().flat_map(|course| &course.processes).filter(|name| !name.is_empty());
        all.map(String::as_str).collect::<BTreeSet<_>>()
    });
    let [base, new] = &names;
    if base.is_empty() || new.is_empty() || !base.is_disjoint(new) {
        return None;
    }
    let [base, new] = names.map(|names| names.into_iter().collect::<Vec<_>>().join(", "));
    Some(format!("the base is of {} and the new side of {}: different programs", base.shown(), new.shown()))
}

fn other_intervals(first: &Course, other: &Course) -> Option<String> {
    let same = match (first.intervals, other.intervals) {
        (Some(a), Some(b)) => a.aggregation == b.aggregation && a.sample == b.sample,
        _ => {
            let lengths = [first, other].map(|course| median_length(course).0 as f64);
            lengths[0].max(lengths[1]) <= lengths[0].min(lengths[1]) * SAME_LENGTH
        }
    };
    let of = |course: &Course| match course.intervals {
        Some(intervals) => {
            format!("{} every {}", time_text(intervals.sample), time_text(intervals.aggregation))
        }
        None => format!("snapshots of {}", time_text(median_length(course))),
    };
    (!same).then(|| {
        format!(
            "{} and {} have different intervals ({} and {}): the longer a snapshot, the more memory is accessed in it, so \
             that their working sets are not comparable",
            first.record.shown(),
            other.record.shown(),
            of(first),
            of(other)
        )
    })
}

fn median_length(course: &Course) -> Nanos {
    let mut lengths: Vec<Nanos> = course.times.iter().map(|time| time.length()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or_default()
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
