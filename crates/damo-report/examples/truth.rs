//! How often the truth lies within the ranges that `damo report wss --error` prints: the table of docs/truth.md.
//!
//! `truth [SEEDS [NAME]]` simulates each workload (or those whose names hold NAME) with so many seeds, 40 by default.
#![allow(clippy::expect_used, reason = "it measures; nothing depends on it")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/common/truth.rs"]
mod truth;

use truth::{Case, Judged, cases, judge};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seeds: u64 = arguments.next().map_or(40, |seeds| seeds.parse().expect("a number of seeds"));
    let only = arguments.next().unwrap_or_default();
    println!(
        "| workload (MiB) | truth | mean wss | spread | checks alone: holds at ±1/±2 | at least | at most | holds | percentiles |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for case in cases().iter().filter(|case| case.name.contains(&only)) {
        let judged: Vec<Judged> = (0..seeds).map(|seed| judge(case, seed)).collect();
        println!("{}", row(case, &judged));
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
