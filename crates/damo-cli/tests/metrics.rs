//! `--metrics` on the program itself: the file is what Prometheus' own checker takes, others may read it, and nothing else is
//! replaced by it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn record(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_damo-record"));
    command.current_dir(dir).env_remove("SUDO_UID").arg("--quiet").args(words);
    command.output().expect("damo-record starts")
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// The value of a series whose text begins so.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series}: {text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

/// Metrics while a recording to a pipe, which nobody empties yet, is under way: those of its beginning.
fn under_way(dir: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_damo-record"));
    command.current_dir(dir).env_remove("SUDO_UID").arg("--quiet").args(words);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("damo-record starts");
    let file = dir.join("m.prom");
    let text = loop {
        if let Ok(text) = fs::read_to_string(&file)
            && text.contains("damon_target_")
        {
            break text;
        }
        assert!(child.try_wait().expect("a child").is_none(), "it ended before there were metrics");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    drop(child.stdout.take());
    child.wait().expect("a child");
    text
}

#[test]
fn metrics_of_a_recording_are_what_the_checker_of_prometheus_takes() {
    let dir = tempfile::tempdir().expect("a directory");
    let words = ["--simulate", "pair", "--timeout", "100h", "-o", "-", "--metrics", "m.prom"];
    let text = under_way(dir.path(), &words);
    let mode = fs::metadata(dir.path().join("m.prom")).expect("the metrics").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "node_exporter runs as another user");
    for target in ["0", "1"] {
        let of = |name: &str| value(&text, &format!("damon_target_{name}_bytes{{target=\"{target}\""));
        let (working_set, hot, all) = (of("working_set"), of("hot"), of("monitored"));
        assert!(0.0 < hot && hot <= working_set && working_set <= all, "{hot} {working_set} {all}");
        assert!(of("resident_memory") > 0.0);
    }
    let idle: Vec<f64> = ["25", "50", "75", "90", "99"]
        .map(|percentile| {
            let ending = format!("percentile=\"{percentile}\"}} ");
            let line = text.lines().find(|line| line.contains("target=\"0\"") && line.contains(&ending));
            line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{ending} {text}"))
        })
        .to_vec();
    assert!(idle.is_sorted(), "{idle:?}");
    let Ok(mut checker) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
    else {
        eprintln!("skipped the check by promtool: there is none");
        return;
    };
    std::io::Write::write_all(&mut checker.stdin.take().expect("a pipe"), text.as_bytes()).expect("written");
    let checked = checker.wait_with_output().expect("promtool");
    assert!(checked.status.success(), "{}\n{text}", said(&checked));
}

#[test]
fn the_last_metrics_say_that_nothing_records_and_the_next_recording_replaces_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let words = ["--simulate", "stairs", "--timeout", "20s", "-o", "a.damo", "--metrics", "m.prom"];
    for _ in 0..2 {
        let out = record(dir.path(), &words);
        assert!(out.status.success(), "{}", said(&out));
        let text = fs::read_to_string(dir.path().join("m.prom")).expect("the metrics");
        assert_eq!(value(&text, "damon_recording "), 0.0);
        assert_eq!(value(&text, "damon_snapshots_total "), 200.0);
    }
    let names: Vec<_> =
        fs::read_dir(dir.path()).expect("a directory").map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(names.len(), 3, "the record, the one before, and the metrics: {names:?}");
}

#[test]
fn what_stands_in_the_way_of_metrics_is_told_before_anything_is_recorded() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("other.prom"), b"\0 something").expect("write");
    fs::create_dir(dir.path().join("dir.prom")).expect("a directory");
    for (name, why) in [
        ("m.txt", "must end in .prom"),
        ("other.prom", "is no file of metrics"),
        ("dir.prom", "is a directory"),
        ("none/m.prom", "there is no directory none"),
    ] {
        let out = record(dir.path(), &["--simulate", "stairs", "-o", "a.damo", "--metrics", name]);
        assert_eq!(out.status.code(), Some(2), "{name}");
        assert!(said(&out).contains(why), "{name}: {}", said(&out));
        assert!(!dir.path().join("a.damo").exists(), "{name}");
    }
    assert_eq!(fs::read(dir.path().join("other.prom")).expect("still there"), b"\0 something");
    let out = record(dir.path(), &["--simulate", "stairs", "--metrics_interval", "5s"]);
    assert!(said(&out).contains("--metrics <FILE>"), "{}", said(&out));
}

#[test]
fn metrics_that_can_no_longer_be_written_do_not_end_the_recording() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("away")).expect("a directory");
    let script = "\"$damo\" --simulate stairs --timeout 100h -o a.damo --metrics away/m.prom & sleep 0.3; \
                  mv away gone; sleep 0.5; kill -INT $!; wait $!";
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("damo", env!("CARGO_BIN_EXE_damo-record")).current_dir(dir.path());
    let out = command.env_remove("SUDO_UID").output().expect("a shell");
    let said = said(&out);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(said.contains("away/m.prom") && said.contains("goes on without these metrics"), "{said}");
    assert!(damo_format::Reader::open(dir.path().join("a.damo")).is_ok(), "{said}");
}
