//! The `unsafe` of the ring: perf_event_open, its ioctls, and reading the memory shared with the kernel.
//!
//! The kernel's side of the bargain (`linux/perf_event.h`): the first page of the mapping is `perf_event_mmap_page`;
//! behind it lie `data_size` bytes of ring. The kernel writes records and then moves `data_head`; we read `data_head`
//! (acquire), read the records, and then move `data_tail` (release). Bytes between tail and head are left alone by the
//! kernel until we move the tail, because the mapping is writable (not overwrite mode).
//!
//! [`crate::sampling`] uses the same calls for samples of CPU time.

use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;
const PERF_FORMAT_LOST: u64 = 1 << 4;
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
/// _IOR('$', 7, __u64 *)
const IOC_ID: libc::c_ulong = 0x8008_2407;
/// Of `flags`: disabled, sample_id_all, watermark, use_clockid.
const DISABLED: u64 = 1 << 0;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const USE_CLOCKID: u64 = 1 << 25;
/// Offsets in `struct perf_event_mmap_page`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// `struct perf_event_attr` as of PERF_ATTR_SIZE_VER5 (Linux 4.8); newer kernels accept it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}
const _: () = assert!(size_of::<PerfEventAttr>() == 112);

/// The CPU or thread that an event is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Cpu(u32),
    Thread(i32),
    /// The thread, while it runs on this CPU: of such events those of threads that it creates share the ring.
    ThreadOnCpu(i32, u32),
}

/// Opens a tracepoint by its number, not yet enabled.
pub(super) fn open_tracepoint(id: u32, on: On, sample_type: u64, watermark: u32) -> io::Result<OwnedFd> {
    let mut attr = PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<PerfEventAttr>() as u32,
        config: u64::from(id),
        sample_period: 1,
        sample_type,
        read_format: PERF_FORMAT_LOST,
        flags: DISABLED | SAMPLE_ID_ALL | WATERMARK | USE_CLOCKID,
        wakeup_watermark: watermark,
        clockid: libc::CLOCK_MONOTONIC,
        ..PerfEventAttr::default()
    };
    match open(&attr, on) {
        // Before 6.0 the kernel does not count losses per event; LOST records tell of them all the same.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            attr.read_format = 0;
            open(&attr, on)
        }
        other => other,
    }
}

/// What to sample, in the terms of `struct perf_event_attr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sampling {
    /// The PMU, by its number.
    pub kind: u32,
    pub config: [u64; 3],
    /// Samples per second.
    pub frequency: u64,
    pub sample_type: u64,
    /// See [`flag`].
    pub flags: u64,
}

/// Bits of `flags` for sampling.
pub(crate) mod flag {
    /// The threads that a thread creates are sampled as it is.
    pub(crate) const INHERIT: u64 = 1 << 1;
    /// Nothing of the kernel: what unprivileged users may sample.
    pub(crate) const EXCLUDE_KERNEL: u64 = 1 << 5;
    /// Nothing of a hypervisor.
    pub(crate) const EXCLUDE_HV: u64 = 1 << 6;
    /// Nothing of a CPU that is idle.
    pub(crate) const EXCLUDE_IDLE: u64 = 1 << 7;
    /// Records of mappings that can be executed.
    pub(crate) const MMAP: u64 = 1 << 8;
    /// Records of names.
    pub(crate) const COMM: u64 = 1 << 9;
    /// `sample_period` is a frequency.
    pub(crate) const FREQ: u64 = 1 << 10;
    /// Records of threads that begin and end.
    pub(crate) const TASK: u64 = 1 << 13;
    /// How exactly the address is that of the sampled instruction, 0 to 3.
    pub(crate) const PRECISE_SHIFT: u32 = 15;
    /// Mappings with inode, protection and flags.
    pub(crate) const MMAP2: u64 = 1 << 23;
    /// Names tell whether they come from the execution of a program.
    pub(crate) const COMM_EXEC: u64 = 1 << 24;
    /// Mappings with build ids (Linux 5.12 and later).
    pub(crate) const BUILD_ID: u64 = 1 << 34;
}

/// Opens an event that is sampled by time, not yet enabled.
pub(crate) fn open_sampling(sampling: &Sampling, on: On, watermark: u32) -> io::Result<OwnedFd> {
    let attr = PerfEventAttr {
        kind: sampling.kind,
        size: size_of::<PerfEventAttr>() as u32,
        config: sampling.config[0],
        config1: sampling.config[1],
        config2: sampling.config[2],
        sample_period: sampling.frequency,
        sample_type: sampling.sample_type,
        flags: sampling.flags | flag::FREQ | DISABLED | SAMPLE_ID_ALL | WATERMARK | USE_CLOCKID,
        wakeup_watermark: watermark,
        clockid: libc::CLOCK_MONOTONIC,
        ..PerfEventAttr::default()
    };
    open(&attr, on)
}

/// The kernel's id of an event, which its records bear.
pub(crate) fn event_id(event: &OwnedFd) -> io::Result<u64> {
    let mut id = 0u64;
    // SAFETY: a live perf descriptor; the request writes one u64 to the address that it is given, which is that of `id`.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), IOC_ID as _, &raw mut id) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
}

fn open(attr: &PerfEventAttr, on: On) -> io::Result<OwnedFd> {
    let (pid, cpu) = match on {
        On::Cpu(cpu) => (-1, cpu as i32),
        On::Thread(tid) => (tid, -1),
        On::ThreadOnCpu(tid, cpu) => (tid, cpu as i32),
    };
    // SAFETY: `attr` is a live perf_event_attr whose `size` field tells its true size; the kernel only reads it (and
    // may write its `size` field on E2BIG, for which it is copied into a mutable place of its own).
    let fd = unsafe {
        let mut attr = *attr;
        libc::syscall(libc::SYS_perf_event_open, &raw mut attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system call succeeded, so that `fd` is a new descriptor which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Lets an event write into another's ring.
pub(crate) fn redirect(event: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    ioctl(event, IOC_SET_OUTPUT, to.as_raw_fd())
}

/// Switches an event on.
pub(crate) fn enable(event: &OwnedFd) -> io::Result<()> {
    ioctl(event, IOC_ENABLE, 0)
}

/// One of the two requests above, which take an integer by value.
fn ioctl(event: &OwnedFd, request: libc::c_ulong, value: libc::c_int) -> io::Result<()> {
    // SAFETY: a live perf descriptor; neither request reads or writes memory of ours.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), request as _, value) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// How many samples of this event were lost so far; `None` on kernels before 6.0.
pub(super) fn lost(event: &OwnedFd) -> Option<u64> {
    let mut values = [0; 16];
    let n = rustix::io::read(event, &mut values).ok()?;
    (n == 16).then(|| u64::from_ne_bytes(std::array::from_fn(|at| values[8 + at])))
}

/// A ring's memory. Its shared words are only accessed through atomics.
#[derive(Debug)]
pub(crate) struct Map {
    memory: MmapRaw,
    /// Bytes of the first page, behind which the data lie, and of the data.
    page: usize,
    data: usize,
}

impl Map {
    /// Maps a ring of `data` bytes, which must be a power of two of whole pages.
    pub(crate) fn new(event: &OwnedFd, data: usize) -> io::Result<Self> {
        let page = crate::system::page_size();
        let memory = MmapOptions::new().len(page + data).map_raw(event)?;
        Ok(Self { memory, page, data })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `offset` is one of the two constants within the first page, 8-byte aligned as the page is; the word
        // lives as long as `self` and is only accessed atomically on our side.
        unsafe { AtomicU64::from_ptr(self.memory.as_mut_ptr().add(offset).cast()) }
    }

    /// Bytes not read yet, in two pieces where they wrap. Taking them does not free them: [`Map::free`] does.
    pub(crate) fn unread(&self) -> (&[u8], &[u8]) {
        let head = self.word(DATA_HEAD).load(Ordering::Acquire);
        let tail = self.word(DATA_TAIL).load(Ordering::Relaxed);
        let len = (head.wrapping_sub(tail) as usize).min(self.data);
        let from = (tail as usize) & (self.data - 1);
        let first = len.min(self.data - from);
        // SAFETY: both pieces lie within the `data` bytes behind the first page. The kernel does not write to them
        // before the tail moves, which needs `&mut self` and hence the end of these borrows; the acquire load above
        // orders its earlier writes before our reads.
        unsafe {
            let data = self.memory.as_ptr().add(self.page);
            (std::slice::from_raw_parts(data.add(from), first), std::slice::from_raw_parts(data, len - first))
        }
    }

    /// Gives `bytes` of the unread ones back to the kernel.
    pub(crate) fn free(&mut self, bytes: usize) {
        let tail = self.word(DATA_TAIL).load(Ordering::Relaxed);
        self.word(DATA_TAIL).store(tail.wrapping_add(bytes as u64), Ordering::Release);
    }
}
