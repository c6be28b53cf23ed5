//! Whole sessions against a fake kernel: an in-memory DAMON that reacts to writes as the real one does, and a script of
//! events in place of the ring. Nothing here touches the machine's own DAMON.

use super::events::Events;
use super::source::{Open, Source};
use super::*;
use crate::request::Limits;
use damo_format::Reader;
use damo_kernel::Root;
use damo_kernel::ring::{Record, Sample, Until};
use damo_kernel::sysfs::{MemorySysfs, Sysfs};
use damo_kernel::tracefs::EventFormat;
use damo_model::kdamond::{Context, ContextTarget, Kdamond, Probe};
use damo_model::scheme::{Action, FilterKind, Scheme, SchemeFilter};
use damo_model::{Addr, ColumnId, KdamondIndex, KdamondThread, Nanos, Ops, Selection, Side, SnapshotState};
use damo_steer::notes::{Note, NoteStore};
use damo_steer::notifier::Silent;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

mod attached;
mod children;
mod lab;
mod others;
mod refused;

use lab::*;

#[test]
fn a_recording_ends_with_its_target_and_leaves_damon_as_it_was_found() {
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000, 0x2000]),
        Step::Stranger(ms(1050)),
        Step::Snapshot(0, 0, ms(1100), &[0x1000, 0x2000]),
        exits(77),
    ]);
    lab.fake.put("proc/77/numa_maps", "1000 default anon=2 N1=2 kernelpagesize_kB=4\n");
    lab.fake.put("sys/devices/system/node/node0/cpulist", "0");
    lab.fake.put("sys/devices/system/node/node1/cpulist", "1");
    let before = lab.damon();
    assert_eq!(lab.run(&lab.request(pids(77))).unwrap(), ExitCode::SUCCESS);
    assert_eq!(lab.damon(), before);
    let (reader, batch) = all(&lab.record());
    assert_eq!(batch.snapshots.len(), 2, "and nothing of the stranger's");
    assert_eq!(batch.snapshots[0].start, ms(900), "one aggregation before its end");
    assert_eq!(batch.start, [0x1000, 0x2000, 0x1000, 0x2000]);
    let who = reader.targets()[0].process.clone().unwrap();
    assert_eq!((who.pid, who.comm.as_str(), who.cmdline.trim()), (77, "app 77", "app --flag"));
    assert!(who.started.is_some());
    let side_data = reader.side_data().unwrap();
    for (what, there) in [
        ("mappings", side_data.iter().any(|side| matches!(side, Side::Mappings(m) if m.pid == 77))),
        ("placement", side_data.iter().any(|side| matches!(side, Side::Placement(p) if p.memory[0].node == 1))),
        ("footprint", side_data.iter().any(|side| matches!(side, Side::Process(f) if f.footprint.rss.is_some()))),
        ("CPU time", side_data.iter().any(|side| matches!(side, Side::Cpu(cpu) if cpu.pid == 77))),
        ("parameters", side_data.iter().any(|side| matches!(side, Side::Params(p) if p.json.contains("vaddr")))),
    ] {
        assert!(there, "{what} missing");
    }
    assert!(lab.machine().notes.recordings().is_empty());
    assert!(!crate::marks::fifo_of(&lab.record()).exists());
}

#[test]
fn a_start_that_fails_leaves_nothing_behind_and_the_older_record_where_it_was() {
    let lab = Lab::new(vec![exits(77)]);
    lab.run(&lab.request(pids(77))).unwrap();
    let older = std::fs::read(lab.record()).unwrap();
    process(&lab.fake, 77, 'S', "");
    let before = lab.damon();
    // EINVAL
    lab.fake.fail_next("0/state", 22);
    lab.run(&lab.request(pids(77))).unwrap_err();
    assert_eq!(lab.damon(), before);
    assert_eq!(std::fs::read(lab.record()).unwrap(), older);
    let mut names: Vec<_> =
        std::fs::read_dir(lab.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.damo", "run"]);
}

#[test]
fn lost_events_are_counted_and_their_snapshot_is_partial() {
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000, 0x2000]),
        Step::Half(ms(1100), 2),
        Step::Lost(1),
        Step::Snapshot(0, 0, ms(1200), &[0x1000, 0x2000]),
        exits(77),
    ]);
    let (reader, batch) = lab.recorded();
    assert_eq!(reader.totals().lost_events, 1);
    let states: Vec<bool> =
        batch.snapshots.iter().map(|head| matches!(head.state, SnapshotState::Partial { .. })).collect();
    assert_eq!(states, [false, true, false]);
}

/// A raw record in the layout of a format text, of 4 and 8 byte fields.
fn raw_of(format: &str, tid: i32, values: &[(&str, u64)]) -> Vec<u8> {
    let format = EventFormat::parse(format).unwrap();
    let mut raw = vec![0; format.fields.iter().map(|field| (field.offset + field.size) as usize).max().unwrap()];
    raw[0..2].copy_from_slice(&(format.id as u16).to_ne_bytes());
    raw[4..8].copy_from_slice(&tid.to_ne_bytes());
    for (name, value) in values {
        let field = format.field(name).unwrap();
        let place = &mut raw[field.offset as usize..][..field.size as usize];
        match place.len() {
            4 => place.copy_from_slice(&(*value as u32).to_ne_bytes()),
            _ => place.copy_from_slice(&value.to_ne_bytes()),
        }
    }
    raw
}

#[test]
fn effective_quotas_and_statistics_of_schemes_are_recorded_when_they_change() {
    const QUOTA: &str = include_str!("../../../../testdata/kernel/formats/6.17-damos_esz.txt");
    const STAT: &str = include_str!("../../../../testdata/kernel/formats/7.0-damos_stat_after_apply_interval.txt");
    let quota =
        |time, size| Step::Raw(ms(time), Box::new(move |tid| raw_of(QUOTA, tid, &[("scheme_idx", 1), ("esz", size)])));
    let stat = |time, tried| {
        let values = [("nr_tried", tried), ("sz_applied", 8192), ("sz_ops_filter_passed", 4096)];
        Step::Raw(ms(time), Box::new(move |tid| raw_of(STAT, tid, &values)))
    };
    let lab = Lab::new(vec![
        one_snapshot(),
        quota(1000, 1 << 20),
        stat(1001, 7),
        quota(1100, 1 << 20),
        stat(1101, 9),
        quota(1200, 2 << 20),
        exits(77),
    ]);
    lab.fake.put("sys/kernel/tracing/events/damon/damos_esz/format", QUOTA);
    lab.fake.put("sys/kernel/tracing/events/damon/damos_stat_after_apply_interval/format", STAT);
    let schemes = Some(vec![Scheme::new(Action::Stat); 2]);
    let (reader, _) = lab.recorded_by(&Request { schemes, ..lab.request(pids(77)) });
    let schemes: Vec<_> = reader
        .side_data()
        .unwrap()
        .into_iter()
        .filter_map(|side| if let Side::Scheme(scheme) = side { Some(scheme) } else { None })
        .collect();
    let quotas: Vec<_> = schemes.iter().filter_map(|told| Some((told.scheme, told.effective_quota?.0))).collect();
    assert_eq!(quotas, [(1, 1 << 20), (1, 2 << 20)]);
    let counts: Vec<_> = schemes.iter().filter_map(|told| told.counts).collect();
    // First what both had done when they began.
    assert_eq!(counts.iter().map(|counts| counts.nr_tried).collect::<Vec<_>>(), [0, 0, 7, 9]);
    assert_eq!((counts[2].sz_applied.0, counts[2].sz_ops_filter_passed.unwrap().0), (8192, 4096));
    assert!(schemes.iter().all(|told| told.kdamond == Some(KdamondIndex(0))));
    let formats: Vec<_> = reader.meta().formats.iter().map(|format| format.event.as_str()).collect();
    assert_eq!(formats, ["damon:damon_aggregated", "damon:damos_esz", "damon:damos_stat_after_apply_interval"]);
}

#[test]
fn where_no_event_tells_what_schemes_did_the_kernels_files_do() {
    let applied = |size: &'static str| {
        does(move |fake| {
            fake.kernel_writes(&format!("{KDAMONDS}/0/contexts/0/schemes/0/stats/sz_applied"), size);
            std::thread::sleep(Duration::from_millis(1100));
        })
    };
    let lab = Lab::new(vec![applied("4096"), applied("8192"), applied("8192"), applied("8192"), exits(77)]);
    let schemes = Some(vec![Scheme::new(Action::Stat)]);
    let side_data = lab.recorded_by(&Request { schemes, ..lab.request(pids(77)) }).0.side_data().unwrap();
    let counts: Vec<u64> = side_data
        .iter()
        .filter_map(|side| if let Side::Scheme(scheme) = side { Some(scheme.counts?.sz_applied.0) } else { None })
        .collect();
    assert_eq!(counts.first(), Some(&0));
    assert!(counts.len() > 1 && counts.is_sorted_by(|a, b| a < b), "{counts:?}");
    assert_eq!(counts.last(), Some(&8192));
}

#[test]
fn a_kernel_with_only_the_newer_event_of_regions_is_recorded_by_that() {
    const NEWER: &str = include_str!("../../../../testdata/kernel/formats/newer-damon_region_aggregated.txt");
    let region = |time, start| {
        let values = [("nr_regions", 2), ("start", start), ("end", start + 0x1000), ("nr_accesses", 3), ("age", 5)];
        Step::Raw(ms(time), Box::new(move |tid| raw_of(NEWER, tid, &values)))
    };
    let lab = Lab::new(vec![
        region(1000, 0x1000),
        region(1000, 0x2000),
        region(1100, 0x1000),
        region(1100, 0x2000),
        exits(77),
    ]);
    lab.fake.remove("sys/kernel/tracing/events/damon/damon_aggregated/format");
    lab.fake.put("sys/kernel/tracing/events/damon/damon_region_aggregated/format", NEWER);
    let (reader, batch) = lab.recorded();
    assert!(batch.snapshots.iter().all(|head| head.state == SnapshotState::Complete));
    assert_eq!((batch.snapshots.len(), &batch.start[..]), (2, &[0x1000, 0x2000, 0x1000, 0x2000][..]));
    let formats: Vec<_> = reader.meta().formats.iter().map(|format| format.event.as_str()).collect();
    assert_eq!(formats, ["damon:damon_region_aggregated"]);
}

#[test]
fn hits_of_probes_are_recorded_region_by_region_from_the_event_that_tells_them() {
    const NEWER: &str = include_str!("../../../../testdata/kernel/formats/newer-damon_region_aggregated.txt");
    let region = |start, hits: [u8; 2]| {
        let values = [("nr_regions", 2), ("start", start), ("end", start + 0x1000), ("probe_hits", (2 << 16) | 48)];
        let raw = move |tid| [raw_of(NEWER, tid, &values), hits.to_vec()].concat();
        Step::Raw(ms(1000), Box::new(raw))
    };
    let lab = Lab::on((7, 3), vec![region(0x1000, [20, 0]), region(0x2000, [3, 7]), exits(77)]);
    lab.fake.put("sys/kernel/tracing/events/damon/damon_region_aggregated/format", NEWER);
    let mut request = lab.request(pids(77));
    let anon = SchemeFilter { kind: FilterKind::Anon, matching: true, allow: true };
    request.monitoring.probes = vec![Probe { filters: vec![anon], weight: 0 }, Probe::default()];
    let (reader, batch) = lab.recorded_by(&request);
    let formats: Vec<_> = reader.meta().formats.iter().map(|format| format.event.as_str()).collect();
    assert_eq!(formats, ["damon:damon_region_aggregated"], "one of the two, never both");
    let hits: Vec<ColumnId> = ColumnId::of_probes().take(2).collect();
    assert_eq!(batch.extras, [(hits[0], vec![20, 3]), (hits[1], vec![0, 7])]);
    let log = lab.fake.log();
    assert!(log.iter().any(|(path, value)| path.ends_with("probes/nr_probes") && value == "2"));
    let left = &lab.fake.files()[&format!("{KDAMONDS}/nr_kdamonds")];
    assert_eq!(left, "0", "put back");
}

#[test]
fn a_mark_from_outside_is_in_the_record() {
    let lab = Lab::new(vec![]);
    let fifo = lab.record();
    let marks = does(move |_| {
        crate::marks::mark(&fifo, "gc starts").unwrap();
    });
    lab.then([marks, exits(77)]);
    let side_data = lab.recorded().0.side_data().unwrap();
    assert!(side_data.iter().any(|side| matches!(side, Side::Mark(mark) if mark.text == "gc starts")));
}

#[test]
fn a_signal_ends_a_recording_at_once_though_damon_has_not_taken_a_newcomer_yet() {
    let lab = Lab::new(vec![
        one_snapshot(),
        does(|fake| {
            fake.hold_commits(true);
            process(fake, 78, 'S', "");
            process(fake, 77, 'S', "78");
            std::thread::sleep(super::follow::LOOK);
        }),
        nothing(),
        // The commit is waiting by now, and the ring is still emptied.
        does(|fake| {
            while !fake.log().iter().any(|(path, value)| path.ends_with("targets/1/pid_target") && value == "78") {
                std::thread::sleep(Duration::from_millis(1));
            }
        }),
        Step::Snapshot(0, 0, ms(1200), &[0x1000]),
    ]);
    let before = lab.damon();
    let request =
        Request { limits: Limits { timeout: Some(Nanos::from_secs(2)), snapshots: None }, ..lab.request(pids(77)) };
    let begun = std::time::Instant::now();
    lab.run(&request).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(lab.damon(), before);
    assert_eq!(all(&lab.record()).1.snapshots.len(), 2);
}

#[test]
fn snapshots_are_read_through_a_scheme_of_our_own_that_is_gone_afterwards() {
    let lab = Lab::new(vec![]);
    let before = lab.damon();
    let snapshots = Some(crate::request::Snapshots { delay: ms(1), count: 2 });
    let limits = Limits { timeout: Some(Nanos::from_secs(5)), snapshots };
    lab.run(&Request { limits, ..lab.request(pids(77)) }).unwrap();
    assert_eq!(lab.damon(), before);
    let (reader, batch) = all(&lab.record());
    assert_eq!(batch.snapshots.len(), 2);
    assert_eq!(batch.snapshots[0].end.saturating_sub(batch.snapshots[0].start), ms(100));
    assert_eq!(reader.meta().source, damo_model::Source::KernelSnapshots);
    let updates = lab.fake.log().iter().filter(|(_, value)| value == "update_schemes_tried_regions").count();
    assert_eq!(updates, 2);
    assert!(batch.start.iter().all(|start| Addr(*start) < Addr(u64::MAX)));
}

#[test]
fn snapshots_have_the_intervals_that_tuning_chose() {
    let lab = Lab::on((6, 16), vec![]);
    let before = lab.damon();
    lab.fake.tune_intervals(40_000, 800_000);
    let limits = Limits { snapshots: Some(crate::request::Snapshots { delay: ms(1), count: 1 }), ..Limits::default() };
    let (min_sample, max_sample) = (ms(5), ms(10_000));
    let goal = damo_model::IntervalsGoal { access_bp: 400, aggregations: 3, min_sample, max_sample };
    let mut request = Request { limits, ..lab.request(pids(77)) };
    request.monitoring.goal = Some(goal);
    lab.run(&request).unwrap();
    assert_eq!(lab.damon(), before);
    let (_, batch) = all(&lab.record());
    assert_eq!(batch.snapshots[0].intervals.map(|found| (found.sample, found.aggregation)), Some((ms(40), ms(800))));
}

#[test]
fn snapshots_end_with_their_target_and_not_at_the_next_delay() {
    let lab = Lab::new(vec![]);
    let snapshots = Some(crate::request::Snapshots { delay: Nanos::from_secs(600), count: 2 });
    let limits = Limits { timeout: None, snapshots };
    let fake = lab.fake.clone();
    let end = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        process(&fake, 77, 'Z', "");
    });
    let begun = std::time::Instant::now();
    lab.run(&Request { limits, ..lab.request(pids(77)) }).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(all(&lab.record()).1.snapshots.is_empty());
    end.join().unwrap();
}

#[test]
fn no_snapshot_is_read_of_a_target_that_has_ended_nor_of_whoever_gets_its_number() {
    let lab = Lab::new(vec![]);
    process(&lab.fake, 78, 'S', "");
    let snapshots = Some(crate::request::Snapshots { delay: ms(300), count: 0 });
    let limits = Limits { timeout: Some(Nanos::from_secs(60)), snapshots };
    let fake = lab.fake.clone();
    let end = std::thread::spawn(move || {
        let read = || fake.log().iter().filter(|(_, value)| value == "update_schemes_tried_regions").count();
        let until = |count| {
            while read() < count {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Until what is done with the last one is done.
            std::thread::sleep(Duration::from_millis(100));
        };
        until(1);
        let stat = fake.files()["proc/78/stat"].replace(" 7800 ", " 987654 ");
        fake.put("proc/78/stat", &stat);
        fake.put("proc/78/maps", "7000-8000 rw-p 00000000 00:00 0                          [stack]");
        let before = read();
        // Long enough for side data to be taken again.
        until(before + 6);
        process(&fake, 77, 'Z', "");
        before
    });
    lab.run(&Request { limits, ..lab.request(TargetSpec::Pids { pids: vec![77, 78], ranges: vec![] }) }).unwrap();
    let before = end.join().unwrap();
    let (reader, batch) = all(&lab.record());
    let of = |pid| {
        let is_its = |target: &damo_model::Target| target.process.as_ref().is_some_and(|process| process.pid == pid);
        let key = reader.targets().iter().find(|target| is_its(target)).unwrap().key;
        batch.snapshots.iter().filter(|head| head.target == key).count()
    };
    assert!(of(77) >= before + 6, "{} after {before}", of(77));
    assert!((1..=before + 1).contains(&of(78)), "{} of {before}", of(78));
    let foreign = |side: &Side| matches!(side, Side::Mappings(m) if m.mappings.iter().any(|m| m.name == "[stack]"));
    assert!(!reader.side_data().unwrap().iter().any(foreign), "memory of another process");
}

/// The start addresses of many regions, at distances that are hard to compress.
fn scattered(seed: u64) -> &'static [u64] {
    let (mut x, mut at) = (seed, 0);
    let mut next = || {
        x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        at += ((x >> 44) + 1) * 4096;
        at
    };
    Vec::leak((0..20_000).map(|_| next()).collect())
}

#[test]
fn after_a_signal_damon_is_off_and_restored_although_the_output_is_stalled() {
    let steps = (0..100).map(|n| Step::Snapshot(0, 0, ms(100 * (n + 1)), scattered(n as u64))).collect();
    let lab = Lab::new(steps);
    let before = lab.damon();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut request = lab.request(pids(77));
    request.output.path = None;
    request.limits.timeout = None;
    let signals = Signals::default();
    let ended = std::thread::scope(|scope| {
        // Dropped when the test fails, so that the session ends.
        let _reader = reader;
        let session = scope.spawn(|| {
            crate::record_output::tests::PIPE.set(Some(std::os::fd::OwnedFd::from(writer).into()));
            let machine = lab.machine();
            session(&request, &machine, &lab.script, &signals, &mut Silent)
        });
        // Until it stands still: the pipe is full, and what may wait for it.
        let mut left = lab.script.steps.lock().unwrap().len();
        loop {
            std::thread::sleep(Duration::from_secs(2));
            let now = lab.script.steps.lock().unwrap().len();
            // So much does not fit into the pipe, however busy this machine is.
            if now == left && now < 95 {
                break;
            }
            left = now;
        }
        assert!(left > 0, "the pipe took it all");
        lab.script.steps.lock().unwrap().clear();
        signals.raise(15);
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        while lab.damon() != before {
            assert!(std::time::Instant::now() < patience, "DAMON is still on");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!session.is_finished(), "the rest still waits for the pipe");
        while !session.is_finished() {
            signals.raise(15);
            std::thread::sleep(Duration::from_millis(200));
        }
        session.join().unwrap()
    });
    let error = ended.unwrap_err().to_string();
    assert!(error.starts_with("standard output: a second signal came"), "{error}");
}
