//! The flight recorder (`--keep`) of the program itself, without DAMON: what it holds is written when SIGUSR1 asks for it.

use damo_format::Reader;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn snapshots(file: &Path) -> u64 {
    Reader::open(file).expect("a record").totals().snapshots
}

#[test]
fn a_flight_recorder_of_referenced_pages_writes_when_it_is_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let of = |name: &str| dir.path().join(name);
    let words = ["--source", "referenced", "--keep", "1min", "-a", "100ms", "-o", "f.damo", "--metrics", "f.prom"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_damo-record"));
    command.current_dir(dir.path()).env_remove("SUDO_UID").args(words).args(["--metrics_interval", "1s"]);
    command.args(["--", "sleep", "1000"]).stderr(Stdio::piped());
    let mut recorder = command.spawn().expect("damo-record starts");
    let pid = recorder.id().to_string();
    let ask = |signal: &str| {
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    };
    // The first figures say that there are snapshots.
    wait_for("there are no metrics", || of("f.prom").exists() || recorder.try_wait().expect("a child").is_some());
    if recorder.try_wait().expect("a child").is_some() {
        let mut said = String::new();
        recorder.stderr.take().expect("what it said").read_to_string(&mut said).expect("text");
        // Where nobody may read which pages a process references, there is nothing to record.
        assert!(said.contains("referenced"), "{said}");
        return;
    }
    ask("-USR1");
    wait_for("nothing was written", || of("f.0001.damo").exists());
    assert!(!of("f.damo").exists(), "the recording goes on");
    ask("-TERM");
    recorder.wait().expect("it ends");
    let (asked, end) = (snapshots(&of("f.0001.damo")), snapshots(&of("f.damo")));
    assert!(0 < asked && asked <= end, "{asked} snapshots, then {end}");
}
