use super::*;
use crate::{Addr, AddrRange};
use proptest::prelude::*;

fn read(json: &str) -> Scheme {
    serde_json::from_str(json).unwrap()
}

fn error(json: &str) -> String {
    serde_json::from_str::<Scheme>(json).expect_err(json).to_string()
}

#[test]
fn an_empty_scheme_counts_any_region() {
    assert_eq!(read("{}"), Scheme::new(Action::Stat));
    let pattern = read("{}").access_pattern.resolve(&Intervals::default());
    assert!(pattern.matches(Bytes(0), NrAccesses(0), Age(0)));
    assert!(pattern.matches(Bytes(u64::MAX), NrAccesses(u32::MAX), Age(u32::MAX)));
}

#[test]
fn every_key_of_the_python_tool_is_read() {
    let scheme = read(
        r#"{
        "action": "migrate_cold", "target_nid": 1, "dests": [{"id": 1, "weight": 3}, {"id": 2, "weight": 1}],
        "access_pattern": {"sz_bytes": {"min": "4.000 KiB", "max": "max"},
                           "nr_accesses": {"min": "0 samples", "max": "3 samples"},
                           "age": {"min": "3 aggr_intervals", "max": "max"}},
        "apply_interval_us": "1 s",
        "quotas": {"time_ms": "10 ms", "sz_bytes": "100 MiB", "reset_interval_ms": "1 s",
                   "weights": {"sz_permil": "0 %", "nr_accesses_permil": 3, "age_permil": "70 %"},
                   "goals": [{"metric": "some_mem_psi_us", "target_value": "10 ms", "current_value": 0},
                             {"metric": "node_mem_used_bp", "target_value": "99.5 %", "nid": 0}],
                   "goal_tuner": "consist", "fail_charge_num": 1, "fail_charge_denom": 4096,
                   "effective_sz_bytes": "0 B"},
        "watermarks": {"metric": "free_mem_rate", "interval_us": "5 s", "high_permil": "50 %", "mid_permil": 200,
                       "low_permil": "1 %"},
        "filters": [{"filter_type": "anon", "matching": true, "allow": false},
                    {"filter_type": "memcg", "matching": "N", "filter_pass": true, "memcg_path": "/a b"},
                    {"filter_type": "addr", "matching": true, "address_range": {"start": "4,096", "end": "1G"}},
                    {"filter_type": "target", "damon_target_idx": 2},
                    {"filter_type": "hugepage_size", "hugepage_size": ["2 MiB", "1 GiB"]}],
        "stats": {"nr_tried": "12"}}"#,
    );
    assert_eq!(scheme.dests[0], Dest { id: 1, weight: 3 });
    assert_eq!(scheme.access_pattern.sz_bytes.min, Bytes(4096));
    assert_eq!(scheme.access_pattern.nr_accesses.max, Rate::Samples(3));
    assert_eq!(scheme.access_pattern.age.min, Span::Intervals(3));
    assert_eq!(scheme.apply_interval, Nanos::from_secs(1));
    let q = &scheme.quotas;
    assert_eq!((q.time, q.size, q.reset_interval), (Nanos::from_millis(10), Bytes(100 << 20), Nanos::from_secs(1)));
    assert_eq!(q.weights, Weights { size: 0, nr_accesses: 3, age: 700 });
    assert_eq!(q.goals.iter().map(|g| g.target_value).collect::<Vec<_>>(), [10_000, 9_950]);
    let w = scheme.watermarks;
    assert_eq!(w.metric, WatermarkMetric::FreeMemRate);
    assert_eq!((w.interval, w.high, w.mid, w.low), (Nanos::from_secs(5), 500, 200, 10));
    let kinds: Vec<_> = scheme.filters.iter().map(|f| f.kind.clone()).collect();
    let expected = [
        FilterKind::Anon,
        FilterKind::Memcg("/a b".into()),
        FilterKind::Addr(AddrRange::new(Addr(4096), Addr(1 << 30))),
        FilterKind::Target(2),
        FilterKind::HugepageSize(MinMax { min: Bytes(2 << 20), max: Bytes(1 << 30) }),
    ];
    assert_eq!(kinds, expected);
    assert!(!scheme.filters[1].matching && scheme.filters[1].allow);
}

#[test]
fn percent_and_time_become_samples_and_aggregations_without_fraction() {
    let scheme = read(
        r#"{"access_pattern": {"nr_accesses": {"min": 9.9, "max": "100 %"}, "age": {"min": 250000, "max": "1 h"}}}"#,
    );
    let pattern = scheme.access_pattern.resolve(&Intervals::default());
    assert_eq!(pattern.nr_accesses, MinMax { min: NrAccesses(1), max: NrAccesses(20) });
    assert_eq!(pattern.age, MinMax { min: Age(2), max: Age(36_000) });
}

#[test]
fn mistakes_name_their_place() {
    let cases = [
        (r#"{"acton": "pageout"}"#, "unknown key `acton`; did you mean `action`?"),
        (r#"{"action": "page_out"}"#, "action: `page_out` is no action; did you mean `pageout`?"),
        (r#"{"access_pattern": {"size": {}}}"#, "access_pattern: unknown key `size`"),
        (
            r#"{"access_pattern": {"nr_accesses": {"mni": 1}}}"#,
            "access_pattern.nr_accesses: unknown key `mni`; did you mean `min`?",
        ),
        (r#"{"access_pattern": {"sz_bytes": {"min": "4 kilo"}}}"#, "access_pattern.sz_bytes.min: "),
        (r#"{"access_pattern": {"sz_bytes": {"min": 9, "max": 8}}}"#, "access_pattern.sz_bytes: at least 9"),
        (r#"{"access_pattern": {"nr_accesses": {"min": "5 %", "max": "4 %"}}}"#, "access_pattern.nr_accesses: "),
        (r#"{"access_pattern": {"nr_accesses": {"min": "-5 %"}}}"#, "access_pattern.nr_accesses.min: -5 %"),
        (r#"{"access_pattern": {"nr_accesses": {"min": "nan"}}}"#, "access_pattern.nr_accesses.min: "),
        (r#"{"access_pattern": {"nr_accesses": {"min": "5 apples"}}}"#, "access_pattern.nr_accesses.min: "),
        (r#"{"access_pattern": {"age": {"min": "-1 s"}}}"#, "access_pattern.age.min: is negative"),
        (r#"{"access_pattern": {"age": {"min": "2 s", "max": "1 s"}}}"#, "access_pattern.age: at least 2 s"),
        (r#"{"access_pattern": {"age": {"min": true}}}"#, "a number or a text"),
        (r#"{"apply_interval_us": "-1 s"}"#, "apply_interval_us: is negative"),
        (r#"{"action": "migrate_hot"}"#, "target_nid: migrate_hot needs a node"),
        (r#"{"action": "migrate_hot", "dests": [{"id": 1, "weight": 0}]}"#, "dests: all weights are 0"),
        (r#"{"quotas": {"time_ms": "soon"}}"#, "quotas.time_ms: "),
        (
            r#"{"quotas": {"goals": [{"metric": "user_input", "target_value": 1}]}}"#,
            "quotas.reset_interval_ms: is missing",
        ),
        (
            r#"{"quotas": {"reset_interval_ms": 1, "goals": [{"metric": "x", "target_value": 1}]}}"#,
            "quotas.goals[0].metric: `x` is no metric of a goal",
        ),
        (
            r#"{"quotas": {"reset_interval_ms": 1, "goals": [{"metric": "user_input", "target_value": 0}]}}"#,
            "quotas.goals[0].target_value: 0",
        ),
        (
            r#"{"quotas": {"reset_interval_ms": 1, "goals": [{"metric": "user_input", "target_value": -4}]}}"#,
            "quotas.goals[0].target_value: -4 is out of range",
        ),
        (r#"{"quotas": {"weights": {"sz_permil": -1}}}"#, "quotas.weights.sz_permil: -1 is out of range"),
        (r#"{"watermarks": {"metric": "free"}}"#, "watermarks.metric: `free`"),
        (r#"{"watermarks": {"metric": "free_mem_rate"}}"#, "watermarks.interval_us: is 0"),
        (
            r#"{"watermarks": {"metric": "free_mem_rate", "interval_us": 1, "high_permil": 1, "mid_permil": 2}}"#,
            "watermarks: high 1, mid 2 and low 0",
        ),
        (r#"{"filters": [{"filter_type": "anno"}]}"#, "filters[0].filter_type: `anno`"),
        (r#"{"filters": [{"filter_type": "anon"}, {"filter_type": "memcg"}]}"#, "filters[1].memcg_path: is missing"),
        (r#"{"filters": [{"filter_type": "memcg", "memcg_path": ""}]}"#, "filters[0].memcg_path: is missing"),
        (r#"{"filters": [{"name": "memcg", "memcg_path": "/a"}]}"#, "filters[0].filter_type: is missing"),
        (
            r#"{"filters": [{"filter_type": "anon", "alow": true}]}"#,
            "filters[0]: unknown key `alow`; did you mean `allow`?",
        ),
        (r#"{"quotas": {"wieghts": {}}}"#, "quotas: unknown key `wieghts`; did you mean `weights`?"),
        (r#"{"quotas": {"weights": {"age": 1}}}"#, "quotas.weights: unknown key `age`"),
        (r#"{"watermarks": {"hihg_permil": 1}}"#, "watermarks: unknown key `hihg_permil`; did you mean `high_permil`?"),
        (r#"{"filters": [{"filter_type": "addr"}]}"#, "filters[0].address_range: is missing"),
        (
            r#"{"filters": [{"filter_type": "addr", "address_range": {"start": 5, "end": 5}}]}"#,
            "filters[0].address_range: is empty",
        ),
        (r#"{"filters": [{"filter_type": "target", "damon_target_idx": -1}]}"#, "filters[0].damon_target_idx: -1"),
        (r#"{"filters": [{"filter_type": "anon", "matching": "perhaps"}]}"#, "filters[0].matching: "),
    ];
    for (json, expected) in cases {
        let error = error(json);
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn what_the_python_tool_writes_and_wrote_for_nothing_is_nothing() {
    let filters = r#"[{"filter_type": "memcg", "memcg_path": "a b/c", "matching": true, "allow": false, "name": "0",
        "comments": ["why"], "address_range": null, "damon_target_idx": null, "hugepage_size": null,
        "probe_hits_wsum_range": null, "complement": null},
        {"filter_type": "young", "memcg_path": "", "probe_hits_wsum_range": [], "complement": false}]"#;
    let scheme = read(&format!(
        r#"{{"name": "0", "comments": "mine", "action": "stat", "filters": {filters}, "quotas": null, "watermarks": null,
             "dests": null, "access_pattern": {{"age": null}}, "max_nr_snapshots": null, "target_nid": null}}"#
    ));
    let filter = |kind| SchemeFilter { kind, matching: true, allow: false };
    let filters = vec![filter(FilterKind::Memcg("/a b/c".into())), filter(FilterKind::Young)];
    assert_eq!(scheme, Scheme { filters, ..Scheme::new(Action::Stat) });
}

#[test]
fn wishes_that_cannot_be_met_are_refused_and_not_dropped() {
    for (filter, expected) in [
        (
            r#"{"filter_type": "probe_hits_wsum", "probe_hits_wsum_range": [1, 5]}"#,
            "filters by hits of attribute probes",
        ),
        (r#"{"filter_type": "anon", "probe_hits_wsum_range": ["1", "5"]}"#, "filters by hits of attribute probes"),
        (r#"{"filter_type": "anon", "probe_hits_wsum_range": {"min": 1}}"#, "filters by hits of attribute probes"),
        (r#"{"filter_type": "anon", "complement": true}"#, "filters[0].complement: is not supported"),
        (r#"{"filter_type": "anon", "complement": "Y"}"#, "filters[0].complement: is not supported"),
    ] {
        let error = error(&format!(r#"{{"filters": [{filter}]}}"#));
        assert!(error.contains(expected), "{filter}: {error}");
    }
}

#[test]
fn memory_that_no_filter_is_for_passes_unless_the_last_one_lets_pass() {
    let filter = |allow| SchemeFilter { kind: FilterKind::Anon, matching: true, allow };
    assert!(SchemeFilter::passes_by_default([].iter()));
    assert!(SchemeFilter::passes_by_default([filter(true), filter(false)].iter()));
    assert!(!SchemeFilter::passes_by_default([filter(false), filter(true)].iter()));
}

/// The Python tool writes the largest age as microseconds of which no `u64` holds the nanoseconds.
#[test]
fn an_age_that_no_kernel_can_hold_is_the_largest_there_is() {
    for text in ["18446744073709551615000", "18446744073709551615", "max"] {
        assert_eq!(Span::parse(text), Ok(Span::Max), "{text}");
    }
    assert!(Span::parse("18446744073709551614").is_err(), "smaller ones that do not fit are refused");
}

fn schemes() -> impl Strategy<Value = Scheme> {
    let size = || prop_oneof![Just(Bytes(u64::MAX)), any::<u64>().prop_map(Bytes)];
    let sorted = |a: Bytes, b: Bytes| MinMax { min: a.min(b), max: a.max(b) };
    let rates = prop_oneof![
        Just(MinMax { min: Rate::Percent(0.0), max: Rate::Max }),
        (0u64..100, 0u64..100).prop_map(|(a, b)| MinMax { min: Rate::Samples(a), max: Rate::Samples(a + b) }),
        (0.0..50.0, 50.0..100.0).prop_map(|(a, b)| MinMax { min: Rate::Percent(a), max: Rate::Percent(b) }),
    ];
    let time = || (0i64..1 << 50).prop_map(|us| Nanos::from_micros(us / 1000));
    let ages = prop_oneof![
        time().prop_map(|t| MinMax { min: Span::Time(t), max: Span::Max }),
        (0u64..100, 0u64..100).prop_map(|(a, b)| MinMax { min: Span::Intervals(a), max: Span::Intervals(a + b) }),
    ];
    let goal = (any::<u32>(), proptest::option::of(any::<u32>()), proptest::option::of(0i32..8)).prop_map(
        |(target, current, nid)| Goal {
            metric: Metric::NodeMemFreeBp,
            target_value: u64::from(target) + 1,
            current_value: current.map(u64::from),
            nid,
            memcg_path: None,
        },
    );
    let quotas = (time(), size(), time(), any::<[u32; 3]>(), proptest::collection::vec(goal, 0..3)).prop_map(
        |(time, size, reset_interval, [a, b, c], goals)| Quotas {
            time,
            size,
            reset_interval,
            weights: Weights { size: a, nr_accesses: b, age: c },
            goals,
            ..Quotas::default()
        },
    );
    let kind = prop_oneof![
        Just(FilterKind::Young),
        "/[a-z/]{0,9}".prop_map(FilterKind::Memcg),
        (0u64..1 << 40, 1u64..1 << 40).prop_map(|(a, n)| FilterKind::Addr(AddrRange::new(Addr(a), Addr(a + n)))),
        any::<u64>().prop_map(FilterKind::Target),
    ];
    let filter =
        (kind, any::<bool>(), any::<bool>()).prop_map(|(kind, matching, allow)| SchemeFilter { kind, matching, allow });
    let filters = proptest::collection::vec(filter, 0..4);
    let action = proptest::sample::select(&Action::ALL[..]);
    (action, (size(), size()), rates, ages, time(), quotas, filters).prop_map(
        move |(action, (a, b), nr_accesses, age, apply_interval, quotas, filters)| Scheme {
            action,
            target_nid: Some(1),
            access_pattern: AccessPattern { sz_bytes: sorted(a, b), nr_accesses, age },
            apply_interval,
            quotas,
            filters,
            ..Scheme::default()
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(scheme in schemes()) {
        let json = serde_json::to_string(&scheme).unwrap();
        prop_assert_eq!(serde_json::from_str::<Scheme>(&json).map_err(|e| e.to_string()), Ok(scheme), "{}", json);
    }
}
