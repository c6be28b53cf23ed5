//! What a record made without a scheme predicts, against what the scheme then does to the same simulated workload.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::predictions::*;
use damo_frame::Record;
use damo_model::scheme::Action;
use damo_model::{Item, Nanos};
use damo_report::suggest::{self, Goal, suggest};
use damo_report::whatif::{self, WhatIf, what_if};
use damo_sim::{Options, builtin};

#[test]
fn a_record_made_before_predicts_the_saving_of_the_scheme_within_a_quarter() {
    let all = [idle_for("1 s"), idle_for("2 s"), idle_for("5 s"), idle_for("10 s")];
    let all = schemes(&all.each_ref().map(String::as_str));
    let mut errors = Vec::new();
    for case in cases() {
        for seed in [0, 7] {
            for compared in predicted_and_shown(&case, &all, seed) {
                compared.assert_close(0.25, LITTLE);
                if compared.shown > 0.1 * compared.resident {
                    errors.push((compared.predicted - compared.shown).abs() / compared.shown);
                }
                // What comes back is harder to tell, and told as too much rather than too little.
                let (predicted, shown) = compared.back;
                assert!(predicted > 0.8 * shown - 0.01 * compared.resident, "{compared:?}");
                assert!(predicted < 1.25 * shown + 0.05 * compared.resident, "{compared:?}");
            }
        }
    }
    assert!(errors.len() > 40, "{} cases in which much is saved", errors.len());
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean < 0.04, "mean error {mean}");
}

#[test]
fn under_quotas_and_priorities_the_saving_is_told_as_well() {
    let all = [
        under_quota("2 s", "1 MiB"),
        under_quota("1 s", "16 MiB"),
        under_quota("0 s", "4 MiB"),
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "1 s"}},
            "quotas": {"time_ms": 5, "reset_interval_ms": "1 s"}}"#
            .to_owned(),
    ];
    let all = schemes(&all.each_ref().map(String::as_str));
    for case in cases() {
        predicted_and_shown(&case, &all, 3).iter().for_each(|compared| compared.assert_close(0.2, LITTLE_UNDER_QUOTA));
    }
}

fn report(case: &Case, json: &str) -> WhatIf {
    let (plain, _) = run(&case.workloads, &case.options);
    what_if(&Record::from_items(&plain).unwrap(), &schemes(&[json]), &whatif::WhatIfOptions::default()).unwrap()
}

#[test]
fn a_quota_is_held_and_filters_are_told_one_by_one() {
    let case = builtin_case(&builtin::STAIRS, 1);
    let whole = report(&case, &idle_for("2 s"));
    let limited = report(&case, &under_quota("2 s", "1 MiB"));
    let [all, few] = [&whole, &limited].map(|report| &report.outcomes[0]);
    assert!(few.sums.applied <= 61.0 * f64::from(1 << 20), "{}", few.sums.applied);
    assert!(few.sums.used_up > 30 && all.sums.used_up == 0);
    assert!(
        few.sums.matched_each().1 > few.sums.applied / few.sums.applications as f64 * 2.0,
        "what fits is more than what may go"
    );
    assert!(few.mean.saved() < all.mean.saved());
    let sums: f64 = few.course.iter().map(|point| point.counts.applied).sum();
    assert!((sums - few.sums.applied).abs() < 1.0, "the course adds up");

    // The lower half of the address space is kept out; the rest is as before.
    let (plain, _) = run(&case.workloads, &case.options);
    let areas: Vec<_> = plain.iter().filter_map(|i| if let Item::Snapshot(s) = i { Some(s) } else { None }).collect();
    let regions = &areas[areas.len() / 2].regions;
    let (start, end) = (regions[0].start.0, regions[regions.len() / 2].start.0);
    let json = format!(
        r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": 0}}, "age": {{"min": "2 s"}}}}, "filters": [
            {{"filter_type": "addr", "matching": true, "allow": false, "address_range": {{"start": {start}, "end": {end}}}}},
            {{"filter_type": "target", "matching": true, "allow": false, "damon_target_idx": 7}},
            {{"filter_type": "anon", "matching": true, "allow": false}}]}}"#
    );
    let outcome = report(&case, &json).outcomes.remove(0);
    let [addresses, target, anon] = [0, 1, 2].map(|i| outcome.kept[i]);
    assert_eq!(
        (addresses.0, target, anon.0),
        (whatif::Knowledge::Exact, (whatif::Knowledge::Exact, 0.0), whatif::Knowledge::Ignored)
    );
    let matched: f64 = outcome.course.iter().map(|point| point.counts.matched).sum();
    assert!(addresses.1 > 0.0 && (addresses.1 + outcome.sums.applied - matched).abs() < 1.0, "{outcome:?}");
    assert!(outcome.mean.saved() > 0.0 && outcome.mean.saved() < all.mean.saved());
}

#[test]
fn figures_of_a_scheme_do_not_depend_on_what_else_is_tried() {
    let case = builtin_case(&builtin::PAIR, 1);
    let (plain, _) = run(&case.workloads, &case.options);
    let record = Record::from_items(&plain).unwrap();
    let first = plain.iter().find_map(|i| if let Item::Snapshot(s) = i { s.regions.first() } else { None }).unwrap();
    let (start, end) = (first.start.0, first.start.0 + (5 << 20));
    let filtered = format!(
        r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": 0}}, "age": {{"min": "1 s"}}}}, "filters": [
            {{"filter_type": "addr", "matching": true, "allow": false, "address_range": {{"start": {start}, "end": {end}}}}}]}}"#
    );
    let all = [
        idle_for("2 s"),
        under_quota("2 s", "1 MiB"),
        filtered,
        r#"{"action": "hugepage", "access_pattern": {"nr_accesses": {"min": "5 %"}}}"#.to_owned(),
        r#"{"action": "lru_prio", "access_pattern": {"nr_accesses": {"min": "5 %"}}}"#.to_owned(),
    ];
    let all = schemes(&all.each_ref().map(String::as_str));
    let together = what_if(&record, &all, &whatif::WhatIfOptions::default()).unwrap();
    for (nth, scheme) in all.iter().enumerate() {
        let alone = what_if(&record, std::slice::from_ref(scheme), &whatif::WhatIfOptions::default()).unwrap();
        let [alone, beside] = [&alone.outcomes[0], &together.outcomes[nth]];
        assert!(alone.sums.applied > 0.0, "{scheme:?}");
        assert_eq!(format!("{alone:?}"), format!("{beside:?}"));
        assert_eq!(alone.mean.without, together.outcomes[0].mean.without, "{scheme:?}");
    }
    // A quota that is never used up is none.
    let [none, vast] = [idle_for("2 s"), under_quota("2 s", "1 TiB")].map(|json| {
        let outcome =
            what_if(&record, &schemes(&[&json]), &whatif::WhatIfOptions::default()).unwrap().outcomes.remove(0);
        (outcome.sums, outcome.mean, outcome.course)
    });
    assert_eq!(none, vast);
}

#[test]
fn what_was_moved_shortly_before_the_record_ends_is_undecided() {
    let case = builtin_case(&builtin::STAIRS, 1);
    let (plain, _) = run(&case.workloads, &case.options);
    let record = Record::from_items(&plain).unwrap();
    let of = |seconds| {
        let options =
            whatif::WhatIfOptions { refault_within: Nanos::from_secs(seconds), ..whatif::WhatIfOptions::default() };
        what_if(&record, &schemes(&[&idle_for("5 s")]), &options).unwrap().outcomes.remove(0)
    };
    let [short, long] = [of(1), of(600)];
    assert!(short.undecided < long.undecided);
    // Of a record of a minute nothing was followed for ten: all that is still out, and was not freed, may come back.
    let still_out = long.sums.changed - long.sums.back;
    assert!((0.85..=1.0).contains(&(long.undecided / still_out)), "{} {still_out}", long.undecided);
    assert!(long.back_share() < long.back_share_at_most() && long.back_share_at_most() <= 1.0);
}

#[test]
fn what_is_moved_for_being_hot_or_cold_follows_the_workload() {
    let case = builtin_case(&builtin::STAIRS, 1);
    let hot = report(&case, r#"{"action": "lru_prio", "access_pattern": {"nr_accesses": {"min": "50 %"}}}"#);
    let cold = report(
        &case,
        r#"{"action": "migrate_cold", "target_nid": 1, "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "2 s"}}}"#,
    );
    let stat = report(&case, r#"{"action": "stat", "access_pattern": {"nr_accesses": {"min": "5 %"}}}"#);
    let [hot, cold, stat] = [hot, cold, stat].map(|mut report| report.outcomes.remove(0));
    // A step of ten megabytes at a time is hot, the other nine are cold, from 10 s on.
    let late = |outcome: &whatif::Outcome| {
        let points = &outcome.course[outcome.course.len() / 2..];
        points.iter().filter_map(|p| p.memory).map(|m| m.moved).sum::<f64>() / points.len() as f64
    };
    assert!((8e6..14e6).contains(&late(&hot)), "{}", late(&hot));
    assert!((75e6..92e6).contains(&late(&cold)), "{}", late(&cold));
    assert_eq!((hot.mean.saved(), cold.mean.saved(), stat.sums.changed), (0.0, 0.0, 0.0), "all of it stays resident");
    assert!(stat.sums.applied > 0.0);
}

#[test]
fn the_scheme_suggested_keeps_its_promise_when_it_runs() {
    for (case, text) in [
        (builtin_case(&builtin::STAIRS, 1), "refault < 50%"),
        (case("mixed", MIXED, 120), "waiting < 15ms/s"),
        (case("sparse", SPARSE, 120), "saving > 40%"),
    ] {
        let (plain, _) = run(&case.workloads, &case.options);
        let options = suggest::SuggestOptions {
            action: Action::Pageout,
            goals: vec![Goal::parse(text).unwrap()],
            whatif: whatif::WhatIfOptions::default(),
        };
        let suggestion = suggest(&Record::from_items(&plain).unwrap(), &options).unwrap();
        let choice = suggestion.choice().unwrap();
        assert!(choice.meets, "{}: {choice:?}", case.name);
        let better = |t: &&suggest::Tried| t.meets && t.outcome.mean.saved() * 0.98 > choice.outcome.mean.saved();
        assert!(
            text.starts_with("saving") || !suggestion.tried.iter().any(|t| better(&t)),
            "nothing allowed saves much more"
        );
        let compared = predicted_and_shown(&case, std::slice::from_ref(&choice.outcome.scheme), 5).remove(0);
        compared.assert_close(0.25, LITTLE);
        assert!(compared.shown > 0.1 * compared.resident, "{compared:?}");
    }
}

#[test]
fn along_the_best_trade_offs_more_saved_is_more_that_comes_back() {
    let (plain, _) =
        run(&builtin::STAIRS.workloads(), &Options { duration: Some(Nanos::from_secs(120)), ..Options::default() });
    let options = suggest::SuggestOptions {
        action: Action::Pageout,
        goals: Vec::new(),
        whatif: whatif::WhatIfOptions::default(),
    };
    let suggestion = suggest(&Record::from_items(&plain).unwrap(), &options).unwrap();
    let mut best: Vec<(f64, f64)> =
        suggestion.tried.iter().filter(|t| t.best).map(|t| (t.outcome.mean.saved(), t.outcome.back_share())).collect();
    best.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(best.len() > 2 && best.is_sorted_by(|a, b| a.1 < b.1), "{best:?}");
    for tried in &suggestion.tried {
        let point = (tried.outcome.mean.saved(), tried.outcome.back_share());
        assert!(
            best.iter().any(|b| b.0 >= point.0 && b.1 <= point.1) || tried.outcome.sums.changed == 0.0,
            "{tried:?}"
        );
    }
}

#[test]
fn what_is_saved_and_accessed_again_lies_in_the_ranges_in_nine_of_ten_runs() {
    let all = schemes(&[idle_for("1 s"), rarely_accessed("2 s")].each_ref().map(String::as_str));
    let chosen = ["uniform hot area", "two rates, one of 2 %", "one hot page in 16", "bursts of 10 ms in 100"];
    let chosen = [&chosen[..], &["growing heap", "two processes", "physical memory", "at most 100 regions"]].concat();
    let of_truth = cases_of_truth().into_iter().filter(|case| chosen.contains(&case.name));
    let mut coverage = Coverage::default();
    for case in cases().into_iter().chain(of_truth) {
        coverage.add(&case, &all, 11);
    }
    assert_eq!(coverage.judged, 30);
    assert!(coverage.saved >= 27 && coverage.back >= 26, "{coverage:#?}");
}

#[test]
fn of_physical_memory_a_saving_is_promised_at_most() {
    // All of the idle memory is free here, and nothing of it can be saved.
    let case = cases_of_truth().into_iter().find(|case| case.name == "physical memory").unwrap();
    let report = report(&case, &idle_for("1 s"));
    let outcome = &report.outcomes[0];
    let range = outcome.range.unwrap();
    assert!(range.saved.0 == 0.0 && range.saved.1 >= outcome.mean.saved(), "{range:?}");
    assert!(report.notes.iter().any(|note| note.contains("free or the kernel's")), "{:?}", report.notes);
}
