//! The screen on a real terminal, that of tmux: what it shows, that keys work, and that the terminal is as before afterwards.

#[path = "../../../tests/common/tmux.rs"]
mod tmux;

use damo_format::{Writer, WriterOptions};
use damo_model::Nanos;
use damo_sim::{Options, builtin, simulate};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tmux::Tmux;

/// The example that is the screen alone, built with the tests.
fn viewer() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    test.parent().and_then(Path::parent).expect("the target directory").join("examples/screen")
}

fn record(path: &Path) {
    let workload = builtin::find("stairs").expect("built in");
    let options = Options { duration: Some(Nanos::from_secs(60)), ..workload.options() };
    let mut writer = Writer::new(Vec::new(), WriterOptions::live()).expect("a writer");
    simulate(&workload.workloads(), &options, &mut writer, &mut |_| ControlFlow::Continue(())).expect("a simulation");
    std::fs::write(path, writer.finish().expect("a record").0).expect("write");
}

#[test]
fn keys_move_through_a_record_and_the_terminal_is_as_before() {
    let dir = tempfile::tempdir().expect("a directory");
    record(&dir.path().join("stairs.damo"));
    std::fs::write(dir.path().join("none.damo"), "no record at all, but as long as a header would be").expect("write");
    let Some(terminal) = Tmux::start(dir.path(), "NO_COLOR=1") else { return };
    let viewer = viewer().display().to_string();
    let enter = |line: &str| terminal.keys(&[line, "Enter"]);
    enter("echo be''fore");
    terminal.shows(&["before"]);
    enter(&format!("'{viewer}' stairs.damo; echo ended with $?"));
    terminal.shows(&["damo monitor stairs.damo", "[Processes]", "masim", "end of the record"]);
    terminal.keys(&["Enter"]);
    terminal.shows(&["[Mappings]", "[anon:step9]"]);
    terminal.keys(&["Left"]);
    terminal.shows(&["6 s back"]);
    terminal.tmux(&["resize-window", "-x", "50", "-y", "10"]);
    terminal.shows(&["60x16 are needed"]);
    terminal.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    terminal.shows(&["[Mappings]", "6 s back"]);
    terminal.keys(&["q"]);
    let text = terminal.shows(&["before", "ended with 0"]);
    assert!(!text.contains("[Mappings]"), "{text}");
    // That something is no record is said on the terminal as it was.
    enter(&format!("clear; '{viewer}' none.damo; echo ended with $?"));
    terminal.shows(&["NotARecord", "ended with 1"]);
    enter("stty -a | grep -o ' icanon'");
    terminal.shows(&[" icanon"]);
}

#[test]
fn a_key_pressed_while_the_terminal_changes_its_size_is_read_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    record(&dir.path().join("stairs.damo"));
    let Some(terminal) = Tmux::start(dir.path(), "NO_COLOR=1") else { return };
    terminal.keys(&[&format!("'{}' stairs.damo", viewer().display()), "Enter"]);
    terminal.shows(&["end of the record"]);
    for turn in 1..=7 {
        terminal.tmux(&["resize-window", "-x", &(100 + turn).to_string(), ";", "send-keys", "Left"]);
        terminal.shows(&[&format!("{} s back", 6 * turn)]);
    }
}
