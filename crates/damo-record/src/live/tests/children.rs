//! Children and orphans: who joins, who goes, and DAMON that ends of it.

use super::*;

/// Process 77 has a child, 78; until the next look is due.
fn forks(fake: &MemorySysfs) {
    process(fake, 78, 'S', "");
    process(fake, 77, 'S', "78");
    std::thread::sleep(crate::live::follow::LOOK);
}

/// DAMON is told of newcomers by another thread: until that is done.
fn until_committed(fake: &MemorySysfs) {
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while !fake.log().iter().any(|(_, value)| value == "commit") {
        assert!(std::time::Instant::now() < patience, "nothing was committed");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_child_becomes_a_target_of_its_own_and_takes_the_place_of_one_that_is_gone() {
    let lab = Lab::new(vec![one_snapshot(), does(forks)]);
    // The look after that drains for what was; once DAMON has taken the newcomer, a look drains for what came until then,
    // and for what comes after it.
    let taken = does(until_committed);
    let more =
        [nothing(), taken, nothing(), nothing(), Step::Snapshot(0, 1, ms(1200), &[0x9000]), exits(77), exits(78)];
    lab.then(more);
    let (reader, batch) = lab.recorded();
    assert_eq!(pids_of(&reader), [77, 78]);
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
    assert!(lab.fake.log().iter().any(|(path, value)| path.ends_with("targets/1/pid_target") && value == "78"));
}

#[test]
fn a_child_that_the_kernel_reports_on_before_it_says_that_it_has_taken_it_is_known() {
    let lab = Lab::new(vec![one_snapshot(), does(forks)]);
    let early = Step::Snapshot(0, 1, ms(1200), &[0x9000]);
    let more = [nothing(), does(until_committed), early, nothing(), Step::Snapshot(0, 1, ms(1300), &[0x9000])];
    lab.then(more.into_iter().chain([exits(77), exits(78)]));
    let (reader, batch) = lab.recorded();
    assert_eq!(pids_of(&reader), [77, 78]);
    assert_eq!(batch.snapshots.len(), 3);
    assert!(batch.snapshots[1..].iter().all(|snapshot| snapshot.target == reader.targets()[1].key));
}

#[test]
fn a_child_is_recorded_although_there_is_no_room_for_a_new_note_of_what_was_set_up() {
    let lab = Lab::new(vec![one_snapshot(), does(forks)]);
    // What stands where the note is written first keeps it from being written, as a full disk does.
    let in_the_way = lab.dir.path().join(format!("run/damo/part-{}", std::process::id()));
    let full = does(move |fake| {
        std::fs::create_dir(&in_the_way).unwrap();
        until_committed(fake);
    });
    let more = [full, nothing(), nothing(), Step::Snapshot(0, 1, ms(1200), &[0x9000]), exits(77), exits(78)];
    lab.then([nothing()].into_iter().chain(more));
    let (reader, batch) = lab.recorded();
    assert_eq!((reader.targets().len(), batch.snapshots.len()), (2, 2));
}

#[test]
fn a_child_that_ends_before_damon_takes_it_does_not_end_the_recording() {
    let lab = Lab::new(vec![one_snapshot(), does(forks)]);
    lab.fake.end_at_refused_commits(None);
    lab.fake.set_alive(&[77]);
    let refused = |fake: &MemorySysfs| {
        until_committed(fake);
        process(fake, 78, 'Z', "");
    };
    let rest = [nothing(), does(refused), Step::Snapshot(0, 0, ms(5000), &[0x1000]), exits(77)];
    lab.then(rest);
    let before = lab.damon();
    lab.run(&lab.request(pids(77))).unwrap();
    assert_eq!(lab.damon(), before);
    let (reader, batch) = all(&lab.record());
    assert_eq!(lab.fake.log().iter().filter(|(_, value)| value == "on").count(), 2);
    assert_eq!(batch.snapshots.len(), 2);
    assert_eq!(batch.snapshots[0].target, batch.snapshots[1].target, "it is the same process");
    assert_eq!(batch.snapshots[1].start, ms(4900), "what was not monitored is in no snapshot");
    assert_eq!(reader.targets().len(), 1);
}

#[test]
fn a_child_that_ends_before_damon_is_on_does_not_prevent_the_recording() {
    let lab = Lab::new(vec![one_snapshot(), exits(77)]);
    process(&lab.fake, 78, 'S', "");
    process(&lab.fake, 77, 'S', "78");
    lab.fake.set_alive(&[77]);
    let before = lab.damon();
    lab.run_with(&lab.request(pids(77)), &Before(&lab.script, |fake: &MemorySysfs| process(fake, 78, 'Z', "")))
        .unwrap();
    assert_eq!(lab.damon(), before);
    let (reader, batch) = all(&lab.record());
    assert_eq!((pids_of(&reader), batch.snapshots.len()), (vec![77], 1));
}

/// The only child ends, and another comes: as often as this is called. Each is so old, in seconds, when it comes.
fn children_come_and_go(lab: &Lab, age: i32) -> impl Fn(&MemorySysfs) + Sync + use<> {
    let last = Mutex::new(1000);
    let next = move |fake: &MemorySysfs| {
        let mut child = last.lock().unwrap();
        process(fake, *child, 'Z', "");
        *child += 1;
        process(fake, *child, 'S', "");
        process(fake, 77, 'S', &child.to_string());
        fake.put("proc/uptime", &format!("{}.00 1.00", *child + age));
        fake.set_alive(&[77, *child]);
    };
    next(&lab.fake);
    next
}

#[test]
fn children_that_always_go_while_damon_is_set_up_are_left_out_by_their_age() {
    let lab = Lab::new(vec![one_snapshot(), exits(77)]);
    let open = Before(&lab.script, children_come_and_go(&lab, 3));
    lab.run_with(&lab.request(pids(77)), &open).unwrap();
    let (reader, batch) = all(&lab.record());
    assert_eq!(reader.targets()[0].process.clone().unwrap().pid, 77);
    assert_eq!(batch.snapshots.len(), 1);
}

#[test]
fn a_start_that_children_prevent_again_and_again_says_that_a_process_went() {
    let lab = Lab::new(vec![]);
    let before = lab.damon();
    let open = Before(&lab.script, children_come_and_go(&lab, 100));
    let error = lab.run_with(&lab.request(pids(77)), &open).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("(app 1010) ended while DAMON was being set up"), "{said}");
    assert!(said.contains("at each of 10 tries") && said.contains("--exclude_child_tasks"), "{said}");
    assert_eq!(lab.damon(), before);
    assert!(!lab.record().exists());
}

#[test]
fn the_orphan_of_a_sole_target_is_recorded_on_though_damon_ended_with_its_parent() {
    let person = |fake: &MemorySysfs, pid: i32, parent: i32, state: char| {
        process(fake, pid, state, "");
        let stat = format!("{pid} (app) {state} {parent} 77 77 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 {pid}00 9 9");
        fake.put(&format!("proc/{pid}/stat"), &stat);
    };
    let lab = Lab::new(vec![
        one_snapshot(),
        does(move |fake| {
            person(fake, 78, 1, 'S');
            process(fake, 1, 'S', "78");
            person(fake, 77, 1, 'Z');
            fake.end(0);
        }),
        Step::Snapshot(0, 0, ms(3000), &[0x9000]),
        does(|fake| {
            process(fake, 78, 'Z', "");
            fake.end(0);
        }),
    ]);
    person(&lab.fake, 77, 1, 'S');
    process(&lab.fake, 1, 'S', "77");
    let before = lab.damon();
    lab.run(&lab.request(pids(77))).unwrap();
    assert_eq!(lab.damon(), before);
    let (reader, batch) = all(&lab.record());
    assert_eq!(pids_of(&reader), [77, 78]);
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
}

#[test]
fn damon_that_somebody_switches_off_stays_off_though_children_come() {
    let lab = Lab::new(vec![one_snapshot(), does(forks)]);
    let taken = does(until_committed);
    let off = does(|fake| fake.end(0));
    lab.then([nothing(), taken, nothing(), off]);
    lab.run(&lab.request(pids(77))).unwrap();
    assert_eq!(lab.fake.log().iter().filter(|(_, value)| value == "on").count(), 1);
}

#[test]
fn a_target_that_becomes_another_program_keeps_its_key_and_has_the_last_name() {
    let lab = Lab::new(vec![
        one_snapshot(),
        does(|fake| {
            fake.put("proc/77/stat", &fake.files()["proc/77/stat"].replace("app 77", "server"));
            fake.put("proc/77/cmdline", "server\0-d");
            // Until the next look is due.
            std::thread::sleep(crate::live::follow::LOOK);
        }),
        Step::Snapshot(0, 0, ms(1100), &[0x1000]),
        exits(77),
    ]);
    let (reader, batch) = lab.recorded();
    assert_eq!(batch.snapshots.len(), 2);
    assert_eq!(batch.snapshots[0].target, batch.snapshots[1].target);
    let names: Vec<String> = reader.targets().iter().map(|target| target.process.clone().unwrap().cmdline).collect();
    assert_eq!(names, ["server -d\n"], "as the fake file ends");
}

#[test]
fn regions_given_with_all_parameters_are_never_lost_to_a_child() {
    for ops in ["fvaddr", "vaddr"] {
        let regions = r#"[{"start": "4096", "end": "8192"}]"#;
        let json = format!(
            r#"{{"kdamonds": [{{"contexts": [{{"ops": "{ops}", "targets": [{{"pid": 77, "regions": {regions}}}],
            "intervals": {{"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s"}},
            "nr_regions": {{"min": "10", "max": "1,000"}}, "schemes": []}}]}}]}}"#
        );
        let lab = Lab::new(vec![one_snapshot(), does(forks)]);
        // A look that finds somebody drains once before DAMON is told; then time enough for a thread that would tell it.
        let look = nothing();
        let later = does(|_| std::thread::sleep(Duration::from_millis(300)));
        lab.then([look, later, exits(77), exits(78)]);
        lab.run(&lab.request(TargetSpec::Kdamonds(
            damo_model::kdamond::from_json(&serde_json::from_str(&json).unwrap()).unwrap(),
        )))
        .unwrap();
        let log = lab.fake.log();
        let told = log.iter().any(|(path, value)| path.ends_with("pid_target") && value == "78");
        assert!(!told && log.iter().all(|(_, value)| value != "commit"), "{ops}");
    }
}

#[test]
fn a_target_that_is_gone_is_removed_where_the_kernel_can_and_the_others_keep_their_places() {
    let lab = Lab::on((6, 19), vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), does(forks)]);
    // 78 is a target then; it ends while 79 begins.
    let next = |fake: &MemorySysfs| {
        until_committed(fake);
        process(fake, 78, 'Z', "");
        process(fake, 79, 'S', "");
        process(fake, 77, 'S', "79");
        std::thread::sleep(crate::live::follow::LOOK);
    };
    let removed = |fake: &MemorySysfs| {
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        let is_removed = |fake: &MemorySysfs| {
            fake.log().iter().any(|(path, value)| path.ends_with("targets/1/obsolete_target") && value == "Y")
                && fake.files()[&format!("{KDAMONDS}/0/contexts/0/targets/nr_targets")] == "2"
        };
        while !is_removed(fake) {
            assert!(std::time::Instant::now() < patience, "nothing was removed");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let steps = [nothing(), does(next), nothing(), nothing(), does(removed), nothing(), nothing()];
    let end = [Step::Snapshot(0, 1, ms(9000), &[0x9000]), exits(77), exits(79)];
    lab.script.steps.lock().unwrap().extend(steps.into_iter().chain(end));
    let (reader, batch) = lab.recorded();
    let of = |snapshot: usize| {
        let key = batch.snapshots[snapshot].target;
        reader.targets().iter().find(|target| target.key == key).and_then(|target| target.process.clone()).unwrap().pid
    };
    assert_eq!((of(0), of(batch.snapshots.len() - 1)), (77, 79));
}
