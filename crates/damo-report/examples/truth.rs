//! How often the truth lies within the ranges that `damo report wss --error` prints: the table of docs/truth.md; or, with
//! `--what-if`, within those of `damo schemes --what-if`: the table of docs/schemes.md.
//!
//! `truth [--what-if] [SEEDS [NAME]]` simulates each workload (or those whose names hold NAME) with so many seeds, 40 by
//! default, and 2 with `--what-if`, where each is simulated once more for each of four schemes.
#![allow(clippy::expect_used, reason = "it measures; nothing depends on it")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/predictions.rs"]
mod predictions;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/truth.rs"]
mod truth;

use predictions::Coverage;
use truth::{Case, Judged, cases, judge};

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let of_what_if = arguments.next_if_eq("--what-if").is_some();
    let default = if of_what_if { 2 } else { 40 };
    let seeds: u64 = arguments.next().map_or(default, |seeds| seeds.parse().expect("a number of seeds"));
    let only = arguments.next().unwrap_or_default();
    if of_what_if {
        return what_if(seeds, &only);
    }
    println!(
        "| workload (MiB) | truth | mean wss | spread | checks alone: holds at ±1/±2 | at least | at most | holds | percentiles |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in cases().iter().filter(|case| case.name.contains(&only)) {
        let judged: Vec<Judged> = (0..seeds).map(|seed| judge(case, seed)).collect();
        println!("{}", row(case, &judged));
    }
}

/// How often savings and refaults lie in their ranges.
fn what_if(seeds: u64, only: &str) {
    let schemes = [
        predictions::idle_for("1 s"),
        predictions::idle_for("5 s"),
        predictions::under_quota("2 s", "4 MiB"),
        predictions::rarely_accessed("2 s"),
    ];
    let schemes = predictions::schemes(&schemes.each_ref().map(String::as_str));
    println!("| workload | trials | saved | accessed again |");
    println!("|---|---|---|---|");
    let cases = predictions::cases().into_iter().chain(predictions::cases_of_truth());
    for case in cases.filter(|case| case.name.contains(only)) {
        let mut coverage = Coverage::default();
        (0..seeds).for_each(|seed| coverage.add(&case, &schemes, seed));
        println!("| {} | {} | {} | {} |", case.name, coverage.judged, coverage.saved, coverage.back);
    }
}

fn row(case: &Case, judged: &[Judged]) -> String {
    let count = judged.len().max(1) as f64;
    let mean = |of: fn(&Judged) -> f64| judged.iter().map(of).sum::<f64>() / count;
    let share = |of: &dyn Fn(&Judged) -> bool| judged.iter().filter(|one| of(one)).count() as f64 * 100.0 / count;
    let sizes = mean(|one| one.wss.0);
    let squares: f64 = judged.iter().map(|one| (one.wss.0 - sizes).powi(2)).sum();
    let spread = (squares / (count - 1.0).max(1.0)).sqrt();
    let of_percentiles: u32 = judged.iter().map(|one| one.percentiles.1).sum();
    let held: u32 = judged.iter().map(|one| one.percentiles.0).sum();
    format!(
        "| {} | {:.1} | {sizes:.1} ± {:.2} | {spread:.2} | {:.0}/{:.0} | {:.1} | {:.1} | {:.0} % | {:.0} % |",
        case.name,
        mean(|one| one.truth),
        mean(|one| one.wss.1),
        share(&|one| one.holds_by_checks(1.0)),
        share(&|one| one.holds_by_checks(2.0)),
        mean(|one| one.range.0),
        mean(|one| one.range.1),
        share(&Judged::holds),
        f64::from(held) * 100.0 / f64::from(of_percentiles.max(1)),
    )
}
