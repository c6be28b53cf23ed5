//! What the system tells of itself and of us: clocks, sizes, processes. Safe calls, but for one that no crate offers.

use rustix::process::{Pid, PidfdFlags};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::os::fd::OwnedFd;

/// A descriptor that becomes readable when the process ends.
pub(crate) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// CPU time that this process has used in user mode and in the kernel, nanoseconds.
pub(crate) fn own_cpu() -> (i64, i64) {
    // SAFETY: an all-zero rusage is valid; the call fills it and fails only for an unknown first argument.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let ns = |time: libc::timeval| time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_usec * 1000);
    (ns(usage.ru_utime), ns(usage.ru_stime))
}

/// CLOCK_MONOTONIC now, nanoseconds.
pub(crate) fn monotonic() -> u64 {
    clock(ClockId::Monotonic)
}

/// Any clock now, nanoseconds.
pub(crate) fn clock(id: ClockId) -> u64 {
    let now = clock_gettime(id);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// The machine's page size in bytes.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}

/// Clock ticks per second of /proc/PID/stat.
pub(crate) fn clock_ticks() -> i64 {
    i64::try_from(rustix::param::clock_ticks_per_second()).ok().filter(|ticks| *ticks > 0).unwrap_or(100)
}

/// The user whose rights this process has; 0 is root.
pub(crate) fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}
