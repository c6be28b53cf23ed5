//! What a workload really accesses, to judge by it what monitoring found.
//!
//! Truth here is what the configuration says: during a phase, each region with a pattern of weight above 0 is accessed
//! again and again, from its first byte to its last; other regions are not. It leaves out the few pages that every
//! process keeps busy (a loop's text, the stack's top), which [`GroundTruth::busy`] gives.

use crate::error::SimError;
use crate::layout::AddressSpace;
use crate::options::{MAX_MEMORY, Options};
use crate::workload::Workload;
use damo_model::{Addr, AddrRange, Nanos};

/// A region while it is accessed.
#[derive(Clone, Debug, PartialEq)]
pub struct Accessed {
    /// The name of the phase.
    pub name: String,
    /// Where it lies in its process's address space.
    pub range: AddrRange,
    /// Its part of the process's accesses, above 0 and at most 1.
    pub share: f64,
    /// How often each of its pages is touched in a second, on average. (Random patterns: how often a page is met.)
    pub touches_per_second: f64,
}

/// One phase of one round, on the record's clock.
#[derive(Clone, Debug)]
struct Span {
    end: Nanos,
    name: String,
    accessed: Vec<Accessed>,
}

/// What a workload accesses when, and where that lies.
#[derive(Clone, Debug)]
pub struct GroundTruth {
    /// One round; later ones repeat it.
    spans: Vec<Span>,
    round: Nanos,
    busy: Vec<AddrRange>,
}

impl GroundTruth {
    /// The truth about the `index`-th of the workloads that are simulated together with `options`.
    ///
    /// # Errors
    /// Options or workloads that could not be simulated either.
    pub fn new(workload: &Workload, options: &Options, index: usize) -> Result<GroundTruth, SimError> {
        options.check()?;
        if workload.size() > MAX_MEMORY {
            let remedy = "make the regions smaller: sizes are in bytes";
            return Err(SimError::Memory { needed: workload.size().0, limit: MAX_MEMORY.0, remedy });
        }
        let space = AddressSpace::new(workload, options.layout, index);
        let mut spans = Vec::new();
        let mut end = Nanos(0);
        for phase in workload.phases() {
            end = end.saturating_add(phase.duration);
            let total = phase.total_weight().max(1) as f64;
            let mut accessed: Vec<Accessed> = Vec::new();
            for (i, region) in workload.regions().iter().enumerate() {
                let patterns = || phase.patterns.iter().filter(|p| p.region == i && p.weight > 0);
                let share = patterns().map(|p| f64::from(p.weight)).sum::<f64>() / total;
                let start = space.regions.get(i).copied().unwrap_or_default();
                let touches_per_second = patterns()
                    .map(|p| {
                        let accesses = f64::from(p.weight) / total * options.accesses_per_ms as f64 * 1000.0;
                        // Sequentially, a page is touched once a pass, by however many accesses.
                        let step = if p.random { crate::PAGE_SIZE } else { p.stride };
                        accesses / region.size.0.div_ceil(step.0.max(1)) as f64
                    })
                    .sum();
                if share > 0.0 {
                    let range = AddrRange::new(start, Addr(start.0 + region.size.0));
                    accessed.push(Accessed { name: region.name.clone(), range, share, touches_per_second });
                }
            }
            accessed.sort_by_key(|a| a.range.start);
            spans.push(Span { end, name: phase.name.clone(), accessed });
        }
        Ok(GroundTruth { spans, round: end, busy: space.busy })
    }

    /// Which span `t` lies in, and when that began.
    fn span(&self, t: Nanos) -> Option<(usize, Nanos)> {
        let rounds = Nanos(t.0.div_euclid(self.round.0.max(1)) * self.round.0);
        let within = t.saturating_sub(rounds);
        let at = self.spans.partition_point(|span| span.end <= within);
        let start = at.checked_sub(1).and_then(|i| self.spans.get(i)).map_or(Nanos(0), |s| s.end);
        (at < self.spans.len()).then_some((at, rounds.saturating_add(start)))
    }

    /// What is being accessed at `t`, sorted by address. After the last phase the first begins again.
    pub fn at(&self, t: Nanos) -> &[Accessed] {
        self.span(t).and_then(|(i, _)| self.spans.get(i)).map_or(&[], |s| &s.accessed)
    }

    /// The phase at `t`: its name and when it began.
    pub fn phase(&self, t: Nanos) -> Option<(&str, Nanos)> {
        let (i, start) = self.span(t)?;
        Some((self.spans.get(i)?.name.as_str(), start))
    }

    /// The bytes accessed within `[from, to)`: sorted, disjoint, and neighbours joined.
    pub fn accessed(&self, from: Nanos, to: Nanos) -> Vec<AddrRange> {
        let mut ranges = Vec::new();
        let mut t = from;
        // One round at most: the next ones access the same again.
        let to = to.min(from.saturating_add(self.round));
        while t < to
            && let Some((i, start)) = self.span(t)
            && let Some(span) = self.spans.get(i)
        {
            ranges.extend(span.accessed.iter().map(|a| a.range));
            let before = i.checked_sub(1).and_then(|i| self.spans.get(i)).map_or(Nanos(0), |s| s.end);
            t = start.saturating_add(span.end.saturating_sub(before));
        }
        AddrRange::joined(ranges)
    }

    /// Pages of the program itself that are accessed all the time.
    pub fn busy(&self) -> &[AddrRange] {
        &self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Bytes;

    const TEXT: &str =
        "a, 8192\nb, 8192\nc, 8192\n\none\n100\na, 0, 4096, 3\nc, 1, 1, 1\nb, 0, 1, 0\n\ntwo\n50\nb, 0, 64, 1\n";

    fn truth() -> GroundTruth {
        GroundTruth::new(&Workload::parse(TEXT, "t").unwrap(), &Options::default(), 0).unwrap()
    }

    #[test]
    fn what_is_accessed_follows_the_phases_round_after_round() {
        let truth = truth();
        let names = |ms| truth.at(Nanos::from_millis(ms)).iter().map(|a| a.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(0), ["a", "c"]);
        assert_eq!(names(99), ["a", "c"]);
        assert_eq!(names(100), ["b"]);
        assert_eq!(names(150), ["a", "c"]);
        assert_eq!(truth.phase(Nanos::from_millis(260)), Some(("two", Nanos::from_millis(250))));
    }

    #[test]
    fn a_window_over_two_phases_holds_what_either_accesses() {
        let truth = truth();
        let bytes = |from, to| -> u64 {
            let ranges = truth.accessed(Nanos::from_millis(from), Nanos::from_millis(to));
            ranges.iter().map(|r| r.size().0).sum()
        };
        assert_eq!(bytes(0, 100), 16384);
        assert_eq!(bytes(100, 150), 8192);
        assert_eq!(bytes(90, 110), 24576);
        assert_eq!(bytes(0, 100_000_000_000), 24576);
        assert_eq!(bytes(5, 5), 0);
    }

    #[test]
    fn rates_follow_weights_strides_and_sizes() {
        let truth = truth();
        let [a, c] = truth.at(Nanos(0)) else { panic!("two regions") };
        assert_eq!((a.share, c.share), (0.75, 0.25));
        assert_eq!(a.touches_per_second, 0.75 * 75_000_000.0 / 2.0);
        assert_eq!(c.touches_per_second, 0.25 * 75_000_000.0 / 2.0);
        let [b] = truth.at(Nanos::from_millis(120)) else { panic!("one region") };
        assert_eq!(b.touches_per_second, 75_000_000.0 / 128.0);
        assert_eq!(b.range.size(), Bytes(8192));
    }
}
