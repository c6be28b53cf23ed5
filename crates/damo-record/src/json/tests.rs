use super::*;
use damo_kernel::sysfs::{Context, ContextTarget, Filter, Goal, Kdamond, Scheme};
use damo_model::{Addr, AddrRange, Age, Bytes, Intervals, Nanos, NrAccesses, Ops};
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
    let mut scheme = Scheme::new("pageout");
    scheme.pattern.nr_accesses.max = NrAccesses(3);
    scheme.pattern.age.min = Age(7);
    scheme.pattern.size.min = Bytes(4097);
    scheme.quotas.goals.push(Goal { metric: "user_input".into(), target_value: 9, ..Goal::default() });
    scheme.filters.push(Filter { kind: "anon".into(), matching: true, ..Filter::default() });
    context.schemes.push(scheme);
    let kdamond = Kdamond { refresh: Some(Nanos::from_millis(100)), contexts: vec![context] };
    let read = kdamonds(&serde_json::from_str(&text(std::slice::from_ref(&kdamond))).unwrap()).unwrap();
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
    let read = kdamonds(&human).unwrap();
    assert_eq!(read, kdamonds(&raw).unwrap());
    assert_eq!(read[0].contexts[0].intervals, Intervals::default());
    assert_eq!(read[0].contexts[0].targets[0].pid, Some(1234));
}

#[test]
fn percent_and_times_become_samples_and_aggregations() {
    let scheme = json!([{"action": "pageout", "access_pattern": {
        "sz_bytes": {"min": "4 KiB", "max": "max"},
        "nr_accesses": {"min": "0 %", "max": "50 %"},
        "age": {"min": "5 s", "max": "3 aggr_intervals"}}}]);
    let mut read = [Kdamond { contexts: vec![Context::new(Ops::Vaddr)], ..Kdamond::default() }];
    apply_schemes(&schemes(&scheme).unwrap(), &mut read).unwrap();
    let read = &read[0].contexts[0].schemes;
    assert_eq!(read[0].pattern.nr_accesses.max, NrAccesses(10));
    assert_eq!(read[0].pattern.age.min, Age(50));
    assert_eq!(read[0].pattern.age.max, Age(3));
    assert_eq!(read[0].pattern.size.max, Bytes(u64::MAX));
}

#[test]
fn what_the_python_tool_prints_for_its_options_is_read() {
    let text = r#"{"kdamonds": [{"refresh_ms": 0, "contexts": [{"ops": "paddr", "addr_unit": "1 B",
        "targets": [{"pid": null, "obsolete": false, "regions": [{"start": "4,096", "end": "26,843,545,600"}]}],
        "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s", "intervals_goal":
            {"access_bp": "0 %", "aggrs": "0", "min_sample_us": "0 ns", "max_sample_us": "0 ns"}},
        "nr_regions": {"min": "10", "max": "1,000"}, "probes": [],
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
    let read = kdamonds(&serde_json::from_str(text).unwrap()).unwrap();
    let scheme = &read[0].contexts[0].schemes[0];
    assert_eq!((scheme.pattern.age.min, scheme.pattern.nr_accesses.max), (Age(50), NrAccesses(0)));
    assert_eq!((scheme.quotas.size, scheme.quotas.weight_age), (Bytes(100 << 20), 1));
    assert_eq!((scheme.quotas.fail_charge, read[0].contexts[0].addr_unit), (None, Some(1)));
    assert_eq!(read[0].contexts[0].intervals_goal, None);
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
        let said = kdamonds(&bad).unwrap_err().to_string();
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
    kdamonds(&sound).unwrap();
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
            match kdamonds(&bad) {
                // What was read can be written and read again.
                Ok(read) => assert!(kdamonds(&to_json(&read)).is_ok(), "{bad}"),
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains(':'), "{error}");
                }
            }
        }
    }
    assert!(refused > 300, "{refused}");
}
