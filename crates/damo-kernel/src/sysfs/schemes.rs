//! Schemes as people write them ([`damo_model::scheme`]) to the kernel's units and words, and back.
//!
//! Rates and ages are counted in samples and aggregations, so that the same scheme is other numbers under other
//! intervals. The way back cannot tell a rate of 5 % from one of one sample in twenty: it gives samples and aggregations,
//! which is what the kernel has.

use super::params::{AccessPattern, Dest, Filter, Goal, MinMax, Quotas, Scheme, Watermarks};
use damo_model::scheme::{self as written, FilterKind};
use damo_model::{AddrRange, Age, Intervals, NrAccesses};

impl Scheme {
    /// In the kernel's units, under `intervals`.
    pub fn resolve(scheme: &written::Scheme, intervals: &Intervals) -> Self {
        let pattern = scheme.access_pattern.resolve(intervals);
        Self {
            pattern: AccessPattern {
                size: range(pattern.size),
                nr_accesses: range(pattern.nr_accesses),
                age: range(pattern.age),
            },
            action: scheme.action.as_str().to_owned(),
            target_nid: scheme.target_nid.filter(|nid| *nid >= 0),
            dests: scheme.dests.iter().map(|dest| Dest { id: dest.id, weight: dest.weight }).collect(),
            apply_interval: scheme.apply_interval,
            quotas: quotas(&scheme.quotas),
            watermarks: Watermarks {
                metric: if scheme.watermarks.free_mem_rate { "free_mem_rate" } else { "none" }.to_owned(),
                interval: scheme.watermarks.interval,
                high: scheme.watermarks.high,
                mid: scheme.watermarks.mid,
                low: scheme.watermarks.low,
            },
            filters: scheme.filters.iter().map(filter).collect(),
            max_nr_snapshots: scheme.max_nr_snapshots,
        }
    }

    /// As one would write it; `None` if the kernel has an action, filter, metric or tuner that this version does not
    /// know.
    pub fn written(&self) -> Option<written::Scheme> {
        let MinMax { min, max } = self.pattern.nr_accesses;
        let rate = |samples: NrAccesses| match samples.0 {
            u32::MAX => written::Rate::Max,
            samples => written::Rate::Samples(samples.into()),
        };
        let span = |age: Age| match age.0 {
            u32::MAX => written::Span::Max,
            age => written::Span::Intervals(age.into()),
        };
        Some(written::Scheme {
            action: self.action.parse().ok()?,
            target_nid: self.target_nid,
            dests: self.dests.iter().map(|dest| written::Dest { id: dest.id, weight: dest.weight }).collect(),
            access_pattern: written::AccessPattern {
                sz_bytes: written::MinMax { min: self.pattern.size.min, max: self.pattern.size.max },
                nr_accesses: written::MinMax { min: rate(min), max: rate(max) },
                age: written::MinMax { min: span(self.pattern.age.min), max: span(self.pattern.age.max) },
            },
            apply_interval: self.apply_interval,
            quotas: written_quotas(&self.quotas)?,
            watermarks: written::Watermarks {
                free_mem_rate: match self.watermarks.metric.as_str() {
                    "none" => false,
                    "free_mem_rate" => true,
                    _ => return None,
                },
                interval: self.watermarks.interval,
                high: self.watermarks.high,
                mid: self.watermarks.mid,
                low: self.watermarks.low,
            },
            filters: self.filters.iter().map(written_filter).collect::<Option<_>>()?,
            max_nr_snapshots: self.max_nr_snapshots.filter(|count| *count > 0),
        })
    }
}

fn range<T>(range: written::MinMax<T>) -> MinMax<T> {
    MinMax { min: range.min, max: range.max }
}

fn quotas(quotas: &written::Quotas) -> Quotas {
    let goal = |goal: &written::Goal| Goal {
        metric: goal.metric.as_str().to_owned(),
        target_value: goal.target_value,
        current_value: goal.current_value.unwrap_or(0),
        nid: goal.nid,
        path: goal.memcg_path.clone().unwrap_or_default(),
    };
    Quotas {
        time: quotas.time,
        size: quotas.size,
        reset_interval: quotas.reset_interval,
        weight_size: quotas.weights.size,
        weight_nr_accesses: quotas.weights.nr_accesses,
        weight_age: quotas.weights.age,
        goals: quotas.goals.iter().map(goal).collect(),
        goal_tuner: quotas.goal_tuner.map(|tuner| tuner.to_string()).unwrap_or_default(),
        fail_charge: quotas.fail_charge_num.zip(quotas.fail_charge_denom),
    }
}

fn written_quotas(quotas: &Quotas) -> Option<written::Quotas> {
    let goal = |goal: &Goal| {
        let metric = goal.metric.parse().ok()?;
        Some(written::Goal {
            metric,
            target_value: goal.target_value,
            current_value: (metric == written::Metric::UserInput).then_some(goal.current_value),
            nid: goal.nid,
            memcg_path: Some(goal.path.clone()).filter(|path| !path.is_empty()),
        })
    };
    Some(written::Quotas {
        time: quotas.time,
        size: quotas.size,
        reset_interval: quotas.reset_interval,
        weights: written::Weights {
            size: quotas.weight_size,
            nr_accesses: quotas.weight_nr_accesses,
            age: quotas.weight_age,
        },
        goals: quotas.goals.iter().map(goal).collect::<Option<_>>()?,
        goal_tuner: match quotas.goal_tuner.as_str() {
            "" => None,
            word => Some(word.parse().ok()?),
        },
        fail_charge_num: quotas.fail_charge.map(|(numerator, _)| numerator),
        fail_charge_denom: quotas.fail_charge.map(|(_, denominator)| denominator),
    })
}

fn filter(filter: &written::SchemeFilter) -> Filter {
    let mut kernel = Filter {
        kind: filter.kind.as_str().to_owned(),
        matching: filter.matching,
        allow: filter.allow,
        ..Filter::default()
    };
    match &filter.kind {
        FilterKind::Memcg(path) => kernel.memcg_path.clone_from(path),
        FilterKind::Addr(addresses) => kernel.range = *addresses,
        FilterKind::Target(index) => kernel.target = *index,
        FilterKind::HugepageSize(sizes) => kernel.size = range(*sizes),
        _ => {}
    }
    kernel
}

fn written_filter(filter: &Filter) -> Option<written::SchemeFilter> {
    let kind = match filter.kind.as_str() {
        "anon" => FilterKind::Anon,
        "active" => FilterKind::Active,
        "young" => FilterKind::Young,
        "unmapped" => FilterKind::Unmapped,
        "memcg" => FilterKind::Memcg(filter.memcg_path.clone()),
        "addr" => FilterKind::Addr(AddrRange::new(filter.range.start, filter.range.end)),
        "target" => FilterKind::Target(filter.target),
        "hugepage_size" => FilterKind::HugepageSize(written::MinMax { min: filter.size.min, max: filter.size.max }),
        _ => return None,
    };
    Some(written::SchemeFilter { kind, matching: filter.matching, allow: filter.allow })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;
    use crate::sysfs::{Context, ContextTarget, FakeDamon, Kdamond, Sysfs};
    use damo_model::Ops;
    use std::sync::Arc;

    const TEXT: &str = r#"{
        "action": "pageout",
        "access_pattern": {"sz_bytes": {"min": "4 KiB", "max": "max"}, "nr_accesses": {"min": "0 %", "max": "10 %"},
                           "age": {"min": "5 s", "max": "max"}},
        "apply_interval_us": "1 s",
        "quotas": {"time_ms": "10 ms", "sz_bytes": "100 MiB", "reset_interval_ms": "1 s",
                   "weights": {"sz_permil": 0, "nr_accesses_permil": 30, "age_permil": 70},
                   "goals": [{"metric": "some_mem_psi_us", "target_value": "10 ms"}]},
        "watermarks": {"metric": "free_mem_rate", "interval_us": "5 s", "high_permil": 500, "mid_permil": 400,
                       "low_permil": 50},
        "filters": [{"filter_type": "anon", "matching": true, "allow": false},
                    {"filter_type": "addr", "matching": true, "allow": false,
                     "address_range": {"start": 4096, "end": 8192}}]
    }"#;

    fn as_written() -> written::Scheme {
        serde_json::from_str(TEXT).expect("the Python tool's schema")
    }

    #[test]
    fn rates_and_ages_are_counted_under_the_intervals_in_force() {
        let slow = Intervals { aggregation: damo_model::Nanos::from_secs(1), ..Intervals::default() };
        let scheme = as_written();
        let usual = Scheme::resolve(&scheme, &Intervals::default()).pattern;
        assert_eq!((usual.nr_accesses.max, usual.age.min), (NrAccesses(2), Age(50)));
        let slow = Scheme::resolve(&scheme, &slow).pattern;
        assert_eq!((slow.nr_accesses.max, slow.age.min), (NrAccesses(20), Age(5)));
    }

    #[test]
    fn a_written_scheme_goes_through_the_kernels_files_and_comes_back() {
        let intervals = Intervals::default();
        let kernel = Scheme::resolve(&as_written(), &intervals);
        let target = ContextTarget { pid: Some(1), ..ContextTarget::default() };
        let context = Context { targets: vec![target], schemes: vec![kernel.clone()], ..Context::new(Ops::Vaddr) };
        let sysfs = Sysfs::new(&Root::with_io(Arc::new(FakeDamon::new((6, 12)))));
        let staged =
            sysfs.stage(&[Kdamond { contexts: vec![context], ..Kdamond::default() }]).expect("6.12 has all of it");
        let found = staged.params().expect("readable")[0].contexts[0].schemes[0].clone();
        assert_eq!(found, kernel);
        let back = found.written().expect("known words");
        assert_eq!(Scheme::resolve(&back, &intervals), kernel);
        assert_eq!(back.filters, as_written().filters);
        assert_eq!(back.quotas.goals[0].metric, written::Metric::SomeMemPsiUs);
    }

    #[test]
    fn a_quota_that_never_starts_anew_is_all_ones_for_the_kernel() {
        let fake = Arc::new(FakeDamon::new((6, 12)));
        let sysfs = Sysfs::new(&Root::with_io(fake.clone()));
        let kernel = Scheme::resolve(&written::Scheme::default(), &Intervals::default());
        let target = ContextTarget { pid: Some(1), ..ContextTarget::default() };
        let context = Context { targets: vec![target], schemes: vec![kernel], ..Context::new(Ops::Vaddr) };
        let staged = sysfs.stage(&[Kdamond { contexts: vec![context], ..Kdamond::default() }]).expect("fits");
        let wrote = fake.log().into_iter().find(|(path, _)| path.ends_with("reset_interval_ms")).expect("written");
        assert_eq!(wrote.1, u64::MAX.to_string());
        assert_eq!(staged.params().expect("readable")[0].contexts[0].schemes[0].quotas.reset_interval.0, i64::MAX);
    }

    #[test]
    fn words_of_a_newer_kernel_cannot_be_written() {
        assert_eq!(Scheme::new("defragment").written(), None);
    }
}
