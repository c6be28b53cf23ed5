use super::*;
use crate::scheme::{Action, FilterKind, Goal, Metric, Rate, SchemeFilter, Span};
use crate::{Addr, Age, Bytes, NrAccesses};
use serde_json::json;

#[test]
fn what_is_written_reads_back_the_same() {
    let mut context = Context::new(Ops::Fvaddr);
    context.intervals.sample = Nanos::from_micros(1_234_567);
    context.targets = vec![ContextTarget {
        pid: Some(42),
        obsolete: false,
        regions: vec![AddrRange::new(Addr(0x7f00_0000_0001), Addr(u64::MAX - 5))],
    }];
    let mut scheme = Scheme::new(Action::Pageout);
    scheme.access_pattern.nr_accesses.max = Rate::Samples(3);
    scheme.access_pattern.age.min = Span::Intervals(7);
    scheme.access_pattern.sz_bytes.min = Bytes(4097);
    scheme.quotas.goals.push(Goal { metric: Metric::UserInput, target_value: 9, ..Goal::default() });
    scheme.quotas.reset_interval = Nanos::from_secs(1);
    scheme.filters.push(SchemeFilter { kind: FilterKind::Anon, matching: true, allow: false });
    context.schemes.push(scheme);
    let kdamond = Kdamond { refresh: Some(Nanos::from_millis(100)), contexts: vec![context] };
    let read = from_json(&to_json(std::slice::from_ref(&kdamond))).unwrap();
    assert_eq!(read, [kdamond]);
}

#[test]
fn the_python_tools_human_and_raw_forms_are_both_read() {
    let human = json!({"kdamonds": [{"state": "on", "pid": 5, "contexts": [{"ops": "vaddr",
        "targets": [{"pid": 1234, "regions": []}],
        "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s"},
        "nr_regions": {"min": "10", "max": "1,000"}, "schemes": []}]}]});
    let raw = json!([{"contexts": [{"ops": "vaddr", "targets": [{"pid": 1234, "regions": []}],
        "intervals": {"sample_us": 5000, "aggr_us": 100000, "ops_update_us": 1000000},
        "nr_regions": {"min": 10, "max": 1000}}]}]);
    let read = from_json(&human).unwrap();
    assert_eq!(read, from_json(&raw).unwrap());
    assert_eq!(read[0].contexts[0].intervals, Intervals::default());
    assert_eq!(read[0].contexts[0].targets[0].pid, Some(1234));
}

#[test]
fn the_same_rates_and_ages_are_other_numbers_under_other_intervals() {
    let json =
        json!({"access_pattern": {"nr_accesses": {"max": "10 %"}, "age": {"min": "5 s", "max": "60 aggr_intervals"}}});
    let mut context = Context { schemes: vec![Scheme::from_json(&json).unwrap()], ..Context::new(Ops::Vaddr) };
    let resolved = |context: &Context| {
        let kdamond = Kdamond { contexts: vec![context.clone()], ..Kdamond::default() }.resolved();
        let pattern = kdamond.contexts[0].schemes[0].access_pattern.clone();
        (pattern.nr_accesses.max, pattern.age.min, pattern.age.max)
    };
    assert_eq!(resolved(&context), (Rate::Samples(2), Span::Intervals(50), Span::Intervals(60)));
    context.intervals.aggregation = Nanos::from_secs(1);
    assert_eq!(resolved(&context), (Rate::Samples(20), Span::Intervals(5), Span::Intervals(60)));
}

#[test]
fn a_pattern_is_checked_in_the_numbers_that_the_kernel_gets() {
    let pattern = json!({"nr_accesses": {"min": "5 samples", "max": "10 %"}});
    let scheme = Scheme::from_json(&json!({"access_pattern": pattern})).unwrap();
    let context = Context { schemes: vec![scheme], ..Context::new(Ops::Paddr) };
    let said = check(&[Kdamond { contexts: vec![context], ..Kdamond::default() }]).unwrap_err().to_string();
    assert!(said.contains("schemes[0].access_pattern.nr_accesses: at least 5 and at most 2"), "{said}");
}

#[test]
fn words_of_a_newer_kernel_are_kept_as_they_are() {
    let action = Action::of_kernel("defragment");
    assert_eq!((action, action.as_str()), (Action::of_kernel("defragment"), "defragment"));
    assert_eq!(Action::of_kernel("pageout"), Action::Pageout);
    assert!("defragment".parse::<Action>().is_err(), "nobody may type what is not known");
}

#[test]
fn what_the_python_tool_prints_for_its_options_is_read() {
    let text = r#"{"kdamonds": [{"refresh_ms": 0, "contexts": [{"ops": "paddr", "addr_unit": "1 B",
        "targets": [{"pid": null, "obsolete": false, "regions": [{"start": "4,096", "end": "26,843,545,600"}]}],
        "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s", "intervals_goal":
            {"access_bp": "0 %", "aggrs": "0", "min_sample_us": "0 ns", "max_sample_us": "0 ns"}},
        "nr_regions": {"min": "10", "max": "1,000"}, "probes": [{"preps": [], "weight": 3, "filters": [{"filter_type": "memcg",
            "matching": false, "allow": true, "path": "a/b", "range_min": null, "range_max": null}]}],
        "sample_control": {"primitives_enabled": {"page_table": true, "page_fault": false}, "sample_filters": []},
        "pause": false, "schemes": [{"action": "pageout", "dests": [],
            "access_pattern": {"sz_bytes": {"min": "0 B", "max": "max"}, "nr_accesses": {"min": "0 %", "max": "0 %"},
                "age": {"min": "5 s", "max": "max"}},
            "apply_interval_us": "0 ns",
            "quotas": {"time_ms": "10 ms", "sz_bytes": "100.000 MiB", "reset_interval_ms": "1 s",
                "fail_charge_num": "0", "fail_charge_denom": "0", "goals": [], "goal_tuner": "consist",
                "effective_sz_bytes": "0 B",
                "weights": {"sz_permil": "0 %", "nr_accesses_permil": "0 %", "age_permil": "0.1 %"}},
            "watermarks": {"metric": "none", "interval_us": "0 ns", "high_permil": "0 %", "mid_permil": "0 %",
                "low_permil": "0 %"},
            "filters": [{"filter_type": "anon", "matching": true, "allow": false, "memcg_path": null,
                "address_range": null, "damon_target_idx": null, "hugepage_size": null}]}]}]}]}"#;
    let read = from_json(&serde_json::from_str(text).unwrap()).unwrap();
    let scheme = &read[0].contexts[0].schemes[0];
    let pattern = scheme.access_pattern.resolve(&read[0].contexts[0].intervals);
    assert_eq!((pattern.age.min, pattern.nr_accesses.max), (Age(50), NrAccesses(0)));
    assert_eq!((scheme.quotas.size, scheme.quotas.weights.age), (Bytes(100 << 20), 1));
    assert_eq!((scheme.quotas.fail_charge_num, read[0].contexts[0].addr_unit), (None, Some(1)));
    assert_eq!(read[0].contexts[0].intervals_goal, None);
    let filter = SchemeFilter { kind: FilterKind::Memcg("/a/b".into()), matching: false, allow: true };
    assert_eq!(read[0].contexts[0].probes, [Probe { filters: vec![filter], weight: 3 }]);
    assert_eq!(from_json(&to_json(&read)).unwrap()[0].contexts[0].probes, read[0].contexts[0].probes);
}

#[test]
fn errors_name_the_place() {
    for (bad, place) in [
        (json!({}), "`kdamonds` is missing"),
        (json!({"kdamonds": []}), "no kdamond"),
        (json!({"kdamonds": [{"contexts": [], "refresh": 1}]}), "kdamonds[0]: unknown key `refresh`"),
        (
            json!({"kdamonds": [{"contexts": [{"ops": "paddr", "targets": [], "schemes": [{},
                {"access_pattern": {"age": {"min": "soon"}}}]}]}]}),
            "kdamonds[0].contexts[0].schemes[1]: access_pattern.age.min",
        ),
        (json!({"kdamonds": [{"contexts": [{"ops": "xaddr", "targets": []}]}]}), "kdamonds[0].contexts[0].ops"),
        (json!({"kdamonds": [{"contexts": [{"ops": "vaddr", "targets": [{"pid": "x"}]}]}]}), "targets[0].pid"),
        (
            json!({"kdamonds": [{"contexts": [{"ops": "vaddr", "targets": [{"regions": [{"start": 9, "end": 3}]}]}]}]}),
            "regions[0]",
        ),
    ] {
        let said = from_json(&bad).unwrap_err().to_string();
        assert!(said.contains(place), "{said}");
    }
}

/// Replaces one value somewhere in the tree, counted in depth-first order, by something else.
fn mutate(value: &mut serde_json::Value, at: &mut usize, with: &serde_json::Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| mutate(item, at, with)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|item| mutate(item, at, with)),
        _ => {}
    }
}

#[test]
fn any_value_at_any_place_is_read_or_refused_with_a_sentence() {
    let sound = json!({"kdamonds": [{"refresh_ms": "1 s", "contexts": [{"ops": "vaddr", "addr_unit": 1,
        "targets": [{"pid": 1, "obsolete": false, "regions": [{"start": "4,096", "end": "8 KiB"}]}],
        "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s", "intervals_goal":
            {"access_bp": "4 %", "aggrs": "3", "min_sample_us": "5 ms", "max_sample_us": "10 s"}},
        "nr_regions": {"min": "10", "max": "1,000"},
        "schemes": [{"action": "pageout", "access_pattern": {"sz_bytes": {"min": "4 KiB", "max": "max"},
            "nr_accesses": {"min": "0 samples", "max": "50 %"}, "age": {"min": "5 s", "max": "max"}},
            "apply_interval_us": "0", "quotas": {"time_ms": "10 ms", "sz_bytes": "1 GiB",
            "reset_interval_ms": "1 s", "weights": {"sz_permil": "1 %", "nr_accesses_permil": 1, "age_permil": 1},
            "goals": [{"metric": "some_mem_psi_us", "target_value": "10 ms", "current_value": 0}]},
            "watermarks": {"metric": "none", "interval_us": 0, "high_permil": 0, "mid_permil": 0, "low_permil": 0},
            "filters": [{"filter_type": "addr", "matching": true, "address_range": {"start": 1, "end": 2}}]}]}]}]});
    from_json(&sound).unwrap();
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(u64::MAX),
        json!("nan"),
        json!("-4K"),
        json!("max"),
        json!(""),
        json!("\u{0} 9 m"),
        json!([]),
        json!({}),
        json!([{}]),
    ];
    let mut refused = 0;
    for at in 0..90 {
        for with in &values {
            let mut bad = sound.clone();
            mutate(&mut bad, &mut at.clone(), with);
            match from_json(&bad) {
                // What was read can be written and read again.
                Ok(read) => assert!(from_json(&to_json(&read)).is_ok(), "{bad}"),
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains(':'), "{error}");
                }
            }
        }
    }
    assert!(refused > 300, "{refused}");
}
