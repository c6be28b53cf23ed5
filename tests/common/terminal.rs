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

/// A new terminal of 80 columns and 24 rows: whoever looks at it and types, and the side that programs have. It turns each
/// end of a line into `\r\n`.
pub fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
    grantpt(&master).expect("grantpt");
    unlockpt(&master).expect("unlockpt");
    tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let program_side = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed())
        .open(OsStr::from_bytes(name.as_bytes()))
        .expect("its other side");
    (File::from(master), program_side)
}

/// What a program showed on a terminal that its standard output and error are, and how it ended. What the terminal does to
/// ends of lines is taken back.
pub fn on_terminal(mut command: Command) -> (ExitStatus, String) {
    let (master, program_side) = terminal();
    command.stdout(program_side.try_clone().expect("a copy")).stderr(program_side.try_clone().expect("a copy"));
    let mut child = command.spawn().expect("the program starts");
    // Ours must be closed, or the end is never seen.
    drop((command, program_side));
    let shown = shown_until_the_end(master);
    let status = child.wait().expect("the program ends");
    (status, shown.replace("\r\n", "\n"))
}

/// All that is shown until no program has the terminal any more.
pub fn shown_until_the_end(mut master: File) -> String {
    let mut shown = Vec::new();
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
    String::from_utf8_lossy(&shown).into_owned()
}
