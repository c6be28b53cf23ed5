//! What monitoring finds, against what was accessed.
//!
//! The measure, per snapshot of an aggregation interval: *found* are the bytes of regions with `nr_accesses` above 0;
//! *real* are the bytes of the workload's regions that its phases access at any time within the interval. Precision is
//! the part of the found bytes that are real, recall the part of the real bytes that are found, both summed over all
//! snapshots, each of equal weight as each covers equal time. No snapshot is left out, neither the first one nor those
//! during which a phase begins.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use damo_model::{AddrRange, Item, Nanos, Snapshot};
use damo_sim::builtin::{self, Builtin};
use damo_sim::{GroundTruth, Options, simulate};
use std::ops::ControlFlow;

#[derive(Default, Debug)]
struct Score {
    found: u64,
    real: u64,
    both: u64,
}

impl Score {
    fn add(&mut self, truth: &GroundTruth, snapshot: &Snapshot) {
        let real = truth.accessed(snapshot.start, snapshot.end);
        self.real += real.iter().map(|r| r.size().0).sum::<u64>();
        for region in snapshot.regions.iter().filter(|r| r.nr_accesses.0 > 0) {
            self.found += region.size().0;
            self.both += overlap(&real, region.range());
        }
    }

    fn precision(&self) -> f64 {
        self.both as f64 / self.found as f64
    }

    fn recall(&self) -> f64 {
        self.both as f64 / self.real as f64
    }
}

fn overlap(ranges: &[AddrRange], range: AddrRange) -> u64 {
    ranges.iter().filter_map(|r| r.intersection(range)).map(|r| r.size().0).sum()
}

fn record(builtin: Builtin, seed: u64) -> (GroundTruth, Vec<Snapshot>) {
    let options = Options { seed, ..builtin.options() };
    let workloads = builtin.workloads();
    let mut items: Vec<Item> = Vec::new();
    simulate(&workloads, &options, &mut items, &mut |_| ControlFlow::Continue(())).unwrap();
    let truth = GroundTruth::new(&workloads[0], &options, 0).unwrap();
    let snapshots = items.into_iter().filter_map(|item| if let Item::Snapshot(s) = item { Some(s) } else { None });
    (truth, snapshots.collect())
}

#[test]
fn the_staircase_is_found_with_precision_and_recall_above_95_percent() {
    for builtin in [builtin::STAIRS, builtin::STAIRS_30S, builtin::ZIGZAG] {
        for seed in 0..4 {
            let (truth, snapshots) = record(builtin, seed);
            let mut all = Score::default();
            snapshots.iter().for_each(|s| all.add(&truth, s));
            assert!(all.precision() >= 0.95 && all.recall() >= 0.95, "{} {seed}: {all:?}", builtin.name);
        }
    }
}

#[test]
fn the_steps_alone_are_found_as_well() {
    // Without the first phase, in which everything is accessed and most of the bytes are.
    for seed in 0..4 {
        let (truth, snapshots) = record(builtin::STAIRS, seed);
        let mut steps = Score::default();
        for snapshot in snapshots.iter().filter(|s| s.start >= Nanos::from_secs(10)) {
            steps.add(&truth, snapshot);
        }
        assert!(steps.precision() >= 0.95 && steps.recall() >= 0.95, "{seed}: {steps:?}");
    }
}

#[test]
fn each_step_is_found_by_itself_from_a_second_after_its_begin() {
    // Here the first ten aggregations of each phase are left out. Single snapshots can still be off by a tenth, where
    // a region happened to be cut badly; a phase as a whole is not.
    for seed in 0..4 {
        let (truth, snapshots) = record(builtin::STAIRS, seed);
        for step in snapshots.chunk_by(|a, b| truth.phase(a.start).unwrap() == truth.phase(b.start).unwrap()) {
            let mut whole = Score::default();
            step.iter().skip(10).for_each(|snapshot| whole.add(&truth, snapshot));
            assert!(whole.precision() >= 0.95 && whole.recall() >= 0.95, "{seed} {:?}: {whole:?}", step[0].start);
        }
    }
}

#[test]
fn a_step_accessed_alone_has_the_full_rate_and_one_of_ten_a_third_of_it() {
    // In 5 ms a process makes 2.9 picks; one of ten regions is met by at least one with probability 0.3.
    let (truth, snapshots) = record(builtin::STAIRS, 0);
    let mean = |phase: &str| {
        let (mut weighted, mut bytes) = (0.0, 0.0);
        for s in snapshots.iter().filter(|s| truth.phase(s.start).unwrap().0 == phase) {
            let real = truth.accessed(s.start, s.end);
            for r in &s.regions {
                let size = overlap(&real, r.range()) as f64;
                weighted += size * f64::from(r.nr_accesses.0);
                bytes += size;
            }
        }
        weighted / bytes
    };
    assert!(mean("on step 4") > 19.0, "{}", mean("on step 4"));
    let all = mean("all steps");
    let picks: f64 = 5.0 * 75_000.0 / 131_072.0;
    // An interval of 2.9 picks' length overlaps 3 or 4 picks: 3.86 on average.
    let expected = 20.0 * (1.0 - 0.9f64.powf(picks + 1.0));
    assert!((all - expected).abs() < 0.1 * expected, "{all}, expected {expected}");
}
