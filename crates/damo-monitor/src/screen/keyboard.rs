//! Whether there are keys to read, and whether the terminal is still there.
//!
//! The library that reads keys tries again without end when the terminal has gone (a closed window, an ssh connection that
//! broke): it must not be asked then.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// What there is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Nothing in the time given.
    None,
    /// Something, if perhaps not a whole key.
    Some,
    /// The terminal is gone, and no key will ever come.
    Gone,
}

/// The terminal that keys are read from: standard input, or if that is something else the one that controls us.
pub(crate) enum Keyboard {
    Stdin(io::Stdin),
    Terminal(File),
}

impl Keyboard {
    /// # Errors
    /// If there is no terminal.
    pub(crate) fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        if stdin.is_terminal() { Ok(Self::Stdin(stdin)) } else { File::open("/dev/tty").map(Self::Terminal) }
    }

    /// Waits no longer than `patience`.
    ///
    /// # Errors
    /// If the system refuses to wait.
    pub(crate) fn wait(&self, patience: Duration) -> io::Result<Keys> {
        keys(self.fd(), patience)
    }

    /// Has keys that are there announced once more to who reads them.
    ///
    /// The library that reads keys is told only once that there are some, and if the terminal's size changed in the same
    /// moment, it forgets it: the key would stay unread until the next one is pressed. Setting the terminal's attributes to
    /// what they are makes the kernel tell it again.
    ///
    /// # Errors
    /// If the attributes cannot be read or set.
    pub(crate) fn announce(&self) -> io::Result<()> {
        let attributes = tcgetattr(self.fd())?;
        Ok(tcsetattr(self.fd(), OptionalActions::Now, &attributes)?)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::Terminal(file) => file.as_fd(),
        }
    }
}

fn keys(fd: BorrowedFd<'_>, patience: Duration) -> io::Result<Keys> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let time = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
    match poll(&mut fds, Some(&time)) {
        // A signal: who waits looks what it was.
        Ok(0) | Err(Errno::INTR) => Ok(Keys::None),
        Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => Ok(Keys::Gone),
        Ok(_) => Ok(Keys::Some),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::ffi::OsStr;
    use std::io::Write;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_terminal_that_is_gone_is_told_from_one_without_keys() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let look = || keys(reader.as_fd(), Duration::from_millis(1)).expect("poll");
        assert_eq!(look(), Keys::None);
        writer.write_all(b"q").expect("write");
        assert_eq!(look(), Keys::Some);
        drop(writer);
        assert_eq!(look(), Keys::Gone);
    }

    #[test]
    fn keys_that_are_announced_once_more_wake_who_waits_for_a_change() {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&controller).and_then(|()| unlockpt(&controller)).expect("allowed");
        let name = ptsname(&controller, Vec::new()).expect("its name");
        let file = File::open(OsStr::from_bytes(name.as_bytes())).expect("its other side");
        let mut attributes = tcgetattr(&file).expect("attributes");
        attributes.make_raw();
        tcsetattr(&file, OptionalActions::Now, &attributes).expect("raw");
        let keyboard = Keyboard::Terminal(file);
        let changes = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
        epoll::add(&changes, keyboard.fd(), EventData::new_u64(0), EventFlags::IN | EventFlags::ET).expect("added");
        // A key takes its time through the terminal: it is waited for as long as a busy machine needs.
        let changed = |seconds| {
            let mut events = Vec::with_capacity(1);
            let patience = Timespec { tv_sec: seconds, tv_nsec: 1_000_000 };
            epoll::wait(&changes, rustix::buffer::spare_capacity(&mut events), Some(&patience)).expect("waited") == 1
        };
        rustix::io::write(&controller, b"q").expect("a key");
        assert!(changed(60), "the key is told");
        assert!(!changed(0), "and only once");
        keyboard.announce().expect("announced");
        assert!(changed(60), "but then once more");
    }
}
