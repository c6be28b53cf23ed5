//! What the system does to a recorder from outside, shown on the program itself: `--simulate` records to the same files
//! with the same signals as a live recording.

use std::path::Path;
use std::process::{Command, Output};

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
fn what_appears_under_the_records_name_is_left_alone_and_the_message_says_where_the_record_is() {
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
    let out = shell(dir.path(), "\"$damo\" --simulate stairs --timeout 1s -o - >/dev/null");
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_reader_that_has_had_enough_ends_a_recording_and_is_told_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = shell(dir.path(), "\"$damo\" --simulate stairs --timeout 100h -o - | head -c 2000 >some");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("The reader of standard output has gone."), "{said}");
    assert_eq!(std::fs::metadata(dir.path().join("some")).expect("what it took").len(), 2000);
}
