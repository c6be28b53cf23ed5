//! Which events can be sampled here, and how: CPU cycles where there are counters, else the CPU's clock; the kernel's frames
//! where the user may see them; accesses to memory with their addresses where the processor samples them.

use crate::error::{Error, Result};
use crate::io::Root;
use crate::ring::mmap::{On, Sampling, flag, open_sampling};
use crate::ring::online_cpus;
use crate::sampling::records;
use std::io;
use std::ops::RangeInclusive;

const PERF_TYPE_HARDWARE: u32 = 0;
const PERF_TYPE_SOFTWARE: u32 = 1;
/// `cycles` of hardware, `cpu-clock` of software: both have the number 0.
const FIRST: u64 = 0;
/// What the kernel says of events that it does not have here.
const ABSENT: [i32; 4] = [libc::ENOENT, libc::EOPNOTSUPP, libc::ENODEV, libc::EINVAL];
const PARANOID: &str = "proc/sys/kernel/perf_event_paranoid";
const MAX_RATE: &str = "proc/sys/kernel/perf_event_max_sample_rate";
const MAX_STACK: &str = "proc/sys/kernel/perf_event_max_stack";

/// How many samples per second of CPU time may be asked for.
pub const FREQUENCIES: RangeInclusive<u32> = 1..=10_000;

/// What [`choose`] found, for [`super::SampleRing::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What is sampled, in words.
    pub choice: Choice,
    pub(super) cpu: Sampling,
    /// Accesses to memory.
    pub(super) access: Option<Sampling>,
}

/// What is sampled, and why not more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// `cycles` or `cpu-clock`.
    pub event: String,
    /// The event that samples accesses; empty if none does.
    pub access_event: String,
    /// Samples per second of CPU time.
    pub frequency: u32,
    /// Why frames of the kernel are missing; empty if they are recorded.
    pub no_kernel: String,
    /// Why accesses are not sampled; empty if they are.
    pub no_addresses: String,
    /// How many frames the kernel records at most.
    pub max_frames: u32,
}

/// Opens an event for a trial and closes it again.
type Trial<'a> = &'a dyn Fn(&Sampling) -> io::Result<()>;

/// Finds out what can be sampled `frequency` times per second of CPU time, by opening events for this thread or, for
/// `all` processes, for a CPU.
///
/// # Errors
/// [`Error::Sampling`] or [`Error::Invalid`] with the remedy.
pub fn choose(root: &Root, frequency: u32, all: bool) -> Result<Chosen> {
    // The thread 0 is the calling one. The CPU 0 may be offline.
    let on = if all { On::Cpu(online_cpus(root)?.first().copied().unwrap_or(0)) } else { On::Thread(0) };
    let chosen = choose_with(root, frequency, &|sampling| open_sampling(sampling, on, 0).map(drop))?;
    Ok(if all { without_idle(chosen) } else { chosen })
}

/// A CPU that does nothing is none of the processes' business. Only the clock goes on there: counters count no cycles, and
/// some processors' refuse the flag.
fn without_idle(mut chosen: Chosen) -> Chosen {
    if chosen.cpu.kind == PERF_TYPE_SOFTWARE {
        chosen.cpu.flags |= flag::EXCLUDE_IDLE;
    }
    chosen
}

fn choose_with(root: &Root, frequency: u32, trial: Trial<'_>) -> Result<Chosen> {
    check(root, frequency)?;
    let base = Sampling {
        frequency: frequency.into(),
        sample_type: records::SAMPLE_TYPE,
        flags: flag::INHERIT | flag::EXCLUDE_HV,
        ..Sampling::default()
    };
    let cycles = Sampling { kind: PERF_TYPE_HARDWARE, config: [FIRST, 0, 0], ..base };
    let clock = Sampling { kind: PERF_TYPE_SOFTWARE, ..cycles };
    let told = flag::MMAP | flag::MMAP2 | flag::COMM | flag::COMM_EXEC | flag::TASK;
    let mut refused = None;
    for (event, sampling) in [("cycles", cycles), ("cpu-clock", clock)] {
        for kernel in [0, flag::EXCLUDE_KERNEL] {
            for build_id in [flag::BUILD_ID, 0] {
                let cpu = Sampling { flags: sampling.flags | told | kernel | build_id, ..sampling };
                match trial(&cpu) {
                    Ok(()) => return Ok(chosen(root, event, cpu, &base, trial)),
                    Err(error) => refused = Some(error),
                }
            }
        }
    }
    let source = refused.unwrap_or_else(|| io::ErrorKind::Unsupported.into());
    let remedy = remedy(root, &source);
    Err(Error::Sampling { event: "cpu-clock".to_owned(), on: "this process".to_owned(), source, remedy })
}

/// Refuses a number of samples per second that makes no sense or that the kernel would refuse without a reason.
fn check(root: &Root, frequency: u32) -> Result<()> {
    let refuse = |why: String| {
        let what = "number of samples per second".to_owned();
        Err(Error::Invalid { what, value: frequency.to_string(), why })
    };
    if !FREQUENCIES.contains(&frequency) {
        return refuse(format!("it must be from {} to {}", FREQUENCIES.start(), FREQUENCIES.end()));
    }
    match root.read_number::<u32>(MAX_RATE) {
        Ok(most) if frequency > most => refuse(format!(
            "the kernel allows at most {most} here: ask for fewer, or raise kernel.perf_event_max_sample_rate with sysctl"
        )),
        _ => Ok(()),
    }
}

/// With an event of CPU time that goes: what else goes.
fn chosen(root: &Root, event: &str, cpu: Sampling, base: &Sampling, trial: Trial<'_>) -> Chosen {
    let kernel = cpu.flags & flag::EXCLUDE_KERNEL;
    let (access, access_event, no_addresses) = match access(root, base, kernel, trial) {
        Ok((access, event)) => (Some(access), event, String::new()),
        Err(why) => (None, String::new(), why),
    };
    let choice = Choice {
        event: event.to_owned(),
        access_event,
        frequency: u32::try_from(cpu.frequency).unwrap_or(u32::MAX),
        no_kernel: if kernel == 0 { String::new() } else { why_no_kernel(root) },
        no_addresses,
        max_frames: root.read_number(MAX_STACK).unwrap_or(127),
    };
    Chosen { choice, cpu, access }
}

/// Why the kernel's frames may not be seen.
fn why_no_kernel(root: &Root) -> String {
    match root.read_number::<i32>(PARANOID) {
        Ok(level) => format!(
            "kernel.perf_event_paranoid is {level} and this user has no CAP_PERFMON: run it as root, or set it to 1 or less \
             with sysctl"
        ),
        Err(_) => "this user may not sample the kernel".to_owned(),
    }
}

/// What to do about a refusal.
pub(super) fn remedy(root: &Root, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            let paranoid = root.read_number::<i32>(PARANOID);
            let way = match paranoid {
                Ok(level) if level > 2 => format!(
                    "kernel.perf_event_paranoid is {level}: for programs of one's own `sysctl kernel.perf_event_paranoid=2` is \
                     enough, for others"
                ),
                Ok(level) => format!(
                    "kernel.perf_event_paranoid is {level}, with which users can sample their own programs unless a \
                     container's seccomp profile forbids it; for others"
                ),
                Err(_) => "To allow it".to_owned(),
            };
            format!(
                "{way}, run it as root or give the program CAP_PERFMON. Without --profile it is recorded without samples of CPU time"
            )
        }
        Some(libc::EMFILE | libc::ENFILE) => {
            "There is an open file for each thread on each CPU: raise the limit with `ulimit -n 65536`".to_owned()
        }
        Some(libc::ENOSYS | libc::ENOENT) => "The kernel is built without CONFIG_PERF_EVENTS".to_owned(),
        Some(libc::ENOMEM) => "No memory for the rings".to_owned(),
        _ => String::new(),
    }
}

/// The event that samples accesses to memory with their addresses, and its name; or why there is none.
fn access(
    root: &Root,
    base: &Sampling,
    kernel: u64,
    trial: Trial<'_>,
) -> std::result::Result<(Sampling, String), String> {
    let mut refusals = Vec::new();
    // Some processors cannot leave out the kernel.
    let kernels = if kernel == 0 { &[0][..] } else { &[kernel, 0] };
    for (pmu, event) in [("cpu", "mem-loads"), ("cpu_core", "mem-loads"), ("ibs_op", "")] {
        let dir = format!("sys/bus/event_source/devices/{pmu}");
        let Ok(kind) = root.read_number::<u32>(&format!("{dir}/type")) else { continue };
        let config = if event.is_empty() {
            Some([0; 3])
        } else {
            let Ok(text) = root.read_line(&format!("{dir}/events/{event}")) else { continue };
            configured(&text, &|term| root.read_line(&format!("{dir}/format/{term}")).ok())
        };
        let name = if event.is_empty() { pmu } else { event };
        let Some(config) = config else {
            refusals.push(format!("the description of {name} is not understood"));
            continue;
        };
        let mut why = String::new();
        for precise in [3, 2, 1, 0u64] {
            for kernel in kernels {
                let flags = base.flags | *kernel | precise << flag::PRECISE_SHIFT;
                let sampling = Sampling { kind, config, flags, ..*base };
                match trial(&sampling) {
                    Ok(()) => return Ok((sampling, name.to_owned())),
                    Err(error) if error.raw_os_error().is_some_and(|errno| ABSENT.contains(&errno)) => {}
                    Err(error) => why = format!(": {error}"),
                }
            }
        }
        refusals.push(format!("the kernel refuses {name}{why}"));
    }
    match refusals.is_empty() {
        true => Err("the processor has no event that samples them (mem-loads, ibs_op) here".to_owned()),
        false => Err(refusals.join("; ")),
    }
}

/// The configuration words of an event, from its description (`event=0xcd,umask=0x1,ldlat=3`) and where the PMU has each term
/// (`config1:0-15`).
fn configured(text: &str, place: &dyn Fn(&str) -> Option<String>) -> Option<[u64; 3]> {
    let mut config = [0u64; 3];
    for term in text.split(',') {
        let (name, value) = term.split_once('=').unwrap_or((term, "1"));
        let digits = value.strip_prefix("0x");
        let mut value = match digits {
            Some(digits) => u64::from_str_radix(digits, 16).ok()?,
            None => value.parse().ok()?,
        };
        let place = place(name.trim())?;
        let (word, bits) = place.split_once(':')?;
        let word = config.get_mut(["config", "config1", "config2"].iter().position(|known| *known == word)?)?;
        for range in bits.split(',') {
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
            let width = high.checked_sub(low)? + 1;
            let mask = 1u64.checked_shl(width).map_or(u64::MAX, |bit| bit - 1);
            *word |= (value & mask).checked_shl(low)?;
            value = value.checked_shr(width).unwrap_or(0);
        }
    }
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysfs::MemorySysfs;
    use std::sync::Arc;

    fn machine(files: &[(&str, &str)]) -> Root {
        let fake = MemorySysfs::new((6, 12));
        files.iter().for_each(|(path, text)| fake.put(path, text));
        Root::with_io(Arc::new(fake))
    }

    fn refuse(errno: i32) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn cycles_are_sampled_where_there_are_counters_and_else_the_clock() {
        let root = machine(&[]);
        let with = choose_with(&root, 99, &|_| Ok(())).expect("anything goes").choice;
        assert_eq!((with.event.as_str(), with.no_kernel.as_str(), with.max_frames), ("cycles", "", 127));
        let without =
            |sampling: &Sampling| if sampling.kind == PERF_TYPE_HARDWARE { refuse(libc::ENOENT) } else { Ok(()) };
        let Chosen { choice, cpu, .. } = choose_with(&root, 99, &without).expect("the clock goes");
        assert_eq!((choice.event.as_str(), cpu.kind), ("cpu-clock", PERF_TYPE_SOFTWARE));
        assert!(choice.no_addresses.contains("no event that samples them"), "{}", choice.no_addresses);
    }

    #[test]
    fn without_the_right_to_sample_the_kernel_it_is_left_out_and_said_so() {
        let root = machine(&[(PARANOID, "2\n")]);
        let user = |sampling: &Sampling| match sampling.flags & flag::EXCLUDE_KERNEL {
            0 => refuse(libc::EACCES),
            _ => Ok(()),
        };
        let choice = choose_with(&root, 99, &user).expect("one's own code").choice;
        assert!(choice.no_kernel.contains("perf_event_paranoid is 2"), "{}", choice.no_kernel);
        assert_eq!(choice.event, "cycles");
    }

    #[test]
    fn who_may_not_sample_at_all_is_told_what_forbids_it() {
        let root = machine(&[(PARANOID, "3\n")]);
        let error = choose_with(&root, 99, &|_| refuse(libc::EACCES)).expect_err("nothing goes").to_string();
        assert!(error.contains("perf_event_paranoid is 3") && error.contains("CAP_PERFMON"), "{error}");
    }

    #[test]
    fn more_samples_than_the_kernel_allows_or_than_make_sense_are_refused() {
        let root = machine(&[(MAX_RATE, "50\n")]);
        let said = |frequency| choose_with(&root, frequency, &|_| Ok(())).map(|_| ()).map_err(|e| e.to_string());
        assert!(said(99).expect_err("too many").contains("kernel.perf_event_max_sample_rate"));
        assert!(said(100_000).expect_err("too many").contains("from 1 to 10000"));
        assert!(said(0).is_err() && said(50).is_ok());
    }

    #[test]
    fn a_kernel_that_knows_no_build_ids_is_not_asked_for_them() {
        let old =
            |sampling: &Sampling| if sampling.flags & flag::BUILD_ID != 0 { refuse(libc::EINVAL) } else { Ok(()) };
        let Chosen { choice, cpu, .. } = choose_with(&machine(&[]), 99, &old).expect("goes without");
        assert_eq!((choice.event.as_str(), cpu.flags & flag::BUILD_ID), ("cycles", 0));
    }

    #[test]
    fn accesses_are_sampled_with_the_events_that_the_processor_describes() {
        let dir = "sys/bus/event_source/devices/cpu";
        let files = [
            ("type", "4\n"),
            ("events/mem-loads", "event=0xcd,umask=0x1,ldlat=3\n"),
            ("format/event", "config:0-7\n"),
            ("format/umask", "config:8-15\n"),
            ("format/ldlat", "config1:0-15\n"),
        ];
        let files: Vec<_> = files.map(|(name, text)| (format!("{dir}/{name}"), text)).into();
        let root = machine(&files.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>());
        let precise = |sampling: &Sampling| match sampling.kind == 4 && sampling.flags >> flag::PRECISE_SHIFT & 3 > 2 {
            true => refuse(libc::EOPNOTSUPP),
            false => Ok(()),
        };
        let Chosen { choice, access, .. } = choose_with(&root, 99, &precise).expect("goes");
        let access = access.expect("goes");
        assert_eq!((access.config, access.flags >> flag::PRECISE_SHIFT & 3), ([0x1cd, 3, 0], 2));
        assert_eq!((choice.access_event.as_str(), choice.no_addresses.as_str()), ("mem-loads", ""));
        let nothing = |sampling: &Sampling| if sampling.kind == 4 { refuse(libc::ENOENT) } else { Ok(()) };
        let choice = choose_with(&root, 99, &nothing).expect("goes without").choice;
        assert!(choice.no_addresses.contains("refuses mem-loads"), "{}", choice.no_addresses);
        let asked = std::cell::RefCell::new(Vec::new());
        let forbidden = |sampling: &Sampling| match sampling.kind == 4 {
            true => refuse(libc::EACCES).inspect_err(|_| asked.borrow_mut().push(*sampling)),
            false => Ok(()),
        };
        let choice = choose_with(&root, 99, &forbidden).expect("goes without").choice;
        assert!(choice.no_addresses.contains("refuses mem-loads: Permission denied"), "{}", choice.no_addresses);
        assert_eq!(asked.borrow().len(), 4, "each precision is tried once");
    }

    #[test]
    fn only_the_clock_is_told_to_leave_out_cpus_that_do_nothing() {
        let idle = |absent: Option<u32>| {
            let trial = |sampling: &Sampling| if absent == Some(sampling.kind) { refuse(libc::ENOENT) } else { Ok(()) };
            let chosen = choose_with(&machine(&[]), 99, &trial).expect("goes");
            without_idle(chosen).cpu.flags & flag::EXCLUDE_IDLE
        };
        assert_eq!([idle(None), idle(Some(PERF_TYPE_HARDWARE))], [0, flag::EXCLUDE_IDLE]);
    }

    #[test]
    fn terms_of_an_event_go_to_the_bits_that_the_pmu_names() {
        let place = |term: &str| match term {
            "event" => Some("config:0-7,32-35".to_owned()),
            "any" => Some("config:21".to_owned()),
            "wide" => Some("config2:0-63".to_owned()),
            _ => None,
        };
        assert_eq!(configured("event=0x1c7,any", &place), Some([0x1_0020_00c7, 0, 0]));
        assert_eq!(configured("wide=18446744073709551615", &place), Some([0, 0, u64::MAX]));
        assert_eq!(configured("other=1", &place), None);
        assert_eq!(configured("event=x", &place), None);
    }
}
