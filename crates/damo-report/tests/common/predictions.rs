//! What what-if predicts of simulated workloads, and what the simulator shows of the same schemes with another seed.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use super::truth;
use damo_frame::Record;
use damo_model::scheme::Scheme;
use damo_model::{Item, Nanos, Side, Stamp};
use damo_report::whatif::{self, what_if};
use damo_sim::{Options, Outcome, Workload, builtin, simulate};
use std::ops::ControlFlow;

pub fn run(workloads: &[Workload], options: &Options) -> (Vec<Item>, Outcome) {
    let mut items = Vec::new();
    let outcome = simulate(workloads, options, &mut items, &mut |_| ControlFlow::Continue(())).unwrap();
    (items, outcome)
}

pub fn schemes(json: &[&str]) -> Vec<Scheme> {
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
pub struct Case {
    pub name: &'static str,
    pub workloads: Vec<Workload>,
    pub options: Options,
}

pub fn builtin_case(builtin: &builtin::Builtin, rounds: i64) -> Case {
    let options = builtin.options();
    let duration = options.duration.map(|duration| Nanos(duration.0 * rounds));
    Case { name: builtin.name, workloads: builtin.workloads(), options: Options { duration, ..options } }
}

pub fn case(name: &'static str, config: &str, seconds: i64) -> Case {
    let options = Options { duration: Some(Nanos::from_secs(seconds)), ..Options::default() };
    Case { name, workloads: vec![Workload::parse(config, name).unwrap()], options }
}

pub const MIXED: &str = "cold, 200000000\nwarm, 100000000\nhot, 50000000\nrare, 100000000\n\n\
    init\n3000\ncold, 0, 4096, 1\nwarm, 0, 4096, 1\nhot, 0, 4096, 1\nrare, 0, 4096, 1\n\n\
    a\n12000\nhot, 0, 64, 90\nwarm, 1, 64, 10\n\n\
    b\n3000\nhot, 0, 64, 50\nrare, 0, 4096, 50\n\n\
    c\n12000\nhot, 0, 64, 90\nwarm, 1, 64, 10\n\n";

pub const SPARSE: &str = "a, 1000000000\nb, 300000000\nhot, 30000000\n\n\
    all\n5000\na, 0, 4096, 1\nb, 0, 4096, 1\nhot, 0, 4096, 1\n\n\
    random\n25000\nb, 1, 4096, 10\nhot, 0, 4096, 90\n\n\
    alone\n30000\nhot, 0, 4096, 1\n";

/// Of the resident size: less than this is no saving to speak of.
pub const LITTLE: f64 = 0.02;
/// The same under a quota, where each region that goes first or last counts.
pub const LITTLE_UNDER_QUOTA: f64 = 0.03;

/// Records `case` without any scheme, reckons, then lets each scheme run in the simulator, with another seed: predicted
/// and shown saving, resident size without the scheme, and what of it came back, in bytes.
pub fn predicted_and_shown(case: &Case, schemes: &[Scheme], seed: u64) -> Vec<Compared> {
    let (plain, _) = run(&case.workloads, &Options { seed, ..case.options.clone() });
    let report = what_if(&Record::from_items(&plain).unwrap(), schemes, &whatif::WhatIfOptions::default()).unwrap();
    let from = report.means_from;
    let compare = |(scheme, outcome): (&Scheme, &whatif::Outcome)| {
        let options = Options { seed: seed + 1000, schemes: vec![scheme.clone()], ..case.options.clone() };
        let (items, real) = run(&case.workloads, &options);
        let resident = mean_rss(&plain, from);
        Compared {
            what: format!("{} with {}, seed {seed}", case.name, whatif::describe(scheme)),
            resident,
            predicted: outcome.mean.saved(),
            shown: resident - mean_rss(&items, from),
            back: (outcome.sums.back, real.refaults as f64 * 4096.0),
            range: outcome.range.unwrap(),
        }
    };
    schemes.iter().zip(&report.outcomes).map(compare).collect()
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown when a test fails")]
pub struct Compared {
    pub what: String,
    pub resident: f64,
    pub predicted: f64,
    pub shown: f64,
    pub back: (f64, f64),
    pub range: whatif::OutcomeRange,
}

impl Compared {
    /// Within a `share` of what was shown; of savings that are nothing beside the memory, within a `little` of that.
    pub fn assert_close(&self, share: f64, little: f64) {
        let error = (self.predicted - self.shown).abs();
        assert!(error <= (share * self.shown).max(little * self.resident), "{self:?}");
    }
}

pub fn cases() -> Vec<Case> {
    vec![
        builtin_case(&builtin::STAIRS, 1),
        builtin_case(&builtin::STAIRS, 3),
        builtin_case(&builtin::STAIRS_30S, 2),
        builtin_case(&builtin::ZIGZAG, 2),
        builtin_case(&builtin::PAIR, 3),
        case("mixed", MIXED, 120),
        case("sparse", SPARSE, 120),
    ]
}

pub fn idle_for(age: &str) -> String {
    format!(
        r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": "0 %"}}, "age": {{"min": "{age}"}}}}}}"#
    )
}

pub fn under_quota(age: &str, size: &str) -> String {
    format!(
        r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": "0 %"}}, "age": {{"min": "{age}"}}}},
            "quotas": {{"sz_bytes": "{size}", "reset_interval_ms": "1 s",
                "weights": {{"nr_accesses_permil": 1, "age_permil": 1}}}}}}"#
    )
}

pub fn rarely_accessed(age: &str) -> String {
    format!(
        r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": "10 %"}}, "age": {{"min": "{age}"}}}}}}"#
    )
}

/// How often what the simulator shows lies in the ranges that the estimate tells: saved, and accessed again.
#[derive(Debug, Default)]
pub struct Coverage {
    pub judged: u32,
    pub saved: u32,
    pub back: u32,
    pub misses: Vec<String>,
}

impl Coverage {
    /// Judges a case with these schemes under a seed.
    pub fn add(&mut self, case: &Case, schemes: &[Scheme], seed: u64) {
        for compared in predicted_and_shown(case, schemes, seed) {
            let ((saved_least, saved_most), (back_least, back_most)) = (compared.range.saved, compared.range.back);
            let (saved, back) = (compared.shown, compared.back.1);
            // Sizes are told in whole pages.
            let holds = |value: f64, least: f64, most: f64| value >= least - 4096.0 && value <= most + 4096.0;
            let saved = holds(saved, saved_least, saved_most);
            let back = holds(back, back_least, back_most);
            self.judged += 1;
            self.saved += u32::from(saved);
            self.back += u32::from(back);
            if !(saved && back) {
                self.misses.push(format!("{compared:?}"));
            }
        }
    }
}

/// The workloads of docs/truth.md, with footprints.
pub fn cases_of_truth() -> Vec<Case> {
    let with_footprints = |case: truth::Case| Case {
        name: case.name,
        workloads: case.configs.iter().map(|text| Workload::parse(text, case.name).unwrap()).collect(),
        options: Options { footprint_interval: Options::default().footprint_interval, ..case.options },
    };
    truth::cases().into_iter().filter(|case| !case.without_ages).map(with_footprints).collect()
}
