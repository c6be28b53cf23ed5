//! The screen on a real terminal, that of tmux: what it shows, that keys work, and that the terminal is as before afterwards.

use damo_format::{Writer, WriterOptions};
use damo_model::Nanos;
use damo_sim::{Options, builtin, simulate};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// A tmux server of its own with one session.
struct Terminal(String);

impl Terminal {
    fn tmux(&self, words: &[&str]) -> Output {
        Command::new("tmux").args(["-L", &self.0, "-f", "/dev/null"]).args(words).output().expect("tmux")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until the screen has all of these words.
    fn shows(&self, words: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if words.iter().all(|word| text.contains(word)) {
                return text;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "not on the screen: {words:?}\n{text}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

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
    if Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("skipped: there is no tmux");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    record(&dir.path().join("stairs.damo"));
    std::fs::write(dir.path().join("none.damo"), "no record at all, but as long as a header would be").expect("write");
    let terminal = Terminal(format!("damo-monitor-{}", std::process::id()));
    let shell = format!("cd '{}'; PS1='$ ' LC_ALL=C.UTF-8 NO_COLOR=1 exec sh", dir.path().display());
    assert!(terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", &shell]).status.success());
    let viewer = viewer().display().to_string();
    let enter = |line: &str| terminal.tmux(&["send-keys", line, "Enter"]);
    enter("echo be''fore");
    terminal.shows(&["before"]);
    enter(&format!("'{viewer}' stairs.damo; echo ended with $?"));
    terminal.shows(&["damo monitor stairs.damo", "[Processes]", "masim", "end of the record"]);
    terminal.tmux(&["send-keys", "Enter"]);
    terminal.shows(&["[Mappings]", "[anon:step9]"]);
    terminal.tmux(&["send-keys", "Left"]);
    terminal.shows(&["6 s back"]);
    terminal.tmux(&["resize-window", "-x", "50", "-y", "10"]);
    terminal.shows(&["60x16 are needed"]);
    terminal.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    terminal.shows(&["[Mappings]", "6 s back"]);
    terminal.tmux(&["send-keys", "q"]);
    let text = terminal.shows(&["before", "ended with 0"]);
    assert!(!text.contains("[Mappings]"), "{text}");
    // That something is no record is said on the terminal as it was.
    enter(&format!("clear; '{viewer}' none.damo; echo ended with $?"));
    terminal.shows(&["NotARecord", "ended with 1"]);
    enter("stty -a | grep -o ' icanon'");
    terminal.shows(&[" icanon"]);
}
