//! What is ours and what is not, after a kill at an unlucky moment or with someone else at the same files.

use super::super::*;
use damo_model::kdamond::{Context, ContextTarget};
use damo_model::{IntervalsGoal, Nanos, Ops};
use std::collections::BTreeMap;
use std::sync::Arc;

fn kernel(release: (u32, u32)) -> (Arc<MemorySysfs>, Sysfs) {
    let fake = Arc::new(MemorySysfs::new(release));
    fake.put("proc/uptime", "100.00 90.00");
    let sysfs = Sysfs::new(&Root::with_io(fake.clone()));
    (fake, sysfs)
}

fn settings(fake: &MemorySysfs) -> BTreeMap<String, String> {
    fake.files().into_iter().filter(|(path, _)| path.starts_with(KDAMONDS) && !path.ends_with("/.ran")).collect()
}

fn process(pid: i32) -> Kdamond {
    let target = ContextTarget { pid: Some(pid), ..ContextTarget::default() };
    let context = Context { targets: vec![target], ..Context::new(Ops::Vaddr) };
    Kdamond { contexts: vec![context], ..Kdamond::default() }
}

/// A kernel thread that began so many hundredths of a second after boot.
fn thread(fake: &MemorySysfs, pid: i32, started: u32) {
    let stat = format!("{pid} (kdamond.0) S 2 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {started} 0 0");
    fake.put(&format!("proc/{pid}/stat"), &stat);
}

/// As a run does that is killed after this: nothing of it is left but the note and the tree.
fn killed(staged: Staged) -> Leftover {
    let note = serde_json::to_string(&staged.leftover()).expect("plain data");
    staged.keep();
    serde_json::from_str(&note).expect("as written")
}

fn write(sysfs: &Sysfs, rel: &str, value: &str) {
    sysfs.root.io().write(rel, value).expect("the fake takes it");
}

#[test]
fn what_was_switched_on_right_before_a_kill_is_ours_though_its_thread_was_not_noted() {
    let (fake, sysfs) = kernel((6, 12));
    let before = settings(&fake);
    let leftover = killed(sysfs.stage(&[process(7)]).expect("fits"));
    assert_eq!(leftover.started(), []);
    write(&sysfs, &file(KdamondIndex(0), "state"), "on");
    let pid = sysfs.state(KdamondIndex(0)).expect("readable").pid.expect("on");
    // In the same hundredth of a second.
    thread(&fake, pid.0, 10_000);
    assert_eq!(
        sysfs.left_on(&leftover).expect("readable"),
        [damo_model::kdamond::RunningKdamond { index: KdamondIndex(0), thread: pid }]
    );
    sysfs.take_over(leftover).expect("readable").expect("ours").undo().expect("goes back");
    assert_eq!(settings(&fake), before);
}

#[test]
fn a_thread_that_began_before_the_note_or_has_other_settings_is_someone_elses() {
    for (started, pid_target) in [(9_999, "7"), (10_001, "8")] {
        let (fake, sysfs) = kernel((6, 12));
        let leftover = killed(sysfs.stage(&[process(7)]).expect("fits"));
        write(&sysfs, &format!("{KDAMONDS}/0/contexts/0/targets/0/pid_target"), pid_target);
        write(&sysfs, &file(KdamondIndex(0), "state"), "on");
        thread(&fake, sysfs.state(KdamondIndex(0)).expect("readable").pid.expect("on").0, started);
        assert_eq!(sysfs.left_on(&leftover).expect("readable"), [], "{started} {pid_target}");
    }
}

#[test]
fn settings_of_a_killed_run_are_restored_unless_somebody_staged_others_since() {
    for theirs in
        [None, Some(("0/contexts/0/monitoring_attrs/intervals/sample_us", "7777")), Some(("nr_kdamonds", "2"))]
    {
        let (fake, sysfs) = kernel((6, 12));
        let before = settings(&fake);
        let mut staged = sysfs.stage(&[process(7)]).expect("fits");
        staged.start().expect("goes on");
        let leftover = killed(staged);
        fake.end(0);
        if let Some((rel, value)) = theirs {
            write(&sysfs, &format!("{KDAMONDS}/{rel}"), value);
        }
        match sysfs.take_over(leftover).expect("readable") {
            Some(staged) => {
                assert_eq!(theirs, None);
                staged.undo().expect("goes back");
                assert_eq!(settings(&fake), before);
            }
            None => assert!(theirs.is_some()),
        }
    }
}

#[test]
fn intervals_that_the_kernel_tuned_do_not_make_the_settings_someone_elses() {
    let (fake, sysfs) = kernel((6, 15));
    let mut kdamond = process(7);
    let (min_sample, max_sample) = (Nanos::from_millis(5), Nanos::from_secs(10));
    kdamond.contexts[0].intervals_goal =
        Some(IntervalsGoal { access_bp: 400, aggregations: 3, min_sample, max_sample });
    let mut staged = sysfs.stage(&[kdamond]).expect("fits");
    staged.start().expect("goes on");
    let leftover = killed(staged);
    fake.kernel_writes(&format!("{KDAMONDS}/0/contexts/0/monitoring_attrs/intervals/sample_us"), "8000");
    fake.end(0);
    assert!(sysfs.take_over(leftover).expect("readable").is_some());
}

#[test]
fn a_left_kdamond_with_settings_of_somebody_else_is_stopped_and_they_stay() {
    let context = format!("{KDAMONDS}/0/contexts/0");
    for (rel, value, word) in
        [("targets/0/pid_target", "8", "process 8"), ("monitoring_attrs/intervals/aggr_us", "200000", "200000 us")]
    {
        let (fake, sysfs) = kernel((6, 12));
        let mut staged = sysfs.stage(&[process(7)]).expect("fits");
        write(&sysfs, &format!("{context}/{rel}"), value);
        let theirs = settings(&fake);
        let error = staged.start().expect_err("not what was asked for").to_string();
        assert!(error.contains(word) && error.contains("at the same time"), "{error}");
        drop(staged);
        assert_eq!(settings(&fake), theirs);
    }
}

#[test]
fn one_that_someone_switched_on_in_between_is_named_as_what_is_in_the_way() {
    let (_, sysfs) = kernel((6, 12));
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    write(&sysfs, &file(KdamondIndex(0), "state"), "on");
    assert!(matches!(staged.start(), Err(Error::Busy { index: KdamondIndex(0), .. })));
    drop(staged);
    assert_eq!(sysfs.running().expect("readable").len(), 1, "theirs stays on");
    // And while the tree is being set up.
    let (fake, sysfs) = kernel((6, 12));
    sysfs.stage(&[process(1)]).expect("fits").keep();
    fake.fail_next("nr_kdamonds", libc::EBUSY);
    fake.meddle_after("nr_kdamonds", &file(KdamondIndex(0), "state"), "on");
    assert!(matches!(sysfs.stage(&[process(7), process(8)]), Err(Error::Busy { index: KdamondIndex(0), .. })));
    assert_eq!(sysfs.running().expect("readable").len(), 1, "theirs stays on");
}

#[test]
fn a_busy_kernel_with_nothing_on_is_told_as_it_is() {
    let (fake, sysfs) = kernel((6, 12));
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    // Another user of DAMON's.
    fake.fail_next("0/state", libc::EBUSY);
    let error = staged.start().expect_err("busy").to_string();
    assert!(error.contains("damon_reclaim"), "{error}");
}

#[test]
fn switching_off_waits_for_a_command_that_is_under_way() {
    let (fake, sysfs) = kernel((6, 12));
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    fake.fail_next("0/state", libc::EBUSY);
    fake.fail_next("0/state", libc::EBUSY);
    staged.stop().expect("the third time");
    assert!(sysfs.running().expect("readable").is_empty());
}

#[test]
fn a_commit_of_another_thread_does_not_keep_a_kdamond_from_being_stopped() {
    let (fake, sysfs) = kernel((6, 12));
    let before = settings(&fake);
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    fake.hold_commits(true);
    let telling = std::thread::spawn(staged.telling_targets(0, 0, process(8).contexts.remove(0).targets));
    let committed = || fake.log().last().is_some_and(|(_, value)| value == "8") || telling.is_finished();
    while !committed() {
        std::thread::yield_now();
    }
    staged.stop().expect("goes off");
    telling.join().expect("no panic").expect_err("it is off");
    staged.undo().expect("goes back");
    assert_eq!(settings(&fake), before);
}

#[test]
fn settings_of_which_a_kill_let_only_some_be_written_are_put_back() {
    for writes in [0, 1, 5, 10] {
        let (fake, sysfs) = kernel((6, 12));
        sysfs.stage(&[process(1), process(2)]).expect("fits").keep();
        let before = settings(&fake);
        let prepared = sysfs.prepare(&[process(7)]).expect("fits");
        assert_eq!(settings(&fake), before, "nothing is written yet");
        let note = serde_json::to_string(&prepared.leftover()).expect("plain data");
        drop(prepared);
        assert_eq!(settings(&fake), before);
        for (path, value) in sysfs.dry_run(&[process(7)]).expect("fits").into_iter().take(writes) {
            write(&sysfs, path.to_str().expect("text").trim_start_matches('/'), &value);
        }
        let leftover: Leftover = serde_json::from_str(&note).expect("as written");
        sysfs.take_over(leftover).expect("readable").expect("ours").undo().expect("goes back");
        assert_eq!(settings(&fake), before, "after {writes} writes");
    }
}
