//! Whether the truth lies where reports say that it lies: docs/truth.md.

mod common;

use common::truth::{Case, Judged, cases, judge};

/// The workloads whose names hold one of these words, each with some seeds.
fn judged(words: &[&str], seeds: u64) -> Vec<(&'static str, Vec<Judged>)> {
    let wanted = |case: &Case| words.iter().any(|word| case.name.contains(word));
    cases()
        .into_iter()
        .filter(wanted)
        .map(|case| (case.name, (0..seeds).map(|seed| judge(&case, seed)).collect()))
        .collect()
}

#[test]
fn true_working_sets_lie_between_the_bounds_though_accesses_are_sparse() {
    let all = judged(&["rate", "one hot page", "bursts", "ladder", "window"], 3);
    assert_eq!(all.len(), 8);
    for (name, judged) in all {
        for judged in judged {
            assert!(judged.holds(), "{name}: {judged:?}");
        }
    }
}

#[test]
fn standard_errors_of_the_checks_alone_do_not_hold_where_accesses_are_sparse() {
    // The reason for the bounds: ten times the truth, and sure of it.
    for (name, judged) in judged(&["one hot page in 16"], 3) {
        for judged in judged {
            assert!(!judged.holds_by_checks(2.0) && judged.wss.0 > 5.0 * judged.truth, "{name}: {judged:?}");
        }
    }
}

#[test]
fn bounds_are_close_where_every_page_of_a_region_is_alike() {
    for (name, judged) in judged(&["uniform", "in turn", "without ages"], 3) {
        for judged in judged {
            assert!(judged.holds(), "{name}: {judged:?}");
            let width = judged.range.1 - judged.range.0;
            assert!(width < 0.06 * judged.truth, "{name}: {judged:?}");
        }
    }
}

#[test]
fn working_sets_of_two_processes_have_the_sum_of_their_bounds() {
    for (name, judged) in judged(&["two processes"], 3) {
        for judged in judged {
            assert!(judged.holds() && judged.range.1 - judged.range.0 < 10.0, "{name}: {judged:?}");
        }
    }
}
