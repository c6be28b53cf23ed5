//! How well a record found what a workload did. For each phase, the snapshots that lie wholly within it are laid over
//! each other; the addresses that were accessed in at least a given share of the samples, averaged over these snapshots,
//! are what the record calls hot. That set of bytes is compared with the set that the phase really accessed:
//! precision is the part of the hot bytes that were accessed, recall the part of the accessed bytes that are hot.

use crate::truth::{RanPhase, Truth};
use damo_model::{AddrRange, Bytes, Nanos, Snapshot, SnapshotState};
use std::collections::BTreeMap;

/// How a record did on one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseScore {
    /// The phase's name.
    pub name: String,
    /// Complete snapshots wholly within the phase; without any there is nothing hot.
    pub snapshots: u64,
    /// What the record calls hot.
    pub hot: Bytes,
    /// What was accessed.
    pub accessed: Bytes,
    /// Hot and accessed.
    pub both: Bytes,
}

impl PhaseScore {
    /// Part of the hot bytes that were accessed; 1 if nothing is hot.
    pub fn precision(&self) -> f64 {
        ratio(self.both, self.hot)
    }

    /// Part of the accessed bytes that are hot; 1 if nothing was accessed.
    pub fn recall(&self) -> f64 {
        ratio(self.both, self.accessed)
    }
}

fn ratio(part: Bytes, whole: Bytes) -> f64 {
    if whole.0 == 0 { 1.0 } else { part.0 as f64 / whole.0 as f64 }
}

/// Collects snapshots of one target and compares them with the truth.
#[derive(Debug)]
pub(crate) struct Scorer<'a> {
    truth: &'a Truth,
    /// From the record's clock to CLOCK_MONOTONIC.
    shift: Nanos,
    /// Samples of an aggregation interval.
    samples: u32,
    phases: Vec<Heat>,
}

/// Summed accesses of one phase, as differences at addresses.
#[derive(Clone, Debug, Default)]
struct Heat {
    snapshots: u64,
    steps: BTreeMap<u64, i64>,
}

impl<'a> Scorer<'a> {
    /// `shift` is what to add to the record's times to have CLOCK_MONOTONIC; `samples` is the largest possible
    /// `nr_accesses`, for snapshots that do not tell their intervals.
    pub fn new(truth: &'a Truth, shift: Nanos, samples: u32) -> Scorer<'a> {
        let phases = vec![Heat::default(); truth.phases.len()];
        Scorer { truth, shift, samples, phases }
    }

    /// Takes a snapshot of the workload. Partial ones are left out, as in all statistics.
    pub fn add(&mut self, snapshot: &Snapshot) {
        if snapshot.state != SnapshotState::Complete {
            return;
        }
        let (start, end) = (snapshot.start.saturating_add(self.shift), snapshot.end.saturating_add(self.shift));
        let within = |phase: &RanPhase| start >= phase.start && phase.end.is_none_or(|phase_end| end <= phase_end);
        let Some(i) = self.truth.phases.iter().position(within) else { return };
        let Some(heat) = self.phases.get_mut(i) else { return };
        heat.snapshots += 1;
        // In millionths of "every sample": snapshots may differ in their intervals.
        let samples = snapshot.intervals.map_or(self.samples, |i| i.max_nr_accesses().0).max(1);
        for region in &snapshot.regions {
            let part = i64::from(region.nr_accesses.0) * 1_000_000 / i64::from(samples);
            *heat.steps.entry(region.start.0).or_default() += part;
            *heat.steps.entry(region.end.0).or_default() -= part;
        }
    }

    /// The phases' scores; hot is what was accessed in at least `hot_share` (0 to 1) of the samples.
    pub fn scores(&self, hot_share: f64) -> Vec<PhaseScore> {
        let score = |(phase, heat): (&RanPhase, &Heat)| {
            let accessed = AddrRange::joined(phase.ranges.clone());
            let hot = heat.hot(hot_share);
            PhaseScore {
                name: phase.name.clone(),
                snapshots: heat.snapshots,
                both: overlap(&hot, &accessed),
                hot: size(&hot),
                accessed: size(&accessed),
            }
        };
        self.truth.phases.iter().zip(&self.phases).map(score).collect()
    }
}

impl Heat {
    fn hot(&self, share: f64) -> Vec<AddrRange> {
        let least = (share * 1e6 * self.snapshots as f64).max(1.0);
        let mut hot = Vec::new();
        let (mut heat, mut since) = (0, None);
        for (&address, step) in &self.steps {
            heat += step;
            match (heat as f64 >= least, since) {
                (true, None) => since = Some(address),
                (false, Some(start)) => {
                    hot.push(AddrRange::new(damo_model::Addr(start), damo_model::Addr(address)));
                    since = None;
                }
                _ => {}
            }
        }
        hot
    }
}

fn size(ranges: &[AddrRange]) -> Bytes {
    Bytes(ranges.iter().map(|r| r.size().0).sum())
}

fn overlap(a: &[AddrRange], b: &[AddrRange]) -> Bytes {
    let pairs = a.iter().flat_map(|x| b.iter().filter_map(|y| x.intersection(*y)));
    Bytes(pairs.map(|range| range.size().0).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Addr, NrAccesses, Region, TargetKey};

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr(start), Addr(end))
    }

    fn truth() -> Truth {
        let phase = |name: &str, start, end, ranges: &[AddrRange]| RanPhase {
            name: name.to_owned(),
            start: Nanos(start),
            end,
            ranges: ranges.to_vec(),
        };
        let phases = vec![
            phase("one", 0, Some(Nanos(100)), &[range(0, 100), range(100, 200)]),
            phase("two", 100, None, &[range(300, 400)]),
        ];
        Truth { phases, ..Truth::default() }
    }

    fn snapshot(start: i64, regions: &[(u64, u64, u32)]) -> Snapshot {
        let mut snapshot = Snapshot::new(TargetKey(0), Nanos(start), Nanos(start + 10), None);
        snapshot.regions =
            regions.iter().map(|&(a, b, n)| Region::new(Addr(a), Addr(b), NrAccesses(n), None)).collect();
        snapshot
    }

    #[test]
    fn a_record_that_shows_just_what_was_accessed_has_precision_and_recall_one() {
        let truth = truth();
        let mut scorer = Scorer::new(&truth, Nanos(0), 20);
        scorer.add(&snapshot(0, &[(0, 200, 20), (200, 400, 0)]));
        scorer.add(&snapshot(100, &[(0, 300, 0), (300, 400, 3)]));
        for score in scorer.scores(0.1) {
            assert_eq!((score.precision(), score.recall(), score.snapshots), (1.0, 1.0, 1));
        }
    }

    #[test]
    fn too_much_costs_precision_and_too_little_costs_recall() {
        let truth = truth();
        let mut scorer = Scorer::new(&truth, Nanos(0), 20);
        scorer.add(&snapshot(0, &[(0, 400, 20)]));
        scorer.add(&snapshot(100, &[(0, 300, 0), (300, 325, 20)]));
        let scores = scorer.scores(0.1);
        assert_eq!((scores[0].precision(), scores[0].recall()), (0.5, 1.0));
        assert_eq!((scores[1].precision(), scores[1].recall()), (1.0, 0.25));
    }

    #[test]
    fn snapshots_across_a_border_and_partial_ones_do_not_count() {
        let truth = truth();
        let mut scorer = Scorer::new(&truth, Nanos(0), 20);
        scorer.add(&snapshot(95, &[(0, 400, 20)]));
        let mut partial = snapshot(0, &[(0, 400, 20)]);
        partial.state = SnapshotState::Partial { expected: 9 };
        scorer.add(&partial);
        let scores = scorer.scores(0.1);
        assert!(scores.iter().all(|s| s.snapshots == 0 && s.hot == Bytes(0) && s.recall() == 0.0));
    }

    #[test]
    fn the_records_clock_is_shifted_to_that_of_the_truth() {
        let truth = truth();
        let mut scorer = Scorer::new(&truth, Nanos(-1_000), 20);
        scorer.add(&snapshot(1_000, &[(0, 200, 20)]));
        assert_eq!(scorer.scores(0.1)[0].both, Bytes(200));
    }

    #[test]
    fn what_is_accessed_in_few_snapshots_only_is_not_hot() {
        let truth = truth();
        let mut scorer = Scorer::new(&truth, Nanos(0), 20);
        for start in 0..9 {
            let n = if start == 0 { 10 } else { 0 };
            scorer.add(&snapshot(start * 10, &[(0, 100, 20), (100, 200, n), (200, 400, 0)]));
        }
        assert_eq!(scorer.scores(0.1)[0].hot, Bytes(100));
    }
}
