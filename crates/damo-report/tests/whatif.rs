//! What a record made without a scheme predicts, against what the scheme then does to the same simulated workload.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use damo_frame::Record;
use damo_model::scheme::Scheme;
use damo_model::{Item, Nanos, Side, Stamp};
use damo_report::whatif::{self, WhatIf, what_if};
use damo_sim::{Options, Outcome, Workload, builtin, simulate};
use std::ops::ControlFlow;

fn run(workloads: &[Workload], options: &Options) -> (Vec<Item>, Outcome) {
    let mut items = Vec::new();
    let outcome = simulate(workloads, options, &mut items, &mut |_| ControlFlow::Continue(())).unwrap();
    (items, outcome)
}

fn schemes(json: &[&str]) -> Vec<Scheme> {
    json.iter().map(|json| serde_json::from_str(json).unwrap()).collect()
}

/// Mean resident bytes of all processes from `from` on.
fn mean_rss(items: &[Item], from: Nanos) -> f64 {
    let (mut sum, mut moments) = (0.0, std::collections::BTreeSet::new());
    for item in items {
        if let Item::Side(Side::Process(row)) = item
            && row.at > Stamp::Record(from)
        {
            sum += row.footprint.rss.unwrap().0 as f64;
            moments.insert(row.at);
        }
    }
    sum / moments.len() as f64
}

/// A workload that is monitored.
struct Case {
    name: &'static str,
    workloads: Vec<Workload>,
    options: Options,
}

fn builtin_case(builtin: &builtin::Builtin, rounds: i64) -> Case {
    let options = builtin.options();
    let duration = options.duration.map(|duration| Nanos(duration.0 * rounds));
    Case { name: builtin.name, workloads: builtin.workloads(), options: Options { duration, ..options } }
}

fn case(name: &'static str, config: &str, seconds: i64) -> Case {
    let options = Options { duration: Some(Nanos::from_secs(seconds)), ..Options::default() };
    Case { name, workloads: vec![Workload::parse(config, name).unwrap()], options }
}

const MIXED: &str = "cold, 200000000\nwarm, 100000000\nhot, 50000000\nrare, 100000000\n\n\
    init\n3000\ncold, 0, 4096, 1\nwarm, 0, 4096, 1\nhot, 0, 4096, 1\nrare, 0, 4096, 1\n\n\
    a\n12000\nhot, 0, 64, 90\nwarm, 1, 64, 10\n\n\
    b\n3000\nhot, 0, 64, 50\nrare, 0, 4096, 50\n\n\
    c\n12000\nhot, 0, 64, 90\nwarm, 1, 64, 10\n\n";

const SPARSE: &str = "a, 1000000000\nb, 300000000\nhot, 30000000\n\n\
    all\n5000\na, 0, 4096, 1\nb, 0, 4096, 1\nhot, 0, 4096, 1\n\n\
    random\n25000\nb, 1, 4096, 10\nhot, 0, 4096, 90\n\n\
    alone\n30000\nhot, 0, 4096, 1\n";

fn predict(case: &Case, schemes: &[Scheme]) -> (Vec<Item>, WhatIf) {
    let (items, _) = run(&case.workloads, &case.options);
    let report = what_if(&Record::from_items(&items).unwrap(), schemes, &whatif::Options::default()).unwrap();
    (items, report)
}

#[test]
fn explore() {
    let all = schemes(&[
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "1 s"}}}"#,
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 s"}}}"#,
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "5 s"}}}"#,
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "10 s"}}}"#,
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "10 %"}, "age": {"min": "2 s"}}}"#,
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 s"}},
            "quotas": {"sz_bytes": "1 MiB", "reset_interval_ms": "1 s", "weights": {"nr_accesses_permil": 1, "age_permil": 1}}}"#,
        r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "1 s"}},
            "quotas": {"sz_bytes": "16 MiB", "reset_interval_ms": "1 s", "weights": {"nr_accesses_permil": 1, "age_permil": 1}}}"#,
        r#"{"action": "pageout", 
            "quotas": {"sz_bytes": "4 MiB", "reset_interval_ms": "1 s", "weights": {"nr_accesses_permil": 1, "age_permil": 1}}}"#,
        r#"{"action": "hugepage", "access_pattern": {"nr_accesses": {"min": "5 %"}}}"#,
    ]);
    for case in [
        builtin_case(&builtin::STAIRS, 1),
        builtin_case(&builtin::STAIRS, 4),
        builtin_case(&builtin::STAIRS_30S, 2),
        builtin_case(&builtin::ZIGZAG, 2),
        builtin_case(&builtin::PAIR, 4),
        case("mixed", MIXED, 120),
        case("sparse", SPARSE, 120),
    ] {
        let (plain, report) = predict(&case, &all);
        for (nth, (scheme, outcome)) in all.iter().zip(&report.outcomes).enumerate() {
            let (items, real) =
                run(&case.workloads, &Options { schemes: vec![scheme.clone()], ..case.options.clone() });
            let (without, with) = (mean_rss(&plain, outcome.settles), mean_rss(&items, outcome.settles));
            let shown = without - with;
            println!(
                "{:10} {nth}: resident {:6.1} with {:6.1}; saved predicted {:6.1} shown {:6.1} MB ({:+.1} %); out {:8.1}/{:8.1} refaults {:8.1}/{:8.1} MB tried {:9.1}/{:9.1} {}/{}",
                case.name,
                without / 1e6,
                with / 1e6,
                outcome.mean.saved() / 1e6,
                shown / 1e6,
                (outcome.mean.saved() / shown - 1.0) * 100.0,
                outcome.sums.changed / 1e6,
                real.schemes[0].sz_changed.0 as f64 / 1e6,
                outcome.sums.back / 1e6,
                real.refaults as f64 * 4096.0 / 1e6,
                outcome.sums.applied / 1e6,
                real.schemes[0].sz_tried.0 as f64 / 1e6,
                outcome.sums.used_up,
                real.schemes[0].qt_exceeds
            );
        }
    }
}
