//! Whether the figures of runs can be compared at all: `damo diff` refuses what cannot be, and `damo check` does not judge it.

use crate::course::Course;
use damo_model::Nanos;
use damo_model::human::{Show, time_text};
use std::collections::BTreeSet;

/// Intervals that may differ by so much are the same: aggregations on a loaded machine run late.
const SAME_INTERVAL: f64 = 0.1;
/// Snapshots of runs without known intervals are of one length up to this factor.
const SAME_LENGTH: f64 = 1.5;

/// Why runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Incomparable {
    /// One side is of physical memory, the other one of processes.
    #[error("{physical} is of physical memory and {processes} of processes: they have nothing in common")]
    OperationsSets {
        /// The side that is of physical memory.
        physical: &'static str,
        /// The other side.
        processes: &'static str,
    },
    /// No process of one side has the name of one of the other side.
    #[error("the base is of {base} and the new side of {new}: different programs")]
    Programs {
        /// Names of the base's processes.
        base: String,
        /// Names of the new side's processes.
        new: String,
    },
    /// What is accessed within a snapshot depends on how long it lasts and how often it is sampled.
    #[error(
        "{first} and {other} have different intervals ({of_first} and {of_other}): the longer a snapshot, the more memory is \
         accessed in it; record both with the same"
    )]
    Intervals {
        /// The name of one record.
        first: String,
        /// Its sampling and aggregation interval, as text.
        of_first: String,
        /// The name of another one.
        other: String,
        /// Its sampling and aggregation interval, as text.
        of_other: String,
    },
}

/// Why two sides of runs are not of one program; `None` if they are, or nothing is known of it.
pub(crate) fn other_programs<R: AsRef<Course>>(base: &[R], new: &[R]) -> Option<Incomparable> {
    let physical = [base, new].map(|side| side.iter().any(|run| run.as_ref().is_physical));
    if physical[0] != physical[1] {
        let [physical, processes] =
            if physical[0] { ["the base", "the new side"] } else { ["the new side", "the base"] };
        return Some(Incomparable::OperationsSets { physical, processes });
    }
    let names = [base, new].map(|side| {
        let all = side.iter().flat_map(|run| &run.as_ref().processes).filter(|name| !name.is_empty());
        all.map(String::as_str).collect::<BTreeSet<_>>()
    });
    if names.iter().any(BTreeSet::is_empty) || !names[0].is_disjoint(&names[1]) {
        return None;
    }
    let [base, new] = names.map(|names| names.into_iter().collect::<Vec<_>>().join(", ").shown().to_string());
    Some(Incomparable::Programs { base, new })
}

/// The first run whose intervals are not those of the first one of all.
pub(crate) fn other_intervals<R: AsRef<Course>>(base: &[R], new: &[R]) -> Option<Incomparable> {
    let mut runs = base.iter().chain(new).map(AsRef::as_ref);
    let first = runs.next()?;
    let other = runs.find(|other| !have_same_intervals(first, other))?;
    let of = |course: &Course| match course.intervals {
        Some(intervals) => format!("{} every {}", time_text(intervals.sample), time_text(intervals.aggregation)),
        None => format!("snapshots of {}", time_text(median_length(course))),
    };
    Some(Incomparable::Intervals {
        first: first.record.shown().to_string(),
        of_first: of(first),
        other: other.record.shown().to_string(),
        of_other: of(other),
    })
}

fn have_same_intervals(a: &Course, b: &Course) -> bool {
    let ratio = |a: Nanos, b: Nanos| a.0.max(b.0) as f64 / a.0.min(b.0).max(1) as f64;
    match (a.intervals, b.intervals) {
        (Some(a), Some(b)) => {
            let most = 1.0 + SAME_INTERVAL;
            ratio(a.aggregation, b.aggregation) <= most && ratio(a.sample, b.sample) <= most
        }
        _ => ratio(median_length(a), median_length(b)) <= SAME_LENGTH,
    }
}

fn median_length(course: &Course) -> Nanos {
    let mut lengths: Vec<Nanos> = course.times.iter().map(|time| time.length()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Intervals, TimeSpan};

    fn run(aggregation_ms: Option<i64>, process: &str) -> Course {
        let length = Nanos::from_millis(aggregation_ms.unwrap_or(100));
        let time = |n: i64| TimeSpan::new(Nanos(n * length.0), Nanos((n + 1) * length.0));
        let intervals = aggregation_ms.map(|_| Intervals { aggregation: length, ..Intervals::default() });
        Course { times: (0..9).map(time).collect(), intervals, processes: vec![process.into()], ..Course::default() }
    }

    #[test]
    fn intervals_are_the_same_if_they_differ_by_no_more_than_a_tenth() {
        let differ = |base, new| other_intervals(&[run(base, "a")], &[run(base, "a"), run(new, "a")]).is_some();
        assert!(!differ(Some(100), Some(110)) && differ(Some(100), Some(111)) && differ(Some(111), Some(100)));
        assert!(!differ(None, Some(150)) && differ(None, Some(151)));
    }

    #[test]
    fn programs_are_told_apart_by_their_processes_and_by_the_kind_of_memory() {
        let [server, client, unknown] = ["server", "client", ""].map(|name| [run(None, name)]);
        assert_eq!(other_programs(&server, &server), None);
        assert_eq!(other_programs(&server, &unknown), None);
        let said = other_programs(&server, &client).map(|why| why.to_string());
        assert_eq!(said.as_deref(), Some("the base is of server and the new side of client: different programs"));
        let physical = [Course { is_physical: true, ..run(None, "") }];
        let said = other_programs(&server, &physical).map(|why| why.to_string());
        assert!(said.is_some_and(|said| said.starts_with("the new side is of physical memory")));
    }
}
