//! `damo monitor` as a user has it: on the terminal of tmux, with keys.

mod common;

use common::terminal::{shown_until_the_end, terminal};
use common::tmux::Tmux;
use common::{ok, record_stairs};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Lets the shell know the program as `$damo`.
fn program() -> String {
    format!("damo='{}'", env!("CARGO_BIN_EXE_damo"))
}

#[test]
fn what_is_shown_is_saved_as_a_picture_a_page_or_a_record() {
    let here = TempDir::new().expect("a directory");
    record_stairs(here.path());
    fs::write(here.path().join("other.png"), "mine").expect("write");
    let Some(tmux) = Tmux::start(here.path(), &program()) else { return };
    tmux.keys(&["$damo monitor damon.damo", "Enter"]);
    tmux.shows(&["end of the record", "idle for"]);
    // The name that is offered is replaced letter by letter.
    let save = |name: &str| {
        tmux.keys(&["s"]);
        tmux.shows(&["save as: masim-"]);
        tmux.keys(&["BSpace"; 20]);
        tmux.keys(&[name, "Enter"]);
    };
    for (name, begins) in
        [("a.png", &b"\x89PNG"[..]), ("a.svg", b"<svg"), ("a.html", b"<!doctype html"), ("a.damo", b"")]
    {
        save(name);
        tmux.shows(&[&format!("saved: {name}")]);
        let file = fs::read(here.path().join(name)).expect("the file that was saved");
        let head = file[..begins.len()].to_ascii_lowercase();
        assert!(head == begins.to_ascii_lowercase(), "{name}: {:?}", &file[..file.len().min(16)]);
    }
    save("other.png");
    tmux.shows(&["error: ", "other.png"]);
    assert_eq!(fs::read_to_string(here.path().join("other.png")).expect("still there"), "mine");
    save("a.doc");
    tmux.shows(&["must end in .png, .svg, .html or .damo"]);
    tmux.keys(&["q"]);
    tmux.keys(&["$damo info a.damo", "Enter"]);
    tmux.shows(&["masim"]);
}

#[test]
fn the_monitor_ends_when_its_terminal_is_gone() {
    let here = TempDir::new().expect("a directory");
    record_stairs(here.path());
    let Some(tmux) = Tmux::start(here.path(), &program()) else { return };
    tmux.keys(&["echo $$ > pid; exec $damo monitor damon.damo", "Enter"]);
    tmux.shows(&["end of the record"]);
    let pid = fs::read_to_string(here.path().join("pid")).expect("its number");
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    drop(tmux);
    let begun = Instant::now();
    while process.join("exe").read_link().is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it still runs");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The process that `parent` started.
fn child_of(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_stream_is_read_on_while_the_terminal_stands_still() {
    let here = TempDir::new().expect("a directory");
    let config = common::top().join("testdata/masim/stairs.cfg");
    let words = format!("record --simulate {} -s 500us -a 2ms -n 1000 -m 2000 -o large.damo", config.display());
    ok(here.path(), &words);
    let record = fs::read(here.path().join("large.damo")).expect("the record");
    assert!(record.len() > 3 * (64 << 10), "larger than what a pipe holds: {}", record.len());
    assert!(Command::new("mkfifo").arg(here.path().join("stream")).status().expect("mkfifo").success());

    let (mut master, program_side) = terminal();
    let copy = || program_side.try_clone().expect("a copy");
    let mut shell = Command::new("setsid")
        .args(["--ctty", "sh", "-c", &format!("{} monitor - <stream; exit $?", env!("CARGO_BIN_EXE_damo"))])
        .current_dir(here.path())
        .env("TERM", "xterm-256color")
        .stdin(copy())
        .stdout(copy())
        .stderr(copy())
        .spawn()
        .expect("setsid of util-linux");
    drop(program_side);
    let mut stream = OpenOptions::new().write(true).open(here.path().join("stream")).expect("the pipe");
    let (first, rest) = record.split_at(32 << 10);
    stream.write_all(first).expect("written");
    let mut seen = Vec::new();
    let mut some = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains("keys") {
        let n = master.read(&mut some).expect("something is shown");
        seen.extend_from_slice(&some[..n]);
    }
    // Nobody looks any more, while the page of keys comes and goes: soon the terminal takes no more.
    let patience = Instant::now() + Duration::from_secs(120);
    let stands_still = || {
        let monitor = child_of(shell.id()).expect("the monitor runs");
        fs::read_to_string(format!("/proc/{monitor}/wchan"))
            .is_ok_and(|place| place.contains("tty_write") || place == "wait_woken")
    };
    let (mut looks, mut page) = (0, true);
    while looks < 10 {
        assert!(Instant::now() < patience, "the terminal takes everything");
        master.write_all(if page { b"?" } else { b"\x1b" }).expect("typed");
        page = !page;
        thread::sleep(Duration::from_millis(30));
        looks = if stands_still() { looks + 1 } else { 0 };
    }
    stream.write_all(rest).expect("it is read on");
    drop(stream);
    assert!(stands_still());
    let shown = thread::spawn({
        let master = master.try_clone().expect("a copy");
        move || shown_until_the_end(master)
    });
    thread::sleep(Duration::from_millis(500));
    master.write_all(b"\x1bq").expect("typed");
    assert!(shell.wait().expect("it ends").success());
    drop(master);
    assert!(!shown.join().expect("all is shown").contains("error"));
}
