//! Start, tune and stop by several processes' worth of calls, against an in-memory kernel.

use super::*;
use damo_kernel::sysfs::MemorySysfs;
use damo_model::kdamond::{Context, ContextTarget};
use damo_model::scheme::{Action, FilterKind, Goal, Metric, Scheme, SchemeFilter};
use damo_model::{KdamondIndex, Nanos, Ops};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Machine {
    fake: Arc<MemorySysfs>,
    root: Root,
    notes: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        Self { root: Root::with_io(fake.clone()), fake, notes: tempfile::tempdir().expect("temp dir") }
    }

    /// Each call as a process of its own: nothing but the kernel and the notes is shared.
    fn steer(&self) -> Steer {
        Steer::new(&self.root, NoteStore::new(self.notes.path()))
    }

    fn settings(&self) -> BTreeMap<String, String> {
        self.fake.files().into_iter().filter(|(path, _)| !path.ends_with("/.ran")).collect()
    }

    /// Other parameters than it was started with, in each context.
    fn change(&self, change: impl Fn(&mut Context)) -> Result<()> {
        self.steer().tune(false, |kdamonds| {
            kdamonds.iter_mut().for_each(|kdamond| change(&mut kdamond.contexts[0]));
            Ok(())
        })
    }

    fn someone_else_starts(&self, pid: i32) {
        let mut kdamond = process(pid);
        kdamond.contexts[0].schemes.push(Scheme::new(Action::Stat));
        let mut staged = Sysfs::new(&self.root).stage(&[kdamond]).expect("fits");
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
    let status = machine.steer().status(false, false).expect("readable");
    assert_eq!(status.kdamonds.len(), 1);
    assert!(status.kdamonds[0].ours && status.kdamonds[0].status.on);
    assert_eq!(status.kdamonds[0].status.pid, Some(started[0].thread));
    assert_eq!(machine.steer().stop(false).expect("goes off"), [KdamondIndex(0)]);
    assert_eq!(machine.settings(), before);
    assert!(matches!(machine.steer().stop(false), Err(SteerError::NothingOn)));
}

#[test]
fn tuning_changes_what_is_named_and_leaves_the_rest() {
    let machine = Machine::new();
    let mut kdamond = process(7);
    kdamond.contexts[0].schemes.push(Scheme::new(Action::Pageout));
    machine.steer().start(std::slice::from_ref(&kdamond)).expect("goes on");
    machine.change(|context| context.intervals.aggregation = Nanos::from_millis(200)).expect("takes it");
    kdamond.contexts[0].intervals.aggregation = Nanos::from_millis(200);
    let status = machine.steer().status(false, false).expect("readable");
    assert_eq!(status.kdamonds[0].status.params, kdamond.resolved());
    assert!(status.kdamonds[0].ours, "still the same thread");
}

#[test]
fn a_refused_change_leaves_the_parameters_of_all_kdamonds_as_they_were() {
    let machine = Machine::new();
    let both = [process(7), process(8)];
    machine.steer().start(&both).expect("goes on");
    let before = machine.settings();
    machine.fake.fail_next("1/state", libc::EINVAL);
    let change = |context: &mut Context| context.intervals.sample = Nanos::from_millis(9);
    let error = machine.change(change).expect_err("refused").to_string();
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
    assert!(matches!(machine.steer().start(&[process(7)]), Err(SteerError::Kernel(damo_kernel::Error::Busy { .. }))));
    for error in [machine.steer().stop(false).map(|_| ()), machine.steer().tune(false, |_| Ok::<(), SteerError>(()))] {
        let error = error.expect_err("not ours").to_string();
        assert!(error.contains("--adopt"), "{error}");
    }
    assert_eq!(machine.settings(), before);
    let status = machine.steer().status(true, false).expect("readable");
    assert!(!status.kdamonds[0].ours && !status.kdamonds[0].fresh);
    let asked = |machine: &Machine| machine.fake.log().iter().filter(|(_, word)| word.starts_with("update")).count();
    assert_eq!(asked(&machine), 0, "nothing is written to it, not even a question");
    let status = machine.steer().status(true, true).expect("readable");
    assert!(status.kdamonds[0].fresh && asked(&machine) > 0);
    let change = |kdamonds: &mut Vec<Kdamond>| {
        kdamonds[0].contexts[0].nr_regions.max = 77;
        Ok::<(), SteerError>(())
    };
    machine.steer().tune(true, change).expect("adopted");
    let status = machine.steer().status(false, false).expect("readable");
    assert_eq!((status.kdamonds[0].status.on, status.kdamonds[0].status.params.contexts[0].nr_regions.max), (true, 77));
    assert_eq!(machine.steer().stop(true).expect("adopted"), [KdamondIndex(0)]);
    assert!(!machine.steer().status(false, false).expect("readable").kdamonds[0].status.on);
}

#[test]
fn ours_that_someone_else_restarted_is_theirs() {
    let machine = Machine::new();
    machine.steer().start(&[process(7)]).expect("goes on");
    machine.fake.end(0);
    machine.root.io().write("sys/kernel/mm/damon/admin/kdamonds/0/state", "on").expect("fake tree: someone");
    assert!(!machine.steer().status(false, false).expect("readable").kdamonds[0].ours);
    assert!(matches!(machine.steer().stop(false), Err(SteerError::NotStartedHere { .. })));
    assert!(machine.steer().status(false, false).expect("readable").kdamonds[0].status.on);
}

#[test]
fn a_start_that_fails_leaves_neither_settings_nor_a_note() {
    let machine = Machine::new();
    let before = machine.settings();
    machine.fake.fail_next("0/state", libc::ENOMEM);
    machine.steer().start(&[process(7)]).expect_err("refused");
    assert_eq!(machine.settings(), before);
    assert!(!machine.notes.path().join("started").exists());
    machine.steer().start(&[process(7)]).expect("the next one goes on");
}

#[test]
fn a_note_that_cannot_be_written_means_that_nothing_is_started() {
    let machine = Machine::new();
    let before = machine.settings();
    std::fs::create_dir(machine.notes.path().join("part-started")).expect("writable");
    std::fs::write(machine.notes.path().join("part-started/x"), "").expect("writable");
    let error = machine.steer().start(&[process(7)]).expect_err("no note").to_string();
    assert!(error.contains("started"), "{error}");
    assert_eq!(machine.settings(), before);
}

#[test]
fn a_damaged_note_is_told_with_its_name() {
    let machine = Machine::new();
    std::fs::write(machine.notes.path().join("started"), "{").expect("writable");
    let error = machine.steer().stop(false).expect_err("damaged").to_string();
    assert!(error.contains("started") && error.contains("--adopt"), "{error}");
}

/// Two kdamonds with schemes that have something of everything.
fn rich() -> [Kdamond; 2] {
    let mut scheme = Scheme::new(Action::Pageout);
    scheme.quotas.reset_interval = Nanos::from_secs(1);
    scheme.quotas.goals.push(Goal { metric: Metric::SomeMemPsiUs, target_value: 10_000, ..Goal::default() });
    let range = damo_model::AddrRange::new(damo_model::Addr(4096), damo_model::Addr(8192));
    scheme.filters.push(SchemeFilter { kind: FilterKind::Addr(range), matching: false, allow: false });
    [7, 8].map(|pid| {
        let mut kdamond = process(pid);
        kdamond.contexts[0].targets[0].regions.push(range);
        kdamond.contexts[0].schemes = vec![scheme.clone(), Scheme::new(Action::Stat)];
        kdamond
    })
}

/// Does `change` with its n-th write failing, for every n, and looks each time whether all is as it was.
fn at_each_write(set_up: impl Fn(&Machine), change: impl Fn(&Machine) -> Result<()>) -> usize {
    for failing in 0.. {
        let machine = Machine::new();
        set_up(&machine);
        let (before, running) = (machine.settings(), machine.steer().running().expect("readable"));
        machine.fake.fail_after(failing, libc::EIO);
        let Err(error) = change(&machine) else { return failing };
        assert!(error.to_string().contains("os error 5"), "write {failing}: {error}");
        let last = machine.fake.log().into_iter().map(|(path, _)| path).nth(failing).unwrap_or_default();
        assert_eq!(machine.settings(), before, "after write {failing}, {last}");
        assert_eq!(machine.steer().running().expect("readable"), running, "after write {failing}, {last}");
    }
    unreachable!("some number of writes is enough")
}

#[test]
fn whichever_write_of_a_start_fails_everything_is_as_it_was_found() {
    // Settings of someone else's, staged and off.
    let found = |machine: &Machine| Sysfs::new(&machine.root).stage(&[process(1)]).expect("fits").keep();
    let writes = at_each_write(found, |machine| machine.steer().start(&rich()).map(|_| ()));
    assert!(writes > 100, "{writes} writes set two kdamonds up");
}

#[test]
fn whichever_write_of_a_tuning_fails_the_parameters_of_all_kdamonds_are_as_before() {
    let started = |machine: &Machine| {
        machine.steer().start(&rich()).expect("goes on");
    };
    let writes = at_each_write(started, |machine| {
        machine.change(|context| {
            context.nr_regions.max = 77;
            context.targets[0].regions.clear();
            context.schemes.truncate(1);
            context.schemes[0].filters.clear();
            context.schemes[0].action = Action::Cold;
        })
    });
    assert!(writes > 50, "{writes} writes tune two kdamonds");
}

#[test]
fn a_change_that_cannot_be_is_not_begun() {
    let machine = Machine::new();
    machine.steer().start(&rich()).expect("goes on");
    let log = machine.fake.log();
    let refuse = |_: &mut Vec<Kdamond>| Err(SteerError::NothingOn);
    assert!(matches!(machine.steer().tune(false, refuse), Err(SteerError::NothingOn)));
    let two = |kdamonds: &mut Vec<Kdamond>| {
        let context = kdamonds[1].contexts[0].clone();
        kdamonds[1].contexts.push(context);
        Ok::<(), SteerError>(())
    };
    let error = machine.steer().tune(false, two).expect_err("one context each").to_string();
    assert!(error.contains("kdamonds[1].contexts: kernels take one, not 2"), "{error}");
    assert_eq!(machine.fake.log(), log);
}

#[test]
fn what_a_refused_change_ended_is_on_again_and_still_ours_to_stop() {
    let machine = Machine::new();
    let before = machine.settings();
    machine.fake.set_alive(&[7]);
    machine.fake.end_at_refused_commits(None);
    let started = machine.steer().start(&[process(7)]).expect("goes on");
    let error = machine.change(|context| context.targets[0].pid = Some(9)).expect_err("9 is dead").to_string();
    assert!(error.contains("on again"), "{error}");
    let status = machine.steer().status(false, false).expect("readable");
    assert!(status.kdamonds[0].ours && status.kdamonds[0].status.on);
    assert_ne!(status.kdamonds[0].status.pid, Some(started[0].thread));
    assert_eq!(status.kdamonds[0].status.params, process(7));
    assert_eq!(machine.steer().stop(false).expect("ours"), [KdamondIndex(0)]);
    assert_eq!(machine.settings(), before);
}

#[test]
fn of_two_starts_at_once_one_succeeds_and_the_other_names_the_obstacle() {
    for _ in 0..30 {
        let machine = Machine::new();
        let start = |pid| machine.steer().start(&[process(pid)]);
        let (seven, eight) = std::thread::scope(|scope| {
            let (seven, eight) = (scope.spawn(|| start(7)), scope.spawn(|| start(8)));
            (seven.join().expect("no panic"), eight.join().expect("no panic"))
        });
        let (winner, loser) = if seven.is_ok() { (7, eight) } else { (8, seven) };
        assert!(matches!(loser, Err(SteerError::Started { .. })), "{loser:?}");
        let status = machine.steer().status(false, false).expect("readable").kdamonds.remove(0);
        assert!(status.ours);
        assert_eq!(status.status.params, process(winner));
    }
}

#[test]
fn a_start_that_was_killed_right_after_switching_on_is_still_ours_to_stop() {
    let machine = Machine::new();
    let before = machine.settings();
    machine.fake.put("proc/uptime", "100.00 90.00");
    let staged = Sysfs::new(&machine.root).stage(&[process(7)]).expect("fits");
    machine.steer().notes.write_started(&staged.leftover()).expect("writable");
    staged.keep();
    machine.root.io().write("sys/kernel/mm/damon/admin/kdamonds/0/state", "on").expect("goes on");
    machine.fake.put("proc/1001/stat", "1001 (kdamond.0) S 2 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 10001 0 0");
    assert!(machine.steer().status(false, false).expect("readable").kdamonds[0].ours);
    assert_eq!(machine.steer().stop(false).expect("ours"), [KdamondIndex(0)]);
    let now: BTreeMap<_, _> = machine.settings().into_iter().filter(|(path, _)| !path.starts_with("proc/")).collect();
    assert_eq!(now, before.into_iter().filter(|(path, _)| !path.starts_with("proc/")).collect());
}

#[test]
fn settings_that_someone_staged_after_ours_ended_are_left_by_stop_and_start() {
    let machine = Machine::new();
    machine.steer().start(&[process(7)]).expect("goes on");
    machine.change(|context| context.nr_regions.max = 77).expect("takes it");
    machine.fake.end(0);
    let sample = "sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/monitoring_attrs/intervals/sample_us";
    machine.root.io().write(sample, "7777").expect("someone");
    let theirs = machine.settings();
    assert!(matches!(machine.steer().stop(false), Err(SteerError::NothingOn)));
    assert_eq!(machine.settings(), theirs);
    machine.steer().start(&[process(7)]).expect("goes on");
    machine.steer().stop(false).expect("goes off");
    assert_eq!(machine.settings(), theirs, "and that is what is put back from now on");
}

#[test]
fn settings_that_were_tuned_and_ended_by_themselves_are_put_back() {
    let machine = Machine::new();
    let before = machine.settings();
    machine.steer().start(&[process(7)]).expect("goes on");
    machine.change(|context| context.nr_regions.max = 77).expect("takes it");
    machine.fake.end(0);
    assert!(matches!(machine.steer().stop(false), Err(SteerError::NothingOn)));
    assert_eq!(machine.settings(), before);
}
