//! Programs on a pseudo terminal, as users have them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, ExitStatus};

/// What a program showed on a terminal of 80 columns and 24 rows that its standard output and error are, and how it
/// ended. The terminal turns each end of a line into `\r\n`; that is taken back.
pub fn on_terminal(mut command: Command) -> (ExitStatus, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed())
        .open(OsStr::from_bytes(name.as_bytes()))
        .expect("its other side");
    command.stdout(open.try_clone().expect("a copy")).stderr(open.try_clone().expect("a copy"));
    let mut child = command.spawn().expect("the program starts");
    // Ours must be closed, or the end is never seen.
    drop((command, open));
    let mut shown = Vec::new();
    let mut master = File::from(master);
    let mut some = [0; 4096];
    loop {
        match master.read(&mut some) {
            Ok(0) => break,
            Ok(n) => shown.extend_from_slice(&some[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Linux says so when the last writer is gone.
            Err(_) => break,
        }
    }
    let status = child.wait().expect("the program ends");
    (status, String::from_utf8_lossy(&shown).replace("\r\n", "\n"))
}
