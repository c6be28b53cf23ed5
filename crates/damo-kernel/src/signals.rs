//! Signals, beyond what safe crates tell of them: who sent one, and whether whoever started us had it ignored.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stores in `flag` what it means that `signal` came: `by_kernel` if the kernel sent it by itself, as it does for a
/// terminal's keys, and else `by_process`; 0 stores nothing. From here on the signal does nothing else.
///
/// # Errors
/// If the system refuses, or lets nobody catch it.
pub fn note(signal: i32, flag: &Arc<AtomicUsize>, by_kernel: usize, by_process: usize) -> io::Result<()> {
    if signal_hook_registry::FORBIDDEN.contains(&signal) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let flag = Arc::clone(flag);
    let noted = move |info: &libc::siginfo_t| {
        let meaning = if info.si_code == libc::SI_KERNEL { by_kernel } else { by_process };
        if meaning != 0 {
            flag.store(meaning, Ordering::Relaxed);
        }
    };
    // SAFETY: what runs in the signal handler reads the info that it is given and stores to an atomic that it keeps alive.
    unsafe { signal_hook_registry::register_sigaction(signal, noted) }.map(|_| ())
}

/// Whether `signal` is ignored. A program is started with a signal ignored by `nohup` (SIGHUP), and by a shell script that
/// puts it into the background (SIGINT, SIGQUIT).
pub fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    // One bit for each signal, which count from 1.
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let bit = u32::try_from(signal).ok().and_then(|signal| 1_u64.checked_shl(signal.checked_sub(1)?));
    ignored.zip(bit).is_some_and(|(ignored, bit)| ignored & bit != 0)
}

/// Starts `command` with these signals ignored.
pub fn ignore_in(command: &mut Command, signals: Vec<i32>) {
    if signals.is_empty() {
        return;
    }
    let ignore = move || {
        // SAFETY: a plain system call on a number.
        let fails = |signal: &i32| unsafe { libc::signal(*signal, libc::SIG_IGN) } == libc::SIG_ERR;
        if signals.iter().any(fails) { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: the closure makes system calls only and does not allocate, which is all that is allowed between fork and
    // exec.
    unsafe { command.pre_exec(ignore) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_started_with_signals_ignored_and_we_are_not() {
        let mut command = Command::new("sh");
        command.args(["-c", "kill -WINCH $$; kill -USR2 $$; echo goes on"]);
        ignore_in(&mut command, vec![libc::SIGUSR2]);
        assert_eq!(command.output().expect("a shell").stdout, b"goes on\n");
        assert!(!is_ignored(libc::SIGUSR2));
        // As Rust programs have it from their beginning.
        assert!(is_ignored(libc::SIGPIPE));
    }

    #[test]
    fn a_signal_of_a_process_is_noted_as_one() {
        let flag = Arc::new(AtomicUsize::new(0));
        note(libc::SIGURG, &flag, 1, 2).expect("a signal to catch");
        let kill = format!("kill -URG {}", std::process::id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        while flag.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(flag.load(Ordering::Relaxed), 2);
        assert!(note(libc::SIGKILL, &flag, 1, 2).is_err());
    }
}
