//! Questions on a terminal that are answered by yes or no.

use damo_steer::signals::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

/// No answer is longer, in bytes.
const MAX_ANSWER: usize = 256;

/// Asks on a terminal; elsewhere nobody can agree.
pub(crate) fn confirmed(question: &str, signals: &Signals) -> bool {
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
    while !answer.contains(&b'\n') && answer.len() < MAX_ANSWER {
        if signals.stop().is_some() || !can_read(&input, signals) || signals.stop().is_some() {
            // The answer that did not come would have ended the line.
            let _ = writeln!(out);
            return false;
        }
        let mut some = [0; MAX_ANSWER];
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
    use std::time::Duration;

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
        signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
        assert!(!asked.join().unwrap());
        typist.write_all(b"y\n").unwrap();
        assert!(!says_yes("Stop it now?", &mut Vec::new(), input, &signals), "what was typed before does not count");
    }
}
