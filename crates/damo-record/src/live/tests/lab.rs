//! A fake kernel with a recorder on it, and a script of what happens there.

use super::*;

pub(super) const FORMAT: &str = include_str!("../../../../../testdata/kernel/formats/6.12-damon_aggregated.txt");
/// In the fake tree.
pub(super) const KDAMONDS: &str = "sys/kernel/mm/damon/admin/kdamonds";

/// The thread of a kdamond that is not in the fake tree.
pub(super) const STRANGER: i32 = 4242;

/// What the script lets happen at a look into the ring.
pub(super) enum Step {
    /// A snapshot of a kdamond's target: index, target, end, start addresses of its regions of 4 KiB.
    Snapshot(usize, u64, Nanos, &'static [u64]),
    /// The same of a thread that nobody knows.
    Stranger(Nanos),
    /// Only the first of so many regions came.
    Half(Nanos, u32),
    Lost(u64),
    /// Any record of kdamond 0, made when its thread is known, or of the stranger where there is none.
    Raw(Nanos, Box<dyn Fn(i32) -> Vec<u8> + Send>),
    Do(Box<dyn Fn(&MemorySysfs) + Send>),
}

pub(super) struct Script {
    pub(super) fake: Arc<MemorySysfs>,
    pub(super) steps: Arc<Mutex<std::collections::VecDeque<Step>>>,
}

impl Open for Script {
    fn before_start(&self, _: &Root, _: &[EventFormat]) -> Result<Box<dyn Source>, RecordError> {
        let sysfs = Sysfs::new(&Root::with_io(self.fake.clone()));
        assert!(sysfs.running().unwrap().is_empty(), "the ring is open before DAMON starts");
        Ok(Box::new(Script { fake: self.fake.clone(), steps: self.steps.clone() }))
    }

    fn running(&self, _: &Root, _: &[EventFormat], _: &[KdamondThread]) -> Result<Box<dyn Source>, RecordError> {
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
            Step::Stranger(time) => event(STRANGER, 0, time, 1, 0x1000),
            Step::Half(time, of) => event(thread(0), 0, time, of, 0x1000),
            Step::Lost(lost) => events.take(Record::Lost { time: Nanos(0), events: lost }),
            Step::Raw(time, record) => {
                let first = self.fake.files().get(&format!("{KDAMONDS}/0/pid")).and_then(|pid| pid.parse().ok());
                let raw = record(first.unwrap_or(STRANGER));
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

    fn narrow(&mut self, _: &[KdamondThread]) -> Result<(), RecordError> {
        Ok(())
    }
}

/// A raw `damon_aggregated` record in the layout of [`FORMAT`].
pub(super) fn raw(tid: i32, target: u64, nr_regions: u32, start: u64) -> [u8; 48] {
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

pub(super) struct Lab {
    pub(super) dir: TempDir,
    pub(super) fake: Arc<MemorySysfs>,
    pub(super) script: Script,
}

impl Lab {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self::on((6, 12), steps)
    }

    pub(super) fn on(kernel: (u32, u32), steps: Vec<Step>) -> Self {
        let fake = Arc::new(MemorySysfs::new(kernel));
        fake.put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff");
        fake.put("proc/mounts", "tracefs /sys/kernel/tracing tracefs rw 0 0");
        fake.put("proc/sys/kernel/osrelease", &format!("{}.{}.0", kernel.0, kernel.1));
        fake.put("proc/sys/kernel/perf_event_paranoid", "2");
        fake.put("sys/kernel/tracing/events/damon/damon_aggregated/format", FORMAT);
        process(&fake, 77, 'S', "");
        let steps = Arc::new(Mutex::new(steps.into()));
        let script = Script { fake: fake.clone(), steps };
        Self { dir: tempfile::tempdir().unwrap(), fake, script }
    }

    pub(super) fn record(&self) -> PathBuf {
        self.dir.path().join("a.damo")
    }

    pub(super) fn request(&self, what: impl Into<RequestSource>) -> Request {
        Request {
            limits: Limits { timeout: Some(Nanos::from_secs(5)), snapshots: None },
            quiet: true,
            host_name: false,
            root: self.dir.path().to_path_buf(),
            ..Request::new(what, Some(self.record()))
        }
    }

    pub(super) fn run(&self, request: &Request) -> Result<ExitCode, RecordError> {
        self.run_with(request, &self.script)
    }

    pub(super) fn run_with(&self, request: &Request, open: &dyn Open) -> Result<ExitCode, RecordError> {
        session(request, &self.machine(), open, &Signals::default(), &mut Silent)
    }

    /// Records process 77, and reads the record.
    pub(super) fn recorded(&self) -> (Reader, damo_model::Batch) {
        self.recorded_by(&self.request(pids(77)))
    }

    /// What is recorded when that is asked for.
    pub(super) fn recorded_by(&self, request: &Request) -> (Reader, damo_model::Batch) {
        self.run(request).unwrap();
        all(&self.record())
    }

    /// Why process 77 cannot be recorded.
    pub(super) fn refused(&self) -> String {
        self.run(&self.request(pids(77))).unwrap_err().to_string()
    }

    /// More steps behind those that are there.
    pub(super) fn then(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.steps.lock().unwrap().extend(steps);
    }

    pub(super) fn machine(&self) -> Machine {
        Machine::new(Root::with_io(self.fake.clone()), NoteStore::below(self.dir.path()))
    }

    pub(super) fn damon(&self) -> Vec<(String, String)> {
        self.fake.files().into_iter().filter(|(path, _)| path.starts_with(KDAMONDS)).collect()
    }

    /// Someone else's kdamonds, each with target 0, running.
    pub(super) fn others(&self, count: usize) {
        let mut context = Context::new(Ops::Vaddr);
        context.targets = vec![ContextTarget { pid: Some(77), ..ContextTarget::default() }];
        let kdamonds = vec![Kdamond { refresh: None, contexts: vec![context] }; count];
        let mut staged = Sysfs::new(&Root::with_io(self.fake.clone())).stage(&kdamonds).unwrap();
        staged.start().unwrap();
        staged.keep();
    }
}

pub(super) fn pids(pid: i32) -> TargetSpec {
    TargetSpec::Pids { pids: vec![pid], ranges: vec![] }
}

/// A process in the fake tree; `children` as the kernel lists them.
pub(super) fn process(fake: &MemorySysfs, pid: i32, state: char, children: &str) {
    fake.put(
        &format!("proc/{pid}/stat"),
        &format!("{pid} (app {pid}) {state} 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 {pid}00 9 9"),
    );
    fake.put(&format!("proc/{pid}/statm"), "1000 100 50 1 0 200 0");
    fake.put(&format!("proc/{pid}/cmdline"), "app\0--flag");
    fake.put(&format!("proc/{pid}/maps"), "1000-3000 rw-p 00000000 00:00 0                          [heap]");
    fake.put(&format!("proc/{pid}/task/{pid}/children"), children);
}

pub(super) fn ms(ms: i64) -> Nanos {
    Nanos::from_millis(ms)
}

pub(super) fn exits(pid: i32) -> Step {
    does(move |fake| process(fake, pid, 'Z', ""))
}

pub(super) fn all(path: &Path) -> (Reader, damo_model::Batch) {
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

/// The script, before which something happens each time that DAMON is about to be switched on.
pub(super) struct Before<'a, F>(pub(super) &'a Script, pub(super) F);

impl<F: Fn(&MemorySysfs) + Sync> Open for Before<'_, F> {
    fn before_start(&self, root: &Root, events: &[EventFormat]) -> Result<Box<dyn Source>, RecordError> {
        (self.1)(&self.0.fake);
        self.0.before_start(root, events)
    }

    fn running(&self, root: &Root, of: &[EventFormat], on: &[KdamondThread]) -> Result<Box<dyn Source>, RecordError> {
        self.0.running(root, of, on)
    }
}

/// A snapshot of one region.
pub(super) fn one_snapshot() -> Step {
    Step::Snapshot(0, 0, ms(1000), &[0x1000])
}

pub(super) fn does(what: impl Fn(&MemorySysfs) + Send + 'static) -> Step {
    Step::Do(Box::new(what))
}

pub(super) fn nothing() -> Step {
    does(|_| {})
}

pub(super) fn pids_of(reader: &Reader) -> Vec<i32> {
    reader.targets().iter().map(|target| target.process.as_ref().unwrap().pid).collect()
}

pub(super) fn says(said: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(said.contains(word), "{word}: {said}"));
}
