//! `damo monitor` as a user has it: on the terminal of tmux, with keys.

mod common;

use common::record_stairs;
use common::tmux::Tmux;
use std::fs;
use std::path::Path;
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
