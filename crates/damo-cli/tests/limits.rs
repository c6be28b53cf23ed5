//! What the system does to a recorder from outside, shown on the program itself: `--simulate` records to the same files
//! with the same signals as a live recording.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, tcflow};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// Runs `script` in `dir`, with the program as `$damo`.
fn shell(dir: &Path, script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("damo", env!("CARGO_BIN_EXE_damo-record")).current_dir(dir);
    command.env_remove("SUDO_UID").output().expect("a shell")
}

#[test]
fn a_limit_on_file_sizes_ends_a_recording_as_a_full_disk_does() {
    let dir = tempfile::tempdir().expect("a directory");
    // 2 blocks of 512 bytes.
    let out = shell(dir.path(), "ulimit -f 2; \"$damo\" --simulate stairs -o a.damo");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("File too large") && said.contains("stays readable"), "{said}");
    assert!(!said.contains("Next:"), "{said}");
    let size = std::fs::metadata(dir.path().join("a.damo")).expect("what was written has its name").len();
    assert!((1..=1024).contains(&size), "{size}");
}

#[test]
fn ctrl_backslash_ends_a_recording_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "\"$damo\" --simulate stairs --timeout 100h -o a.damo & sleep 1; kill -QUIT $!; wait $!";
    let out = shell(dir.path(), script);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(damo_format::Reader::open(dir.path().join("a.damo")).is_ok(), "{said}");
}

#[test]
fn a_recording_under_nohup_goes_on_after_logout() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "trap '' HUP; \"$damo\" --simulate stairs --timeout 1000h -o a.damo & sleep 1
                  kill -HUP $!; sleep 1; kill -TERM $! || exit 9; wait $!";
    let out = shell(dir.path(), script);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(damo_format::Reader::open(dir.path().join("a.damo")).is_ok(), "{said}");
}

/// A terminal: the end that shows, and the one for programs.
fn terminal() -> (File, File) {
    let shows = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&shows).expect("a terminal of ours");
    unlockpt(&shows).expect("a terminal to open");
    let name = ptsname(&shows, Vec::new()).expect("a name");
    let name = name.to_str().expect("a number");
    let programs = File::options().read(true).write(true).open(name).expect("its other end");
    (File::from(shows), programs)
}

/// Its exit code, if it ends.
fn ends(program: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if let Some(status) = program.try_wait().expect("a child") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    program.kill().expect("a child");
    None
}

fn terminate(program: &Child) {
    let pid = rustix::process::Pid::from_child(program);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
}

#[test]
fn a_terminal_that_stands_still_holds_no_recording_up_nor_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut shows, programs) = terminal();
    let mut program = Command::new(env!("CARGO_BIN_EXE_damo-record"))
        .args(["--simulate", "stairs", "--timeout", "1000h", "-o", "a.damo"])
        .current_dir(dir.path())
        .stderr(programs.try_clone().expect("another descriptor"))
        .spawn()
        .expect("the recorder");
    // The live line is there.
    assert!(shows.read(&mut [0; 64]).expect("a terminal") > 0);
    // As Ctrl-S does.
    tcflow(&programs, Action::OOff).expect("a terminal");
    let size = || std::fs::metadata(dir.path().join("a.damo.part")).map_or(0, |part| part.len());
    // Longer than a line is not drawn again for.
    std::thread::sleep(Duration::from_secs(2));
    let (seen, begun) = (size(), Instant::now());
    while size() == seen {
        assert!(begun.elapsed() < Duration::from_secs(60), "the record stands still with the terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
    terminate(&program);
    assert_eq!(ends(&mut program), Some(0));
    assert!(damo_format::Reader::open(dir.path().join("a.damo")).is_ok());
}

#[test]
fn a_pipe_that_nobody_reads_holds_a_recorder_up_for_some_seconds_after_a_signal() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut program = Command::new(env!("CARGO_BIN_EXE_damo-record"))
        .args(["--simulate", "stairs", "--timeout", "1000h", "-o", "-"])
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the recorder");
    std::thread::sleep(Duration::from_secs(3));
    terminate(&program);
    assert_eq!(ends(&mut program), Some(2));
    let mut said = String::new();
    program.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert!(said.contains("standard output: nothing was taken for 10 s after SIGTERM"), "{said}");
    drop(reader);
}

#[test]
fn a_file_that_appears_under_the_records_name_stays_and_the_record_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "\"$damo\" --simulate stairs --timeout 100h -o a.damo & \
                  until [ -s a.damo.part ]; do sleep 0.1; done; echo mine >a.damo; kill -INT $!; wait $!";
    let out = shell(dir.path(), script);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("a.damo")).expect("a file"), "mine\n");
    assert!(said.contains("is not lost") && said.contains("Try: mv a.damo.part"), "{said}");
    let kept = damo_format::Reader::open(dir.path().join("a.damo.part")).expect("a record");
    assert!(kept.is_finished(), "{said}");
}

#[test]
fn a_record_to_nowhere_is_refused_unless_nowhere_was_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = shell(dir.path(), "\"$damo\" --simulate stairs --timeout 1s -o - >&-");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("standard output is closed") && said.contains("-o FILE"), "{said}");
    // Also if it was opened for reading as well, as some programs do for the output of others.
    for null in [">/dev/null", "1<>/dev/null"] {
        let out = shell(dir.path(), &format!("\"$damo\" --simulate stairs --timeout 1s -o - {null}"));
        assert_eq!(out.status.code(), Some(0), "{null}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn a_reader_that_has_had_enough_ends_a_recording_and_is_told_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = shell(dir.path(), "\"$damo\" --simulate stairs --timeout 100h -o - | head -c 2000 >some");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("The reader of standard output has gone."), "{said}");
    assert_eq!(std::fs::metadata(dir.path().join("some")).expect("what it took").len(), 2000);
}
