//! `damo record` in a process of its own, whose record is followed. It ends when it is told so, with DAMON as it was found,
//! and what it said is shown at the end.

use super::recording::Recording;
use anyhow::{Context, Result, bail};
use damo_monitor::Source;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where a recorder writes whose standard input is a pipe for the record. Without udev there is no `/dev/fd`.
pub(crate) const RECORDER_OUTPUT: &str = "/proc/self/fd/0";
/// So much is kept of what the recorder, and the program that it runs, say.
const MOST_MESSAGES: usize = 64 << 10;
/// Between two looks whether the record is there.
const LOOK: Duration = Duration::from_millis(20);

/// A recorder that runs.
pub(super) struct Recorder {
    child: Child,
    messages: Option<JoinHandle<Vec<u8>>>,
    asked: Arc<AtomicBool>,
}

impl Recorder {
    /// Starts one, and gives what it records.
    ///
    /// # Errors
    /// If the options contradict each other, or it cannot be started.
    pub(super) fn start(recording: &Recording, live: bool) -> Result<(Recorder, Source)> {
        recording.args().request()?;
        let program = std::env::current_exe().context("finding this program")?;
        let (reader, writer) = io::pipe().context("making a pipe")?;
        let (said, says) = io::pipe().context("making a pipe")?;
        let mut command = Command::new(program);
        // The record goes to a pipe that is the recorder's standard input: standard output is that of a program that it
        // starts.
        let out = recording.out().map_or_else(|| PathBuf::from(RECORDER_OUTPUT), Path::to_path_buf);
        command.args(recording.words(&out));
        // A group of its own: Ctrl-C is for us, and we tell it.
        command.process_group(0);
        command.stdout(says.try_clone().context("making a pipe")?).stderr(says);
        match recording.out() {
            Some(_) => command.stdin(Stdio::null()),
            None => command.stdin(writer),
        };
        let child = command.spawn().context("starting the recorder")?;
        // Our own ends of the pipes for writing go with it: else there would be no end of file.
        drop(command);
        let messages = thread::Builder::new().name("messages".into()).spawn(move || listen(said))?;
        let asked = Arc::new(AtomicBool::new(false));
        let mut recorder = Recorder { child, messages: Some(messages), asked };
        let source = match recording.out() {
            Some(path) => recorder.file(path)?,
            None => {
                let (pid, asked) = (recorder.child.id(), Arc::clone(&recorder.asked));
                Source::pipe("the recorder", Draining { reader, pid, asked }, live)
            }
        };
        Ok((recorder, source))
    }

    /// The record that it writes to a file, as soon as it is there.
    fn file(&mut self, path: &Path) -> Result<Source> {
        let mut part = OsString::from(path);
        part.push(".part");
        loop {
            // One that a killed recorder left there is not locked.
            if let Ok(source) = Source::file(Path::new(&part))
                && source.is_live()
            {
                return Ok(source);
            }
            if let Some(status) = self.child.try_wait().context("waiting for the recorder")? {
                self.finish()?;
                // It was faster than we looked: a simulation.
                if status.success()
                    && let Ok(source) = Source::file(path)
                {
                    return Ok(source);
                }
                bail!("the recorder ended before there was a record");
            }
            thread::sleep(LOOK);
        }
    }

    /// Tells it to end, waits until it has, and shows what it said.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(super) fn finish(&mut self) -> Result<ExitCode> {
        if self.child.try_wait().context("waiting for the recorder")?.is_none() {
            ask_to_end(self.child.id(), &self.asked);
        }
        // From here on its id may be another's.
        self.asked.store(true, Ordering::SeqCst);
        let status = self.child.wait().context("waiting for the recorder")?;
        if let Some(messages) = self.messages.take() {
            // A program that it started may still have the pipe.
            for _ in 0..10 {
                if messages.is_finished() {
                    break;
                }
                thread::sleep(LOOK);
            }
            if messages.is_finished()
                && let Ok(said) = messages.join()
            {
                // The recorder escaped what a terminal would obey; the program's own output is the program's.
                let _ = io::stderr().write_all(&said);
            }
        }
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::from(2), ExitCode::from))
    }
}

/// The end of the pipe. If nobody wants more, the recorder is told to end and read until it has: it must not find the pipe
/// closed before it has put DAMON back.
struct Draining {
    reader: PipeReader,
    pid: u32,
    asked: Arc<AtomicBool>,
}

impl Read for Draining {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        ask_to_end(self.pid, &self.asked);
        let _ = io::copy(&mut self.reader, &mut io::sink());
    }
}

/// As Ctrl-C does, once: a second one would cut its end short.
fn ask_to_end(pid: u32, asked: &AtomicBool) {
    if !asked.swap(true, Ordering::SeqCst)
        && let Some(pid) = Pid::from_raw(pid.cast_signed())
    {
        // One that has ended has no need of it.
        let _ = kill_process(pid, Signal::INT);
    }
}

/// Reads to the end and keeps the beginning.
fn listen(mut from: PipeReader) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return said,
            Ok(n) => said.extend_from_slice(&buffer[..n.min(MOST_MESSAGES - said.len())]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return said,
        }
    }
}
