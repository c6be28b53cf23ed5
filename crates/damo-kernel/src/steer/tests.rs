//! Start, tune and stop by several processes' worth of calls, against an in-memory kernel.

use super::*;
use crate::sysfs::{Context, ContextTarget, FakeDamon, Scheme};
use damo_model::{Nanos, Ops};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Machine {
    fake: Arc<FakeDamon>,
    root: Root,
    notes: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let fake = Arc::new(FakeDamon::new((6, 12)));
        Self { root: Root::with_io(fake.clone()), fake, notes: tempfile::tempdir().expect("temp dir") }
    }

    /// Each call as a process of its own: nothing but the kernel and the notes is shared.
    fn steer(&self) -> Steer {
        Steer::new(&self.root, self.notes.path())
    }

    fn settings(&self) -> BTreeMap<String, String> {
        self.fake.files().into_iter().filter(|(path, _)| !path.ends_with("/.ran")).collect()
    }

    fn someone_else_starts(&self, pid: i32) {
        let mut staged = Sysfs::new(&self.root).stage(&[process(pid)]).expect("fits");
        staged.start().expect("goes on");
        staged.keep();
    }
}

fn process(pid: i32) -> Kdamond {
    let target = ContextTarget { pid: Some(pid), ..ContextTarget::default() };
    let context = Context { targets: vec![target], ..Context::new(Ops::Vaddr) };
    Kdamond { contexts: vec![context], ..Kdamond::default() }
}

#[test]
fn what_was_started_goes_on_until_it_is_stopped_and_then_all_is_as_before() {
    let machine = Machine::new();
    Sysfs::new(&machine.root).stage(&[process(1), process(2)]).expect("fits").keep();
    let before = machine.settings();
    let started = machine.steer().start(&[process(7)]).expect("goes on");
    let status = machine.steer().status(false).expect("readable");
    assert_eq!(status.kdamonds.len(), 1);
    assert!(status.kdamonds[0].ours && status.kdamonds[0].status.on);
    assert_eq!(status.kdamonds[0].status.pid, Some(started[0].1));
    assert_eq!(machine.steer().stop(false).expect("goes off"), [0]);
    assert_eq!(machine.settings(), before);
    assert!(matches!(machine.steer().stop(false), Err(Error::NothingOn)));
}

#[test]
fn tuning_changes_what_is_named_and_leaves_the_rest() {
    let machine = Machine::new();
    let mut kdamond = process(7);
    kdamond.contexts[0].schemes.push(Scheme::new("pageout"));
    machine.steer().start(std::slice::from_ref(&kdamond)).expect("goes on");
    let change = |kdamonds: &mut Vec<Kdamond>| kdamonds[0].contexts[0].intervals.aggregation = Nanos::from_millis(200);
    machine.steer().tune(false, change).expect("takes it");
    kdamond.contexts[0].intervals.aggregation = Nanos::from_millis(200);
    let status = machine.steer().status(false).expect("readable");
    assert_eq!(status.kdamonds[0].status.params, kdamond);
    assert!(status.kdamonds[0].ours, "still the same thread");
}

#[test]
fn a_tuning_that_the_kernel_refuses_leaves_the_parameters_of_all_kdamonds_as_they_were() {
    let machine = Machine::new();
    let both = [process(7), process(8)];
    machine.steer().start(&both).expect("goes on");
    let before = machine.settings();
    machine.fake.fail_next("1/state", libc::EINVAL);
    let change = |kdamonds: &mut Vec<Kdamond>| {
        for kdamond in kdamonds {
            kdamond.contexts[0].intervals.sample = Nanos::from_millis(9);
        }
    };
    let error = machine.steer().tune(false, change).expect_err("refused").to_string();
    assert!(error.contains("`commit`") && error.contains("kdamonds/1/state"), "{error}");
    assert_eq!(machine.settings(), before);
    // The first one had taken the new parameters already, so that it is told the old ones once more.
    let commits = machine.fake.log().into_iter().filter(|(path, word)| path.ends_with("0/state") && word == "commit");
    assert_eq!(commits.count(), 2);
}

#[test]
fn a_start_while_ours_still_runs_is_refused_and_one_after_it_ended_begins_anew() {
    let machine = Machine::new();
    let before = machine.settings();
    machine.steer().start(&[process(7)]).expect("goes on");
    let error = machine.steer().start(&[process(8)]).expect_err("runs").to_string();
    assert!(error.contains("damo tune") && error.contains("damo stop"), "{error}");
    machine.fake.end(0);
    machine.steer().start(&[process(8)]).expect("the first one is over");
    machine.steer().stop(false).expect("goes off");
    assert_eq!(machine.settings(), before, "as found before the first one");
}

#[test]
fn what_someone_else_started_is_left_alone_unless_adopted() {
    let machine = Machine::new();
    machine.someone_else_starts(1);
    let before = machine.settings();
    assert!(matches!(machine.steer().start(&[process(7)]), Err(Error::Busy { .. })));
    for error in [machine.steer().stop(false).map(|_| ()), machine.steer().tune(false, |_| {})] {
        let error = error.expect_err("not ours").to_string();
        assert!(error.contains("--adopt"), "{error}");
    }
    assert_eq!(machine.settings(), before);
    assert!(!machine.steer().status(false).expect("readable").kdamonds[0].ours);
    let change = |kdamonds: &mut Vec<Kdamond>| kdamonds[0].contexts[0].nr_regions.max = 77;
    machine.steer().tune(true, change).expect("adopted");
    let status = machine.steer().status(false).expect("readable");
    assert_eq!((status.kdamonds[0].status.on, status.kdamonds[0].status.params.contexts[0].nr_regions.max), (true, 77));
    assert_eq!(machine.steer().stop(true).expect("adopted"), [0]);
    assert!(!machine.steer().status(false).expect("readable").kdamonds[0].status.on);
}

#[test]
fn ours_that_someone_else_restarted_is_theirs() {
    let machine = Machine::new();
    machine.steer().start(&[process(7)]).expect("goes on");
    machine.fake.end(0);
    machine.root.io().write("sys/kernel/mm/damon/admin/kdamonds/0/state", "on").expect("fake tree: someone");
    assert!(!machine.steer().status(false).expect("readable").kdamonds[0].ours);
    assert!(matches!(machine.steer().stop(false), Err(Error::NotStartedHere { .. })));
    assert!(machine.steer().status(false).expect("readable").kdamonds[0].status.on);
}

#[test]
fn a_start_that_fails_leaves_neither_settings_nor_a_note() {
    let machine = Machine::new();
    let before = machine.settings();
    machine.fake.fail_next("0/state", libc::ENOMEM);
    machine.steer().start(&[process(7)]).expect_err("refused");
    assert_eq!(machine.settings(), before);
    assert!(!machine.steer().path().exists());
    machine.steer().start(&[process(7)]).expect("the next one goes on");
}

#[test]
fn a_note_that_cannot_be_written_means_that_nothing_is_started() {
    let machine = Machine::new();
    let before = machine.settings();
    std::fs::create_dir(machine.notes.path().join("started.part")).expect("writable");
    std::fs::write(machine.notes.path().join("started.part/x"), "").expect("writable");
    let error = machine.steer().start(&[process(7)]).expect_err("no note").to_string();
    assert!(error.contains("started"), "{error}");
    assert_eq!(machine.settings(), before);
}

#[test]
fn a_damaged_note_is_told_with_its_name() {
    let machine = Machine::new();
    std::fs::write(machine.steer().path(), "{").expect("writable");
    let error = machine.steer().stop(false).expect_err("damaged").to_string();
    assert!(error.contains("started") && error.contains("--adopt"), "{error}");
}
