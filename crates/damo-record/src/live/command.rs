//! A program that is started to be monitored. Under sudo it gets the rights of the user who called sudo: that the
//! recorder needs root is no reason to run somebody's program as root.

use crate::error::RecordError;
use crate::signals::Signals;
use damo_kernel::rights::Rights;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

/// A program that was started.
pub(crate) struct Started {
    child: Child,
}

impl Started {
    /// Starts it. When this returns, the program itself runs under that id, no longer a copy of us.
    pub(crate) fn spawn(words: &[OsString]) -> Result<Self, RecordError> {
        let (program, arguments) = words.split_first().ok_or_else(|| {
            RecordError::from(crate::args::UsageError("no command after `--`: give a program to start".to_string()))
        })?;
        let mut command = Command::new(program);
        command.args(arguments);
        let rights = Rights::of_invoker().map_err(|e| RecordError::io("dropping root's rights", e))?;
        if let Some(rights) = &rights {
            rights.apply(&mut command);
        }
        let child = command.spawn().map_err(|e| {
            let who = rights.map_or_else(String::new, |rights| format!(" as user {}", rights.name));
            RecordError::io(format!("starting `{}`{who}", program.to_string_lossy()), e)
        })?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Whether the program ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The recording could not begin: the program must not run on unrecorded, as if all was well.
    pub(crate) fn abandon(mut self) {
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

    /// The recording is done: waits for the program, hands signals on to it, and gives its exit code.
    pub(crate) fn pass_on(mut self, signals: &Signals) -> Result<ExitCode, RecordError> {
        let mut told = false;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|e| RecordError::io("waiting for the command", e))? {
                return Ok(code(status));
            }
            if !told && let Some(name) = signals.stop() {
                told = true;
                self.signal(match name {
                    "SIGINT" => Signal::INT,
                    "SIGTERM" => Signal::TERM,
                    "SIGQUIT" => Signal::QUIT,
                    _ => Signal::HUP,
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            // It was not waited for, so the id is still its own; if it ended already, that is as good.
            let _ = kill_process(pid, signal);
        }
    }
}

/// As a shell passes it on: 128 + the signal's number for a program that a signal ended.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
