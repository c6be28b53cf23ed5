use super::*;
use damo_kernel::sampling::{Choice, Mmap};
use damo_kernel::sysfs::MemorySysfs;
use damo_model::profile::{CodeBase, FrameKind, Samples as Told};
use damo_model::{Addr, Bytes};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// In the kernel's place: what is to come, and what was added.
#[derive(Default)]
struct Kernel {
    coming: Vec<Record>,
    nonsense: u64,
    added: Vec<i32>,
}

struct Fake {
    kernel: Rc<RefCell<Kernel>>,
    choice: Choice,
}

impl Samples for Fake {
    fn add(&mut self, tid: i32) -> Result<bool, Error> {
        self.kernel.borrow_mut().added.push(tid);
        Ok(true)
    }

    fn drain(&mut self, _: bool) -> Vec<Record> {
        std::mem::take(&mut self.kernel.borrow_mut().coming)
    }

    fn nonsense(&self) -> u64 {
        self.kernel.borrow().nonsense
    }

    fn is_access(&self, event: u64) -> bool {
        event == 2
    }

    fn choice(&self) -> &Choice {
        &self.choice
    }
}

/// A machine with a process 7 of two threads.
fn profiler(all: bool) -> (Profiler, Rc<RefCell<Kernel>>) {
    let fake = Arc::new(MemorySysfs::new((6, 12)));
    fake.put("proc/7/maps", "1000-3000 r-xp 00000000 00:00 0 /bin/x\n3000-4000 rw-p 00000000 00:00 0 [heap]\n7000-8000 r-xp 00000000 00:00 0 [vdso]\n");
    for tid in [7, 8] {
        fake.put(&format!("proc/7/task/{tid}/comm"), &format!("thread {tid}\n"));
    }
    let kernel = Rc::new(RefCell::new(Kernel::default()));
    let (event, access_event) = ("cpu-clock".to_owned(), "mem-loads".to_owned());
    let choice = Choice { event, access_event, frequency: 99, max_frames: 127, ..Choice::default() };
    let source = Fake { kernel: kernel.clone(), choice };
    (Profiler::new(&Root::with_io(fake), Box::new(source), all), kernel)
}

fn sample(tid: i32, at: i64, addresses: &[u64]) -> Record {
    let frames = addresses.iter().map(|address| (FrameKind::User, Addr(*address))).collect();
    Record::Sample(Sample { time: Nanos(at), event: 1, pid: 7, tid, period: 5_000, frames, ..Sample::default() })
}

fn told(items: &[Item]) -> Vec<&Told> {
    items.iter().filter_map(|item| if let Item::Side(Side::Samples(told)) = item { Some(told) } else { None }).collect()
}

#[test]
fn all_threads_of_a_process_are_added_but_not_those_that_are_sampled_by_inheritance() {
    let (mut profiler, kernel) = profiler(false);
    // 8 was created by 7 after that was added in an earlier admission.
    kernel.borrow_mut().coming.push(Record::Fork { time: Nanos(1), pid: 7, tid: 8, parent: 7, creator: 7 });
    profiler.admit(7).unwrap();
    profiler.admit(7).unwrap();
    assert_eq!(kernel.borrow().added, [7]);
    let items = profiler.finish();
    let code = items.iter().filter(|item| matches!(item, Item::Side(Side::Code(code)) if code.pid == 7));
    assert_eq!(code.count(), 1, "its code was read once: {items:?}");
}

#[test]
fn samples_come_with_what_they_refer_to_before_them() {
    let (mut profiler, kernel) = profiler(false);
    profiler.admit(7).unwrap();
    let lost = Record::Lost { time: Nanos(9), records: 4 };
    let access = Record::Sample(Sample { event: 2, pid: 7, tid: 8, address: Addr(0x3008), ..Sample::default() });
    kernel.borrow_mut().coming = vec![sample(7, 5, &[0x1001, 0x1000]), sample(8, 6, &[0x1001, 0x1000]), access, lost];
    let items = profiler.finish();
    let kinds: Vec<&str> = items.iter().map(kind).collect();
    assert_eq!(kinds, ["profile", "profile", "code", "code", "stacks", "samples", "samples", "lost"]);
    let [cpu, access] = told(&items)[..] else { panic!("two kinds of samples") };
    assert_eq!(cpu.threads.iter().map(|thread| thread.comm.as_str()).collect::<Vec<_>>(), ["thread 7", "thread 8"]);
    assert_eq!(cpu.samples.iter().map(|sample| sample.stack).collect::<Vec<_>>(), [1, 1]);
    assert_eq!((access.sampled, access.addresses.as_slice()), (Sampled::Access, &[Addr(0x3008)][..]));
    let seen = profiler.seen;
    assert_eq!((seen.samples, seen.accesses, seen.lost), (2, 1, 4));
    assert!(profiler.summary().contains("4 LOST"), "{}", profiler.summary());
    kernel.borrow_mut().nonsense = 48;
    assert!(profiler.summary().contains("48 bytes"), "{}", profiler.summary());
}

#[test]
fn a_thread_has_the_name_of_the_thread_that_created_it() {
    let (mut profiler, kernel) = profiler(false);
    let fork = |tid, creator| Record::Fork { time: Nanos(6), pid: 7, tid, parent: 7, creator };
    // 8 is the one that creates, 7 is the process's first thread. Nothing is known of who created 10, whose number another had.
    let comm = Record::Comm { time: Nanos(6), pid: 7, tid: 10, comm: "earlier".into(), exec: false };
    kernel.borrow_mut().coming = vec![sample(7, 5, &[1]), sample(8, 5, &[1]), fork(9, 8), comm, fork(10, 11)];
    kernel.borrow_mut().coming.extend([sample(9, 7, &[1]), sample(10, 8, &[1])]);
    let items = profiler.finish();
    let names: Vec<_> = told(&items)[0].threads.iter().map(|thread| (thread.tid, thread.comm.as_str())).collect();
    assert_eq!(names, [(7, "thread 7"), (8, "thread 8"), (9, "thread 8"), (10, "")]);
}

fn kind(item: &Item) -> &'static str {
    match item {
        Item::Side(Side::Profile(_)) => "profile",
        Item::Side(Side::Code(_)) => "code",
        Item::Side(Side::Stacks(_)) => "stacks",
        Item::Side(Side::Samples(_)) => "samples",
        Item::Side(Side::LostSamples(_)) => "lost",
        _ => "other",
    }
}

#[test]
fn a_process_that_executes_another_program_has_the_code_of_that_from_then_on() {
    let (mut profiler, kernel) = profiler(false);
    profiler.admit(7).unwrap();
    let comm = Record::Comm { time: Nanos(5), pid: 7, tid: 7, comm: "new".into(), exec: true };
    let mmap = Mmap { time: Nanos(6), pid: 7, start: Addr(0x9000), size: Bytes(4096), ..Mmap::default() };
    kernel.borrow_mut().coming = vec![comm, Record::Mmap(mmap), sample(7, 7, &[0x9001])];
    let items = profiler.finish();
    let bases: Vec<_> = items
        .iter()
        .filter_map(|item| if let Item::Side(Side::Code(code)) = item { Some((code.pid, code.base)) } else { None })
        .collect();
    let (nothing, kept) = (CodeBase::Nothing, CodeBase::Kept);
    // The kernel's, the old program's, the new one's, and what only /proc tells of that.
    assert_eq!(bases, [(-1, nothing), (7, nothing), (7, nothing), (7, kept)]);
    assert_eq!(told(&items)[0].threads[0].comm, "new");
}

#[test]
fn stacks_of_ever_new_addresses_begin_a_new_table_and_lose_nothing() {
    let (mut profiler, kernel) = profiler(true);
    kernel.borrow_mut().coming = (0..70_000).map(|i| sample(7, i, &[i.cast_unsigned() + 1])).collect();
    let items = profiler.finish();
    let mut nodes: HashMap<u64, u32> = HashMap::new();
    let mut samples = 0;
    for item in &items {
        match item {
            Item::Side(Side::Stacks(stacks)) => {
                let known = nodes.entry(stacks.table).or_default();
                assert_eq!(stacks.first, *known, "without gaps");
                *known += stacks.nodes.len() as u32;
            }
            Item::Side(Side::Samples(told)) => {
                samples += told.samples.len();
                assert!(told.samples.iter().all(|sample| sample.stack < nodes[&told.table]));
            }
            _ => {}
        }
    }
    assert_eq!((samples, nodes.len()), (70_000, 3));
}

#[test]
fn what_is_recorded_of_the_whole_machine_is_profiled_as_a_whole() {
    let what = |targets: TargetSpec| is_of_all(&targets.into());
    let pids = TargetSpec::Pids { pids: vec![7], ranges: Vec::new() };
    assert!(what(TargetSpec::PADDR) && is_of_all(&RequestSource::Attach));
    assert!(!what(pids.clone()) && !what(TargetSpec::Cgroup("/x".into())));
    let one = |targets| damo_steer::plan::KdamondSpec {
        targets,
        monitoring: damo_steer::plan::Monitoring::default(),
        schemes: Vec::new(),
    };
    assert!(what(TargetSpec::Several(vec![one(vec![pids]), one(vec![TargetSpec::PADDR])])));
}
