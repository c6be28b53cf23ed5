//! Schemes on simulated memory, against what the workload really accesses.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use damo_model::scheme::{Action, Scheme};
use damo_model::{AddrRange, Bytes, ColumnId, Item, Nanos, Ops, Side, Snapshot, Stamp};
use damo_sim::builtin;
use damo_sim::{GroundTruth, Options, Outcome, SimError, Workload, simulate};
use std::ops::ControlFlow;

fn scheme(json: &str) -> Scheme {
    serde_json::from_str(json).unwrap()
}

fn run(workloads: &[Workload], options: &Options) -> (Vec<Item>, Outcome) {
    let mut items = Vec::new();
    let outcome = simulate(workloads, options, &mut items, &mut |_| ControlFlow::Continue(())).unwrap();
    (items, outcome)
}

fn stairs(schemes: &[&str]) -> (Vec<Item>, Outcome) {
    let options = Options { schemes: schemes.iter().map(|s| scheme(s)).collect(), ..Options::default() };
    run(&builtin::STAIRS.workloads(), &options)
}

/// Two areas that are idle after a second and one that is busy.
const IDLE: &str = "old, 40000000\nnew, 40000000\nbusy, 20000000\n\nall\n1000\nold, 0, 4096, 1\nnew, 0, 4096, 1\n\n\
                    without old\n30000\nnew, 0, 4096, 1\nbusy, 0, 4096, 1\n\nbusy\n29000\nbusy, 0, 4096, 1\n";

fn idle(options: Options) -> (Vec<Item>, Outcome) {
    run(&[Workload::parse(IDLE, "idle").unwrap()], &options)
}

fn with(schemes: &[&str]) -> Options {
    Options { schemes: schemes.iter().map(|s| scheme(s)).collect(), ..Options::default() }
}

/// Resident bytes of the first process at each whole second.
fn rss(items: &[Item]) -> Vec<u64> {
    let process = |item: &Item| match item {
        Item::Side(Side::Process(p)) if p.pid == 1001 => p.footprint.rss.map(|rss| rss.0),
        _ => None,
    };
    items.iter().filter_map(process).collect()
}

/// Snapshots of what the first scheme was applied to.
fn applied(items: &[Item]) -> Vec<&Snapshot> {
    let views = items.iter().filter_map(|item| match item {
        Item::Target(target) if target.scheme == Some(0) => Some(target.key),
        _ => None,
    });
    let views: Vec<_> = views.collect();
    let mut snapshots: Vec<&Snapshot> = Vec::new();
    for item in items {
        if let Item::Snapshot(snapshot) = item
            && views.contains(&snapshot.target)
        {
            snapshots.push(snapshot);
        }
    }
    snapshots
}

fn overlap(ranges: &[AddrRange], range: AddrRange) -> u64 {
    ranges.iter().filter_map(|r| r.intersection(range)).map(|r| r.size().0).sum()
}

const MB: u64 = 1_000_000;

#[test]
fn paging_out_the_idle_more_than_halves_the_staircase_while_it_runs() {
    let (plain, untouched) = stairs(&[]);
    let (items, outcome) =
        stairs(&[r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "2 s"}}}"#]);
    assert_eq!((untouched.refaults, untouched.schemes.len()), (0, 0));
    let (before, after) = (rss(&plain), rss(&items));
    for second in 14..=60 {
        assert!(after[second] * 2 < before[second], "{second} s: {} of {}", after[second], before[second]);
    }
    // Each step was paged out before its turn and is brought back when it comes: 2,442 pages each. Little else is.
    let steps = 10 * 2442;
    assert!((steps / 2..steps + steps / 10).contains(&outcome.refaults), "{}", outcome.refaults);
    assert_eq!(outcome.stalled, Nanos(outcome.refaults as i64 * 5_000));
    let stats = outcome.schemes[0];
    assert!(stats.sz_changed.0 > 90 * MB && stats.sz_changed <= stats.counts.sz_tried);
    assert!(stats.counts.nr_applied <= stats.counts.nr_tried);
    let total = outcome.memory.rss.0 + outcome.memory.swapped.0;
    assert_eq!(total, untouched.memory.rss.0, "nothing is lost");
}

#[test]
fn what_is_paged_out_is_idle_by_ground_truth() {
    let pageout = r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "2 s"}}}"#;
    let options = Options { scheme_snapshots: true, ..with(&[pageout]) };
    let workload = builtin::STAIRS.workloads().remove(0);
    let truth = GroundTruth::new(&workload, &options, 0).unwrap();
    let (items, _) = run(&[workload], &options);
    let (mut acted, mut busy) = (0, 0);
    for snapshot in applied(&items) {
        let real = truth.accessed(Nanos(snapshot.end.0 - 1_000_000_000), snapshot.end);
        for region in &snapshot.regions {
            assert_eq!(region.nr_accesses.0, 0);
            assert!(region.age.unwrap().0 >= 20);
            acted += region.size().0;
            busy += overlap(&real, region.range());
        }
    }
    assert!(acted > 100 * MB);
    assert!(busy * 20 < acted, "{busy} of {acted} bytes were accessed in the second before");
}

#[test]
fn results_depend_on_the_seed_alone() {
    let pageout = r#"{"action": "pageout", "access_pattern": {"age": {"min": "1 s"}}, "quotas": {"time_ms": 10, "reset_interval_ms": 1000}}"#;
    assert_eq!(stairs(&[pageout]), stairs(&[pageout]));
}

#[test]
fn a_quota_is_never_exceeded_in_any_window() {
    let pageout = r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "1 s"}},
        "quotas": {"sz_bytes": "1 MiB", "reset_interval_ms": "1 s"}}"#;
    let (items, outcome) = idle(Options { scheme_snapshots: true, ..with(&[pageout]) });
    let mut seconds = std::collections::BTreeMap::<i64, u64>::new();
    for snapshot in applied(&items) {
        // Windows begin at the first application, 100 ms after the start.
        let window = (snapshot.end.0 - 100_000_000).div_euclid(1_000_000_000);
        *seconds.entry(window).or_default() += snapshot.regions.iter().map(|r| r.size().0).sum::<u64>();
    }
    assert!(seconds.len() > 40);
    assert!(seconds.values().all(|bytes| *bytes <= 1 << 20), "{seconds:?}");
    assert!(outcome.schemes[0].counts.qt_exceeds > 30);
    assert_eq!(outcome.schemes[0].effective_quota, Some(Bytes(1 << 20)));
}

#[test]
fn with_a_quota_the_longest_idle_goes_first() {
    // 32 MB a minute: enough for a part of the area that has been idle for 31 s, not for the one idle since then.
    let pageout = r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "1 s"}},
        "apply_interval_us": "45 s",
        "quotas": {"sz_bytes": "32 MiB", "reset_interval_ms": "1 h", "weights": {"nr_accesses_permil": 100, "age_permil": 900}}}"#;
    let options = Options { scheme_snapshots: true, ..with(&[pageout]) };
    let (items, outcome) = idle(options.clone());
    let truth = GroundTruth::new(&Workload::parse(IDLE, "idle").unwrap(), &options, 0).unwrap();
    let old: Vec<AddrRange> = truth.at(Nanos(0)).iter().filter(|a| a.name == "old").map(|a| a.range).collect();
    let new: Vec<AddrRange> = truth.at(Nanos(0)).iter().filter(|a| a.name == "new").map(|a| a.range).collect();
    let acted = |ranges: &[AddrRange]| {
        applied(&items).iter().flat_map(|s| &s.regions).map(|r| overlap(ranges, r.range())).sum::<u64>()
    };
    assert!(acted(&old) > 25 * MB, "{}", acted(&old));
    assert!(acted(&new) < 2 * MB, "{}", acted(&new));
    assert!(outcome.schemes[0].counts.sz_tried.0 <= 32 << 20);
}

#[test]
fn a_time_quota_bounds_what_the_scheme_costs() {
    let with_time = |ms: u32| {
        let json = format!(
            r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": 0}}, "age": {{"min": "500 ms"}}}},
                "quotas": {{"time_ms": {ms}, "reset_interval_ms": "1 s"}}}}"#
        );
        stairs(&[&json]).1
    };
    let (little, much) = (with_time(1), with_time(20));
    // 60 s: at most 61 windows; the throughput is measured, so single windows may miss it, all together may not by far.
    assert!(little.schemes[0].time.0 < 61 * 2_000_000, "{:?}", little.schemes[0]);
    assert!(little.schemes[0].sz_changed < much.schemes[0].sz_changed);
    assert!(little.refaults < much.refaults);
}

#[test]
fn filters_keep_out_what_they_must() {
    let plain =
        idle(with(&[r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "1 s"}}}"#]))
            .1;
    assert!(plain.memory.swapped.0 > 70 * MB);
    let filtered_on = |ops: Ops, filter: &str| {
        let json = format!(
            r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": 0}}, "age": {{"min": "1 s"}}}}, "filters": [{filter}]}}"#
        );
        idle(Options { ops, ..with(&[&json]) }).1
    };
    let filtered = |filter: &str| filtered_on(Ops::Vaddr, filter);
    let of_pages = |filter: &str| filtered_on(Ops::Paddr, filter);
    let no_anon = r#"{"filter_type": "anon", "matching": true, "allow": false}"#;
    assert_eq!(filtered(no_anon), plain, "on virtual addresses the kernel does not ask what pages are");
    let anon = of_pages(no_anon);
    assert_eq!((anon.memory.swapped, anon.schemes[0].counts.sz_ops_filter_passed), (Bytes(0), Some(Bytes(0))));
    assert!(anon.schemes[0].counts.nr_tried > 0);
    let only_anon = of_pages(r#"{"filter_type": "anon", "matching": true, "allow": true}"#);
    assert!(only_anon.memory.swapped.0 > 70 * MB);
    let truth = GroundTruth::new(&Workload::parse(IDLE, "idle").unwrap(), &Options::default(), 0).unwrap();
    let old = truth.at(Nanos(0)).iter().find(|a| a.name == "old").unwrap().range;
    let (start, end) = (old.start.0, old.end.0);
    let range = format!(r#""address_range": {{"start": {start}, "end": {end}}}"#);
    let kept = filtered(&format!(r#"{{"filter_type": "addr", "matching": true, "allow": false, {range}}}"#));
    assert!((35 * MB..42 * MB).contains(&kept.memory.swapped.0), "{}", kept.memory.swapped.0);
    let only = filtered(&format!(r#"{{"filter_type": "addr", "matching": true, "allow": true, {range}}}"#));
    assert!((35 * MB..42 * MB).contains(&only.memory.swapped.0), "{}", only.memory.swapped.0);
    let other = of_pages(r#"{"filter_type": "memcg", "matching": true, "allow": false, "memcg_path": "/other"}"#);
    assert!(other.memory.swapped.0 > 70 * MB);
    let own = of_pages(r#"{"filter_type": "memcg", "matching": true, "allow": false, "memcg_path": "/idle"}"#);
    assert_eq!(own.memory.swapped, Bytes(0));
}

#[test]
fn young_pages_are_spared_by_a_filter_and_by_physical_reclaim() {
    // Everything is to go; of the busy area only what is accessed at that moment may stay.
    let all = r#"{"action": "pageout", "apply_interval_us": "50 s"}"#;
    let young = r#"{"action": "pageout", "apply_interval_us": "50 s", "filters": [{"filter_type": "young", "matching": true, "allow": false}]}"#;
    let virt = |json: &str| idle(with(&[json])).1;
    assert!(virt(all).refaults >= 20_000_000 / 4096, "{}", virt(all).refaults);
    assert_eq!(virt(young), virt(all), "on virtual addresses the kernel does not ask what pages are");
    let physical = |json: &str| idle(Options { ops: Ops::Paddr, ..with(&[json]) }).1;
    for spared in [physical(all), physical(young)] {
        assert_eq!(spared.refaults, 0);
        assert!(spared.memory.swapped.0 > 70 * MB);
    }
    // Who filters by it decides.
    assert!(physical(&young.replace("true", "false")).refaults > 0);
}

#[test]
fn above_the_high_watermark_nothing_happens_and_nobody_monitors() {
    let marks = |high: u32| {
        format!(
            r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": 0}}, "age": {{"min": "1 s"}}}},
              "watermarks": {{"metric": "free_mem_rate", "interval_us": "1 s", "high_permil": {high}, "mid_permil": {high}, "low_permil": 1}}}}"#
        )
    };
    // 100 MB of 128 MiB are used after the first second.
    let machine = |high| Options { system_memory: Some(Bytes(128 << 20)), ..with(&[&marks(high)]) };
    let (asleep, awake) = (idle(machine(100)), idle(machine(999)));
    assert_eq!((asleep.1.schemes[0].counts.nr_tried, asleep.1.samples), (0, 0));
    assert_eq!(rss(&asleep.0).len(), 61, "footprints go on");
    // Awake, it pages out until enough is free.
    assert!(awake.1.memory.swapped.0 > 70 * MB && awake.1.samples > 100_000);
    let between = idle(machine(500)).1;
    assert!(between.memory.swapped.0 > 10 * MB && between.samples < awake.1.samples, "{between:?}");
}

#[test]
fn a_pressure_goal_trades_saving_for_waiting() {
    let goal = |target: &str| {
        let json = format!(
            r#"{{"action": "pageout", "access_pattern": {{"age": {{"min": "1 s"}}, "nr_accesses": {{"max": 0}}}},
               "quotas": {{"reset_interval_ms": "1 s", "goals": [{{"metric": "some_mem_psi_us", "target_value": "{target}"}}]}}}}"#
        );
        let options = Options { duration: Some(Nanos::from_secs(600)), ..with(&[&json]) };
        let (items, outcome) = run(&builtin::STAIRS.workloads(), &options);
        let rss = rss(&items);
        (rss[120..].iter().sum::<u64>() / (rss.len() - 120) as u64, outcome.stalled)
    };
    let (careful, bold) = (goal("100 us"), goal("20 ms"));
    assert!(bold.0 < careful.0, "{careful:?} {bold:?}");
    assert!(bold.1 > careful.1, "{careful:?} {bold:?}");
}

#[test]
fn huge_pages_cost_memory_where_access_is_sparse() {
    let text = "sparse, 100000000\n\np\n20000\nsparse, 0, 65536, 1\n";
    let go = |schemes: &[&str]| run(&[Workload::parse(text, "sparse").unwrap()], &with(schemes));
    let hot = r#"{"action": "hugepage", "access_pattern": {"nr_accesses": {"min": "1 %"}}}"#;
    let (plain, huge) = (go(&[]).1, go(&[hot]).1);
    assert!(plain.memory.rss.0 < 10 * MB && plain.memory.huge == Bytes(0));
    // Only places that lie in a region whole become huge pages; regions are cut anywhere.
    assert!(huge.memory.rss.0 > 75 * MB && huge.memory.huge.0 > 75 * MB, "{huge:?}");
    // A huge page has one accessed bit: now all of it looks hot.
    let found = |items: &[Item]| match items.iter().rev().find(|i| matches!(i, Item::Snapshot(_))) {
        Some(Item::Snapshot(s)) => s.regions.iter().map(|r| r.size().0 * u64::from(r.nr_accesses.0) / 20).sum::<u64>(),
        _ => 0,
    };
    let (thin, thick) = (found(&go(&[]).0), found(&go(&[hot]).0));
    assert!(thick > 75 * MB && thin < 20 * MB, "{thin} {thick}");
    let never = r#"{"action": "nohugepage"}"#;
    assert!(go(&[hot, never]).1.memory.huge.0 <= huge.memory.huge.0);
}

#[test]
fn willneed_brings_back_what_pageout_took() {
    let out = r#"{"action": "pageout", "apply_interval_us": "20 s", "stats": {}}"#;
    let back = r#"{"action": "willneed", "apply_interval_us": "25 s"}"#;
    let (_, alone) = idle(Options { duration: Some(Nanos::from_secs(30)), ..with(&[out]) });
    let (_, both) = idle(Options { duration: Some(Nanos::from_secs(30)), ..with(&[out, back]) });
    assert!(alone.memory.swapped.0 >= 40 * MB);
    assert_eq!(both.memory.swapped, Bytes(0));
}

#[test]
fn cold_memory_migrates_to_the_other_node() {
    let away = r#"{"action": "migrate_cold", "target_nid": 1, "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "2 s"}}}"#;
    for ops in [Ops::Vaddr, Ops::Paddr] {
        let (_, outcome) = idle(Options { ops, ..with(&[away]) });
        let [here, there] = outcome.memory.nodes[..] else { panic!("two nodes") };
        assert!((70 * MB..82 * MB).contains(&there.0), "{there:?}");
        assert_eq!(here.0 + there.0, outcome.memory.rss.0);
        assert_eq!(outcome.refaults, 0);
    }
}

#[test]
fn lists_are_sorted_by_access() {
    let options = |schemes: &[&str]| Options { ops: Ops::Paddr, ..with(schemes) };
    let hot = r#"{"action": "lru_prio", "access_pattern": {"nr_accesses": {"min": "50 %"}}}"#;
    let cold = r#"{"action": "lru_deprio", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "2 s"}}}"#;
    let one = idle(options(&[hot])).1;
    let both = idle(options(&[hot, cold])).1;
    assert!(one.memory.active.0 > 18 * MB, "{:?}", one.memory);
    assert!((18 * MB..30 * MB).contains(&both.memory.active.0), "{:?}", both.memory);
    assert!(both.memory.active <= one.memory.active);
}

#[test]
fn stat_counts_and_changes_nothing() {
    let stat = r#"{"action": "stat", "access_pattern": {"nr_accesses": {"min": "5 %"}}}"#;
    let (plain, _) = idle(Options::default());
    let (items, outcome) = idle(with(&[stat]));
    assert_eq!(rss(&plain), rss(&items));
    let stats = outcome.schemes[0];
    assert_eq!((stats.sz_changed, stats.counts.sz_applied, stats.counts.nr_applied), (Bytes(0), Bytes(0), 0));
    assert_eq!(stats.counts.nr_snapshots, Some(600));
    // 80 MB for a second, 60 MB for thirty, 20 MB for twenty-nine; ten snapshots each.
    let expected = 10.0 * (80.0 + 30.0 * 60.0 + 29.0 * 20.0) * MB as f64;
    let error = stats.counts.sz_tried.0 as f64 / expected - 1.0;
    assert!(error.abs() < 0.1, "{error}");
}

#[test]
fn applications_are_told_with_what_filters_let_pass() {
    let json = r#"{"action": "stat", "access_pattern": {"nr_accesses": {"max": 0}},
                   "filters": [{"filter_type": "anon", "matching": true, "allow": true}]}"#;
    let (items, outcome) = idle(Options { scheme_snapshots: true, ..with(&[json]) });
    let target = items.iter().find_map(|i| if let Item::Target(t) = i { t.scheme.map(|_| t) } else { None }).unwrap();
    assert_eq!((target.scheme, target.key.0), (Some(0), 1));
    assert!(target.scheme_filters.contains("anon"));
    let told = applied(&items);
    assert_eq!(told.iter().map(|s| s.regions.len() as u64).sum::<u64>(), outcome.schemes[0].counts.nr_tried);
    let passed: u64 = told.iter().flat_map(|s| &s.extras).flat_map(|e| &e.values).sum();
    assert!(told.iter().all(|s| s.extras[0].id == ColumnId::FILTER_PASSED && s.start < s.end));
    assert_eq!(Some(Bytes(passed)), outcome.schemes[0].counts.sz_ops_filter_passed);
    let pressure =
        items.iter().filter(|i| matches!(i, Item::Side(Side::Pressure(p)) if p.at > Stamp::Record(Nanos(0))));
    assert_eq!(pressure.count(), 60);
    let params = items.iter().find_map(|i| if let Item::Side(Side::Params(p)) = i { Some(p) } else { None }).unwrap();
    let kdamond: serde_json::Value = serde_json::from_str(&params.json).unwrap();
    let back: Scheme = serde_json::from_value(kdamond["contexts"][0]["schemes"][0].clone()).unwrap();
    assert_eq!(back, scheme(json));
}

#[test]
fn schemes_that_cannot_be_are_refused_with_their_number() {
    let refused = |json: &str, ops: Ops| {
        let options = Options { ops, schemes: vec![Scheme::new(Action::Stat), scheme(json)], ..Options::default() };
        let go = simulate(&builtin::STAIRS.workloads(), &options, &mut Vec::new(), &mut |_| ControlFlow::Continue(()));
        match go.unwrap_err() {
            SimError::Scheme { index: 1, what, .. } => what,
            other => panic!("{other}"),
        }
    };
    assert!(refused(r#"{"action": "lru_prio"}"#, Ops::Vaddr).contains("vaddr cannot lru_prio"));
    assert!(refused(r#"{"action": "willneed"}"#, Ops::Paddr).contains("paddr cannot willneed"));
    assert!(refused(r#"{"action": "migrate_hot", "target_nid": 2}"#, Ops::Vaddr).contains("no node 2"));
    let goal =
        r#"{"quotas": {"reset_interval_ms": 1000, "goals": [{"metric": "node_eligible_mem_bp", "target_value": 1}]}}"#;
    assert!(refused(goal, Ops::Vaddr).contains("node_eligible_mem_bp"));
}
