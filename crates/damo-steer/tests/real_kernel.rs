//! The library against a real kernel. These tests change DAMON's settings and switch it on, so that they run in the
//! guest only (its check `40-library`), which says so by `DAMO_IN_GUEST=1`; anywhere else they are ignored, and return at
//! once if they are run all the same. One at a time, please: `--test-threads=1`.

use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::ring::{Record, Ring, RingOptions, Until};
use damo_kernel::sysfs::{Command as Ask, Leftover, Sysfs};
use damo_kernel::tracefs::{Decoder, Event, Tracefs};
use damo_model::kdamond::{Context, ContextTarget, Kdamond};
use damo_model::scheme::{
    Action, FilterKind, Goal, GoalTuner, Metric, Rate, Scheme, SchemeFilter, Span, WatermarkMetric, Watermarks,
};
use damo_model::{Addr, AddrRange, Bytes, Intervals, KdamondIndex, KdamondThread, Nanos, Ops, Snapshot, SnapshotState};
use damo_steer::SteerError;
use damo_steer::notes::NoteStore;
use damo_steer::readiness;
use damo_steer::steer::Steer;
use damo_trace::assemble::{Assembler, AssemblerOptions, EventKey, RegionEvent};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The guest's kernel, or `None` on any other machine.
fn guest() -> Option<(Root, Sysfs)> {
    if std::env::var("DAMO_IN_GUEST").as_deref() != Ok("1") {
        eprintln!("not in the guest: not tested");
        return None;
    }
    let root = Root::host();
    Some((root.clone(), Sysfs::new(&root)))
}

/// A process to monitor, ended when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        let sleeper = Sleeper(Command::new("sleep").arg("1000").spawn().expect("sleep is there"));
        // DAMON looks at its mappings, which it has once it runs.
        std::thread::sleep(Duration::from_millis(200));
        sleeper
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn processes(pids: &[i32]) -> Kdamond {
    let target = |pid: &i32| ContextTarget { pid: Some(*pid), ..ContextTarget::default() };
    let context = Context { targets: pids.iter().map(target).collect(), ..Context::new(Ops::Vaddr) };
    Kdamond { contexts: vec![context], ..Kdamond::default() }
}

fn physical(root: &Root) -> Kdamond {
    let regions = Procfs::new(root).system_ram().expect("root sees it");
    let context =
        Context { targets: vec![ContextTarget { regions, ..ContextTarget::default() }], ..Context::new(Ops::Paddr) };
    Kdamond { contexts: vec![context], ..Kdamond::default() }
}

/// A scheme for all regions, with its bounds in the units of the kernel's files, in which it is read back.
fn scheme_as_read(action: Action) -> Scheme {
    let mut scheme = Scheme::new(action);
    scheme.access_pattern.nr_accesses.min = Rate::Samples(0);
    scheme.access_pattern.age.min = Span::Intervals(0);
    scheme
}

fn full_scheme() -> Scheme {
    let mut scheme = scheme_as_read(Action::Stat);
    scheme.apply_interval = Nanos::from_millis(300);
    scheme.quotas.time = Nanos::from_millis(10);
    scheme.quotas.size = Bytes(100 << 20);
    scheme.quotas.reset_interval = Nanos::from_secs(1);
    (scheme.quotas.weights.size, scheme.quotas.weights.age) = (3, 7);
    scheme.quotas.goals.push(Goal { metric: Metric::SomeMemPsiUs, target_value: 10_000, ..Goal::default() });
    scheme.watermarks = Watermarks {
        metric: WatermarkMetric::FreeMemRate,
        interval: Nanos::from_secs(5),
        high: 1000,
        mid: 999,
        low: 1,
    };
    // Those of addresses and targets first, as kernels since 6.15 have them: they keep the two kinds apart.
    let range = AddrRange::new(Addr(0), Addr(8192));
    scheme.filters.push(SchemeFilter { kind: FilterKind::Addr(range), matching: false, allow: false });
    scheme.filters.push(SchemeFilter { kind: FilterKind::Target(0), matching: true, allow: false });
    scheme.filters.push(SchemeFilter { kind: FilterKind::Anon, matching: true, allow: false });
    scheme.filters.push(SchemeFilter { kind: FilterKind::Memcg("/".into()), matching: false, allow: false });
    scheme
}

/// Kernels that have these files report what is in effect where nothing was asked for.
fn without_defaults_of_newer_kernels(mut kdamond: Kdamond) -> Kdamond {
    kdamond.refresh = kdamond.refresh.filter(|refresh| refresh.0 != 0);
    for context in &mut kdamond.contexts {
        context.addr_unit = context.addr_unit.filter(|unit| *unit != 1);
        context.pause = context.pause.filter(|pause| *pause);
        for scheme in &mut context.schemes {
            scheme.quotas.goal_tuner = scheme.quotas.goal_tuner.filter(|tuner| *tuner != GoalTuner::Consist);
        }
    }
    kdamond
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn what_is_staged_reads_back_the_same() {
    let Some((root, sysfs)) = guest() else { return };
    let mut wanted = [processes(&[1, std::process::id() as i32]), physical(&root)];
    wanted[0].contexts[0].schemes = vec![full_scheme(), scheme_as_read(Action::Pageout)];
    let staged = sysfs.stage(&wanted).expect("this kernel has all of it");
    let read = staged.params().expect("readable");
    let read: Vec<_> = read.into_iter().map(without_defaults_of_newer_kernels).collect();
    assert_eq!(read, wanted);
    staged.undo().expect("nothing runs");
    assert_eq!(sysfs.nr_kdamonds().expect("readable"), 0);
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn settings_of_others_are_put_back_to_the_last_file() {
    let Some((root, sysfs)) = guest() else { return };
    let mut theirs = [processes(&[1]), physical(&root)];
    theirs[0].contexts[0].schemes = vec![full_scheme()];
    theirs[0].contexts[0].intervals.sample = Nanos::from_millis(7);
    let outer = sysfs.stage(&theirs).expect("fits");
    let before = sysfs.kdamonds().expect("readable");
    let mut staged = sysfs.stage(&[physical(&root)]).expect("fits");
    staged.start().expect("goes on");
    staged.undo().expect("goes back");
    assert_eq!(sysfs.kdamonds().expect("readable"), before);
    outer.undo().expect("goes back");
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn a_dead_process_is_refused_and_everything_is_as_before() {
    let Some((_, sysfs)) = guest() else { return };
    let dead = Sleeper::new().pid();
    let mut staged = sysfs.stage(&[processes(&[dead])]).expect("staging does not look");
    let error = staged.start().expect_err("dead").to_string();
    assert!(error.contains("process must live"), "{error}");
    assert_eq!(sysfs.nr_kdamonds().expect("readable"), 0);
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn what_runs_for_someone_else_makes_us_busy_and_goes_on_running() {
    let Some((root, sysfs)) = guest() else { return };
    let mut theirs = sysfs.stage(&[physical(&root)]).expect("fits");
    theirs.start().expect("goes on");
    let before = sysfs.running().expect("readable");
    let error = sysfs.stage(&[processes(&[1])]).expect_err("no room").to_string();
    assert!(error.contains("already on"), "{error}");
    assert_eq!(sysfs.running().expect("readable"), before);
    theirs.undo().expect("ours to stop");
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn a_kdamond_whose_process_exits_ends_by_itself_and_undoing_still_works() {
    let Some((_, sysfs)) = guest() else { return };
    let sleeper = Sleeper::new();
    let mut staged = sysfs.stage(&[processes(&[sleeper.pid()])]).expect("fits");
    staged.start().expect("goes on");
    assert!(staged.is_running().expect("readable"));
    drop(sleeper);
    let begin = Instant::now();
    while staged.is_running().expect("readable") {
        assert!(begin.elapsed() < Duration::from_secs(20), "still on");
        std::thread::sleep(Duration::from_millis(50));
    }
    staged.undo().expect("goes back");
    assert_eq!(sysfs.nr_kdamonds().expect("readable"), 0);
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn what_a_killed_run_left_on_is_taken_over_and_undone() {
    let Some((root, sysfs)) = guest() else { return };
    let mut staged = sysfs.stage(&[physical(&root)]).expect("fits");
    staged.start().expect("goes on");
    let note = serde_json::to_string(&staged.leftover()).expect("plain data");
    std::mem::forget(staged);
    let leftover: Leftover = serde_json::from_str(&note).expect("as written");
    sysfs.take_over(leftover).expect("readable").expect("still there").undo().expect("goes back");
    assert_eq!((sysfs.nr_kdamonds().expect("readable"), sysfs.running().expect("readable")), (0, vec![]));
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn a_process_is_added_to_a_running_kdamond_and_commands_bring_statistics() {
    let Some((_, sysfs)) = guest() else { return };
    let (first, second) = (Sleeper::new(), Sleeper::new());
    let mut kdamond = processes(&[first.pid()]);
    kdamond.contexts[0].schemes = vec![Scheme::new(Action::Stat)];
    let mut staged = sysfs.stage(&[kdamond]).expect("fits");
    staged.start().expect("goes on");
    let targets = processes(&[first.pid(), second.pid()]).contexts.remove(0).targets;
    staged.set_targets(0, 0, &targets).expect("commits");
    // The kernel looks at a new target's mappings at the next update interval only.
    std::thread::sleep(Duration::from_millis(2500));
    for ask in [Ask::UpdateStats, Ask::UpdateTriedRegions, Ask::UpdateEffectiveQuotas] {
        staged.command(ask, Duration::from_secs(20)).expect("done within some aggregations");
    }
    let found = sysfs.kdamond(KdamondIndex(0)).expect("readable");
    let status = &found.schemes[0][0];
    assert!(status.stats.nr_tried > 0 && status.stats.sz_tried > Bytes(0), "{:?}", status.stats);
    assert!(!status.tried.is_empty());
    let sum: u64 = status.tried.iter().map(|tried| tried.region.size().0).sum();
    assert_eq!(status.tried_bytes, Some(Bytes(sum)));
    // Two address spaces one after the other: somewhere addresses start again from below.
    assert!(status.tried.windows(2).any(|pair| pair[1].region.start < pair[0].region.start));
    staged.undo().expect("goes back");
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn what_is_started_stays_on_is_tuned_scheme_by_scheme_and_stopped_without_a_trace() {
    let Some((root, sysfs)) = guest() else { return };
    let notes = tempfile::tempdir().expect("writable");
    let (first, second) = (Sleeper::new(), Sleeper::new());
    let steer = || Steer::new(&root, NoteStore::new(notes.path()));
    let before = sysfs.kdamonds().expect("readable");
    let started = steer().start(&[processes(&[first.pid()]), processes(&[second.pid()])]).expect("goes on");
    steer()
        .tune(false, |kdamonds| {
            kdamonds[0].contexts[0].intervals.aggregation = Nanos::from_millis(200);
            kdamonds[1].contexts[0].schemes.push(Scheme::new(Action::Stat));
            Ok::<(), SteerError>(())
        })
        .expect("takes it");
    std::thread::sleep(Duration::from_secs(1));
    let status = steer().status(true, false).expect("readable");
    assert!(status.kdamonds.iter().all(|kdamond| kdamond.ours && kdamond.status.on));
    assert_eq!(
        status.kdamonds.iter().filter_map(|k| k.status.pid).collect::<Vec<_>>(),
        [started[0].thread, started[1].thread]
    );
    assert_eq!(status.kdamonds[0].status.params.contexts[0].intervals.aggregation, Nanos::from_millis(200));
    assert!(status.kdamonds[1].status.schemes[0][0].stats.nr_tried > 0, "{:?}", status.kdamonds[1].status.schemes);
    // A change that the kernel refuses: both go on with what they had.
    let dead = Sleeper::new().pid();
    let change = |kdamonds: &mut Vec<Kdamond>| {
        kdamonds[0].contexts[0].nr_regions.max = 77;
        kdamonds[1].contexts[0].targets[0].pid = Some(dead);
        Ok::<(), SteerError>(())
    };
    let error = steer().tune(false, change).expect_err("a dead process").to_string();
    assert!(error.contains("`commit`"), "{error}");
    assert_eq!(sysfs.kdamond(KdamondIndex(0)).expect("readable").params.contexts[0].nr_regions.max, 1000);
    // One that the kernel ended over it is on again, maybe as another thread, and is still ours.
    let status = steer().status(false, false).expect("readable");
    assert!(status.kdamonds.iter().all(|kdamond| kdamond.ours && kdamond.status.on), "{error}");
    assert_eq!(status.kdamonds[1].status.params.contexts[0].targets[0].pid, Some(second.pid()));
    assert_eq!(steer().stop(false).expect("goes off"), [0, 1].map(KdamondIndex));
    assert_eq!(sysfs.kdamonds().expect("readable"), before);
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn commands_to_a_kdamond_that_is_off_are_refused_with_a_sentence() {
    let Some((root, sysfs)) = guest() else { return };
    let staged = sysfs.stage(&[physical(&root)]).expect("fits");
    let error = sysfs.command(KdamondIndex(0), Ask::UpdateStats, Duration::from_secs(5)).expect_err("off").to_string();
    assert!(error.contains("update_schemes_stats") && error.contains("does not run"), "{error}");
    staged.undo().expect("goes back");
}

fn follow(root: &Root, sysfs: &Sysfs, kdamonds: &[Kdamond], seconds: u64, narrow: bool) -> (Vec<Snapshot>, u64) {
    let formats = Tracefs::find(root).expect("mounted").recording_events(true, false).expect("there");
    let mut ring = Ring::per_cpu(root, &formats, &RingOptions::default()).expect("root may");
    let mut staged = sysfs.stage(kdamonds).expect("fits");
    staged.start().expect("goes on");
    if narrow {
        assert!(ring.narrow(&staged.threads()), "the first aggregation takes 100 ms");
    }
    let decoder = Decoder::new(&formats).expect("known");
    let options = AssemblerOptions { intervals: Some(Intervals::default()), ..AssemblerOptions::default() };
    let mut assembler = Assembler::new(options);
    let mut take = |record: Record<'_>| {
        let Record::Sample(sample) = record else { panic!("{record:?}") };
        let decoded = decoder.decode(sample.raw).expect("whole").expect("asked for");
        let Event::Aggregated { target_id, nr_regions, region } = decoded.event else { panic!("{decoded:?}") };
        let key = EventKey { thread: Some(decoded.pid), target_id, ..EventKey::default() };
        let event = RegionEvent { key, time: sample.time, nr_regions, region, extras: &[] };
        assembler.push(&event).expect("in order of time");
    };
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(seconds) {
        ring.wait(Duration::from_millis(100), &[]).expect("polls");
        let drained = ring.drain(Until::Now, &mut take);
        assert_eq!(drained.nonsense, 0);
    }
    staged.stop().expect("ours");
    ring.drain(Until::End, &mut take);
    assembler.finish();
    let snapshots = std::iter::from_fn(|| assembler.pop()).collect();
    staged.undo().expect("goes back");
    (snapshots, ring.lost())
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn two_kdamonds_with_equal_target_ids_are_kept_apart_through_either_kind_of_ring() {
    let Some((root, sysfs)) = guest() else { return };
    let sleeper = Sleeper::new();
    for narrow in [true, false] {
        let (snapshots, lost) = follow(&root, &sysfs, &[processes(&[sleeper.pid()]), physical(&root)], 3, narrow);
        assert_eq!(lost, 0);
        assert!(snapshots.iter().all(|snapshot| snapshot.state == SnapshotState::Complete));
        assert!(snapshots.iter().all(|s| s.regions.windows(2).all(|pair| pair[0].end <= pair[1].start)));
        let of = |key: u32| snapshots.iter().filter(move |snapshot| snapshot.target.0 == key);
        assert!(of(0).count() > 3 && of(1).count() > 3, "{} {}", of(0).count(), of(1).count());
        // Physical addresses of 2 GiB are below where processes have their stacks.
        let highest = |key: u32| of(key).flat_map(|s| &s.regions).map(|r| r.end.0).max().expect("has regions");
        let (low, high) = (highest(0).min(highest(1)), highest(0).max(highest(1)));
        assert!(low <= 4 << 30 && high > 4 << 30, "{low:#x} {high:#x}");
    }
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn a_ring_for_a_thread_that_is_gone_is_refused() {
    let Some((root, _)) = guest() else { return };
    let formats = Tracefs::find(&root).expect("mounted").recording_events(false, false).expect("there");
    let gone = Sleeper::new().pid();
    let error = Ring::threads(&[KdamondThread(gone)], &formats, &RingOptions::default()).expect_err("gone").to_string();
    assert!(error.contains("The thread is gone"), "{error}");
}

#[test]
#[ignore = "changes DAMON: runs in the guest"]
fn this_guest_is_ready() {
    let Some((root, _)) = guest() else { return };
    for check in readiness::checks(&root) {
        let fine = matches!(check.verdict, readiness::Verdict::Good | readiness::Verdict::Unknown);
        assert!(fine, "{check:?}");
    }
}
