//! Setting DAMON up, running it and putting it back, against an in-memory kernel that refuses what a real one refuses;
//! and reading a tree that a real 6.12 kernel had.

mod commits;
mod newer;

use super::*;
use damo_model::kdamond::{Context, ContextTarget, Kdamond, Probe};
use damo_model::scheme::{
    Action, FilterKind, Goal, GoalTuner, Metric, Quotas, Scheme, SchemeFilter, Span, WatermarkMetric, Watermarks,
};
use damo_model::{Addr, AddrRange, Bytes, IntervalsGoal, Nanos, NrRegions, Ops};
use std::collections::BTreeMap;
use std::sync::Arc;

fn kernel(release: (u32, u32)) -> (Arc<MemorySysfs>, Sysfs) {
    let fake = Arc::new(MemorySysfs::new(release));
    let sysfs = Sysfs::new(&Root::with_io(fake.clone()));
    (fake, sysfs)
}

/// All files but the fake's own mark of a kdamond that ran once.
fn settings(fake: &MemorySysfs) -> BTreeMap<String, String> {
    fake.files().into_iter().filter(|(path, _)| !path.ends_with("/.ran")).collect()
}

fn process(pid: i32) -> Kdamond {
    let target = ContextTarget { pid: Some(pid), ..ContextTarget::default() };
    let context = Context { targets: vec![target], ..Context::new(Ops::Vaddr) };
    Kdamond { contexts: vec![context], ..Kdamond::default() }
}

fn physical() -> Kdamond {
    let regions = vec![AddrRange::new(Addr(4096), Addr(1 << 30)), AddrRange::new(Addr(1 << 32), Addr(1 << 33))];
    let context =
        Context { targets: vec![ContextTarget { regions, ..ContextTarget::default() }], ..Context::new(Ops::Paddr) };
    Kdamond { contexts: vec![context], ..Kdamond::default() }
}

fn everything() -> Kdamond {
    let mut kdamond = process(42);
    let mut scheme = Scheme::new(Action::Pageout);
    scheme.access_pattern.sz_bytes.min = Bytes(4096);
    scheme.access_pattern.age.min = Span::Intervals(50);
    scheme.apply_interval = Nanos::from_millis(500);
    scheme.quotas.time = Nanos::from_millis(10);
    scheme.quotas.size = Bytes(100 << 20);
    scheme.quotas.reset_interval = Nanos::from_secs(1);
    scheme.quotas.weights.age = 7;
    let goal = Goal { metric: Metric::SomeMemPsiUs, target_value: 10_000, ..Goal::default() };
    scheme.quotas.goals.push(goal);
    scheme.watermarks = Watermarks {
        metric: WatermarkMetric::FreeMemRate,
        interval: Nanos::from_secs(5),
        high: 500,
        mid: 400,
        low: 50,
    };
    scheme.filters.push(SchemeFilter { kind: FilterKind::Anon, matching: true, allow: false });
    let range = AddrRange::new(Addr(0), Addr(8192));
    scheme.filters.push(SchemeFilter { kind: FilterKind::Addr(range), matching: false, allow: false });
    kdamond.contexts[0].schemes.push(scheme);
    kdamond
}

#[test]
fn what_is_staged_reads_back_the_same_on_every_kernel_that_has_it() {
    for release in [(6, 12), (6, 14), (6, 15), (6, 19), (7, 0), (7, 3)] {
        let (_, sysfs) = kernel(release);
        let mut wanted = everything();
        if release >= (6, 15) {
            let (min_sample, max_sample) = (Nanos::from_millis(5), Nanos::from_secs(10));
            wanted.contexts[0].intervals_goal =
                Some(IntervalsGoal { access_bp: 400, aggregations: 3, min_sample, max_sample });
            // Read back in the order of the two directories.
            wanted.contexts[0].schemes[0].filters.reverse();
        }
        if release >= (7, 3) {
            let anon = SchemeFilter { kind: FilterKind::Anon, matching: true, allow: true };
            let memcg = SchemeFilter { kind: FilterKind::Memcg("/a".into()), matching: false, allow: false };
            let context = &mut wanted.contexts[0];
            context.probes = vec![Probe { filters: vec![anon], weight: 3 }, Probe { filters: vec![memcg], weight: 0 }];
            context.pause = Some(true);
            context.schemes[0].quotas.goal_tuner = Some(GoalTuner::Temporal);
            (context.schemes[0].quotas.fail_charge_num, context.schemes[0].quotas.fail_charge_denom) =
                (Some(1), Some(4096));
        }
        let staged = sysfs.stage(std::slice::from_ref(&wanted)).expect("the kernel has all of it");
        let mut found = staged.params().expect("readable").remove(0);
        // What newer kernels tell beside what was asked for.
        found.refresh = None;
        found.contexts[0].addr_unit = None;
        let scheme = &mut found.contexts[0].schemes[0];
        scheme.max_nr_snapshots = None;
        assert_eq!(found, wanted.resolved(), "on {release:?}");
    }
}

#[test]
fn a_run_leaves_the_tree_as_it_found_it_settings_of_others_included() {
    let (fake, sysfs) = kernel((6, 12));
    sysfs.stage(&[everything(), physical()]).expect("fits").keep();
    let before = fake.files();
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    assert_eq!(sysfs.running().expect("readable").len(), 1);
    staged.undo().expect("goes back");
    assert_eq!(fake.files(), before);
}

#[test]
fn dropping_it_undoes_it_as_well() {
    let (fake, sysfs) = kernel((6, 12));
    let before = fake.files();
    {
        let mut staged = sysfs.stage(&[process(7)]).expect("fits");
        staged.start().expect("goes on");
    }
    assert_eq!(fake.files(), before);
}

#[test]
fn numbers_of_directories_are_written_only_when_they_change() {
    let (fake, sysfs) = kernel((6, 12));
    let count = |fake: &MemorySysfs| fake.log().iter().filter(|(path, _)| path.ends_with("nr_targets")).count();
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    let first = count(&fake);
    staged.commit(&[process(7)]).expect("takes it");
    assert_eq!((first, count(&fake)), (1, 1));
}

#[test]
fn a_write_that_fails_half_way_is_undone_and_told_with_file_value_and_errno() {
    for file in ["nr_contexts", "operations", "aggr_us", "pid_target", "nr_schemes", "age/max", "state"] {
        let (fake, sysfs) = kernel((6, 12));
        sysfs.stage(&[physical()]).expect("fits").keep();
        let before = settings(&fake);
        fake.fail_next(file, libc::ENOMEM);
        let mut wanted = everything();
        wanted.contexts[0].nr_regions = NrRegions { min: 20, max: 50 };
        let done = sysfs.stage(&[wanted.clone(), wanted]).and_then(|mut staged| staged.start());
        let error = done.expect_err("refused").to_string();
        assert!(error.contains(file) && error.contains("os error 12"), "{error}");
        assert_eq!(settings(&fake), before, "after {file}");
    }
}

#[test]
fn someone_elses_kdamond_is_neither_stopped_nor_changed() {
    let (fake, sysfs) = kernel((6, 12));
    let mut theirs = sysfs.stage(&[process(1)]).expect("fits");
    theirs.start().expect("goes on");
    let before = fake.files();
    let error = sysfs.stage(&[process(2)]).expect_err("no room").to_string();
    assert!(error.contains("kdamond 0") && error.contains("echo off > /sys"), "{error}");
    assert_eq!(fake.files(), before);
    theirs.keep();
}

#[test]
fn a_kdamond_that_is_off_is_used_beside_one_of_someone_else_and_put_back() {
    let (fake, sysfs) = kernel((6, 12));
    sysfs.stage(&[everything(), physical()]).expect("fits").keep();
    sysfs.root.io().write(&file(KdamondIndex(0), "state"), "on").expect("goes on");
    let before = settings(&fake);
    let mut staged = sysfs.stage(&[process(9)]).expect("kdamond 1 is off");
    staged.start().expect("goes on");
    assert_eq!(staged.indices(), [KdamondIndex(1)]);
    staged.undo().expect("goes back");
    assert_eq!(settings(&fake), before);
}

#[test]
fn a_kdamond_that_another_one_restarted_meanwhile_is_not_ours_any_more() {
    let (_, sysfs) = kernel((6, 12));
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    let io = sysfs.root.io();
    io.write(&file(KdamondIndex(0), "state"), "off").expect("someone");
    io.write(&file(KdamondIndex(0), "state"), "on").expect("someone");
    assert!(!staged.is_running().expect("readable"));
    let error = staged.commit(&[process(8)]).expect_err("not ours").to_string();
    assert!(error.contains("kdamond 0 is not the one that was started here"), "{error}");
    drop(staged);
    assert_eq!(sysfs.running().expect("readable").len(), 1, "still on");
}

#[test]
fn one_that_ended_by_itself_is_no_error_when_stopped() {
    let (fake, sysfs) = kernel((6, 12));
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    fake.end(0);
    assert!(!staged.is_running().expect("readable"));
    staged.stop().expect("nothing to do");
    staged.undo().expect("goes back");
    assert_eq!(sysfs.nr_kdamonds().expect("readable"), 0);
}

#[test]
fn what_a_killed_run_left_on_can_be_taken_over_from_its_note_and_undone() {
    let (fake, sysfs) = kernel((6, 12));
    let before = fake.files();
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    let note = serde_json::to_string(&staged.leftover()).expect("plain data");
    std::mem::forget(staged);
    let leftover: Leftover = serde_json::from_str(&note).expect("as written");
    assert_eq!(
        leftover.started(),
        sysfs
            .running()
            .expect("readable")
            .iter()
            .map(|(i, p)| damo_model::kdamond::RunningKdamond { index: *i, thread: p.expect("on") })
            .collect::<Vec<_>>()
    );
    sysfs.take_over(leftover).expect("readable").expect("still there").undo().expect("goes back");
    assert_eq!(fake.files(), before);
}

#[test]
fn what_a_killed_run_left_on_and_someone_removed_since_is_nothing_to_undo() {
    let (fake, sysfs) = kernel((6, 12));
    let before = fake.files();
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    let leftover = staged.leftover();
    std::mem::forget(staged);
    let io = sysfs.root.io();
    io.write(&file(KdamondIndex(0), "state"), "off").expect("someone");
    io.write(&format!("{KDAMONDS}/nr_kdamonds"), "0").expect("someone");
    assert!(sysfs.take_over(leftover).expect("readable").is_none());
    assert_eq!(fake.files(), before);
}

#[test]
fn a_dead_process_is_refused_by_the_kernel_and_the_error_says_what_may_be_wrong() {
    let (fake, sysfs) = kernel((6, 12));
    fake.set_alive(&[1]);
    let mut staged = sysfs.stage(&[process(7)]).expect("staging does not look");
    let error = staged.start().expect_err("dead").to_string();
    assert!(error.contains("`on`") && error.contains("os error 22") && error.contains("process must live"), "{error}");
    assert_eq!(sysfs.nr_kdamonds().expect("readable"), 0, "undone");
}

#[test]
fn parameters_that_no_kernel_takes_are_refused_before_the_first_write() {
    let change = |change: &dyn Fn(&mut Context)| {
        let (fake, sysfs) = kernel((6, 12));
        let mut kdamond = everything();
        change(&mut kdamond.contexts[0]);
        let error = sysfs.stage(&[kdamond]).expect_err("not valid").to_string();
        assert!(fake.log().is_empty(), "wrote before it looked");
        error
    };
    let error = change(&|context| context.intervals.aggregation = Nanos::from_millis(1));
    assert!(error.contains("contexts[0].intervals.aggr_us: the aggregation interval (1 ms) is shorter"), "{error}");
    assert!(change(&|context| context.nr_regions.min = 2).contains("at least 3"));
    assert!(change(&|context| context.nr_regions.max = 5).contains("(5) is below the minimum (10)"));
    assert!(change(&|context| context.targets.clear()).contains("need a process"));
    assert!(change(&|context| context.ops = Ops::Paddr).contains("belong to no process"));
    let no_range = change(&|context| {
        context.ops = Ops::Paddr;
        context.targets[0].pid = None;
        context.targets[0].regions.clear();
    });
    assert!(no_range.contains("kdamond 0, target 0 is `no range`"), "{no_range}");
    assert!(change(&|context| context.schemes[0].quotas.reset_interval = Nanos(0)).contains("reset_interval_ms"));
    assert!(
        change(&|context| context.schemes[0].access_pattern.sz_bytes.max = Bytes(1))
            .contains("access_pattern.sz_bytes: at least 4096")
    );
    assert!(
        change(&|context| context.schemes[0].filters[1].kind = FilterKind::Addr(AddrRange::default()))
            .contains("filters[1].address_range")
    );
    assert!(change(&|context| context.schemes[0].watermarks.low = 900).contains("do not fall in this order"));
}

#[test]
fn commands_are_tried_again_while_the_kernel_is_busy_and_given_up_in_time() {
    let (fake, sysfs) = kernel((6, 12));
    let mut staged = sysfs.stage(&[everything()]).expect("fits");
    staged.start().expect("goes on");
    fake.fail_next("state", libc::EBUSY);
    fake.fail_next("state", libc::EBUSY);
    staged.command(Command::UpdateStats, Duration::from_secs(5)).expect("the third time");
    fake.fail_next("state", libc::EBUSY);
    let error = sysfs.command(KdamondIndex(0), Command::UpdateStats, Duration::ZERO).expect_err("no time at all");
    assert!(matches!(error, Error::Timeout { .. }) || error.errno() == Some(libc::EBUSY), "{error}");
}

#[test]
fn statistics_and_tried_regions_are_read_in_the_order_of_their_numbers() {
    let (fake, sysfs) = kernel((6, 14));
    sysfs.stage(&[everything()]).expect("fits").keep();
    let scheme = format!("{KDAMONDS}/0/contexts/0/schemes/0");
    fake.kernel_writes(&format!("{scheme}/stats/sz_applied"), "8192");
    for (number, start) in [("9", 0u64), ("10", 8192)] {
        for (name, value) in
            [("start", start), ("end", start + 4096), ("nr_accesses", 3), ("age", 4), ("sz_filter_passed", 77)]
        {
            fake.put(&format!("{scheme}/tried_regions/{number}/{name}"), &value.to_string());
        }
    }
    let found = sysfs.kdamond(KdamondIndex(0)).expect("readable");
    let status = &found.schemes[0][0];
    assert_eq!(status.stats.sz_applied, Bytes(8192));
    assert_eq!(status.tried.iter().map(|tried| tried.region.start.0).collect::<Vec<_>>(), [0, 8192]);
    assert_eq!(status.tried[0].filter_passed, Some(Bytes(77)));
}

#[test]
fn module_kdamonds_are_told_with_their_parameters() {
    let (fake, sysfs) = kernel((6, 12));
    fake.put("sys/module/damon_reclaim/parameters/enabled", "Y");
    fake.put("sys/module/damon_reclaim/parameters/kdamond_pid", "77");
    let modules = sysfs.modules();
    assert_eq!((modules.len(), modules[0].enabled, modules[0].pid), (1, true, Some(KdamondThread(77))));
}

#[test]
fn the_tree_of_a_real_6_12_kernel_is_read_file_by_file() {
    // A copy in a temporary directory, made from that kernel's listing.
    let listing = include_str!("../../../../testdata/kernel/sysfs-6.12.txt");
    let dir = tempfile::tempdir().expect("temp dir");
    for line in listing.lines() {
        let (path, value) = line.split_once(" = ").or_else(|| line.split_once(" =")).expect("a listing");
        let path = dir.path().join(path.split(' ').next().expect("a path").trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("has one")).expect("writable");
        std::fs::write(path, format!("{}\n", value.trim())).expect("writable");
    }
    let found = Sysfs::new(&Root::new(dir.path())).kdamonds().expect("readable");
    assert_eq!((found.len(), found[0].on, found[0].pid), (1, false, None));
    let context = &found[0].params.contexts[0];
    assert_eq!(
        (context.ops, context.intervals.update, context.nr_regions),
        (Ops::Vaddr, Nanos::from_secs(60), NrRegions::default())
    );
    let scheme = &context.schemes[0];
    assert_eq!(
        (scheme.action.as_str(), scheme.target_nid, scheme.filters.len(), scheme.quotas.goals.len()),
        ("stat", None, 1, 1)
    );
    assert_eq!(found[0].schemes[0][0].effective_size, Some(Bytes(0)));
}

#[test]
fn a_dry_run_tells_every_write_in_order_and_changes_nothing() {
    let (fake, sysfs) = kernel((6, 12));
    fake.put("proc/sys/kernel/osrelease", "6.12.1");
    let writes = sysfs.dry_run(&[everything()]).expect("6.12 has all of it");
    assert!(fake.log().is_empty());
    let ends: Vec<_> = writes.iter().map(|(path, value)| format!("{}={value}", path.display())).collect();
    let at = |end: &str| {
        ends.iter().position(|write| write.ends_with(end)).unwrap_or_else(|| panic!("{end} not in {ends:?}"))
    };
    let order = [
        "/nr_kdamonds=1",
        "/0/contexts/nr_contexts=1",
        "/operations=vaddr",
        "/sample_us=5000",
        "/nr_regions/min=10",
        "/targets/nr_targets=1",
        "/pid_target=42",
        "/schemes/nr_schemes=1",
        "/action=pageout",
        "/quotas/ms=10",
        "/filters/nr_filters=2",
        "/0/state=on",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
    // The same as what is written in earnest.
    let mut staged = sysfs.stage(&[everything()]).expect("fits");
    staged.start().expect("goes on");
    let earnest: Vec<_> = fake.log().into_iter().map(|(path, value)| format!("/{path}={value}")).collect();
    assert_eq!(ends, earnest);
}

#[test]
fn a_dry_run_says_what_the_release_lacks_and_who_is_in_the_way() {
    let (fake, sysfs) = kernel((6, 12));
    fake.put("proc/sys/kernel/osrelease", "6.12.1");
    let mut kdamond = process(1);
    kdamond.refresh = Some(Nanos::from_secs(1));
    assert!(sysfs.dry_run(&[kdamond]).expect_err("6.12 cannot").to_string().contains("Linux 6.17"));
    sysfs.stage(&[process(1)]).and_then(|mut staged| staged.start().map(|()| staged.keep())).expect("goes on");
    assert!(matches!(sysfs.dry_run(&[process(2)]), Err(Error::Busy { .. })));
}

#[test]
fn what_someone_else_started_is_tuned_and_stopped_only_after_it_was_adopted() {
    let (_, sysfs) = kernel((6, 12));
    sysfs.stage(&[process(1)]).and_then(|mut staged| staged.start().map(|()| staged.keep())).expect("goes on");
    let mut adopted = sysfs.adopt(&[KdamondIndex(0)]).expect("is on");
    adopted.commit(&[everything()]).expect("takes it");
    adopted.keep();
    assert_eq!(sysfs.running().expect("readable").len(), 1);
    sysfs.adopt(&[KdamondIndex(0)]).expect("is on").undo().expect("stops");
    assert!(sysfs.running().expect("readable").is_empty());
    assert_eq!(sysfs.kdamond(KdamondIndex(0)).expect("still staged").params, everything().resolved());
    assert!(sysfs.adopt(&[KdamondIndex(0)]).is_err(), "off");
}

fn sysfs_of(release: (u32, u32)) -> Staged {
    kernel(release).1.stage(&[process(1)]).unwrap()
}

#[test]
fn a_status_asks_for_what_only_commands_bring_and_only_from_what_runs() {
    let (fake, sysfs) = kernel((6, 12));
    sysfs.stage(&[everything()]).expect("fits").keep();
    sysfs.refreshed(KdamondIndex(0), true, Duration::from_secs(5)).expect("off");
    assert!(!fake.log().iter().any(|(_, value)| value.starts_with("update")));
    sysfs.root.io().write(&file(KdamondIndex(0), "state"), "on").expect("goes on");
    sysfs.refreshed(KdamondIndex(0), true, Duration::from_secs(5)).expect("on");
    let asked: Vec<_> =
        fake.log().into_iter().map(|(_, value)| value).filter(|value| value.starts_with("update")).collect();
    assert_eq!(asked, ["update_schemes_stats", "update_schemes_effective_quotas", "update_schemes_tried_regions"]);
}

#[test]
fn a_kernel_module_in_the_way_is_named_with_the_command_that_switches_it_off() {
    let fake = Arc::new(MemorySysfs::new((6, 12)));
    let start = || {
        let kdamond = Kdamond { contexts: vec![Context::new(Ops::Paddr)], ..Kdamond::default() };
        let mut staged = Sysfs::new(&Root::with_io(fake.clone())).stage(&[kdamond]).expect("nothing runs in the tree");
        fake.fail_next("0/state", libc::EBUSY);
        staged.start().expect_err("refused").to_string()
    };
    fake.put("sys/module/damon_reclaim/parameters/enabled", "N");
    assert!(start().contains("damo status"), "which of them is not known");
    fake.put("sys/module/damon_reclaim/parameters/enabled", "Y");
    let said = start();
    assert!(said.contains("module damon_reclaim runs a kdamond"), "{said}");
    assert!(said.contains("echo N > /sys/module/damon_reclaim/parameters/enabled;"), "{said}");
}
