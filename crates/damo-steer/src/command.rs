//! A program that is started to be monitored. Under sudo it gets the rights of the user who called sudo: that the
//! recorder needs root is no reason to run somebody's program as root.
//!
//! Whoever starts a program through us expects what a shell gives: it is waited for, whatever becomes of the record,
//! and its exit code is ours. A failed recording is the exception: then it is waited for all the same, and the error
//! comes after it.

use crate::Notifier;
use crate::error::{HasProblem, Result, SteerError};
use crate::problem::Problem;
use crate::processes::monitorable;
use crate::signals::{self, Signals};
use damo_kernel::procfs::Procfs;
use damo_kernel::rights::Rights;
use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process, set_child_subreaper};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

/// A process that is ending has no memory for so long at most before it is seen to have ended.
const DYING: Duration = Duration::from_secs(1);

/// A program that was started.
pub struct Started {
    child: Child,
    name: String,
    follow: bool,
}

impl Started {
    /// Starts it. When this returns, the program itself runs under that id, no longer a copy of us. `follow`: all that it
    /// starts stays below us until [`pass_on`], also when the parent in between ends.
    ///
    /// # Errors
    /// If it cannot be started, or not with the rights of the user who called sudo.
    pub fn spawn(words: &[OsString], follow: bool) -> Result<Self> {
        let (program, arguments) = words.split_first().ok_or(SteerError::NoCommand)?;
        let mut command = Command::new(program);
        command.args(arguments);
        damo_kernel::signals::ignore_in(&mut command, signals::ignored_in_programs());
        let rights = Rights::of_invoker().map_err(|e| SteerError::io("dropping root's rights", e))?;
        if let Some(rights) = &rights {
            rights.apply(&mut command);
        }
        if follow {
            // No kernel that has DAMON refuses it.
            let _ = set_child_subreaper(Some(rustix::process::getpid()));
        }
        let child = command.spawn().map_err(|e| {
            let who = rights.map_or_else(String::new, |rights| format!(" as user {}", rights.name));
            SteerError::io(format!("starting `{}`{who}", program.to_string_lossy()), e)
        })?;
        Ok(Self { child, name: program.to_string_lossy().into_owned(), follow })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Whether the program ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The recording could not begin: the program must not run on unrecorded, as if all was well.
    fn abandon(mut self) {
        self.signal(Signal::TERM);
        for _ in 0..20 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // It may be gone meanwhile, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for the program and hands signals on to it, but those that it has already. Gives its exit code.
    fn wait(&mut self, signals: &Signals) -> Result<u8> {
        let mut told = None;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|e| SteerError::io("waiting for the command", e))? {
                return Ok(code(status));
            }
            let stop_request = signals.stop_request();
            if let Some(stop_request) = stop_request.filter(|stop_request| told != Some(*stop_request)) {
                told = Some(stop_request);
                // The terminal sent it to the program as well, for which a second one can mean to give up at once.
                let has_it = stop_request.of_a_key && self.is_in_our_group();
                if let Some(signal) = Signal::from_named_raw(stop_request.signal).filter(|_| !has_it) {
                    self.signal(signal);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it cannot be monitored because it is ending or has ended.
    fn was_too_short(&mut self, error: &dyn HasProblem) -> bool {
        // A process without memory looks like a kernel thread; ours is none.
        if !matches!(error.problem(), Some(Problem::TargetGone { .. } | Problem::KernelThread { .. })) {
            return false;
        }
        let begun = Instant::now();
        while !self.has_ended() {
            if begun.elapsed() > DYING {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// If it cannot be monitored because it has ended: a process that it left behind, as a program does that goes into
    /// the background.
    pub fn heir(&mut self, error: &SteerError, procfs: &Procfs) -> Option<i32> {
        if !self.follow || !self.was_too_short(error) {
            return None;
        }
        let found = procfs.descendants(std::process::id().cast_signed());
        found.into_iter().find(|pid| monitorable(procfs, *pid).is_some())
    }

    /// Whether the terminal's keys mean both of us.
    fn is_in_our_group(&self) -> bool {
        getpgid(Pid::from_raw(self.pid())).is_ok_and(|group| group == getpgrp())
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            // It was not waited for, so the id is still its own; if it ended already, that is as good.
            let _ = kill_process(pid, signal);
        }
    }
}

/// What to do when the recording could not begin: a program that was over before that is no error, any other is stopped.
///
/// # Errors
/// The same one, if the program did not end by itself.
pub fn not_begun<E: HasProblem>(
    command: &mut Option<Started>,
    error: E,
    notifier: &mut dyn Notifier,
) -> std::result::Result<(), E> {
    if let Some(started) = command
        && started.was_too_short(&error)
    {
        notifier.warn(&format!("`{}` ended before DAMON was on, so nothing was recorded.", started.name));
        return Ok(());
    }
    if let Some(started) = command.take() {
        started.abandon();
    }
    Err(error)
}

/// What to do when the recording is done, well or not: waits for the program and gives its exit code, or after it the
/// recording's error.
///
/// # Errors
/// The recording's error.
pub fn pass_on<E: From<SteerError> + std::fmt::Display>(
    command: Option<Started>,
    recorded: std::result::Result<(), E>,
    signals: &Signals,
    notifier: &mut dyn Notifier,
) -> std::result::Result<ExitCode, E> {
    let Some(mut command) = command else { return recorded.map(|()| ExitCode::SUCCESS) };
    if command.follow {
        // Nobody looks after orphans any more.
        let _ = set_child_subreaper(None);
    }
    if let Err(error) = &recorded
        && !command.has_ended()
    {
        notifier
            .warn(&format!("the recording ended early: {error}. `{}` still runs; waiting for its end.", command.name));
    }
    let code = command.wait(signals)?;
    if recorded.is_err() {
        notifier.warn(&format!("`{}` ended with exit code {code}.", command.name));
    }
    recorded.map(|()| ExitCode::from(code))
}

/// As a shell passes it on: 128 + the signal's number for a program that a signal ended.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifier::Silent;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// For tests that start programs: whoever waits for all children of this process must be alone with its own.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(script: &str) -> Started {
        Started::spawn(&["sh", "-c", script].map(OsString::from), false).unwrap()
    }

    fn full() -> SteerError {
        SteerError::io("a.damo", std::io::Error::other("full"))
    }

    #[test]
    fn a_program_is_waited_for_and_its_exit_code_counts_if_the_record_is_well() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let script = format!("sleep 0.2; touch {}; exit 7", dir.path().join("done").display());
        for (recorded, expected) in [(Ok(()), Ok(ExitCode::from(7))), (Err(full()), Err(()))] {
            let code = pass_on(Some(start(&script)), recorded, &Signals::default(), &mut Silent);
            assert_eq!(code.map_err(|_| ()), expected);
            std::fs::remove_file(dir.path().join("done")).expect("it ran to its end");
        }
    }

    #[test]
    fn a_program_that_is_over_before_damon_is_on_is_no_error_and_its_code_is_passed_on() {
        let _alone = alone();
        let mut command = Some(start("exit 3"));
        let pid = command.as_ref().unwrap().pid();
        let gone = SteerError::from(Problem::TargetGone { pid });
        not_begun(&mut command, gone, &mut Silent).unwrap();
        assert_eq!(
            pass_on(command, Ok::<(), SteerError>(()), &Signals::default(), &mut Silent).unwrap(),
            ExitCode::from(3)
        );
    }

    #[test]
    fn a_program_whose_recording_cannot_begin_is_stopped_and_the_reason_printed() {
        let _alone = alone();
        for script in ["sleep 60", "true"] {
            let mut command = Some(start(script));
            let pid = Pid::from_raw(command.as_ref().unwrap().pid()).unwrap();
            let busy = SteerError::from(Problem::Busy { who: "kdamond 0".into() });
            not_begun(&mut command, busy, &mut Silent).unwrap_err();
            assert!(command.is_none());
            assert!(rustix::process::test_kill_process(pid).is_err(), "{script} still runs");
        }
    }

    /// In a process of its own in a terminal of its own: a program that counts the SIGINTs that it gets is started and
    /// waited for as after a recording. Its exit code is how many.
    fn counts_in_a_terminal(terminal: &std::ffi::OsStr) {
        rustix::process::setsid().unwrap();
        let _terminal = std::fs::File::open(terminal).unwrap();
        let signals = Signals::listen().unwrap();
        // Only `wait` sees each signal when it comes; what a shell has in the background ignores this one.
        let script = "n=0; trap 'n=$((n + 1))' INT; sleep 2 & echo ready >&2
                      while kill -0 $! 2>/dev/null; do wait $!; done; echo \"got $n\" >&2";
        pass_on(Some(start(script)), Ok::<(), SteerError>(()), &signals, &mut Silent).unwrap();
        let heard = signals
            .stop_request()
            .map_or("nothing", |stop_request| if stop_request.of_a_key { "a key" } else { "a process" });
        eprintln!("we heard {heard}");
    }

    #[test]
    fn ctrl_c_reaches_the_program_once_and_kill_of_the_recorder_too() {
        const TERMINAL: &str = "DAMO_TEST_TERMINAL";
        if let Some(terminal) = std::env::var_os(TERMINAL) {
            return counts_in_a_terminal(&terminal);
        }
        let _alone = alone();
        let name = "command::tests::ctrl_c_reaches_the_program_once_and_kill_of_the_recorder_too";
        for (script, press, program_got, we_heard) in [
            ("exec \"$@\"", true, "got 1", "we heard a key"),
            ("exec \"$@\"", false, "got 1", "we heard a process"),
            // As in a script that puts us into the background.
            ("trap '' INT; exec \"$@\"", true, "got 0", "we heard nothing"),
        ] {
            // Where the tests themselves were started so, no program of theirs gets any.
            if program_got == "got 1" && damo_kernel::signals::is_ignored(2) {
                continue;
            }
            let shows = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
            grantpt(&shows).unwrap();
            unlockpt(&shows).unwrap();
            let mut recorder = Command::new("sh")
                .args(["-c", script, "sh"])
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", name, "--nocapture"])
                .env(TERMINAL, ptsname(&shows, Vec::new()).unwrap().to_str().unwrap())
                .stderr(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut said = BufReader::new(recorder.stderr.take().unwrap()).lines().map(std::result::Result::unwrap);
            assert!(said.any(|line| line == "ready"));
            if press {
                std::fs::File::from(shows.try_clone().unwrap()).write_all(b"\x03").unwrap();
            } else {
                kill_process(Pid::from_child(&recorder), Signal::INT).unwrap();
            }
            let said: Vec<String> = said.collect();
            assert!(recorder.wait().unwrap().success(), "{said:?}");
            assert!(
                said.iter().any(|line| line == program_got) && said.iter().any(|line| line == we_heard),
                "{said:?}"
            );
        }
    }
}
