//! Other recorders, killed ones and somebody's kdamonds beside ours.

use super::*;
use damo_steer::processes::CHILD_MIN_AGE;

#[test]
fn someone_elses_kdamond_is_neither_stopped_nor_changed_for_ours() {
    let lab = Lab::new(vec![]);
    lab.others(1);
    let before = lab.damon();
    let said = lab.refused();
    assert!(said.contains("already on"), "{said}");
    assert_eq!(lab.damon(), before);
}

#[test]
fn several_starts_at_once_record_each_its_own_process_or_say_who_is_in_the_way() {
    for _ in 0..10 {
        let lab = Lab::new(vec![]);
        process(&lab.fake, 78, 'S', "");
        let machine = lab.machine();
        // A recording up to the moment at which it runs; its note is of another process each, as in life.
        let start = |pid: i32| {
            let request = Request { follow_children: false, ..lab.request(pids(pid)) };
            let plan = starting::plan(&request, &pids(pid), &machine, None, CHILD_MIN_AGE)?;
            let mut own = managed_damon::ManagedDamon::stage(&request, &machine, &plan, CHILD_MIN_AGE)?;
            own.start()?;
            Ok::<_, RecordError>(own)
        };
        let (one, other) = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(|| start(77)), scope.spawn(|| start(78)));
            (one.join().unwrap(), other.join().unwrap())
        });
        let (pid, winner, loser) = match (one, other) {
            (Ok(own), Err(error)) => (77, own, error),
            (Err(error), Ok(own)) => (78, own, error),
            _ => panic!("one of the two"),
        };
        assert!(loser.to_string().contains("is already on"), "{loser}");
        let target = &lab.fake.files()[&format!("{KDAMONDS}/0/contexts/0/targets/0/pid_target")];
        assert_eq!(target, &pid.to_string());
        winner.undo().unwrap();
    }
}

/// Leaves things as a recorder that is killed does: kdamond on, note there, nobody holding it.
fn killed(lab: &Lab) {
    let sysfs = Sysfs::new(&Root::with_io(lab.fake.clone()));
    let mut staged = sysfs.stage(&[Kdamond { refresh: None, contexts: vec![Context::new(Ops::Paddr)] }]).unwrap();
    staged.start().unwrap();
    let note = Note { pid: 4_000_009, record: Some("/old.damo".into()), leftover: staged.leftover() };
    staged.keep();
    drop(lab.machine().notes.record(note.clone()).unwrap());
    let path = lab.dir.path().join("run/damo/record-4000009");
    std::fs::write(path, serde_json::to_vec(&note).unwrap()).unwrap();
}

#[test]
fn after_a_kill_the_next_run_says_what_was_left_on_and_stops_it_when_told() {
    let lab = Lab::new(vec![one_snapshot(), exits(77)]);
    let before = lab.damon();
    killed(&lab);
    // No terminal to ask on, so it refuses.
    let said = lab.refused();
    assert!(said.contains("kdamond 0") && said.contains("/old.damo") && said.contains("--stop_stale"), "{said}");
    assert_eq!(lab.recorded_by(&Request { stop_stale: true, ..lab.request(pids(77)) }).1.snapshots.len(), 1);
    assert_eq!(lab.damon(), before, "as it was before the one that was killed");
}

#[test]
fn stopping_what_was_left_on_can_be_all_that_is_asked_for() {
    let lab = Lab::new(vec![]);
    let before = lab.damon();
    killed(&lab);
    let done = lab.run(&Request { stop_stale: true, ..lab.request(RequestSource::Attach) }).unwrap();
    assert_eq!(done, ExitCode::SUCCESS);
    assert_eq!(lab.damon(), before);
    assert!(!lab.record().exists());
}

#[test]
fn a_second_recording_is_told_whose_kdamond_is_in_its_way() {
    let lab = Lab::new(vec![]);
    let sysfs = Sysfs::new(&Root::with_io(lab.fake.clone()));
    let mut first = sysfs.stage(&[Kdamond { refresh: None, contexts: vec![Context::new(Ops::Paddr)] }]).unwrap();
    first.start().unwrap();
    let note = Note { pid: 4_000_010, record: Some("/first.damo".into()), leftover: first.leftover() };
    let _alive = lab.machine().notes.record(note).unwrap();
    let said = lab.refused();
    assert!(said.contains("/first.damo") && said.contains("without a target"), "{said}");
    assert_eq!(sysfs.running().unwrap().len(), 1);
}

#[test]
fn settings_of_a_killed_recording_are_restored_unless_staged_anew_since() {
    for theirs in [false, true] {
        let lab = Lab::new(vec![exits(77)]);
        let before = lab.damon();
        killed(&lab);
        lab.fake.end(0);
        let sample = format!("{KDAMONDS}/0/contexts/0/monitoring_attrs/intervals/sample_us");
        if theirs {
            lab.script.fake.kernel_writes(&sample, "7777");
        }
        let found = lab.damon();
        // Who only attaches changes nothing, and leaves the note for who does.
        lab.run(&lab.request(RequestSource::Attach)).unwrap_err();
        assert_eq!(lab.damon(), found);
        assert_eq!(lab.machine().notes.recordings().len(), 1);
        lab.run(&lab.request(pids(77))).unwrap();
        let settings = |files: Vec<(String, String)>| -> Vec<_> {
            files.into_iter().filter(|(path, _)| !path.ends_with("/.ran")).collect()
        };
        assert_eq!(settings(lab.damon()), settings(if theirs { found } else { before }));
        assert_eq!(lab.machine().notes.recordings(), []);
    }
}

#[test]
fn a_kdamond_that_someone_started_at_the_place_of_the_killed_ones_is_not_touched() {
    let lab = Lab::new(vec![]);
    killed(&lab);
    lab.fake.end(0);
    lab.others(1);
    let before = lab.damon();
    lab.run(&Request { stop_stale: true, ..lab.request(pids(77)) }).unwrap_err();
    assert_eq!(lab.damon(), before);
}

#[test]
fn a_module_in_the_way_is_off_for_the_recording_if_the_user_agrees_and_on_again_afterwards() {
    const ENABLED: &str = "sys/module/damon_stat/parameters/enabled";
    let lab = Lab::new(vec![one_snapshot(), exits(77)]);
    lab.fake.put_module("damon_stat", &[("enabled", "Y")], &[]);
    lab.run(&Request { pause_modules: true, ..lab.request(pids(77)) }).unwrap();
    let log = lab.fake.log();
    let at = |end: &str, value: &str| log.iter().position(|(path, text)| path.ends_with(end) && text == value).unwrap();
    let order = [at(ENABLED, "N"), at("0/state", "on"), at("0/state", "off"), at(ENABLED, "Y")];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(lab.fake.files()[ENABLED], "Y");
    // A recording that fails leaves it on as well.
    let lab = Lab::new(vec![]);
    lab.fake.put_module("damon_stat", &[("enabled", "Y")], &[]);
    lab.fake.fail_next("0/state", rustix::io::Errno::NOMEM.raw_os_error());
    lab.run(&Request { pause_modules: true, ..lab.request(pids(77)) }).unwrap_err();
    assert_eq!(lab.fake.files()[ENABLED], "Y");
    // Without consent nothing is switched.
    let lab = Lab::new(vec![one_snapshot(), exits(77)]);
    lab.fake.put_module("damon_stat", &[("enabled", "Y")], &[]);
    let _ = lab.run(&lab.request(pids(77)));
    assert!(lab.fake.log().iter().all(|(path, _)| path != ENABLED));
}
