use super::*;
use damo_model::scheme::{FilterKind, GoalTuner, Metric, Rate, Span, Weights};
use damo_model::{Addr, AddrRange, Bytes, Nanos};

fn typed(line: &str) -> Result<Vec<Scheme>, String> {
    let command = DamosArgs::options(Command::new("test").no_binary_name(true));
    let matches = command
        .try_get_matches_from(line.split_whitespace().map(|word| word.replace('~', " ")))
        .map_err(|e| e.to_string())?;
    let args = DamosArgs::read(&matches).map_err(|e| e.to_string())?;
    args.schemes().map(Option::unwrap_or_default).map_err(|e| e.to_string())
}

fn one(options: &str) -> Scheme {
    let schemes = typed(&format!("{options} --damos_action pageout")).unwrap();
    assert_eq!(schemes.len(), 1);
    schemes[0].clone()
}

#[test]
fn every_option_arrives_where_it_belongs() {
    let pattern =
        one("--damos_sz_region 4K max --damos_access_rate 5% 3~samples --damos_age 2000000 1m").access_pattern;
    assert_eq!((pattern.sz_bytes.min, pattern.sz_bytes.max), (Bytes(4096), Bytes(u64::MAX)));
    assert_eq!((pattern.nr_accesses.min, pattern.age.min), (Rate::Percent(5.0), Span::Time(Nanos::from_secs(2))));
    assert_eq!(one("--damos_apply_interval 250000").apply_interval, Nanos::from_millis(250));
    assert_eq!(one("--damos_max_nr_snapshots 10").max_nr_snapshots, Some(10));
    let marks = one("--damos_wmarks free_mem_rate 5s 50% 200 1%").watermarks;
    assert_eq!((marks.interval, marks.high, marks.mid, marks.low), (Nanos::from_secs(5), 500, 200, 10));
    let quotas = one("--damos_quotas 10ms 100M 1s 0 3 7").quotas;
    assert_eq!((quotas.time, quotas.size), (Nanos::from_millis(10), Bytes(100 << 20)));
    assert_eq!(quotas.weights, Weights { size: 0, nr_accesses: 3, age: 7 });
    let quotas = one("--damos_quota_time 10 --damos_quota_space 1G --damos_quota_interval 1000").quotas;
    assert_eq!((quotas.time, quotas.size), (Nanos::from_millis(10), Bytes(1 << 30)));
    assert_eq!(
        (quotas.reset_interval, quotas.weights),
        (Nanos::from_secs(1), Weights { size: 1, nr_accesses: 1, age: 1 })
    );
    assert_eq!(one("--damos_quota_weights 1% 2 3").quotas.weights, Weights { size: 10, nr_accesses: 2, age: 3 });
    // As in the Python tool: weights come with the single options only.
    assert_eq!(one("--damos_quotas 10ms").quotas.weights, Weights::default());
    let quotas = one("--damos_quota_goal_tuner temporal --damos_quota_fail_charge_ratio 1 4096").quotas;
    assert_eq!((quotas.goal_tuner, quotas.fail_charge_num), (Some(GoalTuner::Temporal), Some(1)));
    assert_eq!(quotas.fail_charge_denom, Some(4096));
}

#[test]
fn goals_take_a_present_value_or_a_node_and_a_cgroup() {
    let goals =
        one("--damos_quota_interval 1s --damos_quota_goal user_input 100 3 --damos_quota_goal some_mem_psi_us 10ms 0 \
         --damos_quota_goal node_mem_used_bp 99.5% 1 --damos_quota_goal node_memcg_used_bp 10% 1 /a")
        .quotas
        .goals;
    assert_eq!((goals[0].metric, goals[0].target_value, goals[0].current_value), (Metric::UserInput, 100, Some(3)));
    assert_eq!((goals[1].metric, goals[1].target_value), (Metric::SomeMemPsiUs, 10_000));
    assert_eq!((goals[2].target_value, goals[2].nid), (9_950, Some(1)));
    assert_eq!(goals[3].memcg_path.as_deref(), Some("/a"));
}

#[test]
fn migrations_go_to_one_node_or_to_several_with_weights() {
    assert_eq!(typed("--damos_action migrate_cold 1").unwrap()[0].target_nid, Some(1));
    let dests: Vec<(u32, u32)> = typed("--damos_action migrate_hot 1 3 2 1").unwrap()[0]
        .dests
        .iter()
        .map(|dest| (dest.id, dest.weight))
        .collect();
    assert_eq!(dests, [(1, 3), (2, 1)]);
    assert!(typed("--damos_action migrate_hot 1 2 3").unwrap_err().contains("each node with its weight"));
}

#[test]
fn both_grammars_of_filters_mean_the_same() {
    let now = one("--damos_filter reject anon allow none memcg /x reject addr 4K 1G --damos_filter block target 0");
    let before = one("--damos_filter anon matching --damos_filter memcg nomatching /x allow \
         --damos_filter addr matching 4096 1073741824 reject --damos_filter target matching 0");
    assert_eq!(now.filters, before.filters);
    let filter = &now.filters[1];
    assert_eq!((&filter.kind, filter.matching, filter.allow), (&FilterKind::Memcg("/x".into()), false, true));
    assert_eq!(now.filters[2].kind, FilterKind::Addr(AddrRange::new(Addr(4096), Addr(1 << 30))));
    let sizes = one("--damos_filter allow hugepage_size 2M 1G deny young").filters;
    assert!(matches!(sizes[0].kind, FilterKind::HugepageSize(_)) && !sizes[1].allow);
}

#[test]
fn the_nth_of_an_option_is_for_the_nth_action() {
    let schemes = typed(
        "--damos_action pageout --damos_age 1s max --damos_action stat --damos_age 2s max --damos_filter reject anon \
         --damos_filter allow young --damos_filter reject target 0 --damos_nr_filters 1 2",
    )
    .unwrap();
    assert_eq!(schemes[1].access_pattern.age.min, Span::Time(Nanos::from_secs(2)));
    assert_eq!((schemes[0].filters.len(), schemes[1].filters.len()), (1, 2));
}

#[test]
fn mistakes_are_told_with_the_option_or_the_field() {
    for (line, said) in [
        ("--damos_age 1s max", "give its --damos_action"),
        ("--damos_action stat --damos_age 1s max --damos_age 1s max", "--damos_age was given 2 times for 1 actions"),
        ("--damos_action stat --damos_age 5s 1s", "scheme 0: access_pattern.age: at least 5 s"),
        ("--damos_action stat --damos_age soon max", "scheme 0: access_pattern.age.min"),
        ("--damos_action frobnicate", "frobnicate"),
        ("--damos_action stat --damos_quota_goal user_input 5", "quotas.reset_interval_ms: is missing"),
        ("--damos_action stat --damos_action stat --damos_filter reject anon", "--damos_nr_filters"),
        ("--damos_action stat --damos_filter reject anon --damos_nr_filters 2", "--damos_nr_filters 2: there are 1"),
        ("--damos_action stat --damos_filter reject anonymous", "`anonymous` is no filter"),
        ("--damos_action stat --damos_filter reject", "a type is missing"),
        ("--damos_action stat --damos_quotas 10ms 1M 1s 4242", "stands ahead of it"),
        ("--damos_action stat --schemes []", "leave out --damos_action"),
    ] {
        let error = typed(line).unwrap_err();
        assert!(error.contains(said), "{line}: {error}");
    }
}
