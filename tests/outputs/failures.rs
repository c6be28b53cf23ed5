//! What is left, and what is said, when a command cannot write to its end: a full disk, a signal, a closed output.

use super::*;
use std::time::{Duration, Instant};

#[test]
fn a_full_disk_leaves_what_was_there_and_the_message_names_the_file() {
    let here = directory();
    record(here.path());
    for writing in WRITINGS.iter().filter(|writing| !writing.line.starts_with("record")) {
        let name = writing.name("there");
        for there in [None, Some(writing.replaces)] {
            let dir = directory();
            if let Some(content) = there {
                fs::write(dir.path().join(&name), content).expect("write");
            }
            let before = names(dir.path());
            let input = here.path().join("damon.damo").display().to_string();
            let mut command = Command::new("sh");
            // No file may have any content: as a full disk has no room.
            command.args(["-c", "ulimit -f 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_damo")]);
            let out = command.args(writing.words(&input, &name)).current_dir(dir.path()).output().expect("a shell");
            let said = said(&out);
            assert_eq!(out.status.code(), Some(2), "{}: {said}", writing.line);
            assert!(said.contains(&name) && said.contains("too large"), "{}: {said}", writing.line);
            assert!(!said.contains("stays readable"), "{}: {said}", writing.line);
            assert_eq!(names(dir.path()), before, "{}", writing.line);
            if let Some(content) = there {
                assert!(fs::read(dir.path().join(&name)).expect("still there") == content, "{}", writing.line);
            }
        }
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_file_or_a_whole_new_one() {
    let here = directory();
    record(here.path());
    let input = here.path().join("damon.damo").display().to_string();
    let mut random = Random(12);
    for writing in WRITINGS.iter().filter(|writing| !writing.line.starts_with("record")) {
        let dir = directory();
        let (name, path) = (writing.name("out"), dir.path().join(writing.name("out")));
        let begun = Instant::now();
        let out = writing.run(dir.path(), &input, &name);
        assert!(out.status.success(), "{}: {}", writing.line, said(&out));
        let took = u64::try_from(begun.elapsed().as_micros()).expect("a short time");
        let whole = fs::read(&path).expect("written");
        for signal in ["KILL", "TERM", "INT"] {
            fs::write(&path, writing.replaces).expect("write");
            let mut child = damo(dir.path())
                .args(writing.words(&input, &name))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("damo starts");
            std::thread::sleep(Duration::from_micros(random.below(took)));
            let pid = child.id().to_string();
            Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill");
            child.wait().expect("it ends");
            let found = fs::read(&path).expect("there is always a file");
            let is_new = found.len() > writing.replaces.len() && found[..] != *writing.replaces;
            assert!(found == writing.replaces || is_new && is_whole(&found, &whole), "{} {signal}", writing.line);
            if signal != "KILL" {
                let left: Vec<String> = names(dir.path()).into_iter().filter(|left| left.starts_with('.')).collect();
                // What an earlier SIGKILL left may still be there if this run did not come to its output.
                assert!(left.iter().all(|left| !left.contains(&format!(".{pid}-"))), "{}: {left:?}", writing.line);
            }
        }
        // The next run is not refused because of leftovers, and they are gone then.
        fs::remove_file(&path).expect("ours");
        let out = writing.run(dir.path(), &input, &name);
        assert!(out.status.success(), "{}: {}", writing.line, said(&out));
        assert_eq!(names(dir.path()), [name], "{}", writing.line);
    }
}

/// Whether a file is all of what the command writes: the same bytes, but for what depends on the moment.
fn is_whole(found: &[u8], whole: &[u8]) -> bool {
    found.len() == whole.len() && found.get(..8) == whole.get(..8) && found.last() == whole.last()
}

#[test]
fn a_closed_standard_output_is_an_error_and_the_null_device_is_not() {
    let here = directory();
    record(here.path());
    for line in
        ["report wss", "report heats", "report wss --format csv", "info", "report html -o -", "completions bash"]
    {
        let out = shell(here.path(), &format!("\"$damo\" {line} >&-"));
        assert_eq!(out.status.code(), Some(2), "{line}");
        assert!(said(&out).contains("standard output is closed"), "{line}: {}", said(&out));
        // Also if it was opened for reading as well, as some programs do for the output of others.
        for null in [">/dev/null", "1<>/dev/null"] {
            let out = shell(here.path(), &format!("\"$damo\" {line} {null}"));
            assert_eq!(out.status.code(), Some(0), "{line} {null}: {}", said(&out));
        }
    }
}

#[test]
fn names_that_cannot_be_written_are_told_with_the_reason() {
    let here = directory();
    record(here.path());
    let said = fails(here.path(), "report wss -o nowhere/a.csv", 2);
    assert!(said.contains("nowhere/a.csv") && said.contains("there is no directory nowhere"), "{said}");
    fs::write(here.path().join("a.csv"), "a,b\n").expect("write");
    fs::set_permissions(here.path().join("a.csv"), fs::Permissions::from_mode(0o444)).expect("ours");
    let said = fails(here.path(), "report wss -o a.csv", 2);
    assert!(said.contains("a.csv is read-only") && said.contains("--force"), "{said}");
    assert_eq!(fs::read(here.path().join("a.csv")).expect("still there"), b"a,b\n");
    let said = fails(here.path(), "report wss -o /proc/self/a.csv", 2);
    assert!(said.contains("/proc/self/a.csv"), "{said}");
}
