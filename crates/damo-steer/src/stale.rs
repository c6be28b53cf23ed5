//! What killed recordings left: found by their notes, told, and stopped if the user agrees; settings that are still as
//! they left them are put back.

use super::Machine;
use crate::error::RecordError;
use crate::owner::{self, FoundNote};
use crate::problem::Problem;
use crate::request::{Request, RequestSource};
use crate::signals::Signals;
use crate::status_line::StatusLine;
use damo_model::human::Show;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// For another one of us to be done with DAMON: longer than a command waits for the end of a usual aggregation.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// No answer is longer.
const ANSWER: usize = 256;

/// Looks for what killed recordings left, and settles what to do with it before this one begins. Whether kdamonds were
/// stopped.
pub(crate) fn settle(
    request: &Request,
    machine: &Machine,
    signals: &Signals,
    line: &mut StatusLine,
) -> Result<bool, RecordError> {
    let mut stopped = false;
    // Who only attaches leaves everything as it is.
    let attaches = request.what == RequestSource::Attach && !request.stop_stale;
    for found in owner::others(&request.root).into_iter().filter(|found| !found.alive) {
        let left = machine.sysfs.left_on(&found.note.leftover)?;
        let record = found.note.record.as_ref().map_or("standard output".to_string(), |path| path.shown().to_string());
        let pid = found.note.pid;
        if left.is_empty() {
            // Nothing of it runs any more; what it set up is put back, if it is still what it set up.
            if !attaches && !put_back(request, machine, &found)? {
                line.warn(&format!(
                    "a recording that was killed (process {pid}, record {record}) had set DAMON up. Its settings have been \
                     changed since, so they are not restored."
                ));
            }
            continue;
        }
        let kdamonds = names(&left);
        let what = format!("a recording that was killed (process {pid}, record {record}) left {kdamonds} on.");
        if attaches {
            line.warn(&format!(
                "{what} This recording attaches to it and leaves it on. To stop it: damo record --stop_stale"
            ));
            continue;
        }
        if !request.stop_stale && !agreed(&format!("{} Stop it now?", capitalized(&what)), signals) {
            return Err(Problem::Stale { pid, record, kdamonds }.into());
        }
        put_back(request, machine, &found)?;
        stopped = true;
        line.say(&format!("Stopped {kdamonds}, left on by a recording that was killed (record {record})."));
    }
    Ok(stopped)
}

/// Stops what is left of a killed recording and puts the settings back; its note is done with then. Gives `false`, and
/// changes nothing else, if the settings are someone else's by now.
fn put_back(request: &Request, machine: &Machine, found: &FoundNote) -> Result<bool, RecordError> {
    let _settings_lock = owner::settings_lock(&request.root, LOCK_TIMEOUT)?;
    if !found.path.exists() {
        // Another run did it while we waited.
        return Ok(true);
    }
    let staged = machine.sysfs.take_over(found.note.leftover.clone())?;
    let ours = staged.is_some();
    if let Some(staged) = staged {
        staged.undo()?;
    }
    found.forget()?;
    Ok(ours)
}

/// A sentence that begins a line.
fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn names(kdamonds: &[(usize, i32)]) -> String {
    let one = |(index, pid): &(usize, i32)| format!("kdamond {index} (thread {pid})");
    kdamonds.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// Asks on a terminal; elsewhere nobody can agree.
fn agreed(question: &str, signals: &Signals) -> bool {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    stdin.is_terminal() && stderr.is_terminal() && says_yes(question, &mut stderr, stdin.lock(), signals)
}

/// Whether the answer is yes. To stop something is nothing that Enter should do by itself, and whoever presses Ctrl-C
/// does not agree either.
fn says_yes(question: &str, out: &mut dyn Write, mut input: impl Read + AsFd, signals: &Signals) -> bool {
    if write!(out, "{question} [y/N] ").and_then(|()| out.flush()).is_err() {
        return false;
    }
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && answer.len() < ANSWER {
        if signals.stop().is_some() || !can_read(&input, signals) || signals.stop().is_some() {
            // The answer that did not come would have ended the line.
            let _ = writeln!(out);
            return false;
        }
        let mut some = [0; ANSWER];
        match input.read(&mut some) {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(&some[..n]),
        }
    }
    matches!(String::from_utf8_lossy(&answer).trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Waits until there is something to read; `false` if a signal came first.
fn can_read(input: &impl AsFd, signals: &Signals) -> bool {
    let mut fds = vec![PollFd::new(input, PollFlags::IN)];
    let wakeup = signals.wakeup();
    fds.extend(wakeup.as_ref().map(|wakeup| PollFd::new(wakeup, PollFlags::IN)));
    loop {
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) if signals.stop().is_none() => continue,
            Err(_) => return false,
            Ok(_) => {}
        }
        if signals.stop().is_some() {
            return false;
        }
        if !fds[0].revents().is_empty() {
            return true;
        }
        // Another signal, which says nothing here.
        signals.clear_wakeup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// What comes of an answer.
    fn answered(answer: &[u8]) -> (bool, String) {
        let (mut typist, input) = UnixStream::pair().unwrap();
        typist.write_all(answer).unwrap();
        drop(typist);
        let mut said = Vec::new();
        let yes = says_yes("Stop it now?", &mut said, input, &Signals::default());
        (yes, String::from_utf8(said).unwrap())
    }

    #[test]
    fn only_a_yes_is_one() {
        for (answer, yes) in [
            ("y\n", true),
            ("YES\n", true),
            (" y \r\n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yo\n", false),
        ] {
            assert_eq!(answered(answer.as_bytes()), (yes, "Stop it now? [y/N] ".to_owned()), "{answer:?}");
        }
        assert!(!answered(&[b'y'; 1000]).0);
    }

    #[test]
    fn a_signal_is_a_no_whether_it_comes_before_or_while_it_is_asked() {
        let signals = Signals::listen().unwrap();
        let (mut typist, input) = UnixStream::pair().unwrap();
        let asked = std::thread::spawn({
            let (signals, input) = (signals.clone(), input.try_clone().unwrap());
            move || says_yes("Stop it now?", &mut Vec::new(), input, &signals)
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(!asked.is_finished(), "it waits for an answer");
        signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
        assert!(!asked.join().unwrap());
        typist.write_all(b"y\n").unwrap();
        assert!(!says_yes("Stop it now?", &mut Vec::new(), input, &signals), "what was typed before does not count");
    }
}
