//! Whole sessions against a fake kernel: an in-memory DAMON that reacts to writes as the real one does, and a script of
//! events in place of the ring. Nothing here touches the machine's own DAMON.

use super::events::Events;
use super::source::{Open, Source};
use super::*;
use crate::owner::{Note, Ownership};
use crate::request::{Limits, Monitoring, Output, Rotation};
use damo_format::Reader;
use damo_kernel::ring::{Record, Sample, Until};
use damo_kernel::sysfs::{Context, ContextTarget, FakeDamon, Kdamond};
use damo_kernel::tracefs::EventFormat;
use damo_model::scheme::{Action, Scheme};
use damo_model::{Addr, Nanos, Ops, Selection, Side, SnapshotState};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const FORMAT: &str = include_str!("../../../../testdata/kernel/formats/6.12-damon_aggregated.txt");
/// In the fake tree.
const KDAMONDS: &str = "sys/kernel/mm/damon/admin/kdamonds";

/// What the script lets happen at a look into the ring.
enum Step {
    /// A snapshot of a kdamond's target: index, target, end, start addresses of its regions of 4 KiB.
    Snapshot(usize, u64, Nanos, &'static [u64]),
    /// The same of a thread that nobody knows.
    Stranger(Nanos),
    /// Only the first of so many regions came.
    Half(Nanos, u32),
    Lost(u64),
    /// Any record of kdamond 0, made when its thread is known.
    Raw(Nanos, Box<dyn Fn(i32) -> Vec<u8> + Send>),
    Do(Box<dyn Fn(&FakeDamon) + Send>),
}

struct Script {
    fake: Arc<FakeDamon>,
    steps: Arc<Mutex<std::collections::VecDeque<Step>>>,
}

impl Open for Script {
    fn before_start(&self, _: &Root, _: &[EventFormat]) -> Result<Box<dyn Source>, RecordError> {
        let sysfs = Sysfs::new(&Root::with_io(self.fake.clone()));
        assert!(sysfs.running().unwrap().is_empty(), "the ring is open before DAMON starts");
        Ok(Box::new(Script { fake: self.fake.clone(), steps: self.steps.clone() }))
    }

    fn running(&self, _: &Root, _: &[EventFormat], _: &[i32]) -> Result<Box<dyn Source>, RecordError> {
        Ok(Box::new(Script { fake: self.fake.clone(), steps: self.steps.clone() }))
    }
}

impl Source for Script {
    fn wait(&mut self, _: Duration, _: &[BorrowedFd<'_>]) -> Result<bool, RecordError> {
        Ok(true)
    }

    fn drain(&mut self, _: Until, events: &mut Events) {
        let Some(step) = self.steps.lock().unwrap().pop_front() else { return };
        let thread = |index: usize| self.fake.files()[&format!("{KDAMONDS}/{index}/pid")].parse::<i32>().unwrap();
        let mut event = |tid, target, time, nr_regions, start| {
            let raw = raw(tid, target, nr_regions, start);
            events.take(Record::Sample(Sample { time, cpu: Some(0), raw: &raw }));
        };
        match step {
            // One that is off makes none.
            Step::Snapshot(index, ..) if thread(index) < 0 => self.steps.lock().unwrap().push_front(step),
            Step::Snapshot(index, target, time, starts) => {
                for start in starts {
                    event(thread(index), target, time, starts.len() as u32, *start);
                }
            }
            Step::Stranger(time) => event(4242, 0, time, 1, 0x1000),
            Step::Half(time, of) => event(thread(0), 0, time, of, 0x1000),
            Step::Lost(lost) => events.take(Record::Lost { time: Nanos(0), events: lost }),
            Step::Raw(time, record) => {
                let raw = record(thread(0));
                events.take(Record::Sample(Sample { time, cpu: Some(0), raw: &raw }));
            }
            Step::Do(what) => what(&self.fake),
        }
    }

    fn lost_untold(&self) -> u64 {
        0
    }

    fn hung_up(&self) -> bool {
        false
    }

    fn tells_end(&self) -> bool {
        false
    }

    fn narrow(&mut self, _: &[i32]) -> Result<(), RecordError> {
        Ok(())
    }
}

/// A raw `damon_aggregated` record in the layout of [`FORMAT`].
fn raw(tid: i32, target: u64, nr_regions: u32, start: u64) -> [u8; 48] {
    let mut raw = [0; 48];
    let id = EventFormat::parse(FORMAT).unwrap().id as u16;
    raw[0..2].copy_from_slice(&id.to_ne_bytes());
    raw[4..8].copy_from_slice(&tid.to_ne_bytes());
    raw[8..16].copy_from_slice(&target.to_ne_bytes());
    raw[16..20].copy_from_slice(&nr_regions.to_ne_bytes());
    raw[24..32].copy_from_slice(&start.to_ne_bytes());
    raw[32..40].copy_from_slice(&(start + 4096).to_ne_bytes());
    raw[40..44].copy_from_slice(&3u32.to_ne_bytes());
    raw
}

struct Lab {
    dir: TempDir,
    fake: Arc<FakeDamon>,
    script: Script,
}

impl Lab {
    fn new(steps: Vec<Step>) -> Self {
        let fake = Arc::new(FakeDamon::new((6, 12)));
        fake.put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff");
        fake.put("proc/mounts", "tracefs /sys/kernel/tracing tracefs rw 0 0");
        fake.put("proc/sys/kernel/osrelease", "6.12.0");
        fake.put("proc/sys/kernel/perf_event_paranoid", "2");
        fake.put("sys/kernel/tracing/events/damon/damon_aggregated/format", FORMAT);
        process(&fake, 77, 'S', "");
        let steps = Arc::new(Mutex::new(steps.into()));
        let script = Script { fake: fake.clone(), steps };
        Self { dir: tempfile::tempdir().unwrap(), fake, script }
    }

    fn record(&self) -> PathBuf {
        self.dir.path().join("a.damo")
    }

    fn request(&self, what: What) -> Request {
        Request {
            what,
            monitoring: Monitoring::default(),
            output: Output { path: Some(self.record()), overwrite: false, rotation: Rotation::default(), keep: None },
            limits: Limits { timeout: Some(Nanos::from_secs(5)), snapshots: None },
            schemes: None,
            schemes_target_regions: false,
            follow_children: true,
            ring_size: None,
            stop_stale: false,
            quiet: true,
            host_name: false,
            root: self.dir.path().to_path_buf(),
            notes: Vec::new(),
        }
    }

    fn run(&self, request: &Request) -> Result<ExitCode, RecordError> {
        let machine = Machine::new(Root::with_io(self.fake.clone()));
        session(request, &machine, &self.script, &Signals::default(), &mut Line::new(true))
    }

    fn damon(&self) -> Vec<(String, String)> {
        self.fake.files().into_iter().filter(|(path, _)| path.starts_with(KDAMONDS)).collect()
    }

    /// Someone else's kdamonds, each with target 0, running.
    fn others(&self, count: usize) {
        let mut context = Context::new(Ops::Vaddr);
        context.targets = vec![ContextTarget { pid: Some(77), ..ContextTarget::default() }];
        let kdamonds = vec![Kdamond { refresh: None, contexts: vec![context] }; count];
        let mut staged = Sysfs::new(&Root::with_io(self.fake.clone())).stage(&kdamonds).unwrap();
        staged.start().unwrap();
        staged.keep();
    }
}

fn pids(pid: i32) -> What {
    What::Pids { pids: vec![pid], ranges: vec![] }
}

/// A process in the fake tree; `children` as the kernel lists them.
fn process(fake: &FakeDamon, pid: i32, state: char, children: &str) {
    fake.put(
        &format!("proc/{pid}/stat"),
        &format!("{pid} (app {pid}) {state} 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 {pid}00 9 9"),
    );
    fake.put(&format!("proc/{pid}/statm"), "1000 100 50 1 0 200 0");
    fake.put(&format!("proc/{pid}/cmdline"), "app\0--flag");
    fake.put(&format!("proc/{pid}/maps"), "1000-3000 rw-p 00000000 00:00 0                          [heap]");
    fake.put(&format!("proc/{pid}/task/{pid}/children"), children);
}

fn ms(ms: i64) -> Nanos {
    Nanos::from_millis(ms)
}

fn exits(pid: i32) -> Step {
    Step::Do(Box::new(move |fake| process(fake, pid, 'Z', "")))
}

fn all(path: &Path) -> (Reader, damo_model::Batch) {
    let reader = Reader::open(path).unwrap();
    let mut batch = damo_model::Batch::default();
    let mut index = 0;
    for block in 0..reader.index().len() {
        let part = reader.read_block(block, &Selection::all()).unwrap();
        for i in 0..part.snapshots.len() {
            batch.push(index, &part.snapshot(i));
            index += 1;
        }
    }
    (reader, batch)
}

#[test]
fn a_recording_ends_with_its_target_and_leaves_damon_as_it_was_found() {
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000, 0x2000]),
        Step::Stranger(ms(1050)),
        Step::Snapshot(0, 0, ms(1100), &[0x1000, 0x2000]),
        exits(77),
    ]);
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
    let sides = reader.sides().unwrap();
    for (what, there) in [
        ("mappings", sides.iter().any(|side| matches!(side, Side::Mappings(m) if m.pid == 77))),
        ("footprint", sides.iter().any(|side| matches!(side, Side::Process(f) if f.footprint.rss.is_some()))),
        ("CPU time", sides.iter().any(|side| matches!(side, Side::Cpu(cpu) if cpu.pid == 77))),
        ("parameters", sides.iter().any(|side| matches!(side, Side::Params(p) if p.json.contains("vaddr")))),
    ] {
        assert!(there, "{what} missing");
    }
    assert!(crate::owner::others(lab.dir.path()).is_empty());
    assert!(!crate::marks::fifo_of(&lab.record()).exists());
}

/// Process 77 has a child, 78; until the next look is due.
fn forks(fake: &FakeDamon) {
    process(fake, 78, 'S', "");
    process(fake, 77, 'S', "78");
    std::thread::sleep(super::follow::LOOK);
}

/// DAMON is told of newcomers by another thread: until that is done.
fn until_committed(fake: &FakeDamon) {
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while !fake.log().iter().any(|(_, value)| value == "commit") {
        assert!(std::time::Instant::now() < patience, "nothing was committed");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_child_becomes_a_target_of_its_own_and_takes_the_place_of_one_that_is_gone() {
    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), Step::Do(Box::new(forks))]);
    // The look after that drains for what was; once DAMON has taken the newcomer, a look drains for what came until then,
    // and for what comes after it.
    let nothing = || Step::Do(Box::new(|_| {}));
    let taken = Step::Do(Box::new(until_committed));
    let more =
        [nothing(), taken, nothing(), nothing(), Step::Snapshot(0, 1, ms(1200), &[0x9000]), exits(77), exits(78)];
    lab.script.steps.lock().unwrap().extend(more);
    lab.run(&lab.request(pids(77))).unwrap();
    let (reader, batch) = all(&lab.record());
    let by_pid: Vec<i32> = reader.targets().iter().map(|target| target.process.clone().unwrap().pid).collect();
    assert_eq!(by_pid, [77, 78]);
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
    assert!(lab.fake.log().iter().any(|(path, value)| path.ends_with("targets/1/pid_target") && value == "78"));
}

#[test]
fn a_child_is_recorded_although_there_is_no_room_for_a_new_note_of_what_was_set_up() {
    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), Step::Do(Box::new(forks))]);
    // What stands where the note is written first keeps it from being written, as a full disk does.
    let in_the_way = crate::owner::directory(lab.dir.path()).join(format!("part-{}", std::process::id()));
    let full = Step::Do(Box::new(move |fake| {
        std::fs::create_dir(&in_the_way).unwrap();
        until_committed(fake);
    }));
    let nothing = || Step::Do(Box::new(|_| {}));
    let more = [full, nothing(), nothing(), Step::Snapshot(0, 1, ms(1200), &[0x9000]), exits(77), exits(78)];
    lab.script.steps.lock().unwrap().extend([nothing()].into_iter().chain(more));
    lab.run(&lab.request(pids(77))).unwrap();
    let (reader, batch) = all(&lab.record());
    assert_eq!((reader.targets().len(), batch.snapshots.len()), (2, 2));
}

#[test]
fn a_child_that_is_gone_before_damon_has_taken_it_ends_damon_on_some_kernels_but_not_the_recording() {
    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), Step::Do(Box::new(forks))]);
    lab.fake.end_at_refused_commits(None);
    lab.fake.set_alive(&[77]);
    let refused = |fake: &FakeDamon| {
        until_committed(fake);
        process(fake, 78, 'Z', "");
    };
    let nothing = Step::Do(Box::new(|_| {}));
    let rest = [nothing, Step::Do(Box::new(refused)), Step::Snapshot(0, 0, ms(5000), &[0x1000]), exits(77)];
    lab.script.steps.lock().unwrap().extend(rest);
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

/// Child 78 ends while the ring is being opened.
struct ChildEnds<'a>(&'a Script);

impl Open for ChildEnds<'_> {
    fn before_start(&self, root: &Root, events: &[EventFormat]) -> Result<Box<dyn Source>, RecordError> {
        process(&self.0.fake, 78, 'Z', "");
        self.0.before_start(root, events)
    }

    fn running(&self, root: &Root, events: &[EventFormat], tids: &[i32]) -> Result<Box<dyn Source>, RecordError> {
        self.0.running(root, events, tids)
    }
}

#[test]
fn a_child_that_is_gone_by_the_time_that_damon_is_switched_on_does_not_keep_the_recording_from_beginning() {
    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), exits(77)]);
    process(&lab.fake, 78, 'S', "");
    process(&lab.fake, 77, 'S', "78");
    lab.fake.set_alive(&[77]);
    let before = lab.damon();
    let machine = Machine::new(Root::with_io(lab.fake.clone()));
    let (request, mut line) = (lab.request(pids(77)), Line::new(true));
    session(&request, &machine, &ChildEnds(&lab.script), &Signals::default(), &mut line).unwrap();
    assert_eq!(lab.damon(), before);
    let (reader, batch) = all(&lab.record());
    let by_pid: Vec<i32> = reader.targets().iter().map(|target| target.process.clone().unwrap().pid).collect();
    assert_eq!((by_pid, batch.snapshots.len()), (vec![77], 1));
}

#[test]
fn the_orphan_of_a_sole_target_is_recorded_on_though_damon_ended_with_its_parent() {
    let person = |fake: &FakeDamon, pid: i32, parent: i32, state: char| {
        process(fake, pid, state, "");
        let stat = format!("{pid} (app) {state} {parent} 77 77 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 {pid}00 9 9");
        fake.put(&format!("proc/{pid}/stat"), &stat);
    };
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000]),
        Step::Do(Box::new(move |fake| {
            person(fake, 78, 1, 'S');
            process(fake, 1, 'S', "78");
            person(fake, 77, 1, 'Z');
            fake.end(0);
        })),
        Step::Snapshot(0, 0, ms(3000), &[0x9000]),
        Step::Do(Box::new(|fake| {
            process(fake, 78, 'Z', "");
            fake.end(0);
        })),
    ]);
    person(&lab.fake, 77, 1, 'S');
    process(&lab.fake, 1, 'S', "77");
    let before = lab.damon();
    lab.run(&lab.request(pids(77))).unwrap();
    assert_eq!(lab.damon(), before);
    let (reader, batch) = all(&lab.record());
    let by_pid: Vec<i32> = reader.targets().iter().map(|target| target.process.clone().unwrap().pid).collect();
    assert_eq!(by_pid, [77, 78]);
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
}

#[test]
fn damon_that_somebody_switches_off_stays_off_though_children_come() {
    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), Step::Do(Box::new(forks))]);
    let nothing = || Step::Do(Box::new(|_| {}));
    let taken = Step::Do(Box::new(until_committed));
    let off = Step::Do(Box::new(|fake| fake.end(0)));
    lab.script.steps.lock().unwrap().extend([nothing(), taken, nothing(), off]);
    lab.run(&lab.request(pids(77))).unwrap();
    assert_eq!(lab.fake.log().iter().filter(|(_, value)| value == "on").count(), 1);
}

#[test]
fn a_target_that_becomes_another_program_keeps_its_key_and_has_the_last_name() {
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000]),
        Step::Do(Box::new(|fake| {
            fake.put("proc/77/stat", &fake.files()["proc/77/stat"].replace("app 77", "server"));
            fake.put("proc/77/cmdline", "server\0-d");
            // Until the next look is due.
            std::thread::sleep(super::follow::LOOK);
        })),
        Step::Snapshot(0, 0, ms(1100), &[0x1000]),
        exits(77),
    ]);
    lab.run(&lab.request(pids(77))).unwrap();
    let (reader, batch) = all(&lab.record());
    assert_eq!(batch.snapshots.len(), 2);
    assert_eq!(batch.snapshots[0].target, batch.snapshots[1].target);
    let names: Vec<String> = reader.targets().iter().map(|target| target.process.clone().unwrap().cmdline).collect();
    assert_eq!(names, ["server -d\n"], "as the fake file ends");
}

#[test]
fn attaching_writes_nothing_and_keeps_kdamonds_with_equal_target_ids_apart() {
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000]),
        Step::Snapshot(1, 0, ms(1010), &[0x5000]),
        Step::Snapshot(0, 0, ms(1100), &[0x1000]),
        Step::Do(Box::new(|fake| {
            fake.end(0);
            fake.end(1);
        })),
    ]);
    lab.others(2);
    let writes = lab.fake.log().len();
    lab.run(&lab.request(What::Attach)).unwrap();
    assert_eq!(lab.fake.log().len(), writes);
    let (reader, batch) = all(&lab.record());
    assert_eq!(batch.snapshots.len(), 3);
    let kdamonds: Vec<Option<u32>> = reader.targets().iter().map(|target| target.kdamond).collect();
    assert_eq!(kdamonds, [Some(0), Some(1)]);
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
}

#[test]
fn what_schemes_are_applied_to_is_recorded_although_the_kdamond_had_none_when_we_attached() {
    const APPLIES: &str = include_str!("../../../../testdata/kernel/formats/6.12-damos_before_apply.txt");
    let values = [("start", 0x1000), ("end", 0x2000), ("nr_regions", 1)];
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000]),
        Step::Raw(ms(1050), Box::new(move |tid| raw_of(APPLIES, tid, &values))),
        Step::Snapshot(0, 0, ms(1100), &[0x1000]),
        Step::Do(Box::new(|fake| fake.end(0))),
    ]);
    lab.fake.put("sys/kernel/tracing/events/damon/damos_before_apply/format", APPLIES);
    lab.others(1);
    lab.run(&lab.request(What::Attach)).unwrap();
    let (reader, batch) = all(&lab.record());
    assert_eq!(reader.targets().iter().map(|target| target.scheme).collect::<Vec<_>>(), [None, Some(0)]);
    assert_eq!(batch.snapshots.len(), 3);
}

#[test]
fn a_process_that_the_owner_puts_in_place_of_another_is_another_target_of_a_record_that_is_attached() {
    let other = |fake: &FakeDamon| {
        process(fake, 78, 'S', "");
        fake.put(&format!("{KDAMONDS}/0/contexts/0/targets/0/pid_target"), "78");
        std::thread::sleep(super::follow::LOOK);
    };
    let nothing = || Step::Do(Box::new(|_| {}));
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000]),
        Step::Do(Box::new(other)),
        nothing(),
        nothing(),
        Step::Snapshot(0, 0, ms(2000), &[0x9000]),
        Step::Do(Box::new(|fake| fake.end(0))),
    ]);
    lab.others(1);
    lab.run(&lab.request(What::Attach)).unwrap();
    let (reader, batch) = all(&lab.record());
    let by_pid: Vec<i32> = reader.targets().iter().map(|target| target.process.clone().unwrap().pid).collect();
    assert_eq!(by_pid, [77, 78]);
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
    let of_78 = |side: &Side| matches!(side, Side::Process(footprint) if footprint.pid == 78);
    assert!(reader.sides().unwrap().iter().any(of_78), "and its side data is recorded");
}

/// What somebody does to the files of kdamond 0, below a real directory.
fn staged(intervals: &str, file: &'static str, value: &'static str) -> impl Fn(&FakeDamon) + Send + use<> {
    let path = Path::new(intervals).join(file);
    move |_| std::fs::write(&path, value).unwrap()
}

#[test]
fn intervals_that_somebody_stages_count_from_their_commit_on() {
    let lab = Lab::new(vec![]);
    lab.others(1);
    // The files stand still, as those of nobody's kernel; what matters is who writes to them.
    let root = lab.dir.path().join("root");
    for (path, value) in lab.fake.files() {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value).unwrap();
    }
    let kdamond = root.join(KDAMONDS).join("0");
    let intervals = kdamond.join("contexts/0/monitoring_attrs/intervals").display().to_string();
    let state = kdamond.join("state");
    let commit = move |_: &FakeDamon| {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().write(true).open(&state).unwrap();
        file.write_all(b"on").unwrap();
    };
    let before = damo_kernel::procfs::now();
    let at = |ms: i64| before.saturating_add(Nanos::from_millis(ms));
    let look = || Step::Do(Box::new(|_| std::thread::sleep(super::follow::LOOK)));
    let mut steps = Vec::new();
    steps.extend((-20..0).map(|i| Step::Snapshot(0, 0, at(i * 100), &[0x1000])));
    steps.push(Step::Do(Box::new(staged(&intervals, "sample_us", "20000"))));
    steps.push(Step::Do(Box::new(staged(&intervals, "aggr_us", "400000"))));
    steps.extend([look(), look()]);
    steps.extend((0..10).map(|i| Step::Snapshot(0, 0, at(4000 + i * 100), &[0x1000])));
    steps.push(Step::Do(Box::new(commit)));
    steps.extend((0..8).map(|i| Step::Snapshot(0, 0, at(5000 + i * 400), &[0x1000])));
    let end = root.join(KDAMONDS).join("0/state");
    steps.push(Step::Do(Box::new(move |_| std::fs::write(&end, "off").unwrap())));
    steps.push(look());
    lab.script.steps.lock().unwrap().extend(steps);

    let machine = Machine::new(Root::new(&root));
    let request = lab.request(What::Attach);
    session(&request, &machine, &lab.script, &Signals::default(), &mut Line::new(true)).unwrap();
    let (reader, batch) = all(&lab.record());
    let intervals: Vec<_> = batch.snapshots.iter().map(|head| head.intervals.unwrap().aggregation).collect();
    assert_eq!(intervals, [vec![ms(100); 30], vec![ms(400); 8]].concat());
    let params: Vec<_> = reader
        .sides()
        .unwrap()
        .into_iter()
        .filter_map(|side| if let Side::Params(params) = side { params.intervals } else { None })
        .collect();
    assert_eq!(params.iter().map(|params| params.aggregation).collect::<Vec<_>>(), [ms(100), ms(400)]);
    assert_eq!(params[1].sample, ms(20));
}

#[test]
fn without_a_target_and_with_nothing_running_the_message_says_what_to_type() {
    let lab = Lab::new(vec![]);
    let said = lab.run(&lab.request(What::Attach)).unwrap_err().to_string();
    assert!(said.contains("no kdamond is running") && said.contains("$(pidof PROGRAM)"), "{said}");
    assert!(!lab.record().exists());
}

#[test]
fn someone_elses_kdamond_is_neither_stopped_nor_changed_for_ours() {
    let lab = Lab::new(vec![]);
    lab.others(1);
    let before = lab.damon();
    let said = lab.run(&lab.request(pids(77))).unwrap_err().to_string();
    assert!(said.contains("already on"), "{said}");
    assert_eq!(lab.damon(), before);
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
    lab.run(&lab.request(pids(77))).unwrap();
    let (reader, batch) = all(&lab.record());
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
fn quotas_and_statistics_that_newer_kernels_tell_of_schemes_are_in_the_record_when_they_change() {
    const QUOTA: &str = include_str!("../../../../testdata/kernel/formats/6.17-damos_esz.txt");
    const STAT: &str = include_str!("../../../../testdata/kernel/formats/7.0-damos_stat_after_apply_interval.txt");
    let quota =
        |time, size| Step::Raw(ms(time), Box::new(move |tid| raw_of(QUOTA, tid, &[("scheme_idx", 1), ("esz", size)])));
    let stat = |time, tried| {
        let values = [("nr_tried", tried), ("sz_applied", 8192), ("sz_ops_filter_passed", 4096)];
        Step::Raw(ms(time), Box::new(move |tid| raw_of(STAT, tid, &values)))
    };
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000]),
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
    lab.run(&Request { schemes, ..lab.request(pids(77)) }).unwrap();
    let (reader, _) = all(&lab.record());
    let schemes: Vec<_> = reader
        .sides()
        .unwrap()
        .into_iter()
        .filter_map(|side| if let Side::Scheme(scheme) = side { Some(scheme) } else { None })
        .collect();
    let quotas: Vec<_> = schemes.iter().filter_map(|told| Some((told.scheme, told.effective_quota?.0))).collect();
    assert_eq!(quotas, [(1, 1 << 20), (1, 2 << 20)]);
    let counts: Vec<_> = schemes.iter().filter_map(|told| told.counts).collect();
    assert_eq!(counts.iter().map(|counts| counts.nr_tried).collect::<Vec<_>>(), [7, 9]);
    assert_eq!((counts[0].size_applied.0, counts[0].size_filter_passed.unwrap().0), (8192, 4096));
    assert!(schemes.iter().all(|told| told.kdamond == Some(0)));
    let formats: Vec<_> = reader.meta().formats.iter().map(|format| format.event.as_str()).collect();
    assert_eq!(formats, ["damon:damon_aggregated", "damon:damos_esz", "damon:damos_stat_after_apply_interval"]);
}

#[test]
fn a_mark_from_outside_is_in_the_record() {
    let lab = Lab::new(vec![]);
    let fifo = lab.record();
    let marks = Step::Do(Box::new(move |_| {
        crate::marks::mark(&fifo, "gc starts").unwrap();
    }));
    lab.script.steps.lock().unwrap().extend([marks, exits(77)]);
    lab.run(&lab.request(pids(77))).unwrap();
    let sides = all(&lab.record()).0.sides().unwrap();
    assert!(sides.iter().any(|side| matches!(side, Side::Mark(mark) if mark.text == "gc starts")));
}

#[test]
fn a_signal_ends_a_recording_at_once_though_damon_has_not_taken_a_newcomer_yet() {
    let lab = Lab::new(vec![
        Step::Snapshot(0, 0, ms(1000), &[0x1000]),
        Step::Do(Box::new(|fake| {
            fake.hold_commits(true);
            process(fake, 78, 'S', "");
            process(fake, 77, 'S', "78");
            std::thread::sleep(super::follow::LOOK);
        })),
        Step::Do(Box::new(|_| {})),
        // The commit is waiting by now, and the ring is still emptied.
        Step::Do(Box::new(|fake| {
            while !fake.log().iter().any(|(path, value)| path.ends_with("targets/1/pid_target") && value == "78") {
                std::thread::sleep(Duration::from_millis(1));
            }
        })),
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
fn several_starts_at_once_record_each_its_own_process_or_say_who_is_in_the_way() {
    for _ in 0..10 {
        let lab = Lab::new(vec![]);
        process(&lab.fake, 78, 'S', "");
        let machine = Machine::new(Root::with_io(lab.fake.clone()));
        // A recording up to the moment at which it runs; its note is of another process each, as in life.
        let start = |pid: i32| {
            let request = Request { follow_children: false, ..lab.request(pids(pid)) };
            let plan = plan::plan(&request, &machine, None)?;
            let mut own = own::Own::stage(&request, &machine, &plan)?;
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
    drop(Ownership::take(lab.dir.path(), note.clone()).unwrap());
    let path = crate::owner::directory(lab.dir.path()).join("record-4000009");
    std::fs::write(path, serde_json::to_vec(&note).unwrap()).unwrap();
}

#[test]
fn after_a_kill_the_next_run_says_what_was_left_on_and_stops_it_when_told() {
    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), exits(77)]);
    let before = lab.damon();
    killed(&lab);
    // No terminal to ask on, so it refuses.
    let said = lab.run(&lab.request(pids(77))).unwrap_err().to_string();
    assert!(said.contains("kdamond 0") && said.contains("/old.damo") && said.contains("--stop_stale"), "{said}");
    lab.run(&Request { stop_stale: true, ..lab.request(pids(77)) }).unwrap();
    assert_eq!(all(&lab.record()).1.snapshots.len(), 1);
    assert_eq!(lab.damon(), before, "as it was before the one that was killed");
}

#[test]
fn stopping_what_was_left_on_can_be_all_that_is_asked_for() {
    let lab = Lab::new(vec![]);
    let before = lab.damon();
    killed(&lab);
    let done = lab.run(&Request { stop_stale: true, ..lab.request(What::Attach) }).unwrap();
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
    let _alive = Ownership::take(lab.dir.path(), note).unwrap();
    let said = lab.run(&lab.request(pids(77))).unwrap_err().to_string();
    assert!(said.contains("/first.damo") && said.contains("without a target"), "{said}");
    assert_eq!(sysfs.running().unwrap().len(), 1);
}

#[test]
fn settings_of_a_killed_recording_are_put_back_and_those_that_someone_staged_since_stay() {
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
        lab.run(&lab.request(What::Attach)).unwrap_err();
        assert_eq!(lab.damon(), found);
        assert_eq!(crate::owner::others(lab.dir.path()).len(), 1);
        lab.run(&lab.request(pids(77))).unwrap();
        let settings = |files: Vec<(String, String)>| -> Vec<_> {
            files.into_iter().filter(|(path, _)| !path.ends_with("/.ran")).collect()
        };
        assert_eq!(settings(lab.damon()), settings(if theirs { found } else { before }));
        assert_eq!(crate::owner::others(lab.dir.path()), []);
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
fn what_cannot_be_monitored_is_named_with_the_reason() {
    let lab = Lab::new(vec![]);
    lab.fake.put("proc/5/statm", "0 0 0 0 0 0 0");
    lab.fake.put("proc/5/stat", "5 (kswapd0) S 2 0 0 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 500 0 0");
    lab.fake.put("proc/77/status", "Name:\tapp\nNSpid:\t77\t9");
    lab.fake.put("proc/78/status", "Name:\tother\nNSpid:\t78\t5");
    process(&lab.fake, 78, 'S', "");
    let words = [
        (999, "does not exist (any more)"),
        (999, "--simulate"),
        (5, "kernel thread"),
        (5, "A container has"),
        (5, "damo record 78    # app 78"),
        (9, "damo record 77    # app 77"),
        (9, "--simulate"),
    ];
    for (pid, word) in words {
        let said = lab.run(&lab.request(pids(pid))).unwrap_err().to_string();
        assert!(said.contains(word), "{pid}: {said}");
    }
    assert!(!lab.record().exists());
}

/// What is said when something was taken away from a machine that is ready; nothing may have been touched then.
fn refused(change: impl Fn(&FakeDamon), request: impl Fn(&Lab) -> Request) -> String {
    let lab = Lab::new(vec![]);
    lab.fake.put(
        "boot/config-6.12.0",
        "CONFIG_DAMON=y\nCONFIG_DAMON_SYSFS=y\nCONFIG_PERF_EVENTS=y\nCONFIG_EVENT_TRACING=y",
    );
    change(&lab.fake);
    let before = lab.damon();
    let said = lab.run(&request(&lab)).unwrap_err().to_string();
    assert_eq!(lab.damon(), before);
    assert!(std::fs::read_dir(lab.dir.path()).unwrap().all(|entry| entry.unwrap().file_name() == "run"), "{said}");
    said
}

fn needs(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("Needed: ")).collect()
}

#[test]
fn each_thing_that_is_missing_has_its_own_message() {
    let of_77 = |lab: &Lab| lab.request(pids(77));
    let not_root = |fake: &FakeDamon| {
        fake.put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000");
    };
    let said = refused(not_root, of_77);
    assert_eq!(needs(&said).len(), 2, "{said}");
    for word in ["uid 1000", "Try: sudo ", "kernel.perf_event_paranoid = 2", "--simulate"] {
        assert!(said.contains(word), "{word}: {said}");
    }

    let no_tracefs = |fake: &FakeDamon| {
        fake.put("proc/mounts", "sysfs /sys sysfs rw 0 0");
        fake.remove("sys/kernel/tracing");
    };
    let said = refused(no_tracefs, of_77);
    assert_eq!(needs(&said), ["tracefs, mounted and readable"]);
    for word in ["mount -t tracefs", "Works without it", " --snapshot 1s 60", "--simulate"] {
        assert!(said.contains(word), "{word}: {said}");
    }

    let no_room_for_notes = |fake: &FakeDamon| {
        let mounts = "tracefs /sys/kernel/tracing tracefs rw 0 0\ntmpfs /run tmpfs ro,nosuid 0 0";
        fake.put("proc/mounts", mounts);
    };
    let said = refused(no_room_for_notes, of_77);
    assert_eq!(needs(&said).len(), 1, "{said}");
    assert!(said.contains("mount -o remount,rw /run") && !said.contains("Works without it"), "{said}");

    let no_event = |fake: &FakeDamon| {
        fake.remove("sys/kernel/tracing/events/damon");
        fake.put("sys/kernel/tracing/events/damon/damos_before_apply/format", "name: damos_before_apply");
    };
    let said = refused(no_event, of_77);
    assert_eq!(needs(&said), ["DAMON's tracepoint damon_aggregated"]);
    assert!(said.contains("has only damos_before_apply") && said.contains("--snapshot 1s 60"), "{said}");

    let locked = |fake: &FakeDamon| {
        fake.put("sys/kernel/security/lockdown", "none integrity [confidentiality]");
        fake.remove("sys/kernel/tracing");
    };
    let said = refused(locked, of_77);
    assert_eq!(needs(&said), ["no kernel lockdown against tracing"]);
    assert!(said.contains("boot without lockdown=confidentiality") && said.contains("--snapshot"), "{said}");
}

#[test]
fn a_kernel_without_damon_is_told_by_its_option_and_not_by_all_that_follows() {
    let no_damon = |fake: &FakeDamon| {
        fake.put("boot/config-6.12.0", "# CONFIG_DAMON is not set\nCONFIG_PERF_EVENTS=y\nCONFIG_EVENT_TRACING=y");
        fake.remove("sys/kernel/mm");
        fake.remove("sys/kernel/tracing/events/damon");
        fake.put("sys/kernel/tracing/events/sched/enable", "0");
    };
    let said = refused(no_damon, |lab| lab.request(pids(77)));
    assert_eq!(needs(&said), ["a kernel built with DAMON"]);
    for word in ["CONFIG_DAMON is not set (/boot/config-6.12.0)", "grep -l CONFIG_DAMON=y /boot/config-*", "--simulate"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("Works without it"), "nothing does: {said}");
}

#[test]
fn a_read_only_tree_is_refused_before_the_first_write_but_can_be_attached_to() {
    let read_only = |fake: &FakeDamon| fake.put("proc/mounts", "sysfs /sys sysfs ro,nosuid 0 0");
    let contained = |fake: &FakeDamon| {
        read_only(fake);
        fake.put(".dockerenv", "");
    };
    let said = refused(contained, |lab| lab.request(pids(77)));
    assert_eq!(needs(&said).len(), 2, "{said}");
    for word in ["/sys is mounted read-only", "this is a container: /.dockerenv", "--privileged", "--simulate"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("Works without it"), "a snapshot needs to write, too: {said}");

    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), exits(77)]);
    lab.others(1);
    read_only(&lab.fake);
    let limits = Limits { timeout: Some(ms(50)), snapshots: None };
    lab.run(&Request { limits, ..lab.request(What::Attach) }).unwrap();
}

#[test]
fn a_proc_of_another_pid_namespace_stands_in_the_way_of_processes_and_not_of_physical_memory() {
    let foreign = |fake: &FakeDamon| {
        fake.put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nNSpid:\t278\t1");
    };
    let said = refused(foreign, |lab| lab.request(pids(77)));
    assert!(said.contains("this process is 278 there, and 1 here") && said.contains("mount -t proc"), "{said}");
    let lab = Lab::new(vec![]);
    foreign(&lab.fake);
    lab.fake.put("proc/iomem", "00001000-0009ffff : System RAM");
    let limits = Limits { timeout: Some(ms(50)), snapshots: None };
    lab.run(&Request { limits, ..lab.request(What::Paddr { ranges: vec![], nodes: vec![] }) }).unwrap();
}

#[test]
fn memory_nodes_that_share_a_block_are_recorded_together_and_one_without_memory_is_refused() {
    let lab = Lab::new(vec![]);
    for (path, text) in [
        ("proc/iomem", "1000-2fffffff : System RAM\n  100000000-107ffffff : System RAM (kmem)"),
        ("sys/devices/system/memory/block_size_bytes", "8000000"),
        ("sys/devices/system/node/has_memory", "0,2-3"),
        ("sys/devices/system/node/node1/cpulist", "4-7"),
        ("sys/devices/system/node/node2/memory1/state", "online"),
        ("sys/devices/system/node/node2/memory2/state", "online"),
        ("sys/devices/system/node/node3/memory2/state", "online"),
        ("sys/devices/system/node/node3/memory32/state", "online"),
    ] {
        lab.fake.put(path, text);
    }
    let request = |nodes| lab.request(What::Paddr { ranges: vec![], nodes });
    let limits = Limits { timeout: Some(ms(50)), snapshots: None };
    lab.run(&Request { limits, ..request(vec![2, 3]) }).unwrap();
    let written = |number: usize, end: &str| {
        let wanted = format!("/regions/{number}/{end}");
        let log = lab.fake.log();
        log.into_iter().find(|write| format!("{write:?}").contains(&wanted)).map(|write| format!("{write:?}"))
    };
    for (number, end, value) in [(0, "start", 0x800_0000u64), (0, "end", 0x1800_0000), (1, "end", 0x1_0800_0000)] {
        assert!(written(number, end).is_some_and(|write| write.contains(&value.to_string())), "{:?}", lab.fake.log());
    }
    let said = lab.run(&request(vec![2, 1])).unwrap_err().to_string();
    assert!(said.contains("it has no memory; nodes with memory: 0, 2, 3"), "{said}");
}

/// A kernel, or a container, that does not let perf be opened.
struct Closed;

impl Open for Closed {
    fn before_start(&self, _: &Root, _: &[EventFormat]) -> Result<Box<dyn Source>, RecordError> {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let (event, on) = ("damon:damon_aggregated".to_owned(), "CPU 0".to_owned());
        Err(damo_kernel::Error::Perf { event, on, source, remedy: String::new() }.into())
    }

    fn running(&self, root: &Root, events: &[EventFormat], _: &[i32]) -> Result<Box<dyn Source>, RecordError> {
        self.before_start(root, events)
    }
}

#[test]
fn a_ring_that_is_forbidden_although_all_looked_well_is_told_with_what_may_forbid_it() {
    let lab = Lab::new(vec![]);
    lab.fake.put("sys/kernel/security/lockdown", "none integrity [confidentiality]");
    let before = lab.damon();
    let machine = Machine::new(Root::with_io(lab.fake.clone()));
    let ended = session(&lab.request(pids(77)), &machine, &Closed, &Signals::default(), &mut Line::new(true));
    let said = ended.unwrap_err().to_string();
    for word in [
        "damon:damon_aggregated on CPU 0",
        "kernel.perf_event_paranoid = 2",
        "[confidentiality]",
        "effective capabilities 0x1ffffffffff",
        "--cap-add PERFMON",
        "--snapshot 1s 60",
        "--simulate",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(lab.damon(), before);
    assert!(!lab.record().exists());
}

#[test]
fn a_name_that_is_taken_is_told_with_what_frees_it() {
    let lab = Lab::new(vec![]);
    std::fs::write(lab.record(), "notes of somebody").unwrap();
    let said = lab.run(&lab.request(pids(77))).unwrap_err().to_string();
    let name = lab.record().display().to_string();
    assert_eq!(
        said,
        format!("{name} exists and is no .damo record.\nTry: another name (-o FILE), or -f to overwrite it")
    );
    assert_eq!(std::fs::read_to_string(lab.record()).unwrap(), "notes of somebody");
    std::fs::remove_file(lab.record()).unwrap();
    std::os::unix::fs::symlink("elsewhere", lab.record()).unwrap();
    let said = lab.run(&lab.request(pids(77))).unwrap_err().to_string();
    assert!(said.contains("is a symbolic link") && said.contains("move it away") && !said.contains("-f"), "{said}");
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
    lab.run(&Request { limits, ..lab.request(What::Pids { pids: vec![77, 78], ranges: vec![] }) }).unwrap();
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
    assert!(!reader.sides().unwrap().iter().any(foreign), "memory of another process");
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
        let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), Step::Do(Box::new(forks))]);
        // A look that finds somebody drains once before DAMON is told; then time enough for a thread that would tell it.
        let look = Step::Do(Box::new(|_| {}));
        let later = Step::Do(Box::new(|_| std::thread::sleep(Duration::from_millis(300))));
        lab.script.steps.lock().unwrap().extend([look, later, exits(77), exits(78)]);
        lab.run(&lab.request(What::Kdamonds(serde_json::from_str(&json).unwrap()))).unwrap();
        let log = lab.fake.log();
        let told = log.iter().any(|(path, value)| path.ends_with("pid_target") && value == "78");
        assert!(!told && log.iter().all(|(_, value)| value != "commit"), "{ops}");
    }
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
fn after_a_signal_damon_is_off_and_as_it_was_found_although_the_output_takes_nothing() {
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
            crate::tape::tests::PIPE.set(Some(std::os::fd::OwnedFd::from(writer).into()));
            let machine = Machine::new(Root::with_io(lab.fake.clone()));
            session(&request, &machine, &lab.script, &signals, &mut Line::new(true))
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
